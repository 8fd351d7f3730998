/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "common/diameter/fd/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/diameter/wire.h"

enum { QUEUE_MAX = 1024, RECORDS_A_TURN = 64, CONF_MAX = 8192 };
/* Seconds: after the core has given up by itself (ANSWER_WITHIN in port.c). */
enum { WITHIN = 35 };
enum { STATE_LINE = 32 }; /* room for it */
static const uint64_t RESTART_FIRST = 250 * MSEC, RESTART_LAST = 8 * SEC, RESTART_CALM = 30 * SEC;

struct queued {
    struct list item;
    size_t n;
    char octets[];
};

struct fd_node {
    struct diameter d;
    pid_t pid; /* 0 = none */
    int sock;  /* -1 = none */
    struct loop_fd *watch;
    bool want_write;
    struct list queue; /* records the socket had no room for */
    unsigned n_queue;
    struct loop_timer restart;
    uint64_t backoff, started;
    void (*on_log)(void *ctx, const char *text);
    void *log_ctx;
    char program[PATH_MAX];
    char conf[CONF_MAX];
    size_t n_conf;
    struct wire_record in;
};

static struct fd_node *node_of(const struct diameter *d)
{
    return CONTAINER_OF(d, struct fd_node, d);
}

static void say(struct fd_node *f, const char *text)
{
    if (f->on_log)
        f->on_log(f->log_ctx, text);
}

/* ---- to the node ---- */

static void queue_drop(struct fd_node *f, struct queued *q)
{
    list_del(&q->item);
    f->n_queue--;
    bytes_wipe(q->octets, q->n);
    free(q);
}

static void want(struct fd_node *f, bool write)
{
    if (f->want_write == write)
        return;
    if (loop_fd_change(f->watch, LOOP_READ | (write ? LOOP_WRITE : 0)) == 0)
        f->want_write = write;
}

static int queue_add(struct fd_node *f, const struct wire_head *h, struct span octets)
{
    /* Of answers there are never more than the node waits for. */
    unsigned limit = h->type == WIRE_ANSWER ? QUEUE_MAX + WIRE_ASKED_MAX : QUEUE_MAX;
    struct queued *q;

    if (f->n_queue >= limit)
        return -EBUSY;
    q = malloc(sizeof(*q) + WIRE_HEAD + octets.n);
    if (!q)
        return -ENOMEM;
    q->n = WIRE_HEAD + octets.n;
    memcpy(q->octets, h, WIRE_HEAD);
    if (octets.n)
        memcpy(q->octets + WIRE_HEAD, octets.p, octets.n);
    list_add_tail(&f->queue, &q->item);
    f->n_queue++;
    want(f, true);
    return 0;
}

static int put(struct fd_node *f, const struct wire_head *h, struct span octets)
{
    struct iovec parts[] = {{(void *)(uintptr_t)h, WIRE_HEAD},
                            {(void *)(uintptr_t)octets.p, octets.n}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

    if (f->sock < 0)
        return -ENOTCONN;
    if (f->n_queue)
        return queue_add(f, h, octets);
    if (sendmsg(f->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
        return queue_add(f, h, octets);
    return -ENOTCONN; /* its end is read as well, and starts it again */
}

static void queue_send(struct fd_node *f)
{
    while (!list_empty(&f->queue)) {
        struct queued *q = CONTAINER_OF(f->queue.next, struct queued, item);

        if (send(f->sock, q->octets, q->n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        queue_drop(f, q);
    }
    want(f, false);
}

static int on_request(struct diameter *d, struct handle call, uint64_t timeout_us,
                      struct span realm, struct span host, struct span message)
{
    const struct wire_head h = {
        .type = WIRE_REQUEST, .ref = handle_u64(call), .timeout_us = timeout_us};

    (void)realm; /* the message says it too, and freeDiameter routes by that */
    (void)host;
    return put(node_of(d), &h, message);
}

static int on_answer(struct diameter *d, uint64_t ref, struct span message)
{
    const struct wire_head h = {.type = WIRE_ANSWER, .ref = ref};

    return put(node_of(d), &h, message);
}

/* ---- from the node ---- */

static void take(struct fd_node *f, size_t n)
{
    const struct wire_head *h = &f->in.head;
    struct span octets = span_of(f->in.octets, n - WIRE_HEAD);
    char text[512];

    switch (h->type) {
    case WIRE_ANSWERED:
        if (octets.n >= DIAMETER_HEAD)
            diameter_core_answer(&f->d, handle_of_u64(h->ref), octets);
        break;
    case WIRE_FAILED:
        diameter_core_failed(&f->d, handle_of_u64(h->ref), -h->error);
        break;
    case WIRE_ASKED:
        if (octets.n >= DIAMETER_HEAD)
            diameter_core_request(&f->d, h->ref, octets);
        break;
    case WIRE_PEER:
        diameter_core_peer(&f->d, octets, h->error == 1);
        break;
    case WIRE_LOG:
        if (span_copy(span_sub(octets, 0, sizeof(text) - 1), text, sizeof(text)) == 0)
            say(f, text);
        break;
    default:
        break;
    }
    bytes_wipe(f->in.octets, octets.n); /* tokens pass here */
}

static void node_ended(struct fd_node *f);

static void on_ready(struct loop_fd *w, unsigned events, void *ctx)
{
    struct fd_node *f = ctx;

    (void)w;
    if (events & LOOP_WRITE)
        queue_send(f);
    for (unsigned i = 0; i < RECORDS_A_TURN && f->sock >= 0; i++) {
        ssize_t n = recv(f->sock, &f->in, sizeof(f->in), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < WIRE_HEAD) {
            node_ended(f);
            return;
        }
        take(f, (size_t)n);
    }
}

/* ---- life of the process ---- */

static void node_stop(struct fd_node *f)
{
    if (f->watch)
        loop_fd_unwatch(f->watch);
    f->watch = NULL;
    f->want_write = false;
    if (f->sock >= 0)
        close(f->sock);
    f->sock = -1;
    LIST_EACH (it, &f->queue)
        queue_drop(f, CONTAINER_OF(it, struct queued, item));
}

static void node_ended(struct fd_node *f)
{
    int status = 0;

    node_stop(f);
    if (f->pid) {
        /* It has closed its end, so that there is nothing left to wait for. */
        kill(f->pid, SIGKILL);
        waitpid(f->pid, &status, 0);
        f->pid = 0;
        say(f, "the Diameter process ended; it is started again");
    }
    if (loop_now(f->d.loop) - f->started > RESTART_CALM)
        f->backoff = RESTART_FIRST;
    loop_timer_start(f->d.loop, &f->restart, f->backoff);
    f->backoff = f->backoff * 2 > RESTART_LAST ? RESTART_LAST : f->backoff * 2;
    diameter_core_reset(&f->d);
}

static int spawn(struct fd_node *f, int theirs)
{
    posix_spawn_file_actions_t actions;
    char *argv[] = {f->program, NULL};
    /* What the daemon was told is none of its business. */
    char *env[] = {NULL};
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc)
        return -rc;
    rc = posix_spawn_file_actions_adddup2(&actions, theirs, WIRE_FD);
    if (rc == 0)
        rc = posix_spawn(&f->pid, f->program, &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

static int node_start(struct fd_node *f)
{
    const struct wire_head conf = {.type = WIRE_CONF};
    int pair[2], rc;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    f->started = loop_now(f->d.loop);
    rc = spawn(f, pair[1]);
    close(pair[1]);
    f->sock = pair[0];
    if (rc == 0)
        rc = loop_fd_watch(f->d.loop, f->sock, LOOP_READ, on_ready, f, &f->watch);
    if (rc == 0)
        rc = put(f, &conf, span_of(f->conf, f->n_conf));
    return rc;
}

static void on_restart(struct loop_timer *t, void *ctx)
{
    struct fd_node *f = ctx;

    (void)t;
    if (node_start(f))
        node_ended(f);
}

/* The peers are told (DPR) by a process that sees its parent's end closed; it gives up after two
 * seconds. Only a daemon that ends calls this. */
static void on_free(struct diameter *d)
{
    struct fd_node *f = node_of(d);

    node_stop(f);
    if (f->pid)
        waitpid(f->pid, NULL, 0);
    loop_timer_stop(d->loop, &f->restart);
    diameter_core_fini(d);
    free(f);
}

static const struct diameter_impl fd_impl = {on_free, on_request, on_answer};

pid_t diameter_fd_pid(const struct diameter *d)
{
    return node_of(d)->pid;
}

/* ---- configuration ---- */

static int find_program(const char *given, char *dst)
{
    static const char *const places[] = {"", "../bin/", "../libexec/portcullis/"};
    char self[PATH_MAX];
    ssize_t n;

    if (given) {
        if (span_copy(span_str(given), dst, PATH_MAX))
            return -ENAMETOOLONG;
        return access(dst, X_OK) ? -ENOENT : 0;
    }
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    while (n > 0 && self[n - 1] != '/')
        n--;
    for (size_t i = 0; n > 0 && i < ARRAY_LEN(places); i++) {
        struct buf b = {dst, 0, PATH_MAX, false};

        buf_put(&b, span_of(self, (size_t)n));
        buf_puts(&b, places[i]);
        buf_puts(&b, "portcullis-diameter");
        buf_putc(&b, '\0');
        if (!b.overflow && access(dst, X_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

/* A name goes into freeDiameter's own configuration text. */
static bool good_name(const char *s)
{
    size_t n = s ? strlen(s) : 0;

    return n > 0 && n <= DIAMETER_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

static void put_addr(struct buf *b, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];

    buf_fmt(b, " %s %u\n", a->family ? addr_ip_text(a, text) : "-", a->port);
}

static int write_conf(struct fd_node *f, const struct diameter_fd_conf *c)
{
    struct buf b = {f->conf, 0, sizeof(f->conf), false};

    if (!good_name(c->identity) || !good_name(c->realm) || !c->local.family || c->n_apps == 0 ||
        c->n_apps > DIAMETER_FD_APPS_MAX || c->n_peers > DIAMETER_FD_PEERS_MAX)
        return -EINVAL;
    buf_fmt(&b, "identity %s\nrealm %s\nlocal", c->identity, c->realm);
    put_addr(&b, &c->local);
    buf_fmt(&b, "timers %u %u\nwithin %u\n", c->reconnect ? c->reconnect : 2,
            c->watchdog ? c->watchdog : 6, c->within ? c->within : WITHIN);
    if (c->accept_realm)
        buf_puts(&b, "accept-realm\n");
    for (size_t i = 0; i < c->n_apps; i++)
        buf_fmt(&b, "app %u\n", (unsigned)c->apps[i]);
    for (size_t i = 0; i < c->n_peers; i++) {
        if (!good_name(c->peers[i].identity))
            return -EINVAL;
        buf_fmt(&b, "peer %s", c->peers[i].identity);
        put_addr(&b, &c->peers[i].addr);
    }
    f->n_conf = b.n;
    return b.overflow || b.n + STATE_LINE > sizeof(f->conf) ? -ENAMETOOLONG : 0;
}

/* What a new process says in its CER is what our requests say: we have not forgotten our sessions. */
static void write_state(struct fd_node *f)
{
    struct buf b = {f->conf, f->n_conf, sizeof(f->conf), false};

    buf_fmt(&b, "state %u\n", (unsigned)f->d.origin_state);
    f->n_conf = b.n;
}

int diameter_fd_new(struct loop *l, const struct diameter_fd_conf *conf,
                    struct diameter **ret_diameter)
{
    const struct diameter_core_conf core = {.identity = conf->identity,
                                            .realm = conf->realm,
                                            .in_flight = conf->in_flight,
                                            .unanswered = conf->unanswered,
                                            .keeps_sessions = conf->keeps_sessions,
                                            .rnd = &rnd_system};
    struct fd_node *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return -ENOMEM;
    f->sock = -1;
    f->backoff = RESTART_FIRST;
    f->on_log = conf->on_log;
    f->log_ctx = conf->log_ctx;
    list_init(&f->queue);
    loop_timer_init(&f->restart, on_restart, f);
    rc = write_conf(f, conf);
    if (rc == 0)
        rc = find_program(conf->program, f->program);
    if (rc == 0)
        rc = diameter_core_init(&f->d, &fd_impl, l, &core);
    if (rc) {
        free(f);
        return rc;
    }
    write_state(f);
    rc = node_start(f);
    if (rc) {
        on_free(&f->d);
        return rc;
    }
    *ret_diameter = &f->d;
    return 0;
}
