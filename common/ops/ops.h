/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/ops: the doors for operators: control socket and metrics endpoint.
 *
 * Decides   which command is meant, whether its arguments are allowed; bounds of clients and lines.
 * Owns      the socket file, its clients, requests until they are answered, the HTTP thread.
 * Threads   ops: the loop's; http: a thread of its own that reads only metrics and a heartbeat.
 * In, out   one JSON object a line each way (ARCHITECTURE.md, "Control socket"):
 *           {"command": "subscriber", "words": ["add"], "arguments": {"impi": "...", "impu": [...]}}
 *           -> {"ok": true, "result": ...}, with "limit": N when the rows are as many as may come,
 *           or {"ok": false, "error": "...", "remedy": "..."}, with "wrong_use": true when it could
 *           never be answered.
 * Errors    negative errno at start; to clients as {"ok": false}.
 * Never     blocks the loop; a slow client is cut off.
 * Tests     tests/unit/common/ops. */
#ifndef COMMON_OPS_OPS_H
#define COMMON_OPS_OPS_H

#include <jansson.h>

#include "common/base/base.h"
#include "common/loop/loop.h"
#include "common/obs/obs.h"

/* ---- commands ------------------------------------------------------------------- */

struct ops;
struct ops_request;

enum {
    OPS_REQUIRED = 1, /* must be given */
    OPS_MANY = 2,     /* may be repeated */
    OPS_FLAG = 4,     /* has no value */
    OPS_WORD = 8,     /* given by position: `imsctl ladder ICID` */
};

struct ops_param {
    const char *name; /* "impi" for --impi; "barred-impu" may be asked for as barred_impu, too */
    const char *help;
    unsigned flags;
};

struct ops_command {
    const char *name; /* one or two words: "registrations", "subscriber add" */
    const char *help;
    const struct ops_param *params;
    size_t n_params;
    /* Answers rq exactly once, now or in a later turn, by ops_ok or ops_fail. */
    void (*run)(struct ops_request *rq, void *ctx);
};

/* Answers "commands" itself. */
int ops_new(struct loop *l, struct ops **ret_ops);
/* Closes the socket and removes its file. Requests not answered yet stay valid: their answer goes
 * nowhere. */
void ops_free(struct ops *o);
/* The table is borrowed. -EEXIST for a name that is taken, -ENOMEM. */
int ops_add(struct ops *o, const struct ops_command *table, size_t n, void *ctx);

/* Arguments of a request; borrowed until it is answered. */
struct span ops_arg(const struct ops_request *rq, const char *name); /* p = NULL: not given */
size_t ops_arg_count(const struct ops_request *rq, const char *name);
struct span ops_arg_at(const struct ops_request *rq, const char *name, size_t i);
bool ops_flag(const struct ops_request *rq, const char *name);
/* A whole number within [0, max], or fallback when not given. On -EINVAL the request has been
 * answered: return. What is called "limit" bounds the rows: ops_ok says when it was reached. */
int ops_arg_u64(struct ops_request *rq, const char *name, uint64_t max, uint64_t fallback,
                uint64_t *ret_value);

/* Take the result. Arrays of objects are shown as tables, objects as key: value; result NULL is an
 * internal error (no memory). All end the request. ops_misuse: the request is wrong, whatever the
 * state of the program (a value that is none); ops_fail: it cannot be answered now. */
void ops_ok(struct ops_request *rq, json_t *result);
void ops_fail(struct ops_request *rq, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ops_misuse(struct ops_request *rq, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs one line as if it had come over the socket; answer gets the line without newline, now or
 * later. For tests and for simulated loops. */
void ops_execute(struct ops *o, struct span line, void (*answer)(void *ctx, struct span line),
                 void *ctx);

/* ---- control socket -------------------------------------------------------------- */

struct ops_socket_options {
    const char *path;
    unsigned mode;    /* of the socket file; 0 = 0660 */
    unsigned clients; /* 0 = 16; more wait in the backlog */
    size_t line;      /* longest request; 0 = 64 KiB */
    size_t answer;    /* longest answer; 0 = 16 MiB */
};

/* A socket file nobody listens on is replaced; -EADDRINUSE when somebody does; errno of bind. */
int ops_listen(struct ops *o, const struct ops_socket_options *options);

/* ---- metrics endpoint: GET /metrics, GET /healthz -------------------------------- */

struct ops_http;

/* A thread of its own. -EADDRINUSE and the like. The registry must outlive it. */
int ops_http_new(const struct addr *address, struct obs_metrics *metrics,
                 struct ops_http **ret_http);
void ops_http_free(struct ops_http *h);
/* The loop is alive, and ready to serve or not; /healthz answers 503 when not
 * ready or when the last beat is older than five seconds of real time. */
void ops_http_beat(struct ops_http *h, bool ready);

#endif
