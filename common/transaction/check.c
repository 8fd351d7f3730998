/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May a request go on: RFC 3261 16.3. */
#include "common/transaction/inner.h"

static void reject(struct sip_server *s, unsigned status, const char *reason)
{
    struct sip_reject r = {.status = status, .phrase = sip_status_phrase(status)};
    struct buf b = {r.reason, 0, sizeof(r.reason) - 1, false};

    buf_puts(&b, reason);
    (void)sip_server_reject(s, &r); /* if it cannot be sent, it will be asked again */
}

static bool is_understood(const struct sip_proxy_rules *rules, struct span option)
{
    for (size_t i = 0; i < rules->n_extensions; i++) { /* a handful, constant */
        if (span_eq_nocase(rules->extensions[i], option))
            return true;
    }
    return false;
}

/* RFC 3261 16.3 step 5: all that are not, so that the next attempt can leave them out. */
static bool check_extensions(struct sip_server *s, const struct sip_proxy_rules *rules)
{
    struct sip_values v = sip_values(sip_server_request(s), SIP_H_PROXY_REQUIRE);
    char room[1024];
    struct buf extra = BUF_ON(room);

    while (sip_values_next(&v)) {
        if (v.value.n && !is_understood(rules, v.value))
            buf_fmt(&extra, "%s%.*s", extra.n ? ", " : "Unsupported: ", SPAN_ARG(v.value));
    }
    if (extra.n == 0)
        return true;
    buf_puts(&extra, "\r\n");
    (void)sip_server_reply(s, 420, NULL, extra.overflow ? SPAN_NONE : buf_span(&extra),
                           SPAN_NONE); /* as above */
    return false;
}

bool sip_proxy_check(struct sip_server *s, const struct sip_proxy_rules *rules)
{
    const struct sip_msg *m = sip_server_request(s);
    struct sip_uri ruri = {.scheme = SIP_SCHEME_OTHER};

    (void)sip_uri_split(m->ruri, &ruri); /* sip_msg_parse has */
    if (!(rules->schemes & 1u << ruri.scheme)) {
        reject(s, 416, "the scheme of the Request-URI does not lead on from here");
        return false;
    }
    if (m->max_forwards == 0) {
        reject(s, 483, "Max-Forwards is used up");
        return false;
    }
    return check_extensions(s, rules);
}
