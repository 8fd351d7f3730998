/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside common/daemon: what its files share. */
#ifndef COMMON_DAEMON_INNER_H
#define COMMON_DAEMON_INNER_H

#include "common/daemon/daemon.h"

enum { DAEMON_CHECKS_MAX = 32, DAEMON_OPTIONS_MAX = 32 };

/* The options every program has; the second table of its schema. */
struct daemon_options {
    int log_level, log_format;
    const char *log_file;
    int64_t log_rate;
    bool show_identities;
    struct secret identity_key;
    const char *socket;
    struct addr metrics;
    int64_t recorder_calls, recorder_messages;
    uint64_t recorder_memory;
    uint64_t drain_time;
};
/* Those that this role has, into options: how many. */
size_t daemon_options_put(const struct daemon_role *role,
                          struct conf_option options[DAEMON_OPTIONS_MAX]);

/* The command line. */
struct daemon_arguments {
    const char *config, *socket;
    enum {
        DAEMON_RUN,
        DAEMON_CHECK,
        DAEMON_SELF_TEST,
        DAEMON_OPTIONS,
        DAEMON_SAMPLE,
        DAEMON_MAN,
        DAEMON_VERSION,
        DAEMON_HELP
    } what;
};
/* -EINVAL: said on stderr. */
int daemon_arguments_parse(const struct daemon_role *role, int argc, char **argv,
                           struct daemon_arguments *ret_arguments);
/* What --help, --man and the like print; false when it does not concern them. */
bool daemon_arguments_print(const struct daemon_role *role, const struct conf_schema *schema,
                            const struct daemon_arguments *a);

/* The result of a self-test. */
struct daemon_result {
    const struct daemon_check *check;
    int rc;
    struct daemon_finding finding;
};

struct daemon {
    const struct daemon_role *role;
    struct daemon_arguments arguments;
    char default_file[128];                         /* without --config */
    struct conf_option options[DAEMON_OPTIONS_MAX]; /* of this room */
    struct conf_table tables[2];
    struct conf_schema schema;
    struct conf *conf;
    struct conf
        *first; /* of the start, when conf is a later one: what was opened with it points to it */
    struct daemon_result results[DAEMON_CHECKS_MAX];
    size_t n_results;
    struct loop *loop;
    struct obs_log *log;
    struct obs_metrics *metrics;
    struct obs_values *values;
    struct obs_recorder *recorder;
    struct ops *ops;
    struct ops_http *http;
    void *early, *state; /* the role's */
    uint64_t begun;      /* loop time of the start */
    struct loop_timer tick, idle_look, drain_limit;
    struct loop_task stop;
    struct loop_stats seen; /* at the last tick */
    uint64_t dropped_seen;
    bool ready, draining, failed;
};

static inline const struct daemon_options *daemon_own(const struct daemon *d)
{
    return conf_values(d->conf, 1);
}

/* All checks; true when every mandatory one holds. */
bool daemon_self_test(struct daemon *d);
/* Why it does not start; or everything. */
void daemon_self_test_print(const struct daemon *d, bool all);
/* "OPTION (FILE:LINE:COLUMN): text\n    remedy\n". */
void daemon_put_finding(const struct daemon *d, const struct daemon_finding *f, struct buf *b);
void daemon_self_test_log(const struct daemon *d);
/* status, log level, metrics, selftest. */
int daemon_commands_add(struct daemon *d);
/* ladder, after the role's start: a role may have one of its own, or nothing to show. */
int daemon_ladder_add(struct daemon *d);
/* sd_notify(3) without libsystemd; nothing without NOTIFY_SOCKET. */
void daemon_notify(const char *state);

#endif
