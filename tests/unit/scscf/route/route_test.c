/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "scscf/route/route.h"
#include "tests/support/suite.h"

static const struct span domains[] = {{"ims.example", 11}, {"ims.example.net", 15}};
static const struct span hosts[] = {{"scscf1.ims.example", 18}};
static struct sroute_names names = {
    .domains = domains, .n_domains = 2, .hosts = hosts, .n_hosts = 1};

static struct sip_msg *parse_of(const char *method, const char *ruri, const char *lines)
{
    char text[4096];
    struct buf b = BUF_ON(text);
    struct sip_msg *m = NULL;
    struct sip_reject reject = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(SPAN("192.0.2.20:6060"), 0, &names.local), 0);
    buf_fmt(&b,
            "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKx\r\n"
            "From: <sip:alice@ims.example>;tag=1\r\nTo: <sip:bob@ims.example>\r\n"
            "Call-ID: c\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
            method, ruri, method, lines);
    CU_ASSERT_EQUAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return m;
}

static struct sip_msg *parse(const char *ruri, const char *lines)
{
    return parse_of("INVITE", ruri, lines);
}

static void the_service_route_marks_the_originating_half(void)
{
    static const struct {
        const char *lines;
        unsigned own;
        bool originating;
        const char *next;
    } rows[] = {
        {"", 0, false, ""},
        {"Route: <sip:orig@192.0.2.20:6060;lr>\r\n", 1, true, ""},
        {"Route: <sip:orig@scscf1.ims.example:6060;lr>\r\n", 1, true, ""},
        {"Route: <sip:192.0.2.20:6060;lr>\r\n", 1, false, ""},
        {"Route: <sip:term@192.0.2.20:6060;lr>, <sip:192.0.2.9;lr>\r\n", 1, false,
         "<sip:192.0.2.9;lr>"},
        {"Route: <sip:orig@192.0.2.20:6060;lr>\r\nRoute: <sip:192.0.2.20:6060;lr>\r\n", 2, true,
         ""},
        /* Only what is on top is meant for us. */
        {"Route: <sip:192.0.2.9;lr>,<sip:orig@192.0.2.20:6060;lr>\r\n", 0, false,
         "<sip:192.0.2.9;lr>"},
        /* Another port is another server. */
        {"Route: <sip:orig@192.0.2.20:5060;lr>\r\n", 0, false, "<sip:orig@192.0.2.20:5060;lr>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = parse("sip:bob@ims.example", rows[i].lines);
        struct sroute_entry e;

        sroute_entry_read(&names, m, NULL, &e);
        CU_ASSERT_EQUAL(e.own, rows[i].own);
        CU_ASSERT_EQUAL(e.originating, rows[i].originating);
        ASSERT_SPAN_EQ(e.next, rows[i].next);
        sip_msg_unref(m);
    }
}

static void only_our_own_routes_are_taken_out(void)
{
    struct sip_msg *m = parse("sip:bob@ims.example",
                              "Route: <sip:orig@192.0.2.20:6060;lr>, <sip:192.0.2.9;lr>\r\n");
    char room[2048];
    struct buf out = BUF_ON(room);
    struct sroute_entry e;
    struct sip_edit edit;

    sip_edit_init(&edit, m);
    sroute_entry_read(&names, m, &edit, &e);
    CU_ASSERT_EQUAL_FATAL(sip_edit_render(&edit, &out), 0);
    room[out.n] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(room, "\r\nRoute: <sip:192.0.2.9;lr>\r\n"));
    CU_ASSERT_PTR_NULL(strstr(room, "orig@"));
    sip_msg_unref(m);
}

static void a_request_may_come_by_four_times(void)
{
    struct sip_msg *m =
        parse("sip:bob@ims.example", "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKa\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKb\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKc\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKd\r\n");

    CU_ASSERT_FALSE(sroute_is_loop(&names, m));
    sip_msg_unref(m);
    m = parse("sip:bob@ims.example", "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKa\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKb\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bKx\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKc\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKd\r\n"
                                     "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKe\r\n");
    CU_ASSERT_TRUE(sroute_is_loop(&names, m));
    sip_msg_unref(m);
}

static void the_request_uri_leads_home_here_or_away(void)
{
    static const struct {
        const char *uri;
        enum sroute_aim aim;
        const char *number;
    } rows[] = {
        {"sip:bob@ims.example", SROUTE_HOME, ""},
        {"sip:bob@IMS.Example.NET:5060;user=ip", SROUTE_HOME, ""},
        {"tel:+4930123", SROUTE_HOME, ""},
        {"sip:+4930123@ims.example;user=phone", SROUTE_HOME, "tel:+4930123"},
        {"sip:030123;phone-context=ims.example@ims.example;user=phone", SROUTE_HOME, "tel:030123"},
        {"sip:192.0.2.20:6060", SROUTE_SELF, ""},
        {"sip:scscf1.ims.example", SROUTE_SELF, ""},
        {"sip:bob@elsewhere.example", SROUTE_FOREIGN, ""},
        {"sip:bob@192.0.2.20", SROUTE_FOREIGN, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri uri;
        char room[64];

        CU_ASSERT_EQUAL_FATAL(sip_uri_split(span_str(rows[i].uri), &uri), 0);
        CU_ASSERT_EQUAL(sroute_aim(&names, &uri), rows[i].aim);
        ASSERT_SPAN_EQ(sroute_number(&uri, room, sizeof(room)), rows[i].number);
    }
}

static void asserted_identities_are_found_by_scheme(void)
{
    struct sip_msg *m =
        parse("sip:bob@ims.example", "P-Asserted-Identity: \"A, lice\" <sip:alice@ims.example>\r\n"
                                     "P-Asserted-Identity: <tel:+4930100>\r\n");

    ASSERT_SPAN_EQ(sroute_asserted(m), "sip:alice@ims.example");
    ASSERT_SPAN_EQ(sroute_asserted_by(m, SIP_SCHEME_TEL), "tel:+4930100");
    CU_ASSERT_PTR_NULL(sroute_asserted_by(m, SIP_SCHEME_URN).p);
    sip_msg_unref(m);
}

static void the_charging_vector_keeps_what_we_do_not_know(void)
{
    struct sip_msg *m = parse("sip:bob@ims.example",
                              "P-Charging-Vector: icid-value=\"ab;c\";icid-generated-at=192.0.2.10;"
                              "orig-ioi=\"Type 1visited.example\";transit-ioi=\"x.1\"\r\n");
    struct sroute_vector v = {0};
    char room[2048];
    struct buf out = BUF_ON(room);
    struct sip_edit e;

    CU_ASSERT_EQUAL_FATAL(sroute_vector_read(m, &v), 0);
    ASSERT_SPAN_EQ(v.icid, "ab;c");
    ASSERT_SPAN_EQ(sroute_ioi_network(v.orig_ioi), "visited.example");
    CU_ASSERT_PTR_NULL(v.term_ioi.p);
    v.orig_ioi = SPAN("ims.example");
    v.term_ioi = SPAN("Type 1ims.example");
    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL_FATAL(sroute_vector_put(m, &e, &v), 0);
    CU_ASSERT_EQUAL_FATAL(sip_edit_render(&e, &out), 0);
    room[out.n] = '\0';
    CU_ASSERT_PTR_NOT_NULL(
        strstr(room, "P-Charging-Vector: icid-value=\"ab;c\";icid-generated-at=192.0.2.10;"
                     "transit-ioi=\"x.1\";orig-ioi=\"ims.example\";"
                     "term-ioi=\"Type 1ims.example\"\r\n"));
    sip_msg_unref(m);
}

static void a_broken_or_absent_charging_vector_is_told(void)
{
    static const struct {
        const char *lines;
        int rc;
    } rows[] = {
        {"", -ENOENT},
        {"P-Charging-Vector: orig-ioi=x\r\n", -EBADMSG},
        {"P-Charging-Vector: icid-value=\"\"\r\n", -EBADMSG},
        {"P-Charging-Vector: icid-value=abc\r\n", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = parse("sip:bob@ims.example", rows[i].lines);
        struct sroute_vector v;

        CU_ASSERT_EQUAL(sroute_vector_read(m, &v), rows[i].rc);
        sip_msg_unref(m);
    }
}

static void the_session_timer_is_read_with_or_without_refresher(void)
{
    static const struct {
        const char *lines;
        uint32_t seconds;
    } rows[] = {
        {"", 0},
        {"Session-Expires: 1800\r\n", 1800},
        {"x: 90 ;refresher=uas\r\n", 90},
        {"Session-Expires: soon\r\n", 0},
        {"Session-Expires: 99999999999\r\n", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = parse("sip:bob@ims.example", rows[i].lines);

        CU_ASSERT_EQUAL(sroute_session_expires(m), rows[i].seconds);
        sip_msg_unref(m);
    }
}

TEST_MAIN("scscf/route",
          {"the Service-Route on top of Route marks the originating half",
           the_service_route_marks_the_originating_half},
          {"only our own Routes are taken out", only_our_own_routes_are_taken_out},
          {"a request may come by four times", a_request_may_come_by_four_times},
          {"the Request-URI leads home, here or away", the_request_uri_leads_home_here_or_away},
          {"asserted identities are found by scheme", asserted_identities_are_found_by_scheme},
          {"the charging vector keeps what we do not know",
           the_charging_vector_keeps_what_we_do_not_know},
          {"a broken or absent charging vector is told",
           a_broken_or_absent_charging_vector_is_told},
          {"the session timer is read with or without refresher",
           the_session_timer_is_read_with_or_without_refresher}, )
