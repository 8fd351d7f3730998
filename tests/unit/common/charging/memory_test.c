/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/charging/inner.h"
#include "tests/support/suite.h"

static const struct cdr one = {.role = CDR_ORIGINATING,
                               .method = SPAN("INVITE"),
                               .session_id = SPAN("call@test"),
                               .icid = SPAN("a")};

static void a_record_is_its_call_its_half_and_its_method(void)
{
    struct spool_memory m;
    struct cdr other;

    CU_ASSERT_EQUAL_FATAL(spool_memory_init(&m, &rnd_system), 0);
    CU_ASSERT(!spool_memory_has(&m, &one));
    spool_memory_add(&m, &one);
    CU_ASSERT(spool_memory_has(&m, &one));
    other = one;
    other.role = CDR_TERMINATING;
    CU_ASSERT(!spool_memory_has(&m, &other));
    other = one;
    other.session_id = SPAN("other@test");
    CU_ASSERT(!spool_memory_has(&m, &other));
    other = one;
    other.method = SPAN("MESSAGE");
    CU_ASSERT(!spool_memory_has(&m, &other));
    other = one;
    other.icid = SPAN("b");
    CU_ASSERT(!spool_memory_has(&m, &other));
    spool_memory_fini(&m);
}

static void only_the_last_records_are_remembered(void)
{
    struct spool_memory m;
    struct cdr c = one;
    char icid[16];

    CU_ASSERT_EQUAL_FATAL(spool_memory_init(&m, &rnd_system), 0);
    for (int i = 0; i < SPOOL_REMEMBERED + 10; i++) {
        (void)snprintf(icid, sizeof(icid), "%d", i);
        c.icid = span_str(icid);
        spool_memory_add(&m, &c);
    }
    for (int i = 0; i < SPOOL_REMEMBERED + 10; i++) {
        (void)snprintf(icid, sizeof(icid), "%d", i);
        c.icid = span_str(icid);
        CU_ASSERT_EQUAL(spool_memory_has(&m, &c), i >= 10);
    }
    spool_memory_fini(&m);
}

TEST_MAIN("common/charging/memory",
          {"a record is its call, its half and its method",
           a_record_is_its_call_its_half_and_its_method},
          {"only the last records are remembered", only_the_last_records_are_remembered})
