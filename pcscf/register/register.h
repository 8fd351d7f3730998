/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/register: REGISTER between phone and S-CSCF: security agreement, SA sets, registration state.
 *
 * Decides   TS 24.229 5.2.2 and TS 33.203 7: when a REGISTER is challenged, refused or believed;
 *           what is added for the core (Path, P-Visited-Network-ID, P-Charging-Vector,
 *           integrity-protected) and kept from the phone (ck, ik); when an SA set is made,
 *           promoted, prolonged and ended. What stands is not touched for a REGISTER in the clear
 *           before its 200 (TS 33.203 7.4), but for the set of a phone that does not answer on it.
 * Owns      the REGISTERs under way; it creates and removes bindings.
 * Threads   the worker's.
 * In, out   transactions of common/transaction; SAs through pcscf/ipsec.
 * Never     forwards a REGISTER whose Security-Verify or Security-Client differ from what was
 *           agreed; lets a key reach a phone or a log.
 * Tests     tests/unit/pcscf/register, tests/flow. */
#ifndef PCSCF_REGISTER_REGISTER_H
#define PCSCF_REGISTER_REGISTER_H

#include "common/transaction/transaction.h"
#include "pcscf/binding/binding.h"
#include "pcscf/charge/charge.h"
#include "pcscf/ipsec/ipsec.h"
#include "pcscf/secagree/secagree.h"

#define REGISTER_PC_MAX 16 /* protected client ports */

struct register_options {
    bool require_ipsec;  /* a phone without Security-Client is refused with 421 */
    unsigned pending;    /* seconds a set waits for the phone's answer (reg-await-auth: 240) */
    unsigned slack;      /* seconds an SA outlives the registration: 30 (TS 33.203 7.1) */
    unsigned linger;     /* seconds replaced SAs stay: 64*T1 of the phone: 128 */
    struct span visited; /* P-Visited-Network-ID; empty = none */
    struct span core;    /* URI of the next hop; empty = by the domain of the Request-URI */
    struct secagree_policy algorithms;
};

enum register_event {
    REGISTER_CHALLENGED,
    REGISTER_GRANTED,
    REGISTER_REFRESHED,
    REGISTER_REFUSED, /* by the core; detail: the status */
    REGISTER_REMOVED, /* deregistered by the phone */
    REGISTER_EXPIRED,
    REGISTER_NO_IPSEC,     /* no Security-Client though one is required, or nothing in common */
    REGISTER_MISMATCH,     /* Security-Verify or Security-Client differ: somebody is bidding down */
    REGISTER_FOREIGN,      /* somebody else's identity on this SA */
    REGISTER_BAD,          /* cannot be understood; detail says what */
    REGISTER_NO_KEYS,      /* the challenge of the core has no CK and IK */
    REGISTER_IPSEC_FAILED, /* the kernel refused; detail says what */
    REGISTER_CORE_SILENT,
    REGISTER_IN_USE, /* in the clear, for a client port whose phone is there: its sets stay */
    REGISTER_EVENT_COUNT,
};
/* "challenged", ...: metrics and log. */
const char *register_event_name(enum register_event e);

struct register_env {
    struct loop *loop;
    struct rnd rnd;
    struct sip_layer *layer;
    struct bindings *bindings;
    struct ipsec *ipsec; /* NULL: no phone can ask for it */
    struct charge *charge;
    struct sip_endpoint *mw, *ps; /* ps: NULL without IPsec */
    struct sip_endpoint *pc[REGISTER_PC_MAX];
    unsigned n_pc;
    /* The phone is about to go: its calls have to end (TS 24.229 5.2.8). */
    void (*on_gone)(struct binding *b, const char *reason, void *ctx);
    void (*on_event)(enum register_event event, const struct binding *b, struct span detail,
                     void *ctx);
    void *ctx;
};

struct registration;

int register_new(const struct register_env *env, const struct register_options *options,
                 struct registration **ret_registration);
/* REGISTERs under way are forgotten; bindings and sets stay as they are. */
void register_free(struct registration *r);

/* A REGISTER. b, set: the phone's when it came over an SA, else NULL and NULL. */
void register_request(struct registration *r, struct sip_server *server, struct binding *b,
                      struct binding_set *set);
/* Whatever else comes over an SA: its Security-Verify, when it has one, must show a Security-Server
 * that we sent to this phone (RFC 3329 2.3.1). False: *ret_refusal says how it is refused. */
bool register_is_verified(struct registration *r, const struct sip_msg *m,
                          const struct binding_set *set, struct secagree_refusal *ret_refusal);
/* bindings_ops of the role lead here. */
void register_set_end(struct registration *r, struct binding_set *set);
void register_expiry(struct registration *r, struct binding *b);

#endif
