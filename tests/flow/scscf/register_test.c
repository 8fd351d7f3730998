/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registrations through a whole S-CSCF: what the P-CSCF sends and gets. */
#include <stdio.h>

#include "tests/flow/scscf/world.h"

#define FIRST                                                                                      \
    "Authorization: Digest username=\"" ALICE_IMPI "\",realm=\"" REALM                             \
    "\",nonce=\"\",uri=\"sip:" REALM "\",response=\"\",integrity-protected=\"no\"\n"

static const struct credentials alice = {.impi = ALICE_IMPI, .integrity = "yes"};

static bool is(const char *m, const char *status)
{
    bool same = m && strncmp(m, "SIP/2.0 ", 8) == 0 && strncmp(m + 8, status, 3) == 0;

    if (!same)
        printf("\nnot %s but: %s", status, m ? m : "nothing");
    return same;
}

static void an_aka_phone_registers_with_two_requests(void)
{
    const char *m;

    world_open(NULL);
    /* P → S REGISTER; S → P 401 with the keys for the P-CSCF */
    m = world_register(&w.pa, ALICE, FIRST);
    CU_ASSERT_FATAL(is(m, "401"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "WWW-Authenticate", 0), "algorithm=AKAv1-MD5"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "WWW-Authenticate", 0), ",ck=\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "WWW-Authenticate", 0), ",ik=\""));
    CU_ASSERT_FALSE(peer_has_header(m, "Service-Route"));
    /* P → S REGISTER with the response; S → P 200 */
    m = world_register(&w.pa, ALICE, world_answer(m, &alice));
    CU_ASSERT_FATAL(is(m, "200"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Service-Route", 0), ROUTE_ORIG);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Associated-URI", 0), "<" ALICE ">, <" ALICE_TEL ">");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Path", 0), "<sip:term@192.0.2.10:5070;lr>");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Contact", 0),
                           "<sip:alice@192.0.2.101:5062>;expires=3600");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(peer_header(m, "P-Charging-Vector", 0), "term-ioi=\"Type 1" REALM "\""));
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(w.scscf)), 1);
    world_close();
}

static void a_digest_phone_registers(void)
{
    const char *m;

    world_open(NULL);
    m = world_register(&w.pb, BOB, "");
    CU_ASSERT_FATAL(is(m, "401"));
    CU_ASSERT_PTR_NULL(strstr(peer_header(m, "WWW-Authenticate", 0), "ck="));
    m = world_register(&w.pb, BOB,
                       world_answer(m, &(struct credentials){BOB_IMPI, "secret", NULL, false}));
    CU_ASSERT(is(m, "200"));
    world_close();
}

static void a_wrong_password_is_refused(void)
{
    const char *m;

    world_open(NULL);
    m = world_register(&w.pb, BOB, "");
    m = world_register(&w.pb, BOB,
                       world_answer(m, &(struct credentials){BOB_IMPI, "guess", NULL, false}));
    CU_ASSERT(is(m, "403"));
    m = world_register(&w.pa, ALICE, FIRST);
    m = world_register(&w.pa, ALICE,
                       world_answer(m, &(struct credentials){ALICE_IMPI, NULL, "yes", true}));
    CU_ASSERT(is(m, "403"));
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(w.scscf)), 0);
    world_close();
}

/* AUTS for SQN_MS = 2^30 against this challenge (TS 33.102 6.3.3). */
static const char *resync_line(const char *challenge)
{
    static char text[1024];
    static const uint8_t amf_star[AKA_AMF_LEN] = {0, 0};
    const char *value = peer_header(challenge, "WWW-Authenticate", 0);
    uint8_t raw[64], sqn[AKA_SQN_LEN] = {0, 0, 0x40, 0, 0, 0}, mac_a[AKA_MAC_LEN];
    uint8_t auts[AKA_AUTS_LEN];
    struct buf b = {text, 0, sizeof(text) - 1, false};
    struct milenage_keys keys;
    struct sip_auth a;
    struct span nonce;
    size_t n;

    CU_ASSERT_EQUAL_FATAL(sip_auth_parse(span_str(value), &a), 0);
    nonce = sip_auth_get(&a, SPAN("nonce"));
    CU_ASSERT_EQUAL_FATAL(base64_decode(nonce, raw, sizeof(raw), &n), 0);
    CU_ASSERT_EQUAL_FATAL(milenage_f2345(w.auth, &w.key, raw, &keys), 0);
    CU_ASSERT_EQUAL_FATAL(
        milenage_f1(w.auth, &w.key, raw, sqn, amf_star, mac_a, auts + AKA_SQN_LEN), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        auts[i] = sqn[i] ^ keys.ak_star[i];
    buf_fmt(&b,
            "Authorization: Digest username=\"" ALICE_IMPI "\",realm=\"" REALM
            "\",nonce=\"%.*s\",uri=\"sip:" REALM "\",response=\"\",integrity-protected=\"no\","
            "auts=\"",
            SPAN_ARG(nonce));
    base64_encode(&b, auts, sizeof(auts));
    buf_puts(&b, "\"\n");
    text[b.n] = '\0';
    return text;
}

static void a_card_that_is_ahead_is_caught_up_with(void)
{
    const char *m;

    world_open(NULL);
    m = world_register(&w.pa, ALICE, FIRST);
    CU_ASSERT_FATAL(is(m, "401"));
    m = world_register(&w.pa, ALICE, resync_line(m));
    CU_ASSERT_FATAL(is(m, "401"));
    CU_ASSERT_EQUAL(registrar_counters(scscf_registrar(w.scscf))->resynchronised, 1);
    m = world_register(&w.pa, ALICE, world_answer(m, &alice));
    CU_ASSERT(is(m, "200"));
    world_close();
}

static void a_lost_answer_is_sent_again_and_registers_once(void)
{
    struct wire_conditions bad = {.delay = MSEC, .loss = 300, .reorder = 200, .duplicate = 200};
    const char *m = NULL;
    unsigned n = 0;

    world_open(NULL);
    wire_set(w.wire, &bad);
    /* The P-CSCF's retransmissions are played by asking again. */
    while (!(m = world_register(&w.pa, ALICE, FIRST)) && n++ < 50)
        ;
    world_run(1000);
    while (peer_take(&w.pa, "SIP/2.0 401", NULL)) /* the last one is answered; m is where it is */
        ;
    CU_ASSERT_FATAL(is(m, "401"));
    wire_set(w.wire, &(struct wire_conditions){.delay = MSEC, .duplicate = 1000});
    m = world_register(&w.pa, ALICE, world_answer(m, &alice));
    CU_ASSERT(is(m, "200"));
    CU_ASSERT_EQUAL(registrar_counters(scscf_registrar(w.scscf))->registered, 1);
    CU_ASSERT_EQUAL(registrar_counters(scscf_registrar(w.scscf))->refused_response, 0);
    world_close();
}

static void a_phone_deregisters_and_is_gone(void)
{
    const char *m;

    world_open(NULL);
    world_registered();
    m = world_register(&w.pa, ALICE,
                       "Expires: 0\nAuthorization: Digest username=\"" ALICE_IMPI
                       "\",realm=\"" REALM "\",nonce=\"\",uri=\"sip:" REALM
                       "\",response=\"\",integrity-protected=\"yes\"\n");
    CU_ASSERT(is(m, "200"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Contact", 0), "<sip:alice@192.0.2.101:5062>;expires=0");
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(w.scscf)), 1);
    world_close();
}

static void another_domain_is_not_registered_here(void)
{
    const char *m;

    world_open(NULL);
    world_request(&w.pa, "REGISTER", "sip:elsewhere.example", "x",
                  "Max-Forwards: 70\nContact: <sip:a@192.0.2.9>\n");
    m = peer_take(&w.pa, "SIP/2.0", NULL);
    CU_ASSERT(is(m, "404"));
    world_close();
}

static void a_draining_server_registers_nobody(void)
{
    const char *m;

    world_open(NULL);
    scscf_drain(w.scscf);
    m = world_register(&w.pa, ALICE, FIRST);
    CU_ASSERT_FATAL(is(m, "503"));
    CU_ASSERT(peer_has_header(m, "Retry-After"));
    world_close();
}

/* A REGISTER of bob's with these contacts, challenged and answered. */
static const char *registered_with(const char *contacts)
{
    const struct credentials bob = {BOB_IMPI, "secret", NULL, false};
    const char *authorization = "", *m = NULL;

    for (unsigned i = 0; i < 2; i++) {
        unsigned n = ++w.serial;

        peer_say(&w.pb, &w.s,
                 "REGISTER sip:" REALM
                 " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.12:5070;branch=z9hG4bKt%u\n"
                 "From: <" BOB ">;tag=f\nTo: <" BOB ">\nCall-ID: torture%u\nCSeq: %u REGISTER\n"
                 "Path: <sip:term@192.0.2.12:5070;lr>\nRequire: path\n%s\n%s",
                 n, n / 2, n, contacts, authorization);
        world_run(20);
        m = peer_take(&w.pb, "SIP/2.0", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        if (i == 0)
            authorization = world_answer(m, &bob);
    }
    return m;
}

static void with_several_contacts(struct scscf_options *o)
{
    o->registrar.contacts = 3;
}

/* RFC 4475 3.1.1.4, 3.3.12, 3.3.13, 3.3.14. */
static void contacts_come_back_as_they_were_registered(void)
{
    static const struct {
        const char *sent, *first, *second;
    } rows[] = {
        {"Contact: sip:+1201@gw.example;unknown", "<sip:+1201@gw.example>;unknown;expires=3600",
         ""},
        {"Contact: <sip:+1201@gw.example;unknown>", "<sip:+1201@gw.example;unknown>;expires=3600",
         ""},
        {"M: <sip:bob@192.0.2.102:5062?Route=%3Csip:x.example%3E>",
         "<sip:bob@192.0.2.102:5062?Route=%3Csip:x.example%3E>;expires=3600", ""},
        {"Contact: <sip:%00@192.0.2.102>\nContact: <sip:%00%00@192.0.2.102>",
         "<sip:%00%00@192.0.2.102>;expires=3600", "<sip:%00@192.0.2.102>;expires=3600"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *m;

        world_open(with_several_contacts);
        m = registered_with(rows[i].sent);
        CU_ASSERT_FATAL(is(m, "200"));
        CU_ASSERT_STRING_EQUAL(peer_header(m, "Contact", 0), rows[i].first);
        CU_ASSERT_STRING_EQUAL(peer_header(m, "Contact", 1), rows[i].second);
        world_close();
    }
}

/* RFC 3261 19.1.1: what a contact brought along does not get into a Request-URI, nor a Route. */
static void headers_of_a_contact_stay_behind(void)
{
    const char *m;

    world_open(NULL);
    world_registered();
    CU_ASSERT_FATAL(
        is(registered_with("Contact: <sip:bob@192.0.2.103?Route=%3Csip:x.example%3E>"), "200"));
    world_request(&w.pa, "MESSAGE", BOB, "c1",
                  "Route: " ROUTE_ORIG "\nP-Asserted-Identity: <" ALICE ">\n");
    m = peer_take(&w.pb, "MESSAGE sip:bob@192.0.2.103 SIP/2.0\r\n", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_PTR_NULL(strstr(m, "x.example"));
    world_close();
}

static void register_of(const char *to, const char *authorization, const char *status)
{
    peer_say(&w.pb, &w.s,
             "REGISTER sip:" REALM " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.12:5070;branch=z9hG4bK%u\n"
             "From: <http://www.example>;tag=f\nTo: %s\nCall-ID: odd\nCSeq: 1 REGISTER\n"
             "Contact: <sip:bob@192.0.2.102>\n%s",
             ++w.serial, to, authorization);
    world_run(20);
    CU_ASSERT(is(peer_take(&w.pb, "SIP/2.0", NULL), status));
}

static void odd_identities_and_credentials(void)
{
    world_open(NULL);
    register_of("isbn:2983792873", "", "400"); /* RFC 4475 3.3.4 */
    register_of("<urn:service:sos>", "", "400");
    register_of(BOB, "Authorization: Tomorrow opaque-data=here\n", "401"); /* RFC 4475 3.3.7 */
    world_close();
}

TEST_MAIN("flow/scscf/register",
          {"an AKA phone registers with two requests", an_aka_phone_registers_with_two_requests},
          {"a digest phone registers", a_digest_phone_registers},
          {"a wrong password is refused", a_wrong_password_is_refused},
          {"a card that is ahead is caught up with", a_card_that_is_ahead_is_caught_up_with},
          {"a lost answer is sent again and registers once",
           a_lost_answer_is_sent_again_and_registers_once},
          {"a phone deregisters and is gone", a_phone_deregisters_and_is_gone},
          {"another domain is not registered here", another_domain_is_not_registered_here},
          {"a draining server registers nobody", a_draining_server_registers_nobody},
          {"contacts come back as they were registered",
           contacts_come_back_as_they_were_registered},
          {"headers of a contact stay behind", headers_of_a_contact_stay_behind},
          {"odd identities and credentials", odd_identities_and_credentials})
