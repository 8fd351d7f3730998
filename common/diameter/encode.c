/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed messages to octets. The order of AVPs is that of the ABNF in TS 29.214 and RFC 5866. */
#include <errno.h>

#include "common/diameter/inner.h"

enum { FLAG_REQUEST = 0x80, FLAG_PROXIABLE = 0x40, FLAG_ERROR = 0x20, AUTHORIZE_ONLY = 2 };

static void put_text(struct avp_writer *w, enum avp_id id, struct span s)
{
    if (s.n)
        avp_put(w, id, s);
}

static void put_opt(struct avp_writer *w, enum avp_id id, struct diameter_u32 v)
{
    if (v.set)
        avp_put_u32(w, id, v.v);
}

static void put_rx_flow(struct avp_writer *w, const struct rx_flow *f)
{
    size_t group = avp_open(w, A_MEDIA_SUB_COMPONENT);

    avp_put_u32(w, A_FLOW_NUMBER, f->number);
    put_text(w, A_FLOW_DESCRIPTION, f->in);
    put_text(w, A_FLOW_DESCRIPTION, f->out);
    put_opt(w, A_FLOW_STATUS, f->status);
    put_opt(w, A_FLOW_USAGE, f->usage);
    put_opt(w, A_MAX_BANDWIDTH_UL, f->bandwidth_ul);
    put_opt(w, A_MAX_BANDWIDTH_DL, f->bandwidth_dl);
    avp_close(w, group);
}

static void put_component(struct avp_writer *w, const struct rx_component *c)
{
    size_t group = avp_open(w, A_MEDIA_COMPONENT_DESCRIPTION);

    avp_put_u32(w, A_MEDIA_COMPONENT_NUMBER, c->number);
    for (size_t i = 0; i < c->n_flows && i < RX_FLOWS_MAX; i++)
        put_rx_flow(w, &c->flows[i]);
    put_opt(w, A_MEDIA_TYPE, c->media_type);
    put_opt(w, A_MAX_BANDWIDTH_UL, c->bandwidth_ul);
    put_opt(w, A_MAX_BANDWIDTH_DL, c->bandwidth_dl);
    put_opt(w, A_FLOW_STATUS, c->status);
    put_opt(w, A_RS_BANDWIDTH, c->rs_bandwidth);
    put_opt(w, A_RR_BANDWIDTH, c->rr_bandwidth);
    put_text(w, A_CODEC_DATA, c->codec[0]);
    put_text(w, A_CODEC_DATA, c->codec[1]);
    avp_close(w, group);
}

static void put_framed(struct avp_writer *w, const struct addr *ip, unsigned bits)
{
    uint8_t prefix[18];

    if (ip->family == AF_INET) {
        avp_put(w, A_FRAMED_IP_ADDRESS, span_of(ip->ip, 4));
    } else if (ip->family == AF_INET6) {
        /* RFC 3162 2.3: reserved, length, as many octets as the prefix needs. */
        bits = bits && bits < 128 ? bits : 128;
        prefix[0] = 0;
        prefix[1] = (uint8_t)bits;
        memcpy(prefix + 2, ip->ip, 16);
        avp_put(w, A_FRAMED_IPV6_PREFIX, span_of(prefix, 2 + (bits + 7) / 8));
    }
}

static void put_aar(struct avp_writer *w, const struct rx_aar *a)
{
    put_text(w, A_AF_APPLICATION_IDENTIFIER, a->application);
    for (size_t i = 0; i < a->n_components && i < RX_COMPONENTS_MAX; i++)
        put_component(w, &a->components[i]);
    put_opt(w, A_SERVICE_INFO_STATUS, a->info_status);
    put_text(w, A_AF_CHARGING_IDENTIFIER, a->charging_id);
    put_opt(w, A_SIP_FORKING_INDICATION, a->forking);
    for (size_t i = 0; i < a->n_actions && i < RX_ACTIONS_MAX; i++)
        avp_put_u32(w, A_SPECIFIC_ACTION, a->actions[i]);
    for (size_t i = 0; i < a->n_subscriptions && i < RX_SUBSCRIPTIONS_MAX; i++) {
        size_t group = avp_open(w, A_SUBSCRIPTION_ID);

        avp_put_u32(w, A_SUBSCRIPTION_ID_TYPE, a->subscriptions[i].type);
        avp_put(w, A_SUBSCRIPTION_ID_DATA, a->subscriptions[i].data);
        avp_close(w, group);
    }
    put_framed(w, &a->framed_ip, a->framed_bits);
    put_text(w, A_SERVICE_URN, a->service_urn);
    put_opt(w, A_RX_REQUEST_TYPE, a->request_type);
}

static void put_aaa(struct avp_writer *w, const struct rx_aaa *a)
{
    put_text(w, A_AUTHORIZATION_TOKEN, a->token);
    put_opt(w, A_AUTHORIZATION_LIFETIME, a->lifetime);
    if (a->n_acceptable || a->acceptable_ul.set || a->acceptable_dl.set) {
        size_t group = avp_open(w, A_ACCEPTABLE_SERVICE_INFO);

        for (size_t i = 0; i < a->n_acceptable && i < RX_COMPONENTS_MAX; i++)
            put_component(w, &a->acceptable[i]);
        put_opt(w, A_MAX_BANDWIDTH_DL, a->acceptable_dl);
        put_opt(w, A_MAX_BANDWIDTH_UL, a->acceptable_ul);
        avp_close(w, group);
    }
}

static void put_address(struct avp_writer *w, const struct addr *a)
{
    uint8_t octets[18] = {0, a->family == AF_INET ? 1 : 2};

    memcpy(octets + 2, a->ip, addr_ip_len(a));
    avp_put(w, A_IP_ADDRESS, span_of(octets, 2 + addr_ip_len(a)));
}

static void put_spec(struct avp_writer *w, enum avp_id id, const struct diameter_end *e)
{
    size_t spec, mask;

    if (e->addr.family == 0 && e->addr.port == 0)
        return;
    spec = avp_open(w, id);
    if (e->addr.family && e->bits) {
        mask = avp_open(w, A_IP_ADDRESS_MASK);
        put_address(w, &e->addr);
        avp_put_u32(w, A_IP_BIT_MASK_WIDTH, e->bits);
        avp_close(w, mask);
    } else if (e->addr.family) {
        put_address(w, &e->addr);
    }
    if (e->addr.port)
        avp_put_u32(w, A_PORT, e->addr.port);
    avp_close(w, spec);
}

static void put_filter(struct avp_writer *w, const struct qos_filter *f)
{
    size_t rule = avp_open(w, A_FILTER_RULE), group = avp_open(w, A_CLASSIFIER);

    avp_put(w, A_CLASSIFIER_ID, f->id);
    if (f->flow.protocol)
        avp_put_u32(w, A_PROTOCOL, f->flow.protocol);
    avp_put_u32(w, A_DIRECTION, f->flow.direction);
    put_spec(w, A_FROM_SPEC, &f->flow.from);
    put_spec(w, A_TO_SPEC, &f->flow.to);
    avp_close(w, group);
    put_opt(w, A_TREATMENT_ACTION, f->action);
    put_opt(w, A_QOS_SEMANTICS, f->semantics);
    if (f->bandwidth) {
        group = avp_open(w, A_QOS_PROFILE_TEMPLATE); /* RFC 5624 5: the profile of its parameters */
        avp_put_u32(w, A_VENDOR_ID, 0);
        avp_put_u32(w, A_QOS_PROFILE_ID, 0);
        avp_close(w, group);
        group = avp_open(w, A_QOS_PARAMETERS);
        avp_put_f32(w, A_BANDWIDTH, (float)f->bandwidth / 8.0f); /* octets a second */
        avp_close(w, group);
    }
    avp_close(w, rule);
}

static void put_filters(struct avp_writer *w, const struct qos_filter *filters, size_t n)
{
    size_t group;

    if (n == 0)
        return;
    group = avp_open(w, A_QOS_RESOURCES);
    for (size_t i = 0; i < n && i < QOS_FILTERS_MAX; i++)
        put_filter(w, &filters[i]);
    avp_close(w, group);
}

/* ---- whole messages ---- */

static void put_be(uint8_t *p, uint32_t v, size_t n)
{
    while (n--) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

static struct avp_writer begin(uint8_t *dst, size_t cap)
{
    struct avp_writer w = {dst, DIAMETER_HEAD, cap, cap < DIAMETER_HEAD};

    if (!w.overflow)
        memset(dst, 0, DIAMETER_HEAD);
    return w;
}

static int finish(struct avp_writer *w, unsigned flags, enum diameter_kind kind, uint32_t app,
                  size_t *ret_n)
{
    if (w->overflow)
        return -EMSGSIZE;
    w->p[0] = 1;
    put_be(w->p + 1, (uint32_t)w->n, 3);
    w->p[4] = (uint8_t)flags;
    put_be(w->p + 5, diameter_command(kind), 3);
    put_be(w->p + 8, app, 4);
    *ret_n = w->n;
    return 0;
}

static void put_request_body(struct avp_writer *w, const struct diameter_request *req)
{
    switch (req->kind) {
    case DIAMETER_AA:
        put_aar(w, &req->aar);
        break;
    case DIAMETER_QA:
        avp_put_u32(w, A_AUTH_REQUEST_TYPE, AUTHORIZE_ONLY);
        put_text(w, A_USER_NAME, req->qar.user_name);
        put_filters(w, req->qar.filters, req->qar.n_filters);
        put_text(w, A_QOS_AUTHORIZATION_DATA, req->qar.token);
        put_text(w, A_BOUND_AUTH_SESSION_ID, req->qar.bound_session);
        break;
    case DIAMETER_ST:
        avp_put_u32(w, A_TERMINATION_CAUSE, req->st.cause);
        break;
    case DIAMETER_AS:
        put_opt(w, A_ABORT_CAUSE, req->as.cause);
        break;
    case DIAMETER_RA:
        /* TS 29.214 5.6.3 leaves it out; RFC 6733 8.3.1 and stacks that check it want it. */
        avp_put_u32(w, A_RE_AUTH_REQUEST_TYPE, 0);
        for (size_t i = 0; i < req->ra.n_actions && i < RX_ACTIONS_MAX; i++)
            avp_put_u32(w, A_SPECIFIC_ACTION, req->ra.actions[i]);
        put_opt(w, A_ABORT_CAUSE, req->ra.cause);
        break;
    }
}

int diameter_encode_request(const struct diameter_request *req, const struct diameter_names *names,
                            uint8_t *dst, size_t cap, size_t *ret_n)
{
    struct avp_writer w = begin(dst, cap);

    if (req->session_id.n == 0 || diameter_command(req->kind) == 0)
        return -EINVAL;
    avp_put(&w, A_SESSION_ID, req->session_id);
    avp_put_u32(&w, A_AUTH_APPLICATION_ID, req->app);
    avp_put(&w, A_ORIGIN_HOST, names->host);
    avp_put(&w, A_ORIGIN_REALM, names->realm);
    avp_put(&w, A_DESTINATION_REALM,
            req->destination_realm.n ? req->destination_realm : names->realm);
    put_text(&w, A_DESTINATION_HOST, req->destination_host);
    if (names->state)
        avp_put_u32(&w, A_ORIGIN_STATE_ID, names->state);
    put_request_body(&w, req);
    return finish(&w, FLAG_REQUEST | FLAG_PROXIABLE, req->kind, req->app, ret_n);
}

int diameter_encode_answer(const struct diameter_answer *ans, const struct diameter_names *names,
                           struct span echo, uint8_t *dst, size_t cap, size_t *ret_n)
{
    struct avp_writer w = begin(dst, cap);
    struct avp session;
    unsigned flags = FLAG_PROXIABLE;
    bool bad = false;
    size_t group;

    if (avp_next(&echo, &session, &bad))
        avp_put_raw(&w, session.whole);
    if (ans->kind == DIAMETER_AA || ans->kind == DIAMETER_QA)
        avp_put_u32(&w, A_AUTH_APPLICATION_ID, ans->app);
    if (ans->kind == DIAMETER_QA)
        avp_put_u32(&w, A_AUTH_REQUEST_TYPE, AUTHORIZE_ONLY);
    if (ans->experimental) {
        group = avp_open(&w, A_EXPERIMENTAL_RESULT);
        avp_put_u32(&w, A_VENDOR_ID, DIAMETER_VENDOR_3GPP);
        avp_put_u32(&w, A_EXPERIMENTAL_RESULT_CODE, ans->experimental);
        avp_close(&w, group);
    } else {
        avp_put_u32(&w, A_RESULT_CODE, ans->result);
        if (ans->result / 1000 == 3) /* RFC 6733 7.1.3: a protocol error */
            flags |= FLAG_ERROR;
    }
    avp_put(&w, A_ORIGIN_HOST, names->host);
    avp_put(&w, A_ORIGIN_REALM, names->realm);
    put_text(&w, A_ERROR_MESSAGE, ans->error_message);
    if (ans->failed.n) {
        group = avp_open(&w, A_FAILED_AVP);
        avp_put_raw(&w, ans->failed);
        avp_close(&w, group);
    }
    if (ans->kind == DIAMETER_AA) {
        put_aaa(&w, &ans->aaa);
    } else if (ans->kind == DIAMETER_QA) {
        put_filters(&w, ans->qaa.filters, ans->qaa.n_filters);
        put_opt(&w, A_SESSION_TIMEOUT, ans->qaa.session_timeout);
        put_opt(&w, A_AUTHORIZATION_LIFETIME, ans->qaa.lifetime);
        put_opt(&w, A_AUTH_GRACE_PERIOD, ans->qaa.grace);
    }
    avp_put_raw(&w, echo);
    return finish(&w, flags, ans->kind, ans->app, ret_n);
}
