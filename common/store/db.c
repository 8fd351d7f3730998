/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/store/inner.h"

struct store_stmt {
    struct store_db *db;
    const char *sql; /* the key: its address */
    sqlite3_stmt *st;
    int bind_rc;
};

/* A room has a dozen statements or two. */
enum { STMTS_MAX = 64 };

struct store_db {
    sqlite3 *sqlite;
    char *path;
    struct store_error error;
    size_t n_stmts;
    struct store_stmt *stmts[STMTS_MAX];
};

/* ---- errors ---- */

/* How to mend what an errno stands for here; %s is the file. */
static const struct remedy {
    int code;
    const char *what, *how;
} remedies[] = {
    {-ENOSPC, "the disk is full", "make room on the file system of %s (df), then try again"},
    {-EBADMSG, "damaged, or no SQLite database",
     "stop, move %s and its -wal away and put a copy back, or save what is readable: "
     "sqlite3 FILE .recover"},
    {-EBUSY, "locked by another process",
     "only one process may use it: find the other with `fuser %s` and stop it"},
    {-EROFS, "not writable",
     "give the daemon's user write permission on %s and its directory, or remount it writable"},
    {-EACCES, "permission denied",
     "give the daemon's user permission on %s and its directory (ls -l)"},
    {-ENOENT, "cannot be opened", "%s must be a file, or not exist, in a directory that does"},
    {-EPROTO, "made by a newer version of this program",
     "run that version, or put back the copy of %s from before the upgrade"},
    {-EIO, "the disk reports an error", "look at the kernel log and the disk under %s"},
    {-EEXIST, "there already", "choose another, or delete the present one first"},
    {-ENOMEM, "out of memory", "give the daemon more memory"},
};

static int errno_of(sqlite3 *sqlite, int rc)
{
    int sys = sqlite ? sqlite3_system_errno(sqlite) : 0;

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return sys == ENOSPC || sys == EDQUOT ? -ENOSPC : -EIO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        return sys == EACCES ? -EACCES : -ENOENT;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ? -EEXIST
                                                                                    : -EINVAL;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    default:
        return -EIO;
    }
}

static struct store_error error_make(const char *path, int code, const char *detail)
{
    struct store_error e = {.code = code};
    struct buf text = {e.text, 0, sizeof(e.text) - 1, false};
    struct buf remedy = {e.remedy, 0, sizeof(e.remedy) - 1, false};
    const struct remedy *r = NULL;

    for (size_t i = 0; i < ARRAY_LEN(remedies) && !r; i++)
        if (remedies[i].code == code)
            r = &remedies[i];
    buf_fmt(&text, "database %.120s: %s", path, r ? r->what : strerror(-code));
    if (detail)
        buf_fmt(&text, " (%.80s)", detail);
    for (const char *p = r ? r->how : ""; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            buf_puts(&remedy, path);
            p++;
        } else {
            buf_putc(&remedy, *p);
        }
    }
    return e;
}

static int fail(struct store_db *db, int rc)
{
    int code = errno_of(db->sqlite, rc);

    db->error = error_make(db->path, code, db->sqlite ? sqlite3_errmsg(db->sqlite) : NULL);
    return code;
}

const struct store_error *store_db_error(const struct store_db *db)
{
    return &db->error;
}

void store_db_error_clear(struct store_db *db)
{
    db->error.code = 0;
}

struct store_error store_error_of(const struct store_db *db, int rc)
{
    return db->error.code == rc ? db->error : error_make(db->path, rc, NULL);
}

bool store_db_broken(const struct store_db *db)
{
    return sqlite3_get_autocommit(db->sqlite) != 0;
}

/* ---- open, close ---- */

static int exec(struct store_db *db, const char *sql)
{
    int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(db, rc);
}

static int version_of(struct store_db *db, unsigned *ret_version)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, "PRAGMA user_version", -1, &st, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *ret_version = (unsigned)sqlite3_column_int(st, 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(st); /* its failure is that of the step */
    return rc == SQLITE_OK ? 0 : fail(db, rc);
}

static int migrate(struct store_db *db, const char *const *migrations, unsigned n)
{
    unsigned version = 0;
    int rc = version_of(db, &version);

    if (!rc && version > n) {
        db->error = error_make(db->path, -EPROTO, NULL);
        rc = -EPROTO;
    }
    for (; !rc && version < n; version++) {
        char pragma[48];

        (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", version + 1);
        rc = store_db_begin(db);
        if (!rc)
            rc = exec(db, migrations[version]);
        if (!rc)
            rc = exec(db, pragma);
        if (!rc)
            rc = store_db_commit(db);
        if (rc)
            store_db_rollback(db);
    }
    return rc;
}

/* It may hold keys of subscribers: readable for its owner only. SQLite gives -wal the same mode. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        (void)close(fd);
    /* A failure shows again, with its words, when SQLite opens the file. */
}

static int db_open(struct store_db *db, const char *const *migrations, unsigned n)
{
    int rc, flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    if (strcmp(db->path, ":memory:") != 0)
        make_private(db->path);
    rc = sqlite3_open_v2(db->path, &db->sqlite, flags, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc);
    (void)sqlite3_extended_result_codes(db->sqlite, 1);
    /* Exclusive: what rooms keep in memory would not see the changes of another process, so a
     * second daemon on the same file must fail at its start. */
    rc = exec(db, "PRAGMA locking_mode=EXCLUSIVE");
    if (!rc)
        rc = exec(db, "PRAGMA journal_mode=WAL");
    if (!rc)
        rc = exec(db, "PRAGMA synchronous=FULL");
    if (!rc)
        rc = exec(db, "PRAGMA foreign_keys=ON");
    if (!rc)
        rc = exec(db, "PRAGMA secure_delete=ON"); /* keys and tokens do not linger in free pages */
    return rc ? rc : migrate(db, migrations, n);
}

int store_db_open(const char *path, const char *const *migrations, unsigned n_migrations,
                  struct store_db **ret_db, struct store_error *ret_error)
{
    struct store_db *db = calloc(1, sizeof(*db));
    int rc;

    if (db)
        db->path = span_dup(span_str(path));
    if (!db || !db->path) {
        if (ret_error)
            *ret_error = error_make(path, -ENOMEM, NULL);
        free(db);
        return -ENOMEM;
    }
    rc = db_open(db, migrations, n_migrations);
    if (rc) {
        if (ret_error)
            *ret_error = db->error;
        store_db_close(db);
        return rc;
    }
    *ret_db = db;
    return 0;
}

void store_db_close(struct store_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->n_stmts; i++) {
        (void)sqlite3_finalize(db->stmts[i]->st); /* repeats the failure of its last step */
        free(db->stmts[i]);
    }
    /* Checkpoints; what could not be is in the -wal and read at the next start. */
    (void)sqlite3_close(db->sqlite);
    free(db->path);
    free(db);
}

/* ---- statements ---- */

static void stmt_reset(struct store_stmt *st)
{
    (void)sqlite3_reset(st->st); /* repeats the failure of its last step */
    (void)sqlite3_clear_bindings(st->st);
    st->bind_rc = SQLITE_OK;
}

struct store_stmt *store_db_stmt(struct store_db *db, const char *sql)
{
    struct store_stmt *st;
    int rc;

    for (size_t i = 0; i < db->n_stmts; i++)
        if (db->stmts[i]->sql == sql) {
            stmt_reset(db->stmts[i]);
            return db->stmts[i];
        }
    assert(db->n_stmts < STMTS_MAX);
    st = calloc(1, sizeof(*st));
    if (!st) {
        db->error = error_make(db->path, -ENOMEM, NULL);
        return NULL;
    }
    rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->st, NULL);
    if (rc != SQLITE_OK) {
        (void)fail(db, rc);
        free(st);
        return NULL;
    }
    st->db = db;
    st->sql = sql;
    db->stmts[db->n_stmts++] = st;
    return st;
}

static void bound(struct store_stmt *st, int rc)
{
    if (st->bind_rc == SQLITE_OK)
        st->bind_rc = rc;
}

void store_bind_int(struct store_stmt *st, int at, int64_t v)
{
    bound(st, sqlite3_bind_int64(st->st, at, v));
}

void store_bind_text(struct store_stmt *st, int at, struct span s)
{
    bound(st, s.p ? sqlite3_bind_text64(st->st, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8)
                  : sqlite3_bind_null(st->st, at));
}

void store_bind_blob(struct store_stmt *st, int at, struct span s)
{
    bound(st, s.p ? sqlite3_bind_blob64(st->st, at, s.p, s.n, SQLITE_STATIC)
                  : sqlite3_bind_null(st->st, at));
}

int store_step(struct store_stmt *st)
{
    int rc = st->bind_rc;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st->st);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        rc = fail(st->db, rc);
    else
        rc = 0;
    stmt_reset(st); /* an open statement would hold up the commit */
    return rc;
}

int store_exec(struct store_stmt *st)
{
    int rc;

    do
        rc = store_step(st);
    while (rc == 1);
    return rc;
}

int64_t store_column_int(struct store_stmt *st, int at)
{
    return sqlite3_column_int64(st->st, at);
}

struct span store_column_text(struct store_stmt *st, int at)
{
    const unsigned char *p = sqlite3_column_text(st->st, at);

    return span_of(p, p ? (size_t)sqlite3_column_bytes(st->st, at) : 0);
}

struct span store_column_blob(struct store_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st->st, at);

    return span_of(p, p ? (size_t)sqlite3_column_bytes(st->st, at) : 0);
}

bool store_column_null(struct store_stmt *st, int at)
{
    return sqlite3_column_type(st->st, at) == SQLITE_NULL;
}

int64_t store_db_changes(struct store_db *db)
{
    return sqlite3_changes64(db->sqlite);
}

int64_t store_db_last_id(struct store_db *db)
{
    return sqlite3_last_insert_rowid(db->sqlite);
}

/* ---- transactions ---- */

static int run(struct store_db *db, const char *sql)
{
    struct store_stmt *st = store_db_stmt(db, sql);

    return st ? store_exec(st) : db->error.code;
}

int store_db_begin(struct store_db *db)
{
    return run(db, "BEGIN IMMEDIATE");
}

int store_db_commit(struct store_db *db)
{
    return run(db, "COMMIT");
}

void store_db_rollback(struct store_db *db)
{
    struct store_error error = db->error; /* the reason for it is what matters */

    if (!store_db_broken(db))
        (void)run(db, "ROLLBACK");
    db->error = error;
}
