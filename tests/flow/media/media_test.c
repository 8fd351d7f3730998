/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The P-CSCF's media and authorize rooms, the PDP and the edge on one virtual clock, each end with
 * its own code: what one asks for is what the other two mean. Only SIP and packets are missing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/diameter/sim.h"
#include "common/net/netsim.h"
#include "common/osip/osipmem.h"
#include "edge/control/control.h"
#include "edge/relay/fake.h"
#include "pcscf/authorize/authorize.h"
#include "pcscf/media/media.h"
#include "pdp/qos/qos.h"
#include "pdp/rx/rx.h"
#include "tests/support/suite.h"

static enum relay_source access_source;
static struct sim *sim;
static struct wire *wire;
static struct diameter_sim *dnet;
static struct net *pcscf_net, *edge_net;
static struct diameter *pcscf_d, *pdp_d, *edge_d;
/* P-CSCF */
static struct media *media;
static struct authorize *authorize;
static struct af_session *af;
static unsigned aborted;
/* PDP */
static struct conf *conf;
static struct policy *policy;
static struct grants *grants;
static struct rx *rx;
static struct qos *qos;
static char dir[TEST_FOLDER_MAX], db[64];
/* edge */
static struct relay_fake *relay;
static struct gates *gates;
static struct control *control;
static struct ng_server *server;
static char events[1000];
static struct buf seen;

/* answers at the P-CSCF */
static unsigned answers;
static struct media_answer said;
static char sdp_back[4000], reason[300];
static struct authorize_result verdict;

#define PHONE_SDP(port, more)                                                                      \
    "v=0\r\no=- 1 1 IN IP4 10.46.1.101\r\ns=-\r\nc=IN IP4 10.46.1.101\r\nt=0 0\r\n"                \
    "m=audio " port " RTP/AVP 104\r\nb=AS:41\r\na=rtpmap:104 AMR-WB/16000/1\r\n" more
#define CORE_SDP(more)                                                                             \
    "v=0\r\no=- 7 7 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\n"                      \
    "m=audio 5000 RTP/AVP 104\r\nb=AS:41\r\na=rtpmap:104 AMR-WB/16000/1\r\n" more

static struct addr at(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(s), 0, &a), 0);
    return a;
}

static void on_abort(struct af_session *session, void *ctx)
{
    (void)ctx;
    CU_ASSERT_PTR_EQUAL(session, af);
    af = NULL;
    aborted++;
}

static void on_event(void *ctx, const struct control_event *e)
{
    (void)ctx;
    buf_fmt(&seen, "%s%s%s ", control_event_name(e->kind), e->detail[0] ? ":" : "", e->detail);
}

static void begin_pdp(void)
{
    const struct rx_options rxo = {.asr_timeout = 2 * SEC, .token_length = true};
    const struct qos_options qo = {600, 30, SEC, 2 * SEC, 2 * SEC, NULL, NULL};
    struct grants_options go = {.entity = "pdp.ims.test", .lifetime = 7200, .limit = 100};
    struct conf_report report = {0};
    struct loop *l = sim_loop(sim, "pdp");

    test_folder(dir);
    snprintf(db, sizeof(db), "%s/pdp.db", dir);
    go.keys.n = 1;
    go.keys.keys[0] = (struct token_key){.id = 1, .mac = TOKEN_HMAC_SHA256};
    CU_ASSERT_EQUAL(secret_set(&go.keys.keys[0].key, "a key of the pdp", 16), 0);
    CU_ASSERT_EQUAL_FATAL(conf_parse(&policy_schema, SPAN(""), "policy.yaml", &conf, &report), 0);
    CU_ASSERT_EQUAL_FATAL(policy_new(conf_values(conf, 0), sim_rnd(sim), &policy), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(dnet, l, "pdp.ims.test", "ims.test", &pdp_d), 0);
    CU_ASSERT_EQUAL_FATAL(grants_new(l, sim_rnd(sim), db, &go, &grants, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(rx_new(l, pdp_d, grants, policy, &rxo, &rx), 0);
    CU_ASSERT_EQUAL_FATAL(qos_new(l, pdp_d, sim_rnd(sim), grants, &qo, &qos), 0);
}

static void begin_edge(void)
{
    static const struct control_ops ops = {on_event};
    struct gates_options go = {.timeout = 1500 * MSEC, .burst = SEC, .limit = 10};
    struct control_options co = {.sessions = 10,
                                 .linger = 4 * SEC,
                                 .silence = 60 * SEC,
                                 .hold = 600 * SEC,
                                 .unauthorized = 120 * SEC};
    struct ng_options no = {.local = at("10.46.2.35:2223"), .remember = 10 * SEC, .limit = 100};
    struct loop *l = sim_loop(sim, "edge");

    co.side[CONTROL_ACCESS].ip = at("10.46.1.36:0");
    co.side[CONTROL_CORE].ip = at("10.46.2.37:0");
    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        co.side[i].first_port = 30000;
        co.side[i].last_port = 30099;
        co.side[i].source = i == CONTROL_ACCESS ? access_source : RELAY_SOURCE_ADDRESS;
    }
    seen = BUF_ON(events);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(dnet, l, "edge.ims.test", "ims.test", &edge_d), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, l, &edge_net), 0);
    CU_ASSERT_EQUAL_FATAL(relay_fake_new(&relay), 0);
    CU_ASSERT_EQUAL_FATAL(
        gates_new(l, edge_d, sim_rnd(sim), relay_fake_port(relay), &go, &control_gates_ops, &gates),
        0);
    CU_ASSERT_EQUAL_FATAL(
        control_new(l, sim_rnd(sim), relay_fake_port(relay), gates, &co, &ops, NULL, &control), 0);
    CU_ASSERT_EQUAL_FATAL(
        ng_server_new(edge_net, sim_rnd(sim), &no, control_on_ng, control, &server), 0);
}

static void begin_with(enum relay_source source)
{
    static const struct authorize_ops ops = {on_abort};
    const struct authorize_options ao = {.timeout = 2 * SEC, .application = SPAN("ims.voice")};
    const struct media_options mo = {.local = at("10.46.2.11:0"),
                                     .edge = at("10.46.2.35:2223"),
                                     .retry = 500 * MSEC,
                                     .timeout = 2 * SEC,
                                     .limit = 10};
    struct loop *l;

    answers = aborted = 0;
    access_source = source;
    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(9, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(sim, &dnet), 0);
    begin_pdp();
    begin_edge();
    l = sim_loop(sim, "pcscf");
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(dnet, l, "pcscf.ims.test", "ims.test", &pcscf_d), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, l, &pcscf_net), 0);
    CU_ASSERT_EQUAL_FATAL(media_new(pcscf_net, sim_rnd(sim), &mo, &media), 0);
    CU_ASSERT_EQUAL_FATAL(authorize_new(l, pcscf_d, sim_rnd(sim), &ao, &ops, NULL, &authorize), 0);
    CU_ASSERT_EQUAL_FATAL(authorize_open(authorize, NULL, &af), 0);
}

static void begin(void)
{
    begin_with(RELAY_SOURCE_ADDRESS);
}

static void finish(void)
{
    static const char *const tails[] = {"", "-wal", "-shm"};

    if (af)
        authorize_close(af);
    af = NULL;
    sim_run(sim, SEC);
    control_free(control);
    sim_run(sim, SEC);
    ng_server_free(server);
    gates_free(gates);
    CU_ASSERT_EQUAL(relay_fake_open(relay), 0);
    relay_fake_free(relay);
    authorize_free(authorize);
    media_free(media);
    grants_free(grants);
    rx_free(rx);
    qos_free(qos);
    policy_free(policy);
    conf_free(conf);
    diameter_free(pcscf_d);
    diameter_free(edge_d);
    diameter_free(pdp_d);
    net_free(pcscf_net);
    net_free(edge_net);
    diameter_sim_free(dnet);
    wire_free(wire);
    sim_free(sim);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        char name[80];

        snprintf(name, sizeof(name), "%s%s", db, tails[i]);
        (void)unlink(name);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* ---- arrows ---- */

static void on_media(const struct media_answer *a, void *ctx)
{
    (void)ctx;
    answers++;
    said = *a;
    sdp_back[0] = reason[0] = '\0';
    if (a->sdp.p)
        CU_ASSERT_EQUAL(span_copy(a->sdp, sdp_back, sizeof(sdp_back)), 0);
    (void)span_copy(a->reason, reason, sizeof(reason));
}

static bool answered(void *ctx)
{
    return answers > *(unsigned *)ctx;
}

static enum media_result command(struct media_request *r)
{
    unsigned before = answers;

    r->call_id = SPAN("leg-1");
    CU_ASSERT_EQUAL_FATAL(media_send(media, r, on_media, NULL, NULL), 0);
    CU_ASSERT_TRUE_FATAL(sim_run_until(sim, answered, &before, 3 * SEC));
    return said.result;
}

/* As pcscf/session sends them: from-tag is the offerer's in both commands. */
static bool offer(bool from_phone, const char *sdp)
{
    struct media_request r = {.command = MEDIA_OFFER,
                              .from_tag = span_str(from_phone ? "phone" : "core"),
                              .from_side = from_phone ? "access" : "core",
                              .to_side = from_phone ? "core" : "access",
                              .sdp = span_str(sdp)};

    return command(&r) == MEDIA_OK;
}

static bool answer(bool from_phone, const char *sdp)
{
    struct media_request r = {.command = MEDIA_ANSWER,
                              .from_tag = span_str(from_phone ? "core" : "phone"),
                              .to_tag = span_str(from_phone ? "phone" : "core"),
                              .from_side = from_phone ? "access" : "core",
                              .to_side = from_phone ? "core" : "access",
                              .sdp = span_str(sdp)};

    return command(&r) == MEDIA_OK;
}

static void on_verdict(const struct authorize_result *r, void *ctx)
{
    (void)ctx;
    answers++;
    verdict = *r;
}

static enum authorize_verdict ask_pdp(const char *from_phone, const char *to_phone, bool offered)
{
    unsigned before = answers;
    struct authorize_media m = {.icid = SPAN("icid-1"),
                                .subscriber = SPAN("sip:alice@ims.test"),
                                .phone = at("10.46.1.101:6100"),
                                .from_phone = span_str(from_phone),
                                .to_phone = span_str(to_phone),
                                .offer_from_phone = offered};

    CU_ASSERT_EQUAL_FATAL(authorize_request(af, &m, on_verdict, NULL), 0);
    CU_ASSERT_TRUE_FATAL(sim_run_until(sim, answered, &before, 3 * SEC));
    return verdict.verdict;
}

static enum media_result hand_over(const struct secret *token)
{
    struct media_request r = {
        .command = MEDIA_AUTHORIZE, .from_tag = SPAN("phone"), .token = token};

    return command(&r);
}

static enum media_result delete_leg(void)
{
    struct media_request r = {.command = MEDIA_DELETE, .from_tag = SPAN("phone")};

    return command(&r);
}

/* The leg of the relay that an SDP of the edge names. */
static struct relay_stream *named_in(const char *sdp, const char *ip, unsigned *ret_leg)
{
    struct addr a = at(ip);
    unsigned port = 0;
    const char *m = strstr(sdp, "m=audio ");
    struct relay_stream *s;

    CU_ASSERT_TRUE_FATAL(m && sscanf(m, "m=audio %u", &port) == 1);
    a.port = (uint16_t)port;
    s = relay_fake_find(relay, &a, ret_leg);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static bool up(const char *sdp, const char *ip)
{
    unsigned leg;
    struct relay_stream *s = named_in(sdp, ip, &leg);

    return relay_fake_rule(s, leg)->gate == RELAY_GATE_OPEN;
}

#define ACCESS "10.46.1.36"
#define CORE   "10.46.2.37"

static char to_core[4000], to_phone[4000];

/* Offer and answer of a phone that calls. */
static void phone_calls(void)
{
    CU_ASSERT_TRUE(offer(true, PHONE_SDP("4000", "")));
    strcpy(to_core, sdp_back);
    CU_ASSERT_TRUE(answer(false, CORE_SDP("")));
    strcpy(to_phone, sdp_back);
}

static void a_phone_calls(void)
{
    struct secret first;
    unsigned leg;

    begin();
    phone_calls();
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    /* AAR, AAA with the token */
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    CU_ASSERT_TRUE_FATAL(verdict.token.n > 0);
    first = verdict.token;
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    /* the token to the edge, QAR, QAA */
    CU_ASSERT_EQUAL(hand_over(&first), MEDIA_OK);
    CU_ASSERT_STRING_EQUAL(reason, "");
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    relay_fake_packets(named_in(to_phone, ACCESS, &leg), 0, 50, 1);
    relay_fake_packets(named_in(to_core, CORE, &leg), 1, 40, 1);
    CU_ASSERT_TRUE(relay_fake_rule(named_in(to_phone, ACCESS, &leg), 0)->bytes_per_second >=
                   41000 / 8);
    CU_ASSERT_EQUAL(delete_leg(), MEDIA_OK);
    CU_ASSERT_EQUAL(said.packets, 90);
    CU_ASSERT_EQUAL(said.octets, 9000);
    CU_ASSERT_EQUAL(said.refused, 0);
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    authorize_close(af);
    af = NULL;
    sim_run(sim, SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized ended:deleted ");
    /* The token is over with its session: it raises nothing any more. */
    phone_calls();
    CU_ASSERT_EQUAL(hand_over(&first), MEDIA_REFUSED);
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    finish();
}

static void a_phone_is_called(void)
{
    struct secret token;

    begin();
    /* The INVITE's offer, and the token that goes with it to the phone (RFC 3313 5.2). */
    CU_ASSERT_TRUE(offer(false, CORE_SDP("")));
    strcpy(to_phone, sdp_back);
    CU_ASSERT_EQUAL(ask_pdp("", to_phone, false), AUTHORIZE_GRANTED);
    CU_ASSERT_TRUE_FATAL(verdict.token.n > 0);
    token = verdict.token;
    CU_ASSERT_TRUE(answer(true, PHONE_SDP("4000", "")));
    strcpy(to_core, sdp_back);
    /* Handed over before the answer is authorized: too early. */
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_REFUSED);
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, false), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    finish();
}

static void hold_and_move(void)
{
    struct secret token;

    begin();
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    token = verdict.token;
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    /* The phone holds: it sends, and does not want to hear. */
    CU_ASSERT_TRUE(offer(true, PHONE_SDP("4000", "a=sendonly\r\n")));
    CU_ASSERT_TRUE(answer(false, CORE_SDP("a=recvonly\r\n")));
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", "a=sendonly\r\n"), sdp_back, true),
                    AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_TRUE(up(to_phone, ACCESS));
    CU_ASSERT_FALSE(up(to_core, CORE));
    sim_run(sim, 10 * SEC); /* RAR, and the QAR it asks for */
    CU_ASSERT_TRUE(up(to_phone, ACCESS));
    CU_ASSERT_FALSE(up(to_core, CORE));
    /* It comes back, on another port. */
    CU_ASSERT_TRUE(offer(true, PHONE_SDP("4100", "")));
    CU_ASSERT_TRUE(answer(false, CORE_SDP("")));
    CU_ASSERT_FALSE(up(to_core, CORE));
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4100", ""), sdp_back, true), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    sim_run(sim, 10 * SEC);
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    finish();
}

/* "a=inactive" with RTP and RTCP on one port: nothing flows at all. */
static void hold_all(void)
{
    struct secret token;

    begin();
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    token = verdict.token;
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_TRUE(offer(true, PHONE_SDP("4000", "a=inactive\r\na=rtcp-mux\r\n")));
    CU_ASSERT_TRUE(answer(false, CORE_SDP("a=inactive\r\na=rtcp-mux\r\n")));
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", "a=inactive\r\na=rtcp-mux\r\n"), sdp_back, true),
                    AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    sim_run(sim, 10 * SEC);
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    finish();
}

static void other_flows(void)
{
    struct secret token;

    begin();
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    token = verdict.token;
    /* The edge is told of another phone than the PDP was. */
    CU_ASSERT_TRUE(offer(true, "v=0\r\no=- 1 1 IN IP4 10.46.1.66\r\ns=-\r\nc=IN IP4 10.46.1.66\r\n"
                               "t=0 0\r\nm=audio 4000 RTP/AVP 104\r\n"));
    CU_ASSERT_TRUE(answer(false, CORE_SDP("")));
    CU_ASSERT_EQUAL(hand_over(&token), MEDIA_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "not authorized"));
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    finish();
}

static void af_goes(void)
{
    begin();
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&verdict.token), MEDIA_OK);
    authorize_close(af); /* STR, and no delete: the PDP sees to it */
    af = NULL;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_FALSE(up(to_phone, ACCESS) || up(to_core, CORE));
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized lost:revoked ");
    finish();
}

static void a_long_call(void)
{
    begin();
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&verdict.token), MEDIA_OK);
    for (unsigned i = 0; i < 40; i++) { /* 33 minutes; the PDP's lifetime is 10 */
        unsigned leg;

        sim_run(sim, 50 * SEC);
        relay_fake_packets(named_in(to_phone, ACCESS, &leg), 0, 1, 1);
        CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    }
    CU_ASSERT_TRUE(gates_counters(gates)->asked >= 4);
    CU_ASSERT_EQUAL(gates_counters(gates)->lost[GATE_EXPIRED], 0);
    finish();
}

static void lossy(void)
{
    const struct wire_conditions bad = {
        .delay = 5000, .jitter = 3000, .loss = 300, .duplicate = 200};

    begin();
    wire_set(wire, &bad);
    phone_calls();
    CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
    CU_ASSERT_EQUAL(hand_over(&verdict.token), MEDIA_OK);
    CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
    CU_ASSERT_EQUAL(delete_leg(), MEDIA_OK);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized ended:deleted ");
    finish();
}

/* Octets a second of RTP and RTCP, in and out; every one of them is up. */
static void see_limits(uint64_t most)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned leg, port = 0;
        const struct relay_rule *r;
        struct addr a = at(ACCESS);

        CU_ASSERT_EQUAL_FATAL(sscanf(strstr(to_phone, "m=audio "), "m=audio %u", &port), 1);
        a.port = (uint16_t)(port + i / 2);
        r = relay_fake_rule(relay_fake_find(relay, &a, &leg), i % 2);
        CU_ASSERT_EQUAL(r->gate, RELAY_GATE_OPEN);
        CU_ASSERT_TRUE(r->bytes_per_second > 0 && r->bytes_per_second <= most);
    }
}

#define SDP_OF(ip, port, b)                                                                        \
    "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\nm=audio " port             \
    " RTP/AVP 104\r\n" b "a=rtpmap:104 AMR-WB/16000/1\r\n"

static void asked_for_nothing(void)
{
    static const struct {
        const char *phone, *core;
        uint64_t most; /* octets a second that any flow may get */
    } rows[] = {{"b=AS:41\r\n", "b=AS:41\r\n", 41000 / 8},
                {"b=AS:0\r\n", "b=AS:41\r\n", 41000 / 8},
                {"b=AS:0\r\n", "b=AS:0\r\n", 125},
                {"b=TIAS:7\r\n", "b=TIAS:7\r\n", 125},
                {"b=AS:41\r\nb=RS:1\r\nb=RR:0\r\n", "b=AS:41\r\n", 41000 / 8},
                {"", "", 128000 / 8}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char phone[400], core[400];
        struct secret token;

        snprintf(phone, sizeof(phone), SDP_OF("10.46.1.101", "4000", "%s"), rows[i].phone);
        snprintf(core, sizeof(core), SDP_OF("10.9.9.9", "5000", "%s"), rows[i].core);
        begin();
        CU_ASSERT_TRUE(offer(true, phone));
        CU_ASSERT_TRUE(answer(false, core));
        strcpy(to_phone, sdp_back);
        CU_ASSERT_EQUAL_FATAL(ask_pdp(phone, to_phone, true), AUTHORIZE_GRANTED);
        token = verdict.token;
        CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
        see_limits(rows[i].most);
        finish();
    }
}

/* The PDP knows the phone by the address of its session description; which port or NAT its packets
 * come from is the edge's to find out. */
static void any_source(void)
{
    static const enum relay_source sources[] = {RELAY_SOURCE_STRICT, RELAY_SOURCE_ADDRESS,
                                                RELAY_SOURCE_LATCH};

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct secret token;
        unsigned leg;

        begin_with(sources[i]);
        phone_calls();
        CU_ASSERT_EQUAL(ask_pdp(PHONE_SDP("4000", ""), to_phone, true), AUTHORIZE_GRANTED);
        token = verdict.token;
        CU_ASSERT_EQUAL(hand_over(&token), MEDIA_OK);
        CU_ASSERT_TRUE(up(to_phone, ACCESS) && up(to_core, CORE));
        CU_ASSERT_EQUAL(relay_fake_rule(named_in(to_phone, ACCESS, &leg), CONTROL_ACCESS)->source,
                        sources[i]);
        finish();
    }
}

TEST_MAIN("flow/media",
          {"a phone calls: token, gates, counters; a used token is over", a_phone_calls},
          {"a phone is called: the token goes with the offer, the gates wait for the answer",
           a_phone_is_called},
          {"hold, and back on another port", hold_and_move},
          {"all media on hold, and back", hold_all},
          {"a token is good for its own flows only", other_flows},
          {"the P-CSCF ends its AF session only: the PDP has the gates lowered", af_goes},
          {"a long call's authorization is renewed", a_long_call},
          {"whatever bandwidth is asked for, every flow has a limit", asked_for_nothing},
          {"however the edge finds a phone's packets, its flows are granted", any_source},
          {"commands that are lost, late or doubled come to the same", lossy})
