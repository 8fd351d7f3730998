/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 3263: locating SIP servers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/net/inner.h"

static const struct service {
    enum net_proto proto;
    const char *naptr;
    const char *prefix;
    uint16_t port;
} services[] = {
    {NET_UDP, "SIP+D2U", "_sip._udp", 5060},
    {NET_TCP, "SIP+D2T", "_sip._tcp", 5060},
    {NET_TLS, "SIPS+D2T", "_sips._tcp", 5061},
};

struct choice {
    const struct service *service;
    char name[NAMES_TEXT]; /* of the SRV set */
};

struct order {
    const struct net_resolve_query *query;
    struct name_fact *const *facts;
    size_t n_facts;
    const struct rnd *rnd;
    struct names_step *step;
    char host[NAMES_TEXT];
    int error;
};

static bool same_name(const char *a, const char *b)
{
    return span_eq_nocase(span_str(a), span_str(b));
}

/* The fact if it is known; else puts the question, once. */
static const struct name_fact *look(struct order *o, enum name_kind kind, const char *name)
{
    for (size_t i = 0; i < o->n_facts; i++) {
        struct name_fact *f = o->facts[i];
        if (f->kind == kind && f->known && same_name(f->name, name)) {
            if (f->error && f->error != -ENOENT)
                o->error = f->error;
            return f;
        }
    }
    for (size_t i = 0; i < o->step->n_questions; i++) {
        const struct name_question *q = &o->step->questions[i];
        if (q->kind == kind && same_name(q->name, name))
            return NULL;
    }
    if (o->n_facts + o->step->n_questions < NAMES_QUESTIONS) {
        struct name_question *q = &o->step->questions[o->step->n_questions++];
        q->kind = kind;
        (void)span_copy(span_str(name), q->name, sizeof(q->name)); /* as long as its source */
    }
    return NULL;
}

static void add_target(struct order *o, const struct service *s, const struct addr *a,
                       uint16_t port)
{
    if (o->step->n_targets < NAMES_TARGETS) {
        struct net_target *t = &o->step->targets[o->step->n_targets++];
        *t = (struct net_target){s->proto, *a};
        t->addr.port = port;
    }
}

static void add_host(struct order *o, const struct service *s, const char *name, uint16_t port)
{
    const struct name_fact *f = look(o, NAME_ADDR, name);

    for (size_t i = 0; f && i < f->n; i++)
        add_target(o, s, &f->addr[i], port);
}

/* Which transport without any record that says so: RFC 3263 4.1, last paragraphs. */
static const struct service *plain_service(const struct net_resolve_query *q)
{
    if (q->secure || q->proto == NET_TLS)
        return &services[2];
    return q->proto == NET_TCP ? &services[1] : &services[0];
}

static bool earlier(const struct name_naptr *a, const struct name_naptr *b)
{
    return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

static size_t choices_of_naptr(struct order *o, const struct name_fact *f, struct choice *c)
{
    const struct name_naptr *sorted[NAMES_RECORDS];
    size_t n = 0, n_choices = 0;

    for (size_t i = 0; i < f->n; i++) {
        size_t at = n++;
        for (; at > 0 && earlier(&f->naptr[i], sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &f->naptr[i];
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(services); k++) {
            const struct service *s = &services[k];
            /* RFC 3263 4.1: a SIPS URI discards what is not SIPS */
            if (!same_name(sorted[i]->service, s->naptr) ||
                (o->query->secure && s->proto != NET_TLS))
                continue;
            c[n_choices].service = s;
            (void)span_copy(span_str(sorted[i]->replacement), c[n_choices++].name, NAMES_TEXT);
        }
    }
    return n_choices;
}

static size_t choices_without_naptr(struct order *o, struct choice *c)
{
    const struct net_resolve_query *q = o->query;
    size_t n = 0;

    for (size_t k = 0; k < ARRAY_LEN(services); k++) {
        const struct service *s = &services[k];
        bool wanted = q->proto == NET_PROTO_ANY && !q->secure ? true : s == plain_service(q);
        struct buf b = BUF_ON(c[n].name);
        if (!wanted)
            continue;
        buf_fmt(&b, "%s.%s", s->prefix, o->host);
        buf_putc(&b, '\0');
        c[n].service = s;
        n += !b.overflow;
    }
    return n;
}

/* RFC 2782: the order among records of one priority is drawn by weight, those without weight
 * first in the row. */
static void sort_srv(const struct name_fact *f, const struct rnd *rnd, const struct name_srv **ret)
{
    const struct name_srv *left[NAMES_RECORDS];
    size_t n = f->n;

    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        const struct name_srv *r = &f->srv[i];
        for (; at > 0 && (r->priority < left[at - 1]->priority ||
                          (r->priority == left[at - 1]->priority && r->weight == 0 &&
                           left[at - 1]->weight != 0));
             at--)
            left[at] = left[at - 1];
        left[at] = r;
    }
    for (size_t out = 0; out < f->n; out++) {
        uint32_t sum = 0, drawn;
        size_t pick = 0;
        for (size_t i = 0; i < n && left[i]->priority == left[0]->priority; i++)
            sum += left[i]->weight;
        drawn = rnd_below(rnd, sum + 1);
        for (sum = left[0]->weight; sum < drawn; sum += left[pick]->weight)
            pick++;
        ret[out] = left[pick];
        memmove(&left[pick], &left[pick + 1], (--n - pick) * sizeof(struct name_srv *));
    }
}

/* False: questions are open. */
static bool add_services(struct order *o, const struct choice *c, size_t n, bool *ret_any)
{
    const struct name_fact *sets[ARRAY_LEN(services) * NAMES_RECORDS];
    bool any = false;

    for (size_t i = 0; i < n; i++)
        sets[i] = look(o, NAME_SRV, c[i].name);
    if (o->step->n_questions)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct name_srv *sorted[NAMES_RECORDS];
        if (!sets[i]) /* beyond the bound on questions */
            continue;
        any |= sets[i]->n > 0;
        sort_srv(sets[i], o->rnd, sorted);
        for (size_t k = 0; k < sets[i]->n; k++) {
            if (!same_name(sorted[k]->target, "")) /* "." : the service is not offered */
                add_host(o, c[i].service, sorted[k]->target, sorted[k]->port);
        }
    }
    *ret_any = any;
    return true;
}

static void order_name(struct order *o)
{
    const struct net_resolve_query *q = o->query;
    const struct service *plain = plain_service(q);
    struct choice choices[NAMES_RECORDS];
    size_t n = 0;
    bool any = false;

    if (q->port) {
        add_host(o, plain, o->host, q->port);
        return;
    }
    if (q->proto == NET_PROTO_ANY) {
        const struct name_fact *f = look(o, NAME_NAPTR, o->host);
        if (!f)
            return;
        n = choices_of_naptr(o, f, choices);
    }
    if (n == 0)
        n = choices_without_naptr(o, choices);
    if (!add_services(o, choices, n, &any))
        return;
    if (!any)
        add_host(o, plain, o->host, plain->port);
}

void names_order(const struct net_resolve_query *query, struct name_fact *const *facts, size_t n,
                 const struct rnd *rnd, struct names_step *ret_step)
{
    struct order o = {query, facts, n, rnd, ret_step, "", 0};
    struct span host = query->host;
    struct addr literal;

    ret_step->n_questions = ret_step->n_targets = 0;
    ret_step->error = 0;
    if (addr_parse_ip(host, 0, &literal) == 0) {
        const struct service *s = plain_service(query);
        add_target(&o, s, &literal, query->port ? query->port : s->port);
        return;
    }
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n == 0 || span_copy(host, o.host, sizeof(o.host))) {
        ret_step->error = -EINVAL;
        return;
    }
    order_name(&o);
    if (ret_step->n_questions)
        ret_step->n_targets = 0;
    else if (ret_step->n_targets == 0)
        ret_step->error = o.error ? o.error : -ENOENT;
}

/* ---- resolving ---- */

static void names_free(struct net_resolve *r)
{
    list_del(&r->item);
    LIST_EACH (it, &r->open) {
        CONTAINER_OF(it, struct name_open, item)->resolve = NULL;
        list_del(it);
    }
    for (size_t i = 0; i < r->n; i++)
        free(r->facts[i]);
    free(r);
}

static void finish(struct net_resolve *r, const struct names_step *step)
{
    void (*done)(const struct net_target *, size_t, int, void *) = r->done;
    void *ctx = r->ctx;

    names_free(r);
    done(step->targets, step->n_targets, step->error, ctx);
}

static int ask(struct net_resolve *r, const struct name_question *q)
{
    struct name_fact *f = calloc(1, sizeof(*f));
    int err;

    if (!f)
        return -ENOMEM;
    f->kind = q->kind;
    memcpy(f->name, q->name, sizeof(f->name));
    r->facts[r->n++] = f;
    r->pending++;
    err = r->net->impl->ask(r, f);
    if (err)
        r->pending--;
    return err;
}

/* True when r is finished and gone. */
static bool go_on(struct net_resolve *r)
{
    struct names_step step;

    while (r->pending == 0) {
        names_order(&r->query, r->facts, r->n, r->net->impl->rnd(r->net), &step);
        r->busy = true;
        for (size_t i = 0; i < step.n_questions && step.error == 0; i++)
            step.error = ask(r, &step.questions[i]);
        r->busy = false;
        if (step.n_questions == 0 || step.error) {
            finish(r, &step);
            return true;
        }
    }
    return false;
}

void names_open(struct name_open *open, struct net_resolve *r, struct name_fact *fact)
{
    open->resolve = r;
    open->fact = fact;
    list_add_tail(&r->open, &open->item);
}

void names_answer(struct name_open *open)
{
    struct net_resolve *r = open->resolve;

    list_del(&open->item);
    if (!r)
        return;
    open->fact->known = true;
    r->pending--;
    if (!r->busy)
        (void)go_on(r); /* gone or waiting: nothing more to do here */
}

struct net_resolve *net_resolve(struct net *n, const struct net_resolve_query *query,
                                void (*done)(const struct net_target *targets, size_t n, int error,
                                             void *ctx),
                                void *ctx)
{
    struct net_resolve *r = calloc(1, sizeof(*r));
    int err = r ? span_copy(query->host, r->host, sizeof(r->host)) : -ENOMEM;

    if (err) {
        free(r);
        done(NULL, 0, err, ctx);
        return NULL;
    }
    r->net = n;
    r->query = *query;
    r->query.host = span_str(r->host);
    r->done = done;
    r->ctx = ctx;
    list_init(&r->open);
    list_add_tail(&n->resolves, &r->item);
    return go_on(r) ? NULL : r;
}

void net_resolve_cancel(struct net_resolve *r)
{
    if (r)
        names_free(r);
}
