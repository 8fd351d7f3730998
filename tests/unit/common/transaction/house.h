/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three hosts on one simulated wire: caller 192.0.2.1, proxy 192.0.2.2, callee 192.0.2.3 (and its
 * second address 192.0.2.4), all at port 5060, each with a transaction layer of its own. What goes
 * over the wire is written down as "1>2 INVITE" or "2>1 180 INVITE", a line each. */
#ifndef TESTS_UNIT_COMMON_TRANSACTION_HOUSE_H
#define TESTS_UNIT_COMMON_TRANSACTION_HOUSE_H

#include <stdio.h>

#include "common/net/netsim.h"
#include "common/transaction/transaction.h"
#include "tests/support/suite.h"

enum { CALLER, PROXY, CALLEE, CALLEE_2, HOSTS };

struct house_host {
    struct net *net;
    struct sip_transport *t;
    struct sip_endpoint *e;
    struct sip_layer *l;
};

struct house {
    struct sim *sim;
    struct wire *wire;
    struct house_host host[HOSTS];
    char trace_text[16384];
    struct buf trace;
    const char *lose; /* a line of the trace that is lost */
    unsigned lose_times;
};

static struct house h;

static struct addr house_addr(unsigned host)
{
    return (struct addr){.family = AF_INET, .port = 5060, .ip = {192, 0, 2, (uint8_t)(host + 1)}};
}

static struct sip_target house_target(unsigned from, unsigned to, enum net_proto proto,
                                      unsigned policy)
{
    struct addr a = house_addr(to);

    return sip_target_of(h.host[from].e, proto, &a, policy);
}

static bool house_wire(enum net_proto proto, const struct addr *from, const struct addr *to,
                       struct span data, void *ctx)
{
    struct span first = data, line, word;
    size_t at = h.trace.n;
    bool pass = true;

    (void)proto, (void)ctx;
    if (data.n < 16) /* the making and ending of connections */
        return true;
    line = span_trim(span_cut(&first, '\n'));
    word = span_cut(&line, ' ');
    buf_fmt(&h.trace, "%u>%u ", from->ip[3], to->ip[3]);
    if (!span_eq(word, SPAN("SIP/2.0"))) {
        buf_fmt(&h.trace, "%.*s\n", SPAN_ARG(word));
    } else {
        word = span_cut(&line, ' ');
        buf_fmt(&h.trace, "%.*s ", SPAN_ARG(word));
        while (first.n) {
            line = span_trim(span_cut(&first, '\n'));
            if (!span_starts(line, SPAN("CSeq: ")))
                continue;
            (void)span_cut(&line, ' ');
            (void)span_cut(&line, ' ');
            buf_fmt(&h.trace, "%.*s\n", SPAN_ARG(line));
            break;
        }
    }
    if (h.lose && h.lose_times &&
        span_eq(span_of(h.trace.p + at, h.trace.n - at - 1), span_str(h.lose))) {
        h.lose_times--;
        h.trace.n--;
        buf_puts(&h.trace, " lost\n");
        pass = false;
    }
    return pass;
}

static inline void house_lose(const char *line, unsigned times)
{
    h.lose = line;
    h.lose_times = times;
}

static void house_begin(const struct sip_layer_options *options, const struct sip_layer_ops *proxy,
                        const struct sip_layer_ops *callee, enum sip_timer_profile callee_timers)
{
    static const char *const names[] = {"caller", "proxy", "callee", "callee2"};

    memset(&h, 0, sizeof(h));
    h.trace = BUF_ON(h.trace_text);
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &h.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(h.sim, &h.wire), 0);
    wire_filter(h.wire, house_wire, NULL);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct house_host *host = &h.host[i];
        struct sip_endpoint_options eo = {
            .name = "x", .local = house_addr(i), .udp = true, .tcp = true, .timers = callee_timers};

        CU_ASSERT_EQUAL_FATAL(net_sim_new(h.wire, sim_loop(h.sim, names[i]), &host->net), 0);
        CU_ASSERT_EQUAL_FATAL(sip_transport_new(host->net, sim_rnd(h.sim), NULL, &host->t), 0);
        CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(host->t, &eo, &host->e), 0);
        CU_ASSERT_EQUAL_FATAL(sip_layer_new(host->t, sim_rnd(h.sim), i == PROXY ? options : NULL,
                                            i >= CALLEE ? callee : proxy, (void *)(uintptr_t)i,
                                            &host->l),
                              0);
    }
}

/* However it went: nothing may be left behind. */
static void house_end(void)
{
    sim_run(h.sim, 600 * SEC);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct house_host *host = &h.host[i];

        CU_ASSERT(!host->l || sip_layer_servers(host->l) == 0);
        CU_ASSERT(!host->l || sip_layer_clients(host->l) == 0);
        sip_layer_free(host->l);
        sip_transport_free(host->t);
        net_free(host->net);
    }
    wire_free(h.wire);
    sim_free(h.sim);
}

/* Compares what went over the wire since the last call. */
#define ASSERT_WIRE(want)                                                                          \
    do {                                                                                           \
        test_span_eq(buf_span(&h.trace), span_str(want), __FILE__, __LINE__);                      \
        h.trace.n = 0;                                                                             \
    } while (0)

#endif
