/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One command of the Diameter QoS application in, one answer out; and what an edge is told. Grants come from here, not
 * from an AF. The life of a token between AF, PDP and edge is in tests/flow/pdp. */
#include "pdp/qos/qos.h"

#include <math.h>

#include "tests/unit/pdp/house.h"

enum { LIFETIME = 600, GRACE = 30 };

static struct {
    struct house h;
    struct qos *qos;
    unsigned verdict[QOS_VERDICTS];
    /* What the edge hears and says. */
    unsigned asr, rar;
    uint32_t edge_says; /* 0 = nothing */
    char session[64];   /* of the last ASR or RAR */
    char token[SECRET_MAX];
    size_t n_token;
    unsigned granted; /* calls of its done */
} T;

static void on_verdict(enum qos_verdict v, const struct diameter_request *req,
                       const struct grant *g, const char *detail, void *ctx)
{
    (void)req, (void)g, (void)ctx;
    CU_ASSERT_PTR_NOT_NULL(detail);
    T.verdict[v]++;
}

static void on_edge(void *ctx, struct handle request, const struct diameter_request *req)
{
    const struct diameter_answer says = {.result = T.edge_says};

    (void)ctx;
    T.asr += req->kind == DIAMETER_AS;
    T.rar += req->kind == DIAMETER_RA;
    CU_ASSERT_EQUAL(span_copy(req->session_id, T.session, sizeof(T.session)), 0);
    if (says.result)
        CU_ASSERT_EQUAL(diameter_answer(T.h.client, request, &says), 0);
}

static void setup_with(const struct house_options *o)
{
    const struct qos_options options = {LIFETIME, GRACE, 1 * SEC, 2 * SEC, 2 * SEC, on_verdict};

    memset(&T, 0, sizeof(T));
    T.edge_says = DIAMETER_SUCCESS;
    house_open(&T.h, o);
    CU_ASSERT_EQUAL_FATAL(
        qos_new(T.h.loop, T.h.pdp, sim_rnd(T.h.sim), T.h.grants, &options, &T.qos), 0);
    CU_ASSERT_EQUAL(diameter_serve(T.h.client, DIAMETER_APP_QOS, on_edge, NULL), 0);
}

static void setup(void)
{
    setup_with(&(struct house_options){0});
}

static void teardown(void)
{
    house_close_grants(&T.h);
    qos_free(T.qos);
    house_close(&T.h);
}

static uint32_t goodbyes(void)
{
    struct qos_stats s;

    qos_stats_get(T.qos, &s);
    return s.goodbyes;
}

/* ---- grants ----------------------------------------------------------------------------------- */

#define UP   "permit in 17 from 10.45.0.7 to 10.1.2.3 30000"
#define DOWN "permit out 17 from 10.1.2.3 to 10.45.0.7 49170"
#define HELD "permit in 17 from 10.45.0.7 to 10.1.2.3 30002"

static void on_grant(void *ctx, int rc, struct grant *g)
{
    (void)ctx;
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_PTR_NOT_NULL(g);
    T.granted++;
}

static void terms_of(struct grant_terms *t, struct policy_flow *flows, const char *session)
{
    static const char *const texts[] = {UP, DOWN, HELD};

    for (uint16_t i = 0; i < 3; i++) {
        flows[i] = (struct policy_flow){
            .media = (uint16_t)(1 + i / 2), .number = 1, .open = i < 2, .bandwidth = 41000};
        CU_ASSERT_EQUAL_FATAL(diameter_flow_parse(span_str(texts[i]), &flows[i].what), 0);
    }
    *t = (struct grant_terms){.rx_session = span_str(session),
                              .af_host = SPAN("pcscf.ims.test"),
                              .af_realm = SPAN("ims.test"),
                              .final = true,
                              .n_flows = 3,
                              .flows = flows};
}

/* The token is the one that is asked with from now on. */
static struct grant *grant_of(const char *session)
{
    struct policy_flow flows[3];
    struct grant_terms terms;
    struct secret token;
    struct buf b = BUF_ON(T.token);
    struct grant *g;

    terms_of(&terms, flows, session);
    CU_ASSERT_EQUAL_FATAL(grant_issue(T.h.grants, &terms, on_grant, NULL), 0);
    sim_run(T.h.sim, 100 * MSEC);
    g = grants_find(T.h.grants, span_str(session));
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_EQUAL_FATAL(grant_token(g, &token), 0);
    token_put_octets(&b, &token, true);
    T.n_token = b.n;
    return g;
}

static void change(struct grant *g)
{
    struct policy_flow flows[3];
    struct grant_terms terms;

    terms_of(&terms, flows, g->rx_session);
    CU_ASSERT_EQUAL_FATAL(grant_change(g, &terms, on_grant, NULL), 0);
    sim_run(T.h.sim, 100 * MSEC);
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void add_filter(struct diameter_request *r, const char *text)
{
    struct qos_filter *f = &r->qar.filters[r->qar.n_filters++];

    CU_ASSERT_EQUAL_FATAL(diameter_flow_parse(span_str(text), &f->flow), 0);
    f->id = SPAN("1.1");
}

static struct diameter_request *qar(const char *session, const char *flow)
{
    struct diameter_request *r = request_new(DIAMETER_QA, DIAMETER_APP_QOS, session);

    r->qar.token = span_of(T.token, T.n_token);
    if (flow)
        add_filter(r, flow);
    return r;
}

static struct diameter_request *str(const char *session)
{
    struct diameter_request *r = request_new(DIAMETER_ST, DIAMETER_APP_QOS, session);

    r->st.cause = DIAMETER_LOGOUT;
    return r;
}

static uint32_t asks(struct diameter_request *r)
{
    return house_ask(&T.h, T.h.client, r);
}

/* An edge that uses the grant. */
static struct grant *used_grant(void)
{
    struct grant *g = grant_of("af;1");

    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    return g;
}

/* ---- what a QAR must not be ------------------------------------------------------------------- */

#define TOP                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }
#define RULE                                                                                       \
    {                                                                                              \
        A_QOS_RESOURCES, A_FILTER_RULE                                                             \
    }
#define CLASSIFIER                                                                                 \
    {                                                                                              \
        A_QOS_RESOURCES, A_FILTER_RULE, A_CLASSIFIER                                               \
    }
#define FROM                                                                                       \
    {                                                                                              \
        A_QOS_RESOURCES, A_FILTER_RULE, A_CLASSIFIER, A_FROM_SPEC                                  \
    }
#define TO                                                                                         \
    {                                                                                              \
        A_QOS_RESOURCES, A_FILTER_RULE, A_CLASSIFIER, A_TO_SPEC                                    \
    }
#define OCTETS(text)                                                                               \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

static void none_is_authorized(const struct wrong *rows, size_t n)
{
    setup();
    (void)grant_of("af;1");
    for (size_t i = 0; i < n; i++) {
        struct diameter_request *r = qar("edge;1", UP);

        r->qar.filters[0].action = DIAMETER_U32(QOS_PERMIT);
        expect_wrong(&T.h, r, &rows[i]);
    }
    for (size_t i = 0; i < QOS_VERDICTS; i++)
        CU_ASSERT_EQUAL(T.verdict[i], 0); /* no question of authorization */
    /* As it was meant it is. */
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    teardown();
}

static void what_is_missing_in_a_qar_is_shown_by_an_example(void)
{
    static const struct wrong rows[] = {
        {{SPOIL_DROP, TOP, A_SESSION_ID}, DIAMETER_MISSING_AVP, A_SESSION_ID},
        {{SPOIL_DROP, TOP, A_ORIGIN_HOST}, DIAMETER_MISSING_AVP, A_ORIGIN_HOST},
        {{SPOIL_DROP, TOP, A_ORIGIN_REALM}, DIAMETER_MISSING_AVP, A_ORIGIN_REALM},
        {{SPOIL_DROP, TOP, A_AUTH_REQUEST_TYPE}, DIAMETER_MISSING_AVP, A_AUTH_REQUEST_TYPE},
    };

    none_is_authorized(rows, ARRAY_LEN(rows));
}

static void what_is_there_twice_in_a_qar_is_shown(void)
{
    static const struct wrong rows[] = {
#define TWICE(path, id) {{SPOIL_DOUBLE, path, id}, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, id}
        TWICE(TOP, A_AUTH_REQUEST_TYPE),
        TWICE(TOP, A_QOS_AUTHORIZATION_DATA), /* one of two tokens would count */
        TWICE(RULE, A_CLASSIFIER),
        TWICE(RULE, A_TREATMENT_ACTION),
        TWICE(CLASSIFIER, A_CLASSIFIER_ID),
        TWICE(CLASSIFIER, A_PROTOCOL),
        TWICE(CLASSIFIER, A_DIRECTION),
#undef TWICE
    };

    none_is_authorized(rows, ARRAY_LEN(rows));
}

static void a_classifier_that_cannot_be_read_is_refused_not_widened(void)
{
    static const struct wrong rows[] = {
#define INVALID(what, path, id, ...) {{what, path, id, __VA_ARGS__}, DIAMETER_INVALID_AVP_VALUE, id}
        INVALID(SPOIL_VALUE, FROM, A_IP_ADDRESS, OCTETS("\0\1\x0a\x2d\0")),
        INVALID(SPOIL_VALUE, FROM, A_IP_ADDRESS, OCTETS("\0\2\x0a\x2d\0\7")),
        INVALID(SPOIL_VALUE, FROM, A_IP_ADDRESS, OCTETS("\0\x08" /* E.164 */ "4930100")),
        /* Alternatives, ranges and negations. */
        INVALID(SPOIL_DOUBLE, FROM, A_IP_ADDRESS, {0}),
        INVALID(SPOIL_ADD, FROM, A_NEGATED, OCTETS("\0\0\0\1")),
        INVALID(SPOIL_DOUBLE, TO, A_PORT, {0}),
        INVALID(SPOIL_VALUE, TO, A_PORT, OCTETS("\0\0\0\0")),
        INVALID(SPOIL_VALUE, TO, A_PORT, OCTETS("\0\1\0\0")),
        INVALID(SPOIL_VALUE, TO, A_PORT, OCTETS("\xff\xff\xff\xff")),
        INVALID(SPOIL_ADD, TO, A_IP_ADDRESS_MASK, {0}), /* no address, no width */
        INVALID(SPOIL_VALUE, CLASSIFIER, A_PROTOCOL, OCTETS("\0\0\1\0")),
        INVALID(SPOIL_VALUE, CLASSIFIER, A_DIRECTION, OCTETS("\0\0\0\3")),
#undef INVALID
    };

    none_is_authorized(rows, ARRAY_LEN(rows));
}

static void a_prefix_has_a_width_that_its_address_has(void)
{
    static const struct {
        struct span octets; /* IP-Address-Mask */
        bool good;
    } rows[] = {
        {OCTETS("\0\0\2\6\x40\0\0\x0e\0\1\x0a\x2d\0\7\0\0\0\0\2\x0b\x40\0\0\x0c\0\0\0\x20"), true},
        {OCTETS("\0\0\2\6\x40\0\0\x0e\0\1\x0a\x2d\0\7\0\0\0\0\2\x0b\x40\0\0\x0c\0\0\0\x21"), false},
        {OCTETS("\0\0\2\6\x40\0\0\x0e\0\1\x0a\x2d\0\7\0\0\0\0\2\x0b\x40\0\0\x0c\0\0\0\0"), false},
        {OCTETS("\0\0\2\6\x40\0\0\x0e\0\1\x0a\x2d\0\7\0\0"), false},
        {OCTETS("\0\0\2\x0b\x40\0\0\x0c\0\0\0\x20"), false},
    };

    setup();
    (void)grant_of("af;1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        /* In place of its address the sender gets a prefix. */
        const struct wrong w = {{SPOIL_ADD, FROM, A_IP_ADDRESS_MASK, rows[i].octets},
                                DIAMETER_INVALID_AVP_VALUE,
                                A_IP_ADDRESS_MASK};
        struct diameter_request *r = qar("edge;1", UP);

        r->qar.filters[0].flow.from = (struct diameter_end){.addr.port = 49170};
        if (rows[i].good) {
            spoiling = &w.spoiling;
            CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
            spoiling = NULL;
        } else {
            expect_wrong(&T.h, r, &w);
        }
    }
    teardown();
}

static void a_qar_asks_for_as_many_flows_as_there_is_room_for(void)
{
    static const struct wrong one_more = {
        {SPOIL_ADD, {A_QOS_RESOURCES}, A_FILTER_RULE}, DIAMETER_INVALID_AVP_VALUE, A_FILTER_RULE};
    struct diameter_request *r;

    setup();
    (void)grant_of("af;1");
    for (unsigned more = 0; more < 2; more++) {
        r = qar("edge;1", NULL);
        while (r->qar.n_filters < QOS_FILTERS_MAX)
            add_filter(r, r->qar.n_filters % 2 ? UP : DOWN);
        if (more) {
            expect_wrong(&T.h, r, &one_more);
            continue;
        }
        CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
        CU_ASSERT_EQUAL(T.h.last.ans.qaa.n_filters, QOS_FILTERS_MAX);
    }
    teardown();
}

/* ---- tokens ----------------------------------------------------------------------------------- */

static void a_token_is_the_same_with_its_length_in_front_and_without(void)
{
    struct diameter_request *r;

    setup();
    (void)grant_of("af;1");
    r = qar("edge;1", UP);
    r->qar.token = span_sub(r->qar.token, 2, r->qar.token.n);
    CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    teardown();
}

static void what_is_no_token_is_not_called_forged(void)
{
    setup();
    (void)grant_of("af;1");
    for (unsigned i = 0; i < 4; i++) {
        struct diameter_request *r = qar("edge;1", UP);
        struct span whole = r->qar.token;

        r->qar.token = i == 0   ? SPAN_NONE
                       : i == 1 ? SPAN("x")
                       : i == 2 ? span_sub(whole, 0, whole.n - 1)
                                : SPAN("\0\4\0\0");
        CU_ASSERT_EQUAL(asks(r), DIAMETER_AUTHORIZATION_REJECTED);
        CU_ASSERT_EQUAL(T.verdict[QOS_NO_TOKEN], i + 1);
        CU_ASSERT_EQUAL(T.h.last.ans.qaa.n_filters, 0);
    }
    CU_ASSERT_EQUAL(T.verdict[QOS_FORGED], 0);
    teardown();
}

static void a_token_that_ran_out_is_unknown_not_forged(void)
{
    setup_with(&(struct house_options){.lifetime = 60});
    (void)grant_of("af;1");
    sim_run(T.h.sim, 61 * SEC);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(T.verdict[QOS_UNKNOWN], 1);
    CU_ASSERT_EQUAL(T.verdict[QOS_FORGED], 0);
    CU_ASSERT_FALSE(T.h.last.ans.qaa.lifetime.set);
    teardown();
}

static void a_token_that_is_not_on_the_disk_is_not_good_yet(void)
{
    struct policy_flow flows[3];
    struct grant_terms terms;
    struct secret token;
    struct buf b = BUF_ON(T.token);

    setup();
    sim_thread_latency(T.h.sim, 1 * SEC);
    terms_of(&terms, flows, "af;1");
    CU_ASSERT_EQUAL_FATAL(grant_issue(T.h.grants, &terms, on_grant, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(grant_token(grants_find(T.h.grants, SPAN("af;1")), &token), 0);
    token_put_octets(&b, &token, true);
    T.n_token = b.n;
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(T.granted, 0);
    sim_run(T.h.sim, 3 * SEC);
    CU_ASSERT_EQUAL(T.granted, 1);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    teardown();
}

/* ---- flows ------------------------------------------------------------------------------------ */

static void one_flow_that_is_not_covered_refuses_all(void)
{
    struct diameter_request *r;

    setup();
    (void)grant_of("af;1");
    r = qar("edge;1", UP);
    add_filter(r, DOWN);
    add_filter(r, "permit in 17 from 10.45.0.7 to 10.1.2.3 30004");
    CU_ASSERT_EQUAL(asks(r), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(T.verdict[QOS_UNCOVERED], 1);
    CU_ASSERT_EQUAL(T.h.last.ans.qaa.n_filters, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(T.h.last.why, "10.1.2.3 30004")); /* which one */
    /* The token is not this edge's by that. */
    CU_ASSERT_EQUAL(house_ask(&T.h, T.h.other, qar("other;1", UP)), DIAMETER_SUCCESS);
    teardown();
}

static void a_flow_of_both_directions_is_covered_by_none(void)
{
    struct diameter_request *r;

    setup();
    (void)grant_of("af;1");
    r = qar("edge;1", UP);
    r->qar.filters[0].flow.direction = DIAMETER_BOTH;
    CU_ASSERT_EQUAL(asks(r), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(T.verdict[QOS_UNCOVERED], 1);
    teardown();
}

static void a_bandwidth_that_is_no_number_is_too_much(void)
{
    static const float values[] = {NAN, INFINITY, -INFINITY, -1.0f, 1e30f, 5125.5f};

    setup();
    (void)grant_of("af;1");
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct diameter_request *r = qar("edge;1", UP);
        uint32_t bits;
        char octets[4];

        memcpy(&bits, &values[i], sizeof(bits));
        for (unsigned k = 0; k < 4; k++)
            octets[k] = (char)(bits >> (24 - 8 * k));
        const struct spoiling s = {SPOIL_VALUE,
                                   {A_QOS_RESOURCES, A_FILTER_RULE, A_QOS_PARAMETERS},
                                   A_BANDWIDTH,
                                   {octets, 4}};
        r->qar.filters[0].bandwidth = 41000;
        spoiling = &s;
        CU_ASSERT_EQUAL(asks(r), DIAMETER_AUTHORIZATION_REJECTED);
        spoiling = NULL;
    }
    CU_ASSERT_EQUAL(T.verdict[QOS_UNCOVERED], ARRAY_LEN(values));
    teardown();
}

static void a_held_flow_is_authorized_to_be_dropped(void)
{
    const struct qos_filter *f = T.h.last.ans.qaa.filters;
    struct diameter_request *r;

    setup();
    (void)grant_of("af;1");
    r = qar("edge;1", HELD);
    add_filter(r, UP);
    r->qar.filters[1].bandwidth = 40000;
    CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(T.h.last.ans.qaa.n_filters, 2);
    CU_ASSERT_EQUAL(f[0].action.v, QOS_DROP);
    CU_ASSERT_EQUAL(f[0].bandwidth, 41000); /* what is granted, where nothing was asked */
    CU_ASSERT_EQUAL(f[1].action.v, QOS_PERMIT);
    CU_ASSERT_EQUAL(f[1].bandwidth, 40000);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(f[i].semantics.v, QOS_AUTHORIZED);
    teardown();
}

static void of_two_flows_that_cover_a_question_the_open_one_counts(void)
{
    struct policy_flow flows[3];
    struct grant_terms terms;
    struct grant *g;

    setup();
    g = grant_of("af;1");
    terms_of(&terms, flows, "af;1");
    flows[1] = flows[2] = flows[0]; /* the same three times: held, open, held */
    flows[0].open = flows[2].open = false;
    flows[1].open = true;
    CU_ASSERT_EQUAL_FATAL(grant_change(g, &terms, on_grant, NULL), 0);
    sim_run(T.h.sim, 100 * MSEC);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(T.h.last.ans.qaa.filters[0].action.v, QOS_PERMIT);
    teardown();
}

/* The answer's spans are gone when it is looked at: its flows are not. */
static void a_question_without_flows_is_answered_with_the_open_ones(void)
{
    const struct qos_qaa *a = &T.h.last.ans.qaa;
    struct diameter_flow up, down;

    CU_ASSERT_EQUAL_FATAL(diameter_flow_parse(SPAN(UP), &up), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_flow_parse(SPAN(DOWN), &down), 0);
    setup();
    (void)grant_of("af;1");
    CU_ASSERT_EQUAL(asks(qar("edge;1", NULL)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(a->n_filters, 2); /* RFC 5866 4.2; the held one is none */
    CU_ASSERT(diameter_flow_covers(&a->filters[0].flow, &up));
    CU_ASSERT(diameter_flow_covers(&up, &a->filters[0].flow));
    CU_ASSERT(diameter_flow_covers(&a->filters[1].flow, &down));
    CU_ASSERT_EQUAL(a->filters[0].id.n, 3); /* "1.1" */
    CU_ASSERT_EQUAL(a->filters[0].bandwidth, 41000);
    teardown();
}

/* ---- how long --------------------------------------------------------------------------------- */

static void an_authorization_lasts_no_longer_than_its_session(void)
{
    const struct qos_qaa *a = &T.h.last.ans.qaa;

    setup_with(&(struct house_options){.lifetime = 1000});
    (void)grant_of("af;1");
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(a->lifetime.v, LIFETIME);
    CU_ASSERT_EQUAL(a->grace.v, GRACE);
    CU_ASSERT(a->session_timeout.v >= 999 && a->session_timeout.v <= 1000);
    sim_run(T.h.sim, 900 * SEC);
    /* RFC 6733 8.13 */
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    CU_ASSERT(a->session_timeout.v >= 99 && a->session_timeout.v <= 100);
    CU_ASSERT_EQUAL(a->lifetime.v, a->session_timeout.v);
    /* Never 0, which would be for ever. */
    sim_run(T.h.sim, 99 * SEC + 300 * MSEC);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(a->session_timeout.v, 1);
    CU_ASSERT_EQUAL(a->lifetime.v, 1);
    teardown();
}

/* ---- sessions --------------------------------------------------------------------------------- */

static void a_refused_name_leaves_the_token_with_who_has_it(void)
{
    char session[GRANT_NAME_MAX + 2];
    struct grant *g;

    setup();
    g = used_grant();
    memset(session, 's', sizeof(session));
    session[GRANT_NAME_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(asks(qar(session, UP)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(T.h.last.why, "too long"));
    CU_ASSERT_STRING_EQUAL(g->qos_session, "edge;1");
    /* And the end is told to that session. */
    grant_end(g, GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, SEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    CU_ASSERT_STRING_EQUAL(T.session, "edge;1");
    teardown();
}

static void an_str_says_why_and_which_session(void)
{
    static const struct wrong rows[] = {
        {{SPOIL_DROP, TOP, A_TERMINATION_CAUSE}, DIAMETER_MISSING_AVP, A_TERMINATION_CAUSE},
        {{SPOIL_DROP, TOP, A_SESSION_ID}, DIAMETER_MISSING_AVP, A_SESSION_ID},
    };
    struct qos_stats s;

    setup();
    (void)used_grant();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_wrong(&T.h, str("edge;1"), &rows[i]);
    CU_ASSERT_EQUAL(asks(str("edge;2")), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(asks(str("EDGE;1")), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_UNKNOWN_SESSION_ID); /* of the other application */
    CU_ASSERT_EQUAL(asks(str("edge;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(str("edge;1")), DIAMETER_UNKNOWN_SESSION_ID); /* sent again */
    qos_stats_get(T.qos, &s);
    CU_ASSERT_EQUAL(s.ended, 1);
    teardown();
}

static void a_token_whose_session_ended_is_that_edges_still(void)
{
    setup();
    (void)used_grant();
    CU_ASSERT_EQUAL(asks(str("edge;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(house_ask(&T.h, T.h.other, qar("other;1", UP)),
                    DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_EQUAL(T.verdict[QOS_OTHER_EDGE], 1);
    CU_ASSERT_EQUAL(asks(qar("edge;2", UP)), DIAMETER_SUCCESS);
    teardown();
}

static void a_pdp_takes_qar_and_str_only(void)
{
    static const enum diameter_kind kinds[] = {DIAMETER_AS, DIAMETER_RA};

    setup();
    (void)used_grant();
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        CU_ASSERT_EQUAL(asks(request_new(kinds[i], DIAMETER_APP_QOS, "edge;1")),
                        DIAMETER_COMMAND_UNSUPPORTED);
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_SUCCESS);
    teardown();
}

/* ---- ASR -------------------------------------------------------------------------------------- */

static void an_edge_that_knows_of_no_session_is_not_told_again(void)
{
    setup();
    T.edge_says = DIAMETER_UNKNOWN_SESSION_ID;
    grant_end(used_grant(), GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 100 * SEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    teardown();
}

static void an_edge_that_refuses_is_told_again_ever_later(void)
{
    static const struct {
        uint64_t after; /* s */
        unsigned asr;
    } rows[] = {{1, 1}, {3, 2}, {7, 3}, {15, 4}, {31, 5}, {63, 6}, {127, 7}, {255, 8}, {511, 9}};
    uint64_t start;

    setup();
    T.edge_says = DIAMETER_UNABLE_TO_COMPLY;
    start = sim_now(T.h.sim);
    grant_end(used_grant(), GRANT_REVOKED, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sim_run(T.h.sim, start + rows[i].after * SEC + SEC / 2 - sim_now(T.h.sim));
        CU_ASSERT_EQUAL(T.asr, rows[i].asr);
        CU_ASSERT_EQUAL(goodbyes(), 1);
    }
    /* When its lifetime and grace are over it has closed its gates by itself. */
    sim_run(T.h.sim, 2000 * SEC);
    CU_ASSERT(T.asr <= 10);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    teardown();
}

static void an_edge_that_is_away_is_told_when_it_is_back(void)
{
    setup();
    struct grant *g = used_grant();

    diameter_sim_connected(T.h.client, false);
    diameter_sim_connected(T.h.other, false); /* nobody is there at all */
    grant_end(g, GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 10 * SEC);
    CU_ASSERT_EQUAL(T.asr, 0);
    CU_ASSERT_EQUAL(goodbyes(), 1);
    diameter_sim_connected(T.h.client, true);
    sim_run(T.h.sim, 10 * SEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    teardown();
}

static void an_edge_that_never_comes_back_is_forgotten(void)
{
    setup();
    struct grant *g = used_grant();

    diameter_sim_connected(T.h.client, false);
    diameter_sim_connected(T.h.other, false);
    grant_end(g, GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 600 * SEC);
    CU_ASSERT_EQUAL(goodbyes(), 1);
    sim_run(T.h.sim, 1000 * SEC);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    teardown();
}

static void an_str_answers_an_asr_as_well(void)
{
    setup();
    T.edge_says = 0; /* its ASA is lost */
    grant_end(used_grant(), GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 100 * MSEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    CU_ASSERT_EQUAL(goodbyes(), 1);
    CU_ASSERT_EQUAL(asks(str("edge;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    sim_run(T.h.sim, 1000 * SEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    teardown();
}

static void a_session_that_is_being_ended_takes_no_other_token(void)
{
    setup();
    T.edge_says = 0;
    grant_end(used_grant(), GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 100 * MSEC);
    (void)grant_of("af;2");
    CU_ASSERT_EQUAL(asks(qar("edge;1", UP)), DIAMETER_AUTHORIZATION_REJECTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(T.h.last.why, "another token"));
    CU_ASSERT_EQUAL(asks(qar("edge;2", UP)), DIAMETER_SUCCESS);
    teardown();
}

static void an_end_of_what_nobody_uses_is_told_to_nobody(void)
{
    setup();
    grant_end(grant_of("af;1"), GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 100 * SEC);
    CU_ASSERT_EQUAL(T.asr, 0);
    CU_ASSERT_EQUAL(goodbyes(), 0);
    /* Nor is one whose session the edge has ended. */
    struct grant *g = grant_of("af;2");
    CU_ASSERT_EQUAL(asks(qar("edge;2", UP)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(str("edge;2")), DIAMETER_SUCCESS);
    grant_end(g, GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 100 * SEC);
    CU_ASSERT_EQUAL(T.asr, 0);
    teardown();
}

/* ---- RAR -------------------------------------------------------------------------------------- */

static void several_changes_at_a_time_are_one_question(void)
{
    struct qos_stats s;
    struct grant *g;

    setup();
    g = used_grant();
    for (unsigned i = 0; i < 3; i++)
        change(g);
    CU_ASSERT_EQUAL(T.rar, 0); /* AF and edge may settle it among themselves */
    sim_run(T.h.sim, 2 * SEC);
    CU_ASSERT_EQUAL(T.rar, 1);
    CU_ASSERT_STRING_EQUAL(T.session, "edge;1");
    qos_stats_get(T.qos, &s);
    CU_ASSERT_EQUAL(s.rechecked, 1);
    change(g); /* and each further one another */
    sim_run(T.h.sim, 2 * SEC);
    CU_ASSERT_EQUAL(T.rar, 2);
    teardown();
}

static void a_change_of_what_nobody_uses_asks_nobody(void)
{
    setup();
    change(grant_of("af;1"));
    sim_run(T.h.sim, 10 * SEC);
    CU_ASSERT_EQUAL(T.rar, 0);
    /* Nor where the edge has ended its session. */
    struct grant *g = grant_of("af;2");
    CU_ASSERT_EQUAL(asks(qar("edge;2", UP)), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(str("edge;2")), DIAMETER_SUCCESS);
    change(g);
    sim_run(T.h.sim, 10 * SEC);
    CU_ASSERT_EQUAL(T.rar, 0);
    teardown();
}

static void an_end_takes_the_place_of_a_question(void)
{
    struct grant *g;

    setup();
    g = used_grant();
    change(g);
    grant_end(g, GRANT_REVOKED, NULL, NULL);
    sim_run(T.h.sim, 10 * SEC);
    CU_ASSERT_EQUAL(T.rar, 0);
    CU_ASSERT_EQUAL(T.asr, 1);
    teardown();
}

static void every_verdict_has_a_name_of_its_own(void)
{
    for (int a = 0; a < QOS_VERDICTS; a++) {
        CU_ASSERT(qos_verdict_name((enum qos_verdict)a)[0] != '\0');
        for (int b = 0; b < a; b++)
            CU_ASSERT_STRING_NOT_EQUAL(qos_verdict_name((enum qos_verdict)a),
                                       qos_verdict_name((enum qos_verdict)b));
    }
}

TEST_MAIN(
    "pdp/qos",
    {"what is missing in a QAR is shown by an example",
     what_is_missing_in_a_qar_is_shown_by_an_example},
    {"what is there twice in a QAR is shown", what_is_there_twice_in_a_qar_is_shown},
    {"a classifier that cannot be read is refused, not widened",
     a_classifier_that_cannot_be_read_is_refused_not_widened},
    {"a prefix has a width that its address has", a_prefix_has_a_width_that_its_address_has},
    {"a QAR asks for as many flows as there is room for",
     a_qar_asks_for_as_many_flows_as_there_is_room_for},
    {"a token is the same with its Length in front and without",
     a_token_is_the_same_with_its_length_in_front_and_without},
    {"what is no token is not called forged", what_is_no_token_is_not_called_forged},
    {"a token that ran out is unknown, not forged", a_token_that_ran_out_is_unknown_not_forged},
    {"a token that is not on the disk is not good yet",
     a_token_that_is_not_on_the_disk_is_not_good_yet},
    {"one flow that is not covered refuses all", one_flow_that_is_not_covered_refuses_all},
    {"a flow of both directions is covered by none", a_flow_of_both_directions_is_covered_by_none},
    {"a bandwidth that is no number is too much", a_bandwidth_that_is_no_number_is_too_much},
    {"a held flow is authorized to be dropped", a_held_flow_is_authorized_to_be_dropped},
    {"of two flows that cover a question the open one counts",
     of_two_flows_that_cover_a_question_the_open_one_counts},
    {"a question without flows is answered with the open ones",
     a_question_without_flows_is_answered_with_the_open_ones},
    {"an authorization lasts no longer than its session",
     an_authorization_lasts_no_longer_than_its_session},
    {"a refused name leaves the token with who has it",
     a_refused_name_leaves_the_token_with_who_has_it},
    {"an STR says why and which session", an_str_says_why_and_which_session},
    {"a token whose session ended is that edge's still",
     a_token_whose_session_ended_is_that_edges_still},
    {"a PDP takes QAR and STR only", a_pdp_takes_qar_and_str_only},
    {"an edge that knows of no session is not told again",
     an_edge_that_knows_of_no_session_is_not_told_again},
    {"an edge that refuses is told again, ever later",
     an_edge_that_refuses_is_told_again_ever_later},
    {"an edge that is away is told when it is back", an_edge_that_is_away_is_told_when_it_is_back},
    {"an edge that never comes back is forgotten", an_edge_that_never_comes_back_is_forgotten},
    {"an STR answers an ASR as well", an_str_answers_an_asr_as_well},
    {"a session that is being ended takes no other token",
     a_session_that_is_being_ended_takes_no_other_token},
    {"an end of what nobody uses is told to nobody", an_end_of_what_nobody_uses_is_told_to_nobody},
    {"several changes at a time are one question", several_changes_at_a_time_are_one_question},
    {"a change of what nobody uses asks nobody", a_change_of_what_nobody_uses_asks_nobody},
    {"an end takes the place of a question", an_end_takes_the_place_of_a_question},
    {"every verdict has a name of its own", every_verdict_has_a_name_of_its_own})
