/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Responses on their way back: identity, dialog, and the body that waits for edge and PDP. */
#include <stdlib.h>

#include "pcscf/session/inner.h"

/* How the side a response came from is reached: for requests of our own. */
static void set_hops(struct hop *h, struct sip_dialog *d, struct sip_branch *branch)
{
    struct sip_server *server = sip_server_find(h->session->env.layer, h->server);
    struct sip_target phone, core;
    enum sip_side phone_side = h->from_phone ? SIP_CALLER : SIP_CALLEE;

    if (binding_target(h->binding, &phone) == 0)
        sip_dialog_set_hop(d, phone_side, &phone);
    if (h->from_phone && branch)
        core = sip_target_of_flow(sip_branch_flow(branch), 0);
    else if (!h->from_phone && server)
        core = sip_target_of_flow(sip_server_flow(server), 0);
    else
        return;
    sip_dialog_set_hop(d, sip_side_other(phone_side), &core);
}

static void note_dialog(struct hop *h, const struct sip_answer *a)
{
    struct session *s = h->session;
    struct sip_server *server = sip_server_find(s->env.layer, a->server);
    struct session_leg *leg = h->leg;
    struct sip_dialog *d = NULL;
    bool fresh;

    if (!server || !a->m->to_tag.p)
        return;
    if (!h->initial) {
        if (h->dialog)
            (void)sip_dialog_on_response(h->dialog, h->side, sip_server_request(server), a->m);
        return;
    }
    if (sip_dialog_open(s->dialogs, leg->side, sip_server_request(server), a->m, 2, &d) != 0)
        return; /* at the bound: the call goes on, it cannot be ended from here */
    fresh = sip_dialog_user(d) == NULL;
    if (fresh) {
        sip_dialog_set_user(d, leg);
        leg->dialogs++;
        set_hops(h, d, a->branch);
    }
    if (a->status / 100 == 2 && !leg->answered_at) {
        leg->confirmed = d;
        leg->answered_at = loop_now(s->env.loop);
        session_tell(s, SESSION_CALL_ANSWERED, leg, SPAN(""));
    }
}

static void put_token(struct hop *h, struct sip_answer *a)
{
    size_t room = 2 * SECRET_MAX + 8;
    struct buf hex = {arena_alloc(&a->m->arena, room), 0, room, false};

    if (!h->from_phone || !h->leg || h->leg->token.n == 0 || !hex.p)
        return;
    buf_hex(&hex, h->leg->token.bytes, h->leg->token.n);
    sip_edit_append(a->edit, SIP_H_P_MEDIA_AUTHORIZATION, buf_span(&hex));
}

/* The callee of a 2xx that will not be passed on gets its ACK and a BYE (RFC 3261 13.2.2.4). */
static void end_callee(struct hop *h)
{
    struct session_leg *leg = h->leg;
    struct sip_dialog *d = leg->confirmed;
    char room[4096];
    struct buf b = BUF_ON(room);

    if (d && sip_dialog_request(d, SIP_CALLEE, SIP_ACK, SPAN_NONE, SPAN_NONE, &b) == 0)
        (void)sip_uac_send(h->session->env.layer, buf_span(&b),
                           &sip_dialog_side(d, SIP_CALLEE)->hop, 1, NULL, NULL, NULL);
    b = BUF_ON(room);
    if (d && sip_dialog_request(d, SIP_CALLEE, SIP_BYE,
                                SPAN("Reason: SIP;cause=503;text=\"Media not authorized\"\r\n"),
                                SPAN_NONE, &b) == 0)
        (void)sip_uac_send(h->session->env.layer, buf_span(&b),
                           &sip_dialog_side(d, SIP_CALLEE)->hop, 1, NULL, NULL, NULL);
    if (d)
        sip_dialog_terminate(d);
    leg->confirmed = NULL;
}

static void on_body(const struct leg_outcome *o, void *ctx)
{
    struct hop *h = ctx;
    bool at_once = h->at_hand != NULL;
    struct sip_answer *a = at_once ? h->at_hand : h->proxy ? sip_proxy_held(h->proxy) : NULL;

    if (!a || !h->waits)
        return;
    h->waits = false;
    if (o->status != 0) {
        if (a->status / 100 == 2 && h->method == SIP_INVITE)
            end_callee(h);
        leg_media_end(h->leg);
        a->replace = o->status;
        a->replace_phrase = o->phrase;
    } else {
        struct span copy = o->sdp.p ? arena_copy(&a->m->arena, o->sdp) : SPAN_NONE;

        if (copy.p)
            sip_edit_body(a->edit, SPAN_NONE, copy);
        put_token(h, a);
    }
    if (!at_once)
        sip_proxy_release(h->proxy, SIP_ANSWER_PASS);
}

static enum sip_answer_verdict wait_for_body(struct hop *h, struct sip_answer *a)
{
    bool is_offer = !h->had_sdp;
    int rc;

    /* leg_sdp may call back at once: nothing to ask, or the same body again. */
    h->waits = true;
    h->at_hand = a;
    rc = leg_sdp(h->leg, a->m->body, !h->from_phone, is_offer, on_body, h);
    h->at_hand = NULL;
    if (rc == 0)
        return h->waits ? SIP_ANSWER_HOLD : SIP_ANSWER_PASS;
    h->waits = false;
    a->replace = 500;
    return SIP_ANSWER_PASS;
}

static enum sip_answer_verdict on_answer(struct sip_answer *a, void *ctx)
{
    struct hop *h = ctx;

    if (h->leg && h->initial && a->status >= 300)
        leg_media_end(h->leg);
    if (!a->m)
        return SIP_ANSWER_PASS;
    if (h->from_phone) {
        identity_hide_from_phone(a->m, a->edit);
    } else {
        struct sip_server *server = sip_server_find(h->session->env.layer, a->server);
        struct span called =
            server ? sip_header_value(sip_server_request(server), SIP_H_P_CALLED_PARTY_ID)
                   : SPAN_NONE;
        struct sip_name_addr na = {0};

        if (called.p)
            (void)sip_name_addr_parse(called, &na); /* broken: as if it were absent */
        identity_strip_sec_agree(a->m, a->edit);
        (void)identity_assert_response(&h->binding->identities, na.uri, a->m, a->edit);
        if (h->leg)
            (void)charge_put_vector(h->session->env.charge, a->m, a->edit, h->leg->icid, true);
    }
    if (!h->leg || a->status >= 300)
        return SIP_ANSWER_PASS;
    if (h->method == SIP_INVITE)
        note_dialog(h, a);
    if (message_has_sdp(a->m) && !h->leg->media_ended)
        return wait_for_body(h, a);
    return SIP_ANSWER_PASS;
}

static void on_cancel(struct sip_proxy *p, void *ctx)
{
    struct hop *h = ctx;

    (void)p;
    if (h->leg && h->initial)
        leg_media_end(h->leg);
}

static void on_end(struct sip_proxy *p, void *ctx)
{
    (void)p;
    hop_free(ctx);
}

const struct sip_proxy_ops answer_ops = {
    .on_answer = on_answer, .on_cancel = on_cancel, .on_end = on_end};
