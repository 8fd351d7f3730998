/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record as JSON and CSV: one table of fields for both and for reading back. */
#include <errno.h>
#include <jansson.h>

#include "common/charging/inner.h"

void charging_icid_put(struct buf *b, const struct rnd *rnd, int64_t wall_us)
{
    /* 14 digits until the year 4253, so that sorting by ICID is sorting by time. */
    buf_fmt(b, "%014llx", (unsigned long long)wall_us & 0xffffffffffffff);
    rnd_token(rnd, b, CHARGING_ICID_LEN - 14);
}

int64_t cdr_duration(const struct cdr *c)
{
    return c->answer_time && c->end_time > c->answer_time ? c->end_time - c->answer_time : 0;
}

/* ---- the table ---- */

enum kind { TEXT, TIME, U64, UINT, INT_ENUM, BOOL, RECORD_TYPE, DURATION, MEDIA };

#define FIELD(name, kind, member, help)                                                            \
    {                                                                                              \
        name, kind, offsetof(struct cdr, member), help                                             \
    }
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *help;
} fields[] = {
    FIELD("record_type", RECORD_TYPE, type,
          "What wrote it: sCSCFRecord (recordType 63 of TS 32.298)."),
    FIELD("sequence", U64, sequence,
          "Number of the record (localRecordSequenceNumber): one more than the last, "
          "over all files and restarts. A gap is a lost record; cdr export --after "
          "NUMBER goes on behind one."),
    FIELD("node", TEXT, node, "Address of the server that wrote it (nodeAddress)."),
    FIELD("role_of_node", INT_ENUM, role,
          "Half of the call (role-of-Node): 0 originating, for who calls; 1 terminating, "
          "for who is called. A call between two subscribers of ours has one record of "
          "each, with the same icid."),
    FIELD("method", TEXT, method, "INVITE: a session. MESSAGE: an event, whose duration is 0."),
    FIELD("icid", TEXT, icid,
          "IMS charging identifier: the same in all records of a call, in those of other "
          "networks and in P-Charging-Vector."),
    FIELD("session_id", TEXT, session_id, "Call-ID."),
    FIELD("calling", TEXT, calling,
          "Who calls: the asserted identity, never what the phone claims."),
    FIELD("calling_alias", TEXT, calling_alias,
          "The other kind of identity of the same user: tel when calling is sip."),
    FIELD("called", TEXT, called, "Who was called: the Request-URI as it came in."),
    FIELD("called_asserted", TEXT, called_asserted, "Who answered, as asserted there."),
    FIELD("subscriber", TEXT, subscriber, "Private identity of the user the record is for."),
    FIELD("request_time", TIME, request_time, "When the request came."),
    FIELD("answer_time", TIME, answer_time,
          "When the final answer with success came: charging begins. Absent: it was not "
          "answered."),
    FIELD("end_time", TIME, end_time,
          "When the call ended, by BYE or otherwise; without an answer, when the attempt "
          "ended."),
    FIELD("closing_time", TIME, closing_time, "When the record was written."),
    FIELD("duration_us", DURATION, answer_time,
          "Microseconds from answer_time to end_time; 0 without an answer."),
    FIELD("cause_for_record_closing", INT_ENUM, cause,
          "causeForRecordClosing: 0 ended normally, 1 unsuccessful or lost (see "
          "sip_status and reason), 3 ended by calls.longest, 4 service change, 5 the "
          "server was stopped or killed."),
    FIELD("sip_status", UINT, sip_status,
          "Final status of the request: 200, 404, 486, 487 ... 0 or absent: there was "
          "none."),
    FIELD("reason", TEXT, reason,
          "Why it ended, for people: BYE caller, BYE callee, CANCEL, session timer, the "
          "phrase of the status ..."),
    FIELD("incomplete", BOOL, incomplete,
          "true: the end was not seen (a session timer, a crash); the times are the best "
          "that is known. Bill with care. Absent otherwise, false in CSV."),
    FIELD("orig_ioi", TEXT, orig_ioi, "Network of the caller (inter-operator identifier)."),
    FIELD("term_ioi", TEXT, term_ioi, "Network of the callee."),
    FIELD("access_info", TEXT, access_info,
          "P-Access-Network-Info of the caller: kind of access and cell. Of a phone, so "
          "not proven."),
    FIELD("media", MEDIA, media,
          "What was agreed with the answer: for each medium that is not refused its "
          "media (audio, video ...), codec (AMR-WB, the first), direction "
          "(sendrecv, sendonly, recvonly, inactive; as the callee sees it) and "
          "bandwidth_kbps (b=AS, 0 = not said). Changes during the call are not in it. "
          "In CSV one column, media separated by semicolons. Absent: there was no "
          "answer, or no session description in it."),
};
#undef FIELD

void cdr_fields_each(void (*visit)(const struct cdr_field *f, void *ctx), void *ctx)
{
    static const char *const kinds[] = {
        [TEXT] = "text",        [TIME] = "time",       [U64] = "number",
        [UINT] = "number",      [INT_ENUM] = "number", [BOOL] = "true or false",
        [RECORD_TYPE] = "text", [DURATION] = "number", [MEDIA] = "list"};
    static const struct cdr_field crc = {
        "crc", "text", "CRC-32C of the line before this member, 8 hexadecimal digits; JSON only."};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        visit(&(struct cdr_field){fields[i].name, kinds[fields[i].kind], fields[i].help}, ctx);
    visit(&crc, ctx);
}

static const char *record_type_name(enum cdr_type type)
{
    return type == CDR_PCSCF ? "pCSCFRecord" : "sCSCFRecord";
}

static const void *at(const struct cdr *c, const struct field *f)
{
    return (const char *)c + f->offset;
}

/* The value of a number field; enums are read as what they are. */
static uint64_t number_of(const struct cdr *c, const struct field *f)
{
    switch (f->kind) {
    case U64:
        return *(const uint64_t *)at(c, f);
    case UINT:
        return *(const unsigned *)at(c, f);
    case DURATION:
        return (uint64_t)cdr_duration(c);
    default:
        return f->offset == offsetof(struct cdr, role) ? (uint64_t)c->role : (uint64_t)c->cause;
    }
}

/* ---- times ---- */

/* Days since 1970 of a date of the Gregorian calendar, and back (years from March, so that the leap
 * day is the last). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void put_digits(char *dst, int64_t v, int n)
{
    while (n-- > 0) {
        dst[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

static const char time_form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

static void put_time(struct buf *b, int64_t us)
{
    int64_t days = us / 86400000000, rest = us % 86400000000;
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp + (mp < 10 ? 3 : -9);
    char text[sizeof(time_form)];

    memcpy(text, time_form, sizeof(text));
    put_digits(text, yoe + era * 400 + (month <= 2), 4);
    put_digits(text + 5, month, 2);
    put_digits(text + 8, doy - (153 * mp + 2) / 5 + 1, 2);
    put_digits(text + 11, rest / 3600000000, 2);
    put_digits(text + 14, rest / 60000000 % 60, 2);
    put_digits(text + 17, rest / 1000000 % 60, 2);
    put_digits(text + 20, rest % 1000000, 6);
    buf_put(b, span_of(text, sizeof(text) - 1));
}

static int parse_time(const char *s, size_t n, int64_t *ret_us)
{
    int64_t v[7] = {0};
    unsigned part = 0;

    if (n != sizeof(time_form) - 1)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        if (time_form[i] != 'd') {
            if (s[i] != time_form[i])
                return -EBADMSG;
            part++;
        } else if (s[i] < '0' || s[i] > '9') {
            return -EBADMSG;
        } else {
            v[part] = v[part] * 10 + (s[i] - '0');
        }
    }
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31)
        return -EBADMSG;
    *ret_us = (days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5]) * 1000000 + v[6];
    return 0;
}

/* ---- JSON out ---- */

/* Length of the UTF-8 character at s[i], 0 when it is none (RFC 3629). */
static size_t utf8_len(struct span s, size_t i)
{
    unsigned char c = (unsigned char)s.p[i], lo = 0x80, hi = 0xbf;
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || i + n > s.n)
        return 0;
    if (c == 0xe0)
        lo = 0xa0;
    if (c == 0xed)
        hi = 0x9f;
    if (c == 0xf0)
        lo = 0x90;
    if (c == 0xf4)
        hi = 0x8f;
    for (size_t k = 1; k < n; k++) {
        unsigned char next = (unsigned char)s.p[i + k];

        if (next < lo || next > hi)
            return 0;
        lo = 0x80;
        hi = 0xbf;
    }
    return n;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* What a phone sent may be any octets: what is no UTF-8 is taken for Latin-1. */
static void put_string(struct buf *b, struct span s)
{
    size_t i = 0;

    buf_putc(b, '"');
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t n = 0;

        while (i + n < s.n && is_plain(s.p[i + n]))
            n++;
        if (n == 0 && c >= 0x80)
            n = utf8_len(s, i);
        if (n > 0) {
            buf_put(b, span_sub(s, i, i + n));
        } else if (c == '"' || c == '\\') {
            buf_put(b, span_of((const char[]){'\\', (char)c}, 2));
            n = 1;
        } else {
            buf_fmt(b, "\\u%04x", c);
            n = 1;
        }
        i += n;
    }
    buf_putc(b, '"');
}

static void put_member(struct buf *b, const char *name)
{
    if (b->n && b->p[b->n - 1] != '{') /* no value ends in one */
        buf_putc(b, ',');
    buf_putc(b, '"');
    buf_puts(b, name);
    buf_put(b, SPAN("\":"));
}

static void put_media_json(struct buf *b, const struct cdr *c)
{
    buf_putc(b, '[');
    for (unsigned i = 0; i < c->n_media && i < CDR_MEDIA_MAX; i++) {
        const struct cdr_media *m = &c->media[i];

        buf_puts(b, i ? ",{" : "{");
        put_member(b, "media");
        put_string(b, m->media);
        put_member(b, "codec");
        put_string(b, m->codec);
        put_member(b, "direction");
        put_string(b, m->direction);
        put_member(b, "bandwidth_kbps");
        buf_u64(b, m->bandwidth_kbps);
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

static bool is_absent(const struct cdr *c, const struct field *f)
{
    switch (f->kind) {
    case TEXT:
        return ((const struct span *)at(c, f))->n == 0;
    case TIME:
        return *(const int64_t *)at(c, f) == 0;
    case UINT:
        return number_of(c, f) == 0;
    case BOOL:
        return !*(const bool *)at(c, f);
    case MEDIA:
        return c->n_media == 0;
    default:
        return false;
    }
}

static void put_value_json(struct buf *b, const struct cdr *c, const struct field *f)
{
    switch (f->kind) {
    case TEXT:
        put_string(b, *(const struct span *)at(c, f));
        break;
    case TIME:
        buf_putc(b, '"');
        put_time(b, *(const int64_t *)at(c, f));
        buf_putc(b, '"');
        break;
    case BOOL:
        buf_puts(b, "true");
        break;
    case RECORD_TYPE:
        put_string(b, span_str(record_type_name(c->type)));
        break;
    case MEDIA:
        put_media_json(b, c);
        break;
    default:
        buf_u64(b, number_of(c, f));
        break;
    }
}

/* ,"crc":"xxxxxxxx"} */
enum { CRC_TAIL = 18 };

void cdr_put_json(struct buf *b, const struct cdr *c)
{
    size_t start = b->n;
    uint32_t crc;

    buf_putc(b, '{');
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (is_absent(c, &fields[i]))
            continue;
        put_member(b, fields[i].name);
        put_value_json(b, c, &fields[i]);
    }
    crc = cdr_crc32c(span_sub(buf_span(b), start, b->n));
    buf_fmt(b, ",\"crc\":\"%08x\"}", crc);
    if (b->n - start > CDR_LINE_MAX)
        b->overflow = true;
}

/* ---- JSON in ---- */

bool cdr_line_is_whole(struct span line)
{
    char want[CRC_TAIL + 1];
    struct buf b = BUF_ON(want);

    if (line.n <= CRC_TAIL || line.n > CDR_LINE_MAX)
        return false;
    buf_fmt(&b, ",\"crc\":\"%08x\"}", cdr_crc32c(span_sub(line, 0, line.n - CRC_TAIL)));
    return span_eq(span_sub(line, line.n - CRC_TAIL, line.n), buf_span(&b));
}

static int take_string(const json_t *v, struct arena *a, struct span *ret_text)
{
    if (!json_is_string(v))
        return -EBADMSG;
    *ret_text = arena_copy(a, span_of(json_string_value(v), json_string_length(v)));
    return ret_text->p ? 0 : -ENOMEM;
}

static uint64_t take_number(const json_t *o, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(o, name)); /* 0 for anything else */

    return v > 0 ? (uint64_t)v : 0;
}

static int parse_media(const json_t *v, struct arena *a, struct cdr *c)
{
    for (size_t i = 0; i < json_array_size(v) && i < CDR_MEDIA_MAX; i++) {
        const json_t *o = json_array_get(v, i);
        struct cdr_media *m = &c->media[i];
        int rc = take_string(json_object_get(o, "media"), a, &m->media);

        if (!rc)
            rc = take_string(json_object_get(o, "codec"), a, &m->codec);
        if (!rc)
            rc = take_string(json_object_get(o, "direction"), a, &m->direction);
        if (rc)
            return rc;
        m->bandwidth_kbps = (uint32_t)take_number(o, "bandwidth_kbps");
        c->n_media++;
    }
    return 0;
}

static int parse_field(const json_t *o, const struct field *f, struct arena *a, struct cdr *c)
{
    const json_t *v = json_object_get(o, f->name);
    void *place = (char *)c + f->offset;

    if (!v)
        return 0;
    switch (f->kind) {
    case TEXT:
        return take_string(v, a, place);
    case TIME:
        return json_is_string(v) ? parse_time(json_string_value(v), json_string_length(v), place)
                                 : -EBADMSG;
    case U64:
        *(uint64_t *)place = take_number(o, f->name);
        return 0;
    case UINT:
        *(unsigned *)place = (unsigned)take_number(o, f->name);
        return 0;
    case INT_ENUM:
        if (f->offset == offsetof(struct cdr, role))
            c->role = take_number(o, f->name) ? CDR_TERMINATING : CDR_ORIGINATING;
        else
            c->cause = (enum cdr_cause)take_number(o, f->name);
        return 0;
    case BOOL:
        *(bool *)place = json_is_true(v);
        return 0;
    case RECORD_TYPE:
        c->type =
            strcmp(json_is_string(v) ? json_string_value(v) : "", record_type_name(CDR_PCSCF)) == 0
                ? CDR_PCSCF
                : CDR_SCSCF;
        return 0;
    case DURATION: /* follows from the times */
        return 0;
    case MEDIA:
        return parse_media(v, a, c);
    }
    return 0;
}

int cdr_parse_json(struct span line, struct arena *a, struct cdr *ret_cdr)
{
    struct cdr c = {0};
    json_t *o;
    int rc = 0;

    if (!cdr_line_is_whole(line))
        return -EBADMSG;
    o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(o))
        rc = -EBADMSG;
    for (size_t i = 0; i < ARRAY_LEN(fields) && !rc; i++)
        rc = parse_field(o, &fields[i], a, &c);
    json_decref(o);
    if (!rc)
        *ret_cdr = c;
    return rc;
}

/* ---- CSV ---- */

void cdr_put_csv_header(struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (i)
            buf_putc(b, ',');
        buf_puts(b, fields[i].name);
    }
    buf_puts(b, "\r\n");
}

static void put_quoted(struct buf *b, struct span s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_putc(b, '"');
        buf_putc(b, s.p[i]);
    }
    buf_putc(b, '"');
}

/* "audio AMR-WB/16000 sendrecv 49 kbps; video ..." in one column. */
static void put_media_csv(struct buf *b, const struct cdr *c)
{
    char text[1024];
    struct buf t = BUF_ON(text);

    for (unsigned i = 0; i < c->n_media && i < CDR_MEDIA_MAX; i++) {
        const struct cdr_media *m = &c->media[i];

        if (i)
            buf_puts(&t, "; ");
        buf_fmt(&t, "%.*s %.*s %.*s", SPAN_ARG(m->media), SPAN_ARG(m->codec),
                SPAN_ARG(m->direction));
        if (m->bandwidth_kbps)
            buf_fmt(&t, " %u kbps", m->bandwidth_kbps);
    }
    put_quoted(b, buf_span(&t));
}

void cdr_put_csv(struct buf *b, const struct cdr *c)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (i)
            buf_putc(b, ',');
        if (f->kind == BOOL) {
            buf_puts(b, is_absent(c, f) ? "false" : "true");
            continue;
        }
        if (is_absent(c, f))
            continue;
        switch (f->kind) {
        case TEXT:
            put_quoted(b, *(const struct span *)at(c, f));
            break;
        case TIME:
            put_time(b, *(const int64_t *)at(c, f));
            break;
        case RECORD_TYPE:
            buf_puts(b, record_type_name(c->type));
            break;
        case MEDIA:
            put_media_csv(b, c);
            break;
        default:
            buf_u64(b, number_of(c, f));
            break;
        }
    }
    buf_puts(b, "\r\n");
}
