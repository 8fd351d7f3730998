/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on their way: from a phone to the core, from the core to a phone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/session/inner.h"

static void on_dialog_end(struct sip_dialog *d, void *ctx)
{
    struct session_leg *leg = sip_dialog_user(d);

    (void)ctx;
    if (!leg)
        return;
    if (leg->confirmed == d)
        leg->confirmed = NULL;
    leg_media_end(leg);
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
    d.limit = options->legs * 2;
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
    LIST_EACH(item, &s->hops)
    hop_free(CONTAINER_OF(item, struct hop, item));
    LIST_EACH(leg, &s->legs)
    {
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
        leg_sdp_cancel(leg, h);
        if (leg->invite == h)
            leg->invite = NULL;
        leg->hops--;
        leg_let_go(leg);
    }
    free(h);
}

/* The request cannot go on: answered, and forgotten. */
static void hop_refuse(struct hop *h, unsigned status, const char *phrase)
{
    struct sip_server *server = sip_server_find(h->session->env.layer, h->server);

    if (server) {
        sip_server_set_user(server, NULL);
        (void)sip_server_reply(server, status, phrase, SPAN_NONE,
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
                      .initial = !m->to_tag.p,
                      .had_sdp = message_has_sdp(m)};
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

/* ---- forwarding ------------------------------------------------------------------------------ */

static bool makes_dialog(enum sip_method m)
{
    return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_REFER || m == SIP_NOTIFY;
}

static void put_token(struct session_leg *leg, struct sip_msg *m, struct sip_edit *e)
{
    size_t room = 2 * SECRET_MAX + 8;
    struct buf hex = {arena_alloc(&m->arena, room), 0, room, false};

    if (!leg || leg->token.n == 0 || !hex.p)
        return;
    buf_hex(&hex, leg->token.bytes, leg->token.n); /* RFC 3313 5: 1*HEXDIG */
    sip_edit_append(e, SIP_H_P_MEDIA_AUTHORIZATION, buf_span(&hex));
}

static int edit_from_phone(struct hop *h, struct sip_msg *m, struct sip_edit *e)
{
    struct session *s = h->session;
    struct own_routes own;
    struct span asserted;
    char icid[CHARGE_ICID_MAX];
    int rc;

    route_pop_own(s, m, e, &own);
    identity_strip_sec_agree(m, e);
    rc = identity_assert_request(&h->binding->identities, m, e, &asserted);
    if (rc != 0)
        return rc;
    if (h->leg)
        memcpy(icid, h->leg->icid, sizeof(icid));
    else
        charge_new_icid(s->env.charge, icid);
    if (h->initial && !route_is_service_route(m, own.count, h->binding->service_route)) {
        sip_edit_remove_all(e, SIP_H_ROUTE);
        if (h->binding->service_route)
            sip_edit_append(e, SIP_H_ROUTE, span_str(h->binding->service_route));
    }
    return charge_put_vector(s->env.charge, m, e, icid, false);
}

static void edit_to_phone(struct hop *h, struct sip_msg *m, struct sip_edit *e)
{
    struct own_routes own;

    route_pop_own(h->session, m, e, &own);
    identity_hide_from_phone(m, e);
    if (message_has_sdp(m))
        put_token(h->leg, m, e);
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
        sip_edit_body(&e, SPAN_NONE, span_str(h->sdp));
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
    struct sip_name_addr na;
    struct sip_uri uri;
    struct span next;
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
    next = own.next;
    if (h->initial && !route_is_service_route(m, own.count, h->binding->service_route)) {
        struct span saved = span_str(h->binding->service_route);

        next = saved.p ? span_trim(span_cut(&saved, ',')) : SPAN_NONE;
    }
    if (!next.p)
        na.uri = m->ruri;
    else if (sip_name_addr_parse(next, &na) != 0) {
        hop_refuse(h, 400, "Bad Route");
        return;
    }
    if (sip_uri_parse(na.uri, &uri) != 0)
        hop_refuse(h, 400, "Bad Route");
    else
        (void)sip_resolve(s->env.layer ? sip_layer_transport(s->env.layer) : NULL, &uri, s->env.mw,
                          SIP_TARGET_LARGE_BY_TCP, on_resolved, h, &h->resolving);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static void on_body(const struct leg_outcome *o, void *ctx)
{
    struct hop *h = ctx;

    if (o->status != 0) {
        hop_refuse(h, o->status, o->phrase);
        return;
    }
    h->sdp = o->sdp.p ? span_dup(o->sdp) : NULL;
    hop_route(h);
}

/* Anchors the request's body first, if there is one and a leg to anchor it in. */
static void hop_start(struct hop *h, struct sip_msg *m)
{
    int rc;

    if (!h->leg || !h->had_sdp || h->leg->media_ended) {
        hop_route(h);
        return;
    }
    /* A body in a request answers an offer that came in a response (RFC 3262 5, RFC 3264 4), else it is one. */
    bool is_offer = !(h->leg->offer_pending && h->leg->offer_from_phone != h->from_phone);

    rc = leg_sdp(h->leg, m->body, h->from_phone, is_offer, on_body, h);
    if (rc == -EBUSY)
        hop_refuse(h, 491, NULL);
    else if (rc != 0)
        hop_refuse(h, 500, NULL);
}

/* ---- the two entries ------------------------------------------------------------------------- */

static void reject(struct sip_server *server, unsigned status, const char *phrase,
                   const char *reason)
{
    struct sip_reject r = {.status = status, .phrase = phrase ? phrase : sip_status_phrase(status)};

    snprintf(r.reason, sizeof(r.reason), "%s", reason);
    (void)sip_server_reject(server, &r); /* if it cannot be sent, the transaction times out */
}

/* Of the two legs of one dialog: a phone's request and one to that phone have the phone on the same side. */
static struct sip_dialog *find_dialog(struct session *s, const struct sip_msg *m, bool from_phone,
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

/* Inside a dialog. False when the request was refused. */
static bool hop_enter_dialog(struct hop *h, struct sip_server *server, struct sip_msg *m)
{
    struct session *s = h->session;
    struct sip_dialog *d = find_dialog(s, m, h->from_phone, &h->side);
    struct session_leg *leg = d ? sip_dialog_user(d) : NULL;

    (void)server;
    if (!leg)
        return true; /* not a call, or from before a restart: it goes by its routes */
    if (leg->binding != h->binding) {
        session_tell(s, SESSION_FOREIGN_DIALOG, leg, span_str(h->binding->impi));
        hop_refuse(h, 403, "Not Your Dialog");
        return false;
    }
    if (sip_dialog_on_request(d, h->side, m) != 0) {
        hop_refuse(h, 500, "CSeq Out Of Order");
        return false;
    }
    h->dialog = d;
    hop_join(h, leg);
    if (m->method == SIP_BYE)
        leg_media_end(leg); /* gates fall before anything else happens */
    return true;
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
        if (hop_enter_dialog(h, server, m))
            hop_start(h, m);
        return;
    }
    if (m->method == SIP_INVITE) {
        rc = leg_new(s, b, from_phone ? SIP_LEG_ORIGINATING : SIP_LEG_TERMINATING, m, &leg);
        if (rc != 0) {
            hop_refuse(h, rc == -ENOSPC ? 503 : 500, NULL);
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
        if (!route_is_service_route(m, own.count, b->service_route)) {
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

/* ---- ACK for a 2xx --------------------------------------------------------------------------- */

struct ack {
    struct session *session;
    struct sip_msg *m;
    struct sip_flow flow;
    char *sdp;
    bool from_phone;
};

static void ack_free(struct ack *a)
{
    sip_msg_unref(a->m);
    free(a->sdp);
    free(a);
}

static void ack_forward(struct ack *a, const struct sip_target *target)
{
    struct session *s = a->session;
    struct own_routes own;
    struct sip_edit e;

    sip_edit_init(&e, a->m);
    route_pop_own(s, a->m, &e, &own);
    if (a->from_phone) {
        identity_strip_sec_agree(a->m, &e);
        identity_distrust(a->m, &e);
    } else {
        identity_hide_from_phone(a->m, &e);
    }
    if (a->sdp)
        sip_edit_body(&e, SPAN_NONE, span_str(a->sdp));
    (void)sip_forward_ack(s->env.layer, a->m, &a->flow, &e, target); /* the 2xx brings it again */
    ack_free(a);
}

static void on_ack_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    (void)error;
    if (n)
        ack_forward(ctx, &targets[0]);
    else
        ack_free(ctx);
}

static void on_ack_body(const struct leg_outcome *o, void *ctx)
{
    /* The answer to an offer in the 2xx: the edge was told; the ACK itself did not wait. */
    (void)o;
    (void)ctx;
}

void session_on_ack(struct session *s, struct sip_msg *m, const struct sip_flow *flow,
                    struct binding *from_phone)
{
    struct ack *a = calloc(1, sizeof(*a));
    enum sip_side side;
    struct sip_dialog *d = find_dialog(s, m, from_phone != NULL, &side);
    struct session_leg *leg = d ? sip_dialog_user(d) : NULL;
    struct own_routes own;
    struct sip_target target;
    struct sip_name_addr na;
    struct sip_uri uri;

    if (!a)
        return;
    *a = (struct ack){s, sip_msg_ref(m), *flow, NULL, from_phone != NULL};
    route_pop_own(s, m, NULL, &own);
    if (leg && leg->offer_pending && message_has_sdp(m) && !leg->media_ended &&
        leg_sdp(leg, m->body, from_phone != NULL, false, on_ack_body, NULL) == 0 && leg->last_out &&
        !leg->sdp_done)
        a->sdp = span_dup(span_str(leg->last_out));
    if (!from_phone) {
        struct binding *b = own.id ? binding_find_id(s->env.bindings, own.id) : NULL;

        if (b && binding_target(b, &target) == 0)
            ack_forward(a, &target);
        else
            ack_free(a);
        return;
    }
    if (leg && leg->binding != from_phone) {
        ack_free(a);
        return;
    }
    na.uri = m->ruri;
    if ((own.next.p && sip_name_addr_parse(own.next, &na) != 0) || sip_uri_parse(na.uri, &uri) != 0)
        ack_free(a);
    else
        (void)sip_resolve(sip_layer_transport(s->env.layer), &uri, s->env.mw,
                          SIP_TARGET_LARGE_BY_TCP, on_ack_resolved, a, NULL);
}

/* ---- from outside ---------------------------------------------------------------------------- */

void session_release_phone(struct session *s, struct binding *b, const char *reason)
{
    (void)s;
    LIST_EACH(item, &b->legs)
    leg_release(CONTAINER_OF(item, struct session_leg, of_binding), reason);
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
    LIST_EACH(item, &s->legs)
    {
        struct session_view v;

        session_view_leg(CONTAINER_OF(item, struct session_leg, item), &v);
        visit(&v, ctx);
    }
}
