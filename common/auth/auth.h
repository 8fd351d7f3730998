/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/auth: who proves to be who: Milenage, authentication vectors, HTTP digest.
 *
 * Decides   vectors, sequence numbers and resynchronisation (TS 33.102 6.3, Annex C; TS 35.206),
 *           whether an Authorization answers a challenge (RFC 2617, RFC 3310).
 * Owns      struct auth: the cipher and digest contexts of one worker; everything else is plain
 *           structs of the caller, who wipes what is secret (..._wipe).
 * Threads   one struct auth per worker.
 * In, out   values as the spans common/sip found; no SIP message in or out.
 * Errors    negative errno; outputs untouched. What a phone sends is judged by a verdict.
 * Never     keeps sequence numbers or challenges, prints a secret, compares one in variable time.
 * Tests     tests/unit/common/auth. */
#ifndef COMMON_AUTH_AUTH_H
#define COMMON_AUTH_AUTH_H

#include "common/base/base.h"

struct auth;

/* rnd is borrowed, for RAND and nonces. -ENOMEM; -ENOTSUP when this OpenSSL has no AES or MD5 (a
 * FIPS-only configuration). */
int auth_new(const struct rnd *rnd, struct auth **ret_auth);
void auth_free(struct auth *a);

/* ---- Milenage (TS 35.206) ------------------------------ */

enum {
    AKA_KEY_LEN = 16, /* K, OP, OPc, CK, IK */
    AKA_RAND_LEN = 16,
    AKA_AUTN_LEN = 16,
    AKA_SQN_LEN = 6,
    AKA_AMF_LEN = 2,
    AKA_MAC_LEN = 8,
    AKA_RES_LEN = 8, /* Milenage's; other algorithms have 4 to 16 octets */
    AKA_RES_MAX = 16,
    AKA_AUTS_LEN = 14
};

/* Secret: what USIM and home network share. */
struct aka_key {
    uint8_t k[AKA_KEY_LEN], opc[AKA_KEY_LEN], amf[AKA_AMF_LEN];
};
void aka_key_wipe(struct aka_key *key);

int milenage_opc(struct auth *a, const uint8_t k[AKA_KEY_LEN], const uint8_t op[AKA_KEY_LEN],
                 uint8_t ret_opc[AKA_KEY_LEN]);
/* f1 and f1*. */
int milenage_f1(struct auth *a, const struct aka_key *key, const uint8_t rand[AKA_RAND_LEN],
                const uint8_t sqn[AKA_SQN_LEN], const uint8_t amf[AKA_AMF_LEN],
                uint8_t ret_mac_a[AKA_MAC_LEN], uint8_t ret_mac_s[AKA_MAC_LEN]);

struct milenage_keys {
    uint8_t res[AKA_RES_LEN], ck[AKA_KEY_LEN], ik[AKA_KEY_LEN];
    uint8_t ak[AKA_SQN_LEN], ak_star[AKA_SQN_LEN];
};
/* f2 to f5 and f5*. */
int milenage_f2345(struct auth *a, const struct aka_key *key, const uint8_t rand[AKA_RAND_LEN],
                   struct milenage_keys *ret_keys);

/* ---- sequence numbers (TS 33.102 Annex C) ------------------------------ */

#define AKA_SQN_MAX UINT64_C(0xffffffffffff)

/* SQN = SEQ || IND. The USIM remembers the highest SEQ of each IND, so two authentication centres
 * that share a card do not disturb each other when they use different INDs (C.3.4). */
struct aka_sqn_scheme {
    unsigned ind_bits;             /* 5: a = 32 (C.3) */
    unsigned ind_first, ind_count; /* this centre's, used in turn: late challenges stay fresh */
    uint64_t delta;                /* 2^28: how far SEQ may jump (C.2.1) */
};

/* Profile 2 of C.3 with INDs 1 to 31; 0 is left to the packet core's HSS, which commonly counts in
 * steps of 32 from 0. */
extern const struct aka_sqn_scheme aka_sqn_default;

/* The number after sqn. -EOVERFLOW at the end of SEQ (C.3: the card is used up). */
int aka_sqn_next(const struct aka_sqn_scheme *scheme, uint64_t sqn, uint64_t *ret_sqn);
/* sqn moved on by n SEQs, same IND; saturates at the end. */
uint64_t aka_sqn_skip(const struct aka_sqn_scheme *scheme, uint64_t sqn, uint64_t n);

/* ---- vectors ------------------------------ */

/* CK, IK and XRES are secret. */
struct aka_vector {
    uint8_t rand[AKA_RAND_LEN], autn[AKA_AUTN_LEN];
    uint8_t xres[AKA_RES_MAX];
    unsigned xres_n;
    uint8_t ck[AKA_KEY_LEN], ik[AKA_KEY_LEN];
};
void aka_vector_wipe(struct aka_vector *v);

/* A vector of a fresh RAND for sqn. avoid_nul_res: RAND is drawn again until RES has no NUL octet,
 * for test phones that take RES for a C string (sipp before 3.7, Twinkle); it costs 0.05 bit. */
int aka_vector_make(struct auth *a, const struct aka_key *key, uint64_t sqn, bool avoid_nul_res,
                    struct aka_vector *ret_vector);

/* 6.3.5: verifies MAC-S and says from which number on to count: sqn_he when its successor would be
 * accepted, else SQN_MS. rand is that of the challenge the phone refused. -EACCES: MAC-S is wrong,
 * nothing may change. */
int aka_resync(struct auth *a, const struct aka_sqn_scheme *scheme, const struct aka_key *key,
               const uint8_t rand[AKA_RAND_LEN], const uint8_t auts[AKA_AUTS_LEN], uint64_t sqn_he,
               uint64_t *ret_sqn_he);

/* base64(RAND || AUTN || server_data), RFC 3310 3.2. */
void aka_nonce_put(struct buf *b, const struct aka_vector *v, struct span server_data);
/* The auts parameter. -EINVAL unless base64 of 14 octets. */
int aka_auts_parse(struct span auts, uint8_t ret_auts[AKA_AUTS_LEN]);

/* ---- HTTP digest (RFC 2617, 7616 for MD5; RFC 3310) ------------------------------ */

enum digest_algorithm { DIGEST_MD5, DIGEST_AKAV1_MD5 };
/* The name as it stands in a challenge. */
const char *digest_algorithm_name(enum digest_algorithm alg);

enum { DIGEST_QOP_NONE = 1, DIGEST_QOP_AUTH = 2, DIGEST_QOP_AUTH_INT = 4 };

/* H(A1) in hex: as good as the password in this realm, so secret. */
enum { DIGEST_HEX_LEN = 32 };
struct digest_ha1 {
    char hex[DIGEST_HEX_LEN];
};
void digest_ha1_wipe(struct digest_ha1 *ha1);
/* password: text, or RES as octets (RFC 3310 3.3), or empty for the answer with auts (3.4). */
int digest_ha1_make(struct auth *a, struct span username, struct span realm, struct span password,
                    struct digest_ha1 *ret_ha1);

/* The parameters of an Authorization; p = NULL when absent, without quotes, escapes kept. */
struct digest_fields {
    struct span username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, opaque, auts;
};
/* Puts a parameter in its place by name (any case); others are ignored. -EEXIST for a second one of
 * the same name: which of the two was meant must not be guessed. */
int digest_fields_set(struct digest_fields *f, struct span name, struct span value);

/* A fresh nonce of 128 random bits for SIP digest. */
void digest_nonce_put(struct auth *a, struct buf *b);

/* What was asked for. */
struct digest_challenge {
    struct span realm, nonce, opaque; /* opaque.p = NULL: none was sent */
    enum digest_algorithm algorithm;
    unsigned qops; /* DIGEST_QOP_... that are accepted */
    uint32_t nc;   /* highest nonce count accepted with this nonce, 0 = none yet */
};

enum digest_verdict {
    DIGEST_OK,
    DIGEST_WRONG,     /* the response is not that of this user */
    DIGEST_STALE,     /* right password, other nonce or a nonce count seen: challenge, stale=TRUE */
    DIGEST_NO_ANSWER, /* empty response without auts: the phone refuses the network (MAC-A) */
    DIGEST_MALFORMED  /* ret_why says what */
};

/* Judges an answer. An Authorization with auts is checked with the H(A1) of the empty password by
 * the caller's choice; RFC 3310 3.4 lets the server ignore its response, so most only call
 * aka_resync. ret_nc: the count to keep, set when DIGEST_OK. ret_why: never NULL afterwards. */
enum digest_verdict digest_check(struct auth *a, const struct digest_challenge *challenge,
                                 const struct digest_ha1 *ha1, const struct digest_fields *f,
                                 struct span method, struct span body, uint32_t *ret_nc,
                                 const char **ret_why);

/* The response for fields (RFC 2617 3.2.2.1 to 3.2.2.3); method empty: rspauth of
 * Authentication-Info (3.2.3). */
int digest_response(struct auth *a, const struct digest_ha1 *ha1, const struct digest_fields *f,
                    struct span method, struct span body, char ret_hex[DIGEST_HEX_LEN]);

#endif
