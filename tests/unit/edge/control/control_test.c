/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole edge sessions on virtual time: ng commands on the simulated network, a PDP on the simulated
 * Diameter network, a relay without sockets. */
#include "edge/control/control.h"

#include <errno.h>
#include <stdio.h>

#include "common/diameter/sim.h"
#include "common/net/netsim.h"
#include "common/osip/osipmem.h"
#include "common/token/token.h"
#include "edge/relay/fake.h"
#include "tests/support/suite.h"

static struct sim *sim;
static struct wire *wire;
static struct net *edge_net, *pcscf_net;
static struct net_udp *pcscf;
static struct diameter_sim *dnet;
static struct diameter *edge_d, *pdp;
static struct relay_fake *relay;
static struct gates *gates;
static struct control *control;
static struct ng_server *server;
static struct addr server_at;
static struct secret token;

static char reply[70000];
static struct span answer; /* the last answer's dictionary */
static struct ng_doc doc;
static unsigned cookie;
static char events[2000];
static struct buf seen;
static struct control_event last_event;

/* the PDP */
static unsigned qars, strs;
static bool pdp_refuses, pdp_silent;
static char asked[1024], pdp_session[200];

static struct addr at(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(s), 0, &a), 0);
    return a;
}

static void on_pdp(void *ctx, struct handle request, const struct diameter_request *rq)
{
    struct diameter_answer ans = {.result = pdp_refuses ? DIAMETER_AUTHORIZATION_REJECTED
                                                        : DIAMETER_SUCCESS};
    struct buf b = BUF_ON(asked);

    (void)ctx;
    if (rq->kind == DIAMETER_ST) {
        strs++;
    } else {
        qars++;
        (void)span_copy(rq->session_id, pdp_session, sizeof(pdp_session));
        for (size_t i = 0; i < rq->qar.n_filters; i++) {
            buf_put(&b, rq->qar.filters[i].id);
            buf_putc(&b, ' ');
            diameter_flow_put(&b, &rq->qar.filters[i].flow);
            buf_putc(&b, '\n');
        }
        asked[b.n] = '\0';
        if (pdp_silent)
            return;
        if (!pdp_refuses) {
            ans.qaa.n_filters = rq->qar.n_filters;
            memcpy(ans.qaa.filters, rq->qar.filters, sizeof(ans.qaa.filters));
        }
    }
    CU_ASSERT_EQUAL(diameter_answer(pdp, request, &ans), 0);
}

static void on_event(void *ctx, const struct control_event *e)
{
    (void)ctx;
    buf_fmt(&seen, "%s%s%s ", control_event_name(e->kind), e->detail[0] ? ":" : "", e->detail);
    last_event = *e;
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)u, (void)from, (void)ctx;
    CU_ASSERT_TRUE_FATAL(data.n < sizeof(reply));
    memcpy(reply, data.p, data.n);
    answer = span_of(reply, data.n);
    (void)span_cut(&answer, ' ');
}

static struct control_options options(void)
{
    struct control_options o = {.sessions = 3,
                                .linger = 10 * SEC,
                                .silence = 60 * SEC,
                                .hold = 600 * SEC,
                                .unauthorized = 120 * SEC};

    o.side[CONTROL_ACCESS].ip = at("10.1.0.1:0");
    o.side[CONTROL_CORE].ip = at("10.2.0.1:0");
    for (unsigned i = 0; i < 2; i++) {
        o.side[i].first_port = 30000;
        o.side[i].last_port = 30007;
        o.side[i].source = RELAY_SOURCE_ADDRESS;
    }
    return o;
}

static void begin(enum gate_mode mode)
{
    static const struct net_udp_ops udp = {on_datagram};
    static const struct control_ops ops = {on_event};
    struct gates_options go = {.mode = mode, .timeout = 2 * SEC, .burst = SEC, .limit = 10};
    struct control_options co = options();
    struct ng_options no = {.remember = 10 * SEC, .limit = 100};
    struct token_claims claims = {.n_session = 4};
    struct addr a = at("10.0.0.9:4444");
    struct loop *l;

    qars = strs = 0;
    pdp_refuses = pdp_silent = false;
    seen = BUF_ON(events);
    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    CU_ASSERT_EQUAL_FATAL(token_build(&claims, NULL, &token), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    l = sim_loop(sim, "edge");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, l, &edge_net), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "pcscf"), &pcscf_net), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(sim, &dnet), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(dnet, l, "edge.example", "example", &edge_d), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(dnet, sim_loop(sim, "pdp"), "pdp.example", "example", &pdp), 0);
    CU_ASSERT_EQUAL(diameter_serve(pdp, DIAMETER_APP_QOS, on_pdp, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(relay_fake_new(&relay), 0);
    const struct relay_port *port = relay_fake_port(relay);
    CU_ASSERT_EQUAL_FATAL(gates_new(l, edge_d, sim_rnd(sim), port, &go, &control_gates_ops, &gates),
                          0);
    CU_ASSERT_EQUAL_FATAL(control_new(l, sim_rnd(sim), port, gates, &co, &ops, NULL, &control), 0);
    no.local = server_at = at("10.0.0.1:2223");
    CU_ASSERT_EQUAL_FATAL(
        ng_server_new(edge_net, sim_rnd(sim), &no, control_on_ng, control, &server), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(pcscf_net, &a, NULL, &udp, NULL, &pcscf), 0);
}

static void finish(void)
{
    control_free(control);
    ng_server_free(server);
    sim_run(sim, SEC);
    gates_free(gates);
    CU_ASSERT_EQUAL(relay_fake_open(relay), 0);
    relay_fake_free(relay);
    diameter_free(edge_d);
    diameter_free(pdp);
    diameter_sim_free(dnet);
    net_udp_close(pcscf);
    net_free(edge_net);
    net_free(pcscf_net);
    wire_free(wire);
    sim_free(sim);
}

/* Keys and values in turn, NULL ends; a list's words are parted by blanks. Then 100 ms pass. */
static void send_command(const char *const *pairs)
{
    static char text[40000];
    struct buf b = BUF_ON(text);

    buf_fmt(&b, "%u d", ++cookie);
    for (; pairs[0]; pairs += 2) {
        ng_put_key(&b, pairs[0]);
        if (strcmp(pairs[0], "direction") == 0 || strcmp(pairs[0], "replace") == 0) {
            struct span rest = span_str(pairs[1]);

            ng_put_begin(&b, 'l');
            while (rest.p)
                ng_put_text(&b, span_cut(&rest, ' '));
            ng_put_end(&b);
        } else if (strcmp(pairs[0], "authorization-token") == 0) {
            ng_put_text(&b, span_of(token.bytes, token.n));
        } else {
            ng_put_text(&b, span_str(pairs[1]));
        }
    }
    buf_putc(&b, 'e');
    CU_ASSERT_FALSE_FATAL(b.overflow);
    answer = SPAN_NONE;
    CU_ASSERT_EQUAL(net_udp_send(pcscf, &server_at, buf_span(&b)), 0);
    sim_run(sim, 100 * MSEC);
}

static bool read_answer(void)
{
    CU_ASSERT_EQUAL_FATAL(ng_parse(answer, &doc), 0);
    return span_eq(ng_find_text(&doc, &doc.values[0], "result"), SPAN("ok"));
}

#define SEND(...) send_command((const char *const[]){__VA_ARGS__, NULL})
#define ASK(...)  (SEND(__VA_ARGS__), read_answer())

static void assert_why(const char *part)
{
    char text[400] = "";

    (void)span_copy(ng_find_text(&doc, &doc.values[0], "error-reason"), text, sizeof(text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    if (!strstr(text, part))
        printf("    not \"%s\" but \"%s\"\n", part, text);
}

#define PHONE_SDP                                                                                  \
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"                      \
    "m=audio 4000 RTP/AVP 104\r\na=rtpmap:104 AMR-WB/16000/1\r\na=X-strange: keep  me\r\n"
#define CORE_SDP                                                                                   \
    "v=0\r\no=- 7 7 IN IP4 10.9.9.9\r\ns=-\r\nt=0 0\r\n"                                           \
    "m=audio 5000 RTP/AVP 104\r\nc=IN IP4 10.9.9.9\r\na=rtpmap:104 AMR-WB/16000/1\r\n"

static char rewritten[40000];

static const char *sdp_of_answer(void)
{
    CU_ASSERT_EQUAL(
        span_copy(ng_find_text(&doc, &doc.values[0], "sdp"), rewritten, sizeof(rewritten)), 0);
    return rewritten;
}

/* The edge's audio port in the rewritten description. */
static struct addr here(const char *ip)
{
    struct addr a = {0};
    unsigned p = 0;
    const char *m = strstr(sdp_of_answer(), "m=audio ");

    CU_ASSERT_TRUE_FATAL(m && sscanf(m, "m=audio %u", &p) == 1);
    CU_ASSERT_EQUAL(addr_parse_ip(span_str(ip), (uint16_t)p, &a), 0);
    return a;
}

static struct addr access_at, core_at;

static void offer_and_answer(const char *call)
{
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", call, "from-tag", "phone", "direction",
                       "access core", "sdp", PHONE_SDP));
    core_at = here("10.2.0.1");
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", call, "from-tag", "phone", "to-tag", "core",
                       "sdp", CORE_SDP));
    access_at = here("10.1.0.1");
}

static bool authorize(const char *call)
{
    return ASK("authorization-token", "", "call-id", call, "command", "authorize", "from-tag",
               "phone");
}

static struct relay_stream *stream_at(struct addr a, unsigned odd, unsigned *ret_leg)
{
    struct relay_stream *s;

    a.port = (uint16_t)(a.port + odd);
    s = relay_fake_find(relay, &a, ret_leg);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static const struct relay_rule *rule_at(struct addr a, unsigned odd)
{
    unsigned leg;
    struct relay_stream *s = stream_at(a, odd, &leg);

    return relay_fake_rule(s, leg);
}

static bool up_at(struct addr a, unsigned odd)
{
    return rule_at(a, odd)->gate == RELAY_GATE_OPEN;
}

static void packets_at(struct addr a, unsigned n)
{
    unsigned leg;
    struct relay_stream *s = stream_at(a, 0, &leg);

    relay_fake_packets(s, leg, n, 1);
}

/* Of the phone's audio in the answer to query or delete. */
static const struct ng_value *phone_stream(void)
{
    const struct ng_value *v =
        ng_find(&doc, ng_find(&doc, &doc.values[0], "tags", NG_DICT), "phone", NG_DICT);

    v = ng_first(&doc, ng_find(&doc, v, "medias", NG_LIST));
    v = ng_first(&doc, ng_find(&doc, v, "streams", NG_LIST));
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    return v;
}

static int64_t stat(const char *name)
{
    const struct ng_value *v =
        ng_find(&doc, ng_find(&doc, phone_stream(), "stats", NG_DICT), name, NG_NUMBER);

    return v ? v->number : -1;
}

static void call_of_a_phone(void)
{
    char want[400];
    struct addr phone_rtp = at("10.0.0.1:4000"), core_rtp = at("10.9.9.9:5000");

    begin(GATE_ASK_PDP);
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "direction",
                       "access core", "replace", "origin session-connection", "sdp", PHONE_SDP));
    core_at = here("10.2.0.1");
    CU_ASSERT_TRUE(core_at.port >= 30000 && core_at.port <= 30006 && core_at.port % 2 == 0);
    snprintf(want, sizeof(want),
             "v=0\r\no=- 1 1 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\n"
             "m=audio %u RTP/AVP 104\r\na=rtpmap:104 AMR-WB/16000/1\r\na=X-strange: keep  me\r\n",
             core_at.port);
    CU_ASSERT_STRING_EQUAL(rewritten, want);
    CU_ASSERT_FALSE(up_at(core_at, 0));
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                       "sdp", CORE_SDP));
    access_at = here("10.1.0.1");
    CU_ASSERT_PTR_NOT_NULL(strstr(rewritten, "c=IN IP4 10.1.0.1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(rewritten, "o=- 7 7 IN IP4 10.9.9.9")); /* not asked for */
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    packets_at(access_at, 3); /* too early */

    CU_ASSERT_TRUE(authorize("c1"));
    CU_ASSERT_EQUAL(qars, 1);
    snprintf(want, sizeof(want),
             "1.1 permit in 17 from 10.0.0.1 to 10.1.0.1 %u\n"
             "1.1 permit out 17 from 10.1.0.1 %u to 10.0.0.1 4000\n"
             "1.2 permit in 17 from 10.0.0.1 to 10.1.0.1 %u\n"
             "1.2 permit out 17 from 10.1.0.1 %u to 10.0.0.1 4001\n",
             access_at.port, access_at.port, access_at.port + 1, access_at.port + 1);
    CU_ASSERT_STRING_EQUAL(asked, want);
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0));
    CU_ASSERT_TRUE(up_at(access_at, 1) && up_at(core_at, 1));
    CU_ASSERT_TRUE(addr_eq(&rule_at(access_at, 0)->peer, &phone_rtp));
    CU_ASSERT_TRUE(addr_eq(&rule_at(core_at, 0)->peer, &core_rtp));
    packets_at(access_at, 50);
    packets_at(core_at, 40);

    CU_ASSERT_TRUE(ASK("command", "query", "call-id", "c1", "from-tag", "phone"));
    ASSERT_SPAN_EQ(ng_find_text(&doc, phone_stream(), "gate"), "up");
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone"));
    ASSERT_SPAN_EQ(ng_find_text(&doc, phone_stream(), "gate"), "ended");
    CU_ASSERT_EQUAL(stat("packets"), 50);
    CU_ASSERT_EQUAL(stat("bytes"), 5000);
    CU_ASSERT_EQUAL(stat("refused"), 3);
    CU_ASSERT_EQUAL(stat("refused-closed"), 3);
    CU_ASSERT_EQUAL(rule_at(access_at, 0)->gate, RELAY_GATE_ENDED);
    CU_ASSERT_EQUAL(rule_at(core_at, 1)->gate, RELAY_GATE_ENDED);
    CU_ASSERT_EQUAL(strs, 1);
    CU_ASSERT_EQUAL(last_event.packets, 90);
    CU_ASSERT_EQUAL(last_event.refused, 3);
    sim_run(sim, 20 * SEC);
    CU_ASSERT_EQUAL(relay_fake_open(relay), 0);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized ended:deleted ");
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone")); /* no error */
    CU_ASSERT_FALSE(ASK("call-id", "c1", "command", "query", "from-tag", "phone"));
    finish();
}

static void media_after_bye(void)
{
    begin(GATE_ASK_PDP);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(authorize("c1"));
    packets_at(access_at, 50);
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone"));
    packets_at(access_at, 5); /* was on its way */
    sim_run(sim, 4 * SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized ended:deleted ");
    packets_at(access_at, 7);
    sim_run(sim, 2 * SEC);
    ASSERT_SPAN_EQ(buf_span(&seen),
                   "opened authorized ended:deleted media-after-end:media goes on ");
    CU_ASSERT_EQUAL(last_event.after_end, 7);
    packets_at(access_at, 7);
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "query")); /* it can still be asked */
    CU_ASSERT_EQUAL(stat("refused-ended"), 19);
    sim_run(sim, 6 * SEC);
    CU_ASSERT_EQUAL(last_event.after_end, 14);
    CU_ASSERT_EQUAL(control_counters(control)->after_end_packets, 14);
    CU_ASSERT_EQUAL(relay_fake_open(relay), 0);
    finish();
}

static void not_authorized(void)
{
    begin(GATE_ASK_PDP);
    CU_ASSERT_FALSE(authorize("c1"));
    assert_why("unknown call-id");
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "direction",
                       "access core", "sdp", PHONE_SDP));
    CU_ASSERT_FALSE(authorize("c1"));
    assert_why("nothing to authorize");
    offer_and_answer("c1");
    CU_ASSERT_FALSE(ASK("call-id", "c1", "command", "authorize", "from-tag", "phone"));
    assert_why("RFC 3520");
    pdp_refuses = true;
    CU_ASSERT_FALSE(authorize("c1"));
    assert_why("AUTHORIZATION_REJECTED");
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    pdp_refuses = false;
    pdp_silent = true;
    SEND("authorization-token", "", "call-id", "c1", "command", "authorize", "from-tag", "phone");
    CU_ASSERT_PTR_NULL(answer.p);
    sim_run(sim, 3 * SEC);
    CU_ASSERT_FALSE(read_answer());
    assert_why("did not answer");
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    /* Deleted while the PDP is asked: nothing goes up later. */
    SEND("authorization-token", "", "call-id", "c1", "command", "authorize", "from-tag", "phone");
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone"));
    sim_run(sim, 3 * SEC);
    CU_ASSERT_EQUAL(rule_at(access_at, 0)->gate, RELAY_GATE_ENDED);
    finish();
}

static void on_asa(void *ctx, int error, const struct diameter_answer *ans)
{
    (void)ctx, (void)error, (void)ans; /* seen in edge/gate's tests */
}

static void revoked(void)
{
    struct diameter_request rq = {
        .kind = DIAMETER_AS, .app = DIAMETER_APP_QOS, .destination_host = SPAN("edge.example")};

    begin(GATE_ASK_PDP);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(authorize("c1"));
    rq.session_id = span_str(pdp_session);
    CU_ASSERT_EQUAL(diameter_send(pdp, &rq, sim_now(sim) + SEC, on_asa, NULL, NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    CU_ASSERT_EQUAL(rule_at(access_at, 0)->gate, RELAY_GATE_CLOSED);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized lost:revoked ");
    finish();
}

static void hold_and_resume(void)
{
    begin(GATE_ASK_PDP);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(authorize("c1"));
    /* The other side holds: its media may come, the phone's may not go. */
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "core", "direction",
                       "core access", "sdp", CORE_SDP "a=sendonly\r\n"));
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0)); /* not answered yet */
    struct addr again = here("10.1.0.1");
    CU_ASSERT_TRUE(addr_eq(&again, &access_at)); /* ports stay */
    CU_ASSERT_FALSE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                        "sdp", CORE_SDP)); /* it is the other's turn */
    assert_why("no offer from that tag");
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "core", "to-tag", "phone",
                       "sdp", PHONE_SDP "a=recvonly\r\n"));
    CU_ASSERT_FALSE(up_at(access_at, 0));
    CU_ASSERT_TRUE(up_at(core_at, 0));
    CU_ASSERT_TRUE(up_at(access_at, 1) && up_at(core_at, 1)); /* RTCP goes on */
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "core", "sdp", CORE_SDP));
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "core", "to-tag", "phone",
                       "sdp", PHONE_SDP));
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0)); /* covered by what was granted */
    CU_ASSERT_EQUAL(qars, 1);
    /* The phone moves: its new address is not authorized until the PDP says so. */
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "sdp",
                       "v=0\r\no=- 1 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"
                       "m=audio 4100 RTP/AVP 104\r\n"));
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                       "sdp", CORE_SDP));
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    CU_ASSERT_TRUE(authorize("c1"));
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0));
    CU_ASSERT_EQUAL(qars, 2);
    finish();
}

static void hold_by_address(void)
{
    begin(GATE_OPEN);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0));
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "sdp",
                       "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                       "m=audio 4000 RTP/AVP 104\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp_of_answer(), "c=IN IP4 0.0.0.0"));
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                       "sdp", CORE_SDP));
    CU_ASSERT_FALSE(up_at(access_at, 0) || up_at(core_at, 0));
    finish();
}

static void around_the_edge(void)
{
    begin(GATE_ASK_PDP);
    CU_ASSERT_TRUE(ASK(
        "command", "offer", "call-id", "c1", "from-tag", "phone", "direction", "access core", "sdp",
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
        "a=group:BUNDLE 0 1\r\na=ice-lite\r\na=group:LS 0 1\r\n"
        "m=audio 4000 RTP/AVP 0\r\na=rtcp:4444 IN IP4 10.0.0.77\r\na=ice-ufrag:x\r\n"
        "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host\r\na=candidate-like:keep\r\n"
        "a=altc:1 IP4 10.0.0.1 4000\r\na=ccap:1 IN IP4 10.0.0.1\r\n"
        "m=message 7000 TCP/MSRP *\r\na=path:msrp://10.0.0.1:7000/x;tcp\r\n"
        "m=image 4010 udptl t38\r\n"
        "m=video 0 RTP/AVP 31\r\n"));
    const char *sdp = sdp_of_answer();
    CU_ASSERT_PTR_NULL(strstr(sdp, "BUNDLE"));
    CU_ASSERT_PTR_NULL(strstr(sdp, "a=ice"));
    CU_ASSERT_PTR_NULL(strstr(sdp, "a=candidate:"));
    CU_ASSERT_PTR_NULL(strstr(sdp, "a=altc:"));
    CU_ASSERT_PTR_NULL(strstr(sdp, "a=ccap:"));
    CU_ASSERT_PTR_NULL(strstr(sdp, "a=rtcp:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp, "a=candidate-like:keep\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp, "a=group:LS 0 1\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp, "m=message 0 TCP/MSRP *\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp, "m=video 0 RTP/AVP 31\r\n"));
    CU_ASSERT_EQUAL(relay_fake_open(relay), 3); /* audio with RTCP, image without */
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                       "sdp",
                       "v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\n"
                       "m=audio 5000 RTP/AVP 0\r\nm=message 5555 TCP/MSRP *\r\n"
                       "m=image 0 udptl t38\r\nm=video 5600 RTP/AVP 31\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sdp_of_answer(), "m=video 0 ")); /* it was not offered */
    CU_ASSERT_TRUE(authorize("c1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(asked, "to 10.0.0.77 4444\n")); /* RTCP where the phone said */
    CU_ASSERT_PTR_NULL(strstr(asked, "2.1"));
    CU_ASSERT_PTR_NULL(strstr(asked, "3.1"));
    CU_ASSERT_PTR_NULL(strstr(asked, "4.1"));
    finish();
}

static void mux(void)
{
    begin(GATE_ASK_PDP);
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "sdp",
                       PHONE_SDP "a=rtcp-mux\r\n"));
    CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", "phone", "to-tag", "core",
                       "sdp", CORE_SDP "a=rtcp-mux\r\n"));
    CU_ASSERT_TRUE(authorize("c1"));
    CU_ASSERT_PTR_NULL(strstr(asked, "1.2"));
    finish();
}

static void refusals(void)
{
    begin(GATE_ASK_PDP);
    CU_ASSERT_FALSE(ASK("command", "dance"));
    assert_why("unknown command");
    CU_ASSERT_FALSE(ASK("command", "offer", "sdp", PHONE_SDP));
    assert_why("no call-id");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "sdp", PHONE_SDP));
    assert_why("no from-tag");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a"));
    assert_why("no sdp");
    CU_ASSERT_FALSE(
        ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp", "v=0\r\nm=audio\r\n"));
    assert_why("sdp line");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "direction",
                        "access moon", "sdp", PHONE_SDP));
    assert_why("direction must be");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "direction",
                        "core core", "sdp", PHONE_SDP));
    assert_why("twice");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp",
                        "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
                        "m=audio 4000 RTP/AVP 0\r\n"));
    assert_why("other family");
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp",
                        "v=0\r\no=- 1 1 IN IP4 h.example\r\ns=-\r\nc=IN IP4 h.example\r\nt=0 0\r\n"
                        "m=audio 4000 RTP/AVP 0\r\n"));
    assert_why("a name");
    CU_ASSERT_FALSE(
        ASK("command", "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", CORE_SDP));
    assert_why("unknown call-id");
    CU_ASSERT_EQUAL(control_counters(control)->sessions, 0);
    CU_ASSERT_EQUAL(control_counters(control)->lingering, 0);
    CU_ASSERT_EQUAL(relay_fake_open(relay) + seen.n, 0);
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp", PHONE_SDP));
    CU_ASSERT_FALSE(
        ASK("command", "answer", "call-id", "c1", "from-tag", "x", "to-tag", "b", "sdp", CORE_SDP));
    assert_why("no offer from that tag");
    CU_ASSERT_FALSE(ASK("command", "answer", "call-id", "c1", "from-tag", "a", "sdp", CORE_SDP));
    assert_why("no to-tag");
    CU_ASSERT_FALSE(ASK("command", "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp",
                        CORE_SDP "m=audio 5002 RTP/AVP 0\r\nc=IN IP4 10.9.9.9\r\n"));
    assert_why("more m= lines");
    CU_ASSERT_FALSE(ASK("call-id", "c1", "command", "delete", "from-tag", "stranger"));
    assert_why("unknown from-tag");
    SEND("command", "ping");
    CU_ASSERT_EQUAL(ng_parse(answer, &doc), 0);
    ASSERT_SPAN_EQ(ng_find_text(&doc, &doc.values[0], "result"), "pong");
    finish();
}

static void bounds(void)
{
    begin(GATE_ASK_PDP);
    relay_fake_fail_open(relay, 0, -EADDRINUSE); /* another program has the pair */
    offer_and_answer("c1");
    CU_ASSERT_EQUAL(relay_fake_open(relay), 2);
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "phone", "sdp",
                       PHONE_SDP "m=audio 10 RTP/AVP 0\r\nm=audio 12 RTP/AVP 0\r\n"
                                 "m=audio 14 RTP/AVP 0\r\n"));
    CU_ASSERT_EQUAL(relay_fake_open(relay), 8); /* the pair that was taken was given back */
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone"));
    sim_run(sim, 12 * SEC);
    offer_and_answer("c1");
    relay_fake_fail_open(relay, 1, -EMFILE);
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c2", "from-tag", "a", "sdp", PHONE_SDP));
    assert_why("LimitNOFILE");
    CU_ASSERT_EQUAL(relay_fake_open(relay), 2);
    /* Four pairs a side: one call has one, the next wants four. */
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c3", "from-tag", "a", "sdp",
                        PHONE_SDP "m=audio 10 RTP/AVP 0\r\nm=audio 12 RTP/AVP 0\r\n"
                                  "m=audio 14 RTP/AVP 0\r\n"));
    assert_why("no port pair");
    CU_ASSERT_EQUAL(control_counters(control)->ports_out, 1);
    CU_ASSERT_EQUAL(relay_fake_open(relay), 2);
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c4", "from-tag", "a", "sdp", PHONE_SDP));
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c5", "from-tag", "a", "sdp", PHONE_SDP));
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c6", "from-tag", "a", "sdp", PHONE_SDP));
    assert_why("as many sessions");
    CU_ASSERT_TRUE(ASK("call-id", "c4", "command", "delete", "from-tag", "a"));
    sim_run(sim, 12 * SEC);
    control_drain(control);
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c6", "from-tag", "a", "sdp", PHONE_SDP));
    assert_why("shutting down");
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c5", "from-tag", "a", "sdp", PHONE_SDP));
    finish();
}

static void silence(void)
{
    begin(GATE_ASK_PDP);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(authorize("c1"));
    for (unsigned i = 0; i < 4; i++) {
        packets_at(access_at, 1);
        sim_run(sim, 50 * SEC);
    }
    CU_ASSERT_EQUAL(control_counters(control)->sessions, 1);
    sim_run(sim, 20 * SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened authorized ended:silent ");
    CU_ASSERT_EQUAL(strs, 1);
    sim_run(sim, 12 * SEC);
    seen.n = 0;
    offer_and_answer("c2");
    sim_run(sim, 130 * SEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "opened ended:unauthorized ");
    CU_ASSERT_EQUAL(control_counters(control)->sessions, 0);
    finish();
}

static void standalone(void)
{
    begin(GATE_OPEN);
    /* As Kamailio's rtpengine module or a load generator: no direction, no token. */
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp", PHONE_SDP));
    core_at = here("10.2.0.1");
    CU_ASSERT_TRUE(
        ASK("command", "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", CORE_SDP));
    access_at = here("10.1.0.1");
    CU_ASSERT_TRUE(up_at(access_at, 0) && up_at(core_at, 0));
    CU_ASSERT_EQUAL(qars, 0);
    /* A lingering call-id may be used again, with other ports. */
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "a"));
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp", PHONE_SDP));
    struct addr again = here("10.2.0.1");
    CU_ASSERT_NOT_EQUAL(again.port, core_at.port);
    finish();
}

static void refused_offer_of_a_lingering_call(void)
{
    begin(GATE_OPEN);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c2", "from-tag", "a", "sdp", PHONE_SDP));
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c3", "from-tag", "a", "sdp", PHONE_SDP));
    packets_at(access_at, 5);
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", "phone"));
    /* Three sessions, the one that lingers among them. */
    CU_ASSERT_FALSE(ASK("command", "offer", "call-id", "c1", "from-tag", "a", "sdp", PHONE_SDP));
    assert_why("as many sessions");
    CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "query"));
    CU_ASSERT_EQUAL(stat("packets"), 5);
    CU_ASSERT_TRUE(ASK("call-id", "c2", "command", "delete", "from-tag", "a"));
    sim_run(sim, 5 * SEC);
    CU_ASSERT_TRUE(ASK("call-id", "c3", "command", "delete", "from-tag", "a"));
    sim_run(sim, 6 * SEC); /* c1 and c2 are forgotten */
    CU_ASSERT_FALSE(ASK("call-id", "c3", "command", "offer", "from-tag", "a", "sdp", "nothing"));
    assert_why("does not begin with v=0");
    CU_ASSERT_TRUE(ASK("call-id", "c3", "command", "query"));
    ASSERT_SPAN_EQ(buf_span(&seen), "opened opened opened ended:deleted ended:deleted "
                                    "ended:deleted ");
    CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c3", "from-tag", "b", "sdp", PHONE_SDP));
    CU_ASSERT_TRUE(ASK("call-id", "c3", "command", "delete", "from-tag", "b")); /* the new one */
    finish();
}

/* Where the dictionary of a tag begins in the answer. */
static const char *tag_at(const char *tag)
{
    const struct ng_value *v =
        ng_find(&doc, ng_find(&doc, &doc.values[0], "tags", NG_DICT), tag, NG_DICT);

    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    return v->key.p;
}

/* BEP 3: the keys of a dictionary differ and are sorted; a tag may be any word. */
static void tags_of_any_name(void)
{
    static const char *const tags[] = {"core", "access", "zz", "a"};

    begin(GATE_OPEN);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        const struct ng_value *sides;

        CU_ASSERT_TRUE(ASK("command", "offer", "call-id", "c1", "from-tag", tags[i], "direction",
                           "access core", "sdp", PHONE_SDP));
        CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "query"));
        sides = ng_find(&doc, &doc.values[0], "tags", NG_DICT);
        CU_ASSERT_PTR_NOT_NULL(ng_find(&doc, sides, tags[i], NG_DICT));
        CU_ASSERT_PTR_NOT_NULL(ng_find(&doc, sides, "", NG_DICT)); /* nobody there yet */
        CU_ASSERT_TRUE(ASK("command", "answer", "call-id", "c1", "from-tag", tags[i], "to-tag", "m",
                           "sdp", CORE_SDP));
        CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "query"));
        sides = ng_find(&doc, &doc.values[0], "tags", NG_DICT);
        CU_ASSERT_PTR_NOT_NULL(ng_find(&doc, sides, tags[i], NG_DICT));
        CU_ASSERT_PTR_NOT_NULL(ng_find(&doc, sides, "m", NG_DICT));
        CU_ASSERT_PTR_NULL(ng_find(&doc, sides, "", NG_DICT));
        CU_ASSERT_EQUAL(strcmp(tags[i], "m") < 0, tag_at(tags[i]) < tag_at("m"));
        CU_ASSERT_TRUE(ASK("call-id", "c1", "command", "delete", "from-tag", tags[i]));
        sim_run(sim, 12 * SEC);
    }
    finish();
}

static bool count_views(void *ctx, const struct control_flow_view *v)
{
    unsigned *n = ctx;

    CU_ASSERT_TRUE(v->local.port >= 30000 && v->type.n == 5 && v->up);
    CU_ASSERT_EQUAL(v->remote.family, AF_INET);
    ++*n;
    return true;
}

static void looking_around(void)
{
    unsigned n = 0;

    begin(GATE_ASK_PDP);
    offer_and_answer("c1");
    CU_ASSERT_TRUE(authorize("c1"));
    control_each(control, SPAN_NONE, count_views, &n);
    CU_ASSERT_EQUAL(n, 4);
    control_each(control, SPAN("c1"), count_views, &n);
    CU_ASSERT_EQUAL(n, 8);
    control_each(control, SPAN("c2"), count_views, &n);
    CU_ASSERT_EQUAL(n, 8);
    finish();
}

TEST_MAIN("edge/control",
          {"a call: ports, gates down, token, gates up, counters, gates down", call_of_a_phone},
          {"media after BYE is counted and reported, what was on its way is not", media_after_bye},
          {"without the PDP's yes nothing goes up, and the client is told why", not_authorized},
          {"the PDP revokes: gates fall, the session stays", revoked},
          {"hold, resume and a phone that moves", hold_and_resume},
          {"hold by address stays hold, and nothing flows", hold_by_address},
          {"nothing in the description leads around the edge", around_the_edge},
          {"RTCP multiplexed with RTP needs no flow of its own", mux},
          {"what cannot be done is refused with a reason and leaves nothing", refusals},
          {"sessions, ports and descriptors are bounded", bounds},
          {"a session without media or authorization ends", silence},
          {"without a PDP gates are up as soon as both sides are known", standalone},
          {"a refused offer leaves a lingering call of its name as it was",
           refused_offer_of_a_lingering_call},
          {"a tag may have any name", tags_of_any_name},
          {"operators see every flow", looking_around})
