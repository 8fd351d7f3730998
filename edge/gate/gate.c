/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legs and sessions. */
#include "edge/gate/gate.h"

#include <errno.h>
#include <stdlib.h>

#include "edge/gate/inner.h"

/* What a flow may send at once, at least: a few frames of video. */
#define BURST_MIN 6000u
/* Octets a second of a granted flow whose QAA does not say how many: RTCP, and hardly any media. */
#define RATE_UNSAID 125u
/* Above that a flow has no limit worth the name, and the bucket's arithmetic would overflow. */
#define RATE_MAX UINT32_MAX
/* What a rule says when nobody is asked (GATE_OPEN). */
#define RATE_UNLIMITED 0u

const char *gate_verdict_name(enum gate_verdict v)
{
    static const char *const names[GATE_VERDICTS] = {
        [GATE_GRANTED] = "granted", [GATE_REFUSED] = "refused",     [GATE_SILENT] = "silent",
        [GATE_NO_PDP] = "no-pdp",   [GATE_BAD_TOKEN] = "bad-token", [GATE_NO_FLOWS] = "no-flows",
        [GATE_HELD] = "held",       [GATE_BROKEN] = "broken",       [GATE_BUSY] = "busy",
    };
    return names[v];
}

const char *gate_loss_name(enum gate_loss l)
{
    static const char *const names[] = {"revoked", "expired", "withdrawn"};
    return names[l];
}

/* ---- legs ---- */

static void flow_lower(struct gates *g, struct flow *f, enum relay_gate gate)
{
    g->relay->lower(g->relay->ctx, f->is.stream, f->is.leg, gate);
    f->up = false;
}

/* Octets a second, from 1: a granted flow always has a limit. */
static uint64_t rate_of(const struct grant *grant)
{
    uint64_t bits = grant->bandwidth, rate = bits / 8 + (bits % 8 != 0);

    if (bits == 0 || bits == QOS_BANDWIDTH_BAD)
        return RATE_UNSAID;
    return rate < RATE_MAX ? rate : RATE_MAX;
}

static void flow_raise(struct gates *g, struct flow *f, uint64_t rate)
{
    struct relay_rule rule = f->is.rule;

    rule.gate = RELAY_GATE_OPEN;
    rule.bytes_per_second = rate;
    rule.burst_bytes = rule.bytes_per_second * (g->options.burst / MSEC) / 1000;
    if (rule.burst_bytes < BURST_MIN)
        rule.burst_bytes = BURST_MIN;
    f->up = g->relay->set(g->relay->ctx, f->is.stream, f->is.leg, &rule) == 0;
    if (!f->up)
        g->counters.set_failed++;
}

/* A leg that is down still says where its side is: the other direction sends there. */
static void flow_place(struct gates *g, struct flow *f, enum relay_gate gate)
{
    struct relay_rule rule = f->is.rule;

    rule.gate = gate;
    rule.bytes_per_second = 0;
    f->up = false;
    if (g->relay->set(g->relay->ctx, f->is.stream, f->is.leg, &rule) != 0)
        g->counters.set_failed++;
}

static const struct grant *grant_for(const struct gate *gate, const struct diameter_flow *flow)
{
    for (size_t i = 0; gate->granted && i < gate->n_grants; i++)
        if (diameter_flow_covers(&gate->grants[i].flow, flow))
            return &gate->grants[i];
    return NULL;
}

void gate_lower_all(struct gate *gate, enum relay_gate to)
{
    for (size_t i = 0; i < gate->n_flows; i++)
        flow_lower(gate->of, &gate->flows[i], to);
}

/* Every leg as the grant has it, no more and no less. */
void gate_apply(struct gate *gate)
{
    struct gates *g = gate->of;

    for (size_t i = 0; i < gate->n_flows; i++) {
        struct flow *f = &gate->flows[i];
        const struct grant *grant = grant_for(gate, &f->is.what);

        if (f->is.idle)
            flow_place(g, f, RELAY_GATE_CLOSED);
        else if (g->options.mode == GATE_OPEN)
            flow_raise(g, f, RATE_UNLIMITED);
        else if (grant)
            flow_raise(g, f, rate_of(grant));
        else
            flow_place(g, f, RELAY_GATE_CLOSED);
    }
}

static bool same_leg(const struct gate_flow *a, const struct gate_flow *b)
{
    return a->stream == b->stream && a->leg == b->leg;
}

int gate_set_flows(struct gate *gate, const struct gate_flow *flows, size_t n)
{
    struct flow *list;

    if (n > GATE_FLOWS_MAX)
        return -EINVAL;
    list = calloc(n ? n : 1, sizeof(*list));
    if (!list) {
        gate_lower_all(gate, RELAY_GATE_CLOSED);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        list[i].is = flows[i];
    for (size_t i = 0; i < gate->n_flows; i++) {
        bool stays = false;

        for (size_t k = 0; k < n && !stays; k++) /* both at most GATE_FLOWS_MAX */
            stays = same_leg(&gate->flows[i].is, &flows[k]);
        if (!stays)
            flow_lower(gate->of, &gate->flows[i], RELAY_GATE_CLOSED);
    }
    free(gate->flows);
    gate->flows = list;
    gate->n_flows = n;
    gate->agreed = true;
    gate_apply(gate);
    return 0;
}

/* ---- asking ---- */

bool gate_has_flows(const struct gate *gate)
{
    for (size_t i = 0; i < gate->n_flows; i++)
        if (!gate->flows[i].is.idle)
            return true;
    return false;
}

static void on_tell(struct loop_task *t, void *ctx)
{
    struct gate *gate = ctx;

    static const char *const why[GATE_VERDICTS] = {
        [GATE_GRANTED] = "granted",
        [GATE_NO_PDP] = "no connection to the PDP",
        [GATE_BAD_TOKEN] = "authorization-token is no RFC 3520 AUTH_SESSION element",
        [GATE_NO_FLOWS] = "nothing to authorize: the offer is not answered",
        [GATE_HELD] = "nothing flows now",
    };

    (void)t;
    gate_verdict(gate, gate->early, why[gate->early]);
}

static void tell_later(struct gate *gate, enum gate_verdict v)
{
    gate->asking = true;
    gate->early = v;
    loop_defer(gate->of->loop, &gate->tell);
}

static bool covered(const struct gate *gate, const struct secret *token)
{
    if (!gate->granted || !secret_eq(token, &gate->token))
        return false;
    for (size_t i = 0; i < gate->n_flows; i++)
        if (!gate->flows[i].is.idle && !grant_for(gate, &gate->flows[i].is.what))
            return false;
    return true;
}

int gate_authorize(struct gate *gate, struct span octets,
                   void (*done)(void *ctx, enum gate_verdict verdict, const char *detail),
                   void *ctx)
{
    struct gates *g = gate->of;
    struct secret token;
    uint8_t hash[TOKEN_HASH_LEN];
    int rc;

    if (gate->asking && gate->done)
        return -EBUSY;
    gate_renewal_drop(gate);
    gate->done = done;
    gate->done_ctx = ctx;
    if (!gate_has_flows(gate)) {
        tell_later(gate, gate->agreed ? GATE_HELD : GATE_NO_FLOWS);
        return 0;
    }
    if (g->options.mode == GATE_OPEN) {
        tell_later(gate, GATE_GRANTED);
        return 0;
    }
    if (token_of_octets(octets, &token) != 0) {
        tell_later(gate, GATE_BAD_TOKEN);
        return 0;
    }
    if (covered(gate, &token)) {
        secret_wipe(&token);
        tell_later(gate, GATE_GRANTED);
        return 0;
    }
    if (gate->session_open && !secret_eq(&gate->token, &token)) {
        /* A Diameter session is one token's; what it granted ends with it. */
        gate_grant_drop(gate);
        gate_lower_all(gate, RELAY_GATE_CLOSED);
        gate_session_end(gate, DIAMETER_LOGOUT);
    }
    gate->token = token;
    secret_wipe(&token);
    token_hash(&gate->token, hash);
    (void)token_name(hash, gate->token_name);
    rc = gate_ask(gate);
    if (rc == -ENOTCONN || rc == -EBUSY) {
        tell_later(gate, GATE_NO_PDP);
        return 0;
    }
    if (rc != 0)
        gate->done = NULL;
    return rc;
}

/* ---- life ---- */

int gates_new(struct loop *l, struct diameter *d, const struct rnd *rnd,
              const struct relay_port *relay, const struct gates_options *options,
              const struct gates_ops *ops, struct gates **ret_gates)
{
    struct gates *g;
    uint8_t key[16];
    int rc;

    if (!d && options->mode != GATE_OPEN)
        return -EINVAL;
    g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    *g = (struct gates){.loop = l, .diameter = d, .relay = relay, .options = *options, .ops = *ops};
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&g->by_session, 0, key, gate_session_equal);
    if (rc == 0 && d)
        rc = diameter_serve(d, DIAMETER_APP_QOS, gate_on_request, g);
    if (rc != 0) {
        gates_free(g);
        return rc;
    }
    *ret_gates = g;
    return 0;
}

void gates_free(struct gates *g)
{
    if (!g)
        return;
    map_fini(&g->by_session);
    free(g);
}

const struct gates_counters *gates_counters(const struct gates *g)
{
    return &g->counters;
}

int gate_new(struct gates *g, void *user, struct gate **ret_gate)
{
    struct gate *gate;

    if (g->n_gates >= g->options.limit)
        return -ENOSPC;
    gate = calloc(1, sizeof(*gate));
    if (!gate)
        return -ENOMEM;
    gate->of = g;
    gate->user = user;
    loop_timer_init(&gate->renew, gate_on_renew, gate);
    loop_timer_init(&gate->expire, gate_on_expire, gate);
    loop_task_init(&gate->tell, on_tell, gate);
    g->n_gates++;
    *ret_gate = gate;
    return 0;
}

void gate_end(struct gate *gate)
{
    if (!gate)
        return;
    gate_lower_all(gate, RELAY_GATE_ENDED);
    if (gate->of->diameter)
        diameter_cancel(gate->of->diameter, gate->call);
    gate_session_end(gate, DIAMETER_LOGOUT);
    gate_grant_drop(gate);
    loop_task_cancel(&gate->tell);
    secret_wipe(&gate->token);
    gate->of->n_gates--;
    free(gate->flows);
    free(gate);
}

static const struct flow *flow_of_leg(const struct gate *gate, const struct relay_stream *s,
                                      unsigned leg)
{
    for (size_t i = 0; i < gate->n_flows; i++)
        if (gate->flows[i].is.stream == s && gate->flows[i].is.leg == leg)
            return &gate->flows[i];
    return NULL;
}

bool gate_leg_up(const struct gate *gate, const struct relay_stream *s, unsigned leg)
{
    const struct flow *f = flow_of_leg(gate, s, leg);

    return f && f->up;
}

unsigned gate_up_count(const struct gate *gate)
{
    unsigned n = 0;

    for (size_t i = 0; i < gate->n_flows; i++)
        n += gate->flows[i].up;
    return n;
}

struct span gate_session_id(const struct gate *gate)
{
    return span_str(gate->session_id);
}

const char *gate_token_name(const struct gate *gate)
{
    return gate->token_name;
}
