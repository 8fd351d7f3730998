/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/diameter/inner.h"
#include "tests/support/suite.h"

static const struct diameter_names names = {{"pcscf.ims.test", 14}, {"ims.test", 8}};

struct bench {
    uint8_t octets[DIAMETER_MESSAGE_MAX];
    struct span message;
    struct diameter_request req, got;
    struct diameter_answer ans, got_ans;
    struct diameter_fault fault;
};

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));

    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    return b;
}

static int there_and_back(struct bench *b)
{
    size_t n = 0;
    int rc = diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n);

    CU_ASSERT_EQUAL_FATAL(rc, 0);
    b->message = span_of(b->octets, n);
    CU_ASSERT_PTR_NULL(diameter_raw_check(b->message));
    return diameter_decode_request(b->message, &b->got, &b->fault);
}

static int answer_there_and_back(struct bench *b, struct span echo)
{
    size_t n = 0;
    int rc = diameter_encode_answer(&b->ans, &names, echo, b->octets, sizeof(b->octets), &n);

    CU_ASSERT_EQUAL_FATAL(rc, 0);
    b->message = span_of(b->octets, n);
    CU_ASSERT_PTR_NULL(diameter_raw_check(b->message));
    return diameter_decode_answer(b->message, &b->got_ans);
}

static struct bench *aar_new(void)
{
    struct bench *b = bench_new();
    struct diameter_request *r = &b->req;

    r->kind = DIAMETER_AA;
    r->app = DIAMETER_APP_RX;
    r->session_id = SPAN("pcscf.ims.test;1;2;rx");
    r->destination_host = SPAN("pdp.ims.test");
    r->aar.charging_id = SPAN("icid-1");
    r->aar.application = SPAN("+g.3gpp.icsi-ref");
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &r->aar.framed_ip), 0);
    r->aar.info_status = DIAMETER_U32(RX_PRELIMINARY);
    r->aar.request_type = DIAMETER_U32(RX_INITIAL);
    r->aar.n_subscriptions = 1;
    r->aar.subscriptions[0] = (struct rx_subscription){RX_ID_SIP_URI, SPAN("sip:alice@ims.test")};
    r->aar.n_actions = 2;
    r->aar.actions[0] = RX_LOSS_OF_BEARER;
    r->aar.actions[1] = RX_RELEASE_OF_BEARER;
    r->aar.n_components = 1;
    r->aar.components[0] = (struct rx_component){
        .number = 1,
        .media_type = DIAMETER_U32(RX_AUDIO),
        .status = DIAMETER_U32(RX_ENABLED),
        .bandwidth_ul = DIAMETER_U32(64000),
        .bandwidth_dl = DIAMETER_U32(65000),
        .codec = {SPAN("uplink\noffer\nm=audio 49170 RTP/AVP 96\n"),
                  SPAN("downlink\nanswer\nm=audio 50000 RTP/AVP 96\n")},
        .n_flows = 2,
        .flows = {{.number = 1,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 50000"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49170")},
                  {.number = 2,
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49171"),
                   .usage = DIAMETER_U32(RX_USAGE_RTCP)}}};
    return b;
}

static void an_aar_arrives_as_it_was_meant(void)
{
    struct bench *b = aar_new();
    const struct rx_component *c = &b->got.aar.components[0];

    CU_ASSERT_EQUAL(there_and_back(b), 0);
    ASSERT_SPAN_EQ(b->got.session_id, "pcscf.ims.test;1;2;rx");
    ASSERT_SPAN_EQ(b->got.origin_host, "pcscf.ims.test");
    ASSERT_SPAN_EQ(b->got.destination_realm, "ims.test");
    ASSERT_SPAN_EQ(b->got.destination_host, "pdp.ims.test");
    ASSERT_SPAN_EQ(b->got.aar.charging_id, "icid-1");
    CU_ASSERT(addr_eq(&b->got.aar.framed_ip, &b->req.aar.framed_ip));
    CU_ASSERT(b->got.aar.info_status.set && b->got.aar.info_status.v == RX_PRELIMINARY);
    CU_ASSERT(!b->got.aar.forking.set);
    CU_ASSERT_EQUAL(b->got.aar.n_subscriptions, 1);
    ASSERT_SPAN_EQ(b->got.aar.subscriptions[0].data, "sip:alice@ims.test");
    CU_ASSERT_EQUAL(b->got.aar.n_actions, 2);
    CU_ASSERT_EQUAL(b->got.aar.actions[1], RX_RELEASE_OF_BEARER);
    CU_ASSERT_EQUAL_FATAL(b->got.aar.n_components, 1);
    CU_ASSERT_EQUAL(c->bandwidth_ul.v, 64000);
    CU_ASSERT_EQUAL(c->bandwidth_dl.v, 65000);
    CU_ASSERT_EQUAL_FATAL(c->n_flows, 2);
    ASSERT_SPAN_EQ(c->flows[0].in, "permit in 17 from 10.45.0.7 to 10.1.2.3 50000");
    ASSERT_SPAN_EQ(c->flows[0].out, "permit out 17 from 10.1.2.3 to 10.45.0.7 49170");
    CU_ASSERT_PTR_NULL(c->flows[1].in.p);
    CU_ASSERT(c->flows[1].usage.set && c->flows[1].usage.v == RX_USAGE_RTCP);
    ASSERT_SPAN_EQ(c->codec[1], "downlink\nanswer\nm=audio 50000 RTP/AVP 96\n");
    free(b);
}

static void an_ipv6_prefix_keeps_its_length(void)
{
    struct bench *b = aar_new();

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("2001:db8:1:2::"), 0, &b->req.aar.framed_ip), 0);
    b->req.aar.framed_bits = 64;
    CU_ASSERT_EQUAL(there_and_back(b), 0);
    CU_ASSERT(addr_ip_eq(&b->got.aar.framed_ip, &b->req.aar.framed_ip));
    CU_ASSERT_EQUAL(b->got.aar.framed_bits, 64);
    free(b);
}

static void the_first_octets_are_those_of_the_wire(void)
{
    /* Written by hand from RFC 6733 3 and 4.1: STR, Rx, P bit, Session-Id first. */
    static const char want[] = "01000084"
                               "c0000113"
                               "01000014"
                               "00000000"
                               "00000000"
                               "00000107"
                               "4000000b"
                               "613b3100";
    struct bench *b = bench_new();
    char text[128];
    struct buf hex = BUF_ON(text);

    b->req.kind = DIAMETER_ST;
    b->req.app = DIAMETER_APP_RX;
    b->req.session_id = SPAN("a;1");
    b->req.destination_host = SPAN("pdp.ims.test");
    b->req.st.cause = DIAMETER_LOGOUT;
    CU_ASSERT_EQUAL(there_and_back(b), 0);
    buf_hex(&hex, b->octets, (sizeof(want) - 1) / 2);
    CU_ASSERT_EQUAL(b->message.n, 20 + 12 + 12 + 24 + 16 + 16 + 20 + 12);
    ASSERT_SPAN_EQ(buf_span(&hex), want);
    CU_ASSERT_EQUAL(b->got.st.cause, DIAMETER_LOGOUT);
    free(b);
}

static void a_qar_carries_token_and_classifiers(void)
{
    struct bench *b = bench_new();
    struct qos_qar *q = &b->req.qar;

    b->req.kind = DIAMETER_QA;
    b->req.app = DIAMETER_APP_QOS;
    b->req.session_id = SPAN("edge.ims.test;1;2;qos");
    q->token = span_of("\0\4\0\20tok", 7);
    q->n_filters = 2;
    q->filters[0].id = SPAN("1.1");
    CU_ASSERT_EQUAL(diameter_flow_parse(SPAN("permit in 17 from 10.0.0.0/24 to 10.1.2.3 50000"),
                                        &q->filters[0].flow),
                    0);
    q->filters[0].action = DIAMETER_U32(QOS_PERMIT);
    q->filters[0].bandwidth = 64000;
    q->filters[1].id = SPAN("1.2");
    q->filters[1].flow.direction = DIAMETER_BOTH;
    CU_ASSERT_EQUAL(there_and_back(b), 0);
    CU_ASSERT(span_eq(b->got.qar.token, q->token));
    CU_ASSERT_EQUAL_FATAL(b->got.qar.n_filters, 2);
    ASSERT_SPAN_EQ(b->got.qar.filters[0].id, "1.1");
    CU_ASSERT_EQUAL(b->got.qar.filters[0].bandwidth, 64000);
    CU_ASSERT_EQUAL(b->got.qar.filters[0].flow.from.bits, 24);
    CU_ASSERT_EQUAL(b->got.qar.filters[0].flow.to.addr.port, 50000);
    CU_ASSERT(diameter_flow_covers(&q->filters[0].flow, &b->got.qar.filters[0].flow));
    CU_ASSERT_EQUAL(b->got.qar.filters[1].flow.direction, DIAMETER_BOTH);
    free(b);
}

/* 0 in struct qos_filter is "not given": what is given, however little, is never that. */
static void a_bandwidth_that_is_given_is_never_read_as_none(void)
{
    static const float octets[] = {0.0f, -0.0f, 0.05f, 0.125f, 1.0f};
    static const uint64_t bits[] = {1, 1, 1, 1, 8};

    for (size_t i = 0; i < ARRAY_LEN(octets); i++) {
        struct bench *b = bench_new();
        struct avp_writer w = {b->octets, 0, sizeof(b->octets), false};
        size_t res, rule, group, n = 0;
        uint8_t copy[512];

        b->req.kind = DIAMETER_QA;
        b->req.app = DIAMETER_APP_QOS;
        b->req.session_id = SPAN("s;1");
        CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n),
                        0);
        w.n = n;
        res = avp_open(&w, A_QOS_RESOURCES);
        rule = avp_open(&w, A_FILTER_RULE);
        group = avp_open(&w, A_QOS_PARAMETERS);
        avp_put_f32(&w, A_BANDWIDTH, octets[i]);
        avp_close(&w, group);
        avp_close(&w, rule);
        avp_close(&w, res);
        w.p[2] = (uint8_t)(w.n >> 8);
        w.p[3] = (uint8_t)w.n;
        memcpy(copy, b->octets, w.n);
        CU_ASSERT_EQUAL(diameter_decode_request(span_of(copy, w.n), &b->got, &b->fault), 0);
        CU_ASSERT_EQUAL_FATAL(b->got.qar.n_filters, 1);
        CU_ASSERT_EQUAL(b->got.qar.filters[0].bandwidth, bits[i]);
        free(b);
    }
}

static void a_classifier_we_cannot_read_is_refused_not_widened(void)
{
    struct bench *b = bench_new();
    struct avp_writer w = {b->octets, 0, sizeof(b->octets), false};
    size_t res, rule, cls, spec, n = 0;
    uint8_t copy[512];

    b->req.kind = DIAMETER_QA;
    b->req.app = DIAMETER_APP_QOS;
    b->req.session_id = SPAN("s;1");
    CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n), 0);
    w.n = n;
    res = avp_open(&w, A_QOS_RESOURCES);
    rule = avp_open(&w, A_FILTER_RULE);
    cls = avp_open(&w, A_CLASSIFIER);
    spec = avp_open(&w, A_FROM_SPEC);
    avp_put_u32(&w, A_NEGATED, 1);
    avp_close(&w, spec);
    avp_close(&w, cls);
    avp_close(&w, rule);
    avp_close(&w, res);
    w.p[2] = (uint8_t)(w.n >> 8);
    w.p[3] = (uint8_t)w.n;
    memcpy(copy, b->octets, w.n);
    CU_ASSERT_PTR_NULL(diameter_raw_check(span_of(copy, w.n)));
    CU_ASSERT_EQUAL(diameter_decode_request(span_of(copy, w.n), &b->got, &b->fault), -EBADMSG);
    CU_ASSERT_EQUAL(b->fault.result, DIAMETER_INVALID_AVP_VALUE);
    free(b);
}

static void answers_carry_the_token_and_the_experimental_result(void)
{
    struct bench *b = bench_new();

    b->ans = (struct diameter_answer){
        .kind = DIAMETER_AA,
        .app = DIAMETER_APP_RX,
        .result = DIAMETER_SUCCESS,
        .aaa = {.token = SPAN("secret-token"), .lifetime = DIAMETER_U32(600)}};
    CU_ASSERT_EQUAL(answer_there_and_back(b, SPAN_NONE), 0);
    CU_ASSERT(diameter_ok(&b->got_ans));
    ASSERT_SPAN_EQ(b->got_ans.aaa.token, "secret-token");
    CU_ASSERT(b->got_ans.aaa.lifetime.set && b->got_ans.aaa.lifetime.v == 600);

    b->ans =
        (struct diameter_answer){.kind = DIAMETER_AA,
                                 .app = DIAMETER_APP_RX,
                                 .experimental = DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                                 .error_message = SPAN("no video here"),
                                 .aaa = {.acceptable_ul = DIAMETER_U32(64000), .n_acceptable = 1}};
    b->ans.aaa.acceptable[0].number = 1;
    CU_ASSERT_EQUAL(answer_there_and_back(b, SPAN_NONE), 0);
    CU_ASSERT(!diameter_ok(&b->got_ans));
    CU_ASSERT_EQUAL(b->got_ans.experimental, DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_STRING_EQUAL(diameter_result_name(&b->got_ans), "REQUESTED_SERVICE_NOT_AUTHORIZED");
    ASSERT_SPAN_EQ(b->got_ans.error_message, "no video here");
    CU_ASSERT_EQUAL(b->got_ans.aaa.n_acceptable, 1);
    CU_ASSERT_EQUAL(b->got_ans.aaa.acceptable_ul.v, 64000);
    free(b);
}

static void an_answer_repeats_the_session_and_the_way_back(void)
{
    struct bench *b = aar_new();
    struct avp_writer w;
    struct span echo, value;
    size_t n = 0;

    CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n), 0);
    w = (struct avp_writer){b->octets, n, sizeof(b->octets), false};
    n = avp_open(&w, A_PROXY_INFO);
    avp_put(&w, A_PROXY_HOST, SPAN("dra.ims.test"));
    avp_put(&w, A_PROXY_STATE, SPAN("x"));
    avp_close(&w, n);
    echo = diameter_echo_copy(span_of(b->octets, w.n));
    CU_ASSERT_PTR_NOT_NULL_FATAL(echo.p);
    b->ans = (struct diameter_answer){
        .kind = DIAMETER_ST, .app = DIAMETER_APP_RX, .result = DIAMETER_SUCCESS};
    CU_ASSERT_EQUAL(answer_there_and_back(b, echo), 0);
    ASSERT_SPAN_EQ(b->got_ans.session_id, "pcscf.ims.test;1;2;rx");
    CU_ASSERT(diameter_top_find(b->message, A_PROXY_INFO, &value));
    free((void *)(uintptr_t)echo.p);
    free(b);
}

static void what_is_missing_is_named(void)
{
    struct bench *b = aar_new();
    size_t n = 0;

    /* The Session-Id, which comes first, becomes an AVP nobody knows. */
    CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n), 0);
    b->octets[20] = 0x7f;
    b->octets[24] = 0; /* and need not know */
    CU_ASSERT_EQUAL(diameter_decode_request(span_of(b->octets, n), &b->got, &b->fault), -EBADMSG);
    CU_ASSERT_EQUAL(b->fault.result, DIAMETER_MISSING_AVP);
    /* RFC 6733 7.1.5: an example of it */
    CU_ASSERT(span_eq(b->fault.failed, span_of("\0\0\1\7\x40\0\0\10", 8)));
    free(b);
}

static void a_message_that_does_not_fit_is_refused(void)
{
    struct bench *b = aar_new();
    size_t n = 0;

    CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, 200, &n), -EMSGSIZE);
    CU_ASSERT_EQUAL(n, 0);
    b->req.session_id = SPAN_NONE;
    CU_ASSERT_EQUAL(diameter_encode_request(&b->req, &names, b->octets, 2000, &n), -EINVAL);
    free(b);
}

static void the_walker_names_what_is_wrong(void)
{
    struct bench *b = aar_new();
    size_t n = 0;
    uint8_t m[4096];

    CU_ASSERT_EQUAL_FATAL(diameter_encode_request(&b->req, &names, m, sizeof(m), &n), 0);
    struct span whole = span_of(m, n);

    CU_ASSERT_PTR_NULL(diameter_raw_check(whole));
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(span_of(m, 16)));
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(span_of(m, n - 4)));
    m[0] = 2;
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(whole));
    m[0] = 1;
    m[4] |= 0x20; /* R and E */
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(whole));
    m[4] = 0xc0;
    m[28] = 0; /* NUL in the Session-Id */
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(whole));
    m[28] = 'p';
    m[27] = 7; /* shorter than its head */
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(whole));
    m[25] = 0xff; /* longer than the message */
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(whole));
    free(b);
}

static void an_avp_longer_than_what_is_left_is_no_avp(void)
{
    /* Code 9999, eight octets there, twelve said. */
    uint8_t m[] = {1, 0, 0, 28, 0xc0, 0, 1, 9, 0,    0,    0,    0, 0, 0,
                   0, 0, 0, 0,  0,    0, 0, 0, 0x27, 0x0f, 0x40, 0, 0, 12};

    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(span_of(m, sizeof(m))));
    m[27] = 8;
    CU_ASSERT_PTR_NULL(diameter_raw_check(span_of(m, sizeof(m))));
}

static void what_failed_avp_holds_may_be_wrong(void)
{
    /* RFC 6733 7.5: a missing identity is shown as one without octets. */
    uint8_t m[64] = {1, 0, 0, 0, 0x40, 0, 1, 9};
    struct avp_writer w = {m, DIAMETER_HEAD, sizeof(m), false};
    size_t group = avp_open(&w, A_FAILED_AVP);

    avp_put(&w, A_DESTINATION_HOST, SPAN_NONE);
    avp_close(&w, group);
    m[3] = (uint8_t)w.n;
    CU_ASSERT_PTR_NULL(diameter_raw_check(span_of(m, w.n)));
    avp_put(&w, A_DESTINATION_HOST, SPAN_NONE);
    m[3] = (uint8_t)w.n;
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(span_of(m, w.n)));
}

static void nesting_has_an_end(void)
{
    uint8_t m[1024] = {1, 0, 0, 0, 0xc0, 0, 1, 9};
    struct avp_writer w = {m, DIAMETER_HEAD, sizeof(m), false};
    size_t opened[16];

    for (size_t i = 0; i < ARRAY_LEN(opened); i++)
        opened[i] = avp_open(&w, A_FAILED_AVP);
    for (size_t i = ARRAY_LEN(opened); i-- > 0;)
        avp_close(&w, opened[i]);
    m[3] = (uint8_t)w.n;
    CU_ASSERT_PTR_NOT_NULL(diameter_raw_check(span_of(m, w.n)));
}

static void octets_changed_at_random_never_read_past_the_end(void)
{
    /* The sanitizer is the judge: each message lies in an allocation of its own size. */
    struct bench *b = aar_new();
    uint64_t state = 7;
    struct rnd rnd = rnd_seeded(&state);
    size_t n = 0, good = 0;

    CU_ASSERT_EQUAL_FATAL(
        diameter_encode_request(&b->req, &names, b->octets, sizeof(b->octets), &n), 0);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t *m = malloc(n);
        struct span s = span_of(m, n);

        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        memcpy(m, b->octets, n);
        for (unsigned k = rnd_below(&rnd, 4) + 1; k > 0; k--)
            m[DIAMETER_HEAD + rnd_below(&rnd, (uint32_t)n - DIAMETER_HEAD)] =
                (uint8_t)rnd_u64(&rnd);
        if (!diameter_raw_check(s)) {
            good += diameter_decode_request(s, &b->got, &b->fault) == 0;
            struct span echo = diameter_echo_copy(s);
            free((void *)(uintptr_t)echo.p);
        }
        free(m);
    }
    CU_ASSERT(good > 1000); /* the rounds did reach the decoder */
    free(b);
}

static void the_table_is_sorted_so_that_every_avp_is_found(void)
{
    for (int i = 0; i < AVP_COUNT; i++)
        CU_ASSERT_EQUAL((int)avp_find(avp_defs[i].vendor, avp_defs[i].code), i);
    CU_ASSERT_EQUAL(avp_find(10415, 9999), AVP_COUNT);
    CU_ASSERT_EQUAL(avp_find(0, 506), AVP_COUNT); /* 506 is the vendor's */
}

TEST_MAIN("common/diameter/codec",
          {"an AAR arrives as it was meant", an_aar_arrives_as_it_was_meant},
          {"an IPv6 prefix keeps its length", an_ipv6_prefix_keeps_its_length},
          {"the first octets are those of the wire", the_first_octets_are_those_of_the_wire},
          {"a QAR carries token and classifiers", a_qar_carries_token_and_classifiers},
          {"a bandwidth that is given is never read as none",
           a_bandwidth_that_is_given_is_never_read_as_none},
          {"a classifier we cannot read is refused, not widened",
           a_classifier_we_cannot_read_is_refused_not_widened},
          {"answers carry the token and the experimental result",
           answers_carry_the_token_and_the_experimental_result},
          {"an answer repeats the session and the way back",
           an_answer_repeats_the_session_and_the_way_back},
          {"what is missing is named", what_is_missing_is_named},
          {"a message that does not fit is refused", a_message_that_does_not_fit_is_refused},
          {"the walker names what is wrong", the_walker_names_what_is_wrong},
          {"an AVP longer than what is left is no AVP", an_avp_longer_than_what_is_left_is_no_avp},
          {"what Failed-AVP holds may be wrong", what_failed_avp_holds_may_be_wrong},
          {"nesting has an end", nesting_has_an_end},
          {"octets changed at random never read past the end",
           octets_changed_at_random_never_read_past_the_end},
          {"the table is sorted so that every AVP is found",
           the_table_is_sorted_so_that_every_avp_is_found})
