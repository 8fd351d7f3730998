/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls through one P-CSCF: from a phone, to a phone, and what can go wrong with edge and PDP. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

#define TOKEN "544f4b454e4f4b21" /* TOKENOK! */

/* The INVITE has arrived at the core: its text, kept over further takes. */
static char invite[PEER_TEXT_MAX];

static bool call_reaches_core(const char *call_id)
{
    const char *m;

    phone_invite(&w.alice, call_id, "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(30);
    m = peer_take(&w.scscf, "INVITE", NULL);
    if (m)
        snprintf(invite, sizeof(invite), "%s", m);
    return m != NULL;
}

static void open_with_alice(void (*configure)(struct core_options *o))
{
    world_open(configure);
    phone_is_registered(&w.alice);
}

static void core_answers(const char *status, const char *sdp)
{
    peer_answer(&w.scscf, &w.mw, invite, status, "t",
                "Contact: <sip:bob@192.0.2.99:5060>\nRecord-Route: <sip:192.0.2.20:6060;lr>\n",
                sdp);
    world_run(50);
}

static void phone_acks(const char *ok, const char *call_id)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "ACK sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s-a\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.11:5070;lr>, "
             "<sip:192.0.2.20:6060;lr>\n"
             "From: %s\nTo: %s\nCall-ID: %s\nCSeq: 1 ACK\nMax-Forwards: 70\n",
             call_id, peer_header(ok, "From", 0), peer_header(ok, "To", 0), call_id);
    world_run(20);
}

static void phone_says_bye(const char *call_id)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "BYE sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s-b\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.11:5070;lr>, "
             "<sip:192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">;tag=t\n"
             "Call-ID: %s\nCSeq: 2 BYE\nMax-Forwards: 70\n",
             call_id, call_id);
    world_run(20);
}

static void view(const struct session_view *v, void *ctx)
{
    *(struct session_view *)ctx = *v;
}

static struct session_view only_leg(void)
{
    struct session_view v = {0};

    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 1);
    session_each(core_session(w.core), view, &v);
    return v;
}

static void a_phone_calls(void)
{
    char ok[PEER_TEXT_MAX];
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c1"));
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "P-Asserted-Identity", 0), "<sip:alice@" DOMAIN ">");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(invite, "P-Charging-Vector", 0), "icid-value="));
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Route", 0), "<sip:orig@192.0.2.20:6060;lr>");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(invite, "Record-Route", 0), "@192.0.2.11:5070;lr>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(invite, "Record-Route", 0), "@192.0.2.10:5062;lr>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_body(invite), "c=IN IP4 192.0.2.37"));
    CU_ASSERT_PTR_NULL(strstr(peer_body(invite), "c=IN IP4 192.0.2.7\r"));
    CU_ASSERT_EQUAL(w.aars, 0);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 100", NULL));

    core_answers("180 Ringing", NULL);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 180", NULL));
    core_answers("200 OK", sdp_answer);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ok, sizeof(ok), "%s", m);
    CU_ASSERT_STRING_EQUAL(peer_header(ok, "P-Media-Authorization", 0), TOKEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_body(ok), "c=IN IP4 192.0.2.36"));
    CU_ASSERT_FALSE(peer_has_header(ok, "P-Charging-Vector"));
    CU_ASSERT_EQUAL(w.aars, 1);
    CU_ASSERT_EQUAL(w.offers, 1);
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    phone_acks(ok, "c1");
    m = peer_take(&w.scscf, "ACK", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.20:6060;lr>");
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 1);
    CU_ASSERT_FALSE(only_leg().ended);
    CU_ASSERT_EQUAL(w.sessions[SESSION_CALL_ENDED], 0);
    phone_says_bye("c1");
    /* over with the BYE, whoever answers it and however long transactions last */
    CU_ASSERT_EQUAL(w.sessions[SESSION_CALL_ENDED], 1);
    CU_ASSERT(only_leg().ended);
    m = peer_take(&w.scscf, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 1);
    peer_answer(&w.scscf, &w.mw, m, "200 OK", "t", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    world_run(200 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    CU_ASSERT_EQUAL(w.sessions[SESSION_CALL_ENDED], 1);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

/* An INVITE of the core to a phone, by its Path. */
static void core_invites(const char *call_id)
{
    peer_say(&w.scscf, &w.mw,
             "INVITE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK%s\n"
             "Route: %s\n"
             "Record-Route: <sip:192.0.2.20:6060;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: %s\nCSeq: 1 INVITE\nMax-Forwards: 66\n"
             "Contact: <sip:bob@192.0.2.99:5060>\n"
             "P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
             "P-Called-Party-ID: <sip:alice@" DOMAIN ">\n"
             "P-Charging-Vector: icid-value=\"icid-of-the-caller\";orig-ioi=x\n"
             "\n%s",
             call_id, w.alice.path, call_id, sdp_answer);
    world_run(50);
}

static void a_called_phone_that_refuses_leaves_nothing(void)
{
    struct addr from;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    core_invites("m2");
    m = peer_take(&w.alice.us, "INVITE", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.alice.us, &from, m, "486 Busy Here", "t", "", NULL);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 486", NULL));
    CU_ASSERT_EQUAL(w.deletes, 1); /* under a tag that the edge knows: see note_tag */
    CU_ASSERT_EQUAL(w.strs, 1);
    world_close();
}

static void a_phone_is_called(void)
{
    char request[PEER_TEXT_MAX];
    struct addr from;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    core_invites("m1");
    m = peer_take(&w.alice.us, "INVITE", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(request, sizeof(request), "%s", m);
    CU_ASSERT_EQUAL(from.port, ipsec_fake_set(w.fake, 0)->port_pc);
    CU_ASSERT_STRING_EQUAL(peer_header(request, "P-Media-Authorization", 0), TOKEN);
    CU_ASSERT_FALSE(peer_has_header(request, "P-Charging-Vector"));
    CU_ASSERT_FALSE(peer_has_header(request, "Route"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(request, "Via", 0), "192.0.2.10:5062"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(request, "Record-Route", 0), "192.0.2.10:5062;lr"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_body(request), "c=IN IP4 192.0.2.36"));
    CU_ASSERT_EQUAL(w.aars, 1);
    /* The phone answers from where it receives. */
    peer_answer(&w.alice.us, &from, request, "200 OK", "t",
                "Contact: <sip:alice@192.0.2.7:31001>\n", sdp_offer);
    world_run(50);
    m = peer_take(&w.scscf, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Asserted-Identity", 0), "<sip:alice@" DOMAIN ">");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "P-Charging-Vector", 0), "icid-of-the-caller"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_body(m), "c=IN IP4 192.0.2.37"));
    CU_ASSERT_EQUAL(w.aars, 2);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    /* The core hangs up. */
    peer_say(&w.scscf, &w.mw,
             "BYE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKm1b\n"
             "Route: %s, <sip:192.0.2.10:5062;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">;tag=t\n"
             "Call-ID: m1\nCSeq: 2 BYE\nMax-Forwards: 66\n",
             w.alice.path);
    world_run(30);
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 1);
    m = peer_take(&w.alice.us, "BYE", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.alice.us, &from, m, "200 OK", "t", "", NULL);
    world_run(30);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    world_close();
}

static void phone_cancels(const char *call_id)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "CANCEL sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s-i\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "Call-ID: %s\nCSeq: 1 CANCEL\nMax-Forwards: 70\n",
             call_id, call_id);
    world_run(30);
}

static void a_cancelled_call_leaves_nothing(void)
{
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c2"));
    core_answers("180 Ringing", NULL);
    phone_cancels("c2");
    m = peer_take(&w.scscf, "CANCEL", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, "200 OK", "t", "", NULL);
    peer_answer(&w.scscf, &w.mw, invite, "487 Request Terminated", "t", "", NULL);
    world_run(30);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 487", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "ACK", NULL));
    CU_ASSERT_EQUAL(w.deletes, 1);
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

static void a_busy_callee_leaves_nothing(void)
{
    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c3"));
    core_answers("486 Busy Here", NULL);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 486", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_CALL_ENDED], 1);
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.aars, 0);
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

/* The answer came, but may not be used: the caller hears why, the callee is acknowledged and told
 * to end. */
static void answer_is_refused(unsigned event, const char *status)
{
    const char *m;

    core_answers("200 OK", sdp_answer);
    world_run(5000);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, status, NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "ACK", NULL));
    m = peer_take(&w.scscf, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Reason", 0), "cause="));
    peer_answer(&w.scscf, &w.mw, m, "200 OK", "t", "", NULL);
    CU_ASSERT_EQUAL(w.sessions[event], 1);
    CU_ASSERT_EQUAL(w.authorizes, 0);
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

static void a_pdp_that_refuses_ends_the_call(void)
{
    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c4"));
    w.pdp_refuses = true;
    answer_is_refused(SESSION_PDP_REFUSED, "SIP/2.0 488");
}

static void a_silent_pdp_ends_the_call(void)
{
    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c5"));
    w.pdp_silent = true;
    answer_is_refused(SESSION_PDP_SILENT, "SIP/2.0 503");
}

static void tolerate(struct core_options *o)
{
    o->session.on_pdp_failure = SESSION_ALLOW;
    o->session.on_media_failure = SESSION_ALLOW;
}

static void a_silent_pdp_is_tolerated_where_policy_says_so(void)
{
    const char *m;

    open_with_alice(tolerate);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c6"));
    w.pdp_silent = true;
    core_answers("200 OK", sdp_answer);
    world_run(3000);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE(peer_has_header(m, "P-Media-Authorization"));
    CU_ASSERT_EQUAL(w.authorizes, 0);
    world_close();
}

static void a_silent_edge_refuses_the_call(void)
{
    open_with_alice(NULL);
    w.edge_silent = true;
    CU_ASSERT_FALSE(call_reaches_core("c7"));
    world_run(3000);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 503", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    CU_ASSERT_EQUAL(w.offers, 4); /* every 500 ms for 2 s */
    CU_ASSERT_EQUAL(w.sessions[SESSION_MEDIA_SILENT], 1);
    world_run(400 * 1000);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

static void an_edge_that_refuses_refuses_the_call(void)
{
    open_with_alice(NULL);
    w.edge_refuses = true;
    CU_ASSERT_FALSE(call_reaches_core("c8"));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 488", NULL));
    world_close();
}

static void a_silent_edge_is_tolerated_where_policy_says_so(void)
{
    open_with_alice(tolerate);
    w.edge_silent = true;
    CU_ASSERT_FALSE(call_reaches_core("c8"));
    world_run(3000);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "INVITE", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_MEDIA_SILENT], 1);
    world_close();
}

static void refused_token(void (*configure)(struct core_options *o), bool ends)
{
    open_with_alice(configure);
    w.token_refused = true;
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c8"));
    core_answers("200 OK", sdp_answer);
    world_run(100);
    CU_ASSERT_EQUAL(w.sessions[SESSION_TOKEN_REFUSED], 1);
    CU_ASSERT_EQUAL(only_leg().gate_up, false);
    CU_ASSERT_EQUAL(peer_take(&w.scscf, "BYE", NULL) != NULL, ends);
    CU_ASSERT_EQUAL(peer_take(&w.alice.us, "BYE", NULL) != NULL, ends);
    CU_ASSERT_EQUAL(w.deletes, ends);
    world_close();
}

static void an_edge_that_refuses_the_token_ends_the_call(void)
{
    refused_token(NULL, true);
    refused_token(tolerate, false);
}

static void who_has_deregistered_may_not_call(void)
{
    open_with_alice(NULL);
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 0);
    world_run(20);
    scscf_accept(peer_take(&w.scscf, "REGISTER", NULL), &w.alice, 0);
    world_run(50);
    /* its association lingers for the 200 alone */
    CU_ASSERT_FALSE(call_reaches_core("c11"));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_UNKNOWN_PHONE], 1);
    world_close();
}

static void who_is_not_registered_may_not_call(void)
{
    world_open(NULL);
    peer_say(&w.bob.clear, &w.gm,
             "INVITE sip:alice@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx1\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: x1\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:bob@192.0.2.9>\n");
    world_run(30);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.bob.clear, "SIP/2.0 403", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_UNKNOWN_PHONE], 1);
    world_close();
}

static void an_open_challenge_carries_no_call(void)
{
    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    w.alice.ps = w.gm;
    w.alice.ps.port = 5062;
    phone_invite(&w.alice, "x2", "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(30);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    CU_ASSERT_EQUAL(core_counters(w.core)->unanswered_set, 1);
    world_close();
}

static void a_foreign_route_is_refused(void)
{
    open_with_alice(NULL);
    peer_say(&w.alice.uc, &w.alice.ps,
             "MESSAGE sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKx3\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.66:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "Call-ID: x3\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n");
    world_run(30);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 400", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_ROUTE_MISMATCH], 1);
    world_close();
}

/* A request of alice's that claims to be in a dialog. */
static void claims(const char *method, const char *call_id, const char *routes)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "%s sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s%s\n"
             "Route: <sip:192.0.2.10:5062;lr>%s\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">;tag=t\n"
             "Call-ID: %s\nCSeq: 7 %s\nContact: <sip:alice@192.0.2.7:31001>\n"
             "Max-Forwards: 70\n",
             method, method, call_id, routes, call_id, method);
    world_run(20);
}

static void a_made_up_dialog_is_no_way_around(void)
{
    static const char *const methods[] = {"INVITE", "UPDATE", "PRACK", "BYE", "INFO", "MESSAGE"};
    const char *m;

    open_with_alice(NULL);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        claims(methods[i], "none", ", <sip:203.0.113.9;lr>");
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 481", NULL));
    }
    claims("ACK", "none", ", <sip:192.0.2.20:6060;lr>");
    claims("SUBSCRIBE", "none", ", <sip:203.0.113.9;lr>");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_NO_DIALOG], ARRAY_LEN(methods) + 1);
    CU_ASSERT_EQUAL(w.sessions[SESSION_ROUTE_MISMATCH], 1);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "", NULL));
    claims("NOTIFY", "none", ", <sip:x@192.0.2.20:6060;lr>");
    m = peer_take(&w.scscf, "NOTIFY", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, "200 OK", NULL, "", NULL);
    world_run(200 * 1000);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

static void in_a_dialog_its_route_set_counts(void)
{
    char ok[PEER_TEXT_MAX];
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c1"));
    core_answers("200 OK", sdp_answer);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ok, sizeof(ok), "%s", m);
    phone_acks(ok, "c1");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "ACK", NULL));
    claims("INFO", "c1", ", <sip:203.0.113.9;lr>");
    m = peer_take(&w.scscf, "INFO", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.20:6060;lr>");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 1), "");
    claims("ACK", "c1", "");
    m = peer_take(&w.scscf, "ACK", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.20:6060;lr>");
    world_close();
}

static void an_answer_that_crosses_the_cancel_is_no_call(void)
{
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c1"));
    core_answers("180 Ringing", NULL);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 180", NULL));
    phone_cancels("c1");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "CANCEL", NULL));
    CU_ASSERT_EQUAL(w.deletes, 1);
    core_answers("200 OK", sdp_answer); /* sent before the CANCEL came */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "ACK", NULL));
    m = peer_take(&w.scscf, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Reason", 0), "SIP;cause=487;text=\"Cancelled\"");
    peer_answer(&w.scscf, &w.mw, m, "200 OK", NULL, "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 487", NULL));
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL); /* of her CANCEL */
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "CSeq", 0), "1 CANCEL");
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(w.aars, 0);
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

static void an_offer_on_its_way_is_taken_back(void)
{
    open_with_alice(NULL);
    w.edge_silent = true;
    phone_invite(&w.alice, "c1", "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(30);
    CU_ASSERT_EQUAL(w.deletes, 0);
    phone_cancels("c1");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 487", NULL));
    CU_ASSERT_NOT_EQUAL(w.deletes, 0);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    world_close();
}

static void the_phone_cannot_say_who_it_is(void)
{
    const char *m;

    open_with_alice(NULL);
    peer_say(&w.alice.uc, &w.alice.ps,
             "MESSAGE sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKx4\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
             "P-Preferred-Identity: <sip:carol@" DOMAIN ">\n"
             "Call-ID: x4\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n");
    world_run(30);
    m = peer_take(&w.scscf, "MESSAGE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Asserted-Identity", 0), "<sip:alice@" DOMAIN ">");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Asserted-Identity", 1), "");
    CU_ASSERT_FALSE(peer_has_header(m, "P-Preferred-Identity"));
    world_close();
}

static void on_aborted(void *ctx, int error, const struct diameter_answer *ans)
{
    (void)ctx;
    CU_ASSERT_EQUAL(error, 0);
    CU_ASSERT_TRUE(ans && diameter_ok(ans));
}

static void a_revoked_token_ends_the_call(void)
{
    char ok[PEER_TEXT_MAX];
    struct diameter_request asr = {.kind = DIAMETER_AS, .app = DIAMETER_APP_RX};
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c9"));
    core_answers("200 OK", sdp_answer);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ok, sizeof(ok), "%s", m);
    phone_acks(ok, "c9");
    asr.session_id = span_str(w.session_id);
    asr.destination_host = SPAN("pcscf." DOMAIN);
    CU_ASSERT_EQUAL(diameter_send(w.pdp, &asr, sim_now(w.sim) + 2 * SEC, on_aborted, NULL, NULL),
                    0);
    world_run(100);
    CU_ASSERT_EQUAL(w.sessions[SESSION_PDP_ABORTED], 1);
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "BYE", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "BYE", NULL));
    world_close();
}

static void a_p_cscf_that_ends_ends_its_calls(void)
{
    char ok[PEER_TEXT_MAX];
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c1"));
    core_answers("200 OK", sdp_answer);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ok, sizeof(ok), "%s", m);
    phone_acks(ok, "c1");
    session_drain(core_session(w.core));
    phone_invite(&w.alice, "c2", "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(30);
    m = peer_take(&w.alice.us, "SIP/2.0 503", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Retry-After", 0), "10");
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "BYE", NULL));
    session_release_all(core_session(w.core), "P-CSCF Shutting Down");
    world_run(30);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "BYE", NULL));
    m = peer_take(&w.scscf, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Reason", 0), "P-CSCF Shutting Down"));
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 1);
    world_close();
}

static void a_phone_that_deregisters_loses_its_call(void)
{
    char ok[PEER_TEXT_MAX];
    const char *m;

    open_with_alice(NULL);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c10"));
    core_answers("200 OK", sdp_answer);
    m = peer_take(&w.alice.us, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ok, sizeof(ok), "%s", m);
    phone_acks(ok, "c10");
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 0);
    world_run(20);
    scscf_accept(peer_take(&w.scscf, "REGISTER", NULL), &w.alice, 0);
    world_run(50);
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "BYE", NULL));
    world_close();
}

TEST_MAIN(
    "flow/pcscf/call", {"a phone calls", a_phone_calls}, {"a phone is called", a_phone_is_called},
    {"a called phone that refuses leaves nothing", a_called_phone_that_refuses_leaves_nothing},
    {"a cancelled call leaves nothing", a_cancelled_call_leaves_nothing},
    {"a busy callee leaves nothing", a_busy_callee_leaves_nothing},
    {"a PDP that refuses ends the call", a_pdp_that_refuses_ends_the_call},
    {"a silent PDP ends the call", a_silent_pdp_ends_the_call},
    {"a silent PDP is tolerated where policy says so",
     a_silent_pdp_is_tolerated_where_policy_says_so},
    {"a silent edge refuses the call", a_silent_edge_refuses_the_call},
    {"an edge that refuses refuses the call", an_edge_that_refuses_refuses_the_call},
    {"a silent edge is tolerated where policy says so",
     a_silent_edge_is_tolerated_where_policy_says_so},
    {"an edge that refuses the token ends the call", an_edge_that_refuses_the_token_ends_the_call},
    {"who is not registered may not call", who_is_not_registered_may_not_call},
    {"who has deregistered may not call", who_has_deregistered_may_not_call},
    {"an open challenge carries no call", an_open_challenge_carries_no_call},
    {"a foreign Route is refused", a_foreign_route_is_refused},
    {"the phone cannot say who it is", the_phone_cannot_say_who_it_is},
    {"a made-up dialog is no way around", a_made_up_dialog_is_no_way_around},
    {"in a dialog its route set counts", in_a_dialog_its_route_set_counts},
    {"an answer that crosses the CANCEL is no call", an_answer_that_crosses_the_cancel_is_no_call},
    {"an offer on its way is taken back", an_offer_on_its_way_is_taken_back},
    {"a revoked token ends the call", a_revoked_token_ends_the_call},
    {"a P-CSCF that ends ends its calls", a_p_cscf_that_ends_ends_its_calls},
    {"a phone that deregisters loses its call", a_phone_that_deregisters_loses_its_call})
