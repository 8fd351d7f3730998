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

/* ---- loops: RFC 5393 4.2 ---- */

static uint64_t mark_more(const struct sip_layer *l, uint64_t mark, const void *p, size_t n)
{
    uint64_t key[2] = {l->secret[0] ^ mark, l->secret[1]};

    return siphash24(key, p, n);
}

uint64_t proxy_mark(const struct sip_layer *l, const struct sip_msg *m, const struct sip_flow *flow)
{
    /* What roles decide by: where it is to go, for whom it is served, and from which side it came. */
    static const enum sip_header deciding[] = {SIP_H_ROUTE, SIP_H_P_ASSERTED_IDENTITY,
                                               SIP_H_P_SERVED_USER};
    /* And what tells requests apart, so that marks which collide do so once. Not the method: the branch of a CANCEL
     * is that of its INVITE. */
    struct span texts[] = {m->ruri, m->call_id, m->from_tag, m->to_tag};
    uint64_t mark = mark_more(l, m->cseq, &flow->endpoint, sizeof(flow->endpoint));

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        mark = mark_more(l, mark, texts[i].p, texts[i].n);
    for (size_t i = 0; i < ARRAY_LEN(deciding); i++) {
        struct sip_values v = sip_values(m, deciding[i]);

        while (sip_values_next(&v))
            mark = mark_more(l, mark + i, v.value.p, v.value.n);
    }
    return mark ? mark : 1;
}

/* A mark is keyed: a Via that has it is ours, whatever its sent-by says. */
static bool has_been_here(const struct sip_server *s)
{
    struct sip_values v = sip_values(s->request, SIP_H_VIA);
    char mark[BRANCH_DIGITS];
    bool is_known = false;
    struct sip_via via;

    while (sip_values_next(&v)) {
        if (sip_via_split(v.value, &via) != 0 || via.branch.n != MARKED_LEN ||
            !span_starts(via.branch, SPAN(BRANCH_COOKIE)))
            continue;
        if (!is_known)
            layer_digits(proxy_mark(s->x.l, s->request, &s->flow), mark);
        is_known = true;
        if (span_eq(span_sub(via.branch, BRANCH_LEN + 1, MARKED_LEN), span_of(mark, sizeof(mark))))
            return true;
    }
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
    if (has_been_here(s)) {
        reject(s, 482, "the request has been here before, for the same place");
        return false;
    }
    return check_extensions(s, rules);
}
