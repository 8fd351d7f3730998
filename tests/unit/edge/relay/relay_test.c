/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay on real loopback sockets: what is sent is received or counted, whatever thread does it.
 * No case waits for time to pass: each waits for a packet or for a counter. */
#include "edge/relay/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "edge/relay/ports.h"
#include "tests/support/suite.h"

static struct loop *loop;
static struct relay *relay;
static const struct relay_port *port;
static struct relay_ports ports;

struct end { /* a phone's or a core node's socket */
    int fd;
    struct addr at;
};

static void begin(unsigned workers)
{
    struct relay_options o = {.workers = workers};
    struct addr ip;

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(relay_new(loop, &o, &relay), 0);
    port = relay_port_of(relay);
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("127.0.0.1"), 0, &ip), 0);
    CU_ASSERT_EQUAL_FATAL(relay_ports_init(&ports, &ip, 20000, 29999, &rnd_system), 0);
}

static void finish(void)
{
    relay_free(relay);
    loop_free(loop);
    relay_ports_fini(&ports);
}

static struct end end_open(const char *ip)
{
    struct end e;
    struct sockaddr_storage ss;
    socklen_t len;

    CU_ASSERT_EQUAL(addr_parse_ip(span_str(ip), 0, &e.at), 0);
    e.fd = socket(e.at.family, SOCK_DGRAM, 0);
    len = addr_to_sockaddr(&e.at, &ss);
    CU_ASSERT_EQUAL_FATAL(bind(e.fd, (struct sockaddr *)&ss, len), 0);
    CU_ASSERT_EQUAL(getsockname(e.fd, (struct sockaddr *)&ss, &len), 0);
    CU_ASSERT_EQUAL(addr_of_sockaddr((struct sockaddr *)&ss, &e.at), 0);
    return e;
}

/* Two free ports of ours; another program may hold a pair. */
static struct relay_stream *stream_open(enum relay_kind kind, struct addr local[2])
{
    static const uint8_t tos[2] = {184, 0};
    struct relay_stream *s = NULL;

    for (unsigned i = 0; i < 50 && !s; i++) {
        CU_ASSERT_EQUAL_FATAL(relay_ports_take(&ports, &local[0]), 0);
        CU_ASSERT_EQUAL_FATAL(relay_ports_take(&ports, &local[1]), 0);
        (void)port->open(port->ctx, kind, local, tos, &s);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static void raise_gate(struct relay_stream *s, unsigned leg, enum relay_source source,
                       const struct addr *peer)
{
    struct relay_rule rule = {RELAY_GATE_OPEN, source, *peer, 0, 0};

    CU_ASSERT_EQUAL(port->set(port->ctx, s, leg, &rule), 0);
}

static void put(const struct end *e, const struct addr *to, const void *p, size_t n)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(to, &ss);

    CU_ASSERT_EQUAL(sendto(e->fd, p, n, 0, (struct sockaddr *)&ss, len), (ssize_t)n);
}

static const uint8_t rtp[172] = {0x80, 8, 0, 1};

static void put_rtp(const struct end *e, const struct addr *to)
{
    put(e, to, rtp, sizeof(rtp));
}

/* Octets received within five seconds, or -1. */
static ssize_t get(const struct end *e, uint8_t *p, size_t cap, struct addr *ret_from)
{
    struct pollfd pfd = {.fd = e->fd, .events = POLLIN};
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    ssize_t n;

    if (poll(&pfd, 1, 5000) != 1)
        return -1;
    n = recvfrom(e->fd, p, cap, 0, (struct sockaddr *)&ss, &len);
    if (ret_from)
        (void)addr_of_sockaddr((struct sockaddr *)&ss, ret_from);
    return n;
}

static bool got_rtp(const struct end *e, const struct addr *from)
{
    uint8_t p[2048];
    struct addr a = {0};

    return get(e, p, sizeof(p), &a) == sizeof(rtp) && memcmp(p, rtp, sizeof(rtp)) == 0 &&
           addr_eq(&a, from);
}

static uint64_t counter(struct relay_stream *s, unsigned leg, enum usage_counter c)
{
    struct usage_counts counts;

    port->read(port->ctx, s, leg, &counts, NULL);
    return counts.n[c];
}

/* Waits until the worker has counted it. */
static bool counted(struct relay_stream *s, unsigned leg, enum usage_counter c, uint64_t n)
{
    for (unsigned i = 0; i < 5000; i++) {
        if (counter(s, leg, c) == n)
            return true;
        (void)poll(NULL, 0, 1);
    }
    return false;
}

static void both_ways(void)
{
    struct end phone, core;
    struct addr local[2], latched;
    struct usage_counts c;
    struct relay_stream *s;

    begin(1);
    phone = end_open("127.0.0.1");
    core = end_open("127.0.0.1");
    s = stream_open(RELAY_RTP, local);
    raise_gate(s, 0, RELAY_SOURCE_STRICT, &phone.at);
    raise_gate(s, 1, RELAY_SOURCE_ADDRESS, &core.at);
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));
    put_rtp(&core, &local[1]);
    CU_ASSERT_TRUE(got_rtp(&phone, &local[0]));
    CU_ASSERT_TRUE(counted(s, 0, USAGE_PACKETS, 1) && counted(s, 1, USAGE_PACKETS, 1));
    port->read(port->ctx, s, 1, &c, &latched);
    CU_ASSERT_EQUAL(c.n[USAGE_OCTETS], sizeof(rtp));
    CU_ASSERT_TRUE(c.first > 0 && c.last >= c.first);
    CU_ASSERT_TRUE(addr_eq(&latched, &core.at));
    port->read(port->ctx, s, 0, &c, &latched);
    CU_ASSERT_EQUAL(latched.family, 0); /* a strict source is not latched */
    port->close(port->ctx, s);
    close(phone.fd);
    close(core.fd);
    finish();
}

static void gates(void)
{
    struct end phone, core;
    struct addr local[2];
    struct relay_stream *s;

    begin(1);
    phone = end_open("127.0.0.1");
    core = end_open("127.0.0.1");
    s = stream_open(RELAY_RTP, local);
    put_rtp(&phone, &local[0]); /* before any rule */
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_CLOSED, 1));
    raise_gate(s, 1, RELAY_SOURCE_STRICT, &core.at);
    put_rtp(&phone, &local[0]); /* the other leg's gate does not help */
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_CLOSED, 2));
    raise_gate(s, 0, RELAY_SOURCE_STRICT, &phone.at);
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));
    port->lower(port->ctx, s, 0, RELAY_GATE_ENDED);
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_ENDED, 1));
    put_rtp(&core, &local[1]); /* each direction has its own gate */
    CU_ASSERT_TRUE(got_rtp(&phone, &local[0]));
    port->lower(port->ctx, s, 1, RELAY_GATE_CLOSED);
    put_rtp(&core, &local[1]);
    CU_ASSERT_TRUE(counted(s, 1, USAGE_REFUSED_CLOSED, 1));
    CU_ASSERT_EQUAL(counter(s, 0, USAGE_PACKETS), 1);
    CU_ASSERT_EQUAL(counter(s, 1, USAGE_PACKETS), 1);
    port->close(port->ctx, s);
    close(phone.fd);
    close(core.fd);
    finish();
}

static void sources(void)
{
    struct end phone, other_port, stranger, core;
    struct addr local[2], none = {0};
    struct relay_stream *s;

    begin(1);
    phone = end_open("127.0.0.1");
    other_port = end_open("127.0.0.1");
    stranger = end_open("127.0.0.2");
    core = end_open("127.0.0.1");
    s = stream_open(RELAY_RTP, local);
    raise_gate(s, 1, RELAY_SOURCE_STRICT, &core.at);

    raise_gate(s, 0, RELAY_SOURCE_STRICT, &phone.at);
    put_rtp(&other_port, &local[0]);
    put_rtp(&stranger, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_SOURCE, 2));
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));

    raise_gate(s, 0, RELAY_SOURCE_ADDRESS, &phone.at);
    put_rtp(&stranger, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_SOURCE, 3));
    put_rtp(&other_port, &local[0]); /* the first of the address is the one */
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_SOURCE, 4));
    put_rtp(&core, &local[1]); /* and media goes to where it comes from */
    CU_ASSERT_TRUE(got_rtp(&other_port, &local[0]));

    raise_gate(s, 0, RELAY_SOURCE_LATCH, &none); /* another peer: what was latched is forgotten */
    put_rtp(&core, &local[1]);
    CU_ASSERT_TRUE(counted(s, 1, USAGE_NOWHERE, 1));
    put_rtp(&stranger, &local[0]);
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_SOURCE, 5));
    put_rtp(&core, &local[1]);
    CU_ASSERT_TRUE(got_rtp(&stranger, &local[0]));
    port->close(port->ctx, s);
    close(phone.fd);
    close(other_port.fd);
    close(stranger.fd);
    close(core.fd);
    finish();
}

static void forms(void)
{
    static const struct {
        enum relay_kind kind;
        size_t n;
        bool passes;
        uint8_t p[16];
    } t[] = {
        {RELAY_RTP, 12, true, {0x80, 0}},
        {RELAY_RTP, 11, false, {0x80, 0}},
        {RELAY_RTP, 12, false, {0x81, 0}}, /* a CSRC is missing */
        {RELAY_RTP, 16, true, {0x81, 0}},
        {RELAY_RTP, 12, false, {0x40, 0}},        /* version 1 */
        {RELAY_RTP, 8, true, {0x80, 200, 0, 1}},  /* RTCP on the same port */
        {RELAY_RTP, 8, false, {0x80, 200, 0, 2}}, /* longer than the datagram */
        {RELAY_RTP, 0, false, {0}},
        {RELAY_RTCP, 8, true, {0x80, 201, 0, 1}},
        {RELAY_RTCP, 12, false, {0x80, 0}},
        {RELAY_OPAQUE, 1, true, {1}},
    };
    static uint8_t big[3000] = {0x80};

    begin(1);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct end phone = end_open("127.0.0.1"), core = end_open("127.0.0.1");
        struct addr local[2];
        uint8_t p[64];
        struct relay_stream *s = stream_open(t[i].kind, local);

        raise_gate(s, 0, RELAY_SOURCE_STRICT, &phone.at);
        raise_gate(s, 1, RELAY_SOURCE_STRICT, &core.at);
        put(&phone, &local[0], t[i].p, t[i].n);
        if (t[i].passes) {
            CU_ASSERT_EQUAL(get(&core, p, sizeof(p), NULL), (ssize_t)t[i].n);
        } else {
            CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_FORM, 1));
        }
        put(&phone, &local[0], big, sizeof(big));
        CU_ASSERT_TRUE(counted(s, 0, USAGE_REFUSED_FORM, t[i].passes ? 1 : 2));
        port->close(port->ctx, s);
        close(phone.fd);
        close(core.fd);
    }
    finish();
}

static void policing(void)
{
    struct end phone, core;
    struct addr local[2];
    struct relay_stream *s;

    begin(1);
    phone = end_open("127.0.0.1");
    core = end_open("127.0.0.1");
    s = stream_open(RELAY_RTP, local);
    /* Two packets of 172 + 28 octets and one octet a second: the third must wait a long time. */
    struct relay_rule rule = {RELAY_GATE_OPEN, RELAY_SOURCE_STRICT, phone.at, 1, 400};
    CU_ASSERT_EQUAL(port->set(port->ctx, s, 0, &rule), 0);
    raise_gate(s, 1, RELAY_SOURCE_STRICT, &core.at);
    for (unsigned i = 0; i < 5; i++)
        put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(counted(s, 0, USAGE_POLICED, 3));
    CU_ASSERT_EQUAL(counter(s, 0, USAGE_PACKETS), 2);
    port->close(port->ctx, s);
    close(phone.fd);
    close(core.fd);
    finish();
}

static void taken_port(void)
{
    static const uint8_t tos[2] = {0, 0};
    struct addr local[2], other[2];
    struct relay_stream *s, *again = NULL;

    begin(1);
    s = stream_open(RELAY_RTP, local);
    CU_ASSERT_EQUAL_FATAL(relay_ports_take(&ports, &other[0]), 0);
    other[1] = local[1];
    CU_ASSERT_EQUAL(port->open(port->ctx, RELAY_RTP, other, tos, &again), -EADDRINUSE);
    CU_ASSERT_PTR_NULL(again);
    CU_ASSERT_EQUAL(addr_parse(SPAN("192.0.2.77:20000"), 0, &other[1]), 0);
    CU_ASSERT_EQUAL(port->open(port->ctx, RELAY_RTP, other, tos, &again), -EADDRNOTAVAIL);
    port->close(port->ctx, s);
    finish();
}

/* Rules change and streams come and go while packets flow, on several workers: nothing is lost that
 * is not counted, and ThreadSanitizer has something to see. */
static void churn(void)
{
    enum { STREAMS = 8, ROUNDS = 200 };
    struct end phone[STREAMS], core[STREAMS];
    struct addr local[STREAMS][2];
    struct relay_stream *s[STREAMS];
    struct relay_stats stats;

    begin(3);
    for (unsigned i = 0; i < STREAMS; i++) {
        phone[i] = end_open("127.0.0.1");
        core[i] = end_open("127.0.0.1");
        s[i] = stream_open(RELAY_RTP, local[i]);
        raise_gate(s[i], 1, RELAY_SOURCE_LATCH, &core[i].at);
    }
    for (unsigned r = 0; r < ROUNDS; r++) {
        for (unsigned i = 0; i < STREAMS; i++) {
            put_rtp(&phone[i], &local[i][0]);
            if (r % 3 == 0)
                raise_gate(s[i], 0, RELAY_SOURCE_STRICT, &phone[i].at);
            else if (r % 3 == 1)
                port->lower(port->ctx, s[i], 0, RELAY_GATE_CLOSED);
        }
        struct addr extra[2];
        struct relay_stream *x = stream_open(RELAY_RTP, extra);
        put_rtp(&phone[0], &extra[0]);
        port->close(port->ctx, x);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        bool all = false;
        for (unsigned n = 0; n < 5000 && !all; n++) {
            struct usage_counts c;
            port->read(port->ctx, s[i], 0, &c, NULL);
            all = c.n[USAGE_PACKETS] + usage_refused(&c) == ROUNDS;
            if (!all)
                (void)poll(NULL, 0, 1);
        }
        CU_ASSERT_TRUE(all);
        port->close(port->ctx, s[i]);
        close(phone[i].fd);
        close(core[i].fd);
    }
    relay_stats_get(relay, &stats);
    CU_ASSERT_EQUAL(stats.streams, 0);
    CU_ASSERT_TRUE(stats.packets >= STREAMS * ROUNDS);
    finish();
}

static void ipv6(void)
{
    struct end phone, core;
    struct addr local[2];
    static const uint8_t tos[2] = {184, 0};
    struct relay_stream *s = NULL;

    begin(1);
    phone = end_open("::1");
    core = end_open("127.0.0.1");
    for (unsigned i = 0; i < 50 && !s; i++) {
        CU_ASSERT_EQUAL_FATAL(relay_ports_take(&ports, &local[1]), 0);
        local[0] = phone.at;
        local[0].port = local[1].port;
        (void)port->open(port->ctx, RELAY_RTP, local, tos, &s);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    raise_gate(s, 0, RELAY_SOURCE_ADDRESS, &phone.at);
    raise_gate(s, 1, RELAY_SOURCE_ADDRESS, &core.at);
    put_rtp(&phone, &local[0]);
    CU_ASSERT_TRUE(got_rtp(&core, &local[1]));
    put_rtp(&core, &local[1]);
    CU_ASSERT_TRUE(got_rtp(&phone, &local[0]));
    port->close(port->ctx, s);
    close(phone.fd);
    close(core.fd);
    finish();
}

TEST_MAIN("edge/relay",
          {"packets pass both ways, byte for byte, from the relay's ports", both_ways},
          {"a gate that is down refuses and counts, each direction apart", gates},
          {"only the authorized source enters, by each of the three rules", sources},
          {"what is neither RTP nor RTCP is refused", forms},
          {"beyond the authorized bandwidth packets are policed", policing},
          {"a taken or foreign address is refused and leaves nothing open", taken_port},
          {"rules and streams change under traffic and every packet is counted", churn},
          {"IPv6 on one side, IPv4 on the other", ipv6})
