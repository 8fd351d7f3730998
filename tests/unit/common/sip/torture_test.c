/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages in the manner of RFC 4475 and RFC 5118 and what experience added to them, each from the
 * one oddity it shows: a row says which parts differ from a plain request or response. What is good
 * is edited as a proxy edits it, and every byte nobody edited must come out again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/sip.h"
#include "tests/support/odd.h"
#include "tests/support/suite.h"

static char text[70000];

static struct span write_row(const struct odd *r)
{
    return odd_write(r, NULL, text, sizeof(text));
}

/* ---- what a hop does ------------------------------ */

/* The bytes of `got` are those of m with one Via line before the first, and Max-Forwards one less or
 * put at the end. */
static bool is_the_next_hop(const struct sip_msg *m, struct span got)
{
    const struct span via = SPAN("Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKown\r\n");
    const struct sip_line *first = sip_line_first(m, SIP_H_VIA);
    const struct sip_line *hops = sip_line_first(m, SIP_H_MAX_FORWARDS);
    static char want[sizeof(text) + 256];
    struct buf b = BUF_ON(want);
    size_t at = 0;

    buf_put(&b, span_sub(m->raw, 0, first->start));
    buf_put(&b, via);
    at = first->start;
    if (hops && hops->start < at) { /* Max-Forwards in front of the Via */
        b.n = 0;
        buf_put(&b, span_sub(m->raw, 0, hops->value));
        buf_u64(&b, (uint64_t)m->max_forwards - 1);
        buf_put(&b, span_sub(m->raw, hops->value + hops->value_n, first->start));
        buf_put(&b, via);
    } else if (hops) {
        buf_put(&b, span_sub(m->raw, at, hops->value));
        buf_u64(&b, (uint64_t)m->max_forwards - 1);
        at = hops->value + hops->value_n;
    }
    if (!hops) {
        buf_put(&b, span_sub(m->raw, at, m->headers_end));
        buf_puts(&b, "Max-Forwards: 70\r\n");
        at = m->headers_end;
    }
    buf_put(&b, span_sub(m->raw, at, m->raw.n));
    return !b.overflow && span_eq(buf_span(&b), got);
}

/* Whether the message, whose first n bytes belong to it, goes on as it should. */
static const char *pass_on(struct sip_msg *m, size_t n)
{
    static char out[sizeof(text) + 256];
    struct buf b = BUF_ON(out);
    struct sip_edit e;

    sip_edit_init(&e, m);
    if (sip_edit_render(&e, &b) < 0 || !span_eq(buf_span(&b), span_of(text, n)))
        return "not the bytes that came";
    b = BUF_ON(out);
    sip_edit_init(&e, m);
    if (m->is_request) {
        sip_edit_push(&e, SIP_H_VIA, SPAN("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKown"));
        sip_edit_max_forwards(&e);
        if (sip_edit_render(&e, &b) < 0 || !is_the_next_hop(m, buf_span(&b)))
            return "a hop changes more than it should";
        return NULL;
    }
    struct sip_values via = sip_values(m, SIP_H_VIA);

    if (!sip_values_next(&via))
        return "no Via";
    sip_edit_remove_value(&e, &via);
    if (sip_edit_render(&e, &b) < 0 || b.n >= n ||
        !span_eq(span_sub(buf_span(&b), b.n - m->body.n, b.n), m->body))
        return "a response loses more than its Via";
    return NULL;
}

/* An answer must be possible, and be one itself. */
static const char *answer(const struct sip_msg *m, const struct sip_reject *reject)
{
    static char out[sizeof(text) + 256];
    struct buf b = BUF_ON(out);
    char want[32];

    if (sip_reply(m, reject->status, reject->phrase, SPAN("ours"), SPAN_NONE, SPAN_NONE, &b) < 0)
        return "no answer can be made";
    snprintf(want, sizeof(want), "SIP/2.0 %u ", reject->status);
    if (!span_starts(buf_span(&b), span_str(want)))
        return "the answer has another status";
    return reject->reason[0] ? NULL : "no reason";
}

static void judge(const struct odd *r, struct span raw, size_t own)
{
    struct sip_reject reject = {.status = 999};
    struct sip_msg *m = NULL;
    int rc = sip_msg_parse(raw, NULL, &m, &reject);
    const char *wrong = NULL;

    if (r->verdict == GOOD)
        wrong = rc < 0 ? "refused" : pass_on(m, own);
    else if (rc != -EBADMSG)
        wrong = "accepted";
    else if (reject.status != r->verdict)
        wrong = "another verdict";
    else if (r->verdict == DROP)
        wrong = m ? "a message nobody may answer" : NULL;
    else
        wrong = m ? answer(m, &reject) : "nothing to answer";
    if (wrong)
        fprintf(stderr, "%s: %s (%d, %u %s)\n", r->name, wrong, rc, reject.status,
                rc ? reject.reason : "");
    CU_ASSERT_PTR_NULL(wrong);
    sip_msg_unref(m);
}

static void judge_rows(const struct odd *rows, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    for (size_t i = 0; i < n; i++) {
        struct span raw = write_row(&rows[i]);

        judge(&rows[i], raw, raw.n);
    }
}

#define SDP                                                                                        \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                    \
    "m=audio 30000 RTP/AVP 0\r\n"

/* ---- RFC 4475 3.1.1, 3.3, 3.4: odd but good ------------------------------ */

static const struct odd good_rows[] = {
    {"white space and folding wherever they are allowed", GOOD,
     .start = "INVITE sip:bob@home.example;odd SIP/2.0",
     .via = "vIa  :  SIP /\t2.0\r\n / UDP\r\n\t192.0.2.9 ;branch = old-style\r\n"
            "v: SIP/2.0/TCP  one.example ;\r\n branch= z9hG4bKa  ,\r\n SIP / 2.0/UDP 192.0.2.8",
     .hops = "mAX-fORWARDS :\t 0066 ", .to = "TO \t:\r\n sip:bob@home.example ; \t tag   = t9",
     .from = "f  : \"A \\\\ \\\"\"    <sip:alice@home.example>\r\n ;\r\n tag = x",
     .cseq = "cseq:\r\n  00021\r\n  INVITE",
     .more = "s :\r\nNew:  one\r\n  two\r\nSigns: ;;,,;,;\r\n"
             "Route:\r\n <sip:svc.example;lr;a=b;c>\r\n"
             "m:\"\\\"\\\"\" <sip:alice@ue.example>;x =\r\n y ;\r\n z ; q = 0.5\r\n"
             "Content-Type: application/sdp",
     .length = "l  : 88", .body = SDP},
    {"every character a token, a user and a quoted string may hold", GOOD,
     .start = "-.!%*_+`'~Odd09 sip:u_(n)!~*'&=+$,;?/%20:p&=+$,@home.example SIP/2.0",
     .via = "Via: SIP/2.0/TCP ue.example;branch=z9hG4bK-.!%*_+`'~", .hops = "Max-Forwards: 255",
     .from = "From: a1~ b2'+_ c3*%!.- <sip:alice@home.example>;-.!%*_+`'~=\"\xd0\xb6\";tag=_",
     .to = "To: \"\\\x07 \\" ODD_NUL " \\\x7f\" <sip:u_(n)!~*'&=+$,;?/@home.example>",
     .call_id = "Call-ID: w%-!.*_+'@w`~)(><:\\/\"][?}{", .cseq = "CSeq: 13 -.!%*_+`'~Odd09",
     .more = "-.!%*_+`'~:\xef\xbb\xbf\xe5\xa4\xa7"},
    {"escapes stay as they are, also a loose-routing flag in disguise", GOOD,
     .start = "OPTIONS sip:sips%3Abob%40home.example@gw.example SIP/2.0",
     .to = "To: sip:%62o%62@home.example", .from = "From: <sip:a%20b%20c@home.example>;tag=1",
     .more = "Contact:\r\n <sip:al%69ce@ue.example;%6c%72;%6e=%76%25%34>"},
    {"an escaped NUL is one character among others", GOOD,
     .start = "REGISTER sip:home.example SIP/2.0", .to = "To: <sip:a%00b@home.example>",
     .from = "From: sip:a%00b@home.example;tag=2", .cseq = "CSeq: 1 REGISTER",
     .more = "Contact: <sip:%00@ue.example>, <sip:%00%00@ue.example>", .length = "L:0"},
    {"a percent sign in a token is no escape", GOOD,
     .start = "%4fPT%49ONS sip:home.example SIP/2.0",
     .via = "Via: SIP/2.0/TCP ue.example;branch=z9hG4bK%zz", .to = "To: \"%Q\" <sip:bob@b.example>",
     .cseq = "CSeq: 21 %4fPT%49ONS", .more = "C%6Fntact: <sip:no@contact.example>"},
    {"no space between display name and <", GOOD, .from = "From: alice<sip:a@home.example>;tag=3"},
    {"long values everywhere", GOOD, .start = "OPTIONS sip:bob@home.example SIP/2.0",
     .to = "To: \""
           "looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
           "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
           "ooooooooooooooooooooong\"<sip:bob@home.example:6000;unknown1=verylongvaluevery"
           "longvaluevery;longunknownname2=shortvalue;verylongunknownname3=verylongvalue>",
     .call_id = "Call-ID: one"
                "reallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreally"
                "reallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreally"
                "reallyreallyreallyreallyreallyreallyreallyreallyreallylong",
     .more = "X-Loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong: "
             "unknown-loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong"},
    {"user part with a semicolon", GOOD,
     .start = "OPTIONS sip:bob;x=y%40z.example@home.example SIP/2.0"},
    {"transports nobody has heard of", GOOD,
     .via = "Via: SIP/2.0/UDP t1.example;branch=z9hG4bKa\r\nVia: SIP/2.0/SCTP t2.example\r\n"
            "Via: SIP/2.0/TLS t3.example\r\nVia: SIP/2.0/MORSE t4.example;branch=z9hG4bKd"},
    {"binary parts in a body, without a blank line and with NULs", GOOD,
     .start = "MESSAGE sip:bob@home.example SIP/2.0", .cseq = "CSeq: 21 MESSAGE",
     .more = "Content-Type: multipart/mixed;boundary=b0",
     .body = "preamble\r\n--b0\r\n\r\nHello\r\n--b0\r\nContent-Type: application/x\r\n\r\n"
             "\x80\xff\r\r\n\n--b0--\r\nepilogue"},
    {"a reason phrase in Cyrillic and signs", GOOD,
     .start = "SIP/2.0 200 = 2**3 \xd0\xb4\xd0\xb0 -"},
    {"an empty reason phrase", GOOD, .start = "SIP/2.0 100 "},
    {"no reason phrase and no space either", GOOD, .start = "SIP/2.0 180"},
    {"a date in another zone than GMT", GOOD, .more = "Date: Fri, 01 Jan 2038 16:00:00 CET"},
    {"an unknown scheme", GOOD, .start = "OPTIONS dunno:what-this:is SIP/2.0"},
    {"a scheme with a dot", GOOD, .start = "OPTIONS soap.odd://192.0.2.3:3002 SIP/2.0"},
    {"other schemes in To, From and Contact", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .to = "To: isbn:123456789", .from = "From: <http://www.home.example>;tag=4",
     .cseq = "CSeq: 21 REGISTER", .more = "Contact: <name:Alice_A>"},
    {"options nobody supports", GOOD,
     .more = "Require: neverHeard, norThis\r\nProxy-Require: neverHeard"},
    {"a body of an unknown type", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .cseq = "CSeq: 1 INVITE", .more = "Content-Type: application/odd", .body = "<x>\r\n</x>\r\n"},
    {"authorization by an unknown scheme", GOOD,
     .more = "Authorization: WhoKnows opaque-data=\"here\", y\r\nAuthorization: Other abc=="},
    {"authentication values with what others lose", GOOD,
     .more = "Authorization: Digest username=\"a\",nonce=\"\",response=\"\",auts=\"AbCd==\","
             "integrity-protected=\"no\"\r\n"
             "WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",ck=\"00\",ik=\"11\""},
    {"hops at zero are for the proxy to answer", GOOD, .hops = "Max-Forwards: 1"},
    {"an unknown parameter outside of the <>", GOOD, .more = "Contact: sip:+1201@gw.example;odd"},
    {"an unknown parameter inside of the <>", GOOD, .more = "Contact: <sip:+1201@gw.example;odd>"},
    {"an escaped Route header in a Contact", GOOD,
     .more = "M: <sip:alice@ue.example?Route=%3Csip:x.example%3E>"},
    {"an Accept nobody can satisfy", GOOD, .more = "Accept: text/nothing"},
    {"a request of RFC 2543", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .via = "Via: SIP/2.0/UDP gw.example", .hops = "", .from = "From: <sip:+1201@gw.example>",
     .to = "To: sip:+1202@gw.example;user=phone", .cseq = "CSeq: 56 INVITE",
     .more = "Record-Route: <sip:bob@home.example;maddr=p.example>\r\nContent-Type: "
             "application/sdp",
     .length = "", .body = SDP},
    {"every compact form", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .via = "v: SIP/2.0/UDP ue.example;branch=z9hG4bKc", .from = "f: <sip:a@b.example>;tag=5",
     .to = "t: <sip:b@b.example>", .call_id = "i: i-1", .cseq = "CSeq: 1 INVITE",
     .more =
         "m: <sip:a@ue.example>\r\ns: s\r\nk: timer\r\ne: gzip\r\nx: 90\r\nr: <sip:c@c.example>"
         "\r\nb: <sip:d@d.example>\r\na: *\r\nj: *;x\r\nd: no-fork\r\no: reg\r\nu: reg\r\nc: a/b",
     .length = "l: 1", .body = "x"},
    {"tel URIs in To and From", GOOD, .to = "To: <tel:7042;phone-context=home.example>",
     .from = "From: <tel:+49-30-123>;tag=6"},
    {"lr with a value, and behind an empty parameter", GOOD,
     .more = "Route: <sip:p.example;lr=on>,<sip:q.example;;lr>"},
    {"a Route shorter than six characters", GOOD, .more = "Route: <sip:p>"},
    {"a display name in UTF-8 that nobody quoted", GOOD,
     .from = "From: J\xc3\xbcrgen <sip:j@home.example>;tag=7"},
    {"a body without a type", GOOD, .body = "0123"},
    {"parts that are empty or have folded headers", GOOD,
     .more = "c: multipart/mixed; boundary=\"q\"",
     .body = "--q\r\nContent-Type: a/b;\r\n x=y\r\n\r\n--q\r\n--q\r\n\r\n\r\n--q--"},
};

static void test_good(void)
{
    judge_rows(good_rows, ARRAY_LEN(good_rows));
}

/* ---- RFC 4475 3.1.2, 3.2, 3.3: bad ------------------------------ */

static const struct odd bad_rows[] = {
    {"separators without values in Via and Contact", 400,
     .via = "Via: SIP/2.0/UDP 192.0.2.15;;,;,,", .more = "Contact: \"A\" <sip:a@b.example>;;;;"},
    {"Content-Length larger than what came", 400, .length = "Content-Length: 9999", .body = SDP},
    {"Content-Length negative", 400, .length = "Content-Length: -999", .body = SDP},
    {"Content-Length with a sign", 400, .length = "Content-Length: +4", .body = "abcd"},
    {"Content-Length in hex", 400, .length = "Content-Length: 0x4", .body = "abcd"},
    {"Content-Length a word", 400, .length = "Content-Length: four", .body = "abcd"},
    {"Content-Length empty", 400, .length = "Content-Length:", .body = "abcd"},
    {"Content-Length beyond 32 bits", 400, .length = "l: 4294967300", .body = "abcd"},
    {"Content-Length beyond 64 bits", 400, .length = "l: 18446744073709551620", .body = "abcd"},
    {"two equal Content-Lengths in a line", 400, .length = "Content-Length: 4, 4", .body = "abcd"},
    {"two Content-Lengths", 400, .length = "Content-Length: 4\r\nl: 2", .body = "abcd"},
    {"numbers too large for a CSeq", 400, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 36893488147419103232 REGISTER", .hops = "Max-Forwards: 300",
     .more = "Expires: 1000000000000000000000000000000000000000000"},
    {"a CSeq of 2**31", 400, .cseq = "CSeq: 2147483648 OPTIONS"},
    {"a CSeq of 2**33", 400, .cseq = "CSeq: 8589934592 OPTIONS"},
    {"a negative CSeq", 400, .cseq = "CSeq: -1 OPTIONS"},
    {"a CSeq with a fraction", 400, .cseq = "CSeq: 1.5 OPTIONS"},
    {"no CSeq", 400, .cseq = ""},
    {"two CSeqs", 400, .more = "CSeq: 22 OPTIONS"},
    {"Max-Forwards 256", 400, .hops = "Max-Forwards: 256"},
    {"Max-Forwards negative", 400, .hops = "Max-Forwards: -1"},
    {"Max-Forwards empty", 400, .hops = "Max-Forwards:"},
    {"two Max-Forwards", 400, .more = "Max-Forwards: 5"},
    {"a quote that never ends", 400, .to = "To: \"Bob <sip:bob@home.example>"},
    {"<> around the Request-URI", 400, .start = "OPTIONS <sip:bob@home.example> SIP/2.0"},
    {"a space in the Request-URI", 400, .start = "OPTIONS sip:bob@home.example; lr SIP/2.0"},
    {"two spaces in the start line", 400, .start = "OPTIONS  sip:bob@home.example SIP/2.0"},
    {"spaces behind the start line", 400, .start = "OPTIONS sip:bob@home.example SIP/2.0  "},
    {"headers in the Request-URI", 400, .start = "OPTIONS sip:b@home.example?Route=%3C%3E SIP/2.0"},
    {"a Contact with headers but no <>", 400, .more = "Contact: sip:a@b.example?Route=%3Cx%3E"},
    {"spaces within the <>", 400, .to = "To: \"Bob\" < sip:bob@home.example >"},
    {"a comma in a display name nobody quoted", 400, .from = "From: B, A <sip:a@b.example>;tag=1"},
    {"SIP/7.0", 505, .start = "OPTIONS sip:bob@home.example SIP/7.0",
     .via = "Via: SIP/7.0/UDP ue.example;branch=z9hG4bKa"},
    {"the CSeq of another method", 400, .cseq = "CSeq: 21 INVITE"},
    {"the CSeq of another method than an unknown one", 501,
     .start = "ODD sip:bob@home.example SIP/2.0"},
    {"a branch that is the cookie only", 400, .via = "Via: SIP/2.0/UDP ue.example;branch=z9hG4bK"},
    {"no To, From and Call-ID", 400, .to = "", .from = "", .call_id = ""},
    {"two of what may be there once", 400, .more = "From: <sip:c@d.example>;tag=9"},
    {"two Call-IDs", 400, .more = "i: another"},
    {"two Tos", 400, .more = "t: <sip:other@home.example>"},
    {"no line is empty", 400, .end = "", .length = ""},
    {"a line that ends in LF", 400, .more = "X: y\nZ: z"},
    {"a CR within a line", 400, .more = "X: y\rZ: z"},
    {"a NUL within a value", 400, .more = "X: y" ODD_NUL "z"},
    {"a NUL that hides lines", 400, .more = "X: y" ODD_NUL "\r\nRoute: <sip:p.example;lr>"},
    {"a NUL in a quoted string nobody escaped", 400,
     .from = "From: \"a" ODD_NUL "\" <sip:a@b.c>;tag=1"},
    {"a line without a colon", 400, .more = "Nothing"},
    {"a name with a space", 400, .more = "Some Name: x"},
    {"a first line that is folded", 400, .start = "OPTIONS sip:bob@home.example SIP/2.0\r\n x"},
    {"a port of 65536", 400, .start = "OPTIONS sip:bob@home.example:65536 SIP/2.0"},
    {"a port of 0", 400, .start = "OPTIONS sip:bob@home.example:0 SIP/2.0"},
    {"a port that is empty", 400, .start = "OPTIONS sip:bob@home.example: SIP/2.0"},
    {"a broken escape", 400, .start = "OPTIONS sip:al%zzice@home.example SIP/2.0"},
    {"half an escape", 400, .to = "To: <sip:al%4@home.example>"},
    {"a Route that is none", 400, .more = "Route: <sip:a b;lr>, <sip:evil.example;lr>"},
    {"a Record-Route that is none", 400, .more = "Record-Route: <sip:p.example"},
    {"a Path that is none", 400, .more = "Path: <>"},
    {"an address of 256", 400, .via = "Via: SIP/2.0/UDP 192.0.2.256;branch=z9hG4bKa"},
    {"a line break before the method ends", DROP,
     .start = "OPT\r\nIONS sip:b@home.example SIP/2.0"},
    {"an ACK nobody may answer", DROP, .start = "ACK sip:bob@home.example SIP/2.0",
     .cseq = "CSeq: 21 INVITE"},
    {"a request without a Via", DROP, .via = ""},
    {"a status beyond 32 bits", DROP, .start = "SIP/2.0 4294967301 better not"},
    {"a status of 99999", DROP, .start = "SIP/2.0 99999 many"},
    {"a status of 700", DROP, .start = "SIP/2.0 700 none"},
    {"a status of 99", DROP, .start = "SIP/2.0 099 none"},
    {"a status with letters", DROP, .start = "SIP/2.0 200abc OK"},
    {"a response with huge numbers", DROP, .start = "SIP/2.0 503 Service Unavailable",
     .cseq = "CSeq: 9292394834772304023312 OPTIONS",
     .more = "Retry-After: 949302838503028349304023988"},
    {"a response that goes on to a broadcast address", DROP, .start = "SIP/2.0 200 OK",
     .via = "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa\r\nVia: SIP/2.0/UDP 255.255.255.255"},
    {"a response without a From", DROP, .start = "SIP/2.0 200 OK", .from = ""},
    {"a response of another version", DROP, .start = "SIP/3.0 200 OK"},
    {"another protocol", DROP, .start = "GET / HTTP/1.1"},
    {"no protocol", DROP, .start = "OPTIONS sip:bob@home.example"},
};

static void test_bad(void)
{
    judge_rows(bad_rows, ARRAY_LEN(bad_rows));
}

/* ---- RFC 5118 ------------------------------ */

static const struct odd ipv6_rows[] = {
    {"4.1 an address in brackets", GOOD, .start = "REGISTER sip:[2001:db8::53] SIP/2.0",
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1];branch=z9hG4bKa", .cseq = "CSeq: 21 REGISTER",
     .more = "Contact: \"A\" <sip:alice@[2001:db8::7]>"},
    {"4.2 an address without brackets", 400, .start = "REGISTER sip:2001:db8::53 SIP/2.0",
     .cseq = "CSeq: 21 REGISTER"},
    {"4.3 a port within the brackets is a group", GOOD,
     .start = "REGISTER sip:[2001:db8::53:5070] SIP/2.0", .cseq = "CSeq: 21 REGISTER"},
    {"4.4 a port behind the brackets", GOOD, .start = "REGISTER sip:[2001:db8::53]:5070 SIP/2.0",
     .cseq = "CSeq: 21 REGISTER"},
    {"4.5 received in brackets", GOOD,
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1];received=[2001:db8::7:ff];branch=z9hG4bKa"},
    {"4.5 received without brackets", GOOD,
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1];received=2001:db8::7:ff;branch=z9hG4bKa"},
    {"4.6 addresses in a session description", GOOD, .start = "INVITE sip:b@[2001:db8::53] SIP/2.0",
     .cseq = "CSeq: 1 INVITE", .more = "Content-Type: application/sdp",
     .body = "v=0\r\no=a 1 1 IN IP6 2001:db8::7\r\ns=-\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\n"},
    {"4.7 addresses of both families in Via", GOOD, .start = "BYE sip:b@home.example SIP/2.0",
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1]:6050;branch=z9hG4bKa\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb\r\n"
            "Via: SIP/2.0/TCP [2001:db8::7:ff];branch=z9hG4bKc;received=192.0.2.200",
     .cseq = "CSeq: 2 BYE"},
    {"4.8 both families in a session description", GOOD, .start = "INVITE sip:b@c.example SIP/2.0",
     .cseq = "CSeq: 1 INVITE", .more = "Content-Type: application/sdp",
     .body = "v=0\r\no=a 1 1 IN IP4 ue.example\r\ns=\r\nt=0 0\r\nm=audio 2 RTP/AVP 0\r\n"
             "c=IN IP4 192.0.2.1\r\nm=video 4 RTP/AVP 107\r\nc=IN IP6 2001:db8::7\r\n"},
    {"4.9 an IPv4 address mapped into IPv6", GOOD,
     .via = "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKa",
     .more = "Contact: <sip:a@[::ffff:192.0.2.10]>"},
    {"4.10 three colons", GOOD, .start = "OPTIONS sip:b@[2001:db8:::192.0.2.1] SIP/2.0"},
    {"4.10 two colons", GOOD, .start = "OPTIONS sip:b@[2001:db8::192.0.2.1] SIP/2.0"},
    {"a zone in an address", 400, .start = "OPTIONS sip:b@[fe80::1%25eth0] SIP/2.0"},
    {"IPv4 in brackets", 400, .start = "OPTIONS sip:b@[192.0.2.1] SIP/2.0"},
    {"a Via without brackets", 400, .via = "Via: SIP/2.0/UDP 2001:db8::7;branch=z9hG4bKa"},
    {"a response that goes on to a multicast address", DROP, .start = "SIP/2.0 200 OK",
     .via = "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa\r\nVia: SIP/2.0/UDP [ff02::1]"},
};

static void test_ipv6(void)
{
    judge_rows(ipv6_rows, ARRAY_LEN(ipv6_rows));
}

/* ---- what the rows do not reach ------------------------------ */

/* RFC 4475 3.1.1.8: what follows the Content-Length in a datagram is none of it. */
static void test_trailing_octets(void)
{
    static const struct odd r = {"two requests in a datagram", GOOD, .body = "one"};
    struct span raw = write_row(&r);
    size_t own = raw.n;

    memcpy(text + own, text, own);
    judge(&r, span_of(text, 2 * own), own);
}

/* RFC 4475 3.1.1.2 and identity: what escapes stand for is never cut short. */
static void test_nothing_is_truncated(void)
{
    static const struct odd r = {"NULs", GOOD,
                                 .from = "From: \"a\\" ODD_NUL "z\" <sip:a%00z@b.c>;tag=1"};
    struct span raw = write_row(&r);
    struct sip_reject reject;
    struct sip_name_addr na;
    struct sip_uri from, cut;
    struct sip_msg *m;

    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(raw, NULL, &m, &reject), 0);
    CU_ASSERT_EQUAL(sip_name_addr_parse(sip_header_value(m, SIP_H_FROM), &na), 0);
    CU_ASSERT_EQUAL(na.display.n, 4);
    ASSERT_SPAN_EQ(m->from_uri, "sip:a%00z@b.c");
    CU_ASSERT_EQUAL_FATAL(sip_uri_parse(m->from_uri, &from), 0);
    ASSERT_SPAN_EQ(from.user, "a%00z");
    CU_ASSERT_EQUAL_FATAL(sip_uri_parse(SPAN("sip:a@b.c"), &cut), 0);
    CU_ASSERT(!sip_uri_equal(&from, &cut));
    sip_msg_unref(m);
}

/* n times `piece` between a head and a tail, as one line or several. */
static const struct odd *many(const char *name, unsigned verdict, const char *head,
                              const char *piece, size_t n, const char *tail)
{
    static char line[69000];
    static struct odd r;
    struct buf b = {line, 0, sizeof(line) - 1, false};

    buf_puts(&b, head);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, piece);
    buf_puts(&b, tail);
    CU_ASSERT_FATAL(!b.overflow);
    line[b.n] = '\0';
    r = (struct odd){.name = name, .verdict = verdict, .more = line};
    return &r;
}

static void judge_one(const struct odd *r)
{
    struct span raw = write_row(r);

    judge(r, raw, raw.n);
}

/* The limits of struct sip_limits, one below and one above. */
static void test_hostile_sizes(void)
{
    judge_one(many("121 further lines", GOOD, "a:b", "\r\na:b", 120, ""));
    judge_one(many("122 further lines", 400, "a:b", "\r\na:b", 121, ""));
    judge_one(many("10 000 lines", 400, "a:b", "\r\na:b", 9999, ""));
    judge_one(many("64 commas", GOOD, "Allow: A", ",A", 64, ""));
    judge_one(many("65 commas", 400, "Allow: A", ",A", 65, ""));
    judge_one(many("60 000 commas", 400, "Allow: ", ",", 60000, ""));
    judge_one(many("128 values in two lines", GOOD, "Route: <sip:a>", ",<sip:a>", 63,
                   "\r\nRoute: <sip:a>"
                   ",<sip:a>,<sip:a>"));
    judge_one(many("256 parameters", GOOD, "Contact: <sip:a>", ";b", 256, ""));
    judge_one(many("257 parameters", 400, "Contact: <sip:a>", ";b", 257, ""));
    judge_one(many("64 parameters of a URI", GOOD, "Route: <sip:a", ";b", 64, ">"));
    judge_one(many("65 parameters of a URI", 400, "Route: <sip:a", ";b", 65, ">"));
    judge_one(many("16 000 parameters of an unknown header", 400, "X: y", ";b=", 16000, ""));
    judge_one(many("a line of 8190", GOOD, "X: ", "y", 8187, ""));
    judge_one(many("a line of 8191 and CRLF", 400, "X: ", "y", 8188, ""));
    judge_one(many("a folded line of more", 400, "X: y", "\r\n y", 4000, ""));
    judge_one(many("65 KiB", 513, "X: y", "\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
                   1340, ""));
}

/* Every start of a good message: never good, never a crash. */
static void test_truncated(void)
{
    struct span raw = write_row(&good_rows[0]);

    for (size_t n = 0; n < raw.n; n++) {
        char *alone = malloc(n ? n : 1); /* so that a sanitizer sees a byte too far */
        struct sip_reject reject = {.status = 999};
        struct sip_msg *m = NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(alone);
        memcpy(alone, raw.p, n);
        CU_ASSERT_EQUAL(sip_msg_parse(span_of(alone, n), NULL, &m, &reject), -EBADMSG);
        CU_ASSERT(reject.status == 0 || reject.status == 400);
        CU_ASSERT_EQUAL(!m, reject.status == 0);
        sip_msg_unref(m);
        free(alone);
    }
}

/* Every byte of a good message replaced: refused, or it goes on byte for byte. */
static void test_any_byte(void)
{
    static const char bytes[] = "\0\r\n \t\"<>;,:@%[]\\\x7f\xff";
    static char good[4096];
    struct span raw = write_row(&good_rows[0]);
    unsigned passed = 0, refused = 0;

    CU_ASSERT_FATAL(raw.n < sizeof(good));
    memcpy(good, raw.p, raw.n);
    for (size_t i = 0; i < raw.n; i++) {
        for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
            struct sip_reject reject;
            struct sip_msg *m = NULL;

            text[i] = bytes[j];
            if (sip_msg_parse(raw, NULL, &m, &reject) == 0) {
                passed++;
                CU_ASSERT_PTR_NULL(pass_on(m, m->raw.n));
            } else {
                refused++;
                CU_ASSERT(!m == (reject.status == 0));
            }
            sip_msg_unref(m);
        }
        text[i] = good[i];
    }
    CU_ASSERT(passed > 1000);
    CU_ASSERT(refused > 1000);
}

TEST_MAIN("common/sip/torture", {"what is odd but good goes on byte for byte", test_good},
          {"what is bad is answered or dropped", test_bad},
          {"IPv6 is read as RFC 5118 has it", test_ipv6},
          {"octets behind the message are ignored", test_trailing_octets},
          {"no escape and no NUL cuts an identity short", test_nothing_is_truncated},
          {"hostile sizes end at the limits", test_hostile_sizes},
          {"no part of a message passes for one", test_truncated},
          {"whatever byte is wrong nothing else changes", test_any_byte})
