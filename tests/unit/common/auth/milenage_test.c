/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/auth/auth.h"
#include "tests/support/suite.h"
#include "tests/unit/common/auth/sets.h"

static struct auth *auth_of(const struct rnd *rnd)
{
    struct auth *a = NULL;

    CU_ASSERT_EQUAL_FATAL(auth_new(rnd, &a), 0);
    return a;
}

static void octets(const char *hex, void *dst, size_t n)
{
    size_t got = 0;

    CU_ASSERT_EQUAL_FATAL(hex_decode(span_str(hex), dst, n, &got), 0);
    CU_ASSERT_EQUAL_FATAL(got, n);
}

static void assert_hex(const void *got, size_t n, const char *want)
{
    char text[65];
    struct buf b = BUF_ON(text);

    buf_hex(&b, got, n);
    ASSERT_SPAN_EQ(buf_span(&b), want);
}

static uint64_t sqn_of(const char *hex)
{
    uint8_t raw[AKA_SQN_LEN];
    uint64_t v = 0;

    octets(hex, raw, sizeof(raw));
    for (int i = 0; i < AKA_SQN_LEN; i++)
        v = v << 8 | raw[i];
    return v;
}

static struct aka_key key_of(const struct milenage_set *set)
{
    struct aka_key key;

    octets(set->k, key.k, sizeof(key.k));
    octets(set->opc, key.opc, sizeof(key.opc));
    octets(set->amf, key.amf, sizeof(key.amf));
    return key;
}

/* A random port that says what the test wants to hear, once after the other. */
struct script {
    uint8_t rand[4][AKA_RAND_LEN];
    unsigned n, at;
};

static void script_fill(void *ctx, void *p, size_t n)
{
    struct script *s = ctx;

    CU_ASSERT_EQUAL_FATAL(n, AKA_RAND_LEN);
    memcpy(p, s->rand[s->at], n);
    s->at = (s->at + 1) % s->n;
}

static void the_functions_give_the_published_sets(void)
{
    struct auth *a = auth_of(&rnd_system);

    for (size_t i = 0; i < ARRAY_LEN(milenage_sets); i++) {
        const struct milenage_set *set = &milenage_sets[i];
        struct aka_key key = key_of(set);
        uint8_t op[AKA_KEY_LEN], opc[AKA_KEY_LEN], rand[AKA_RAND_LEN], sqn[AKA_SQN_LEN];
        uint8_t mac_a[AKA_MAC_LEN], mac_s[AKA_MAC_LEN];
        struct milenage_keys keys;

        octets(set->op, op, sizeof(op));
        octets(set->rand, rand, sizeof(rand));
        octets(set->sqn, sqn, sizeof(sqn));
        CU_ASSERT_EQUAL(milenage_opc(a, key.k, op, opc), 0);
        assert_hex(opc, sizeof(opc), set->opc);
        CU_ASSERT_EQUAL(milenage_f1(a, &key, rand, sqn, key.amf, mac_a, mac_s), 0);
        assert_hex(mac_a, sizeof(mac_a), set->mac_a);
        assert_hex(mac_s, sizeof(mac_s), set->mac_s);
        CU_ASSERT_EQUAL(milenage_f2345(a, &key, rand, &keys), 0);
        assert_hex(keys.res, sizeof(keys.res), set->res);
        assert_hex(keys.ck, sizeof(keys.ck), set->ck);
        assert_hex(keys.ik, sizeof(keys.ik), set->ik);
        assert_hex(keys.ak, sizeof(keys.ak), set->ak);
        assert_hex(keys.ak_star, sizeof(keys.ak_star), set->ak_star);
    }
    auth_free(a);
}

static void a_vector_is_what_the_card_of_the_set_expects(void)
{
    for (size_t i = 0; i < ARRAY_LEN(milenage_sets); i++) {
        const struct milenage_set *set = &milenage_sets[i];
        struct aka_key key = key_of(set);
        struct script s = {.n = 1};
        struct rnd rnd = {script_fill, &s};
        struct auth *a = auth_of(&rnd);
        struct aka_vector v;
        char text[64];
        struct buf nonce = BUF_ON(text);

        octets(set->rand, s.rand[0], AKA_RAND_LEN);
        CU_ASSERT_EQUAL(aka_vector_make(a, &key, sqn_of(set->sqn), false, &v), 0);
        assert_hex(v.rand, sizeof(v.rand), set->rand);
        assert_hex(v.autn, sizeof(v.autn), set->autn);
        assert_hex(v.xres, v.xres_n, set->res);
        assert_hex(v.ck, sizeof(v.ck), set->ck);
        assert_hex(v.ik, sizeof(v.ik), set->ik);
        aka_nonce_put(&nonce, &v, SPAN_NONE);
        ASSERT_SPAN_EQ(buf_span(&nonce), set->nonce);
        auth_free(a);
    }
}

static void server_data_stands_behind_autn_in_the_nonce(void)
{
    struct aka_vector v = {.rand = {1}, .autn = {2}};
    char text[80];
    struct buf nonce = BUF_ON(text);
    uint8_t raw[64];
    size_t n = 0;

    aka_nonce_put(&nonce, &v, SPAN("data"));
    CU_ASSERT_EQUAL(base64_decode(buf_span(&nonce), raw, sizeof(raw), &n), 0);
    ASSERT_SPAN_EQ(span_of(raw + 32, n - 32), "data");
}

static void a_res_with_nul_is_drawn_again_only_when_told(void)
{
    const struct milenage_set *set = &milenage_sets[0];
    struct aka_key key = key_of(set);
    uint64_t seed = 7;
    struct rnd rnd = rnd_seeded(&seed);
    struct auth *a = auth_of(&rnd);
    unsigned with_nul = 0;
    struct aka_vector v;

    for (int i = 0; i < 500; i++) {
        CU_ASSERT_EQUAL(aka_vector_make(a, &key, 32, true, &v), 0);
        CU_ASSERT_PTR_NULL(memchr(v.xres, 0, v.xres_n));
        CU_ASSERT_EQUAL(aka_vector_make(a, &key, 32, false, &v), 0);
        with_nul += memchr(v.xres, 0, v.xres_n) != NULL;
    }
    CU_ASSERT(with_nul > 5 && with_nul < 40);
    auth_free(a);
}

static void a_random_port_that_repeats_itself_ends_in_an_error(void)
{
    const struct milenage_set *set = &milenage_sets[0];
    struct aka_key key = key_of(set);
    struct script s = {.n = 1};
    struct rnd rnd = {script_fill, &s};
    struct auth *a = auth_of(&rnd);
    struct aka_vector v;

    for (s.rand[0][0] = 0; s.rand[0][0] < 255; s.rand[0][0]++) {
        CU_ASSERT_EQUAL_FATAL(aka_vector_make(a, &key, 32, false, &v), 0);
        if (memchr(v.xres, 0, v.xres_n))
            break;
    }
    CU_ASSERT_EQUAL(aka_vector_make(a, &key, 32, true, &v), -EIO);
    auth_free(a);
}

/* ---- sequence numbers ---- */

static void seq_and_ind_go_on_together(void)
{
    const struct aka_sqn_scheme scheme = {5, 1, 31, 1 << 28};
    static const struct {
        uint64_t from, to;
    } steps[] = {
        {0, 1 << 5 | 1},              /* a new card */
        {1 << 5 | 1, 2 << 5 | 2},     /* the usual step */
        {8 << 5 | 30, 9 << 5 | 31},   /* the last IND */
        {9 << 5 | 31, 10 << 5 | 1},   /* wraps, 0 is not ours */
        {100 << 5 | 0, 101 << 5 | 1}, /* somebody else's IND after a resynchronisation */
        {UINT64_C(0xffffffffffc0), UINT64_C(0xffffffffffe1)}, /* the last SEQ */
    };
    uint64_t sqn = 5;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        CU_ASSERT_EQUAL(aka_sqn_next(&scheme, steps[i].from, &sqn), 0);
        CU_ASSERT_EQUAL(sqn, steps[i].to);
    }
    sqn = 5;
    CU_ASSERT_EQUAL(aka_sqn_next(&scheme, UINT64_C(0xffffffffffe1), &sqn), -EOVERFLOW);
    CU_ASSERT_EQUAL(sqn, 5);
}

static void a_centre_counts_in_its_own_part_of_the_inds(void)
{
    const struct aka_sqn_scheme scheme = {5, 16, 8, 1 << 28};
    uint64_t sqn = 0;

    CU_ASSERT_EQUAL(aka_sqn_next(&scheme, 7 << 5 | 3, &sqn), 0);
    CU_ASSERT_EQUAL(sqn, 8 << 5 | 16);
    CU_ASSERT_EQUAL(aka_sqn_next(&scheme, 8 << 5 | 23, &sqn), 0);
    CU_ASSERT_EQUAL(sqn, 9 << 5 | 16);
}

static void a_scheme_without_ind_counts_by_one(void)
{
    const struct aka_sqn_scheme scheme = {0, 0, 1, 1 << 28};
    uint64_t sqn = 0;

    CU_ASSERT_EQUAL(aka_sqn_next(&scheme, 41, &sqn), 0);
    CU_ASSERT_EQUAL(sqn, 42);
    CU_ASSERT_EQUAL(aka_sqn_next(&scheme, AKA_SQN_MAX, &sqn), -EOVERFLOW);
}

static void skipping_keeps_the_ind_and_stops_at_the_end(void)
{
    CU_ASSERT_EQUAL(aka_sqn_skip(&aka_sqn_default, 3 << 5 | 7, 32), 35 << 5 | 7);
    CU_ASSERT_EQUAL(aka_sqn_skip(&aka_sqn_default, UINT64_C(0xffffffffffa7), 32),
                    UINT64_C(0xffffffffffe7));
}

/* What a card with SQN_MS = sqn_ms answers to rand. */
static void auts_of(struct auth *a, const struct aka_key *key, const uint8_t *rand, uint64_t sqn_ms,
                    uint8_t auts[AKA_AUTS_LEN])
{
    static const uint8_t amf_star[AKA_AMF_LEN] = {0};
    uint8_t sqn[AKA_SQN_LEN], mac_a[AKA_MAC_LEN];
    struct milenage_keys keys;

    for (int i = 0; i < AKA_SQN_LEN; i++)
        sqn[i] = (uint8_t)(sqn_ms >> (8 * (AKA_SQN_LEN - 1 - i)));
    CU_ASSERT_EQUAL(milenage_f2345(a, key, rand, &keys), 0);
    CU_ASSERT_EQUAL(milenage_f1(a, key, rand, sqn, amf_star, mac_a, auts + AKA_SQN_LEN), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        auts[i] = sqn[i] ^ keys.ak_star[i];
}

static void auts_of_the_sets_brings_the_number_of_the_card(void)
{
    struct auth *a = auth_of(&rnd_system);

    for (size_t i = 0; i < ARRAY_LEN(milenage_sets); i++) {
        const struct milenage_set *set = &milenage_sets[i];
        struct aka_key key = key_of(set);
        uint8_t auts[AKA_AUTS_LEN], rand[AKA_RAND_LEN];
        uint64_t sqn = 0;

        octets(set->auts, auts, sizeof(auts));
        octets(set->rand, rand, sizeof(rand));
        CU_ASSERT_EQUAL(aka_resync(a, &aka_sqn_default, &key, rand, auts, 64, &sqn), 0);
        CU_ASSERT_EQUAL(sqn, sqn_of(set->sqn));
    }
    auth_free(a);
}

static void the_number_changes_only_when_the_next_would_be_refused(void)
{
    struct auth *a = auth_of(&rnd_system);
    struct aka_key key = key_of(&milenage_sets[0]);
    const uint8_t rand[AKA_RAND_LEN] = {1, 2, 3};
    const uint64_t ms = UINT64_C(1000) << 5 | 3, delta = aka_sqn_default.delta;
    const struct {
        uint64_t he, want;
    } cases[] = {
        {UINT64_C(999) << 5 | 4, ms},                       /* next is 1000: not fresh */
        {UINT64_C(1000) << 5 | 4, UINT64_C(1000) << 5 | 4}, /* next is 1001: fresh */
        {UINT64_C(5000) << 5, UINT64_C(5000) << 5},         /* ahead already */
        {(999 + delta) << 5, (999 + delta) << 5},           /* just not too far */
        {(1000 + delta) << 5, ms},                          /* too far ahead: come back */
        {0, ms},
    };
    uint8_t auts[AKA_AUTS_LEN];

    auts_of(a, &key, rand, ms, auts);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t sqn = 0;

        CU_ASSERT_EQUAL(aka_resync(a, &aka_sqn_default, &key, rand, auts, cases[i].he, &sqn), 0);
        CU_ASSERT_EQUAL(sqn, cases[i].want);
    }
    auth_free(a);
}

static void auts_that_no_card_made_changes_nothing(void)
{
    struct auth *a = auth_of(&rnd_system);
    struct aka_key key = key_of(&milenage_sets[0]);
    uint8_t rand[AKA_RAND_LEN] = {1, 2, 3}, auts[AKA_AUTS_LEN];
    uint64_t sqn = 77;

    auts_of(a, &key, rand, 1 << 10, auts);
    for (int i = 0; i < AKA_AUTS_LEN; i++) {
        auts[i] ^= 1;
        CU_ASSERT_EQUAL(aka_resync(a, &aka_sqn_default, &key, rand, auts, 0, &sqn), -EACCES);
        auts[i] ^= 1;
    }
    rand[0] ^= 1; /* an old one replayed against another challenge */
    CU_ASSERT_EQUAL(aka_resync(a, &aka_sqn_default, &key, rand, auts, 0, &sqn), -EACCES);
    CU_ASSERT_EQUAL(sqn, 77);
    auth_free(a);
}

static void auts_has_fourteen_octets(void)
{
    uint8_t auts[AKA_AUTS_LEN];

    CU_ASSERT_EQUAL(aka_auts_parse(SPAN("uoU/PBI8z0TpNZbjVcY="), auts), 0);
    assert_hex(auts, sizeof(auts), "ba853f3c123ccf44e93596e355c6");
    CU_ASSERT_EQUAL(aka_auts_parse(SPAN(""), auts), -EINVAL);
    CU_ASSERT_EQUAL(aka_auts_parse(SPAN("uoU/PBI8z0TpNZbjVQ=="), auts), -EINVAL);
    CU_ASSERT_EQUAL(aka_auts_parse(SPAN("uoU/PBI8z0TpNZbjVcYA"), auts), -EINVAL);
    CU_ASSERT_EQUAL(aka_auts_parse(SPAN("not base64!"), auts), -EINVAL);
}

TEST_MAIN(
    "common/auth/milenage",
    {"the functions give the published sets", the_functions_give_the_published_sets},
    {"a vector is what the card of the set expects", a_vector_is_what_the_card_of_the_set_expects},
    {"server data stands behind AUTN in the nonce", server_data_stands_behind_autn_in_the_nonce},
    {"a RES with NUL is drawn again only when told", a_res_with_nul_is_drawn_again_only_when_told},
    {"a random port that repeats itself ends in an error",
     a_random_port_that_repeats_itself_ends_in_an_error},
    {"SEQ and IND go on together", seq_and_ind_go_on_together},
    {"a centre counts in its own part of the INDs", a_centre_counts_in_its_own_part_of_the_inds},
    {"a scheme without IND counts by one", a_scheme_without_ind_counts_by_one},
    {"skipping keeps the IND and stops at the end", skipping_keeps_the_ind_and_stops_at_the_end},
    {"AUTS of the sets brings the number of the card",
     auts_of_the_sets_brings_the_number_of_the_card},
    {"the number changes only when the next would be refused",
     the_number_changes_only_when_the_next_would_be_refused},
    {"AUTS that no card made changes nothing", auts_that_no_card_made_changes_nothing},
    {"AUTS has fourteen octets", auts_has_fourteen_octets})
