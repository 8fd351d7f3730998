/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SA sets: what the kernel is asked for, which sets make room for another, and what ends with them. */
#include "tests/unit/pcscf/register/desk.h"

/* ---- helpers ---------------------------------------------------------------------------------- */

/* A REGISTER in the clear that asked for this client port, at its challenge. */
static struct attempt attempt_of(struct binding *b, const char *phone_uc)
{
    struct addr uc = stage_addr(phone_uc);
    struct attempt a = {
        .registration = desk.r,
        .binding = b,
        .flow = {.remote = uc},
        .choice = {.pair = {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
                   .phone = {1000, 1001, uc.port, (uint16_t)(uc.port + 1)}},
    };

    return a;
}

static int install(struct attempt *a)
{
    struct secret ck = {.n = 16, .bytes = {1}}, ik = {.n = 16, .bytes = {2}};

    return set_install(a, &ck, &ik);
}

/* "700 800 ": the sets of a phone by spi_ps, oldest first; one that is being made is 0. */
static const char *sets_of(const struct binding *b)
{
    static char text[120];
    struct buf out = {text, 0, sizeof(text) - 1, false};

    for (const struct list *item = b->sets.prev; item != &b->sets; item = item->prev)
        buf_fmt(&out, "%u ", CONTAINER_OF(item, const struct binding_set, item)->spi_ps);
    text[out.n] = '\0';
    return text;
}

#define ASSERT_SETS(b, want) ASSERT_SPAN_EQ(span_str(sets_of(b)), want)

static const struct ipsec_set plain_set = {.port_uc = 31000,
                                           .port_us = 31001,
                                           .port_pc = 5063,
                                           .port_ps = 5062,
                                           .spi_uc = 1000,
                                           .spi_us = 1001,
                                           .pair = {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
                                           .keys = {.integrity_n = 20}};

static void ignore(const struct ipsec_result *result, void *ctx)
{
    (void)ctx;
    CU_ASSERT_EQUAL(result->status, 0);
}

/* A set that is in the kernel, too. */
static struct binding_set *kernel_set(struct binding *b)
{
    struct binding_set *set = stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    struct ipsec_set wanted = plain_set;

    wanted.phone = set->phone_uc;
    wanted.local = stage.at_ps;
    CU_ASSERT_EQUAL_FATAL(ipsec_install(&desk.kernel, &wanted, ignore, NULL, &set->ipsec), 0);
    stage_run(10);
    return set;
}

/* ---- which set, and how long ------------------------------------------------------------------ */

static void a_set_the_kernel_has_not_named_yet_is_nobodys(void)
{
    struct binding *b;
    struct binding_set *named;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    named = stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    (void)stage_set(b, "192.0.2.7:32000", 1, 0, BINDING_SET_TEMPORARY);
    CU_ASSERT_PTR_NULL(set_of(b, 0));
    CU_ASSERT_PTR_EQUAL(set_of(b, 700), named);
    CU_ASSERT_PTR_NULL(set_of(b, 701));
    desk_close();
}

static void the_kernel_keeps_a_set_a_minute_longer_than_we_do(void)
{
    struct binding_set *set;

    desk_open(NULL);
    set = kernel_set(stage_binding("alice@ims.test"));
    set_limit(desk.r, set, 100, true);
    CU_ASSERT_EQUAL(ipsec_fake_totals(desk.fake).last_limit, 160);
    desk_close();
}

static void a_limit_that_moves_nothing_is_not_told_to_the_kernel(void)
{
    struct binding_set *set;

    desk_open(NULL);
    set = kernel_set(stage_binding("alice@ims.test"));
    set_limit(desk.r, set, 100, false);
    set_limit(desk.r, set, 200, true);
    set_limit(desk.r, set, 100, true);
    set_limit(desk.r, set, 50, false);
    CU_ASSERT_EQUAL(ipsec_fake_totals(desk.fake).limits, 1);
    set_limit(desk.r, set, 200, false);
    set_limit(desk.r, set, 50, true);
    CU_ASSERT_EQUAL(ipsec_fake_totals(desk.fake).limits, 3);
    desk_close();
}

static void a_replaced_set_that_was_to_end_sooner_still_does(void)
{
    struct binding *b;
    struct binding_set *old, *new;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    b->registered = true;
    old = stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    set_limit(desk.r, old, 10, true);
    new = stage_set(b, "192.0.2.7:32000", 1, 800, BINDING_SET_TEMPORARY);
    new->made_on = 700;
    set_promote(desk.r, new);
    CU_ASSERT_EQUAL(new->state, BINDING_SET_CURRENT);
    ASSERT_SETS(b, "700 800 ");
    stage_run(11 * 1000);
    ASSERT_SETS(b, "800 ");
    desk_close();
}

static void when_the_set_it_was_made_on_has_gone_nothing_lingers(void)
{
    struct binding *b;
    struct binding_set *new;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    (void)stage_set(b, "192.0.2.7:31500", 1, 0, BINDING_SET_TEMPORARY);
    new = stage_set(b, "192.0.2.7:32000", 2, 800, BINDING_SET_TEMPORARY);
    new->made_on = 600;
    set_promote(desk.r, new);
    ASSERT_SETS(b, "800 ");
    desk_close();
}

/* ---- what the kernel is asked for --------------------------------------------------------------- */

static void the_kernel_is_given_both_ends_the_keys_and_a_backstop(void)
{
    const struct ipsec_set *w = &desk.wanted;
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL_FATAL(install(&a), 0);
    CU_ASSERT_TRUE(addr_ip_eq(&w->phone, &a.flow.remote));
    CU_ASSERT_TRUE(addr_ip_eq(&w->local, &stage.at_ps));
    CU_ASSERT_EQUAL(w->port_uc, 31000);
    CU_ASSERT_EQUAL(w->port_us, 31001);
    CU_ASSERT_EQUAL(w->port_pc, 5063);
    CU_ASSERT_EQUAL(w->port_ps, 5062);
    CU_ASSERT_EQUAL(w->spi_uc, 1000);
    CU_ASSERT_EQUAL(w->spi_us, 1001);
    CU_ASSERT_EQUAL(w->spi_pc + w->spi_ps, 0); /* the kernel's to choose */
    CU_ASSERT_EQUAL(w->keys.integrity_n, 20);
    CU_ASSERT_EQUAL(w->keys.integrity[0], 2); /* IK */
    CU_ASSERT_EQUAL(w->keys.encryption_n, 16);
    CU_ASSERT_EQUAL(w->keys.encryption[0], 1); /* CK */
    CU_ASSERT_EQUAL(w->lifetime, 240 + 60);
    desk_close();
}

static void each_set_of_a_phone_has_another_client_port_until_none_is_left(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    desk.r->env.n_pc = 3;
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:33000", 0, 700, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:34000", 1, 800, BINDING_SET_CURRENT);
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL(install(&a), 0);
    CU_ASSERT_EQUAL(desk.wanted.port_pc, 5065);
    set_remove(desk.r, a.installing);
    desk.r->env.n_pc = 2;
    CU_ASSERT_EQUAL(install(&a), -EADDRNOTAVAIL);
    CU_ASSERT_EQUAL(desk.asked, 1);
    ASSERT_SETS(b, "700 800 ");
    desk_close();
}

/* Behind one address, two phones may have chosen the same server port. */
static void a_client_port_sends_to_one_phone_at_a_server_port(void)
{
    struct binding *alice, *bob;
    struct attempt a;

    desk_open(NULL);
    bob = stage_binding("bob@ims.test");
    (void)stage_set(bob, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    alice = stage_binding("alice@ims.test");
    a = attempt_of(alice, "192.0.2.7:32000");
    a.choice.phone.port_s = 31001;
    CU_ASSERT_EQUAL(install(&a), 0);
    CU_ASSERT_EQUAL(desk.wanted.port_pc, 5064);
    desk_close();
}

static void what_the_kernel_refuses_at_once_leaves_no_set(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    a = attempt_of(b, "192.0.2.7:31000");
    ipsec_fake_set_up(desk.fake, false);
    CU_ASSERT_EQUAL(install(&a), -ENOTCONN);
    ipsec_fake_set_up(desk.fake, true);
    a.choice.phone.spi_s = 1000; /* both alike */
    CU_ASSERT_EQUAL(install(&a), -EINVAL);
    CU_ASSERT_EQUAL(desk.asked, 2);
    ASSERT_SETS(b, "");
    CU_ASSERT_PTR_NULL(a.installing);
    desk_close();
}

static void a_set_that_goes_while_the_kernel_works_is_called_back_for_by_nobody(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL_FATAL(install(&a), 0);
    set_remove(desk.r, a.installing);
    CU_ASSERT_PTR_NULL(a.installing);
    stage_run(100);
    CU_ASSERT_EQUAL(ipsec_fake_sets(desk.fake), 0);
    ASSERT_SETS(b, "");
    desk_close();
}

/* ---- room for one more ------------------------------------------------------------------------ */

static void an_unanswered_challenge_gives_way_to_the_next_one_at_its_address(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:32000", 0, 700, BINDING_SET_TEMPORARY);
    (void)stage_set(b, "192.0.2.99:32000", 1, 800, BINDING_SET_TEMPORARY);
    (void)stage_set(b, "192.0.2.7:33000", 2, 900, BINDING_SET_CURRENT);
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL(install(&a), 0);
    ASSERT_SETS(b, "800 900 0 ");
    desk_close();
}

static void a_stranger_too_many_takes_the_place_of_the_first_one(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.101:31000", 0, 100, BINDING_SET_CURRENT); /* hers, elsewhere */
    for (unsigned i = 1; i <= BINDING_ELSEWHERE_MAX; i++) {
        char uc[32];

        (void)snprintf(uc, sizeof(uc), "192.0.2.%u:31000", 101 + i);
        (void)stage_set(b, uc, 0, 100 + i * 100, BINDING_SET_TEMPORARY);
    }
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL(install(&a), 0);
    ASSERT_SETS(b, "100 300 400 500 0 ");
    desk_close();
}

static void in_the_clear_nothing_that_was_answered_gives_way(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:33000", 1, 800, BINDING_SET_CURRENT);
    a = attempt_of(b, "192.0.2.7:31000");
    CU_ASSERT_EQUAL(install(&a), -EEXIST); /* its client port again */
    ASSERT_SETS(b, "700 800 ");
    (void)stage_set(b, "192.0.2.7:35000", 2, 900, BINDING_SET_OLD);
    a = attempt_of(b, "192.0.2.7:37000");
    CU_ASSERT_EQUAL(install(&a), -ENOSPC); /* one more than there may be */
    ASSERT_SETS(b, "700 800 900 ");
    CU_ASSERT_EQUAL(desk.asked, 0);
    desk_close();
}

static void on_a_full_phone_the_oldest_gives_way_but_not_what_it_came_on(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:33000", 0, 700, BINDING_SET_CURRENT);
    (void)stage_set(b, "192.0.2.7:34000", 1, 800, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:35000", 2, 900, BINDING_SET_OLD);
    a = attempt_of(b, "192.0.2.7:31000");
    a.spi_ps = 700;
    CU_ASSERT_EQUAL(install(&a), 0);
    ASSERT_SETS(b, "700 900 0 ");
    desk_close();
}

static void on_its_set_a_phone_may_use_another_client_port_of_its_again(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_OLD);
    (void)stage_set(b, "192.0.2.7:33000", 1, 800, BINDING_SET_CURRENT);
    a = attempt_of(b, "192.0.2.7:31000");
    a.spi_ps = 800;
    CU_ASSERT_EQUAL_FATAL(install(&a), 0);
    ASSERT_SETS(b, "800 0 ");
    set_remove(desk.r, a.installing);
    a = attempt_of(b, "192.0.2.7:33000"); /* but not that of the set it speaks on */
    a.spi_ps = 800;
    CU_ASSERT_EQUAL(install(&a), -EEXIST);
    ASSERT_SETS(b, "800 ");
    desk_close();
}

static void only_the_set_that_was_silent_when_it_was_asked_gives_way_in_the_clear(void)
{
    struct binding *b;
    struct attempt a;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    (void)stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    a = attempt_of(b, "192.0.2.7:31000");
    a.silent = 699; /* that one has gone, and this one came meanwhile */
    CU_ASSERT_EQUAL(install(&a), -EEXIST);
    ASSERT_SETS(b, "700 ");
    a.silent = 700;
    CU_ASSERT_EQUAL(install(&a), 0);
    ASSERT_SETS(b, "0 ");
    desk_close();
}

static void a_silent_set_of_the_phone_before_takes_its_registration_along(void)
{
    struct binding *alice, *bob;
    struct attempt a;

    desk_open(NULL);
    bob = stage_binding("bob@ims.test");
    bob->registered = bob->ipsec = true;
    (void)stage_set(bob, "192.0.2.7:31000", 0, 700, BINDING_SET_CURRENT);
    alice = stage_binding("alice@ims.test");
    a = attempt_of(alice, "192.0.2.7:31000");
    a.silent = 700;
    CU_ASSERT_EQUAL(install(&a), 0);
    ASSERT_SETS(alice, "0 ");
    CU_ASSERT_EQUAL(desk.gone, 1);
    CU_ASSERT_PTR_NULL(binding_find_impi(stage.bindings, SPAN("bob@ims.test")));
    desk_close();
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void with_its_last_set_a_phone_is_gone_its_calls_first(void)
{
    struct binding *b;
    struct binding_set *set;

    desk_open(NULL);
    b = stage_binding("alice@ims.test");
    b->registered = b->ipsec = true;
    set = kernel_set(b);
    register_set_end(desk.r, stage_set(b, "192.0.2.7:33000", 1, 800, BINDING_SET_OLD));
    CU_ASSERT_EQUAL(desk.gone, 0);
    register_set_end(desk.r, set);
    CU_ASSERT_EQUAL(desk.gone, 1);
    CU_ASSERT_TRUE(desk.gone_was_registered);
    CU_ASSERT_EQUAL(desk.events[REGISTER_EXPIRED], 1);
    ASSERT_SPAN_EQ(span_str(desk.why), "security associations expired");
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    stage_run(10);
    CU_ASSERT_EQUAL(ipsec_fake_sets(desk.fake), 0);
    desk_close();
}

/* One whose challenge is open waits for the end of that; one that registered without IPsec lost none. */
static void who_does_not_live_by_its_sets_outlives_them(void)
{
    static const struct {
        bool registered, ipsec;
    } cases[] = {{false, true}, {true, false}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct binding *b;

        desk_open(NULL);
        b = stage_binding("alice@ims.test");
        b->registered = cases[i].registered;
        b->ipsec = cases[i].ipsec;
        register_set_end(desk.r, stage_set(b, "192.0.2.7:31000", 0, 700, BINDING_SET_TEMPORARY));
        CU_ASSERT_EQUAL(desk.gone + desk.events[REGISTER_EXPIRED], 0);
        CU_ASSERT_EQUAL(bindings_count(stage.bindings), 1);
        desk_close();
    }
}

static void the_end_of_a_registration_is_told_and_of_an_attempt_at_one_is_not(void)
{
    struct binding *b;

    desk_open(NULL);
    register_expiry(desk.r, stage_binding("bob@ims.test"));
    CU_ASSERT_EQUAL(desk.gone + desk.events[REGISTER_EXPIRED], 0);
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    b = stage_binding("alice@ims.test");
    b->registered = b->ipsec = true;
    (void)kernel_set(b);
    register_expiry(desk.r, b);
    CU_ASSERT_EQUAL(desk.gone, 1);
    ASSERT_SPAN_EQ(span_str(desk.detail), "registration expired");
    CU_ASSERT_EQUAL(bindings_count(stage.bindings), 0);
    stage_run(10);
    CU_ASSERT_EQUAL(ipsec_fake_sets(desk.fake), 0);
    desk_close();
}

TEST_MAIN("pcscf/register/sets",
          {"a set the kernel has not named yet is nobody's",
           a_set_the_kernel_has_not_named_yet_is_nobodys},
          {"the kernel keeps a set a minute longer than we do",
           the_kernel_keeps_a_set_a_minute_longer_than_we_do},
          {"a limit that moves nothing is not told to the kernel",
           a_limit_that_moves_nothing_is_not_told_to_the_kernel},
          {"a replaced set that was to end sooner still does",
           a_replaced_set_that_was_to_end_sooner_still_does},
          {"when the set it was made on has gone, nothing lingers",
           when_the_set_it_was_made_on_has_gone_nothing_lingers},
          {"the kernel is given both ends, the keys and a backstop",
           the_kernel_is_given_both_ends_the_keys_and_a_backstop},
          {"each set of a phone has another client port, until none is left",
           each_set_of_a_phone_has_another_client_port_until_none_is_left},
          {"a client port sends to one phone at a server port",
           a_client_port_sends_to_one_phone_at_a_server_port},
          {"what the kernel refuses at once leaves no set",
           what_the_kernel_refuses_at_once_leaves_no_set},
          {"a set that goes while the kernel works is called back for by nobody",
           a_set_that_goes_while_the_kernel_works_is_called_back_for_by_nobody},
          {"an unanswered challenge gives way to the next one at its address",
           an_unanswered_challenge_gives_way_to_the_next_one_at_its_address},
          {"a stranger too many takes the place of the first one",
           a_stranger_too_many_takes_the_place_of_the_first_one},
          {"in the clear, nothing that was answered gives way",
           in_the_clear_nothing_that_was_answered_gives_way},
          {"on a full phone the oldest gives way, but not what it came on",
           on_a_full_phone_the_oldest_gives_way_but_not_what_it_came_on},
          {"on its set, a phone may use another client port of its again",
           on_its_set_a_phone_may_use_another_client_port_of_its_again},
          {"only the set that was silent when it was asked gives way in the clear",
           only_the_set_that_was_silent_when_it_was_asked_gives_way_in_the_clear},
          {"a silent set of the phone before takes its registration along",
           a_silent_set_of_the_phone_before_takes_its_registration_along},
          {"with its last set a phone is gone, its calls first",
           with_its_last_set_a_phone_is_gone_its_calls_first},
          {"who does not live by its sets outlives them",
           who_does_not_live_by_its_sets_outlives_them},
          {"the end of a registration is told, and of an attempt at one is not",
           the_end_of_a_registration_is_told_and_of_an_attempt_at_one_is_not})
