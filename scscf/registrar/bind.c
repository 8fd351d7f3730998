/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an authenticated REGISTER does to the contacts: all or nothing (RFC 3261 10.3 step 7). */
#include <stdlib.h>

#include "scscf/registrar/inner.h"

static struct contact *contact_find(const struct user *u, const struct wanted *w)
{
    struct span instance = sip_param_find(w->na.params, SPAN("+sip.instance"));

    LIST_EACH (it, &u->contacts) {
        struct contact *c = CONTAINER_OF(it, struct contact, item);
        struct sip_uri uri;

        /* TS 24.229 5.4.1.2.2F: the same device, whatever port its new SAs gave it. */
        if (instance.n && span_eq(instance, c->instance))
            return c;
        if (span_eq(c->uri, w->na.uri) ||
            (sip_uri_split(c->uri, &uri) == 0 && sip_uri_equal(&uri, &w->uri)))
            return c;
    }
    return NULL;
}

static bool is_out_of_order(const struct order *o, const struct contact *c)
{
    return span_eq(c->call_id, o->m->call_id) && o->m->cseq <= c->cseq;
}

/* RFC 3261 10.3 step 7: all or nothing, so the order is looked at before anything changes. */
static bool check_order(struct order *o, struct user *u)
{
    bool good = true;

    if (!u)
        return true;
    for (unsigned i = 0; i < o->n_wanted; i++) {
        struct contact *c = contact_find(u, &o->wanted[i]);

        good = good && !(c && is_out_of_order(o, c));
    }
    if (o->star)
        LIST_EACH (it, &u->contacts)
            good = good && !is_out_of_order(o, CONTAINER_OF(it, struct contact, item));
    return good ||
           order_refuse(o, 500, &o->r->counters.refused_order, "CSeq is lower than the last one");
}

static struct span put_part(struct buf *b, struct span s)
{
    struct span at = span_of(b->p + b->n, s.n);

    buf_put(b, s);
    return at;
}

/* Contact parameters but expires, as they came. */
static struct span put_params(struct buf *b, struct span list)
{
    size_t from = b->n;
    struct sip_param p;

    while (sip_param_next(&list, &p) == 1) {
        if (span_eq_nocase(p.name, SPAN("expires")))
            continue;
        buf_putc(b, ';');
        buf_put(b, p.name);
        if (!p.value.p)
            continue;
        buf_puts(b, p.quoted ? "=\"" : "=");
        buf_put(b, p.value);
        if (p.quoted)
            buf_putc(b, '"');
    }
    return span_of(b->p + from, b->n - from);
}

static struct contact *contact_new(const struct order *o, const struct wanted *w)
{
    struct span visited = sip_header_value(o->m, SIP_H_P_VISITED_NETWORK_ID);
    struct span instance = sip_param_find(w->na.params, SPAN("+sip.instance"));
    size_t room =
        w->na.uri.n + w->na.params.n + 8 + instance.n + o->path_n + o->m->call_id.n + visited.n;
    struct contact *c = calloc(1, sizeof(*c) + room);
    struct buf b;

    if (!c)
        return NULL;
    b = (struct buf){c->text, 0, room, false};
    c->uri = put_part(&b, w->na.uri);
    c->params = put_params(&b, w->na.params);
    c->instance = put_part(&b, instance);
    c->path = put_part(&b, span_of(o->path, o->path_n));
    c->call_id = put_part(&b, o->m->call_id);
    c->visited = put_part(&b, visited);
    c->cseq = o->m->cseq;
    c->q = w->q;
    c->expires_at = loop_now(o->r->env.loop) + (uint64_t)w->expires * SEC;
    if (b.overflow) { /* parameters written longer than they came cannot be */
        free(c);
        return NULL;
    }
    return c;
}

static void drop_oldest(struct user *u)
{
    user_contact_drop(u, CONTAINER_OF(u->contacts.prev, struct contact, item));
}

/* The old contacts stay until the new ones are made. */
static bool bind_contacts(struct order *o, struct user *u)
{
    struct contact *fresh[REGISTRAR_CONTACTS_MAX] = {NULL};
    bool complete = true;

    for (unsigned i = 0; i < o->n_wanted; i++) {
        if (!o->wanted[i].expires)
            continue;
        fresh[i] = contact_new(o, &o->wanted[i]);
        complete = complete && fresh[i];
    }
    if (!complete) {
        for (unsigned i = 0; i < o->n_wanted; i++)
            free(fresh[i]);
        return order_refuse(o, 503, &o->r->counters.refused_full, "out of memory");
    }
    for (unsigned i = 0; i < o->n_wanted; i++) {
        struct contact *old = contact_find(u, &o->wanted[i]);

        if (fresh[i])
            user_contact_add(u, fresh[i]);
        else if (old)
            o->removed[o->n_removed++] = o->wanted[i].na.uri;
        if (old)
            user_contact_drop(u, old);
    }
    while (u->n_contacts > o->r->options.contacts)
        drop_oldest(u);
    while (o->star && u->n_contacts)
        drop_oldest(u);
    return true;
}

static void note_change(struct registrar *r, const struct user *u, bool was_registered)
{
    enum registrar_event event = REGISTRAR_REFRESHED;

    if (!was_registered && !u->n_contacts)
        return;
    if (!was_registered)
        event = REGISTRAR_REGISTERED;
    else if (!u->n_contacts)
        event = REGISTRAR_DEREGISTERED;
    r->counters.registered += event == REGISTRAR_REGISTERED;
    r->counters.refreshed += event == REGISTRAR_REFRESHED;
    r->counters.deregistered += event == REGISTRAR_DEREGISTERED;
    registrar_tell(r, event, u->impi, "");
}

bool order_bind(struct order *o)
{
    struct registrar *r = o->r;
    struct user *u = user_find(r, o->impi);
    bool was_registered = u && u->n_contacts, good;

    if (!check_order(o, u))
        return false;
    if (!was_registered && r->n_registered >= r->options.limit)
        return order_refuse(o, 503, &r->counters.refused_full, "as many registrations as allowed");
    if (!u && user_take(r, o->impi, &u) != 0)
        return order_refuse(o, 503, &r->counters.refused_full, "out of memory");
    good = bind_contacts(o, u);
    if (good && (o->n_wanted || o->star))
        note_change(r, u, was_registered);
    user_expiry_set(u);
    return good;
}
