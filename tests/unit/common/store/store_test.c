/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/support/suite.h"

static const char *const schema[] = {
    "CREATE TABLE fruit (name TEXT PRIMARY KEY, weight INTEGER, seed BLOB);",
    "ALTER TABLE fruit ADD COLUMN colour TEXT; INSERT INTO fruit (name, colour) "
    "VALUES ('apple', 'red');"};

static const char insert_sql[] = "INSERT INTO fruit (name, weight) VALUES (?1, ?2)";
static const char count_sql[] = "SELECT count(*) FROM fruit";

/* A directory of its own for a test, with one file of interest. */
static char dir[TEST_FOLDER_MAX];
static char path[64];

static void files_begin(void)
{
    test_folder(dir);
    (void)snprintf(path, sizeof(path), "%s/x.db", dir);
}

static void files_end(void)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char name[80];

    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, tails[i]);
        (void)unlink(name);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static struct store_db *open_db(const char *file, unsigned version)
{
    struct store_db *db = NULL;
    struct store_error e = {0};

    CU_ASSERT_EQUAL_FATAL(store_db_open(file, schema, version, &db, &e), 0);
    return db;
}

static int64_t count(struct store_db *db)
{
    struct store_stmt *st = store_db_stmt(db, count_sql);
    int64_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(st);
    CU_ASSERT_EQUAL(store_step(st), 1);
    n = store_column_int(st, 0);
    CU_ASSERT_EQUAL(store_step(st), 0);
    return n;
}

static int insert(struct store_db *db, const char *name, int64_t weight)
{
    struct store_stmt *st = store_db_stmt(db, insert_sql);

    CU_ASSERT_PTR_NOT_NULL_FATAL(st);
    store_bind_text(st, 1, span_str(name));
    store_bind_int(st, 2, weight);
    return store_exec(st);
}

/* ---- opening ---- */

static void each_migration_runs_once_and_in_order(void)
{
    struct store_db *db;

    files_begin();
    db = open_db(path, 1);
    CU_ASSERT_EQUAL(count(db), 0);
    store_db_close(db);
    db = open_db(path, 2); /* the upgrade adds a row */
    CU_ASSERT_EQUAL(count(db), 1);
    store_db_close(db);
    db = open_db(path, 2);
    CU_ASSERT_EQUAL(count(db), 1);
    store_db_close(db);
    files_end();
}

static void a_migration_that_fails_leaves_the_version_before_it(void)
{
    static const char *const broken[] = {
        "CREATE TABLE fruit (name TEXT);",
        "CREATE TABLE basket (x); INSERT INTO nowhere VALUES (1);"};
    struct store_db *db = NULL;
    struct store_error e = {0};

    files_begin();
    CU_ASSERT_EQUAL(store_db_open(path, broken, 2, &db, &e), -EIO);
    CU_ASSERT_PTR_NULL(db);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "nowhere"));
    db = open_db(path, 1); /* version 1 is there, and no half of version 2 */
    CU_ASSERT_PTR_NULL(store_db_stmt(db, "SELECT * FROM basket"));
    CU_ASSERT_PTR_NOT_NULL(store_db_stmt(db, "SELECT * FROM fruit"));
    store_db_close(db);
    files_end();
}

static void what_prevents_opening_is_named_with_its_remedy(void)
{
    struct store_db *db = NULL, *other;
    struct store_error e = {0};
    FILE *f;

    files_begin();
    other = open_db(path, 2);
    CU_ASSERT_EQUAL(store_db_open(path, schema, 2, &db, &e), -EBUSY);
    CU_ASSERT_EQUAL(e.code, -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "locked"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.remedy, path));
    store_db_close(other);

    CU_ASSERT_EQUAL(store_db_open(path, schema, 1, &db, &e), -EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "newer version"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, path));

    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is a shopping list\n", f);
    (void)fclose(f);
    CU_ASSERT_EQUAL(store_db_open(path, schema, 2, &db, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "no SQLite database"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.remedy, "recover"));
    files_end();

    CU_ASSERT_EQUAL(store_db_open("/nonexistent/x.db", schema, 2, &db, &e), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.remedy, "/nonexistent/x.db must be a file"));
    CU_ASSERT_PTR_NULL(db);
}

static void the_file_is_for_its_owner_only(void)
{
    struct store_db *db;
    struct stat st;

    files_begin();
    db = open_db(path, 2);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    store_db_close(db);
    files_end();
}

/* ---- statements ---- */

static void values_come_back_as_they_went_in(void)
{
    struct store_db *db = open_db(":memory:", 2);
    struct store_stmt *st =
        store_db_stmt(db, "INSERT INTO fruit (name, weight, seed) VALUES (?, ?, ?)");

    CU_ASSERT_PTR_NOT_NULL_FATAL(st);
    store_bind_text(st, 1, SPAN("pear"));
    store_bind_int(st, 2, INT64_MIN);
    store_bind_blob(st, 3, SPAN("a\0b"));
    CU_ASSERT_EQUAL(store_exec(st), 0);
    st = store_db_stmt(db, "SELECT name, weight, seed, colour FROM fruit WHERE name = ?");
    CU_ASSERT_PTR_NOT_NULL_FATAL(st);
    store_bind_text(st, 1, SPAN("pear"));
    CU_ASSERT_EQUAL(store_step(st), 1);
    ASSERT_SPAN_EQ(store_column_text(st, 0), "pear");
    CU_ASSERT_EQUAL(store_column_int(st, 1), INT64_MIN);
    CU_ASSERT(span_eq(store_column_blob(st, 2), SPAN("a\0b")));
    CU_ASSERT(store_column_null(st, 3));
    CU_ASSERT_PTR_NULL(store_column_text(st, 3).p);
    CU_ASSERT_EQUAL(store_step(st), 0);
    store_db_close(db);
}

static void a_value_that_is_there_already_is_refused_by_name(void)
{
    struct store_db *db = open_db(":memory:", 2);

    CU_ASSERT_EQUAL(insert(db, "apple", 1), -EEXIST);
    CU_ASSERT_EQUAL(store_db_error(db)->code, -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(store_db_error(db)->text, "fruit.name"));
    CU_ASSERT_EQUAL(insert(db, "pear", 1), 0);
    CU_ASSERT_EQUAL(store_db_changes(db), 1);
    store_db_close(db);
}

static void a_value_is_not_carried_over_to_the_next_use(void)
{
    struct store_db *db = open_db(":memory:", 2);
    struct store_stmt *st;

    CU_ASSERT_EQUAL(insert(db, "pear", 77), 0);
    st = store_db_stmt(db, insert_sql);
    store_bind_text(st, 1, SPAN("fig"));
    CU_ASSERT_EQUAL(store_exec(st), 0);
    st = store_db_stmt(db, "SELECT weight FROM fruit WHERE name = 'fig'");
    CU_ASSERT_EQUAL(store_step(st), 1);
    CU_ASSERT(store_column_null(st, 0));
    store_db_close(db);
}

/* ---- requests ---- */

struct op {
    struct store_request r;
    const char *name;
    int demand; /* rc to give after writing */
    int rc, order;
    char text[256];
    struct store *more; /* asks for another one in its done */
    struct op *then;
};

static int done_count;

static int op_run(struct store_request *r, struct store_db *db)
{
    struct op *op = CONTAINER_OF(r, struct op, r);
    int rc = insert(db, op->name, 1);

    return rc ? rc : op->demand;
}

static void op_done(struct store_request *r, int rc, const struct store_error *error)
{
    struct op *op = CONTAINER_OF(r, struct op, r);

    op->rc = rc;
    op->order = ++done_count;
    if (rc) {
        CU_ASSERT_EQUAL(error->code, rc);
        (void)snprintf(op->text, sizeof(op->text), "%s", error->text);
    }
    if (op->then)
        CU_ASSERT_EQUAL(store_submit(op->more, &op->then->r), 0);
}

static struct op op_of(const char *name)
{
    return (struct op){.r = {.run = op_run, .done = op_done}, .name = name, .rc = 1};
}

struct world {
    struct sim *sim;
    struct loop *loop;
    struct store *store;
    struct store_stats stats;
};

static struct world world_of(const char *const *migrations, unsigned n, unsigned limit)
{
    struct world w = {0};
    struct store_db *db = NULL;

    done_count = 0;
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &w.sim), 0);
    w.loop = sim_loop(w.sim, "one");
    CU_ASSERT_EQUAL_FATAL(store_db_open(":memory:", migrations, n, &db, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(store_new(w.loop, db, limit, &w.store), 0);
    return w;
}

static void world_end(struct world *w)
{
    store_free(w->store);
    sim_free(w->sim);
}

static void the_requests_of_a_turn_are_one_transaction(void)
{
    struct world w = world_of(schema, 2, 100);
    struct op ops[5] = {op_of("a"), op_of("b"), op_of("c"), op_of("d"), op_of("e")};

    sim_thread_latency(w.sim, 3 * MSEC);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(store_submit(w.store, &ops[i].r), 0);
    CU_ASSERT_EQUAL(done_count, 0);
    sim_run(w.sim, 2 * MSEC);
    CU_ASSERT_EQUAL(done_count, 0); /* not before the disk has it */
    sim_run(w.sim, 10 * MSEC);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(ops[i].rc, 0);
        CU_ASSERT_EQUAL(ops[i].order, i + 1);
    }
    store_stats_get(w.store, &w.stats);
    CU_ASSERT_EQUAL(w.stats.batches, 1);
    CU_ASSERT_EQUAL(w.stats.largest, 5);
    CU_ASSERT_EQUAL(w.stats.waiting, 0);
    world_end(&w);
}

static void what_comes_while_the_disk_works_is_the_next_transaction(void)
{
    struct world w = world_of(schema, 2, 100);
    struct op a = op_of("a"), b = op_of("b"), c = op_of("c");

    sim_thread_latency(w.sim, 5 * MSEC);
    a.more = w.store;
    a.then = &c;
    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    sim_run(w.sim, 2 * MSEC);
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    sim_run(w.sim, 4 * MSEC);
    CU_ASSERT_EQUAL(done_count, 1);
    sim_run(w.sim, 5 * MSEC);
    CU_ASSERT_EQUAL(done_count, 3);
    store_stats_get(w.store, &w.stats);
    CU_ASSERT_EQUAL(w.stats.batches, 2);
    world_end(&w);
}

static int64_t rows_now;

static int count_run(struct store_request *r, struct store_db *db)
{
    (void)r;
    rows_now = count(db);
    return 0;
}

static void a_request_that_fails_is_undone_alone(void)
{
    struct world w = world_of(schema, 1, 100);
    struct op a = op_of("a"), b = op_of("b"), again = op_of("a"), c = op_of("c");
    struct op counting = {.r = {.run = count_run, .done = op_done}};

    b.demand = -ENOENT; /* wrote, then found that it may not */
    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &again.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &c.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(a.rc, 0);
    CU_ASSERT_EQUAL(b.rc, -ENOENT);
    CU_ASSERT_EQUAL(again.rc, -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(again.text, "fruit.name"));
    CU_ASSERT_EQUAL(c.rc, 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &counting.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(rows_now, 2);
    store_stats_get(w.store, &w.stats);
    CU_ASSERT_EQUAL(w.stats.failed, 2);
    b.demand = 0; /* the same request once more */
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(b.rc, 0);
    world_end(&w);
}

static void a_commit_that_fails_fails_every_request_of_it(void)
{
    static const char *const deferred[] = {
        "CREATE TABLE basket (id INTEGER PRIMARY KEY);"
        "CREATE TABLE fruit (name TEXT PRIMARY KEY, weight INTEGER "
        "REFERENCES basket (id) DEFERRABLE INITIALLY DEFERRED);"};
    struct world w = world_of(deferred, 1, 100);
    struct op a = op_of("a"), b = op_of("b");
    struct op counting = {.r = {.run = count_run, .done = op_done}};

    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(a.rc, -EINVAL);
    CU_ASSERT_EQUAL(b.rc, -EINVAL);
    CU_ASSERT_EQUAL(store_submit(w.store, &counting.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(counting.rc, 0); /* and the next one works */
    CU_ASSERT_EQUAL(rows_now, 0);
    world_end(&w);
}

static int big_run(struct store_request *r, struct store_db *db)
{
    struct store_stmt *st =
        store_db_stmt(db, "INSERT INTO fruit (name, seed) VALUES ('melon', zeroblob(300000))");

    (void)r;
    return store_exec(st);
}

static void a_full_disk_is_named_and_what_follows_works(void)
{
    static const char *const small[] = {
        "PRAGMA max_page_count = 20;"
        "CREATE TABLE fruit (name TEXT PRIMARY KEY, weight INTEGER, seed BLOB);"};
    struct world w = world_of(small, 1, 100);
    struct op a = op_of("a"), b = op_of("b");
    struct op big = {.r = {.run = big_run, .done = op_done}};
    struct op counting = {.r = {.run = count_run, .done = op_done}};

    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &big.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(big.rc, -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(big.text, "disk is full"));
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &counting.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(b.rc, 0);
    /* Whoever was told 0 is there. */
    CU_ASSERT_EQUAL(rows_now, (a.rc == 0) + (b.rc == 0));
    world_end(&w);
}

/* As SQLite does by itself on a full disk in the worst case. */
static int rollback_run(struct store_request *r, struct store_db *db)
{
    (void)r;
    CU_ASSERT_EQUAL(store_exec(store_db_stmt(db, "ROLLBACK")), 0);
    return -ENOSPC;
}

static void a_transaction_lost_is_a_failure_of_all_its_requests(void)
{
    struct world w = world_of(schema, 1, 100);
    struct op a = op_of("a"), c = op_of("c");
    struct op lost = {.r = {.run = rollback_run, .done = op_done}};
    struct op counting = {.r = {.run = count_run, .done = op_done}};

    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &lost.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &c.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(a.rc, -ENOSPC);
    CU_ASSERT_EQUAL(lost.rc, -ENOSPC);
    CU_ASSERT_EQUAL(c.rc, -ENOSPC);
    CU_ASSERT_EQUAL(store_submit(w.store, &counting.r), 0);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(rows_now, 0);
    world_end(&w);
}

static void the_queue_has_a_bound(void)
{
    struct world w = world_of(schema, 2, 2);
    struct op a = op_of("a"), b = op_of("b"), c = op_of("c");

    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    CU_ASSERT_EQUAL(store_submit(w.store, &c.r), -EBUSY);
    sim_run(w.sim, SEC);
    CU_ASSERT_EQUAL(store_submit(w.store, &c.r), 0);
    world_end(&w);
    CU_ASSERT_EQUAL(c.rc, 0);
}

static void freeing_finishes_what_was_asked_for(void)
{
    struct world w = world_of(schema, 2, 100);
    struct op a = op_of("a"), b = op_of("b"), c = op_of("c");

    sim_thread_latency(w.sim, SEC);
    b.more = w.store;
    b.then = &c;
    CU_ASSERT_EQUAL(store_submit(w.store, &a.r), 0);
    sim_run(w.sim, MSEC); /* a is with the disk, b waits, c comes from b's done */
    CU_ASSERT_EQUAL(store_submit(w.store, &b.r), 0);
    world_end(&w);
    CU_ASSERT_EQUAL(a.rc, 0);
    CU_ASSERT_EQUAL(b.rc, 0);
    CU_ASSERT_EQUAL(c.rc, 0);
}

static struct loop *real_loop;

static void stop_done(struct store_request *r, int rc, const struct store_error *error)
{
    op_done(r, rc, error);
    loop_stop(real_loop);
}

static void it_works_on_a_real_thread_and_a_real_file(void)
{
    struct store *s = NULL;
    struct store_db *db;
    struct op a = op_of("a"), b = op_of("b");

    files_begin();
    CU_ASSERT_EQUAL_FATAL(loop_new(&real_loop), 0);
    CU_ASSERT_EQUAL_FATAL(store_new(real_loop, open_db(path, 1), 10, &s), 0);
    b.r.done = stop_done;
    CU_ASSERT_EQUAL(store_submit(s, &a.r), 0);
    CU_ASSERT_EQUAL(store_submit(s, &b.r), 0);
    loop_run(real_loop);
    CU_ASSERT_EQUAL(a.rc, 0);
    CU_ASSERT_EQUAL(b.rc, 0);
    store_free(s);
    loop_free(real_loop);
    db = open_db(path, 1);
    CU_ASSERT_EQUAL(count(db), 2);
    store_db_close(db);
    files_end();
}

TEST_MAIN(
    "common/store",
    {"each migration runs once and in order", each_migration_runs_once_and_in_order},
    {"a migration that fails leaves the version before it",
     a_migration_that_fails_leaves_the_version_before_it},
    {"what prevents opening is named with its remedy",
     what_prevents_opening_is_named_with_its_remedy},
    {"the file is for its owner only", the_file_is_for_its_owner_only},
    {"values come back as they went in", values_come_back_as_they_went_in},
    {"a value that is there already is refused by name",
     a_value_that_is_there_already_is_refused_by_name},
    {"a value is not carried over to the next use", a_value_is_not_carried_over_to_the_next_use},
    {"the requests of a turn are one transaction", the_requests_of_a_turn_are_one_transaction},
    {"what comes while the disk works is the next transaction",
     what_comes_while_the_disk_works_is_the_next_transaction},
    {"a request that fails is undone alone", a_request_that_fails_is_undone_alone},
    {"a commit that fails fails every request of it",
     a_commit_that_fails_fails_every_request_of_it},
    {"a full disk is named and what follows works", a_full_disk_is_named_and_what_follows_works},
    {"a transaction lost is a failure of all its requests",
     a_transaction_lost_is_a_failure_of_all_its_requests},
    {"the queue has a bound", the_queue_has_a_bound},
    {"freeing finishes what was asked for", freeing_finishes_what_was_asked_for},
    {"it works on a real thread and a real file", it_works_on_a_real_thread_and_a_real_file})
