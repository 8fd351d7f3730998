/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/program/program.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- self-test ------------------------------------------------------------------------------- */

static int not_needed(struct daemon_finding *ret, const char *why)
{
    daemon_find(ret, "", "%s", why);
    return 0;
}

static int check_esp(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;

    return c->ipsec ? daemon_check_esp(ret) : not_needed(ret, "security.ipsec is false");
}

static int check_capability(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;

    return c->ipsec ? daemon_check_capability(CAP_NET_ADMIN, "CAP_NET_ADMIN", ret)
                    : not_needed(ret, "security.ipsec is false");
}

static int check_ports(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;
    int rc = daemon_check_bind("gm.address", &c->gm, SOCK_DGRAM, ret);

    if (rc == 0 && c->gm_tcp)
        rc = daemon_check_bind("gm.address", &c->gm, SOCK_STREAM, ret);
    if (rc == 0)
        rc = daemon_check_bind("mw.address", &c->mw, SOCK_DGRAM, ret);
    return rc != 0 ? rc : daemon_check_bind("mw.address", &c->mw, SOCK_STREAM, ret);
}

static int check_pdp(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;

    return c->pdp ? daemon_check_peer("pdp.address", &c->pdp_address, ret)
                  : not_needed(ret, "pdp.enabled is false");
}

static int check_edge(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;

    return c->media ? daemon_check_answer("media.edge", &c->mw, &c->edge,
                                          SPAN("selftest d7:command4:pinge"), ret)
                    : not_needed(ret, "media.anchor is false");
}

/* A name is for DNS, which is asked for each registration. */
static int check_core(const void *config, struct daemon_finding *ret)
{
    const struct pcscf_config *c = config;
    struct sip_uri uri;
    struct addr a;

    if (sip_uri_split(span_str(c->core), &uri) != 0 ||
        addr_parse_ip(uri.host, uri.port ? uri.port : 5060, &a) != 0)
        return not_needed(ret, "mw.core is no address: DNS finds the core");
    return daemon_check_peer("mw.core", &a, ret);
}

static const struct daemon_check checks[] = {
    {"ports", true, check_ports},    {"CAP_NET_ADMIN", true, check_capability},
    {"kernel ESP", true, check_esp}, {"PDP", false, check_pdp},
    {"edge", false, check_edge},     {"core", false, check_core},
};

/* ---- start ------------------------------------------------------------------------------------ */

static int fork_children(const void *config, void **ret_early, struct daemon_finding *ret_finding)
{
    const struct pcscf_config *c = config;
    struct ipsec_charon *charon = NULL;
    int rc = c->ipsec ? ipsec_charon_start(&charon) : 0;

    if (rc != 0) {
        daemon_find(ret_finding,
                    "Install the packages strongswan-libcharon and libstrongswan, or set "
                    "security.ipsec: false.",
                    "the IPsec process cannot be started: %s", strerror(-rc));
        return rc;
    }
    daemon_drop_capability(CAP_NET_ADMIN); /* what reads others' messages has none of it */
    *ret_early = charon;
    return 0;
}

static void stop_early(void *early)
{
    if (early)
        ipsec_charon_free(early);
}

static void on_ipsec_down(const char *reason, void *ctx)
{
    struct program *p = ctx;

    OBS_LOG(daemon_log(p->daemon), OBS_ERROR, "ipsec.down", OBS_TEXT("why", reason),
            OBS_TEXT("effect", "no new security associations until it is back"));
}

static void on_ipsec_up(void *ctx)
{
    struct program *p = ctx;

    OBS_LOG(daemon_log(p->daemon), OBS_NOTICE, "ipsec.up", OBS_BOOL("ready", true));
}

static int open_ipsec(struct program *p, struct daemon_finding *f)
{
    static const struct ipsec_events events = {.on_down = on_ipsec_down, .on_up = on_ipsec_up};
    const struct pcscf_config *c = p->config;
    struct ipsec_charon_options o = {.sets = pcscf_sets(c)};
    const struct ipsec_health *health;
    struct addr a = c->gm;
    int rc;

    if (!p->charon)
        return 0;
    a.port = (uint16_t)c->port_ps;
    o.ports[o.n_ports++] = a;
    for (unsigned port = c->port_pc.first; port <= c->port_pc.last; port++) {
        a.port = (uint16_t)port;
        o.ports[o.n_ports++] = a;
    }
    rc = ipsec_charon_open(p->charon, daemon_loop(p->daemon), &o);
    if (rc != 0) {
        daemon_find(f, "Look at the log above; CAP_NET_ADMIN and the kernel's XFRM are needed.",
                    "the IPsec process does not answer: %s", strerror(-rc));
        return rc;
    }
    p->ipsec = ipsec_charon_port(p->charon);
    health = ipsec_health(&p->ipsec);
    if (!health->ready) {
        daemon_find(f, health->remedy, "IPsec cannot be used: %s", health->problem);
        return -EOPNOTSUPP;
    }
    ipsec_listen(&p->ipsec, &events, p);
    return 0;
}

static int open_diameter(struct program *p, struct daemon_finding *f)
{
    const struct pcscf_config *c = p->config;
    char ours[DAEMON_IDENTITY_SPACE], pdp[DAEMON_IDENTITY_SPACE];
    struct diameter_fd_conf conf = {
        .identity = daemon_diameter_identity(c->identity, "pcscf", c->realm, ours),
        .realm = c->realm,
        .local = c->mw,
        .apps = {DIAMETER_APP_RX},
        .n_apps = 1,
        .peers = {{daemon_diameter_identity(c->pdp_identity, "pdp", c->realm, pdp),
                   c->pdp_address}},
        .n_peers = 1};

    if (!c->pdp)
        return 0;
    conf.local.port = 0;
    return daemon_diameter_new(p->daemon, &conf, "pdp.our_identity, realm and pdp.address",
                               &p->diameter, f);
}

static int open_core(struct program *p, struct daemon_finding *f)
{
    struct core_env env = {.loop = daemon_loop(p->daemon),
                           .net = p->net,
                           .rnd = daemon_rnd(p->daemon),
                           .ipsec = p->charon ? &p->ipsec : NULL,
                           .diameter = p->diameter,
                           .on_register = report_register,
                           .on_session = report_session,
                           .on_aside = p->config->trace ? report_aside : NULL,
                           .on_bad = report_bad,
                           .on_stranger = report_stranger,
                           .on_false_answer = report_false_answer,
                           .ctx = p};
    struct core_options options;
    int rc;

    pcscf_settings(p->config, p->charon ? ipsec_health(&p->ipsec) : NULL, &options);
    rc = core_new(&env, &options, &p->core, p->failed_port);
    if (rc != 0)
        daemon_find(f,
                    rc == -EADDRINUSE ? "Stop the program that has the port, or change gm or mw in "
                                        "the configuration."
                    : rc == -EADDRNOTAVAIL
                        ? "Give gm.address and mw.address addresses of this machine."
                        : "The message says which port; see gm, mw and media in the "
                          "configuration.",
                    "%s cannot be opened: %s", p->failed_port[0] ? p->failed_port : "the core",
                    strerror(-rc));
    else if (p->config->trace)
        sip_transport_set_tap(core_transport(p->core), report_tap, p);
    return rc;
}

static void close_all(struct program *p)
{
    core_free(p->core);
    diameter_free(p->diameter);
    if (p->net)
        net_free(p->net);
    free(p);
}

static int start(struct daemon *d, void *early, void **ret_role, struct daemon_finding *f)
{
    struct program *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    p->daemon = d;
    p->config = daemon_config(d);
    p->charon = early;
    rc = sip_init();
    if (rc == 0)
        rc = net_new(daemon_loop(d), &p->net);
    if (rc == 0)
        rc = open_ipsec(p, f);
    if (rc == 0)
        rc = open_diameter(p, f);
    if (rc == 0)
        rc = open_core(p, f);
    if (rc == 0)
        rc = report_new(p);
    if (rc == 0)
        rc = commands_new(p);
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
    session_drain(core_session(p->core));
}

static bool is_idle(const void *role)
{
    const struct program *p = role;

    return core_is_idle(p->core);
}

static void stop(struct daemon *d, void *role)
{
    struct program *p = role;

    (void)d;
    /* Their associations go with us. */
    session_release_all(core_session(p->core), "P-CSCF Shutting Down");
    close_all(p);
}

const struct daemon_role pcscf_role = {
    .name = "pcscf",
    .summary = "P-CSCF: the phones' door to the IMS, with IPsec",
    .options = PCSCF_OPTIONS,
    .check_options = pcscf_check_options,
    .checks = checks,
    .n_checks = ARRAY_LEN(checks),
    .fork_children = fork_children,
    .start = start,
    .drain = drain,
    .is_idle = is_idle,
    .stop = stop,
    .stop_early = stop_early,
    .status = commands_status,
};
