/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/bench/edge/relay/rtp_bench: RTP through a media relay, and what a packet costs it.
 *
 *   rtp_bench --ng ADDRESS:PORT --pid PID [--sessions N] [--seconds S] [--warmup S]
 *   rtp_bench --bare [--sessions N] [--seconds S]
 *
 * Sets up N sessions over ng (any relay that speaks it: our edge, rtpengine), sends 50 packets a
 * second each way in each of them, checks every octet of what comes out, and reads the relay's CPU
 * time from the scheduler (/proc/PID/task/..../schedstat: exact, not sampled). --bare relays with
 * the least a program can do (epoll, recvmmsg, sendmmsg, no rules): what the kernel alone costs.
 * One line of JSON; the status is 1 when a packet was lost or changed. */
#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/base.h"

enum { SESSIONS_MAX = 8000, PACKET = 72, BATCH = 64, SLOTS = 20, LATENCIES = 1 << 20 };

struct session {
    struct sockaddr_in to[2]; /* where side 0 and 1 send */
    uint16_t sequence[2];
};

static struct session sessions[SESSIONS_MAX];
static unsigned n_sessions = 100, seconds = 5, warmup = 2;
static pid_t relay;
static int side[2]; /* one socket for all sessions of a side; the SSRC tells them apart */
static const char *const side_ip[2] = {"127.0.0.70", "127.0.0.71"};
static uint16_t side_port[2];
static uint64_t sent, received, wrong;
static uint32_t latency[LATENCIES];
static size_t n_latency;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "rtp_bench: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Nanoseconds that all threads of the relay ran. */
static uint64_t cpu_ns(void)
{
    char name[300];
    uint64_t sum = 0;
    snprintf(name, sizeof(name), "/proc/%d/task", (int)relay);
    DIR *dir = opendir(name);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        unsigned long long ns = 0;
        snprintf(name, sizeof(name), "/proc/%d/task/%s/schedstat", (int)relay, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += ns;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return sum;
}

static struct sockaddr_in at(const char *ip, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
        die(ip);
    return a;
}

static int udp(const char *ip, uint16_t port)
{
    struct sockaddr_in a = at(ip, port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 16 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die(ip);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return fd;
}

/* ---- sessions over ng ---- */

static void pair(struct buf *b, const char *key, const char *value)
{
    buf_fmt(b, "%zu:%s%zu:%s", strlen(key), key, strlen(value), value);
}

static bool ng_ask(int fd, struct buf *b, char *answer, size_t cap)
{
    for (unsigned try = 0; try < 5; try++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (send(fd, b->p, b->n, 0) < 0)
            die("ng");
        if (poll(&p, 1, 1000) != 1)
            continue;
        ssize_t n = recv(fd, answer, cap - 1, 0);
        if (n > 0) {
            answer[n] = '\0';
            return strstr(answer, "6:result2:ok") != NULL;
        }
    }
    return false;
}

static void ng_setup(const char *ng)
{
    struct addr a;
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (addr_parse(span_str(ng), 2223, &a) != 0 ||
        connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, &ss)) < 0)
        die(ng);
    for (unsigned i = 0; i < 2 * n_sessions; i++) {
        unsigned d = i % 2, port;
        char sdp[400], call[40], text[2000], answer[8000], ip[40];
        struct buf b = BUF_ON(text);
        snprintf(sdp, sizeof(sdp),
                 "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
                 "m=audio %u RTP/AVP 104\r\na=rtpmap:104 AMR-WB/16000/1\r\n",
                 side_ip[d], side_ip[d], side_port[d]);
        snprintf(call, sizeof(call), "load-%d-%u", (int)getpid(), i / 2);
        buf_fmt(&b, "%d_%u d", (int)getpid(), i);
        pair(&b, "ICE", "remove");
        pair(&b, "call-id", call);
        pair(&b, "command", d ? "answer" : "offer");
        pair(&b, "from-tag", "a");
        pair(&b, "sdp", sdp);
        if (d)
            pair(&b, "to-tag", "b");
        buf_putc(&b, 'e');
        if (!ng_ask(fd, &b, answer, sizeof(answer)))
            die("the relay refused a session");
        const char *m = strstr(answer, "m=audio "), *c = strstr(answer, "c=IN IP4 ");
        if (!m || !c || sscanf(m, "m=audio %u", &port) != 1 || sscanf(c, "c=IN IP4 %39s", ip) != 1)
            die("an answer without audio");
        sessions[i / 2].to[!d] = at(ip, (uint16_t)port);
    }
    close(fd);
}

static void ng_end(const char *ng)
{
    struct addr a;
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)addr_parse(span_str(ng), 2223, &a);
    (void)!connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, &ss));
    for (unsigned i = 0; i < n_sessions; i++) {
        char call[40], text[400], answer[60000];
        struct buf b = BUF_ON(text);
        snprintf(call, sizeof(call), "load-%d-%u", (int)getpid(), i);
        buf_fmt(&b, "%d_d%u d", (int)getpid(), i);
        pair(&b, "call-id", call);
        pair(&b, "command", "delete");
        buf_puts(&b, "12:delete-delayi0e");
        pair(&b, "from-tag", "a");
        buf_putc(&b, 'e');
        (void)ng_ask(fd, &b, answer, sizeof(answer));
    }
    close(fd);
}

/* ---- the bare relay ---- */

static void bare_run(int epoll, const int (*fds)[2])
{
    static uint8_t bytes[16][2048];
    struct mmsghdr m[16] = {0};
    struct iovec iov[16];
    struct epoll_event events[512];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned i = 0; i < 16; i++) {
        m[i].msg_hdr.msg_iov = &iov[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        int n = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < n; i++) {
            unsigned s = events[i].data.u32 / 2, d = events[i].data.u32 % 2;
            struct sockaddr_in to = at(side_ip[!d], side_port[!d]);
            for (unsigned k = 0; k < 16; k++) {
                iov[k] = (struct iovec){bytes[k], sizeof(bytes[k])};
                m[k].msg_hdr.msg_name = NULL;
                m[k].msg_hdr.msg_namelen = 0;
            }
            int got = recvmmsg(fds[s][d], m, 16, MSG_DONTWAIT, NULL);
            for (int k = 0; k < got; k++) {
                iov[k].iov_len = m[k].msg_len;
                m[k].msg_hdr.msg_name = &to;
                m[k].msg_hdr.msg_namelen = sizeof(to);
            }
            if (got > 0)
                (void)sendmmsg(fds[s][!d], m, (unsigned)got, MSG_DONTWAIT);
        }
    }
}

static void bare_setup(void)
{
    static int fds[SESSIONS_MAX][2];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < 2 * n_sessions; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
        struct sockaddr_in a;
        socklen_t len = sizeof(a);
        fds[i / 2][i % 2] = udp("127.0.0.72", 0);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i / 2][i % 2], &ev) < 0 ||
            getsockname(fds[i / 2][i % 2], (struct sockaddr *)&a, &len) < 0)
            die("bare");
        sessions[i / 2].to[i % 2] = a;
    }
    relay = fork();
    if (relay < 0)
        die("fork");
    if (relay == 0)
        bare_run(epoll, (const int(*)[2])fds);
    for (unsigned i = 0; i < 2 * n_sessions; i++)
        close(fds[i / 2][i % 2]);
}

/* ---- load ---- */

static void packet_fill(uint8_t *p, unsigned s, unsigned d)
{
    uint16_t sequence = htons(sessions[s].sequence[d]++);
    uint32_t stamp = htonl((uint32_t)ntohs(sequence) * 320), ssrc = htonl(s << 1 | d);
    uint64_t now = clock_ns();
    memset(p, 0x5a, PACKET);
    p[0] = 0x80;
    p[1] = 104;
    memcpy(p + 2, &sequence, 2);
    memcpy(p + 4, &stamp, 4);
    memcpy(p + 8, &ssrc, 4);
    memcpy(p + 12, &now, 8);
}

static void send_slot(unsigned slot, unsigned d)
{
    static uint8_t bytes[BATCH][PACKET];
    struct mmsghdr m[BATCH] = {0};
    struct iovec iov[BATCH];
    unsigned n = 0;
    for (unsigned s = slot; s < n_sessions; s += SLOTS) {
        packet_fill(bytes[n], s, d);
        iov[n] = (struct iovec){bytes[n], PACKET};
        m[n].msg_hdr = (struct msghdr){.msg_name = &sessions[s].to[d],
                                       .msg_namelen = sizeof(sessions[s].to[d]),
                                       .msg_iov = &iov[n],
                                       .msg_iovlen = 1};
        if (++n < BATCH && s + SLOTS < n_sessions)
            continue;
        int k = sendmmsg(side[d], m, n, 0);
        sent += k > 0 ? (unsigned)k : 0;
        n = 0;
    }
}

static void check(unsigned d, const uint8_t *p, size_t n)
{
    uint8_t want[PACKET];
    uint32_t ssrc;
    uint64_t then, now = clock_ns();
    memset(want, 0x5a, sizeof(want));
    memcpy(&ssrc, p + 8, 4);
    memcpy(&then, p + 12, 8);
    ssrc = ntohl(ssrc);
    received++;
    if (n != PACKET || p[0] != 0x80 || p[1] != 104 || ssrc >> 1 >= n_sessions || (ssrc & 1) == d ||
        memcmp(p + 20, want + 20, PACKET - 20) != 0)
        wrong++;
    else if (n_latency < LATENCIES)
        latency[n_latency++] = (uint32_t)((now - then) / 1000);
}

static void drain(unsigned d)
{
    static uint8_t bytes[BATCH][256];
    struct mmsghdr m[BATCH] = {0};
    struct iovec iov[BATCH];
    int n;
    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
        m[i].msg_hdr.msg_iov = &iov[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    do {
        n = recvmmsg(side[d], m, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++)
            check(d, bytes[i], m[i].msg_len);
    } while (n == BATCH);
}

/* Sends for `ticks` milliseconds and takes what comes back, until a little after. */
static void drive(unsigned ticks)
{
    uint64_t start = clock_ns();
    for (unsigned tick = 0; tick < ticks + 200; tick++) {
        uint64_t due = start + tick * 1000000ull;
        for (uint64_t now; (now = clock_ns()) < due;) {
            struct timespec rest = {0, (long)(due - now)};
            (void)nanosleep(&rest, NULL);
        }
        for (unsigned d = 0; d < 2; d++) {
            if (tick < ticks)
                send_slot(tick % SLOTS, d);
            drain(d);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    const char *ng = NULL;
    bool bare = false;
    struct rlimit limit;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--bare") == 0) {
            bare = true;
            continue;
        }
        if (strcmp(argv[i], "--ng") == 0)
            ng = value;
        else if (strcmp(argv[i], "--pid") == 0)
            relay = (pid_t)atoi(value);
        else if (strcmp(argv[i], "--sessions") == 0)
            n_sessions = (unsigned)atoi(value);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = (unsigned)atoi(value);
        else if (strcmp(argv[i], "--warmup") == 0)
            warmup = (unsigned)atoi(value);
        else
            bare = false, ng = NULL, relay = 0, argc = 0;
        i++;
    }
    if (bare == (ng != NULL) || (ng && relay <= 0) || n_sessions == 0 ||
        n_sessions > SESSIONS_MAX) {
        fprintf(stderr, "usage: rtp_bench --ng ADDRESS:PORT --pid PID | --bare"
                        " [--sessions N] [--seconds S] [--warmup S]\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (unsigned d = 0; d < 2; d++) {
        struct sockaddr_in a;
        socklen_t len = sizeof(a);
        side[d] = udp(side_ip[d], 0);
        if (getsockname(side[d], (struct sockaddr *)&a, &len) < 0)
            die("side");
        side_port[d] = ntohs(a.sin_port);
    }
    if (bare)
        bare_setup();
    else
        ng_setup(ng);
    drive(warmup * 1000);
    sent = received = wrong = n_latency = 0;
    uint64_t before = cpu_ns();
    drive(seconds * 1000);
    uint64_t used = cpu_ns() - before;
    if (bare) {
        kill(relay, SIGKILL);
        (void)waitpid(relay, NULL, 0);
    } else {
        ng_end(ng);
    }
    qsort(latency, n_latency, sizeof(latency[0]), by_value);
    printf(
        "{\"relay\":\"%s\",\"sessions\":%u,\"pps\":%llu,\"sent\":%llu,\"lost\":%lld,\"wrong\":%llu,"
        "\"us_per_packet\":%.3f,\"p50_us\":%u,\"p99_us\":%u}\n",
        bare ? "bare" : ng, n_sessions, (unsigned long long)(sent / seconds),
        (unsigned long long)sent, (long long)(sent - received), (unsigned long long)wrong,
        received ? (double)used / 1e3 / (double)received : 0.0,
        n_latency ? latency[n_latency / 2] : 0, n_latency ? latency[n_latency * 99 / 100] : 0);
    return sent == received && wrong == 0 && sent > 0 ? 0 : 1;
}
