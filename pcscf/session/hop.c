/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on their way: from a phone to the core, from the core to a phone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/secagree/secagree.h"
#include "pcscf/session/inner.h"

bool hop_dialog_is_call(const struct session_leg *leg, const struct sip_dialog *d)
{
    if (leg->confirmed)
        return leg->confirmed == d;
    return !leg->invite || leg->dialogs == 1;
}

static void on_dialog_end(struct sip_dialog *d, void *ctx)
{
    struct session_leg *leg = sip_dialog_user(d);

    (void)ctx;
    if (!leg)
        return;
    if (hop_dialog_is_call(leg, d))
        leg_media_end(leg);
    if (leg->confirmed == d)
        leg->confirmed = NULL;
    leg->dialogs--;
    leg_let_go(leg);
}

int session_new(const struct session_env *env, const struct session_options *options,
                struct session **ret_session)
{
    static const struct sip_dialogs_ops ops = {.on_end = on_dialog_end};
    struct session *s = calloc(1, sizeof(*s));
    struct sip_dialogs_options d = sip_dialogs_options_default;
    int rc;

    if (!s)
        return -ENOMEM;
    *s = (struct session){.env = *env, .options = *options};
    list_init(&s->legs);
    list_init(&s->hops);
    list_init(&s->acks);
    d.limit = s->dialogs_max = options->legs * 2;
    d.linger = 128 * SEC; /* 64*T1 with the phones' T1 of 2 s */
    rc = sip_dialogs_new(env->loop, &s->env.rnd, &d, &ops, s, &s->dialogs);
    if (rc != 0) {
        free(s);
        return rc;
    }
    *ret_session = s;
    return 0;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    s->env.on_event = NULL;
    ack_free_all(s);
    LIST_EACH (item, &s->hops)
        hop_free(CONTAINER_OF(item, struct hop, item));
    LIST_EACH (leg, &s->legs) {
        struct session_leg *l = CONTAINER_OF(leg, struct session_leg, item);

        l->dialogs = l->hops = 0;
        leg_let_go(l);
    }
    sip_dialogs_free(s->dialogs);
    free(s);
}

void hop_free(struct hop *h)
{
    struct session_leg *leg = h->leg;

    if (h->resolving)
        sip_resolve_cancel(h->resolving);
    list_del(&h->item);
    binding_unref(h->session->env.bindings, h->binding);
    free(h->sdp);
    if (leg) {
        leg_body_cancel(leg, &h->body);
        if (leg->offer_hop == h)
            leg_offer_withdraw(leg);
        if (leg->invite == h) {
            leg->invite = NULL;
            leg_forks_end(leg);
        }
        leg->hops--;
        leg_let_go(leg);
    }
    free(h);
}

struct sip_dialog *hop_dialog(const struct hop *h)
{
    return sip_dialog_by_handle(h->session->dialogs, h->dialog);
}

/* RFC 3261 21.5.4: so that a phone does not come again at once. */
#define RETRY_AFTER "Retry-After: 10\r\n"

/* The request cannot go on: answered, and forgotten. */
static void hop_refuse(struct hop *h, unsigned status, const char *phrase)
{
    struct sip_server *server = sip_server_find(h->session->env.layer, h->server);

    if (server) {
        sip_server_set_user(server, NULL);
        (void)sip_server_reply(server, status, phrase,
                               status == 503 ? SPAN(RETRY_AFTER) : SPAN_NONE,
                               SPAN_NONE); /* else it times out */
    }
    hop_free(h);
}

static struct hop *hop_new(struct session *s, struct sip_server *server, struct binding *b,
                           bool from_phone)
{
    struct sip_msg *m = sip_server_request(server);
    struct hop *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    *h = (struct hop){.session = s,
                      .binding = b,
                      .server = sip_server_handle(server),
                      .method = m->method,
                      .from_phone = from_phone,
                      .initial = !m->to_tag.p};
    list_init(&h->body.item);
    binding_ref(b);
    list_add_tail(&s->hops, &h->item);
    sip_server_set_user(server, h);
    return h;
}

static void hop_join(struct hop *h, struct session_leg *leg)
{
    h->leg = leg;
    if (h->initial)
        leg->invite = h;
    leg->hops++;
}

bool hop_agrees_on_media(const struct hop *h)
{
    return h->method == SIP_INVITE || h->method == SIP_PRACK || h->method == SIP_UPDATE;
}

/* ---- routes of a phone's requests ---- */

struct span hop_service_route(const struct binding *b)
{
    return b->service_route ? span_str(b->service_route) : SPAN("");
}

/* TS 24.229 5.2.6.3: what Route has to be behind our own values, whatever the phone wrote: the Service-Route, or the
 * route set of the dialog. p = NULL: nobody knows. */
static struct span route_set(const struct hop *h)
{
    struct sip_dialog *d = hop_dialog(h);
    struct span set;

    if (h->initial)
        return hop_service_route(h->binding);
    if (!d)
        return SPAN_NONE;
    set = sip_dialog_side(d, sip_side_other(h->side))->routes;
    return set.p ? set : SPAN("");
}

/* ---- forwarding ------------------------------------------------------------------------------ */

static bool makes_dialog(enum sip_method m)
{
    return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_REFER || m == SIP_NOTIFY;
}

static int edit_from_phone(struct hop *h, struct sip_msg *m, struct sip_edit *e)
{
    struct session *s = h->session;
    struct own_routes own;
    struct span asserted, set = route_set(h);
    char icid[CHARGE_ICID_MAX];
    int rc;

    route_pop_own(s, m, e, &own);
    secagree_strip(e);
    rc = identity_assert_request(&h->binding->identities, m, e, &asserted);
    if (rc != 0)
        return rc;
    if (h->leg)
        memcpy(icid, h->leg->icid, sizeof(icid));
    else
        charge_new_icid(s->env.charge, icid);
    if (set.p)
        route_set_put(m, e, own.count, set);
    return charge_put_vector(s->env.charge, m, e, icid, false);
}

static void edit_to_phone(struct hop *h, struct sip_msg *m, struct sip_edit *e)
{
    struct own_routes own;

    route_pop_own(h->session, m, e, &own);
    identity_hide_from_phone(m, e);
    if (h->sdp)
        message_put_token(h->leg, m, e);
}

/* While edge, PDP or DNS were asked. */
static bool hop_has_lost_dialog(const struct hop *h)
{
    return h->leg && !h->initial && !hop_dialog(h);
}

static void hop_forward(struct hop *h, const struct sip_target *targets, size_t n)
{
    struct session *s = h->session;
    struct sip_server *server = sip_server_find(s->env.layer, h->server);
    struct sip_msg *m = server ? sip_server_request(server) : NULL;
    struct sip_edit e;
    int rc = 0;

    if (!server) {
        hop_free(h);
        return;
    }
    if (hop_has_lost_dialog(h)) {
        hop_refuse(h, 481, NULL);
        return;
    }
    sip_edit_init(&e, m);
    if (h->from_phone)
        rc = edit_from_phone(h, m, &e);
    else
        edit_to_phone(h, m, &e);
    if (makes_dialog(h->method)) {
        struct span own = route_record(s, m, h->binding, !h->from_phone);

        if (own.p)
            sip_edit_push(&e, SIP_H_RECORD_ROUTE, own);
        else
            rc = -ENOMEM;
    }
    if (h->sdp)
        message_edit_sdp(&e, span_str(h->sdp));
    if (rc == 0)
        rc = sip_proxy_forward(server, &e, targets, n, &answer_ops, h, &h->proxy);
    if (rc == -ELOOP)
        hop_free(h); /* 483 was sent */
    else if (rc != 0)
        hop_refuse(h, rc == -ENOSPC ? 503 : 500, NULL);
}

static void on_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct hop *h = ctx;

    h->resolving = NULL;
    if (n == 0)
        hop_refuse(h, error == -EPROTONOSUPPORT ? 416 : 504, NULL);
    else
        hop_forward(h, targets, n);
}

/* Where the request goes next: to the core by Route or Request-URI, to the phone by its SA set or flow. */
static void hop_route(struct hop *h)
{
    struct session *s = h->session;
    struct sip_server *server = sip_server_find(s->env.layer, h->server);
    struct sip_target target;
    struct own_routes own;
    struct sip_uri uri;
    struct span next, set, contact;
    struct sip_dialog *d = hop_dialog(h);
    struct sip_msg *m;

    if (!server) {
        hop_free(h);
        return;
    }
    m = sip_server_request(server);
    if (!h->from_phone) {
        if (binding_target(h->binding, &target) != 0) {
            session_tell(s, SESSION_PHONE_GONE, h->leg, span_str(h->binding->impi));
            hop_refuse(h, 480, NULL);
        } else {
            hop_forward(h, &target, 1);
        }
        return;
    }
    route_pop_own(s, m, NULL, &own);
    set = route_set(h);
    next = set.p ? sip_list_cut(&set) : own.next;
    contact = d ? sip_dialog_side(d, sip_side_other(h->side))->contact : m->ruri;
    if (hop_has_lost_dialog(h))
        hop_refuse(h, 481, NULL);
    else if (sip_next_uri(next, contact, &uri) != 0)
        hop_refuse(h, 400, "Bad Route");
    else
        (void)sip_resolve(sip_layer_transport(s->env.layer), &uri, s->env.mw,
                          SIP_TARGET_LARGE_BY_TCP, on_resolved, h, &h->resolving);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static const struct leg_outcome unreadable = {488, "Unreadable Session Description", SPAN_NONE};
/* RFC 3261 7.4.1 */
static const struct leg_outcome untyped = {400, "Body Without Content-Type", SPAN_NONE};

static void on_body(const struct leg_outcome *o, void *ctx)
{
    struct hop *h = ctx;
    struct session_leg *leg = h->leg;
    bool is_over = leg->media_ended || h->body.is_offer;

    if (o->status == 0) {
        h->sdp = o->sdp.p ? span_dup(o->sdp) : NULL;
        if (h->sdp)
            hop_route(h);
        else
            hop_refuse(h, 500, NULL);
        return;
    }
    hop_refuse(h, o->status, o->phrase);
    /* An offer is only refused. Whose offer was answered waits for a PRACK that does not come. */
    if (!is_over)
        leg_release(leg, "Media Not Authorized");
}

/* Anchors the request's body first, if there is one and a leg to anchor it in. */
static void hop_start(struct hop *h, struct sip_msg *m)
{
    struct span sdp = SPAN_NONE;
    struct session_leg *leg = h->leg;
    enum sip_body body = message_sdp(m, &sdp);
    bool is_offer;

    if (!leg || body == SIP_BODY_NONE || !hop_agrees_on_media(h)) {
        hop_route(h);
        return;
    }
    if (leg->media_ended) {
        hop_refuse(h, 481, NULL); /* the call is over */
        return;
    }
    /* RFC 3262 5: a PRACK may answer the offer of a 1xx; any other body in a request is an offer. */
    is_offer = m->method != SIP_PRACK || !leg_awaits_answer(leg, h->from_phone);
    h->had_offer = is_offer;
    h->body = (struct leg_body){.sdp = sdp,
                                .from_phone = h->from_phone,
                                .is_offer = is_offer,
                                .in_request = true,
                                .done = on_body,
                                .ctx = h};
    list_init(&h->body.item);
    if (body == SIP_BODY_UNREADABLE)
        on_body(sip_line_first(m, SIP_H_CONTENT_TYPE) ? &unreadable : &untyped, h);
    else if ((is_offer && leg->offer_pending) || leg_body_start(leg, &h->body) != 0)
        hop_refuse(h, 491, NULL); /* RFC 3261 14.2, RFC 3311 5.2 */
}

/* ---- the two entries ------------------------------------------------------------------------- */

static void reject(struct sip_server *server, unsigned status, const char *phrase,
                   const char *reason)
{
    struct sip_reject r = {.status = status, .phrase = phrase ? phrase : sip_status_phrase(status)};

    snprintf(r.reason, sizeof(r.reason), "%s", reason);
    (void)sip_server_reject(server, &r); /* if it cannot be sent, the transaction times out */
}

struct sip_dialog *hop_find_dialog(struct session *s, const struct sip_msg *m, bool from_phone,
                                   enum sip_side *ret_from)
{
    static const enum sip_leg legs[] = {SIP_LEG_ORIGINATING, SIP_LEG_TERMINATING};

    for (size_t i = 0; i < ARRAY_LEN(legs); i++) {
        enum sip_side phone = legs[i] == SIP_LEG_ORIGINATING ? SIP_CALLER : SIP_CALLEE, from;
        struct sip_dialog *d = sip_dialog_find(s->dialogs, legs[i], m, &from);

        if (d && (from == phone) == from_phone) {
            *ret_from = from;
            return d;
        }
    }
    return NULL;
}

/* A To tag, but no dialog of a call here: made up, or from before a restart. False when it was refused. */
static bool hop_enter_unknown(struct hop *h, struct sip_msg *m)
{
    struct session *s = h->session;
    bool subscription = m->method == SIP_SUBSCRIBE || m->method == SIP_NOTIFY; /* not followed */
    struct own_routes own;

    if (h->from_phone && subscription) {
        route_pop_own(s, m, NULL, &own);
        if (route_begins_in(own.next, hop_service_route(h->binding)))
            return true;
        session_tell(s, SESSION_ROUTE_MISMATCH, NULL, sip_header_value(m, SIP_H_ROUTE));
        hop_refuse(h, 403, "Not By Your S-CSCF");
        return false;
    }
    /* The core may still end what a phone believes in. */
    if (!h->from_phone && !hop_agrees_on_media(h))
        return true;
    session_tell(s, SESSION_NO_DIALOG, NULL, m->method_text);
    hop_refuse(h, 481, NULL);
    return false;
}

/* Inside a dialog. False when the request was refused. */
static bool hop_enter_dialog(struct hop *h, struct sip_msg *m)
{
    struct session *s = h->session;
    struct sip_dialog *d = hop_find_dialog(s, m, h->from_phone, &h->side);
    struct session_leg *leg = d ? sip_dialog_user(d) : NULL;
    int rc;

    if (!leg)
        return hop_enter_unknown(h, m);
    if (leg->binding != h->binding) {
        session_tell(s, SESSION_FOREIGN_DIALOG, leg, span_str(h->binding->impi));
        hop_refuse(h, 403, "Not Your Dialog");
        return false;
    }
    rc = sip_dialog_on_request(d, h->side, m);
    if (rc != 0) {
        hop_refuse(h, rc == -EPERM ? 403 : 500,
                   rc == -EPERM ? "BYE Before An Answer" : "CSeq Out Of Order");
        return false;
    }
    h->dialog = sip_dialog_handle(d);
    hop_join(h, leg);
    if (m->method == SIP_BYE && hop_dialog_is_call(leg, d))
        leg_media_end(leg); /* gates fall before anything else happens */
    return true;
}

/* No leg could be made. */
static void hop_refuse_call(struct hop *h, int error)
{
    bool full = error == -EDQUOT;

    if (full)
        session_tell(h->session, SESSION_PHONE_FULL, NULL, span_str(h->binding->impi));
    if (full && !h->from_phone)
        hop_refuse(h, 486, NULL); /* it is the phone that is busy, not we */
    else
        hop_refuse(h, full || error == -ENOSPC ? 503 : 500, NULL);
}

static void enter(struct session *s, struct sip_server *server, struct binding *b, bool from_phone)
{
    struct sip_msg *m = sip_server_request(server);
    struct hop *h = hop_new(s, server, b, from_phone);
    struct session_leg *leg;
    int rc;

    if (!h) {
        reject(server, 500, NULL, "out of memory");
        return;
    }
    if (!h->initial) {
        if (hop_enter_dialog(h, m))
            hop_start(h, m);
        return;
    }
    if (m->method == SIP_INVITE) {
        /* Without a dialog nobody could end it, or see its end. */
        rc = s->draining || sip_dialogs_count(s->dialogs) >= s->dialogs_max ? -ENOSPC : 0;
        if (rc == 0)
            rc = leg_new(s, b, from_phone ? SIP_LEG_ORIGINATING : SIP_LEG_TERMINATING, m, &leg);
        if (rc != 0) {
            hop_refuse_call(h, rc);
            return;
        }
        hop_join(h, leg);
        session_tell(s, SESSION_CALL_STARTED, leg, SPAN(""));
    }
    hop_start(h, m);
}

void session_from_phone(struct session *s, struct sip_server *server, struct binding *b)
{
    struct sip_msg *m = sip_server_request(server);
    struct own_routes own;

    if (!b || !b->registered) {
        session_tell(s, SESSION_UNKNOWN_PHONE, NULL, m->method_text);
        reject(server, 403, NULL, "not registered here");
        return;
    }
    if (!m->to_tag.p && s->options.on_route_mismatch == SESSION_REJECT) {
        route_pop_own(s, m, NULL, &own);
        if (!route_is(m, own.count, hop_service_route(b))) {
            session_tell(s, SESSION_ROUTE_MISMATCH, NULL, sip_header_value(m, SIP_H_ROUTE));
            reject(server, 400, NULL, "Route is not the registered Service-Route");
            return;
        }
    }
    enter(s, server, b, true);
}

void session_from_core(struct session *s, struct sip_server *server)
{
    struct sip_msg *m = sip_server_request(server);
    struct own_routes own;
    struct binding *b;

    route_pop_own(s, m, NULL, &own);
    b = own.id ? binding_find_id(s->env.bindings, own.id) : NULL;
    if (!b || !b->registered) {
        session_tell(s, SESSION_PHONE_GONE, NULL, m->ruri);
        /* 24.229 5.2.6.4: no such phone (any more). A BYE must still end: 481. */
        reject(server, m->to_tag.p ? 481 : own.id ? 480 : 404, NULL, "no such phone here");
        return;
    }
    enter(s, server, b, false);
}

void session_on_cancel(struct session *s, struct sip_server *server)
{
    struct hop *h = sip_server_user(server);

    (void)s;
    if (h) /* not forwarded yet: the edge or the PDP is still thinking */
        hop_refuse(h, 487, NULL);
}

/* ---- from outside ---------------------------------------------------------------------------- */

void session_release_phone(struct session *s, struct binding *b, const char *reason)
{
    (void)s;
    LIST_EACH (item, &b->legs)
        leg_release(CONTAINER_OF(item, struct session_leg, of_binding), reason);
}

void session_drain(struct session *s)
{
    s->draining = true;
}

void session_release_all(struct session *s, const char *reason)
{
    LIST_EACH (item, &s->legs) {
        leg_release(CONTAINER_OF(item, struct session_leg, item), reason);
    }
}

void session_media_revoked(struct session *s, struct session_leg *leg)
{
    leg->af = NULL; /* ended by the PDP */
    session_tell(s, SESSION_PDP_ABORTED, leg, SPAN(""));
    leg_release(leg, "Media Authorization Revoked");
}

size_t session_legs(const struct session *s)
{
    return s->n_legs;
}

const struct binding *session_leg_binding(const struct session_leg *leg)
{
    return leg->binding;
}

void session_view_leg(const struct session_leg *leg, struct session_view *ret_view)
{
    *ret_view = (struct session_view){.originating = leg->side == SIP_LEG_ORIGINATING,
                                      .answered = leg->answered_at != 0,
                                      .ended = leg->media_ended,
                                      .icid = leg->icid,
                                      .edge_call = leg->edge_call,
                                      .impi = leg->binding->impi,
                                      .call_id = span_str(leg->call_id),
                                      .anchored = leg->anchored,
                                      .token = leg->token.n != 0,
                                      .gate_up = leg->gate_up,
                                      .started = leg->started,
                                      .answered_at = leg->answered_at};
}

void session_each(const struct session *s, void (*visit)(const struct session_view *v, void *ctx),
                  void *ctx)
{
    LIST_EACH (item, &s->legs) {
        struct session_view v;

        session_view_leg(CONTAINER_OF(item, struct session_leg, item), &v);
        visit(&v, ctx);
    }
}
