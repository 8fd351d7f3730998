/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/daemon: the life of a program, the same for every role.
 *
 * Decides   the command line, the order of start (configuration, self-test, log, role, control
 *           socket, ready) and of the end (drain, stop), what signals mean.
 * Owns      configuration, loop, log, metrics, recorder, control socket of the process; the role
 *           borrows them from start to stop.
 * Threads   daemon_main runs the loop; everything here is the loop's.
 * Errors    each fault at start is one message with a remedy and exit status 1 (2: command line).
 * Never     forks into the background, writes a pid file, goes on with half a start.
 * Tests     tests/unit/common/daemon. */
#ifndef COMMON_DAEMON_DAEMON_H
#define COMMON_DAEMON_DAEMON_H

#include "common/base/base.h"
#include "common/conf/conf.h"
#include "common/loop/loop.h"
#include "common/obs/obs.h"
#include "common/ops/ops.h"

struct daemon;

/* What a check or a start has to say when it fails. */
struct daemon_finding {
    char text[256];
    char remedy[256];
    const char *option; /* of the configuration, where it is mended: "gm.address"; NULL = nowhere */
};
/* Leaves option as it is. */
void daemon_find(struct daemon_finding *f, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A start-up self-test; all run, in order, before the role starts, and each result is logged. */
struct daemon_check {
    const char *name; /* "kernel ESP" */
    bool mandatory;
    /* 0, or a negative errno with the finding filled. May block for at most a second. 0 with a text
     * in the finding: there was nothing to test, and why ("security.ipsec is false"). */
    int (*run)(const void *config, struct daemon_finding *ret_finding);
};

struct daemon_role {
    const char *name;          /* "pcscf" */
    const char *summary;       /* one line for --help and the man page */
    struct conf_table options; /* the role's own; those of this room are added to them */
    bool records_nothing;      /* it sees no messages: without recorder.* options and ladder */
    /* What involves several options, see conf_schema.check; conf_values(c, 0) is the role's. */
    void (*check_options)(const struct conf *c, struct conf_report *report);
    const struct daemon_check *checks;
    size_t n_checks;
    /* Before any thread exists and after the self-test, for child processes; may be NULL. What it
     * returns is start's `early`, and given to `stop` as early. */
    int (*fork_children)(const void *config, void **ret_early, struct daemon_finding *ret_finding);
    /* Opens ports, wires rooms, registers commands and metrics. On failure it has undone all. */
    int (*start)(struct daemon *d, void *early, void **ret_role,
                 struct daemon_finding *ret_finding);
    /* SIGTERM, SIGINT: takes nothing new. May be NULL. */
    void (*drain)(struct daemon *d, void *role);
    /* Looked at ten times a second from then on: is finished what ran? NULL: nothing to wait for. A
     * second signal or drain_time ends the wait. */
    bool (*is_idle)(const void *role);
    void (*stop)(struct daemon *d, void *role);
    /* After `stop`, or when start failed; the loop is still there, and no longer runs. */
    void (*stop_early)(void *early);
    /* SIGHUP with a valid file: takes over what can change at run time. The configuration of the start
     * stays until the end, `config` until the next reload has returned: nothing may point into any other.
     * NULL: the log is reopened and its level taken over. */
    void (*reload)(struct daemon *d, void *role, const void *config);
    /* Further sections of the man page (troff: conf_put_man, conf_put_troff). May be NULL. */
    void (*man)(struct buf *b);
    const char *files; /* of the man page: "PATH\twhat it is\n", a line each; may be NULL */
    /* Adds members to the answer of `imsctl status`. May be NULL. Every program also answers
     * commands, ladder (unless records_nothing), log level, metrics and selftest. */
    void (*status)(struct daemon *d, void *role, json_t *status);
};

/* A role's main is `return daemon_main(&role, argc, argv);`. The exit status. */
int daemon_main(const struct daemon_role *role, int argc, char **argv);

/* For the role, from start to stop. */
const void *daemon_config(const struct daemon *d);
struct loop *daemon_loop(struct daemon *d);
const struct rnd *daemon_rnd(struct daemon *d);
struct obs_log *daemon_log(struct daemon *d);
struct obs_metrics *daemon_metrics(struct daemon *d);
struct obs_recorder *daemon_recorder(struct daemon *d);
struct ops *daemon_ops(struct daemon *d);
/* Something that cannot be mended while running: logs the finding, drains, exits with status 1. */
void daemon_fail(struct daemon *d, const struct daemon_finding *finding);

/* ---- checks that several roles need ---- */

/* 0, or -EPERM with the remedy, when the process lacks a capability (CAP_NET_ADMIN ...). */
int daemon_check_capability(unsigned capability, const char *name, struct daemon_finding *ret);
/* Gives a capability up for good, for this thread and what it will start; in fork_children, once the
 * child that needs it has been forked. */
void daemon_drop_capability(unsigned capability);
/* Can the address of this option be bound with this protocol (SOCK_STREAM, SOCK_DGRAM)? Says who is
 * in the way: port taken, address not on this machine, privileged port. */
int daemon_check_bind(const char *option, const struct addr *a, int socktype,
                      struct daemon_finding *ret);
/* Does somebody take TCP connections there? Waits for at most 300 ms. */
int daemon_check_peer(const char *option, const struct addr *a, struct daemon_finding *ret);
/* Does somebody answer this datagram? Sent from the address of `from`; twice, for 300 ms each. */
int daemon_check_answer(const char *option, const struct addr *from, const struct addr *to,
                        struct span question, struct daemon_finding *ret);
/* Is the directory there (or can it be made) and writable? */
int daemon_check_directory(const char *option, const char *path, struct daemon_finding *ret);
/* The same for the directory that holds the file. */
int daemon_check_parent(const char *option, const char *file, struct daemon_finding *ret);
/* Does the kernel do ESP with HMAC-SHA-1 and without encryption? Adds a security association between
 * loopback addresses and deletes it: the only honest answer. -EPERM, -EPROTONOSUPPORT. */
int daemon_check_esp(struct daemon_finding *ret);

#endif
