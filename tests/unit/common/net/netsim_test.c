/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/net/netsim.h"

#include <errno.h>

#include "tests/support/suite.h"

static struct sim *sim;
static struct wire *wire;
static struct net *client, *server;
static char text[4096];
static struct buf seen;
static unsigned count;

static struct addr at(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(s), 0, &a), 0);
    return a;
}

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "client"), &client), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "server"), &server), 0);
    seen = BUF_ON(text);
    count = 0;
}

static void end(void)
{
    net_free(client);
    net_free(server);
    wire_free(wire);
    sim_free(sim);
}

/* ---- UDP ---- */

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    char a[ADDR_TEXT_MAX];

    (void)u, (void)ctx;
    count++;
    buf_fmt(&seen, "%s %.*s;", addr_text(from, a), SPAN_ARG(data));
}

static const struct net_udp_ops udp_ops = {on_datagram};

static void open_pair(struct net_udp **ret_from, struct net_udp **ret_to, struct addr *ret_addr)
{
    struct addr a = at("192.0.2.1:5060");

    *ret_addr = at("192.0.2.2:5060");
    CU_ASSERT_EQUAL_FATAL(net_udp_open(client, &a, NULL, &udp_ops, NULL, ret_from), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(server, ret_addr, NULL, &udp_ops, NULL, ret_to), 0);
}

static void a_datagram_arrives_after_the_delay(void)
{
    struct net_udp *from, *to;
    struct addr a;

    begin();
    open_pair(&from, &to, &a);
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("hello")), 0);
    sim_run(sim, 999);
    CU_ASSERT_EQUAL(count, 0);
    sim_run(sim, 1);
    ASSERT_SPAN_EQ(buf_span(&seen), "192.0.2.1:5060 hello;");
    net_udp_close(to);
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("nobody")), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(count, 1);
    end();
}

static void an_address_is_bound_once(void)
{
    struct net_udp *u, *v;
    struct addr a = at("192.0.2.1:5060");

    begin();
    CU_ASSERT_EQUAL(net_udp_open(client, &a, NULL, &udp_ops, NULL, &u), 0);
    CU_ASSERT_EQUAL(net_udp_open(server, &a, NULL, &udp_ops, NULL, &v), -EADDRINUSE);
    net_udp_close(u);
    CU_ASSERT_EQUAL(net_udp_open(server, &a, NULL, &udp_ops, NULL, &v), 0);
    end();
}

static void a_bad_wire_loses_duplicates_and_reorders(void)
{
    struct net_udp *from, *to;
    struct addr a;

    begin();
    open_pair(&from, &to, &a);
    wire_set(wire, &(struct wire_conditions){.delay = MSEC, .loss = 500});
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("x")), 0);
    sim_run(sim, SEC);
    CU_ASSERT_TRUE(count > 420 && count < 580);
    count = 0;
    wire_set(wire, &(struct wire_conditions){.delay = MSEC, .duplicate = 1000});
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("x")), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(count, 2);
    seen = BUF_ON(text);
    wire_set(wire, &(struct wire_conditions){.delay = MSEC, .reorder = 1000});
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("1")), 0);
    wire_set(wire, &(struct wire_conditions){.delay = MSEC});
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("2")), 0);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "192.0.2.1:5060 2;192.0.2.1:5060 1;");
    end();
}

static bool pass_short(enum net_proto proto, const struct addr *from, const struct addr *to,
                       struct span data, void *ctx)
{
    (void)proto, (void)from, (void)to, (void)ctx;
    return data.n < 3;
}

static void a_filter_decides_what_leaves(void)
{
    struct net_udp *from, *to;
    struct addr a;

    begin();
    open_pair(&from, &to, &a);
    wire_filter(wire, pass_short, NULL);
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("long")), 0);
    CU_ASSERT_EQUAL(net_udp_send(from, &a, SPAN("ok")), 0);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "192.0.2.1:5060 ok;");
    end();
}

/* ---- TCP ---- */

static struct net_tcp *accepted;

static void on_connected(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx;
    buf_puts(&seen, "connected;");
}

static void on_data(struct net_tcp *t, struct span data, void *ctx)
{
    (void)t, (void)ctx;
    buf_put(&seen, data);
}

static void on_closed(struct net_tcp *t, int reason, void *ctx)
{
    (void)t, (void)ctx;
    buf_fmt(&seen, "closed %d;", reason);
}

static const struct net_tcp_ops tcp_ops = {on_connected, on_data, on_closed};

static void on_accept(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    (void)li;
    if (ctx)
        return; /* not attached: refused */
    accepted = t;
    net_tcp_attach(t, &tcp_ops, NULL);
}

static void a_connection_keeps_its_order_under_jitter(void)
{
    struct addr a = at("192.0.2.2:5060");
    struct net_listener *li;
    struct net_tcp *t;

    begin();
    wire_set(wire, &(struct wire_conditions){.delay = MSEC, .jitter = 50 * MSEC, .loss = 500});
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(server, &a, on_accept, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(client, NULL, &a, &tcp_ops, NULL, &t), 0);
    sim_run(sim, SEC);
    for (char c = 'a'; c <= 'z'; c++)
        CU_ASSERT_EQUAL(net_tcp_send(t, span_of(&c, 1)), 0);
    net_tcp_close(t);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "connected;abcdefghijklmnopqrstuvwxyzclosed 0;");
    end();
}

static void what_is_sent_before_the_connection_stands_arrives(void)
{
    struct addr a = at("192.0.2.2:5060"), local = at("192.0.2.1:5064");
    struct net_listener *li;
    struct net_tcp *t, *again;

    begin();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(server, &a, on_accept, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(client, &local, &a, &tcp_ops, NULL, &t), 0);
    CU_ASSERT_EQUAL(net_tcp_connect(client, &local, &a, &tcp_ops, NULL, &again), -EADDRINUSE);
    CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("early;")), 0);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "early;connected;");
    CU_ASSERT_TRUE(addr_eq(net_tcp_remote(accepted), &local));
    end();
}

static void nobody_listening_and_nobody_attaching_end_the_connection(void)
{
    struct addr a = at("192.0.2.2:5060");
    struct net_listener *li;
    struct net_tcp *t;
    char want[64];
    struct buf b = BUF_ON(want);

    begin();
    CU_ASSERT_EQUAL(net_tcp_connect(client, NULL, &a, &tcp_ops, NULL, &t), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(net_tcp_listen(server, &a, on_accept, &a, &li), 0);
    CU_ASSERT_EQUAL(net_tcp_connect(client, NULL, &a, &tcp_ops, NULL, &t), 0);
    sim_run(sim, SEC);
    buf_fmt(&b, "closed %d;connected;closed %d;", ECONNREFUSED, ECONNRESET);
    CU_ASSERT_TRUE(span_eq(buf_span(&seen), buf_span(&b)));
    end();
}

static void the_send_queue_is_bounded(void)
{
    struct addr a = at("192.0.2.2:5060");
    struct net_listener *li;
    struct net_tcp *t;

    begin();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(server, &a, on_accept, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(client, NULL, &a, &tcp_ops, NULL, &t), 0);
    net_tcp_limit(t, 8);
    CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("12345")), 0);
    CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("6789")), -ENOBUFS);
    CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("678")), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("87654321")), 0);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "12345678connected;87654321");
    end();
}

/* ---- names ---- */

static void on_resolved(const struct net_target *targets, size_t n, int error, void *ctx)
{
    char a[ADDR_TEXT_MAX];

    (void)ctx;
    for (size_t i = 0; i < n; i++)
        buf_fmt(&seen, "%s %s;", net_proto_name(targets[i].proto), addr_text(&targets[i].addr, a));
    buf_fmt(&seen, "%s;", error ? "error" : "ok");
}

static void names_are_resolved_from_the_wire(void)
{
    struct addr a = at("192.0.2.2:0");
    struct net_resolve_query q = {.host = SPAN("ims.test")};

    begin();
    CU_ASSERT_EQUAL(wire_add_naptr(wire, "ims.test", "SIP+D2T", "_sip._tcp.ims.test"), 0);
    CU_ASSERT_EQUAL(wire_add_srv(wire, "_sip._tcp.ims.test", 1, 1, "s.ims.test", 4060), 0);
    CU_ASSERT_EQUAL(wire_add_host(wire, "s.ims.test", &a), 0);
    CU_ASSERT_PTR_NOT_NULL(net_resolve(client, &q, on_resolved, NULL));
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "TCP 192.0.2.2:4060;ok;");
    struct net_resolve *r = net_resolve(client, &q, on_resolved, NULL);
    net_resolve_cancel(r);
    q.host = SPAN("192.0.2.7");
    CU_ASSERT_PTR_NULL(net_resolve(client, &q, on_resolved, NULL));
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "TCP 192.0.2.2:4060;ok;UDP 192.0.2.7:5060;ok;");
    q.host = SPAN("left.open.test"); /* ends with the network */
    CU_ASSERT_PTR_NOT_NULL(net_resolve(client, &q, on_resolved, NULL));
    end();
}

TEST_MAIN("common/net/netsim",
          {"a datagram arrives after the delay", a_datagram_arrives_after_the_delay},
          {"an address is bound once", an_address_is_bound_once},
          {"a bad wire loses, duplicates and reorders", a_bad_wire_loses_duplicates_and_reorders},
          {"a filter decides what leaves", a_filter_decides_what_leaves},
          {"a connection keeps its order under jitter", a_connection_keeps_its_order_under_jitter},
          {"what is sent before the connection stands arrives",
           what_is_sent_before_the_connection_stands_arrives},
          {"nobody listening and nobody attaching end the connection",
           nobody_listening_and_nobody_attaching_end_the_connection},
          {"the send queue is bounded", the_send_queue_is_bounded},
          {"names are resolved from the wire", names_are_resolved_from_the_wire})
