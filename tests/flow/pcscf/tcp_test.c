/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes to a phone over TCP although it registered over UDP. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

static struct net_tcp *accepted;
static char heard[PEER_TEXT_MAX];

static void on_data(struct net_tcp *t, struct span data, void *ctx)
{
    struct buf b = {heard, strlen(heard), sizeof(heard) - 1, false};

    (void)t, (void)ctx;
    buf_put(&b, data);
    CU_ASSERT_FALSE(b.overflow);
    heard[b.n] = '\0';
}

static void on_closed(struct net_tcp *t, int reason, void *ctx)
{
    (void)t, (void)reason, (void)ctx;
    accepted = NULL;
}

static const struct net_tcp_ops ops = {NULL, on_data, on_closed};

static void on_connected(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx;
}

static const struct net_tcp_ops client_ops = {on_connected, on_data, on_closed};

static void on_accept(struct net_listener *li, struct net_tcp *t, void *ctx)
{
    (void)li, (void)ctx;
    accepted = t;
    net_tcp_attach(t, &ops, NULL);
}

/* A MESSAGE of the core's to alice with that many octets of text in one header. */
static void core_says(const char *call_id, size_t n)
{
    char text[2000];

    memset(text, 'x', n);
    text[n] = '\0';
    peer_say(&w.scscf, &w.mw,
             "MESSAGE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK%s\n"
             "Route: %s\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: %s\nCSeq: 1 MESSAGE\nMax-Forwards: 66\n"
             "Subject: %s\n",
             call_id, w.alice.path, call_id, text);
    world_run(50);
}

static void open_with_alice(struct net_listener **ret_listener)
{
    accepted = NULL;
    heard[0] = '\0';
    world_open(NULL);
    phone_is_registered(&w.alice);
    if (ret_listener)
        CU_ASSERT_EQUAL_FATAL(
            net_tcp_listen(w.alice.us.net, &w.alice.us.local, on_accept, NULL, ret_listener), 0);
}

static void close_with(struct net_listener *li)
{
    if (accepted)
        net_tcp_close(accepted);
    net_listener_close(li);
    world_close();
}

static void a_large_request_reaches_the_phone_by_tcp(void)
{
    struct net_listener *li;
    char answer[1024];

    open_with_alice(&li);
    core_says("small", 10);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "MESSAGE", NULL));
    CU_ASSERT_PTR_NULL(accepted);

    core_says("large", 1300);
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "MESSAGE", NULL));
    CU_ASSERT_PTR_NOT_NULL_FATAL(accepted);
    CU_ASSERT_EQUAL(net_tcp_remote(accepted)->port, ipsec_fake_set(w.fake, 0)->port_pc);
    CU_ASSERT_PTR_EQUAL(strstr(heard, "MESSAGE sip:alice@192.0.2.7:31001 "), heard);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(heard, "Via", 0), "SIP/2.0/TCP 192.0.2.10:5062"));
    /* Its answer comes back on the connection. */
    int n = snprintf(answer, sizeof(answer), "SIP/2.0 200 OK\r\nVia: %s\r\n",
                     peer_header(heard, "Via", 0));
    n += snprintf(answer + n, sizeof(answer) - (size_t)n,
                  "Via: %s\r\nFrom: <sip:bob@" DOMAIN ">;tag=f\r\nTo: <sip:alice@" DOMAIN
                  ">;tag=t\r\nCall-ID: large\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
                  peer_header(heard, "Via", 1));
    CU_ASSERT_EQUAL(net_tcp_send(accepted, span_of(answer, (size_t)n)), 0);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    /* The next one takes it, too. */
    heard[0] = '\0';
    core_says("next", 1300);
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "Call-ID: next\r\n"));
    close_with(li);
}

static void a_phone_that_takes_no_connection_gets_it_by_udp(void)
{
    struct addr from;
    const char *m;

    open_with_alice(NULL);
    core_says("large", 1300);
    m = peer_take(&w.alice.us, "MESSAGE", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Via", 0), "SIP/2.0/UDP 192.0.2.10:5062"));
    CU_ASSERT_EQUAL(from.port, ipsec_fake_set(w.fake, 0)->port_pc);
    world_close();
}

/* Alice's phone asks over a connection of its own, port_uc to port_ps; the core's copy is kept. */
static struct net_tcp *alice_asks(char request[PEER_TEXT_MAX])
{
    struct net_tcp *t = NULL;
    char text[1024];
    const char *m;
    int n = snprintf(text, sizeof(text),
                     "MESSAGE sip:bob@" DOMAIN " SIP/2.0\r\n"
                     "Via: SIP/2.0/TCP 192.0.2.7:31001;branch=z9hG4bKtcp\r\n"
                     "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\r\n"
                     "From: <sip:alice@" DOMAIN ">;tag=f\r\nTo: <sip:bob@" DOMAIN ">\r\n"
                     "Call-ID: tcp\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
                     "Content-Length: 0\r\n\r\n");

    CU_ASSERT_EQUAL_FATAL(
        net_tcp_connect(w.alice.uc.net, &w.alice.uc.local, &w.alice.ps, &client_ops, NULL, &t), 0);
    world_run(20);
    CU_ASSERT_EQUAL(net_tcp_send(t, span_of(text, (size_t)n)), 0);
    world_run(50);
    m = peer_take(&w.scscf, "MESSAGE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(request, PEER_TEXT_MAX, "%s", m);
    return t;
}

static void an_answer_takes_the_connection_of_its_request(void)
{
    struct net_listener *li;
    char request[PEER_TEXT_MAX];
    struct net_tcp *t;

    open_with_alice(&li);
    t = alice_asks(request);
    peer_answer(&w.scscf, &w.mw, request, "200 OK", "t", "", NULL);
    world_run(50);
    CU_ASSERT_PTR_NULL(accepted);
    CU_ASSERT_PTR_EQUAL(strstr(heard, "SIP/2.0 200 OK"), heard);
    net_tcp_close(t);
    close_with(li);
}

/* TS 33.203 7.1: port_pc to port_us, where there is an SA. From any other port it would go in the clear. */
static void an_answer_whose_connection_has_gone_stays_in_the_security_association(void)
{
    struct net_listener *li;
    char request[PEER_TEXT_MAX];
    struct net_tcp *t;

    open_with_alice(&li);
    t = alice_asks(request);
    net_tcp_close(t);
    world_run(50);
    peer_answer(&w.scscf, &w.mw, request, "200 OK", "t", "", NULL);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL_FATAL(accepted);
    CU_ASSERT_EQUAL(net_tcp_remote(accepted)->port, ipsec_fake_set(w.fake, 0)->port_pc);
    CU_ASSERT_PTR_EQUAL(strstr(heard, "SIP/2.0 200 OK"), heard);
    close_with(li);
}

TEST_MAIN("flow/pcscf/tcp",
          {"a large request reaches the phone by TCP", a_large_request_reaches_the_phone_by_tcp},
          {"a phone that takes no connection gets it by UDP",
           a_phone_that_takes_no_connection_gets_it_by_udp},
          {"an answer takes the connection of its request",
           an_answer_takes_the_connection_of_its_request},
          {"an answer whose connection has gone stays in the security association",
           an_answer_whose_connection_has_gone_stays_in_the_security_association})
