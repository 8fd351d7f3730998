/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/program: the P-CSCF as a process: its options, its ports to kernel, PDP and edge, what it
 *           tells its operators.
 *
 * Decides   nothing of the protocol: it wires pcscf/core to the world.
 * Owns      the child processes, network and core from start to stop.
 * Threads   the loop's.
 * Errors    each with what to do about it, before the first message is taken.
 * Never     goes on when a part of it cannot start.
 * Tests     tests/unit/pcscf/program, tests/program, tests/integration. */
#ifndef PCSCF_PROGRAM_PROGRAM_H
#define PCSCF_PROGRAM_PROGRAM_H

#include "common/daemon/diameter.h"
#include "pcscf/core/core.h"
#include "pcscf/ipsec/charon/charon.h"

extern const struct daemon_role pcscf_role;

/* The file, as options.c reads it. */
struct pcscf_config {
    struct addr gm;
    int64_t port_ps;
    struct conf_ports port_pc;
    bool gm_tcp;
    int timers;
    int64_t rate, burst;
    uint64_t message_max;
    struct addr mw;
    struct conf_nets mw_allow;
    const char *realm;
    const char *core;
    bool ipsec, require_ipsec, legacy;
    uint64_t pending, slack, linger;
    bool route_check;
    bool media;
    struct addr edge;
    uint64_t edge_retry, edge_timeout;
    int edge_failure;
    bool pdp;
    struct addr pdp_address;
    const char *pdp_identity, *identity, *application;
    uint64_t pdp_timeout;
    int pdp_failure;
    int64_t phones, calls, calls_per_phone;
    bool trace;
};
#define PCSCF_OPTIONS_N 35
extern const struct conf_option pcscf_options[PCSCF_OPTIONS_N];
#define PCSCF_OPTIONS                                                                              \
    {                                                                                              \
        pcscf_options, PCSCF_OPTIONS_N, sizeof(struct pcscf_config)                                \
    }
void pcscf_check_options(const struct conf *c, struct conf_report *report);
/* What the core gets of it; health: of the kernel's IPsec, NULL without. */
void pcscf_settings(const struct pcscf_config *c, const struct ipsec_health *health,
                    struct core_options *ret_options);

/* Most SA sets in the kernel: at the bound of phones each may still have all of its own. */
unsigned pcscf_sets(const struct pcscf_config *c);

struct program {
    struct daemon *daemon;
    const struct pcscf_config *config;
    struct net *net;
    struct ipsec_charon *charon; /* NULL: no IPsec */
    struct ipsec ipsec;
    struct diameter *diameter;
    struct core *core;
    struct obs_values *metrics;
    char failed_port[80];
};

/* report.c: log, metrics, recorder. */
int report_new(struct program *p);
void report_register(enum register_event e, const struct binding *b, struct span detail, void *ctx);
void report_session(enum session_event e, const struct session_leg *leg, struct span detail,
                    void *ctx);
void report_aside(const struct session_leg *leg, const char *party, bool outgoing, const char *what,
                  void *ctx);
void report_stranger(const struct sip_flow *flow, void *ctx);
void report_false_answer(const struct sip_flow *from, void *ctx);
void report_bad(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx);
void report_tap(const struct sip_flow *flow, bool outgoing, struct span raw, void *ctx);

/* commands.c: imsctl. */
int commands_new(struct program *p);
void commands_status(struct daemon *d, void *role, json_t *status);

#endif
