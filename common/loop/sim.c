/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/loop/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/loop/inner.h"

#define START SEC
/* 2030-01-01 00:00:00 UTC */
#define WALL (INT64_C(1893456000) * 1000000)
#define IDLE UINT64_MAX
/* So many turns without the clock moving: somebody defers or posts himself for ever. */
#define STUCK 10000000

struct event {
    uint64_t when, order;
    void (*fn)(void *ctx);
    void *ctx;
};

struct sim_loop {
    struct loop loop;
    struct sim *sim;
    struct list item;
    struct list posts; /* struct post */
    char *name;
    bool dead, stopped;
};

struct sim {
    uint64_t now, order;
    int64_t wall;
    uint64_t seed, latency, turns_at_now;
    struct rnd rnd;
    struct event *heap;
    size_t n, cap;
    struct list loops;   /* struct sim_loop */
    struct list threads; /* struct sim_thread, also freed ones whose events are still to come */
};

struct post {
    struct list item;
    struct sim_loop *loop;
    void (*fn)(void *ctx);
    void *ctx;
};

struct sim_thread {
    struct loop_thread thread;
    struct list item;
    struct loop_job *first, **last; /* have run, done has not */
    uint64_t latest;
    unsigned events;
    bool freed;
};

static struct sim_loop *of(struct loop *l)
{
    return CONTAINER_OF(l, struct sim_loop, loop);
}

/* ---- events: a binary heap on (when, order) ---- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

int sim_at(struct sim *s, uint64_t when, void (*fn)(void *ctx), void *ctx)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct event *heap = realloc(s->heap, cap * sizeof(*heap));
        if (!heap)
            return -ENOMEM;
        s->heap = heap;
        s->cap = cap;
    }
    struct event e = {when > s->now ? when : s->now, s->order++, fn, ctx};
    size_t i = s->n++;
    for (; i > 0 && earlier(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
    return 0;
}

static struct event take_first(struct sim *s)
{
    struct event first = s->heap[0], e = s->heap[--s->n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
        if (child + 1 < s->n && earlier(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!earlier(&s->heap[child], &e))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = e;
    return first;
}

/* ---- the sim ---- */

int sim_new(uint64_t seed, struct sim **ret_sim)
{
    struct sim *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->now = START;
    s->wall = WALL;
    s->seed = seed;
    s->rnd = rnd_seeded(&s->seed);
    list_init(&s->loops);
    list_init(&s->threads);
    *ret_sim = s;
    return 0;
}

static void drop_posts(struct sim_loop *l)
{
    LIST_EACH (it, &l->posts) {
        list_del(it);
        free(CONTAINER_OF(it, struct post, item));
    }
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    LIST_EACH (it, &s->threads)
        free(CONTAINER_OF(it, struct sim_thread, item));
    LIST_EACH (it, &s->loops) {
        struct sim_loop *l = CONTAINER_OF(it, struct sim_loop, item);
        loop_free(&l->loop);
        drop_posts(l);
        free(l->name);
        free(l);
    }
    free(s->heap);
    free(s);
}

uint64_t sim_now(const struct sim *s)
{
    return s->now;
}

const struct rnd *sim_rnd(struct sim *s)
{
    return &s->rnd;
}

static void set_now(struct sim *s, uint64_t now)
{
    if (now > s->now)
        s->turns_at_now = 0;
    s->now = now;
    LIST_EACH (it, &s->loops) {
        struct sim_loop *l = CONTAINER_OF(it, struct sim_loop, item);
        l->loop.now = now;
        l->loop.wall = s->wall + (int64_t)(now - START);
    }
}

void sim_set_wall(struct sim *s, int64_t wall_us)
{
    s->wall = wall_us;
    set_now(s, s->now);
}

void sim_thread_latency(struct sim *s, uint64_t us)
{
    s->latency = us;
}

/* ---- turns ---- */

static bool has_tasks(const struct sim *s)
{
    LIST_EACH (it, &s->loops) {
        struct sim_loop *l = CONTAINER_OF(it, struct sim_loop, item);
        if (!l->dead && !list_empty(&l->loop.tasks))
            return true;
    }
    return false;
}

static void run_tasks(struct sim *s)
{
    LIST_EACH (it, &s->loops) {
        struct sim_loop *l = CONTAINER_OF(it, struct sim_loop, item);
        if (!l->dead && !list_empty(&l->loop.tasks)) {
            l->loop.stats.turns++;
            loop_run_tasks(&l->loop);
        }
    }
}

static struct sim_loop *next_timers(const struct sim *s, uint64_t *ret_when)
{
    struct sim_loop *first = NULL;

    *ret_when = IDLE;
    LIST_EACH (it, &s->loops) {
        struct sim_loop *l = CONTAINER_OF(it, struct sim_loop, item);
        uint64_t when = l->dead ? WHEEL_IDLE : wheel_next(&l->loop.wheel);
        if (when < *ret_when) {
            *ret_when = when;
            first = l;
        }
    }
    return first;
}

/* One turn at or before `end`; false when there is none. */
static bool turn(struct sim *s, uint64_t end)
{
    uint64_t when_timer, when_event = s->n ? s->heap[0].when : IDLE;
    struct sim_loop *l = next_timers(s, &when_timer);
    uint64_t when = when_event <= when_timer ? when_event : when_timer;

    s->turns_at_now++;
    assert(s->turns_at_now < STUCK);
    if (has_tasks(s)) {
        run_tasks(s);
        return true;
    }
    if (when > end || when == IDLE)
        return false;
    if (when > s->now)
        set_now(s, when);
    if (when_event <= when_timer) {
        struct event e = take_first(s);
        e.fn(e.ctx);
    } else {
        l->loop.stats.turns++;
        loop_run_timers(&l->loop);
    }
    run_tasks(s);
    return true;
}

bool sim_run_until(struct sim *s, bool (*cond)(void *ctx), void *ctx, uint64_t limit)
{
    uint64_t end = limit < IDLE - s->now ? s->now + limit : IDLE;

    while (!cond || !cond(ctx)) {
        if (turn(s, end))
            continue;
        if (end != IDLE)
            set_now(s, end);
        return false;
    }
    return true;
}

void sim_run(struct sim *s, uint64_t us)
{
    (void)sim_run_until(s, NULL, NULL,
                        us); /* without a condition it is always the time that ends it */
}

/* ---- job threads ---- */

static void thread_release(struct sim_thread *t)
{
    if (!t->freed || t->events)
        return;
    list_del(&t->item);
    free(t);
}

static void deliver(struct sim_thread *t)
{
    struct loop_job *job = t->first;

    if (!job)
        return;
    t->first = job->next;
    if (!t->first)
        t->last = &t->first;
    t->thread.taken--;
    job->done(job);
}

static void on_done(void *ctx)
{
    struct sim_thread *t = ctx;

    t->events--;
    if (!t->freed)
        deliver(t);
    thread_release(t);
}

static int thread_submit(struct loop_thread *thread, struct loop_job *job)
{
    struct sim_thread *t = CONTAINER_OF(thread, struct sim_thread, thread);
    struct sim *s = of(thread->loop)->sim;
    uint64_t when = s->now + s->latency;
    int err;

    if (thread->taken >= thread->limit)
        return -EBUSY;
    /* A shorter latency must not let a job overtake. */
    if (when < t->latest)
        when = t->latest;
    err = sim_at(s, when, on_done, t);
    if (err)
        return err;
    t->latest = when;
    t->events++;
    thread->taken++;
    job->next = NULL;
    job->run(job);
    *t->last = job;
    t->last = &job->next;
    return 0;
}

static void thread_free(struct loop_thread *thread)
{
    struct sim_thread *t = CONTAINER_OF(thread, struct sim_thread, thread);

    while (t->first)
        deliver(t);
    t->freed = true;
    thread_release(t);
}

static int thread_new(struct loop *l, const char *name, unsigned limit,
                      struct loop_thread **ret_thread)
{
    static const struct thread_impl impl = {thread_submit, thread_free};
    struct sim_thread *t = calloc(1, sizeof(*t));

    (void)name; /* names a thread of the system; there is none */
    if (!t)
        return -ENOMEM;
    t->thread = (struct loop_thread){.impl = &impl, .loop = l, .limit = limit};
    t->last = &t->first;
    list_add_tail(&of(l)->sim->threads, &t->item);
    *ret_thread = &t->thread;
    return 0;
}

/* ---- the loop ---- */

static void sim_loop_free(struct loop *loop)
{
    struct sim_loop *l = of(loop);

    if (!l->dead)
        loop_fini(loop);
    l->dead = true;
}

static bool is_stopped(void *ctx)
{
    return ((struct sim_loop *)ctx)->stopped;
}

static void sim_loop_run(struct loop *loop)
{
    struct sim_loop *l = of(loop);

    l->stopped = false;
    (void)sim_run_until(l->sim, is_stopped, l, UINT64_MAX); /* nothing left to do ends it as well */
}

static void sim_loop_stop(struct loop *l)
{
    of(l)->stopped = true;
}

static int no_fd_watch(struct loop *l, int fd, unsigned events,
                       void (*ready)(struct loop_fd *w, unsigned events, void *ctx), void *ctx,
                       struct loop_fd **ret_watch)
{
    (void)l, (void)fd, (void)events, (void)ready, (void)ctx, (void)ret_watch;
    return -ENOTSUP;
}

static int no_signal(struct loop *l, int signo, void (*fired)(int signo, void *ctx), void *ctx)
{
    (void)l, (void)signo, (void)fired, (void)ctx;
    return -ENOTSUP;
}

static void on_post(void *ctx)
{
    struct post p = *(struct post *)ctx;

    list_del(&((struct post *)ctx)->item);
    free(ctx);
    if (p.loop->dead)
        return;
    p.loop->loop.stats.turns++;
    p.fn(p.ctx);
}

static int sim_post(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
    struct sim_loop *l = of(loop);
    struct post *p = malloc(sizeof(*p));
    int err;

    if (!p)
        return -ENOMEM;
    p->loop = l;
    p->fn = fn;
    p->ctx = ctx;
    err = sim_at(l->sim, l->sim->now, on_post, p);
    if (err) {
        free(p);
        return err;
    }
    list_add_tail(&l->posts, &p->item);
    return 0;
}

struct loop *sim_loop(struct sim *s, const char *name)
{
    static const struct loop_impl impl = {
        .free = sim_loop_free,
        .run = sim_loop_run,
        .stop = sim_loop_stop,
        .fd_watch = no_fd_watch,
        .signal = no_signal,
        .post = sim_post,
        .thread_new = thread_new,
    };
    struct sim_loop *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->name = span_dup(span_str(name));
    if (!l->name) {
        free(l);
        return NULL;
    }
    loop_init(&l->loop, &impl, s->now);
    l->sim = s;
    list_init(&l->posts);
    list_add_tail(&s->loops, &l->item);
    set_now(s, s->now);
    return &l->loop;
}
