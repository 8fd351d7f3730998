/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/net, inside: what the two twins share. Not for other rooms. */
#ifndef COMMON_NET_INNER_H
#define COMMON_NET_INNER_H

#include "common/net/net.h"

/* ---- RFC 3263 as one pure function over what is known of the DNS ---- */

enum { NAMES_TEXT = 256, NAMES_RECORDS = 16, NAMES_QUESTIONS = 32, NAMES_TARGETS = 32 };
enum name_kind { NAME_ADDR, NAME_SRV, NAME_NAPTR }; /* ADDR = A and AAAA together */

struct name_srv {
    uint16_t priority, weight, port;
    char target[NAMES_TEXT];
};

struct name_naptr {
    uint16_t order, preference;
    char service[16];
    char replacement[NAMES_TEXT];
};

/* What is known of one (kind, name): n records; none with error = why there is none. */
struct name_fact {
    enum name_kind kind;
    char name[NAMES_TEXT];
    bool known;
    int error;
    size_t n;
    union {
        struct addr addr[NAMES_RECORDS];
        struct name_srv srv[NAMES_RECORDS];
        struct name_naptr naptr[NAMES_RECORDS];
    };
};

struct name_question {
    enum name_kind kind;
    char name[NAMES_TEXT];
};

/* Either questions to be asked first, or targets, or an error. */
struct names_step {
    size_t n_questions, n_targets;
    struct name_question questions[NAMES_QUESTIONS];
    struct net_target targets[NAMES_TARGETS];
    int error;
};

/* RFC 3263 4.1, 4.2 and RFC 2782: what to ask next or where to go, from the query and the facts.
 * rnd chooses among SRV weights. */
void names_order(const struct net_resolve_query *query, struct name_fact *const *facts, size_t n,
                 const struct rnd *rnd, struct names_step *ret_step);

/* ---- resolving: asks what names_order asks, until it knows ---- */

struct net_resolve {
    struct list item;
    struct net *net;
    struct net_resolve_query query;
    char host[NAMES_TEXT];
    void (*done)(const struct net_target *targets, size_t n, int error, void *ctx);
    void *ctx;
    struct name_fact *facts[NAMES_QUESTIONS];
    struct list open; /* struct name_open */
    size_t n, pending;
    bool busy; /* questions are going out: their answers are looked at afterwards */
};

/* A question on its way, embedded in the twin's own object, which outlives its resolve. */
struct name_open {
    struct list item;
    struct net_resolve *resolve; /* NULL = cancelled: the answer is of no interest */
    struct name_fact *fact;
};

void names_open(struct name_open *open, struct net_resolve *r, struct name_fact *fact);
/* An answer has come: the caller has filled the fact's n, error and records unless the question was
 * cancelled. The resolve may be gone after it. */
void names_answer(struct name_open *open);

/* ---- the network of either twin ---- */

struct net_impl {
    void (*free)(struct net *n);
    int (*udp_open)(struct net *n, const struct addr *local, const struct net_udp_options *options,
                    const struct net_udp_ops *ops, void *ctx, struct net_udp **ret_udp);
    int (*udp_send)(struct net_udp *u, const struct addr *to, struct span data);
    void (*udp_close)(struct net_udp *u);
    int (*listen)(struct net *n, const struct addr *local,
                  void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx),
                  void *ctx, struct net_listener **ret_listener);
    void (*listener_close)(struct net_listener *li);
    int (*connect)(struct net *n, const struct addr *local, const struct addr *remote,
                   const struct net_tcp_ops *ops, void *ctx, struct net_tcp **ret_tcp);
    int (*tcp_send)(struct net_tcp *t, struct span data);
    void (*tcp_close)(struct net_tcp *t);
    const struct rnd *(*rnd)(struct net *n);
    /* Puts the question (names_open) and answers it later or from within the call. -ENOMEM or the
     * resolver's errno. */
    int (*ask)(struct net_resolve *r, struct name_fact *fact);
};

struct net {
    const struct net_impl *impl;
    struct loop *loop;
    struct list resolves;
};

struct net_udp {
    struct net *net;
    struct addr local;
    const struct net_udp_ops *ops;
    void *ctx;
};

struct net_listener {
    struct net *net;
    struct addr local;
    void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx);
    void *ctx;
};

struct net_tcp {
    struct net *net;
    struct addr local, remote;
    const struct net_tcp_ops *ops; /* NULL = accepted and not attached */
    void *ctx;
    size_t limit;
};

#define NET_TCP_LIMIT (256 * 1024)

#endif
