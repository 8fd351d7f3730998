/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ACK for a 2xx, one hop on: no transaction, no answer that could tell whether it arrived. */
#include <errno.h>
#include <stdlib.h>

#include "common/transaction/inner.h"

#define WAIT     (10 * SEC) /* longer than it takes to find out that nobody takes connections */
#define ACKS_MAX 10000      /* that wait at a time; what is more takes its chance */
#define PROTOCOL (sizeof("SIP/2.0/") - 1)

/* One that is large took TCP: when that fails it goes by UDP (RFC 3261 18.1.1). The 2xx that would
 * come again brings another, and that would fare no better. */
struct onward {
    struct sip_layer *l;
    struct list item;
    struct sip_watch watch;
    struct loop_timer timer;
    struct sip_target target;
    bool failed;
    size_t n;
    char bytes[]; /* already as UDP has it */
};

static void onward_free(struct onward *a)
{
    sip_watch_stop(&a->watch);
    loop_timer_stop(a->l->loop, &a->timer);
    list_del(&a->item);
    a->l->n_acks--;
    free(a);
}

static void on_timer(struct loop_timer *timer, void *ctx)
{
    struct onward *a = ctx;

    (void)timer;
    if (a->failed) /* nothing is left to try after this */
        (void)sip_transport_send(a->l->t, &a->target, NET_UDP, span_of(a->bytes, a->n), NULL, NULL);
    onward_free(a);
}

static void end_later(struct onward *a, bool failed)
{
    sip_watch_stop(&a->watch);
    a->failed = failed;
    loop_timer_stop(a->l->loop, &a->timer);
    loop_timer_start(a->l->loop, &a->timer, 0);
}

static void on_closed(struct sip_watch *w, int reason)
{
    end_later(CONTAINER_OF(w, struct onward, watch),
              reason != 0); /* 0: it was there to be closed */
}

/* via: our own, inside of ack. NULL: there is no way back to UDP, or no room. */
static struct onward *onward_new(struct sip_layer *l, const struct sip_target *target,
                                 enum net_proto proto, struct span ack, struct span via)
{
    bool by_udp = target->flow.proto == NET_UDP || (target->policy & SIP_TARGET_UDP_FALLBACK);
    struct onward *a;
    size_t at = 0;

    if (proto != NET_TCP || !by_udp || l->n_acks >= ACKS_MAX)
        return NULL;
    while (at < ack.n && !span_starts(span_sub(ack, at, ack.n), via))
        at++;
    if (at == ack.n)
        return NULL;
    a = malloc(sizeof(*a) + ack.n);
    if (!a)
        return NULL;
    *a = (struct onward){.l = l, .target = *target, .n = ack.n};
    memcpy(a->bytes, ack.p, ack.n);
    memcpy(a->bytes + at + PROTOCOL, "UDP", 3);
    sip_watch_init(&a->watch, on_closed);
    loop_timer_init(&a->timer, on_timer, a);
    list_add_tail(&l->acks, &a->item);
    l->n_acks++;
    loop_timer_start(l->loop, &a->timer, WAIT);
    return a;
}

void acks_free(struct sip_layer *l)
{
    while (!list_empty(&l->acks))
        onward_free(CONTAINER_OF(l->acks.next, struct onward, item));
}

int sip_forward_ack(struct sip_layer *l, struct sip_msg *ack, const struct sip_flow *flow,
                    struct sip_edit *edit, const struct sip_target *target)
{
    struct buf out = layer_scratch(l);
    enum net_proto proto = sip_target_proto(l->t, target, ack->raw.n + VIA_MAX);
    struct sip_edit own;
    struct onward *a;
    struct span via;
    char text[VIA_MAX];
    int rc;

    (void)flow; /* the transport has stamped it into the Via */
    if (ack->max_forwards == 0)
        return -ELOOP;
    if (!edit) {
        sip_edit_init(&own, ack);
        edit = &own;
    }
    /* RFC 3261 16.11: the same branch for the same request */
    via = layer_via(text, target->flow.endpoint, proto,
                    siphash24(l->secret, ack->branch.p, ack->branch.n), 0);
    sip_edit_push(edit, SIP_H_VIA, via);
    sip_edit_max_forwards(edit);
    sip_edit_content_length(edit);
    rc = sip_edit_render(edit, &out);
    if (rc < 0)
        return rc;
    a = onward_new(l, target, proto, buf_span(&out), via);
    rc = sip_transport_send(l->t, target, proto, buf_span(&out), a ? &a->watch : NULL, NULL);
    if (rc < 0 && a) {
        end_later(a, true);
        return 0;
    }
    return rc;
}
