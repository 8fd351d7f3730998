/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/relay, the twin without sockets: it notes the rules and hands out the counters a test set.
 * Tests only. */
#ifndef EDGE_RELAY_FAKE_H
#define EDGE_RELAY_FAKE_H

#include "edge/relay/relay.h"

struct relay_fake;

int relay_fake_new(struct relay_fake **ret_fake);
void relay_fake_free(struct relay_fake *f); /* closes what is open */
const struct relay_port *relay_fake_port(struct relay_fake *f);

unsigned relay_fake_open(const struct relay_fake *f); /* streams */
/* The stream bound to that address and port at the leg, or NULL. */
struct relay_stream *relay_fake_find(struct relay_fake *f, const struct addr *local,
                                     unsigned *ret_leg);
const struct relay_rule *relay_fake_rule(const struct relay_stream *s, unsigned leg);
/* Packets of 100 octets that enter at a leg: passed when its gate is up, else refused. */
void relay_fake_packets(struct relay_stream *s, unsigned leg, unsigned n, int64_t wall);
/* The next `after` opens succeed, the one behind them fails with error (negative errno); 0 = never.
 */
void relay_fake_fail_open(struct relay_fake *f, unsigned after, int error);
void relay_fake_fail_set(struct relay_fake *f, bool on);

#endif
