/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both twins share: requests in flight, requests not answered, their timers, peers. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/diameter/inner.h"

enum { BOUND_DEFAULT = 4096 };
/* A request nobody answered: its peer has given up long ago. */
static const uint64_t ANSWER_WITHIN = 30 * SEC;

struct call {
    struct list item;
    struct handle handle;
    struct loop_timer timer;
    struct diameter *d;
    diameter_done_fn *done;
    void *ctx;
    enum diameter_kind kind;
};

struct waiting {
    struct list item;
    struct handle handle;
    struct loop_timer timer;
    struct diameter *d;
    uint64_t ref;
    enum diameter_kind kind;
    enum diameter_app app;
    struct span echo;
};

/* ---- names ---- */

static const struct {
    enum diameter_kind kind;
    uint32_t code;
    const char *request, *answer;
} commands[] = {{DIAMETER_AA, 265, "AAR", "AAA"},
                {DIAMETER_QA, 326, "QAR", "QAA"},
                {DIAMETER_ST, 275, "STR", "STA"},
                {DIAMETER_AS, 274, "ASR", "ASA"},
                {DIAMETER_RA, 258, "RAR", "RAA"}};

uint32_t diameter_command(enum diameter_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].kind == kind)
            return commands[i].code;
    }
    return 0;
}

int diameter_kind_of(struct diameter_head head, enum diameter_kind *ret_kind)
{
    /* AAR is Rx, QAR is QoS, the others are of both. */
    if ((head.app != DIAMETER_APP_RX && head.app != DIAMETER_APP_QOS) ||
        (head.code == 265 && head.app != DIAMETER_APP_RX) ||
        (head.code == 326 && head.app != DIAMETER_APP_QOS))
        return -ENOENT;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].code == head.code) {
            *ret_kind = commands[i].kind;
            return 0;
        }
    }
    return -ENOENT;
}

const char *diameter_result_name(const struct diameter_answer *a)
{
    static const struct {
        uint32_t code;
        const char *name;
    } names[] = {{2001, "SUCCESS"},
                 {2002, "LIMITED_SUCCESS"},
                 {3001, "COMMAND_UNSUPPORTED"},
                 {3002, "UNABLE_TO_DELIVER"},
                 {3004, "TOO_BUSY"},
                 {3007, "APPLICATION_UNSUPPORTED"},
                 {5001, "AVP_UNSUPPORTED"},
                 {5002, "UNKNOWN_SESSION_ID"},
                 {5003, "AUTHORIZATION_REJECTED"},
                 {5004, "INVALID_AVP_VALUE"},
                 {5005, "MISSING_AVP"},
                 {5006, "RESOURCES_EXCEEDED"},
                 {5007, "CONTRADICTING_AVPS"},
                 {5009, "AVP_OCCURS_TOO_MANY_TIMES"},
                 {5012, "UNABLE_TO_COMPLY"},
                 {5061, "INVALID_SERVICE_INFORMATION"},
                 {5062, "FILTER_RESTRICTIONS"},
                 {5063, "REQUESTED_SERVICE_NOT_AUTHORIZED"},
                 {5064, "DUPLICATED_AF_SESSION"},
                 {5065, "IP-CAN_SESSION_NOT_AVAILABLE"}};
    uint32_t code = a->experimental ? a->experimental : a->result;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return "another result";
}

void diameter_session_id(struct diameter *d, const char *suffix, struct buf *dst)
{
    /* RFC 6733 8.8: unique for ever: the time of the start, and a counter. */
    if (++d->session_low == 0)
        d->session_high++;
    buf_fmt(dst, "%s;%u;%u;%s", d->identity, d->session_high, d->session_low, suffix);
}

/* ---- life ---- */

int diameter_core_init(struct diameter *d, const struct diameter_impl *impl, struct loop *l,
                       const struct diameter_core_conf *conf)
{
    if (span_copy(span_str(conf->identity), d->identity, sizeof(d->identity)) ||
        span_copy(span_str(conf->realm), d->realm, sizeof(d->realm)))
        return -ENAMETOOLONG;
    d->impl = impl;
    d->loop = l;
    d->session_high = (uint32_t)(loop_wall(l) / 1000000);
    d->origin_state = conf->keeps_sessions ? 0 : d->session_high;
    d->session_low = (uint32_t)rnd_u64(conf->rnd); /* two starts in one second */
    pool_init(&d->calls, conf->in_flight ? conf->in_flight : BOUND_DEFAULT);
    pool_init(&d->waiting, conf->unanswered ? conf->unanswered : BOUND_DEFAULT);
    list_init(&d->call_list);
    list_init(&d->waiting_list);
    return 0;
}

static void call_free(struct call *c)
{
    list_del(&c->item);
    loop_timer_stop(c->d->loop, &c->timer);
    pool_del(&c->d->calls, c->handle);
    free(c);
}

static void waiting_free(struct waiting *w)
{
    list_del(&w->item);
    loop_timer_stop(w->d->loop, &w->timer);
    pool_del(&w->d->waiting, w->handle);
    free((void *)(uintptr_t)w->echo.p);
    free(w);
}

void diameter_core_fini(struct diameter *d)
{
    LIST_EACH (it, &d->call_list)
        call_free(CONTAINER_OF(it, struct call, item));
    LIST_EACH (it, &d->waiting_list)
        waiting_free(CONTAINER_OF(it, struct waiting, item));
    pool_fini(&d->calls);
    pool_fini(&d->waiting);
    free(d->peers);
}

void diameter_free(struct diameter *d)
{
    if (d)
        d->impl->free(d);
}

/* ---- requests of ours ---- */

static void call_end(struct call *c, int error, const struct diameter_answer *ans)
{
    diameter_done_fn *done = c->done;
    void *ctx = c->ctx;

    call_free(c);
    done(ctx, error, ans);
}

static void on_deadline(struct loop_timer *t, void *ctx)
{
    struct call *c = ctx;

    (void)t;
    c->d->stats.timeouts++;
    call_end(c, -ETIMEDOUT, NULL);
}

static bool any_peer_up(const struct diameter *d)
{
    return diameter_peer_up(d, SPAN_NONE);
}

static int call_new(struct diameter *d, struct call **ret_call)
{
    struct call *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return -ENOMEM;
    rc = pool_add(&d->calls, c, &c->handle);
    if (rc) {
        free(c);
        return rc;
    }
    c->d = d;
    loop_timer_init(&c->timer, on_deadline, c);
    list_add_tail(&d->call_list, &c->item);
    *ret_call = c;
    return 0;
}

int diameter_send(struct diameter *d, const struct diameter_request *req, uint64_t deadline,
                  diameter_done_fn *done, void *ctx, struct handle *ret_call)
{
    struct diameter_names names = {span_str(d->identity), span_str(d->realm), d->origin_state};
    uint64_t now = loop_now(d->loop), left = deadline > now ? deadline - now : 0;
    struct call *c;
    size_t n;
    int rc;

    rc = diameter_encode_request(req, &names, d->scratch, sizeof(d->scratch), &n);
    if (rc)
        return rc;
    if (!any_peer_up(d))
        return -ENOTCONN;
    rc = call_new(d, &c);
    if (rc == -ENOSPC) {
        d->stats.refused_busy++;
        return -EBUSY;
    }
    if (rc)
        return rc;
    c->done = done;
    c->ctx = ctx;
    c->kind = req->kind;
    rc = d->impl->request(d, c->handle, left,
                          req->destination_realm.n ? req->destination_realm : names.realm,
                          req->destination_host, span_of(d->scratch, n));
    bytes_wipe(d->scratch, n); /* tokens pass here */
    if (rc) {
        if (rc == -EBUSY)
            d->stats.refused_busy++;
        call_free(c);
        return rc;
    }
    loop_timer_start(d->loop, &c->timer, left);
    d->stats.sent++;
    if (ret_call)
        *ret_call = c->handle;
    return 0;
}

void diameter_cancel(struct diameter *d, struct handle call)
{
    struct call *c = pool_find(&d->calls, call);

    if (c)
        call_free(c);
}

void diameter_core_answer(struct diameter *d, struct handle call, struct span message)
{
    struct call *c = pool_find(&d->calls, call);
    struct diameter_answer *ans;

    if (!c) {
        d->stats.late++;
        return;
    }
    ans = malloc(sizeof(*ans));
    if (!ans || diameter_raw_check(message) || diameter_decode_answer(message, ans) ||
        ans->kind != c->kind) {
        d->stats.failed++;
        call_end(c, -EBADMSG, NULL);
    } else if (ans->result == DIAMETER_UNABLE_TO_DELIVER &&
               span_eq_nocase(ans->origin_host, span_str(d->identity))) {
        /* Our own node says so: nobody was there to take it. */
        d->stats.failed++;
        call_end(c, -ENOTCONN, NULL);
    } else {
        d->stats.answered++;
        call_end(c, 0, ans);
    }
    free(ans);
}

void diameter_core_failed(struct diameter *d, struct handle call, int error)
{
    struct call *c = pool_find(&d->calls, call);

    if (!c)
        return;
    d->stats.failed++;
    call_end(c, error, NULL);
}

/* ---- requests of peers ---- */

int diameter_serve(struct diameter *d, enum diameter_app app, diameter_request_fn *on_request,
                   void *ctx)
{
    if (d->n_services == DIAMETER_SERVICES_MAX)
        return -ENOSPC;
    d->services[d->n_services].app = app;
    d->services[d->n_services].on_request = on_request;
    d->services[d->n_services++].ctx = ctx;
    return 0;
}

/* No answer can be made: the adapter refuses in our place, so that nobody waits. */
static void give_up(struct diameter *d, uint64_t ref)
{
    (void)d->impl->answer(d, ref, SPAN_NONE); /* the adapter has a deadline of its own */
}

static int reply(struct diameter *d, uint64_t ref, const struct diameter_answer *ans,
                 struct span echo)
{
    struct diameter_names names = {span_str(d->identity), span_str(d->realm)};
    size_t n = 0;
    int rc = diameter_encode_answer(ans, &names, echo, d->scratch, sizeof(d->scratch), &n);

    if (rc == 0)
        rc = d->impl->answer(d, ref, span_of(d->scratch, n));
    else
        give_up(d, ref);
    bytes_wipe(d->scratch, n); /* tokens pass here */
    if (rc == 0)
        d->stats.replied++;
    return rc;
}

static void refuse(struct diameter *d, uint64_t ref, struct span message,
                   const struct diameter_fault *fault)
{
    struct diameter_head head = diameter_head_of(message);
    struct diameter_answer *ans = calloc(1, sizeof(*ans));
    struct span echo = diameter_echo_copy(message);

    /* A command that is none of ours is not to come here: the node answers 3001 itself. */
    if (ans && echo.p && diameter_kind_of(head, &ans->kind) == 0) {
        ans->app = (enum diameter_app)head.app;
        ans->result = fault->result;
        ans->error_message = span_str(fault->why);
        ans->failed = fault->failed;
        (void)reply(d, ref, ans, echo); /* else the node answers 5012 */
    } else {
        give_up(d, ref);
    }
    free((void *)(uintptr_t)echo.p);
    free(ans);
}

static void on_unanswered(struct loop_timer *t, void *ctx)
{
    struct waiting *w = ctx;
    static const struct diameter_answer gave_up = {.result = DIAMETER_UNABLE_TO_COMPLY};

    (void)t;
    (void)diameter_answer(w->d, w->handle, &gave_up); /* nobody is left to hear of a failure */
}

static int waiting_new(struct diameter *d, uint64_t ref, const struct diameter_request *req,
                       struct span message, struct waiting **ret_waiting)
{
    struct waiting *w = calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return -ENOMEM;
    w->echo = diameter_echo_copy(message);
    rc = w->echo.p ? pool_add(&d->waiting, w, &w->handle) : -ENOMEM;
    if (rc) {
        free((void *)(uintptr_t)w->echo.p);
        free(w);
        return rc;
    }
    w->d = d;
    w->ref = ref;
    w->kind = req->kind;
    w->app = req->app;
    list_add_tail(&d->waiting_list, &w->item);
    loop_timer_init(&w->timer, on_unanswered, w);
    loop_timer_start(d->loop, &w->timer, ANSWER_WITHIN);
    *ret_waiting = w;
    return 0;
}

static void dispatch(struct diameter *d, uint64_t ref, const struct diameter_request *req,
                     struct span message)
{
    static const struct diameter_fault busy = {.result = DIAMETER_TOO_BUSY,
                                               .why = "too many requests wait here"};
    static const struct diameter_fault nobody = {.result = DIAMETER_APPLICATION_UNSUPPORTED,
                                                 .why = "nobody here serves it"};
    struct waiting *w;

    for (size_t i = 0; i < d->n_services; i++) {
        if (d->services[i].app != req->app)
            continue;
        if (waiting_new(d, ref, req, message, &w)) {
            d->stats.received_busy++;
            refuse(d, ref, message, &busy);
            return;
        }
        d->services[i].on_request(d->services[i].ctx, w->handle, req);
        return;
    }
    refuse(d, ref, message, &nobody);
}

void diameter_core_request(struct diameter *d, uint64_t ref, struct span message)
{
    struct diameter_fault fault = {.result = DIAMETER_UNABLE_TO_COMPLY, .why = "no memory"};
    struct diameter_request *req;

    d->stats.received++;
    if (diameter_raw_check(message)) { /* the node has checked: this is its fault */
        d->stats.received_bad++;
        give_up(d, ref);
        return;
    }
    req = malloc(sizeof(*req));
    if (!req || diameter_decode_request(message, req, &fault)) {
        d->stats.received_bad++;
        refuse(d, ref, message, &fault);
    } else {
        dispatch(d, ref, req, message);
    }
    free(req);
}

int diameter_answer(struct diameter *d, struct handle request, const struct diameter_answer *ans)
{
    struct waiting *w = pool_find(&d->waiting, request);
    struct diameter_answer *copy;
    int rc = -ENOMEM;

    if (!w)
        return -ESTALE;
    copy = malloc(sizeof(*copy));
    if (copy) {
        *copy = *ans;
        copy->kind = w->kind;
        copy->app = w->app;
        rc = reply(d, w->ref, copy, w->echo);
    } else {
        give_up(d, w->ref);
    }
    free(copy);
    waiting_free(w);
    return rc;
}

/* ---- peers ---- */

void diameter_on_peer(struct diameter *d, diameter_peer_fn *on_peer, void *ctx)
{
    d->on_peer = on_peer;
    d->peer_ctx = ctx;
}

static struct diameter_peer *peer_find(const struct diameter *d, struct span host)
{
    for (size_t i = 0; i < d->n_peers; i++) {
        if (span_eq_nocase(span_str(d->peers[i].name), host))
            return &d->peers[i];
    }
    return NULL;
}

bool diameter_peer_up(const struct diameter *d, struct span host)
{
    const struct diameter_peer *p = host.n ? peer_find(d, host) : NULL;

    if (host.n)
        return p && p->up;
    for (size_t i = 0; i < d->n_peers; i++) {
        if (d->peers[i].up)
            return true;
    }
    return false;
}

void diameter_peer_each(const struct diameter *d, diameter_peer_fn *visit, void *ctx)
{
    for (size_t i = 0; i < d->n_peers; i++)
        visit(ctx, span_str(d->peers[i].name), d->peers[i].up);
}

static struct diameter_peer *peer_add(struct diameter *d, struct span host)
{
    struct diameter_peer *peers;

    if (d->n_peers == DIAMETER_PEERS_MAX || host.n > DIAMETER_NAME_MAX)
        return NULL;
    peers = realloc(d->peers, (d->n_peers + 1) * sizeof(*peers));
    if (!peers)
        return NULL;
    d->peers = peers;
    peers[d->n_peers] = (struct diameter_peer){0};
    if (span_copy(host, peers[d->n_peers].name, sizeof(peers->name)))
        return NULL;
    return &peers[d->n_peers++];
}

void diameter_core_peer(struct diameter *d, struct span host, bool up)
{
    struct diameter_peer *p = peer_find(d, host);

    if (!p)
        p = peer_add(d, host);
    if (!p || p->up == up)
        return;
    p->up = up;
    if (d->on_peer)
        d->on_peer(d->peer_ctx, span_str(p->name), up);
}

void diameter_core_reset(struct diameter *d)
{
    d->stats.restarts++;
    LIST_EACH (it, &d->waiting_list)
        waiting_free(CONTAINER_OF(it, struct waiting, item));
    for (size_t i = 0; i < d->n_peers; i++)
        diameter_core_peer(d, span_str(d->peers[i].name), false);
    /* A callback may send or cancel: take them one by one from the head. No peer is up, so that
     * none is added. */
    while (!list_empty(&d->call_list)) {
        d->stats.failed++;
        call_end(CONTAINER_OF(d->call_list.next, struct call, item), -ECONNRESET, NULL);
    }
}

void diameter_stats_get(const struct diameter *d, struct diameter_stats *ret_stats)
{
    *ret_stats = d->stats;
    ret_stats->in_flight = d->calls.used;
    ret_stats->unanswered = d->waiting.used;
}
