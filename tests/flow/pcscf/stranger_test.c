/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may answer what the P-CSCF sends: a phone over its own security associations, the core on Mw. Nobody else, though
 * every Via on the way is shown to who is called. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

static char invite[PEER_TEXT_MAX]; /* as it reached the phone, or the core */

static void keep(const char *m)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(invite, sizeof(invite), "%s", m);
}

static uint64_t strangers(void)
{
    return sip_layer_counters(core_layer(w.core))->false_answers;
}

static void core_invites(const char *call_id)
{
    peer_say(&w.scscf, &w.mw,
             "INVITE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK%s\n"
             "Route: %s\nRecord-Route: <sip:192.0.2.20:6060;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: %s\nCSeq: 1 INVITE\nMax-Forwards: 66\n"
             "Contact: <sip:bob@192.0.2.99:5060>\n\n%s",
             call_id, w.alice.path, call_id, sdp_offer);
    world_run(50);
}

#define ALICES_CONTACT "Contact: <sip:alice@192.0.2.7:31001>\n"

static void answers(struct peer *p, const struct addr *to, const char *status)
{
    peer_answer(p, to, invite, status, "t", ALICES_CONTACT, sdp_answer);
    world_run(50);
}

static void nobody_answers_for_a_phone_with_ipsec(void)
{
    struct peer stranger, spoof;

    world_open(NULL);
    phone_is_registered(&w.alice);
    phone_is_registered(&w.bob);
    peer_open(&stranger, w.sim, w.wire, "stranger", "203.0.113.66:5099");
    peer_open(&spoof, w.sim, w.wire, "spoof", "192.0.2.7:4444");
    core_invites("c1");
    keep(peer_take(&w.alice.us, "INVITE", NULL));
    answers(&stranger, &w.gm, "200 OK");
    answers(&w.bob.clear, &w.gm, "200 OK");
    answers(&w.bob.uc, &w.bob.ps, "200 OK"); /* over an SA, but his own */
    answers(&spoof, &w.gm, "200 OK");        /* her address, in the clear (TS 33.203 7.1) */
    answers(&stranger, &w.mw, "200 OK");
    answers(&w.scscf, &w.mw, "200 OK");
    CU_ASSERT_EQUAL(strangers(), 6);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(w.authorizes, 0); /* no gate */
    answers(&w.alice.us, &w.alice.pc, "200 OK");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(w.authorizes, 1);
    CU_ASSERT_EQUAL(strangers(), 6);
    peer_close(&stranger);
    peer_close(&spoof);
    world_close();
}

/* TS 33.203 7.1: port_us to port_pc; phones do as they like. */
static void a_phone_answers_from_either_of_its_ports(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
    core_invites("c1");
    keep(peer_take(&w.alice.us, "INVITE", NULL));
    answers(&w.alice.uc, &w.alice.ps, "180 Ringing");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 180", NULL));
    answers(&w.alice.us, &w.alice.pc, "200 OK");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(strangers(), 0);
    world_close();
}

static void nothing(struct net_tcp *t, void *ctx)
{
    (void)t, (void)ctx;
}

static void no_data(struct net_tcp *t, struct span data, void *ctx)
{
    (void)t, (void)data, (void)ctx;
}

static void no_end(struct net_tcp *t, int reason, void *ctx)
{
    (void)t, (void)reason, (void)ctx;
}

static void a_phone_asked_by_udp_answers_by_tcp(void)
{
    static const struct net_tcp_ops ops = {nothing, no_data, no_end};
    struct net_tcp *t = NULL;
    char text[1024];
    int n;

    world_open(NULL);
    phone_is_registered(&w.alice);
    core_invites("c1");
    keep(peer_take(&w.alice.us, "INVITE", NULL));
    CU_ASSERT_EQUAL_FATAL(
        net_tcp_connect(w.alice.uc.net, &w.alice.uc.local, &w.alice.ps, &ops, NULL, &t), 0);
    world_run(20);
    n = snprintf(text, sizeof(text), "SIP/2.0 486 Busy Here\r\nVia: %s\r\n",
                 peer_header(invite, "Via", 0));
    n += snprintf(text + n, sizeof(text) - (size_t)n,
                  "Via: %s\r\nFrom: <sip:bob@" DOMAIN ">;tag=f\r\nTo: <sip:alice@" DOMAIN
                  ">;tag=t\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                  peer_header(invite, "Via", 1));
    CU_ASSERT_EQUAL(net_tcp_send(t, span_of(text, (size_t)n)), 0);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 486", NULL));
    CU_ASSERT_EQUAL(strangers(), 0);
    net_tcp_close(t);
    world_close();
}

/* The set an INVITE went over has gone before the phone picks up. */
static void a_phone_answers_over_the_set_it_has_by_then(void)
{
    static const char client[] = "ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;prot=esp;mod=trans;"
                                 "spi-c=5000;spi-s=5001;port-c=31002;port-s=31003";
    struct peer uc, us;
    char request[PEER_TEXT_MAX], server[2048];
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    peer_open(&uc, w.sim, w.wire, "alice", "192.0.2.7:31002");
    peer_open(&us, w.sim, w.wire, "alice", "192.0.2.7:31003");
    core_invites("c1");
    keep(peer_take(&w.alice.us, "INVITE", NULL));
    answers(&w.alice.us, &w.alice.pc, "180 Ringing");
    phone_register_protected(&w.alice, w.alice.server, client, 600000);
    world_run(30);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_challenge(m);
    world_run(30);
    m = peer_take(&w.alice.us, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(server, sizeof(server), "%s", peer_header(m, "Security-Server", 0));
    /* Before its challenge is answered a set carries REGISTER only, answers neither. */
    answers(&uc, &w.alice.ps, "200 OK");
    CU_ASSERT_EQUAL(strangers(), 1);
    w.alice.cseq++;
    peer_say(&uc, &w.alice.ps,
             "REGISTER sip:" DOMAIN " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:31003;branch=z9hG4bKn\n"
             "From: <sip:alice@" DOMAIN ">;tag=alice\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: reg-alice\nCSeq: %u REGISTER\nMax-Forwards: 70\n"
             "Contact: <sip:alice@192.0.2.7:31003>;expires=600000\n"
             "Authorization: Digest username=\"alice@" DOMAIN "\",realm=\"" DOMAIN
             "\",uri=\"sip:" DOMAIN "\",nonce=\"bm9uY2U=\","
             "response=\"0123456789abcdef0123456789abcdef\"\n"
             "Require: sec-agree\nProxy-Require: sec-agree\n"
             "Security-Client: %s\nSecurity-Verify: %s\n",
             w.alice.cseq, client, server);
    world_run(30);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(request, sizeof(request), "%s", m);
    peer_answer(&w.scscf, &w.mw, request, "200 OK", "s",
                "Contact: <sip:alice@192.0.2.7:31003>;expires=600000\n"
                "Service-Route: <sip:orig@192.0.2.20:6060;lr>\n"
                "P-Associated-URI: <sip:alice@" DOMAIN ">\n",
                NULL);
    world_run(150 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    answers(&w.alice.us, &w.alice.pc, "200 OK"); /* what the kernel would not let through */
    CU_ASSERT_EQUAL(strangers(), 2);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    answers(&uc, &w.alice.ps, "200 OK");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    peer_close(&uc);
    peer_close(&us);
    world_close();
}

static void allow_plain(struct core_options *o)
{
    o->registration.require_ipsec = false;
}

static void without_ipsec_the_address_answers(void)
{
    struct peer stranger, other;

    world_open(allow_plain);
    phone_is_registered_plain(&w.alice);
    peer_open(&stranger, w.sim, w.wire, "stranger", "203.0.113.66:5099");
    peer_open(&other, w.sim, w.wire, "other", "192.0.2.7:4444");
    core_invites("c1");
    keep(peer_take(&w.alice.clear, "INVITE", NULL));
    answers(&stranger, &w.gm, "200 OK");
    answers(&w.alice.clear, &w.mw, "200 OK");
    CU_ASSERT_EQUAL(strangers(), 2);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "SIP/2.0 2", NULL));
    answers(&other, &w.gm, "180 Ringing"); /* NAT, or a socket for each message */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 180", NULL));
    answers(&w.alice.clear, &w.gm, "200 OK");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "SIP/2.0 200", NULL));
    peer_close(&stranger);
    peer_close(&other);
    world_close();
}

/* What alice hears comes from the core: a stranger's P-Asserted-Identity would be shown to her (RFC 3325 5). */
static void nobody_answers_for_the_core(void)
{
    struct peer stranger;

    world_open(NULL);
    phone_is_registered(&w.alice);
    phone_is_registered(&w.bob);
    peer_open(&stranger, w.sim, w.wire, "stranger", "203.0.113.66:5099");
    phone_invite(&w.alice, "c1", "sip:bob@" DOMAIN, "", sdp_offer);
    world_run(50);
    keep(peer_take(&w.scscf, "INVITE", NULL));
    while (peer_take(&w.alice.us, "SIP/2.0 100", NULL)) {
    }
    peer_answer(&stranger, &w.gm, invite, "200 OK", "x",
                "Contact: <sip:x@203.0.113.66>\nP-Asserted-Identity: <sip:bank@" DOMAIN ">\n",
                sdp_answer);
    peer_answer(&stranger, &w.mw, invite, "200 OK", "x", "", sdp_answer);
    peer_answer(&w.bob.uc, &w.bob.ps, invite, "200 OK", "x", "", sdp_answer);
    peer_answer(&w.scscf, &w.gm, invite, "200 OK", "x", "", sdp_answer);
    world_run(100);
    CU_ASSERT_EQUAL(strangers(), 4);
    CU_ASSERT_EQUAL(w.alice.us.n, 0);
    CU_ASSERT_EQUAL(w.authorizes, 0);
    peer_answer(&w.scscf, &w.mw, invite, "200 OK", "t", "Contact: <sip:bob@192.0.2.99:5060>\n",
                sdp_answer);
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    peer_close(&stranger);
    world_close();
}

TEST_MAIN("flow/pcscf/stranger",
          {"nobody answers for a phone with IPsec", nobody_answers_for_a_phone_with_ipsec},
          {"a phone answers from either of its ports", a_phone_answers_from_either_of_its_ports},
          {"a phone asked by UDP answers by TCP", a_phone_asked_by_udp_answers_by_tcp},
          {"a phone answers over the set it has by then",
           a_phone_answers_over_the_set_it_has_by_then},
          {"without IPsec the address answers", without_ipsec_the_address_answers},
          {"nobody answers for the core", nobody_answers_for_the_core})
