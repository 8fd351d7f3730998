/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at a message: lines by id or name, values of comma lists; the stamp of the source. */
#include <errno.h>
#include <limits.h>

#include "common/sip/lex.h"

const struct sip_line *sip_line_first(const struct sip_msg *m, enum sip_header id)
{
    return m->first[id] ? &m->lines[m->first[id] - 1] : NULL;
}

const struct sip_line *sip_line_next(const struct sip_msg *m, const struct sip_line *line)
{
    return line->next ? &m->lines[line->next - 1] : NULL;
}

const struct sip_line *sip_line_named(const struct sip_msg *m, struct span name)
{
    const struct sip_line *line;

    for (line = sip_line_first(m, SIP_H_OTHER); line; line = sip_line_next(m, line)) {
        if (span_eq_nocase(span_of(m->raw.p + line->name, line->name_n), name))
            return line;
    }
    return NULL;
}

struct span sip_raw_call_id(struct span raw)
{
    for (struct span rest = raw; rest.p;) {
        struct span value = span_cut(&rest, '\n'), name;

        if (value.n <= 1) /* the end of the header */
            break;
        name = span_cut(&value, ':');
        name = span_trim(name);
        if (value.p && (span_eq_nocase(name, SPAN("call-id")) || span_eq_nocase(name, SPAN("i"))))
            return span_trim(value);
    }
    return SPAN_NONE;
}

/* ---- values ---------------------------------------------------------------------------------- */

struct sip_values sip_values(const struct sip_msg *m, enum sip_header id)
{
    const struct sip_line *line = sip_line_first(m, id);

    return (struct sip_values){
        .m = m, .line = line, .rest = sip_line_value(m, line), .index = UINT_MAX};
}

/* Length up to the ',' that ends the first value of s. */
static size_t value_length(struct span s)
{
    bool angle = false;

    if (span_find(s, ',') == s.n)
        return s.n; /* most lines have one value */
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"' && !angle) {
            size_t n = lex_quoted(span_sub(s, i, s.n));

            if (n == 0)
                return s.n;
            i += n - 1;
        } else if (c == '<') {
            angle = true;
        } else if (c == '>') {
            angle = false;
        } else if (c == ',' && !angle) {
            return i;
        }
    }
    return s.n;
}

struct span sip_list_cut(struct span *list)
{
    size_t n = value_length(*list);
    struct span value = span_trim(span_sub(*list, 0, n));

    if (!list->p || list->n == 0)
        return SPAN_NONE;
    *list = span_sub(*list, n < list->n ? n + 1 : n, list->n);
    return value;
}

bool sip_values_next(struct sip_values *v)
{
    while (v->line) {
        while (v->rest.n) {
            size_t n = v->rest.n;

            if (sip_header_is_list((enum sip_header)v->line->id))
                n = value_length(v->rest);
            v->value = span_trim(span_sub(v->rest, 0, n));
            v->rest = n < v->rest.n ? span_sub(v->rest, n + 1, v->rest.n) : SPAN_NONE;
            if (v->value.n) {
                v->index++; /* from UINT_MAX to 0 */
                return true;
            }
        }
        v->line = sip_line_next(v->m, v->line);
        v->rest = sip_line_value(v->m, v->line);
        v->index = UINT_MAX;
    }
    v->value = SPAN_NONE;
    return false;
}

bool sip_header_has_token(const struct sip_msg *m, enum sip_header id, struct span token)
{
    struct sip_values it = sip_values(m, id);

    while (sip_values_next(&it)) {
        if (span_eq_nocase(it.value, token))
            return true;
    }
    return false;
}

bool sip_privacy_asks(const struct sip_msg *m, struct span value)
{
    for (const struct sip_line *l = sip_line_first(m, SIP_H_PRIVACY); l; l = sip_line_next(m, l)) {
        struct span rest = sip_line_value(m, l);

        while (rest.p)
            if (span_eq_nocase(span_trim(span_cut(&rest, ';')), value))
                return true;
    }
    return false;
}

/* ---- where a request came from ------------------------------------------------------------------ */

static void shift(struct span *s, const char *behind, ptrdiff_t by)
{
    if (s->p && s->p >= behind)
        s->p += by;
}

/* Replaces [at, at + n) of the raw bytes, inside one header line, and moves everything behind it. The
 * room behind the bytes was made by sip_msg_parse. */
static void splice(struct sip_msg *m, size_t at, size_t n, struct span text)
{
    char *bytes = (char *)(uintptr_t)m->raw.p; /* ours, const for everybody else */
    const char *behind = bytes + at + n;
    ptrdiff_t by = (ptrdiff_t)text.n - (ptrdiff_t)n;

    memmove(bytes + at + text.n, behind, m->raw.n - at - n);
    memcpy(bytes + at, text.p, text.n);
    m->raw.n += (size_t)by;
    m->headers_end += (uint32_t)by;
    for (unsigned i = 0; i < m->n_lines; i++) {
        struct sip_line *line = &m->lines[i];

        if (line->start > at) {
            line->start += (uint32_t)by;
            line->name += (uint32_t)by;
            line->value += (uint32_t)by;
            line->end += (uint32_t)by;
        } else if (line->end > at) {
            line->value_n += (uint32_t)by;
            line->end += (uint32_t)by;
        }
    }
    struct span *const spans[] = {&m->call_id, &m->from_uri, &m->to_uri,      &m->from_tag,
                                  &m->to_tag,  &m->branch,   &m->cseq_method, &m->body};

    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        shift(spans[i], behind, by);
}

/* The end of a parameter in the text: behind its value and quote. */
const char *sip_param_end(const struct sip_param *p)
{
    return p->value.p ? p->value.p + p->value.n + p->quoted : p->name.p + p->name.n;
}

/* Takes out a received parameter and the value of rport that the sender wrote himself. True when
 * something went and the Via is to be read again. */
static bool drop_forged(struct sip_msg *m, struct span params)
{
    struct sip_param p;
    struct span list = params;

    while (sip_param_next(&list, &p) > 0) {
        const char *from = p.name.p;

        if (span_eq_nocase(p.name, SPAN("received"))) {
            while (*from != ';')
                from--;
            while (lex_space(from[-1])) /* or a line of nothing but space is left of a folded one */
                from--;
        } else if (span_eq_nocase(p.name, SPAN("rport")) && p.value.p) {
            from += p.name.n;
        } else {
            continue;
        }
        splice(m, (size_t)(from - m->raw.p), (size_t)(sip_param_end(&p) - from), SPAN(""));
        return true;
    }
    return false;
}

int sip_msg_stamp_source(struct sip_msg *m, const struct addr *source)
{
    struct sip_values it;
    struct sip_via via;
    struct addr host;
    const char *at;
    char text[80], ip[ADDR_TEXT_MAX];
    struct buf b = BUF_ON(text);

    do {
        it = sip_values(m, SIP_H_VIA);
        if (!sip_values_next(&it) || sip_via_split(it.value, &via) < 0)
            return -EBADMSG;
    } while (drop_forged(m, via.params));
    at = it.value.p + it.value.n;
    if (via.rport.p) {
        at = via.rport.p; /* behind the name: the flag has no value now */
        buf_putc(&b, '=');
        buf_u64(&b, source->port);
    }
    if (via.rport.p || addr_parse_ip(via.host, 0, &host) < 0 || !addr_ip_eq(&host, source)) {
        buf_puts(&b, ";received=");
        buf_puts(&b, addr_ip_text(source, ip));
    }
    if (b.n)
        splice(m, (size_t)(at - m->raw.p), 0, buf_span(&b));
    return 0;
}
