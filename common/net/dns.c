/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names through c-ares on the loop: its sockets are watched, its timeouts are a timer. */
#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "common/net/kernel.h"

enum { DNS_SOCKETS = 16, DNS_TIMEOUT_MS = 2000, DNS_TRIES = 3 };

struct dns {
    struct loop *loop;
    ares_channel channel;
    struct loop_timer timer;
    bool ending;
    struct {
        int fd; /* 0 = free: c-ares is never given standard input */
        struct loop_fd *watch;
    } sockets[DNS_SOCKETS];
};

/* A question on its way; c-ares calls back once for each, at the latest from ares_destroy. */
struct question {
    struct name_open open;
    struct dns *dns;
};

/* ---- c-ares on the loop ------------------------------------------------------------------------- */

static void set_timer(struct dns *d)
{
    struct timeval tv, *due = ares_timeout(d->channel, NULL, &tv);

    if (due)
        loop_timer_start(d->loop, &d->timer, (uint64_t)due->tv_sec * SEC + (uint64_t)due->tv_usec);
    else
        loop_timer_stop(d->loop, &d->timer);
}

static void on_timer(struct loop_timer *t, void *ctx)
{
    struct dns *d = ctx;

    (void)t;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(d);
}

static void on_ready(struct loop_fd *w, unsigned events, void *ctx)
{
    struct dns *d = ctx;

    for (int i = 0; i < DNS_SOCKETS; i++) {
        if (d->sockets[i].watch != w)
            continue;
        ares_process_fd(d->channel, events & LOOP_READ ? d->sockets[i].fd : ARES_SOCKET_BAD,
                        events & LOOP_WRITE ? d->sockets[i].fd : ARES_SOCKET_BAD);
        set_timer(d);
        return;
    }
}

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = ctx;
    unsigned events = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
    int at = -1;

    for (int i = 0; i < DNS_SOCKETS; i++) {
        if (d->sockets[i].watch ? d->sockets[i].fd == fd : at < 0)
            at = i;
        if (d->sockets[i].watch && d->sockets[i].fd == fd)
            break;
    }
    if (at < 0)
        return; /* that server is not heard: c-ares goes on to the next by its timeout */
    if (d->sockets[at].watch && events) {
        (void)loop_fd_change(d->sockets[at].watch, events); /* it is watched */
    } else if (d->sockets[at].watch) {
        loop_fd_unwatch(d->sockets[at].watch);
        d->sockets[at].watch = NULL;
    } else if (events) {
        d->sockets[at].fd = fd;
        if (loop_fd_watch(d->loop, fd, events, on_ready, d, &d->sockets[at].watch) != 0)
            d->sockets[at].watch = NULL; /* as above */
    }
}

static int dns_get(struct net *n, struct dns **ret_dns)
{
    struct kernel_net *k = CONTAINER_OF(n, struct kernel_net, net);
    struct ares_options o = {.timeout = DNS_TIMEOUT_MS, .tries = DNS_TRIES};
    struct dns *d;

    if (k->dns) {
        *ret_dns = k->dns;
        return 0;
    }
    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->loop = n->loop;
    loop_timer_init(&d->timer, on_timer, d);
    o.sock_state_cb = on_socket;
    o.sock_state_cb_data = d;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&d->channel, &o,
                          ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
            ARES_SUCCESS) {
        free(d);
        return -ENOMEM;
    }
    *ret_dns = k->dns = d;
    return 0;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    d->ending = true;
    loop_timer_stop(d->loop, &d->timer);
    ares_destroy(d->channel);
    ares_library_cleanup();
    free(d);
}

/* ---- questions and answers ---------------------------------------------------------------------- */

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return -ENOENT;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return -ETIMEDOUT;
    default:
        return -EIO;
    }
}

/* Fills nothing for a question nobody waits for any more. */
static void finish(struct question *q, int status)
{
    if (q->open.resolve) {
        if (q->open.fact->n == 0)
            q->open.fact->error = status == ARES_SUCCESS ? -ENOENT : error_of(status);
        names_answer(&q->open);
    }
    free(q);
}

static void on_addresses(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *q = ctx;
    struct name_fact *f = q->open.resolve ? q->open.fact : NULL;

    (void)timeouts;
    for (struct ares_addrinfo_node *node = f && info ? info->nodes : NULL;
         node && f->n < NAMES_RECORDS; node = node->ai_next) {
        if (addr_of_sockaddr(node->ai_addr, &f->addr[f->n]) == 0)
            f->n++;
    }
    if (info)
        ares_freeaddrinfo(info);
    finish(q, status);
}

static void on_srv(void *ctx, int status, int timeouts, unsigned char *answer, int n)
{
    struct question *q = ctx;
    struct name_fact *f = q->open.resolve ? q->open.fact : NULL;
    struct ares_srv_reply *list = NULL;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(answer, n, &list);
    for (struct ares_srv_reply *r = f ? list : NULL; r && f->n < NAMES_RECORDS; r = r->next) {
        struct name_srv *srv = &f->srv[f->n];

        *srv = (struct name_srv){.priority = r->priority, .weight = r->weight, .port = r->port};
        if (span_copy(span_str(r->host), srv->target, sizeof(srv->target)) == 0)
            f->n++;
    }
    if (list)
        ares_free_data(list);
    finish(q, status);
}

static void on_naptr(void *ctx, int status, int timeouts, unsigned char *answer, int n)
{
    struct question *q = ctx;
    struct name_fact *f = q->open.resolve ? q->open.fact : NULL;
    struct ares_naptr_reply *list = NULL;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_naptr_reply(answer, n, &list);
    for (struct ares_naptr_reply *r = f ? list : NULL; r && f->n < NAMES_RECORDS; r = r->next) {
        struct name_naptr *naptr = &f->naptr[f->n];

        *naptr = (struct name_naptr){.order = r->order, .preference = r->preference};
        if (span_copy(span_str((const char *)r->service), naptr->service, sizeof(naptr->service)) ==
                0 &&
            span_copy(span_str(r->replacement), naptr->replacement, sizeof(naptr->replacement)) ==
                0)
            f->n++;
    }
    if (list)
        ares_free_data(list);
    finish(q, status);
}

int dns_ask(struct net_resolve *r, struct name_fact *fact)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_DGRAM};
    struct question *q;
    struct dns *d;
    int rc = dns_get(r->net, &d);

    if (rc != 0)
        return rc;
    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->dns = d;
    names_open(&q->open, r, fact);
    switch (fact->kind) {
    case NAME_ADDR:
        ares_getaddrinfo(d->channel, fact->name, NULL, &hints, on_addresses, q);
        break;
    case NAME_SRV:
        ares_query(d->channel, fact->name, ns_c_in, ns_t_srv, on_srv, q);
        break;
    case NAME_NAPTR:
        ares_query(d->channel, fact->name, ns_c_in, ns_t_naptr, on_naptr, q);
        break;
    }
    set_timer(d);
    return 0;
}
