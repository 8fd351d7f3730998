/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a P-CSCF tells by itself: a line and a count for what happens, gauges, the parties of a ladder. */
#include "tests/unit/pcscf/program/world.h"

/* ---- events ------------------------------------------------------------------------------------ */

struct event {
    const char *name, *level;
};

static void every_outcome_of_a_register_has_a_count_and_a_line(void)
{
    static const struct event rows[REGISTER_EVENT_COUNT] = {
        [REGISTER_CHALLENGED] = {"challenged", "info"},
        [REGISTER_GRANTED] = {"granted", "info"},
        [REGISTER_REFRESHED] = {"refreshed", "info"},
        [REGISTER_REFUSED] = {"refused", "warn"},
        [REGISTER_REMOVED] = {"removed", "info"},
        [REGISTER_EXPIRED] = {"expired", "info"},
        [REGISTER_NO_IPSEC] = {"no_ipsec", "warn"},
        [REGISTER_MISMATCH] = {"mismatch", "warn"},
        [REGISTER_FOREIGN] = {"foreign", "warn"},
        [REGISTER_BAD] = {"bad", "warn"},
        [REGISTER_NO_KEYS] = {"no_keys", "warn"},
        [REGISTER_IPSEC_FAILED] = {"ipsec_failed", "warn"},
        [REGISTER_CORE_SILENT] = {"core_silent", "warn"},
        [REGISTER_IN_USE] = {"in_use", "warn"},
    };
    char metric[96], line[96];

    world_open(WITHOUT_MEDIA);
    for (unsigned e = 0; e < REGISTER_EVENT_COUNT; e++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(rows[e].name);
        snprintf(metric, sizeof(metric), "pcscf_register_total{outcome=\"%s\"}", rows[e].name);
        snprintf(line, sizeof(line), "%s register.%s detail=why\n", rows[e].level, rows[e].name);
        CU_ASSERT_EQUAL(house_metric(metric), 0);
        report_register((enum register_event)e, NULL, SPAN("why"), &p);
        CU_ASSERT_EQUAL(house_metric(metric), 1);
        CU_ASSERT(house_logged_is(line));
    }
    world_close();
}

static void every_event_of_a_call_has_a_count_and_a_line(void)
{
    static const struct event rows[SESSION_EVENT_COUNT] = {
        [SESSION_CALL_STARTED] = {"call_started", "info"},
        [SESSION_CALL_ANSWERED] = {"call_answered", "info"},
        [SESSION_CALL_ENDED] = {"call_ended", "info"},
        [SESSION_UNKNOWN_PHONE] = {"unknown_phone", "warn"},
        [SESSION_FOREIGN_DIALOG] = {"foreign_dialog", "warn"},
        [SESSION_NO_DIALOG] = {"no_dialog", "warn"},
        [SESSION_ROUTE_MISMATCH] = {"route_mismatch", "warn"},
        [SESSION_PHONE_GONE] = {"phone_gone", "warn"},
        [SESSION_MEDIA_REFUSED] = {"media_refused", "warn"},
        [SESSION_MEDIA_SILENT] = {"media_silent", "warn"},
        [SESSION_PDP_REFUSED] = {"pdp_refused", "warn"},
        [SESSION_PDP_SILENT] = {"pdp_silent", "warn"},
        [SESSION_PDP_ABORTED] = {"pdp_aborted", "warn"},
        [SESSION_PHONE_FULL] = {"phone_full", "warn"},
        [SESSION_TOKEN_REFUSED] = {"token_refused", "warn"},
        [SESSION_DIALOG_LOST] = {"dialog_lost", "warn"},
        [SESSION_FORK_DROPPED] = {"fork_dropped", "warn"},
    };
    char metric[96], line[96];

    world_open(WITHOUT_MEDIA);
    for (unsigned e = 0; e < SESSION_EVENT_COUNT; e++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(rows[e].name);
        snprintf(metric, sizeof(metric), "pcscf_session_total{event=\"%s\"}", rows[e].name);
        /* What the log may have to mask has a name of its own. */
        snprintf(line, sizeof(line), "%s session.%s %s\n", rows[e].level, rows[e].name,
                 e == SESSION_PHONE_FULL ? "whose=why option=limits.calls_per_phone"
                 : e == SESSION_FOREIGN_DIALOG || e == SESSION_PHONE_GONE ? "whose=why"
                                                                          : "detail=why");
        CU_ASSERT_EQUAL(house_metric(metric), 0);
        report_session((enum session_event)e, NULL, SPAN("why"), &p);
        CU_ASSERT_EQUAL(house_metric(metric), 1);
        CU_ASSERT(house_logged_is(line));
    }
    world_close();
}

static void a_line_names_the_phone_and_the_call(void)
{
    const char *line;

    world_open(WITHOUT_MEDIA);
    world_register();
    CU_ASSERT(house_logged_is(
        "info register.granted impi=alice@ims.example phone=192.0.2.7:5060 detail=\"\"\n"));
    (void)world_invite("sip:bob@ims.example", "c1", "");
    line = house_logged();
    CU_ASSERT_EQUAL(strncmp(line, "info session.call_started icid=", 31), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, " call_id=c1 side=originating impi=alice@ims.example "));
    world_close();
}

static void a_message_that_is_none_is_told_with_its_answer(void)
{
    const char *line;

    world_open(WITHOUT_MEDIA);
    peer_say(&phone, &p.config->gm,
             "OPTIONS sip:ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKo\n"
             "From: <sip:alice@ims.example>;tag=f\nTo: <sip:alice@ims.example>\nCall-ID: o\n"
             "CSeq: 1 REGISTER\n");
    world_run(20);
    line = house_logged();
    CU_ASSERT_EQUAL(strncmp(line, "info sip.bad_message from=192.0.2.7:5060 answered=400 why=", 58),
                    0);
    CU_ASSERT_EQUAL(house_metric("pcscf_bad_messages_total"), 1);
    world_close();
}

static void a_stranger_on_mw_is_told_with_the_option_that_lets_it_in(void)
{
    world_open(WITHOUT_MEDIA);
    CU_ASSERT(house_logged_is(""));
    report_stranger(&(struct sip_flow){.remote = p.config->mw}, &p);
    CU_ASSERT(house_logged_is("warn sip.stranger from=192.0.2.11:5070 why=\"the address is not in "
                              "mw.allow\" remedy=\"if it is of the core, add it there\"\n"));
    world_close();
}

/* ---- metrics ----------------------------------------------------------------------------------- */

static void gauges_stand_at_what_there_is_now(void)
{
    world_open(WITHOUT_MEDIA);
    CU_ASSERT_EQUAL(house_metric("pcscf_phones"), 0);
    world_register();
    CU_ASSERT_EQUAL(house_metric("pcscf_phones"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_legs"), 0);
    (void)world_invite("sip:bob@ims.example", "c1", "");
    CU_ASSERT_EQUAL(house_metric("pcscf_legs"), 1);
    /* REGISTER and INVITE on either side; over UDP those of the REGISTER linger */
    CU_ASSERT_EQUAL(house_metric("pcscf_now{what=\"transactions\"}"), 4);
    CU_ASSERT_EQUAL(house_metric("pcscf_now{what=\"connections\"}"), 0);
    world_run(3600 * 1000);
    CU_ASSERT_EQUAL(house_metric("pcscf_legs"), 0);
    CU_ASSERT_EQUAL(house_metric("pcscf_now{what=\"transactions\"}"), 0);
    world_close();
}

static void what_the_door_turns_away_is_counted_by_reason(void)
{
    static char large[2000];

    world_open(WITHOUT_MEDIA "gm.rate: 1\ngm.burst: 2\ngm.message_max: 1500\n");
    for (int i = 0; i < 5; i++)
        peer_send(&phone, &p.config->gm, "no SIP at all");
    world_run(20);
    CU_ASSERT_EQUAL(house_metric("pcscf_too_fast_total"), 3);
    CU_ASSERT_EQUAL(house_metric("pcscf_too_large_total"), 0);
    world_run(10000);
    memset(large, 'x', sizeof(large) - 1);
    peer_send(&phone, &p.config->gm, large);
    world_run(20);
    CU_ASSERT_EQUAL(house_metric("pcscf_too_large_total"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_too_fast_total"), 3);
    world_close();
}

static void what_edge_and_pdp_said_is_counted(void)
{
    const char *m;

    world_open(WITH_MEDIA);
    world_register();
    m = world_invite("sip:bob@ims.example", "c1", SDP);
    CU_ASSERT_EQUAL(house_metric("pcscf_edge_commands_total{outcome=\"ok\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_pdp_requests_total{outcome=\"granted\"}"), 0);
    peer_answer(&scscf, &p.config->mw, m, "200 OK", "b", "Contact: <sip:bob@192.0.2.20:6060>\n",
                SDP);
    world_run(100);
    CU_ASSERT_EQUAL(house_metric("pcscf_edge_commands_total{outcome=\"ok\"}"), 3);
    CU_ASSERT_EQUAL(house_metric("pcscf_pdp_requests_total{outcome=\"granted\"}"), 1);
    edge.on_message = NULL;
    world_say("BYE", 2, "sip:bob@192.0.2.20:6060", "c1", ROUTES, ";tag=b", "");
    world_run(5000);
    CU_ASSERT_EQUAL(house_metric("pcscf_edge_commands_total{outcome=\"silent\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_edge_commands_total{outcome=\"refused\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("pcscf_pdp_requests_total{outcome=\"silent\"}"), 0);
    world_close();
}

static void the_layers_counters_stand_under_their_names(void)
{
    world_open(WITHOUT_MEDIA);
    world_register();
    CU_ASSERT_EQUAL(house_metric("pcscf_transport_total{event=\"received_udp\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("pcscf_transport_total{event=\"received_tcp\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("pcscf_transport_total{event=\"sent_udp\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("pcscf_transactions_total{event=\"requests\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_transactions_total{event=\"responses\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("pcscf_transactions_total{event=\"acks\"}"), 0);
    world_close();
}

/* ---- the ladder -------------------------------------------------------------------------------- */

static struct sip_endpoint *endpoint(const char *name, uint16_t port)
{
    struct sip_endpoint_options o = {.name = name, .local = p.config->gm, .udp = true};
    struct sip_endpoint *e = NULL;

    o.local.port = port;
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(core_transport(p.core), &o, &e), 0);
    return e;
}

static void an_answer_of_others_than_were_asked_is_told(void)
{
    struct sip_flow from = {.remote = {.family = AF_INET, .port = 9, .ip = {192, 0, 2, 66}}};

    world_open(WITHOUT_MEDIA);
    CU_ASSERT(house_logged_is(""));
    from.endpoint = endpoint("gm", 7000);
    report_false_answer(&from, &p);
    CU_ASSERT(house_logged_is("warn sip.false_answer from=192.0.2.66:9 at=gm why=\"it answers what "
                              "others were asked\" remedy=\"none: it was dropped\"\n"));
    from.endpoint = endpoint("mw", 7001);
    report_false_answer(&from, &p);
    CU_ASSERT(house_logged_is(
        "warn sip.false_answer from=192.0.2.66:9 at=mw why=\"it answers what "
        "others were asked\" remedy=\"if it is the core's, too, name all networks of the "
        "core in mw.allow\"\n"));
    world_close();
}

static void tap(struct sip_endpoint *e, const char *remote, bool outgoing, const char *raw)
{
    struct sip_flow flow = {.endpoint = e, .proto = NET_UDP};

    CU_ASSERT_EQUAL(addr_parse(span_str(remote), 0, &flow.remote), 0);
    report_tap(&flow, outgoing, span_str(raw), &p);
}

/* Who said the i-th message of the last ladder to whom. */
static bool is_from_to(size_t i, const char *from, const char *to)
{
    const json_t *e = json_array_get(json_object_get(house_result(), "events"), i),
                 *parties = json_object_get(house_result(), "parties");
    const char *f = json_string_value(
        json_array_get(parties, (size_t)json_integer_value(json_object_get(e, "from"))));
    const char *t = json_string_value(
        json_array_get(parties, (size_t)json_integer_value(json_object_get(e, "to"))));
    bool same = f && t && strcmp(f, from) == 0 && strcmp(t, to) == 0;

    if (!same)
        printf("\n    from %s to %s\n", f ? f : "?", t ? t : "?");
    return same;
}

#define RAW "INVITE sip:bob@ims.example SIP/2.0\r\nCall-ID: c1\r\n\r\n"

static void parties_are_phones_us_and_the_core_by_its_part(void)
{
    struct sip_endpoint *mw, *gm;

    world_open(WITHOUT_MEDIA);
    mw = endpoint("mw", 7001);
    gm = endpoint("gm", 7002);
    tap(gm, "192.0.2.7:5060", false, RAW);
    tap(mw, "192.0.2.20:6060", true, RAW);
    tap(mw, "192.0.2.20:7070", false, RAW); /* it answers from where it likes */
    tap(mw, "192.0.2.21:6060", false, RAW);
    tap(gm, "192.0.2.20:6060", false, RAW); /* a phone is none of the core */
    CU_ASSERT(house_ask("ladder", "\"call\": \"c1\""));
    CU_ASSERT(is_from_to(0, "phone 192.0.2.7", "pcscf"));
    CU_ASSERT(is_from_to(1, "pcscf", "scscf"));
    CU_ASSERT(is_from_to(2, "scscf", "pcscf"));
    CU_ASSERT(is_from_to(3, "core 192.0.2.21", "pcscf"));
    CU_ASSERT(is_from_to(4, "phone 192.0.2.20", "pcscf"));
    world_close();
}

static void the_scscf_is_known_by_an_ipv6_address_too(void)
{
    world_open("gm.address: 192.0.2.10:5060\nmw.address: 192.0.2.11:5070\n"
               "mw.core: \"sip:[2001:db8:0:0::1]:6060\"\nsecurity.ipsec: no\n"
               "security.require_ipsec: no\nmedia.anchor: no\npdp.enabled: no\n");
    tap(endpoint("mw", 7001), "[2001:db8::1]:6060", false, RAW);
    CU_ASSERT(house_ask("ladder", "\"call\": \"c1\""));
    CU_ASSERT(is_from_to(0, "scscf", "pcscf"));
    world_close();
}

static void what_came_through_an_association_is_marked(void)
{
    const json_t *list;

    world_open(WITHOUT_MEDIA);
    tap(endpoint("port_ps", 7001), "192.0.2.7:31000", false, RAW);
    tap(endpoint("port_pc", 7002), "192.0.2.7:31001", true, RAW);
    tap(endpoint("gm", 7003), "192.0.2.7:5060", false, RAW);
    CU_ASSERT(house_ask("ladder", "\"call\": \"c1\""));
    list = json_object_get(house_result(), "events");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(list, 0), "guarded"), "true");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(list, 1), "guarded"), "true");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(list, 2), "guarded"), "false");
    world_close();
}

static void a_message_without_a_call_is_not_kept(void)
{
    world_open(WITHOUT_MEDIA);
    tap(endpoint("gm", 7001), "192.0.2.7:5060", false, "\r\n\r\n");
    tap(endpoint("gm", 7002), "192.0.2.7:5060", false, "INVITE sip:b@x SIP/2.0\r\n\r\n");
    CU_ASSERT_FALSE(house_ask("ladder", ""));
    world_close();
}

static void questions_to_edge_and_pdp_stand_between_the_messages(void)
{
    const json_t *list;
    unsigned ng = 0, rx = 0;
    const char *m;

    world_open(WITH_MEDIA);
    world_register();
    m = world_invite("sip:bob@ims.example", "c1", SDP);
    peer_answer(&scscf, &p.config->mw, m, "200 OK", "b", "Contact: <sip:bob@192.0.2.20:6060>\n",
                SDP);
    world_run(100);
    CU_ASSERT(house_ask("ladder", "\"call\": \"c1\""));
    list = json_object_get(house_result(), "events");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *wire_name = house_member(json_array_get(list, i), "transport");

        if (strcmp(wire_name, "ng") == 0)
            CU_ASSERT(++ng % 2 ? is_from_to(i, "pcscf", "edge") : is_from_to(i, "edge", "pcscf"));
        if (strcmp(wire_name, "rx") == 0)
            CU_ASSERT(++rx % 2 ? is_from_to(i, "pcscf", "pdp") : is_from_to(i, "pdp", "pcscf"));
    }
    CU_ASSERT_EQUAL(ng, 6); /* offer, answer, authorize */
    CU_ASSERT_EQUAL(rx, 2);
    world_close();
}

TEST_MAIN(
    "pcscf/program/report",
    {"every outcome of a REGISTER has a count and a line",
     every_outcome_of_a_register_has_a_count_and_a_line},
    {"every event of a call has a count and a line", every_event_of_a_call_has_a_count_and_a_line},
    {"a line names the phone and the call", a_line_names_the_phone_and_the_call},
    {"a message that is none is told with its answer",
     a_message_that_is_none_is_told_with_its_answer},
    {"a stranger on Mw is told with the option that lets it in",
     a_stranger_on_mw_is_told_with_the_option_that_lets_it_in},
    {"an answer of others than were asked is told", an_answer_of_others_than_were_asked_is_told},
    {"gauges stand at what there is now", gauges_stand_at_what_there_is_now},
    {"what the door turns away is counted by reason",
     what_the_door_turns_away_is_counted_by_reason},
    {"what edge and PDP said is counted", what_edge_and_pdp_said_is_counted},
    {"the layers' counters stand under their names", the_layers_counters_stand_under_their_names},
    {"parties are phones, us, and the core by its part",
     parties_are_phones_us_and_the_core_by_its_part},
    {"the S-CSCF is known by an IPv6 address, too", the_scscf_is_known_by_an_ipv6_address_too},
    {"what came through an association is marked", what_came_through_an_association_is_marked},
    {"a message without a call is not kept", a_message_without_a_call_is_not_kept},
    {"questions to edge and PDP stand between the messages",
     questions_to_edge_and_pdp_stand_between_the_messages})
