/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/sip/sip.h"
#include "tests/support/suite.h"

static void test_params(void)
{
    struct span list = SPAN(";a=1; b = \"x;\\\"y\" ;;flag;e=");
    struct sip_param p;

    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 1);
    ASSERT_SPAN_EQ(p.name, "a");
    ASSERT_SPAN_EQ(p.value, "1");
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 1);
    ASSERT_SPAN_EQ(p.value, "x;\\\"y");
    CU_ASSERT(p.quoted);
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 1);
    ASSERT_SPAN_EQ(p.name, "flag");
    CU_ASSERT_PTR_NULL(p.value.p);
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 1);
    CU_ASSERT(p.value.p && p.value.n == 0);
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 0);
    ASSERT_SPAN_EQ(sip_param_find(SPAN(";X=1;Ab=2"), SPAN("aB")), "2");
    CU_ASSERT_PTR_NOT_NULL(sip_param_find(SPAN(";lr"), SPAN("lr")).p);
    CU_ASSERT_PTR_NULL(sip_param_find(SPAN(";lr"), SPAN("l")).p);
    list = SPAN(";a=\"x");
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), -EBADMSG);
    CU_ASSERT_EQUAL(sip_param_next(&list, &p), 0);
}

static void test_auth(void)
{
    struct sip_auth a;

    CU_ASSERT_EQUAL(
        sip_auth_parse(SPAN("Digest username=\"u@h\", nonce=\"\" ,response=\"\",qop=auth,\r\n "
                            "auts=\"AbC==\", integrity-protected=ip-assoc-pending , x=\"a,\\\"b\""),
                       &a),
        0);
    ASSERT_SPAN_EQ(a.scheme, "Digest");
    CU_ASSERT_EQUAL(a.n, 7);
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("USERNAME")), "u@h");
    CU_ASSERT(sip_auth_get(&a, SPAN("nonce")).p && sip_auth_get(&a, SPAN("nonce")).n == 0);
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("auts")), "AbC==");
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("integrity-protected")), "ip-assoc-pending");
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("x")), "a,\\\"b");
    CU_ASSERT_PTR_NULL(sip_auth_get(&a, SPAN("ck")).p);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Basic QWxhZGRpbjpvcGVu=="), &a), 0);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Digest"), &a), 0);
    CU_ASSERT_EQUAL(a.n, 0);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Digest a=\"b"), &a), -EBADMSG);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Digest a=b c=d"), &a), -EBADMSG);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN(""), &a), -EBADMSG);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("D a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"), &a),
                    -E2BIG);
}

static void test_values_phones_send(void)
{
    /* The q of RFC 3261 20.10, the quoted instance of RFC 5626, sip.instance with <>, a bare IPv6. */
    struct span list = SPAN(";q=0.5;+sip.instance=\"<urn:gsma:imei:1-2-0>\";audio;received="
                            "2001:db8::9;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp\"");

    ASSERT_SPAN_EQ(sip_param_find(list, SPAN("q")), "0.5");
    ASSERT_SPAN_EQ(sip_param_find(list, SPAN("+SIP.instance")), "<urn:gsma:imei:1-2-0>");
    ASSERT_SPAN_EQ(sip_param_find(list, SPAN("received")), "2001:db8::9");
    ASSERT_SPAN_EQ(sip_param_find(list, SPAN("+g.3gpp.icsi-ref")), "urn%3Aurn-7%3A3gpp");
    CU_ASSERT_PTR_NULL(sip_param_find(list, SPAN("sip.instance")).p);
    /* A name inside a quoted value is no parameter. */
    CU_ASSERT_PTR_NULL(sip_param_find(SPAN(";x=\";tag=1\""), SPAN("tag")).p);
    /* The first of two counts, and only one of them. */
    ASSERT_SPAN_EQ(sip_param_find(SPAN(";tag=1;tag=2"), SPAN("tag")), "1");
}

static void test_broken_lists(void)
{
    static const char *const rows[] = {";a=\"x", ";a=\"x\"y", ";a b",       ";=1",
                                       ";a=1 2", ";a,b",      ";a=1;\"b\"", ";a=\"x\\\""};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span list = span_str(rows[i]);
        struct sip_param p;
        int rc;

        while ((rc = sip_param_next(&list, &p)) > 0)
            ;
        CU_ASSERT_EQUAL(rc, -EBADMSG);
        CU_ASSERT_EQUAL(list.n, 0);
    }
}

static void test_auth_as_networks_write_it(void)
{
    struct sip_auth a;

    CU_ASSERT_EQUAL_FATAL(
        sip_auth_parse(SPAN("Digest realm=\"home.example\",nonce=\"bm9uY2U=\",algorithm=AKAv1-MD5,"
                            "qop=\"auth,auth-int\",ck=\"00112233\",ik=\"44556677\""),
                       &a),
        0);
    CU_ASSERT_EQUAL(a.n, 6);
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("qop")), "auth,auth-int");
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("ck")), "00112233");
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("IK")), "44556677");
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("nonce")), "bm9uY2U=");
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Anything opaque-data=here"), &a), 0);
    ASSERT_SPAN_EQ(sip_auth_get(&a, SPAN("opaque-data")), "here");
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("Anything alone, x=1"), &a), 0);
    CU_ASSERT(sip_auth_get(&a, SPAN("alone")).p && sip_auth_get(&a, SPAN("alone")).n == 0);
    CU_ASSERT_EQUAL(sip_auth_parse(SPAN("=\"x\""), &a), -EBADMSG);
}

TEST_MAIN("common/sip/param", {"parameter lists are walked", test_params},
          {"values are found as phones write them", test_values_phones_send},
          {"a broken list ends in an error", test_broken_lists},
          {"no authentication parameter is lost", test_auth},
          {"a challenge is read as networks write it", test_auth_as_networks_write_it})
