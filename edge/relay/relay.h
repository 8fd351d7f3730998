/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/relay: RTP and RTCP from one leg to the other, as the rules of the gate say.
 *
 * Decides   per packet only: is the gate up, is this the authorized source (latching), does it look
 *           like RTP or RTCP (RFC 3550 5.1, RFC 5761 4), is it within the authorized bandwidth.
 * Owns      sockets, packet workers, the rules it was given (copied).
 * Threads   the port's functions belong to the loop's thread. Each worker is a thread with its own
 *           epoll that owns both legs of a stream. A rule is published by pointer and the old one
 *           is retired through the worker's mailbox, so that it holds from the next packet on and
 *           the packet path has no lock. Counters are read relaxed.
 * Errors    0 or negative errno from opening; a packet that cannot be sent is counted.
 * Never     allocates or copies per packet, parses beyond the fixed header, logs.
 * Twins     relay_new is the kernel's sockets; relay_fake (edge/relay/fake.h) is for tests.
 * Tests     tests/unit/edge/relay (real sockets), tests/bench/edge/run. */
#ifndef EDGE_RELAY_RELAY_H
#define EDGE_RELAY_RELAY_H

#include "common/base/base.h"
#include "common/loop/loop.h"
#include "edge/usage/usage.h"

enum relay_gate {
    RELAY_GATE_CLOSED, /* refused: not authorized (yet) */
    RELAY_GATE_OPEN,
    RELAY_GATE_ENDED, /* refused: the session is over */
};

/* Who may send into a leg whose gate is up. */
enum relay_source {
    RELAY_SOURCE_STRICT,  /* address and port of the rule's peer */
    RELAY_SOURCE_ADDRESS, /* its address; the port of the first packet, then only that */
    RELAY_SOURCE_LATCH,   /* whoever sends first, then only that (phones behind NAT) */
};

enum relay_kind {
    RELAY_RTP,    /* RTP, and RTCP multiplexed with it */
    RELAY_RTCP,   /* RTCP only */
    RELAY_OPAQUE, /* any datagram: udptl, DTLS */
};

/* What may enter at one leg, and where that side is. */
struct relay_rule {
    enum relay_gate gate;
    enum relay_source source;
    struct addr peer;          /* family or port 0: not known */
    uint64_t bytes_per_second; /* IP packets with headers; 0 = not policed */
    uint64_t burst_bytes;
};

struct relay_stream; /* two legs, 0 and 1: what enters at one leaves at the other */

struct relay_port {
    void *ctx;
    /* Binds both legs, gates closed, no peers. tos: of what leaves at leg 0 and 1 (DSCP << 2).
     * -EADDRINUSE, -EADDRNOTAVAIL, -EMFILE, -ENOMEM. */
    int (*open)(void *ctx, enum relay_kind kind, const struct addr local[2], const uint8_t tos[2],
                struct relay_stream **ret_stream);
    /* Holds from the next packet on. A changed peer forgets what was latched. -ENOMEM: the gate of
     * that leg is closed then. */
    int (*set)(void *ctx, struct relay_stream *s, unsigned leg, const struct relay_rule *rule);
    /* Cannot fail. gate: CLOSED or ENDED; a set raises it again. */
    void (*lower)(void *ctx, struct relay_stream *s, unsigned leg, enum relay_gate gate);
    /* Packets that entered at the leg, and the source it latched (family 0: none). */
    void (*read)(void *ctx, const struct relay_stream *s, unsigned leg,
                 struct usage_counts *ret_counts, struct addr *ret_latched);
    /* The stream is gone for the caller; its sockets are closed soon after. */
    void (*close)(void *ctx, struct relay_stream *s);
};

struct relay;

struct relay_options {
    unsigned workers;     /* threads; 1 to 64 */
    unsigned coalesce_us; /* at most one turn of a worker in this time; 0 = as packets come */
    int receive_buffer;   /* bytes of each socket; 0 = the system's */
};

struct relay_stats {
    uint64_t turns, visits, packets; /* of all workers */
    uint32_t streams;
};

/* Starts the workers. */
int relay_new(struct loop *l, const struct relay_options *options, struct relay **ret_relay);
/* Stops the workers, closes what is open. */
void relay_free(struct relay *r);
/* Borrowed; dies with the relay. */
const struct relay_port *relay_port_of(struct relay *r);
void relay_stats_get(const struct relay *r, struct relay_stats *ret_stats);

#endif
