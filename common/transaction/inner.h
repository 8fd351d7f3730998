/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transaction, inside: the layer's tables and what its files need of each other. */
#ifndef COMMON_TRANSACTION_INNER_H
#define COMMON_TRANSACTION_INNER_H

#include "common/transaction/machine.h"
#include "common/transaction/transaction.h"

#define BRANCH_COOKIE "z9hG4bK"
#define BRANCH_DIGITS 13 /* of five bits: 64 bits */
#define BRANCH_LEN    (sizeof(BRANCH_COOKIE) - 1 + BRANCH_DIGITS)
#define MARKED_LEN    (BRANCH_LEN + 1 + BRANCH_DIGITS) /* with a mark behind a dot */
#define VIA_MAX       (sizeof("SIP/2.0/UDP ;branch=") + 128 + MARKED_LEN)

/* What the four machines have in common. */
struct tx {
    struct map_node node; /* in layer.servers or .clients; a dead one hangs in layer.dead by it */
    struct sip_layer *l;
    struct loop_timer tick, end;
    uint8_t machine, state; /* enum tx_machine, tx_state */
    uint8_t profile;        /* enum sip_timer_profile */
    uint8_t ticks;          /* so far in this state */
    bool reliable;          /* transport of the message that is repeated */
};

struct sip_server {
    struct tx x;
    struct handle handle;
    struct sip_msg *request; /* NULL once the final response was given, but for a 2xx to INVITE */
    struct sip_flow flow;
    struct sip_target back; /* where responses go */
    char *response;         /* the last one, for retransmissions; NULL when none will be asked */
    uint32_t response_n, response_cap;
    uint16_t key_n;
    char tag[BRANCH_DIGITS];
    struct sip_proxy *proxy;
    void *user;
    char key[];
};

struct sip_client {
    struct tx x;
    uint64_t id;   /* the branch */
    uint64_t mark; /* of a request that is forwarded (proxy_mark), else 0 */
    const struct sip_client_ops *ops;
    void *ctx;
    char *request; /* as sent; once completed the ACK of an INVITE, or NULL */
    uint32_t request_n, via, via_n;
    int error; /* what ended it, for on_failed */
    uint8_t method;
    uint8_t proto; /* in use */
    uint8_t at, n_targets;
    bool started, cancel_wanted, cancelled, failing, fell_back;
    char *cancel_extra; /* header lines of the CANCEL, or NULL */
    struct sip_watch watch;
    struct sip_flow used;
    struct sip_target targets[];
};

struct sip_layer {
    struct sip_transport *t;
    struct loop *loop;
    struct sip_layer_options o;
    struct sip_layer_ops ops;
    void *ctx;
    struct map servers, clients;
    struct pool handles;
    struct map_node *dead;
    struct loop_task reap;
    struct list proxies;
    struct list acks; /* on their way by TCP */
    unsigned n_acks;
    struct answer_slot *spare; /* one answer at hand: most are never held */
    uint64_t secret[2];        /* keys branches and tags */
    uint64_t branches;
    bool closing;
    struct sip_layer_counters counters;
    char scratch[65535 + 4096];
};

/* ---- machine.c and tx.c: stepping ---- */

#define TX_DO_NOTHING 0x100 /* the event was refused */
unsigned tx_step(struct tx *x, enum tx_event event);
void tx_init(struct tx *x, struct sip_layer *l, enum tx_machine machine,
             enum sip_timer_profile profile, bool reliable);
/* The state's timers, from now. */
void tx_enter(struct tx *x, enum tx_state state);
void tx_bury(struct tx *x);

/* ---- layer.c ---- */

/* The 13 digits of v. */
void layer_digits(uint64_t v, char *dst);
uint64_t layer_next_branch(struct sip_layer *l);
struct buf layer_scratch(struct sip_layer *l);
/* "SIP/2.0/UDP sent-by;branch=..."; mark 0: without. */
struct span layer_via(char dst[VIA_MAX], const struct sip_endpoint *e, enum net_proto proto,
                      uint64_t branch, uint64_t mark);

/* ---- ack.c ---- */

void acks_free(struct sip_layer *l);

/* ---- server.c ---- */

void server_on_request(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow);
void server_event(struct sip_server *s, enum tx_event event);
/* A final response was given, or it has ended. */
bool server_is_answered(const struct sip_server *s);
/* It has left the table; its proxy learns of it. */
void server_gone(struct sip_server *s);
void server_free(struct sip_server *s);
bool server_same_key(const struct map_node *node, const void *key);

/* ---- client.c ---- */

struct client_key {
    uint64_t id;
    bool cancel;
};
bool client_same_key(const struct map_node *node, const void *key);
/* With a branch of its own, no mark, and nothing sent. -EINVAL, -ENOSPC, -ENOMEM. */
int client_new(struct sip_layer *l, enum sip_method method, const struct sip_target *targets,
               size_t n_targets, const struct sip_client_ops *ops, void *ctx,
               struct sip_client **ret_client);
/* The Via value its request must carry. */
struct span client_via(const struct sip_client *c, char dst[VIA_MAX]);
/* Copies the rendered request. -EINVAL when it lacks the Via. */
int client_set_request(struct sip_client *c, struct span request);
void client_start(struct sip_client *c);
/* extra: lines of the CANCEL, copied. */
void client_cancel(struct sip_client *c, struct span extra);
void client_on_response(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow);
void client_event(struct sip_client *c, enum tx_event event, struct sip_msg *m);
void client_end_fired(struct sip_client *c);
/* Out of the table at once; on_end comes with the reaping. */
void client_drop(struct sip_client *c);
void client_gone(struct sip_client *c);
void client_free(struct sip_client *c);

/* ---- check.c ---- */

/* The second part of our branches (RFC 5393 4.2.1): what decides where a request goes from here, never 0. The same
 * again is a loop; another is a spiral. */
uint64_t proxy_mark(const struct sip_layer *l, const struct sip_msg *m,
                    const struct sip_flow *flow);

/* ---- proxy.c ---- */

/* cancel: for its Reason (RFC 3326 2). */
void proxy_on_cancel(struct sip_proxy *p, const struct sip_msg *cancel);
/* Its server was given a final response, by whomever. */
void proxy_server_answered(struct sip_proxy *p);
void proxy_server_gone(struct sip_proxy *p);
void proxies_free(struct sip_layer *l);

#endif
