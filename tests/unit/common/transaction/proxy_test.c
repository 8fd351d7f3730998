/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests through a proxy, as ladders. */
#include "tests/unit/common/transaction/house.h"

#include <errno.h>

/* ---- the caller ---- */

static char answers_text[4096]; /* "180 200 " as the caller got them */
static struct buf answers;
static unsigned n_client_ends, n_failed;
static struct sip_client *call;

static void caller_on_response(struct sip_client *c, struct sip_msg *m, void *ctx)
{
    struct sip_values via = sip_values(m, SIP_H_VIA);
    unsigned n = 0;

    (void)c, (void)ctx;
    buf_fmt(&answers, "%u ", m->status);
    while (sip_values_next(&via))
        n++;
    CU_ASSERT_EQUAL(n, 1); /* the proxy took its own away */
}

static void caller_on_failed(struct sip_client *c, unsigned status, int error, void *ctx)
{
    (void)c, (void)error, (void)ctx;
    buf_fmt(&answers, "failed %u ", status);
    n_failed++;
}

static void caller_on_end(struct sip_client *c, void *ctx)
{
    (void)c, (void)ctx;
    n_client_ends++;
    call = NULL;
}

static const struct sip_client_ops caller_ops = {caller_on_response, caller_on_failed,
                                                 caller_on_end};

static void caller_sends(const char *method, unsigned cseq, enum net_proto proto, unsigned hops,
                         const char *extra)
{
    char text[2048];
    struct buf b = BUF_ON(text);
    struct sip_target to = house_target(CALLER, PROXY, proto, 0);
    struct sip_request r = {
        .method = sip_method_of(span_str(method)),
        .ruri = SPAN("sip:bob@192.0.2.3"),
        .from = SPAN("<sip:alice@192.0.2.1>;tag=a"),
        .to = SPAN("<sip:bob@192.0.2.3>"),
        .call_id = SPAN("c1"),
        .cseq = cseq,
        .max_forwards = hops,
        .extra = span_str(extra),
    };

    CU_ASSERT_EQUAL_FATAL(sip_request_build(&r, &b), 0);
    b.p[b.n] = '\0';
    if (hops == 9) /* sip_request_build takes 0 for the usual 70 */
        strstr(b.p, "Max-Forwards: 9")[14] = '0';
    CU_ASSERT_EQUAL(sip_uac_send(h.host[CALLER].l, buf_span(&b), &to, 1, &caller_ops, NULL, &call),
                    0);
}

/* ---- the proxy ---- */

static struct {
    const struct sip_proxy_ops *ops;
    unsigned to[4], q[4]; /* the branches */
    unsigned n;
    bool one_branch; /* the targets are one after the other in a single branch */
    enum net_proto proto;
    unsigned policy;
    uint64_t no_answer;
    bool keep; /* does nothing with a request */
} plan;
static struct sip_proxy *proxy;
static struct handle kept;
static unsigned n_acks, n_proxy_ends;

static void proxy_on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                             void *ctx)
{
    struct sip_target t[4];
    int rc;

    (void)m, (void)flow, (void)ctx;
    kept = sip_server_handle(s);
    if (plan.keep)
        return;
    for (unsigned i = 0; i < plan.n; i++)
        t[i] = house_target(PROXY, plan.to[i], plan.proto, plan.policy);
    if (plan.one_branch) {
        rc = sip_proxy_forward(s, NULL, t, plan.n, plan.ops, NULL, &proxy);
        CU_ASSERT(rc == 0 || rc == -ELOOP);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(sip_proxy_new(s, plan.ops, NULL, &proxy), 0);
    for (unsigned i = 0; i < plan.n; i++)
        CU_ASSERT_EQUAL(sip_proxy_add(proxy,
                                      &(struct sip_branch_options){.targets = &t[i],
                                                                   .n_targets = 1,
                                                                   .q = plan.q[i],
                                                                   .no_answer = plan.no_answer},
                                      NULL),
                        0);
    sip_proxy_start(proxy);
}

static void proxy_on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    struct sip_target to = house_target(PROXY, CALLEE, flow->proto, 0);

    (void)ctx;
    n_acks++;
    CU_ASSERT_EQUAL(sip_forward_ack(h.host[PROXY].l, m, flow, NULL, &to), 0);
}

static void proxy_on_end(struct sip_proxy *p, void *ctx)
{
    (void)ctx;
    if (p == proxy)
        proxy = NULL;
    n_proxy_ends++;
}

static const struct sip_layer_ops proxy_layer_ops = {.on_request = proxy_on_request,
                                                     .on_ack = proxy_on_ack};
static const struct sip_proxy_ops plain_ops = {.on_end = proxy_on_end};

/* ---- the callee ---- */

static struct handle ringing[HOSTS];
static struct sip_msg *invite; /* the last one */
static unsigned n_requests, n_callee_acks, n_callee_cancels;
static bool saw_reason;
static unsigned answer_at_once[HOSTS]; /* status; 0 = later */

static void callee_on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                              void *ctx)
{
    uintptr_t host = (uintptr_t)ctx;

    (void)flow;
    n_requests++;
    CU_ASSERT_EQUAL(m->max_forwards, 69);
    ringing[host] = sip_server_handle(s);
    sip_msg_unref(invite);
    invite = sip_msg_ref(m);
    if (answer_at_once[host])
        CU_ASSERT_EQUAL(sip_server_reply(s, answer_at_once[host], NULL, SPAN_NONE, SPAN_NONE), 0);
}

static void callee_on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    (void)m, (void)flow, (void)ctx;
    n_callee_acks++;
}

static void callee_on_cancel(struct sip_server *s, void *ctx)
{
    (void)s, (void)ctx;
    n_callee_cancels++;
}

static const struct sip_layer_ops callee_layer_ops = {callee_on_request, callee_on_ack,
                                                      callee_on_cancel};

static void callee_answers(unsigned host, unsigned status)
{
    struct sip_server *s = sip_server_find(h.host[host].l, ringing[host]);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(sip_server_reply(s, status, NULL, SPAN_NONE, SPAN_NONE), 0);
    sim_run(h.sim, 10 * MSEC);
}

/* ---- beginning and end ---- */

static void begin_with(const struct sip_layer_options *o, enum sip_timer_profile timers)
{
    house_begin(o, &proxy_layer_ops, &callee_layer_ops, timers);
    answers = BUF_ON(answers_text);
    memset(&plan, 0, sizeof(plan));
    memset(ringing, 0, sizeof(ringing));
    memset(answer_at_once, 0, sizeof(answer_at_once));
    plan.ops = &plain_ops;
    plan.to[0] = CALLEE;
    plan.to[1] = CALLEE_2;
    plan.n = 1;
    plan.one_branch = true;
    plan.proto = NET_UDP;
    proxy = NULL;
    call = NULL;
    saw_reason = false;
    n_client_ends = n_failed = n_acks = n_proxy_ends = n_requests = n_callee_acks = 0;
    n_callee_cancels = 0;
}

static void begin(void)
{
    begin_with(NULL, SIP_TIMERS_RFC);
}

static void end(void)
{
    house_end();
    CU_ASSERT_PTR_NULL(call);
    CU_ASSERT_PTR_NULL(proxy);
    sip_msg_unref(invite);
    invite = NULL;
}

#define ASSERT_ANSWERS(want) ASSERT_SPAN_EQ(buf_span(&answers), want)

/* ---- plain requests ---- */

static void a_request_goes_through_and_its_answer_back(void)
{
    begin();
    answer_at_once[CALLEE] = 200;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n"
                "2>3 OPTIONS\n"
                "3>2 200 OPTIONS\n"
                "2>1 200 OPTIONS\n");
    ASSERT_ANSWERS("200 ");
    end();
    CU_ASSERT_EQUAL(n_client_ends, 1);
    CU_ASSERT_EQUAL(n_proxy_ends, 1);
}

static void lost_requests_and_responses_are_repeated(void)
{
    begin();
    answer_at_once[CALLEE] = 200;
    house_lose("2>3 OPTIONS", 2);
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 450 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS lost\n");
    sim_run(h.sim, 1100 * MSEC); /* E: 500 ms, 1500 ms; hop by hop */
    ASSERT_WIRE("1>2 OPTIONS\n"
                "2>3 OPTIONS lost\n"
                "1>2 OPTIONS\n"
                "2>3 OPTIONS\n"
                "3>2 200 OPTIONS\n"
                "2>1 200 OPTIONS\n");
    house_lose("2>1 200 OPTIONS", 1);
    caller_sends("OPTIONS", 2, NET_UDP, 70, "");
    sim_run(h.sim, 600 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n"
                "2>3 OPTIONS\n"
                "3>2 200 OPTIONS\n"
                "2>1 200 OPTIONS lost\n"
                "1>2 OPTIONS\n"
                "2>1 200 OPTIONS\n");
    CU_ASSERT_EQUAL(n_requests, 2); /* nobody saw one twice */
    ASSERT_ANSWERS("200 200 ");
    end();
}

static void a_non_invite_nobody_answers_is_not_answered_late(void)
{
    begin();
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 40 * SEC);
    ASSERT_ANSWERS("failed 408 "); /* of its own; RFC 4320: no 408 came over the wire */
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->timeouts, 1);
    /* 100 only when E has reached T2 (RFC 4320 4.1) */
    CU_ASSERT_PTR_NOT_NULL(strstr(h.trace_text, "2>1 100 OPTIONS"));
    CU_ASSERT_PTR_NULL(strstr(h.trace_text, "2>1 408"));
    end();
}

static void a_request_without_hops_left_is_refused(void)
{
    begin();
    caller_sends("OPTIONS", 1, NET_UDP, 9, "");
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n2>1 483 OPTIONS\n");
    ASSERT_ANSWERS("483 ");
    end();
}

/* ---- INVITE ---- */

static void caller_acks(unsigned cseq)
{
    caller_sends("ACK", cseq, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
}

static void a_call_goes_through(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    callee_answers(CALLEE, 200);
    caller_acks(1);
    ASSERT_WIRE("1>2 INVITE\n"
                "2>3 INVITE\n"
                "3>2 180 INVITE\n"
                "2>1 180 INVITE\n"
                "3>2 200 INVITE\n"
                "2>1 200 INVITE\n"
                "1>2 ACK\n"
                "2>3 ACK\n");
    ASSERT_ANSWERS("180 200 ");
    CU_ASSERT_EQUAL(n_callee_acks, 1);
    end();
    CU_ASSERT_EQUAL(n_proxy_ends, 1);
}

static void a_slow_role_has_100_sent_for_it(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 300 * MSEC); /* 17.2.1: 200 ms */
    ASSERT_WIRE("1>2 INVITE\n"
                "2>3 INVITE\n"
                "2>1 100 INVITE\n"
                "3>2 100 INVITE\n");
    callee_answers(CALLEE, 486);
    sim_run(h.sim, SEC);
    ASSERT_WIRE("3>2 486 INVITE\n"
                "2>3 ACK\n"
                "2>1 486 INVITE\n"
                "1>2 ACK\n");
    ASSERT_ANSWERS("486 ");
    CU_ASSERT_EQUAL(n_acks, 0); /* the ACK of a failure is nothing to the role */
    CU_ASSERT_EQUAL(n_callee_acks, 0);
    end();
}

static void a_failure_is_repeated_until_it_is_acknowledged(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    house_lose("1>2 ACK", 2);
    callee_answers(CALLEE, 486);
    h.trace.n = 0;
    sim_run(h.sim, 3 * SEC); /* G: 500 ms, 1500 ms */
    ASSERT_WIRE("2>1 486 INVITE\n1>2 ACK lost\n"
                "2>1 486 INVITE\n1>2 ACK\n");
    ASSERT_ANSWERS("486 ");
    end();
}

/* The callee's core repeats its 2xx until the ACK comes (RFC 3261 13.3.1.4). */
static void callee_repeats_ok(void)
{
    struct sip_server *s = sip_server_find(h.host[CALLEE].l, ringing[CALLEE]);
    char text[1024];
    struct buf b = BUF_ON(text);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(sip_reply(invite, 200, NULL, sip_server_tag(s), SPAN_NONE, SPAN_NONE, &b), 0);
    CU_ASSERT_EQUAL(sip_server_send(s, 200, buf_span(&b)), 0);
    sim_run(h.sim, 10 * MSEC);
}

static void an_ok_that_comes_again_goes_up_again(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    house_lose("2>1 200 INVITE", 1);
    callee_answers(CALLEE, 200);
    h.trace.n = 0;
    sim_run(h.sim, 10 * SEC);
    ASSERT_WIRE(""); /* RFC 6026 7.1: no transaction repeats it */
    callee_repeats_ok();
    callee_repeats_ok();
    ASSERT_WIRE("3>2 200 INVITE\n2>1 200 INVITE\n3>2 200 INVITE\n2>1 200 INVITE\n");
    ASSERT_ANSWERS("180 200 200 ");
    end();
}

static void a_cancelled_call_ends_with_487(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    h.trace.n = 0;
    CU_ASSERT_EQUAL(sip_client_cancel(call), 0);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("1>2 CANCEL\n"
                "2>1 200 CANCEL\n"
                "2>3 CANCEL\n"
                "3>2 200 CANCEL\n"
                "3>2 487 INVITE\n"
                "2>3 ACK\n"
                "2>1 487 INVITE\n"
                "1>2 ACK\n");
    ASSERT_ANSWERS("180 487 ");
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    end();
}

TEST_MAIN("common/transaction/proxy",
          {"a request goes through and its answer back",
           a_request_goes_through_and_its_answer_back},
          {"lost requests and responses are repeated", lost_requests_and_responses_are_repeated},
          {"a non-INVITE nobody answers is not answered late",
           a_non_invite_nobody_answers_is_not_answered_late},
          {"a request without hops left is refused", a_request_without_hops_left_is_refused},
          {"a call goes through", a_call_goes_through},
          {"a slow role has 100 sent for it", a_slow_role_has_100_sent_for_it},
          {"a failure is repeated until it is acknowledged",
           a_failure_is_repeated_until_it_is_acknowledged},
          {"an OK that comes again goes up again", an_ok_that_comes_again_goes_up_again},
          {"a cancelled call ends with 487", a_cancelled_call_ends_with_487})
