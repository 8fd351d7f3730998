/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters that live between P-CSCF and S-CSCF only. */
#include "pcscf/register/inner.h"
#include "tests/support/suite.h"

static char out_text[4096];

static struct sip_msg *parse(const char *start, const char *lines)
{
    char room[4096];
    struct buf b = BUF_ON(room);
    struct sip_msg *m = NULL;
    struct sip_reject reject;

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    buf_fmt(&b,
            "%s\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bKx\r\n"
            "From: <sip:a@ims.test>;tag=1\r\nTo: <sip:a@ims.test>;tag=2\r\nCall-ID: c\r\n"
            "CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
            start, lines);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    return m;
}

/* The value of the header behind the edits. */
static struct span rendered(struct sip_msg *m, struct sip_edit *e, enum sip_header id)
{
    struct buf b = BUF_ON(out_text);
    struct sip_msg *again = NULL;
    struct sip_reject reject;
    static char value[2048];

    CU_ASSERT_EQUAL_FATAL(sip_edit_render(e, &b), 0);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &again, &reject), 0);
    CU_ASSERT_EQUAL(span_copy(sip_header_value(again, id), value, sizeof(value)), 0);
    sip_msg_unref(again);
    sip_msg_unref(m);
    return span_str(value);
}

#define CK "ck=\"000102030405060708090a0b0c0d0e0f\""
#define IK "ik=\"101112131415161718191a1b1c1d1e1f\""

static void keys_are_taken_wherever_they_stand(void)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"Digest realm=\"x\", nonce=\"n\", " CK ", " IK, "Digest realm=\"x\", nonce=\"n\""},
        {"Digest " CK ", " IK ",realm=\"x\" , qop=\"auth\"", "Digest realm=\"x\" , qop=\"auth\""},
        {"Digest realm=\"x\"," CK ",algorithm=AKAv1-MD5," IK ",stale=true",
         "Digest realm=\"x\",algorithm=AKAv1-MD5,stale=true"},
        {"Digest " IK ",realm=\"x\"," CK, "Digest realm=\"x\""},
        {"Digest realm=\"x\" ,\r\n " CK "\r\n , " IK, "Digest realm=\"x\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char lines[600];
        struct secret ck = {0}, ik = {0};
        struct sip_edit e;
        struct sip_msg *m;
        struct buf b = BUF_ON(lines);

        buf_fmt(&b, "WWW-Authenticate: %s\r\n", cases[i].value);
        lines[b.n] = '\0';
        m = parse("SIP/2.0 401 Unauthorized", lines);
        sip_edit_init(&e, m);
        CU_ASSERT_TRUE(auth_take_keys(m, &e, &ck, &ik));
        CU_ASSERT_EQUAL(ck.n, 16);
        CU_ASSERT_EQUAL(ck.bytes[15], 0x0f);
        CU_ASSERT_EQUAL(ik.bytes[0], 0x10);
        ASSERT_SPAN_EQ(rendered(m, &e, SIP_H_WWW_AUTHENTICATE), cases[i].want);
    }
}

static void broken_keys_are_none_and_do_not_pass(void)
{
    static const char *const lines[] = {
        "WWW-Authenticate: Digest realm=\"x\", ck=\"00\", " IK "\r\n",
        "WWW-Authenticate: Digest realm=\"x\", ck=\"zz0102030405060708090a0b0c0d0e0f\"\r\n",
        "WWW-Authenticate: Digest realm=\"x\", " CK "\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct secret ck = {0}, ik = {0};
        struct sip_edit e;
        struct sip_msg *m = parse("SIP/2.0 401 Unauthorized", lines[i]);

        sip_edit_init(&e, m);
        CU_ASSERT_FALSE(auth_take_keys(m, &e, &ck, &ik));
        CU_ASSERT_EQUAL(ck.n + ik.n, 0);
        ASSERT_SPAN_EQ(rendered(m, &e, SIP_H_WWW_AUTHENTICATE), "Digest realm=\"x\"");
    }
}

static void what_the_phone_says_of_its_protection_does_not_count(void)
{
    struct sip_msg *m = parse("REGISTER sip:ims.test SIP/2.0",
                              "Authorization: Digest username=\"u\", integrity-protected=yes, "
                              "realm=\"x\"\r\n");
    struct sip_edit e;

    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(auth_mark_request(m, &e, false), 0);
    ASSERT_SPAN_EQ(rendered(m, &e, SIP_H_AUTHORIZATION),
                   "Digest username=\"u\", realm=\"x\", integrity-protected=\"no\"");
}

/* RFC 4475 3.3.7: an unknown scheme goes on unmodified, whether or not it looks like ours. */
static void other_schemes_go_on_as_they_are(void)
{
    static const char *const values[] = {
        "Tomorrow opaque-data=here, integrity-protected=\"yes\"",
        "Token abc+/==",
        "DigestX username=\"u\"",
        "Tomorrow",
    };

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char line[200];
        struct buf b = BUF_ON(line);
        struct sip_msg *m;
        struct sip_edit e;
        bool derived;

        buf_fmt(&b, "Authorization: %s\r\n", values[i]);
        line[b.n] = '\0';
        m = parse("REGISTER sip:ims.test SIP/2.0", line);
        ASSERT_SPAN_EQ(auth_private_identity(m, &derived), "a@ims.test");
        CU_ASSERT_TRUE(derived);
        sip_edit_init(&e, m);
        CU_ASSERT_EQUAL(auth_mark_request(m, &e, true), 0);
        ASSERT_SPAN_EQ(rendered(m, &e, SIP_H_AUTHORIZATION), values[i]);
    }
}

static void the_private_identity_is_the_username_or_derived(void)
{
    bool derived;
    struct sip_msg *m =
        parse("REGISTER sip:ims.test SIP/2.0", "Authorization: Digest username=\"u@ims.test\"\r\n");

    ASSERT_SPAN_EQ(auth_private_identity(m, &derived), "u@ims.test");
    CU_ASSERT_FALSE(derived);
    sip_msg_unref(m);
    m = parse("REGISTER sip:ims.test SIP/2.0", "");
    ASSERT_SPAN_EQ(auth_private_identity(m, &derived), "a@ims.test");
    CU_ASSERT_TRUE(derived);
    sip_msg_unref(m);
}

TEST_MAIN("pcscf/register/auth",
          {"keys are taken wherever they stand", keys_are_taken_wherever_they_stand},
          {"broken keys are none and do not pass", broken_keys_are_none_and_do_not_pass},
          {"what the phone says of its protection does not count",
           what_the_phone_says_of_its_protection_does_not_count},
          {"other schemes go on as they are", other_schemes_go_on_as_they_are},
          {"the private identity is the username, or derived",
           the_private_identity_is_the_username_or_derived})
