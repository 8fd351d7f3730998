/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/flow/scscf/world: a whole S-CSCF on virtual time between two scripted P-CSCFs.
 *
 *   pa 192.0.2.10:5070  the P-CSCF of alice (AKA), whose phone is sip:alice@192.0.2.101:5062
 *   pb 192.0.2.12:5070  the P-CSCF of bob (digest), whose phone is sip:bob@192.0.2.102:5062
 *   px 192.0.2.30:5060  another network, elsewhere.example */
#ifndef TESTS_FLOW_SCSCF_WORLD_H
#define TESTS_FLOW_SCSCF_WORLD_H

#include "scscf/core/core.h"
#include "tests/support/disk.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define REALM      "ims.example"
#define ALICE      "sip:alice@" REALM
#define ALICE_IMPI "001010000000001@" REALM
#define ALICE_TEL  "tel:+4930100"
#define BOB        "sip:bob@" REALM
#define BOB_IMPI   "bob@" REALM
#define S_URI      "sip:192.0.2.20:6060"
#define ROUTE_ORIG "<sip:orig@192.0.2.20:6060;lr>"

struct world {
    struct sim *sim;
    struct wire *wire;
    struct loop *loop;
    struct net *net;
    struct auth *auth;
    struct subscribers *subscribers;
    struct disk disk;
    struct charging_spool *spool;
    struct scscf *scscf;
    struct peer pa, pb, px;
    struct addr s;
    struct aka_key key; /* alice's */
    unsigned serial;    /* for branches, CSeqs */
    enum scscf_event call_events[32];
    unsigned n_call_events;
};
extern struct world w;

/* configure may be NULL. */
void world_open(void (*configure)(struct scscf_options *o));
/* Ends calls, spool and all; what the disk holds can still be read by world_records. */
void world_stop(void);
void world_close(void); /* stops if that was not done */
void world_run(uint64_t ms);

/* ---- registering ---- */

struct credentials {
    const char *impi;
    const char *password; /* NULL: alice's card */
    const char *integrity;
    bool wrong;
};
/* The Authorization value for a 401. */
const char *world_answer(const char *challenge, const struct credentials *c);
/* REGISTER of p's phone; lines end in \n. Waits and returns the response. */
const char *world_register(struct peer *p, const char *impu, const char *lines);
/* Both phones register, with challenge and answer. */
void world_registered(void);

/* ---- calling ---- */

/* INVITE of alice's phone, from pa, with her asserted identity; lines end in \n. */
void world_invite(const char *ruri, const char *call_id, const char *lines);
/* Any other request outside a dialog, from p. */
void world_request(struct peer *p, const char *method, const char *ruri, const char *call_id,
                   const char *lines);
/* A request inside the dialog of call_id: from alice's side or from bob's. */
void world_in_dialog(struct peer *p, const char *method, const char *call_id, unsigned cseq,
                     bool from_alice);

/* ---- records ---- */

/* All records the disk holds; texts live until the next call. */
size_t world_records(struct cdr *ret_records, size_t cap);
bool world_has_call_event(enum scscf_event event);

#endif
