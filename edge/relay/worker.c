/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet path. One turn: wait, visit each ready socket once, take the mail.
 *
 * Each call has about fifty packets a second and socket, so a batch on one socket is one packet
 * long and what costs is the wake-up. A turn is therefore not begun earlier than coalesce_us after
 * the one before: at low rates a packet goes at once, at high rates many sockets share one wake-up
 * and one epoll call. */
#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "edge/relay/inner.h"

#define EVENTS 512

struct turn {
    uint64_t now; /* monotonic, microseconds */
    int64_t wall;
};

/* A worker's memory for one visit: where datagrams are received, and sent from. */
struct bench {
    struct mmsghdr in[RELAY_BATCH], out[RELAY_BATCH];
    struct iovec in_iov[RELAY_BATCH], out_iov[RELAY_BATCH];
    union relay_sa from[RELAY_BATCH];
    uint8_t bytes[RELAY_BATCH][RELAY_DATAGRAM_MAX];
};

static uint64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec / 1000;
}

static bool sa_ip_eq(const union relay_sa *a, const union relay_sa *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
}

static bool sa_eq(const union relay_sa *a, const union relay_sa *b)
{
    /* The port is at the same place in both families. */
    return a->in.sin_port == b->in.sin_port && sa_ip_eq(a, b);
}

/* RFC 3550 5.1 and 6.4.1; RFC 5761 4: packet types 192..223 are RTCP. */
static bool form_ok(enum relay_kind kind, const uint8_t *p, size_t n)
{
    if (kind == RELAY_OPAQUE)
        return true;
    if (n < 8 || p[0] >> 6 != 2)
        return false;
    if (p[1] >= 192 && p[1] <= 223)
        return (size_t)((p[2] << 8 | p[3]) + 1) * 4 <= n;
    return kind == RELAY_RTP && n >= 12 + 4 * (size_t)(p[0] & 15);
}

static void latch(struct relay_leg *leg, const struct relay_posted_rule *rule,
                  const union relay_sa *from)
{
    struct addr a;
    uint64_t ip[2];
    leg->latched = *from;
    leg->latched_len = from->sa.sa_family == AF_INET ? sizeof(from->in) : sizeof(from->in6);
    leg->latched_generation = rule->generation;
    if (addr_of_sockaddr(&from->sa, &a) < 0)
        return;
    memcpy(ip, a.ip, sizeof(ip));
    atomic_store_explicit(&leg->shown[0], ip[0], memory_order_relaxed);
    atomic_store_explicit(&leg->shown[1], ip[1], memory_order_relaxed);
    atomic_store_explicit(&leg->shown[2], (uint64_t)a.family << 16 | a.port, memory_order_relaxed);
    atomic_store_explicit(&leg->shown_set, true, memory_order_release);
}

static bool latched(const struct relay_leg *leg, const struct relay_posted_rule *rule)
{
    return leg->latched_len && leg->latched_generation == rule->generation;
}

/* May latch. */
static bool source_ok(struct relay_leg *leg, const struct relay_posted_rule *rule,
                      const union relay_sa *from)
{
    if (rule->source == RELAY_SOURCE_STRICT)
        return rule->peer_len && sa_eq(from, &rule->peer);
    if (latched(leg, rule))
        return sa_eq(from, &leg->latched);
    if (rule->source == RELAY_SOURCE_ADDRESS && !(rule->peer_len && sa_ip_eq(from, &rule->peer)))
        return false;
    latch(leg, rule, from);
    return true;
}

/* A token bucket in bytes * SEC, so that no fraction is lost. */
static bool police_ok(struct relay_leg *leg, const struct relay_posted_rule *rule, size_t octets,
                      uint64_t now)
{
    if (!rule->bytes_per_second)
        return true;
    uint64_t full = rule->burst_bytes * SEC;
    if (leg->credit_rule != rule) {
        /* The first rule fills the bucket; a later one keeps the level, cut to its own size. */
        if (!leg->credit_rule)
            leg->credit = full;
        leg->credit_rule = rule;
    }
    uint64_t elapsed = leg->credit_time && now > leg->credit_time ? now - leg->credit_time : 0;
    if (elapsed > 10 * SEC)
        elapsed = 10 * SEC;
    leg->credit_time = now;
    leg->credit += elapsed * rule->bytes_per_second;
    if (leg->credit > full)
        leg->credit = full;
    uint64_t cost = (octets + leg->header_octets) * SEC;
    if (leg->credit < cost)
        return false;
    leg->credit -= cost;
    return true;
}

/* Where packets leave at this leg: what it latched, or the address of the SDP. */
static const union relay_sa *leg_target(const struct relay_leg *leg,
                                        const struct relay_posted_rule *rule, socklen_t *ret_len)
{
    if (!rule)
        return NULL;
    if (rule->source != RELAY_SOURCE_STRICT && latched(leg, rule)) {
        *ret_len = leg->latched_len;
        return &leg->latched;
    }
    *ret_len = rule->peer_len;
    return rule->peer_len ? &rule->peer : NULL;
}

/* What refuses a packet that entered at the leg, or USAGE_PACKETS. The order matters: a packet
 * from elsewhere must neither latch nor use up bandwidth. */
static enum usage_counter judge(struct relay_leg *leg, const struct relay_posted_rule *rule,
                                const struct mmsghdr *m, const uint8_t *p, uint64_t now)
{
    int gate = atomic_load_explicit(&leg->gate, memory_order_acquire);
    if (gate != RELAY_GATE_OPEN || !rule || rule->gate != RELAY_GATE_OPEN)
        return gate == RELAY_GATE_ENDED ? USAGE_REFUSED_ENDED : USAGE_REFUSED_CLOSED;
    if (m->msg_hdr.msg_flags & MSG_TRUNC || !form_ok(leg->stream->kind, p, m->msg_len))
        return USAGE_REFUSED_FORM;
    if (!source_ok(leg, rule, m->msg_hdr.msg_name))
        return USAGE_REFUSED_SOURCE;
    return police_ok(leg, rule, m->msg_len, now) ? USAGE_PACKETS : USAGE_POLICED;
}

static void send_all(struct bench *b, struct relay_leg *leg, int n, const struct turn *t)
{
    int fd = leg->twin->fd, sent = 0;
    while (sent < n) {
        int k =
            n - sent == 1
                ? (sendmsg(fd, &b->out[sent].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 1 : -1)
                : sendmmsg(fd, &b->out[sent], (unsigned)(n - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (k <= 0) { /* this one is lost, as on a wire; the others have their own chance */
            usage_add(&leg->usage, USAGE_SEND_FAILED, 1);
            sent++;
            continue;
        }
        for (int i = sent; i < sent + k; i++)
            usage_passed(&leg->usage, b->out_iov[i].iov_len, t->wall);
        sent += k;
    }
}

/* Relays what waits at a leg; returns the number of datagrams taken. */
static int leg_visit(struct bench *b, struct relay_leg *leg, const struct turn *t)
{
    for (int i = 0; i < RELAY_BATCH; i++)
        b->in[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
    int n = recvmmsg(leg->fd, b->in, RELAY_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    const struct relay_posted_rule *rule = atomic_load_explicit(&leg->rule, memory_order_acquire);
    const struct relay_posted_rule *out_rule =
        atomic_load_explicit(&leg->twin->rule, memory_order_acquire);
    socklen_t to_len = 0;
    const union relay_sa *to = leg_target(leg->twin, out_rule, &to_len);
    int out = 0;
    for (int i = 0; i < n; i++) {
        enum usage_counter verdict = judge(leg, rule, &b->in[i], b->bytes[i], t->now);
        if (verdict == USAGE_PACKETS && !to)
            verdict = USAGE_NOWHERE;
        if (verdict != USAGE_PACKETS) {
            usage_add(&leg->usage, verdict, 1);
            continue;
        }
        b->out_iov[out] = (struct iovec){b->bytes[i], b->in[i].msg_len};
        b->out[out].msg_hdr.msg_name = (void *)to;
        b->out[out].msg_hdr.msg_namelen = to_len;
        out++;
    }
    send_all(b, leg, out, t);
    return n;
}

/* Drains a socket, which edge-triggered epoll asks for, unless it floods: then the rest waits for
 * the next turn, so that others are served. Returns whether something may be left. */
static bool leg_drain(struct bench *b, struct relay_leg *leg, const struct turn *t, uint64_t *taken)
{
    for (int round = 0; round < 4; round++) {
        int n = leg_visit(b, leg, t);
        *taken += (uint64_t)n;
        if (n < RELAY_BATCH)
            return false;
    }
    return true;
}

static void leg_rearm(struct relay_worker *w, struct relay_leg *leg)
{
    /* EPOLL_CTL_MOD reports readiness again when the socket is readable now. */
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = leg};
    (void)epoll_ctl(w->epoll, EPOLL_CTL_MOD, leg->fd, &ev);
}

void relay_worker_mail(struct relay_worker *w)
{
    struct relay_mail *mail = atomic_exchange_explicit(&w->mail, NULL, memory_order_acquire);
    struct relay_mail *first = NULL;
    while (mail) { /* oldest first: a stream's rules retire before it closes */
        struct relay_mail *next = mail->next;
        mail->next = first;
        first = mail;
        mail = next;
    }
    while (first) {
        struct relay_mail *next = first->next;
        first->take(first);
        first = next;
    }
}

static void pace(uint64_t last, unsigned coalesce_us)
{
    uint64_t next = last + coalesce_us;
    struct timespec ts = {.tv_sec = (time_t)(next / SEC), .tv_nsec = (long)(next % SEC) * 1000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    for (int i = 0; b && i < RELAY_BATCH; i++) {
        b->in_iov[i] = (struct iovec){b->bytes[i], RELAY_DATAGRAM_MAX};
        b->in[i].msg_hdr.msg_iov = &b->in_iov[i];
        b->in[i].msg_hdr.msg_iovlen = 1;
        b->in[i].msg_hdr.msg_name = &b->from[i];
        b->out[i].msg_hdr.msg_iov = &b->out_iov[i];
        b->out[i].msg_hdr.msg_iovlen = 1;
    }
    return b;
}

void *relay_worker_run(void *arg)
{
    struct relay_worker *w = arg;
    struct bench *b = bench_new();
    if (!b) /* nothing is relayed; what is sent to the ports stays in them */
        return NULL;
    struct epoll_event events[EVENTS];
    uint64_t last = 0, turns = 0, visits = 0, packets = 0;
    (void)prctl(PR_SET_NAME, "relay", 0, 0, 0);
    (void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); /* 1 us, so that a pace is kept */
    while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
        int n = epoll_wait(w->epoll, events, EVENTS, -1);
        struct turn t = {clock_us(CLOCK_MONOTONIC), (int64_t)clock_us(CLOCK_REALTIME_COARSE)};
        for (int i = 0; i < n; i++) {
            struct relay_leg *leg = events[i].data.ptr;
            if (!leg) {
                uint64_t drop;
                (void)!read(w->event, &drop, sizeof(drop));
                continue;
            }
            visits++;
            if (leg_drain(b, leg, &t, &packets))
                leg_rearm(w, leg);
        }
        relay_worker_mail(w);
        turns++;
        atomic_store_explicit(&w->turns, turns, memory_order_relaxed);
        atomic_store_explicit(&w->visits, visits, memory_order_relaxed);
        atomic_store_explicit(&w->packets, packets, memory_order_relaxed);
        if (w->coalesce_us && t.now - last < w->coalesce_us)
            pace(t.now, w->coalesce_us);
        last = t.now;
    }
    free(b);
    return NULL;
}
