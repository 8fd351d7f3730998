/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/ipsec/fake.h"

#include <errno.h>
#include <stdio.h>

#include "common/loop/sim.h"
#include "tests/support/suite.h"

struct bed {
    struct sim *sim;
    struct ipsec_fake *fake;
    struct ipsec port;
    unsigned calls, counts, expired, downs, ups;
    struct ipsec_result result;
    struct ipsec_counters counters;
    struct handle last_expired;
};

static void on_done(const struct ipsec_result *r, void *ctx)
{
    struct bed *b = ctx;

    b->calls++;
    b->result = *r;
}

static void on_count(int status, const struct ipsec_counters *c, void *ctx)
{
    struct bed *b = ctx;

    b->counts++;
    if (status == 0)
        b->counters = *c;
}

static void on_expired(struct handle set, void *ctx)
{
    struct bed *b = ctx;

    b->expired++;
    b->last_expired = set;
}

static void on_down(const char *reason, void *ctx)
{
    struct bed *b = ctx;

    (void)reason;
    b->downs++;
}

static void on_up(void *ctx)
{
    struct bed *b = ctx;

    b->ups++;
}

static struct bed *bed_new(void)
{
    static struct bed b;
    static const struct ipsec_events events = {on_expired, on_down, on_up};

    b = (struct bed){0};
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &b.sim), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_new(sim_loop(b.sim, "p"), &b.fake), 0);
    b.port = ipsec_fake_port(b.fake);
    ipsec_listen(&b.port, &events, &b);
    return &b;
}

static void bed_free(struct bed *b)
{
    ipsec_fake_free(b->fake);
    sim_free(b->sim);
}

static struct ipsec_set some_set(void)
{
    struct ipsec_set s = {.port_uc = 6100,
                          .port_us = 6101,
                          .port_pc = 5063,
                          .port_ps = 5062,
                          .spi_uc = 1000,
                          .spi_us = 1001,
                          .pair = {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
                          .keys = {.integrity_n = 20, .encryption_n = 16}};

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.0.0.2"), 0, &s.phone), 0);
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.0.0.1"), 0, &s.local), 0);
    return s;
}

static void a_set_is_installed_with_spis_of_the_port(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;
    struct addr from, to;

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    CU_ASSERT_EQUAL(b->calls, 0); /* never from within the call */
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 0);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->calls, 1);
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT(b->result.spi_pc >= 256 && b->result.spi_ps >= 256);
    CU_ASSERT_NOT_EQUAL(b->result.spi_pc, b->result.spi_ps);
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_sets(b->fake), 1);
    CU_ASSERT_EQUAL(ipsec_fake_set(b->fake, 0)->spi_ps, b->result.spi_ps);

    addr_parse(SPAN("10.0.0.2:6100"), 0, &from);
    addr_parse(SPAN("10.0.0.1:5062"), 0, &to);
    CU_ASSERT_PTR_NOT_NULL(ipsec_fake_find(b->fake, &from, &to));
    CU_ASSERT_PTR_NOT_NULL(ipsec_fake_find(b->fake, &to, &from));
    to.port = 5063; /* port_uc to port_pc is no pair of TS 33.203 7.1 */
    CU_ASSERT_PTR_NULL(ipsec_fake_find(b->fake, &from, &to));
    bed_free(b);
}

static void spis_of_the_port_are_never_those_of_the_phone(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    s.spi_uc = 0x1000; /* where the fake begins */
    s.spi_us = 0x1001;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->result.spi_pc, 0x1002);
    CU_ASSERT_EQUAL(b->result.spi_ps, 0x1003);
    bed_free(b);
}

static void the_same_spi_at_the_same_phone_is_refused(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h, again;

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    sim_run(b->sim, 10 * MSEC);
    s.spi_us = 2000;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &again), 0);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->result.status, -EEXIST);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, again, 10), -ENOENT); /* the handle is dead */
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 1);
    s.phone.ip[3]++; /* another phone may have the same SPIs */
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &again), 0);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->result.status, 0);
    bed_free(b);
}

static void a_removed_set_is_gone_and_calls_nobody(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    ipsec_remove(&b->port, h);
    ipsec_remove(&b->port, h); /* a dead handle is fine */
    sim_run(b->sim, SEC);
    CU_ASSERT_EQUAL(b->calls, 0);
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 0);
    CU_ASSERT_EQUAL(ipsec_fake_totals(b->fake).removals, 1);
    bed_free(b);
}

static void a_lifetime_ends_the_set_and_a_limit_moves_it(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    s.lifetime = 10;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    sim_run(b->sim, 5 * SEC);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 20), 0);
    sim_run(b->sim, 19 * SEC);
    CU_ASSERT_EQUAL(b->expired, 0);
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 1);
    sim_run(b->sim, 2 * SEC);
    CU_ASSERT_EQUAL(b->expired, 1);
    CU_ASSERT(handle_eq(b->last_expired, h));
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 0);
    ipsec_remove(&b->port, h);
    bed_free(b);
}

static void counters_come_back_per_sa(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    sim_run(b->sim, 10 * MSEC);
    ipsec_fake_packet(b->fake, 0, IPSEC_SA_PC_US, 500);
    ipsec_fake_packet(b->fake, 0, IPSEC_SA_PC_US, 100);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), -EBUSY);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->counts, 1);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_PC_US].packets, 2);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_PC_US].bytes, 600);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_UC_PS].packets, 0);
    bed_free(b);
}

static void a_port_that_is_down_refuses_and_says_so(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    ipsec_fake_set_up(b->fake, false);
    CU_ASSERT_EQUAL(b->downs, 1);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->result.status, -ENOTCONN);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -ENOTCONN);
    CU_ASSERT_FALSE(ipsec_health(&b->port)->ready);
    ipsec_fake_set_up(b->fake, true);
    CU_ASSERT_EQUAL(b->ups, 1);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    bed_free(b);
}

static void an_install_can_be_told_to_fail(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    ipsec_fake_fail_next(b->fake, -ENOMEM);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    sim_run(b->sim, 10 * MSEC);
    CU_ASSERT_EQUAL(b->result.status, -ENOMEM);
    CU_ASSERT_EQUAL(ipsec_fake_sets(b->fake), 0);
    CU_ASSERT_EQUAL(ipsec_fake_totals(b->fake).refusals, 1);
    bed_free(b);
}

static void algorithms_the_kernel_has_not_are_refused(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set();
    struct handle h;

    ipsec_fake_set_algorithms(b->fake, 1u << IPSEC_ALG_HMAC_SHA_1_96, 1u << IPSEC_EALG_NULL);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -EOPNOTSUPP);
    bed_free(b);
}

static void a_set_that_cannot_be_is_refused_at_once(void)
{
    struct bed *b = bed_new();
    struct ipsec_set good = some_set();
    struct ipsec_set bad[16];
    struct handle h;
    unsigned n = 0;

#define BAD(...)                                                                                   \
    do {                                                                                           \
        struct ipsec_set *s = &bad[n++];                                                           \
        *s = good;                                                                                 \
        __VA_ARGS__;                                                                               \
    } while (0)
    BAD(s->spi_uc = 0);
    BAD(s->spi_us = 255);
    BAD(s->spi_us = s->spi_uc);
    BAD(s->port_uc = 0);
    BAD(s->port_us = 0);
    BAD(s->port_pc = 0);
    BAD(s->port_ps = 0);
    BAD(s->port_pc = s->port_ps);
    BAD(s->phone.family = AF_INET6);
    BAD(s->phone.family = 0);
    BAD(s->spi_ps = 5000); /* half of ours */
    BAD(s->spi_ps = 5000, s->spi_pc = s->spi_uc);
    BAD(s->keys.integrity_n = 16);
    BAD(s->keys.encryption_n = 0);
    BAD(s->pair.alg = IPSEC_ALG_NULL, s->keys.integrity_n = 0);
    BAD(s->pair.ealg = IPSEC_EALG_AES_GCM, s->keys.encryption_n = 20);
    for (unsigned i = 0; i < n; i++) {
        if (ipsec_install(&b->port, &bad[i], on_done, b, &h) != -EINVAL) {
            fprintf(stderr, "set %u was taken\n", i);
            CU_FAIL("a bad set was taken");
        }
    }
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &good, on_done, b, &h), 0);
    bed_free(b);
}

TEST_MAIN("pcscf/ipsec/fake",
          {"a set is installed with SPIs of the port", a_set_is_installed_with_spis_of_the_port},
          {"SPIs of the port are never those of the phone",
           spis_of_the_port_are_never_those_of_the_phone},
          {"the same SPI at the same phone is refused", the_same_spi_at_the_same_phone_is_refused},
          {"a removed set is gone and calls nobody", a_removed_set_is_gone_and_calls_nobody},
          {"a lifetime ends the set and a limit moves it",
           a_lifetime_ends_the_set_and_a_limit_moves_it},
          {"counters come back per SA", counters_come_back_per_sa},
          {"a port that is down refuses and says so", a_port_that_is_down_refuses_and_says_so},
          {"an install can be told to fail", an_install_can_be_told_to_fail},
          {"algorithms the kernel has not are refused", algorithms_the_kernel_has_not_are_refused},
          {"a set that cannot be is refused at once", a_set_that_cannot_be_is_refused_at_once})
