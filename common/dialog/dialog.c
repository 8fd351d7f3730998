/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of dialogs: made, found from either side, moved on, ended. */
#include <errno.h>
#include <stdlib.h>

#include "common/dialog/inner.h"

const struct sip_dialogs_options sip_dialogs_options_default = {
    .limit = 100000,
    .early = 200 * SEC,
    .linger = 32 * SEC,
};

/* ---- finding ------------------------------ */

struct key {
    enum sip_leg leg;
    struct span call_id, caller, callee; /* the tags */
};

static bool same_key(const struct map_node *node, const void *key)
{
    const struct sip_dialog *d = CONTAINER_OF(node, struct sip_dialog, node);
    const struct key *k = key;

    return d->leg == k->leg && span_eq(d->call_id, k->call_id) &&
           span_eq(d->side[SIP_CALLER].tag, k->caller) &&
           span_eq(d->side[SIP_CALLEE].tag, k->callee);
}

static uint64_t hash_key(const struct map *m, const struct key *k)
{
    uint64_t hash = map_hash(m, k->call_id.p, k->call_id.n);

    hash = map_hash_more(m, hash, k->caller.p, k->caller.n);
    hash = map_hash_more(m, hash, k->callee.p, k->callee.n);
    return map_hash_more(m, hash, &k->leg, sizeof(k->leg));
}

static struct sip_dialog *find(const struct sip_dialogs *ds, const struct key *k)
{
    struct map_node *node = map_find(&ds->map, hash_key(&ds->map, k), k);

    return node ? CONTAINER_OF(node, struct sip_dialog, node) : NULL;
}

struct sip_dialog *sip_dialog_find(const struct sip_dialogs *ds, enum sip_leg leg,
                                   const struct sip_msg *m, enum sip_side *ret_from)
{
    enum sip_side requester = SIP_CALLER;
    struct key k = {leg, m->call_id, m->from_tag, m->to_tag};
    struct sip_dialog *d;

    if (!m->from_tag.n || !m->to_tag.n)
        return NULL;
    d = find(ds, &k);
    if (!d) {
        requester = SIP_CALLEE;
        k.caller = m->to_tag;
        k.callee = m->from_tag;
        d = find(ds, &k);
    }
    if (d && ret_from) /* From names the requester in a response as well (RFC 3261 8.2.6.2) */
        *ret_from = m->is_request ? requester : sip_side_other(requester);
    return d;
}

/* ---- beginning and end ------------------------------ */

int sip_dialogs_new(struct loop *l, const struct rnd *rnd,
                    const struct sip_dialogs_options *options, const struct sip_dialogs_ops *ops,
                    void *ctx, struct sip_dialogs **ret_dialogs)
{
    struct sip_dialogs *ds = calloc(1, sizeof(*ds));
    uint8_t key[16];
    int rc;

    if (!ds)
        return -ENOMEM;
    ds->loop = l;
    ds->o = options ? *options : sip_dialogs_options_default;
    ds->ops = ops ? *ops : (struct sip_dialogs_ops){0};
    ds->ctx = ctx;
    list_init(&ds->sendings);
    pool_init(&ds->handles, ds->o.limit);
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&ds->map, ds->o.limit, key, same_key);
    if (rc < 0) {
        free(ds);
        return rc;
    }
    *ret_dialogs = ds;
    return 0;
}

static void change(struct sip_dialog *d, enum sip_dialog_state to)
{
    d->ds->n_early -= d->state == SIP_DIALOG_EARLY && to != SIP_DIALOG_EARLY;
    d->state = to;
}

static void dialog_free(struct sip_dialog *d)
{
    struct sip_dialogs *ds = d->ds;

    change(d, SIP_DIALOG_TERMINATED);
    loop_timer_stop(ds->loop, &d->timer);
    map_del(&ds->map, &d->node);
    pool_del(&ds->handles, d->handle);
    for (int i = 0; i < 2; i++) {
        free(d->contact[i]);
        free(d->routes[i]);
    }
    free(d);
}

static bool first(struct map_node *node, void *ctx)
{
    *(struct map_node **)ctx = node;
    return false;
}

void sip_dialogs_free(struct sip_dialogs *ds)
{
    if (!ds)
        return;
    while (ds->map.count > 0) {
        struct map_node *node = NULL;

        map_each(&ds->map, first, &node);
        dialog_free(CONTAINER_OF(node, struct sip_dialog, node));
    }
    sendings_cancel(ds);
    map_fini(&ds->map);
    pool_fini(&ds->handles);
    free(ds);
}

size_t sip_dialogs_count(const struct sip_dialogs *ds)
{
    return ds->map.count;
}

static void on_timer(struct loop_timer *timer, void *ctx)
{
    struct sip_dialog *d = ctx;
    struct sip_dialogs *ds = d->ds;

    (void)timer;
    change(d, SIP_DIALOG_TERMINATED);
    if (ds->ops.on_end)
        ds->ops.on_end(d, ds->ctx);
    dialog_free(d);
}

void sip_dialog_terminate(struct sip_dialog *d)
{
    uint64_t linger = d->state == SIP_DIALOG_EARLY ? 0 : d->ds->o.linger;

    if (d->state == SIP_DIALOG_TERMINATED)
        return;
    change(d, SIP_DIALOG_TERMINATED);
    loop_timer_start(d->ds->loop, &d->timer, linger);
}

/* ---- making one ------------------------------ */

/* The value without its tag: all that has to be repeated in a request of ours. */
static void put_without_tag(struct buf *out, struct span value)
{
    struct sip_name_addr na;
    struct sip_param p;
    struct span head = value;

    if (sip_name_addr_parse(value, &na) < 0) {
        buf_put(out, value); /* the parser has let it pass; so do we */
        return;
    }
    if (na.params.p)
        head = span_trim(span_of(value.p, (size_t)(na.params.p - value.p)));
    buf_put(out, head);
    while (sip_param_next(&na.params, &p) > 0) {
        if (span_eq_nocase(p.name, SPAN("tag")))
            continue;
        buf_putc(out, ';');
        buf_put(out, p.name);
        if (!p.value.p)
            continue;
        buf_puts(out, p.quoted ? "=\"" : "=");
        buf_put(out, p.value);
        buf_puts(out, p.quoted ? "\"" : "");
    }
}

static struct span put_text(struct buf *out, struct span s)
{
    size_t at = out->n;

    buf_put(out, s);
    return span_of(out->p + at, out->n - at);
}

static struct span put_uri(struct buf *out, struct span value)
{
    size_t at = out->n;

    put_without_tag(out, value);
    return span_of(out->p + at, out->n - at);
}

static int dialog_new(struct sip_dialogs *ds, const struct key *k, const struct sip_msg *request,
                      const struct sip_msg *response, struct sip_dialog **ret_dialog)
{
    struct span from = sip_header_value(request, SIP_H_FROM);
    struct span to = sip_header_value(response, SIP_H_TO);
    size_t room = k->call_id.n + k->caller.n + k->callee.n + from.n + to.n;
    struct sip_dialog *d = calloc(1, sizeof(*d) + room);
    struct buf text;
    int rc;

    if (!d)
        return -ENOMEM;
    text = (struct buf){d->text, 0, room, false};
    d->ds = ds;
    d->leg = k->leg;
    d->call_id = put_text(&text, k->call_id);
    d->side[SIP_CALLER].tag = put_text(&text, k->caller);
    d->side[SIP_CALLEE].tag = put_text(&text, k->callee);
    d->side[SIP_CALLER].uri = put_uri(&text, from);
    d->side[SIP_CALLEE].uri = put_uri(&text, to);
    loop_timer_init(&d->timer, on_timer, d);
    rc = pool_add(&ds->handles, d, &d->handle);
    if (rc < 0) {
        free(d);
        return rc;
    }
    rc = map_add(&ds->map, hash_key(&ds->map, k), &d->node);
    if (rc < 0) {
        pool_del(&ds->handles, d->handle);
        free(d);
        return rc;
    }
    ds->n_early++;
    *ret_dialog = d;
    return 0;
}

static int set_text(char **text, struct span *view, struct span s)
{
    char *copy = s.n ? span_dup(s) : NULL;

    if (s.n && !copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    *view = span_of(copy, copy ? s.n : 0);
    return 0;
}

/* The remote target is the first Contact's URI; without one it stays as it is. */
static int set_contact(struct sip_dialog *d, enum sip_side side, const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_CONTACT);
    struct sip_name_addr na;

    if (!sip_values_next(&v) || sip_name_addr_parse(v.value, &na) < 0)
        return 0;
    return set_text(&d->contact[side], &d->side[side].contact, na.uri);
}

static unsigned count_values(const struct sip_msg *m, enum sip_header id)
{
    struct sip_values v = sip_values(m, id);
    unsigned n = 0;

    while (sip_values_next(&v))
        n++;
    return n;
}

/* The caller's way is the Record-Routes as they are: whoever is nearest to us put his on top. */
static int set_caller_routes(struct sip_dialog *d, const struct sip_msg *request)
{
    struct sip_values v = sip_values(request, SIP_H_RECORD_ROUTE);
    char text[ROUTES_MAX];
    struct buf b = BUF_ON(text);

    while (sip_values_next(&v)) {
        buf_puts(&b, b.n ? ", " : "");
        buf_put(&b, v.value);
    }
    return b.overflow ? -EMSGSIZE
                      : set_text(&d->routes[SIP_CALLER], &d->side[SIP_CALLER].routes, buf_span(&b));
}

/* The callee's way is what stands above ours, the last first: below are ours, and the caller's. */
static int set_callee_routes(struct sip_dialog *d, const struct sip_msg *request,
                             const struct sip_msg *response, unsigned own_routes)
{
    struct sip_values v = sip_values(response, SIP_H_RECORD_ROUTE);
    unsigned all = count_values(response, SIP_H_RECORD_ROUTE);
    unsigned below = own_routes + count_values(request, SIP_H_RECORD_ROUTE);
    struct span values[ROUTES_VALUES];
    unsigned n = 0, above = all > below ? all - below : 0;
    char text[ROUTES_MAX];
    struct buf b = BUF_ON(text);

    if (above > ROUTES_VALUES)
        return -EMSGSIZE;
    while (n < above && sip_values_next(&v))
        values[n++] = v.value;
    while (n > 0) {
        buf_puts(&b, b.n ? ", " : "");
        buf_put(&b, values[--n]);
    }
    return b.overflow ? -EMSGSIZE
                      : set_text(&d->routes[SIP_CALLEE], &d->side[SIP_CALLEE].routes, buf_span(&b));
}

static void confirm(struct sip_dialog *d)
{
    change(d, SIP_DIALOG_CONFIRMED);
    loop_timer_stop(d->ds->loop, &d->timer);
}

static bool makes_dialogs(enum sip_method m)
{
    return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_REFER;
}

int sip_dialog_open(struct sip_dialogs *ds, enum sip_leg leg, const struct sip_msg *request,
                    const struct sip_msg *response, unsigned own_routes,
                    struct sip_dialog **ret_dialog)
{
    struct key k = {leg, request->call_id, request->from_tag, response->to_tag};
    bool fresh = false;
    struct sip_dialog *d;
    int rc = 0;

    if (!makes_dialogs(request->method) || response->status < 101 || response->status > 299 ||
        !k.caller.n || !k.callee.n)
        return -EINVAL;
    d = find(ds, &k);
    if (!d) {
        if (response->status < 200 && ds->n_early >= ds->o.limit / 2)
            return -ENOSPC;
        rc = dialog_new(ds, &k, request, response, &d);
        if (rc < 0)
            return rc;
        fresh = true;
        d->side[SIP_CALLER].cseq = d->invite_cseq[SIP_CALLER] = request->cseq;
        rc = set_contact(d, SIP_CALLER, request);
        if (rc == 0)
            rc = set_caller_routes(d, request);
    }
    /* RFC 3261 13.2.2.4: the 2xx says once more what the early dialog was told */
    if (rc == 0 && d->state == SIP_DIALOG_EARLY) {
        rc = set_contact(d, SIP_CALLEE, response);
        if (rc == 0 && (fresh || response->status >= 200))
            rc = set_callee_routes(d, request, response, own_routes);
    }
    if (rc < 0) {
        if (fresh)
            dialog_free(d);
        return rc;
    }
    if (d->state == SIP_DIALOG_EARLY) {
        if (response->status >= 200)
            confirm(d);
        else
            loop_timer_start(ds->loop, &d->timer, ds->o.early);
    }
    *ret_dialog = d;
    return 0;
}

/* ---- moving on ------------------------------ */

int sip_dialog_on_request(struct sip_dialog *d, enum sip_side from, const struct sip_msg *request)
{
    struct sip_dialog_side *side = &d->side[from];

    if (request->method == SIP_ACK || request->method == SIP_CANCEL)
        return 0;
    if (request->method == SIP_BYE && from == SIP_CALLEE && d->state == SIP_DIALOG_EARLY)
        return -EPERM;
    if (side->cseq && request->cseq <= side->cseq)
        return -EBADMSG;
    side->cseq = request->cseq;
    if (request->method == SIP_INVITE)
        d->invite_cseq[from] = request->cseq;
    if (request->method == SIP_BYE && d->state == SIP_DIALOG_CONFIRMED)
        sip_dialog_terminate(d);
    return 0;
}

/* RFC 5057 5.1: which responses destroy the usage the INVITE made. Subscriptions are usages of
 * their own, and a 481 to PRACK is about a provisional response (RFC 3262 3). RFC 4320 4.2: no 408
 * to anything but INVITE goes on; whoever asked has given up by itself. */
bool sip_dialog_is_lost(const struct sip_dialog *d, enum sip_method request, unsigned status)
{
    if (d->state != SIP_DIALOG_CONFIRMED)
        return false;
    switch (request) {
    case SIP_INVITE:
        return status == 481 || status == 408;
    case SIP_PRACK:
    case SIP_SUBSCRIBE:
    case SIP_NOTIFY:
    case SIP_REFER:
        return false;
    default:
        return status == 481;
    }
}

int sip_dialog_on_response(struct sip_dialog *d, enum sip_side requester,
                           const struct sip_msg *request, const struct sip_msg *response)
{
    int rc;

    if (response->status / 100 != 2 ||
        (request->method != SIP_INVITE && request->method != SIP_UPDATE))
        return 0;
    rc = set_contact(d, requester, request);
    return rc < 0 ? rc : set_contact(d, sip_side_other(requester), response);
}

/* ---- what the role may ask ------------------------------ */

enum sip_dialog_state sip_dialog_state(const struct sip_dialog *d)
{
    return d->state;
}

const struct sip_dialog_side *sip_dialog_side(const struct sip_dialog *d, enum sip_side side)
{
    return &d->side[side];
}

void sip_dialog_set_hop(struct sip_dialog *d, enum sip_side side, const struct sip_target *hop)
{
    d->side[side].hop = hop ? *hop : (struct sip_target){0};
}

void sip_dialog_set_endpoint(struct sip_dialog *d, enum sip_side side, struct sip_endpoint *from)
{
    d->side[side].hop = (struct sip_target){.flow.endpoint = from};
}

void sip_dialog_set_user(struct sip_dialog *d, void *user)
{
    d->user = user;
}

void *sip_dialog_user(const struct sip_dialog *d)
{
    return d->user;
}

struct handle sip_dialog_handle(const struct sip_dialog *d)
{
    return d->handle;
}

struct sip_dialog *sip_dialog_by_handle(const struct sip_dialogs *ds, struct handle h)
{
    return pool_find(&ds->handles, h);
}
