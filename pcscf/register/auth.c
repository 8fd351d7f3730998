/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The authentication parameters that live between P-CSCF and S-CSCF only (TS 24.229 7.2A.1,
 * 7.2A.2). */
#include <errno.h>

#include "pcscf/register/inner.h"

static bool is_one_of(struct span name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq_nocase(name, span_str(names[i])))
            return true;
    }
    return false;
}

/* Cuts parameters out of an authentication value, each with the comma that belongs to it. */
static void cut_params(struct sip_edit *e, const struct sip_auth *a, const char *const *names,
                       size_t n)
{
    bool kept = false;

    for (unsigned i = 0; i < a->n; i++) {
        const char *from = a->params[i].name.p, *to = sip_param_end(&a->params[i]);

        if (!is_one_of(a->params[i].name, names, n)) {
            kept = true;
            continue;
        }
        if (kept)
            from = sip_param_end(&a->params[i - 1]); /* the comma before it */
        else if (i + 1 < a->n)
            to = a->params[i + 1].name.p; /* nothing stays before it: the comma behind it */
        sip_edit_bytes(e, span_of(from, (size_t)(to - from)), SPAN(""));
    }
}

/* Only Digest has our parameters; other schemes go on as they are (RFC 4475 3.3.7) and say nothing about
 * who it is, nor do they to the S-CSCF. */
static bool is_digest(struct span value)
{
    size_t n = 0;

    while (n < value.n && (unsigned char)value.p[n] > ' ')
        n++;
    return span_eq_nocase(span_sub(value, 0, n), SPAN("Digest"));
}

int auth_mark_request(struct sip_msg *m, struct sip_edit *e, bool is_protected)
{
    static const char *const mark[] = {"integrity-protected"};

    for (const struct sip_line *line = sip_line_first(m, SIP_H_AUTHORIZATION); line;
         line = sip_line_next(m, line)) {
        struct span value = sip_line_value(m, line);
        struct sip_auth a;

        if (!is_digest(value))
            continue;
        if (sip_auth_parse(value, &a) != 0)
            return -EBADMSG;
        cut_params(e, &a, mark, ARRAY_LEN(mark));
        sip_edit_bytes(e, span_of(value.p + value.n, 0),
                       is_protected ? SPAN(", integrity-protected=\"yes\"")
                                    : SPAN(", integrity-protected=\"no\""));
    }
    return 0;
}

static bool read_key(const struct sip_auth *a, struct span name, struct secret *ret_key)
{
    uint8_t bytes[16];
    size_t n;
    bool ok;

    ok = hex_decode(sip_auth_get(a, name), bytes, sizeof(bytes), &n) == 0 && n == sizeof(bytes) &&
         secret_set(ret_key, bytes, n) == 0;
    bytes_wipe(bytes, sizeof(bytes));
    return ok;
}

bool auth_take_keys(struct sip_msg *m, struct sip_edit *e, struct secret *ret_ck,
                    struct secret *ret_ik)
{
    static const enum sip_header ids[] = {SIP_H_WWW_AUTHENTICATE, SIP_H_PROXY_AUTHENTICATE,
                                          SIP_H_AUTHENTICATION_INFO};
    static const char *const keys[] = {"ck", "ik"};
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        for (const struct sip_line *line = sip_line_first(m, ids[i]); line;
             line = sip_line_next(m, line)) {
            struct sip_auth a;

            if (sip_auth_parse(sip_line_value(m, line), &a) != 0) {
                /* A line that cannot be read may hold a key: it does not go to the phone. */
                sip_edit_remove(e, line);
                continue;
            }
            if (!found && i == 0)
                found = read_key(&a, SPAN("ck"), ret_ck) && read_key(&a, SPAN("ik"), ret_ik);
            cut_params(e, &a, keys, ARRAY_LEN(keys));
        }
    }
    if (!found) {
        secret_wipe(ret_ck);
        secret_wipe(ret_ik);
    }
    return found;
}

enum auth_answer auth_answer(const struct sip_msg *m)
{
    struct sip_auth a;
    struct span value = sip_header_value(m, SIP_H_AUTHORIZATION);

    if (!is_digest(value) || sip_auth_parse(value, &a) != 0)
        return AUTH_NO_ANSWER;
    if (sip_auth_get(&a, SPAN("auts")).n)
        return AUTH_AUTS;
    return sip_auth_get(&a, SPAN("response")).n ? AUTH_RESPONSE : AUTH_NO_ANSWER;
}

struct span auth_private_identity(const struct sip_msg *m, bool *ret_derived)
{
    struct sip_auth a;
    struct span value = sip_header_value(m, SIP_H_AUTHORIZATION), user, uri = m->to_uri;

    *ret_derived = false;
    if (is_digest(value) && sip_auth_parse(value, &a) == 0) {
        user = sip_auth_get(&a, SPAN("username"));
        if (user.n)
            return user;
    }
    /* TS 24.229 5.4.1.2.1: without one, the public identity without its scheme. */
    *ret_derived = true;
    if (span_starts_nocase(uri, SPAN("sip:")))
        uri = span_sub(uri, 4, uri.n);
    return span_sub(uri, 0, span_find(uri, ';'));
}
