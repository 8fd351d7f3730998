/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registration with IMS-AKA and ipsec-3gpp (TS 24.229 5.1.1, TS 33.203 7.2), or SIP digest without
 * IPsec. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/ue/ue.h"

static void send_register(struct ue *ue, bool with_response, bool resync);

void ue_put_contact_uri(const struct ue *ue, struct buf *b)
{
    const struct ue_options *o = &ue->options;
    struct span user = span_str(o->impu);

    span_cut(&user, ':');
    user = span_cut(&user, '@');
    buf_fmt(b, "sip:%.*s@", SPAN_ARG(user));
    addr_put_host(b, &o->local, true);
    buf_fmt(b, ":%u", o->ipsec ? o->port_us : o->clear_port);
    if (strcmp(o->transport, "tcp") == 0)
        buf_puts(b, ";transport=tcp");
}

void ue_put_common(struct ue *ue, struct buf *b, bool clear, const char *branch, bool security)
{
    const struct ue_options *o = &ue->options;
    bool tcp = strcmp(o->transport, "tcp") == 0;

    buf_fmt(b, "Via: SIP/2.0/%s ", tcp ? "TCP" : "UDP");
    addr_put_host(b, &o->local, true);
    buf_fmt(b, ":%u;branch=%s%s\r\n", clear ? o->clear_port : o->port_us, branch,
            clear ? ";rport" : "");
    buf_puts(b, "Max-Forwards: 70\r\n");
    if (!clear)
        buf_puts(b, "P-Access-Network-Info: 3GPP-E-UTRAN-FDD; "
                    "utran-cell-id-3gpp=0010100010000001\r\n");
    /* TS 24.229 5.1.1.4 and 5.1.2A.1: every request on an SA but ACK and CANCEL. */
    if (security && o->ipsec) {
        if (ue->security_server[0] && !clear)
            buf_fmt(b, "Security-Verify: %s%s\r\n", ue->security_server,
                    o->bad_verify ? ";q=0.7" : "");
        buf_puts(b, "Require: sec-agree\r\nProxy-Require: sec-agree\r\n");
    }
}

static void put_security_client(const struct ue *ue, struct buf *b)
{
    const struct ue_set *s = &ue->next;
    struct span list = span_str(ue->options.algorithms);
    const char *separator = "Security-Client: ";

    while (list.p) {
        struct span pair = span_cut(&list, ','), alg = span_cut(&pair, '/');

        buf_fmt(b,
                "%sipsec-3gpp;alg=%.*s;ealg=%.*s;prot=esp;mod=trans;spi-c=%u;spi-s=%u;port-c=%u;"
                "port-s=%u",
                separator, SPAN_ARG(alg), SPAN_ARG(pair), s->spi_uc, s->spi_us, s->port_uc,
                s->port_us);
        separator = ", ";
    }
    buf_puts(b, "\r\n");
}

/* A set of our own half: TS 33.203 7.1, new SPIs and a new client port each time. */
static void new_offer(struct ue *ue)
{
    struct ue_set *s = &ue->next;

    *s = (struct ue_set){.ue = ue->options.local, .pcscf = ue->options.pcscf};
    s->port_us = ue->options.port_us;
    s->port_uc = (uint16_t)(ue->options.port_uc + ue->reg_offers++ % 8);
    s->spi_uc = 256 + rnd_below(&rnd_system, 0x7fffff00u);
    s->spi_us = s->spi_uc + 1;
}

void ue_put_authorization(struct ue *ue, struct buf *b, const char *method, const char *uri,
                          struct span body)
{
    const struct ue_options *o = &ue->options;
    char cnonce[17], nc[9], response[33];
    struct ue_digest d = {.username = o->impi,
                          .realm = o->realm,
                          .nonce = ue->nonce,
                          .uri = uri,
                          .method = method,
                          .qop = ue->qop[0] ? ue->qop : NULL,
                          .cnonce = cnonce,
                          .nc = nc,
                          .body = body};
    bool aka = strcmp(ue->algorithm, "AKAv1-MD5") == 0;

    ue_new_token(cnonce, 16);
    snprintf(nc, sizeof(nc), "%08x", ++ue->nonce_count);
    d.password = aka ? (const void *)ue->vector.res : o->password;
    d.password_n = aka ? sizeof(ue->vector.res) : strlen(o->password ? o->password : "");
    ue_digest_response(&d, response);
    if (o->bad_response)
        response[0] = response[0] == '0' ? '1' : '0';
    buf_fmt(b,
            "Authorization: Digest "
            "username=\"%s\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"%s\",algorithm=%s",
            o->impi, o->realm, ue->nonce, uri, response, ue->algorithm);
    if (ue->opaque[0])
        buf_fmt(b, ",opaque=\"%s\"", ue->opaque);
    if (d.qop)
        buf_fmt(b, ",qop=%s,cnonce=\"%s\",nc=%s", d.qop, cnonce, nc);
    buf_puts(b, "\r\n");
}

/* RFC 3310 3.4: AUTS with a response over the empty password. */
static void put_resync(struct ue *ue, struct buf *b, const char *uri)
{
    const struct ue_options *o = &ue->options;
    char response[33], auts[24];
    struct buf text = BUF_ON(auts);
    struct ue_digest d = {.username = o->impi,
                          .realm = o->realm,
                          .nonce = ue->nonce,
                          .uri = uri,
                          .method = "REGISTER",
                          .password = ""};

    ue_digest_response(&d, response);
    base64_encode(&text, ue->vector.auts, sizeof(ue->vector.auts));
    buf_fmt(b,
            "Authorization: Digest "
            "username=\"%s\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"%s\",algorithm=AKAv1-"
            "MD5,auts=\"%.*s\"\r\n",
            o->impi, o->realm, ue->nonce, uri, response, SPAN_ARG(buf_span(&text)));
}

static void forget_registration(struct ue *ue)
{
    ue->registered = false;
    ue->protected = false;
    ue->have_vector = false;
    ue->nonce[0] = '\0';
    loop_timer_stop(ue->loop, &ue->refresh);
    ue_wire_retire_connections(ue);
    ue_xfrm_remove(&ue->set);
    ue_xfrm_remove(&ue->next);
}

static void fail(struct ue *ue, const char *why, unsigned status)
{
    ue_event("register-failed status=%u reason=\"%s\"", status, why);
    forget_registration(ue);
}

/* The alternative of the network's list that we offered too; the first one counts (TS 33.203 7.2).
 */
static bool choose_server(struct ue *ue, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_SECURITY_SERVER);
    struct buf list = BUF_ON(ue->security_server);
    bool chosen = false;

    list.cap--;
    while (sip_values_next(&v)) {
        struct span rest = v.value, mechanism = span_trim(span_cut(&rest, ';'));
        struct span params = rest.p ? span_of(rest.p - 1, rest.n + 1) : SPAN_NONE;
        struct span alg = sip_param_find(params, SPAN("alg"));
        struct span ealg = sip_param_find(params, SPAN("ealg"));
        char pair[64];
        uint64_t spi_c, spi_s, port_c, port_s;

        buf_fmt(&list, "%s%.*s", list.n ? ", " : "", SPAN_ARG(v.value));
        snprintf(pair, sizeof(pair), "%.*s/%.*s", SPAN_ARG(alg), ealg.p ? (int)ealg.n : 4,
                 ealg.p ? ealg.p : "null");
        if (chosen || !span_eq_nocase(mechanism, SPAN("ipsec-3gpp")) ||
            !strstr(ue->options.algorithms, pair) ||
            span_u64(sip_param_find(params, SPAN("spi-c")), UINT32_MAX, &spi_c) != 0 ||
            span_u64(sip_param_find(params, SPAN("spi-s")), UINT32_MAX, &spi_s) != 0 ||
            span_u64(sip_param_find(params, SPAN("port-c")), 65535, &port_c) != 0 ||
            span_u64(sip_param_find(params, SPAN("port-s")), 65535, &port_s) != 0)
            continue;
        ue->next.spi_pc = (uint32_t)spi_c;
        ue->next.spi_ps = (uint32_t)spi_s;
        ue->next.port_pc = (uint16_t)port_c;
        ue->next.port_ps = (uint16_t)port_s;
        snprintf(ue->next.alg, sizeof(ue->next.alg), "%.*s", SPAN_ARG(alg));
        snprintf(ue->next.ealg, sizeof(ue->next.ealg), "%s", strchr(pair, '/') + 1);
        chosen = true;
    }
    ue->security_server[list.n] = '\0';
    return chosen && !list.overflow;
}

/* The new set replaces the old one at once: this phone has nothing in flight while it registers. */
static bool use_new_set(struct ue *ue)
{
    int rc;

    memcpy(ue->next.ck, ue->vector.ck, 16);
    memcpy(ue->next.ik, ue->vector.ik, 16);
    ue_wire_retire_connections(ue);
    ue_xfrm_remove(&ue->set);
    ue->set = ue->next;
    rc = ue_xfrm_install(&ue->set);
    if (rc == 0)
        rc = ue_wire_open_client(ue, ue->set.port_uc);
    if (rc != 0) {
        ue_event("error what=\"security associations: %s\"", strerror(-rc));
        return false;
    }
    if (ue->options.esp_keys)
        ue_xfrm_write_keys(&ue->set, ue->options.esp_keys);
    ue_event("sa-installed alg=%s ealg=%s spi-uc=0x%08x spi-us=0x%08x spi-pc=0x%08x spi-ps=0x%08x "
             "port-uc=%u "
             "port-us=%u port-pc=%u port-ps=%u",
             ue->set.alg, ue->set.ealg, ue->set.spi_uc, ue->set.spi_us, ue->set.spi_pc,
             ue->set.spi_ps, ue->set.port_uc, ue->set.port_us, ue->set.port_pc, ue->set.port_ps);
    ue->protected = true;
    return true;
}

static bool read_challenge(struct ue *ue, const struct sip_msg *m)
{
    struct sip_auth a;
    struct span qop, algorithm;

    if (sip_auth_parse(sip_header_value(m, SIP_H_WWW_AUTHENTICATE), &a) != 0)
        return false;
    qop = sip_auth_get(&a, SPAN("qop"));
    algorithm = sip_auth_get(&a, SPAN("algorithm"));
    if (span_copy(sip_auth_get(&a, SPAN("nonce")), ue->nonce, sizeof(ue->nonce)) != 0 ||
        span_copy(sip_auth_get(&a, SPAN("opaque")), ue->opaque, sizeof(ue->opaque)) != 0 ||
        span_copy(algorithm.n ? algorithm : SPAN("MD5"), ue->algorithm, sizeof(ue->algorithm)) != 0)
        return false;
    /* auth-int when offered, as the phones in the field do; else auth. */
    ue->qop[0] = '\0';
    while (qop.p && qop.n) {
        struct span one = span_trim(span_cut(&qop, ','));

        if (span_eq(one, SPAN("auth-int")) || (span_eq(one, SPAN("auth")) && !ue->qop[0]))
            (void)span_copy(one, ue->qop, sizeof(ue->qop)); /* it fits */
    }
    ue->nonce_count = 0;
    return true;
}

static void on_challenge(struct ue *ue, const struct sip_msg *m)
{
    uint8_t nonce[256];
    size_t n = 0;

    if (++ue->reg_challenges > 3) {
        fail(ue, "challenged again and again", 401);
        return;
    }
    if (!read_challenge(ue, m)) {
        fail(ue, "unusable WWW-Authenticate", 401);
        return;
    }
    if (strcmp(ue->algorithm, "AKAv1-MD5") != 0) {
        if (!ue->options.password)
            fail(ue, "digest was asked for and there is no password", 401);
        else
            send_register(ue, true, false);
        return;
    }
    if (base64_decode(span_str(ue->nonce), nonce, sizeof(nonce), &n) != 0 || n < 32) {
        fail(ue, "nonce is not RAND || AUTN", 401);
        return;
    }
    switch (ue_card_authenticate(&ue->card, nonce, nonce + 16, &ue->vector)) {
    case UE_AKA_BAD_MAC:
        ue_event("aka-failed what=\"AUTN MAC\"");
        fail(ue, "the network is not the home network", 401);
        return;
    case UE_AKA_BAD_SQN:
        ue_event("aka-resync");
        new_offer(ue);
        send_register(ue, false, true);
        return;
    case UE_AKA_OK:
        ue_event("aka-ok");
        break;
    }
    if (ue->options.ipsec && !choose_server(ue, m)) {
        fail(ue, "no Security-Server alternative that was offered", 401);
        return;
    }
    if (ue->options.ipsec && !use_new_set(ue)) {
        fail(ue, "no security association", 0);
        return;
    }
    ue->have_vector = true;
    send_register(ue, true, false);
}

static void on_registered(struct ue *ue, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_SERVICE_ROUTE);
    struct buf routes = BUF_ON(ue->service_route);
    struct sip_name_addr contact = {0};
    uint64_t expires = ue->reg_expires;

    if (ue->reg_expires == 0) {
        ue_event("deregistered");
        forget_registration(ue);
        return;
    }
    routes.cap--;
    while (sip_values_next(&v))
        buf_fmt(&routes, "%s%.*s", routes.n ? ", " : "", SPAN_ARG(v.value));
    ue->service_route[routes.n] = '\0';
    (void)span_u64(sip_header_value(m, SIP_H_EXPIRES), UINT32_MAX,
                   &expires); /* the Contact's counts */
    if (sip_name_addr_parse(sip_header_value(m, SIP_H_CONTACT), &contact) == 0)
        (void)span_u64(sip_param_find(contact.params, SPAN("expires")), UINT32_MAX, &expires);
    ue->registered = true;
    ue_event("registered expires=%llu service-route=\"%s\" identities=\"%.*s\"",
             (unsigned long long)expires, ue->service_route,
             SPAN_ARG(sip_header_value(m, SIP_H_P_ASSOCIATED_URI)));
    /* TS 24.229 5.1.1.4.1: 600 s before the end, or half of a short one. */
    loop_timer_start(ue->loop, &ue->refresh,
                     (expires > 1200 ? expires - 600 : expires / 2 + 1) * SEC);
}

static void on_register_response(struct ue *ue, struct ue_request *r, const struct sip_msg *m)
{
    (void)r;
    if (!m) {
        fail(ue, "no answer", 0);
    } else if (m->status == 401) {
        on_challenge(ue, m);
    } else if (m->status / 100 == 2) {
        on_registered(ue, m);
    } else if (m->status >= 300) {
        char phrase[80];

        snprintf(phrase, sizeof(phrase), "%.*s", SPAN_ARG(m->phrase));
        fail(ue, phrase, m->status);
    }
}

static void send_register(struct ue *ue, bool with_response, bool resync)
{
    const struct ue_options *o = &ue->options;
    char room[UE_MESSAGE_MAX], branch[40] = "z9hG4bK", uri[UE_TEXT_MAX];
    struct buf b = BUF_ON(room);
    bool clear = !ue->protected;

    ue_new_token(branch + 7, 24);
    snprintf(uri, sizeof(uri), "sip:%s", o->realm);
    buf_fmt(&b, "REGISTER %s SIP/2.0\r\n", uri);
    ue_put_common(ue, &b, clear, branch, true);
    buf_fmt(&b, "From: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n", o->impu,
            ue->reg_tag, o->impu, ue->reg_call_id, ++ue->reg_cseq);
    buf_puts(&b, "Contact: <");
    ue_put_contact_uri(ue, &b);
    buf_fmt(&b,
            ">;expires=%u;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A3gpp-service.ims.icsi.mmtel\";+g.3gpp."
            "smsip\r\n",
            ue->reg_expires);
    buf_fmt(&b, "Expires: %u\r\nSupported: path, sec-agree\r\nUser-Agent: %s\r\n", ue->reg_expires,
            o->user_agent);
    if (o->ipsec)
        put_security_client(ue, &b);
    if (resync)
        put_resync(ue, &b, uri);
    else if (with_response)
        ue_put_authorization(ue, &b, "REGISTER", uri, SPAN_NONE);
    else
        buf_fmt(&b,
                "Authorization: Digest "
                "username=\"%s\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"\"\r\n",
                o->impi, o->realm, "", uri);
    buf_puts(&b, "Content-Length: 0\r\n\r\n");
    if (b.overflow || ue_request_send(ue, clear, branch, "REGISTER", buf_span(&b),
                                      on_register_response, NULL) != 0)
        fail(ue, "REGISTER could not be sent", 0);
    else
        ue_event("register-sent protected=%s expires=%u", clear ? "no" : "yes", ue->reg_expires);
}

void ue_register(struct ue *ue, unsigned expires)
{
    if (!ue->reg_call_id[0]) {
        ue_new_token(ue->reg_call_id, 24);
        ue_new_token(ue->reg_tag, 10);
    }
    if (expires == 0 && !ue->registered) {
        ue_event("error what=\"not registered\"");
        return;
    }
    ue->reg_expires = expires;
    ue->reg_challenges = 0;
    new_offer(ue);
    /* A re-registration on the SAs in use carries the last credentials (TS 24.229 5.1.1.4.1). */
    send_register(ue, ue->registered && ue->nonce[0], false);
}
