/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/sip.h"
#include "tests/support/suite.h"

static const char invite[] =
    "INVITE sip:bob@home.example;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKone;rport\r\n"
    "v: SIP/2.0/UDP ue.example;branch=z9hG4bKtwo, SIP/2.0/TCP [2001:db8::1]\r\n"
    "Route: <sip:pcscf.example;lr>,\r\n"
    " <sip:\"q@scscf.example;lr>\r\n"
    "Max-Forwards: 70\r\n"
    "f: \"Alice, \\\"A\\\"\" <sip:alice@home.example>;tag=a1\r\n"
    "t: <tel:+491711234567>\r\n"
    "i: id-1@192.0.2.1\r\n"
    "CSeq: 7 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1:5062>\r\n"
    "k: 100rel, timer ,sec-agree\r\n"
    "Supported: path\r\n"
    "X-Odd :  left alone \r\n"
    "Require: sec-agree\r\n"
    "Content-Type: text/plain\r\n"
    "l: 5\r\n"
    "\r\n"
    "hello";

static struct sip_msg *parse(const char *text)
{
    struct sip_msg *m = NULL;
    struct sip_reject reject;
    int rc = sip_msg_parse(span_str(text), NULL, &m, &reject);

    if (rc < 0)
        fprintf(stderr, "refused: %u %s\n", reject.status, reject.reason);
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    return m;
}

/* The text with one part replaced. */
static char *with(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    size_t n = strlen(text) - strlen(old) + strlen(new) + 1;
    char *out = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    snprintf(out, n, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return out;
}

static char *plain(void)
{
    return with(invite, ",\r\n <sip:\"q@scscf.example;lr>", ",\r\n <sip:q@scscf.example;lr>");
}

static void test_index(void)
{
    char *text = plain();
    struct sip_msg *m = parse(text);

    CU_ASSERT(m->is_request);
    CU_ASSERT_EQUAL(m->method, SIP_INVITE);
    ASSERT_SPAN_EQ(m->ruri, "sip:bob@home.example;user=phone");
    ASSERT_SPAN_EQ(m->call_id, "id-1@192.0.2.1");
    ASSERT_SPAN_EQ(m->from_uri, "sip:alice@home.example");
    ASSERT_SPAN_EQ(m->from_tag, "a1");
    ASSERT_SPAN_EQ(m->to_uri, "tel:+491711234567");
    CU_ASSERT_PTR_NULL(m->to_tag.p);
    ASSERT_SPAN_EQ(m->branch, "z9hG4bKone");
    ASSERT_SPAN_EQ(m->cseq_method, "INVITE");
    CU_ASSERT_EQUAL(m->cseq, 7);
    CU_ASSERT_EQUAL(m->max_forwards, 70);
    ASSERT_SPAN_EQ(m->body, "hello");
    ASSERT_SPAN_EQ(m->raw, text);
    ASSERT_SPAN_EQ(sip_line_value(m, sip_line_named(m, SPAN("x-odd"))), "left alone");
    CU_ASSERT_PTR_NULL(sip_line_named(m, SPAN("x-none")));
    CU_ASSERT_PTR_NULL(sip_line_first(m, SIP_H_PATH));
    sip_msg_unref(m);
    free(text);
}

static void test_values(void)
{
    static const char *const vias[] = {"SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKone;rport",
                                       "SIP/2.0/UDP ue.example;branch=z9hG4bKtwo",
                                       "SIP/2.0/TCP [2001:db8::1]"};
    char *text = plain();
    struct sip_msg *m = parse(text);
    struct sip_values it = sip_values(m, SIP_H_VIA);
    unsigned n = 0;

    while (sip_values_next(&it)) {
        CU_ASSERT_FATAL(n < 3);
        ASSERT_SPAN_EQ(it.value, vias[n++]);
    }
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT(sip_header_has_token(m, SIP_H_SUPPORTED, SPAN("Timer")));
    CU_ASSERT(sip_header_has_token(m, SIP_H_SUPPORTED, SPAN("path")));
    CU_ASSERT(!sip_header_has_token(m, SIP_H_SUPPORTED, SPAN("tim")));
    /* From is no list: its comma stays. */
    it = sip_values(m, SIP_H_FROM);
    CU_ASSERT(sip_values_next(&it));
    ASSERT_SPAN_EQ(it.value, "\"Alice, \\\"A\\\"\" <sip:alice@home.example>;tag=a1");
    CU_ASSERT(!sip_values_next(&it));
    sip_msg_unref(m);
    free(text);
}

static void test_every_header_name(void)
{
#define ROW(id, name, compact, kind)                                                               \
    CU_ASSERT_EQUAL(sip_header_of(span_str(name)), SIP_H_##id);                                    \
    if (compact) {                                                                                 \
        char c[] = {(char)(compact)-32, '\0'};                                                     \
        CU_ASSERT_EQUAL(sip_header_of(span_str(c)), SIP_H_##id);                                   \
    }                                                                                              \
    ASSERT_SPAN_EQ(sip_header_name(SIP_H_##id), name);
    SIP_HEADERS(ROW)
#undef ROW
    CU_ASSERT_EQUAL(sip_header_of(SPAN("CALL-id")), SIP_H_CALL_ID);
    CU_ASSERT_EQUAL(sip_header_of(SPAN("Call_ID")), SIP_H_OTHER);
    CU_ASSERT_EQUAL(sip_header_of(SPAN("z")), SIP_H_OTHER);
    CU_ASSERT_EQUAL(sip_header_of(SPAN("P-Charging-Function-AddressesX")), SIP_H_OTHER);
    for (int i = SIP_INVITE; i <= SIP_PUBLISH; i++)
        CU_ASSERT_EQUAL(sip_method_of(sip_method_text((enum sip_method)i)), (enum sip_method)i);
    CU_ASSERT_EQUAL(sip_method_of(SPAN("invite")), SIP_OTHER);
}

static void test_checks(void)
{
    static const struct {
        const char *name, *old, *new;
        int status; /* -1: accepted */
    } rows[] = {
        {"nothing changed", "INVITE sip", "INVITE sip", -1},
        {"leading empty lines", "INVITE sip", "\r\n\r\nINVITE sip", -1},
        {"version", "SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505},
        {"no SIP", "SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", 0},
        {"two spaces", "INVITE sip", "INVITE  sip", 400},
        {"space in the URI", "sip:bob@home.example", "sip:bob@home.example; lr", 400},
        {"<> around the URI", "sip:bob@home.example;user=phone", "<sip:bob@home.example>", 400},
        {"headers in the URI", "user=phone", "a?Route=b", 400},
        {"bad port", "bob@home.example", "bob@home.example:65536", 400},
        {"port zero", "bob@home.example", "bob@home.example:0", 400},
        {"IPv6 without brackets", "bob@home.example;user=phone", "2001:db8::10", 400},
        {"broken escape", "sip:bob@", "sip:b%zz@", 400},
        {"unknown scheme", "sip:bob@home.example;user=phone", "soap.beep://192.0.2.103:3002", -1},
        {"no Call-ID", "i: id-1@192.0.2.1\r\n", "", 400},
        {"two Call-IDs", "Max-Forwards: 70", "Call-ID: other", 400},
        {"two Max-Forwards", "k: 100rel", "Max-Forwards: 1\r\nk: 100rel", 400},
        {"Max-Forwards 256", "Max-Forwards: 70", "Max-Forwards: 256", 400},
        {"no Max-Forwards", "Max-Forwards: 70\r\n", "", -1},
        {"CSeq of another method", "7 INVITE", "7 BYE", 400},
        {"CSeq too large", "7 INVITE", "2147483648 INVITE", 400},
        {"CSeq largest", "7 INVITE", "2147483647 INVITE", -1},
        {"CSeq negative", "7 INVITE", "-7 INVITE", 400},
        {"CSeq without method", "7 INVITE", "7", 400},
        {"Content-Length word", "l: 5", "l: five", 400},
        {"Content-Length plus", "l: 5", "l: +5", 400},
        {"Content-Length list", "l: 5", "l: 5, 5", 400},
        {"Content-Length twice", "l: 5", "l: 5\r\nl: 5", 400},
        {"Content-Length too long", "l: 5", "l: 6", 400},
        {"Content-Length shorter", "l: 5", "l: 4", -1},
        {"Content-Length absent", "l: 5\r\n", "", -1},
        {"bare LF", "CSeq: 7 INVITE\r\n", "CSeq: 7 INVITE\n", 400},
        {"bare CR", "CSeq: 7 INVITE", "CSeq: 7 INVITE\rX: y", 400},
        {"line without colon", "X-Odd :", "X-Odd", 400},
        {"no empty line", "l: 5\r\n\r\nhello", "l: 0\r\n", 400},
        {"broken Route", "<sip:pcscf.example;lr>", "<sip:pcscf example;lr>", 400},
        {"unfinished quote", "\\\"A\\\"\"", "A", 400},
        {"unquoted comma in a name", "t: <tel", "t: A, B <tel", 400},
        {"empty tag", ";tag=a1", ";tag=", 400},
        {"bare cookie", "z9hG4bKone", "z9hG4bK", 400},
        {"empty Via value", "branch=z9hG4bKtwo,", "branch=z9hG4bKtwo;;,;,,", 400},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *base = plain(), *text = with(base, rows[i].old, rows[i].new);
        struct sip_reject reject = {.status = 999};
        struct sip_msg *m = NULL;
        int rc = sip_msg_parse(span_str(text), NULL, &m, &reject);
        bool good = rows[i].status < 0
                        ? rc == 0
                        : rc == -EBADMSG && reject.status == (unsigned)rows[i].status &&
                              !m == (reject.status == 0);

        if (!good)
            fprintf(stderr, "%s: rc %d, %u %s\n", rows[i].name, rc, reject.status, reject.reason);
        CU_ASSERT(good);
        sip_msg_unref(m);
        free(text);
        free(base);
    }
}

static void test_untouched(void)
{
    char *text = plain(), out[2048];
    struct sip_msg *m = parse(text);
    struct sip_edit e;
    struct buf b = BUF_ON(out);

    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(sip_edit_render(&e, &b), 0);
    ASSERT_SPAN_EQ(buf_span(&b), text);
    sip_msg_unref(m);
    free(text);
}

static void test_raw_call_id(void)
{
    ASSERT_SPAN_EQ(
        sip_raw_call_id(SPAN("OPTIONS sip:a SIP/2.0\r\nTo: x\r\ncall-ID :  1@a \r\n\r\n")), "1@a");
    ASSERT_SPAN_EQ(sip_raw_call_id(SPAN("SIP/2.0 200 OK\r\nVia: i:x\r\nI:2\r\n\r\n")), "2");
    CU_ASSERT_PTR_NULL(sip_raw_call_id(SPAN("A\r\nTo: x\r\n\r\ni: in the body\r\n")).p);
    CU_ASSERT_PTR_NULL(sip_raw_call_id(SPAN("noise")).p);
}

TEST_MAIN("common/sip/msg", {"a message is indexed", test_index},
          {"list values keep quotes and brackets together", test_values},
          {"every header is found by long and compact name", test_every_header_name},
          {"what is malformed is refused with its status", test_checks},
          {"Call-ID is found without parsing", test_raw_call_id},
          {"an unedited message renders byte for byte", test_untouched})
