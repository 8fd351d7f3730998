/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/policy/policy.h"

#include <errno.h>
#include <stdlib.h>

#include "pdp/policy/codec.h"
#include "tests/support/suite.h"

/* A policy from a file's text, and an AAR of one audio component that it grants. */
struct bench {
    struct conf *conf;
    struct policy *policy;
    struct rx_aar aar;
    struct policy_decision d;
};

static void open_bench(struct bench *b, const char *yaml)
{
    struct conf_report report = {0};

    memset(b, 0, sizeof(*b));
    CU_ASSERT_EQUAL_FATAL(
        conf_parse(&policy_schema, span_str(yaml), "policy.yaml", &b->conf, &report), 0);
    CU_ASSERT_EQUAL_FATAL(policy_new(conf_values(b->conf, 0), &rnd_system, &b->policy), 0);
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &b->aar.framed_ip), 0);
    b->aar.n_subscriptions = 1;
    b->aar.subscriptions[0] = (struct rx_subscription){RX_ID_SIP_URI, SPAN("sip:alice@ims.test")};
    b->aar.n_components = 1;
    b->aar.components[0] = (struct rx_component){
        .number = 1,
        .media_type = DIAMETER_U32(RX_AUDIO),
        .bandwidth_ul = DIAMETER_U32(41000),
        .bandwidth_dl = DIAMETER_U32(38000),
        .n_flows = 2,
        .flows = {{.number = 1,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 30000"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49170")},
                  {.number = 2,
                   .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 30001"),
                   .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49171"),
                   .usage = DIAMETER_U32(RX_USAGE_RTCP)}}};
}

static void close_bench(struct bench *b)
{
    policy_free(b->policy);
    conf_free(b->conf);
}

static bool granted(struct bench *b)
{
    policy_decide(b->policy, &b->aar, &b->d);
    CU_ASSERT((b->d.result == DIAMETER_SUCCESS) == (b->d.experimental == 0));
    CU_ASSERT((b->d.result == DIAMETER_SUCCESS) == (b->d.why[0] == '\0'));
    return b->d.result == DIAMETER_SUCCESS;
}

static void a_plain_call_is_granted_flow_by_flow(void)
{
    struct bench b;

    open_bench(&b, "");
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL_FATAL(b.d.n_flows, 4);
    CU_ASSERT_EQUAL(b.d.flows[0].media, 1);
    CU_ASSERT_EQUAL(b.d.flows[0].number, 1);
    CU_ASSERT_EQUAL(b.d.flows[0].bandwidth, 41000);
    CU_ASSERT_EQUAL(b.d.flows[1].bandwidth, 38000);
    CU_ASSERT_EQUAL(b.d.flows[0].what.direction, DIAMETER_IN);
    CU_ASSERT_EQUAL(b.d.flows[1].what.direction, DIAMETER_OUT);
    /* RTCP: 5 % of the component */
    CU_ASSERT_EQUAL(b.d.flows[2].bandwidth, 2050);
    CU_ASSERT(b.d.flows[0].open && b.d.flows[3].open);
    close_bench(&b);
}

static void a_component_that_does_not_say_gets_the_limit(void)
{
    struct bench b;

    open_bench(&b, "bandwidth: { audio: 80 }");
    b.aar.components[0].bandwidth_ul.set = false;
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL(b.d.flows[0].bandwidth, 80000);
    close_bench(&b);
}

/* 0 is a bandwidth like any other, and a small one: never "no limit". */
static void no_bandwidth_is_little_bandwidth(void)
{
    struct bench b;

    open_bench(&b, "");
    b.aar.components[0].bandwidth_ul = DIAMETER_U32(0); /* b=AS:0 */
    b.aar.components[0].bandwidth_dl = DIAMETER_U32(7); /* b=TIAS:7 */
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL_FATAL(b.d.n_flows, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(b.d.flows[i].bandwidth, 1000);
    b.aar.components[0].bandwidth_ul = DIAMETER_U32(41000);
    b.aar.components[0].flows[0].bandwidth_ul = DIAMETER_U32(0); /* of this flow alone */
    b.aar.components[0].rs_bandwidth = DIAMETER_U32(1);
    b.aar.components[0].rr_bandwidth = DIAMETER_U32(0);
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL(b.d.flows[0].bandwidth, 1000);
    CU_ASSERT_EQUAL(b.d.flows[2].bandwidth, 1000);
    close_bench(&b);
    open_bench(&b, "bandwidth: { audio: 1 }"); /* and never more than the file allows */
    b.aar.components[0].bandwidth_ul = b.aar.components[0].bandwidth_dl = DIAMETER_U32(0);
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL(b.d.flows[0].bandwidth, 1000);
    close_bench(&b);
}

static void media_beyond_the_policy_is_refused(void)
{
    static const struct {
        const char *yaml;
        uint32_t type;
        bool granted;
    } rows[] = {{"", RX_AUDIO, true},
                {"", RX_VIDEO, true},
                {"", RX_APPLICATION, false},
                {"", RX_MEDIA_OTHER, false},
                {"media: [audio]", RX_VIDEO, false},
                {"media: [audio, other]", RX_MEDIA_OTHER, true}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;

        open_bench(&b, rows[i].yaml);
        b.aar.components[0].media_type = DIAMETER_U32(rows[i].type);
        CU_ASSERT_EQUAL(granted(&b), rows[i].granted);
        if (!rows[i].granted)
            CU_ASSERT_EQUAL(b.d.experimental, DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
        close_bench(&b);
    }
}

static void too_much_bandwidth_is_refused_with_what_would_do(void)
{
    struct bench b;

    open_bench(&b, "bandwidth: { audio: 40 }");
    CU_ASSERT(!granted(&b));
    CU_ASSERT_EQUAL(b.d.experimental, DIAMETER_RX_SERVICE_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL_FATAL(b.d.n_acceptable, 1);
    CU_ASSERT_EQUAL(b.d.acceptable[0].number, 1);
    CU_ASSERT_EQUAL(b.d.acceptable[0].bandwidth_ul.v, 40000);
    CU_ASSERT_EQUAL(b.d.n_flows, 0);
    close_bench(&b);
    open_bench(&b, "bandwidth: { session: 40 }");
    CU_ASSERT(!granted(&b));
    close_bench(&b);
}

static void more_lines_than_allowed_are_refused(void)
{
    struct bench b;

    open_bench(&b, "components: 1");
    b.aar.components[1] = b.aar.components[0];
    b.aar.components[1].number = 2;
    b.aar.n_components = 2;
    CU_ASSERT(!granted(&b));
    b.aar.components[1].number = 0; /* AF signalling is no m= line */
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL(b.d.n_flows, 4);
    close_bench(&b);
}

static void filters_that_hide_something_are_refused(void)
{
    static const struct {
        const char *in;
        uint32_t code;
    } rows[] = {
        {"permit in 17 from any to any", DIAMETER_RX_FILTER_RESTRICTIONS},
        {"permit in 17 from 10.45.0.7 to !10.1.2.3", DIAMETER_RX_FILTER_RESTRICTIONS},
        {"permit in 17 from 10.45.0.7 to 10.1.2.3 1-9", DIAMETER_RX_FILTER_RESTRICTIONS},
        {"permit in seventeen", DIAMETER_RX_INVALID_SERVICE_INFORMATION},
        {"permit in 17 from 10.45.0.8 to 10.1.2.3 30000", DIAMETER_RX_SERVICE_NOT_AUTHORIZED},
        {"permit in 17 from 10.45.0.0/24 to 10.1.2.3 30000", DIAMETER_RX_SERVICE_NOT_AUTHORIZED}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;

        open_bench(&b, "");
        b.aar.components[0].flows[0].in = span_str(rows[i].in);
        CU_ASSERT(!granted(&b));
        CU_ASSERT_EQUAL(b.d.experimental, rows[i].code);
        CU_ASSERT_EQUAL(b.d.n_flows, 0);
        close_bench(&b);
    }
}

static void another_phones_address_passes_only_where_it_is_not_checked(void)
{
    struct bench b;

    open_bench(&b, "check_phone: false");
    b.aar.components[0].flows[0].in = SPAN("permit in 17 from 10.45.0.8 to 10.1.2.3 30000");
    CU_ASSERT(granted(&b));
    close_bench(&b);
}

static void a_prefix_of_the_phone_covers_its_addresses(void)
{
    struct bench b;

    open_bench(&b, "");
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("2001:db8:1:2::"), 0, &b.aar.framed_ip), 0);
    b.aar.framed_bits = 64;
    b.aar.components[0].n_flows = 1;
    b.aar.components[0].flows[0].in = SPAN("permit in 17 from 2001:db8:1:2::77 to 2001:db8::1 9");
    b.aar.components[0].flows[0].out = SPAN("permit out 17 from 2001:db8::1 to 2001:db8:1:2::7");
    CU_ASSERT(granted(&b));
    b.aar.components[0].flows[0].in = SPAN("permit in 17 from 2001:db8:1:3::77 to 2001:db8::1 9");
    CU_ASSERT(!granted(&b));
    close_bench(&b);
}

static void held_media_is_authorized_but_not_open_and_its_rtcp_is(void)
{
    static const struct {
        uint32_t status;
        bool in, out, rtcp;
    } rows[] = {{RX_ENABLED, true, true, true},
                {RX_ENABLED_UPLINK, true, false, true},
                {RX_ENABLED_DOWNLINK, false, true, true},
                {RX_DISABLED, false, false, false}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;

        open_bench(&b, "");
        b.aar.components[0].status = DIAMETER_U32(rows[i].status);
        CU_ASSERT(granted(&b));
        CU_ASSERT_EQUAL_FATAL(b.d.n_flows, 4);
        CU_ASSERT_EQUAL(b.d.flows[0].open, rows[i].in);
        CU_ASSERT_EQUAL(b.d.flows[1].open, rows[i].out);
        CU_ASSERT_EQUAL(b.d.flows[2].open, rows[i].rtcp);
        CU_ASSERT_EQUAL(b.d.flows[3].open, rows[i].rtcp);
        close_bench(&b);
    }
}

static void a_removed_component_has_no_flows(void)
{
    struct bench b;

    open_bench(&b, "media: [video]");
    b.aar.components[0].status = DIAMETER_U32(RX_REMOVED);
    CU_ASSERT(granted(&b));
    CU_ASSERT_EQUAL(b.d.n_flows, 0);
    close_bench(&b);
}

static void exceptions_are_for_the_subscriber_they_name(void)
{
    static const char yaml[] = "media: [audio]\n"
                               "subscribers:\n"
                               "  - identity: sip:mallory@ims.test\n"
                               "    barred: true\n"
                               "  - identity: sip:bob@ims.test\n"
                               "    media: [audio, video]\n"
                               "    session: 10\n";
    struct bench b;

    open_bench(&b, yaml);
    CU_ASSERT(granted(&b));
    b.aar.subscriptions[0].data = SPAN("sip:mallory@ims.test");
    CU_ASSERT(!granted(&b));
    b.aar.service_urn = SPAN("sos.police");
    CU_ASSERT(granted(&b));
    b.aar.service_urn = SPAN_NONE;
    b.aar.subscriptions[0].data = SPAN("sip:bob@ims.test");
    CU_ASSERT(!granted(&b)); /* 10 kbit/s */
    b.aar.components[0].bandwidth_ul = b.aar.components[0].bandwidth_dl = DIAMETER_U32(9000);
    b.aar.components[0].media_type = DIAMETER_U32(RX_VIDEO);
    CU_ASSERT(granted(&b));
    close_bench(&b);
}

static void there_are_as_many_exceptions_as_the_manual_says(void)
{
    enum { EXCEPTIONS = 100000, LINE = 64 };
    char *yaml = malloc((size_t)EXCEPTIONS * LINE), name[32];
    struct bench b;

    CU_ASSERT_PTR_NOT_NULL_FATAL(yaml);
    struct buf text = {yaml, 0, (size_t)EXCEPTIONS * LINE - 1, false};
    buf_puts(&text, "subscribers:\n");
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        buf_fmt(&text, "  - {identity: 'sip:%u@ims.test', barred: true}\n", i);
    CU_ASSERT_FALSE_FATAL(text.overflow);
    yaml[text.n] = '\0';
    open_bench(&b, yaml);
    CU_ASSERT(granted(&b));
    for (unsigned i = 0; i < EXCEPTIONS; i += EXCEPTIONS - 1) {
        snprintf(name, sizeof(name), "sip:%u@ims.test", i);
        b.aar.subscriptions[0].data = span_str(name);
        CU_ASSERT(!granted(&b));
    }
    close_bench(&b);
    free(yaml);
}

static void an_offer_needs_one_good_codec_and_an_answer_only_good_ones(void)
{
    static const char offer[] = "uplink\noffer\nm=audio 49170 RTP/AVP 96 0 101\n"
                                "a=rtpmap:96 AMR/8000\na=rtpmap:101 telephone-event/8000\n";
    static const char good[] =
        "downlink\nanswer\nm=audio 5000 RTP/AVP 97\na=rtpmap:97 amr/8000/1\n";
    static const char bad[] = "downlink\nanswer\nm=audio 5000 RTP/AVP 0\n";
    struct bench b;

    open_bench(&b, "codecs: { audio: [AMR, EVS] }");
    b.aar.components[0].codec[0] = span_str(offer);
    CU_ASSERT(granted(&b));
    b.aar.components[0].codec[1] = span_str(good);
    CU_ASSERT(granted(&b));
    b.aar.components[0].codec[1] = span_str(bad);
    CU_ASSERT(!granted(&b));
    CU_ASSERT_STRING_EQUAL(b.d.why, "m= line 1: codec PCMU is not allowed");
    b.aar.components[0].codec[1] = SPAN_NONE;
    b.aar.components[0].codec[0] = SPAN("uplink\noffer\nm=audio 49170 RTP/AVP 8 18\n");
    CU_ASSERT(!granted(&b));
    close_bench(&b);
}

static void codec_data_of_any_shape_is_read_or_left(void)
{
    static const char *const names[] = {"AMR"};
    const struct conf_strings allowed = {(const char **)(uintptr_t)names, 1};
    static const char *const texts[] = {
        "",   "\n",      "uplink",    "uplink\noffer\n",
        "m=", "m=audio", "a=rtpmap:", "m=audio 1 RTP/AVP \na=rtpmap:0"};
    struct span other;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        CU_ASSERT_EQUAL(policy_codecs_check(span_str(texts[i]), &allowed, &other),
                        POLICY_CODECS_ALL);
}

TEST_MAIN(
    "pdp/policy", {"a plain call is granted flow by flow", a_plain_call_is_granted_flow_by_flow},
    {"a component that does not say gets the limit", a_component_that_does_not_say_gets_the_limit},
    {"no bandwidth is little bandwidth", no_bandwidth_is_little_bandwidth},
    {"media beyond the policy is refused", media_beyond_the_policy_is_refused},
    {"too much bandwidth is refused with what would do",
     too_much_bandwidth_is_refused_with_what_would_do},
    {"more lines than allowed are refused", more_lines_than_allowed_are_refused},
    {"filters that hide something are refused", filters_that_hide_something_are_refused},
    {"another phone's address passes only where it is not checked",
     another_phones_address_passes_only_where_it_is_not_checked},
    {"a prefix of the phone covers its addresses", a_prefix_of_the_phone_covers_its_addresses},
    {"held media is authorized but not open, and its RTCP is",
     held_media_is_authorized_but_not_open_and_its_rtcp_is},
    {"a removed component has no flows", a_removed_component_has_no_flows},
    {"exceptions are for the subscriber they name", exceptions_are_for_the_subscriber_they_name},
    {"there are as many exceptions as the manual says",
     there_are_as_many_exceptions_as_the_manual_says},
    {"an offer needs one good codec and an answer only good ones",
     an_offer_needs_one_good_codec_and_an_answer_only_good_ones},
    {"Codec-Data of any shape is read or left", codec_data_of_any_shape_is_read_or_left})
