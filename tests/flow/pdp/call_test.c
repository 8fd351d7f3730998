/* SPDX-License-Identifier: GPL-2.0-or-later */
/* P-CSCF, PDP and edges on one virtual clock: the life of a token. AF and edge are scripts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/diameter/sim.h"
#include "pdp/qos/qos.h"
#include "pdp/rx/rx.h"
#include "tests/support/suite.h"

struct outcome {
    unsigned calls;
    int error;
    uint32_t result, experimental;
    uint32_t lifetime, n_filters, n_permitted;
    uint64_t bandwidth;
    char why[200];
    size_t n_token;
    char token[SECRET_MAX];
};

struct world {
    struct sim *sim;
    struct diameter_sim *net;
    struct diameter *af, *pdp, *edge, *thief;
    struct loop *loop;
    struct conf *conf;
    struct policy *policy;
    struct grants *grants;
    struct rx *rx;
    struct qos *qos;
    char dir[TEST_FOLDER_MAX], path[64];
    struct outcome last;
    unsigned before;
    /* what the PDP began */
    unsigned asr_af, asr_edge, rar_edge;
    uint32_t edge_says; /* to ASR and RAR; 0 = nothing */
    unsigned verdict[QOS_VERDICTS], events[RX_EVENTS];
};

/* ---- the PDP ---- */

static void on_event(enum rx_event e, const struct diameter_request *req, const struct grant *g,
                     const char *why, void *ctx)
{
    (void)req, (void)g, (void)why;
    ((struct world *)ctx)->events[e]++;
}

static void on_verdict(enum qos_verdict v, const struct diameter_request *req,
                       const struct grant *g, const char *detail, void *ctx)
{
    (void)req, (void)g, (void)detail;
    ((struct world *)ctx)->verdict[v]++;
}

static void pdp_start(struct world *w)
{
    const struct rx_options rx = {2 * SEC, true, on_event, w};
    const struct qos_options qos = {600, 30, 1 * SEC, 2 * SEC, 2 * SEC, on_verdict, w};
    struct grants_options options = {.entity = "pdp.ims.test", .lifetime = 7200, .limit = 1000};

    options.keys.n = 1;
    options.keys.keys[0] = (struct token_key){.id = 1, .mac = TOKEN_HMAC_SHA256};
    CU_ASSERT_EQUAL(secret_set(&options.keys.keys[0].key, "a key of the pdp", 16), 0);
    w->loop = sim_loop(w->sim, "pdp");
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(w->net, w->loop, "pdp.ims.test", "ims.test", &w->pdp),
                          0);
    CU_ASSERT_EQUAL_FATAL(grants_new(w->loop, sim_rnd(w->sim), w->path, &options, &w->grants, NULL),
                          0);
    CU_ASSERT_EQUAL_FATAL(rx_new(w->loop, w->pdp, w->grants, w->policy, &rx, &w->rx), 0);
    CU_ASSERT_EQUAL_FATAL(qos_new(w->loop, w->pdp, sim_rnd(w->sim), w->grants, &qos, &w->qos), 0);
}

static void pdp_stop(struct world *w)
{
    grants_free(w->grants);
    rx_free(w->rx);
    qos_free(w->qos);
    diameter_free(w->pdp);
    loop_free(w->loop);
}

/* ---- the others ---- */

static void on_af_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct world *w = ctx;
    const struct diameter_answer ok = {.result = DIAMETER_SUCCESS};

    CU_ASSERT_EQUAL(req->kind, DIAMETER_AS);
    w->asr_af++;
    CU_ASSERT_EQUAL(diameter_answer(w->af, request, &ok), 0);
}

static void on_edge_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct world *w = ctx;
    struct diameter_answer says = {.result = w->edge_says};

    w->asr_edge += req->kind == DIAMETER_AS;
    w->rar_edge += req->kind == DIAMETER_RA;
    if (says.result)
        CU_ASSERT_EQUAL(diameter_answer(w->edge, request, &says), 0);
}

static void world_open(struct world *w, const char *policy)
{
    struct conf_report report = {0};

    *w = (struct world){.edge_says = DIAMETER_SUCCESS};
    test_folder(w->dir);
    snprintf(w->path, sizeof(w->path), "%s/pdp.db", w->dir);
    CU_ASSERT_EQUAL_FATAL(
        conf_parse(&policy_schema, span_str(policy), "policy.yaml", &w->conf, &report), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &w->sim), 0);
    CU_ASSERT_EQUAL_FATAL(policy_new(conf_values(w->conf, 0), sim_rnd(w->sim), &w->policy), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(w->sim, &w->net), 0);
    pdp_start(w);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(w->net, sim_loop(w->sim, "af"), "pcscf.ims.test", "ims.test", &w->af), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(w->net, sim_loop(w->sim, "edge"), "edge.ims.test", "ims.test", &w->edge),
        0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(w->net, sim_loop(w->sim, "thief"), "thief.ims.test",
                                            "ims.test", &w->thief),
                          0);
    CU_ASSERT_EQUAL(diameter_serve(w->af, DIAMETER_APP_RX, on_af_request, w), 0);
    CU_ASSERT_EQUAL(diameter_serve(w->edge, DIAMETER_APP_QOS, on_edge_request, w), 0);
}

static void world_close(struct world *w)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char name[64];

    pdp_stop(w);
    diameter_free(w->af);
    diameter_free(w->edge);
    diameter_free(w->thief);
    diameter_sim_free(w->net);
    sim_free(w->sim);
    policy_free(w->policy);
    conf_free(w->conf);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(name, sizeof(name), "%s%s", w->path, tails[i]);
        (void)unlink(name);
    }
    CU_ASSERT_EQUAL(rmdir(w->dir), 0);
}

/* ---- arrows ---- */

static void on_done(void *ctx, int error, const struct diameter_answer *ans)
{
    struct outcome *o = &((struct world *)ctx)->last;

    *o = (struct outcome){.calls = o->calls + 1, .error = error};
    if (!ans)
        return;
    o->result = ans->result;
    o->experimental = ans->experimental;
    (void)span_copy(ans->error_message, o->why, sizeof(o->why));
    if (ans->kind == DIAMETER_AA) {
        CU_ASSERT_FATAL(ans->aaa.token.n <= sizeof(o->token));
        o->n_token = ans->aaa.token.n;
        if (o->n_token)
            memcpy(o->token, ans->aaa.token.p, o->n_token);
        o->lifetime = ans->aaa.lifetime.v;
    } else if (ans->kind == DIAMETER_QA) {
        o->n_filters = (uint32_t)ans->qaa.n_filters;
        o->lifetime = ans->qaa.lifetime.v;
        for (size_t i = 0; i < ans->qaa.n_filters; i++) {
            o->n_permitted += ans->qaa.filters[i].action.v == QOS_PERMIT;
            o->bandwidth += ans->qaa.filters[i].bandwidth;
        }
    }
}

static bool answered(void *ctx)
{
    struct world *w = ctx;

    return w->last.calls > w->before;
}

static uint32_t send_and_wait(struct world *w, struct diameter *from, struct diameter_request *r)
{
    w->before = w->last.calls;
    CU_ASSERT_EQUAL(diameter_send(from, r, sim_now(w->sim) + 2 * SEC, on_done, w, NULL), 0);
    free(r);
    CU_ASSERT(sim_run_until(w->sim, answered, w, 3 * SEC));
    return w->last.result;
}

static struct diameter_request *request_new(enum diameter_kind kind, enum diameter_app app,
                                            const char *session)
{
    struct diameter_request *r = calloc(1, sizeof(*r));

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    r->kind = kind;
    r->app = app;
    r->session_id = span_str(session);
    r->destination_host = SPAN("pdp.ims.test");
    return r;
}

static struct diameter_request *aar(const char *session, uint32_t status, uint32_t flow_status)
{
    struct diameter_request *r = request_new(DIAMETER_AA, DIAMETER_APP_RX, session);

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &r->aar.framed_ip), 0);
    r->aar.info_status = DIAMETER_U32(status);
    r->aar.charging_id = SPAN("icid-1");
    r->aar.n_subscriptions = 1;
    r->aar.subscriptions[0] = (struct rx_subscription){RX_ID_SIP_URI, SPAN("sip:alice@ims.test")};
    r->aar.n_components = 1;
    r->aar.components[0] = (struct rx_component){
        .number = 1,
        .media_type = DIAMETER_U32(RX_AUDIO),
        .status = DIAMETER_U32(flow_status),
        .bandwidth_ul = DIAMETER_U32(41000),
        .bandwidth_dl = DIAMETER_U32(41000),
        .n_flows = 2,
        .flows = {{.number = 1,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 30000"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49170")},
                  {.number = 2,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 30001"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49171"),
                   .usage = DIAMETER_U32(RX_USAGE_RTCP),
                   .status = DIAMETER_U32(RX_ENABLED)}}};
    return r;
}

/* The edge asks with the token of the last AAA that had one. */
struct ask {
    const char *session;
    const char *in, *out;
    const struct outcome *with;
};

static struct diameter_request *qar(const struct ask *a)
{
    struct diameter_request *r = request_new(DIAMETER_QA, DIAMETER_APP_QOS, a->session);
    const char *texts[] = {a->in, a->out};

    r->qar.token = span_of(a->with->token, a->with->n_token);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i])
            continue;
        CU_ASSERT_EQUAL_FATAL(
            diameter_flow_parse(span_str(texts[i]), &r->qar.filters[r->qar.n_filters].flow), 0);
        r->qar.filters[r->qar.n_filters++].id = SPAN("1.1");
    }
    return r;
}

static const char up[] = "permit in 17 from 10.45.0.7 to 10.1.2.3 30000";
static const char down[] = "permit out 17 from 10.1.2.3 30000 to 10.45.0.7 49170";

static struct outcome granted_call(struct world *w)
{
    /* af -> pdp  AAR (FINAL), AAA with a token */
    CU_ASSERT_EQUAL(send_and_wait(w, w->af, aar("af;1", RX_FINAL, RX_ENABLED)), DIAMETER_SUCCESS);
    CU_ASSERT(w->last.n_token > 40);
    return w->last;
}

static uint32_t edge_asks(struct world *w, const struct outcome *with)
{
    const struct ask a = {"edge;1", up, down, with};

    return send_and_wait(w, w->edge, qar(&a));
}

static uint32_t ends(struct world *w, struct diameter *who, enum diameter_app app,
                     const char *session)
{
    struct diameter_request *r = request_new(DIAMETER_ST, app, session);

    r->st.cause = DIAMETER_LOGOUT;
    return send_and_wait(w, who, r);
}

/* ---- ladders ---- */

static void a_call_from_aar_to_str(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(call.lifetime, 7200);
    /* edge -> pdp  QAR with token and flows, QAA: exactly these, until asked again */
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.n_filters, 2);
    CU_ASSERT_EQUAL(w.last.n_permitted, 2);
    CU_ASSERT_EQUAL(w.last.bandwidth, 82000);
    CU_ASSERT_EQUAL(w.last.lifetime, 600);
    /* edge -> pdp  the same again: renewed */
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* af -> pdp  STR; edge -> pdp  STR; so that the PDP has nothing to say to the edge */
    CU_ASSERT_EQUAL(ends(&w, w.af, DIAMETER_APP_RX, "af;1"), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(ends(&w, w.edge, DIAMETER_APP_QOS, "edge;1"), DIAMETER_SUCCESS);
    sim_run(w.sim, 10 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 0);
    /* edge -> pdp  the token again: it is over */
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(w.verdict[QOS_UNKNOWN], 1);
    CU_ASSERT_EQUAL(ends(&w, w.af, DIAMETER_APP_RX, "af;1"), DIAMETER_UNKNOWN_SESSION_ID);
    world_close(&w);
}

static void a_session_is_its_own_nodes_alone(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    /* thief -> pdp  AAR and STR of the af's session */
    CU_ASSERT_EQUAL(send_and_wait(&w, w.thief, aar("af;1", RX_FINAL, RX_DISABLED)),
                    DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(w.last.n_token, 0);
    CU_ASSERT_EQUAL(ends(&w, w.thief, DIAMETER_APP_RX, "af;1"), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.n_permitted, 2);
    world_close(&w);
}

static void an_edge_that_keeps_its_gates_after_the_call_is_told(void)
{
    struct world w;
    struct outcome call;
    struct qos_stats s;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* the edge does not answer at first */
    w.edge_says = 0;
    CU_ASSERT_EQUAL(ends(&w, w.af, DIAMETER_APP_RX, "af;1"), DIAMETER_SUCCESS);
    sim_run(w.sim, 4 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 1);
    w.edge_says = DIAMETER_SUCCESS;
    sim_run(w.sim, 20 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 2);
    qos_stats_get(w.qos, &s);
    CU_ASSERT_EQUAL(s.goodbyes, 0);
    sim_run(w.sim, 100 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 2);
    world_close(&w);
}

static void the_phone_called_has_a_token_before_it_answers(void)
{
    struct world w;
    struct outcome call, update;

    world_open(&w, "");
    /* af -> pdp  AAR (PRELIMINARY): the INVITE to the phone carries the token (RFC 3313) */
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;1", RX_PRELIMINARY, RX_ENABLED)),
                    DIAMETER_SUCCESS);
    call = w.last;
    CU_ASSERT(call.n_token > 40);
    /* edge -> pdp  too early */
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(w.verdict[QOS_EARLY], 1);
    /* af -> pdp  AAR (UPDATE) with the answer: the same token */
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;1", RX_FINAL, RX_ENABLED)), DIAMETER_SUCCESS);
    update = w.last;
    CU_ASSERT(span_eq(span_of(call.token, call.n_token), span_of(update.token, update.n_token)));
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    world_close(&w);
}

static void a_token_is_good_for_its_flows_only(void)
{
    static const struct {
        const char *in, *out;
    } rows[] = {{"permit in 17 from 10.45.0.7 to 10.1.2.3 30002", NULL},
                {"permit in 17 from 10.45.0.8 to 10.1.2.3 30000", NULL},
                {"permit in 17 from any to 10.1.2.3 30000", NULL},
                {"permit in 17 from 10.45.0.7 to 10.1.2.3", NULL},
                {"permit in 6 from 10.45.0.7 to 10.1.2.3 30000", NULL},
                {"permit out 17 from 10.1.2.3 to 10.45.0.7 49180", NULL},
                {up, "permit out 17 from 10.9.9.9 to 10.45.0.7 49170"}};
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct ask a = {"edge;1", rows[i].in, rows[i].out, &call};

        CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, qar(&a)), DIAMETER_AUTHORIZATION_REJECTED);
        CU_ASSERT_EQUAL(w.last.n_filters, 0);
    }
    CU_ASSERT_EQUAL(w.verdict[QOS_UNCOVERED], ARRAY_LEN(rows));
    /* and a question without flows is answered with those there are */
    const struct ask all = {"edge;1", NULL, NULL, &call};
    CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, qar(&all)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.n_filters, 4);
    world_close(&w);
}

static void more_bandwidth_than_granted_is_refused(void)
{
    struct world w;
    struct outcome call;
    struct diameter_request *r;

    world_open(&w, "");
    call = granted_call(&w);
    const struct ask a = {"edge;1", up, NULL, &call};
    r = qar(&a);
    r->qar.filters[0].bandwidth = 48000;
    CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, r), DIAMETER_AUTHORIZATION_REJECTED);
    r = qar(&a);
    r->qar.filters[0].bandwidth = 40000;
    CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, r), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.bandwidth, 40000);
    world_close(&w);
}

static void a_stolen_forged_or_missing_token_opens_nothing(void)
{
    struct world w;
    struct outcome call, forged, none = {0};

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* thief -> pdp  the same token from another edge */
    const struct ask theft = {"thief;1", up, down, &call};
    CU_ASSERT_EQUAL(send_and_wait(&w, w.thief, qar(&theft)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(w.verdict[QOS_OTHER_EDGE], 1);
    /* one octet of the MAC changed */
    forged = call;
    forged.token[forged.n_token - 1] ^= 1;
    CU_ASSERT_EQUAL(edge_asks(&w, &forged), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(w.verdict[QOS_FORGED], 1);
    CU_ASSERT_EQUAL(edge_asks(&w, &none), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(w.verdict[QOS_NO_TOKEN], 1);
    /* the edge that has it is not disturbed; nobody else can end its session */
    CU_ASSERT_EQUAL(ends(&w, w.thief, DIAMETER_APP_QOS, "edge;1"), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(ends(&w, w.thief, DIAMETER_APP_RX, "af;1"), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    world_close(&w);
}

static void an_edge_that_was_restarted_takes_its_token_up_again(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    const struct ask again = {"edge;2", up, down, &call};
    CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, qar(&again)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(ends(&w, w.edge, DIAMETER_APP_QOS, "edge;1"), DIAMETER_UNKNOWN_SESSION_ID);
    /* but one session is not two calls' */
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;2", RX_FINAL, RX_ENABLED)), DIAMETER_SUCCESS);
    const struct outcome other = w.last;
    const struct ask mixed = {"edge;2", up, down, &other};
    CU_ASSERT_EQUAL(send_and_wait(&w, w.edge, qar(&mixed)), DIAMETER_AUTHORIZATION_REJECTED);
    world_close(&w);
}

static void on_hold_the_edge_is_asked_to_look_again(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* af -> pdp  AAR (UPDATE): the phone only sends */
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;1", RX_FINAL, RX_ENABLED_UPLINK)),
                    DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.rar_edge, 0);
    sim_run(w.sim, 2 * SEC);
    CU_ASSERT_EQUAL(w.rar_edge, 1);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.n_filters, 2);
    CU_ASSERT_EQUAL(w.last.n_permitted, 1);
    world_close(&w);
}

static void a_refused_update_leaves_the_call_as_it_was(void)
{
    struct world w;
    struct outcome call;
    struct diameter_request *r;

    world_open(&w, "bandwidth: { audio: 64 }");
    call = granted_call(&w);
    r = aar("af;1", RX_FINAL, RX_ENABLED);
    r->aar.components[0].bandwidth_ul = DIAMETER_U32(900000);
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, r), 0);
    CU_ASSERT_EQUAL(w.last.experimental, DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL(w.last.n_token, 0);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* and a refused beginning leaves nothing */
    r = aar("af;2", RX_FINAL, RX_ENABLED);
    r->aar.components[0].bandwidth_ul = DIAMETER_U32(900000);
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, r), 0);
    CU_ASSERT_EQUAL(w.events[RX_REFUSED], 2);
    CU_ASSERT_PTR_NULL(grants_find(w.grants, SPAN("af;2")));
    world_close(&w);
}

static void a_change_that_is_only_asked_about_changes_nothing(void)
{
    struct world w;
    struct outcome call;
    struct diameter_request *r;

    world_open(&w, "bandwidth: { audio: 64 }");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* the offer of a re-INVITE: half of the flows, held */
    r = aar("af;1", RX_PRELIMINARY, RX_DISABLED);
    r->aar.components[0].n_flows = 0;
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, r), DIAMETER_SUCCESS);
    CU_ASSERT(span_eq(span_of(call.token, call.n_token), span_of(w.last.token, w.last.n_token)));
    CU_ASSERT_EQUAL(w.events[RX_CHANGED], 0);
    sim_run(w.sim, 10 * SEC);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.last.n_permitted, 2);
    /* one that may not be */
    r = aar("af;1", RX_PRELIMINARY, RX_ENABLED);
    r->aar.components[0].bandwidth_ul = DIAMETER_U32(900000);
    CU_ASSERT_EQUAL(send_and_wait(&w, w.af, r), 0);
    CU_ASSERT_EQUAL(w.last.experimental, DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    world_close(&w);
}

static void an_operator_revokes_and_both_sides_hear_of_it(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    grant_end(grants_find(w.grants, SPAN("af;1")), GRANT_REVOKED, NULL, NULL);
    sim_run(w.sim, 100 * MSEC);
    CU_ASSERT_EQUAL(w.asr_edge, 1);
    CU_ASSERT_EQUAL(w.asr_af, 1);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_AUTHORIZATION_REJECTED);
    world_close(&w);
}

static void an_af_that_vanished_keeps_its_tokens_until_they_expire(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    diameter_sim_connected(w.af, false);
    sim_run(w.sim, 7100 * SEC);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(w.asr_edge, 0);
    sim_run(w.sim, 200 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 1);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_AUTHORIZATION_REJECTED);
    world_close(&w);
}

/* RFC 6733 8.16: Origin-State-Id is the time of its start. */
static void af_starts_anew(struct world *w)
{
    diameter_free(w->af);
    sim_run(w->sim, 3 * SEC);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(w->net, sim_loop(w->sim, "af again"), "pcscf.ims.test",
                                            "ims.test", &w->af),
                          0);
    CU_ASSERT_EQUAL(diameter_serve(w->af, DIAMETER_APP_RX, on_af_request, w), 0);
}

static unsigned tokens(const struct world *w)
{
    struct grants_stats s;

    grants_stats_get(w->grants, &s);
    return s.live;
}

static void an_af_that_starts_anew_has_lost_its_calls(void)
{
    for (unsigned killed = 0; killed < 2; killed++) {
        struct world w;
        struct outcome call;

        world_open(&w, "");
        /* Another AF's, and two of the one that will die. */
        CU_ASSERT_EQUAL(send_and_wait(&w, w.thief, aar("thief;1", RX_FINAL, RX_ENABLED)),
                        DIAMETER_SUCCESS);
        CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;2", RX_FINAL, RX_ENABLED)),
                        DIAMETER_SUCCESS);
        call = granted_call(&w);
        CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
        sim_run(w.sim, 5 * SEC);
        CU_ASSERT_EQUAL(tokens(&w), 3); /* the same start all the while */
        if (killed) {                   /* the PDP, meanwhile: it knows whose they were */
            pdp_stop(&w);
            pdp_start(&w);
        }
        af_starts_anew(&w);
        CU_ASSERT_EQUAL(tokens(&w), 3);
        /* af -> pdp  AAR of a new call. pdp -> edge  ASR of the old one. */
        CU_ASSERT_EQUAL(send_and_wait(&w, w.af, aar("af;3", RX_FINAL, RX_ENABLED)),
                        DIAMETER_SUCCESS);
        sim_run(w.sim, 5 * SEC);
        CU_ASSERT_EQUAL(tokens(&w), 2);
        CU_ASSERT_PTR_NOT_NULL(grants_find(w.grants, SPAN("af;3")));
        CU_ASSERT_PTR_NOT_NULL(grants_find(w.grants, SPAN("thief;1")));
        CU_ASSERT_EQUAL(w.asr_edge, 1);
        CU_ASSERT_EQUAL(w.asr_af, 0); /* it has forgotten them */
        CU_ASSERT_EQUAL(w.events[RX_ABORTED], 2);
        world_close(&w);
    }
}

static void a_pdp_that_is_killed_comes_back_with_its_tokens(void)
{
    struct world w;
    struct outcome call;

    world_open(&w, "");
    call = granted_call(&w);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    pdp_stop(&w);
    pdp_start(&w);
    /* thief -> pdp  who uses the token is not forgotten */
    const struct ask theft = {"thief;1", up, down, &call};
    CU_ASSERT_EQUAL(send_and_wait(&w, w.thief, qar(&theft)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(edge_asks(&w, &call), DIAMETER_SUCCESS);
    /* af -> pdp  STR, and the edge that did not hear of it is told */
    CU_ASSERT_EQUAL(ends(&w, w.af, DIAMETER_APP_RX, "af;1"), DIAMETER_SUCCESS);
    sim_run(w.sim, 2 * SEC);
    CU_ASSERT_EQUAL(w.asr_edge, 1);
    world_close(&w);
}

static void a_pdp_that_stops_finishes_what_is_on_its_way_to_the_disk(void)
{
    struct world w;
    struct diameter_request *r = aar("af;1", RX_FINAL, RX_ENABLED);

    world_open(&w, "");
    sim_thread_latency(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(diameter_send(w.af, r, sim_now(w.sim) + 2 * SEC, on_done, &w, NULL), 0);
    free(r);
    sim_run(w.sim, 500 * MSEC);
    CU_ASSERT_EQUAL(w.last.calls, 0);
    pdp_stop(&w);
    pdp_start(&w);
    CU_ASSERT_PTR_NOT_NULL(grants_find(w.grants, SPAN("af;1")));
    world_close(&w);
}

static void losing_every_third_message_no_token_outlives_its_call(void)
{
    struct world w;
    unsigned ended = 0;

    world_open(&w, "");
    diameter_sim_loss(w.net, 300);
    for (unsigned i = 0; i < 60; i++) {
        char session[16];

        snprintf(session, sizeof(session), "af;%u", i);
        if (send_and_wait(&w, w.af, aar(session, RX_FINAL, RX_ENABLED)) == DIAMETER_SUCCESS) {
            const struct outcome call = w.last;

            (void)edge_asks(&w, &call);
        }
        /* an AF repeats what is not answered; the answer to a repetition may be "unknown" */
        for (unsigned k = 0; k < 20; k++) {
            uint32_t r = ends(&w, w.af, DIAMETER_APP_RX, session);

            if (r == DIAMETER_SUCCESS || r == DIAMETER_UNKNOWN_SESSION_ID) {
                ended++;
                break;
            }
        }
    }
    CU_ASSERT_EQUAL(ended, 60);
    diameter_sim_loss(w.net, 0);
    sim_run(w.sim, 700 * SEC);
    struct grants_stats s;
    struct qos_stats q;
    grants_stats_get(w.grants, &s);
    qos_stats_get(w.qos, &q);
    CU_ASSERT_EQUAL(s.live, 0);
    CU_ASSERT_EQUAL(q.goodbyes, 0);
    CU_ASSERT(s.issued > 20);
    world_close(&w);
}

TEST_MAIN("pdp/call", {"a call from AAR to STR", a_call_from_aar_to_str},
          {"a session is its own node's alone", a_session_is_its_own_nodes_alone},
          {"an edge that keeps its gates after the call is told",
           an_edge_that_keeps_its_gates_after_the_call_is_told},
          {"the phone called has a token before it answers",
           the_phone_called_has_a_token_before_it_answers},
          {"a token is good for its flows only", a_token_is_good_for_its_flows_only},
          {"more bandwidth than granted is refused", more_bandwidth_than_granted_is_refused},
          {"a stolen, forged or missing token opens nothing",
           a_stolen_forged_or_missing_token_opens_nothing},
          {"an edge that was restarted takes its token up again",
           an_edge_that_was_restarted_takes_its_token_up_again},
          {"on hold the edge is asked to look again", on_hold_the_edge_is_asked_to_look_again},
          {"a refused update leaves the call as it was",
           a_refused_update_leaves_the_call_as_it_was},
          {"a change that is only asked about changes nothing",
           a_change_that_is_only_asked_about_changes_nothing},
          {"an operator revokes and both sides hear of it",
           an_operator_revokes_and_both_sides_hear_of_it},
          {"an AF that vanished keeps its tokens until they expire",
           an_af_that_vanished_keeps_its_tokens_until_they_expire},
          {"an AF that starts anew has lost its calls", an_af_that_starts_anew_has_lost_its_calls},
          {"a PDP that is killed comes back with its tokens",
           a_pdp_that_is_killed_comes_back_with_its_tokens},
          {"a PDP that stops finishes what is on its way to the disk",
           a_pdp_that_stops_finishes_what_is_on_its_way_to_the_disk},
          {"losing every third message no token outlives its call",
           losing_every_third_message_no_token_outlives_its_call})
