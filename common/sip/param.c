/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters: ";name=value" lists and the comma lists of authentication headers. */
#include <errno.h>

#include "common/sip/lex.h"

/* clang-format off */
#define A (LEX_TOKEN | LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_HOST | LEX_URI | LEX_VALUE)
#define H (A | LEX_PHONE)
const uint8_t lex_class[256] = {
    ['0' ... '9'] = H, ['a' ... 'f'] = H, ['A' ... 'F'] = H, ['g' ... 'z'] = A, ['G' ... 'Z'] = A,
    ['-'] = H, ['.'] = H, ['_'] = A,
    ['!'] = A & ~LEX_HOST, ['~'] = A & ~LEX_HOST, ['\''] = A & ~LEX_HOST,
    ['*'] = H & ~LEX_HOST,
    ['+'] = H & ~LEX_HOST,
    ['%'] = LEX_TOKEN | LEX_VALUE | LEX_URI, /* elsewhere only as an escape */
    ['`'] = LEX_TOKEN | LEX_VALUE,
    ['('] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_PHONE | LEX_VALUE,
    [')'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_PHONE | LEX_VALUE,
    ['&'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    ['='] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    ['$'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    [','] = LEX_USER | LEX_URI,
    [';'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI,
    ['?'] = LEX_USER | LEX_HEADERS | LEX_URI | LEX_VALUE,
    ['/'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    [':'] = LEX_USER | LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    ['['] = LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    [']'] = LEX_PARAM | LEX_HEADERS | LEX_URI | LEX_VALUE,
    ['@'] = LEX_URI | LEX_VALUE,
    /* Not in the grammar unescaped, but phones dial supplementary services with it (*31#...). */
    ['#'] = LEX_USER | LEX_URI | LEX_PHONE | LEX_VALUE,
    ['|'] = LEX_VALUE, ['{'] = LEX_VALUE, ['}'] = LEX_VALUE, ['^'] = LEX_VALUE,
};
#undef A
#undef H
/* clang-format on */

size_t lex_quoted(struct span s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            return i + 1;
    }
    return 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool lex_all(struct span s, unsigned classes)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
                return false;
            i += 2;
        } else if (!lex_is(s.p[i], classes)) {
            return false;
        }
    }
    return true;
}

/* "name [= value]" at the start of *s, LWS around it allowed. */
static int param_take(struct span *s, struct sip_param *ret_param)
{
    struct sip_param p = {.value = SPAN_NONE};
    size_t n = 0;

    /* Names are tokens; URI parameters also allow "[]/:&+$", which no separator contains. */
    while (n < s->n && lex_is(s->p[n], LEX_TOKEN | LEX_PARAM) && s->p[n] != '=' && s->p[n] != ';')
        n++;
    if (n == 0)
        return -EBADMSG;
    p.name = span_sub(*s, 0, n);
    lex_skip(s, n);
    lex_skip_space(s);
    if (s->n && *s->p == '=') {
        lex_skip(s, 1);
        lex_skip_space(s);
        if (s->n && *s->p == '"') {
            n = lex_quoted(*s);
            if (n == 0)
                return -EBADMSG;
            p.quoted = true;
            p.value = span_sub(*s, 1, n - 1);
        } else {
            for (n = 0; n < s->n && lex_is(s->p[n], LEX_VALUE); n++)
                ;
            p.value = span_of(s->p, n);
        }
        lex_skip(s, n);
        lex_skip_space(s);
    }
    *ret_param = p;
    return 0;
}

static int list_next(struct span *list, char separator, struct sip_param *ret_param)
{
    struct span s = *list;
    int rc;

    lex_skip_space(&s);
    while (s.n && *s.p == separator) {
        lex_skip(&s, 1);
        lex_skip_space(&s);
    }
    *list = SPAN_NONE; /* ends a caller's loop, also behind an error */
    if (s.n == 0)
        return 0;
    rc = param_take(&s, ret_param);
    if (rc < 0)
        return rc;
    if (s.n && *s.p != separator)
        return -EBADMSG;
    *list = s;
    return 1;
}

int sip_param_next(struct span *list, struct sip_param *ret_param)
{
    return list_next(list, ';', ret_param);
}

struct span sip_param_find(struct span list, struct span name)
{
    struct sip_param p;

    while (sip_param_next(&list, &p) > 0) {
        if (span_eq_nocase(p.name, name))
            return p.value.p ? p.value : span_of(p.name.p + p.name.n, 0);
    }
    return SPAN_NONE;
}

int sip_auth_parse(struct span value, struct sip_auth *ret_auth)
{
    struct span s = span_trim(value);
    size_t n = lex_token(s);
    unsigned count = 0;
    struct sip_param p;
    int rc;

    if (n == 0 || (n < s.n && !lex_space(s.p[n])))
        return -EBADMSG;
    ret_auth->n = 0;
    ret_auth->scheme = span_sub(s, 0, n);
    lex_skip(&s, n);
    while ((rc = list_next(&s, ',', &p)) > 0) {
        if (count == SIP_AUTH_PARAMS)
            return -E2BIG;
        ret_auth->params[count++] = p;
    }
    ret_auth->n = count;
    return rc;
}

struct span sip_auth_get(const struct sip_auth *a, struct span name)
{
    for (unsigned i = 0; i < a->n; i++) {
        const struct sip_param *p = &a->params[i];

        if (span_eq_nocase(p->name, name))
            return p->value.p ? p->value : span_of(p->name.p + p->name.n, 0);
    }
    return SPAN_NONE;
}
