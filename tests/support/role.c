/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/role.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/daemon/inner.h"
#include "tests/support/suite.h"

struct role_house house;
static struct daemon borrowed;
static struct conf_table table;
static struct conf_report report;
static char lines[16384], said[16384];
static struct buf log_text;

/* ---- the configuration ---- */

const void *house_configure(const struct conf_table *options,
                            void (*check)(const struct conf *c, struct conf_report *report),
                            const char *yaml)
{
    conf_free(borrowed.conf);
    borrowed.conf = NULL;
    table = *options;
    borrowed.schema = (struct conf_schema){"role", "for tests", &table, 1, check, NULL, NULL};
    report = (struct conf_report){0};
    if (conf_parse(&borrowed.schema, span_str(yaml), "role.yaml", &borrowed.conf, &report) != 0)
        return NULL;
    return conf_values(borrowed.conf, 0);
}

size_t house_faults(void)
{
    return report.n + report.more;
}

bool house_is_fault(const char *place, const char *text, const char *remedy)
{
    char at[32] = "0:0";

    for (size_t i = 0; i < report.n; i++) {
        const struct conf_problem *p = &report.problems[i];

        snprintf(at, sizeof(at), "%u:%u", p->line, p->column);
        if (strcmp(at, place ? place : "0:0") == 0 && strcmp(p->text, text) == 0 &&
            strcmp(p->remedy, remedy) == 0)
            return true;
        printf("\n    a fault at %s: %s\n        %s\n", at, p->text, p->remedy);
    }
    return false;
}

/* ---- the house ---- */

static void on_line(void *ctx, struct span line)
{
    struct span level;

    (void)ctx;
    (void)span_cut(&line, ' '); /* the time */
    level = span_cut(&line, ' ');
    (void)span_cut(&line, ' '); /* the program */
    buf_fmt(&log_text, "%.*s %.*s", SPAN_ARG(level), SPAN_ARG(line));
}

void house_open(void)
{
    struct obs_log_options log = {.program = "role",
                                  .level = OBS_DEBUG,
                                  .format = OBS_LOGFMT,
                                  .show_identities = true,
                                  .sink = on_line};
    struct obs_recorder_options recorder = {.calls = 10};

    log_text = (struct buf){lines, 0, sizeof(lines) - 1, false};
    CU_ASSERT_EQUAL_FATAL(sim_new(23, &house.sim), 0);
    borrowed.loop = house.loop = sim_loop(house.sim, "role");
    CU_ASSERT_EQUAL_FATAL(ops_new(house.loop, &house.ops), 0);
    CU_ASSERT_EQUAL_FATAL(obs_log_new(&log, &house.log), 0);
    CU_ASSERT_EQUAL_FATAL(obs_metrics_new(&house.metrics), 0);
    CU_ASSERT_EQUAL_FATAL(obs_recorder_new(&recorder, sim_rnd(house.sim), &house.recorder), 0);
    borrowed.ops = house.ops;
    borrowed.log = house.log;
    borrowed.metrics = house.metrics;
    borrowed.recorder = house.recorder;
    house.daemon = &borrowed;
    house.config = borrowed.conf ? conf_values(borrowed.conf, 0) : NULL;
}

void house_close(void)
{
    json_decref(house.answer);
    ops_free(house.ops);
    obs_recorder_free(house.recorder);
    obs_metrics_free(house.metrics);
    obs_log_free(house.log);
    if (house.sim)
        sim_free(house.sim);
    conf_free(borrowed.conf);
    borrowed = (struct daemon){0};
    house = (struct role_house){0};
}

struct obs_recorder *house_lose_recorder(void)
{
    struct obs_recorder *was = house.recorder;

    borrowed.recorder = house.recorder = NULL;
    return was;
}

static void on_answer(void *ctx, struct span line)
{
    (void)ctx;
    json_decref(house.answer);
    house.answer = json_loadb(line.p, line.n, 0, NULL);
}

bool house_ask(const char *command, const char *arguments)
{
    char line[2048];
    const char *word = strchr(command, ' ');
    struct buf b = BUF_ON(line);

    buf_fmt(&b, "{\"command\": \"%.*s\", \"words\": [", (int)strcspn(command, " "), command);
    if (word)
        buf_fmt(&b, "\"%s\"", word + 1);
    buf_fmt(&b, "], \"arguments\": {%s}}", arguments);
    CU_ASSERT_FALSE_FATAL(b.overflow);
    json_decref(house.answer);
    house.answer = NULL;
    ops_execute(house.ops, buf_span(&b), on_answer, NULL);
    sim_run(house.sim, 300 * MSEC);
    CU_ASSERT_PTR_NOT_NULL_FATAL(house.answer);
    return json_is_true(json_object_get(house.answer, "ok"));
}

json_t *house_result(void)
{
    return json_object_get(house.answer, "result");
}

json_t *house_row(size_t i)
{
    return json_array_get(house_result(), i);
}

const char *house_member(const json_t *object, const char *name)
{
    static char text[8][64];
    static unsigned next;
    const json_t *v = json_object_get(object, name);
    char *dst = text[next++ % ARRAY_LEN(text)];

    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_integer(v))
        snprintf(dst, sizeof(text[0]), "%lld", (long long)json_integer_value(v));
    else
        snprintf(dst, sizeof(text[0]), "%s",
                 json_is_true(v)    ? "true"
                 : json_is_false(v) ? "false"
                                    : "(none)");
    return dst;
}

bool house_refused(const char *error, const char *remedy, bool wrong_use)
{
    bool same = json_is_false(json_object_get(house.answer, "ok")) &&
                strcmp(house_member(house.answer, "error"), error) == 0 &&
                strcmp(house_member(house.answer, "remedy"), remedy) == 0 &&
                json_is_true(json_object_get(house.answer, "wrong_use")) == wrong_use;
    char *text = same ? NULL : json_dumps(house.answer, 0);

    if (text)
        printf("\n    not \"%s\" / \"%s\" but %s\n", error, remedy, text);
    free(text);
    return same;
}

long house_metric(const char *name)
{
    static char text[1 << 17];
    struct buf b = {text, 0, sizeof(text) - 1, false};
    size_t n = strlen(name);

    obs_metrics_collect(house.metrics);
    obs_metrics_text(house.metrics, &b);
    CU_ASSERT_FALSE_FATAL(b.overflow);
    text[b.n] = '\0';
    for (const char *at = text; (at = strstr(at, name)); at += n)
        if (at[n] == ' ' && (at - text < 12 || strncmp(at - 12, "\nportcullis_", 12) == 0))
            return strtol(at + n, NULL, 10);
    return -1;
}

const char *house_logged(void)
{
    memcpy(said, lines, log_text.n);
    said[log_text.n] = '\0';
    CU_ASSERT_FALSE(log_text.overflow);
    log_text = (struct buf){lines, 0, sizeof(lines) - 1, false};
    return said;
}

bool house_logged_is(const char *want)
{
    const char *got = house_logged();
    bool same = strcmp(got, want) == 0;

    if (!same)
        printf("\n    not %s    but %s\n", want, got);
    return same;
}
