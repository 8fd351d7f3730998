/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The response context of RFC 3261 16: branches by q, answers in order, the best final.
 *
 * Nothing here calls the role from inside a call of the role's: answers wait in a queue that
 * proxy_run works off, from the wire at once, otherwise at the end of the turn. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "common/transaction/inner.h"

#define OKS_MAX 8 /* 2xx of different callees behind one branch */

/* A 2xx to an INVITE as it was forwarded, for when it comes again (RFC 6026 7.1); empty when the
 * role had something else sent. */
struct ok {
    struct ok *next;
    size_t n, tag_n;
    char bytes[]; /* To tag, response */
};

enum branch_state { BRANCH_WAITING, BRANCH_RUNNING, BRANCH_DONE };

struct sip_branch {
    struct list item;
    struct sip_proxy *p;
    struct sip_client *client; /* NULL once it has ended */
    void *user;
    struct sip_flow flow;
    enum branch_state state;
    unsigned q;
    uint64_t no_answer;
    bool unanswered; /* given up by no_answer: counts as 408 */
    struct loop_timer timer;
    struct ok *oks;
    unsigned n_oks;
};

struct answer_slot {
    struct list item;
    struct sip_answer a;
    struct sip_edit edit;
    char *extra; /* our copy of a.replace_extra, while it is held */
};

struct sip_proxy {
    struct list item; /* in layer.proxies */
    struct sip_layer *l;
    struct sip_server *server; /* NULL once it has ended */
    struct handle server_handle;
    bool invite, started, cancelled, running;
    const struct sip_proxy_ops *ops;
    void *ctx;
    struct list branches;
    struct list queue; /* answers that wait */
    struct answer_slot *held;
    struct loop_task task;
    /* the best final so far */
    unsigned best;
    struct sip_msg *best_msg;
    struct sip_branch *best_branch;
    char *cancel_reason; /* Reason lines of the caller's CANCEL */
};

static bool is_answered(const struct sip_proxy *p)
{
    return !p->server || server_is_answered(p->server);
}

/* ---- answers ------------------------------ */

static struct answer_slot *slot_take(struct sip_layer *l)
{
    struct answer_slot *slot = l->spare;

    l->spare = NULL;
    return slot ? slot : malloc(sizeof(*slot));
}

static void slot_drop(struct sip_layer *l, struct answer_slot *slot)
{
    sip_msg_unref(slot->a.m);
    free(slot->extra);
    if (l->spare)
        free(slot);
    else
        l->spare = slot;
}

static void queue_clear(struct sip_proxy *p)
{
    if (p->held)
        slot_drop(p->l, p->held);
    p->held = NULL;
    while (!list_empty(&p->queue)) {
        struct answer_slot *slot = CONTAINER_OF(p->queue.next, struct answer_slot, item);

        list_del(&slot->item);
        slot_drop(p->l, slot);
    }
}

static void enqueue(struct sip_proxy *p, struct sip_branch *b, unsigned status, struct sip_msg *m)
{
    struct answer_slot *slot = slot_take(p->l);

    if (!slot) {
        p->l->counters.refused_memory++;
        return; /* a final one that is lost: the callee repeats it, or timer C ends the call */
    }
    list_init(&slot->item);
    slot->extra = NULL;
    slot->a = (struct sip_answer){
        .proxy = p,
        .branch = m ? b : NULL,
        .status = status,
        .m = m ? sip_msg_ref(m) : NULL,
        .edit = m ? &slot->edit : NULL,
        .server = p->server_handle,
    };
    list_add_tail(&p->queue, &slot->item);
}

static void put_oks(struct sip_branch *b, const struct sip_msg *m, struct span bytes)
{
    struct ok *ok;

    if (b->n_oks >= OKS_MAX)
        return;
    ok = malloc(sizeof(*ok) + m->to_tag.n + bytes.n);
    if (!ok)
        return; /* then the callee's retransmission is a new answer to the role */
    ok->tag_n = m->to_tag.n;
    ok->n = bytes.n;
    if (m->to_tag.n)
        memcpy(ok->bytes, m->to_tag.p, m->to_tag.n);
    if (bytes.n)
        memcpy(ok->bytes + ok->tag_n, bytes.p, bytes.n);
    ok->next = b->oks;
    b->oks = ok;
    b->n_oks++;
}

static bool again(struct sip_branch *b, const struct sip_msg *m)
{
    for (const struct ok *ok = b->oks; ok; ok = ok->next) {
        if (!span_eq(m->to_tag, span_of(ok->bytes, ok->tag_n)))
            continue;
        if (b->p->server && ok->n)
            (void)sip_server_send(b->p->server, m->status, span_of(ok->bytes + ok->tag_n, ok->n));
        return true;
    }
    return false;
}

/* Our Via goes; whoever renders adds nothing else. */
static void edit_begin(struct answer_slot *slot)
{
    struct sip_values via = sip_values(slot->a.m, SIP_H_VIA);

    sip_edit_init(&slot->edit, slot->a.m);
    if (sip_values_next(&via))
        sip_edit_remove_value(&slot->edit, &via);
}

static int send_edited(struct sip_proxy *p, struct answer_slot *slot)
{
    struct buf b = layer_scratch(p->l);
    int rc;

    sip_edit_content_length(&slot->edit);
    rc = sip_edit_render(&slot->edit, &b);
    if (rc < 0)
        return sip_server_reply(p->server, 500, NULL, SPAN_NONE, SPAN_NONE);
    if (p->invite && slot->a.status / 100 == 2)
        put_oks(slot->a.branch, slot->a.m, buf_span(&b));
    return sip_server_send(p->server, slot->a.status, buf_span(&b));
}

/* What comes again of a 2xx that was not forwarded is nothing new to the role. */
static void forget_ok(const struct answer_slot *slot)
{
    const struct sip_answer *a = &slot->a;

    if (a->m && a->status / 100 == 2 && a->proxy->invite)
        put_oks(a->branch, a->m, SPAN_NONE);
}

static void slot_send(struct sip_proxy *p, struct answer_slot *slot)
{
    struct sip_answer *a = &slot->a;

    if (!p->server) {
        p->l->counters.answers_late++;
    } else if (a->replace) {
        forget_ok(slot);
        (void)sip_server_reply(p->server, a->replace, a->replace_phrase, a->replace_extra,
                               SPAN_NONE);
    } else if (a->status == 408 && !p->invite) {
        /* RFC 4320 4.2: it would come too late to be of use */
        (void)sip_server_reject(p->server, &(struct sip_reject){0});
    } else if (a->m) {
        (void)send_edited(p, slot);
    } else {
        (void)sip_server_reply(p->server, a->status, NULL, SPAN_NONE, SPAN_NONE);
    }
    slot_drop(p->l, slot);
}

static enum sip_answer_verdict ask(struct sip_proxy *p, struct answer_slot *slot)
{
    struct sip_answer *a = &slot->a;

    if (a->m)
        edit_begin(slot);
    /* RFC 3261 16.7 step 6: that our next hop is overloaded does not mean that we are */
    if (a->status == 503)
        a->replace = 500;
    return p->ops && p->ops->on_answer ? p->ops->on_answer(a, p->ctx) : SIP_ANSWER_PASS;
}

static void hold(struct sip_proxy *p, struct answer_slot *slot)
{
    if (slot->a.replace_extra.n) {
        slot->extra = span_dup(slot->a.replace_extra);
        slot->a.replace_extra = span_str(slot->extra);
    }
    p->held = slot;
}

static bool is_again(const struct answer_slot *slot)
{
    const struct sip_answer *a = &slot->a;

    return a->proxy->invite && a->m && a->status / 100 == 2 && again(a->branch, a->m);
}

/* Every 2xx to an INVITE goes up (RFC 3261 16.7 step 5). */
static bool takes_more(const struct sip_proxy *p, const struct sip_answer *a)
{
    return p->server && p->server->x.state == TX_ACCEPTED && a->m && a->status / 100 == 2;
}

static void run_queue(struct sip_proxy *p)
{
    p->running = true;
    while (!p->held && !list_empty(&p->queue)) {
        struct answer_slot *slot = CONTAINER_OF(p->queue.next, struct answer_slot, item);
        bool answered = is_answered(p);
        enum sip_answer_verdict v;

        list_del(&slot->item);
        if (is_again(slot)) {
            slot_drop(p->l, slot);
            continue;
        }
        if (answered && !takes_more(p, &slot->a)) {
            p->l->counters.answers_late++;
            slot_drop(p->l, slot);
            continue;
        }
        v = ask(p, slot);
        if (v == SIP_ANSWER_HOLD && is_answered(p) != answered)
            v = SIP_ANSWER_DROP; /* the role has answered by itself meanwhile */
        if (v == SIP_ANSWER_PASS) {
            slot_send(p, slot);
        } else if (v == SIP_ANSWER_HOLD) {
            hold(p, slot);
        } else {
            forget_ok(slot);
            slot_drop(p->l, slot);
        }
    }
    p->running = false;
}

/* ---- the best final: RFC 3261 16.7 step 6 ------------------------------ */

/* The lower the better. */
static unsigned rank(unsigned status)
{
    static const uint16_t first[] = {401, 407, 415, 420, 484};

    if (status >= 600)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        if (first[i] == status)
            return 401;
    }
    return status == 503 ? 599 : status;
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
    LIST_EACH(item, &p->branches)
    {
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

    LIST_EACH(item, &p->branches)
    {
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

    LIST_EACH(item, &p->branches)
    {
        const struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b->state == BRANCH_RUNNING && b->q < q)
            q = b->q;
    }
    return q == UINT_MAX ? 0 : q;
}

static void start_next(struct sip_proxy *p)
{
    unsigned q = highest_waiting(p);

    LIST_EACH(item, &p->branches)
    {
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
    if (any(p, BRANCH_WAITING) && !p->cancelled && !is_answered(p)) {
        start_next(p);
        return;
    }
    if (status == 0 || is_answered(p))
        return;
    if (p->cancelled && !m)
        status = 487; /* nobody answered, and nobody waits for an answer */
    enqueue(p, p->best_branch, status, m);
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
    while (b->oks) {
        struct ok *next = b->oks->next;

        free(b->oks);
        b->oks = next;
    }
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
    queue_clear(p);
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
    if (!is_answered(p) || p->held || !list_empty(&p->queue))
        return false;
    LIST_EACH(item, &p->branches)
    {
        if (CONTAINER_OF(item, struct sip_branch, item)->client)
            return false;
    }
    return true;
}

static void run_later(struct sip_proxy *p)
{
    loop_defer(p->l->loop, &p->task);
}

static void on_task(struct loop_task *task, void *ctx)
{
    struct sip_proxy *p = ctx;

    (void)task;
    run_queue(p);
    if (is_over(p))
        proxy_free(p);
}

/* From the wire or a timer: the role may be called. */
static void proxy_run(struct sip_proxy *p)
{
    if (!p->running)
        run_queue(p);
    run_later(p);
}

/* ---- cancelling ------------------------------ */

static void cancel_branches(struct sip_proxy *p, const struct sip_branch *but, struct span reason)
{
    LIST_EACH(item, &p->branches)
    {
        struct sip_branch *b = CONTAINER_OF(item, struct sip_branch, item);

        if (b == but || b->state == BRANCH_DONE)
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
    if (is_answered(p))
        return;
    cancel_branches(p, NULL, span_str(p->cancel_reason));
    if (!any(p, BRANCH_RUNNING) && !p->held && list_empty(&p->queue))
        (void)sip_server_reply(p->server, 487, NULL, SPAN_NONE, SPAN_NONE);
    run_later(p);
}

void proxy_server_answered(struct sip_proxy *p)
{
    struct span reason = SPAN_NONE;

    if (p->server && p->server->x.state == TX_ACCEPTED)
        reason = SPAN("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
    cancel_branches(p, NULL, reason);
    run_later(p);
}

void proxy_server_gone(struct sip_proxy *p)
{
    p->server = NULL;
    cancel_branches(p, NULL, SPAN_NONE);
    if (!p->l->closing)
        run_later(p);
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
        cancel_branches(p, NULL, SPAN_NONE);
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
    } else if (is_answered(p)) {
        p->l->counters.answers_late++;
        return;
    }
    enqueue(p, b, m->status, m);
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
    run_later(b->p);
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
    struct sip_msg *m = is_answered(p) ? NULL : p->server->request;
    struct sip_branch *b;
    int rc;

    if (!m)
        return -EALREADY;
    b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->p = p;
    b->user = o->user;
    b->q = o->q;
    b->no_answer = o->no_answer;
    list_init(&b->item);
    loop_timer_init(&b->timer, no_answer, b);
    rc = client_new(p->l, m->method, o->targets, o->n_targets, &client_ops, b, &b->client);
    if (rc == 0)
        rc = branch_render(b, m, o->edit);
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

struct sip_answer *sip_proxy_held(struct sip_proxy *p)
{
    return p->held ? &p->held->a : NULL;
}

void sip_proxy_release(struct sip_proxy *p, enum sip_answer_verdict verdict)
{
    struct answer_slot *slot = p->held;

    if (!slot || verdict == SIP_ANSWER_HOLD)
        return;
    p->held = NULL;
    if (verdict == SIP_ANSWER_PASS) {
        slot_send(p, slot);
    } else {
        forget_ok(slot);
        slot_drop(p->l, slot);
    }
    run_later(p);
}

void sip_proxy_abort(struct sip_proxy *p, unsigned status, const char *phrase, struct span extra)
{
    queue_clear(p);
    if (!is_answered(p))
        (void)sip_server_reply(p->server, status, phrase, extra, SPAN_NONE);
    cancel_branches(p, NULL, SPAN_NONE);
    run_later(p);
}

struct sip_server *sip_proxy_server(const struct sip_proxy *p)
{
    return p->server;
}

void *sip_proxy_ctx(const struct sip_proxy *p)
{
    return p->ctx;
}

void *sip_branch_user(const struct sip_branch *b)
{
    return b->user;
}

struct sip_proxy *sip_branch_proxy(const struct sip_branch *b)
{
    return b->p;
}

const struct sip_flow *sip_branch_flow(const struct sip_branch *b)
{
    return b->client ? sip_client_flow(b->client) : &b->flow;
}
