/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing lists of alternatives by meaning: each becomes a canonical text, the texts are sorted.
 * Phones write Security-Verify anew (order of parameters, q=0.1 as q=0.100), so bytes do not
 * compare; and a comparison of every pair would be quadratic in what a phone may send. */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/secagree/inner.h"

struct canon {
    char text[SECAGREE_TEXT_MAX * 2];
    size_t used;
    struct span values[SECAGREE_VALUES];
    unsigned n;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void put_lower(struct buf *b, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_putc(b, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i]);
}

static bool is_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.n > 0;
}

/* A q of 0.100 is one of 0.1; "1." is 1. */
static struct span trim_q(struct span q)
{
    if (span_find(q, '.') == q.n)
        return q;
    while (q.n && q.p[q.n - 1] == '0')
        q.n--;
    if (q.n && q.p[q.n - 1] == '.')
        q.n--;
    return q;
}

/* What stands for a parameter in the canonical text; SPAN_NONE for one that is at its default. */
static bool is_default(const struct sip_param *p)
{
    static const char *const defaults[][2] = {{"prot", "esp"}, {"mod", "trans"}, {"ealg", "null"}};

    for (unsigned i = 0; i < ARRAY_LEN(defaults); i++) {
        if (span_eq_nocase(p->name, span_str(defaults[i][0])) &&
            span_eq_nocase(p->value, span_str(defaults[i][1])))
            return true;
    }
    return false;
}

static void put_param(struct buf *b, const struct sip_param *p)
{
    struct span value = p->value;

    put_lower(b, p->name);
    if (!value.p)
        return;
    buf_putc(b, '=');
    if (p->quoted) { /* keeps a quoted text from looking like parameters */
        buf_putc(b, '"');
        buf_put(b, value);
        buf_putc(b, '"');
        return;
    }
    if (is_digits(value)) {
        while (value.n > 1 && *value.p == '0')
            value = span_sub(value, 1, value.n);
    } else if (span_eq_nocase(p->name, SPAN("q"))) {
        value = trim_q(value);
    }
    put_lower(b, value);
}

/* Adds one alternative. -EBADMSG, -E2BIG. */
static int canon_add(struct canon *c, struct span text)
{
    struct secagree_value v;
    struct span params[SECAGREE_PARAMS];
    char scratch[SECAGREE_TEXT_MAX + 64];
    struct buf parts = BUF_ON(scratch), out;
    unsigned n = 0;
    const char *why;
    int rc = secagree_value_parse(text, &v, &why);

    if (rc < 0)
        return rc;
    if (secagree_value_is_media(&v))
        return 0;
    if (c->n == SECAGREE_VALUES)
        return -E2BIG;
    for (unsigned i = 0; i < v.n; i++) {
        size_t from = parts.n;

        if (is_default(&v.params[i]))
            continue;
        put_param(&parts, &v.params[i]);
        params[n++] = span_of(scratch + from, parts.n - from);
    }
    if (parts.overflow)
        return -E2BIG;
    qsort(params, n, sizeof(params[0]), compare_spans);

    out = (struct buf){c->text + c->used, 0, sizeof(c->text) - c->used, false};
    put_lower(&out, v.mechanism);
    for (unsigned i = 0; i < n; i++) {
        buf_putc(&out, ';');
        buf_put(&out, params[i]);
    }
    if (out.overflow)
        return -E2BIG;
    c->values[c->n++] = buf_span(&out);
    c->used += out.n;
    return 0;
}

/* Cuts the first alternative off a kept list; commas in quotes do not separate. */
static struct span cut_value(struct span *list)
{
    bool quoted = false;
    size_t i;
    struct span value;

    for (i = 0; i < list->n; i++) {
        if (quoted && list->p[i] == '\\')
            i++;
        else if (list->p[i] == '"')
            quoted = !quoted;
        else if (list->p[i] == ',' && !quoted)
            break;
    }
    value = span_trim(span_sub(*list, 0, i));
    *list = i < list->n ? span_sub(*list, i + 1, list->n) : SPAN_NONE;
    return value;
}

static void canon_sort(struct canon *c)
{
    qsort(c->values, c->n, sizeof(c->values[0]), compare_spans);
}

/* Whether the message's header says what was kept: 0 the same, 1 not, -EBADMSG, -E2BIG. */
static int differs(const struct sip_msg *request, enum sip_header id, struct span kept)
{
    struct sip_values at = sip_values(request, id);
    const struct sip_line *line = sip_line_first(request, id);
    struct canon got = {.n = 0}, want = {.n = 0};
    int rc = 0;

    /* The usual case: the phone says it back as it was said. */
    if (line && !sip_line_next(request, line) && span_eq(sip_line_value(request, line), kept))
        return 0;

    while (rc == 0 && sip_values_next(&at))
        rc = canon_add(&got, at.value);
    while (rc == 0 && kept.n)
        rc = canon_add(&want, cut_value(&kept));
    if (rc < 0)
        return rc;
    if (got.n != want.n)
        return 1;
    canon_sort(&got);
    canon_sort(&want);
    for (unsigned i = 0; i < got.n; i++) {
        if (!span_eq(got.values[i], want.values[i]))
            return 1;
    }
    return 0;
}

int secagree_check_verify(const struct sip_msg *request, struct span server_text,
                          struct secagree_refusal *ret_refusal)
{
    int rc;

    if (!sip_line_first(request, SIP_H_SECURITY_VERIFY))
        return secagree_refuse(ret_refusal, 494, server_text, "no Security-Verify", SPAN_NONE);
    rc = differs(request, SIP_H_SECURITY_VERIFY, server_text);
    if (rc < 0)
        return secagree_refuse(ret_refusal, 400, SPAN_NONE, "Security-Verify is broken or too long",
                               SPAN_NONE);
    /* RFC 3329 2.3.1: somebody altered the list on its way; the phone gets it once more. */
    if (rc > 0)
        return secagree_refuse(ret_refusal, 494, server_text,
                               "Security-Verify is not the Security-Server we sent", SPAN_NONE);
    return 0;
}

int secagree_check_client(const struct sip_msg *request, struct span client_text,
                          struct secagree_refusal *ret_refusal)
{
    int rc = differs(request, SIP_H_SECURITY_CLIENT, client_text);

    if (rc < 0)
        return secagree_refuse(ret_refusal, 400, SPAN_NONE, "Security-Client is broken or too long",
                               SPAN_NONE);
    /* TS 33.203 7.2: the registration is aborted; the offer was altered while it was in the clear.
     */
    if (rc > 0)
        return secagree_refuse(ret_refusal, 403, SPAN_NONE,
                               "Security-Client is not that of the first REGISTER", SPAN_NONE);
    return 0;
}

int secagree_client_text(const struct sip_msg *request, struct buf *out)
{
    struct sip_values at = sip_values(request, SIP_H_SECURITY_CLIENT);
    bool first = true;

    while (sip_values_next(&at)) {
        if (!first)
            buf_puts(out, ", ");
        first = false;
        /* Folding goes: what is kept is one line. */
        for (size_t i = 0; i < at.value.n; i++) {
            char c = at.value.p[i];

            buf_putc(out, c == '\r' || c == '\n' || c == '\t' ? ' ' : c);
        }
    }
    return out->overflow ? -EMSGSIZE : 0;
}
