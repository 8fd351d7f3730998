/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sanitizer/asan_interface.h> /* nothing without it */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/base.h"

void buf_put(struct buf *b, struct span s)
{
    if (b->overflow || s.n > b->cap - b->n) {
        b->overflow = true;
        return;
    }
    if (s.n)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, span_str(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, span_of(&c, 1));
}

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, span_of(digits + at, sizeof(digits) - at));
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *bytes = p;

    if (b->overflow || n > (b->cap - b->n) / 2) {
        b->overflow = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        b->p[b->n++] = hex[bytes[i] >> 4];
        b->p[b->n++] = hex[bytes[i] & 15];
    }
}

void buf_vfmt(struct buf *b, const char *fmt, va_list ap)
{
    size_t room = b->cap - b->n;
    va_list again;
    int n;

    if (b->overflow)
        return;
    va_copy(again, ap);
    n = vsnprintf(b->p + b->n, room, fmt, ap);
    if (n >= 0 && (size_t)n < room) {
        b->n += (size_t)n;
    } else if (n >= 0 && (size_t)n == room && room > 0) {
        /* It fits but for vsnprintf's NUL. */
        char *text = malloc((size_t)n + 1);

        if (text && vsnprintf(text, (size_t)n + 1, fmt, again) == n)
            buf_put(b, span_of(text, (size_t)n));
        else
            b->overflow = true;
        free(text);
    } else {
        b->overflow = true;
    }
    va_end(again);
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(b, fmt, ap);
    va_end(ap);
}

/* ---- arena ----------------------------------------------------------------------------------- */

#define ARENA_BLOCK 16384u

struct arena_block {
    struct arena_block *next;
    size_t cap;
    _Alignas(16) char bytes[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
    *a = (struct arena){.limit = limit_bytes};
}

void arena_init_in(struct arena *a, void *room, size_t n, size_t limit_bytes)
{
    size_t skip = -(uintptr_t)room & 15;

    arena_init(a, limit_bytes);
    if (n > skip) {
        a->at = (char *)room + skip;
        a->end = (char *)room + n;
        /* What is read behind its bytes is still found, although there is room. */
        ASAN_POISON_MEMORY_REGION(a->at, (size_t)(a->end - a->at));
    }
}

void arena_fini(struct arena *a)
{
    while (a->head) {
        struct arena_block *next = a->head->next;

        free(a->head);
        a->head = next;
    }
    a->at = a->end = NULL;
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    /* The oldest block (of the usual size) stays for the next message. */
    while (a->head && a->head->next) {
        struct arena_block *next = a->head->next;

        free(a->head);
        a->head = next;
    }
    a->at = a->head ? a->head->bytes : NULL;
    a->end = a->head ? a->head->bytes + a->head->cap : NULL;
    a->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - 15)
        return NULL;
    n = (n + 15) & ~(size_t)15;
    if (n > a->limit - a->used)
        return NULL;
    if (n > (size_t)(a->end - a->at)) {
        size_t cap = n > ARENA_BLOCK ? n : ARENA_BLOCK;
        struct arena_block *block = malloc(sizeof(*block) + cap);

        if (!block)
            return NULL;
        block->cap = cap;
        block->next = a->head;
        a->head = block;
        a->at = block->bytes;
        a->end = block->bytes + cap;
    }
    void *p = a->at;

    ASAN_UNPOISON_MEMORY_REGION(p, n);
    a->at += n;
    a->used += n;
    return p;
}

struct span arena_copy(struct arena *a, struct span s)
{
    char *copy = arena_alloc(a, s.n + 1);

    if (!copy)
        return SPAN_NONE;
    if (s.n)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return span_of(copy, s.n);
}
