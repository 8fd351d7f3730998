/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/program: a daemon as it is: started from a file, asked over its control socket and ended;
 * and plain sockets to talk to it with. Every test program has a folder and a loopback network of its own. */
#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include <jansson.h>
#include <sys/types.h>

#include "tests/support/suite.h"

/* Of this process: "/tmp/portcullis-test.XXXXXX", and "127.1.2", which nobody else uses. */
struct program_place {
    char dir[64], net[16];
};
extern struct program_place place;
void program_place_open(void);
void program_place_close(void);

struct program {
    const char *name;
    pid_t pid;
    char config[128], socket[128], log[128], said[128]; /* said: standard error */
};

/* Writes DIR/NAME.yaml: the options of fmt, one "a.b: value" a line, besides those of log and ops. */
void program_write(struct program *p, const char *name, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
/* The same, and starts it. */
void program_start(struct program *p, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Again from the same file. */
void program_start_again(struct program *p);
/* Starts what cannot start: its exit status. */
int program_refuses(struct program *p, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* SIGTERM: the exit status; -1 when it has to be killed. */
int program_stop(struct program *p);
void program_kill(struct program *p);
/* Waits for an end it was not asked for; -1 when there is none. */
int program_ended(struct program *p);
bool program_is_alive(const struct program *p);

/* The answer's result; the caller's to free. NULL when it refuses. */
json_t *program_ask(const struct program *p, const char *request);
/* A member of `status`. */
int64_t program_status(const struct program *p, const char *member);
bool program_status_is(const struct program *p, const char *member, const char *text);
/* A line of the metrics: "scscf_now{what=\"dialogs\"}". -1 when there is none. */
int64_t program_metric(const struct program *p, const char *name);
/* Open files. */
unsigned program_files(const struct program *p);
void program_files_print(const struct program *p);
/* Does the log or standard error hold it? Logs are written soon, so that it waits a little while the program
 * runs. */
bool program_says(const struct program *p, const char *text);

/* Waits until the condition holds, for at most that long. */
#define UNTIL(condition, milliseconds)                                                             \
    do {                                                                                           \
        int64_t until_ = program_clock() + (milliseconds);                                         \
        while (!(condition) && program_clock() < until_)                                           \
            program_pause();                                                                       \
    } while (0)
int64_t program_clock(void);
void program_pause(void);

/* ---- sockets ---- */

/* Connected, from NET.from to NET.to:port; from_port 0 = any. */
int wire_udp(unsigned from, unsigned from_port, unsigned to, unsigned port);
int wire_tcp(unsigned from, unsigned to, unsigned port);
int wire_unix(const char *path);
/* As much as it takes within five seconds; false when the other end does not want it. */
bool wire_send(int fd, const void *p, size_t n);
/* What comes within the time, NUL-terminated; 0: nothing came, -1: the other end has closed. */
ssize_t wire_hear(int fd, char *text, size_t cap, int milliseconds);
/* Waits for the other end to close; reads what comes until then. */
bool wire_closes(int fd, int milliseconds);

#endif
