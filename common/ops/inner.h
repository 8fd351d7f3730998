/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside common/ops: commands and the socket they come from. */
#ifndef COMMON_OPS_INNER_H
#define COMMON_OPS_INNER_H

#include "common/ops/ops.h"

struct ops_table {
    const struct ops_command *commands;
    size_t n;
    void *ctx;
    struct ops_table *next;
};

struct ops_socket;

struct ops {
    struct loop *loop;
    struct ops_table *tables, **last_table;
    struct list requests; /* not answered yet */
    struct ops_socket *socket;
};

struct ops_request {
    struct list item; /* in ops.requests */
    const struct ops_command *command;
    json_t *args;                                /* name -> array of strings */
    void (*answer)(void *ctx, struct span line); /* NULL: nobody listens any more */
    void *ctx;
    uint64_t limit; /* that applies to the rows; 0: none */
    bool *ended;    /* set when it is answered while ops_run is still at it */
};

/* Runs a line; NULL when it was answered at once, else the request, whose answer the caller may
 * still call off with ops_request_forget. */
struct ops_request *ops_run(struct ops *o, struct span line,
                            void (*answer)(void *ctx, struct span line), void *ctx);
void ops_request_forget(struct ops_request *rq);
/* {"ok": false}, without newline. */
void ops_refusal(struct buf *b, const char *error, const char *remedy, bool wrong_use);
void ops_socket_free(struct ops_socket *s);

#endif
