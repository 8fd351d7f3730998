/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linear hashing (Larson 1988): buckets = 2^level + split; each insert beyond one node per bucket
 * splits one bucket. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/base.h"

#define SEGMENT    256u
#define SEGMENTS   65536u /* 16 M buckets */
#define MAP_LEVEL0 8u     /* the first segment */

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

#define SIPROUND                                                                                   \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v1 = rotl(v1, 13) ^ v0;                                                                    \
        v0 = rotl(v0, 32);                                                                         \
        v2 += v3;                                                                                  \
        v3 = rotl(v3, 16) ^ v2;                                                                    \
        v0 += v3;                                                                                  \
        v3 = rotl(v3, 21) ^ v0;                                                                    \
        v2 += v1;                                                                                  \
        v1 = rotl(v1, 17) ^ v2;                                                                    \
        v2 = rotl(v2, 32);                                                                         \
    } while (0)

uint64_t siphash24(const uint64_t key[2], const void *p, size_t n)
{
    const uint8_t *in = p;
    uint64_t v0 = 0x736f6d6570736575u ^ key[0], v1 = 0x646f72616e646f6du ^ key[1];
    uint64_t v2 = 0x6c7967656e657261u ^ key[0], v3 = 0x7465646279746573u ^ key[1];
    uint64_t last = (uint64_t)n << 56;

    for (; n >= 8; n -= 8, in += 8) {
        uint64_t word = 0;

        for (int i = 7; i >= 0; i--)
            word = word << 8 | in[i];
        v3 ^= word;
        SIPROUND;
        SIPROUND;
        v0 ^= word;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)in[i] << 8 * i;
    v3 ^= last;
    SIPROUND;
    SIPROUND;
    v0 ^= last;
    v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

static size_t bucket_of(const struct map *m, uint64_t hash)
{
    size_t low = (size_t)hash & (((size_t)1 << m->level) - 1);
    size_t split = m->buckets - ((size_t)1 << m->level);

    return low < split ? (size_t)hash & (((size_t)2 << m->level) - 1) : low;
}

static struct map_node **slot_of(const struct map *m, size_t bucket)
{
    return &m->segments[bucket / SEGMENT][bucket % SEGMENT];
}

int map_init(struct map *m, size_t limit, const uint8_t key[16],
             bool (*equal)(const struct map_node *node, const void *key))
{
    *m = (struct map){.limit = limit, .level = MAP_LEVEL0, .buckets = SEGMENT, .equal = equal};
    memcpy(m->key, key, 16);
    m->segments = calloc(SEGMENTS, sizeof(*m->segments)); /* untouched pages cost nothing */
    if (m->segments)
        m->segments[0] = calloc(SEGMENT, sizeof(**m->segments));
    if (!m->segments || !m->segments[0]) {
        map_fini(m);
        return -ENOMEM;
    }
    return 0;
}

void map_fini(struct map *m)
{
    for (size_t i = 0; m->segments && i < SEGMENTS && m->segments[i]; i++)
        free(m->segments[i]);
    free(m->segments);
    *m = (struct map){0};
}

uint64_t map_hash(const struct map *m, const void *p, size_t n)
{
    return siphash24(m->key, p, n);
}

uint64_t map_hash_more(const struct map *m, uint64_t hash, const void *p, size_t n)
{
    uint64_t key[2] = {m->key[0] ^ hash, m->key[1]};

    return siphash24(key, p, n);
}

static struct map_node *find_from(const struct map *m, struct map_node *node, uint64_t hash,
                                  const void *key)
{
    for (; node; node = node->next) {
        if (node->hash == hash && m->equal(node, key))
            return node;
    }
    return NULL;
}

struct map_node *map_find(const struct map *m, uint64_t hash, const void *key)
{
    return m->segments ? find_from(m, *slot_of(m, bucket_of(m, hash)), hash, key) : NULL;
}

struct map_node *map_find_next(const struct map *m, const struct map_node *node, const void *key)
{
    return find_from(m, node->next, node->hash, key);
}

/* Splits the next bucket in turn. Without memory for a segment the table stays as it is and chains
 * get longer. */
static void map_grow(struct map *m)
{
    size_t fresh = m->buckets, old = fresh - ((size_t)1 << m->level);
    size_t mask = ((size_t)2 << m->level) - 1;

    if (fresh / SEGMENT >= SEGMENTS)
        return;
    if (!m->segments[fresh / SEGMENT]) {
        m->segments[fresh / SEGMENT] = calloc(SEGMENT, sizeof(**m->segments));
        if (!m->segments[fresh / SEGMENT])
            return;
    }
    struct map_node *node = *slot_of(m, old), **stay = slot_of(m, old), **go = slot_of(m, fresh);

    for (; node; node = node->next) {
        struct map_node ***tail = ((size_t)node->hash & mask) == old ? &stay : &go;

        **tail = node;
        *tail = &node->next;
    }
    *stay = *go = NULL;
    m->buckets++;
    if (m->buckets == (size_t)2 << m->level)
        m->level++;
}

int map_add(struct map *m, uint64_t hash, struct map_node *node)
{
    if (!m->segments)
        return -ENOMEM;
    if (m->limit && m->count >= m->limit)
        return -ENOSPC;
    if (m->count >= m->buckets)
        map_grow(m);
    struct map_node **slot = slot_of(m, bucket_of(m, hash));

    node->hash = hash;
    node->next = *slot;
    *slot = node;
    m->count++;
    return 0;
}

void map_del(struct map *m, struct map_node *node)
{
    struct map_node **at = slot_of(m, bucket_of(m, node->hash));

    while (*at && *at != node)
        at = &(*at)->next;
    if (*at) {
        *at = node->next;
        node->next = NULL;
        m->count--;
    }
}

void map_each(const struct map *m, bool (*visit)(struct map_node *node, void *ctx), void *ctx)
{
    for (size_t i = 0; i < m->buckets; i++) {
        for (struct map_node *node = *slot_of(m, i), *next; node; node = next) {
            next = node->next;
            if (!visit(node, ctx))
                return;
        }
    }
}

/* ---- handles --------------------------------------------------------------------------------- */

struct pool_slot {
    void *object;
    uint32_t generation;
    uint32_t next_free; /* slot number + 1; 0 = none */
};

void pool_init(struct pool *p, uint32_t limit)
{
    *p = (struct pool){.limit = limit};
}

void pool_fini(struct pool *p)
{
    free(p->slots);
    *p = (struct pool){0};
}

int pool_add(struct pool *p, void *object, struct handle *ret_handle)
{
    if (p->used >= p->limit)
        return -ENOSPC;
    if (!p->free) {
        uint32_t cap = p->cap ? p->cap * 2 : 64;
        struct pool_slot *slots = realloc(p->slots, cap * sizeof(*slots));

        if (!slots)
            return -ENOMEM;
        p->slots = slots;
        for (uint32_t i = cap; i-- > p->cap;) {
            slots[i] = (struct pool_slot){.generation = 1, .next_free = p->free};
            p->free = i + 1;
        }
        p->cap = cap;
    }
    struct pool_slot *slot = &p->slots[p->free - 1];

    *ret_handle = (struct handle){p->free, slot->generation};
    p->free = slot->next_free;
    slot->object = object;
    p->used++;
    return 0;
}

void *pool_find(const struct pool *p, struct handle h)
{
    if (h.index == 0 || h.index > p->cap || p->slots[h.index - 1].generation != h.generation)
        return NULL;
    return p->slots[h.index - 1].object;
}

void pool_del(struct pool *p, struct handle h)
{
    if (!pool_find(p, h))
        return;
    struct pool_slot *slot = &p->slots[h.index - 1];

    slot->object = NULL;
    slot->generation++;
    slot->next_free = p->free;
    p->free = h.index;
    p->used--;
}
