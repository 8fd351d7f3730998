/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/stage.h"

#include <stdio.h>

#include "tests/support/suite.h"

struct stage stage;

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx)
{
    (void)ctx;
    if (stage.on_request)
        stage.on_request(s, m, flow);
}

static void on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    (void)ctx;
    if (stage.on_ack)
        stage.on_ack(m, flow);
}

static void on_set_end(struct binding_set *set, void *ctx)
{
    (void)ctx;
    if (stage.on_set_end)
        stage.on_set_end(set);
}

static void on_expiry(struct binding *b, void *ctx)
{
    (void)ctx;
    if (stage.on_expiry)
        stage.on_expiry(b);
}

struct addr stage_addr(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static struct sip_endpoint *endpoint(const char *name, struct addr local,
                                     enum sip_timer_profile timers)
{
    struct sip_endpoint_options o = {.name = name, .local = local, .udp = true, .timers = timers};
    struct sip_endpoint *e = NULL;

    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(stage.transport, &o, &e), 0);
    return e;
}

static void open_endpoints(void)
{
    struct addr pc;

    stage.at_gm = stage_addr("192.0.2.10:5060");
    stage.at_ps = pc = stage_addr("192.0.2.10:5062");
    stage.at_mw = stage_addr("192.0.2.11:5070");
    stage.gm = endpoint("gm", stage.at_gm, SIP_TIMERS_UE);
    stage.mw = endpoint("mw", stage.at_mw, SIP_TIMERS_RFC);
    stage.ps = endpoint("port_ps", stage.at_ps, SIP_TIMERS_UE);
    for (unsigned i = 0; i < STAGE_PC; i++) {
        pc.port++;
        stage.pc[i] = endpoint("port_pc", pc, SIP_TIMERS_UE);
    }
}

void stage_open(void)
{
    static const struct sip_layer_ops layer_ops = {.on_request = on_request, .on_ack = on_ack};
    static const struct bindings_ops bindings_ops = {on_set_end, on_expiry};
    const struct rnd *rnd;

    stage = (struct stage){0};
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &stage.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(stage.sim, &stage.wire), 0);
    rnd = sim_rnd(stage.sim);
    stage.loop = sim_loop(stage.sim, "pcscf");
    stage.charge = (struct charge){.rnd = *rnd, .host = "192.0.2.11", .ioi = "ims.test"};
    CU_ASSERT_EQUAL_FATAL(net_sim_new(stage.wire, stage.loop, &stage.net), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(stage.net, rnd, NULL, &stage.transport), 0);
    CU_ASSERT_EQUAL_FATAL(sip_layer_new(stage.transport, rnd, NULL, &layer_ops, NULL, &stage.layer),
                          0);
    open_endpoints();
    CU_ASSERT_EQUAL_FATAL(
        bindings_new(stage.loop, rnd, STAGE_PHONES, &bindings_ops, NULL, &stage.bindings), 0);
    peer_open(&stage.phone, stage.sim, stage.wire, "phone", "192.0.2.7:5060");
    peer_open(&stage.uc, stage.sim, stage.wire, "uc", "192.0.2.7:31000");
    peer_open(&stage.us, stage.sim, stage.wire, "us", "192.0.2.7:31001");
    peer_open(&stage.core, stage.sim, stage.wire, "core", "192.0.2.20:6060");
}

void stage_end_transactions(void)
{
    if (stage.layer)
        sip_layer_free(stage.layer);
    stage.layer = NULL;
}

void stage_close(void)
{
    stage_end_transactions();
    bindings_free(stage.bindings);
    sip_transport_free(stage.transport);
    peer_close(&stage.phone);
    peer_close(&stage.uc);
    peer_close(&stage.us);
    peer_close(&stage.core);
    net_free(stage.net);
    wire_free(stage.wire);
    sim_free(stage.sim);
}

void stage_run(unsigned milliseconds)
{
    sim_run(stage.sim, milliseconds * MSEC);
}

struct binding *stage_binding(const char *impi)
{
    struct binding *b = NULL;

    CU_ASSERT_EQUAL_FATAL(binding_new(stage.bindings, span_str(impi), &b), 0);
    return b;
}

struct binding_set *stage_set(struct binding *b, const char *phone_uc, unsigned pc, uint32_t spi_ps,
                              enum binding_set_state state)
{
    struct binding_set values = {.phone_uc = stage_addr(phone_uc),
                                 .phone_us = stage_addr(phone_uc),
                                 .ps = stage.ps,
                                 .pc = stage.pc[pc],
                                 .spi_ps = spi_ps,
                                 .spi_pc = spi_ps + 1};
    struct binding_set *set = NULL;

    values.phone_us.port++;
    CU_ASSERT_EQUAL_FATAL(binding_set_add(stage.bindings, b, &values, &set), 0);
    set->state = state;
    return set;
}

struct sip_msg *stage_message(const char *start, const char *lines)
{
    static char text[STAGE_MESSAGE];
    struct buf b = BUF_ON(text);
    struct sip_msg *m = NULL;
    struct sip_reject reject;
    struct span method = span_str(start), rest;

    if (span_starts(method, SPAN("SIP/2.0")))
        method = SPAN("INVITE");
    method = span_cut(&method, ' ');
    buf_fmt(
        &b,
        "%s\r\nVia: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKx\r\nFrom: <sip:a@ims.test>;tag=1\r\n"
        "To: <sip:b@ims.test>\r\nCall-ID: c\r\nCSeq: 1 %.*s\r\nMax-Forwards: 70\r\n",
        start, SPAN_ARG(method));
    for (rest = span_str(lines); rest.n;) {
        struct span line = span_cut(&rest, '\n');

        buf_fmt(&b, "%.*s\r\n", SPAN_ARG(line));
    }
    if (!strstr(lines, "\n\n"))
        buf_puts(&b, "Content-Length: 0\r\n\r\n");
    CU_ASSERT_FALSE_FATAL(b.overflow);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    return m;
}

const char *stage_rendered(struct sip_edit *e)
{
    static char text[STAGE_MESSAGE];
    struct buf b = {text, 0, sizeof(text) - 1, false};

    CU_ASSERT_EQUAL_FATAL(sip_edit_render(e, &b), 0);
    text[b.n] = '\0';
    return text;
}
