/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/access/access.h"
#include "tests/support/suite.h"

static struct addr source(unsigned n)
{
    return (struct addr){
        .family = AF_INET, .port = (uint16_t)(1000 + n), .ip = {192, 0, 2, (uint8_t)n}};
}

static unsigned passed(struct access *a, unsigned who, unsigned tries, uint64_t now)
{
    struct addr from = source(who);
    unsigned n = 0;

    while (tries--)
        n += access_check(a, &from, false, 100, now) == ACCESS_PASS;
    return n;
}

static void a_burst_passes_then_the_rate_holds(void)
{
    struct access a;
    struct access_options o = {.rate = 10, .burst = 5, .sources = 8, .message_max = 1000};

    CU_ASSERT_EQUAL_FATAL(access_init(&a, &rnd_system, &o), 0);
    CU_ASSERT_EQUAL(passed(&a, 1, 20, 1000000), 5);
    CU_ASSERT_EQUAL(passed(&a, 2, 20, 1000000), 5); /* another address is not touched */
    CU_ASSERT_EQUAL(passed(&a, 1, 20, 1200000), 2);
    CU_ASSERT_EQUAL(passed(&a, 1, 20, 9000000), 5);
    access_fini(&a);
}

static void a_new_source_takes_the_oldest_place(void)
{
    struct access a;
    struct access_options o = {.rate = 1, .burst = 1, .sources = 2, .message_max = 1000};

    CU_ASSERT_EQUAL_FATAL(access_init(&a, &rnd_system, &o), 0);
    CU_ASSERT_EQUAL(passed(&a, 1, 1, 1), 1);
    CU_ASSERT_EQUAL(passed(&a, 2, 1, 1), 1);
    CU_ASSERT_EQUAL(passed(&a, 1, 1, 1), 0); /* heard again: 2 is the oldest now */
    CU_ASSERT_EQUAL(passed(&a, 3, 1, 1), 1);
    CU_ASSERT_EQUAL(passed(&a, 1, 1, 1), 0);
    CU_ASSERT_EQUAL(a.map.count, 2);
    access_fini(&a);
}

static void what_came_through_an_association_is_counted_apart(void)
{
    struct access a;
    struct access_options o = {.rate = 1, .burst = 2, .sources = 8, .message_max = 1000};
    struct addr from = source(1), other_port = source(1);

    other_port.port++;
    CU_ASSERT_EQUAL_FATAL(access_init(&a, &rnd_system, &o), 0);
    CU_ASSERT_EQUAL(passed(&a, 1, 20, 1), 2);
    CU_ASSERT_EQUAL(access_check(&a, &from, true, 100, 1), ACCESS_PASS);
    CU_ASSERT_EQUAL(access_check(&a, &other_port, true, 100, 1), ACCESS_PASS);
    /* and bounded as well, whichever ports it takes */
    CU_ASSERT_EQUAL(access_check(&a, &from, true, 100, 1), ACCESS_TOO_FAST);
    CU_ASSERT_EQUAL(access_check(&a, &other_port, true, 100, 1), ACCESS_TOO_FAST);
    CU_ASSERT_EQUAL(passed(&a, 1, 1, 1), 0);
    access_fini(&a);
}

static void size_is_looked_at_first(void)
{
    struct access a;
    struct access_options o = {.rate = 0, .burst = 1, .sources = 2, .message_max = 1000};
    struct addr from = source(1);

    CU_ASSERT_EQUAL_FATAL(access_init(&a, &rnd_system, &o), 0);
    CU_ASSERT_EQUAL(access_check(&a, &from, false, 1001, 1), ACCESS_TOO_LARGE);
    CU_ASSERT_EQUAL(access_check(&a, &from, false, 1000, 1), ACCESS_PASS);
    CU_ASSERT_EQUAL(passed(&a, 1, 1000, 1), 1000); /* rate 0: no bound */
    access_fini(&a);
}

TEST_MAIN("pcscf/access",
          {"a burst passes, then the rate holds", a_burst_passes_then_the_rate_holds},
          {"a new source takes the oldest place", a_new_source_takes_the_oldest_place},
          {"what came through an association is counted apart",
           what_came_through_an_association_is_counted_apart},
          {"size is looked at first", size_is_looked_at_first})
