/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/auth/inner.h"

enum { MD5_LEN = 16, NONCE_LEN = 16 };

const char *digest_algorithm_name(enum digest_algorithm alg)
{
    return alg == DIGEST_AKAV1_MD5 ? "AKAv1-MD5" : "MD5";
}

void digest_ha1_wipe(struct digest_ha1 *ha1)
{
    bytes_wipe(ha1, sizeof(*ha1));
}

/* MD5 of the parts with a colon between each two, in hex. */
static int hash(struct auth *a, const struct span *parts, size_t n, char ret_hex[DIGEST_HEX_LEN])
{
    uint8_t md[MD5_LEN];
    struct buf hex = {ret_hex, 0, DIGEST_HEX_LEN, false};
    int ok = EVP_DigestInit_ex2(a->digest, a->md5, NULL);

    for (size_t i = 0; i < n && ok == 1; i++) {
        if (i > 0)
            ok = EVP_DigestUpdate(a->digest, ":", 1);
        if (ok == 1 && parts[i].n > 0)
            ok = EVP_DigestUpdate(a->digest, parts[i].p, parts[i].n);
    }
    if (ok != 1 || EVP_DigestFinal_ex(a->digest, md, NULL) != 1)
        return -EIO;
    buf_hex(&hex, md, sizeof(md));
    bytes_wipe(md, sizeof(md));
    return 0;
}

int digest_ha1_make(struct auth *a, struct span username, struct span realm, struct span password,
                    struct digest_ha1 *ret_ha1)
{
    const struct span a1[] = {username, realm, password};

    return hash(a, a1, ARRAY_LEN(a1), ret_ha1->hex);
}

/* One table for names and places. */
static const struct {
    struct span name;
    size_t offset;
} fields[] = {
#define FIELD(text, member)                                                                        \
    {                                                                                              \
        {text, sizeof(text) - 1}, offsetof(struct digest_fields, member)                           \
    }
    FIELD("username", username), FIELD("realm", realm),
    FIELD("nonce", nonce),       FIELD("uri", uri),
    FIELD("response", response), FIELD("algorithm", algorithm),
    FIELD("qop", qop),           FIELD("nc", nc),
    FIELD("cnonce", cnonce),     FIELD("opaque", opaque),
    FIELD("auts", auts),
#undef FIELD
};

int digest_fields_set(struct digest_fields *f, struct span name, struct span value)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct span *place = (struct span *)(void *)((char *)f + fields[i].offset);

        if (!span_eq_nocase(name, fields[i].name))
            continue;
        if (place->p)
            return -EEXIST;
        *place = value.p ? value : SPAN("");
        return 0;
    }
    return 0;
}

void digest_nonce_put(struct auth *a, struct buf *b)
{
    uint8_t raw[NONCE_LEN];

    a->rnd->fill(a->rnd->ctx, raw, sizeof(raw));
    base64_encode(b, raw, sizeof(raw));
}

static unsigned qop_of(struct span qop)
{
    if (!qop.p)
        return DIGEST_QOP_NONE;
    if (span_eq_nocase(qop, SPAN("auth")))
        return DIGEST_QOP_AUTH;
    return span_eq_nocase(qop, SPAN("auth-int")) ? DIGEST_QOP_AUTH_INT : 0;
}

int digest_response(struct auth *a, const struct digest_ha1 *ha1, const struct digest_fields *f,
                    struct span method, struct span body, char ret_hex[DIGEST_HEX_LEN])
{
    unsigned qop = qop_of(f->qop);
    char ha2_hex[DIGEST_HEX_LEN], body_hex[DIGEST_HEX_LEN];
    struct span ha1_span = span_of(ha1->hex, DIGEST_HEX_LEN);
    struct span ha2 = span_of(ha2_hex, DIGEST_HEX_LEN);
    int rc = 0;

    if (qop == DIGEST_QOP_AUTH_INT) {
        rc = hash(a, &body, 1, body_hex);
        if (!rc)
            rc = hash(a, (struct span[]){method, f->uri, span_of(body_hex, DIGEST_HEX_LEN)}, 3,
                      ha2_hex);
    } else {
        rc = hash(a, (struct span[]){method, f->uri}, 2, ha2_hex);
    }
    if (rc)
        return rc;
    if (qop == DIGEST_QOP_NONE)
        return hash(a, (struct span[]){ha1_span, f->nonce, ha2}, 3, ret_hex);
    return hash(a, (struct span[]){ha1_span, f->nonce, f->nc, f->cnonce, f->qop, ha2}, 6, ret_hex);
}

/* 8LHEX; shorter and upper-case ones occur and are as clear. */
static int nc_parse(struct span nc, uint32_t *ret_nc)
{
    uint32_t v = 0;

    if (nc.n == 0 || nc.n > 8)
        return -EINVAL;
    for (size_t i = 0; i < nc.n; i++) {
        char c = nc.p[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        else
            return -EINVAL;
        v = v << 4 | digit;
    }
    *ret_nc = v;
    return 0;
}

/* What is wrong with the form of the answer, or NULL. */
static const char *fault_of(const struct digest_challenge *c, const struct digest_fields *f,
                            uint32_t *ret_nc)
{
    unsigned qop = qop_of(f->qop);

    if (!f->username.p || !f->realm.p || !f->nonce.p || !f->uri.p || !f->response.p)
        return "username, realm, nonce, uri or response is missing (RFC 2617 3.2.2)";
    if (!span_eq(f->realm, c->realm))
        return "realm is not the one of the challenge";
    /* RFC 2617 3.2.2: an answer without algorithm means the one asked for. A different one must not
     * be taken silently: it would be a bidding down. */
    if (f->algorithm.p &&
        !span_eq_nocase(f->algorithm, span_str(digest_algorithm_name(c->algorithm))))
        return "algorithm is not the one of the challenge";
    if (f->opaque.p && c->opaque.p && !span_eq(f->opaque, c->opaque))
        return "opaque is not the one of the challenge";
    if (!(qop & c->qops))
        return "qop is not one of those asked for";
    if (qop != DIGEST_QOP_NONE && (!f->cnonce.p || !f->nc.p || nc_parse(f->nc, ret_nc)))
        return "qop without cnonce and a hexadecimal nc (RFC 2617 3.2.2)";
    return NULL;
}

static bool response_eq(struct span got, const char want[DIGEST_HEX_LEN])
{
    char lower[DIGEST_HEX_LEN];

    if (got.n != DIGEST_HEX_LEN)
        return false;
    for (size_t i = 0; i < DIGEST_HEX_LEN; i++)
        lower[i] = got.p[i] >= 'A' && got.p[i] <= 'F' ? (char)(got.p[i] | 0x20) : got.p[i];
    return bytes_eq_consttime(lower, want, DIGEST_HEX_LEN);
}

enum digest_verdict digest_check(struct auth *a, const struct digest_challenge *challenge,
                                 const struct digest_ha1 *ha1, const struct digest_fields *f,
                                 struct span method, struct span body, uint32_t *ret_nc,
                                 const char **ret_why)
{
    char want[DIGEST_HEX_LEN];
    uint32_t nc = 1;
    const char *fault;

    /* TS 24.229 5.1.1.5.3: the phone could not verify the network. It sends little else. */
    if (f->response.p && f->response.n == 0 && !f->auts.p) {
        *ret_why = "the phone refuses the challenge (empty response, no auts)";
        return DIGEST_NO_ANSWER;
    }
    fault = fault_of(challenge, f, &nc);
    if (!fault && digest_response(a, ha1, f, method, body, want))
        fault = "the digest could not be computed (out of memory)";
    if (fault) {
        *ret_why = fault;
        return DIGEST_MALFORMED;
    }
    if (!response_eq(f->response, want)) {
        *ret_why = "the response does not match";
        return DIGEST_WRONG;
    }
    if (!span_eq(f->nonce, challenge->nonce)) {
        *ret_why = "the response is to another nonce";
        return DIGEST_STALE;
    }
    /* Without qop there is no count, so such a nonce serves once. */
    if (nc <= challenge->nc) {
        *ret_why = "the nonce count was used before";
        return DIGEST_STALE;
    }
    *ret_nc = nc;
    *ret_why = "";
    return DIGEST_OK;
}
