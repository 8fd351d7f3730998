/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a response goes, and the next hop of a URI. */
#include <errno.h>
#include <stdlib.h>

#include "common/transport/inner.h"

struct sip_target sip_target_of_response(const struct sip_msg *request, const struct sip_flow *flow)
{
    const struct sip_transport *t = flow->endpoint->t;
    struct sip_target to = sip_target_of_flow(flow, 0);
    struct sip_values v = sip_values(request, SIP_H_VIA);
    struct sip_via via;
    uint16_t port;

    if (t->guard.on_reply && t->guard.on_reply(flow, &to, t->guard_ctx))
        return to;
    if (!sip_values_next(&v) || sip_via_split(v.value, &via) < 0)
        return to;
    port = via.port ? via.port : 5060;
    if (flow->proto == NET_UDP) {
        if (!via.rport.p) /* RFC 3581 4: with rport back to the very source */
            to.flow.remote.port = port;
    } else {
        to.flow.remote.port = port; /* RFC 3261 18.2.2: for when the connection has gone */
    }
    return to;
}

/* ---- RFC 3263 ------------------------------ */

struct sip_resolving {
    struct sip_endpoint *from;
    unsigned policy;
    void (*done)(const struct sip_target *targets, size_t n, int error, void *ctx);
    void *ctx;
    struct net_resolve *query;
    bool answered;
    bool returned; /* sip_resolve has returned: the answer frees */
};

static void resolved(const struct net_target *found, size_t n, int error, void *ctx)
{
    struct sip_resolving *r = ctx;
    struct sip_target targets[SIP_TARGETS_MAX];
    size_t n_targets = 0;

    for (size_t i = 0; i < n && n_targets < SIP_TARGETS_MAX; i++) {
        enum net_proto proto = found[i].proto == NET_PROTO_ANY ? NET_UDP : found[i].proto;

        if ((proto == NET_UDP && r->from->o.udp) ||
            (proto == NET_TCP && endpoint_can_connect(r->from)))
            targets[n_targets++] = sip_target_of(r->from, proto, &found[i].addr, r->policy);
    }
    if (n_targets == 0 && error == 0)
        error = n > 0 ? -EPROTONOSUPPORT : -ENOENT;
    r->answered = true;
    r->done(targets, n_targets, n_targets ? 0 : error, r->ctx);
    if (r->returned)
        free(r);
}

/* What the URI asks for; 0 or what is wrong with it. */
static int query_of(const struct sip_uri *uri, struct net_resolve_query *q)
{
    struct span maddr = sip_param_find(uri->params, SPAN("maddr"));
    struct span transport = sip_param_find(uri->params, SPAN("transport"));

    if (uri->scheme == SIP_SCHEME_SIPS)
        return -EPROTONOSUPPORT;
    if (uri->scheme != SIP_SCHEME_SIP)
        return -EINVAL;
    *q = (struct net_resolve_query){.host = maddr.n > 0 ? maddr : uri->host, .port = uri->port};
    if (span_eq_nocase(transport, SPAN("udp")))
        q->proto = NET_UDP;
    else if (span_eq_nocase(transport, SPAN("tcp")))
        q->proto = NET_TCP;
    else if (transport.p)
        return -EPROTONOSUPPORT;
    return 0;
}

void sip_resolve(struct sip_transport *t, const struct sip_uri *uri, struct sip_endpoint *from,
                 unsigned policy,
                 void (*done)(const struct sip_target *targets, size_t n, int error, void *ctx),
                 void *ctx, struct sip_resolving **ret_resolving)
{
    struct net_resolve_query q;
    struct sip_resolving *r;
    int rc = query_of(uri, &q);

    if (rc < 0) {
        done(NULL, 0, rc, ctx);
        return;
    }
    r = calloc(1, sizeof(*r));
    if (!r) {
        done(NULL, 0, -ENOMEM, ctx);
        return;
    }
    *r = (struct sip_resolving){.from = from, .policy = policy, .done = done, .ctx = ctx};
    r->query = net_resolve(t->net, &q, resolved, r);
    if (r->answered || !r->query) {
        free(r);
        return;
    }
    r->returned = true;
    if (ret_resolving)
        *ret_resolving = r;
}

void sip_resolve_cancel(struct sip_resolving *r)
{
    if (!r)
        return;
    net_resolve_cancel(r->query);
    free(r);
}
