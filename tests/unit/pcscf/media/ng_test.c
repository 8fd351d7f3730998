/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "pcscf/media/media.h"
#include "tests/support/suite.h"

static void commands_are_sorted_dictionaries(void)
{
    char room[512];
    struct buf b = BUF_ON(room);
    struct secret token = {0};

    media_encode(&(struct media_request){.command = MEDIA_OFFER,
                                         .call_id = SPAN("leg1"),
                                         .from_tag = SPAN("a"),
                                         .sdp = SPAN("v=0"),
                                         .from_side = "access",
                                         .to_side = "core"},
                 &b);
    ASSERT_SPAN_EQ(buf_span(&b),
                   "d7:call-id4:leg17:command5:offer9:directionl6:access4:coree8:from-tag1:a"
                   "7:replacel6:origin18:session-connectione3:sdp3:v=0e");
    b.n = 0;
    CU_ASSERT_EQUAL(secret_set(&token, "\0\1", 2), 0);
    media_encode(&(struct media_request){.command = MEDIA_AUTHORIZE,
                                         .call_id = SPAN("leg1"),
                                         .from_tag = SPAN("a"),
                                         .token = &token},
                 &b);
    CU_ASSERT_EQUAL(memcmp(b.p, "d19:authorization-token2:\0\1", 27), 0);
}

static void answers_are_read_and_counters_summed(void)
{
    struct media_answer a;

    CU_ASSERT_EQUAL(media_decode(SPAN("d6:result2:ok3:sdp3:v=0e"), &a), 0);
    CU_ASSERT_EQUAL(a.result, MEDIA_OK);
    ASSERT_SPAN_EQ(a.sdp, "v=0");
    CU_ASSERT_EQUAL(media_decode(SPAN("d12:error-reason4:busy6:result5:errore"), &a), 0);
    CU_ASSERT_EQUAL(a.result, MEDIA_REFUSED);
    ASSERT_SPAN_EQ(a.reason, "busy");
    CU_ASSERT_EQUAL(media_decode(SPAN("d5:flowsld7:packetsi5e6:octetsi50e7:refusedi2eed7:packetsi"
                                      "6e3:sdp1:xee6:result2:oke"),
                                 &a),
                    0);
    CU_ASSERT_EQUAL(a.packets, 11);
    CU_ASSERT_EQUAL(a.octets, 50);
    CU_ASSERT_EQUAL(a.refused, 2);
    CU_ASSERT_PTR_NULL(a.sdp.p); /* only the top level's counts */
}

static void broken_answers_are_refused(void)
{
    static const char *const broken[] = {
        "",
        "d",
        "de",
        "le",
        "d6:resulte",
        "i5e",
        "d6:result9",
        "d6:result5:o",
        "d6:resulti5",
        "d99999999999999999999:",
        "d1:allllllllllleeeeeeeeeee6:result2:oke",
        "d6:result2:ok",
        "d:0e",
        "d-1:ae",
    };

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct media_answer a;

        CU_ASSERT_EQUAL(media_decode(span_str(broken[i]), &a), -EBADMSG);
    }
}

TEST_MAIN("pcscf/media/ng", {"commands are sorted dictionaries", commands_are_sorted_dictionaries},
          {"answers are read and counters summed", answers_are_read_and_counters_summed},
          {"broken answers are refused", broken_answers_are_refused})
