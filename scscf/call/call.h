/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/call: what a call has come to, for charging and for who asks.
 *
 * Decides   the state of each half of a call (calling, ringing, answered, ended) and what its record
 *           says: answer at the 2xx, end at the BYE (TS 32.260 5.2, 6.1.3).
 * Owns      calls, from call_open until their record is fsynced; nothing is forgotten before.
 * Threads   the loop's.
 * In, out   events of the half in; a record into the spool of common/charging out.
 * Errors    negative errno; -ENOSPC at the bound.
 * Never     refuses or ends a call itself, loses a record because the spool is full (it waits and
 *           tries again), copies a secret.
 * Tests     tests/unit/scscf/call. */
#ifndef SCSCF_CALL_CALL_H
#define SCSCF_CALL_CALL_H

#include "common/charging/charging.h"
#include "common/loop/loop.h"

/* Octets kept of each text of a message, and of each of a session description. */
enum { CALL_TEXT_MAX = 256, CALL_MEDIA_TEXT_MAX = 32 };

/* clang-format off */
enum call_state { CALL_ST_CALLING, CALL_ST_RINGING, CALL_ST_ANSWERED, CALL_ST_ENDED };
enum call_event { CALL_EV_PROGRESS, CALL_EV_ANSWER, CALL_EV_END, CALL_EV_COUNT };
/* clang-format on */
const char *call_state_name(enum call_state state);
/* The machine: -EINVAL when the event is not for that state (a second answer, progress after one):
 * then it is counted and nothing changes. */
int call_next(enum call_state state, enum call_event event, enum call_state *ret_next);

struct calls;
struct call;

struct calls_env {
    struct loop *loop;
    struct charging_spool *spool; /* borrowed; freed before the calls are */
    const char *node;             /* Node-Address of the records; copied */
    size_t limit;                 /* calls, those that wait for the disk included */
    uint64_t retry;               /* when the spool was full: again after this; 0 = 1 s */
};
/* -ENOMEM. */
int calls_new(const struct calls_env *env, struct calls **ret_calls);
/* Drops what is left; after charging_spool_free nothing of it waits for the disk. */
void calls_free(struct calls *cs);

/* What is known when it begins; copied, each text cut at CALL_TEXT_MAX. */
struct call_opening {
    enum cdr_role role;
    struct span method; /* INVITE: a session; else an event */
    struct span session_id, icid;
    struct span calling, calling_alias, called;
    struct span subscriber;
    struct span orig_ioi, term_ioi;
    struct span access_info;
};
/* -ENOSPC at the limit, -ENOMEM. */
int call_open(struct calls *cs, const struct call_opening *opening, struct call **ret_call);
/* A provisional response of the callee. */
void call_progress(struct call *c, unsigned status);
/* What was agreed on so far; copied, each text cut at CALL_MEDIA_TEXT_MAX. n = 0 says nothing new (a
 * 2xx without a description after a reliable response with one). Not after call_answer. */
void call_media(struct call *c, const struct cdr_media *media, unsigned n);
/* The first 2xx. by: who answered (P-Asserted-Identity of the response), term_ioi: their network;
 * either may be empty. */
void call_answer(struct call *c, unsigned status, struct span by, struct span term_ioi);

struct call_ending {
    enum cdr_cause cause;
    unsigned status;    /* of the final response; 0 = the call had one already, or none */
    const char *reason; /* static, for people */
    bool incomplete;
};
/* Takes c: it writes its record and is forgotten when that is on the disk. c may be NULL. */
void call_end(struct call *c, const struct call_ending *ending);

/* For the control socket; spans are valid during the visit. */
struct call_view {
    enum cdr_role role;
    enum call_state state;
    struct span method, session_id, icid, calling, called, subscriber;
    int64_t request_time, answer_time, end_time; /* wall clock, microseconds; 0 = not yet */
};
/* Oldest first; visit returns false to stop. */
void calls_each(const struct calls *cs, bool (*visit)(const struct call_view *v, void *ctx),
                void *ctx);

#define CALLS_COUNTERS(X)                                                                          \
    X(opened, "halves of calls and events begun")                                                  \
    X(answered, "halves answered")                                                                 \
    X(failed, "halves that ended without an answer")                                               \
    X(written, "records on the disk")                                                              \
    X(write_waits, "records that waited for room in the spool")                                    \
    X(too_long, "records lost: too long for a line")                                               \
    X(refused_full, "calls refused at the bound")                                                  \
    X(refused_events, "events a call did not expect (second answer of a fork)")

struct calls_counters {
#define X(name, help) uint64_t name;
    CALLS_COUNTERS(X)
#undef X
    uint64_t alive, writing; /* gauges */
};
const struct calls_counters *calls_counters(const struct calls *cs);

#endif
