/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "common/sip/sip.h"
#include "tests/support/suite.h"

static void test_uri_parts(void)
{
    static const struct {
        const char *text;
        enum sip_scheme scheme;
        const char *user, *host;
        uint16_t port;
        const char *params, *headers;
    } rows[] = {
        {"sip:alice@example.com", SIP_SCHEME_SIP, "alice", "example.com", 0, "", ""},
        {"SIPS:a:pw@[2001:db8::1]:5061;lr", SIP_SCHEME_SIPS, "a:pw", "[2001:db8::1]", 5061, ";lr",
         ""},
        {"sip:h;transport=tcp?Subject=x&y=", SIP_SCHEME_SIP, NULL, "h", 0, ";transport=tcp",
         "Subject=x&y="},
        {"sip:user;par=u%40example.net@example.com", SIP_SCHEME_SIP, "user;par=u%40example.net",
         "example.com", 0, "", ""},
        {"sip:+1-201@gw.example;user=phone", SIP_SCHEME_SIP, "+1-201", "gw.example", 0,
         ";user=phone", ""},
        {"sip:*31#123@example.com", SIP_SCHEME_SIP, "*31#123", "example.com", 0, "", ""},
        {"sip:null-%00-null@example.com", SIP_SCHEME_SIP, "null-%00-null", "example.com", 0, "",
         ""},
        {"sip:orig@scscf.example:6060;lr", SIP_SCHEME_SIP, "orig", "scscf.example", 6060, ";lr",
         ""},
        {"sip:a@h;;lr", SIP_SCHEME_SIP, "a", "h", 0, ";;lr", ""},
        {"tel:+1-201-555;phone-context=example.com", SIP_SCHEME_TEL, "+1-201-555", NULL, 0,
         ";phone-context=example.com", ""},
        {"urn:service:sos", SIP_SCHEME_URN, NULL, NULL, 0, "", ""},
        {"soap.beep://192.0.2.103:3002", SIP_SCHEME_OTHER, NULL, NULL, 0, "", ""},
        {"sipx:a@b", SIP_SCHEME_OTHER, NULL, NULL, 0, "", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri u;
        int rc = sip_uri_parse(span_str(rows[i].text), &u);

        if (rc < 0)
            fprintf(stderr, "%s\n", rows[i].text);
        CU_ASSERT_EQUAL_FATAL(rc, 0);
        CU_ASSERT_EQUAL(u.scheme, rows[i].scheme);
        CU_ASSERT_EQUAL(!u.user.p, !rows[i].user);
        ASSERT_SPAN_EQ(u.user, rows[i].user);
        ASSERT_SPAN_EQ(u.host, rows[i].host);
        CU_ASSERT_EQUAL(u.port, rows[i].port);
        ASSERT_SPAN_EQ(u.params, rows[i].params);
        ASSERT_SPAN_EQ(u.headers, rows[i].headers);
        ASSERT_SPAN_EQ(u.text, rows[i].text);
    }
}

static void test_bad_uris(void)
{
    static const char *const rows[] = {
        "",
        "alice",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@example.com:0",
        "sip:a@example.com:65536",
        "sip:a@example.com:5060abc",
        "sip:a@example.com:",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[2001:db8:::10]",
        "sip:[192.0.2.1]",
        "sip:192.0.2.256",
        "sip:a%zz@example.com",
        "sip:a%4@example.com",
        "sip:al ice@example.com",
        "sip:a@exam_ple;p=\"q\"",
        "sip:a@example.com?",
        "<sip:a@example.com>",
        "sip:a@example.com;p<q",
        "tel:",
        "tel:alice",
        "urn:",
        "1sip:a@b",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri u = {.port = 99};
        int rc = sip_uri_parse(span_str(rows[i]), &u);

        if (rc != -EBADMSG)
            fprintf(stderr, "accepted: %s\n", rows[i]);
        CU_ASSERT_EQUAL(rc, -EBADMSG);
        CU_ASSERT_EQUAL(u.port, 99); /* untouched */
    }
}

static void test_uri_equal(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
        {"sip:a@b?Subject=x", "sip:a@b?subject=x", true},
        {"SIP:ALICE@atlanta.com", "sip:alice@atlanta.com", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
        {"sip:bob@biloxi.com;user=phone", "sip:bob@biloxi.com", false},
        {"sip:bob@biloxi.com;a=1", "sip:bob@biloxi.com;a=2", false},
        {"sip:bob@biloxi.com", "sips:bob@biloxi.com", false},
        {"sip:biloxi.com", "sip:bob@biloxi.com", false},
        {"sip:a%40b@h", "sip:a%40b@h", true},
        {"sip:a%3Bb@h", "sip:a%3bb@h", true},
        {"sip:a%3Bb@h", "sip:a;b@h", false}, /* an escaped reserved character is another one */
        {"sip:a%2Bb@h", "sip:a+b@h", false},
        {"sip:a%00b@h", "sip:a@h", false},
        {"sip:a%00b@h", "sip:a%00c@h", false},
        {"sip:a@[::ffff:192.0.2.128]", "sip:a@[::ffff:c000:280]", true},
        {"sip:a@[2001:db8::9:1]", "sip:a@[2001:DB8:0::9:01]", true},
        {"sip:a@[2001:db8::192.0.2.1]", "sip:a@[2001:db8:::192.0.2.1]", true},
        {"sip:a@[2001:db8::9:1]", "sip:a@[2001:db8::9:2]", false},
        {"sip:a@[2001:db8::9:1]", "sip:a@[2001:db8::9:1]:5060", false},
        {"sip:a@[::ffff:192.0.2.1]", "sip:a@192.0.2.1", false},
        {"tel:+1-201-555-0123", "tel:+1(201)5550123", true},
        {"tel:+12015550123", "tel:12015550123", false},
        {"tel:7042;phone-context=example.com", "tel:7042;phone-context=EXAMPLE.com", true},
        {"tel:7042;phone-context=+1-2", "tel:7042;phone-context=+12", true},
        {"tel:7042;phone-context=example.com", "tel:7042", false},
        {"urn:service:sos", "URN:service:SOS", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri a, b;

        CU_ASSERT_EQUAL_FATAL(sip_uri_parse(span_str(rows[i].a), &a), 0);
        CU_ASSERT_EQUAL_FATAL(sip_uri_parse(span_str(rows[i].b), &b), 0);
        if (sip_uri_equal(&a, &b) != rows[i].equal || sip_uri_equal(&b, &a) != rows[i].equal)
            fprintf(stderr, "%s / %s\n", rows[i].a, rows[i].b);
        CU_ASSERT_EQUAL(sip_uri_equal(&a, &b), rows[i].equal);
        CU_ASSERT_EQUAL(sip_uri_equal(&b, &a), rows[i].equal);
    }
}

static void test_loose(void)
{
    static const struct {
        const char *text;
        bool loose;
    } rows[] = {
        {"sip:p;lr", true},   {"sip:p;;lr", true}, {"sip:p;lr=", true},   {"sip:p;LR=on;ob", true},
        {"sip:p;lrx", false}, {"sip:lr@p", false}, {"sip:p;x=lr", false}, {"sip:p?lr=1", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri u;

        CU_ASSERT_EQUAL_FATAL(sip_uri_parse(span_str(rows[i].text), &u), 0);
        CU_ASSERT_EQUAL(sip_uri_is_loose(&u), rows[i].loose);
    }
}

static void test_name_addr(void)
{
    static const struct {
        const char *text, *display, *uri, *params; /* uri NULL: refused */
    } rows[] = {
        {"<sip:a@b>", "", "sip:a@b", ""},
        {"<sip:h>;tag=1", "", "sip:h", ";tag=1"},
        {"\"A \\\"q\\\" <x>\"  <sip:a@b;p> ; tag = 1", "A \\\"q\\\" <x>", "sip:a@b;p", "; tag = 1"},
        {"Bob Smith <tel:123>;q=0.5", "Bob Smith", "tel:123", ";q=0.5"},
        {"sip:a@b;tag=1", "", "sip:a@b", ";tag=1"},
        {" \"\"<sip:a@b> ", "", "sip:a@b", ""},
        {"M\xc3\xbcller <sip:a@b>", "M\xc3\xbcller", "sip:a@b", ""},
        {"A, B <sip:a@b>", NULL, NULL, NULL},
        {"\"A <sip:a@b>", NULL, NULL, NULL},
        {"\"A\" sip:a@b", NULL, NULL, NULL},
        {"<sip:a@b", NULL, NULL, NULL},
        {"<>", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"<sip:a@b> x", NULL, NULL, NULL},
        {"<sip:a@b>;tag=\"x", NULL, NULL, NULL},
        {"sip:a@b?Route=c", NULL, NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_name_addr na;
        int rc = sip_name_addr_parse(span_str(rows[i].text), &na);

        if (rc != (rows[i].uri ? 0 : -EBADMSG))
            fprintf(stderr, "%s: %d\n", rows[i].text, rc);
        CU_ASSERT_EQUAL(rc, rows[i].uri ? 0 : -EBADMSG);
        if (rc < 0 || !rows[i].uri)
            continue;
        ASSERT_SPAN_EQ(na.display, rows[i].display);
        ASSERT_SPAN_EQ(na.uri, rows[i].uri);
        ASSERT_SPAN_EQ(na.params, rows[i].params);
    }
}

static void test_via(void)
{
    struct sip_via v;

    CU_ASSERT_EQUAL(sip_via_parse(SPAN("SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKa"), &v), 0);
    ASSERT_SPAN_EQ(v.transport, "UDP");
    ASSERT_SPAN_EQ(v.host, "192.0.2.1");
    CU_ASSERT_EQUAL(v.port, 5062);
    ASSERT_SPAN_EQ(v.branch, "z9hG4bKa");
    CU_ASSERT(v.rport.p && v.rport.n == 0);
    CU_ASSERT_PTR_NULL(v.received.p);
    CU_ASSERT_EQUAL(sip_via_parse(SPAN("SIP  / 2.0\r\n /TCP   [2001:db8::9]  :\t9 ;received="
                                       "2001:db8::9:255;branch=\r\n z9hG4bKb"),
                                  &v),
                    0);
    ASSERT_SPAN_EQ(v.host, "[2001:db8::9]");
    CU_ASSERT_EQUAL(v.port, 9);
    ASSERT_SPAN_EQ(v.received, "2001:db8::9:255");
    ASSERT_SPAN_EQ(v.branch, "z9hG4bKb");
    static const char *const bad[] = {"",
                                      "SIP/2.0/UDP",
                                      "SIP/2.0/UDP ",
                                      "SIP/3.0/UDP h",
                                      "SIP/2.0 UDP h",
                                      "SIP/2.0/UDP h:0",
                                      "SIP/2.0/UDP h:99999",
                                      "SIP/2.0/UDP 2001:db8::1",
                                      "SIP/2.0/UDP h x",
                                      "SIP/2.0/UDP h;branch=\"a",
                                      ";;"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_EQUAL(sip_via_parse(span_str(bad[i]), &v), -EBADMSG);
}

static void test_init(void)
{
    CU_ASSERT_EQUAL(sip_init(), 0);
}

static void the_next_hop_is_the_route_and_without_one_the_target(void)
{
    struct sip_uri uri;

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL(
        sip_next_uri(SPAN("<sip:orig@192.0.2.20:6060;lr>"), SPAN("sip:b@ims.test"), &uri), 0);
    ASSERT_SPAN_EQ(uri.host, "192.0.2.20");
    CU_ASSERT_EQUAL(uri.port, 6060);
    CU_ASSERT_EQUAL(sip_next_uri(SPAN_NONE, SPAN("sip:b@ims.test"), &uri), 0);
    ASSERT_SPAN_EQ(uri.host, "ims.test");
}

static void a_broken_next_hop_is_none_and_the_target_does_not_stand_in(void)
{
    static const struct {
        const char *next, *target;
    } cases[] = {
        {"<sip:192.0.2.20;lr", "sip:b@ims.test"},
        {"", "sip:b@ims.test"},
        {"<sip:192.0.2.20:0>", "sip:b@ims.test"},
        {"<nonsense>", "sip:b@ims.test"},
        {NULL, ""},
        {NULL, "sip:b@ims.test:70000"},
    };

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_uri uri = {.port = 7};

        CU_ASSERT_EQUAL(sip_next_uri(span_str(cases[i].next), span_str(cases[i].target), &uri),
                        -EBADMSG);
        CU_ASSERT_EQUAL(uri.port, 7);
    }
}

TEST_MAIN("common/sip/uri", {"libosip2 is set up", test_init},
          {"a URI is split into its parts", test_uri_parts},
          {"a URI outside the grammar is refused", test_bad_uris},
          {"URIs are compared by RFC 3261 19.1.4 and RFC 3966", test_uri_equal},
          {"lr is found however phones write it", test_loose},
          {"the next hop is the route, and without one the target",
           the_next_hop_is_the_route_and_without_one_the_target},
          {"a broken next hop is none, and the target does not stand in",
           a_broken_next_hop_is_none_and_the_target_does_not_stand_in},
          {"name-addr and addr-spec are told apart", test_name_addr},
          {"a Via is split, folding and IPv6 included", test_via})
