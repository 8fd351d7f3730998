/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an S-CSCF tells by itself: lines, metrics, and the messages of a ladder. */
#include <errno.h>

#include "tests/unit/scscf/program/world.h"

/* ---- lines ------------------------------------------------------------------------------------- */

static void every_event_of_a_registration_is_a_line(void)
{
    static const char *const rows[] = {
        [REGISTRAR_CHALLENGED] = "info register.challenged impi=a@ims.example detail=why\n",
        [REGISTRAR_REGISTERED] = "info register.registered impi=a@ims.example detail=why\n",
        [REGISTRAR_REFRESHED] = "info register.refreshed impi=a@ims.example detail=why\n",
        [REGISTRAR_DEREGISTERED] = "info register.deregistered impi=a@ims.example detail=why\n",
        [REGISTRAR_EXPIRED] = "info register.expired impi=a@ims.example detail=why\n",
        [REGISTRAR_REFUSED] = "warn register.refused impi=a@ims.example detail=why\n",
    };

    world_open();
    for (unsigned e = 0; e < ARRAY_LEN(rows); e++) {
        scscf_report_register(&p, (enum registrar_event)e, SPAN("a@ims.example"), SPAN("why"));
        CU_ASSERT(house_logged_is(rows[e]));
    }
    world_close();
}

static const struct scscf_note note = {.call_id = SPAN("c1"),
                                       .icid = SPAN("icid-1"),
                                       .from = SPAN("sip:a@ims.example"),
                                       .to = SPAN("tel:+49"),
                                       .status = 486,
                                       .reason = "Busy Here"};

static void every_event_of_a_call_is_a_line(void)
{
    static const char *const rows[] = {
        [SCSCF_CALL_STARTED] = "info call.started",   [SCSCF_CALL_ANSWERED] = "info call.answered",
        [SCSCF_CALL_ENDED] = "info call.ended",       [SCSCF_CALL_FAILED] = "info call.failed",
        [SCSCF_CALL_ORPHANED] = "warn call.orphaned",
    };
    char line[256];

    world_open();
    for (unsigned e = 0; e < ARRAY_LEN(rows); e++) {
        scscf_report_call(&p, (enum scscf_event)e, &note);
        snprintf(line, sizeof(line),
                 "%s icid=icid-1 call_id=c1 from=sip:a@ims.example to=tel:+49 status=486 "
                 "reason=\"Busy Here\"\n",
                 rows[e]);
        CU_ASSERT(house_logged_is(line));
    }
    world_close();
}

static void a_disk_that_refuses_records_is_an_error_until_it_accepts_them(void)
{
    static const struct charging_alarm refuses = {-ENOSPC, "the disk is full", "make room"},
                                       accepts = {0, "records are written again", ""};

    world_open();
    scscf_report_disk(&p, &refuses);
    CU_ASSERT(
        house_logged_is("error cdr.disk_refuses what=\"the disk is full\" remedy=\"make room\"\n"));
    scscf_report_disk(&p, &accepts);
    CU_ASSERT(house_logged_is("notice cdr.disk_accepts what=\"records are written again\"\n"));
    world_close();
}

static void subscribers_that_cannot_be_written_are_told_with_the_effect(void)
{
    static const struct subscribers_error refuses = {-ENOSPC, "the disk is full", "make room"},
                                          accepts = {0, "", ""};

    world_open();
    scscf_report_subscribers(&p, &refuses);
    CU_ASSERT(house_logged_is("error subscribers.disk_refuses what=\"the disk is full\" "
                              "remedy=\"make room\" effect=\"phones with a card are refused after "
                              "some registrations\"\n"));
    scscf_report_subscribers(&p, &accepts);
    CU_ASSERT(house_logged_is(
        "notice subscribers.disk_accepts what=\"sequence numbers are written again\"\n"));
    world_close();
}

static void a_message_that_is_none_is_told_with_its_answer(void)
{
    const char *line;

    world_open();
    peer_say(&peer, &p.config->mw,
             "OPTIONS sip:ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKo\n"
             "From: <sip:a@ims.example>;tag=f\nTo: <sip:a@ims.example>\nCall-ID: o\n"
             "CSeq: 1 REGISTER\n");
    world_run(20);
    line = house_logged();
    CU_ASSERT_EQUAL(
        strncmp(line, "info sip.bad_message from=192.0.2.10:5070 answered=400 why=", 59), 0);
    world_close();
}

static void a_stranger_gets_no_answer_and_a_line_with_the_option_that_lets_it_in(void)
{
    struct peer stranger;

    world_open();
    peer_open(&stranger, house.sim, wire, "stranger", "192.0.2.66:5060");
    peer_say(&stranger, &p.config->mw,
             "OPTIONS sip:ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKo\n"
             "From: <sip:a@ims.example>;tag=f\nTo: <sip:a@ims.example>\nCall-ID: o\n"
             "CSeq: 1 OPTIONS\nMax-Forwards: 9\n");
    world_run(20);
    CU_ASSERT_PTR_NULL(peer_take(&stranger, "SIP/2.0", NULL));
    CU_ASSERT(house_logged_is("warn sip.stranger from=192.0.2.66:5060 why=\"the address is not in "
                              "mw.allow\" remedy=\"if it is of the core, add it there\"\n"));
    CU_ASSERT_EQUAL(house_metric("scscf_transport_total{event=\"strangers\"}"), 1);
    peer_close(&stranger);
    world_close();
}

static void an_answer_of_others_than_were_asked_is_told(void)
{
    struct sip_flow from = {.remote = {.family = AF_INET, .port = 9, .ip = {192, 0, 2, 66}}};

    world_open();
    scscf_report_false_answer(&p, &from);
    CU_ASSERT(house_logged_is(
        "warn sip.false_answer from=192.0.2.66:9 why=\"it answers what others were asked\" "
        "remedy=\"if it is the core's, too, name all networks of the core in mw.allow\"\n"));
    CU_ASSERT_EQUAL(house_metric("scscf_transactions_total{event=\"false_answers\"}"), 0);
    world_close();
}

/* ---- metrics ----------------------------------------------------------------------------------- */

static void message(const char *call_id)
{
    peer_say(
        &peer, &p.config->mw,
        "MESSAGE sip:b@ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK%s\n"
        "Route: <sip:orig@192.0.2.20:6060;lr>\nFrom: <sip:a@ims.example>;tag=f\n"
        "To: <sip:b@ims.example>\nCall-ID: %s\nCSeq: 1 MESSAGE\nMax-Forwards: 9\n"
        "P-Asserted-Identity: <sip:a@ims.example>\n",
        call_id, call_id);
    world_run(50);
}

static void each_counter_stands_under_its_name(void)
{
    world_open();
    message("m1");
    message("m2");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&peer, "SIP/2.0 403", NULL));
    CU_ASSERT_EQUAL(house_metric("scscf_requests_total{kind=\"requests\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("scscf_requests_total{kind=\"refused_caller\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("scscf_requests_total{kind=\"refused_barred\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_transactions_total{event=\"requests\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("scscf_transport_total{event=\"received_udp\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("scscf_transport_total{event=\"sent_udp\"}"), 2);
    CU_ASSERT_EQUAL(house_metric("scscf_register_total{outcome=\"refused_unknown\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"transactions\"}"), 2);
    world_close();
}

static void a_register_is_counted_by_its_outcome(void)
{
    world_open();
    peer_say(&peer, &p.config->mw,
             "REGISTER sip:ims.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKr\n"
             "From: <sip:a@ims.example>;tag=f\nTo: <sip:a@ims.example>\nCall-ID: r\n"
             "CSeq: 1 REGISTER\nMax-Forwards: 9\nContact: <sip:a@192.0.2.7>\n"
             "Path: <sip:t@192.0.2.10:5070;lr>\nRequire: path\n"
             "Authorization: Digest username=\"a@ims.example\",realm=\"ims.example\","
             "uri=\"sip:ims.example\",nonce=\"\",response=\"\"\n");
    world_run(50);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&peer, "SIP/2.0 40", NULL));
    CU_ASSERT_EQUAL(house_metric("scscf_register_total{outcome=\"refused_unknown\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("scscf_register_total{outcome=\"registered\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_requests_total{kind=\"requests\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"registrations\"}"), 0);
    world_close();
}

static void a_record_waits_while_the_disk_refuses_it(void)
{
    static const struct call_ending ending = {.reason = "BYE caller"};
    struct call *c;

    world_open();
    c = world_call("icid-1", "sip:a@ims.example");
    CU_ASSERT_EQUAL(house_metric("scscf_calls_total{event=\"opened\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"call_halves\"}"), 1);
    call_answer(c, 200, SPAN_NONE, SPAN_NONE);
    disk.refuses = true;
    call_end(c, &ending);
    world_run(1000);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"records_waiting\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"cdr_disk_refuses\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("scscf_calls_total{event=\"written\"}"), 0);
    disk.refuses = false;
    world_run(61000);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"records_waiting\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"cdr_disk_refuses\"}"), 0);
    CU_ASSERT_EQUAL(house_metric("scscf_calls_total{event=\"written\"}"), 1);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"call_halves\"}"), 0);
    world_close();
}

static void records_of_another_process_wait_too(void)
{
    struct cdr c = {.type = CDR_SCSCF, .icid = SPAN("left"), .method = SPAN("INVITE")};

    world_open();
    disk.refuses = true;
    CU_ASSERT_EQUAL(charging_spool_append(p.spool, &c, NULL, NULL), 0); /* no call knows of it */
    world_run(1000);
    CU_ASSERT_EQUAL(house_metric("scscf_now{what=\"records_waiting\"}"), 1);
    CU_ASSERT_EQUAL(scscf_records_waiting(&p), 1);
    disk.refuses = false;
    world_run(61000);
    CU_ASSERT_EQUAL(scscf_records_waiting(&p), 0);
    world_close();
}

/* ---- the ladder -------------------------------------------------------------------------------- */

static const char *call_named(const char *name)
{
    static char call[64];
    json_t *ladder = obs_recorder_ladder(house.recorder, span_str(name), false);

    snprintf(call, sizeof(call), "%s", ladder ? house_member(ladder, "call") : "");
    json_decref(ladder);
    return call;
}

static void a_call_is_found_by_icid_and_both_ends_from_its_start(void)
{
    world_open();
    message("c1"); /* something was recorded of it */
    scscf_report_call(&p, SCSCF_CALL_FAILED, &note);
    CU_ASSERT_STRING_EQUAL(call_named("icid-1"), "");
    scscf_report_call(&p, SCSCF_CALL_STARTED, &note);
    CU_ASSERT_STRING_EQUAL(call_named("icid-1"), "c1");
    CU_ASSERT_STRING_EQUAL(call_named("sip:a@ims.example"), "c1");
    CU_ASSERT_STRING_EQUAL(call_named("tel:+49"), "c1");
    world_close();
}

static void a_message_stands_between_us_and_the_address_it_came_from(void)
{
    json_t *ladder;
    const json_t *parties, *events;

    world_open();
    message("m1");
    ladder = obs_recorder_ladder(house.recorder, SPAN("m1"), false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ladder);
    parties = json_object_get(ladder, "parties");
    events = json_object_get(ladder, "events");
    CU_ASSERT_EQUAL_FATAL(json_array_size(events), 2); /* MESSAGE, 403 */
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(parties, 0)), "192.0.2.10:5070");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(parties, 1)), "scscf");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(events, 0), "from"), "0");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(events, 0), "to"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(events, 1), "from"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(events, 1), "to"), "0");
    CU_ASSERT_STRING_EQUAL(house_member(json_array_get(events, 1), "transport"), "udp");
    json_decref(ladder);
    world_close();
}

TEST_MAIN("scscf/program/report",
          {"every event of a registration is a line", every_event_of_a_registration_is_a_line},
          {"every event of a call is a line", every_event_of_a_call_is_a_line},
          {"a disk that refuses records is an error until it accepts them",
           a_disk_that_refuses_records_is_an_error_until_it_accepts_them},
          {"subscribers that cannot be written are told with the effect",
           subscribers_that_cannot_be_written_are_told_with_the_effect},
          {"a message that is none is told with its answer",
           a_message_that_is_none_is_told_with_its_answer},
          {"a stranger gets no answer, and a line with the option that lets it in",
           a_stranger_gets_no_answer_and_a_line_with_the_option_that_lets_it_in},
          {"an answer of others than were asked is told",
           an_answer_of_others_than_were_asked_is_told},
          {"each counter stands under its name", each_counter_stands_under_its_name},
          {"a REGISTER is counted by its outcome", a_register_is_counted_by_its_outcome},
          {"a record waits while the disk refuses it", a_record_waits_while_the_disk_refuses_it},
          {"records of another process wait, too", records_of_another_process_wait_too},
          {"a call is found by ICID and both ends from its start",
           a_call_is_found_by_icid_and_both_ends_from_its_start},
          {"a message stands between us and the address it came from",
           a_message_stands_between_us_and_the_address_it_came_from})
