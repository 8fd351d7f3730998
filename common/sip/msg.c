/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header index and the checks that need no routing. Two steps: lines are found in the caller's
 * bytes with the limits applied (offsets only), then one block holds message, lines and a copy of the
 * bytes, and everything that points is set on that copy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/lex.h"

#define LINES_MAX  256 /* bound of sip_limits.lines: the index is built on the stack */
#define STAMP_ROOM 80  /* behind the bytes, for sip_msg_stamp_source */
#define ARENA_ROOM 768 /* behind that: what most messages need for texts of edits */
#define UNIT       512 /* messages take whole ones */
#define TAG_MAX    256

struct scan {
    struct span raw;
    const struct sip_limits *limits;
    struct sip_reject *reject;
    bool rejected;
    bool is_request;
    struct span start_line; /* without CRLF */
    uint32_t start_line_end, headers_end;
    struct sip_line lines[LINES_MAX];
    unsigned n;
    uint16_t first[SIP_H_COUNT], last[SIP_H_COUNT];
    uint16_t values[SIP_H_COUNT];
};

/* Keeps the first reason. */
static void refuse(struct scan *s, unsigned status, const char *what, struct span where)
{
    if (s->rejected)
        return;
    s->rejected = true;
    s->reject->status = status;
    s->reject->phrase = sip_status_phrase(status);
    snprintf(s->reject->reason, sizeof(s->reject->reason), "%s%s%.*s", what, where.n ? ": " : "",
             (int)(where.n < 40 ? where.n : 40), where.n ? where.p : "");
    for (char *c = s->reject->reason; *c; c++) { /* goes into a Warning header and logs */
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f || *c == '"' || *c == '\\')
            *c = '?';
    }
}

/* ---- step one: lines ------------------------------------------------------------------------- */

static unsigned count_byte(const char *p, size_t n, char c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    const uint64_t pattern = ones * (unsigned char)c;
    unsigned count = 0;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t x;

        memcpy(&x, p, 8);
        x ^= pattern; /* bytes that are c become zero */
        x = ~(((x & ~high) + ~high) | x) & high;
        count += (unsigned)__builtin_popcountll(x);
    }
    for (; n; p++, n--)
        count += *p == c;
    return count;
}

/* A NUL is legal in one place only: escaped in a quoted string (RFC 4475 3.1.1.2). */
static bool nul_is_legal(struct span line, size_t at)
{
    bool quoted = false;

    for (size_t i = 0; i < at; i++) {
        if (quoted && line.p[i] == '\\') {
            if (++i == at)
                return true;
        } else if (line.p[i] == '"') {
            quoted = !quoted;
        }
    }
    return false;
}

/* Start of the next line, or 0 when this one does not end in CRLF. */
static size_t line_end(struct scan *s, size_t at)
{
    const char *p = s->raw.p + at;
    const char *lf = memchr(p, '\n', s->raw.n - at);
    const char *cr;

    if (!lf) {
        refuse(s, 400, "no empty line behind the header", SPAN_NONE);
        return 0;
    }
    cr = memchr(p, '\r', (size_t)(lf - p));
    if (cr != lf - 1 || lf == p) { /* a bare CR or LF ends a line for some parsers only */
        refuse(s, 400, "line does not end in CRLF", span_sub(s->raw, at, at + 24));
        if (!cr)
            return 0;
    }
    return (size_t)(lf - s->raw.p) + 1;
}

static void check_line(struct scan *s, const struct sip_line *line)
{
    const char *value = s->raw.p + line->value;
    struct span whole = span_sub(s->raw, line->start, line->end), name;
    size_t nul;

    name = span_of(s->raw.p + line->name, line->name_n);
    if (line->end - line->start > s->limits->line)
        refuse(s, 400, "header line too long", name);
    if (line->value_n > s->limits->parameters &&
        count_byte(value, line->value_n, ';') > s->limits->parameters)
        refuse(s, 400, "too many parameters", name);
    if (sip_header_is_list((enum sip_header)line->id)) {
        unsigned commas = 0;

        if (line->value_n > 1)
            commas = count_byte(value, line->value_n, ',');
        if (commas > s->limits->commas)
            refuse(s, 400, "too many values in a line", name);
        s->values[line->id] = (uint16_t)(s->values[line->id] + commas + 1);
        if (s->values[line->id] > s->limits->values)
            refuse(s, 400, "too many values", name);
    }
    nul = span_find(whole, '\0');
    if (nul < whole.n && !nul_is_legal(whole, nul))
        refuse(s, 400, "NUL in a header line", name);
}

/* Splits "name : value" and files the line; [start, end) with CRLF. */
static void add_line(struct scan *s, size_t start, size_t end)
{
    struct span text = span_sub(s->raw, start, end);
    size_t n = lex_token(text), colon = n;
    struct sip_line *line = &s->lines[s->n];
    struct span value;

    while (colon < text.n && (text.p[colon] == ' ' || text.p[colon] == '\t'))
        colon++;
    if (n == 0 || colon == text.n || text.p[colon] != ':') {
        refuse(s, 400, "no header line", text);
        return;
    }
    value = span_trim(span_sub(text, colon + 1, text.n));
    *line = (struct sip_line){
        .id = (uint16_t)sip_header_of(span_of(text.p, n)),
        .start = (uint32_t)start,
        .end = (uint32_t)end,
        .name = (uint32_t)start,
        .name_n = (uint32_t)n,
        .value = (uint32_t)(value.p - s->raw.p),
        .value_n = (uint32_t)value.n,
    };
    s->n++;
    check_line(s, line);
    if (!s->first[line->id]) {
        s->first[line->id] = (uint16_t)s->n;
    } else {
        if (sip_header_is_once((enum sip_header)line->id))
            refuse(s, 400, "header may appear once", span_of(text.p, n));
        s->lines[s->last[line->id] - 1].next = (uint16_t)s->n;
    }
    s->last[line->id] = (uint16_t)s->n;
}

/* Finds all lines; stops where nothing sensible can follow. */
static void scan_lines(struct scan *s)
{
    size_t at = s->start_line_end, start = at, end;
    unsigned max = s->limits->lines < LINES_MAX ? s->limits->lines : LINES_MAX;

    s->headers_end = (uint32_t)at;
    for (;;) {
        end = line_end(s, at);
        if (end == 0)
            break;
        if (end - at == 2 && s->raw.p[at] == '\r')
            break;
        if (s->n == max) {
            refuse(s, 400, "too many header lines", SPAN_NONE);
            break;
        }
        start = at;
        /* RFC 3261 7.3.1: a line that starts with white space continues the one before. */
        while (end < s->raw.n && (s->raw.p[end] == ' ' || s->raw.p[end] == '\t')) {
            size_t more = line_end(s, end);

            if (more == 0)
                break;
            end = more;
        }
        add_line(s, start, end);
        s->headers_end = (uint32_t)end;
        at = end;
    }
}

/* ---- start line -------------------------------------------------------------------------------- */

/* "SIP/2.0" in any case, or another version. */
static bool is_version(struct span s, bool *ret_is_ours)
{
    struct span major, minor;

    if (!span_starts_nocase(s, SPAN("SIP/")))
        return false;
    *ret_is_ours = span_eq_nocase(s, SPAN("SIP/2.0"));
    if (*ret_is_ours)
        return true;
    minor = span_sub(s, 4, s.n);
    major = span_cut(&minor, '.');
    for (size_t i = 0; i < s.n - 4; i++) {
        if (s.p[4 + i] != '.' && (s.p[4 + i] < '0' || s.p[4 + i] > '9'))
            return false;
    }
    return major.n && minor.n;
}

/* Whether a message can be made of it at all: otherwise it is dropped without an answer. */
static bool scan_start_line(struct scan *s)
{
    size_t at = 0;
    const char *lf;
    bool ours;

    /* RFC 3261 7.5: empty lines in front of the start line are ignored. */
    while (s->raw.n - at >= 2 && s->raw.p[at] == '\r' && s->raw.p[at + 1] == '\n')
        at += 2;
    s->raw = span_sub(s->raw, at, s->raw.n);
    lf = memchr(s->raw.p, '\n', s->raw.n);
    if (!lf || lf == s->raw.p || lf[-1] != '\r')
        return false;
    s->start_line = span_sub(s->raw, 0, (size_t)(lf - s->raw.p) - 1);
    s->start_line_end = (uint32_t)(lf - s->raw.p) + 1;
    if (memchr(s->start_line.p, '\0', s->start_line.n) ||
        memchr(s->start_line.p, '\r', s->start_line.n))
        return false;
    s->is_request = !span_starts_nocase(s->start_line, SPAN("SIP/"));
    if (s->is_request) { /* the last word must be a SIP version, or it is not SIP */
        struct span line = span_trim(s->start_line);
        size_t word = line.n;

        while (word && line.p[word - 1] != ' ')
            word--;
        return word && is_version(span_sub(line, word, line.n), &ours);
    }
    return true;
}

/* Method SP Request-URI SP SIP-Version, exactly one SP each (RFC 3261 7.1). */
static void read_request_line(struct scan *s, struct sip_msg *m, struct span line)
{
    size_t sp = span_find(line, ' '), end = line.n;
    struct sip_uri uri;
    bool ours = false;

    m->method_text = span_sub(line, 0, sp);
    m->method = sip_method_of(m->method_text);
    if (sp == 0 || lex_token(m->method_text) != sp) {
        refuse(s, 400, "method is no token", m->method_text);
        return;
    }
    while (end > sp + 1 && line.p[end - 1] != ' ')
        end--;
    if (end <= sp + 1 || !is_version(span_sub(line, end, line.n), &ours)) {
        refuse(s, 400, "start line", line);
        return;
    }
    m->ruri = span_sub(line, sp + 1, end - 1);
    if (!ours)
        refuse(s, 505, "SIP version", span_sub(line, end, line.n));
    else if (sip_uri_split(m->ruri, &uri) < 0)
        refuse(s, 400, "Request-URI", m->ruri);
    else if (uri.headers.p) /* RFC 3261 19.1.1: not allowed here */
        refuse(s, 400, "headers in the Request-URI", m->ruri);
}

/* SIP-Version SP 3DIGIT [SP phrase]. */
static void read_status_line(struct scan *s, struct sip_msg *m, struct span line)
{
    uint64_t status = 0;

    if (!span_starts_nocase(line, SPAN("SIP/2.0 ")) || line.n < 11 ||
        (line.n > 11 && line.p[11] != ' ') || span_u64(span_sub(line, 8, 11), 699, &status) < 0 ||
        status < 100) {
        refuse(s, 0, "status line", line);
        return;
    }
    m->status = (unsigned)status;
    m->phrase = span_sub(line, 12, line.n);
}

/* ---- step two: what the headers say ------------------------------------------------------------ */

static void read_cseq(struct scan *s, struct sip_msg *m)
{
    struct span v = sip_header_value(m, SIP_H_CSEQ), number;
    uint64_t n;

    number = span_sub(v, 0, 0);
    while (number.n < v.n && v.p[number.n] >= '0' && v.p[number.n] <= '9')
        number.n++;
    m->cseq_method = span_trim(span_sub(v, number.n, v.n));
    if (!v.p) {
        refuse(s, 400, "CSeq missing", SPAN_NONE);
    } else if (span_u64(number, INT32_MAX, &n) < 0 || number.n == v.n ||
               !lex_space(v.p[number.n]) || m->cseq_method.n == 0 ||
               lex_token(m->cseq_method) != m->cseq_method.n) {
        refuse(s, 400, "CSeq", v);
    } else {
        m->cseq = (uint32_t)n;
        /* RFC 4475 3.1.2.18: of a method nobody knows, 501 tells more than 400. */
        if (m->is_request && !span_eq(m->cseq_method, m->method_text))
            refuse(s, m->method == SIP_OTHER ? 501 : 400, "CSeq has another method", v);
    }
    if (!m->is_request) {
        m->method_text = m->cseq_method;
        m->method = sip_method_of(m->cseq_method);
    }
}

/* From and To: the URI and the tag. */
static void read_party(struct scan *s, const struct sip_msg *m, enum sip_header id,
                       struct span *ret_uri, struct span *ret_tag)
{
    struct span v = sip_header_value(m, id), tag;
    struct sip_name_addr na;
    struct sip_uri uri;

    if (!v.p) {
        refuse(s, 400, "header missing", sip_header_name(id));
        return;
    }
    if (sip_name_addr_parse(v, &na) < 0 || sip_uri_split(na.uri, &uri) < 0) {
        refuse(s, 400, id == SIP_H_FROM ? "From" : "To", v);
        return;
    }
    *ret_uri = na.uri;
    tag = sip_param_find(na.params, SPAN("tag"));
    if (tag.p && (tag.n == 0 || tag.n > TAG_MAX))
        refuse(s, 400, "tag", v);
    *ret_tag = tag;
}

static void read_numbers(struct scan *s, struct sip_msg *m)
{
    struct span v = sip_header_value(m, SIP_H_MAX_FORWARDS);
    uint64_t n;

    m->max_forwards = -1;
    if (v.p) {
        if (span_u64(v, 255, &n) < 0)
            refuse(s, 400, "Max-Forwards", v);
        else
            m->max_forwards = (int)n;
    }
    m->call_id = sip_header_value(m, SIP_H_CALL_ID);
    if (m->call_id.n == 0)
        refuse(s, 400, "header missing", SPAN("Call-ID"));
}

/* RFC 3261 18.3: bytes behind the Content-Length do not belong to the message. */
static void read_body(struct scan *s, struct sip_msg *m)
{
    struct span v = sip_header_value(m, SIP_H_CONTENT_LENGTH);
    size_t start = m->headers_end + 2;
    uint64_t n;

    if (start > m->raw.n)
        return; /* refused before: no empty line */
    m->body = span_sub(m->raw, start, m->raw.n);
    if (v.p) {
        if (span_u64(v, UINT32_MAX, &n) < 0) {
            refuse(s, 400, "Content-Length", v);
        } else if (n > m->body.n) {
            refuse(s, 400, "body shorter than Content-Length", v);
        } else {
            m->body.n = n;
            m->raw.n = start + n;
        }
    }
}

/* 255.255.255.255, multicast and 0.0.0.0 (RFC 4475 3.3.10): no response may go there. */
static bool is_no_unicast(struct span host)
{
    struct addr a;

    if (addr_parse_ip(host, 0, &a) < 0)
        return false;
    if (a.family == AF_INET)
        return a.ip[0] >= 224 || a.ip[0] == 0;
    return a.ip[0] == 0xff;
}

static void read_vias(struct scan *s, struct sip_msg *m)
{
    struct sip_values it = sip_values(m, SIP_H_VIA);
    struct sip_via via;
    unsigned n = 0;

    while (sip_values_next(&it)) {
        if (sip_via_split(it.value, &via) < 0) {
            refuse(s, 400, "Via", it.value);
            return;
        }
        if (n == 0) {
            m->branch = via.branch;
            /* RFC 4475 3.2.1: the cookie alone identifies nothing. */
            if (via.branch.p && (via.branch.n == 0 || span_eq_nocase(via.branch, SPAN("z9hG4bK"))))
                refuse(s, 400, "branch", it.value);
        }
        if (n == 1 && !m->is_request && is_no_unicast(via.host))
            refuse(s, 0, "response would go to no unicast address", it.value);
        n++;
    }
    if (n == 0)
        refuse(s, 400, "header missing", SPAN("Via"));
}

/* Every value of a route-like header must parse: libosip2 would drop a bad one, which lets a sender
 * choose what a proxy overlooks. */
static void check_addresses(struct scan *s, const struct sip_msg *m, enum sip_header id)
{
    struct sip_values it;
    struct sip_name_addr na;
    struct sip_uri uri;

    if (!m->first[id])
        return;
    it = sip_values(m, id);
    while (sip_values_next(&it)) {
        if (id == SIP_H_CONTACT && span_eq(it.value, SPAN("*")))
            continue;
        if (sip_name_addr_parse(it.value, &na) < 0 || sip_uri_split(na.uri, &uri) < 0)
            refuse(s, 400, "bad address in a header", it.value);
    }
}

static void read_headers(struct scan *s, struct sip_msg *m)
{
    read_vias(s, m);
    read_party(s, m, SIP_H_FROM, &m->from_uri, &m->from_tag);
    read_party(s, m, SIP_H_TO, &m->to_uri, &m->to_tag);
    read_cseq(s, m);
    read_numbers(s, m);
    read_body(s, m);
    check_addresses(s, m, SIP_H_CONTACT);
    check_addresses(s, m, SIP_H_ROUTE);
    check_addresses(s, m, SIP_H_RECORD_ROUTE);
    check_addresses(s, m, SIP_H_PATH);
    check_addresses(s, m, SIP_H_SERVICE_ROUTE);
}

/* ---- the message --------------------------------------------------------------------------------- */

static struct sip_msg *msg_new(const struct scan *s)
{
    size_t lines = s->n * sizeof(struct sip_line);
    size_t used = sizeof(struct sip_msg) + lines + s->raw.n + STAMP_ROOM;
    /* Few sizes: what one message leaves, the next fits into without a search through the heap. */
    size_t size = (used + ARENA_ROOM + UNIT - 1) / UNIT * UNIT;
    struct sip_msg *m = malloc(size);
    char *bytes;

    if (!m)
        return NULL;
    memset(m, 0, sizeof(*m));
    m->refs = 1;
    m->lines = (struct sip_line *)(void *)(m + 1);
    m->n_lines = s->n;
    memcpy(m->lines, s->lines, lines);
    memcpy(m->first, s->first, sizeof(m->first));
    bytes = (char *)(m + 1) + lines;
    memcpy(bytes, s->raw.p, s->raw.n);
    m->raw = span_of(bytes, s->raw.n);
    m->is_request = s->is_request;
    m->start_line_end = s->start_line_end;
    m->headers_end = s->headers_end;
    m->max_forwards = -1;
    arena_init_in(&m->arena, (char *)m + used, size - used, 512 * 1024);
    return m;
}

/* RFC 3261 8.1.1, 17.1.1.3: a response or an ACK is never answered; without a Via nobody can be. */
static bool is_answerable(const struct sip_msg *m)
{
    return m->is_request && m->method != SIP_ACK && m->first[SIP_H_VIA];
}

int sip_msg_parse(struct span raw, const struct sip_limits *limits, struct sip_msg **ret_msg,
                  struct sip_reject *ret_reject)
{
    struct sip_reject reject;
    struct scan s;
    struct sip_msg *m;

    s.raw = raw;
    s.limits = limits ? limits : &sip_limits_default;
    s.reject = &reject;
    s.rejected = false;
    s.n = 0;
    s.values[0] = 0;
    memset(s.first, 0, sizeof(s.first));
    memset(s.values, 0, sizeof(s.values));
    if (raw.n > s.limits->message) {
        refuse(&s, 513, "message too large", SPAN_NONE);
        s.raw.n = s.limits->message;
    }
    if (!scan_start_line(&s)) {
        s.rejected = false;
        refuse(&s, 0, "not SIP", span_sub(raw, 0, 24));
        *ret_msg = NULL;
        *ret_reject = reject;
        return -EBADMSG;
    }
    scan_lines(&s);
    m = msg_new(&s);
    if (!m)
        return -ENOMEM;
    if (m->is_request)
        read_request_line(&s, m, span_sub(m->raw, 0, s.start_line.n));
    else
        read_status_line(&s, m, span_sub(m->raw, 0, s.start_line.n));
    read_headers(&s, m);
    if (s.rejected) {
        if (!is_answerable(m)) {
            reject.status = 0;
            sip_msg_unref(m);
            m = NULL;
        }
        *ret_msg = m;
        *ret_reject = reject;
        return -EBADMSG;
    }
    *ret_msg = m;
    return 0;
}

struct sip_msg *sip_msg_ref(struct sip_msg *m)
{
    m->refs++;
    return m;
}

void sip_msg_unref(struct sip_msg *m)
{
    if (!m || --m->refs)
        return;
    arena_fini(&m->arena);
    free(m);
}
