/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both twins do the same way, and the doors to what they do differently. */
#include "common/loop/inner.h"

#define SLOW_NS (1000 * 1000)

enum { LATE_SHARE = 64, LATE_MAX_MS = 256 };

void loop_init(struct loop *l, const struct loop_impl *impl, uint64_t now)
{
    l->impl = impl;
    l->now = now;
    l->stats = (struct loop_stats){0};
    wheel_init(&l->wheel, now);
    list_init(&l->tasks);
}

void loop_fini(struct loop *l)
{
    wheel_fini(&l->wheel);
    LIST_EACH (it, &l->tasks)
        list_del(it);
}

void loop_free(struct loop *l)
{
    if (l)
        l->impl->free(l);
}

void loop_run(struct loop *l)
{
    l->impl->run(l);
}

void loop_stop(struct loop *l)
{
    l->impl->stop(l);
}

uint64_t loop_now(const struct loop *l)
{
    return l->now;
}

int64_t loop_wall(const struct loop *l)
{
    return l->wall;
}

/* ---- watchdog ---- */

uint64_t loop_call_begin(const struct loop *l)
{
    return l->impl->clock ? l->impl->clock() : 0;
}

void loop_call_end(struct loop *l, uint64_t begun)
{
    uint64_t ns = l->impl->clock ? l->impl->clock() - begun : 0;

    if (ns > SLOW_NS)
        l->stats.slow++;
    if (ns / 1000 > l->stats.longest)
        l->stats.longest = ns / 1000;
}

void loop_stats_get(const struct loop *l, struct loop_stats *ret_stats)
{
    *ret_stats = l->stats;
}

/* ---- timers ---- */

void loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t, void *ctx), void *ctx)
{
    list_init(&t->item);
    t->due = 0;
    t->fire = fire;
    t->ctx = ctx;
}

/* The end of the step of time that `due` is in. Most timers of SIP run for seconds and say that
 * something is to be forgotten: each in a turn of its own, they were half of all turns. */
static uint64_t step_end(uint64_t due, uint64_t delay)
{
    uint64_t step = delay / LATE_SHARE / MSEC, tick = due / MSEC + (due % MSEC != 0);

    if (step < 2)
        return due;
    /* A power of two: steps of different lengths end together, and where a slot of the wheel does. */
    step = step < LATE_MAX_MS ? UINT64_C(1) << (63 - __builtin_clzll(step)) : LATE_MAX_MS;
    return (tick + step - 1) / step * step * MSEC;
}

void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay)
{
    uint64_t due = l->now + delay;

    loop_timer_stop(l, t);
    if (delay >= UINT64_MAX - SEC - l->now)
        due = UINT64_MAX - SEC;
    else if (l->impl->late)
        due = step_end(due, delay);
    wheel_add(&l->wheel, t, due);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
    if (loop_timer_running(t))
        wheel_del(&l->wheel, t);
}

static void fire(struct loop_timer *t, void *ctx)
{
    struct loop *l = ctx;
    uint64_t begun = loop_call_begin(l);

    t->fire(t, t->ctx);
    loop_call_end(l, begun);
}

void loop_run_timers(struct loop *l)
{
    wheel_run(&l->wheel, l->now, fire, l);
}

/* ---- tasks ---- */

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t, void *ctx), void *ctx)
{
    list_init(&t->item);
    t->run = run;
    t->ctx = ctx;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->item))
        list_add_tail(&l->tasks, &t->item);
}

void loop_task_cancel(struct loop_task *t)
{
    list_del(&t->item);
}

void loop_run_tasks(struct loop *l)
{
    struct list now;

    /* The tasks change heads: whatever is deferred from here on is of the next turn. */
    list_add_tail(&l->tasks, &now);
    list_del(&l->tasks);
    while (!list_empty(&now)) {
        struct loop_task *t = CONTAINER_OF(now.next, struct loop_task, item);
        uint64_t begun = loop_call_begin(l);
        list_del(&t->item);
        t->run(t, t->ctx);
        loop_call_end(l, begun);
    }
}

/* ---- doors ---- */

int loop_fd_watch(struct loop *l, int fd, unsigned events,
                  void (*ready)(struct loop_fd *w, unsigned events, void *ctx), void *ctx,
                  struct loop_fd **ret_watch)
{
    return l->impl->fd_watch(l, fd, events, ready, ctx, ret_watch);
}

int loop_signal(struct loop *l, int signo, void (*fired)(int signo, void *ctx), void *ctx)
{
    return l->impl->signal(l, signo, fired, ctx);
}

int loop_post(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    return l->impl->post(l, fn, ctx);
}

int loop_thread_new(struct loop *l, const char *name, unsigned limit,
                    struct loop_thread **ret_thread)
{
    return l->impl->thread_new(l, name, limit, ret_thread);
}

int loop_thread_submit(struct loop_thread *t, struct loop_job *job)
{
    return t->impl->submit(t, job);
}

void loop_thread_free(struct loop_thread *t)
{
    if (t)
        t->impl->free(t);
}
