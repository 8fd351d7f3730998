/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker says: a set is installed, counted, removed or expired; the worker is ready, or has died. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "pcscf/ipsec/charon/daemon.h"

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
        charon_set_free(c, s);
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
    struct set *s = charon_set_of_spi(c, spi);

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

/* What the worker was asked died with it: installs and counts fail, removals and lifetimes, which nobody
 * confirms, are asked again. */
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
            charon_want(c, s, WANT_REMOVE);
        } else if (waits & WANT_INSTALL) {
            finish_install(c, s, -ENOTCONN, reason);
        } else if (asked & WANT_INSTALL) {
            /* Half of it may stand: it is removed as soon as somebody can. */
            s->dead = true;
            charon_want(c, s, WANT_REMOVE);
            finish_install(c, s, -ENOTCONN, reason);
        } else if (!s->expired) {
            charon_want(c, s, WANT_LIMIT);
        }
    }
    c->want_open = true;
    charon_pump(c);
}

static void on_opened(struct ipsec_charon *c, const struct charon_answer *a)
{
    c->health = a->health;
    if (!c->health.ready)
        return;
    if (c->options.again && c->events.on_up)
        c->events.on_up(c->events_ctx);
    charon_pump(c);
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
        charon_set_free(c, s);
    }
}

int charon_take_answer(struct ipsec_charon *c, struct charon_answer *ret_answer)
{
    ssize_t n;

    do {
        n = recv(c->fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n == (ssize_t)sizeof(*ret_answer) ? 1 : -ENOTCONN;
}

void charon_on_ready(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ipsec_charon *c = ctx;
    struct charon_answer a;
    int rc = 0;

    /* A bound a turn, so that a burst of answers leaves room for calls. */
    for (unsigned i = 0; i < 32 && (events & LOOP_READ); i++) {
        rc = charon_take_answer(c, &a);
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
    charon_pump(c);
}
