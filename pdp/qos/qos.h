/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/qos: the PDP's side of the Diameter QoS application (RFC 5866): is this token good for these
 * flows?
 *
 * Decides   whether a QAR is covered by what was granted under its token; which edge a token belongs
 *           to; when an edge must be told that a grant is over (ASR) or is another (RAR).
 * Owns      the goodbyes under way: an edge that does not answer an ASR is told again until its
 *           authorization would have ended by itself.
 * Threads   the loop's.
 * In, out   the Diameter port; answers come from memory.
 * Errors    each refusal is 5003 (AUTHORIZATION_REJECTED) with a sentence, counted by reason.
 * Never     answers with more than was asked or more than was granted; looks at a token's claims
 *           when a grant has its hash.
 * Tests     tests/unit/pdp/qos, tests/flow/pdp. */
#ifndef PDP_QOS_QOS_H
#define PDP_QOS_QOS_H

#include "common/diameter/diameter.h"
#include "pdp/grants/grants.h"

enum qos_verdict {
    QOS_GRANTED,
    QOS_NO_TOKEN,
    QOS_FORGED,     /* no key of ours made it */
    QOS_UNKNOWN,    /* ours once: revoked, ended or expired */
    QOS_OTHER_EDGE, /* a replay: the token is in use elsewhere */
    QOS_UNCOVERED,  /* flows or bandwidth beyond the grant */
    QOS_EARLY,      /* only half of the session is known (PRELIMINARY) */
    QOS_VERDICTS
};
const char *qos_verdict_name(enum qos_verdict v);

struct qos_options {
    uint32_t lifetime, grace; /* seconds an answer holds, and more until the gates fall */
    uint64_t settle; /* microseconds in which AF and edge settle an end or a change alone */
    uint64_t asr_timeout, asr_retry;
    /* For log and metrics; g may be NULL; detail is a sentence. */
    void (*on_verdict)(enum qos_verdict v, const struct diameter_request *req,
                       const struct grant *g, const char *detail, void *ctx);
    void *ctx;
};

struct qos;

/* Serves the QoS application of d. */
int qos_new(struct loop *l, struct diameter *d, const struct rnd *rnd, struct grants *grants,
            const struct qos_options *options, struct qos **ret_qos);
void qos_free(struct qos *q);

struct qos_stats {
    uint64_t verdict[QOS_VERDICTS], ended, aborted, rechecked;
    uint32_t goodbyes; /* edges that have not answered an ASR yet */
};
void qos_stats_get(const struct qos *q, struct qos_stats *ret_stats);

#endif
