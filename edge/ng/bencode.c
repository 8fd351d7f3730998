/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bencoding (BEP 3) into a flat tree over the received bytes: no memory, bounded depth and size. */
#include <errno.h>

#include "edge/ng/ng.h"

struct parser {
    struct span in;
    struct ng_doc *doc;
};

static int parse_value(struct parser *p, struct span key, unsigned depth, uint16_t *ret_at);

static int parse_text(struct parser *p, struct span *ret_text)
{
    size_t colon = span_find(span_sub(p->in, 0, 7), ':');
    uint64_t n;

    if (colon >= p->in.n || p->in.p[colon] != ':' ||
        span_u64(span_sub(p->in, 0, colon), 65535, &n) != 0)
        return -EBADMSG;
    if (n > p->in.n - colon - 1)
        return -EBADMSG;
    *ret_text = span_sub(p->in, colon + 1, colon + 1 + n);
    p->in = span_sub(p->in, colon + 1 + n, p->in.n);
    return 0;
}

static int parse_number(struct parser *p, int64_t *ret_number)
{
    size_t end = span_find(p->in, 'e');
    struct span digits = span_sub(p->in, 1, end);
    bool negative = digits.n && digits.p[0] == '-';
    uint64_t v;

    if (end == p->in.n || span_u64(span_sub(digits, negative, digits.n), INT64_MAX, &v) != 0)
        return -EBADMSG;
    *ret_number = negative ? -(int64_t)v : (int64_t)v;
    p->in = span_sub(p->in, end + 1, p->in.n);
    return 0;
}

/* Two values of one key could be read differently by two readers: no such dictionary is taken. */
static bool key_is_new(const struct ng_doc *doc, const struct ng_value *of, struct span key)
{
    for (const struct ng_value *v = ng_first(doc, of); v; v = ng_next(doc, v))
        if (span_eq(v->key, key))
            return false;
    return true;
}

static int parse_members(struct parser *p, struct ng_value *of, unsigned depth)
{
    uint16_t *link = &of->first;
    unsigned members = 0;
    int rc = 0;

    p->in = span_sub(p->in, 1, p->in.n);
    while (rc == 0 && p->in.n && p->in.p[0] != 'e') {
        struct span key = SPAN_NONE;
        uint16_t at;

        if (of->type == NG_DICT) {
            if (++members > NG_KEYS_MAX)
                return -E2BIG;
            rc = parse_text(p, &key);
            if (rc == 0 && !key_is_new(p->doc, of, key))
                rc = -EBADMSG;
            if (rc != 0)
                return rc;
        }
        rc = parse_value(p, key, depth, &at);
        if (rc == 0) {
            *link = at;
            link = &p->doc->values[at].next;
        }
    }
    if (rc == 0 && p->in.n == 0)
        rc = -EBADMSG;
    p->in = span_sub(p->in, 1, p->in.n);
    return rc;
}

static int parse_value(struct parser *p, struct span key, unsigned depth, uint16_t *ret_at)
{
    struct ng_value *v;

    if (p->in.n == 0)
        return -EBADMSG;
    if (p->doc->n == NG_VALUES_MAX || depth > NG_DEPTH_MAX)
        return -E2BIG;
    *ret_at = (uint16_t)p->doc->n++;
    v = &p->doc->values[*ret_at];
    *v = (struct ng_value){.key = key};
    switch (p->in.p[0]) {
    case 'd':
        v->type = NG_DICT;
        return parse_members(p, v, depth + 1);
    case 'l':
        v->type = NG_LIST;
        return parse_members(p, v, depth + 1);
    case 'i':
        v->type = NG_NUMBER;
        return parse_number(p, &v->number);
    default:
        v->type = NG_TEXT;
        return parse_text(p, &v->text);
    }
}

int ng_parse(struct span text, struct ng_doc *ret_doc)
{
    struct parser p = {text, ret_doc};
    uint16_t at;
    int rc;

    ret_doc->n = 0;
    rc = parse_value(&p, SPAN_NONE, 0, &at);
    if (rc == 0 && p.in.n)
        rc = -EBADMSG;
    return rc;
}

const struct ng_value *ng_first(const struct ng_doc *doc, const struct ng_value *of)
{
    return of && of->first ? &doc->values[of->first] : NULL;
}

const struct ng_value *ng_next(const struct ng_doc *doc, const struct ng_value *of)
{
    return of->next ? &doc->values[of->next] : NULL;
}

const struct ng_value *ng_find(const struct ng_doc *doc, const struct ng_value *dict,
                               const char *key, enum ng_type type)
{
    struct span name = span_str(key);

    if (!dict || dict->type != NG_DICT)
        return NULL;
    for (const struct ng_value *v = ng_first(doc, dict); v; v = ng_next(doc, v))
        if (span_eq(v->key, name))
            return v->type == type ? v : NULL;
    return NULL;
}

struct span ng_find_text(const struct ng_doc *doc, const struct ng_value *dict, const char *key)
{
    const struct ng_value *v = ng_find(doc, dict, key, NG_TEXT);

    return v ? v->text : SPAN_NONE;
}

static bool word_eq(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if ((a.p[i] == ' ' ? '-' : a.p[i]) != (b.p[i] == ' ' ? '-' : b.p[i]))
            return false;
    return true;
}

bool ng_has_flag(const struct ng_doc *doc, const struct ng_value *dict, const char *list,
                 const char *word)
{
    const struct ng_value *of = ng_find(doc, dict, list, NG_LIST);

    for (const struct ng_value *v = ng_first(doc, of); v; v = ng_next(doc, v))
        if (v->type == NG_TEXT && word_eq(v->text, span_str(word)))
            return true;
    return false;
}

void ng_put_begin(struct buf *b, char kind)
{
    buf_putc(b, kind);
}

void ng_put_end(struct buf *b)
{
    buf_putc(b, 'e');
}

void ng_put_text(struct buf *b, struct span s)
{
    buf_u64(b, s.n);
    buf_putc(b, ':');
    buf_put(b, s);
}

void ng_put_number(struct buf *b, int64_t n)
{
    buf_fmt(b, "i%llde", (long long)n);
}

void ng_put_key(struct buf *b, const char *key)
{
    ng_put_text(b, span_str(key));
}

void ng_put_pair(struct buf *b, const char *key, struct span value)
{
    ng_put_key(b, key);
    ng_put_text(b, value);
}

void ng_put_count(struct buf *b, const char *key, uint64_t n)
{
    ng_put_key(b, key);
    ng_put_number(b, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}
