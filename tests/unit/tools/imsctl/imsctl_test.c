/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/imsctl/imsctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/suite.h"

static void assert_shown(const char *json, bool terminal, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    FILE *out = open_memstream(&text, &n);
    imsctl_show(out, value, terminal);
    (void)fclose(out);
    ASSERT_SPAN_EQ(span_of(text, n), want);
    free(text);
    json_decref(value);
}

static void arrays_of_objects_are_tables(void)
{
    assert_shown("[{\"impi\":\"a@b\",\"count\":7,\"up\":true},"
                 "{\"impi\":\"alice@b\",\"count\":1234567,\"more\":[\"x\",1,null]},"
                 "{\"impi\":\"c\",\"up\":false,\"more\":[{\"k\":1,\"l\":\"m\"},{\"k\":2}]}]",
                 false,
                 "impi       count  up   more\n"
                 "a@b            7  yes  -\n"
                 "alice@b  1234567  -    x,1,-\n"
                 "c              -  no   k=1 l=m; k=2\n");
    assert_shown("[]", false, "none\n");
}

static void objects_are_keys_and_values(void)
{
    assert_shown("{\"program\":\"pcscf\",\"up\":12,\"peers\":[{\"name\":\"pdp\",\"open\":true}]}",
                 false,
                 "program  pcscf\n"
                 "up       12\n"
                 "peers:\n"
                 "  name  open\n"
                 "  pdp   yes\n");
}

static void nothing_of_others_controls_the_terminal(void)
{
    assert_shown("[{\"a\":\"x\\u001b[2Jy\\u00e4\"}]", true, "a\nx?[2Jy??\n");
    assert_shown("{\"a\\u001b\":\"\\n\"}", true, "a?  ?\n");
    assert_shown("\"line\\n\\u001bm\\u0000\"", true, "line\n?m?\n");
    assert_shown("\"line\\n\"", false, "line\n");
}

static void a_ladder_has_a_column_a_party(void)
{
    assert_shown(
        "{\"call\":\"c1\",\"names\":[\"icid\"],\"parties\":[\"phone\",\"pcscf\",\"scscf\"],"
        "\"left_out\":2,\"events\":["
        "{\"time\":1000000000123456,\"from\":0,\"to\":1,\"transport\":\"udp\",\"guarded\":true,"
        "\"text\":\"INVITE sip:bob@example.net SIP/2.0\"},"
        "{\"time\":1000000000124000,\"from\":1,\"to\":2,\"transport\":\"udp\",\"guarded\":false,"
        "\"text\":\"INVITE sip:bob@example.net;with=a-very-long-parameter SIP/2.0\"},"
        "{\"time\":1000000000125000,\"from\":2,\"to\":0,\"transport\":\"tcp\",\"guarded\":false,"
        "\"text\":\"SIP/2.0 200 OK\"},"
        "{\"time\":1000000000126000,\"from\":1,\"to\":1,\"transport\":\"\",\"guarded\":false,"
        "\"text\":\"gate up\"},"
        "{\"time\":1000000000127000,\"from\":7,\"to\":1,\"transport\":\"\",\"guarded\":false,"
        "\"text\":\"no such party\"}]}",
        true,
        "call  c1\n"
        "      icid\n"
        "      times are UTC; === is inside a security association\n"
        "\n"
        "                           phone                          pcscf                          "
        "scscf\n"
        "01:46:40.123                 |==INVITE sip:bob@example.net=>|                             "
        " "
        "|                udp, guarded\n"
        "01:46:40.124                 |                              |--INVITE "
        "sip:bob@example.n..->"
        "|                udp\n"
        "01:46:40.125                 |<--------------------------200 "
        "OK----------------------------"
        "|                tcp\n"
        "01:46:40.126                 |                              * gate up                     "
        " "
        "|\n"
        "      2 messages were left out\n");
}

static void what_the_pdp_saw_stands_in_the_ladder_by_time(void)
{
    json_t *ladder = json_loads("{\"parties\":[\"phone 10.0.0.1\",\"pcscf\",\"edge\",\"pdp\"],"
                                "\"events\":[{\"time\":10,\"from\":1,\"to\":2,\"text\":\"a\"},"
                                "{\"time\":20,\"from\":2,\"to\":1,\"text\":\"d\"}]}",
                                0, NULL);
    json_t *pdp = json_loads(
        "{\"parties\":[\"pcscf.example\",\"pdp\",\"edge.example\",\"new.example\"],\"events\":["
        "{\"time\":5,\"from\":0,\"to\":1,\"transport\":\"rx\",\"text\":\"AAR\"},"
        "{\"time\":10,\"from\":2,\"to\":1,\"transport\":\"qos\",\"text\":\"b\"},"
        "{\"time\":10,\"from\":1,\"to\":3,\"transport\":\"qos\",\"text\":\"c\"}]}",
        0, NULL);
    imsctl_ladder_add(ladder, pdp, "qos");
    char *text = json_dumps(ladder, JSON_COMPACT | JSON_SORT_KEYS);
    CU_ASSERT_STRING_EQUAL(text,
                           "{\"events\":[{\"from\":1,\"text\":\"a\",\"time\":10,\"to\":2},"
                           "{\"from\":2,\"text\":\"b\",\"time\":10,\"to\":3,\"transport\":\"qos\"},"
                           "{\"from\":3,\"text\":\"c\",\"time\":10,\"to\":4,\"transport\":\"qos\"},"
                           "{\"from\":2,\"text\":\"d\",\"time\":20,\"to\":1}],"
                           "\"parties\":[\"phone 10.0.0.1\",\"pcscf\",\"edge\",\"pdp\",\"new\"]}");
    free(text);
    json_decref(ladder);
    json_decref(pdp);
}

static void a_long_name_of_a_party_has_two_lines(void)
{
    assert_shown("{\"parties\":[\"phone 10.46.1.101\",\"pcscf\",\"a\",\"b\",\"c\",\"phone "
                 "10.46.1.102\"],\"events\":[]}",
                 false,
                 "call  \n      times are UTC; === is inside a security association\n\n"
                 "                     phone             pcscf               a                 b   "
                 "              c               phone\n"
                 "                  10.46.1.101                                                    "
                 "                           10.46.1.102\n");
}

static void own_options_stand_anywhere(void)
{
    static char a0[] = "imsctl", a1[] = "--socket", a2[] = "/x", a3[] = "ladder", a4[] = "--json",
                a5[] = "c1", a6[] = "--nonsense";
    struct imsctl_options o;
    const char *wrong = NULL;
    char *good[] = {a0, a1, a2, a3, a4, a5, NULL};
    CU_ASSERT_EQUAL_FATAL(imsctl_options_parse(6, good, &o, &wrong), 0);
    CU_ASSERT_STRING_EQUAL(o.socket, "/x");
    CU_ASSERT(o.json);
    CU_ASSERT_EQUAL(o.n_rest, 2);
    CU_ASSERT_STRING_EQUAL(o.rest[1], "c1");
    free(o.words);
    char *bad[] = {a0, a6, a3, NULL};
    CU_ASSERT_EQUAL(imsctl_options_parse(3, bad, &o, &wrong), -EINVAL);
    CU_ASSERT_STRING_EQUAL(wrong, "--nonsense");
    char *open[] = {a0, a3, a1, NULL};
    CU_ASSERT_EQUAL(imsctl_options_parse(3, open, &o, &wrong), -EINVAL);
}

static void assert_request(const char *commands, const char *const *words, int n, const char *want)
{
    json_t *known = commands ? json_loads(commands, 0, NULL) : NULL;
    const char *wrong = "?";
    json_t *request = imsctl_request((char *const *)words, n, known, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
    char *text = json_dumps(request, JSON_COMPACT);
    CU_ASSERT_STRING_EQUAL(text, want);
    free(text);
    json_decref(request);
    json_decref(known);
}

static void words_and_options_become_a_request(void)
{
    static const char *const add[] = {"subscriber", "add",    "--impi", "a@b",        "--impu",
                                      "sip:a",      "--impu", "b",      "--impu=c=d", "--x"};
    assert_request(
        NULL, add, ARRAY_LEN(add),
        "{\"command\":\"subscriber\",\"words\":[\"add\"],\"arguments\":{\"impi\":\"a@b\","
        "\"impu\":[\"sip:a\",\"b\",\"c=d\"],\"x\":true}}");
    static const char *const ladder[] = {"ladder", "--messages", "c1"};
    assert_request("[{\"command\":\"ladder\",\"switches\":[\"messages\"]}]", ladder, 3,
                   "{\"command\":\"ladder\",\"words\":[\"c1\"],\"arguments\":{\"messages\":true}}");
    static const char *const sub[] = {"a", "b", "--s", "c"};
    assert_request("[{\"command\":\"a\"},{\"command\":\"a b\",\"switches\":[\"s\"]}]", sub, 4,
                   "{\"command\":\"a\",\"words\":[\"b\",\"c\"],\"arguments\":{\"s\":true}}");
}

static void a_value_may_come_from_a_file(void)
{
    char dir[TEST_FOLDER_MAX], path[48], option[64];
    test_folder(dir);
    (void)snprintf(path, sizeof(path), "%s/key", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL_FATAL(write(fd, "00ff\n", 5), 5);
    (void)close(fd);
    (void)snprintf(option, sizeof(option), "@%s", path);
    const char *words[] = {"a", "--k", option};
    assert_request(NULL, words, 3,
                   "{\"command\":\"a\",\"words\":[],\"arguments\":{\"k\":\"00ff\"}}");
    (void)unlink(path);
    const char *wrong = NULL;
    errno = 0;
    CU_ASSERT_PTR_NULL(imsctl_request((char *const *)words, 3, NULL, &wrong));
    CU_ASSERT_PTR_EQUAL(wrong, words[2]);
    CU_ASSERT_EQUAL(errno, ENOENT);
}

static void commands_are_shown_as_they_are_typed(void)
{
    assert_shown("[{\"command\":\"a b\",\"arguments\":\"--x VALUE\",\"help\":\"does it\"},"
                 "{\"command\":\"c\",\"arguments\":\"\",\"help\":\"h\"},"
                 "{\"command\":\"d\",\"arguments\":\"--y VALUE\",\"help\":\"i\","
                 "\"parameters\":{\"y\":\"what it is\"}}]",
                 false,
                 "a b --x VALUE\n    does it\nc\n    h\nd --y VALUE\n    i\n"
                 "      y             what it is\n");
}

static void each_command_knows_its_program(void)
{
    CU_ASSERT_STRING_EQUAL(imsctl_role_of("subscriber"), "scscf");
    CU_ASSERT_STRING_EQUAL(imsctl_role_of("gates"), "edge");
    CU_ASSERT_PTR_NULL(imsctl_role_of("status"));
}

static void four_roles_there_are(void)
{
    CU_ASSERT(imsctl_is_role("pcscf"));
    CU_ASSERT(imsctl_is_role("scscf"));
    CU_ASSERT(imsctl_is_role("pdp"));
    CU_ASSERT(imsctl_is_role("edge"));
    CU_ASSERT_FALSE(imsctl_is_role("foo"));
    CU_ASSERT_FALSE(imsctl_is_role(""));
}

static void assert_row(const json_t *commands, const char *first, const char *second,
                       const char *want)
{
    char a[32], b[32], *words[] = {a, b};
    (void)snprintf(a, sizeof(a), "%s", first);
    (void)snprintf(b, sizeof(b), "%s", second ? second : "");
    const json_t *row = imsctl_row_of(commands, words, second ? 2 : 1);
    const char *name = json_string_value(json_object_get(row, "command"));
    CU_ASSERT_STRING_EQUAL(name ? name : "none", want);
}

static void what_a_program_has_is_known_by_its_commands(void)
{
    json_t *commands =
        json_loads("[{\"command\":\"status\"},{\"command\":\"log level\"}]", 0, NULL);
    assert_row(commands, "status", NULL, "status");
    assert_row(commands, "log", "level", "log level");
    assert_row(commands, "status", "x", "status");
    assert_row(commands, "log", NULL, "none");
    assert_row(commands, "log", "info", "none");
    assert_row(commands, "peers", NULL, "none");
    assert_row(NULL, "status", NULL, "none");
    json_decref(commands);
}

static void assert_limit(const char *answer, const char *row, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    json_t *value = json_loads(answer, 0, NULL), *about = json_loads(row, 0, NULL);
    FILE *out = open_memstream(&text, &n);
    imsctl_show_limit(out, value, about);
    (void)fclose(out);
    ASSERT_SPAN_EQ(span_of(text, n), want);
    free(text);
    json_decref(value);
    json_decref(about);
}

static void that_there_may_be_more_rows_is_said(void)
{
    assert_limit("{\"result\":[1,2],\"limit\":2}", "{\"parameters\":{\"limit\":\"\"}}",
                 "2 rows; --limit shows more\n");
    assert_limit("{\"result\":[1,2],\"limit\":2}",
                 "{\"parameters\":{\"after\":\"\",\"limit\":\"\"}}",
                 "2 rows; --after goes on behind the last\n");
    assert_limit("{\"result\":[1,2]}", "{\"parameters\":{\"limit\":\"\"}}", "");
}

TEST_MAIN("tools/imsctl", {"arrays of objects are tables", arrays_of_objects_are_tables},
          {"objects are keys and values", objects_are_keys_and_values},
          {"nothing of others controls the terminal", nothing_of_others_controls_the_terminal},
          {"a ladder has a column a party", a_ladder_has_a_column_a_party},
          {"what the PDP saw stands in the ladder by time",
           what_the_pdp_saw_stands_in_the_ladder_by_time},
          {"a long name of a party has two lines", a_long_name_of_a_party_has_two_lines},
          {"own options stand anywhere", own_options_stand_anywhere},
          {"words and options become a request", words_and_options_become_a_request},
          {"a value may come from a file", a_value_may_come_from_a_file},
          {"commands are shown as they are typed", commands_are_shown_as_they_are_typed},
          {"each command knows its program", each_command_knows_its_program},
          {"four roles there are", four_roles_there_are},
          {"what a program has is known by its commands",
           what_a_program_has_is_known_by_its_commands},
          {"that there may be more rows is said", that_there_may_be_more_rows_is_said})
