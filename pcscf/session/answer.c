/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Responses on their way back: identity, dialog, and the body that waits for edge and PDP. */
#include <stdlib.h>

#include "pcscf/secagree/secagree.h"
#include "pcscf/session/inner.h"

/* The dialog an answer is in; NULL when it is in none. */
static struct sip_dialog *note_dialog(struct hop *h, const struct sip_answer *a)
{
    struct session *s = h->session;
    struct sip_server *server = sip_server_find(s->env.layer, a->server);
    struct session_leg *leg = h->leg;
    struct sip_dialog *d = NULL;
    bool fresh;

    if (!server || !a->m->to_tag.p)
        return NULL;
    if (!h->initial) {
        d = hop_dialog(h);
        if (d)
            (void)sip_dialog_on_response(d, h->side, sip_server_request(server), a->m);
        return d;
    }
    if (sip_dialog_open(s->dialogs, leg->side, sip_server_request(server), a->m, 2, &d) != 0)
        return NULL; /* at the bound */
    fresh = sip_dialog_user(d) == NULL;
    if (fresh) {
        sip_dialog_set_user(d, leg);
        leg->dialogs++;
        if (leg->n_forks < ARRAY_LEN(leg->forks))
            leg->forks[leg->n_forks++] = sip_dialog_handle(d);
        sip_dialog_set_endpoint(d, sip_side_other(leg_phone_side(leg)), s->env.mw);
    }
    if (a->status / 100 == 2 && !leg->answered_at) {
        leg->confirmed = d;
        leg->answered_at = loop_now(s->env.loop);
        session_tell(s, SESSION_CALL_ANSWERED, leg, SPAN(""));
    }
    return d;
}

/* One tag more than a call has phones. It may still be the one that answers. */
static bool is_fork_too_many(const struct hop *h, const struct sip_answer *a)
{
    const struct session_leg *leg = h->leg;

    return h->initial && leg && a->m->to_tag.p && a->status < 300 &&
           leg->n_forks >= SIP_DIALOG_FORKS_MAX && (a->status < 200 || leg->answered_at) &&
           !sip_dialog_find(h->session->dialogs, leg->side, a->m, NULL);
}

/* RFC 3261 12.2.1.2: media must not outlive the call for who charges it, and that is told by this
 * very response. */
static void note_lost(struct hop *h, const struct sip_answer *a)
{
    struct sip_dialog *d = hop_dialog(h);

    if (!d || !sip_dialog_is_lost(d, h->method, a->status))
        return;
    session_tell(h->session, SESSION_DIALOG_LOST, h->leg, sip_method_text(h->method));
    sip_dialog_terminate(d);
    if (hop_dialog_is_call(h->leg, d))
        leg_media_end(h->leg);
}

/* Who sent a 2xx to a re-INVITE that will not be passed on gets its ACK (RFC 3261 13.2.2.4). */
static void acknowledge(struct hop *h)
{
    struct sip_dialog *d = hop_dialog(h);
    enum sip_side to = sip_side_other(h->side);

    if (!d)
        return;
    leg_find_phone(h->leg, d);
    (void)sip_dialog_send(d, h->session->env.layer, to, SIP_ACK, SPAN_NONE);
}

/* A callee has answered and hears ACK and BYE; the caller will hear the refusal. */
static void end_callee(struct hop *h, struct sip_dialog *d, struct span reason)
{
    if (!d)
        return;
    leg_find_phone(h->leg, d);
    sip_dialog_turn_down(d, h->session->env.layer, reason);
    if (h->leg->confirmed == d)
        h->leg->confirmed = NULL;
}

/* The body of this answer may not be used. There is no way back to before it: the call ends, whether it was beginning
 * or was to change. */
static void refuse(struct hop *h, struct sip_answer *a, unsigned status, const char *phrase)
{
    a->replace = status;
    a->replace_phrase = phrase;
    if (!h->initial) {
        if (a->status / 100 == 2 && h->method == SIP_INVITE)
            acknowledge(h);
        leg_release(h->leg, "Media Not Authorized");
        return;
    }
    if (a->status / 100 == 2)
        end_callee(h, h->leg->confirmed, SPAN("SIP;cause=503;text=\"Media not authorized\""));
    leg_media_end(h->leg);
    leg_forks_end(h->leg);
}

static void use_body(struct hop *h, struct sip_answer *a, struct span sdp)
{
    struct span copy = arena_copy(&a->m->arena, sdp);

    if (!copy.p) {
        refuse(h, a, 500, NULL);
        return;
    }
    message_edit_sdp(a->edit, copy);
    if (h->from_phone)
        message_put_token(h->leg, a->m, a->edit);
}

static void on_body(const struct leg_outcome *o, void *ctx)
{
    struct hop *h = ctx;
    bool at_once = h->at_hand != NULL;
    struct sip_answer *a = at_once ? h->at_hand : h->proxy ? sip_proxy_held(h->proxy) : NULL;

    if (!a || !h->waits)
        return;
    h->waits = false;
    if (o->status == 0)
        use_body(h, a, o->sdp);
    else
        refuse(h, a, o->status, o->phrase);
    if (!at_once)
        sip_proxy_release(h->proxy, SIP_ANSWER_PASS);
}

static enum sip_answer_verdict wait_for_body(struct hop *h, struct sip_answer *a, struct span sdp)
{
    h->body = (struct leg_body){.sdp = sdp,
                                .from_phone = !h->from_phone,
                                .is_offer = !h->had_offer,
                                .done = on_body,
                                .ctx = h};
    list_init(&h->body.item);
    h->offered = h->offered || !h->had_offer;
    /* It may be done at once: nothing to ask, or the same body again. */
    h->waits = true;
    h->at_hand = a;
    (void)leg_body_start(h->leg, &h->body); /* an answer waits for its turn */
    h->at_hand = NULL;
    return h->waits ? SIP_ANSWER_HOLD : SIP_ANSWER_PASS;
}

/* RFC 3261 13.2.1: what is said of media after offer and answer is ignored; and by which of several callees that have
 * answered the call is, has been decided. */
static bool is_too_late(const struct hop *h, const struct sip_dialog *d)
{
    const struct session_leg *leg = h->leg;

    if (h->initial && leg->confirmed && leg->confirmed != d)
        return true;
    if (!h->had_offer && h->method != SIP_INVITE)
        return true;
    return h->offered && !(leg->offer_pending && leg->offer_hop == h);
}

/* The leg was cancelled or ended while this was under way: a call that is answered all the same is none (RFC 3261 9.1),
 * and no description may lead media past the edge. */
static void answer_late(struct hop *h, struct sip_answer *a, struct sip_dialog *d)
{
    struct span sdp;

    if (h->initial && a->status / 100 == 2) {
        end_callee(h, d, SPAN("SIP;cause=487;text=\"Cancelled\""));
        a->replace = 487;
    } else if (hop_agrees_on_media(h) && message_sdp(a->m, &sdp) != SIP_BODY_NONE) {
        message_drop_body(a->edit);
    }
}

/* Who says it, and by what it is charged. */
static void edit_names(const struct hop *h, struct sip_answer *a)
{
    struct sip_server *server = sip_server_find(h->session->env.layer, a->server);
    struct span called = SPAN_NONE;
    struct sip_name_addr na = {0};

    if (h->from_phone) {
        identity_hide_from_phone(a->m, a->edit);
        return;
    }
    if (server)
        called = sip_header_value(sip_server_request(server), SIP_H_P_CALLED_PARTY_ID);
    if (called.p)
        (void)sip_name_addr_parse(called, &na); /* broken: as if it were absent */
    secagree_strip(a->edit);
    (void)identity_assert_response(&h->binding->identities, na.uri, a->m, a->edit);
    if (h->leg)
        (void)charge_put_vector(h->session->env.charge, a->m, a->edit, h->leg->icid, true);
}

static enum sip_answer_verdict on_answer(struct sip_answer *a, void *ctx)
{
    struct hop *h = ctx;
    struct sip_dialog *d = NULL;
    struct span sdp;

    if (h->leg && a->status >= 300 && h->leg->offer_hop == h)
        leg_offer_withdraw(h->leg);
    if (h->leg && h->initial && a->status >= 300) {
        leg_media_end(h->leg);
        leg_forks_end(h->leg);
    }
    if (h->leg && !h->initial)
        note_lost(h, a);
    if (!a->m)
        return SIP_ANSWER_PASS;
    if (is_fork_too_many(h, a)) {
        session_tell(h->session, SESSION_FORK_DROPPED, h->leg, a->m->to_tag);
        return SIP_ANSWER_DROP;
    }
    edit_names(h, a);
    if (!h->leg || a->status >= 300)
        return SIP_ANSWER_PASS;
    if (h->method == SIP_INVITE || h->method == SIP_UPDATE)
        d = note_dialog(h, a);
    if (h->initial && a->status >= 200 && !d) { /* nobody could end it */
        if (h->leg->confirmed)
            return SIP_ANSWER_DROP; /* unacknowledged, this callee ends it (RFC 3261 13.3.1.4) */
        refuse(h, a, 500, NULL);
        return SIP_ANSWER_PASS;
    }
    if (h->leg->media_ended) {
        answer_late(h, a, d);
        return SIP_ANSWER_PASS;
    }
    if (!hop_agrees_on_media(h))
        return SIP_ANSWER_PASS;
    switch (message_sdp(a->m, &sdp)) {
    case SIP_BODY_FOUND:
        if (!is_too_late(h, d))
            return wait_for_body(h, a, sdp);
        message_drop_body(a->edit);
        break;
    case SIP_BODY_UNREADABLE:
        if (is_too_late(h, d))
            message_drop_body(a->edit);
        else
            refuse(h, a, 488, "Unreadable Session Description"); /* nor be authorized */
        break;
    case SIP_BODY_NONE:
        break;
    }
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
