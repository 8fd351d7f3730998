/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server transactions: matching (RFC 3261 17.2.3), ACK, CANCEL (9.2), and the responses. */
#include <errno.h>
#include <stdlib.h>

#include "common/transaction/inner.h"

/* ---- matching ------------------------------ */

/* What a retransmission, its ACK and its CANCEL have in common. More than 17.2.3 asks for: they
 * come to the same endpoint from the same host, so that nobody else can cancel a request whose
 * branch he has guessed, and a request under IPsec is not reached from outside of it. */
struct server_key {
    char bytes[512];
    size_t n;
};

static bool key_of(const struct sip_msg *m, const struct sip_flow *flow, enum sip_method method,
                   struct server_key *k)
{
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct span text = method == SIP_OTHER ? m->method_text : sip_method_text(method);
    struct buf b = BUF_ON(k->bytes);
    struct sip_via via;

    if (!sip_values_next(&v) || sip_via_split(v.value, &via) < 0)
        return false;
    buf_put(&b, span_of(&flow->endpoint, sizeof(flow->endpoint)));
    buf_put(&b, span_of(flow->remote.ip, sizeof(flow->remote.ip)));
    buf_put(&b, text);
    buf_putc(&b, '\0');
    buf_put(&b, via.host);
    buf_fmt(&b, ":%u;", via.port);
    buf_put(&b, m->branch);
    if (!span_starts_nocase(m->branch, SPAN(BRANCH_COOKIE))) { /* RFC 2543 */
        buf_putc(&b, '\0');
        buf_put(&b, m->call_id);
        buf_putc(&b, '\0');
        buf_put(&b, m->from_tag);
        buf_fmt(&b, ";%u", (unsigned)m->cseq);
    }
    k->n = b.n;
    return !b.overflow;
}

bool server_same_key(const struct map_node *node, const void *key)
{
    const struct sip_server *s = CONTAINER_OF(node, struct sip_server, x.node);
    const struct server_key *k = key;

    return s->key_n == k->n && memcmp(s->key, k->bytes, k->n) == 0;
}

static struct sip_server *find(struct sip_layer *l, const struct server_key *k)
{
    struct map_node *node = map_find(&l->servers, map_hash(&l->servers, k->bytes, k->n), k);

    return node ? CONTAINER_OF(node, struct sip_server, x.node) : NULL;
}

/* ---- beginning and end ------------------------------ */

static int server_new(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow,
                      const struct server_key *k, struct sip_server **ret_server)
{
    struct sip_target back = sip_target_of_response(m, flow);
    struct sip_server *s = calloc(1, sizeof(*s) + k->n);
    int rc;

    if (!s)
        return -ENOMEM;
    rc = pool_add(&l->handles, s, &s->handle);
    if (rc < 0)
        goto no_handle;
    memcpy(s->key, k->bytes, k->n);
    s->key_n = (uint16_t)k->n;
    rc = map_add(&l->servers, map_hash(&l->servers, k->bytes, k->n), &s->x.node);
    if (rc < 0)
        goto no_entry;
    tx_init(&s->x, l, m->method == SIP_INVITE ? TX_IST : TX_NIST,
            sip_endpoint_timers(flow->endpoint), flow->proto == NET_TCP);
    s->request = sip_msg_ref(m);
    s->flow = *flow;
    s->back = back;
    layer_digits(layer_next_branch(l), s->tag);
    *ret_server = s;
    return 0;
no_entry:
    pool_del(&l->handles, s->handle);
no_handle:
    free(s);
    return rc;
}

void server_gone(struct sip_server *s)
{
    pool_del(&s->x.l->handles, s->handle);
    if (s->proxy)
        proxy_server_gone(s->proxy);
    s->proxy = NULL;
}

void server_free(struct sip_server *s)
{
    sip_msg_unref(s->request);
    free(s->response);
    free(s);
}

bool server_is_answered(const struct sip_server *s)
{
    return s->x.state != TX_TRYING && s->x.state != TX_PROCEEDING;
}

/* ---- to the wire ------------------------------ */

static int put(struct sip_server *s, struct span bytes)
{
    int rc = sip_transport_send(s->x.l->t, &s->back, s->back.flow.proto, bytes, NULL, NULL);

    if (rc < 0 && s->x.state != TX_TERMINATED)
        server_event(s, TX_EV_ERROR);
    return rc;
}

static int build(struct sip_server *s, unsigned status, const char *phrase, struct span extra,
                 struct span body, struct buf *out)
{
    struct span tag = status == 100 ? SPAN_NONE : sip_server_tag(s);

    return sip_reply(s->request, status, phrase, tag, extra, body, out);
}

static void put_trying(struct sip_server *s)
{
    struct buf b = layer_scratch(s->x.l);

    if (build(s, 100, NULL, SPAN_NONE, SPAN_NONE, &b) == 0)
        (void)put(s, buf_span(&b)); /* as good as lost */
}

static void resend(struct sip_server *s, enum tx_event event)
{
    if (s->response) {
        if (event == TX_EV_TICK)
            s->x.l->counters.retransmitted_responses++;
        (void)put(s, span_of(s->response, s->response_n)); /* the next timer tries again */
    } else if (s->request) {
        put_trying(s);
    }
}

void server_event(struct sip_server *s, enum tx_event event)
{
    struct sip_layer_counters *n = &s->x.l->counters;
    unsigned actions = tx_step(&s->x, event);

    if (actions & TX_DO_NOTHING)
        return;
    if (actions & TX_DO_RESEND)
        resend(s, event);
    if (actions & TX_DO_TRYING)
        put_trying(s);
    if (actions & TX_DO_FAILED)
        n->transport_errors++;
    if (actions & TX_DO_TIMED_OUT) {
        if (s->x.machine == TX_IST)
            n->ack_timeouts++;
        else
            n->answer_timeouts++;
    }
}

/* ---- from the wire ------------------------------ */

static void on_ack(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow)
{
    struct server_key k;
    struct sip_server *s;

    if (key_of(m, flow, SIP_INVITE, &k) && (s = find(l, &k)) != NULL &&
        !(tx_step(&s->x, TX_EV_ACK) & TX_DO_TELL))
        return;
    /* RFC 3261 13.2.2.4: the ACK of a 2xx has a branch of its own */
    if (l->ops.on_ack) {
        l->counters.acks++;
        l->ops.on_ack(m, flow, l->ctx);
    } else {
        l->counters.ack_strays++;
    }
}

/* RFC 3261 9.2. Answered without a transaction: the answer to a CANCEL that comes again is the
 * same for as long as its INVITE is known. */
static void on_cancel(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow)
{
    struct buf b = layer_scratch(l);
    struct server_key k;
    struct sip_server *s;

    if (!key_of(m, flow, SIP_INVITE, &k) || (s = find(l, &k)) == NULL) {
        l->counters.cancel_strays++;
        (void)sip_reply_stateless(l, m, flow, 481, NULL, SPAN_NONE); /* it will ask again */
        return;
    }
    l->counters.cancels++;
    if (sip_reply(m, 200, NULL, sip_server_tag(s), SPAN_NONE, SPAN_NONE, &b) == 0)
        (void)sip_transport_send(l->t, &s->back, s->back.flow.proto, buf_span(&b), NULL, NULL);
    if (server_is_answered(s))
        return;
    if (s->proxy) {
        proxy_on_cancel(s->proxy, m);
        return;
    }
    if (l->ops.on_cancel)
        l->ops.on_cancel(s, l->ctx);
    if (!server_is_answered(s) && !s->proxy)
        (void)sip_server_reply(s, 487, NULL, SPAN_NONE, SPAN_NONE);
}

static void refuse(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow, int error)
{
    char text[48];
    struct buf extra = BUF_ON(text);

    if (error == -ENOSPC) {
        l->counters.refused_full++;
        buf_fmt(&extra, "Retry-After: %u\r\n", l->o.retry_after);
        (void)sip_reply_stateless(l, m, flow, 503, NULL, buf_span(&extra));
    } else {
        l->counters.refused_memory++;
        (void)sip_reply_stateless(l, m, flow, 500, NULL, SPAN_NONE);
    }
}

void server_on_request(struct sip_layer *l, struct sip_msg *m, const struct sip_flow *flow)
{
    struct server_key k;
    struct sip_server *s;
    int rc;

    if (m->method == SIP_ACK) {
        on_ack(l, m, flow);
        return;
    }
    if (m->method == SIP_CANCEL) {
        on_cancel(l, m, flow);
        return;
    }
    if (!key_of(m, flow, m->method, &k)) {
        l->counters.refused_via++;
        (void)sip_reply_stateless(l, m, flow, 400, "Via Too Long", SPAN_NONE);
        return;
    }
    s = find(l, &k);
    if (s) {
        l->counters.request_retransmissions++;
        server_event(s, TX_EV_REQUEST);
        return;
    }
    rc = server_new(l, m, flow, &k, &s);
    if (rc < 0) {
        refuse(l, m, flow, rc);
        return;
    }
    l->counters.requests++;
    tx_enter(&s->x, tx_first_state((enum tx_machine)s->x.machine));
    if (l->o.trying_at_once && m->method == SIP_INVITE)
        server_event(s, TX_EV_TICK);
    l->ops.on_request(s, m, flow, l->ctx);
}

/* ---- the role answers ------------------------------ */

static void forget_response(struct sip_server *s)
{
    free(s->response);
    s->response = NULL;
    s->response_cap = 0;
}

/* Out of memory the response goes out all the same, once. */
static void keep_response(struct sip_server *s, struct span bytes)
{
    if (bytes.n > s->response_cap) {
        forget_response(s);
        s->response = malloc(bytes.n);
        if (!s->response) {
            s->x.l->counters.refused_memory++;
            return;
        }
        s->response_cap = (uint32_t)bytes.n;
    }
    memcpy(s->response, bytes.p, bytes.n);
    s->response_n = (uint32_t)bytes.n;
}

/* Over a reliable transport nothing comes again; nor does an INVITE with a 2xx ask for it, whose
 * retransmissions are the callee's (RFC 6026 7.1). */
static bool must_keep(const struct sip_server *s, unsigned status)
{
    return !s->x.reliable && !(s->x.machine == TX_IST && status / 100 == 2);
}

int sip_server_send(struct sip_server *s, unsigned status, struct span response)
{
    enum tx_event event = status < 200   ? TX_EV_SEND_1XX
                          : status < 300 ? TX_EV_SEND_2XX
                                         : TX_EV_SEND_FAILURE;
    struct sip_proxy *p = s->proxy;

    if (s->x.state == TX_TERMINATED || tx_rows[s->x.machine][s->x.state][event].kind != TX_ROW)
        return -EALREADY;
    if (must_keep(s, status))
        keep_response(s, response);
    else
        forget_response(s);
    (void)tx_step(&s->x, event);
    if (status < 200)
        loop_timer_stop(s->x.l->loop, &s->x.tick); /* no 100 behind it */
    (void)put(s, response); /* told by the counters: the role cannot mend it */
    if (status >= 200) {
        if (s->x.state != TX_ACCEPTED) { /* there a forked INVITE may get more of them */
            sip_msg_unref(s->request);
            s->request = NULL;
        }
        if (p)
            proxy_server_answered(p);
    }
    return 0;
}

int sip_server_reply(struct sip_server *s, unsigned status, const char *phrase, struct span extra,
                     struct span body)
{
    struct buf b = layer_scratch(s->x.l);
    int rc;

    if (!s->request)
        return -EALREADY;
    rc = build(s, status, phrase, extra, body, &b);
    return rc < 0 ? rc : sip_server_send(s, status, buf_span(&b));
}

int sip_server_reject(struct sip_server *s, const struct sip_reject *reject)
{
    char text[320];
    struct buf extra = BUF_ON(text);

    if (reject->status == 0) {
        if (s->x.state != TX_TERMINATED)
            tx_bury(&s->x);
        return 0;
    }
    if (reject->reason[0]) {
        buf_puts(&extra, "Warning: 399 ");
        buf_put(&extra, sip_endpoint_sent_by(s->flow.endpoint));
        buf_fmt(&extra, " \"%s\"\r\n", reject->reason);
    }
    return sip_server_reply(s, reject->status, reject->phrase,
                            extra.overflow ? SPAN_NONE : buf_span(&extra), SPAN_NONE);
}

/* ---- what the role may ask ------------------------------ */

struct handle sip_server_handle(const struct sip_server *s)
{
    return s->handle;
}

struct sip_server *sip_server_find(const struct sip_layer *l, struct handle h)
{
    return pool_find(&l->handles, h);
}

struct sip_msg *sip_server_request(const struct sip_server *s)
{
    return s->request;
}

const struct sip_flow *sip_server_flow(const struct sip_server *s)
{
    return &s->flow;
}

void sip_server_set_user(struct sip_server *s, void *user)
{
    s->user = user;
}

void *sip_server_user(const struct sip_server *s)
{
    return s->user;
}

struct span sip_server_tag(const struct sip_server *s)
{
    return span_of(s->tag, sizeof(s->tag));
}
