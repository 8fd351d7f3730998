/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/loop: time, timers, descriptors and work from other threads, for one worker.
 *
 * Decides   nothing; it orders what happens: input, then timers, then deferred tasks, once per
 *           turn.
 * Owns      the loop and its timer wheel. Timers, tasks and watches are embedded in their owners,
 *           who stop them.
 * Threads   everything but loop_post belongs to the loop's thread.
 * Errors    negative errno; starting a timer or deferring a task cannot fail.
 * Never     lets rooms read a clock: time is taken once per turn and asked from here.
 * Twins     loop_new is libuv; sim_loop (common/loop/sim.h) runs many loops in one process on
 *           virtual time.
 * Tests     tests/unit/common/loop. */
#ifndef COMMON_LOOP_LOOP_H
#define COMMON_LOOP_LOOP_H

#include "common/base/base.h"

struct loop;

/* The libuv loop. -ENOMEM or libuv's errno. */
int loop_new(struct loop **ret_loop);
void loop_free(struct loop *l);
/* Runs until loop_stop. */
void loop_run(struct loop *l);
/* Ends loop_run after this turn. */
void loop_stop(struct loop *l);

/* Monotonic microseconds at the start of this turn; never 0. */
uint64_t loop_now(const struct loop *l);
/* Wall clock, microseconds since 1970-01-01 UTC, at the start of this turn. */
int64_t loop_wall(const struct loop *l);

/* How the loop is doing, since it was made. */
struct loop_stats {
    uint64_t turns;
    uint64_t slow;    /* callbacks that took more than 1 ms */
    uint64_t longest; /* microseconds of the longest callback */
};
void loop_stats_get(const struct loop *l, struct loop_stats *ret_stats);

#define MSEC UINT64_C(1000)
#define SEC  UINT64_C(1000000)

/* ---- timers: hierarchical wheel, 1 ms slots; start and stop are O(1), never early. So that they
 * share wake-ups, the libuv twin may fire a timer late by a 64th of its delay, by 256 ms at most; the
 * simulated twin is exact. ------------------------------------------------------------------------ */

struct loop_timer {
    struct list item;
    uint64_t due; /* 0 = not running */
    void (*fire)(struct loop_timer *t, void *ctx);
    void *ctx;
};

void loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t, void *ctx),
                     void *ctx);
/* Restarts a running timer. delay in microseconds; without one it fires in the next millisecond,
 * not in this turn. Timers of the same millisecond fire in the order of their starts. */
void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay);
void loop_timer_stop(struct loop *l, struct loop_timer *t); /* fine on a timer that does not run */
static inline bool loop_timer_running(const struct loop_timer *t)
{
    return t->due != 0;
}

/* ---- tasks: run once at the end of this turn (objects that end free themselves there) -------- */

struct loop_task {
    struct list item;
    void (*run)(struct loop_task *task, void *ctx);
    void *ctx;
};

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t, void *ctx), void *ctx);
/* Deferring a deferred task changes nothing; deferred by a running task, it runs a turn later. */
void loop_defer(struct loop *l, struct loop_task *t);
void loop_task_cancel(struct loop_task *t);

/* ---- descriptors ----------------------------------------------------------------------------- */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_fd;
/* Level-triggered. The descriptor stays the caller's. Only real loops; -ENOTSUP in the simulated
 * twin. */
int loop_fd_watch(struct loop *l, int fd, unsigned events,
                  void (*ready)(struct loop_fd *w, unsigned events, void *ctx), void *ctx,
                  struct loop_fd **ret_watch);
int loop_fd_change(struct loop_fd *w, unsigned events);
void loop_fd_unwatch(struct loop_fd *w); /* may be called from its own callback */

/* SIGTERM, SIGHUP ...: handled in a turn of the loop. Real loops only. */
int loop_signal(struct loop *l, int signo, void (*fired)(int signo, void *ctx), void *ctx);

/* ---- mailbox: the only call for other threads ------------------------------------------------ */

/* Runs fn(ctx) in a later turn of l, in the order of the calls of each thread. -EBUSY while 65 536
 * wait, -ENOMEM. What waits when the loop is freed is dropped. The simulated twin delivers at the
 * same virtual instant. */
int loop_post(struct loop *l, void (*fn)(void *ctx), void *ctx);

/* ---- jobs: a thread of its own for what blocks (SQLite, fsync) ------------------------------- */

/* Jobs of one loop_thread run in the order given, one at a time; `done` runs in the loop, in
 * the same order. With `limit` jobs whose done has not run, loop_thread_submit answers -EBUSY.
 * The simulated twin runs `run` at once and `done` after the virtual latency given to
 * sim_thread_latency. */

struct loop_thread;
struct loop_job {
    void (*run)(struct loop_job *job);  /* on the thread */
    void (*done)(struct loop_job *job); /* on the loop; may free the job */
    struct loop_job *next;
};

int loop_thread_new(struct loop *l, const char *name, unsigned limit,
                    struct loop_thread **ret_thread);
int loop_thread_submit(struct loop_thread *t, struct loop_job *job);
/* Waits for the jobs taken, delivers their done, joins. */
void loop_thread_free(struct loop_thread *t);

#endif
