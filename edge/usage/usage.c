/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/usage/usage.h"

const char *usage_counter_name(enum usage_counter c)
{
    static const char *const names[USAGE_COUNTERS] = {
        [USAGE_PACKETS] = "packets",
        [USAGE_OCTETS] = "octets",
        [USAGE_REFUSED_CLOSED] = "refused-closed",
        [USAGE_REFUSED_ENDED] = "refused-ended",
        [USAGE_REFUSED_SOURCE] = "refused-source",
        [USAGE_REFUSED_FORM] = "refused-form",
        [USAGE_POLICED] = "policed",
        [USAGE_NOWHERE] = "nowhere",
        [USAGE_SEND_FAILED] = "send-failed",
    };
    return names[c];
}

void usage_snapshot(const struct usage_flow *f, struct usage_counts *ret_counts)
{
    for (unsigned i = 0; i < USAGE_COUNTERS; i++)
        ret_counts->n[i] = atomic_load_explicit(&f->count[i], memory_order_relaxed);
    ret_counts->first = atomic_load_explicit(&f->first, memory_order_relaxed);
    ret_counts->last = atomic_load_explicit(&f->last, memory_order_relaxed);
}

void usage_sum(struct usage_counts *sum, const struct usage_counts *b)
{
    for (unsigned i = 0; i < USAGE_COUNTERS; i++)
        sum->n[i] += b->n[i];
    if (b->first && (!sum->first || b->first < sum->first))
        sum->first = b->first;
    if (b->last > sum->last)
        sum->last = b->last;
}

uint64_t usage_refused(const struct usage_counts *c)
{
    uint64_t n = 0;
    for (unsigned i = USAGE_REFUSED_CLOSED; i < USAGE_COUNTERS; i++)
        n += c->n[i];
    return n;
}

void usage_watch_start(struct usage_watch *w, uint64_t now)
{
    *w = (struct usage_watch){.since = now};
}

enum usage_turn usage_watch_sample(struct usage_watch *w, uint64_t packets, uint64_t now,
                                   uint64_t limit)
{
    if (packets != w->packets) {
        bool was = w->silent;
        *w = (struct usage_watch){.packets = packets, .since = now};
        return was ? USAGE_RESUMED : USAGE_SAME;
    }
    if (!w->silent && limit && now - w->since >= limit) {
        w->silent = true;
        return USAGE_FELL_SILENT;
    }
    return USAGE_SAME;
}
