/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doors to the two twins. */
#include "common/net/inner.h"

void net_free(struct net *n)
{
    if (!n)
        return;
    LIST_EACH (it, &n->resolves)
        net_resolve_cancel(CONTAINER_OF(it, struct net_resolve, item));
    n->impl->free(n);
}

struct loop *net_loop(struct net *n)
{
    return n->loop;
}

int net_udp_open(struct net *n, const struct addr *local, const struct net_udp_options *options,
                 const struct net_udp_ops *ops, void *ctx, struct net_udp **ret_udp)
{
    return n->impl->udp_open(n, local, options, ops, ctx, ret_udp);
}

int net_udp_send(struct net_udp *u, const struct addr *to, struct span data)
{
    return u->net->impl->udp_send(u, to, data);
}

const struct addr *net_udp_local(const struct net_udp *u)
{
    return &u->local;
}

void net_udp_close(struct net_udp *u)
{
    if (u)
        u->net->impl->udp_close(u);
}

int net_tcp_listen(struct net *n, const struct addr *local,
                   void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx),
                   void *ctx, struct net_listener **ret_listener)
{
    return n->impl->listen(n, local, on_accept, ctx, ret_listener);
}

void net_listener_close(struct net_listener *li)
{
    if (li)
        li->net->impl->listener_close(li);
}

const struct addr *net_listener_local(const struct net_listener *li)
{
    return &li->local;
}

void net_tcp_attach(struct net_tcp *t, const struct net_tcp_ops *ops, void *ctx)
{
    t->ops = ops;
    t->ctx = ctx;
}

int net_tcp_connect(struct net *n, const struct addr *local, const struct addr *remote,
                    const struct net_tcp_ops *ops, void *ctx, struct net_tcp **ret_tcp)
{
    return n->impl->connect(n, local, remote, ops, ctx, ret_tcp);
}

int net_tcp_send(struct net_tcp *t, struct span data)
{
    return t->net->impl->tcp_send(t, data);
}

void net_tcp_limit(struct net_tcp *t, size_t bytes)
{
    t->limit = bytes;
}

const struct addr *net_tcp_local(const struct net_tcp *t)
{
    return &t->local;
}

const struct addr *net_tcp_remote(const struct net_tcp *t)
{
    return &t->remote;
}

void net_tcp_close(struct net_tcp *t)
{
    if (t)
        t->net->impl->tcp_close(t);
}

const char *net_proto_name(enum net_proto p)
{
    static const char *const names[] = {"ANY", "UDP", "TCP", "TLS"};

    return names[p];
}
