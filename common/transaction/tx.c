/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stepping a machine: the row, the next state, its timers. */
#include "common/transaction/inner.h"

static const struct tx_times *times(const struct tx *x)
{
    return &tx_times_of[x->profile];
}

static bool is_server(const struct tx *x)
{
    return x->machine == TX_IST || x->machine == TX_NIST;
}

static uint64_t tick_delay(const struct tx *x)
{
    const struct tx_times *t = times(x);
    uint64_t doubled = t->T1 << (x->ticks < 16 ? x->ticks : 16);

    switch ((enum tx_tick)tx_timings[x->machine][x->state].tick) {
    case TX_TICK_DOUBLE:
        return x->reliable ? 0 : doubled;
    case TX_TICK_TO_T2:
        return x->reliable ? 0 : doubled < t->T2 ? doubled : t->T2;
    case TX_TICK_T2:
        return x->reliable ? 0 : t->T2;
    case TX_TICK_200MS:
        return x->ticks ? 0 : 200 * MSEC;
    case TX_TICK_7T1:
        return x->ticks ? 0 : 7 * t->T1;
    case TX_TICK_NONE:
    case TX_TICK_KEEP:
        break;
    }
    return 0;
}

static void tick_start(struct tx *x)
{
    uint64_t delay = tick_delay(x);

    if (delay > 0)
        loop_timer_start(x->l->loop, &x->tick, delay);
    else
        loop_timer_stop(x->l->loop, &x->tick);
}

/* 0 = the state is over at once. */
static uint64_t end_delay(const struct tx *x)
{
    const struct tx_times *t = times(x);
    const struct sip_client *c;

    switch ((enum tx_end)tx_timings[x->machine][x->state].end) {
    case TX_END_64T1:
        if (x->state == TX_CALLING || (x->state == TX_TRYING && !is_server(x))) {
            c = CONTAINER_OF(x, const struct sip_client, x);
            if (c->at + 1 < c->n_targets)
                return x->l->o.failover_t1 * t->T1;
        }
        return 64 * t->T1;
    case TX_END_64T1_UDP:
        return x->reliable ? 0 : 64 * t->T1;
    case TX_END_T4_UDP:
        return x->reliable ? 0 : t->T4;
    case TX_END_C:
        return x->l->o.timer_c;
    case TX_END_NONE:
    case TX_END_KEEP:
        break;
    }
    return 0;
}

void tx_enter(struct tx *x, enum tx_state state)
{
    const struct tx_timing *timing = &tx_timings[x->machine][state];

    x->state = (uint8_t)state;
    x->ticks = 0;
    if (state == TX_TERMINATED) {
        tx_bury(x);
        return;
    }
    if (timing->tick != TX_TICK_KEEP)
        tick_start(x);
    if (timing->end == TX_END_KEEP)
        return;
    if (timing->end == TX_END_NONE) {
        loop_timer_stop(x->l->loop, &x->end);
    } else {
        uint64_t delay = end_delay(x);

        if (delay > 0)
            loop_timer_start(x->l->loop, &x->end, delay);
        else
            tx_enter(x, TX_TERMINATED);
    }
}

unsigned tx_step(struct tx *x, enum tx_event event)
{
    const struct tx_row *row = &tx_rows[x->machine][x->state][event];

    if (row->kind != TX_ROW) {
        x->l->counters.refused_events++;
        return TX_DO_NOTHING;
    }
    if (row->next != x->state) {
        tx_enter(x, (enum tx_state)row->next);
    } else if (event == TX_EV_TICK) {
        if (x->ticks < UINT8_MAX)
            x->ticks++;
        tick_start(x);
    }
    return row->actions;
}

void tx_bury(struct tx *x)
{
    struct sip_layer *l = x->l;

    x->state = TX_TERMINATED;
    loop_timer_stop(l->loop, &x->tick);
    loop_timer_stop(l->loop, &x->end);
    if (is_server(x)) {
        map_del(&l->servers, &x->node);
        server_gone(CONTAINER_OF(x, struct sip_server, x));
    } else {
        map_del(&l->clients, &x->node);
        client_gone(CONTAINER_OF(x, struct sip_client, x));
    }
    x->node.next = l->dead;
    l->dead = &x->node;
    if (!l->closing)
        loop_defer(l->loop, &l->reap);
}

static void tick_fired(struct loop_timer *timer, void *ctx)
{
    struct tx *x = ctx;

    (void)timer;
    if (is_server(x))
        server_event(CONTAINER_OF(x, struct sip_server, x), TX_EV_TICK);
    else
        client_event(CONTAINER_OF(x, struct sip_client, x), TX_EV_TICK, NULL);
}

static void end_fired(struct loop_timer *timer, void *ctx)
{
    struct tx *x = ctx;

    (void)timer;
    if (is_server(x))
        server_event(CONTAINER_OF(x, struct sip_server, x), TX_EV_END);
    else
        client_end_fired(CONTAINER_OF(x, struct sip_client, x));
}

void tx_init(struct tx *x, struct sip_layer *l, enum tx_machine machine,
             enum sip_timer_profile profile, bool reliable)
{
    x->l = l;
    x->machine = (uint8_t)machine;
    x->state = (uint8_t)tx_first_state(machine);
    x->profile = (uint8_t)profile;
    x->reliable = reliable;
    loop_timer_init(&x->tick, tick_fired, x);
    loop_timer_init(&x->end, end_fired, x);
}
