/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACK of a 2xx where no dialog is known: from before a restart, or made up. */
#include "tests/unit/pcscf/session/legs.h"

static bool from_alice; /* else nobody knows who it is from */

static void on_ack(struct sip_msg *m, const struct sip_flow *flow)
{
    bool core = flow->endpoint == stage.mw;

    session_on_ack(legs.s, m, flow, !core && from_alice ? legs.alice : NULL);
}

static void setup(void)
{
    legs_open(true, true);
    legs.alice->source = (struct sip_flow){
        .endpoint = stage.gm, .proto = NET_UDP, .local = stage.at_gm, .remote = stage.phone.local};
    stage.on_ack = on_ack;
    from_alice = true;
}

static void ack(struct peer *p, const struct addr *to, const char *lines)
{
    char host[ADDR_TEXT_MAX];

    peer_say(p, to,
             "ACK sip:alice@192.0.2.7 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKa\n"
             "From: <sip:b@ims.test>;tag=f\nTo: <sip:alice@ims.test>;tag=t\nCall-ID: k\n"
             "CSeq: 1 ACK\nMax-Forwards: 70\n%s",
             addr_text(&p->local, host), lines);
    stage_run(20);
}

/* Alice's Route to us, twice as she was recorded. */
static const char *route_to_alice(void)
{
    static char text[200];

    (void)snprintf(text, sizeof(text),
                   "Route: <sip:b%016llx@192.0.2.11:5070;lr>, <sip:b%016llx@192.0.2.10:5062;lr>, "
                   "<sip:further.test;lr>\n",
                   (unsigned long long)legs.alice->id, (unsigned long long)legs.alice->id);
    return text;
}

static void an_ack_of_the_core_finds_the_phone_by_our_route(void)
{
    const char *m;

    setup();
    ack(&stage.core, &stage.at_mw, route_to_alice());
    m = peer_take(&stage.phone, "ACK", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:further.test;lr>");
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Max-Forwards", 0), "69");
    CU_ASSERT_TRUE(list_empty(&legs.s->acks));
    legs_close();
}

static void what_is_for_the_network_alone_is_taken_off_an_ack_to_the_phone(void)
{
    char lines[400];
    const char *m;

    setup();
    (void)snprintf(lines, sizeof(lines), "%sP-Charging-Vector: icid-value=x\n", route_to_alice());
    ack(&stage.core, &stage.at_mw, lines);
    m = peer_take(&stage.phone, "ACK", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_FALSE(peer_has_header(m, "P-Charging-Vector"));
    legs_close();
}

static void an_ack_for_nobody_is_dropped(void)
{
    setup();
    ack(&stage.core, &stage.at_mw, "");
    ack(&stage.core, &stage.at_mw, "Route: <sip:b0000000000000001@192.0.2.11:5070;lr>\n");
    legs.alice->ipsec = true; /* and she has no association */
    ack(&stage.core, &stage.at_mw, route_to_alice());
    CU_ASSERT_EQUAL(stage.phone.n + stage.core.n, 0);
    CU_ASSERT_TRUE(list_empty(&legs.s->acks));
    legs_close();
}

static void an_ack_of_a_phone_goes_nowhere_without_its_dialog(void)
{
    setup();
    ack(&stage.phone, &stage.at_gm, "Route: <sip:192.0.2.20:6060;lr>\n");
    CU_ASSERT_EQUAL(legs.events[SESSION_NO_DIALOG], 1);
    CU_ASSERT_EQUAL(stage.phone.n + stage.core.n, 0);
    legs_close();
}

TEST_MAIN("pcscf/session/ack",
          {"an ACK of the core finds the phone by our Route",
           an_ack_of_the_core_finds_the_phone_by_our_route},
          {"what is for the network alone is taken off an ACK to the phone",
           what_is_for_the_network_alone_is_taken_off_an_ack_to_the_phone},
          {"an ACK for nobody is dropped", an_ack_for_nobody_is_dropped},
          {"an ACK of a phone goes nowhere without its dialog",
           an_ack_of_a_phone_goes_nowhere_without_its_dialog})
