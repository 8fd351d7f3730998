/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/net: the network port. UDP sockets, TCP listeners and connections, and names (RFC 3263).
 *
 * Decides   nothing: bytes in, bytes out.
 * Owns      its sockets; struct net dies after everything opened on it.
 * Threads   the loop's.
 * Errors    negative errno from every call; what fails later comes through on_closed.
 * Never     blocks, never keeps a span after the callback, never queues without a bound.
 * Twins     net_new is the kernel's network; net_sim_new (common/net/netsim.h) is the virtual one
 *           with delay, loss and reordering.
 * Tests     tests/unit/common/net. */
#ifndef COMMON_NET_NET_H
#define COMMON_NET_NET_H

#include "common/loop/loop.h"

struct net;

int net_new(struct loop *l, struct net **ret_net);
void net_free(struct net *n);
struct loop *net_loop(struct net *n);

/* ---- UDP: read in batches, sent at once ------------------------------------------------------ */

struct net_udp;

struct net_udp_ops {
    /* One datagram; data is valid during the call. */
    void (*on_datagram)(struct net_udp *u, const struct addr *from, struct span data, void *ctx);
};

struct net_udp_options {
    bool reuse_port;
    int receive_buffer; /* bytes; 0 = the system's */
};

/* local port 0 = any. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES ... */
int net_udp_open(struct net *n, const struct addr *local, const struct net_udp_options *options,
                 const struct net_udp_ops *ops, void *ctx, struct net_udp **ret_udp);
/* -EAGAIN when the socket's buffer is full: the datagram is lost, as on a wire. -EMSGSIZE, -EPERM
 * (an IPsec policy blocked it), -ENETUNREACH. */
int net_udp_send(struct net_udp *u, const struct addr *to, struct span data);
const struct addr *net_udp_local(const struct net_udp *u);
void net_udp_close(struct net_udp *u); /* may be called from its own callback */

/* ---- TCP ------------------------------------------------------------------------------------- */

struct net_tcp;
struct net_listener;

struct net_tcp_ops {
    void (*on_connected)(struct net_tcp *t, void *ctx); /* outgoing only */
    /* Bytes as they come; valid during the call. */
    void (*on_data)(struct net_tcp *t, struct span data, void *ctx);
    /* The end, whoever caused it but net_tcp_close: 0 = the peer's FIN, else errno (positive). t is
     * gone after the call. */
    void (*on_closed)(struct net_tcp *t, int reason, void *ctx);
};

/* An accepted connection has no ops until net_tcp_attach is called, which must happen inside
 * on_accept. */
int net_tcp_listen(struct net *n, const struct addr *local,
                   void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx),
                   void *ctx, struct net_listener **ret_listener);
void net_listener_close(struct net_listener *li);
const struct addr *net_listener_local(const struct net_listener *li);

void net_tcp_attach(struct net_tcp *t, const struct net_tcp_ops *ops, void *ctx);
/* local: port 0 = any; NULL = any address. A fixed local port is bound with SO_REUSEADDR, so that
 * an SA's client port can open one connection per peer. */
int net_tcp_connect(struct net *n, const struct addr *local, const struct addr *remote,
                    const struct net_tcp_ops *ops, void *ctx, struct net_tcp **ret_tcp);
/* Copies what the kernel does not take at once into a queue bounded by net_tcp_limit; -ENOBUFS
 * beyond it, and nothing of data was sent then. Before on_connected it is queued as well. */
int net_tcp_send(struct net_tcp *t, struct span data);
void net_tcp_limit(struct net_tcp *t, size_t bytes); /* default 256 KiB */
const struct addr *net_tcp_local(const struct net_tcp *t);
const struct addr *net_tcp_remote(const struct net_tcp *t);
/* Flushes what is queued, then closes. No callback follows. */
void net_tcp_close(struct net_tcp *t);

/* ---- names: RFC 3263 ------------------------------------------------------------------------- */

enum net_proto { NET_PROTO_ANY, NET_UDP, NET_TCP, NET_TLS };
const char *net_proto_name(enum net_proto p); /* "UDP", "TCP", "TLS" */

struct net_target {
    enum net_proto proto;
    struct addr addr;
};

struct net_resolve_query {
    struct span host;     /* name, IPv4 or (bare or bracketed) IPv6 text */
    uint16_t port;        /* 0 = not given: then NAPTR and SRV are asked (RFC 3263 4.1, 4.2) */
    enum net_proto proto; /* NET_PROTO_ANY = not given */
    bool secure;          /* sips: TLS only */
};

struct net_resolve;
/* done is called once, for a literal address from within the call; n = 0 with error (negative
 * errno) when nothing was found. Targets come in the order to try (priority, then weight).
 * NULL: done has been called already (a literal, a bad name, no memory). */
struct net_resolve *net_resolve(struct net *n, const struct net_resolve_query *query,
                                void (*done)(const struct net_target *targets, size_t n, int error,
                                             void *ctx),
                                void *ctx);
/* done is not called any more. */
void net_resolve_cancel(struct net_resolve *r);

#endif
