/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child's side: the keeper, which only forks and waits, and the worker, which serves requests
 * one by one with blocking calls. */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcscf/ipsec/charon/inner.h"

struct worker {
    int fd, xfrm, events;
    uint32_t generation;
    struct charon_open options;
    bool ready;
};

struct charon_sa charon_sa_of(const struct ipsec_set *s, enum ipsec_sa which)
{
    const struct addr *phone = &s->phone, *local = &s->local;

    switch (which) {
    case IPSEC_SA_UC_PS:
        return (struct charon_sa){true, s->spi_ps, phone, local, s->port_uc, s->port_ps};
    case IPSEC_SA_PS_UC:
        return (struct charon_sa){false, s->spi_uc, local, phone, s->port_ps, s->port_uc};
    case IPSEC_SA_PC_US:
        return (struct charon_sa){false, s->spi_us, local, phone, s->port_pc, s->port_us};
    default:
        return (struct charon_sa){true, s->spi_pc, phone, local, s->port_us, s->port_pc};
    }
}

/* ---- self-test ---- */

static void complain(struct ipsec_health *h, const char *problem, const char *detail,
                     const char *remedy)
{
    snprintf(h->problem, sizeof(h->problem), "%s%s%s", problem, detail[0] ? ": " : "", detail);
    snprintf(h->remedy, sizeof(h->remedy), "%s", remedy);
}

static bool has_net_admin(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & 1u << CAP_NET_ADMIN);
}

/* Adds and deletes one SA between two addresses that no packet uses. */
static int try_pair(struct ipsec_pair pair, const struct addr *local, uint32_t reqid)
{
    struct ipsec_set set = {.local = *local, .phone = *local, .pair = pair, .lifetime = 60};
    int rc;

    set.local.port = 0;
    set.phone.ip[addr_ip_len(&set.phone) - 1] ^= 1;
    set.port_uc = set.port_us = set.port_pc = set.port_ps = 9;
    set.spi_uc = 0x7e570001; /* out; the other three are not used */
    ipsec_key_lengths(pair, &set.keys.integrity_n, &set.keys.encryption_n);
    for (unsigned i = 0; i < IPSEC_KEY_MAX; i++)
        set.keys.integrity[i] = set.keys.encryption[i] = (uint8_t)(i * 37 + 1);
    (void)charon_kernel_del(&set, IPSEC_SA_PS_UC); /* of a test that was cut short */
    rc = charon_kernel_add(&set, IPSEC_SA_PS_UC, reqid);
    if (rc == 0)
        rc = charon_kernel_del(&set, IPSEC_SA_PS_UC);
    return rc;
}

static void try_algorithms(struct worker *w, struct ipsec_health *h)
{
    static const struct ipsec_pair pairs[] = {
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
        {IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_NULL},
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_DES_EDE3_CBC},
        {IPSEC_ALG_AES_GMAC, IPSEC_EALG_NULL},
        {IPSEC_ALG_NULL, IPSEC_EALG_AES_GCM},
    };
    char first[IPSEC_REASON_MAX] = "";
    bool ipv6 = false;

    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        int rc = 0;

        /* With the first address of each family: ESP for IPv6 is another module. */
        for (uint32_t p = 0, seen = 0; p < w->options.n_ports && rc == 0; p++) {
            const struct addr *local = &w->options.ports[p];
            uint32_t bit = local->family == AF_INET6 ? 2 : 1;

            if (seen & bit)
                continue;
            seen |= bit;
            rc = try_pair(pairs[i], local, w->options.reqid);
            if (rc < 0 && first[0] == '\0') {
                snprintf(first, sizeof(first), "%s", charon_kernel_reason());
                ipv6 = bit == 2;
            }
        }
        if (rc == 0) {
            h->algs |= 1u << pairs[i].alg;
            h->ealgs |= 1u << pairs[i].ealg;
        }
    }
    if (h->algs == 0)
        complain(h, ipv6 ? "the kernel has no ESP for IPv6" : "the kernel has no ESP", first,
                 ipv6 ? "modprobe esp6 authenc cbc echainiv (a kernel with CONFIG_INET6_ESP); in a "
                        "container the host's kernel counts"
                      : "modprobe esp4 authenc cbc echainiv (a kernel with CONFIG_INET_ESP); in a "
                        "container the host's kernel counts; tools/uml/run has one that needs no "
                        "privilege");
}

static void self_test(struct worker *w, struct ipsec_health *h)
{
    int fd;

    if (!has_net_admin()) {
        complain(h, "no privilege to install security associations", "CAP_NET_ADMIN is missing",
                 "start as root, or with AmbientCapabilities=CAP_NET_ADMIN in the unit, or setcap "
                 "cap_net_admin+ep on the program");
        return;
    }
    fd = charon_xfrm_open(false);
    if (fd < 0) {
        complain(h, "the kernel has no XFRM netlink", strerror(-fd),
                 "modprobe xfrm_user (a kernel with CONFIG_XFRM_USER)");
        return;
    }
    w->xfrm = fd;
    w->events = charon_xfrm_open(true);
    if (charon_kernel_open() < 0) {
        complain(h, "libcharon does not start", charon_kernel_reason(),
                 "install the packages libstrongswan and strongswan-libcharon");
        return;
    }
    try_algorithms(w, h);
    h->ready = h->algs != 0;
}

/* ---- requests ---- */

static void set_reason(struct charon_answer *a)
{
    snprintf(a->reason, sizeof(a->reason), "%s", charon_kernel_reason());
}

static int do_open(struct worker *w, const struct charon_open *options, struct charon_answer *a)
{
    bool first = w->xfrm < 0;
    int rc = 0;

    w->options = *options;
    if (first)
        self_test(w, &a->health);
    if (!a->health.ready)
        return 0;
    if (!options->again)
        rc = charon_xfrm_flush(w->xfrm, options);
    if (rc < 0) {
        complain(&a->health, "what an earlier run left in the kernel cannot be removed",
                 strerror(-rc), "look at `ip xfrm state` and `ip xfrm policy`");
        a->health.ready = false;
        return 0;
    }
    for (uint32_t i = 0; i < options->n_ports; i++) {
        rc = charon_kernel_protect(&options->ports[i], options->reqid);
        /* Those of the worker that died are there still. */
        if (rc < 0 && !options->again) {
            complain(&a->health, "the policy of a protected port is refused",
                     charon_kernel_reason(), "look at `ip xfrm policy`");
            a->health.ready = false;
            return 0;
        }
    }
    w->ready = true;
    return 0;
}

static int do_install(struct worker *w, const struct ipsec_set *set, struct charon_answer *a)
{
    for (unsigned i = 0; i < IPSEC_SAS; i++) {
        int rc = charon_kernel_add(set, (enum ipsec_sa)i, w->options.reqid);

        if (rc == 0)
            continue;
        set_reason(a);
        while (i-- > 0)
            (void)charon_kernel_del(set,
                                    (enum ipsec_sa)i); /* the first error is the one to report */
        return rc;
    }
    return 0;
}

static int do_remove(const struct ipsec_set *set)
{
    int first = 0;

    for (unsigned i = 0; i < IPSEC_SAS; i++) {
        int rc = charon_kernel_del(set, (enum ipsec_sa)i);

        if (first == 0 && rc != -ENOENT) /* expired is as good as removed */
            first = rc;
    }
    return first;
}

static void do_limit(struct worker *w, const struct ipsec_set *set)
{
    for (unsigned i = 0; i < IPSEC_SAS; i++) {
        struct charon_sa sa = charon_sa_of(set, (enum ipsec_sa)i);

        /* A set that has just expired was told of already. */
        (void)charon_xfrm_limit(w->xfrm, sa.to, sa.spi, set->lifetime);
    }
}

static int do_count(const struct ipsec_set *set, struct ipsec_counters *ret_counters)
{
    struct ipsec_counters c;

    for (unsigned i = 0; i < IPSEC_SAS; i++) {
        int rc = charon_kernel_count(set, (enum ipsec_sa)i, &c.sa[i].packets, &c.sa[i].bytes);

        if (rc < 0)
            return rc;
    }
    *ret_counters = c;
    return 0;
}

static bool tell(const struct worker *w, const struct charon_answer *a)
{
    ssize_t n;

    do {
        n = send(w->fd, a, sizeof(*a), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*a);
}

/* False when the daemon wants no more. */
static bool serve(struct worker *w, struct charon_request *r)
{
    struct charon_answer a = {.op = r->op, .id = r->id};

    if (r->generation != w->generation)
        return true; /* meant for a worker that died; the daemon knows */
    if (!w->ready && r->op != CHARON_OPEN && r->op != CHARON_CLOSE) {
        a.status = -ENOTCONN;
        return tell(w, &a);
    }
    switch ((enum charon_op)r->op) {
    case CHARON_OPEN:
        a.status = do_open(w, &r->open, &a);
        break;
    case CHARON_INSTALL:
        a.status = do_install(w, &r->set, &a);
        bytes_wipe(&r->set.keys, sizeof(r->set.keys));
        break;
    case CHARON_LIMIT:
        do_limit(w, &r->set);
        return true;
    case CHARON_REMOVE:
        a.status = do_remove(&r->set);
        break;
    case CHARON_COUNT:
        a.status = do_count(&r->set, &a.counters);
        break;
    case CHARON_CLOSE:
        a.status = w->ready ? charon_xfrm_flush(w->xfrm, &w->options) : 0;
        (void)tell(w, &a); /* the end is the same without a listener */
        return false;
    default:
        a.status = -EPROTO;
        break;
    }
    return tell(w, &a);
}

static bool tell_expired(struct worker *w)
{
    struct charon_answer a = {.op = CHARON_EXPIRED};
    struct addr to;

    while (charon_xfrm_expired(w->events, &to, &a.spi) == 1) {
        for (uint32_t i = 0; i < w->options.n_ports; i++) {
            if (!addr_ip_eq(&w->options.ports[i], &to))
                continue;
            if (!tell(w, &a))
                return false;
            break;
        }
    }
    return true;
}

/* The worker holds keys and one privilege: no other capability, no core file, no debugger. */
static void shed(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    (void)prctl(PR_SET_DUMPABLE, 0); /* a tightening; the work does not depend on it */
    if (syscall(SYS_capget, &header, data) != 0)
        return;
    data[0].effective = data[0].permitted = data[0].permitted & 1u << CAP_NET_ADMIN;
    data[0].inheritable = data[1].effective = data[1].permitted = data[1].inheritable = 0;
    (void)syscall(SYS_capset, &header, data);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void worker_run(int fd, uint32_t generation)
{
    struct worker w = {.fd = fd, .xfrm = -1, .events = -1, .generation = generation};
    struct charon_request r;

    shed();
    for (;;) {
        struct pollfd ready[2] = {{.fd = fd, .events = POLLIN}, {.fd = w.events, .events = POLLIN}};
        ssize_t n;

        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            return;
        if (ready[1].revents && !tell_expired(&w))
            return;
        if (!ready[0].revents)
            continue;
        n = recv(fd, &r, sizeof(r), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return; /* the daemon has gone; what is in the kernel stays for the next one */
        if (n == (ssize_t)sizeof(r) && !serve(&w, &r))
            return;
    }
}

/* ---- keeper ---- */

/* True while the daemon's end is open; takes what was meant for the worker that died. */
static bool drain(int fd)
{
    struct charon_request r;
    ssize_t n;

    do {
        n = recv(fd, &r, sizeof(r), MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && errno == EINTR));
    bytes_wipe(&r, sizeof(r));
    return n < 0;
}

static void tell_died(int fd, int status)
{
    struct worker w = {.fd = fd};
    struct charon_answer a = {.op = CHARON_DIED};

    if (WIFSIGNALED(status))
        snprintf(a.reason, sizeof(a.reason), "the IPsec process was ended by signal %d",
                 WTERMSIG(status));
    else
        snprintf(a.reason, sizeof(a.reason), "the IPsec process ended with status %d",
                 WEXITSTATUS(status));
    (void)tell(&w, &a); /* a daemon that has gone needs no telling */
}

void charon_keeper_run(int fd)
{
    /* These come to the whole group of a terminal; our end is that of the daemon's descriptor. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (uint32_t generation = 0;; generation++) {
        pid_t keeper = getpid(), worker = fork();
        struct timespec pause = {.tv_nsec = 200000000};
        int status = 0;

        if (worker == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() == keeper)
                worker_run(fd, generation);
            _exit(0);
        }
        if (worker < 0)
            status = 1 << 8; /* as an exit with 1 */
        else
            while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && worker > 0)
            return;
        if (!drain(fd))
            return;
        tell_died(fd, status);
        nanosleep(&pause, NULL); /* a worker that dies at once must not take a processor */
    }
}
