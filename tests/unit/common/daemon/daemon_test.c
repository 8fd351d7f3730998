/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* struct ucred */
#include "common/daemon/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

/* ---- a role whose behaviour its configuration says ---- */

struct options {
    const char *word;
    bool check_fails, optional_fails, start_fails, breaks;
};

#define AT(field) offsetof(struct options, field)
static const struct conf_option options[] = {
    {"word", CONF_STRING, AT(word), "none", "A word."},
    {"check_fails", CONF_BOOL, AT(check_fails), "false", "..."},
    {"optional_fails", CONF_BOOL, AT(optional_fails), "false", "..."},
    {"start_fails", CONF_BOOL, AT(start_fails), "false", "..."},
    {"breaks", CONF_BOOL, AT(breaks), "false", "..."},
};

static int check_must(const void *config, struct daemon_finding *f)
{
    if (!((const struct options *)config)->check_fails)
        return 0;
    daemon_find(f, "buy one", "there is no %s", "kernel");
    return -ENODEV;
}

static int check_may(const void *config, struct daemon_finding *f)
{
    if (!((const struct options *)config)->optional_fails)
        return 0;
    daemon_find(f, "rent one", "there is no luxury");
    return -ENODEV;
}

static const struct daemon_check checks[] = {{"kernel", true, check_must},
                                             {"luxury", false, check_may}};

static int fork_children(const void *config, void **ret_early, struct daemon_finding *f)
{
    (void)config;
    (void)f;
    *ret_early = strdup("early");
    return *ret_early ? 0 : -ENOMEM;
}

static const struct options *begun_with, *in_use; /* a role keeps what it was given */

static int start(struct daemon *d, void *early, void **ret_role, struct daemon_finding *f)
{
    const struct options *o = daemon_config(d);
    if (o->start_fails || strcmp(early, "early") != 0) {
        daemon_find(f, "start another", "it does not start");
        return -EIO;
    }
    begun_with = in_use = o;
    *ret_role = strdup(o->word);
    if (o->breaks) {
        struct daemon_finding broken = {"it broke", "mend it"};
        daemon_fail(d, &broken);
    }
    return 0;
}

static void drain(struct daemon *d, void *role)
{
    OBS_LOG(daemon_log(d), OBS_INFO, "drains", OBS_TEXT("word", role));
}

static unsigned looks;

static bool is_idle(const void *role)
{
    return strcmp(role, "idle late") == 0 ? ++looks == 3 : strcmp(role, "never idle") != 0;
}

static void stop(struct daemon *d, void *role)
{
    OBS_LOG(daemon_log(d), OBS_INFO, "stops", OBS_UINT("looks", looks));
    free(role);
}

static void status(struct daemon *d, void *role, json_t *answer)
{
    (void)role;
    (void)json_object_set_new(answer, "word",
                              json_string(((const struct options *)daemon_config(d))->word));
}

static void reload(struct daemon *d, void *role, const void *config)
{
    (void)role;
    OBS_LOG(daemon_log(d), OBS_WARN, "reloaded", OBS_TEXT("first", begun_with->word),
            OBS_TEXT("last", in_use->word),
            OBS_TEXT("word", ((const struct options *)config)->word));
    in_use = config;
}

static const struct daemon_role role = {
    .name = "testd",
    .summary = "a program for tests",
    .options = {options, ARRAY_LEN(options), sizeof(struct options)},
    .checks = checks,
    .n_checks = ARRAY_LEN(checks),
    .fork_children = fork_children,
    .start = start,
    .drain = drain,
    .is_idle = is_idle,
    .stop = stop,
    .stop_early = free,
    .reload = reload,
    .status = status,
};

/* ---- running it in a child ---- */

static char name_arg[] = "testd", config_arg[] = "--config", socket_arg[] = "--socket";

struct run {
    char dir[TEST_FOLDER_MAX], config[64], socket[64];
    pid_t pid;
    int out;
    char text[65536];
    size_t n;
};

static void configure(struct run *r, const char *yaml)
{
    FILE *f = fopen(r->config, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fputs(yaml, f);
    (void)fclose(f);
}

static void launch_role(struct run *r, const struct daemon_role *what, const char *yaml,
                        const char *argument)
{
    memset(r, 0, sizeof(*r));
    test_folder(r->dir);
    (void)snprintf(r->config, sizeof(r->config), "%s/testd.yaml", r->dir);
    (void)snprintf(r->socket, sizeof(r->socket), "%s/testd.sock", r->dir);
    configure(r, yaml);
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void)fflush(stdout);
    r->pid = fork();
    if (r->pid == 0) {
        char *argv[] = {name_arg,  config_arg,       r->config, socket_arg,
                        r->socket, (char *)argument, NULL};
        (void)dup2(ends[1], STDERR_FILENO);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        int rc = daemon_main(what, argument ? 6 : 5, argv);
        (void)fflush(stdout);
        _exit(rc);
    }
    (void)close(ends[1]);
    r->out = ends[0];
}

static void launch(struct run *r, const char *yaml, const char *argument)
{
    launch_role(r, &role, yaml, argument);
}

/* Reads what it says until `word` stands there; false at its end. */
static bool heard(struct run *r, const char *word)
{
    while (!strstr(r->text, word)) {
        struct pollfd p = {.fd = r->out, .events = POLLIN};
        ssize_t n =
            poll(&p, 1, 20000) == 1 ? read(r->out, r->text + r->n, sizeof(r->text) - 1 - r->n) : 0;
        if (n <= 0)
            return false;
        r->n += (size_t)n;
        r->text[r->n] = '\0';
    }
    return true;
}

static int ended(struct run *r)
{
    int state = 0;
    (void)heard(r, "\x01never\x01");
    CU_ASSERT_EQUAL(waitpid(r->pid, &state, 0), r->pid);
    (void)close(r->out);
    CU_ASSERT_EQUAL(access(r->socket, F_OK), -1);
    (void)unlink(r->config);
    CU_ASSERT_EQUAL(rmdir(r->dir), 0);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

#define ASSERT_HEARD(r, word)                                                                      \
    do {                                                                                           \
        bool heard_ = heard(r, word);                                                              \
        CU_ASSERT(heard_);                                                                         \
        if (!heard_)                                                                               \
            printf("\nnot heard: %s\nbut: %s\n", word, (r)->text);                                 \
    } while (0)

static json_t *asked(const struct run *r, const char *line)
{
    static char text[65536];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", r->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t n = 0;
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
    (void)dprintf(fd, "%s\n", line);
    for (ssize_t got; (n == 0 || text[n - 1] != '\n') &&
                      (got = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0;)
        n += (size_t)got;
    (void)close(fd);
    text[n] = '\0';
    return json_loads(text, 0, NULL);
}

static void it_starts_answers_and_ends(void)
{
    struct run r;
    launch(&r, "word: hello\noptional_fails: true\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    ASSERT_HEARD(&r, "\"event\":\"selftest.missing\",\"check\":\"luxury\"");
    json_t *answer = asked(&r, "{\"command\":\"status\"}");
    const json_t *result = json_object_get(answer, "result");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(result, "program")), "testd");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(result, "state")), "running");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(result, "word")), "hello");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(result, "pid")), r.pid);
    json_decref(answer);
    answer = asked(&r, "{\"command\":\"selftest\"}");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(answer, "result")), 2);
    json_decref(answer);
    answer = asked(&r, "{\"command\":\"ladder\"}");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answer, "error")),
                           "no call is recorded");
    json_decref(answer);
    answer = asked(&r, "{\"command\":\"log\",\"words\":[\"level\",\"debug\"]}");
    CU_ASSERT(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    answer = asked(&r, "{\"command\":\"metrics\"}");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(json_string_value(json_object_get(answer, "result")), "portcullis_uptime_seconds"));
    json_decref(answer);
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
    ASSERT_HEARD(&r, "\"event\":\"drain.begin\",\"signal\":\"SIGTERM\"");
    ASSERT_HEARD(&r, "\"event\":\"ended\"");
}

static void a_role_that_records_nothing_does_not_offer_it(void)
{
    struct daemon_role silent = role;
    struct run r;

    silent.records_nothing = true;
    launch_role(&r, &silent, "", "--sample");
    CU_ASSERT_EQUAL(ended(&r), 0);
    ASSERT_HEARD(&r, "drain_time"); /* the others are there */
    CU_ASSERT_PTR_NULL(strstr(r.text, "recorder"));
    launch_role(&r, &silent, "recorder.calls: 5\n", NULL);
    CU_ASSERT_EQUAL(ended(&r), 1);
    ASSERT_HEARD(&r, "testd.yaml:1:1: there is no option recorder.calls");
    launch_role(&r, &silent, "", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    json_t *answer = asked(&r, "{\"command\":\"ladder\"}");
    CU_ASSERT(json_is_false(json_object_get(answer, "ok")));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answer, "error")),
                           "there is no command 'ladder'");
    json_decref(answer);
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
}

static void it_ends_once_what_runs_is_finished(void)
{
    struct run r;
    launch(&r, "word: idle late\ndaemon.drain_time: 10 s\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
    ASSERT_HEARD(&r, "\"event\":\"drains\",\"word\":\"idle late\"");
    CU_ASSERT_PTR_NULL(strstr(r.text, "drain.limit"));
    ASSERT_HEARD(&r, "\"event\":\"stops\",\"looks\":3");
}

static void a_second_signal_cuts_the_drain_short(void)
{
    struct run r;
    launch(&r, "word: never idle\ndaemon.drain_time: 1 h\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    (void)kill(r.pid, SIGINT);
    ASSERT_HEARD(&r, "\"event\":\"drain.begin\"");
    json_t *answer = asked(&r, "{\"command\":\"status\"}");
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_object_get(json_object_get(answer, "result"), "state")), "draining");
    json_decref(answer);
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
    ASSERT_HEARD(&r, "drain.cut_short");
}

static void the_drain_has_a_limit(void)
{
    struct run r;
    launch(&r, "word: never idle\ndaemon.drain_time: 1 ms\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
    ASSERT_HEARD(&r, "drain.limit");
}

static void a_bad_file_at_hangup_changes_nothing(void)
{
    struct run r;
    launch(&r, "word: one\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    configure(&r, "wort: two\n");
    (void)kill(r.pid, SIGHUP);
    ASSERT_HEARD(&r, "\"event\":\"reload.refused\"");
    ASSERT_HEARD(&r, "did you mean word?");
    json_t *answer = asked(&r, "{\"command\":\"status\"}");
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_object_get(json_object_get(answer, "result"), "word")), "one");
    json_decref(answer);
    configure(&r, "word: two\n");
    (void)kill(r.pid, SIGHUP);
    ASSERT_HEARD(&r, "\"event\":\"reload.done\"");
    ASSERT_HEARD(&r, "\"event\":\"reloaded\",\"first\":\"one\",\"last\":\"one\",\"word\":\"two\"");
    answer = asked(&r, "{\"command\":\"status\"}");
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_object_get(json_object_get(answer, "result"), "word")), "two");
    json_decref(answer);
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
}

/* Log files are rotated once a day, for years. */
static void it_reads_its_file_at_each_hangup_for_ever(void)
{
    enum { HANGUPS = 200 };
    struct run r;
    launch(&r, "word: w0\nlog.rate: 0\n", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    for (unsigned i = 1; i <= HANGUPS; i++) {
        char yaml[64], said[128];
        (void)snprintf(yaml, sizeof(yaml), "word: w%u\nlog.rate: 0\n", i);
        (void)snprintf(said, sizeof(said), "\"first\":\"w0\",\"last\":\"w%u\",\"word\":\"w%u\"",
                       i - 1, i);
        configure(&r, yaml);
        (void)kill(r.pid, SIGHUP);
        bool taken_over = heard(&r, said);
        CU_ASSERT_FATAL(taken_over);
        r.n = 0;
        r.text[0] = '\0';
    }
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
}

/* What the units in conf/systemd wait for (sd_notify(3)); NotifyAccess=main: from this very process. */
static void it_tells_the_service_manager_how_it_is(void)
{
    static const char *const expected[] = {"WATCHDOG=1", "READY=1", "STOPPING=1"};
    const struct timeval within = {.tv_sec = 20};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct run r;
    char dir[TEST_FOLDER_MAX], said[64];
    test_folder(dir);
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/notify", dir);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)), 0);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)), 0);
    (void)setenv("NOTIFY_SOCKET", name.sun_path, 1);
    launch(&r, "word: hello\n", NULL);
    (void)unsetenv("NOTIFY_SOCKET");
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        union {
            struct cmsghdr head;
            char room[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec part = {said, sizeof(said) - 1};
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
        struct ucred who = {0};
        ssize_t n = recvmsg(fd, &m, 0);
        CU_ASSERT_FATAL(n > 0);
        said[n] = '\0';
        if (i == 2 && strcmp(said, expected[0]) == 0) {
            i--; /* a second has passed */
            continue;
        }
        CU_ASSERT_STRING_EQUAL(said, expected[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(CMSG_FIRSTHDR(&m));
        memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(who));
        CU_ASSERT_EQUAL(who.pid, r.pid);
        if (i == 1)
            (void)kill(r.pid, SIGTERM);
    }
    CU_ASSERT_EQUAL(ended(&r), 0);
    (void)close(fd);
    (void)unlink(name.sun_path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void each_fault_at_the_start_has_a_message_and_a_status(void)
{
    static const struct {
        const char *yaml, *argument;
        int status;
        const char *said;
    } rows[] = {
        {"check_fails: true\n", NULL, 1,
         "testd: self-test: kernel: FAILED: there is no kernel\n    buy one\n"},
        {"start_fails: true\n", NULL, 1, "testd: it does not start\n    start another\n"},
        {"wort: x\n", NULL, 1, "testd.yaml:1:1: there is no option wort\n    did you mean word?\n"},
        {"log.file: /nonexistent/log\n", NULL, 1,
         "testd.yaml:1:1): the log /nonexistent/log cannot be opened: No such file or directory\n"
         "    make its directory"},
        {"ops.metrics: 192.0.2.1:9\n", NULL, 1,
         "testd.yaml:1:1): the metrics at TCP 192.0.2.1:9 cannot be offered: Cannot assign "
         "requested address\n    give an address of this machine and a free port\n"},
        {"", "--nonsense", 2, "testd: --nonsense is not an argument; --help lists the arguments\n"},
        {"", "--config", 2, "testd: --config needs a value"},
        {"breaks: true\n", NULL, 1, "\"event\":\"failed\",\"text\":\"it broke\""},
        {"", "--check", 0, "testd: the configuration is good\n"},
        {"word: [x]\n", "--check", 1, "testd.yaml:1:7: word: this is a list, not text"},
        {"", "--self-test", 0, "testd: self-test: kernel: ok\n"},
        {"optional_fails: true\n", "--self-test", 0, "luxury: missing: there is no luxury\n"},
        {"", "--version", 0, "testd (Portcullis) "},
        {"", "--help", 0, "--dump-options"},
        {"", "--dump-options", 0, "word\ttext\tdefault none\tA word.\n"},
        {"", "--sample", 0, "# Control socket for imsctl."},
        {"", "--man", 0, ".SH OPTIONS OF THE CONFIGURATION FILE"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct run r;
        launch(&r, rows[i].yaml, rows[i].argument);
        CU_ASSERT_EQUAL(ended(&r), rows[i].status);
        ASSERT_HEARD(&r, rows[i].said);
    }
}

static void a_second_one_does_not_start_beside_the_first(void)
{
    struct run r, other;
    launch(&r, "", NULL);
    ASSERT_HEARD(&r, "\"event\":\"ready\"");
    launch(&other, "", NULL); /* its own directory: no conflict */
    ASSERT_HEARD(&other, "\"event\":\"ready\"");
    (void)kill(other.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&other), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {name_arg, config_arg, r.config, socket_arg, r.socket, NULL};
        (void)fclose(stderr);
        (void)alarm(20); /* should it start after all */
        _exit(daemon_main(&role, 5, argv));
    }
    int state = 0;
    (void)waitpid(pid, &state, 0);
    CU_ASSERT(WIFEXITED(state) && WEXITSTATUS(state) == 1);
    json_t *answer = asked(&r, "{\"command\":\"status\"}"); /* the first is unharmed */
    CU_ASSERT_PTR_NOT_NULL(answer);
    json_decref(answer);
    (void)kill(r.pid, SIGTERM);
    CU_ASSERT_EQUAL(ended(&r), 0);
}

TEST_MAIN("common/daemon/daemon", {"it starts, answers and ends", it_starts_answers_and_ends},
          {"a role that records nothing does not offer it",
           a_role_that_records_nothing_does_not_offer_it},
          {"it ends once what runs is finished", it_ends_once_what_runs_is_finished},
          {"a second signal cuts the drain short", a_second_signal_cuts_the_drain_short},
          {"the drain has a limit", the_drain_has_a_limit},
          {"a bad file at hangup changes nothing", a_bad_file_at_hangup_changes_nothing},
          {"it tells the service manager how it is", it_tells_the_service_manager_how_it_is},
          {"it reads its file at each hangup for ever", it_reads_its_file_at_each_hangup_for_ever},
          {"each fault at the start has a message and a status",
           each_fault_at_the_start_has_a_message_and_a_status},
          {"a second one does not start beside the first",
           a_second_one_does_not_start_beside_the_first})
