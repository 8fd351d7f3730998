/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers on their way back. */
#include "scscf/core/inner.h"

/* TS 24.229 5.4.3.2, 5.4.3.3: the response tells the P-CSCF of the caller what it is charged by. */
static void edit_vector(struct hop *h, struct sip_answer *a)
{
    struct sip_server *server = sip_server_find(h->s->layer, a->server);
    struct sroute_vector v = {.icid = span_str(h->icid)};
    char room[160];
    struct buf b = BUF_ON(room);
    struct span ioi;

    /* Without the request, or without room, the network's name alone. */
    v.orig_ioi = server ? h->orig_ioi : SPAN_NONE;
    buf_puts(&b, h->originating ? "Type 1" : "");
    buf_put(&b, h->s->network);
    ioi = b.overflow ? h->s->network : buf_span(&b);
    v.term_ioi = arena_copy(&a->m->arena, ioi);
    (void)sroute_vector_put(a->m, a->edit, &v); /* no memory: the P-CSCF knows its icid */
}

static void event_on_answer(struct hop *h, const struct sip_answer *a)
{
    struct call_ending ending = {.cause = CDR_CAUSE_UNSUCCESSFUL,
                                 .status = a->status,
                                 .reason = sip_status_phrase(a->status)};

    if (a->status < 200)
        return;
    if (a->status < 300)
        ending.cause = CDR_CAUSE_NORMAL;
    for (size_t i = 0; i < ARRAY_LEN(h->event); i++)
        if (h->event[i] && a->status < 300)
            call_answer(h->event[i], a->status, scscf_answerer(h->s, a), SPAN_NONE);
    scscf_hop_end_event(h, &ending);
}

static void dialog_on_answer(struct hop *h, const struct sip_answer *a)
{
    struct sip_server *server = sip_server_find(h->s->layer, a->server);
    struct sip_dialog *d = sip_dialog_by_handle(h->s->dialogs, h->dialog);
    struct fork *f = d ? sip_dialog_user(d) : NULL;

    if (!d || !server)
        return;
    if (a->m)
        (void)sip_dialog_on_response(d, h->side, sip_server_request(server),
                                     a->m); /* out of memory: the old targets stay */
    if (!f)
        return;
    if (a->status / 100 == 2 && (h->method == SIP_INVITE || h->method == SIP_UPDATE))
        talk_on_refresh(f->talk, a->m);
    if (sip_dialog_is_lost(d, h->method, a->status))
        talk_on_lost(f);
}

static enum sip_answer_verdict on_answer(struct sip_answer *a, void *ctx)
{
    struct hop *h = ctx;

    if (a->m && scscf_is_strangers(h->s, a))
        scscf_distrust(a->edit);
    if (h->initial && a->m)
        edit_vector(h, a);
    if (h->talk)
        return talk_on_answer(h->talk, h, a);
    if (h->initial && h->method == SIP_MESSAGE)
        event_on_answer(h, a);
    else if (!h->initial)
        dialog_on_answer(h, a);
    return SIP_ANSWER_PASS;
}

static void on_cancel(struct sip_proxy *p, void *ctx)
{
    struct hop *h = ctx;

    (void)p;
    if (h->talk)
        h->talk->cancelled = true;
}

static void on_end(struct sip_proxy *p, void *ctx)
{
    (void)p;
    scscf_hop_free(ctx, 0);
}

const struct sip_proxy_ops scscf_answer_ops = {
    .on_answer = on_answer, .on_cancel = on_cancel, .on_end = on_end};
