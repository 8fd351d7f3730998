/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/net/netsim.h"

#include <errno.h>
#include <stdlib.h>

#include "common/net/inner.h"

enum { FIRST_PORT = 32768, LAST_PORT = 60999, UDP_MAX = 65507 };

/* UDP sockets and listeners have no remote end. */
struct ends {
    enum net_proto proto;
    struct addr local, remote;
};

struct wire {
    struct sim *sim;
    struct wire_conditions conditions;
    bool (*pass)(enum net_proto proto, const struct addr *from, const struct addr *to,
                 struct span data, void *ctx);
    void *pass_ctx;
    struct map bound;    /* struct sock by its ends */
    struct list flights; /* what is on the wire */
    struct list records; /* struct record */
    uint64_t connections;
    uint16_t next_port;
};

struct sim_net {
    struct net net;
    struct wire *wire;
    struct list socks; /* also those that end with this turn */
};

enum sock_kind { SOCK_UDP, SOCK_LISTENER, SOCK_TCP };

struct sock {
    struct list item;
    struct map_node node;
    struct sim_net *net;
    struct ends ends;
    struct loop_task end;
    enum sock_kind kind;
    bool closed;
    union {
        struct net_udp udp;
        struct net_listener listener;
        struct net_tcp tcp;
    };
    /* TCP */
    uint64_t connection; /* both ends have the same */
    uint64_t latest;     /* arrival of the last thing sent: nothing overtakes it */
    size_t queued;
    bool connected;
};

enum flight_kind { DATAGRAM, SYN, SYN_ACK, DATA, FIN, RST, ANSWER };

struct flight {
    struct list item;
    struct wire *wire;
    enum flight_kind kind;
    struct addr from, to;
    uint64_t connection;
    struct name_open open;
    size_t n;
    char data[];
};

struct record {
    struct list item;
    struct name_fact fact; /* one record */
};

/* ---- the wire ---- */

static bool same_ends(const struct map_node *node, const void *key)
{
    const struct ends *a = &CONTAINER_OF(node, struct sock, node)->ends, *b = key;

    return a->proto == b->proto && addr_eq(&a->local, &b->local) && addr_eq(&a->remote, &b->remote);
}

static uint64_t hash_ends(const struct map *m, const struct ends *e)
{
    return addr_hash(m, &e->local) ^ addr_hash(m, &e->remote) * 3 ^ e->proto;
}

static struct sock *find(struct wire *w, enum net_proto proto, const struct addr *local,
                         const struct addr *remote)
{
    struct ends e = {proto, *local, remote ? *remote : (struct addr){0}};
    struct map_node *node = map_find(&w->bound, hash_ends(&w->bound, &e), &e);

    return node ? CONTAINER_OF(node, struct sock, node) : NULL;
}

int wire_new(struct sim *s, struct wire **ret_wire)
{
    struct wire *w = calloc(1, sizeof(*w));
    uint8_t key[16];
    int err;

    if (!w)
        return -ENOMEM;
    sim_rnd(s)->fill(sim_rnd(s)->ctx, key, sizeof(key));
    err = map_init(&w->bound, 0, key, same_ends);
    if (err) {
        free(w);
        return err;
    }
    w->sim = s;
    w->conditions.delay = MSEC;
    w->next_port = FIRST_PORT;
    list_init(&w->flights);
    list_init(&w->records);
    *ret_wire = w;
    return 0;
}

void wire_free(struct wire *w)
{
    if (!w)
        return;
    LIST_EACH (it, &w->flights)
        free(CONTAINER_OF(it, struct flight, item));
    LIST_EACH (it, &w->records)
        free(CONTAINER_OF(it, struct record, item));
    map_fini(&w->bound);
    free(w);
}

void wire_set(struct wire *w, const struct wire_conditions *c)
{
    w->conditions = *c;
}

void wire_filter(struct wire *w,
                 bool (*pass)(enum net_proto proto, const struct addr *from, const struct addr *to,
                              struct span data, void *ctx),
                 void *ctx)
{
    w->pass = pass;
    w->pass_ctx = ctx;
}

static void arrive(void *ctx);

static bool chance(struct wire *w, unsigned per_mille)
{
    return per_mille && rnd_below(sim_rnd(w->sim), 1000) < per_mille;
}

static uint64_t delay(struct wire *w)
{
    uint64_t jitter = w->conditions.jitter;

    return w->conditions.delay +
           (jitter ? rnd_below(sim_rnd(w->sim),
                               jitter < UINT32_MAX ? (uint32_t)jitter + 1 : UINT32_MAX)
                   : 0);
}

static struct flight *flight_new(struct wire *w, enum flight_kind kind, struct span data)
{
    struct flight *f = calloc(1, sizeof(*f) + data.n);

    if (!f)
        return NULL;
    f->wire = w;
    f->kind = kind;
    f->n = data.n;
    if (data.n)
        memcpy(f->data, data.p, data.n);
    list_init(&f->open.item);
    return f;
}

/* Takes f, also when it fails. */
static int launch(struct flight *f, uint64_t when)
{
    int err = sim_at(f->wire->sim, when, arrive, f);

    if (err)
        free(f);
    else
        list_add_tail(&f->wire->flights, &f->item);
    return err;
}

/* ---- sockets ---- */

static void end_sock(struct loop_task *task, void *ctx)
{
    struct sock *s = ctx;

    (void)task;
    list_del(&s->item);
    free(s);
}

static int sock_new(struct sim_net *n, enum sock_kind kind, enum net_proto proto,
                    const struct addr *local, const struct addr *remote, struct sock **ret_sock)
{
    struct wire *w = n->wire;
    struct addr at = *local;
    struct sock *s;
    int err;

    if (at.family != AF_INET && at.family != AF_INET6)
        return -EAFNOSUPPORT;
    for (int tries = 0; at.port == 0 || find(w, proto, &at, remote); tries++) {
        if (local->port != 0 || tries > LAST_PORT - FIRST_PORT)
            return -EADDRINUSE;
        at.port = w->next_port;
        w->next_port = w->next_port < LAST_PORT ? w->next_port + 1 : FIRST_PORT;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->net = n;
    s->kind = kind;
    s->ends = (struct ends){proto, at, remote ? *remote : (struct addr){0}};
    loop_task_init(&s->end, end_sock, s);
    err = map_add(&w->bound, hash_ends(&w->bound, &s->ends), &s->node);
    if (err) {
        free(s);
        return err;
    }
    list_add_tail(&n->socks, &s->item);
    *ret_sock = s;
    return 0;
}

/* Nothing reaches it any more; its memory goes with this turn. */
static void sock_close(struct sock *s)
{
    if (s->closed)
        return;
    s->closed = true;
    map_del(&s->net->wire->bound, &s->node);
    loop_defer(s->net->net.loop, &s->end);
}

static struct sim_net *sim_net_of(struct net *n)
{
    return CONTAINER_OF(n, struct sim_net, net);
}

/* ---- UDP ---- */

static int udp_open(struct net *n, const struct addr *local, const struct net_udp_options *options,
                    const struct net_udp_ops *ops, void *ctx, struct net_udp **ret_udp)
{
    struct sock *s;
    int err = sock_new(sim_net_of(n), SOCK_UDP, NET_UDP, local, NULL, &s);

    (void)options; /* of the kernel's sockets */
    if (err)
        return err;
    s->udp = (struct net_udp){n, s->ends.local, ops, ctx};
    *ret_udp = &s->udp;
    return 0;
}

static int udp_launch(struct wire *w, const struct addr *from, const struct addr *to,
                      struct span data)
{
    struct flight *f = flight_new(w, DATAGRAM, data);
    uint64_t when = sim_now(w->sim) + delay(w);

    if (!f)
        return -ENOMEM;
    f->from = *from;
    f->to = *to;
    if (chance(w, w->conditions.reorder))
        when += 3 * w->conditions.delay;
    return launch(f, when);
}

static int udp_send(struct net_udp *u, const struct addr *to, struct span data)
{
    struct wire *w = sim_net_of(u->net)->wire;
    int err;

    if (to->family != u->local.family)
        return -EAFNOSUPPORT;
    if (data.n > UDP_MAX)
        return -EMSGSIZE;
    if (w->pass && !w->pass(NET_UDP, &u->local, to, data, w->pass_ctx))
        return 0;
    if (chance(w, w->conditions.loss))
        return 0;
    err = udp_launch(w, &u->local, to, data);
    if (err == 0 && chance(w, w->conditions.duplicate))
        err = udp_launch(w, &u->local, to, data);
    return err;
}

static void udp_close(struct net_udp *u)
{
    sock_close(CONTAINER_OF(u, struct sock, udp));
}

/* ---- TCP ---- */

static int sim_listen(struct net *n, const struct addr *local,
                      void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx),
                      void *ctx, struct net_listener **ret_listener)
{
    struct sock *s;
    int err = sock_new(sim_net_of(n), SOCK_LISTENER, NET_TCP, local, NULL, &s);

    if (err)
        return err;
    s->listener = (struct net_listener){n, s->ends.local, on_accept, ctx};
    *ret_listener = &s->listener;
    return 0;
}

static void listener_close(struct net_listener *li)
{
    sock_close(CONTAINER_OF(li, struct sock, listener));
}

/* One way of a connection keeps its order. */
static int tcp_launch(struct sock *s, enum flight_kind kind, struct span data)
{
    struct wire *w = s->net->wire;
    struct flight *f = flight_new(w, kind, data);
    uint64_t when = sim_now(w->sim) + delay(w);

    if (!f)
        return -ENOMEM;
    f->from = s->ends.local;
    f->to = s->ends.remote;
    f->connection = s->connection;
    if (when < s->latest)
        when = s->latest;
    s->latest = when;
    return launch(f, when);
}

static struct sock *tcp_new(struct sim_net *n, const struct addr *local, const struct addr *remote,
                            uint64_t connection, int *ret_err)
{
    struct sock *s;

    *ret_err = sock_new(n, SOCK_TCP, NET_TCP, local, remote, &s);
    if (*ret_err)
        return NULL;
    s->connection = connection;
    s->tcp = (struct net_tcp){&n->net, s->ends.local, *remote, NULL, NULL, NET_TCP_LIMIT};
    return s;
}

static int sim_connect(struct net *net, const struct addr *local, const struct addr *remote,
                       const struct net_tcp_ops *ops, void *ctx, struct net_tcp **ret_tcp)
{
    struct sim_net *n = sim_net_of(net);
    struct addr any = *remote;
    struct sock *s;
    int err;

    /* The route to the peer would choose; here the peer's own address stands in for it. */
    any.port = 0;
    if (!local)
        local = &any;
    if (local->family != remote->family)
        return -EAFNOSUPPORT;
    s = tcp_new(n, local, remote, ++n->wire->connections, &err);
    if (!s)
        return err;
    net_tcp_attach(&s->tcp, ops, ctx);
    err = tcp_launch(s, SYN, SPAN_NONE);
    if (err) {
        sock_close(s);
        return err;
    }
    *ret_tcp = &s->tcp;
    return 0;
}

static int tcp_send(struct net_tcp *t, struct span data)
{
    struct sock *s = CONTAINER_OF(t, struct sock, tcp);
    struct wire *w = s->net->wire;
    int err;

    if (s->closed)
        return -ENOTCONN;
    if (data.n > t->limit || s->queued > t->limit - data.n)
        return -ENOBUFS;
    if (data.n == 0)
        return 0;
    if (w->pass && !w->pass(NET_TCP, &t->local, &t->remote, data, w->pass_ctx))
        return 0;
    err = tcp_launch(s, DATA, data);
    if (err == 0)
        s->queued += data.n;
    return err;
}

static void tcp_close(struct net_tcp *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, tcp);

    if (s->closed)
        return;
    (void)tcp_launch(s, FIN, SPAN_NONE); /* without memory the peer finds out by its next send */
    sock_close(s);
}

static void tcp_ended(struct sock *s, int reason)
{
    const struct net_tcp_ops *ops = s->tcp.ops;

    if (s->closed)
        return;
    sock_close(s);
    if (ops)
        ops->on_closed(&s->tcp, reason, s->tcp.ctx);
}

static void reset_sender(const struct flight *f)
{
    struct flight *back = flight_new(f->wire, RST, SPAN_NONE);

    if (!back)
        return;
    back->from = f->to;
    back->to = f->from;
    back->connection = f->connection;
    (void)launch(back, sim_now(f->wire->sim) + delay(f->wire)); /* lost without memory */
}

static void arrive_syn(struct flight *f)
{
    struct sock *li = find(f->wire, NET_TCP, &f->to, NULL), *s = NULL;
    int err;

    if (li)
        s = tcp_new(li->net, &f->to, &f->from, f->connection, &err);
    if (!s) {
        reset_sender(f);
        return;
    }
    s->connected = true;
    (void)tcp_launch(s, SYN_ACK, SPAN_NONE); /* lost without memory */
    li->listener.on_accept(&li->listener, &s->tcp, li->listener.ctx);
    if (!s->tcp.ops && !s->closed) {
        (void)tcp_launch(s, RST, SPAN_NONE); /* as above */
        sock_close(s);
    }
}

static void arrive_tcp(struct flight *f)
{
    struct sock *s = find(f->wire, NET_TCP, &f->to, &f->from);
    struct sock *sender = find(f->wire, NET_TCP, &f->from, &f->to);

    if (sender && sender->connection == f->connection)
        sender->queued -= f->n;
    if (!s || s->connection != f->connection) {
        if (f->kind == DATA)
            reset_sender(f);
        return;
    }
    if (f->kind == SYN_ACK) {
        s->connected = true;
        s->tcp.ops->on_connected(&s->tcp, s->tcp.ctx);
    } else if (f->kind == DATA)
        s->tcp.ops->on_data(&s->tcp, span_of(f->data, f->n), s->tcp.ctx);
    else if (f->kind == FIN)
        tcp_ended(s, 0);
    else
        tcp_ended(s, s->connected ? ECONNRESET : ECONNREFUSED);
}

/* ---- names ---- */

static int add_record(struct wire *w, enum name_kind kind, const char *name, struct record **ret)
{
    struct record *r = calloc(1, sizeof(*r));
    int err = r ? span_copy(span_str(name), r->fact.name, NAMES_TEXT) : -ENOMEM;

    if (err) {
        free(r);
        return err;
    }
    r->fact.kind = kind;
    r->fact.n = 1;
    list_add_tail(&w->records, &r->item);
    *ret = r;
    return 0;
}

int wire_add_host(struct wire *w, const char *name, const struct addr *addr)
{
    struct record *r;
    int err = add_record(w, NAME_ADDR, name, &r);

    if (err == 0)
        r->fact.addr[0] = *addr;
    return err;
}

int wire_add_srv(struct wire *w, const char *name, uint16_t priority, uint16_t weight,
                 const char *target, uint16_t port)
{
    struct record *r;
    int err = add_record(w, NAME_SRV, name, &r);

    if (err)
        return err;
    r->fact.srv[0] = (struct name_srv){priority, weight, port, ""};
    return span_copy(span_str(target), r->fact.srv[0].target, NAMES_TEXT);
}

int wire_add_naptr(struct wire *w, const char *name, const char *service, const char *replacement)
{
    struct record *r;
    int err = add_record(w, NAME_NAPTR, name, &r);

    if (err)
        return err;
    /* one order, preferred as they were added: the sort is stable */
    err = span_copy(span_str(service), r->fact.naptr[0].service, sizeof(r->fact.naptr[0].service));
    return err ? err : span_copy(span_str(replacement), r->fact.naptr[0].replacement, NAMES_TEXT);
}

static void arrive_answer(struct flight *f)
{
    struct name_fact *fact = f->open.fact;

    if (!f->open.resolve)
        return;
    LIST_EACH (it, &f->wire->records) {
        const struct name_fact *r = &CONTAINER_OF(it, struct record, item)->fact;
        if (r->kind != fact->kind || fact->n == NAMES_RECORDS ||
            !span_eq_nocase(span_str(r->name), span_str(fact->name)))
            continue;
        if (r->kind == NAME_ADDR)
            fact->addr[fact->n++] = r->addr[0];
        else if (r->kind == NAME_SRV)
            fact->srv[fact->n++] = r->srv[0];
        else
            fact->naptr[fact->n++] = r->naptr[0];
    }
    fact->error = fact->n ? 0 : -ENOENT;
    names_answer(&f->open);
}

static int sim_ask(struct net_resolve *r, struct name_fact *fact)
{
    struct wire *w = sim_net_of(r->net)->wire;
    struct flight *f = flight_new(w, ANSWER, SPAN_NONE);
    int err = f ? launch(f, sim_now(w->sim) + 2 * w->conditions.delay) : -ENOMEM;

    if (err == 0)
        names_open(&f->open, r, fact);
    return err;
}

/* ---- the network ---- */

static void arrive(void *ctx)
{
    struct flight *f = ctx;
    struct sock *s;

    list_del(&f->item);
    switch (f->kind) {
    case DATAGRAM:
        s = find(f->wire, NET_UDP, &f->to, NULL);
        if (s)
            s->udp.ops->on_datagram(&s->udp, &f->from, span_of(f->data, f->n), s->udp.ctx);
        break;
    case SYN:
        arrive_syn(f);
        break;
    case ANSWER:
        arrive_answer(f);
        break;
    default:
        arrive_tcp(f);
    }
    free(f);
}

static const struct rnd *sim_net_rnd(struct net *n)
{
    return sim_rnd(sim_net_of(n)->wire->sim);
}

static void sim_net_free(struct net *net)
{
    struct sim_net *n = sim_net_of(net);

    /* What the owners left open ends as the kernel ends the sockets of a dead process. */
    LIST_EACH (it, &n->socks) {
        struct sock *s = CONTAINER_OF(it, struct sock, item);
        if (s->kind == SOCK_TCP)
            tcp_close(&s->tcp);
        sock_close(s);
        loop_task_cancel(&s->end);
        end_sock(&s->end, s);
    }
    free(n);
}

int net_sim_new(struct wire *w, struct loop *l, struct net **ret_net)
{
    static const struct net_impl impl = {
        .free = sim_net_free,
        .udp_open = udp_open,
        .udp_send = udp_send,
        .udp_close = udp_close,
        .listen = sim_listen,
        .listener_close = listener_close,
        .connect = sim_connect,
        .tcp_send = tcp_send,
        .tcp_close = tcp_close,
        .rnd = sim_net_rnd,
        .ask = sim_ask,
    };
    struct sim_net *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    n->net = (struct net){.impl = &impl, .loop = l};
    list_init(&n->net.resolves);
    n->wire = w;
    list_init(&n->socks);
    *ret_net = &n->net;
    return 0;
}
