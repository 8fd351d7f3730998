/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/store/inner.h"

/* Bounds the time a batch takes and so the wait of whoever comes next. */
enum { BATCH_MAX = 1024 };

struct store {
    struct loop *loop;
    struct store_db *db;
    struct loop_thread *thread;
    struct loop_task kick; /* the requests of one turn start together */
    struct loop_job job;
    struct list queue, batch;
    unsigned limit;
    bool busy, closing;
    struct store_error error; /* of the batch */
    struct store_stats stats;
};

/* ---- on the store's thread ---- */

static void request_fail(struct store *s, struct store_request *r, int rc)
{
    r->rc = rc;
    r->error = malloc(sizeof(*r->error));
    if (r->error)
        *r->error = store_error_of(s->db, rc);
}

/* One request inside the transaction, undone alone when it fails. */
static void request_run(struct store *s, struct store_request *r)
{
    static const char savepoint[] = "SAVEPOINT request", release[] = "RELEASE request",
                      undo[] = "ROLLBACK TO request";
    struct store_stmt *st = store_db_stmt(s->db, savepoint);
    int rc = st ? store_exec(st) : store_db_error(s->db)->code;

    if (!rc)
        rc = r->run(r, s->db);
    if (rc) {
        request_fail(s, r, rc);
        if (store_db_broken(s->db))
            return;
        st = store_db_stmt(s->db, undo);
        if (st)
            (void)store_exec(st); /* a failure leaves the commit to fail */
    }
    st = store_db_stmt(s->db, release);
    if (st)
        (void)store_exec(st);
}

/* A batch that fails as a whole: none of it is on the disk. */
static void batch_fail(struct store *s, int rc)
{
    s->error = store_error_of(s->db, rc);
    store_db_rollback(s->db);
    LIST_EACH (it, &s->batch) {
        struct store_request *r = CONTAINER_OF(it, struct store_request, item);

        if (r->rc == 0)
            r->rc = rc;
    }
}

static void batch_run(struct loop_job *job)
{
    struct store *s = CONTAINER_OF(job, struct store, job);
    int rc;

    store_db_error_clear(s->db);
    rc = store_db_begin(s->db);
    if (rc) {
        batch_fail(s, rc);
        return;
    }
    LIST_EACH (it, &s->batch) {
        struct store_request *r = CONTAINER_OF(it, struct store_request, item);

        store_db_error_clear(s->db);
        request_run(s, r);
        if (store_db_broken(s->db)) { /* a full disk undoes what came before as well */
            batch_fail(s, r->rc ? r->rc : -EIO);
            return;
        }
    }
    store_db_error_clear(s->db);
    rc = store_db_commit(s->db);
    if (rc)
        batch_fail(s, rc);
}

/* ---- on the loop ---- */

static void batch_take(struct store *s)
{
    for (unsigned n = 0; n < BATCH_MAX && !list_empty(&s->queue); n++) {
        struct list *item = s->queue.next;

        list_del(item);
        list_add_tail(&s->batch, item);
    }
}

static void batch_start(struct store *s)
{
    if (s->busy || s->closing || list_empty(&s->queue))
        return;
    batch_take(s);
    s->busy = true;
    if (loop_thread_submit(s->thread, &s->job) == 0)
        return;
    /* Out of memory: one job is out at most, so it cannot be the limit. Try in the next turn. */
    s->busy = false;
    while (!list_empty(&s->batch)) {
        struct list *last = s->batch.prev, *first = s->queue.next;

        list_del(last);
        list_add_tail(first, last); /* before the first */
    }
    loop_defer(s->loop, &s->kick);
}

static void batch_deliver(struct store *s)
{
    unsigned n = 0;

    while (!list_empty(&s->batch)) {
        struct store_request *r = CONTAINER_OF(s->batch.next, struct store_request, item);
        struct store_error *own = r->error;

        list_del(&r->item);
        n++;
        s->stats.waiting--;
        s->stats.requests++;
        s->stats.failed += r->rc != 0;
        r->done(r, r->rc, own ? own : &s->error);
        free(own);
    }
    s->stats.batches++;
    if (n > s->stats.largest)
        s->stats.largest = n;
}

static void batch_done(struct loop_job *job)
{
    struct store *s = CONTAINER_OF(job, struct store, job);

    batch_deliver(s);
    s->busy = false;
    batch_start(s);
}

static void on_kick(struct loop_task *task, void *ctx)
{
    (void)task;
    batch_start(ctx);
}

int store_new(struct loop *l, struct store_db *db, unsigned limit, struct store **ret_store)
{
    struct store *s = calloc(1, sizeof(*s));
    int rc = s ? loop_thread_new(l, "store", 1, &s->thread) : -ENOMEM;

    if (rc) {
        free(s);
        store_db_close(db);
        return rc;
    }
    s->loop = l;
    s->db = db;
    s->limit = limit;
    s->job = (struct loop_job){.run = batch_run, .done = batch_done};
    loop_task_init(&s->kick, on_kick, s);
    list_init(&s->queue);
    list_init(&s->batch);
    *ret_store = s;
    return 0;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    s->closing = true;
    loop_task_cancel(&s->kick);
    loop_thread_free(s->thread);
    while (!list_empty(&s->queue)) { /* a done may ask for more */
        batch_take(s);
        batch_run(&s->job);
        batch_deliver(s);
    }
    store_db_close(s->db);
    free(s);
}

int store_submit(struct store *s, struct store_request *r)
{
    if (s->stats.waiting >= s->limit)
        return -EBUSY;
    r->rc = 0;
    r->error = NULL;
    list_add_tail(&s->queue, &r->item);
    s->stats.waiting++;
    if (!s->busy && !s->closing)
        loop_defer(s->loop, &s->kick);
    return 0;
}

void store_stats_get(const struct store *s, struct store_stats *ret_stats)
{
    *ret_stats = s->stats;
}
