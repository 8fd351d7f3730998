/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real twin. A turn of libuv is: prepare, poll (input), check. Time is taken with the first
 * callback after the poll; timers and tasks run in check; the uv_timer only bounds the poll. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "common/loop/inner.h"

enum { POSTS_MAX = 65536 };

struct post {
    void (*fn)(void *ctx);
    void *ctx;
};

struct posts {
    struct post *p;
    size_t n, cap;
};

struct uv {
    struct loop loop;
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t wake;
    uv_async_t mail;
    bool stale; /* time is to be taken */
    pthread_mutex_t lock;
    struct posts waiting; /* under lock */
    struct posts running;
};

struct loop_fd {
    uv_poll_t poll;
    struct uv *uv;
    unsigned events;
    bool gone;
    void (*ready)(struct loop_fd *w, unsigned events, void *ctx);
    void *ctx;
};

struct watched_signal {
    uv_signal_t signal;
    struct uv *uv;
    void (*fired)(int signo, void *ctx);
    void *ctx;
};

static struct uv *of(struct loop *l)
{
    return CONTAINER_OF(l, struct uv, loop);
}

static void take_time(struct uv *u)
{
    struct timespec ts;

    u->stale = false;
    u->loop.now = uv_hrtime() / 1000;
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for this clock */
    u->loop.wall = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Every way from libuv into a room begins here. */
static uint64_t enter(struct uv *u)
{
    if (u->stale)
        take_time(u);
    return loop_call_begin(&u->loop);
}

static void on_wake(uv_timer_t *t)
{
    (void)t; /* the timers run in check */
}

static void on_prepare(uv_prepare_t *p)
{
    struct uv *u = p->data;
    uint64_t next = list_empty(&u->loop.tasks) ? wheel_next(&u->loop.wheel) : 0;
    uint64_t now = uv_now(&u->uv);

    u->stale = true;
    if (next == WHEEL_IDLE)
        (void)uv_timer_stop(&u->wake); /* always 0 */
    else
        (void)uv_timer_start(&u->wake, on_wake, next / MSEC > now ? next / MSEC - now : 0, 0);
}

static void on_check(uv_check_t *c)
{
    struct uv *u = c->data;

    if (u->stale)
        take_time(u);
    u->loop.stats.turns++;
    loop_run_timers(&u->loop);
    loop_run_tasks(&u->loop);
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct loop_fd *w = p->data;
    struct uv *u = w->uv;
    uint64_t begun = enter(u);
    unsigned ready = 0;

    /* An error shows itself to whoever reads or writes. */
    if (status < 0)
        ready = w->events;
    if (events & UV_READABLE)
        ready |= LOOP_READ;
    if (events & UV_WRITABLE)
        ready |= LOOP_WRITE;
    w->ready(w, ready, w->ctx);
    loop_call_end(&u->loop, begun);
}

int loop_fd_change(struct loop_fd *w, unsigned events)
{
    int uv_events =
        (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);

    if (w->events == events)
        return 0;
    w->events = events;
    return uv_events ? uv_poll_start(&w->poll, uv_events, on_poll) : uv_poll_stop(&w->poll);
}

static void free_watch(uv_handle_t *h)
{
    free(h->data);
}

void loop_fd_unwatch(struct loop_fd *w)
{
    if (!w || w->gone)
        return;
    w->gone = true;
    uv_close((uv_handle_t *)&w->poll, free_watch);
}

static int fd_watch(struct loop *l, int fd, unsigned events,
                    void (*ready)(struct loop_fd *w, unsigned events, void *ctx), void *ctx,
                    struct loop_fd **ret_watch)
{
    struct loop_fd *w = calloc(1, sizeof(*w));
    int err = w ? uv_poll_init(&of(l)->uv, &w->poll, fd) : -ENOMEM;

    if (err) {
        free(w);
        return err;
    }
    w->poll.data = w;
    w->uv = of(l);
    w->ready = ready;
    w->ctx = ctx;
    err = loop_fd_change(w, events);
    if (err) {
        loop_fd_unwatch(w);
        return err;
    }
    *ret_watch = w;
    return 0;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *s, int signo)
{
    struct watched_signal *w = s->data;
    uint64_t begun = enter(w->uv);

    w->fired(signo, w->ctx);
    loop_call_end(&w->uv->loop, begun);
}

static int watch_signal(struct loop *l, int signo, void (*fired)(int signo, void *ctx), void *ctx)
{
    struct watched_signal *w = calloc(1, sizeof(*w));
    int err = w ? uv_signal_init(&of(l)->uv, &w->signal) : -ENOMEM;

    if (err) {
        free(w);
        return err;
    }
    w->signal.data = w;
    w->uv = of(l);
    w->fired = fired;
    w->ctx = ctx;
    err = uv_signal_start(&w->signal, on_signal, signo);
    if (err)
        uv_close((uv_handle_t *)&w->signal, free_watch);
    return err;
}

/* ---- mailbox ---- */

static int post(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    struct uv *u = of(l);
    struct posts *w = &u->waiting;
    int err = 0;

    (void)pthread_mutex_lock(&u->lock); /* a plain mutex that nobody holds twice */
    if (w->n >= POSTS_MAX) {
        err = -EBUSY;
    } else if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        struct post *p = realloc(w->p, cap * sizeof(*p));
        if (p) {
            w->p = p;
            w->cap = cap;
        } else {
            err = -ENOMEM;
        }
    }
    if (err == 0)
        w->p[w->n++] = (struct post){fn, ctx};
    (void)pthread_mutex_unlock(&u->lock);
    return err ? err : uv_async_send(&u->mail);
}

static void on_mail(uv_async_t *a)
{
    struct uv *u = a->data;
    struct posts empty = u->running;

    (void)pthread_mutex_lock(&u->lock); /* as in post */
    u->running = u->waiting;
    u->waiting = empty;
    (void)pthread_mutex_unlock(&u->lock);
    for (size_t i = 0; i < u->running.n; i++) {
        uint64_t begun = enter(u);
        u->running.p[i].fn(u->running.p[i].ctx);
        loop_call_end(&u->loop, begun);
    }
    u->running.n = 0;
}

/* ---- job threads ---- */

struct jobs {
    struct loop_job *first, **last;
};

struct uv_thread {
    struct loop_thread thread;
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct jobs todo, done; /* under lock */
    bool stop;              /* under lock */
    uv_async_t finished;
};

static void jobs_init(struct jobs *j)
{
    j->first = NULL;
    j->last = &j->first;
}

static void jobs_add(struct jobs *j, struct loop_job *job)
{
    job->next = NULL;
    *j->last = job;
    j->last = &job->next;
}

static struct loop_job *jobs_take(struct jobs *j)
{
    struct loop_job *job = j->first;

    if (job && !(j->first = job->next))
        j->last = &j->first;
    return job;
}

static void *thread_main(void *arg)
{
    struct uv_thread *t = arg;
    struct loop_job *job;

    (void)pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!(job = jobs_take(&t->todo)) && !t->stop)
            (void)pthread_cond_wait(&t->more, &t->lock);
        if (!job)
            break;
        (void)pthread_mutex_unlock(&t->lock);
        job->run(job);
        (void)pthread_mutex_lock(&t->lock);
        jobs_add(&t->done, job);
        (void)uv_async_send(&t->finished); /* fails only on a closed handle */
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void deliver(struct uv_thread *t)
{
    struct uv *u = of(t->thread.loop);
    struct loop_job *job;

    for (;;) {
        (void)pthread_mutex_lock(&t->lock);
        job = jobs_take(&t->done);
        (void)pthread_mutex_unlock(&t->lock);
        if (!job)
            return;
        uint64_t begun = enter(u);
        t->thread.taken--;
        job->done(job);
        loop_call_end(&u->loop, begun);
    }
}

static void on_finished(uv_async_t *a)
{
    deliver(a->data);
}

static int thread_submit(struct loop_thread *thread, struct loop_job *job)
{
    struct uv_thread *t = CONTAINER_OF(thread, struct uv_thread, thread);

    if (thread->taken >= thread->limit)
        return -EBUSY;
    thread->taken++;
    (void)pthread_mutex_lock(&t->lock);
    jobs_add(&t->todo, job);
    (void)pthread_cond_signal(&t->more);
    (void)pthread_mutex_unlock(&t->lock);
    return 0;
}

static void free_thread(uv_handle_t *h)
{
    struct uv_thread *t = h->data;

    (void)pthread_cond_destroy(&t->more);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static void thread_free(struct loop_thread *thread)
{
    struct uv_thread *t = CONTAINER_OF(thread, struct uv_thread, thread);

    (void)pthread_mutex_lock(&t->lock);
    t->stop = true;
    (void)pthread_cond_signal(&t->more);
    (void)pthread_mutex_unlock(&t->lock);
    (void)pthread_join(t->id, NULL);
    deliver(t);
    uv_close((uv_handle_t *)&t->finished, free_thread);
}

static int thread_new(struct loop *l, const char *name, unsigned limit,
                      struct loop_thread **ret_thread)
{
    static const struct thread_impl impl = {thread_submit, thread_free};
    struct uv_thread *t = calloc(1, sizeof(*t));
    int err = t ? uv_async_init(&of(l)->uv, &t->finished, on_finished) : -ENOMEM;

    (void)name; /* naming a thread is not in POSIX; debuggers show thread_main */
    if (err) {
        free(t);
        return err;
    }
    t->finished.data = t;
    t->thread = (struct loop_thread){.impl = &impl, .loop = l, .limit = limit};
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->more, NULL);
    jobs_init(&t->todo);
    jobs_init(&t->done);
    err = pthread_create(&t->id, NULL, thread_main, t);
    if (err) {
        uv_close((uv_handle_t *)&t->finished, free_thread);
        return -err;
    }
    *ret_thread = &t->thread;
    return 0;
}

/* ---- the loop ---- */

static void close_handle(uv_handle_t *h, void *arg)
{
    struct uv *u = arg;
    bool own = h == (uv_handle_t *)&u->prepare || h == (uv_handle_t *)&u->check ||
               h == (uv_handle_t *)&u->wake || h == (uv_handle_t *)&u->mail;

    /* What is left besides ours are signals, which live as long as the loop. */
    if (!uv_is_closing(h))
        uv_close(h, own ? NULL : free_watch);
}

static void uv_twin_free(struct loop *l)
{
    struct uv *u = of(l);

    uv_walk(&u->uv, close_handle, u);
    while (uv_run(&u->uv, UV_RUN_DEFAULT))
        ;
    (void)uv_loop_close(&u->uv); /* every handle is closed */
    loop_fini(l);
    (void)pthread_mutex_destroy(&u->lock);
    free(u->waiting.p);
    free(u->running.p);
    free(u);
}

static void uv_twin_run(struct loop *l)
{
    take_time(of(l));
    (void)uv_run(&of(l)->uv, UV_RUN_DEFAULT); /* handles left is the normal end by loop_stop */
}

static void uv_twin_stop(struct loop *l)
{
    uv_stop(&of(l)->uv);
}

int loop_new(struct loop **ret_loop)
{
    static const struct loop_impl impl = {
        .free = uv_twin_free,
        .run = uv_twin_run,
        .stop = uv_twin_stop,
        .fd_watch = fd_watch,
        .signal = watch_signal,
        .post = post,
        .thread_new = thread_new,
        .clock = uv_hrtime,
        .late = true,
    };
    struct uv *u = calloc(1, sizeof(*u));
    int err = u ? uv_loop_init(&u->uv) : -ENOMEM;

    if (err) {
        free(u);
        return err;
    }
    err = uv_async_init(&u->uv, &u->mail, on_mail);
    if (err) {
        (void)uv_loop_close(&u->uv); /* without handles it cannot fail */
        free(u);
        return err;
    }
    (void)uv_prepare_init(&u->uv, &u->prepare); /* these cannot fail */
    (void)uv_check_init(&u->uv, &u->check);
    (void)uv_timer_init(&u->uv, &u->wake);
    u->prepare.data = u->check.data = u->wake.data = u->mail.data = u;
    (void)uv_prepare_start(&u->prepare, on_prepare);
    (void)uv_check_start(&u->check, on_check);
    (void)pthread_mutex_init(&u->lock, NULL);
    loop_init(&u->loop, &impl, uv_hrtime() / 1000);
    take_time(u);
    *ret_loop = &u->loop;
    return 0;
}
