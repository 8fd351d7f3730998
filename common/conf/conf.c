/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading a file, and the report of what is wrong with it. */
#include "common/conf/inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A list may have 100000 entries; a file grows in memory as it is read. */
enum { FILE_FIRST = 64 << 10, FILE_MAX = 32 << 20, ARENA_MAX = 256 << 20 };

/* ---- the report ---- */

static void report_vadd(struct conf_report *report, unsigned line, unsigned column,
                        const char *remedy, const char *fmt, va_list ap)
    __attribute__((format(printf, 5, 0)));

static void report_vadd(struct conf_report *report, unsigned line, unsigned column,
                        const char *remedy, const char *fmt, va_list ap)
{
    if (report->n == CONF_PROBLEMS_MAX) {
        report->more++;
        return;
    }
    struct conf_problem *p = &report->problems[report->n++];
    p->line = line;
    p->column = column;
    (void)vsnprintf(p->text, sizeof(p->text), fmt, ap); /* cut when it is too long */
    (void)snprintf(p->remedy, sizeof(p->remedy), "%s", remedy ? remedy : "");
}

void conf_report_add(struct conf_report *report, unsigned line, unsigned column, const char *remedy,
                     const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_vadd(report, line, column, remedy, fmt, ap);
    va_end(ap);
}

static const struct conf_slot *slot_of(const struct conf *c, const char *path)
{
    for (size_t i = 0; i < c->scope.n; i++)
        if (strcmp(c->scope.slots[i].option->path, path) == 0)
            return &c->scope.slots[i];
    return NULL;
}

void conf_fault(const struct conf *c, struct conf_report *report, const char *path,
                const char *remedy, const char *fmt, ...)
{
    const struct conf_slot *slot = slot_of(c, path);
    va_list ap;
    va_start(ap, fmt);
    report_vadd(report, slot ? slot->line : 0, slot ? slot->column : 0, remedy, fmt, ap);
    va_end(ap);
}

void conf_put_where(const struct conf *c, const char *path, struct buf *b)
{
    const struct conf_slot *slot = slot_of(c, path);
    buf_puts(b, c->file);
    if (slot && slot->line > 0)
        buf_fmt(b, ":%u:%u", slot->line, slot->column);
}

void conf_report_text(const struct conf_report *report, struct buf *b)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct conf_problem *p = &report->problems[i];
        if (p->line > 0)
            buf_fmt(b, "%s:%u:%u: %s\n", report->file, p->line, p->column, p->text);
        else
            buf_fmt(b, "%s: %s\n", report->file, p->text);
        if (*p->remedy)
            buf_fmt(b, "    %s\n", p->remedy);
    }
    if (report->more > 0)
        buf_fmt(b, "%s: and %zu more\n", report->file, report->more);
}

/* ---- loading ---- */

static char *dir_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return span_dup(SPAN("."));
    return span_dup(slash == file ? SPAN("/") : span_of(file, (size_t)(slash - file)));
}

static int conf_new(const struct conf_schema *schema, const char *file, struct conf **ret_conf)
{
    struct conf *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->schema = schema;
    arena_init(&c->arena, ARENA_MAX);
    c->file = span_dup(span_str(file));
    c->dir = dir_of(file);
    c->tables = arena_alloc(&c->arena, (schema->n_tables + 1) * sizeof(c->tables[0]));
    int rc = c->file && c->dir && c->tables ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < schema->n_tables; i++) {
        c->tables[i] = arena_alloc(&c->arena, schema->tables[i].size);
        if (c->tables[i])
            memset(c->tables[i], 0, schema->tables[i].size);
        else
            rc = -ENOMEM;
    }
    c->scope.where = "";
    if (rc == 0)
        rc = conf_scope_init(c, &c->scope, schema->tables, c->tables, schema->n_tables);
    if (rc < 0) {
        conf_free(c);
        return rc;
    }
    *ret_conf = c;
    return 0;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (struct conf_held *held = c->secrets; held; held = held->next)
        secret_wipe(held->secret);
    arena_fini(&c->arena);
    free(c->file);
    free(c->dir);
    free(c);
}

const void *conf_values(const struct conf *c, size_t table)
{
    return c->tables[table];
}

int conf_parse(const struct conf_schema *schema, struct span yaml, const char *name,
               struct conf **ret_conf, struct conf_report *report)
{
    *report = (struct conf_report){.file = name};
    struct conf *c = NULL;
    int rc = conf_new(schema, name, &c);
    if (rc == 0)
        rc = conf_yaml_read(c, yaml, report);
    if (rc == 0 && report->n == 0 && schema->check)
        schema->check(c, report);
    if (rc == 0 && report->n > 0)
        rc = -EINVAL;
    if (rc == -ENOMEM)
        conf_report_add(report, 0, 0, "give the machine more memory", "memory is out");
    if (rc < 0) {
        conf_free(c);
        return rc;
    }
    *ret_conf = c;
    return 0;
}

/* The text is the caller's, also on failure. */
static int read_file(FILE *f, char **text, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    do {
        cap = cap ? cap * 2 : FILE_FIRST;
        char *more = realloc(*text, cap);
        if (!more)
            return -ENOMEM;
        *text = more;
        n += fread(*text + n, 1, cap - n, f);
    } while (n == cap && cap < FILE_MAX);
    if (ferror(f))
        return -EISDIR; /* what opens but cannot be read is a directory */
    if (n == cap)
        return -EFBIG;
    *ret_n = n;
    return 0;
}

int conf_load(const struct conf_schema *schema, const char *file, struct conf **ret_conf,
              struct conf_report *report)
{
    *report = (struct conf_report){.file = file};
    char *text = NULL, why[128];
    size_t n = 0;
    FILE *f = fopen(file, "re");
    int rc = f ? read_file(f, &text, &n) : -errno;
    if (f)
        (void)fclose(f); /* only read */
    if (rc == 0) {
        rc = conf_parse(schema, span_of(text, n), file, ret_conf, report);
    } else {
        if (strerror_r(-rc, why, sizeof(why)) != 0)
            (void)snprintf(why, sizeof(why), "errno %d", -rc);
        conf_report_add(report, 0, 0,
                        rc == -ENOENT   ? "make it, or name another file"
                        : rc == -EISDIR ? "name a file in it"
                        : rc == -EFBIG  ? "it must be below 32 MiB: is it the right file?"
                                        : "let the user we run as read it, or name another file",
                        "cannot be read: %s", why);
    }
    free(text);
    return rc;
}
