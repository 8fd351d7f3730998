/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the S-CSCF answers: what is granted, what is kept, what a challenge becomes. */
#include "tests/unit/pcscf/register/desk.h"

#define KEYS      "ck=\"000102030405060708090a0b0c0d0e0f\",ik=\"101112131415161718191a1b1c1d1e1f\""
#define CHALLENGE "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"bm9uY2U=\"," KEYS "\n"
#define CONTACT   "Contact: <sip:alice@192.0.2.7:31001>\n"

static void plain_is_enough(struct register_env *env, struct register_options *options)
{
    (void)env;
    options->require_ipsec = false;
}

static bool heard(struct peer *p, const char *start)
{
    return peer_take(p, start, NULL) != NULL;
}

static struct binding *alice(void)
{
    return binding_find_impi(stage.bindings, SPAN("alice@ims.test"));
}

/* Registered in the clear for an hour, where that is enough. */
static void alice_is_registered(void)
{
    desk_open(plain_is_enough);
    desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT);
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=3600\n"
                          "Service-Route: <sip:orig@192.0.2.20:6060;lr>\n");
    CU_ASSERT_TRUE_FATAL(heard(&stage.phone, "SIP/2.0 200"));
    CU_ASSERT_TRUE_FATAL(alice() && alice()->registered);
}

/* ---- 200 ------------------------------------------------------------------------------------------ */

/* RFC 3261 10.2.4, 10.3 step 7. It ends a second later here than at the core. */
static void the_time_that_counts_is_that_at_the_phones_own_contact(void)
{
    static const struct {
        const char *lines;
        unsigned seconds; /* 0: nothing was granted */
    } cases[] = {
        {"Contact: <sip:alice@192.0.2.7:31001>;expires=600\n", 600},
        {"Contact: <sip:alice@192.0.2.7:31001>;expires=600\nExpires: 60\n", 600},
        {"Contact: <sip:alice@192.0.2.7:31001>\nExpires: 60\n", 60},
        {"Contact: <sip:alice@192.0.2.7:31001>\n", 3600},
        {"Contact: <sip:alice@192.0.2.7:31001>;expires=soon\nExpires: 60\n", 3600},
        {"Contact: <sip:bob@192.0.2.8>;expires=60, <SIP:alice@192.0.2.7:31001>;expires=90\n", 90},
        {"Contact: <sip:bob@192.0.2.8>;expires=60\nContact: <sip:alice@192.0.2.7:31001>;q=1;"
         "expires=90\n",
         90},
        {"Contact: <sip:alice@192.0.2.7:31002>;expires=60\n", 0},
        {"Contact: <sip:alice@192.0.2.7:31001>;expires=0\n", 0},
        {"Expires: 60\n", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        desk_open(plain_is_enough);
        desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT);
        desk_answer("200 OK", cases[i].lines);
        CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 200"));
        CU_ASSERT_EQUAL(desk.events[REGISTER_GRANTED], cases[i].seconds != 0);
        if (cases[i].seconds) {
            stage_run(cases[i].seconds * 1000 + 500);
            CU_ASSERT_EQUAL(desk.events[REGISTER_EXPIRED], 0);
            stage_run(1000);
            CU_ASSERT_EQUAL(desk.events[REGISTER_EXPIRED], 1);
        }
        desk_close();
    }
}

static void the_service_route_is_kept_line_by_line_in_its_order(void)
{
    static const struct {
        const char *lines, *kept;
    } cases[] = {
        {"", NULL},
        {"Service-Route: <sip:a@192.0.2.20;lr>\n", "<sip:a@192.0.2.20;lr>"},
        {"Service-Route: <sip:a@192.0.2.20;lr> , <sip:b@192.0.2.21;lr>;x=\",\"\n"
         "Service-Route: <sip:c,c@192.0.2.22;lr>\n",
         "<sip:a@192.0.2.20;lr>,<sip:b@192.0.2.21;lr>;x=\",\",<sip:c,c@192.0.2.22;lr>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char lines[400];

        alice_is_registered(); /* with another one */
        (void)snprintf(lines, sizeof(lines), "Contact: <sip:alice@192.0.2.7:31001>\n%s",
                       cases[i].lines);
        desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT);
        desk_answer("200 OK", lines);
        CU_ASSERT_EQUAL(desk.events[REGISTER_REFRESHED], 1);
        ASSERT_SPAN_EQ(span_str(alice()->service_route), cases[i].kept ? cases[i].kept : "");
        CU_ASSERT_EQUAL(alice()->service_route == NULL, cases[i].kept == NULL);
        desk_close();
    }
}

static void a_service_route_too_long_to_keep_is_no_registration(void)
{
    char lines[3000], user[1030];

    memset(user, 'u', sizeof(user));
    for (unsigned n = 900; n <= 1000; n += 100) {
        desk_open(plain_is_enough);
        (void)snprintf(lines, sizeof(lines),
                       "Contact: <sip:alice@192.0.2.7:31001>\n"
                       "Service-Route: <sip:%.*s@192.0.2.20;lr>, <sip:%.*s@192.0.2.20;lr>\n",
                       (int)n, user, (int)n + 24, user);
        desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT);
        desk_answer("200 OK", lines);
        CU_ASSERT_EQUAL(heard(&stage.phone, "SIP/2.0 500"), n == 1000);
        CU_ASSERT_EQUAL(desk.events[REGISTER_REFUSED], n == 1000);
        stage_run(200 * 1000);
        CU_ASSERT_EQUAL(alice() != NULL, n == 900);
        desk_close();
    }
}

static void a_query_grants_nothing_and_takes_nothing(void)
{
    alice_is_registered();
    desk_register(&stage.phone, DESK_DIGEST "\n");
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=10\n");
    CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 200"));
    CU_ASSERT_EQUAL(desk.events[REGISTER_REFRESHED] + desk.events[REGISTER_REMOVED], 0);
    ASSERT_SPAN_EQ(span_str(alice()->service_route), "<sip:orig@192.0.2.20:6060;lr>");
    stage_run(60 * 1000);
    CU_ASSERT_TRUE(alice()->registered);
    desk_close();
}

static void all_contacts_or_the_last_taken_back_end_the_registration_and_its_calls(void)
{
    static const char *const contacts[] = {"Contact: *\nExpires: 0\n",
                                           "Contact: <sip:alice@192.0.2.7:31001>;expires=0\n"};

    for (size_t i = 0; i < ARRAY_LEN(contacts); i++) {
        char lines[300];

        alice_is_registered();
        (void)snprintf(lines, sizeof(lines), DESK_DIGEST "\n%s", contacts[i]);
        desk_register(&stage.phone, lines);
        desk_answer("200 OK", "");
        CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 200"));
        CU_ASSERT_EQUAL(desk.events[REGISTER_REMOVED], 1);
        CU_ASSERT_EQUAL(desk.gone, 1);
        CU_ASSERT_TRUE(desk.gone_was_registered);
        ASSERT_SPAN_EQ(span_str(desk.why), "deregistered");
        CU_ASSERT_FALSE(alice()->registered);
        stage_run(130 * 1000); /* 64*T1, and it is forgotten */
        CU_ASSERT_PTR_NULL(alice());
        CU_ASSERT_EQUAL(desk.gone, 1);
        desk_close();
    }
}

static void a_200_in_the_clear_where_ipsec_is_required_is_none(void)
{
    desk_open(NULL);
    desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT DESK_OFFER);
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=600\n");
    CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 403"));
    CU_ASSERT_EQUAL(desk.events[REGISTER_REFUSED], 1);
    ASSERT_SPAN_EQ(span_str(desk.detail), "200 without a security association");
    stage_run(200 * 1000);
    CU_ASSERT_PTR_NULL(alice());
    desk_close();
}

/* ---- 401 ------------------------------------------------------------------------------------------ */

static void a_challenge_without_keys_makes_no_set(void)
{
    static const struct {
        bool required;
        const char *line, *status;
    } cases[] = {
        {true, "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n\"\n",
         "SIP/2.0 500 No Keys From The Core"},
        {true, "", "SIP/2.0 500 No Keys From The Core"},
        {true, "Proxy-Authenticate: Digest realm=\"ims.test\"," KEYS "\n",
         "SIP/2.0 500 No Keys From The Core"},
        {false, "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n\"\n", "SIP/2.0 401"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        desk_open(NULL);
        desk.r->options.require_ipsec = cases[i].required;
        desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT DESK_OFFER);
        desk_answer("401 Unauthorized", cases[i].line);
        CU_ASSERT_TRUE(heard(&stage.phone, cases[i].status));
        CU_ASSERT_EQUAL(desk.events[REGISTER_NO_KEYS], 1);
        CU_ASSERT_EQUAL(desk.asked, 0);
        desk_close();
    }
}

static void keys_stay_here_whatever_the_status(void)
{
    static const struct {
        const char *status, *line;
    } cases[] = {
        {"403 Forbidden", CHALLENGE},
        {"407 Proxy Authentication Required",
         "Proxy-Authenticate: Digest realm=\"ims.test\"," KEYS "\n"},
        {"200 OK", "Authentication-Info: nextnonce=\"n\"," KEYS "\n"},
        {"401 Unauthorized",
         "WWW-Authenticate: Digest realm=\"x\nWWW-Authenticate: broken ck=\"00\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *m;

        desk_open(plain_is_enough);
        desk_register(&stage.phone, DESK_DIGEST "\n");
        desk_answer(cases[i].status, cases[i].line);
        m = peer_take(&stage.phone, "SIP/2.0", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_PTR_NULL(strstr(m, "ck="));
        CU_ASSERT_PTR_NULL(strstr(m, "ik="));
        desk_close();
    }
}

/* All the sets a phone may have, none of which a REGISTER in the clear may take. */
static void fill(struct binding *b)
{
    (void)stage_set(b, "192.0.2.7:33000", 0, 700, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:34000", 1, 800, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:35000", 2, 900, BINDING_SET_CURRENT);
}

/* The kernel's words where it has some, ours where it was never asked. */
static void what_collides_is_the_phones_fault_and_anything_else_may_pass(void)
{
    static const struct {
        enum { TAKEN, NO_PORT, FULL, DOWN, UNABLE, TOLD } how;
        int told;
        const char *line, *detail;
    } cases[] = {
        {TAKEN, 0, "SIP/2.0 403 SPI Or Port In Use", "the phone's ports or SPIs are in use"},
        {NO_PORT, 0, "SIP/2.0 503 IPsec Unavailable", "no protected client port is free"},
        {FULL, 0, "SIP/2.0 503 IPsec Unavailable",
         "the phone, or all phones together, have as many security associations as may be"},
        {DOWN, 0, "SIP/2.0 503 IPsec Unavailable", "the IPsec process is not there"},
        {UNABLE, 0, "SIP/2.0 503 IPsec Unavailable", "Operation not supported"},
        {TOLD, -EEXIST, "SIP/2.0 403 SPI Or Port In Use", "told to fail"},
        {TOLD, -EPERM, "SIP/2.0 503 IPsec Unavailable", "told to fail"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *m;

        desk_open(NULL);
        if (cases[i].how == TAKEN)
            (void)stage_set(stage_binding("bob@ims.test"), "192.0.2.7:31000", 0, 700,
                            BINDING_SET_TEMPORARY);
        else if (cases[i].how == NO_PORT)
            desk.r->env.n_pc = 0;
        else if (cases[i].how == FULL)
            fill(stage_binding("alice@ims.test"));
        else if (cases[i].how == DOWN)
            ipsec_fake_set_up(desk.fake, false);
        else if (cases[i].how == UNABLE)
            ipsec_fake_set_algorithms(desk.fake, 0, 0);
        else
            ipsec_fake_fail_next(desk.fake, cases[i].told);
        desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT DESK_OFFER);
        desk_answer("401 Unauthorized", CHALLENGE);
        m = peer_take(&stage.phone, cases[i].line, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        ASSERT_SPAN_EQ(span_str(peer_header(m, "Retry-After", 0)),
                       strstr(cases[i].line, "403") ? "" : "30");
        CU_ASSERT_FALSE(peer_has_header(m, "Security-Server"));
        CU_ASSERT_EQUAL(desk.events[REGISTER_IPSEC_FAILED], 1);
        ASSERT_SPAN_EQ(span_str(desk.detail), cases[i].detail);
        CU_ASSERT_TRUE(cases[i].how == FULL || list_empty(&alice()->sets));
        desk_close();
    }
}

static void a_set_that_goes_while_the_kernel_works_lets_the_phone_come_again(void)
{
    const char *m;

    desk_open(NULL);
    desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT DESK_OFFER);
    peer_answer(&stage.core, &stage.at_mw, desk_at_core(), "401 Unauthorized", "s", CHALLENGE,
                NULL);
    while (desk.asked == 0)
        sim_run(stage.sim, 100);
    CU_ASSERT_FALSE_FATAL(list_empty(&alice()->sets));
    phone_remove(desk.r, alice());
    stage_run(20);
    m = peer_take(&stage.phone, "SIP/2.0 503", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    ASSERT_SPAN_EQ(span_str(desk.detail), "the registration ended");
    CU_ASSERT_EQUAL(ipsec_fake_sets(desk.fake), 0);
    desk_close();
}

static void a_kept_challenge_says_what_the_phone_will_be_held_to(void)
{
    struct binding_set *set;
    const char *m;

    desk_open(NULL);
    desk_register(&stage.phone, DESK_DIGEST "\n" CONTACT DESK_OFFER);
    desk_answer("401 Unauthorized", CHALLENGE);
    m = peer_take(&stage.phone, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE_FATAL(list_empty(&alice()->sets));
    set = CONTAINER_OF(alice()->sets.next, struct binding_set, item);
    ASSERT_SPAN_EQ(span_str(peer_header(m, "Security-Server", 0)), set->security_server);
    ASSERT_SPAN_EQ(span_str(set->security_client), DESK_CLIENT);
    CU_ASSERT_EQUAL(set->state, BINDING_SET_TEMPORARY);
    CU_ASSERT_TRUE(set->spi_ps != 0 && set->spi_ps == ipsec_fake_set(desk.fake, 0)->spi_ps);
    stage_run(239 * 1000);
    CU_ASSERT_FALSE(list_empty(&alice()->sets));
    stage_run(2 * 1000);
    CU_ASSERT_PTR_NULL(alice()); /* nobody answered */
    desk_close();
}

/* ---- on a set whose challenge is open ------------------------------------------------------------- */

#define SERVER "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96;spi-c=701;spi-s=700;port-c=5063;port-s=5062"

/* A REGISTER on it that answers, or does not, is at the core. */
static void alice_answers(const char *response)
{
    char lines[800];

    desk_open(NULL);
    desk.from = stage_binding("alice@ims.test");
    desk.set = stage_set(desk.from, "192.0.2.7:31000", 0, 700, BINDING_SET_TEMPORARY);
    desk.set->security_server = span_dup(SPAN(SERVER));
    desk.set->security_client = span_dup(SPAN(DESK_CLIENT));
    set_limit(desk.r, desk.set, 240, true);
    (void)snprintf(lines, sizeof(lines),
                   DESK_DIGEST "%s\n" CONTACT DESK_OFFER "Security-Verify: " SERVER "\n", response);
    desk_register(&stage.uc, lines);
}

#define RESPONSE ",nonce=\"bm9uY2U=\",response=\"0123456789abcdef0123456789abcdef\""

static void a_refusal_or_another_challenge_leaves_the_set_two_minutes(void)
{
    static const struct {
        const char *status, *lines;
    } cases[] = {{"403 Forbidden", ""}, {"401 Unauthorized", CHALLENGE}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        alice_answers(RESPONSE);
        if (i == 1)
            desk.r->options.require_ipsec = false;
        desk_answer(cases[i].status, cases[i].lines);
        CU_ASSERT_PTR_NOT_NULL(set_of(desk.from, 700));
        stage_run(127 * 1000);
        CU_ASSERT_PTR_NOT_NULL(set_of(desk.from, 700));
        stage_run(2 * 1000);
        CU_ASSERT_TRUE(!alice() || !set_of(desk.from, 700));
        desk_close();
    }
}

static void a_200_to_a_register_that_answered_nothing_is_none(void)
{
    alice_answers("");
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=600\n");
    CU_ASSERT_TRUE(heard(&stage.uc, "SIP/2.0 403"));
    CU_ASSERT_FALSE(alice()->registered);
    CU_ASSERT_EQUAL(desk.set->state, BINDING_SET_TEMPORARY);
    desk_close();
}

static void a_set_that_ended_before_its_200_carries_no_registration(void)
{
    alice_answers(RESPONSE);
    set_remove(desk.r, desk.set);
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=600\n");
    CU_ASSERT_TRUE(heard(&stage.uc, "SIP/2.0 500"));
    CU_ASSERT_EQUAL(desk.events[REGISTER_GRANTED], 0);
    CU_ASSERT_EQUAL(desk.events[REGISTER_REFUSED], 1);
    desk_close();
}

static void the_set_outlives_its_registration_by_half_a_minute(void)
{
    alice_answers(RESPONSE);
    desk_answer("200 OK", "Contact: <sip:alice@192.0.2.7:31001>;expires=600\n");
    CU_ASSERT_EQUAL(desk.events[REGISTER_GRANTED], 1);
    CU_ASSERT_EQUAL(desk.set->state, BINDING_SET_CURRENT);
    CU_ASSERT_TRUE(alice()->ipsec);
    CU_ASSERT_EQUAL((desk.set->expires_at - loop_now(stage.loop) + SEC / 2) / SEC, 630);
    desk_close();
}

TEST_MAIN("pcscf/register/answer",
          {"the time that counts is that at the phone's own contact",
           the_time_that_counts_is_that_at_the_phones_own_contact},
          {"the Service-Route is kept, line by line in its order",
           the_service_route_is_kept_line_by_line_in_its_order},
          {"a Service-Route too long to keep is no registration",
           a_service_route_too_long_to_keep_is_no_registration},
          {"a query grants nothing and takes nothing", a_query_grants_nothing_and_takes_nothing},
          {"all contacts, or the last, taken back end the registration and its calls",
           all_contacts_or_the_last_taken_back_end_the_registration_and_its_calls},
          {"a 200 in the clear where IPsec is required is none",
           a_200_in_the_clear_where_ipsec_is_required_is_none},
          {"a challenge without keys makes no set", a_challenge_without_keys_makes_no_set},
          {"keys stay here, whatever the status", keys_stay_here_whatever_the_status},
          {"what collides is the phone's fault, and anything else may pass",
           what_collides_is_the_phones_fault_and_anything_else_may_pass},
          {"a set that goes while the kernel works lets the phone come again",
           a_set_that_goes_while_the_kernel_works_lets_the_phone_come_again},
          {"a kept challenge says what the phone will be held to",
           a_kept_challenge_says_what_the_phone_will_be_held_to},
          {"a refusal, or another challenge, leaves the set two minutes",
           a_refusal_or_another_challenge_leaves_the_set_two_minutes},
          {"a 200 to a REGISTER that answered nothing is none",
           a_200_to_a_register_that_answered_nothing_is_none},
          {"a set that ended before its 200 carries no registration",
           a_set_that_ended_before_its_200_carries_no_registration},
          {"the set outlives its registration by half a minute",
           the_set_outlives_its_registration_by_half_a_minute})
