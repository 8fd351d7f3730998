/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter/fd: the real twin of the Diameter port: freeDiameter in a process of its own.
 *
 * Decides   which peers may connect, when the process is started again. Owns      two processes: a
 * keeper that was forked before the daemon had threads, and the node under it, which links
 * freeDiameter and may die of what peers send (then the keeper starts it again after 0.1 s to 5 s;
 * requests in flight fail with -ECONNRESET). Both end with the daemon. Threads   the loop's; the
 * node's threads are behind a socketpair. Never     gives a message to freeDiameter that our own
 * walker refuses; starts a node whose guards are not in effect. Tests
 * tests/unit/common/diameter/fd, tests/integration/diameter. */
#ifndef COMMON_DIAMETER_FD_FD_H
#define COMMON_DIAMETER_FD_FD_H

#include "common/diameter/diameter.h"

enum { DIAMETER_FD_PEERS_MAX = 32, DIAMETER_FD_LISTEN_MAX = 4 };

struct diameter_fd_peer {
    const char *identity; /* "pdp.example.net"; "*.example.net" accepts every host under it */
    struct addr addr;     /* family 0: we wait for it to connect */
};

struct diameter_fd_conf {
    const char *identity, *realm;
    size_t n_listen, n_peers;
    struct addr listen[DIAMETER_FD_LISTEN_MAX]; /* none: a client that only connects */
    struct diameter_fd_peer peers[DIAMETER_FD_PEERS_MAX];
    unsigned in_flight;  /* most requests of ours without an answer; 0 = 4096 */
    unsigned unanswered; /* most requests of peers without our answer; 0 = 4096 */
    unsigned watchdog;   /* Tw in seconds, 6..; 0 = 6 (RFC 3539) */
    unsigned reconnect;  /* Tc in seconds; 0 = 1 */
};

struct diameter_child;

/* Forks the keeper. Before the first thread of the process (common/daemon: fork_children). The
 * configuration is copied by the fork. -EINVAL without identity or realm. */
int diameter_child_fork(const struct diameter_fd_conf *conf, struct diameter_child **ret_child);
/* Ends both processes, when diameter_fd_new was never reached. */
void diameter_child_free(struct diameter_child *child);

/* The port over that child, which it takes (diameter_free ends the processes). */
int diameter_fd_new(struct loop *l, struct diameter_child *child, struct diameter **ret_port);

/* The process that runs freeDiameter at the moment, 0 = none: for tests and the status command. */
int diameter_fd_pid(const struct diameter *port);

#endif
