/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/program: the S-CSCF as a process: its options, its store and spool, what it tells its
 *           operators.
 *
 * Decides   nothing of the protocol: it wires scscf/core to the world.
 * Owns      network, subscribers, spool, core and the thread that reads records, from start to
 *           stop.
 * Threads   the loop's; records are read on a job thread.
 * Errors    each with what to do about it, before the first message is taken.
 * Never     goes on when a part of it cannot start.
 * Tests     tests/unit/scscf/program, tests/flow/scscf, tests/program, tests/integration. */
#ifndef SCSCF_PROGRAM_PROGRAM_H
#define SCSCF_PROGRAM_PROGRAM_H

#include "common/charging/charging.h"
#include "common/daemon/daemon.h"
#include "scscf/core/core.h"

extern const struct daemon_role scscf_role;

/* The file, as options.c reads it. */
struct scscf_config {
    const char *realm;
    struct conf_strings domains, names;
    struct addr mw;
    struct conf_nets mw_allow;
    const char *store;
    bool avoid_nul_res;
    struct conf_enums qop;
    int rechallenge;
    uint64_t challenge_time, nonce_time;
    uint64_t min_expires, max_expires, default_expires;
    int64_t contacts;
    uint64_t call_max, ring_max;
    const char *cdr_dir;
    uint64_t cdr_rotate_size, cdr_rotate_time, cdr_gather_time, cdr_retry_time;
    bool cdr_messages;
    int64_t registrations, calls, subscribers;
};
#define SCSCF_OPTIONS_N 26
extern const struct conf_option scscf_conf_options[SCSCF_OPTIONS_N];
#define SCSCF_OPTIONS                                                                              \
    {                                                                                              \
        scscf_conf_options, SCSCF_OPTIONS_N, sizeof(struct scscf_config)                           \
    }
void scscf_check_options(const struct conf *c, struct conf_report *report);
/* What core and registrar get of it. domains: room for realm and domains. */
void scscf_settings(const struct scscf_config *c, struct span *domains, struct span *names,
                    struct scscf_options *ret_options);

struct scscf_program {
    struct daemon *daemon;
    const struct scscf_config *config;
    struct loop *loop;
    struct ops *ops;
    struct net *net;
    struct auth *auth;
    struct subscribers *subscribers;
    struct charging_spool *spool;
    struct loop_thread *reader;       /* of records */
    const struct charging_disk *disk; /* they are read from */
    struct scscf *scscf;
    struct obs_log *log;
    struct obs_recorder *recorder;
    struct obs_values *metrics;
};

/* report.c: log, metrics, recorder. */
/* For the disk: of calls that ended, and of those the last process left. */
int64_t scscf_records_waiting(const struct scscf_program *p);
int scscf_report_new(struct scscf_program *p, struct obs_metrics *m);
void scscf_report_call(void *ctx, enum scscf_event event, const struct scscf_note *note);
void scscf_report_register(void *ctx, enum registrar_event event, struct span impi,
                           struct span detail);
void scscf_report_bad(void *ctx, const struct sip_flow *flow, const struct sip_reject *reject);
void scscf_report_stranger(void *ctx, const struct sip_flow *flow);
void scscf_report_false_answer(void *ctx, const struct sip_flow *from);
void scscf_report_disk(void *ctx, const struct charging_alarm *alarm);
void scscf_report_subscribers(void *ctx, const struct subscribers_error *error);
void scscf_report_tap(const struct sip_flow *flow, bool outgoing, struct span raw, void *ctx);

/* commands.c, cdrs.c: imsctl. */
int scscf_commands_new(struct scscf_program *p);
void scscf_commands_status(struct daemon *d, void *role, json_t *status);
int scscf_cdr_commands_new(struct scscf_program *p);
/* Text of a message as JSON, whatever bytes it has. */
json_t *scscf_json_text(struct span s);
/* "2030-01-01 12:00:00" UTC; empty for 0. */
json_t *scscf_json_time(int64_t wall_us);

#endif
