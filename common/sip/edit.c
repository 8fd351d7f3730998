/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte-range edits: a short list in the order of the bytes; rendering copies what lies between. */
#include <errno.h>

#include "common/sip/lex.h"

#define OPS_MAX 1024

void sip_edit_init(struct sip_edit *e, struct sip_msg *m)
{
    e->m = m;
    e->ops = e->own;
    e->n = 0;
    e->cap = ARRAY_LEN(e->own);
    e->failed = false;
}

static bool make_room(struct sip_edit *e)
{
    struct sip_edit_op *more;

    if (e->n < e->cap)
        return true;
    more = e->cap < OPS_MAX ? arena_alloc(&e->m->arena, 2 * e->cap * sizeof(*more)) : NULL;
    if (!more) {
        e->failed = true;
        return false;
    }
    memcpy(more, e->ops, e->n * sizeof(*more));
    e->ops = more;
    e->cap *= 2;
    return true;
}

static void drop_op(struct sip_edit *e, unsigned i)
{
    memmove(&e->ops[i], &e->ops[i + 1], (e->n - i - 1) * sizeof(e->ops[0]));
    e->n--;
}

static bool is_insertion(const struct sip_edit_op *op)
{
    return op->start == op->end;
}

/* A range swallows the ranges inside it (removing a line that was changed before) and vanishes in one
 * that removes more; two that cross are the caller's mistake. False: nothing is left to add. */
static bool settle_overlaps(struct sip_edit *e, const struct sip_edit_op *op)
{
    for (unsigned i = 0; i < e->n;) {
        const struct sip_edit_op *old = &e->ops[i];

        if (is_insertion(old) || old->end <= op->start || old->start >= op->end) {
            i++;
        } else if (op->start <= old->start && old->end <= op->end) {
            drop_op(e, i);
        } else {
            if (!(old->start <= op->start && op->end <= old->end && old->text.n == 0))
                e->failed = true;
            return false;
        }
    }
    return true;
}

static void add_op(struct sip_edit *e, struct sip_edit_op op)
{
    unsigned at;

    if (!is_insertion(&op) && !settle_overlaps(e, &op))
        return;
    if (!make_room(e))
        return;
    /* Insertions stand in front of a range that starts at the same byte. */
    for (at = e->n; at > 0; at--) {
        const struct sip_edit_op *before = &e->ops[at - 1];

        if (before->start < op.start || (before->start == op.start && is_insertion(before)))
            break;
        if (before->start == op.start && !is_insertion(&op))
            break;
    }
    memmove(&e->ops[at + 1], &e->ops[at], (e->n - at) * sizeof(op));
    e->ops[at] = op;
    e->n++;
}

static void insert_line(struct sip_edit *e, uint32_t at, struct span name, struct span value)
{
    add_op(e, (struct sip_edit_op){.start = at, .end = at, .name = name, .text = value});
}

static const struct sip_line *last_line(const struct sip_msg *m, enum sip_header id)
{
    const struct sip_line *line = sip_line_first(m, id), *last = NULL;

    for (; line; line = sip_line_next(m, line))
        last = line;
    return last;
}

void sip_edit_bytes(struct sip_edit *e, struct span part, struct span text)
{
    size_t start = (size_t)(part.p - e->m->raw.p);

    if (part.p < e->m->raw.p || start + part.n > e->m->raw.n) {
        e->failed = true;
        return;
    }
    add_op(e, (struct sip_edit_op){
                  .start = (uint32_t)start, .end = (uint32_t)(start + part.n), .text = text});
}

void sip_edit_ruri(struct sip_edit *e, struct span uri)
{
    sip_edit_bytes(e, e->m->ruri, uri);
}

void sip_edit_push(struct sip_edit *e, enum sip_header id, struct span value)
{
    const struct sip_line *line = sip_line_first(e->m, id);
    uint32_t at;

    if (line) {
        at = line->start;
    } else {
        line = last_line(e->m, SIP_H_VIA);
        at = line ? line->end : e->m->start_line_end;
    }
    insert_line(e, at, sip_header_name(id), value);
}

void sip_edit_append(struct sip_edit *e, enum sip_header id, struct span value)
{
    const struct sip_line *line = last_line(e->m, id);

    insert_line(e, line ? line->end : e->m->headers_end, sip_header_name(id), value);
}

void sip_edit_replace(struct sip_edit *e, const struct sip_line *line, struct span value)
{
    sip_edit_bytes(e, sip_line_value(e->m, line), value);
}

void sip_edit_remove(struct sip_edit *e, const struct sip_line *line)
{
    add_op(e, (struct sip_edit_op){.start = line->start, .end = line->end, .text = SPAN("")});
}

void sip_edit_remove_all(struct sip_edit *e, enum sip_header id)
{
    const struct sip_line *line = sip_line_first(e->m, id);

    for (; line; line = sip_line_next(e->m, line))
        sip_edit_remove(e, line);
}

/* ---- single values of a list ------------------------------------------------------------------- */

/* Which values of a line go is not known until the last call, and the comma that goes with a value
 * depends on its neighbours: all value removals of the line are worked out anew each time. A removal
 * is marked by its index in `value`. */
void sip_edit_remove_value(struct sip_edit *e, const struct sip_values *at)
{
    const struct sip_line *line = at->line;
    struct sip_values it = {.m = e->m, .line = line, .index = UINT32_MAX};
    bool gone[SIP_EDIT_VALUES] = {false};
    struct span value[SIP_EDIT_VALUES];
    unsigned n = 0, kept = 0;

    it.rest = sip_line_value(e->m, line);
    while (n < SIP_EDIT_VALUES && sip_values_next(&it) && it.line == line)
        value[n++] = it.value;
    if (at->index >= n) {
        e->failed = true;
        return;
    }
    gone[at->index] = true;
    for (unsigned i = e->n; i-- > 0;) {
        if (e->ops[i].value && e->ops[i].start >= line->start && e->ops[i].end <= line->end) {
            gone[e->ops[i].value - 1] = true;
            drop_op(e, i);
        }
    }
    for (unsigned i = 0; i < n; i++)
        kept += !gone[i];
    if (kept == 0) {
        sip_edit_remove(e, line);
        return;
    }
    kept = 0;
    for (unsigned i = 0; i < n; i++) {
        /* With a kept value in front, its comma goes; otherwise the one behind. */
        const char *from = kept ? value[i - 1].p + value[i - 1].n : value[i].p;
        const char *to = kept ? value[i].p + value[i].n : i + 1 < n ? value[i + 1].p : from;

        if (gone[i])
            add_op(e, (struct sip_edit_op){.start = (uint32_t)(from - e->m->raw.p),
                                           .end = (uint32_t)(to - e->m->raw.p),
                                           .value = (uint16_t)(i + 1),
                                           .text = SPAN("")});
        else
            kept++;
    }
}

void sip_edit_remove_token(struct sip_edit *e, enum sip_header id, struct span token)
{
    struct sip_values it = sip_values(e->m, id);

    while (sip_values_next(&it)) {
        if (span_eq_nocase(it.value, token))
            sip_edit_remove_value(e, &it);
    }
}

/* ---- body, Content-Length, Max-Forwards ------------------------------------------------------------ */

static struct span number_text(char *text, size_t cap, uint64_t n)
{
    struct buf b = {text, 0, cap, false};

    buf_u64(&b, n);
    return buf_span(&b);
}

static void set_length(struct sip_edit *e, size_t n)
{
    struct span text = number_text(e->length, sizeof(e->length), n);
    const struct sip_line *line = sip_line_first(e->m, SIP_H_CONTENT_LENGTH);

    if (line)
        sip_edit_replace(e, line, text);
    else
        sip_edit_append(e, SIP_H_CONTENT_LENGTH, text);
}

void sip_edit_content_length(struct sip_edit *e)
{
    if (!sip_line_first(e->m, SIP_H_CONTENT_LENGTH))
        set_length(e, e->m->body.n);
}

void sip_edit_body(struct sip_edit *e, struct span type, struct span body)
{
    const struct sip_line *line = sip_line_first(e->m, SIP_H_CONTENT_TYPE);

    if (type.p && line)
        sip_edit_replace(e, line, type);
    else if (type.p)
        sip_edit_append(e, SIP_H_CONTENT_TYPE, type);
    set_length(e, body.n);
    if (e->m->body.n || body.n)
        sip_edit_bytes(e, e->m->body, body);
}

void sip_edit_body_part(struct sip_edit *e, struct span part, struct span text)
{
    set_length(e, e->m->body.n - part.n + text.n);
    sip_edit_bytes(e, part, text);
}

void sip_edit_max_forwards(struct sip_edit *e)
{
    const struct sip_line *line = sip_line_first(e->m, SIP_H_MAX_FORWARDS);
    int n = e->m->max_forwards;

    if (!line)
        sip_edit_append(e, SIP_H_MAX_FORWARDS, SPAN("70"));
    else if (n > 0)
        sip_edit_replace(e, line, number_text(e->hops, sizeof(e->hops), (uint64_t)n - 1));
    else
        e->failed = true; /* 483 was due */
}

/* ---- rendering --------------------------------------------------------------------------------------- */

int sip_edit_render(const struct sip_edit *e, struct buf *out)
{
    struct span raw = e->m->raw;
    size_t at = 0;

    if (e->failed)
        return -ENOMEM;
    for (unsigned i = 0; i < e->n; i++) {
        const struct sip_edit_op *op = &e->ops[i];

        buf_put(out, span_sub(raw, at, op->start));
        at = op->end;
        if (op->name.p) {
            buf_put(out, op->name);
            buf_put(out, SPAN(": "));
        }
        buf_put(out, op->text);
        if (op->name.p)
            buf_put(out, SPAN("\r\n"));
    }
    buf_put(out, span_sub(raw, at, raw.n));
    return out->overflow ? -EMSGSIZE : 0;
}
