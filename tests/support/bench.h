/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/bench: CPU time per operation of this process, which noise on the machine does not
 * change much. Build with the release preset. */
#ifndef TESTS_SUPPORT_BENCH_H
#define TESTS_SUPPORT_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline uint64_t bench_cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void bench_report(const char *what, uint64_t since, unsigned n)
{
    (void)printf("%-44s %9.3f us\n", what, (double)(bench_cpu_ns() - since) / n / 1000);
}

#endif
