/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter, simulated twin: Diameter nodes of one sim, connected by realm and host.
 *
 * Every message goes through the encoder and decoder that the real one uses. Latency, loss,
 * silence and dead peers are switched by tests. Tests only. */
#ifndef COMMON_DIAMETER_SIM_H
#define COMMON_DIAMETER_SIM_H

#include "common/diameter/diameter.h"
#include "common/loop/sim.h"

struct diameter_sim;

int diameter_sim_new(struct sim *s, struct diameter_sim **ret_net);
/* After the nodes. */
void diameter_sim_free(struct diameter_sim *net);
/* A node; every node is a peer of every other. Freed with diameter_free, which the others see as
 * its connection closing. */
int diameter_sim_node(struct diameter_sim *net, struct loop *l, const char *identity,
                      const char *realm, struct diameter **ret_node);
/* Each message is lost with this probability (0..1000 per mille). */
void diameter_sim_loss(struct diameter_sim *net, unsigned per_mille);
/* A silent node stays connected, hears nothing and says nothing. */
void diameter_sim_silence(struct diameter *node, bool on);
/* Breaks or mends its connections: requests in flight fail, peers see it go down or come up. */
void diameter_sim_connected(struct diameter *node, bool on);
/* Bounds of a node; defaults 4096 and 4096. */
void diameter_sim_bounds(struct diameter *node, unsigned in_flight, unsigned unanswered);

#endif
