/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl is answered by an S-CSCF where tests/flow/scscf/commands_test.c does not look: bounds and pages, what is
 * shown of a subscriber, calls that are over, disks that refuse. */
#include "tests/unit/scscf/program/world.h"

static void add(const char *name, const char *more)
{
    char ask[512];

    snprintf(ask, sizeof(ask),
             "\"impi\": \"%s@ims.example\", \"impu\": [\"sip:%s@ims.example\"]%s%s", name, name,
             *more ? ", " : "", more);
    CU_ASSERT(house_ask("subscriber add", ask));
}

static void numbers_that_are_none_or_beyond_the_bound_are_wrong_use(void)
{
    static const struct {
        const char *command, *arguments, *error;
    } rows[] = {
        {"registrations", "\"limit\": \"all\"", "--limit must be a number of at most 100000"},
        {"registrations", "\"limit\": 100001", "--limit must be a number of at most 100000"},
        {"calls", "\"limit\": \"-1\"", "--limit must be a number of at most 100000"},
        {"calls", "\"after\": \"x\"", "calls has no argument 'after'"},
        {"subscriber list", "\"limit\": 501", "--limit must be a number of at most 500"},
        {"subscriber show", "", "identity is missing"},
        {"subscriber delete", "\"identity\": [\"a\", \"b\"]", "identity is given too often"},
    };

    world_open();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_FALSE(house_ask(rows[i].command, rows[i].arguments));
        CU_ASSERT_STRING_EQUAL(house_member(house.answer, "error"), rows[i].error);
        CU_ASSERT_STRING_EQUAL(house_member(house.answer, "wrong_use"), "true");
    }
    world_close();
}

static void a_list_of_no_rows_is_empty(void)
{
    static const char *const lists[] = {"registrations", "calls", "subscriber list"};

    world_open();
    add("alice", "\"password\": \"pw\"");
    (void)world_call("icid-1", "sip:alice@ims.example");
    for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
        CU_ASSERT(house_ask(lists[i], "\"limit\": 0"));
        CU_ASSERT(json_is_array(house_result()));
        CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    }
    world_close();
}

static void a_page_behind_nobody_is_told(void)
{
    world_open();
    CU_ASSERT_FALSE(house_ask("registrations", "\"after\": \"gone@ims.example\""));
    CU_ASSERT(house_refused("'gone@ims.example' is not registered (any more)",
                            "begin again without --after", false));
    world_close();
}

/* ---- subscribers ------------------------------------------------------------------------------- */

static void subscribers_are_listed_page_by_page(void)
{
    static const char *const names[] = {"dora", "anna", "ceci", "bert", "emil"};

    world_open();
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        add(names[i], "\"password\": \"pw\"");
    CU_ASSERT(house_ask("subscriber list", "\"limit\": 2"));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 2);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "anna@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "impi"), "bert@ims.example");
    CU_ASSERT(house_ask("subscriber list", "\"limit\": 2, \"after\": \"bert@ims.example\""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 2);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "ceci@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "impi"), "dora@ims.example");
    CU_ASSERT(house_ask("subscriber list", "\"limit\": 2, \"after\": \"dora@ims.example\""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT(house_ask("subscriber list", "\"after\": \"emil@ims.example\""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    CU_ASSERT(house_ask("subscriber list", "\"after\": \"b\"")); /* it need not be there */
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 4);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "impi"), "bert@ims.example");
    world_close();
}

#define KEYS                                                                                       \
    "\"k\": \"101112131415161718191a1b1c1d1e1f\", \"opc\": \"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\""

static void how_a_subscriber_proves_itself_is_shown(void)
{
    world_open();
    add("card", KEYS);
    add("word", "\"password\": \"pw\"");
    add("both", KEYS ", \"password\": \"pw\"");
    CU_ASSERT(house_ask("subscriber show", "\"identity\": \"card@ims.example\""));
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "auth"), "aka");
    CU_ASSERT(house_ask("subscriber show", "\"identity\": \"word@ims.example\""));
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "auth"), "digest");
    CU_ASSERT(house_ask("subscriber show", "\"identity\": \"both@ims.example\""));
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "auth"), "aka, digest");
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "registered"), "false");
    world_close();
}

static void what_a_subscriber_may_not_do_is_shown(void)
{
    static const char *const barred[] = {"out", "in", "out,in"};
    char more[128], show[64], name[2] = "a";

    world_open();
    for (unsigned i = 0; i < ARRAY_LEN(barred); i++, name[0]++) {
        snprintf(more, sizeof(more), "\"password\": \"pw\", \"barred\": \"%s\"", barred[i]);
        add(name, more);
        snprintf(show, sizeof(show), "\"identity\": \"%s@ims.example\"", name);
        CU_ASSERT(house_ask("subscriber show", show));
        CU_ASSERT_STRING_EQUAL(house_member(house_result(), "barred"), barred[i]);
    }
    CU_ASSERT(
        house_ask("subscriber add",
                  "\"impi\": \"x@ims.example\", \"password\": \"pw\", \"display-name\": \"X\", "
                  "\"impu\": [\"sip:x@ims.example\", \"sip:y@ims.example\", \"tel:+4930\"], "
                  "\"barred-impu\": \"sip:y@ims.example\""));
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "display_name"), "X");
    CU_ASSERT_STRING_EQUAL(house_member(house_result(), "barred"), "");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(house_result(), "impu")), 3);
    CU_ASSERT_EQUAL_FATAL(json_array_size(json_object_get(house_result(), "barred_impu")), 1);
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_array_get(json_object_get(house_result(), "barred_impu"), 0)),
        "sip:y@ims.example");
    world_close();
}

static void identities_of_further_home_domains_are_ours(void)
{
    world_open_with(CONFIG "domains: [second.example]\n", 0);
    CU_ASSERT(house_ask("subscriber add", "\"impi\": \"a@ims.example\", \"password\": \"pw\", "
                                          "\"impu\": [\"sip:a@SECOND.example\"]"));
    CU_ASSERT_FALSE(house_ask("subscriber add",
                              "\"impi\": \"b@ims.example\", \"password\": \"pw\", "
                              "\"impu\": [\"sip:b@ims.example\", \"sip:b@third.example\"]"));
    CU_ASSERT(house_refused(
        "impu sip:b@third.example: third.example is not a home domain of this "
        "network",
        "Write an identity of ours, or add the domain to domains of the S-CSCF.", true));
    world_close();
}

static void what_the_value_forbids_is_wrong_use_and_what_the_state_forbids_is_not(void)
{
    world_open();
    add("alice", "\"password\": \"pw\"");
    CU_ASSERT_FALSE(house_ask("subscriber add",
                              "\"impi\": \"b@ims.example\", \"impu\": [\"sip:b@ims.example\"], "
                              "\"password\": \"pw\", \"barred\": \"up\""));
    CU_ASSERT_STRING_EQUAL(house_member(house.answer, "wrong_use"), "true");
    CU_ASSERT_FALSE(house_ask("subscriber add",
                              "\"impi\": \"b@ims.example\", \"impu\": [\"sip:alice@ims.example\"], "
                              "\"password\": \"pw\""));
    CU_ASSERT_STRING_EQUAL(house_member(house.answer, "wrong_use"), "(none)");
    CU_ASSERT_FALSE(house_ask("subscriber show", "\"identity\": \"nobody\""));
    CU_ASSERT(house_refused("nobody is known as 'nobody'",
                            "imsctl subscriber list shows all of them.", false));
    CU_ASSERT_FALSE(house_ask("subscriber delete", "\"identity\": \"nobody\""));
    CU_ASSERT(house_refused("nobody is known as 'nobody'",
                            "imsctl subscriber list shows all of them.", false));
    world_close();
}

/* ---- calls ------------------------------------------------------------------------------------- */

static void a_call_lasts_from_its_answer_and_stands_still_at_its_end(void)
{
    static const struct call_ending ending = {.reason = "BYE caller"};
    struct call *c;

    world_open();
    c = world_call("icid-1", "sip:alice@ims.example");
    world_run(3100);
    CU_ASSERT(house_ask("calls", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "calling");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "3");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "half"), "terminating");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "since"), "2030-01-01 00:00:00");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "call_id"), "c1");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "called"), "sip:bob@ims.example");
    call_progress(c, 180);
    CU_ASSERT(house_ask("calls", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "ringing");
    call_answer(c, 200, SPAN_NONE, SPAN_NONE);
    world_run(5100);
    CU_ASSERT(house_ask("calls", ""));
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "answered");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "5");
    disk.refuses = true;
    call_end(c, &ending);
    world_run(20000);
    CU_ASSERT(house_ask("calls", "")); /* it waits for its record */
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "state"), "ended");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "5");
    disk.refuses = false;
    world_run(61000);
    CU_ASSERT(house_ask("calls", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    world_close();
}

static void calls_are_listed_oldest_first_and_no_more_than_asked_for(void)
{
    world_open();
    for (int i = 0; i < 3; i++) {
        (void)world_call((const char *const[]){"one", "two", "three"}[i], "sip:a@ims.example");
        world_run(1000);
    }
    CU_ASSERT(house_ask("calls", "\"limit\": 2"));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 2);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "icid"), "one");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "icid"), "two");
    CU_ASSERT(house_ask("calls", "\"limit\": 100000"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 3);
    world_close();
}

static void a_caller_that_is_no_text_does_not_hide_the_call(void)
{
    world_open();
    (void)world_call("icid-1", "sip:\xff@ims.example");
    CU_ASSERT(house_ask("calls", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "calling"), "(not UTF-8)");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "icid"), "icid-1");
    world_close();
}

/* ---- status ------------------------------------------------------------------------------------ */

static json_t *status(void)
{
    static json_t *last;

    json_decref(last);
    last = json_object();
    scscf_commands_status(house.daemon, &p, last);
    return last;
}

static void the_status_follows_a_call_until_its_record_is_on_the_disk(void)
{
    static const struct call_ending ending = {.reason = "BYE caller"};
    struct call *c;

    world_open();
    add("alice", "\"password\": \"pw\"");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "subscribers"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "registrations"), "0");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "subscribers_disk"), "accepts");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "cdr_disk"), "accepts");
    c = world_call("icid-1", "sip:alice@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "call_halves"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "records_waiting"), "0");
    disk.refuses = true;
    call_answer(c, 200, SPAN_NONE, SPAN_NONE);
    call_end(c, &ending);
    world_run(1000);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "cdr_disk"), "refuses");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "records_waiting"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "records_written"), "0");
    disk.refuses = false;
    world_run(61000);
    CU_ASSERT_STRING_EQUAL(house_member(status(), "cdr_disk"), "accepts");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "records_waiting"), "0");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "records_written"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(status(), "call_halves"), "0");
    world_close();
}

static void a_time_that_was_not_is_empty(void)
{
    json_t *never = scscf_json_time(0), *then = scscf_json_time(1893456000999999);

    CU_ASSERT_STRING_EQUAL(json_string_value(never), "");
    CU_ASSERT_STRING_EQUAL(json_string_value(then), "2030-01-01 00:00:00");
    json_decref(never);
    json_decref(then);
}

TEST_MAIN("scscf/program/commands", {"a page behind nobody is told", a_page_behind_nobody_is_told},
          {"numbers that are none or beyond the bound are wrong use",
           numbers_that_are_none_or_beyond_the_bound_are_wrong_use},
          {"a list of no rows is empty", a_list_of_no_rows_is_empty},
          {"subscribers are listed page by page", subscribers_are_listed_page_by_page},
          {"how a subscriber proves itself is shown", how_a_subscriber_proves_itself_is_shown},
          {"what a subscriber may not do is shown", what_a_subscriber_may_not_do_is_shown},
          {"identities of further home domains are ours",
           identities_of_further_home_domains_are_ours},
          {"what the value forbids is wrong use, and what the state forbids is not",
           what_the_value_forbids_is_wrong_use_and_what_the_state_forbids_is_not},
          {"a call lasts from its answer, and stands still at its end",
           a_call_lasts_from_its_answer_and_stands_still_at_its_end},
          {"calls are listed oldest first, and no more than asked for",
           calls_are_listed_oldest_first_and_no_more_than_asked_for},
          {"a caller that is no text does not hide the call",
           a_caller_that_is_no_text_does_not_hide_the_call},
          {"the status follows a call until its record is on the disk",
           the_status_follows_a_call_until_its_record_is_on_the_disk},
          {"a time that was not is empty", a_time_that_was_not_is_empty})
