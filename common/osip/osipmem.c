/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/osip/osipmem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>

/* libosip2 has one set of functions for the process, without a context argument: the context is
 * the thread's. */
static _Thread_local struct osipmem *current;

/* In front of every block: its size, for realloc. Sixteen bytes keep the alignment. */
struct head {
    _Alignas(16) size_t n;
};

static void *scope_alloc(size_t n)
{
    size_t want;
    struct head *h;

    if (!current)
        return malloc(n);
    if (n > SIZE_MAX - 64)
        return NULL;
    want = sizeof(*h) + ((n + 15) & ~(size_t)15);
    if (want <= (size_t)(current->end - current->at)) {
        h = (void *)current->at;
        current->at += want;
    } else {
        h = arena_alloc(&current->more, want);
        if (!h)
            return NULL;
    }
    h->n = n;
    return h + 1;
}

static void scope_free(void *p)
{
    if (!current)
        free(p);
}

static void *scope_realloc(void *p, size_t n)
{
    struct head *h = p;
    void *bigger;

    if (!current)
        return realloc(p, n);
    if (!p)
        return scope_alloc(n);
    h--;
    if (n <= h->n)
        return p;
    bigger = scope_alloc(n);
    if (bigger)
        memcpy(bigger, p, h->n);
    return bigger;
}

/* Debian's build prints warnings about every odd packet to stdout by default. */
static void no_trace(const char *file, int line, osip_trace_level_t level, const char *fmt,
                     va_list ap)
{
    (void)file;
    (void)line;
    (void)level;
    (void)fmt;
    (void)ap;
}

int osipmem_init(void)
{
    osip_trace_initialize_func(OSIP_FATAL, no_trace);
    osip_set_allocators(scope_alloc, scope_realloc, scope_free);
    return parser_init() == 0 ? 0 : -ENOMEM;
}

void osipmem_enter(struct osipmem *scope, size_t limit)
{
    scope->outer = current;
    scope->at = scope->first;
    scope->end = scope->first + sizeof(scope->first);
    arena_init(&scope->more, limit);
    current = scope;
}

void osipmem_leave(struct osipmem *scope)
{
    current = scope->outer;
    arena_fini(&scope->more);
}
