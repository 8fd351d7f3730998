/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portcullis-diameter: the process that holds freeDiameter for one daemon. Started by
 * common/diameter/fd with a socket pair as descriptor 3; ends when that closes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <freeDiameter/freeDiameter-host.h>
#include <freeDiameter/libfdcore.h>
#include <freeDiameter/libfdproto.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/diameter/node/node.h"

enum { STOP_WITHIN_S = 2, EXIT_CORE_ENDED = 70 };
/* Connections that may keep silent before their CER: libfdcore gives each a thread for 20 s, and takes no
 * further one while all are waiting. */
#define STRANGERS 64u

/* A request of a peer that the daemon has not answered. */
struct asked {
    struct list item; /* the oldest first */
    struct handle handle;
    struct msg *msg;
    time_t until; /* of the monotonic clock */
};

static struct {
    pthread_mutex_t lock;
    struct pool pool;
    struct list list;
    unsigned within; /* seconds */
} asked = {.lock = PTHREAD_MUTEX_INITIALIZER};

void node_say(enum wire_type type, uint64_t ref, int error, struct span octets)
{
    struct wire_head head = {.type = type, .error = error, .ref = ref};
    struct iovec parts[] = {{&head, WIRE_HEAD}, {(void *)(uintptr_t)octets.p, octets.n}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

    /* Waits while the pair is full: the daemon always reads. One that is gone is noticed by main. */
    while (sendmsg(WIRE_FD, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void node_log(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0)
        node_say(WIRE_LOG, 0, 0, span_str(text));
}

static atomic_bool started;

static void on_core_log(int level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_core_log(int level, const char *fmt, va_list ap)
{
    char text[512];

    /* It hands over every level. Once it runs, what is an error to it is a peer's mistake, which
     * the hooks tell in one line instead of five. */
    if (level < (atomic_load(&started) ? FD_LOG_FATAL : FD_LOG_ERROR))
        return;
    if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
        node_log("freeDiameter: %s", text);
}

/* ---- requests of the daemon ---- */

/* EMSGSIZE, ENOMEM: nothing was said. */
static int say_message(enum wire_type type, uint64_t ref, struct msg *msg)
{
    uint8_t *octets = NULL;
    size_t n = 0;
    int rc = fd_msg_bufferize(msg, &octets, &n);

    if (rc == 0 && n > WIRE_OCTETS_MAX)
        rc = EMSGSIZE;
    if (rc == 0)
        node_say(type, ref, 0, span_of(octets, n));
    if (octets)
        bytes_wipe(octets, n);
    free(octets);
    return rc;
}

static void on_answer(void *data, struct msg **msg)
{
    uint64_t ref = (uint64_t)(uintptr_t)data;

    if (say_message(WIRE_ANSWERED, ref, *msg))
        node_say(WIRE_FAILED, ref, EBADMSG, SPAN_NONE);
    fd_msg_free(*msg);
    *msg = NULL;
}

static void on_expired(void *data, DiamId_t sent_to, size_t n, struct msg **msg)
{
    /* The daemon has its own timer: it knows. */
    (void)data, (void)sent_to, (void)n;
    fd_msg_free(*msg);
    *msg = NULL;
}

static int message_of(struct span octets, struct msg **ret_msg)
{
    uint8_t *copy = malloc(octets.n ? octets.n : 1);
    struct msg *msg = NULL;
    int rc;

    if (!copy)
        return ENOMEM;
    memcpy(copy, octets.p, octets.n);
    rc = fd_msg_parse_buffer(&copy, octets.n, &msg); /* takes the copy */
    if (rc == 0)
        rc = fd_msg_parse_dict(msg, fd_g_config->cnf_dict, NULL);
    if (rc == 0) {
        *ret_msg = msg;
        return 0;
    }
    free(copy);
    if (msg)
        fd_msg_free(msg);
    return rc;
}

static void take_request(const struct wire_head *h, struct span octets)
{
    struct msg *msg = NULL;
    struct msg_hdr *head;
    struct timespec end;
    int rc = message_of(octets, &msg);

    if (rc == 0)
        rc = fd_msg_hdr(msg, &head);
    if (rc == 0) {
        head->msg_eteid = fd_msg_eteid_get();
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += (time_t)(h->timeout_us / 1000000);
        end.tv_nsec += (long)(h->timeout_us % 1000000) * 1000;
        end.tv_sec += end.tv_nsec / 1000000000L;
        end.tv_nsec %= 1000000000L;
        rc = fd_msg_send_timeout(&msg, on_answer, (void *)(uintptr_t)h->ref, on_expired, &end);
    }
    if (rc) {
        if (msg)
            fd_msg_free(msg);
        node_say(WIRE_FAILED, h->ref, rc, SPAN_NONE);
    }
}

/* ---- requests of peers ---- */

static const char busy[] = "DIAMETER_TOO_BUSY", unable[] = "DIAMETER_UNABLE_TO_COMPLY";

/* Makes the request its answer; 0, or the message is gone. */
static int make_refusal(struct msg **msg, const char *result)
{
    if (fd_msg_new_answer_from_req(fd_g_config->cnf_dict, msg, 0) == 0 &&
        fd_msg_rescode_set(*msg, (char *)(uintptr_t)result, NULL, NULL, 1) == 0)
        return 0;
    fd_msg_free(*msg);
    *msg = NULL;
    return ENOMEM;
}

/* From within a callback: libfdcore sends it. */
static int refuse_at_once(struct msg **msg, const char *result, enum disp_action *action)
{
    if (make_refusal(msg, result) == 0)
        *action = DISP_ACT_SEND;
    return 0; /* anything else would end the core */
}

/* From a thread of ours. */
static void refuse(struct msg *request)
{
    if (make_refusal(&request, unable) == 0 && fd_msg_send(&request, NULL, NULL) && request)
        fd_msg_free(request);
}

static time_t uptime(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* With the lock held. Returns its message, the caller's now. */
static struct msg *asked_take(struct asked *a)
{
    struct msg *msg = a->msg;

    list_del(&a->item);
    pool_del(&asked.pool, a->handle);
    free(a);
    return msg;
}

/* With the lock held. ENOSPC, ENOMEM, EMSGSIZE: it is the caller's still. */
static int asked_add(struct msg *request)
{
    struct asked *a = calloc(1, sizeof(*a));
    int rc = a ? -pool_add(&asked.pool, a, &a->handle) : ENOMEM;

    if (rc) {
        free(a);
        return rc;
    }
    a->msg = request;
    a->until = uptime() + (time_t)asked.within;
    list_add_tail(&asked.list, &a->item);
    rc = say_message(WIRE_ASKED, handle_u64(a->handle), request);
    if (rc)
        (void)asked_take(a);
    return rc;
}

static int on_asked(struct msg **msg, struct avp *avp, struct session *session, void *ctx,
                    enum disp_action *action)
{
    struct msg_hdr *head;
    int rc;

    (void)avp, (void)session, (void)ctx;
    if (fd_msg_hdr(*msg, &head) || !(head->msg_flags & CMD_FLAG_REQUEST))
        return 0;
    pthread_mutex_lock(&asked.lock); /* its answer may come before this returns */
    rc = asked_add(*msg);
    pthread_mutex_unlock(&asked.lock);
    if (rc)
        return refuse_at_once(msg, rc == ENOSPC ? busy : unable, action);
    *msg = NULL;
    return 0;
}

static struct msg *asked_expired(void)
{
    struct msg *msg = NULL;

    pthread_mutex_lock(&asked.lock);
    if (!list_empty(&asked.list)) {
        struct asked *oldest = CONTAINER_OF(asked.list.next, struct asked, item);

        if (oldest->until <= uptime())
            msg = asked_take(oldest);
    }
    pthread_mutex_unlock(&asked.lock);
    return msg;
}

void node_asked_expire(void)
{
    struct msg *msg;

    while ((msg = asked_expired()))
        refuse(msg);
}

static void take_answer(const struct wire_head *h, struct span octets)
{
    struct asked *entry;
    struct msg *request = NULL, *answer = NULL;
    struct msg_hdr *q, *a;

    pthread_mutex_lock(&asked.lock);
    entry = pool_find(&asked.pool, handle_of_u64(h->ref));
    if (entry)
        request = asked_take(entry);
    pthread_mutex_unlock(&asked.lock);
    if (!request)
        return;
    if (octets.n == 0 || message_of(octets, &answer) || fd_msg_hdr(request, &q) ||
        fd_msg_hdr(answer, &a)) {
        if (answer)
            fd_msg_free(answer);
        refuse(request);
        return;
    }
    a->msg_hbhid = q->msg_hbhid;
    a->msg_eteid = q->msg_eteid;
    if (fd_msg_answ_associate(answer, request)) {
        fd_msg_free(request);
        fd_msg_free(answer);
        return;
    }
    if (fd_msg_send(&answer, NULL, NULL) && answer)
        fd_msg_free(answer); /* the request with it */
}

static int serve(unsigned within)
{
    static const uint32_t codes[] = {265, 326, 275, 274, 258};
    int rc = 0;

    pool_init(&asked.pool, WIRE_ASKED_MAX);
    list_init(&asked.list);
    asked.within = within;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(codes); i++) {
        struct disp_when when = {0};
        command_code_t code = codes[i];

        rc = fd_dict_search(fd_g_config->cnf_dict, DICT_COMMAND, CMD_BY_CODE_R, &code,
                            &when.command, ENOENT);
        if (rc == 0)
            rc = fd_disp_register(on_asked, DISP_HOW_CC, &when, NULL, NULL);
    }
    return -rc;
}

/* ---- life ---- */

static int parse_core_conf(const struct node_conf *c)
{
    static char path[64]; /* libfdcore keeps the pointer */
    char text[1024];
    struct buf b = BUF_ON(text);
    int fd = memfd_create("freeDiameter.conf", MFD_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    buf_fmt(&b,
            "Identity=\"%s\";Realm=\"%s\";Port=%u;SecPort=0;No_SCTP;NoRelay;AppServThreads=2;"
            "TcTimer=%u;TwTimer=%u;ThreadsPerServer=%u;",
            c->identity, c->realm, c->local.port, c->tc, c->tw, c->local.port ? STRANGERS : 1u);
    if (c->local.family == AF_INET)
        buf_puts(&b, "No_IPv6;");
    rc = b.overflow || write(fd, b.p, b.n) != (ssize_t)b.n ? -EIO : 0;
    if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        rc = -fd_core_parseconf(path);
    }
    close(fd);
    return rc;
}

static int set_endpoint(const struct node_conf *c)
{
    struct sockaddr_storage ss;
    struct addr a = c->local;
    socklen_t n = addr_to_sockaddr(&a, &ss);

    /* "ListenOn" drops a loopback address and then listens on all. */
    return -fd_ep_add_merge(&fd_g_config->cnf_endpoints, (struct sockaddr *)&ss, n,
                            EP_FL_CONF | EP_ACCEPTALL);
}

static void *watch_core(void *ctx)
{
    (void)ctx;
    (void)fd_core_wait_shutdown_complete();
    /* Whoever ended it: a core cannot be started twice in one process. */
    _exit(EXIT_CORE_ENDED);
}

static const char *start(const struct node_conf *conf)
{
    static const struct timespec first_look = {0, 30 * 1000000};
    pthread_t watcher;

    fd_g_debug_lvl = FD_LOG_ERROR;
    if (fd_log_handler_register(on_core_log) || fd_core_initialize())
        return "libfdcore cannot be initialised";
    if (!node_hardened())
        return "this build of libfdcore binds its calls inside (-Bsymbolic): its peers could stop "
               "it, so that it is not used";
    if (parse_core_conf(conf))
        return "libfdcore does not take its configuration";
    fd_g_config->cnf_orstateid = conf->state;
    if (set_endpoint(conf))
        return "libfdcore does not take the local address";
    if (node_dict_load(conf))
        return "libfdcore does not take the dictionary";
    if (node_harden_hooks() || serve(conf->within) || node_peers_start(conf))
        return "libfdcore does not take its callbacks or peers";
    /* A peer's thread that sees a core already started waits up to 4 s before it connects: let each
     * take its first look now. */
    nanosleep(&first_look, NULL);
    if (fd_core_start() || fd_core_waitstartcomplete())
        return "libfdcore cannot start: is the Diameter address in use, or not of this machine?";
    atomic_store(&started, true);
    if (pthread_create(&watcher, NULL, watch_core, NULL))
        return "no thread to watch libfdcore";
    return NULL;
}

static ssize_t receive(struct wire_record *r)
{
    ssize_t n;

    do {
        n = recv(WIRE_FD, r, sizeof(*r), 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

static void serve_daemon(struct wire_record *r)
{
    for (;;) {
        ssize_t n = receive(r);
        struct span octets = span_of(r->octets, (size_t)n - WIRE_HEAD);

        if (n < WIRE_HEAD)
            return;
        if (r->head.type == WIRE_REQUEST)
            take_request(&r->head, octets);
        else if (r->head.type == WIRE_ANSWER)
            take_answer(&r->head, octets);
        bytes_wipe(r->octets, octets.n);
    }
}

static void on_abort(int signo)
{
    (void)signo;
    _exit(0);
}

/* While libfdcore takes itself down it asserts that its threads are fast (fd_fifo_del): on a busy machine that
 * would be the last word on the terminal of a daemon that ended in order. */
static void end_quietly(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (nowhere >= 0)
        (void)dup2(nowhere, STDERR_FILENO);
    signal(SIGABRT, on_abort);
}

int main(void)
{
    static struct wire_record record;
    static struct node_conf conf;
    const char *why;
    ssize_t n;
    int type;
    socklen_t len = sizeof(type);

    if (getsockopt(WIRE_FD, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_SEQPACKET) {
        fprintf(stderr, "portcullis-diameter is started by pcscf, scscf, pdp and edge.\n");
        return 2;
    }
    close_range(WIRE_FD + 1, ~0u, 0);
    /* The daemon drains on these, and needs us meanwhile; we end when it ends. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0); /* no core dump holds a token */
    n = receive(&record);
    if (n < WIRE_HEAD || record.head.type != WIRE_CONF ||
        node_conf_parse(span_of(record.octets, (size_t)n - WIRE_HEAD), &conf))
        return 2;
    why = start(&conf);
    if (why) {
        node_log("%s", why);
        _exit(1);
    }
    serve_daemon(&record);
    alarm(STOP_WITHIN_S); /* a hung peer would hold the goodbyes for 16 s */
    end_quietly();
    (void)fd_core_shutdown();
    (void)fd_core_wait_shutdown_complete();
    _exit(0);
}
