/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/flow/proxy/hop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct hop hop;

static struct addr address(unsigned host)
{
    return (struct addr){.family = AF_INET, .port = 5060, .ip = {192, 0, 2, (uint8_t)(host + 1)}};
}

/* ---- the hop ---- */

static bool is_ours(struct span route)
{
    struct sip_name_addr na;
    struct sip_uri uri;

    return sip_name_addr_parse(route, &na) == 0 && sip_uri_parse(na.uri, &uri) == 0 &&
           span_eq(uri.host, SPAN("192.0.2.2"));
}

static void edit_as_a_proxy(struct sip_edit *e, struct sip_msg *m)
{
    struct sip_values route = sip_values(m, SIP_H_ROUTE);

    if (sip_values_next(&route) && is_ours(route.value))
        sip_edit_remove_value(e, &route);
    if (m->method == SIP_INVITE || m->method == SIP_SUBSCRIBE)
        sip_edit_push(e, SIP_H_RECORD_ROUTE, SPAN("<sip:192.0.2.2;lr>"));
}

static struct sip_target onward(void)
{
    struct addr to = address(CALLEE);

    return sip_target_of(hop.e, hop.onward, &to, 0);
}

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx)
{
    static const struct span extensions[] = {SPAN("sec-agree")};
    static const struct sip_proxy_rules rules = {1 << SIP_SCHEME_SIP | 1 << SIP_SCHEME_TEL,
                                                 extensions, ARRAY_LEN(extensions)};
    struct sip_target to = onward();
    struct sip_proxy *p;
    struct sip_edit e;
    int rc;

    (void)flow, (void)ctx;
    if (!sip_proxy_check(s, &rules))
        return;
    sip_edit_init(&e, m);
    edit_as_a_proxy(&e, m);
    rc = sip_proxy_forward(s, &e, &to, 1, NULL, NULL, &p);
    if (rc < 0 && rc != -ELOOP)
        (void)sip_server_reply(s, rc == -EMSGSIZE ? 513 : 500, NULL, SPAN_NONE, SPAN_NONE);
}

static void on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    struct sip_target to = onward();
    struct sip_edit e;

    (void)ctx;
    sip_edit_init(&e, m);
    edit_as_a_proxy(&e, m);
    (void)sip_forward_ack(hop.l, m, flow, &e, &to); /* an ACK has no answer that could tell */
}

/* ---- the parties ---- */

static void keep(struct party *p, struct span data, enum net_proto proto)
{
    char *copy;

    if (p->n == PARTY_KEPT) {
        p->beyond++;
        return;
    }
    copy = malloc(data.n + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, data.p, data.n);
    copy[data.n] = '\0';
    p->heard[p->n].bytes = copy;
    p->heard[p->n].n = data.n;
    p->heard[p->n++].proto = proto;
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)u, (void)from;
    keep(ctx, data, NET_UDP);
}

static void on_connected(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx; /* what was said before is queued */
}

static void on_data(struct net_tcp *t, struct span data, void *ctx)
{
    (void)t;
    keep(ctx, data, NET_TCP);
}

static void on_closed(struct net_tcp *t, int reason, void *ctx)
{
    struct party *p = ctx;

    (void)t, (void)reason;
    p->tcp = NULL;
    p->tcp_closed = true;
}

static const struct net_tcp_ops tcp_ops = {on_connected, on_data, on_closed};

static void on_accept(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    struct party *p = ctx;

    (void)li;
    p->tcp = t;
    net_tcp_attach(t, &tcp_ops, p);
}

static void party_open(struct party *p, const char *name, unsigned host)
{
    static const struct net_udp_ops udp_ops = {.on_datagram = on_datagram};
    struct addr local = address(host);

    CU_ASSERT_EQUAL_FATAL(net_sim_new(hop.wire, sim_loop(hop.sim, name), &p->net), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(p->net, &local, NULL, &udp_ops, p, &p->udp), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(p->net, &local, on_accept, p, &p->listener), 0);
}

static void party_close(struct party *p)
{
    party_forget(p);
    party_hang_up(p);
    net_listener_close(p->listener);
    net_udp_close(p->udp);
    net_free(p->net);
}

void party_say(struct party *p, struct span bytes)
{
    struct addr to = address(HOP);

    CU_ASSERT_EQUAL(net_udp_send(p->udp, &to, bytes), 0);
}

void party_say_tcp(struct party *p, struct span bytes)
{
    struct addr to = address(HOP), from = address(p == &hop.caller ? CALLER : CALLEE);

    if (!p->tcp)
        CU_ASSERT_EQUAL_FATAL(net_tcp_connect(p->net, &from, &to, &tcp_ops, p, &p->tcp), 0);
    CU_ASSERT_EQUAL(net_tcp_send(p->tcp, bytes), 0);
}

void party_hang_up(struct party *p)
{
    if (p->tcp)
        net_tcp_close(p->tcp);
    p->tcp = NULL;
    p->tcp_closed = false;
}

struct span party_hears(struct party *p)
{
    struct span s = SPAN_NONE;

    free(p->given);
    p->given = NULL;
    if (p->n) {
        p->given = p->heard[0].bytes;
        s = span_of(p->given, p->heard[0].n);
        p->n--;
        memmove(&p->heard[0], &p->heard[1], p->n * sizeof(p->heard[0]));
    }
    return s;
}

void party_forget(struct party *p)
{
    while (party_hears(p).p)
        ;
    p->beyond = 0;
}

/* ---- beginning and end ---- */

void hop_begin(enum net_proto onward_by)
{
    static const struct sip_layer_ops ops = {.on_request = on_request, .on_ack = on_ack};
    struct sip_endpoint_options eo = {
        .name = "hop", .local = address(HOP), .udp = true, .tcp = true};

    memset(&hop, 0, sizeof(hop));
    hop.onward = onward_by;
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(11, &hop.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(hop.sim, &hop.wire), 0);
    party_open(&hop.caller, "caller", CALLER);
    party_open(&hop.callee, "callee", CALLEE);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(hop.wire, sim_loop(hop.sim, "hop"), &hop.net), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(hop.net, sim_rnd(hop.sim), NULL, &hop.t), 0);
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(hop.t, &eo, &hop.e), 0);
    CU_ASSERT_EQUAL_FATAL(sip_layer_new(hop.t, sim_rnd(hop.sim), NULL, &ops, NULL, &hop.l), 0);
}

void hop_end(void)
{
    party_hang_up(&hop.caller);
    party_hang_up(&hop.callee);
    sim_run(hop.sim, 2000 * SEC); /* longer than timer C and an idle connection */
    CU_ASSERT_EQUAL(sip_layer_servers(hop.l), 0);
    CU_ASSERT_EQUAL(sip_layer_clients(hop.l), 0);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->connections, 0);
    sip_layer_free(hop.l);
    sip_transport_free(hop.t);
    net_free(hop.net);
    party_close(&hop.caller);
    party_close(&hop.callee);
    wire_free(hop.wire);
    sim_free(hop.sim);
}

void hop_run(unsigned milliseconds)
{
    sim_run(hop.sim, milliseconds * MSEC);
}

struct tally hop_tally(void)
{
    const struct sip_transport_counters *t = sip_transport_counters(hop.t);
    const struct sip_layer_counters *l = sip_layer_counters(hop.l);

    return (struct tally){
        .received = t->received_udp + t->received_tcp,
        .answered = t->bad_answered,
        .dropped = t->bad_dropped,
        .taken = l->requests + l->request_retransmissions + l->acks + l->ack_strays + l->cancels +
                 l->cancel_strays + l->responses + l->response_strays + l->refused_full +
                 l->refused_memory + l->refused_via,
    };
}

/* ---- what should come out, on text ---- */

/* A header line with what is folded into it; n = 0 at the end of the headers. */
static struct span take_line(struct span *rest)
{
    struct span all = *rest, line;
    size_t n = 0;

    do {
        n += span_find(span_sub(all, n, all.n), '\n') + 1;
    } while (n < all.n && (all.p[n] == ' ' || all.p[n] == '\t'));
    line = span_sub(all, 0, n);
    *rest = span_sub(all, n, all.n);
    return span_eq(line, SPAN("\r\n")) ? SPAN_NONE : line;
}

static bool is_header(struct span line, struct span name, char compact)
{
    struct span head = span_trim(span_sub(line, 0, span_find(line, ':')));

    return span_eq_nocase(head, name) || (head.n == 1 && compact && (*head.p | 0x20) == compact);
}

static struct span value_of(struct span line)
{
    return span_trim(span_sub(line, span_find(line, ':') + 1, line.n));
}

static size_t find_text(struct span s, const char *text)
{
    size_t at = 0;

    while (at < s.n && !span_starts(span_sub(s, at, s.n), span_str(text)))
        at++;
    return at;
}

/* Up to the end of a part of the line, then something, then the rest. */
static void put_after(struct buf *b, struct span line, struct span part, const char *what)
{
    size_t at = (size_t)(part.p + part.n - line.p);

    buf_put(b, span_sub(line, 0, at));
    buf_puts(b, what);
    buf_put(b, span_sub(line, at, line.n));
}

/* RFC 3261 18.2.1, RFC 3581 4. */
static void put_stamped_via(struct buf *b, struct span line)
{
    struct span value = value_of(line),
                first = span_trim(span_sub(value, 0, span_find(value, ',')));
    size_t rport = find_text(first, ";rport"), received = find_text(first, ";received=");

    if (received < first.n) { /* whatever somebody said before */
        struct span rest = span_sub(first, received + 1, first.n);
        size_t end = received + 1 + span_find(rest, ';');

        buf_put(b, span_sub(line, 0, (size_t)(first.p - line.p) + received));
        buf_put(b, span_sub(first, end, first.n));
        buf_puts(b, ";received=192.0.2.1");
        buf_put(b, span_sub(line, (size_t)(first.p - line.p) + first.n, line.n));
        return;
    }

    if (rport < first.n)
        put_after(b, line, span_sub(first, 0, rport + sizeof(";rport") - 1),
                  "=5060;received=192.0.2.1");
    else if (find_text(first, " 192.0.2.1;") < first.n ||
             find_text(first, " 192.0.2.1:") < first.n || find_text(first, " 192.0.2.1 ") < first.n)
        buf_put(b, line);
    else
        put_after(b, line, first, ";received=192.0.2.1");
}

/* Without our own value in front; the line goes when it was the only one. */
static void put_route(struct buf *b, struct span line)
{
    const struct span own = SPAN("<sip:192.0.2.2;lr>");
    struct span value = value_of(line), rest;

    if (!span_starts(value, own)) {
        buf_put(b, line);
        return;
    }
    rest = span_trim(span_sub(value, own.n, value.n));
    if (rest.n == 0)
        return;
    buf_put(b, span_sub(line, 0, (size_t)(value.p - line.p)));
    rest = span_trim(span_sub(rest, 1, rest.n)); /* its comma */
    buf_put(b, span_sub(line, (size_t)(rest.p - line.p), line.n));
}

static void put_hops(struct buf *b, struct span line)
{
    struct span value = value_of(line);
    uint64_t hops = 0;

    CU_ASSERT_EQUAL(span_u64(value, 255, &hops), 0);
    buf_put(b, span_sub(line, 0, (size_t)(value.p - line.p)));
    buf_u64(b, hops - 1);
    buf_put(b, span_sub(line, (size_t)(value.p + value.n - line.p), line.n));
}

struct hop_seen {
    bool via, route, hops, length, recorded;
};

static void put_line(struct buf *b, struct span line, struct span own_via, struct hop_seen *seen)
{
    if (is_header(line, SPAN("Via"), 'v') && !seen->via) {
        seen->via = true;
        buf_put(b, own_via);
        put_stamped_via(b, line);
    } else if (is_header(line, SPAN("Route"), 0) && !seen->route) {
        seen->route = true;
        put_route(b, line);
    } else if (is_header(line, SPAN("Max-Forwards"), 0)) {
        seen->hops = true;
        put_hops(b, line);
    } else {
        seen->length = seen->length || is_header(line, SPAN("Content-Length"), 'l');
        buf_put(b, line);
    }
}

static bool has_line(struct span lines, struct span name, char compact)
{
    struct span line;

    while ((line = take_line(&lines)).n) {
        if (is_header(line, name, compact))
            return true;
    }
    return false;
}

/* In front of the first there is, or behind the last Via. */
static void put_record_route(struct buf *b, bool dialog, struct hop_seen *seen)
{
    if (dialog && !seen->recorded)
        buf_puts(b, "Record-Route: <sip:192.0.2.2;lr>\r\n");
    seen->recorded = true;
}

struct span hop_forwards(struct span sent, struct span got)
{
    static char text[70000];
    struct buf b = BUF_ON(text);
    struct hop_seen seen = {false};
    size_t at = find_text(got, "\nVia: SIP/2.0/") + 1;
    struct span rest = span_sub(got, at, got.n), own_via, line;
    bool is_ack = span_starts(sent, SPAN("ACK ")); /* RFC 3261 16.11: no loop is looked for */
    bool dialog = span_starts(sent, SPAN("INVITE ")) || span_starts(sent, SPAN("SUBSCRIBE "));

    /* Ours, taken from what came out: protocol and branch are the hop's to choose. */
    own_via = take_line(&rest);
    if (!span_starts(span_sub(own_via, 16, own_via.n), SPAN(" 192.0.2.2:5060;branch=z9hG4bK")) ||
        own_via.n != sizeof("Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK0123456789abc\r\n") - 1 +
                         (is_ack ? 0 : sizeof(".0123456789abc") - 1))
        own_via = SPAN("(our Via)\r\n");
    rest = sent;
    buf_put(&b, take_line(&rest));
    while ((line = take_line(&rest)).n) {
        if (is_header(line, SPAN("Record-Route"), 0))
            put_record_route(&b, dialog, &seen);
        put_line(&b, line, own_via, &seen);
        if (!has_line(rest, SPAN("Record-Route"), 0) && !has_line(rest, SPAN("Via"), 'v'))
            put_record_route(&b, dialog, &seen);
    }
    if (!seen.hops)
        buf_puts(&b, "Max-Forwards: 70\r\n");
    if (!seen.length)
        buf_fmt(&b, "Content-Length: %zu\r\n", rest.n);
    buf_puts(&b, "\r\n");
    buf_put(&b, rest);
    CU_ASSERT(!b.overflow);
    return buf_span(&b);
}

struct span hop_returns(struct span sent)
{
    static char text[70000];
    struct buf b = BUF_ON(text);
    struct span rest = sent, line = take_line(&rest), value;
    size_t comma;

    while (line.n && !is_header(line, SPAN("Via"), 'v'))
        line = take_line(&rest);
    buf_put(&b, span_sub(sent, 0, (size_t)(line.p - sent.p)));
    value = value_of(line);
    comma = span_find(value, ',');
    if (comma < value.n) { /* only the first value goes */
        buf_put(&b, span_sub(line, 0, (size_t)(value.p - line.p)));
        value = span_trim(span_sub(value, comma + 1, value.n));
        buf_put(&b, span_sub(line, (size_t)(value.p - line.p), line.n));
    }
    buf_put(&b, rest);
    CU_ASSERT(!b.overflow);
    return buf_span(&b);
}
