/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cdr list and cdr export: records are read from the disk on a thread of their own. */
#include <stdlib.h>

#include "scscf/program/program.h"

enum {
    EXPORT_MAX = 8 << 20, /* octets of one answer */
    LIST_MAX = 1000,
};

struct reading {
    struct loop_job job;
    struct scscf_program *program;
    struct ops_request *rq;
    struct charging_filter filter;
    bool csv, list, more;
    struct buf text;           /* export; grows up to EXPORT_MAX */
    char *last[LIST_MAX];      /* list: a ring of lines */
    size_t n_last, keep, next; /* keep: size of the ring */
    int rc;
    uint64_t damaged;
};

/* ---- on the thread ---------------------------------------------------------------------------- */

static bool make_room(struct buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 64 << 10;
    char *p;

    while (cap < b->n + n)
        cap *= 2;
    if (cap == b->cap)
        return true;
    p = cap <= EXPORT_MAX ? realloc(b->p, cap) : NULL;
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

static bool keep_line(struct reading *r, struct span line)
{
    char *copy = span_dup(line);

    if (!copy)
        return false;
    free(r->last[r->next]);
    r->last[r->next] = copy;
    r->next = (r->next + 1) % r->keep;
    r->n_last += r->n_last < r->keep;
    return true;
}

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    struct reading *r = ctx;

    if (r->list)
        return keep_line(r, line);
    if (!make_room(&r->text, CDR_LINE_MAX * 2)) {
        r->more = true;
        return false;
    }
    if (r->csv) {
        cdr_put_csv(&r->text, c);
    } else {
        buf_put(&r->text, line);
        buf_putc(&r->text, '\n');
    }
    return true;
}

static void read_records(struct loop_job *job)
{
    struct reading *r = CONTAINER_OF(job, struct reading, job);

    if (r->csv && make_room(&r->text, CDR_LINE_MAX))
        cdr_put_csv_header(&r->text);
    r->rc = charging_read(r->program->disk, r->program->config->cdr_dir, "scscf", &r->filter,
                          on_record, r, &r->damaged);
}

/* ---- on the loop ------------------------------------------------------------------------------ */

static void reading_free(struct reading *r)
{
    for (size_t i = 0; i < ARRAY_LEN(r->last); i++)
        free(r->last[i]);
    free(r->text.p);
    free((char *)r->filter.icid.p);
    free(r);
}

static json_t *row_of(const struct cdr *c)
{
    return json_pack("{s:I, s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "number",
                     (json_int_t)c->sequence, "closed", scscf_json_time(c->closing_time), "half",
                     c->role == CDR_ORIGINATING ? "originating" : "terminating", "method",
                     scscf_json_text(c->method), "calling", scscf_json_text(c->calling), "called",
                     scscf_json_text(c->called), "seconds", (json_int_t)(cdr_duration(c) / 1000000),
                     "status", (json_int_t)c->sip_status, "reason", scscf_json_text(c->reason),
                     "icid", scscf_json_text(c->icid));
}

static json_t *rows_of(struct reading *r)
{
    json_t *rows = json_array();
    struct arena a;

    arena_init(&a, 64 << 10);
    for (size_t i = 0; i < r->n_last; i++) {
        size_t at = (r->next + r->keep - r->n_last + i) % r->keep;
        struct cdr c;

        if (cdr_parse_json(span_str(r->last[at]), &a, &c) == 0)
            (void)json_array_append_new(rows, row_of(&c));
        arena_reset(&a);
    }
    arena_fini(&a);
    return rows;
}

static void on_read(struct loop_job *job)
{
    struct reading *r = CONTAINER_OF(job, struct reading, job);

    if (r->rc != 0)
        ops_fail(r->rq, "See cdr.directory in the configuration, and its permissions.",
                 "records cannot be read: %s", strerror(-r->rc));
    else if (r->more)
        ops_fail(r->rq, "Take fewer at a time: --limit 5000, then --after with the last number.",
                 "the records are more than %d MiB", EXPORT_MAX >> 20);
    else if (r->list)
        ops_ok(r->rq, rows_of(r));
    else
        ops_ok(r->rq, scscf_json_text(buf_span(&r->text)));
    if (r->damaged)
        OBS_LOG(r->program->log, OBS_WARN, "cdr.damaged_lines", OBS_UINT("lines", r->damaged));
    reading_free(r);
}

static void start_reading(struct reading *r)
{
    struct span icid = ops_arg(r->rq, "icid");

    if (icid.n)
        r->filter.icid = span_str(span_dup(icid));
    r->job = (struct loop_job){.run = read_records, .done = on_read};
    if (loop_thread_submit(r->program->reader, &r->job) == 0)
        return;
    ops_fail(r->rq, "Wait for the other requests.", "too many readers of records");
    reading_free(r);
}

static struct reading *reading_new(struct scscf_program *p, struct ops_request *rq)
{
    struct reading *r = calloc(1, sizeof(*r));

    if (r) {
        r->program = p;
        r->rq = rq;
    } else {
        ops_fail(rq, "Try again when there is memory.", "out of memory");
    }
    return r;
}

static void cdr_list(struct ops_request *rq, void *ctx)
{
    struct reading *r;
    uint64_t limit;

    if (ops_arg_u64(rq, "limit", LIST_MAX, 20, &limit) != 0)
        return;
    if (limit == 0) {
        ops_ok(rq, json_array());
        return;
    }
    r = reading_new(ctx, rq);
    if (!r)
        return;
    r->list = true;
    r->keep = (size_t)limit;
    start_reading(r);
}

static void cdr_export(struct ops_request *rq, void *ctx)
{
    struct span format = ops_arg(rq, "format");
    struct charging_filter f = {0};
    struct reading *r;

    if (format.p && !span_eq(format, SPAN("csv")) && !span_eq(format, SPAN("json"))) {
        ops_misuse(rq, "Use --format csv or --format json.", "no format '%.*s'", SPAN_ARG(format));
        return;
    }
    if (ops_arg_u64(rq, "after", UINT64_MAX, 0, &f.after_sequence) != 0 ||
        ops_arg_u64(rq, "limit", UINT64_MAX, 0, &f.limit) != 0)
        return;
    r = reading_new(ctx, rq);
    if (!r)
        return;
    r->filter = f;
    r->csv = !format.p || span_eq(format, SPAN("csv"));
    start_reading(r);
}

static const struct ops_param list_params[] = {
    {"limit", "most rows; default the latest 20", 0},
    {"icid", "only of this call", 0},
};
static const struct ops_param export_params[] = {
    {"format", "csv (default) or json, one object a line", 0},
    {"after", "only records with a higher number", 0},
    {"limit", "most records; 0 is all of them", 0},
    {"icid", "only of this call", 0},
};
static const struct ops_command commands[] = {
    {"cdr list", "the latest charging records", list_params, ARRAY_LEN(list_params), cdr_list},
    {"cdr export", "charging records for billing, oldest first", export_params,
     ARRAY_LEN(export_params), cdr_export},
};

int scscf_cdr_commands_new(struct scscf_program *p)
{
    return ops_add(p->ops, commands, ARRAY_LEN(commands), p);
}
