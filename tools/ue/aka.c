/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card's own Milenage (TS 35.206) and digest (RFC 2617), apart from the servers' on purpose. */
#include <openssl/evp.h>
#include <stdio.h>

#include "tools/ue/ue.h"

static void aes128(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t block[16] = {0}; /* in and out may be the same */
    int n = 0;

    if (c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL) == 1) {
        EVP_CIPHER_CTX_set_padding(c, 0);
        EVP_EncryptUpdate(c, block, &n, in, 16);
    }
    EVP_CIPHER_CTX_free(c);
    memcpy(out, block, 16);
}

void ue_card_opc(const uint8_t k[16], const uint8_t op[16], uint8_t ret_opc[16])
{
    aes128(k, op, ret_opc);
    for (int i = 0; i < 16; i++)
        ret_opc[i] ^= op[i];
}

/* OUTn = E_K(rot(TEMP ^ OPc, r) ^ c) ^ OPc with TEMP = E_K(RAND ^ OPc); r in bytes, c in the last
 * byte. */
static void out_n(const struct ue_card *card, const uint8_t temp[16], int r, uint8_t c,
                  uint8_t out[16])
{
    uint8_t in[16];

    for (int i = 0; i < 16; i++)
        in[(i + 16 - r) % 16] = temp[i] ^ card->opc[i];
    in[15] ^= c;
    aes128(card->k, in, out);
    for (int i = 0; i < 16; i++)
        out[i] ^= card->opc[i];
}

/* f1 in out[0..7], f1* in out[8..15]. */
static void out_1(const struct ue_card *card, const uint8_t temp[16], const uint8_t sqn[6],
                  const uint8_t amf[2], uint8_t out[16])
{
    uint8_t in1[16], in[16];

    memcpy(in1, sqn, 6);
    memcpy(in1 + 6, amf, 2);
    memcpy(in1 + 8, in1, 8);
    for (int i = 0; i < 16; i++)
        in[(i + 8) % 16] = in1[i] ^ card->opc[i];
    for (int i = 0; i < 16; i++)
        in[i] ^= temp[i];
    aes128(card->k, in, out);
    for (int i = 0; i < 16; i++)
        out[i] ^= card->opc[i];
}

static void put48(uint8_t dst[6], uint64_t v)
{
    for (int i = 0; i < 6; i++)
        dst[i] = (uint8_t)(v >> 8 * (5 - i));
}

enum ue_aka ue_card_authenticate(struct ue_card *card, const uint8_t rand[16],
                                 const uint8_t autn[16], struct ue_vector *ret_vector)
{
    struct ue_vector v;
    uint8_t temp[16], out1[16], out2[16], out5[16], sqn[6], sqn_ms[6];
    uint64_t value = 0;

    for (int i = 0; i < 16; i++)
        temp[i] = rand[i] ^ card->opc[i];
    aes128(card->k, temp, temp);
    out_n(card, temp, 0, 1, out2); /* f2 and f5 */
    memcpy(v.res, out2 + 8, 8);
    out_n(card, temp, 4, 2, v.ck);
    out_n(card, temp, 8, 4, v.ik);
    out_n(card, temp, 12, 8, out5); /* f5* */

    for (int i = 0; i < 6; i++) {
        sqn[i] = autn[i] ^ out2[i];
        value = value << 8 | sqn[i];
    }
    out_1(card, temp, sqn, autn + 6, out1);
    if (memcmp(out1, autn + 8, 8) != 0)
        return UE_AKA_BAD_MAC;
    /* Freshness by SEQ alone (annex C.1.1.3 leaves the IND array to the card): accepted when above,
     * and not more than 2^28 ahead. */
    if (value <= card->sqn || value - card->sqn > (UINT64_C(1) << 33)) {
        put48(sqn_ms, card->sqn);
        for (int i = 0; i < 6; i++)
            v.auts[i] = sqn_ms[i] ^ out5[i];
        out_1(card, temp, sqn_ms, (const uint8_t[2]){0, 0}, out1);
        memcpy(v.auts + 6, out1 + 8, 8);
        *ret_vector = v;
        return UE_AKA_BAD_SQN;
    }
    card->sqn = value;
    memset(v.auts, 0, sizeof(v.auts));
    *ret_vector = v;
    return UE_AKA_OK;
}

/* MD5 over parts joined by ':'; the second may hold any octets (RES is raw, RFC 3310 3.3). */
static void md5_joined(const struct span *parts, size_t n, char ret_hex[33])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    uint8_t digest[16] = {0};
    unsigned length = 0;
    struct buf hex = {ret_hex, 0, 33, false};

    if (c && EVP_DigestInit_ex(c, EVP_md5(), NULL) == 1) {
        for (size_t i = 0; i < n; i++) {
            if (i)
                EVP_DigestUpdate(c, ":", 1);
            EVP_DigestUpdate(c, parts[i].p, parts[i].n);
        }
        EVP_DigestFinal_ex(c, digest, &length);
    }
    EVP_MD_CTX_free(c);
    buf_hex(&hex, digest, sizeof(digest));
    ret_hex[32] = '\0';
}

void ue_digest_response(const struct ue_digest *d, char ret_hex[33])
{
    char ha1[33], ha2[33], body[33];
    struct span a1[] = {span_str(d->username), span_str(d->realm),
                        span_of(d->password, d->password_n)};
    bool integrity = d->qop && strcmp(d->qop, "auth-int") == 0;

    md5_joined(a1, ARRAY_LEN(a1), ha1);
    md5_joined(&d->body, 1, body);
    struct span a2[] = {span_str(d->method), span_str(d->uri), span_of(body, 32)};

    md5_joined(a2, integrity ? 3 : 2, ha2);
    struct span with_qop[] = {span_of(ha1, 32),    span_str(d->nonce), span_str(d->nc),
                              span_str(d->cnonce), span_str(d->qop),   span_of(ha2, 32)};
    struct span without[] = {span_of(ha1, 32), span_str(d->nonce), span_of(ha2, 32)};

    if (d->qop)
        md5_joined(with_qop, ARRAY_LEN(with_qop), ret_hex);
    else
        md5_joined(without, ARRAY_LEN(without), ret_hex);
}
