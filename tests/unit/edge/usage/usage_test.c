/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/usage/usage.h"

#include "common/loop/loop.h"
#include "tests/support/suite.h"

static void counts(void)
{
    struct usage_flow f = {0};
    struct usage_counts a, sum = {0};

    usage_passed(&f, 172, 1000);
    usage_passed(&f, 100, 2000);
    usage_add(&f, USAGE_REFUSED_ENDED, 3);
    usage_add(&f, USAGE_POLICED, 1);
    usage_snapshot(&f, &a);
    CU_ASSERT_EQUAL(a.n[USAGE_PACKETS], 2);
    CU_ASSERT_EQUAL(a.n[USAGE_OCTETS], 272);
    CU_ASSERT_TRUE(a.first == 1000 && a.last == 2000);
    CU_ASSERT_EQUAL(usage_refused(&a), 4);
    usage_sum(&sum, &a);
    a.first = 500;
    a.last = 600;
    usage_sum(&sum, &a);
    CU_ASSERT_EQUAL(sum.n[USAGE_PACKETS], 4);
    CU_ASSERT_TRUE(sum.first == 500 && sum.last == 2000);
    usage_sum(&sum, &(struct usage_counts){0});
    CU_ASSERT_EQUAL(sum.first, 500);
}

static void names(void)
{
    for (unsigned i = 0; i < USAGE_COUNTERS; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(usage_counter_name(i));
        for (unsigned j = 0; j < i; j++)
            CU_ASSERT_STRING_NOT_EQUAL(usage_counter_name(i), usage_counter_name(j));
    }
}

static void silence(void)
{
    struct usage_watch w;

    usage_watch_start(&w, 10 * SEC);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 5, 15 * SEC, 20 * SEC), USAGE_SAME);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 5, 35 * SEC - 1, 20 * SEC), USAGE_SAME);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 5, 35 * SEC, 20 * SEC), USAGE_FELL_SILENT);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 5, 99 * SEC, 20 * SEC), USAGE_SAME);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 6, 100 * SEC, 20 * SEC), USAGE_RESUMED);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 6, 119 * SEC, 20 * SEC), USAGE_SAME);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 6, 120 * SEC, 20 * SEC), USAGE_FELL_SILENT);
    usage_watch_start(&w, SEC);
    CU_ASSERT_EQUAL(usage_watch_sample(&w, 0, 9999 * SEC, 0), USAGE_SAME);
}

TEST_MAIN("edge/usage", {"what passed and what was refused adds up over flows", counts},
          {"every counter has a name of its own", names},
          {"silence is noticed once, and its end", silence})
