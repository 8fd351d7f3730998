/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a P-CSCF changes of a message, byte for byte, and what it refuses; the odd ways phones write are
 * all here. REGISTER is in register_test.c. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/flow/pcscf/difference.h"

static void without_media(struct core_options *o)
{
    o->media.edge = (struct addr){0};
}

static void open_with_alice(void)
{
    world_open(without_media);
    phone_is_registered(&w.alice);
    snprintf(difference_path, sizeof(difference_path), "%s", w.alice.path);
}

/* ---- from the phone ---------------------------------------------------------------------------- */

static const struct message from_phone[] = {
    {"INVITE in compact form with everything folded that can be",
     " INVITE sip:030123;phone-context=" DOMAIN "@" DOMAIN ";user=phone SIP/2.0\n" OWN_VIA
     "-v: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK-524287-1---b67029;rport;keep;transport=UDP\n"
     "+v: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK-524287-1---b67029;"
     "rport=31000;received=192.0.2.7;keep;transport=UDP\n" RECORD_ROUTE "-max-forwards : 0070\n"
     "+max-forwards : 69\n"
     "-Route: <sip:192.0.2.10:5062;lr>\n"
     " Route: <sip:orig@192.0.2.20:6060;lr>\n"
     "-Proxy-Require: sec-agree\n"
     "-Require:precondition ,sec-agree\n"
     "+Require:precondition\n"
     " m: <sip:alice@192.0.2.7:31001>;+sip.instance=\"<urn:gsma:imei:35000000-000001-0>\";\n"
     "  +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";\n"
     " \t+g.3gpp.mid-call;video\n"
     " t: <sip:030123;phone-context=" DOMAIN "@" DOMAIN ";user=phone>\n"
     " f: \"Al\\\"ice, at home\" <tel:+10015550001>;tag=7b3fae13\n"
     " i: TF0lR-e_t0o7Jp-w5kq58A..@192.0.2.7\n"
     " CSeq: 1 INVITE\n"
     " x: 1800;refresher=uac\n"
     " Accept: application/sdp, application/3gpp-ims+xml\n"
     " ALLOW: INVITE, ACK,OPTIONS ,CANCEL, BYE,, UPDATE\n"
     " allow: PRACK,\n"
     "  MESSAGE\n"
     " c: multipart/mixed;boundary=\"a b\"\n"
     "-k: timer, 100rel,precondition,  gruu,sec-agree\n"
     "+k: timer, 100rel,precondition,  gruu,sec-agree\n"
     " Supported:\n"
     "-Security-Verify: " SECURITY_VERIFY(
         "\n- ") "\n"
                 "-P-Preferred-Identity: <sip:alice@" DOMAIN ">\n"
                 "-P-Asserted-Identity: <sip:mallory@" DOMAIN ">\n" ASSERTED " Accept-Contact: "
                 "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\"\n"
                 " a: *;+g.3gpp.iari-ref=\"x\" ; explicit\n"
                 " P-Early-Media: supported\n"
                 " P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel\n"
                 "-P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=001010001000019b;"
                 "local-time-zone=\"+01:00\";daylight-saving-time=1, "
                 "IEEE-802.11;i-wlan-node-id=00112233aabb;\n"
                 "- network-provided , VIRTUAL;x=\"a,b;c\"\n"
                 "+P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=001010001000019b;"
                 "local-time-zone=\"+01:00\";daylight-saving-time=1 , VIRTUAL;x=\"a,b;c\"\n"
                 " User-Agent: Phone/1.0 (;;,\"\n"
                 " X-Nobody.Knows!%_+`'~: ;;,,;,;\n"
                 " Subject :\t \n"
                 " l :  ?\n" VECTOR " \n"
                 " --a b\n"
                 " Content-Type: application/sdp\n"
                 " \n"
                 " v=0\n"
                 " --a b\n"
                 " \n"
                 " \xff\xfe no header\n"
                 " --a b--\n"},
    {"MESSAGE with octets and without hops, in which the order is ours",
     " MESSAGE tel:+49-30-1;phone-context=x SIP/2.0\n"
     " CSeq:\n"
     "  1 MESSAGE\n"
     " TO:<tel:+49301>\n"
     " From:<sip:alice@" DOMAIN ">;tag=m\n"
     "-Security-Verify:" SECURITY_VERIFY(
         "") "\n"
             " Route :   <sip:orig@192.0.2.20:6060;lr>\n"
             " Call-ID:1\n" OWN_VIA "-VIA:SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKm\n"
             "+VIA:SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKm\n"
             " Content-Type: application/vnd.3gpp.sms\n"
             " Content-Length:?\n"
             "-P-Preferred-Identity: \"x\" <tel:+1(001)555.0001>\n"
             "+P-Asserted-Identity: <tel:+10015550001>\n" VECTOR "+Max-Forwards: 70\n"
             " \n"
             " \xff"
             "1\r\xff"},
    {"SUBSCRIBE whose options leave nothing, or something in between",
     " SUBSCRIBE sip:alice@" DOMAIN " SIP/2.0\n" OWN_VIA
     " Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKs\n" RECORD_ROUTE "-Max-Forwards: 255\n"
     "+Max-Forwards: 254\n"
     "-Route: <sip:192.0.2.10:5062;lr>,<sip:orig@192.0.2.20:6060;lr>\n"
     "+Route: <sip:orig@192.0.2.20:6060;lr>\n"
     " From: <sip:alice@" DOMAIN ">;tag=s\n"
     " To: sip:alice@" DOMAIN "\n"
     " Call-ID: s\n"
     " CSeq: 2147483647 SUBSCRIBE\n"
     "-Require: eventlist\t,\tsec-agree,\n"
     "-  gruu\n"
     "+Require: eventlist,\n"
     "+  gruu\n"
     "-Proxy-Require: SEC-Agree\n"
     " o: reg\n"
     " u: reg,presence\n"
     " Expires: 600000\n"
     " Contact: sip:alice@192.0.2.7:31001\n"
     "-P-Charging-Vector: icid-value=forged\n" VECTOR "-P-Charging-Function-Addresses: ccf=1\n"
     "-p-visited-network-id: other\n"
     "-P-Asserted-Service: urn:urn-7:a, urn:urn-7:b\n"
     "-P-Media-Authorization: 00\n"
     "-p-profile-KEY : x\n"
     "-P-Private-Network-Indication: x\n"
     "-P-User-Database: x\n"
     "-Restoration-Info: x\n"
     "-Relayed-Charge: x\n"
     "-Resource-Share: x\n"
     "-Service-Interact-Info: x\n"
     "-Cellular-Network-Info: x\n"
     "-Response-Source: x\n"
     "-Attestation-Info: x\n"
     "-Origination-Id: x\n"
     "-Additional-Identity: x\n"
     " Content-Length: ?\n" ASSERTED " \n"},
};

static void from_the_phone(void)
{
    open_with_alice();
    for (size_t i = 0; i < ARRAY_LEN(from_phone); i++) {
        const struct message *m = &from_phone[i];

        difference_say(m, &w.alice.uc, &w.alice.ps);
        difference_check(m, peer_take(&w.scscf, "", NULL));
    }
    world_close();
}

/* ---- from the phone, in a dialog ---------------------------------------------------------------- */

static const struct {
    const char *call_id, *record_routes; /* as the callee's side answers with them */
    struct message m;
} in_dialog[] = {
    {"p",
     "Record-Route: <sip:[2001:db8::1]:5100;;lr>, <sip:mt@192.0.2.21;r2=on;lr=on;ftag=7b>\n"
     "Record-Route: <sip:mo@192.0.2.20:6060;lr=on;ftag=7b;did=078.4c52>\n",
     {"PRACK",
      " PRACK sip:bob@192.0.2.9:5060;alias=192.0.2.9~31000~2 SIP/2.0\n" OWN_VIA
      "-Via: SIP/2.0/UDP ue.invalid:31001 ; branch = z9hG4bKp ;rport\n"
      "+Via: SIP/2.0/UDP ue.invalid:31001 ; branch = z9hG4bKp ;rport=31000;received=192.0.2.7\n"
      "-Max-Forwards: 1\n"
      "+Max-Forwards: 0\n"
      "-Route: <sip:b0000000000000000@192.0.2.10:5062;lr=on;ftag=7b>\n"
      " Route: <sip:mo@192.0.2.20:6060;lr=on;ftag=7b;did=078.4c52>\n"
      " Route: <sip:mt@192.0.2.21;r2=on;lr=on;ftag=7b>,<sip:[2001:db8::1]:5100;;lr>\n"
      " From: <tel:+10015550001>;tag=7b\n"
      " To: <sip:bob@" DOMAIN ">;tag=4c\n"
      " Call-ID: p\n"
      " CSeq: 2 PRACK\n"
      " RAck: 1 1 INVITE\n"
      "-Require: sec-agree\n"
      "-Proxy-Require: sec-agree\n"
      "-Security-Verify: " SECURITY_VERIFY(" ") "\n"
                                                "-P-Preferred-Identity: <tel:+99>\n"
                                                " Content-Length: ?\n" ASSERTED VECTOR " \n"}},
    {"q",
     "Record-Route: <sip:mt@192.0.2.20:6060;lr=on;ftag=7b3fae13;did=078.5c52>\n"
     "Record-Route: <sip:mo@192.0.2.20:6060;lr=on;ftag=7b3fae13;did=078.4c52>\n",
     {"ACK as long as phones make it",
      " ACK sip:bob@192.0.2.9:5060;alias=192.0.2.9~31000~2 SIP/2.0\n" OWN_VIA
      " Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKack\n"
      "-Max-Forwards: 70\n"
      "+Max-Forwards: 69\n"
      "-Route: <sip:mo@192.0.2.10:5062;lr=on;ftag=7b3fae13;rm=8;did=078.654>\n"
      " Route: <sip:mo@192.0.2.20:6060;lr=on;ftag=7b3fae13;did=078.4c52>\n"
      " Route: <sip:mt@192.0.2.20:6060;lr=on;ftag=7b3fae13;did=078.5c52>\n"
      "-Proxy-Require: sec-agree\n"
      "-Require: sec-agree\n"
      " To: <sip:bob@" DOMAIN ">;tag=4c\n"
      " From: <tel:+10015550001>;tag=7b\n"
      " Call-ID: q\n"
      " CSeq: 1 ACK\n"
      " Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE, PRACK\n"
      " Supported: sec-agree\n"
      "-Security-Verify: " SECURITY_VERIFY(
          " ") "\n"
               "-P-Preferred-Identity: <tel:+10015550001>\n"
               "-P-Asserted-Identity: <sip:mallory@" DOMAIN ">\n"
               "-P-Charging-Vector: icid-value=forged\n"
               " X-Padding: "
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
               " Content-Length: ?\n"
               " \n"}},
};

static void from_the_phone_in_a_dialog(void)
{
    char extra[512], invite[PEER_TEXT_MAX];
    const char *m;

    open_with_alice();
    for (size_t i = 0; i < ARRAY_LEN(in_dialog); i++) {
        peer_say(&w.alice.uc, &w.alice.ps,
                 "INVITE sip:bob@" DOMAIN " SIP/2.0\n"
                 "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKi%s\n"
                 "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
                 "From: <tel:+10015550001>;tag=7b\nTo: <sip:bob@" DOMAIN ">\nCall-ID: %s\n"
                 "CSeq: 1 INVITE\nContact: <sip:alice@192.0.2.7:31001>\nMax-Forwards: 70\n",
                 in_dialog[i].call_id, in_dialog[i].call_id);
        world_run(40);
        m = peer_take(&w.scscf, "INVITE", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        snprintf(invite, sizeof(invite), "%s", m);
        snprintf(extra, sizeof(extra), "Contact: <sip:bob@192.0.2.9:5060>\n%s",
                 in_dialog[i].record_routes);
        peer_answer(&w.scscf, &w.mw, invite, "200 OK", "4c", extra, NULL);
        world_run(40);
        difference_say(&in_dialog[i].m, &w.alice.uc, &w.alice.ps);
        difference_check(&in_dialog[i].m, peer_take(&w.scscf, "", NULL));
    }
    world_close();
}

/* ---- to the phone ------------------------------------------------------------------------------ */

#define PHONE_VIA    "+Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK*\n"
#define PHONE_RECORD "+Record-Route: <sip:*@192.0.2.10:5062;lr>, <sip:*@192.0.2.11:5070;lr>\n"

static const struct message to_phone[] = {
    {"INVITE that came a long way",
     " INVITE sip:alice@192.0.2.7:31001;ob SIP/2.0\n" PHONE_RECORD
     " Record-Route: <sip:mt@192.0.2.20:6060;lr=on;ftag=41;did=078.5c52>\n"
     " Record-Route: <sip:mo@192.0.2.21;r2=on;lr=on>,\n"
     "  <sip:mo@[2001:db8::21]:6101;r2=on;lr=on>;x=\"a\"\n" PHONE_VIA
     "-Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK7a83.33.0,SIP/2.0/UDP 192.0.2.21;branch=z\n"
     "+Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK7a83.33.0,SIP/2.0/UDP 192.0.2.21;branch=z\n"
     " v: SIP/2.0/TCP 192.0.2.9:31001;received=192.0.2.9;branch=z9hG4bKu;rport=31000\n"
     "-Route: $\n"
     "-Max-Forwards: 65\n"
     "+Max-Forwards: 64\n"
     " From: <tel:+10015550002>;tag=41\n"
     " To: <tel:+10015550001>\n"
     " Call-ID: m1\n"
     " CSeq: 906778637 INVITE\n"
     " Contact: <sip:bob@192.0.2.9:31001>;+g.3gpp.smsip;video\n"
     "-P-Charging-Vector: icid-value=4956;icid-generated-at=192.0.2.21;orig-ioi=\"a;b\"\n"
     "-P-Charging-Function-Addresses: ccf=x; ccf=y\n"
     "-P-Visited-Network-ID: \"v\"\n"
     "-P-Served-User: <sip:alice@" DOMAIN ">;sescase=term\n"
     "-P-User-Database: <aaa://x>\n"
     " P-Called-Party-ID: <sip:alice@" DOMAIN ">\n"
     " P-Asserted-Identity: \"Bob, B.\" <sip:bob@" DOMAIN ">, <tel:+10015550002>\n"
     " P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel\n"
     " History-Info: <sip:x@y.example>;index=1,<sip:z@y.example?Reason=a>;index=1.1\n"
     " Privacy: none\n"
     " Supported: 100rel,precondition\n"
     " Content-Type: application/sdp;charset=utf-8\n"
     " Content-Length: ?\n"
     "+P-Media-Authorization: 544f4b454e4f4b21\n"
     " \n"
     " v=0\n"
     " o=- 1 1 IN IP4 192.0.2.9\n"
     " s=SS VOIP\n"
     " c=IN IP4 192.0.2.9\n"
     " t=0 0\n"
     " m=audio 1242 RTP/AVP 116 118\n"
     " b=AS:41\n"
     " a=rtpmap:116 AMR-WB/16000/1\n"
     " a=curr:qos local none\n"},
    {"INVITE of somebody who hides",
     " INVITE sip:alice@192.0.2.7:31001 SIP/2.0\n" PHONE_VIA
     " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKhide\n" PHONE_RECORD "-Max-Forwards: 65\n"
     "+Max-Forwards: 64\n"
     "-Route: $\n"
     " From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=42\n"
     " To: <tel:+10015550001>\n"
     " Call-ID: m2\n"
     " CSeq: 1 INVITE\n"
     " Contact: <sip:192.0.2.9>\n"
     "-P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
     "-P-Asserted-Identity: <tel:+10015550002>\n"
     " Privacy: header ; ID;critical\n"
     " Content-Length: ?\n"
     " \n"},
    {"NOTIFY in a dialog nobody keeps",
     " NOTIFY sip:alice@192.0.2.7:31001 SIP/2.0\n" PHONE_VIA
     " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKn\n" PHONE_RECORD "-Route: $\n"
     " To: <tel:+10015550001>;tag=61\n"
     " From: <tel:+10015550001>;tag=a3\n"
     " CSeq: 4 NOTIFY\n"
     " Call-ID: n1\n"
     " Content-Length: ?\n"
     " User-Agent: core (1.0 (x86_64/linux))\n"
     "-Max-Forwards: 69\n"
     "+Max-Forwards: 68\n"
     " Event: reg\n"
     " Contact: <sip:scscf." DOMAIN ":6060>\n"
     " Subscription-State: active;expires=600000\n"
     " Content-Type: application/reginfo+xml\n"
     " \n"
     " <?xml version=\"1.0\"?>\n"
     " <reginfo version=\"0\" state=\"full\">\xc3\xa9\n"
     " </reginfo>"},
    {"ACK with what is not for phones", " ACK sip:alice@192.0.2.7:31001 SIP/2.0\n" PHONE_VIA
                                        " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKa\n"
                                        "-Max-Forwards: 2\n"
                                        "+Max-Forwards: 1\n"
                                        "-Route: $, <sip:192.0.2.10:5062;lr>\n"
                                        " From: <tel:+10015550002>;tag=41\n"
                                        " To: <tel:+10015550001>;tag=62\n"
                                        " Call-ID: m1\n"
                                        " CSeq: 906778637 ACK\n"
                                        "-P-Charging-Vector: icid-value=x\n"
                                        " Content-Length: ?\n"
                                        " \n"},
};

static void to_the_phone(void)
{
    open_with_alice();
    for (size_t i = 0; i < ARRAY_LEN(to_phone); i++) {
        const struct message *m = &to_phone[i];

        difference_say(m, &w.scscf, &w.mw);
        difference_check(m, peer_take(&w.alice.us, "", NULL));
    }
    world_close();
}

/* ---- responses --------------------------------------------------------------------------------- */

static const struct message request_of_phone = {
    "INVITE of the phone", " INVITE sip:bob@" DOMAIN " SIP/2.0\n"
                           " Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKri\n"
                           " Route: <sip:orig@192.0.2.20:6060;lr>\n"
                           " From: <sip:alice@" DOMAIN ">;tag=r\n"
                           " To: <sip:bob@" DOMAIN ">\n"
                           " Call-ID: ri\n"
                           " CSeq: 1 INVITE\n"
                           " Contact: <sip:alice@192.0.2.7:31001>\n"
                           " Content-Length: ?\n"
                           " \n"};
static const struct message request_of_core = {
    "INVITE of the core", " INVITE sip:alice@192.0.2.7:31001 SIP/2.0\n"
                          " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKrc\n"
                          " Route: $\n"
                          " From: <sip:bob@" DOMAIN ">;tag=r\n"
                          " To: <sip:alice@" DOMAIN ">\n"
                          " Call-ID: rc\n"
                          " CSeq: 1 INVITE\n"
                          " Contact: <sip:bob@192.0.2.9:31001>\n"
                          " P-Charging-Vector: icid-value=theirs\n"
                          " Content-Length: ?\n"
                          " \n"};

static const struct message to_caller[] = {
    {"183 with Via in one line and bodies of its own",
     " SIP/2.0 183 = 2+3 \xd0\xb4\xd0\xb0 -\n"
     "-Via: ^ , SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKri\n"
     "+Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKri\n"
     " Record-Route: <sip:mt@192.0.2.21:5100;r2=on;lr=on;ftag=7b>,<sip:192.0.2.20:6060;lr>\n"
     " REQUIRE: precondition , 100rel\n"
     " f: <sip:alice@" DOMAIN ">;tag=r\n"
     " t: <sip:bob@" DOMAIN ">;tag=4c\n"
     " i: ri\n"
     " CSeq: 1   INVITE\n"
     " RSeq : 1\n"
     "-P-Charging-Vector: icid-value=\"x\"\n"
     "-P-Charging-Function-Addresses: ccf=x\n"
     " P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
     " Contact: <sip:bob@192.0.2.9:31001>;+g.3gpp.smsip ;\n"
     "  audio\n"
     " P-Early-Media: sendrecv, gated\n"
     " X-Empty:\n"
     " c: application/octet-stream\n"
     " l:   ?\n"
     " \n"
     " \xff\x01\n"
     " \r"},
    {"200 without a length, whose caller may know who it is",
     " SIP/2.0 200 \n"
     "-Via: ^\n"
     " Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKri\n"
     " To: <sip:bob@" DOMAIN ">;tag=4c\n"
     " From: <sip:alice@" DOMAIN ">;tag=r\n"
     " Call-ID: ri\n"
     " CSeq: 1 INVITE\n"
     " Contact: <sip:bob@192.0.2.9:31001>\n"
     " Privacy: user;none\n"
     " P-Asserted-Identity: <sip:bob@" DOMAIN ">\n"
     " Session-Expires: 1800;refresher=uas\n"
     "+Content-Length: ?\n"
     " \n"},
};

#define ANSWER_VECTOR                                                                              \
    "+P-Charging-Vector: icid-value=\"theirs\";icid-generated-at=192.0.2.11;term-ioi=\"Type "      \
    "1" DOMAIN "\"\n"

static const struct message from_callee[] = {
    {"180 as a phone writes it",
     " SIP/2.0 180 Ringing\n"
     "-Via: ^\n"
     " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKrc\n"
     " Max-Forwards: 70\n"
     " Record-Route: <sip:mt@192.0.2.10:5062;r2=on;lr=on>\n"
     "-Require: 100rel,sec-agree\n"
     "+Require: 100rel\n"
     " Contact: <sip:alice@192.0.2.7:31001>;+sip.instance=\"<urn:gsma:imei:35000000-000001-0>\";"
     "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";+g.3gpp.srvcc-alerting;video\n"
     " To: <sip:alice@" DOMAIN ">;tag=62\n"
     " From: <sip:bob@" DOMAIN ">;tag=r\n"
     " Call-ID: rc\n"
     " CSeq: 1 INVITE\n"
     " Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE, PRACK\n"
     " User-Agent: Phone/1.0\n"
     " RSeq: 1\n"
     "-P-Preferred-Identity: <tel:+10015550001>\n"
     " P-Access-Network-Info: 3GPP-NR-FDD;utran-cell-id-3gpp=0010100000100000\n"
     " Content-Length: ?\n"
     "+P-Asserted-Identity: <tel:+10015550001>\n" ANSWER_VECTOR " \n"},
    {"486 that says what it should not",
     " SIP/2.0 486 Busy Here\n"
     "-Via:^\n"
     " Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKrc\n"
     " To: <sip:alice@" DOMAIN ">;tag=62\n"
     " From: <sip:bob@" DOMAIN ">;tag=r\n"
     " Call-ID: rc\n"
     " CSeq: 1 INVITE\n"
     "-P-Asserted-Identity: <sip:mallory@" DOMAIN ">\n" ASSERTED "-P-Asserted-Service: x\n"
     "-P-Charging-Vector: icid-value=forged\n" ANSWER_VECTOR
     "-P-Access-Network-Info: GEO;network-provided\n"
     "-Security-Server: x\n"
     "-Response-Source: x\n"
     " Reason: Q.850;cause=17;text=\"a, \\\"b\\\"\",SIP;cause=486\n"
     " Retry-After: 5 (in a \\) meeting);duration=1\n"
     " Content-Length: ?\n"
     " \n"},
};

static void note_via(const char *request)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    snprintf(difference_via, sizeof(difference_via), "%s", peer_header(request, "Via", 0));
}

static void responses_to_the_phone(void)
{
    open_with_alice();
    difference_say(&request_of_phone, &w.alice.uc, &w.alice.ps);
    note_via(peer_take(&w.scscf, "INVITE", NULL));
    for (size_t i = 0; i < ARRAY_LEN(to_caller); i++) {
        const struct message *m = &to_caller[i];

        difference_say(m, &w.scscf, &w.mw);
        (void)peer_take(&w.alice.us, "SIP/2.0 100", NULL);
        difference_check(m, peer_take(&w.alice.us, "SIP/2.0", NULL));
    }
    world_close();
}

static void responses_of_the_phone(void)
{
    struct addr pc;

    open_with_alice();
    difference_say(&request_of_core, &w.scscf, &w.mw);
    note_via(peer_take(&w.alice.us, "INVITE", &pc));
    for (size_t i = 0; i < ARRAY_LEN(from_callee); i++) {
        const struct message *m = &from_callee[i];

        difference_say(m, &w.alice.us, &pc);
        (void)peer_take(&w.scscf, "SIP/2.0 100", NULL);
        difference_check(m, peer_take(&w.scscf, "SIP/2.0", NULL));
    }
    world_close();
}

/* ---- what goes no further ---------------------------------------------------------------------- */

#define REQUEST(method, uri, more)                                                                 \
    " " method " " uri " SIP/2.0\n"                                                                \
    " Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK" more "\n"                                   \
    " Route: <sip:orig@192.0.2.20:6060;lr>\n"                                                      \
    " From: <sip:alice@" DOMAIN ">;tag=x\n"                                                        \
    " To: <sip:bob@" DOMAIN ">\n"                                                                  \
    " Call-ID: x\n"                                                                                \
    " CSeq: 1 " method "\n"                                                                        \
    " Content-Length: ?\n"                                                                         \
    " \n"
#define BOB "sip:bob@" DOMAIN

static const struct {
    struct message request;
    const char *status, *unsupported;
} refused[] = {
    {{"a scheme nobody knows (RFC 4475 3.3.2)", REQUEST("OPTIONS", "nobody-knows:this", "1")},
     "SIP/2.0 416",
     ""},
    {{"a scheme for others (RFC 4475 3.3.3)",
      REQUEST("OPTIONS", "soap.beep://192.0.2.9:3002", "2")},
     "SIP/2.0 416",
     ""},
    {{"options no proxy understands (RFC 4475 3.3.5)",
      REQUEST("OPTIONS", BOB, "3\n Proxy-Require: nobody,sec-agree\n Proxy-Require: norAnybody")},
     "SIP/2.0 420",
     "nobody, norAnybody"},
    {{"no hops left (RFC 4475 3.3.11)", REQUEST("OPTIONS", BOB, "4\n Max-Forwards: 0")},
     "SIP/2.0 483",
     ""},
    {{"too many hops to be read", REQUEST("OPTIONS", BOB, "5\n Max-Forwards: 256")},
     "SIP/2.0 400",
     ""},
    {{"another Route than the Service-Route",
      REQUEST("OPTIONS", BOB, "6\n Route: <sip:x.example;lr>")},
     "SIP/2.0 400",
     ""},
    {{"the REGISTER of somebody else", REQUEST("REGISTER", "sip:" DOMAIN, "7")}, "SIP/2.0 403", ""},
    {{"a CANCEL of nothing", REQUEST("CANCEL", BOB, "8")}, "SIP/2.0 481", ""},
    {{"a body that does not say what it is", REQUEST("INVITE", BOB, "9") " v=0\n"},
     "SIP/2.0 400",
     ""},
};

/* TS 33.203 7.1: also the refusal of what nobody could read stays inside of the security association. */
static void refusals_stay_in_the_association(void)
{
    open_with_alice();
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct addr from = {0};
        const char *m;

        difference_say(&refused[i].request, &w.alice.uc, &w.alice.ps);
        (void)peer_take(&w.alice.us, "SIP/2.0 100", NULL);
        m = peer_take(&w.alice.us, refused[i].status, &from);
        if (!m)
            fprintf(stderr, "%s: %s\n", refused[i].request.name, peer_take(&w.alice.us, "", NULL));
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_STRING_EQUAL(peer_header(m, "Unsupported", 0), refused[i].unsupported);
        CU_ASSERT_EQUAL(from.port, ipsec_fake_set(w.fake, 0)->port_pc);
        CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "", NULL));
    }
    world_close();
}

TEST_MAIN("flow/pcscf/hop", {"from the phone only what must be is changed", from_the_phone},
          {"nor in a dialog", from_the_phone_in_a_dialog},
          {"to the phone only what must be is changed", to_the_phone},
          {"in responses to the phone only what must be is changed", responses_to_the_phone},
          {"in responses of the phone only what must be is changed", responses_of_the_phone},
          {"refusals stay inside of the association", refusals_stay_in_the_association})
