/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/obs/obs.h"

#include "tests/support/suite.h"

enum { M_REFUSED, M_PHONES, M_TIME };
static const char *const reasons[] = {"rate", "si\"ze"};
static const uint64_t bounds[] = {1000, 50000};
static const struct obs_metric table[] = {
    [M_REFUSED] = {"refused_total", "Requests refused", .label = "reason", .values = reasons,
                   .n_values = 2},
    [M_PHONES] = {"phones", "Phones now", .type = OBS_GAUGE},
    [M_TIME] = {"answer_seconds", "Time to answer", .type = OBS_HISTOGRAM, .bounds = bounds,
                .n_bounds = 2},
};

static void the_text_sums_up_the_workers(void)
{
    struct obs_metrics *m = NULL;
    struct obs_values *a = NULL, *b = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_metrics_new(&m), 0);
    CU_ASSERT_EQUAL_FATAL(obs_metrics_add(m, table, ARRAY_LEN(table), &a), 0);
    CU_ASSERT_EQUAL_FATAL(obs_metrics_add(m, table, ARRAY_LEN(table), &b), 0);
    obs_count(a, M_REFUSED, 1);
    obs_add(b, M_REFUSED, 1, 41);
    obs_set(a, M_PHONES, 0, 7);
    obs_set(a, M_PHONES, 0, 5);
    obs_set(b, M_PHONES, 0, -1);
    obs_observe(a, M_TIME, 1000);
    obs_observe(a, M_TIME, 1001);
    obs_observe(b, M_TIME, 2000000);
    char text[4096];
    struct buf out = BUF_ON(text);
    obs_metrics_text(m, &out);
    ASSERT_SPAN_EQ(buf_span(&out), "# HELP portcullis_refused_total Requests refused\n"
                                   "# TYPE portcullis_refused_total counter\n"
                                   "portcullis_refused_total{reason=\"rate\"} 0\n"
                                   "portcullis_refused_total{reason=\"si\\\"ze\"} 42\n"
                                   "# HELP portcullis_phones Phones now\n"
                                   "# TYPE portcullis_phones gauge\n"
                                   "portcullis_phones 4\n"
                                   "# HELP portcullis_answer_seconds Time to answer\n"
                                   "# TYPE portcullis_answer_seconds histogram\n"
                                   "portcullis_answer_seconds_bucket{le=\"0.001000\"} 1\n"
                                   "portcullis_answer_seconds_bucket{le=\"0.050000\"} 2\n"
                                   "portcullis_answer_seconds_bucket{le=\"+Inf\"} 3\n"
                                   "portcullis_answer_seconds_sum 2.002001\n"
                                   "portcullis_answer_seconds_count 3\n");
    CU_ASSERT_EQUAL(obs_value(b, M_REFUSED, 1), 41);
    obs_metrics_free(m);
}

static void a_room_without_a_registry_counts_into_nothing(void)
{
    struct obs_values *v = NULL;
    CU_ASSERT_EQUAL(obs_metrics_add(NULL, table, ARRAY_LEN(table), &v), 0);
    CU_ASSERT_PTR_NULL(v);
    obs_count(v, M_REFUSED, 0);
    obs_observe(v, M_TIME, 1);
    CU_ASSERT_EQUAL(obs_value(v, M_REFUSED, 0), 0);
}

static void a_label_out_of_range_is_ignored(void)
{
    struct obs_metrics *m = NULL;
    struct obs_values *v = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_metrics_new(&m), 0);
    CU_ASSERT_EQUAL_FATAL(obs_metrics_add(m, table, ARRAY_LEN(table), &v), 0);
    obs_count(v, M_REFUSED, 2);
    obs_count(v, 17, 0);
    CU_ASSERT_EQUAL(obs_value(v, M_PHONES, 0), 0);
    obs_metrics_free(m);
}

static void count_call(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void collectors_run_when_asked(void)
{
    struct obs_metrics *m = NULL;
    unsigned a = 0, b = 0;
    CU_ASSERT_EQUAL_FATAL(obs_metrics_new(&m), 0);
    CU_ASSERT_EQUAL(obs_metrics_collector(m, count_call, &a), 0);
    CU_ASSERT_EQUAL(obs_metrics_collector(m, count_call, &b), 0);
    obs_metrics_collect(m);
    CU_ASSERT_EQUAL(a, 1);
    CU_ASSERT_EQUAL(b, 1);
    obs_metrics_free(m);
}

TEST_MAIN("common/obs/metrics", {"the text sums up the workers", the_text_sums_up_the_workers},
          {"a room without a registry counts into nothing",
           a_room_without_a_registry_counts_into_nothing},
          {"a label out of range is ignored", a_label_out_of_range_is_ignored},
          {"collectors run when asked", collectors_run_when_asked})
