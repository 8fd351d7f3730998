/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is anybody there? Alice has a set; somebody asks in the clear for the client port it stands on. */
#include "tests/unit/pcscf/register/desk.h"

#define ASKS DESK_DIGEST "\n" DESK_OFFER

static struct binding_set *alice_has_a_set(enum binding_set_state state)
{
    struct binding *b = stage_binding("alice@ims.test");
    struct binding_set *set = stage_set(b, "192.0.2.7:31000", 1, 700, state);

    b->registered = b->ipsec = true;
    return set;
}

/* The question, as the phone has it at its server port; NULL when there is none. */
static const char *question(struct addr *ret_from)
{
    return peer_take(&stage.us, "OPTIONS", ret_from);
}

static bool heard(struct peer *p, const char *start)
{
    return peer_take(p, start, NULL) != NULL;
}

static void the_question_goes_the_way_of_the_set_and_names_nobody(void)
{
    struct addr from;
    const char *m;

    desk_open(NULL);
    (void)alice_has_a_set(BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    m = question(&from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(from.port, 5064);
    CU_ASSERT_EQUAL(strncmp(m, "OPTIONS sip:192.0.2.7:31001 SIP/2.0\r\n", 37), 0);
    ASSERT_SPAN_EQ(span_str(peer_header(m, "To", 0)), "<sip:192.0.2.7:31001>");
    CU_ASSERT_EQUAL(strncmp(peer_header(m, "From", 0), "<sip:192.0.2.10:5062>;tag=", 26), 0);
    CU_ASSERT_PTR_NULL(strstr(m, "alice"));
    desk_close();
}

static void whatever_is_answered_is_a_phone(void)
{
    static const char *const answers[] = {"180 Ringing", "200 OK", "404 Not Found",
                                          "503 Service Unavailable", "603 Decline"};

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct binding_set *set;
        struct addr from;
        const char *m;

        desk_open(NULL);
        set = alice_has_a_set(BINDING_SET_CURRENT);
        desk_register(&stage.phone, ASKS);
        m = question(&from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        peer_answer(&stage.us, &from, m, answers[i], "t", "", NULL);
        stage_run(20);
        CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 403"));
        CU_ASSERT_EQUAL(desk.events[REGISTER_IN_USE], 1);
        CU_ASSERT_PTR_NULL(set->prober);
        stage_run(20 * 1000);
        CU_ASSERT_FALSE(heard(&stage.core, "REGISTER"));
        desk_close();
    }
}

/* A 100 says that a message arrived somewhere, not that the phone is there. */
static void a_phone_has_seven_seconds_and_trying_is_no_answer(void)
{
    struct addr from;
    const char *m;

    desk_open(NULL);
    (void)alice_has_a_set(BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    m = question(&from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&stage.us, &from, m, "100 Trying", NULL, "", NULL);
    stage_run(6950);
    CU_ASSERT_FALSE(heard(&stage.core, "REGISTER"));
    stage_run(100);
    CU_ASSERT_TRUE(heard(&stage.core, "REGISTER"));
    desk_close();
}

static void a_set_nobody_answered_on_stays_until_there_is_a_challenge(void)
{
    struct binding_set *set;

    desk_open(NULL);
    set = alice_has_a_set(BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    stage_run(8 * 1000);
    CU_ASSERT_PTR_EQUAL(set_of(set->binding, 700), set);
    CU_ASSERT_PTR_NULL(set->prober);
    desk_answer("403 Forbidden", "");
    CU_ASSERT_PTR_EQUAL(set_of(set->binding, 700), set);
    desk_close();
}

static void a_set_that_ends_while_its_phone_is_asked_is_in_nobodys_way(void)
{
    struct binding_set *set;
    struct addr from;
    char asked[PEER_TEXT_MAX];
    const char *m;

    desk_open(NULL);
    set = alice_has_a_set(BINDING_SET_OLD);
    (void)stage_set(set->binding, "192.0.2.7:33000", 2, 800, BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    m = question(&from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    (void)snprintf(asked, sizeof(asked), "%s", m);
    register_set_end(desk.r, set);
    stage_run(20);
    CU_ASSERT_TRUE(heard(&stage.core, "REGISTER"));
    /* An answer that comes now changes nothing. */
    peer_answer(&stage.us, &from, asked, "200 OK", "t", "", NULL);
    stage_run(20);
    CU_ASSERT_FALSE(heard(&stage.phone, "SIP/2.0 403"));
    desk_close();
}

static void nobody_is_asked_for_what_is_not_in_the_way(void)
{
    static const struct {
        enum binding_set_state state;
        const char *phone_uc, *lines;
    } cases[] = {
        {BINDING_SET_TEMPORARY, "192.0.2.7:31000", ASKS}, /* a challenge is replaced by the next */
        {BINDING_SET_CURRENT, "192.0.2.8:31000", ASKS},
        {BINDING_SET_CURRENT, "192.0.2.7:31001", ASKS},
        {BINDING_SET_CURRENT, "192.0.2.7:31000", DESK_DIGEST "\n"}, /* no set is asked for */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        desk_open(NULL);
        desk.r->options.require_ipsec = false;
        (void)stage_set(stage_binding("bob@ims.test"), cases[i].phone_uc, 1, 700, cases[i].state);
        desk_register(&stage.phone, cases[i].lines);
        CU_ASSERT_TRUE(heard(&stage.core, "REGISTER"));
        CU_ASSERT_PTR_NULL(question(NULL));
        desk_close();
    }
}

static void a_registration_room_that_goes_leaves_no_question_behind(void)
{
    struct binding_set *set;
    struct addr from;
    char asked[PEER_TEXT_MAX];
    const char *m;

    desk_open(NULL);
    set = alice_has_a_set(BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    CU_ASSERT_PTR_NOT_NULL(set->prober);
    m = question(&from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    (void)snprintf(asked, sizeof(asked), "%s", m);
    register_free(desk.r);
    desk.r = NULL;
    CU_ASSERT_PTR_NULL_FATAL(set->prober);
    peer_answer(&stage.us, &from, asked, "200 OK", "t", "", NULL);
    stage_run(40 * 1000);
    CU_ASSERT_FALSE(heard(&stage.phone, "SIP/2.0 403"));
    CU_ASSERT_FALSE(heard(&stage.core, "REGISTER"));
    desk_close();
}

/* pcscf/core frees transactions before rooms. */
static void a_question_whose_transaction_was_ended_is_over(void)
{
    desk_open(NULL);
    (void)alice_has_a_set(BINDING_SET_CURRENT);
    desk_register(&stage.phone, ASKS);
    CU_ASSERT_PTR_NOT_NULL(question(NULL));
    CU_ASSERT_FALSE_FATAL(list_empty(&desk.r->attempts));
    stage_end_transactions();
    CU_ASSERT_PTR_NULL(CONTAINER_OF(desk.r->attempts.next, struct attempt, item)->probe);
    desk_close();
}

static void a_phone_at_an_ipv6_address_is_asked_by_it_in_brackets(void)
{
    struct sip_endpoint_options o = {.local = stage_addr("[2001:db8::a]:5063"), .udp = true};
    struct attempt a = {0};
    struct binding_set *set;
    struct peer phone;
    const char *m;

    desk_open(NULL);
    set = alice_has_a_set(BINDING_SET_CURRENT);
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(stage.transport, &o, &set->pc), 0);
    set->phone_us = stage_addr("[2001:db8::7]:31001");
    peer_open(&phone, stage.sim, stage.wire, "phone6", "[2001:db8::7]:31001");
    a.registration = desk.r;
    loop_timer_init(&a.patience, probe_on_patience, &a);
    CU_ASSERT_EQUAL_FATAL(probe_start(&a, set), 0);
    stage_run(20);
    m = peer_take(&phone, "OPTIONS", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(strncmp(m, "OPTIONS sip:[2001:db8::7]:31001 SIP/2.0", 39), 0);
    probe_stop(&a);
    CU_ASSERT_PTR_NULL(set->prober);
    stage_end_transactions();
    peer_close(&phone);
    desk_close();
}

TEST_MAIN("pcscf/register/probe",
          {"the question goes the way of the set, and names nobody",
           the_question_goes_the_way_of_the_set_and_names_nobody},
          {"whatever is answered is a phone", whatever_is_answered_is_a_phone},
          {"a phone has seven seconds, and Trying is no answer",
           a_phone_has_seven_seconds_and_trying_is_no_answer},
          {"a set nobody answered on stays until there is a challenge",
           a_set_nobody_answered_on_stays_until_there_is_a_challenge},
          {"a set that ends while its phone is asked is in nobody's way",
           a_set_that_ends_while_its_phone_is_asked_is_in_nobodys_way},
          {"nobody is asked for what is not in the way",
           nobody_is_asked_for_what_is_not_in_the_way},
          {"a registration room that goes leaves no question behind",
           a_registration_room_that_goes_leaves_no_question_behind},
          {"a question whose transaction was ended is over",
           a_question_whose_transaction_was_ended_is_over},
          {"a phone at an IPv6 address is asked by it, in brackets",
           a_phone_at_an_ipv6_address_is_asked_by_it_in_brackets})
