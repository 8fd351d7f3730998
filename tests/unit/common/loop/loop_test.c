/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real loop. Nothing here waits for a duration: timers of a few milliseconds end the runs. */
#include "common/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"

enum { THREADS = 3, POSTS = 5000, JOBS = 500 };

static struct loop *loop;
static unsigned count;
static uint64_t at;

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    count = 0;
}

static void stop_timer(struct loop_timer *t, void *ctx)
{
    (void)t, (void)ctx;
    at = loop_now(loop);
    count++;
    loop_stop(loop);
}

static void a_timer_fires_when_it_is_due_and_not_before(void)
{
    struct loop_timer t;

    begin();
    uint64_t due = loop_now(loop) + 3 * MSEC;
    loop_timer_init(&t, stop_timer, NULL);
    loop_timer_start(loop, &t, 3 * MSEC);
    loop_run(loop);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_TRUE(at >= due);
    CU_ASSERT_TRUE(loop_wall(loop) > INT64_C(1600000000) * 1000000);
    loop_free(loop);
}

static void long_timers_share_wake_ups_and_are_late_by_little(void)
{
    static const struct {
        uint64_t delay, step;
    } rows[] = {
        {0, 1},          {20 * MSEC, 1},  {127 * MSEC, 1},
        {128 * MSEC, 2}, {500 * MSEC, 4}, {5 * SEC, 64},
        {17 * SEC, 256}, {32 * SEC, 256}, {UINT64_C(7200) * SEC, 256},
    };
    struct loop_timer t;

    begin();
    loop_timer_init(&t, stop_timer, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t asked = loop_now(loop) + rows[i].delay;
        loop_timer_start(loop, &t, rows[i].delay);
        CU_ASSERT(t.due >= asked);
        CU_ASSERT(t.due - asked < (rows[i].step + 1) * MSEC);
        CU_ASSERT(rows[i].step == 1 || t.due % (rows[i].step * MSEC) == 0);
    }
    loop_timer_start(loop, &t, UINT64_MAX);
    CU_ASSERT(t.due > UINT64_MAX / 2);
    loop_timer_stop(loop, &t);
    loop_free(loop);
}

static const struct loop_task *stopped_by;

static void stop_task(struct loop_task *t, void *ctx)
{
    CU_ASSERT_PTR_EQUAL(ctx, t);
    stopped_by = t;
    loop_stop(loop);
}

static void a_task_runs_without_any_other_event(void)
{
    struct loop_task t;

    begin();
    loop_task_init(&t, stop_task, &t);
    loop_defer(loop, &t);
    loop_run(loop);
    CU_ASSERT_PTR_EQUAL(stopped_by, &t);
    loop_free(loop);
}

static void on_readable(struct loop_fd *w, unsigned events, void *ctx)
{
    char c;

    CU_ASSERT_EQUAL(events, LOOP_READ);
    CU_ASSERT_EQUAL(read(*(int *)ctx, &c, 1), 1);
    loop_fd_unwatch(w);
    loop_stop(loop);
}

static void a_readable_descriptor_is_reported_and_may_be_unwatched_there(void)
{
    struct loop_fd *w;
    int fds[2];

    begin();
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    CU_ASSERT_EQUAL(loop_fd_watch(loop, fds[0], LOOP_READ, on_readable, &fds[0], &w), 0);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
    loop_run(loop);
    loop_free(loop);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void on_signal(int signo, void *ctx)
{
    *(int *)ctx = signo;
    loop_stop(loop);
}

static void a_signal_is_handled_in_a_turn(void)
{
    int got = 0;

    begin();
    CU_ASSERT_EQUAL(loop_signal(loop, SIGUSR1, on_signal, &got), 0);
    CU_ASSERT_EQUAL(raise(SIGUSR1), 0);
    CU_ASSERT_EQUAL(got, 0);
    loop_run(loop);
    CU_ASSERT_EQUAL(got, SIGUSR1);
    loop_free(loop);
}

struct poster {
    pthread_t id;
    unsigned next; /* the number expected from it */
    struct numbered {
        struct poster *poster;
        unsigned number;
    } posts[POSTS];
};

static struct poster posters[THREADS];

static void on_post(void *ctx)
{
    struct numbered *p = ctx;

    CU_ASSERT_EQUAL(p->number, p->poster->next);
    p->poster->next++;
    if (++count == THREADS * POSTS)
        loop_stop(loop);
}

static void *post_all(void *ctx)
{
    struct poster *p = ctx;

    for (unsigned i = 0; i < POSTS; i++) {
        p->posts[i] = (struct numbered){p, i};
        if (loop_post(loop, on_post, &p->posts[i]))
            return p; /* the loop never gets its count, the test times out */
    }
    return NULL;
}

static void posts_of_other_threads_arrive_once_and_in_their_order(void)
{
    begin();
    for (int i = 0; i < THREADS; i++) {
        posters[i].next = 0;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&posters[i].id, NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(posters[i].id, NULL), 0);
        CU_ASSERT_EQUAL(posters[i].next, POSTS);
    }
    loop_free(loop);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void the_mailbox_is_bounded(void)
{
    begin();
    for (int i = 0; i < 65536; i++)
        CU_ASSERT_EQUAL_FATAL(loop_post(loop, nothing, NULL), 0);
    CU_ASSERT_EQUAL(loop_post(loop, nothing, NULL), -EBUSY);
    loop_free(loop);
}

struct counted_job {
    struct loop_job job;
    unsigned ran;
};

static unsigned ran; /* of the job thread until it is joined */

static void job_run(struct loop_job *job)
{
    CONTAINER_OF(job, struct counted_job, job)->ran = ran++;
}

static void job_done(struct loop_job *job)
{
    CU_ASSERT_EQUAL(CONTAINER_OF(job, struct counted_job, job)->ran, count);
    if (++count == JOBS)
        loop_stop(loop);
}

static void jobs_run_in_order_and_their_done_comes_to_the_loop(void)
{
    static struct counted_job jobs[JOBS + 2];
    struct loop_thread *thread;

    begin();
    ran = 0;
    CU_ASSERT_EQUAL_FATAL(loop_thread_new(loop, "jobs", JOBS, &thread), 0);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job = (struct loop_job){job_run, job_done, NULL};
        CU_ASSERT_EQUAL(loop_thread_submit(thread, &jobs[i].job), 0);
    }
    jobs[JOBS].job = jobs[JOBS + 1].job = (struct loop_job){job_run, job_done, NULL};
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &jobs[JOBS].job), -EBUSY);
    loop_run(loop);
    CU_ASSERT_EQUAL(count, JOBS);
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &jobs[JOBS].job), 0);
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &jobs[JOBS + 1].job), 0);
    loop_thread_free(thread);
    CU_ASSERT_EQUAL(count, JOBS + 2); /* freeing waits and delivers */
    loop_free(loop);
}

static void slow_task(struct loop_task *t, void *ctx)
{
    struct timespec a, b;

    (void)t, (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    do
        (void)clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 1500000);
    loop_stop(loop);
}

static void a_callback_of_more_than_a_millisecond_is_counted(void)
{
    struct loop_task t;
    struct loop_stats s;

    begin();
    loop_task_init(&t, slow_task, NULL);
    loop_defer(loop, &t);
    loop_run(loop);
    loop_stats_get(loop, &s);
    CU_ASSERT_TRUE(s.turns >= 1);
    CU_ASSERT_EQUAL(s.slow, 1);
    CU_ASSERT_TRUE(s.longest >= 1500);
    loop_free(loop);
}

TEST_MAIN("common/loop",
          {"a timer fires when it is due and not before",
           a_timer_fires_when_it_is_due_and_not_before},
          {"long timers share wake-ups and are late by little",
           long_timers_share_wake_ups_and_are_late_by_little},
          {"a task runs without any other event", a_task_runs_without_any_other_event},
          {"a readable descriptor is reported and may be unwatched there",
           a_readable_descriptor_is_reported_and_may_be_unwatched_there},
          {"a signal is handled in a turn", a_signal_is_handled_in_a_turn},
          {"posts of other threads arrive once and in their order",
           posts_of_other_threads_arrive_once_and_in_their_order},
          {"the mailbox is bounded", the_mailbox_is_bounded},
          {"jobs run in order and their done comes to the loop",
           jobs_run_in_order_and_their_done_comes_to_the_loop},
          {"a callback of more than a millisecond is counted",
           a_callback_of_more_than_a_millisecond_is_counted})
