/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes up: answers in order, one at a time by the role, and 2xx that come again. */
#include <errno.h>
#include <stdlib.h>

#include "common/transaction/proxy.h"

#define OKS_MAX 8 /* 2xx of different callees behind one branch */

/* A 2xx to an INVITE as it was forwarded, for when it comes again (RFC 6026 7.1); empty when the
 * role had something else sent. */
struct ok {
    struct ok *next;
    size_t n, tag_n;
    char bytes[]; /* To tag, response */
};

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

void answers_clear(struct sip_proxy *p)
{
    if (p->held)
        slot_drop(p->l, p->held);
    p->held = NULL;
    while (!list_empty(&p->queue)) {
        struct answer_slot *slot = CONTAINER_OF(p->queue.next, struct answer_slot, item);

        list_del(&slot->item);
        p->n_queue--;
        slot_drop(p->l, slot);
    }
}

/* While the role holds one, others wait; a peer may send provisionals without end. */
enum { QUEUE_MAX = 32 };

void answers_add(struct sip_proxy *p, struct sip_branch *b, unsigned status, struct sip_msg *m)
{
    struct answer_slot *slot;

    if (p->n_queue >= QUEUE_MAX && status < 200) {
        p->l->counters.dropped_answers++;
        return;
    }
    slot = slot_take(p->l);
    if (!slot) {
        p->l->counters.refused_memory++;
        if (status >= 200 && p->server) /* nobody else would end the request */
            (void)sip_server_reply(p->server, 500, NULL, SPAN_NONE, SPAN_NONE);
        return;
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
    p->n_queue++;
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

void answers_forget(struct sip_branch *b)
{
    while (b->oks) {
        struct ok *next = b->oks->next;

        free(b->oks);
        b->oks = next;
    }
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

void answers_run(struct sip_proxy *p)
{
    p->running = true;
    while (!p->held && !list_empty(&p->queue)) {
        struct answer_slot *slot = CONTAINER_OF(p->queue.next, struct answer_slot, item);
        bool answered = proxy_is_answered(p);
        enum sip_answer_verdict v;

        list_del(&slot->item);
        p->n_queue--;
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
        if (v == SIP_ANSWER_HOLD && proxy_is_answered(p) != answered)
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
    proxy_run_later(p);
}
