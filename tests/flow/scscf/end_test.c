/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls the S-CSCF ends itself: its BYE goes to both sides by their routes, not back over whatever their last message
 * came in by. */
#include <stdio.h>

#include "tests/flow/scscf/world.h"

static char heard[PEER_TEXT_MAX];

static void on_connected(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx;
}

static void on_data(struct net_tcp *t, struct span data, void *ctx)
{
    (void)t, (void)ctx;
    (void)span_copy(data, heard, sizeof(heard));
}

static void on_closed(struct net_tcp *t, int reason, void *ctx)
{
    (void)t, (void)reason, (void)ctx;
}

static void at_most_an_hour(struct scscf_options *o)
{
    o->call_max = 3600 * SEC;
}

/* alice's INVITE reaches us over t; bob answers. */
static void call_is_answered(struct net_tcp *t)
{
    static const char text[] =
        "INVITE " BOB " SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.10:5070;branch=z9hG4bKc1\r\n"
        "Route: " ROUTE_ORIG "\r\nRecord-Route: <sip:192.0.2.10:5070;lr>\r\n"
        "From: <" ALICE ">;tag=a\r\nTo: <" BOB ">\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
        "Max-Forwards: 68\r\nContact: <sip:alice@192.0.2.101:5062>\r\n"
        "P-Asserted-Identity: <" ALICE ">\r\nContent-Length: 0\r\n\r\n";
    char invite[PEER_TEXT_MAX];
    const char *m;

    CU_ASSERT_EQUAL_FATAL(net_tcp_send(t, span_str(text)), 0);
    world_run(50);
    m = peer_take(&w.pb, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
    peer_answer(&w.pb, &w.s, invite, "200 OK", "b",
                "Record-Route: <sip:192.0.2.12:5070;lr>\nContact: <sip:bob@192.0.2.102:5062>\n",
                NULL);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "SIP/2.0 200 OK"));
}

static void a_caller_whose_connection_has_gone_hears_it(void)
{
    static const struct net_tcp_ops ops = {on_connected, on_data, on_closed};
    struct addr from;
    struct net_tcp *t = NULL;
    const char *m;

    world_open(at_most_an_hour);
    world_registered();
    from = w.pa.local;
    from.port = 0;
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(w.pa.net, &from, &w.s, &ops, NULL, &t), 0);
    call_is_answered(t);
    net_tcp_close(t); /* idle, say */
    world_run(3601 * 1000);
    m = peer_take(&w.pa, "BYE sip:alice@192.0.2.101:5062", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.10:5070;lr>");
    m = peer_take(&w.pb, "BYE sip:bob@192.0.2.102:5062", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.12:5070;lr>");
    world_close();
}

TEST_MAIN("flow/scscf/end", {"a caller whose connection has gone hears it",
                             a_caller_whose_connection_has_gone_hears_it})
