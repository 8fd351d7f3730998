/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ESP keys from CK and IK: TS 33.203 annex I. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pcscf/secagree/secagree.h"

#define SALT 4

/* The least significant 32 bits of HMAC-SHA-256(CK || IK, FC || P0 || L0). */
static void put_salt(uint8_t *dst, const uint8_t ck[16], const uint8_t ik[16], uint8_t fc,
                     struct span p0)
{
    uint8_t key[32], input[32], digest[EVP_MAX_MD_SIZE] = {0};
    unsigned n = 0;

    memcpy(key, ck, 16);
    memcpy(key + 16, ik, 16);
    input[0] = fc;
    memcpy(input + 1, p0.p, p0.n);
    input[1 + p0.n] = 0;
    input[2 + p0.n] = (uint8_t)p0.n;
    HMAC(EVP_sha256(), key, sizeof(key), input, p0.n + 3, digest, &n);
    memcpy(dst, digest + 32 - SALT, SALT);
    bytes_wipe(key, sizeof(key));
    bytes_wipe(digest, sizeof(digest));
}

void secagree_keys(struct ipsec_pair pair, const uint8_t ck[16], const uint8_t ik[16],
                   struct ipsec_keys *ret_keys)
{
    struct ipsec_keys *k = ret_keys;

    *k = (struct ipsec_keys){.integrity_n = 0};
    ipsec_key_lengths(pair, &k->integrity_n, &k->encryption_n);
    if (k->integrity_n)
        memcpy(k->integrity, ik, 16); /* hmac-sha-1-96: followed by 32 zero bits */
    if (k->encryption_n)
        memcpy(k->encryption, ck, 16);
    if (pair.alg == IPSEC_ALG_AES_GMAC)
        put_salt(k->integrity + 16, ck, ik, 0x58, SPAN("AES_GMAC_SALT"));
    if (pair.ealg == IPSEC_EALG_AES_GCM)
        put_salt(k->encryption + 16, ck, ik, 0x59, SPAN("AES_GCM_SALT"));
    if (pair.ealg == IPSEC_EALG_DES_EDE3_CBC)
        memcpy(k->encryption + 16, ck, 8); /* CK1 || CK2 || CK1 */
}
