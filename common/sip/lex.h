/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/sip, private: character classes of RFC 3261 25.1 and small scanning steps. */
#ifndef COMMON_SIP_LEX_H
#define COMMON_SIP_LEX_H

#include "common/sip/sip.h"

enum {
    LEX_TOKEN = 1,   /* token */
    LEX_USER = 2,    /* userinfo without '%' */
    LEX_PARAM = 4,   /* URI parameters with their ';' and '=' */
    LEX_HEADERS = 8, /* URI headers with their '&' and '=' */
    LEX_HOST = 16,   /* host names and IPv4 */
    LEX_URI = 32,    /* any URI of a scheme we do not know */
    LEX_PHONE = 64,  /* tel: number with visual separators */
    LEX_VALUE = 128, /* an unquoted parameter value, as liberal as is safe */
};

extern const uint8_t lex_class[256];

static inline bool lex_is(char c, unsigned classes)
{
    return (lex_class[(unsigned char)c] & classes) != 0;
}
/* LWS; CR and LF appear inside a value only as folding. */
static inline bool lex_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
static inline void lex_skip_space(struct span *s)
{
    while (s->n && lex_space(*s->p)) {
        s->p++;
        s->n--;
    }
}
static inline void lex_skip(struct span *s, size_t n)
{
    s->p += n;
    s->n -= n;
}
/* Length of the token at the start of s. */
static inline size_t lex_token(struct span s)
{
    size_t n = 0;

    while (n < s.n && lex_is(s.p[n], LEX_TOKEN))
        n++;
    return n;
}
/* Length of the quoted string at the start of s with both quotes; 0 when it does not end. */
size_t lex_quoted(struct span s);
/* Every byte in one of the classes or a %HH escape. */
bool lex_all(struct span s, unsigned classes);

bool sip_header_is_once(enum sip_header id);

#endif
