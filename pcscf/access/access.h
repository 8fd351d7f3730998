/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/access: may this source be heard at all.
 *
 * Decides   before any parsing: size and rate of what one address sends (RFC 3261 26.3.2.4 leaves
 *           the policy to the server). What came through an SA is counted apart from what comes in
 *           the clear, where anybody can write that address into a datagram.
 * Owns      a table of sources, bounded; the source unheard for longest makes room for a new one.
 * Threads   the worker's.
 * In, out   address, size and time in, a verdict out.
 * Never     allocates for each packet, keeps what was sent.
 * Tests     tests/unit/pcscf/access. */
#ifndef PCSCF_ACCESS_ACCESS_H
#define PCSCF_ACCESS_ACCESS_H

#include "common/base/base.h"

enum access_verdict {
    ACCESS_PASS,
    ACCESS_TOO_LARGE,
    ACCESS_TOO_FAST,
};

struct access_options {
    unsigned rate;    /* messages a second from one source, in the long run; 0 = no bound */
    unsigned burst;   /* messages at once */
    unsigned sources; /* remembered: an address is two, in the clear and protected */
    size_t message_max;
};

struct access_source;
struct access {
    struct access_options options;
    struct map map;
    struct list by_age; /* the one heard last is at the tail */
    struct access_source *sources;
    unsigned used;
};

int access_init(struct access *a, const struct rnd *rnd, const struct access_options *options);
void access_fini(struct access *a);
/* is_protected: the kernel let it in through an SA. now: microseconds, monotonic. O(1). */
enum access_verdict access_check(struct access *a, const struct addr *from, bool is_protected,
                                 size_t size, uint64_t now);

#endif
