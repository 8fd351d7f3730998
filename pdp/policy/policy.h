/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/policy: what media a call may use.
 *
 * Decides   from a policy file and the service information of an AAR (TS 29.214 4.4.1): every flow
 *           with its bandwidth, or a refusal that says what would have been acceptable.
 * Owns      struct policy: the rules, ready for look-ups. A decision is the caller's.
 * Threads   any; immutable.
 * In, out   struct rx_aar in, struct policy_decision out; its flows hold no borrowed octets.
 * Errors    a refusal is a value. -ENOMEM when made.
 * Never     looks at who is registered, at time, or at what other calls use.
 * Tests     tests/unit/pdp/policy. */
#ifndef PDP_POLICY_POLICY_H
#define PDP_POLICY_POLICY_H

#include "common/conf/conf.h"
#include "common/diameter/diameter.h"

enum { POLICY_FLOWS_MAX = QOS_FILTERS_MAX, POLICY_MEDIA = 8 /* RX_AUDIO ... RX_MESSAGE, other */ };

/* The file, as policy_schema reads it. */
struct policy_rules {
    struct conf_enums media; /* RX_AUDIO ... */
    int64_t components, audio_kbps, video_kbps, other_kbps, session_kbps;
    struct conf_strings audio_codecs, video_codecs; /* none = all */
    bool check_phone, emergency;
    struct conf_list subscribers; /* struct policy_exception */
};
struct policy_exception {
    const char *identity;
    bool barred;
    struct conf_enums media;
    int64_t session_kbps;
};
extern const struct conf_schema policy_schema;
const char *policy_media_name(unsigned media); /* "audio", ..., "other" */

struct policy;

/* The rules are borrowed as long as the policy lives. */
int policy_new(const struct policy_rules *rules, const struct rnd *rnd, struct policy **ret_policy);
void policy_free(struct policy *p);

/* One direction of one flow of one m= line. */
struct policy_flow {
    uint16_t media, number; /* m= line and flow in it, from 1 */
    bool open;              /* false: authorized, but held (Flow-Status) */
    struct diameter_flow what;
    uint64_t bandwidth; /* bit/s, never 0 */
};

struct policy_decision {
    uint32_t result, experimental; /* one of them; result 2001 = granted */
    char why[160];                 /* of a refusal, for Error-Message and the log */
    /* What would have been granted (Acceptable-Service-Info); 0 components = nothing to say. */
    size_t n_acceptable;
    struct rx_component acceptable[1];
    size_t n_flows;
    struct policy_flow flows[POLICY_FLOWS_MAX];
};

void policy_decide(const struct policy *p, const struct rx_aar *aar,
                   struct policy_decision *ret_decision);

#endif
