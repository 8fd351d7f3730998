/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One REGISTER: read, authenticate, bind, answer. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/registrar/inner.h"

struct wanted {
    struct sip_name_addr na;
    struct sip_uri uri;
    uint32_t expires; /* 0 = remove */
    unsigned q;
};

/* A REGISTER as it was read; spans are the message's. */
struct order {
    struct registrar *r;
    const struct sip_msg *m;
    struct buf *extra;
    struct registrar_answer answer;
    const struct subscriber *subscriber;
    struct span impi;
    bool has_fields; /* there is an Authorization */
    struct digest_fields fields;
    bool is_protected; /* integrity-protected="yes" */
    bool by_digest;    /* SIP digest, not AKA */
    bool star;
    struct wanted wanted[REGISTRAR_CONTACTS_MAX];
    unsigned n_wanted;
    struct span removed[REGISTRAR_CONTACTS_MAX]; /* URIs, in the message */
    unsigned n_removed;
    char path[REGISTRAR_PATH_MAX];
    size_t path_n;
};

/* ---- refusing --------------------------------------------------------------------------------- */

static bool refuse(struct order *o, unsigned status, uint64_t *counter, const char *reason)
{
    (*counter)++;
    o->answer.status = status;
    buf_fmt(o->extra, "Warning: 399 scscf \"%s\"\r\n", reason);
    if (status == 503)
        buf_puts(o->extra, "Retry-After: 5\r\n");
    registrar_tell(o->r, REGISTRAR_REFUSED, o->impi, reason);
    return false;
}

static bool refuse_malformed(struct order *o, const char *reason)
{
    return refuse(o, 400, &o->r->counters.refused_malformed, reason);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static bool read_require(struct order *o)
{
    static const struct span known[] = {{"path", 4}};
    struct sip_values v = sip_values(o->m, SIP_H_REQUIRE);
    bool good = true;

    while (sip_values_next(&v)) {
        bool is_known = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            is_known = is_known || span_eq_nocase(v.value, known[i]);
        if (!is_known)
            buf_fmt(o->extra, "Unsupported: %.*s\r\n", SPAN_ARG(v.value));
        good = good && is_known;
    }
    return good || refuse(o, 420, &o->r->counters.refused_malformed, "Require names an extension");
}

static bool read_credentials(struct order *o)
{
    struct span value = sip_header_value(o->m, SIP_H_AUTHORIZATION), integrity;
    struct sip_auth auth;

    if (!value.p)
        return true;
    if (sip_auth_parse(value, &auth) != 0)
        return refuse_malformed(o, "Authorization is malformed");
    if (!span_eq_nocase(auth.scheme, SPAN("Digest")))
        return true; /* as if it were absent: the challenge says what we want */
    for (unsigned i = 0; i < auth.n; i++)
        if (digest_fields_set(&o->fields, auth.params[i].name, auth.params[i].value) != 0)
            return refuse_malformed(o, "Authorization has a parameter twice");
    if (!o->fields.username.p)
        return refuse_malformed(o, "Authorization without username");
    integrity = sip_auth_get(&auth, SPAN("integrity-protected"));
    o->has_fields = true;
    o->is_protected = span_eq_nocase(integrity, SPAN("yes"));
    o->by_digest = span_starts_nocase(integrity, SPAN("ip-assoc")) ||
                   span_starts_nocase(integrity, SPAN("tls-")) ||
                   (!integrity.p && span_eq_nocase(o->fields.algorithm, SPAN("MD5")));
    return true;
}

/* TS 24.229 5.4.1.1: the private identity from Authorization, else the public one without its
 * scheme; the public one from To, and both of the same user. */
static bool read_identities(struct order *o)
{
    struct registrar *r = o->r;
    const struct subscriber *of_impu =
        subscribers_find_impu(r->env.subscribers, o->m->to_uri, NULL);
    struct sip_uri to;

    if (o->has_fields) {
        o->impi = o->fields.username;
        o->subscriber = subscribers_find_impi(r->env.subscribers, o->impi);
    } else if (sip_uri_split(o->m->to_uri, &to) == 0 && to.user.p && to.scheme == SIP_SCHEME_SIP) {
        o->impi = span_of(to.user.p, (size_t)(to.host.p + to.host.n - to.user.p));
        o->subscriber = subscribers_find_impi(r->env.subscribers, o->impi);
        if (!o->subscriber)
            o->subscriber = of_impu; /* phones with a tel: identity, or another IMPI */
    }
    if (!o->subscriber)
        return refuse(o, 403, &r->counters.refused_unknown, "unknown private identity");
    o->impi = o->subscriber->impi;
    if (of_impu != o->subscriber)
        return refuse(o, 403, &r->counters.refused_unknown,
                      "the public identity is not of this private identity");
    if (!o->subscriber->has_aka)
        o->by_digest = true;
    else if (!o->subscriber->has_digest)
        o->by_digest = false;
    return true;
}

static unsigned read_q(struct span text)
{
    unsigned q = 1000, digit = 100;
    uint64_t n;

    if (!text.p)
        return q;
    if (text.n == 0 || text.p[0] != '0')
        return text.n && text.p[0] == '1' ? 1000 : 0;
    q = 0;
    for (size_t i = 2; i < text.n && digit; i++, digit /= 10)
        if (span_u64(span_sub(text, i, i + 1), 9, &n) == 0)
            q += (unsigned)n * digit;
    return q;
}

static uint32_t read_expires(const struct registrar *r, struct span text)
{
    uint64_t n;
    int rc = span_u64(text, UINT32_MAX, &n);

    if (rc == -ERANGE)
        return r->options.max_expires;
    return rc != 0 ? r->options.default_expires : (uint32_t)n; /* RFC 3261 20.19 */
}

static bool read_contact(struct order *o, struct span value, struct span general)
{
    struct registrar *r = o->r;
    struct wanted w = {0};
    struct span expires;

    if (o->n_wanted == REGISTRAR_CONTACTS_MAX)
        return refuse_malformed(o, "too many contacts");
    if (value.n > REGISTRAR_CONTACT_LINE_MAX || sip_name_addr_parse(value, &w.na) != 0 ||
        sip_uri_parse(w.na.uri, &w.uri) != 0 || w.uri.scheme != SIP_SCHEME_SIP)
        return refuse_malformed(o, "Contact is no usable sip: URI");
    expires = sip_param_find(w.na.params, SPAN("expires"));
    w.expires = expires.p ? read_expires(r, expires)
                          : (general.p ? read_expires(r, general) : r->options.default_expires);
    if (w.expires != 0 && w.expires < r->options.min_expires) {
        buf_fmt(o->extra, "Min-Expires: %u\r\n", r->options.min_expires);
        return refuse(o, 423, &r->counters.refused_expires, "registration interval too brief");
    }
    if (w.expires > r->options.max_expires)
        w.expires = r->options.max_expires;
    w.q = read_q(sip_param_find(w.na.params, SPAN("q")));
    o->wanted[o->n_wanted++] = w;
    return true;
}

/* RFC 3261 10.3 step 6 and 7. Before the challenge, so that an interval that is too brief does not
 * cost the phone its answer. */
static bool read_contacts(struct order *o)
{
    struct sip_values v = sip_values(o->m, SIP_H_CONTACT);
    struct span general = sip_header_value(o->m, SIP_H_EXPIRES);
    unsigned n = 0;

    while (sip_values_next(&v)) {
        n++;
        if (span_eq(v.value, SPAN("*")))
            o->star = true;
        else if (!read_contact(o, v.value, general))
            return false;
    }
    if (o->star && (n != 1 || !span_eq(general, SPAN("0"))))
        return refuse_malformed(o, "Contact: * wants Expires: 0 and no other contact");
    return true;
}

/* RFC 3327 5.3: the Path, as the Route of what will be sent to the contact. */
static bool read_path(struct order *o)
{
    struct sip_values v = sip_values(o->m, SIP_H_PATH);
    struct buf b = BUF_ON(o->path);

    while (sip_values_next(&v)) {
        struct sip_name_addr na;
        struct sip_uri uri;

        if (sip_name_addr_parse(v.value, &na) != 0 || sip_uri_parse(na.uri, &uri) != 0 ||
            uri.scheme != SIP_SCHEME_SIP || !sip_uri_is_loose(&uri))
            return refuse_malformed(o, "Path is no loose sip: route");
        if (b.n)
            buf_putc(&b, ',');
        buf_put(&b, v.value);
    }
    if (b.overflow)
        return refuse_malformed(o, "Path is too long");
    o->path_n = b.n;
    return true;
}

/* ---- authenticating --------------------------------------------------------------------------- */

static bool challenge(struct order *o, bool stale)
{
    struct registrar *r = o->r;
    struct user *u = NULL;
    int rc = user_take(r, o->impi, &u);

    if (rc == 0)
        rc = challenge_new(u, o->by_digest ? DIGEST_MD5 : DIGEST_AKAV1_MD5, stale, o->extra);
    if (rc != 0) {
        if (rc == -ENOKEY)
            return refuse(o, 403, &r->counters.refused_unknown, "the user has no key");
        return refuse(o, 503, &r->counters.refused_full,
                      rc == -EAGAIN ? "the subscriber store is behind" : "no room for a challenge");
    }
    o->answer.status = 401;
    registrar_tell(r, REGISTRAR_CHALLENGED, o->impi, o->by_digest ? "MD5" : "AKAv1-MD5");
    return false;
}

/* RFC 3310 3.4, TS 33.102 6.3.5. */
static bool resynchronise(struct order *o, struct challenge *c)
{
    struct registrar *r = o->r;
    struct user *u = c->user;
    uint8_t auts[AKA_AUTS_LEN], rand[AKA_RAND_LEN];

    memcpy(rand, c->rand, sizeof(rand));
    challenge_free(c); /* whatever comes of it, its answer is not awaited any more */
    if (aka_auts_parse(o->fields.auts, auts) != 0)
        return refuse_malformed(o, "auts is not base64 of 14 octets");
    if (u->resyncs >= r->options.resyncs ||
        subscribers_resync(r->env.subscribers, o->impi, rand, auts) != 0) {
        u->resyncs = 0;
        return refuse(o, 403, &r->counters.refused_auts, "resynchronisation failed");
    }
    u->resyncs++;
    r->counters.resynchronised++;
    return challenge(o, false);
}

/* RFC 2617 3.2.3: proves to the phone that we know the secret too. */
static void put_authentication_info(struct order *o, const struct digest_ha1 *ha1)
{
    const struct digest_fields *f = &o->fields;
    char response[DIGEST_HEX_LEN];

    if (!f->qop.n || !o->by_digest ||
        digest_response(o->r->env.auth, ha1, f, SPAN(""), SPAN_NONE, response) != 0)
        return;
    buf_fmt(o->extra, "Authentication-Info: qop=%.*s,rspauth=\"%.*s\",cnonce=\"%.*s\",nc=%.*s\r\n",
            SPAN_ARG(f->qop), DIGEST_HEX_LEN, response, SPAN_ARG(f->cnonce), SPAN_ARG(f->nc));
}

static bool judge(struct order *o, struct challenge *c)
{
    struct registrar *r = o->r;
    struct user *u = c->user;
    struct digest_challenge asked = {
        .realm = span_str(r->realm),
        .nonce = challenge_nonce(c),
        .algorithm = c->algorithm,
        /* Phones choose auth-int or none although auth was offered. */
        .qops = DIGEST_QOP_NONE | DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT,
        .nc = c->nc,
    };
    struct digest_ha1 ha1;
    const char *why = "";
    enum digest_verdict verdict;
    int rc;

    o->by_digest = c->algorithm == DIGEST_MD5;
    rc = o->by_digest ? subscribers_ha1(r->env.subscribers, o->impi, &ha1)
                      : digest_ha1_make(r->env.auth, o->fields.username, span_str(r->realm),
                                        span_of(c->xres, c->xres_n), &ha1);
    if (rc != 0)
        return refuse(o, 403, &r->counters.refused_unknown, "the user has no key");
    verdict = digest_check(r->env.auth, &asked, &ha1, &o->fields, o->m->method_text, o->m->body,
                           &c->nc, &why);
    if (verdict == DIGEST_OK)
        put_authentication_info(o, &ha1);
    digest_ha1_wipe(&ha1);
    switch (verdict) {
    case DIGEST_OK:
        u->resyncs = 0;
        c->answered = true;
        if (o->by_digest)
            loop_timer_start(r->env.loop, &c->timer, r->options.nonce_lifetime);
        else
            challenge_free(c); /* RES is a one-time password */
        return true;
    case DIGEST_STALE:
        return challenge(o, true);
    case DIGEST_MALFORMED:
        return refuse_malformed(o, why);
    case DIGEST_NO_ANSWER: /* TS 24.229 5.4.1.2.3: the phone does not accept AUTN */
        challenge_free(c);
        return refuse(o, 403, &r->counters.refused_network, "the phone refused the network");
    case DIGEST_WRONG:
        break;
    }
    /* One guess a challenge. An answered nonce stays: a stranger must not take it away. */
    if (!c->answered)
        challenge_free(c);
    return refuse(o, 403, &r->counters.refused_response, "wrong response");
}

/* True: go on. False: the answer stands. */
static bool authenticate(struct order *o)
{
    struct registrar *r = o->r;
    bool again = r->options.rechallenge == REGISTRAR_ALWAYS;
    struct challenge *c = NULL;

    if (o->has_fields && o->fields.nonce.n)
        c = challenge_find(r, o->fields.nonce);
    if (c && !span_eq(c->user->impi, o->impi))
        c = NULL;
    /* TS 24.229 5.4.1.2.2: no challenge is outstanding and the security association vouches. */
    if (o->is_protected && !again && registrar_is_registered(r, o->impi) && (!c || c->answered))
        return true;
    if (!c)
        return challenge(o, o->by_digest && o->fields.nonce.n && o->fields.response.n);
    if (o->fields.auts.n && c->algorithm == DIGEST_AKAV1_MD5)
        return resynchronise(o, c);
    if (c->answered && again)
        return challenge(o, false);
    return judge(o, c);
}

/* ---- binding ---------------------------------------------------------------------------------- */

static struct contact *contact_find(const struct user *u, const struct wanted *w)
{
    struct span instance = sip_param_find(w->na.params, SPAN("+sip.instance"));

    LIST_EACH(it, &u->contacts)
    {
        struct contact *c = CONTAINER_OF(it, struct contact, item);
        struct sip_uri uri;

        /* TS 24.229 5.4.1.2.2F: the same device, whatever port its new SAs gave it. */
        if (instance.n && span_eq(instance, c->instance))
            return c;
        if (span_eq(c->uri, w->na.uri) ||
            (sip_uri_split(c->uri, &uri) == 0 && sip_uri_equal(&uri, &w->uri)))
            return c;
    }
    return NULL;
}

static bool is_out_of_order(const struct order *o, const struct contact *c)
{
    return span_eq(c->call_id, o->m->call_id) && o->m->cseq <= c->cseq;
}

/* RFC 3261 10.3 step 7: all or nothing, so the order is looked at before anything changes. */
static bool check_order(struct order *o, struct user *u)
{
    bool good = true;

    if (!u)
        return true;
    for (unsigned i = 0; i < o->n_wanted; i++) {
        struct contact *c = contact_find(u, &o->wanted[i]);

        good = good && !(c && is_out_of_order(o, c));
    }
    if (o->star)
        LIST_EACH(it, &u->contacts)
    good = good && !is_out_of_order(o, CONTAINER_OF(it, struct contact, item));
    return good || refuse(o, 500, &o->r->counters.refused_order, "CSeq is lower than the last one");
}

static struct span put_part(struct buf *b, struct span s)
{
    struct span at = span_of(b->p + b->n, s.n);

    buf_put(b, s);
    return at;
}

/* Contact parameters but expires, as they came. */
static struct span put_params(struct buf *b, struct span list)
{
    size_t from = b->n;
    struct sip_param p;

    while (sip_param_next(&list, &p) == 1) {
        if (span_eq_nocase(p.name, SPAN("expires")))
            continue;
        buf_putc(b, ';');
        buf_put(b, p.name);
        if (!p.value.p)
            continue;
        buf_puts(b, p.quoted ? "=\"" : "=");
        buf_put(b, p.value);
        if (p.quoted)
            buf_putc(b, '"');
    }
    return span_of(b->p + from, b->n - from);
}

static struct contact *contact_new(const struct order *o, const struct wanted *w)
{
    struct span visited = sip_header_value(o->m, SIP_H_P_VISITED_NETWORK_ID);
    struct span instance = sip_param_find(w->na.params, SPAN("+sip.instance"));
    size_t room =
        w->na.uri.n + w->na.params.n + 8 + instance.n + o->path_n + o->m->call_id.n + visited.n;
    struct contact *c = calloc(1, sizeof(*c) + room);
    struct buf b;

    if (!c)
        return NULL;
    b = (struct buf){c->text, 0, room, false};
    c->uri = put_part(&b, w->na.uri);
    c->params = put_params(&b, w->na.params);
    c->instance = put_part(&b, instance);
    c->path = put_part(&b, span_of(o->path, o->path_n));
    c->call_id = put_part(&b, o->m->call_id);
    c->visited = put_part(&b, visited);
    c->cseq = o->m->cseq;
    c->q = w->q;
    c->expires_at = loop_now(o->r->env.loop) + (uint64_t)w->expires * SEC;
    if (b.overflow) { /* parameters written longer than they came cannot be */
        free(c);
        return NULL;
    }
    return c;
}

static void drop_oldest(struct user *u)
{
    user_contact_drop(u, CONTAINER_OF(u->contacts.prev, struct contact, item));
}

/* The old contacts stay until the new ones are made. */
static bool bind_contacts(struct order *o, struct user *u)
{
    struct contact *fresh[REGISTRAR_CONTACTS_MAX] = {NULL};
    bool complete = true;

    for (unsigned i = 0; i < o->n_wanted; i++) {
        if (!o->wanted[i].expires)
            continue;
        fresh[i] = contact_new(o, &o->wanted[i]);
        complete = complete && fresh[i];
    }
    if (!complete) {
        for (unsigned i = 0; i < o->n_wanted; i++)
            free(fresh[i]);
        return refuse(o, 503, &o->r->counters.refused_full, "out of memory");
    }
    for (unsigned i = 0; i < o->n_wanted; i++) {
        struct contact *old = contact_find(u, &o->wanted[i]);

        if (fresh[i])
            user_contact_add(u, fresh[i]);
        else if (old)
            o->removed[o->n_removed++] = o->wanted[i].na.uri;
        if (old)
            user_contact_drop(u, old);
    }
    while (u->n_contacts > o->r->options.contacts)
        drop_oldest(u);
    while (o->star && u->n_contacts)
        drop_oldest(u);
    return true;
}

static void note_change(struct registrar *r, const struct user *u, bool was_registered)
{
    enum registrar_event event = REGISTRAR_REFRESHED;

    if (!was_registered && !u->n_contacts)
        return;
    if (!was_registered)
        event = REGISTRAR_REGISTERED;
    else if (!u->n_contacts)
        event = REGISTRAR_DEREGISTERED;
    r->counters.registered += event == REGISTRAR_REGISTERED;
    r->counters.refreshed += event == REGISTRAR_REFRESHED;
    r->counters.deregistered += event == REGISTRAR_DEREGISTERED;
    registrar_tell(r, event, u->impi, "");
}

static bool bind_all(struct order *o)
{
    struct registrar *r = o->r;
    struct user *u = user_find(r, o->impi);
    bool was_registered = u && u->n_contacts, good;

    if (!check_order(o, u))
        return false;
    if (!was_registered && r->n_registered >= r->options.limit)
        return refuse(o, 503, &r->counters.refused_full, "as many registrations as allowed");
    if (!u && user_take(r, o->impi, &u) != 0)
        return refuse(o, 503, &r->counters.refused_full, "out of memory");
    good = bind_contacts(o, u);
    if (good && (o->n_wanted || o->star))
        note_change(r, u, was_registered);
    user_expiry_set(u);
    return good;
}

/* ---- answering -------------------------------------------------------------------------------- */

static void put_associated(const struct subscriber *s, struct buf *extra)
{
    bool any = false;

    for (unsigned i = 0; i < s->n_impu; i++) {
        if (s->impu[i].barred)
            continue;
        buf_puts(extra, any ? ", " : "P-Associated-URI: ");
        if (s->display_name.n && i == 0)
            buf_fmt(extra, "\"%.*s\" ", SPAN_ARG(s->display_name));
        buf_fmt(extra, "<%.*s>", SPAN_ARG(s->impu[i].uri));
        any = true;
    }
    buf_puts(extra, any ? "\r\n" : "");
}

static void put_contacts(const struct order *o, struct buf *extra)
{
    struct registrar_contact c[REGISTRAR_CONTACTS_MAX];
    size_t n = registrar_contacts(o->r, o->impi, c, ARRAY_LEN(c));

    for (size_t i = 0; i < n; i++)
        buf_fmt(extra, "Contact: <%.*s>%.*s;expires=%u\r\n", SPAN_ARG(c[i].uri),
                SPAN_ARG(c[i].params), c[i].expires_in);
    for (unsigned i = 0; i < o->n_removed; i++)
        buf_fmt(extra, "Contact: <%.*s>;expires=0\r\n", SPAN_ARG(o->removed[i]));
}

/* RFC 7315 4.6, TS 24.229 5.4.1.2.2F: the P-CSCF's icid and our name. */
static void put_charging_vector(const struct order *o, struct buf *extra)
{
    struct span value = sip_header_value(o->m, SIP_H_P_CHARGING_VECTOR);

    if (value.n)
        buf_fmt(extra, "P-Charging-Vector: %.*s;term-ioi=\"Type 1%s\"\r\n", SPAN_ARG(value),
                o->r->realm);
}

static void answer_ok(struct order *o)
{
    o->answer.status = 200;
    if (o->path_n)
        buf_fmt(o->extra, "Path: %.*s\r\n", (int)o->path_n, o->path);
    put_contacts(o, o->extra);
    put_charging_vector(o, o->extra);
    if (registrar_is_registered(o->r, o->impi)) {
        buf_fmt(o->extra, "Service-Route: <%s>\r\n", o->r->service_route);
        put_associated(o->subscriber, o->extra);
    }
}

void registrar_register(struct registrar *r, const struct sip_msg *m, struct buf *extra,
                        struct registrar_answer *ret_answer)
{
    struct order o = {.r = r, .m = m, .extra = extra, .impi = m->to_uri};
    struct user *u;

    if (read_require(&o) && read_credentials(&o) && read_identities(&o) && read_contacts(&o) &&
        read_path(&o) && authenticate(&o) && bind_all(&o))
        answer_ok(&o);
    u = user_find(r, o.impi);
    if (u) /* whatever happened above: nobody stays of whom nothing is left */
        user_let_go(u);
    *ret_answer = o.answer;
}
