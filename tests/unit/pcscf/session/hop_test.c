/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests at their beginning: who is refused how, and where those that go on are sent. */
#include "tests/unit/pcscf/session/legs.h"

#include <stdlib.h>

#define SCSCF "<sip:orig@192.0.2.20:6060;lr>"

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow)
{
    (void)m;
    if (flow->endpoint == stage.mw)
        session_from_core(legs.s, s);
    else
        session_from_phone(legs.s, s, legs.alice);
}

/* Alice is a phone without IPsec, registered through the S-CSCF. */
static void setup(void)
{
    legs_open(true, true);
    legs.alice->service_route = span_dup(SPAN(SCSCF));
    legs.alice->source = (struct sip_flow){
        .endpoint = stage.gm, .proto = NET_UDP, .local = stage.at_gm, .remote = stage.phone.local};
    stage.on_request = on_request;
}

static void say(struct peer *p, const struct addr *to, const char *method, const char *to_tag,
                const char *lines)
{
    static unsigned n;
    char host[ADDR_TEXT_MAX];

    n++;
    peer_say(p, to,
             "%s sip:b@ims.test SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%u\n"
             "From: <sip:a@ims.test>;tag=%u\nTo: <sip:b@ims.test>%s\nCall-ID: %u\nCSeq: 1 %s\n"
             "Max-Forwards: 70\nContact: <sip:a@192.0.2.7>\n%s",
             method, addr_text(&p->local, host), n, n, to_tag, n, method, lines);
    stage_run(20);
}

static void phone_says(const char *method, const char *to_tag, const char *lines)
{
    say(&stage.phone, &stage.at_gm, method, to_tag, lines);
}

/* With this binding in the user part of its Route; 0: with no Route. */
static void core_says(const char *method, const char *to_tag, uint64_t id)
{
    char route[100] = "";

    if (id)
        (void)snprintf(route, sizeof(route), "Route: <sip:b%016llx@192.0.2.11:5070;lr>\n",
                       (unsigned long long)id);
    say(&stage.core, &stage.at_mw, method, to_tag, route);
}

/* The final status the peer was answered, 0 = none. *ret_again: its Retry-After, or NULL. */
static unsigned answer_of(struct peer *p, const char **ret_again)
{
    const char *m;
    unsigned status = 0;

    while (peer_take(p, "SIP/2.0 100", NULL))
        ;
    m = peer_take(p, "SIP/2.0 ", NULL);
    if (m)
        (void)sscanf(m, "SIP/2.0 %u", &status);
    if (ret_again)
        *ret_again = m ? peer_header(m, "Retry-After", 0) : "";
    return status;
}

static bool heard(struct peer *p, const char *start)
{
    return peer_take(p, start, NULL) != NULL;
}

/* ---- who is refused ------------------------------------------------------------------------------- */

/* TS 24.229 5.2.6.4; what is in a dialog ends with 481, or the core would keep it. */
static void for_a_phone_that_is_not_here_the_status_says_in_which_way(void)
{
    static const struct {
        const char *to_tag;
        bool named, known;
        unsigned status;
    } cases[] = {
        {"", false, false, 404},       {"", true, false, 480},       {"", true, true, 480},
        {";tag=t", false, false, 481}, {";tag=t", true, false, 481}, {";tag=t", true, true, 481},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup();
        legs.alice->registered = false;
        core_says("BYE", cases[i].to_tag,
                  !cases[i].named  ? 0
                  : cases[i].known ? legs.alice->id
                                   : legs.alice->id + 1);
        CU_ASSERT_EQUAL(answer_of(&stage.core, NULL), cases[i].status);
        CU_ASSERT_EQUAL(legs.events[SESSION_PHONE_GONE], 1);
        legs_close();
    }
}

static void a_phone_that_has_lost_its_associations_cannot_be_reached(void)
{
    setup();
    legs.alice->ipsec = true;
    core_says("MESSAGE", "", legs.alice->id);
    CU_ASSERT_EQUAL(answer_of(&stage.core, NULL), 480);
    CU_ASSERT_EQUAL(legs.events[SESSION_PHONE_GONE], 1);
    CU_ASSERT_FALSE(heard(&stage.phone, "MESSAGE"));
    legs_close();
}

static void without_room_for_a_call_only_calls_are_refused_and_told_when_to_come_again(void)
{
    enum { DRAINING, NO_LEG, NO_DIALOG, WAYS };

    for (unsigned way = 0; way < WAYS; way++) {
        const char *again;

        setup();
        if (way == DRAINING)
            session_drain(legs.s);
        else if (way == NO_LEG)
            legs.s->options.legs = 0;
        else
            legs.s->dialogs_max = 0;
        phone_says("INVITE", "", "Route: " SCSCF "\n");
        CU_ASSERT_EQUAL(answer_of(&stage.phone, &again), 503);
        CU_ASSERT_STRING_EQUAL(again, "10");
        core_says("INVITE", "", legs.alice->id);
        CU_ASSERT_EQUAL(answer_of(&stage.core, NULL), 503);
        CU_ASSERT_EQUAL(legs.events[SESSION_CALL_STARTED], 0);
        phone_says("MESSAGE", "", "Route: " SCSCF "\n");
        CU_ASSERT_TRUE(heard(&stage.core, "MESSAGE"));
        core_says("MESSAGE", "", legs.alice->id);
        CU_ASSERT_TRUE(heard(&stage.phone, "MESSAGE"));
        legs_close();
    }
}

/* ---- in a dialog nobody knows --------------------------------------------------------------------- */

static void in_a_dialog_nobody_knows_a_phone_may_only_go_on_with_a_subscription(void)
{
    static const struct {
        const char *method, *route;
        unsigned status; /* 0: it went on */
        enum session_event event;
    } cases[] = {
        {"BYE", "Route: " SCSCF "\n", 481, SESSION_NO_DIALOG},
        {"INVITE", "Route: " SCSCF "\n", 481, SESSION_NO_DIALOG},
        {"INFO", "Route: " SCSCF "\n", 481, SESSION_NO_DIALOG},
        {"SUBSCRIBE", "Route: <sip:192.0.2.10;lr>, <sip:192.0.2.20:6060;lr>\n", 0, 0},
        {"NOTIFY", "Route: " SCSCF "\n", 0, 0},
        {"SUBSCRIBE", "Route: <sip:192.0.2.30;lr>\n", 403, SESSION_ROUTE_MISMATCH},
        {"NOTIFY", "", 403, SESSION_ROUTE_MISMATCH},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup();
        phone_says(cases[i].method, ";tag=t", cases[i].route);
        CU_ASSERT_EQUAL(answer_of(&stage.phone, NULL), cases[i].status);
        CU_ASSERT_EQUAL(heard(&stage.core, cases[i].method), cases[i].status == 0);
        if (cases[i].status)
            CU_ASSERT_EQUAL(legs.events[cases[i].event], 1);
        legs_close();
    }
}

/* It may still end what a phone believes in; media nobody would anchor. */
static void in_a_dialog_nobody_knows_the_core_may_not_speak_of_media(void)
{
    static const struct {
        const char *method;
        unsigned status;
    } cases[] = {{"INVITE", 481}, {"UPDATE", 481}, {"PRACK", 481},
                 {"BYE", 0},      {"INFO", 0},     {"NOTIFY", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup();
        core_says(cases[i].method, ";tag=t", legs.alice->id);
        CU_ASSERT_EQUAL(answer_of(&stage.core, NULL), cases[i].status);
        CU_ASSERT_EQUAL(heard(&stage.phone, cases[i].method), cases[i].status == 0);
        legs_close();
    }
}

/* ---- where it goes -------------------------------------------------------------------------------- */

static void a_phones_own_route_gives_way_to_the_service_route_where_policy_says_so(void)
{
    const char *m;

    setup();
    legs.s->options.on_route_mismatch = SESSION_ALLOW;
    phone_says("MESSAGE", "", "Route: <sip:192.0.2.99;lr>, <sip:192.0.2.98;lr>\n");
    m = peer_take(&stage.core, "MESSAGE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), SCSCF);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 1), "");
    CU_ASSERT_EQUAL(legs.events[SESSION_ROUTE_MISMATCH], 0);
    legs_close();
}

static void a_way_to_the_core_that_leads_nowhere_is_said(void)
{
    static const struct {
        const char *route;
        unsigned status;
    } cases[] = {
        {"<sip:nowhere.test;lr>", 504},
        {"<sips:orig@192.0.2.20;lr>", 416},
        {"<sip:orig@192.0.2.20:0;lr>", 400},
        {"broken", 400},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup();
        legs.s->options.on_route_mismatch = SESSION_ALLOW;
        free(legs.alice->service_route);
        legs.alice->service_route = span_dup(span_str(cases[i].route));
        phone_says("MESSAGE", "", "");
        stage_run(1000);
        CU_ASSERT_EQUAL(answer_of(&stage.phone, NULL), cases[i].status);
        CU_ASSERT_FALSE(heard(&stage.core, "MESSAGE"));
        legs_close();
    }
}

static void only_what_may_make_a_dialog_is_recorded(void)
{
    static const struct {
        const char *method;
        unsigned records;
    } cases[] = {{"INVITE", 1},  {"SUBSCRIBE", 1}, {"REFER", 1},
                 {"MESSAGE", 0}, {"OPTIONS", 0},   {"PUBLISH", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *m;

        setup();
        core_says(cases[i].method, "", legs.alice->id);
        m = peer_take(&stage.phone, cases[i].method, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_EQUAL(peer_has_header(m, "Record-Route"), cases[i].records);
        legs_close();
    }
}

static void media_are_agreed_on_in_three_methods(void)
{
    for (unsigned m = SIP_OTHER; m <= SIP_PUBLISH; m++) {
        struct hop h = {.method = (enum sip_method)m};

        CU_ASSERT_EQUAL(hop_agrees_on_media(&h),
                        m == SIP_INVITE || m == SIP_PRACK || m == SIP_UPDATE);
    }
}

/* ---- until the edge has spoken -------------------------------------------------------------------- */

#define OFFER "Content-Type: application/sdp\n\no\n"

static void a_call_that_is_cancelled_while_the_edge_thinks_goes_nowhere(void)
{
    setup();
    phone_says("INVITE", "", "Route: " SCSCF "\n" OFFER);
    CU_ASSERT_EQUAL_FATAL(legs.commands[MEDIA_OFFER], 1);
    LIST_EACH (item, &legs.s->hops)
        session_on_cancel(
            legs.s, sip_server_find(stage.layer, CONTAINER_OF(item, struct hop, item)->server));
    stage_run(20);
    CU_ASSERT_EQUAL(answer_of(&stage.phone, NULL), 487);
    CU_ASSERT_EQUAL(legs.cancelled, 1);
    CU_ASSERT_EQUAL(legs.commands[MEDIA_DELETE], 1);
    CU_ASSERT_EQUAL(session_legs(legs.s), 0);
    CU_ASSERT_FALSE(heard(&stage.core, "INVITE"));
    legs_close();
}

static void what_the_edge_makes_of_an_offer_is_what_goes_on(void)
{
    const char *m;

    setup();
    phone_says("INVITE", "", "Route: " SCSCF "\n" OFFER);
    CU_ASSERT_FALSE(heard(&stage.core, "INVITE"));
    CU_ASSERT_STRING_EQUAL(legs.sdp, "o\r\n");
    edge_says(MEDIA_OK, "anchored");
    stage_run(20);
    m = peer_take(&stage.core, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_body(m), "anchored");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Content-Length", 0), "8");
    legs_close();
}

TEST_MAIN("pcscf/session/hop",
          {"for a phone that is not here, the status says in which way",
           for_a_phone_that_is_not_here_the_status_says_in_which_way},
          {"a phone that has lost its associations cannot be reached",
           a_phone_that_has_lost_its_associations_cannot_be_reached},
          {"without room for a call only calls are refused, and told when to come again",
           without_room_for_a_call_only_calls_are_refused_and_told_when_to_come_again},
          {"in a dialog nobody knows, a phone may only go on with a subscription",
           in_a_dialog_nobody_knows_a_phone_may_only_go_on_with_a_subscription},
          {"in a dialog nobody knows, the core may not speak of media",
           in_a_dialog_nobody_knows_the_core_may_not_speak_of_media},
          {"a phone's own Route gives way to the Service-Route where policy says so",
           a_phones_own_route_gives_way_to_the_service_route_where_policy_says_so},
          {"a way to the core that leads nowhere is said",
           a_way_to_the_core_that_leads_nowhere_is_said},
          {"only what may make a dialog is recorded", only_what_may_make_a_dialog_is_recorded},
          {"media are agreed on in three methods", media_are_agreed_on_in_three_methods},
          {"a call that is cancelled while the edge thinks goes nowhere",
           a_call_that_is_cancelled_while_the_edge_thinks_goes_nowhere},
          {"what the edge makes of an offer is what goes on",
           what_the_edge_makes_of_an_offer_is_what_goes_on})
