/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every message of RFC 4475 and RFC 5118, made anew from its description, and what experience with
 * parsers added to them, through a proxy hop: over UDP and over TCP. Each goes on byte for byte but
 * for what a proxy must change, is answered, or is dropped and counted. What a registrar makes of
 * them is in tests/flow/scscf/register_test.c. */
#include <stdio.h>

#include "tests/flow/proxy/hop.h"
#include "tests/support/odd.h"

#define SDP                                                                                        \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                    \
    "m=audio 30000 RTP/AVP 0\r\n"
#define IS_SDP     "Content-Type: application/sdp"
#define TIMES_5(s) s s s s s
#define LONG_5(s)  TIMES_5(TIMES_5(s))

/* ---- RFC 4475 ---------------------------------------------------------------------------------- */

static const struct odd rfc4475[] = {
    {"3.1.1.1 a short tortuous INVITE", GOOD, .start = "INVITE sip:bob@home.example;odd SIP/2.0",
     .to = "TO :\r\n sip:bob@home.example ;   tag    = 19181n",
     .from = "from   : \"A Caller \\\\\\\"\"       <sip:alice@home.example>\r\n  ;\r\n  tag = 98a",
     .hops = "MaX-fOrWaRdS: 0068", .cseq = "cseq: 0009\r\n  INVITE",
     .via = "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.1;branch=390skdjuw",
     .more =
         "s :\r\nNewHeader:   new value\r\n continued new value\r\nUnusualValue: ;;,,;;,;\r\n"
         "Content-Type: application/sdp\r\n"
         "Route:\r\n <sip:services.example;lr;with=value;without>\r\n"
         "v:  SIP  / 2.0  / TCP     one.example   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
         " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
         "m:\"Quoted \\\"\\\"\" <sip:alice@ue.example> ; new =\r\n      value ;\r\n  second ; q = "
         "0.33",
     .length = "Content-Length   : 88", .body = SDP},
    {"3.1.1.2 a wide range of valid characters", GOOD,
     .start = "!odd-Method0189_*+`.%indeed'~ sip:1_odd~(to-be!sure)&isn't+it$/odd?,/;;*:&it+has=1,"
              "odd!*pas$wo~d(doesn't-it)@home.example SIP/2.0",
     .via = "Via: SIP/2.0/TCP ue.example;branch=z9hG4bK-.!%66*_+`'~",
     .to = "To: \"BEL:\\\x07 NUL:\\" ODD_NUL " DEL:\\\x7f\" <sip:1_odd~(to-be!sure)&isn't+it$/odd?"
           ",/;;*@home.example>",
     .from = "From: token1~` token2'+_ token3*%!.- <sip:alice@home.example>;param''~+*_!.-%="
             "\"\xd1\x80\xd0\xb0\xd0\xb1\xd0\xbe\xd1\x82\xd0\xb0\";tag=_token~1'+`*%!-.",
     .call_id = "Call-ID: odd.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
     .cseq = "CSeq: 139122385 !odd-Method0189_*+`.%indeed'~", .hops = "Max-Forwards: 255",
     .more = "extension-!.%*+_`'~:\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c"},
    {"3.1.1.3 escapes where they are escapes", GOOD,
     .start = "INVITE sip:sips%3Abob%40home.example@gw.example SIP/2.0", .cseq = "CSeq: 1 INVITE",
     .to = "To: sip:%62o%62@home.example", .from = "From: <sip:I%20have%20s@ue.example>;tag=938",
     .more = "C: application/sdp\r\nContact:\r\n  <sip:al%69ce@ue.example;%6C%72;n%61me=v%61%25%34"
             "%31>",
     .body = SDP},
    {"3.1.1.4 escaped NULs in URIs", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .to = "To: sip:null-%00-null@home.example",
     .from = "From: sip:null-%00-null@home.example;tag=8", .cseq = "CSeq: 14398234 REGISTER",
     .more = "Contact: <sip:%00@ue.example>\r\nContact: <sip:%00%00@ue.example>", .length = "L:0"},
    {"3.1.1.5 % where it is no escape", GOOD, .start = "RE%47IST%45R sip:registrar.example SIP/2.0",
     .to = "To: \"%Z%45\" <sip:bob@home.example>",
     .from = "From: \"%Z%45\" <sip:bob@home.example>;tag=f2",
     .via = "Via: SIP/2.0/TCP ue.example;branch=z9hG4bK209%fzsnel234",
     .cseq = "CSeq: 2 RE%47IST%45R",
     .more = "Contact: <sip:one@ue.example>\r\nC%6Fntact: <sip:two@ue.example>\r\n"
             "Contact: <sip:three@ue.example>"},
    {"3.1.1.6 no space between display name and <", GOOD,
     .from = "From: alice<sip:alice@home.example>;tag=323"},
    {"3.1.1.7 long values", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .to = "To: \"A name of " LONG_5("extreme") " length\"<sip:bob@home.example:6000;unknown="
                                                "very" LONG_5("long") "value;" LONG_5(
                                                    "name") "=short;very" LONG_5("long") "NameWitho"
                                                                                         "utValue>",
     .from = "F: sip:" LONG_5("amazinglylong") "@ue.example;tag=12" LONG_5("982") LONG_5(
         "982") "424"
                ";unknown" LONG_5("name") "=unknown" LONG_5("value") ";without" LONG_5("name"),
     .call_id = "Call-ID: one" LONG_5("really") "longcallid", .cseq = "CSeq: 3882340 INVITE",
     .via = "Via: SIP/2.0/TCP s33.example\r\nv: SIP/2.0/TCP s32.example\r\nV: SIP/2.0/TCP "
            "s31.example\r\nViA: SIP/2.0/TCP s29.example\r\nV :  SIP/2.0/TCP s22.example\r\nv  : "
            "SIP/2.0/TCP s19.example\r\nVia  : SIP/2.0/TCP s17.example\r\nVia: SIP/2.0/TCP "
            "ue.example;received=192.0.2.5;branch=very" LONG_5("long") LONG_5("long") "branchvalue",
     .more = "Unknown-" LONG_5("Long") "-Name: unknown-" LONG_5("long") "-value; unknown-" LONG_5(
         "long") "-name = " LONG_5("long") "\r\nContact: <sip:" LONG_5("amazinglylong") "@ue."
                                                                                        "example>"
                                                                                        "\r"
                                                                                        "\n" IS_SDP,
     .body = SDP},
    {"3.1.1.8 extra octets behind the message in a datagram", GOOD,
     .start = "REGISTER sip:home.example SIP/2.0", .cseq = "CSeq: 8 REGISTER",
     .behind = "INVITE sip:bob@home.example SIP/2.0\r\nt: sip:bob@home.example\r\nm =audio"},
    {"3.1.1.9 parameters in the user part", GOOD,
     .start = "OPTIONS sip:bob;par=u%40elsewhere.example@home.example SIP/2.0",
     .more = "Accept: application/sdp, application/pkcs7-mime,\r\n        multipart/mixed"},
    {"3.1.1.10 varied and unknown transports", GOOD,
     .via = "Via: SIP/2.0/UDP t1.example;branch=z9hG4bKa\r\nVia: SIP/2.0/SCTP t2.example;branch="
            "z9hG4bKb\r\nVia: SIP/2.0/TLS t3.example;branch=z9hG4bKc\r\nVia: SIP/2.0/UNKNOWN "
            "t4.example;branch=z9hG4bKd\r\nVia: SIP/2.0/TCP t5.example;branch=z9hG4bKe"},
    {"3.1.1.11 a binary part in a multipart body", GOOD,
     .start = "MESSAGE sip:bob@home.example SIP/2.0", .cseq = "CSeq: 1 MESSAGE",
     .more = "Route: <sip:192.0.2.77:5080>\r\nIdentity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7="
             "\r\nContent-Transfer-Encoding: binary\r\nContent-Type: multipart/mixed;boundary=7a9c",
     .body =
         "--7a9c\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello"
         "\r\n--7a9c\r\nContent-Type: application/octet-stream\r\n\r\n0\x82\x01R\x06\t*\x86" ODD_NUL
         "\xff\r\n" ODD_NUL ODD_NUL "\n\r\x7f\r\n--7a9c--\r\n"},
    {"3.1.1.12 an unusual reason phrase", GOOD,
     .start = "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe - \xd0\xbf",
     .more = IS_SDP, .body = SDP},
    {"3.1.1.13 an empty reason phrase", GOOD, .start = "SIP/2.0 200 "},

    {"3.1.2.1 separators without anything to separate", 400,
     .via = "Via: SIP/2.0/UDP 192.0.2.1;;,;,,",
     .more = "Contact: \"Joe\" <sip:joe@home.example>;;;;"},
    {"3.1.2.2 a Content-Length larger than the message", 400, .more = IS_SDP,
     .length = "Content-Length: 9999", .body = SDP, .stream = ODD_WAITS},
    {"3.1.2.3 a negative Content-Length", 400, .more = IS_SDP, .length = "Content-Length: -999",
     .body = SDP, .stream = ODD_CLOSES},
    {"3.1.2.3 a Content-Length that is no number", 400, .length = "Content-Length: four",
     .body = "four", .stream = ODD_CLOSES},
    {"3.1.2.4 numbers too large in a request", 400, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 36893488147419103232 REGISTER", .hops = "Max-Forwards: 300",
     .more = "Expires: 1" LONG_5("0000") "\r\nContact: <sip:alice@ue.example>\r\n  ;expires=280297"
                                         "596632815"},
    {"3.1.2.5 numbers too large in a response", DROP, .start = "SIP/2.0 503 Service Unavailable",
     .cseq = "CSeq: 9292394834772304023312 OPTIONS",
     .more = "Retry-After: 949302838503028349304023988\r\nWarning: 1812 overture \"In Progress\""},
    {"3.1.2.6 a quote that does not end", 400, .to = "To: \"Mr. B. <sip:bob@home.example>"},
    {"3.1.2.7 <> around the Request-URI", 400, .start = "OPTIONS <sip:bob@home.example> SIP/2.0"},
    {"3.1.2.8 white space in the Request-URI", 400,
     .start = "OPTIONS sip:bob@home.example; lr SIP/2.0"},
    {"3.1.2.9 more than one space in the start line", 400,
     .start = "OPTIONS  sip:bob@home.example  SIP/2.0"},
    {"3.1.2.10 spaces behind the start line", 400,
     .start = "OPTIONS sip:bob@home.example SIP/2.0  "},
    {"3.1.2.11 headers in the Request-URI", 400,
     .start = "OPTIONS sip:bob@home.example?Route=%3Csip:home.example%3E SIP/2.0"},
    {"3.1.2.12 a Date of another zone", GOOD, .more = "Date: Fri, 01 Jan 2038 16:00:00 EST"},
    {"3.1.2.13 a URI with headers without its <>", 400,
     .more = "Contact: sip:alice@ue.example?Route=%3Csip:x.example%3E"},
    {"3.1.2.14 spaces within a URI", 400, .to = "To: \"Bob, B.\" < sip:bob@home.example >"},
    {"3.1.2.15 a comma in a display name without quotes", 400,
     .from = "From:    Caller, Alice <sip:alice@home.example>;tag=43",
     .to = "To:      Callee, Bob <sip:bob@home.example>"},
    {"3.1.2.16 a protocol to come", 505, .start = "OPTIONS sip:bob@home.example SIP/7.0"},
    {"3.1.2.17 the CSeq of another method", 400, .cseq = "CSeq: 8 INVITE"},
    {"3.1.2.18 the CSeq of another method than an unknown one", 501,
     .start = "NEWMETHOD sip:bob@home.example SIP/2.0", .cseq = "CSeq: 8 INVITE"},
    {"3.1.2.19 a status out of this world", DROP, .start = "SIP/2.0 4294967301 better not"},

    {"3.2.1 a branch that is no more than the cookie", 400,
     .via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"},

    {"3.3.1 neither Call-ID nor From nor To", 400, .call_id = "", .from = "", .to = "",
     .more = IS_SDP, .body = SDP},
    {"3.3.2 an unknown scheme in the Request-URI", 416,
     .start = "OPTIONS nobodyKnowsThis:totally-opaque SIP/2.0"},
    {"3.3.3 a scheme that is for others", 416,
     .start = "OPTIONS soap.odd://192.0.2.103:3002 SIP/2.0"},
    {"3.3.4 unknown schemes in headers", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 2 REGISTER", .to = "To: isbn:2983792873",
     .from = "From: <http://www.home.example>;tag=32", .more = "Contact: <name:Alice_A>"},
    {"3.3.5 options nobody supports", 420,
     .more = "Require: nothingThis, norThat\r\nProxy-Require: noProxyThis, norAnyThat"},
    {"3.3.6 a body of unknown type", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .cseq = "CSeq: 2 INVITE", .more = "Content-Type: application/unknown",
     .body = "<audio>\r\n <pcmu port=\"443\"/>\r\n</audio>\r\n"},
    {"3.3.7 authorization by an unknown scheme", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 9 REGISTER", .more = "Authorization: NoOneKnowsThis opaque-data=here",
     .length = "Content-Length:0"},
    {"3.3.8 several values where one is due", 400,
     .more = "CSeq: 59 OPTIONS\r\nCall-ID: another\r\nTo: sip:other@home.example\r\n"
             "From: sip:caller@home.example;tag=29\r\nMax-Forwards: 5"},
    {"3.3.9 two Content-Lengths", 400, .length = "Content-Length: 13\r\nContent-Length: 5",
     .body = "Nobody can know how many of these octets belong here.\r\n", .stream = ODD_CLOSES},
    {"3.3.10 a response that would go to everybody", DROP, .start = "SIP/2.0 200 OK",
     .via = "Via: " ODD_VIA "\r\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKq1w2"},
    {"3.3.11 no hop left", 483, .hops = "Max-Forwards: 0"},
    {"3.3.12 an unknown parameter of a Contact", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 2 REGISTER", .more = "Contact: sip:+12015550@gw.example;unknown"},
    {"3.3.13 an unknown parameter of a URI", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 3 REGISTER", .more = "Contact: <sip:+12015550@gw.example;unknown>"},
    {"3.3.14 headers in a Contact", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 4 REGISTER", .more = "M: <sip:alice@ue.example?Route=%3Csip:x.example%3E>",
     .length = "L:0"},
    {"3.3.15 an Accept nobody can satisfy", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .cseq = "CSeq: 8 INVITE", .more = "Accept: text/nobodyKnowsThis\r\n" IS_SDP, .body = SDP},

    {"3.4.1 an INVITE of RFC 2543", GOOD, .start = "INVITE sip:UserB@home.example SIP/2.0",
     .via = "Via: SIP/2.0/UDP gw.example", .hops = "", .cseq = "CSeq: 56 INVITE",
     .from = "From: <sip:+12015551@gw.example;user=phone>",
     .to = "To: sip:+12015552@home.example;user=phone",
     .more = "Record-Route: <sip:UserB@home.example;maddr=ss1.example>\r\n" IS_SDP, .length = "",
     .body = SDP, .verdict_stream = 400, .stream = ODD_CLOSES},
};

/* ---- RFC 5118 ---------------------------------------------------------------------------------- */

#define SDP_6                                                                                      \
    "v=0\r\no=a 97 0 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n"             \
    "m=audio 6000 RTP/AVP 2\r\nm=video 6024 RTP/AVP 107\r\n"

static const struct odd rfc5118[] = {
    {"4.1 an address in brackets", GOOD, .start = "REGISTER sip:[2001:db8::53] SIP/2.0",
     .cseq = "CSeq: 9 REGISTER", .via = "Via: SIP/2.0/UDP [2001:db8::7:1];branch=z9hG4bKas3-1",
     .more = "Contact: \"Caller\" <sip:alice@[2001:db8::7]>"},
    {"4.2 an address without brackets", 400, .start = "REGISTER sip:2001:db8::53 SIP/2.0",
     .cseq = "CSeq: 9 REGISTER"},
    {"4.3 a port that has become part of the address", GOOD,
     .start = "REGISTER sip:[2001:db8::53:5070] SIP/2.0", .cseq = "CSeq: 9 REGISTER"},
    {"4.4 a port behind the address", GOOD, .start = "REGISTER sip:[2001:db8::53]:5070 SIP/2.0",
     .cseq = "CSeq: 9 REGISTER"},
    {"4.5 received with brackets", GOOD, .start = "BYE sip:[2001:db8::53] SIP/2.0",
     .cseq = "CSeq: 3 BYE",
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1];received=[2001:db8::7:ff];branch=z9hG4bKas3-2"},
    {"4.5 received without brackets", GOOD,
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1];received=2001:db8::7:ff;branch=z9hG4bKas3-3"},
    {"4.6 addresses in a session description", GOOD,
     .start = "INVITE sip:bob@[2001:db8::53] SIP/2.0", .to = "To: sip:bob@[2001:db8::53]",
     .cseq = "CSeq: 8 INVITE", .via = "Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-4",
     .more = "Contact: <sip:alice@[2001:db8::20]>\r\n" IS_SDP, .body = SDP_6},
    {"4.7 addresses of both families in Via", GOOD, .start = "BYE sip:bob@host.example SIP/2.0",
     .cseq = "CSeq: 4 BYE",
     .via = "Via: SIP/2.0/UDP [2001:db8::7:1]:5060;branch=z9hG4bKas3-5\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKas3-6\r\n"
            "Via: SIP/2.0/TCP [2001:db8::7:ff];branch=z9hG4bKas3-7;received=192.0.2.200"},
    {"4.8 addresses of both families in a session description", GOOD,
     .start = "INVITE sip:bob@[2001:db8::53] SIP/2.0", .cseq = "CSeq: 9 INVITE", .more = IS_SDP,
     .body =
         "v=0\r\no=b 2 2 IN IP4 host.example\r\ns=\r\nt=0 0\r\nm=audio 22 RTP/AVP 0\r\nc=IN IP4 "
         "192.0.2.1\r\nm=video 60 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n"},
    {"4.9 IPv4 mapped into IPv6", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .cseq = "CSeq: 6 INVITE",
     .via = "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:5060;branch=z9hG4bKbh19\r\n"
            "Via: SIP/2.0/UDP [::ffff:192.0.2.9];branch=z9hG4bKas3-8",
     .more = "Contact: \"T. desk\" <sip:alice@[::ffff:192.0.2.9]>\r\n" IS_SDP,
     .body =
         "v=0\r\no=a 9 0 IN IP6 ::ffff:192.0.2.9\r\ns=-\r\nc=IN IP6 ::ffff:192.0.2.9\r\nt=0 0\r\n"},
    {"4.10 three colons, as the grammar of RFC 3261 has it", GOOD,
     .start = "OPTIONS sip:bob@[2001:db8:::192.0.2.1] SIP/2.0",
     .to = "To: sip:bob@[2001:db8:::192.0.2.1]"},
    {"4.10 two colons, as it is meant", GOOD,
     .start = "OPTIONS sip:bob@[2001:db8::192.0.2.1] SIP/2.0",
     .to = "To: sip:bob@[2001:db8::192.0.2.1]"},
};

/* ---- what others get wrong ----------------------------------------------------------------------- */

static const struct odd ours[] = {
    {"a NUL that would end the headers", 400, .more = ODD_NUL "X: y"},
    {"a NUL within a value", 400, .more = "X: y" ODD_NUL "z"},
    {"a quoted NUL among UTF-8", GOOD,
     .from = "From: \"\xc3\xa9\\" ODD_NUL "\" <sip:a@b.example>;tag=1"},
    {"no empty line", 400, .end = "", .stream = ODD_WAITS},
    {"a status without a space behind it", GOOD, .start = "SIP/2.0 200"},
    {"a status of five digits", DROP, .start = "SIP/2.0 99999 x"},
    {"a status with letters", DROP, .start = "SIP/2.0 200abc x"},
    {"a status of another version", DROP, .start = "SIP/7.0 200 OK"},
    {"a length in hex", 400, .length = "l: 0x4", .body = "four", .stream = ODD_CLOSES},
    {"a length with a sign", 400, .length = "l: +4", .body = "four", .stream = ODD_CLOSES},
    {"a length of two numbers", 400, .length = "l: 4 4", .body = "four", .stream = ODD_CLOSES},
    {"a length that wraps at 32 bits", 400, .length = "l: 4294967300", .body = "four",
     .stream = ODD_CLOSES},
    {"a length that wraps at 64 bits", 400, .length = "l: 18446744073709551620", .body = "four",
     .stream = ODD_CLOSES},
    {"a body without a type", GOOD, .body = "four"},
    {"a body with LF only", GOOD, .more = IS_SDP,
     .body = "v=0\no=- 1 1 IN IP4 1.1.1.1\nm=audio 1 X\n"},
    {"an escaped NUL in an identity", GOOD, .from = "From: <sip:alice%00evil@home.example>;tag=1"},
    {"a broken escape", 400, .from = "From: <sip:al%zzice@home.example>;tag=1"},
    {"loose routes as phones write them", GOOD,
     .more = "Route: <sip:p1.example;;lr>\r\nRoute: <sip:p2.example;lr=>,<sip:p3.example;LR=on>"},
    {"a Route that is none", 400, .more = "Route: garbage\r\nRoute: <sip:p2.example;lr>"},
    {"a short Route", GOOD, .more = "Route: <sip:h>"},
    {"auts, and empty values", GOOD, .start = "REGISTER sip:home.example SIP/2.0",
     .cseq = "CSeq: 1 REGISTER",
     .more =
         "Authorization: Digest username=\"u@r\",nonce=\"\",response=\"\",auts=\"QUJDRUZHSEpLTU4="
         "\",integrity-protected=\"yes\""},
    {"keys in a challenge", GOOD, .start = "SIP/2.0 401 Unauthorized",
     .more = "WWW-Authenticate: Digest realm=\"r\",nonce=\"n==\",ck=\"00112233\",ik=\"ffee\",qop=\""
             "auth,auth-int\""},
    {"a port of 70000", 400, .start = "OPTIONS sip:bob@home.example:70000 SIP/2.0"},
    {"a CSeq of 2**33", 400, .cseq = "CSeq: 8589934592 OPTIONS"},
    {"a negative CSeq", 400, .cseq = "CSeq: -1 OPTIONS"},
    {"two Max-Forwards", 400, .more = "Max-Forwards: 5"},
    {"a Max-Forwards of 300", 400, .hops = "Max-Forwards: 300"},
    {"preamble, epilogue, empty parts and parts without headers", GOOD,
     .more = "Content-Type: multipart/mixed;boundary=b1",
     .body =
         "pre\r\n--b1\r\nContent-Type: a/b;\r\n x=y\r\n\r\n\r\n--b1\r\n\r\nno headers\r\n--b1--\r\n"
         "epilogue\r\n"},
    {"a display name in UTF-8 without quotes", GOOD,
     .from = "From: J\xc3\xbcrgen <sip:a@home.example>;tag=1"},
    {"numbers in From and To", GOOD, .from = "From: <tel:+15551234;phone-context=x>;tag=1",
     .to = "To: <tel:+15559999>"},
    {"a folded header", GOOD, .more = "X-A: one\r\n two\r\n\tthree"},
    {"every compact form", GOOD, .start = "INVITE sip:bob@home.example SIP/2.0",
     .via = "v: SIP/2.0/UDP ue.example;branch=z9hG4bK1", .from = "f: <sip:a@home.example>;tag=1",
     .to = "t: <sip:bob@home.example>", .call_id = "i: x", .cseq = "CSeq: 1 INVITE",
     .more =
         "m: <sip:a@ue.example>\r\nk: path,gruu\r\no: reg\r\nu: reg\r\nr: <sip:z@z.example>\r\nb: "
         "<sip:q@q.example>\r\nx: 1800\r\na: *\r\nj: *\r\nd: proxy\r\ns: subject\r\ne: gzip\r\nc: "
         "a/b",
     .length = "l: 4", .body = "four"},
    {"a line break within the start line", DROP,
     .start = "X\r\nOPTIONS sip:bob@home.example SIP/2.0"},
    {"a line that ends in LF", 400, .more = "X: y\nZ: z", .stream = ODD_CLOSES},
    {"a CR within a line", 400, .more = "X: y\rZ: z"},
    {"no protocol", DROP, .start = "OPTIONS sip:bob@home.example"},
};

/* ---- through the hop --------------------------------------------------------------------------- */

static char text[16384];

static void say(struct party *p, enum net_proto proto, struct span bytes)
{
    if (proto == NET_TCP)
        party_say_tcp(p, bytes);
    else
        party_say(p, bytes);
    hop_run(20);
}

/* Status of what the caller has heard; 0 = nothing, or no response. */
static unsigned caller_status(void)
{
    struct span got = party_hears(&hop.caller);
    uint64_t status = 0;

    if (span_starts(got, SPAN("SIP/2.0 ")))
        (void)span_u64(span_sub(got, 8, 11), 999, &status); /* else 0 */
    return (unsigned)status;
}

static bool counted(uint64_t dropped)
{
    struct tally t = hop_tally();

    return t.dropped == dropped && t.answered + t.dropped + t.taken == t.received;
}

/* NULL, or what went wrong. */
static const char *judge_request(const struct odd *o, enum net_proto proto, unsigned verdict)
{
    struct odd own = *o;
    struct span sent, got;
    unsigned status;

    say(&hop.caller, proto, odd_write(o, NULL, text, sizeof(text)));
    status = caller_status();
    got = party_hears(&hop.callee);
    if (verdict != GOOD)
        return got.p ? "forwarded" : status != verdict ? "another answer" : NULL;
    if (status)
        return "refused";
    own.behind = NULL;
    sent = odd_write(&own, NULL, text, sizeof(text));
    return span_eq(hop_forwards(sent, got), got) ? NULL : "a hop changes more than it must";
}

/* A response to a request that is on its way. */
static const char *judge_response(const struct odd *o, enum net_proto proto)
{
    static const struct odd request = {"the request", GOOD,
                                       .via = "Via: SIP/2.0/UDP 192.0.2.1;"
                                              "branch=z9hG4bKq1w2"};
    static char room[16384];
    char via[200] = "";
    struct span sent, got;
    const char *at;

    say(&hop.caller, NET_UDP, odd_write(&request, NULL, text, sizeof(text)));
    got = party_hears(&hop.callee);
    at = got.p ? strstr(got.p, "\r\nVia: ") : NULL;
    if (!at)
        return "no request";
    snprintf(via, sizeof(via), "%.*s", (int)strcspn(at + 7, "\r"), at + 7);
    sent = odd_write(o, via, room, sizeof(room));
    say(&hop.callee, proto, sent);
    got = party_hears(&hop.caller);
    if (o->verdict == DROP)
        return got.p ? "passed" : counted(1) ? NULL : "not counted";
    return span_eq(hop_returns(sent), got) ? NULL : "a hop changes more than it must";
}

static const char *judge_stream_end(const struct odd *o)
{
    if (o->stream == ODD_CLOSES)
        return hop.caller.tcp_closed ? NULL : "still connected";
    if (hop.caller.tcp_closed)
        return "closed at once";
    hop_run(15 * 1000);
    return hop.caller.tcp_closed ? NULL : "waits for ever";
}

static void judge(const struct odd *o, enum net_proto proto)
{
    bool response = o->start && strncmp(o->start, "SIP/", 4) == 0;
    unsigned verdict = proto == NET_TCP && o->verdict_stream ? o->verdict_stream : o->verdict;
    const char *wrong;

    if (proto == NET_TCP && o->stream == ODD_WAITS)
        verdict = DROP;
    hop_begin(proto);
    wrong = response ? judge_response(o, proto) : judge_request(o, proto, verdict);
    if (!wrong && proto == NET_UDP && !counted(o->verdict == DROP))
        wrong = "not counted once";
    if (!wrong && proto == NET_TCP && o->stream != ODD_SAME)
        wrong = judge_stream_end(o);
    if (wrong)
        fprintf(stderr, "%s over %s: %s\n", o->name, proto == NET_TCP ? "TCP" : "UDP", wrong);
    CU_ASSERT_PTR_NULL(wrong);
    hop_end();
}

static void judge_all(const struct odd *rows, size_t n, enum net_proto proto)
{
    for (size_t i = 0; i < n; i++) {
        if (proto == NET_UDP || !rows[i].behind) /* over a stream that is the next message */
            judge(&rows[i], proto);
    }
}

static void rfc4475_over_udp(void)
{
    judge_all(rfc4475, ARRAY_LEN(rfc4475), NET_UDP);
}
static void rfc4475_over_tcp(void)
{
    judge_all(rfc4475, ARRAY_LEN(rfc4475), NET_TCP);
}
/* RFC 4475 3.3.5: what a proxy does not understand of Proxy-Require, and nothing of Require. */
static void what_is_not_understood_is_listed(void)
{
    static const struct odd o = {.name = "several options",
                                 .more = "Require: nothingThis\r\nProxy-Require: noProxyThis,"
                                         "sec-agree\r\nProxy-Require: norAnyThat"};
    struct span got;

    hop_begin(NET_UDP);
    say(&hop.caller, NET_UDP, odd_write(&o, NULL, text, sizeof(text)));
    got = party_hears(&hop.caller);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.p);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "SIP/2.0 420 Bad Extension\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(got.p, "\r\nUnsupported: noProxyThis, norAnyThat\r\n"));
    hop_end();
}

static void rfc5118_over_udp(void)
{
    judge_all(rfc5118, ARRAY_LEN(rfc5118), NET_UDP);
}
static void rfc5118_over_tcp(void)
{
    judge_all(rfc5118, ARRAY_LEN(rfc5118), NET_TCP);
}

static void ours_over_udp(void)
{
    judge_all(ours, ARRAY_LEN(ours), NET_UDP);
}
static void ours_over_tcp(void)
{
    judge_all(ours, ARRAY_LEN(ours), NET_TCP);
}

TEST_MAIN("flow/proxy/torture", {"RFC 4475 over UDP", rfc4475_over_udp},
          {"RFC 4475 over TCP", rfc4475_over_tcp}, {"RFC 5118 over UDP", rfc5118_over_udp},
          {"RFC 5118 over TCP", rfc5118_over_tcp},
          {"what others get wrong over UDP", ours_over_udp},
          {"what others get wrong over TCP", ours_over_tcp},
          {"what is not understood is listed", what_is_not_understood_is_listed})
