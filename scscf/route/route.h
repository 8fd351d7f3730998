/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/route: what a request says about its way: which half it asks for, who sent it, where it is
 *              meant to go, how it is charged.
 *
 * Decides   TS 24.229 5.4.3.1 (originating or terminating), RFC 3261 16.3 and 16.4 (may it be
 *           forwarded, which Routes are ours), RFC 7315 4.6 (charging vector).
 * Owns      nothing: names are the caller's, texts made for an edit live in the message's arena.
 * Threads   any.
 * Errors    a request that may not go on is a struct sip_reject; else negative errno.
 * Never     looks a user up, resolves a name, sends. The prefix keeps it apart from the P-CSCF's
 *           route_ in programs that hold both.
 * Tests     tests/unit/scscf/route. */
#ifndef SCSCF_ROUTE_ROUTE_H
#define SCSCF_ROUTE_ROUTE_H

#include "common/sip/sip.h"

/* What is ours. */
struct sroute_names {
    struct addr local; /* where we listen */
    const struct span *domains;
    size_t n_domains; /* home domains; the first is the network's name (ioi) */
    const struct span *hosts;
    size_t n_hosts; /* further names of this server */
};

/* RFC 3261 16.3 step 4: it came by here too often. */
bool sroute_is_loop(const struct sroute_names *names, const struct sip_msg *m);

bool sroute_is_home(const struct sroute_names *names, struct span host);
/* The URI names this server itself. */
bool sroute_is_own(const struct sroute_names *names, const struct sip_uri *uri);

/* How the request came in. */
struct sroute_entry {
    unsigned own;     /* Route values on top that are ours */
    bool originating; /* one of them is the Service-Route we gave out: its user part is "orig" */
    struct span next; /* the Route value behind them; p = NULL: none */
};
/* e: our own Route values are taken out; may be NULL. */
void sroute_entry_read(const struct sroute_names *names, struct sip_msg *m, struct sip_edit *e,
                       struct sroute_entry *ret_entry);

/* Where the Request-URI leads. */
enum sroute_aim {
    SROUTE_HOME,    /* a user of ours, or a number: the terminating half looks it up */
    SROUTE_SELF,    /* this server */
    SROUTE_FOREIGN, /* another domain */
};
enum sroute_aim sroute_aim(const struct sroute_names *names, const struct sip_uri *ruri);
/* A sip: URI that stands for a number (RFC 3261 19.1.6): "tel:+49..." in room, or p = NULL. */
struct span sroute_number(const struct sip_uri *ruri, char *room, size_t cap);

/* URI of the first P-Asserted-Identity; p = NULL. */
struct span sroute_asserted(const struct sip_msg *m);
/* The first with that scheme, p = NULL. */
struct span sroute_asserted_by(const struct sip_msg *m, enum sip_scheme scheme);

/* ---- P-Charging-Vector ------------------------------ */

enum { SROUTE_ICID_MAX = 128 };

struct sroute_vector {
    struct span icid, orig_ioi, term_ioi; /* without quotes; p = NULL when absent */
};
/* -ENOENT without the header, -EBADMSG, -ENOMEM. Spans live with the message. */
int sroute_vector_read(struct sip_msg *m, struct sroute_vector *ret_vector);
/* In place of any other: this icid, these interoperator identifiers (empty = left out), and every
 * further parameter that was there. -ENOMEM. */
int sroute_vector_put(struct sip_msg *m, struct sip_edit *e, const struct sroute_vector *vector);
/* "Type 1ims.test" and "ims.test" are the same network (TS 24.229 7.2A.5A). */
struct span sroute_ioi_network(struct span ioi);

/* Session-Expires of a message in seconds; 0 = none (RFC 4028 4). */
uint32_t sroute_session_expires(const struct sip_msg *m);

#endif
