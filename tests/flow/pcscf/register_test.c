/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A phone registers, or should not be able to. */
#include <stdio.h>

#include "tests/flow/pcscf/difference.h"

static void a_phone_registers_over_ipsec(void)
{
    const struct ipsec_set *set;
    const char *m;

    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE(peer_has_header(m, "Security-Client"));
    CU_ASSERT_PTR_NULL(strstr(m, "sec-agree"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Path", 0), "@192.0.2.11:5070;lr>"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Require", 0), "path");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Visited-Network-ID", 0), "\"" DOMAIN "\"");
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "P-Charging-Vector", 0), "icid-value="));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(peer_header(m, "Authorization", 0), "integrity-protected=\"no\""));
    scscf_challenge(m);
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NULL(strstr(m, "ck="));
    CU_ASSERT_PTR_NULL(strstr(m, "ik="));
    CU_ASSERT_PTR_NULL(strstr(m, "000102030405"));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "nonce=\"bm9uY2U=\",algorithm=AKAv1-MD5,qop=\"auth\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Security-Server", 0), "ipsec-3gpp"));
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    set = ipsec_fake_set(w.fake, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    CU_ASSERT_EQUAL(set->spi_uc, 1000);
    CU_ASSERT_EQUAL(set->port_us, 31001);
    CU_ASSERT_EQUAL(set->port_ps, 5062);

    snprintf(w.alice.server, sizeof(w.alice.server), "%s", peer_header(m, "Security-Server", 0));
    w.alice.ps = w.gm;
    w.alice.ps.port = 5062;
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 600000);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE(peer_has_header(m, "Security-Verify"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(peer_header(m, "Authorization", 0), "integrity-protected=\"yes\""));
    scscf_accept(m, &w.alice, 600000);
    world_run(20);
    /* Over UDP the answer leaves from port_pc to port_us. */
    {
        struct addr from;

        m = peer_take(&w.alice.us, "SIP/2.0 200", &from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_EQUAL(from.port, set->port_pc);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Service-Route", 0), "sip:orig@"));
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).last_limit, 600000 + 30 + 60);
    CU_ASSERT_EQUAL(w.registers[REGISTER_GRANTED], 1);
    world_close();
}

static void lost_and_repeated_messages_change_nothing(void)
{
    struct wire_conditions bad = {
        .delay = 1000, .jitter = 3000, .loss = 200, .duplicate = 200, .reorder = 200};
    const char *m;
    bool done = false;

    world_open(NULL);
    wire_set(w.wire, &bad);
    phone_register(&w.alice, phone_security_client(&w.alice));
    for (unsigned i = 0; i < 40 && !done; i++) {
        world_run(500);
        while ((m = peer_take(&w.scscf, "REGISTER", NULL)))
            scscf_challenge(m);
        done = peer_take(&w.alice.clear, "SIP/2.0 401", NULL) != NULL;
        if (!done && i % 4 == 3) { /* the phone's own retransmission */
            w.alice.cseq--;
            phone_register(&w.alice, phone_security_client(&w.alice));
        }
    }
    CU_ASSERT_TRUE(done);
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).installs, 1);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    world_close();
}

static void altered_verify_is_refused_and_nothing_forwarded(void)
{
    char other[2048];
    char *spi;
    const char *m;

    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(other, sizeof(other), "%s", peer_header(m, "Security-Server", 0));
    w.alice.ps = w.gm;
    w.alice.ps.port = 5062;
    spi = strstr(other, "spi-c=");
    CU_ASSERT_PTR_NOT_NULL_FATAL(spi);
    spi[6] = spi[6] == '9' ? '8' : '9';
    phone_register_protected(&w.alice, other, phone_security_client(&w.alice), 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 494", NULL));
    /* And another Security-Client than the first one. */
    snprintf(other, sizeof(other), "%s", peer_header(m, "Security-Server", 0));
    phone_register_protected(&w.alice, other,
                             "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;"
                             "spi-c=1000;spi-s=1001;port-c=31000;port-s=31001",
                             600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_MISMATCH], 2);
    world_close();
}

static void wrong_response_ends_the_set_after_a_while(void)
{
    const char *m;

    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 401", NULL);
    snprintf(w.alice.server, sizeof(w.alice.server), "%s", peer_header(m, "Security-Server", 0));
    w.alice.ps = w.gm;
    w.alice.ps.port = 5062;
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 600000);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, "403 Forbidden", "s", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    world_run(129 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
    world_run(240 * 1000);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
    world_close();
}

static void an_unanswered_challenge_leaves_nothing(void)
{
    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    world_run(300 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    world_close();
}

static void without_an_offer_421(void)
{
    const char *m;

    world_open(NULL);
    phone_register(&w.alice, NULL);
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 421", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Require", 0), "sec-agree");
    phone_register(&w.alice, "tls;q=0.5, digest");
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 4", NULL);
    CU_ASSERT_PTR_NOT_NULL(m);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_NO_IPSEC], 2);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0); /* strangers are not remembered */
    world_close();
}

static void broken_offers_are_refused(void)
{
    static const char *const offers[] = {
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=0;spi-s=1001;port-c=31000;port-s=31001",
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=1000;spi-s=1000;port-c=31000;port-s=31001",
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=-1;spi-s=1001;port-c=31000;port-s=31001",
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=4294967296;spi-s=1;port-c=1;port-s=31001",
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=1000;spi-s=1001;port-c=70000;port-s=31001",
        "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null",
    };

    world_open(NULL);
    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        phone_register(&w.alice, offers[i]);
        world_run(20);
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 4", NULL));
    }
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).installs, 0);
    world_close();
}

static void a_kernel_that_refuses_becomes_503(void)
{
    world_open(NULL);
    ipsec_fake_fail_next(w.fake, -12);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 503", NULL));
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
    CU_ASSERT_EQUAL(w.registers[REGISTER_IPSEC_FAILED], 1);
    /* The next attempt finds no trace of it. */
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 401", NULL));
    world_close();
}

static void anothers_identity_on_my_association_is_refused(void)
{
    struct phone thief;

    world_open(NULL);
    phone_is_registered(&w.alice);
    thief = w.alice;
    thief.name = "bob";
    phone_register_protected(&thief, thief.server, phone_security_client(&thief), 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_FOREIGN], 1);
    world_close();
}

static void a_deregistered_phone_is_forgotten(void)
{
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 0);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_accept(m, &w.alice, 0);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_REMOVED], 1);
    world_run(130 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
    world_close();
}

/* A REGISTER of alice's with these contacts, and the 200 with those that are left. */
static void contacts(const char *asked, const char *left)
{
    const char *m;
    char request[PEER_TEXT_MAX], extra[512];

    peer_say(&w.alice.uc, &w.alice.ps,
             "REGISTER sip:" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%u\n"
             "From: <sip:alice@" DOMAIN ">;tag=alice\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: reg-alice\nCSeq: %u REGISTER\nMax-Forwards: 70\nContact: %s\n"
             "Authorization: Digest username=\"alice@" DOMAIN "\",realm=\"" DOMAIN "\","
             "uri=\"sip:" DOMAIN "\",nonce=\"\",response=\"\"\n"
             "Require: sec-agree\nProxy-Require: sec-agree\nSecurity-Verify: %s\n",
             w.alice.cseq + 1, w.alice.cseq + 1, asked, w.alice.server);
    w.alice.cseq++;
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(request, sizeof(request), "%s", m);
    snprintf(extra, sizeof(extra),
             "%s%s%sService-Route: <sip:orig@192.0.2.20:6060;lr>\n"
             "P-Associated-URI: <sip:alice@" DOMAIN ">\n",
             *left ? "Contact: " : "", left, *left ? "\n" : "");
    peer_answer(&w.scscf, &w.mw, request, "200 OK", "s", extra, NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
}

#define MINE    "<sip:alice@192.0.2.7:31001>"
#define MOVED   "<sip:alice@192.0.2.7:31009>"
#define ANOTHER "<sip:alice@192.0.2.77:31001>"

static void the_registration_stands_while_a_contact_of_the_phone_does(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
    contacts(ANOTHER ";expires=0", MINE ";expires=3000"); /* of her tablet */
    contacts(ANOTHER ";expires=0, " MINE ";expires=3600", MINE ";expires=3600");
    contacts(MINE ";expires=0, " MOVED ";expires=3600",
             ANOTHER ";expires=90, " MOVED ";expires=3600");
    CU_ASSERT_EQUAL(w.registers[REGISTER_REMOVED], 0);
    CU_ASSERT_EQUAL(w.registers[REGISTER_REFRESHED], 3);
    contacts(MOVED ";expires=0", ANOTHER ";expires=90");
    CU_ASSERT_EQUAL(w.registers[REGISTER_REMOVED], 1);
    world_close();

    world_open(NULL);
    phone_is_registered(&w.alice);
    contacts("*\nExpires: 0", "");
    CU_ASSERT_EQUAL(w.registers[REGISTER_REMOVED], 1);
    world_close();
}

static void a_new_challenge_replaces_the_set(void)
{
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    /* More of them than there are port_pc: it is not enough to take them in turn. */
    for (unsigned i = 0; i < 6; i++) {
        char client[512];

        /* Another client port: 31000 is in use (TS 33.203 7.1). */
        snprintf(client, sizeof(client),
                 "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;spi-c=%u;spi-s=%u;"
                 "port-c=%u;port-s=%u",
                 3000 + 2 * i, 3001 + 2 * i, 32000 + i, 33000 + i);
        phone_register_protected(&w.alice, w.alice.server, client, 600000);
        world_run(20);
        m = peer_take(&w.scscf, "REGISTER", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        scscf_challenge(m);
        world_run(20);
        m = peer_take(&w.alice.us, "SIP/2.0 401", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2);
        CU_ASSERT_NOT_EQUAL(ipsec_fake_set(w.fake, 0)->port_pc, ipsec_fake_set(w.fake, 1)->port_pc);
    }
    world_close();
}

/* ---- in the clear, with the name of a phone that is registered --------------------------------- */

#define OTHER_PORT                                                                                 \
    "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;spi-c=3000;spi-s=3001;"             \
    "port-c=32000;port-s=31001"
#define SAME_PORT                                                                                  \
    "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;spi-c=3000;spi-s=3001;"             \
    "port-c=31000;port-s=31001"

/* What alice says on her set is heard and answered, what she is told comes from it. */
static void alice_is_served(void)
{
    static unsigned n;
    struct addr from;
    const char *m;

    peer_say(&w.alice.uc, &w.alice.ps,
             "MESSAGE sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKserved%u\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "Call-ID: served%u\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n",
             n, n);
    n++;
    world_run(20);
    m = peer_take(&w.scscf, "MESSAGE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, "200 OK", "t", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", &from));
    CU_ASSERT_EQUAL(from.port, ipsec_fake_set(w.fake, 0)->port_pc);
}

static void a_register_in_the_clear_does_not_touch_the_set_that_stands(void)
{
    struct ipsec_set before;
    unsigned limits;

    world_open(NULL);
    phone_is_registered(&w.alice);
    before = *ipsec_fake_set(w.fake, 0);
    limits = ipsec_fake_totals(w.fake).limits;
    /* Somebody at her address, again and again, is challenged and answers nothing. */
    for (unsigned i = 0; i < 5; i++) {
        phone_register(&w.alice, OTHER_PORT);
        world_run(20);
        scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
        world_run(20);
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 401", NULL));
        CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2); /* hers, and the last unanswered one */
        CU_ASSERT_EQUAL(memcmp(ipsec_fake_set(w.fake, 0), &before, sizeof(before)), 0);
        alice_is_served();
    }
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).limits - limits, 5); /* of the new ones */
    /* And is refused by the core. */
    phone_register(&w.alice, OTHER_PORT);
    world_run(20);
    peer_answer(&w.scscf, &w.mw, peer_take(&w.scscf, "REGISTER", NULL), "403 Forbidden", "s", "",
                NULL);
    world_run(300 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    CU_ASSERT_EQUAL(memcmp(ipsec_fake_set(w.fake, 0), &before, sizeof(before)), 0);
    CU_ASSERT_EQUAL(w.registers[REGISTER_EXPIRED], 0);
    alice_is_served();
    world_close();
}

static void a_phone_that_is_there_keeps_its_client_port(void)
{
    char question[PEER_TEXT_MAX];
    struct ipsec_set before;
    struct addr from;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    before = *ipsec_fake_set(w.fake, 0);
    phone_register(&w.alice, SAME_PORT);
    world_run(20);
    /* Whoever has the set is asked over it, and nobody else of anything. */
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    m = peer_take(&w.alice.us, "OPTIONS", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(question, sizeof(question), "%s", m);
    CU_ASSERT_EQUAL(from.port, before.port_pc);
    /* One question at a time. */
    phone_register(&w.alice, SAME_PORT);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 503", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.alice.us, "OPTIONS", NULL));
    peer_answer(&w.alice.us, &from, question, "405 Method Not Allowed", "t", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 403", NULL));
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_IN_USE], 1);
    world_run(10 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    CU_ASSERT_EQUAL(memcmp(ipsec_fake_set(w.fake, 0), &before, sizeof(before)), 0);
    alice_is_served();
    world_close();
}

static void a_phone_that_lost_its_set_comes_again_with_the_same_ports(void)
{
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(6500);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "REGISTER", NULL));
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    world_run(1000);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1); /* still: the core may refuse */
    scscf_challenge(m);
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    snprintf(w.alice.server, sizeof(w.alice.server), "%s", peer_header(m, "Security-Server", 0));
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 600000);
    world_run(20);
    scscf_accept(peer_take(&w.scscf, "REGISTER", NULL), &w.alice, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    alice_is_served();
    world_close();
}

/* TS 33.203 7.4: registered anew in the clear, the phone has lost what it had. */
static void the_old_set_goes_with_the_200_over_the_new_one(void)
{
    struct ipsec_set before;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    before = *ipsec_fake_set(w.fake, 0);
    phone_register(&w.alice, OTHER_PORT);
    world_run(20);
    scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
    world_run(20);
    m = peer_take(&w.alice.clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(w.alice.server, sizeof(w.alice.server), "%s", peer_header(m, "Security-Server", 0));
    peer_close(&w.alice.uc);
    peer_open(&w.alice.uc, w.sim, w.wire, "alice", "192.0.2.7:32000");
    phone_register_protected(&w.alice, w.alice.server, OTHER_PORT, 600000);
    world_run(20);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2);
    CU_ASSERT_EQUAL(memcmp(ipsec_fake_set(w.fake, 0), &before, sizeof(before)), 0);
    scscf_accept(peer_take(&w.scscf, "REGISTER", NULL), &w.alice, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    CU_ASSERT_EQUAL(ipsec_fake_set(w.fake, 0)->port_uc, 32000);
    alice_is_served();
    world_close();
}

/* Another phone's name, at alice's address, with her ports: its own security is good, hers stays. */
static void another_phone_cannot_take_a_port_in_use(void)
{
    struct phone thief;
    struct addr from;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    thief = w.alice;
    thief.name = "bob";
    phone_register(&thief, SAME_PORT);
    world_run(20);
    m = peer_take(&w.alice.us, "OPTIONS", &from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.alice.us, &from, m, "200 OK", "t", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 403", NULL));
    /* On another client port, it is never sent to from a port that sends to alice's server port. */
    for (unsigned i = 0; i < 5; i++) {
        phone_register(&thief, OTHER_PORT);
        world_run(20);
        scscf_challenge(peer_take(&w.scscf, "REGISTER", NULL));
        world_run(20);
        CU_ASSERT_EQUAL_FATAL(ipsec_fake_sets(w.fake), 2);
        CU_ASSERT_NOT_EQUAL(ipsec_fake_set(w.fake, 0)->port_pc, ipsec_fake_set(w.fake, 1)->port_pc);
    }
    alice_is_served();
    world_close();
}

static void an_answer_for_a_phone_that_is_forgotten_makes_it_begin_again(void)
{
    static const unsigned expires[] = {3600, 0};
    char late[PEER_TEXT_MAX];
    const char *m;

    for (size_t i = 0; i <= ARRAY_LEN(expires); i++) {
        world_open(NULL);
        phone_is_registered(&w.alice);
        phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 10);
        world_run(20);
        scscf_accept(peer_take(&w.scscf, "REGISTER", NULL), &w.alice, 10);
        world_run(10 * 1000);
        phone_register_protected(&w.alice, w.alice.server, OTHER_PORT, 3600);
        world_run(20);
        m = peer_take(&w.scscf, "REGISTER", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        snprintf(late, sizeof(late), "%s", m);
        world_run(2 * 1000);
        CU_ASSERT_EQUAL(w.registers[REGISTER_EXPIRED], 1);
        if (i < ARRAY_LEN(expires))
            scscf_accept(late, &w.alice, expires[i]);
        else
            scscf_challenge(late);
        world_run(20);
        CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
        world_run(4000 * 1000);
        CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
        CU_ASSERT_TRUE(core_is_idle(w.core));
        world_close();
    }
}

static void allow_plain(struct core_options *o)
{
    o->registration.require_ipsec = false;
}

static void a_phone_without_ipsec_registers_where_policy_allows(void)
{
    world_open(allow_plain);
    phone_is_registered_plain(&w.alice);
    CU_ASSERT_EQUAL(w.registers[REGISTER_GRANTED], 1);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 0);
    world_close();
}

static void who_is_refused_is_forgotten(void)
{
    const char *m;

    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(20);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 1);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&w.scscf, &w.mw, m, "403 Forbidden", "s", "", NULL);
    world_run(200 * 1000);
    CU_ASSERT_EQUAL(w.registers[REGISTER_REFUSED], 1);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
    world_close();
}

/* The phone's REGISTER reaches the core; the latest, if it waited for an answer before. */
static const char *at_core(void)
{
    const char *m, *next;

    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    while ((next = peer_take(&w.scscf, "REGISTER", NULL)))
        m = next;
    return m;
}

/* A first REGISTER, challenged: what is needed to answer it is in p. */
static void is_challenged(struct phone *p)
{
    const char *m;

    phone_register(p, phone_security_client(p));
    scscf_challenge(at_core());
    world_run(20);
    m = peer_take(&p->clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(p->server, sizeof(p->server), "%s", peer_header(m, "Security-Server", 0));
    p->ps = w.gm;
    p->ps.port = 5062;
}

/* A REGISTER over the SA that goes on to a 200. */
static void is_accepted(struct phone *p, unsigned expires)
{
    phone_register_protected(p, p->server, phone_security_client(p), expires);
    scscf_accept(at_core(), p, expires);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&p->us, "SIP/2.0 200", NULL));
}

static void a_phone_that_comes_back_is_not_ended_by_what_was(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
    is_accepted(&w.alice, 0);
    /* The old sets end 128 s after the deregistration, the binding a second later. */
    world_run(127 * 1000);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(2500);
    scscf_challenge(at_core());
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 401", NULL));
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 1);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    /* Nor by the end of an attempt that was not finished. */
    world_run(238 * 1000);
    is_challenged(&w.alice);
    world_run(10 * 1000);
    is_accepted(&w.alice, 600000);
    CU_ASSERT_EQUAL(w.registers[REGISTER_GRANTED], 2);
    world_close();
}

/* Another phone's REGISTER in alice's name. */
static void asks_in_her_name(struct phone *p)
{
    const char *name = p->name;

    p->name = "alice";
    phone_register(p, phone_security_client(p));
    scscf_challenge(at_core());
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&p->clear, "SIP/2.0 401", NULL));
    p->name = name;
}

static void a_stranger_who_asks_in_her_name_does_not_disturb_her(void)
{
    struct phone strangers[BINDING_ELSEWHERE_MAX + 2] = {0};
    char at[ARRAY_LEN(strangers)][32];

    world_open(NULL);
    is_challenged(&w.alice);
    asks_in_her_name(&w.bob);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2);
    is_accepted(&w.alice, 600000);
    /* Nor when she has registered, however many they are. */
    for (unsigned i = 0; i < ARRAY_LEN(strangers); i++) {
        snprintf(at[i], sizeof(at[i]), "192.0.2.%u:5060", 100 + i);
        peer_open(&strangers[i].clear, w.sim, w.wire, "stranger", at[i]);
        at[i][strcspn(at[i], ":")] = '\0';
        strangers[i].ip = at[i];
        strangers[i].spi = 5000 + 2 * i;
        strangers[i].cseq = 100 * (i + 1);
        asks_in_her_name(&strangers[i]);
        CU_ASSERT(ipsec_fake_sets(w.fake) <= 1 + BINDING_ELSEWHERE_MAX + 1);
    }
    is_accepted(&w.alice, 600000);
    for (unsigned i = 0; i < ARRAY_LEN(strangers); i++)
        peer_close(&strangers[i].clear);
    world_close();
}

/* The phone's Security-Client with other client ends, as at a re-authentication. */
static const char *other_client(unsigned spi, unsigned port_c)
{
    static char text[256];

    snprintf(text, sizeof(text),
             "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;spi-c=%u;spi-s=%u;"
             "port-c=%u;port-s=31001",
             spi, spi + 1, port_c);
    return text;
}

/* A REGISTER over the phone's set is challenged; the phone answers from other client ends. The set it
 * asked on stays p's, and alice's port_us. */
static void authenticates_again(struct phone *p, struct phone *ret_fresh, unsigned spi,
                                unsigned port_c)
{
    char client[256], address[32];
    const char *m;

    snprintf(client, sizeof(client), "%s", other_client(spi, port_c));
    *ret_fresh = *p;
    snprintf(address, sizeof(address), "%s:%u", p->ip, port_c);
    peer_open(&ret_fresh->uc, w.sim, w.wire, p->name, address);
    phone_register_protected(p, p->server, client, 600000);
    scscf_challenge(at_core());
    world_run(20);
    m = peer_take(&w.alice.us, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(ret_fresh->server, sizeof(ret_fresh->server), "%s",
             peer_header(m, "Security-Server", 0));
    ret_fresh->cseq = p->cseq;
    phone_register_protected(ret_fresh, ret_fresh->server, client, 600000);
    scscf_accept(at_core(), p, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
}

static void the_set_a_phone_asked_on_lingers_and_no_other(void)
{
    struct phone second, third;

    world_open(NULL);
    phone_is_registered(&w.alice);
    authenticates_again(&w.alice, &second, 3000, 32000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2);
    authenticates_again(&second, &third, 4000, 33000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 2);
    CU_ASSERT_EQUAL(ipsec_fake_set(w.fake, 0)->spi_uc, 3000);
    CU_ASSERT_EQUAL(ipsec_fake_set(w.fake, 1)->spi_uc, 4000);
    world_run(129 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    CU_ASSERT_EQUAL(ipsec_fake_set(w.fake, 0)->spi_uc, 4000);
    peer_close(&second.uc);
    peer_close(&third.uc);
    world_close();
}

static void no_expiry_is_too_long_for_the_kernel(void)
{
    world_open(NULL);
    is_challenged(&w.alice);
    is_accepted(&w.alice, UINT32_MAX);
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).last_limit, UINT32_MAX);
    /* A shorter registration takes nothing from the set, here or there (TS 33.203 7.4). */
    is_accepted(&w.alice, 3600);
    CU_ASSERT_EQUAL(ipsec_fake_totals(w.fake).last_limit, UINT32_MAX);
    world_close();
}

static bool is_vouched_for(const char *request)
{
    return strstr(peer_header(request, "Authorization", 0), "integrity-protected=\"yes\"") != NULL;
}

static void only_the_latest_authentication_vouches_and_is_prolonged(void)
{
    struct phone fresh;
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    /* A refresh, with the response of long ago. */
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 600000);
    m = at_core();
    CU_ASSERT_TRUE(is_vouched_for(m));
    scscf_accept(m, &w.alice, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 200", NULL));
    authenticates_again(&w.alice, &fresh, 3000, 32000);
    w.alice.cseq = fresh.cseq;
    phone_register_protected(&w.alice, w.alice.server, phone_security_client(&w.alice), 600000);
    m = at_core();
    CU_ASSERT_FALSE(is_vouched_for(m));
    /* Even if the core takes it: the replaced set has its 128 s and no more. */
    scscf_accept(m, &w.alice, 600000);
    world_run(129 * 1000);
    CU_ASSERT_EQUAL(ipsec_fake_sets(w.fake), 1);
    CU_ASSERT_EQUAL(ipsec_fake_set(w.fake, 0)->spi_uc, 3000);
    peer_close(&fresh.uc);
    world_close();
}

static void an_answer_on_the_set_before_it_is_not_vouched_for(void)
{
    world_open(NULL);
    phone_is_registered(&w.alice);
    phone_register_protected(&w.alice, w.alice.server, other_client(3000, 32000), 600000);
    scscf_challenge(at_core());
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 401", NULL));
    phone_register_protected(&w.alice, w.alice.server, other_client(3000, 32000), 600000);
    CU_ASSERT_FALSE(is_vouched_for(at_core()));
    world_close();
}

static void a_set_whose_challenge_was_not_answered_registers_nobody(void)
{
    const char *m;

    world_open(NULL);
    is_challenged(&w.alice);
    phone_register_unanswering(&w.alice, 600000);
    m = at_core();
    CU_ASSERT_FALSE(is_vouched_for(m));
    scscf_accept(m, &w.alice, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.us, "SIP/2.0 403", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_GRANTED], 0);
    world_close();
}

static void whatever_comes_over_an_association_must_show_our_list(void)
{
    char right[2200], wrong[2200];
    const char *m;

    world_open(NULL);
    phone_is_registered(&w.alice);
    snprintf(right, sizeof(right), "Security-Verify: %s\n", w.alice.server);
    snprintf(wrong, sizeof(wrong), "%s", right);
    strstr(wrong, "alg=")[4] ^= 1;
    phone_invite(&w.alice, "wrong", "sip:bob@" DOMAIN, wrong, sdp_offer);
    world_run(20);
    m = peer_take(&w.alice.us, "SIP/2.0 494", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Security-Server", 0), w.alice.server);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "", NULL));
    CU_ASSERT_EQUAL(w.offers, 0);
    CU_ASSERT_EQUAL(w.registers[REGISTER_MISMATCH], 1);
    phone_invite(&w.alice, "right", "sip:bob@" DOMAIN, right, sdp_offer);
    world_run(20);
    m = peer_take(&w.scscf, "INVITE", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE(peer_has_header(m, "Security-Verify"));
    world_close();
}

static void either_list_may_be_shown_while_the_set_changes(void)
{
    struct phone fresh;
    char verify[2200];

    world_open(NULL);
    phone_is_registered(&w.alice);
    authenticates_again(&w.alice, &fresh, 3000, 32000);
    snprintf(verify, sizeof(verify), "Security-Verify: %s\n", w.alice.server);
    phone_invite(&fresh, "old-on-new", "sip:bob@" DOMAIN, verify, sdp_offer);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "INVITE", NULL));
    snprintf(verify, sizeof(verify), "Security-Verify: %s\n", fresh.server);
    phone_invite(&w.alice, "new-on-old", "sip:bob@" DOMAIN, verify, sdp_offer);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "INVITE", NULL));
    peer_close(&fresh.uc);
    world_close();
}

static void with_ipsec_the_phone_is_nobody_in_the_clear(void)
{
    world_open(allow_plain);
    phone_is_registered_plain(&w.alice);
    phone_is_registered(&w.alice);
    peer_say(&w.alice.clear, &w.gm,
             "MESSAGE sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKplain\n"
             "Route: <sip:192.0.2.10:5060;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "Call-ID: plain\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n");
    world_run(20);
    CU_ASSERT_PTR_NULL(peer_take(&w.scscf, "MESSAGE", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 403", NULL));
    world_close();
}

static void a_silent_core_is_told_to_the_phone(void)
{
    world_open(NULL);
    phone_register(&w.alice, phone_security_client(&w.alice));
    world_run(40 * 1000); /* the phone waits for 64*T1, 128 s */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.alice.clear, "SIP/2.0 504", NULL));
    CU_ASSERT_EQUAL(w.registers[REGISTER_CORE_SILENT], 1);
    world_run(240 * 1000);
    CU_ASSERT_TRUE(core_is_idle(w.core));
    CU_ASSERT_EQUAL(bindings_count(core_bindings(w.core)), 0);
    world_close();
}

/* ---- REGISTER ---------------------------------------------------------------------------------- */

#define VISITED "+P-Visited-Network-ID: \"" DOMAIN "\"\n"

static const struct message first_register = {
    "REGISTER in the clear",
    " REGISTER sip:" DOMAIN " SIP/2.0\n"
    " f: <sip:alice@" DOMAIN ">;tag=g\n"
    " t: <sip:alice@" DOMAIN ">\n"
    " CSeq: 1 REGISTER\n"
    " i: g@192.0.2.7\n" OWN_VIA
    "-v: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKg;rport;keep;transport=UDP\n"
    "+v: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKg;rport=5060;received=192.0.2.7;keep;"
    "transport=UDP\n"
    "+Path: <sip:*@192.0.2.11:5070;lr>\n"
    "-Max-Forwards: 70\n"
    "+Max-Forwards: 69\n"
    " m: <sip:192.0.2.7:5060>;expires=600000;+sip.instance=\"<urn:gsma:imei:35000000-000001-0>\";"
    "q=1.0\n"
    " l: ?\n"
    "-Authorization: Digest uri=\"sip:" DOMAIN "\",username=\"alice@" DOMAIN "\",response=\"\","
    "realm=\"" DOMAIN "\",integrity-protected=\"yes\" ,nonce=\"\",auts=\"4pVk=\"\n"
    "+Authorization: Digest uri=\"sip:" DOMAIN "\",username=\"alice@" DOMAIN "\",response=\"\","
    "realm=\"" DOMAIN "\" ,nonce=\"\",auts=\"4pVk=\", integrity-protected=\"no\"\n"
    "-Require: sec-agree\n"
    "+Require: path\n"
    "-Proxy-Require: sec-agree\n"
    "-P-Asserted-Identity: <sip:mallory@" DOMAIN ">\n"
    "-P-Visited-Network-ID: forged\n" VISITED " Supported: path,gruu,sec-agree\n"
    "-Security-Client: ipsec-3gpp; alg=hmac-md5-96; ealg=des-ede3-cbc; spi-c=7001; spi-s=7002;\n"
    "- port-c=31000; port-s=31001, ipsec-3gpp; alg=hmac-sha-1-96; ealg=null; spi-c=7001; "
    "spi-s=7002; port-c=31000; port-s=31001\n" VECTOR " \n"};

#define OURS "prot=esp;mod=trans;spi-c=4096;spi-s=4097;port-c=5063;port-s=5062;"

static const struct message challenge = {
    "401 with keys",
    " SIP/2.0 401 Unauthorized - Challenging the UE\n"
    "-Via: ^\n"
    " Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKg;rport=5060;received=192.0.2.7\n"
    " From: <sip:alice@" DOMAIN ">;tag=g\n"
    " To: <sip:alice@" DOMAIN ">;tag=24bb\n"
    " Call-ID: g@192.0.2.7\n"
    " CSeq: 1 REGISTER\n"
    "-WWW-Authenticate: Digest realm=\"" DOMAIN
    "\", nonce=\"oJRM\",ck=\"000102030405060708090a0b0c0d0e0f"
    "\",  algorithm=AKAv1-MD5, ik=\"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\", qop=\"auth,auth-int\"\n"
    "+WWW-Authenticate: Digest realm=\"" DOMAIN
    "\", nonce=\"oJRM\",  algorithm=AKAv1-MD5, qop=\"auth,"
    "auth-int\"\n"
    " Path: <sip:term@192.0.2.11:5070;lr>\n"
    "-P-Charging-Vector: icid-value=\"x\"\n"
    " Server: core\n"
    " Content-Length: ?\n"
    "+Security-Server: ipsec-3gpp;q=0.9;" OURS "alg=hmac-sha-1-96;ealg=null, ipsec-3gpp;q=0.8;" OURS
    "alg=null;ealg=aes-gcm, ipsec-3gpp;q=0.7;" OURS "alg=hmac-sha-1-96;ealg=aes-cbc, "
    "ipsec-3gpp;q=0.6;" OURS "alg=aes-gmac;ealg=null\n"
    " \n"};

static void a_register_is_changed_where_it_must_be(void)
{
    const char *m;

    world_open(NULL);
    difference_say(&first_register, &w.alice.clear, &w.gm);
    m = peer_take(&w.scscf, "", NULL);
    difference_check(&first_register, m);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(difference_via, sizeof(difference_via), "%s", peer_header(m, "Via", 0));
    difference_say(&challenge, &w.scscf, &w.mw);
    difference_check(&challenge, peer_take(&w.alice.clear, "SIP/2.0 401", NULL));
    world_close();
}

TEST_MAIN(
    "flow/pcscf/register",
    {"a REGISTER is changed where it must be", a_register_is_changed_where_it_must_be},
    {"a phone registers over IPsec", a_phone_registers_over_ipsec},
    {"lost, repeated and reordered messages change nothing",
     lost_and_repeated_messages_change_nothing},
    {"an altered Security-Verify or Security-Client is refused, nothing is forwarded",
     altered_verify_is_refused_and_nothing_forwarded},
    {"a wrong response ends the set after a while", wrong_response_ends_the_set_after_a_while},
    {"an unanswered challenge leaves nothing", an_unanswered_challenge_leaves_nothing},
    {"without an offer: 421", without_an_offer_421},
    {"broken offers are refused", broken_offers_are_refused},
    {"a kernel that refuses becomes 503", a_kernel_that_refuses_becomes_503},
    {"another's identity on my association is refused",
     anothers_identity_on_my_association_is_refused},
    {"a deregistered phone is forgotten", a_deregistered_phone_is_forgotten},
    {"the registration stands while a contact of the phone does",
     the_registration_stands_while_a_contact_of_the_phone_does},
    {"a new challenge adds a set with another port_pc", a_new_challenge_replaces_the_set},
    {"a REGISTER in the clear does not touch the set that stands",
     a_register_in_the_clear_does_not_touch_the_set_that_stands},
    {"a phone that is there keeps its client port", a_phone_that_is_there_keeps_its_client_port},
    {"a phone that lost its set comes again with the same ports",
     a_phone_that_lost_its_set_comes_again_with_the_same_ports},
    {"the old set goes with the 200 over the new one",
     the_old_set_goes_with_the_200_over_the_new_one},
    {"another phone cannot take a port in use", another_phone_cannot_take_a_port_in_use},
    {"an answer for a phone that is forgotten makes it begin again",
     an_answer_for_a_phone_that_is_forgotten_makes_it_begin_again},
    {"a phone without IPsec registers where policy allows",
     a_phone_without_ipsec_registers_where_policy_allows},
    {"who is refused is forgotten", who_is_refused_is_forgotten},
    {"a phone that comes back is not ended by what was",
     a_phone_that_comes_back_is_not_ended_by_what_was},
    {"a stranger who asks in her name does not disturb her",
     a_stranger_who_asks_in_her_name_does_not_disturb_her},
    {"the set a phone asked on lingers, and no other",
     the_set_a_phone_asked_on_lingers_and_no_other},
    {"no expiry is too long for the kernel", no_expiry_is_too_long_for_the_kernel},
    {"only the latest authentication vouches, and is prolonged",
     only_the_latest_authentication_vouches_and_is_prolonged},
    {"an answer on the set before it is not vouched for",
     an_answer_on_the_set_before_it_is_not_vouched_for},
    {"a set whose challenge was not answered registers nobody",
     a_set_whose_challenge_was_not_answered_registers_nobody},
    {"whatever comes over an association must show our list",
     whatever_comes_over_an_association_must_show_our_list},
    {"either list may be shown while the set changes",
     either_list_may_be_shown_while_the_set_changes},
    {"with IPsec, the phone is nobody in the clear", with_ipsec_the_phone_is_nobody_in_the_clear},
    {"a silent core is told to the phone", a_silent_core_is_told_to_the_phone})
