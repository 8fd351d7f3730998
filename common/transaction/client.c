/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client transactions: branches, targets one after the other (RFC 3263 4.3), ACK of failures, CANCEL,
 * and requests of our own. A failure to send is told a turn later, never from within. */
#include <errno.h>
#include <stdlib.h>

#include "common/transaction/inner.h"

/* ---- matching ------------------------------ */

bool client_same_key(const struct map_node *node, const void *key)
{
    const struct sip_client *c = CONTAINER_OF(node, struct sip_client, x.node);
    const struct client_key *k = key;

    return c->id == k->id && (c->method == SIP_CANCEL) == k->cancel;
}

static uint64_t hash_of(const struct sip_layer *l, uint64_t id)
{
    return map_hash(&l->clients, &id, sizeof(id));
}

/* The number in one of our branches. */
static bool id_of(struct span branch, uint64_t *ret_id)
{
    uint64_t id = 0;
    char again[BRANCH_DIGITS];

    if ((branch.n != BRANCH_LEN && branch.n != MARKED_LEN) ||
        !span_starts(branch, SPAN(BRANCH_COOKIE)))
        return false;
    branch = span_sub(branch, BRANCH_LEN - BRANCH_DIGITS, BRANCH_LEN);
    for (size_t i = branch.n; i-- > 0;) {
        char c = branch.p[i];

        id = id << 5 | (uint64_t)(c >= 'a' && c <= 'z'   ? c - 'a'
                                  : c >= '0' && c <= '5' ? c - '0' + 26
                                                         : 0);
    }
    layer_digits(id, again);
    *ret_id = id;
    return span_eq(branch, span_of(again, sizeof(again)));
}

/* ---- beginning and end ------------------------------ */

static void on_closed(struct sip_watch *w, int reason);

static int new_with_id(struct sip_layer *l, enum sip_method method, uint64_t id,
                       const struct sip_target *targets, size_t n_targets,
                       const struct sip_client_ops *ops, void *ctx, struct sip_client **ret_client)
{
    struct sip_client *c;
    int rc;

    if (n_targets == 0 || n_targets > SIP_TARGETS_MAX)
        return -EINVAL;
    c = calloc(1, sizeof(*c) + n_targets * sizeof(c->targets[0]));
    if (!c)
        return -ENOMEM;
    c->id = id;
    c->method = (uint8_t)method;
    c->ops = ops;
    c->ctx = ctx;
    c->proto = NET_UDP;
    c->n_targets = (uint8_t)n_targets;
    memcpy(c->targets, targets, n_targets * sizeof(c->targets[0]));
    c->used = targets[0].flow;
    sip_watch_init(&c->watch, on_closed);
    rc = map_add(&l->clients, hash_of(l, id), &c->x.node);
    if (rc < 0) {
        free(c);
        return rc;
    }
    tx_init(&c->x, l, method == SIP_INVITE ? TX_ICT : TX_NICT,
            sip_endpoint_timers(targets[0].flow.endpoint), false);
    *ret_client = c;
    return 0;
}

int client_new(struct sip_layer *l, enum sip_method method, const struct sip_target *targets,
               size_t n_targets, const struct sip_client_ops *ops, void *ctx,
               struct sip_client **ret_client)
{
    return new_with_id(l, method, layer_next_branch(l), targets, n_targets, ops, ctx, ret_client);
}

void client_drop(struct sip_client *c)
{
    if (c->x.state != TX_TERMINATED)
        tx_bury(&c->x);
}

void client_gone(struct sip_client *c)
{
    sip_watch_stop(&c->watch);
}

void client_free(struct sip_client *c)
{
    if (c->ops && c->ops->on_end)
        c->ops->on_end(c, c->ctx);
    free(c->request);
    free(c->cancel_extra);
    free(c);
}

/* ---- the request and its Via ------------------------------ */

struct span client_via(const struct sip_client *c, char dst[VIA_MAX])
{
    return layer_via(dst, c->targets[c->at].flow.endpoint, (enum net_proto)c->proto, c->id,
                     c->mark);
}

int client_set_request(struct sip_client *c, struct span request)
{
    char text[VIA_MAX];
    struct span via = client_via(c, text);
    const char *at = request.p, *end = request.p + request.n;

    while (at && (size_t)(end - at) >= via.n && memcmp(at, via.p, via.n) != 0)
        at = memchr(at + 1, *via.p, (size_t)(end - at) - 1);
    if (!at || (size_t)(end - at) < via.n)
        return -EINVAL;
    c->request = malloc(request.n);
    if (!c->request)
        return -ENOMEM;
    memcpy(c->request, request.p, request.n);
    c->request_n = (uint32_t)request.n;
    c->via = (uint32_t)(at - request.p);
    c->via_n = (uint32_t)via.n;
    return 0;
}

/* Another target may have another protocol, endpoint or branch. */
static int place_via(struct sip_client *c)
{
    char text[VIA_MAX];
    struct span via = client_via(c, text);
    size_t tail = c->request_n - c->via - c->via_n;
    char *request = c->request;

    if (via.n > c->via_n) {
        request = realloc(c->request, c->request_n + via.n - c->via_n);
        if (!request)
            return -ENOMEM;
        c->request = request;
    }
    memmove(request + c->via + via.n, request + c->via + c->via_n, tail);
    memcpy(request + c->via, via.p, via.n);
    c->via_n = (uint32_t)via.n;
    c->request_n = (uint32_t)(c->via + via.n + tail);
    return 0;
}

/* ---- to the wire ------------------------------ */

static void fail_later(struct sip_client *c, int error)
{
    sip_watch_stop(&c->watch);
    c->failing = true;
    c->error = error;
    loop_timer_stop(c->x.l->loop, &c->x.tick);
    loop_timer_start(c->x.l->loop, &c->x.end, 0);
}

static void on_closed(struct sip_watch *w, int reason)
{
    fail_later(CONTAINER_OF(w, struct sip_client, watch), reason ? reason : ECONNRESET);
}

/* Where the ACK of a failure and the CANCEL go: the way of the INVITE (17.1.1.2, 9.1). */
static struct sip_target way_of(const struct sip_client *c)
{
    struct sip_target to = sip_target_of_flow(&c->used, 0);

    to.flow.proto = (enum net_proto)c->proto;
    to.whom = c->targets[c->at].whom;
    return to;
}

static int put(struct sip_client *c)
{
    struct span bytes = span_of(c->request, c->request_n);

    return sip_transport_send(c->x.l->t, &c->targets[c->at], (enum net_proto)c->proto, bytes,
                              c->x.reliable ? &c->watch : NULL, &c->used);
}

/* Tries the target it is at. */
static void attempt(struct sip_client *c)
{
    const struct sip_target *to = &c->targets[c->at];
    int rc;

    c->proto = (uint8_t)(c->fell_back ? NET_UDP : sip_target_proto(c->x.l->t, to, c->request_n));
    c->x.profile = (uint8_t)sip_endpoint_timers(to->flow.endpoint);
    c->x.reliable = c->proto == NET_TCP;
    c->failing = false;
    rc = place_via(c);
    tx_enter(&c->x, tx_first_state((enum tx_machine)c->x.machine));
    if (rc == 0)
        rc = put(c);
    if (rc < 0)
        fail_later(c, -rc);
}

void client_start(struct sip_client *c)
{
    c->started = true;
    attempt(c);
}

static void next_target(struct sip_client *c)
{
    struct sip_layer *l = c->x.l;

    sip_watch_stop(&c->watch);
    l->counters.failovers++;
    c->at++;
    c->fell_back = false;
    /* RFC 3263 4.3: a transaction of its own */
    map_del(&l->clients, &c->x.node);
    c->id = layer_next_branch(l);
    (void)map_add(&l->clients, hash_of(l, c->id), &c->x.node); /* there is room for it again */
    attempt(c);
}

static bool has_next(const struct sip_client *c)
{
    return c->at + 1 < c->n_targets && !c->cancel_wanted;
}

/* UDP in place of a connection that could not be made or broke (RFC 3261 18.1.1). */
static bool may_fall_back(const struct sip_client *c)
{
    const struct sip_target *to = &c->targets[c->at];

    return c->proto == NET_TCP && !c->fell_back &&
           (to->flow.proto == NET_UDP || (to->policy & SIP_TARGET_UDP_FALLBACK));
}

/* Nothing came from this target: true when another way is being tried. */
static bool goes_on(struct sip_client *c, enum tx_event event)
{
    if (c->x.state != TX_CALLING && c->x.state != TX_TRYING)
        return false;
    if (event == TX_EV_ERROR && may_fall_back(c)) {
        c->fell_back = true;
        attempt(c);
        return true;
    }
    if (has_next(c)) {
        next_target(c);
        return true;
    }
    return false;
}

/* ---- CANCEL ------------------------------ */

static int put_cancel(struct sip_client *c)
{
    struct sip_layer *l = c->x.l;
    struct buf b = layer_scratch(l);
    struct sip_target to = way_of(c);
    struct sip_client *k;
    int rc;

    rc = sip_build_cancel(span_of(c->request, c->request_n), span_str(c->cancel_extra), &b);
    if (rc == 0)
        rc = new_with_id(l, SIP_CANCEL, c->id, &to, 1, NULL, NULL, &k);
    if (rc < 0)
        return rc;
    k->proto = c->proto;
    k->mark = c->mark; /* RFC 3261 9.1: the same Via */
    rc = client_set_request(k, buf_span(&b));
    if (rc < 0) {
        client_drop(k);
        return rc;
    }
    client_start(k);
    return 0;
}

static void cancel_now(struct sip_client *c)
{
    c->cancelled = true;
    (void)put_cancel(c); /* lost or not: 64*T1 from now it counts as cancelled (RFC 3261 9.1) */
    loop_timer_start(c->x.l->loop, &c->x.end, 64 * tx_times_of[c->x.profile].T1);
}

void client_cancel(struct sip_client *c, struct span extra)
{
    if (c->cancel_wanted || c->x.machine != TX_ICT)
        return;
    c->cancel_wanted = true;
    c->cancel_extra = extra.n ? span_dup(extra) : NULL; /* it goes without when memory is out */
    if (!c->started)
        client_drop(c);
    else if (c->x.state == TX_PROCEEDING)
        cancel_now(c);
}

/* ---- events ------------------------------ */

static void acknowledge(struct sip_client *c, const struct sip_msg *m)
{
    struct buf b = layer_scratch(c->x.l);
    struct sip_target to = way_of(c);
    struct span ack = span_of(c->request, c->request_n);

    if (c->method == SIP_INVITE && !span_starts(ack, SPAN("ACK "))) {
        if (sip_build_ack(ack, m, &b) < 0)
            return; /* the response comes again */
        ack = buf_span(&b);
    }
    if (sip_transport_send(c->x.l->t, &to, to.flow.proto, ack, NULL, NULL) < 0) {
        client_event(c, TX_EV_ERROR, NULL);
        return;
    }
    if (c->x.state == TX_COMPLETED && ack.p != c->request && ack.n <= c->request_n) {
        memcpy(c->request, ack.p, ack.n); /* it is always the shorter one */
        c->request_n = (uint32_t)ack.n;
    }
}

static void on_provisional(struct sip_client *c, unsigned status)
{
    struct sip_layer *l = c->x.l;

    if (c->x.machine == TX_NICT) {
        /* F was short for the sake of the next target; this one is alive */
        if (c->n_targets > 1)
            loop_timer_start(l->loop, &c->x.end, 64 * tx_times_of[c->x.profile].T1);
    } else if (c->cancel_wanted && !c->cancelled) {
        cancel_now(c);
    } else if (!c->cancelled && status > 100) {
        loop_timer_start(l->loop, &c->x.end, l->o.timer_c); /* RFC 3261 16.7 step 2 */
    }
}

static void tell_failed(struct sip_client *c, unsigned status, int error)
{
    if (c->ops && c->ops->on_failed)
        c->ops->on_failed(c, status, error, c->ctx);
}

void client_event(struct sip_client *c, enum tx_event event, struct sip_msg *m)
{
    struct sip_layer_counters *n = &c->x.l->counters;
    uint8_t before = c->x.state;
    unsigned actions;
    int rc;

    if ((event == TX_EV_END || event == TX_EV_ERROR) && goes_on(c, event))
        return;
    actions = tx_step(&c->x, event);
    if (actions & TX_DO_NOTHING)
        return;
    if (c->x.state != before) {
        c->failing = false;
        /* An INVITE that has arrived may be answered another way. */
        if (c->x.machine == TX_ICT || c->x.state != TX_PROCEEDING)
            sip_watch_stop(&c->watch);
    }
    if (actions & TX_DO_RESEND) {
        n->retransmitted_requests++;
        rc = put(c);
        if (rc < 0)
            fail_later(c, -rc);
    }
    if (actions & TX_DO_ACK)
        acknowledge(c, m);
    if (event == TX_EV_1XX)
        on_provisional(c, m->status);
    if ((actions & TX_DO_TELL) && m->status > 100 && c->ops && c->ops->on_response)
        c->ops->on_response(c, m, c->ctx);
    if (actions & TX_DO_TIMED_OUT) {
        n->timeouts++;
        tell_failed(c, 408, -ETIMEDOUT);
    }
    if (actions & TX_DO_FAILED) {
        n->transport_errors++;
        tell_failed(c, 503, -c->error);
    }
    if (actions & TX_DO_GIVE_UP) {
        n->timer_c++;
        client_cancel(c, SPAN_NONE);
    }
}

void client_end_fired(struct sip_client *c)
{
    enum tx_event event = TX_EV_END;

    if (c->failing)
        event = TX_EV_ERROR;
    else if (c->cancelled && c->x.state == TX_PROCEEDING)
        event = TX_EV_LOST;
    c->failing = false;
    client_event(c, event, NULL);
}

/* Whoever has seen a message of ours on its way knows its branch. */
static bool is_asked(const struct sip_client *c, const struct sip_flow *flow)
{
    struct sip_layer *l = c->x.l;
    uint64_t whom = c->targets[c->at].whom;

    if (l->ops.may_answer ? l->ops.may_answer(&c->used, whom, flow, l->ctx)
                          : sip_flow_may_answer(&c->used, flow))
        return true;
    l->counters.false_answers++;
    if (l->ops.on_false_answer)
        l->ops.on_false_answer(flow, l->ctx);
    return false;
}

void client_on_response(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow)
{
    struct client_key k = {.cancel = m->method == SIP_CANCEL};
    struct map_node *node = NULL;
    struct sip_client *c;

    if (id_of(m->branch, &k.id))
        node = map_find(&l->clients, hash_of(l, k.id), &k);
    c = node ? CONTAINER_OF(node, struct sip_client, x.node) : NULL;
    if (!c || !c->started || c->method != m->method) {
        l->counters.response_strays++; /* RFC 6026 7.3: never forwarded */
        return;
    }
    if (!is_asked(c, flow))
        return;
    l->counters.responses++;
    /* RFC 3263 4.3: a 503 is as good as no answer while there is another target */
    if (m->status == 503 && has_next(c) &&
        (c->x.state == TX_CALLING || c->x.state == TX_TRYING || c->x.state == TX_PROCEEDING)) {
        if (c->x.machine == TX_ICT)
            acknowledge(c, m);
        next_target(c);
        return;
    }
    client_event(c, m->status < 200 ? TX_EV_1XX : m->status < 300 ? TX_EV_2XX : TX_EV_FAILURE, m);
}

/* ---- requests of our own ------------------------------ */

/* The request with our Via behind its start line. */
static int with_via(struct span request, struct span via, struct buf *out)
{
    size_t line = span_find(request, '\n');

    if (line == request.n)
        return -EINVAL;
    buf_put(out, span_sub(request, 0, line + 1));
    buf_puts(out, "Via: ");
    buf_put(out, via);
    buf_puts(out, "\r\n");
    buf_put(out, span_sub(request, line + 1, request.n));
    return out->overflow ? -EMSGSIZE : 0;
}

static int send_ack(struct sip_layer *l, struct span request, const struct sip_target *target)
{
    enum net_proto proto = sip_target_proto(l->t, target, request.n + VIA_MAX);
    struct buf b = layer_scratch(l);
    char text[VIA_MAX];
    int rc = with_via(request,
                      layer_via(text, target->flow.endpoint, proto, layer_next_branch(l), 0), &b);

    return rc < 0 ? rc : sip_transport_send(l->t, target, proto, buf_span(&b), NULL, NULL);
}

int sip_uac_send(struct sip_layer *l, struct span request, const struct sip_target *targets,
                 size_t n_targets, const struct sip_client_ops *ops, void *ctx,
                 struct sip_client **ret_client)
{
    enum sip_method method = sip_method_of(span_sub(request, 0, span_find(request, ' ')));
    struct buf b = layer_scratch(l);
    struct sip_client *c;
    char text[VIA_MAX];
    int rc;

    if (method == SIP_CANCEL || n_targets == 0)
        return -EINVAL;
    if (method == SIP_ACK) {
        if (ret_client)
            *ret_client = NULL;
        return send_ack(l, request, targets);
    }
    rc = client_new(l, method, targets, n_targets, ops, ctx, &c);
    if (rc < 0)
        return rc;
    rc = with_via(request, client_via(c, text), &b);
    if (rc == 0)
        rc = client_set_request(c, buf_span(&b));
    if (rc < 0) {
        c->ops = NULL; /* it never was */
        client_drop(c);
        return rc;
    }
    client_start(c);
    if (ret_client)
        *ret_client = c;
    return 0;
}

void sip_client_detach(struct sip_client *c)
{
    c->ops = NULL;
}

int sip_client_cancel(struct sip_client *c)
{
    if (c->method != SIP_INVITE)
        return -EINVAL;
    client_cancel(c, SPAN_NONE);
    return 0;
}

const struct sip_flow *sip_client_flow(const struct sip_client *c)
{
    return &c->used;
}
