/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/sdp/sdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sdp/inner.h"

struct reader {
    struct sdp *s;
    struct sdp_media *m; /* NULL: still in the session part */
    enum sdp_direction session_direction;
    unsigned line;
    bool directed; /* the current part has a direction of its own */
    /* After an empty line, which RFC 8866 9 does not have. Many descriptions end with one; readers
     * differ on what stands behind it. */
    bool ended;
    struct sdp_fault *fault;
};

static int fail(struct reader *r, int error, const char *what)
{
    if (r->fault) {
        r->fault->line = r->line;
        snprintf(r->fault->text, sizeof(r->fault->text), "%s", what);
    }
    return error;
}

static int bad(struct reader *r, const char *what)
{
    return fail(r, -EBADMSG, what);
}

static struct span word(struct span *rest)
{
    struct span w = span_cut(rest, ' ');

    if (!rest->p)
        *rest = SPAN("");
    return w;
}

/* "IN IP4 192.0.2.1": the address; a TTL or count behind '/' is not for unicast. */
static int read_connection(struct reader *r, struct span value, struct span *ret_address)
{
    struct span type, net = word(&value), ip;

    type = word(&value);
    ip = span_trim(value);
    if (!span_eq(net, SPAN("IN")) || !(span_eq(type, SPAN("IP4")) || span_eq(type, SPAN("IP6"))) ||
        ip.n == 0 || span_find(ip, ' ') < ip.n)
        return bad(r, "c= is not \"IN IP4 address\" or \"IN IP6 address\"");
    *ret_address = span_sub(ip, 0, span_find(ip, '/'));
    return 0;
}

/* "audio 49170[/2] RTP/AVP 0 8". */
static int read_media(struct reader *r, struct span value)
{
    struct sdp_media *m;
    struct span rest = value, port, count;
    uint64_t n;

    if (r->s->n_media == SDP_MEDIA_MAX)
        return fail(r, -E2BIG, "more m= sections than are served");
    if (!r->m)
        r->session_direction = r->directed ? r->session_direction : SDP_SENDRECV;
    m = r->m = &r->s->media[r->s->n_media++];
    *m = (struct sdp_media){
        .line = value,
        .ports = 1,
        .direction = r->session_direction,
        .address = r->s->session_address,
        .bandwidth = {SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH}};
    r->directed = false;
    m->type = word(&rest);
    count = word(&rest);
    port = span_cut(&count, '/');
    m->proto = word(&rest);
    m->formats = span_trim(rest);
    m->port_text = port;
    if (m->type.n == 0 || m->proto.n == 0 || m->formats.n == 0)
        return bad(r, "m= is not \"type port protocol formats\"");
    if (span_u64(port, 65535, &n) != 0)
        return bad(r, "m= has no port number between 0 and 65535");
    m->port = (uint16_t)n;
    if (count.p) {
        if (span_u64(count, 255, &n) != 0 || n == 0)
            return bad(r, "m= has a number of ports that is none");
        m->ports = (unsigned)n;
    }
    return 0;
}

static int read_bandwidth(struct reader *r, struct span value)
{
    struct sdp_bandwidth *b = r->m ? &r->m->bandwidth : &r->s->bandwidth;
    struct span type = span_cut(&value, ':');
    uint64_t n;

    if (!value.p || span_u64(span_trim(value), UINT32_MAX, &n) != 0)
        return bad(r, "b= is not \"type:number\"");
    if (span_eq(type, SPAN("AS")))
        b->as = n * 1000;
    else if (span_eq(type, SPAN("TIAS")))
        b->tias = n;
    else if (span_eq(type, SPAN("RS")))
        b->rs = n;
    else if (span_eq(type, SPAN("RR")))
        b->rr = n;
    return 0; /* other types are for others */
}

static bool read_direction(struct reader *r, struct span name)
{
    static const char *const names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (!span_eq(name, span_str(names[i])))
            continue;
        if (r->m)
            r->m->direction = (enum sdp_direction)i;
        else
            r->session_direction = (enum sdp_direction)i;
        r->directed = true;
        return true;
    }
    return false;
}

static int read_attribute(struct reader *r, struct span value)
{
    struct span rest = value, name = span_cut(&rest, ':');

    if (!rest.p && read_direction(r, span_trim(name)))
        return 0;
    if (!r->m)
        return 0;
    if (span_eq(span_trim(name), SPAN("rtcp-mux"))) {
        r->m->rtcp_mux = true;
    } else if (rest.p && span_eq(name, SPAN("rtcp"))) {
        if (r->m->rtcp_text.p)
            return bad(r, "a second a=rtcp line in a section");
        r->m->rtcp_text = rest;
    }
    return 0;
}

/* RFC 8866 5.7 lets a section have several for layered multicast; which of them a receiver takes is
 * its own affair, so that a second one could lead media around whoever rewrites the first. */
static int read_c(struct reader *r, struct span value)
{
    if (r->m ? r->m->address_is_own : r->s->session_address.p != NULL)
        return bad(r, "a second c= line for the same media");
    if (!r->m)
        return read_connection(r, value, &r->s->session_address);
    r->m->address_is_own = true;
    return read_connection(r, value, &r->m->address);
}

static int read_line(struct reader *r, struct span line)
{
    struct span value;

    if (r->ended)
        return bad(r, "an empty line stands before the end");
    if (line.n < 2 || line.p[1] != '=')
        return bad(r, "a line is not \"letter=value\"");
    value = span_sub(line, 2, line.n);
    switch (line.p[0]) {
    case 'o':
        r->s->origin = value;
        return 0;
    case 'm':
        return read_media(r, value);
    case 'b':
        return read_bandwidth(r, value);
    case 'a':
        return read_attribute(r, value);
    case 'c':
        return read_c(r, value);
    default:
        return 0;
    }
}

/* RFC 3605: "53020" or "53020 IN IP6 2001:db8::1". */
static int read_rtcp(struct sdp_media *m)
{
    struct span rest = m->rtcp_text, port = word(&rest);
    struct reader nobody = {0};
    struct span address;
    uint64_t n;

    if (span_u64(span_trim(port), 65535, &n) != 0)
        return -EBADMSG;
    m->rtcp.port = (uint16_t)n;
    if (rest.n == 0)
        return 0;
    if (read_connection(&nobody, rest, &address) != 0)
        return -EBADMSG;
    return addr_parse_ip(address, (uint16_t)n, &m->rtcp);
}

/* What follows from all lines of a section together. */
static int finish(struct reader *r)
{
    for (unsigned i = 0; i < r->s->n_media; i++) {
        struct sdp_media *m = &r->s->media[i];
        const char *end =
            i + 1 < r->s->n_media ? r->s->media[i + 1].line.p - 2 : r->s->text.p + r->s->text.n;

        m->section = span_of(m->line.p - 2, (size_t)(end - (m->line.p - 2)));
        if (!m->address.p && m->port != 0)
            return bad(r, "a section has no c= line and the session neither");
        if (!m->address.p || addr_parse_ip(m->address, m->port, &m->connection) != 0)
            m->connection = (struct addr){.port = m->port};
        m->rtcp = m->connection;
        m->rtcp.port = m->port == 0 || m->port == 65535 ? m->port : (uint16_t)(m->port + 1);
        if (m->rtcp_text.p && read_rtcp(m) != 0)
            return bad(r, "a=rtcp is not \"port\" or \"port IN IP4 address\"");
    }
    return 0;
}

static int second_opinion(struct reader *r)
{
    int rc = sdp_osip_reads(r->s->text);

    r->line = 0;
    return rc == -EBADMSG ? bad(r, "a line is malformed or not in the order of RFC 8866 5") : rc;
}

int sdp_parse(struct span text, struct sdp *ret_sdp, struct sdp_fault *ret_fault)
{
    struct reader r = {.s = ret_sdp, .fault = ret_fault};
    struct span rest = text;
    int rc = 0;

    *ret_sdp = (struct sdp){
        .text = text,
        .bandwidth = {SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH, SDP_NO_BANDWIDTH}};
    if (ret_fault)
        *ret_fault = (struct sdp_fault){0};
    if (text.n > SDP_TEXT_MAX)
        return fail(&r, -E2BIG, "it is longer than is served");
    if (!span_starts(text, SPAN("v=0")))
        return bad(&r, "it does not begin with v=0");
    if (span_find(text, '\0') < text.n)
        return bad(&r, "it holds a NUL");
    while (rc == 0 && rest.p && rest.n) {
        struct span line = span_cut(&rest, '\n');

        if (++r.line > SDP_LINES_MAX)
            return fail(&r, -E2BIG, "more lines than are served");
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0)
            r.ended = true;
        else if (span_find(line, '\r') < line.n)
            rc = bad(&r, "a CR stands inside a line");
        else
            rc = read_line(&r, line);
    }
    if (rc == 0)
        rc = finish(&r);
    return rc == 0 ? second_opinion(&r) : rc;
}

/* ---- formats --------------------------------------------------------------------------------------- */

bool sdp_format_next(struct span *formats, struct span *ret_format)
{
    while (formats->p && formats->n) {
        struct span f = span_cut(formats, ' ');

        if (f.n) {
            *ret_format = f;
            return true;
        }
    }
    return false;
}

static struct span static_name(struct span format)
{
    static const char *const names[] = {
        [0] = "PCMU",  [3] = "GSM",   [4] = "G723",  [5] = "DVI4",  [6] = "DVI4",   [7] = "LPC",
        [8] = "PCMA",  [9] = "G722",  [10] = "L16",  [11] = "L16",  [12] = "QCELP", [13] = "CN",
        [14] = "MPA",  [15] = "G728", [16] = "DVI4", [17] = "DVI4", [18] = "G729",  [25] = "CelB",
        [26] = "JPEG", [28] = "nv",   [31] = "H261", [32] = "MPV",  [33] = "MP2T",  [34] = "H263"};
    uint64_t n;

    if (span_u64(format, ARRAY_LEN(names) - 1, &n) != 0 || !names[n])
        return SPAN_NONE;
    return span_str(names[n]);
}

struct span sdp_codec_name(const struct sdp_media *m, struct span format)
{
    struct span rest = m->section;

    if (!span_starts(m->proto, SPAN("RTP/")) && span_find(m->proto, '/') == m->proto.n)
        return format;
    while (rest.p && rest.n) {
        struct span line = span_cut(&rest, '\n'), name;

        if (!span_starts(line, SPAN("a=rtpmap:")))
            continue;
        line = span_trim(span_sub(line, 9, line.n));
        if (!span_eq(span_cut(&line, ' '), format) || !line.p)
            continue;
        line = span_trim(line);
        name = span_cut(&line, '/');
        return name;
    }
    return static_name(format);
}

/* ---- rewriting -------------------------------------------------------------------------------------- */

struct cut {
    const char *from, *to; /* what goes */
    char text[ADDR_TEXT_MAX + 32];
};

static void add_cut(struct cut *cuts, unsigned *n, struct span part, const char *text)
{
    struct cut *c = &cuts[(*n)++];

    c->from = part.p;
    c->to = part.p + part.n;
    snprintf(c->text, sizeof(c->text), "%s", text);
}

/* "IP4 " in front of the address goes with it, for the family may change. */
static struct span with_family(struct span address)
{
    const char *p = address.p;

    while (p[-1] == ' ' || p[-1] == '\t')
        p--;
    p -= strlen("IP4");
    return span_of(p, (size_t)(address.p + address.n - p));
}

static void cut_address(struct cut *cuts, unsigned *n, struct span address, const struct addr *to)
{
    char ip[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 8];

    snprintf(text, sizeof(text), "%s %s", to->family == AF_INET6 ? "IP6" : "IP4",
             addr_ip_text(to, ip));
    add_cut(cuts, n, with_family(address), text);
}

static void cut_rtcp(struct cut *cuts, unsigned *n, const struct sdp_media *m,
                     const struct sdp_place *p)
{
    char ip[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 32];
    const char *start = m->rtcp_text.p - strlen("a=rtcp:"), *end = m->rtcp_text.p + m->rtcp_text.n;
    const char *stop = m->section.p + m->section.n;

    if (p->rtcp) {
        snprintf(text, sizeof(text), "%u IN %s %s", p->rtcp,
                 p->rtp.family == AF_INET6 ? "IP6" : "IP4", addr_ip_text(&p->rtp, ip));
        add_cut(cuts, n, m->rtcp_text, text);
        return;
    }
    /* The line goes, with its end. */
    while (end < stop && (*end == '\r' || *end == '\n'))
        if (*end++ == '\n')
            break;
    add_cut(cuts, n, span_of(start, (size_t)(end - start)), "");
}

/* A c= line of its own: behind m= and i= (RFC 8866 5). */
static void cut_in_address(struct cut *cuts, unsigned *n, const struct sdp_media *m,
                           const struct addr *to)
{
    char ip[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 16];
    struct span rest = m->section, line = span_cut(&rest, '\n');

    if (rest.p && span_starts(rest, SPAN("i=")))
        line = span_cut(&rest, '\n');
    snprintf(text, sizeof(text), "\r\nc=IN %s %s", to->family == AF_INET6 ? "IP6" : "IP4",
             addr_ip_text(to, ip));
    line = span_trim(line);
    add_cut(cuts, n, span_of(line.p + line.n, 0), text);
}

/* The address for the session's c= line: that of the first section it holds for. */
static const struct addr *for_session(const struct sdp *s, const struct sdp_place *places,
                                      unsigned n)
{
    const struct addr *any = NULL;

    for (unsigned i = 0; i < n && i < s->n_media; i++) {
        if (places[i].rtp.family && !s->media[i].address_is_own)
            return &places[i].rtp;
        if (places[i].rtp.family && !any)
            any = &places[i].rtp;
    }
    return any;
}

static int by_place(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

int sdp_rewrite(const struct sdp *s, const struct sdp_place *places, unsigned n, struct buf *out)
{
    struct cut cuts[1 + 3 * SDP_MEDIA_MAX];
    unsigned n_cuts = 0;
    const struct addr *common = s->session_address.p ? for_session(s, places, n) : NULL;
    const char *at = s->text.p;
    char digits[8];

    if (common)
        cut_address(cuts, &n_cuts, s->session_address, common);
    for (unsigned i = 0; i < n && i < s->n_media; i++) {
        const struct sdp_media *m = &s->media[i];

        if (places[i].rtp.family == 0)
            continue;
        snprintf(digits, sizeof(digits), "%u", places[i].rtp.port);
        add_cut(cuts, &n_cuts, m->port_text, digits);
        if (m->address_is_own)
            cut_address(cuts, &n_cuts, m->address, &places[i].rtp);
        else if (common && !addr_ip_eq(common, &places[i].rtp))
            cut_in_address(cuts, &n_cuts, m, &places[i].rtp);
        if (m->rtcp_text.p)
            cut_rtcp(cuts, &n_cuts, m, &places[i]);
    }
    qsort(cuts, n_cuts, sizeof(cuts[0]), by_place); /* n_cuts <= 49 */
    for (unsigned i = 0; i < n_cuts; i++) {
        buf_put(out, span_of(at, (size_t)(cuts[i].from - at)));
        buf_puts(out, cuts[i].text);
        at = cuts[i].to;
    }
    buf_put(out, span_of(at, (size_t)(s->text.p + s->text.n - at)));
    return out->overflow ? -EMSGSIZE : 0;
}
