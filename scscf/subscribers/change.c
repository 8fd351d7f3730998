/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding, deleting, listing: on the disk first, then in memory, then done. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/subscribers/inner.h"

struct change {
    struct store_request request;
    struct subscribers *subscribers;
    struct entry *entry; /* add: to come into force */
    char impi[SUBSCRIBER_IMPI_MAX + 1];
    int64_t starts;
    subscribers_done_fn *done;
    void *ctx;
};

static int submit(struct subscribers *s, struct store_request *r,
                  struct subscribers_error *ret_error)
{
    int rc = store_submit(s->store, r);

    if (rc)
        error_set(ret_error, rc, "try again when the disk has caught up",
                  "too many changes wait for the disk");
    return rc;
}

static int no_memory(struct subscribers_error *ret_error)
{
    error_set(ret_error, -ENOMEM, "give the daemon more memory", "out of memory");
    return -ENOMEM;
}

/* ---- add ---- */

static int insert_impus(struct store_db *db, const struct entry *e)
{
    for (unsigned i = 0; i < e->pub.n_impu; i++) {
        struct store_stmt *st = store_db_stmt(
            db, "INSERT INTO identity (uri, barred, position, subscriber) VALUES (?, ?, ?, ?)");
        int rc;

        if (!st)
            return store_db_error(db)->code;
        store_bind_text(st, 1, e->impu[i].uri);
        store_bind_int(st, 2, e->impu[i].barred);
        store_bind_int(st, 3, i);
        store_bind_int(st, 4, e->id);
        rc = store_exec(st);
        if (rc)
            return rc;
    }
    return 0;
}

static struct span if_any(bool any, const void *p, size_t n)
{
    return any ? span_of(p, n) : SPAN_NONE;
}

static int add_run(struct store_request *r, struct store_db *db)
{
    const struct change *c = CONTAINER_OF(r, struct change, request);
    struct entry *e = c->entry;
    const struct subscriber *pub = &e->pub;
    struct store_stmt *st = store_db_stmt(
        db, "INSERT INTO subscriber (impi, k, opc, amf, sqn, starts, ha1, realm, display_name, "
            "media, barred_out, barred_in) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    int rc;

    if (!st)
        return store_db_error(db)->code;
    store_bind_text(st, 1, pub->impi);
    store_bind_blob(st, 2, if_any(pub->has_aka, e->key.k, AKA_KEY_LEN));
    store_bind_blob(st, 3, if_any(pub->has_aka, e->key.opc, AKA_KEY_LEN));
    store_bind_blob(st, 4, if_any(pub->has_aka, e->key.amf, AKA_AMF_LEN));
    store_bind_int(st, 5, (int64_t)e->sqn);
    store_bind_int(st, 6, c->starts);
    store_bind_text(st, 7, if_any(pub->has_digest, e->ha1.hex, DIGEST_HEX_LEN));
    store_bind_text(st, 8, if_any(pub->has_digest, pub->realm.p, pub->realm.n));
    store_bind_text(st, 9, pub->display_name);
    store_bind_int(st, 10, pub->media);
    store_bind_int(st, 11, pub->barred_out);
    store_bind_int(st, 12, pub->barred_in);
    rc = store_exec(st);
    if (rc)
        return rc;
    e->id = store_db_last_id(db); /* the entry is this thread's until done */
    return insert_impus(db, e);
}

static void add_done(struct store_request *r, int rc, const struct store_error *store_error)
{
    struct change *c = CONTAINER_OF(r, struct change, request);
    struct subscribers *s = c->subscribers;
    struct subscribers_error error = {0};

    s->adding--;
    if (rc) {
        error_of_store(&error, store_error);
        entry_free(c->entry);
    } else {
        sqn_row_is(s, c->entry, c->entry->sqn);
        rc = index_add(s, c->entry);
        if (rc) {
            error_set(&error, rc, "give the daemon more memory and restart it",
                      "subscriber %s is stored, but not in force: %s", c->impi, strerror(-rc));
            entry_free(c->entry);
        }
    }
    c->done(c->ctx, &error);
    free(c);
}

int subscribers_add(struct subscribers *s, const struct subscriber_spec *spec,
                    subscribers_done_fn *done, void *ctx, struct subscribers_error *ret_error)
{
    struct entry *e = NULL;
    struct change *c;
    int rc;

    if (s->by_impi.count + s->adding >= s->limit) {
        error_set(ret_error, -ENOSPC, "raise the limit of subscribers in the configuration",
                  "there are %zu subscribers, the limit", s->limit);
        return -ENOSPC;
    }
    rc = entry_of_spec(s, spec, &e, ret_error);
    if (rc)
        return rc;
    c = calloc(1, sizeof(*c));
    if (!c) {
        entry_free(e);
        return no_memory(ret_error);
    }
    c->request = (struct store_request){.run = add_run, .done = add_done};
    c->subscribers = s;
    c->entry = e;
    (void)span_copy(e->pub.impi, c->impi, sizeof(c->impi)); /* was checked to fit */
    c->starts = s->starts;
    c->done = done;
    c->ctx = ctx;
    rc = submit(s, &c->request, ret_error);
    if (rc) {
        entry_free(e);
        free(c);
        return rc;
    }
    s->adding++;
    return 0;
}

/* ---- delete ---- */

static int delete_run(struct store_request *r, struct store_db *db)
{
    const struct change *c = CONTAINER_OF(r, struct change, request);
    struct store_stmt *st = store_db_stmt(db, "DELETE FROM subscriber WHERE impi = ?1");
    int rc;

    if (!st)
        return store_db_error(db)->code;
    store_bind_text(st, 1, span_str(c->impi));
    rc = store_exec(st);
    return rc ? rc : store_db_changes(db) ? 0 : -ENOENT;
}

static void unknown(struct subscribers_error *ret_error, struct span impi)
{
    error_set(ret_error, -ENOENT, "subscriber list shows those there are",
              "there is no subscriber %.*s", (int)(impi.n < 128 ? impi.n : 128),
              impi.p ? impi.p : "");
}

static void delete_done(struct store_request *r, int rc, const struct store_error *store_error)
{
    struct change *c = CONTAINER_OF(r, struct change, request);
    struct subscribers_error error = {0};

    if (rc == 0) {
        struct entry *e = index_find(c->subscribers, span_str(c->impi));

        if (e) {
            index_del(c->subscribers, e);
            entry_free(e);
        }
    } else if (rc == -ENOENT) {
        unknown(&error, span_str(c->impi));
    } else {
        error_of_store(&error, store_error);
    }
    c->done(c->ctx, &error);
    free(c);
}

int subscribers_delete(struct subscribers *s, struct span impi, subscribers_done_fn *done,
                       void *ctx, struct subscribers_error *ret_error)
{
    struct change *c;
    int rc;

    if (!index_find(s, impi)) {
        unknown(ret_error, impi);
        return -ENOENT;
    }
    c = calloc(1, sizeof(*c));
    if (!c)
        return no_memory(ret_error);
    c->request = (struct store_request){.run = delete_run, .done = delete_done};
    c->subscribers = s;
    (void)span_copy(impi, c->impi, sizeof(c->impi)); /* as long as the one found */
    c->done = done;
    c->ctx = ctx;
    rc = submit(s, &c->request, ret_error);
    if (rc)
        free(c);
    return rc;
}

/* ---- list ---- */

struct listing {
    struct store_request request;
    struct subscribers *subscribers;
    char after[SUBSCRIBER_IMPI_MAX + 1];
    size_t limit, n;
    struct arena text;
    struct span impi[SUBSCRIBERS_PAGE_MAX];
    subscribers_page_fn *done;
    void *ctx;
};

static int list_run(struct store_request *r, struct store_db *db)
{
    struct listing *l = CONTAINER_OF(r, struct listing, request);
    struct store_stmt *st =
        store_db_stmt(db, "SELECT impi FROM subscriber WHERE impi > ?1 ORDER BY impi LIMIT ?2");
    int rc;

    if (!st)
        return store_db_error(db)->code;
    store_bind_text(st, 1, span_str(l->after));
    store_bind_int(st, 2, (int64_t)l->limit);
    while ((rc = store_step(st)) == 1) {
        struct span impi = arena_copy(&l->text, store_column_text(st, 0));

        if (!impi.p)
            return -ENOMEM;
        l->impi[l->n++] = impi;
    }
    return rc;
}

static void list_done(struct store_request *r, int rc, const struct store_error *store_error)
{
    struct listing *l = CONTAINER_OF(r, struct listing, request);
    const struct subscriber *page[SUBSCRIBERS_PAGE_MAX];
    struct subscribers_error error = {0};
    size_t n = 0;

    if (rc)
        error_of_store(&error, store_error);
    for (size_t i = 0; i < l->n && !rc; i++) {
        page[n] = subscribers_find_impi(l->subscribers, l->impi[i]);
        n += page[n] != NULL;
    }
    l->done(l->ctx, &error, page, n);
    arena_fini(&l->text);
    free(l);
}

int subscribers_list(struct subscribers *s, struct span after, size_t limit,
                     subscribers_page_fn *done, void *ctx, struct subscribers_error *ret_error)
{
    struct listing *l = calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return no_memory(ret_error);
    l->request = (struct store_request){.run = list_run, .done = list_done};
    l->subscribers = s;
    l->limit = limit == 0 || limit > SUBSCRIBERS_PAGE_MAX ? SUBSCRIBERS_PAGE_MAX : limit;
    l->done = done;
    l->ctx = ctx;
    arena_init(&l->text, SUBSCRIBERS_PAGE_MAX * (SUBSCRIBER_IMPI_MAX + 32));
    rc = after.n ? span_copy(after, l->after, sizeof(l->after)) : 0;
    if (rc)
        unknown(ret_error, after);
    else
        rc = submit(s, &l->request, ret_error);
    if (rc) {
        arena_fini(&l->text);
        free(l);
    }
    return rc;
}
