/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands: which one is meant, are its arguments allowed, the answer. */
#include "common/ops/inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_LEN = 64, VALUES_MAX = 64, USAGE_MAX = 1024, ANSWER_MAX = 2048 };

/* ---- the tables ---- */

static void run_commands(struct ops_request *rq, void *ctx);

static const struct ops_command own_commands[] = {
    {"commands", "What can be asked here", NULL, 0, run_commands},
};

int ops_new(struct loop *l, struct ops **ret_ops)
{
    struct ops *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->loop = l;
    o->last_table = &o->tables;
    list_init(&o->requests);
    int rc = ops_add(o, own_commands, ARRAY_LEN(own_commands), o);
    if (rc < 0) {
        free(o);
        return rc;
    }
    *ret_ops = o;
    return 0;
}

void ops_free(struct ops *o)
{
    if (!o)
        return;
    ops_socket_free(o->socket);
    LIST_EACH (it, &o->requests) {
        ops_request_forget(CONTAINER_OF(it, struct ops_request, item));
        list_del(it);
    }
    while (o->tables) {
        struct ops_table *table = o->tables;
        o->tables = table->next;
        free(table);
    }
    free(o);
}

/* A few dozen commands, asked for by people. */
static const struct ops_command *find(const struct ops *o, struct span name, void **ret_ctx)
{
    for (const struct ops_table *t = o->tables; t; t = t->next) {
        for (size_t i = 0; i < t->n; i++) {
            if (!span_eq(span_str(t->commands[i].name), name))
                continue;
            *ret_ctx = t->ctx;
            return &t->commands[i];
        }
    }
    return NULL;
}

int ops_add(struct ops *o, const struct ops_command *table, size_t n, void *ctx)
{
    void *other;
    for (size_t i = 0; i < n; i++)
        if (find(o, span_str(table[i].name), &other))
            return -EEXIST;
    struct ops_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct ops_table){table, n, ctx, NULL};
    *o->last_table = t;
    o->last_table = &t->next;
    return 0;
}

static void put_usage(struct buf *b, const struct ops_command *c)
{
    for (size_t i = 0; i < c->n_params; i++) {
        const struct ops_param *p = &c->params[i];
        buf_puts(b, i ? " " : "");
        if (!(p->flags & OPS_REQUIRED))
            buf_putc(b, '[');
        if (!(p->flags & OPS_WORD))
            buf_puts(b, "--");
        buf_puts(b, p->name);
        if (!(p->flags & (OPS_WORD | OPS_FLAG)))
            buf_puts(b, " VALUE");
        if (p->flags & OPS_MANY)
            buf_puts(b, " ...");
        if (!(p->flags & OPS_REQUIRED))
            buf_putc(b, ']');
    }
}

/* {command, arguments, help, parameters, switches}: the last for imsctl, which must know what has no
 * value. */
static json_t *describe(const struct ops_command *c)
{
    char usage[USAGE_MAX];
    struct buf b = {usage, 0, sizeof(usage) - 1, false};
    put_usage(&b, c);
    usage[b.n] = '\0';
    json_t *switches = json_array(), *parameters = json_object();
    int rc = 0;
    for (size_t i = 0; i < c->n_params; i++) {
        const struct ops_param *p = &c->params[i];
        if (p->flags & OPS_FLAG)
            rc |= json_array_append_new(switches, json_string(p->name));
        rc |= json_object_set_new(parameters, p->name, json_string(p->help));
    }
    json_t *row = json_pack("{s:s, s:s, s:s, s:o}", "command", c->name, "arguments", usage, "help",
                            c->help, "parameters", parameters);
    if (rc == 0 && json_array_size(switches) > 0)
        rc = json_object_set(row, "switches", switches);
    json_decref(switches);
    if (rc == 0)
        return row;
    json_decref(row);
    return NULL;
}

static void run_commands(struct ops_request *rq, void *ctx)
{
    const struct ops *o = ctx;
    json_t *list = json_array();
    int rc = 0;
    for (const struct ops_table *t = o->tables; t; t = t->next)
        for (size_t i = 0; i < t->n; i++)
            rc |= json_array_append_new(list, describe(&t->commands[i]));
    if (rc != 0) {
        json_decref(list);
        list = NULL;
    }
    ops_ok(rq, list);
}

/* ---- answers ---- */

void ops_refusal(struct buf *b, const char *error, const char *remedy, bool wrong_use)
{
    json_t *line = json_pack("{s:b, s:s, s:s, s:o*}", "ok", 0, "error", error, "remedy", remedy,
                             "wrong_use", wrong_use ? json_true() : NULL);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    buf_puts(b, text ? text : "{\"ok\":false,\"error\":\"memory is out\",\"remedy\":\"\"}");
    free(text);
    json_decref(line);
}

static void request_end(struct ops_request *rq, struct span line)
{
    void (*answer)(void *ctx, struct span line) = rq->answer;
    void *ctx = rq->ctx;
    if (rq->ended)
        *rq->ended = true;
    list_del(&rq->item);
    json_decref(rq->args);
    free(rq);
    if (answer)
        answer(ctx, line);
}

void ops_request_forget(struct ops_request *rq)
{
    rq->answer = NULL;
}

/* Rows that are as many as may come say so: there may be more. */
static json_t *limit_reached(const struct ops_request *rq, const json_t *result)
{
    bool full = rq->limit > 0 && json_is_array(result) && json_array_size(result) >= rq->limit;
    return full ? json_integer((json_int_t)rq->limit) : NULL;
}

void ops_ok(struct ops_request *rq, json_t *result)
{
    json_t *line = result ? json_pack("{s:b, s:o, s:o*}", "ok", 1, "result", result, "limit",
                                      limit_reached(rq, result))
                          : NULL;
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) {
        ops_fail(rq, "try again; if it stays, look at the log", "the answer could not be made");
        return;
    }
    request_end(rq, span_str(text));
    free(text);
}

/* What was cut inside a character is no UTF-8 any more, and could not be told. */
static void make_text(char *s)
{
    json_t *is_text = json_string(s);

    for (; !is_text && *s; s++)
        if ((unsigned char)*s >= 0x80)
            *s = '?';
    json_decref(is_text);
}

static void refuse(struct ops_request *rq, bool wrong_use, const char *remedy, const char *fmt,
                   va_list ap) __attribute__((format(printf, 4, 0)));
static void refuse(struct ops_request *rq, bool wrong_use, const char *remedy, const char *fmt,
                   va_list ap)
{
    char error[512], line[ANSWER_MAX];
    struct buf b = BUF_ON(line);
    (void)vsnprintf(error, sizeof(error), fmt, ap); /* cut when it is too long */
    make_text(error);
    ops_refusal(&b, error, remedy ? remedy : "", wrong_use);
    request_end(rq,
                b.overflow ? SPAN("{\"ok\":false,\"error\":\"?\",\"remedy\":\"\"}") : buf_span(&b));
}

void ops_fail(struct ops_request *rq, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(rq, false, remedy, fmt, ap);
    va_end(ap);
}

void ops_misuse(struct ops_request *rq, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(rq, true, remedy, fmt, ap);
    va_end(ap);
}

/* ---- arguments ---- */

/* "barred_impu" is "barred-impu", as options are written. */
static bool same_name(const char *name, struct span given)
{
    size_t i = 0;
    while (i < given.n && name[i] == (given.p[i] == '_' ? '-' : given.p[i]))
        i++;
    return i == given.n && name[i] == '\0';
}

static const struct ops_param *param_of(const struct ops_command *c, struct span name)
{
    for (size_t i = 0; i < c->n_params; i++)
        if (same_name(c->params[i].name, name))
            return &c->params[i];
    return NULL;
}

static const struct ops_param *word_of(const struct ops_command *c, size_t index)
{
    for (size_t i = 0, words = 0; i < c->n_params; i++) {
        if (!(c->params[i].flags & OPS_WORD))
            continue;
        if (words++ == index || (c->params[i].flags & OPS_MANY))
            return &c->params[i];
    }
    return NULL;
}

/* Refuses with the way the command is used. */
static int misuse(struct ops_request *rq, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int misuse(struct ops_request *rq, const char *fmt, ...)
{
    char usage[USAGE_MAX], error[256];
    struct buf b = {usage, 0, sizeof(usage) - 1, false};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(error, sizeof(error), fmt, ap); /* cut when it is too long */
    va_end(ap);
    buf_fmt(&b, "usage: %s%s", rq->command->name, rq->command->n_params ? " " : "");
    put_usage(&b, rq->command);
    usage[b.n] = '\0';
    ops_misuse(rq, usage, "%s", error);
    return -EINVAL;
}

/* One value of a parameter; on failure the request has been answered. */
static int take_value(struct ops_request *rq, const struct ops_param *p, const json_t *value)
{
    json_t *values = json_object_get(rq->args, p->name), *text = NULL;
    char digits[32];
    if (!values) {
        values = json_array();
        if (json_object_set_new(rq->args, p->name, values) != 0)
            return misuse(rq, "memory is out");
    }
    if (p->flags & OPS_FLAG) {
        if (!json_is_true(value))
            return misuse(rq, "--%s has no value", p->name);
        text = json_string("");
    } else if (json_is_string(value)) {
        text = json_stringn(json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        (void)snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
        text = json_string(digits);
    } else {
        return misuse(rq, "%s%s needs a value", p->flags & OPS_WORD ? "" : "--", p->name);
    }
    size_t n = json_array_size(values);
    if (n >= (p->flags & OPS_MANY ? VALUES_MAX : 1)) {
        json_decref(text);
        return misuse(rq, "%s is given too often", p->name);
    }
    return json_array_append_new(values, text) == 0 ? 0 : misuse(rq, "memory is out");
}

static int take_named(struct ops_request *rq, json_t *arguments)
{
    const char *name;
    json_t *value, *one;
    size_t i;
    json_object_foreach(arguments, name, value)
    {
        const struct ops_param *p = param_of(rq->command, span_str(name));
        int rc = 0;
        if (!p)
            return misuse(rq, "%s has no argument '%.64s'", rq->command->name, name);
        if (!json_is_array(value))
            rc = take_value(rq, p, value);
        json_array_foreach(value, i, one)
        {
            if (rc == 0)
                rc = take_value(rq, p, one);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int take_words(struct ops_request *rq, const json_t *words, size_t from)
{
    for (size_t i = from; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        const struct ops_param *p = word_of(rq->command, i - from);
        if (!p)
            return misuse(rq, "'%.64s' is too much",
                          json_is_string(word) ? json_string_value(word) : "?");
        int rc = take_value(rq, p, word);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int take_arguments(struct ops_request *rq, const json_t *line, size_t words_used)
{
    json_t *arguments = json_object_get(line, "arguments");
    const json_t *words = json_object_get(line, "words");
    if ((arguments && !json_is_object(arguments)) || (words && !json_is_array(words)))
        return misuse(rq, "arguments must be an object, words an array");
    int rc = take_named(rq, arguments);
    if (rc == 0)
        rc = take_words(rq, words, words_used);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < rq->command->n_params; i++) {
        const struct ops_param *p = &rq->command->params[i];
        if ((p->flags & OPS_REQUIRED) && !json_object_get(rq->args, p->name))
            return misuse(rq, "%s%s is missing", p->flags & OPS_WORD ? "" : "--", p->name);
    }
    return 0;
}

size_t ops_arg_count(const struct ops_request *rq, const char *name)
{
    return json_array_size(json_object_get(rq->args, name));
}

struct span ops_arg_at(const struct ops_request *rq, const char *name, size_t i)
{
    const json_t *text = json_array_get(json_object_get(rq->args, name), i);
    return text ? span_of(json_string_value(text), json_string_length(text)) : SPAN_NONE;
}

struct span ops_arg(const struct ops_request *rq, const char *name)
{
    return ops_arg_at(rq, name, 0);
}

bool ops_flag(const struct ops_request *rq, const char *name)
{
    return ops_arg_count(rq, name) > 0;
}

int ops_arg_u64(struct ops_request *rq, const char *name, uint64_t max, uint64_t fallback,
                uint64_t *ret_value)
{
    struct span text = ops_arg(rq, name);
    uint64_t value = fallback;
    if (text.p && span_u64(text, max, &value) < 0)
        return misuse(rq, "--%s must be a number of at most %llu", name, (unsigned long long)max);
    if (strcmp(name, "limit") == 0)
        rq->limit = value;
    *ret_value = value;
    return 0;
}

/* ---- a line ---- */

static void refuse_line(void (*answer)(void *ctx, struct span line), void *ctx, const char *error,
                        const char *remedy, bool wrong_use)
{
    char line[ANSWER_MAX];
    struct buf b = BUF_ON(line);
    ops_refusal(&b, error, remedy, wrong_use);
    answer(ctx, buf_span(&b));
}

/* "cdr list, cdr export": the commands of two words that begin with this one. */
static void put_completions(const struct ops *o, struct span first, struct buf *b)
{
    size_t before = b->n;
    for (const struct ops_table *t = o->tables; t; t = t->next) {
        for (size_t i = 0; i < t->n; i++) {
            struct span rest = span_str(t->commands[i].name), word = span_cut(&rest, ' ');
            if (rest.n > 0 && span_eq(word, first))
                buf_fmt(b, "%s%s", b->n > before ? ", " : "", t->commands[i].name);
        }
    }
}

static void refuse_unknown(const struct ops *o, void (*answer)(void *ctx, struct span line),
                           void *ctx, const json_t *line)
{
    const char *first = json_string_value(json_object_get(line, "command"));
    const char *second = json_string_value(json_array_get(json_object_get(line, "words"), 0));
    char error[200], remedy[USAGE_MAX];
    struct buf b = {remedy, 0, sizeof(remedy) - 1, false};
    buf_puts(&b, "choose of: ");
    size_t before = b.n;
    put_completions(o, span_str(first ? first : ""), &b);
    remedy[b.n] = '\0';
    bool half = b.n > before;
    if (half && !second)
        (void)snprintf(error, sizeof(error), "'%.80s' is half a command", first);
    else
        (void)snprintf(error, sizeof(error), "there is no command '%.80s%s%.80s'",
                       first ? first : "", second ? " " : "", second ? second : "");
    refuse_line(answer, ctx, error, half ? remedy : "'commands' lists what can be asked", true);
}

/* "subscriber" + words ["add", ...] is "subscriber add" when there is such a command. */
static const struct ops_command *meant(const struct ops *o, const json_t *line, void **ret_ctx,
                                       size_t *ret_words_used)
{
    const json_t *first = json_object_get(line, "command");
    const json_t *second = json_array_get(json_object_get(line, "words"), 0);
    char name[NAME_MAX_LEN];
    struct buf b = BUF_ON(name);
    const struct ops_command *c = NULL;
    if (!json_is_string(first))
        return NULL;
    if (json_is_string(second)) {
        buf_fmt(&b, "%s %s", json_string_value(first), json_string_value(second));
        c = b.overflow ? NULL : find(o, buf_span(&b), ret_ctx);
    }
    *ret_words_used = c != NULL;
    return c ? c : find(o, span_str(json_string_value(first)), ret_ctx);
}

struct ops_request *ops_run(struct ops *o, struct span text,
                            void (*answer)(void *ctx, struct span line), void *ctx)
{
    void *command_ctx = NULL;
    size_t words_used = 0;
    json_error_t why;
    json_t *line = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(line)) {
        refuse_line(answer, ctx, "this is not a JSON object in one line",
                    "send {\"command\": \"commands\"}", true);
        json_decref(line);
        return NULL;
    }
    const struct ops_command *command = meant(o, line, &command_ctx, &words_used);
    struct ops_request *rq = command ? calloc(1, sizeof(*rq)) : NULL;
    if (!rq) {
        if (command)
            refuse_line(answer, ctx, "memory is out", "try again", false);
        else
            refuse_unknown(o, answer, ctx, line);
        json_decref(line);
        return NULL;
    }
    bool ended = false;
    *rq = (struct ops_request){
        .command = command, .args = json_object(), .answer = answer, .ctx = ctx, .ended = &ended};
    list_add_tail(&o->requests, &rq->item);
    if (take_arguments(rq, line, words_used) == 0)
        command->run(rq, command_ctx);
    json_decref(line);
    if (ended)
        return NULL;
    rq->ended = NULL;
    return rq;
}

void ops_execute(struct ops *o, struct span line, void (*answer)(void *ctx, struct span line),
                 void *ctx)
{
    (void)ops_run(o, line, answer, ctx); /* the answer comes when it comes */
}
