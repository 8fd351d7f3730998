/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/charge: the charging identity of what passes (RFC 7315 4.6, TS 24.229 5.2.6.3.3, 7.2A.5).
 *
 * Decides   which ICID a dialog or standalone request has: ours for what a phone starts, the
 *           received one for what comes from the core.
 * Owns      nothing but its names; ICIDs are random.
 * Threads   the worker's.
 * Never     believes a charging vector that a phone sends.
 * Tests     tests/unit/pcscf/charge. */
#ifndef PCSCF_CHARGE_CHARGE_H
#define PCSCF_CHARGE_CHARGE_H

#include "common/sip/sip.h"

#define CHARGE_ICID_MAX 128

struct charge {
    struct rnd rnd;
    char host[64]; /* icid-generated-at */
    char ioi[128]; /* our network's name: orig-ioi of type 1 */
};

/* A new ICID: 32 characters, NUL. */
void charge_new_icid(struct charge *c, char dst[CHARGE_ICID_MAX]);
/* The icid-value of P-Charging-Vector; -ENOENT without one, -ENAMETOOLONG. */
int charge_read_icid(const struct sip_msg *m, char dst[CHARGE_ICID_MAX]);
/* A P-Charging-Vector line in place of any other; text from the message's arena. `responder`: we
 * are the answering network, term-ioi is ours. */
int charge_put_vector(const struct charge *c, struct sip_msg *m, struct sip_edit *e,
                      const char *icid, bool responder);

#endif
