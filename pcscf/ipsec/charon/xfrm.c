/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NETLINK_XFRM by hand, for what libcharon's interface cannot say: which SAs are ours, a new
 * lifetime for an SA that stands, and expiries without threads. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pcscf/ipsec/charon/inner.h"

#define ANSWER_MAX 32768 /* the kernel fills dumps in pieces of at most this size */

int charon_xfrm_open(bool events)
{
    int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (events ? SOCK_NONBLOCK : 0), NETLINK_XFRM);
    struct sockaddr_nl local = {.nl_family = AF_NETLINK, .nl_groups = events ? XFRMGRP_EXPIRE : 0};
    struct timeval patience = {.tv_sec = 2};
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

struct message {
    struct nlmsghdr header;
    char body[2048];
};

static struct message message_of(uint16_t type, uint16_t flags, const void *body, size_t n)
{
    struct message m = {.header = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(n),
                                   .nlmsg_type = type,
                                   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)}};

    memcpy(NLMSG_DATA(&m.header), body, n);
    return m;
}

static ssize_t receive(int fd, void *p, size_t cap)
{
    ssize_t n;

    do {
        n = recv(fd, p, cap, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Sends and waits for the acknowledgement. */
static int transact(int fd, struct message *m)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[2048];
    } answer;
    ssize_t n;

    m->header.nlmsg_flags |= NLM_F_ACK;
    if (send(fd, m, m->header.nlmsg_len, 0) < 0)
        return -errno;
    n = receive(fd, &answer, sizeof(answer));
    if (n < 0)
        return (int)n;
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) || answer.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return answer.error.error;
}

static xfrm_address_t address_of(const struct addr *a)
{
    xfrm_address_t x = {0};

    memcpy(&x, a->ip, addr_ip_len(a));
    return x;
}

static bool is_ours(const struct charon_open *o, const xfrm_address_t *a, unsigned family,
                    uint16_t port, bool any_port)
{
    for (uint32_t i = 0; i < o->n_ports; i++) {
        const struct addr *p = &o->ports[i];

        if (p->family == family && memcmp(a, p->ip, addr_ip_len(p)) == 0 &&
            (any_port || p->port == port))
            return true;
    }
    return false;
}

/* ---- flush: a dump collects what is ours, then it is deleted one by one ---- */

struct doomed {
    struct message *list;
    size_t n, cap;
};

static int doom(struct doomed *d, const struct message *m)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 64;
        struct message *list = realloc(d->list, cap * sizeof(*list));

        if (!list)
            return -ENOMEM;
        d->list = list;
        d->cap = cap;
    }
    d->list[d->n++] = *m;
    return 0;
}

static int doom_sa(struct doomed *d, const struct nlmsghdr *h, const struct charon_open *o)
{
    const struct xfrm_usersa_info *sa = NLMSG_DATA(h);
    struct xfrm_usersa_id id = {
        .daddr = sa->id.daddr, .spi = sa->id.spi, .family = sa->family, .proto = sa->id.proto};
    struct message m;

    if (sa->reqid != o->reqid || (!is_ours(o, &sa->id.daddr, sa->family, 0, true) &&
                                  !is_ours(o, &sa->saddr, sa->family, 0, true)))
        return 0;
    m = message_of(XFRM_MSG_DELSA, 0, &id, sizeof(id));
    return doom(d, &m);
}

static int doom_policy(struct doomed *d, const struct nlmsghdr *h, const struct charon_open *o)
{
    const struct xfrm_userpolicy_info *p = NLMSG_DATA(h);
    struct xfrm_userpolicy_id id = {.sel = p->sel, .index = p->index, .dir = p->dir};
    bool in = p->dir == XFRM_POLICY_IN;
    struct message m;

    if (p->dir > XFRM_POLICY_OUT || /* those of sockets have other numbers */
        !is_ours(o, in ? &p->sel.daddr : &p->sel.saddr, p->sel.family,
                 ntohs(in ? p->sel.dport : p->sel.sport), false))
        return 0;
    m = message_of(XFRM_MSG_DELPOLICY, 0, &id, sizeof(id));
    return doom(d, &m);
}

static int dump(int fd, bool policies, struct doomed *d, const struct charon_open *o)
{
    struct message ask =
        message_of(policies ? XFRM_MSG_GETPOLICY : XFRM_MSG_GETSA, NLM_F_DUMP, "", 0);
    static _Alignas(struct nlmsghdr) char bytes[ANSWER_MAX];

    if (send(fd, &ask, ask.header.nlmsg_len, 0) < 0)
        return -errno;
    for (;;) {
        ssize_t got = receive(fd, bytes, sizeof(bytes));
        unsigned n = got > 0 ? (unsigned)got : 0;
        int rc = 0;

        if (got < 0)
            return (int)got;
        for (struct nlmsghdr *h = (void *)bytes; NLMSG_OK(h, n) && rc == 0; h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
            rc = policies ? doom_policy(d, h, o) : doom_sa(d, h, o);
        }
        if (rc < 0)
            return rc;
    }
}

int charon_xfrm_flush(int fd, const struct charon_open *options)
{
    int first = 0;

    for (int policies = 0; policies < 2; policies++) {
        struct doomed d = {NULL, 0, 0};
        int rc = dump(fd, policies, &d, options);

        for (size_t i = 0; i < d.n && rc == 0; i++) {
            rc = transact(fd, &d.list[i]);
            if (rc == -ESRCH || rc == -ENOENT)
                rc = 0; /* expired in between */
        }
        free(d.list);
        if (first == 0)
            first = rc;
    }
    return first;
}

/* ---- lifetime ---- */

static bool is_algorithm(uint16_t type)
{
    return type == XFRMA_ALG_AUTH || type == XFRMA_ALG_AUTH_TRUNC || type == XFRMA_ALG_CRYPT ||
           type == XFRMA_ALG_AEAD;
}

/* XFRM_MSG_UPDSA on an SA that stands takes its lifetimes and leaves keys and counters alone
 * (xfrm_state_update); it wants a whole SA all the same, so the kernel's own goes back. libcharon's
 * add_sa with `update` would create the SA anew if it expired in between, with old keys. */
int charon_xfrm_limit(int fd, const struct addr *to, uint32_t spi, uint32_t seconds)
{
    struct xfrm_usersa_id id = {
        .daddr = address_of(to), .spi = htonl(spi), .family = to->family, .proto = IPPROTO_ESP};
    struct message ask = message_of(XFRM_MSG_GETSA, 0, &id, sizeof(id)), *sa, update;
    static _Alignas(struct nlmsghdr) char bytes[8192];
    struct xfrm_usersa_info *info;
    ssize_t n;
    size_t left;
    uint64_t now, age;
    int rc;

    if (send(fd, &ask, ask.header.nlmsg_len, 0) < 0)
        return -errno;
    n = receive(fd, bytes, sizeof(bytes));
    if (n < 0)
        return (int)n;
    sa = (void *)bytes;
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(*info)) || sa->header.nlmsg_type != XFRM_MSG_NEWSA)
        return sa->header.nlmsg_type == NLMSG_ERROR
                   ? ((struct nlmsgerr *)NLMSG_DATA(&sa->header))->error
                   : -EPROTO;
    info = NLMSG_DATA(&sa->header);
    update = message_of(XFRM_MSG_UPDSA, 0, info, sizeof(*info));

    /* Attributes: the algorithms, and nothing of the replay state. */
    left = sa->header.nlmsg_len - NLMSG_LENGTH(sizeof(*info));
    for (struct nlattr *a = (void *)(info + 1);
         left >= sizeof(*a) && a->nla_len >= sizeof(*a) && a->nla_len <= left;) {
        size_t whole = NLA_ALIGN(a->nla_len);

        if (is_algorithm(a->nla_type) &&
            update.header.nlmsg_len + whole <= sizeof(struct message)) {
            memcpy((char *)&update + update.header.nlmsg_len, a, a->nla_len);
            update.header.nlmsg_len += (uint32_t)whole;
        }
        left -= whole < left ? whole : left;
        a = (void *)((char *)a + whole);
    }
    /* The kernel counts from the time the SA was added. */
    now = (uint64_t)time(NULL);
    age = now > info->curlft.add_time ? now - info->curlft.add_time : 0;
    info = NLMSG_DATA(&update.header);
    info->lft.hard_add_expires_seconds = seconds ? age + seconds : 0;
    rc = transact(fd, &update);
    bytes_wipe(bytes, sizeof(bytes));
    bytes_wipe(&update, sizeof(update));
    return rc;
}

/* ---- events ---- */

int charon_xfrm_expired(int fd, struct addr *ret_to, uint32_t *ret_spi)
{
    for (;;) {
        struct message m;
        ssize_t n = receive(fd, &m, sizeof(m));
        const struct xfrm_user_expire *e = NLMSG_DATA(&m.header);
        struct addr to;

        if (n == -ENOBUFS)
            continue; /* some were lost; the registration's own timer ends those sets */
        if (n < 0)
            return 0;
        if (n < (ssize_t)NLMSG_LENGTH(sizeof(*e)) || m.header.nlmsg_type != XFRM_MSG_EXPIRE ||
            !e->hard || e->state.id.proto != IPPROTO_ESP)
            continue;
        to = (struct addr){.family = (uint8_t)e->state.family};
        memcpy(to.ip, &e->state.id.daddr, addr_ip_len(&to));
        *ret_to = to;
        *ret_spi = ntohl(e->state.id.spi);
        return 1;
    }
}
