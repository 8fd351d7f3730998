/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants as rows. Flows are text, so that `sqlite3 pdp.db` shows what was authorized. */
#include <errno.h>
#include <stdlib.h>

#include "pdp/grants/inner.h"

const char *const grant_schema[] = {
    "CREATE TABLE token ("
    " hash BLOB PRIMARY KEY,"
    " rx_session TEXT NOT NULL UNIQUE,"
    " af_host TEXT NOT NULL, af_realm TEXT NOT NULL,"
    " subscriber TEXT NOT NULL, icid TEXT NOT NULL, phone TEXT NOT NULL,"
    " final INTEGER NOT NULL,"
    " session BLOB NOT NULL, key_id INTEGER NOT NULL,"
    " starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,"
    " flows TEXT NOT NULL,"
    " qos_session TEXT NOT NULL DEFAULT '', edge_host TEXT NOT NULL DEFAULT '',"
    " edge_realm TEXT NOT NULL DEFAULT ''"
    ") WITHOUT ROWID;"
    "CREATE INDEX token_end ON token (ends_at);",
    "ALTER TABLE token ADD COLUMN af_state INTEGER NOT NULL DEFAULT 0;"};
const unsigned grant_schema_n = ARRAY_LEN(grant_schema);

static const char put_sql[] =
    "INSERT INTO token (hash, rx_session, af_host, af_realm, subscriber, icid, phone, final,"
    " session, key_id, starts_at, ends_at, flows, af_state)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    " ON CONFLICT (hash) DO UPDATE SET af_host = ?3, af_realm = ?4, final = ?8, flows = ?13";
static const char bind_sql[] =
    "UPDATE token SET qos_session = ?2, edge_host = ?3, edge_realm = ?4 WHERE hash = ?1";
static const char delete_sql[] = "DELETE FROM token WHERE hash = ?1";
static const char expire_sql[] = "DELETE FROM token WHERE ends_at <= ?1";
static const char load_sql[] =
    "SELECT hash, rx_session, af_host, af_realm, subscriber, icid, phone, final, session, key_id,"
    " starts_at, ends_at, flows, qos_session, edge_host, edge_realm, af_state FROM token";

/* ---- flows ---- */

void grant_flows_put(struct buf *b, const struct policy_flow *flows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct policy_flow *f = &flows[i];

        buf_fmt(b, "%u.%u %s %llu ", f->media, f->number, f->open ? "open" : "held",
                (unsigned long long)f->bandwidth);
        diameter_flow_put(b, &f->what);
        buf_putc(b, '\n');
    }
}

static int parse_flow(struct span line, struct policy_flow *f)
{
    struct span id = span_cut(&line, ' '), state = span_cut(&line, ' ');
    struct span bandwidth = span_cut(&line, ' '), media = span_cut(&id, '.');
    uint64_t m, n;

    if (span_u64(media, UINT16_MAX, &m) || span_u64(id, UINT16_MAX, &n) ||
        span_u64(bandwidth, UINT64_MAX, &f->bandwidth))
        return -EINVAL;
    f->media = (uint16_t)m;
    f->number = (uint16_t)n;
    f->open = span_eq(state, SPAN("open"));
    return diameter_flow_parse(line, &f->what);
}

int grant_flows_parse(struct span text, struct policy_flow *dst, size_t cap, size_t *ret_n)
{
    size_t n = 0;

    while (text.p) {
        struct span line = span_cut(&text, '\n');

        if (line.n == 0)
            continue;
        if (n == cap || parse_flow(line, &dst[n]))
            return -EINVAL;
        n++;
    }
    *ret_n = n;
    return 0;
}

/* ---- writing, on the store's thread ---- */

static struct span hash_of(const struct grant *g)
{
    return span_of(g->hash, sizeof(g->hash));
}

int grant_row_put(struct store_db *db, const struct grant *g, struct span flows)
{
    struct store_stmt *st = store_db_stmt(db, put_sql);
    char phone[ADDR_TEXT_MAX] = "";

    if (!st)
        return store_db_error(db)->code;
    if (g->phone.family)
        addr_ip_text(&g->phone, phone);
    store_bind_blob(st, 1, hash_of(g));
    store_bind_text(st, 2, span_str(g->rx_session));
    store_bind_text(st, 3, span_str(g->af_host));
    store_bind_text(st, 4, span_str(g->af_realm));
    store_bind_text(st, 5, span_str(g->subscriber));
    store_bind_text(st, 6, span_str(g->icid));
    store_bind_text(st, 7, span_str(phone));
    store_bind_int(st, 8, g->final);
    store_bind_blob(st, 9, span_of(g->session, sizeof(g->session)));
    store_bind_int(st, 10, g->key_id);
    store_bind_int(st, 11, g->start);
    store_bind_int(st, 12, g->end);
    store_bind_text(st, 13, flows);
    store_bind_int(st, 14, g->af_state);
    return store_exec(st);
}

int grant_row_bind(struct store_db *db, const struct grant *g)
{
    struct store_stmt *st = store_db_stmt(db, bind_sql);

    if (!st)
        return store_db_error(db)->code;
    store_bind_blob(st, 1, hash_of(g));
    store_bind_text(st, 2, span_str(g->qos_session));
    store_bind_text(st, 3, span_str(g->edge_host));
    store_bind_text(st, 4, span_str(g->edge_realm));
    return store_exec(st);
}

int grant_row_delete(struct store_db *db, const struct grant *g)
{
    struct store_stmt *st = store_db_stmt(db, delete_sql);

    if (!st)
        return store_db_error(db)->code;
    store_bind_blob(st, 1, hash_of(g));
    return store_exec(st);
}

/* ---- loading, before there is a thread ---- */

static int read_text(struct store_stmt *st, int at, char *dst, size_t cap)
{
    return span_copy(store_column_text(st, at), dst, cap);
}

static int read_row(struct grants *gs, struct store_stmt *st)
{
    struct span hash = store_column_blob(st, 0), session = store_column_blob(st, 8);
    struct span phone = store_column_text(st, 6);
    struct policy_flow flows[POLICY_FLOWS_MAX];
    struct grant *g = grant_new(gs);
    int rc = 0;

    if (!g)
        return -ENOMEM;
    if (hash.n != sizeof(g->hash) || session.n != sizeof(g->session) ||
        read_text(st, 1, g->rx_session, sizeof(g->rx_session)) ||
        read_text(st, 2, g->af_host, sizeof(g->af_host)) ||
        read_text(st, 3, g->af_realm, sizeof(g->af_realm)) ||
        read_text(st, 4, g->subscriber, sizeof(g->subscriber)) ||
        read_text(st, 5, g->icid, sizeof(g->icid)) ||
        read_text(st, 13, g->qos_session, sizeof(g->qos_session)) ||
        read_text(st, 14, g->edge_host, sizeof(g->edge_host)) ||
        read_text(st, 15, g->edge_realm, sizeof(g->edge_realm)) ||
        (phone.n && addr_parse_ip(phone, 0, &g->phone)) ||
        grant_flows_parse(store_column_text(st, 12), flows, ARRAY_LEN(flows), &g->n_flows))
        rc = -EBADMSG;
    if (rc == 0) {
        memcpy(g->hash, hash.p, hash.n);
        memcpy(g->session, session.p, session.n);
        token_name(g->hash, g->name);
        g->final = store_column_int(st, 7) != 0;
        g->key_id = (uint32_t)store_column_int(st, 9);
        g->start = store_column_int(st, 10);
        g->end = store_column_int(st, 11);
        g->af_state = (uint32_t)store_column_int(st, 16);
        g->flows = calloc(g->n_flows + 1, sizeof(*g->flows));
        if (g->flows)
            memcpy(g->flows, flows, g->n_flows * sizeof(*flows));
        rc = g->flows ? grant_enter(g) : -ENOMEM;
    }
    if (rc)
        grant_free(g);
    return rc;
}

int grant_rows_load(struct grants *gs, struct store_db *db)
{
    struct store_stmt *st = store_db_stmt(db, expire_sql);
    int rc;

    if (!st)
        return store_db_error(db)->code;
    store_bind_int(st, 1, loop_wall(gs->loop) / 1000000);
    rc = store_exec(st);
    if (rc)
        return rc;
    st = store_db_stmt(db, load_sql);
    if (!st)
        return store_db_error(db)->code;
    while ((rc = store_step(st)) == 1) {
        rc = read_row(gs, st);
        if (rc)
            return rc;
        gs->stats.loaded++;
    }
    return rc;
}
