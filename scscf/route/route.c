/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scscf/route/route.h"

#include <errno.h>

/* A request that came back this often goes round in a circle; a service may send it through us
 * more than once. */
#define PASSES_MAX 4

bool sroute_is_loop(const struct sroute_names *names, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct sip_via via;
    struct addr a;
    unsigned n = 0;

    while (sip_values_next(&v))
        n += sip_via_split(v.value, &via) == 0 &&
             addr_parse_ip(via.host, via.port ? via.port : 5060, &a) == 0 &&
             addr_eq(&a, &names->local);
    return n > PASSES_MAX;
}

static bool is_one_of(const struct span *list, size_t n, struct span s)
{
    for (size_t i = 0; i < n; i++) /* a handful, configured */
        if (span_eq_nocase(list[i], s))
            return true;
    return false;
}

bool sroute_is_home(const struct sroute_names *names, struct span host)
{
    return is_one_of(names->domains, names->n_domains, host);
}

bool sroute_is_own(const struct sroute_names *names, const struct sip_uri *uri)
{
    struct addr a;

    if (uri->scheme != SIP_SCHEME_SIP)
        return false;
    if (addr_parse_ip(uri->host, uri->port ? uri->port : 5060, &a) == 0)
        return addr_eq(&a, &names->local);
    return is_one_of(names->hosts, names->n_hosts, uri->host) &&
           (uri->port == 0 || uri->port == names->local.port);
}

void sroute_entry_read(const struct sroute_names *names, struct sip_msg *m, struct sip_edit *e,
                       struct sroute_entry *ret_entry)
{
    struct sip_values v = sip_values(m, SIP_H_ROUTE);
    struct sroute_entry entry = {0};

    while (sip_values_next(&v)) {
        struct sip_name_addr na;
        struct sip_uri uri;

        if (sip_name_addr_parse(v.value, &na) != 0 || sip_uri_split(na.uri, &uri) != 0 ||
            !sroute_is_own(names, &uri)) {
            entry.next = v.value;
            break;
        }
        /* TS 24.229 5.4.3.1: the top one says it; what lies under it is another pass. */
        if (entry.own++ == 0)
            entry.originating = span_eq(uri.user, SPAN("orig"));
        if (e)
            sip_edit_remove_value(e, &v);
    }
    *ret_entry = entry;
}

enum sroute_aim sroute_aim(const struct sroute_names *names, const struct sip_uri *ruri)
{
    if (ruri->scheme == SIP_SCHEME_TEL || sroute_is_home(names, ruri->host))
        return SROUTE_HOME;
    return sroute_is_own(names, ruri) ? SROUTE_SELF : SROUTE_FOREIGN;
}

struct span sroute_number(const struct sip_uri *ruri, char *room, size_t cap)
{
    struct buf b = {room, 0, cap, false};
    struct span number;

    if (ruri->scheme != SIP_SCHEME_SIP || !ruri->user.n)
        return SPAN_NONE;
    number = span_sub(ruri->user, 0, span_find(ruri->user, ';'));
    if (number.p[0] != '+' &&
        !span_eq_nocase(sip_param_find(ruri->params, SPAN("user")), SPAN("phone")))
        return SPAN_NONE;
    buf_puts(&b, "tel:");
    buf_put(&b, number);
    return b.overflow ? SPAN_NONE : buf_span(&b);
}

struct span sroute_asserted(const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_P_ASSERTED_IDENTITY);
    struct sip_name_addr na;

    return sip_values_next(&v) && sip_name_addr_parse(v.value, &na) == 0 ? na.uri : SPAN_NONE;
}

struct span sroute_asserted_by(const struct sip_msg *m, enum sip_scheme scheme)
{
    struct sip_values v = sip_values(m, SIP_H_P_ASSERTED_IDENTITY);
    struct sip_name_addr na;
    struct sip_uri uri;

    while (sip_values_next(&v))
        if (sip_name_addr_parse(v.value, &na) == 0 && sip_uri_split(na.uri, &uri) == 0 &&
            uri.scheme == scheme)
            return na.uri;
    return SPAN_NONE;
}

/* ---- P-Charging-Vector ------------------------------------------------------------------------ */

/* The value as a parameter list: its first parameter comes without a semicolon (RFC 7315 5.6). */
static int vector_list(struct sip_msg *m, struct span *ret_list)
{
    struct span value = sip_header_value(m, SIP_H_P_CHARGING_VECTOR);
    char *list;

    if (!value.p)
        return -ENOENT;
    list = arena_alloc(&m->arena, value.n + 1);
    if (!list)
        return -ENOMEM;
    list[0] = ';';
    memcpy(list + 1, value.p, value.n);
    *ret_list = span_of(list, value.n + 1);
    return 0;
}

int sroute_vector_read(struct sip_msg *m, struct sroute_vector *ret_vector)
{
    struct sroute_vector v = {0};
    struct sip_param p;
    struct span list;
    int rc = vector_list(m, &list);

    if (rc != 0)
        return rc;
    while ((rc = sip_param_next(&list, &p)) == 1) {
        if (span_eq_nocase(p.name, SPAN("icid-value")))
            v.icid = p.value;
        else if (span_eq_nocase(p.name, SPAN("orig-ioi")))
            v.orig_ioi = p.value;
        else if (span_eq_nocase(p.name, SPAN("term-ioi")))
            v.term_ioi = p.value;
    }
    if (rc != 0 || !v.icid.n || v.icid.n > SROUTE_ICID_MAX)
        return -EBADMSG;
    *ret_vector = v;
    return 0;
}

static void put_other_params(struct span list, struct buf *b)
{
    struct sip_param p;

    while (sip_param_next(&list, &p) == 1) {
        if (span_eq_nocase(p.name, SPAN("icid-value")) ||
            span_eq_nocase(p.name, SPAN("orig-ioi")) || span_eq_nocase(p.name, SPAN("term-ioi")))
            continue;
        buf_fmt(b, ";%.*s", SPAN_ARG(p.name));
        if (p.value.p)
            buf_fmt(b, p.quoted ? "=\"%.*s\"" : "=%.*s", SPAN_ARG(p.value));
    }
}

int sroute_vector_put(struct sip_msg *m, struct sip_edit *e, const struct sroute_vector *vector)
{
    struct span list = SPAN_NONE;
    size_t room = 64 + vector->icid.n + vector->orig_ioi.n + vector->term_ioi.n;
    struct buf b;

    if (vector_list(m, &list) == -ENOMEM)
        return -ENOMEM;
    room += list.n;
    b = (struct buf){arena_alloc(&m->arena, room), 0, room, false};
    if (!b.p)
        return -ENOMEM;
    buf_fmt(&b, "icid-value=\"%.*s\"", SPAN_ARG(vector->icid));
    put_other_params(list, &b);
    if (vector->orig_ioi.n)
        buf_fmt(&b, ";orig-ioi=\"%.*s\"", SPAN_ARG(vector->orig_ioi));
    if (vector->term_ioi.n)
        buf_fmt(&b, ";term-ioi=\"%.*s\"", SPAN_ARG(vector->term_ioi));
    if (b.overflow)
        return -ENOMEM;
    sip_edit_remove_all(e, SIP_H_P_CHARGING_VECTOR);
    sip_edit_append(e, SIP_H_P_CHARGING_VECTOR, buf_span(&b));
    return 0;
}

struct span sroute_ioi_network(struct span ioi)
{
    return span_starts(ioi, SPAN("Type ")) && ioi.n > 6 ? span_sub(ioi, 6, ioi.n) : ioi;
}

uint32_t sroute_session_expires(const struct sip_msg *m)
{
    struct span value = sip_header_value(m, SIP_H_SESSION_EXPIRES);
    uint64_t seconds;

    value = span_trim(span_sub(value, 0, span_find(value, ';')));
    return span_u64(value, UINT32_MAX, &seconds) == 0 ? (uint32_t)seconds : 0;
}
