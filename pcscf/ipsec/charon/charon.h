/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/ipsec/charon: the IPsec port on strongSwan's libcharon, in a child process.
 *
 * Decides   when a kernel is good enough (the self-test), and that a child that dies is started
 *           again.
 * Owns      two processes: a keeper, forked before there are threads, which starts and restarts the
 *           worker that alone has libcharon, CAP_NET_ADMIN and keys; SAs and policies with our
 *           reqid at our addresses, which an earlier run may have left.
 * Threads   ipsec_charon_start before any other thread exists; the rest is the loop's.
 * Never     calls libcharon in the calling process.
 * Tests     tests/unit/pcscf/ipsec/charon, tests/integration/pcscf/ipsec (in User Mode Linux). */
#ifndef PCSCF_IPSEC_CHARON_CHARON_H
#define PCSCF_IPSEC_CHARON_CHARON_H

#include "pcscf/ipsec/ipsec.h"

#define IPSEC_CHARON_PORTS_MAX 64

struct ipsec_charon_options {
    struct addr ports[IPSEC_CHARON_PORTS_MAX]; /* our protected addresses and ports, server and
                                                  client: nothing in the clear gets in or out */
    unsigned n_ports;
    unsigned sets;  /* most sets; default 100000 */
    uint32_t reqid; /* what marks SAs and policies as ours; default 3329 */
};

struct ipsec_charon;

/* Forks the child. Call first thing in main: before threads and sockets, and before capabilities are
 * dropped. */
int ipsec_charon_start(struct ipsec_charon **ret_charon);
/* Configures it, runs the self-test and waits for the outcome (at most 30 s; start-up only). 0 also
 * when the self-test found the kernel wanting: see ipsec_health. -ETIMEDOUT, -ENOTCONN. */
int ipsec_charon_open(struct ipsec_charon *c, struct loop *l,
                      const struct ipsec_charon_options *options);
struct ipsec ipsec_charon_port(struct ipsec_charon *c);
/* Removes our SAs and policies and ends the child. */
void ipsec_charon_free(struct ipsec_charon *c);

#endif
