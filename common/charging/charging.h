/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/charging: the ICID, the call detail record, the spool that keeps it, exports.
 *
 * Decides   what a record looks like on disk and when it is safe there.
 * Owns      the spool: its directory (locked: nobody else writes there) and its queue. A struct cdr borrows
 *           everything; appending copies.
 * Threads   the loop's; disk work on a job thread of the spool. Codecs and charging_read: any.
 * In, out   records in; files `<name>-<number>.jsonl`, one JSON object a line, each with a CRC-32C
 *           of the line before it, and the open one `<name>-<number>.jsonl.open`.
 * Errors    negative errno; disk trouble is an alarm, not an error: records wait in memory, in
 *           order, and are tried again.
 * Never     forgets or doubles a record, blocks the loop, puts a secret into a record.
 * Tests     tests/unit/common/charging. */
#ifndef COMMON_CHARGING_CHARGING_H
#define COMMON_CHARGING_CHARGING_H

#include "common/base/base.h"
#include "common/loop/loop.h"

/* A new IMS charging identifier (TS 32.260 5.2.4.10, globally unique for a month at least): wall
 * clock in hex, then 80 random bits. It needs no quoting in P-Charging-Vector. */
enum { CHARGING_ICID_LEN = 30, CHARGING_ICID_MAX = 128 };
void charging_icid_put(struct buf *b, const struct rnd *rnd, int64_t wall_us);

/* ---- the record (TS 32.260 6.1.3, TS 32.298 5.1.3) ------------------------------ */

enum cdr_type { CDR_SCSCF = 63, CDR_PCSCF = 64 }; /* the recordType numbers of TS 32.298 */
enum cdr_role { CDR_ORIGINATING = 0, CDR_TERMINATING = 1 }; /* role-of-Node */

/* causeForRecordClosing (2 is not assigned). */
enum cdr_cause {
    CDR_CAUSE_NORMAL = 0,
    CDR_CAUSE_UNSUCCESSFUL = 1,
    CDR_CAUSE_TIME_LIMIT = 3,
    CDR_CAUSE_SERVICE_CHANGE = 4,
    CDR_CAUSE_MANAGEMENT = 5
};

enum { CDR_MEDIA_MAX = 8, CDR_LINE_MAX = 8192 };

struct cdr_media {
    struct span media;       /* "audio" */
    struct span codec;       /* "AMR-WB", of the answer; may be empty */
    struct span direction;   /* "sendrecv" */
    uint32_t bandwidth_kbps; /* b=AS, 0 = unknown */
};

/* Times: microseconds since 1970 UTC, 0 = it did not happen. Empty spans are left out. */
struct cdr {
    enum cdr_type type;
    enum cdr_role role;
    uint64_t sequence;      /* Local Record Sequence Number; the spool's to give */
    struct span node;       /* Node-Address: this host */
    struct span method;     /* INVITE: a session; else an event record (MESSAGE ...) */
    struct span session_id; /* Call-ID */
    struct span icid;
    struct span calling, calling_alias; /* the asserted identities */
    struct span called;                 /* Request-URI when the call came in */
    struct span called_asserted;        /* who answered */
    struct span subscriber;             /* the served user's IMPI */
    struct span orig_ioi, term_ioi;
    struct span access_info; /* P-Access-Network-Info */
    int64_t request_time, answer_time, end_time, closing_time;
    enum cdr_cause cause;
    unsigned sip_status; /* the final response; 0 = none */
    struct span reason;  /* "BYE caller", "BYE callee", "session timer" ...; for people */
    bool incomplete;     /* an event was missed (a crash): times are the best known */
    struct cdr_media media[CDR_MEDIA_MAX];
    unsigned n_media;
};

/* What a record says, for the manual page; in the order of JSON and CSV. */
struct cdr_field {
    const char *name, *kind, *help;
};
void cdr_fields_each(void (*visit)(const struct cdr_field *f, void *ctx), void *ctx);

/* Whole microseconds from answer to end; 0 when it was not answered. */
int64_t cdr_duration(const struct cdr *c);

/* One line without newline; the CRC is its last member. buf overflow above CDR_LINE_MAX. */
void cdr_put_json(struct buf *b, const struct cdr *c);
/* CRC and parse of such a line; spans in the arena. -EBADMSG, -ENOMEM. */
int cdr_parse_json(struct span line, struct arena *a, struct cdr *ret_cdr);
/* RFC 4180; header and rows come from one table. A row ends with CRLF. */
void cdr_put_csv_header(struct buf *b);
void cdr_put_csv(struct buf *b, const struct cdr *c);

/* ---- the spool ------------------------------ */

/* The disk, for the job thread; real adapter charging_disk_real, fakes in tests. Paths are whole.
 * Each 0 or negative errno unless said. */
struct charging_disk {
    void *ctx;
    int (*make_dir)(void *ctx, const char *path); /* with parents; 0 when it is there */
    /* fd that keeps other processes' spools out of the directory until it is closed; -EBUSY. May be
     * NULL: nobody else can be there. */
    int (*lock)(void *ctx, const char *path);
    /* fd; for reading, or with `write` for both, created when absent. */
    int (*open)(void *ctx, const char *path, bool write);
    void (*close)(void *ctx, int fd);
    int64_t (*size)(void *ctx, int fd);
    int64_t (*read)(void *ctx, int fd, int64_t at, void *p, size_t n);    /* octets; 0 = end */
    int (*write)(void *ctx, int fd, int64_t at, const void *p, size_t n); /* all or an error */
    int (*truncate)(void *ctx, int fd, int64_t size);
    int (*sync)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*sync_dir)(void *ctx, const char *path);
    /* For the notes of open calls: makes the file this large, with blocks for all of it; maps n
     * octets of it, shared, also beyond its end. */
    int (*reserve)(void *ctx, int fd, int64_t size);
    int (*map)(void *ctx, int fd, size_t n, void **ret_p);
    void (*unmap)(void *ctx, void *p, size_t n);
    /* Calls visit for every file name in the directory. */
    int (*list)(void *ctx, const char *path, void (*visit)(void *arg, const char *name), void *arg);
};
extern const struct charging_disk charging_disk_real;

struct charging_alarm {
    int code;         /* negative errno; 0 = it is over */
    char text[256];   /* what, where */
    char remedy[192]; /* how to mend it */
};

struct charging_spool_config {
    const char *dir;
    const char *name;      /* of the files: "scscf" */
    uint64_t rotate_bytes; /* a new file above this; 0 = 64 MiB */
    uint64_t rotate_time;  /* and after this many microseconds; 0 = one hour */
    size_t memory_limit;   /* octets of records that wait for the disk; 0 = 32 MiB */
    uint64_t retry_time;   /* between attempts while the disk refuses; 0 = 5 s */
    /* How long a record waits for others to share its sync, microseconds; 0 = for those of its turn
     * of the loop. A sync costs more than all the rest of a call. */
    uint64_t gather_time;
    /* Most calls noted at a time (charging_note_put); 0 = none. They are in the file <name>.calls,
     * 2 KiB each, and survive the process, not the machine. */
    uint32_t notes;
    const struct charging_disk *disk; /* NULL = the real one */
    const struct rnd *rnd;            /* of the hash tables; NULL = the system's */
    /* On the loop: the disk begins and ceases to refuse. May be NULL. */
    void (*alarm)(void *ctx, const struct charging_alarm *alarm);
    void *ctx;
};

struct charging_spool;

/* Makes the directory, cuts a torn tail of the open file (into `<file>.torn`, counted) and finds the
 * next sequence number. Calls a killed process left open get their records now: ended when it was
 * last known to live, and incomplete. Blocking: at start only. ret_alarm (may be NULL) explains a failure. */
int charging_spool_new(struct loop *l, const struct charging_spool_config *config,
                       struct charging_spool **ret_spool, struct charging_alarm *ret_alarm);
/* Writes what waits, once more if the disk refused. What is still refused and has a note is written by
 * the next start; what has none is lost, and the alarm says so: keep the calls' state. Closes. */
void charging_spool_free(struct charging_spool *s);

/* Copies the record and gives it its sequence number. done runs on the loop once the record is
 * fsynced: only then may the call be forgotten; until then it may take long (full disk). -ENOBUFS at
 * the memory limit (keep the call, try again later); -EMSGSIZE above CDR_LINE_MAX; -ENOMEM. */
int charging_spool_append(struct charging_spool *s, const struct cdr *c, void (*done)(void *ctx),
                          void *ctx);
/* False while more than half of the memory limit waits: take no new chargeable calls (503). */
bool charging_spool_ready(const struct charging_spool *s);
/* What the record of a call would be if the process were killed now; from the answer until the
 * record is on the disk. A store to memory, no system call. 0: it cannot be noted (bound, full disk;
 * counted), and the call goes on without. */
uint32_t charging_note_put(struct charging_spool *s, const struct cdr *c);
/* The call is over: end time, cause, status and reason of c are its last word. note may be 0. */
void charging_note_end(struct charging_spool *s, uint32_t note, const struct cdr *c);
/* In `done` of the record, and when there will be none. note may be 0. */
void charging_note_drop(struct charging_spool *s, uint32_t note);
/* Closes the open file now (for billing to fetch), when it holds a record. */
void charging_spool_rotate(struct charging_spool *s);

struct charging_spool_stats {
    uint64_t written, refused; /* records on disk; appends refused at the memory limit */
    uint64_t retries, syncs, rotations, torn_bytes;
    uint64_t waiting, waiting_bytes;
    uint64_t noted, not_noted;   /* calls noted now; calls that could not be */
    uint64_t recovered, damaged; /* notes a killed process left, and those that cannot be read */
    bool disk_refuses;
};
void charging_spool_stats_get(const struct charging_spool *s,
                              struct charging_spool_stats *ret_stats);

/* ---- reading back, for `cdr list` and `cdr export` ------------------------------ */

struct charging_filter {
    int64_t from, to;        /* closing time, 0 = open */
    struct span icid;        /* empty = all */
    uint64_t after_sequence; /* only later ones */
    uint64_t limit;          /* most records, 0 = all */
};
/* Walks the records of a spool directory, oldest first, while it is being written or not; visit
 * returns false to stop. line is the JSON as it stands in the file. Lines that fail their CRC are
 * counted in ret_damaged (may be NULL) and skipped. Blocking: for a job thread or a tool. */
int charging_read(const struct charging_disk *disk, const char *dir, const char *name,
                  const struct charging_filter *filter,
                  bool (*visit)(void *ctx, const struct cdr *c, struct span line), void *ctx,
                  uint64_t *ret_damaged);

#endif
