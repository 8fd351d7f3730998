/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a response: its dialog, its description, and the call. Alice calls; the edge has her offer. */
#include "tests/unit/pcscf/session/legs.h"

#include <stdlib.h>

#define SCSCF "<sip:orig@192.0.2.20:6060;lr>"

static char invite[PEER_TEXT_MAX]; /* as the core has it */

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow)
{
    (void)m, (void)flow;
    session_from_phone(legs.s, s, legs.alice);
}

static void alice_calls(void)
{
    const char *m;

    legs_open(true, true);
    legs.alice->service_route = span_dup(SPAN(SCSCF));
    legs.alice->source = (struct sip_flow){
        .endpoint = stage.gm, .proto = NET_UDP, .local = stage.at_gm, .remote = stage.phone.local};
    stage.on_request = on_request;
    peer_say(&stage.phone, &stage.at_gm,
             "INVITE sip:b@ims.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKi\n"
             "Route: " SCSCF "\nFrom: <sip:a@ims.test>;tag=f\nTo: <sip:b@ims.test>\nCall-ID: i\n"
             "CSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:a@192.0.2.7>\n\no\n");
    stage_run(20);
    edge_says(MEDIA_OK, "o'");
    stage_run(20);
    m = peer_take(&stage.core, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    (void)snprintf(invite, sizeof(invite), "%s", m);
    while (peer_take(&stage.phone, "SIP/2.0 100", NULL))
        ;
}

static void core_answers(const char *status, const char *tag, const char *extra, const char *body)
{
    char lines[300];

    (void)snprintf(lines, sizeof(lines), "Contact: <sip:b@192.0.2.9>\n%s", extra);
    peer_answer(&stage.core, &stage.at_mw, invite, status, tag, lines, body);
    stage_run(20);
}

static struct session_leg *leg(void)
{
    CU_ASSERT_FALSE_FATAL(list_empty(&legs.s->legs));
    return CONTAINER_OF(legs.s->legs.next, struct session_leg, item);
}

static bool heard(struct peer *p, const char *start)
{
    return peer_take(p, start, NULL) != NULL;
}

static void a_ringing_callee_without_a_tag_is_in_no_dialog(void)
{
    alice_calls();
    core_answers("180 Ringing", NULL, "", NULL);
    CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 180"));
    CU_ASSERT_EQUAL(leg()->dialogs, 0);
    core_answers("180 Ringing", "t", "", NULL);
    CU_ASSERT_EQUAL(leg()->dialogs, 1);
    core_answers("180 Ringing", "t", "", NULL);
    CU_ASSERT_EQUAL(leg()->dialogs, 1);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ANSWERED], 0);
    legs_close();
}

/* Half of the room is for those who have answered. */
static void an_answer_there_is_no_room_for_goes_nowhere_once_there_is_a_call(void)
{
    unsigned max;

    alice_calls();
    max = legs.s->dialogs_max;
    for (unsigned i = 0; i <= max; i++) {
        char tag[16];
        bool rings = i < max / 2;

        (void)snprintf(tag, sizeof(tag), "t%u", i);
        core_answers(rings ? "180 Ringing" : "200 OK", tag, "", NULL);
        /* Who calls could not acknowledge the last one: nobody knows its dialog. */
        CU_ASSERT_EQUAL(heard(&stage.phone, rings ? "SIP/2.0 180" : "SIP/2.0 200"), i < max);
        CU_ASSERT_EQUAL(sip_dialogs_count(legs.s->dialogs), i < max ? i + 1 : max);
    }
    legs_close();
}

static void the_first_who_answers_is_the_call(void)
{
    alice_calls();
    core_answers("180 Ringing", "x", "", NULL);
    core_answers("200 OK", "y", "", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leg()->confirmed);
    ASSERT_SPAN_EQ(sip_dialog_side(leg()->confirmed, SIP_CALLEE)->tag, "y");
    core_answers("200 OK", "x", "", NULL);
    ASSERT_SPAN_EQ(sip_dialog_side(leg()->confirmed, SIP_CALLEE)->tag, "y");
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ANSWERED], 1);
    legs_close();
}

static void a_description_that_is_refused_before_the_call_is_answered_ends_it(void)
{
    static const char *const types[] = {"",
                                        "Content-Type: application/sdp\nContent-Encoding: gzip\n"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        alice_calls();
        core_answers("183 Session Progress", "t", types[i], "a\n");
        if (i == 0) {
            CU_ASSERT_FALSE(heard(&stage.phone, "SIP/2.0 183"));
            edge_says(MEDIA_REFUSED, NULL);
            stage_run(20);
        }
        CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 488"));
        CU_ASSERT_FALSE(heard(&stage.phone, "SIP/2.0 183"));
        CU_ASSERT_TRUE(heard(&stage.core, "CANCEL"));
        CU_ASSERT_TRUE(leg()->media_ended);
        CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], 1);
        legs_close();
    }
}

static void what_is_no_description_asks_nobody(void)
{
    const char *m;

    alice_calls();
    core_answers("183 Session Progress", "t", "Content-Type: text/plain\n", "a\n");
    m = peer_take(&stage.phone, "SIP/2.0 183", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_body(m), "a\r\n");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 0);
    CU_ASSERT_TRUE(leg_awaits_answer(leg(), false));
    legs_close();
}

static void an_answer_waits_and_what_comes_after_it_waits_behind_it(void)
{
    const char *m;

    alice_calls();
    core_answers("183 Session Progress", "t", "", "a\n");
    core_answers("200 OK", "t", "", "a\n");
    CU_ASSERT_EQUAL(stage.phone.n, 0);
    edge_says(MEDIA_OK, "a'");
    pdp_says(AUTHORIZE_GRANTED, "TK");
    stage_run(20);
    m = peer_take(&stage.phone, "SIP/2.0", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(strncmp(m, "SIP/2.0 183", 11), 0);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Media-Authorization", 0), "544b");
    CU_ASSERT_STRING_EQUAL(peer_body(m), "a'");
    m = peer_take(&stage.phone, "SIP/2.0 200", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_body(m), "a'"); /* the same again: nobody is asked */
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 1);
    legs_close();
}

static void a_caller_who_is_redirected_or_refused_has_no_media(void)
{
    static const char *const statuses[] = {"302 Moved Temporarily", "486 Busy Here", "600 Busy"};

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        alice_calls();
        core_answers(statuses[i], "t", "", NULL);
        CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], 1);
        CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
        CU_ASSERT_EQUAL(legs.closed, 0); /* the PDP had not been asked */
        stage_run(200 * 1000);
        CU_ASSERT_EQUAL(session_legs(legs.s), 0);
        CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
        legs_close();
    }
}

TEST_MAIN("pcscf/session/answer",
          {"a ringing callee without a tag is in no dialog",
           a_ringing_callee_without_a_tag_is_in_no_dialog},
          {"an answer there is no room for goes nowhere once there is a call",
           an_answer_there_is_no_room_for_goes_nowhere_once_there_is_a_call},
          {"the first who answers is the call", the_first_who_answers_is_the_call},
          {"a description that is refused before the call is answered ends it",
           a_description_that_is_refused_before_the_call_is_answered_ends_it},
          {"what is no description asks nobody", what_is_no_description_asks_nobody},
          {"an answer waits, and what comes after it waits behind it",
           an_answer_waits_and_what_comes_after_it_waits_behind_it},
          {"a caller who is redirected or refused has no media",
           a_caller_who_is_redirected_or_refused_has_no_media})
