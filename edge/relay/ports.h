/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/relay, ports: which port pairs of an address are free.
 *
 * Decides   the next pair: an even port for RTP and the odd one above it for RTCP (RFC 3550 11), in
 *           an order nobody can guess, the one given back longest ago first, so that media of a
 *           call that is over does not reach the next one.
 * Owns      two octets a pair. Both calls are O(1).
 * Threads   the loop's.
 * Never     binds: a pair may be taken by another program, which its user notices and says.
 * Tests     tests/unit/edge/relay/ports_test.c. */
#ifndef EDGE_RELAY_PORTS_H
#define EDGE_RELAY_PORTS_H

#include "common/base/base.h"

struct relay_ports {
    struct addr ip;
    uint16_t *ring; /* even ports */
    uint32_t size, head, free;
};

/* Pairs within [first, last]. -EINVAL for a range without a pair, -ENOMEM. */
int relay_ports_init(struct relay_ports *p, const struct addr *ip, uint16_t first, uint16_t last,
                     const struct rnd *rnd);
void relay_ports_fini(struct relay_ports *p);
/* *ret_even has the even port. -ENOSPC when all are taken. */
int relay_ports_take(struct relay_ports *p, struct addr *ret_even);
/* Of a pair that was taken, once. */
void relay_ports_give(struct relay_ports *p, const struct addr *even);

#endif
