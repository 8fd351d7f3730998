/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACK of a 2xx: no transaction of its own. One that answers an offer of the 2xx waits for edge and PDP like any
 * other body. */
#include <stdlib.h>

#include "pcscf/secagree/secagree.h"
#include "pcscf/session/inner.h"

struct ack {
    struct list item;
    struct session *session;
    struct session_leg *leg; /* while its body is under way */
    struct leg_body body;
    struct sip_resolving *resolving;
    struct handle dialog; /* of a phone's */
    enum sip_side from;
    struct sip_msg *m;
    struct sip_flow flow;
    char *sdp; /* replaces its session description */
    bool from_phone;
    bool bare; /* the description may not be used: the ACK goes without a body */
};

static void ack_free(struct ack *a)
{
    if (a->leg)
        leg_body_cancel(a->leg, &a->body);
    if (a->resolving)
        sip_resolve_cancel(a->resolving);
    list_del(&a->item);
    sip_msg_unref(a->m);
    free(a->sdp);
    free(a);
}

void ack_free_all(struct session *s)
{
    LIST_EACH (item, &s->acks)
        ack_free(CONTAINER_OF(item, struct ack, item));
}

/* TS 24.229 5.2.6.3: as of any request of a phone's inside a dialog. NULL when the dialog is gone. */
static const struct sip_dialog_side *ack_callee(const struct ack *a)
{
    struct sip_dialog *d = sip_dialog_by_handle(a->session->dialogs, a->dialog);

    return d ? sip_dialog_side(d, sip_side_other(a->from)) : NULL;
}

static void ack_forward(struct ack *a, const struct sip_target *target)
{
    struct session *s = a->session;
    const struct sip_dialog_side *to = a->from_phone ? ack_callee(a) : NULL;
    struct own_routes own;
    struct sip_edit e;

    sip_edit_init(&e, a->m);
    route_pop_own(s, a->m, &e, &own);
    if (to)
        route_set_put(a->m, &e, own.count, to->routes);
    if (a->from_phone) {
        secagree_strip(&e);
        identity_distrust(a->m, &e);
    } else {
        identity_hide_from_phone(a->m, &e);
    }
    if (a->bare)
        message_drop_body(&e);
    else if (a->sdp)
        message_edit_sdp(&e, span_str(a->sdp));
    if (a->sdp && !a->from_phone)
        message_put_token(a->leg, a->m, &e);
    (void)sip_forward_ack(s->env.layer, a->m, &a->flow, &e, target); /* the 2xx brings it again */
    ack_free(a);
}

static void on_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct ack *a = ctx;

    (void)error;
    a->resolving = NULL;
    if (n)
        ack_forward(a, &targets[0]);
    else
        ack_free(a);
}

/* As any request inside the dialog: to the phone by its binding, to the core by the dialog's route set. */
static void ack_route(struct ack *a)
{
    struct session *s = a->session;
    struct own_routes own;
    struct sip_target target;
    const struct sip_dialog_side *to;
    struct span routes, next;
    struct sip_uri uri;

    if (!a->from_phone) {
        struct binding *b;

        route_pop_own(s, a->m, NULL, &own);
        b = own.id ? binding_find_id(s->env.bindings, own.id) : NULL;
        if (b && binding_target(b, &target) == 0)
            ack_forward(a, &target);
        else
            ack_free(a);
        return;
    }
    to = ack_callee(a);
    routes = to ? to->routes : SPAN_NONE;
    next = sip_list_cut(&routes);
    if (sip_next_uri(next, to ? to->contact : SPAN_NONE, &uri) != 0)
        ack_free(a);
    else
        (void)sip_resolve(sip_layer_transport(s->env.layer), &uri, s->env.mw,
                          SIP_TARGET_LARGE_BY_TCP, on_resolved, a, &a->resolving);
}

static void on_body(const struct leg_outcome *o, void *ctx)
{
    struct ack *a = ctx;
    struct session_leg *leg = a->leg;

    if (a->from_phone)
        a->leg = NULL; /* it may have gone before the next hop is known */
    a->sdp = o->status == 0 && o->sdp.p ? span_dup(o->sdp) : NULL;
    a->bare = !a->sdp;
    ack_route(a);
    /* The callee hears the ACK, so that it stops sending its 2xx, then the BYE. */
    if (o->status != 0 && !leg->media_ended)
        leg_release(leg, "Media Not Authorized");
}

static void ack_with_body(struct ack *a, struct session_leg *leg, const struct sip_dialog *d)
{
    static const struct leg_outcome unreadable = {488, "Unreadable Session Description", SPAN_NONE};
    struct span sdp = SPAN_NONE;
    enum sip_body body = message_sdp(a->m, &sdp);

    /* Nothing that was asked for (RFC 3261 13.2.2.4), or from a callee that was not chosen: nobody may read it. */
    a->bare = body == SIP_BODY_FOUND && ((leg->confirmed && leg->confirmed != d) ||
                                         !leg_takes_answer(leg, sdp, a->from_phone));
    if (body == SIP_BODY_NONE || a->bare) {
        ack_route(a);
        return;
    }
    a->leg = leg;
    if (body == SIP_BODY_UNREADABLE) {
        on_body(&unreadable, a);
        return;
    }
    a->body = (struct leg_body){
        .sdp = sdp, .from_phone = a->from_phone, .in_request = true, .done = on_body, .ctx = a};
    list_init(&a->body.item);
    (void)leg_body_start(leg, &a->body); /* an answer waits for its turn */
}

void session_on_ack(struct session *s, struct sip_msg *m, const struct sip_flow *flow,
                    struct binding *from_phone)
{
    enum sip_side side;
    struct sip_dialog *d = hop_find_dialog(s, m, from_phone != NULL, &side);
    struct session_leg *leg = d ? sip_dialog_user(d) : NULL;
    struct ack *a;

    if (from_phone && (!leg || leg->binding != from_phone)) {
        session_tell(s, leg ? SESSION_FOREIGN_DIALOG : SESSION_NO_DIALOG, leg, m->method_text);
        return;
    }
    a = calloc(1, sizeof(*a));
    if (!a)
        return; /* the 2xx brings it again */
    *a = (struct ack){.session = s, .m = sip_msg_ref(m), .flow = *flow, .from_phone = from_phone};
    if (from_phone) {
        a->dialog = sip_dialog_handle(d);
        a->from = side;
    }
    list_add_tail(&s->acks, &a->item);
    list_init(&a->body.item);
    if (leg && !leg->media_ended)
        ack_with_body(a, leg, d);
    else
        ack_route(a);
}
