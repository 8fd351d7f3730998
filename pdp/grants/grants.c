/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/grants/grants.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "pdp/grants/inner.h"

/* One write on its way: a copy of what it needs, since the grant may change or end meanwhile. */
struct write {
    struct store_request request;
    enum { WRITE_PUT, WRITE_BIND, WRITE_DELETE } kind;
    struct grants *of;
    struct grant *grant;
    struct grant copy;
    grant_done_fn *done;
    void *ctx;
    bool issue;
    struct policy_flow *flows; /* of a change */
    size_t n_flows;
    size_t n_text;
    char text[]; /* the flows */
};

const char *grant_end_name(enum grant_end why)
{
    static const char *const names[] = {"finished", "revoked", "expired", "failed", "lost"};

    return names[why];
}

/* ---- tables ---- */

static bool session_equal(const struct map_node *node, const void *key)
{
    const struct grant *g = CONTAINER_OF(node, const struct grant, by_session);

    return span_eq(span_str(g->rx_session), *(const struct span *)key);
}

static bool hash_equal(const struct map_node *node, const void *key)
{
    const struct grant *g = CONTAINER_OF(node, const struct grant, by_hash);

    return memcmp(g->hash, key, sizeof(g->hash)) == 0;
}

static bool name_equal(const struct map_node *node, const void *key)
{
    const struct grant *g = CONTAINER_OF(node, const struct grant, by_name);

    return span_eq(span_str(g->name), *(const struct span *)key);
}

static uint64_t text_hash(const struct map *m, struct span s)
{
    return map_hash(m, s.p, s.n);
}

struct grant *grants_find(const struct grants *gs, struct span rx_session)
{
    struct map_node *n =
        map_find(&gs->by_session, text_hash(&gs->by_session, rx_session), &rx_session);

    return n ? CONTAINER_OF(n, struct grant, by_session) : NULL;
}

struct grant *grants_find_hash(const struct grants *gs, const uint8_t hash[TOKEN_HASH_LEN])
{
    struct map_node *n = map_find(&gs->by_hash, map_hash(&gs->by_hash, hash, TOKEN_HASH_LEN), hash);
    struct grant *g = n ? CONTAINER_OF(n, struct grant, by_hash) : NULL;

    return g && g->stored ? g : NULL;
}

struct grant *grants_find_text(const struct grants *gs, struct span text)
{
    struct map_node *n = map_find(&gs->by_name, text_hash(&gs->by_name, text), &text);

    return n ? CONTAINER_OF(n, struct grant, by_name) : grants_find(gs, text);
}

void grants_each(const struct grants *gs, void (*visit)(struct grant *g, void *ctx), void *ctx)
{
    LIST_EACH (it, &gs->list)
        visit(CONTAINER_OF(it, struct grant, item), ctx);
}

/* ---- the life of one ---- */

static void on_expiry(struct loop_timer *t, void *ctx)
{
    (void)t;
    grant_end(ctx, GRANT_EXPIRED, NULL, NULL);
}

struct grant *grant_new(struct grants *gs)
{
    struct grant *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->of = gs;
    list_init(&g->item);
    list_init(&g->of_host);
    loop_timer_init(&g->expiry, on_expiry, g);
    return g;
}

void grant_free(struct grant *g)
{
    list_del(&g->item);
    list_del(&g->of_host);
    loop_timer_stop(g->of->loop, &g->expiry);
    free(g->flows);
    free(g);
}

int grant_enter(struct grant *g)
{
    struct grants *gs = g->of;
    int64_t left = g->end - loop_wall(gs->loop) / 1000000;
    int rc = map_add(&gs->by_session, text_hash(&gs->by_session, span_str(g->rx_session)),
                     &g->by_session);

    if (rc)
        return rc;
    rc = map_add(&gs->by_hash, map_hash(&gs->by_hash, g->hash, sizeof(g->hash)), &g->by_hash);
    if (rc) {
        map_del(&gs->by_session, &g->by_session);
        return rc;
    }
    rc = map_add(&gs->by_name, text_hash(&gs->by_name, span_str(g->name)), &g->by_name);
    if (rc) {
        map_del(&gs->by_session, &g->by_session);
        map_del(&gs->by_hash, &g->by_hash);
        return rc;
    }
    g->stored = true;
    list_add_tail(&gs->list, &g->item);
    grant_host_enter(g);
    loop_timer_start(gs->loop, &g->expiry, left > 0 ? (uint64_t)left * SEC : 0);
    gs->stats.live++;
    return 0;
}

static void leave(struct grant *g, enum grant_end why)
{
    struct grants *gs = g->of;

    g->ended = true;
    loop_timer_stop(gs->loop, &g->expiry);
    map_del(&gs->by_session, &g->by_session);
    map_del(&gs->by_hash, &g->by_hash);
    map_del(&gs->by_name, &g->by_name);
    list_del(&g->of_host);
    list_del(&g->item);
    list_add_tail(&gs->ending, &g->item);
    gs->stats.live--;
    gs->stats.ended[why]++;
    for (size_t i = 0; i < gs->n_watchers; i++)
        gs->watchers[i].on_end(g, why, gs->watchers[i].ctx);
}

/* ---- tokens ---- */

int grant_build(const struct grant *g, const struct token_key *key, struct secret *ret_token)
{
    struct token_claims c = {
        .n_session = sizeof(g->session), .start = g->start, .end = g->end, .source = g->phone};

    memcpy(c.session, g->session, sizeof(g->session));
    (void)span_copy(span_str(g->of->entity), c.entity, sizeof(c.entity)); /* as long as ours */
    return token_build(&c, key, ret_token);
}

int grant_token(const struct grant *g, struct secret *ret_token)
{
    /* The key that minted it, even if it mints no more. */
    for (size_t i = 0; i < g->of->options.keys.n; i++) {
        const struct token_key *k = &g->of->options.keys.keys[i];

        if (k->id == g->key_id)
            return grant_build(g, k, ret_token);
    }
    return -ENOKEY;
}

int grants_judge(const struct grants *gs, struct span element)
{
    struct token_claims claims;

    return token_verify(element, &gs->options.keys, loop_wall(gs->loop) / 1000000, &claims);
}

static int mint(struct grant *g)
{
    struct grants *gs = g->of;
    const struct token_key *key;
    struct secret token;
    int rc;

    g->start = loop_wall(gs->loop) / 1000000;
    g->end = g->start + (int64_t)gs->options.lifetime;
    gs->rnd->fill(gs->rnd->ctx, g->session, sizeof(g->session));
    key = token_keys_mint(&gs->options.keys, g->start);
    if (!key)
        return -ENOKEY;
    g->key_id = key->id;
    rc = grant_build(g, key, &token);
    if (rc)
        return rc;
    token_hash(&token, g->hash);
    token_name(g->hash, g->name);
    secret_wipe(&token);
    return 0;
}

/* ---- writes ---- */

static int on_write(struct store_request *r, struct store_db *db)
{
    struct write *w = CONTAINER_OF(r, struct write, request);

    switch (w->kind) {
    case WRITE_PUT:
        return grant_row_put(db, &w->copy, span_of(w->text, w->n_text));
    case WRITE_BIND:
        return grant_row_bind(db, &w->copy);
    default:
        return grant_row_delete(db, &w->copy);
    }
}

static void take_change(struct write *w)
{
    struct grant *g = w->grant;

    free(g->flows);
    g->flows = w->flows;
    g->n_flows = w->n_flows;
    g->final = w->copy.final;
    w->flows = NULL;
    g->of->stats.changed++;
    for (size_t i = 0; i < g->of->n_watchers; i++) {
        if (g->of->watchers[i].on_change)
            g->of->watchers[i].on_change(g, g->of->watchers[i].ctx);
    }
}

static void on_written(struct store_request *r, int rc, const struct store_error *error)
{
    struct write *w = CONTAINER_OF(r, struct write, request);
    struct grant *g = w->grant;

    g->pending--;
    if (rc) {
        w->of->stats.store_failed++;
        w->of->error = *error;
    }
    if (w->kind == WRITE_PUT && !g->ended) {
        if (rc && w->issue)
            leave(g, GRANT_FAILED);
        else if (rc == 0 && w->issue)
            g->stored = true;
        else if (rc == 0)
            take_change(w);
    }
    if (w->done)
        w->done(w->ctx, g->ended && w->kind == WRITE_PUT && rc == 0 ? -ECANCELED : rc,
                g->ended ? NULL : g);
    if (g->ended && g->pending == 0)
        grant_free(g);
    free(w->flows);
    free(w);
}

static struct write *write_new(struct grant *g, int kind, grant_done_fn *done, void *ctx,
                               size_t n_text)
{
    struct write *w = calloc(1, sizeof(*w) + n_text);

    if (!w)
        return NULL;
    w->request.run = on_write;
    w->request.done = on_written;
    w->kind = kind;
    w->of = g->of;
    w->grant = g;
    w->copy = *g;
    w->done = done;
    w->ctx = ctx;
    return w;
}

static int write_submit(struct write *w)
{
    int rc = store_submit(w->of->store, &w->request);

    if (rc == 0) {
        w->grant->pending++;
        return 0;
    }
    free(w->flows);
    free(w);
    return rc;
}

static int write_flows(struct write *w, const struct policy_flow *flows, size_t n)
{
    struct buf b = {w->text, 0, n * FLOW_LINE_MAX, false};

    grant_flows_put(&b, flows, n);
    w->n_text = b.n;
    return b.overflow ? -EMSGSIZE : 0;
}

/* ---- what others ask for ---- */

static int take_terms(struct grant *g, const struct grant_terms *t)
{
    if (span_copy(t->rx_session, g->rx_session, sizeof(g->rx_session)) ||
        span_copy(t->af_host, g->af_host, sizeof(g->af_host)) ||
        span_copy(t->af_realm, g->af_realm, sizeof(g->af_realm)) ||
        span_copy(span_sub(t->subscriber, 0, GRANT_NAME_MAX), g->subscriber,
                  sizeof(g->subscriber)) ||
        span_copy(span_sub(t->icid, 0, GRANT_ICID_MAX), g->icid, sizeof(g->icid)))
        return -ENAMETOOLONG;
    g->af_state = t->af_state;
    g->phone = t->phone;
    g->phone.port = 0;
    g->final = t->final;
    g->flows = calloc(t->n_flows + 1, sizeof(*g->flows));
    if (!g->flows)
        return -ENOMEM;
    memcpy(g->flows, t->flows, t->n_flows * sizeof(*g->flows));
    g->n_flows = t->n_flows;
    return 0;
}

int grant_issue(struct grants *gs, const struct grant_terms *terms, grant_done_fn *done, void *ctx)
{
    struct grant *g;
    struct write *w;
    int rc;

    if (grants_find(gs, terms->rx_session))
        return -EEXIST;
    g = grant_new(gs);
    if (!g)
        return -ENOMEM;
    rc = take_terms(g, terms);
    if (rc == 0)
        rc = mint(g);
    if (rc == 0)
        rc = grant_enter(g);
    if (rc) {
        grant_free(g);
        return rc;
    }
    g->stored = false;
    w = write_new(g, WRITE_PUT, done, ctx, terms->n_flows * FLOW_LINE_MAX);
    rc = w ? write_flows(w, terms->flows, terms->n_flows) : -ENOMEM;
    if (rc) {
        free(w);
    } else {
        w->issue = true;
        rc = write_submit(w);
    }
    if (rc) {
        leave(g, GRANT_FAILED);
        grant_free(g);
        return rc;
    }
    gs->stats.issued++;
    return 0;
}

int grant_change(struct grant *g, const struct grant_terms *terms, grant_done_fn *done, void *ctx)
{
    struct write *w = write_new(g, WRITE_PUT, done, ctx, terms->n_flows * FLOW_LINE_MAX);
    int rc;

    if (!w)
        return -ENOMEM;
    w->flows = calloc(terms->n_flows + 1, sizeof(*w->flows));
    rc = w->flows ? write_flows(w, terms->flows, terms->n_flows) : -ENOMEM;
    if (rc) {
        free(w->flows);
        free(w);
        return rc;
    }
    memcpy(w->flows, terms->flows, terms->n_flows * sizeof(*w->flows));
    w->n_flows = terms->n_flows;
    w->copy.final = terms->final;
    return write_submit(w);
}

int grant_bind(struct grant *g, struct span qos_session, struct span edge_host,
               struct span edge_realm)
{
    struct write *w;

    if (qos_session.n > GRANT_NAME_MAX || edge_host.n > GRANT_NAME_MAX ||
        edge_realm.n > GRANT_NAME_MAX)
        return -ENAMETOOLONG;
    if (span_copy(qos_session, g->qos_session, sizeof(g->qos_session)) ||
        span_copy(edge_host, g->edge_host, sizeof(g->edge_host)) ||
        span_copy(edge_realm, g->edge_realm, sizeof(g->edge_realm)))
        return -EINVAL; /* NUL inside: the walker lets no such name through */
    w = write_new(g, WRITE_BIND, NULL, NULL, 0);
    return w ? write_submit(w) : -ENOMEM;
}

void grant_end(struct grant *g, enum grant_end why, grant_done_fn *done, void *ctx)
{
    struct grants *gs = g->of;
    struct write *w;
    int rc = -ENOMEM;

    assert(!g->ended);
    leave(g, why);
    w = write_new(g, WRITE_DELETE, done, ctx, 0);
    if (w)
        rc = write_submit(w);
    if (rc == 0)
        return;
    /* Not on the disk: a restart would know the token again, until it expires. */
    gs->stats.store_failed++;
    if (done)
        done(ctx, rc, NULL);
    if (g->pending == 0)
        grant_free(g);
}

/* ---- the whole ---- */

int grants_watch(struct grants *gs, const struct grants_watcher *watcher)
{
    if (gs->n_watchers == GRANTS_WATCHERS_MAX)
        return -ENOSPC;
    gs->watchers[gs->n_watchers++] = *watcher;
    return 0;
}

void grants_stats_get(const struct grants *gs, struct grants_stats *ret_stats)
{
    *ret_stats = gs->stats;
}

const struct store_error *grants_error(const struct grants *gs)
{
    return &gs->error;
}

enum { WRITES_MAX = 65536 };

static int init_maps(struct grants *gs)
{
    uint8_t key[16];
    int rc;

    gs->rnd->fill(gs->rnd->ctx, key, sizeof(key));
    rc = map_init(&gs->by_session, gs->options.limit, key, session_equal);
    if (rc == 0)
        rc = map_init(&gs->by_hash, 0, key, hash_equal);
    return rc ? rc : map_init(&gs->by_name, 0, key, name_equal);
}

void grants_free(struct grants *gs)
{
    if (!gs)
        return;
    if (gs->store)
        store_free(gs->store);
    LIST_EACH (it, &gs->list)
        grant_free(CONTAINER_OF(it, struct grant, item));
    LIST_EACH (it, &gs->ending)
        grant_free(CONTAINER_OF(it, struct grant, item));
    grant_hosts_fini(gs);
    map_fini(&gs->by_session);
    map_fini(&gs->by_hash);
    map_fini(&gs->by_name);
    bytes_wipe(&gs->options.keys, sizeof(gs->options.keys));
    free(gs);
}

int grants_new(struct loop *l, const struct rnd *rnd, const char *path,
               const struct grants_options *options, struct grants **ret_grants,
               struct store_error *ret_error)
{
    struct grants *gs = calloc(1, sizeof(*gs));
    struct store_db *db = NULL;
    int rc;

    if (!gs)
        return -ENOMEM;
    gs->loop = l;
    gs->rnd = rnd;
    gs->options = *options;
    list_init(&gs->list);
    list_init(&gs->ending);
    grant_hosts_init(gs);
    rc = span_copy(span_str(options->entity), gs->entity, sizeof(gs->entity));
    if (rc == 0)
        rc = init_maps(gs);
    if (rc == 0)
        rc = store_db_open(path, grant_schema, grant_schema_n, &db, ret_error);
    if (rc == 0) {
        rc = grant_rows_load(gs, db);
        if (rc && ret_error)
            *ret_error = *store_db_error(db);
        if (rc)
            store_db_close(db);
    }
    if (rc == 0)
        rc = store_new(l, db, WRITES_MAX, &gs->store);
    if (rc) {
        grants_free(gs);
        return rc;
    }
    *ret_grants = gs;
    return 0;
}
