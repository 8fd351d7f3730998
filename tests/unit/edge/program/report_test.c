/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an edge tells its operators: gates and status over the control socket, metrics, log lines. Its sessions
 * are made by ng commands on the simulated network; the relay is the one without sockets. */
#include "edge/program/program.h"

#include <stdio.h>

#include "common/diameter/sim.h"
#include "common/net/netsim.h"
#include "common/osip/osipmem.h"
#include "common/token/token.h"
#include "edge/relay/fake.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

static struct program p;
static struct wire *wire;
static struct net *client_net;
static struct net_udp *client;
static struct diameter_sim *dnet;
static struct diameter *pdp;
static struct relay_fake *relay;
static struct secret token;
static bool pdp_refuses;
static unsigned cookie;
static char reply[4096]; /* to the last command */

static struct addr at(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static void on_pdp(void *ctx, struct handle request, const struct diameter_request *rq)
{
    struct diameter_answer a = {.result = pdp_refuses ? DIAMETER_AUTHORIZATION_REJECTED
                                                      : DIAMETER_SUCCESS};

    (void)ctx;
    if (rq->kind != DIAMETER_ST && !pdp_refuses) {
        a.qaa.n_filters = rq->qar.n_filters;
        memcpy(a.qaa.filters, rq->qar.filters, sizeof(a.qaa.filters));
    }
    CU_ASSERT_EQUAL(diameter_answer(pdp, request, &a), 0);
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)u, (void)from, (void)ctx;
    CU_ASSERT_EQUAL(span_copy(data, reply, sizeof(reply)), 0);
}

static void open_pdp(void)
{
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(house.sim, &dnet), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(dnet, house.loop, "edge.example", "example", &p.diameter), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(dnet, sim_loop(house.sim, "pdp"), "pdp.example", "example", &pdp), 0);
    CU_ASSERT_EQUAL(diameter_serve(pdp, DIAMETER_APP_QOS, on_pdp, NULL), 0);
}

/* The edge of this configuration. */
static void begin(const char *yaml)
{
    static const struct net_udp_ops udp = {on_datagram};
    static const struct control_ops ops = {.on_event = report_event};
    struct token_claims claims = {.n_session = 4};
    struct addr a = at("127.0.0.9:4444");

    p = (struct program){0};
    pdp = NULL;
    dnet = NULL;
    pdp_refuses = false;
    p.config = house_configure(&edge_options, edge_check_options, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p.config);
    house_open();
    p.daemon = house.daemon;
    edge_settings(p.config, &p.settings);
    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    CU_ASSERT_EQUAL_FATAL(token_build(&claims, NULL, &token), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(house.sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, house.loop, &p.net), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(house.sim, "client"), &client_net), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(client_net, &a, NULL, &udp, NULL, &client), 0);
    if (p.settings.gates.mode == GATE_ASK_PDP)
        open_pdp();
    CU_ASSERT_EQUAL_FATAL(relay_new(house.loop, &p.settings.relay, &p.relay),
                          0); /* for its numbers */
    CU_ASSERT_EQUAL_FATAL(relay_fake_new(&relay), 0);
    CU_ASSERT_EQUAL_FATAL(gates_new(house.loop, p.diameter, sim_rnd(house.sim),
                                    relay_fake_port(relay), &p.settings.gates, &control_gates_ops,
                                    &p.gates),
                          0);
    CU_ASSERT_EQUAL_FATAL(control_new(house.loop, sim_rnd(house.sim), relay_fake_port(relay),
                                      p.gates, &p.settings.control, &ops, &p, &p.control),
                          0);
    CU_ASSERT_EQUAL_FATAL(
        ng_server_new(p.net, sim_rnd(house.sim), &p.settings.ng, control_on_ng, p.control, &p.ng),
        0);
    CU_ASSERT_EQUAL_FATAL(report_new(&p), 0);
}

static void finish(void)
{
    control_free(p.control);
    ng_server_free(p.ng);
    sim_run(house.sim, SEC);
    gates_free(p.gates);
    relay_fake_free(relay);
    relay_free(p.relay);
    diameter_free(p.diameter);
    diameter_free(pdp);
    if (dnet)
        diameter_sim_free(dnet);
    net_udp_close(client);
    net_free(client_net);
    net_free(p.net);
    wire_free(wire);
    house_close();
}

/* Keys and values in turn, NULL ends. */
static void command(const char *const *pairs)
{
    char text[4096];
    struct buf b = BUF_ON(text);

    buf_fmt(&b, "%u d", ++cookie);
    for (; pairs[0]; pairs += 2) {
        ng_put_key(&b, pairs[0]);
        if (strcmp(pairs[0], "authorization-token") == 0)
            ng_put_text(&b, span_of(token.bytes, token.n));
        else
            ng_put_text(&b, span_str(pairs[1]));
    }
    buf_putc(&b, 'e');
    CU_ASSERT_FALSE_FATAL(b.overflow);
    CU_ASSERT_EQUAL(net_udp_send(client, &p.settings.ng.local, buf_span(&b)), 0);
    sim_run(house.sim, 100 * MSEC);
}
#define COMMAND(...) command((const char *const[]){__VA_ARGS__, NULL})

#define SDP(ip, port)                                                                              \
    "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\nm=audio " port             \
    " RTP/AVP 0\r\n"

static void call(const char *id)
{
    COMMAND("command", "offer", "call-id", id, "from-tag", "a", "sdp", SDP("10.0.0.1", "4000"));
    CU_ASSERT_PTR_NOT_NULL(strstr(reply, "6:result2:ok"));
    COMMAND("command", "answer", "call-id", id, "from-tag", "a", "to-tag", "b", "sdp",
            SDP("10.9.9.9", "5000"));
    CU_ASSERT_PTR_NOT_NULL(strstr(reply, "6:result2:ok"));
}

static void authorize(const char *id)
{
    COMMAND("command", "authorize", "call-id", id, "from-tag", "a", "authorization-token", "");
}

static void end(const char *id)
{
    COMMAND("command", "delete", "call-id", id, "from-tag", "a");
}

/* Packets into the flow of the row. */
static void packets(const json_t *row, unsigned n)
{
    struct addr local = at(house_member(row, "at"));
    unsigned leg = 0;
    struct relay_stream *s = relay_fake_find(relay, &local, &leg);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    relay_fake_packets(s, leg, n, 1);
}

static void a_gate_is_down_until_the_pdp_says_so_and_the_row_says_which_way(void)
{
    begin("{}\n");
    call("one");
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 4); /* RTP and RTCP, both ways */
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(house_member(house_row(i), "gate"), "down");
        CU_ASSERT_STRING_EQUAL(house_member(house_row(i), "token"), "");
    }
    authorize("one");
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "call_id"), "one");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "type"), "audio");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "session"), "live");
    CU_ASSERT_STRING_NOT_EQUAL(house_member(house_row(0), "token"), "");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "flow"), "1.1 media in");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "from"), "10.0.0.1:4000");
    CU_ASSERT_EQUAL(strncmp(house_member(house_row(0), "at"), "127.0.0.36:3", 12), 0);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "flow"), "1.1 media out");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "from"), "10.9.9.9:5000");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(2), "flow"), "1.2 rtcp in");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(3), "flow"), "1.2 rtcp out");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(house_member(house_row(i), "gate"), "up");
    finish();
}

static void packets_are_told_as_passed_refused_or_after_the_end(void)
{
    begin("{}\n");
    call("one");
    CU_ASSERT(house_ask("gates", ""));
    packets(house_row(0), 3); /* the gate is down */
    authorize("one");
    CU_ASSERT(house_ask("gates", ""));
    packets(house_row(0), 5);
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "packets"), "5");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "octets"), "500");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "refused"), "3");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "after_end"), "0");
    end("one");
    CU_ASSERT(house_ask("gates", ""));
    packets(house_row(0), 7);
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "session"), "ended");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "gate"), "down");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "packets"), "5");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "refused"), "3");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "after_end"), "7");
    finish();
}

static void gates_of_one_call_are_those_of_no_other(void)
{
    begin("authorization: \"off\"\n");
    call("one");
    call("two");
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 8);
    CU_ASSERT(house_ask("gates", "\"call\": \"two\""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 4);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "call_id"), "two");
    CU_ASSERT(house_ask("gates two", "")); /* by its place */
    CU_ASSERT_EQUAL(json_array_size(house_result()), 4);
    finish();
}

static void a_call_that_nobody_knows_is_refused_and_no_call_at_all_is_an_empty_list(void)
{
    begin("{}\n");
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    CU_ASSERT_FALSE(house_ask("gates", "\"call\": \"three\""));
    CU_ASSERT(house_refused("no session is called 'three'",
                            "imsctl gates without a name shows all.", false));
    CU_ASSERT_FALSE(house_ask("gates", "\"call\": \"\"")); /* an empty name is nobody's */
    CU_ASSERT(
        house_refused("no session is called ''", "imsctl gates without a name shows all.", false));
    CU_ASSERT_FALSE(house_ask("gates", "\"session\": \"one\""));
    CU_ASSERT(house_refused("gates has no argument 'session'", "usage: gates [call]", true));
    finish();
}

static void a_call_id_that_is_no_text_does_not_hide_its_gates(void)
{
    begin("{}\n");
    call("\xff\xfe");
    CU_ASSERT(house_ask("gates", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 4);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "call_id"), "(not UTF-8)");
    finish();
}

static json_t *status(void)
{
    static json_t *last;

    json_decref(last);
    last = json_object();
    report_status(house.daemon, &p, last);
    return last;
}

static void the_status_counts_sessions_verdicts_and_who_goes_on_sending(void)
{
    json_t *s;

    begin("{}\n");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "connected");
    call("one");
    authorize("one");
    pdp_refuses = true;
    call("two");
    authorize("two");
    s = status();
    CU_ASSERT_STRING_EQUAL(house_member(s, "authorization"), "pdp");
    CU_ASSERT_STRING_EQUAL(house_member(s, "sessions"), "2");
    CU_ASSERT_STRING_EQUAL(house_member(s, "lingering"), "0");
    CU_ASSERT_STRING_EQUAL(house_member(s, "authorized"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(s, "refused"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(s, "media_after_end"), "0");
    end("one");
    sim_run(house.sim, 3 * SEC);
    CU_ASSERT(house_ask("gates", "\"call\": \"one\""));
    packets(house_row(0), 7);
    sim_run(house.sim, 3 * SEC);
    s = status();
    CU_ASSERT_STRING_EQUAL(house_member(s, "sessions"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(s, "lingering"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(s, "media_after_end"), "1");
    finish();
}

static void the_status_counts_refusals_and_nothing_else_as_refused(void)
{
    begin("authorization: \"off\"\n"); /* tokens are granted, and nobody is asked */
    call("one");
    authorize("one");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "authorized"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "refused"), "0");
    finish();
    begin("{}\n");
    call("one");
    COMMAND("command", "authorize", "call-id", "one", "from-tag", "a"); /* no token */
    CU_ASSERT_STRING_EQUAL(house_member(status(), "refused"), "1");
    diameter_sim_silence(pdp, true);
    authorize("one");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "refused"), "1"); /* not known yet */
    sim_run(house.sim, 3 * SEC);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "refused"), "2");
    finish();
}

static void a_pdp_that_is_gone_is_not_connected_and_none_is_not_used(void)
{
    begin("{}\n");
    diameter_free(pdp);
    pdp = NULL;
    sim_run(house.sim, SEC);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "not connected");
    finish();
    begin("authorization: \"off\"\n");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "authorization"), "off");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "not used");
    finish();
}

static void what_happened_is_counted_once_however_often_it_is_read(void)
{
    struct addr stranger = at("192.0.2.66:9");
    struct net_udp *other;

    begin("{}\n");
    CU_ASSERT_EQUAL(house_metric("edge_session_events_total{event=\"opened\"}"), 0);
    call("one");
    authorize("one");
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(house_metric("edge_session_events_total{event=\"opened\"}"), 1);
        CU_ASSERT_EQUAL(house_metric("edge_authorizations_total{verdict=\"granted\"}"), 1);
        CU_ASSERT_EQUAL(house_metric("edge_ng_commands_total{outcome=\"run\"}"), 3);
        CU_ASSERT_EQUAL(house_metric("edge_sessions"), 1);
    }
    cookie--; /* a repetition */
    authorize("one");
    CU_ASSERT_EQUAL(house_metric("edge_ng_commands_total{outcome=\"repeated\"}"), 1);
    CU_ASSERT_EQUAL(net_udp_send(client, &p.settings.ng.local, SPAN("1 x")), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(client_net, &stranger, NULL, NULL, NULL, &other), 0);
    CU_ASSERT_EQUAL(net_udp_send(other, &p.settings.ng.local, SPAN("2 d7:command4:pinge")), 0);
    end("one");
    net_udp_close(other);
    CU_ASSERT_EQUAL(house_metric("edge_ng_commands_total{outcome=\"malformed\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("edge_ng_commands_total{outcome=\"forbidden\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("edge_ng_commands_total{outcome=\"run\"}"), 4);
    CU_ASSERT_EQUAL(house_metric("edge_sessions"), 0);
    CU_ASSERT_EQUAL(house_metric("edge_sessions_lingering"), 1);
    finish();
}

static void a_session_that_finds_no_port_and_media_after_the_end_are_counted(void)
{
    begin("authorization: \"off\"\nports: 30000-30003\n");
    call("one");
    COMMAND("command", "offer", "call-id", "two", "from-tag", "a", "sdp", SDP("10.0.0.1", "4000"));
    COMMAND("command", "offer", "call-id", "three", "from-tag", "a", "sdp",
            SDP("10.0.0.1", "4000"));
    CU_ASSERT_EQUAL(house_metric("edge_ports_exhausted_total"), 1);
    end("one");
    sim_run(house.sim, 3 * SEC);
    CU_ASSERT(house_ask("gates", "\"call\": \"one\""));
    packets(house_row(0), 7);
    sim_run(house.sim, 40 * SEC); /* it is forgotten */
    CU_ASSERT_EQUAL(house_metric("edge_media_after_end_packets_total"), 7);
    CU_ASSERT_EQUAL(house_metric("edge_sessions_lingering"), 0);
    finish();
}

static void every_event_is_one_line_that_names_the_call(void)
{
    static const struct {
        enum control_event_kind kind;
        const char *line;
    } rows[] = {
        {CONTROL_OPENED, "info session.opened"},
        {CONTROL_AUTHORIZED, "info session.authorized"},
        {CONTROL_REFUSED, "warn session.refused"},
        {CONTROL_LOST, "warn session.gates_lost"},
        {CONTROL_ENDED, "info session.ended"},
        {CONTROL_MEDIA_AFTER_END, "warn session.media_after_end"},
    };
    char want[256];

    CU_ASSERT_EQUAL(ARRAY_LEN(rows), CONTROL_EVENTS);
    begin("{}\n");
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        const struct control_event e = {.kind = rows[i].kind,
                                        .call_id = SPAN("one"),
                                        .token = "t1",
                                        .detail = "because",
                                        .packets = 1,
                                        .octets = 2,
                                        .refused = 3,
                                        .after_end = 4};

        report_event(&p, &e);
        snprintf(want, sizeof(want),
                 "%s call_id=one token=t1 why=because packets=1 octets=2 refused=3 after_end=4\n",
                 rows[i].line);
        CU_ASSERT(house_logged_is(want));
    }
    finish();
}

TEST_MAIN("edge/program/report",
          {"a gate is down until the PDP says so, and the row says which way",
           a_gate_is_down_until_the_pdp_says_so_and_the_row_says_which_way},
          {"packets are told as passed, refused or after the end",
           packets_are_told_as_passed_refused_or_after_the_end},
          {"gates of one call are those of no other", gates_of_one_call_are_those_of_no_other},
          {"a call that nobody knows is refused, and no call at all is an empty list",
           a_call_that_nobody_knows_is_refused_and_no_call_at_all_is_an_empty_list},
          {"a Call-ID that is no text does not hide its gates",
           a_call_id_that_is_no_text_does_not_hide_its_gates},
          {"the status counts sessions, verdicts and who goes on sending",
           the_status_counts_sessions_verdicts_and_who_goes_on_sending},
          {"the status counts refusals, and nothing else, as refused",
           the_status_counts_refusals_and_nothing_else_as_refused},
          {"a PDP that is gone is not connected, and none is not used",
           a_pdp_that_is_gone_is_not_connected_and_none_is_not_used},
          {"what happened is counted once, however often it is read",
           what_happened_is_counted_once_however_often_it_is_read},
          {"a session that finds no port, and media after the end, are counted",
           a_session_that_finds_no_port_and_media_after_the_end_are_counted},
          {"every event is one line that names the call",
           every_event_is_one_line_that_names_the_call})
