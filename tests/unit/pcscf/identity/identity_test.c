/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "pcscf/identity/identity.h"
#include "tests/support/suite.h"

static struct sip_msg *parse(const char *extra)
{
    char text[2048];
    struct buf b = BUF_ON(text);
    struct sip_msg *m = NULL;
    struct sip_reject reject;

    buf_fmt(&b,
            "INVITE sip:bob@ims.example SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.5:5061;branch=z9hG4bKx\r\n"
            "From: <sip:mallory@ims.example>;tag=1\r\nTo: <sip:bob@ims.example>\r\n"
            "Call-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
            extra);
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    return m;
}

static const struct identities alice = {
    .n = 3, .uri = {"sip:alice@ims.example", "tel:+15551", "sip:work@ims.example"}};

/* The header lines between Max-Forwards and Content-Length after the edit. */
static struct span middle(const struct sip_edit *e, char *room, size_t cap)
{
    struct buf b = {room, 0, cap, false};
    const char *from, *to;

    CU_ASSERT_EQUAL_FATAL(sip_edit_render(e, &b), 0);
    room[b.n] = '\0';
    from = strstr(room, "Max-Forwards: 70\r\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    from += strlen("Max-Forwards: 70\r\n");
    to = strstr(from, "\r\n\r\n") + 2;
    return span_of(from, (size_t)(to - from));
}

static void the_asserted_identity_is_registered_whatever_the_phone_says(void)
{
    static const struct {
        const char *sent, *asserted;
    } rows[] = {
        {"", "<sip:alice@ims.example>"},
        {"P-Preferred-Identity: <sip:work@ims.example>\r\n", "<sip:work@ims.example>"},
        {"P-Preferred-Identity: \"Boss\" <sip:bob@ims.example>\r\n", "<sip:alice@ims.example>"},
        {"P-Preferred-Identity: <sip:bob@ims.example>, <tel:+1-5551>\r\n", "<tel:+15551>"},
        {"P-Asserted-Identity: <sip:bob@ims.example>\r\n", "<sip:alice@ims.example>"},
        {"P-Preferred-Identity: garbage <<\r\n", "<sip:alice@ims.example>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = parse(rows[i].sent);
        struct sip_edit e;
        struct span asserted;
        char room[2048], want[128];
        struct span got;

        sip_edit_init(&e, m);
        CU_ASSERT_EQUAL(identity_assert_request(&alice, m, &e, &asserted), 0);
        got = middle(&e, room, sizeof(room) - 1);
        snprintf(want, sizeof(want), "P-Asserted-Identity: %s\r\n", rows[i].asserted);
        CU_ASSERT_PTR_NOT_NULL(strstr(got.p, want));
        CU_ASSERT_PTR_NULL(strstr(strstr(got.p, want) + 1, "P-Asserted-Identity"));
        CU_ASSERT_PTR_NULL(strstr(got.p, "P-Preferred-Identity"));
        CU_ASSERT_PTR_NULL(strstr(got.p, "<sip:bob"));
        sip_msg_unref(m);
    }
}

static void nobody_registered_asserts_nothing(void)
{
    struct sip_msg *m = parse("");
    struct identities none = {0};
    struct sip_edit e;
    struct span asserted = SPAN("untouched");

    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(identity_assert_request(&none, m, &e, &asserted), -ENOENT);
    CU_ASSERT_EQUAL(identity_assert_response(&none, SPAN(""), m, &e), -ENOENT);
    ASSERT_SPAN_EQ(asserted, "untouched");
    sip_msg_unref(m);
}

static void what_a_phone_may_not_say_does_not_cross(void)
{
    struct sip_msg *m =
        parse("P-Charging-Vector: icid-value=forged\r\nP-Media-Authorization: 00\r\n"
              "Feature-Caps: *\r\np-profile-key: x\r\nX-Mine: kept\r\n"
              "P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1\r\n"
              "P-Access-Network-Info: IEEE-802.11; network-provided\r\n");
    struct sip_edit e;
    struct span asserted;
    char room[2048];

    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(identity_assert_request(&alice, m, &e, &asserted), 0);
    ASSERT_SPAN_EQ(middle(&e, room, sizeof(room) - 1),
                   "X-Mine: kept\r\n"
                   "P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1\r\n"
                   "Content-Length: 0\r\nP-Asserted-Identity: <sip:alice@ims.example>\r\n");
    sip_msg_unref(m);
}

static void privacy_id_hides_the_caller_from_the_phone(void)
{
    static const struct {
        const char *privacy;
        bool hidden;
    } rows[] = {{"", false},
                {"Privacy: id\r\n", true},
                {"Privacy: header; ID\r\n", true},
                {"Privacy: none\r\n", false}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char extra[256], room[2048];
        struct sip_edit e;
        struct sip_msg *m;

        snprintf(extra, sizeof(extra),
                 "P-Asserted-Identity: <sip:carol@ims.example>\r\n%sP-Charging-Vector: "
                 "icid-value=1\r\n",
                 rows[i].privacy);
        m = parse(extra);
        sip_edit_init(&e, m);
        identity_hide_from_phone(m, &e);
        struct span got = middle(&e, room, sizeof(room) - 1);

        CU_ASSERT_EQUAL(strstr(got.p, "carol") == NULL, rows[i].hidden);
        CU_ASSERT_PTR_NULL(strstr(got.p, "P-Charging-Vector"));
        sip_msg_unref(m);
    }
}

static void what_is_for_the_network_alone_stays_there(void)
{
    struct sip_msg *m =
        parse("P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101000112345678\r\n"
              "P-Charging-Vector: icid-value=1\r\nRestoration-Info: noresponse\r\n"
              "attestation-info: A\r\nOrigination-Id: 1\r\nCellular-Network-Info: x\r\n"
              "History-Info: <sip:carol@ims.example>;index=1\r\nPrivacy: history\r\n"
              "Feature-Caps: *;+g.3gpp.srvcc-alerting\r\nP-Early-Media: sendrecv\r\n");
    struct sip_edit e;
    char room[2048];

    sip_edit_init(&e, m);
    identity_hide_from_phone(m, &e);
    ASSERT_SPAN_EQ(middle(&e, room, sizeof(room) - 1),
                   "Privacy: history\r\nFeature-Caps: *;+g.3gpp.srvcc-alerting\r\n"
                   "P-Early-Media: sendrecv\r\nContent-Length: 0\r\n");
    sip_msg_unref(m);
}

static void the_called_identity_answers(void)
{
    struct sip_msg *m = parse("");
    struct sip_edit e;
    char room[2048];

    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(identity_assert_response(&alice, SPAN("tel:+15551"), m, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(middle(&e, room, sizeof(room) - 1).p, "P-Asserted-Identity: <tel:+15551>"));
    sip_msg_unref(m);
}

static void identities_come_from_p_associated_uri_in_order(void)
{
    struct sip_msg *m = parse("P-Associated-URI: <sip:b@x>, \"N\" <tel:+1>\r\n"
                              "P-Associated-URI: <sip:c@x>\r\n");
    struct identities ids;
    unsigned dropped;

    identity_learn(m, SPAN("sip:a@x"), &ids, &dropped);
    CU_ASSERT_EQUAL(ids.n, 3);
    CU_ASSERT_EQUAL(dropped, 0);
    CU_ASSERT_STRING_EQUAL(ids.uri[0], "sip:b@x");
    CU_ASSERT_STRING_EQUAL(ids.uri[2], "sip:c@x");
    CU_ASSERT_EQUAL(identity_find(&ids, SPAN("tel:+1")), 1);
    CU_ASSERT_EQUAL(identity_find(&ids, SPAN("sip:a@x")), -1);
    sip_msg_unref(m);
    m = parse("");
    identity_learn(m, SPAN("sip:a@x"), &ids, &dropped);
    CU_ASSERT_EQUAL(ids.n, 1);
    CU_ASSERT_STRING_EQUAL(ids.uri[0], "sip:a@x");
    sip_msg_unref(m);
}

TEST_MAIN("pcscf/identity",
          {"the asserted identity is registered, whatever the phone says",
           the_asserted_identity_is_registered_whatever_the_phone_says},
          {"nobody registered asserts nothing", nobody_registered_asserts_nothing},
          {"what a phone may not say does not cross", what_a_phone_may_not_say_does_not_cross},
          {"privacy id hides the caller from the phone",
           privacy_id_hides_the_caller_from_the_phone},
          {"what is for the network alone stays there", what_is_for_the_network_alone_stays_there},
          {"the called identity answers", the_called_identity_answers},
          {"identities come from P-Associated-URI in order",
           identities_come_from_p_associated_uri_in_order})
