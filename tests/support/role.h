/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/role: the room <role>/program without a process around it: a configuration from text,
 * commands in the words of the control socket, metrics, log and ladder as an operator reads them. */
#ifndef TESTS_SUPPORT_ROLE_H
#define TESTS_SUPPORT_ROLE_H

#include "common/daemon/daemon.h"
#include "common/loop/sim.h"

/* What a daemon lends its role. */
struct role_house {
    struct sim *sim;
    struct daemon *daemon;
    struct loop *loop;
    struct ops *ops;
    struct obs_log *log;
    struct obs_metrics *metrics;
    struct obs_recorder *recorder;
    const void *config;
    json_t *answer;
};
extern struct role_house house;

/* ---- the configuration ---- */

/* The values of this file, valid until the next call or house_close; NULL: it is refused. */
const void *house_configure(const struct conf_table *options,
                            void (*check)(const struct conf *c, struct conf_report *report),
                            const char *yaml);
/* Of the last file: how many faults, and whether one of them stands at `place` ("3:1"; NULL: the option is not in
 * the file) and says text and remedy, whole. */
size_t house_faults(void);
bool house_is_fault(const char *place, const char *text, const char *remedy);

/* ---- the house ---- */

/* Simulated time, with the configuration that was read last. */
void house_open(void);
void house_close(void);
/* As with recorder.calls: 0, from now on; the caller frees it. */
struct obs_recorder *house_lose_recorder(void);
/* "cdr list" with arguments as they stand in the JSON; the answer within 300 ms. True when it is ok. */
bool house_ask(const char *command, const char *arguments);
json_t *house_result(void);
json_t *house_row(size_t i); /* of a result that is a list */
/* A member as text, numbers and true or false too; "(none)". Valid until the eighth call after it. */
const char *house_member(const json_t *object, const char *name);
/* The last answer is a refusal in whole: text, remedy, and whether it was wrong use. */
bool house_refused(const char *error, const char *remedy, bool wrong_use);
/* The value behind `edge_sessions` or `edge_ng_commands_total{outcome="run"}` after a collection; -1: no such line. */
long house_metric(const char *name);
/* What was logged since the last call: "info session.opened call_id=one\n", a line each. */
const char *house_logged(void);
bool house_logged_is(const char *lines);

#endif
