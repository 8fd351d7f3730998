/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "tests/support/suite.h"

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    struct peer *p = ctx;
    char *text = span_dup(data);

    (void)u;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    if (p->on_message) {
        p->on_message(p, text, from, p->ctx);
        free(text);
    } else if (p->n == PEER_KEPT) {
        p->dropped++;
        free(text);
    } else {
        p->heard[p->n].text = text;
        p->heard[p->n++].from = *from;
    }
}

void peer_open(struct peer *p, struct sim *s, struct wire *w, const char *name, const char *address)
{
    static const struct net_udp_ops ops = {on_datagram};
    struct loop *l = sim_loop(s, name);

    *p = (struct peer){0};
    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(address), 5060, &p->local), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(w, l, &p->net), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(p->net, &p->local, NULL, &ops, p, &p->udp), 0);
}

void peer_close(struct peer *p)
{
    for (unsigned i = 0; i < p->n; i++)
        free(p->heard[i].text);
    p->n = 0;
    if (p->udp)
        net_udp_close(p->udp);
    if (p->net)
        net_free(p->net);
    *p = (struct peer){0};
}

void peer_send(struct peer *p, const struct addr *to, const char *text)
{
    CU_ASSERT_EQUAL(net_udp_send(p->udp, to, span_str(text)), 0);
}

static void put_lines(struct buf *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\n' && (c == text || c[-1] != '\r'))
            buf_putc(b, '\r');
        buf_putc(b, *c);
    }
}

static void send_message(struct peer *p, const struct addr *to, const char *head, const char *body)
{
    static char room[PEER_TEXT_MAX];
    struct buf b = BUF_ON(room);
    struct buf lines = {room + PEER_TEXT_MAX / 2, 0, PEER_TEXT_MAX / 2, false};

    b.cap = PEER_TEXT_MAX / 2;
    put_lines(&lines, body);
    put_lines(&b, head);
    if (lines.n && !strstr(head, "Content-Type:"))
        buf_puts(&b, "Content-Type: application/sdp\r\n");
    buf_fmt(&b, "Content-Length: %zu\r\n\r\n", lines.n);
    buf_put(&b, buf_span(&lines));
    CU_ASSERT_FALSE_FATAL(b.overflow || lines.overflow);
    CU_ASSERT_EQUAL(net_udp_send(p->udp, to, buf_span(&b)), 0);
}

void peer_say(struct peer *p, const struct addr *to, const char *fmt, ...)
{
    static char text[PEER_TEXT_MAX / 2];
    char *body;
    va_list ap;

    va_start(ap, fmt);
    CU_ASSERT_FATAL(vsnprintf(text, sizeof(text), fmt, ap) < (int)sizeof(text));
    va_end(ap);
    /* An empty line in the template divides header and body. */
    body = strstr(text, "\n\n");
    if (body) {
        body[1] = '\0';
        body += 2;
    }
    send_message(p, to, text, body ? body : "");
}

const char *peer_take(struct peer *p, const char *start, struct addr *ret_from)
{
    static char taken[PEER_TEXT_MAX];

    for (unsigned i = 0; i < p->n; i++) {
        if (strncmp(p->heard[i].text, start, strlen(start)) != 0)
            continue;
        snprintf(taken, sizeof(taken), "%s", p->heard[i].text);
        if (ret_from)
            *ret_from = p->heard[i].from;
        free(p->heard[i].text);
        memmove(&p->heard[i], &p->heard[i + 1], (p->n - i - 1) * sizeof(p->heard[0]));
        p->n--;
        return taken;
    }
    return NULL;
}

static const char *find_line(const char *text, const char *name, unsigned n)
{
    size_t len = strlen(name);

    for (const char *line = strstr(text, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':' && n-- == 0)
            return line + 2 + len + 1;
    }
    return NULL;
}

const char *peer_header(const char *text, const char *name, unsigned n)
{
    static char values[8][4096]; /* several may be in use in one printf */
    static unsigned next;
    const char *at = find_line(text, name, n);
    char *value = values[next++ % ARRAY_LEN(values)];

    value[0] = '\0';
    if (!at)
        return value;
    at += strspn(at, " ");
    snprintf(value, sizeof(values[0]), "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

bool peer_has_header(const char *text, const char *name)
{
    return find_line(text, name, 0) != NULL;
}

const char *peer_body(const char *text)
{
    const char *at = strstr(text, "\r\n\r\n");

    return at ? at + 4 : "";
}

struct addr peer_uri_addr(const char *value)
{
    struct addr a = {0};
    const char *at = strstr(value, "sip:"), *host;

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    host = at + 4;
    at = host + strcspn(host, "@>;");
    if (*at == '@')
        host = at + 1;
    CU_ASSERT_EQUAL_FATAL(addr_parse(span_of(host, strcspn(host, ">;,?")), 5060, &a), 0);
    return a;
}

static void copy_lines(struct buf *b, const char *request, const char *name)
{
    for (unsigned i = 0; find_line(request, name, i); i++)
        buf_fmt(b, "%s: %s\n", name, peer_header(request, name, i));
}

void peer_answer(struct peer *p, const struct addr *to, const char *request, const char *status,
                 const char *tag, const char *extra, const char *body)
{
    static char head[PEER_TEXT_MAX / 2];
    struct buf b = {head, 0, sizeof(head) - 1, false};
    const char *called;

    buf_fmt(&b, "SIP/2.0 %s\n", status);
    copy_lines(&b, request, "Via");
    buf_puts(&b, extra); /* its Record-Route is of who stands above */
    copy_lines(&b, request, "Record-Route");
    copy_lines(&b, request, "From");
    called = peer_header(request, "To", 0); /* not before: its buffers are used again */
    buf_fmt(&b, "To: %s%s%s\n", called, tag && !strstr(called, ";tag=") ? ";tag=" : "",
            tag && !strstr(called, ";tag=") ? tag : "");
    copy_lines(&b, request, "Call-ID");
    copy_lines(&b, request, "CSeq");
    head[b.n] = '\0';
    send_message(p, to, head, body ? body : "");
}
