/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one party takes of the P-CSCF is not missing to others. */
#include <stdio.h>

#include "tests/flow/pcscf/world.h"

static void fifty_a_second(struct core_options *o)
{
    o->access.rate = 50;
    o->access.burst = 200;
}

static void alice_says_something(unsigned n)
{
    peer_say(&w.alice.uc, &w.alice.ps,
             "MESSAGE sip:bob@" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKm%u\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:alice@" DOMAIN ">;tag=f\nTo: <sip:bob@" DOMAIN ">\n"
             "Call-ID: m%u\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n",
             n, n);
}

static void who_forges_her_address_does_not_silence_her(void)
{
    struct peer forger;

    world_open(fifty_a_second);
    phone_is_registered(&w.alice);
    peer_open(&forger, w.sim, w.wire, "forger", "192.0.2.7:4444");
    /* the burst, then 100 a second */
    for (unsigned i = 0; i < 400; i++)
        peer_say(&forger, &w.gm, "x\n");
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned k = 0; k < 10; k++)
            peer_say(&forger, &w.gm, "x\n");
        alice_says_something(i);
        world_run(100);
        CU_ASSERT_PTR_NOT_NULL(peer_take(&w.scscf, "MESSAGE", NULL));
    }
    CU_ASSERT(core_counters(w.core)->too_fast > 200);
    peer_close(&forger);
    world_close();
}

/* ---- calls ------------------------------------------------------------------------------------- */

static void three_calls_a_phone(struct core_options *o)
{
    o->session.legs = 100;
    o->session.legs_per_phone = 3;
}

/* The next one of this call; what comes again of others is passed over. */
static const char *take_of(struct peer *p, const char *start, const char *call_id)
{
    const char *m;

    do
        m = peer_take(p, start, NULL);
    while (m && strcmp(peer_header(m, "Call-ID", 0), call_id) != 0);
    return m;
}

/* An INVITE to this URI; 0 when it went on to the core, else the status the phone was refused with. */
static unsigned calls(struct phone *p, const char *call_id, const char *to, const char **ret_again)
{
    const char *m;
    unsigned status = 0;

    phone_invite(p, call_id, to, "", sdp_offer);
    world_run(30);
    while (peer_take(&p->us, "SIP/2.0 100", NULL))
        ;
    if (take_of(&w.scscf, "INVITE", call_id))
        return 0;
    m = take_of(&p->us, "SIP/2.0 ", call_id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(sscanf(m, "SIP/2.0 %u", &status), 1);
    if (ret_again)
        *ret_again = peer_header(m, "Retry-After", 0);
    return status;
}

static void gives_up(struct phone *p, const char *call_id, const char *to)
{
    peer_say(&p->uc, &p->ps,
             "CANCEL %s SIP/2.0\nVia: SIP/2.0/UDP %s:31001;branch=z9hG4bK%s-i\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:%s@" DOMAIN ">;tag=f\nTo: <%s>\nCall-ID: %s\nCSeq: 1 CANCEL\n"
             "Max-Forwards: 70\n",
             to, p->ip, call_id, p->name, to, call_id);
    world_run(30);
    while (peer_take(&p->us, "SIP/2.0 ", NULL))
        ;
}

/* The core's INVITE to alice; the status it was refused with, 0 when it reached her. */
static unsigned core_calls_alice(const char *call_id)
{
    const char *m;
    unsigned status = 0;

    peer_say(&w.scscf, &w.mw,
             "INVITE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bK%s\nRoute: %s\n"
             "Record-Route: <sip:192.0.2.20:6060;lr>\n"
             "From: <sip:bob@" DOMAIN ">;tag=f\nTo: <sip:alice@" DOMAIN ">\n"
             "Call-ID: %s\nCSeq: 1 INVITE\nMax-Forwards: 66\n"
             "Contact: <sip:bob@192.0.2.99:5060>\n",
             call_id, w.alice.path, call_id);
    world_run(50);
    while (peer_take(&w.scscf, "SIP/2.0 100", NULL))
        ;
    if (peer_take(&w.alice.us, "INVITE", NULL))
        return 0;
    m = peer_take(&w.scscf, "SIP/2.0 ", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(sscanf(m, "SIP/2.0 %u", &status), 1);
    return status;
}

#define CAROL "sip:carol@" DOMAIN

static void one_phone_cannot_take_all_calls(void)
{
    const char *again = "";

    world_open(three_calls_a_phone);
    phone_is_registered(&w.alice);
    phone_is_registered(&w.bob);
    CU_ASSERT_EQUAL(calls(&w.alice, "a1", CAROL, NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "a2", CAROL, NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "a3", CAROL, NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "a4", CAROL, &again), 503);
    CU_ASSERT_STRING_EQUAL(again, "10");
    CU_ASSERT_EQUAL(w.sessions[SESSION_PHONE_FULL], 1);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 3);
    CU_ASSERT_EQUAL(calls(&w.bob, "b1", CAROL, NULL), 0);
    /* one of hers is over, and there is room for one */
    gives_up(&w.alice, "a2", CAROL);
    CU_ASSERT_EQUAL(calls(&w.alice, "a5", CAROL, NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "a6", CAROL, NULL), 503);
    world_close();
}

static void who_calls_for_help_is_not_refused_for_it(void)
{
    world_open(three_calls_a_phone);
    phone_is_registered(&w.alice);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(calls(&w.alice, (const char *[]){"a0", "a1", "a2", "a3"}[i], CAROL, NULL),
                        i < 3 ? 0 : 503);
    CU_ASSERT_EQUAL(calls(&w.alice, "s1", "urn:service:sos", NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "s2", "URN:Service:SOS.fire", NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "s3", "urn:service:sosial", NULL), 503);
    CU_ASSERT_EQUAL(calls(&w.alice, "s4", "urn:service:counseling", NULL), 503);
    /* nor is it a way around the bound */
    CU_ASSERT_EQUAL(calls(&w.alice, "s5", "urn:service:sos.police", NULL), 0);
    CU_ASSERT_EQUAL(calls(&w.alice, "s6", "urn:service:sos.police", NULL), 503);
    world_close();
}

static void who_is_called_too_often_can_still_call(void)
{
    world_open(three_calls_a_phone);
    phone_is_registered(&w.alice);
    CU_ASSERT_EQUAL(core_calls_alice("m1"), 0);
    CU_ASSERT_EQUAL(core_calls_alice("m2"), 0);
    CU_ASSERT_EQUAL(core_calls_alice("m3"), 0);
    CU_ASSERT_EQUAL(core_calls_alice("m4"), 486);
    CU_ASSERT_EQUAL(w.sessions[SESSION_PHONE_FULL], 1);
    CU_ASSERT_EQUAL(calls(&w.alice, "a1", CAROL, NULL), 0);
    world_close();
}

static void who_hangs_up_again_and_again_fills_nothing_either(void)
{
    unsigned refused = 0;
    char call_id[16];

    world_open(three_calls_a_phone);
    phone_is_registered(&w.alice);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(call_id, sizeof(call_id), "a%u", i);
        if (calls(&w.alice, call_id, CAROL, NULL) == 503)
            refused++;
        else
            gives_up(&w.alice, call_id, CAROL);
        while (peer_take(&w.scscf, "", NULL))
            ;
    }
    CU_ASSERT_EQUAL(refused, 40 - 3 * 8);
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 3 * 8);
    world_run(400 * 1000); /* all forgotten */
    CU_ASSERT_EQUAL(session_legs(core_session(w.core)), 0);
    while (peer_take(&w.scscf, "", NULL) || peer_take(&w.alice.us, "", NULL))
        ;
    CU_ASSERT_EQUAL(calls(&w.alice, "again", CAROL, NULL), 0);
    world_close();
}

TEST_MAIN("flow/pcscf/limits",
          {"who forges her address does not silence her",
           who_forges_her_address_does_not_silence_her},
          {"one phone cannot take all calls", one_phone_cannot_take_all_calls},
          {"who calls for help is not refused for it", who_calls_for_help_is_not_refused_for_it},
          {"who is called too often can still call", who_is_called_too_often_can_still_call},
          {"who hangs up again and again fills nothing either",
           who_hangs_up_again_and_again_fills_nothing_either})
