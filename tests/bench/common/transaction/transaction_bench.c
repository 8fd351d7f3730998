/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU time of a request and of a call (INVITE 180 200 ACK) through a proxy that changes nothing, at
 * 1000 a second of virtual time, so that the transactions of the last 32 s are alive. Caller, callee
 * and the simulated wire are in it: what the wire costs is measured first. */
#include <stdio.h>

#include "common/net/netsim.h"
#include "common/transaction/transaction.h"
#include "tests/support/bench.h"

enum { N = 50000 };

static const struct addr caller_addr = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 1}};
static const struct addr proxy_addr = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 2}};
static const struct addr callee_addr = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 3}};
static struct sip_endpoint *endpoint;
static struct sip_layer *layer;
static unsigned done;

/* ---- the proxy ---- */

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx)
{
    static const struct sip_proxy_ops ops = {NULL};
    struct sip_target to = sip_target_of(endpoint, NET_UDP, &callee_addr, 0);

    (void)m, (void)flow, (void)ctx;
    (void)sip_proxy_forward(s, NULL, &to, 1, &ops, NULL, NULL); /* a failure is seen in `done` */
}

static void on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    struct sip_target to = sip_target_of(endpoint, NET_UDP, &callee_addr, 0);

    (void)ctx;
    (void)sip_forward_ack(layer, m, flow, NULL, &to); /* as above */
}

/* ---- caller and callee: text, no parser ---- */

static void say(struct net_udp *u, const char *method, unsigned i)
{
    char text[1024];
    struct buf b = BUF_ON(text);

    buf_fmt(&b,
            "%s sip:bob@192.0.2.3 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s%u;rport\r\n"
            "Max-Forwards: 70\r\n"
            "Route: <sip:192.0.2.2;lr>\r\n"
            "From: <sip:alice@ims.mnc001.mcc001.3gppnetwork.org>;tag=a%u\r\n"
            "To: <sip:bob@ims.mnc001.mcc001.3gppnetwork.org>%s\r\n"
            "Call-ID: %u@192.0.2.1\r\n"
            "CSeq: 1 %s\r\n"
            "Contact: <sip:alice@192.0.2.1:5060>\r\n"
            "P-Preferred-Identity: <sip:alice@ims.mnc001.mcc001.3gppnetwork.org>\r\n"
            "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=001010001000019B\r\n"
            "Content-Length: 0\r\n\r\n",
            method, method, i, i, method[0] == 'A' ? ";tag=b" : "", i, method);
    (void)net_udp_send(u, &proxy_addr, buf_span(&b)); /* as above */
}

/* The header of the request comes back, with a tag. */
static void answer(struct net_udp *u, const struct addr *to, struct span request,
                   const char *status)
{
    char text[2048];
    struct buf b = BUF_ON(text);

    (void)span_cut(&request, '\n');
    buf_fmt(&b, "SIP/2.0 %s\r\n", status);
    while (request.n) {
        struct span line = span_trim(span_cut(&request, '\n'));
        buf_put(&b, line);
        buf_puts(&b, span_starts(line, SPAN("To:")) ? ";tag=b\r\n" : "\r\n");
    }
    (void)net_udp_send(u, to, buf_span(&b)); /* as above */
}

static void callee_hears(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)ctx;
    if (span_starts(data, SPAN("INVITE")))
        answer(u, from, data, "180 Ringing");
    if (!span_starts(data, SPAN("ACK")))
        answer(u, from, data, "200 OK");
    else
        done++;
}

static void caller_hears(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    static const char call_id[] = "Call-ID: ";

    (void)from, (void)ctx;
    if (!span_starts(data, SPAN("SIP/2.0 200")))
        return;
    bool invite = false;
    unsigned long i = 0;
    for (struct span rest = data; rest.n;) {
        struct span line = span_trim(span_cut(&rest, '\n'));
        uint64_t number;
        if (span_starts(line, span_str(call_id)) &&
            span_u64(span_sub(line, sizeof(call_id) - 1, span_find(line, '@')), N, &number) == 0)
            i = number;
        invite = invite || span_starts(line, SPAN("CSeq: 1 INVITE"));
    }
    if (invite)
        say(u, "ACK", (unsigned)i);
    else
        done++;
}

/* ---- the bench ---- */

static bool measure(struct sim *sim, struct net_udp *caller, const char *method, const char *what)
{
    uint64_t since = bench_cpu_ns();

    done = 0;
    for (unsigned i = 0; i < N; i++) {
        say(caller, method, i);
        sim_run(sim, MSEC);
    }
    sim_run(sim, 10 * MSEC);
    bench_report(what, since, N);
    if (done != N)
        (void)printf("%u of %u are done\n", done, (unsigned)N);
    sim_run(sim, 100 * SEC);
    return done == N;
}

/* A datagram of the size that goes there and back, without a proxy. */
static void echo(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)ctx;
    if (from->ip[3] == caller_addr.ip[3])
        (void)net_udp_send(u, from, data); /* only less to be measured */
}

static void measure_wire(struct sim *sim, struct net *net, struct net_udp *caller)
{
    static const struct net_udp_ops ops = {echo};
    struct net_udp *u;

    if (net_udp_open(net, &proxy_addr, NULL, &ops, NULL, &u) != 0)
        return;
    uint64_t since = bench_cpu_ns();
    for (unsigned i = 0; i < N; i++) {
        say(caller, "OPTIONS", i);
        sim_run(sim, MSEC);
    }
    bench_report("two datagrams over the simulated wire", since, N);
    net_udp_close(u);
    sim_run(sim, SEC);
}

int main(void)
{
    static const struct sip_layer_ops layer_ops = {.on_request = on_request, .on_ack = on_ack};
    static const struct net_udp_ops caller_ops = {caller_hears}, callee_ops = {callee_hears};
    struct sip_endpoint_options eo = {
        .name = "x", .local = proxy_addr, .udp = true, .timers = SIP_TIMERS_RFC};
    struct sim *sim;
    struct wire *wire;
    struct net *net[3];
    struct net_udp *caller, *callee;
    struct sip_transport *transport;

    if (sip_init() != 0 || sim_new(1, &sim) != 0 || wire_new(sim, &wire) != 0)
        return 1;
    for (unsigned i = 0; i < ARRAY_LEN(net); i++) {
        if (net_sim_new(wire, sim_loop(sim, "host"), &net[i]) != 0)
            return 1;
    }
    if (net_udp_open(net[0], &caller_addr, NULL, &caller_ops, NULL, &caller) != 0 ||
        net_udp_open(net[2], &callee_addr, NULL, &callee_ops, NULL, &callee) != 0)
        return 1;
    measure_wire(sim, net[1], caller);
    if (sip_transport_new(net[1], sim_rnd(sim), NULL, &transport) != 0 ||
        sip_endpoint_open(transport, &eo, &endpoint) != 0 ||
        sip_layer_new(transport, sim_rnd(sim), NULL, &layer_ops, NULL, &layer) != 0)
        return 1;
    bool good = measure(sim, caller, "OPTIONS", "request and answer (4 datagrams)");
    good = measure(sim, caller, "INVITE", "INVITE 180 200 ACK (8 datagrams)") && good;
    sip_layer_free(layer);
    sip_transport_free(transport);
    net_udp_close(caller);
    net_udp_close(callee);
    for (unsigned i = 0; i < ARRAY_LEN(net); i++)
        net_free(net[i]);
    wire_free(wire);
    sim_free(sim);
    return good ? 0 : 1;
}
