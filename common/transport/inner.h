/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transport, inside: endpoints, the connection table, and the paths between them. */
#ifndef COMMON_TRANSPORT_INNER_H
#define COMMON_TRANSPORT_INNER_H

#include "common/transport/transport.h"

struct sip_endpoint {
    struct list item; /* in transport.endpoints */
    struct sip_transport *t;
    struct sip_endpoint_options o;
    char sent_by[128];
    struct net_udp *udp;
    struct net_listener *listener;
    struct list connections;
};

enum connection_state { CONNECTION_OPENING, CONNECTION_OPEN, CONNECTION_DEAD };

struct connection {
    struct map_node node; /* by endpoint and remote address */
    struct list item;     /* in endpoint.connections, or transport.dead */
    struct sip_endpoint *e;
    struct net_tcp *tcp;
    struct handle handle;
    struct addr remote;
    enum connection_state state;
    struct source *source;
    struct sip_framer framer;
    struct loop_timer timer;
    uint64_t last;  /* when a byte last went either way */
    uint64_t begun; /* when the incomplete message in the framer began; 0 = there is none */
    struct list watches;
};

/* How many connections one IP address has. */
struct source {
    struct map_node node;
    struct addr ip; /* port 0 */
    unsigned connections;
};

struct sip_transport {
    struct net *net;
    struct loop *loop;
    struct sip_transport_options o;
    struct sip_guard guard;
    void *guard_ctx;
    void (*on_message)(struct sip_msg *m, const struct sip_flow *flow, void *ctx);
    void *on_message_ctx;
    void (*tap)(const struct sip_flow *flow, bool outgoing, struct span raw, void *ctx);
    void *tap_ctx;
    struct list endpoints;
    struct map connections;
    struct pool handles;
    struct map sources;
    struct list dead; /* connections that end with this turn */
    struct loop_task reap;
    struct sip_transport_counters counters;
};

/* False, counted and told: not from there. */
bool transport_allows(struct sip_transport *t, const struct sip_flow *flow);
/* May make connections of its own. */
bool endpoint_can_connect(const struct sip_endpoint *e);
/* A message no use can be made of is answered where it can be, and counted; never an ACK. m: NULL when
 * not even that is known. */
void transport_refuse(struct sip_transport *t, const struct sip_flow *flow, const struct sip_msg *m,
                      const struct sip_reject *reject);
/* The way of every message from the wire: guard, parser, user. */
void transport_receive(struct sip_transport *t, const struct sip_flow *flow, struct span raw);

int connections_init(struct sip_transport *t, const struct rnd *rnd);
void connections_fini(struct sip_transport *t);
void connection_accept(struct net_listener *li, struct net_tcp *tcp, void *endpoint);
/* The connection the target names, else one to its address, else NULL. */
struct connection *connection_find(struct sip_transport *t, const struct sip_target *target);
int connection_open(struct sip_transport *t, struct sip_endpoint *e, const struct addr *remote,
                    struct connection **ret_connection);
int connection_send(struct connection *c, struct span data, struct sip_watch *watch);
struct sip_flow connection_flow(const struct connection *c);
/* Closes it from our side and tells its watches. */
void connection_close(struct connection *c, int reason);
void connections_close_all(struct sip_endpoint *e);

#endif
