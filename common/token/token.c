/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/token/token.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* RFC 3520 3.1, 3.3 */
enum { P_TYPE_AUTH_SESSION = 0x0004, HEAD = 4 };
enum {
    X_AUTH_ENT_ID = 1,
    X_SESSION_ID,
    X_SOURCE_ADDR,
    X_DEST_ADDR,
    X_START_TIME,
    X_END_TIME,
    X_RESOURCES,
    X_AUTHENTICATION_DATA
};
enum { ENT_FQDN = 3, ADDR_IPV4 = 1, ADDR_IPV6 = 2, ADDR_UDP_PORTS = 3, ADDR_TCP_PORTS = 4 };
enum { NTP_TIMESTAMP = 1, RES_BANDWIDTH = 1 };

static const int64_t NTP_UNIX = INT64_C(2208988800); /* 1900 to 1970 */

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* ---- keys ---- */

static bool key_valid(const struct token_key *k, int64_t now)
{
    return (k->not_before == 0 || k->not_before <= now) &&
           (k->not_after == 0 || now < k->not_after);
}

/* RFC 3520 4.1: the sender changes over at the midpoint of the overlap, so that clocks may differ
 * by half of it. */
static bool key_took_over(const struct token_keys *keys, const struct token_key *k, int64_t now)
{
    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *old = &keys->keys[i];

        if (old->not_before < k->not_before && old->not_after != 0 && key_valid(old, now) &&
            now < k->not_before + (old->not_after - k->not_before) / 2)
            return false;
    }
    return true;
}

const struct token_key *token_keys_mint(const struct token_keys *keys, int64_t now)
{
    const struct token_key *best = NULL;

    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *k = &keys->keys[i];

        if (key_valid(k, now) && key_took_over(keys, k, now) &&
            (!best || k->not_before > best->not_before))
            best = k;
    }
    return best;
}

const struct token_key *token_keys_find(const struct token_keys *keys, uint32_t id, int64_t now)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->keys[i].id == id && key_valid(&keys->keys[i], now))
            return &keys->keys[i];
    }
    return NULL;
}

static size_t mac_len(enum token_mac mac)
{
    return mac == TOKEN_HMAC_MD5 ? 16 : 32;
}

static int mac_make(const struct token_key *key, const uint8_t *p, size_t n, uint8_t mac[32])
{
    unsigned len = 0;

    if (!HMAC(key->mac == TOKEN_HMAC_MD5 ? EVP_md5() : EVP_sha256(), key->key.bytes, key->key.n, p,
              n, mac, &len))
        return -EIO;
    return len == mac_len(key->mac) ? 0 : -EIO;
}

/* ---- build ---- */

struct writer {
    uint8_t *p;
    size_t n, cap;
    bool overflow;
};

/* Room for a value behind its header, padding zeroed (RFC 3520 3.2). */
static uint8_t *attribute(struct writer *w, unsigned x_type, unsigned sub_type, size_t n)
{
    size_t padded = (HEAD + n + 3) & ~(size_t)3;
    uint8_t *at = w->p + w->n;

    if (w->overflow || padded > w->cap - w->n) {
        w->overflow = true;
        return NULL;
    }
    memset(at, 0, padded);
    put16(at, (unsigned)(HEAD + n));
    at[2] = (uint8_t)x_type;
    at[3] = (uint8_t)sub_type;
    w->n += padded;
    return at + HEAD;
}

static void put_bytes(struct writer *w, unsigned x, unsigned sub, const void *p, size_t n)
{
    uint8_t *at = attribute(w, x, sub, n);

    if (at)
        memcpy(at, p, n);
}

static void put_addr(struct writer *w, unsigned x, const struct addr *a)
{
    uint8_t port[2];

    if (a->family == 0)
        return;
    put_bytes(w, x, a->family == AF_INET ? ADDR_IPV4 : ADDR_IPV6, a->ip, addr_ip_len(a));
    if (a->port) {
        put16(port, a->port);
        put_bytes(w, x, ADDR_UDP_PORTS, port, sizeof(port));
    }
}

static void put_time(struct writer *w, unsigned x, int64_t unix_seconds)
{
    uint8_t *at;

    if (unix_seconds == 0)
        return;
    at = attribute(w, x, NTP_TIMESTAMP, 8);
    if (at)
        put32(at, (uint32_t)(unix_seconds + NTP_UNIX)); /* the fraction stays zero */
}

static int sign(struct writer *w, const struct token_key *key)
{
    size_t covered = w->n;
    uint8_t *at = attribute(w, X_AUTHENTICATION_DATA, 0, 4 + mac_len(key->mac));
    uint8_t mac[32];
    int rc;

    if (!at)
        return -EMSGSIZE;
    rc = mac_make(key, w->p + 2, covered - 2, mac);
    if (rc == 0) {
        put32(at, key->id);
        memcpy(at + 4, mac, mac_len(key->mac));
    }
    bytes_wipe(mac, sizeof(mac));
    return rc;
}

int token_build(const struct token_claims *claims, const struct token_key *key,
                struct secret *ret_token)
{
    uint8_t bytes[SECRET_MAX];
    struct writer w = {bytes, 2, sizeof(bytes), false};
    uint8_t kbps[4];
    int rc = 0;

    /* RFC 3520 4: without SESSION_ID (or START_TIME) nothing tells a replay. */
    if (claims->n_session == 0 || claims->n_session > TOKEN_SESSION_MAX)
        return -EINVAL;
    put16(bytes, P_TYPE_AUTH_SESSION);
    if (claims->entity[0])
        put_bytes(&w, X_AUTH_ENT_ID, ENT_FQDN, claims->entity, strlen(claims->entity));
    put_bytes(&w, X_SESSION_ID, 0, claims->session, claims->n_session);
    put_addr(&w, X_SOURCE_ADDR, &claims->source);
    put_addr(&w, X_DEST_ADDR, &claims->dest);
    put_time(&w, X_START_TIME, claims->start);
    put_time(&w, X_END_TIME, claims->end);
    if (claims->bandwidth_kbps) {
        put32(kbps, claims->bandwidth_kbps);
        put_bytes(&w, X_RESOURCES, RES_BANDWIDTH, kbps, sizeof(kbps));
    }
    if (w.overflow)
        return -EMSGSIZE;
    if (key)
        rc = sign(&w, key);
    /* Two octets are kept for the Length that some interfaces want. */
    if (rc == 0)
        rc = w.n + 2 <= SECRET_MAX ? secret_set(ret_token, bytes, w.n) : -EMSGSIZE;
    bytes_wipe(bytes, sizeof(bytes));
    return rc;
}

/* ---- parse ---- */

/* RFC 3313 says "excluding Length", its draft and the 3GPP examples have it: what begins with its
 * own length and then P-Type carries one. */
static int canonical(struct span octets, struct span *ret_element)
{
    const uint8_t *p = (const uint8_t *)octets.p;

    if (octets.n >= 4 && be16(p) == octets.n && be16(p + 2) == P_TYPE_AUTH_SESSION) {
        *ret_element = span_sub(octets, 2, octets.n);
        return 0;
    }
    if (octets.n >= 2 && be16(p) == P_TYPE_AUTH_SESSION) {
        *ret_element = octets;
        return 0;
    }
    return -EBADMSG;
}

struct reading {
    struct token_claims claims;
    unsigned seen;       /* X-Types that may come once */
    bool ports[2][2];    /* [source, dest][udp, tcp] */
    const uint8_t *auth; /* value of AUTHENTICATION_DATA */
    size_t n_auth;
    size_t covered; /* octets of attributes before it */
};

static int read_addr(struct reading *r, unsigned x, unsigned sub, const uint8_t *v, size_t n)
{
    struct addr *a = x == X_SOURCE_ADDR ? &r->claims.source : &r->claims.dest;

    switch (sub) {
    case ADDR_IPV4:
    case ADDR_IPV6:
        if (n != (sub == ADDR_IPV4 ? 4 : 16) || a->family)
            return -EBADMSG;
        a->family = sub == ADDR_IPV4 ? AF_INET : AF_INET6;
        memcpy(a->ip, v, n);
        return 0;
    case ADDR_UDP_PORTS:
    case ADDR_TCP_PORTS: {
        bool *once = &r->ports[x == X_DEST_ADDR][sub == ADDR_TCP_PORTS];

        if (n % 2 != 0 || *once) /* RFC 3520 3.3.3: at most one list each */
            return -EBADMSG;
        *once = true;
        if (sub == ADDR_UDP_PORTS && n == 2)
            a->port = be16(v);
        return 0;
    }
    default:
        return 0;
    }
}

static int read_time(unsigned sub, const uint8_t *v, size_t n, int64_t *ret_unix)
{
    int64_t ntp;

    if (sub != NTP_TIMESTAMP || n != 8)
        return -EBADMSG;
    ntp = be32(v);
    if (ntp < INT64_C(0x80000000)) /* the era after February 2036 (RFC 4330 3) */
        ntp += INT64_C(0x100000000);
    *ret_unix = ntp - NTP_UNIX;
    return 0;
}

static int read_entity(struct reading *r, unsigned sub, const uint8_t *v, size_t n)
{
    if (sub != ENT_FQDN)
        return 0;
    if (n > TOKEN_ENTITY_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        if (v[i] <= ' ' || v[i] > '~')
            return -EBADMSG;
    }
    memcpy(r->claims.entity, v, n);
    r->claims.entity[n] = '\0';
    return 0;
}

static int read_attribute(struct reading *r, unsigned x, unsigned sub, const uint8_t *v, size_t n)
{
    if (x == X_SOURCE_ADDR || x == X_DEST_ADDR)
        return read_addr(r, x, sub, v, n);
    if (x == X_RESOURCES) {
        if (sub == RES_BANDWIDTH && n == 4)
            r->claims.bandwidth_kbps = be32(v);
        return 0;
    }
    if (x > X_AUTHENTICATION_DATA || x == 0)
        return 0; /* later or private: covered by the MAC, no meaning here */
    if (r->seen & 1u << x)
        return -EBADMSG;
    r->seen |= 1u << x;
    switch (x) {
    case X_AUTH_ENT_ID:
        return read_entity(r, sub, v, n);
    case X_SESSION_ID:
        if (sub != 0 || n > TOKEN_SESSION_MAX)
            return -EBADMSG;
        memcpy(r->claims.session, v, n);
        r->claims.n_session = n;
        return 0;
    case X_START_TIME:
        return read_time(sub, v, n, &r->claims.start);
    case X_END_TIME:
        return read_time(sub, v, n, &r->claims.end);
    default: /* AUTHENTICATION_DATA */
        if (sub != 0 || n < 4)
            return -EBADMSG;
        r->auth = v;
        r->n_auth = n;
        r->claims.signed_ = true;
        r->claims.key_id = be32(v);
        return 0;
    }
}

/* element: canonical. */
static int read_element(struct span element, struct reading *r)
{
    const uint8_t *attributes = (const uint8_t *)element.p + 2, *p = attributes;
    size_t left = element.n - 2;

    memset(r, 0, sizeof(*r));
    while (left) {
        size_t n, padded;
        int rc;

        if (left < HEAD)
            return -EBADMSG;
        n = be16(p);
        padded = (n + 3) & ~(size_t)3;
        if (n <= HEAD || padded > left)
            return -EBADMSG;
        for (size_t i = n; i < padded; i++) {
            if (p[i] != 0)
                return -EBADMSG;
        }
        if (r->auth) /* RFC 3520 3.3.8: AUTHENTICATION_DATA is the last */
            return -EBADMSG;
        r->covered = (size_t)(p - attributes);
        rc = read_attribute(r, p[2], p[3], p + HEAD, n - HEAD);
        if (rc)
            return rc;
        p += padded;
        left -= padded;
    }
    return r->claims.n_session ? 0 : -EBADMSG;
}

int token_parse(struct span element, struct token_claims *ret_claims)
{
    struct reading r;
    int rc = canonical(element, &element);

    if (rc == 0)
        rc = read_element(element, &r);
    if (rc == 0)
        *ret_claims = r.claims;
    return rc;
}

int token_verify(struct span element, const struct token_keys *keys, int64_t now,
                 struct token_claims *ret_claims)
{
    const struct token_key *key;
    struct reading r;
    uint8_t mac[32];
    int rc = canonical(element, &element);

    if (rc == 0)
        rc = read_element(element, &r);
    if (rc)
        return rc;
    if (!r.auth)
        return -EACCES;
    key = token_keys_find(keys, r.claims.key_id, now);
    if (!key)
        return -ENOKEY;
    /* The key says which algorithm and length, never the wire. */
    if (r.n_auth != 4 + mac_len(key->mac))
        return -EACCES;
    rc = mac_make(key, (const uint8_t *)element.p + 2, r.covered, mac);
    if (rc == 0 && !bytes_eq_consttime(mac, r.auth + 4, mac_len(key->mac)))
        rc = -EACCES;
    bytes_wipe(mac, sizeof(mac));
    if (rc == 0)
        *ret_claims = r.claims;
    return rc;
}

/* ---- forms ---- */

int token_of_octets(struct span octets, struct secret *ret_token)
{
    int rc = canonical(octets, &octets);

    if (rc)
        return rc;
    return octets.n + 2 <= SECRET_MAX ? secret_set(ret_token, octets.p, octets.n) : -EMSGSIZE;
}

int token_of_hex(struct span hex, struct secret *ret_token)
{
    uint8_t bytes[SECRET_MAX];
    size_t n;
    int rc = hex_decode(hex, bytes, sizeof(bytes), &n);

    if (rc)
        return rc == -ENOSPC ? -EMSGSIZE : -EBADMSG;
    rc = token_of_octets(span_of(bytes, n), ret_token);
    bytes_wipe(bytes, sizeof(bytes));
    return rc;
}

void token_put_octets(struct buf *b, const struct secret *token, bool with_length)
{
    uint8_t whole[SECRET_MAX + 2];
    size_t skip = with_length ? 2 : 0;

    put16(whole, token->n + 2u);
    memcpy(whole + skip, token->bytes, token->n);
    buf_put(b, span_of(whole, token->n + skip));
    bytes_wipe(whole, sizeof(whole));
}

void token_put_hex(struct buf *b, const struct secret *token, bool with_length)
{
    uint8_t length[2];

    if (with_length) {
        put16(length, token->n + 2u);
        buf_hex(b, length, sizeof(length));
    }
    buf_hex(b, token->bytes, token->n);
}

void token_hash(const struct secret *token, uint8_t ret_hash[TOKEN_HASH_LEN])
{
    /* Only a failing library or missing memory makes this fail: then no row has this key. */
    if (!EVP_Digest(token->bytes, token->n, ret_hash, NULL, EVP_sha256(), NULL))
        memset(ret_hash, 0, TOKEN_HASH_LEN);
}

char *token_name(const uint8_t hash[TOKEN_HASH_LEN], char *dst)
{
    struct buf b = {dst, 0, TOKEN_NAME_LEN + 1, false};

    buf_hex(&b, hash, TOKEN_NAME_LEN / 2);
    dst[TOKEN_NAME_LEN] = '\0';
    return dst;
}
