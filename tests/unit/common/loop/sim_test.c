/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/loop/sim.h"

#include <errno.h>
#include <signal.h>

#include "tests/support/suite.h"

/* The context of a callback that says it (contexts are not const; this one is only read). */
#define SAYING(letters) ((void *)(uintptr_t)(letters))

static struct sim *sim;
static struct loop *loop;
static char text[64];
static struct buf log_;

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &sim), 0);
    loop = sim_loop(sim, "one");
    CU_ASSERT_PTR_NOT_NULL_FATAL(loop);
    log_ = BUF_ON(text);
}

static void say(void *ctx)
{
    buf_puts(&log_, ctx);
}

static void say_timer(struct loop_timer *t, void *ctx)
{
    (void)t;
    buf_puts(&log_, ctx);
}

static void say_task(struct loop_task *t, void *ctx)
{
    (void)t;
    buf_puts(&log_, ctx);
}

static bool said(void *ctx)
{
    return buf_span(&log_).n >= *(size_t *)ctx;
}

static void two_loops_share_one_clock(void)
{
    struct loop_timer a, b, c;

    begin();
    struct loop *other = sim_loop(sim, "two");
    uint64_t start = sim_now(sim);
    loop_timer_init(&a, say_timer, SAYING("a"));
    loop_timer_init(&b, say_timer, SAYING("b"));
    loop_timer_init(&c, say_timer, SAYING("c"));
    loop_timer_start(loop, &a, 120 * SEC);
    loop_timer_start(other, &b, 32 * SEC);
    loop_timer_start(loop, &c, 64 * SEC);
    size_t two = 2;
    CU_ASSERT_TRUE(sim_run_until(sim, said, &two, 3600 * SEC));
    CU_ASSERT_EQUAL(sim_now(sim), start + 64 * SEC);
    CU_ASSERT_EQUAL(loop_now(other), loop_now(loop));
    sim_run(sim, 3600 * SEC);
    CU_ASSERT_EQUAL(sim_now(sim), start + 3664 * SEC);
    ASSERT_SPAN_EQ(buf_span(&log_), "bca");
    sim_free(sim);
}

static void the_wall_clock_goes_with_the_virtual_one(void)
{
    begin();
    CU_ASSERT_EQUAL(loop_wall(loop), INT64_C(1893456000000000));
    sim_set_wall(sim, 5);
    sim_run(sim, 10);
    CU_ASSERT_EQUAL(loop_wall(loop), 15);
    sim_free(sim);
}

static void events_of_one_instant_come_in_the_order_of_the_calls(void)
{
    begin();
    uint64_t t = sim_now(sim) + 500;
    CU_ASSERT_EQUAL(sim_at(sim, t + 1, say, SAYING("d")), 0);
    CU_ASSERT_EQUAL(sim_at(sim, t, say, SAYING("a")), 0);
    CU_ASSERT_EQUAL(sim_at(sim, t, say, SAYING("b")), 0);
    CU_ASSERT_EQUAL(sim_at(sim, t, say, SAYING("c")), 0);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&log_), "abcd");
    sim_free(sim);
}

static struct loop_task second;

static void defer_second(struct loop_task *t, void *ctx)
{
    (void)t;
    buf_puts(&log_, ctx);
    loop_defer(loop, &second);
}

static void tasks_run_once_after_input_and_timers(void)
{
    struct loop_task first, never;
    struct loop_timer timer;

    begin();
    loop_task_init(&first, defer_second, SAYING("1"));
    loop_task_init(&second, say_task, SAYING("2"));
    loop_task_init(&never, say_task, SAYING("x"));
    loop_timer_init(&timer, say_timer, SAYING("t"));
    loop_timer_start(loop, &timer, 0);
    loop_defer(loop, &first);
    loop_defer(loop, &first);
    loop_defer(loop, &never);
    loop_task_cancel(&never);
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&log_), "12t");
    sim_free(sim);
}

static void a_post_is_delivered_at_the_same_instant_but_not_within_the_call(void)
{
    begin();
    uint64_t start = sim_now(sim);
    size_t one = 1;
    CU_ASSERT_EQUAL(loop_post(loop, say, SAYING("p")), 0);
    CU_ASSERT_EQUAL(log_.n, 0);
    CU_ASSERT_TRUE(sim_run_until(sim, said, &one, SEC));
    CU_ASSERT_EQUAL(sim_now(sim), start);
    sim_free(sim);
}

static void an_ended_process_hears_nothing_more(void)
{
    struct loop_timer timer;

    begin();
    loop_timer_init(&timer, say_timer, SAYING("t"));
    loop_timer_start(loop, &timer, SEC);
    CU_ASSERT_EQUAL(loop_post(loop, say, SAYING("p")), 0);
    loop_free(loop);
    CU_ASSERT_FALSE(loop_timer_running(&timer));
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(log_.n, 0);
    CU_ASSERT_EQUAL(loop_post(loop, say, SAYING("p")), 0); /* dropped with the sim */
    sim_free(sim);
}

static void descriptors_and_signals_are_of_the_real_world(void)
{
    struct loop_fd *w;

    begin();
    CU_ASSERT_EQUAL(loop_fd_watch(loop, 0, LOOP_READ, NULL, NULL, &w), -ENOTSUP);
    CU_ASSERT_EQUAL(loop_signal(loop, SIGHUP, NULL, NULL), -ENOTSUP);
    sim_free(sim);
}

struct named_job {
    struct loop_job job;
    const char *run, *done;
};

static void job_run(struct loop_job *job)
{
    buf_puts(&log_, CONTAINER_OF(job, struct named_job, job)->run);
}

static void job_done(struct loop_job *job)
{
    buf_puts(&log_, CONTAINER_OF(job, struct named_job, job)->done);
}

static void jobs_are_done_in_order_after_the_latency_and_bounded(void)
{
    struct named_job a = {{job_run, job_done, NULL}, "a", "A"};
    struct named_job b = {{job_run, job_done, NULL}, "b", "B"};
    struct loop_thread *thread;

    begin();
    CU_ASSERT_EQUAL_FATAL(loop_thread_new(loop, "db", 2, &thread), 0);
    uint64_t start = sim_now(sim);
    sim_thread_latency(sim, 5 * MSEC);
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &a.job), 0);
    sim_thread_latency(sim, MSEC); /* b does not overtake a */
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &b.job), 0);
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &b.job), -EBUSY);
    size_t four = 4;
    CU_ASSERT_TRUE(sim_run_until(sim, said, &four, SEC));
    CU_ASSERT_EQUAL(sim_now(sim), start + 5 * MSEC);
    ASSERT_SPAN_EQ(buf_span(&log_), "abAB");
    CU_ASSERT_EQUAL(loop_thread_submit(thread, &a.job), 0);
    loop_thread_free(thread);
    ASSERT_SPAN_EQ(buf_span(&log_), "abABaA");
    sim_run(sim, SEC);
    sim_free(sim);
}

static void timers_are_exact_however_long(void)
{
    struct loop_timer t;

    begin();
    loop_timer_init(&t, say_timer, SAYING("t"));
    loop_timer_start(loop, &t, 32 * SEC + 1);
    CU_ASSERT_EQUAL(t.due, loop_now(loop) + 32 * SEC + 1);
    sim_free(sim);
}

TEST_MAIN("common/loop/sim", {"timers are exact however long", timers_are_exact_however_long},
          {"two loops share one clock", two_loops_share_one_clock},
          {"the wall clock goes with the virtual one", the_wall_clock_goes_with_the_virtual_one},
          {"events of one instant come in the order of the calls",
           events_of_one_instant_come_in_the_order_of_the_calls},
          {"tasks run once, after input and timers", tasks_run_once_after_input_and_timers},
          {"a post is delivered at the same instant but not within the call",
           a_post_is_delivered_at_the_same_instant_but_not_within_the_call},
          {"an ended process hears nothing more", an_ended_process_hears_nothing_more},
          {"descriptors and signals are of the real world",
           descriptors_and_signals_are_of_the_real_world},
          {"jobs are done in order, after the latency, and bounded",
           jobs_are_done_in_order_after_the_latency_and_bounded})
