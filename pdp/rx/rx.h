/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/rx: the PDP's side of Rx with the Gq token (TS 29.214, TS 29.209 6.5): AAR, STR, ASR.
 *
 * Decides   which AAR opens a session, which changes one, what each is answered.
 * Owns      questions under way. Grants are pdp/grants's, decisions pdp/policy's.
 * Threads   the loop's.
 * In, out   the Diameter port. An AAR is answered when its grant is on the disk.
 * Errors    each refusal is a result code with a sentence, told to on_event as well.
 * Never     cuts a session because an update was refused (TS 29.214 4.4.2: what was, stays).
 * Tests     tests/unit/pdp/rx, tests/flow/pdp. */
#ifndef PDP_RX_RX_H
#define PDP_RX_RX_H

#include "common/diameter/diameter.h"
#include "pdp/grants/grants.h"
#include "pdp/policy/policy.h"

struct rx;

enum rx_event { RX_GRANTED, RX_CHANGED, RX_REFUSED, RX_ENDED, RX_ABORTED, RX_TROUBLE, RX_EVENTS };
const char *rx_event_name(enum rx_event e);

struct rx_options {
    uint64_t asr_timeout; /* microseconds for an ASA */
    bool token_length;    /* Authorization-Token with the element's Length (RFC 3520) or without */
    /* For log and metrics; g may be NULL (nothing was granted); why is a sentence or a result. */
    void (*on_event)(enum rx_event e, const struct diameter_request *req, const struct grant *g,
                     const char *why, void *ctx);
    void *ctx;
};

/* Serves the Rx application of d. The policy may be replaced while it runs. */
int rx_new(struct loop *l, struct diameter *d, struct grants *grants, const struct policy *policy,
           const struct rx_options *options, struct rx **ret_rx);
void rx_free(struct rx *rx);
void rx_set_policy(struct rx *rx, const struct policy *policy);

#endif
