/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl is answered by a P-CSCF, in the words of the control socket. */
#include "tests/unit/pcscf/program/world.h"

/* ---- registrations ----------------------------------------------------------------------------- */

static void a_phone_without_ipsec_is_told_by_its_address(void)
{
    world_open(WITHOUT_MEDIA);
    CU_ASSERT(house_ask("registrations", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    world_register();
    world_run(600 * 1000);
    CU_ASSERT(house_ask("registrations", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "alice@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impu"), "sip:alice@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "phone"), "192.0.2.7:5060");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "transport"), "udp");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "expires_s"), "3000");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "security"), "none");
    world_close();
}

static struct sip_endpoint *endpoint(const char *name, uint16_t port)
{
    struct sip_endpoint_options o = {.name = name, .local = p.config->gm, .udp = true};
    struct sip_endpoint *e = NULL;

    o.local.port = port;
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(core_transport(p.core), &o, &e), 0);
    return e;
}

static struct binding *bound(const char *impi)
{
    struct binding *b = NULL;

    CU_ASSERT_EQUAL_FATAL(binding_new(core_bindings(p.core), span_str(impi), &b), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("192.0.2.9:31001"), 0, &b->source.remote), 0);
    b->registered = true;
    return b;
}

static void sets_are_told_newest_first_as_ip_xfrm_writes_them(void)
{
    struct binding_set values = {0}, *set;
    struct binding *b;
    const json_t *row;

    world_open(WITHOUT_MEDIA);
    b = bound("bob@ims.example");
    b->ipsec = true;
    b->source.proto = NET_TCP;
    binding_set_expiry(core_bindings(p.core), b, 600);
    CU_ASSERT_EQUAL(addr_parse(SPAN("192.0.2.9:31000"), 0, &values.phone_uc), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("192.0.2.9:31001"), 0, &values.phone_us), 0);
    values.ps = endpoint("port_ps", 5062);
    values.pc = endpoint("port_pc", 5063);
    values.spi_uc = 0x1;
    values.spi_us = 0xabcdef;
    values.spi_pc = 0xffffffff;
    values.spi_ps = 0x1000;
    CU_ASSERT_EQUAL_FATAL(binding_set_add(core_bindings(p.core), b, &values, &set), 0);
    set->state = BINDING_SET_CURRENT;
    (void)binding_set_limit(core_bindings(p.core), set, 630, false);
    values.phone_uc.port = 31002;
    values.phone_us.port = 31003;
    values.pc = endpoint("port_pc", 5064);
    CU_ASSERT_EQUAL_FATAL(binding_set_add(core_bindings(p.core), b, &values, &set), 0);
    CU_ASSERT(house_ask("registrations", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "transport"), "tcp");
    CU_ASSERT_EQUAL_FATAL(json_array_size(json_object_get(house_row(0), "security")), 2);
    row = json_array_get(json_object_get(house_row(0), "security"), 0);
    CU_ASSERT_STRING_EQUAL(house_member(row, "state"), "temporary");
    CU_ASSERT_STRING_EQUAL(house_member(row, "ports"), "uc 31002 us 31003 pc 5064 ps 5062");
    CU_ASSERT_STRING_EQUAL(house_member(row, "ends_in_s"), "0");
    row = json_array_get(json_object_get(house_row(0), "security"), 1);
    CU_ASSERT_STRING_EQUAL(house_member(row, "state"), "current");
    CU_ASSERT_STRING_EQUAL(house_member(row, "ports"), "uc 31000 us 31001 pc 5063 ps 5062");
    CU_ASSERT_STRING_EQUAL(house_member(row, "spi_uc"), "0x00000001");
    CU_ASSERT_STRING_EQUAL(house_member(row, "spi_us"), "0x00abcdef");
    CU_ASSERT_STRING_EQUAL(house_member(row, "spi_pc"), "0xffffffff");
    CU_ASSERT_STRING_EQUAL(house_member(row, "spi_ps"), "0x00001000");
    CU_ASSERT_STRING_EQUAL(house_member(row, "ends_in_s"), "630");
    world_close();
}

static void a_phone_that_was_only_challenged_is_not_registered(void)
{
    world_open(WITHOUT_MEDIA);
    bound("bob@ims.example")->registered = false;
    (void)bound("carol@ims.example");
    CU_ASSERT(house_ask("registrations", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "carol@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impu"), ""); /* none was told to us */
    CU_ASSERT_FALSE(house_ask("registrations", "\"impi\": \"x\""));
    CU_ASSERT(house_refused("registrations has no argument 'impi'",
                            "usage: registrations [--limit VALUE]", true));
    world_close();
}

static void an_identity_that_is_no_text_does_not_hide_its_phone(void)
{
    world_open(WITHOUT_MEDIA);
    (void)bound("\xff@ims.example");
    CU_ASSERT(house_ask("registrations", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "(not UTF-8)");
    world_close();
}

static void a_list_ends_at_its_limit(void)
{
    world_open(WITHOUT_MEDIA);
    world_register();
    (void)bound("carol@ims.example");
    (void)world_invite("sip:bob@ims.example", "c1", "");
    (void)world_invite("sip:bob@ims.example", "c2", "");
    CU_ASSERT(house_ask("registrations", "\"limit\": 1"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 1);
    CU_ASSERT(house_ask("registrations", "\"limit\": 2"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 2);
    CU_ASSERT(house_ask("legs", "\"limit\": 0"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    CU_ASSERT(house_ask("legs", "\"limit\": 1"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 1);
    CU_ASSERT_FALSE(house_ask("legs", "\"limit\": \"all\""));
    CU_ASSERT_STRING_EQUAL(house_member(house.answer, "error"),
                           "--limit must be a number of at most 100000");
    world_close();
}

/* ---- legs -------------------------------------------------------------------------------------- */

static void a_leg_rings_is_answered_and_ends(void)
{
    const char *m;

    world_open(WITHOUT_MEDIA);
    world_register();
    m = world_invite("sip:bob@ims.example", "c1", "");
    world_run(4000);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "call_id"), "c1");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "side"), "originating");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "alice@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "ringing");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "4");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "token"), "false");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "gate"), "false");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "edge_call"), "");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(peer_header(m, "P-Charging-Vector", 0), house_member(house_row(0), "icid")));
    peer_answer(&scscf, &p.config->mw, m, "200 OK", "b", "Contact: <sip:bob@192.0.2.20:6060>\n",
                NULL);
    world_run(7100);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "answered");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "7"); /* since the answer */
    world_say("BYE", 2, "sip:bob@192.0.2.20:6060", "c1", ROUTES, ";tag=b", "");
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "ending");
    world_close();
}

static void a_leg_has_its_token_before_its_gate_is_up(void)
{
    const char *m;

    world_open(WITH_MEDIA);
    world_register();
    m = world_invite("sip:bob@ims.example", "c1", SDP);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "token"), "false");
    CU_ASSERT_STRING_NOT_EQUAL(house_member(house_row(0), "edge_call"), "");
    peer_answer(&scscf, &p.config->mw, m, "200 OK", "b", "Contact: <sip:bob@192.0.2.20:6060>\n",
                SDP);
    edge.on_message = NULL; /* it answers nothing any more */
    world_run(100);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "gate"), "false");
    edge.on_message = on_ng; /* what is repeated is answered */
    world_run(1000);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "token"), "true");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "gate"), "true");
    world_close();
}

static void an_icid_that_is_no_text_does_not_hide_its_leg(void)
{
    char route[256];
    const struct binding *b;
    struct buf out = BUF_ON(route);

    world_open(WITHOUT_MEDIA);
    world_register();
    b = binding_find_impi(core_bindings(p.core), SPAN("alice@ims.example"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    binding_put_uri(b, &p.config->mw, &out);
    route[out.n] = '\0';
    peer_say(
        &scscf, &p.config->mw,
        "INVITE sip:alice@192.0.2.7 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKt\n"
        "Route: %s\nFrom: <sip:bob@ims.example>;tag=x\nTo: <sip:alice@ims.example>\n"
        "Call-ID: t1\nCSeq: 1 INVITE\nMax-Forwards: 60\nContact: <sip:bob@192.0.2.20:6060>\n"
        "P-Charging-Vector: icid-value=\"\xff\xfe\"\nP-Called-Party-ID: "
        "<sip:alice@ims.example>\n\n",
        route);
    world_run(50);
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "side"), "terminating");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "icid"), "(not UTF-8)");
    world_close();
}

/* ---- ladder ------------------------------------------------------------------------------------ */

static size_t events(void)
{
    return json_array_size(json_object_get(house_result(), "events"));
}

static void a_ladder_is_found_by_any_name_of_its_call(void)
{
    char icid[128], ask[256];

    world_open(WITHOUT_MEDIA);
    world_register();
    (void)world_invite("sip:bob@ims.example;user=phone", "c1", "");
    CU_ASSERT(house_ask("legs", ""));
    CU_ASSERT_EQUAL(span_copy(span_str(house_member(house_row(0), "icid")), icid, sizeof(icid)), 0);
    snprintf(ask, sizeof(ask), "\"call\": \"%s\"", icid);
    CU_ASSERT(house_ask("ladder", ask));
    CU_ASSERT(events() >= 2);
    CU_ASSERT(house_ask("ladder", "\"call\": \"c1\""));
    CU_ASSERT(house_ask("ladder", "\"call\": \"sip:alice@ims.example\""));
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "call"), "c1");
    CU_ASSERT(house_ask("ladder", "\"call\": \"sip:bob@ims.example\"")); /* who is called */
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "call"), "c1");
    CU_ASSERT(house_ask("ladder", "")); /* the latest */
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "call"), "c1");
    world_close();
}

static void whole_messages_are_shown_when_asked_for(void)
{
    world_open(WITHOUT_MEDIA);
    world_register();
    CU_ASSERT(house_ask("ladder", "\"call\": \"reg\""));
    CU_ASSERT_PTR_NULL(
        json_object_get(json_array_get(json_object_get(house_result(), "events"), 0), "message"));
    CU_ASSERT(house_ask("ladder", "\"call\": \"reg\", \"messages\": true"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        house_member(json_array_get(json_object_get(house_result(), "events"), 0), "message"),
        "CSeq: 1 REGISTER"));
    CU_ASSERT_FALSE(house_ask("ladder", "\"messages\": \"yes\""));
    CU_ASSERT(house_refused("--messages has no value", "usage: ladder [call] [--messages]", true));
    world_close();
}

static void a_ladder_that_is_not_there_is_refused_with_what_helps(void)
{
    static char ask[1200];
    struct buf b = BUF_ON(ask);

    world_open(WITHOUT_MEDIA);
    CU_ASSERT_FALSE(house_ask("ladder", ""));
    CU_ASSERT(house_refused("no call was recorded yet",
                            "make one; what happened before the start is not known", false));
    CU_ASSERT_FALSE(house_ask("ladder", "\"call\": \"c9\""));
    CU_ASSERT(house_refused("no call is known as 'c9'",
                            "name it by ICID, Call-ID or an identity of one of its ends; without a "
                            "name it is the latest call",
                            false));
    buf_puts(&b, "\"call\": \"x");
    for (int i = 0; i < 300; i++)
        buf_puts(&b, "\xc3\xa4"); /* the 200th octet is inside a character */
    buf_puts(&b, "\"");
    ask[b.n] = '\0';
    CU_ASSERT_FALSE(house_ask("ladder", ask));
    CU_ASSERT_EQUAL(strncmp(house_member(house.answer, "error"), "no call is known as 'x", 22), 0);
    world_close();
}

static void without_a_recorder_the_remedy_is_its_configuration(void)
{
    struct obs_recorder *kept;

    world_open(WITHOUT_MEDIA "trace: no\n");
    CU_ASSERT_FALSE(house_ask("ladder", ""));
    CU_ASSERT(house_refused("no messages are kept",
                            "Set trace: true and recorder.calls above 0 in the configuration file "
                            "and start again.",
                            false));
    world_close();
    world_open(WITHOUT_MEDIA);
    kept = house_lose_recorder(); /* recorder.calls: 0 */
    CU_ASSERT_FALSE(house_ask("ladder", "\"call\": \"c1\""));
    CU_ASSERT(house_refused("no messages are kept",
                            "Set trace: true and recorder.calls above 0 in the configuration file "
                            "and start again.",
                            false));
    obs_recorder_free(kept);
    world_close();
}

/* ---- status ------------------------------------------------------------------------------------ */

static json_t *status(void)
{
    static json_t *last;

    json_decref(last);
    last = json_object();
    commands_status(house.daemon, &p, last);
    return last;
}

static void the_status_counts_phones_and_legs(void)
{
    world_open(WITHOUT_MEDIA);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "phones"), "0");
    world_register();
    (void)bound("carol@ims.example");
    (void)world_invite("sip:bob@ims.example", "c1", "");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "phones"), "2");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "legs"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "ipsec"), "false");
    world_close();
}

static void the_status_tells_whether_the_pdp_is_there(void)
{
    world_open(WITHOUT_MEDIA);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "off");
    world_close();
    world_open(WITH_MEDIA);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "connected");
    diameter_free(pdp);
    pdp = NULL;
    world_run(1000);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "pdp"), "not connected");
    world_close();
}

TEST_MAIN("pcscf/program/commands",
          {"a phone without IPsec is told by its address",
           a_phone_without_ipsec_is_told_by_its_address},
          {"sets are told newest first, as ip xfrm writes them",
           sets_are_told_newest_first_as_ip_xfrm_writes_them},
          {"a phone that was only challenged is not registered",
           a_phone_that_was_only_challenged_is_not_registered},
          {"an identity that is no text does not hide its phone",
           an_identity_that_is_no_text_does_not_hide_its_phone},
          {"a list ends at its limit", a_list_ends_at_its_limit},
          {"a leg rings, is answered and ends", a_leg_rings_is_answered_and_ends},
          {"a leg has its token before its gate is up", a_leg_has_its_token_before_its_gate_is_up},
          {"an ICID that is no text does not hide its leg",
           an_icid_that_is_no_text_does_not_hide_its_leg},
          {"a ladder is found by any name of its call", a_ladder_is_found_by_any_name_of_its_call},
          {"whole messages are shown when asked for", whole_messages_are_shown_when_asked_for},
          {"a ladder that is not there is refused with what helps",
           a_ladder_that_is_not_there_is_refused_with_what_helps},
          {"without a recorder, the remedy is its configuration",
           without_a_recorder_the_remedy_is_its_configuration},
          {"the status counts phones and legs", the_status_counts_phones_and_legs},
          {"the status tells whether the PDP is there", the_status_tells_whether_the_pdp_is_there})
