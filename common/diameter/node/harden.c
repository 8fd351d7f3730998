/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps libfdcore 1.2.1 alive against its peers.
 *
 * Its own calls between libfdcore and libfdproto go through the dynamic linker, so that functions of
 * the same name in this executable come first. Each of them stands for one way in which a peer could
 * end the process; each calls the original for everything else. node_hardened() proves at the start
 * that a build of the library does not bind its calls inside. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <freeDiameter/freeDiameter-host.h>
#include <freeDiameter/libfdcore.h>
#include <freeDiameter/libfdproto.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/diameter/node/node.h"

struct cnxctx;
struct fd_peer;
int fd_out_send(struct msg **msg, struct cnxctx *cnx, struct fd_peer *peer, int update_reqin_cnt);
int fd_psm_change_state(struct fd_peer *peer, int state);
void fd_peer_failover_msg(struct fd_peer *peer);

static atomic_int entered;

/* The functions we stand in for. Looked up before main, when there is one thread. */
static struct {
    int (*fd_fifo_new)(struct fifo **, int);
    int (*fd_fifo_del)(struct fifo **);
    int (*usleep)(useconds_t);
    int (*fd_peer_get_state)(struct peer_hdr *);
    int (*fd_psm_change_state)(struct fd_peer *, int);
    int (*fd_out_send)(struct msg **, struct cnxctx *, struct fd_peer *, int);
    int (*fd_sess_fromsid_msg)(uint8_t *, size_t, struct session **, int *);
    int (*fd_event_send)(struct fifo *, int, size_t, void *);
    int (*fd_msg_parse_or_error)(struct msg **, struct msg **);
    int (*getnameinfo)(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t,
                       int);
} original;

static void look_up(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (!symbol)
        abort(); /* the dynamic linker has bound this very name against the library */
    /* An object pointer becomes a function pointer: POSIX says they are alike. */
    memcpy(function, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void look_up_all(void)
{
    look_up("fd_fifo_new", &original.fd_fifo_new);
    look_up("fd_fifo_del", &original.fd_fifo_del);
    look_up("usleep", &original.usleep);
    look_up("fd_peer_get_state", &original.fd_peer_get_state);
    look_up("fd_psm_change_state", &original.fd_psm_change_state);
    look_up("fd_out_send", &original.fd_out_send);
    look_up("fd_sess_fromsid_msg", &original.fd_sess_fromsid_msg);
    look_up("fd_event_send", &original.fd_event_send);
    look_up("fd_msg_parse_or_error", &original.fd_msg_parse_or_error);
    look_up("getnameinfo", &original.getnameinfo);
}

/* ---- queues ---- */

enum { PEER_QUEUE = 5, OUTGOING_QUEUE = 30 };

/* The queue of each peer and that of all outgoing messages must never block: the routing threads
 * fill them and a blocked one stops everything, for ever when each waits for the other. What goes
 * into them is bounded by the daemon (requests in flight, requests not answered). The incoming
 * queues keep their bound: that is what slows a peer down. */
int fd_fifo_new(struct fifo **queue, int max)
{
    atomic_fetch_add(&entered, 1);
    return original.fd_fifo_new(queue, max == PEER_QUEUE || max == OUTGOING_QUEUE ? 0 : max);
}

/* A queue that is deleted wakes whoever waits on it and looks 19 times, a millisecond apart, whether
 * they have gone; then it asserts. On a busy machine 19 ms are nothing, and one peer that hangs up
 * would end the process for all. So each look waits twice as long as the one before, to a second:
 * ten seconds together. */
static _Thread_local useconds_t next_look;

int fd_fifo_del(struct fifo **queue)
{
    int rc;

    next_look = 1000;
    rc = original.fd_fifo_del(queue);
    next_look = 0;
    return rc;
}

int usleep(useconds_t us)
{
    if (next_look) {
        us = next_look;
        next_look = us < 500000 ? us * 2 : us;
    }
    return original.usleep(us);
}

bool node_hardened(void)
{
    return atomic_load(&entered) > 0;
}

/* ---- answers to peers that have gone, or have just come back ---- */

static _Thread_local bool queue_it;

static bool thread_is(const char *prefix)
{
    const char *name = pthread_getspecific(fd_log_thname);

    return name && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* A peer that comes back after a broken connection is not OPEN to us before three watchdogs have
 * been answered (RFC 3539 3.4.1), but we are to it: it asks at once, and libfdcore would drop what
 * it is answered. To the routing threads that peer is open: what is for it waits in its queue. No
 * request of ours is routed to it before it is. */
int fd_peer_get_state(struct peer_hdr *peer)
{
    int state = queue_it ? STATE_OPEN : original.fd_peer_get_state(peer);

    return state == STATE_REOPEN && thread_is("Routing-") ? STATE_OPEN : state;
}

/* What waits for a peer that breaks off again must not go over its next connection. */
int fd_psm_change_state(struct fd_peer *peer, int state)
{
    bool reopening = original.fd_peer_get_state((struct peer_hdr *)peer) == STATE_REOPEN;
    int rc = original.fd_psm_change_state(peer, state);

    if (reopening && state != STATE_OPEN)
        fd_peer_failover_msg(peer);
    return rc;
}

/* A routing thread that cannot send treats it as fatal and shuts the core down; while the peer is
 * not OPEN it uses a connection that another thread frees. So: queue for an OPEN peer, refuse a
 * request (the next candidate is tried), drop an answer. */
int fd_out_send(struct msg **msg, struct cnxctx *cnx, struct fd_peer *peer, int update_reqin_cnt)
{
    bool in = thread_is("Routing-IN"), out = thread_is("Routing-OUT");
    struct msg_hdr *head;
    int rc;

    if ((!in && !out) || cnx || !peer || !msg || !*msg)
        return original.fd_out_send(msg, cnx, peer, update_reqin_cnt);
    bool request = fd_msg_hdr(*msg, &head) == 0 && (head->msg_flags & CMD_FLAG_REQUEST) && out;

    if (fd_peer_get_state((struct peer_hdr *)peer) == STATE_OPEN) {
        queue_it = true;
        rc = original.fd_out_send(msg, NULL, peer, update_reqin_cnt);
        queue_it = false;
        if (rc == 0)
            return 0;
    }
    if (request)
        return ENOTCONN;
    if (*msg)
        fd_msg_free(*msg);
    *msg = NULL;
    return 0;
}

/* ---- Session-Ids ---- */

/* One that is empty or holds NUL is EINVAL to libfdproto, and that shuts the core down. The walker
 * lets none through; this is for messages that were built inside. */
int fd_sess_fromsid_msg(uint8_t *sid, size_t len, struct session **session, int *isnew)
{
    static uint8_t stand_in[] = "!";

    if (len == 0 || memchr(sid, 0, len))
        return original.fd_sess_fromsid_msg(stand_in, 1, session, isnew);
    return original.fd_sess_fromsid_msg(sid, len, session, isnew);
}

/* ---- events to a peer that is being deleted ---- */

int fd_event_send(struct fifo *queue, int code, size_t size, void *data)
{
    int rc = original.fd_event_send(queue, code, size, data);

    return size == 0 && data == NULL ? 0 : rc; /* the caller would assert */
}

/* ---- answers that do not fit the dictionary ---- */

static bool result_is_broken(struct msg *answer)
{
    struct avp *a = NULL;
    struct avp_hdr *head;
    struct fd_pei error = {0};

    for (int rc = fd_msg_browse(answer, MSG_BRW_FIRST_CHILD, &a, NULL); rc == 0 && a;
         rc = fd_msg_browse(a, MSG_BRW_NEXT, &a, NULL)) {
        if (fd_msg_avp_hdr(a, &head))
            return true;
        if (head->avp_code == 268 && !(head->avp_flags & AVP_FLAG_VENDOR))
            return fd_msg_parse_dict(a, fd_g_config->cnf_dict, &error) || !head->avp_value;
    }
    return false;
}

/* libfdcore asserts on an answer whose Result-Code it has not read yet, and drops one that breaks
 * its rules without telling who waits. Both are handed on as they are: our decoder judges them. */
int fd_msg_parse_or_error(struct msg **msg, struct msg **error)
{
    struct msg_hdr *head;
    int rc;

    if (fd_msg_hdr(*msg, &head) || (head->msg_flags & CMD_FLAG_REQUEST))
        return original.fd_msg_parse_or_error(msg, error);
    if (result_is_broken(*msg)) {
        *error = *msg;
        return EBADMSG;
    }
    rc = original.fd_msg_parse_or_error(msg, error);
    if (rc == EBADMSG && *msg && !*error)
        *error = *msg;
    return rc;
}

/* ---- names ---- */

/* libfdcore asks the DNS for the name of whoever connects, to say it in its log; where no DNS
 * answers, that holds each connection up for seconds. */
int getnameinfo(const struct sockaddr *restrict sa, socklen_t sa_len, char *restrict host,
                socklen_t host_len, char *restrict service, socklen_t service_len, int flags)
{
    return original.getnameinfo(sa, sa_len, host, host_len, service, service_len,
                                flags | NI_NUMERICHOST | NI_NUMERICSERV);
}

/* ---- raw messages ---- */

static void on_data(enum fd_hook_type type, struct msg *msg, struct peer_hdr *peer, void *other,
                    struct fd_hook_permsgdata *pmd, void *regdata)
{
    struct fd_cnx_rcvdata *data = other;
    const char *why;

    (void)type, (void)msg, (void)peer, (void)pmd, (void)regdata;
    why = data->length > DIAMETER_MESSAGE_MAX
              ? "a message longer than we take"
              : diameter_raw_check(span_of(data->buffer, data->length));
    if (why && data->length) {
        /* A version that does not exist: libfdcore closes the connection, and nothing else. */
        data->buffer[0] = 0xff;
        node_log("a peer sent %s; its connection is closed", why);
    }
}

int node_harden_hooks(void)
{
    static struct fd_hook_hdl *handle;

    return -fd_hook_register(HOOK_MASK(HOOK_DATA_RECEIVED), on_data, NULL, NULL, &handle);
}
