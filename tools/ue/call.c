/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One call at a time (RFC 3261 13, 15; RFC 3264) and MESSAGE (RFC 3428). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/ue/ue.h"

static void end_call(struct ue *ue, const char *why)
{
    struct ue_call *c = &ue->call;

    if (c->state == UE_CALL_NONE)
        return;
    loop_timer_stop(ue->loop, &c->hang_up);
    loop_timer_stop(ue->loop, &c->ring);
    if (c->media_open) {
        ue_event("rtp sent=%u received=%u lost=%u wrong=%u", c->media.sent, c->media.received,
                 c->media.lost, c->media.wrong);
        if (c->fraud_packets && c->media.sending) {
            /* The phone that says BYE and goes on talking. */
            c->media.tick.fire(&c->media.tick, c->media.tick.ctx);
            while (--c->fraud_packets)
                c->media.tick.fire(&c->media.tick, c->media.tick.ctx);
        }
        ue_media_close(&c->media);
        c->media_open = false;
    }
    sip_msg_unref(c->invite);
    c->invite = NULL;
    c->state = UE_CALL_NONE;
    ue_event("call-ended reason=\"%s\"", why);
}

static void on_ring(struct loop_timer *t, void *ctx)
{
    (void)t;
    ue_call_answer(ctx, 200);
}

static void on_hang_up(struct loop_timer *t, void *ctx)
{
    (void)t;
    ue_call_hang_up(ctx);
}

static void init_timers(struct ue *ue)
{
    loop_timer_init(&ue->call.ring, on_ring, ue);
    loop_timer_init(&ue->call.hang_up, on_hang_up, ue);
}

static void put_sdp(const struct ue *ue, struct buf *b)
{
    const struct addr *a = &ue->call.media.local;
    const char *family = a->family == AF_INET6 ? "IP6" : "IP4";

    buf_fmt(b, "v=0\r\no=- %u 1 IN %s ", ue->call.media.ssrc, family);
    addr_put_host(b, a, false);
    buf_fmt(b, "\r\ns=-\r\nc=IN %s ", family);
    addr_put_host(b, a, false);
    buf_fmt(b,
            "\r\nt=0 0\r\nm=audio %u RTP/AVP 8\r\nb=AS:80\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=ptime:20\r\na=sendrecv\r\n",
            a->port);
}

/* The address media goes to: c= and m=audio of a body of ours or of a peer as simple as we are. */
static bool read_sdp(struct span body, struct addr *ret_remote)
{
    struct span host = SPAN_NONE, port = SPAN_NONE;
    uint64_t number;

    while (body.p) {
        struct span line = span_trim(span_cut(&body, '\n'));

        if (span_starts(line, SPAN("c=IN IP")) && line.n > 9)
            host = span_sub(line, 9, line.n);
        if (span_starts(line, SPAN("m=audio ")) && !port.p) {
            line = span_sub(line, 8, line.n);
            port = span_cut(&line, ' ');
        }
    }
    return span_u64(port, 65535, &number) == 0 && number != 0 &&
           addr_parse_ip(host, (uint16_t)number, ret_remote) == 0;
}

static void report_token(const struct sip_msg *m)
{
    struct span token = sip_header_value(m, SIP_H_P_MEDIA_AUTHORIZATION);

    if (token.p)
        ue_event("media-authorization token=%.*s", SPAN_ARG(token));
}

static void start_media(struct ue *ue, const struct sip_msg *m)
{
    struct addr remote;

    if (!m->body.n || ue->call.media.sending || !ue->call.media_open)
        return;
    if (!read_sdp(m->body, &remote)) {
        ue_event("error what=\"unusable SDP\"");
        return;
    }
    ue_media_start(&ue->call.media, &remote);
}

/* Route set of the dialog: Record-Route as it stands (callee) or in reverse (caller), RFC
 * 3261 12.1. */
static void learn_dialog(struct ue_call *c, const struct sip_msg *m, bool caller)
{
    struct sip_values v = sip_values(m, SIP_H_RECORD_ROUTE);
    struct span values[32], contact = sip_header_value(m, SIP_H_CONTACT);
    struct buf routes = BUF_ON(c->routes);
    struct sip_name_addr na;
    unsigned n = 0;

    routes.cap--;
    while (n < ARRAY_LEN(values) && sip_values_next(&v))
        values[n++] = v.value;
    for (unsigned i = 0; i < n; i++)
        buf_fmt(&routes, "%s%.*s", i ? ", " : "", SPAN_ARG(values[caller ? n - 1 - i : i]));
    c->routes[routes.n] = '\0';
    if (contact.p && sip_name_addr_parse(contact, &na) == 0)
        (void)span_copy(na.uri, c->target, sizeof(c->target)); /* too long: the old target stays */
}

static void put_dialog(struct ue *ue, struct buf *b, const char *method, uint32_t cseq)
{
    const struct ue_call *c = &ue->call;

    if (c->routes[0])
        buf_fmt(b, "Route: %s\r\n", c->routes);
    buf_fmt(b, "From: <%s>;tag=%s\r\nTo: <%s>%s%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n", c->local_uri,
            c->local_tag, c->remote_uri, c->remote_tag[0] ? ";tag=" : "", c->remote_tag, c->call_id,
            cseq, method);
}

static void send_ack(struct ue *ue)
{
    char room[UE_MESSAGE_MAX], branch[40] = "z9hG4bK";
    struct buf b = BUF_ON(room);

    ue_new_token(branch + 7, 24);
    buf_fmt(&b, "ACK %s SIP/2.0\r\n", ue->call.target);
    ue_put_common(ue, &b, !ue->protected, branch, false);
    put_dialog(ue, &b, "ACK", ue->call.invite_cseq);
    buf_puts(&b, "Content-Length: 0\r\n\r\n");
    if (!b.overflow)
        (void)ue_wire_send(ue, !ue->protected, NULL,
                           buf_span(&b)); /* the 2xx comes again if lost */
}

static void on_bye_response(struct ue *ue, struct ue_request *r, const struct sip_msg *m)
{
    (void)r;
    if (!m || m->status >= 200)
        end_call(ue, m ? "hung up" : "hung up, BYE not answered");
}

static void send_in_dialog(struct ue *ue, const char *method,
                           void (*done)(struct ue *, struct ue_request *, const struct sip_msg *))
{
    char room[UE_MESSAGE_MAX], branch[40] = "z9hG4bK";
    struct buf b = BUF_ON(room);

    ue_new_token(branch + 7, 24);
    buf_fmt(&b, "%s %s SIP/2.0\r\n", method, ue->call.target);
    ue_put_common(ue, &b, !ue->protected, branch, true);
    put_dialog(ue, &b, method, ++ue->call.cseq);
    buf_puts(&b, "Content-Length: 0\r\n\r\n");
    if (b.overflow ||
        ue_request_send(ue, !ue->protected, branch, method, buf_span(&b), done, NULL) != 0)
        end_call(ue, "request could not be sent");
}

static void send_cancel(struct ue *ue)
{
    struct ue_call *c = &ue->call;
    char room[UE_MESSAGE_MAX];
    struct buf b = BUF_ON(room);

    buf_fmt(&b, "CANCEL %s SIP/2.0\r\n", c->remote_uri);
    ue_put_common(ue, &b, !ue->protected, c->invite_branch, false);
    if (ue->service_route[0])
        buf_fmt(&b, "Route: %s\r\n", c->routes);
    buf_fmt(&b,
            "From: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %u CANCEL\r\nContent-Length: "
            "0\r\n\r\n",
            c->local_uri, c->local_tag, c->remote_uri, c->call_id, c->invite_cseq);
    if (!b.overflow)
        (void)ue_request_send(ue, !ue->protected, c->invite_branch, "CANCEL", buf_span(&b), NULL,
                              NULL); /* the INVITE's own answer tells */
}

static void on_invite_response(struct ue *ue, struct ue_request *r, const struct sip_msg *m)
{
    struct ue_call *c = &ue->call;

    (void)r;
    if (!m) {
        end_call(ue, "no answer");
        return;
    }
    if (m->status < 200) {
        ue_event("call-progress status=%u", m->status);
        report_token(m);
        start_media(ue, m);
        if (c->cancel_wanted && c->state == UE_CALL_OUT) {
            c->state = UE_CALL_ENDING;
            send_cancel(ue);
        }
        return;
    }
    if (m->status >= 300) {
        char why[64];

        snprintf(why, sizeof(why), "%u %.*s", m->status, SPAN_ARG(m->phrase));
        end_call(ue, why);
        return;
    }
    if (c->state == UE_CALL_OUT) {
        (void)span_copy(m->to_tag, c->remote_tag,
                        sizeof(c->remote_tag)); /* too long: BYE gets 481 */
        learn_dialog(c, m, true);
        c->state = UE_CALL_UP;
        ue_event("call-answered");
        report_token(m);
        start_media(ue, m);
        if (c->talk_seconds)
            loop_timer_start(ue->loop, &c->hang_up, c->talk_seconds * SEC);
    }
    send_ack(ue);
}

void ue_call_start(struct ue *ue, const char *uri, unsigned seconds)
{
    struct ue_call *c = &ue->call;
    char room[UE_MESSAGE_MAX], sdp[1024];
    struct buf b = BUF_ON(room), body = BUF_ON(sdp);
    unsigned fraud = c->fraud_packets;

    if (c->state != UE_CALL_NONE || strlen(uri) >= sizeof(c->remote_uri)) {
        ue_event("error what=\"call not possible now\"");
        return;
    }
    *c = (struct ue_call){.state = UE_CALL_OUT,
                          .talk_seconds = seconds,
                          .cseq = 1,
                          .invite_cseq = 1,

                          .fraud_packets = fraud};
    init_timers(ue);
    ue_new_token(c->call_id, 24);
    ue_new_token(c->local_tag, 10);
    memcpy(c->invite_branch, "z9hG4bK", 7);
    ue_new_token(c->invite_branch + 7, 24);
    snprintf(c->local_uri, sizeof(c->local_uri), "%s", ue->options.impu);
    snprintf(c->remote_uri, sizeof(c->remote_uri), "%s", uri);
    if (ue_media_open(&c->media, ue->loop, &ue->options.local) != 0) {
        end_call(ue, "no media port");
        return;
    }
    c->media_open = true;
    put_sdp(ue, &body);
    /* TS 24.229 5.1.2A.1.1: the P-CSCF's protected port, then the Service-Route. */
    struct buf route = BUF_ON(c->routes);

    buf_puts(&route, "<sip:");
    addr_put_host(&route, &ue->options.pcscf, true);
    buf_fmt(&route, ":%u;lr>%s%s%c", ue->protected ? ue->set.port_ps : ue->options.pcscf.port,
            ue->service_route[0] ? ", " : "", ue->service_route, '\0');
    buf_fmt(&b, "INVITE %s SIP/2.0\r\n", uri);
    ue_put_common(ue, &b, !ue->protected, c->invite_branch, true);
    put_dialog(ue, &b, "INVITE", c->invite_cseq);
    buf_fmt(&b, "P-Preferred-Identity: <%s>\r\nContact: <", ue->options.impu);
    ue_put_contact_uri(ue, &b);
    buf_fmt(&b,
            ">\r\nAllow: INVITE, ACK, CANCEL, BYE, MESSAGE, OPTIONS\r\nUser-Agent: %s\r\n"
            "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n",
            ue->options.user_agent, body.n);
    buf_put(&b, buf_span(&body));
    if (b.overflow || ue_request_send(ue, !ue->protected, c->invite_branch, "INVITE", buf_span(&b),
                                      on_invite_response, NULL) != 0)
        end_call(ue, "INVITE could not be sent");
    else
        ue_event("call-sent to=%s", uri);
}

void ue_call_hang_up(struct ue *ue)
{
    switch (ue->call.state) {
    case UE_CALL_UP:
        ue->call.state = UE_CALL_ENDING;
        if (!ue->call.fraud_packets)
            ue_media_stop(&ue->call.media);
        send_in_dialog(ue, "BYE", on_bye_response);
        break;
    case UE_CALL_OUT:
        ue->call.cancel_wanted = true; /* sent once something came back (RFC 3261 9.1) */
        ue->call.state = UE_CALL_ENDING;
        send_cancel(ue);
        break;
    case UE_CALL_IN:
        ue_call_answer(ue, 603);
        break;
    case UE_CALL_NONE:
    case UE_CALL_ENDING:
        ue_event("error what=\"no call to hang up\"");
        break;
    }
}

static void on_message_response(struct ue *ue, struct ue_request *r, const struct sip_msg *m)
{
    (void)ue;
    (void)r;
    if (!m || m->status >= 200)
        ue_event("message-answered status=%u", m ? m->status : 0);
}

void ue_call_message(struct ue *ue, const char *uri, const char *text)
{
    char room[UE_MESSAGE_MAX], branch[40] = "z9hG4bK", call_id[25], tag[11];
    struct buf b = BUF_ON(room);

    ue_new_token(branch + 7, 24);
    ue_new_token(call_id, 24);
    ue_new_token(tag, 10);
    buf_fmt(&b, "MESSAGE %s SIP/2.0\r\n", uri);
    ue_put_common(ue, &b, !ue->protected, branch, true);
    buf_puts(&b, "Route: <sip:");
    addr_put_host(&b, &ue->options.pcscf, true);
    buf_fmt(&b, ":%u;lr>%s%s\r\n", ue->protected ? ue->set.port_ps : ue->options.pcscf.port,
            ue->service_route[0] ? ", " : "", ue->service_route);
    buf_fmt(&b, "From: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 MESSAGE\r\n",
            ue->options.impu, tag, uri, call_id);
    buf_fmt(&b, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
    if (b.overflow || ue_request_send(ue, !ue->protected, branch, "MESSAGE", buf_span(&b),
                                      on_message_response, NULL) != 0)
        ue_event("error what=\"MESSAGE could not be sent\"");
}

/* ---- requests from the network --------------------------------------------------------------- */

void ue_call_answer(struct ue *ue, unsigned status)
{
    struct ue_call *c = &ue->call;
    char extra[1024], sdp[1024];
    struct buf lines = BUF_ON(extra), body = BUF_ON(sdp);

    if (c->state != UE_CALL_IN || !c->invite) {
        ue_event("error what=\"no call to answer\"");
        return;
    }
    if (status / 100 == 2) {
        buf_puts(&lines, "Contact: <");
        ue_put_contact_uri(ue, &lines);
        buf_puts(&lines, ">\r\nContent-Type: application/sdp\r\n");
        put_sdp(ue, &body);
    }
    ue_reply_send(ue, c->invite, c->invite_conn, status, c->local_tag, buf_span(&lines),
                  buf_span(&body));
    if (status / 100 == 2) {
        c->state = UE_CALL_UP;
        start_media(ue, c->invite);
        ue_event("call-answered");
    } else if (status >= 300) {
        end_call(ue, "refused");
    }
}

static void on_invite(struct ue *ue, const struct sip_msg *m, struct ue_conn *conn)
{
    struct ue_call *c = &ue->call;
    struct sip_name_addr from = {0};
    unsigned fraud = c->fraud_packets;

    if (c->state != UE_CALL_NONE || ue->answer == UE_ANSWER_BUSY) {
        ue_reply_send(ue, m, conn, 486, "busy", SPAN_NONE, SPAN_NONE);
        return;
    }
    *c = (struct ue_call){.state = UE_CALL_IN,
                          .invite_conn = conn,
                          .invite = sip_msg_ref((struct sip_msg *)m),

                          .fraud_packets = fraud};
    init_timers(ue);
    ue_new_token(c->local_tag, 10);
    if (sip_name_addr_parse(sip_header_value(m, SIP_H_FROM), &from) != 0 ||
        span_copy(from.uri, c->remote_uri, sizeof(c->remote_uri)) != 0 ||
        span_copy(m->from_tag, c->remote_tag, sizeof(c->remote_tag)) != 0 ||
        span_copy(m->call_id, c->call_id, sizeof(c->call_id)) != 0 ||
        ue_media_open(&c->media, ue->loop, &ue->options.local) != 0) {
        ue_reply_send(ue, m, conn, 500, c->local_tag, SPAN_NONE, SPAN_NONE);
        end_call(ue, "INVITE could not be taken");
        return;
    }
    c->media_open = true;
    snprintf(c->local_uri, sizeof(c->local_uri), "%s", ue->options.impu);
    learn_dialog(c, m, false);
    ue_event("call-received from=%s asserted=\"%.*s\"", c->remote_uri,
             SPAN_ARG(sip_header_value(m, SIP_H_P_ASSERTED_IDENTITY)));
    report_token(m);
    if (ue->answer == UE_ANSWER_REJECT) {
        ue_call_answer(ue, 603);
        return;
    }
    ue_call_answer(ue, 180);
    if (ue->answer == UE_ANSWER_AUTO)
        loop_timer_start(ue->loop, &c->ring, 300 * MSEC);
}

void ue_call_on_request(struct ue *ue, const struct sip_msg *m, struct ue_conn *conn)
{
    struct ue_call *c = &ue->call;
    bool mine = c->state != UE_CALL_NONE && span_eq(m->call_id, span_str(c->call_id));

    switch (m->method) {
    case SIP_INVITE:
        if (!m->to_tag.p)
            on_invite(ue, m, conn);
        else
            ue_reply_send(ue, m, conn, mine ? 488 : 481, NULL, SPAN_NONE, SPAN_NONE);
        break;
    case SIP_ACK:
        break;
    case SIP_BYE:
        ue_reply_send(ue, m, conn, mine ? 200 : 481, NULL, SPAN_NONE, SPAN_NONE);
        if (mine)
            end_call(ue, "the other side hung up");
        break;
    case SIP_CANCEL:
        ue_reply_send(ue, m, conn, mine ? 200 : 481, c->local_tag, SPAN_NONE, SPAN_NONE);
        if (mine && c->state == UE_CALL_IN)
            ue_call_answer(ue, 487);
        break;
    case SIP_MESSAGE:
        ue_event("message-received text=\"%.*s\"", SPAN_ARG(m->body));
        ue_reply_send(ue, m, conn, 200, "m", SPAN_NONE, SPAN_NONE);
        break;
    case SIP_OPTIONS:
    case SIP_NOTIFY:
        ue_reply_send(ue, m, conn, 200, "o", SPAN_NONE, SPAN_NONE);
        break;
    default:
        ue_reply_send(ue, m, conn, 501, "n", SPAN_NONE, SPAN_NONE);
        break;
    }
}

void ue_call_fini(struct ue *ue)
{
    end_call(ue, "phone switched off");
}
