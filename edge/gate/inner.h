/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/gate, inside: legs and sessions (gate.c), the Diameter session of each (session.c). */
#ifndef EDGE_GATE_INNER_H
#define EDGE_GATE_INNER_H

#include "common/token/token.h"
#include "edge/gate/gate.h"

#define SESSION_ID_MAX 200

struct flow {
    struct gate_flow is;
    bool up;
};

struct grant {
    struct diameter_flow flow;
    uint64_t bandwidth; /* as struct qos_filter has it */
};

struct gates {
    struct loop *loop;
    struct diameter *diameter;
    const struct relay_port *relay;
    struct gates_options options;
    struct gates_ops ops;
    struct gates_counters counters;
    struct map by_session; /* gates with a Diameter session */
    size_t n_gates;
};

struct gate {
    struct gates *of;
    void *user;
    struct flow *flows;
    size_t n_flows;
    bool agreed; /* flows were set once, perhaps none */

    /* the Diameter session, from the first QAR on */
    struct map_node node;
    bool session_open;
    char session_id[SESSION_ID_MAX];
    char pdp[TOKEN_ENTITY_MAX + 1]; /* who answered: later messages go there */

    /* what it granted */
    bool granted;
    struct grant *grants;
    size_t n_grants;
    struct secret token; /* of the grant, or of the question under way */
    char token_name[TOKEN_NAME_LEN + 1];
    struct loop_timer renew, expire;

    /* the question under way */
    bool asking;
    struct handle call;
    void (*done)(void *ctx, enum gate_verdict verdict, const char *detail);
    void *done_ctx;
    enum gate_verdict early; /* known without asking; told by the task */
    struct loop_task tell;
};

/* gate.c */
void gate_lower_all(struct gate *gate, enum relay_gate to);
/* Every leg as the grant has it, no more and no less. */
void gate_apply(struct gate *gate);
bool gate_has_flows(const struct gate *gate); /* that the PDP is to be asked about */

/* session.c */
bool gate_session_equal(const struct map_node *node, const void *key);
/* STR, whatever happened before: a QAR whose answer was missed may have been granted. */
void gate_session_end(struct gate *gate, uint32_t cause);
void gate_grant_drop(struct gate *gate);
/* Ends the question under way. */
void gate_verdict(struct gate *gate, enum gate_verdict v, const char *detail);
/* QAR with gate->token. Negative errno: nothing was sent. */
int gate_ask(struct gate *gate);
/* A question of our own under way gives way to one that somebody waits for. */
void gate_renewal_drop(struct gate *gate);
void gate_on_renew(struct loop_timer *t, void *ctx);
void gate_on_expire(struct loop_timer *t, void *ctx);
/* ASR, RAR. */
void gate_on_request(void *ctx, struct handle request, const struct diameter_request *rq);

#endif
