/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diameter for a program: the node's process with its words in the program's log, and one message
 * when it cannot be had. */
#ifndef COMMON_DAEMON_DIAMETER_H
#define COMMON_DAEMON_DIAMETER_H

#include "common/daemon/daemon.h"
#include "common/diameter/fd/fd.h"

enum { DAEMON_IDENTITY_SPACE = 512 };

/* A Diameter identity of the configuration: what was given, or with "" PROGRAM.REALM in `space`
 * (DAEMON_IDENTITY_SPACE), so that networks differ by their realm alone. */
const char *daemon_diameter_identity(const char *given, const char *program, const char *realm,
                                     char *space);

/* diameter_fd_new with the program's loop; conf's on_log and log_ctx are set here. Peers that come
 * and go are logged as peer.up and peer.down. `options` names what to look at in the configuration
 * when it fails ("pdp.address"). The finding is filled on failure. */
int daemon_diameter_new(struct daemon *d, const struct diameter_fd_conf *conf, const char *options,
                        struct diameter **ret_diameter, struct daemon_finding *ret_finding);

#endif
