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
    struct sip_target to = house_target(PROXY, CALLEE, flow->proto, plan.policy);

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
    (void)flow, (void)ctx;
    n_callee_acks++;
    sip_msg_unref(invite);
    invite = sip_msg_ref(m);
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
    n_client_ends = n_failed = n_acks = n_proxy_ends = n_requests = n_callee_acks = 0;
    n_callee_cancels = 0;
}

static void begin(void)
{
    begin_with(NULL, SIP_TIMERS_RFC);
}

static void end(void)
{
    sim_run(h.sim, 600 * SEC);
    CU_ASSERT_PTR_NULL(call); /* they end by themselves, not because the layer does */
    CU_ASSERT_PTR_NULL(proxy);
    house_end();
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

static void a_408_to_a_non_invite_is_not_passed_on(void)
{
    begin();
    answer_at_once[CALLEE] = 408;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 100 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS\n3>2 408 OPTIONS\n"); /* RFC 4320 4.2 */
    CU_ASSERT_EQUAL(sip_layer_servers(h.host[PROXY].l), 0);
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
    sim_run(h.sim, 300 * MSEC); /* no 100 behind a 180 */
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
    CU_ASSERT_PTR_NULL(sip_server_request(sip_server_find(h.host[PROXY].l, kept)));
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

static void a_cancel_waits_for_the_first_response(void)
{
    begin();
    plan.keep = false;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    house_lose("3>2 100 INVITE", 1);
    sim_run(h.sim, 210 * MSEC);
    CU_ASSERT_EQUAL(sip_client_cancel(call), 0);
    sim_run(h.sim, 100 * MSEC);
    ASSERT_WIRE("1>2 INVITE\n"
                "2>3 INVITE\n"
                "2>1 100 INVITE\n"
                "3>2 100 INVITE lost\n"
                "1>2 CANCEL\n"
                "2>1 200 CANCEL\n"); /* RFC 3261 9.1: none to the callee yet */
    sim_run(h.sim, 300 * MSEC);
    ASSERT_WIRE("2>3 INVITE\n"
                "3>2 100 INVITE\n"
                "2>3 CANCEL\n"
                "3>2 200 CANCEL\n"
                "3>2 487 INVITE\n"
                "2>3 ACK\n"
                "2>1 487 INVITE\n"
                "1>2 ACK\n");
    ASSERT_ANSWERS("487 ");
    end();
}

static void a_callee_that_ignores_the_cancel_is_left_alone(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    house_lose("2>3 CANCEL", 100);
    CU_ASSERT_EQUAL(sip_client_cancel(call), 0);
    sim_run(h.sim, 31 * SEC);
    ASSERT_ANSWERS("180 ");
    h.trace.n = 0;
    sim_run(h.sim, 2 * SEC); /* 9.1: 64*T1 later it counts as cancelled, for caller and proxy */
    ASSERT_ANSWERS("180 failed 408 ");
    ASSERT_WIRE("2>3 CANCEL lost\n2>1 487 INVITE\n2>1 487 INVITE\n");
    callee_answers(CALLEE, 486); /* to nobody */
    end();
}

static void nobody_else_can_cancel_a_call(void)
{
    char text[1024];
    struct buf b = BUF_ON(text);
    struct sip_target to;
    struct sip_server *s;

    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    h.trace.n = 0;
    s = sip_server_find(h.host[PROXY].l, kept);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    /* all that matching by RFC 3261 17.2.3 asks for, from another host */
    buf_fmt(&b,
            "CANCEL sip:bob@192.0.2.3 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=%.*s\r\n"
            "Max-Forwards: 70\r\n"
            "From: <sip:alice@192.0.2.1>;tag=a\r\n"
            "To: <sip:bob@192.0.2.3>\r\n"
            "Call-ID: c1\r\n"
            "CSeq: 1 CANCEL\r\n"
            "Content-Length: 0\r\n\r\n",
            SPAN_ARG(sip_server_request(s)->branch));
    to = house_target(CALLEE_2, PROXY, NET_UDP, 0);
    CU_ASSERT_EQUAL(sip_transport_send(h.host[CALLEE_2].t, &to, NET_UDP, buf_span(&b), NULL, NULL),
                    0);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("4>2 CANCEL\n2>4 481 CANCEL\n");
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->cancel_strays, 1);
    /* and from the caller it works */
    CU_ASSERT_EQUAL(sip_client_cancel(call), 0);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("180 487 ");
    end();
}

static void a_silent_callee_is_given_up_by_timer_c(void)
{
    begin();
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    sim_run(h.sim, 150 * SEC);
    callee_answers(CALLEE, 180); /* 16.7 step 2: from the beginning */
    sim_run(h.sim, 150 * SEC);
    ASSERT_ANSWERS("180 180 ");
    CU_ASSERT_EQUAL(n_callee_cancels, 0);
    h.trace.n = 0;
    sim_run(h.sim, 40 * SEC);
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->timer_c, 1);
    ASSERT_ANSWERS("180 180 487 ");
    end();
}

/* ---- several branches ---- */

static void begin_forked(void)
{
    begin();
    plan.n = 2;
    plan.one_branch = false;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
}

static void the_first_to_answer_ends_the_ringing_of_the_others(void)
{
    begin_forked();
    callee_answers(CALLEE, 180);
    callee_answers(CALLEE_2, 180);
    h.trace.n = 0;
    callee_answers(CALLEE_2, 200);
    ASSERT_WIRE("4>2 200 INVITE\n"
                "2>1 200 INVITE\n"
                "2>3 CANCEL\n"
                "3>2 200 CANCEL\n"
                "3>2 487 INVITE\n"
                "2>3 ACK\n");
    ASSERT_ANSWERS("180 180 200 ");
    end();
    CU_ASSERT_EQUAL(n_proxy_ends, 1);
}

static void every_ok_of_a_forked_call_goes_up(void)
{
    begin_forked();
    callee_answers(CALLEE, 180);
    callee_answers(CALLEE_2, 180);
    house_lose("2>3 CANCEL", 100); /* it answers before the CANCEL reaches it */
    callee_answers(CALLEE_2, 200);
    callee_answers(CALLEE, 200);
    ASSERT_ANSWERS("180 180 200 200 ");
    /* for the dialog of the second, the role still has the request */
    CU_ASSERT_PTR_NOT_NULL(sip_server_request(sip_server_find(h.host[PROXY].l, kept)));
    end();
}

static void the_best_of_several_failures_goes_up(void)
{
    static const struct {
        unsigned a, b;
        const char *want;
    } cases[] = {
        {486, 404, "404 "}, {404, 486, "404 "}, {500, 486, "486 "}, {302, 486, "302 "},
        {404, 401, "401 "}, {400, 407, "407 "}, {399, 401, "399 "}, {503, 500, "500 "},
        {503, 480, "480 "}, {503, 503, "500 "}, {503, 504, "504 "}, {503, 504, "504 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin_forked();
        callee_answers(CALLEE, cases[i].a);
        ASSERT_ANSWERS("");
        callee_answers(CALLEE_2, cases[i].b);
        ASSERT_ANSWERS(cases[i].want);
        end();
    }
}

static void a_6xx_ends_it_for_all(void)
{
    begin_forked();
    callee_answers(CALLEE, 180);
    callee_answers(CALLEE_2, 603);
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("180 603 ");
    end();
}

static void lower_q_is_tried_when_higher_has_failed(void)
{
    begin();
    plan.n = 2;
    plan.one_branch = false;
    plan.q[0] = 500;
    plan.q[1] = 1000;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_requests, 1);
    callee_answers(CALLEE_2, 486);
    CU_ASSERT_EQUAL(n_requests, 2);
    ASSERT_ANSWERS("");
    callee_answers(CALLEE, 200);
    ASSERT_ANSWERS("200 ");
    end();
}

static void a_branch_that_rings_too_long_makes_room_for_the_next(void)
{
    begin();
    plan.n = 2;
    plan.one_branch = false;
    plan.q[0] = 1000;
    plan.no_answer = 20 * SEC;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    sim_run(h.sim, 19 * SEC);
    CU_ASSERT_EQUAL(n_requests, 1);
    sim_run(h.sim, 2 * SEC);
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    CU_ASSERT_EQUAL(n_requests, 2);
    callee_answers(CALLEE_2, 180);
    sim_run(h.sim, 21 * SEC);
    ASSERT_ANSWERS("180 180 408 "); /* not the 487 of our own CANCEL */
    end();
}

/* ---- several targets ---- */

static void a_target_that_does_not_answer_is_left_for_the_next(void)
{
    begin();
    plan.n = 2;
    answer_at_once[CALLEE_2] = 200;
    house_lose("2>3 OPTIONS", 100);
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 3900 * MSEC);
    ASSERT_ANSWERS("");
    sim_run(h.sim, 200 * MSEC); /* 8 T1 */
    ASSERT_ANSWERS("200 ");
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->failovers, 1);
    end();
}

static void a_target_without_service_is_left_for_the_next(void)
{
    begin();
    plan.n = 2;
    answer_at_once[CALLEE] = 503;
    answer_at_once[CALLEE_2] = 200;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("1>2 INVITE\n"
                "2>3 INVITE\n"
                "3>2 503 INVITE\n"
                "2>3 ACK\n"
                "2>4 INVITE\n"
                "4>2 200 INVITE\n"
                "2>1 200 INVITE\n");
    end();
}

static void callee_without_tcp(void)
{
    struct sip_endpoint_options eo = {.name = "x", .local = house_addr(CALLEE), .udp = true};

    sip_endpoint_close(h.host[CALLEE].e);
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(h.host[CALLEE].t, &eo, &h.host[CALLEE].e), 0);
}

static void without_a_connection_udp_is_tried_where_the_policy_says_so(void)
{
    begin();
    callee_without_tcp();
    answer_at_once[CALLEE] = 200;
    plan.proto = NET_TCP;
    plan.policy = SIP_TARGET_UDP_FALLBACK;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 5 * SEC);
    ASSERT_ANSWERS("200 ");
    CU_ASSERT_PTR_NOT_NULL(strstr(sip_header_value(invite, SIP_H_VIA).p, "SIP/2.0/UDP 192.0.2.2"));
    plan.policy = 0;
    caller_sends("OPTIONS", 2, NET_UDP, 70, "");
    sim_run(h.sim, 5 * SEC);
    ASSERT_ANSWERS("200 500 "); /* 16.9: as if it had been 503, which is not ours to say */
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->transport_errors, 1);
    end();
}

static void a_large_request_goes_by_tcp(void)
{
    char extra[1500] = "X-Large: ";
    struct buf b = {extra, strlen(extra), sizeof(extra) - 3, false};

    while (b.n < 1200)
        buf_putc(&b, 'x');
    memcpy(extra + b.n, "\r\n", 3);
    begin();
    answer_at_once[CALLEE] = 200;
    plan.policy = SIP_TARGET_LARGE_BY_TCP;
    caller_sends("OPTIONS", 1, NET_UDP, 70, extra);
    sim_run(h.sim, 100 * MSEC);
    ASSERT_ANSWERS("200 ");
    CU_ASSERT_PTR_NOT_NULL(strstr(sip_header_value(invite, SIP_H_VIA).p, "SIP/2.0/TCP 192.0.2.2"));
    CU_ASSERT_EQUAL(sip_transport_counters(h.host[PROXY].t)->connections_opened, 1);
    callee_without_tcp();
    sim_run(h.sim, SEC);
    caller_sends("OPTIONS", 2, NET_UDP, 70, extra); /* 18.1.1: then by UDP after all */
    sim_run(h.sim, 5 * SEC);
    ASSERT_ANSWERS("200 200 ");
    CU_ASSERT_PTR_NOT_NULL(strstr(sip_header_value(invite, SIP_H_VIA).p, "SIP/2.0/UDP 192.0.2.2"));
    end();
}

static void ack_of_size(size_t n)
{
    static char extra[1500];
    struct buf b = BUF_ON(extra);

    buf_puts(&b, "X-Large: ");
    while (b.n < n)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\n");
    extra[b.n] = '\0';
    caller_sends("ACK", 1, NET_UDP, 70, extra);
    sim_run(h.sim, 5 * SEC);
}

/* Phones write ACKs of over a kilobyte, and nobody says that one did not arrive. */
static void a_large_ack_arrives_with_and_without_tcp(void)
{
    begin();
    plan.policy = SIP_TARGET_LARGE_BY_TCP;
    ack_of_size(1200);
    CU_ASSERT_EQUAL(n_callee_acks, 1);
    CU_ASSERT(span_starts(sip_header_value(invite, SIP_H_VIA), SPAN("SIP/2.0/TCP 192.0.2.2")));
    callee_without_tcp();
    sim_run(h.sim, SEC);
    ack_of_size(1200);
    CU_ASSERT_EQUAL(n_callee_acks, 2);
    CU_ASSERT(span_starts(sip_header_value(invite, SIP_H_VIA), SPAN("SIP/2.0/UDP 192.0.2.2")));
    ack_of_size(12);
    CU_ASSERT_EQUAL(n_callee_acks, 3);
    end();
}

static void an_ack_may_wait_when_the_layer_ends(void)
{
    begin();
    plan.policy = SIP_TARGET_LARGE_BY_TCP;
    ack_of_size(1200);
    CU_ASSERT_EQUAL(n_callee_acks, 1);
    sip_layer_free(h.host[PROXY].l);
    h.host[PROXY].l = NULL;
    end();
}

static void over_tcp_nothing_is_repeated_and_nothing_lingers(void)
{
    begin();
    plan.proto = NET_TCP;
    caller_sends("OPTIONS", 1, NET_TCP, 70, "");
    sim_run(h.sim, 3 * SEC);
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS\n");
    callee_answers(CALLEE, 200);
    ASSERT_WIRE("3>2 200 OPTIONS\n2>1 200 OPTIONS\n");
    for (unsigned i = 0; i < HOSTS; i++) {
        CU_ASSERT_EQUAL(sip_layer_servers(h.host[i].l), 0);
        CU_ASSERT_EQUAL(sip_layer_clients(h.host[i].l), 0);
    }
    end();
}

static void a_connection_that_breaks_ends_what_waits_on_it(void)
{
    struct sip_server *s;

    begin();
    plan.proto = NET_TCP;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 100 * MSEC);
    s = sip_server_find(h.host[CALLEE].l, ringing[CALLEE]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    sip_flow_close(h.host[CALLEE].t, sip_server_flow(s));
    sim_run(h.sim, 100 * MSEC);
    ASSERT_ANSWERS("500 ");
    end();
}

/* ---- the role in the way of answers ---- */

static enum sip_answer_verdict verdict;
static unsigned hold_status, replace_status, replace_by, n_asked;

static enum sip_answer_verdict on_answer(struct sip_answer *a, void *ctx)
{
    (void)ctx;
    n_asked++;
    CU_ASSERT_PTR_EQUAL(a->proxy, proxy);
    if (a->status == replace_status) {
        static const char lines[] = "Reason: test\r\n";

        a->replace = replace_by;
        a->replace_phrase = "Because";
        a->replace_extra = span_str(lines);
        return verdict;
    }
    if (a->m)
        sip_edit_append(a->edit, SIP_H_SUBJECT, SPAN("seen"));
    return a->status == hold_status ? verdict : SIP_ANSWER_PASS;
}

static const struct sip_proxy_ops asking_ops = {.on_answer = on_answer, .on_end = proxy_on_end};

static void begin_asking(enum sip_answer_verdict v, unsigned hold, unsigned replace, unsigned by)
{
    begin();
    plan.ops = &asking_ops;
    verdict = v;
    hold_status = hold;
    replace_status = replace;
    replace_by = by;
    n_asked = 0;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
}

static void what_comes_behind_a_held_answer_waits(void)
{
    begin_asking(SIP_ANSWER_HOLD, 183, 0, 0);
    callee_answers(CALLEE, 183);
    callee_answers(CALLEE, 180);
    callee_answers(CALLEE, 200);
    ASSERT_ANSWERS("");
    CU_ASSERT_EQUAL(n_asked, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sip_proxy_held(proxy));
    CU_ASSERT_EQUAL(sip_proxy_held(proxy)->status, 183);
    sip_proxy_release(proxy, SIP_ANSWER_PASS);
    CU_ASSERT_EQUAL(n_asked, 1); /* never from within */
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("183 180 200 ");
    CU_ASSERT_EQUAL(n_asked, 3);
    end();
}

static void provisionals_without_end_do_not_pile_up(void)
{
    begin_asking(SIP_ANSWER_HOLD, 183, 0, 0);
    callee_answers(CALLEE, 183);
    for (int i = 0; i < 40; i++)
        callee_answers(CALLEE, 180);
    callee_answers(CALLEE, 200); /* a final one always has room */
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->dropped_answers, 8);
    sip_proxy_release(proxy, SIP_ANSWER_DROP);
    sim_run(h.sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_asked, 34);
    end();
}

static void a_held_answer_may_be_dropped(void)
{
    begin_asking(SIP_ANSWER_HOLD, 183, 0, 0);
    callee_answers(CALLEE, 183);
    callee_answers(CALLEE, 200);
    sip_proxy_release(proxy, SIP_ANSWER_DROP);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("200 ");
    end();
}

static void the_role_may_end_a_ringing_call(void)
{
    begin_asking(SIP_ANSWER_PASS, 0, 180, 403);
    callee_answers(CALLEE, 180);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("403 ");
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    end();
}

static void the_role_may_refuse_an_answered_call(void)
{
    begin_asking(SIP_ANSWER_HOLD, 0, 200, 503);
    callee_answers(CALLEE, 200);
    ASSERT_ANSWERS("");
    callee_repeats_ok(); /* the callee does not know that it waits */
    sip_proxy_release(proxy, SIP_ANSWER_PASS);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("503 ");
    callee_repeats_ok();
    ASSERT_ANSWERS("503 ");
    CU_ASSERT_EQUAL(n_asked, 1);
    end();
}

static void the_role_may_give_up_a_call(void)
{
    begin_asking(SIP_ANSWER_HOLD, 183, 0, 0);
    callee_answers(CALLEE, 183);
    sip_proxy_abort(proxy, 504, NULL, SPAN_NONE);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("504 ");
    CU_ASSERT_EQUAL(n_callee_cancels, 1);
    CU_ASSERT_PTR_NULL(sip_proxy_held(proxy));
    end();
}

static enum sip_answer_verdict abort_and_hold(struct sip_answer *a, void *ctx)
{
    (void)ctx;
    sip_proxy_abort(a->proxy, 500, NULL, SPAN_NONE);
    return SIP_ANSWER_HOLD;
}

static void nothing_is_held_of_a_call_given_up_meanwhile(void)
{
    static const struct sip_proxy_ops ops = {.on_answer = abort_and_hold, .on_end = proxy_on_end};

    begin();
    plan.ops = &ops;
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    callee_answers(CALLEE, 180);
    ASSERT_ANSWERS("500 ");
    end();
    CU_ASSERT_EQUAL(n_proxy_ends, 1);
}

/* ---- servers ---- */

static void a_full_table_says_when_to_come_again(void)
{
    struct sip_layer_options o = sip_layer_options_default;

    o.servers = 1;
    begin_with(&o, SIP_TIMERS_RFC);
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    caller_sends("OPTIONS", 2, NET_UDP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    ASSERT_ANSWERS("503 ");
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->refused_full, 1);
    end();
}

static void a_handle_outlives_its_transaction(void)
{
    begin();
    plan.keep = true;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 31 * SEC);
    CU_ASSERT_PTR_NOT_NULL(sip_server_find(h.host[PROXY].l, kept));
    sim_run(h.sim, 2 * SEC); /* RFC 4320 4.2 */
    CU_ASSERT_PTR_NULL(sip_server_find(h.host[PROXY].l, kept));
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->answer_timeouts, 1);
    end();
}

static void an_invite_may_have_its_100_at_once(void)
{
    struct sip_layer_options o = sip_layer_options_default;

    o.trying_at_once = true;
    begin_with(&o, SIP_TIMERS_RFC);
    caller_sends("INVITE", 1, NET_UDP, 70, "");
    sim_run(h.sim, 300 * MSEC);
    ASSERT_WIRE("1>2 INVITE\n"
                "2>1 100 INVITE\n"
                "2>3 INVITE\n"
                "3>2 100 INVITE\n");
    callee_answers(CALLEE, 200);
    end();
}

static void towards_phones_the_timers_are_the_slow_ones(void)
{
    begin_with(NULL, SIP_TIMERS_UE);
    plan.keep = true;
    caller_sends("OPTIONS", 1, NET_UDP, 70, "");
    sim_run(h.sim, 1900 * MSEC);
    ASSERT_WIRE("1>2 OPTIONS\n");
    sim_run(h.sim, 5 * SEC); /* TS 24.229 table 7.7.1: 2 s, 6 s */
    ASSERT_WIRE("1>2 OPTIONS\n1>2 OPTIONS\n");
    sim_run(h.sim, 120 * SEC);
    ASSERT_ANSWERS("");
    sim_run(h.sim, 5 * SEC); /* 128 s */
    ASSERT_ANSWERS("failed 408 ");
    end();
}

static void a_response_nobody_asked_for_goes_nowhere(void)
{
    struct sip_target to;

    begin();
    to = house_target(CALLEE, PROXY, NET_UDP, 0);
    CU_ASSERT_EQUAL(
        sip_transport_send(h.host[CALLEE].t, &to, NET_UDP,
                           SPAN("SIP/2.0 200 OK\r\n"
                                "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKaaaaaaaaaaaaa\r\n"
                                "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
                                "From: <sip:alice@192.0.2.1>;tag=a\r\n"
                                "To: <sip:bob@192.0.2.3>;tag=b\r\n"
                                "Call-ID: c1\r\n"
                                "CSeq: 1 INVITE\r\n"
                                "Content-Length: 0\r\n\r\n"),
                           NULL, NULL),
        0);
    sim_run(h.sim, 10 * MSEC);
    ASSERT_WIRE("3>2 200 INVITE\n");
    CU_ASSERT_EQUAL(sip_layer_counters(h.host[PROXY].l)->response_strays, 1);
    end();
}

static void a_layer_may_end_in_the_middle_of_calls(void)
{
    begin_asking(SIP_ANSWER_HOLD, 183, 0, 0);
    callee_answers(CALLEE, 183);
    callee_answers(CALLEE, 200);
    caller_sends("OPTIONS", 2, NET_TCP, 70, "");
    sim_run(h.sim, 10 * MSEC);
    for (unsigned i = 0; i < HOSTS; i++) {
        sip_layer_free(h.host[i].l);
        h.host[i].l = NULL;
    }
    CU_ASSERT_EQUAL(n_proxy_ends, 2);
    CU_ASSERT_EQUAL(n_client_ends, 2);
    end();
}

/* ---- everything at once ---- */

static void whatever_the_wire_does_every_call_ends(void)
{
    static const unsigned finals[] = {200, 200, 200, 404, 486, 503, 603};
    unsigned calls = 300;

    begin();
    plan.n = 2;
    plan.one_branch = false;
    wire_set(
        h.wire,
        &(struct wire_conditions){
            .delay = 5 * MSEC, .jitter = 5 * MSEC, .loss = 200, .duplicate = 100, .reorder = 100});
    for (unsigned i = 0; i < calls; i++) {
        answer_at_once[CALLEE] = finals[rnd_below(sim_rnd(h.sim), ARRAY_LEN(finals))];
        answer_at_once[CALLEE_2] = finals[rnd_below(sim_rnd(h.sim), ARRAY_LEN(finals))];
        plan.one_branch = rnd_below(sim_rnd(h.sim), 2);
        caller_sends(rnd_below(sim_rnd(h.sim), 2) ? "INVITE" : "OPTIONS", i + 1, NET_UDP, 70, "");
        sim_run(h.sim, rnd_below(sim_rnd(h.sim), 2000) * MSEC);
        h.trace.n = 0;
        answers.n = 0;
        CU_ASSERT(!h.trace.overflow);
    }
    end();
    CU_ASSERT_EQUAL(n_client_ends, calls);
}

TEST_MAIN(
    "common/transaction/proxy",
    {"a request goes through and its answer back", a_request_goes_through_and_its_answer_back},
    {"lost requests and responses are repeated", lost_requests_and_responses_are_repeated},
    {"a non-INVITE nobody answers is not answered late",
     a_non_invite_nobody_answers_is_not_answered_late},
    {"a request without hops left is refused", a_request_without_hops_left_is_refused},
    {"a 408 to a non-INVITE is not passed on", a_408_to_a_non_invite_is_not_passed_on},
    {"nothing is held of a call given up meanwhile", nothing_is_held_of_a_call_given_up_meanwhile},
    {"a call goes through", a_call_goes_through},
    {"a slow role has 100 sent for it", a_slow_role_has_100_sent_for_it},
    {"a failure is repeated until it is acknowledged",
     a_failure_is_repeated_until_it_is_acknowledged},
    {"an OK that comes again goes up again", an_ok_that_comes_again_goes_up_again},
    {"a cancelled call ends with 487", a_cancelled_call_ends_with_487},
    {"a cancel waits for the first response", a_cancel_waits_for_the_first_response},
    {"a callee that ignores the cancel is left alone",
     a_callee_that_ignores_the_cancel_is_left_alone},
    {"nobody else can cancel a call", nobody_else_can_cancel_a_call},
    {"a silent callee is given up by timer c", a_silent_callee_is_given_up_by_timer_c},
    {"the first to answer ends the ringing of the others",
     the_first_to_answer_ends_the_ringing_of_the_others},
    {"every ok of a forked call goes up", every_ok_of_a_forked_call_goes_up},
    {"the best of several failures goes up", the_best_of_several_failures_goes_up},
    {"a 6xx ends it for all", a_6xx_ends_it_for_all},
    {"lower q is tried when higher has failed", lower_q_is_tried_when_higher_has_failed},
    {"a branch that rings too long makes room for the next",
     a_branch_that_rings_too_long_makes_room_for_the_next},
    {"a target that does not answer is left for the next",
     a_target_that_does_not_answer_is_left_for_the_next},
    {"a target without service is left for the next",
     a_target_without_service_is_left_for_the_next},
    {"without a connection udp is tried where the policy says so",
     without_a_connection_udp_is_tried_where_the_policy_says_so},
    {"a large request goes by tcp", a_large_request_goes_by_tcp},
    {"a large ACK arrives with and without tcp", a_large_ack_arrives_with_and_without_tcp},
    {"an ACK may wait when the layer ends", an_ack_may_wait_when_the_layer_ends},
    {"over tcp nothing is repeated and nothing lingers",
     over_tcp_nothing_is_repeated_and_nothing_lingers},
    {"a connection that breaks ends what waits on it",
     a_connection_that_breaks_ends_what_waits_on_it},
    {"what comes behind a held answer waits", what_comes_behind_a_held_answer_waits},
    {"provisionals without end do not pile up", provisionals_without_end_do_not_pile_up},
    {"a held answer may be dropped", a_held_answer_may_be_dropped},
    {"the role may end a ringing call", the_role_may_end_a_ringing_call},
    {"the role may refuse an answered call", the_role_may_refuse_an_answered_call},
    {"the role may give up a call", the_role_may_give_up_a_call},
    {"a full table says when to come again", a_full_table_says_when_to_come_again},
    {"a handle outlives its transaction", a_handle_outlives_its_transaction},
    {"an invite may have its 100 at once", an_invite_may_have_its_100_at_once},
    {"towards phones the timers are the slow ones", towards_phones_the_timers_are_the_slow_ones},
    {"a response nobody asked for goes nowhere", a_response_nobody_asked_for_goes_nowhere},
    {"a layer may end in the middle of calls", a_layer_may_end_in_the_middle_of_calls},
    {"whatever the wire does every call ends", whatever_the_wire_does_every_call_ends})
