/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/grants: what was authorized, under which token, and who uses it.
 *
 * Decides   what a token says and how long it lives; when a grant is over.
 * Owns      every grant: in memory for answers, in SQLite (common/store) so that a restarted PDP knows
 *           its tokens. The database has the hash of a token, never the token: it is built again from
 *           the row and the key.
 * Threads   the loop's; the store has its own.
 * In, out   terms come from pdp/policy; done is called when the change is on the disk.
 * Errors    negative errno; grants_error says what to do about a database.
 * Never     gives a token or a key to a log; answers from a row that is not on the disk.
 * Tests     tests/unit/pdp/grants. */
#ifndef PDP_GRANTS_GRANTS_H
#define PDP_GRANTS_GRANTS_H

#include "common/loop/loop.h"
#include "common/store/store.h"
#include "common/token/token.h"
#include "pdp/policy/policy.h"

enum { GRANT_NAME_MAX = 255, GRANT_ICID_MAX = 127, GRANT_SESSION_LEN = 16, GRANT_HOSTS_MAX = 256 };

enum grant_end {
    GRANT_FINISHED, /* the AF ended its session */
    GRANT_REVOKED,  /* by an operator */
    GRANT_EXPIRED,  /* the token's END_TIME */
    GRANT_FAILED,   /* the database did not take it */
    GRANT_LOST,     /* the AF was started anew (RFC 6733 8.16) */
    GRANT_ENDS
};
const char *grant_end_name(enum grant_end why);

/* One AF session (one leg of one call) with its token. Read it; change it through this room. */
struct grant {
    char rx_session[GRANT_NAME_MAX + 1];
    char af_host[GRANT_NAME_MAX + 1], af_realm[GRANT_NAME_MAX + 1];
    uint32_t af_state; /* Origin-State-Id it was asked for with; 0 = none */
    char subscriber[GRANT_NAME_MAX + 1], icid[GRANT_ICID_MAX + 1];
    struct addr phone;
    bool final; /* false: half of the session is known (PRELIMINARY) */
    uint8_t hash[TOKEN_HASH_LEN];
    char name[TOKEN_NAME_LEN + 1]; /* of the token, for people */
    uint8_t session[GRANT_SESSION_LEN];
    uint32_t key_id;
    int64_t start, end; /* Unix seconds */
    /* The edge that uses it; empty: none yet. */
    char qos_session[GRANT_NAME_MAX + 1];
    char edge_host[GRANT_NAME_MAX + 1], edge_realm[GRANT_NAME_MAX + 1];
    size_t n_flows;
    struct policy_flow *flows;

    /* this room's */
    struct grants *of;
    struct map_node by_session, by_hash, by_name;
    struct list item, of_host;
    struct loop_timer expiry;
    unsigned pending; /* requests at the store */
    bool ended, stored;
};

/* What an AAR asked for and the policy granted; borrowed. */
struct grant_terms {
    struct span rx_session, af_host, af_realm, subscriber, icid;
    uint32_t af_state;
    struct addr phone;
    bool final;
    size_t n_flows;
    const struct policy_flow *flows;
};

struct grants_options {
    const char *entity;     /* AUTH_ENT_ID: our Diameter identity */
    struct token_keys keys; /* copied */
    uint64_t lifetime;      /* seconds from issue to END_TIME */
    uint32_t limit;         /* grants; more are refused */
};

struct grants;

/* Told when a grant is over, before it is gone, and when its flows are others. Several may watch. */
struct grants_watcher {
    void (*on_change)(struct grant *g, void *ctx); /* may be NULL */
    void (*on_end)(struct grant *g, enum grant_end why, void *ctx);
    void *ctx;
};
enum { GRANTS_WATCHERS_MAX = 4 };

/* Opens the database and loads what has not expired. ret_error (may be NULL) says what is wrong with
 * the file. */
int grants_new(struct loop *l, const struct rnd *rnd, const char *path,
               const struct grants_options *options, struct grants **ret_grants,
               struct store_error *ret_error);
/* Waits for what is on its way to the disk and calls its done; no watcher is told. To be freed before
 * the rooms that use it, since those calls are theirs. */
void grants_free(struct grants *gs);
int grants_watch(struct grants *gs, const struct grants_watcher *watcher);

typedef void grant_done_fn(void *ctx, int rc, struct grant *g);

/* A new token. done: 0 with the grant, or what the database said (the grant is gone). -ENOSPC at the
 * limit, -EBUSY with the store's queue full, -ENAMETOOLONG, -ENOKEY without a key for now, -EEXIST,
 * -ENOMEM: then done is not called. */
int grant_issue(struct grants *gs, const struct grant_terms *terms, grant_done_fn *done, void *ctx);
/* Other flows under the same token; they count when done is called. */
int grant_change(struct grant *g, const struct grant_terms *terms, grant_done_fn *done, void *ctx);
/* The edge that asked; known at once, on the disk soon. Empty spans: none any more. */
int grant_bind(struct grant *g, struct span qos_session, struct span edge_host,
               struct span edge_realm);
/* Over: no look-up finds it any more. done (may be NULL) is called when the disk knows, with NULL. */
void grant_end(struct grant *g, enum grant_end why, grant_done_fn *done, void *ctx);

/* An AF has said its Origin-State-Id. When it is greater than before, the grants it asked for earlier end as
 * GRANT_LOST, a few at a time. Of GRANT_HOSTS_MAX AFs; those of more live as long as their tokens. */
void grants_af_state(struct grants *gs, struct span af_host, uint32_t state);

struct grant *grants_find(const struct grants *gs, struct span rx_session);
struct grant *grants_find_hash(const struct grants *gs, const uint8_t hash[TOKEN_HASH_LEN]);
/* By the token's name or by Session-Id. */
struct grant *grants_find_text(const struct grants *gs, struct span text);
void grants_each(const struct grants *gs, void (*visit)(struct grant *g, void *ctx), void *ctx);

/* The token itself, as it was issued. -ENOKEY when its key is gone. */
int grant_token(const struct grant *g, struct secret *ret_token);
/* What a token is that no grant has: -EACCES forged, -EBADMSG none at all, 0 or -ENOKEY once ours. */
int grants_judge(const struct grants *gs, struct span element);

struct grants_stats {
    uint64_t issued, changed, loaded, ended[GRANT_ENDS], store_failed;
    uint32_t live;
};
void grants_stats_get(const struct grants *gs, struct grants_stats *ret_stats);
/* The last thing that went wrong with the database. */
const struct store_error *grants_error(const struct grants *gs);

#endif
