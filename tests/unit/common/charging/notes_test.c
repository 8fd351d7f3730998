/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that are open when the process is killed. */
#include "common/charging/inner.h"
#include "common/loop/sim.h"
#include "tests/unit/common/charging/fakedisk.h"

#define FILE_OF_NOTES "/cdr/t.calls"

static struct sim *sim;
static struct loop *loop;
static struct fakedisk disk;
static struct charging_spool_config config;
static struct charging_spool *spool;
static struct arena texts;
static struct cdr records[400];
static size_t n_records;

static void start(void)
{
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &sim), 0);
    loop = sim_loop(sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(loop, &config, &spool, NULL), 0);
}

static void stop(void)
{
    charging_spool_free(spool);
    sim_free(sim);
}

static void begin(uint32_t notes)
{
    fakedisk_init(&disk);
    config = (struct charging_spool_config){
        .dir = "/cdr", .name = "t", .disk = &disk.port, .notes = notes};
    arena_init(&texts, 1 << 20);
    start();
}

static void end(void)
{
    stop();
    fakedisk_fini(&disk);
    arena_fini(&texts);
}

/* kill -9: what was stored is there, nothing more is written. */
static void be_killed(void)
{
    disk.fail_write = -EIO;
    stop();
    disk.fail_write = 0;
}

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    (void)ctx, (void)c;
    CU_ASSERT_FATAL(n_records < ARRAY_LEN(records));
    CU_ASSERT_EQUAL(cdr_parse_json(arena_copy(&texts, line), &texts, &records[n_records++]), 0);
    return true;
}

static size_t read_all(void)
{
    struct charging_filter all = {0};

    n_records = 0;
    CU_ASSERT_EQUAL(charging_read(&disk.port, "/cdr", "t", &all, on_record, NULL, NULL), 0);
    return n_records;
}

static struct charging_spool_stats stats(void)
{
    struct charging_spool_stats st;

    charging_spool_stats_get(spool, &st);
    return st;
}

static struct cdr answered(const char *icid)
{
    return (struct cdr){.type = CDR_SCSCF,
                        .method = SPAN("INVITE"),
                        .session_id = SPAN("c1"),
                        .icid = span_str(icid),
                        .calling = SPAN("sip:alice@ims.example"),
                        .called = SPAN("sip:bob@ims.example"),
                        .sip_status = 200,
                        .answer_time = loop_wall(loop)};
}

static void an_open_call_gets_its_record_at_the_next_start(void)
{
    struct cdr c;
    int64_t answer, killed;

    begin(8);
    c = answered("i1");
    answer = c.answer_time;
    CU_ASSERT_NOT_EQUAL(charging_note_put(spool, &c), 0);
    sim_run(sim, 90 * SEC + 300 * MSEC);
    killed = loop_wall(loop);
    be_killed();
    CU_ASSERT_EQUAL(read_all(), 0);
    start();
    CU_ASSERT_EQUAL(stats().recovered, 1);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    ASSERT_SPAN_EQ(records[0].icid, "i1");
    ASSERT_SPAN_EQ(records[0].calling, "sip:alice@ims.example");
    ASSERT_SPAN_EQ(records[0].reason, "killed");
    CU_ASSERT(records[0].incomplete);
    CU_ASSERT_EQUAL(records[0].cause, CDR_CAUSE_MANAGEMENT);
    CU_ASSERT_EQUAL(records[0].answer_time, answer);
    CU_ASSERT(records[0].end_time <= killed && records[0].end_time > killed - (int64_t)SEC);
    CU_ASSERT_EQUAL(stats().noted, 0);
    be_killed();
    start();
    CU_ASSERT_EQUAL(stats().recovered, 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(read_all(), 1);
    end();
}

static void a_call_that_was_over_keeps_its_last_word(void)
{
    struct cdr c;
    uint32_t note;

    begin(8);
    c = answered("i1");
    note = charging_note_put(spool, &c);
    sim_run(sim, 10 * SEC);
    c.end_time = c.answer_time + 7 * (int64_t)SEC;
    c.reason = SPAN("BYE caller");
    charging_note_end(spool, note, &c);
    be_killed(); /* before its record was written */
    start();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    CU_ASSERT(!records[0].incomplete);
    CU_ASSERT_EQUAL(cdr_duration(&records[0]), 7 * (int64_t)SEC);
    CU_ASSERT_EQUAL(records[0].cause, CDR_CAUSE_NORMAL);
    CU_ASSERT_EQUAL(records[0].sip_status, 200);
    ASSERT_SPAN_EQ(records[0].reason, "BYE caller");
    end();
}

static void what_was_on_the_disk_already_is_not_written_twice(void)
{
    struct cdr c, other;

    begin(8);
    c = answered("i1");
    other = c;
    other.role = CDR_TERMINATING;
    (void)charging_note_put(spool, &c);
    (void)charging_note_put(spool, &other);
    CU_ASSERT_EQUAL(charging_spool_append(spool, &c, NULL, NULL), 0);
    sim_run(sim, SEC);
    be_killed(); /* between the sync and its done */
    start();
    CU_ASSERT_EQUAL(stats().recovered, 1);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 2);
    CU_ASSERT_EQUAL(records[1].role, CDR_TERMINATING);
    end();
}

static void a_note_that_was_dropped_leaves_nothing(void)
{
    struct cdr c;

    begin(8);
    c = answered("i1");
    charging_note_drop(spool, charging_note_put(spool, &c));
    CU_ASSERT_EQUAL(stats().noted, 0);
    be_killed();
    start();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(read_all(), 0);
    end();
}

static void records_the_disk_refused_at_the_stop_are_written_at_the_next_start(void)
{
    struct cdr c;

    begin(8);
    c = answered("i1");
    (void)charging_note_put(spool, &c);
    disk.fail_sync = -ENOSPC;
    CU_ASSERT_EQUAL(charging_spool_append(spool, &c, NULL, NULL), 0);
    sim_run(sim, SEC);
    stop();
    disk.fail_sync = 0;
    fakedisk_find(&disk, "/cdr/t-00000001.jsonl.open")->n = 0; /* the kernel gave the pages up */
    start();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(read_all(), 1);
    end();
}

static void the_bound_and_a_full_disk_leave_calls_without_a_note(void)
{
    struct cdr c;
    uint32_t notes[3];

    begin(3);
    c = answered("i1");
    for (int i = 0; i < 3; i++)
        CU_ASSERT_NOT_EQUAL(notes[i] = charging_note_put(spool, &c), 0);
    CU_ASSERT_EQUAL(charging_note_put(spool, &c), 0);
    CU_ASSERT_EQUAL(stats().not_noted, 1);
    charging_note_drop(spool, notes[1]);
    CU_ASSERT_EQUAL(charging_note_put(spool, &c), notes[1]);
    charging_note_end(spool, 0, &c);
    charging_note_drop(spool, 0);
    end();

    begin(400);
    for (int i = 1; i < 400; i++) {
        if (i == 256)
            disk.room = 0;
        c = answered("i1");
        CU_ASSERT_EQUAL(charging_note_put(spool, &c) != 0, i <= 256);
    }
    disk.room = FAKE_SIZE;
    CU_ASSERT_NOT_EQUAL(charging_note_put(spool, &c), 0);
    end();
}

static void a_lower_bound_still_finds_all(void)
{
    char icid[16];
    struct cdr c;

    begin(300);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(icid, sizeof(icid), "i%d", i);
        c = answered(icid);
        CU_ASSERT_NOT_EQUAL(charging_note_put(spool, &c), 0);
    }
    be_killed();
    config.notes = 2;
    start();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(stats().recovered, 300);
    CU_ASSERT_EQUAL(read_all(), 300);
    end();
}

static void more_than_memory_takes_is_written_piece_by_piece(void)
{
    char icid[16];
    struct cdr c;

    begin(300);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(icid, sizeof(icid), "i%d", i);
        c = answered(icid);
        (void)charging_note_put(spool, &c);
    }
    be_killed();
    config.memory_limit = 4096;
    start();
    CU_ASSERT(stats().recovered < 300);
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(stats().recovered, 300);
    CU_ASSERT_EQUAL(read_all(), 300);
    CU_ASSERT_EQUAL(stats().noted, 0);
    end();
}

static void texts_that_do_not_fit_cost_the_least_of_them(void)
{
    static char text[900];
    struct cdr c;

    memset(text, 'x', sizeof(text));
    begin(8);
    c = answered("i1");
    c.access_info = c.calling_alias = span_of(text, sizeof(text));
    CU_ASSERT_NOT_EQUAL(charging_note_put(spool, &c), 0);
    c.called = c.calling = c.access_info;
    CU_ASSERT_EQUAL(charging_note_put(spool, &c), 0);
    CU_ASSERT_EQUAL(stats().noted, 1);
    be_killed();
    start();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    ASSERT_SPAN_EQ(records[0].calling, "sip:alice@ims.example");
    CU_ASSERT_EQUAL(records[0].access_info.n, 0);
    end();
}

static void a_damaged_note_is_counted_and_a_strange_file_refused(void)
{
    struct charging_alarm alarm = {0};
    struct fakefile *f;
    struct cdr c;

    begin(8);
    c = answered("i1");
    (void)charging_note_put(spool, &c);
    c = answered("i2");
    (void)charging_note_put(spool, &c);
    be_killed();
    f = fakedisk_find(&disk, FILE_OF_NOTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    f->bytes[2048 + 100] ^= 1;
    start();
    CU_ASSERT_EQUAL(stats().damaged, 1);
    CU_ASSERT_EQUAL(stats().recovered, 1);
    stop();
    f->bytes[0] = 'X';
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &sim), 0);
    CU_ASSERT_EQUAL(charging_spool_new(sim_loop(sim, "scscf"), &config, &spool, &alarm), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(alarm.text, "*.calls"));
    sim_free(sim);
    fakedisk_fini(&disk);
    arena_fini(&texts);
}

TEST_MAIN("common/charging/notes",
          {"an open call gets its record at the next start",
           an_open_call_gets_its_record_at_the_next_start},
          {"a call that was over keeps its last word", a_call_that_was_over_keeps_its_last_word},
          {"what was on the disk already is not written twice",
           what_was_on_the_disk_already_is_not_written_twice},
          {"a note that was dropped leaves nothing", a_note_that_was_dropped_leaves_nothing},
          {"records the disk refused at the stop are written at the next start",
           records_the_disk_refused_at_the_stop_are_written_at_the_next_start},
          {"the bound and a full disk leave calls without a note",
           the_bound_and_a_full_disk_leave_calls_without_a_note},
          {"a lower bound still finds all", a_lower_bound_still_finds_all},
          {"more than memory takes is written piece by piece",
           more_than_memory_takes_is_written_piece_by_piece},
          {"texts that do not fit cost the least of them",
           texts_that_do_not_fit_cost_the_least_of_them},
          {"a damaged note is counted and a strange file refused",
           a_damaged_note_is_counted_and_a_strange_file_refused})
