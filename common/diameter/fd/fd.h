/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter/fd: Diameter on the network: freeDiameter in a process of its own.
 *
 * Decides   when that process is started again.
 * Owns      the process (bin/portcullis-diameter) and the socket pair to it.
 * Threads   the loop's. The process has freeDiameter's threads; none is here.
 * In, out   the port of common/diameter/diameter.h; encoded messages on the socket pair.
 * Errors    what keeps the process from serving (an address in use, say) goes to on_log and is tried
 *           again.
 * Never     goes down with freeDiameter: a peer that kills it costs the requests in flight
 *           (-ECONNRESET) and a second.
 * Twin      common/diameter/sim.h.
 * Tests     tests/unit/common/diameter/fd. */
#ifndef COMMON_DIAMETER_FD_FD_H
#define COMMON_DIAMETER_FD_FD_H

#include <sys/types.h>

#include "common/diameter/diameter.h"

struct diameter_fd_peer {
    const char *identity;
    struct addr addr; /* TCP; port 0 = 3868. Family 0: it connects to us */
};

enum { DIAMETER_FD_PEERS_MAX = 32, DIAMETER_FD_APPS_MAX = 4 };

struct diameter_fd_conf {
    const char *identity, *realm;
    struct addr local; /* Host-IP-Address; with a port, where we listen (TCP) */
    enum diameter_app apps[DIAMETER_FD_APPS_MAX]; /* what the capabilities exchange names */
    size_t n_apps;
    struct diameter_fd_peer peers[DIAMETER_FD_PEERS_MAX];
    size_t n_peers;
    bool accept_realm; /* let every identity of our own realm connect, named here or not */
    bool
        keeps_sessions; /* over a restart of ours: Origin-State-Id 0 (RFC 6733 8.16), not our start */
    unsigned reconnect, watchdog; /* seconds, Tc and Tw of RFC 6733 and 3539; 0 = 2 and 6 */
    unsigned within; /* seconds until the process refuses a request that we lost; 0 = 35 */
    unsigned in_flight, unanswered; /* bounds; 0 = 4096 */
    const char *program; /* NULL: portcullis-diameter beside our executable, or in ../bin or
                            ../libexec/portcullis of it */
    void (*on_log)(void *ctx, const char *text); /* may be NULL */
    void *log_ctx;
};

/* Copies conf. Returns before any peer is connected (diameter_on_peer tells). -EINVAL for an
 * identity, realm or address that is missing, -ENOENT without the program, -ENAMETOOLONG. */
int diameter_fd_new(struct loop *l, const struct diameter_fd_conf *conf,
                    struct diameter **ret_diameter);
/* The process, for status and tests; 0 while there is none. */
pid_t diameter_fd_pid(const struct diameter *d);

#endif
