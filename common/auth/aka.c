/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>

#include "common/auth/auth.h"

const struct aka_sqn_scheme aka_sqn_default = {
    .ind_bits = 5, .ind_first = 1, .ind_count = 31, .delta = UINT64_C(1) << 28};

static uint64_t seq_max(const struct aka_sqn_scheme *scheme)
{
    return AKA_SQN_MAX >> scheme->ind_bits;
}

int aka_sqn_next(const struct aka_sqn_scheme *scheme, uint64_t sqn, uint64_t *ret_sqn)
{
    uint64_t seq = sqn >> scheme->ind_bits;
    unsigned ind = (unsigned)(sqn & ((UINT64_C(1) << scheme->ind_bits) - 1));

    assert(scheme->ind_count >= 1 &&
           scheme->ind_first + scheme->ind_count <= 1U << scheme->ind_bits);
    if (seq >= seq_max(scheme))
        return -EOVERFLOW;
    /* An IND of somebody else (after a resynchronisation) wraps to our first. */
    if (ind < scheme->ind_first || ind >= scheme->ind_first + scheme->ind_count - 1)
        ind = scheme->ind_first;
    else
        ind++;
    *ret_sqn = (seq + 1) << scheme->ind_bits | ind;
    return 0;
}

uint64_t aka_sqn_skip(const struct aka_sqn_scheme *scheme, uint64_t sqn, uint64_t n)
{
    uint64_t seq = sqn >> scheme->ind_bits, room = seq_max(scheme) - seq;

    return sqn + ((n < room ? n : room) << scheme->ind_bits);
}

void aka_nonce_put(struct buf *b, const struct aka_vector *v, struct span server_data)
{
    char raw[AKA_RAND_LEN + AKA_AUTN_LEN + 64];
    struct buf octets = BUF_ON(raw);

    buf_put(&octets, span_of(v->rand, AKA_RAND_LEN));
    buf_put(&octets, span_of(v->autn, AKA_AUTN_LEN));
    buf_put(&octets, server_data);
    if (octets.overflow)
        b->overflow = true;
    else
        base64_encode(b, octets.p, octets.n);
}

int aka_auts_parse(struct span auts, uint8_t ret_auts[AKA_AUTS_LEN])
{
    uint8_t raw[AKA_AUTS_LEN];
    size_t n;

    if (base64_decode(auts, raw, sizeof(raw), &n) || n != AKA_AUTS_LEN)
        return -EINVAL;
    memcpy(ret_auts, raw, AKA_AUTS_LEN);
    return 0;
}
