/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's network on loopback. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/net/net.h"
#include "tests/support/suite.h"

static struct loop *loop;
static struct net *net;
static struct loop_timer deadline;
static bool late;
static unsigned n_got, n_connected, n_closed;
static size_t octets;
static int reason;
static struct net_tcp *server_side;
static char last[64];

static void on_deadline(struct loop_timer *t, void *ctx)
{
    (void)t, (void)ctx;
    late = true;
    loop_stop(loop);
}

static void open_all(void)
{
    n_got = n_connected = n_closed = 0;
    octets = 0;
    reason = -1;
    late = false;
    server_side = NULL;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(net_new(loop, &net), 0);
    loop_timer_init(&deadline, on_deadline, NULL);
    loop_timer_start(loop, &deadline, 20 * SEC);
}

static void close_all(void)
{
    CU_ASSERT_FALSE(late);
    loop_timer_stop(loop, &deadline);
    net_free(net);
    loop_free(loop);
}

static struct addr at(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

/* ---- UDP ---- */

enum { DATAGRAMS = 100 };

static void count_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    struct addr *want = ctx;

    (void)u;
    CU_ASSERT_TRUE(addr_eq(from, want));
    CU_ASSERT_EQUAL(data.n, 500 + n_got);
    CU_ASSERT_EQUAL(data.p[0], (char)n_got);
    if (++n_got == DATAGRAMS)
        loop_stop(loop);
}

static void datagrams_come_in_order_from_who_sent_them(void)
{
    static const struct net_udp_ops ops = {count_datagram};
    struct addr any = at("127.0.0.1:0"), source;
    struct net_udp *a, *b;
    char data[1000];

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_udp_open(net, &any, NULL, &ops, &source, &a), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(net, &any, NULL, &ops, &source, &b), 0);
    source = *net_udp_local(a);
    CU_ASSERT_NOT_EQUAL(source.port, 0);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        memset(data, (int)i, sizeof(data));
        CU_ASSERT_EQUAL(net_udp_send(a, net_udp_local(b), span_of(data, 500 + i)), 0);
    }
    loop_run(loop);
    CU_ASSERT_EQUAL(n_got, DATAGRAMS);
    net_udp_close(a);
    net_udp_close(b);
    close_all();
}

static void close_itself(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)from, (void)data, (void)ctx;
    n_got++;
    net_udp_close(u);
    loop_stop(loop);
}

static void a_socket_may_close_itself_while_it_is_read(void)
{
    static const struct net_udp_ops ops = {close_itself};
    struct addr any = at("127.0.0.1:0");
    struct net_udp *a, *b;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_udp_open(net, &any, NULL, &ops, NULL, &a), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(net, &any, NULL, &ops, NULL, &b), 0);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(net_udp_send(a, net_udp_local(b), SPAN("x")), 0);
    loop_run(loop);
    CU_ASSERT_EQUAL(n_got, 1);
    close_all();
}

static void faults_of_sockets_are_named(void)
{
    static const struct net_udp_ops ops = {close_itself};
    struct addr any = at("127.0.0.1:0"), far = at("192.0.2.1:0"), six = at("[::1]:5060");
    struct net_udp *a, *b;
    char *large = calloc(1, 70000);

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_udp_open(net, &any, NULL, &ops, NULL, &a), 0);
    CU_ASSERT_EQUAL(net_udp_open(net, net_udp_local(a), NULL, &ops, NULL, &b), -EADDRINUSE);
    CU_ASSERT_EQUAL(net_udp_open(net, &far, NULL, &ops, NULL, &b), -EADDRNOTAVAIL);
    CU_ASSERT_EQUAL(net_udp_send(a, &six, SPAN("x")), -EAFNOSUPPORT);
    CU_ASSERT_EQUAL(net_udp_send(a, &any, span_of(large, 70000)), -EMSGSIZE);
    free(large);
    close_all();
}

/* ---- TCP ---- */

static void on_connected(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx;
    n_connected++;
}

static void on_data(struct net_tcp *t, struct span data, void *ctx)
{
    (void)ctx;
    octets += data.n;
    (void)span_copy(span_sub(data, 0, sizeof(last) - 1), last, sizeof(last));
    if (t == server_side && octets == 5)
        CU_ASSERT_EQUAL(net_tcp_send(t, SPAN("world!")), 0);
    if (t != server_side)
        loop_stop(loop);
}

static void on_closed(struct net_tcp *t, int why, void *ctx)
{
    (void)t, (void)ctx;
    n_closed++;
    reason = why;
    loop_stop(loop);
}

static const struct net_tcp_ops tcp_ops = {on_connected, on_data, on_closed};

static void on_accept(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    (void)li, (void)ctx;
    server_side = t;
    net_tcp_attach(t, &tcp_ops, NULL);
}

static void a_connection_carries_both_ways_and_ends(void)
{
    struct addr any = at("127.0.0.1:0"), from = at("127.0.0.2:0");
    struct net_listener *li;
    struct net_tcp *c;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(net, &any, on_accept, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(net, &from, net_listener_local(li), &tcp_ops, NULL, &c),
                          0);
    CU_ASSERT_EQUAL(net_tcp_send(c, SPAN("hello")), 0); /* before it stands */
    loop_run(loop);
    CU_ASSERT_EQUAL(n_connected, 1);
    CU_ASSERT_STRING_EQUAL(last, "world!");
    CU_ASSERT_TRUE(addr_ip_eq(net_tcp_remote(server_side), &from));
    net_tcp_close(c);
    loop_run(loop);
    CU_ASSERT_EQUAL(n_closed, 1);
    CU_ASSERT_EQUAL(reason, 0);
    net_listener_close(li);
    close_all();
}

static void nobody_there_is_told(void)
{
    struct addr any = at("127.0.0.1:0"), gone;
    struct net_listener *li;
    struct net_tcp *c;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(net, &any, on_accept, NULL, &li), 0);
    gone = *net_listener_local(li);
    net_listener_close(li);
    if (net_tcp_connect(net, NULL, &gone, &tcp_ops, NULL, &c) == 0) {
        loop_run(loop);
        CU_ASSERT_EQUAL(reason, ECONNREFUSED);
        CU_ASSERT_EQUAL(n_connected, 0);
    }
    close_all();
}

static void count_all(struct net_tcp *t, struct span data, void *ctx)
{
    (void)t, (void)ctx;
    octets += data.n;
}

static void accept_counting(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    static const struct net_tcp_ops ops = {on_connected, count_all, on_closed};

    (void)li, (void)ctx;
    net_tcp_attach(t, &ops, NULL);
}

static void close_when_connected(struct loop_timer *t, void *ctx)
{
    if (n_connected)
        net_tcp_close(ctx);
    else
        loop_timer_start(loop, t, 1);
}

static void what_was_queued_arrives_after_close_and_no_more_is_taken(void)
{
    struct addr any = at("127.0.0.1:0");
    struct net_listener *li;
    struct net_tcp *c;
    char *data = calloc(1, 100000);
    struct loop_timer closing;
    size_t taken = 0;
    int rc = 0;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(net, &any, accept_counting, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(net, NULL, net_listener_local(li), &tcp_ops, NULL, &c),
                          0);
    net_tcp_limit(c, 1000000);
    while ((rc = net_tcp_send(c, span_of(data, 100000))) == 0)
        taken += 100000;
    CU_ASSERT_EQUAL(rc, -ENOBUFS);
    CU_ASSERT_EQUAL(taken, 1000000);
    loop_timer_init(&closing, close_when_connected, c);
    loop_timer_start(loop, &closing, 1);
    loop_run(loop); /* until the other side hears the end */
    CU_ASSERT_EQUAL(octets, taken);
    CU_ASSERT_EQUAL(reason, 0);
    free(data);
    net_listener_close(li);
    close_all();
}

static void what_was_queued_arrives_even_when_closed_before_it_stood(void)
{
    struct addr any = at("127.0.0.1:0");
    struct net_listener *li;
    struct net_tcp *c;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(net, &any, accept_counting, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(net, NULL, net_listener_local(li), &tcp_ops, NULL, &c),
                          0);
    CU_ASSERT_EQUAL(net_tcp_send(c, SPAN("hello")), 0);
    net_tcp_close(c);
    loop_run(loop); /* until the other side hears the end */
    CU_ASSERT_EQUAL(octets, 5);
    CU_ASSERT_EQUAL(n_connected, 0); /* no callback follows a close */
    CU_ASSERT_EQUAL(reason, 0);
    net_listener_close(li);
    close_all();
}

static void accept_and_stop(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    on_accept(li, t, ctx);
    loop_stop(loop);
}

static void stop_now(struct loop_timer *t, void *ctx)
{
    (void)t, (void)ctx;
    loop_stop(loop);
}

static void a_listener_out_of_descriptors_takes_connections_when_there_are_some(void)
{
    struct addr any = at("127.0.0.1:0");
    struct rlimit before, none;
    struct net_listener *li;
    struct net_tcp *c;
    struct loop_timer soon;

    open_all();
    CU_ASSERT_EQUAL_FATAL(net_tcp_listen(net, &any, accept_and_stop, NULL, &li), 0);
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(net, NULL, net_listener_local(li), &tcp_ops, NULL, &c),
                          0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    loop_timer_init(&soon, stop_now, NULL);
    loop_timer_start(loop, &soon, 10 * MSEC);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_run(loop);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    CU_ASSERT_PTR_NULL(server_side);
    loop_run(loop);
    CU_ASSERT_PTR_NOT_NULL(server_side);
    net_tcp_close(c);
    net_listener_close(li);
    close_all();
}

TEST_MAIN("common/net/kernel",
          {"datagrams come in order, from who sent them",
           datagrams_come_in_order_from_who_sent_them},
          {"a socket may close itself while it is read",
           a_socket_may_close_itself_while_it_is_read},
          {"faults of sockets are named", faults_of_sockets_are_named},
          {"a connection carries both ways and ends", a_connection_carries_both_ways_and_ends},
          {"nobody there is told", nobody_there_is_told},
          {"what was queued arrives after close, and no more is taken",
           what_was_queued_arrives_after_close_and_no_more_is_taken},
          {"what was queued arrives even when closed before it stood",
           what_was_queued_arrives_even_when_closed_before_it_stood},
          {"a listener out of descriptors takes connections when there are some",
           a_listener_out_of_descriptors_takes_connections_when_there_are_some})
