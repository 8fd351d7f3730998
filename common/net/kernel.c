/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's sockets: UDP read in batches, TCP with a bounded queue for what does not fit. */
#define _GNU_SOURCE
#include "common/net/kernel.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

enum sock_kind { SOCK_UDP, SOCK_LISTENER, SOCK_TCP };

/* How long the kernel tries to deliver what a closed connection left behind. */
#define USER_TIMEOUT_MS 30000

/* How long a listener rests when there are no descriptors: a connection that cannot be taken stays
 * readable, and the loop would turn without end. */
#define ACCEPT_PAUSE (100 * MSEC)

struct sock {
    struct list item;
    struct kernel_net *net;
    enum sock_kind kind;
    int fd; /* -1 = closed */
    struct loop_fd *watch;
    struct loop_task end;
    struct loop_timer pause;  /* listener: out of descriptors */
    bool connected, flushing; /* flushing: the owner has gone, the queue has not */
    bool writing;             /* LOOP_WRITE is watched */
    char *queue;              /* TCP: what the kernel has not taken */
    size_t queued, room;
    union {
        struct net_udp udp;
        struct net_listener listener;
        struct net_tcp tcp;
    };
};

static struct kernel_net *kernel_of(struct net *n)
{
    return CONTAINER_OF(n, struct kernel_net, net);
}

static void on_ready(struct loop_fd *w, unsigned events, void *ctx);

static void end_sock(struct loop_task *task, void *ctx)
{
    struct sock *s = ctx;

    (void)task;
    list_del(&s->item);
    free(s->queue);
    free(s);
}

/* Nothing comes any more; the memory goes with this turn, so that a callback may close its own. */
static void sock_close(struct sock *s)
{
    if (s->fd < 0)
        return;
    if (s->watch)
        loop_fd_unwatch(s->watch);
    s->watch = NULL;
    loop_timer_stop(s->net->net.loop, &s->pause);
    (void)close(s->fd); /* EINTR and EIO leave nothing to be done */
    s->fd = -1;
    loop_defer(s->net->net.loop, &s->end);
}

static void accept_again(struct loop_timer *t, void *ctx)
{
    struct sock *s = ctx;

    (void)t;
    (void)loop_fd_change(s->watch, LOOP_READ); /* it is watched while the socket is open */
}

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Takes fd, also when it fails. */
static int sock_adopt(struct kernel_net *n, enum sock_kind kind, int fd, unsigned events,
                      struct sock **ret_sock)
{
    struct sock *s = calloc(1, sizeof(*s));
    int rc = s ? 0 : -ENOMEM;

    if (rc == 0) {
        *s = (struct sock){.net = n, .kind = kind, .fd = fd};
        loop_task_init(&s->end, end_sock, s);
        loop_timer_init(&s->pause, accept_again, s);
        rc = loop_fd_watch(n->net.loop, fd, events, on_ready, s, &s->watch);
    }
    if (rc != 0) {
        free(s);
        (void)close(fd);
        return rc;
    }
    list_add_tail(&n->socks, &s->item);
    *ret_sock = s;
    return 0;
}

static int open_socket(const struct addr *local, int type, bool reuse, bool reuse_port)
{
    int fd, rc = 0;

    if (local->family != AF_INET && local->family != AF_INET6)
        return -EAFNOSUPPORT;
    fd = socket(local->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (local->family == AF_INET6)
        rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (rc == 0 && reuse)
        rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && reuse_port)
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0)
        return fd;
    (void)close(fd);
    return rc;
}

static int bind_socket(int fd, const struct addr *local, struct addr *ret_local)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(local, &ss);

    if (bind(fd, (struct sockaddr *)&ss, n) != 0)
        return -errno;
    n = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
        return -errno;
    return addr_of_sockaddr((struct sockaddr *)&ss, ret_local);
}

/* ---- UDP ------------------------------------------------------------------------------------------ */

static int udp_open(struct net *n, const struct addr *local, const struct net_udp_options *options,
                    const struct net_udp_ops *ops, void *ctx, struct net_udp **ret_udp)
{
    int fd = open_socket(local, SOCK_DGRAM, false, options && options->reuse_port), rc;
    struct addr bound;
    struct sock *s;

    if (fd < 0)
        return fd;
    if (options && options->receive_buffer)
        /* Beyond net.core.rmem_max only with privilege: then the kernel gives what it allows. */
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    rc = bind_socket(fd, local, &bound);
    if (rc != 0) {
        (void)close(fd);
        return rc;
    }
    rc = sock_adopt(kernel_of(n), SOCK_UDP, fd, LOOP_READ, &s);
    if (rc != 0)
        return rc;
    s->udp = (struct net_udp){n, bound, ops, ctx};
    *ret_udp = &s->udp;
    return 0;
}

static int udp_send(struct net_udp *u, const struct addr *to, struct span data)
{
    struct sock *s = CONTAINER_OF(u, struct sock, udp);
    struct sockaddr_storage ss;

    if (to->family != u->local.family)
        return -EAFNOSUPPORT;
    if (sendto(s->fd, data.p, data.n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss,
               addr_to_sockaddr(to, &ss)) >= 0)
        return 0;
    return errno == ENOBUFS ? -EAGAIN : -errno;
}

static void udp_close(struct net_udp *u)
{
    sock_close(CONTAINER_OF(u, struct sock, udp));
}

static void udp_ready(struct sock *s)
{
    struct kernel_net *k = s->net;
    struct addr from;
    int n;

    for (unsigned i = 0; i < KERNEL_BATCH; i++)
        k->headers[i].msg_hdr.msg_namelen = sizeof(k->sources[i]);
    n = recvmmsg(s->fd, k->headers, KERNEL_BATCH, MSG_DONTWAIT, NULL);
    /* An error is one a datagram of ours caused on its way: the transaction finds out by time. */
    for (int i = 0; i < n && s->fd >= 0; i++) {
        if ((k->headers[i].msg_hdr.msg_flags & MSG_TRUNC) == 0 &&
            addr_of_sockaddr((struct sockaddr *)&k->sources[i], &from) == 0)
            s->udp.ops->on_datagram(
                &s->udp, &from, span_of(k->iovecs[i].iov_base, k->headers[i].msg_len), s->udp.ctx);
    }
}

/* ---- TCP -------------------------------------------------------------------------------------------- */

static int kernel_listen(struct net *n, const struct addr *local,
                         void (*on_accept)(struct net_listener *li, struct net_tcp *t, void *ctx),
                         void *ctx, struct net_listener **ret_listener)
{
    int fd = open_socket(local, SOCK_STREAM, true, false), rc;
    struct addr bound;
    struct sock *s;

    if (fd < 0)
        return fd;
    rc = bind_socket(fd, local, &bound);
    if (rc == 0 && listen(fd, 1024) != 0)
        rc = -errno;
    if (rc != 0) {
        (void)close(fd);
        return rc;
    }
    rc = sock_adopt(kernel_of(n), SOCK_LISTENER, fd, LOOP_READ, &s);
    if (rc != 0)
        return rc;
    s->listener = (struct net_listener){n, bound, on_accept, ctx};
    *ret_listener = &s->listener;
    return 0;
}

static void listener_close(struct net_listener *li)
{
    sock_close(CONTAINER_OF(li, struct sock, listener));
}

static void tcp_tune(int fd)
{
    /* Each fails only for a socket that is not TCP. */
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static int tcp_adopt(struct kernel_net *n, int fd, unsigned events, const struct addr *remote,
                     struct sock **ret_sock)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    struct addr local = {0};
    int rc;

    tcp_tune(fd);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        (void)addr_of_sockaddr((struct sockaddr *)&ss, &local); /* of a family we opened */
    rc = sock_adopt(n, SOCK_TCP, fd, events, ret_sock);
    if (rc == 0)
        (*ret_sock)->tcp = (struct net_tcp){&n->net, local, *remote, NULL, NULL, NET_TCP_LIMIT};
    return rc;
}

/* Whoever waits, waits in the backlog. */
static void accept_failed(struct sock *s, int error)
{
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return;                        /* nobody waits, or who waited has gone */
    (void)loop_fd_change(s->watch, 0); /* it is watched */
    loop_timer_start(s->net->net.loop, &s->pause, ACCEPT_PAUSE);
}

static void listener_ready(struct sock *s)
{
    for (int i = 0; i < KERNEL_ACCEPTS && s->fd >= 0; i++) {
        struct sockaddr_storage ss;
        socklen_t n = sizeof(ss);
        int fd = accept4(s->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct addr remote;
        struct sock *c;

        if (fd < 0) {
            accept_failed(s, errno);
            return;
        }
        if (addr_of_sockaddr((struct sockaddr *)&ss, &remote) != 0) {
            (void)close(fd);
            continue;
        }
        if (tcp_adopt(s->net, fd, LOOP_READ, &remote, &c) != 0)
            continue;
        c->connected = true;
        s->listener.on_accept(&s->listener, &c->tcp, s->listener.ctx);
        if (!c->tcp.ops)
            sock_close(c);
    }
}

static int start_connect(int fd, const struct addr *local, const struct addr *remote)
{
    struct sockaddr_storage ss;
    struct addr bound;
    int rc = 0;

    if (local) {
        if (local->port == 0)
            rc = set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (rc == 0)
            rc = bind_socket(fd, local, &bound);
        if (rc != 0)
            return rc;
    }
    if (connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(remote, &ss)) == 0 ||
        errno == EINPROGRESS)
        return 0;
    return -errno;
}

static int kernel_connect(struct net *n, const struct addr *local, const struct addr *remote,
                          const struct net_tcp_ops *ops, void *ctx, struct net_tcp **ret_tcp)
{
    int fd = open_socket(remote, SOCK_STREAM, local && local->port, false), rc;
    struct sock *s;

    if (fd < 0)
        return fd;
    rc = start_connect(fd, local, remote);
    if (rc != 0) {
        (void)close(fd);
        return rc;
    }
    rc = tcp_adopt(kernel_of(n), fd, LOOP_READ | LOOP_WRITE, remote, &s);
    if (rc != 0)
        return rc;
    s->writing = true;
    net_tcp_attach(&s->tcp, ops, ctx);
    *ret_tcp = &s->tcp;
    return 0;
}

static void want_write(struct sock *s, bool on)
{
    if (s->writing == on || !s->watch)
        return;
    s->writing = on;
    (void)loop_fd_change(s->watch, on ? LOOP_READ | LOOP_WRITE : LOOP_READ); /* it is watched */
}

static int enqueue(struct sock *s, struct span data)
{
    if (s->queued + data.n > s->room) {
        size_t room = (s->queued + data.n) * 2;
        char *more = realloc(s->queue, room);

        if (!more)
            return -ENOMEM;
        s->queue = more;
        s->room = room;
    }
    memcpy(s->queue + s->queued, data.p, data.n);
    s->queued += data.n;
    want_write(s, true);
    return 0;
}

static int tcp_send(struct net_tcp *t, struct span data)
{
    struct sock *s = CONTAINER_OF(t, struct sock, tcp);
    ssize_t n = 0;
    int rc;

    if (s->fd < 0 || s->flushing)
        return -ENOTCONN;
    if (data.n > t->limit || s->queued > t->limit - data.n)
        return -ENOBUFS;
    if (data.n == 0)
        return 0;
    if (s->connected && s->queued == 0) {
        n = send(s->fd, data.p, data.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno; /* on_closed follows from the loop */
        if (n < 0)
            n = 0;
    }
    rc = (size_t)n == data.n ? 0 : enqueue(s, span_sub(data, (size_t)n, data.n));
    if (rc != 0 && n > 0)
        (void)shutdown(s->fd, SHUT_RDWR); /* half a message went: nothing may follow it */
    return rc;
}

static void tcp_close(struct net_tcp *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, tcp);

    if (s->fd < 0)
        return;
    t->ops = NULL;
    if (s->queued)
        s->flushing = true; /* a connection that does not stand yet as well */
    else
        sock_close(s);
}

static void tcp_ended(struct sock *s, int reason)
{
    const struct net_tcp_ops *ops = s->tcp.ops;

    sock_close(s);
    if (ops)
        ops->on_closed(&s->tcp, reason, s->tcp.ctx);
}

static void tcp_writable(struct sock *s)
{
    int error = 0;
    socklen_t len = sizeof(error);
    ssize_t n;

    if (!s->connected) {
        if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
            tcp_ended(s, error ? error : EIO);
            return;
        }
        s->connected = true;
        if (s->tcp.ops)
            s->tcp.ops->on_connected(&s->tcp, s->tcp.ctx);
        if (s->fd < 0)
            return;
    }
    if (s->queued) {
        n = send(s->fd, s->queue, s->queued, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            tcp_ended(s, errno);
            return;
        }
        if (n > 0) {
            s->queued -= (size_t)n;
            memmove(s->queue, s->queue + n, s->queued);
        }
    }
    if (s->queued == 0) {
        /* A burst does not keep its memory for the life of the connection. */
        free(s->queue);
        s->queue = NULL;
        s->room = 0;
        want_write(s, false);
        if (s->flushing)
            sock_close(s);
    }
}

static void tcp_readable(struct sock *s)
{
    ssize_t n = recv(s->fd, s->net->room, KERNEL_DATAGRAM, MSG_DONTWAIT);

    if (n > 0) {
        if (s->tcp.ops)
            s->tcp.ops->on_data(&s->tcp, span_of(s->net->room, (size_t)n), s->tcp.ctx);
    } else if (n == 0) {
        tcp_ended(s, 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        tcp_ended(s, errno);
    }
}

static void on_ready(struct loop_fd *w, unsigned events, void *ctx)
{
    struct sock *s = ctx;

    (void)w;
    if (s->kind == SOCK_UDP) {
        udp_ready(s);
    } else if (s->kind == SOCK_LISTENER) {
        listener_ready(s);
    } else {
        if (events & LOOP_WRITE || !s->connected)
            tcp_writable(s);
        if (s->fd >= 0 && s->connected && events & LOOP_READ)
            tcp_readable(s);
    }
}

/* ---- the network -------------------------------------------------------------------------------------- */

static const struct rnd *kernel_rnd(struct net *n)
{
    (void)n;
    return &rnd_system;
}

static void kernel_free(struct net *net)
{
    struct kernel_net *n = kernel_of(net);

    dns_free(n->dns);
    LIST_EACH (it, &n->socks) {
        struct sock *s = CONTAINER_OF(it, struct sock, item);

        sock_close(s);
        loop_task_cancel(&s->end);
        end_sock(&s->end, s);
    }
    free(n->room);
    free(n->headers);
    free(n);
}

int net_new(struct loop *l, struct net **ret_net)
{
    static const struct net_impl impl = {
        .free = kernel_free,
        .udp_open = udp_open,
        .udp_send = udp_send,
        .udp_close = udp_close,
        .listen = kernel_listen,
        .listener_close = listener_close,
        .connect = kernel_connect,
        .tcp_send = tcp_send,
        .tcp_close = tcp_close,
        .rnd = kernel_rnd,
        .ask = dns_ask,
    };
    struct kernel_net *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    n->net = (struct net){.impl = &impl, .loop = l};
    list_init(&n->net.resolves);
    list_init(&n->socks);
    n->room = malloc((size_t)KERNEL_BATCH * KERNEL_DATAGRAM);
    n->headers = calloc(KERNEL_BATCH, sizeof(*n->headers));
    if (!n->room || !n->headers) {
        kernel_free(&n->net);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < KERNEL_BATCH; i++) {
        n->iovecs[i] = (struct iovec){n->room + (size_t)i * KERNEL_DATAGRAM, KERNEL_DATAGRAM};
        n->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &n->sources[i], .msg_iov = &n->iovecs[i], .msg_iovlen = 1};
    }
    *ret_net = &n->net;
    return 0;
}
