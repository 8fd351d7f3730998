/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vectors, and the sequence numbers that are persisted ahead of them (see the card). */
#include <errno.h>
#include <stdlib.h>

#include "scscf/subscribers/inner.h"

/* The row of one subscriber moves on. Outlives the entry when that is deleted meanwhile. */
struct sqn_write {
    struct store_request request;
    struct subscribers *subscribers;
    struct entry *entry; /* NULL: deleted */
    int64_t id, starts;
    uint64_t sqn;
};

void sqn_row_is(const struct subscribers *s, struct entry *e, uint64_t sqn)
{
    e->seq_bound = (sqn >> s->sqn.ind_bits) + SUBSCRIBERS_SQN_BLOCK;
}

void sqn_forget(struct entry *e)
{
    if (e->write)
        e->write->entry = NULL;
}

static void row_write(struct subscribers *s, struct entry *e);

static int write_run(struct store_request *r, struct store_db *db)
{
    static const char sql[] = "UPDATE subscriber SET sqn = ?2, starts = ?3 WHERE id = ?1";
    const struct sqn_write *w = CONTAINER_OF(r, struct sqn_write, request);
    struct store_stmt *st = store_db_stmt(db, sql);

    if (!st)
        return store_db_error(db)->code;
    store_bind_int(st, 1, w->id);
    store_bind_int(st, 2, (int64_t)w->sqn);
    store_bind_int(st, 3, w->starts);
    return store_exec(st);
}

/* Told once, not for each phone. */
static void disk_said(struct subscribers *s, int rc, const struct store_error *error)
{
    struct subscribers_error e = {0};

    if (s->stats.disk_refuses == (rc != 0))
        return;
    s->stats.disk_refuses = rc != 0;
    if (rc)
        error_of_store(&e, error);
    if (s->alarm)
        s->alarm(s->ctx, &e);
}

static void write_done(struct store_request *r, int rc, const struct store_error *error)
{
    struct sqn_write *w = CONTAINER_OF(r, struct sqn_write, request);
    struct subscribers *s = w->subscribers;
    struct entry *e = w->entry;

    /* The next vector tries again, and at the bound the phone is refused. */
    disk_said(s, rc, error);
    if (rc)
        s->stats.write_errors++;
    else
        s->stats.sqn_writes++;
    if (e) {
        e->write = NULL;
        if (e->rewrite)
            row_write(s, e);
        else if (!rc)
            sqn_row_is(s, e, w->sqn);
    }
    free(w);
}

/* Failing changes nothing but the number of vectors until the bound. */
static void row_write(struct subscribers *s, struct entry *e)
{
    struct sqn_write *w = malloc(sizeof(*w));

    if (!w)
        return;
    *w = (struct sqn_write){.request = {.run = write_run, .done = write_done},
                            .subscribers = s,
                            .entry = e,
                            .id = e->id,
                            .starts = s->starts,
                            .sqn = e->sqn};
    if (store_submit(s->store, &w->request)) {
        free(w);
        return;
    }
    e->write = w;
    e->rewrite = false;
}

int subscribers_vector_take(struct subscribers *s, struct span impi, struct aka_vector *ret_vector)
{
    struct entry *e = index_find(s, impi);
    uint64_t sqn, seq;
    int rc;

    if (!e || !e->pub.has_aka)
        return e ? -ENOKEY : -ENOENT;
    rc = aka_sqn_next(&s->sqn, e->sqn, &sqn);
    if (rc)
        return rc;
    seq = sqn >> s->sqn.ind_bits;
    if (e->rewrite || seq + SUBSCRIBERS_SQN_BLOCK / 2 > e->seq_bound)
        if (!e->write)
            row_write(s, e);
    if (seq > e->seq_bound) {
        s->stats.sqn_waits++;
        return -EAGAIN;
    }
    rc = aka_vector_make(s->auth, &e->key, sqn, s->avoid_nul_res, ret_vector);
    if (rc)
        return rc;
    e->sqn = sqn;
    s->stats.vectors++;
    return 0;
}

int subscribers_resync(struct subscribers *s, struct span impi, const uint8_t rand[AKA_RAND_LEN],
                       const uint8_t auts[AKA_AUTS_LEN])
{
    struct entry *e = index_find(s, impi);
    uint64_t sqn;
    int rc;

    if (!e || !e->pub.has_aka)
        return e ? -ENOKEY : -ENOENT;
    rc = aka_resync(s->auth, &s->sqn, &e->key, rand, auts, e->sqn, &sqn);
    if (rc)
        return rc;
    s->stats.resyncs++;
    if (sqn == e->sqn)
        return 0;
    /* The card's own number needs no promise of the disk: what it says is what it last took. */
    e->sqn = sqn;
    sqn_row_is(s, e, sqn);
    e->rewrite = true;
    if (!e->write)
        row_write(s, e);
    return 0;
}

void subscribers_stats_get(const struct subscribers *s, struct subscribers_stats *ret_stats)
{
    *ret_stats = s->stats;
}
