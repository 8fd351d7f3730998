/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start and end of the process. */
#include "scscf/program/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- self-test -------------------------------------------------------------------------------- */

static int check_port(const void *config, struct daemon_finding *ret)
{
    const struct scscf_config *c = config;
    int rc = daemon_check_bind("mw.address", &c->mw, SOCK_DGRAM, ret);

    return rc != 0 ? rc : daemon_check_bind("mw.address", &c->mw, SOCK_STREAM, ret);
}

static int check_directories(const void *config, struct daemon_finding *ret)
{
    const struct scscf_config *c = config;
    int rc = daemon_check_parent("subscribers.path", c->store, ret);

    return rc != 0 ? rc : daemon_check_directory("cdr.directory", c->cdr_dir, ret);
}

static const struct daemon_check checks[] = {
    {"port", true, check_port},
    {"directories", true, check_directories},
};

/* ---- start ------------------------------------------------------------------------------------ */

static int open_subscribers(struct scscf_program *p, struct daemon_finding *f)
{
    struct subscribers_config config = {.path = p->config->store,
                                        .auth = p->auth,
                                        .rnd = daemon_rnd(p->daemon),
                                        .avoid_nul_res = p->config->avoid_nul_res,
                                        .limit = (size_t)p->config->subscribers,
                                        .alarm = scscf_report_subscribers,
                                        .ctx = p};
    struct subscribers_error error = {0};
    int rc = subscribers_new(p->loop, &config, &p->subscribers, &error);

    if (rc != 0) {
        daemon_find(f, error.remedy, "%s", error.text);
        f->option = "subscribers.path";
    }
    return rc;
}

static int open_spool(struct scscf_program *p, struct daemon_finding *f)
{
    struct charging_spool_config config = {.dir = p->config->cdr_dir,
                                           .name = "scscf",
                                           .rotate_bytes = p->config->cdr_rotate_size,
                                           .rotate_time = p->config->cdr_rotate_time,
                                           .gather_time = p->config->cdr_gather_time,
                                           .retry_time = p->config->cdr_retry_time,
                                           .notes = (uint32_t)p->config->calls,
                                           .alarm = scscf_report_disk,
                                           .ctx = p};
    struct charging_alarm alarm = {0};
    struct charging_spool_stats stats;
    int rc = charging_spool_new(p->loop, &config, &p->spool, &alarm);

    if (rc != 0) {
        daemon_find(f, alarm.remedy, "%s", alarm.text);
        f->option = "cdr.directory";
        return rc;
    }
    charging_spool_stats_get(p->spool, &stats);
    if (stats.recovered || stats.damaged)
        OBS_LOG(p->log, OBS_WARN, "cdr.recovered", OBS_UINT("calls", stats.recovered),
                OBS_UINT("unreadable", stats.damaged),
                OBS_TEXT("why", "they were open when the last S-CSCF was killed"));
    return 0;
}

static int open_core(struct scscf_program *p, struct daemon_finding *f)
{
    struct scscf_env env = {.loop = p->loop,
                            .net = p->net,
                            .rnd = daemon_rnd(p->daemon),
                            .auth = p->auth,
                            .subscribers = p->subscribers,
                            .spool = p->spool,
                            .on_call = scscf_report_call,
                            .on_register = scscf_report_register,
                            .on_bad = scscf_report_bad,
                            .on_stranger = scscf_report_stranger,
                            .on_false_answer = scscf_report_false_answer,
                            .ctx = p};
    struct span domains[33], names[32]; /* the option table allows no more */
    struct scscf_options options;
    char address[ADDR_TEXT_MAX], own[300];
    int rc;

    scscf_settings(p->config, domains, names, &options);
    if (options.n_hosts == 0) {
        (void)snprintf(own, sizeof(own), "scscf.%s", p->config->realm); /* a CONF_NAME is bounded */
        names[options.n_hosts++] = span_str(own);
    }
    rc = scscf_new(&env, &options, &p->scscf);
    if (rc != 0)
        daemon_find(f,
                    rc == -EADDRINUSE
                        ? "Stop the program that has the port, or change mw.address."
                        : "Give mw.address an address of this machine and a free port.",
                    "%s cannot be opened: %s", addr_text(&p->config->mw, address), strerror(-rc));
    else if (p->recorder)
        sip_transport_set_tap(scscf_transport(p->scscf), scscf_report_tap, p);
    return rc;
}

static void close_all(struct scscf_program *p)
{
    if (p->scscf)
        scscf_close_calls(p->scscf);
    if (p->reader)
        loop_thread_free(p->reader);
    charging_spool_free(p->spool); /* before the calls: it tells them that they are written */
    scscf_free(p->scscf);
    subscribers_free(p->subscribers);
    auth_free(p->auth);
    if (p->net)
        net_free(p->net);
    free(p);
}

static int open_all(struct scscf_program *p, struct daemon_finding *f)
{
    int rc = sip_init();

    if (rc == 0)
        rc = auth_new(daemon_rnd(p->daemon), &p->auth);
    if (rc == -ENOTSUP)
        daemon_find(f, "Use an OpenSSL that is not restricted to FIPS algorithms.",
                    "this OpenSSL has no MD5 or AES");
    if (rc == 0)
        rc = net_new(p->loop, &p->net);
    if (rc == 0)
        rc = loop_thread_new(p->loop, "cdr", 8, &p->reader);
    if (rc == 0)
        rc = open_subscribers(p, f);
    if (rc == 0)
        rc = open_spool(p, f);
    if (rc == 0)
        rc = open_core(p, f);
    if (rc == 0)
        rc = scscf_report_new(p, daemon_metrics(p->daemon));
    return rc == 0 ? scscf_commands_new(p) : rc;
}

static int start(struct daemon *d, void *early, void **ret_role, struct daemon_finding *f)
{
    struct scscf_program *p = calloc(1, sizeof(*p));
    int rc;

    (void)early;
    if (!p)
        return -ENOMEM;
    p->daemon = d;
    p->config = daemon_config(d);
    p->loop = daemon_loop(d);
    p->ops = daemon_ops(d);
    p->log = daemon_log(d);
    p->recorder = daemon_recorder(d);
    p->disk = &charging_disk_real;
    rc = open_all(p, f);
    if (rc != 0) {
        close_all(p);
        return rc;
    }
    *ret_role = p;
    return 0;
}

static void drain(struct daemon *d, void *role)
{
    struct scscf_program *p = role;

    (void)d;
    scscf_drain(p->scscf);
}

static bool is_idle(const void *role)
{
    const struct scscf_program *p = role;

    return scscf_is_idle(p->scscf);
}

static void stop(struct daemon *d, void *role)
{
    (void)d;
    close_all(role);
}

static void put_field(const struct cdr_field *f, void *ctx)
{
    struct buf *b = ctx;

    buf_fmt(b, ".TP\n.B %s\n", f->name);
    conf_put_troff(b, span_str(f->help));
    buf_fmt(b, "\n(%s)\n", f->kind);
}

static void man(struct buf *b)
{
    buf_puts(b, ".SH CHARGING RECORDS\n");
    conf_put_troff(
        b, SPAN("A record for each user served here, of each call and each MESSAGE, also of those "
                "that came to nothing: in files NAME-NUMBER.jsonl of cdr.directory, one JSON "
                "object a line; the open one ends in .open. `imsctl cdr export` gives them as CSV "
                "(one line a record, RFC 4180, with a head) or JSON (one object a line). The "
                "fields, in the order of TS 32.298 where it has them; in JSON those without a "
                "value are absent. Times are UTC with microseconds: 2030-01-01T00:00:00.000001Z."));
    buf_putc(b, '\n');
    cdr_fields_each(put_field, b);
}

const struct daemon_role scscf_role = {
    .name = "scscf",
    .summary = "S-CSCF: registrar, authentication, call state and charging records",
    .options = SCSCF_OPTIONS,
    .check_options = scscf_check_options,
    .checks = checks,
    .n_checks = ARRAY_LEN(checks),
    .start = start,
    .drain = drain,
    .is_idle = is_idle,
    .stop = stop,
    .man = man,
    .files = "/var/lib/portcullis/scscf.db\tsubscribers and their keys\n"
             "/var/lib/portcullis/cdr\tcharging records\n",
    .status = scscf_commands_status,
};
