/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/osip: the door to libosip2: its memory and its traces.
 *
 * Decides   where libosip2 allocates: between osipmem_enter and osipmem_leave on the scope's own
 *           memory, freed at once.
 * Owns      everything libosip2 makes inside a scope; nothing of it may be used behind
 *           osipmem_leave.
 * Threads   osipmem_init once per process, before threads; a scope belongs to the thread that
 *           entered it.
 * Errors    libosip2 sees NULL from malloc at the limit and reports OSIP_NOMEM.
 * Never     lets libosip2 print (its traces quote the attacker), nor leak (it does: duplicate
 *           Content-Type in a part).
 * Tests     tests/unit/common/osip. */
#ifndef COMMON_OSIP_OSIPMEM_H
#define COMMON_OSIP_OSIPMEM_H

#include "common/base/base.h"

/* Sets libosip2's allocators and parser tables, turns its traces off. May be called again. */
int osipmem_init(void);

/* On the caller's stack. The first bytes need no malloc: a URI or a Via hardly ever leaves them. */
struct osipmem {
    struct osipmem *outer;
    char *at, *end;
    struct arena more;
    _Alignas(16) char first[4096];
};

/* Scopes nest. limit: most bytes beyond `first`. */
void osipmem_enter(struct osipmem *scope, size_t limit);
void osipmem_leave(struct osipmem *scope);

#endif
