/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card against the published Milenage sets (TS 35.208 4.3). */
#include "tests/support/suite.h"
#include "tools/ue/ue.h"

static const struct {
    const char *k, *op, *opc, *rand, *autn, *res, *ck, *ik, *auts, *sqn;
} sets[] = {
    {"465b5ce8b199b49faa5f0a2ee238a6bc", "cdc202d5123e20f62b6d676ac72cb318",
     "cd63cb71954a9f4e48a5994e37a02baf", "23553cbe9637a89d218ae64dae47bf35",
     "55f328b43577b9b94a9ffac354dfafb3", "a54211d5e3ba50bf", "b40ba9a3c58b2a05bbf0d987b21bf8cb",
     "f769bcd751044604127672711c6d3441", "ba853f3c123ccf44e93596e355c6", "ff9bb4d0b607"},
    {"0396eb317b6d1c36f19c1c84cd6ffd16", "ff53bade17df5d4e793073ce9d7579fa",
     "53c15671c60a4b731c55b4a441c0bde2", "c00d603103dcee52c4478119494202e8",
     "39f96cd9800faf175df5b31807e258b0", "d3a628ed988620f0", "58c433ff7a7082acd424220f2b67c556",
     "21a8c1f929702adb3e738488b9f5c5da", "cd7ff630bebc1fb5eba74924b0e0", "fd8eef40df7d"},
    {"fec86ba6eb707ed08905757b1bb44b8f", "dbc59adcb6f9a0ef735477b7fadf8374",
     "1006020f0a478bf6b699f15c062e42b3", "9f7c8d021accf4db213ccff0c7f71a6a",
     "ae4a3a9b4c97725c9cabc3e99baf7281", "8011c48c0c214ed2", "5dbdbb2954e8f3cde665b046179a5098",
     "59a92d3b476a0443487055cf88b2307b", "43aeaaddd33a9f8be774d095d08b", "9d0277595ffc"},
    {"9e5944aea94b81165c82fbf9f32db751", "223014c5806694c007ca1eeef57f004f",
     "a64a507ae1a2a98bb88eb4210135dc87", "ce83dbc54ac0274a157c17f80d017bd6",
     "fbd98a0b3c869e0974a58220cba84c49", "f365cd683cd92e96", "e203edb3971574f5a94b0d61b816345d",
     "0c4524adeac041c4dd830d20854fc46b", "6be5e2ed83cb7685bae0a5680aa6", "0b604a81eca8"},
    {"4ab1deb05ca6ceb051fc98e77d026a84", "2d16c5cd1fdf6b22383584e3bef2a8d8",
     "dcf07cbd51855290b92a07a9891e523e", "74b0cd6031a1c8339b2b6ce2b8c4a186",
     "d961bbd511ae9f0749e785dd12626ef2", "5860fc1bce351e7e", "7657766b373d1c2138f307e3de9242f9",
     "1c42e960d89b8fa99f2744e0708ccb53", "16a5f450ca1f782c7adc092ecaf5", "e880a1b580b6"},
    {"6c38a116ac280c454f59332ee35c8c4f", "1ba00a1a7c6700ac8c3ff3e96ad08725",
     "3803ef5363b947c6aaa225e58fae3934", "ee6466bc96202c5a557abbeff8babf63",
     "04fb6eb891ed4464078adfb488241a57", "16c8233f05a0ac28", "3f8c7587fe8e4b233af676aede30ba3b",
     "a7466cc1e6b2a1337d49d3b66e95d7b4", "5e1855093092c6b5a5bee94751e0", "414b98222181"},
};

static const uint8_t *octets(const char *hex, uint8_t dst[16])
{
    size_t n;

    CU_ASSERT_EQUAL_FATAL(hex_decode(span_str(hex), dst, 16, &n), 0);
    return dst;
}

static void assert_hex(const uint8_t *got, size_t n, const char *want)
{
    char text[64];
    struct buf b = BUF_ON(text);

    buf_hex(&b, got, n);
    ASSERT_SPAN_EQ(buf_span(&b), want);
}

static struct ue_card card_of(size_t i, uint64_t *ret_sqn)
{
    struct ue_card card;
    uint8_t op[16], sqn[16], opc[16];

    octets(sets[i].k, card.k);
    octets(sets[i].opc, opc);
    ue_card_opc(card.k, octets(sets[i].op, op), card.opc);
    CU_ASSERT_EQUAL(memcmp(card.opc, opc, 16), 0);
    octets(sets[i].sqn, sqn);
    *ret_sqn = 0;
    for (int k = 0; k < 6; k++)
        *ret_sqn = *ret_sqn << 8 | sqn[k];
    card.sqn = *ret_sqn - 1;
    return card;
}

static void a_fresh_challenge_gives_res_and_keys(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        uint8_t rand[16], autn[16];
        struct ue_vector v;
        uint64_t sqn;
        struct ue_card card = card_of(i, &sqn);

        octets(sets[i].rand, rand);
        octets(sets[i].autn, autn);
        CU_ASSERT_EQUAL(ue_card_authenticate(&card, rand, autn, &v), UE_AKA_OK);
        assert_hex(v.res, 8, sets[i].res);
        assert_hex(v.ck, 16, sets[i].ck);
        assert_hex(v.ik, 16, sets[i].ik);
        CU_ASSERT_EQUAL(card.sqn, sqn);
    }
}

static void a_used_challenge_gives_auts(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        uint8_t rand[16], autn[16];
        struct ue_vector v;
        uint64_t sqn;
        struct ue_card card = card_of(i, &sqn);

        card.sqn = sqn;
        octets(sets[i].rand, rand);
        octets(sets[i].autn, autn);
        CU_ASSERT_EQUAL(ue_card_authenticate(&card, rand, autn, &v), UE_AKA_BAD_SQN);
        assert_hex(v.auts, 14, sets[i].auts);
        CU_ASSERT_EQUAL(card.sqn, sqn);
    }
}

static void a_stranger_is_not_the_home_network(void)
{
    uint8_t rand[16], autn[16];
    struct ue_vector v;
    uint64_t sqn;
    struct ue_card card = card_of(0, &sqn);

    octets(sets[0].rand, rand);
    octets(sets[0].autn, autn);
    autn[15] ^= 1;
    CU_ASSERT_EQUAL(ue_card_authenticate(&card, rand, autn, &v), UE_AKA_BAD_MAC);
    CU_ASSERT_EQUAL(card.sqn, sqn - 1);
}

static void digest_uses_the_raw_res(void)
{
    uint8_t res[8];
    size_t n;
    char response[33];
    struct ue_digest d = {.username = "001010000000001@ims.mnc001.mcc001.3gppnetwork.org",
                          .realm = "ims.mnc001.mcc001.3gppnetwork.org",
                          .nonce = "I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=",
                          .uri = "sip:ims.mnc001.mcc001.3gppnetwork.org",
                          .method = "REGISTER",
                          .password = res,
                          .password_n = 8};

    CU_ASSERT_EQUAL_FATAL(hex_decode(span_str(sets[0].res), res, sizeof(res), &n), 0);
    ue_digest_response(&d, response);
    CU_ASSERT_STRING_EQUAL(response, "1125a3c2e293453f07e08957ff235efc");
    d.qop = "auth";
    d.nc = "00000001";
    d.cnonce = "0a4f113b";
    ue_digest_response(&d, response);
    CU_ASSERT_STRING_EQUAL(response, "402ab8df9f3a4d63a9f47c2f90e02938");
}

TEST_MAIN("tools/ue/aka",
          {"a fresh challenge gives RES and keys", a_fresh_challenge_gives_res_and_keys},
          {"a used challenge gives AUTS", a_used_challenge_gives_auts},
          {"a stranger is not the home network", a_stranger_is_not_the_home_network},
          {"digest uses the raw RES", digest_uses_the_raw_res})
