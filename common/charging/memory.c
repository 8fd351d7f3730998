/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which records the disk held at start, so that none is written twice. */
#include <stdlib.h>

#include "common/charging/inner.h"

struct remembered {
    struct map_node node;
    struct list item;
    enum cdr_role role;
    struct span icid, session_id, method;
    char text[];
};

static bool same(const struct map_node *node, const void *key)
{
    const struct remembered *r = CONTAINER_OF(node, const struct remembered, node);
    const struct cdr *c = key;

    return r->role == c->role && span_eq(r->icid, c->icid) &&
           span_eq(r->session_id, c->session_id) && span_eq(r->method, c->method);
}

static uint64_t hash_of(const struct spool_memory *m, const struct cdr *c)
{
    return map_hash_more(&m->map, map_hash(&m->map, c->icid.p, c->icid.n), &c->role,
                         sizeof(c->role));
}

int spool_memory_init(struct spool_memory *m, const struct rnd *rnd)
{
    uint8_t key[16];

    rnd->fill(rnd->ctx, key, sizeof(key));
    list_init(&m->order);
    return map_init(&m->map, 0, key, same);
}

static void forget(struct spool_memory *m, struct remembered *r)
{
    map_del(&m->map, &r->node);
    list_del(&r->item);
    free(r);
}

void spool_memory_fini(struct spool_memory *m)
{
    LIST_EACH (it, &m->order) {
        forget(m, CONTAINER_OF(it, struct remembered, item));
    }
    map_fini(&m->map);
}

static struct span keep(char **at, struct span s)
{
    struct span copy = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void spool_memory_add(struct spool_memory *m, const struct cdr *c)
{
    struct remembered *r = malloc(sizeof(*r) + c->icid.n + c->session_id.n + c->method.n);
    char *at;

    if (!r)
        return;
    at = r->text;
    r->role = c->role;
    r->icid = keep(&at, c->icid);
    r->session_id = keep(&at, c->session_id);
    r->method = keep(&at, c->method);
    if (map_add(&m->map, hash_of(m, c), &r->node)) {
        free(r);
        return;
    }
    list_add_tail(&m->order, &r->item);
    if (m->map.count > SPOOL_REMEMBERED)
        forget(m, CONTAINER_OF(m->order.next, struct remembered, item));
}

bool spool_memory_has(const struct spool_memory *m, const struct cdr *c)
{
    return map_find(&m->map, hash_of(m, c), c) != NULL;
}
