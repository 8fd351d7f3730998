/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/registrar: REGISTER: who is challenged, who is registered, and where they are.
 *
 * Decides   TS 24.229 5.4.1 and RFC 3261 10.3: challenge and its judgement (RFC 2617, RFC 3310),
 *           resynchronisation, granted expiry, bindings, the implicit set of the 200.
 * Owns      registrations by private identity with their contacts, and challenges until they are
 *           answered or reg-await-auth fires.
 * Threads   the loop's.
 * In, out   a REGISTER in; status and header lines of its answer out.
 * Errors    what is wrong with a REGISTER is a status; negative errno is for constructors only.
 * Never     sends, waits for a disk, ends a registration because an authentication failed
 *           (TS 33.203 6.1.2.2), shows a key to anybody but the P-CSCF (ck, ik of the 401).
 * Tests     tests/unit/scscf/registrar, tests/flow/scscf. */
#ifndef SCSCF_REGISTRAR_REGISTRAR_H
#define SCSCF_REGISTRAR_REGISTRAR_H

#include "common/auth/auth.h"
#include "common/loop/loop.h"
#include "common/sip/sip.h"
#include "scscf/subscribers/subscribers.h"

enum {
    REGISTRAR_CONTACTS_MAX = 8,
    REGISTRAR_CONTACT_LINE_MAX = 1024, /* one Contact value with its parameters */
    REGISTRAR_PATH_MAX = 1024,         /* all Path values of one REGISTER */
    REGISTRAR_EXTRA_MAX = 16384        /* room enough for the header lines of any answer */
};

/* When a registered phone is asked again for its credentials (TS 24.229 5.4.1.2.2). */
enum registrar_rechallenge {
    REGISTRAR_UNLESS_PROTECTED, /* not when the P-CSCF says integrity-protected="yes" */
    REGISTRAR_ALWAYS
};

struct registrar_options {
    const char *realm;                                  /* of the challenges: the home domain */
    const char *service_route;                          /* URI: "sip:orig@192.0.2.1:6060;lr" */
    uint32_t min_expires, max_expires, default_expires; /* seconds */
    uint64_t reg_await_auth; /* microseconds a challenge waits for its answer; TS: 4 min */
    uint64_t nonce_lifetime; /* how long an answered nonce of SIP digest may be used again */
    unsigned qops;           /* DIGEST_QOP_... offered; without one, none is offered */
    unsigned contacts;       /* of one private identity; one more replaces the oldest */
    unsigned resyncs;        /* in a row, before the phone is refused */
    size_t limit;            /* registrations */
    size_t challenges;       /* outstanding in all */
    enum registrar_rechallenge rechallenge;
};
extern const struct registrar_options registrar_options_default;

#define REGISTRAR_COUNTERS(X)                                                                      \
    X(registered, "initial registrations")                                                         \
    X(refreshed, "re-registrations")                                                               \
    X(deregistered, "registrations ended by the phone")                                            \
    X(expired, "registrations that ran out")                                                       \
    X(challenged_aka, "AKA challenges")                                                            \
    X(challenged_digest, "SIP digest challenges")                                                  \
    X(resynchronised, "AUTS accepted: sequence number moved")                                      \
    X(unanswered, "challenges without an answer within reg-await-auth")                            \
    X(refused_unknown, "refused: identity unknown, or not of this user")                           \
    X(refused_response, "refused: wrong response")                                                 \
    X(refused_auts, "refused: bad or repeated AUTS")                                               \
    X(refused_network, "refused: the phone does not accept the network's AUTN")                    \
    X(refused_expires, "refused: interval too brief (423)")                                        \
    X(refused_malformed, "refused: malformed or unsupported")                                      \
    X(refused_order, "refused: CSeq lower than the last one")                                      \
    X(refused_full, "refused: table full, out of memory or store behind (503)")

struct registrar_counters {
#define X(name, help) uint64_t name;
    REGISTRAR_COUNTERS(X)
#undef X
};

/* What happened to a private identity, for log and recorder. */
enum registrar_event {
    REGISTRAR_CHALLENGED,
    REGISTRAR_REGISTERED,
    REGISTRAR_REFRESHED,
    REGISTRAR_DEREGISTERED,
    REGISTRAR_EXPIRED,
    REGISTRAR_REFUSED
};
const char *registrar_event_name(enum registrar_event event);

struct registrar_env {
    struct loop *loop;
    const struct rnd *rnd;
    struct auth *auth;
    struct subscribers *subscribers;
    /* May be NULL. detail: why, for people; empty when there is nothing to add. */
    void (*on_event)(void *ctx, enum registrar_event event, struct span impi, struct span detail);
    void *ctx;
};

struct registrar;

/* options: strings are copied; NULL = default is not possible, realm and service_route are needed.
 * -EINVAL, -ENOMEM. */
int registrar_new(const struct registrar_env *env, const struct registrar_options *options,
                  struct registrar **ret_registrar);
void registrar_free(struct registrar *r);

/* ---- REGISTER ------------------------------ */

struct registrar_answer {
    unsigned status;
    const char *phrase; /* static; NULL = the usual one */
};
/* Judges a REGISTER. extra gets whole header lines for the answer (REGISTRAR_EXTRA_MAX). */
void registrar_register(struct registrar *r, const struct sip_msg *m, struct buf *extra,
                        struct registrar_answer *ret_answer);

/* ---- look-ups ------------------------------ */

/* Borrowed, valid in this turn of the loop. */
struct registrar_contact {
    struct span uri;
    struct span path;    /* Route towards it: comma list; empty = none */
    struct span params;  /* of the Contact: ";+sip.instance=..." without expires */
    struct span visited; /* P-Visited-Network-ID */
    unsigned q;          /* 0-1000 */
    uint32_t expires_in; /* seconds */
};
bool registrar_is_registered(const struct registrar *r, struct span impi);
/* Up to cap contacts, newest first; returns how many. */
size_t registrar_contacts(const struct registrar *r, struct span impi,
                          struct registrar_contact *ret_contacts, size_t cap);
/* Removes everything known of the user, as an operator wants it; nobody is told. False: unknown. */
bool registrar_remove(struct registrar *r, struct span impi);

size_t registrar_count(const struct registrar *r); /* with at least one contact */
size_t registrar_challenges(const struct registrar *r);
size_t registrar_users(const struct registrar *r); /* registered or being challenged */
const struct registrar_counters *registrar_counters(const struct registrar *r);

/* Registered users in the order of their first registration, behind `after` (empty: all of them);
 * visit returns false to stop. -ENOENT: `after` is not registered. */
struct registrar_view {
    struct span impi;
    int64_t since; /* wall clock of the registration, microseconds */
    size_t n_contacts;
    struct registrar_contact contacts[REGISTRAR_CONTACTS_MAX];
};
int registrar_each(const struct registrar *r, struct span after,
                   bool (*visit)(const struct registrar_view *v, void *ctx), void *ctx);

#endif
