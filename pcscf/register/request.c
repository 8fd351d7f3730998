/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REGISTER from a phone: believed or refused, and sent on (TS 24.229 5.2.2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/register/inner.h"

const char *register_event_name(enum register_event e)
{
    static const char *const names[] = {
        [REGISTER_CHALLENGED] = "challenged",   [REGISTER_GRANTED] = "granted",
        [REGISTER_REFRESHED] = "refreshed",     [REGISTER_REFUSED] = "refused",
        [REGISTER_REMOVED] = "removed",         [REGISTER_EXPIRED] = "expired",
        [REGISTER_NO_IPSEC] = "no_ipsec",       [REGISTER_MISMATCH] = "mismatch",
        [REGISTER_FOREIGN] = "foreign",         [REGISTER_BAD] = "bad",
        [REGISTER_NO_KEYS] = "no_keys",         [REGISTER_IPSEC_FAILED] = "ipsec_failed",
        [REGISTER_CORE_SILENT] = "core_silent", [REGISTER_IN_USE] = "in_use",
    };

    return names[e];
}

void register_tell(struct registration *r, enum register_event event, const struct binding *b,
                   struct span detail)
{
    if (r->env.on_event)
        r->env.on_event(event, b, detail, r->env.ctx);
}

int register_new(const struct register_env *env, const struct register_options *options,
                 struct registration **ret_registration)
{
    struct registration *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->env = *env;
    r->options = *options;
    list_init(&r->attempts);
    *ret_registration = r;
    return 0;
}

void register_free(struct registration *r)
{
    if (!r)
        return;
    LIST_EACH (item, &r->attempts) {
        attempt_free(CONTAINER_OF(item, struct attempt, item));
    }
    free(r);
}

/* Nobody that a challenge or a registration makes worth remembering: strangers must not fill the
 * table with names. */
static bool is_nobody(const struct binding *b, unsigned references)
{
    return !b->dead && !b->registered && list_empty(&b->sets) && b->references == references;
}

void attempt_free(struct attempt *a)
{
    struct registration *r = a->registration;

    if (a->resolving)
        sip_resolve_cancel(a->resolving);
    probe_stop(a);
    if (a->installing) {
        a->installing->maker = NULL;
        set_remove(r, a->installing);
    }
    list_del(&a->item);
    if (!a->challenged && is_nobody(a->binding, 1))
        binding_remove(r->env.bindings, a->binding);
    binding_unref(r->env.bindings, a->binding);
    free(a->client_text);
    free(a);
}

/* Answered here, with the reason in a Warning. */
static void refuse(struct sip_server *server, unsigned status, const char *reason)
{
    struct sip_reject reject = {.status = status, .phrase = sip_status_phrase(status)};

    snprintf(reject.reason, sizeof(reject.reason), "%s", reason);
    (void)sip_server_reject(server, &reject); /* if it cannot be sent, the phone asks again */
}

static void refuse_agreement(struct sip_server *server, const struct secagree_refusal *refusal)
{
    (void)sip_server_reply(server, refusal->reject.status, refusal->reject.phrase,
                           span_str(refusal->extra), SPAN_NONE); /* as above */
}

static void attempt_refuse(struct attempt *a, unsigned status, const char *reason)
{
    struct sip_server *server = sip_server_find(a->registration->env.layer, a->server);

    if (server)
        refuse(server, status, reason);
    attempt_free(a);
}

/* ---- sending on ------------------------------------------------------------------------------ */

static int put_line(struct sip_msg *m, struct sip_edit *e, enum sip_header id, struct buf *text)
{
    struct span copy = arena_copy(&m->arena, buf_span(text));

    if (text->overflow || !copy.p)
        return -ENOMEM;
    sip_edit_push(e, id, copy);
    return 0;
}

static int put_path(struct attempt *a, struct sip_msg *m, struct sip_edit *e)
{
    char room[160];
    struct buf b = BUF_ON(room);

    binding_put_uri(a->binding, sip_endpoint_local(a->registration->env.mw), &b);
    sip_edit_append(e, SIP_H_REQUIRE, SPAN("path"));
    return put_line(m, e, SIP_H_PATH, &b);
}

static int put_visited(struct attempt *a, struct sip_msg *m, struct sip_edit *e)
{
    char room[300];
    struct buf b = BUF_ON(room);

    if (a->registration->options.visited.n == 0)
        return 0;
    buf_putc(&b, '"');
    buf_put(&b, a->registration->options.visited);
    buf_putc(&b, '"');
    return put_line(m, e, SIP_H_P_VISITED_NETWORK_ID, &b);
}

static int edit_request(struct attempt *a, struct sip_msg *m, struct sip_edit *e)
{
    struct registration *r = a->registration;
    char icid[CHARGE_ICID_MAX];
    int rc;

    secagree_strip(e);
    identity_distrust(m, e);
    sip_edit_remove_all(e, SIP_H_ROUTE);
    rc = auth_mark_request(m, e, a->vouched);
    if (rc == 0)
        rc = put_path(a, m, e);
    if (rc == 0)
        rc = put_visited(a, m, e);
    charge_new_icid(r->env.charge, icid);
    return rc != 0 ? rc : charge_put_vector(r->env.charge, m, e, icid, false);
}

static void on_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct attempt *a = ctx;
    struct registration *r = a->registration;
    struct sip_server *server = sip_server_find(r->env.layer, a->server);
    struct sip_edit e;
    struct sip_msg *m;
    int rc;

    (void)error;
    a->resolving = NULL;
    if (!server || n == 0) {
        register_tell(r, REGISTER_CORE_SILENT, a->binding, SPAN("no address of the core"));
        attempt_refuse(a, 504, "the home network has no address");
        return;
    }
    m = sip_server_request(server);
    sip_edit_init(&e, m);
    rc = edit_request(a, m, &e);
    if (rc == 0)
        rc = sip_proxy_forward(server, &e, targets, n, &register_answer_ops, a, &a->proxy);
    if (rc == -ELOOP)
        attempt_free(a); /* 483 was sent */
    else if (rc != 0)
        attempt_refuse(a,
                       rc == -EBADMSG  ? 400
                       : rc == -ENOSPC ? 503
                                       : 500,
                       rc == -EBADMSG ? "Authorization cannot be read" : "out of resources");
}

static void attempt_start(struct attempt *a, const struct sip_msg *m)
{
    struct registration *r = a->registration;
    struct span next = r->options.core.n ? r->options.core : m->ruri;
    struct sip_uri uri;

    if (sip_uri_parse(next, &uri) != 0)
        attempt_refuse(a, 400, "Request-URI cannot be read");
    else
        (void)sip_resolve(sip_layer_transport(r->env.layer), &uri, r->env.mw,
                          SIP_TARGET_LARGE_BY_TCP, on_resolved, a, &a->resolving);
}

/* The set that is in the way of what a REGISTER in the clear asks for. One that waits for its answer is not: it is
 * replaced, or the kernel says whose it is. */
static struct binding_set *set_in_the_way(const struct attempt *a)
{
    struct addr phone_uc = a->flow.remote;
    struct binding_set *set;

    if (a->spi_ps != 0 || !a->offered)
        return NULL;
    phone_uc.port = a->choice.phone.port_c;
    set = binding_set_at(a->registration->env.bindings, &phone_uc);
    return set && set->state != BINDING_SET_TEMPORARY ? set : NULL;
}

void probe_done(struct attempt *a, bool is_there)
{
    struct sip_server *server = sip_server_find(a->registration->env.layer, a->server);

    if (!server) {
        attempt_free(a);
    } else if (is_there) {
        register_tell(a->registration, REGISTER_IN_USE, a->binding, SPAN("the phone has its set"));
        attempt_refuse(a, 403, "the client port is that of a phone that has not lost it");
    } else {
        attempt_start(a, sip_server_request(server));
    }
}

static void attempt_begin(struct attempt *a, struct sip_server *server, const struct sip_msg *m)
{
    struct binding_set *set = set_in_the_way(a);

    if (!set) {
        attempt_start(a, m);
    } else if (set->prober || probe_start(a, set) != 0) {
        (void)sip_server_reply(server, 503, NULL, SPAN("Retry-After: 10\r\n"),
                               SPAN_NONE); /* as above */
        attempt_free(a);
    }
}

/* ---- who, and may they ----------------------------------------------------------------------- */

/* On an SA: the phone it belongs to, saying what was agreed. False when it was refused. */
static bool accept_protected(struct registration *r, struct sip_server *server, struct sip_msg *m,
                             struct binding *b, struct binding_set *set)
{
    struct secagree_refusal refusal;
    bool derived;
    struct span impi = auth_private_identity(m, &derived);

    if (!span_eq(impi, span_str(b->impi)) &&
        !(derived && identity_find(&b->identities, m->to_uri) >= 0)) {
        register_tell(r, REGISTER_FOREIGN, b, impi);
        refuse(server, 403, "another user's identity on this security association");
        return false;
    }
    if (secagree_check_verify(m, span_str(set->security_server), &refusal) != 0 ||
        (set->state == BINDING_SET_TEMPORARY &&
         secagree_check_client(m, span_str(set->security_client), &refusal) != 0)) {
        register_tell(r, REGISTER_MISMATCH, b, span_str(refusal.reject.reason));
        refuse_agreement(server, &refusal);
        return false;
    }
    return true;
}

/* Once there is a new set, the phone may show either list on either set. */
static bool shows_another_list(const struct sip_msg *m, const struct binding_set *set)
{
    struct secagree_refusal unused;

    LIST_EACH (item, &set->binding->sets) {
        const struct binding_set *other = CONTAINER_OF(item, struct binding_set, item);

        if (other != set && other->security_server &&
            secagree_check_verify(m, span_str(other->security_server), &unused) == 0)
            return true;
    }
    return false;
}

bool register_is_verified(struct registration *r, const struct sip_msg *m,
                          const struct binding_set *set, struct secagree_refusal *ret_refusal)
{
    if (!sip_line_first(m, SIP_H_SECURITY_VERIFY) ||
        secagree_check_verify(m, span_str(set->security_server), ret_refusal) == 0 ||
        shows_another_list(m, set))
        return true;
    register_tell(r, REGISTER_MISMATCH, set->binding, span_str(ret_refusal->reject.reason));
    return false;
}

/* TS 33.203 6.1.5: the set of this authentication with the answer to its challenge, or the set of the
 * latest one, unless an answer comes there that belongs on the set made for it. Phones repeat the
 * response of long ago when they refresh (TS 24.229 5.1.1.4): without a challenge it is none. */
static bool is_vouched(const struct binding_set *set, const struct sip_msg *m)
{
    enum auth_answer answer = auth_answer(m);

    if (set->state == BINDING_SET_TEMPORARY)
        return answer == AUTH_RESPONSE;
    if (set->state == BINDING_SET_OLD || answer == AUTH_AUTS)
        return false;
    if (answer == AUTH_NO_ANSWER)
        return true;
    LIST_EACH (item, &set->binding->sets) {
        const struct binding_set *other = CONTAINER_OF(item, struct binding_set, item);

        if (other->state == BINDING_SET_TEMPORARY && other->made_on == set->spi_ps)
            return false;
    }
    return true;
}

/* In the clear: nobody yet. NULL when it was refused. */
static struct binding *accept_clear(struct registration *r, struct sip_server *server,
                                    struct sip_msg *m)
{
    bool derived;
    struct span impi = auth_private_identity(m, &derived);
    struct binding *b = binding_find_impi(r->env.bindings, impi);
    int rc;

    if (b) { /* not registered: it waits for the end of what begins now */
        binding_set_pending(r->env.bindings, b, r->options.pending);
        return b;
    }
    rc = binding_new(r->env.bindings, impi, &b);
    if (rc == 0) {
        binding_set_pending(r->env.bindings, b, r->options.pending);
        return b;
    }
    if (rc == -ENOSPC || rc == -ENOMEM)
        (void)sip_server_reply(server, 503, NULL, SPAN("Retry-After: 30\r\n"), SPAN_NONE);
    else
        refuse(server, 400, "the private identity is too long");
    return NULL;
}

/* Whether the coming challenge will make a set. False when the request was refused. */
static bool choose(struct registration *r, struct sip_server *server, struct sip_msg *m,
                   const struct binding *b, bool is_protected, struct attempt *a)
{
    char text[SECAGREE_TEXT_MAX];
    struct buf client = BUF_ON(text);
    struct secagree_refusal refusal;

    if (!secagree_is_offered(m) && (is_protected || !r->options.require_ipsec))
        return true; /* a refresh without a new offer, or a phone without IPsec */
    if (!r->env.ipsec && !r->options.require_ipsec)
        return true; /* we have no IPsec: the phone decides whether it goes on without */
    if (secagree_choose(m, &r->options.algorithms, &a->choice, &refusal) != 0) {
        register_tell(r, REGISTER_NO_IPSEC, b, span_str(refusal.reject.reason));
        refuse_agreement(server, &refusal);
        return false;
    }
    if (secagree_client_text(m, &client) != 0 || !(a->client_text = span_dup(buf_span(&client)))) {
        refuse(server, 400, "Security-Client is too long");
        return false;
    }
    a->offered = true;
    return true;
}

void register_request(struct registration *r, struct sip_server *server, struct binding *b,
                      struct binding_set *set)
{
    struct sip_msg *m = sip_server_request(server);
    const struct sip_flow *flow = sip_server_flow(server);
    struct attempt *a = calloc(1, sizeof(*a));

    if (!a) {
        refuse(server, 500, "out of memory");
        return;
    }
    a->registration = r;
    list_init(&a->item);
    loop_timer_init(&a->patience, probe_on_patience, a);
    if (set ? !accept_protected(r, server, m, b, set) : !(b = accept_clear(r, server, m)))
        goto refused;
    if (!choose(r, server, m, b, set != NULL, a)) {
        if (is_nobody(b, 0))
            binding_remove(r->env.bindings, b);
        goto refused;
    }
    a->binding = b;
    a->server = sip_server_handle(server);
    a->flow = *flow;
    a->spi_ps = set ? set->spi_ps : 0;
    a->vouched = set && is_vouched(set, m);
    binding_ref(b);
    list_add_tail(&r->attempts, &a->item);
    attempt_begin(a, server, m);
    return;

refused:
    free(a->client_text);
    free(a);
}
