/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REGISTER from a phone: who it may be from, what vouches for it, and what it says when it goes on. */
#include "tests/unit/pcscf/register/desk.h"

#include <stdlib.h>

#define SERVER "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96;spi-c=701;spi-s=700;port-c=5063;port-s=5062"
#define LATER  "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96;spi-c=801;spi-s=800;port-c=5064;port-s=5062"

static void without_ipsec(struct register_env *env, struct register_options *options)
{
    env->ipsec = NULL;
    env->ps = NULL;
    env->n_pc = 0;
    options->require_ipsec = false;
}

static void plain_is_enough(struct register_env *env, struct register_options *options)
{
    (void)env;
    options->require_ipsec = false;
}

/* Alice, registered over the set that her next REGISTER comes on. */
static void alice_has_a_set(enum binding_set_state state)
{
    desk.from = stage_binding("alice@ims.test");
    desk.from->registered = desk.from->ipsec = true;
    desk.from->identities = (struct identities){2, {"sip:alice@ims.test", "tel:+1001"}};
    desk.set = stage_set(desk.from, "192.0.2.7:31000", 0, 700, state);
    desk.set->security_server = span_dup(SPAN(SERVER));
    desk.set->security_client = span_dup(SPAN(DESK_CLIENT));
}

static bool heard(struct peer *p, const char *status)
{
    return peer_take(p, status, NULL) != NULL;
}

/* ---- who ---------------------------------------------------------------------------------------- */

static void a_private_identity_too_long_to_keep_is_refused(void)
{
    char lines[600], user[BINDING_TEXT_MAX + 1];

    memset(user, 'u', sizeof(user));
    for (size_t n = BINDING_TEXT_MAX - 1; n <= BINDING_TEXT_MAX; n++) {
        desk_open(plain_is_enough);
        (void)snprintf(lines, sizeof(lines), "Authorization: Digest username=\"%.*s\"\n", (int)n,
                       user);
        desk_register(&stage.phone, lines);
        CU_ASSERT_EQUAL(heard(&stage.phone, "SIP/2.0 400"), n == BINDING_TEXT_MAX);
        CU_ASSERT_EQUAL(heard(&stage.core, "REGISTER"), n < BINDING_TEXT_MAX);
        desk_close();
    }
}

static void when_all_places_are_taken_a_new_phone_is_told_when_to_come_again(void)
{
    const char *m;

    desk_open(plain_is_enough);
    for (unsigned i = 0; i < STAGE_PHONES; i++) {
        char impi[16];

        (void)snprintf(impi, sizeof(impi), "%u", i);
        (void)stage_binding(impi);
    }
    desk_register(&stage.phone, "");
    m = peer_take(&stage.phone, "SIP/2.0 503", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    ASSERT_SPAN_EQ(span_str(peer_header(m, "Retry-After", 0)), "30");
    CU_ASSERT_FALSE(heard(&stage.core, "REGISTER"));
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), STAGE_PHONES);
    desk_close();
}

static void one_who_asks_again_and_again_takes_one_place(void)
{
    desk_open(plain_is_enough);
    for (unsigned i = 0; i < 3; i++)
        desk_register(&stage.phone, DESK_DIGEST "\n");
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 1);
    CU_ASSERT_EQUAL(stage.core.n, 3);
    desk_close();
}

/* TS 24.229 5.4.1.2.1: without a username, the private identity comes from the public one. */
static void on_a_set_a_registered_public_identity_stands_for_the_private_one(void)
{
    static const struct {
        const char *identity;
        bool passes;
    } cases[] = {{"sip:alice@ims.test", true},
                 {"sip:1@other.test", true},
                 {"sip:2@other.test", false},
                 {"sip:bob@ims.test", false}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        desk_open(NULL);
        alice_has_a_set(BINDING_SET_CURRENT);
        desk.from->identities = (struct identities){2, {"sip:alice@ims.test", "sip:1@other.test"}};
        peer_say(&stage.uc, &stage.at_ps,
                 "REGISTER sip:ims.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:31000;branch=z9hG4bKd\n"
                 "From: <%s>;tag=1\nTo: <%s>\nCall-ID: r\nCSeq: 1 REGISTER\nMax-Forwards: 70\n"
                 "Security-Verify: " SERVER "\n",
                 cases[i].identity, cases[i].identity);
        stage_run(20);
        CU_ASSERT_EQUAL(heard(&stage.core, "REGISTER"), cases[i].passes);
        CU_ASSERT_EQUAL(heard(&stage.uc, "SIP/2.0 403"), !cases[i].passes);
        CU_ASSERT_EQUAL(desk.events[REGISTER_FOREIGN], !cases[i].passes);
        desk_close();
    }
}

/* ---- what vouches --------------------------------------------------------------------------------- */

#define RESPONSE ",nonce=\"bm9uY2U=\",response=\"0123456789abcdef0123456789abcdef\""

/* TS 33.203 6.1.5. made: an open challenge was made on this set. */
static void a_set_vouches_for_what_its_authentication_vouches_for(void)
{
    static const struct {
        enum binding_set_state state;
        bool made;
        const char *says;
        bool vouched;
    } cases[] = {
        {BINDING_SET_TEMPORARY, false, RESPONSE, true},
        {BINDING_SET_TEMPORARY, false, "", false},
        {BINDING_SET_TEMPORARY, false, ",response=\"\"", false},
        {BINDING_SET_TEMPORARY, false, RESPONSE ",auts=\"YXV0cw==\"", false},
        {BINDING_SET_CURRENT, false, "", true},
        {BINDING_SET_CURRENT, false, RESPONSE, true}, /* of long ago */
        {BINDING_SET_CURRENT, false, RESPONSE ",auts=\"YXV0cw==\"", false},
        {BINDING_SET_CURRENT, true, "", true},
        {BINDING_SET_CURRENT, true, RESPONSE, false}, /* belongs on the new set */
        {BINDING_SET_OLD, false, "", false},
        {BINDING_SET_OLD, false, RESPONSE, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char lines[1200];
        bool vouched;

        desk_open(NULL);
        alice_has_a_set(cases[i].state);
        if (cases[i].made)
            stage_set(desk.from, "192.0.2.7:33000", 1, 800, BINDING_SET_TEMPORARY)->made_on = 700;
        (void)snprintf(lines, sizeof(lines),
                       DESK_DIGEST "%s\n" DESK_OFFER "Security-Verify: " SERVER "\n",
                       cases[i].says);
        desk_register(&stage.uc, lines);
        vouched = strstr(peer_header(desk_at_core(), "Authorization", 0),
                         "integrity-protected=\"yes\"") != NULL;
        if (vouched != cases[i].vouched)
            fprintf(stderr, "case %zu\n", i);
        CU_ASSERT_EQUAL(vouched, cases[i].vouched);
        desk_close();
    }
}

/* A challenge that was made on another set, or has been answered, asks for nothing on this one. */
static void a_challenge_elsewhere_leaves_a_set_its_word(void)
{
    static const struct {
        uint32_t made_on;
        enum binding_set_state state;
    } cases[] = {{0, BINDING_SET_TEMPORARY}, {600, BINDING_SET_TEMPORARY}, {700, BINDING_SET_OLD}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        desk_open(NULL);
        alice_has_a_set(BINDING_SET_CURRENT);
        stage_set(desk.from, "192.0.2.7:33000", 1, 800, cases[i].state)->made_on = cases[i].made_on;
        desk_register(&stage.uc, DESK_DIGEST RESPONSE "\nSecurity-Verify: " SERVER "\n");
        CU_ASSERT_PTR_NOT_NULL(
            strstr(peer_header(desk_at_core(), "Authorization", 0), "integrity-protected=\"yes\""));
        desk_close();
    }
}

static bool is_verified(const char *verify, unsigned *ret_status)
{
    struct sip_msg *m = stage_message("MESSAGE sip:b@ims.test SIP/2.0", verify);
    struct secagree_refusal refusal = {0};
    bool ok = register_is_verified(desk.r, m, desk.set, &refusal);

    *ret_status = ok ? 0 : refusal.reject.status;
    sip_msg_unref(m);
    return ok;
}

static void what_a_request_shows_must_be_a_list_this_phone_was_sent(void)
{
    struct binding *bob;
    unsigned status;

    desk_open(NULL);
    alice_has_a_set(BINDING_SET_CURRENT);
    CU_ASSERT_TRUE(is_verified("", &status)); /* only a REGISTER has to show one */
    CU_ASSERT_TRUE(is_verified("Security-Verify: " SERVER "\n", &status));
    bob = stage_binding("bob@ims.test");
    stage_set(bob, "192.0.2.8:31000", 0, 800, BINDING_SET_CURRENT)->security_server =
        span_dup(SPAN(LATER));
    CU_ASSERT_FALSE(is_verified("Security-Verify: " LATER "\n", &status));
    CU_ASSERT_EQUAL(status, 494);
    CU_ASSERT_EQUAL(desk.events[REGISTER_MISMATCH], 1);
    /* A set the kernel has not made yet was told to nobody; once it was, its list does, too. */
    struct binding_set *new =
        stage_set(desk.from, "192.0.2.7:33000", 1, 800, BINDING_SET_TEMPORARY);
    CU_ASSERT_FALSE(is_verified("Security-Verify: " LATER "\n", &status));
    new->security_server = span_dup(SPAN(LATER));
    CU_ASSERT_TRUE(is_verified("Security-Verify: " LATER "\n", &status));
    desk_close();
}

/* ---- where it goes -------------------------------------------------------------------------------- */

static void a_core_without_an_address_is_told_and_leaves_nothing(void)
{
    desk_open(plain_is_enough);
    desk.r->options.core = SPAN("sip:nowhere.test");
    desk_register(&stage.phone, DESK_DIGEST "\n");
    stage_run(1000);
    CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 504"));
    CU_ASSERT_EQUAL(desk.events[REGISTER_CORE_SILENT], 1);
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    desk_close();
}

static void without_a_core_of_its_own_the_domain_of_the_request_says_where(void)
{
    struct addr scscf;

    desk_open(plain_is_enough);
    desk.r->options.core = SPAN("");
    scscf = stage.core.local;
    CU_ASSERT_EQUAL_FATAL(wire_add_host(stage.wire, "home.test", &scscf), 0);
    peer_say(&stage.phone, &stage.at_gm,
             "REGISTER sip:home.test:6060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKh\n"
             "Route: <sip:192.0.2.99;lr>\n"
             "From: <sip:a@home.test>;tag=1\nTo: <sip:a@home.test>\nCall-ID: h\n"
             "CSeq: 1 REGISTER\nMax-Forwards: 70\n");
    stage_run(20);
    CU_ASSERT_FALSE(peer_has_header(desk_at_core(), "Route"));
    desk_close();
}

static void a_request_uri_that_leads_nowhere_is_refused(void)
{
    desk_open(plain_is_enough);
    desk.r->options.core = SPAN("");
    peer_say(&stage.phone, &stage.at_gm,
             "REGISTER tel:+1001 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKh\n"
             "From: <sip:a@home.test>;tag=1\nTo: <sip:a@home.test>\nCall-ID: h\n"
             "CSeq: 1 REGISTER\nMax-Forwards: 70\n");
    stage_run(20);
    CU_ASSERT_TRUE(heard(&stage.phone, "SIP/2.0 504"));
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    desk_close();
}

static void an_authorization_nobody_can_read_does_not_go_on(void)
{
    const char *m;

    desk_open(plain_is_enough);
    desk_register(&stage.phone, "Authorization: Digest username=\"alice\" realm\n");
    m = peer_take(&stage.phone, "SIP/2.0 400", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Warning", 0), "Authorization"));
    CU_ASSERT_FALSE(heard(&stage.core, "REGISTER"));
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    desk_close();
}

static void a_network_without_a_name_is_not_named(void)
{
    const char *m;

    desk_open(plain_is_enough);
    desk_register(&stage.phone, "P-Visited-Network-ID: \"forged\"\n");
    m = desk_at_core();
    ASSERT_SPAN_EQ(span_str(peer_header(m, "P-Visited-Network-ID", 0)), "\"visited.test\"");
    desk.r->options.visited = SPAN("");
    desk_register(&stage.phone, "");
    CU_ASSERT_FALSE(peer_has_header(desk_at_core(), "P-Visited-Network-ID"));
    desk_close();
}

static void without_ipsec_here_an_offer_is_passed_over(void)
{
    const char *m;

    desk_open(without_ipsec);
    desk_register(&stage.phone, DESK_DIGEST
                  "\nRequire: sec-agree\nProxy-Require: sec-agree\nSecurity-Client: nonsense\n");
    m = desk_at_core();
    CU_ASSERT_FALSE(peer_has_header(m, "Security-Client"));
    CU_ASSERT_PTR_NULL(strstr(peer_header(m, "Require", 0), "sec-agree"));
    CU_ASSERT_EQUAL(desk.events[REGISTER_NO_IPSEC], 0);
    desk_close();
}

static void each_event_has_a_name_of_its_own(void)
{
    for (unsigned i = 0; i < REGISTER_EVENT_COUNT; i++) {
        const char *name = register_event_name((enum register_event)i);

        CU_ASSERT_PTR_NOT_NULL_FATAL(name);
        for (const char *c = name; *c; c++)
            CU_ASSERT((*c >= 'a' && *c <= 'z') || *c == '_'); /* a label of a metric */
        for (unsigned k = 0; k < i; k++)
            CU_ASSERT_STRING_NOT_EQUAL(name, register_event_name((enum register_event)k));
    }
}

TEST_MAIN(
    "pcscf/register/request",
    {"a private identity too long to keep is refused",
     a_private_identity_too_long_to_keep_is_refused},
    {"when all places are taken, a new phone is told when to come again",
     when_all_places_are_taken_a_new_phone_is_told_when_to_come_again},
    {"one who asks again and again takes one place", one_who_asks_again_and_again_takes_one_place},
    {"on a set, a registered public identity stands for the private one",
     on_a_set_a_registered_public_identity_stands_for_the_private_one},
    {"a set vouches for what its authentication vouches for",
     a_set_vouches_for_what_its_authentication_vouches_for},
    {"a challenge elsewhere leaves a set its word", a_challenge_elsewhere_leaves_a_set_its_word},
    {"what a request shows must be a list this phone was sent",
     what_a_request_shows_must_be_a_list_this_phone_was_sent},
    {"a core without an address is told, and leaves nothing",
     a_core_without_an_address_is_told_and_leaves_nothing},
    {"without a core of its own, the domain of the request says where",
     without_a_core_of_its_own_the_domain_of_the_request_says_where},
    {"a Request-URI that leads nowhere is refused", a_request_uri_that_leads_nowhere_is_refused},
    {"an Authorization nobody can read does not go on",
     an_authorization_nobody_can_read_does_not_go_on},
    {"a network without a name is not named", a_network_without_a_name_is_not_named},
    {"without IPsec here, an offer is passed over", without_ipsec_here_an_offer_is_passed_over},
    {"each event has a name of its own", each_event_has_a_name_of_its_own})
