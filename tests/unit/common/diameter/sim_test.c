/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/diameter/sim.h"

#include <errno.h>

#include "tests/support/suite.h"

struct outcome {
    unsigned calls;
    int error;
    uint32_t result;
    char token[32];
    char from[64];
};

struct world {
    struct sim *sim;
    struct diameter_sim *net;
    struct diameter *af, *pdp;
    /* the server */
    bool hold;
    struct handle held;
    unsigned asked, ups, downs;
    char asked_by[64];
};

static void on_done(void *ctx, int error, const struct diameter_answer *ans)
{
    struct outcome *o = ctx;

    o->calls++;
    o->error = error;
    CU_ASSERT((error == 0) == (ans != NULL));
    if (!ans)
        return;
    o->result = ans->result;
    CU_ASSERT_EQUAL(span_copy(ans->aaa.token, o->token, sizeof(o->token)), 0);
    CU_ASSERT_EQUAL(span_copy(ans->origin_host, o->from, sizeof(o->from)), 0);
}

static const struct diameter_answer granted = {
    .result = DIAMETER_SUCCESS, .aaa = {.token = {"a-token", 7}, .lifetime = {true, 60}}};

static void on_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct world *w = ctx;

    w->asked++;
    CU_ASSERT_EQUAL(span_copy(req->origin_host, w->asked_by, sizeof(w->asked_by)), 0);
    w->held = request;
    if (!w->hold)
        CU_ASSERT_EQUAL(diameter_answer(w->pdp, request, &granted), 0);
}

static void on_peer(void *ctx, struct span host, bool up)
{
    struct world *w = ctx;

    ASSERT_SPAN_EQ(host, "pdp.ims.test");
    if (up)
        w->ups++;
    else
        w->downs++;
}

static void world_open(struct world *w)
{
    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &w->sim), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(w->sim, &w->net), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(w->net, sim_loop(w->sim, "af"), "pcscf.ims.test", "ims.test", &w->af), 0);
    diameter_on_peer(w->af, on_peer, w);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(w->net, sim_loop(w->sim, "pdp"), "pdp.ims.test", "ims.test", &w->pdp), 0);
    CU_ASSERT_EQUAL(diameter_serve(w->pdp, DIAMETER_APP_RX, on_request, w), 0);
}

static void world_close(struct world *w)
{
    diameter_free(w->af);
    diameter_free(w->pdp);
    diameter_sim_free(w->net);
    sim_free(w->sim);
}

static int ask(struct world *w, enum diameter_app app, struct outcome *o, struct handle *ret_call)
{
    char text[128];
    struct buf b = BUF_ON(text);
    struct diameter_request req = {.kind = DIAMETER_AA, .app = app};

    diameter_session_id(w->af, "rx", &b);
    req.session_id = buf_span(&b);
    if (app == DIAMETER_APP_QOS)
        req.kind = DIAMETER_QA;
    return diameter_send(w->af, &req, sim_now(w->sim) + 2 * SEC, on_done, o, ret_call);
}

static void a_request_is_answered(void)
{
    struct world w;
    struct outcome o = {0};
    struct diameter_stats s;

    world_open(&w);
    CU_ASSERT_EQUAL(w.ups, 1);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), 0);
    CU_ASSERT_EQUAL(o.calls, 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(o.calls, 1);
    CU_ASSERT_EQUAL(o.result, DIAMETER_SUCCESS);
    CU_ASSERT_STRING_EQUAL(o.token, "a-token");
    CU_ASSERT_STRING_EQUAL(o.from, "pdp.ims.test");
    CU_ASSERT_STRING_EQUAL(w.asked_by, "pcscf.ims.test");
    diameter_stats_get(w.af, &s);
    CU_ASSERT_EQUAL(s.sent, 1);
    CU_ASSERT_EQUAL(s.answered, 1);
    CU_ASSERT_EQUAL(s.in_flight, 0);
    world_close(&w);
}

static void a_silent_peer_is_a_timeout_and_its_late_answer_is_dropped(void)
{
    struct world w;
    struct outcome o = {0};
    struct diameter_stats s;

    world_open(&w);
    w.hold = true;
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), 0);
    sim_run(w.sim, 1990 * MSEC);
    CU_ASSERT_EQUAL(o.calls, 0);
    sim_run(w.sim, 20 * MSEC);
    CU_ASSERT_EQUAL(o.calls, 1);
    CU_ASSERT_EQUAL(o.error, -ETIMEDOUT);
    CU_ASSERT_EQUAL(diameter_answer(w.pdp, w.held, &granted), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(o.calls, 1);
    diameter_stats_get(w.af, &s);
    CU_ASSERT_EQUAL(s.late, 1);
    CU_ASSERT_EQUAL(s.timeouts, 1);
    world_close(&w);
}

static void a_request_nobody_answers_is_answered_for_them(void)
{
    struct world w;
    struct outcome o = {0};

    world_open(&w);
    w.hold = true;
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), 0);
    sim_run(w.sim, 31 * SEC);
    CU_ASSERT_EQUAL(diameter_answer(w.pdp, w.held, &granted), -ESTALE);
    world_close(&w);
}

static void a_cancelled_request_is_never_heard_of_again(void)
{
    struct world w;
    struct outcome o = {0};
    struct handle call;

    world_open(&w);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, &call), 0);
    diameter_cancel(w.af, call);
    diameter_cancel(w.af, call);
    sim_run(w.sim, 5 * SEC);
    CU_ASSERT_EQUAL(o.calls, 0);
    world_close(&w);
}

static void a_broken_connection_fails_what_is_in_flight(void)
{
    struct world w;
    struct outcome o = {0};

    world_open(&w);
    w.hold = true;
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), 0);
    sim_run(w.sim, 10 * MSEC);
    diameter_sim_connected(w.pdp, false);
    CU_ASSERT_EQUAL(o.calls, 1);
    CU_ASSERT_EQUAL(o.error, -ENOTCONN);
    CU_ASSERT_EQUAL(w.downs, 1);
    CU_ASSERT(!diameter_peer_up(w.af, SPAN("pdp.ims.test")));
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), -ENOTCONN);
    diameter_sim_connected(w.pdp, true);
    CU_ASSERT(diameter_peer_up(w.af, SPAN("PDP.ims.test")));
    w.hold = false;
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o, NULL), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(o.error, 0);
    world_close(&w);
}

static void at_the_bound_the_caller_is_told_at_once(void)
{
    struct world w;
    struct outcome a = {0}, b = {0};

    world_open(&w);
    diameter_sim_bounds(w.af, 1, 1);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &a, NULL), 0);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &b, NULL), -EBUSY);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(a.result, DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(b.calls, 0);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &b, NULL), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(b.result, DIAMETER_SUCCESS);
    world_close(&w);
}

static void a_server_with_too_many_waiting_says_too_busy(void)
{
    struct world w;
    struct outcome a = {0}, b = {0};

    world_open(&w);
    w.hold = true;
    diameter_sim_bounds(w.pdp, 1, 1);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &a, NULL), 0);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &b, NULL), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(b.result, DIAMETER_TOO_BUSY);
    CU_ASSERT_EQUAL(a.calls, 0);
    world_close(&w);
}

static void an_application_nobody_serves_is_refused(void)
{
    struct world w;
    struct outcome o = {0};

    world_open(&w);
    CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_QOS, &o, NULL), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(o.result, DIAMETER_APPLICATION_UNSUPPORTED);
    CU_ASSERT_EQUAL(w.asked, 0);
    world_close(&w);
}

static void losing_every_other_message_each_request_ends_once(void)
{
    struct world w;
    struct outcome o[200] = {{0}};
    unsigned answered = 0, lost = 0;

    world_open(&w);
    diameter_sim_loss(w.net, 500);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        CU_ASSERT_EQUAL(ask(&w, DIAMETER_APP_RX, &o[i], NULL), 0);
    sim_run(w.sim, 5 * SEC);
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        CU_ASSERT_EQUAL(o[i].calls, 1);
        answered += o[i].error == 0;
        lost += o[i].error == -ETIMEDOUT;
    }
    CU_ASSERT_EQUAL(answered + lost, ARRAY_LEN(o));
    CU_ASSERT(answered > 20 && lost > 100);
    world_close(&w);
}

static void session_ids_differ(void)
{
    struct world w;
    char a[128], b[128];
    struct buf ba = BUF_ON(a), bb = BUF_ON(b);

    world_open(&w);
    diameter_session_id(w.af, "rx", &ba);
    diameter_session_id(w.af, "rx", &bb);
    CU_ASSERT(span_starts(buf_span(&ba), SPAN("pcscf.ims.test;")));
    CU_ASSERT(!span_eq(buf_span(&ba), buf_span(&bb)));
    world_close(&w);
}

TEST_MAIN(
    "common/diameter/sim", {"a request is answered", a_request_is_answered},
    {"a silent peer is a timeout and its late answer is dropped",
     a_silent_peer_is_a_timeout_and_its_late_answer_is_dropped},
    {"a request nobody answers is answered for them",
     a_request_nobody_answers_is_answered_for_them},
    {"a cancelled request is never heard of again", a_cancelled_request_is_never_heard_of_again},
    {"a broken connection fails what is in flight", a_broken_connection_fails_what_is_in_flight},
    {"at the bound the caller is told at once", at_the_bound_the_caller_is_told_at_once},
    {"a server with too many waiting says too busy", a_server_with_too_many_waiting_says_too_busy},
    {"an application nobody serves is refused", an_application_nobody_serves_is_refused},
    {"losing every other message each request ends once",
     losing_every_other_message_each_request_ends_once},
    {"session ids differ", session_ids_differ})
