/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/transport/inner.h"

const struct sip_transport_options sip_transport_options_default = {
    .limits = SIP_LIMITS_DEFAULT,
    .connections = 20000,
    .connections_per_source = 64,
    .connect_timeout = 4 * SEC,
    .idle_timeout = 15 * 60 * SEC,
    .message_timeout = 10 * SEC,
    .large = 1300,
    .send_queue = 256 * 1024,
};

/* ---- the transport ------------------------------ */

int sip_transport_new(struct net *net, const struct rnd *rnd,
                      const struct sip_transport_options *options,
                      struct sip_transport **ret_transport)
{
    struct sip_transport *t = calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return -ENOMEM;
    t->net = net;
    t->loop = net_loop(net);
    t->o = options ? *options : sip_transport_options_default;
    list_init(&t->endpoints);
    rc = connections_init(t, rnd);
    if (rc < 0) {
        free(t);
        return rc;
    }
    *ret_transport = t;
    return 0;
}

void sip_transport_free(struct sip_transport *t)
{
    if (!t)
        return;
    while (!list_empty(&t->endpoints))
        sip_endpoint_close(CONTAINER_OF(t->endpoints.next, struct sip_endpoint, item));
    connections_fini(t);
    free(t);
}

struct loop *sip_transport_loop(const struct sip_transport *t)
{
    return t->loop;
}

void sip_transport_set_guard(struct sip_transport *t, const struct sip_guard *guard, void *ctx)
{
    t->guard = guard ? *guard : (struct sip_guard){0};
    t->guard_ctx = ctx;
}

void sip_transport_set_user(struct sip_transport *t,
                            void (*on_message)(struct sip_msg *m, const struct sip_flow *flow,
                                               void *ctx),
                            void *ctx)
{
    t->on_message = on_message;
    t->on_message_ctx = ctx;
}

void sip_transport_set_tap(struct sip_transport *t,
                           void (*tap)(const struct sip_flow *flow, bool outgoing, struct span raw,
                                       void *ctx),
                           void *ctx)
{
    t->tap = tap;
    t->tap_ctx = ctx;
}

const struct sip_transport_counters *sip_transport_counters(const struct sip_transport *t)
{
    return &t->counters;
}

/* ---- receiving ------------------------------ */

static void answer_bad(struct sip_transport *t, const struct sip_flow *flow,
                       const struct sip_msg *m, const struct sip_reject *reject)
{
    char out[8192], lines[192], digits[16];
    struct buf b = BUF_ON(out), extra = BUF_ON(lines), tag = BUF_ON(digits);
    uint64_t hash;
    struct sip_target to;

    if (!m || !m->is_request || m->method == SIP_ACK || reject->status < 300)
        goto dropped;
    /* RFC 3261 8.2.7: the same tag for the same request, without remembering it */
    hash = map_hash(&t->connections, m->raw.p, m->raw.n);
    buf_hex(&tag, &hash, sizeof(hash));
    buf_fmt(&extra, "Warning: 399 %s \"%s\"\r\n", flow->endpoint->sent_by, reject->reason);
    to = sip_target_of_response(m, flow);
    if (sip_reply(m, reject->status, reject->phrase, buf_span(&tag),
                  extra.overflow ? SPAN_NONE : buf_span(&extra), SPAN_NONE, &b) < 0 ||
        sip_transport_send(t, &to, to.flow.proto, buf_span(&b), NULL, NULL) < 0)
        goto dropped;
    t->counters.bad_answered++;
    return;
dropped:
    t->counters.bad_dropped++;
}

void transport_refuse(struct sip_transport *t, const struct sip_flow *flow, const struct sip_msg *m,
                      const struct sip_reject *reject)
{
    answer_bad(t, flow, m, reject);
    if (t->guard.on_bad)
        t->guard.on_bad(flow, reject, t->guard_ctx);
}

static bool is_named(const struct sip_endpoint_options *o, const struct addr *a)
{
    for (size_t i = 0; i < o->n_allow; i++)
        if (addr_net_has(&o->allow[i], a))
            return true;
    return false;
}

bool sip_flow_may_answer(const struct sip_flow *asked, const struct sip_flow *from)
{
    return asked->endpoint == from->endpoint && (addr_ip_eq(&asked->remote, &from->remote) ||
                                                 is_named(&asked->endpoint->o, &from->remote));
}

bool transport_allows(struct sip_transport *t, const struct sip_flow *flow)
{
    const struct sip_endpoint_options *o = &flow->endpoint->o;

    if (o->n_allow == 0 || is_named(o, &flow->remote))
        return true;
    t->counters.strangers++;
    if (t->guard.on_stranger)
        t->guard.on_stranger(flow, t->guard_ctx);
    return false;
}

void transport_receive(struct sip_transport *t, const struct sip_flow *flow, struct span raw)
{
    struct sip_reject reject = {0};
    struct sip_msg *m = NULL;
    int rc;

    if (flow->proto == NET_UDP)
        t->counters.received_udp++;
    else
        t->counters.received_tcp++;
    if (!span_starts(raw, SPAN("SIP/2.0 ")) && !transport_allows(t, flow))
        return;
    if (t->guard.on_bytes) {
        enum sip_guard_verdict v = t->guard.on_bytes(flow, raw, t->guard_ctx);

        if (v == SIP_GUARD_CLOSE) {
            t->counters.guard_closed++;
            sip_flow_close(t, flow);
        } else if (v == SIP_GUARD_DROP) {
            t->counters.guard_dropped++;
        }
        if (v != SIP_GUARD_PASS)
            return;
    }
    if (t->tap)
        t->tap(flow, false, raw, t->tap_ctx);
    rc = sip_msg_parse(raw, &t->o.limits, &m, &reject);
    /* RFC 3261 18.2.1: before anyone keeps a span of it; without a Via it goes on as it is. */
    if (rc != -ENOMEM && m && m->is_request && sip_msg_stamp_source(m, &flow->remote) == -ENOMEM)
        rc = -ENOMEM;
    if (rc == 0) {
        if (t->on_message)
            t->on_message(m, flow, t->on_message_ctx);
    } else if (rc == -EBADMSG) {
        transport_refuse(t, flow, m, &reject);
    } else {
        t->counters.bad_dropped++;
    }
    if (m)
        sip_msg_unref(m);
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    struct sip_endpoint *e = ctx;
    struct sip_flow flow = {.endpoint = e, .proto = NET_UDP, .local = e->o.local, .remote = *from};

    /* RFC 5626 4.4.2 keeps alive with STUN; what phones send in fact is CRLF CRLF or nothing at
     * all, and wants no answer over UDP. */
    while (data.n > 0 && (*data.p == '\r' || *data.p == '\n' || *data.p == '\0'))
        data = span_sub(data, 1, data.n);
    if (data.n > 0)
        transport_receive(e->t, &flow, data);
    else
        e->t->counters.pings++;
    (void)u;
}

static const struct net_udp_ops udp_ops = {.on_datagram = on_datagram};

/* ---- endpoints ------------------------------ */

static bool is_wildcard(const struct addr *a)
{
    static const uint8_t zero[16];

    return a->family == 0 || memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static int endpoint_sent_by(struct sip_endpoint *e, struct span given)
{
    char text[ADDR_TEXT_MAX];

    if (given.n == 0)
        given = span_str(addr_text(&e->o.local, text));
    return span_copy(given, e->sent_by, sizeof(e->sent_by));
}

static int endpoint_bind(struct sip_endpoint *e)
{
    struct net *net = e->t->net;
    int rc;

    if (e->o.udp) {
        rc = net_udp_open(net, &e->o.local, NULL, &udp_ops, e, &e->udp);
        if (rc < 0)
            return rc;
        e->o.local = *net_udp_local(e->udp);
    }
    if (e->o.tcp) {
        rc = net_tcp_listen(net, &e->o.local, connection_accept, e, &e->listener);
        if (rc < 0)
            return rc;
        e->o.local = *net_listener_local(e->listener);
    }
    return 0;
}

int sip_endpoint_open(struct sip_transport *t, const struct sip_endpoint_options *options,
                      struct sip_endpoint **ret_endpoint)
{
    struct sip_endpoint *e;
    int rc;

    if (is_wildcard(&options->local) || (!options->udp && !options->tcp && !options->tcp_from))
        return -EINVAL;
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->t = t;
    e->o = *options;
    list_init(&e->connections);
    list_add_tail(&t->endpoints, &e->item);
    rc = endpoint_bind(e);
    if (rc == 0)
        rc = endpoint_sent_by(e, options->sent_by);
    if (rc < 0) {
        sip_endpoint_close(e);
        return rc;
    }
    e->o.sent_by = span_str(e->sent_by);
    *ret_endpoint = e;
    return 0;
}

void sip_endpoint_close(struct sip_endpoint *e)
{
    if (!e)
        return;
    connections_close_all(e);
    if (e->udp)
        net_udp_close(e->udp);
    if (e->listener)
        net_listener_close(e->listener);
    list_del(&e->item);
    free(e);
}

const char *sip_endpoint_name(const struct sip_endpoint *e)
{
    return e->o.name;
}

int sip_endpoint_tag(const struct sip_endpoint *e)
{
    return e->o.tag;
}

const struct addr *sip_endpoint_local(const struct sip_endpoint *e)
{
    return &e->o.local;
}

struct span sip_endpoint_sent_by(const struct sip_endpoint *e)
{
    return e->o.sent_by;
}

enum sip_timer_profile sip_endpoint_timers(const struct sip_endpoint *e)
{
    return e->o.timers;
}

/* ---- sending ------------------------------ */

struct sip_target sip_target_of(struct sip_endpoint *from, enum net_proto proto,
                                const struct addr *to, unsigned policy)
{
    return (struct sip_target){
        .flow = {.endpoint = from, .proto = proto, .local = from->o.local, .remote = *to},
        .policy = policy,
    };
}

struct sip_target sip_target_of_flow(const struct sip_flow *flow, unsigned policy)
{
    return (struct sip_target){.flow = *flow, .policy = policy};
}

void sip_watch_init(struct sip_watch *w, void (*closed)(struct sip_watch *w, int reason))
{
    list_init(&w->item);
    w->closed = closed;
}

void sip_watch_stop(struct sip_watch *w)
{
    list_del(&w->item);
}

bool endpoint_can_connect(const struct sip_endpoint *e)
{
    return !e->o.never_connects && (e->o.tcp || e->o.tcp_from != 0);
}

enum net_proto sip_target_proto(const struct sip_transport *t, const struct sip_target *target,
                                size_t n)
{
    const struct sip_flow *f = &target->flow;

    if (f->proto == NET_UDP && (target->policy & SIP_TARGET_LARGE_BY_TCP) && n > t->o.large &&
        endpoint_can_connect(f->endpoint))
        return NET_TCP;
    return f->proto == NET_TCP ? NET_TCP : NET_UDP;
}

static int send_udp(struct sip_transport *t, struct sip_endpoint *e, const struct addr *to,
                    struct span data)
{
    int rc = e->udp ? net_udp_send(e->udp, to, data) : -EPROTONOSUPPORT;

    if (rc == -EAGAIN) { /* as good as lost on the wire: the transaction's timers mend it */
        t->counters.send_lost++;
        return 0;
    }
    if (rc == 0)
        t->counters.sent_udp++;
    return rc;
}

static int send_tcp(struct sip_transport *t, const struct sip_target *target, struct span data,
                    struct sip_watch *watch, struct sip_flow *used)
{
    struct connection *c = connection_find(t, target);
    int rc;

    if (!c) {
        if (target->policy & SIP_TARGET_CONNECTED_ONLY)
            return -ENOTCONN;
        if (!endpoint_can_connect(target->flow.endpoint))
            return -EPROTONOSUPPORT;
        rc = connection_open(t, target->flow.endpoint, &target->flow.remote, &c);
        if (rc < 0)
            return rc;
    }
    rc = connection_send(c, data, watch);
    if (rc < 0)
        return rc;
    t->counters.sent_tcp++;
    *used = connection_flow(c);
    return 0;
}

int sip_transport_send(struct sip_transport *t, const struct sip_target *target,
                       enum net_proto proto, struct span data, struct sip_watch *watch,
                       struct sip_flow *ret_used)
{
    struct sip_flow used = target->flow;
    int rc;

    if (proto == NET_TCP) {
        rc = send_tcp(t, target, data, watch, &used);
    } else {
        rc = send_udp(t, used.endpoint, &used.remote, data);
        used.proto = NET_UDP;
        used.local = used.endpoint->o.local;
        used.connection = (struct handle){0};
    }
    if (rc < 0) {
        t->counters.send_failed++;
        return rc;
    }
    if (t->tap)
        t->tap(&used, true, data, t->tap_ctx);
    if (ret_used)
        *ret_used = used;
    return 0;
}
