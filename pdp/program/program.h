/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/program: the PDP as a process: its options, its Diameter node and database, its keys, what it
 * tells its operators.
 *
 * Decides   nothing about media: it wires pdp/rx, pdp/qos, pdp/grants and pdp/policy to the world.
 * Owns      all of them from start to stop; the policy in force and the file it came from.
 * Threads   the loop's.
 * Errors    each with what to do about it, before the first request is taken.
 * Never     goes on when a part of it cannot start.
 * Tests     tests/unit/pdp/program. */
#ifndef PDP_PROGRAM_PROGRAM_H
#define PDP_PROGRAM_PROGRAM_H

#include "common/daemon/diameter.h"
#include "pdp/qos/qos.h"
#include "pdp/rx/rx.h"

extern const struct daemon_role pdp_role;

/* The file, as options.c reads it. */
struct pdp_config {
    struct addr listen;
    const char *identity, *realm;
    bool accept_realm;
    struct conf_strings peers;
    uint64_t asr_timeout;
    const char *policy, *database;
    const char *key, *previous_key;
    int mac;
    uint64_t token_lifetime;
    bool token_length;
    uint64_t edge_lifetime, edge_grace, edge_settle;
    int64_t sessions, in_flight;
};
#define PDP_OPTIONS_N 18
extern const struct conf_option pdp_options[PDP_OPTIONS_N];
/* Reads the policy file as well, so that --check covers it. */
void pdp_check_options(const struct conf *c, struct conf_report *report);

/* keys.c: the key of a file, made (0600) when there is none and `make` says so. */
int pdp_key_read(const char *path, bool make, const struct rnd *rnd, int mac,
                 struct token_key *ret_key, struct daemon_finding *ret_finding);
/* The current key and the one before it: tokens of both are known, the current one mints. */
int pdp_keys_read(const struct pdp_config *c, const struct rnd *rnd, int64_t now,
                  struct token_keys *ret_keys, struct daemon_finding *ret_finding);

struct program {
    struct daemon *daemon;
    const struct pdp_config *config;
    struct diameter *diameter;
    struct grants *grants;
    struct conf *policy_conf;
    struct policy *policy;
    struct rx *rx;
    struct qos *qos;
    struct obs_values *metrics;
};

/* report.c: log, metrics, recorder. */
int report_new(struct program *p);
void report_rx(enum rx_event e, const struct diameter_request *req, const struct grant *g,
               const char *why, void *ctx);
void report_qos(enum qos_verdict v, const struct diameter_request *req, const struct grant *g,
                const char *detail, void *ctx);

/* commands.c: imsctl. */
int commands_new(struct program *p);
void commands_status(struct daemon *d, void *role, json_t *status);

#endif
