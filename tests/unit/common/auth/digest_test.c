/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/auth/auth.h"
#include "tests/support/suite.h"
#include "tests/unit/common/auth/sets.h"

static struct auth *new_auth(void)
{
    struct auth *a = NULL;

    CU_ASSERT_EQUAL_FATAL(auth_new(&rnd_system, &a), 0);
    return a;
}

/* The phone of a set: H(A1) of its RES or of no password, and what it would send without qop. */
static struct digest_ha1 ha1_of(struct auth *a, const struct milenage_set *set, bool empty)
{
    struct digest_ha1 ha1;
    uint8_t res[AKA_RES_LEN];
    size_t n = 0;

    CU_ASSERT_EQUAL_FATAL(hex_decode(span_str(set->res), res, sizeof(res), &n), 0);
    CU_ASSERT_EQUAL(
        digest_ha1_make(a, SPAN(SETS_USER), SPAN(SETS_REALM), span_of(res, empty ? 0 : n), &ha1),
        0);
    return ha1;
}

static struct digest_fields fields_of(const struct milenage_set *set, const char *response)
{
    return (struct digest_fields){.username = SPAN(SETS_USER),
                                  .realm = SPAN(SETS_REALM),
                                  .nonce = span_str(set->nonce),
                                  .uri = SPAN(SETS_URI),
                                  .algorithm = SPAN("AKAv1-MD5"),
                                  .response = span_str(response)};
}

static void with_qop(struct digest_fields *f, const char *qop)
{
    f->qop = span_str(qop);
    f->nc = SPAN("00000001");
    f->cnonce = SPAN(SETS_CNONCE);
}

static struct digest_challenge challenge_of(const struct milenage_set *set)
{
    return (struct digest_challenge){.realm = SPAN(SETS_REALM),
                                     .nonce = span_str(set->nonce),
                                     .algorithm = DIGEST_AKAV1_MD5,
                                     .qops =
                                         DIGEST_QOP_NONE | DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT};
}

static enum digest_verdict judge(struct auth *a, const struct digest_challenge *c,
                                 const struct digest_ha1 *ha1, const struct digest_fields *f,
                                 struct span body, uint32_t *nc)
{
    const char *why = NULL;
    enum digest_verdict v = digest_check(a, c, ha1, f, SPAN("REGISTER"), body, nc, &why);

    CU_ASSERT_PTR_NOT_NULL(why);
    CU_ASSERT_EQUAL(v == DIGEST_OK, why && why[0] == '\0');
    return v;
}

static void the_answers_of_the_published_sets_are_right(void)
{
    struct auth *a = new_auth();

    for (size_t i = 0; i < ARRAY_LEN(milenage_sets); i++) {
        const struct milenage_set *set = &milenage_sets[i];
        struct digest_challenge c = challenge_of(set);
        struct digest_ha1 ha1 = ha1_of(a, set, false), empty = ha1_of(a, set, true);
        struct digest_fields f = fields_of(set, set->no_qop);
        uint32_t nc = 0;

        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_OK);
        CU_ASSERT_EQUAL(nc, 1);
        f.response = span_str(set->qop_auth);
        with_qop(&f, "auth");
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_OK);
        f = fields_of(set, set->empty_password);
        f.auts = SPAN("AAAAAAAAAAAAAAAAAAA=");
        CU_ASSERT_EQUAL(judge(a, &c, &empty, &f, SPAN_NONE, &nc), DIGEST_OK);
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    }
    auth_free(a);
}

static void the_example_of_rfc_2617_is_right(void)
{
    struct auth *a = new_auth();
    struct digest_challenge c = {.realm = SPAN("testrealm@host.com"),
                                 .nonce = SPAN("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
                                 .opaque = SPAN("5ccc069c403ebaf9f0171e9517f40e41"),
                                 .algorithm = DIGEST_MD5,
                                 .qops = DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT};
    struct digest_fields f = {.username = SPAN("Mufasa"),
                              .realm = c.realm,
                              .nonce = c.nonce,
                              .uri = SPAN("/dir/index.html"),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("0a4f113b"),
                              .response = SPAN("6629fae49393a05397450978507c4ef1"),
                              .opaque = c.opaque};
    struct digest_ha1 ha1;
    uint32_t nc = 0;
    const char *why;

    CU_ASSERT_EQUAL(digest_ha1_make(a, f.username, f.realm, SPAN("Circle Of Life"), &ha1), 0);
    ASSERT_SPAN_EQ(span_of(ha1.hex, DIGEST_HEX_LEN), "939e7578ed9e3c518a452acee763bce9");
    CU_ASSERT_EQUAL(digest_check(a, &c, &ha1, &f, SPAN("GET"), SPAN_NONE, &nc, &why), DIGEST_OK);
    f.response = SPAN("6629FAE49393A05397450978507C4EF1");
    CU_ASSERT_EQUAL(digest_check(a, &c, &ha1, &f, SPAN("GET"), SPAN_NONE, &nc, &why), DIGEST_OK);
    CU_ASSERT_EQUAL(digest_check(a, &c, &ha1, &f, SPAN("PUT"), SPAN_NONE, &nc, &why), DIGEST_WRONG);
    auth_free(a);
}

static void auth_int_covers_the_body_with_every_octet(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_challenge c = challenge_of(set);
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    struct digest_fields f = fields_of(set, "c5502753ae54969ce7814072fd046955");
    uint32_t nc = 0;

    with_qop(&f, "auth-int");
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN("bytes\0and more"), &nc), DIGEST_OK);
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN("bytes\0and less"), &nc), DIGEST_WRONG);
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    auth_free(a);
}

static void rspauth_proves_the_network_without_a_method(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    struct digest_fields f = fields_of(set, "");
    char hex[DIGEST_HEX_LEN];

    with_qop(&f, "auth");
    CU_ASSERT_EQUAL(digest_response(a, &ha1, &f, SPAN(""), SPAN_NONE, hex), 0);
    ASSERT_SPAN_EQ(span_of(hex, sizeof(hex)), "cae7bfcdd22912ec0ff1fb31b2a811c5");
    auth_free(a);
}

static void any_changed_octet_of_the_answer_is_wrong(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_challenge c = challenge_of(set);
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    char response[DIGEST_HEX_LEN + 1];
    uint32_t nc = 0;

    for (int i = 0; i < DIGEST_HEX_LEN; i++) {
        struct digest_fields f;

        memcpy(response, set->no_qop, sizeof(response));
        response[i] = response[i] == '0' ? '1' : '0';
        f = fields_of(set, response);
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    }
    for (size_t n = 1; n < DIGEST_HEX_LEN; n++) {
        struct digest_fields f = fields_of(set, set->no_qop);

        f.response.n = n;
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    }
    CU_ASSERT_EQUAL(nc, 0);
    auth_free(a);
}

/* A right answer of set 1 to whatever the fields say now. */
static void answer(struct auth *a, struct digest_fields *f, char hex[DIGEST_HEX_LEN])
{
    struct digest_ha1 ha1 = ha1_of(a, &milenage_sets[0], false);

    CU_ASSERT_EQUAL(digest_response(a, &ha1, f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    f->response = span_of(hex, DIGEST_HEX_LEN);
}

static void a_nonce_count_serves_once(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    static const struct {
        const char *nc;
        uint32_t seen;
        enum digest_verdict want;
        uint32_t keep;
    } cases[] = {
        {"00000001", 0, DIGEST_OK, 1},
        {"00000001", 1, DIGEST_STALE, 0},
        {"00000002", 1, DIGEST_OK, 2},
        {"0000000a", 2, DIGEST_OK, 10}, /* lost ones in between */
        {"00000002", 10, DIGEST_STALE, 0},
        {"ffffffff", 10, DIGEST_OK, UINT32_MAX},
        {"ffffffff", UINT32_MAX, DIGEST_STALE, 0},
        {"1", 0, DIGEST_OK, 1}, /* not 8LHEX, but seen */
        {"FF", 1, DIGEST_OK, 255},
        {"00000000", 0, DIGEST_STALE, 0},
        {"", 0, DIGEST_MALFORMED, 0},
        {"000000001", 0, DIGEST_MALFORMED, 0},
        {"0000000g", 0, DIGEST_MALFORMED, 0},
        {"-1", 0, DIGEST_MALFORMED, 0},
    };
    struct digest_ha1 ha1 = ha1_of(a, set, false);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest_challenge c = challenge_of(set);
        struct digest_fields f = fields_of(set, "");
        char hex[DIGEST_HEX_LEN];
        uint32_t nc = 0;

        c.nc = cases[i].seen;
        with_qop(&f, "auth");
        f.nc = span_str(cases[i].nc);
        answer(a, &f, hex);
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), cases[i].want);
        CU_ASSERT_EQUAL(nc, cases[i].keep);
    }
    auth_free(a);
}

static void a_nonce_without_qop_serves_once(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_challenge c = challenge_of(set);
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    struct digest_fields f = fields_of(set, set->no_qop);
    uint32_t nc = 0;

    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_OK);
    c.nc = nc;
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_STALE);
    auth_free(a);
}

static void a_right_answer_to_an_old_nonce_is_stale_and_a_wrong_one_wrong(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_challenge c = challenge_of(set);
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    struct digest_fields f = fields_of(set, "");
    char hex[DIGEST_HEX_LEN];
    uint32_t nc = 0;

    f.nonce = SPAN("an older nonce");
    answer(a, &f, hex);
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_STALE);
    hex[0] = hex[0] == '0' ? '1' : '0';
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    auth_free(a);
}

static void a_phone_that_refuses_the_network_is_told_from_one_that_cannot_answer(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_challenge c = challenge_of(set);
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    struct digest_fields f = fields_of(set, "");
    uint32_t nc = 0;

    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_NO_ANSWER);
    f.auts = SPAN("uoU/PBI8z0TpNZbjVcY=");
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_WRONG);
    f.response = SPAN_NONE;
    CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), DIGEST_MALFORMED);
    auth_free(a);
}

static void what_was_not_asked_for_is_not_taken(void)
{
    struct auth *a = new_auth();
    const struct milenage_set *set = &milenage_sets[0];
    struct digest_ha1 ha1 = ha1_of(a, set, false);
    static const struct {
        const char *name, *value; /* NULL: left out */
        enum digest_verdict want;
    } cases[] = {
        {"algorithm", NULL, DIGEST_OK}, /* means the one of the challenge */
        {"algorithm", "akav1-md5", DIGEST_OK},
        {"algorithm", "MD5", DIGEST_MALFORMED}, /* bidding down */
        {"algorithm", "MD5-sess", DIGEST_MALFORMED},
        {"algorithm", "AKAv2-MD5", DIGEST_MALFORMED},
        {"realm", "other.test", DIGEST_MALFORMED},
        {"realm", NULL, DIGEST_MALFORMED},
        {"username", NULL, DIGEST_MALFORMED},
        {"nonce", NULL, DIGEST_MALFORMED},
        {"uri", NULL, DIGEST_MALFORMED},
        {"qop", NULL, DIGEST_MALFORMED}, /* qop was asked for */
        {"qop", "auth-int", DIGEST_MALFORMED},
        {"qop", "auth-conf", DIGEST_MALFORMED},
        {"qop", "AUTH", DIGEST_OK},
        {"cnonce", NULL, DIGEST_MALFORMED},
        {"nc", NULL, DIGEST_MALFORMED},
        {"opaque", "ours", DIGEST_OK},
        {"opaque", "theirs", DIGEST_MALFORMED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest_challenge c = challenge_of(set);
        struct digest_fields f = {0};
        const struct {
            const char *name, *value;
        } all[] = {{"username", SETS_USER}, {"realm", SETS_REALM},     {"nonce", set->nonce},
                   {"uri", SETS_URI},       {"qop", "auth"},           {"nc", "00000001"},
                   {"cnonce", SETS_CNONCE}, {"algorithm", "AKAv1-MD5"}};
        char hex[DIGEST_HEX_LEN];
        uint32_t nc = 0;

        c.qops = DIGEST_QOP_AUTH;
        c.opaque = SPAN("ours");
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            if (strcmp(all[k].name, cases[i].name) != 0)
                CU_ASSERT_EQUAL(
                    digest_fields_set(&f, span_str(all[k].name), span_str(all[k].value)), 0);
        if (cases[i].value)
            CU_ASSERT_EQUAL(
                digest_fields_set(&f, span_str(cases[i].name), span_str(cases[i].value)), 0);
        answer(a, &f, hex);
        CU_ASSERT_EQUAL(judge(a, &c, &ha1, &f, SPAN_NONE, &nc), cases[i].want);
    }
    auth_free(a);
}

static void a_parameter_given_twice_is_refused_and_an_unknown_one_ignored(void)
{
    struct digest_fields f = {0};

    CU_ASSERT_EQUAL(digest_fields_set(&f, SPAN("Response"), SPAN("")), 0);
    CU_ASSERT_PTR_NOT_NULL(f.response.p);
    CU_ASSERT_EQUAL(digest_fields_set(&f, SPAN("response"), SPAN("abc")), -EEXIST);
    CU_ASSERT_EQUAL(f.response.n, 0);
    CU_ASSERT_EQUAL(digest_fields_set(&f, SPAN("integrity-protected"), SPAN("yes")), 0);
    CU_ASSERT_EQUAL(digest_fields_set(&f, SPAN("integrity-protected"), SPAN("no")), 0);
    CU_ASSERT_EQUAL(digest_fields_set(&f, SPAN("auts"), SPAN_NONE), 0);
    CU_ASSERT_PTR_NOT_NULL(f.auts.p);
}

static void nonces_differ(void)
{
    struct auth *a = new_auth();
    char one[32], two[32];
    struct buf b1 = BUF_ON(one), b2 = BUF_ON(two);

    digest_nonce_put(a, &b1);
    digest_nonce_put(a, &b2);
    CU_ASSERT_EQUAL(b1.n, 24);
    CU_ASSERT(!span_eq(buf_span(&b1), buf_span(&b2)));
    auth_free(a);
}

TEST_MAIN("common/auth/digest",
          {"the answers of the published sets are right",
           the_answers_of_the_published_sets_are_right},
          {"the example of RFC 2617 is right", the_example_of_rfc_2617_is_right},
          {"auth-int covers the body with every octet", auth_int_covers_the_body_with_every_octet},
          {"rspauth proves the network without a method",
           rspauth_proves_the_network_without_a_method},
          {"any changed octet of the answer is wrong", any_changed_octet_of_the_answer_is_wrong},
          {"a nonce count serves once", a_nonce_count_serves_once},
          {"a nonce without qop serves once", a_nonce_without_qop_serves_once},
          {"a right answer to an old nonce is stale and a wrong one wrong",
           a_right_answer_to_an_old_nonce_is_stale_and_a_wrong_one_wrong},
          {"a phone that refuses the network is told from one that cannot answer",
           a_phone_that_refuses_the_network_is_told_from_one_that_cannot_answer},
          {"what was not asked for is not taken", what_was_not_asked_for_is_not_taken},
          {"a parameter given twice is refused and an unknown one ignored",
           a_parameter_given_twice_is_refused_and_an_unknown_one_ignored},
          {"nonces differ", nonces_differ})
