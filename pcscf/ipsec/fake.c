/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/ipsec/fake.h"

#include <errno.h>
#include <stdlib.h>

struct fake_set {
    struct list item;
    struct ipsec_fake *fake;
    struct handle handle;
    struct ipsec_set set;
    struct ipsec_counters counters;
    bool installed;
    int status; /* what the install will answer */
    ipsec_done *done;
    void *done_ctx;
    struct loop_timer answer;
    ipsec_counted *counted; /* NULL = no ipsec_count under way */
    void *counted_ctx;
    struct loop_timer count_answer;
    struct loop_timer lifetime;
};

#define LATENCY MSEC /* of the kernel */

struct ipsec_fake {
    struct loop *loop;
    struct list sets; /* oldest first */
    struct pool handles;
    struct ipsec_health health;
    struct ipsec_events events;
    void *events_ctx;
    struct ipsec_fake_totals totals;
    uint32_t next_spi;
    int fail_next;
};

#define FAKE_SETS 100000

static void set_free(struct fake_set *s)
{
    struct loop *l = s->fake->loop;

    loop_timer_stop(l, &s->answer);
    loop_timer_stop(l, &s->count_answer);
    loop_timer_stop(l, &s->lifetime);
    pool_del(&s->fake->handles, s->handle);
    list_del(&s->item);
    bytes_wipe(&s->set.keys, sizeof(s->set.keys));
    free(s);
}

static void on_lifetime(struct loop_timer *t, void *ctx)
{
    struct fake_set *s = ctx;
    struct ipsec_fake *f = s->fake;

    (void)t;
    s->installed = false; /* the kernel has dropped it; the handle lives on */
    if (f->events.on_expired)
        f->events.on_expired(s->handle, f->events_ctx);
}

static void start_lifetime(struct fake_set *s, uint32_t seconds)
{
    loop_timer_stop(s->fake->loop, &s->lifetime);
    if (seconds)
        loop_timer_start(s->fake->loop, &s->lifetime, seconds * SEC);
}

static void on_answer(struct loop_timer *t, void *ctx)
{
    struct fake_set *s = ctx;
    struct ipsec_fake *f = s->fake;
    ipsec_done *done = s->done;
    void *done_ctx = s->done_ctx;
    struct ipsec_result r = {.status = s->status, .reason = s->status ? "told to fail" : ""};

    (void)t;
    if (s->status == 0) {
        s->installed = true;
        r.spi_pc = s->set.spi_pc;
        r.spi_ps = s->set.spi_ps;
        start_lifetime(s, s->set.lifetime);
        f->totals.installs++;
    } else {
        f->totals.refusals++;
        set_free(s);
    }
    done(&r, done_ctx);
}

static void on_count_answer(struct loop_timer *t, void *ctx)
{
    struct fake_set *s = ctx;
    ipsec_counted *counted = s->counted;

    (void)t;
    s->counted = NULL;
    if (s->installed)
        counted(0, &s->counters, s->counted_ctx);
    else
        counted(-ENOENT, NULL, s->counted_ctx);
}

/* An SA of the kernel is named by destination and SPI. */
static bool is_taken(const struct ipsec_fake *f, const struct addr *to, uint32_t spi)
{
    LIST_EACH (it, &f->sets) {
        const struct fake_set *s = CONTAINER_OF(it, struct fake_set, item);

        if (addr_ip_eq(&s->set.phone, to) && (s->set.spi_uc == spi || s->set.spi_us == spi))
            return true;
        if (addr_ip_eq(&s->set.local, to) && (s->set.spi_pc == spi || s->set.spi_ps == spi))
            return true;
    }
    return false;
}

static uint32_t choose_spi(struct ipsec_fake *f, const struct ipsec_set *s)
{
    uint32_t spi;

    do {
        spi = f->next_spi++;
    } while (spi < 256 || spi == s->spi_uc || spi == s->spi_us || is_taken(f, &s->local, spi));
    return spi;
}

static int fake_install(void *self, const struct ipsec_set *set, ipsec_done *done, void *ctx,
                        struct handle *ret_set)
{
    struct ipsec_fake *f = self;
    struct fake_set *s;
    int rc = ipsec_set_check(set);

    if (rc < 0)
        return rc;
    if (!f->health.ready)
        return -ENOTCONN;
    if (!(f->health.algs & 1u << set->pair.alg) || !(f->health.ealgs & 1u << set->pair.ealg))
        return -EOPNOTSUPP;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    rc = pool_add(&f->handles, s, &s->handle);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->fake = f;
    s->set = *set;
    s->done = done;
    s->done_ctx = ctx;
    s->status = f->fail_next;
    f->fail_next = 0;
    if (is_taken(f, &set->phone, set->spi_uc) || is_taken(f, &set->phone, set->spi_us))
        s->status = -EEXIST;
    if (!s->set.spi_pc) {
        s->set.spi_pc = choose_spi(f, set);
        s->set.spi_ps = choose_spi(f, set);
    } else if (is_taken(f, &set->local, set->spi_pc) || is_taken(f, &set->local, set->spi_ps)) {
        s->status = -EEXIST;
    }
    loop_timer_init(&s->answer, on_answer, s);
    loop_timer_init(&s->count_answer, on_count_answer, s);
    loop_timer_init(&s->lifetime, on_lifetime, s);
    loop_timer_start(f->loop, &s->answer, LATENCY);
    list_add_tail(&f->sets, &s->item);
    *ret_set = s->handle;
    return 0;
}

static int fake_limit(void *self, struct handle set, uint32_t seconds)
{
    struct ipsec_fake *f = self;
    struct fake_set *s = pool_find(&f->handles, set);

    if (!s)
        return -ENOENT;
    f->totals.limits++;
    f->totals.last_limit = seconds;
    s->set.lifetime = seconds;
    if (s->installed)
        start_lifetime(s, seconds);
    return 0;
}

static void fake_remove(void *self, struct handle set)
{
    struct ipsec_fake *f = self;
    struct fake_set *s = pool_find(&f->handles, set);

    if (!s)
        return;
    f->totals.removals++;
    set_free(s);
}

static int fake_count(void *self, struct handle set, ipsec_counted *done, void *ctx)
{
    struct ipsec_fake *f = self;
    struct fake_set *s = pool_find(&f->handles, set);

    if (!s)
        return -ENOENT;
    if (!f->health.ready)
        return -ENOTCONN;
    if (s->counted)
        return -EBUSY;
    s->counted = done;
    s->counted_ctx = ctx;
    loop_timer_start(f->loop, &s->count_answer, LATENCY);
    return 0;
}

static void fake_listen(void *self, const struct ipsec_events *events, void *ctx)
{
    struct ipsec_fake *f = self;

    f->events = *events;
    f->events_ctx = ctx;
}

static const struct ipsec_health *fake_health(void *self)
{
    const struct ipsec_fake *f = self;

    return &f->health;
}

static const struct ipsec_ops fake_ops = {
    fake_install, fake_limit, fake_remove, fake_count, fake_listen, fake_health,
};

int ipsec_fake_new(struct loop *l, struct ipsec_fake **ret_fake)
{
    struct ipsec_fake *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->loop = l;
    f->next_spi = 0x1000;
    f->health = (struct ipsec_health){
        .ready = true, .algs = (1u << IPSEC_ALG_COUNT) - 1, .ealgs = (1u << IPSEC_EALG_COUNT) - 1};
    list_init(&f->sets);
    pool_init(&f->handles, FAKE_SETS);
    *ret_fake = f;
    return 0;
}

void ipsec_fake_free(struct ipsec_fake *f)
{
    if (!f)
        return;
    LIST_EACH (it, &f->sets)
        set_free(CONTAINER_OF(it, struct fake_set, item));
    pool_fini(&f->handles);
    free(f);
}

struct ipsec ipsec_fake_port(struct ipsec_fake *f)
{
    return (struct ipsec){&fake_ops, f};
}

void ipsec_fake_fail_next(struct ipsec_fake *f, int status)
{
    f->fail_next = status;
}

void ipsec_fake_set_up(struct ipsec_fake *f, bool up)
{
    if (f->health.ready == up)
        return;
    f->health.ready = up;
    if (up && f->events.on_up)
        f->events.on_up(f->events_ctx);
    if (up)
        return;
    /* What is under way answers as it does when the child dies: not at all, with -ENOTCONN. */
    LIST_EACH (it, &f->sets) {
        struct fake_set *s = CONTAINER_OF(it, struct fake_set, item);

        if (loop_timer_running(&s->answer))
            s->status = -ENOTCONN;
    }
    if (f->events.on_down)
        f->events.on_down("told to go down", f->events_ctx);
}

void ipsec_fake_set_algorithms(struct ipsec_fake *f, unsigned algorithms, unsigned ealgorithms)
{
    f->health.algs = algorithms;
    f->health.ealgs = ealgorithms;
}

size_t ipsec_fake_sets(const struct ipsec_fake *f)
{
    size_t n = 0;

    while (ipsec_fake_set(f, n))
        n++;
    return n;
}

static struct fake_set *nth(const struct ipsec_fake *f, size_t i)
{
    LIST_EACH (it, &f->sets) {
        struct fake_set *s = CONTAINER_OF(it, struct fake_set, item);

        if (s->installed && i-- == 0)
            return s;
    }
    return NULL;
}

const struct ipsec_set *ipsec_fake_set(const struct ipsec_fake *f, size_t i)
{
    struct fake_set *s = nth(f, i);

    return s ? &s->set : NULL;
}

const struct ipsec_set *ipsec_fake_find(const struct ipsec_fake *f, const struct addr *from,
                                        const struct addr *to)
{
    LIST_EACH (it, &f->sets) {
        const struct fake_set *s = CONTAINER_OF(it, struct fake_set, item);
        const struct ipsec_set *set = &s->set;
        bool in = addr_ip_eq(from, &set->phone) && addr_ip_eq(to, &set->local);
        bool out = addr_ip_eq(to, &set->phone) && addr_ip_eq(from, &set->local);
        uint16_t phone = in ? from->port : to->port, ours = in ? to->port : from->port;

        if (s->installed && (in || out) &&
            ((phone == set->port_uc && ours == set->port_ps) ||
             (phone == set->port_us && ours == set->port_pc)))
            return set;
    }
    return NULL;
}

struct ipsec_fake_totals ipsec_fake_totals(const struct ipsec_fake *f)
{
    return f->totals;
}

void ipsec_fake_packet(struct ipsec_fake *f, size_t i, enum ipsec_sa sa, uint64_t bytes)
{
    struct fake_set *s = nth(f, i);

    if (!s)
        return;
    s->counters.sa[sa].packets++;
    s->counters.sa[sa].bytes += bytes;
}
