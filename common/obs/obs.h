/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/obs: what a program tells about itself: log, metrics, recorder of calls.
 *
 * Decides   the form of a log line, of the Prometheus text, of a ladder; what is masked in them.
 * Owns      its rings and tables. Tables of metrics are the rooms' and are borrowed for good.
 * Threads   log: any thread; a thread of its own writes. Metrics: one struct obs_values has one
 *           writing thread, obs_metrics_text may read on any. Recorder: the loop's.
 * In, out   events with typed fields; lines, text, JSON.
 * Errors    none for who reports: what cannot be kept is dropped and counted.
 * Never     blocks, prints a secret, CK, IK or a token, or identities unless told to.
 * Tests     tests/unit/common/obs. */
#ifndef COMMON_OBS_OBS_H
#define COMMON_OBS_OBS_H

#include <jansson.h>
#include <stdatomic.h>

#include "common/base/base.h"

/* ---- log ------------------------------------------------------------------------ */

enum obs_level { OBS_ERROR, OBS_WARN, OBS_NOTICE, OBS_INFO, OBS_DEBUG };
enum obs_format { OBS_AUTO, OBS_LOGFMT, OBS_JSON }; /* AUTO: logfmt on a terminal, else JSON */

/* Lines above this are cut at a field; rings hold whole lines. */
enum { OBS_LINE_MAX = 4096 };

struct obs_log_options {
    const char *program;
    enum obs_level level;
    enum obs_format format;
    const char *file;     /* NULL or "" = stderr */
    unsigned rate;        /* lines a second; 0 = no bound; errors always pass */
    bool show_identities; /* false: OBS_ID comes as a keyed hash */
    uint8_t identity_key[16];
    size_t ring; /* octets that may wait for the writer; 0 = 1 MiB */
    /* Instead of a file and a thread, for tests: each line with its newline. */
    void (*sink)(void *ctx, struct span line);
    void *ctx;
};

struct obs_log;

/* The errno of opening the file, -ENOMEM, -EAGAIN (no thread). */
int obs_log_new(const struct obs_log_options *options, struct obs_log **ret_log);
/* Writes what waits. */
void obs_log_free(struct obs_log *log);
/* After the file was moved away (SIGHUP): opens the name again; on failure goes on with the old. */
int obs_log_reopen(struct obs_log *log);
void obs_log_set_level(struct obs_log *log, enum obs_level level);
enum obs_level obs_log_level(const struct obs_log *log);
/* Lines lost: ring full, rate, disk. */
uint64_t obs_log_dropped(const struct obs_log *log);
/* "error" ... "debug", NULL-terminated: the names of enum obs_level, and of enum obs_format. */
extern const char *const obs_level_names[];
extern const char *const obs_format_names[];

struct obs_field {
    const char *key; /* lower_case, static */
    enum { OBS_F_TEXT, OBS_F_ID, OBS_F_UINT, OBS_F_INT, OBS_F_BOOL, OBS_F_ADDR, OBS_F_ERRNO } type;
    struct span text;
    uint64_t number;
    const struct addr *addr;
};

#define OBS_SPAN(k, span_) ((struct obs_field){.key = (k), .type = OBS_F_TEXT, .text = (span_)})
#define OBS_TEXT(k, str)   OBS_SPAN(k, span_str(str))
/* Who someone is (IMPI, IMPU, IMSI, number). */
#define OBS_ID(k, span_) ((struct obs_field){.key = (k), .type = OBS_F_ID, .text = (span_)})
#define OBS_UINT(k, v)   ((struct obs_field){.key = (k), .type = OBS_F_UINT, .number = (v)})
#define OBS_INT(k, v)                                                                              \
    ((struct obs_field){.key = (k), .type = OBS_F_INT, .number = (uint64_t)(int64_t)(v)})
#define OBS_BOOL(k, v) ((struct obs_field){.key = (k), .type = OBS_F_BOOL, .number = (v)})
#define OBS_ADDR(k, a) ((struct obs_field){.key = (k), .type = OBS_F_ADDR, .addr = (a)})
/* A negative errno, by its text. */
#define OBS_ERRNO(k, rc)                                                                           \
    ((struct obs_field){.key = (k), .type = OBS_F_ERRNO, .number = (uint64_t)(int64_t)(rc)})

/* One line: time, level, program, event (dotted, static: "register.refused"), fields. Text is
 * escaped and cut at 512 octets. A NULL log is silence. Fields are evaluated only when the level is
 * on:   OBS_LOG(log, OBS_WARN, "register.refused", OBS_ADDR("from", &a), OBS_TEXT("why", "rate")); */
#define OBS_LOG(log, level, event, ...)                                                            \
    do {                                                                                           \
        if (obs_log_on(log, level)) {                                                              \
            const struct obs_field obs_fields_[] = {__VA_ARGS__};                                  \
            obs_log_write(log, level, event, obs_fields_, ARRAY_LEN(obs_fields_));                 \
        }                                                                                          \
    } while (0)
bool obs_log_on(const struct obs_log *log, enum obs_level level);
void obs_log_write(struct obs_log *log, enum obs_level level, const char *event,
                   const struct obs_field *fields, size_t n);

/* ---- metrics -------------------------------------------------------------------- */

enum obs_metric_type { OBS_COUNTER, OBS_GAUGE, OBS_HISTOGRAM };

/* A row of a room's static table; an enum beside it numbers the rows:
 *   enum { M_REGISTERED, M_REFUSED };
 *   static const struct obs_metric metrics[] = {
 *       [M_REGISTERED] = {"pcscf_registered", "Phones registered now", .type = OBS_GAUGE},
 *       [M_REFUSED] = {"pcscf_refused_total", "Requests refused", .label = "reason",
 *                      .values = reasons, .n_values = N_REASONS}}; */
struct obs_metric {
    const char *name; /* without the prefix portcullis_, which the text adds */
    const char *help;
    enum obs_metric_type type;
    const char *label;         /* NULL = one value; not for histograms */
    const char *const *values; /* of the label, in the order of the caller's enum */
    unsigned n_values;
    const uint64_t
        *bounds; /* histogram: upper bounds, ascending, in microseconds: told as seconds */
    unsigned n_bounds;
};

struct obs_metrics; /* the registry */
struct obs_values;  /* the numbers of one table of one worker */

int obs_metrics_new(struct obs_metrics **ret_metrics);
/* Frees all values as well. */
void obs_metrics_free(struct obs_metrics *m);
/* Several workers add the same table, each gets its own values; the text shows the sums. -ENOMEM.
 * The table is borrowed until the registry goes. With m NULL: values nobody reads are NULL. */
int obs_metrics_add(struct obs_metrics *m, const struct obs_metric *table, size_t n,
                    struct obs_values **ret_values);
/* fn runs in obs_metrics_collect, to set gauges from sizes of tables. -ENOMEM. */
int obs_metrics_collector(struct obs_metrics *m, void (*fn)(void *ctx), void *ctx);
/* On the loop, once a second (common/daemon does). */
void obs_metrics_collect(struct obs_metrics *m);
/* Prometheus text format 0.0.4. Any thread. */
void obs_metrics_text(struct obs_metrics *m, struct buf *b);

/* metric: the row; value: index into values, 0 without a label. NULL values are fine. */
void obs_add(struct obs_values *v, unsigned metric, unsigned value, uint64_t n);
static inline void obs_count(struct obs_values *v, unsigned metric, unsigned value)
{
    obs_add(v, metric, value, 1);
}
/* A gauge, or a counter that somebody else keeps. */
void obs_set(struct obs_values *v, unsigned metric, unsigned value, int64_t now);
void obs_observe(struct obs_values *v, unsigned metric, uint64_t us);
/* What a counter or gauge stands at; 0 for NULL. For status commands and tests. */
uint64_t obs_value(const struct obs_values *v, unsigned metric, unsigned value);

/* ---- recorder: the last calls, message by message -------------------------------- */

struct obs_recorder_options {
    unsigned calls;         /* the oldest leaves at this bound; 0 = 1000 */
    unsigned messages;      /* a call; the middle is left out and counted; 0 = 64 */
    unsigned message_bytes; /* what is kept of a message; 0 = 2048 */
    size_t bytes;           /* of all; 0 = 32 MiB */
};

/* One message or event between two parties. Spans are copied. */
struct obs_message {
    int64_t wall;          /* microseconds since 1970 */
    struct span call;      /* Call-ID, or a further name given by obs_recorder_name */
    struct span from, to;  /* parties as people call them: "phone 10.46.1.101", "pcscf", "pdp" */
    const char *transport; /* "udp", "tcp", "rx", "ng" ...; static */
    bool guarded;          /* inside an SA or TLS */
    struct span text;      /* the message; its first line is what the ladder shows. Values of ck,
                                ik, response and P-Media-Authorization are masked when copied */
};

struct obs_recorder;

int obs_recorder_new(const struct obs_recorder_options *options, const struct rnd *rnd,
                     struct obs_recorder **ret_recorder);
void obs_recorder_free(struct obs_recorder *r);
/* NULL r: nothing is recorded. */
void obs_record(struct obs_recorder *r, const struct obs_message *m);
/* Makes the call known by another name too: ICID, the identities of both ends. A name belongs to
 * the latest call that was given it; a call has at most eight. */
void obs_recorder_name(struct obs_recorder *r, struct span call, struct span name);
/* The call as {call, names[], parties[], left_out, events[{time, from, to, transport, guarded, text
 * [, message]}]}; from and to index parties. An empty name is the latest call. NULL: unknown name or
 * no memory; the caller owns the value. */
json_t *obs_recorder_ladder(const struct obs_recorder *r, struct span name, bool whole_messages);

#endif
