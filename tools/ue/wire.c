/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The phone's sockets. Protected UDP follows TS 33.203 7.1: everything leaves from port_uc to
 * port_ps and arrives at port_us; TCP connections go from port_uc to port_ps, and come from port_pc
 * to port_us. */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/ue/ue.h"

static int open_socket(const struct addr *ip, uint16_t port, int type)
{
    struct addr local = *ip;
    struct sockaddr_storage ss;
    int one = 1, fd = socket(ip->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    local.port = port;
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* bind tells */
    if (bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&local, &ss)) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static void on_datagram(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ue *ue = ctx;
    static char text[65536];
    int fds[] = {ue->clear_fd, ue->server_fd, ue->client_fd};
    ssize_t n;

    (void)w;
    (void)events;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        while (fds[i] >= 0 && (n = recv(fds[i], text, sizeof(text), 0)) > 0)
            ue_on_message(ue, NULL, span_of(text, (size_t)n));
    }
}

static void conn_free(struct ue_conn *c)
{
    list_del(&c->item);
    if (c->watch)
        loop_fd_unwatch(c->watch);
    close(c->fd);
    sip_framer_fini(&c->framer);
    free(c->pending);
    free(c);
}

static void conn_flush(struct ue_conn *c)
{
    while (c->pending_n) {
        ssize_t n = send(c->fd, c->pending, c->pending_n, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        memmove(c->pending, c->pending + n, c->pending_n - (size_t)n);
        c->pending_n -= (size_t)n;
    }
    if (c->connected)
        (void)loop_fd_change(c->watch,
                             LOOP_READ); /* an end of the connection shows at the next read */
}

/* False when the connection is gone. */
static bool conn_read(struct ue_conn *c)
{
    char bytes[16384];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
    struct span message;
    struct sip_reject reject;
    enum sip_frame frame;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0 || sip_framer_feed(&c->framer, span_of(bytes, (size_t)n)) != 0) {
        if (n < 0)
            ue_event("tcp-closed error=%s", strerror(errno));
        conn_free(c);
        return false;
    }
    while ((frame = sip_framer_next(&c->framer, &message, &reject)) == SIP_FRAME_MESSAGE)
        ue_on_message(c->ue, c, message);
    if (frame == SIP_FRAME_BROKEN) {
        ue_event("error what=\"broken TCP stream: %s\"", reject.reason);
        conn_free(c);
        return false;
    }
    return true;
}

static void on_conn(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ue_conn *c = ctx;

    (void)w;
    if (events & LOOP_WRITE) {
        int error = 0;
        socklen_t n = sizeof(error);

        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n); /* error stays 0 if it fails */
        if (error) {
            ue_event("tcp-closed error=%s", strerror(error));
            conn_free(c);
            return;
        }
        c->connected = true;
        conn_flush(c);
    }
    if (events & LOOP_READ)
        (void)conn_read(c); /* c may be gone; it is not used again */
}

static struct ue_conn *conn_new(struct ue *ue, int fd, bool outgoing)
{
    struct ue_conn *c = calloc(1, sizeof(*c));

    if (!c) {
        close(fd);
        return NULL;
    }
    *c = (struct ue_conn){.ue = ue, .fd = fd, .outgoing = outgoing, .connected = !outgoing};
    sip_framer_init(&c->framer, 65536);
    list_add_tail(&ue->conns, &c->item);
    if (loop_fd_watch(ue->loop, fd, outgoing ? LOOP_READ | LOOP_WRITE : LOOP_READ, on_conn, c,
                      &c->watch) != 0) {
        conn_free(c);
        return NULL;
    }
    return c;
}

static void on_accept(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ue *ue = ctx;
    int listeners[] = {ue->clear_listen_fd, ue->listen_fd};

    (void)w;
    (void)events;
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
        int fd = listeners[i] >= 0 ? accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
                                   : -1;

        if (fd >= 0)
            (void)conn_new(ue, fd, false); /* out of memory: the peer sees it closed */
    }
}

static int watch(struct ue *ue, int fd, bool listener, struct loop_fd **ret_watch)
{
    if (listener && listen(fd, 8) != 0)
        return -errno;
    return loop_fd_watch(ue->loop, fd, LOOP_READ, listener ? on_accept : on_datagram, ue,
                         ret_watch);
}

int ue_wire_open(struct ue *ue)
{
    const struct ue_options *o = &ue->options;
    struct {
        int *fd;
        struct loop_fd **watch;
        uint16_t port;
        int type;
    } ports[] = {{&ue->clear_fd, &ue->clear_watch, o->clear_port, SOCK_DGRAM},
                 {&ue->clear_listen_fd, &ue->clear_listen_watch, o->clear_port, SOCK_STREAM},
                 {&ue->server_fd, &ue->server_watch, o->port_us, SOCK_DGRAM},
                 {&ue->listen_fd, &ue->listen_watch, o->port_us, SOCK_STREAM}};

    for (size_t i = 0; i < (o->ipsec ? 4u : 2u); i++) {
        int rc = open_socket(&o->local, ports[i].port, ports[i].type);

        if (rc < 0)
            return rc;
        *ports[i].fd = rc;
        rc = watch(ue, rc, ports[i].type == SOCK_STREAM, ports[i].watch);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void close_one(int *fd, struct loop_fd **w)
{
    if (*w)
        loop_fd_unwatch(*w);
    if (*fd >= 0)
        close(*fd);
    *w = NULL;
    *fd = -1;
}

int ue_wire_open_client(struct ue *ue, uint16_t port_uc)
{
    int rc;

    close_one(&ue->client_fd, &ue->client_watch);
    rc = open_socket(&ue->options.local, port_uc, SOCK_DGRAM);
    if (rc < 0)
        return rc;
    ue->client_fd = rc;
    return watch(ue, rc, false, &ue->client_watch);
}

void ue_wire_retire_connections(struct ue *ue)
{
    LIST_EACH (item, &ue->conns)
        CONTAINER_OF(item, struct ue_conn, item)->outgoing = false;
}

void ue_wire_close(struct ue *ue)
{
    LIST_EACH (item, &ue->conns)
        conn_free(CONTAINER_OF(item, struct ue_conn, item));
    close_one(&ue->clear_fd, &ue->clear_watch);
    close_one(&ue->clear_listen_fd, &ue->clear_listen_watch);
    close_one(&ue->server_fd, &ue->server_watch);
    close_one(&ue->listen_fd, &ue->listen_watch);
    close_one(&ue->client_fd, &ue->client_watch);
}

static struct ue_conn *conn_open(struct ue *ue, bool clear)
{
    struct addr to = ue->options.pcscf;
    struct sockaddr_storage ss;
    int fd = open_socket(&ue->options.local, clear ? 0 : ue->set.port_uc, SOCK_STREAM);

    if (fd < 0)
        return NULL;
    if (!clear)
        to.port = ue->set.port_ps;
    if (connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&to, &ss)) != 0 &&
        errno != EINPROGRESS) {
        close(fd);
        return NULL;
    }
    return conn_new(ue, fd, true);
}

static int conn_send(struct ue_conn *c, struct span text)
{
    char *pending = realloc(c->pending, c->pending_n + text.n);

    if (!pending)
        return -ENOMEM;
    memcpy(pending + c->pending_n, text.p, text.n);
    c->pending = pending;
    c->pending_n += text.n;
    if (c->connected)
        conn_flush(c);
    if (c->pending_n)
        (void)loop_fd_change(c->watch, LOOP_READ | LOOP_WRITE); /* the watch exists */
    return 0;
}

int ue_wire_send(struct ue *ue, bool clear, struct ue_conn *conn, struct span text)
{
    struct addr to = ue->options.pcscf;
    struct sockaddr_storage ss;
    int fd = clear ? ue->clear_fd : ue->client_fd;

    if (!conn && strcmp(ue->options.transport, "tcp") == 0) {
        LIST_EACH (item, &ue->conns) {
            struct ue_conn *c = CONTAINER_OF(item, struct ue_conn, item);

            if (c->outgoing)
                conn = c;
        }
        if (!conn)
            conn = conn_open(ue, clear);
        if (!conn)
            return -errno;
    }
    if (conn)
        return conn_send(conn, text);
    if (!clear)
        to.port = ue->set.port_ps;
    if (sendto(fd, text.p, text.n, 0, (struct sockaddr *)&ss, addr_to_sockaddr(&to, &ss)) < 0)
        return -errno;
    return 0;
}
