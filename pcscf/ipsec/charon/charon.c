/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side: the processes, and what is sent to the worker in its order. */
#include "pcscf/ipsec/charon/charon.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcscf/ipsec/charon/daemon.h"

#define SETS_DEFAULT  100000
#define REQID_DEFAULT 3329
#define PATIENCE_MS   30000 /* a kernel loads modules while it is tested */

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

/* What is left of its lifetime: a worker may be a while in starting. */
static uint32_t lifetime_left(const struct ipsec_charon *c, const struct set *s)
{
    uint64_t now = loop_now(c->loop);

    if (s->ends_at == 0)
        return 0;
    return s->ends_at <= now ? 1 : (uint32_t)((s->ends_at - now + SEC - 1) / SEC);
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
    r.set.lifetime = lifetime_left(c, s);
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

void charon_pump(struct ipsec_charon *c)
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
    LIST_EACH (it, &c->pending) {
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

void charon_want(struct ipsec_charon *c, struct set *s, unsigned what)
{
    s->want |= what;
    if (list_empty(&s->pending))
        list_add_tail(&c->pending, &s->pending);
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
            rc = charon_take_answer(c, ret_answer);
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
    rc = map_init(&c->by_spi, 0, key, charon_set_equal_spi);
    if (rc == 0)
        rc = loop_fd_watch(l, c->fd, LOOP_READ, charon_on_ready, c, &c->watch);
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
        charon_set_free(c, CONTAINER_OF(c->sets.next, struct set, all));
    if (c->loop) {
        map_fini(&c->by_spi);
        pool_fini(&c->handles);
    }
    free(c);
}
