/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/sdp/sdp.h"

#include <errno.h>

#include "common/osip/osipmem.h"
#include "tests/support/suite.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"

static struct sdp s;
static struct sdp_fault fault;

static int parse(const char *text)
{
    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    return sdp_parse(span_str(text), &s, &fault);
}

static void each_section_gets_what_holds_for_it(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(HEAD
                                "c=IN IP4 192.0.2.1\r\nb=AS:500\r\nt=0 0\r\na=sendonly\r\n"
                                "m=audio 49170 RTP/AVP 97 0\r\nb=AS:41\r\nb=RS:0\r\nb=RR:2000\r\n"
                                "a=rtpmap:97 AMR/8000/1\r\na=sendrecv\r\n"
                                "m=video 0 RTP/AVP 98\r\n"
                                "m=message 2855 TCP/MSRP *\r\nc=IN IP6 2001:db8::1\r\n"),
                          0);
    CU_ASSERT_EQUAL_FATAL(s.n_media, 3);
    CU_ASSERT_EQUAL(s.bandwidth.as, 500000);
    ASSERT_SPAN_EQ(s.media[0].type, "audio");
    CU_ASSERT_EQUAL(s.media[0].port, 49170);
    CU_ASSERT_EQUAL(s.media[0].connection.port, 49170);
    CU_ASSERT_EQUAL(s.media[0].rtcp.port, 49171);
    CU_ASSERT_EQUAL(s.media[0].direction, SDP_SENDRECV);
    CU_ASSERT_EQUAL(s.media[0].bandwidth.as, 41000);
    CU_ASSERT_EQUAL(s.media[0].bandwidth.rs, 0);
    CU_ASSERT_EQUAL(s.media[0].bandwidth.rr, 2000);
    CU_ASSERT_EQUAL(s.media[0].bandwidth.tias, SDP_NO_BANDWIDTH);
    ASSERT_SPAN_EQ(s.media[0].formats, "97 0");
    ASSERT_SPAN_EQ(sdp_codec_name(&s.media[0], SPAN("97")), "AMR");
    ASSERT_SPAN_EQ(sdp_codec_name(&s.media[0], SPAN("0")), "PCMU");
    CU_ASSERT_PTR_NULL(sdp_codec_name(&s.media[0], SPAN("99")).p);
    CU_ASSERT_EQUAL(s.media[1].port, 0);
    CU_ASSERT_EQUAL(s.media[1].direction, SDP_SENDONLY);
    CU_ASSERT_EQUAL(s.media[2].connection.family, AF_INET6);
    CU_ASSERT_TRUE(s.media[2].address_is_own);
}

static void rtcp_is_found(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                                     "m=audio 4000 RTP/AVP 0\r\na=rtcp:5001\r\n"
                                     "m=audio 4002 RTP/AVP 0\r\na=rtcp:5003 IN IP4 192.0.2.9\r\n"
                                     "m=audio 4004 RTP/AVP 0\r\na=rtcp-mux\r\n"),
                          0);
    CU_ASSERT_EQUAL(s.media[0].rtcp.port, 5001);
    CU_ASSERT_EQUAL(s.media[0].rtcp.ip[3], 1);
    CU_ASSERT_EQUAL(s.media[1].rtcp.port, 5003);
    CU_ASSERT_EQUAL(s.media[1].rtcp.ip[3], 9);
    CU_ASSERT_TRUE(s.media[2].rtcp_mux);
    CU_ASSERT_EQUAL(s.media[2].rtcp.port, 4005);
}

static void broken_ones_are_told_with_their_line(void)
{
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {
        {"", 0},
        {"v=1\r\n", 0},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 70000 RTP/AVP 0\r\n", 6},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio -1 RTP/AVP 0\r\n", 6},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP\r\n", 6},
        {HEAD "c=IN IP5 192.0.2.1\r\nt=0 0\r\n", 4},
        {HEAD "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", 5},
        {HEAD "c=IN IP4 192.0.2.1\r\nb=AS:x\r\nt=0 0\r\n", 5},
        {HEAD "nonsense\r\n", 4},
        {HEAD "c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n", 5},
        {HEAD "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\n", 7},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
              "a=rtcp:4001\r\na=rtcp:5001\r\n",
         8},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000/0 RTP/AVP 0\r\n", 6},
        {HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\r\na=rtcp:4001\r\n", 8},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CU_ASSERT_EQUAL(parse(cases[i].text), -EBADMSG);
        CU_ASSERT_EQUAL(fault.line, cases[i].line);
        CU_ASSERT_NOT_EQUAL(fault.text[0], '\0');
    }
}

static void bounds_hold(void)
{
    static char text[SDP_TEXT_MAX + 100];
    struct buf b = BUF_ON(text);

    buf_puts(&b, HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\n");
    for (int i = 0; i <= SDP_MEDIA_MAX; i++)
        buf_puts(&b, "m=audio 4000 RTP/AVP 0\r\n");
    CU_ASSERT_EQUAL(sdp_parse(buf_span(&b), &s, &fault), -E2BIG);
    CU_ASSERT_NOT_EQUAL(fault.text[0], '\0');
    while (b.n < SDP_TEXT_MAX)
        buf_puts(&b, "a=x\r\n");
    CU_ASSERT_EQUAL(sdp_parse(buf_span(&b), &s, NULL), -E2BIG);
}

static void rewriting_changes_addresses_and_ports_only(void)
{
    static char text[2000];
    struct buf b = BUF_ON(text);
    struct sdp_place places[3] = {0};

    CU_ASSERT_EQUAL_FATAL(
        parse(HEAD
              "c=IN IP4 192.0.2.1\r\nt=0 0\n"
              "m=audio 49170 RTP/AVP 0\r\na=rtcp:5001\r\na=ptime:20\r\n"
              "m=video 50000/2 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\na=rtcp:7 IN IP4 1.2.3.4\r\n"
              "m=audio 0 RTP/AVP 0"),
        0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("198.51.100.7:30000"), 0, &places[0].rtp), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("198.51.100.8:30002"), 0, &places[1].rtp), 0);
    places[1].rtcp = 30005;
    CU_ASSERT_EQUAL(sdp_rewrite(&s, places, 3, &b), 0);
    ASSERT_SPAN_EQ(buf_span(&b), HEAD "c=IN IP4 198.51.100.7\r\nt=0 0\n"
                                      "m=audio 30000 RTP/AVP 0\r\na=ptime:20\r\n"
                                      "m=video 30002/2 RTP/AVP 31\r\nc=IN IP4 198.51.100.8\r\n"
                                      "a=rtcp:30005 IN IP4 198.51.100.8\r\n"
                                      "m=audio 0 RTP/AVP 0");
    b = BUF_ON(text);
    b.cap = 40;
    CU_ASSERT_EQUAL(sdp_rewrite(&s, places, 3, &b), -EMSGSIZE);
}

static void rewrite_to(const char *text, const char *first, const char *second, const char *want)
{
    static char room[2000];
    struct buf b = BUF_ON(room);
    struct sdp_place places[2] = {0};

    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_EQUAL(addr_parse(span_str(first), 0, &places[0].rtp), 0);
    CU_ASSERT_EQUAL(addr_parse(span_str(second), 0, &places[1].rtp), 0);
    CU_ASSERT_EQUAL(sdp_rewrite(&s, places, 2, &b), 0);
    ASSERT_SPAN_EQ(buf_span(&b), want);
    CU_ASSERT_EQUAL(sdp_parse(buf_span(&b), &s, &fault), 0);
}

static void a_session_address_stands_for_those_it_holds_for(void)
{
    rewrite_to(HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                    "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"
                    "m=video 5000 RTP/AVP 31\r\n",
               "0.0.0.0:30000", "198.51.100.7:30002",
               HEAD "c=IN IP4 198.51.100.7\r\nt=0 0\r\n"
                    "m=audio 30000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"
                    "m=video 30002 RTP/AVP 31\r\n");
    rewrite_to(HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                    "m=audio 4000 RTP/AVP 0\r\nm=video 5000 RTP/AVP 31\r\ni=face\r\na=sendonly",
               "198.51.100.7:30000", "[2001:db8::7]:30002",
               HEAD "c=IN IP4 198.51.100.7\r\nt=0 0\r\n"
                    "m=audio 30000 RTP/AVP 0\r\nm=video 30002 RTP/AVP 31\r\ni=face\r\n"
                    "c=IN IP6 2001:db8::7\r\na=sendonly");
}

static void a_session_needs_no_name(void)
{
    CU_ASSERT_EQUAL(parse("v=0\r\no=- 1 1 IN IP4 h\r\ns=\r\nt=0 0\r\n"
                          "m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
                          "m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1"),
                    0);
    CU_ASSERT_EQUAL(s.media[0].connection.family, AF_INET);
    CU_ASSERT_EQUAL(s.media[1].connection.family, AF_INET6);
}

static void empty_lines_may_end_it(void)
{
    CU_ASSERT_EQUAL(parse(HEAD "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\r\n\n"),
                    0);
    CU_ASSERT_EQUAL(s.n_media, 1);
}

static void blanks_in_front_of_an_address_are_no_part_of_its_family(void)
{
    rewrite_to(HEAD "c=IN IP4  192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0", "[2001:db8::7]:30000",
               "[2001:db8::7]:30000",
               HEAD "c=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0");
}

TEST_MAIN("common/sdp",
          {"each section gets what holds for it", each_section_gets_what_holds_for_it},
          {"RTCP is found", rtcp_is_found},
          {"broken ones are told with their line", broken_ones_are_told_with_their_line},
          {"bounds hold", bounds_hold},
          {"rewriting changes addresses and ports only",
           rewriting_changes_addresses_and_ports_only},
          {"a session address stands for those it holds for",
           a_session_address_stands_for_those_it_holds_for},
          {"a session needs no name", a_session_needs_no_name},
          {"empty lines may end it", empty_lines_may_end_it},
          {"blanks in front of an address are no part of its family",
           blanks_in_front_of_an_address_are_no_part_of_its_family})
