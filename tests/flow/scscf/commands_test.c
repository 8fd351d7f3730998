/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl is answered, in the words of the control socket. */
#include <stdio.h>
#include <stdlib.h>

#include "scscf/program/program.h"
#include "tests/flow/scscf/world.h"

static struct scscf_program p;
static struct scscf_config config = {.cdr_dir = "/cdr"};
static json_t *answer;

static void on_answer(void *ctx, struct span line)
{
    (void)ctx;
    json_decref(answer);
    answer = json_loadb(line.p, line.n, 0, NULL);
}

/* "subscriber show" with arguments as they stand in the JSON; true when it was answered with ok. */
static bool ask(const char *command, const char *arguments)
{
    char line[1024];
    const char *word = strchr(command, ' ');
    struct buf b = BUF_ON(line);

    buf_fmt(&b, "{\"command\": \"%.*s\", \"words\": [", (int)strcspn(command, " "), command);
    if (word)
        buf_fmt(&b, "\"%s\"", word + 1);
    buf_fmt(&b, "], \"arguments\": {%s}}", arguments);
    json_decref(answer);
    answer = NULL;
    ops_execute(p.ops, buf_span(&b), on_answer, NULL);
    world_run(200);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    return json_is_true(json_object_get(answer, "ok"));
}

static json_t *result(void)
{
    return json_object_get(answer, "result");
}

static const char *member(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "(none)";
}

static void open_commands(void)
{
    world_open(NULL);
    p = (struct scscf_program){.config = &config,
                               .loop = w.loop,
                               .subscribers = w.subscribers,
                               .spool = w.spool,
                               .disk = &w.disk.port,
                               .scscf = w.scscf};
    CU_ASSERT_EQUAL_FATAL(ops_new(w.loop, &p.ops), 0);
    CU_ASSERT_EQUAL_FATAL(loop_thread_new(w.loop, "cdr", 8, &p.reader), 0);
    CU_ASSERT_EQUAL_FATAL(scscf_commands_new(&p), 0);
}

static void close_commands(void)
{
    json_decref(answer);
    answer = NULL;
    loop_thread_free(p.reader);
    ops_free(p.ops);
    world_close();
}

#define DAVE "\"impi\": \"dave@ims.example\""

static void subscribers_are_added_shown_listed_and_deleted(void)
{
    open_commands();
    CU_ASSERT(ask("subscriber add", DAVE ", \"password\": \"pw\", "
                                         "\"impu\": [\"sip:dave@ims.example\", \"tel:+4930400\"]"));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(result(), "impu"), 1)),
                           "tel:+4930400");
    CU_ASSERT_FALSE(
        ask("subscriber add", DAVE ", \"impu\": [\"sip:dave@ims.example\"], \"password\": \"x\""));
    CU_ASSERT(ask("subscriber show", "\"identity\": \"tel:+4930400\""));
    CU_ASSERT_STRING_EQUAL(member(result(), "impi"), "dave@ims.example");
    CU_ASSERT_STRING_EQUAL(member(result(), "auth"), "digest");
    CU_ASSERT(ask("subscriber list", ""));
    CU_ASSERT_EQUAL(json_array_size(result()), 4);
    CU_ASSERT(ask("subscriber delete", "\"identity\": \"tel:+4930400\""));
    CU_ASSERT_STRING_EQUAL(member(result(), "deleted"), "dave@ims.example");
    CU_ASSERT_FALSE(ask("subscriber show", "\"identity\": \"dave@ims.example\""));
    CU_ASSERT_FALSE(ask("subscriber delete", "\"identity\": \"dave@ims.example\""));
    close_commands();
}

static void an_identity_of_another_network_is_refused(void)
{
    open_commands();
    CU_ASSERT_FALSE(ask("subscriber add", DAVE ", \"password\": \"pw\", "
                                               "\"impu\": [\"sip:dave@other.example\"]"));
    CU_ASSERT(json_is_true(json_object_get(answer, "wrong_use")));
    CU_ASSERT_PTR_NOT_NULL(strstr(member(answer, "error"), "other.example is not a home domain"));
    CU_ASSERT_FALSE(ask("subscriber show", "\"identity\": \"dave@ims.example\""));
    close_commands();
}

static void keys_are_never_shown(void)
{
    char *text;

    open_commands();
    CU_ASSERT(ask("subscriber show", "\"identity\": \"" ALICE_IMPI "\""));
    text = json_dumps(answer, 0);
    CU_ASSERT_PTR_NULL(strstr(text, "10111213"));
    CU_ASSERT_PTR_NULL(strstr(text, "a0a1a2a3"));
    free(text);
    close_commands();
}

static void a_bad_subscriber_is_explained(void)
{
    open_commands();
    CU_ASSERT_FALSE(ask("subscriber add", "\"impi\": \"x@ims.example\", \"k\": \"short\", "
                                          "\"impu\": [\"sip:x@ims.example\"]"));
    CU_ASSERT(strlen(member(answer, "error")) > 10);
    CU_ASSERT(strlen(member(answer, "remedy")) > 10);
    close_commands();
}

static void registrations_and_calls_are_listed(void)
{
    open_commands();
    world_registered();
    CU_ASSERT(ask("registrations", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(result()), 2);
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 0), "impi"), ALICE_IMPI);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(json_array_get(result(), 0), "impu")), 2);
    CU_ASSERT(ask("registrations", "\"after\": \"" ALICE_IMPI "\""));
    CU_ASSERT_EQUAL(json_array_size(result()), 1);
    world_invite(BOB, "c1", "");
    CU_ASSERT(ask("calls", ""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(result()), 2);
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 0), "half"), "originating");
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 0), "state"), "calling");
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 1), "half"), "terminating");
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 1), "icid"), "icid-c1");
    close_commands();
}

static void a_deleted_subscriber_is_not_registered_any_more(void)
{
    open_commands();
    world_registered();
    CU_ASSERT(ask("subscriber delete", "\"identity\": \"" BOB_IMPI "\""));
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(w.scscf)), 1);
    close_commands();
}

static void records_are_listed_and_exported(void)
{
    const char *text;

    open_commands();
    world_registered();
    for (int i = 0; i < 3; i++) {
        char id[8];

        snprintf(id, sizeof(id), "c%d", i);
        world_invite(BOB, id, "");
        text = peer_take(&w.pb, "INVITE", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        peer_answer(&w.pb, &w.s, text, "486 Busy Here", "b", "", NULL);
        world_run(100);
    }
    CU_ASSERT(ask("cdr list", "\"limit\": \"2\""));
    CU_ASSERT_EQUAL_FATAL(json_array_size(result()), 2);
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 1), "icid"), "icid-c2");
    CU_ASSERT_STRING_EQUAL(member(json_array_get(result(), 1), "reason"), "Busy Here");
    CU_ASSERT(ask("cdr export", "\"format\": \"json\""));
    text = json_string_value(result());
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "icid-c0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "icid-c2"));
    CU_ASSERT(ask("cdr export", "\"icid\": \"icid-c1\""));
    text = json_string_value(result());
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NULL(strstr(text, "icid-c0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\r\n"));
    CU_ASSERT_FALSE(ask("cdr export", "\"format\": \"xml\""));
    close_commands();
}

TEST_MAIN("flow/scscf/commands",
          {"subscribers are added, shown, listed and deleted",
           subscribers_are_added_shown_listed_and_deleted},
          {"an identity of another network is refused", an_identity_of_another_network_is_refused},
          {"keys are never shown", keys_are_never_shown},
          {"a bad subscriber is explained", a_bad_subscriber_is_explained},
          {"registrations and calls are listed", registrations_and_calls_are_listed},
          {"a deleted subscriber is not registered any more",
           a_deleted_subscriber_is_not_registered_any_more},
          {"records are listed and exported", records_are_listed_and_exported}, )
