/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/diameter/inner.h"

#include <assert.h>

enum { NEST_MAX = 12, FLAG_VENDOR = 0x80, FLAG_MANDATORY = 0x40 };
enum { HEAD_REQUEST = 0x80, HEAD_ERROR = 0x20 };

#define X(id, vendor, code, name, type, mandatory) {vendor, code, name, AVP_##type, mandatory},
const struct avp_def avp_defs[AVP_COUNT] = {AVP_TABLE(X)};
#undef X

static uint32_t be24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | be24(p + 1);
}

static void put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    put24(p + 1, v & 0xffffff);
}

enum avp_id avp_find(uint32_t vendor, uint32_t code)
{
    size_t low = 0, high = AVP_COUNT;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct avp_def *d = &avp_defs[mid];

        if (d->vendor == vendor && d->code == code)
            return (enum avp_id)mid;
        if (d->vendor < vendor || (d->vendor == vendor && d->code < code))
            low = mid + 1;
        else
            high = mid;
    }
    return AVP_COUNT;
}

bool avp_next(struct span *rest, struct avp *ret_avp, bool *ret_bad)
{
    const uint8_t *p = (const uint8_t *)rest->p;
    size_t n, padded, head;

    if (rest->n == 0)
        return false;
    *ret_bad = true;
    if (rest->n < 8)
        return false;
    head = p[4] & FLAG_VENDOR ? 12 : 8;
    n = be24(p + 5);
    padded = (n + 3) & ~(size_t)3;
    if (n < head || padded > rest->n)
        return false;
    *ret_bad = false;
    ret_avp->id = avp_find(head == 12 ? be32(p + 8) : 0, be32(p));
    ret_avp->whole = span_sub(*rest, 0, padded);
    ret_avp->value = span_sub(*rest, head, n);
    *rest = span_sub(*rest, padded, rest->n);
    return true;
}

uint32_t avp_read_u32(struct span value)
{
    return value.n == 4 ? be32((const uint8_t *)value.p) : 0;
}

bool avp_is_mandatory(const struct avp *a)
{
    return ((uint8_t)a->whole.p[4] & FLAG_MANDATORY) != 0;
}

/* ---- the walker ---- */

static const char *check_size(enum avp_type type, size_t n)
{
    switch (type) {
    case AVP_U32:
    case AVP_I32:
    case AVP_ENUM:
    case AVP_F32:
    case AVP_TIME:
        return n == 4 ? NULL : "a 32-bit AVP of another size";
    case AVP_U64:
        return n == 8 ? NULL : "a 64-bit AVP of another size";
    case AVP_IDENTITY:
        return n != 0 ? NULL : "an empty identity";
    case AVP_ADDRESS:
        return n >= 2 ? NULL : "an address without its family";
    default:
        return NULL;
    }
}

static const char *walk(struct span avps, unsigned depth, bool failed)
{
    const char *why = NULL;
    struct avp a;
    bool bad = false;

    if (depth > NEST_MAX)
        return "AVPs nested too deep";
    while (!why && avp_next(&avps, &a, &bad)) {
        if (a.id == AVP_COUNT)
            continue;
        enum avp_type type = avp_defs[a.id].type;

        if (type == AVP_GROUP) {
            why = walk(a.value, depth + 1, failed || a.id == A_FAILED_AVP);
            continue;
        }
        /* RFC 6733 7.5: what is inside Failed-AVP is there because it is wrong. */
        if (!failed)
            why = check_size(type, a.value.n);
        if (!failed && !why && (type == AVP_IDENTITY || a.id == A_SESSION_ID) &&
            (a.value.n == 0 || memchr(a.value.p, 0, a.value.n)))
            why = "an identity or Session-Id that is empty or holds NUL";
    }
    return bad ? "an AVP length that does not fit" : why;
}

const char *diameter_raw_check(struct span message)
{
    const uint8_t *p = (const uint8_t *)message.p;

    if (message.n < DIAMETER_HEAD || message.n % 4 != 0)
        return "a length that no message has";
    if (p[0] != 1)
        return "a version that is not 1";
    if (be24(p + 1) != message.n)
        return "a length that is not the message's";
    if ((p[4] & HEAD_REQUEST) && (p[4] & HEAD_ERROR))
        return "a request with the error bit";
    return walk(span_sub(message, DIAMETER_HEAD, message.n), 0, false);
}

struct diameter_head diameter_head_of(struct span message)
{
    const uint8_t *p = (const uint8_t *)message.p;

    assert(message.n >= DIAMETER_HEAD);
    return (struct diameter_head){be24(p + 5), be32(p + 8), (p[4] & HEAD_REQUEST) != 0,
                                  (p[4] & HEAD_ERROR) != 0};
}

bool diameter_top_find(struct span message, enum avp_id id, struct span *ret_value)
{
    struct span rest = span_sub(message, DIAMETER_HEAD, message.n);
    struct avp a;
    bool bad = false;

    while (avp_next(&rest, &a, &bad)) {
        if (a.id == id) {
            *ret_value = a.value;
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

/* Room for an AVP with n octets of value, padding zeroed; NULL beyond the bound. */
static uint8_t *put_head(struct avp_writer *w, enum avp_id id, size_t n)
{
    const struct avp_def *d = &avp_defs[id];
    size_t head = d->vendor ? 12 : 8, padded = (head + n + 3) & ~(size_t)3;
    uint8_t *p = w->p + w->n;

    if (w->overflow || n > DIAMETER_MESSAGE_MAX || padded > w->cap - w->n) {
        w->overflow = true;
        return NULL;
    }
    put32(p, d->code);
    p[4] = (uint8_t)((d->vendor ? FLAG_VENDOR : 0) | (d->mandatory ? FLAG_MANDATORY : 0));
    put24(p + 5, (uint32_t)(head + n));
    if (d->vendor)
        put32(p + 8, d->vendor);
    memset(p + head + n, 0, padded - head - n);
    w->n += padded;
    return p + head;
}

void avp_put(struct avp_writer *w, enum avp_id id, struct span value)
{
    uint8_t *p = put_head(w, id, value.n);

    if (p && value.n)
        memcpy(p, value.p, value.n);
}

void avp_put_u32(struct avp_writer *w, enum avp_id id, uint32_t v)
{
    uint8_t *p = put_head(w, id, 4);

    if (p)
        put32(p, v);
}

void avp_put_f32(struct avp_writer *w, enum avp_id id, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof(bits));
    avp_put_u32(w, id, bits);
}

void avp_put_raw(struct avp_writer *w, struct span avps)
{
    if (w->overflow || avps.n > w->cap - w->n) {
        w->overflow = true;
        return;
    }
    if (avps.n)
        memcpy(w->p + w->n, avps.p, avps.n);
    w->n += avps.n;
}

size_t avp_open(struct avp_writer *w, enum avp_id group)
{
    size_t at = w->n;

    put_head(w, group, 0);
    return at;
}

void avp_close(struct avp_writer *w, size_t opened)
{
    if (!w->overflow)
        put24(w->p + opened + 5, (uint32_t)(w->n - opened));
}
