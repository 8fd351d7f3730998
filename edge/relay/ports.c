/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/relay/ports.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int relay_ports_init(struct relay_ports *p, const struct addr *ip, uint16_t first, uint16_t last,
                     const struct rnd *rnd)
{
    uint32_t low = (first + 1u) & ~1u;
    uint32_t n = last > low ? (last - low + 1u) / 2 : 0;
    uint16_t *ring;

    if (n == 0 || low == 0)
        return -EINVAL;
    ring = malloc(n * sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) { /* Fisher-Yates, inside out */
        uint32_t j = rnd_below(rnd, i + 1);

        ring[i] = ring[j];
        ring[j] = (uint16_t)(low + 2 * i);
    }
    *p = (struct relay_ports){.ip = *ip, .ring = ring, .size = n, .free = n};
    return 0;
}

void relay_ports_fini(struct relay_ports *p)
{
    free(p->ring);
    *p = (struct relay_ports){0};
}

int relay_ports_take(struct relay_ports *p, struct addr *ret_even)
{
    if (p->free == 0)
        return -ENOSPC;
    *ret_even = p->ip;
    ret_even->port = p->ring[p->head];
    p->head = (p->head + 1) % p->size;
    p->free--;
    return 0;
}

void relay_ports_give(struct relay_ports *p, const struct addr *even)
{
    assert(p->free < p->size && even->port % 2 == 0 && addr_ip_eq(&p->ip, even));
    p->ring[(p->head + p->free) % p->size] = even->port;
    p->free++;
}
