/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/usage: what passed and what was refused, per flow, and whether media still comes.
 *
 * Decides   when a session's media counts as silent; what a set of counters adds up to.
 * Owns      nothing: counters live in the relay's legs, watches in their sessions.
 * Threads   a usage_flow is written by the one packet worker that owns the leg and may be read from
 *           any thread (relaxed: each counter is exact, a set of them is not one instant).
 *           Everything else belongs to the loop's thread.
 * Errors    none.
 * Never     reads a clock, allocates, locks.
 * Tests     tests/unit/edge/usage. */
#ifndef EDGE_USAGE_USAGE_H
#define EDGE_USAGE_USAGE_H

#include <stdatomic.h>

#include "common/base/base.h"

enum usage_counter {
    USAGE_PACKETS, /* passed on */
    USAGE_OCTETS,  /* UDP payload of those */
    USAGE_REFUSED_CLOSED,
    USAGE_REFUSED_ENDED,  /* after the end of the session: media after BYE */
    USAGE_REFUSED_SOURCE, /* gate up, but from an address that is not authorized */
    USAGE_REFUSED_FORM,   /* no RTP or RTCP, truncated */
    USAGE_POLICED,        /* beyond the authorized bandwidth */
    USAGE_NOWHERE,        /* gate up, the other side's address not known yet */
    USAGE_SEND_FAILED,
    USAGE_COUNTERS
};

/* "packets", "octets", "refused-closed", ... as in ng answers; metrics use '_' for '-'. */
const char *usage_counter_name(enum usage_counter c);

/* One direction of one component. */
struct usage_flow {
    _Atomic uint64_t count[USAGE_COUNTERS];
    _Atomic int64_t first, last; /* wall clock, microseconds, of packets passed on; 0 = none */
};

struct usage_counts {
    uint64_t n[USAGE_COUNTERS];
    int64_t first, last;
};

/* By the owning worker only: a plain add, no locked instruction. */
static inline void usage_add(struct usage_flow *f, enum usage_counter c, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&f->count[c], memory_order_relaxed);
    atomic_store_explicit(&f->count[c], v + n, memory_order_relaxed);
}
static inline void usage_passed(struct usage_flow *f, size_t octets, int64_t wall)
{
    usage_add(f, USAGE_PACKETS, 1);
    usage_add(f, USAGE_OCTETS, octets);
    if (atomic_load_explicit(&f->first, memory_order_relaxed) == 0)
        atomic_store_explicit(&f->first, wall, memory_order_relaxed);
    atomic_store_explicit(&f->last, wall, memory_order_relaxed);
}

void usage_snapshot(const struct usage_flow *f, struct usage_counts *ret_counts);
/* Adds b to *sum: counters, the earliest first, the latest last. */
void usage_sum(struct usage_counts *sum, const struct usage_counts *b);
/* Everything that was not passed on. */
uint64_t usage_refused(const struct usage_counts *c);

/* ---- inactivity: sampled, so that packets cost nothing more ---- */

struct usage_watch {
    uint64_t packets; /* at the last sample */
    uint64_t since;   /* loop time of the last sample that saw new packets */
    bool silent;
};

void usage_watch_start(struct usage_watch *w, uint64_t now);
enum usage_turn { USAGE_SAME, USAGE_FELL_SILENT, USAGE_RESUMED };
/* packets: passed so far. Falls silent once, after `limit` microseconds without a new packet
 * (0 = never), and may resume. */
enum usage_turn usage_watch_sample(struct usage_watch *w, uint64_t packets, uint64_t now,
                                   uint64_t limit);

#endif
