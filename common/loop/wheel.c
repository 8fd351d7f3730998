/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hierarchical timer wheel. A timer sits at the level of the highest group of six bits in which
 * its millisecond differs from the wheel's, so it moves down one level each time the wheel enters
 * its slot, and whatever entered a slot by moving down was started before anything that is put
 * there directly: within a millisecond timers fire in the order of their starts. */
#include "common/loop/inner.h"

#include <assert.h>

#define FIRING (WHEEL_LEVELS * WHEEL_SLOTS)

static uint64_t tick_of(uint64_t due)
{
    return due / MSEC + (due % MSEC != 0); /* never early */
}

static void put(struct wheel *w, struct loop_timer *t, uint64_t tick)
{
    uint64_t diff = tick ^ w->tick;
    unsigned level = diff ? (63u - (unsigned)__builtin_clzll(diff)) / WHEEL_BITS : 0;
    unsigned slot = (unsigned)(tick >> level * WHEEL_BITS) % WHEEL_SLOTS;

    w->used[level] |= UINT64_C(1) << slot;
    list_add_tail(&w->slot[level * WHEEL_SLOTS + slot], &t->item);
}

void wheel_init(struct wheel *w, uint64_t now)
{
    memset(w, 0, sizeof(*w));
    w->tick = w->last = now / MSEC;
    for (size_t i = 0; i < ARRAY_LEN(w->slot); i++)
        list_init(&w->slot[i]);
}

void wheel_fini(struct wheel *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->slot); i++) {
        LIST_EACH (it, &w->slot[i]) {
            CONTAINER_OF(it, struct loop_timer, item)->due = 0;
            list_del(it);
        }
    }
    memset(w->used, 0, sizeof(w->used));
}

void wheel_add(struct wheel *w, struct loop_timer *t, uint64_t due)
{
    uint64_t tick = tick_of(due);

    /* What runs now has taken its millisecond: a timer without delay cannot hold up the turn. */
    if (tick <= w->last) {
        tick = w->last + 1;
        due = tick * MSEC;
    }
    t->due = due;
    put(w, t, tick);
}

void wheel_del(struct wheel *w, struct loop_timer *t)
{
    struct list *next = t->item.next;

    /* Both neighbours the same: that is the head, and the slot is empty now. */
    if (next == t->item.prev) {
        size_t i = (size_t)(next - w->slot);
        w->used[i / WHEEL_SLOTS] &= ~(UINT64_C(1) << i % WHEEL_SLOTS);
    }
    list_del(&t->item);
    t->due = 0;
}

static uint64_t next_tick(const struct wheel *w)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (!w->used[level])
            continue;
        /* Every used slot of a level lies ahead within the level's block, and every block of a
         * lower level before it: the first one found is the next. */
        unsigned shift = level * WHEEL_BITS;
        uint64_t block = w->tick >> shift >> WHEEL_BITS << WHEEL_BITS;
        return (block | (unsigned)__builtin_ctzll(w->used[level])) << shift;
    }
    return WHEEL_IDLE;
}

uint64_t wheel_next(const struct wheel *w)
{
    uint64_t tick = next_tick(w);

    return tick > WHEEL_IDLE / MSEC ? WHEEL_IDLE : tick * MSEC;
}

/* Moves the slot that starts at the wheel's tick to `to` or, with to = NULL, down a level or more.
 */
static void empty_slot(struct wheel *w, unsigned level, struct list *to)
{
    unsigned slot = (unsigned)(w->tick >> level * WHEEL_BITS) % WHEEL_SLOTS;

    w->used[level] &= ~(UINT64_C(1) << slot);
    LIST_EACH (it, &w->slot[level * WHEEL_SLOTS + slot]) {
        struct loop_timer *t = CONTAINER_OF(it, struct loop_timer, item);
        list_del(it);
        if (to)
            list_add_tail(to, it);
        else
            put(w, t, tick_of(t->due));
    }
}

void wheel_run(struct wheel *w, uint64_t now, void (*fire)(struct loop_timer *t, void *ctx),
               void *ctx)
{
    struct list *firing = &w->slot[FIRING];
    uint64_t last = now / MSEC, tick;

    assert(list_empty(firing)); /* a run inside another would mix up the order */
    if (w->last < last)
        w->last = last;
    while ((tick = next_tick(w)) <= last) {
        w->tick = tick;
        for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
            if (tick << (64 - level * WHEEL_BITS) == 0)
                empty_slot(w, level, NULL);
        }
        empty_slot(w, 0, firing);
        while (!list_empty(firing)) {
            struct loop_timer *t = CONTAINER_OF(firing->next, struct loop_timer, item);
            list_del(&t->item);
            t->due = 0;
            fire(t, ctx);
        }
    }
    w->tick = w->last;
}
