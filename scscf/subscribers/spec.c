/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people type, checked; every refusal says what, where and how to mend it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "scscf/subscribers/inner.h"

void error_set(struct subscribers_error *ret_error, int code, const char *remedy, const char *fmt,
               ...)
{
    va_list ap;

    if (!ret_error)
        return;
    ret_error->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, ap);
    va_end(ap);
    (void)snprintf(ret_error->remedy, sizeof(ret_error->remedy), "%s", remedy);
}

void error_of_store(struct subscribers_error *ret_error, const struct store_error *error)
{
    error_set(ret_error, error->code, error->remedy, "%s", error->text);
}

/* ---- arguments by name: one table ---- */

static const struct {
    struct span name;
    size_t offset;
} arguments[] = {
#define ARGUMENT(text, member)                                                                     \
    {                                                                                              \
        {text, sizeof(text) - 1}, offsetof(struct subscriber_spec, member)                         \
    }
    ARGUMENT("impi", impi),
    ARGUMENT("k", k),
    ARGUMENT("opc", opc),
    ARGUMENT("op", op),
    ARGUMENT("amf", amf),
    ARGUMENT("sqn", sqn),
    ARGUMENT("realm", realm),
    ARGUMENT("password", password),
    ARGUMENT("display-name", display_name),
    ARGUMENT("media", media),
    ARGUMENT("barred", barred),
    ARGUMENT("barred-impu", barred_impu),
#undef ARGUMENT
};

int subscriber_spec_set(struct subscriber_spec *spec, struct span name, struct span value,
                        struct subscribers_error *ret_error)
{
    if (span_eq(name, SPAN("impu"))) {
        if (spec->n_impu == SUBSCRIBER_IMPUS) {
            error_set(ret_error, -E2BIG, "give the others to a further subscriber",
                      "more than %d public identities (impu)", SUBSCRIBER_IMPUS);
            return -E2BIG;
        }
        spec->impu[spec->n_impu++] = value;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
        struct span *place = (struct span *)(void *)((char *)spec + arguments[i].offset);

        if (!span_eq(name, arguments[i].name))
            continue;
        if (place->p) {
            error_set(ret_error, -EEXIST, "give it once", "argument %.*s is given twice",
                      SPAN_ARG(name));
            return -EEXIST;
        }
        *place = value.p ? value : SPAN("");
        return 0;
    }
    error_set(ret_error, -ENOENT,
              "it takes impi, impu (up to 8 times), k, opc or op, amf, sqn, password, realm, "
              "display-name, media, barred, barred-impu",
              "there is no argument %.*s", (int)(name.n < 64 ? name.n : 64), name.p);
    return -ENOENT;
}

/* ---- checks ---- */

/* Values are shown, but no more of them than helps, and never a key. */
static int shown(struct span s)
{
    return (int)(s.n < 100 ? s.n : 100);
}

static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            return false;
    }
    return true;
}

static int check_impi(struct span impi, struct subscribers_error *ret_error)
{
    size_t at = span_find(impi, '@');

    if (impi.n == 0 || impi.n > SUBSCRIBER_IMPI_MAX || at == 0 || at + 1 >= impi.n ||
        !is_plain(impi) || span_find(impi, ' ') < impi.n) {
        error_set(ret_error, -EINVAL,
                  "an impi is user@realm, such as 001010000000001@ims.mnc001.mcc001."
                  "3gppnetwork.org, of at most 128 characters",
                  "impi \"%.*s\" is no private identity", shown(impi), impi.p ? impi.p : "");
        return -EINVAL;
    }
    return 0;
}

static int read_hex(const char *name, struct span value, uint8_t *dst, size_t n,
                    struct subscribers_error *ret_error)
{
    size_t got = 0;

    if (hex_decode(value, dst, n, &got) == 0 && got == n)
        return 0;
    error_set(ret_error, -EINVAL, "write it as hexadecimal digits without spaces or 0x",
              "%s has %zu characters that are not %zu hexadecimal digits", name, value.n, 2 * n);
    return -EINVAL;
}

static int read_sqn(struct span value, uint64_t *ret_sqn, struct subscribers_error *ret_error)
{
    uint64_t v = 0;
    int rc;

    if (span_starts(value, SPAN("0x"))) {
        rc = value.n > 2 && value.n <= 14 ? 0 : -EINVAL;
        for (size_t i = 2; i < value.n && !rc; i++) {
            uint8_t digit[1];
            char pair[2] = {'0', value.p[i]};
            size_t n;

            rc = hex_decode(span_of(pair, 2), digit, 1, &n);
            v = v << 4 | (rc ? 0 : digit[0]);
        }
    } else {
        rc = span_u64(value, AKA_SQN_MAX, &v);
    }
    if (rc) {
        error_set(ret_error, -EINVAL, "write it as decimal number, or as 0x and 1 to 12 digits",
                  "sqn \"%.*s\" is no number of 48 bits", shown(value), value.p);
        return -EINVAL;
    }
    *ret_sqn = v;
    return 0;
}

/* "a,b" of the words in names to the or of their bits. */
static int read_words(const char *what, struct span list, const char *const *names, unsigned n,
                      unsigned *ret_bits, struct subscribers_error *ret_error)
{
    unsigned bits = 0;

    while (list.p) {
        struct span word = span_trim(span_cut(&list, ','));
        unsigned i = 0;

        while (i < n && !span_eq(word, span_str(names[i])))
            i++;
        if (i == n) {
            char remedy[128];
            struct buf b = {remedy, 0, sizeof(remedy) - 1, false};

            buf_puts(&b, "choose, separated by commas, of:");
            for (i = 0; i < n; i++)
                buf_fmt(&b, " %s", names[i]);
            remedy[b.n] = '\0';
            error_set(ret_error, -EINVAL, remedy, "%s does not know \"%.*s\"", what, shown(word),
                      word.p);
            return -EINVAL;
        }
        bits |= 1U << i;
    }
    *ret_bits = bits;
    return 0;
}

static int read_profile(const struct subscriber_spec *spec, struct subscriber *pub,
                        struct subscribers_error *ret_error)
{
    static const char *const media[] = {"audio", "video", "text", "other"};
    static const char *const barred[] = {"out", "in"};
    unsigned bits = 0;
    int rc;

    pub->media = SUBSCRIBER_MEDIA_ALL;
    if (spec->media.p) {
        rc = read_words("media", spec->media, media, ARRAY_LEN(media), &pub->media, ret_error);
        if (rc)
            return rc;
    }
    if (spec->barred.p) {
        rc = read_words("barred", spec->barred, barred, ARRAY_LEN(barred), &bits, ret_error);
        if (rc)
            return rc;
    }
    pub->barred_out = bits & 1;
    pub->barred_in = bits & 2;
    if (spec->display_name.n > SUBSCRIBER_NAME_MAX || !is_plain(spec->display_name)) {
        error_set(ret_error, -EINVAL, "leave out quotes, backslashes and control characters",
                  "display-name cannot stand in a header (or has over %d octets)",
                  SUBSCRIBER_NAME_MAX);
        return -EINVAL;
    }
    pub->display_name = spec->display_name;
    if (spec->realm.p &&
        (spec->realm.n == 0 || spec->realm.n > SUBSCRIBER_IMPI_MAX || !is_plain(spec->realm))) {
        error_set(ret_error, -EINVAL, "write the home domain, or leave it out",
                  "realm \"%.*s\" cannot stand in a challenge", shown(spec->realm), spec->realm.p);
        return -EINVAL;
    }
    return 0;
}

/* ---- identities ---- */

struct impus {
    struct subscriber_impu impu[SUBSCRIBER_IMPUS];
    char text[SUBSCRIBER_IMPUS][SUBSCRIBER_IMPU_MAX + 1];
};

static struct subscriber_impu *impus_find(struct impus *set, unsigned n, struct span uri)
{
    for (unsigned i = 0; i < n; i++)
        if (span_eq(set->impu[i].uri, uri))
            return &set->impu[i];
    return NULL;
}

static int no_impu(struct span uri, struct subscribers_error *ret_error)
{
    error_set(ret_error, -EINVAL, "write sip:user@home.domain or tel:+number",
              "impu \"%.*s\" is no public identity", shown(uri), uri.p ? uri.p : "");
    return -EINVAL;
}

static int read_impus(const struct subscribers *s, const struct subscriber_spec *spec,
                      struct impus *set, struct subscribers_error *ret_error)
{
    struct span list = spec->barred_impu;

    if (spec->n_impu == 0) {
        error_set(ret_error, -EINVAL, "give at least one, the default first",
                  "no public identity (impu)");
        return -EINVAL;
    }
    for (unsigned i = 0; i < spec->n_impu; i++) {
        struct subscriber_impu *impu = &set->impu[i];
        const struct subscriber *owner;

        *impu = (struct subscriber_impu){0};
        if (impu_canonical(spec->impu[i], set->text[i], &impu->uri))
            return no_impu(spec->impu[i], ret_error);
        owner = subscribers_find_impu(s, impu->uri, NULL);
        if (owner || impus_find(set, i, impu->uri)) {
            error_set(ret_error, -EEXIST, "choose another, or delete that subscriber first",
                      "impu %.*s belongs to %.*s already", SPAN_ARG(impu->uri),
                      SPAN_ARG(owner ? owner->impi : spec->impi));
            return -EEXIST;
        }
    }
    while (list.p) {
        char text[SUBSCRIBER_IMPU_MAX + 1];
        struct span word = span_trim(span_cut(&list, ',')), uri;
        struct subscriber_impu *impu;

        if (impu_canonical(word, text, &uri))
            return no_impu(word, ret_error);
        impu = impus_find(set, spec->n_impu, uri);
        if (!impu) {
            error_set(ret_error, -EINVAL, "give it as impu as well",
                      "barred-impu %.*s is not among the identities", SPAN_ARG(uri));
            return -EINVAL;
        }
        impu->barred = true;
    }
    return 0;
}

/* ---- keys ---- */

static int read_aka(struct subscribers *s, const struct subscriber_spec *spec, struct entry *e,
                    struct subscribers_error *ret_error)
{
    uint8_t op[AKA_KEY_LEN];
    int rc;

    if (!spec->opc.p == !spec->op.p) {
        error_set(ret_error, -EINVAL, "give one of them: opc, or the operator's op",
                  spec->op.p ? "opc and op are both given" : "k without opc or op");
        return -EINVAL;
    }
    rc = read_hex("k", spec->k, e->key.k, AKA_KEY_LEN, ret_error);
    if (!rc && spec->opc.p)
        rc = read_hex("opc", spec->opc, e->key.opc, AKA_KEY_LEN, ret_error);
    if (!rc && spec->op.p) {
        rc = read_hex("op", spec->op, op, AKA_KEY_LEN, ret_error);
        if (!rc && milenage_opc(s->auth, e->key.k, op, e->key.opc)) {
            error_set(ret_error, -ENOMEM, "give the daemon more memory", "out of memory");
            rc = -ENOMEM;
        }
        bytes_wipe(op, sizeof(op));
    }
    if (!rc)
        rc = read_hex("amf", spec->amf.p ? spec->amf : SPAN("8000"), e->key.amf, AKA_AMF_LEN,
                      ret_error);
    if (!rc && spec->sqn.p)
        rc = read_sqn(spec->sqn, &e->sqn, ret_error);
    return rc;
}

static int read_keys(struct subscribers *s, const struct subscriber_spec *spec, struct entry *e,
                     struct subscribers_error *ret_error)
{
    if (e->pub.has_aka) {
        int rc = read_aka(s, spec, e, ret_error);

        if (rc)
            return rc;
    }
    if (e->pub.has_digest &&
        digest_ha1_make(s->auth, e->pub.impi, e->pub.realm, spec->password, &e->ha1)) {
        error_set(ret_error, -ENOMEM, "give the daemon more memory", "out of memory");
        return -ENOMEM;
    }
    return 0;
}

static int check_credentials(const struct subscriber_spec *spec,
                             struct subscribers_error *ret_error)
{
    if (!spec->k.p && (spec->opc.p || spec->op.p || spec->amf.p || spec->sqn.p)) {
        error_set(ret_error, -EINVAL, "give k, the key on the card, as well",
                  "opc, op, amf or sqn without k");
        return -EINVAL;
    }
    if (spec->password.p ? spec->password.n == 0 : !spec->k.p) {
        error_set(ret_error, -EINVAL, "give k with opc or op (a card), a password, or both",
                  "nothing to authenticate %.*s with", SPAN_ARG(spec->impi));
        return -EINVAL;
    }
    return 0;
}

int entry_of_spec(struct subscribers *s, const struct subscriber_spec *spec,
                  struct entry **ret_entry, struct subscribers_error *ret_error)
{
    struct subscriber pub = {.impi = spec->impi,
                             .n_impu = spec->n_impu,
                             .has_aka = spec->k.p != NULL,
                             .has_digest = spec->password.p != NULL};
    struct impus set;
    struct entry *e;
    int rc = check_impi(spec->impi, ret_error);

    if (!rc && index_find(s, spec->impi)) {
        error_set(ret_error, -EEXIST, "delete it first: subscriber delete",
                  "subscriber %.*s is there already", SPAN_ARG(spec->impi));
        rc = -EEXIST;
    }
    if (!rc)
        rc = check_credentials(spec, ret_error);
    if (!rc)
        rc = read_impus(s, spec, &set, ret_error);
    if (!rc)
        rc = read_profile(spec, &pub, ret_error);
    if (rc)
        return rc;
    pub.impu = set.impu;
    if (pub.has_digest)
        pub.realm = spec->realm.p ? spec->realm
                                  : span_sub(pub.impi, span_find(pub.impi, '@') + 1, pub.impi.n);
    e = entry_new(&pub);
    if (!e) {
        error_set(ret_error, -ENOMEM, "give the daemon more memory", "out of memory");
        return -ENOMEM;
    }
    rc = read_keys(s, spec, e, ret_error);
    if (rc) {
        entry_free(e);
        return rc;
    }
    *ret_entry = e;
    return 0;
}
