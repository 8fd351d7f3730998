/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/program/program.h"

#include <errno.h>
#include <stdlib.h>

/* ---- self-test ---- */

static int check_port(const void *config, struct daemon_finding *ret)
{
    const struct pdp_config *c = config;

    return daemon_check_bind("diameter.listen", &c->listen, SOCK_STREAM, ret);
}

static int check_directories(const void *config, struct daemon_finding *ret)
{
    const struct pdp_config *c = config;
    int rc = daemon_check_parent("database", c->database, ret);

    return rc != 0 ? rc : daemon_check_parent("token.key", c->key, ret);
}

static const struct daemon_check checks[] = {
    {"Diameter port", true, check_port},
    {"directories", true, check_directories},
};

/* ---- parts ---- */

static int open_policy(struct program *p, struct daemon_finding *f)
{
    struct conf_report report = {0};
    struct conf *conf = NULL;
    struct policy *policy = NULL;
    int rc = conf_load(&policy_schema, p->config->policy, &conf, &report);

    if (rc == 0)
        rc = policy_new(conf_values(conf, 0), daemon_rnd(p->daemon), &policy);
    if (rc) {
        daemon_find(f, report.n ? report.problems[0].remedy : "", "%s:%u: %s", p->config->policy,
                    report.n ? report.problems[0].line : 0,
                    report.n ? report.problems[0].text : strerror(-rc));
        if (conf)
            conf_free(conf);
        return rc;
    }
    if (p->rx)
        rx_set_policy(p->rx, policy);
    policy_free(p->policy);
    if (p->policy_conf)
        conf_free(p->policy_conf);
    p->policy = policy;
    p->policy_conf = conf;
    return 0;
}

static int open_grants(struct program *p, struct daemon_finding *f)
{
    const struct pdp_config *c = p->config;
    char ours[DAEMON_IDENTITY_SPACE];
    struct grants_options o = {.entity =
                                   daemon_diameter_identity(c->identity, "pdp", c->realm, ours),
                               .lifetime = c->token_lifetime / SEC,
                               .limit = (uint32_t)c->sessions};
    struct store_error error = {0};
    int rc = pdp_keys_read(c, daemon_rnd(p->daemon), loop_wall(daemon_loop(p->daemon)) / 1000000,
                           &o.keys, f);

    if (rc)
        return rc;
    rc = grants_new(daemon_loop(p->daemon), daemon_rnd(p->daemon), c->database, &o, &p->grants,
                    &error);
    bytes_wipe(&o.keys, sizeof(o.keys));
    if (rc) {
        daemon_find(f, error.remedy, "the tokens: %s", error.text[0] ? error.text : strerror(-rc));
        f->option = "database";
    }
    return rc;
}

static int open_diameter(struct program *p, struct daemon_finding *f)
{
    const struct pdp_config *c = p->config;
    char ours[DAEMON_IDENTITY_SPACE];
    struct diameter_fd_conf conf = {
        .keeps_sessions = true, /* pdp/grants has them on the disk */
        .identity = daemon_diameter_identity(c->identity, "pdp", c->realm, ours),
        .realm = c->realm,
        .local = c->listen,
        .apps = {DIAMETER_APP_RX, DIAMETER_APP_QOS},
        .n_apps = 2,
        .accept_realm = c->accept_realm,
        .unanswered = (unsigned)c->in_flight};

    for (size_t i = 0; i < c->peers.n && i < DIAMETER_FD_PEERS_MAX; i++)
        conf.peers[conf.n_peers++].identity = c->peers.v[i];
    return daemon_diameter_new(p->daemon, &conf, "realm, diameter.identity and diameter.peers",
                               &p->diameter, f);
}

static int open_services(struct program *p, struct daemon_finding *f)
{
    const struct pdp_config *c = p->config;
    struct loop *l = daemon_loop(p->daemon);
    const struct rx_options rx = {.asr_timeout = c->asr_timeout,
                                  .token_length = c->token_length,
                                  .on_event = report_rx,
                                  .ctx = p};
    const struct qos_options qos = {.lifetime = (uint32_t)(c->edge_lifetime / SEC),
                                    .grace = (uint32_t)(c->edge_grace / SEC),
                                    .settle = c->edge_settle,
                                    .asr_timeout = c->asr_timeout,
                                    .asr_retry = c->asr_timeout,
                                    .on_verdict = report_qos,
                                    .ctx = p};
    int rc = rx_new(l, p->diameter, p->grants, p->policy, &rx, &p->rx);

    if (rc == 0)
        rc = qos_new(l, p->diameter, daemon_rnd(p->daemon), p->grants, &qos, &p->qos);
    if (rc == 0)
        rc = report_new(p);
    if (rc == 0)
        rc = commands_new(p);
    if (rc)
        daemon_find(f, "", "the PDP cannot be put together: %s", strerror(-rc));
    return rc;
}

static void close_all(struct program *p)
{
    /* First what answers when the disk has it, then what it answers through. */
    grants_free(p->grants);
    rx_free(p->rx);
    qos_free(p->qos);
    diameter_free(p->diameter);
    policy_free(p->policy);
    if (p->policy_conf)
        conf_free(p->policy_conf);
    free(p);
}

/* ---- the role ---- */

static int start(struct daemon *d, void *early, void **ret_role, struct daemon_finding *f)
{
    struct program *p = calloc(1, sizeof(*p));
    int rc;

    (void)early;
    if (!p)
        return -ENOMEM;
    p->daemon = d;
    p->config = daemon_config(d);
    rc = open_policy(p, f);
    if (rc == 0)
        rc = open_grants(p, f);
    if (rc == 0)
        rc = open_diameter(p, f);
    if (rc == 0)
        rc = open_services(p, f);
    if (rc) {
        close_all(p);
        return rc;
    }
    *ret_role = p;
    return 0;
}

static void stop(struct daemon *d, void *role)
{
    (void)d;
    close_all(role);
}

static void reload(struct daemon *d, void *role, const void *config)
{
    struct program *p = role;
    struct daemon_finding f = {0};

    p->config = config;
    if (open_policy(p, &f))
        OBS_LOG(daemon_log(d), OBS_ERROR, "policy.kept", OBS_TEXT("why", f.text),
                OBS_TEXT("remedy", f.remedy));
    else
        OBS_LOG(daemon_log(d), OBS_NOTICE, "policy.read", OBS_TEXT("file", p->config->policy));
}

static void man(struct buf *b)
{
    conf_put_man(&policy_schema, b);
}

const struct daemon_role pdp_role = {
    .name = "pdp",
    .summary = "policy decision point: decides what media a call may use and issues its token",
    .options = {pdp_options, PDP_OPTIONS_N, sizeof(struct pdp_config)},
    .check_options = pdp_check_options,
    .checks = checks,
    .n_checks = ARRAY_LEN(checks),
    .start = start,
    .stop = stop,
    .reload = reload,
    .man = man,
    .files = "/etc/portcullis/policy.yaml\twhat media calls may use\n"
             "/var/lib/portcullis/pdp.db\ttokens in force\n"
             "/var/lib/portcullis/pdp.key\tthe key that authenticates tokens\n",
    .status = commands_status,
};
