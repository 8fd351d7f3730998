/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/odd.h"

#include "tests/support/suite.h"

static const struct odd plain_request = {
    .start = "OPTIONS sip:bob@home.example SIP/2.0",
    .via = "Via: SIP/2.0/UDP ue.example;branch=z9hG4bKq1w2",
    .hops = "Max-Forwards: 68",
    .from = "From: \"Alice\" <sip:alice@home.example>;tag=8x7",
    .to = "To: <sip:bob@home.example>",
    .call_id = "Call-ID: 4d-torture@ue.example",
    .cseq = "CSeq: 21 OPTIONS",
};

static const struct odd plain_response = {
    .start = "SIP/2.0 200 OK",
    .via = "Via: " ODD_VIA "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq1w2",
    .hops = "",
    .from = "From: <sip:alice@home.example>;tag=8x7",
    .to = "To: <sip:bob@home.example>;tag=b-1",
    .call_id = "Call-ID: 4d-torture@ue.example",
    .cseq = "CSeq: 21 OPTIONS",
};

static void put(struct buf *b, const char *line, const char *otherwise, const char *via,
                const char *end)
{
    const char *s = line ? line : otherwise;

    if (!s || !*s)
        return;
    for (; *s; s++) {
        if (*s == *ODD_VIA)
            buf_puts(b, via);
        else
            buf_putc(b, *s == *ODD_NUL ? '\0' : *s);
    }
    buf_puts(b, end);
}

struct span odd_write(const struct odd *o, const char *via, char *room, size_t cap)
{
    bool response = o->start && strncmp(o->start, "SIP/", 4) == 0;
    const struct odd *p = response ? &plain_response : &plain_request;
    struct buf b = {room, 0, cap, false};
    const char *v = via ? via : "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKp0";

    put(&b, o->start, p->start, v, "\r\n");
    put(&b, o->via, p->via, v, "\r\n");
    put(&b, o->hops, p->hops, v, "\r\n");
    put(&b, o->from, p->from, v, "\r\n");
    put(&b, o->to, p->to, v, "\r\n");
    put(&b, o->call_id, p->call_id, v, "\r\n");
    put(&b, o->cseq, p->cseq, v, "\r\n");
    put(&b, o->more, NULL, v, "\r\n");
    if (o->length)
        put(&b, o->length, NULL, v, "\r\n");
    else
        buf_fmt(&b, "Content-Length: %zu\r\n", o->body ? strlen(o->body) : 0);
    put(&b, o->end, "\r\n", v, "");
    put(&b, o->body, NULL, v, "");
    put(&b, o->behind, NULL, v, "");
    CU_ASSERT_FATAL(!b.overflow);
    return buf_span(&b);
}
