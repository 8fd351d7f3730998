/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/access/access.h"

#include <errno.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)

struct access_source {
    struct map_node node;
    struct list age;
    struct addr key; /* the port says whether it is protected */
    /* The instant at which the bucket is full again; each message moves it on by 1/rate (virtual
     * scheduling, ITU-T I.371 annex A). */
    uint64_t full_at;
};

static bool source_equal(const struct map_node *node, const void *key)
{
    return addr_eq(&CONTAINER_OF(node, const struct access_source, node)->key, key);
}

int access_init(struct access *a, const struct rnd *rnd, const struct access_options *options)
{
    uint8_t key[16];
    int rc;

    *a = (struct access){.options = *options};
    list_init(&a->by_age);
    if (a->options.sources == 0)
        a->options.sources = 1;
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&a->map, 0, key, source_equal);
    if (rc != 0)
        return rc;
    a->sources = calloc(a->options.sources, sizeof(*a->sources));
    if (!a->sources) {
        access_fini(a);
        return -ENOMEM;
    }
    return 0;
}

void access_fini(struct access *a)
{
    map_fini(&a->map);
    free(a->sources);
    *a = (struct access){0};
}

static struct access_source *source_of(struct access *a, const struct addr *key)
{
    uint64_t hash = addr_hash(&a->map, key);
    struct map_node *node = map_find(&a->map, hash, key);
    struct access_source *s;

    if (node) {
        s = CONTAINER_OF(node, struct access_source, node);
        list_del(&s->age);
    } else {
        if (a->used < a->options.sources) {
            s = &a->sources[a->used++];
        } else {
            s = CONTAINER_OF(a->by_age.next, struct access_source, age);
            list_del(&s->age);
            map_del(&a->map, &s->node);
        }
        s->key = *key;
        s->full_at = 0;
        (void)map_add(&a->map, hash, &s->node); /* no limit, no allocation that can refuse */
    }
    list_add_tail(&a->by_age, &s->age);
    return s;
}

enum access_verdict access_check(struct access *a, const struct addr *from, bool is_protected,
                                 size_t size, uint64_t now)
{
    struct addr key = *from;
    struct access_source *s;
    uint64_t step, depth;

    if (size > a->options.message_max)
        return ACCESS_TOO_LARGE;
    if (a->options.rate == 0)
        return ACCESS_PASS;
    key.port = is_protected;
    s = source_of(a, &key);
    step = SECOND / a->options.rate;
    depth = step * (a->options.burst ? a->options.burst : 1);
    if (s->full_at < now)
        s->full_at = now;
    if (s->full_at + step > now + depth)
        return ACCESS_TOO_FAST;
    s->full_at += step;
    return ACCESS_PASS;
}
