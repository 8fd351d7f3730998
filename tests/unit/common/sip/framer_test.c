/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/sip.h"
#include "tests/support/suite.h"

#define MESSAGE(cl, body)                                                                          \
    "MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n" cl "\r\n\r"      \
    "\n" body

static const char *const messages[] = {
    MESSAGE("Content-Length: 5", "hello"),
    MESSAGE("l:0", ""),
    MESSAGE("CONTENT-LENGTH  :\r\n 4\r\nX: y", "\r\n\r\n"),
    "SIP/2.0 200 OK\r\nl: 11\r\n\r\nl: 3\r\n\r\nabc",
};

/* Feeds text in pieces of the given sizes and checks that exactly the expected messages come out. */
static void expect(const char *text, size_t n, size_t first, size_t then, const char *const *want,
                   size_t n_want)
{
    struct sip_framer f;
    struct sip_reject reject;
    struct span got;
    size_t at = 0, count = 0;
    enum sip_frame frame;

    sip_framer_init(&f, 65535);
    while (at < n) {
        size_t piece = at == 0 ? first : then;

        if (piece > n - at)
            piece = n - at;
        CU_ASSERT_EQUAL_FATAL(sip_framer_feed(&f, span_of(text + at, piece)), 0);
        at += piece;
        while ((frame = sip_framer_next(&f, &got, &reject)) != SIP_FRAME_MORE) {
            CU_ASSERT_EQUAL_FATAL(frame, SIP_FRAME_MESSAGE);
            CU_ASSERT_FATAL(count < n_want);
            ASSERT_SPAN_EQ(got, want[count]);
            count++;
        }
    }
    CU_ASSERT_EQUAL(count, n_want);
    sip_framer_fini(&f);
}

static void test_splits(void)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        size_t n = strlen(messages[i]);

        for (size_t at = 1; at <= n; at++)
            expect(messages[i], n, at, n, &messages[i], 1);
        expect(messages[i], n, 1, 1, &messages[i], 1);
    }
}

static void test_pairs(void)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        for (size_t j = 0; j < ARRAY_LEN(messages); j++) {
            const char *const want[] = {messages[i], messages[j]};
            char both[512];
            size_t n;

            n = (size_t)snprintf(both, sizeof(both), "%s\r\n%s", messages[i], messages[j]);
            CU_ASSERT_FATAL(n < sizeof(both));
            for (size_t at = 1; at <= n; at++)
                expect(both, n, at, n, want, 2);
            expect(both, n, 1, 1, want, 2);
        }
    }
}

static void test_ping(void)
{
    struct sip_framer f;
    struct sip_reject reject;
    struct span got;

    sip_framer_init(&f, 65535);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(sip_framer_feed(&f, span_of(&"\r\n\r"[i], 1)), 0);
        CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_MORE);
    }
    CU_ASSERT_EQUAL(sip_framer_feed(&f, SPAN("\n\r\n\r\nSIP")), 0);
    CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_PING);
    CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_PING);
    CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_MORE);
    sip_framer_fini(&f);
}

static void test_broken(void)
{
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        {MESSAGE("X: y", ""), 400},
        {MESSAGE("l: 1\r\nContent-Length: 1", "a"), 400},
        {MESSAGE("l: -1", ""), 400},
        {MESSAGE("l: 1x", "a"), 400},
        {MESSAGE("l: 0x5", "hello"), 400},
        {MESSAGE("l: 4294967301", "hello"), 400},
        {MESSAGE("l:", ""), 400},
        {MESSAGE("l: 2000", ""), 513},
        {"MESSAGE sip:b SIP/2.0\nl: 0\n\n", 400},
        {"\x16\x03\x01\x02", 0},
        {"\rMESSAGE", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_framer f;
        struct sip_reject reject = {.status = 999};
        struct span got;

        sip_framer_init(&f, 2000);
        CU_ASSERT_EQUAL(sip_framer_feed(&f, span_str(rows[i].text)), 0);
        CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_BROKEN);
        CU_ASSERT_EQUAL(reject.status, rows[i].status);
        CU_ASSERT_EQUAL(sip_framer_next(&f, &got, &reject), SIP_FRAME_BROKEN);
        CU_ASSERT_EQUAL(reject.status, 0);
        sip_framer_fini(&f);
    }
}

static void test_endless_header(void)
{
    struct sip_framer f;
    struct sip_reject reject;
    struct span got;
    enum sip_frame frame = SIP_FRAME_MORE;
    unsigned fed = 0;

    sip_framer_init(&f, 2000);
    while (frame == SIP_FRAME_MORE && fed < 3000) {
        CU_ASSERT_EQUAL_FATAL(sip_framer_feed(&f, SPAN("a")), 0);
        fed++;
        frame = sip_framer_next(&f, &got, &reject);
    }
    CU_ASSERT_EQUAL(frame, SIP_FRAME_BROKEN);
    CU_ASSERT_EQUAL(reject.status, 513);
    CU_ASSERT_EQUAL(fed, 2001);
    sip_framer_fini(&f);
}

TEST_MAIN("common/sip/framer", {"a message comes out whole however it was split", test_splits},
          {"two messages in one stream come out as two", test_pairs},
          {"double CRLF is a ping, also byte by byte", test_ping},
          {"a stream that cannot be framed is broken for good", test_broken},
          {"a header without end is refused at the limit", test_endless_header})
