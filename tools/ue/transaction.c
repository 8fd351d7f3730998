/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of RFC 3261 17 as a phone with one call needs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/ue/ue.h"

#define T2_T1_RATIO 8 /* T2 = 16 s with T1 = 2 s (TS 24.229 table 7.7.1) */

void ue_new_token(char *dst, size_t n)
{
    struct buf b = {dst, 0, n, false};

    rnd_token(&rnd_system, &b, n);
    dst[n] = '\0';
}

static void request_free(struct ue_request *r)
{
    list_del(&r->item);
    loop_timer_stop(r->ue->loop, &r->resend);
    loop_timer_stop(r->ue->loop, &r->timeout);
    free(r->text);
    free(r);
}

static bool is_invite(const struct ue_request *r)
{
    return strcmp(r->method, "INVITE") == 0;
}

static void on_resend(struct loop_timer *t, void *ctx)
{
    struct ue_request *r = ctx;
    uint64_t t2 = r->ue->options.t1 * T2_T1_RATIO;

    (void)ue_wire_send(r->ue, r->clear, NULL, span_of(r->text, r->text_n)); /* timeout tells */
    r->interval *= 2;
    if (!is_invite(r) && r->interval > t2)
        r->interval = t2;
    loop_timer_start(r->ue->loop, t, r->interval);
}

static void on_timeout(struct loop_timer *t, void *ctx)
{
    struct ue_request *r = ctx;

    (void)t;
    loop_timer_stop(r->ue->loop, &r->resend);
    if (r->on_response)
        r->on_response(r->ue, r, NULL);
    request_free(r);
}

/* After the final response: on_response is still called for a repeated 2xx, nothing else happens.
 */
static void on_forget(struct loop_timer *t, void *ctx)
{
    (void)t;
    request_free(ctx);
}

int ue_request_send(struct ue *ue, bool clear, const char *branch, const char *method,
                    struct span text,
                    void (*on_response)(struct ue *ue, struct ue_request *r,
                                        const struct sip_msg *response),
                    void *ctx)
{
    int rc = ue_wire_send(ue, clear, NULL, text);
    struct ue_request *r = rc == 0 ? calloc(1, sizeof(*r)) : NULL;

    if (!r)
        return rc ? rc : -ENOMEM;
    *r = (struct ue_request){.ue = ue, .clear = clear, .on_response = on_response, .ctx = ctx};
    snprintf(r->branch, sizeof(r->branch), "%s", branch);
    snprintf(r->method, sizeof(r->method), "%s", method);
    r->text = span_dup(text);
    r->text_n = text.n;
    r->interval = ue->options.t1;
    loop_timer_init(&r->resend, on_resend, r);
    loop_timer_init(&r->timeout, on_timeout, r);
    list_add_tail(&ue->requests, &r->item);
    if (strcmp(ue->options.transport, "udp") == 0 && r->text)
        loop_timer_start(ue->loop, &r->resend, r->interval);
    loop_timer_start(ue->loop, &r->timeout, 64 * ue->options.t1);
    return 0;
}

/* RFC 3261 17.1.1.3: the ACK of a refused INVITE belongs to its transaction. */
static void ack_refusal(struct ue_request *r, const struct sip_msg *response)
{
    char room[UE_MESSAGE_MAX];
    struct buf b = BUF_ON(room);
    struct sip_reject reject;
    struct sip_msg *invite = NULL;
    static const enum sip_header copied[] = {SIP_H_ROUTE, SIP_H_FROM, SIP_H_CALL_ID};

    if (sip_msg_parse(span_of(r->text, r->text_n), &sip_limits_default, &invite, &reject) != 0)
        return;
    buf_fmt(&b, "ACK %.*s SIP/2.0\r\nVia: %.*s\r\n", SPAN_ARG(invite->ruri),
            SPAN_ARG(sip_header_value(invite, SIP_H_VIA)));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        for (const struct sip_line *l = sip_line_first(invite, copied[i]); l;
             l = sip_line_next(invite, l))
            buf_put(&b, span_of(invite->raw.p + l->start, l->end - l->start));
    }
    buf_fmt(&b, "To: %.*s\r\nCSeq: %u ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            SPAN_ARG(sip_header_value(response, SIP_H_TO)), invite->cseq);
    if (!b.overflow)
        (void)ue_wire_send(r->ue, r->clear, NULL, buf_span(&b)); /* a lost ACK is asked for again */
    sip_msg_unref(invite);
}

static void on_response(struct ue *ue, const struct sip_msg *m)
{
    LIST_EACH (item, &ue->requests) {
        struct ue_request *r = CONTAINER_OF(item, struct ue_request, item);

        if (!span_eq(m->branch, span_str(r->branch)) ||
            !span_eq(m->cseq_method, span_str(r->method)))
            continue;
        bool finished = r->timeout.fire == on_forget, success = m->status / 100 == 2;

        if (is_invite(r) || m->status >= 200)
            loop_timer_stop(ue->loop, &r->resend);
        if (is_invite(r) && m->status >= 300)
            ack_refusal(r, m);
        if (m->status >= 200) {
            r->timeout.fire = on_forget;
            if (!finished)
                loop_timer_start(ue->loop, &r->timeout, 64 * ue->options.t1);
        } else if (is_invite(r)) {
            loop_timer_start(ue->loop, &r->timeout, 180 * SEC);
        }
        if (r->on_response && (!finished || (is_invite(r) && success)))
            r->on_response(ue, r, m);
        return;
    }
    ue_event("stray-response status=%u method=%.*s", m->status, SPAN_ARG(m->cseq_method));
}

/* ---- the server side ------------------------------------------------------------------------- */

static void reply_free(struct ue_reply *r)
{
    list_del(&r->item);
    loop_timer_stop(r->ue->loop, &r->resend);
    loop_timer_stop(r->ue->loop, &r->forget);
    free(r->text);
    free(r);
}

static void on_reply_forget(struct loop_timer *t, void *ctx)
{
    (void)t;
    reply_free(ctx);
}

static void on_reply_resend(struct loop_timer *t, void *ctx)
{
    struct ue_reply *r = ctx;

    (void)ue_wire_send(r->ue, !r->ue->protected, NULL, span_of(r->text, r->text_n));
    r->interval *= 2;
    loop_timer_start(r->ue->loop, t, r->interval);
}

static struct ue_reply *reply_find(struct ue *ue, struct span branch, struct span method)
{
    LIST_EACH (item, &ue->replies) {
        struct ue_reply *r = CONTAINER_OF(item, struct ue_reply, item);

        if (span_eq(branch, span_str(r->branch)) && span_eq(method, span_str(r->method)))
            return r;
    }
    return NULL;
}

void ue_reply_send(struct ue *ue, const struct sip_msg *request, struct ue_conn *conn,
                   unsigned status, const char *to_tag, struct span extra, struct span body)
{
    char room[UE_MESSAGE_MAX];
    struct buf b = BUF_ON(room);
    struct ue_reply *r = reply_find(ue, request->branch, request->method_text);

    if (sip_reply(request, status, sip_status_phrase(status), span_str(to_tag), extra, body, &b) !=
        0) {
        ue_event("error what=\"response does not fit\" status=%u", status);
        return;
    }
    if (!r && (r = calloc(1, sizeof(*r)))) {
        *r = (struct ue_reply){.ue = ue, .conn = conn};
        (void)span_copy(request->branch, r->branch,
                        sizeof(r->branch)); /* too long: no match later */
        (void)span_copy(request->method_text, r->method, sizeof(r->method));
        loop_timer_init(&r->resend, on_reply_resend, r);
        loop_timer_init(&r->forget, on_reply_forget, r);
        list_add_tail(&ue->replies, &r->item);
    }
    if (r) {
        free(r->text);
        r->text = span_dup(buf_span(&b));
        r->text_n = r->text ? b.n : 0;
        loop_timer_start(ue->loop, &r->forget, (status < 200 ? 200 * SEC : 64 * ue->options.t1));
        if (request->method == SIP_INVITE && status >= 200 && !conn) { /* until the ACK */
            r->interval = ue->options.t1;
            loop_timer_start(ue->loop, &r->resend, r->interval);
        }
    }
    if (ue_wire_send(ue, !ue->protected, conn, buf_span(&b)) != 0)
        ue_event("error what=\"response not sent\" status=%u", status);
}

static void stop_resending(struct ue *ue)
{
    LIST_EACH (item, &ue->replies) {
        struct ue_reply *r = CONTAINER_OF(item, struct ue_reply, item);

        loop_timer_stop(ue->loop, &r->resend); /* one call at a time: the ACK is for it */
    }
}

void ue_on_message(struct ue *ue, struct ue_conn *conn, struct span text)
{
    struct sip_msg *m = NULL;
    struct sip_reject reject;
    struct ue_reply *r;

    if (sip_msg_parse(text, &sip_limits_default, &m, &reject) != 0) {
        ue_event("bad-message status=%u reason=\"%s\"", reject.status, reject.reason);
        sip_msg_unref(m);
        return;
    }
    /* TS 33.203 and 24.229 5.2.2: what is for the network alone must not be here. */
    if (sip_line_first(m, SIP_H_WWW_AUTHENTICATE)) {
        struct sip_auth auth;

        if (sip_auth_parse(sip_header_value(m, SIP_H_WWW_AUTHENTICATE), &auth) == 0 &&
            (sip_auth_get(&auth, SPAN("ck")).p || sip_auth_get(&auth, SPAN("ik")).p))
            ue_event("violation what=\"ck or ik was sent to the phone\"");
    }
    if (!m->is_request) {
        on_response(ue, m);
    } else if (m->method == SIP_ACK) {
        stop_resending(ue);
        ue_call_on_request(ue, m, conn);
    } else if ((r = reply_find(ue, m->branch, m->method_text))) {
        (void)ue_wire_send(ue, !ue->protected, conn, span_of(r->text, r->text_n));
    } else {
        ue_call_on_request(ue, m, conn);
    }
    sip_msg_unref(m);
}

void ue_transactions_fini(struct ue *ue)
{
    LIST_EACH (item, &ue->requests)
        request_free(CONTAINER_OF(item, struct ue_request, item));
    LIST_EACH (reply, &ue->replies)
        reply_free(CONTAINER_OF(reply, struct ue_reply, item));
}
