/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/relay/fake.h"

#include <errno.h>
#include <stdlib.h>

/* A stream of this twin; callers of the port see struct relay_stream only as a name. */
struct fake_stream {
    struct list item;
    struct addr local[2];
    struct relay_rule rule[2];
    struct usage_counts counts[2];
};

struct relay_fake {
    struct relay_port port;
    struct list streams;
    unsigned open, fail_after;
    int fail_error;
    bool fail_set;
};

static struct fake_stream *real(const struct relay_stream *s)
{
    return (struct fake_stream *)(uintptr_t)s;
}

static int fake_open(void *ctx, enum relay_kind kind, const struct addr local[2],
                     const uint8_t tos[2], struct relay_stream **ret_stream)
{
    struct relay_fake *f = ctx;
    unsigned leg;

    (void)kind, (void)tos;
    if (f->fail_error && f->fail_after-- == 0) {
        int error = f->fail_error;

        f->fail_error = 0;
        return error;
    }
    if (relay_fake_find(f, &local[0], &leg) || relay_fake_find(f, &local[1], &leg))
        return -EADDRINUSE;
    struct fake_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    memcpy(s->local, local, sizeof(s->local));
    list_add_tail(&f->streams, &s->item);
    f->open++;
    *ret_stream = (struct relay_stream *)(void *)s;
    return 0;
}

static int fake_set(void *ctx, struct relay_stream *s, unsigned leg, const struct relay_rule *rule)
{
    struct relay_fake *f = ctx;

    if (f->fail_set) {
        real(s)->rule[leg].gate = RELAY_GATE_CLOSED;
        return -ENOMEM;
    }
    real(s)->rule[leg] = *rule;
    return 0;
}

static void fake_lower(void *ctx, struct relay_stream *s, unsigned leg, enum relay_gate gate)
{
    (void)ctx;
    real(s)->rule[leg].gate = gate;
}

static void fake_read(void *ctx, const struct relay_stream *s, unsigned leg,
                      struct usage_counts *ret_counts, struct addr *ret_latched)
{
    (void)ctx;
    *ret_counts = real(s)->counts[leg];
    if (ret_latched)
        *ret_latched = (struct addr){0};
}

static void fake_close(void *ctx, struct relay_stream *s)
{
    struct relay_fake *f = ctx;

    list_del(&real(s)->item);
    f->open--;
    free(real(s));
}

int relay_fake_new(struct relay_fake **ret_fake)
{
    struct relay_fake *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    list_init(&f->streams);
    f->port = (struct relay_port){f, fake_open, fake_set, fake_lower, fake_read, fake_close};
    *ret_fake = f;
    return 0;
}

void relay_fake_free(struct relay_fake *f)
{
    if (!f)
        return;
    LIST_EACH (item, &f->streams)
        fake_close(f, (struct relay_stream *)(void *)CONTAINER_OF(item, struct fake_stream, item));
    free(f);
}

const struct relay_port *relay_fake_port(struct relay_fake *f)
{
    return &f->port;
}

unsigned relay_fake_open(const struct relay_fake *f)
{
    return f->open;
}

struct relay_stream *relay_fake_find(struct relay_fake *f, const struct addr *local,
                                     unsigned *ret_leg)
{
    LIST_EACH (item, &f->streams) {
        struct fake_stream *s = CONTAINER_OF(item, struct fake_stream, item);
        for (unsigned i = 0; i < 2; i++) {
            if (addr_eq(&s->local[i], local)) {
                *ret_leg = i;
                return (struct relay_stream *)(void *)s;
            }
        }
    }
    return NULL;
}

const struct relay_rule *relay_fake_rule(const struct relay_stream *s, unsigned leg)
{
    return &real(s)->rule[leg];
}

void relay_fake_packets(struct relay_stream *s, unsigned leg, unsigned n, int64_t wall)
{
    static const enum usage_counter refused[] = {[RELAY_GATE_CLOSED] = USAGE_REFUSED_CLOSED,
                                                 [RELAY_GATE_OPEN] = USAGE_PACKETS,
                                                 [RELAY_GATE_ENDED] = USAGE_REFUSED_ENDED};
    struct usage_counts *c = &real(s)->counts[leg];
    enum usage_counter what = refused[real(s)->rule[leg].gate];

    c->n[what] += n;
    if (what != USAGE_PACKETS)
        return;
    c->n[USAGE_OCTETS] += 100ull * n;
    if (!c->first)
        c->first = wall;
    c->last = wall;
}

void relay_fake_fail_open(struct relay_fake *f, unsigned after, int error)
{
    f->fail_after = after;
    f->fail_error = error;
}

void relay_fake_fail_set(struct relay_fake *f, bool on)
{
    f->fail_set = on;
}
