/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose grants they are. An AF that was started anew has forgotten what it asked for before: nobody would end those
 * grants, until their tokens do in a day. */
#include <stdlib.h>

#include "pdp/grants/inner.h"

/* So that the loop turns, the disk keeps up and the edges are not flooded with ASRs. */
enum { LOOKS_A_TURN = 256 };
static const uint64_t LOOK_EVERY = 20 * MSEC;

static struct grant_host *host_find(const struct grants *gs, struct span name)
{
    for (size_t i = 0; i < gs->n_hosts; i++) {
        if (span_eq_nocase(span_str(gs->hosts[i]->name), name))
            return gs->hosts[i];
    }
    return NULL;
}

static struct grant_host *host_get(struct grants *gs, struct span name)
{
    struct grant_host *h = host_find(gs, name);

    if (h || gs->n_hosts == GRANT_HOSTS_MAX)
        return h;
    h = calloc(1, sizeof(*h));
    if (!h || span_copy(name, h->name, sizeof(h->name))) {
        free(h);
        return NULL;
    }
    list_init(&h->grants);
    list_init(&h->doubtful);
    gs->hosts[gs->n_hosts++] = h;
    return h;
}

static unsigned host_look(struct grant_host *h, unsigned budget)
{
    while (budget && !list_empty(&h->doubtful)) {
        struct grant *g = CONTAINER_OF(h->doubtful.next, struct grant, of_host);

        budget--;
        list_del(&g->of_host);
        if (g->af_state && g->af_state < h->state)
            grant_end(g, GRANT_LOST, NULL, NULL);
        else
            list_add_tail(&h->grants, &g->of_host);
    }
    return budget;
}

static void on_look(struct loop_timer *t, void *ctx)
{
    struct grants *gs = ctx;
    unsigned budget = LOOKS_A_TURN;

    for (size_t i = 0; i < gs->n_hosts && budget; i++)
        budget = host_look(gs->hosts[i], budget);
    if (budget == 0)
        loop_timer_start(gs->loop, t, LOOK_EVERY);
}

static void host_state(struct grants *gs, struct grant_host *h, uint32_t state)
{
    struct list *from = &h->grants, *to = &h->doubtful;

    if (state <= h->state)
        return; /* a clock that was set back: nobody is to lose a call by that */
    h->state = state;
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
    loop_timer_start(gs->loop, &gs->look, 0);
}

void grants_af_state(struct grants *gs, struct span af_host, uint32_t state)
{
    struct grant_host *h = state ? host_get(gs, af_host) : NULL;

    if (h)
        host_state(gs, h, state);
}

void grant_host_enter(struct grant *g)
{
    struct grant_host *h = host_get(g->of, span_str(g->af_host));

    if (!h)
        return;
    h->state = h->state < g->af_state ? g->af_state : h->state;
    list_add_tail(&h->grants, &g->of_host);
}

void grant_hosts_init(struct grants *gs)
{
    loop_timer_init(&gs->look, on_look, gs);
}

void grant_hosts_fini(struct grants *gs)
{
    loop_timer_stop(gs->loop, &gs->look);
    for (size_t i = 0; i < gs->n_hosts; i++)
        free(gs->hosts[i]);
}
