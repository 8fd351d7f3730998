/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/subscribers, inside. Not for other rooms. */
#ifndef SCSCF_SUBSCRIBERS_INNER_H
#define SCSCF_SUBSCRIBERS_INNER_H

#include "scscf/subscribers/subscribers.h"

struct entry;

struct impu_node {
    struct map_node node;
    struct entry *entry;
    unsigned at;
};

/* One subscriber: this, its identities and all its text are one allocation. */
struct entry {
    struct map_node node; /* by IMPI */
    struct subscriber pub;
    struct subscriber_impu *impu;
    struct impu_node *impu_node;
    int64_t id; /* of the row */
    struct aka_key key;
    struct digest_ha1 ha1;
    uint64_t sqn;            /* last used */
    uint64_t seq_bound;      /* highest SEQ that may be used before the row moves on */
    struct sqn_write *write; /* on its way; NULL = none */
    bool rewrite;            /* the write on its way is of the past (AUTS) */
};

struct subscribers {
    struct auth *auth;
    struct aka_sqn_scheme sqn;
    bool avoid_nul_res;
    size_t limit;
    unsigned adding; /* adds on their way */
    int64_t starts;  /* how often this database was opened, this time included */
    struct store *store;
    struct map by_impi, by_impu;
    struct subscribers_stats stats;
    void (*alarm)(void *ctx, const struct subscribers_error *error);
    void *ctx;
};

/* ---- index.c ---- */

int index_init(struct subscribers *s, const struct rnd *rnd);
/* Frees every entry as well. */
void index_fini(struct subscribers *s);
/* All text is copied. NULL: no memory. */
struct entry *entry_new(const struct subscriber *pub);
void entry_free(struct entry *e);
/* -ENOSPC, -ENOMEM: then it is in neither table. */
int index_add(struct subscribers *s, struct entry *e);
void index_del(struct subscribers *s, struct entry *e);
struct entry *index_find(const struct subscribers *s, struct span impi);

/* The form identities are compared and kept in; -EINVAL for what is no SIP or tel URI, -EMSGSIZE. */
int impu_canonical(struct span uri, char dst[SUBSCRIBER_IMPU_MAX + 1], struct span *ret_impu);

/* ---- spec.c ---- */

void error_set(struct subscribers_error *ret_error, int code, const char *remedy, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));
void error_of_store(struct subscribers_error *ret_error, const struct store_error *error);
/* Checks everything and builds the entry. */
int entry_of_spec(struct subscribers *s, const struct subscriber_spec *spec,
                  struct entry **ret_entry, struct subscribers_error *ret_error);

/* ---- sqn.c ---- */

/* The bound that holds while the row says sqn. */
void sqn_row_is(const struct subscribers *s, struct entry *e, uint64_t sqn);
/* The entry goes while a write may be on its way. */
void sqn_forget(struct entry *e);

#endif
