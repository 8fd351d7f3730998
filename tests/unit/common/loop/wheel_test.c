/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "common/loop/inner.h"
#include "tests/support/suite.h"

enum { MANY = 100000 };

struct item {
    struct loop_timer timer;
    uint64_t due;
    unsigned start; /* order of the starts */
    bool stopped;
};

struct run {
    uint64_t now;
    struct item **fired;
    size_t n;
};

static struct wheel wheel;

static void note(struct loop_timer *t, void *ctx)
{
    struct run *r = ctx;
    struct item *it = CONTAINER_OF(t, struct item, timer);

    CU_ASSERT_TRUE(it->due <= r->now);
    r->fired[r->n++] = it;
}

static uint64_t ms(uint64_t us)
{
    return (us + MSEC - 1) / MSEC;
}

static int by_reference(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

    if (ms(x->due) != ms(y->due))
        return ms(x->due) < ms(y->due) ? -1 : 1;
    return x->start < y->start ? -1 : 1;
}

static void timers_fire_in_the_order_of_a_sorted_list(void)
{
    uint64_t state = 7, now = 12345678;
    struct rnd rnd = rnd_seeded(&state);
    struct item *items = calloc(MANY, sizeof(*items));
    struct run r = {0, calloc(MANY, sizeof(*r.fired)), 0};
    struct item **want = calloc(MANY, sizeof(*want));
    size_t n = 0;

    wheel_init(&wheel, now);
    for (unsigned i = 0; i < MANY; i++) {
        /* from 1 us to 2^42 us, so that every used level sees some */
        items[i].due = now + 1 + (rnd_u64(&rnd) >> (22 + rnd_below(&rnd, 40)));
        items[i].start = i;
        loop_timer_init(&items[i].timer, NULL, NULL);
        wheel_add(&wheel, &items[i].timer, items[i].due);
        if (i % 5 == 0) { /* every fifth of those so far, some of them already stopped */
            struct item *gone = &items[rnd_below(&rnd, i + 1)];
            if (!gone->stopped)
                wheel_del(&wheel, &gone->timer);
            gone->stopped = true;
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        if (!items[i].stopped)
            want[n++] = &items[i];
    }
    qsort(want, n, sizeof(struct item *), by_reference);
    unsigned jumps = 0;
    while ((r.now = wheel_next(&wheel)) != WHEEL_IDLE) {
        if (jumps++ % 3 == 0)
            r.now += rnd_below(&rnd, 5000); /* a loop that comes late */
        wheel_run(&wheel, r.now, note, &r);
    }
    CU_ASSERT_EQUAL(r.n, n);
    CU_ASSERT_TRUE(r.n == n && memcmp(r.fired, want, n * sizeof(struct item *)) == 0);
    free(items);
    free(r.fired);
    free(want);
}

static void a_timer_never_fires_early_and_at_most_a_millisecond_late(void)
{
    struct item it = {.due = 10 * SEC + 1};
    struct item *fired[1];
    struct run r = {10 * SEC, fired, 0};

    wheel_init(&wheel, 10 * SEC);
    loop_timer_init(&it.timer, NULL, NULL);
    wheel_add(&wheel, &it.timer, it.due);
    for (r.now = 10 * SEC; r.now < 10 * SEC + MSEC; r.now += 100)
        wheel_run(&wheel, r.now, note, &r);
    CU_ASSERT_EQUAL(r.n, 0);
    wheel_run(&wheel, r.now, note, &r);
    CU_ASSERT_EQUAL(r.n, 1);
}

static void a_stopped_last_timer_leaves_the_wheel_idle(void)
{
    struct item it = {.due = 3600 * SEC};

    wheel_init(&wheel, SEC);
    loop_timer_init(&it.timer, NULL, NULL);
    wheel_add(&wheel, &it.timer, it.due);
    CU_ASSERT_TRUE(wheel_next(&wheel) <= it.due);
    wheel_del(&wheel, &it.timer);
    CU_ASSERT_EQUAL(wheel_next(&wheel), WHEEL_IDLE);
    CU_ASSERT_FALSE(loop_timer_running(&it.timer));
}

static void again(struct loop_timer *t, void *ctx)
{
    struct run *r = ctx;

    r->n++;
    wheel_add(&wheel, t, r->now);
}

static void a_timer_restarted_without_delay_does_not_hold_up_the_turn(void)
{
    struct item it;
    struct run r = {2 * SEC, NULL, 0};

    wheel_init(&wheel, SEC);
    loop_timer_init(&it.timer, NULL, NULL);
    wheel_add(&wheel, &it.timer, SEC + 5);
    wheel_run(&wheel, r.now, again, &r);
    CU_ASSERT_EQUAL(r.n, 1);
    CU_ASSERT_EQUAL(wheel_next(&wheel), 2 * SEC + MSEC);
}

TEST_MAIN("common/loop/wheel",
          {"100 000 timers fire in the order of a sorted list",
           timers_fire_in_the_order_of_a_sorted_list},
          {"a timer never fires early and at most a millisecond late",
           a_timer_never_fires_early_and_at_most_a_millisecond_late},
          {"a stopped last timer leaves the wheel idle",
           a_stopped_last_timer_leaves_the_wheel_idle},
          {"a timer restarted without delay does not hold up the turn",
           a_timer_restarted_without_delay_does_not_hold_up_the_turn})
