/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Self-tests: running them, telling them, and those that several roles need. */
#include "common/daemon/inner.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void daemon_find(struct daemon_finding *f, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap); /* cut when it is too long */
    va_end(ap);
    (void)snprintf(f->remedy, sizeof(f->remedy), "%s", remedy ? remedy : "");
}

bool daemon_self_test(struct daemon *d)
{
    bool good = true;
    for (size_t i = 0; i < d->role->n_checks && i < DAEMON_CHECKS_MAX; i++) {
        struct daemon_result *r = &d->results[d->n_results++];
        r->check = &d->role->checks[i];
        r->rc = r->check->run(conf_values(d->conf, 0), &r->finding);
        good = good && (r->rc == 0 || !r->check->mandatory);
    }
    return good;
}

void daemon_put_finding(const struct daemon *d, const struct daemon_finding *f, struct buf *b)
{
    if (f->option) {
        buf_fmt(b, "%s (", f->option);
        conf_put_where(d->conf, f->option, b);
        buf_puts(b, "): ");
    }
    buf_fmt(b, "%s\n", *f->text ? f->text : "the start failed");
    if (*f->remedy)
        buf_fmt(b, "    %s\n", f->remedy);
}

void daemon_self_test_print(const struct daemon *d, bool all)
{
    for (size_t i = 0; i < d->n_results; i++) {
        const struct daemon_result *r = &d->results[i];
        char text[1024];
        struct buf b = BUF_ON(text);
        if (!all && !r->check->mandatory)
            continue; /* not why it does not start */
        if (r->rc == 0 && all)
            buf_fmt(&b, *r->finding.text ? "not needed: %s\n" : "ok%s\n", r->finding.text);
        else if (r->rc != 0)
            buf_puts(&b, r->check->mandatory ? "FAILED: " : "missing: ");
        if (r->rc != 0)
            daemon_put_finding(d, &r->finding, &b);
        if (b.n)
            (void)fprintf(stderr, "%s: self-test: %s: %.*s", d->role->name, r->check->name,
                          SPAN_ARG(buf_span(&b)));
    }
}

void daemon_self_test_log(const struct daemon *d)
{
    for (size_t i = 0; i < d->n_results; i++) {
        const struct daemon_result *r = &d->results[i];
        if (r->rc == 0 && *r->finding.text)
            OBS_LOG(d->log, OBS_INFO, "selftest.not_needed", OBS_TEXT("check", r->check->name),
                    OBS_TEXT("text", r->finding.text));
        else if (r->rc == 0)
            OBS_LOG(d->log, OBS_INFO, "selftest.ok", OBS_TEXT("check", r->check->name));
        else
            OBS_LOG(d->log, OBS_WARN, "selftest.missing", OBS_TEXT("check", r->check->name),
                    OBS_TEXT("text", r->finding.text), OBS_TEXT("remedy", r->finding.remedy));
    }
}

/* ---- checks for roles ---- */

static uint64_t effective_capabilities(void)
{
    char line[256];
    uint64_t caps = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "CapEff:", 7) == 0)
            caps = strtoull(line + 7, NULL, 16);
    if (f)
        (void)fclose(f); /* only read */
    return caps;
}

int daemon_check_capability(unsigned capability, const char *name, struct daemon_finding *ret)
{
    char remedy[192];
    if (effective_capabilities() >> capability & 1)
        return 0;
    (void)snprintf(remedy, sizeof(remedy),
                   "start it as root, or with AmbientCapabilities=%s in its unit, or in a network "
                   "namespace of its own",
                   name);
    daemon_find(ret, remedy, "the process lacks %s", name);
    return -EPERM;
}

void daemon_drop_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    uint32_t bit = 1u << capability % 32;
    /* A program that root starts would have it again. Only root may say so, and need. */
    (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) != 0)
        return;
    data[capability / 32].effective &= ~bit;
    data[capability / 32].permitted &= ~bit;
    data[capability / 32].inheritable &= ~bit; /* the ambient one goes with it */
    (void)syscall(SYS_capset, &header, data);  /* giving up is always allowed */
}

int daemon_check_bind(const char *option, const struct addr *a, int socktype,
                      struct daemon_finding *ret)
{
    char text[ADDR_TEXT_MAX], remedy[192], why[96];
    const char *proto = socktype == SOCK_STREAM ? "TCP" : "UDP";
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(a, &ss);
    int fd = socket(ss.ss_family, socktype | SOCK_CLOEXEC, 0), one = 1;
    int rc = fd < 0 ? -errno : 0;
    if (rc == 0 && socktype == SOCK_STREAM &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        rc = -errno;
    if (rc == 0 && bind(fd, (struct sockaddr *)&ss, n) < 0)
        rc = -errno;
    if (fd >= 0)
        (void)close(fd); /* it was only a question */
    if (rc == 0)
        return 0;
    if (rc == -EADDRINUSE)
        (void)snprintf(remedy, sizeof(remedy),
                       "another program has it; `ss -lnp%c 'sport = :%u'` shows which",
                       socktype == SOCK_STREAM ? 't' : 'u', a->port);
    else if (rc == -EADDRNOTAVAIL)
        (void)snprintf(
            remedy, sizeof(remedy),
            "no interface has it; `ip address` shows what there is: take one of them, or "
            "add it");
    else if (rc == -EACCES)
        (void)snprintf(remedy, sizeof(remedy),
                       "ports below 1024 need CAP_NET_BIND_SERVICE, or sysctl "
                       "net.ipv4.ip_unprivileged_port_start=%u",
                       a->port);
    else
        (void)snprintf(remedy, sizeof(remedy), "take another address");
    if (strerror_r(-rc, why, sizeof(why)) != 0)
        why[0] = '\0';
    daemon_find(ret, remedy, "%s %s cannot be bound: %s", proto,
                a->port ? addr_text(a, text) : addr_ip_text(a, text), why);
    ret->option = option;
    return rc;
}

static int connect_within(const struct addr *a, int milliseconds)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(a, &ss), n_rc = sizeof(int);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 || connect(fd, (struct sockaddr *)&ss, n) < 0 ? -errno : 0;
    if (rc == -EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int error = 0;
        rc = poll(&p, 1, milliseconds) <= 0                            ? -ETIMEDOUT
             : getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_rc) < 0 ? -errno
                                                                       : -error;
    }
    if (fd >= 0)
        (void)close(fd); /* it was only a question */
    return rc;
}

int daemon_check_peer(const char *option, const struct addr *a, struct daemon_finding *ret)
{
    char text[ADDR_TEXT_MAX], why[96];
    int rc = connect_within(a, 300);
    if (rc == 0)
        return 0;
    if (strerror_r(-rc, why, sizeof(why)) != 0)
        why[0] = '\0';
    daemon_find(ret,
                rc == -ECONNREFUSED
                    ? "start it, or correct the address; we go on and connect when it is there"
                    : "look at routes and firewalls on the way, or correct the address; we go on "
                      "and connect when it is there",
                "nobody answers at TCP %s: %s", addr_text(a, text), why);
    ret->option = option;
    return rc;
}

/* A connected socket hears of a port that is closed. */
static int ask_within(const struct addr *from, const struct addr *to, struct span question,
                      int milliseconds)
{
    struct sockaddr_storage ss;
    struct addr any_port = *from;
    char answer[16];
    any_port.port = 0;
    socklen_t n = addr_to_sockaddr(&any_port, &ss);
    int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 || bind(fd, (struct sockaddr *)&ss, n) < 0 ? -errno : -ETIMEDOUT;
    n = addr_to_sockaddr(to, &ss);
    if (rc == -ETIMEDOUT && connect(fd, (struct sockaddr *)&ss, n) < 0)
        rc = -errno;
    for (int i = 0; i < 2 && rc == -ETIMEDOUT; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (send(fd, question.p, question.n, 0) < 0)
            rc = -errno;
        else if (poll(&p, 1, milliseconds) > 0)
            rc = recv(fd, answer, sizeof(answer), 0) < 0 ? -errno : 0;
    }
    if (fd >= 0)
        (void)close(fd); /* it was only a question */
    return rc;
}

int daemon_check_answer(const char *option, const struct addr *from, const struct addr *to,
                        struct span question, struct daemon_finding *ret)
{
    char text[ADDR_TEXT_MAX], why[96];
    int rc = ask_within(from, to, question, 300);
    if (rc == 0)
        return 0;
    if (strerror_r(-rc, why, sizeof(why)) != 0)
        why[0] = '\0';
    daemon_find(ret,
                rc == -ECONNREFUSED
                    ? "start it, or correct the address; we go on and ask when it is there"
                    : "look at routes and firewalls on the way, at whom it listens to, or correct "
                      "the address; we go on and ask when it is there",
                "nobody answers at UDP %s: %s", addr_text(to, text), why);
    ret->option = option;
    return rc;
}

int daemon_check_directory(const char *option, const char *path, struct daemon_finding *ret)
{
    struct stat st;
    char remedy[320], why[96];
    int rc = 0;
    if (stat(path, &st) < 0 && mkdir(path, 0750) < 0)
        rc = -errno;
    else if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        rc = -ENOTDIR;
    else if (access(path, R_OK | W_OK | X_OK) < 0)
        rc = -errno;
    if (rc == 0)
        return 0;
    if (strerror_r(-rc, why, sizeof(why)) != 0)
        why[0] = '\0';
    (void)snprintf(remedy, sizeof(remedy),
                   rc == -ENOTDIR ? "it is a file: move it away, or name another directory"
                   : rc == -EROFS ? "remount its file system writable, or name another directory"
                                  : "`install -d -m 750 -o USER '%.160s'` makes it for the USER we "
                                    "run as, or name another",
                   path);
    daemon_find(ret, remedy, "the directory %s cannot be used: %s", path, why);
    ret->option = option;
    return rc;
}

int daemon_check_parent(const char *option, const char *file, struct daemon_finding *ret)
{
    const char *slash = strrchr(file, '/');
    char *directory = span_dup(slash ? span_of(file, (size_t)(slash - file) + 1) : SPAN("."));
    int rc = directory ? daemon_check_directory(option, directory, ret) : -ENOMEM;

    free(directory);
    return rc;
}
