/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/imsctl: the command-line client of all programs.
 *
 * Decides   which program is meant, what its words and options are, how an answer looks on paper.
 * Owns      nothing that lasts; one connection a question.
 * Threads   one.
 * In, out   arguments; one JSON line each way (common/ops); tables, ladders or JSON on stdout,
 *           errors with their remedy on stderr.
 * Errors    exit status: 1 refused, 2 wrong use, 3 nobody answers.
 * Never     prints control characters of others to a terminal.
 * Tests     tests/unit/tools/imsctl. */
#ifndef TOOLS_IMSCTL_IMSCTL_H
#define TOOLS_IMSCTL_IMSCTL_H

#include <jansson.h>
#include <stdio.h>

#include "common/base/base.h"

enum { IMSCTL_OK = 0, IMSCTL_REFUSED = 1, IMSCTL_USAGE = 2, IMSCTL_NOBODY = 3 };

/* The command line, apart from what is for the program asked. */
struct imsctl_options {
    const char *socket;  /* --socket */
    const char *run_dir; /* --run-dir, $PORTCULLIS_RUN or /run/portcullis */
    const char *role;    /* --role, else by command */
    bool json, help, version;
    char *const *rest; /* words and options of the command; points into words */
    int n_rest;
    char **words; /* heap */
};

/* -EINVAL with *ret_wrong, the argument that is wrong; -ENOMEM. */
int imsctl_options_parse(int argc, char **argv, struct imsctl_options *ret_options,
                         const char **ret_wrong);
/* The program that answers a command: "pcscf"; NULL = any that runs. */
const char *imsctl_role_of(const char *command);

/* The four programs there are. */
enum { IMSCTL_ROLES = 4 };
extern const char *const imsctl_roles[IMSCTL_ROLES];
bool imsctl_is_role(const char *name);

/* The row of the command these n words begin with, two words before one, in a program's answer to
 * "commands"; NULL: it has none. */
const json_t *imsctl_row_of(const json_t *commands, char *const *rest, int n);
/* {"command", "words", "arguments"} from words and options; `commands` is the program's answer to
 * "commands" (may be NULL) and tells which options have no value. "@FILE" stands for the content of
 * a file. NULL with the "@FILE" that cannot be read and errno in *ret_wrong, NULL there when memory
 * is out. */
json_t *imsctl_request(char *const *rest, int n, const json_t *commands, const char **ret_wrong);

/* A connection; -1 with errno. */
int imsctl_connect(const char *path);
/* Asks and waits for the answer, 30 s at most. NULL with errno (EPROTO: not JSON). */
json_t *imsctl_ask(int fd, const json_t *request);

/* A result for people: table, key and value, ladder, text. terminal: control characters are
 * replaced in text, too. */
void imsctl_show(FILE *out, const json_t *result, bool terminal);
/* "1000 rows; --limit shows more" when an answer has as many rows as could come; row: of the command,
 * may be NULL. */
void imsctl_show_limit(FILE *out, const json_t *answer, const json_t *row);
/* {parties, events}: one column a party. */
void imsctl_show_ladder(FILE *out, const json_t *ladder, unsigned width);

/* Adds the events of another program's ladder of the same call that went over `transport`, by time;
 * a party "edge.example.net" there is "edge" here. */
void imsctl_ladder_add(json_t *ladder, const json_t *other, const char *transport);

/* Text of others: control characters and what is not ASCII as '?'; cut or padded to `width` (0 =
 * neither). */
void imsctl_put_clean(FILE *out, const char *text, size_t n, size_t width);

#endif
