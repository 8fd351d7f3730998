/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a program: start, signals, the tick, drain, end. */
#include "common/daemon/inner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK         SEC
#define IDLE_LOOK    (100 * MSEC)
#define SLOW_WARNING UINT64_C(10000) /* microseconds; one callback that is worth a line */

enum { M_SLOW, M_LOG_DROPPED, M_UPTIME, M_DRAINING };
static const struct obs_metric metrics[] = {
    [M_SLOW] = {"loop_slow_callbacks_total", "Callbacks that took more than a millisecond"},
    [M_LOG_DROPPED] = {"log_lines_dropped_total", "Log lines lost to ring, rate or disk"},
    [M_UPTIME] = {"uptime_seconds", "Since the start", OBS_GAUGE},
    [M_DRAINING] = {"draining", "1 while the program is ending", OBS_GAUGE},
};

const void *daemon_config(const struct daemon *d)
{
    return conf_values(d->conf, 0);
}

struct loop *daemon_loop(struct daemon *d)
{
    return d->loop;
}

const struct rnd *daemon_rnd(struct daemon *d)
{
    (void)d;
    return &rnd_system;
}

struct obs_log *daemon_log(struct daemon *d)
{
    return d->log;
}

struct obs_metrics *daemon_metrics(struct daemon *d)
{
    return d->metrics;
}

struct obs_recorder *daemon_recorder(struct daemon *d)
{
    return d->recorder;
}

struct ops *daemon_ops(struct daemon *d)
{
    return d->ops;
}

/* ---- configuration ---- */

static int load(const struct daemon *d, struct conf **ret_conf, struct conf_report *report)
{
    const char *file = d->arguments.config ? d->arguments.config : d->default_file;
    int rc = conf_load(&d->schema, file, ret_conf, report);
    if (rc == -ENOENT)
        (void)snprintf(report->problems[0].remedy, sizeof(report->problems[0].remedy),
                       "`%s --sample` prints one; --config FILE names another", d->role->name);
    return rc;
}

static int load_first(struct daemon *d)
{
    struct conf_report report;
    int rc = load(d, &d->conf, &report);
    if (rc == 0)
        return 0;
    char text[16384];
    struct buf b = BUF_ON(text);
    conf_report_text(&report, &b);
    (void)fwrite(b.p, 1, b.n, stderr);
    return rc;
}

static void on_hangup(int signo, void *ctx)
{
    struct daemon *d = ctx;
    struct conf *next = NULL;
    struct conf_report report;
    (void)signo;
    int rc = obs_log_reopen(d->log);
    if (rc < 0)
        OBS_LOG(d->log, OBS_ERROR, "log.reopen_failed", OBS_ERRNO("error", rc));
    rc = load(d, &next, &report);
    for (size_t i = 0; rc < 0 && i < report.n; i++)
        OBS_LOG(d->log, OBS_ERROR, "reload.refused", OBS_TEXT("file", report.file),
                OBS_UINT("line", report.problems[i].line),
                OBS_UINT("column", report.problems[i].column),
                OBS_TEXT("text", report.problems[i].text),
                OBS_TEXT("remedy", report.problems[i].remedy));
    if (rc < 0)
        return;
    const struct daemon_options *own = conf_values(next, 1);
    obs_log_set_level(d->log, (enum obs_level)own->log_level);
    if (d->role->reload) {
        struct conf *last = d->conf;
        d->conf = next;
        d->role->reload(d, d->state, conf_values(next, 0));
        if (d->first)
            conf_free(last);
        else
            d->first = last;
    } else {
        conf_free(next);
    }
    OBS_LOG(d->log, OBS_NOTICE, "reload.done", OBS_BOOL("role", d->role->reload != NULL));
}

/* ---- the end ---- */

static void on_stop(struct loop_task *t, void *ctx)
{
    (void)t;
    loop_stop(((struct daemon *)ctx)->loop);
}

static void end(struct daemon *d)
{
    loop_timer_stop(d->loop, &d->idle_look);
    loop_timer_stop(d->loop, &d->drain_limit);
    loop_defer(d->loop, &d->stop);
}

static void on_drain_limit(struct loop_timer *t, void *ctx)
{
    struct daemon *d = ctx;
    (void)t;
    OBS_LOG(d->log, OBS_WARN, "drain.limit", OBS_UINT("limit_us", daemon_own(d)->drain_time));
    end(d);
}

static void on_idle_look(struct loop_timer *t, void *ctx)
{
    struct daemon *d = ctx;
    if (d->role->is_idle(d->state))
        end(d);
    else
        loop_timer_start(d->loop, t, IDLE_LOOK);
}

static void begin_drain(struct daemon *d)
{
    if (d->draining) {
        end(d);
        return;
    }
    d->draining = true;
    daemon_notify("STOPPING=1");
    ops_http_beat(d->http, false);
    if (d->role->drain)
        d->role->drain(d, d->state);
    if (!d->role->is_idle) {
        end(d);
        return;
    }
    loop_timer_start(d->loop, &d->drain_limit, daemon_own(d)->drain_time);
    loop_timer_start(d->loop, &d->idle_look, 0);
}

static void on_end(int signo, void *ctx)
{
    struct daemon *d = ctx;
    OBS_LOG(d->log, OBS_NOTICE, d->draining ? "drain.cut_short" : "drain.begin",
            OBS_TEXT("signal", signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    begin_drain(d);
}

void daemon_fail(struct daemon *d, const struct daemon_finding *finding)
{
    OBS_LOG(d->log, OBS_ERROR, "failed", OBS_TEXT("text", finding->text),
            OBS_TEXT("remedy", finding->remedy));
    d->failed = true;
    if (!d->draining)
        begin_drain(d);
}

/* ---- once a second ---- */

static void on_tick(struct loop_timer *t, void *ctx)
{
    struct daemon *d = ctx;
    struct loop_stats now;
    loop_timer_start(d->loop, t, TICK);
    loop_stats_get(d->loop, &now);
    if (now.longest > d->seen.longest && now.longest >= SLOW_WARNING)
        OBS_LOG(d->log, OBS_WARN, "loop.slow", OBS_UINT("longest_us", now.longest),
                OBS_UINT("slow", now.slow - d->seen.slow));
    uint64_t dropped = obs_log_dropped(d->log);
    obs_add(d->values, M_SLOW, 0, now.slow - d->seen.slow);
    obs_add(d->values, M_LOG_DROPPED, 0, dropped - d->dropped_seen);
    obs_set(d->values, M_UPTIME, 0, (int64_t)((loop_now(d->loop) - d->begun) / SEC));
    obs_set(d->values, M_DRAINING, 0, d->draining);
    d->seen = now;
    d->dropped_seen = dropped;
    obs_metrics_collect(d->metrics);
    ops_http_beat(d->http, d->ready && !d->draining);
    daemon_notify("WATCHDOG=1");
}

/* ---- the start, step by step; each says what went wrong ---- */

static int open_log(struct daemon *d, struct daemon_finding *f)
{
    const struct daemon_options *own = daemon_own(d);
    struct obs_log_options o = {.program = d->role->name,
                                .level = (enum obs_level)own->log_level,
                                .format = (enum obs_format)own->log_format,
                                .file = own->log_file,
                                .rate = (unsigned)own->log_rate,
                                .show_identities = own->show_identities};
    rnd_system.fill(rnd_system.ctx, o.identity_key, sizeof(o.identity_key));
    if (own->identity_key.n >= sizeof(o.identity_key))
        memcpy(o.identity_key, own->identity_key.bytes, sizeof(o.identity_key));
    int rc = own->identity_key.n > 0 && own->identity_key.n < sizeof(o.identity_key)
                 ? -EMSGSIZE
                 : obs_log_new(&o, &d->log);
    if (rc == -EMSGSIZE)
        daemon_find(f, "write 16 random octets or 32 hex digits into it",
                    "the file of log.identity_key is too short");
    else if (rc < 0)
        daemon_find(f, "make its directory, let the user we run as write there, or name another",
                    "the log %s cannot be opened: %s", own->log_file, strerror(-rc));
    if (rc < 0)
        f->option = rc == -EMSGSIZE ? "log.identity_key" : "log.file";
    return rc;
}

static int open_parts(struct daemon *d, struct daemon_finding *f)
{
    const struct daemon_options *own = daemon_own(d);
    struct obs_recorder_options o = {.calls = (unsigned)own->recorder_calls,
                                     .messages = (unsigned)own->recorder_messages,
                                     .bytes = own->recorder_memory};
    int rc = loop_new(&d->loop);
    if (rc == 0)
        rc = obs_metrics_new(&d->metrics);
    if (rc == 0)
        rc = obs_metrics_add(d->metrics, metrics, ARRAY_LEN(metrics), &d->values);
    if (rc == 0 && o.calls > 0)
        rc = obs_recorder_new(&o, &rnd_system, &d->recorder);
    if (rc == 0)
        rc = ops_new(d->loop, &d->ops);
    if (rc == 0)
        rc = daemon_commands_add(d);
    if (rc == 0)
        rc = loop_signal(d->loop, SIGTERM, on_end, d);
    if (rc == 0)
        rc = loop_signal(d->loop, SIGINT, on_end, d);
    if (rc == 0)
        rc = loop_signal(d->loop, SIGHUP, on_hangup, d);
    if (rc < 0)
        daemon_find(f, "look at the limits of the process (memory, open files)",
                    "the event loop cannot be made: errno %d", -rc);
    return rc;
}

static const char *socket_path(const struct daemon *d, char *space, size_t cap)
{
    const char *run = getenv("PORTCULLIS_RUN");
    if (d->arguments.socket)
        return d->arguments.socket;
    if (!run || !*run)
        return daemon_own(d)->socket;
    int n = snprintf(space, cap, "%s/%s.sock", run, d->role->name);
    return n > 0 && (size_t)n < cap ? space : daemon_own(d)->socket;
}

static int open_doors(struct daemon *d, struct daemon_finding *f)
{
    const struct daemon_options *own = daemon_own(d);
    char space[256], why[96], text[ADDR_TEXT_MAX];
    struct ops_socket_options o = {.path = socket_path(d, space, sizeof(space))};
    int rc = daemon_ladder_add(d);
    if (rc == 0)
        rc = ops_listen(d->ops, &o);
    if (rc < 0) {
        if (strerror_r(-rc, why, sizeof(why)) != 0)
            why[0] = '\0';
        daemon_find(f,
                    rc == -EADDRINUSE     ? "another one is running; end it, or give --socket PATH"
                    : rc == -ENOENT       ? "make its directory, or give --socket PATH"
                    : rc == -ENAMETOOLONG ? "a socket's path has at most 107 octets; give a "
                                            "shorter one (--socket PATH)"
                                          : "let the user we run as write to its directory, or "
                                            "give --socket PATH",
                    "the control socket %s cannot be opened: %s", o.path, why);
        f->option = o.path == own->socket ? "ops.socket" : NULL;
        return rc;
    }
    if (own->metrics.family == 0)
        return 0;
    rc = ops_http_new(&own->metrics, d->metrics, &d->http);
    if (rc < 0) {
        if (strerror_r(-rc, why, sizeof(why)) != 0)
            why[0] = '\0';
        daemon_find(
            f,
            rc == -EADDRINUSE ? "another program has the port (`ss -lnpt` shows which); end "
                                "it, or take another"
                              : "give an address of this machine and a free port",
            "the metrics at TCP %s cannot be offered: %s", addr_text(&own->metrics, text), why);
        f->option = "ops.metrics";
    }
    return rc;
}

static int start(struct daemon *d, bool *ret_started, struct daemon_finding *f)
{
    int rc = open_log(d, f);
    if (rc == 0)
        rc = open_parts(d, f);
    if (rc < 0)
        return rc;
    d->begun = loop_now(d->loop);
    loop_timer_init(&d->tick, on_tick, d);
    loop_timer_init(&d->idle_look, on_idle_look, d);
    loop_timer_init(&d->drain_limit, on_drain_limit, d);
    loop_task_init(&d->stop, on_stop, d);
    daemon_self_test_log(d);
    rc = d->role->start(d, d->early, &d->state, f);
    *ret_started = rc == 0;
    if (rc == 0)
        rc = open_doors(d, f);
    return rc;
}

static void run(struct daemon *d)
{
    d->ready = true;
    on_tick(&d->tick, d);
    daemon_notify("READY=1");
    OBS_LOG(d->log, OBS_NOTICE, "ready", OBS_TEXT("version", PORTCULLIS_VERSION));
    loop_run(d->loop);
    loop_timer_stop(d->loop, &d->tick);
    OBS_LOG(d->log, OBS_NOTICE, "ended", OBS_BOOL("failed", d->failed));
}

/* The last word, on standard error, whatever the log is. Whoever reads the log's file finds it
 * there, too. */
static void tell(struct daemon *d, const struct daemon_finding *f)
{
    char text[1024];
    struct buf b = BUF_ON(text);
    if (d->log && daemon_own(d)->log_file[0])
        OBS_LOG(d->log, OBS_ERROR, "start.failed", OBS_TEXT("text", f->text),
                OBS_TEXT("remedy", f->remedy));
    obs_log_free(d->log); /* written, so that nothing comes behind */
    d->log = NULL;
    buf_fmt(&b, "%s: ", d->role->name);
    daemon_put_finding(d, f, &b);
    (void)fwrite(b.p, 1, b.n, stderr);
}

static void fini(struct daemon *d, const struct daemon_finding *failure)
{
    ops_http_free(d->http);
    ops_free(d->ops);
    /* What was forked early may still be watched by the loop. */
    if (d->early && d->role->stop_early)
        d->role->stop_early(d->early);
    if (d->loop)
        loop_free(d->loop);
    obs_recorder_free(d->recorder);
    obs_metrics_free(d->metrics);
    if (failure)
        tell(d, failure);
    obs_log_free(d->log);
    conf_free(d->first);
    conf_free(d->conf);
}

/* With a good configuration and self-test. */
static int live(struct daemon *d)
{
    struct daemon_finding f = {.option = NULL};
    bool started = false;
    int rc =
        d->role->fork_children ? d->role->fork_children(conf_values(d->conf, 0), &d->early, &f) : 0;
    if (rc == 0)
        rc = start(d, &started, &f);
    if (rc == 0)
        run(d);
    if (started && d->role->stop)
        d->role->stop(d, d->state);
    fini(d, rc < 0 ? &f : NULL);
    return rc < 0 ? 1 : d->failed;
}

/* So that no socket ever gets the number of standard error, which the log writes to. */
static void hold_standard_fds(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd); /* was only to find the lowest free number */
}

int daemon_main(const struct daemon_role *role, int argc, char **argv)
{
    hold_standard_fds();
    struct daemon *d = calloc(1, sizeof(*d));
    if (!d)
        return 1;
    d->role = role;
    d->tables[0] = role->options;
    d->tables[1] = (struct conf_table){d->options, daemon_options_put(role, d->options),
                                       sizeof(struct daemon_options)};
    d->schema = (struct conf_schema){role->name, role->summary, d->tables, 2, role->check_options};
    (void)snprintf(d->default_file, sizeof(d->default_file), "/etc/portcullis/%s.yaml", role->name);
    /* Peers that go away and files that may not grow are errors of write, not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    int status = 0;
    bool good = false;
    if (daemon_arguments_parse(role, argc, argv, &d->arguments) < 0)
        status = 2;
    else if (daemon_arguments_print(role, &d->schema, &d->arguments))
        status = 0;
    else if (load_first(d) < 0)
        status = 1;
    else if (d->arguments.what == DAEMON_CHECK)
        (void)fprintf(stderr, "%s: the configuration is good\n", role->name);
    else
        good = true;
    if (good) {
        bool fit = daemon_self_test(d);
        if (!fit || d->arguments.what == DAEMON_SELF_TEST)
            daemon_self_test_print(d, d->arguments.what == DAEMON_SELF_TEST);
        if (fit && d->arguments.what == DAEMON_RUN) {
            status = live(d); /* frees what d holds */
            free(d);
            return status;
        }
        status = fit ? 0 : 1;
    }
    conf_free(d->conf);
    free(d);
    return status;
}
