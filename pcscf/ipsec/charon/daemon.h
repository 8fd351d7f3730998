/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/ipsec/charon, the daemon's side: sets under handles (sets.c), what the worker says of them (answers.c), the
 * processes and what is sent (charon.c). */
#ifndef PCSCF_IPSEC_CHARON_DAEMON_H
#define PCSCF_IPSEC_CHARON_DAEMON_H

#include "pcscf/ipsec/charon/inner.h"

/* What a set still wants from the worker, in the order in which it is asked. */
enum { WANT_INSTALL = 1, WANT_LIMIT = 2, WANT_COUNT = 4, WANT_REMOVE = 8 };

struct set {
    struct list pending;    /* in charon.pending while it wants something */
    struct list all;        /* in charon.sets */
    struct map_node by_spi; /* while it has a name in the kernel: spi_pc and spi_ps are a pair */
    struct handle handle;
    struct ipsec_set set; /* keys only until they have been sent */
    uint64_t ends_at;     /* loop time its lifetime is over; 0 = it has none */
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

/* ---- charon.c ---- */

/* Sends what is wanted until the worker is behind. */
void charon_pump(struct ipsec_charon *c);
/* To be sent by the next pump. */
void charon_want(struct ipsec_charon *c, struct set *s, unsigned what);

/* ---- sets.c ---- */

extern const struct ipsec_ops charon_ops;
bool charon_set_equal_spi(const struct map_node *node, const void *key);
struct set *charon_set_of_spi(const struct ipsec_charon *c, uint32_t spi);
void charon_set_free(struct ipsec_charon *c, struct set *s);

/* ---- answers.c ---- */

/* 1, 0 when nothing waits, -ENOTCONN. */
int charon_take_answer(struct ipsec_charon *c, struct charon_answer *ret_answer);
void charon_on_ready(struct loop_fd *w, unsigned events, void *ctx);

#endif
