/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop's side of the relay: sockets, rules, workers. */
#define _GNU_SOURCE /* accept4-style socket flags, epoll, eventfd */
#include "edge/relay/relay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "edge/relay/inner.h"

struct relay {
    struct relay_port port;
    struct relay_options options;
    struct list streams;
    uint32_t n_streams;
    unsigned next_worker;
    unsigned n_workers;
    struct relay_worker workers[];
};

static void mail_post(struct relay_worker *w, struct relay_mail *mail)
{
    struct relay_mail *head = atomic_load_explicit(&w->mail, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&w->mail, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (!head) {
        uint64_t one = 1;
        /* Fails only when the counter is at its limit, and then the worker is woken anyway. */
        (void)!write(w->event, &one, sizeof(one));
    }
}

/* ---- streams ---- */

static int leg_socket(const struct addr *local, uint8_t tos, int receive_buffer)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(local, &ss);
    int fd = socket(local->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int v = tos, pmtu = IP_PMTUDISC_DONT;
    /* Markings and buffers are wishes: a kernel that refuses one still relays. */
    if (local->family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v));
        int one = 1;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &v, sizeof(v));
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, sizeof(pmtu));
    }
    if (receive_buffer)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

void relay_stream_destroy(struct relay_stream *s)
{
    for (unsigned i = 0; i < 2; i++) {
        if (s->leg[i].fd >= 0)
            close(s->leg[i].fd); /* leaves the epoll set with it */
        free(atomic_load_explicit(&s->leg[i].rule, memory_order_acquire));
    }
    free(s);
}

static void stream_closing(struct relay_mail *mail)
{
    relay_stream_destroy(CONTAINER_OF(mail, struct relay_stream, closing));
}

static void rule_retire(struct relay_mail *mail)
{
    free(CONTAINER_OF(mail, struct relay_posted_rule, retire));
}

static int relay_open(void *ctx, enum relay_kind kind, const struct addr local[2],
                      const uint8_t tos[2], struct relay_stream **ret_stream)
{
    struct relay *r = ctx;
    struct relay_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->kind = kind;
    s->closing.take = stream_closing;
    s->worker = &r->workers[r->next_worker];
    for (unsigned i = 0; i < 2; i++) {
        struct relay_leg *leg = &s->leg[i];
        leg->stream = s;
        leg->twin = &s->leg[!i];
        leg->fd = -1;
        leg->header_octets = local[i].family == AF_INET6 ? 48 : 28;
    }
    int error = 0;
    for (unsigned i = 0; i < 2 && !error; i++) {
        int fd = leg_socket(&local[i], tos[i], r->options.receive_buffer);
        if (fd < 0)
            error = fd;
        s->leg[i].fd = fd;
    }
    /* From here on the worker may touch the stream: edge-triggered, because a visit drains the
     * socket, and level-triggered epoll asks every socket again in the next turn. */
    for (unsigned i = 0; i < 2 && !error; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &s->leg[i]};
        if (epoll_ctl(s->worker->epoll, EPOLL_CTL_ADD, s->leg[i].fd, &ev) < 0) {
            error = -errno;
            if (i == 1) { /* the worker knows the first leg: let it forget the stream */
                mail_post(s->worker, &s->closing);
                return error;
            }
        }
    }
    if (error) {
        relay_stream_destroy(s);
        return error;
    }
    r->next_worker = (r->next_worker + 1) % r->n_workers;
    list_add_tail(&r->streams, &s->item);
    r->n_streams++;
    *ret_stream = s;
    return 0;
}

static int relay_set(void *ctx, struct relay_stream *s, unsigned i, const struct relay_rule *rule)
{
    (void)ctx;
    struct relay_leg *leg = &s->leg[i];
    struct relay_posted_rule *posted = calloc(1, sizeof(*posted));
    if (!posted) {
        atomic_store_explicit(&leg->gate, RELAY_GATE_CLOSED, memory_order_release);
        return -ENOMEM;
    }
    posted->retire.take = rule_retire;
    posted->gate = rule->gate;
    posted->source = rule->source;
    posted->bytes_per_second = rule->bytes_per_second;
    posted->burst_bytes = rule->burst_bytes;
    if (addr_ip_len(&rule->peer) && rule->peer.port) {
        struct sockaddr_storage ss;
        posted->peer_len = addr_to_sockaddr(&rule->peer, &ss);
        memcpy(&posted->peer, &ss, posted->peer_len);
    }
    if (!addr_eq(&leg->peer, &rule->peer)) {
        leg->peer = rule->peer;
        leg->generation++;
        atomic_store_explicit(&leg->shown_set, false, memory_order_relaxed);
    }
    posted->generation = leg->generation;
    /* A gate goes down before its rule changes and up after: a packet never meets an open gate with
     * a rule that was given for a closed one. */
    if (rule->gate != RELAY_GATE_OPEN)
        atomic_store_explicit(&leg->gate, (int)rule->gate, memory_order_release);
    struct relay_posted_rule *old =
        atomic_exchange_explicit(&leg->rule, posted, memory_order_acq_rel);
    if (rule->gate == RELAY_GATE_OPEN)
        atomic_store_explicit(&leg->gate, (int)rule->gate, memory_order_release);
    if (old)
        mail_post(s->worker, &old->retire);
    return 0;
}

static void relay_lower(void *ctx, struct relay_stream *s, unsigned leg, enum relay_gate gate)
{
    (void)ctx;
    atomic_store_explicit(&s->leg[leg].gate, (int)gate, memory_order_release);
}

static void relay_read(void *ctx, const struct relay_stream *s, unsigned i,
                       struct usage_counts *ret_counts, struct addr *ret_latched)
{
    (void)ctx;
    const struct relay_leg *leg = &s->leg[i];
    usage_snapshot(&leg->usage, ret_counts);
    if (!ret_latched)
        return;
    struct addr a = {0};
    if (atomic_load_explicit(&leg->shown_set, memory_order_acquire)) {
        uint64_t ip[2];
        for (unsigned k = 0; k < 2; k++)
            ip[k] = atomic_load_explicit(&leg->shown[k], memory_order_relaxed);
        uint64_t rest = atomic_load_explicit(&leg->shown[2], memory_order_relaxed);
        memcpy(a.ip, ip, sizeof(a.ip));
        a.port = (uint16_t)rest;
        a.family = (uint8_t)(rest >> 16);
    }
    *ret_latched = a;
}

static void relay_close(void *ctx, struct relay_stream *s)
{
    struct relay *r = ctx;
    list_del(&s->item);
    r->n_streams--;
    mail_post(s->worker, &s->closing);
}

/* ---- workers ---- */

static int worker_start(struct relay_worker *w, unsigned coalesce_us)
{
    w->coalesce_us = coalesce_us;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (w->epoll < 0 || w->event < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->event, &ev) < 0)
        return -errno;
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, relay_worker_run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = error == 0;
    return -error;
}

int relay_new(struct loop *l, const struct relay_options *options, struct relay **ret_relay)
{
    (void)l; /* workers need nothing of the loop; kept so that a twin on virtual time can be had */
    if (options->workers < 1 || options->workers > 64)
        return -EINVAL;
    struct relay *r = calloc(1, sizeof(*r) + options->workers * sizeof(r->workers[0]));
    if (!r)
        return -ENOMEM;
    r->options = *options;
    r->n_workers = options->workers;
    r->port = (struct relay_port){r, relay_open, relay_set, relay_lower, relay_read, relay_close};
    list_init(&r->streams);
    for (unsigned i = 0; i < r->n_workers; i++)
        r->workers[i].epoll = r->workers[i].event = -1;
    for (unsigned i = 0; i < r->n_workers; i++) {
        int error = worker_start(&r->workers[i], options->coalesce_us);
        if (error) {
            relay_free(r);
            return error;
        }
    }
    *ret_relay = r;
    return 0;
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->n_workers; i++) {
        struct relay_worker *w = &r->workers[i];
        if (w->started) {
            uint64_t one = 1;
            atomic_store_explicit(&w->stop, true, memory_order_release);
            (void)!write(w->event, &one, sizeof(one));
            pthread_join(w->thread, NULL);
        }
        relay_worker_mail(w);
    }
    LIST_EACH (item, &r->streams) {
        list_del(item);
        relay_stream_destroy(CONTAINER_OF(item, struct relay_stream, item));
    }
    for (unsigned i = 0; i < r->n_workers; i++) {
        if (r->workers[i].epoll >= 0)
            close(r->workers[i].epoll);
        if (r->workers[i].event >= 0)
            close(r->workers[i].event);
    }
    free(r);
}

const struct relay_port *relay_port_of(struct relay *r)
{
    return &r->port;
}

void relay_stats_get(const struct relay *r, struct relay_stats *ret_stats)
{
    struct relay_stats sum = {.streams = r->n_streams};
    for (unsigned i = 0; i < r->n_workers; i++) {
        const struct relay_worker *w = &r->workers[i];
        sum.turns += atomic_load_explicit(&w->turns, memory_order_relaxed);
        sum.visits += atomic_load_explicit(&w->visits, memory_order_relaxed);
        sum.packets += atomic_load_explicit(&w->packets, memory_order_relaxed);
    }
    *ret_stats = sum;
}
