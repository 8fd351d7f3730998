/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The response context of RFC 3261 16: branches by q, cancelling, the best final.
 *
 * Nothing here calls the role from inside a call of the role's: answers wait in a queue that is
 * worked off when something came from the wire, otherwise at the end of the turn. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "common/transaction/proxy.h"

/* ---- the best final: RFC 3261 16.7 step 6 ------------------------------ */

/* The lower the better: 6xx, then the lowest class, within 4xx what the caller can do something about. */
static unsigned rank(unsigned status)
{
    static const uint16_t first[] = {401, 407, 415, 420, 484};

    if (status >= 600)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        if (first[i] == status)
            return 400;
    }
    return status == 503 ? 600 : status + 1u;
}

static void note_final(struct sip_proxy *p, struct sip_branch *b, unsigned status,
                       struct sip_msg *m)
{
    if (p->best && rank(p->best) <= rank(status))
        return;
    sip_msg_unref(p->best_msg);
    p->best = status;
    p->best_msg = m ? sip_msg_ref(m) : NULL;
    p->best_branch = b;
}

static bool any(const struct sip_proxy *p, enum branch_state state)
{
    LIST_EACH (item, &p->branches) {
        if (CONTAINER_OF(item, struct sip_branch, item)->state == state)
            return true;
    }
    return false;
}

static void branch_start(struct sip_branch *b)
{
    b->state = BRANCH_RUNNING;
    if (b->no_answer && b->p->invite)
        loop_timer_start(b->p->l->loop, &b->timer, b->no_answer);
    client_start(b->client);
}

static unsigned highest_waiting(const struct sip_proxy *p)
{
    unsigned q = 0;

    LIST_EACH (item, &p->branches) {
        const struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b->state == BRANCH_WAITING && b->q > q)
            q = b->q;
    }
    return q;
}

/* 0 when none is. */
static unsigned lowest_running(const struct sip_proxy *p)
{
    unsigned q = UINT_MAX;

    LIST_EACH (item, &p->branches) {
        const struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b->state == BRANCH_RUNNING && b->q < q)
            q = b->q;
    }
    return q == UINT_MAX ? 0 : q;
}

static void start_next(struct sip_proxy *p)
{
    unsigned q = highest_waiting(p);

    LIST_EACH (item, &p->branches) {
        struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b->state == BRANCH_WAITING && b->q == q)
            branch_start(b);
    }
}

/* After a branch is done: the next ones, or the answer. */
static void settle(struct sip_proxy *p)
{
    struct sip_msg *m = p->best_msg;
    unsigned status = p->best;

    if (any(p, BRANCH_RUNNING))
        return;
    if (any(p, BRANCH_WAITING) && !p->cancelled && !proxy_is_answered(p)) {
        start_next(p);
        return;
    }
    if (status == 0 || proxy_is_answered(p))
        return;
    if (p->cancelled && !m)
        status = 487; /* nobody answered, and nobody waits for an answer */
    answers_add(p, p->best_branch, status, m);
    p->best = 0;
    p->best_msg = NULL;
    sip_msg_unref(m);
}

/* ---- beginning and end ------------------------------ */

static void branch_free(struct sip_branch *b)
{
    loop_timer_stop(b->p->l->loop, &b->timer);
    if (b->client) {
        sip_client_detach(b->client);
        client_drop(b->client);
    }
    answers_forget(b);
    list_del(&b->item);
    free(b);
}

static void proxy_free(struct sip_proxy *p)
{
    if (p->server)
        p->server->proxy = NULL;
    p->server = NULL;
    loop_task_cancel(&p->task);
    if (p->ops && p->ops->on_end)
        p->ops->on_end(p, p->ctx);
    answers_clear(p);
    while (!list_empty(&p->branches))
        branch_free(CONTAINER_OF(p->branches.next, struct sip_branch, item));
    sip_msg_unref(p->best_msg);
    free(p->cancel_reason);
    list_del(&p->item);
    free(p);
}

void proxies_free(struct sip_layer *l)
{
    while (!list_empty(&l->proxies))
        proxy_free(CONTAINER_OF(l->proxies.next, struct sip_proxy, item));
}

static bool is_over(const struct sip_proxy *p)
{
    if (!proxy_is_answered(p) || p->held || !list_empty(&p->queue))
        return false;
    LIST_EACH (item, &p->branches) {
        if (CONTAINER_OF(item, struct sip_branch, item)->client)
            return false;
    }
    return true;
}

void proxy_run_later(struct sip_proxy *p)
{
    loop_defer(p->l->loop, &p->task);
}

static void on_task(struct loop_task *task, void *ctx)
{
    struct sip_proxy *p = ctx;

    (void)task;
    answers_run(p);
    if (is_over(p))
        proxy_free(p);
}

/* From the wire or a timer: the role may be called. */
static void proxy_run(struct sip_proxy *p)
{
    if (!p->running)
        answers_run(p);
    proxy_run_later(p);
}

/* ---- cancelling ------------------------------ */

static void cancel_branches(struct sip_proxy *p, struct span reason)
{
    LIST_EACH (item, &p->branches) {
        struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b->state == BRANCH_DONE)
            continue;
        loop_timer_stop(p->l->loop, &b->timer);
        if (b->state == BRANCH_WAITING) {
            b->state = BRANCH_DONE;
            client_drop(b->client);
        } else {
            client_cancel(b->client, reason);
        }
    }
}

/* The Reason lines of the caller's CANCEL go on to the callee (RFC 3326 2). */
static void keep_reason(struct sip_proxy *p, const struct sip_msg *cancel)
{
    char text[512];
    struct buf b = BUF_ON(text);

    for (const struct sip_line *line = sip_line_first(cancel, SIP_H_REASON); line;
         line = sip_line_next(cancel, line))
        buf_put(&b, span_sub(cancel->raw, line->start, line->end));
    if (b.n && !b.overflow)
        p->cancel_reason = span_dup(buf_span(&b));
}

void proxy_on_cancel(struct sip_proxy *p, const struct sip_msg *cancel)
{
    if (p->cancelled)
        return;
    p->cancelled = true;
    keep_reason(p, cancel);
    if (p->ops && p->ops->on_cancel)
        p->ops->on_cancel(p, p->ctx);
    if (proxy_is_answered(p))
        return;
    cancel_branches(p, span_str(p->cancel_reason));
    if (!any(p, BRANCH_RUNNING) && !p->held && list_empty(&p->queue))
        (void)sip_server_reply(p->server, 487, NULL, SPAN_NONE, SPAN_NONE);
    proxy_run_later(p);
}

void proxy_server_answered(struct sip_proxy *p)
{
    struct span reason = SPAN_NONE;

    if (p->server && p->server->x.state == TX_ACCEPTED)
        reason = SPAN("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
    cancel_branches(p, reason);
    proxy_run_later(p);
}

void proxy_server_gone(struct sip_proxy *p)
{
    p->server = NULL;
    cancel_branches(p, SPAN_NONE);
    if (!p->l->closing)
        proxy_run_later(p);
}

/* ---- from the branches ------------------------------ */

static void branch_done(struct sip_branch *b, unsigned status, struct sip_msg *m)
{
    struct sip_proxy *p = b->p;

    b->state = BRANCH_DONE;
    loop_timer_stop(p->l->loop, &b->timer);
    if (b->unanswered) {
        status = 408;
        m = NULL;
    }
    note_final(p, b, status, m);
    if (p->ops && p->ops->on_branch_failed)
        p->ops->on_branch_failed(p, b, status, m, p->ctx);
    if (status >= 600) /* RFC 3261 16.7 step 5 */
        cancel_branches(p, SPAN_NONE);
    settle(p);
    proxy_run(p);
}

static void on_response(struct sip_client *c, struct sip_msg *m, void *ctx)
{
    struct sip_branch *b = ctx;
    struct sip_proxy *p = b->p;

    (void)c;
    if (m->status >= 300) {
        branch_done(b, m->status, m);
        return;
    }
    if (m->status >= 200) {
        b->state = BRANCH_DONE;
        loop_timer_stop(p->l->loop, &b->timer);
    } else if (proxy_is_answered(p)) {
        p->l->counters.answers_late++;
        return;
    }
    answers_add(p, b, m->status, m);
    proxy_run(p);
}

static void on_failed(struct sip_client *c, unsigned status, int error, void *ctx)
{
    (void)c, (void)error;
    branch_done(ctx, status, NULL);
}

static void on_end(struct sip_client *c, void *ctx)
{
    struct sip_branch *b = ctx;

    b->flow = c->used;
    b->client = NULL;
    proxy_run_later(b->p);
}

static const struct sip_client_ops client_ops = {on_response, on_failed, on_end};

static void no_answer(struct loop_timer *timer, void *ctx)
{
    struct sip_branch *b = ctx;

    (void)timer;
    b->unanswered = true;
    client_cancel(b->client, SPAN_NONE);
}

/* ---- what the role may ask ------------------------------ */

int sip_proxy_new(struct sip_server *s, const struct sip_proxy_ops *ops, void *ctx,
                  struct sip_proxy **ret_proxy)
{
    struct sip_proxy *p;

    if (server_is_answered(s) || s->proxy)
        return -EALREADY;
    if (s->request->max_forwards == 0) {
        (void)sip_server_reply(s, 483, NULL, SPAN_NONE, SPAN_NONE);
        return -ELOOP;
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->l = s->x.l;
    p->server = s;
    p->server_handle = s->handle;
    p->invite = s->request->method == SIP_INVITE;
    p->mark = proxy_mark(p->l, s->request, &s->flow);
    p->ops = ops;
    p->ctx = ctx;
    list_init(&p->branches);
    list_init(&p->queue);
    loop_task_init(&p->task, on_task, p);
    list_add_tail(&p->l->proxies, &p->item);
    s->proxy = p;
    *ret_proxy = p;
    return 0;
}

/* The request of this branch: our Via on top, one hop less. */
static int branch_render(struct sip_branch *b, struct sip_msg *m, struct sip_edit *edit)
{
    struct buf out = layer_scratch(b->p->l);
    struct sip_edit own;
    char via[VIA_MAX];
    int rc;

    if (!edit) {
        sip_edit_init(&own, m);
        edit = &own;
    }
    sip_edit_push(edit, SIP_H_VIA, client_via(b->client, via));
    sip_edit_max_forwards(edit);
    sip_edit_content_length(edit);
    rc = sip_edit_render(edit, &out);
    return rc < 0 ? rc : client_set_request(b->client, buf_span(&out));
}

int sip_proxy_add(struct sip_proxy *p, const struct sip_branch_options *o,
                  struct sip_branch **ret_branch)
{
    struct sip_msg *m = proxy_is_answered(p) ? NULL : p->server->request;
    struct sip_branch *b;
    int rc;

    if (!m)
        return -EALREADY;
    b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->p = p;
    b->q = o->q;
    b->no_answer = o->no_answer;
    list_init(&b->item);
    loop_timer_init(&b->timer, no_answer, b);
    rc = client_new(p->l, m->method, o->targets, o->n_targets, &client_ops, b, &b->client);
    if (rc == 0) {
        b->client->mark = p->mark;
        rc = branch_render(b, m, o->edit);
    }
    if (rc < 0) {
        branch_free(b);
        return rc;
    }
    list_add_tail(&p->branches, &b->item);
    if (p->started && !p->cancelled && b->q >= lowest_running(p))
        branch_start(b);
    if (ret_branch)
        *ret_branch = b;
    return 0;
}

void sip_proxy_start(struct sip_proxy *p)
{
    p->started = true;
    if (!any(p, BRANCH_RUNNING) && !p->cancelled)
        start_next(p);
}

int sip_proxy_forward(struct sip_server *s, struct sip_edit *edit, const struct sip_target *targets,
                      size_t n_targets, const struct sip_proxy_ops *ops, void *ctx,
                      struct sip_proxy **ret_proxy)
{
    struct sip_branch_options o = {.edit = edit, .targets = targets, .n_targets = n_targets};
    struct sip_proxy *p;
    int rc = sip_proxy_new(s, ops, ctx, &p);

    if (rc < 0)
        return rc;
    rc = sip_proxy_add(p, &o, NULL);
    if (rc < 0) {
        p->ops = NULL; /* it never was */
        proxy_free(p);
        return rc;
    }
    sip_proxy_start(p);
    if (ret_proxy)
        *ret_proxy = p;
    return 0;
}

void sip_proxy_abort(struct sip_proxy *p, unsigned status, const char *phrase, struct span extra)
{
    answers_clear(p);
    if (!proxy_is_answered(p))
        (void)sip_server_reply(p->server, status, phrase, extra, SPAN_NONE);
    cancel_branches(p, SPAN_NONE);
    proxy_run_later(p);
}

const struct sip_flow *sip_branch_flow(const struct sip_branch *b)
{
    return b->client ? sip_client_flow(b->client) : &b->flow;
}
