/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offers: what Security-Client says, what is chosen from it, what Security-Server answers. */
#include <errno.h>
#include <stdio.h>

#include "pcscf/secagree/inner.h"

static const struct ipsec_pair default_pairs[] = {
    {IPSEC_ALG_NULL, IPSEC_EALG_AES_GCM},
    {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
    {IPSEC_ALG_AES_GMAC, IPSEC_EALG_NULL},
    {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
    {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_DES_EDE3_CBC},
    {IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_AES_CBC},
    {IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_DES_EDE3_CBC},
    {IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_NULL},
};
_Static_assert(ARRAY_LEN(default_pairs) <= SECAGREE_PAIRS_MAX, "the default list must fit");

static bool is_legacy(struct ipsec_pair p)
{
    return p.alg == IPSEC_ALG_HMAC_MD5_96 || p.ealg == IPSEC_EALG_DES_EDE3_CBC;
}

struct secagree_policy secagree_policy_default(bool legacy, unsigned algs, unsigned ealgs)
{
    struct secagree_policy policy = {.n = 0};

    for (unsigned i = 0; i < ARRAY_LEN(default_pairs); i++) {
        struct ipsec_pair p = default_pairs[i];

        if ((algs & 1u << p.alg) && (ealgs & 1u << p.ealg) && (legacy || !is_legacy(p)))
            policy.pairs[policy.n++] = p;
    }
    return policy;
}

/* ---- one alternative ---- */

int secagree_value_parse(struct span text, struct secagree_value *ret_value, const char **ret_why)
{
    struct secagree_value v = {.n = 0};
    struct span rest = text;
    struct sip_param p;
    int rc;

    /* The mechanism is a token as the name of a parameter is, and has no value. */
    *ret_why = "mechanism without a name";
    if (text.n == 0 || *text.p == ';' || sip_param_next(&rest, &p) != 1 || p.value.p)
        return -EBADMSG;
    v.mechanism = p.name;
    while ((rc = sip_param_next(&rest, &p)) == 1) {
        *ret_why = "too many parameters";
        if (v.n == SECAGREE_PARAMS)
            return -EBADMSG;
        *ret_why = "parameter twice";
        for (unsigned i = 0; i < v.n; i++) {
            if (span_eq_nocase(v.params[i].name, p.name))
                return -EBADMSG;
        }
        v.params[v.n++] = p;
    }
    *ret_why = "malformed parameter";
    if (rc < 0)
        return -EBADMSG;
    *ret_value = v;
    return 0;
}

struct span secagree_value_get(const struct secagree_value *v, const char *name)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (span_eq_nocase(v->params[i].name, span_str(name)))
            return v->params[i].value.p ? v->params[i].value : span_of("", 0);
    }
    return SPAN_NONE;
}

bool secagree_value_is_media(const struct secagree_value *v)
{
    return secagree_value_get(v, "mediasec").p != NULL;
}

/* ---- refusals ---- */

int secagree_refuse(struct secagree_refusal *r, unsigned status, struct span list,
                    const char *reason, struct span detail)
{
    struct secagree_refusal refusal = {.reject = {.status = status}};
    struct buf extra = BUF_ON(refusal.extra);

    refusal.reject.phrase = sip_status_phrase(status);
    /* What the phone wrote is shown only as far as it is printable and short. */
    if (detail.n > 32)
        detail.n = 32;
    for (size_t i = 0; i < detail.n; i++) {
        if (detail.p[i] < ' ' || detail.p[i] > '~' || detail.p[i] == '"' || detail.p[i] == '\\')
            detail.n = i;
    }
    snprintf(refusal.reject.reason, sizeof(refusal.reject.reason), "%s%s%.*s", reason,
             detail.n ? ": " : "", SPAN_ARG(detail));
    extra.cap--;
    if (list.n) {
        buf_puts(&extra, "Require: sec-agree\r\nSecurity-Server: ");
        buf_put(&extra, list);
        buf_puts(&extra, "\r\n");
    }
    if (extra.overflow)
        extra.n = 0;
    extra.p[extra.n] = '\0';
    *r = refusal;
    return -EBADMSG;
}

/* Refuses with our list: without SPIs and ports, for there is no agreement to name them. */
static int refuse_with_policy(struct secagree_refusal *r, unsigned status,
                              const struct secagree_policy *policy, const char *reason)
{
    char text[SECAGREE_SERVER_MAX];
    struct buf list = BUF_ON(text);

    for (unsigned i = 0; i < policy->n; i++)
        buf_fmt(&list, "%sipsec-3gpp;q=0.%u;prot=esp;mod=trans;alg=%s;ealg=%s", i ? ", " : "",
                9 - i, ipsec_alg_name(policy->pairs[i].alg),
                ipsec_ealg_name(policy->pairs[i].ealg));
    return secagree_refuse(r, status, buf_span(&list), reason, SPAN_NONE);
}

/* ---- choosing ---- */

bool secagree_is_offered(const struct sip_msg *request)
{
    struct sip_values at = sip_values(request, SIP_H_SECURITY_CLIENT);

    while (sip_values_next(&at)) {
        struct secagree_value v;
        const char *why;

        /* A broken value is an offer too: secagree_choose says what is wrong with it. */
        if (secagree_value_parse(at.value, &v, &why) < 0 || !secagree_value_is_media(&v))
            return true;
    }
    return false;
}

static bool is_port(uint64_t port)
{
    /* TS 33.203 7.1: the protected ports are never the default ones. */
    return port != 0 && port != 5060 && port != 5061;
}

/* The numbers of one ipsec-3gpp alternative; why and *ret_detail on -EBADMSG. */
static int read_ends(const struct secagree_value *v, struct secagree_ends *ret_ends,
                     const char **ret_why, struct span *ret_detail)
{
    static const char *const names[] = {"spi-c", "spi-s", "port-c", "port-s"};
    uint64_t n[4] = {0};

    for (unsigned i = 0; i < 4; i++) {
        struct span text = secagree_value_get(v, names[i]);

        *ret_detail = span_str(names[i]);
        *ret_why = "Security-Client lacks a parameter";
        if (!text.p)
            return -EBADMSG;
        *ret_why = "Security-Client with a value that is no number in range";
        if (span_u64(text, i < 2 ? UINT32_MAX : UINT16_MAX, &n[i]) != 0)
            return -EBADMSG;
        /* RFC 4303 2.1: SPIs below 256 are reserved; the kernel would take them. */
        *ret_why = i < 2 ? "Security-Client with a reserved SPI"
                         : "Security-Client with a port that cannot be protected";
        if (i < 2 ? n[i] < 256 : !is_port(n[i]))
            return -EBADMSG;
    }
    *ret_detail = SPAN_NONE;
    *ret_why = "Security-Client with equal SPIs";
    if (n[0] == n[1])
        return -EBADMSG;
    *ret_ends =
        (struct secagree_ends){(uint32_t)n[0], (uint32_t)n[1], (uint16_t)n[2], (uint16_t)n[3]};
    return 0;
}

/* Place of an alternative in our list, or policy->n. */
static unsigned rank_of(const struct secagree_policy *policy, const struct secagree_value *v)
{
    struct span prot = secagree_value_get(v, "prot"), mod = secagree_value_get(v, "mod");
    struct span ealg = secagree_value_get(v, "ealg");
    struct ipsec_pair pair = {.ealg = IPSEC_EALG_NULL};
    unsigned i;

    /* TS 33.203 annex H: the defaults are esp, trans, null. */
    if ((prot.p && !span_eq_nocase(prot, SPAN("esp"))) ||
        (mod.p && !span_eq_nocase(mod, SPAN("trans"))) ||
        ipsec_alg_of(secagree_value_get(v, "alg"), &pair.alg) < 0 ||
        (ealg.p && ipsec_ealg_of(ealg, &pair.ealg) < 0))
        return policy->n;
    for (i = 0; i < policy->n; i++) {
        if (policy->pairs[i].alg == pair.alg && policy->pairs[i].ealg == pair.ealg)
            break;
    }
    return i;
}

static int refuse_absent(const struct sip_msg *request, const struct secagree_policy *policy,
                         struct secagree_refusal *r)
{
    const struct span tag = SPAN("sec-agree");
    bool named = sip_header_has_token(request, SIP_H_REQUIRE, tag) ||
                 sip_header_has_token(request, SIP_H_PROXY_REQUIRE, tag) ||
                 sip_header_has_token(request, SIP_H_SUPPORTED, tag);

    /* RFC 3329 2.3.1: 421 to a client that does not say sec-agree, 494 to one that does. */
    return refuse_with_policy(r, named ? 494 : 421, policy, "no Security-Client");
}

int secagree_choose(const struct sip_msg *request, const struct secagree_policy *policy,
                    struct secagree_choice *ret_choice, struct secagree_refusal *ret_refusal)
{
    struct sip_values at = sip_values(request, SIP_H_SECURITY_CLIENT);
    struct secagree_choice choice = {.phone = {0}};
    unsigned best = policy->n, values = 0, ours = 0, offers = 0;
    const char *why;

    while (sip_values_next(&at)) {
        struct secagree_value v;
        struct secagree_ends ends;
        struct span detail;
        unsigned rank;

        if (++values > SECAGREE_VALUES)
            return secagree_refuse(ret_refusal, 400, SPAN_NONE,
                                   "Security-Client with too many "
                                   "alternatives",
                                   SPAN_NONE);
        if (secagree_value_parse(at.value, &v, &why) < 0)
            return secagree_refuse(ret_refusal, 400, SPAN_NONE, "Security-Client", span_str(why));
        if (secagree_value_is_media(&v))
            continue;
        offers++;
        if (!span_eq_nocase(v.mechanism, SPAN("ipsec-3gpp")))
            continue;
        ours++;
        if (secagree_value_get(&v, "alg").n == 0)
            return secagree_refuse(ret_refusal, 400, SPAN_NONE, "Security-Client lacks a parameter",
                                   SPAN("alg"));
        if (read_ends(&v, &ends, &why, &detail) < 0)
            return secagree_refuse(ret_refusal, 400, SPAN_NONE, why, detail);
        rank = rank_of(policy, &v);
        if (rank < best) {
            best = rank;
            choice = (struct secagree_choice){policy->pairs[rank], ends};
        }
    }
    if (offers == 0)
        return refuse_absent(request, policy, ret_refusal);
    if (best == policy->n)
        return refuse_with_policy(ret_refusal, 494, policy,
                                  ours ? "no algorithm of Security-Client is ours"
                                       : "no mechanism of Security-Client is ours");
    *ret_choice = choice;
    return 0;
}

/* ---- answering ---- */

static void put_server(struct buf *b, unsigned q, struct ipsec_pair pair,
                       const struct secagree_ends *ours)
{
    buf_fmt(b,
            "%sipsec-3gpp;q=0.%u;prot=esp;mod=trans;spi-c=%u;spi-s=%u;port-c=%u;port-s=%u;"
            "alg=%s;ealg=%s",
            q < 9 ? ", " : "", q, ours->spi_c, ours->spi_s, ours->port_c, ours->port_s,
            ipsec_alg_name(pair.alg), ipsec_ealg_name(pair.ealg));
}

int secagree_server_text(const struct secagree_policy *policy, const struct ipsec_pair *chosen,
                         const struct secagree_ends *ours, struct buf *out)
{
    unsigned q = 9;

    put_server(out, q, *chosen, ours);
    for (unsigned i = 0; i < policy->n; i++) {
        struct ipsec_pair p = policy->pairs[i];

        if (p.alg != chosen->alg || p.ealg != chosen->ealg)
            put_server(out, --q, p, ours);
    }
    return out->overflow ? -EMSGSIZE : 0;
}

void secagree_strip(struct sip_edit *e)
{
    sip_edit_remove_all(e, SIP_H_SECURITY_CLIENT);
    sip_edit_remove_all(e, SIP_H_SECURITY_VERIFY);
    sip_edit_remove_all(e, SIP_H_SECURITY_SERVER);
    sip_edit_remove_token(e, SIP_H_REQUIRE, SPAN("sec-agree"));
    sip_edit_remove_token(e, SIP_H_PROXY_REQUIRE, SPAN("sec-agree"));
}
