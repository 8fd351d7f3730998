/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/token/token.h"

#include <errno.h>

#include "tests/support/suite.h"

static struct token_key key_of(uint32_t id, enum token_mac mac, int64_t from, int64_t to)
{
    struct token_key k = {.id = id, .mac = mac, .not_before = from, .not_after = to};

    CU_ASSERT_EQUAL(secret_set(&k.key, "a shared key of the two", 23), 0);
    return k;
}

static struct token_claims some_claims(void)
{
    struct token_claims c = {.entity = "pdp.ims.test",
                             .session = {1, 2, 3, 4, 5, 6, 7, 8},
                             .n_session = 8,
                             .start = 1900000000,
                             .end = 1900000600,
                             .bandwidth_kbps = 64};

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.0.0.1"), 0, &c.source), 0);
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("2001:db8::5"), 40000, &c.dest), 0);
    return c;
}

static void the_smallest_token_has_the_octets_of_the_rfc(void)
{
    /* RFC 3520 3: FQDN of 12 octets needs no padding, a SESSION_ID of 8 neither. */
    static const char want[] = "0004"
                               "00100103"
                               "7064702e696d732e74657374"
                               "000c0200"
                               "0102030405060708";
    struct token_claims c = {
        .entity = "pdp.ims.test", .session = {1, 2, 3, 4, 5, 6, 7, 8}, .n_session = 8};
    struct secret t;
    char text[600];
    struct buf b = BUF_ON(text);

    CU_ASSERT_EQUAL(token_build(&c, NULL, &t), 0);
    token_put_hex(&b, &t, false);
    ASSERT_SPAN_EQ(buf_span(&b), want);
    b.n = 0;
    token_put_hex(&b, &t, true);
    CU_ASSERT(span_starts(buf_span(&b), SPAN("00200004")));
    CU_ASSERT_EQUAL(b.n, 2 * 0x20);
}

static void a_value_is_padded_with_zeros_that_its_length_does_not_count(void)
{
    struct token_claims c = {.entity = "pdp.x", .session = {9}, .n_session = 1};
    struct secret t;
    char text[600];
    struct buf b = BUF_ON(text);

    CU_ASSERT_EQUAL(token_build(&c, NULL, &t), 0);
    token_put_hex(&b, &t, false);
    ASSERT_SPAN_EQ(buf_span(&b), "0004"
                                 "00090103"
                                 "7064702e78000000"
                                 "00050200"
                                 "09000000");
}

static void what_was_built_is_read_back(void)
{
    static const enum token_mac macs[] = {TOKEN_HMAC_SHA256, TOKEN_HMAC_MD5};

    for (size_t i = 0; i < ARRAY_LEN(macs); i++) {
        struct token_keys keys = {1, {key_of(7, macs[i], 0, 0)}};
        struct token_claims in = some_claims(), out;
        struct secret t;

        CU_ASSERT_EQUAL(token_build(&in, &keys.keys[0], &t), 0);
        CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n), &keys, 1900000001, &out), 0);
        CU_ASSERT_STRING_EQUAL(out.entity, in.entity);
        CU_ASSERT_EQUAL(out.n_session, 8);
        CU_ASSERT(memcmp(out.session, in.session, 8) == 0);
        CU_ASSERT_EQUAL(out.start, in.start);
        CU_ASSERT_EQUAL(out.end, in.end);
        CU_ASSERT(addr_eq(&out.source, &in.source));
        CU_ASSERT(addr_eq(&out.dest, &in.dest));
        CU_ASSERT_EQUAL(out.bandwidth_kbps, 64);
        CU_ASSERT_EQUAL(out.key_id, 7);
    }
}

static void every_changed_bit_is_found(void)
{
    struct token_keys keys = {1, {key_of(7, TOKEN_HMAC_SHA256, 0, 0)}};
    struct token_claims in = some_claims(), out;
    struct secret t;

    CU_ASSERT_EQUAL(token_build(&in, &keys.keys[0], &t), 0);
    for (size_t bit = 0; bit < t.n * 8u; bit++) {
        struct secret bad = t;

        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (token_verify(span_of(bad.bytes, bad.n), &keys, 1900000001, &out) == 0)
            CU_FAIL("a changed token was accepted");
    }
    for (uint16_t n = 0; n < t.n; n++)
        CU_ASSERT_NOT_EQUAL(token_verify(span_of(t.bytes, n), &keys, 1900000001, &out), 0);
}

static void an_unsigned_token_does_not_verify(void)
{
    struct token_keys keys = {1, {key_of(7, TOKEN_HMAC_SHA256, 0, 0)}};
    struct token_claims in = some_claims(), out;
    struct secret t;

    CU_ASSERT_EQUAL(token_build(&in, NULL, &t), 0);
    CU_ASSERT_EQUAL(token_parse(span_of(t.bytes, t.n), &out), 0);
    CU_ASSERT_FALSE(out.signed_);
    CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n), &keys, 1900000001, &out), -EACCES);
}

static void the_key_decides_the_algorithm_not_the_wire(void)
{
    struct token_keys sha = {1, {key_of(7, TOKEN_HMAC_SHA256, 0, 0)}};
    struct token_key md5 = key_of(7, TOKEN_HMAC_MD5, 0, 0);
    struct token_claims in = some_claims(), out;
    struct secret t;

    CU_ASSERT_EQUAL(token_build(&in, &md5, &t), 0);
    CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n), &sha, 1900000001, &out), -EACCES);
    sha.keys[0].id = 8;
    CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n), &sha, 1900000001, &out), -ENOKEY);
    /* nor the length: four octets more behind a right MAC */
    sha.keys[0].id = 7;
    CU_ASSERT_EQUAL(token_build(&in, &sha.keys[0], &t), 0);
    CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n), &sha, 1900000001, &out), 0);
    t.bytes[t.n - 39] = 44; /* the attribute's length: 4 of head, 4 of key id, 32 of MAC */
    memset(t.bytes + t.n, 0, 4);
    CU_ASSERT_EQUAL(token_verify(span_of(t.bytes, t.n + 4u), &sha, 1900000001, &out), -EACCES);
}

static void keys_change_over_at_the_midpoint_of_their_overlap(void)
{
    /* Old until 200, new from 100: the sender changes at 150; both verify from 100 to 200. */
    struct token_keys keys = {
        2, {key_of(1, TOKEN_HMAC_SHA256, 0, 200), key_of(2, TOKEN_HMAC_SHA256, 100, 0)}};
    static const struct {
        int64_t now;
        uint32_t mints;
        bool one, two;
    } rows[] = {{50, 1, true, false},
                {100, 1, true, true},
                {149, 1, true, true},
                {150, 2, true, true},
                {200, 2, false, true}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct token_key *k = token_keys_mint(&keys, rows[i].now);

        CU_ASSERT_PTR_NOT_NULL_FATAL(k);
        CU_ASSERT_EQUAL(k->id, rows[i].mints);
        CU_ASSERT_EQUAL(token_keys_find(&keys, 1, rows[i].now) != NULL, rows[i].one);
        CU_ASSERT_EQUAL(token_keys_find(&keys, 2, rows[i].now) != NULL, rows[i].two);
    }
    keys.n = 1;
    CU_ASSERT_PTR_NULL(token_keys_mint(&keys, 200));
}

static void malformed_elements_are_refused(void)
{
    static const struct {
        const char *name, *hex;
    } rows[] = {
        {"nothing", ""},
        {"one octet", "00"},
        {"another policy element", "0003"
                                   "000c0200"
                                   "0102030405060708"},
        {"no SESSION_ID", "0004"
                          "00100103"
                          "7064702e696d732e74657374"},
        {"attribute length 4", "0004"
                               "00040200"},
        {"attribute length 0", "0004"
                               "00000200"},
        {"attribute beyond the end", "0004"
                                     "00100200"
                                     "01020304"},
        {"padding that is not zero", "0004"
                                     "00050200"
                                     "09000001"},
        {"padding missing", "0004"
                            "00050200"
                            "09"},
        {"two SESSION_ID", "0004"
                           "00080200"
                           "01020304"
                           "00080200"
                           "01020304"},
        {"SESSION_ID of another subtype", "0004"
                                          "00080201"
                                          "01020304"},
        {"something behind AUTHENTICATION_DATA", "0004"
                                                 "00080800"
                                                 "00000001"
                                                 "00080200"
                                                 "01020304"},
        {"AUTHENTICATION_DATA without key id", "0004"
                                               "00080200"
                                               "01020304"
                                               "00060800"
                                               "00010000"},
        {"IPv4 of five octets", "0004"
                                "00080200"
                                "01020304"
                                "00090301"
                                "0102030405000000"},
        {"a control character in the name", "0004"
                                            "00080200"
                                            "01020304"
                                            "00080103"
                                            "61620063"},
        {"START_TIME of four octets", "0004"
                                      "00080200"
                                      "01020304"
                                      "00080501"
                                      "01020304"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[SECRET_MAX];
        size_t n = 0;
        struct token_claims c;

        CU_ASSERT_EQUAL(hex_decode(span_str(rows[i].hex), bytes, sizeof(bytes), &n), 0);
        if (token_parse(span_of(bytes, n), &c) != -EBADMSG) {
            fprintf(stderr, "%s was accepted\n", rows[i].name);
            CU_FAIL("a malformed element was accepted");
        }
    }
}

static void both_forms_of_p_media_authorization_are_one_token(void)
{
    static const char bare[] = "0004"
                               "000c0200"
                               "0102030405060aFB";
    static const char with[] = "0010"
                               "0004"
                               "000C0200"
                               "0102030405060afb";
    struct secret a, b;
    uint8_t ha[TOKEN_HASH_LEN], hb[TOKEN_HASH_LEN];

    CU_ASSERT_EQUAL(token_of_hex(span_str(bare), &a), 0);
    CU_ASSERT_EQUAL(token_of_hex(span_str(with), &b), 0);
    CU_ASSERT(secret_eq(&a, &b));
    token_hash(&a, ha);
    token_hash(&b, hb);
    CU_ASSERT(memcmp(ha, hb, sizeof(ha)) == 0);
    /* RFC 3313 allows 1*HEXDIG, but half an octet is no token. */
    CU_ASSERT_EQUAL(token_of_hex(SPAN("000"), &a), -EBADMSG);
    CU_ASSERT_EQUAL(token_of_hex(SPAN("00040z"), &a), -EBADMSG);
    CU_ASSERT_EQUAL(token_of_hex(SPAN(""), &a), -EBADMSG);
}

static void a_token_too_large_is_refused(void)
{
    struct token_claims c = {.session = {1}, .n_session = 1};
    struct token_key k = key_of(1, TOKEN_HMAC_SHA256, 0, 0);
    struct secret t;

    memset(c.entity, 'a', TOKEN_ENTITY_MAX);
    CU_ASSERT_EQUAL(token_build(&c, &k, &t), -EMSGSIZE);
    c.n_session = 0;
    CU_ASSERT_EQUAL(token_build(&c, &k, &t), -EINVAL);
}

static void times_survive_the_end_of_the_ntp_era(void)
{
    struct token_claims in = {.session = {1}, .n_session = 1, .start = INT64_C(2100000000)}, out;
    struct secret t;

    CU_ASSERT_EQUAL(token_build(&in, NULL, &t), 0);
    CU_ASSERT_EQUAL(token_parse(span_of(t.bytes, t.n), &out), 0);
    CU_ASSERT_EQUAL(out.start, INT64_C(2100000000));
}

TEST_MAIN("common/token/token",
          {"the smallest token has the octets of the RFC",
           the_smallest_token_has_the_octets_of_the_rfc},
          {"a value is padded with zeros that its length does not count",
           a_value_is_padded_with_zeros_that_its_length_does_not_count},
          {"what was built is read back", what_was_built_is_read_back},
          {"every changed bit is found", every_changed_bit_is_found},
          {"an unsigned token does not verify", an_unsigned_token_does_not_verify},
          {"the key decides the algorithm, not the wire",
           the_key_decides_the_algorithm_not_the_wire},
          {"keys change over at the midpoint of their overlap",
           keys_change_over_at_the_midpoint_of_their_overlap},
          {"malformed elements are refused", malformed_elements_are_refused},
          {"both forms of P-Media-Authorization are one token",
           both_forms_of_p_media_authorization_are_one_token},
          {"a token too large is refused", a_token_too_large_is_refused},
          {"times survive the end of the NTP era", times_survive_the_end_of_the_ntp_era})
