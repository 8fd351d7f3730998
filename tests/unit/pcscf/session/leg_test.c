/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legs: how many, whose, for how long, and what ends with them. */
#include "tests/unit/pcscf/session/legs.h"

/* A leg is dropped once nothing names it. */
static void release_hold(struct session_leg *leg)
{
    leg->hops--;
    leg_let_go(leg);
}

static int leg_of(enum sip_leg side, const char *lines, struct session_leg **ret_leg)
{
    struct sip_msg *invite = stage_message("INVITE sip:b@ims.test SIP/2.0", lines);
    int rc = leg_new(legs.s, legs.alice, side, invite, ret_leg);

    sip_msg_unref(invite);
    return rc;
}

static void there_are_as_many_legs_as_the_bound_says(void)
{
    struct session_leg *leg[3], *one_more = NULL;

    legs_open(true, true);
    for (size_t i = 0; i < ARRAY_LEN(leg); i++)
        leg[i] = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    CU_ASSERT_EQUAL(leg_of(SIP_LEG_ORIGINATING, "", &one_more), -ENOSPC);
    CU_ASSERT_PTR_NULL(one_more);
    release_hold(leg[1]);
    CU_ASSERT_EQUAL(session_legs(legs.s), 2);
    CU_ASSERT_EQUAL(leg_of(SIP_LEG_ORIGINATING, "", &one_more), 0);
    legs_close();
}

static void who_calls_for_help_finds_room_when_nobody_else_does(void)
{
    struct session_leg *leg = NULL;
    struct sip_msg *help;

    legs_open(true, true);
    legs.s->options.legs = 8;
    help = stage_message("INVITE urn:service:sos.fire SIP/2.0", "");
    for (unsigned i = 0; i < 8; i++)
        (void)legs_add(legs.alice, SIP_LEG_ORIGINATING);
    CU_ASSERT_EQUAL(leg_of(SIP_LEG_ORIGINATING, "", &leg), -ENOSPC);
    CU_ASSERT_EQUAL_FATAL(leg_new(legs.s, legs.alice, SIP_LEG_ORIGINATING, help, &leg), 0);
    leg->hops++;
    CU_ASSERT_EQUAL(leg_new(legs.s, legs.alice, SIP_LEG_ORIGINATING, help, &leg), -ENOSPC);
    sip_msg_unref(help);
    legs_close();
}

/* RFC 5031: help has a share of its own, and so have calls to the phone. */
static void a_phone_has_its_share_of_each_kind_of_calls(void)
{
    static const struct {
        enum sip_leg side;
        const char *ruri;
        enum binding_call kind;
    } kinds[] = {
        {SIP_LEG_ORIGINATING, "sip:b@ims.test", BINDING_CALL_MADE},
        {SIP_LEG_TERMINATING, "sip:b@ims.test", BINDING_CALL_TAKEN},
        {SIP_LEG_ORIGINATING, "urn:service:sos", BINDING_CALL_EMERGENCY},
    };
    char start[64];

    legs_open(true, true);
    legs.s->options.legs = 100;
    legs.s->options.legs_per_phone = 1;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct session_leg *leg = NULL, *more = NULL;
        const struct binding_calls *calls = &legs.alice->calls[kinds[i].kind];
        struct sip_msg *m;

        snprintf(start, sizeof(start), "INVITE %s SIP/2.0", kinds[i].ruri);
        m = stage_message(start, "");
        CU_ASSERT_EQUAL_FATAL(leg_new(legs.s, legs.alice, kinds[i].side, m, &leg), 0);
        leg->hops++;
        CU_ASSERT_EQUAL(leg_new(legs.s, legs.alice, kinds[i].side, m, &more), -EDQUOT);
        CU_ASSERT_PTR_NULL(more);
        /* what is over makes room at once, and is still known */
        leg_media_end(leg);
        leg_media_end(leg);
        CU_ASSERT_EQUAL(calls->live, 0);
        CU_ASSERT_EQUAL(calls->known, 1);
        CU_ASSERT_EQUAL_FATAL(leg_new(legs.s, legs.alice, kinds[i].side, m, &more), 0);
        CU_ASSERT_EQUAL(calls->live, 1);
        more->hops++;
        release_hold(leg);
        CU_ASSERT_EQUAL(calls->live, 1);
        CU_ASSERT_EQUAL(calls->known, 1);
        sip_msg_unref(m);
    }
    legs_close();
}

/* The ICID is made where the call begins; what a phone says of it counts for nothing. */
static void a_called_phones_leg_has_the_callers_icid_and_a_callers_its_own(void)
{
    char too_long[CHARGE_ICID_MAX + 40];
    const struct {
        enum sip_leg side;
        const char *lines;
        bool kept;
    } cases[] = {
        {SIP_LEG_TERMINATING, "P-Charging-Vector: icid-value=given;orig-ioi=x\n", true},
        {SIP_LEG_ORIGINATING, "P-Charging-Vector: icid-value=given;orig-ioi=x\n", false},
        {SIP_LEG_TERMINATING, "", false},
        {SIP_LEG_TERMINATING, "P-Charging-Vector: orig-ioi=x\n", false},
        {SIP_LEG_TERMINATING, too_long, false},
    };

    (void)snprintf(too_long, sizeof(too_long), "P-Charging-Vector: icid-value=%0*d\n",
                   CHARGE_ICID_MAX, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct session_leg *leg = NULL;

        legs_open(true, true);
        CU_ASSERT_EQUAL_FATAL(leg_of(cases[i].side, cases[i].lines, &leg), 0);
        CU_ASSERT_EQUAL(strcmp(leg->icid, "given") == 0, cases[i].kept);
        CU_ASSERT_EQUAL(strlen(leg->icid), cases[i].kept ? 5 : 32);
        legs_close();
    }
}

static void each_leg_is_a_session_of_its_own_to_the_edge(void)
{
    struct session_leg *first, *second;

    legs_open(true, true);
    first = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    second = legs_add(legs.alice, SIP_LEG_TERMINATING);
    CU_ASSERT_EQUAL(strlen(first->edge_call), sizeof(first->edge_call) - 1);
    CU_ASSERT_STRING_NOT_EQUAL(first->edge_call, second->edge_call);
    legs_close();
}

static void a_leg_stays_while_a_request_or_a_dialog_names_it(void)
{
    struct session_leg *leg;

    legs_open(true, true);
    leg = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    leg->dialogs = 1;
    release_hold(leg);
    CU_ASSERT_EQUAL(session_legs(legs.s), 1);
    leg->hops = 1;
    leg->dialogs = 0;
    leg_let_go(leg);
    CU_ASSERT_EQUAL(session_legs(legs.s), 1);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 0);
    release_hold(leg);
    CU_ASSERT_EQUAL(session_legs(legs.s), 0);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
    CU_ASSERT_TRUE(list_empty(&legs.alice->legs));
    legs_close();
}

static void a_phone_that_has_gone_is_still_known_to_its_leg(void)
{
    struct session_leg *leg;

    legs_open(true, true);
    leg = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    CU_ASSERT_EQUAL(legs.alice->references, 1);
    binding_remove(stage.bindings, legs.alice);
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    CU_ASSERT_STRING_EQUAL(session_leg_binding(leg)->impi, "alice@ims.test");
    release_hold(leg);
    legs_close();
}

static void media_end_once_and_only_what_was_begun(void)
{
    struct session_leg *leg;

    for (unsigned begun = 0; begun < 2; begun++) {
        legs_open(true, true);
        leg = legs_add(legs.alice, SIP_LEG_ORIGINATING);
        if (begun) {
            leg->at_edge = leg->anchored = leg->gate_up = true;
            leg->af = &legs.af;
        }
        for (unsigned i = 0; i < 2; i++)
            leg_media_end(leg);
        CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], begun);
        CU_ASSERT_EQUAL(legs.closed, begun);
        CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
        CU_ASSERT_FALSE(leg->gate_up || leg->anchored);
        release_hold(leg);
        CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], begun);
        CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
        legs_close();
    }
}

/* The PDP has ended the AF session itself: there is nothing to terminate. */
static void what_the_pdp_revoked_is_ended_at_the_edge_alone(void)
{
    struct session_leg *leg;

    legs_open(true, true);
    leg = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    leg->at_edge = true;
    leg->af = &legs.af;
    session_media_revoked(legs.s, leg);
    CU_ASSERT_EQUAL(legs.closed, 0);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], 1);
    CU_ASSERT_EQUAL(legs.events[SESSION_PDP_ABORTED], 1);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 1);
    legs_close();
}

static void a_phone_takes_its_own_legs_along_and_no_others(void)
{
    struct session_leg *hers[2], *his;
    struct binding *bob;

    legs_open(true, true);
    bob = stage_binding("bob@ims.test");
    hers[0] = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    his = legs_add(bob, SIP_LEG_TERMINATING);
    hers[1] = legs_add(legs.alice, SIP_LEG_TERMINATING);
    session_release_phone(legs.s, legs.alice, "gone");
    CU_ASSERT_TRUE(hers[0]->media_ended && hers[1]->media_ended);
    CU_ASSERT_FALSE(his->media_ended);
    session_release_all(legs.s, "over");
    CU_ASSERT_TRUE(his->media_ended);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 3);
    legs_close();
}

static void legs_that_nothing_names_go_while_all_are_released(void)
{
    legs_open(true, true);
    for (unsigned i = 0; i < 3; i++)
        legs_add(legs.alice, SIP_LEG_ORIGINATING)->hops = 0;
    session_release_all(legs.s, "over");
    CU_ASSERT_EQUAL(session_legs(legs.s), 0);
    CU_ASSERT_EQUAL(legs.events[SESSION_CALL_ENDED], 3);
    legs_close();
}

/* RFC 3261 13.2.2.4: of several forks, the call is the one that was confirmed. */
static void the_call_ends_with_its_dialog_and_not_with_a_forks(void)
{
    char first = 0, second = 0; /* dialogs are told apart by their addresses alone */
    const struct sip_dialog *d[2] = {(void *)&first, (void *)&second};
    struct hop invite = {0};
    struct session_leg ringing = {.invite = &invite, .dialogs = 2};
    struct session_leg last = {.invite = &invite, .dialogs = 1};
    struct session_leg confirmed = {.confirmed = (void *)&first, .dialogs = 2};
    struct session_leg refused = {.dialogs = 2};

    CU_ASSERT_FALSE(hop_dialog_is_call(&ringing, d[0]));
    CU_ASSERT_TRUE(hop_dialog_is_call(&last, d[0]));
    CU_ASSERT_TRUE(hop_dialog_is_call(&confirmed, d[0]));
    CU_ASSERT_FALSE(hop_dialog_is_call(&confirmed, d[1]));
    CU_ASSERT_TRUE(hop_dialog_is_call(&refused, d[1]));
}

static unsigned visited;

static void on_view(const struct session_view *v, void *ctx)
{
    const struct session_leg *leg = ctx;

    if (strcmp(v->edge_call, leg->edge_call) != 0)
        return;
    visited++;
    CU_ASSERT_FALSE(v->originating);
    CU_ASSERT_TRUE(v->answered && v->token && v->anchored && v->gate_up);
    CU_ASSERT_FALSE(v->ended);
    CU_ASSERT_STRING_EQUAL(v->impi, "alice@ims.test");
    CU_ASSERT_STRING_EQUAL(v->icid, leg->icid);
    ASSERT_SPAN_EQ(v->call_id, "c");
    CU_ASSERT_EQUAL(v->started, leg->started);
    CU_ASSERT_EQUAL(v->answered_at, 77);
}

static void what_is_shown_of_a_leg_is_what_it_is(void)
{
    struct session_view v;
    struct session_leg *leg, *other;

    legs_open(true, true);
    visited = 0;
    other = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    leg = legs_add(legs.alice, SIP_LEG_TERMINATING);
    leg->answered_at = 77;
    leg->anchored = leg->gate_up = true;
    leg->token.n = 3;
    session_each(legs.s, on_view, leg);
    CU_ASSERT_EQUAL(visited, 1);
    session_view_leg(other, &v);
    CU_ASSERT_TRUE(v.originating);
    CU_ASSERT_FALSE(v.answered || v.token || v.anchored || v.gate_up || v.ended);
    leg_media_end(other);
    session_view_leg(other, &v);
    CU_ASSERT_TRUE(v.ended);
    legs_close();
}

TEST_MAIN("pcscf/session/leg",
          {"who calls for help finds room when nobody else does",
           who_calls_for_help_finds_room_when_nobody_else_does},
          {"a phone has its share of each kind of calls",
           a_phone_has_its_share_of_each_kind_of_calls},
          {"there are as many legs as the bound says", there_are_as_many_legs_as_the_bound_says},
          {"a called phone's leg has the caller's ICID, and a caller's its own",
           a_called_phones_leg_has_the_callers_icid_and_a_callers_its_own},
          {"each leg is a session of its own to the edge",
           each_leg_is_a_session_of_its_own_to_the_edge},
          {"a leg stays while a request or a dialog names it",
           a_leg_stays_while_a_request_or_a_dialog_names_it},
          {"a phone that has gone is still known to its leg",
           a_phone_that_has_gone_is_still_known_to_its_leg},
          {"media end once, and only what was begun", media_end_once_and_only_what_was_begun},
          {"what the PDP revoked is ended at the edge alone",
           what_the_pdp_revoked_is_ended_at_the_edge_alone},
          {"a phone takes its own legs along, and no others",
           a_phone_takes_its_own_legs_along_and_no_others},
          {"legs that nothing names go while all are released",
           legs_that_nothing_names_go_while_all_are_released},
          {"the call ends with its dialog, and not with a fork's",
           the_call_ends_with_its_dialog_and_not_with_a_forks},
          {"what is shown of a leg is what it is", what_is_shown_of_a_leg_is_what_it_is})
