/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls the P-CSCF ends itself: its BYE reaches both sides where they are by then, however long the call was and
 * whichever way it began. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

static void all_calls_end(void)
{
    session_release_all(core_session(w.core), "Test");
    world_run(100);
}

/* ---- the phone's side -------------------------------------------------------------------------- */

static void alices_call_is_answered(void)
{
    char invite[PEER_TEXT_MAX];
    const char *m;

    phone_invite(&w.alice, "c1", "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(30);
    m = peer_take(&w.scscf, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
    peer_answer(&w.scscf, &w.mw, invite, "200 OK", "t",
                "Contact: <sip:bob@192.0.2.99:5060>\nRecord-Route: <sip:192.0.2.20:6060;lr>\n",
                sdp_answer);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
}

/* REGISTER, 401, REGISTER, 200 over the set she has: `fresh` are her ends of the new one. */
static void alice_authenticates_again(struct phone *fresh)
{
    static const char client[] = "ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;prot=esp;mod=trans;"
                                 "spi-c=5000;spi-s=5001;port-c=32000;port-s=32001";
    const char *m;

    *fresh = w.alice;
    peer_open(&fresh->uc, w.sim, w.wire, "alice", "192.0.2.7:32000");
    peer_open(&fresh->us, w.sim, w.wire, "alice", "192.0.2.7:32001");
    phone_register_protected(&w.alice, w.alice.server, client, 600000);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_challenge(m);
    world_run(20);
    m = peer_take(&w.alice.us, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(fresh->server, sizeof(fresh->server), "%s", peer_header(m, "Security-Server", 0));
    fresh->cseq = w.alice.cseq;
    phone_register_protected(fresh, fresh->server, client, 600000);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_accept(m, &w.alice, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&fresh->us, "SIP/2.0 200", NULL));
}

static void a_phone_that_has_authenticated_again_hears_it_over_its_new_set(void)
{
    struct phone fresh;
    struct addr from = {0};

    world_open(NULL);
    phone_is_registered(&w.alice);
    alices_call_is_answered();
    alice_authenticates_again(&fresh);
    world_run(200 * 1000); /* the set the call began on has gone */
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_sets(w.fake), 1);
    /* P-CSCF → alice: BYE, from port_pc to port_us of the set there is */
    all_calls_end();
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "BYE", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&fresh.us, "BYE", &from));
    CU_ASSERT_EQUAL(from.port, ipsec_fake_set(w.fake, 0)->port_pc);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "BYE", NULL));
    peer_close(&fresh.uc);
    peer_close(&fresh.us);
    world_close();
}

/* ---- the core's side --------------------------------------------------------------------------- */

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

static struct net_tcp *core_connects(void)
{
    static const struct net_tcp_ops ops = {on_connected, on_data, on_closed};
    struct addr from = w.scscf.local;
    struct net_tcp *t = NULL;

    from.port = 0;
    heard[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(net_tcp_connect(w.scscf.net, &from, &w.mw, &ops, NULL, &t), 0);
    return t;
}

/* The core's INVITE to alice, over t or as a datagram; she answers it. */
static void alice_answers_a_call(struct net_tcp *t, const char *record_route)
{
    char text[2048], invite[PEER_TEXT_MAX];
    struct addr from = {0};
    const char *m;
    int n = snprintf(text, sizeof(text),
                     "INVITE sip:alice@192.0.2.7:31001 SIP/2.0\r\n"
                     "Via: SIP/2.0/%s 192.0.2.20:6060;branch=z9hG4bKc1\r\n"
                     "Route: %s\r\nRecord-Route: %s\r\n"
                     "From: <sip:bob@" DOMAIN ">;tag=f\r\nTo: <sip:alice@" DOMAIN ">\r\n"
                     "Call-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 66\r\n"
                     "Contact: <sip:bob@192.0.2.99:5060>\r\nContent-Length: 0\r\n\r\n",
                     t ? "TCP" : "UDP", w.alice.path, record_route);

    if (t) {
        CU_ASSERT_EQUAL_FATAL(net_tcp_send(t, span_of(text, (size_t)n)), 0);
    } else {
        peer_send(&w.scscf, &w.mw, text);
    }
    world_run(50);
    m = peer_take(&w.alice.us, "INVITE", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
    peer_answer(&w.alice.us, &from, invite, "200 OK", "t", "Contact: <sip:alice@192.0.2.7:31001>\n",
                NULL);
    world_run(50);
}

static void a_core_whose_connection_has_gone_hears_it_where_its_route_leads(void)
{
    struct net_tcp *t;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    t = core_connects();
    alice_answers_a_call(t, "<sip:192.0.2.20:6060;lr>");
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "SIP/2.0 200 OK"));
    net_tcp_close(t); /* idle, say */
    world_run(60 * 1000);
    all_calls_end();
    m = peer_take(&w.scscf, "BYE sip:bob@192.0.2.99:5060", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.20:6060;lr>");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "BYE", NULL));
    world_close();
}

static void a_core_with_a_name_is_looked_up(void)
{
    world_open(NULL);
    CU_ASSERT_EQUAL_FATAL(wire_add_host(w.wire, "core.example", &w.scscf.local), 0);
    phone_is_registered(&w.alice);
    alice_answers_a_call(NULL, "<sip:core.example:6060;lr>");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    all_calls_end();
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "BYE", NULL));
    world_close();
}

static void a_lookup_under_way_does_not_hold_up_the_end(void)
{
    world_open(NULL);
    CU_ASSERT_EQUAL_FATAL(wire_add_host(w.wire, "core.example", &w.scscf.local), 0);
    phone_is_registered(&w.alice);
    alice_answers_a_call(NULL, "<sip:core.example:6060;lr>");
    session_release_all(core_session(w.core), "Test");
    world_close(); /* nothing leaks, nobody is called back */
}

TEST_MAIN("flow/pcscf/end",
          {"a phone that has authenticated again hears it over its new set",
           a_phone_that_has_authenticated_again_hears_it_over_its_new_set},
          {"a core whose connection has gone hears it where its route leads",
           a_core_whose_connection_has_gone_hears_it_where_its_route_leads},
          {"a core with a name is looked up", a_core_with_a_name_is_looked_up},
          {"a lookup under way does not hold up the end",
           a_lookup_under_way_does_not_hold_up_the_end})
