/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One REGISTER: read, authenticate, bind, answer. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/registrar/inner.h"

/* ---- refusing --------------------------------------------------------------------------------- */

bool order_refuse(struct order *o, unsigned status, uint64_t *counter, const char *reason)
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
    return order_refuse(o, 400, &o->r->counters.refused_malformed, reason);
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
    return good ||
           order_refuse(o, 420, &o->r->counters.refused_malformed, "Require names an extension");
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

    /* RFC 3261 10.2: the address of record; IMS has numbers too. */
    if (sip_uri_split(o->m->to_uri, &to) != 0 || to.scheme == SIP_SCHEME_OTHER ||
        to.scheme == SIP_SCHEME_URN)
        return refuse_malformed(o, "To is no sip: or tel: identity");
    if (o->has_fields) {
        o->impi = o->fields.username;
        o->subscriber = subscribers_find_impi(r->env.subscribers, o->impi);
    } else if (to.user.p && to.scheme == SIP_SCHEME_SIP) {
        o->impi = span_of(to.user.p, (size_t)(to.host.p + to.host.n - to.user.p));
        o->subscriber = subscribers_find_impi(r->env.subscribers, o->impi);
        if (!o->subscriber)
            o->subscriber = of_impu; /* phones with a tel: identity, or another IMPI */
    }
    if (!o->subscriber)
        return order_refuse(o, 403, &r->counters.refused_unknown, "unknown private identity");
    o->impi = o->subscriber->impi;
    if (of_impu != o->subscriber)
        return order_refuse(o, 403, &r->counters.refused_unknown,
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
        return order_refuse(o, 423, &r->counters.refused_expires,
                            "registration interval too brief");
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
            return order_refuse(o, 403, &r->counters.refused_unknown, "the user has no key");
        return order_refuse(o, 503, &r->counters.refused_full,
                            rc == -EAGAIN ? "the subscriber store is behind"
                                          : "no room for a challenge");
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
        return order_refuse(o, 403, &r->counters.refused_auts, "resynchronisation failed");
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
        return order_refuse(o, 403, &r->counters.refused_unknown, "the user has no key");
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
        return order_refuse(o, 403, &r->counters.refused_network, "the phone refused the network");
    case DIGEST_WRONG:
        break;
    }
    /* One guess a challenge. An answered nonce stays: a stranger must not take it away. */
    if (!c->answered)
        challenge_free(c);
    return order_refuse(o, 403, &r->counters.refused_response, "wrong response");
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
        read_path(&o) && authenticate(&o) && order_bind(&o))
        answer_ok(&o);
    u = user_find(r, o.impi);
    if (u) /* whatever happened above: nobody stays of whom nothing is left */
        user_let_go(u);
    *ret_answer = o.answer;
}
