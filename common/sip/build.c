/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of our own: responses, requests, and the ACK and CANCEL that follow from an INVITE. */
#include <errno.h>

#include "common/sip/lex.h"

static void put_line(struct buf *out, enum sip_header id, struct span value)
{
    buf_put(out, sip_header_name(id));
    buf_put(out, SPAN(": "));
    buf_put(out, value);
    buf_put(out, SPAN("\r\n"));
}

static void put_body(struct buf *out, struct span body)
{
    buf_put(out, sip_header_name(SIP_H_CONTENT_LENGTH));
    buf_put(out, SPAN(": "));
    buf_u64(out, body.n);
    buf_put(out, SPAN("\r\n\r\n"));
    buf_put(out, body);
}

/* All lines with that id as they came, folding included. */
static void copy_lines(struct buf *out, const struct sip_msg *m, enum sip_header id)
{
    const struct sip_line *line = sip_line_first(m, id);

    for (; line; line = sip_line_next(m, line))
        buf_put(out, span_sub(m->raw, line->start, line->end));
}

static void copy_first(struct buf *out, const struct sip_msg *m, enum sip_header id)
{
    const struct sip_line *line = sip_line_first(m, id);

    if (line)
        buf_put(out, span_sub(m->raw, line->start, line->end));
}

static int outcome(const struct buf *out)
{
    return out->overflow ? -EMSGSIZE : 0;
}

int sip_reply(const struct sip_msg *request, unsigned status, const char *phrase,
              struct span to_tag, struct span extra, struct span body, struct buf *out)
{
    const struct sip_line *to = sip_line_first(request, SIP_H_TO);

    buf_put(out, SPAN("SIP/2.0 "));
    buf_u64(out, status);
    buf_putc(out, ' ');
    buf_puts(out, phrase ? phrase : sip_status_phrase(status));
    buf_put(out, SPAN("\r\n"));
    copy_lines(out, request, SIP_H_VIA);
    /* RFC 3261 12.1.1: what makes a dialog carries the route. */
    if ((status > 100 && status < 300))
        copy_lines(out, request, SIP_H_RECORD_ROUTE);
    copy_first(out, request, SIP_H_FROM);
    if (to && to_tag.n && !request->to_tag.p) {
        buf_put(out, SPAN("To: "));
        buf_put(out, sip_line_value(request, to));
        buf_put(out, SPAN(";tag="));
        buf_put(out, to_tag);
        buf_put(out, SPAN("\r\n"));
    } else {
        copy_first(out, request, SIP_H_TO);
    }
    copy_first(out, request, SIP_H_CALL_ID);
    copy_first(out, request, SIP_H_CSEQ);
    if (status == 100) /* RFC 3261 8.2.6.1 */
        copy_first(out, request, SIP_H_TIMESTAMP);
    buf_put(out, extra);
    put_body(out, body);
    return outcome(out);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static bool is_one_line(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    }
    return true;
}

static bool request_is_valid(const struct sip_request *r, struct span method)
{
    const struct span needed[] = {method, r->ruri, r->from, r->to, r->call_id};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (needed[i].n == 0 || !is_one_line(needed[i]))
            return false;
    }
    for (unsigned i = 0; i < r->n_routes; i++) {
        if (!is_one_line(r->routes[i]))
            return false;
    }
    return is_one_line(r->via) && span_find(r->ruri, ' ') == r->ruri.n &&
           lex_token(method) == method.n && r->cseq <= INT32_MAX && is_one_line(r->contact) &&
           is_one_line(r->content_type);
}

static void put_start(struct buf *out, struct span method, struct span ruri)
{
    buf_put(out, method);
    buf_putc(out, ' ');
    buf_put(out, ruri);
    buf_put(out, SPAN(" SIP/2.0\r\n"));
}

static void put_cseq(struct buf *out, uint32_t cseq, struct span method)
{
    buf_put(out, SPAN("CSeq: "));
    buf_u64(out, cseq);
    buf_putc(out, ' ');
    buf_put(out, method);
    buf_put(out, SPAN("\r\n"));
}

int sip_request_build(const struct sip_request *r, struct buf *out)
{
    struct span method = r->method == SIP_OTHER ? r->method_text : sip_method_text(r->method);

    if (!request_is_valid(r, method))
        return -EINVAL;
    put_start(out, method, r->ruri);
    if (r->via.n)
        put_line(out, SIP_H_VIA, r->via);
    buf_fmt(out, "Max-Forwards: %u\r\n", r->max_forwards ? r->max_forwards : 70);
    for (unsigned i = 0; i < r->n_routes; i++)
        put_line(out, SIP_H_ROUTE, r->routes[i]);
    put_line(out, SIP_H_FROM, r->from);
    put_line(out, SIP_H_TO, r->to);
    put_line(out, SIP_H_CALL_ID, r->call_id);
    put_cseq(out, r->cseq, method);
    if (r->contact.n)
        put_line(out, SIP_H_CONTACT, r->contact);
    buf_put(out, r->extra);
    if (r->content_type.n)
        put_line(out, SIP_H_CONTENT_TYPE, r->content_type);
    put_body(out, r->body);
    return outcome(out);
}

/* What ACK and CANCEL share: the INVITE's Request-URI, its top Via alone, From, Call-ID, the number of
 * CSeq and its Route lines. */
static int follow_invite(struct span invite, enum sip_method method,
                         const struct sip_msg *to_of_this, struct span extra, struct buf *out)
{
    struct sip_limits limits = sip_limits_default;
    struct sip_values via;
    struct sip_reject ignored;
    struct sip_msg *m;
    int rc;

    limits.message = SIZE_MAX; /* our own text: it grew by what we put in */
    rc = sip_msg_parse(invite, &limits, &m, &ignored);
    if (rc < 0 || m->method != SIP_INVITE || !m->is_request) {
        sip_msg_unref(rc == -ENOMEM ? NULL : m);
        return rc == -ENOMEM ? rc : -EBADMSG;
    }
    via = sip_values(m, SIP_H_VIA);
    (void)sip_values_next(&via); /* a parsed message has one */
    put_start(out, sip_method_text(method), m->ruri);
    put_line(out, SIP_H_VIA, via.value);
    buf_put(out, SPAN("Max-Forwards: 70\r\n"));
    copy_lines(out, m, SIP_H_ROUTE);
    copy_first(out, m, SIP_H_FROM);
    copy_first(out, to_of_this ? to_of_this : m, SIP_H_TO);
    copy_first(out, m, SIP_H_CALL_ID);
    put_cseq(out, m->cseq, sip_method_text(method));
    buf_put(out, extra);
    put_body(out, SPAN(""));
    sip_msg_unref(m);
    return outcome(out);
}

int sip_build_ack(struct span invite, const struct sip_msg *response, struct buf *out)
{
    return follow_invite(invite, SIP_ACK, response, SPAN(""), out);
}

int sip_build_cancel(struct span invite, struct span extra, struct buf *out)
{
    return follow_invite(invite, SIP_CANCEL, NULL, extra, out);
}
