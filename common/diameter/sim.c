/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/diameter/sim.h"

#include <errno.h>
#include <stdlib.h>

#include "common/diameter/inner.h"

#define LATENCY MSEC /* one way, per message */

struct diameter_sim {
    struct sim *sim;
    struct list nodes, packets, flights;
    unsigned loss; /* per mille */
    uint32_t next_id;
};

struct node {
    struct diameter d;
    struct diameter_sim *net;
    struct list item;
    uint32_t id;
    bool silent, connected;
};

/* A request on its way or at its server, whose `ref` it is. */
struct flight {
    struct list item;
    uint32_t from, to;
    struct handle call; /* of the node `from` */
    bool dead;          /* its connection broke */
};

/* A message on its way. Names instead of pointers: either end may be gone when it arrives. */
struct packet {
    struct list item;
    struct diameter_sim *net;
    uint32_t from, to;
    struct flight *flight; /* of a request */
    struct handle call;    /* of an answer */
    size_t n;
    char octets[];
};

static struct node *node_of(struct diameter *d)
{
    return CONTAINER_OF(d, struct node, d);
}

static struct node *node_find(const struct diameter_sim *net, uint32_t id)
{
    LIST_EACH (it, &net->nodes) {
        struct node *n = CONTAINER_OF(it, struct node, item);
        if (n->id == id)
            return n;
    }
    return NULL;
}

static bool hears(const struct node *n)
{
    return n && n->connected && !n->silent;
}

static void arrive(void *ctx)
{
    struct packet *p = ctx;
    struct node *to = node_find(p->net, p->to), *from = node_find(p->net, p->from);

    list_del(&p->item);
    if (hears(to) && from && from->connected) {
        struct span message = span_of(p->octets, p->n);

        if (!p->flight)
            diameter_core_answer(&to->d, p->call, message);
        else if (!p->flight->dead)
            diameter_core_request(&to->d, (uint64_t)(uintptr_t)p->flight, message);
    }
    free(p);
}

static int put_on_wire(struct node *from, uint32_t to, struct flight *flight, struct handle call,
                       struct span message)
{
    struct diameter_sim *net = from->net;
    struct packet *p;
    int rc;

    if (from->silent || rnd_below(sim_rnd(net->sim), 1000) < net->loss)
        return 0; /* lost */
    p = malloc(sizeof(*p) + message.n);
    if (!p)
        return -ENOMEM;
    *p = (struct packet){
        .net = net, .from = from->id, .to = to, .flight = flight, .call = call, .n = message.n};
    if (message.n)
        memcpy(p->octets, message.p, message.n);
    rc = sim_at(net->sim, sim_now(net->sim) + LATENCY, arrive, p);
    if (rc) {
        free(p);
        return rc;
    }
    list_add_tail(&net->packets, &p->item);
    return 0;
}

static struct node *route(struct node *from, struct span realm, struct span host)
{
    LIST_EACH (it, &from->net->nodes) {
        struct node *n = CONTAINER_OF(it, struct node, item);

        if (n == from || !n->connected || !span_eq_nocase(span_str(n->d.realm), realm))
            continue;
        /* Without a host: whoever serves something, as routing by realm and application would. */
        if (host.n ? span_eq_nocase(span_str(n->d.identity), host) : n->d.n_services > 0)
            return n;
    }
    return NULL;
}

static int on_request(struct diameter *d, struct handle call, uint64_t timeout_us,
                      struct span realm, struct span host, struct span message)
{
    struct node *from = node_of(d), *to = from->connected ? route(from, realm, host) : NULL;
    struct flight *f;

    (void)timeout_us;
    if (!to)
        return -ENOTCONN;
    f = malloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct flight){.from = from->id, .to = to->id, .call = call};
    list_add_tail(&from->net->flights, &f->item);
    return put_on_wire(from, to->id, f, call, message);
}

static int on_answer(struct diameter *d, uint64_t ref, struct span message)
{
    struct flight *f = (struct flight *)(uintptr_t)ref;
    int rc = f->dead ? -ENOTCONN : put_on_wire(node_of(d), f->from, NULL, f->call, message);

    list_del(&f->item);
    free(f);
    return rc;
}

/* ---- connections ---- */

static void see_each_other(struct node *a, bool up)
{
    LIST_EACH (it, &a->net->nodes) {
        struct node *b = CONTAINER_OF(it, struct node, item);

        if (b == a || !b->connected)
            continue;
        diameter_core_peer(&a->d, span_str(b->d.identity), up);
        diameter_core_peer(&b->d, span_str(a->d.identity), up);
    }
}

static void break_flights(struct diameter_sim *net, uint32_t id)
{
    LIST_EACH (it, &net->flights) {
        struct flight *f = CONTAINER_OF(it, struct flight, item);
        struct node *from = node_find(net, f->from);

        if (f->dead || (f->from != id && f->to != id))
            continue;
        f->dead = true;
        if (from)
            diameter_core_failed(&from->d, f->call, -ENOTCONN);
    }
}

void diameter_sim_connected(struct diameter *node, bool on)
{
    struct node *n = node_of(node);

    if (n->connected == on)
        return;
    n->connected = on;
    see_each_other(n, on);
    if (!on)
        break_flights(n->net, n->id);
}

void diameter_sim_silence(struct diameter *node, bool on)
{
    node_of(node)->silent = on;
}

void diameter_sim_loss(struct diameter_sim *net, unsigned per_mille)
{
    net->loss = per_mille;
}

void diameter_sim_bounds(struct diameter *node, unsigned in_flight, unsigned unanswered)
{
    node->calls.limit = in_flight;
    node->waiting.limit = unanswered;
}

/* ---- life ---- */

static void on_free(struct diameter *d)
{
    struct node *n = node_of(d);

    list_del(&n->item);
    if (n->connected) {
        LIST_EACH (it, &n->net->nodes)
            diameter_core_peer(&CONTAINER_OF(it, struct node, item)->d, span_str(d->identity),
                               false);
    }
    break_flights(n->net, n->id);
    diameter_core_fini(d); /* what it waits for is forgotten, not failed */
    free(n);
}

static const struct diameter_impl sim_impl = {on_free, on_request, on_answer};

int diameter_sim_new(struct sim *s, struct diameter_sim **ret_net)
{
    struct diameter_sim *net = calloc(1, sizeof(*net));

    if (!net)
        return -ENOMEM;
    net->sim = s;
    list_init(&net->nodes);
    list_init(&net->packets);
    list_init(&net->flights);
    *ret_net = net;
    return 0;
}

void diameter_sim_free(struct diameter_sim *net)
{
    if (!net)
        return;
    LIST_EACH (it, &net->packets)
        free(CONTAINER_OF(it, struct packet, item));
    LIST_EACH (it, &net->flights)
        free(CONTAINER_OF(it, struct flight, item));
    free(net);
}

int diameter_sim_node(struct diameter_sim *net, struct loop *l, const char *identity,
                      const char *realm, struct diameter **ret_node)
{
    const struct diameter_core_conf conf = {
        .identity = identity, .realm = realm, .rnd = sim_rnd(net->sim)};
    struct node *n = calloc(1, sizeof(*n));
    int rc;

    if (!n)
        return -ENOMEM;
    rc = diameter_core_init(&n->d, &sim_impl, l, &conf);
    if (rc) {
        free(n);
        return rc;
    }
    n->net = net;
    n->id = ++net->next_id;
    n->connected = true;
    see_each_other(n, true);
    list_add_tail(&net->nodes, &n->item);
    *ret_node = &n->d;
    return 0;
}
