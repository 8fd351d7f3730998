/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/base.h"

static void system_fill(void *ctx, void *p, size_t n)
{
    uint8_t *at = p;

    (void)ctx;
    while (n) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* no kernel without getrandom runs this; predictable keys would be worse */
        at += got;
        n -= (size_t)got;
    }
}

const struct rnd rnd_system = {.fill = system_fill};

/* splitmix64: repeatable, for tests only. */
static void seeded_fill(void *ctx, void *p, size_t n)
{
    uint64_t *state = ctx;
    uint8_t *at = p;

    for (size_t i = 0; i < n; i++) {
        uint64_t z = *state += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        at[i] = (uint8_t)(z ^ z >> 31);
    }
}

struct rnd rnd_seeded(uint64_t *state)
{
    return (struct rnd){.fill = seeded_fill, .ctx = state};
}

uint64_t rnd_u64(const struct rnd *r)
{
    uint64_t v;

    r->fill(r->ctx, &v, sizeof(v));
    return v;
}

uint32_t rnd_below(const struct rnd *r, uint32_t n)
{
    /* Multiply-shift over 64 bits: the bias is below 2^-32. */
    return n ? (uint32_t)(((rnd_u64(r) >> 32) * n) >> 32) : 0;
}

void rnd_token(const struct rnd *r, struct buf *b, size_t n)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint8_t bytes[64];

    while (n) {
        size_t part = n < sizeof(bytes) ? n : sizeof(bytes);

        r->fill(r->ctx, bytes, part);
        for (size_t i = 0; i < part; i++)
            buf_putc(b, alphabet[bytes[i] & 31]);
        n -= part;
    }
}
