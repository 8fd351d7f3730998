/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the S-CSCF said: a challenge becomes an SA set, a 200 a registration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/register/inner.h"

/* ---- 401: CK and IK become an SA set ---------------------------------------------------------- */

static const char *why_not(int status)
{
    switch (status) {
    case -EEXIST:
        return "the phone's ports or SPIs are in use";
    case -EADDRNOTAVAIL:
        return "no protected client port is free";
    case -ENOSPC:
        return "the phone, or all phones together, have as many security associations as may be";
    case -ENOTCONN:
        return "the IPsec process is not there";
    case -ECANCELED:
        return "the registration ended";
    default:
        return strerror(-status);
    }
}

static void fail_set(struct attempt *a, struct sip_answer *answer, int status, const char *reason)
{
    char text[160];
    int n = snprintf(text, sizeof(text), "%s", reason && *reason ? reason : why_not(status));

    register_tell(a->registration, REGISTER_IPSEC_FAILED, a->binding, span_of(text, (size_t)n));
    /* What the phone asked for collides with somebody: its fault. Anything else is ours, and may
     * pass. */
    answer->replace = status == -EEXIST ? 403 : 503;
    answer->replace_phrase = status == -EEXIST ? "SPI Or Port In Use" : "IPsec Unavailable";
    if (status != -EEXIST)
        answer->replace_extra = SPAN("Retry-After: 30\r\n");
}

static int put_security_server(struct attempt *a, struct sip_answer *answer,
                               struct binding_set *set)
{
    struct registration *r = a->registration;
    struct secagree_ends ours = {set->spi_pc, set->spi_ps, sip_endpoint_local(set->pc)->port,
                                 sip_endpoint_local(set->ps)->port};
    char text[SECAGREE_TEXT_MAX];
    struct buf b = BUF_ON(text);
    struct span copy;

    if (secagree_server_text(&r->options.algorithms, &a->choice.pair, &ours, &b) != 0)
        return -EMSGSIZE;
    copy = arena_copy(&answer->m->arena, buf_span(&b));
    set->security_server = span_dup(buf_span(&b));
    if (!copy.p || !set->security_server)
        return -ENOMEM;
    set->security_client = a->client_text;
    a->client_text = NULL;
    sip_edit_append(answer->edit, SIP_H_SECURITY_SERVER, copy);
    return 0;
}

void set_installed(struct attempt *a, int status, const char *reason)
{
    struct registration *r = a->registration;
    struct sip_answer *answer = a->proxy ? sip_proxy_held(a->proxy) : NULL;
    struct binding_set *set = a->installing;

    a->installing = NULL;
    if (status == 0 && answer)
        status = put_security_server(a, answer, set);
    if (status == 0 && answer) {
        set_limit(r, set, r->options.pending, true);
        register_tell(r, REGISTER_CHALLENGED, a->binding, SPAN("ipsec"));
    } else {
        if (answer)
            fail_set(a, answer, status, reason);
        if (set)
            set_remove(r, set);
    }
    if (answer)
        sip_proxy_release(a->proxy, SIP_ANSWER_PASS);
}

static enum sip_answer_verdict challenge(struct attempt *a, struct sip_answer *answer,
                                         const struct secret *ck, const struct secret *ik)
{
    struct registration *r = a->registration;
    struct binding_set *from = set_of(a->binding, a->spi_ps);
    int rc;

    if (a->binding->dead) { /* as in grant: it begins again */
        answer->replace = 503;
        answer->replace_extra = SPAN("Retry-After: 5\r\n");
        return SIP_ANSWER_PASS;
    }
    /* Another challenge instead of a 200: that set is not used any more. */
    if (from && from->state == BINDING_SET_TEMPORARY)
        set_limit(r, from, r->options.linger, true);
    if (!a->offered) {
        register_tell(r, REGISTER_CHALLENGED, a->binding, SPAN("no ipsec"));
        return SIP_ANSWER_PASS;
    }
    if (ck->n == 0) {
        register_tell(r, REGISTER_NO_KEYS, a->binding, SPAN("WWW-Authenticate without ck and ik"));
        if (r->options.require_ipsec) {
            answer->replace = 500;
            answer->replace_phrase = "No Keys From The Core";
        }
        return SIP_ANSWER_PASS;
    }
    rc = set_install(a, ck, ik);
    if (rc == 0)
        return SIP_ANSWER_HOLD;
    fail_set(a, answer, rc, NULL);
    return SIP_ANSWER_PASS;
}

/* ---- 200 --------------------------------------------------------------------------------------- */

/* RFC 3261 10.2.4: the granted time stands at our contact; without it, none was granted. */
static uint64_t granted(const struct sip_msg *response, struct span contact)
{
    struct sip_values v = sip_values(response, SIP_H_CONTACT);
    struct span fallback = sip_header_value(response, SIP_H_EXPIRES);
    struct sip_name_addr na;
    uint64_t seconds;

    while (sip_values_next(&v)) {
        struct span text;

        if (sip_name_addr_parse(v.value, &na) != 0 || !sip_uri_same(na.uri, contact))
            continue;
        text = sip_param_find(na.params, SPAN("expires"));
        if (span_u64(text.p ? text : fallback, UINT32_MAX, &seconds) == 0)
            return seconds;
        return 3600; /* RFC 3261 10.3 step 7: without a number, an hour */
    }
    return 0;
}

/* RFC 3261 10.2.4: the 200 lists every contact there is. Ours is what the request named, or what it was before, when
 * the request was about others only. 0: none of them is left. */
static uint64_t standing(const struct binding *b, const struct sip_msg *request,
                         const struct sip_msg *response, struct span *ret_contact)
{
    struct sip_values v = sip_values(request, SIP_H_CONTACT);
    struct sip_name_addr na;

    while (sip_values_next(&v)) {
        uint64_t seconds = sip_name_addr_parse(v.value, &na) == 0 ? granted(response, na.uri) : 0;

        if (seconds) {
            *ret_contact = na.uri;
            return seconds;
        }
    }
    if (!b->registered)
        return 0;
    *ret_contact = span_str(b->contact);
    return granted(response, *ret_contact);
}

static bool keep_service_route(struct binding *b, const struct sip_msg *response)
{
    char room[2048];
    struct buf list = BUF_ON(room);
    struct sip_values v = sip_values(response, SIP_H_SERVICE_ROUTE);

    while (sip_values_next(&v)) {
        if (list.n)
            buf_putc(&list, ',');
        buf_put(&list, v.value);
    }
    return !list.overflow && span_keep(&b->service_route, list.n ? buf_span(&list) : SPAN_NONE);
}

static void removed(struct attempt *a)
{
    struct registration *r = a->registration;
    struct binding *b = a->binding;

    if (!b->registered)
        return;
    register_tell(r, REGISTER_REMOVED, b, SPAN(""));
    r->env.on_gone(b, "deregistered", r->env.ctx);
    b->registered = false;
    /* The 200 and its retransmissions still need the SAs: 64*T1 (TS 33.203 7.4). */
    LIST_EACH (item, &b->sets) {
        set_limit(r, CONTAINER_OF(item, struct binding_set, item), r->options.linger, true);
    }
    binding_set_pending(r->env.bindings, b, r->options.linger + 1);
}

static int associate(struct attempt *a, const struct sip_msg *request)
{
    struct sip_values v = sip_values(request, SIP_H_VIA);
    struct sip_via via;
    struct span sent_by;

    if (!sip_values_next(&v) || sip_via_split(v.value, &via) != 0)
        return -EBADMSG;
    sent_by = binding_sent_by(&via);
    return binding_associate(a->registration->env.bindings, a->binding, &a->flow, sent_by);
}

/* The registration stands at the core; here it must find its set, or its IP association. */
static int settle(struct attempt *a, const struct sip_msg *request, uint64_t seconds)
{
    struct registration *r = a->registration;
    struct binding_set *set = set_of(a->binding, a->spi_ps);

    if (set && set->state == BINDING_SET_TEMPORARY && !a->vouched)
        return -EPERM; /* its challenge was not answered */
    if (set) {
        a->binding->ipsec = true;
        binding_dissociate(r->env.bindings, a->binding);
        if (set->state == BINDING_SET_TEMPORARY)
            set_promote(r, set);
        if (a->vouched) /* TS 33.203 7.4: of the latest authentication only */
            set_limit(r, set, seconds + r->options.slack, false);
        return 0;
    }
    if (a->spi_ps != 0)
        return -ENOTCONN; /* the set ended while the core was thinking */
    if (r->options.require_ipsec)
        return -EPERM;
    a->binding->ipsec = false;
    return associate(a, request);
}

static void grant(struct attempt *a, struct sip_answer *answer, const struct sip_msg *request)
{
    struct registration *r = a->registration;
    struct binding *b = a->binding;
    struct span contact;
    uint64_t seconds = standing(b, request, answer->m, &contact);
    bool fresh = !b->registered;
    unsigned dropped;
    int rc;

    if (!sip_line_first(request, SIP_H_CONTACT))
        return; /* a query */
    if (seconds == 0) {
        removed(a);
        return;
    }
    /* Dead: its time ran out while the core was thinking. */
    rc = b->dead ? -ENOTCONN : settle(a, request, seconds);
    if (rc == 0 && (!keep_service_route(b, answer->m) || !span_keep(&b->contact, contact)))
        rc = -ENOMEM;
    if (rc != 0) {
        register_tell(r, REGISTER_REFUSED, b,
                      rc == -EPERM ? SPAN("200 without a security association")
                                   : SPAN("no room for the registration"));
        answer->replace = rc == -EPERM ? 403 : 500;
        return;
    }
    b->source = a->flow;
    identity_learn(answer->m, request->to_uri, &b->identities, &dropped);
    /* A second of grace: the S-CSCF ends it first. */
    binding_set_expiry(r->env.bindings, b, seconds + 1);
    register_tell(r, fresh ? REGISTER_GRANTED : REGISTER_REFRESHED, b, SPAN(""));
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void refused(struct attempt *a, unsigned status)
{
    struct binding_set *set = set_of(a->binding, a->spi_ps);
    char text[8];
    int n = snprintf(text, sizeof(text), "%u", status);

    register_tell(a->registration, REGISTER_REFUSED, a->binding, span_of(text, (size_t)n));
    if (set && set->state == BINDING_SET_TEMPORARY) /* TS 33.203 7.3.1.2: it was not answered */
        set_limit(a->registration, set, a->registration->options.linger, true);
}

static enum sip_answer_verdict on_answer(struct sip_answer *answer, void *ctx)
{
    struct attempt *a = ctx;
    struct sip_server *server = sip_server_find(a->registration->env.layer, answer->server);
    enum sip_answer_verdict verdict = SIP_ANSWER_PASS;
    struct secret ck = {0}, ik = {0};

    if (!answer->m) {
        register_tell(a->registration, REGISTER_CORE_SILENT, a->binding, SPAN("no answer"));
        answer->replace = 504; /* TS 24.229 5.2.2.1; a 408 would not be sent (RFC 4320 4.2) */
        return SIP_ANSWER_PASS;
    }
    if (answer->status < 200)
        return SIP_ANSWER_PASS;
    /* Whatever the status says, no key goes past here. */
    (void)auth_take_keys(answer->m, answer->edit, &ck, &ik); /* none: both stay empty */
    identity_hide_from_phone(answer->m, answer->edit);
    if (answer->status == 401) {
        a->challenged = true;
        verdict = challenge(a, answer, &ck, &ik);
    } else if (answer->status / 100 == 2 && server) {
        grant(a, answer, sip_server_request(server));
    } else {
        refused(a, answer->status);
    }
    secret_wipe(&ck);
    secret_wipe(&ik);
    return verdict;
}

static void on_end(struct sip_proxy *p, void *ctx)
{
    struct attempt *a = ctx;

    (void)p;
    a->proxy = NULL;
    attempt_free(a);
}

const struct sip_proxy_ops register_answer_ops = {.on_answer = on_answer, .on_end = on_end};
