/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/stat.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/unit/common/charging/fakedisk.h"

#define DIR   "/spool"
#define OPEN1 DIR "/scscf-00000001.jsonl.open"

static struct sim *sim;
static struct loop *loop;
static struct fakedisk disk;
static struct charging_spool *spool;
static struct charging_spool_config config;

static struct charging_alarm alarm_now;
static int alarms;

static void on_alarm(void *ctx, const struct charging_alarm *a)
{
    (void)ctx;
    alarm_now = *a;
    alarms++;
}

static void start(void)
{
    struct charging_alarm a = {0};

    CU_ASSERT_EQUAL_FATAL(sim_new(1, &sim), 0);
    loop = sim_loop(sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(loop, &config, &spool, &a), 0);
}

static int done_count;
static char done_order[64];

static void begin(void)
{
    fakedisk_init(&disk);
    config = (struct charging_spool_config){
        .dir = DIR, .name = "scscf", .disk = &disk.port, .alarm = on_alarm};
    alarms = done_count = 0;
    memset(done_order, 0, sizeof(done_order));
    start();
}

static void stop(void)
{
    charging_spool_free(spool);
    sim_free(sim);
}

static void end(void)
{
    stop();
    fakedisk_fini(&disk);
}

/* The process dies: nothing is written any more, no done comes. */
static void die(size_t torn)
{
    disk.fail_write = -EIO;
    charging_spool_free(spool);
    sim_free(sim);
    disk.fail_write = 0;
    fakedisk_crash(&disk, torn);
}

static void on_done(void *ctx)
{
    const char *letter = ctx;

    if (done_count < 60)
        done_order[done_count] = letter ? *letter : '.';
    done_count++;
}

static struct cdr record(const char *icid, enum cdr_role role)
{
    return (struct cdr){.type = CDR_SCSCF,
                        .role = role,
                        .icid = span_str(icid),
                        .session_id = SPAN("call@test"),
                        .method = SPAN("INVITE"),
                        .closing_time = 1893456000000000};
}

/* done says the letter (contexts are not const; this one is only read). */
static int append(const char *icid, const char *letter)
{
    struct cdr c = record(icid, CDR_ORIGINATING);

    return charging_spool_append(spool, &c, on_done, (void *)(uintptr_t)letter);
}

static struct charging_spool_stats stats(void)
{
    struct charging_spool_stats st;

    charging_spool_stats_get(spool, &st);
    return st;
}

/* ---- what reads it back ---- */

static char found[400];
static uint64_t last_sequence;
static uint64_t damaged;

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    struct buf *b = ctx;

    CU_ASSERT(span_starts(line, SPAN("{")));
    buf_fmt(b, "%.*s/%llu ", SPAN_ARG(c->icid), (unsigned long long)c->sequence);
    last_sequence = c->sequence;
    return true;
}

static const char *read_back(const struct charging_filter *filter)
{
    struct buf b = BUF_ON(found);

    damaged = 99;
    CU_ASSERT_EQUAL(charging_read(&disk.port, DIR, "scscf", filter, on_record, &b, &damaged), 0);
    buf_putc(&b, '\0');
    return found;
}

/* ---- the usual way ---- */

static void done_comes_after_the_sync_and_in_order(void)
{
    begin();
    sim_thread_latency(sim, 5 * MSEC);
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    CU_ASSERT_EQUAL(append("b", "b"), 0);
    CU_ASSERT_EQUAL(disk.syncs, 0);
    sim_run(sim, 4 * MSEC);
    CU_ASSERT_EQUAL(done_count, 0);
    CU_ASSERT_EQUAL(append("c", "c"), 0);
    sim_run(sim, 20 * MSEC);
    CU_ASSERT_STRING_EQUAL(done_order, "abc");
    CU_ASSERT_EQUAL(disk.writes, 2); /* two records of one turn are one write and one sync */
    CU_ASSERT_EQUAL(disk.syncs, 2);
    CU_ASSERT_EQUAL(disk.dir_syncs, 1);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 c/3 ");
    CU_ASSERT_EQUAL(damaged, 0);
    CU_ASSERT_EQUAL(stats().written, 3);
    CU_ASSERT_EQUAL(stats().waiting, 0);
    CU_ASSERT_EQUAL(stats().waiting_bytes, 0);
    end();
}

static void records_of_the_gather_time_share_a_sync(void)
{
    begin();
    stop();
    config.gather_time = 50 * MSEC;
    start();
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(append("a", "x"), 0);
        sim_run(sim, 10 * MSEC);
    }
    CU_ASSERT_EQUAL(done_count, 0);
    sim_run(sim, 20 * MSEC);
    CU_ASSERT_EQUAL(done_count, 4);
    CU_ASSERT_EQUAL(stats().syncs, 1);
    CU_ASSERT_EQUAL(append("b", "y"), 0);
    end(); /* the end does not wait */
    CU_ASSERT_EQUAL(done_count, 5);
}

static void what_was_done_survives_the_loss_of_power(void)
{
    begin();
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(append("x", NULL), 0);
        sim_run(sim, SEC);
    }
    CU_ASSERT_EQUAL(done_count, 5);
    die(0);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "x/1 x/2 x/3 x/4 x/5 ");
    start();
    CU_ASSERT_EQUAL(append("y", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "x/1 x/2 x/3 x/4 x/5 y/6 ");
    end();
}

static void freeing_writes_what_waits(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    CU_ASSERT_EQUAL(append("b", "b"), 0);
    stop();
    CU_ASSERT_STRING_EQUAL(done_order, "ab");
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 ");
    CU_ASSERT_EQUAL(alarms, 0);
    fakedisk_fini(&disk);
}

static void more_than_a_batch_is_written_in_several(void)
{
    char big[4000];
    struct cdr c = record("big", CDR_TERMINATING);

    begin();
    memset(big, 'x', sizeof(big));
    c.access_info = span_of(big, sizeof(big));
    for (int i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(charging_spool_append(spool, &c, on_done, NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(done_count, 200);
    CU_ASSERT_EQUAL(disk.writes, 4);
    end();
}

static void a_record_that_is_too_long_is_refused(void)
{
    static char big[CDR_LINE_MAX];
    struct cdr c = record("big", CDR_TERMINATING);

    begin();
    memset(big, 'x', sizeof(big));
    c.access_info = span_of(big, sizeof(big));
    CU_ASSERT_EQUAL(charging_spool_append(spool, &c, on_done, NULL), -EMSGSIZE);
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 "); /* no number is spent on it */
    end();
}

/* ---- the disk refuses ---- */

static void a_full_disk_delays_records_and_loses_none(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    sim_run(sim, SEC);
    disk.room = 100; /* half a record */
    CU_ASSERT_EQUAL(append("b", "b"), 0);
    CU_ASSERT_EQUAL(append("c", "c"), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(done_count, 1);
    CU_ASSERT_EQUAL(alarms, 1);
    CU_ASSERT_EQUAL(alarm_now.code, -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(alarm_now.text, "disk is full; 2 wait in memory"));
    CU_ASSERT_PTR_NOT_NULL(strstr(alarm_now.text, DIR));
    CU_ASSERT_PTR_NOT_NULL(strstr(alarm_now.remedy, "make room"));
    CU_ASSERT(stats().disk_refuses);
    CU_ASSERT_EQUAL(append("d", "d"), 0);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_EQUAL(alarms, 1); /* once, not every time */
    CU_ASSERT_EQUAL(stats().retries, 12);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 ");
    disk.room = 1 << 20;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(alarms, 2);
    CU_ASSERT_EQUAL(alarm_now.code, 0);
    CU_ASSERT_STRING_EQUAL(done_order, "abcd");
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 c/3 d/4 ");
    CU_ASSERT_EQUAL(damaged, 0); /* nothing torn in between */
    end();
}

static void a_failed_sync_writes_the_octets_again(void)
{
    begin();
    disk.fail_sync = -EIO;
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(done_count, 0);
    CU_ASSERT_EQUAL(disk.writes, 1);
    disk.fail_sync = 0;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(done_count, 1);
    CU_ASSERT_EQUAL(disk.writes, 2);
    die(0);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 ");
    fakedisk_fini(&disk);
}

static void what_a_failed_attempt_left_is_no_record(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    sim_run(sim, SEC);
    disk.room = 100;
    disk.fail_size = -EIO; /* and the rest cannot even be cut off */
    CU_ASSERT_EQUAL(append("b", "b"), 0);
    sim_run(sim, SEC);
    disk.room = 1 << 20;
    disk.fail_size = 0;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 ");
    CU_ASSERT_EQUAL(damaged, 0);
    end();
}

static void memory_is_bounded_and_says_so_before(void)
{
    int taken = 0;

    begin();
    stop();
    config.memory_limit = 2000;
    start();
    disk.fail_write = -EIO;
    CU_ASSERT(charging_spool_ready(spool));
    while (charging_spool_ready(spool) && append("a", NULL) == 0)
        taken++;
    CU_ASSERT(taken > 1);
    CU_ASSERT(!charging_spool_ready(spool)); /* half full: no new calls, but records of old ones */
    while (append("a", NULL) == 0)
        taken++;
    CU_ASSERT_EQUAL(append("a", NULL), -ENOBUFS);
    CU_ASSERT_EQUAL(stats().refused, 2);
    CU_ASSERT(stats().waiting_bytes <= 2000);
    disk.fail_write = 0;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(done_count, taken);
    CU_ASSERT(charging_spool_ready(spool));
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    (void)read_back(NULL);
    CU_ASSERT_EQUAL(last_sequence, (uint64_t)taken + 1); /* refused ones leave no gap */
    end();
}

static void what_cannot_be_written_at_the_end_is_said(void)
{
    begin();
    disk.fail_write = -EROFS;
    CU_ASSERT_EQUAL(append("a", "a"), 0);
    sim_run(sim, SEC);
    stop();
    CU_ASSERT_EQUAL(done_count, 0);
    CU_ASSERT_EQUAL(alarm_now.code, -EROFS);
    CU_ASSERT_PTR_NOT_NULL(strstr(alarm_now.text, "1 are not written"));
    fakedisk_fini(&disk);
}

/* ---- rotation ---- */

static void files_are_closed_by_size_by_time_and_on_demand(void)
{
    begin();
    stop();
    config.rotate_bytes = 500;
    config.rotate_time = 100 * SEC;
    start();
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(append("a", NULL), 0);
        sim_run(sim, SEC);
    }
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000001.jsonl"));
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000002.jsonl.open"));
    sim_run(sim, 101 * SEC);
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000002.jsonl"));
    CU_ASSERT_PTR_NULL(fakedisk_find(&disk, DIR "/scscf-00000003.jsonl.open"));
    sim_run(sim, 500 * SEC); /* no record, no file */
    charging_spool_rotate(spool);
    sim_run(sim, SEC);
    CU_ASSERT_PTR_NULL(fakedisk_find(&disk, DIR "/scscf-00000003.jsonl.open"));
    CU_ASSERT_EQUAL(stats().rotations, 2);
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    charging_spool_rotate(spool); /* b as well: it was there before */
    sim_run(sim, SEC);
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000003.jsonl"));
    CU_ASSERT_EQUAL(stats().rotations, 3);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 a/2 a/3 a/4 b/5 ");
    CU_ASSERT_EQUAL(done_count, 5);
    end();
}

static void a_failed_attempt_is_not_closed_into_the_old_file(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, SEC);
    disk.fail_sync = -EIO; /* b is in the file, but perhaps not on the disk */
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    charging_spool_rotate(spool);
    disk.fail_sync = 0;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000001.jsonl"));
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 ");
    end();
}

static void a_new_file_has_its_whole_time(void)
{
    begin();
    stop();
    config.rotate_time = 100 * SEC;
    start();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, 60 * SEC);
    charging_spool_rotate(spool);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_EQUAL(stats().rotations, 1);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_EQUAL(stats().rotations, 2);
    end();
}

static void a_rotation_that_fails_does_no_harm(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, SEC);
    disk.fail_rename = -EIO;
    charging_spool_rotate(spool);
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(done_count, 2);
    disk.fail_rename = 0;
    CU_ASSERT_EQUAL(append("c", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000001.jsonl"));
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 c/3 ");
    end();
}

/* ---- after a crash ---- */

static void a_torn_tail_is_cut_off_and_kept_aside(void)
{
    struct fakefile *f;
    size_t whole, record_len;

    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, SEC);
    whole = fakedisk_find(&disk, OPEN1)->n;
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    record_len = fakedisk_find(&disk, OPEN1)->n - whole;
    stop();
    /* However much of the second record came to the disk, up to its newline. */
    for (size_t torn = 1; torn < record_len; torn += 7) {
        fakedisk_find(&disk, OPEN1)->n = whole + torn;
        start();
        CU_ASSERT_EQUAL(stats().torn_bytes, torn);
        CU_ASSERT_EQUAL(fakedisk_find(&disk, OPEN1)->n, whole);
        CU_ASSERT_EQUAL(append("c", NULL), 0);
        sim_run(sim, SEC);
        CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 c/2 ");
        CU_ASSERT_EQUAL(damaged, 0);
        stop();
    }
    f = fakedisk_find(&disk, OPEN1 ".torn");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(f->bytes[0], '{');
    fakedisk_fini(&disk);
}

static void numbers_go_on_when_the_last_files_hold_no_record(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    charging_spool_rotate(spool);
    sim_run(sim, SEC);
    stop();
    (void)fake_open(&disk, DIR "/scscf-00000002.jsonl", true);
    (void)fake_open(&disk, DIR "/scscf-00000003.jsonl.open", true);
    (void)fake_open(&disk, DIR "/scscf-00000009.jsonl.torn", true); /* not a file of ours */
    (void)fake_open(&disk, DIR "/scscfx00000004.jsonl", true);
    (void)fake_open(&disk, DIR "/pcscf-00000007.jsonl", true);
    start();
    CU_ASSERT_EQUAL(append("c", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 c/3 ");
    CU_ASSERT(fakedisk_find(&disk, DIR "/scscf-00000003.jsonl.open")->n > 0);
    end();
}

static void behind_a_closed_file_comes_the_next_number(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    charging_spool_rotate(spool);
    sim_run(sim, SEC);
    stop();
    start();
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_PTR_NOT_NULL(fakedisk_find(&disk, DIR "/scscf-00000002.jsonl.open"));
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 ");
    end();
}

static void a_file_that_was_taken_away_is_begun_again(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, SEC);
    disk.fail_write = -EIO;
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    fakedisk_find(&disk, OPEN1)->there = false;
    disk.fail_write = 0;
    sim_run(sim, 10 * SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "b/2 ");
    CU_ASSERT_EQUAL(damaged, 0);
    end();
}

/* ---- reading ---- */

static void a_damaged_line_is_counted_and_the_others_are_read(void)
{
    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    CU_ASSERT_EQUAL(append("c", NULL), 0);
    sim_run(sim, SEC);
    struct fakefile *f = fakedisk_find(&disk, OPEN1);
    char *b = memchr(f->bytes, '\n', f->n);
    b[20] ^= 1;
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 c/3 ");
    CU_ASSERT_EQUAL(damaged, 1);
    end();
}

static void noise_longer_than_a_record_is_passed(void)
{
    struct fakefile *f;

    begin();
    CU_ASSERT_EQUAL(append("a", NULL), 0);
    sim_run(sim, SEC);
    stop();
    f = fakedisk_find(&disk, OPEN1);
    for (int i = 0; i < 200000; i++)
        f->bytes[f->n++] = 'z';
    f->bytes[f->n++] = '\n';
    start();
    CU_ASSERT_EQUAL(append("b", NULL), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(read_back(NULL), "a/1 b/2 ");
    end();
}

static bool first_only(void *ctx, const struct cdr *c, struct span line)
{
    (void)on_record(ctx, c, line);
    return false;
}

static void a_filter_chooses(void)
{
    static const struct {
        struct charging_filter f;
        const char *want;
    } cases[] = {
        {{0}, "a/1 b/2 a/3 c/4 "},
        {{.icid = {"a", 1}}, "a/1 a/3 "},
        {{.after_sequence = 2}, "a/3 c/4 "},
        {{.limit = 2}, "a/1 b/2 "},
        {{.after_sequence = 1, .limit = 1}, "b/2 "},
        {{.from = 2000}, "b/2 a/3 c/4 "},
        {{.from = 2000, .to = 4000}, "b/2 a/3 "},
        {{.from = 5000}, ""},
    };
    static const char *const icids[] = {"a", "b", "a", "c"};
    struct buf b = BUF_ON(found);

    begin();
    for (int i = 0; i < 4; i++) {
        struct cdr c = record(icids[i], CDR_ORIGINATING);

        c.closing_time = 1000 * (i + 1);
        CU_ASSERT_EQUAL(charging_spool_append(spool, &c, NULL, NULL), 0);
        sim_run(sim, SEC);
        charging_spool_rotate(spool); /* over several files */
        sim_run(sim, SEC);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CU_ASSERT_STRING_EQUAL(read_back(&cases[i].f), cases[i].want);
    CU_ASSERT_EQUAL(charging_read(&disk.port, DIR, "scscf", NULL, first_only, &b, NULL), 0);
    ASSERT_SPAN_EQ(buf_span(&b), "a/1 ");
    end();
}

/* ---- the real disk ---- */

static struct loop *real_loop;

static void stop_loop(void *ctx)
{
    on_done(ctx);
    loop_stop(real_loop);
}

static bool count_record(void *ctx, const struct cdr *c, struct span line)
{
    (void)c;
    (void)line;
    ++*(int *)ctx;
    return true;
}

static void it_works_on_a_real_disk(void)
{
    char dir[TEST_FOLDER_MAX], sub[64], path[100];
    struct charging_spool_config c = {.dir = sub, .name = "scscf"};
    struct cdr r = record("a", CDR_ORIGINATING);
    struct charging_alarm a = {0};
    struct stat st;
    int n = 0;

    test_folder(dir);
    (void)snprintf(sub, sizeof(sub), "%s/x/y", dir);
    done_count = 0;
    CU_ASSERT_EQUAL_FATAL(loop_new(&real_loop), 0);
    for (int life = 0; life < 2; life++) {
        CU_ASSERT_EQUAL_FATAL(charging_spool_new(real_loop, &c, &spool, &a), 0);
        CU_ASSERT_EQUAL(charging_spool_append(spool, &r, on_done, NULL), 0);
        CU_ASSERT_EQUAL(charging_spool_append(spool, &r, stop_loop, NULL), 0);
        loop_run(real_loop);
        if (life)
            charging_spool_rotate(spool);
        CU_ASSERT_EQUAL(charging_spool_append(spool, &r, stop_loop, NULL), 0);
        loop_run(real_loop);
        charging_spool_free(spool);
    }
    CU_ASSERT_EQUAL(done_count, 6);
    CU_ASSERT_EQUAL(charging_read(NULL, sub, "scscf", NULL, count_record, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 6);
    (void)snprintf(path, sizeof(path), "%s/scscf-00000001.jsonl", sub);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0007, 0); /* who called whom is not for everybody */
    CU_ASSERT_EQUAL(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/scscf-00000002.jsonl.open", sub);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(rmdir(sub), 0);
    (void)snprintf(path, sizeof(path), "%s/x", dir);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    c.dir = "/proc/nowhere";
    CU_ASSERT(charging_spool_new(real_loop, &c, &spool, &a) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "/proc/nowhere"));
    CU_ASSERT(a.remedy[0] != '\0');
    loop_free(real_loop);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void a_directory_has_one_spool(void)
{
    char dir[TEST_FOLDER_MAX];
    struct charging_spool_config c = {.dir = dir, .name = "scscf"};
    struct charging_spool *other = NULL;
    struct charging_alarm a = {0};

    test_folder(dir);
    CU_ASSERT_EQUAL_FATAL(loop_new(&real_loop), 0);
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(real_loop, &c, &spool, &a), 0);
    CU_ASSERT_EQUAL(charging_spool_new(real_loop, &c, &other, &a), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "another process writes there"));
    charging_spool_free(spool);
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(real_loop, &c, &other, &a), 0);
    charging_spool_free(other);
    loop_free(real_loop);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

TEST_MAIN("common/charging/spool",
          {"done comes after the sync and in order", done_comes_after_the_sync_and_in_order},
          {"records of the gather time share a sync", records_of_the_gather_time_share_a_sync},
          {"what was done survives the loss of power", what_was_done_survives_the_loss_of_power},
          {"freeing writes what waits", freeing_writes_what_waits},
          {"more than a batch is written in several", more_than_a_batch_is_written_in_several},
          {"a record that is too long is refused", a_record_that_is_too_long_is_refused},
          {"a full disk delays records and loses none", a_full_disk_delays_records_and_loses_none},
          {"a failed sync writes the octets again", a_failed_sync_writes_the_octets_again},
          {"what a failed attempt left is no record", what_a_failed_attempt_left_is_no_record},
          {"memory is bounded and says so before", memory_is_bounded_and_says_so_before},
          {"what cannot be written at the end is said", what_cannot_be_written_at_the_end_is_said},
          {"files are closed by size, by time and on demand",
           files_are_closed_by_size_by_time_and_on_demand},
          {"a failed attempt is not closed into the old file",
           a_failed_attempt_is_not_closed_into_the_old_file},
          {"a new file has its whole time", a_new_file_has_its_whole_time},
          {"a rotation that fails does no harm", a_rotation_that_fails_does_no_harm},
          {"a torn tail is cut off and kept aside", a_torn_tail_is_cut_off_and_kept_aside},
          {"numbers go on when the last files hold no record",
           numbers_go_on_when_the_last_files_hold_no_record},
          {"behind a closed file comes the next number",
           behind_a_closed_file_comes_the_next_number},
          {"a file that was taken away is begun again", a_file_that_was_taken_away_is_begun_again},
          {"a damaged line is counted and the others are read",
           a_damaged_line_is_counted_and_the_others_are_read},
          {"noise longer than a record is passed", noise_longer_than_a_record_is_passed},
          {"a filter chooses", a_filter_chooses},
          {"it works on a real disk", it_works_on_a_real_disk},
          {"a directory has one spool", a_directory_has_one_spool})
