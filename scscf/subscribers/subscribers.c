/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database: schema, loading at start, changes. */
#include "scscf/subscribers/subscribers.h"

#include <errno.h>
#include <stdlib.h>

#include "scscf/subscribers/inner.h"

enum { LIMIT_DEFAULT = 4000000, QUEUE_DEFAULT = 4096 };

static const char *const schema[] = {
    "CREATE TABLE start (n INTEGER NOT NULL);"
    "INSERT INTO start VALUES (0);"
    "CREATE TABLE subscriber ("
    "  id INTEGER PRIMARY KEY, impi TEXT NOT NULL UNIQUE,"
    "  k BLOB, opc BLOB, amf BLOB,"                    /* NULL: no card */
    "  sqn INTEGER NOT NULL, starts INTEGER NOT NULL," /* start.n when sqn was written */
    "  ha1 TEXT, realm TEXT,"                          /* NULL: no password */
    "  display_name TEXT NOT NULL, media INTEGER NOT NULL,"
    "  barred_out INTEGER NOT NULL, barred_in INTEGER NOT NULL);"
    "CREATE TABLE identity ("
    "  uri TEXT PRIMARY KEY, barred INTEGER NOT NULL, position INTEGER NOT NULL,"
    "  subscriber INTEGER NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE"
    ") WITHOUT ROWID;"
    "CREATE INDEX identity_of ON identity (subscriber, position);"};

/* ---- loading ---- */

enum {
    COL_ID,
    COL_IMPI,
    COL_K,
    COL_OPC,
    COL_AMF,
    COL_SQN,
    COL_STARTS,
    COL_HA1,
    COL_REALM,
    COL_NAME,
    COL_MEDIA,
    COL_BARRED_OUT,
    COL_BARRED_IN
};

/* Counts this start; the numbers of a start never meet those of another. */
static int count_start(struct subscribers *s, struct store_db *db)
{
    struct store_stmt *st = store_db_stmt(db, "UPDATE start SET n = n + 1");
    int rc = st ? store_exec(st) : store_db_error(db)->code;

    if (rc)
        return rc;
    st = store_db_stmt(db, "SELECT n FROM start");
    rc = st ? store_step(st) : store_db_error(db)->code;
    if (rc == 1) {
        s->starts = store_column_int(st, 0);
        rc = store_step(st);
    }
    return rc;
}

static int load_impus(struct store_db *db, int64_t id, struct subscriber_impu *impu,
                      struct arena *text, unsigned *ret_n)
{
    struct store_stmt *st = store_db_stmt(
        db, "SELECT uri, barred FROM identity WHERE subscriber = ?1 ORDER BY position");
    unsigned n = 0;
    int rc;

    if (!st)
        return store_db_error(db)->code;
    store_bind_int(st, 1, id);
    while ((rc = store_step(st)) == 1) {
        if (n == SUBSCRIBER_IMPUS)
            continue;
        impu[n].uri = arena_copy(text, store_column_text(st, 0));
        impu[n].barred = store_column_int(st, 1) != 0;
        n++;
    }
    *ret_n = n;
    return rc;
}

static void copy_blob(struct store_stmt *st, int col, void *dst, size_t n)
{
    struct span blob = store_column_blob(st, col);

    if (blob.n == n)
        memcpy(dst, blob.p, n);
}

/* One row; text only lives until the next. */
static int load_row(struct subscribers *s, struct store_db *db, struct store_stmt *st,
                    struct arena *text)
{
    struct subscriber_impu impu[SUBSCRIBER_IMPUS];
    struct subscriber pub = {.impi = store_column_text(st, COL_IMPI),
                             .impu = impu,
                             .display_name = store_column_text(st, COL_NAME),
                             .media = (unsigned)store_column_int(st, COL_MEDIA),
                             .barred_out = store_column_int(st, COL_BARRED_OUT) != 0,
                             .barred_in = store_column_int(st, COL_BARRED_IN) != 0,
                             .has_aka = !store_column_null(st, COL_K),
                             .has_digest = !store_column_null(st, COL_HA1),
                             .realm = store_column_text(st, COL_REALM)};
    int64_t missed = s->starts - store_column_int(st, COL_STARTS);
    struct entry *e;
    int rc;

    arena_reset(text);
    rc = load_impus(db, store_column_int(st, COL_ID), impu, text, &pub.n_impu);
    if (rc)
        return rc;
    if (pub.n_impu == 0)
        return -EBADMSG;
    e = entry_new(&pub);
    if (!e)
        return -ENOMEM;
    e->id = store_column_int(st, COL_ID);
    copy_blob(st, COL_K, e->key.k, AKA_KEY_LEN);
    copy_blob(st, COL_OPC, e->key.opc, AKA_KEY_LEN);
    copy_blob(st, COL_AMF, e->key.amf, AKA_AMF_LEN);
    copy_blob(st, COL_HA1, e->ha1.hex, DIGEST_HEX_LEN);
    /* Each start since may have used a block beyond the row. */
    e->sqn = aka_sqn_skip(&s->sqn, (uint64_t)store_column_int(st, COL_SQN),
                          (uint64_t)missed * SUBSCRIBERS_SQN_BLOCK);
    sqn_row_is(s, e, e->sqn);
    rc = index_add(s, e);
    if (rc)
        entry_free(e);
    return rc;
}

static int load(struct subscribers *s, struct store_db *db)
{
    struct store_stmt *st;
    struct arena text;
    int rc = count_start(s, db);

    if (rc)
        return rc;
    st = store_db_stmt(db, "SELECT id, impi, k, opc, amf, sqn, starts, ha1, realm, display_name, "
                           "media, barred_out, barred_in FROM subscriber");
    if (!st)
        return store_db_error(db)->code;
    arena_init(&text, 64 * 1024);
    while ((rc = store_step(st)) == 1) {
        rc = load_row(s, db, st, &text);
        if (rc)
            break;
    }
    arena_fini(&text);
    return rc;
}

static int open_and_load(struct subscribers *s, struct loop *l,
                         const struct subscribers_config *config,
                         struct subscribers_error *ret_error)
{
    struct store_error error = {0};
    struct store_db *db = NULL;
    int rc = store_db_open(config->path, schema, ARRAY_LEN(schema), &db, &error);

    if (rc) {
        error_of_store(ret_error, &error);
        return rc;
    }
    rc = load(s, db);
    if (rc) {
        if (store_db_error(db)->code == rc)
            error_of_store(ret_error, store_db_error(db));
        else
            error_set(ret_error, rc,
                      rc == -ENOSPC ? "raise the limit of subscribers in the configuration"
                                    : "look at the database with sqlite3, or put a copy back",
                      "database %.120s: subscribers cannot be loaded: %s", config->path,
                      strerror(-rc));
        store_db_close(db);
        return rc;
    }
    rc = store_new(l, db, config->queue_limit ? config->queue_limit : QUEUE_DEFAULT, &s->store);
    if (rc)
        error_set(ret_error, rc, "give the daemon more memory", "%s", strerror(-rc));
    return rc;
}

int subscribers_new(struct loop *l, const struct subscribers_config *config,
                    struct subscribers **ret_subscribers, struct subscribers_error *ret_error)
{
    struct subscribers *s = calloc(1, sizeof(*s));
    int rc;

    if (s) {
        s->auth = config->auth;
        s->sqn = config->sqn.ind_count ? config->sqn : aka_sqn_default;
        s->avoid_nul_res = config->avoid_nul_res;
        s->alarm = config->alarm;
        s->ctx = config->ctx;
        s->limit = config->limit ? config->limit : LIMIT_DEFAULT;
    }
    rc = s ? index_init(s, config->rnd) : -ENOMEM;
    if (rc) {
        error_set(ret_error, rc, "give the daemon more memory", "out of memory");
        free(s);
        return rc;
    }
    rc = open_and_load(s, l, config, ret_error);
    if (rc) {
        index_fini(s);
        free(s);
        return rc;
    }
    *ret_subscribers = s;
    return 0;
}

void subscribers_free(struct subscribers *s)
{
    if (!s)
        return;
    store_free(s->store);
    index_fini(s);
    free(s);
}
