/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/relay/ports.h"

#include <errno.h>

#include "tests/support/suite.h"

static struct addr ip(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse_ip(span_str(s), 0, &a), 0);
    return a;
}

static void ranges(void)
{
    static const struct {
        uint16_t first, last;
        uint32_t pairs; /* 0 = refused */
    } t[] = {{30000, 39999, 5000}, {30000, 30001, 1}, {30001, 30003, 1}, {30001, 30002, 0},
             {30000, 30000, 0},    {40000, 30000, 0}, {65534, 65535, 1}, {65535, 65535, 0}};
    struct addr a = ip("192.0.2.1");

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct relay_ports p = {0};
        uint64_t seed = 1;
        struct rnd rnd = rnd_seeded(&seed);
        int rc = relay_ports_init(&p, &a, t[i].first, t[i].last, &rnd);

        CU_ASSERT_EQUAL(rc, t[i].pairs ? 0 : -EINVAL);
        CU_ASSERT_EQUAL(p.free, t[i].pairs);
        relay_ports_fini(&p);
    }
}

static void distinct(void)
{
    struct addr a = ip("2001:db8::1"), got;
    struct relay_ports p;
    uint64_t seed = 2;
    struct rnd rnd = rnd_seeded(&seed);
    bool seen[10000] = {false}, in_order = true;
    uint16_t before = 0;

    CU_ASSERT_EQUAL_FATAL(relay_ports_init(&p, &a, 30000, 39999, &rnd), 0);
    for (unsigned i = 0; i < 5000; i++) {
        CU_ASSERT_EQUAL_FATAL(relay_ports_take(&p, &got), 0);
        CU_ASSERT_TRUE_FATAL(got.port >= 30000 && got.port <= 39998);
        CU_ASSERT_TRUE(got.port % 2 == 0 && addr_ip_eq(&got, &a) && !seen[got.port - 30000]);
        seen[got.port - 30000] = true;
        in_order = in_order && got.port > before;
        before = got.port;
    }
    CU_ASSERT_FALSE(in_order);
    CU_ASSERT_EQUAL(relay_ports_take(&p, &got), -ENOSPC);
    relay_ports_fini(&p);
}

static void oldest_first(void)
{
    struct addr a = ip("192.0.2.1"), one, got;
    struct relay_ports p;
    uint64_t seed = 3;
    struct rnd rnd = rnd_seeded(&seed);

    CU_ASSERT_EQUAL_FATAL(relay_ports_init(&p, &a, 30000, 30007, &rnd), 0);
    CU_ASSERT_EQUAL(relay_ports_take(&p, &one), 0);
    relay_ports_give(&p, &one);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(relay_ports_take(&p, &got), 0);
        CU_ASSERT_NOT_EQUAL(got.port, one.port);
    }
    CU_ASSERT_EQUAL(relay_ports_take(&p, &got), 0);
    CU_ASSERT_EQUAL(got.port, one.port);
    relay_ports_fini(&p);
}

TEST_MAIN("edge/relay/ports",
          {"a range gives the pairs whose even port and the next are in it", ranges},
          {"every pair is handed out once, in no order", distinct},
          {"a pair given back is the last to be used again", oldest_first})
