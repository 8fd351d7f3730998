/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/binding/binding.h"

#include <errno.h>
#include <stdlib.h>

struct bindings {
    struct loop *loop;
    struct rnd rnd;
    struct bindings_ops ops;
    void *ctx;
    struct map by_id, by_impi, by_source, by_uc, by_us;
};

struct source_key {
    struct addr remote;
    struct span via;
};

static bool id_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct binding, by_id)->id == *(const uint64_t *)key;
}

static bool impi_equal(const struct map_node *node, const void *key)
{
    return span_eq(span_str(CONTAINER_OF(node, const struct binding, by_impi)->impi),
                   *(const struct span *)key);
}

static bool source_equal(const struct map_node *node, const void *key)
{
    const struct binding *b = CONTAINER_OF(node, const struct binding, by_source);
    const struct source_key *k = key;

    return addr_eq(&b->source.remote, &k->remote) && span_eq_nocase(span_str(b->via), k->via);
}

static bool uc_equal(const struct map_node *node, const void *key)
{
    return addr_eq(&CONTAINER_OF(node, const struct binding_set, by_uc)->phone_uc, key);
}

static bool us_equal(const struct map_node *node, const void *key)
{
    return addr_eq(&CONTAINER_OF(node, const struct binding_set, by_us)->phone_us, key);
}

int bindings_new(struct loop *l, const struct rnd *rnd, unsigned limit,
                 const struct bindings_ops *ops, void *ctx, struct bindings **ret_bindings)
{
    struct bindings *bs = calloc(1, sizeof(*bs));
    uint8_t key[16];
    int rc;

    if (!bs)
        return -ENOMEM;
    *bs = (struct bindings){.loop = l, .rnd = *rnd, .ops = *ops, .ctx = ctx};
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&bs->by_id, limit, key, id_equal);
    rc = rc ? rc : map_init(&bs->by_impi, 0, key, impi_equal);
    rc = rc ? rc : map_init(&bs->by_source, 0, key, source_equal);
    rc = rc ? rc : map_init(&bs->by_uc, 0, key, uc_equal);
    rc = rc ? rc : map_init(&bs->by_us, 0, key, us_equal);
    if (rc != 0) {
        bindings_free(bs);
        return rc;
    }
    *ret_bindings = bs;
    return 0;
}

static bool first_node(struct map_node *node, void *ctx)
{
    *(struct map_node **)ctx = node;
    return false;
}

void bindings_free(struct bindings *bs)
{
    if (!bs)
        return;
    for (;;) {
        struct map_node *node = NULL;

        if (bs->by_id.segments)
            map_each(&bs->by_id, first_node, &node);
        if (!node)
            break;
        struct binding *b = CONTAINER_OF(node, struct binding, by_id);

        b->references = 0;
        binding_remove(bs, b);
    }
    map_fini(&bs->by_id);
    map_fini(&bs->by_impi);
    map_fini(&bs->by_source);
    map_fini(&bs->by_uc);
    map_fini(&bs->by_us);
    free(bs);
}

size_t bindings_count(const struct bindings *bs)
{
    return bs->by_id.count;
}

struct visit {
    void (*fn)(struct binding *b, void *ctx);
    void *ctx;
};

static bool visit_binding(struct map_node *node, void *ctx)
{
    const struct visit *v = ctx;

    v->fn(CONTAINER_OF(node, struct binding, by_id), v->ctx);
    return true;
}

void bindings_each(const struct bindings *bs, void (*visit)(struct binding *b, void *ctx),
                   void *ctx)
{
    struct visit v = {visit, ctx};

    map_each(&bs->by_id, visit_binding, &v);
}

/* ---- finding --------------------------------------------------------------------------------- */

struct binding *binding_find_id(const struct bindings *bs, uint64_t id)
{
    struct map_node *node = map_find(&bs->by_id, map_hash(&bs->by_id, &id, sizeof(id)), &id);

    return node ? CONTAINER_OF(node, struct binding, by_id) : NULL;
}

struct binding *binding_find_impi(const struct bindings *bs, struct span impi)
{
    struct map_node *node = map_find(&bs->by_impi, map_hash(&bs->by_impi, impi.p, impi.n), &impi);

    return node ? CONTAINER_OF(node, struct binding, by_impi) : NULL;
}

static uint64_t source_hash(const struct bindings *bs, const struct source_key *k)
{
    char lower[sizeof(((struct binding *)0)->via)];
    size_t n = k->via.n < sizeof(lower) ? k->via.n : sizeof(lower);

    for (size_t i = 0; i < n; i++) /* host names compare in any case */
        lower[i] =
            (char)(k->via.p[i] >= 'A' && k->via.p[i] <= 'Z' ? k->via.p[i] + 32 : k->via.p[i]);
    return map_hash_more(&bs->by_source, addr_hash(&bs->by_source, &k->remote), lower, n);
}

struct binding_set *binding_set_at(const struct bindings *bs, const struct addr *phone_uc)
{
    struct map_node *node = map_find(&bs->by_uc, addr_hash(&bs->by_uc, phone_uc), phone_uc);

    return node ? CONTAINER_OF(node, struct binding_set, by_uc) : NULL;
}

struct binding_set *binding_set_towards(const struct bindings *bs, const struct sip_endpoint *pc,
                                        const struct addr *phone_us)
{
    struct map_node *node = map_find(&bs->by_us, addr_hash(&bs->by_us, phone_us), phone_us);

    /* Several sets of one phone share port_us; our port tells. */
    for (; node; node = map_find_next(&bs->by_us, node, phone_us)) {
        struct binding_set *set = CONTAINER_OF(node, struct binding_set, by_us);

        if (set->pc == pc)
            return set;
    }
    return NULL;
}

static struct binding_set *set_of_flow(const struct bindings *bs, const struct sip_flow *flow)
{
    struct binding_set *set = binding_set_at(bs, &flow->remote);

    /* TS 33.203 7.1: port_uc speaks to port_ps alone, port_us to port_pc alone. */
    if (set && set->ps == flow->endpoint)
        return set;
    return binding_set_towards(bs, flow->endpoint, &flow->remote);
}

struct binding *binding_of_flow(const struct bindings *bs, const struct sip_flow *flow,
                                bool is_protected, struct span via_sent_by,
                                struct binding_set **ret_set)
{
    struct source_key key = {flow->remote, via_sent_by};
    struct map_node *node;

    if (is_protected) {
        struct binding_set *set = set_of_flow(bs, flow);

        if (!set)
            return NULL;
        *ret_set = set;
        return set->binding;
    }
    node = map_find(&bs->by_source, source_hash(bs, &key), &key);
    return node ? CONTAINER_OF(node, struct binding, by_source) : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_expiry(struct loop_timer *t, void *ctx)
{
    struct bindings *bs = ctx;

    bs->ops.on_expiry(CONTAINER_OF(t, struct binding, expiry), bs->ctx);
}

int binding_new(struct bindings *bs, struct span impi, struct binding **ret_binding)
{
    struct binding *b = calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return -ENOMEM;
    list_init(&b->sets);
    list_init(&b->legs);
    loop_timer_init(&b->expiry, on_expiry, bs);
    rc = span_copy(impi, b->impi, sizeof(b->impi));
    do {
        b->id = rnd_u64(&bs->rnd);
    } while (binding_find_id(bs, b->id));
    if (rc == 0)
        rc = map_add(&bs->by_id, map_hash(&bs->by_id, &b->id, sizeof(b->id)), &b->by_id);
    if (rc == 0) {
        rc = map_add(&bs->by_impi, map_hash(&bs->by_impi, impi.p, impi.n), &b->by_impi);
        if (rc != 0)
            map_del(&bs->by_id, &b->by_id);
    }
    if (rc != 0) {
        free(b);
        return rc;
    }
    *ret_binding = b;
    return 0;
}

static void binding_free(struct binding *b)
{
    free(b->service_route);
    free(b->contact);
    free(b);
}

void binding_remove(struct bindings *bs, struct binding *b)
{
    if (b->dead)
        return;
    b->dead = true;
    b->registered = false;
    LIST_EACH (item, &b->sets) {
        binding_set_remove(bs, CONTAINER_OF(item, struct binding_set, item));
    }
    loop_timer_stop(bs->loop, &b->expiry);
    map_del(&bs->by_id, &b->by_id);
    map_del(&bs->by_impi, &b->by_impi);
    binding_dissociate(bs, b);
    if (b->references == 0)
        binding_free(b);
}

void binding_ref(struct binding *b)
{
    b->references++;
}

void binding_unref(struct bindings *bs, struct binding *b)
{
    (void)bs;
    if (b && --b->references == 0 && b->dead)
        binding_free(b);
}

int binding_associate(struct bindings *bs, struct binding *b, const struct sip_flow *flow,
                      struct span via_sent_by)
{
    struct source_key key = {flow->remote, via_sent_by};
    uint64_t hash = source_hash(bs, &key);
    struct map_node *node = map_find(&bs->by_source, hash, &key);

    if (via_sent_by.n == 0 || via_sent_by.n >= sizeof(b->via))
        return -ENAMETOOLONG;
    if (node && node != &b->by_source) {
        /* TS 33.203 annex N: a new registration overwrites the entry of another user. */
        struct binding *other = CONTAINER_OF(node, struct binding, by_source);

        map_del(&bs->by_source, node);
        other->via[0] = '\0';
    }
    if (b->via[0])
        map_del(&bs->by_source, &b->by_source);
    b->source = *flow;
    (void)span_copy(via_sent_by, b->via,
                    sizeof(b->via)); /* measured above; a NUL cannot be in it */
    return map_add(&bs->by_source, hash, &b->by_source);
}

void binding_dissociate(struct bindings *bs, struct binding *b)
{
    if (b->via[0])
        map_del(&bs->by_source, &b->by_source);
    b->via[0] = '\0';
}

struct span binding_sent_by(const struct sip_via *via)
{
    struct span text = via->host;

    /* ":5060" follows at once but for white space nobody writes; then the host alone has to do. */
    if (via->port && text.p[text.n] == ':') {
        text.n++;
        while (text.p[text.n] >= '0' && text.p[text.n] <= '9')
            text.n++;
    }
    return text;
}

void binding_put_uri(const struct binding *b, const struct addr *at, struct buf *out)
{
    buf_fmt(out, "<sip:b%016llx@", (unsigned long long)b->id);
    addr_put_host(out, at, true);
    buf_fmt(out, ":%u;lr>", at->port);
}

void binding_set_pending(struct bindings *bs, struct binding *b, uint64_t seconds)
{
    if (!b->registered)
        loop_timer_start(bs->loop, &b->expiry, seconds * SEC);
}

void binding_set_expiry(struct bindings *bs, struct binding *b, uint64_t seconds)
{
    b->registered = true;
    loop_timer_start(bs->loop, &b->expiry, seconds * SEC);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static void on_set_end(struct loop_timer *t, void *ctx)
{
    struct bindings *bs = ctx;

    bs->ops.on_set_end(CONTAINER_OF(t, struct binding_set, end), bs->ctx);
}

/* Whether an SA of somebody else's, or one with the same ends, is there already. */
static bool collides(const struct bindings *bs, const struct binding *b,
                     const struct binding_set *values)
{
    const struct addr *uc = &values->phone_uc, *us = &values->phone_us;
    const struct map_node *node = map_find(&bs->by_us, addr_hash(&bs->by_us, uc), uc);
    const struct binding_set *other = binding_set_at(bs, us);

    /* One phone's client port is no other's server port. */
    return binding_set_at(bs, uc) || binding_set_towards(bs, values->pc, us) ||
           (node && CONTAINER_OF(node, struct binding_set, by_us)->binding != b) ||
           (other && other->binding != b);
}

int binding_set_add(struct bindings *bs, struct binding *b, const struct binding_set *values,
                    struct binding_set **ret_set)
{
    struct binding_set *s;
    unsigned n = 0, here = 0;

    LIST_EACH (item, &b->sets) {
        n++;
        here +=
            addr_ip_eq(&CONTAINER_OF(item, struct binding_set, item)->phone_uc, &values->phone_uc);
    }
    if (here >= BINDING_SETS_MAX || n >= BINDING_SETS_ALL)
        return -ENOSPC;
    if (collides(bs, b, values))
        return -EEXIST;
    s = malloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    *s = *values;
    s->binding = b;
    s->state = BINDING_SET_TEMPORARY;
    s->expires_at = 0;
    s->heard = false;
    s->maker = s->prober = NULL;
    loop_timer_init(&s->end, on_set_end, bs);
    if (map_add(&bs->by_uc, addr_hash(&bs->by_uc, &s->phone_uc), &s->by_uc) != 0) {
        free(s);
        return -ENOMEM;
    }
    if (map_add(&bs->by_us, addr_hash(&bs->by_us, &s->phone_us), &s->by_us) != 0) {
        map_del(&bs->by_uc, &s->by_uc);
        free(s);
        return -ENOMEM;
    }
    list_add_head(&b->sets, &s->item);
    *ret_set = s;
    return 0;
}

void binding_set_remove(struct bindings *bs, struct binding_set *set)
{
    loop_timer_stop(bs->loop, &set->end);
    map_del(&bs->by_uc, &set->by_uc);
    map_del(&bs->by_us, &set->by_us);
    list_del(&set->item);
    free(set->security_client);
    free(set->security_server);
    free(set);
}

bool binding_set_limit(struct bindings *bs, struct binding_set *set, uint64_t seconds, bool shorten)
{
    uint64_t at = loop_now(bs->loop) + seconds * SEC;

    if (set->expires_at != 0 && (shorten ? at >= set->expires_at : at <= set->expires_at))
        return false;
    set->expires_at = at;
    loop_timer_start(bs->loop, &set->end, seconds * SEC);
    return true;
}

struct binding_set *binding_sending_set(const struct binding *b)
{
    struct binding_set *current = NULL, *old = NULL;

    LIST_EACH (item, &b->sets) {
        struct binding_set *s = CONTAINER_OF(item, struct binding_set, item);

        if (s->state == BINDING_SET_CURRENT && !current)
            current = s;
        if (s->state == BINDING_SET_OLD && !old)
            old = s;
    }
    if (current && (current->heard || !old))
        return current;
    return old ? old : current;
}

/* ---- ways to the phone ----------------------------------------------------------------------- */

int binding_target(const struct binding *b, struct sip_target *ret_target)
{
    struct binding_set *s = binding_sending_set(b);

    if (!b->ipsec) {
        *ret_target = sip_target_of_flow(&b->source, 0);
        ret_target->whom = b->id;
        return 0;
    }
    if (!s)
        return -ENOTCONN;
    if (b->source.proto == NET_TCP && b->source.remote.port == s->phone_uc.port) {
        /* The phone's own connection, port_uc to port_ps; without it, one of ours to port_us. */
        *ret_target = sip_target_of(s->pc, NET_TCP, &s->phone_us, SIP_TARGET_UDP_FALLBACK);
        ret_target->flow.connection = b->source.connection;
    } else {
        /* Phones listen on port_us for both (TS 33.203 7.1), and fragments get lost on the air. */
        *ret_target = sip_target_of(s->pc, NET_UDP, &s->phone_us, SIP_TARGET_LARGE_BY_TCP);
    }
    ret_target->whom = b->id;
    return 0;
}

struct sip_target binding_reply_target(const struct binding_set *set, const struct sip_flow *flow)
{
    struct sip_target to = sip_target_of(set->pc, flow->proto, &set->phone_us, 0);

    to.flow.connection = flow->connection;
    return to;
}
