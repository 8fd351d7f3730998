/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/grants, inside. Not for other rooms. */
#ifndef PDP_GRANTS_INNER_H
#define PDP_GRANTS_INNER_H

#include "pdp/grants/grants.h"

/* An AF, by its Diameter identity. */
struct grant_host {
    char name[GRANT_NAME_MAX + 1];
    uint32_t state; /* the greatest Origin-State-Id it has said */
    struct list grants;
    struct list doubtful; /* of an earlier state, perhaps: still to be looked at */
};

struct grants {
    struct loop *loop;
    const struct rnd *rnd;
    struct store *store;
    struct grants_options options;
    char entity[GRANT_NAME_MAX + 1];
    struct map by_session, by_hash, by_name;
    struct list list, ending;                  /* ending: over, but the store still works on them */
    struct grant_host *hosts[GRANT_HOSTS_MAX]; /* P-CSCFs: few, and for ever */
    size_t n_hosts;
    struct loop_timer look;
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

/* hosts.c */
void grant_hosts_init(struct grants *gs);
void grant_hosts_fini(struct grants *gs);
/* Files a grant that is new here under its AF. */
void grant_host_enter(struct grant *g);

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
