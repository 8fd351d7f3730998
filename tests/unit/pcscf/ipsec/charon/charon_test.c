/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side alone: the child is a scripted one that touches no kernel. It stands in for
 * charon_keeper_run of the room, which the linker then leaves out. */
#include "pcscf/ipsec/charon/charon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pcscf/ipsec/charon/inner.h"
#include "tests/support/suite.h"

/* What the child does, told by the reqid of the options. */
enum script {
    OBEDIENT = 1,
    UNHEALTHY,       /* the self-test fails */
    REFUSES_3,       /* every third install fails */
    DIES_ON_COUNT,   /* a count kills the worker; the next generation is obedient */
    HANGS_UP,        /* a count ends the keeper too */
    EXPIRES,         /* every set at once, all four SAs */
    SLOW,            /* no answer to installs before the first removal */
    GARBLES,         /* answers for sets that are not, of kinds that are none */
    DIES_ON_INSTALL, /* with the request, and what follows it is lost */
    DIES_ON_LIMIT,   /* as on a count */
};

static void answer(int fd, const struct charon_answer *a)
{
    if (send(fd, a, sizeof(*a), MSG_NOSIGNAL) < 0)
        _exit(0);
}

static void die(int fd, uint32_t *generation)
{
    struct charon_answer a = {.op = CHARON_DIED, .reason = "died as told"};
    struct charon_request r;

    while (recv(fd, &r, sizeof(r), MSG_DONTWAIT) > 0)
        ;
    ++*generation;
    answer(fd, &a);
}

static void garble(int fd, const struct charon_request *r)
{
    struct charon_answer a = {.op = CHARON_REMOVE, .id = r->id};

    memset(a.reason, 'x', sizeof(a.reason));
    answer(fd, &a); /* nobody asked for the removal of a live set */
    a.op = 4711;
    answer(fd, &a);
    a.op = CHARON_COUNT; /* nobody asked for one */
    answer(fd, &a);
    a.op = CHARON_INSTALL;
    a.id = ~r->id;
    answer(fd, &a);
    a.op = CHARON_EXPIRED;
    a.spi = 5;
    answer(fd, &a);
}

void charon_keeper_run(int fd)
{
    static struct charon_answer held[512];
    static uint32_t limited[16]; /* by the set of set_of: what LIMIT said last */
    unsigned n_held = 0, installs = 0;
    uint32_t generation = 0, script = 0;
    struct charon_request r;

    while (recv(fd, &r, sizeof(r), 0) == (ssize_t)sizeof(r)) {
        struct charon_answer a = {.op = r.op, .id = r.id};

        if (r.generation != generation)
            continue;
        switch ((enum charon_op)r.op) {
        case CHARON_OPEN:
            script = r.open.again ? OBEDIENT : r.open.reqid;
            a.health.ready = script != UNHEALTHY;
            a.health.algs = a.health.ealgs = 1;
            strcpy(a.health.problem, script == UNHEALTHY ? "no ESP" : "");
            answer(fd, &a);
            break;
        case CHARON_INSTALL:
            if (r.set.keys.integrity[0] != 0xAA)
                a.status = -EINVAL; /* the keys must come with it */
            if (script == DIES_ON_INSTALL) {
                a = (struct charon_answer){.op = CHARON_DIED, .reason = "died as told"};
                answer(fd, &a);
                generation++;
                raise(SIGSTOP); /* until the daemon has heard of it with its queue full */
                break;
            }
            if (script == GARBLES)
                garble(fd, &r);
            if (script == REFUSES_3 && ++installs % 3 == 0) {
                a.status = -EEXIST;
                strcpy(a.reason, "in use");
            }
            if (script == SLOW) {
                held[n_held++ % 512] = a;
                break;
            }
            answer(fd, &a);
            if (script == EXPIRES) {
                a = (struct charon_answer){.op = CHARON_EXPIRED, .spi = r.set.spi_pc};
                answer(fd, &a);
                a.spi = r.set.spi_ps;
                answer(fd, &a);
            }
            break;
        case CHARON_LIMIT:
            if (script == DIES_ON_LIMIT)
                die(fd, &generation);
            else
                limited[(r.set.spi_uc - 0x1000) / 2 % 16] = r.set.lifetime;
            break;
        case CHARON_REMOVE:
            for (unsigned i = 0; i < n_held; i++)
                answer(fd, &held[i]);
            n_held = 0;
            answer(fd, &a);
            break;
        case CHARON_COUNT:
            if (script == DIES_ON_COUNT) {
                die(fd, &generation);
                break;
            }
            if (script == HANGS_UP)
                return;
            a.counters.sa[IPSEC_SA_PC_US].packets = r.set.spi_us;            /* whose it is */
            a.counters.sa[IPSEC_SA_UC_PS].packets = r.set.keys.integrity[0]; /* wiped by now */
            a.counters.sa[IPSEC_SA_UC_PS].bytes = r.set.lifetime;
            a.counters.sa[IPSEC_SA_PC_US].bytes = limited[(r.set.spi_uc - 0x1000) / 2 % 16];
            answer(fd, &a);
            break;
        case CHARON_CLOSE:
            answer(fd, &a);
            return;
        default:
            break;
        }
    }
}

/* ---- bed ---- */

struct bed {
    struct loop *loop;
    struct ipsec_charon *charon;
    struct ipsec port;
    unsigned calls, refused, counts, expired, downs, ups, wanted;
    struct ipsec_result result;
    char reason[IPSEC_REASON_MAX];
    int count_status;
    struct ipsec_counters counters;
    bool gave_up;
    struct loop_timer limit;
    struct handle to_remove, when_down;
};

static void on_limit(struct loop_timer *t, void *ctx)
{
    struct bed *b = ctx;

    (void)t;
    b->gave_up = true;
    loop_stop(b->loop);
}

static bool run_until(struct bed *b, const unsigned *counter, unsigned value)
{
    b->gave_up = false;
    loop_timer_start(b->loop, &b->limit, 20 * SEC);
    while (*counter < value && !b->gave_up)
        loop_run(b->loop);
    loop_timer_stop(b->loop, &b->limit);
    return !b->gave_up;
}

static void on_done(const struct ipsec_result *r, void *ctx)
{
    struct bed *b = ctx;

    b->calls++;
    b->refused += r->status != 0;
    b->result = *r;
    snprintf(b->reason, sizeof(b->reason), "%s", r->reason);
    loop_stop(b->loop);
}

static void on_done_remove(const struct ipsec_result *r, void *ctx)
{
    struct bed *b = ctx;

    ipsec_remove(&b->port, b->to_remove);
    on_done(r, ctx);
}

static void on_count(int status, const struct ipsec_counters *c, void *ctx)
{
    struct bed *b = ctx;

    b->counts++;
    b->count_status = status;
    if (status == 0)
        b->counters = *c;
    loop_stop(b->loop);
}

static void on_expired(struct handle set, void *ctx)
{
    struct bed *b = ctx;

    b->expired++;
    b->to_remove = set;
    loop_stop(b->loop);
}

static struct ipsec_set set_of(unsigned i)
{
    struct ipsec_set s = {.port_uc = 6100,
                          .port_us = 6101,
                          .port_pc = 5063,
                          .port_ps = 5062,
                          .spi_uc = 0x1000 + 2 * i,
                          .spi_us = 0x1001 + 2 * i,
                          .lifetime = 60,
                          .keys = {.integrity = {0xAA}, .integrity_n = 20}};

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.0.0.2"), 0, &s.phone), 0);
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.0.0.1"), 0, &s.local), 0);
    return s;
}

static void on_down(const char *reason, void *ctx)
{
    struct bed *b = ctx;
    struct ipsec_set s = set_of(900);
    struct handle h;

    (void)reason;
    b->downs++;
    CU_ASSERT_FALSE(ipsec_health(&b->port)->ready);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -ENOTCONN);
    if (b->when_down.index) {
        CU_ASSERT_EQUAL(ipsec_count(&b->port, b->when_down, on_count, b), -ENOTCONN);
        /* kept until it can be said */
        CU_ASSERT_EQUAL(ipsec_limit(&b->port, b->when_down, 99), 0);
    }
    loop_stop(b->loop);
}

static void on_up(void *ctx)
{
    struct bed *b = ctx;

    b->ups++;
    loop_stop(b->loop);
}

static struct bed *bed_new(enum script script)
{
    static const struct ipsec_events events = {on_expired, on_down, on_up};
    static struct bed b;
    struct ipsec_charon_options o = {.n_ports = 1, .reqid = script, .sets = 1000};

    b = (struct bed){.calls = 0};
    CU_ASSERT_EQUAL(addr_parse(SPAN("10.0.0.1:5062"), 0, &o.ports[0]), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_charon_start(&b.charon), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&b.loop), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_charon_open(b.charon, b.loop, &o), 0);
    b.port = ipsec_charon_port(b.charon);
    ipsec_listen(&b.port, &events, &b);
    loop_timer_init(&b.limit, on_limit, &b);
    return &b;
}

static void bed_free(struct bed *b)
{
    ipsec_charon_free(b->charon);
    loop_free(b->loop);
}

static struct handle install(struct bed *b, unsigned i)
{
    struct ipsec_set s = set_of(i);
    struct handle h = {0};

    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    return h;
}

static pid_t child(void)
{
    char path[64];
    int pid = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    f = fopen(path, "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL_FATAL(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

/* ---- cases ---- */

static void a_set_goes_through_its_life(void)
{
    struct bed *b = bed_new(OBEDIENT);
    struct handle h = install(b, 0);

    CU_ASSERT_EQUAL(b->calls, 0);
    CU_ASSERT(run_until(b, &b->calls, 1));
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_EQUAL(b->result.spi_ps, b->result.spi_pc + 1);
    CU_ASSERT(b->result.spi_pc >= 256);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 77), 0);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), -EBUSY);
    CU_ASSERT(run_until(b, &b->counts, 1));
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_PC_US].packets, 0x1001);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_UC_PS].packets, 0); /* no key is kept */
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_UC_PS].bytes, 77);
    ipsec_remove(&b->port, h);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 5), -ENOENT);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), -ENOENT);
    ipsec_remove(&b->port, h);
    install(b, 1);
    CU_ASSERT(run_until(b, &b->calls, 2));
    bed_free(b);
}

static void a_kernel_that_is_wanting_is_no_error_but_refuses_installs(void)
{
    struct bed *b = bed_new(UNHEALTHY);
    struct ipsec_set s = set_of(0);
    struct handle h;

    CU_ASSERT_FALSE(ipsec_health(&b->port)->ready);
    CU_ASSERT_STRING_EQUAL(ipsec_health(&b->port)->problem, "no ESP");
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -ENOTCONN);
    bed_free(b);
}

static void what_cannot_be_is_refused_at_once(void)
{
    struct bed *b = bed_new(OBEDIENT);
    struct ipsec_set s = set_of(0);
    struct handle h;

    s.spi_uc = 0;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -EINVAL);
    s = set_of(0);
    s.spi_pc = 5000;
    s.spi_ps = 5001;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -EINVAL);
    s = set_of(0);
    s.pair.ealg = IPSEC_EALG_AES_CBC; /* the self-test did not find it */
    s.keys.encryption_n = 16;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -EOPNOTSUPP);
    bed_free(b);
}

static void a_refusal_tells_why_and_frees_the_handle(void)
{
    struct bed *b = bed_new(REFUSES_3);
    struct handle h[6];

    for (unsigned i = 0; i < 6; i++)
        h[i] = install(b, i);
    CU_ASSERT(run_until(b, &b->calls, 6));
    CU_ASSERT_EQUAL(b->refused, 2);
    CU_ASSERT_EQUAL(b->result.status, -EEXIST);
    CU_ASSERT_STRING_EQUAL(b->reason, "in use");
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h[5], 1), -ENOENT);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h[4], 1), 0);
    bed_free(b);
}

static void sets_have_a_bound(void)
{
    struct bed *b = bed_new(OBEDIENT);
    struct ipsec_set s = set_of(5000);
    struct handle h;

    for (unsigned i = 0; i < 1000; i++)
        install(b, i);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -ENOSPC);
    CU_ASSERT(run_until(b, &b->calls, 1000));
    CU_ASSERT_EQUAL(b->refused, 0);
    bed_free(b);
}

static void an_expiry_is_told_once_a_set(void)
{
    struct bed *b = bed_new(EXPIRES);
    struct handle h = install(b, 0);

    CU_ASSERT(run_until(b, &b->expired, 1));
    CU_ASSERT(handle_eq(b->to_remove, h));
    install(b, 1);
    CU_ASSERT(run_until(b, &b->expired, 2));
    ipsec_remove(&b->port, h);
    install(b, 2);
    CU_ASSERT(run_until(b, &b->expired, 3));
    CU_ASSERT_EQUAL(b->expired, 3);
    bed_free(b);
}

static void a_removed_set_calls_nobody_even_if_its_answer_is_under_way(void)
{
    struct bed *b = bed_new(SLOW);
    struct handle first = install(b, 0);
    struct ipsec_set s = set_of(1);

    ipsec_remove(&b->port, first); /* the child answers the install, then the removal */
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done_remove, b, &b->to_remove), 0);
    s = set_of(2);
    ipsec_remove(&b->port, install(b, 3));
    CU_ASSERT(run_until(b, &b->calls, 1)); /* the second set's alone */
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, b->to_remove, 1), -ENOENT);
    CU_ASSERT_EQUAL(b->calls, 1);
    bed_free(b);
}

static void a_worker_that_dies_fails_what_was_asked_and_keeps_the_rest(void)
{
    struct bed *b = bed_new(DIES_ON_COUNT);
    struct handle h = install(b, 0), gone = install(b, 1);

    CU_ASSERT(run_until(b, &b->calls, 2));
    ipsec_remove(&b->port, gone);
    b->when_down = h;
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT(run_until(b, &b->downs, 1));
    CU_ASSERT_EQUAL(b->counts, 1);
    CU_ASSERT_EQUAL(b->count_status, -ENOTCONN);
    CU_ASSERT(run_until(b, &b->ups, 1));
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT(run_until(b, &b->counts, 2));
    CU_ASSERT_EQUAL(b->count_status, 0);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_UC_PS].bytes, 99);
    bed_free(b);
}

static uint64_t limit_of(struct bed *b, struct handle h)
{
    unsigned before = b->counts;

    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT(run_until(b, &b->counts, before + 1));
    CU_ASSERT_EQUAL(b->count_status, 0);
    return b->counters.sa[IPSEC_SA_PC_US].bytes;
}

/* Nobody confirms a lifetime: without it the kernel drops what the registration extends. */
static void lifetimes_are_told_again_to_the_next_worker(void)
{
    struct bed *b = bed_new(DIES_ON_LIMIT);
    struct handle h = install(b, 0), other = install(b, 1), later = install(b, 2);

    CU_ASSERT(run_until(b, &b->calls, 3));
    b->when_down = later;
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 5000), 0);
    CU_ASSERT(run_until(b, &b->ups, 1));
    CU_ASSERT_EQUAL(b->downs, 1);
    CU_ASSERT_EQUAL(limit_of(b, h), 5000);
    CU_ASSERT_EQUAL(limit_of(b, other), 60); /* of its install: the worker may have died over it */
    CU_ASSERT_EQUAL(limit_of(b, later), 99); /* said while there was none */
    bed_free(b);
}

static void installs_under_way_fail_once_when_the_worker_dies(void)
{
    struct bed *b = bed_new(DIES_ON_INSTALL);
    siginfo_t stopped;

    for (unsigned i = 0; i < 300; i++) /* sent ones, lost ones and waiting ones */
        install(b, i);
    CU_ASSERT(run_until(b, &b->calls, 300));
    CU_ASSERT_EQUAL(b->refused, 300);
    /* Not before it has stopped, or it stops for good. */
    CU_ASSERT_EQUAL(waitid(P_PID, (id_t)child(), &stopped, WSTOPPED | WNOWAIT), 0);
    CU_ASSERT_EQUAL(kill(child(), SIGCONT), 0);
    CU_ASSERT_EQUAL(b->result.status, -ENOTCONN);
    CU_ASSERT_STRING_EQUAL(b->reason, "died as told");
    CU_ASSERT(run_until(b, &b->ups, 1));
    install(b, 1);
    CU_ASSERT(run_until(b, &b->calls, 301));
    CU_ASSERT_EQUAL(b->result.status, 0);
    bed_free(b);
}

static void a_child_that_is_gone_for_good_is_said_so(void)
{
    struct bed *b = bed_new(HANGS_UP);
    struct handle h = install(b, 0);
    struct ipsec_set s = set_of(1);

    CU_ASSERT(run_until(b, &b->calls, 1));
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT(run_until(b, &b->downs, 1));
    CU_ASSERT_EQUAL(b->count_status, -ENOTCONN);
    CU_ASSERT_FALSE(ipsec_health(&b->port)->ready);
    CU_ASSERT_NOT_EQUAL(ipsec_health(&b->port)->problem[0], '\0');
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), -ENOTCONN);
    ipsec_remove(&b->port, h);
    bed_free(b);
}

static void answers_to_nothing_are_passed_over(void)
{
    struct bed *b = bed_new(GARBLES);
    struct handle h = install(b, 0);

    CU_ASSERT(run_until(b, &b->calls, 1));
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_EQUAL(b->counts, 0);
    CU_ASSERT_EQUAL(b->expired, 0);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 1), 0); /* it is there still */
    bed_free(b);
}

TEST_MAIN("pcscf/ipsec/charon", {"a set goes through its life", a_set_goes_through_its_life},
          {"a kernel that is wanting is no error but refuses installs",
           a_kernel_that_is_wanting_is_no_error_but_refuses_installs},
          {"what cannot be is refused at once", what_cannot_be_is_refused_at_once},
          {"a refusal tells why and frees the handle", a_refusal_tells_why_and_frees_the_handle},
          {"sets have a bound", sets_have_a_bound},
          {"an expiry is told once a set", an_expiry_is_told_once_a_set},
          {"a removed set calls nobody even if its answer is under way",
           a_removed_set_calls_nobody_even_if_its_answer_is_under_way},
          {"a worker that dies fails what was asked and keeps the rest",
           a_worker_that_dies_fails_what_was_asked_and_keeps_the_rest},
          {"lifetimes are told again to the next worker",
           lifetimes_are_told_again_to_the_next_worker},
          {"installs under way fail once when the worker dies",
           installs_under_way_fail_once_when_the_worker_dies},
          {"a child that is gone for good is said so", a_child_that_is_gone_for_good_is_said_so},
          {"answers to nothing are passed over", answers_to_nothing_are_passed_over})
