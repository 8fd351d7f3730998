/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/ng: the ng control protocol of rtpengine: a cookie and a bencoded dictionary in a datagram.
 *
 * Decides   what is a well-formed command, who may give one, which datagram is a repetition.
 * Owns      a UDP socket; the commands not answered yet and the answers given lately, both bounded.
 * Threads   the loop's.
 * In, out   a command as a tree of borrowed spans, valid during on_request; answers are copied.
 * Errors    negative errno; what is no command is counted and gets no answer, since only a cookie
 *           can address one.
 * Never     knows what a command means, runs a repeated one twice, answers a source not allowed.
 * Tests     tests/unit/edge/ng, tests/fuzz/ng_fuzz.c. */
#ifndef EDGE_NG_NG_H
#define EDGE_NG_NG_H

#include "common/base/base.h"
#include "common/net/net.h"

/* ---- bencode (BEP 3) ---- */

enum { NG_VALUES_MAX = 512, NG_DEPTH_MAX = 8, NG_KEYS_MAX = 64, NG_COOKIE_MAX = 64 };

enum ng_type { NG_TEXT, NG_NUMBER, NG_LIST, NG_DICT };

struct ng_value {
    enum ng_type type;
    struct span key;      /* in a dictionary */
    struct span text;     /* NG_TEXT */
    int64_t number;       /* NG_NUMBER */
    uint16_t first, next; /* of a list's or dictionary's members; 0 = none */
};

struct ng_doc {
    size_t n;
    struct ng_value values[NG_VALUES_MAX]; /* [0] is the whole */
};

/* The whole text is one value. Keys need not be sorted (hardly any client does) but must differ.
 * -EBADMSG for what is not bencoded, -E2BIG beyond the limits above. */
int ng_parse(struct span text, struct ng_doc *ret_doc);
/* The member of that name and type, or NULL; dict may be NULL. */
const struct ng_value *ng_find(const struct ng_doc *doc, const struct ng_value *dict,
                               const char *key, enum ng_type type);
/* Its text; p = NULL when absent. */
struct span ng_find_text(const struct ng_doc *doc, const struct ng_value *dict, const char *key);
/* Whether a list of that name holds the word; '-' and ' ' are the same, as in rtpengine. */
bool ng_has_flag(const struct ng_doc *doc, const struct ng_value *dict, const char *list,
                 const char *word);
/* The members of a list or dictionary, one after the other: NULL ends. */
const struct ng_value *ng_first(const struct ng_doc *doc, const struct ng_value *of);
const struct ng_value *ng_next(const struct ng_doc *doc, const struct ng_value *of);

/* Writing: keys in sorted order are the caller's care. ng_begin 'd' or 'l', ng_end ends either. */
void ng_put_begin(struct buf *b, char kind);
void ng_put_end(struct buf *b);
void ng_put_text(struct buf *b, struct span s);
void ng_put_number(struct buf *b, int64_t n);
void ng_put_key(struct buf *b, const char *key);
void ng_put_pair(struct buf *b, const char *key, struct span value);
void ng_put_count(struct buf *b, const char *key, uint64_t n);

/* ---- the server ---- */

struct ng_request {
    struct handle id; /* names it for ng_answer, now or later */
    struct addr from;
    struct span command;
    const struct ng_doc *doc; /* doc->values[0] is its dictionary */
};

struct ng_options {
    struct addr local;
    const struct addr_net *allow; /* who may command; must outlive the server */
    size_t n_allow;               /* 0 = anyone who reaches the socket */
    uint64_t remember;            /* microseconds an answer is kept for repetitions */
    unsigned limit;               /* commands open and answers kept, together */
};

struct ng_counters {
    uint64_t commands, repeated, answered, malformed, forbidden, overload, send_failed;
};

struct ng_server;

int ng_server_new(struct net *n, const struct rnd *rnd, const struct ng_options *options,
                  void (*on_request)(struct ng_server *s, const struct ng_request *r, void *ctx),
                  void *ctx, struct ng_server **ret_server);
void ng_server_free(struct ng_server *s);
/* The answer's dictionary. A command that is gone is a normal path. -EMSGSIZE when it does not fit
 * a datagram: then an error is sent instead. */
int ng_answer(struct ng_server *s, struct handle id, struct span dictionary);
/* {result: error, error-reason}. */
void ng_answer_error(struct ng_server *s, struct handle id, const char *reason);
const struct ng_counters *ng_server_counters(const struct ng_server *s);

#endif
