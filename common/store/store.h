/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/store: SQLite behind a job thread, so that no call waits for a disk.
 *
 * Decides   nothing; it opens, migrates, batches into transactions and reports.
 * Owns      struct store_db: the connection and its statements. struct store: a db, its thread and
 *           the queue; requests are the caller's and stay his after done.
 * Threads   a store_db belongs to one thread at a time: the caller's, or once given to a store,
 *           that of the store, on which the requests' run works. The rest on the loop's thread.
 * In, out   SQL text of the room that owns the table, values by column.
 * Errors    negative errno, with text and remedy in struct store_error: -ENOSPC disk full,
 *           -EBADMSG damaged or no database, -EBUSY locked by another process, -EROFS, -EACCES,
 *           -ENOENT, -EEXIST a unique value is there already, -EPROTO made by a newer version, -EIO.
 * Never     blocks the loop, loses the error of a commit, runs SQL built from input.
 * Twin      under common/loop/sim.h requests run at once and are done after the given latency;
 *           store_db alone is the synchronous form.
 * Tests     tests/unit/common/store. */
#ifndef COMMON_STORE_STORE_H
#define COMMON_STORE_STORE_H

#include "common/base/base.h"
#include "common/loop/loop.h"

struct store_error {
    int code;         /* negative errno; 0 = none */
    char text[256];   /* what, where: names the file and SQLite's words */
    char remedy[192]; /* how to mend it */
};

/* ---- the connection, synchronous ------------------------------ */

struct store_db;

/* Opens or creates with WAL and synchronous=FULL and runs migrations[user_version...]: script i
 * brings the schema from version i to i + 1, each in a transaction. A script never changes once
 * released. path ":memory:" for tests. ret_error may be NULL. */
int store_db_open(const char *path, const char *const *migrations, unsigned n_migrations,
                  struct store_db **ret_db, struct store_error *ret_error);
/* Checkpoints and closes. */
void store_db_close(struct store_db *db);
/* The last failure; valid until the next call. */
const struct store_error *store_db_error(const struct store_db *db);

/* A statement, prepared once per db and SQL text; sql must be a string of static storage (its
 * address is the key); at most 64 of them. It is reset, without values, and the db's until the next call with the same
 * sql. NULL: see store_db_error. */
struct store_stmt;
struct store_stmt *store_db_stmt(struct store_db *db, const char *sql);

/* Values from 1. Text and blobs are borrowed until the statement ran; p = NULL binds NULL. */
void store_bind_int(struct store_stmt *st, int at, int64_t v);
void store_bind_text(struct store_stmt *st, int at, struct span s);
void store_bind_blob(struct store_stmt *st, int at, struct span s);
/* 1 = a row, 0 = the end, negative errno. */
int store_step(struct store_stmt *st);
/* For what returns no rows: 0 or negative errno. */
int store_exec(struct store_stmt *st);
/* Columns from 0, valid until the next step; NULL gives 0 or p = NULL. */
int64_t store_column_int(struct store_stmt *st, int at);
struct span store_column_text(struct store_stmt *st, int at);
struct span store_column_blob(struct store_stmt *st, int at);
bool store_column_null(struct store_stmt *st, int at);
/* Rows the last statement changed; the rowid of the last insert. */
int64_t store_db_changes(struct store_db *db);
int64_t store_db_last_id(struct store_db *db);

int store_db_begin(struct store_db *db);
/* 0 = it is on the disk. */
int store_db_commit(struct store_db *db);
void store_db_rollback(struct store_db *db);

/* ---- requests, on the loop ------------------------------ */

struct store;

/* Embedded in what the room keeps for the operation. Requests queued meanwhile are one transaction
 * (group commit): one fsync for many; a request that fails is undone alone, except that a full or
 * failing disk fails its whole batch. */
struct store_request {
    struct list item;
    /* On the store's thread: 0 or negative errno (then what it wrote is undone). */
    int (*run)(struct store_request *r, struct store_db *db);
    /* On the loop, in the order of the requests, after the commit: 0 = on the disk. error is
     * complete when rc != 0. May free the request. */
    void (*done)(struct store_request *r, int rc, const struct store_error *error);
    /* The store's. */
    int rc;
    struct store_error *error;
};

/* Takes db, also on failure. limit: most requests that wait. */
int store_new(struct loop *l, struct store_db *db, unsigned limit, struct store **ret_store);
/* Runs what is queued, delivers every done, checkpoints, closes. */
void store_free(struct store *s);
/* -EBUSY with `limit` requests waiting: refuse the one operation. */
int store_submit(struct store *s, struct store_request *r);

struct store_stats {
    uint64_t requests, failed, batches, largest; /* since store_new; largest batch */
    unsigned waiting;
};
void store_stats_get(const struct store *s, struct store_stats *ret_stats);

#endif
