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

#define FIELD(name, kind, member)                                                                  \
    {                                                                                              \
        name, kind, offsetof(struct cdr, member)                                                   \
    }
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    FIELD("record_type", RECORD_TYPE, type),
    FIELD("sequence", U64, sequence),
    FIELD("node", TEXT, node),
    FIELD("role_of_node", INT_ENUM, role),
    FIELD("method", TEXT, method),
    FIELD("icid", TEXT, icid),
    FIELD("session_id", TEXT, session_id),
    FIELD("calling", TEXT, calling),
    FIELD("calling_alias", TEXT, calling_alias),
    FIELD("called", TEXT, called),
    FIELD("called_asserted", TEXT, called_asserted),
    FIELD("subscriber", TEXT, subscriber),
    FIELD("request_time", TIME, request_time),
    FIELD("answer_time", TIME, answer_time),
    FIELD("end_time", TIME, end_time),
    FIELD("closing_time", TIME, closing_time),
    FIELD("duration_us", DURATION, answer_time),
    FIELD("cause_for_record_closing", INT_ENUM, cause),
    FIELD("sip_status", UINT, sip_status),
    FIELD("reason", TEXT, reason),
    FIELD("incomplete", BOOL, incomplete),
    FIELD("orig_ioi", TEXT, orig_ioi),
    FIELD("term_ioi", TEXT, term_ioi),
    FIELD("access_info", TEXT, access_info),
    FIELD("media", MEDIA, media),
};
#undef FIELD

/* For media entries, JSON only. */
static const char *const media_names[] = {"packets_in", "octets_in", "packets_out", "octets_out"};

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
        const uint64_t counts[] = {m->packets_in, m->octets_in, m->packets_out, m->octets_out};

        buf_puts(b, i ? ",{" : "{");
        put_member(b, "media");
        put_string(b, m->media);
        put_member(b, "codec");
        put_string(b, m->codec);
        put_member(b, "direction");
        put_string(b, m->direction);
        put_member(b, "bandwidth_kbps");
        buf_u64(b, m->bandwidth_kbps);
        for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
            put_member(b, media_names[k]);
            buf_u64(b, counts[k]);
        }
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

/* CRC-32C (Castagnoli), as iSCSI and ext4 have it. */
static uint32_t crc32c(struct span s)
{
    static const uint32_t table[256] = {
        0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c, 0x26a1e7e8,
        0xd4ca64eb, 0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b, 0x4d43cfd0, 0xbf284cd3,
        0xac78bf27, 0x5e133c24, 0x105ec76f, 0xe235446c, 0xf165b798, 0x030e349b, 0xd7c45070,
        0x25afd373, 0x36ff2087, 0xc494a384, 0x9a879fa0, 0x68ec1ca3, 0x7bbcef57, 0x89d76c54,
        0x5d1d08bf, 0xaf768bbc, 0xbc267848, 0x4e4dfb4b, 0x20bd8ede, 0xd2d60ddd, 0xc186fe29,
        0x33ed7d2a, 0xe72719c1, 0x154c9ac2, 0x061c6936, 0xf477ea35, 0xaa64d611, 0x580f5512,
        0x4b5fa6e6, 0xb93425e5, 0x6dfe410e, 0x9f95c20d, 0x8cc531f9, 0x7eaeb2fa, 0x30e349b1,
        0xc288cab2, 0xd1d83946, 0x23b3ba45, 0xf779deae, 0x05125dad, 0x1642ae59, 0xe4292d5a,
        0xba3a117e, 0x4851927d, 0x5b016189, 0xa96ae28a, 0x7da08661, 0x8fcb0562, 0x9c9bf696,
        0x6ef07595, 0x417b1dbc, 0xb3109ebf, 0xa0406d4b, 0x522bee48, 0x86e18aa3, 0x748a09a0,
        0x67dafa54, 0x95b17957, 0xcba24573, 0x39c9c670, 0x2a993584, 0xd8f2b687, 0x0c38d26c,
        0xfe53516f, 0xed03a29b, 0x1f682198, 0x5125dad3, 0xa34e59d0, 0xb01eaa24, 0x42752927,
        0x96bf4dcc, 0x64d4cecf, 0x77843d3b, 0x85efbe38, 0xdbfc821c, 0x2997011f, 0x3ac7f2eb,
        0xc8ac71e8, 0x1c661503, 0xee0d9600, 0xfd5d65f4, 0x0f36e6f7, 0x61c69362, 0x93ad1061,
        0x80fde395, 0x72966096, 0xa65c047d, 0x5437877e, 0x4767748a, 0xb50cf789, 0xeb1fcbad,
        0x197448ae, 0x0a24bb5a, 0xf84f3859, 0x2c855cb2, 0xdeeedfb1, 0xcdbe2c45, 0x3fd5af46,
        0x7198540d, 0x83f3d70e, 0x90a324fa, 0x62c8a7f9, 0xb602c312, 0x44694011, 0x5739b3e5,
        0xa55230e6, 0xfb410cc2, 0x092a8fc1, 0x1a7a7c35, 0xe811ff36, 0x3cdb9bdd, 0xceb018de,
        0xdde0eb2a, 0x2f8b6829, 0x82f63b78, 0x709db87b, 0x63cd4b8f, 0x91a6c88c, 0x456cac67,
        0xb7072f64, 0xa457dc90, 0x563c5f93, 0x082f63b7, 0xfa44e0b4, 0xe9141340, 0x1b7f9043,
        0xcfb5f4a8, 0x3dde77ab, 0x2e8e845f, 0xdce5075c, 0x92a8fc17, 0x60c37f14, 0x73938ce0,
        0x81f80fe3, 0x55326b08, 0xa759e80b, 0xb4091bff, 0x466298fc, 0x1871a4d8, 0xea1a27db,
        0xf94ad42f, 0x0b21572c, 0xdfeb33c7, 0x2d80b0c4, 0x3ed04330, 0xccbbc033, 0xa24bb5a6,
        0x502036a5, 0x4370c551, 0xb11b4652, 0x65d122b9, 0x97baa1ba, 0x84ea524e, 0x7681d14d,
        0x2892ed69, 0xdaf96e6a, 0xc9a99d9e, 0x3bc21e9d, 0xef087a76, 0x1d63f975, 0x0e330a81,
        0xfc588982, 0xb21572c9, 0x407ef1ca, 0x532e023e, 0xa145813d, 0x758fe5d6, 0x87e466d5,
        0x94b49521, 0x66df1622, 0x38cc2a06, 0xcaa7a905, 0xd9f75af1, 0x2b9cd9f2, 0xff56bd19,
        0x0d3d3e1a, 0x1e6dcdee, 0xec064eed, 0xc38d26c4, 0x31e6a5c7, 0x22b65633, 0xd0ddd530,
        0x0417b1db, 0xf67c32d8, 0xe52cc12c, 0x1747422f, 0x49547e0b, 0xbb3ffd08, 0xa86f0efc,
        0x5a048dff, 0x8ecee914, 0x7ca56a17, 0x6ff599e3, 0x9d9e1ae0, 0xd3d3e1ab, 0x21b862a8,
        0x32e8915c, 0xc083125f, 0x144976b4, 0xe622f5b7, 0xf5720643, 0x07198540, 0x590ab964,
        0xab613a67, 0xb831c993, 0x4a5a4a90, 0x9e902e7b, 0x6cfbad78, 0x7fab5e8c, 0x8dc0dd8f,
        0xe330a81a, 0x115b2b19, 0x020bd8ed, 0xf0605bee, 0x24aa3f05, 0xd6c1bc06, 0xc5914ff2,
        0x37faccf1, 0x69e9f0d5, 0x9b8273d6, 0x88d28022, 0x7ab90321, 0xae7367ca, 0x5c18e4c9,
        0x4f48173d, 0xbd23943e, 0xf36e6f75, 0x0105ec76, 0x12551f82, 0xe03e9c81, 0x34f4f86a,
        0xc69f7b69, 0xd5cf889d, 0x27a40b9e, 0x79b737ba, 0x8bdcb4b9, 0x988c474d, 0x6ae7c44e,
        0xbe2da0a5, 0x4c4623a6, 0x5f16d052, 0xad7d5351,
    };
    uint32_t crc = ~UINT32_C(0);

    for (size_t i = 0; i < s.n; i++)
        crc = crc >> 8 ^ table[(crc ^ (unsigned char)s.p[i]) & 0xff];
    return ~crc;
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
    crc = crc32c(span_sub(buf_span(b), start, b->n));
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
    buf_fmt(&b, ",\"crc\":\"%08x\"}", crc32c(span_sub(line, 0, line.n - CRC_TAIL)));
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
        uint64_t *counts[] = {&m->packets_in, &m->octets_in, &m->packets_out, &m->octets_out};
        int rc = take_string(json_object_get(o, "media"), a, &m->media);

        if (!rc)
            rc = take_string(json_object_get(o, "codec"), a, &m->codec);
        if (!rc)
            rc = take_string(json_object_get(o, "direction"), a, &m->direction);
        if (rc)
            return rc;
        m->bandwidth_kbps = (uint32_t)take_number(o, "bandwidth_kbps");
        for (size_t k = 0; k < ARRAY_LEN(counts); k++)
            *counts[k] = take_number(o, media_names[k]);
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
