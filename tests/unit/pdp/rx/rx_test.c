/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One Rx command in, one answer out. The life of a token between AF, PDP and edge is in tests/flow/pdp. */
#include "pdp/rx/rx.h"

#include "tests/unit/pdp/house.h"

static struct {
    struct house h;
    struct rx *rx;
    unsigned events[RX_EVENTS];
    char why[160]; /* of the last event */
    /* What the AF hears and says. */
    unsigned asr;
    uint32_t af_says, abort_cause; /* af_says 0 = nothing */
    char asr_session[64];
} T;

static void on_event(enum rx_event e, const struct diameter_request *req, const struct grant *g,
                     const char *why, void *ctx)
{
    (void)req, (void)g, (void)ctx;
    T.events[e]++;
    snprintf(T.why, sizeof(T.why), "%s", why);
}

static void on_asr(void *ctx, struct handle request, const struct diameter_request *req)
{
    const struct diameter_answer says = {.result = T.af_says};

    (void)ctx;
    CU_ASSERT_EQUAL(req->kind, DIAMETER_AS);
    T.asr++;
    T.abort_cause = req->as.cause.set ? req->as.cause.v : UINT32_MAX;
    CU_ASSERT_EQUAL(span_copy(req->session_id, T.asr_session, sizeof(T.asr_session)), 0);
    if (says.result)
        CU_ASSERT_EQUAL(diameter_answer(T.h.client, request, &says), 0);
}

static void open_with(const struct house_options *o, bool token_length)
{
    const struct rx_options options = {2 * SEC, token_length, on_event, NULL};

    memset(&T, 0, sizeof(T));
    T.af_says = DIAMETER_SUCCESS;
    house_open(&T.h, o);
    CU_ASSERT_EQUAL_FATAL(rx_new(T.h.loop, T.h.pdp, T.h.grants, T.h.policy, &options, &T.rx), 0);
    CU_ASSERT_EQUAL(diameter_serve(T.h.client, DIAMETER_APP_RX, on_asr, NULL), 0);
}

static void setup(void)
{
    open_with(&(struct house_options){0}, true);
}

static void teardown(void)
{
    house_close_grants(&T.h);
    rx_free(T.rx);
    house_close(&T.h);
}

static unsigned live(void)
{
    struct grants_stats s;

    grants_stats_get(T.h.grants, &s);
    return s.live;
}

static struct diameter_request *aar(const char *session)
{
    struct diameter_request *r = request_new(DIAMETER_AA, DIAMETER_APP_RX, session);

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &r->aar.framed_ip), 0);
    r->aar.info_status = DIAMETER_U32(RX_FINAL);
    r->aar.request_type = DIAMETER_U32(RX_INITIAL);
    r->aar.charging_id = SPAN("icid-1");
    r->aar.n_subscriptions = 1;
    r->aar.subscriptions[0] = (struct rx_subscription){RX_ID_SIP_URI, SPAN("sip:alice@ims.test")};
    r->aar.n_components = 1;
    r->aar.components[0] = (struct rx_component){
        .number = 1,
        .media_type = DIAMETER_U32(RX_AUDIO),
        .status = DIAMETER_U32(RX_ENABLED),
        .bandwidth_ul = DIAMETER_U32(41000),
        .bandwidth_dl = DIAMETER_U32(41000),
        .rs_bandwidth = DIAMETER_U32(1000),
        .rr_bandwidth = DIAMETER_U32(1000),
        .codec = {SPAN("uplink\noffer\nm=audio 49170 RTP/AVP 8\n")},
        .n_flows = 1,
        .flows = {{.number = 1,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 30000"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49170"),
                   .status = DIAMETER_U32(RX_ENABLED),
                   .usage = DIAMETER_U32(RX_USAGE_NONE)}}};
    return r;
}

static struct diameter_request *str(const char *session)
{
    struct diameter_request *r = request_new(DIAMETER_ST, DIAMETER_APP_RX, session);

    r->st.cause = DIAMETER_LOGOUT;
    return r;
}

static uint32_t asks(struct diameter_request *r)
{
    return house_ask(&T.h, T.h.client, r);
}

/* ---- what an AAR must not be ------------------------------------------------------------------ */

#define COMPONENT                                                                                  \
    {                                                                                              \
        A_MEDIA_COMPONENT_DESCRIPTION                                                              \
    }
#define FLOW                                                                                       \
    {                                                                                              \
        A_MEDIA_COMPONENT_DESCRIPTION, A_MEDIA_SUB_COMPONENT                                       \
    }
#define SUBSCRIPTION                                                                               \
    {                                                                                              \
        A_SUBSCRIPTION_ID                                                                          \
    }
#define OCTETS(text)                                                                               \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

static void none_is_granted(const struct wrong *rows, size_t n)
{
    setup();
    for (size_t i = 0; i < n; i++)
        expect_wrong(&T.h, aar("af;1"), &rows[i]);
    CU_ASSERT_EQUAL(live(), 0);
    for (size_t i = 0; i < RX_EVENTS; i++)
        CU_ASSERT_EQUAL(T.events[i], 0);
    /* As it was meant it is granted. */
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    teardown();
}

static void what_is_missing_in_an_aar_is_shown_by_an_example(void)
{
    static const struct wrong rows[] = {
        {{SPOIL_DROP, {0}, A_SESSION_ID}, DIAMETER_MISSING_AVP, A_SESSION_ID},
        {{SPOIL_DROP, {0}, A_ORIGIN_HOST}, DIAMETER_MISSING_AVP, A_ORIGIN_HOST},
        {{SPOIL_DROP, {0}, A_ORIGIN_REALM}, DIAMETER_MISSING_AVP, A_ORIGIN_REALM},
        {{SPOIL_DROP, COMPONENT, A_MEDIA_COMPONENT_NUMBER},
         DIAMETER_MISSING_AVP,
         A_MEDIA_COMPONENT_NUMBER},
        {{SPOIL_DROP, FLOW, A_FLOW_NUMBER}, DIAMETER_MISSING_AVP, A_FLOW_NUMBER},
        {{SPOIL_DROP, SUBSCRIPTION, A_SUBSCRIPTION_ID_DATA},
         DIAMETER_MISSING_AVP,
         A_SUBSCRIPTION_ID_DATA},
        {{SPOIL_DROP, SUBSCRIPTION, A_SUBSCRIPTION_ID_TYPE},
         DIAMETER_MISSING_AVP,
         A_SUBSCRIPTION_ID_TYPE},
    };
    struct span value = SPAN_NONE;

    none_is_granted(rows, ARRAY_LEN(rows));
    /* RFC 6733 7.1.5: of the least length, and zero. */
    setup();
    expect_wrong(&T.h, aar("af;1"), &rows[4]);
    CU_ASSERT_EQUAL(failed_avp(&T.h, 0, &value), A_FLOW_NUMBER);
    CU_ASSERT(span_eq(value, SPAN("\0\0\0\0")));
    teardown();
}

static void what_is_there_twice_in_an_aar_is_shown(void)
{
    static const struct wrong rows[] = {
#define TWICE(path, id) {{SPOIL_DOUBLE, path, id}, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, id}
#define TOP                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }
        TWICE(TOP, A_SESSION_ID),
        TWICE(TOP, A_AUTH_APPLICATION_ID),
        TWICE(TOP, A_ORIGIN_HOST),
        TWICE(TOP, A_ORIGIN_REALM),
        TWICE(TOP, A_DESTINATION_REALM),
        TWICE(TOP, A_DESTINATION_HOST),
        TWICE(TOP, A_AF_CHARGING_IDENTIFIER),
        TWICE(TOP, A_FRAMED_IP_ADDRESS),
        TWICE(TOP, A_SERVICE_INFO_STATUS),
        TWICE(TOP, A_RX_REQUEST_TYPE),
        TWICE(COMPONENT, A_MEDIA_COMPONENT_NUMBER),
        TWICE(COMPONENT, A_MEDIA_TYPE),
        TWICE(COMPONENT, A_FLOW_STATUS),
        TWICE(COMPONENT, A_MAX_BANDWIDTH_UL),
        TWICE(COMPONENT, A_MAX_BANDWIDTH_DL),
        TWICE(COMPONENT, A_RS_BANDWIDTH),
        TWICE(COMPONENT, A_RR_BANDWIDTH),
        TWICE(FLOW, A_FLOW_NUMBER),
        TWICE(FLOW, A_FLOW_STATUS),
        TWICE(FLOW, A_FLOW_USAGE),
        TWICE(FLOW, A_FLOW_DESCRIPTION), /* TS 29.214 5.3.26: one a direction */
        TWICE(SUBSCRIPTION, A_SUBSCRIPTION_ID_TYPE),
        TWICE(SUBSCRIPTION, A_SUBSCRIPTION_ID_DATA),
        /* An offer and an answer, no third. */
        {{SPOIL_ADD, COMPONENT, A_CODEC_DATA, OCTETS("uplink\nanswer\n"), 2},
         DIAMETER_AVP_OCCURS_TOO_MANY_TIMES,
         A_CODEC_DATA},
#undef TWICE
    };

    none_is_granted(rows, ARRAY_LEN(rows));
}

static void a_value_that_cannot_be_is_shown(void)
{
    static const struct wrong rows[] = {
#define ADDRESS(octets)                                                                            \
    {{SPOIL_VALUE, TOP, A_FRAMED_IP_ADDRESS, OCTETS(octets)},                                      \
     DIAMETER_INVALID_AVP_VALUE,                                                                   \
     A_FRAMED_IP_ADDRESS}
        ADDRESS(""),
        ADDRESS("\x0a\x2d\0"),
        ADDRESS("\x0a\x2d\0\7\0"),
        ADDRESS("0123456789abcdef"),
#undef ADDRESS
    };
    struct span value = SPAN_NONE;

    none_is_granted(rows, ARRAY_LEN(rows));
    /* As it came. */
    setup();
    expect_wrong(&T.h, aar("af;1"), &rows[1]);
    CU_ASSERT_EQUAL(failed_avp(&T.h, 0, &value), A_FRAMED_IP_ADDRESS);
    CU_ASSERT(span_eq(value, SPAN("\x0a\x2d\0")));
    CU_ASSERT_EQUAL(failed_avp(&T.h, 1, NULL), AVP_COUNT);
    teardown();
}

static void an_ipv6_prefix_that_is_none_is_shown(void)
{
    static const struct {
        struct span octets;
        bool good;
    } rows[] = {
        {OCTETS("\0\x40\x20\1\x0d\xb8\0\0\0\1"), true}, /* RFC 3162 2.3: as many as it needs */
        {OCTETS(""), false},
        {OCTETS("\0"), false},
        {OCTETS("\0\x40\x20\1\x0d\xb8\0\0\0"), false},                     /* too few */
        {OCTETS("\0\x81\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), false},   /* 129 bits */
        {OCTETS("\0\x80\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0"), false}, /* 17 octets */
        {OCTETS("\0\x80\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wrong w = {{SPOIL_ADD, TOP, A_FRAMED_IPV6_PREFIX, rows[i].octets},
                          DIAMETER_INVALID_AVP_VALUE,
                          A_FRAMED_IPV6_PREFIX};
        struct diameter_request *r = aar("af;1");

        setup();
        r->aar.framed_ip = (struct addr){0};
        r->aar.components[0].n_flows = 0;
        if (rows[i].good) {
            spoiling = &w.spoiling;
            CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
            spoiling = NULL;
        } else {
            expect_wrong(&T.h, r, &w);
        }
        teardown();
    }
}

static void a_phone_with_two_addresses_contradicts_itself(void)
{
    static const struct wrong row = {
        {SPOIL_ADD, TOP, A_FRAMED_IPV6_PREFIX, OCTETS("\0\x40\x20\1\x0d\xb8\0\0\0\1")},
        DIAMETER_CONTRADICTING_AVPS,
        A_FRAMED_IP_ADDRESS};

    setup();
    expect_wrong(&T.h, aar("af;1"), &row);
    CU_ASSERT_EQUAL(failed_avp(&T.h, 1, NULL), A_FRAMED_IPV6_PREFIX); /* both are shown */
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

static void an_unknown_avp_is_refused_when_it_is_mandatory_only(void)
{
    static const struct {
        struct spoiling spoiling;
        bool good;
    } rows[] = {
        {{SPOIL_ADD, TOP, .raw = OCTETS("\0\0\xff\xff\x40\0\0\x0c\0\0\0\1")}, false},
        {{SPOIL_ADD, TOP, .raw = OCTETS("\0\0\xff\xff\0\0\0\x0c\0\0\0\1")}, true},
        {{SPOIL_ADD, COMPONENT, .raw = OCTETS("\0\0\xff\xff\x40\0\0\x0c\0\0\0\1")}, false},
        {{SPOIL_ADD, COMPONENT, .raw = OCTETS("\0\0\xff\xff\0\0\0\x0c\0\0\0\1")}, true},
        /* Of a vendor: the same number is another AVP. */
        {{SPOIL_ADD, TOP, .raw = OCTETS("\0\0\1\7\xc0\0\0\x10\0\0\x28\xaf\0\0\0\1")}, false},
        {{SPOIL_ADD, TOP, .raw = OCTETS("\0\0\1\7\x80\0\0\x10\0\0\x28\xaf\0\0\0\1")}, true},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        spoiling = &rows[i].spoiling;
        CU_ASSERT_EQUAL(asks(aar("af;1")),
                        rows[i].good ? DIAMETER_SUCCESS : DIAMETER_AVP_UNSUPPORTED);
        CU_ASSERT(span_eq(span_of(T.h.last.failed, T.h.last.n_failed),
                          rows[i].good ? SPAN_NONE : rows[i].spoiling.raw));
    }
    spoiling = NULL;
    teardown();
}

static void an_aar_holds_as_much_as_there_is_room_for(void)
{
    struct diameter_request *r;

    open_with(&(struct house_options){.policy = "components: 16"}, true);
    for (unsigned more = 0; more < 2; more++) {
        struct wrong components = {{SPOIL_ADD, TOP, A_MEDIA_COMPONENT_DESCRIPTION,
                                    OCTETS("\0\0\2\6\xc0\0\0\x10\0\0\x28\xaf\0\0\0\0"),
                                    14 + more + 1},
                                   DIAMETER_INVALID_AVP_VALUE,
                                   A_MEDIA_COMPONENT_DESCRIPTION};
        struct wrong subscriptions = {
            {SPOIL_ADD, TOP, A_SUBSCRIPTION_ID,
             OCTETS("\0\0\1\xbc\x40\0\0\x09x\0\0\0\0\0\1\xc2\x40\0\0\x0c\0\0\0\0"), 3 + more},
            DIAMETER_INVALID_AVP_VALUE,
            A_SUBSCRIPTION_ID};
        struct wrong flows = {{SPOIL_ADD, COMPONENT, A_MEDIA_SUB_COMPONENT,
                               OCTETS("\0\0\1\xfd\xc0\0\0\x10\0\0\x28\xaf\0\0\0\2"), 3 + more},
                              DIAMETER_INVALID_AVP_VALUE,
                              A_MEDIA_SUB_COMPONENT};
        const struct wrong *all[] = {&components, &subscriptions, &flows};

        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            r = aar("af;1");
            if (more) {
                expect_wrong(&T.h, r, all[i]);
                continue;
            }
            spoiling = &all[i]->spoiling;
            CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
            spoiling = NULL;
        }
    }
    teardown();
}

static void what_is_too_long_to_repeat_is_not_in_failed_avp(void)
{
    static char text[DIAMETER_FAILED_MAX];
    struct diameter_request *r = aar("af;1");
    const struct wrong row = {{SPOIL_DOUBLE, TOP, A_AF_CHARGING_IDENTIFIER},
                              DIAMETER_AVP_OCCURS_TOO_MANY_TIMES,
                              AVP_COUNT};

    setup();
    memset(text, 'x', sizeof(text));
    r->aar.charging_id = span_of(text, sizeof(text));
    expect_wrong(&T.h, r, &row);
    teardown();
}

static void an_str_says_why(void)
{
    static const struct wrong rows[] = {
        {{SPOIL_DROP, TOP, A_TERMINATION_CAUSE}, DIAMETER_MISSING_AVP, A_TERMINATION_CAUSE},
        {{SPOIL_DOUBLE, TOP, A_TERMINATION_CAUSE},
         DIAMETER_AVP_OCCURS_TOO_MANY_TIMES,
         A_TERMINATION_CAUSE},
        {{SPOIL_DROP, TOP, A_SESSION_ID}, DIAMETER_MISSING_AVP, A_SESSION_ID},
    };

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_wrong(&T.h, str("af;1"), &rows[i]);
    CU_ASSERT_EQUAL(live(), 1);
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

/* ---- what the policy says --------------------------------------------------------------------- */

static void a_refusal_of_the_policy_is_a_result_of_3gpp(void)
{
    static const struct {
        const char *in;
        uint32_t media, second; /* number of a second component; 0 = none */
        uint32_t result;
    } rows[] = {
        {"permit in 17 from 10.45.0.7 to 10.1.2.3 30000", RX_CONTROL, 0,
         DIAMETER_RX_SERVICE_NOT_AUTHORIZED},
        {"permit in 17 from 10.45.0.8 to 10.1.2.3 30000", RX_AUDIO, 0,
         DIAMETER_RX_SERVICE_NOT_AUTHORIZED},
        {"permit in 17 from any to any", RX_AUDIO, 0, DIAMETER_RX_FILTER_RESTRICTIONS},
        {"permit in 17 from 10.45.0.7 to 10.1.2.3 1,9", RX_AUDIO, 0,
         DIAMETER_RX_FILTER_RESTRICTIONS},
        {"permit in 17", RX_AUDIO, 0, DIAMETER_RX_INVALID_SERVICE_INFORMATION},
        /* Two say what m= line 1 is. */
        {"permit in 17 from 10.45.0.7 to 10.1.2.3 30000", RX_AUDIO, 1,
         DIAMETER_RX_INVALID_SERVICE_INFORMATION},
        {"permit in 17 from 10.45.0.7 to 10.1.2.3 30000", RX_AUDIO, 65536,
         DIAMETER_RX_INVALID_SERVICE_INFORMATION},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diameter_request *r = aar("af;1");

        r->aar.components[0].media_type.v = rows[i].media;
        r->aar.components[0].flows[0].in = span_str(rows[i].in);
        if (rows[i].second) {
            r->aar.components[1] = r->aar.components[0];
            r->aar.components[1].number = rows[i].second;
            r->aar.n_components = 2;
        }
        CU_ASSERT_EQUAL(asks(r), rows[i].result);
        CU_ASSERT_EQUAL(T.h.last.result, 0); /* never both (RFC 6733 7.6) */
        CU_ASSERT(T.h.last.why[0] != '\0');
        CU_ASSERT_STRING_EQUAL(T.h.last.why, T.why);
        CU_ASSERT_EQUAL(T.events[RX_REFUSED], i + 1);
    }
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

static void too_much_bandwidth_is_refused_with_what_would_do(void)
{
    struct diameter_request *r = aar("af;1");
    const struct rx_component *c = &T.h.last.ans.aaa.acceptable[0];

    open_with(&(struct house_options){.policy = "bandwidth: { audio: 64 }"}, true);
    r->aar.components[0].bandwidth_dl = DIAMETER_U32(64001);
    CU_ASSERT_EQUAL(asks(r), DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL(T.h.last.ans.aaa.n_acceptable, 1);
    CU_ASSERT_EQUAL(c->number, 1);
    CU_ASSERT_EQUAL(c->bandwidth_ul.v, 64000);
    CU_ASSERT_EQUAL(c->bandwidth_dl.v, 64000);
    /* That is taken. */
    r = aar("af;1");
    r->aar.components[0].bandwidth_dl = DIAMETER_U32(64000);
    CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
    teardown();
}

static void another_policy_judges_what_comes_after_it(void)
{
    struct conf_report report = {0};
    struct policy *strict = NULL;
    struct conf *conf = NULL;

    setup();
    CU_ASSERT_EQUAL_FATAL(
        conf_parse(&policy_schema, SPAN("media: [video]"), "policy.yaml", &conf, &report), 0);
    CU_ASSERT_EQUAL_FATAL(policy_new(conf_values(conf, 0), sim_rnd(T.h.sim), &strict), 0);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    rx_set_policy(T.rx, strict);
    CU_ASSERT_EQUAL(asks(aar("af;2")), DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL(live(), 1); /* what was granted stays */
    rx_set_policy(T.rx, T.h.policy);
    CU_ASSERT_EQUAL(asks(aar("af;2")), DIAMETER_SUCCESS);
    teardown();
    policy_free(strict);
    conf_free(conf);
}

/* ---- sessions --------------------------------------------------------------------------------- */

static void an_aar_opens_a_session_unless_it_is_an_update(void)
{
    struct diameter_request *r = aar("af;1");

    setup();
    r->aar.request_type = DIAMETER_U32(RX_UPDATE);
    CU_ASSERT_EQUAL(asks(r), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(T.h.last.n_token, 0);
    CU_ASSERT_EQUAL(T.events[RX_REFUSED], 1);
    CU_ASSERT_EQUAL(live(), 0);
    /* Without Rx-Request-Type it is an initial one (TS 29.214 5.3.31). */
    r = aar("af;1");
    r->aar.request_type = (struct diameter_u32){0};
    CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
    CU_ASSERT(T.h.last.n_token > 0);
    CU_ASSERT_EQUAL(T.events[RX_GRANTED], 1);
    /* And an INITIAL of a session that is there is one that was sent again. */
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(T.events[RX_GRANTED], 1);
    CU_ASSERT_EQUAL(live(), 1);
    teardown();
}

static void a_session_that_was_revoked_does_not_come_back(void)
{
    struct diameter_request *r = aar("af;1");

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    T.af_says = 0; /* the ASR gets lost */
    grant_end(grants_find(T.h.grants, SPAN("af;1")), GRANT_REVOKED, NULL, NULL);
    r->aar.request_type = DIAMETER_U32(RX_UPDATE);
    CU_ASSERT_EQUAL(asks(r), DIAMETER_UNKNOWN_SESSION_ID);
    CU_ASSERT_EQUAL(T.h.last.n_token, 0);
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

static void an_aar_sent_again_before_the_disk_answers_gets_the_same_token(void)
{
    struct outcome first;

    setup();
    sim_thread_latency(T.h.sim, 1 * SEC);
    house_send(&T.h, T.h.client, aar("af;1"));
    sim_run(T.h.sim, 500 * MSEC);
    CU_ASSERT_EQUAL(T.h.last.calls, 0); /* nothing is promised that a crash would take back */
    house_send(&T.h, T.h.client, aar("af;1")); /* RFC 6733 5.5.4: the T flag */
    CU_ASSERT(sim_run_until(T.h.sim, is_answered, &T.h, 10 * SEC));
    first = T.h.last;
    CU_ASSERT_EQUAL(first.result, DIAMETER_SUCCESS);
    T.h.before = first.calls;
    CU_ASSERT(sim_run_until(T.h.sim, is_answered, &T.h, 10 * SEC));
    CU_ASSERT_EQUAL(T.h.last.result, DIAMETER_SUCCESS);
    CU_ASSERT(first.n_token > 0);
    CU_ASSERT(
        span_eq(span_of(first.token, first.n_token), span_of(T.h.last.token, T.h.last.n_token)));
    CU_ASSERT_EQUAL(live(), 1);
    teardown();
}

static void a_question_about_what_is_not_on_the_disk_waits_for_it(void)
{
    struct diameter_request *r = aar("af;1");
    struct grant *g;

    setup();
    sim_thread_latency(T.h.sim, 1 * SEC);
    house_send(&T.h, T.h.client, aar("af;1"));
    sim_run(T.h.sim, 100 * MSEC);
    r->aar.info_status = DIAMETER_U32(RX_PRELIMINARY);
    r->aar.components[0].n_flows = 0;
    house_send(&T.h, T.h.client, r);
    sim_run(T.h.sim, 500 * MSEC);
    CU_ASSERT_EQUAL(T.h.last.calls, 0);
    sim_run(T.h.sim, 3 * SEC);
    CU_ASSERT_EQUAL(T.h.last.calls, 2);
    CU_ASSERT_EQUAL(T.h.last.result, DIAMETER_SUCCESS);
    /* What is only asked changes nothing. */
    g = grants_find(T.h.grants, SPAN("af;1"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT(g->final);
    CU_ASSERT_EQUAL(g->n_flows, 2);
    teardown();
}

static void an_end_overtakes_what_is_on_its_way_to_the_disk(void)
{
    setup();
    sim_thread_latency(T.h.sim, 1 * SEC);
    house_send(&T.h, T.h.client, aar("af;1"));
    sim_run(T.h.sim, 100 * MSEC);
    house_send(&T.h, T.h.client, str("af;1"));
    sim_run(T.h.sim, 100 * MSEC);
    CU_ASSERT_EQUAL(live(), 0);
    /* Sent again it is of a session nobody knows. */
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_UNKNOWN_SESSION_ID);
    T.h.before = T.h.last.calls;
    CU_ASSERT(sim_run_until(T.h.sim, is_answered, &T.h, 10 * SEC));
    CU_ASSERT_EQUAL(T.h.last.result, DIAMETER_UNABLE_TO_COMPLY); /* the AAR: no token */
    CU_ASSERT_STRING_EQUAL(T.h.last.why, "the session was ended meanwhile");
    CU_ASSERT_EQUAL(T.h.last.n_token, 0);
    T.h.before = T.h.last.calls;
    CU_ASSERT(sim_run_until(T.h.sim, is_answered, &T.h, 10 * SEC));
    CU_ASSERT_EQUAL(T.h.last.result, DIAMETER_SUCCESS); /* the STR */
    CU_ASSERT_EQUAL(T.events[RX_GRANTED], 0);
    CU_ASSERT_EQUAL(T.events[RX_ENDED], 1);
    teardown();
}

static void a_node_is_the_same_however_it_writes_its_name(void)
{
    static const struct spoiling capitals = {SPOIL_VALUE, TOP, A_ORIGIN_HOST,
                                             OCTETS("CLIENT.IMS.TEST")};

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    spoiling = &capitals;
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_SUCCESS);
    spoiling = NULL;
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

static void a_session_nobody_knows_is_not_ended(void)
{
    static const char *const ids[] = {"af;2", "AF;1", "af;1 ", "af;"};

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        CU_ASSERT_EQUAL(asks(str(ids[i])), DIAMETER_UNKNOWN_SESSION_ID);
        CU_ASSERT(T.h.last.why[0] != '\0');
    }
    CU_ASSERT_EQUAL(live(), 1);
    CU_ASSERT_EQUAL(T.events[RX_ENDED], 0);
    teardown();
}

static void a_name_is_as_long_as_the_database_takes(void)
{
    static const struct spoiling long_host = {SPOIL_VALUE, TOP, A_ORIGIN_HOST,
                                              OCTETS("0123456789abcdef0123456789abcdef0123456789"
                                                     "abcdef0123456789abcdef0123456789abcdef0123"
                                                     "456789abcdef0123456789abcdef0123456789abcd"
                                                     "ef0123456789abcdef0123456789abcdef01234567"
                                                     "89abcdef0123456789abcdef0123456789abcdef01"
                                                     "23456789abcdef0123456789abcdef0123456789ab"
                                                     "cdef")};
    char session[GRANT_NAME_MAX + 2];

    setup();
    memset(session, 's', sizeof(session));
    session[GRANT_NAME_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(asks(aar(session)), DIAMETER_UNABLE_TO_COMPLY);
    CU_ASSERT_PTR_NOT_NULL(strstr(T.h.last.why, "255"));
    CU_ASSERT_EQUAL(T.events[RX_TROUBLE], 1);
    CU_ASSERT_EQUAL(asks(str(session)), DIAMETER_UNKNOWN_SESSION_ID);
    session[GRANT_NAME_MAX] = '\0';
    CU_ASSERT_EQUAL(asks(aar(session)), DIAMETER_SUCCESS);
    spoiling = &long_host;
    CU_ASSERT_EQUAL(asks(aar("af;2")), DIAMETER_UNABLE_TO_COMPLY);
    spoiling = NULL;
    CU_ASSERT_EQUAL(live(), 1);
    teardown();
}

static void at_the_limit_only_new_sessions_are_refused(void)
{
    open_with(&(struct house_options){.limit = 1}, true);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(aar("af;2")), DIAMETER_RESOURCES_EXCEEDED);
    CU_ASSERT_EQUAL(T.h.last.n_token, 0);
    CU_ASSERT_EQUAL(T.events[RX_TROUBLE], 1);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS); /* an update is none */
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(aar("af;2")), DIAMETER_SUCCESS);
    teardown();
}

static void without_a_key_there_is_no_token(void)
{
    open_with(&(struct house_options){.no_key = true}, true);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_UNABLE_TO_COMPLY);
    CU_ASSERT_STRING_EQUAL(T.h.last.why, "no token key is valid now");
    CU_ASSERT_EQUAL(live(), 0);
    teardown();
}

/* ---- what a grant is told to be --------------------------------------------------------------- */

static void the_lifetime_told_is_what_is_left_of_it(void)
{
    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(T.h.last.ans.aaa.lifetime.v, 7200);
    sim_run(T.h.sim, 1000 * SEC);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT(T.h.last.ans.aaa.lifetime.v <= 6200); /* an update makes it no longer */
    CU_ASSERT(T.h.last.ans.aaa.lifetime.v >= 6199);
    teardown();
}

static void a_token_has_its_length_in_front_where_that_is_wanted(void)
{
    size_t with;

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    with = T.h.last.n_token;
    CU_ASSERT_EQUAL((size_t)(uint8_t)T.h.last.token[0] << 8 | (uint8_t)T.h.last.token[1], with);
    teardown();
    open_with(&(struct house_options){0}, false);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(T.h.last.n_token, with - 2);
    teardown();
}

static void the_subscriber_is_the_sip_uri_wherever_it_stands(void)
{
    static const struct {
        struct rx_subscription of[2];
        size_t n;
        const char *subscriber;
    } rows[] = {
        {{{RX_ID_SIP_URI, OCTETS("sip:a@x")}, {RX_ID_E164, OCTETS("4930")}}, 2, "sip:a@x"},
        {{{RX_ID_E164, OCTETS("4930")}, {RX_ID_SIP_URI, OCTETS("sip:a@x")}}, 2, "sip:a@x"},
        {{{RX_ID_IMSI, OCTETS("00101")}, {RX_ID_E164, OCTETS("4930")}}, 2, "00101"},
        {{{RX_ID_NAI, OCTETS("a@x")}}, 1, "a@x"},
        {{{0}}, 0, ""},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diameter_request *r;
        struct grant *g;
        char id[16];

        snprintf(id, sizeof(id), "af;%zu", i);
        r = aar(id);
        r->aar.n_subscriptions = rows[i].n;
        memcpy(r->aar.subscriptions, rows[i].of, sizeof(rows[i].of));
        CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
        g = grants_find(T.h.grants, span_str(id));
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        CU_ASSERT_STRING_EQUAL(g->subscriber, rows[i].subscriber);
        CU_ASSERT_STRING_EQUAL(g->icid, "icid-1");
        CU_ASSERT_STRING_EQUAL(g->af_host, "client.ims.test");
    }
    teardown();
}

static void without_service_info_status_a_session_is_final(void)
{
    static const struct {
        struct diameter_u32 status;
        bool final;
    } rows[] = {{{false, 0}, true}, /* TS 29.214 5.3.25 */
                {{true, RX_FINAL}, true},
                {{true, RX_PRELIMINARY}, false}};

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diameter_request *r;
        struct grant *g;
        char id[16];

        snprintf(id, sizeof(id), "af;%zu", i);
        r = aar(id);
        r->aar.info_status = rows[i].status;
        CU_ASSERT_EQUAL(asks(r), DIAMETER_SUCCESS);
        g = grants_find(T.h.grants, span_str(id));
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        CU_ASSERT_EQUAL(g->final, rows[i].final);
    }
    teardown();
}

/* ---- other commands --------------------------------------------------------------------------- */

static void a_pdp_takes_aar_and_str_only(void)
{
    static const enum diameter_kind kinds[] = {DIAMETER_AS, DIAMETER_RA};

    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        CU_ASSERT_EQUAL(asks(request_new(kinds[i], DIAMETER_APP_RX, "af;1")),
                        DIAMETER_COMMAND_UNSUPPORTED);
    CU_ASSERT_EQUAL(live(), 1);
    teardown();
}

/* ---- ASR -------------------------------------------------------------------------------------- */

static void an_af_is_told_when_its_token_runs_out(void)
{
    open_with(&(struct house_options){.lifetime = 60}, true);
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    sim_run(T.h.sim, 58 * SEC);
    CU_ASSERT_EQUAL(T.asr, 0);
    sim_run(T.h.sim, 4 * SEC);
    CU_ASSERT_EQUAL(T.asr, 1);
    CU_ASSERT_STRING_EQUAL(T.asr_session, "af;1");
    CU_ASSERT_EQUAL(T.abort_cause, RX_NO_SERVER_RESOURCES);
    CU_ASSERT_EQUAL(T.events[RX_ABORTED], 1);
    CU_ASSERT_EQUAL(T.events[RX_TROUBLE], 0);
    /* TS 29.214 4.4.6.1: the AF ends its session with STR; here it is over already. */
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_UNKNOWN_SESSION_ID);
    teardown();
}

static void an_af_that_ends_its_session_is_told_nothing(void)
{
    setup();
    CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(asks(str("af;1")), DIAMETER_SUCCESS);
    sim_run(T.h.sim, 8000 * SEC);
    CU_ASSERT_EQUAL(T.asr, 0);
    CU_ASSERT_EQUAL(T.events[RX_ABORTED], 0);
    teardown();
}

static void an_asr_in_vain_is_trouble_and_no_more(void)
{
    static const struct {
        uint32_t says;
        bool gone;
        const char *why;
    } rows[] = {{0, false, "the AF did not answer an ASR"},
                {DIAMETER_UNABLE_TO_COMPLY, false, "the AF refused an ASR"},
                {0, true, "the AF cannot be reached for an ASR"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        setup();
        CU_ASSERT_EQUAL(asks(aar("af;1")), DIAMETER_SUCCESS);
        T.af_says = rows[i].says;
        if (rows[i].gone)
            diameter_sim_connected(T.h.client, false);
        grant_end(grants_find(T.h.grants, SPAN("af;1")), GRANT_REVOKED, NULL, NULL);
        sim_run(T.h.sim, 10 * SEC);
        CU_ASSERT_EQUAL(T.asr, rows[i].gone ? 0 : 1);
        CU_ASSERT_EQUAL(T.events[RX_TROUBLE], 1);
        CU_ASSERT_STRING_EQUAL(T.why, rows[i].why);
        CU_ASSERT_EQUAL(live(), 0);
        teardown();
    }
}

static void every_event_has_a_name_of_its_own(void)
{
    for (int a = 0; a < RX_EVENTS; a++) {
        CU_ASSERT(rx_event_name((enum rx_event)a)[0] != '\0');
        for (int b = 0; b < a; b++)
            CU_ASSERT_STRING_NOT_EQUAL(rx_event_name((enum rx_event)a),
                                       rx_event_name((enum rx_event)b));
    }
}

TEST_MAIN(
    "pdp/rx",
    {"what is missing in an AAR is shown by an example",
     what_is_missing_in_an_aar_is_shown_by_an_example},
    {"what is there twice in an AAR is shown", what_is_there_twice_in_an_aar_is_shown},
    {"a value that cannot be is shown", a_value_that_cannot_be_is_shown},
    {"an IPv6 prefix that is none is shown", an_ipv6_prefix_that_is_none_is_shown},
    {"a phone with two addresses contradicts itself",
     a_phone_with_two_addresses_contradicts_itself},
    {"an unknown AVP is refused when it is mandatory only",
     an_unknown_avp_is_refused_when_it_is_mandatory_only},
    {"an AAR holds as much as there is room for", an_aar_holds_as_much_as_there_is_room_for},
    {"what is too long to repeat is not in Failed-AVP",
     what_is_too_long_to_repeat_is_not_in_failed_avp},
    {"an STR says why", an_str_says_why},
    {"a refusal of the policy is a result of 3GPP", a_refusal_of_the_policy_is_a_result_of_3gpp},
    {"too much bandwidth is refused with what would do",
     too_much_bandwidth_is_refused_with_what_would_do},
    {"another policy judges what comes after it", another_policy_judges_what_comes_after_it},
    {"an AAR opens a session unless it is an update",
     an_aar_opens_a_session_unless_it_is_an_update},
    {"a session that was revoked does not come back",
     a_session_that_was_revoked_does_not_come_back},
    {"an AAR sent again before the disk answers gets the same token",
     an_aar_sent_again_before_the_disk_answers_gets_the_same_token},
    {"a question about what is not on the disk waits for it",
     a_question_about_what_is_not_on_the_disk_waits_for_it},
    {"an end overtakes what is on its way to the disk",
     an_end_overtakes_what_is_on_its_way_to_the_disk},
    {"a node is the same however it writes its name",
     a_node_is_the_same_however_it_writes_its_name},
    {"a session nobody knows is not ended", a_session_nobody_knows_is_not_ended},
    {"a name is as long as the database takes", a_name_is_as_long_as_the_database_takes},
    {"at the limit only new sessions are refused", at_the_limit_only_new_sessions_are_refused},
    {"without a key there is no token", without_a_key_there_is_no_token},
    {"the lifetime told is what is left of it", the_lifetime_told_is_what_is_left_of_it},
    {"a token has its length in front where that is wanted",
     a_token_has_its_length_in_front_where_that_is_wanted},
    {"the subscriber is the SIP URI wherever it stands",
     the_subscriber_is_the_sip_uri_wherever_it_stands},
    {"without Service-Info-Status a session is final",
     without_service_info_status_a_session_is_final},
    {"a PDP takes AAR and STR only", a_pdp_takes_aar_and_str_only},
    {"an AF is told when its token runs out", an_af_is_told_when_its_token_runs_out},
    {"an AF that ends its session is told nothing", an_af_that_ends_its_session_is_told_nothing},
    {"an ASR in vain is trouble and no more", an_asr_in_vain_is_trouble_and_no_more},
    {"every event has a name of its own", every_event_has_a_name_of_its_own})
