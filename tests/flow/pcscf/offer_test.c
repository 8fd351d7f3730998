/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offers and answers on all the ways they take (RFC 3261 13.2.1, RFC 3262 5, RFC 3311): each passes edge and PDP before
 * the other party sees it, and gates are as was agreed last. Alice calls, the core is whoever answers. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

#define TOKEN "544f4b454e4f4b21" /* TOKENOK! */

/* What alice's phone and the callees say of media. */
#define SDP(ip, version, port, way)                                                                \
    "v=0\no=- 1 " version " IN IP4 " ip "\ns=-\nc=IN IP4 " ip "\nt=0 0\n"                          \
    "m=audio " port " RTP/AVP 97\nb=AS:38\na=rtpmap:97 AMR/8000\na=" way "\n"
#define ALICE(version, way)     SDP("192.0.2.7", version, "49152", way)
#define BOB(version, way)       SDP("192.0.2.99", version, "50000", way)
#define VOICEMAIL(version, way) SDP("192.0.2.98", version, "51000", way)
#define AT_PHONE                "c=IN IP4 192.0.2.36" /* the edge's addresses */
#define AT_CORE                 "c=IN IP4 192.0.2.37"
#define CONTACT                 "Contact: <sip:bob@192.0.2.99:5060>\nRecord-Route: <sip:192.0.2.20:6060;lr>\n"
#define RELIABLE                CONTACT "Require: 100rel\nRSeq: 1\n"

static char invite[PEER_TEXT_MAX]; /* at the core, kept over further takes */
static char request[PEER_TEXT_MAX];

static void opened(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
}

static void closed(void)
{
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

static void keep(char *dst, struct peer *at, const char *start)
{
    const char *m = peer_take(at, start, NULL);

    if (!m)
        printf("\nno %s at %u", start, at->local.port);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(dst, PEER_TEXT_MAX, "%s", m);
}

static bool says(const char *m, const char *text)
{
    return m && strstr(peer_body(m), text) != NULL;
}

static void call(const char *sdp)
{
    phone_invite(&w.alice, "o", "sip:bob@" DOMAIN, "Supported: 100rel\n", sdp);
    world_run(30);
    keep(invite, &w.scscf, "INVITE");
}

static void core_answers(const char *to, const char *status, const char *tag, const char *extra,
                         const char *sdp)
{
    peer_answer(&w.scscf, &w.mw, to, status, tag, extra, sdp);
    world_run(50);
}

/* A request of alice's phone in the dialog with the callee of that tag. */
static void alice_says(const char *method, unsigned cseq, const char *tag, const char *extra,
                       const char *sdp)
{
    static unsigned n;

    peer_say(&w.alice.uc, &w.alice.ps,
             "%s sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKo-%u\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.11:5070;lr>, "
             "<sip:192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">;tag=%s\n"
             "Call-ID: o\nCSeq: %u %s\nMax-Forwards: 70\n"
             "Contact: <sip:alice@192.0.2.7:31001>\n%s\n%s",
             method, n++, tag, cseq, method, extra, sdp);
    world_run(50);
}

/* The callee's. */
static void core_says(const char *method, unsigned cseq, const char *tag, const char *sdp)
{
    static unsigned n;

    peer_say(&w.scscf, &w.mw,
             "%s sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKc-%u\n"
             "Route: %s\n"
             "From: <sip:bob@" DOMAIN ">;tag=%s\nTo: <sip:alice@" DOMAIN ">;tag=f\n"
             "Call-ID: o\nCSeq: %u %s\nMax-Forwards: 66\n"
             "Contact: <sip:bob@192.0.2.99:5060>\n\n%s",
             method, n++, peer_header(invite, "Record-Route", 0), tag, cseq, method, sdp);
    world_run(50);
}

static bool gate_up;

static void look(const struct session_view *v, void *ctx)
{
    (void)ctx;
    gate_up = v->gate_up && v->anchored;
}

static bool gates_are_up(void)
{
    gate_up = false;
    session_each(core_session(w.core), look, NULL);
    return gate_up;
}

static void call_stands(void)
{
    opened();
    call(ALICE("1", "sendrecv"));
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_EQUAL(w.aars, 1);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    CU_ASSERT_TRUE(gates_are_up());
}

static void alice_hangs_up(unsigned cseq, const char *tag)
{
    alice_says("BYE", cseq, tag, "", "");
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 1);
    keep(request, &w.scscf, "BYE");
    core_answers(request, "200 OK", tag, "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 200");
    closed();
}

static void the_call_is_ended_on_both_sides(void)
{
    CU_ASSERT_FALSE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 1);
    keep(request, &w.scscf, "BYE");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(request, "Reason", 0), "cause=503"));
    keep(request, &w.alice.us, "BYE");
    closed();
}

/* ---- the offer comes in the 200, the answer in the ACK --------------------------------------- */

static void offer_comes_in_the_200(void)
{
    opened();
    call("");
    CU_ASSERT_EQUAL(w.offers, 0);
    core_answers(invite, "180 Ringing", "t", CONTACT, NULL);
    keep(request, &w.alice.us, "SIP/2.0 180");
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    /* RFC 3313 5.2: the phone has its token before it reserves anything. */
    CU_ASSERT_STRING_EQUAL(peer_header(request, "P-Media-Authorization", 0), TOKEN);
    CU_ASSERT_EQUAL(w.offers, 1);
    CU_ASSERT_EQUAL(w.preliminary, 1);
    CU_ASSERT_EQUAL(w.authorizes, 0);
    CU_ASSERT_FALSE(gates_are_up());
}

static void the_answer_in_an_ack_waits_for_edge_and_pdp(void)
{
    offer_comes_in_the_200();
    /* The 200 comes again before the ACK does: the same offer, nobody is asked again. */
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    CU_ASSERT_EQUAL(w.offers, 1);

    alice_says("ACK", 1, "t", "", ALICE("1", "sendrecv"));
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_FALSE(says(request, "192.0.2.7:"));
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_EQUAL(w.aars, 2);
    CU_ASSERT_EQUAL(w.preliminary, 1);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    CU_ASSERT_TRUE(gates_are_up());
    /* It was lost behind us: 200 and ACK come again. */
    alice_says("ACK", 1, "t", "", ALICE("1", "sendrecv"));
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_EQUAL(w.aars, 2);
    alice_hangs_up(2, "t");
}

static void an_answer_in_an_ack_that_is_refused_ends_the_call(void)
{
    offer_comes_in_the_200();
    w.pdp_refuses = true;
    alice_says("ACK", 1, "t", "", ALICE("1", "sendrecv"));
    keep(request, &w.scscf, "ACK"); /* so that the callee hears of the end */
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    CU_ASSERT_FALSE(peer_has_header(request, "Content-Type"));
    CU_ASSERT_EQUAL(w.sessions[SESSION_PDP_REFUSED], 1);
    CU_ASSERT_EQUAL(w.authorizes, 0);
    the_call_is_ended_on_both_sides();
}

static void a_phone_that_hangs_up_while_its_ack_waits_is_heard(void)
{
    offer_comes_in_the_200();
    w.edge_silent = true;
    alice_says("ACK", 1, "t", "", ALICE("1", "sendrecv"));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "ACK", NULL));
    alice_says("BYE", 2, "t", "", "");
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    keep(request, &w.scscf, "BYE");
    CU_ASSERT_FALSE(gates_are_up());
    closed();
}

static void a_description_nobody_asked_for_is_not_passed_on(void)
{
    call_stands();
    alice_says("ACK", 1, "t", "", ALICE("9", "sendrecv"));
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(2, "t");
}

/* ---- reliable responses, PRACK, UPDATE -------------------------------------------------------- */

static void an_offer_in_a_reliable_response_is_answered_in_its_prack(void)
{
    opened();
    call("");
    core_answers(invite, "183 Session Progress", "t", RELIABLE, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 183");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    alice_says("PRACK", 2, "t", "RAck: 1 1 INVITE\n", ALICE("1", "sendrecv"));
    keep(request, &w.scscf, "PRACK");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_EQUAL(w.offers, 1);
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    CU_ASSERT_TRUE(gates_are_up());
    core_answers(request, "200 OK", "t", "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 200");
    /* RFC 3261 13.2.1: the 200 has no say in it any more. */
    core_answers(invite, "200 OK", "t", CONTACT, BOB("2", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_EQUAL(w.offers, 1);
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(3, "t");
}

static void an_answer_in_a_prack_that_is_refused_ends_the_call(void)
{
    opened();
    call("");
    core_answers(invite, "183 Session Progress", "t", RELIABLE, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 183");
    w.pdp_refuses = true;
    alice_says("PRACK", 2, "t", "RAck: 1 1 INVITE\n", ALICE("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 488");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "PRACK", NULL));
    keep(request, &w.scscf, "CANCEL");
    core_answers(request, "200 OK", "t", "", NULL);
    core_answers(invite, "487 Request Terminated", "t", "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 503");
    CU_ASSERT_EQUAL(w.deletes, 1);
    closed();
}

static void an_update_changes_the_media_before_the_call_is_answered(void)
{
    opened();
    call(ALICE("1", "sendrecv"));
    core_answers(invite, "183 Session Progress", "t", RELIABLE, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 183");
    CU_ASSERT_STRING_EQUAL(peer_header(request, "P-Media-Authorization", 0), TOKEN);
    alice_says("PRACK", 2, "t", "RAck: 1 1 INVITE\n", "");
    keep(request, &w.scscf, "PRACK");
    core_answers(request, "200 OK", "t", "", NULL);
    CU_ASSERT_EQUAL(w.authorizes, 1);

    alice_says("UPDATE", 3, "t", "", ALICE("2", "sendonly"));
    keep(request, &w.scscf, "UPDATE");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_TRUE(says(request, "a=sendonly"));
    CU_ASSERT_EQUAL(w.offers, 2);
    CU_ASSERT_EQUAL(w.preliminary, 1); /* may it change so? */
    CU_ASSERT_TRUE(gates_are_up());
    core_answers(request, "200 OK", "t", CONTACT, BOB("2", "recvonly"));
    keep(request, &w.alice.us, "SIP/2.0 200 OK");
    CU_ASSERT_EQUAL(w.answers, 2);
    CU_ASSERT_EQUAL(w.aars, 3);
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_UPLINK);
    CU_ASSERT_EQUAL(w.authorizes, 2);
    /* and so does the callee */
    core_says("UPDATE", 10, "t", BOB("3", "sendrecv"));
    keep(request, &w.alice.us, "UPDATE");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    CU_ASSERT_STRING_EQUAL(peer_header(request, "P-Media-Authorization", 0), TOKEN);
    peer_answer(&w.alice.us, &w.alice.pc, request, "200 OK", "f",
                "Contact: <sip:alice@192.0.2.7:31001>\n", ALICE("3", "sendrecv"));
    world_run(50);
    keep(request, &w.scscf, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED);
    CU_ASSERT_EQUAL(w.authorizes, 3);

    core_answers(invite, "200 OK", "t", CONTACT, NULL);
    keep(request, &w.alice.us, "SIP/2.0 200");
    alice_says("ACK", 1, "t", "", "");
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(4, "t");
}

/* ---- re-INVITE --------------------------------------------------------------------------------- */

static void alice_changes(unsigned cseq, const char *offer, const char *answer)
{
    char at_core[PEER_TEXT_MAX];

    alice_says("INVITE", cseq, "t", "", offer);
    keep(at_core, &w.scscf, "INVITE");
    CU_ASSERT_TRUE(says(at_core, AT_CORE));
    core_answers(at_core, "200 OK", "t", CONTACT, answer);
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    alice_says("ACK", cseq, "t", "", "");
    keep(request, &w.scscf, "ACK");
}

static void bob_changes(unsigned cseq, const char *offer, const char *answer)
{
    char at_phone[PEER_TEXT_MAX];

    core_says("INVITE", cseq, "t", offer);
    keep(at_phone, &w.alice.us, "INVITE");
    CU_ASSERT_TRUE(says(at_phone, AT_PHONE));
    peer_answer(&w.alice.us, &w.alice.pc, at_phone, "200 OK", "f",
                "Contact: <sip:alice@192.0.2.7:31001>\n", answer);
    world_run(50);
    keep(request, &w.scscf, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    core_says("ACK", cseq, "t", "");
    keep(request, &w.alice.us, "ACK");
}

static void either_side_holds_and_resumes(void)
{
    call_stands();
    alice_changes(2, ALICE("2", "sendonly"), BOB("2", "recvonly"));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_UPLINK);
    CU_ASSERT_EQUAL(w.authorizes, 2);
    alice_changes(3, ALICE("3", "sendrecv"), BOB("3", "sendrecv"));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED);
    bob_changes(10, BOB("4", "inactive"), ALICE("4", "inactive"));
    CU_ASSERT_EQUAL(w.flow_status, RX_DISABLED);
    bob_changes(11, BOB("5", "sendrecv"), ALICE("5", "sendrecv"));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED);
    CU_ASSERT_EQUAL(w.offers, 5);
    CU_ASSERT_EQUAL(w.answers, 5);
    CU_ASSERT_EQUAL(w.preliminary, 4);
    CU_ASSERT_EQUAL(w.authorizes, 5);
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(4, "t");
}

static void a_session_refresh_that_changes_nothing_asks_the_pdp_nothing_new(void)
{
    call_stands();
    alice_changes(2, ALICE("1", "sendrecv"), BOB("1", "sendrecv"));
    CU_ASSERT_EQUAL(w.preliminary, 0);
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(3, "t");
}

static void the_offer_of_an_empty_reinvite_comes_in_its_200(void)
{
    char at_core[PEER_TEXT_MAX];

    call_stands();
    alice_says("INVITE", 2, "t", "", "");
    keep(at_core, &w.scscf, "INVITE");
    core_answers(at_core, "200 OK", "t", CONTACT, BOB("2", "sendonly"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    alice_says("ACK", 2, "t", "", ALICE("2", "recvonly"));
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_TRUE(says(request, AT_CORE));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_DOWNLINK);
    CU_ASSERT_EQUAL(w.authorizes, 2);
    alice_hangs_up(3, "t");
}

/* Nothing has changed: gates are up, nobody was told to end, and the other side may change media. */
static void the_old_media_stays(unsigned cseq)
{
    CU_ASSERT_TRUE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 0);
    CU_ASSERT_EQUAL(w.strs, 0);
    CU_ASSERT_EQUAL(w.answers, 1);
    CU_ASSERT_EQUAL(w.authorizes, 1);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "BYE", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "BYE", NULL));
    bob_changes(10, BOB("7", "sendonly"), ALICE("7", "recvonly"));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_DOWNLINK);
    CU_ASSERT_EQUAL(w.answers, 2);
    CU_ASSERT_EQUAL(w.authorizes, 2);
    alice_hangs_up(cseq, "t");
}

static void a_change_that_the_pdp_refuses_leaves_the_old_media(void)
{
    call_stands();
    w.pdp_refuses = true;
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 488");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    alice_says("ACK", 2, "t", "", "");
    w.pdp_refuses = false;
    the_old_media_stays(3);
}

/* TS 29.214 4.4.6.1 as if the ASR, which got lost, had come now. */
static void a_change_of_what_the_pdp_has_ended_ends_the_call(void)
{
    call_stands();
    CU_ASSERT_EQUAL(w.request_type, RX_INITIAL);
    w.pdp_forgot = true;
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendrecv"));
    CU_ASSERT_EQUAL(w.request_type, RX_UPDATE);
    keep(request, &w.alice.us, "SIP/2.0 488");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    CU_ASSERT_EQUAL(w.sessions[SESSION_PDP_ABORTED], 1);
    CU_ASSERT_FALSE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.strs, 0); /* of a session that is no more */
    keep(request, &w.scscf, "BYE");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(request, "Reason", 0), "cause=503"));
    keep(request, &w.alice.us, "BYE");
    closed();
}

static void an_answer_to_what_the_pdp_has_ended_ends_the_call(void)
{
    offer_comes_in_the_200();
    w.pdp_forgot = true;
    alice_says("ACK", 1, "t", "", ALICE("1", "sendrecv"));
    keep(request, &w.scscf, "ACK");
    CU_ASSERT_EQUAL(w.authorizes, 0);
    CU_ASSERT_FALSE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 1);
    keep(request, &w.scscf, "BYE");
    keep(request, &w.alice.us, "BYE");
    closed();
}

static void allow_without_pdp(struct core_options *o)
{
    o->session.on_pdp_failure = SESSION_ALLOW;
}

/* What was never granted is nothing to update: the PDP would not know it. */
static void a_session_the_pdp_was_silent_about_begins_with_the_next_question(void)
{
    world_open(allow_without_pdp);
    phone_is_registered(&w.alice);
    call(ALICE("1", "sendrecv"));
    w.pdp_silent = true;
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    world_run(3000);
    keep(request, &w.alice.us, "SIP/2.0 200");
    alice_says("ACK", 1, "t", "", "");
    CU_ASSERT_EQUAL(w.aars, 1);
    w.pdp_silent = false;
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendrecv"));
    CU_ASSERT_EQUAL(w.aars, 2);
    CU_ASSERT_EQUAL(w.request_type, RX_INITIAL);
    session_release_all(core_session(w.core), "the test is over");
    world_run(40 * 1000);
    closed();
}

static void a_change_that_the_callee_refuses_leaves_the_old_media(void)
{
    char at_core[PEER_TEXT_MAX];

    call_stands();
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendonly"));
    keep(at_core, &w.scscf, "INVITE");
    core_answers(at_core, "488 Not Acceptable Here", "t", "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 488");
    keep(request, &w.scscf, "ACK");
    alice_says("ACK", 2, "t", "", "");
    the_old_media_stays(3);
}

static void a_change_that_the_edge_does_not_answer_leaves_the_old_media(void)
{
    call_stands();
    w.edge_silent = true;
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendonly"));
    world_run(3000);
    keep(request, &w.alice.us, "SIP/2.0 503");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    w.edge_silent = false;
    the_old_media_stays(3);
}

static void a_change_whose_answer_is_refused_ends_the_call(void)
{
    char at_core[PEER_TEXT_MAX];

    call_stands();
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendonly"));
    keep(at_core, &w.scscf, "INVITE");
    w.pdp_refuses = true;
    core_answers(at_core, "200 OK", "t", CONTACT, BOB("2", "recvonly"));
    keep(request, &w.alice.us, "SIP/2.0 488");
    keep(request, &w.scscf, "ACK");
    the_call_is_ended_on_both_sides();
}

static void two_offers_at_once_are_one_too_many(void)
{
    char at_core[PEER_TEXT_MAX];

    call_stands();
    alice_says("INVITE", 2, "t", "", ALICE("2", "sendonly"));
    keep(at_core, &w.scscf, "INVITE");
    core_says("INVITE", 10, "t", BOB("2", "sendonly"));
    keep(request, &w.scscf, "SIP/2.0 491");
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "INVITE", NULL));
    core_answers(at_core, "200 OK", "t", CONTACT, BOB("3", "recvonly"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_EQUAL(w.offers, 2);
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_UPLINK);
    alice_says("ACK", 2, "t", "", "");
    alice_hangs_up(3, "t");
}

static void what_a_party_can_do_is_no_offer(void)
{
    call_stands();
    alice_says("OPTIONS", 2, "t", "", "");
    keep(request, &w.scscf, "OPTIONS");
    core_answers(request, "200 OK", "t", "", BOB("5", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, "c=IN IP4 192.0.2.99"));
    CU_ASSERT_EQUAL(w.offers + w.answers, 2);
    CU_ASSERT_TRUE(gates_are_up());
    alice_hangs_up(3, "t");
}

/* ---- several callees ---------------------------------------------------------------------------- */

static void two_callees_ring(void)
{
    opened();
    call(ALICE("1", "sendrecv"));
    core_answers(invite, "183 Session Progress", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 183");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    core_answers(invite, "183 Session Progress", "v", CONTACT, VOICEMAIL("1", "sendonly"));
    keep(request, &w.alice.us, "SIP/2.0 183");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    CU_ASSERT_EQUAL(w.offers, 1);
    CU_ASSERT_EQUAL(w.answers, 2);
    CU_ASSERT_EQUAL(w.aars, 2);
    CU_ASSERT_EQUAL(w.authorizes, 2);
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED_DOWNLINK);
}

static void the_media_is_that_of_the_callee_who_answers(void)
{
    two_callees_ring();
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_PTR_NOT_NULL(strstr(w.edge_heard, "192.0.2.99"));
    CU_ASSERT_EQUAL(w.flow_status, RX_ENABLED);
    CU_ASSERT_EQUAL(w.authorizes, 3);
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    /* The other early dialog lapses (200 s); the call does not. */
    world_run(300 * 1000);
    CU_ASSERT_TRUE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 0);
    alice_hangs_up(2, "t");
}

static void answers_of_two_callees_at_once_are_both_used(void)
{
    opened();
    call(ALICE("1", "sendrecv"));
    peer_answer(&w.scscf, &w.mw, invite, "183 Session Progress", "t", CONTACT,
                BOB("1", "sendrecv"));
    peer_answer(&w.scscf, &w.mw, invite, "183 Session Progress", "v", CONTACT,
                VOICEMAIL("1", "sendrecv"));
    world_run(100);
    keep(request, &w.alice.us, "SIP/2.0 183");
    keep(request, &w.alice.us, "SIP/2.0 183");
    CU_ASSERT_EQUAL(w.answers, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.edge_heard, "192.0.2.98"));
    CU_ASSERT_EQUAL(w.authorizes, 2);
    CU_ASSERT_TRUE(gates_are_up());
    core_answers(invite, "486 Busy Here", "t", "", NULL);
    closed();
}

static void what_is_agreed_while_the_edge_asks_is_asked_after_it(void)
{
    unsigned before;

    opened();
    w.edge_ponders = true;
    call(ALICE("1", "sendrecv"));
    core_answers(invite, "183 Session Progress", "t", CONTACT, BOB("1", "sendrecv"));
    core_answers(invite, "183 Session Progress", "v", CONTACT, VOICEMAIL("1", "sendrecv"));
    CU_ASSERT_EQUAL(w.answers, 2);
    CU_ASSERT_FALSE(gates_are_up());
    before = w.authorizes;
    w.edge_ponders = false;
    world_run(1000);
    CU_ASSERT_EQUAL(w.authorizes - before, 2);
    CU_ASSERT_TRUE(gates_are_up());
    core_answers(invite, "486 Busy Here", "t", "", NULL);
    closed();
}

static void a_callee_who_answers_too_late_changes_nothing(void)
{
    two_callees_ring();
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    core_answers(invite, "200 OK", "v", CONTACT, VOICEMAIL("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    CU_ASSERT_EQUAL(w.answers, 3);
    /* RFC 3261 13.2.2.4: the caller acknowledges it and ends it. */
    alice_says("ACK", 1, "v", "", "");
    keep(request, &w.scscf, "ACK");
    alice_says("BYE", 2, "v", "", "");
    keep(request, &w.scscf, "BYE");
    core_answers(request, "200 OK", "v", "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 200");
    world_run(300 * 1000);
    CU_ASSERT_TRUE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 0);
    alice_hangs_up(2, "t");
}

/* ---- multipart ---------------------------------------------------------------------------------- */

#define PARTS(sdp)                                                                                 \
    "--x\nContent-Type: application/vnd.etsi.pstn+xml\n\n<pstn/>\n--x\n"                           \
    "Content-Type: application/sdp\n\n" sdp "\n--x--\n"

static void a_description_in_a_multipart_body_is_anchored(void)
{
    opened();
    phone_invite(&w.alice, "o", "sip:bob@" DOMAIN, "Content-Type: multipart/mixed;boundary=x\n",
                 PARTS(SDP("192.0.2.7", "1", "49152", "sendrecv")));
    world_run(30);
    keep(invite, &w.scscf, "INVITE");
    CU_ASSERT_TRUE(says(invite, "--x\r\nContent-Type: application/vnd.etsi.pstn+xml\r\n\r\n<pstn/>"
                                "\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"));
    CU_ASSERT_TRUE(says(invite, AT_CORE));
    CU_ASSERT_TRUE(says(invite, "a=sendrecv\r\n\r\n--x--\r\n"));
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Content-Type", 0), "multipart/mixed;boundary=x");
    core_answers(invite, "200 OK", "t", CONTACT "Content-Type: multipart/alternative;boundary=x\n",
                 PARTS(SDP("192.0.2.99", "1", "50000", "sendrecv")));
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(says(request, AT_PHONE));
    CU_ASSERT_TRUE(says(request, "<pstn/>"));
    CU_ASSERT_TRUE(gates_are_up());
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    alice_hangs_up(2, "t");
}

static void a_description_nobody_can_read_is_not_passed_on(void)
{
    opened();
    phone_invite(&w.alice, "o", "sip:bob@" DOMAIN,
                 "Content-Type: application/pkcs7-mime;smime-type=enveloped-data\n", "sealed\n");
    world_run(30);
    keep(request, &w.alice.us, "SIP/2.0 488");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "INVITE", NULL));
    closed();
}

static void a_late_answer_nobody_can_read_changes_nothing(void)
{
    two_callees_ring();
    core_answers(invite, "200 OK", "t", CONTACT, BOB("1", "sendrecv"));
    keep(request, &w.alice.us, "SIP/2.0 200");
    alice_says("ACK", 1, "t", "", "");
    keep(request, &w.scscf, "ACK");
    core_answers(invite, "200 OK", "v", CONTACT "Content-Type: multipart/mixed\n", "--x\n");
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_STRING_EQUAL(peer_body(request), "");
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "BYE", NULL));
    alice_says("BYE", 2, "v", "", "");
    keep(request, &w.scscf, "BYE");
    core_answers(request, "200 OK", "v", "", NULL);
    keep(request, &w.alice.us, "SIP/2.0 200");
    CU_ASSERT_TRUE(gates_are_up());
    CU_ASSERT_EQUAL(w.deletes, 0);
    alice_hangs_up(2, "t");
}

static void an_answer_nobody_can_read_ends_the_call(void)
{
    opened();
    call(ALICE("1", "sendrecv"));
    core_answers(invite, "200 OK", "t", CONTACT "Content-Type: multipart/mixed\n", "--x\n");
    keep(request, &w.alice.us, "SIP/2.0 488");
    keep(request, &w.scscf, "ACK");
    keep(request, &w.scscf, "BYE");
    CU_ASSERT_EQUAL(w.deletes, 1);
    CU_ASSERT_EQUAL(w.authorizes, 0);
    closed();
}

TEST_MAIN(
    "flow/pcscf/offer",
    {"the answer in an ACK waits for edge and PDP", the_answer_in_an_ack_waits_for_edge_and_pdp},
    {"an answer in an ACK that is refused ends the call",
     an_answer_in_an_ack_that_is_refused_ends_the_call},
    {"a phone that hangs up while its ACK waits is heard",
     a_phone_that_hangs_up_while_its_ack_waits_is_heard},
    {"a description nobody asked for is not passed on",
     a_description_nobody_asked_for_is_not_passed_on},
    {"an offer in a reliable response is answered in its PRACK",
     an_offer_in_a_reliable_response_is_answered_in_its_prack},
    {"an answer in a PRACK that is refused ends the call",
     an_answer_in_a_prack_that_is_refused_ends_the_call},
    {"an UPDATE changes the media before the call is answered",
     an_update_changes_the_media_before_the_call_is_answered},
    {"either side holds and resumes", either_side_holds_and_resumes},
    {"a session refresh that changes nothing asks the PDP nothing new",
     a_session_refresh_that_changes_nothing_asks_the_pdp_nothing_new},
    {"the offer of an empty re-INVITE comes in its 200",
     the_offer_of_an_empty_reinvite_comes_in_its_200},
    {"a change that the PDP refuses leaves the old media",
     a_change_that_the_pdp_refuses_leaves_the_old_media},
    {"a change of what the PDP has ended ends the call",
     a_change_of_what_the_pdp_has_ended_ends_the_call},
    {"an answer to what the PDP has ended ends the call",
     an_answer_to_what_the_pdp_has_ended_ends_the_call},
    {"a session the PDP was silent about begins with the next question",
     a_session_the_pdp_was_silent_about_begins_with_the_next_question},
    {"a change that the callee refuses leaves the old media",
     a_change_that_the_callee_refuses_leaves_the_old_media},
    {"a change that the edge does not answer leaves the old media",
     a_change_that_the_edge_does_not_answer_leaves_the_old_media},
    {"a change whose answer is refused ends the call",
     a_change_whose_answer_is_refused_ends_the_call},
    {"two offers at once are one too many", two_offers_at_once_are_one_too_many},
    {"what a party can do is no offer", what_a_party_can_do_is_no_offer},
    {"the media is that of the callee who answers", the_media_is_that_of_the_callee_who_answers},
    {"answers of two callees at once are both used", answers_of_two_callees_at_once_are_both_used},
    {"what is agreed while the edge asks is asked after it",
     what_is_agreed_while_the_edge_asks_is_asked_after_it},
    {"a callee who answers too late changes nothing",
     a_callee_who_answers_too_late_changes_nothing},
    {"a description in a multipart body is anchored",
     a_description_in_a_multipart_body_is_anchored},
    {"a description nobody can read is not passed on",
     a_description_nobody_can_read_is_not_passed_on},
    {"an answer nobody can read ends the call", an_answer_nobody_can_read_ends_the_call},
    {"a late answer nobody can read changes nothing",
     a_late_answer_nobody_can_read_changes_nothing})
