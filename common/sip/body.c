/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies: the one part of a type, for who must read it (a session description) wherever it stands. What another parser
 * may see as such a part and we cannot is told: media must not be agreed on behind our back. */
#include "common/sip/sip.h"

enum { BOUNDARY_MAX = 70 /* RFC 2046 5.1.1 */ };

/* "application / sdp;x=y": RFC 3261 25.1 allows white space around the slash. */
static bool type_is(struct span value, struct span type)
{
    struct span v = span_sub(value, 0, span_find(value, ';'));
    struct span major = span_cut(&v, '/'), want = span_cut(&type, '/');

    return span_eq_nocase(span_trim(major), want) &&
           (type.p == NULL || span_eq_nocase(span_trim(v), type));
}

/* Signed or encrypted as a whole, or encoded: to be passed on untouched, so never readable for us. */
static bool is_sealed(struct span type)
{
    return type_is(type, SPAN("application/pkcs7-mime")) ||
           type_is(type, SPAN("multipart/signed")) || type_is(type, SPAN("multipart/encrypted"));
}

static bool is_identity(struct span coding)
{
    static const char *const plain[] = {"identity", "7bit", "8bit", "binary"};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (span_eq_nocase(span_trim(coding), span_str(plain[i])))
            return true;
    return false;
}

/* Exactly one boundary parameter of legal length and without escapes. */
static bool read_boundary(struct span type, struct span *ret_boundary)
{
    size_t at = span_find(type, ';');
    struct span list = span_sub(type, at, type.n), boundary = SPAN_NONE;
    struct sip_param p;
    int rc;

    while ((rc = sip_param_next(&list, &p)) == 1) {
        if (!span_eq_nocase(p.name, SPAN("boundary")))
            continue;
        if (boundary.p || p.value.n == 0 || p.value.n > BOUNDARY_MAX ||
            span_find(p.value, '\\') < p.value.n)
            return false;
        boundary = p.value;
    }
    *ret_boundary = boundary;
    return rc == 0 && boundary.p;
}

static struct span cut_line(struct span *rest)
{
    struct span line = span_sub(*rest, 0, span_find(*rest, '\n') + 1);

    *rest = span_sub(*rest, line.n, rest->n);
    return line;
}

/* ---- one part ---- */

/* Its content when it is of that type, and nothing else when not. */
static enum sip_body read_part(struct span part, struct span type, struct span *ret_content)
{
    struct span rest = part, line, media_type = SPAN_NONE;
    bool encoded = false;

    for (line = cut_line(&rest); span_trim(line).n; line = cut_line(&rest)) {
        struct span value, name;

        while (rest.n && (*rest.p == ' ' || *rest.p == '\t')) /* folding */
            line.n += cut_line(&rest).n;
        value = line;
        name = span_trim(span_cut(&value, ':'));
        if (!value.p)
            return SIP_BODY_UNREADABLE;
        if (span_eq_nocase(name, SPAN("Content-Type")) || span_eq_nocase(name, SPAN("c"))) {
            if (media_type.p)
                return SIP_BODY_UNREADABLE;
            media_type = value;
        } else if (span_eq_nocase(name, SPAN("Content-Transfer-Encoding")) ||
                   span_eq_nocase(name, SPAN("Content-Encoding")) ||
                   span_eq_nocase(name, SPAN("e"))) {
            encoded = encoded || !is_identity(value);
        }
    }
    /* RFC 2046 5.1: without a type it is text/plain. A multipart inside is not looked into. */
    if (media_type.p && (type_is(media_type, SPAN("multipart")) || is_sealed(media_type)))
        return SIP_BODY_UNREADABLE;
    if (!media_type.p || !type_is(media_type, type))
        return SIP_BODY_NONE;
    if (encoded)
        return SIP_BODY_UNREADABLE;
    *ret_content = rest;
    return SIP_BODY_FOUND;
}

/* ---- many ---- */

enum delimiter { NO_DELIMITER, DELIMITER, LAST_DELIMITER, LIKE_DELIMITER };

static enum delimiter delimiter_of(struct span line, struct span boundary)
{
    struct span rest;

    if (!span_starts(line, SPAN("--")) || !span_starts(span_sub(line, 2, line.n), boundary))
        return NO_DELIMITER;
    rest = span_trim(span_sub(line, 2 + boundary.n, line.n));
    if (rest.n == 0)
        return DELIMITER;
    /* Some look at the beginning of the line only. */
    return span_eq(rest, SPAN("--")) ? LAST_DELIMITER : LIKE_DELIMITER;
}

/* The line end in front of a delimiter belongs to the delimiter. */
static struct span without_line_end(struct span s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static enum sip_body find_part(struct span body, struct span boundary, struct span type,
                               struct span *ret_content)
{
    struct span rest = body, found = SPAN_NONE;
    const char *start = NULL; /* of the part we are in */
    bool ended = false;

    while (rest.n) {
        struct span line = cut_line(&rest), content;
        enum delimiter what = delimiter_of(line, boundary);

        if (what == NO_DELIMITER)
            continue;
        if (what == LIKE_DELIMITER || ended)
            return SIP_BODY_UNREADABLE;
        if (start) {
            struct span part = without_line_end(span_of(start, (size_t)(line.p - start)));
            enum sip_body is = read_part(part, type, &content);

            if (is == SIP_BODY_UNREADABLE || (is == SIP_BODY_FOUND && found.p))
                return SIP_BODY_UNREADABLE;
            if (is == SIP_BODY_FOUND)
                found = content;
        }
        start = rest.p;
        ended = what == LAST_DELIMITER;
    }
    if (!ended)
        return SIP_BODY_UNREADABLE;
    if (!found.p)
        return SIP_BODY_NONE;
    *ret_content = found;
    return SIP_BODY_FOUND;
}

enum sip_body sip_body_find(const struct sip_msg *m, struct span type, struct span *ret_content)
{
    struct span is = sip_header_value(m, SIP_H_CONTENT_TYPE), boundary;
    struct sip_values coding = sip_values(m, SIP_H_CONTENT_ENCODING);

    if (m->body.n == 0)
        return SIP_BODY_NONE;
    /* RFC 3261 7.4.1 wants a type; without one some take a body for a session description. */
    if (!is.p || is_sealed(is))
        return SIP_BODY_UNREADABLE;
    if (!type_is(is, type) && !type_is(is, SPAN("multipart")))
        return SIP_BODY_NONE;
    while (sip_values_next(&coding))
        if (!is_identity(coding.value))
            return SIP_BODY_UNREADABLE;
    if (type_is(is, type)) {
        *ret_content = m->body;
        return SIP_BODY_FOUND;
    }
    return read_boundary(is, &boundary) ? find_part(m->body, boundary, type, ret_content)
                                        : SIP_BODY_UNREADABLE;
}
