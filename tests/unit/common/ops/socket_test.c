/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ops/ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/suite.h"

enum { BIG = 300000 };

struct bench {
    struct loop *loop;
    struct ops *ops;
    struct ops_request *held;
    char dir[TEST_FOLDER_MAX], path[64];
    struct loop_timer limit;
};

static void run_echo(struct ops_request *rq, void *ctx)
{
    (void)ctx;
    ops_ok(rq, json_string(ops_arg(rq, "text").p));
}

static void run_big(struct ops_request *rq, void *ctx)
{
    char *text = malloc(BIG);
    (void)ctx;
    memset(text, 'b', BIG);
    ops_ok(rq, json_stringn(text, BIG));
    free(text);
}

static void run_later(struct ops_request *rq, void *ctx)
{
    struct bench *b = ctx;
    b->held = rq;
    loop_stop(b->loop);
}

static const struct ops_param echo_params[] = {{"text", "To be said", OPS_WORD | OPS_REQUIRED}};
static const struct ops_command commands[] = {{"echo", "Says it", echo_params, 1, run_echo},
                                              {"big", "Says much", NULL, 0, run_big},
                                              {"later", "Says it later", NULL, 0, run_later}};

static void on_limit(struct loop_timer *t, void *ctx)
{
    (void)t;
    CU_FAIL("nothing happened for ten seconds");
    loop_stop(((struct bench *)ctx)->loop);
}

static int listen_with(struct bench *b, size_t line, unsigned clients)
{
    return ops_listen(b->ops,
                      &(struct ops_socket_options){
                          .path = b->path, .line = line, .clients = clients, .answer = 1 << 20});
}

static void up(struct bench *b, size_t line, unsigned clients)
{
    memset(b, 0, sizeof(*b));
    test_folder(b->dir);
    (void)snprintf(b->path, sizeof(b->path), "%s/sub/x.sock", b->dir);
    CU_ASSERT_EQUAL_FATAL(loop_new(&b->loop), 0);
    CU_ASSERT_EQUAL_FATAL(ops_new(b->loop, &b->ops), 0);
    CU_ASSERT_EQUAL_FATAL(ops_add(b->ops, commands, ARRAY_LEN(commands), b), 0);
    CU_ASSERT_EQUAL_FATAL(listen_with(b, line, clients), 0);
    loop_timer_init(&b->limit, on_limit, b);
    loop_timer_start(b->loop, &b->limit, 10 * SEC);
}

static void down(struct bench *b)
{
    char sub[64];
    ops_free(b->ops);
    CU_ASSERT_EQUAL(access(b->path, F_OK), -1);
    loop_free(b->loop);
    (void)snprintf(sub, sizeof(sub), "%s/sub", b->dir);
    CU_ASSERT_EQUAL(rmdir(sub), 0);
    CU_ASSERT_EQUAL(rmdir(b->dir), 0);
}

static int connected(const struct bench *b)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", b->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    CU_ASSERT_EQUAL(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

struct hearing {
    struct bench *b;
    int fd;
    char *text;
    size_t n, cap;
    unsigned lines;
    bool ended;
};

static void on_heard(struct loop_fd *w, unsigned events, void *ctx)
{
    struct hearing *h = ctx;
    (void)w;
    (void)events;
    ssize_t n = recv(h->fd, h->text + h->n, h->cap - h->n, 0);
    if (n <= 0)
        h->ended = true;
    for (ssize_t i = 0; i < n; i++)
        h->lines -= h->lines && h->text[h->n + (size_t)i] == '\n';
    h->n += n > 0 ? (size_t)n : 0;
    if (h->ended || h->lines == 0)
        loop_stop(h->b->loop);
}

/* What the socket says until so many lines, or the end, have come. */
static struct hearing hear(struct bench *b, int fd, char *text, size_t cap, unsigned lines)
{
    struct hearing h = {.b = b, .fd = fd, .text = text, .cap = cap, .lines = lines};
    struct loop_fd *w = NULL;
    CU_ASSERT_EQUAL_FATAL(loop_fd_watch(b->loop, fd, LOOP_READ, on_heard, &h, &w), 0);
    loop_run(b->loop);
    loop_fd_unwatch(w);
    return h;
}

static void several_lines_are_answered_in_order(void)
{
    struct bench b;
    char text[1024];
    up(&b, 0, 0);
    int fd = connected(&b);
    say(fd, "{\"command\":\"echo\",\"words\":[\"1\"]}\n{\"command\":\"echo\",");
    struct hearing h = hear(&b, fd, text, sizeof(text), 1);
    ASSERT_SPAN_EQ(span_of(text, h.n), "{\"ok\":true,\"result\":\"1\"}\n");
    say(fd, "\"words\":[\"2\"]}\n{}\n");
    h = hear(&b, fd, text, sizeof(text), 2);
    ASSERT_SPAN_EQ(span_of(text, h.n),
                   "{\"ok\":true,\"result\":\"2\"}\n{\"ok\":false,\"error\":\"there is no "
                   "command ''\",\"remedy\":\"'commands' lists what can be asked\","
                   "\"wrong_use\":true}\n");
    (void)close(fd);
    down(&b);
}

static void only_owner_and_group_may_ask(void)
{
    struct bench b;
    struct stat st;
    up(&b, 0, 0);
    CU_ASSERT_EQUAL(stat(b.path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
    down(&b);
}

static void a_long_answer_is_sent_whole(void)
{
    struct bench b;
    char *text = malloc(BIG + 100);
    up(&b, 0, 0);
    int fd = connected(&b);
    say(fd, "{\"command\":\"big\"}\n");
    struct hearing h = hear(&b, fd, text, BIG + 100, 1);
    CU_ASSERT_EQUAL(h.n, BIG + strlen("{\"ok\":true,\"result\":\"\"}\n"));
    (void)close(fd);
    down(&b);
    free(text);
}

static void a_line_without_end_is_refused_and_the_client_cut_off(void)
{
    struct bench b;
    char text[1024], line[300];
    up(&b, 200, 0);
    int fd = connected(&b);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    say(fd, line);
    struct hearing h = hear(&b, fd, text, sizeof(text), 5);
    CU_ASSERT(h.ended);
    ASSERT_SPAN_EQ(span_of(text, h.n),
                   "{\"ok\":false,\"error\":\"the line is too long\",\"remedy\":"
                   "\"send one JSON object a line\",\"wrong_use\":true}\n");
    (void)close(fd);
    down(&b);
}

static void clients_above_the_bound_wait(void)
{
    struct bench b;
    char text[1024];
    up(&b, 0, 1);
    int first = connected(&b), second = connected(&b);
    say(second, "{\"command\":\"echo\",\"words\":[\"second\"]}\n");
    say(first, "{\"command\":\"echo\",\"words\":[\"first\"]}\n");
    struct hearing h = hear(&b, first, text, sizeof(text), 1);
    CU_ASSERT_EQUAL(h.n, strlen("{\"ok\":true,\"result\":\"first\"}\n"));
    CU_ASSERT_EQUAL(recv(second, text, sizeof(text), MSG_DONTWAIT), -1);
    (void)close(first);
    h = hear(&b, second, text, sizeof(text), 1);
    ASSERT_SPAN_EQ(span_of(text, h.n), "{\"ok\":true,\"result\":\"second\"}\n");
    (void)close(second);
    down(&b);
}

static void a_client_that_left_does_not_matter_to_a_late_answer(void)
{
    struct bench b;
    char text[1024];
    up(&b, 0, 0);
    int fd = connected(&b);
    say(fd, "{\"command\":\"later\"}\n");
    loop_run(b.loop);
    (void)close(fd);
    ops_ok(b.held, json_true());
    fd = connected(&b);
    say(fd, "{\"command\":\"later\"}\n{\"command\":\"echo\",\"words\":[\"x\"]}\n");
    loop_run(b.loop);
    CU_ASSERT_EQUAL(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
    ops_ok(b.held, json_true());
    struct hearing h = hear(&b, fd, text, sizeof(text), 2);
    ASSERT_SPAN_EQ(span_of(text, h.n),
                   "{\"ok\":true,\"result\":true}\n{\"ok\":true,\"result\":\"x\"}\n");
    (void)close(fd);
    down(&b);
}

static void the_file_of_a_dead_process_is_replaced_but_not_of_a_living(void)
{
    struct bench a;
    up(&a, 0, 0);
    struct ops *other = NULL;
    CU_ASSERT_EQUAL_FATAL(ops_new(a.loop, &other), 0);
    struct ops_socket_options o = {.path = a.path};
    CU_ASSERT_EQUAL(ops_listen(other, &o), -EADDRINUSE);
    ops_free(other);
    CU_ASSERT_EQUAL(access(a.path, F_OK), 0);
    down(&a);

    up(&a, 0, 0);
    char stale[80];
    (void)snprintf(stale, sizeof(stale), "%s.old", a.path);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", stale);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
    (void)close(fd); /* the file stays, nobody listens */
    CU_ASSERT_EQUAL_FATAL(ops_new(a.loop, &other), 0);
    o.path = stale;
    CU_ASSERT_EQUAL(ops_listen(other, &o), 0);
    ops_free(other);
    CU_ASSERT_EQUAL(access(stale, F_OK), -1);
    down(&a);
}

static void a_path_that_cannot_be_bound_is_an_error(void)
{
    struct bench a;
    struct ops *other = NULL;
    up(&a, 0, 0);
    CU_ASSERT_EQUAL_FATAL(ops_new(a.loop, &other), 0);
    struct ops_socket_options o = {.path = "/nonexistent/a/b.sock"};
    CU_ASSERT_EQUAL(ops_listen(other, &o), -ENOENT);
    char longest[200];
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    o.path = longest;
    CU_ASSERT_EQUAL(ops_listen(other, &o), -ENAMETOOLONG);
    ops_free(other);
    down(&a);
}

TEST_MAIN("common/ops/socket",
          {"several lines are answered in order", several_lines_are_answered_in_order},
          {"only owner and group may ask", only_owner_and_group_may_ask},
          {"a long answer is sent whole", a_long_answer_is_sent_whole},
          {"a line without end is refused and the client cut off",
           a_line_without_end_is_refused_and_the_client_cut_off},
          {"clients above the bound wait", clients_above_the_bound_wait},
          {"a client that left does not matter to a late answer",
           a_client_that_left_does_not_matter_to_a_late_answer},
          {"the file of a dead process is replaced, but not of a living one",
           the_file_of_a_dead_process_is_replaced_but_not_of_a_living},
          {"a path that cannot be bound is an error", a_path_that_cannot_be_bound_is_an_error})
