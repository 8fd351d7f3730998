/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that are open, in a file mapped into memory: what a killed process leaves of them. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/charging/inner.h"

/* A record takes half of it as a rule; 256 of them are reserved at a time. */
enum { SLOT = 2048, STEP = 256 };

static const char magic[8] = {'c', 'a', 'l', 'l', 's', '0', '1', '\n'};

/* The first slot. */
struct head {
    char magic[8];
    int64_t alive; /* wall clock: the process that wrote the notes was alive then */
};

/* The text is complete before n says so, and n is 0 before another text is begun: a process can be
 * killed between any two stores. */
struct note {
    _Atomic uint32_t n; /* octets of line; 0 = free */
    uint16_t status;
    uint8_t cause;
    bool ended; /* the members around it are the call's last word */
    int64_t end_time;
    char reason[40];
    char line[SLOT - 56];
};
_Static_assert(sizeof(struct note) == SLOT, "a note fills its slot");

static struct note *slot(const struct spool_notes *s, uint32_t note)
{
    return (struct note *)(s->map + (size_t)note * SLOT);
}

static struct head *head(const struct spool_notes *s)
{
    return (struct head *)s->map;
}

/* The blocks are there before a store needs them: a store to a mapped hole of a full disk is a
 * SIGBUS. */
static int reserve(struct spool_notes *s, uint32_t slots)
{
    int rc = s->disk->reserve(s->disk->ctx, s->fd, (int64_t)slots * SLOT);

    if (rc == 0)
        s->reserved = slots;
    return rc;
}

static int begin(struct spool_notes *s, int64_t size)
{
    static const char none[sizeof(magic)];
    int rc;

    s->left = (uint32_t)(size / SLOT);
    if (s->left == 0) {
        rc = reserve(s, (s->limit < STEP ? s->limit : STEP) + 1); /* before the disk is full */
        if (rc)
            return rc;
    } else {
        s->reserved = s->left;
    }
    if (memcmp(head(s)->magic, none, sizeof(magic)) == 0)
        memcpy(head(s)->magic, magic, sizeof(magic));
    return memcmp(head(s)->magic, magic, sizeof(magic)) == 0 ? 0 : -EBADMSG;
}

int spool_notes_open(const struct charging_disk *disk, const char *dir, const char *name,
                     uint32_t limit, struct spool_notes *s)
{
    char path[SPOOL_PATH_MAX];
    struct buf b = {path, 0, sizeof(path) - 1, false};
    int64_t size;
    int rc;

    *s = (struct spool_notes){.disk = disk, .fd = -1, .limit = limit};
    if (limit == 0)
        return 0;
    buf_fmt(&b, "%s/%s.calls", dir, name);
    path[b.n] = '\0';
    if (b.overflow)
        return -ENAMETOOLONG;
    s->fd = disk->open(disk->ctx, path, true);
    if (s->fd < 0)
        return s->fd;
    size = disk->size(disk->ctx, s->fd);
    if (size < 0)
        return (int)size;
    if (size / SLOT >= limit)
        s->limit = (uint32_t)(size / SLOT); /* the bound was higher once */
    s->free = malloc(((size_t)s->limit + 1) * sizeof(*s->free));
    if (!s->free)
        return -ENOMEM;
    s->map_n = ((size_t)s->limit + 1) * SLOT;
    rc = disk->map(disk->ctx, s->fd, s->map_n, (void **)&s->map);
    return rc ? rc : begin(s, size);
}

void spool_notes_close(struct spool_notes *s)
{
    if (s->map)
        s->disk->unmap(s->disk->ctx, s->map, s->map_n);
    if (s->fd >= 0)
        s->disk->close(s->disk->ctx, s->fd);
    free(s->free);
    *s = (struct spool_notes){.fd = -1};
}

/* ---- what the last process left ---- */

static int read_note(const struct spool_notes *s, uint32_t i, struct arena *a, struct cdr *ret_cdr)
{
    struct note *note = slot(s, i);
    uint32_t n = atomic_load_explicit(&note->n, memory_order_acquire);
    struct cdr c;

    if (n == 0)
        return -ENOENT;
    if (n > sizeof(note->line) || cdr_parse_json(span_of(note->line, n), a, &c) != 0)
        return -EBADMSG;
    c.incomplete = !note->ended;
    if (note->ended) {
        c.end_time = note->end_time;
        c.cause = (enum cdr_cause)note->cause;
        c.sip_status = note->status ? note->status : c.sip_status;
        note->reason[sizeof(note->reason) - 1] = '\0';
        c.reason = arena_copy(a, span_str(note->reason));
    } else {
        c.end_time = s->last_alive > c.answer_time ? s->last_alive : c.answer_time;
        c.cause = CDR_CAUSE_MANAGEMENT;
        c.reason = SPAN("killed");
    }
    *ret_cdr = c;
    return 0;
}

uint32_t spool_notes_left(struct spool_notes *s, struct arena *a, struct cdr *ret_cdr)
{
    if (s->at == 0 && s->left)
        s->last_alive = head(s)->alive;
    while (s->at + 1 < s->left) {
        uint32_t i = s->at + 1;
        int rc = read_note(s, i, a, ret_cdr);

        if (rc == 0)
            return i;
        spool_notes_next(s);
        spool_notes_drop(s, i);
        s->damaged += rc == -EBADMSG;
    }
    return 0;
}

void spool_notes_next(struct spool_notes *s)
{
    s->at++;
    s->used++; /* until it is dropped */
}

/* ---- this process's ---- */

static uint32_t take(struct spool_notes *s)
{
    if (s->n_free)
        return s->free[--s->n_free];
    if (s->next == 0)
        s->next = s->left > 1 ? s->left : 1; /* behind what is looked at one by one */
    if (s->next > s->limit)
        return 0;
    if (s->next >= s->reserved) {
        uint32_t most = s->limit + 1, want = s->next + STEP;

        if (reserve(s, want < most ? want : most) != 0)
            return 0;
    }
    return s->next++;
}

static bool put(struct note *note, const struct cdr *c)
{
    struct buf b = BUF_ON(note->line);
    struct cdr brief = *c;

    cdr_put_json(&b, c);
    if (b.overflow) { /* who, with whom and when must fit */
        brief.access_info = brief.calling_alias = brief.called_asserted = SPAN_NONE;
        b = (struct buf)BUF_ON(note->line);
        cdr_put_json(&b, &brief);
    }
    if (b.overflow)
        return false;
    note->ended = false;
    atomic_store_explicit(&note->n, (uint32_t)b.n, memory_order_release);
    return true;
}

uint32_t spool_notes_put(struct spool_notes *s, const struct cdr *c)
{
    uint32_t i = s->map ? take(s) : 0;

    if (i == 0)
        return 0;
    s->used++;
    if (put(slot(s, i), c))
        return i;
    spool_notes_drop(s, i);
    return 0;
}

void spool_notes_end(struct spool_notes *s, uint32_t i, const struct cdr *c)
{
    struct note *note = slot(s, i);
    size_t n = c->reason.n < sizeof(note->reason) ? c->reason.n : sizeof(note->reason) - 1;

    note->end_time = c->end_time;
    note->cause = (uint8_t)c->cause;
    note->status = (uint16_t)c->sip_status;
    memcpy(note->reason, c->reason.p, n);
    note->reason[n] = '\0';
    atomic_signal_fence(memory_order_release);
    note->ended = true;
}

void spool_notes_drop(struct spool_notes *s, uint32_t i)
{
    atomic_store_explicit(&slot(s, i)->n, 0, memory_order_release);
    s->free[s->n_free++] = i;
    s->used--;
}

void spool_notes_alive(struct spool_notes *s, int64_t wall)
{
    if (s->at + 1 >= s->left) /* else what is left still ends where it ended */
        head(s)->alive = wall;
}
