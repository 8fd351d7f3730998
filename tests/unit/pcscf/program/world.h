/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The P-CSCF's program on virtual time, without a process around it: phones and core are scripted, the edge says
 * yes to everything, the PDP gives everybody the same token. */
#ifndef TESTS_UNIT_PCSCF_PROGRAM_WORLD_H
#define TESTS_UNIT_PCSCF_PROGRAM_WORLD_H

#include <stdio.h>

#include "common/diameter/sim.h"
#include "pcscf/program/program.h"
#include "tests/support/peer.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#define PLAIN                                                                                      \
    "realm: ims.example\ngm.address: 192.0.2.10:5060\nmw.address: 192.0.2.11:5070\nmw.allow: []\n" \
    "mw.core: sip:192.0.2.20:6060\nsecurity.ipsec: no\nsecurity.require_ipsec: no\n"
#define WITHOUT_MEDIA PLAIN "media.anchor: no\npdp.enabled: no\n"
#define WITH_MEDIA    PLAIN "media.edge: 192.0.2.35:2223\n"

static struct program p;
static struct wire *wire;
static struct diameter_sim *dnet;
static struct diameter *pdp;
static struct peer phone, scscf, edge;

#define SDP                                                                                        \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"                    \
    "m=audio 49152 RTP/AVP 0\r\n"

static void on_ng(struct peer *peer, const char *text, const struct addr *from, void *ctx)
{
    char reply[1024];
    struct buf b = BUF_ON(reply);

    (void)ctx;
    buf_fmt(&b, "%.*s d6:result2:ok", (int)strcspn(text, " "), text);
    if (strstr(text, "3:sdp"))
        buf_fmt(&b, "3:sdp%zu:%s", strlen(SDP), SDP);
    buf_putc(&b, 'e');
    CU_ASSERT_EQUAL(net_udp_send(peer->udp, from, buf_span(&b)), 0);
}

static void on_rx(void *ctx, struct handle request, const struct diameter_request *rq)
{
    struct diameter_answer a = {.result = DIAMETER_SUCCESS};

    (void)ctx;
    if (rq->kind == DIAMETER_AA)
        a.aaa.token = SPAN("TOKENOK!");
    CU_ASSERT_EQUAL(diameter_answer(pdp, request, &a), 0);
}

static void world_open_pdp(void)
{
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(house.sim, &dnet), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(dnet, house.loop, "pcscf.ims.example", "ims.example", &p.diameter), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(dnet, sim_loop(house.sim, "pdp"), "pdp.ims.example", "ims.example", &pdp),
        0);
    CU_ASSERT_EQUAL_FATAL(diameter_serve(pdp, DIAMETER_APP_RX, on_rx, NULL), 0);
}

static void world_open(const char *yaml)
{
    struct core_options o;
    struct core_env env;

    p = (struct program){0};
    pdp = NULL;
    dnet = NULL;
    p.config = house_configure(&pcscf_role.options, pcscf_check_options, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p.config);
    house_open();
    p.daemon = house.daemon;
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(house.sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, house.loop, &p.net), 0);
    if (p.config->pdp)
        world_open_pdp();
    pcscf_settings(p.config, NULL, &o);
    env = (struct core_env){.loop = house.loop,
                            .net = p.net,
                            .rnd = sim_rnd(house.sim),
                            .diameter = p.diameter,
                            .on_register = report_register,
                            .on_session = report_session,
                            .on_aside = report_aside,
                            .on_bad = report_bad,
                            .on_stranger = report_stranger,
                            .ctx = &p};
    CU_ASSERT_EQUAL_FATAL(core_new(&env, &o, &p.core, p.failed_port), 0);
    sip_transport_set_tap(core_transport(p.core), report_tap, &p);
    CU_ASSERT_EQUAL_FATAL(report_new(&p), 0);
    CU_ASSERT_EQUAL_FATAL(commands_new(&p), 0);
    peer_open(&phone, house.sim, wire, "phone", "192.0.2.7:5060");
    peer_open(&scscf, house.sim, wire, "scscf", "192.0.2.20:6060");
    peer_open(&edge, house.sim, wire, "edge", "192.0.2.35:2223");
    edge.on_message = on_ng;
}

static void world_close(void)
{
    core_free(p.core);
    peer_close(&phone);
    peer_close(&scscf);
    peer_close(&edge);
    diameter_free(p.diameter);
    diameter_free(pdp);
    if (dnet)
        diameter_sim_free(dnet);
    net_free(p.net);
    wire_free(wire);
    house_close();
}

static void world_run(unsigned ms)
{
    sim_run(house.sim, ms * MSEC);
}

/* Alice's phone, for an hour. */
static void world_register(void)
{
    const char *m;
    char extra[512];

    peer_say(&phone, &p.config->gm,
             "REGISTER sip:ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKr\n"
             "From: <sip:alice@ims.example>;tag=f\nTo: <sip:alice@ims.example>\nCall-ID: reg\n"
             "CSeq: 1 REGISTER\nMax-Forwards: 70\nContact: <sip:alice@192.0.2.7>;expires=3600\n"
             "Authorization: Digest username=\"alice@ims.example\",realm=\"ims.example\","
             "uri=\"sip:ims.example\",nonce=\"\",response=\"\"\n");
    world_run(20);
    m = peer_take(&scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(extra, sizeof(extra),
             "Contact: <sip:alice@192.0.2.7>;expires=3600\nPath: %s\n"
             "Service-Route: <sip:orig@192.0.2.20:6060;lr>\n"
             "P-Associated-URI: <sip:alice@ims.example>, <tel:+4930100>\n",
             peer_header(m, "Path", 0));
    peer_answer(&scscf, &p.config->mw, m, "200 OK", "s", extra, NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&phone, "SIP/2.0 200", NULL));
}

/* A request of alice's phone; sdp "" or SDP. */
static void world_say(const char *method, unsigned cseq, const char *ruri, const char *call_id,
                      const char *routes, const char *to_tag, const char *sdp)
{
    peer_say(&phone, &p.config->gm,
             "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK%s%u\n"
             "%sFrom: <sip:alice@ims.example>;tag=f\nTo: <sip:bob@ims.example>%s\nCall-ID: %s\n"
             "CSeq: %u %s\nMax-Forwards: 70\nContact: <sip:alice@192.0.2.7>\n\n%s",
             method, ruri, call_id, cseq, routes, to_tag, call_id, cseq, method, sdp);
    world_run(50);
}

#define ROUTES "Route: <sip:192.0.2.10:5060;lr>, <sip:orig@192.0.2.20:6060;lr>\n"

/* The INVITE as the core has it. */
static const char *world_invite(const char *ruri, const char *call_id, const char *sdp)
{
    const char *m;

    world_say("INVITE", 1, ruri, call_id, ROUTES, "", sdp);
    m = peer_take(&scscf, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return m;
}

#endif
