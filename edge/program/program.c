/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/program/program.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/osip/osipmem.h"

/* ---- self-test ---- */

static int check_ng(const void *config, struct daemon_finding *ret)
{
    const struct edge_config *c = config;

    return daemon_check_bind("ng.address", &c->ng, SOCK_DGRAM, ret);
}

/* Port 0: whether the address is ours. Single ports may be taken; sessions look past them. */
static int check_media(const void *config, struct daemon_finding *ret)
{
    static const char *const options[] = {"access.address", "core.address"};
    const struct edge_config *c = config;
    int rc = 0;

    for (unsigned i = 0; i < CONTROL_SIDES && rc == 0; i++)
        rc = daemon_check_bind(options[i], &c->address[i], SOCK_DGRAM, ret);
    return rc;
}

/* Sockets of an audio call: RTP and RTCP on either side. */
#define FILES_A_SESSION 4
#define FILES_BESIDES   64

static int check_files(const void *config, struct daemon_finding *ret)
{
    const struct edge_config *c = config;
    uint64_t need = (uint64_t)c->sessions * FILES_A_SESSION + FILES_BESIDES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= need)
        return 0;
    daemon_find(ret, "Raise LimitNOFILE= of the service (ulimit -Hn), or lower limits.sessions.",
                "%llu sessions may need %llu open files, the limit is %llu",
                (unsigned long long)c->sessions, (unsigned long long)need,
                (unsigned long long)limit.rlim_max);
    return -EMFILE;
}

static int check_pdp(const void *config, struct daemon_finding *ret)
{
    const struct edge_config *c = config;

    if (c->authorization != GATE_OPEN)
        return daemon_check_peer("pdp.address", &c->pdp_address, ret);
    daemon_find(ret, "", "authorization is off");
    return 0;
}

static const struct daemon_check checks[] = {
    {"control port", true, check_ng},
    {"media addresses", true, check_media},
    {"open files", false, check_files},
    {"PDP", false, check_pdp},
};

/* ---- start ---- */

static int open_diameter(struct program *p, struct daemon_finding *f)
{
    const struct edge_config *c = p->config;
    char ours[DAEMON_IDENTITY_SPACE], pdp[DAEMON_IDENTITY_SPACE];
    struct diameter_fd_conf conf = {
        .identity = daemon_diameter_identity(c->identity, "edge", c->realm, ours),
        .realm = c->realm,
        .local = c->ng,
        .apps = {DIAMETER_APP_QOS},
        .n_apps = 1,
        .peers = {{daemon_diameter_identity(c->pdp_identity, "pdp", c->realm, pdp),
                   c->pdp_address}},
        .n_peers = 1};

    if (c->authorization == GATE_OPEN) {
        OBS_LOG(daemon_log(p->daemon), OBS_WARN, "authorization.off",
                OBS_TEXT("effect", "every gate is up without a token: anyone's media passes"),
                OBS_TEXT("remedy", "authorization: pdp"));
        return 0;
    }
    conf.local.port = 0; /* we only connect */
    return daemon_diameter_new(p->daemon, &conf, "identity, realm and pdp.address", &p->diameter,
                               f);
}

static int open_relay(struct program *p, struct daemon_finding *f)
{
    struct rlimit limit;
    int rc;

    /* Sockets are this program's trade: as many as it may have. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    rc = relay_new(daemon_loop(p->daemon), &p->settings.relay, &p->relay);
    if (rc != 0)
        daemon_find(f, "Look at the limits of threads and open files.",
                    "%u packet workers cannot be started: %s", p->settings.relay.workers,
                    strerror(-rc));
    return rc;
}

static int open_gates(struct program *p)
{
    return gates_new(daemon_loop(p->daemon), p->diameter, daemon_rnd(p->daemon),
                     relay_port_of(p->relay), &p->settings.gates, &control_gates_ops, &p->gates);
}

static int open_control(struct program *p)
{
    static const struct control_ops ops = {.on_event = report_event};

    return control_new(daemon_loop(p->daemon), daemon_rnd(p->daemon), relay_port_of(p->relay),
                       p->gates, &p->settings.control, &ops, p, &p->control);
}

static int open_ng(struct program *p, struct daemon_finding *f)
{
    const struct addr *local = &p->settings.ng.local;
    char text[ADDR_TEXT_MAX];
    int rc;

    rc = ng_server_new(p->net, daemon_rnd(p->daemon), &p->settings.ng, control_on_ng, p->control,
                       &p->ng);
    if (rc != 0)
        daemon_find(f,
                    rc == -EADDRINUSE ? "Stop the program that has the port, or change ng.address."
                                      : "Give ng.address an address of this machine.",
                    "the control port %s cannot be opened: %s", addr_text(local, text),
                    strerror(-rc));
    return rc;
}

/* Against the order of start: sessions end (STR) while Diameter is still there. */
static void close_all(struct program *p)
{
    control_free(p->control);
    ng_server_free(p->ng);
    gates_free(p->gates);
    relay_free(p->relay);
    diameter_free(p->diameter);
    if (p->net)
        net_free(p->net);
    free(p);
}

static int start(struct daemon *d, void *early, void **ret_role, struct daemon_finding *f)
{
    struct program *p = calloc(1, sizeof(*p));
    int rc;

    (void)early;
    if (!p)
        return -ENOMEM;
    p->daemon = d;
    p->config = daemon_config(d);
    edge_settings(p->config, &p->settings);
    rc = osipmem_init();
    if (rc == 0)
        rc = net_new(daemon_loop(d), &p->net);
    if (rc == 0)
        rc = open_diameter(p, f);
    if (rc == 0)
        rc = open_relay(p, f);
    if (rc == 0)
        rc = open_gates(p);
    if (rc == 0)
        rc = open_control(p);
    if (rc == 0)
        rc = open_ng(p, f);
    if (rc == 0)
        rc = report_new(p);
    if (rc != 0) {
        close_all(p);
        return rc;
    }
    *ret_role = p;
    return 0;
}

static void drain(struct daemon *d, void *role)
{
    struct program *p = role;

    (void)d;
    control_drain(p->control);
}

static bool is_idle(const void *role)
{
    const struct program *p = role;

    return control_counters(p->control)->sessions == 0;
}

static void stop(struct daemon *d, void *role)
{
    (void)d;
    close_all(role);
}

int edge_main(int argc, char **argv)
{
    const struct daemon_role role = {
        .name = "edge",
        .summary = "media edge: lets no packet through until the PDP has confirmed the token",
        .options = edge_options,
        .records_nothing = true,
        .check_options = edge_check_options,
        .checks = checks,
        .n_checks = ARRAY_LEN(checks),
        .start = start,
        .drain = drain,
        .is_idle = is_idle,
        .stop = stop,
        .status = report_status,
    };

    return daemon_main(&role, argc, argv);
}
