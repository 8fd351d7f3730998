/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Session descriptions on their way through edge and PDP: who is asked what, in which order, and what is kept. */
#include "tests/unit/pcscf/session/legs.h"

/* Who waits for a description; an offer's stands for the request it is in. */
struct waiter {
    struct leg_body body;
    unsigned calls, status, turn;
    char sdp[LEGS_TEXT];
};

static unsigned turns;

static void on_done(const struct leg_outcome *o, void *ctx)
{
    struct waiter *w = ctx;

    w->calls++;
    w->status = o->status;
    w->turn = ++turns;
    legs_copy(o->sdp, w->sdp, sizeof(w->sdp));
}

enum from { PHONE = true, CORE = false };
enum kind { OFFER = true, ANSWER = false };

/* Reads "an offer, from the phone". */
static int start(struct session_leg *leg, struct waiter *w, enum kind kind, enum from from,
                 const char *sdp)
{
    *w = (struct waiter){.body = {.sdp = span_str(sdp),
                                  .from_phone = from == PHONE,
                                  .is_offer = kind == OFFER,
                                  .in_request = kind == OFFER,
                                  .done = on_done,
                                  .ctx = w}};
    list_init(&w->body.item);
    return leg_body_start(leg, &w->body);
}

/* Through the edge, which makes "<sdp>'" of it, and past the PDP when it is asked; it went well. */
static void passes(struct session_leg *leg, struct waiter *w, enum kind kind, enum from from,
                   const char *sdp)
{
    char out[LEGS_TEXT];
    unsigned aars = legs.aars;

    (void)snprintf(out, sizeof(out), "%s'", sdp);
    CU_ASSERT_EQUAL_FATAL(start(leg, w, kind, from, sdp), 0);
    edge_says(MEDIA_OK, out);
    if (legs.aars > aars)
        pdp_says(AUTHORIZE_GRANTED, "");
    CU_ASSERT_EQUAL(w->calls, 1);
    CU_ASSERT_EQUAL(w->status, 0);
    ASSERT_SPAN_EQ(span_str(w->sdp), out);
}

static struct session_leg *setup(enum sip_leg side)
{
    legs_open(true, true);
    turns = 0;
    return legs_add(legs.alice, side);
}

/* ---- the edge ------------------------------------------------------------------------------------- */

static void with_neither_edge_nor_pdp_a_description_passes_at_once(void)
{
    struct session_leg *leg;
    struct waiter offer, answer;

    legs_open(false, false);
    leg = legs_add(legs.alice, SIP_LEG_ORIGINATING);
    CU_ASSERT_EQUAL(start(leg, &offer, OFFER, PHONE, "o"), 0);
    CU_ASSERT_EQUAL(offer.calls, 1);
    ASSERT_SPAN_EQ(span_str(offer.sdp), "o");
    CU_ASSERT_EQUAL(start(leg, &answer, ANSWER, CORE, "a"), 0);
    ASSERT_SPAN_EQ(span_str(answer.sdp), "a");
    CU_ASSERT_FALSE(leg->anchored);
    legs_close();
}

/* rtpengine's: from-tag is the offerer's in both commands. */
static void the_edge_is_told_who_offered_and_which_way_it_goes(void)
{
    static const enum from offerers[] = {PHONE, CORE};

    for (size_t i = 0; i < ARRAY_LEN(offerers); i++) {
        bool phone = offerers[i] == PHONE;
        const char *offerer = phone ? "phone" : "core", *other = phone ? "core" : "phone";
        struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
        struct waiter offer, answer;

        passes(leg, &offer, OFFER, phone ? PHONE : CORE, "o");
        CU_ASSERT_EQUAL(legs.commands[MEDIA_OFFER], 1);
        ASSERT_SPAN_EQ(span_str(legs.sdp), "o");
        ASSERT_SPAN_EQ(span_str(legs.from_tag), offerer);
        ASSERT_SPAN_EQ(span_str(legs.to_tag), "");
        CU_ASSERT_STRING_EQUAL(legs.asked.from_side, phone ? "access" : "core");
        CU_ASSERT_STRING_EQUAL(legs.asked.to_side, phone ? "core" : "access");
        passes(leg, &answer, ANSWER, phone ? CORE : PHONE, "a");
        CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 1);
        ASSERT_SPAN_EQ(span_str(legs.from_tag), offerer);
        ASSERT_SPAN_EQ(span_str(legs.to_tag), other);
        CU_ASSERT_STRING_EQUAL(legs.asked.from_side, phone ? "core" : "access");
        CU_ASSERT_STRING_EQUAL(legs.asked.to_side, phone ? "access" : "core");
        legs_close();
    }
}

static void an_edge_that_cannot_be_asked_is_a_silent_one(void)
{
    static const enum session_policy policies[] = {SESSION_REJECT, SESSION_ALLOW};

    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
        struct waiter offer;

        legs.s->options.on_media_failure = policies[i];
        legs.edge_status = -EBUSY;
        CU_ASSERT_EQUAL(start(leg, &offer, OFFER, PHONE, "o"), 0);
        CU_ASSERT_EQUAL(offer.calls, 1);
        CU_ASSERT_EQUAL(offer.status, policies[i] == SESSION_REJECT ? 503 : 0);
        CU_ASSERT_EQUAL(legs.events[SESSION_MEDIA_SILENT], 1);
        legs_close();
    }
}

/* ---- one at a time -------------------------------------------------------------------------------- */

static void descriptions_wait_for_their_turn_but_no_offer_in_a_request(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter offer, first, second, late;

    passes(leg, &offer, OFFER, PHONE, "o");
    CU_ASSERT_EQUAL(start(leg, &first, ANSWER, CORE, "a"), 0);
    CU_ASSERT_EQUAL(start(leg, &second, ANSWER, CORE, "b"), 0);
    CU_ASSERT_EQUAL(start(leg, &late, OFFER, CORE, "p"), -EBUSY);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 1);
    edge_says(MEDIA_OK, "a'");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 1); /* the PDP is not done with the first */
    pdp_says(AUTHORIZE_GRANTED, "");
    CU_ASSERT_EQUAL(first.calls, 1);
    CU_ASSERT_EQUAL(second.calls, 0);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 2);
    edge_says(MEDIA_OK, "b'");
    pdp_says(AUTHORIZE_GRANTED, "");
    ASSERT_SPAN_EQ(span_str(second.sdp), "b'");
    CU_ASSERT_EQUAL(late.calls, 0);
    legs_close();
}

static void the_same_answer_again_asks_nobody_again(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    passes(leg, &w, OFFER, PHONE, "o");
    passes(leg, &w, ANSWER, CORE, "a");
    CU_ASSERT_EQUAL(start(leg, &w, ANSWER, CORE, "a"), 0);
    CU_ASSERT_EQUAL(w.calls, 1);
    ASSERT_SPAN_EQ(span_str(w.sdp), "a'");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 1);
    CU_ASSERT_EQUAL(legs.aars, 1);
    passes(leg, &w, ANSWER, CORE, "b"); /* another callee's */
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 2);
    legs_close();
}

/* The offer of a 183 in the 200; but the same words in another request are a new offer. */
static void the_same_offer_again_is_one_while_its_request_is(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter first, second;

    passes(leg, &first, OFFER, CORE, "o");
    CU_ASSERT_EQUAL(start(leg, &first, OFFER, CORE, "o"), 0);
    CU_ASSERT_EQUAL(first.calls, 1);
    ASSERT_SPAN_EQ(span_str(first.sdp), "o'");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_OFFER], 1);
    passes(leg, &second, OFFER, CORE, "o");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_OFFER], 2);
    legs_close();
}

/* An answer that is refused was never used: it is not known when it comes again. */
static void an_answer_the_edge_refused_is_asked_about_again(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    passes(leg, &w, OFFER, PHONE, "o");
    CU_ASSERT_EQUAL(start(leg, &w, ANSWER, CORE, "a"), 0);
    edge_says(MEDIA_REFUSED, NULL);
    CU_ASSERT_EQUAL(w.status, 488);
    CU_ASSERT_TRUE(leg_awaits_answer(leg, false));
    passes(leg, &w, ANSWER, CORE, "a");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_ANSWER], 2);
    legs_close();
}

/* ---- whose turn it is to speak -------------------------------------------------------------------- */

static void only_the_other_side_of_an_open_offer_is_waited_for(void)
{
    static const enum from offerers[] = {PHONE, CORE};

    for (size_t i = 0; i < ARRAY_LEN(offerers); i++) {
        bool phone = offerers[i] == PHONE;
        struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
        struct waiter w;

        CU_ASSERT_FALSE(leg_awaits_answer(leg, true) || leg_awaits_answer(leg, false));
        passes(leg, &w, OFFER, offerers[i], "o");
        CU_ASSERT_TRUE(leg_awaits_answer(leg, !phone));
        CU_ASSERT_FALSE(leg_awaits_answer(leg, phone));
        leg_offer_withdraw(leg);
        CU_ASSERT_FALSE(leg_awaits_answer(leg, !phone));
        passes(leg, &w, OFFER, offerers[i], "p");
        passes(leg, &w, ANSWER, phone ? CORE : PHONE, "a");
        CU_ASSERT_FALSE(leg_awaits_answer(leg, !phone));
        legs_close();
    }
}

static void the_answer_that_was_taken_is_taken_again_and_no_other(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    CU_ASSERT_FALSE(leg_takes_answer(leg, SPAN("a"), false));
    passes(leg, &w, OFFER, PHONE, "o");
    CU_ASSERT_TRUE(leg_takes_answer(leg, SPAN("anything"), false));
    passes(leg, &w, ANSWER, CORE, "a");
    CU_ASSERT_TRUE(leg_takes_answer(leg, SPAN("a"), false));
    CU_ASSERT_FALSE(leg_takes_answer(leg, SPAN("a"), true));
    CU_ASSERT_FALSE(leg_takes_answer(leg, SPAN("a'"), false));
    CU_ASSERT_FALSE(leg_takes_answer(leg, SPAN("b"), false));
    legs_close();
}

static void an_offer_that_is_withdrawn_leaves_what_was_agreed(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    passes(leg, &w, OFFER, PHONE, "o");
    passes(leg, &w, ANSWER, CORE, "a");
    passes(leg, &w, OFFER, PHONE, "p");
    ASSERT_SPAN_EQ(span_str(leg->from_phone), "o");
    leg_offer_withdraw(leg);
    /* An answer that comes all the same is to what was agreed, not to that offer. */
    passes(leg, &w, ANSWER, CORE, "b");
    ASSERT_SPAN_EQ(span_str(leg->from_phone), "o");
    ASSERT_SPAN_EQ(span_str(leg->to_phone), "b'");
    legs_close();
}

/* ---- who has gone --------------------------------------------------------------------------------- */

static void an_offer_whose_request_has_gone_is_not_noted(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    CU_ASSERT_EQUAL(start(leg, &w, OFFER, PHONE, "o"), 0);
    leg_offer_withdraw(leg);
    edge_says(MEDIA_OK, "o'");
    CU_ASSERT_EQUAL(w.status, 487);
    CU_ASSERT_FALSE(leg_awaits_answer(leg, false));
    CU_ASSERT_EQUAL(legs.aars, 0);
    legs_close();
}

static void an_answer_nobody_waits_for_any_more_is_still_authorized(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    passes(leg, &w, OFFER, PHONE, "o");
    CU_ASSERT_EQUAL(start(leg, &w, ANSWER, CORE, "a"), 0);
    leg_body_cancel(leg, &w.body);
    edge_says(MEDIA_OK, "a'");
    pdp_says(AUTHORIZE_GRANTED, "");
    CU_ASSERT_EQUAL(w.calls, 0);
    ASSERT_SPAN_EQ(span_str(leg->to_phone), "a'");
    legs_close();
}

static void one_who_waits_and_goes_is_passed_over(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter offer, first, second, third;

    passes(leg, &offer, OFFER, PHONE, "o");
    CU_ASSERT_EQUAL(start(leg, &first, ANSWER, CORE, "a"), 0);
    CU_ASSERT_EQUAL(start(leg, &second, ANSWER, CORE, "b"), 0);
    CU_ASSERT_EQUAL(start(leg, &third, ANSWER, CORE, "c"), 0);
    leg_body_cancel(leg, &second.body);
    edge_says(MEDIA_OK, "a'");
    pdp_says(AUTHORIZE_GRANTED, "");
    ASSERT_SPAN_EQ(span_str(legs.sdp), "c");
    CU_ASSERT_EQUAL(second.calls, 0);
    legs_close();
}

static void when_the_media_end_all_who_wait_hear_it_in_their_order(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter offer, w[3];

    passes(leg, &offer, OFFER, PHONE, "o");
    for (unsigned i = 0; i < ARRAY_LEN(w); i++)
        CU_ASSERT_EQUAL(start(leg, &w[i], ANSWER, CORE, "a"), 0);
    leg_media_end(leg);
    for (unsigned i = 0; i < ARRAY_LEN(w); i++) {
        CU_ASSERT_EQUAL(w[i].calls, 1);
        CU_ASSERT_EQUAL(w[i].status, 487);
        CU_ASSERT_EQUAL(w[i].turn, i + 2);
    }
    CU_ASSERT_EQUAL(legs.cancelled, 1);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], 1);
    legs_close();
}

/* ---- the PDP -------------------------------------------------------------------------------------- */

static void an_offer_is_the_pdps_business_only_where_its_answer_would_be_too_late(void)
{
    static const struct {
        const char *name;
        bool agreed, token;
        enum from from;
        const char *sdp;
        bool asked;
    } cases[] = {
        {"the first of a phone", false, false, PHONE, "o", false},
        {"the first to a phone, which is to get its token", false, false, CORE, "o", true},
        {"to a phone that has its token", false, true, CORE, "o", false},
        {"a phone changes what was agreed", true, true, PHONE, "new", true},
        {"a phone says it again", true, true, PHONE, "o", false},
        {"the other side changes what was agreed", true, true, CORE, "new", true},
        {"the other side says it again", true, true, CORE, "a", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct session_leg *leg = setup(SIP_LEG_TERMINATING);
        struct waiter w;
        unsigned before;

        if (cases[i].agreed) {
            passes(leg, &w, OFFER, PHONE, "o");
            passes(leg, &w, ANSWER, CORE, "a");
        }
        if (cases[i].token)
            CU_ASSERT_EQUAL(secret_set(&leg->token, "t", 1), 0);
        before = legs.aars;
        passes(leg, &w, OFFER, cases[i].from, cases[i].sdp);
        if (legs.aars - before != cases[i].asked)
            fprintf(stderr, "%s\n", cases[i].name);
        CU_ASSERT_EQUAL(legs.aars - before, cases[i].asked);
        legs_close();
    }
}

static void the_pdp_sees_what_is_on_the_phones_side_of_the_edge(void)
{
    struct session_leg *leg = setup(SIP_LEG_TERMINATING);
    struct waiter w;

    passes(leg, &w, OFFER, CORE, "o");
    ASSERT_SPAN_EQ(span_str(legs.from_phone), "");
    ASSERT_SPAN_EQ(span_str(legs.to_phone), "o'");
    passes(leg, &w, ANSWER, PHONE, "a");
    ASSERT_SPAN_EQ(span_str(legs.from_phone), "a");
    ASSERT_SPAN_EQ(span_str(legs.to_phone), "o'");
    CU_ASSERT_FALSE(legs.offer_from_phone);
    passes(leg, &w, OFFER, PHONE, "p"); /* a change: its answer is not known yet */
    ASSERT_SPAN_EQ(span_str(legs.from_phone), "p");
    ASSERT_SPAN_EQ(span_str(legs.to_phone), "");
    CU_ASSERT_TRUE(legs.offer_from_phone);
    passes(leg, &w, ANSWER, CORE, "b");
    ASSERT_SPAN_EQ(span_str(legs.from_phone), "p");
    ASSERT_SPAN_EQ(span_str(legs.to_phone), "b'");
    CU_ASSERT_TRUE(legs.offer_from_phone);
    CU_ASSERT_EQUAL(legs.opened, 1);
    legs_close();
}

static void a_pdp_that_cannot_be_asked_is_a_silent_one_and_one_that_cannot_read_refuses(void)
{
    static const struct {
        int rc;
        enum session_policy policy;
        unsigned status, silent;
    } cases[] = {
        {-EBUSY, SESSION_REJECT, 503, 1},
        {-ENOMEM, SESSION_ALLOW, 0, 1},
        {-EBADMSG, SESSION_REJECT, 488, 0},
        {-EBADMSG, SESSION_ALLOW, 488, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct session_leg *leg = setup(SIP_LEG_TERMINATING);
        struct waiter w;

        legs.s->options.on_pdp_failure = cases[i].policy;
        legs.pdp_status = cases[i].rc;
        CU_ASSERT_EQUAL(start(leg, &w, OFFER, CORE, "o"), 0);
        edge_says(MEDIA_OK, "o'");
        CU_ASSERT_EQUAL(w.calls, 1);
        CU_ASSERT_EQUAL(w.status, cases[i].status);
        CU_ASSERT_EQUAL(legs.events[SESSION_PDP_SILENT], cases[i].silent);
        legs_close();
    }
}

static void a_token_is_handed_to_the_edge_when_the_answer_is_granted(void)
{
    struct session_leg *leg = setup(SIP_LEG_TERMINATING);
    struct waiter w;

    CU_ASSERT_EQUAL(start(leg, &w, OFFER, CORE, "o"), 0);
    edge_says(MEDIA_OK, "o'");
    pdp_says(AUTHORIZE_GRANTED, "token");
    CU_ASSERT_EQUAL(leg->token.n, 5);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_AUTHORIZE], 0);
    CU_ASSERT_EQUAL(start(leg, &w, ANSWER, PHONE, "a"), 0);
    edge_says(MEDIA_OK, "a'");
    pdp_says(AUTHORIZE_GRANTED, ""); /* it has been said already */
    CU_ASSERT_EQUAL(leg->token.n, 5);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_AUTHORIZE], 1);
    CU_ASSERT_EQUAL(w.calls, 1); /* media waits at the gate, not signalling */
    CU_ASSERT_FALSE(leg->gate_up);
    edge_says(MEDIA_OK, NULL);
    CU_ASSERT_TRUE(leg->gate_up);
    legs_close();
}

static void what_is_not_anchored_has_no_gate_to_raise(void)
{
    struct session_leg *leg = setup(SIP_LEG_ORIGINATING);
    struct waiter w;

    legs.s->options.on_media_failure = SESSION_ALLOW;
    CU_ASSERT_EQUAL(start(leg, &w, OFFER, PHONE, "o"), 0);
    edge_says(MEDIA_SILENT, NULL);
    ASSERT_SPAN_EQ(span_str(w.sdp), "o");
    CU_ASSERT_EQUAL(start(leg, &w, ANSWER, CORE, "a"), 0);
    edge_says(MEDIA_REFUSED, NULL);
    pdp_says(AUTHORIZE_GRANTED, "token");
    ASSERT_SPAN_EQ(span_str(w.sdp), "a");
    CU_ASSERT_EQUAL(legs.commands[MEDIA_AUTHORIZE], 0);
    legs_close();
}

TEST_MAIN("pcscf/session/body",
          {"with neither edge nor PDP, a description passes at once",
           with_neither_edge_nor_pdp_a_description_passes_at_once},
          {"the edge is told who offered, and which way it goes",
           the_edge_is_told_who_offered_and_which_way_it_goes},
          {"an edge that cannot be asked is a silent one",
           an_edge_that_cannot_be_asked_is_a_silent_one},
          {"descriptions wait for their turn, but no offer in a request",
           descriptions_wait_for_their_turn_but_no_offer_in_a_request},
          {"the same answer again asks nobody again", the_same_answer_again_asks_nobody_again},
          {"the same offer again is one while its request is",
           the_same_offer_again_is_one_while_its_request_is},
          {"an answer the edge refused is asked about again",
           an_answer_the_edge_refused_is_asked_about_again},
          {"only the other side of an open offer is waited for",
           only_the_other_side_of_an_open_offer_is_waited_for},
          {"the answer that was taken is taken again, and no other",
           the_answer_that_was_taken_is_taken_again_and_no_other},
          {"an offer that is withdrawn leaves what was agreed",
           an_offer_that_is_withdrawn_leaves_what_was_agreed},
          {"an offer whose request has gone is not noted",
           an_offer_whose_request_has_gone_is_not_noted},
          {"an answer nobody waits for any more is still authorized",
           an_answer_nobody_waits_for_any_more_is_still_authorized},
          {"one who waits and goes is passed over", one_who_waits_and_goes_is_passed_over},
          {"when the media end, all who wait hear it in their order",
           when_the_media_end_all_who_wait_hear_it_in_their_order},
          {"an offer is the PDP's business only where its answer would be too late",
           an_offer_is_the_pdps_business_only_where_its_answer_would_be_too_late},
          {"the PDP sees what is on the phone's side of the edge",
           the_pdp_sees_what_is_on_the_phones_side_of_the_edge},
          {"a PDP that cannot be asked is a silent one, and one that cannot read refuses",
           a_pdp_that_cannot_be_asked_is_a_silent_one_and_one_that_cannot_read_refuses},
          {"a token is handed to the edge when the answer is granted",
           a_token_is_handed_to_the_edge_when_the_answer_is_granted},
          {"what is not anchored has no gate to raise", what_is_not_anchored_has_no_gate_to_raise})
