/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/auth/inner.h"

enum { BLOCK = 16 };

int auth_new(const struct rnd *rnd, struct auth **ret_auth)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->rnd = rnd;
    a->aes = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    a->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    if (!a->aes || !a->md5) {
        auth_free(a);
        return -ENOTSUP;
    }
    a->cipher = EVP_CIPHER_CTX_new();
    a->digest = EVP_MD_CTX_new();
    if (!a->cipher || !a->digest) {
        auth_free(a);
        return -ENOMEM;
    }
    *ret_auth = a;
    return 0;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    EVP_CIPHER_CTX_free(a->cipher); /* wipes the key schedule */
    EVP_MD_CTX_free(a->digest);
    EVP_CIPHER_free(a->aes);
    EVP_MD_free(a->md5);
    free(a);
}

void aka_key_wipe(struct aka_key *key)
{
    bytes_wipe(key, sizeof(*key));
}

/* ---- the kernel function: AES-128 ---- */

static int cipher_key(struct auth *a, const uint8_t k[BLOCK])
{
    if (EVP_EncryptInit_ex2(a->cipher, a->aes, k, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(a->cipher, 0) != 1)
        return -ENOMEM;
    return 0;
}

static int cipher_block(struct auth *a, const uint8_t in[BLOCK], uint8_t out[BLOCK])
{
    int n = 0;

    return EVP_EncryptUpdate(a->cipher, out, &n, in, BLOCK) == 1 && n == BLOCK ? 0 : -EIO;
}

static void xor_into(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] ^= src[i];
}

/* TS 35.206 4.1: OUT = E[rot(in XOR OPc, r) XOR more XOR c]_K XOR OPc, with r in octets and c in
 * the last octet. */
static int out_block(struct auth *a, const struct aka_key *key, const uint8_t in[BLOCK], unsigned r,
                     uint8_t c, const uint8_t *more, uint8_t ret_out[BLOCK])
{
    uint8_t block[BLOCK];
    int rc;

    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned from = (i + r) % BLOCK;

        block[i] = in[from] ^ key->opc[from];
    }
    block[BLOCK - 1] ^= c;
    if (more)
        xor_into(block, more, BLOCK);
    rc = cipher_block(a, block, ret_out);
    xor_into(ret_out, key->opc, BLOCK);
    bytes_wipe(block, sizeof(block));
    return rc;
}

/* TEMP = E[RAND XOR OPc]_K, and the key schedule of K. */
static int temp_block(struct auth *a, const struct aka_key *key, const uint8_t rand[BLOCK],
                      uint8_t ret_temp[BLOCK])
{
    uint8_t block[BLOCK];
    int rc = cipher_key(a, key->k);

    if (rc)
        return rc;
    memcpy(block, rand, BLOCK);
    xor_into(block, key->opc, BLOCK);
    return cipher_block(a, block, ret_temp);
}

int milenage_opc(struct auth *a, const uint8_t k[AKA_KEY_LEN], const uint8_t op[AKA_KEY_LEN],
                 uint8_t ret_opc[AKA_KEY_LEN])
{
    uint8_t out[BLOCK];
    int rc = cipher_key(a, k);

    if (!rc)
        rc = cipher_block(a, op, out);
    if (rc)
        return rc;
    xor_into(out, op, BLOCK);
    memcpy(ret_opc, out, BLOCK);
    bytes_wipe(out, sizeof(out));
    return 0;
}

/* ---- the functions, given TEMP ---- */

static int f1(struct auth *a, const struct aka_key *key, const uint8_t temp[BLOCK],
              const uint8_t sqn[AKA_SQN_LEN], const uint8_t amf[AKA_AMF_LEN],
              uint8_t ret_out1[BLOCK])
{
    uint8_t in1[BLOCK];

    memcpy(in1, sqn, AKA_SQN_LEN);
    memcpy(in1 + AKA_SQN_LEN, amf, AKA_AMF_LEN);
    memcpy(in1 + BLOCK / 2, in1, BLOCK / 2);
    return out_block(a, key, in1, 8, 0, temp, ret_out1);
}

static int f2345(struct auth *a, const struct aka_key *key, const uint8_t temp[BLOCK], bool resync,
                 struct milenage_keys *ret_keys)
{
    uint8_t out[BLOCK];
    int rc = out_block(a, key, temp, 0, 1, NULL, out);

    memcpy(ret_keys->ak, out, AKA_SQN_LEN);
    memcpy(ret_keys->res, out + BLOCK / 2, AKA_RES_LEN);
    if (!rc)
        rc = out_block(a, key, temp, 4, 2, NULL, ret_keys->ck);
    if (!rc)
        rc = out_block(a, key, temp, 8, 4, NULL, ret_keys->ik);
    if (!rc && resync) {
        rc = out_block(a, key, temp, 12, 8, NULL, out);
        memcpy(ret_keys->ak_star, out, AKA_SQN_LEN);
    }
    bytes_wipe(out, sizeof(out));
    return rc;
}

int milenage_f1(struct auth *a, const struct aka_key *key, const uint8_t rand[AKA_RAND_LEN],
                const uint8_t sqn[AKA_SQN_LEN], const uint8_t amf[AKA_AMF_LEN],
                uint8_t ret_mac_a[AKA_MAC_LEN], uint8_t ret_mac_s[AKA_MAC_LEN])
{
    uint8_t temp[BLOCK] = {0}, out1[BLOCK];
    int rc = temp_block(a, key, rand, temp);

    if (!rc)
        rc = f1(a, key, temp, sqn, amf, out1);
    if (!rc) {
        memcpy(ret_mac_a, out1, AKA_MAC_LEN);
        memcpy(ret_mac_s, out1 + AKA_MAC_LEN, AKA_MAC_LEN);
    }
    bytes_wipe(temp, sizeof(temp));
    return rc;
}

int milenage_f2345(struct auth *a, const struct aka_key *key, const uint8_t rand[AKA_RAND_LEN],
                   struct milenage_keys *ret_keys)
{
    struct milenage_keys keys;
    uint8_t temp[BLOCK] = {0};
    int rc = temp_block(a, key, rand, temp);

    if (!rc)
        rc = f2345(a, key, temp, true, &keys);
    if (!rc)
        *ret_keys = keys;
    bytes_wipe(temp, sizeof(temp));
    bytes_wipe(&keys, sizeof(keys));
    return rc;
}

/* ---- vectors ---- */

void aka_vector_wipe(struct aka_vector *v)
{
    bytes_wipe(v, sizeof(*v));
}

static void put_sqn(uint8_t dst[AKA_SQN_LEN], uint64_t sqn)
{
    for (int i = AKA_SQN_LEN - 1; i >= 0; i--, sqn >>= 8)
        dst[i] = (uint8_t)sqn;
}

static int vector_of(struct auth *a, const struct aka_key *key, const uint8_t rand[AKA_RAND_LEN],
                     uint64_t sqn, struct aka_vector *v)
{
    struct milenage_keys keys;
    uint8_t temp[BLOCK] = {0}, out1[BLOCK], sqn_bytes[AKA_SQN_LEN];
    int rc = temp_block(a, key, rand, temp);

    put_sqn(sqn_bytes, sqn);
    if (!rc)
        rc = f2345(a, key, temp, false, &keys);
    if (!rc)
        rc = f1(a, key, temp, sqn_bytes, key->amf, out1);
    if (!rc) {
        memcpy(v->rand, rand, AKA_RAND_LEN);
        xor_into(sqn_bytes, keys.ak, AKA_SQN_LEN);
        memcpy(v->autn, sqn_bytes, AKA_SQN_LEN);
        memcpy(v->autn + AKA_SQN_LEN, key->amf, AKA_AMF_LEN);
        memcpy(v->autn + AKA_SQN_LEN + AKA_AMF_LEN, out1, AKA_MAC_LEN);
        memset(v->xres, 0, sizeof(v->xres));
        memcpy(v->xres, keys.res, AKA_RES_LEN);
        v->xres_n = AKA_RES_LEN;
        memcpy(v->ck, keys.ck, AKA_KEY_LEN);
        memcpy(v->ik, keys.ik, AKA_KEY_LEN);
    }
    bytes_wipe(temp, sizeof(temp));
    bytes_wipe(&keys, sizeof(keys));
    return rc;
}

int aka_vector_make(struct auth *a, const struct aka_key *key, uint64_t sqn, bool avoid_nul_res,
                    struct aka_vector *ret_vector)
{
    uint8_t rand[AKA_RAND_LEN];
    struct aka_vector v;
    int rc;

    /* One RES in 32 has a NUL: a hundred in a row mean that the random port repeats itself. */
    for (int tries = 0; tries < 100; tries++) {
        a->rnd->fill(a->rnd->ctx, rand, sizeof(rand));
        rc = vector_of(a, key, rand, sqn, &v);
        if (rc)
            return rc;
        if (!avoid_nul_res || !memchr(v.xres, 0, v.xres_n)) {
            *ret_vector = v;
            aka_vector_wipe(&v);
            return 0;
        }
    }
    aka_vector_wipe(&v);
    return -EIO;
}

int aka_resync(struct auth *a, const struct aka_sqn_scheme *scheme, const struct aka_key *key,
               const uint8_t rand[AKA_RAND_LEN], const uint8_t auts[AKA_AUTS_LEN], uint64_t sqn_he,
               uint64_t *ret_sqn_he)
{
    /* 6.3.3: a dummy AMF of zeros, so that it need not be sent in the clear. */
    static const uint8_t amf_star[AKA_AMF_LEN] = {0};
    struct milenage_keys keys;
    uint8_t sqn[AKA_SQN_LEN], mac_a[AKA_MAC_LEN], mac_s[AKA_MAC_LEN];
    uint64_t sqn_ms = 0, seq_ms, seq_next;
    int rc = milenage_f2345(a, key, rand, &keys);

    if (rc)
        return rc;
    memcpy(sqn, auts, AKA_SQN_LEN);
    xor_into(sqn, keys.ak_star, AKA_SQN_LEN);
    bytes_wipe(&keys, sizeof(keys));
    rc = milenage_f1(a, key, rand, sqn, amf_star, mac_a, mac_s);
    if (rc)
        return rc;
    /* 6.3.5 would keep a good SQN_HE without this check; it costs nothing, and then whoever can
     * make us issue another vector at least holds the card. */
    if (!bytes_eq_consttime(mac_s, auts + AKA_SQN_LEN, AKA_MAC_LEN))
        return -EACCES;
    for (int i = 0; i < AKA_SQN_LEN; i++)
        sqn_ms = sqn_ms << 8 | sqn[i];
    seq_ms = sqn_ms >> scheme->ind_bits;
    seq_next = (sqn_he >> scheme->ind_bits) + 1;
    *ret_sqn_he = seq_next > seq_ms && seq_next - seq_ms <= scheme->delta ? sqn_he : sqn_ms;
    return 0;
}
