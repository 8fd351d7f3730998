/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cdr list and cdr export: which records, in which form, from a disk that may be damaged. */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/scscf/program/world.h"

static void ignore(void *ctx)
{
    (void)ctx;
}

/* A record of this call on its way to the disk. */
static void append(const char *icid, const char *reason, const char *access_info)
{
    struct cdr c = {.type = CDR_SCSCF,
                    .role = CDR_TERMINATING,
                    .method = SPAN("INVITE"),
                    .icid = span_str(icid),
                    .calling = SPAN("sip:alice@ims.example"),
                    .called = SPAN("tel:+4930200"),
                    .access_info = span_str(access_info),
                    .reason = span_str(reason),
                    .sip_status = 200,
                    .request_time = 1893456000000000, /* 2030-01-01 00:00:00 */
                    .answer_time = 1893456001000000,
                    .end_time = 1893456063999999,
                    .closing_time = 1893456064000000};

    CU_ASSERT_EQUAL_FATAL(charging_spool_append(p.spool, &c, ignore, NULL), 0);
}

/* The same, and it is there. */
static void record(const char *icid, const char *reason, const char *access_info)
{
    append(icid, reason, access_info);
    world_run(20);
}

static void records(unsigned n)
{
    char icid[16];

    for (unsigned i = 1; i <= n; i++) {
        snprintf(icid, sizeof(icid), "icid-%u", i);
        record(icid, "BYE caller", "");
    }
}

static const char *text(void)
{
    const char *s = json_string_value(house_result());

    return s ? s : "(no text)";
}

static unsigned lines(const char *s)
{
    unsigned n = 0;

    for (; (s = strchr(s, '\n')); s++)
        n++;
    return n;
}

/* ---- list -------------------------------------------------------------------------------------- */

static void the_list_is_of_the_latest_twenty_oldest_first(void)
{
    world_open();
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    records(23);
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 20);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "number"), "4");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(19), "number"), "23");
    CU_ASSERT(house_ask("cdr list", "\"limit\": 1000"));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 23);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "number"), "1");
    CU_ASSERT(house_ask("cdr list", "\"limit\": 1"));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "number"), "23");
    world_close();
}

static void a_row_says_who_when_how_long_and_why(void)
{
    world_open();
    record("icid-1", "BYE callee", "");
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 1);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "closed"), "2030-01-01 00:01:04");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "half"), "terminating");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "method"), "INVITE");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "calling"), "sip:alice@ims.example");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "called"), "tel:+4930200");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "seconds"), "62"); /* whole ones */
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "status"), "200");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "reason"), "BYE callee");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "icid"), "icid-1");
    world_close();
}

static void the_list_of_one_call_is_its_records_however_old(void)
{
    world_open();
    record("wanted", "BYE caller", "");
    records(30);
    record("wanted", "BYE caller", "");
    CU_ASSERT(house_ask("cdr list", "\"icid\": \"wanted\""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 2);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(0), "number"), "1");
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "number"), "32");
    CU_ASSERT(house_ask("cdr list", "\"icid\": \"wante\"")); /* the whole name counts */
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    world_close();
}

static void a_list_of_no_rows_is_empty(void)
{
    world_open();
    records(2);
    CU_ASSERT(house_ask("cdr list", "\"limit\": 0"));
    CU_ASSERT(json_is_array(house_result()));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 0);
    world_close();
}

/* ---- export ------------------------------------------------------------------------------------ */

static void csv_has_a_head_and_ends_its_lines_as_rfc_4180_says(void)
{
    world_open();
    CU_ASSERT(house_ask("cdr export", ""));
    CU_ASSERT_EQUAL(lines(text()), 1); /* the head alone */
    CU_ASSERT_EQUAL(strncmp(text(), "record_type,sequence,", 21), 0);
    record("icid-1", "said \"bye\", or so", "");
    record("icid-2", "BYE caller", "");
    CU_ASSERT(house_ask("cdr export", "\"format\": \"csv\""));
    CU_ASSERT_EQUAL(lines(text()), 3);
    CU_ASSERT_STRING_EQUAL(text() + strlen(text()) - 2, "\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text(), "\r\nsCSCFRecord,1,"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(), "\"said \"\"bye\"\", or so\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(), ",62999999,")); /* microseconds from answer to end */
    world_close();
}

static void json_is_the_lines_of_the_files_which_prove_themselves(void)
{
    struct span rest;
    struct arena a;
    struct cdr c;
    unsigned n = 0;

    world_open();
    records(3);
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\""));
    rest = span_str(text());
    arena_init(&a, 65536);
    while (rest.n) {
        CU_ASSERT_EQUAL(cdr_parse_json(span_cut(&rest, '\n'), &a, &c), 0); /* with its CRC */
        CU_ASSERT_EQUAL(c.sequence, ++n);
    }
    CU_ASSERT_EQUAL(n, 3);
    arena_fini(&a);
    world_close();
}

static void an_export_goes_on_behind_the_last_number(void)
{
    world_open();
    records(5);
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\", \"limit\": 2"));
    CU_ASSERT_EQUAL(lines(text()), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(), "\"sequence\":2,"));
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\", \"limit\": 2, \"after\": 2"));
    CU_ASSERT_EQUAL(lines(text()), 2);
    CU_ASSERT_PTR_NULL(strstr(text(), "\"sequence\":2,"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(), "\"sequence\":4,"));
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\", \"after\": 4"));
    CU_ASSERT_EQUAL(lines(text()), 1);
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\", \"after\": 5"));
    CU_ASSERT_STRING_EQUAL(text(), "");
    CU_ASSERT(house_ask("cdr export", "\"after\": \"18446744073709551615\""));
    CU_ASSERT_EQUAL(lines(text()), 1);
    world_close();
}

static void the_limit_counts_records_of_the_call_that_is_asked_for(void)
{
    world_open();
    record("other", "BYE caller", "");
    record("wanted", "BYE caller", "");
    record("other", "BYE caller", "");
    record("wanted", "BYE caller", "");
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\", \"icid\": \"wanted\", \"limit\": 2"));
    CU_ASSERT_EQUAL(lines(text()), 2);
    CU_ASSERT_PTR_NULL(strstr(text(), "other"));
    world_close();
}

static void records_of_files_that_are_closed_come_first(void)
{
    world_open();
    records(2);
    charging_spool_rotate(p.spool);
    world_run(100);
    record("later", "BYE caller", "");
    CU_ASSERT_STRING_EQUAL(disk.file[0].path, "/cdr/scscf-00000001.jsonl");
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\""));
    CU_ASSERT_EQUAL(lines(text()), 3);
    CU_ASSERT(strstr(text(), "icid-1") < strstr(text(), "later"));
    world_close();
}

static void numbers_that_are_none_and_foreign_arguments_are_wrong_use(void)
{
    static const struct {
        const char *command, *arguments, *error;
    } rows[] = {
        {"cdr list", "\"limit\": \"many\"", "--limit must be a number of at most 1000"},
        {"cdr list", "\"limit\": 1001", "--limit must be a number of at most 1000"},
        {"cdr list", "\"after\": 3", "cdr list has no argument 'after'"},
        {"cdr list", "\"format\": \"csv\"", "cdr list has no argument 'format'"},
        {"cdr export", "\"after\": \"-1\"",
         "--after must be a number of at most 18446744073709551615"},
        {"cdr export", "\"limit\": \"5 \"",
         "--limit must be a number of at most 18446744073709551615"},
        {"cdr export", "\"icid\": [\"a\", \"b\"]", "icid is given too often"},
        {"cdr export", "\"format\": \"CSV\"", "no format 'CSV'"},
        {"cdr export", "\"format\": \"\"", "no format ''"},
    };

    world_open();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_FALSE(house_ask(rows[i].command, rows[i].arguments));
        CU_ASSERT_STRING_EQUAL(house_member(house.answer, "error"), rows[i].error);
        CU_ASSERT_STRING_EQUAL(house_member(house.answer, "wrong_use"), "true");
        CU_ASSERT_STRING_NOT_EQUAL(house_member(house.answer, "remedy"), "");
    }
    world_close();
}

/* ---- disks ------------------------------------------------------------------------------------- */

static void a_damaged_line_is_left_out_and_logged(void)
{
    char *at;

    world_open();
    records(3);
    CU_ASSERT(house_logged_is(""));
    at = strstr(disk.file[0].bytes, "icid-2");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    at[5] = '7';
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(house_result()), 2);
    CU_ASSERT_STRING_EQUAL(house_member(house_row(1), "number"), "3");
    CU_ASSERT(house_logged_is("warn cdr.damaged_lines lines=1\n"));
    CU_ASSERT(house_ask("cdr export", "\"format\": \"json\""));
    CU_ASSERT_EQUAL(lines(text()), 2);
    CU_ASSERT(house_logged_is("warn cdr.damaged_lines lines=1\n"));
    at[5] = '2';
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 3);
    CU_ASSERT(house_logged_is(""));
    world_close();
}

static void a_line_that_is_being_written_is_not_there_yet(void)
{
    size_t whole;

    world_open();
    records(2);
    whole = disk.file[0].n;
    disk.file[0].n -= 10;
    CU_ASSERT(house_ask("cdr list", ""));
    CU_ASSERT_EQUAL(json_array_size(house_result()), 1);
    CU_ASSERT(house_logged_is("")); /* that is no damage */
    disk.file[0].n = whole;
    world_close();
}

static int refuse_list(void *ctx, const char *path, void (*visit)(void *arg, const char *name),
                       void *arg)
{
    (void)ctx, (void)path, (void)visit, (void)arg;
    return -EACCES;
}

static void a_directory_that_cannot_be_read_is_told_with_its_option(void)
{
    struct charging_disk closed;

    world_open();
    records(1);
    closed = disk.port;
    closed.list = refuse_list;
    p.disk = &closed;
    CU_ASSERT_FALSE(house_ask("cdr export", ""));
    CU_ASSERT(house_refused("records cannot be read: Permission denied",
                            "See cdr.directory in the configuration, and its permissions.", false));
    p.disk = &disk.port;
    CU_ASSERT(house_ask("cdr export", ""));
    world_close();
}

static void more_than_fits_an_answer_is_refused_and_pages_bring_all_of_it(void)
{
    static char cell[7601];
    unsigned long got = 0, page;
    char ask[96];

    world_open_with(CONFIG, 600 << 10);
    memset(cell, 'x', sizeof(cell) - 1);
    for (int i = 0; i < 22; i++) { /* a file is closed when its turn has made it too large */
        for (int k = 0; k < 50; k++)
            append("icid", "BYE caller", cell);
        world_run(20);
    }
    CU_ASSERT_FALSE(house_ask("cdr export", "\"format\": \"json\""));
    CU_ASSERT(house_refused(
        "the records are more than 8 MiB",
        "Take fewer at a time: --limit 5000, then --after with the last number.", false));
    do {
        snprintf(ask, sizeof(ask), "\"format\": \"json\", \"limit\": 900, \"after\": %lu", got);
        CU_ASSERT_FATAL(house_ask("cdr export", ask));
        page = lines(text());
        got += page;
    } while (page == 900 && got <= 1100);
    CU_ASSERT_EQUAL(got, 1100);
    world_close();
}

static void count(void *ctx, struct span line)
{
    unsigned *n = ctx;

    n[span_starts(line, SPAN("{\"ok\":true")) ? 0 : 1]++;
}

static void more_readers_than_may_wait_are_refused(void)
{
    unsigned n[2] = {0, 0};

    world_open();
    records(1);
    for (int i = 0; i < 20; i++)
        ops_execute(house.ops, SPAN("{\"command\":\"cdr\",\"words\":[\"list\"]}"), count, n);
    world_run(500);
    CU_ASSERT_EQUAL(n[0], 8);
    CU_ASSERT_EQUAL(n[1], 12);
    CU_ASSERT(house_ask("cdr list", "")); /* and then it is as before */
    world_close();
}

TEST_MAIN("scscf/program/cdrs",
          {"the list is of the latest twenty, oldest first",
           the_list_is_of_the_latest_twenty_oldest_first},
          {"a row says who, when, how long and why", a_row_says_who_when_how_long_and_why},
          {"the list of one call is its records, however old",
           the_list_of_one_call_is_its_records_however_old},
          {"a list of no rows is empty", a_list_of_no_rows_is_empty},
          {"CSV has a head and ends its lines as RFC 4180 says",
           csv_has_a_head_and_ends_its_lines_as_rfc_4180_says},
          {"JSON is the lines of the files, which prove themselves",
           json_is_the_lines_of_the_files_which_prove_themselves},
          {"an export goes on behind the last number", an_export_goes_on_behind_the_last_number},
          {"the limit counts records of the call that is asked for",
           the_limit_counts_records_of_the_call_that_is_asked_for},
          {"records of files that are closed come first",
           records_of_files_that_are_closed_come_first},
          {"numbers that are none, and foreign arguments, are wrong use",
           numbers_that_are_none_and_foreign_arguments_are_wrong_use},
          {"a damaged line is left out and logged", a_damaged_line_is_left_out_and_logged},
          {"a line that is being written is not there yet",
           a_line_that_is_being_written_is_not_there_yet},
          {"a directory that cannot be read is told with its option",
           a_directory_that_cannot_be_read_is_told_with_its_option},
          {"more than fits an answer is refused, and pages bring all of it",
           more_than_fits_an_answer_is_refused_and_pages_bring_all_of_it},
          {"more readers than may wait are refused", more_readers_than_may_wait_are_refused})
