/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real adapter against a real kernel, as root of one of its own (tools/uml/run): the P-CSCF and
 * a phone in a network namespace each, a veth pair between them. The phone's side is `ip xfrm`. */
#include "pcscf/ipsec/charon/charon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define PORT_UC 6100
#define PORT_US 6101
#define PORT_PC 5063
#define PORT_PS 5062

static int ns_ours = -1, ns_phone = -1;

/* Runs a command; it is the test's own business that it works. */
static void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (system(text) != 0) {
        fprintf(stderr, "failed: %s\n", text);
        CU_FAIL_FATAL("a command of the test failed");
    }
}

static long number_of(const char *command)
{
    char text[64] = "";
    FILE *f = popen(command, "re");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL(fgets(text, sizeof(text), f));
    pclose(f);
    return atol(text);
}

static long states_of(const char *ns)
{
    char text[128];

    snprintf(text, sizeof(text), "ip -n %s xfrm state | grep -c ^src", ns);
    return number_of(text);
}

static long policies_of(const char *ns)
{
    char text[128];

    snprintf(text, sizeof(text), "ip -n %s xfrm policy | grep -c ^src", ns);
    return number_of(text);
}

/* XfrmInStateProtoError and its like. */
static long statistic(const char *ns, const char *name)
{
    char text[160];

    snprintf(text, sizeof(text),
             "ip netns exec %s awk '$1 == \"%s\" {print $2}' /proc/net/xfrm_stat", ns, name);
    return number_of(text);
}

static void enter(int ns)
{
    CU_ASSERT_EQUAL_FATAL(syscall(SYS_setns, ns, 0x40000000 /* CLONE_NEWNET */), 0);
}

static int open_ns(const char *name)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static void network_up(void)
{
    /* A case that failed leaves its network behind. */
    sh("ip netns del ours 2>/dev/null; ip netns del phone 2>/dev/null; true");
    sh("ip netns add ours && ip netns add phone && "
       "ip link add v0 netns ours type veth peer name v0 netns phone");
    sh("for n in ours phone; do ip -n $n link set lo up; ip -n $n link set v0 up; done");
    sh("ip -n ours addr add 10.9.0.1/24 dev v0; ip -n phone addr add 10.9.0.2/24 dev v0");
    sh("ip -n ours addr add fd09::1/64 dev v0 nodad; ip -n phone addr add fd09::2/64 dev v0 nodad");
    ns_ours = open_ns("ours");
    ns_phone = open_ns("phone");
    enter(ns_ours);
}

static void network_down(void)
{
    close(ns_ours);
    close(ns_phone);
    sh("ip netns del ours && ip netns del phone");
}

static int socket_in(int ns, const char *address, uint16_t port, int type)
{
    struct sockaddr_storage ss;
    struct addr a;
    socklen_t n;
    int fd, one = 1;

    CU_ASSERT_EQUAL_FATAL(addr_parse_ip(span_str(address), port, &a), 0);
    n = addr_to_sockaddr(&a, &ss);
    enter(ns);
    fd = socket(a.family, type | SOCK_CLOEXEC, 0);
    enter(ns_ours);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&ss, n), 0);
    return fd;
}

/* ---- a P-CSCF of four calls ---- */

struct bed {
    struct loop *loop;
    struct ipsec_charon *charon;
    struct ipsec port;
    const char *ours, *phone;
    unsigned calls, counts, expired, downs, ups;
    struct ipsec_result result;
    struct ipsec_counters counters;
    bool give_up;
    struct loop_timer limit;
};

static void on_limit(struct loop_timer *t, void *ctx)
{
    struct bed *b = ctx;

    (void)t;
    b->give_up = true;
    loop_stop(b->loop);
}

/* Runs the loop until a callback has moved the counter from `was`, or 40 seconds: a busy machine is
 * slow in there. */
static bool run_until_moved(struct bed *b, const unsigned *counter, unsigned was)
{
    b->give_up = false;
    loop_timer_start(b->loop, &b->limit, 40 * SEC);
    while (*counter == was && !b->give_up)
        loop_run(b->loop);
    loop_timer_stop(b->loop, &b->limit);
    return !b->give_up;
}

static void on_done(const struct ipsec_result *r, void *ctx)
{
    struct bed *b = ctx;

    if (r->status)
        fprintf(stderr, "    install: %s: %s\n", strerror(-r->status), r->reason);
    b->result = *r;
    b->calls++;
    loop_stop(b->loop);
}

static void on_count(int status, const struct ipsec_counters *c, void *ctx)
{
    struct bed *b = ctx;

    b->counters = (struct ipsec_counters){0};
    if (status == 0)
        b->counters = *c;
    b->counts++;
    loop_stop(b->loop);
}

static void on_expired(struct handle set, void *ctx)
{
    struct bed *b = ctx;

    (void)set;
    b->expired++;
    loop_stop(b->loop);
}

static void on_down(const char *reason, void *ctx)
{
    struct bed *b = ctx;

    fprintf(stderr, "    down: %s\n", reason);
    b->downs++;
    loop_stop(b->loop);
}

static void on_up(void *ctx)
{
    struct bed *b = ctx;

    b->ups++;
    loop_stop(b->loop);
}

static int bed_open(struct bed *b, const char *ours, const char *phone)
{
    static const struct ipsec_events events = {on_expired, on_down, on_up};
    struct ipsec_charon_options options = {.n_ports = 2};
    int rc;

    *b = (struct bed){.ours = ours, .phone = phone};
    addr_parse_ip(span_str(ours), PORT_PS, &options.ports[0]);
    addr_parse_ip(span_str(ours), PORT_PC, &options.ports[1]);
    CU_ASSERT_EQUAL_FATAL(ipsec_charon_start(&b->charon), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&b->loop), 0);
    loop_timer_init(&b->limit, on_limit, b);
    rc = ipsec_charon_open(b->charon, b->loop, &options);
    b->port = ipsec_charon_port(b->charon);
    ipsec_listen(&b->port, &events, b);
    if (!ipsec_health(&b->port)->ready)
        fprintf(stderr, "    not ready: %s; %s\n", ipsec_health(&b->port)->problem,
                ipsec_health(&b->port)->remedy);
    return rc;
}

static struct bed *bed_new(void)
{
    static struct bed b;

    network_up();
    CU_ASSERT_EQUAL_FATAL(bed_open(&b, "10.9.0.1", "10.9.0.2"), 0);
    CU_ASSERT_FATAL(ipsec_health(&b.port)->ready);
    return &b;
}

static void bed_free(struct bed *b)
{
    ipsec_charon_free(b->charon);
    loop_free(b->loop);
    network_down();
}

static struct ipsec_set some_set(const struct bed *b, struct ipsec_pair pair)
{
    struct ipsec_set s = {.port_uc = PORT_UC,
                          .port_us = PORT_US,
                          .port_pc = PORT_PC,
                          .port_ps = PORT_PS,
                          .spi_uc = 0x2001,
                          .spi_us = 0x2002,
                          .pair = pair};

    addr_parse_ip(span_str(b->phone), 0, &s.phone);
    addr_parse_ip(span_str(b->ours), 0, &s.local);
    ipsec_key_lengths(pair, &s.keys.integrity_n, &s.keys.encryption_n);
    for (uint8_t i = 0; i < s.keys.integrity_n; i++)
        s.keys.integrity[i] = (uint8_t)(0x10 + i);
    for (uint8_t i = 0; i < s.keys.encryption_n; i++)
        s.keys.encryption[i] = (uint8_t)(0x80 + i);
    return s;
}

static const struct ipsec_pair sha1_cbc = {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC};

static struct handle install(struct bed *b, const struct ipsec_set *s)
{
    struct handle h = {0};
    unsigned was = b->calls;

    CU_ASSERT_EQUAL_FATAL(ipsec_install(&b->port, s, on_done, b, &h), 0);
    CU_ASSERT_FATAL(run_until_moved(b, &b->calls, was));
    return h;
}

static void count(struct bed *b, struct handle h)
{
    unsigned was = b->counts;

    CU_ASSERT_EQUAL_FATAL(ipsec_count(&b->port, h, on_count, b), 0);
    CU_ASSERT_FATAL(run_until_moved(b, &b->counts, was));
}

/* Removes and waits until it is done: an answer that comes later has been asked later. */
static void remove_and_wait(struct bed *b, struct handle h)
{
    struct ipsec_set s = some_set(b, sha1_cbc);
    struct handle other;

    ipsec_remove(&b->port, h);
    s.spi_uc += 0x100;
    s.spi_us += 0x100;
    other = install(b, &s);
    ipsec_remove(&b->port, other);
    s.spi_uc += 0x100;
    s.spi_us += 0x100;
    other = install(b, &s);
    CU_ASSERT_EQUAL(states_of("ours"), 4); /* of this last one */
    ipsec_remove(&b->port, other);
}

/* ---- the phone's side ---- */

static void put_algorithms(struct buf *b, const struct ipsec_set *s, uint8_t flip)
{
    static const char *const auth[] = {
        [IPSEC_ALG_HMAC_SHA_1_96] = "hmac(sha1)", [IPSEC_ALG_HMAC_MD5_96] = "hmac(md5)"};
    static const char *const enc[] = {[IPSEC_EALG_NULL] = "ecb(cipher_null)",
                                      [IPSEC_EALG_AES_CBC] = "cbc(aes)",
                                      [IPSEC_EALG_DES_EDE3_CBC] = "cbc(des3_ede)"};
    struct ipsec_keys k = s->keys;

    k.integrity[0] ^= flip;
    k.encryption[0] ^= flip;
    if (s->pair.alg == IPSEC_ALG_AES_GMAC || s->pair.ealg == IPSEC_EALG_AES_GCM) {
        bool gmac = s->pair.alg == IPSEC_ALG_AES_GMAC;

        buf_puts(b, gmac ? "aead 'rfc4543(gcm(aes))' 0x" : "aead 'rfc4106(gcm(aes))' 0x");
        buf_hex(b, gmac ? k.integrity : k.encryption, 20);
        buf_puts(b, " 128");
        return;
    }
    buf_fmt(b, "auth-trunc '%s' 0x", auth[s->pair.alg]);
    buf_hex(b, k.integrity, k.integrity_n);
    buf_fmt(b, " 96 enc '%s' ", enc[s->pair.ealg]);
    buf_puts(b, k.encryption_n ? "0x" : "''");
    buf_hex(b, k.encryption, k.encryption_n);
}

static void phone_sa(const struct bed *b, const struct ipsec_set *s, bool to_us, uint32_t spi,
                     uint16_t phone_port, uint16_t our_port, uint8_t flip)
{
    char text[512];
    struct buf a = BUF_ON(text);
    const char *from = to_us ? b->phone : b->ours, *to = to_us ? b->ours : b->phone;

    put_algorithms(&a, s, flip);
    buf_putc(&a, '\0');
    sh("ip -n phone xfrm state add src %s dst %s proto esp spi %u mode transport reqid 5 %s "
       "sel src %s dst %s",
       from, to, spi, text, from, to);
    /* iproute2 cannot name ports without a protocol: a policy for each. */
    for (int tcp = 0; tcp < 2; tcp++)
        sh("ip -n phone xfrm policy add src %s dst %s proto %u sport %u dport %u dir %s "
           "tmpl src %s dst %s proto esp spi %u mode transport reqid 5",
           from, to, tcp ? IPPROTO_TCP : IPPROTO_UDP, to_us ? phone_port : our_port,
           to_us ? our_port : phone_port, to_us ? "out" : "in", from, to, to_us ? spi : 0);
}

static void phone_up(const struct bed *b, const struct ipsec_set *s, uint8_t flip)
{
    phone_sa(b, s, true, b->result.spi_ps, PORT_UC, PORT_PS, flip);
    phone_sa(b, s, false, s->spi_uc, PORT_UC, PORT_PS, flip);
    phone_sa(b, s, false, s->spi_us, PORT_US, PORT_PC, flip);
    phone_sa(b, s, true, b->result.spi_pc, PORT_US, PORT_PC, flip);
}

static void phone_down(void)
{
    sh("ip -n phone xfrm state flush; ip -n phone xfrm policy flush");
}

/* ---- traffic ---- */

static void send_to(int fd, const char *address, uint16_t port, const char *text)
{
    struct sockaddr_storage ss;
    struct addr a;
    socklen_t n;

    addr_parse_ip(span_str(address), port, &a);
    n = addr_to_sockaddr(&a, &ss);
    CU_ASSERT_EQUAL(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&ss, n),
                    (ssize_t)strlen(text));
}

static bool arrives(int fd, const char *want)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[4096];
    ssize_t n;

    if (poll(&p, 1, 2000) <= 0)
        return false;
    n = recv(fd, text, sizeof(text), 0);
    return n == (ssize_t)strlen(want) && memcmp(text, want, (size_t)n) == 0;
}

static void nothing_waits(int fd)
{
    char c;

    CU_ASSERT_EQUAL(recv(fd, &c, 1, MSG_DONTWAIT), -1);
    CU_ASSERT_EQUAL(errno, EAGAIN);
}

/* UDP: phone port_uc to port_ps, ours port_pc to port_us. */
static void udp_passes(const struct bed *b)
{
    static char large[3001]; /* more than a frame */
    int uc = socket_in(ns_phone, b->phone, PORT_UC, SOCK_DGRAM);
    int us = socket_in(ns_phone, b->phone, PORT_US, SOCK_DGRAM);
    int ps = socket_in(ns_ours, b->ours, PORT_PS, SOCK_DGRAM);
    int pc = socket_in(ns_ours, b->ours, PORT_PC, SOCK_DGRAM);

    memset(large, 'x', sizeof(large) - 1);
    send_to(uc, b->ours, PORT_PS, "REGISTER");
    CU_ASSERT(arrives(ps, "REGISTER"));
    send_to(pc, b->phone, PORT_US, "200 OK");
    CU_ASSERT(arrives(us, "200 OK"));
    send_to(uc, b->ours, PORT_PS, large);
    CU_ASSERT(arrives(ps, large));
    close(uc);
    close(us);
    close(ps);
    close(pc);
}

/* TCP: the phone connects from port_uc to port_ps; the answer takes the SA the other way. */
static void tcp_passes(const struct bed *b)
{
    int uc = socket_in(ns_phone, b->phone, PORT_UC, SOCK_STREAM);
    int ps = socket_in(ns_ours, b->ours, PORT_PS, SOCK_STREAM), accepted;
    struct timeval patience = {.tv_sec = 4};
    struct sockaddr_storage ss;
    struct addr a;
    socklen_t n;
    char text[8];

    CU_ASSERT_EQUAL(setsockopt(uc, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    CU_ASSERT_EQUAL(setsockopt(uc, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    addr_parse_ip(span_str(b->ours), PORT_PS, &a);
    n = addr_to_sockaddr(&a, &ss);
    CU_ASSERT_EQUAL(listen(ps, 1), 0);
    CU_ASSERT_EQUAL_FATAL(connect(uc, (struct sockaddr *)&ss, n), 0);
    accepted = accept(ps, NULL, NULL);
    CU_ASSERT_FATAL(accepted >= 0);
    CU_ASSERT_EQUAL(send(accepted, "BYE", 3, 0), 3);
    CU_ASSERT_EQUAL(recv(uc, text, sizeof(text), 0), 3);
    close(uc);
    close(accepted);
    close(ps);
}

/* ---- cases ---- */

static void messages_pass_both_ways_with_each_algorithm(void)
{
    static const struct ipsec_pair pairs[] = {
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
        {IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_NULL},
        {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_DES_EDE3_CBC},
        {IPSEC_ALG_AES_GMAC, IPSEC_EALG_NULL},
        {IPSEC_ALG_NULL, IPSEC_EALG_AES_GCM},
    };
    struct bed *b = bed_new();

    CU_ASSERT_EQUAL(ipsec_health(&b->port)->algs, (1u << IPSEC_ALG_COUNT) - 1);
    CU_ASSERT_EQUAL(ipsec_health(&b->port)->ealgs, (1u << IPSEC_EALG_COUNT) - 1);
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        struct ipsec_set s = some_set(b, pairs[i]);
        struct handle h = install(b, &s);

        fprintf(stderr, "    %s, %s\n", ipsec_alg_name(pairs[i].alg),
                ipsec_ealg_name(pairs[i].ealg));
        CU_ASSERT_EQUAL(b->result.status, 0);
        CU_ASSERT_EQUAL(states_of("ours"), 4);
        phone_up(b, &s, 0);
        udp_passes(b);
        tcp_passes(b);
        count(b, h);
        CU_ASSERT(b->counters.sa[IPSEC_SA_UC_PS].packets >= 3);
        CU_ASSERT(b->counters.sa[IPSEC_SA_UC_PS].bytes > 3000);
        CU_ASSERT(b->counters.sa[IPSEC_SA_PS_UC].packets >= 2);
        CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_PC_US].packets, 1);
        CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_US_PC].packets, 0);
        phone_down();
        ipsec_remove(&b->port, h);
    }
    bed_free(b);
}

static void ipv6_is_the_same(void)
{
    static struct bed b;
    struct ipsec_set s;
    struct handle h;

    network_up();
    CU_ASSERT_EQUAL_FATAL(bed_open(&b, "fd09::1", "fd09::2"), 0);
    CU_ASSERT_FATAL(ipsec_health(&b.port)->ready);
    s = some_set(&b, sha1_cbc);
    h = install(&b, &s);
    phone_up(&b, &s, 0);
    udp_passes(&b);
    tcp_passes(&b);
    count(&b, h);
    CU_ASSERT(b.counters.sa[IPSEC_SA_UC_PS].packets >= 3);
    phone_down();
    bed_free(&b);
}

static void a_wrong_key_gets_nothing_through(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    struct handle h = install(b, &s);
    int uc = socket_in(ns_phone, b->phone, PORT_UC, SOCK_DGRAM);
    int ps = socket_in(ns_ours, b->ours, PORT_PS, SOCK_DGRAM);

    phone_up(b, &s, 1);
    send_to(uc, b->ours, PORT_PS, "forged");
    phone_down();
    phone_up(b, &s, 0);
    send_to(uc, b->ours, PORT_PS, "right");
    CU_ASSERT(arrives(ps, "right")); /* and not what was sent before it */
    CU_ASSERT_EQUAL(statistic("ours", "XfrmInStateProtoError"), 1);
    count(b, h);
    CU_ASSERT_EQUAL(b->counters.sa[IPSEC_SA_UC_PS].packets, 1);
    close(uc);
    close(ps);
    bed_free(b);
}

static void clear_text_neither_enters_nor_leaves_the_protected_ports(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    int uc = socket_in(ns_phone, b->phone, PORT_UC, SOCK_DGRAM);
    int us = socket_in(ns_phone, b->phone, PORT_US, SOCK_DGRAM);
    int other = socket_in(ns_phone, b->phone, 7000, SOCK_DGRAM);
    int ps = socket_in(ns_ours, b->ours, PORT_PS, SOCK_DGRAM);
    int pc = socket_in(ns_ours, b->ours, PORT_PC, SOCK_DGRAM);
    int open = socket_in(ns_ours, b->ours, 5060, SOCK_DGRAM);

    /* Before there is any SA, and from other ports. */
    send_to(uc, b->ours, PORT_PS, "clear");
    send_to(other, b->ours, PORT_PC, "clear");
    send_to(pc, b->phone, PORT_US, "clear");
    send_to(uc, b->ours, 5060, "unprotected port");
    CU_ASSERT(arrives(open, "unprotected port"));
    nothing_waits(ps);
    nothing_waits(pc);
    /* With the SAs of this phone on our side only. */
    install(b, &s);
    send_to(uc, b->ours, PORT_PS, "clear");
    send_to(pc, b->phone, PORT_US, "secret");
    phone_up(b, &s, 0);
    send_to(uc, b->ours, PORT_PS, "protected");
    CU_ASSERT(arrives(ps, "protected"));
    send_to(pc, b->phone, PORT_US, "protected");
    CU_ASSERT(arrives(us, "protected"));
    nothing_waits(pc);
    close(uc);
    close(us);
    close(other);
    close(ps);
    close(pc);
    close(open);
    phone_down();
    bed_free(b);
}

static void removal_leaves_nothing_of_the_set(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    struct handle h = install(b, &s);

    CU_ASSERT_EQUAL(states_of("ours"), 4);
    CU_ASSERT_EQUAL(policies_of("ours"), 4); /* two ports, in and out */
    remove_and_wait(b, h);
    ipsec_remove(&b->port, h);
    CU_ASSERT_EQUAL(ipsec_count(&b->port, h, on_count, b), -ENOENT);
    ipsec_charon_free(b->charon);
    b->charon = NULL;
    CU_ASSERT_EQUAL(states_of("ours"), 0);
    CU_ASSERT_EQUAL(policies_of("ours"), 0);
    bed_free(b);
}

static void a_set_that_is_refused_leaves_nothing(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc), again = s;

    install(b, &s);
    again.spi_uc = 0x3001;
    again.port_uc = 6200; /* its spi_us is taken: the third of the four */
    install(b, &again);
    CU_ASSERT_EQUAL(b->result.status, -EEXIST);
    CU_ASSERT_EQUAL(states_of("ours"), 4);
    again.spi_us = 0x3002;
    install(b, &again);
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_EQUAL(states_of("ours"), 8);
    bed_free(b);
}

static void a_lifetime_ends_a_set_and_a_limit_moves_it(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    struct handle h;

    s.lifetime = 1;
    install(b, &s);
    s.spi_uc += 16;
    s.spi_us += 16;
    h = install(b, &s);
    CU_ASSERT_EQUAL(ipsec_limit(&b->port, h, 600), 0);
    CU_ASSERT(run_until_moved(b, &b->expired, 0));
    s.spi_uc += 16;
    s.spi_us += 16;
    s.lifetime = 0;
    install(b, &s);
    CU_ASSERT(b->expired == 1);
    CU_ASSERT_EQUAL(number_of("ip -n ours xfrm state | grep -c 'spi 0x00002011'"), 1);
    CU_ASSERT_EQUAL(
        number_of("ip -s -n ours xfrm state get src 10.9.0.1 dst 10.9.0.2 proto esp spi "
                  "0x2011 | grep -c 'hard 60[0-2](sec)'"),
        1);
    count(b, h);
    ipsec_limit(&b->port, h, 1); /* and earlier again; with the same keys and counters */
    CU_ASSERT(run_until_moved(b, &b->expired, 1));
    bed_free(b);
}

static pid_t child_of(pid_t parent)
{
    char command[96];

    snprintf(command, sizeof(command), "cat /proc/%d/task/%d/children", parent, parent);
    return (pid_t)number_of(command);
}

static void a_worker_that_dies_is_replaced_and_the_sas_stand(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc), second;
    struct handle h = install(b, &s), h2;
    struct ipsec_result first = b->result;
    pid_t keeper = child_of(getpid());

    phone_up(b, &s, 0);
    CU_ASSERT_EQUAL(kill(child_of(keeper), SIGSEGV), 0);
    CU_ASSERT(run_until_moved(b, &b->downs, 0));
    CU_ASSERT_FALSE(ipsec_health(&b->port)->ready);
    second = s;
    second.spi_uc = 0x3001;
    second.spi_us = 0x3002;
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &second, on_done, b, &h2), -ENOTCONN);
    udp_passes(b); /* meanwhile */
    CU_ASSERT(run_until_moved(b, &b->ups, 0));
    CU_ASSERT(ipsec_health(&b->port)->ready);
    udp_passes(b);
    count(b, h);
    CU_ASSERT(b->counters.sa[IPSEC_SA_UC_PS].packets >= 4);
    h2 = install(b, &second);
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_NOT_EQUAL(b->result.spi_ps, first.spi_ps);
    CU_ASSERT_EQUAL(states_of("ours"), 8);
    ipsec_remove(&b->port, h2);
    phone_down();
    remove_and_wait(b, h);
    bed_free(b);
}

static void an_install_under_way_fails_when_the_worker_dies(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    struct handle h;
    pid_t worker = child_of(child_of(getpid()));

    CU_ASSERT_EQUAL(kill(worker, SIGSTOP), 0);
    CU_ASSERT_EQUAL(ipsec_install(&b->port, &s, on_done, b, &h), 0);
    CU_ASSERT_EQUAL(kill(worker, SIGKILL), 0);
    CU_ASSERT(run_until_moved(b, &b->calls, 0));
    CU_ASSERT_EQUAL(b->result.status, -ENOTCONN);
    CU_ASSERT(run_until_moved(b, &b->ups, 0));
    install(b, &s);
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_EQUAL(states_of("ours"), 4);
    bed_free(b);
}

static void many_sets_queue_behind_a_slow_worker(void)
{
    enum { MANY = 400 };
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    static struct handle h[MANY];
    pid_t worker = child_of(child_of(getpid()));

    CU_ASSERT_EQUAL(kill(worker, SIGSTOP), 0);
    for (unsigned i = 0; i < MANY; i++) {
        s.spi_uc = 0x4000 + 2 * i;
        s.spi_us = 0x4001 + 2 * i;
        s.port_uc = (uint16_t)(10000 + i);
        CU_ASSERT_EQUAL_FATAL(ipsec_install(&b->port, &s, on_done, b, &h[i]), 0);
    }
    for (unsigned i = 0; i < MANY; i += 2) /* those calls never come */
        ipsec_remove(&b->port, h[i]);
    CU_ASSERT_EQUAL(kill(worker, SIGCONT), 0);
    while (b->calls < MANY / 2 && run_until_moved(b, &b->calls, b->calls))
        ;
    CU_ASSERT_EQUAL(b->calls, MANY / 2);
    CU_ASSERT_EQUAL(b->result.status, 0);
    CU_ASSERT_EQUAL(states_of("ours"), 4 * MANY / 2);
    bed_free(b);
}

static void what_an_earlier_run_left_goes_and_what_is_not_ours_stays(void)
{
    struct bed *b = bed_new();
    struct ipsec_set s = some_set(b, sha1_cbc);
    pid_t keeper = child_of(getpid()), worker = child_of(keeper);

    install(b, &s);
    sh("ip -n ours xfrm state add src 10.9.0.1 dst 10.9.0.9 proto esp spi 0x999 reqid 42 "
       "mode transport auth 'hmac(sha1)' 0x1111111111111111111111111111111111111111 "
       "enc 'ecb(cipher_null)' ''");
    sh("ip -n ours xfrm policy add src 10.9.0.1 dst 10.9.0.9 dir out "
       "tmpl src 10.9.0.1 dst 10.9.0.9 proto esp reqid 42 mode transport");
    kill(keeper, SIGKILL);
    kill(worker, SIGKILL);
    ipsec_charon_free(b->charon);
    loop_free(b->loop);
    CU_ASSERT_EQUAL(states_of("ours"), 5);
    CU_ASSERT_EQUAL_FATAL(bed_open(b, "10.9.0.1", "10.9.0.2"), 0);
    CU_ASSERT(ipsec_health(&b->port)->ready);
    CU_ASSERT_EQUAL(states_of("ours"), 1);
    CU_ASSERT_EQUAL(policies_of("ours"), 5); /* four new ones, and the other's */
    ipsec_charon_free(b->charon);
    b->charon = NULL;
    CU_ASSERT_EQUAL(states_of("ours"), 1);
    CU_ASSERT_EQUAL(policies_of("ours"), 1);
    bed_free(b);
}

static void without_the_privilege_the_self_test_says_what_to_do(void)
{
    pid_t pid;
    int status = 0;

    network_up();
    pid = fork();
    if (pid == 0) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {{0}};
        static struct bed b;
        const struct ipsec_health *health;

        if (syscall(SYS_capset, &header, data) != 0)
            _exit(2);
        if (bed_open(&b, "10.9.0.1", "10.9.0.2") != 0)
            _exit(3);
        health = ipsec_health(&b.port);
        if (health->ready || !strstr(health->problem, "CAP_NET_ADMIN") || !health->remedy[0])
            _exit(4);
        ipsec_charon_free(b.charon);
        loop_free(b.loop);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    network_down();
}

TEST_MAIN("pcscf/ipsec/charon",
          {"messages pass both ways with each algorithm",
           messages_pass_both_ways_with_each_algorithm},
          {"IPv6 is the same", ipv6_is_the_same},
          {"a wrong key gets nothing through", a_wrong_key_gets_nothing_through},
          {"clear text neither enters nor leaves the protected ports",
           clear_text_neither_enters_nor_leaves_the_protected_ports},
          {"removal leaves nothing of the set", removal_leaves_nothing_of_the_set},
          {"a set that is refused leaves nothing", a_set_that_is_refused_leaves_nothing},
          {"a lifetime ends a set and a limit moves it",
           a_lifetime_ends_a_set_and_a_limit_moves_it},
          {"a worker that dies is replaced and the SAs stand",
           a_worker_that_dies_is_replaced_and_the_sas_stand},
          {"an install under way fails when the worker dies",
           an_install_under_way_fails_when_the_worker_dies},
          {"many sets queue behind a slow worker", many_sets_queue_behind_a_slow_worker},
          {"what an earlier run left goes and what is not ours stays",
           what_an_earlier_run_left_goes_and_what_is_not_ours_stays},
          {"without the privilege the self-test says what to do",
           without_the_privilege_the_self_test_says_what_to_do})
