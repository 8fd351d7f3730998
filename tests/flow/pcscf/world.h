/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole P-CSCF on virtual time between scripted parties: a phone with its three ports, an S-CSCF,
 * an edge that speaks ng, a PDP that speaks Rx; the kernel's IPsec is the fake. */
#ifndef TESTS_FLOW_PCSCF_WORLD_H
#define TESTS_FLOW_PCSCF_WORLD_H

#include "common/diameter/sim.h"
#include "pcscf/core/core.h"
#include "pcscf/ipsec/fake.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define DOMAIN "ims.mnc001.mcc001.3gppnetwork.org"

/* A phone's parameters; two phones live at two addresses. */
struct phone {
    struct peer clear, uc, us; /* unprotected, protected client and server port */
    const char *ip, *name;     /* "192.0.2.7", "alice" */
    unsigned spi;              /* spi-c; spi-s is one more */
    char server[2048];         /* Security-Server it was sent */
    char path[200];            /* by which the core reaches it */
    struct addr ps, pc;        /* the P-CSCF's protected ports, from there */
    unsigned cseq;
};

struct world {
    struct sim *sim;
    struct wire *wire;
    struct loop *loop;
    struct net *net;
    struct ipsec_fake *fake;
    struct ipsec ipsec;
    struct core *core;
    struct core_options options;
    struct peer scscf, edge;
    struct addr gm, mw;
    struct phone alice, bob;

    /* the edge: what it was asked, and how it behaves */
    unsigned offers, answers, authorizes, deletes;
    bool edge_silent, edge_refuses, edge_ponders; /* ponders: no word to authorize */
    bool token_refused;                           /* by the edge */
    char edge_heard[4096];                        /* the last description */
    char tags[256][64]; /* "CALL TAG": under which calls are known there */
    unsigned n_tags;
    /* the PDP */
    struct diameter *af, *pdp;
    unsigned aars, preliminary, strs; /* preliminary ones are AARs, too */
    uint32_t flow_status;             /* of the first component of the last AAR */
    uint32_t request_type;            /* of the last AAR */
    bool pdp_silent, pdp_refuses;
    bool pdp_forgot; /* what it granted is over, and its ASR got lost */
    char session_id[200];

    /* what the P-CSCF reported */
    unsigned registers[REGISTER_EVENT_COUNT], sessions[SESSION_EVENT_COUNT];
};

extern struct world w;

/* configure: NULL, or changes w.options before the P-CSCF starts. */
void world_open(void (*configure)(struct core_options *o));
void world_close(void);
void world_run(unsigned milliseconds);

/* The first REGISTER, in the clear; the S-CSCF's copy is left for the test to take. */
void phone_register(struct phone *p, const char *security_client);
const char *phone_security_client(const struct phone *p);
/* As an S-CSCF would: 401 with keys to this REGISTER. */
void scscf_challenge(const char *request);
/* 200 with Service-Route and P-Associated-URI. */
void scscf_accept(const char *request, struct phone *p, unsigned expires);
/* REGISTER over the SA with this Security-Verify and Security-Client. */
void phone_register_protected(struct phone *p, const char *verify, const char *client,
                              unsigned expires);
/* The same with p->server and no response to the challenge. */
void phone_register_unanswering(struct phone *p, unsigned expires);
/* All of it. */
void phone_is_registered(struct phone *p);
/* Without IPsec. */
void phone_is_registered_plain(struct phone *p);

extern const char sdp_offer[], sdp_answer[];
/* INVITE from a registered phone over its SA; to: the callee's URI. */
void phone_invite(struct phone *p, const char *call_id, const char *to, const char *extra,
                  const char *sdp);

#endif
