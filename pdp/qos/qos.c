/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/qos/qos.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 1000000 };

/* An edge's session: to its grant, or to the edge once the grant is over. */
struct edge_session {
    struct map_node node;
    struct list item;
    struct qos *of;
    char id[GRANT_NAME_MAX + 1], host[GRANT_NAME_MAX + 1], realm[GRANT_NAME_MAX + 1];
    struct grant *grant; /* NULL: over */
    struct loop_timer again;
    uint64_t wait, give_up;
    struct handle call;
    bool asking;
};

struct qos {
    struct loop *loop;
    struct diameter *diameter;
    struct grants *grants;
    struct qos_options options;
    struct map by_id;
    struct list sessions;
    struct qos_stats stats;
};

const char *qos_verdict_name(enum qos_verdict v)
{
    static const char *const names[] = {"granted",    "no_token",  "forged", "unknown",
                                        "other_edge", "uncovered", "early"};

    return names[v];
}

/* ---- sessions ---- */

static bool id_equal(const struct map_node *node, const void *key)
{
    const struct edge_session *s = CONTAINER_OF(node, const struct edge_session, node);

    return span_eq(span_str(s->id), *(const struct span *)key);
}

static struct edge_session *session_find(const struct qos *q, struct span id)
{
    struct map_node *n = map_find(&q->by_id, map_hash(&q->by_id, id.p, id.n), &id);

    return n ? CONTAINER_OF(n, struct edge_session, node) : NULL;
}

static void session_free(struct edge_session *s)
{
    struct qos *q = s->of;

    if (s->asking)
        diameter_cancel(q->diameter, s->call);
    loop_timer_stop(q->loop, &s->again);
    map_del(&q->by_id, &s->node);
    list_del(&s->item);
    if (!s->grant)
        q->stats.goodbyes--;
    free(s);
}

static void say_goodbye(struct edge_session *s);
static void ask_again(struct edge_session *s);

static void on_again(struct loop_timer *t, void *ctx)
{
    struct edge_session *s = ctx;

    (void)t;
    if (s->grant)
        ask_again(s);
    else
        say_goodbye(s);
}

static int session_new(struct qos *q, struct grant *g)
{
    struct edge_session *s = calloc(1, sizeof(*s));
    struct span id = span_str(g->qos_session);
    int rc;

    if (!s)
        return -ENOMEM;
    memcpy(s->id, g->qos_session, sizeof(s->id));
    memcpy(s->host, g->edge_host, sizeof(s->host));
    memcpy(s->realm, g->edge_realm, sizeof(s->realm));
    rc = map_add(&q->by_id, map_hash(&q->by_id, id.p, id.n), &s->node);
    if (rc) {
        free(s);
        return rc;
    }
    s->of = q;
    s->grant = g;
    loop_timer_init(&s->again, on_again, s);
    list_add_tail(&q->sessions, &s->item);
    return 0;
}

/* ---- ASR: the grant is over ---- */

static void on_asa(void *ctx, int error, const struct diameter_answer *ans)
{
    struct edge_session *s = ctx;
    struct qos *q = s->of;

    s->asking = false;
    /* UNKNOWN_SESSION_ID: it has ended by itself. */
    if (!error && (diameter_ok(ans) || ans->result == DIAMETER_UNKNOWN_SESSION_ID)) {
        session_free(s);
        return;
    }
    if (loop_now(q->loop) >= s->give_up) {
        session_free(s);
        return;
    }
    loop_timer_start(q->loop, &s->again, s->wait);
    s->wait *= 2;
}

static int send_to_edge(struct edge_session *s, enum diameter_kind kind, diameter_done_fn *done,
                        void *ctx, struct handle *ret_call)
{
    struct qos *q = s->of;
    struct diameter_request *req = calloc(1, sizeof(*req));
    int rc;

    if (!req)
        return -ENOMEM;
    req->kind = kind;
    req->app = DIAMETER_APP_QOS;
    req->session_id = span_str(s->id);
    req->destination_host = span_str(s->host);
    req->destination_realm = span_str(s->realm);
    rc = diameter_send(q->diameter, req, loop_now(q->loop) + q->options.asr_timeout, done, ctx,
                       ret_call);
    free(req);
    return rc;
}

static void say_goodbye(struct edge_session *s)
{
    struct qos *q = s->of;

    q->stats.aborted++;
    if (send_to_edge(s, DIAMETER_AS, on_asa, s, &s->call) == 0) {
        s->asking = true;
    } else if (loop_now(q->loop) >= s->give_up) {
        session_free(s);
    } else {
        loop_timer_start(q->loop, &s->again, s->wait);
        s->wait *= 2;
    }
}

static void on_end(struct grant *g, enum grant_end why, void *ctx)
{
    struct qos *q = ctx;
    struct edge_session *s = session_find(q, span_str(g->qos_session));

    if (!g->qos_session[0] || !s || s->grant != g)
        return;
    s->grant = NULL;
    q->stats.goodbyes++;
    s->wait = q->options.asr_retry;
    /* Without an ASA the edge asks again at the end of the lifetime, and is refused then. */
    s->give_up = loop_now(q->loop) + ((uint64_t)q->options.lifetime + q->options.grace) * SEC;
    /* An AF that ends a call tells the edge as well, and the edge ends its session with STR. */
    loop_timer_start(q->loop, &s->again, why == GRANT_FINISHED ? q->options.settle : 0);
}

/* ---- RAR: the grant is another ---- */

static void on_raa(void *ctx, int error, const struct diameter_answer *ans)
{
    /* The edge asks at the end of the lifetime in any case. */
    (void)ctx, (void)error, (void)ans;
}

static void ask_again(struct edge_session *s)
{
    if (send_to_edge(s, DIAMETER_RA, on_raa, NULL, NULL) == 0)
        s->of->stats.rechecked++;
}

static void on_change(struct grant *g, void *ctx)
{
    struct qos *q = ctx;
    struct edge_session *s = session_find(q, span_str(g->qos_session));

    /* Not at once: the AF gives the edge the new session description around this moment, and an edge
     * that asks about the old flows would lose its gates. */
    if (g->qos_session[0] && s && s->grant == g)
        loop_timer_start(q->loop, &s->again, q->options.settle);
}

/* ---- QAR ---- */

/* The flow of the grant that covers what is asked, an open one if there is one. */
static const struct policy_flow *cover_of(const struct grant *g, const struct qos_filter *f)
{
    const struct policy_flow *held = NULL;

    for (size_t i = 0; i < g->n_flows; i++) {
        const struct policy_flow *granted = &g->flows[i];

        if (!diameter_flow_covers(&granted->what, &f->flow) || f->bandwidth > granted->bandwidth)
            continue;
        if (granted->open)
            return granted;
        held = granted;
    }
    return held;
}

/* A held flow is named with DROP: the edge need not ask why. */
static void grant_filter(struct qos_filter *out, const struct policy_flow *granted)
{
    out->action = DIAMETER_U32(granted->open ? QOS_PERMIT : QOS_DROP);
    out->semantics = DIAMETER_U32(QOS_AUTHORIZED);
    if (out->bandwidth == 0)
        out->bandwidth = granted->bandwidth;
}

/* RFC 5866 4.2: what was asked for, if all of it is covered; without a question, all there is. */
static enum qos_verdict fill(const struct grant *g, const struct qos_qar *qar, char (*ids)[16],
                             struct qos_qaa *qaa, char *detail, size_t cap)
{
    for (size_t i = 0; i < qar->n_filters; i++) {
        const struct policy_flow *granted = cover_of(g, &qar->filters[i]);

        if (!granted) {
            char text[DIAMETER_FLOW_TEXT_MAX + 1] = "";
            struct buf b = {text, 0, sizeof(text) - 1, false};

            diameter_flow_put(&b, &qar->filters[i].flow);
            snprintf(detail, cap, "not authorized: %s", text);
            return QOS_UNCOVERED;
        }
        qaa->filters[qaa->n_filters] = qar->filters[i];
        grant_filter(&qaa->filters[qaa->n_filters++], granted);
    }
    for (size_t i = 0; qar->n_filters == 0 && i < g->n_flows; i++) {
        struct buf b = {ids[qaa->n_filters], 0, sizeof(ids[0]), false};

        if (!g->flows[i].open)
            continue;
        buf_fmt(&b, "%u.%u", g->flows[i].media, g->flows[i].number);
        qaa->filters[qaa->n_filters] =
            (struct qos_filter){.id = buf_span(&b), .flow = g->flows[i].what};
        grant_filter(&qaa->filters[qaa->n_filters++], &g->flows[i]);
    }
    return QOS_GRANTED;
}

static enum qos_verdict find_grant(struct qos *q, const struct diameter_request *req,
                                   struct grant **ret_grant, const char **ret_detail)
{
    struct secret token;
    uint8_t hash[TOKEN_HASH_LEN];
    struct grant *g;
    int rc;

    *ret_detail = "no RFC 3520 element in QoS-Authorization-Data";
    if (!req->qar.token.n || token_of_octets(req->qar.token, &token))
        return QOS_NO_TOKEN;
    token_hash(&token, hash);
    secret_wipe(&token);
    g = grants_find_hash(q->grants, hash);
    if (!g) {
        rc = grants_judge(q->grants, req->qar.token);
        if (rc == -EBADMSG)
            return QOS_NO_TOKEN;
        *ret_detail = rc == 0 ? "the token is no longer valid" : "no key of ours made this token";
        return rc == 0 ? QOS_UNKNOWN : QOS_FORGED;
    }
    *ret_grant = g;
    if (g->edge_host[0] && !span_eq_nocase(span_str(g->edge_host), req->origin_host)) {
        *ret_detail = "the token is in use at another edge";
        return QOS_OTHER_EDGE;
    }
    if (!g->final) {
        *ret_detail = "the session is not agreed yet (PRELIMINARY)";
        return QOS_EARLY;
    }
    return QOS_GRANTED;
}

/* The edge's session under which the token is used from now on. An edge that was restarted comes with
 * another. */
static int bind_edge(struct qos *q, struct grant *g, const struct diameter_request *req)
{
    struct edge_session *there = session_find(q, req->session_id), *old;
    int rc;

    if (there && there->grant == g)
        return 0;
    if (there) /* of another token: one session, one token */
        return -EEXIST;
    old = g->qos_session[0] ? session_find(q, span_str(g->qos_session)) : NULL;
    rc = grant_bind(g, req->session_id, req->origin_host, req->origin_realm);
    if (rc == -ENAMETOOLONG || rc == -EINVAL)
        return rc; /* who has the token keeps it */
    if (old && old->grant == g)
        session_free(old);
    /* Any other failure: not on the disk. A restart forgets who used the token, nothing more. */
    return session_new(q, g);
}

struct reply {
    struct diameter_answer ans;
    char ids[QOS_FILTERS_MAX][16], detail[DIAMETER_FLOW_TEXT_MAX + 64];
};

static void on_qar(struct qos *q, struct handle request, const struct diameter_request *req)
{
    struct reply *r = calloc(1, sizeof(*r));
    struct grant *g = NULL;
    const char *detail = "";
    enum qos_verdict v;
    int bound;

    if (!r)
        return; /* the port answers for us, in 30 s; the gate stays down */
    v = find_grant(q, req, &g, &detail);
    if (v == QOS_GRANTED) {
        v = fill(g, &req->qar, r->ids, &r->ans.qaa, r->detail, sizeof(r->detail));
        detail = r->detail;
    }
    if (v == QOS_GRANTED && (bound = bind_edge(q, g, req)) != 0) {
        v = QOS_UNCOVERED;
        detail = bound == -EEXIST   ? "the session is another token's"
                 : bound == -ENOMEM ? "the PDP is out of memory"
                                    : "the Session-Id or Origin-Host is too long";
    }
    q->stats.verdict[v]++;
    if (v == QOS_GRANTED) {
        int64_t end = g->end - loop_wall(q->loop) / 1000000;
        uint32_t left = end > 1 ? (uint32_t)end : 1, lifetime = q->options.lifetime;

        r->ans.result = DIAMETER_SUCCESS;
        /* RFC 6733 8.13: never longer than the session. */
        r->ans.qaa.lifetime = DIAMETER_U32(lifetime < left ? lifetime : left);
        r->ans.qaa.grace = DIAMETER_U32(q->options.grace);
        r->ans.qaa.session_timeout = DIAMETER_U32(left);
    } else {
        memset(&r->ans.qaa, 0, sizeof(r->ans.qaa));
        r->ans.result = DIAMETER_AUTHORIZATION_REJECTED;
        r->ans.error_message = span_str(detail);
    }
    if (q->options.on_verdict)
        q->options.on_verdict(v, req, g, detail, q->options.ctx);
    (void)diameter_answer(q->diameter, request, &r->ans); /* the edge asks again */
    free(r);
}

/* ---- STR ---- */

static void answer_result(struct qos *q, struct handle request, uint32_t result)
{
    struct diameter_answer *ans = calloc(1, sizeof(*ans));

    if (!ans)
        return;
    ans->result = result;
    (void)diameter_answer(q->diameter, request, ans);
    free(ans);
}

static void on_str(struct qos *q, struct handle request, const struct diameter_request *req)
{
    struct edge_session *s = session_find(q, req->session_id);

    if (!s || !span_eq_nocase(span_str(s->host), req->origin_host)) {
        answer_result(q, request, DIAMETER_UNKNOWN_SESSION_ID);
        return;
    }
    q->stats.ended++;
    /* The token stays with this edge: it may take the session up again, nobody else may. */
    session_free(s);
    answer_result(q, request, DIAMETER_SUCCESS);
}

static void on_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct qos *q = ctx;

    if (req->kind == DIAMETER_QA)
        on_qar(q, request, req);
    else if (req->kind == DIAMETER_ST)
        on_str(q, request, req);
    else
        answer_result(q, request, DIAMETER_COMMAND_UNSUPPORTED);
}

/* ---- life ---- */

struct loading {
    struct qos *q;
    int rc;
};

static void load_session(struct grant *g, void *ctx)
{
    struct loading *l = ctx;

    if (l->rc == 0 && g->qos_session[0])
        l->rc = session_new(l->q, g);
}

int qos_new(struct loop *l, struct diameter *d, const struct rnd *rnd, struct grants *grants,
            const struct qos_options *options, struct qos **ret_qos)
{
    struct qos *q = calloc(1, sizeof(*q));
    const struct grants_watcher watcher = {.on_change = on_change, .on_end = on_end, .ctx = q};
    struct loading loading = {q, 0};
    uint8_t key[16];
    int rc;

    if (!q)
        return -ENOMEM;
    *q = (struct qos){.loop = l, .diameter = d, .grants = grants, .options = *options};
    list_init(&q->sessions);
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&q->by_id, SESSIONS_MAX, key, id_equal);
    if (rc == 0) {
        grants_each(grants, load_session, &loading);
        rc = loading.rc;
    }
    if (rc == 0)
        rc = grants_watch(grants, &watcher);
    if (rc == 0)
        rc = diameter_serve(d, DIAMETER_APP_QOS, on_request, q);
    if (rc) {
        qos_free(q);
        return rc;
    }
    *ret_qos = q;
    return 0;
}

void qos_free(struct qos *q)
{
    if (!q)
        return;
    LIST_EACH (it, &q->sessions)
        session_free(CONTAINER_OF(it, struct edge_session, item));
    map_fini(&q->by_id);
    free(q);
}

void qos_stats_get(const struct qos *q, struct qos_stats *ret_stats)
{
    *ret_stats = q->stats;
}
