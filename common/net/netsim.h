/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/net, simulated twin: hosts on one virtual wire, with delay, loss, reordering and
 * duplicates. Tests only. */
#ifndef COMMON_NET_NETSIM_H
#define COMMON_NET_NETSIM_H

#include "common/loop/sim.h"
#include "common/net/net.h"

struct wire;

struct wire_conditions {
    uint64_t delay, jitter; /* microseconds; defaults 1000 and 0 */
    unsigned loss, duplicate,
        reorder; /* per mille, UDP only; a reordered datagram is held for 3 delays */
};

int wire_new(struct sim *s, struct wire **ret_wire);
void wire_free(struct wire *w);
void wire_set(struct wire *w, const struct wire_conditions *c);

/* What a test may do with each UDP datagram or TCP chunk before it leaves: return false to lose it.
 * The filter sees what tcpdump would see. */
void wire_filter(struct wire *w,
                 bool (*pass)(enum net_proto proto, const struct addr *from, const struct addr *to,
                              struct span data, void *ctx),
                 void *ctx);

/* The network of one simulated process; it may bind any address not bound by another. Names answer
 * from wire_add_host and wire_add_srv. */
int net_sim_new(struct wire *w, struct loop *l, struct net **ret_net);
int wire_add_host(struct wire *w, const char *name, const struct addr *addr);
int wire_add_srv(struct wire *w, const char *name, uint16_t priority, uint16_t weight,
                 const char *target, uint16_t port);
int wire_add_naptr(struct wire *w, const char *name, const char *service, const char *replacement);

#endif
