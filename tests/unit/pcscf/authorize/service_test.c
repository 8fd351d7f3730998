/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From SDP to service information: TS 29.213 6.2. */
#include <errno.h>

#include "common/osip/osipmem.h"
#include "pcscf/authorize/inner.h"
#include "tests/support/suite.h"

#define FROM_PHONE                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"                      \
    "m=audio 49152 RTP/AVP 97\r\nb=AS:41\r\na=rtpmap:97 AMR/8000\r\na=sendonly\r\n"                \
    "m=video 0 RTP/AVP 98\r\n"
#define TO_PHONE                                                                                   \
    "v=0\r\no=- 2 2 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n"                      \
    "m=audio 30000 RTP/AVP 97\r\nb=AS:38\r\nb=RS:600\r\nb=RR:2000\r\na=recvonly\r\n"               \
    "m=video 0 RTP/AVP 98\r\n"

static struct service s;

static int describe(const char *from, const char *to, bool offer_from_phone)
{
    struct authorize_media m = {.from_phone = span_str(from),
                                .to_phone = span_str(to),
                                .offer_from_phone = offer_from_phone};

    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("10.0.0.1:5060"), 0, &m.phone), 0);
    memset(&s, 0, sizeof(s));
    s.texts = BUF_ON(s.room);
    return service_describe(&s, &m);
}

static void offer_and_answer_become_components(void)
{
    const struct rx_component *c;

    CU_ASSERT_EQUAL_FATAL(describe(FROM_PHONE, TO_PHONE, true), 0);
    CU_ASSERT_EQUAL_FATAL(s.request.aar.n_components, 2);
    c = &s.request.aar.components[0];
    CU_ASSERT_EQUAL(c->number, 1);
    CU_ASSERT_EQUAL(c->media_type.v, RX_AUDIO);
    CU_ASSERT_EQUAL(c->status.v, RX_ENABLED_UPLINK); /* the answer says recvonly: the phone sends */
    CU_ASSERT_EQUAL(c->bandwidth_ul.v, 38000);
    CU_ASSERT_EQUAL(c->bandwidth_dl.v, 41000);
    CU_ASSERT_EQUAL(c->rs_bandwidth.v, 600);
    CU_ASSERT_EQUAL_FATAL(c->n_flows, 2);
    ASSERT_SPAN_EQ(c->flows[0].in, "permit in 17 from 10.0.0.1 to 10.1.0.1 30000");
    ASSERT_SPAN_EQ(c->flows[0].out, "permit out 17 from 10.1.0.1 to 10.0.0.1 49152");
    ASSERT_SPAN_EQ(c->flows[1].in, "permit in 17 from 10.0.0.1 to 10.1.0.1 30001");
    ASSERT_SPAN_EQ(c->flows[1].out, "permit out 17 from 10.1.0.1 to 10.0.0.1 49153");
    CU_ASSERT_EQUAL(c->flows[1].usage.v, RX_USAGE_RTCP);
    ASSERT_SPAN_EQ(c->codec[0], "uplink\noffer\nm=audio 49152 RTP/AVP 97\nb=AS:41\n"
                                "a=rtpmap:97 AMR/8000\na=sendonly\n");
    CU_ASSERT_EQUAL(span_starts(c->codec[1], SPAN("downlink\nanswer\nm=audio 30000")), true);
    /* A refused section keeps its number and is removed. */
    CU_ASSERT_EQUAL(s.request.aar.components[1].number, 2);
    CU_ASSERT_EQUAL(s.request.aar.components[1].status.v, RX_REMOVED);
    CU_ASSERT_EQUAL(s.request.aar.components[1].n_flows, 0);
}

static void an_offer_to_the_phone_alone_leaves_its_port_open(void)
{
    const struct rx_component *c = &s.request.aar.components[0];

    CU_ASSERT_EQUAL_FATAL(describe("", TO_PHONE, false), 0);
    ASSERT_SPAN_EQ(c->flows[0].in, "permit in 17 from 10.0.0.1 to 10.1.0.1 30000");
    ASSERT_SPAN_EQ(c->flows[0].out, "permit out 17 from 10.1.0.1 to 10.0.0.1");
    CU_ASSERT_EQUAL(c->status.v, RX_ENABLED_UPLINK);
    CU_ASSERT_FALSE(c->bandwidth_dl.set);
}

static void sdp_that_cannot_be_read_is_no_service(void)
{
    CU_ASSERT_EQUAL(describe("v=0\r\nnonsense", TO_PHONE, true), -EBADMSG);
    CU_ASSERT_EQUAL(describe(FROM_PHONE, "x", true), -EBADMSG);
}

TEST_MAIN("pcscf/authorize/service",
          {"offer and answer become components", offer_and_answer_become_components},
          {"an offer to the phone alone leaves its port open",
           an_offer_to_the_phone_alone_leaves_its_port_open},
          {"SDP that cannot be read is no service", sdp_that_cannot_be_read_is_no_service})
