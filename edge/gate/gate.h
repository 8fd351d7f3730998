/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/gate: which flows of a session may pass, and since whose word.
 *
 * Decides   when a gate is up: after the PDP's QAA for the token (RFC 5866), for exactly the flows
 *           the QAA names, until the session ends, the PDP aborts it (ASR), refuses a later
 *           question (5003, 5002), or lets it expire. No answer grants nothing: gates fail closed.
 * Owns      the Diameter session of each edge session, from the first QAR to its STR. The relay's
 *           streams stay the caller's; a gate raises and lowers their legs.
 * Threads   the loop's.
 * In, out   tokens as octets, kept as a secret while the session lives; verdicts through done,
 *           what happens later through on_lost.
 * Errors    negative errno before a question is sent; everything later is a verdict.
 * Never     raises anything on a timeout, an error, or a flow that was not asked for; raises a flow
 *           without a limit while a PDP is asked, or lowers one because the PDP is busy.
 * Tests     tests/unit/edge/gate. */
#ifndef EDGE_GATE_GATE_H
#define EDGE_GATE_GATE_H

#include "common/diameter/diameter.h"
#include "common/loop/loop.h"
#include "edge/relay/relay.h"

enum gate_mode {
    GATE_ASK_PDP,
    GATE_OPEN, /* no PDP: every flow is up as soon as it is known (standalone use, benches) */
};

struct gates_options {
    enum gate_mode mode;
    uint64_t timeout;      /* microseconds for a QAA */
    uint64_t burst;        /* microseconds of its bandwidth that a flow may send at once */
    unsigned limit;        /* sessions */
    struct span pdp_realm; /* empty = our own; borrowed */
};

enum gate_verdict {
    GATE_GRANTED, /* the gates of what was granted are up */
    GATE_REFUSED,
    GATE_SILENT,    /* no answer in time */
    GATE_NO_PDP,    /* nobody to ask */
    GATE_BUSY,      /* an answer that decides nothing: 3xxx, 4xxx, the PDP's own trouble */
    GATE_BAD_TOKEN, /* no RFC 3520 element */
    GATE_NO_FLOWS,  /* nothing to authorize yet: no answer to the offer */
    GATE_HELD, /* nothing to authorize now: what was agreed is on hold or refused; no gate is up */
    GATE_BROKEN, /* the answer cannot be understood; no memory */
    GATE_VERDICTS
};
const char *gate_verdict_name(enum gate_verdict v); /* "granted", ... */

enum gate_loss { GATE_REVOKED, GATE_EXPIRED, GATE_WITHDRAWN /* a later question was refused */ };
const char *gate_loss_name(enum gate_loss l);

/* What enters at one leg of a stream. */
struct gate_flow {
    struct relay_stream *stream;
    unsigned leg;
    uint16_t media, number; /* m= line and flow in it, from 1 (TS 29.214 5.3.17) */
    /* As the terminal sees it: what the PDP is asked. Where a rule latches, its packets may come
     * from elsewhere (NAT): that is the edge's word, not the PDP's. */
    struct diameter_flow what;
    bool idle; /* not negotiated (hold): stays down, and the PDP is not asked about it */
    struct relay_rule rule; /* once up; gate and bandwidth are this room's */
};

enum { GATE_FLOWS_MAX = QOS_FILTERS_MAX };

struct gates;
struct gate;

struct gates_ops {
    /* The gates fell; the session goes on without media until it is authorized anew. Neither this
     * nor `done` may end the gate: that is for a later turn. */
    void (*on_lost)(void *user, enum gate_loss why);
};

struct gates_counters {
    uint64_t asked, verdict[GATE_VERDICTS], lost[3], terminated;
    uint64_t set_failed; /* the relay had no memory: that leg stayed down */
};

/* d may be NULL with GATE_OPEN. Takes the QoS application of d (diameter_serve). */
int gates_new(struct loop *l, struct diameter *d, const struct rnd *rnd,
              const struct relay_port *relay, const struct gates_options *options,
              const struct gates_ops *ops, struct gates **ret_gates);
/* After its gates. */
void gates_free(struct gates *g);
const struct gates_counters *gates_counters(const struct gates *g);

/* A session without flows. -ENOSPC at the limit, -ENOMEM. */
int gate_new(struct gates *g, void *user, struct gate **ret_gate);
/* Lowers what is up (media after this is refused as "ended"), ends the Diameter session. A question
 * under way gets no verdict. The streams must still be there. */
void gate_end(struct gate *gate);

/* The flows the session has now; copied. Legs that were up stay up if what was granted covers their
 * flow as it is now; every other leg that was named before or is named now is lowered. To be called
 * before a stream that was named is closed. -EINVAL above GATE_FLOWS_MAX, -ENOMEM (then all are
 * down). */
int gate_set_flows(struct gate *gate, const struct gate_flow *flows, size_t n);

/* Asks the PDP about the flows. done is called once, never from within, unless the gate ends first.
 * A token that was granted and covers the flows as they are is not asked about again. -EBUSY while a
 * question of the caller's is under way; a renewal gives way. */
int gate_authorize(struct gate *gate, struct span token,
                   void (*done)(void *ctx, enum gate_verdict verdict, const char *detail),
                   void *ctx);

bool gate_leg_up(const struct gate *gate, const struct relay_stream *s, unsigned leg);
unsigned gate_up_count(const struct gate *gate);
/* The Diameter Session-Id; empty before the first question. For operators. */
struct span gate_session_id(const struct gate *gate);
/* The token's public name (common/token), or "". */
const char *gate_token_name(const struct gate *gate);

#endif
