/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/transaction/inner.h"

const struct sip_layer_options sip_layer_options_default = {
    .servers = 100000,
    .clients = 100000,
    .timer_c = 185 * SEC,
    .failover_t1 = 8,
    .retry_after = 5,
};

/* ---- small things ------------------------------ */

void layer_digits(uint64_t v, char *dst)
{
    static const char digit[] = "abcdefghijklmnopqrstuvwxyz012345";

    for (int i = 0; i < BRANCH_DIGITS; i++, v >>= 5)
        dst[i] = digit[v & 31];
}

uint64_t layer_next_branch(struct sip_layer *l)
{
    l->branches++;
    return siphash24(l->secret, &l->branches, sizeof(l->branches));
}

struct buf layer_scratch(struct sip_layer *l)
{
    return (struct buf){l->scratch, 0, sizeof(l->scratch), false};
}

struct span layer_via(char dst[VIA_MAX], const struct sip_endpoint *e, enum net_proto proto,
                      uint64_t branch, uint64_t mark)
{
    struct buf b = {dst, 0, VIA_MAX, false};
    char digits[BRANCH_DIGITS];

    layer_digits(branch, digits);
    buf_puts(&b, proto == NET_TCP ? "SIP/2.0/TCP " : "SIP/2.0/UDP ");
    buf_put(&b, sip_endpoint_sent_by(e));
    buf_puts(&b, ";branch=" BRANCH_COOKIE);
    buf_put(&b, span_of(digits, sizeof(digits)));
    if (mark) {
        layer_digits(mark, digits);
        buf_putc(&b, '.');
        buf_put(&b, span_of(digits, sizeof(digits)));
    }
    return buf_span(&b);
}

int sip_reply_stateless(struct sip_layer *l, const struct sip_msg *request,
                        const struct sip_flow *flow, unsigned status, const char *phrase,
                        struct span extra)
{
    struct sip_target to = sip_target_of_response(request, flow);
    struct buf b = layer_scratch(l);
    char tag[BRANCH_DIGITS];
    int rc;

    if (request->method == SIP_ACK)
        return -EINVAL; /* RFC 3261 17: an ACK is never answered */
    /* The same tag for the same request (RFC 3261 8.2.7), without remembering it. */
    layer_digits(siphash24(l->secret, request->branch.p, request->branch.n), tag);
    rc = sip_reply(request, status, phrase, status == 100 ? SPAN_NONE : span_of(tag, sizeof(tag)),
                   extra, SPAN_NONE, &b);
    if (rc < 0)
        return rc;
    return sip_transport_send(l->t, &to, to.flow.proto, buf_span(&b), NULL, NULL);
}

/* ---- from the transport ------------------------------ */

static void on_message(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    struct sip_layer *l = ctx;

    if (m->is_request)
        server_on_request(l, m, flow);
    else
        client_on_response(l, m, flow);
}

/* ---- beginning and end ------------------------------ */

static void tx_free(struct tx *x)
{
    if (x->machine == TX_IST || x->machine == TX_NIST)
        server_free(CONTAINER_OF(x, struct sip_server, x));
    else
        client_free(CONTAINER_OF(x, struct sip_client, x));
}

static void reap(struct loop_task *task, void *ctx)
{
    struct sip_layer *l = ctx;

    (void)task;
    while (l->dead) {
        struct map_node *node = l->dead;

        l->dead = node->next;
        tx_free(CONTAINER_OF(node, struct tx, node));
    }
}

int sip_layer_new(struct sip_transport *t, const struct rnd *rnd,
                  const struct sip_layer_options *options, const struct sip_layer_ops *ops,
                  void *ctx, struct sip_layer **ret_layer)
{
    struct sip_layer *l = calloc(1, sizeof(*l));
    uint8_t key[16];
    int rc;

    if (!l)
        return -ENOMEM;
    l->t = t;
    l->loop = sip_transport_loop(t);
    l->o = options ? *options : sip_layer_options_default;
    l->ops = *ops;
    l->ctx = ctx;
    list_init(&l->proxies);
    list_init(&l->acks);
    loop_task_init(&l->reap, reap, l);
    pool_init(&l->handles, l->o.servers);
    rnd->fill(rnd->ctx, l->secret, sizeof(l->secret));
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&l->servers, l->o.servers, key, server_same_key);
    if (rc < 0)
        goto no_servers;
    rc = map_init(&l->clients, l->o.clients, key, client_same_key);
    if (rc < 0)
        goto no_clients;
    sip_transport_set_user(t, on_message, l);
    *ret_layer = l;
    return 0;
no_clients:
    map_fini(&l->servers);
no_servers:
    pool_fini(&l->handles);
    free(l);
    return rc;
}

static bool collect_first(struct map_node *node, void *ctx)
{
    *(struct map_node **)ctx = node;
    return false;
}

static void bury_all(struct map *m)
{
    while (m->count > 0) {
        struct map_node *node = NULL;

        map_each(m, collect_first, &node);
        tx_bury(CONTAINER_OF(node, struct tx, node));
    }
}

void sip_layer_free(struct sip_layer *l)
{
    if (!l)
        return;
    l->closing = true;
    sip_transport_set_user(l->t, NULL, NULL);
    proxies_free(l);
    acks_free(l);
    bury_all(&l->clients);
    bury_all(&l->servers);
    loop_task_cancel(&l->reap);
    reap(&l->reap, l);
    free(l->spare);
    map_fini(&l->clients);
    map_fini(&l->servers);
    pool_fini(&l->handles);
    free(l);
}

struct sip_transport *sip_layer_transport(const struct sip_layer *l)
{
    return l->t;
}

size_t sip_layer_servers(const struct sip_layer *l)
{
    return l->servers.count;
}

size_t sip_layer_clients(const struct sip_layer *l)
{
    return l->clients.count;
}

const struct sip_layer_counters *sip_layer_counters(const struct sip_layer *l)
{
    return &l->counters;
}
