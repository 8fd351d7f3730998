/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"

struct seen {
    unsigned lines;
    size_t n;
    char last[OBS_LINE_MAX + 1];
};

static void keep(void *ctx, struct span line)
{
    struct seen *seen = ctx;
    seen->lines++;
    seen->n = line.n;
    (void)span_copy(line, seen->last, sizeof(seen->last));
}

static struct obs_log *log_to(struct seen *seen, enum obs_format format, unsigned rate)
{
    struct obs_log_options o = {.program = "test",
                                .level = OBS_INFO,
                                .format = format,
                                .rate = rate,
                                .sink = keep,
                                .ctx = seen};
    memset(seen, 0, sizeof(*seen));
    struct obs_log *log = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_log_new(&o, &log), 0);
    return log;
}

static void a_line_has_time_level_program_event_and_fields(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_LOGFMT, 0);
    struct addr a = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 1}};
    OBS_LOG(log, OBS_WARN, "register.refused", OBS_ADDR("from", &a), OBS_TEXT("why", "no key"),
            OBS_INT("change", -3), OBS_UINT("size", 12), OBS_BOOL("guarded", true),
            OBS_ERRNO("error", -ENOENT));
    CU_ASSERT_STRING_EQUAL(
        seen.last + strlen("2026-11-21T09:30:00.000Z"),
        " warn test register.refused from=192.0.2.1:5060 why=\"no key\" change=-3 "
        "size=12 guarded=true error=\"No such file or directory\"\n");
    obs_log_free(log);
}

/* The day and hour of the line are those of the C library. */
static void the_time_is_the_time_of_day_in_utc(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_LOGFMT, 0);
    char before[32], after[32];
    struct tm tm;
    time_t now = time(NULL);
    (void)strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &tm));
    OBS_LOG(log, OBS_WARN, "x", OBS_UINT("n", 1));
    now = time(NULL);
    (void)strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &tm));
    CU_ASSERT(strncmp(seen.last, before, 19) >= 0 && strncmp(seen.last, after, 19) <= 0);
    CU_ASSERT(seen.last[19] == '.' && seen.last[23] == 'Z' && seen.last[24] == ' ');
    obs_log_free(log);
}

static void json_lines_are_json_whatever_the_octets(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_JSON, 0);
    static const char bad[] = "q\"\\\n\x01\xff\xc3\xa4\xc2\x9b\xed\xa0\x80";
    OBS_LOG(log, OBS_ERROR, "x", OBS_SPAN("text", span_of(bad, sizeof(bad) - 1)));
    json_t *line = json_loads(seen.last, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "event")), "x");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "level")), "error");
    const char *text = json_string_value(json_object_get(line, "text"));
    CU_ASSERT(strncmp(text, "q\"\\\n\x01\xc3\xbf\xc3\xa4", 9) == 0);
    json_decref(line);
    obs_log_free(log);
}

static void a_terminal_gets_no_control_characters(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_LOGFMT, 0);
    OBS_LOG(log, OBS_INFO, "x", OBS_TEXT("text", "a\x1b[2J\nb\xc2\x9b"));
    CU_ASSERT_PTR_NOT_NULL(strstr(seen.last, "text=\"a\\x1b[2J\\x0ab\\xc2\\x9b\"\n"));
    obs_log_free(log);
}

static void levels_below_the_bound_are_not_written(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_JSON, 0);
    OBS_LOG(log, OBS_DEBUG, "x", OBS_UINT("n", 1));
    CU_ASSERT_EQUAL(seen.lines, 0);
    obs_log_set_level(log, OBS_DEBUG);
    OBS_LOG(log, OBS_DEBUG, "x", OBS_UINT("n", 1));
    CU_ASSERT_EQUAL(seen.lines, 1);
    OBS_LOG((struct obs_log *)NULL, OBS_ERROR, "x", OBS_UINT("n", 1));
    obs_log_free(log);
}

static void identities_are_hashed_unless_told_otherwise(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_LOGFMT, 0);
    OBS_LOG(log, OBS_INFO, "x", OBS_ID("impi", SPAN("001010000000001@example")));
    CU_ASSERT_PTR_NULL(strstr(seen.last, "00101"));
    char first[OBS_LINE_MAX + 1];
    (void)snprintf(first, sizeof(first), "%s", strstr(seen.last, "impi=id:"));
    OBS_LOG(log, OBS_INFO, "x", OBS_ID("impi", SPAN("001010000000001@example")));
    CU_ASSERT_PTR_NOT_NULL(strstr(seen.last, first));
    OBS_LOG(log, OBS_INFO, "x", OBS_ID("impi", SPAN("001010000000002@example")));
    CU_ASSERT_PTR_NULL(strstr(seen.last, first));
    obs_log_free(log);
}

static void a_line_too_long_is_cut_at_a_field(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_JSON, 0);
    char big[3000];
    memset(big, 'a', sizeof(big));
    struct obs_field fields[20];
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
        fields[i] = OBS_SPAN("big", span_of(big, sizeof(big)));
    obs_log_write(log, OBS_INFO, "x", fields, ARRAY_LEN(fields));
    CU_ASSERT(seen.n <= OBS_LINE_MAX);
    json_t *line = json_loads(seen.last, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT(json_is_true(json_object_get(line, "cut")));
    CU_ASSERT_EQUAL(json_string_length(json_object_get(line, "big")), 512 + 3);
    json_decref(line);
    obs_log_free(log);
}

static void above_the_rate_lines_are_dropped_and_counted_but_errors_pass(void)
{
    struct seen seen;
    struct obs_log *log = log_to(&seen, OBS_JSON, 2);
    for (unsigned i = 0; i < 1000; i++) /* a second may turn in between */
        OBS_LOG(log, OBS_INFO, "x", OBS_UINT("i", i));
    CU_ASSERT(seen.lines <= 6);
    CU_ASSERT_EQUAL(obs_log_dropped(log), 1000 - seen.lines);
    unsigned lines = seen.lines;
    for (unsigned i = 0; i < 10; i++)
        OBS_LOG(log, OBS_ERROR, "x", OBS_UINT("i", i));
    CU_ASSERT_EQUAL(seen.lines, lines + 10);
    obs_log_free(log);
}

static size_t file_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t lines = 0;
    for (int c; f && (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    if (f)
        (void)fclose(f);
    return lines;
}

static void the_thread_writes_all_lines_and_reopens_a_moved_file(void)
{
    char dir[TEST_FOLDER_MAX], file[64], moved[64];
    test_folder(dir);
    (void)snprintf(file, sizeof(file), "%s/log", dir);
    (void)snprintf(moved, sizeof(moved), "%s/log.1", dir);
    struct obs_log_options o = {
        .program = "t", .level = OBS_INFO, .format = OBS_JSON, .file = file};
    struct obs_log *log = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_log_new(&o, &log), 0);
    for (unsigned i = 0; i < 500; i++)
        OBS_LOG(log, OBS_INFO, "before", OBS_UINT("i", i));
    CU_ASSERT_EQUAL(rename(file, moved), 0);
    CU_ASSERT_EQUAL(obs_log_reopen(log), 0);
    OBS_LOG(log, OBS_INFO, "after", OBS_UINT("i", 0));
    obs_log_free(log);
    CU_ASSERT_EQUAL(file_lines(file) + file_lines(moved), 501);
    CU_ASSERT(file_lines(file) >= 1);
    (void)unlink(file);
    (void)unlink(moved);
    (void)rmdir(dir);
}

/* Milliseconds until what is logged can be read; ret_lines of it with the first read. */
static int64_t time_to_reader(struct obs_log *log, int reader, enum obs_level last,
                              unsigned *ret_lines)
{
    struct timespec from, to;
    char text[1024];
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    OBS_LOG(log, OBS_INFO, "first", OBS_UINT("i", 1));
    obs_log_write(log, last, "second", NULL, 0);
    struct pollfd p = {.fd = reader, .events = POLLIN};
    CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 20000), 1);
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    *ret_lines = 0;
    for (ssize_t n = read(reader, text, sizeof(text)); n > 0; n--)
        *ret_lines += text[n - 1] == '\n';
    return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void lines_wait_for_others_but_a_warning_for_nobody(void)
{
    char dir[TEST_FOLDER_MAX], file[64];
    test_folder(dir);
    (void)snprintf(file, sizeof(file), "%s/log", dir);
    CU_ASSERT_EQUAL_FATAL(mkfifo(file, 0600), 0);
    int reader = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct obs_log_options o = {
        .program = "t", .level = OBS_INFO, .format = OBS_JSON, .file = file};
    struct obs_log *log = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_log_new(&o, &log), 0);
    /* A machine that is busy with other things may be late, but not each time. */
    unsigned together = 0, at_once = 0;
    for (unsigned i = 0, lines; i < 50 && together == 0; i++) {
        int64_t ms = time_to_reader(log, reader, OBS_INFO, &lines);
        together += lines == 2 && ms >= 49;
        while (lines < 2) {
            struct pollfd p = {.fd = reader, .events = POLLIN};
            char c;
            CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 20000), 1);
            while (read(reader, &c, 1) == 1)
                lines += c == '\n';
        }
    }
    for (unsigned i = 0, lines; i < 50 && at_once == 0; i++)
        at_once += time_to_reader(log, reader, OBS_WARN, &lines) < 40 && lines > 0;
    CU_ASSERT_EQUAL(together, 1);
    CU_ASSERT_EQUAL(at_once, 1);
    obs_log_free(log);
    (void)close(reader);
    (void)unlink(file);
    (void)rmdir(dir);
}

static void a_file_that_cannot_be_opened_is_an_error(void)
{
    struct obs_log_options o = {.program = "t", .file = "/nonexistent/dir/log"};
    struct obs_log *log = NULL;
    CU_ASSERT_EQUAL(obs_log_new(&o, &log), -ENOENT);
    CU_ASSERT_PTR_NULL(log);
}

TEST_MAIN("common/obs/log",
          {"a line has time, level, program, event and fields",
           a_line_has_time_level_program_event_and_fields},
          {"the time is the time of day in UTC", the_time_is_the_time_of_day_in_utc},
          {"JSON lines are JSON whatever the octets", json_lines_are_json_whatever_the_octets},
          {"a terminal gets no control characters", a_terminal_gets_no_control_characters},
          {"levels below the bound are not written", levels_below_the_bound_are_not_written},
          {"identities are hashed unless told otherwise",
           identities_are_hashed_unless_told_otherwise},
          {"a line too long is cut at a field", a_line_too_long_is_cut_at_a_field},
          {"above the rate lines are dropped and counted, but errors pass",
           above_the_rate_lines_are_dropped_and_counted_but_errors_pass},
          {"the thread writes all lines and reopens a moved file",
           the_thread_writes_all_lines_and_reopens_a_moved_file},
          {"lines wait for others, but a warning for nobody",
           lines_wait_for_others_but_a_warning_for_nobody},
          {"a file that cannot be opened is an error", a_file_that_cannot_be_opened_is_an_error})
