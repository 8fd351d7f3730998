/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/secagree/secagree.h"
#include "tests/support/suite.h"

/* CK and IK of TS 35.208 test set 1. The salts were computed with an independent program. */
static const uint8_t ck[16] = {0xb4, 0x0b, 0xa9, 0xa3, 0xc5, 0x8b, 0x2a, 0x05,
                               0xbb, 0xf0, 0xd9, 0x87, 0xb2, 0x1b, 0xf8, 0xcb};
static const uint8_t ik[16] = {0xf7, 0x69, 0xbc, 0xd7, 0x51, 0x04, 0x46, 0x04,
                               0x12, 0x76, 0x72, 0x71, 0x1c, 0x6d, 0x34, 0x41};

#define CK "b40ba9a3c58b2a05bbf0d987b21bf8cb"
#define IK "f769bcd751044604127672711c6d3441"

static void keys_are_those_of_annex_i(void)
{
    static const struct {
        struct ipsec_pair pair;
        const char *integrity, *encryption;
    } table[] = {
        {{IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL}, IK "00000000", ""},
        {{IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC}, IK "00000000", CK},
        {{IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_NULL}, IK, ""},
        {{IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_DES_EDE3_CBC}, IK, CK "b40ba9a3c58b2a05"},
        {{IPSEC_ALG_AES_GMAC, IPSEC_EALG_NULL}, IK "dbc2b1c2", ""},
        {{IPSEC_ALG_NULL, IPSEC_EALG_AES_GCM}, "", CK "89273db6"},
    };

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct ipsec_keys k;
        char text[64];
        struct buf b = BUF_ON(text);

        secagree_keys(table[i].pair, ck, ik, &k);
        buf_hex(&b, k.integrity, k.integrity_n);
        ASSERT_SPAN_EQ(buf_span(&b), table[i].integrity);
        b.n = 0;
        buf_hex(&b, k.encryption, k.encryption_n);
        ASSERT_SPAN_EQ(buf_span(&b), table[i].encryption);
    }
}

TEST_MAIN("pcscf/secagree/keys", {"keys are those of annex I", keys_are_those_of_annex_i})
