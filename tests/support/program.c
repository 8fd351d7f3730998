/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* nftw */
#include "tests/support/program.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_LIMIT = 20000, STOP_LIMIT = 20000, SAY_LIMIT = 3000, TEXT = 1 << 20 };

struct program_place place;

int64_t program_clock(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void program_pause(void)
{
    (void)poll(NULL, 0, 10);
}

/* ---- place ---- */

void program_place_open(void)
{
    unsigned id = (unsigned)getpid();

    test_folder(place.dir);
    snprintf(place.net, sizeof(place.net), "127.%u.%u", 64 + (id >> 8) % 190, id & 255);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
    (void)st;
    (void)what;
    (void)ftw;
    return remove(path);
}

void program_place_close(void)
{
    if (!getenv("KEEP"))
        (void)nftw(place.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- life ---- */

static json_t *ask(const struct program *p, const char *request)
{
    char *text;
    json_t *answer;
    size_t n = 0;
    ssize_t got;
    int fd = wire_unix(p->socket);

    if (fd < 0)
        return NULL;
    text = malloc(TEXT);
    (void)wire_send(fd, request, strlen(request));
    (void)wire_send(fd, "\n", 1);
    while ((n == 0 || text[n - 1] != '\n') && (got = wire_hear(fd, text + n, TEXT - n, 5000)) > 0)
        n += (size_t)got;
    (void)close(fd);
    answer = json_loadb(text, n, 0, NULL);
    free(text);
    return answer;
}

static bool answers(const struct program *p)
{
    json_t *answer = ask(p, "{\"command\":\"status\"}");
    bool good = answer != NULL;

    json_decref(answer);
    return good;
}

/* A case that failed in the middle leaves its programs. */
static pid_t alive[16];

static void end_all(void)
{
    for (size_t i = 0; i < ARRAY_LEN(alive); i++)
        if (alive[i])
            (void)kill(alive[i], SIGKILL);
}

static void note(pid_t old, pid_t pid)
{
    for (size_t i = 0; i < ARRAY_LEN(alive); i++)
        if (alive[i] == old) {
            alive[i] = pid;
            return;
        }
}

static void launch(struct program *p)
{
    static bool noted;

    if (!noted)
        (void)atexit(end_all);
    noted = true;
    (void)fflush(stdout);
    p->pid = fork();
    CU_ASSERT_FATAL(p->pid >= 0);
    if (p->pid == 0) {
        char path[512];
        int fd = open(p->said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        (void)dup2(fd, STDERR_FILENO);
        (void)dup2(fd, STDOUT_FILENO);
        snprintf(path, sizeof(path), PROGRAMS "/%s", p->name);
        execl(path, p->name, "--config", p->config, (char *)NULL);
        _exit(126);
    }
    note(0, p->pid);
}

void program_start_again(struct program *p)
{
    int status = 0;

    launch(p);
    UNTIL(answers(p) || waitpid(p->pid, &status, WNOHANG) != 0, START_LIMIT);
    if (!answers(p)) {
        fprintf(stderr, "%s did not start (%d): see %s\n", p->name, status, p->said);
        CU_FAIL_FATAL("the program does not start");
    }
}

void program_write(struct program *p, const char *name, const char *fmt, va_list ap)
{
    FILE *f;

    *p = (struct program){.name = name};
    snprintf(p->config, sizeof(p->config), "%s/%s.yaml", place.dir, name);
    snprintf(p->socket, sizeof(p->socket), "%s/%s.sock", place.dir, name);
    snprintf(p->log, sizeof(p->log), "%s/%s.log", place.dir, name);
    snprintf(p->said, sizeof(p->said), "%s/%s.said", place.dir, name);
    f = fopen(p->config, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fprintf(f, "log.file: %s\nlog.rate: 0\nops.socket: %s\n", p->log, p->socket);
    vfprintf(f, fmt, ap);
    CU_ASSERT_EQUAL_FATAL(fclose(f), 0);
}

void program_start(struct program *p, const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    program_write(p, name, fmt, ap);
    va_end(ap);
    program_start_again(p);
}

int program_refuses(struct program *p, const char *name, const char *fmt, ...)
{
    va_list ap;
    int status;

    va_start(ap, fmt);
    program_write(p, name, fmt, ap);
    va_end(ap);
    launch(p);
    status = program_ended(p);
    if (status == -1)
        program_kill(p);
    return status;
}

int program_ended(struct program *p)
{
    int state = 0;
    pid_t got = 0;

    UNTIL((got = waitpid(p->pid, &state, WNOHANG)) != 0, STOP_LIMIT);
    if (got != p->pid)
        return -1;
    note(p->pid, 0);
    p->pid = 0;
    if (program_says(p, "Sanitizer") || program_says(p, "runtime error"))
        fprintf(stderr, "%s ended with a report: see %s\n", p->name, p->said);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

int program_stop(struct program *p)
{
    int status;

    if (!p->pid)
        return -1;
    (void)kill(p->pid, SIGTERM);
    status = program_ended(p);
    if (status == -1)
        program_kill(p);
    return status;
}

void program_kill(struct program *p)
{
    if (!p->pid)
        return;
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0);
    note(p->pid, 0);
    p->pid = 0;
}

bool program_is_alive(const struct program *p)
{
    return p->pid && kill(p->pid, 0) == 0 && answers(p);
}

/* ---- questions ---- */

json_t *program_ask(const struct program *p, const char *request)
{
    json_t *answer = ask(p, request), *result = json_incref(json_object_get(answer, "result"));

    json_decref(answer);
    return result;
}

int64_t program_status(const struct program *p, const char *member)
{
    json_t *status = program_ask(p, "{\"command\":\"status\"}"),
           *value = json_object_get(status, member);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : -1;

    json_decref(status);
    return n;
}

bool program_status_is(const struct program *p, const char *member, const char *text)
{
    json_t *status = program_ask(p, "{\"command\":\"status\"}");
    const char *value = json_string_value(json_object_get(status, member));
    bool same = value && strcmp(value, text) == 0;

    json_decref(status);
    return same;
}

int64_t program_metric(const struct program *p, const char *name)
{
    json_t *metrics = program_ask(p, "{\"command\":\"metrics\"}");
    const char *text = json_string_value(metrics), *at;
    char line[160];
    int64_t n = -1;

    snprintf(line, sizeof(line), "\nportcullis_%s ", name);
    at = text ? strstr(text, line) : NULL;
    if (at)
        n = strtoll(at + strlen(line), NULL, 10);
    json_decref(metrics);
    return n;
}

static unsigned files(const struct program *p, FILE *out)
{
    char path[64], to[256];
    struct dirent *e;
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->pid);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        ssize_t len;

        n += e->d_name[0] != '.';
        if (!out || e->d_name[0] == '.')
            continue;
        len = readlinkat(dirfd(d), e->d_name, to, sizeof(to));
        fprintf(out, "  %s: %s: %.*s\n", p->name, e->d_name, len > 0 ? (int)len : 0, to);
    }
    if (d)
        (void)closedir(d);
    return n;
}

unsigned program_files(const struct program *p)
{
    return files(p, NULL);
}

void program_files_print(const struct program *p)
{
    (void)files(p, stderr);
}

static bool file_holds(const char *path, const char *text)
{
    char *all = malloc(TEXT + 1);
    int fd = open(path, O_RDONLY);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t n = fd < 0 ? -1 : pread(fd, all, TEXT, size > TEXT ? size - TEXT : 0);
    bool holds = n > 0 && memmem(all, (size_t)n, text, strlen(text));

    if (fd >= 0)
        (void)close(fd);
    free(all);
    return holds;
}

bool program_says(const struct program *p, const char *text)
{
    int64_t until = program_clock() + SAY_LIMIT;
    bool says = false;

    do {
        says = file_holds(p->said, text) || file_holds(p->log, text);
        if (!says)
            program_pause();
    } while (!says && p->pid && program_clock() < until);
    return says;
}

/* ---- sockets ---- */

static struct sockaddr_in name_of(unsigned host, unsigned port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char text[32];

    snprintf(text, sizeof(text), "%s.%u", place.net, host);
    CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET, text, &name.sin_addr), 1);
    return name;
}

static int wire(int type, unsigned from, unsigned from_port, unsigned to, unsigned port)
{
    struct sockaddr_in local = name_of(from, from_port), remote = name_of(to, port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

    CU_ASSERT_FATAL(fd >= 0);
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
    if (connect(fd, (struct sockaddr *)&remote, sizeof(remote)) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int wire_udp(unsigned from, unsigned from_port, unsigned to, unsigned port)
{
    return wire(SOCK_DGRAM, from, from_port, to, port);
}

int wire_tcp(unsigned from, unsigned to, unsigned port)
{
    return wire(SOCK_STREAM, from, 0, to, port);
}

int wire_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)(void *)&name, sizeof(name)) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool wire_send(int fd, const void *p, size_t n)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    const char *at = p;

    do {
        ssize_t put = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (put < 0 && errno == EAGAIN && poll(&ready, 1, 5000) == 1)
            continue;
        if (put < 0)
            return false;
        at += put;
        n -= (size_t)put;
    } while (n);
    return true;
}

ssize_t wire_hear(int fd, char *text, size_t cap, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    text[0] = '\0';
    if (poll(&p, 1, milliseconds) <= 0)
        return 0;
    n = recv(fd, text, cap - 1, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return n;
}

bool wire_closes(int fd, int milliseconds)
{
    int64_t until = program_clock() + milliseconds, left;
    char room[4096];

    while ((left = until - program_clock()) > 0)
        if (wire_hear(fd, room, sizeof(room), (int)left) < 0)
            return true;
    return false;
}
