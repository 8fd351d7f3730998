/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Diameter session of a gate: QAR, what the QAA grants and for how long, ASR and RAR, STR. */
#include <errno.h>
#include <stdlib.h>

#include "edge/gate/inner.h"

/* How long before the end of its lifetime a grant is renewed, at most, and how soon again when that
 * decided nothing. */
#define RENEW_EARLY (30 * SEC)
#define RENEW_AGAIN (5 * SEC)

bool gate_session_equal(const struct map_node *node, const void *key)
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
void gate_session_end(struct gate *gate, uint32_t cause)
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

void gate_grant_drop(struct gate *gate)
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

    gate_grant_drop(gate);
    gate_lower_all(gate, RELAY_GATE_CLOSED);
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
    gate_grant_drop(gate);
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

void gate_verdict(struct gate *gate, enum gate_verdict v, const char *detail)
{
    void (*done)(void *, enum gate_verdict, const char *) = gate->done;

    gate->asking = false;
    gate->done = NULL;
    gate->of->counters.verdict[v]++;
    if (done)
        done(gate->done_ctx, v, detail);
}

/* Only a PDP that says no takes back what it granted. One that is silent, busy or in trouble does
 * not: 3xxx and 4xxx (RFC 6733 7.1.3, 7.1.4) and what it makes of our message or of itself (the
 * other 5xxx) are no word about the session; the lifetime sees to it. */
static bool says_no(const struct diameter_answer *ans)
{
    return ans->result == DIAMETER_AUTHORIZATION_REJECTED ||
           ans->result == DIAMETER_UNKNOWN_SESSION_ID;
}

static void not_granted(struct gate *gate, const struct diameter_answer *ans)
{
    bool had = gate->granted, renewing = !gate->done;
    char detail[160];
    struct buf b = {detail, 0, sizeof(detail) - 1, false};

    buf_puts(&b, diameter_result_name(ans));
    if (ans->error_message.n && ans->error_message.n < 80)
        buf_fmt(&b, ": %.*s", SPAN_ARG(ans->error_message));
    detail[b.n] = '\0';
    if (!says_no(ans)) {
        gate_verdict(gate, GATE_BUSY, detail);
        return;
    }
    gate_grant_drop(gate);
    gate_lower_all(gate, RELAY_GATE_CLOSED);
    gate_verdict(gate, GATE_REFUSED, detail);
    if (had && renewing)
        lose(gate, GATE_WITHDRAWN);
}

/* What was granted is asked about soon: no renewal is lost, whatever else is under way. */
static void renew_again(struct gate *gate)
{
    if (gate->granted)
        loop_timer_start(gate->of->loop, &gate->renew, RENEW_AGAIN);
}

static void on_answer(void *ctx, int error, const struct diameter_answer *ans)
{
    struct gate *gate = ctx;

    gate->call = (struct handle){0};
    if (!gate->done && (error || !diameter_ok(ans))) /* the grant holds until it expires */
        renew_again(gate);
    if (error == -ETIMEDOUT) {
        gate_verdict(gate, GATE_SILENT, "the PDP did not answer in time");
    } else if (error == -EBADMSG) {
        gate_verdict(gate, GATE_BROKEN, "the PDP's answer cannot be understood");
    } else if (error) {
        gate_verdict(gate, GATE_NO_PDP, "no connection to the PDP");
    } else if (!diameter_ok(ans)) {
        not_granted(gate, ans);
    } else if (!grant_take(gate, &ans->qaa)) {
        gate_verdict(gate, GATE_BROKEN, "out of memory");
    } else {
        (void)span_copy(ans->origin_host, gate->pdp, sizeof(gate->pdp)); /* "" = by realm */
        gate_apply(gate);
        if (gate_up_count(gate) == 0) { /* a yes to nothing is a no */
            gate_verdict(gate, GATE_REFUSED, "the PDP authorized none of the flows");
            return;
        }
        gate_verdict(gate, GATE_GRANTED, "granted");
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

int gate_ask(struct gate *gate)
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

void gate_renewal_drop(struct gate *gate)
{
    if (!gate->asking)
        return;
    diameter_cancel(gate->of->diameter, gate->call);
    gate->call = (struct handle){0};
    gate->asking = false;
    renew_again(gate); /* unless the next answer grants */
}

void gate_on_renew(struct loop_timer *t, void *ctx)
{
    struct gate *gate = ctx;

    (void)t;
    renew_again(gate); /* whatever comes of this time; the next grant sets its own */
    if (!gate->asking && gate_has_flows(gate))
        (void)gate_ask(gate);
}

void gate_on_expire(struct loop_timer *t, void *ctx)
{
    struct gate *gate = ctx;

    (void)t;
    lose(gate, GATE_EXPIRED);
}

/* ---- what the PDP begins ---- */

void gate_on_request(void *ctx, struct handle request, const struct diameter_request *rq)
{
    struct gates *g = ctx;
    struct diameter_answer ans = {.result = DIAMETER_SUCCESS};
    struct map_node *node =
        map_find(&g->by_session, session_hash(g, rq->session_id), &rq->session_id);
    struct gate *gate = node ? CONTAINER_OF(node, struct gate, node) : NULL;

    if (rq->kind != DIAMETER_AS && rq->kind != DIAMETER_RA)
        ans.result = DIAMETER_COMMAND_UNSUPPORTED;
    /* Only the PDP that serves the session may end it. */
    else if (!gate || (gate->pdp[0] && !span_eq_nocase(span_str(gate->pdp), rq->origin_host)))
        ans.result = DIAMETER_UNKNOWN_SESSION_ID;
    (void)diameter_answer(g->diameter, request, &ans); /* gone: the PDP repeats or gives up */
    if (ans.result != DIAMETER_SUCCESS)
        return;
    if (rq->kind == DIAMETER_RA) { /* RFC 5866 3.2.2: an empty RAR obliges us to gate_ask */
        if (!gate->asking && gate_has_flows(gate) && gate->token.n)
            (void)gate_ask(gate);
        return;
    }
    gate_session_end(gate, DIAMETER_ADMINISTRATIVE);
    if (gate->asking && !handle_eq(gate->call, (struct handle){0})) {
        diameter_cancel(g->diameter, gate->call);
        gate->call = (struct handle){0};
        gate_verdict(gate, GATE_REFUSED, "the PDP aborted the session");
    }
    lose(gate, GATE_REVOKED);
}
