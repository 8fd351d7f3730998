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

TEST_MAIN("flow/pcscf/limits", {"who forges her address does not silence her",
                                who_forges_her_address_does_not_silence_her})
