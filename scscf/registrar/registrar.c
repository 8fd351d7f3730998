/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users, their contacts and the end of their registrations. */
#include "scscf/registrar/registrar.h"

#include <errno.h>
#include <stdlib.h>

#include "scscf/registrar/inner.h"

const struct registrar_options registrar_options_default = {
    .min_expires = 60,
    .max_expires = 600000, /* TS 24.229 5.4.1.2.2F: what phones ask for */
    .default_expires = 3600,
    .reg_await_auth = 240 * SEC, /* TS 24.229 table 7.8.1 */
    .nonce_lifetime = 3600 * SEC,
    .qops = DIGEST_QOP_AUTH,
    .contacts = 1, /* TS 24.229 5.4.1.2.2F: without outbound, the new contact replaces the old */
    .resyncs = 2,
    .limit = 1000000,
    .challenges = 200000,
    .rechallenge = REGISTRAR_UNLESS_PROTECTED,
};

static bool user_is(const struct map_node *node, const void *key)
{
    return span_eq(CONTAINER_OF(node, struct user, by_impi)->impi, *(const struct span *)key);
}

static bool nonce_is(const struct map_node *node, const void *key)
{
    return span_eq(challenge_nonce(CONTAINER_OF(node, struct challenge, by_nonce)),
                   *(const struct span *)key);
}

int registrar_new(const struct registrar_env *env, const struct registrar_options *options,
                  struct registrar **ret_registrar)
{
    struct registrar *r;
    uint8_t key[16];
    int rc;

    if (!options->realm || !options->service_route || options->contacts < 1 ||
        options->contacts > REGISTRAR_CONTACTS_MAX || options->min_expires > options->max_expires)
        return -EINVAL;
    r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct registrar){.env = *env, .options = *options};
    list_init(&r->registered);
    r->realm = span_dup(span_str(options->realm));
    r->service_route = span_dup(span_str(options->service_route));
    env->rnd->fill(env->rnd->ctx, key, sizeof(key));
    rc = r->realm && r->service_route ? map_init(&r->users, 0, key, user_is) : -ENOMEM;
    if (rc == 0)
        rc = map_init(&r->nonces, options->challenges, key, nonce_is);
    if (rc != 0) {
        registrar_free(r);
        return rc;
    }
    *ret_registrar = r;
    return 0;
}

static void user_clear(struct user *u)
{
    LIST_EACH (it, &u->challenges)
        challenge_free(CONTAINER_OF(it, struct challenge, item));
    LIST_EACH (it, &u->contacts)
        user_contact_drop(u, CONTAINER_OF(it, struct contact, item));
}

static bool first_user(struct map_node *node, void *ctx)
{
    *(struct user **)ctx = CONTAINER_OF(node, struct user, by_impi);
    return false;
}

void registrar_free(struct registrar *r)
{
    if (!r)
        return;
    while (r->users.count) {
        struct user *u = NULL;

        map_each(&r->users, first_user, &u);
        user_clear(u);
        user_let_go(u);
    }
    map_fini(&r->users);
    map_fini(&r->nonces);
    free(r->realm);
    free(r->service_route);
    free(r);
}

/* ---- users ------------------------------------------------------------------------------------ */

static void on_expiry(struct loop_timer *t, void *ctx)
{
    struct user *u = ctx;
    struct registrar *r = u->r;
    uint64_t now = loop_now(r->env.loop);

    (void)t;
    LIST_EACH (it, &u->contacts) {
        struct contact *c = CONTAINER_OF(it, struct contact, item);

        if (c->expires_at <= now)
            user_contact_drop(u, c);
    }
    if (u->n_contacts == 0) {
        r->counters.expired++;
        registrar_tell(r, REGISTRAR_EXPIRED, u->impi, "");
    }
    user_expiry_set(u);
    user_let_go(u);
}

struct user *user_find(const struct registrar *r, struct span impi)
{
    struct map_node *n = map_find(&r->users, map_hash(&r->users, impi.p, impi.n), &impi);

    return n ? CONTAINER_OF(n, struct user, by_impi) : NULL;
}

int user_take(struct registrar *r, struct span impi, struct user **ret_user)
{
    struct user *u = user_find(r, impi);
    int rc;

    if (u) {
        *ret_user = u;
        return 0;
    }
    /* Users who only have a challenge are bounded by the challenges. */
    if (r->users.count >= r->options.limit + r->options.challenges)
        return -ENOSPC;
    u = calloc(1, sizeof(*u) + impi.n);
    if (!u)
        return -ENOMEM;
    u->r = r;
    memcpy(u->text, impi.p, impi.n);
    u->impi = span_of(u->text, impi.n);
    list_init(&u->item);
    list_init(&u->contacts);
    list_init(&u->challenges);
    loop_timer_init(&u->expiry, on_expiry, u);
    rc = map_add(&r->users, map_hash(&r->users, impi.p, impi.n), &u->by_impi);
    if (rc != 0) {
        free(u);
        return rc;
    }
    *ret_user = u;
    return 0;
}

void user_let_go(struct user *u)
{
    if (u->n_contacts || u->n_challenges)
        return;
    loop_timer_stop(u->r->env.loop, &u->expiry);
    map_del(&u->r->users, &u->by_impi);
    free(u);
}

void user_contact_add(struct user *u, struct contact *c)
{
    list_add_head(&u->contacts, &c->item); /* newest first */
    if (u->n_contacts++ == 0) {
        list_add_tail(&u->r->registered, &u->item);
        u->r->n_registered++;
        u->since = loop_wall(u->r->env.loop);
    }
}

void user_contact_drop(struct user *u, struct contact *c)
{
    list_del(&c->item);
    free(c);
    if (--u->n_contacts == 0) {
        list_del(&u->item);
        u->r->n_registered--;
    }
}

void user_expiry_set(struct user *u)
{
    uint64_t now = loop_now(u->r->env.loop), first = UINT64_MAX;

    LIST_EACH (it, &u->contacts) {
        struct contact *c = CONTAINER_OF(it, struct contact, item);

        if (c->expires_at < first)
            first = c->expires_at;
    }
    if (first == UINT64_MAX)
        loop_timer_stop(u->r->env.loop, &u->expiry);
    else
        loop_timer_start(u->r->env.loop, &u->expiry, first > now ? first - now : 0);
}

void registrar_tell(struct registrar *r, enum registrar_event event, struct span impi,
                    const char *detail)
{
    if (r->env.on_event)
        r->env.on_event(r->env.ctx, event, impi, span_str(detail));
}

const char *registrar_event_name(enum registrar_event event)
{
    static const char *const names[] = {"challenged",   "registered", "refreshed",
                                        "deregistered", "expired",    "refused"};

    return names[event];
}

/* ---- look-ups --------------------------------------------------------------------------------- */

static size_t contacts_of(const struct user *u, struct registrar_contact *ret_contacts, size_t cap)
{
    uint64_t now = loop_now(u->r->env.loop);
    size_t n = 0;

    LIST_EACH (it, &u->contacts) {
        const struct contact *c = CONTAINER_OF(it, struct contact, item);

        if (n == cap)
            break;
        if (c->expires_at <= now)
            continue;
        ret_contacts[n++] = (struct registrar_contact){
            .uri = c->uri,
            .path = c->path,
            .params = c->params,
            .visited = c->visited,
            .q = c->q,
            .expires_in = (uint32_t)((c->expires_at - now + SEC - 1) / SEC),
        };
    }
    return n;
}

bool registrar_is_registered(const struct registrar *r, struct span impi)
{
    struct registrar_contact one;

    return registrar_contacts(r, impi, &one, 1) != 0;
}

size_t registrar_contacts(const struct registrar *r, struct span impi,
                          struct registrar_contact *ret_contacts, size_t cap)
{
    const struct user *u = user_find(r, impi);

    return u ? contacts_of(u, ret_contacts, cap) : 0;
}

bool registrar_remove(struct registrar *r, struct span impi)
{
    struct user *u = user_find(r, impi);

    if (!u)
        return false;
    user_clear(u);
    user_let_go(u);
    return true;
}

size_t registrar_count(const struct registrar *r)
{
    return r->n_registered;
}

size_t registrar_challenges(const struct registrar *r)
{
    return r->nonces.count;
}

size_t registrar_users(const struct registrar *r)
{
    return r->users.count;
}

const struct registrar_counters *registrar_counters(const struct registrar *r)
{
    return &r->counters;
}

int registrar_each(const struct registrar *r, struct span after,
                   bool (*visit)(const struct registrar_view *v, void *ctx), void *ctx)
{
    const struct user *from = after.n ? user_find(r, after) : NULL;
    const struct list *at = from ? &from->item : &r->registered;

    if (after.n && (!from || !from->n_contacts))
        return -ENOENT;
    for (at = at->next; at != &r->registered; at = at->next) {
        const struct user *u = CONTAINER_OF(at, struct user, item);
        struct registrar_view v = {.impi = u->impi, .since = u->since};

        v.n_contacts = contacts_of(u, v.contacts, ARRAY_LEN(v.contacts));
        if (!visit(&v, ctx))
            break;
    }
    return 0;
}
