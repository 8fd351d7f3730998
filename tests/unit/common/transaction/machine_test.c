/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four tables: nothing forgotten, nothing unreachable, nothing that waits for ever. */
#include "common/transaction/machine.h"

#include <stdio.h>

#include "tests/support/suite.h"

#define EACH(m, s)                                                                                 \
    for (unsigned m = 0; m < TX_MACHINES; m++)                                                     \
        for (unsigned s = 0; s < TX_STATES; s++)

static bool is_used(unsigned m, unsigned s)
{
    for (unsigned e = 0; e < TX_EVENTS; e++) {
        if (tx_rows[m][s][e].kind == TX_ROW)
            return true;
    }
    return false;
}

static void every_state_says_what_it_does_with_every_event(void)
{
    EACH(m, s)
    {
        for (unsigned e = 0; e < TX_EVENTS; e++)
            CU_ASSERT(tx_rows[m][s][e].kind != TX_UNLISTED);
    }
}

static void every_used_state_is_reached_and_every_row_leads_to_one(void)
{
    bool reached[TX_MACHINES][TX_STATES] = {{false}};
    bool more = true;

    for (unsigned m = 0; m < TX_MACHINES; m++)
        reached[m][tx_first_state((enum tx_machine)m)] = true;
    while (more) {
        more = false;
        EACH(m, s)
        {
            for (unsigned e = 0; e < TX_EVENTS && reached[m][s]; e++) {
                const struct tx_row *row = &tx_rows[m][s][e];

                if (row->kind == TX_ROW && !reached[m][row->next])
                    more = reached[m][row->next] = true;
            }
        }
    }
    EACH(m, s)
    {
        CU_ASSERT_EQUAL(reached[m][s], is_used(m, s) || s == TX_TERMINATED);
    }
}

/* The one exception waits for the role; a proxy's role has timer C in its branches. */
static void every_state_that_waits_has_a_timer_that_ends_it(void)
{
    EACH(m, s)
    {
        const struct tx_timing *t = &tx_timings[m][s];
        const struct tx_row *end = &tx_rows[m][s][TX_EV_END];

        if (!is_used(m, s)) {
            CU_ASSERT(t->tick == TX_TICK_NONE && t->end == TX_END_NONE);
        } else if (m == TX_IST && s == TX_PROCEEDING) {
            CU_ASSERT_EQUAL(t->end, TX_END_NONE);
            CU_ASSERT_EQUAL(end->kind, TX_REFUSED);
        } else {
            CU_ASSERT(t->end != TX_END_NONE);
            CU_ASSERT_EQUAL(end->kind, TX_ROW);
            CU_ASSERT(end->next == TX_TERMINATED || (end->actions & TX_DO_GIVE_UP));
        }
        /* a tick that runs is expected, and only then */
        CU_ASSERT_EQUAL(t->tick != TX_TICK_NONE && t->tick != TX_TICK_KEEP,
                        tx_rows[m][s][TX_EV_TICK].kind == TX_ROW);
    }
}

static void nothing_comes_back_from_the_end(void)
{
    for (unsigned m = 0; m < TX_MACHINES; m++)
        CU_ASSERT(!is_used(m, TX_TERMINATED));
}

TEST_MAIN("common/transaction/machine",
          {"every state says what it does with every event",
           every_state_says_what_it_does_with_every_event},
          {"every used state is reached, and every row leads to one",
           every_used_state_is_reached_and_every_row_leads_to_one},
          {"every state that waits has a timer that ends it",
           every_state_that_waits_has_a_timer_that_ends_it},
          {"nothing comes back from the end", nothing_comes_back_from_the_end})
