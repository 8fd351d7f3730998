/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands every program has. */
#include "common/daemon/inner.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void run_status(struct ops_request *rq, void *ctx)
{
    struct daemon *d = ctx;
    struct loop_stats stats;
    loop_stats_get(d->loop, &stats);
    json_t *status =
        json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I}", "program", d->role->name, "version",
                  PORTCULLIS_VERSION, "pid", (json_int_t)getpid(), "state",
                  d->draining ? "draining" : "running", "uptime_s",
                  (json_int_t)((loop_now(d->loop) - d->begun) / SEC), "slow_callbacks",
                  (json_int_t)stats.slow, "longest_callback_us", (json_int_t)stats.longest,
                  "log_lines_dropped", (json_int_t)obs_log_dropped(d->log));
    if (status && d->role->status)
        d->role->status(d, d->state, status);
    ops_ok(rq, status);
}

static void run_ladder(struct ops_request *rq, void *ctx)
{
    struct daemon *d = ctx;
    struct span name = ops_arg(rq, "call");
    if (!d->recorder) {
        ops_fail(rq, "set recorder.calls", "nothing is recorded");
        return;
    }
    json_t *ladder = obs_recorder_ladder(d->recorder, name, ops_flag(rq, "messages"));
    if (ladder)
        ops_ok(rq, ladder);
    else
        ops_fail(rq, "name it by ICID, Call-ID or the identity of one of its ends",
                 name.n ? "no call '%.*s' is recorded" : "no call is recorded%.*s",
                 SPAN_ARG(span_sub(name, 0, 200)));
}

static void run_log_level(struct ops_request *rq, void *ctx)
{
    struct daemon *d = ctx;
    struct span level = ops_arg(rq, "level");
    size_t i = obs_log_level(d->log);
    if (level.p) {
        for (i = 0; obs_level_names[i]; i++)
            if (span_eq(level, span_str(obs_level_names[i])))
                break;
        if (!obs_level_names[i]) {
            ops_misuse(rq, "take one of: error warn notice info debug", "'%.*s' is not a level",
                       SPAN_ARG(span_sub(level, 0, 40)));
            return;
        }
        obs_log_set_level(d->log, (enum obs_level)i);
        OBS_LOG(d->log, OBS_NOTICE, "log.level", OBS_TEXT("level", obs_level_names[i]));
    }
    ops_ok(rq, json_pack("{s:s}", "level", obs_level_names[i]));
}

static void run_self_test(struct ops_request *rq, void *ctx)
{
    const struct daemon *d = ctx;
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_results; i++) {
        const struct daemon_result *r = &d->results[i];
        if (json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:s}", "check", r->check->name, "result",
                                r->rc != 0         ? "missing"
                                : *r->finding.text ? "not needed"
                                                   : "ok",
                                "text", r->finding.text, "remedy", r->finding.remedy)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    ops_ok(rq, list);
}

static void run_metrics(struct ops_request *rq, void *ctx)
{
    struct daemon *d = ctx;
    struct buf b = {malloc(1 << 20), 0, 1 << 20, false};
    if (!b.p) {
        ops_ok(rq, NULL);
        return;
    }
    obs_metrics_collect(d->metrics);
    obs_metrics_text(d->metrics, &b);
    ops_ok(rq, json_stringn(b.p, b.n));
    free(b.p);
}

static const struct ops_param ladder_params[] = {
    {"call", "ICID, Call-ID or identity; without it the latest", OPS_WORD},
    {"messages", "Whole messages", OPS_FLAG},
};
static const struct ops_param level_params[] = {{"level", "error ... debug", OPS_WORD}};

static const struct ops_command commands[] = {
    {"status", "How the program is doing", NULL, 0, run_status},
    {"log level", "Shows or sets how much is logged", level_params, ARRAY_LEN(level_params),
     run_log_level},
    {"selftest", "What the start-up self-test found", NULL, 0, run_self_test},
    {"metrics", "All metrics, as Prometheus reads them", NULL, 0, run_metrics},
};

static const struct ops_command ladder[] = {
    {"ladder", "A recorded call, message by message", ladder_params, ARRAY_LEN(ladder_params),
     run_ladder},
};

int daemon_ladder_add(struct daemon *d)
{
    int rc = d->role->records_nothing ? 0 : ops_add(d->ops, ladder, ARRAY_LEN(ladder), d);
    return rc == -EEXIST ? 0 : rc; /* the role has one of its own */
}

int daemon_commands_add(struct daemon *d)
{
    return ops_add(d->ops, commands, ARRAY_LEN(commands), d);
}
