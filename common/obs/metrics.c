/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: every worker writes cells of its own without locks; the reader sums them up. */
#include "common/obs/obs.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct obs_values {
    const struct obs_metric *table;
    size_t n;
    struct obs_values *next; /* of the same table */
    uint32_t *first;         /* index of each metric's first cell */
    /* Counter and gauge: a cell a label value. Histogram: a cell a bound, one above the last, then
     * the sum. */
    atomic_uint_fast64_t cells[];
};

struct group {
    const struct obs_metric *table;
    size_t n;
    struct obs_values *values;
    struct group *next;
};

struct collector {
    void (*fn)(void *ctx);
    void *ctx;
    struct collector *next;
};

struct obs_metrics {
    pthread_mutex_t lock; /* over the groups; cells need none */
    struct group *groups, **last_group;
    struct collector *collectors, **last_collector;
};

int obs_metrics_new(struct obs_metrics **ret_metrics)
{
    struct obs_metrics *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    (void)pthread_mutex_init(&m->lock, NULL); /* Linux: does not fail with default attributes */
    m->last_group = &m->groups;
    m->last_collector = &m->collectors;
    *ret_metrics = m;
    return 0;
}

static void values_free(struct obs_values *v)
{
    while (v) {
        struct obs_values *next = v->next;
        free(v->first);
        free(v);
        v = next;
    }
}

void obs_metrics_free(struct obs_metrics *m)
{
    if (!m)
        return;
    while (m->groups) {
        struct group *g = m->groups;
        m->groups = g->next;
        values_free(g->values);
        free(g);
    }
    while (m->collectors) {
        struct collector *c = m->collectors;
        m->collectors = c->next;
        free(c);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static unsigned cells_of(const struct obs_metric *metric)
{
    if (metric->type == OBS_HISTOGRAM)
        return metric->n_bounds + 2;
    return metric->label ? metric->n_values : 1;
}

static struct obs_values *values_new(const struct obs_metric *table, size_t n)
{
    size_t cells = 0;
    for (size_t i = 0; i < n; i++)
        cells += cells_of(&table[i]);
    struct obs_values *v = calloc(1, sizeof(*v) + cells * sizeof(v->cells[0]));
    uint32_t *first = calloc(n ? n : 1, sizeof(*first));
    if (!v || !first) {
        free(v);
        free(first);
        return NULL;
    }
    v->table = table;
    v->n = n;
    v->first = first;
    for (size_t i = 1; i < n; i++)
        first[i] = first[i - 1] + cells_of(&table[i - 1]);
    return v;
}

/* Under the lock. */
static struct group *group_of(struct obs_metrics *m, const struct obs_metric *table, size_t n)
{
    for (struct group *g = m->groups; g; g = g->next) /* a few tables, at start */
        if (g->table == table)
            return g;
    struct group *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->table = table;
    g->n = n;
    *m->last_group = g;
    m->last_group = &g->next;
    return g;
}

int obs_metrics_add(struct obs_metrics *m, const struct obs_metric *table, size_t n,
                    struct obs_values **ret_values)
{
    if (!m) {
        *ret_values = NULL;
        return 0;
    }
    struct obs_values *v = values_new(table, n);
    if (!v)
        return -ENOMEM;
    pthread_mutex_lock(&m->lock);
    struct group *g = group_of(m, table, n);
    if (g) {
        v->next = g->values;
        g->values = v;
    }
    pthread_mutex_unlock(&m->lock);
    if (!g) {
        values_free(v);
        return -ENOMEM;
    }
    *ret_values = v;
    return 0;
}

int obs_metrics_collector(struct obs_metrics *m, void (*fn)(void *ctx), void *ctx)
{
    if (!m)
        return 0;
    struct collector *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->fn = fn;
    c->ctx = ctx;
    *m->last_collector = c;
    m->last_collector = &c->next;
    return 0;
}

void obs_metrics_collect(struct obs_metrics *m)
{
    for (struct collector *c = m ? m->collectors : NULL; c; c = c->next)
        c->fn(c->ctx);
}

/* ---- writing: one thread a struct obs_values, so load and store are enough ---- */

static void bump(atomic_uint_fast64_t *cell, uint64_t n)
{
    uint64_t now = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, now + n, memory_order_relaxed);
}

static atomic_uint_fast64_t *cell_of(struct obs_values *v, unsigned metric, unsigned value)
{
    if (!v || metric >= v->n || value >= cells_of(&v->table[metric]))
        return NULL;
    return &v->cells[v->first[metric] + value];
}

void obs_add(struct obs_values *v, unsigned metric, unsigned value, uint64_t n)
{
    atomic_uint_fast64_t *cell = cell_of(v, metric, value);
    if (cell)
        bump(cell, n);
}

void obs_set(struct obs_values *v, unsigned metric, unsigned value, int64_t now)
{
    atomic_uint_fast64_t *cell = cell_of(v, metric, value);
    if (cell)
        atomic_store_explicit(cell, (uint64_t)now, memory_order_relaxed);
}

void obs_observe(struct obs_values *v, unsigned metric, uint64_t us)
{
    if (!v || metric >= v->n || v->table[metric].type != OBS_HISTOGRAM)
        return;
    const struct obs_metric *info = &v->table[metric];
    atomic_uint_fast64_t *cells = &v->cells[v->first[metric]];
    unsigned i = 0;
    while (i < info->n_bounds && us > info->bounds[i])
        i++;
    bump(&cells[i], 1);
    bump(&cells[info->n_bounds + 1], us);
}

uint64_t obs_value(const struct obs_values *v, unsigned metric, unsigned value)
{
    if (!v || metric >= v->n || value >= cells_of(&v->table[metric]))
        return 0;
    return atomic_load_explicit(&v->cells[v->first[metric] + value], memory_order_relaxed);
}

/* ---- reading ---- */

static uint64_t sum(const struct group *g, unsigned metric, unsigned cell)
{
    uint64_t total = 0;
    for (const struct obs_values *v = g->values; v; v = v->next)
        total += atomic_load_explicit(&v->cells[v->first[metric] + cell], memory_order_relaxed);
    return total;
}

static void put_label(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_putc(b, '\\');
        buf_putc(b, *text == '\n' ? ' ' : *text);
    }
}

static void put_seconds(struct buf *b, uint64_t us)
{
    buf_fmt(b, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void put_histogram(struct buf *b, const struct group *g, unsigned metric)
{
    const struct obs_metric *info = &g->table[metric];
    uint64_t below = 0;
    for (unsigned i = 0; i < info->n_bounds; i++) {
        below += sum(g, metric, i);
        buf_fmt(b, "portcullis_%s_bucket{le=\"", info->name);
        put_seconds(b, info->bounds[i]);
        buf_fmt(b, "\"} %" PRIu64 "\n", below);
    }
    below += sum(g, metric, info->n_bounds);
    buf_fmt(b, "portcullis_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", info->name, below);
    buf_fmt(b, "portcullis_%s_sum ", info->name);
    put_seconds(b, sum(g, metric, info->n_bounds + 1));
    buf_fmt(b, "\nportcullis_%s_count %" PRIu64 "\n", info->name, below);
}

static void put_metric(struct buf *b, const struct group *g, unsigned metric)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct obs_metric *info = &g->table[metric];
    buf_fmt(b, "# HELP portcullis_%s %s\n# TYPE portcullis_%s %s\n", info->name, info->help,
            info->name, types[info->type]);
    if (info->type == OBS_HISTOGRAM) {
        put_histogram(b, g, metric);
        return;
    }
    for (unsigned i = 0; i < cells_of(info); i++) {
        buf_fmt(b, "portcullis_%s", info->name);
        if (info->label) {
            buf_fmt(b, "{%s=\"", info->label);
            put_label(b, info->values[i]);
            buf_puts(b, "\"}");
        }
        buf_fmt(b, " %" PRId64 "\n", (int64_t)sum(g, metric, i));
    }
}

void obs_metrics_text(struct obs_metrics *m, struct buf *b)
{
    pthread_mutex_lock(&m->lock);
    for (const struct group *g = m->groups; g; g = g->next)
        for (unsigned i = 0; i < g->n; i++)
            put_metric(b, g, i);
    pthread_mutex_unlock(&m->lock);
}
