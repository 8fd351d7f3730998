/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ops/ops.h"

#include <errno.h>
#include <stdio.h>

#include "common/loop/sim.h"
#include "tests/support/suite.h"

struct bench {
    struct sim *sim;
    struct ops *ops;
    struct ops_request *held;
    unsigned answers;
    char answer[4096];
};

static void run_add(struct ops_request *rq, void *ctx)
{
    struct span impi = ops_arg(rq, "impi");
    uint64_t limit = 0;
    (void)ctx;
    if (ops_arg_u64(rq, "limit", 10, 7, &limit) < 0)
        return;
    ops_ok(rq, json_pack("{s:s%, s:I, s:I, s:b, s:s}", "impi", impi.p, impi.n, "impus",
                         (json_int_t)ops_arg_count(rq, "impu"), "limit", (json_int_t)limit, "sip",
                         ops_flag(rq, "sip"), "second",
                         ops_arg_at(rq, "impu", 1).p ? ops_arg_at(rq, "impu", 1).p : "-"));
}

static void run_ladder(struct ops_request *rq, void *ctx)
{
    (void)ctx;
    ops_fail(rq, "take another", "no call '%.*s'", SPAN_ARG(ops_arg(rq, "call")));
}

static void run_later(struct ops_request *rq, void *ctx)
{
    ((struct bench *)ctx)->held = rq;
}

static void run_nothing(struct ops_request *rq, void *ctx)
{
    (void)ctx;
    ops_ok(rq, NULL);
}

/* Three rows at most, of as many as there are. */
static void run_list(struct ops_request *rq, void *ctx)
{
    uint64_t limit = 0;
    json_t *rows = json_array();
    (void)ctx;
    if (ops_arg_u64(rq, "limit", 10, 2, &limit) == 0) {
        for (uint64_t i = 0; i < limit && i < 3; i++)
            (void)json_array_append_new(rows, json_integer((json_int_t)i));
        ops_ok(rq, json_incref(rows));
    }
    json_decref(rows);
}

static const struct ops_param add_params[] = {{"impi", "Private identity", OPS_REQUIRED},
                                              {"impu", "Public identity", OPS_REQUIRED | OPS_MANY},
                                              {"limit", "A number", 0},
                                              {"sip", "By digest", OPS_FLAG},
                                              {"home-domain", "A name", 0}};
static const struct ops_param ladder_params[] = {{"call", "ICID", OPS_WORD}};
static const struct ops_param list_params[] = {{"limit", "A number", 0}};
static const struct ops_command commands[] = {
    {"subscriber add", "Adds", add_params, ARRAY_LEN(add_params), run_add},
    {"ladder", "Shows a call", ladder_params, ARRAY_LEN(ladder_params), run_ladder},
    {"later", "Answers later", NULL, 0, run_later},
    {"nothing", "Runs out of memory", NULL, 0, run_nothing},
    {"subscriber list", "Lists", list_params, ARRAY_LEN(list_params), run_list},
};

static void take_answer(void *ctx, struct span line)
{
    struct bench *b = ctx;
    b->answers++;
    CU_ASSERT_EQUAL(span_copy(line, b->answer, sizeof(b->answer)), 0);
}

static void up(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &b->sim), 0);
    CU_ASSERT_EQUAL_FATAL(ops_new(sim_loop(b->sim, "ops"), &b->ops), 0);
    CU_ASSERT_EQUAL_FATAL(ops_add(b->ops, commands, ARRAY_LEN(commands), b), 0);
}

static void down(struct bench *b)
{
    ops_free(b->ops);
    sim_free(b->sim);
}

static void lines_are_answered_as_the_table_says(void)
{
    static const char usage[] = "\"remedy\":\"usage: subscriber add --impi VALUE --impu VALUE ... "
                                "[--limit VALUE] [--sip] [--home-domain VALUE]\","
                                "\"wrong_use\":true}";
    static const struct {
        const char *line, *answer;
        bool with_usage;
    } rows[] = {
        {"{\"command\":\"subscriber\",\"words\":[\"add\"],\"arguments\":{\"impi\":\"a@b\",\"impu\":"
         "[\"sip:a\",\"tel:1\"],\"sip\":true}}",
         "{\"ok\":true,\"result\":{\"impi\":\"a@b\",\"impus\":2,\"limit\":7,\"sip\":true,"
         "\"second\":\"tel:1\"}}",
         false},
        {"{\"command\":\"subscriber "
         "add\",\"arguments\":{\"impi\":1,\"impu\":\"x\",\"limit\":\"3\"}}",
         "{\"ok\":true,\"result\":{\"impi\":\"1\",\"impus\":1,\"limit\":3,\"sip\":false,"
         "\"second\":\"-\"}}",
         false},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"impi\":\"a\"}}",
         "{\"ok\":false,\"error\":\"--impu is missing\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"impi\":[\"a\",\"b\"],\"impu\":\"x\"}}",
         "{\"ok\":false,\"error\":\"impi is given too often\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"imp\":\"a\"}}",
         "{\"ok\":false,\"error\":\"subscriber add has no argument 'imp'\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"impi\":true}}",
         "{\"ok\":false,\"error\":\"--impi needs a value\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"sip\":\"yes\"}}",
         "{\"ok\":false,\"error\":\"--sip has no value\",", true},
        {"{\"command\":\"subscriber add\",\"words\":[\"x\"],\"arguments\":{}}",
         "{\"ok\":false,\"error\":\"'x' is too much\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"impi\":\"a\",\"impu\":\"x\",\"limit\":"
         "\"11\"}}",
         "{\"ok\":false,\"error\":\"--limit must be a number of at most 10\",", true},
        {"{\"command\":\"subscriber add\",\"arguments\":[]}",
         "{\"ok\":false,\"error\":\"arguments must be an object, words an array\",", true},
        {"{\"command\":\"ladder\",\"words\":[\"x1\"]}",
         "{\"ok\":false,\"error\":\"no call 'x1'\",\"remedy\":\"take another\"}", false},
        {"{\"command\":\"ladder\"}",
         "{\"ok\":false,\"error\":\"no call ''\",\"remedy\":\"take another\"}", false},
        {"{\"command\":\"subscriber\",\"words\":[\"ad\"]}",
         "{\"ok\":false,\"error\":\"there is no command 'subscriber ad'\",\"remedy\":\"choose of: "
         "subscriber add, subscriber list\",\"wrong_use\":true}",
         false},
        {"{\"command\":7}",
         "{\"ok\":false,\"error\":\"there is no command ''\",\"remedy\":\"'commands' lists what "
         "can "
         "be asked\",\"wrong_use\":true}",
         false},
        {"{\"command\":\"subscriber add\",\"arguments\":{\"impi\":\"a\",\"impu\":\"x\","
         "\"home_domain\":\"b\"}}",
         "{\"ok\":true,\"result\":{\"impi\":\"a\",\"impus\":1,\"limit\":7,\"sip\":false,"
         "\"second\":\"-\"}}",
         false},
        {"nonsense",
         "{\"ok\":false,\"error\":\"this is not a JSON object in one line\",\"remedy\":\"send "
         "{\\\"command\\\": \\\"commands\\\"}\",\"wrong_use\":true}",
         false},
        {"",
         "{\"ok\":false,\"error\":\"this is not a JSON object in one line\",\"remedy\":\"send "
         "{\\\"command\\\": \\\"commands\\\"}\",\"wrong_use\":true}",
         false},
        {"{\"command\":\"nothing\"}",
         "{\"ok\":false,\"error\":\"the answer could not be made\",\"remedy\":\"try again; if it "
         "stays, look at the log\"}",
         false},
    };
    struct bench b;
    up(&b);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char want[1024];
        (void)snprintf(want, sizeof(want), "%s%s", rows[i].answer, rows[i].with_usage ? usage : "");
        ops_execute(b.ops, span_str(rows[i].line), take_answer, &b);
        CU_ASSERT_EQUAL(b.answers, i + 1);
        ASSERT_SPAN_EQ(span_str(b.answer), want);
    }
    down(&b);
}

static void assert_answer(const char *line, const char *want)
{
    struct bench b;
    up(&b);
    ops_execute(b.ops, span_str(line), take_answer, &b);
    ASSERT_SPAN_EQ(span_str(b.answer), want);
    down(&b);
}

static void half_a_command_is_told_what_follows(void)
{
    assert_answer("{\"command\":\"subscriber\"}",
                  "{\"ok\":false,\"error\":\"'subscriber' is half a command\",\"remedy\":"
                  "\"choose of: subscriber add, subscriber list\",\"wrong_use\":true}");
    assert_answer("{\"command\":\"sub\"}",
                  "{\"ok\":false,\"error\":\"there is no command 'sub'\",\"remedy\":"
                  "\"'commands' lists what can be asked\",\"wrong_use\":true}");
}

static void the_use_of_a_command_without_arguments_is_its_name(void)
{
    assert_answer("{\"command\":\"later\",\"words\":[\"x\"]}",
                  "{\"ok\":false,\"error\":\"'x' is too much\",\"remedy\":\"usage: later\","
                  "\"wrong_use\":true}");
}

static void as_many_rows_as_the_limit_say_so(void)
{
    assert_answer("{\"command\":\"subscriber list\"}",
                  "{\"ok\":true,\"result\":[0,1],\"limit\":2}");
    assert_answer("{\"command\":\"subscriber list\",\"arguments\":{\"limit\":3}}",
                  "{\"ok\":true,\"result\":[0,1,2],\"limit\":3}");
    assert_answer("{\"command\":\"subscriber list\",\"arguments\":{\"limit\":4}}",
                  "{\"ok\":true,\"result\":[0,1,2]}");
    assert_answer("{\"command\":\"subscriber list\",\"arguments\":{\"limit\":0}}",
                  "{\"ok\":true,\"result\":[]}");
}

static void commands_lists_all(void)
{
    struct bench b;
    up(&b);
    ops_execute(b.ops, SPAN("{\"command\":\"commands\"}"), take_answer, &b);
    json_t *answer = json_loads(b.answer, 0, NULL);
    const json_t *list = json_object_get(answer, "result");
    CU_ASSERT_EQUAL(json_array_size(list), ARRAY_LEN(commands) + 1);
    const json_t *ladder = json_array_get(list, 2);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(ladder, "command")), "ladder");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(ladder, "arguments")), "[call]");
    json_decref(answer);
    CU_ASSERT_EQUAL(ops_add(b.ops, commands, 1, &b), -EEXIST);
    down(&b);
}

static void an_answer_may_come_later(void)
{
    struct bench b;
    up(&b);
    ops_execute(b.ops, SPAN("{\"command\":\"later\"}"), take_answer, &b);
    CU_ASSERT_EQUAL(b.answers, 0);
    ops_ok(b.held, json_true());
    CU_ASSERT_EQUAL(b.answers, 1);
    ASSERT_SPAN_EQ(span_str(b.answer), "{\"ok\":true,\"result\":true}");
    down(&b);
}

static void an_answer_after_the_end_goes_nowhere(void)
{
    struct bench b;
    up(&b);
    ops_execute(b.ops, SPAN("{\"command\":\"later\"}"), take_answer, &b);
    down(&b);
    ops_ok(b.held, json_true());
    CU_ASSERT_EQUAL(b.answers, 0);
}

TEST_MAIN("common/ops/command",
          {"lines are answered as the table says", lines_are_answered_as_the_table_says},
          {"half a command is told what follows", half_a_command_is_told_what_follows},
          {"the use of a command without arguments is its name",
           the_use_of_a_command_without_arguments_is_its_name},
          {"as many rows as the limit say so", as_many_rows_as_the_limit_say_so},
          {"commands lists all", commands_lists_all},
          {"an answer may come later", an_answer_may_come_later},
          {"an answer after the end goes nowhere", an_answer_after_the_end_goes_nowhere})
