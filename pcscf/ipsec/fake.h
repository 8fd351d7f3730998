/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/ipsec, simulated twin: keeps sets in memory, answers on virtual time. Tests only. */
#ifndef PCSCF_IPSEC_FAKE_H
#define PCSCF_IPSEC_FAKE_H

#include "pcscf/ipsec/ipsec.h"

struct ipsec_fake;

/* Answers a millisecond after the call; up, with every algorithm the header names. Linear in its
 * sets. */
int ipsec_fake_new(struct loop *l, struct ipsec_fake **ret_fake);
void ipsec_fake_free(struct ipsec_fake *f);
struct ipsec ipsec_fake_port(struct ipsec_fake *f);

/* The next install answers this status instead of 0. */
void ipsec_fake_fail_next(struct ipsec_fake *f, int status);
/* Down: what is under way fails, installs are refused and on_down is told; up again: on_up. */
void ipsec_fake_set_up(struct ipsec_fake *f, bool up);
void ipsec_fake_set_algorithms(struct ipsec_fake *f, unsigned algs, unsigned ealgs);

/* What is installed, as a kernel would list it. */
size_t ipsec_fake_sets(const struct ipsec_fake *f);
/* The i-th set that is installed, oldest first (keys included), or NULL. */
const struct ipsec_set *ipsec_fake_set(const struct ipsec_fake *f, size_t i);
/* The set one of whose SAs takes a packet from `from` to `to` (addresses and ports; either
 * direction), or NULL: what the kernel would encrypt and accept. */
const struct ipsec_set *ipsec_fake_find(const struct ipsec_fake *f, const struct addr *from,
                                        const struct addr *to);
struct ipsec_fake_totals {
    unsigned installs, refusals, limits, removals;
    uint32_t last_limit; /* seconds of the latest ipsec_limit */
};
struct ipsec_fake_totals ipsec_fake_totals(const struct ipsec_fake *f);
/* Books a packet on an SA of the i-th set, for ipsec_count. */
void ipsec_fake_packet(struct ipsec_fake *f, size_t i, enum ipsec_sa sa, uint64_t bytes);

#endif
