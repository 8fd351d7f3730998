/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/authorize: one AF session (TS 29.214) for each leg: what the leg's media may be, and its token.
 *
 * Decides   the service information of an AAR from the SDP on the phone's side of the edge (TS 29.213
 *           6.2): components, flows, bandwidth, direction. What an answer means for the call is the
 *           session room's.
 * Owns      its AF sessions: one STR ends each, whatever happened before.
 * Threads   the worker's.
 * In, out   SDP as the phone sent it and as it was sent to the phone; a token as a secret.
 * Never     waits longer than the configured time; a late answer is ended with STR.
 * Tests     tests/unit/pcscf/authorize. */
#ifndef PCSCF_AUTHORIZE_AUTHORIZE_H
#define PCSCF_AUTHORIZE_AUTHORIZE_H

#include "common/diameter/diameter.h"

struct authorize_options {
    uint64_t timeout;        /* microseconds for an answer */
    struct span application; /* AF-Application-Identifier */
    struct span realm;       /* of the PDP; empty = our own */
};

struct authorize_counters {
    uint64_t sent, granted, refused, silent, terminated, aborted;
};

struct authorize;
struct af_session;

struct authorize_ops {
    /* The PDP ended the session (ASR). The STR is sent; the session is over. */
    void (*on_abort)(struct af_session *af, void *ctx);
};

int authorize_new(struct loop *l, struct diameter *d, const struct rnd *rnd,
                  const struct authorize_options *options, const struct authorize_ops *ops,
                  void *ctx, struct authorize **ret_authorize);
void authorize_free(struct authorize *a);
const struct authorize_counters *authorize_counters(const struct authorize *a);

/* What a leg's media is. */
struct authorize_media {
    struct span icid;
    struct span subscriber; /* the phone's public identity */
    struct addr phone;      /* address of the phone, as its signalling comes from */
    struct span from_phone; /* its SDP; empty while only the other side has spoken */
    struct span to_phone;   /* what it was or will be sent, with the edge's addresses */
    bool offer_from_phone;
};

enum authorize_verdict {
    AUTHORIZE_GRANTED, /* token is set if the PDP issued one */
    AUTHORIZE_REFUSED, /* the PDP said no; result says why */
    AUTHORIZE_SILENT,  /* no answer, or nobody to ask */
};

struct authorize_result {
    enum authorize_verdict verdict;
    struct secret token; /* n = 0: none */
    bool revoked; /* with REFUSED: what was granted is over, its ASR got lost (5002 to an update) */
    char reason[64]; /* "REQUESTED_SERVICE_NOT_AUTHORIZED", "timeout" */
};

/* user comes back with on_abort. */
int authorize_open(struct authorize *a, void *user, struct af_session **ret_af);
void *authorize_user(const struct af_session *af);
/* AAR: initial, or an update of what was authorized. PRELIMINARY while one side's SDP is missing.
 * done is called once, never from within, unless the session is closed first. One at a time: -EBUSY.
 * -EBADMSG for SDP that cannot be read. */
int authorize_request(struct af_session *af, const struct authorize_media *media,
                      void (*done)(const struct authorize_result *result, void *ctx), void *ctx);
/* STR, if an AAR was ever sent; the session is gone for the caller. */
void authorize_close(struct af_session *af);

#endif
