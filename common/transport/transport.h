/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transport: SIP over UDP and TCP for one worker.
 *
 * Decides   RFC 3261 18: framing, received and rport (RFC 3581), where a response goes, which
 *           connection is used again, when a large request takes TCP; who may connect.
 * Owns      its endpoints and connections. struct sip_flow and sip_target are values: the
 *           connection in them is a handle, and a handle that has died is a normal path.
 * Threads   the loop's.
 * Errors    negative errno at once, or later through a struct sip_watch.
 * Never     keeps a message, parses one the guard refused, drops one without counting it.
 * Tests     tests/unit/common/transport. */
#ifndef COMMON_TRANSPORT_TRANSPORT_H
#define COMMON_TRANSPORT_TRANSPORT_H

#include "common/net/net.h"
#include "common/sip/sip.h"

struct sip_transport;
struct sip_endpoint;

/* ---- where a message came from and where one goes ---- */

/* A received message: where it arrived and from whom. */
struct sip_flow {
    struct sip_endpoint *endpoint;
    enum net_proto proto; /* NET_UDP or NET_TCP */
    struct addr local, remote;
    struct handle connection; /* index 0 = none (UDP, or not connected yet) */
};

/* Policy of a target; none set = the protocol that is named, nothing else. */
enum {
    /* A request over transport_options.large bytes to a UDP target goes by TCP (RFC 3261 18.1.1);
     * a connection that fails is replaced by UDP. */
    SIP_TARGET_LARGE_BY_TCP = 1,
    /* When no TCP connection can be made, the same transaction goes on by UDP. */
    SIP_TARGET_UDP_FALLBACK = 2,
    /* Only on a connection that is open already; never connects (a phone that never used TCP). */
    SIP_TARGET_CONNECTED_ONLY = 4,
};

struct sip_target {
    struct sip_flow
        flow; /* endpoint: what to send from; remote: to whom; connection: tried first */
    unsigned policy;
    uint64_t
        whom; /* the role's own name for who is there, for sip_layer_ops.may_answer; 0 = none */
};

/* Endpoint, protocol and address in one go. */
struct sip_target sip_target_of(struct sip_endpoint *from, enum net_proto proto,
                                const struct addr *to, unsigned policy);
/* Back to where the flow came from: same endpoint, protocol, address and connection. */
struct sip_target sip_target_of_flow(const struct sip_flow *flow, unsigned policy);

/* ---- endpoints: the listening points of the role ---- */

/* Timers of RFC 3261 table 4, or of TS 24.229 table 7.7.1 towards a phone (T1 2 s, T2 16 s, T4 17
 * s). */
enum sip_timer_profile { SIP_TIMERS_RFC, SIP_TIMERS_UE };

struct sip_endpoint_options {
    const char *name;    /* "gm", "port_ps": logs and metrics; must outlive the endpoint */
    int tag;             /* the role's own; sip_endpoint_tag gives it back */
    struct addr local;   /* a real address, not a wildcard: it is what the flow reports */
    bool udp;            /* one socket, in and out */
    bool tcp;            /* listens; connections to others leave from any port, or from tcp_from */
    uint16_t tcp_from;   /* port outgoing connections leave from; 0 = any (a port_pc sets it) */
    bool never_connects; /* takes connections and makes none (port_ps: SAs cover no other port) */
    struct span sent_by; /* "192.0.2.1:5062" for our Via; empty = local. Copied. */
    enum sip_timer_profile timers;
    /* Who may send requests and connect (the trust domain of RFC 3324); n_allow 0 = anyone. Answers
     * are for transactions, which know whom they asked (sip_flow_may_answer). Must outlive the
     * endpoint. */
    const struct addr_net *allow;
    size_t n_allow;
};

/* ---- the transport ---- */

enum sip_guard_verdict {
    SIP_GUARD_PASS,
    SIP_GUARD_DROP,  /* silently; counted */
    SIP_GUARD_CLOSE, /* drop and close the connection */
};

/* What the role looks at before a byte is parsed; every member may be NULL. */
struct sip_guard {
    /* A connection is being accepted. */
    enum sip_guard_verdict (*on_connect)(const struct sip_flow *flow, void *ctx);
    /* One message as it came from the wire. */
    enum sip_guard_verdict (*on_bytes)(const struct sip_flow *flow, struct span raw, void *ctx);
    /* sip_msg_parse or the framer refused it; told after the answer, if any, went out. */
    void (*on_bad)(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx);
    /* A request or connection from outside the endpoint's `allow` was dropped. */
    void (*on_stranger)(const struct sip_flow *flow, void *ctx);
    /* Whether the responses to what came this way go elsewhere than RFC 3261 18.2.2 says (TS 33.203
     * 7.1: from port_pc to port_us). */
    bool (*on_reply)(const struct sip_flow *flow, struct sip_target *ret_target, void *ctx);
    /* A connection ended: 0 = FIN, else errno (positive). */
    void (*on_closed)(const struct sip_flow *flow, int reason, void *ctx);
};

struct sip_transport_options {
    struct sip_limits limits;        /* of a message */
    unsigned connections;            /* in all; default 20000 */
    unsigned connections_per_source; /* per remote IP address; default 64 */
    uint64_t connect_timeout;        /* default 4 s */
    uint64_t idle_timeout;           /* no byte either way; default 15 min */
    uint64_t message_timeout;        /* a message begun must be complete; default 10 s */
    size_t large;                    /* default 1300 (RFC 3261 18.1.1) */
    size_t send_queue;               /* bytes waiting per connection; default 256 KiB */
};
extern const struct sip_transport_options sip_transport_options_default;

/* options: NULL = default. rnd keys the tables; it must outlive the transport. */
int sip_transport_new(struct net *net, const struct rnd *rnd,
                      const struct sip_transport_options *options,
                      struct sip_transport **ret_transport);
void sip_transport_free(struct sip_transport *t);
struct loop *sip_transport_loop(const struct sip_transport *t);
/* Copied. */
void sip_transport_set_guard(struct sip_transport *t, const struct sip_guard *guard, void *ctx);
/* Who gets every good message (common/transaction sets itself). m is borrowed: sip_msg_ref to keep
 * it. */
void sip_transport_set_user(struct sip_transport *t,
                            void (*on_message)(struct sip_msg *m, const struct sip_flow *flow,
                                               void *ctx),
                            void *ctx);
/* What tcpdump would show, for the recorder; outgoing or not. */
void sip_transport_set_tap(struct sip_transport *t,
                           void (*tap)(const struct sip_flow *flow, bool outgoing, struct span raw,
                                       void *ctx),
                           void *ctx);

/* Opens the sockets. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (wildcard, or neither udp nor
 * tcp). */
int sip_endpoint_open(struct sip_transport *t, const struct sip_endpoint_options *options,
                      struct sip_endpoint **ret_endpoint);
/* Closes its sockets and connections. Flows that name it must be gone (end their transactions
 * first). */
void sip_endpoint_close(struct sip_endpoint *e);
const char *sip_endpoint_name(const struct sip_endpoint *e);
int sip_endpoint_tag(const struct sip_endpoint *e);
const struct addr *sip_endpoint_local(const struct sip_endpoint *e);
struct span sip_endpoint_sent_by(const struct sip_endpoint *e);
enum sip_timer_profile sip_endpoint_timers(const struct sip_endpoint *e);

/* ---- sending ---- */

/* Told once, when the connection a message was given to ends before sip_watch_stop: 0 = FIN, else
 * errno (positive). Embedded in its owner. */
struct sip_watch {
    struct list item;
    void (*closed)(struct sip_watch *w, int reason);
};
void sip_watch_init(struct sip_watch *w, void (*closed)(struct sip_watch *w, int reason));
void sip_watch_stop(struct sip_watch *w); /* fine on one that was never started */

/* Which protocol a request of n bytes takes to this target: decides the Via before it is written.
 */
enum net_proto sip_target_proto(const struct sip_transport *t, const struct sip_target *target,
                                size_t n);
/* Sends bytes. proto: as sip_target_proto said, or target->flow.proto. TCP: on target's connection
 * when it lives, else on one to the same address from the same endpoint, else on a new one (queued
 * until it stands). watch (may be NULL) reports the connection's end. ret_used (may be NULL): the
 * flow in fact used. -ENOTCONN (CONNECTED_ONLY), -ENOSPC (connection table full), -ENOBUFS (queue
 * full), -EPROTONOSUPPORT (never_connects), -EPERM (IPsec policy), -EMSGSIZE, -ENETUNREACH ...;
 * -EAGAIN counts as a lost datagram: 0.
 */
int sip_transport_send(struct sip_transport *t, const struct sip_target *target,
                       enum net_proto proto, struct span data, struct sip_watch *watch,
                       struct sip_flow *ret_used);

/* Where the response to a request goes by RFC 3261 18.2.2 and RFC 3581 4: UDP to the source address
 * and the port of rport or sent-by; TCP on the flow's connection, or when that has gone a new one
 * to the source address and sent-by port. The guard may know better. */
struct sip_target sip_target_of_response(const struct sip_msg *request,
                                         const struct sip_flow *flow);
/* Whether an answer to what was sent over `asked` may come from `from`: to the same endpoint, from the
 * IP address that was asked or one that the endpoint's `allow` names (who has several addresses
 * answers from any: RFC 3261 18.1.2); port and protocol do not count. */
bool sip_flow_may_answer(const struct sip_flow *asked, const struct sip_flow *from);
/* False when the connection is gone; true for UDP. */
bool sip_flow_alive(const struct sip_transport *t, const struct sip_flow *flow);
void sip_flow_close(struct sip_transport *t, const struct sip_flow *flow);

/* ---- next hop: RFC 3263 on a URI ---- */

#define SIP_TARGETS_MAX 8

struct sip_resolving;
/* Host, port and transport of a sip: URI into targets from `from`, in the order to try. done is
 * called once, for an IP address or a bad URI from within the call; n = 0 comes with a negative
 * errno: -EINVAL (no sip URI), -EPROTONOSUPPORT (sips, TLS, or what `from` does not speak),
 * -ENOMEM, or net_resolve's. ret_resolving (may be NULL) is set only while the answer is
 * outstanding. */
void sip_resolve(struct sip_transport *t, const struct sip_uri *uri, struct sip_endpoint *from,
                 unsigned policy,
                 void (*done)(const struct sip_target *targets, size_t n, int error, void *ctx),
                 void *ctx, struct sip_resolving **ret_resolving);
void sip_resolve_cancel(struct sip_resolving *r);

/* ---- counters ---- */

/* name, help: one table for the struct, metrics and tests. */
#define SIP_TRANSPORT_COUNTERS(X)                                                                  \
    X(received_udp, "messages received over UDP")                                                  \
    X(received_tcp, "messages received over TCP")                                                  \
    X(sent_udp, "messages sent over UDP")                                                          \
    X(sent_tcp, "messages sent over TCP")                                                          \
    X(pings, "keep-alive pings answered (RFC 5626 4.4.1)")                                         \
    X(bad_answered, "unusable requests answered with an error")                                    \
    X(bad_dropped, "unusable messages dropped")                                                    \
    X(guard_dropped, "messages refused by the guard before parsing")                               \
    X(guard_closed, "connections closed by the guard")                                             \
    X(strangers, "requests and connections from addresses not allowed")                            \
    X(connections_opened, "connections made by us")                                                \
    X(connections_accepted, "connections accepted")                                                \
    X(connections_refused_full, "connections refused: table full")                                 \
    X(connections_refused_source, "connections refused: too many from one address")                \
    X(connect_failed, "connections that could not be made")                                        \
    X(closed_idle, "connections closed: idle")                                                     \
    X(closed_slow, "connections closed: a message took too long")                                  \
    X(closed_broken, "connections closed: framing broken")                                         \
    X(send_failed, "messages that could not be sent")                                              \
    X(send_lost, "datagrams lost at a full socket buffer")

struct sip_transport_counters {
#define X(name, help) uint64_t name;
    SIP_TRANSPORT_COUNTERS(X)
#undef X
    uint64_t connections; /* gauge */
};
const struct sip_transport_counters *sip_transport_counters(const struct sip_transport *t);

#endif
