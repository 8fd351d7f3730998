/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One transport at 192.0.2.1:5060, and a peer of bare sockets on the same simulated wire. */
#include "common/transport/transport.h"

#include <errno.h>
#include <stdio.h>

#include "common/net/netsim.h"
#include "tests/support/suite.h"

static struct sim *sim;
static struct wire *wire;
static struct net *net, *peer_net;
static struct sip_transport *t;
static struct sip_endpoint *e;
static struct net_udp *peer_udp;
static struct net_tcp *peer_tcp;
static struct net_listener *peer_listener;
static struct addr here, peer;

static char peer_text[8192], seen_text[8192]; /* what the peer got, and the transport's user */
static struct buf peer_got, seen;
static unsigned n_seen, n_datagrams, n_accepted, n_closed_peer;
static struct sip_flow last_flow;
static struct sip_target last_back; /* where the last request's response goes */
static unsigned n_watch;
static int watch_reason;

static struct addr at(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(s), 0, &a), 0);
    return a;
}

/* ---- the peer ---- */

static void peer_on_datagram(struct net_udp *u, const struct addr *from, struct span data,
                             void *ctx)
{
    (void)u, (void)from, (void)ctx;
    n_datagrams++;
    buf_put(&peer_got, data);
}

static void peer_on_connected(struct net_tcp *tcp, void *ctx)
{
    (void)tcp, (void)ctx;
}

static void peer_on_data(struct net_tcp *tcp, struct span data, void *ctx)
{
    (void)tcp, (void)ctx;
    buf_put(&peer_got, data);
}

static void peer_on_closed(struct net_tcp *tcp, int reason, void *ctx)
{
    (void)reason, (void)ctx;
    n_closed_peer++;
    if (peer_tcp == tcp)
        peer_tcp = NULL;
}

static const struct net_udp_ops peer_udp_ops = {peer_on_datagram};
static const struct net_tcp_ops peer_tcp_ops = {peer_on_connected, peer_on_data, peer_on_closed};

static void peer_on_accept(struct net_listener *li, struct net_tcp *tcp, void *ctx)
{
    (void)li, (void)ctx;
    n_accepted++;
    peer_tcp = tcp;
    net_tcp_attach(tcp, &peer_tcp_ops, NULL);
}

static void peer_listen(void)
{
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(peer_net, &peer, peer_on_accept, NULL, &peer_listener), 0);
}

static void peer_connect(void)
{
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(peer_net,
                                          &(struct addr){.family = AF_INET, .ip = {192, 0, 2, 9}},
                                          &here, &peer_tcp_ops, NULL, &peer_tcp),
                          0);
    sim_run(sim, 10 * MSEC);
}

static void peer_sends(struct span data)
{
    CU_ASSERT_EQUAL(peer_tcp ? net_tcp_send(peer_tcp, data) : net_udp_send(peer_udp, &here, data),
                    0);
    sim_run(sim, 10 * MSEC);
}

/* ---- the transport's user ---- */

static void on_message(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    (void)ctx;
    n_seen++;
    last_flow = *flow;
    if (m->is_request)
        last_back = sip_target_of_response(m, flow);
    seen.n = 0;
    buf_put(&seen, m->raw);
}

static void on_watch(struct sip_watch *w, int reason)
{
    (void)w;
    n_watch++;
    watch_reason = reason;
}

static void begin_with(const struct sip_transport_options *options)
{
    struct sip_endpoint_options eo = {.name = "gm", .tag = 7, .udp = true, .tcp = true};

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "us"), &net), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "peer"), &peer_net), 0);
    here = at("192.0.2.1:5060");
    peer = at("192.0.2.9:5080");
    CU_ASSERT_EQUAL_FATAL(net_udp_open(peer_net, &peer, NULL, &peer_udp_ops, NULL, &peer_udp), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(net, sim_rnd(sim), options, &t), 0);
    sip_transport_set_user(t, on_message, NULL);
    eo.local = here;
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(t, &eo, &e), 0);
    peer_got = BUF_ON(peer_text);
    seen = BUF_ON(seen_text);
    peer_tcp = NULL;
    peer_listener = NULL;
    n_seen = n_datagrams = n_accepted = n_closed_peer = n_watch = 0;
}

static void begin(void)
{
    begin_with(NULL);
}

static void end(void)
{
    sip_transport_free(t);
    net_free(net);
    net_free(peer_net);
    wire_free(wire);
    sim_free(sim);
}

#define REQUEST(method, via, more)                                                                 \
    SPAN(method " sip:bob@example.com SIP/2.0\r\n"                                                 \
                "Via: SIP/2.0/" via "\r\n"                                                         \
                "Max-Forwards: 70\r\n"                                                             \
                "From: <sip:alice@example.com>;tag=a\r\n"                                          \
                "To: <sip:bob@example.com>\r\n"                                                    \
                "Call-ID: c1\r\n"                                                                  \
                "CSeq: 1 " method "\r\n" more "\r\n")

static bool has(const struct buf *b, const char *text)
{
    CU_ASSERT_FATAL(b->n < b->cap);
    b->p[b->n] = '\0';
    return strstr(b->p, text) != NULL;
}

static bool got(const char *text)
{
    return has(&peer_got, text);
}

static bool saw(const char *text)
{
    return has(&seen, text);
}

/* ---- UDP ---- */

static void a_request_learns_where_it_came_from(void)
{
    begin();
    peer_sends(REQUEST("OPTIONS", "UDP 10.0.0.1:5070;rport;branch=z9hG4bK1", ""));
    CU_ASSERT_EQUAL(n_seen, 1);
    CU_ASSERT(saw("rport=5080"));
    CU_ASSERT(saw("received=192.0.2.9"));
    CU_ASSERT(last_flow.endpoint == e && last_flow.proto == NET_UDP);
    CU_ASSERT(addr_eq(&last_flow.remote, &peer));
    /* RFC 3581 4: back to the very port it came from */
    CU_ASSERT_EQUAL(last_back.flow.remote.port, 5080);
    end();
}

static void without_rport_the_response_goes_to_the_port_of_the_via(void)
{
    begin();
    peer_sends(REQUEST("OPTIONS", "UDP 10.0.0.1:5070;branch=z9hG4bK1", ""));
    CU_ASSERT(saw("received=192.0.2.9"));
    CU_ASSERT_EQUAL(last_back.flow.remote.port, 5070);
    CU_ASSERT(addr_ip_eq(&last_back.flow.remote, &peer)); /* never to what the Via claims */
    peer_sends(REQUEST("OPTIONS", "UDP 10.0.0.1;branch=z9hG4bK2", ""));
    CU_ASSERT_EQUAL(last_back.flow.remote.port, 5060);
    end();
}

static void an_unusable_request_is_answered_and_an_ack_never(void)
{
    begin();
    peer_sends(SPAN("OPTIONS sip:bob@example.com SIP/2.0\r\n"
                    "Via: SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bK1\r\n"
                    "From: <sip:alice@example.com>;tag=a\r\n"
                    "To: <sip:bob@example.com>\r\n"
                    "Call-ID: c1\r\n"
                    "CSeq: x OPTIONS\r\n\r\n"));
    CU_ASSERT_EQUAL(n_seen, 0);
    CU_ASSERT(got("SIP/2.0 400 "));
    CU_ASSERT(got("Warning: 399 192.0.2.1:5060 \""));
    CU_ASSERT(got("To: <sip:bob@example.com>;tag="));
    CU_ASSERT_EQUAL(sip_transport_counters(t)->bad_answered, 1);
    peer_sends(SPAN("ACK sip:bob@example.com SIP/2.0\r\n"
                    "Via: SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bK1\r\n"
                    "From: <sip:alice@example.com>;tag=a\r\n"
                    "To: <sip:bob@example.com>\r\n"
                    "Call-ID: c1\r\n"
                    "CSeq: x ACK\r\n\r\n"));
    peer_sends(SPAN("what is this"));
    CU_ASSERT_EQUAL(n_datagrams, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->bad_dropped, 2);
    end();
}

static enum sip_guard_verdict drop_all(const struct sip_flow *flow, struct span raw, void *ctx)
{
    (void)flow, (void)raw, (void)ctx;
    return SIP_GUARD_DROP;
}

static void what_the_guard_refuses_is_not_parsed(void)
{
    begin();
    sip_transport_set_guard(t, &(struct sip_guard){.on_bytes = drop_all}, NULL);
    peer_sends(REQUEST("OPTIONS", "UDP 10.0.0.1:5070;rport;branch=z9hG4bK1", ""));
    peer_sends(SPAN("broken"));
    CU_ASSERT_EQUAL(n_seen, 0);
    CU_ASSERT_EQUAL(n_datagrams, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->guard_dropped, 2);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->bad_dropped, 0);
    end();
}

static void strangers_are_dropped_but_their_answers_are_not(void)
{
    struct sip_endpoint *mw;
    struct addr_net allowed;
    struct sip_endpoint_options o = {.name = "mw", .udp = true, .tcp = true, .n_allow = 1};

    begin();
    CU_ASSERT_EQUAL(addr_net_parse(SPAN("192.0.2.10/31"), &allowed), 0); /* not the peer's .9 */
    o.allow = &allowed;
    o.local = here = at("192.0.2.1:5070");
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(t, &o, &mw), 0);
    peer_sends(REQUEST("OPTIONS", "UDP 10.0.0.1:5070;rport;branch=z9hG4bK1", ""));
    peer_connect();
    CU_ASSERT_EQUAL(n_seen, 0);
    CU_ASSERT_EQUAL(n_datagrams, 0);
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->strangers, 2);
    peer_sends(SPAN("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK2\r\n"
                    "From: <sip:a@ims.test>;tag=1\r\nTo: <sip:a@ims.test>;tag=2\r\n"
                    "Call-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n"));
    CU_ASSERT_EQUAL(n_seen, 1);
    end();
}

static void a_keep_alive_over_udp_is_not_answered(void)
{
    begin();
    peer_sends(SPAN("\r\n\r\n"));
    CU_ASSERT_EQUAL(n_datagrams, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->pings, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->bad_dropped, 0);
    end();
}

/* ---- TCP ---- */

#define LENGTH "Content-Length: 0\r\n"

static void messages_are_cut_out_of_the_stream(void)
{
    struct span one = REQUEST("OPTIONS", "TCP 10.0.0.1;branch=z9hG4bK1", LENGTH);

    begin();
    peer_connect();
    peer_sends(span_sub(one, 0, 50));
    CU_ASSERT_EQUAL(n_seen, 0);
    peer_sends(span_sub(one, 50, one.n));
    CU_ASSERT_EQUAL(n_seen, 1);
    CU_ASSERT(sip_flow_alive(t, &last_flow));
    (void)net_tcp_send(peer_tcp, one);
    peer_sends(one);
    CU_ASSERT_EQUAL(n_seen, 3);
    /* an answer goes back on the same connection */
    CU_ASSERT_EQUAL(sip_transport_send(t, &last_back, NET_TCP, SPAN("pretend"), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    ASSERT_SPAN_EQ(buf_span(&peer_got), "pretend");
    end();
}

static void a_ping_on_a_stream_is_answered(void)
{
    begin();
    peer_connect();
    peer_sends(SPAN("\r\n\r\n"));
    ASSERT_SPAN_EQ(buf_span(&peer_got), "\r\n");
    CU_ASSERT_EQUAL(sip_transport_counters(t)->pings, 1);
    end();
}

static void a_stream_without_content_length_is_answered_and_closed(void)
{
    begin();
    peer_connect();
    peer_sends(REQUEST("OPTIONS", "TCP 10.0.0.1;branch=z9hG4bK1", ""));
    CU_ASSERT_EQUAL(n_seen, 0);
    CU_ASSERT(got("SIP/2.0 400 "));
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections, 0);
    end();
}

static void one_connection_serves_all_that_goes_to_the_same_place(void)
{
    struct sip_target to;
    struct sip_flow used = {0};
    struct sip_watch w;

    begin();
    peer_listen();
    sip_watch_init(&w, on_watch);
    to = sip_target_of(e, NET_TCP, &peer, 0);
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("one "), &w, &used), 0);
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("two "), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("three"), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_accepted, 1);
    ASSERT_SPAN_EQ(buf_span(&peer_got), "one two three");
    CU_ASSERT(sip_flow_alive(t, &used));
    /* the peer goes: the watch is told, the flow is dead, a send makes a new connection */
    net_tcp_close(peer_tcp);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_watch, 1);
    CU_ASSERT(!sip_flow_alive(t, &used));
    to.policy = SIP_TARGET_CONNECTED_ONLY;
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("x"), NULL, NULL), -ENOTCONN);
    to.policy = 0;
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("x"), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_accepted, 2);
    end();
}

static void where_no_connection_may_be_made_only_those_of_the_peer_are_used(void)
{
    struct sip_endpoint_options o = {
        .name = "port_ps", .udp = true, .tcp = true, .never_connects = true};
    struct sip_endpoint *ps;
    struct sip_target to;

    begin();
    peer_listen();
    o.local = here = at("192.0.2.1:5062");
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(t, &o, &ps), 0);
    to = sip_target_of(ps, NET_TCP, &peer, SIP_TARGET_UDP_FALLBACK);
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("x"), NULL, NULL), -EPROTONOSUPPORT);
    peer_connect();
    peer_sends(REQUEST("OPTIONS", "TCP 192.0.2.9:5080;branch=z9hG4bK1", LENGTH));
    CU_ASSERT_PTR_EQUAL(last_flow.endpoint, ps);
    CU_ASSERT_EQUAL(sip_transport_send(t, &last_back, NET_TCP, SPAN("one"), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    ASSERT_SPAN_EQ(buf_span(&peer_got), "one");
    net_tcp_close(peer_tcp);
    peer_tcp = NULL;
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(sip_transport_send(t, &last_back, NET_TCP, SPAN("two"), NULL, NULL),
                    -EPROTONOSUPPORT);
    /* Nor for the sake of size. */
    to = sip_target_of(ps, NET_UDP, &peer, SIP_TARGET_LARGE_BY_TCP);
    CU_ASSERT_EQUAL(sip_target_proto(t, &to, 9000), NET_UDP);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_accepted, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections_opened, 0);
    end();
}

static void a_refused_connection_is_told_to_who_sent(void)
{
    struct sip_target to;
    struct sip_watch w;

    begin();
    sip_watch_init(&w, on_watch);
    to = sip_target_of(e, NET_TCP, &peer, 0); /* nobody listens */
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("one "), &w, NULL), 0);
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(n_watch, 1);
    CU_ASSERT(watch_reason > 0);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connect_failed, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections, 0);
    end();
}

static bool lose_tcp(enum net_proto proto, const struct addr *from, const struct addr *to,
                     struct span data, void *ctx)
{
    (void)from, (void)to, (void)data, (void)ctx;
    return proto != NET_TCP;
}

static void a_stopped_watch_is_not_told(void)
{
    struct sip_target to;
    struct sip_watch w;

    begin();
    sip_watch_init(&w, on_watch);
    wire_filter(wire, lose_tcp, NULL);
    to = sip_target_of(e, NET_TCP, &peer, 0);
    CU_ASSERT_EQUAL(sip_transport_send(t, &to, NET_TCP, SPAN("one "), &w, NULL), 0);
    sip_watch_stop(&w);
    sip_watch_stop(&w);
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(n_watch, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections, 0);
    end();
}

static void after_the_connection_the_response_goes_to_the_port_of_the_via(void)
{
    begin();
    peer_listen();
    peer_connect();
    peer_sends(REQUEST("OPTIONS", "TCP 192.0.2.9:5080;branch=z9hG4bK1", LENGTH));
    CU_ASSERT_EQUAL(n_seen, 1);
    net_tcp_close(peer_tcp);
    peer_tcp = NULL;
    sim_run(sim, 10 * MSEC);
    CU_ASSERT(!sip_flow_alive(t, &last_flow));
    CU_ASSERT_EQUAL(sip_transport_send(t, &last_back, NET_TCP, SPAN("pretend"), NULL, NULL), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_accepted, 1);
    ASSERT_SPAN_EQ(buf_span(&peer_got), "pretend");
    end();
}

static void idle_and_slow_connections_are_closed(void)
{
    struct span one = REQUEST("OPTIONS", "TCP 10.0.0.1;branch=z9hG4bK1", LENGTH);

    begin();
    peer_connect();
    for (int i = 0; i < 3; i++) { /* a byte now and then does not save it */
        peer_sends(span_sub(one, (size_t)i, (size_t)i + 1));
        sim_run(sim, 4 * SEC);
    }
    CU_ASSERT_EQUAL(sip_transport_counters(t)->closed_slow, 1);
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    peer_connect();
    peer_sends(one);
    sim_run(sim, 14 * 60 * SEC);
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    peer_sends(SPAN("\r\n\r\n"));
    sim_run(sim, 14 * 60 * SEC);
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    sim_run(sim, 2 * 60 * SEC);
    CU_ASSERT_EQUAL(n_closed_peer, 2);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->closed_idle, 1);
    end();
}

static void connections_are_bounded_per_source_and_in_all(void)
{
    struct sip_transport_options o = sip_transport_options_default;

    o.connections_per_source = 2;
    begin_with(&o);
    for (int i = 0; i < 3; i++)
        peer_connect();
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections, 2);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections_refused_source, 1);
    CU_ASSERT_EQUAL(n_closed_peer, 1);
    end();
    o.connections_per_source = 64;
    o.connections = 2;
    begin_with(&o);
    for (int i = 0; i < 3; i++)
        peer_connect();
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections, 2);
    CU_ASSERT_EQUAL(sip_transport_counters(t)->connections_refused_full, 1);
    end();
}

static void a_large_request_takes_tcp_where_the_policy_says_so(void)
{
    struct sip_target to;

    begin();
    to = sip_target_of(e, NET_UDP, &peer, SIP_TARGET_LARGE_BY_TCP);
    CU_ASSERT_EQUAL(sip_target_proto(t, &to, 1300), NET_UDP);
    CU_ASSERT_EQUAL(sip_target_proto(t, &to, 1301), NET_TCP);
    to.policy = 0;
    CU_ASSERT_EQUAL(sip_target_proto(t, &to, 1301), NET_UDP);
    end();
}

/* ---- next hop ---- */

static struct sip_target found[SIP_TARGETS_MAX];
static size_t n_found;
static int found_error;
static unsigned n_done;

static void on_found(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        found[i] = targets[i];
    n_found = n;
    found_error = error;
    n_done++;
}

static void resolve(const char *text)
{
    struct sip_uri uri;
    struct sip_resolving *r = NULL;

    CU_ASSERT_EQUAL_FATAL(sip_uri_parse(span_str(text), &uri), 0);
    n_done = 0;
    sip_resolve(t, &uri, e, 0, on_found, NULL, &r);
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(n_done, 1);
}

static void a_uri_becomes_targets(void)
{
    struct addr a = at("192.0.2.20:0");

    begin();
    (void)wire_add_host(wire, "s1.example.com", &a);
    (void)wire_add_srv(wire, "_sip._udp.example.com", 1, 1, "s1.example.com", 6060);
    resolve("sip:192.0.2.9:5080;transport=tcp");
    CU_ASSERT_EQUAL(n_found, 1);
    CU_ASSERT_EQUAL(found[0].flow.proto, NET_TCP);
    CU_ASSERT(addr_eq(&found[0].flow.remote, &peer));
    resolve("sip:192.0.2.9");
    CU_ASSERT_EQUAL(found[0].flow.proto, NET_UDP);
    CU_ASSERT_EQUAL(found[0].flow.remote.port, 5060);
    resolve("sip:example.com;lr");
    CU_ASSERT_EQUAL(n_found, 1);
    CU_ASSERT_EQUAL(found[0].flow.remote.port, 6060);
    resolve("sip:nobody.example.net");
    CU_ASSERT_EQUAL(n_found, 0);
    CU_ASSERT(found_error < 0);
    resolve("sips:192.0.2.9");
    CU_ASSERT_EQUAL(found_error, -EPROTONOSUPPORT);
    resolve("sip:192.0.2.9;transport=sctp");
    CU_ASSERT_EQUAL(found_error, -EPROTONOSUPPORT);
    resolve("tel:+4930123");
    CU_ASSERT_EQUAL(found_error, -EINVAL);
    end();
}

static void an_endpoint_needs_an_address_and_a_protocol(void)
{
    struct sip_endpoint_options o = {.name = "x", .local = at("0.0.0.0:5060"), .udp = true};
    struct sip_endpoint *x = NULL;

    begin();
    CU_ASSERT_EQUAL(sip_endpoint_open(t, &o, &x), -EINVAL);
    o.local = at("192.0.2.1:5999");
    o.udp = false;
    CU_ASSERT_EQUAL(sip_endpoint_open(t, &o, &x), -EINVAL);
    o.udp = true;
    o.local = here;
    CU_ASSERT_EQUAL(sip_endpoint_open(t, &o, &x), -EADDRINUSE);
    CU_ASSERT_PTR_NULL(x);
    ASSERT_SPAN_EQ(sip_endpoint_sent_by(e), "192.0.2.1:5060");
    CU_ASSERT_EQUAL(sip_endpoint_tag(e), 7);
    end();
}

TEST_MAIN("common/transport",
          {"a request learns where it came from", a_request_learns_where_it_came_from},
          {"without rport the response goes to the port of the Via",
           without_rport_the_response_goes_to_the_port_of_the_via},
          {"an unusable request is answered, an ACK never",
           an_unusable_request_is_answered_and_an_ack_never},
          {"what the guard refuses is not parsed", what_the_guard_refuses_is_not_parsed},
          {"where no connection may be made only those of the peer are used",
           where_no_connection_may_be_made_only_those_of_the_peer_are_used},
          {"strangers are dropped, but their answers are not",
           strangers_are_dropped_but_their_answers_are_not},
          {"a keep-alive over UDP is not answered", a_keep_alive_over_udp_is_not_answered},
          {"messages are cut out of the stream", messages_are_cut_out_of_the_stream},
          {"a ping on a stream is answered", a_ping_on_a_stream_is_answered},
          {"a stream without Content-Length is answered and closed",
           a_stream_without_content_length_is_answered_and_closed},
          {"one connection serves all that goes to the same place",
           one_connection_serves_all_that_goes_to_the_same_place},
          {"a refused connection is told to who sent", a_refused_connection_is_told_to_who_sent},
          {"a stopped watch is not told", a_stopped_watch_is_not_told},
          {"after the connection the response goes to the port of the Via",
           after_the_connection_the_response_goes_to_the_port_of_the_via},
          {"idle and slow connections are closed", idle_and_slow_connections_are_closed},
          {"connections are bounded per source and in all",
           connections_are_bounded_per_source_and_in_all},
          {"a large request takes TCP where the policy says so",
           a_large_request_takes_tcp_where_the_policy_says_so},
          {"a URI becomes targets", a_uri_becomes_targets},
          {"an endpoint needs an address and a protocol",
           an_endpoint_needs_an_address_and_a_protocol})
