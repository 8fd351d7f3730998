/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: a bounded number of clients, one request of each at a time. */
#define _GNU_SOURCE /* accept4 */
#include "common/ops/inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CLIENTS_DEFAULT = 16,
    LINE_DEFAULT = 64 << 10,
    ANSWER_DEFAULT = 16 << 20,
    READ_SIZE = 4096,
    BACKLOG = 64,
};
#define IDLE_TIME (60 * SEC)

struct client {
    struct list item;
    struct ops_socket *socket;
    int fd;
    struct loop_fd *watch;
    struct loop_timer idle;
    struct ops_request *request; /* asked, not answered */
    bool running, closing;       /* in client_run; gone when it returns, or when all is sent */
    bool on_spare;               /* it has the descriptor that was kept for operators */
    char *in;
    size_t n_in, cap_in;
    char *out;
    size_t n_out, at_out;
};

struct ops_socket {
    struct ops *ops;
    struct ops_socket_options o;
    char *path;
    int fd;
    struct loop_fd *watch;
    struct list clients;
    unsigned n_clients;
    int spare; /* a descriptor kept for an operator who looks why there are no more; -1 = in use */
    struct loop_timer pause;
};

static void spare_take(struct ops_socket *s)
{
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC); /* if not now, at the next chance */
}

static void spare_give(struct ops_socket *s)
{
    if (s->spare >= 0)
        (void)close(s->spare); /* makes room for who is accepted next */
    s->spare = -1;
}

/* ---- clients ---- */

static void client_free(struct client *c)
{
    struct ops_socket *s = c->socket;
    if (c->request)
        ops_request_forget(c->request);
    loop_timer_stop(s->ops->loop, &c->idle);
    loop_fd_unwatch(c->watch);
    (void)close(c->fd); /* nothing is lost that the client still wants */
    if (c->on_spare)
        spare_take(s);
    list_del(&c->item);
    free(c->in);
    free(c->out);
    free(c);
    if (s->n_clients-- == s->o.clients)
        (void)loop_fd_change(s->watch, LOOP_READ); /* uv_poll_start: fails on no open descriptor */
}

static void client_flush(struct client *c)
{
    while (c->at_out < c->n_out) {
        ssize_t n = send(c->fd, c->out + c->at_out, c->n_out - c->at_out, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            c->closing = true;
            break;
        }
        c->at_out += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->n_out = c->at_out = 0;
}

static void client_run(struct client *c);

static void client_answer(void *ctx, struct span line)
{
    struct client *c = ctx;
    char refusal[512];
    struct buf b = BUF_ON(refusal);
    c->request = NULL;
    if (line.n > c->socket->o.answer) {
        ops_refusal(&b, "the answer is too long for the control socket", "ask for less (--limit)",
                    false);
        line = buf_span(&b);
    }
    c->out = malloc(line.n + 1);
    if (c->out) {
        memcpy(c->out, line.p, line.n);
        c->out[line.n] = '\n';
        c->n_out = line.n + 1;
    }
    c->closing = c->closing || !c->out;
    if (!c->running)
        client_run(c);
}

/* Takes one line off the input, when one is whole. */
static bool client_step(struct client *c)
{
    char *end = c->n_in ? memchr(c->in, '\n', c->n_in) : NULL;
    if (!end && c->n_in < c->socket->o.line)
        return false;
    if (!end) {
        c->closing = true;
        c->n_in = 0;
        char refusal[512];
        struct buf b = BUF_ON(refusal);
        ops_refusal(&b, "the line is too long", "send one JSON object a line", true);
        client_answer(c, buf_span(&b));
        return true;
    }
    size_t n = (size_t)(end - c->in);
    struct ops_request *rq = ops_run(c->socket->ops, span_of(c->in, n), client_answer, c);
    c->n_in -= n + 1;
    memmove(c->in, end + 1, c->n_in);
    c->request = rq;
    return true;
}

/* Whatever can be done now; then waits for what comes next. May free the client. */
static void client_run(struct client *c)
{
    struct loop *l = c->socket->ops->loop;
    c->running = true;
    do {
        if (c->out)
            client_flush(c);
    } while (!c->out && !c->request && !c->closing && client_step(c));
    c->running = false;
    if (c->closing && !c->out) {
        client_free(c);
        return;
    }
    unsigned events = c->out ? LOOP_WRITE : c->request ? 0 : LOOP_READ;
    if (c->request)
        loop_timer_stop(l, &c->idle);
    else
        loop_timer_start(l, &c->idle, IDLE_TIME);
    if (loop_fd_change(c->watch, events) < 0)
        client_free(c);
}

static bool client_room(struct client *c)
{
    if (c->cap_in - c->n_in >= READ_SIZE)
        return true;
    size_t cap = c->cap_in ? 2 * c->cap_in : READ_SIZE;
    char *in = realloc(c->in, cap);
    if (!in)
        return false;
    c->in = in;
    c->cap_in = cap;
    return true;
}

static void on_client(struct loop_fd *w, unsigned events, void *ctx)
{
    struct client *c = ctx;
    (void)w;
    if (events & LOOP_READ) {
        bool room = client_room(c);
        ssize_t n = room ? recv(c->fd, c->in + c->n_in, c->cap_in - c->n_in, 0) : 0;
        if (n > 0)
            c->n_in += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            c->closing = true;
    }
    client_run(c);
}

static void on_idle(struct loop_timer *t, void *ctx)
{
    (void)t;
    client_free(ctx);
}

static void client_new(struct ops_socket *s, int fd, bool on_spare)
{
    struct client *c = calloc(1, sizeof(*c));
    if (!c || loop_fd_watch(s->ops->loop, fd, LOOP_READ, on_client, c, &c->watch) < 0) {
        free(c);
        (void)close(fd); /* the client sees the end of the connection */
        if (on_spare)
            spare_take(s);
        return;
    }
    c->socket = s;
    c->on_spare = on_spare;
    c->fd = fd;
    loop_timer_init(&c->idle, on_idle, c);
    loop_timer_start(s->ops->loop, &c->idle, IDLE_TIME);
    list_add_tail(&s->clients, &c->item);
    s->n_clients++;
}

/* ---- listening ---- */

static void on_pause(struct loop_timer *t, void *ctx)
{
    struct ops_socket *s = ctx;
    (void)t;
    (void)loop_fd_change(s->watch, s->n_clients < s->o.clients ? LOOP_READ : 0); /* as above */
}

/* -1: nobody waits, or nobody can be taken now. */
static int client_accept(struct ops_socket *s, bool *ret_on_spare)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    if (s->spare >= 0) {
        spare_give(s);
        fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            *ret_on_spare = true;
        else
            spare_take(s);
        return fd;
    }
    (void)loop_fd_change(s->watch, 0); /* who waits would wake us for nothing, again and again */
    loop_timer_start(s->ops->loop, &s->pause, SEC);
    return -1;
}

static void on_listener(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ops_socket *s = ctx;
    (void)events;
    while (s->n_clients < s->o.clients) {
        bool on_spare = false;
        int fd = client_accept(s, &on_spare);
        if (fd < 0)
            return;
        client_new(s, fd, on_spare);
    }
    (void)loop_fd_change(w, 0); /* the rest waits in the backlog; stopping a poll cannot fail */
}

/* Is somebody listening behind that socket file? */
static bool is_alive(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool alive =
        fd >= 0 && (connect(fd, (const struct sockaddr *)(const void *)name, sizeof(*name)) == 0 ||
                    errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd); /* it was only a question */
    return alive;
}

static int bind_path(int fd, const char *path, unsigned mode)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(name.sun_path))
        return -ENAMETOOLONG;
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    if (fchmod(fd, mode) < 0) /* so that it is never there with wider access, not for a moment */
        return -errno;
    int rc = bind(fd, (struct sockaddr *)(void *)&name, sizeof(name));
    if (rc < 0 && errno == EADDRINUSE && stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_alive(&name))
            return -EADDRINUSE;
        (void)unlink(path); /* if not, bind says why */
        rc = bind(fd, (struct sockaddr *)(void *)&name, sizeof(name));
    }
    if (rc < 0)
        return -errno;
    if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
        rc = -errno;
        (void)unlink(path); /* we made it */
    }
    return rc;
}

/* The directory of the socket, one level: /run is empty after a boot. */
static void make_dir(const char *path)
{
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path ||
        span_copy(span_of(path, (size_t)(slash - path)), dir, sizeof(dir)) < 0)
        return;
    (void)mkdir(dir, 0755); /* if it cannot be made, bind says so */
}

int ops_listen(struct ops *o, const struct ops_socket_options *options)
{
    if (o->socket)
        return -EALREADY;
    struct ops_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->ops = o;
    s->o = *options;
    s->o.mode = s->o.mode ? s->o.mode : 0660;
    s->o.clients = s->o.clients ? s->o.clients : CLIENTS_DEFAULT;
    s->o.line = s->o.line ? s->o.line : LINE_DEFAULT;
    s->o.answer = s->o.answer ? s->o.answer : ANSWER_DEFAULT;
    list_init(&s->clients);
    loop_timer_init(&s->pause, on_pause, s);
    spare_take(s);
    make_dir(options->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = s->fd < 0 ? -errno : bind_path(s->fd, options->path, s->o.mode);
    if (rc == 0) {
        s->path = span_dup(span_str(options->path)); /* ours from here on: removed at the end */
        rc =
            s->path ? loop_fd_watch(o->loop, s->fd, LOOP_READ, on_listener, s, &s->watch) : -ENOMEM;
    }
    if (rc < 0) {
        ops_socket_free(s);
        return rc;
    }
    o->socket = s;
    return 0;
}

void ops_socket_free(struct ops_socket *s)
{
    if (!s)
        return;
    LIST_EACH (it, &s->clients) {
        client_free(CONTAINER_OF(it, struct client, item));
    }
    loop_timer_stop(s->ops->loop, &s->pause);
    spare_give(s);
    loop_fd_unwatch(s->watch);
    if (s->fd >= 0)
        (void)close(s->fd); /* no more clients */
    if (s->path)
        (void)unlink(s->path); /* a file that is gone already is fine */
    free(s->path);
    free(s);
}
