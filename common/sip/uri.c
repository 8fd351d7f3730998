/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URIs, name-addr and Via: our split into byte ranges, and libosip2's second opinion. */
#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include <osipparser2/headers/osip_via.h>
#include <osipparser2/osip_port.h>
#include <osipparser2/osip_uri.h>

#include "common/osip/osipmem.h"
#include "common/sip/lex.h"

#define URI_MAX        8192 /* bytes; the limit of a header line */
#define URI_PARAMS_MAX 64   /* libosip2's parameter lists are quadratic: see the limits */
#define OSIP_SCOPE_MAX (256 * 1024)

static bool too_many_params(struct span s)
{
    unsigned n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == ';' || s.p[i] == '&';
    return n > URI_PARAMS_MAX;
}

/* ---- host and port --------------------------------------------------------------------------- */

static bool host_is_valid(struct span host)
{
    struct addr ip;
    unsigned dots = 0, others = 0;

    if (host.n == 0)
        return false;
    if (host.p[0] == '[') /* RFC 5118 4.1: an IPv6 literal only in brackets */
        return addr_parse_ip(host, 0, &ip) == 0 && ip.family == AF_INET6;
    for (size_t i = 0; i < host.n; i++) {
        if (!lex_is(host.p[i], LEX_HOST))
            return false;
        dots += host.p[i] == '.';
        others += host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9');
    }
    /* What looks like an IPv4 address must be one: 192.0.2.256 is no host name. */
    return others || dots != 3 || addr_parse_ip(host, 0, &ip) == 0;
}

/* "host", "host:port" at the start of *s, up to what neither can hold; LWS around ':' when lws. */
static int host_port_take(struct span *s, bool lws, struct span *ret_host, uint16_t *ret_port)
{
    struct span host;
    uint64_t port = 0;
    size_t n = 0;

    if (s->n && *s->p == '[') {
        n = span_find(*s, ']');
        if (n == s->n)
            return -EBADMSG;
        n++;
    } else {
        while (n < s->n && lex_is(s->p[n], LEX_HOST))
            n++;
    }
    host = span_sub(*s, 0, n);
    if (!host_is_valid(host))
        return -EBADMSG;
    lex_skip(s, n);
    if (lws)
        lex_skip_space(s);
    if (s->n && *s->p == ':') {
        lex_skip(s, 1);
        if (lws)
            lex_skip_space(s);
        for (n = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++)
            ;
        if (span_u64(span_sub(*s, 0, n), 65535, &port) < 0 || port == 0)
            return -EBADMSG;
        lex_skip(s, n);
        if (lws)
            lex_skip_space(s);
    }
    *ret_host = host;
    *ret_port = (uint16_t)port;
    return 0;
}

/* ---- URIs -------------------------------------------------------------------------------------- */

static int split_sip(struct span rest, struct sip_uri *u)
{
    size_t at = span_find(rest, '@');

    if (at < rest.n) {
        u->user = span_sub(rest, 0, at);
        if (u->user.n == 0 || !lex_all(u->user, LEX_USER))
            return -EBADMSG;
        lex_skip(&rest, at + 1);
    }
    if (host_port_take(&rest, false, &u->host, &u->port) < 0)
        return -EBADMSG;
    if (rest.n && *rest.p == ';') {
        u->params = span_sub(rest, 0, span_find(rest, '?'));
        if (!lex_all(u->params, LEX_PARAM))
            return -EBADMSG;
        lex_skip(&rest, u->params.n);
    }
    if (rest.n && *rest.p == '?') {
        u->headers = span_sub(rest, 1, rest.n);
        if (u->headers.n == 0 || !lex_all(u->headers, LEX_HEADERS))
            return -EBADMSG;
        lex_skip(&rest, rest.n);
    }
    return rest.n ? -EBADMSG : 0;
}

static int split_tel(struct span rest, struct sip_uri *u)
{
    size_t n = span_find(rest, ';');

    u->user = span_sub(rest, 0, n);
    for (size_t i = 0; i < n; i++) {
        if (!lex_is(rest.p[i], LEX_PHONE) && !(i == 0 && rest.p[i] == '+'))
            return -EBADMSG;
    }
    u->params = span_sub(rest, n, rest.n);
    return n && lex_all(u->params, LEX_PARAM) ? 0 : -EBADMSG;
}

int sip_uri_split(struct span text, struct sip_uri *ret_uri)
{
    struct sip_uri u = {.text = text};
    size_t colon = 0;
    struct span scheme, rest;
    int rc;

    while (colon < text.n && text.p[colon] != ':' && lex_is(text.p[colon], LEX_TOKEN))
        colon++;
    if (colon == 0 || colon == text.n || text.p[colon] != ':' || text.n > URI_MAX ||
        (text.p[0] | 0x20) < 'a' || (text.p[0] | 0x20) > 'z')
        return -EBADMSG;
    scheme = span_sub(text, 0, colon);
    rest = span_sub(text, colon + 1, text.n);
    if (text.n > URI_PARAMS_MAX && too_many_params(rest))
        return -EBADMSG;
    if (span_eq_nocase(scheme, SPAN("sip")) || span_eq_nocase(scheme, SPAN("sips"))) {
        u.scheme = colon == 3 ? SIP_SCHEME_SIP : SIP_SCHEME_SIPS;
        rc = split_sip(rest, &u);
    } else if (span_eq_nocase(scheme, SPAN("tel"))) {
        u.scheme = SIP_SCHEME_TEL;
        rc = split_tel(rest, &u);
    } else {
        u.scheme = span_eq_nocase(scheme, SPAN("urn")) ? SIP_SCHEME_URN : SIP_SCHEME_OTHER;
        rc = rest.n && lex_all(rest, LEX_URI) ? 0 : -EBADMSG;
    }
    if (rc == 0)
        *ret_uri = u;
    return rc;
}

/* Whether libosip2, which works on C strings without brackets, found the same host and port. */
static bool osip_agrees(const char *host, const char *port, struct span our_host, uint16_t our_port)
{
    uint64_t n = 0;

    if (our_host.n && our_host.p[0] == '[')
        our_host = span_sub(our_host, 1, our_host.n - 1);
    if (port && span_u64(span_str(port), 65535, &n) < 0)
        return false;
    return host && n == our_port && span_eq(span_str(host), our_host);
}

/* libosip2's verdict as an errno. */
static int osip_verdict(int rc)
{
    return rc == OSIP_SUCCESS ? 0 : rc == OSIP_NOMEM ? -ENOMEM : -EBADMSG;
}

/* A C string for libosip2, in the scope. */
static char *scope_text(struct osipmem *scope, struct span text)
{
    if (text.n < (size_t)(scope->end - scope->at)) {
        char *copy = scope->at;

        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
        scope->at += (text.n + 16) & ~(size_t)15;
        return copy;
    }
    char *copy = arena_alloc(&scope->more, text.n + 1);

    if (copy) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = 0;
    }
    return copy;
}

int sip_uri_parse(struct span text, struct sip_uri *ret_uri)
{
    struct osipmem scope;
    struct sip_uri u;
    osip_uri_t *theirs;
    char *copy;
    int rc = sip_uri_split(text, &u);

    if (rc == 0 && (u.scheme == SIP_SCHEME_SIP || u.scheme == SIP_SCHEME_SIPS)) {
        osipmem_enter(&scope, OSIP_SCOPE_MAX);
        copy = scope_text(&scope, text);
        if (!copy || osip_uri_init(&theirs) != OSIP_SUCCESS) {
            rc = -ENOMEM;
        } else {
            rc = osip_verdict(osip_uri_parse(theirs, copy));
            if (rc == 0 && !osip_agrees(theirs->host, theirs->port, u.host, u.port))
                rc = -EBADMSG;
        }
        osipmem_leave(&scope);
    }
    if (rc == 0)
        *ret_uri = u;
    return rc;
}

/* One character of an escaped text: %41 and A are the same (RFC 3261 19.1.4). */
static int unescape(struct span *s)
{
    unsigned char c = (unsigned char)*s->p;

    if (c == '%' && s->n >= 3) {
        uint8_t byte;
        size_t n;

        if (hex_decode(span_sub(*s, 1, 3), &byte, 1, &n) == 0) {
            lex_skip(s, 3);
            /* An escaped reserved character is not the character (user "a%40b" is not "a@b"). */
            return lex_is((char)byte, LEX_TOKEN) && byte != '+' ? byte : 256 + byte;
        }
    }
    lex_skip(s, 1);
    return c;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool text_equal(struct span a, struct span b, bool nocase)
{
    while (a.n && b.n) {
        int x = unescape(&a), y = unescape(&b);

        if (x != y && !(nocase && lower(x) == lower(y)))
            return false;
    }
    return a.n == b.n;
}

/* RFC 3261 19.1.4: these five must be in both or in none ("transport" by its examples). */
static bool param_must_match(struct span name)
{
    static const struct span names[] = {SPAN("user"), SPAN("ttl"), SPAN("method"), SPAN("maddr"),
                                        SPAN("transport")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static bool params_match(struct span a, struct span b)
{
    struct sip_param p;

    while (sip_param_next(&a, &p) > 0) {
        struct span other = sip_param_find(b, p.name);

        if (!other.p && param_must_match(p.name))
            return false;
        if (other.p && !text_equal(p.value, other, true))
            return false;
    }
    return true;
}

/* RFC 3966 5.1: visual separators do not count, hex digits have no case. */
static bool phone_equal(struct span a, struct span b)
{
    static const char visual[] = "-.()";

    for (;;) {
        while (a.n && memchr(visual, *a.p, 4))
            lex_skip(&a, 1);
        while (b.n && memchr(visual, *b.p, 4))
            lex_skip(&b, 1);
        if (a.n == 0 || b.n == 0)
            return a.n == b.n;
        if (lower(*a.p) != lower(*b.p))
            return false;
        lex_skip(&a, 1);
        lex_skip(&b, 1);
    }
}

/* RFC 3966 4: every parameter of one must be in the other; phone-context may be a number. */
static bool tel_params_match(struct span a, struct span b)
{
    struct sip_param p;

    while (sip_param_next(&a, &p) > 0) {
        struct span other = sip_param_find(b, p.name);

        if (!other.p)
            return false;
        if (p.value.n && *p.value.p == '+' ? !phone_equal(p.value, other)
                                           : !text_equal(p.value, other, true))
            return false;
    }
    return true;
}

/* RFC 5954 4.2: an address may be written in several ways. */
static bool host_equal(struct span a, struct span b)
{
    struct addr ip_a, ip_b;

    return span_eq_nocase(a, b) ||
           (a.n && b.n && *a.p == '[' && *b.p == '[' && addr_parse_ip(a, 0, &ip_a) == 0 &&
            addr_parse_ip(b, 0, &ip_b) == 0 && addr_ip_eq(&ip_a, &ip_b));
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    switch (a->scheme) {
    case SIP_SCHEME_SIP:
    case SIP_SCHEME_SIPS:
        return !a->user.p == !b->user.p && text_equal(a->user, b->user, false) &&
               host_equal(a->host, b->host) && a->port == b->port &&
               params_match(a->params, b->params) && params_match(b->params, a->params) &&
               text_equal(a->headers, b->headers, true);
    case SIP_SCHEME_TEL:
        return phone_equal(a->user, b->user) && tel_params_match(a->params, b->params) &&
               tel_params_match(b->params, a->params);
    case SIP_SCHEME_URN:
        return span_eq_nocase(a->text, b->text);
    default:
        return span_eq(a->text, b->text);
    }
}

bool sip_uri_same(struct span a, struct span b)
{
    struct sip_uri left, right;

    return span_eq(a, b) || (sip_uri_parse(a, &left) == 0 && sip_uri_parse(b, &right) == 0 &&
                             sip_uri_equal(&left, &right));
}

bool sip_uri_is_loose(const struct sip_uri *u)
{
    return sip_param_find(u->params, SPAN("lr")).p != NULL;
}

/* ---- name-addr ---------------------------------------------------------------------------------- */

static bool params_are_valid(struct span list)
{
    struct sip_param p;
    int rc;

    while ((rc = sip_param_next(&list, &p)) > 0)
        ;
    return rc == 0;
}

/* Tokens and LWS; also bytes of UTF-8, which the grammar wants quoted but phones send bare. */
static bool display_is_valid(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!lex_is(s.p[i], LEX_TOKEN) && !lex_space(s.p[i]) && (unsigned char)s.p[i] < 0x80)
            return false;
    }
    return true;
}

int sip_name_addr_parse(struct span value, struct sip_name_addr *ret_na)
{
    struct sip_name_addr na = {.display = SPAN_NONE};
    struct span s = span_trim(value);
    size_t n;

    if (s.n && *s.p == '"') {
        n = lex_quoted(s);
        if (n == 0)
            return -EBADMSG;
        na.display = span_sub(s, 1, n - 1);
        lex_skip(&s, n);
        lex_skip_space(&s);
        if (s.n == 0 || *s.p != '<')
            return -EBADMSG;
    }
    n = span_find(s, '<');
    if (n < s.n) {
        if (n) {
            na.display = span_trim(span_sub(s, 0, n));
            if (!display_is_valid(na.display))
                return -EBADMSG;
        }
        lex_skip(&s, n + 1);
        n = span_find(s, '>');
        if (n == s.n)
            return -EBADMSG;
        na.uri = span_sub(s, 0, n);
        lex_skip(&s, n + 1);
    } else {
        /* addr-spec: ';' starts the header's own parameters, and ',' '?' demand <> (20.10). */
        n = 0;
        while (n < s.n && s.p[n] != ';' && !lex_space(s.p[n])) {
            if (s.p[n] == '?' || s.p[n] == ',')
                return -EBADMSG;
            n++;
        }
        na.uri = span_sub(s, 0, n);
        lex_skip(&s, n);
    }
    lex_skip_space(&s);
    if (na.uri.n == 0 || (s.n && (*s.p != ';' || !params_are_valid(s))))
        return -EBADMSG;
    na.params = s;
    *ret_na = na;
    return 0;
}

int sip_next_uri(struct span route, struct span target, struct sip_uri *ret_uri)
{
    struct sip_name_addr na = {.uri = target};
    int rc = route.p ? sip_name_addr_parse(route, &na) : 0;

    return rc != 0 ? rc : sip_uri_parse(na.uri, ret_uri);
}

/* ---- Via ------------------------------------------------------------------------------------------ */

/* "SIP / 2.0 / UDP" */
static int protocol_take(struct span *s, struct span *ret_transport)
{
    struct span part[3];

    for (int i = 0; i < 3; i++) {
        size_t n = lex_token(*s);

        if (n == 0)
            return -EBADMSG;
        part[i] = span_sub(*s, 0, n);
        lex_skip(s, n);
        if (i == 2)
            break;
        lex_skip_space(s);
        if (s->n == 0 || *s->p != '/')
            return -EBADMSG;
        lex_skip(s, 1);
        lex_skip_space(s);
    }
    if (!span_eq_nocase(part[0], SPAN("SIP")) || !span_eq(part[1], SPAN("2.0")) || s->n == 0 ||
        !lex_space(*s->p))
        return -EBADMSG;
    lex_skip_space(s);
    *ret_transport = part[2];
    return 0;
}

int sip_via_split(struct span value, struct sip_via *ret_via)
{
    struct sip_via via = {.port = 0};
    struct span s = span_trim(value), list;
    struct sip_param p;
    int rc;

    if (protocol_take(&s, &via.transport) < 0 ||
        host_port_take(&s, true, &via.host, &via.port) < 0 || (s.n && *s.p != ';'))
        return -EBADMSG;
    via.params = list = s;
    while ((rc = sip_param_next(&list, &p)) > 0) {
        struct span v = p.value.p ? p.value : span_of(p.name.p + p.name.n, 0);

        if (span_eq_nocase(p.name, SPAN("branch")))
            via.branch = v;
        else if (span_eq_nocase(p.name, SPAN("received")))
            via.received = v;
        else if (span_eq_nocase(p.name, SPAN("rport")))
            via.rport = v;
    }
    if (rc == 0)
        *ret_via = via;
    return rc;
}

int sip_via_parse(struct span value, struct sip_via *ret_via)
{
    struct osipmem scope;
    struct sip_via via;
    osip_via_t *theirs;
    char *copy;
    int rc = sip_via_split(value, &via);

    if (rc < 0)
        return rc;
    if (via.params.n > URI_PARAMS_MAX && too_many_params(via.params))
        return -EBADMSG;
    osipmem_enter(&scope, OSIP_SCOPE_MAX);
    copy = scope_text(&scope, value);
    if (!copy || osip_via_init(&theirs) != OSIP_SUCCESS) {
        rc = -ENOMEM;
    } else {
        /* The whole-message parser turns folding into spaces before this one sees it. */
        for (char *c = copy; *c; c++) {
            if (*c == '\r' || *c == '\n' || *c == '\t')
                *c = ' ';
        }
        rc = osip_verdict(osip_via_parse(theirs, copy));
        if (rc == 0 && !osip_agrees(theirs->host, theirs->port, via.host, via.port))
            rc = -EBADMSG;
    }
    osipmem_leave(&scope);
    if (rc == 0)
        *ret_via = via;
    return rc;
}
