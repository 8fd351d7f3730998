/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own URIs, and the Route of requests. The Gm address is 192.0.2.10, Mw is 192.0.2.11:5070. */
#include <errno.h>
#include <stdio.h>

#include "pcscf/session/inner.h"
#include "tests/support/stage.h"
#include "tests/support/suite.h"

#define ID     "b0123456789abcdef"
#define OWN_ID UINT64_C(0x0123456789abcdef)

static struct session session;

static void setup(void)
{
    stage_open();
    session = (struct session){.env = {.gm = stage.gm, .mw = stage.mw}};
}

static bool is_own(const char *uri, uint64_t *ret_id)
{
    return route_is_own(&session, span_str(uri), ret_id);
}

/* ---- whose a URI is --------------------------------------------------------------------------- */

static void any_port_of_the_gm_address_is_ours_and_one_of_mw(void)
{
    static const struct {
        const char *uri;
        bool own;
    } cases[] = {
        {"sip:192.0.2.10:5060;lr", true},      {"sip:192.0.2.10;lr", true},
        {"sip:192.0.2.10:5062;lr", true},      {"sip:192.0.2.10:31337", true},
        {"sip:192.0.2.11:5070;lr", true},      {"SIP:" ID "@192.0.2.11:5070", true},
        {"sip:192.0.2.11:5071;lr", false},     {"sip:192.0.2.11;lr", false},
        {"sip:192.0.2.20:6060;lr", false},     {"sip:pcscf.ims.test:5070;lr", false},
        {"sip:[2001:db8::10]:5060;lr", false}, {"tel:+1921680210", false},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t id;

        if (is_own(cases[i].uri, &id) != cases[i].own)
            fprintf(stderr, "%s\n", cases[i].uri ? cases[i].uri : "none");
        CU_ASSERT_EQUAL(is_own(cases[i].uri, &id), cases[i].own);
    }
    stage_close();
}

static void what_cannot_be_read_is_not_ours(void)
{
    static const char *const uris[] = {"",
                                       "sip:",
                                       "192.0.2.10:5060",
                                       "sip:192.0.2.10:0",
                                       "sip:192.0.2.10:70000",
                                       "sip:192.0.2.10 ;lr",
                                       "sip:" ID "@:5060"};

    setup();
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        uint64_t id = 7;

        CU_ASSERT_FALSE(is_own(uris[i], &id));
        CU_ASSERT_EQUAL(id, 7);
    }
    stage_close();
}

static void only_a_whole_user_part_names_a_binding(void)
{
    static const struct {
        const char *user;
        uint64_t id;
    } cases[] = {
        {ID "@", OWN_ID},
        {"b0123456789ABCDEF@", OWN_ID},
        {"bffffffffffffffff@", UINT64_MAX},
        {"", 0},
        {"B0123456789abcdef@", 0},
        {"b0123456789abcde@", 0},
        {"b0123456789abcdef0@", 0},
        {"b0123456789abcdeg@", 0},
        {"a0123456789abcdef@", 0},
        {ID ":secret@", 0},
        {ID ";x=y@", 0},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char uri[80];
        uint64_t id = 7;

        (void)snprintf(uri, sizeof(uri), "sip:%s192.0.2.11:5070;lr", cases[i].user);
        CU_ASSERT_TRUE(is_own(uri, &id));
        if (id != cases[i].id)
            fprintf(stderr, "%s\n", uri);
        CU_ASSERT_EQUAL(id, cases[i].id);
    }
    stage_close();
}

/* ---- off the top of Route --------------------------------------------------------------------- */

#define OURS_GM "<sip:192.0.2.10:5062;lr>"
#define OURS_MW "<sip:" ID "@192.0.2.11:5070;lr>"
#define THEIRS  "<sip:orig@192.0.2.20:6060;lr>"
#define OTHERS  "<sip:192.0.2.30;lr>"

/* The Route values that are left, with "|" between them. */
static void route_of(const char *text, struct buf *out)
{
    struct sip_msg *m = NULL;
    struct sip_reject reject;
    struct sip_values v;

    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(span_str(text), &sip_limits_default, &m, &reject), 0);
    v = sip_values(m, SIP_H_ROUTE);
    while (sip_values_next(&v)) {
        if (out->n)
            buf_putc(out, '|');
        buf_put(out, v.value);
    }
    sip_msg_unref(m);
}

struct pop {
    const char *lines;
    unsigned count;
    uint64_t id;
    const char *next; /* NULL: none */
    const char *left;
};

static void check_pop(const struct pop *c)
{
    struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", c->lines);
    struct own_routes own;
    char room[600];
    struct buf left = BUF_ON(room);
    struct sip_edit e;

    sip_edit_init(&e, m);
    route_pop_own(&session, m, &e, &own);
    route_of(stage_rendered(&e), &left);
    CU_ASSERT_EQUAL(own.count, c->count);
    CU_ASSERT_EQUAL(own.id, c->id);
    CU_ASSERT_EQUAL(own.next.p == NULL, c->next == NULL);
    ASSERT_SPAN_EQ(own.next, c->next ? c->next : "");
    ASSERT_SPAN_EQ(buf_span(&left), c->left);
    sip_msg_unref(m);
}

static void check_pops(const struct pop *cases, size_t n)
{
    setup();
    for (size_t i = 0; i < n; i++)
        check_pop(&cases[i]);
    stage_close();
}

static void our_values_leave_from_the_top_and_what_is_behind_stays(void)
{
    static const struct pop cases[] = {
        {"", 0, 0, NULL, ""},
        {"Route: " OURS_GM "\n", 1, 0, NULL, ""},
        {"Route: " OURS_MW ", " THEIRS "\n", 1, OWN_ID, THEIRS, THEIRS},
        {"Route: " OURS_GM "\nRoute: " THEIRS "\nRoute: " OTHERS "\n", 1, 0, THEIRS,
         THEIRS "|" OTHERS},
        {"Route: sip:192.0.2.10:5062;lr, " THEIRS "\n", 1, 0, THEIRS, THEIRS},
    };

    check_pops(cases, ARRAY_LEN(cases));
}

/* Both halves of a double Record-Route, and whoever is behind them may be this P-CSCF again. */
static void two_of_ours_leave_and_no_third(void)
{
    static const struct pop cases[] = {
        {"Route: " OURS_GM ", " OURS_MW ", " THEIRS "\n", 2, OWN_ID, THEIRS, THEIRS},
        {"Route: " OURS_MW "\nRoute: " OURS_GM "\n", 2, OWN_ID, NULL, ""},
        {"Route: " OURS_GM "," OURS_MW "," OURS_MW "," THEIRS "\n", 2, OWN_ID, OURS_MW,
         OURS_MW "|" THEIRS},
    };

    check_pops(cases, ARRAY_LEN(cases));
}

static void the_lower_of_our_values_says_which_phone(void)
{
    static const struct pop cases[] = {
        {"Route: <sip:b0000000000000001@192.0.2.10:5062;lr>, "
         "<sip:b0000000000000002@192.0.2.11:5070;lr>\n",
         2, 2, NULL, ""},
        {"Route: <sip:b0000000000000001@192.0.2.11:5070;lr>, <sip:192.0.2.10;lr>\n", 2, 1, NULL,
         ""},
    };

    check_pops(cases, ARRAY_LEN(cases));
}

static void below_a_foreign_value_nothing_is_ours(void)
{
    static const struct pop cases[] = {
        {"Route: " THEIRS ", " OURS_MW "\n", 0, 0, THEIRS, THEIRS "|" OURS_MW},
        {"Route: " OURS_GM ", " THEIRS ", " OURS_MW "\n", 1, 0, THEIRS, THEIRS "|" OURS_MW},
        {"Route: <sip:b0123456789abcdef@192.0.2.11:5071;lr>, " OURS_GM "\n", 0, 0,
         "<sip:b0123456789abcdef@192.0.2.11:5071;lr>",
         "<sip:b0123456789abcdef@192.0.2.11:5071;lr>|" OURS_GM},
    };

    check_pops(cases, ARRAY_LEN(cases));
}

static void looking_at_our_values_leaves_them(void)
{
    struct sip_msg *m;
    struct own_routes own;

    setup();
    m = stage_message("INVITE sip:b@ims.test SIP/2.0", "Route: " OURS_MW ", " THEIRS "\n");
    route_pop_own(&session, m, NULL, &own);
    CU_ASSERT_EQUAL(own.count, 1);
    CU_ASSERT_EQUAL(own.id, OWN_ID);
    ASSERT_SPAN_EQ(own.next, THEIRS);
    sip_msg_unref(m);
    stage_close();
}

/* ---- what Route has to be --------------------------------------------------------------------- */

static void a_route_is_a_list_uri_by_uri_in_its_order(void)
{
    static const struct {
        const char *lines;
        unsigned skip;
        const char *want;
        bool is;
    } cases[] = {
        {"", 0, "", true},
        {"", 0, THEIRS, false},
        {"Route: " THEIRS "\n", 0, "", false},
        {"Route: " THEIRS "\n", 0, THEIRS, true},
        {"Route: " THEIRS "\nRoute: " OTHERS "\n", 0, THEIRS "," OTHERS, true},
        {"Route: " THEIRS ", " OTHERS "\n", 0, OTHERS "," THEIRS, false},
        {"Route: " THEIRS ", " OTHERS "\n", 0, THEIRS, false},
        {"Route: " THEIRS "\n", 0, THEIRS "," OTHERS, false},
        {"Route: \"orig\" <sip:orig@192.0.2.20:6060;LR>;x=y\n", 0, THEIRS, true},
        {"Route: <sip:ORIG@192.0.2.20:6060;lr>\n", 0, THEIRS, false},
        {"Route: <sip:orig@192.0.2.20;lr>\n", 0, "<sip:orig@192.0.2.20:5060;lr>", false},
        {"Route: " OURS_GM "," THEIRS "\n", 1, THEIRS, true},
        {"Route: " OURS_GM "\nRoute: " OURS_MW "," THEIRS "\n", 2, THEIRS, true},
        {"Route: " OURS_GM "," THEIRS "\n", 0, THEIRS, false},
        {"Route: " OURS_GM "\n", 1, "", true},
        {"Route: " THEIRS "\n", 0, "<sip:orig@192.0.2.20:6060;lr", false},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", cases[i].lines);
        bool is = route_is(m, cases[i].skip, span_str(cases[i].want));

        if (is != cases[i].is)
            fprintf(stderr, "%s against %s\n", cases[i].lines, cases[i].want);
        CU_ASSERT_EQUAL(is, cases[i].is);
        sip_msg_unref(m);
    }
    stage_close();
}

/* Route behind both steps of a request: our values off, the set in place. */
static void check_put(const char *lines, const char *set, const char *want)
{
    struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", lines);
    struct own_routes own;
    char room[600];
    struct buf left = BUF_ON(room);
    struct sip_edit e;

    sip_edit_init(&e, m);
    route_pop_own(&session, m, NULL, &own);
    route_set_put(m, &e, own.count, span_str(set));
    route_of(stage_rendered(&e), &left);
    ASSERT_SPAN_EQ(buf_span(&left), want);
    sip_msg_unref(m);
}

static void a_route_set_takes_the_place_of_any_other_route(void)
{
    setup();
    check_put("Route: " OTHERS "\nRoute: " OTHERS "\n", THEIRS, THEIRS);
    check_put("", THEIRS "," OTHERS, THEIRS "|" OTHERS);
    check_put("Route: " OURS_GM ", " OTHERS "\n", THEIRS, THEIRS);
    check_put("Route: " THEIRS ", " OTHERS "\n", "", "");
    stage_close();
}

static void a_route_that_is_the_set_stays_as_the_phone_wrote_it(void)
{
    setup();
    check_put("Route: \"my S-CSCF\" <sip:orig@192.0.2.20:6060;LR>\n", THEIRS,
              "\"my S-CSCF\" <sip:orig@192.0.2.20:6060;LR>");
    stage_close();
}

static void a_host_is_one_of_a_list_with_its_port_whatever_its_user(void)
{
    static const struct {
        const char *next, *list;
        bool is;
    } cases[] = {
        {THEIRS, THEIRS, true},
        {"<sip:192.0.2.20:6060>", THEIRS, true},
        {"<sip:term@192.0.2.20:6060;lr>", OTHERS "," THEIRS, true},
        {"<sip:SCSCF.ims.test;lr>", "<sip:orig@scscf.IMS.test;lr>", true},
        {"<sip:192.0.2.20;lr>", THEIRS, false},
        {"<sip:192.0.2.20:6061;lr>", THEIRS, false},
        {"<sip:192.0.2.2:6060;lr>", THEIRS, false},
        {THEIRS, "", false},
        {NULL, THEIRS, false},
        {"<sip:192.0.2.20:6060", THEIRS, false},
        {"<sip:192.0.2.20:0;lr>", THEIRS, false},
        {THEIRS, "<sip:192.0.2.20:6060:;lr>," THEIRS, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is = route_begins_in(span_str(cases[i].next), span_str(cases[i].list));

        if (is != cases[i].is)
            fprintf(stderr, "%s in %s\n", cases[i].next, cases[i].list);
        CU_ASSERT_EQUAL(is, cases[i].is);
    }
}

/* ---- Record-Route ----------------------------------------------------------------------------- */

static void check_record(const struct binding *b, bool towards_phone, const char *first,
                         const char *second)
{
    struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", "");
    char want[200];

    (void)snprintf(want, sizeof(want), "<sip:b%016llx@%s;lr>, <sip:b%016llx@%s;lr>",
                   (unsigned long long)b->id, first, (unsigned long long)b->id, second);
    ASSERT_SPAN_EQ(route_record(&session, m, b, towards_phone), want);
    sip_msg_unref(m);
}

static void the_record_for_the_next_hop_stands_above_that_for_the_last(void)
{
    struct binding *b;

    setup();
    b = stage_binding("alice@ims.test");
    check_record(b, true, "192.0.2.10:5060", "192.0.2.11:5070");
    check_record(b, false, "192.0.2.11:5070", "192.0.2.10:5060");
    stage_close();
}

static void a_phone_with_associations_is_recorded_at_the_protected_port(void)
{
    struct binding *b;

    setup();
    b = stage_binding("alice@ims.test");
    /* The challenge is not answered: nothing is sent over that set. */
    (void)stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_TEMPORARY);
    check_record(b, true, "192.0.2.10:5060", "192.0.2.11:5070");
    (void)stage_set(b, "192.0.2.7:32000", 1, 800, BINDING_SET_CURRENT);
    check_record(b, true, "192.0.2.10:5062", "192.0.2.11:5070");
    check_record(b, false, "192.0.2.11:5070", "192.0.2.10:5062");
    stage_close();
}

static void what_is_recorded_leads_back_to_the_phone_over_ipv6_too(void)
{
    struct sip_endpoint_options o = {
        .name = "mw6", .local = stage_addr("[2001:db8::b]:5070"), .udp = true};
    struct binding *b;
    struct sip_msg *m;
    struct span list, value;
    unsigned n = 0;

    setup();
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(stage.transport, &o, &session.env.mw), 0);
    b = stage_binding("alice@ims.test");
    m = stage_message("INVITE sip:b@ims.test SIP/2.0", "");
    list = route_record(&session, m, b, true);
    while ((value = sip_list_cut(&list)).p) {
        struct sip_name_addr na;
        uint64_t id = 0;

        CU_ASSERT_EQUAL(sip_name_addr_parse(value, &na), 0);
        CU_ASSERT_TRUE(route_is_own(&session, na.uri, &id));
        CU_ASSERT_EQUAL(id, b->id);
        n++;
    }
    CU_ASSERT_EQUAL(n, 2);
    sip_msg_unref(m);
    stage_close();
}

/* ---- the parts of a message ------------------------------------------------------------------- */

static void a_token_is_put_in_hexadecimal_where_there_is_one(void)
{
    struct session_leg with = {.token = {.n = 4, .bytes = {0x00, 0x2c, 0xff, 0x0a}}}, without = {0};
    const struct session_leg *const legs[] = {&with, &without, NULL};

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    for (size_t i = 0; i < ARRAY_LEN(legs); i++) {
        struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", "");
        const char *text;
        struct sip_edit e;

        sip_edit_init(&e, m);
        message_put_token(legs[i], m, &e);
        text = stage_rendered(&e);
        CU_ASSERT_EQUAL(strstr(text, "P-Media-Authorization: 002cff0a\r\n") != NULL, i == 0);
        CU_ASSERT_EQUAL(strstr(text, "P-Media-Authorization") != NULL, i == 0);
        sip_msg_unref(m);
    }
}

static void only_a_session_description_is_put_in_the_place_of_one(void)
{
    static const struct {
        const char *lines, *body;
    } cases[] = {
        {"Content-Type: application/sdp\nContent-Length: 4\n\nv=0\n", "o=1"},
        {"Content-Type: text/plain\nContent-Length: 4\n\nv=0\n", "v=0\r"},
        {"Content-Length: 4\n\nv=0\n", "v=0\r"},
        {"Content-Length: 0\n\n", ""},
    };

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_msg *m = stage_message("INVITE sip:b@ims.test SIP/2.0", cases[i].lines);
        struct sip_edit e;

        sip_edit_init(&e, m);
        message_edit_sdp(&e, SPAN("o=1"));
        ASSERT_SPAN_EQ(span_str(peer_body(stage_rendered(&e))), cases[i].body);
        sip_msg_unref(m);
    }
}

static void a_body_that_is_dropped_takes_its_type_along(void)
{
    struct sip_msg *m;
    const char *text;
    struct sip_edit e;

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    m = stage_message("INVITE sip:b@ims.test SIP/2.0",
                      "Content-Type: application/sdp\nContent-Length: 4\n\nv=0\n");
    sip_edit_init(&e, m);
    message_drop_body(&e);
    text = stage_rendered(&e);
    ASSERT_SPAN_EQ(span_str(peer_body(text)), "");
    ASSERT_SPAN_EQ(span_str(peer_header(text, "Content-Length", 0)), "0");
    CU_ASSERT_FALSE(peer_has_header(text, "Content-Type"));
    sip_msg_unref(m);
}

TEST_MAIN("pcscf/session/route",
          {"any port of the Gm address is ours, and one of Mw",
           any_port_of_the_gm_address_is_ours_and_one_of_mw},
          {"what cannot be read is not ours", what_cannot_be_read_is_not_ours},
          {"only a whole user part names a binding", only_a_whole_user_part_names_a_binding},
          {"our values leave from the top, and what is behind stays",
           our_values_leave_from_the_top_and_what_is_behind_stays},
          {"two of ours leave, and no third", two_of_ours_leave_and_no_third},
          {"the lower of our values says which phone", the_lower_of_our_values_says_which_phone},
          {"below a foreign value nothing is ours", below_a_foreign_value_nothing_is_ours},
          {"looking at our values leaves them", looking_at_our_values_leaves_them},
          {"a route is a list, URI by URI in its order", a_route_is_a_list_uri_by_uri_in_its_order},
          {"a route set takes the place of any other Route",
           a_route_set_takes_the_place_of_any_other_route},
          {"a Route that is the set stays as the phone wrote it",
           a_route_that_is_the_set_stays_as_the_phone_wrote_it},
          {"a host is one of a list with its port, whatever its user",
           a_host_is_one_of_a_list_with_its_port_whatever_its_user},
          {"the record for the next hop stands above that for the last",
           the_record_for_the_next_hop_stands_above_that_for_the_last},
          {"a phone with associations is recorded at the protected port",
           a_phone_with_associations_is_recorded_at_the_protected_port},
          {"what is recorded leads back to the phone, over IPv6, too",
           what_is_recorded_leads_back_to_the_phone_over_ipv6_too},
          {"a token is put in hexadecimal where there is one",
           a_token_is_put_in_hexadecimal_where_there_is_one},
          {"only a session description is put in the place of one",
           only_a_session_description_is_put_in_the_place_of_one},
          {"a body that is dropped takes its type along",
           a_body_that_is_dropped_takes_its_type_along})
