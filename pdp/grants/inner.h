/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/grants, inside. Not for other rooms. */
#ifndef PDP_GRANTS_INNER_H
#define PDP_GRANTS_INNER_H

#include "pdp/grants/grants.h"

struct grants {
    struct loop *loop;
    const struct rnd *rnd;
    struct store *store;
    struct grants_options options;
    char entity[GRANT_NAME_MAX + 1];
    struct map by_session, by_hash, by_name;
    struct list list, ending; /* ending: over, but the store still works on them */
    struct grants_watcher watchers[GRANTS_WATCHERS_MAX];
    size_t n_watchers;
    struct grants_stats stats;
    struct store_error error;
};

/* grants.c */
struct grant *grant_new(struct grants *gs);
void grant_free(struct grant *g);
/* Into the tables, and its timer started. */
int grant_enter(struct grant *g);
/* From the claims of the row: the same octets each time. */
int grant_build(const struct grant *g, const struct token_key *key, struct secret *ret_token);

/* rows.c: what the database keeps. */
extern const char *const grant_schema[];
extern const unsigned grant_schema_n;
int grant_rows_load(struct grants *gs, struct store_db *db);

enum {
    FLOW_LINE_MAX = DIAMETER_FLOW_TEXT_MAX + 48,
    FLOWS_TEXT_MAX = POLICY_FLOWS_MAX * FLOW_LINE_MAX
};
/* "1.1 open 64000 permit in 17 from ..." a line. */
void grant_flows_put(struct buf *b, const struct policy_flow *flows, size_t n);
int grant_flows_parse(struct span text, struct policy_flow *dst, size_t cap, size_t *ret_n);

/* The three writes; run on the store's thread on a copy of what they need. */
int grant_row_put(struct store_db *db, const struct grant *copy, struct span flows);
int grant_row_bind(struct store_db *db, const struct grant *copy);
int grant_row_delete(struct store_db *db, const struct grant *copy);

#endif
