/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side: sets under handles, requests in order, answers on the loop. */
#include "pcscf/ipsec/charon/charon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcscf/ipsec/charon/inner.h"

#define SETS_DEFAULT  100000
#define REQID_DEFAULT 3329
#define PATIENCE_MS   30000 /* a kernel loads modules while it is tested */

/* What a set still wants from the worker, in the order in which it is asked. */
enum { WANT_INSTALL = 1, WANT_LIMIT = 2, WANT_COUNT = 4, WANT_REMOVE = 8 };

struct set {
    struct list pending;    /* in charon.pending while it wants something */
    struct list all;        /* in charon.sets */
    struct map_node by_spi; /* while it has a name in the kernel: spi_pc and spi_ps are a pair */
    struct handle handle;
    struct ipsec_set set; /* keys only until they have been sent */
    unsigned want, asked; /* asked: sent and not answered */
    bool dead;            /* removed by its owner; freed when the worker has confirmed it */
    bool expired;
    ipsec_done *done; /* NULL when it was answered */
    void *done_ctx;
    ipsec_counted *counted;
    void *counted_ctx;
};

struct ipsec_charon {
    int fd;
    pid_t keeper;
    struct loop *loop;
    struct loop_fd *watch;
    struct pool handles;
    struct map by_spi;
    struct list sets, pending;
    struct ipsec_health health;
    struct ipsec_events events;
    void *events_ctx;
    struct charon_open options;
    uint32_t generation, next_spi;
    bool watching_write, want_open; /* want_open: the next worker has not been asked yet */
};

/* ---- sending ---- */

/* 0, -EAGAIN while the worker is behind, -ENOTCONN. */
static int ask(struct ipsec_charon *c, const struct charon_request *r)
{
    ssize_t n;

    do {
        n = send(c->fd, r, sizeof(*r), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(*r))
        return 0;
    return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -ENOTCONN;
}

static int ask_for(struct ipsec_charon *c, struct set *s, unsigned want, enum charon_op op)
{
    struct charon_request r;
    int rc;

    memset(&r, 0, sizeof(r));
    r.op = op;
    r.generation = c->generation;
    r.id = handle_u64(s->handle);
    r.set = s->set;
    rc = ask(c, &r);
    bytes_wipe(&r, sizeof(r));
    if (rc < 0)
        return rc;
    s->want &= ~want;
    if (op != CHARON_LIMIT)
        s->asked |= want;
    if (op == CHARON_INSTALL) {
        bytes_wipe(s->set.keys.integrity, IPSEC_KEY_MAX);
        bytes_wipe(s->set.keys.encryption, IPSEC_KEY_MAX);
    }
    return 0;
}

static int ask_open(struct ipsec_charon *c)
{
    struct charon_request r;

    memset(&r, 0, sizeof(r));
    r.op = CHARON_OPEN;
    r.generation = c->generation;
    r.open = c->options;
    return ask(c, &r);
}

static void watch_write(struct ipsec_charon *c, bool on)
{
    if (c->watch && on != c->watching_write &&
        loop_fd_change(c->watch, LOOP_READ | (on ? LOOP_WRITE : 0)) == 0)
        c->watching_write = on;
}

/* Sends what is wanted until the worker is behind. */
static void pump(struct ipsec_charon *c)
{
    static const struct {
        unsigned want;
        enum charon_op op;
    } order[] = {{WANT_INSTALL, CHARON_INSTALL},
                 {WANT_LIMIT, CHARON_LIMIT},
                 {WANT_COUNT, CHARON_COUNT},
                 {WANT_REMOVE, CHARON_REMOVE}};

    if (c->want_open) {
        int rc = ask_open(c);

        c->want_open = rc == -EAGAIN;
        watch_write(c, rc == -EAGAIN);
        return;
    }
    if (!c->health.ready)
        return;
    LIST_EACH(it, &c->pending)
    {
        struct set *s = CONTAINER_OF(it, struct set, pending);
        int rc = 0;

        for (unsigned i = 0; i < ARRAY_LEN(order) && rc == 0; i++) {
            if (s->want & order[i].want)
                rc = ask_for(c, s, order[i].want, order[i].op);
        }
        if (rc < 0) {
            watch_write(c, rc == -EAGAIN);
            return;
        }
        list_del(&s->pending);
    }
    watch_write(c, false);
}

static void want(struct ipsec_charon *c, struct set *s, unsigned what)
{
    s->want |= what;
    if (list_empty(&s->pending))
        list_add_tail(&c->pending, &s->pending);
}

/* ---- sets ---- */

static bool equal_spi(const struct map_node *node, const void *key)
{
    const struct set *s = CONTAINER_OF(node, struct set, by_spi);

    return s->set.spi_pc >> 1 == *(const uint32_t *)key;
}

static struct set *find_spi(const struct ipsec_charon *c, uint32_t spi)
{
    uint32_t key = spi >> 1;
    struct map_node *node = map_find(&c->by_spi, map_hash(&c->by_spi, &key, sizeof(key)), &key);

    return node ? CONTAINER_OF(node, struct set, by_spi) : NULL;
}

static void set_free(struct ipsec_charon *c, struct set *s)
{
    map_del(&c->by_spi, &s->by_spi);
    pool_del(&c->handles, s->handle);
    list_del(&s->pending);
    list_del(&s->all);
    bytes_wipe(&s->set, sizeof(s->set));
    free(s);
}

/* Our SPIs are a pair, even and odd, that no set of ours has and the phone neither (TS 33.203 7.1:
 * an SPI of the phone's would let our own packets be sent back to us). */
static void choose_spis(struct ipsec_charon *c, struct ipsec_set *s)
{
    uint32_t spi;

    do {
        spi = c->next_spi;
        c->next_spi = spi >= 0xfffffff0 ? 0x1000 : spi + 2;
    } while (find_spi(c, spi) || spi >> 1 == s->spi_uc >> 1 || spi >> 1 == s->spi_us >> 1);
    s->spi_pc = spi;
    s->spi_ps = spi + 1;
}

static int charon_install(void *self, const struct ipsec_set *set, ipsec_done *done, void *ctx,
                          struct handle *ret_set)
{
    struct ipsec_charon *c = self;
    struct set *s;
    uint32_t key;
    int rc = ipsec_set_check(set);

    if (rc < 0 || set->spi_pc) /* the index lives on our SPIs being a pair */
        return -EINVAL;
    if (!c->health.ready)
        return -ENOTCONN;
    if (!(c->health.algs & 1u << set->pair.alg) || !(c->health.ealgs & 1u << set->pair.ealg))
        return -EOPNOTSUPP;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    rc = pool_add(&c->handles, s, &s->handle);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->set = *set;
    choose_spis(c, &s->set);
    key = s->set.spi_pc >> 1;
    rc = map_add(&c->by_spi, map_hash(&c->by_spi, &key, sizeof(key)), &s->by_spi);
    if (rc < 0) {
        pool_del(&c->handles, s->handle);
        bytes_wipe(&s->set, sizeof(s->set));
        free(s);
        return rc;
    }
    s->done = done;
    s->done_ctx = ctx;
    list_init(&s->pending);
    list_add_tail(&c->sets, &s->all);
    want(c, s, WANT_INSTALL);
    *ret_set = s->handle;
    pump(c);
    return 0;
}

static struct set *find_set(const struct ipsec_charon *c, struct handle h)
{
    struct set *s = pool_find(&c->handles, h);

    return s && !s->dead ? s : NULL;
}

static int charon_limit(void *self, struct handle h, uint32_t seconds)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return -ENOENT;
    s->set.lifetime = seconds;
    if (s->want & WANT_INSTALL) /* it goes in with the new lifetime */
        return 0;
    want(c, s, WANT_LIMIT);
    pump(c);
    return 0;
}

static void charon_remove(void *self, struct handle h)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return;
    s->done = NULL;
    s->counted = NULL;
    if (s->want & WANT_INSTALL) { /* never sent */
        set_free(c, s);
        return;
    }
    s->dead = true;
    s->want = 0;
    want(c, s, WANT_REMOVE);
    pump(c);
}

static int charon_count(void *self, struct handle h, ipsec_counted *done, void *ctx)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return -ENOENT;
    if (!c->health.ready)
        return -ENOTCONN;
    if (s->counted)
        return -EBUSY;
    s->counted = done;
    s->counted_ctx = ctx;
    want(c, s, WANT_COUNT);
    pump(c);
    return 0;
}

static void charon_listen(void *self, const struct ipsec_events *events, void *ctx)
{
    struct ipsec_charon *c = self;

    c->events = *events;
    c->events_ctx = ctx;
}

static const struct ipsec_health *charon_health(void *self)
{
    const struct ipsec_charon *c = self;

    return &c->health;
}

static const struct ipsec_ops charon_ops = {
    charon_install, charon_limit, charon_remove, charon_count, charon_listen, charon_health,
};

/* ---- answers ---- */

/* The set's install is over. On failure the set goes before its owner is told, so that the owner
 * may install again at once. */
static void finish_install(struct ipsec_charon *c, struct set *s, int status, const char *reason)
{
    ipsec_done *done = s->done;
    void *ctx = s->done_ctx;
    struct ipsec_result r = {.status = status, .reason = reason};

    s->done = NULL;
    if (status == 0) {
        r.spi_pc = s->set.spi_pc;
        r.spi_ps = s->set.spi_ps;
    } else if (!s->dead) {
        set_free(c, s);
    }
    if (done)
        done(&r, ctx);
}

static void finish_count(struct set *s, int status, const struct ipsec_counters *counters)
{
    ipsec_counted *counted = s->counted;

    s->counted = NULL;
    if (counted)
        counted(status, status == 0 ? counters : NULL, s->counted_ctx);
}

static void on_expired(struct ipsec_charon *c, uint32_t spi)
{
    struct set *s = find_spi(c, spi);

    if (!s || s->dead || s->expired)
        return;
    s->expired = true; /* its four SAs expire one after the other */
    if (c->events.on_expired)
        c->events.on_expired(s->handle, c->events_ctx);
}

static void go_down(struct ipsec_charon *c, const char *reason)
{
    bool was_ready = c->health.ready;

    c->health.ready = false;
    snprintf(c->health.problem, sizeof(c->health.problem), "%s", reason);
    if (was_ready && c->events.on_down)
        c->events.on_down(reason, c->events_ctx);
}

/* What the worker was asked died with it: installs and counts fail, removals are asked again. */
static void on_died(struct ipsec_charon *c, const char *reason)
{
    struct list sets;

    c->generation++;
    go_down(c, reason);
    c->options.again = true;

    /* Callbacks may remove any set: each is taken over to its place again before it is looked at. */
    list_init(&sets);
    while (!list_empty(&c->sets)) {
        struct list *it = c->sets.next;

        list_del(it);
        list_add_tail(&sets, it);
    }
    while (!list_empty(&sets)) {
        struct set *s = CONTAINER_OF(sets.next, struct set, all);
        unsigned asked = s->asked, waits = s->want;

        list_del(&s->all);
        list_add_tail(&c->sets, &s->all);
        s->asked = 0;
        s->want &= ~(unsigned)(WANT_INSTALL | WANT_COUNT);
        if (s->counted)
            finish_count(s, -ENOTCONN, NULL);
        if (s->dead) {
            want(c, s, WANT_REMOVE);
        } else if (waits & WANT_INSTALL) {
            finish_install(c, s, -ENOTCONN, reason);
        } else if (asked & WANT_INSTALL) {
            /* Half of it may stand: it is removed as soon as somebody can. */
            s->dead = true;
            want(c, s, WANT_REMOVE);
            finish_install(c, s, -ENOTCONN, reason);
        }
    }
    c->want_open = true;
    pump(c);
}

static void on_opened(struct ipsec_charon *c, const struct charon_answer *a)
{
    c->health = a->health;
    if (!c->health.ready)
        return;
    if (c->options.again && c->events.on_up)
        c->events.on_up(c->events_ctx);
    pump(c);
}

static void on_answer(struct ipsec_charon *c, struct charon_answer *a)
{
    struct set *s = pool_find(&c->handles, handle_of_u64(a->id));

    a->reason[sizeof(a->reason) - 1] = '\0';
    switch ((enum charon_op)a->op) {
    case CHARON_OPEN:
        on_opened(c, a);
        return;
    case CHARON_DIED:
        on_died(c, a->reason);
        return;
    case CHARON_EXPIRED:
        on_expired(c, a->spi);
        return;
    default:
        break;
    }
    if (!s)
        return;
    if (a->op == CHARON_INSTALL) {
        s->asked &= ~(unsigned)WANT_INSTALL;
        finish_install(c, s, a->status, a->reason);
    } else if (a->op == CHARON_COUNT) {
        s->asked &= ~(unsigned)WANT_COUNT;
        finish_count(s, a->status, &a->counters);
    } else if (a->op == CHARON_REMOVE && s->dead) {
        set_free(c, s);
    }
}

/* 1, 0 when nothing waits, -ENOTCONN. */
static int take_answer(struct ipsec_charon *c, struct charon_answer *ret_answer)
{
    ssize_t n;

    do {
        n = recv(c->fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n == (ssize_t)sizeof(*ret_answer) ? 1 : -ENOTCONN;
}

static void on_ready(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ipsec_charon *c = ctx;
    struct charon_answer a;
    int rc = 0;

    /* A bound a turn, so that a burst of answers leaves room for calls. */
    for (unsigned i = 0; i < 32 && (events & LOOP_READ); i++) {
        rc = take_answer(c, &a);
        if (rc <= 0)
            break;
        on_answer(c, &a);
    }
    if (rc < 0) {
        loop_fd_unwatch(w);
        c->watch = NULL;
        on_died(c, "the IPsec process and its keeper have gone");
        return;
    }
    pump(c);
}

/* ---- life ---- */

int ipsec_charon_start(struct ipsec_charon **ret_charon)
{
    struct ipsec_charon *c = calloc(1, sizeof(*c));
    int pair[2];

    if (!c)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        int rc = -errno;

        free(c);
        return rc;
    }
    c->keeper = fork();
    if (c->keeper == 0) {
        close(pair[0]);
        charon_keeper_run(pair[1]);
        _exit(0);
    }
    close(pair[1]);
    c->fd = pair[0];
    list_init(&c->sets);
    list_init(&c->pending);
    if (c->keeper < 0) {
        ipsec_charon_free(c);
        return -EAGAIN;
    }
    *ret_charon = c;
    return 0;
}

/* Waits for one answer; start and end only. */
static int await(struct ipsec_charon *c, enum charon_op op, struct charon_answer *ret_answer)
{
    int64_t left = PATIENCE_MS;

    while (left > 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        struct timespec before, after;
        int rc;

        clock_gettime(CLOCK_MONOTONIC, &before);
        rc = poll(&p, 1, (int)left);
        if (rc < 0 && errno != EINTR)
            return -errno;
        if (rc > 0) {
            rc = take_answer(c, ret_answer);
            if (rc < 0)
                return rc;
            if (rc > 0 && ret_answer->op == CHARON_DIED) {
                c->generation++; /* another worker has been started, but one is enough to know */
                return -ENOTCONN;
            }
            if (rc > 0 && ret_answer->op == op)
                return 0;
        }
        clock_gettime(CLOCK_MONOTONIC, &after);
        left -= (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    }
    return -ETIMEDOUT;
}

int ipsec_charon_open(struct ipsec_charon *c, struct loop *l,
                      const struct ipsec_charon_options *options)
{
    struct charon_answer a;
    uint8_t key[16];
    int rc;

    if (options->n_ports == 0 || options->n_ports > IPSEC_CHARON_PORTS_MAX || c->loop)
        return -EINVAL;
    c->options.reqid = options->reqid ? options->reqid : REQID_DEFAULT;
    c->options.n_ports = options->n_ports;
    memcpy(c->options.ports, options->ports, options->n_ports * sizeof(options->ports[0]));
    rc = ask_open(c);
    if (rc == 0)
        rc = await(c, CHARON_OPEN, &a);
    if (rc < 0)
        return rc;

    c->loop = l;
    pool_init(&c->handles, options->sets ? options->sets : SETS_DEFAULT);
    rnd_system.fill(rnd_system.ctx, key, sizeof(key));
    rc = map_init(&c->by_spi, 0, key, equal_spi);
    if (rc == 0)
        rc = loop_fd_watch(l, c->fd, LOOP_READ, on_ready, c, &c->watch);
    if (rc < 0)
        return rc;
    c->next_spi = 0x10000 + (rnd_below(&rnd_system, 0x7fff0000) & ~1u);
    c->health = a.health;
    return 0;
}

struct ipsec ipsec_charon_port(struct ipsec_charon *c)
{
    return (struct ipsec){&charon_ops, c};
}

void ipsec_charon_free(struct ipsec_charon *c)
{
    struct charon_request r;
    struct charon_answer a;

    if (!c)
        return;
    if (c->watch)
        loop_fd_unwatch(c->watch);
    memset(&r, 0, sizeof(r));
    r.op = CHARON_CLOSE;
    r.generation = c->generation;
    if (c->keeper > 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};

        (void)poll(&p, 1, PATIENCE_MS);
        if (ask(c, &r) == 0)
            (void)await(c, CHARON_CLOSE, &a); /* without it the next start removes what is left */
    }
    close(c->fd);
    if (c->keeper > 0)
        while (waitpid(c->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    while (c->loop && !list_empty(&c->sets))
        set_free(c, CONTAINER_OF(c->sets.next, struct set, all));
    if (c->loop) {
        map_fini(&c->by_spi);
        pool_fini(&c->handles);
    }
    free(c);
}
