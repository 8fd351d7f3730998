/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transaction, inside: the response context; proxy.c has its branches, answer.c what goes up. */
#ifndef COMMON_TRANSACTION_PROXY_H
#define COMMON_TRANSACTION_PROXY_H

#include "common/transaction/inner.h"

struct ok;

enum branch_state { BRANCH_WAITING, BRANCH_RUNNING, BRANCH_DONE };

struct sip_branch {
    struct list item;
    struct sip_proxy *p;
    struct sip_client *client; /* NULL once it has ended */
    struct sip_flow flow;
    enum branch_state state;
    unsigned q;
    uint64_t no_answer;
    bool unanswered; /* given up by no_answer: counts as 408 */
    struct loop_timer timer;
    struct ok *oks;
    unsigned n_oks;
};

struct answer_slot {
    struct list item;
    struct sip_answer a;
    struct sip_edit edit;
    char *extra; /* our copy of a.replace_extra, while it is held */
};

struct sip_proxy {
    struct list item; /* in layer.proxies */
    struct sip_layer *l;
    struct sip_server *server; /* NULL once it has ended */
    struct handle server_handle;
    uint64_t mark; /* goes into the branches */
    bool invite, started, cancelled, running;
    const struct sip_proxy_ops *ops;
    void *ctx;
    struct list branches;
    struct list queue; /* answers that wait */
    unsigned n_queue;
    struct answer_slot *held;
    struct loop_task task;
    /* the best final so far */
    unsigned best;
    struct sip_msg *best_msg;
    struct sip_branch *best_branch;
    char *cancel_reason; /* Reason lines of the caller's CANCEL */
};

/* The caller has its final response, or waits no more. */
static inline bool proxy_is_answered(const struct sip_proxy *p)
{
    return !p->server || server_is_answered(p->server);
}
/* At the end of the turn: answers that wait, and the end when it has come. */
void proxy_run_later(struct sip_proxy *p);

/* ---- answer.c ---- */

/* A response of b's, or one of our own (m NULL), behind those that wait. */
void answers_add(struct sip_proxy *p, struct sip_branch *b, unsigned status, struct sip_msg *m);
/* Asks the role and sends, until one is held. Never from inside a call of the role's. */
void answers_run(struct sip_proxy *p);
void answers_clear(struct sip_proxy *p);
/* The 2xx of a branch that ends. */
void answers_forget(struct sip_branch *b);

#endif
