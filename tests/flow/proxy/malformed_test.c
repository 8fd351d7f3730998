/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no phone should send: each message is answered or dropped, counted once, and leaves nothing
 * behind. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/flow/proxy/hop.h"

/* ---- a request from its parts ------------------------------ */

struct parts {
    const char *cseq, *hops, *more, *length, *body; /* lines without CRLF; NULL = the plain one */
};

static char text[70000];

static const char *either(const char *a, const char *b)
{
    return a ? a : b;
}

/* Each with a branch of its own, so that none is taken for another one again. */
static struct span request(const struct parts *p, unsigned number)
{
    struct buf b = BUF_ON(text);

    buf_fmt(&b,
            "OPTIONS sip:bob@home.example SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%06u\r\n",
            number);
    buf_fmt(&b, "%s\r\n", either(p->hops, "Max-Forwards: 70"));
    buf_puts(&b, "From: <sip:alice@home.example>;tag=a\r\nTo: <sip:bob@home.example>\r\n"
                 "Call-ID: malformed\r\n");
    buf_fmt(&b, "%s\r\n", either(p->cseq, "CSeq: 1 OPTIONS"));
    if (p->more) {
        buf_puts(&b, p->more);
        buf_puts(&b, "\r\n");
    }
    if (!p->length)
        buf_fmt(&b, "Content-Length: %zu\r\n", strlen(either(p->body, "")));
    else if (*p->length)
        buf_fmt(&b, "%s\r\n", p->length);
    buf_fmt(&b, "\r\n%s", either(p->body, ""));
    CU_ASSERT_FATAL(!b.overflow);
    return buf_span(&b);
}

/* Status of the oldest response the caller has heard, or 0. */
static unsigned caller_status(void)
{
    struct span got = party_hears(&hop.caller);
    uint64_t status = 0;

    if (span_starts(got, SPAN("SIP/2.0 ")))
        CU_ASSERT_EQUAL(span_u64(span_sub(got, 8, 11), 999, &status), 0);
    return (unsigned)status;
}

static void assert_all_counted(uint64_t received)
{
    struct tally t = hop_tally();

    if (t.received != received || t.answered + t.dropped + t.taken != received)
        fprintf(stderr, "%llu of %llu received: %llu answered, %llu dropped, %llu taken\n",
                (unsigned long long)t.received, (unsigned long long)received,
                (unsigned long long)t.answered, (unsigned long long)t.dropped,
                (unsigned long long)t.taken);
    CU_ASSERT_EQUAL(t.received, received);
    CU_ASSERT_EQUAL(t.answered + t.dropped + t.taken, received);
}

/* ---- numbers ------------------------------ */

#define PASSES 1

static const struct {
    const char *name;
    unsigned verdict; /* PASSES or a status */
    struct parts p;
} number_rows[] = {
    {"CSeq 0", PASSES, {.cseq = "CSeq: 0 OPTIONS"}},
    {"CSeq 2^31-1", PASSES, {.cseq = "CSeq: 2147483647 OPTIONS"}},
    {"CSeq 2^31", 400, {.cseq = "CSeq: 2147483648 OPTIONS"}},
    {"CSeq 2^32+1", 400, {.cseq = "CSeq: 4294967297 OPTIONS"}},
    {"CSeq 2^64+1", 400, {.cseq = "CSeq: 18446744073709551617 OPTIONS"}},
    {"CSeq -1", 400, {.cseq = "CSeq: -1 OPTIONS"}},
    {"CSeq 1e3", 400, {.cseq = "CSeq: 1e3 OPTIONS"}},
    {"CSeq without a number", 400, {.cseq = "CSeq: OPTIONS"}},
    {"Max-Forwards 255", PASSES, {.hops = "Max-Forwards: 255"}},
    {"Max-Forwards 1", PASSES, {.hops = "Max-Forwards: 1"}},
    {"Max-Forwards 0", 483, {.hops = "Max-Forwards: 0"}},
    {"Max-Forwards 000", 483, {.hops = "Max-Forwards: 000"}},
    {"Max-Forwards 256", 400, {.hops = "Max-Forwards: 256"}},
    {"Max-Forwards -1", 400, {.hops = "Max-Forwards: -1"}},
    {"Max-Forwards 2^32+70", 400, {.hops = "Max-Forwards: 4294967366"}},
    {"Max-Forwards seventy", 400, {.hops = "Max-Forwards: seventy"}},
    {"Content-Length 2^32+4", 400, {.length = "Content-Length: 4294967300", .body = "body"}},
    {"Content-Length 2^64+4", 400, {.length = "Content-Length: 18446744073709551620", .body = "b"}},
    {"Content-Length -4", 400, {.length = "Content-Length: -4", .body = "body"}},
    {"Content-Length +4", 400, {.length = "Content-Length: +4", .body = "body"}},
    {"Content-Length 0x4", 400, {.length = "Content-Length: 0x4", .body = "body"}},
    {"Content-Length 4;4", 400, {.length = "Content-Length: 4;4", .body = "body"}},
    {"Content-Length twice", 400, {.length = "Content-Length: 4\r\nl: 4", .body = "body"}},
    /* A proxy has no business with these: whoever they are for judges them. */
    {"Expires -1", PASSES, {.more = "Expires: -1"}},
    {"Expires 10^50",
     PASSES,
     {.more = "Expires: 100000000000000000000000000000000000000000000000"}},
    {"Min-SE and Session-Expires", PASSES, {.more = "Min-SE: 99999999999\r\nx: -7;refresher=uac"}},
};

static void huge_and_negative_numbers(enum net_proto proto)
{
    hop_begin(NET_UDP);
    for (unsigned i = 0; i < ARRAY_LEN(number_rows); i++) {
        struct span sent = request(&number_rows[i].p, i), got;
        unsigned status;

        if (proto == NET_TCP)
            party_say_tcp(&hop.caller, sent);
        else
            party_say(&hop.caller, sent);
        hop_run(20);
        status = caller_status();
        got = party_hears(&hop.callee);
        if (status != (number_rows[i].verdict == PASSES ? 0 : number_rows[i].verdict))
            fprintf(stderr, "%s: %u\n", number_rows[i].name, status);
        if (number_rows[i].verdict == PASSES) {
            CU_ASSERT_EQUAL(status, 0);
            CU_ASSERT(span_eq(hop_forwards(sent, got), got));
        } else {
            CU_ASSERT_EQUAL(status, number_rows[i].verdict);
            CU_ASSERT_PTR_NULL(got.p);
        }
        party_hang_up(&hop.caller);
        party_forget(&hop.caller);
    }
    if (proto == NET_UDP)
        assert_all_counted(ARRAY_LEN(number_rows));
    hop_end();
}

static void numbers_over_udp(void)
{
    huge_and_negative_numbers(NET_UDP);
}

static void numbers_over_tcp(void)
{
    huge_and_negative_numbers(NET_TCP);
}

/* ---- lengths ------------------------------ */

static void too_short_a_length_cuts_the_body_over_udp(void)
{
    struct span sent, got;

    hop_begin(NET_UDP);
    sent = request(&(struct parts){.length = "Content-Length: 4", .body = "bodyandmore"}, 1);
    party_say(&hop.caller, sent);
    hop_run(20);
    got = party_hears(&hop.callee);
    sent.n -= sizeof("andmore") - 1;
    CU_ASSERT(span_eq(hop_forwards(sent, got), got));
    assert_all_counted(1);
    hop_end();
}

static void too_long_a_length_is_refused_over_udp(void)
{
    hop_begin(NET_UDP);
    party_say(&hop.caller, request(&(struct parts){.length = "l: 5", .body = "body"}, 1));
    hop_run(20);
    CU_ASSERT_EQUAL(caller_status(), 400);
    CU_ASSERT_PTR_NULL(party_hears(&hop.callee).p);
    assert_all_counted(1);
    hop_end();
}

/* What is behind the body is the next message, and as that it is no good. */
static void too_short_a_length_ends_a_connection(void)
{
    struct span sent;

    hop_begin(NET_UDP);
    sent = request(&(struct parts){.length = "Content-Length: 4", .body = "body(and more"}, 1);
    party_say_tcp(&hop.caller, sent);
    hop_run(20);
    sent.n -= sizeof("(and more") - 1;
    CU_ASSERT_PTR_NOT_NULL(party_hears(&hop.callee).p);
    CU_ASSERT(hop.caller.tcp_closed);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->closed_broken, 1);
    hop_end();
}

static void too_long_a_length_waits_and_then_ends_a_connection(void)
{
    hop_begin(NET_UDP);
    party_say_tcp(&hop.caller, request(&(struct parts){.length = "l: 9", .body = "body"}, 1));
    hop_run(9000);
    CU_ASSERT_PTR_NULL(party_hears(&hop.callee).p);
    CU_ASSERT(!hop.caller.tcp_closed);
    hop_run(2000);
    CU_ASSERT(hop.caller.tcp_closed);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->closed_slow, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->connections, 0);
    hop_end();
}

static void no_length_ends_a_connection_with_an_answer(void)
{
    hop_begin(NET_UDP);
    party_say_tcp(&hop.caller, request(&(struct parts){.length = ""}, 1));
    hop_run(20);
    CU_ASSERT_FATAL(hop.caller.n == 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(hop.caller.heard[0].bytes, "To: <sip:bob@home.example>;tag="));
    CU_ASSERT_PTR_NOT_NULL(strstr(hop.caller.heard[0].bytes, "\"no Content-Length on a stream\""));
    CU_ASSERT_EQUAL(caller_status(), 400);
    CU_ASSERT(hop.caller.tcp_closed);
    CU_ASSERT_PTR_NULL(party_hears(&hop.callee).p);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->bad_answered, 1);
    hop_end();
}

/* Wherever the pieces are cut, and with keep-alives between them. */
static void messages_in_pieces_are_put_together(void)
{
    char both[2048];
    struct buf b = BUF_ON(both);

    hop_begin(NET_UDP);
    buf_puts(&b, "\r\n\r\n");
    buf_put(&b, request(&(struct parts){.body = "one"}, 1));
    buf_puts(&b, "\r\n\r\n\r\n");
    buf_put(&b, request(&(struct parts){.body = "two"}, 2));
    for (size_t i = 0; i < b.n; i++)
        party_say_tcp(&hop.caller, span_of(b.p + i, 1));
    hop_run(20);
    CU_ASSERT_PTR_NOT_NULL(strstr(party_hears(&hop.callee).p, "one"));
    CU_ASSERT_PTR_NOT_NULL(strstr(party_hears(&hop.callee).p, "two"));
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->pings, 2);
    CU_ASSERT(!hop.caller.tcp_closed);
    assert_all_counted(2);
    hop_end();
}

/* ---- sizes ------------------------------ */

/* RFC 3261 17.2.3 compares the branch of every request with those that are known. */
static void a_branch_nobody_could_remember_is_refused(void)
{
    char long_via[1000];
    struct buf b = BUF_ON(long_via);
    struct span sent;

    hop_begin(NET_UDP);
    buf_puts(&b,
             "OPTIONS sip:bob@home.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK");
    for (unsigned i = 0; i < 60; i++)
        buf_puts(&b, "0123456789");
    buf_puts(&b, "\r\nFrom: <sip:a@home.example>;tag=a\r\nTo: <sip:b@home.example>\r\n"
                 "Call-ID: long\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_FATAL(!b.overflow);
    sent = buf_span(&b);
    party_say(&hop.caller, sent);
    hop_run(20);
    CU_ASSERT_EQUAL(caller_status(), 400);
    CU_ASSERT_EQUAL(sip_layer_counters(hop.l)->refused_via, 1);
    assert_all_counted(1);
    hop_end();
}

static struct span many_lines(const char *line, unsigned n, const char *end)
{
    static char more[69000];
    struct buf b = BUF_ON(more);

    for (unsigned i = 0; i < n; i++)
        buf_puts(&b, line);
    buf_puts(&b, end);
    CU_ASSERT_FATAL(b.n < sizeof(more));
    more[b.n] = '\0';
    return request(&(struct parts){.more = more}, 1);
}

static void sizes(enum net_proto proto, struct span sent, unsigned status)
{
    struct span answer;

    hop_begin(NET_UDP);
    if (proto == NET_UDP)
        party_say(&hop.caller, sent);
    for (size_t at = 0; proto == NET_TCP && at < sent.n && !hop.caller.tcp_closed; at += 16000) {
        party_say_tcp(&hop.caller, span_sub(sent, at, at + 16000)); /* as a kernel hands it out */
        hop_run(5);
    }
    hop_run(50);
    answer = hop.caller.n ? span_str(hop.caller.heard[0].bytes) : SPAN_NONE;
    CU_ASSERT(answer.n < 1000 || answer.n < sent.n / 8); /* an answer does not multiply */
    CU_ASSERT_EQUAL(caller_status(), status);
    CU_ASSERT_PTR_NULL(party_hears(&hop.callee).p);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->bad_answered, status ? 1 : 0);
    CU_ASSERT_EQUAL(sip_layer_servers(hop.l), 0);
    hop_end();
}

static void ten_thousand_lines_are_refused(void)
{
    sizes(NET_UDP, many_lines("a:b\r\n", 10000, "c: d"), 400);
    sizes(NET_TCP, many_lines("a:b\r\n", 10000, "c: d"), 400);
    sizes(NET_UDP, many_lines("Via: SIP/2.0/UDP h\r\n", 3000, "c: d"), 400);
    sizes(NET_UDP, many_lines("Route: <sip:h>\r\n", 4000, "c: d"), 400);
    sizes(NET_UDP, many_lines("t:b\r\n", 10000, "c: d"), 400);
    sizes(NET_UDP, many_lines(",", 60000, ""), 400);
}

static void more_than_a_message_may_have_is_refused(void)
{
    /* A datagram cannot be larger than this; a stream can. */
    sizes(NET_UDP,
          many_lines("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 1250, "c: d"), 400);
    sizes(NET_TCP,
          many_lines("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 1300, "c: d"), 513);
    sizes(NET_TCP, request(&(struct parts){.length = "Content-Length: 70000"}, 1), 513);
    sizes(NET_TCP, request(&(struct parts){.length = "Content-Length: 4294967295"}, 1), 513);
}

static void a_header_that_never_ends_is_cut_off(void)
{
    static char endless[1000];

    hop_begin(NET_UDP);
    memset(endless, 'x', sizeof(endless));
    for (unsigned i = 0; i < 100 && !hop.caller.tcp_closed; i++) {
        party_say_tcp(&hop.caller, span_of(endless, sizeof(endless)));
        hop_run(5);
    }
    CU_ASSERT(hop.caller.tcp_closed);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->closed_broken, 1);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->bad_dropped, 1);
    hop_end();
}

/* ---- pieces and noise ------------------------------ */

static struct span good_request(unsigned number)
{
    return request(&(struct parts){.more = "Route: <sip:192.0.2.2;lr>,\r\n <sip:q.example;lr>\r\n"
                                           "Contact: \"A\" <sip:alice@192.0.2.1>;q=1",
                                   .body = "v=0\r\n"},
                   number);
}

static void no_part_of_a_request_passes(void)
{
    struct span whole;
    uint64_t sent = 0;

    hop_begin(NET_UDP);
    whole = good_request(1);
    for (size_t n = 1; n < whole.n; n++, sent++) {
        party_say(&hop.caller, span_sub(whole, 0, n));
        hop_run(3);
        party_forget(&hop.caller);
    }
    CU_ASSERT_EQUAL(hop.callee.n + hop.callee.beyond, 0);
    CU_ASSERT_EQUAL(sip_layer_counters(hop.l)->requests, 0);
    CU_ASSERT_EQUAL(sip_layer_servers(hop.l), 0);
    CU_ASSERT(hop_tally().answered > 200); /* once there is a Via */
    assert_all_counted(sent);
    hop_end();
}

static void a_connection_that_ends_early_leaves_nothing(void)
{
    struct span whole;

    hop_begin(NET_UDP);
    whole = good_request(1);
    for (size_t n = 1; n < whole.n; n++) {
        party_say_tcp(&hop.caller, span_sub(whole, 0, n));
        hop_run(3);
        party_hang_up(&hop.caller);
        hop_run(3);
        CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->connections, 0);
    }
    CU_ASSERT_EQUAL(hop.callee.n + hop.callee.beyond, 0);
    CU_ASSERT_EQUAL(sip_layer_counters(hop.l)->requests, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->connections_accepted, whole.n - 1);
    hop_end();
}

/* Every byte of a request replaced: it goes on, is answered, or dropped, and never twice. */
static void whatever_byte_is_wrong_it_is_counted_once(void)
{
    static const char bytes[] = "\0\r\n \"<>;,:@%\xff";
    size_t length;
    unsigned number = 0;

    hop_begin(NET_UDP);
    length = good_request(0).n;
    for (size_t i = 0; i < length; i++) {
        for (size_t j = 0; j < sizeof(bytes) - 1; j++, number++) {
            struct span sent = good_request(number);

            text[i] = bytes[j];
            party_say(&hop.caller, sent);
        }
        hop_run(20);
        party_forget(&hop.caller);
        party_forget(&hop.callee);
    }
    CU_ASSERT(sip_layer_counters(hop.l)->requests > 500);
    CU_ASSERT(hop_tally().answered > 500);
    CU_ASSERT(hop_tally().dropped > 50);
    assert_all_counted(number);
    hop_end();
}

static void noise(struct span s)
{
    struct rnd r = *sim_rnd(hop.sim);

    r.fill(r.ctx, (char *)(uintptr_t)s.p, s.n);
}

static void binary_noise_is_dropped(void)
{
    char bytes[1500];
    unsigned sent = 0;

    hop_begin(NET_UDP);
    for (; sent < 300; sent++) {
        struct span s = span_of(bytes, 1 + sent * 4);

        noise(s);
        bytes[0] = (char)(bytes[0] | 0x80); /* neither empty lines nor the start of a method */
        party_say(&hop.caller, s);
        party_say_tcp(&hop.caller, s);
        hop_run(3);
        party_hang_up(&hop.caller);
        hop_run(3);
    }
    CU_ASSERT_EQUAL(hop.caller.n + hop.callee.n, 0);
    CU_ASSERT_EQUAL(sip_layer_counters(hop.l)->requests, 0);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->received_udp, sent);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->closed_broken, sent);
    CU_ASSERT_EQUAL(sip_transport_counters(hop.t)->bad_dropped, 2 * sent);
    hop_end();
}

/* Noise in the body is nobody's business. */
static void binary_noise_in_a_body_passes(void)
{
    char bytes[4096];
    struct buf b = BUF_ON(bytes);
    struct span got, sent;

    hop_begin(NET_UDP);
    buf_put(&b, request(&(struct parts){.length = "Content-Length: 2000"}, 1));
    noise(span_of(bytes + b.n, 2000));
    sent = span_of(bytes, b.n + 2000);
    party_say(&hop.caller, sent);
    hop_run(20);
    got = party_hears(&hop.callee);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.p);
    CU_ASSERT(span_eq(hop_forwards(sent, got), got));
    hop_end();
}

/* ---- the other way ------------------------------ */

static const char *const bad_responses[] = {
    "SIP/2.0 200 OK\r\n\r\n",
    "SIP/2.0 99 Low\r\n%s\r\n",
    "SIP/2.0 700 High\r\n%s\r\n",
    "SIP/2.0 4294967496 Wraps\r\n%s\r\n",
    "SIP/2.0 2x0 OK\r\n%s\r\n",
    "SIP/2.0 200 OK\r\n%sContent-Length: -1\r\n\r\n",
    "SIP/2.0 200 OK\r\n%sContent-Length: 7\r\n\r\nshort",
    "SIP/2.0 200 OK\r\n%sRecord-Route: <sip:a\r\n\r\n",
    "SIP/2.0 200 OK\r\n%sX: \r y\r\n\r\n",
    "SIP/3.0 200 OK\r\n%s\r\n",
    "\r\n\r\n200 OK\r\n%s\r\n",
};

static void bad_responses_are_dropped_and_the_good_one_passes(void)
{
    static char lines[2048], good[4096];
    struct span got, sent;
    const char *via, *body;
    struct buf b = BUF_ON(good);

    hop_begin(NET_UDP);
    party_say(&hop.caller, request(&(struct parts){0}, 1));
    hop_run(20);
    got = party_hears(&hop.callee);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.p);
    via = strstr(got.p, "Via:"); /* everything from there on does for a response */
    body = strstr(got.p, "Content-Length");
    CU_ASSERT_FATAL(via && body);
    snprintf(lines, sizeof(lines), "%.*s", (int)(body - via), via);
    for (size_t i = 0; i < ARRAY_LEN(bad_responses); i++) {
        char *out = malloc(4096);
        struct buf bad = {out, 0, 4096, false};
        struct span rest = span_str(bad_responses[i]);

        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        while (rest.n) {
            size_t n = span_find(rest, '%');

            buf_put(&bad, span_sub(rest, 0, n));
            if (n < rest.n)
                buf_puts(&bad, lines);
            rest = span_sub(rest, n + 2, rest.n);
        }
        party_say(&hop.callee, buf_span(&bad));
        free(out);
    }
    hop_run(20);
    CU_ASSERT_PTR_NULL(party_hears(&hop.caller).p);
    CU_ASSERT_EQUAL(hop_tally().dropped, ARRAY_LEN(bad_responses));
    CU_ASSERT_EQUAL(hop.callee.n, 0); /* a response is never answered */
    buf_fmt(&b, "SIP/2.0 200 OK\r\n%sContent-Length: 0\r\n\r\n", lines);
    sent = buf_span(&b);
    party_say(&hop.callee, sent);
    hop_run(20);
    got = party_hears(&hop.caller);
    CU_ASSERT(span_eq(hop_returns(sent), got));
    assert_all_counted(2 + ARRAY_LEN(bad_responses));
    hop_end();
}

TEST_MAIN("flow/proxy/malformed", {"huge and negative numbers over udp", numbers_over_udp},
          {"huge and negative numbers over tcp", numbers_over_tcp},
          {"too short a length cuts the body over udp", too_short_a_length_cuts_the_body_over_udp},
          {"too long a length is refused over udp", too_long_a_length_is_refused_over_udp},
          {"too short a length ends a connection", too_short_a_length_ends_a_connection},
          {"too long a length waits and then ends a connection",
           too_long_a_length_waits_and_then_ends_a_connection},
          {"no length ends a connection with an answer",
           no_length_ends_a_connection_with_an_answer},
          {"messages in pieces are put together", messages_in_pieces_are_put_together},
          {"a branch nobody could remember is refused", a_branch_nobody_could_remember_is_refused},
          {"ten thousand lines are refused", ten_thousand_lines_are_refused},
          {"more than a message may have is refused", more_than_a_message_may_have_is_refused},
          {"a header that never ends is cut off", a_header_that_never_ends_is_cut_off},
          {"no part of a request passes", no_part_of_a_request_passes},
          {"a connection that ends early leaves nothing",
           a_connection_that_ends_early_leaves_nothing},
          {"whatever byte is wrong it is counted once", whatever_byte_is_wrong_it_is_counted_once},
          {"binary noise is dropped", binary_noise_is_dropped},
          {"binary noise in a body passes", binary_noise_in_a_body_passes},
          {"bad responses are dropped and the good one passes",
           bad_responses_are_dropped_and_the_good_one_passes})
