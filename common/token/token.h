/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/token: the media authorization token: an RFC 3520 AUTH_SESSION policy element.
 *
 * Decides   what a token says and whether its authentication data is right.
 * Owns      nothing; a token is a `struct secret` of the caller.
 * Threads   any.
 * In, out   the token is kept as the element without its Length, beginning with P-Type 0x0004, as
 *           RFC 3313 5.2 has it; token_put_... adds the Length where an interface wants it. The MAC
 *           covers the padded attributes before AUTHENTICATION_DATA, not the element header, so that
 *           it does not depend on that choice.
 * Errors    negative errno; outputs untouched.
 * Never     prints a token; its name in logs is token_name().
 * Tests     tests/unit/common/token, tests/fuzz/token_fuzz.c. */
#ifndef COMMON_TOKEN_TOKEN_H
#define COMMON_TOKEN_TOKEN_H

#include "common/base/base.h"

enum token_mac { TOKEN_HMAC_SHA256, TOKEN_HMAC_MD5 }; /* MD5: what RFC 3520 4.1 demands of all */

struct token_key {
    uint32_t id;
    enum token_mac mac;
    struct secret key;
    int64_t not_before, not_after; /* Unix seconds; 0 = no limit */
};

enum { TOKEN_KEYS_MAX = 8 };
struct token_keys {
    size_t n;
    struct token_key keys[TOKEN_KEYS_MAX];
};

/* The key to mint with at `now`: in the overlap of two lifetimes the newer one from the midpoint on
 * (RFC 3520 4.1). NULL when none is valid. */
const struct token_key *token_keys_mint(const struct token_keys *keys, int64_t now);
/* The key of that id, if valid at `now`. */
const struct token_key *token_keys_find(const struct token_keys *keys, uint32_t id, int64_t now);

enum { TOKEN_SESSION_MAX = 64, TOKEN_ENTITY_MAX = 255 };

struct token_claims {
    char entity[TOKEN_ENTITY_MAX + 1];  /* AUTH_ENT_ID FQDN: the Diameter host that knows it */
    uint8_t session[TOKEN_SESSION_MAX]; /* SESSION_ID */
    size_t n_session;
    int64_t start, end; /* START_TIME, END_TIME, Unix seconds; 0 = absent */
    struct addr source,
        dest; /* SOURCE_ADDR, DEST_ADDR with one UDP port if port; family 0 = absent */
    uint32_t bandwidth_kbps; /* RESOURCES BANDWIDTH; 0 = absent */
    bool signed_;            /* AUTHENTICATION_DATA was there */
    uint32_t key_id;
};

/* Builds and signs. -EINVAL without session, -EMSGSIZE. key NULL = unsigned. */
int token_build(const struct token_claims *claims, const struct token_key *key,
                struct secret *ret_token);

/* The element with or without Length (it is recognised: RFC 3313 and the 3GPP examples differ).
 * -EBADMSG for what is no AUTH_SESSION: lengths, order, padding that is not zero, duplicates. */
int token_parse(struct span element, struct token_claims *ret_claims);
/* -EBADMSG as above; -ENOKEY for a key that is unknown or out of its lifetime; -EACCES for a wrong
 * MAC or none; constant time in the MAC. Times are the caller's to judge. */
int token_verify(struct span element, const struct token_keys *keys, int64_t now,
                 struct token_claims *ret_claims);

/* The canonical token of an element with or without Length. -EBADMSG, -EMSGSIZE. */
int token_of_octets(struct span octets, struct secret *ret_token);
/* The token of a P-Media-Authorization-Token; hex of either form and case. */
int token_of_hex(struct span hex, struct secret *ret_token);

/* For Authorization-Token and QoS-Authorization-Data: the element with its Length (RFC 3520), or
 * without. */
void token_put_octets(struct buf *b, const struct secret *token, bool with_length);
/* For P-Media-Authorization: hex, without Length as RFC 3313 has it, or with. */
void token_put_hex(struct buf *b, const struct secret *token, bool with_length);

enum { TOKEN_HASH_LEN = 32, TOKEN_NAME_LEN = 12 };
/* SHA-256 of the canonical token: the key of the token database. */
void token_hash(const struct secret *token, uint8_t ret_hash[TOKEN_HASH_LEN]);
/* What people may see: the first six octets of the hash in hex, into dst[TOKEN_NAME_LEN + 1]. */
char *token_name(const uint8_t hash[TOKEN_HASH_LEN], char *dst);

#endif
