/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection table. A connection that ends leaves the tables at once, tells its watches, and is
 * freed at the end of the turn: the framer's bytes are still on somebody's stack. */
#include <errno.h>
#include <stdlib.h>

#include "common/transport/inner.h"

struct ends {
    const struct sip_endpoint *e;
    const struct addr *remote;
};

static bool same_ends(const struct map_node *node, const void *key)
{
    const struct connection *c = CONTAINER_OF(node, struct connection, node);
    const struct ends *k = key;

    return c->e == k->e && addr_eq(&c->remote, k->remote);
}

static uint64_t hash_ends(const struct map *m, const struct ends *k)
{
    return map_hash_more(m, addr_hash(m, k->remote), &k->e, sizeof(k->e));
}

static bool same_ip(const struct map_node *node, const void *key)
{
    return addr_ip_eq(&CONTAINER_OF(node, struct source, node)->ip, key);
}

static void reap(struct loop_task *task, void *ctx)
{
    struct sip_transport *t = ctx;

    LIST_EACH (item, &t->dead) {
        struct connection *c = CONTAINER_OF(item, struct connection, item);

        list_del(&c->item);
        sip_framer_fini(&c->framer);
        free(c);
    }
    (void)task;
}

int connections_init(struct sip_transport *t, const struct rnd *rnd)
{
    uint8_t key[16];
    int rc;

    list_init(&t->dead);
    loop_task_init(&t->reap, reap, t);
    pool_init(&t->handles, t->o.connections);
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&t->connections, 0, key, same_ends);
    if (rc < 0)
        return rc;
    rc = map_init(&t->sources, 0, key, same_ip);
    if (rc < 0)
        map_fini(&t->connections);
    return rc;
}

void connections_fini(struct sip_transport *t)
{
    loop_task_cancel(&t->reap);
    reap(&t->reap, t);
    map_fini(&t->connections);
    map_fini(&t->sources);
    pool_fini(&t->handles);
}

/* ---- how many one address may have ------------------------------ */

static struct addr ip_only(const struct addr *a)
{
    struct addr ip = *a;

    ip.port = 0;
    return ip;
}

static int source_take(struct sip_transport *t, const struct addr *remote,
                       struct source **ret_source)
{
    struct addr ip = ip_only(remote);
    uint64_t hash = addr_hash(&t->sources, &ip);
    struct map_node *node = map_find(&t->sources, hash, &ip);
    struct source *s = node ? CONTAINER_OF(node, struct source, node) : NULL;

    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s)
            return -ENOMEM;
        s->ip = ip;
        if (map_add(&t->sources, hash, &s->node) < 0) {
            free(s);
            return -ENOMEM;
        }
    } else if (s->connections >= t->o.connections_per_source) {
        t->counters.connections_refused_source++;
        return -ENOSPC;
    }
    s->connections++;
    *ret_source = s;
    return 0;
}

static void source_give_back(struct sip_transport *t, struct source *s)
{
    if (--s->connections > 0)
        return;
    map_del(&t->sources, &s->node);
    free(s);
}

/* ---- beginning and end ------------------------------ */

struct sip_flow connection_flow(const struct connection *c)
{
    return (struct sip_flow){
        .endpoint = c->e,
        .proto = NET_TCP,
        .local = c->tcp ? *net_tcp_local(c->tcp) : c->e->o.local,
        .remote = c->remote,
        .connection = c->handle,
    };
}

/* Out of the tables, watches told, guard told; memory goes at the end of the turn. */
static void connection_end(struct connection *c, int reason)
{
    struct sip_transport *t = c->e->t;
    struct sip_flow flow = connection_flow(c);

    loop_timer_stop(t->loop, &c->timer);
    if (c->state == CONNECTION_OPENING)
        t->counters.connect_failed++;
    c->state = CONNECTION_DEAD;
    c->tcp = NULL;
    map_del(&t->connections, &c->node);
    pool_del(&t->handles, c->handle);
    source_give_back(t, c->source);
    t->counters.connections--;
    list_del(&c->item);
    list_add_tail(&t->dead, &c->item);
    loop_defer(t->loop, &t->reap);
    while (!list_empty(&c->watches)) {
        struct sip_watch *w = CONTAINER_OF(c->watches.next, struct sip_watch, item);

        list_del(&w->item);
        w->closed(w, reason);
    }
    if (t->guard.on_closed)
        t->guard.on_closed(&flow, reason, t->guard_ctx);
}

void connection_close(struct connection *c, int reason)
{
    struct net_tcp *tcp = c->tcp;

    if (c->state == CONNECTION_DEAD)
        return;
    connection_end(c, reason);
    net_tcp_close(tcp);
}

void connections_close_all(struct sip_endpoint *e)
{
    while (!list_empty(&e->connections))
        connection_close(CONTAINER_OF(e->connections.next, struct connection, item), ECONNABORTED);
}

/* The next instant at which something is overdue. */
static void timer_rearm(struct connection *c)
{
    const struct sip_transport_options *o = &c->e->t->o;
    uint64_t now = loop_now(c->e->t->loop), due = c->last + o->idle_timeout;

    if (c->begun && c->begun + o->message_timeout < due)
        due = c->begun + o->message_timeout;
    loop_timer_start(c->e->t->loop, &c->timer, due > now ? due - now : 0);
}

static void timer_fired(struct loop_timer *timer, void *ctx)
{
    struct connection *c = ctx;
    struct sip_transport *t = c->e->t;
    uint64_t now = loop_now(t->loop);

    (void)timer;
    if (c->state == CONNECTION_OPENING) {
        connection_close(c, ETIMEDOUT);
    } else if (c->begun && now >= c->begun + t->o.message_timeout) {
        t->counters.closed_slow++;
        connection_close(c, ETIMEDOUT);
    } else if (now >= c->last + t->o.idle_timeout) {
        t->counters.closed_idle++;
        connection_close(c, 0);
    } else {
        timer_rearm(c);
    }
}

/* Everything of a connection but its socket. */
static int connection_new(struct sip_transport *t, struct sip_endpoint *e,
                          const struct addr *remote, enum connection_state state,
                          struct connection **ret_connection)
{
    struct connection *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return -ENOMEM;
    c->e = e;
    c->remote = *remote;
    c->state = state;
    c->last = loop_now(t->loop);
    list_init(&c->watches);
    list_init(&c->item);
    sip_framer_init(&c->framer, t->o.limits.message);
    loop_timer_init(&c->timer, timer_fired, c);
    rc = pool_add(&t->handles, c, &c->handle);
    if (rc < 0) {
        t->counters.connections_refused_full += rc == -ENOSPC;
        goto no_handle;
    }
    rc = source_take(t, remote, &c->source);
    if (rc < 0)
        goto no_source;
    rc = map_add(&t->connections, hash_ends(&t->connections, &(struct ends){e, remote}), &c->node);
    if (rc < 0)
        goto no_entry;
    list_add_tail(&e->connections, &c->item);
    t->counters.connections++;
    *ret_connection = c;
    return 0;
no_entry:
    source_give_back(t, c->source);
no_source:
    pool_del(&t->handles, c->handle);
no_handle:
    sip_framer_fini(&c->framer);
    free(c);
    return rc;
}

/* ---- bytes ------------------------------ */

static void on_connected(struct net_tcp *tcp, void *ctx)
{
    struct connection *c = ctx;

    (void)tcp;
    c->state = CONNECTION_OPEN;
    c->last = loop_now(c->e->t->loop);
    c->e->t->counters.connections_opened++;
    timer_rearm(c);
}

static void broken(struct connection *c, struct span bytes, const struct sip_reject *reject)
{
    struct sip_transport *t = c->e->t;
    struct sip_flow flow = connection_flow(c);
    struct sip_reject ignored = {0};
    struct sip_msg *m = NULL;

    t->counters.closed_broken++;
    if (reject->status >= 300 && bytes.n > 0)
        (void)sip_msg_parse(bytes, &t->o.limits, &m, &ignored); /* m or not is all that counts */
    transport_refuse(t, &flow, m, reject);
    if (m)
        sip_msg_unref(m);
    connection_close(c, EPROTO);
}

static void on_data(struct net_tcp *tcp, struct span data, void *ctx)
{
    struct connection *c = ctx;
    struct sip_transport *t = c->e->t;
    struct sip_reject reject = {0};
    struct span message = SPAN_NONE;

    (void)tcp;
    c->last = loop_now(t->loop);
    if (sip_framer_feed(&c->framer, data) < 0) {
        reject.status = 513;
        broken(c, SPAN_NONE, &reject);
        return;
    }
    while (c->state == CONNECTION_OPEN) {
        struct sip_flow flow;

        switch (sip_framer_next(&c->framer, &message, &reject)) {
        case SIP_FRAME_MORE:
            if (c->framer.start == c->framer.n)
                c->begun = 0;
            else if (c->begun == 0)
                c->begun = c->last;
            timer_rearm(c);
            return;
        case SIP_FRAME_MESSAGE:
            c->begun = 0;
            flow = connection_flow(c);
            transport_receive(t, &flow, message);
            break;
        case SIP_FRAME_PING: /* RFC 5626 4.4.1 */
            t->counters.pings++;
            (void)connection_send(c, SPAN("\r\n"), NULL);
            break;
        case SIP_FRAME_BROKEN:
            broken(c, message, &reject);
            return;
        }
    }
}

static void on_closed(struct net_tcp *tcp, int reason, void *ctx)
{
    struct connection *c = ctx;

    (void)tcp;
    if (c->state != CONNECTION_DEAD)
        connection_end(c, reason);
}

static const struct net_tcp_ops tcp_ops = {on_connected, on_data, on_closed};

void connection_accept(struct net_listener *li, struct net_tcp *tcp, void *endpoint)
{
    struct sip_endpoint *e = endpoint;
    struct sip_transport *t = e->t;
    struct connection *c;
    struct sip_flow flow = {.endpoint = e,
                            .proto = NET_TCP,
                            .local = *net_tcp_local(tcp),
                            .remote = *net_tcp_remote(tcp)};

    (void)li;
    if (!transport_allows(t, &flow)) {
        net_tcp_close(tcp);
        return;
    }
    if (t->guard.on_connect && t->guard.on_connect(&flow, t->guard_ctx) != SIP_GUARD_PASS) {
        t->counters.guard_closed++;
        net_tcp_close(tcp);
        return;
    }
    if (connection_new(t, e, &flow.remote, CONNECTION_OPEN, &c) < 0) {
        net_tcp_close(tcp);
        return;
    }
    c->tcp = tcp;
    t->counters.connections_accepted++;
    net_tcp_limit(tcp, t->o.send_queue);
    net_tcp_attach(tcp, &tcp_ops, c);
    timer_rearm(c);
}

struct connection *connection_find(struct sip_transport *t, const struct sip_target *target)
{
    struct connection *c = pool_find(&t->handles, target->flow.connection);
    struct ends k = {target->flow.endpoint, &target->flow.remote};
    struct map_node *node;

    if (c)
        return c;
    node = map_find(&t->connections, hash_ends(&t->connections, &k), &k);
    return node ? CONTAINER_OF(node, struct connection, node) : NULL;
}

int connection_open(struct sip_transport *t, struct sip_endpoint *e, const struct addr *remote,
                    struct connection **ret_connection)
{
    struct addr local = e->o.local;
    struct connection *c;
    int rc;

    rc = connection_new(t, e, remote, CONNECTION_OPENING, &c);
    if (rc < 0)
        return rc;
    local.port = e->o.tcp_from;
    rc = net_tcp_connect(t->net, &local, remote, &tcp_ops, c, &c->tcp);
    if (rc < 0) {
        connection_end(c, -rc);
        return rc;
    }
    net_tcp_limit(c->tcp, t->o.send_queue);
    loop_timer_start(t->loop, &c->timer, t->o.connect_timeout);
    *ret_connection = c;
    return 0;
}

int connection_send(struct connection *c, struct span data, struct sip_watch *watch)
{
    int rc = net_tcp_send(c->tcp, data);

    if (rc < 0)
        return rc;
    c->last = loop_now(c->e->t->loop);
    if (watch) {
        list_del(&watch->item);
        list_add_tail(&c->watches, &watch->item);
    }
    return 0;
}

/* ---- flows ------------------------------ */

bool sip_flow_alive(const struct sip_transport *t, const struct sip_flow *flow)
{
    return flow->proto != NET_TCP || pool_find(&t->handles, flow->connection) != NULL;
}

void sip_flow_close(struct sip_transport *t, const struct sip_flow *flow)
{
    struct connection *c = pool_find(&t->handles, flow->connection);

    if (c)
        connection_close(c, ECONNABORTED);
}
