/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of the port: sets under handles, each with what it still wants from the worker. */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/ipsec/charon/daemon.h"

bool charon_set_equal_spi(const struct map_node *node, const void *key)
{
    const struct set *s = CONTAINER_OF(node, struct set, by_spi);

    return s->set.spi_pc >> 1 == *(const uint32_t *)key;
}

struct set *charon_set_of_spi(const struct ipsec_charon *c, uint32_t spi)
{
    uint32_t key = spi >> 1;
    struct map_node *node = map_find(&c->by_spi, map_hash(&c->by_spi, &key, sizeof(key)), &key);

    return node ? CONTAINER_OF(node, struct set, by_spi) : NULL;
}

void charon_set_free(struct ipsec_charon *c, struct set *s)
{
    map_del(&c->by_spi, &s->by_spi);
    pool_del(&c->handles, s->handle);
    list_del(&s->pending);
    list_del(&s->all);
    bytes_wipe(&s->set, sizeof(s->set));
    free(s);
}

/* Our SPIs are a pair, even and odd, that no set of ours has and the phone neither (TS 33.203 7.1:
 * an SPI of the phone's would let our own packets be sent back to us). */
static void choose_spis(struct ipsec_charon *c, struct ipsec_set *s)
{
    uint32_t spi;

    do {
        spi = c->next_spi;
        c->next_spi = spi >= 0xfffffff0 ? 0x1000 : spi + 2;
    } while (charon_set_of_spi(c, spi) || spi >> 1 == s->spi_uc >> 1 || spi >> 1 == s->spi_us >> 1);
    s->spi_pc = spi;
    s->spi_ps = spi + 1;
}

static void set_lifetime(const struct ipsec_charon *c, struct set *s, uint32_t seconds)
{
    s->set.lifetime = seconds;
    s->ends_at = seconds ? loop_now(c->loop) + seconds * SEC : 0;
}

static int charon_install(void *self, const struct ipsec_set *set, ipsec_done *done, void *ctx,
                          struct handle *ret_set)
{
    struct ipsec_charon *c = self;
    struct set *s;
    uint32_t key;
    int rc = ipsec_set_check(set);

    if (rc < 0 || set->spi_pc) /* the index lives on our SPIs being a pair */
        return -EINVAL;
    if (!c->health.ready)
        return -ENOTCONN;
    if (!(c->health.algs & 1u << set->pair.alg) || !(c->health.ealgs & 1u << set->pair.ealg))
        return -EOPNOTSUPP;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    rc = pool_add(&c->handles, s, &s->handle);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->set = *set;
    set_lifetime(c, s, set->lifetime);
    choose_spis(c, &s->set);
    key = s->set.spi_pc >> 1;
    rc = map_add(&c->by_spi, map_hash(&c->by_spi, &key, sizeof(key)), &s->by_spi);
    if (rc < 0) {
        pool_del(&c->handles, s->handle);
        bytes_wipe(&s->set, sizeof(s->set));
        free(s);
        return rc;
    }
    s->done = done;
    s->done_ctx = ctx;
    list_init(&s->pending);
    list_add_tail(&c->sets, &s->all);
    charon_want(c, s, WANT_INSTALL);
    *ret_set = s->handle;
    charon_pump(c);
    return 0;
}

static struct set *find_set(const struct ipsec_charon *c, struct handle h)
{
    struct set *s = pool_find(&c->handles, h);

    return s && !s->dead ? s : NULL;
}

static int charon_limit(void *self, struct handle h, uint32_t seconds)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return -ENOENT;
    set_lifetime(c, s, seconds);
    if (s->want & WANT_INSTALL) /* it goes in with the new lifetime */
        return 0;
    charon_want(c, s, WANT_LIMIT);
    charon_pump(c);
    return 0;
}

static void charon_remove(void *self, struct handle h)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return;
    s->done = NULL;
    s->counted = NULL;
    if (s->want & WANT_INSTALL) { /* never sent */
        charon_set_free(c, s);
        return;
    }
    s->dead = true;
    s->want = 0;
    charon_want(c, s, WANT_REMOVE);
    charon_pump(c);
}

static int charon_count(void *self, struct handle h, ipsec_counted *done, void *ctx)
{
    struct ipsec_charon *c = self;
    struct set *s = find_set(c, h);

    if (!s)
        return -ENOENT;
    if (!c->health.ready)
        return -ENOTCONN;
    if (s->counted)
        return -EBUSY;
    s->counted = done;
    s->counted_ctx = ctx;
    charon_want(c, s, WANT_COUNT);
    charon_pump(c);
    return 0;
}

static void charon_listen(void *self, const struct ipsec_events *events, void *ctx)
{
    struct ipsec_charon *c = self;

    c->events = *events;
    c->events_ctx = ctx;
}

static const struct ipsec_health *charon_health(void *self)
{
    const struct ipsec_charon *c = self;

    return &c->health;
}

const struct ipsec_ops charon_ops = {
    charon_install, charon_limit, charon_remove, charon_count, charon_listen, charon_health,
};
