/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scscf/call/call.h"

#include "common/loop/sim.h"
#include "tests/support/suite.h"
#include "tests/unit/common/charging/fakedisk.h"

static struct sim *sim;
static struct loop *loop;
static struct fakedisk disk;
static struct charging_spool *spool;
static struct calls *calls;

static struct cdr last;
static size_t n_records;
static struct arena texts;

static void open_with(size_t limit, size_t memory)
{
    struct charging_spool_config config = {
        .dir = "/cdr", .name = "t", .memory_limit = memory, .disk = &disk.port};
    struct calls_env env;

    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    loop = sim_loop(sim, "calls");
    fakedisk_init(&disk);
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(loop, &config, &spool, NULL), 0);
    env = (struct calls_env){.loop = loop, .spool = spool, .node = "192.0.2.20", .limit = limit};
    CU_ASSERT_EQUAL_FATAL(calls_new(&env, &calls), 0);
    arena_init(&texts, 1 << 20);
}

static void close_all(void)
{
    charging_spool_free(spool);
    calls_free(calls);
    fakedisk_fini(&disk);
    sim_free(sim);
    arena_fini(&texts);
}

static struct call *open_call(void)
{
    struct call_opening o = {.role = CDR_ORIGINATING,
                             .method = SPAN("INVITE"),
                             .session_id = SPAN("c1"),
                             .icid = SPAN("icid1"),
                             .calling = SPAN("sip:alice@ims.example"),
                             .called = SPAN("sip:bob@ims.example"),
                             .subscriber = SPAN("alice@ims.example")};
    struct call *c = NULL;

    CU_ASSERT_EQUAL_FATAL(call_open(calls, &o, &c), 0);
    return c;
}

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    (void)ctx;
    (void)c;
    CU_ASSERT_EQUAL(cdr_parse_json(arena_copy(&texts, line), &texts, &last), 0);
    n_records++;
    return true;
}

static size_t read_all(void)
{
    struct charging_filter all = {0};

    n_records = 0;
    CU_ASSERT_EQUAL(charging_read(&disk.port, "/cdr", "t", &all, on_record, NULL, NULL), 0);
    return n_records;
}

static void every_state_and_event_is_a_row_or_a_refusal(void)
{
    /* -1: refused. Columns: progress, answer, end. */
    static const int expect[][CALL_EV_COUNT] = {
        [CALL_ST_CALLING] = {CALL_ST_RINGING, CALL_ST_ANSWERED, CALL_ST_ENDED},
        [CALL_ST_RINGING] = {CALL_ST_RINGING, CALL_ST_ANSWERED, CALL_ST_ENDED},
        [CALL_ST_ANSWERED] = {-1, -1, CALL_ST_ENDED},
        [CALL_ST_ENDED] = {-1, -1, -1},
    };

    for (int s = CALL_ST_CALLING; s <= CALL_ST_ENDED; s++)
        for (int e = 0; e < CALL_EV_COUNT; e++) {
            enum call_state next = CALL_ST_CALLING;
            int rc = call_next((enum call_state)s, (enum call_event)e, &next);

            CU_ASSERT_EQUAL(rc == 0 ? (int)next : -1, expect[s][e]);
        }
}

static void the_record_tells_ringing_answer_and_end_apart(void)
{
    struct call *c;

    open_with(0, 0);
    c = open_call();
    sim_run(sim, 2 * SEC);
    call_progress(c, 180);
    sim_run(sim, 3 * SEC);
    call_answer(c, 200, SPAN("sip:bob@ims.example"), SPAN("far.example"));
    sim_run(sim, 7 * SEC);
    call_end(c, &(struct call_ending){.cause = CDR_CAUSE_NORMAL, .reason = "BYE caller"});
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    CU_ASSERT_EQUAL(last.type, CDR_SCSCF);
    CU_ASSERT_EQUAL(last.answer_time - last.request_time, 5 * 1000000);
    CU_ASSERT_EQUAL(cdr_duration(&last), 7 * 1000000);
    ASSERT_SPAN_EQ(last.node, "192.0.2.20");
    ASSERT_SPAN_EQ(last.called_asserted, "sip:bob@ims.example");
    ASSERT_SPAN_EQ(last.term_ioi, "far.example");
    ASSERT_SPAN_EQ(last.reason, "BYE caller");
    CU_ASSERT_EQUAL(last.sip_status, 200);
    CU_ASSERT_EQUAL(calls_counters(calls)->written, 1);
    close_all();
}

static void a_second_answer_changes_nothing(void)
{
    struct call *c;

    open_with(0, 0);
    c = open_call();
    call_answer(c, 200, SPAN("sip:bob@ims.example"), SPAN_NONE);
    sim_run(sim, 4 * SEC);
    call_answer(c, 202, SPAN("sip:carol@ims.example"), SPAN_NONE);
    call_progress(c, 180);
    CU_ASSERT_EQUAL(calls_counters(calls)->refused_events, 2);
    call_end(c, &(struct call_ending){.cause = CDR_CAUSE_NORMAL, .reason = "x"});
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    ASSERT_SPAN_EQ(last.called_asserted, "sip:bob@ims.example");
    CU_ASSERT_EQUAL(last.sip_status, 200);
    CU_ASSERT_EQUAL(cdr_duration(&last), 4 * 1000000);
    close_all();
}

static void a_record_waits_for_room_in_the_spool(void)
{
    open_with(0, 2000); /* room for one or two records */
    disk.fail_write = -ENOSPC;
    for (int i = 0; i < 8; i++)
        call_end(open_call(), &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL,
                                                    .status = 486,
                                                    .reason = "Busy Here"});
    sim_run(sim, 60 * SEC);
    CU_ASSERT(calls_counters(calls)->write_waits > 0);
    CU_ASSERT_EQUAL(calls_counters(calls)->writing, 8);
    disk.fail_write = 0;
    sim_run(sim, 120 * SEC);
    CU_ASSERT_EQUAL(calls_counters(calls)->writing, 0);
    CU_ASSERT_EQUAL(read_all(), 8);
    close_all();
}

static void a_forgotten_call_is_safe_from_a_power_cut(void)
{
    open_with(0, 0);
    call_end(open_call(), &(struct call_ending){.reason = "x"});
    while (calls_counters(calls)->writing)
        sim_run(sim, MSEC);
    fakedisk_crash(&disk, 0);
    CU_ASSERT_EQUAL(read_all(), 1);
    close_all();
}

static void calls_are_bounded_until_their_record_is_on_the_disk(void)
{
    struct call_opening o = {.method = SPAN("INVITE"), .icid = SPAN("i")};
    struct call *c, *refused = NULL;

    open_with(1, 0);
    sim_thread_latency(sim, 5 * SEC);
    c = open_call();
    CU_ASSERT_EQUAL(call_open(calls, &o, &refused), -ENOSPC);
    call_end(c, &(struct call_ending){.reason = "x"});
    CU_ASSERT_EQUAL(call_open(calls, &o, &refused), -ENOSPC);
    sim_run(sim, 60 * SEC);
    CU_ASSERT_EQUAL(call_open(calls, &o, &c), 0);
    CU_ASSERT_EQUAL(calls_counters(calls)->refused_full, 2);
    close_all();
}

static void long_texts_are_cut(void)
{
    static char text[2000];
    struct call_opening o = {.method = SPAN("INVITE")};
    struct call *c = NULL;

    open_with(0, 0);
    memset(text, 'x', sizeof(text));
    o.icid = o.calling = o.called = o.session_id = o.access_info = span_of(text, sizeof(text));
    CU_ASSERT_EQUAL_FATAL(call_open(calls, &o, &c), 0);
    call_end(c, &(struct call_ending){.reason = "x"});
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL_FATAL(read_all(), 1);
    CU_ASSERT_EQUAL(last.icid.n, CALL_TEXT_MAX);
    close_all();
}

static bool count_call(const struct call_view *v, void *ctx)
{
    (void)v;
    return ++*(unsigned *)ctx < 2;
}

/* JSON writes some octets as six. */
static void a_record_that_is_too_long_holds_up_no_other(void)
{
    static char text[CALL_TEXT_MAX];
    struct call_opening o = {.method = SPAN("INVITE"),
                             .session_id = SPAN("c1"),
                             .icid = SPAN("i"),
                             .calling = span_of(text, sizeof(text)),
                             .called = span_of(text, sizeof(text)),
                             .calling_alias = span_of(text, sizeof(text)),
                             .subscriber = span_of(text, sizeof(text)),
                             .orig_ioi = span_of(text, sizeof(text)),
                             .access_info = span_of(text, sizeof(text))};
    const struct call_ending ending = {.reason = "x"};
    struct call *c;

    memset(text, 1, sizeof(text));
    open_with(0, 0);
    CU_ASSERT_EQUAL_FATAL(call_open(calls, &o, &c), 0);
    call_end(c, &ending);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(read_all(), 1); /* without what is least */
    CU_ASSERT_EQUAL(last.access_info.n, 0);
    CU_ASSERT_EQUAL(last.calling.n, CALL_TEXT_MAX);
    o.icid = o.session_id = o.term_ioi = o.called;
    CU_ASSERT_EQUAL_FATAL(call_open(calls, &o, &c), 0);
    call_end(c, &ending);
    call_end(open_call(), &ending);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(calls_counters(calls)->too_long, 1);
    CU_ASSERT_EQUAL(calls_counters(calls)->writing, 0);
    CU_ASSERT_EQUAL(read_all(), 2);
    close_all();
}

static void calls_are_listed_until_enough(void)
{
    unsigned n = 0;

    open_with(0, 0);
    for (int i = 0; i < 5; i++)
        (void)open_call();
    calls_each(calls, count_call, &n);
    CU_ASSERT_EQUAL(n, 2);
    call_end(NULL, &(struct call_ending){0});
    close_all();
}

TEST_MAIN("scscf/call",
          {"every state and event is a row or a refusal",
           every_state_and_event_is_a_row_or_a_refusal},
          {"the record tells ringing, answer and end apart",
           the_record_tells_ringing_answer_and_end_apart},
          {"a second answer changes nothing", a_second_answer_changes_nothing},
          {"a record waits for room in the spool", a_record_waits_for_room_in_the_spool},
          {"a forgotten call is safe from a power cut", a_forgotten_call_is_safe_from_a_power_cut},
          {"calls are bounded until their record is on the disk",
           calls_are_bounded_until_their_record_is_on_the_disk},
          {"long texts are cut", long_texts_are_cut},
          {"a record that is too long holds up no other",
           a_record_that_is_too_long_holds_up_no_other},
          {"calls are listed until enough", calls_are_listed_until_enough}, )
