/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers: whom we connect to, who may connect to us, and who is up. libfdcore tells of a connection
 * that opened, but not of every one that closed (a clean DPR), so that a thread looks as well. */
#define _GNU_SOURCE
#include <errno.h>
#include <freeDiameter/freeDiameter-host.h>
#include <freeDiameter/libfdcore.h>
#include <freeDiameter/libfdproto.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/diameter/node/node.h"

enum { LOOK_EVERY_MS = 200, UP_MAX = 256, GUARD_AHEAD_S = 12 * 3600, GUARD_EVERY_S = 3600 };

/* One libfdcore per process, and its validation callback takes no context. */
static struct {
    const struct node_conf *conf;
    pthread_mutex_t lock;
    pthread_cond_t look;
    bool look_now;
    char up[UP_MAX][DIAMETER_NAME_MAX + 1];
    size_t n_up;
    struct session *guard;
    time_t guard_set;
} peers = {.lock = PTHREAD_MUTEX_INITIALIZER, .look = PTHREAD_COND_INITIALIZER};

/* ---- who may connect ---- */

static bool in_realm(struct span identity, struct span realm)
{
    return identity.n > realm.n + 1 && identity.p[identity.n - realm.n - 1] == '.' &&
           span_eq_nocase(span_sub(identity, identity.n - realm.n, identity.n), realm);
}

static int on_validate(struct peer_info *info, int *auth, int (**cb2)(struct peer_info *))
{
    struct span who = span_of(info->pi_diamid, info->pi_diamidlen);
    /* A longer name is no name (RFC 1035 2.3.4), and would not fit where names are kept. */
    bool fits = who.n <= DIAMETER_NAME_MAX;
    bool known = fits && peers.conf->accept_realm && in_realm(who, span_str(peers.conf->realm));

    (void)cb2;
    for (size_t i = 0; !known && i < peers.conf->n_peers; i++)
        known = span_eq_nocase(who, span_str(peers.conf->peers[i].identity));
    if (!known)
        node_log("refused peer %.*s, which is not in our realm %s: mend its realm or identity, or "
                 "name it in diameter.peers",
                 SPAN_ARG(span_sub(who, 0, DIAMETER_NAME_MAX)), peers.conf->realm);
    *auth = known ? 1 : -1;
    info->config.pic_flags.sec = PI_SEC_NONE;
    return 0;
}

static int connect_to(const struct node_peer *p)
{
    struct sockaddr_storage ss;
    struct addr addr = p->addr;
    struct peer_info info = {.pi_diamid = (char *)(uintptr_t)p->identity,
                             .pi_diamidlen = strlen(p->identity)};
    int rc;

    info.config.pic_flags.sec = PI_SEC_NONE;
    info.config.pic_flags.pro4 = PI_P4_TCP;
    info.config.pic_flags.persist = PI_PRST_ALWAYS;
    info.config.pic_port = addr.port ? addr.port : 3868;
    addr.port = info.config.pic_port;
    fd_list_init(&info.pi_endpoints, NULL);
    /* EP_ACCEPTALL: its filter takes loopback addresses away without a word. */
    rc = fd_ep_add_merge(&info.pi_endpoints, (struct sockaddr *)&ss, addr_to_sockaddr(&addr, &ss),
                         EP_FL_CONF | EP_ACCEPTALL);
    return rc ? -rc : -fd_peer_add(&info, "configuration", NULL, NULL);
}

/* ---- who is up ---- */

static void no_delay(struct peer_hdr *peer)
{
    char text[64];
    const char *number;
    int fd, one = 1;

    /* "TCP,soc#5": there is no other way to the socket. Without this, one request in a thousand
     * waits 40 ms for a delayed acknowledgement. */
    if (fd_peer_cnx_proto_info(peer, text, sizeof(text)))
        return;
    number = strchr(text, '#');
    fd = number ? (int)strtol(number + 1, NULL, 10) : 0;
    if (fd > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* slower at worst */
}

/* RFC 6733 5.3: whoever refuses a capabilities exchange says why in its CEA, and libfdcore only that
 * it was an error. What it nearly always is: the other side does not know our identity. */
static void connect_failed(const char *peer, const char *why)
{
    if (strstr(why, "CEA with unexpected error code"))
        node_log("%s refuses our capabilities: it does not know our identity %s, or we have no "
                 "application in common; give us its realm, or name us in its diameter.peers",
                 peer, peers.conf->identity);
    else
        node_log("%s: %s", peer, why);
}

/* For every event but received data: without a hook of ours, libfdcore dumps every message. */
static void on_event(enum fd_hook_type type, struct msg *msg, struct peer_hdr *peer, void *other,
                     struct fd_hook_permsgdata *pmd, void *regdata)
{
    (void)pmd, (void)regdata;
    if (type == HOOK_PEER_CONNECT_SUCCESS && peer)
        no_delay(peer);
    if (type == HOOK_PEER_CONNECT_FAILED && other)
        connect_failed(peer ? peer->info.pi_diamid : "a peer", other);
    if ((type == HOOK_MESSAGE_PARSING_ERROR || type == HOOK_MESSAGE_ROUTING_ERROR) && msg && other)
        node_log("%s: a message is refused: %s", peer ? peer->info.pi_diamid : "routing",
                 (const char *)other);
    if (type == HOOK_PEER_CONNECT_FAILED || type == HOOK_PEER_CONNECT_SUCCESS)
        node_peers_look();
}

void node_peers_look(void)
{
    pthread_mutex_lock(&peers.lock);
    peers.look_now = true;
    pthread_cond_signal(&peers.look);
    pthread_mutex_unlock(&peers.lock);
}

/* Who is up now, into names; at most UP_MAX. */
static size_t collect(char (*names)[DIAMETER_NAME_MAX + 1])
{
    size_t n = 0;

    if (pthread_rwlock_rdlock(&fd_g_peers_rw))
        return 0;
    for (struct fd_list *it = fd_g_peers.next; it != &fd_g_peers && n < UP_MAX; it = it->next) {
        struct peer_hdr *p = (struct peer_hdr *)it->o;

        if (fd_peer_get_state(p) == STATE_OPEN &&
            span_copy(span_of(p->info.pi_diamid, p->info.pi_diamidlen), names[n],
                      sizeof(names[n])) == 0)
            n++;
    }
    pthread_rwlock_unlock(&fd_g_peers_rw);
    return n;
}

static bool among(const char *name, char (*names)[DIAMETER_NAME_MAX + 1], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void look(char (*now)[DIAMETER_NAME_MAX + 1])
{
    size_t n = collect(now);

    for (size_t i = 0; i < peers.n_up; i++) {
        if (!among(peers.up[i], now, n))
            node_say(WIRE_PEER, 0, 0, span_str(peers.up[i]));
    }
    for (size_t i = 0; i < n; i++) {
        if (!among(now[i], peers.up, peers.n_up))
            node_say(WIRE_PEER, 0, 1, span_str(now[i]));
    }
    memcpy(peers.up, now, n * sizeof(*now));
    peers.n_up = n;
}

/* libfdproto's expiry thread waits for the session that ends first, and reads it after it was freed.
 * So the first is always this one, which is never freed. Others live 24 hours at most. */
static void keep_guard(time_t now)
{
    struct timespec end = {now + GUARD_AHEAD_S, 0};

    if (now - peers.guard_set < GUARD_EVERY_S)
        return;
    if (!peers.guard && fd_sess_new(&peers.guard, fd_g_config->cnf_diamid,
                                    fd_g_config->cnf_diamid_len, (uint8_t *)(uintptr_t) "guard", 5))
        return;
    if (fd_sess_settimeout(peers.guard, &end) == 0)
        peers.guard_set = now;
}

static void *looker(void *ctx)
{
    char(*now)[DIAMETER_NAME_MAX + 1] = ctx;
    struct timespec until;

    for (;;) {
        clock_gettime(CLOCK_REALTIME, &until);
        keep_guard(until.tv_sec);
        until.tv_nsec += LOOK_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&peers.lock);
        if (!peers.look_now)
            pthread_cond_timedwait(&peers.look, &peers.lock, &until);
        peers.look_now = false;
        pthread_mutex_unlock(&peers.lock);
        look(now);
        node_asked_expire();
    }
    return NULL;
}

int node_peers_start(const struct node_conf *conf)
{
    static struct fd_hook_hdl *handle;
    const uint32_t all_but_data = (1u << (HOOK_LAST + 1)) - 1 - (1u << HOOK_DATA_RECEIVED);
    char(*names)[DIAMETER_NAME_MAX + 1] = calloc(UP_MAX, sizeof(*names));
    pthread_t thread;
    int rc = names ? 0 : -ENOMEM;

    peers.conf = conf;
    if (rc == 0)
        rc = -fd_hook_register(all_but_data, on_event, NULL, NULL, &handle);
    if (rc == 0)
        rc = -fd_peer_validate_register(on_validate);
    for (size_t i = 0; rc == 0 && i < conf->n_peers; i++) {
        if (conf->peers[i].addr.family)
            rc = connect_to(&conf->peers[i]);
    }
    return rc ? rc : -pthread_create(&thread, NULL, looker, names);
}
