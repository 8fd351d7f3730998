/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own URIs: Path and the two halves of Record-Route carry the binding, so that no table of dialogs is needed to
 * find a phone. */
#include "pcscf/session/inner.h"

enum sip_body message_sdp(const struct sip_msg *m, struct span *ret_sdp)
{
    return sip_body_find(m, SPAN("application/sdp"), ret_sdp);
}

void message_edit_sdp(struct sip_edit *e, struct span text)
{
    struct span sdp;

    if (message_sdp(e->m, &sdp) == SIP_BODY_FOUND)
        sip_edit_body_part(e, sdp, text);
}

void message_drop_body(struct sip_edit *e)
{
    sip_edit_remove_all(e, SIP_H_CONTENT_TYPE);
    sip_edit_body(e, SPAN_NONE, SPAN(""));
}

bool message_is_emergency(const struct sip_msg *m)
{
    struct span sos = SPAN("urn:service:sos"), below = span_sub(m->ruri, sos.n, m->ruri.n);

    return span_eq_nocase(span_sub(m->ruri, 0, sos.n), sos) && (!below.n || *below.p == '.');
}

void message_put_token(const struct session_leg *leg, struct sip_msg *m, struct sip_edit *e)
{
    size_t room = 2 * SECRET_MAX + 8;
    struct buf hex = {arena_alloc(&m->arena, room), 0, room, false};

    if (!leg || leg->token.n == 0 || !hex.p)
        return;
    buf_hex(&hex, leg->token.bytes, leg->token.n); /* 1*HEXDIG */
    sip_edit_append(e, SIP_H_P_MEDIA_AUTHORIZATION, buf_span(&hex));
}

static uint64_t id_of_user(struct span user)
{
    uint8_t raw[8];
    size_t n;
    uint64_t id = 0;

    if (user.n != 17 || user.p[0] != 'b' ||
        hex_decode(span_sub(user, 1, 17), raw, sizeof(raw), &n) != 0)
        return 0;
    for (size_t i = 0; i < sizeof(raw); i++)
        id = id << 8 | raw[i];
    return id;
}

bool route_is_own(const struct session *s, struct span uri_text, uint64_t *ret_id)
{
    const struct addr *mw = sip_endpoint_local(s->env.mw), *gm = sip_endpoint_local(s->env.gm);
    struct sip_uri uri;
    struct addr a;

    if (sip_uri_split(uri_text, &uri) != 0 ||
        addr_parse_ip(uri.host, uri.port ? uri.port : 5060, &a) != 0)
        return false;
    /* Any port of the Gm address is ours; on Mw others may live beside us. */
    if (!addr_eq(&a, mw) && !addr_ip_eq(&a, gm))
        return false;
    *ret_id = id_of_user(uri.user);
    return true;
}

void route_pop_own(const struct session *s, struct sip_msg *m, struct sip_edit *e,
                   struct own_routes *ret_own)
{
    struct sip_values v = sip_values(m, SIP_H_ROUTE);
    struct own_routes own = {0};

    while (sip_values_next(&v)) {
        struct sip_name_addr na;
        uint64_t id = 0;

        if (own.count < 2 && sip_name_addr_parse(v.value, &na) == 0 &&
            route_is_own(s, na.uri, &id)) {
            own.count++;
            own.id = id ? id : own.id;
            if (e)
                sip_edit_remove_value(e, &v);
            continue;
        }
        own.next = v.value;
        break;
    }
    *ret_own = own;
}

static bool same_uri(struct span left, struct span right)
{
    struct sip_name_addr l, r;

    return sip_name_addr_parse(left, &l) == 0 && sip_name_addr_parse(right, &r) == 0 &&
           sip_uri_same(l.uri, r.uri);
}

bool route_is(const struct sip_msg *m, unsigned skip, struct span want)
{
    struct sip_values v = sip_values(m, SIP_H_ROUTE);
    bool more;

    while (skip-- > 0)
        (void)sip_values_next(&v); /* counted by route_pop_own */
    while ((more = sip_values_next(&v)) && want.n) {
        if (!same_uri(v.value, sip_list_cut(&want)))
            return false;
    }
    return !more && !want.n;
}

void route_set_put(struct sip_msg *m, struct sip_edit *e, unsigned skip, struct span set)
{
    if (route_is(m, skip, set))
        return;
    sip_edit_remove_all(e, SIP_H_ROUTE);
    if (set.n)
        sip_edit_append(e, SIP_H_ROUTE, set);
}

bool route_begins_in(struct span next, struct span list)
{
    struct sip_name_addr na;
    struct sip_uri uri, have;

    if (!next.p || sip_name_addr_parse(next, &na) != 0 || sip_uri_split(na.uri, &uri) != 0)
        return false;
    for (struct span value; (value = sip_list_cut(&list)).p;)
        if (sip_name_addr_parse(value, &na) == 0 && sip_uri_split(na.uri, &have) == 0 &&
            span_eq_nocase(uri.host, have.host) && uri.port == have.port)
            return true;
    return false;
}

void route_put_mw(const struct session *s, const struct binding *b, struct buf *out)
{
    binding_put_uri(b, sip_endpoint_local(s->env.mw), out);
}

struct span route_record(const struct session *s, struct sip_msg *m, const struct binding *b,
                         bool towards_phone)
{
    struct buf out = {arena_alloc(&m->arena, 256), 0, 256, false};
    struct binding_set *set = binding_sending_set(b);
    /* TS 24.229 5.2.6.3.3: the protected server port; the phone's requests must come over its SAs. */
    const struct addr *gm = sip_endpoint_local(set ? set->ps : s->env.gm);

    if (!out.p)
        return SPAN_NONE;
    if (towards_phone) {
        binding_put_uri(b, gm, &out);
        buf_puts(&out, ", ");
        route_put_mw(s, b, &out);
    } else {
        route_put_mw(s, b, &out);
        buf_puts(&out, ", ");
        binding_put_uri(b, gm, &out);
    }
    return buf_span(&out);
}
