/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What phones send, through one hop: nothing changes but Via, Max-Forwards, Route and Record-Route. */
#include <stdio.h>

#include "tests/flow/proxy/hop.h"

/* Texts have \n for CRLF, "?" for the Content-Length and 0x1a for NUL. */
static struct span wire_text(const char *text)
{
    static char out[16384];
    struct buf b = BUF_ON(out);
    const char *body = strstr(text, "\n\n");
    size_t length = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(body);
    for (const char *p = body + 2; *p; p++)
        length += 1 + (*p == '\n');
    for (const char *p = text; *p; p++) {
        if (*p == '\n')
            buf_puts(&b, "\r\n");
        else if (*p == '?' && p < body && p[1] == '\n')
            buf_u64(&b, length);
        else
            buf_putc(&b, *p == '\x1a' ? '\0' : *p);
    }
    CU_ASSERT_FATAL(!b.overflow);
    return buf_span(&b);
}

struct row {
    const char *name, *text;
    bool udp_only; /* has no Content-Length, which a stream needs */
};

static const struct row requests[] = {
    {"first REGISTER",
     "REGISTER sip:ims.mnc099.mcc999.3gppnetwork.org SIP/2.0\n"
     "f: <sip:999990000000001@ims.mnc099.mcc999.3gppnetwork.org>;tag=Rk2j8\n"
     "t: <sip:999990000000001@ims.mnc099.mcc999.3gppnetwork.org>\n"
     "CSeq: 1001 REGISTER\n"
     "i: reg-7fa3@192.0.2.1\n"
     "v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKreg1;rport\n"
     "Max-Forwards: 70\n"
     "m: <sip:192.0.2.1:5060>;expires=600000;+sip.instance=\"<urn:gsma:imei:35000000-000001-0>\";"
     "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";+g.3gpp.smsip;q=1.0\n"
     "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=9999900010000101\n"
     "l: ?\n"
     "Authorization: Digest uri=\"sip:ims.mnc099.mcc999.3gppnetwork.org\","
     "username=\"999990000000001@ims.mnc099.mcc999.3gppnetwork.org\",response=\"\","
     "realm=\"ims.mnc099.mcc999.3gppnetwork.org\",nonce=\"\"\n"
     "Require: sec-agree\nProxy-Require: sec-agree\nSupported: path,gruu,sec-agree\n"
     "Allow: INVITE,BYE,CANCEL,ACK,NOTIFY,UPDATE,PRACK,INFO,MESSAGE,OPTIONS\n"
     "Security-Client: ipsec-3gpp; alg=hmac-md5-96; ealg=des-ede3-cbc; spi-c=7001; spi-s=7002; "
     "port-c=31800; port-s=31900, ipsec-3gpp; alg=hmac-sha-1-96; ealg=null; spi-c=7001; "
     "spi-s=7002; port-c=31800; port-s=31900\n\n"},
    {"REGISTER with the response and auts",
     "REGISTER sip:home.example SIP/2.0\n"
     "Via: SIP/2.0/UDP 192.0.2.1:31900;branch=z9hG4bKreg2;rport;transport=UDP\n"
     "Max-Forwards: 70\n"
     "From: <sip:alice@home.example>;tag=r2\nTo: <sip:alice@home.example>\n"
     "Call-ID: reg-7fa3@192.0.2.1\nCSeq: 1002 REGISTER\n"
     "Contact: *\nExpires: 0\n"
     "Authorization: Digest username=\"alice@home.example\", realm=\"home.example\", "
     "nonce=\"AAECAwQFBgcICQoLDA0ODw==\", uri=\"sip:home.example\", algorithm=AKAv1-MD5, "
     "response=\"\", auts=\"4pVkPzQ1Xm3q8lS9jA==\" , qop=auth, nc=00000001, cnonce=\"a,b\"\n"
     "Security-Verify: ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=1;spi-s=2;port-c=5063;port-s=5062;"
     "alg=hmac-sha-1-96;ealg=null\n"
     "Content-Length: ?\n\n"},
    {"SUBSCRIBE to the registration",
     "SUBSCRIBE sip:alice@home.example SIP/2.0\n"
     "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsub\n"
     "Max-Forwards: 70\n"
     "Route: <sip:192.0.2.2;lr>, <sip:orig@scscf.home.example:6060;lr>\n"
     "From: <sip:alice@home.example>;tag=s1\nTo: <sip:alice@home.example>\n"
     "Call-ID: sub\nCSeq: 1 SUBSCRIBE\nEvent: reg\nExpires: 600000\n"
     "Accept: application/reginfo+xml\nContact: <sip:alice@192.0.2.1:5060>\n"
     "P-Preferred-Identity: \"Alice, at home\" <sip:alice@home.example>\n"
     "Content-Length: ?\n\n"},
    {"INVITE with preconditions",
     "INVITE sip:+999555123;phone-context=home.example@home.example;user=phone SIP/2.0\n"
     "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinv;rport;keep\n"
     "Max-Forwards: 70\n"
     "Route: <sip:192.0.2.2;lr>\n"
     "Route: <sip:orig@scscf.home.example:6060;lr>\n"
     "Proxy-Require: sec-agree\nRequire: sec-agree\n"
     "Contact: <sip:alice@192.0.2.1:5060>;+sip.instance=\"<urn:gsma:imei:35000000-000001-0>\";"
     "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";+g.3gpp.mid-call;video\n"
     "To: <tel:+999555123>\nFrom: \"Al\xc3\xad"
     "ce \\\"A\\\"\" <tel:+999555000>;tag=i1\n"
     "Call-ID: Zq1-x_w.2@192.0.2.1\nCSeq: 1 INVITE\nSession-Expires: 1800;refresher=uac\n"
     "Accept: application/sdp, application/3gpp-ims+xml\n"
     "Supported: timer, 100rel , precondition,gruu, sec-agree\nk: replaces\n"
     "P-Early-Media: supported\nAccept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp\"\n"
     "X-Empty:\nX-Fold: one,\n  two,\n\tthree\nPrivacy: none\n"
     "P-Access-Network-Info: IEEE-802.11;i-wlan-node-id=00112233aabb;country=\"ZZ\"\n"
     "Content-Type: application/sdp\nContent-Length: ?\n\n"
     "v=0\no=- 77 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
     "m=audio 49152 RTP/AVP 97 96\nb=AS:41\na=rtpmap:97 AMR-WB/16000\na=fmtp:97 mode-set=0,1,2\n"
     "a=curr:qos local none\na=curr:qos remote none\na=des:qos mandatory local sendrecv\n"
     "a=des:qos optional remote sendrecv\na=sendrecv\n"},
    {"PRACK", "PRACK sip:bob@192.0.2.9:5060;transport=udp SIP/2.0\n"
              "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKprack\n"
              "From: <tel:+999555000>;tag=i1\nTo: <tel:+999555123>;tag=b1\n"
              "Call-ID: Zq1\nCSeq: 2 PRACK\nRAck: 1 1 INVITE\nMax-Forwards: 1\n"
              "Route: <sip:192.0.2.2;lr>\nContent-Length: ?\n\n"},
    {"UPDATE in whose Route we are one of three",
     "UPDATE sip:bob@192.0.2.9 SIP/2.0\n"
     "Via: SIP/2.0/UDP ue.invalid;branch=z9hG4bKupd\n"
     "Max-Forwards:69\nRoute: <sip:192.0.2.2;lr>,<sip:p.example;lr>,<sip:q.example;lr=on>\n"
     "From: <tel:+999555000>;tag=i1\nTo: <tel:+999555123>;tag=b1\nCall-ID: Zq2\nCSeq: 3 UPDATE\n"
     "c: application/sdp\nl: ?\n\nv=0\n"},
    {"INVITE that was recorded before, with a Via further down",
     "INVITE sip:bob@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKrr\n"
     "Record-Route: <sip:p.example;lr>,\n <sip:q.example;lr=on>;x=\"1,2\"\nMax-Forwards: 3\n"
     "Via: SIP/2.0/TCP before.example;branch=z9hG4bKr0;received=192.0.2.77\n"
     "From: <sip:alice@home.example>;tag=rr\nTo: <sip:bob@home.example>\nCall-ID: rr\n"
     "CSeq: 1 INVITE\nContact: <sip:alice@192.0.2.15>\nContent-Length: ?\n\n"},
    {"BYE with a reason",
     "BYE sip:bob@[2001:db8::9]:5060 SIP/2.0\n"
     "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKbye\n"
     "From: <tel:+999555000>;tag=i1\nTo: <tel:+999555123>;tag=b1\n"
     "Call-ID: Zq3\nCSeq: 4 BYE\nMax-Forwards: 70\n"
     "Reason: Q.850;cause=16;text=\"Normal, \\\"call\\\" clearing\",SIP;cause=200\n"
     "Content-Length: ?\n\n"},
    {"MESSAGE that carries a short message in octets",
     "MESSAGE tel:+999555999 SIP/2.0\n"
     "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKsms\n"
     "Max-Forwards: 70\nFrom: <sip:alice@home.example>;tag=m\nTo: <tel:+999555999>\n"
     "Call-ID: sms\nCSeq: 1 MESSAGE\nRequest-Disposition: no-fork\n"
     "Content-Type: application/vnd.3gpp.sms\nContent-Length: ?\n\n"
     "\x1a\x01\x1a\x07\x91\xff\x80\r\x1a"},
    {"OPTIONS without length and hops",
     "OPTIONS sip:home.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKopt\n"
     "From: <sip:alice@home.example>;tag=o\nTo: <sip:home.example>\nCall-ID: opt\n"
     "CSeq: 1 OPTIONS\n\n",
     true},
    {"MESSAGE without length",
     "MESSAGE sip:bob@home.example SIP/2.0\n"
     "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnol\nMax-Forwards: 9\n"
     "From: <sip:alice@home.example>;tag=o\nTo: <sip:home.example>\n"
     "Call-ID: nol\nCSeq: 1 MESSAGE\nContent-Type: text/plain\n\nhello\n",
     true},
    {"NOTIFY that answers a REFER, in odd order",
     "NOTIFY sip:bob@192.0.2.9 SIP/2.0\nContent-Length : ?\nCSeq: 5\n NOTIFY\n"
     "Subscription-State: active;expires=60\nEvent: refer;id=3\nContent-Type: message/sipfrag;"
     "version=2.0\nTo : <sip:bob@home.example>;tag=b\nFrom :<sip:alice@home.example>;tag=a\n"
     "Call-ID : n1\nMAX-FORWARDS : 0070\nVIA : SIP / 2.0 / UDP 192.0.2.1 ; branch = z9hG4bKnot\n\n"
     "SIP/2.0 100 Trying\n"},
    {"INFO with several parts",
     "INFO sip:bob@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKinfo, "
     "SIP/2.0/UDP behind.example;branch=z9hG4bKother\nMax-Forwards: 70\n"
     "From: <sip:alice@home.example>;tag=a\nTo: <sip:bob@home.example>;tag=b\nCall-ID: in\n"
     "CSeq: 8 INFO\nContent-Type: multipart/mixed;boundary=\"x y\"\nMIME-Version: 1.0\n"
     "Content-Length: ?\n\n--x y\nContent-Type: text/plain\n\na\n--x y\n\n--x y--\ntail"},
    {"a method of tomorrow", "HOLOGRAM sip:bob@192.0.2.9;method=x SIP/2.0\n"
                             "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKholo\nMax-Forwards: 70\n"
                             "From: <sip:alice@home.example>;tag=a\nTo: <sip:bob@home.example>\n"
                             "Call-ID: h\nCSeq: 2147483647 HOLOGRAM\nl: ?\n\n"},
};

static void must_be(const char *name, struct span want, struct span got)
{
    if (!span_eq(want, got))
        fprintf(stderr, "%s\n--- should be\n%.*s\n--- is\n%.*s\n---\n", name, SPAN_ARG(want),
                SPAN_ARG(got));
    CU_ASSERT(span_eq(want, got));
}

/* All lines of `got` with that name, folding and all. */
static void copy_lines(struct buf *b, struct span got, struct span name, char compact)
{
    bool inside = false;

    while (got.n) {
        struct span line = span_sub(got, 0, span_find(got, '\n') + 1);
        struct span head = span_trim(span_sub(line, 0, span_find(line, ':')));

        got = span_sub(got, line.n, got.n);
        if (line.n <= 2)
            return;
        if (*line.p != ' ' && *line.p != '\t')
            inside = span_eq_nocase(head, name) ||
                     (head.n == 1 && compact && (*head.p | 0x20) == compact);
        if (inside)
            buf_put(b, line);
    }
}

static void callee_answers(const char *name, struct span request, const char *status,
                           const char *more)
{
    static char text[16384];
    struct buf b = BUF_ON(text);
    struct span got;

    buf_fmt(&b, "SIP/2.0 %s\r\n", status);
    copy_lines(&b, request, SPAN("Via"), 'v');
    copy_lines(&b, request, SPAN("Record-Route"), 0);
    copy_lines(&b, request, SPAN("From"), 'f');
    copy_lines(&b, request, SPAN("To"), 't');
    copy_lines(&b, request, SPAN("Call-ID"), 'i');
    copy_lines(&b, request, SPAN("CSeq"), 0);
    buf_puts(&b, more);
    CU_ASSERT_FATAL(!b.overflow);
    if (hop.onward == NET_TCP)
        party_say_tcp(&hop.callee, buf_span(&b));
    else
        party_say(&hop.callee, buf_span(&b));
    hop_run(20);
    got = party_hears(&hop.caller);
    must_be(name, hop_returns(buf_span(&b)), got);
}

static const char plain_end[] = "Content-Length: 0\r\n\r\n";
static const char odd_end[] =
    "m: <sip:bob@192.0.2.9>;+g.3gpp.smsip ;\r\n audio\r\nRSeq : 1\r\nX-Odd:\r\n"
    "WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",ck=\"00ff\",ik=\"ff00\",stale=FALSE\r\n"
    "P-Charging-Vector: icid-value=\"a;b\"\r\nc: application/octet-stream\r\n"
    "l:   4\r\n\r\n\r\n\xff\x01";

static void pass_one(const struct row *r, enum net_proto inward)
{
    static char request[16384];
    struct span sent = wire_text(r->text), got;
    bool invite = span_starts(sent, SPAN("INVITE"));

    if (inward == NET_TCP)
        party_say_tcp(&hop.caller, sent);
    else
        party_say(&hop.caller, sent);
    hop_run(20);
    got = party_hears(&hop.callee);
    must_be(r->name, hop_forwards(sent, got), got);
    if (!got.p)
        return;
    memcpy(request, got.p, got.n);
    got.p = request;
    if (invite) {
        callee_answers(r->name, got, "183 Session Progress", odd_end);
        callee_answers(r->name, got, "180 ", plain_end);
    }
    callee_answers(r->name, got, "200 OK", odd_end);
}

static void pass_all(enum net_proto inward, enum net_proto onward)
{
    struct tally t;
    unsigned n = 0;

    hop_begin(onward);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (inward == NET_TCP && requests[i].udp_only)
            continue;
        pass_one(&requests[i], inward);
        n++;
    }
    t = hop_tally();
    CU_ASSERT_EQUAL(t.received, 2 * n + 4); /* two INVITEs have two provisional responses */
    CU_ASSERT_EQUAL(t.taken, t.received);
    hop_end();
}

static void udp_to_udp(void)
{
    pass_all(NET_UDP, NET_UDP);
}
static void udp_to_tcp(void)
{
    pass_all(NET_UDP, NET_TCP);
}
static void tcp_to_udp(void)
{
    pass_all(NET_TCP, NET_UDP);
}
static void tcp_to_tcp(void)
{
    pass_all(NET_TCP, NET_TCP);
}

/* ---- what has no answer ------------------------------ */

static void an_ack_goes_through_once(void)
{
    struct span sent, got;

    hop_begin(NET_UDP);
    sent = wire_text("ACK sip:bob@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack\n"
                     "Max-Forwards: 70\nRoute: <sip:192.0.2.2;lr>\nRoute: <sip:q.example;lr>\n"
                     "From: <sip:alice@home.example>;tag=a\nTo: <sip:bob@home.example>;tag=b\n"
                     "Call-ID: ack\nCSeq: 1 ACK\nContent-Length: ?\n\n");
    party_say(&hop.caller, sent);
    hop_run(5000);
    got = party_hears(&hop.callee);
    must_be("ACK", hop_forwards(sent, got), got);
    CU_ASSERT_PTR_NULL(party_hears(&hop.callee).p);
    CU_ASSERT_PTR_NULL(party_hears(&hop.caller).p);
    CU_ASSERT_EQUAL(sip_layer_servers(hop.l), 0);
    hop_end();
}

/* RFC 3581: what the sender wrote about himself does not survive. */
static void a_forged_source_is_put_right(void)
{
    struct span got;

    hop_begin(NET_UDP);
    party_say(&hop.caller,
              wire_text("OPTIONS sip:bob@192.0.2.9 SIP/2.0\n"
                        "Via: SIP/2.0/UDP ue.example;received=203.0.113.9;rport=9;branch=z9hG4bKf\n"
                        "Max-Forwards: 70\nFrom: <sip:alice@home.example>;tag=a\n"
                        "To: <sip:bob@home.example>\nCall-ID: forged\nCSeq: 1 OPTIONS\nl: ?\n\n"));
    hop_run(20);
    got = party_hears(&hop.callee);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.p);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        got.p,
        "\r\nVia: SIP/2.0/UDP ue.example;rport=5060;received=192.0.2.1;branch=z9hG4bKf\r\n"));
    CU_ASSERT_PTR_NULL(strstr(got.p, "203.0.113.9"));
    /* A line of nothing but white space would look like the end of the headers to some. */
    party_say(&hop.caller,
              wire_text("OPTIONS sip:bob@192.0.2.9 SIP/2.0\n"
                        "Via: SIP/2.0/UDP ue.example;branch=z9hG4bKg\n \t;received=203.0.113.9\n"
                        "Max-Forwards: 70\nFrom: <sip:alice@home.example>;tag=a\n"
                        "To: <sip:bob@home.example>\nCall-ID: folded\nCSeq: 1 OPTIONS\nl: ?\n\n"));
    hop_run(20);
    got = party_hears(&hop.callee);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.p);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "ue.example;branch=z9hG4bKg;received=192.0.2.1\r\nMax"));
    hop_end();
}

TEST_MAIN("flow/proxy/pass", {"from udp to udp", udp_to_udp}, {"from udp to tcp", udp_to_tcp},
          {"from tcp to udp", tcp_to_udp}, {"from tcp to tcp", tcp_to_tcp},
          {"an ACK goes through once", an_ack_goes_through_once},
          {"a forged source is put right", a_forged_source_is_put_right})
