/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables in memory, and what an identity looks like as a key. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "common/sip/sip.h"
#include "scscf/subscribers/inner.h"

/* ---- canonical identities ---- */

static bool is_unreserved(int c) /* RFC 3261 25.1 */
{
    return isalnum(c) || (c && strchr("-_.!~*'()", c));
}

/* Escapes of what needs none are undone (RFC 3261 19.1.4: %61 is a). */
static void put_user(struct buf *b, struct span user)
{
    for (size_t i = 0; i < user.n; i++) {
        uint8_t octet;
        size_t n;

        if (user.p[i] == '%' && hex_decode(span_sub(user, i + 1, i + 3), &octet, 1, &n) == 0 &&
            n == 1 && is_unreserved(octet)) {
            buf_putc(b, (char)octet);
            i += 2;
        } else {
            buf_putc(b, user.p[i]);
        }
    }
}

static void put_number(struct buf *b, struct span number)
{
    for (size_t i = 0; i < number.n; i++) /* RFC 3966 5.1.1: visual separators */
        if (!strchr("-.()", number.p[i]))
            buf_putc(b, number.p[i]);
}

/* The user part without password and user parameters, which name nobody. */
static struct span user_of(const struct sip_uri *u)
{
    struct span user = span_sub(u->user, 0, span_find(u->user, ';'));

    return span_sub(user, 0, span_find(user, ':'));
}

int impu_canonical(struct span uri, char dst[SUBSCRIBER_IMPU_MAX + 1], struct span *ret_impu)
{
    struct buf b = {dst, 0, SUBSCRIBER_IMPU_MAX, false};
    struct sip_uri u;

    if (sip_uri_split(uri, &u))
        return -EINVAL;
    switch (u.scheme) {
    case SIP_SCHEME_TEL:
        if (!span_starts(u.user, SPAN("+")))
            return -EINVAL; /* RFC 3966 5.1.5: a local number names nobody without its context */
        buf_puts(&b, "tel:");
        put_number(&b, u.user);
        break;
    case SIP_SCHEME_SIP:
    case SIP_SCHEME_SIPS: /* the same person, reached with more care */
        buf_puts(&b, "sip:");
        if (u.user.p) {
            put_user(&b, user_of(&u));
            buf_putc(&b, '@');
        }
        for (size_t i = 0; i < u.host.n; i++)
            buf_putc(&b, (char)tolower((unsigned char)u.host.p[i]));
        break;
    default:
        return -EINVAL;
    }
    if (b.overflow)
        return -EMSGSIZE;
    *ret_impu = buf_span(&b);
    return 0;
}

/* "tel:..." of sip:number@host;user=phone, for a table that has the tel form only. */
static bool tel_of_phone(struct span uri, char dst[SUBSCRIBER_IMPU_MAX + 1], struct span *ret_impu)
{
    struct buf b = {dst, 0, SUBSCRIBER_IMPU_MAX, false};
    struct sip_uri u;

    if (sip_uri_split(uri, &u) || u.scheme == SIP_SCHEME_TEL || !u.user.p ||
        !span_eq_nocase(sip_param_find(u.params, SPAN("user")), SPAN("phone")))
        return false;
    buf_puts(&b, "tel:");
    put_number(&b, user_of(&u));
    *ret_impu = buf_span(&b);
    return !b.overflow;
}

/* ---- entries ---- */

static struct span text_add(char **at, struct span s)
{
    struct span copy = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

struct entry *entry_new(const struct subscriber *pub)
{
    size_t size = sizeof(struct entry) +
                  pub->n_impu * (sizeof(struct subscriber_impu) + sizeof(struct impu_node)) +
                  pub->impi.n + pub->display_name.n + pub->realm.n;
    struct entry *e;
    char *at;

    for (unsigned i = 0; i < pub->n_impu; i++)
        size += pub->impu[i].uri.n;
    e = calloc(1, size);
    if (!e)
        return NULL;
    e->pub = *pub;
    e->impu = (struct subscriber_impu *)(void *)(e + 1);
    e->impu_node = (struct impu_node *)(void *)(e->impu + pub->n_impu);
    at = (char *)(e->impu_node + pub->n_impu);
    e->pub.impu = e->impu;
    e->pub.impi = text_add(&at, pub->impi);
    e->pub.display_name = text_add(&at, pub->display_name);
    e->pub.realm = text_add(&at, pub->realm);
    for (unsigned i = 0; i < pub->n_impu; i++) {
        e->impu[i] = pub->impu[i];
        e->impu[i].uri = text_add(&at, pub->impu[i].uri);
        e->impu_node[i].entry = e;
        e->impu_node[i].at = i;
    }
    return e;
}

void entry_free(struct entry *e)
{
    if (!e)
        return;
    sqn_forget(e);
    aka_key_wipe(&e->key);
    digest_ha1_wipe(&e->ha1);
    free(e);
}

/* ---- tables ---- */

static bool impi_equal(const struct map_node *node, const void *key)
{
    const struct entry *e = CONTAINER_OF(node, const struct entry, node);

    return span_eq(e->pub.impi, *(const struct span *)key);
}

static struct span impu_of(const struct impu_node *n)
{
    return n->entry->impu[n->at].uri;
}

static bool impu_equal(const struct map_node *node, const void *key)
{
    return span_eq(impu_of(CONTAINER_OF(node, const struct impu_node, node)),
                   *(const struct span *)key);
}

int index_init(struct subscribers *s, const struct rnd *rnd)
{
    uint8_t key[16];
    int rc;

    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&s->by_impi, s->limit, key, impi_equal);
    if (rc)
        return rc;
    rc = map_init(&s->by_impu, s->limit * SUBSCRIBER_IMPUS, key, impu_equal);
    if (rc)
        map_fini(&s->by_impi);
    return rc;
}

/* The tables know no order and may not change during a walk: entries are chained first. */
static bool chain(struct map_node *node, void *ctx)
{
    struct entry ***last = ctx;
    struct entry *e = CONTAINER_OF(node, struct entry, node);

    **last = e;
    /* The IMPU nodes are no longer needed. */
    *last = &e->impu_node[0].entry;
    return true;
}

void index_fini(struct subscribers *s)
{
    struct entry *first = NULL, **last = &first;

    map_each(&s->by_impi, chain, &last);
    *last = NULL;
    map_fini(&s->by_impi);
    map_fini(&s->by_impu);
    while (first) {
        struct entry *e = first;

        first = e->impu_node[0].entry;
        entry_free(e);
    }
}

int index_add(struct subscribers *s, struct entry *e)
{
    int rc = map_add(&s->by_impi, map_hash(&s->by_impi, e->pub.impi.p, e->pub.impi.n), &e->node);

    if (rc)
        return rc;
    for (unsigned i = 0; i < e->pub.n_impu; i++) {
        struct span uri = e->impu[i].uri;

        rc = map_add(&s->by_impu, map_hash(&s->by_impu, uri.p, uri.n), &e->impu_node[i].node);
        if (rc) {
            while (i-- > 0)
                map_del(&s->by_impu, &e->impu_node[i].node);
            map_del(&s->by_impi, &e->node);
            return rc;
        }
    }
    return 0;
}

void index_del(struct subscribers *s, struct entry *e)
{
    for (unsigned i = 0; i < e->pub.n_impu; i++)
        map_del(&s->by_impu, &e->impu_node[i].node);
    map_del(&s->by_impi, &e->node);
}

struct entry *index_find(const struct subscribers *s, struct span impi)
{
    struct map_node *node = map_find(&s->by_impi, map_hash(&s->by_impi, impi.p, impi.n), &impi);

    return node ? CONTAINER_OF(node, struct entry, node) : NULL;
}

/* ---- look-ups ---- */

size_t subscribers_count(const struct subscribers *s)
{
    return s->by_impi.count;
}

const struct subscriber *subscribers_find_impi(const struct subscribers *s, struct span impi)
{
    const struct entry *e = index_find(s, impi);

    return e ? &e->pub : NULL;
}

static const struct impu_node *find_impu(const struct subscribers *s, struct span impu)
{
    struct map_node *node = map_find(&s->by_impu, map_hash(&s->by_impu, impu.p, impu.n), &impu);

    return node ? CONTAINER_OF(node, struct impu_node, node) : NULL;
}

const struct subscriber *subscribers_find_impu(const struct subscribers *s, struct span uri,
                                               const struct subscriber_impu **ret_impu)
{
    char text[SUBSCRIBER_IMPU_MAX + 1];
    const struct impu_node *n;
    struct span impu;

    if (impu_canonical(uri, text, &impu))
        return NULL;
    n = find_impu(s, impu);
    if (!n && tel_of_phone(uri, text, &impu))
        n = find_impu(s, impu);
    if (!n)
        return NULL;
    if (ret_impu)
        *ret_impu = &n->entry->impu[n->at];
    return &n->entry->pub;
}

int subscribers_ha1(const struct subscribers *s, struct span impi, struct digest_ha1 *ret_ha1)
{
    const struct entry *e = index_find(s, impi);

    if (!e || !e->pub.has_digest)
        return e ? -ENOKEY : -ENOENT;
    *ret_ha1 = e->ha1;
    return 0;
}
