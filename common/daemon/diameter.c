/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon/diameter.h"

#include <errno.h>
#include <stdio.h>

static void on_log(void *ctx, const char *says)
{
    OBS_LOG(daemon_log(ctx), OBS_WARN, "diameter.process", OBS_TEXT("says", says));
}

static void on_peer(void *ctx, struct span host, bool up)
{
    OBS_LOG(daemon_log(ctx), up ? OBS_NOTICE : OBS_WARN, up ? "peer.up" : "peer.down",
            OBS_SPAN("peer", host));
}

const char *daemon_diameter_identity(const char *given, const char *program, const char *realm,
                                     char *space)
{
    if (*given)
        return given;
    (void)snprintf(space, DAEMON_IDENTITY_SPACE, "%s.%s", program, realm); /* both are bounded */
    return space;
}

int daemon_diameter_new(struct daemon *d, const struct diameter_fd_conf *conf, const char *options,
                        struct diameter **ret_diameter, struct daemon_finding *ret_finding)
{
    struct diameter_fd_conf c = *conf;
    char remedy[192];
    int rc;

    c.on_log = on_log;
    c.log_ctx = d;
    rc = diameter_fd_new(daemon_loop(d), &c, ret_diameter);
    if (rc == 0) {
        diameter_on_peer(*ret_diameter, on_peer, d);
        return 0;
    }
    if (rc == -ENOENT)
        snprintf(remedy, sizeof(remedy),
                 "Install portcullis-diameter beside this program; it needs the packages "
                 "libfdcore6 and libfdproto6.");
    else
        snprintf(remedy, sizeof(remedy), "Check %s.", options);
    daemon_find(ret_finding, remedy, "Diameter cannot be started: %s", strerror(-rc));
    return rc;
}
