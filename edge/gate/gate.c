/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/gate/gate.h"

#include <errno.h>
#include <stdlib.h>

#include "common/token/token.h"

#define SESSION_ID_MAX 200
/* What a flow may send at once, at least: a few frames of video. */
#define BURST_MIN 6000u
/* How long before the end of its lifetime a grant is renewed, at most, and how soon again when the
 * PDP was silent. */
#define RENEW_EARLY (30 * SEC)
#define RENEW_AGAIN (5 * SEC)

struct flow {
    struct gate_flow is;
    bool up;
    uint64_t bandwidth; /* of the rule that is up, bit/s */
};

struct grant {
    struct diameter_flow flow;
    uint64_t bandwidth;
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

const char *gate_verdict_name(enum gate_verdict v)
{
    static const char *const names[GATE_VERDICTS] = {
        [GATE_GRANTED] = "granted", [GATE_REFUSED] = "refused",     [GATE_SILENT] = "silent",
        [GATE_NO_PDP] = "no-pdp",   [GATE_BAD_TOKEN] = "bad-token", [GATE_NO_FLOWS] = "no-flows",
        [GATE_BROKEN] = "broken",
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

static void flow_raise(struct gates *g, struct flow *f, uint64_t bandwidth)
{
    struct relay_rule rule = f->is.rule;

    rule.gate = RELAY_GATE_OPEN;
    rule.bytes_per_second = bandwidth / 8;
    rule.burst_bytes = rule.bytes_per_second * (g->options.burst / MSEC) / 1000;
    if (rule.burst_bytes < BURST_MIN)
        rule.burst_bytes = BURST_MIN;
    f->bandwidth = bandwidth;
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

static void lower_all(struct gate *gate, enum relay_gate to)
{
    for (size_t i = 0; i < gate->n_flows; i++)
        flow_lower(gate->of, &gate->flows[i], to);
}

/* Every leg as the grant has it, no more and no less. */
static void apply(struct gate *gate)
{
    struct gates *g = gate->of;

    for (size_t i = 0; i < gate->n_flows; i++) {
        struct flow *f = &gate->flows[i];
        const struct grant *grant = grant_for(gate, &f->is.what);

        if (f->is.idle)
            flow_place(g, f, RELAY_GATE_CLOSED);
        else if (g->options.mode == GATE_OPEN)
            flow_raise(g, f, 0);
        else if (grant)
            flow_raise(g, f, grant->bandwidth);
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
        lower_all(gate, RELAY_GATE_CLOSED);
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
    apply(gate);
    return 0;
}

/* ---- the Diameter session ---- */

static bool session_equal(const struct map_node *node, const void *key)
{
    return span_eq(span_str(CONTAINER_OF(node, const struct gate, node)->session_id),
                   *(const struct span *)key);
}

static uint64_t session_hash(const struct gates *g, struct span id)
{
    return map_hash(&g->by_session, id.p, id.n);
}

static int session_begin(struct gate *gate)
{
    struct gates *g = gate->of;
    struct buf b = {gate->session_id, 0, sizeof(gate->session_id) - 1, false};
    int rc;

    if (gate->session_open)
        return 0;
    diameter_session_id(g->diameter, "edge", &b);
    if (b.overflow)
        return -EMSGSIZE;
    gate->session_id[b.n] = '\0';
    rc = map_add(&g->by_session, session_hash(g, buf_span(&b)), &gate->node);
    gate->session_open = rc == 0;
    return rc;
}

static void on_terminated(void *ctx, int error, const struct diameter_answer *ans)
{
    (void)ctx, (void)error, (void)ans; /* the PDP expires a session whose STR it missed */
}

/* STR, whatever happened before: a QAR whose answer was missed may have been granted. */
static void session_end(struct gate *gate, uint32_t cause)
{
    struct gates *g = gate->of;
    struct diameter_request rq = {.kind = DIAMETER_ST,
                                  .app = DIAMETER_APP_QOS,
                                  .session_id = span_str(gate->session_id),
                                  .destination_host = span_str(gate->pdp),
                                  .destination_realm = g->options.pdp_realm,
                                  .st = {.cause = cause}};

    if (!gate->session_open)
        return;
    map_del(&g->by_session, &gate->node);
    gate->session_open = false;
    if (diameter_send(g->diameter, &rq, loop_now(g->loop) + g->options.timeout, on_terminated, NULL,
                      NULL) == 0)
        g->counters.terminated++;
    gate->session_id[0] = gate->pdp[0] = '\0';
}

static void grant_drop(struct gate *gate)
{
    gate->granted = false;
    free(gate->grants);
    gate->grants = NULL;
    gate->n_grants = 0;
    loop_timer_stop(gate->of->loop, &gate->renew);
    loop_timer_stop(gate->of->loop, &gate->expire);
}

static void lose(struct gate *gate, enum gate_loss why)
{
    struct gates *g = gate->of;

    grant_drop(gate);
    lower_all(gate, RELAY_GATE_CLOSED);
    g->counters.lost[why]++;
    if (g->ops.on_lost)
        g->ops.on_lost(gate->user, why);
}

static bool permits(const struct qos_filter *f)
{
    return !f->action.set || f->action.v != QOS_DROP;
}

/* False: no memory. */
static bool grant_take(struct gate *gate, const struct qos_qaa *qaa)
{
    struct gates *g = gate->of;
    struct grant *grants = calloc(qaa->n_filters ? qaa->n_filters : 1, sizeof(*grants));
    uint64_t lifetime = qaa->lifetime.set ? qaa->lifetime.v * SEC : 0;
    uint64_t grace = qaa->grace.set ? qaa->grace.v * SEC : 0;
    uint64_t whole = qaa->session_timeout.set ? qaa->session_timeout.v * SEC : 0;

    if (!grants)
        return false;
    grant_drop(gate);
    gate->granted = true;
    gate->grants = grants;
    for (size_t i = 0; i < qaa->n_filters; i++)
        if (permits(&qaa->filters[i]))
            grants[gate->n_grants++] =
                (struct grant){qaa->filters[i].flow, qaa->filters[i].bandwidth};
    /* RFC 6733 8.9: authorized anew before the lifetime is over, given up after the grace. */
    if (lifetime)
        loop_timer_start(g->loop, &gate->renew,
                         lifetime - (lifetime / 4 < RENEW_EARLY ? lifetime / 4 : RENEW_EARLY));
    if (lifetime || whole) {
        uint64_t end = lifetime ? lifetime + grace : whole;

        loop_timer_start(g->loop, &gate->expire, whole && whole < end ? whole : end);
    }
    return true;
}

/* ---- asking ---- */

static void verdict(struct gate *gate, enum gate_verdict v, const char *detail)
{
    void (*done)(void *, enum gate_verdict, const char *) = gate->done;

    gate->asking = false;
    gate->done = NULL;
    gate->of->counters.verdict[v]++;
    if (done)
        done(gate->done_ctx, v, detail);
}

static void on_tell(struct loop_task *t, void *ctx)
{
    struct gate *gate = ctx;

    static const char *const why[GATE_VERDICTS] = {
        [GATE_GRANTED] = "granted",
        [GATE_NO_PDP] = "no connection to the PDP",
        [GATE_BAD_TOKEN] = "authorization-token is no RFC 3520 AUTH_SESSION element",
        [GATE_NO_FLOWS] = "nothing to authorize: the offer is not answered, or all media is held",
    };

    (void)t;
    verdict(gate, gate->early, why[gate->early]);
}

static void tell_later(struct gate *gate, enum gate_verdict v)
{
    gate->asking = true;
    gate->early = v;
    loop_defer(gate->of->loop, &gate->tell);
}

/* Only a PDP that says no takes back what it granted; one that is silent does not: that is what
 * the lifetime is for. */
static void refused(struct gate *gate, const struct diameter_answer *ans)
{
    bool had = gate->granted, renewing = !gate->done;
    char detail[160];
    struct buf b = {detail, 0, sizeof(detail) - 1, false};

    buf_puts(&b, diameter_result_name(ans));
    if (ans->error_message.n && ans->error_message.n < 80)
        buf_fmt(&b, ": %.*s", SPAN_ARG(ans->error_message));
    detail[b.n] = '\0';
    grant_drop(gate);
    lower_all(gate, RELAY_GATE_CLOSED);
    verdict(gate, GATE_REFUSED, detail);
    if (had && renewing)
        lose(gate, GATE_WITHDRAWN);
}

static void on_answer(void *ctx, int error, const struct diameter_answer *ans)
{
    struct gate *gate = ctx;

    gate->call = (struct handle){0};
    if (error && !gate->done) /* the grant holds until it expires */
        loop_timer_start(gate->of->loop, &gate->renew, RENEW_AGAIN);
    if (error == -ETIMEDOUT) {
        verdict(gate, GATE_SILENT, "the PDP did not answer in time");
    } else if (error == -EBADMSG) {
        verdict(gate, GATE_BROKEN, "the PDP's answer cannot be understood");
    } else if (error) {
        verdict(gate, GATE_NO_PDP, "no connection to the PDP");
    } else if (!diameter_ok(ans)) {
        refused(gate, ans);
    } else if (!grant_take(gate, &ans->qaa)) {
        verdict(gate, GATE_BROKEN, "out of memory");
    } else {
        (void)span_copy(ans->origin_host, gate->pdp, sizeof(gate->pdp)); /* "" = by realm */
        apply(gate);
        if (gate_up_count(gate) == 0) { /* a yes to nothing is a no */
            verdict(gate, GATE_REFUSED, "the PDP authorized none of the flows");
            return;
        }
        verdict(gate, GATE_GRANTED, "granted");
    }
}

static void put_filters(const struct gate *gate, struct qos_qar *qar, char (*ids)[16])
{
    for (size_t i = 0; i < gate->n_flows; i++) {
        const struct gate_flow *f = &gate->flows[i].is;
        struct buf b = {ids[i], 0, sizeof(ids[i]), false};

        if (f->idle)
            continue;
        buf_fmt(&b, "%u.%u", f->media, f->number);
        qar->filters[qar->n_filters++] = (struct qos_filter){.id = buf_span(&b), .flow = f->what};
    }
}

/* RFC 5866 4.1: the QAR goes to the entity that the token names, when we have a connection to it;
 * a token is not verified here, so it cannot make us speak to anyone else. */
static struct span destination(const struct gate *gate, struct token_claims *claims)
{
    struct span element = span_of(gate->token.bytes, gate->token.n);

    if (gate->pdp[0])
        return span_str(gate->pdp);
    if (token_parse(element, claims) == 0 && claims->entity[0] &&
        diameter_peer_up(gate->of->diameter, span_str(claims->entity)))
        return span_str(claims->entity);
    return SPAN_NONE;
}

static bool has_flows(const struct gate *gate)
{
    for (size_t i = 0; i < gate->n_flows; i++)
        if (!gate->flows[i].is.idle)
            return true;
    return false;
}

static int ask(struct gate *gate)
{
    struct gates *g = gate->of;
    struct diameter_request *rq;
    struct token_claims claims;
    char ids[GATE_FLOWS_MAX][16], octets[SECRET_MAX + 2];
    struct buf token = BUF_ON(octets);
    int rc = session_begin(gate);

    if (rc != 0)
        return rc;
    rq = calloc(1, sizeof(*rq)); /* too large for a stack that others share */
    if (!rq)
        return -ENOMEM;
    token_put_octets(&token, &gate->token, true);
    *rq = (struct diameter_request){.kind = DIAMETER_QA,
                                    .app = DIAMETER_APP_QOS,
                                    .session_id = span_str(gate->session_id),
                                    .destination_host = destination(gate, &claims),
                                    .destination_realm = g->options.pdp_realm};
    rq->qar.token = buf_span(&token);
    put_filters(gate, &rq->qar, ids);
    rc = diameter_send(g->diameter, rq, loop_now(g->loop) + g->options.timeout, on_answer, gate,
                       &gate->call);
    bytes_wipe(octets, sizeof(octets));
    free(rq);
    if (rc == 0) {
        gate->asking = true;
        g->counters.asked++;
    }
    return rc;
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

    if (gate->asking)
        return -EBUSY;
    gate->done = done;
    gate->done_ctx = ctx;
    if (!has_flows(gate)) {
        tell_later(gate, GATE_NO_FLOWS);
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
        grant_drop(gate);
        lower_all(gate, RELAY_GATE_CLOSED);
        session_end(gate, DIAMETER_LOGOUT);
    }
    gate->token = token;
    secret_wipe(&token);
    token_hash(&gate->token, hash);
    (void)token_name(hash, gate->token_name);
    rc = ask(gate);
    if (rc == -ENOTCONN || rc == -EBUSY) {
        tell_later(gate, GATE_NO_PDP);
        return 0;
    }
    if (rc != 0)
        gate->done = NULL;
    return rc;
}

static void on_renew(struct loop_timer *t, void *ctx)
{
    struct gate *gate = ctx;

    (void)t;
    if (gate->asking || !has_flows(gate))
        return;
    if (ask(gate) != 0)
        loop_timer_start(gate->of->loop, t, RENEW_AGAIN);
}

static void on_expire(struct loop_timer *t, void *ctx)
{
    struct gate *gate = ctx;

    (void)t;
    lose(gate, GATE_EXPIRED);
}

/* ---- what the PDP begins ---- */

static void on_request(void *ctx, struct handle request, const struct diameter_request *rq)
{
    struct gates *g = ctx;
    struct diameter_answer ans = {.result = DIAMETER_SUCCESS};
    struct map_node *node =
        map_find(&g->by_session, session_hash(g, rq->session_id), &rq->session_id);
    struct gate *gate = node ? CONTAINER_OF(node, struct gate, node) : NULL;

    if (rq->kind != DIAMETER_AS && rq->kind != DIAMETER_RA)
        ans.result = DIAMETER_UNABLE_TO_COMPLY;
    /* Only the PDP that serves the session may end it. */
    else if (!gate || (gate->pdp[0] && !span_eq_nocase(span_str(gate->pdp), rq->origin_host)))
        ans.result = DIAMETER_UNKNOWN_SESSION_ID;
    (void)diameter_answer(g->diameter, request, &ans); /* gone: the PDP repeats or gives up */
    if (ans.result != DIAMETER_SUCCESS)
        return;
    if (rq->kind == DIAMETER_RA) { /* RFC 5866 3.2.2: an empty RAR obliges us to ask */
        if (!gate->asking && has_flows(gate) && gate->token.n)
            (void)ask(gate);
        return;
    }
    session_end(gate, DIAMETER_ADMINISTRATIVE);
    if (gate->asking && !handle_eq(gate->call, (struct handle){0})) {
        diameter_cancel(g->diameter, gate->call);
        gate->call = (struct handle){0};
        verdict(gate, GATE_REFUSED, "the PDP aborted the session");
    }
    lose(gate, GATE_REVOKED);
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
    rc = map_init(&g->by_session, 0, key, session_equal);
    if (rc == 0 && d)
        rc = diameter_serve(d, DIAMETER_APP_QOS, on_request, g);
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
    loop_timer_init(&gate->renew, on_renew, gate);
    loop_timer_init(&gate->expire, on_expire, gate);
    loop_task_init(&gate->tell, on_tell, gate);
    g->n_gates++;
    *ret_gate = gate;
    return 0;
}

void gate_end(struct gate *gate)
{
    if (!gate)
        return;
    lower_all(gate, RELAY_GATE_ENDED);
    if (gate->of->diameter)
        diameter_cancel(gate->of->diameter, gate->call);
    session_end(gate, DIAMETER_LOGOUT);
    grant_drop(gate);
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
