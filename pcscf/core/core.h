/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/core: a P-CSCF in one object: its endpoints, its rooms, and which of them a message is for.
 *
 * Decides   who a message belongs to before any room sees it: by the endpoint it came to, by its SA
 *           set, or by its IP association; that an SA set nobody has answered a challenge on
 *           carries REGISTER only; that a phone's requests are answered over its SAs.
 * Owns      transport, transactions, bindings, registrations, sessions, the clients of edge and
 *           PDP. IPsec, Diameter, network and loop are ports that it is given.
 * Threads   the loop's.
 * Never     reads configuration files, logs: the program does (main.c).
 * Tests     tests/unit/pcscf/core, tests/flow. */
#ifndef PCSCF_CORE_CORE_H
#define PCSCF_CORE_CORE_H

#include "pcscf/access/access.h"
#include "pcscf/register/register.h"
#include "pcscf/session/session.h"

struct core_options {
    struct addr gm;                  /* address and unprotected port towards phones */
    struct addr mw;                  /* towards the core */
    const struct addr_net *mw_allow; /* who is trusted there; must outlive the core */
    size_t n_mw_allow;               /* 0 = anyone */
    uint16_t port_ps;                /* protected server port; used when there is IPsec */
    uint16_t port_pc;                /* the first protected client port */
    unsigned n_pc;                   /* how many follow it: at least 3, at most REGISTER_PC_MAX */
    bool tcp;                        /* besides UDP, on every server port */
    enum sip_timer_profile phone_timers;
    struct sip_transport_options transport;
    struct sip_layer_options layer;
    unsigned phones; /* most bindings */
    struct access_options access;
    struct register_options registration;
    struct session_options session;
    struct media_options media;         /* edge.family 0: media is not anchored */
    struct authorize_options authorize; /* used when there is Diameter */
    char ioi[128];                      /* our network in P-Charging-Vector */
};

struct core_env {
    struct loop *loop;
    struct net *net;
    const struct rnd *rnd;
    struct ipsec *ipsec;       /* NULL: phones without IPsec only */
    struct diameter *diameter; /* NULL: no PDP */
    void (*on_register)(enum register_event e, const struct binding *b, struct span detail,
                        void *ctx);
    void (*on_session)(enum session_event e, const struct session_leg *leg, struct span detail,
                       void *ctx);
    void (*on_aside)(const struct session_leg *leg, const char *party, bool outgoing,
                     const char *what, void *ctx);
    void (*on_bad)(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx);
    void (*on_stranger)(const struct sip_flow *flow, void *ctx);
    void (*on_false_answer)(const struct sip_flow *from, void *ctx); /* others were asked */
    void *ctx;
};

struct core_counters {
    uint64_t too_large, too_fast; /* refused by access */
    uint64_t no_association;      /* on a protected port, from no SA set we know */
    uint64_t unanswered_set;      /* other than REGISTER on a set whose challenge is open */
};

struct core;

/* -EADDRINUSE, -EADDRNOTAVAIL, -EACCES ...: *ret_what says which port, for the message. */
int core_new(const struct core_env *env, const struct core_options *options, struct core **ret_core,
             char ret_what[80]);
void core_free(struct core *c);

struct sip_transport *core_transport(struct core *c);
struct sip_layer *core_layer(struct core *c);
struct bindings *core_bindings(struct core *c);
struct session *core_session(struct core *c);
struct media *core_media(struct core *c);         /* may be NULL */
struct authorize *core_authorize(struct core *c); /* may be NULL */
const struct core_counters *core_counters(const struct core *c);
/* What nobody is waiting for any more is gone: a drain is over when it says true. */
bool core_is_idle(const struct core *c);

#endif
