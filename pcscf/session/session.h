/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/session: everything but REGISTER: requests from phones to the core and back, calls and their media.
 *
 * Decides   TS 24.229 5.2.6 and 5.2.7: who may send what (403 without registration), route set checks against the
 *           Service-Route, Record-Route (RFC 5658), asserted identity, when the edge and the PDP are asked, when a
 *           call is refused or ended for their sake, and that gates fall at BYE before it is forwarded.
 * Owns      legs: one for each call of each phone, with its dialogs, edge session and AF session.
 * Threads   the worker's.
 * In, out   transactions of common/transaction.
 * Never     trusts From, Route or any header of a phone for its identity; forwards a body it has not been able to
 *           anchor, unless the configuration says so.
 * Tests     tests/unit/pcscf/session, tests/flow/pcscf, tests/flow/ims. */
#ifndef PCSCF_SESSION_SESSION_H
#define PCSCF_SESSION_SESSION_H

#include "common/dialog/dialog.h"
#include "pcscf/authorize/authorize.h"
#include "pcscf/binding/binding.h"
#include "pcscf/charge/charge.h"
#include "pcscf/media/media.h"

enum session_policy { SESSION_REJECT, SESSION_ALLOW };

struct session_options {
    unsigned legs;                        /* most at a time; an eighth more for emergency calls */
    unsigned legs_per_phone;              /* of each kind that live; 0 = no bound */
    enum session_policy on_media_failure; /* the edge refuses or is silent */
    enum session_policy on_pdp_failure;   /* the PDP is silent; a refusal always refuses */
    enum session_policy
        on_route_mismatch; /* ALLOW: the saved Service-Route takes its place; REJECT: 400 */
};

/* What happens, for logs, metrics and the recorder. */
enum session_event {
    SESSION_CALL_STARTED,
    SESSION_CALL_ANSWERED,
    SESSION_CALL_ENDED,
    SESSION_UNKNOWN_PHONE,  /* a request from nobody we know */
    SESSION_FOREIGN_DIALOG, /* a phone in a dialog that is not its own */
    SESSION_NO_DIALOG,      /* a request inside a dialog that nobody knows */
    SESSION_ROUTE_MISMATCH,
    SESSION_PHONE_GONE, /* a request for a phone that is not there */
    SESSION_MEDIA_REFUSED,
    SESSION_MEDIA_SILENT,
    SESSION_PDP_REFUSED,
    SESSION_PDP_SILENT,
    SESSION_PDP_ABORTED,
    SESSION_TOKEN_REFUSED, /* the edge did not raise the gate */
    SESSION_DIALOG_LOST,   /* a party says there is no such call (any more): 481, 408 */
    SESSION_FORK_DROPPED,  /* a response of one phone more than a call may have */
    SESSION_PHONE_FULL,    /* a call more than one phone may have */
    SESSION_EVENT_COUNT,
};

struct session_leg; /* one phone's side of one call */

struct session_env {
    struct loop *loop;
    struct rnd rnd;
    struct sip_layer *layer;
    struct bindings *bindings;
    struct media *media;         /* NULL: media is not anchored */
    struct authorize *authorize; /* NULL: nobody is asked */
    struct charge *charge;
    struct sip_endpoint *gm, *mw; /* unprotected port; core side */
    /* detail: whose it is of FOREIGN_DIALOG, PHONE_GONE and PHONE_FULL, else what happened. */
    void (*on_event)(enum session_event event, const struct session_leg *leg, struct span detail,
                     void *ctx);
    /* What passes between us and "edge" or "pdp" for a leg, for the recorder; may be NULL. */
    void (*on_aside)(const struct session_leg *leg, const char *party, bool outgoing,
                     const char *what, void *ctx);
    void *ctx;
};

struct session;

int session_new(const struct session_env *env, const struct session_options *options,
                struct session **ret_session);
/* Legs are dropped without a word to anybody. */
void session_free(struct session *s);
/* No new calls from now on (503). */
void session_drain(struct session *s);
/* BYE to both sides of every call. */
void session_release_all(struct session *s, const char *reason);

/* A request but REGISTER from a phone; binding NULL = nobody we know. */
void session_from_phone(struct session *s, struct sip_server *server, struct binding *b);
/* A request from the core. */
void session_from_core(struct session *s, struct sip_server *server);
void session_on_ack(struct session *s, struct sip_msg *ack, const struct sip_flow *flow,
                    struct binding *from_phone);
void session_on_cancel(struct session *s, struct sip_server *server);
/* The phone has gone (deregistered, expired): its calls are ended from here (TS 24.229 5.2.8). */
void session_release_phone(struct session *s, struct binding *b, const char *reason);

/* The PDP has revoked what a leg's media may be (ASR): gates fall, the call ends (RFC 3313 5.1). */
void session_media_revoked(struct session *s, struct session_leg *leg);

size_t session_legs(const struct session *s);

/* For the control socket. Spans are valid during the visit. */
struct session_view {
    bool originating, answered;
    bool ended; /* its media are over; what is left are transactions */
    const char *icid, *edge_call, *impi;
    struct span call_id;
    bool anchored, token, gate_up;
    uint64_t started, answered_at; /* loop time; 0 = not yet */
};
void session_each(const struct session *s, void (*visit)(const struct session_view *v, void *ctx),
                  void *ctx);
const struct binding *session_leg_binding(const struct session_leg *leg);
void session_view_leg(const struct session_leg *leg, struct session_view *ret_view);

#endif
