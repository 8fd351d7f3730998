/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dialogs of calls at the S-CSCF: lost ones, early ones, one too many. Whatever phones make of
 * them, what is talked is charged, and what is not charged is not talked. */
#include <stdio.h>

#include "tests/flow/scscf/world.h"

#define BOBS_CONTACT                                                                               \
    "Record-Route: <sip:192.0.2.12:5070;lr>\nContact: <sip:bob@192.0.2.102:5062>\n"                \
    "P-Asserted-Identity: <" BOB ">\n"

/* The INVITE as it reached pb. */
static char invite[PEER_TEXT_MAX];

static bool is(const char *m, const char *start)
{
    bool same = m && strncmp(m, start, strlen(start)) == 0;

    if (!same)
        printf("\nnot %s but: %s", start, m ? m : "nothing");
    return same;
}

static void open_ringing(void (*configure)(struct scscf_options *o))
{
    const char *m;

    world_open(configure);
    world_registered();
    world_invite(BOB, "c1", "");
    m = peer_take(&w.pb, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
}

static void bob_says(const char *status, const char *tag)
{
    peer_answer(&w.pb, &w.s, invite, status, tag, BOBS_CONTACT, NULL);
    world_run(20);
}

static void open_talking(void)
{
    open_ringing(NULL);
    bob_says("180 Ringing", "b");
    bob_says("200 OK", "b");
    CU_ASSERT_FATAL(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    CU_ASSERT_FATAL(is(peer_take(&w.pb, "ACK", NULL), "ACK"));
}

/* Alice's request in the dialog, and what bob's side answers. */
static void asks(const char *method, unsigned cseq, const char *status)
{
    const char *m;

    world_in_dialog(&w.pa, method, "c1", cseq, true);
    m = peer_take(&w.pb, method, NULL);
    CU_ASSERT_FATAL(is(m, method));
    peer_answer(&w.pb, &w.s, m, status, "b", "", NULL);
    world_run(100);
}

static bool hears_bye(struct peer *p)
{
    const char *m = peer_take(p, "BYE", NULL);

    return m && strstr(peer_header(m, "Reason", 0), "Dialog lost") != NULL;
}

static void who_knows_of_no_dialog_ends_it_for_both(void)
{
    static const struct {
        const char *method, *status;
    } rows[] = {{"INVITE", "481 Call/Transaction Does Not Exist"},
                {"INVITE", "408 Request Timeout"}, /* RFC 3261 12.2.1.2 */
                {"UPDATE", "481 Call/Transaction Does Not Exist"},
                {"INFO", "481 Call/Transaction Does Not Exist"}};
    struct cdr c[4];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_talking();
        world_run(5000);
        asks(rows[i].method, 2, rows[i].status);
        CU_ASSERT(hears_bye(&w.pa));
        CU_ASSERT(hears_bye(&w.pb));
        CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
        ASSERT_SPAN_EQ(c[0].reason, "dialog lost");
        CU_ASSERT(cdr_duration(&c[0]) >= 5 * 1000000);
        CU_ASSERT_EQUAL(scscf_counters(w.scscf)->ended_lost, 1);
        CU_ASSERT(world_has_call_event(SCSCF_CALL_ORPHANED));
        world_run(120000);
        CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
        CU_ASSERT(scscf_is_idle(w.scscf));
        world_close();
    }
}

static void a_re_invite_nobody_answers_ends_the_call(void)
{
    struct cdr c[4];

    open_talking();
    world_in_dialog(&w.pa, "INVITE", "c1", 2, true);
    world_run(40000); /* timer B */
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 408", NULL), "SIP/2.0 408"));
    CU_ASSERT(hears_bye(&w.pa));
    CU_ASSERT(hears_bye(&w.pb));
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    world_close();
}

/* RFC 5057 5.1, RFC 3262 3; RFC 4320 4.2: of such a 408 nobody but us would hear. */
static void what_is_not_about_the_call_leaves_it(void)
{
    static const struct {
        const char *method, *status;
    } rows[] = {{"PRACK", "481 No Such RSeq"},
                {"NOTIFY", "481 Subscription Does Not Exist"},
                {"REFER", "481 No"},
                {"INFO", "408 Request Timeout"},
                {"INFO", "500 Later"}};
    struct cdr c[4];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_talking();
        asks(rows[i].method, 2, rows[i].status);
        CU_ASSERT_PTR_NULL(peer_take(&w.pa, "BYE", NULL));
        CU_ASSERT_EQUAL(world_records(c, 4), 0);
        world_run(5000);
        asks("BYE", 3, "200 OK");
        CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
        ASSERT_SPAN_EQ(c[0].reason, "BYE caller");
        CU_ASSERT(cdr_duration(&c[0]) >= 5 * 1000000);
        world_close();
    }
}

/* ---- before the answer ------------------------------------------------------------------------ */

/* Bob answers, whatever was said before; ten seconds later alice hangs up. */
static void is_answered_and_charged(void)
{
    struct cdr c[4];

    bob_says("200 OK", "b");
    CU_ASSERT_FATAL(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pb, "ACK", NULL));
    world_run(60000);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 2);
    asks("BYE", 9, "200 OK");
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    ASSERT_SPAN_EQ(c[0].reason, "BYE caller");
    CU_ASSERT(cdr_duration(&c[0]) >= 60 * 1000000);
    world_run(120000);
    CU_ASSERT(scscf_is_idle(w.scscf));
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
    world_close();
}

static void a_refused_prack_ends_nothing(void)
{
    open_ringing(NULL);
    bob_says("183 Session Progress", "b");
    asks("PRACK", 2, "481 No Such RSeq");
    asks("UPDATE", 3, "481 No Such Dialog"); /* its INVITE will say */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 481", NULL));
    is_answered_and_charged();
}

static void the_callee_may_not_hang_up_before_it_answers(void)
{
    open_ringing(NULL);
    bob_says("180 Ringing", "b");
    bob_says("180 Ringing", "other");
    world_in_dialog(&w.pb, "BYE", "c1", 1, false);
    CU_ASSERT(is(peer_take(&w.pb, "SIP/2.0", NULL), "SIP/2.0 403"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pa, "BYE", NULL));
    is_answered_and_charged();
}

/* RFC 3261 15: the caller may, and its INVITE is to be answered with 487 then. */
static void the_caller_may_hang_up_and_be_answered_all_the_same(void)
{
    open_ringing(NULL);
    bob_says("180 Ringing", "b");
    bob_says("180 Ringing", "other");
    asks("BYE", 2, "200 OK");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    is_answered_and_charged();
}

static void more_phones_than_a_call_may_have_are_not_heard(void)
{
    char tag[16];

    open_ringing(NULL);
    for (unsigned i = 0; i < 30; i++) {
        snprintf(tag, sizeof(tag), "t%u", i);
        bob_says("180 Ringing", tag);
        CU_ASSERT_EQUAL(peer_take(&w.pa, "SIP/2.0 180", NULL) != NULL, i < SIP_DIALOG_FORKS_MAX);
    }
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), SIP_DIALOG_FORKS_MAX);
    CU_ASSERT_EQUAL(scscf_counters(w.scscf)->dropped_forks, 30 - SIP_DIALOG_FORKS_MAX);
    bob_says("180 Ringing", "t1"); /* one that is known */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 180", NULL));
    /* the call is answered by whoever answers it, and by no thirty of them */
    bob_says("200 OK", "t29");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    bob_says("200 OK", "t28");
    CU_ASSERT_PTR_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), SIP_DIALOG_FORKS_MAX + 1);
    world_run(60000); /* what did not answer is forgotten with the INVITE */
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 1);
    world_close();
}

static void what_was_early_ends_with_a_refusal(void)
{
    open_ringing(NULL);
    bob_says("180 Ringing", "b");
    bob_says("180 Ringing", "other");
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 2);
    bob_says("486 Busy Here", "b");
    world_run(100);
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
    world_close();
}

static void who_answers_after_the_call_is_hung_up_on(void)
{
    struct cdr c[4];
    const char *m;

    open_ringing(NULL);
    bob_says("180 Ringing", "late");
    bob_says("200 OK", "b");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    asks("BYE", 2, "200 OK");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    (void)peer_take(&w.pb, "ACK", NULL);
    bob_says("200 OK", "late");
    CU_ASSERT_PTR_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    m = peer_take(&w.pb, "ACK", NULL);
    CU_ASSERT_FATAL(m != NULL);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "To", 0), "<" BOB ">;tag=late");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pb, "BYE", NULL));
    world_run(120000);
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
    world_close();
}

static void an_answer_that_makes_no_dialog_is_no_call(void)
{
    struct cdr c[4];

    open_ringing(NULL);
    bob_says("200 OK", NULL);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 500", NULL), "SIP/2.0 500"));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].sip_status, 500);
    CU_ASSERT_EQUAL(c[0].answer_time, 0);
    world_close();
}

/* ---- ringing ---------------------------------------------------------------------------------- */

static void a_phone_does_not_ring_for_ever(void)
{
    struct cdr c[4];
    const char *m;

    open_ringing(NULL);
    for (unsigned i = 0; i < 17; i++) { /* each starts timer C again */
        bob_says("180 Ringing", "b");
        world_run(10000);
    }
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "CANCEL", NULL));
    world_run(10000);
    m = peer_take(&w.pb, "CANCEL", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.pb, &w.s, m, "200 OK", "b", "", NULL);
    bob_says("487 Request Terminated", "b");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 408", NULL), "SIP/2.0 408"));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].sip_status, 408);
    CU_ASSERT_EQUAL(c[0].answer_time, 0);
    world_close();
}

static void without_end(struct scscf_options *o)
{
    o->ring_max = 0;
}

static void a_phone_may_ring_for_ever_where_policy_says_so(void)
{
    open_ringing(without_end);
    for (unsigned i = 0; i < 60; i++) {
        bob_says("180 Ringing", "b");
        (void)peer_take(&w.pa, "SIP/2.0 180", NULL);
        world_run(60000);
    }
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "CANCEL", NULL));
    bob_says("200 OK", "b");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    world_close();
}

TEST_MAIN("flow/scscf/dialog",
          {"who knows of no dialog ends it for both", who_knows_of_no_dialog_ends_it_for_both},
          {"a re-INVITE nobody answers ends the call", a_re_invite_nobody_answers_ends_the_call},
          {"an answer that makes no dialog is no call", an_answer_that_makes_no_dialog_is_no_call},
          {"what is not about the call leaves it", what_is_not_about_the_call_leaves_it},
          {"a refused PRACK ends nothing", a_refused_prack_ends_nothing},
          {"the callee may not hang up before it answers",
           the_callee_may_not_hang_up_before_it_answers},
          {"the caller may hang up and be answered all the same",
           the_caller_may_hang_up_and_be_answered_all_the_same},
          {"more phones than a call may have are not heard",
           more_phones_than_a_call_may_have_are_not_heard},
          {"what was early ends with a refusal", what_was_early_ends_with_a_refusal},
          {"who answers after the call is hung up on", who_answers_after_the_call_is_hung_up_on},
          {"a phone does not ring for ever", a_phone_does_not_ring_for_ever},
          {"a phone may ring for ever where policy says so",
           a_phone_may_ring_for_ever_where_policy_says_so})
