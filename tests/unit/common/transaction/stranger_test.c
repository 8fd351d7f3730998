/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may answer: a branch is shown to everybody behind it, so knowing it proves nothing. */
#include "common/transaction/transaction.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define WHOM UINT64_C(4711)

static struct {
    struct sim *sim;
    struct wire *wire;
    struct net *net;
    struct sip_transport *t;
    struct sip_endpoint *mw, *gm;
    struct sip_layer *l;
    struct peer asked, moved, second, stranger; /* moved: another port of the one that is asked */
    char request[PEER_TEXT_MAX];
    unsigned answers, status, strangers, questions;
    bool yes;
} h;

static struct addr at(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static void on_false_answer(const struct sip_flow *from, void *ctx)
{
    (void)from, (void)ctx;
    h.strangers++;
}

static bool may_answer(const struct sip_flow *asked, uint64_t whom, const struct sip_flow *from,
                       void *ctx)
{
    (void)ctx;
    h.questions++;
    CU_ASSERT(addr_eq(&asked->remote, &h.asked.local));
    CU_ASSERT_PTR_EQUAL(asked->endpoint, h.mw);
    CU_ASSERT_EQUAL(whom, WHOM);
    CU_ASSERT(addr_eq(&from->remote, &h.stranger.local));
    return h.yes;
}

static struct sip_endpoint *endpoint(const char *name, const char *local,
                                     const struct addr_net *allow)
{
    struct sip_endpoint_options o = {
        .name = name, .local = at(local), .udp = true, .allow = allow, .n_allow = allow != NULL};
    struct sip_endpoint *e;

    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(h.t, &o, &e), 0);
    return e;
}

static void begin(const struct sip_layer_ops *ops, const char *allow)
{
    static struct addr_net net;

    memset(&h, 0, sizeof(h));
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &h.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(h.sim, &h.wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(h.wire, sim_loop(h.sim, "us"), &h.net), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(h.net, sim_rnd(h.sim), NULL, &h.t), 0);
    if (allow)
        CU_ASSERT_EQUAL_FATAL(addr_net_parse(span_str(allow), &net), 0);
    h.mw = endpoint("mw", "192.0.2.2:5070", allow ? &net : NULL);
    h.gm = endpoint("gm", "192.0.2.2:5060", NULL);
    CU_ASSERT_EQUAL_FATAL(sip_layer_new(h.t, sim_rnd(h.sim), NULL, ops, NULL, &h.l), 0);
    peer_open(&h.asked, h.sim, h.wire, "asked", "192.0.2.3:5060");
    peer_open(&h.moved, h.sim, h.wire, "moved", "192.0.2.3:40000");
    peer_open(&h.second, h.sim, h.wire, "second", "192.0.2.4:5060");
    peer_open(&h.stranger, h.sim, h.wire, "stranger", "203.0.113.66:5060");
}

static void end(void)
{
    sip_layer_free(h.l);
    sip_transport_free(h.t);
    net_free(h.net);
    peer_close(&h.asked);
    peer_close(&h.moved);
    peer_close(&h.second);
    peer_close(&h.stranger);
    wire_free(h.wire);
    sim_free(h.sim);
}

static void on_response(struct sip_client *c, struct sip_msg *m, void *ctx)
{
    (void)c, (void)ctx;
    h.answers++;
    h.status = m->status;
}

static void on_failed(struct sip_client *c, unsigned status, int error, void *ctx)
{
    (void)c, (void)error, (void)ctx;
    h.status = status;
}

/* To `asked`, and `second` when that one fails. */
static struct sip_client *we_ask(enum sip_method method, unsigned n_targets)
{
    static const struct sip_client_ops ops = {.on_response = on_response, .on_failed = on_failed};
    struct sip_target to[2] = {sip_target_of(h.mw, NET_UDP, &h.asked.local, 0),
                               sip_target_of(h.mw, NET_UDP, &h.second.local, 0)};
    struct sip_request r = {.method = method,
                            .ruri = SPAN("sip:bob@192.0.2.3"),
                            .from = SPAN("<sip:alice@192.0.2.1>;tag=a"),
                            .to = SPAN("<sip:bob@192.0.2.3>"),
                            .call_id = SPAN("c1"),
                            .cseq = 1};
    struct sip_client *c = NULL;
    char text[2048];
    struct buf b = BUF_ON(text);
    const char *m;

    to[0].whom = WHOM;
    CU_ASSERT_EQUAL_FATAL(sip_request_build(&r, &b), 0);
    CU_ASSERT_EQUAL_FATAL(sip_uac_send(h.l, buf_span(&b), to, n_targets, &ops, NULL, &c), 0);
    sim_run(h.sim, 10 * MSEC);
    m = peer_take(&h.asked, "", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(h.request, sizeof(h.request), "%s", m);
    return c;
}

static void says(struct peer *who, const char *to, const char *status)
{
    struct addr us = at(to);

    peer_answer(who, &us, h.request, status, "t", "Contact: <sip:x@203.0.113.66>\n", NULL);
    sim_run(h.sim, 10 * MSEC);
}

#define MW "192.0.2.2:5070"
#define GM "192.0.2.2:5060"

static const struct sip_layer_ops plain = {.on_false_answer = on_false_answer};

static void only_the_address_that_was_asked_answers(void)
{
    begin(&plain, NULL);
    we_ask(SIP_INVITE, 1);
    says(&h.stranger, MW, "200 OK");
    says(&h.second, MW, "180 Ringing");
    says(&h.asked, GM, "200 OK"); /* where nobody was asked from */
    CU_ASSERT_EQUAL(h.answers, 0);
    CU_ASSERT_EQUAL(h.strangers, 3);
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->false_answers, 3);
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->responses, 0);
    /* Whatever port it speaks from. */
    says(&h.moved, MW, "180 Ringing");
    CU_ASSERT_EQUAL(h.status, 180);
    says(&h.asked, MW, "200 OK");
    CU_ASSERT_EQUAL(h.status, 200);
    CU_ASSERT_EQUAL(h.answers, 2);
    /* Nor does the 2xx of a fork come from elsewhere. */
    says(&h.stranger, MW, "200 OK");
    CU_ASSERT_EQUAL(h.answers, 2);
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->false_answers, 4);
    end();
}

static void a_peer_of_the_trust_list_answers_from_any_of_its_addresses(void)
{
    begin(&plain, "192.0.2.4");
    we_ask(SIP_MESSAGE, 1);
    says(&h.stranger, MW, "200 OK");
    CU_ASSERT_EQUAL(h.answers, 0);
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->false_answers, 1);
    says(&h.second, MW, "200 OK");
    CU_ASSERT_EQUAL(h.answers, 1);
    end();
    /* One that is asked need not be of the list: it is whom we chose. */
    begin(&plain, "192.0.2.4");
    we_ask(SIP_MESSAGE, 1);
    says(&h.asked, MW, "200 OK");
    CU_ASSERT_EQUAL(h.answers, 1);
    end();
}

static void a_stranger_turns_no_request_away(void)
{
    begin(&plain, NULL);
    we_ask(SIP_INVITE, 2);
    says(&h.stranger, MW, "503 Service Unavailable");
    says(&h.stranger, MW, "486 Busy Here");
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->failovers, 0);
    CU_ASSERT_EQUAL(h.stranger.n, 0); /* not even an ACK */
    CU_ASSERT_PTR_NULL(peer_take(&h.second, "INVITE", NULL));
    says(&h.asked, MW, "503 Service Unavailable");
    CU_ASSERT_EQUAL(sip_layer_counters(h.l)->failovers, 1);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&h.second, "INVITE", NULL));
    end();
}

static void a_cancelled_request_is_ended_by_nobody_else(void)
{
    struct sip_client *c;

    begin(&plain, NULL);
    c = we_ask(SIP_INVITE, 1);
    says(&h.stranger, MW, "180 Ringing"); /* with it a CANCEL would go out at once */
    CU_ASSERT_EQUAL(sip_client_cancel(c), 0);
    sim_run(h.sim, 10 * MSEC);
    CU_ASSERT_PTR_NULL(peer_take(&h.asked, "CANCEL", NULL));
    says(&h.asked, MW, "180 Ringing");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&h.asked, "CANCEL", NULL));
    says(&h.stranger, MW, "487 Request Terminated");
    CU_ASSERT_EQUAL(h.status, 180);
    says(&h.asked, MW, "487 Request Terminated");
    CU_ASSERT_EQUAL(h.status, 487);
    end();
}

static void the_role_may_know_better(void)
{
    static const struct sip_layer_ops ops = {.may_answer = may_answer,
                                             .on_false_answer = on_false_answer};

    begin(&ops, NULL);
    we_ask(SIP_INVITE, 1);
    says(&h.stranger, GM, "180 Ringing");
    CU_ASSERT_EQUAL(h.questions, 1);
    CU_ASSERT_EQUAL(h.answers, 0);
    CU_ASSERT_EQUAL(h.strangers, 1);
    h.yes = true;
    says(&h.stranger, GM, "180 Ringing");
    CU_ASSERT_EQUAL(h.questions, 2);
    CU_ASSERT_EQUAL(h.answers, 1);
    end();
}

TEST_MAIN("common/transaction/stranger",
          {"only the address that was asked answers", only_the_address_that_was_asked_answers},
          {"a peer of the trust list answers from any of its addresses",
           a_peer_of_the_trust_list_answers_from_any_of_its_addresses},
          {"a stranger turns no request away", a_stranger_turns_no_request_away},
          {"a cancelled request is ended by nobody else",
           a_cancelled_request_is_ended_by_nobody_else},
          {"the role may know better", the_role_may_know_better})
