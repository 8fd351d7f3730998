/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dialogs of calls at the P-CSCF: lost ones, early ones, one too many. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

/* The INVITE as it arrived at the core. */
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

static void open_calling(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
    CU_ASSERT_TRUE_FATAL(call_reaches_core("c1"));
}

static void core_answers(const char *status, const char *tag, const char *sdp)
{
    peer_answer(&w.scscf, &w.mw, invite, status, tag,
                "Contact: <sip:bob@192.0.2.99:5060>\nRecord-Route: <sip:192.0.2.20:6060;lr>\n",
                sdp);
    world_run(50);
}

static void phone_says(const char *method, unsigned cseq)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "%s sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s%u\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.11:5070;lr>, "
             "<sip:192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">;tag=t\n"
             "Call-ID: c1\nCSeq: %u %s\nMax-Forwards: 70\nContact: <sip:alice@192.0.2.7:31001>\n",
             method, method, cseq, cseq, method);
    world_run(30);
}

/* Alice's request in the dialog and what the core answers. */
static void phone_asks(const char *method, unsigned cseq, const char *status)
{
    const char *m;

    phone_says(method, cseq);
    m = peer_take(&w.scscf, method, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, status, "t", "", NULL);
    world_run(50);
}

static void open_talking(void)
{
    open_calling();
    core_answers("200 OK", "t", sdp_answer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    phone_says("ACK", 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&w.scscf, "ACK", NULL));
    CU_ASSERT_EQUAL(w.authorizes, 1);
}

static void media_end_with_a_dialog_that_is_lost(void)
{
    static const struct {
        const char *method, *status;
        unsigned ends;
    } rows[] = {{"INFO", "481 Gone", 1},    {"UPDATE", "481 Gone", 1}, {"INVITE", "481 Gone", 1},
                {"INVITE", "408 Gone", 1},  {"INFO", "408 Late", 0},   {"PRACK", "481 No RSeq", 0},
                {"NOTIFY", "481 Gone", 0},  {"REFER", "481 Gone", 0},  {"INFO", "500 Later", 0},
                {"INVITE", "488 Never", 0}, {"BYE", "481 Gone", 1}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool told = rows[i].ends && strcmp(rows[i].method, "BYE") != 0;

        open_talking();
        phone_asks(rows[i].method, 2, rows[i].status);
        CU_ASSERT_EQUAL(w.deletes, rows[i].ends);
        CU_ASSERT_EQUAL(w.strs, rows[i].ends);
        CU_ASSERT_EQUAL(w.sessions[SESSION_DIALOG_LOST], told);
        CU_ASSERT_EQUAL(w.sessions[SESSION_CALL_ENDED], rows[i].ends);
        world_run(200 * 1000);
        CU_ASSERT_EQUAL(session_legs(core_session(w.core)), !rows[i].ends);
        world_close();
    }
}

/* The S-CSCF, which has heard the same, cuts off whoever talks on. */
static void the_bye_that_follows_passes(void)
{
    const char *m;

    open_talking();
    phone_asks("INFO", 2, "481 Gone");
    peer_say(&w.scscf, &w.mw,
             "BYE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKours\nRoute: %s\n"
             "From: <sip:bob@" DOMAIN ">;tag=t\nTo: <sip:alice@" DOMAIN ">;tag=f\n"
             "Call-ID: c1\nCSeq: 1 BYE\nMax-Forwards: 70\n",
             w.alice.path);
    world_run(50);
    m = peer_take(&w.alice.us, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL(m);
    CU_ASSERT_EQUAL(w.deletes, 1);
    world_close();
}

static void more_phones_than_a_call_may_have_leave_room_for_others(void)
{
    unsigned heard = 0;
    char tag[16];

    open_calling();
    for (unsigned i = 0; i < 300; i++) {
        snprintf(tag, sizeof(tag), "t%u", i);
        core_answers("180 Ringing", tag, NULL);
        heard += peer_take(&w.alice.us, "SIP/2.0 180", NULL) != NULL;
    }
    CU_ASSERT_EQUAL(heard, SIP_DIALOG_FORKS_MAX);
    CU_ASSERT_EQUAL(w.sessions[SESSION_FORK_DROPPED], 300 - SIP_DIALOG_FORKS_MAX);
    CU_ASSERT_TRUE(call_reaches_core("c2"));
    world_close();
}

static void whoever_answers_a_call_answers_it(void)
{
    char tag[16];

    open_calling();
    for (unsigned i = 0; i < 30; i++) {
        snprintf(tag, sizeof(tag), "t%u", i);
        core_answers("180 Ringing", tag, NULL);
        (void)peer_take(&w.alice.us, "SIP/2.0 180", NULL);
    }
    core_answers("200 OK", "t", sdp_answer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(w.authorizes, 1);
    core_answers("200 OK", "t29", sdp_answer); /* but not thirty of them */
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(w.deletes, 0);
    phone_asks("BYE", 2, "200 OK");
    CU_ASSERT_EQUAL(w.deletes, 1);
    world_run(200 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

/* The INVITE is refused by the callee, by the PDP, by us. */
static void what_was_early_ends_with_a_refusal(void)
{
    for (unsigned i = 0; i < 3; i++) {
        open_calling();
        core_answers("180 Ringing", "t", NULL);
        phone_asks("UPDATE", 2, "200 OK");
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
        w.pdp_refuses = true;
        if (i == 0)
            core_answers("486 Busy Here", "t", NULL);
        else if (i == 1)
            core_answers("183 Session Progress", "other", sdp_answer);
        else
            session_release_all(core_session(w.core), "test");
        world_run(100);
        phone_says("UPDATE", 3);
        CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "UPDATE", NULL));
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 481", NULL));
        world_close();
    }
}

static void a_late_answer_finds_its_dialog_gone(void)
{
    char again[PEER_TEXT_MAX];
    const char *m;

    open_talking();
    phone_says("INVITE", 2);
    m = peer_take(&w.scscf, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(again, sizeof(again), "%s", m);
    phone_asks("BYE", 3, "200 OK");
    /* it rings on, which keeps the transaction, and is answered when the dialog is forgotten */
    for (unsigned i = 0; i < 3; i++) {
        peer_answer(&w.scscf, &w.mw, again, "180 Ringing", "t", "", NULL);
        world_run(100 * 1000);
    }
    peer_answer(&w.scscf, &w.mw, again, "200 OK", "t", "Contact: <sip:bob@192.0.2.77>\n", NULL);
    world_run(50);
    CU_ASSERT_EQUAL(w.deletes, 1);
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

static void an_answer_that_makes_no_dialog_is_no_call(void)
{
    open_calling();
    core_answers("200 OK", NULL, sdp_answer);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 500", NULL));
    CU_ASSERT_EQUAL(w.authorizes, 0);
    CU_ASSERT_EQUAL(w.deletes, 1);
    world_run(200 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

/* ---- to the phone ------------------------------------------------------------------------------ */

static void core_says(const char *method, unsigned cseq, const char *to_tag)
{
    peer_say(&w.scscf, &w.mw,
             "%s sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK%s%u\nRoute: %s\n"
             "Record-Route: <sip:192.0.2.20:6060;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">%s\n"
             "Call-ID: m1\nCSeq: %u %s\nMax-Forwards: 66\nContact: <sip:bob@192.0.2.99:5060>\n"
             "P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
             "P-Called-Party-ID: <sip:alice@" DOMAIN ">\n"
             "P-Charging-Vector: icid-value=\"icid\";orig-ioi=x\n",
             method, method, cseq, w.alice.path, to_tag, cseq, method);
    world_run(50);
}

static void open_called(struct addr *ret_from)
{
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    core_says("INVITE", 1, "");
    m = peer_take(&w.alice.us, "INVITE", ret_from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
}

static void phone_answers(const char *status, const char *tag, const struct addr *to)
{
    peer_answer(&w.alice.us, to, invite, status, tag, "Contact: <sip:alice@192.0.2.7:31001>\n",
                NULL);
    world_run(50);
}

static void a_phone_that_answers_after_the_call_leaves_nothing(void)
{
    struct addr from;
    const char *m;

    open_called(&from);
    phone_answers("180 Ringing", "late", &from);
    phone_answers("200 OK", "b", &from);
    core_says("ACK", 1, ";tag=b");
    core_says("BYE", 2, ";tag=b");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "ACK", NULL));
    m = peer_take(&w.alice.us, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.alice.us, &from, m, "200 OK", "b", "", NULL);
    world_run(50);
    phone_answers("200 OK", "late", &from);
    m = peer_take(&w.alice.us, "ACK", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "To", 0), ";tag=late"));
    m = peer_take(&w.alice.us, "BYE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "To", 0), ";tag=late"));
    world_run(400 * 1000);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    world_close();
}

static void a_phone_may_not_hang_up_before_it_answers(void)
{
    struct addr from;

    open_called(&from);
    phone_answers("180 Ringing", "b", &from);
    peer_say(&w.alice.uc, &w.alice.ps,
             "BYE sip:bob@192.0.2.99:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKbye\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:192.0.2.11:5070;lr>, "
             "<sip:192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=b\nTo: <sip:bob@" DOMAIN ">;tag=f\n"
             "Call-ID: m1\nCSeq: 1 BYE\nMax-Forwards: 70\n");
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "BYE", NULL));
    CU_ASSERT_EQUAL(w.deletes, 0);
    phone_answers("200 OK", "b", &from);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    world_close();
}

TEST_MAIN("flow/pcscf/dialog",
          {"media end with a dialog that is lost", media_end_with_a_dialog_that_is_lost},
          {"the BYE that follows passes", the_bye_that_follows_passes},
          {"more phones than a call may have leave room for others",
           more_phones_than_a_call_may_have_leave_room_for_others},
          {"whoever answers a call answers it", whoever_answers_a_call_answers_it},
          {"what was early ends with a refusal", what_was_early_ends_with_a_refusal},
          {"a late answer finds its dialog gone", a_late_answer_finds_its_dialog_gone},
          {"an answer that makes no dialog is no call", an_answer_that_makes_no_dialog_is_no_call},
          {"a phone that answers after the call leaves nothing",
           a_phone_that_answers_after_the_call_leaves_nothing},
          {"a phone may not hang up before it answers", a_phone_may_not_hang_up_before_it_answers})
