/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the session description in a body, and putting another in its place. */
#include <stdio.h>
#include <string.h>

#include "common/sip/sip.h"
#include "tests/support/suite.h"

#define SDP   "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\n"
#define ISUP  "\x01\x10--x\r\n-\x60\x01" /* bytes that look like the beginning of a delimiter */
#define MIXED "Content-Type: multipart/mixed;boundary=\"b 1\"\r\n"

static struct sip_msg *message(const char *lines, struct span body)
{
    static char room[8192];
    struct buf b = BUF_ON(room);
    struct sip_reject why = {0};
    struct sip_msg *m = NULL;

    buf_puts(&b, "INFO sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
                 "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INFO\r\n"
                 "Max-Forwards: 70\r\n");
    buf_puts(&b, lines);
    buf_fmt(&b, "Content-Length: %zu\r\n\r\n", body.n);
    buf_put(&b, body);
    CU_ASSERT_FALSE_FATAL(b.overflow);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &why), 0);
    return m;
}

static enum sip_body find(const char *lines, struct span body, char *ret_content, size_t room)
{
    struct sip_msg *m = message(lines, body);
    struct span content = SPAN_NONE;
    enum sip_body is = sip_body_find(m, SPAN("application/sdp"), &content);

    CU_ASSERT_EQUAL(content.p != NULL, is == SIP_BODY_FOUND);
    snprintf(ret_content, room, "%.*s", SPAN_ARG(content));
    sip_msg_unref(m);
    return is;
}

static const struct {
    const char *lines, *body;
    enum sip_body is;
    const char *content;
} bodies[] = {
    /* plain */
    {"Content-Type: application/sdp\r\n", SDP, SIP_BODY_FOUND, SDP},
    {"c: APPLICATION / SDP ;charset=utf-8\r\n", SDP, SIP_BODY_FOUND, SDP},
    {"Content-Type: application/sdp\r\nContent-Encoding: identity\r\n", SDP, SIP_BODY_FOUND, SDP},
    {"Content-Type: application/sdpng\r\n", SDP, SIP_BODY_NONE, ""},
    {"Content-Type: application/sdp\r\n", "", SIP_BODY_NONE, ""},
    {"Content-Type: text/plain\r\n", "--b\r\n" SDP, SIP_BODY_NONE, ""},
    {"Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", SDP, SIP_BODY_UNREADABLE, ""},
    {"Content-Type: application/sdp\r\ne: gzip\r\n", SDP, SIP_BODY_UNREADABLE, ""},
    {"Content-Type: text/plain\r\ne: gzip\r\n", "x", SIP_BODY_NONE, ""},
    {"", SDP, SIP_BODY_UNREADABLE, ""},
    /* sealed */
    {"Content-Type: application/pkcs7-mime;smime-type=enveloped-data\r\n", "x", SIP_BODY_UNREADABLE,
     ""},
    {"Content-Type: multipart/signed;boundary=b\r\n",
     "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--b--\r\n", SIP_BODY_UNREADABLE, ""},
    /* a part */
    {MIXED,
     "preamble\r\n--b 1\r\nContent-Type: application/ISUP\r\n\r\nx\r\n--b 1  \r\n"
     "Content-Type: application/sdp\r\nContent-Disposition:\r\n session\r\n\r\n" SDP
     "\r\n--b 1--\r\nepilogue",
     SIP_BODY_FOUND, SDP},
    {"Content-Type: multipart/alternative; boundary=b\r\n",
     "--b\r\n\r\ntext\r\n--b\r\nc: application/sdp\r\n\r\n" SDP "\r\n--b--", SIP_BODY_FOUND, SDP},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\nContent-Type: application/sdp\n\nv=0\ns=-\n\n--b--\n", SIP_BODY_FOUND, "v=0\ns=-\n"},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: text/plain\r\n\r\n" SDP "\r\n--b--\r\n", SIP_BODY_NONE, ""},
    /* two parsers may see two things */
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n"
     "Content-Type: application/sdp\r\n\r\nv=1\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: text/plain\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "dj0wDQo=\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n"
     "Content-Type: application/sdp\r\n\r\n" SDP "\r\n--c--\r\n\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP, SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n--b\r\n"
     "Content-Type: application/sdp\r\n\r\n" SDP "\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n",
     "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--bx\r\nContent-Type: application/sdp\r\n\r\n" SDP
     "\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b\r\n", "--b\r\nno header\r\n\r\n" SDP "\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed\r\n", "--b\r\n\r\nx\r\n--b--\r\n", SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=b;boundary=c\r\n", "--b\r\n\r\nx\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=\"b\\\"\"\r\n", "--b\r\n\r\nx\r\n--b--\r\n",
     SIP_BODY_UNREADABLE, ""},
    {"Content-Type: multipart/mixed;boundary=\r\n", "--\r\n\r\nx\r\n----\r\n", SIP_BODY_UNREADABLE,
     ""},
};

static void a_description_is_found_or_it_is_told_that_none_can_be(void)
{
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        char content[512];
        enum sip_body is =
            find(bodies[i].lines, span_str(bodies[i].body), content, sizeof(content));

        if (is != bodies[i].is || strcmp(content, bodies[i].content) != 0)
            printf("\nbody %zu (%s): %d, \"%s\"", i, bodies[i].lines, is, content);
        CU_ASSERT_EQUAL(is, bodies[i].is);
        CU_ASSERT_STRING_EQUAL(content, bodies[i].content);
    }
}

#define BEFORE                                                                                     \
    "\r\nnot for machines\r\n--b 1\r\nContent-Type: application/ISUP\r\n\r\n" ISUP                 \
    "\r\n--b 1\r\ncontent-type:application/sdp\r\nX: y\r\n\r\n"
#define AFTER "\r\n--b 1 \r\n\r\ntext\n\r\n--b 1--\r\n\r\n\n"

static void another_description_takes_its_place_byte_for_byte(void)
{
    struct sip_msg *m = message(MIXED, SPAN(BEFORE SDP AFTER)), *out = NULL;
    char room[8192];
    struct buf b = BUF_ON(room);
    struct sip_reject why = {0};
    struct sip_edit e;
    struct span sdp;

    CU_ASSERT_EQUAL_FATAL(sip_body_find(m, SPAN("application/sdp"), &sdp), SIP_BODY_FOUND);
    ASSERT_SPAN_EQ(sdp, SDP);
    sip_edit_init(&e, m);
    sip_edit_body_part(&e, sdp, SPAN("v=0\r\nanother, and longer: c=IN IP4 203.0.113.200\r\n"));
    CU_ASSERT_EQUAL_FATAL(sip_edit_render(&e, &b), 0);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &out, &why), 0);
    CU_ASSERT_TRUE(span_eq(out->body, SPAN(BEFORE "v=0\r\nanother, and longer: "
                                                  "c=IN IP4 203.0.113.200\r\n" AFTER)));
    sip_msg_unref(out);
    sip_msg_unref(m);
}

TEST_MAIN("common/sip/body",
          {"a description is found, or it is told that none can be",
           a_description_is_found_or_it_is_told_that_none_can_be},
          {"another description takes its place, byte for byte",
           another_description_takes_its_place_byte_for_byte})
