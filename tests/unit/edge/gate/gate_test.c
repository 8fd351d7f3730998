/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gates against a PDP of the simulated Diameter network, on virtual time. */
#include "edge/gate/gate.h"

#include <errno.h>

#include "common/diameter/sim.h"
#include "common/token/token.h"
#include "edge/relay/fake.h"
#include "tests/support/suite.h"

static struct sim *sim;
static struct diameter_sim *net;
static struct diameter *edge, *pdp;
static struct relay_fake *relay;
static const struct relay_port *port;
static struct gates *gates;
static struct gate *gate;
static struct relay_stream *stream;
static struct gate_flow flows[3];
static struct secret token, other_token;

/* What the PDP does, and what it saw. */
static struct {
    bool hold;       /* answers only when the test says so */
    uint32_t result; /* 0 = success */
    unsigned grant;  /* bits: which of the asked filters are in the QAA */
    bool narrow;     /* the filters of the QAA are for one source port only */
    bool drop_rest;  /* the others come with the action DROP */
    uint32_t lifetime, grace, session_timeout;
    uint64_t bandwidth;
    unsigned qar, str;
    struct handle last;
    char filters[512], token[2 * SECRET_MAX + 1], session[200], host[64];
} at_pdp;

/* What the gate said. */
static unsigned told, lost;
static enum gate_verdict said;
static enum gate_loss why;

static void pdp_answer(const struct diameter_request *rq, struct handle request)
{
    struct diameter_answer ans = {.result = at_pdp.result ? at_pdp.result : DIAMETER_SUCCESS};

    if (rq && ans.result == DIAMETER_SUCCESS) {
        for (size_t i = 0; i < rq->qar.n_filters; i++) {
            struct qos_filter f = rq->qar.filters[i];

            if (at_pdp.narrow)
                f.flow.from.addr.port = 4004;
            f.bandwidth = at_pdp.bandwidth;
            f.action = DIAMETER_U32(at_pdp.grant & 1u << i ? QOS_PERMIT : QOS_DROP);
            if (at_pdp.grant & 1u << i || at_pdp.drop_rest)
                ans.qaa.filters[ans.qaa.n_filters++] = f;
        }
        if (at_pdp.lifetime)
            ans.qaa.lifetime = DIAMETER_U32(at_pdp.lifetime);
        if (at_pdp.grace)
            ans.qaa.grace = DIAMETER_U32(at_pdp.grace);
        if (at_pdp.session_timeout)
            ans.qaa.session_timeout = DIAMETER_U32(at_pdp.session_timeout);
    }
    CU_ASSERT_EQUAL(diameter_answer(pdp, request, &ans), 0);
}

static void on_pdp(void *ctx, struct handle request, const struct diameter_request *rq)
{
    (void)ctx;
    at_pdp.last = request;
    if (rq->kind == DIAMETER_ST) {
        at_pdp.str++;
        pdp_answer(NULL, request);
        return;
    }
    struct buf b = BUF_ON(at_pdp.filters), t = BUF_ON(at_pdp.token);

    CU_ASSERT_EQUAL(rq->kind, DIAMETER_QA);
    at_pdp.qar++;
    (void)span_copy(rq->session_id, at_pdp.session, sizeof(at_pdp.session));
    (void)span_copy(rq->destination_host, at_pdp.host, sizeof(at_pdp.host));
    for (size_t i = 0; i < rq->qar.n_filters; i++) {
        buf_fmt(&b, "%.*s ", SPAN_ARG(rq->qar.filters[i].id));
        diameter_flow_put(&b, &rq->qar.filters[i].flow);
        buf_puts(&b, "; ");
    }
    at_pdp.filters[b.n] = '\0';
    buf_hex(&t, rq->qar.token.p, rq->qar.token.n);
    at_pdp.token[t.n] = '\0';
    if (!at_pdp.hold)
        pdp_answer(rq, request);
}

static void on_lost(void *user, enum gate_loss w)
{
    CU_ASSERT_PTR_EQUAL(user, &sim);
    lost++;
    why = w;
}

static void on_done(void *ctx, enum gate_verdict v, const char *detail)
{
    CU_ASSERT_PTR_EQUAL(ctx, &net);
    CU_ASSERT_PTR_NOT_NULL(detail);
    told++;
    said = v;
}

static struct addr at(const char *s)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(s), 0, &a), 0);
    return a;
}

static void make_flows(void)
{
    struct addr phone = at("10.0.0.1:4000"), core = at("10.9.9.9:5000"),
                here = at("10.1.0.1:30000");
    struct addr phone_any = phone;

    phone_any.port = 0;
    flows[0] = (struct gate_flow){stream,
                                  0,
                                  1,
                                  1,
                                  {DIAMETER_IN, 17, {phone_any, 0}, {here, 0}},
                                  false,
                                  {0, RELAY_SOURCE_ADDRESS, phone, 0, 0}};
    flows[1] = (struct gate_flow){stream,
                                  1,
                                  1,
                                  1,
                                  {DIAMETER_OUT, 17, {here, 0}, {phone, 0}},
                                  false,
                                  {0, RELAY_SOURCE_ADDRESS, core, 0, 0}};
}

static void token_make(struct secret *t, uint8_t session)
{
    struct token_claims c = {.entity = "pdp.example", .n_session = 8};

    memset(c.session, session, 8);
    CU_ASSERT_EQUAL_FATAL(token_build(&c, NULL, t), 0);
}

static void begin(enum gate_mode mode)
{
    struct gates_options o = {.mode = mode, .timeout = 2 * SEC, .burst = SEC, .limit = 2};
    static const struct gates_ops ops = {on_lost};
    struct addr local[2] = {at("10.1.0.1:30000"), at("10.2.0.1:30000")};
    static const uint8_t tos[2];
    struct loop *l;

    memset(&at_pdp, 0, sizeof(at_pdp));
    at_pdp.grant = 3;
    told = lost = 0;
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(sim, &net), 0);
    l = sim_loop(sim, "edge");
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(net, l, "edge.example", "example", &edge), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(net, sim_loop(sim, "pdp"), "pdp.example", "example", &pdp), 0);
    CU_ASSERT_EQUAL(diameter_serve(pdp, DIAMETER_APP_QOS, on_pdp, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(relay_fake_new(&relay), 0);
    port = relay_fake_port(relay);
    CU_ASSERT_EQUAL_FATAL(
        gates_new(l, mode == GATE_OPEN ? NULL : edge, sim_rnd(sim), port, &o, &ops, &gates), 0);
    CU_ASSERT_EQUAL_FATAL(gate_new(gates, &sim, &gate), 0);
    CU_ASSERT_EQUAL_FATAL(port->open(port->ctx, RELAY_RTP, local, tos, &stream), 0);
    make_flows();
    token_make(&token, 1);
    token_make(&other_token, 2);
    sim_run(sim, 10 * MSEC);
}

static void finish(void)
{
    gate_end(gate);
    sim_run(sim, 5 * SEC);
    gates_free(gates);
    relay_fake_free(relay);
    diameter_free(edge);
    diameter_free(pdp);
    diameter_sim_free(net);
    sim_free(sim);
}

static bool up(unsigned leg)
{
    bool is = relay_fake_rule(stream, leg)->gate == RELAY_GATE_OPEN;

    CU_ASSERT_EQUAL(is, gate_leg_up(gate, stream, leg));
    return is;
}

static void authorize(const struct secret *t)
{
    CU_ASSERT_EQUAL(gate_authorize(gate, span_of(t->bytes, t->n), on_done, &net), 0);
}

/* Flows known, token given, PDP asked: everything is up. */
static void raise_all(void)
{
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(told, 1);
    CU_ASSERT_EQUAL(said, GATE_GRANTED);
    CU_ASSERT_TRUE(up(0) && up(1));
}

static void granted(void)
{
    char hex[2 * SECRET_MAX + 8];
    struct buf b = BUF_ON(hex);

    begin(GATE_ASK_PDP);
    at_pdp.bandwidth = 64000;
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    CU_ASSERT_FALSE(up(0) || up(1));
    authorize(&token);
    CU_ASSERT_EQUAL(told, 0);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_EQUAL(gate_authorize(gate, span_of(token.bytes, token.n), on_done, &net), -EBUSY);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(told, 1);
    CU_ASSERT_EQUAL(said, GATE_GRANTED);
    CU_ASSERT_TRUE(up(0) && up(1));
    CU_ASSERT_EQUAL(relay_fake_rule(stream, 0)->bytes_per_second, 8000);
    CU_ASSERT_TRUE(relay_fake_rule(stream, 0)->burst_bytes >= 8000);
    CU_ASSERT_TRUE(addr_eq(&relay_fake_rule(stream, 1)->peer, &flows[1].rule.peer));
    CU_ASSERT_EQUAL(at_pdp.qar, 1);
    CU_ASSERT_STRING_EQUAL(at_pdp.filters,
                           "1.1 permit in 17 from 10.0.0.1 to 10.1.0.1 30000; "
                           "1.1 permit out 17 from 10.1.0.1 30000 to 10.0.0.1 4000; ");
    token_put_hex(&b, &token, true);
    ASSERT_SPAN_EQ(buf_span(&b), at_pdp.token);
    CU_ASSERT_STRING_EQUAL(at_pdp.host, "pdp.example"); /* the token names it */
    authorize(&token); /* handed over again: it is not asked about twice */
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(told, 2);
    CU_ASSERT_EQUAL(at_pdp.qar, 1);
    gate_end(gate);
    CU_ASSERT_EQUAL(relay_fake_rule(stream, 0)->gate, RELAY_GATE_ENDED);
    CU_ASSERT_EQUAL(relay_fake_rule(stream, 1)->gate, RELAY_GATE_ENDED);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(at_pdp.str, 1);
    gate = NULL;
    finish();
}

static void exactly(void)
{
    begin(GATE_ASK_PDP);
    at_pdp.grant = 1;
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(said, GATE_GRANTED);
    CU_ASSERT_TRUE(up(0));
    CU_ASSERT_FALSE(up(1));
    CU_ASSERT_EQUAL(gate_up_count(gate), 1);
    at_pdp.grant = 2; /* named with the action DROP is not authorized either */
    at_pdp.drop_rest = true;
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_FALSE(up(0));
    CU_ASSERT_TRUE(up(1));
    at_pdp.grant = 3; /* less than was asked is not what was asked */
    at_pdp.narrow = true;
    authorize(&other_token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(said, GATE_REFUSED);
    CU_ASSERT_FALSE(up(0) || up(1));
    at_pdp.grant = 0;
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(said, GATE_REFUSED);
    CU_ASSERT_FALSE(up(0) || up(1));
    finish();
}

static void fails_closed(void)
{
    begin(GATE_ASK_PDP);
    authorize(&token);
    sim_run(sim, MSEC);
    CU_ASSERT_EQUAL(said, GATE_NO_FLOWS);
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 0), 0); /* answered, and all refused */
    authorize(&token);
    sim_run(sim, MSEC);
    CU_ASSERT_EQUAL(said, GATE_HELD);
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    CU_ASSERT_EQUAL(gate_authorize(gate, SPAN("no token"), on_done, &net), 0);
    sim_run(sim, MSEC);
    CU_ASSERT_EQUAL(said, GATE_BAD_TOKEN);
    CU_ASSERT_EQUAL(at_pdp.qar, 0);

    at_pdp.result = DIAMETER_AUTHORIZATION_REJECTED;
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(said, GATE_REFUSED);
    CU_ASSERT_FALSE(up(0) || up(1));

    diameter_sim_silence(pdp, true);
    at_pdp.result = 0;
    authorize(&token);
    sim_run(sim, 2 * SEC + 100 * MSEC);
    CU_ASSERT_EQUAL(said, GATE_SILENT);
    CU_ASSERT_FALSE(up(0) || up(1));

    diameter_sim_connected(pdp, false);
    authorize(&token);
    sim_run(sim, 3 * SEC);
    CU_ASSERT_EQUAL(said, GATE_NO_PDP);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_EQUAL(told, 6);
    CU_ASSERT_EQUAL(gates_counters(gates)->verdict[GATE_SILENT], 1);

    diameter_sim_connected(pdp, true);
    diameter_sim_silence(pdp, false);
    sim_run(sim, SEC);
    authorize(&token);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(said, GATE_GRANTED);
    CU_ASSERT_TRUE(up(0) && up(1));
    at_pdp.result = DIAMETER_AUTHORIZATION_REJECTED; /* another token, refused: nothing remains */
    authorize(&other_token);
    sim_run(sim, SEC);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_EQUAL(lost, 0); /* told once, as a verdict */
    at_pdp.result = 0;
    authorize(&token);
    sim_run(sim, SEC);
    CU_ASSERT_TRUE(up(0) && up(1));
    relay_fake_fail_set(relay, true); /* no memory for a rule: that leg is down, not as it was */
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_TRUE(gates_counters(gates)->set_failed >= 2);
    relay_fake_fail_set(relay, false);
    finish();
}

static void late_answer(void)
{
    begin(GATE_ASK_PDP);
    at_pdp.hold = true;
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    authorize(&token);
    sim_run(sim, 3 * SEC);
    CU_ASSERT_EQUAL(said, GATE_SILENT);
    pdp_answer(NULL, at_pdp.last);
    sim_run(sim, SEC);
    CU_ASSERT_FALSE(up(0) || up(1));
    gate_end(gate);
    gate = NULL;
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(at_pdp.str, 1); /* it may have been granted there */
    finish();
}

static void changed_flows(void)
{
    begin(GATE_ASK_PDP);
    raise_all();
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0); /* the same session description again */
    CU_ASSERT_TRUE(up(0) && up(1));
    struct gate_flow elsewhere[2] = {flows[0], flows[1]};
    elsewhere[1].what.to.addr.port = 4002; /* the phone moved its port */
    elsewhere[0].rule.peer.port = elsewhere[1].rule.peer.port = 4002;
    CU_ASSERT_EQUAL(gate_set_flows(gate, elsewhere, 2), 0);
    CU_ASSERT_TRUE(up(0)); /* authorized for any port of the phone */
    CU_ASSERT_FALSE(up(1));
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(up(0) && up(1));
    CU_ASSERT_EQUAL(at_pdp.qar, 2);
    elsewhere[1].idle = true; /* hold */
    CU_ASSERT_EQUAL(gate_set_flows(gate, elsewhere, 2), 0);
    CU_ASSERT_FALSE(up(1));
    CU_ASSERT_EQUAL(at_pdp.str, 0);
    char before[sizeof(at_pdp.session)];
    memcpy(before, at_pdp.session, sizeof(before));
    authorize(&other_token);
    CU_ASSERT_FALSE(up(0)); /* nothing of the first token's is left */
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(at_pdp.str, 1);
    CU_ASSERT_STRING_NOT_EQUAL(at_pdp.session, before);
    CU_ASSERT_STRING_EQUAL(at_pdp.filters, "1.1 permit in 17 from 10.0.0.1 to 10.1.0.1 30000; ");
    CU_ASSERT_EQUAL(gate_set_flows(gate, NULL, 0), 0);
    CU_ASSERT_EQUAL(relay_fake_rule(stream, 0)->gate, RELAY_GATE_CLOSED);
    finish();
}

static uint32_t result;
static void on_pdp_answer(void *ctx, int error, const struct diameter_answer *ans)
{
    (void)ctx;
    result = error ? 0 : ans->result;
}

static void pdp_asks(enum diameter_kind kind, struct diameter *from, const char *session)
{
    struct diameter_request rq = {.kind = kind,
                                  .app = DIAMETER_APP_QOS,
                                  .session_id = span_str(session),
                                  .destination_host = SPAN("edge.example")};

    result = 0;
    CU_ASSERT_EQUAL(diameter_send(from, &rq, sim_now(sim) + SEC, on_pdp_answer, NULL, NULL), 0);
    sim_run(sim, 100 * MSEC);
}

static void aborted(void)
{
    struct diameter *stranger;

    begin(GATE_ASK_PDP);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(net, sim_loop(sim, "x"), "x.example", "example", &stranger), 0);
    raise_all();
    pdp_asks(DIAMETER_AS, pdp, "pdp.example;1;2;other");
    CU_ASSERT_EQUAL(result, DIAMETER_UNKNOWN_SESSION_ID);
    pdp_asks(DIAMETER_ST, pdp, at_pdp.session);
    CU_ASSERT_EQUAL(result, DIAMETER_COMMAND_UNSUPPORTED);
    pdp_asks(DIAMETER_AS, stranger, at_pdp.session);
    CU_ASSERT_EQUAL(result, DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_TRUE(up(0) && up(1));
    pdp_asks(DIAMETER_RA, pdp, at_pdp.session); /* asks us to ask */
    CU_ASSERT_EQUAL(result, DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(at_pdp.qar, 2);
    CU_ASSERT_TRUE(up(0) && up(1));
    pdp_asks(DIAMETER_AS, pdp, at_pdp.session);
    CU_ASSERT_EQUAL(result, DIAMETER_SUCCESS);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_EQUAL(lost, 1);
    CU_ASSERT_EQUAL(why, GATE_REVOKED);
    CU_ASSERT_EQUAL(at_pdp.str, 1);
    CU_ASSERT_EQUAL(gate_session_id(gate).n, 0);
    diameter_free(stranger);
    finish();
}

static void lifetimes(void)
{
    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 10;
    at_pdp.grace = 5;
    raise_all();
    sim_run(sim, 8 * SEC);
    CU_ASSERT_EQUAL(at_pdp.qar, 2); /* renewed before it expires, and nobody is told */
    CU_ASSERT_TRUE(up(0) && told == 1 && lost == 0);
    diameter_sim_silence(pdp, true);
    sim_run(sim, 14 * SEC);
    CU_ASSERT_TRUE(up(0)); /* in its grace; renewed at 7.6 s */
    sim_run(sim, 2 * SEC);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_TRUE(lost == 1 && why == GATE_EXPIRED);
    finish();

    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 10;
    raise_all();
    at_pdp.result = DIAMETER_AUTHORIZATION_REJECTED;
    sim_run(sim, 8 * SEC);
    CU_ASSERT_FALSE(up(0) || up(1));
    CU_ASSERT_TRUE(lost == 1 && told == 1 && why == GATE_WITHDRAWN);
    finish();

    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 60;
    raise_all();
    diameter_sim_silence(pdp, true); /* for a while */
    sim_run(sim, 50 * SEC);
    diameter_sim_silence(pdp, false);
    sim_run(sim, 20 * SEC);
    CU_ASSERT_TRUE(up(0) && up(1) && lost == 0);
    finish();

    begin(GATE_ASK_PDP);
    at_pdp.session_timeout = 30;
    raise_all();
    sim_run(sim, 31 * SEC);
    CU_ASSERT_TRUE(!up(0) && lost == 1 && why == GATE_EXPIRED);
    finish();
}

static void a_renewal_gives_way(void)
{
    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 10;
    at_pdp.grace = 5;
    raise_all();
    at_pdp.hold = true;
    sim_run(sim, 7600 * MSEC);
    CU_ASSERT_EQUAL(at_pdp.qar, 2);
    /* What the grant covers needs no question; the renewal comes again. */
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(told == 2 && said == GATE_GRANTED && at_pdp.qar == 2);
    pdp_answer(NULL, at_pdp.last); /* too late, and without flows */
    at_pdp.hold = false;
    sim_run(sim, 30 * SEC);
    CU_ASSERT_TRUE(up(0) && up(1) && lost == 0 && told == 2);
    finish();

    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 10;
    at_pdp.grace = 5;
    raise_all();
    at_pdp.hold = true;
    sim_run(sim, 7600 * MSEC);
    at_pdp.hold = false;
    authorize(&other_token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(told == 2 && said == GATE_GRANTED);
    CU_ASSERT_TRUE(up(0) && up(1));
    sim_run(sim, 30 * SEC); /* and is renewed as ever */
    CU_ASSERT_TRUE(up(0) && up(1) && lost == 0 && told == 2);
    finish();
}

/* RFC 6733 7.1.3, 7.1.4: what is no decision takes nothing back. */
static void a_busy_pdp_decides_nothing(void)
{
    static const uint32_t busy[] = {DIAMETER_TOO_BUSY, DIAMETER_UNABLE_TO_DELIVER, 4002,
                                    DIAMETER_UNABLE_TO_COMPLY};
    static const uint32_t no[] = {DIAMETER_AUTHORIZATION_REJECTED, DIAMETER_UNKNOWN_SESSION_ID};

    for (size_t i = 0; i < ARRAY_LEN(busy); i++) {
        begin(GATE_ASK_PDP);
        at_pdp.lifetime = 60;
        at_pdp.grace = 30;
        raise_all();
        at_pdp.result = busy[i];
        sim_run(sim, 80 * SEC); /* in its grace */
        CU_ASSERT_TRUE(up(0) && up(1) && lost == 0);
        CU_ASSERT_TRUE(at_pdp.qar >= 6); /* it asks again and again */
        at_pdp.result = 0;
        sim_run(sim, 60 * SEC);
        CU_ASSERT_TRUE(up(0) && up(1) && lost == 0);
        at_pdp.result = busy[i]; /* for good: that is what the lifetime is for */
        sim_run(sim, 95 * SEC);
        CU_ASSERT_FALSE(up(0) || up(1));
        CU_ASSERT_TRUE(lost == 1 && why == GATE_EXPIRED);
        finish();
    }
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        begin(GATE_ASK_PDP);
        at_pdp.lifetime = 60;
        raise_all();
        at_pdp.result = no[i];
        sim_run(sim, 50 * SEC);
        CU_ASSERT_FALSE(up(0) || up(1));
        CU_ASSERT_TRUE(lost == 1 && told == 1 && why == GATE_WITHDRAWN);
        finish();
    }
}

static void busy_for_who_asks(void)
{
    struct gate_flow more[2];

    begin(GATE_ASK_PDP);
    at_pdp.result = DIAMETER_TOO_BUSY;
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(told == 1 && said == GATE_BUSY);
    CU_ASSERT_FALSE(up(0) || up(1));
    at_pdp.result = 0;
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(told == 2 && said == GATE_GRANTED);
    memcpy(more, flows, sizeof(more));
    more[1].what.to.addr.port = 4002;
    at_pdp.result = DIAMETER_TOO_BUSY;
    CU_ASSERT_EQUAL(gate_set_flows(gate, more, 2), 0);
    authorize(&token);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_TRUE(told == 3 && said == GATE_BUSY);
    CU_ASSERT_TRUE(up(0)); /* granted before, and not taken back */
    CU_ASSERT_FALSE(up(1));
    CU_ASSERT_EQUAL(lost, 0);
    finish();
}

static void a_renewal_is_never_lost(void)
{
    struct gate_flow more[2];

    /* Its moment comes while somebody's question waits for an answer that never comes. */
    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 600;
    at_pdp.grace = 30;
    raise_all();
    memcpy(more, flows, sizeof(more));
    more[1].what.to.addr.port = 4010;
    sim_run(sim, 569 * SEC);
    diameter_sim_silence(pdp, true);
    CU_ASSERT_EQUAL(gate_set_flows(gate, more, 2), 0);
    authorize(&token);
    sim_run(sim, 4 * SEC);
    CU_ASSERT_TRUE(told == 2 && said == GATE_SILENT && up(0));
    diameter_sim_silence(pdp, false);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_TRUE(up(0) && up(1) && lost == 0);
    finish();

    /* Its moment comes while the call is on hold. */
    begin(GATE_ASK_PDP);
    at_pdp.lifetime = 60;
    at_pdp.grace = 30;
    raise_all();
    memcpy(more, flows, sizeof(more));
    more[0].idle = more[1].idle = true;
    CU_ASSERT_EQUAL(gate_set_flows(gate, more, 2), 0);
    sim_run(sim, 50 * SEC);
    CU_ASSERT_EQUAL(at_pdp.qar, 1);
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_TRUE(up(0) && up(1) && lost == 0);
    finish();
}

/* Whatever the QAA says of bandwidth, a flow that was asked about has a limit. */
static void always_a_limit(void)
{
    static const struct {
        uint64_t granted, least, most; /* bit/s; octets a second */
    } rows[] = {{0, 1, 125},           /* not given */
                {1, 1, 1},
                {7, 1, 1},
                {12, 2, 2},
                {UINT64_MAX, 1, 125}, /* no number */
                {UINT64_C(7000000000000000), 1, UINT32_MAX}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(GATE_ASK_PDP);
        at_pdp.bandwidth = rows[i].granted;
        raise_all();
        for (unsigned leg = 0; leg < 2; leg++) {
            const struct relay_rule *r = relay_fake_rule(stream, leg);

            CU_ASSERT_TRUE(r->bytes_per_second >= rows[i].least &&
                           r->bytes_per_second <= rows[i].most);
            CU_ASSERT_TRUE(r->burst_bytes >= r->bytes_per_second);
        }
        finish();
    }
}

static void open_mode(void)
{
    begin(GATE_OPEN);
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, 2), 0);
    CU_ASSERT_TRUE(up(0) && up(1));
    CU_ASSERT_EQUAL(relay_fake_rule(stream, 0)->bytes_per_second, 0); /* nobody set a limit */
    authorize(&token);
    sim_run(sim, MSEC);
    CU_ASSERT_EQUAL(said, GATE_GRANTED);
    finish();
}

static void bounded(void)
{
    struct gate *more[2];

    begin(GATE_ASK_PDP);
    CU_ASSERT_EQUAL(gate_new(gates, &sim, &more[0]), 0);
    CU_ASSERT_EQUAL(gate_new(gates, &sim, &more[1]), -ENOSPC);
    gate_end(more[0]);
    CU_ASSERT_EQUAL(gate_set_flows(gate, flows, GATE_FLOWS_MAX + 1), -EINVAL);
    finish();
}

TEST_MAIN("edge/gate",
          {"gates are down until the PDP says yes to the token, and down at the end", granted},
          {"only the flows the QAA names are up", exactly},
          {"no flows, no token, no, silence, no connection, no memory: down", fails_closed},
          {"an answer that comes too late raises nothing and the session is ended", late_answer},
          {"a changed flow is down until it is authorized", changed_flows},
          {"ASR from the PDP lowers the gates, from another node it does not", aborted},
          {"a grant is renewed at its lifetime and falls when it expires", lifetimes},
          {"a renewal gives way to who waits for an answer", a_renewal_gives_way},
          {"a busy PDP decides nothing: the grant holds until it expires",
           a_busy_pdp_decides_nothing},
          {"who asks a busy PDP is told so and keeps what was granted", busy_for_who_asks},
          {"a renewal is never lost", a_renewal_is_never_lost},
          {"a granted flow always has a limit", always_a_limit},
          {"without a PDP every flow is up", open_mode},
          {"sessions and flows are bounded", bounded})
