/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/loop, inside: what the two twins share. Not for other rooms. */
#ifndef COMMON_LOOP_INNER_H
#define COMMON_LOOP_INNER_H

#include "common/loop/loop.h"

/* ---- the timer wheel ---- */

/* 64 slots a level and 1 ms a slot: nine levels cover every 64-bit microsecond, so there is no
 * overflow list. */
enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 9 };

struct wheel {
    uint64_t tick; /* the millisecond the slots are relative to */
    uint64_t last; /* the last millisecond that ran or is running; nothing is put there or before */
    uint64_t used[WHEEL_LEVELS + 1];
    /* The last "level" has one slot: the timers that are just firing. */
    struct list slot[(WHEEL_LEVELS + 1) * WHEEL_SLOTS];
};

#define WHEEL_IDLE UINT64_MAX

void wheel_init(struct wheel *w, uint64_t now);
/* Forgets every timer, so that none believes it runs. */
void wheel_fini(struct wheel *w);
void wheel_add(struct wheel *w, struct loop_timer *t, uint64_t due);
void wheel_del(struct wheel *w, struct loop_timer *t);
/* The microsecond at which wheel_run has something to do (at the latest: a timer may be due later
 * than that, never earlier), or WHEEL_IDLE. */
uint64_t wheel_next(const struct wheel *w);
/* Fires what is due at `now`, by millisecond, within one in the order of the starts. A timer
 * started by a callback waits for the next run. */
void wheel_run(struct wheel *w, uint64_t now, void (*fire)(struct loop_timer *t, void *ctx),
               void *ctx);

/* ---- the loop of either twin ---- */

struct loop_impl {
    void (*free)(struct loop *l);
    void (*run)(struct loop *l);
    void (*stop)(struct loop *l);
    int (*fd_watch)(struct loop *l, int fd, unsigned events,
                    void (*ready)(struct loop_fd *w, unsigned events, void *ctx), void *ctx,
                    struct loop_fd **ret_watch);
    int (*signal)(struct loop *l, int signo, void (*fired)(int signo, void *ctx), void *ctx);
    int (*post)(struct loop *l, void (*fn)(void *ctx), void *ctx);
    int (*thread_new)(struct loop *l, const char *name, unsigned limit,
                      struct loop_thread **ret_thread);
    uint64_t (*clock)(
        void); /* nanoseconds for the watchdog; NULL = virtual time, nothing is slow */
    bool late; /* timers may be: a wake-up costs something */
};

struct loop {
    const struct loop_impl *impl;
    uint64_t now;
    int64_t wall;
    struct wheel wheel;
    struct list tasks;
    struct loop_stats stats;
};

struct thread_impl {
    int (*submit)(struct loop_thread *t, struct loop_job *job);
    void (*free)(struct loop_thread *t);
};

struct loop_thread {
    const struct thread_impl *impl;
    struct loop *loop;
    unsigned limit, taken; /* taken: submitted, done not yet run */
};

void loop_init(struct loop *l, const struct loop_impl *impl, uint64_t now);
void loop_fini(struct loop *l);
/* Around every callback: counts those that hold up the loop. */
uint64_t loop_call_begin(const struct loop *l);
void loop_call_end(struct loop *l, uint64_t begun);
void loop_run_timers(struct loop *l);
/* Runs the tasks deferred up to now; those deferred meanwhile stay for the next turn. */
void loop_run_tasks(struct loop *l);

#endif
