/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands in flight: repeated under the same cookie, so that the edge acts once (ng over UDP). */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/media/media.h"

#define COOKIE_LEN   16u
#define DATAGRAM_MAX 65000u

struct media_call {
    struct map_node node;
    struct media *media;
    char cookie[COOKIE_LEN];
    char *text;
    size_t text_n;
    struct loop_timer retry, timeout;
    void (*done)(const struct media_answer *answer, void *ctx);
    void *ctx;
};

struct media {
    struct loop *loop;
    struct net_udp *udp;
    struct rnd rnd;
    struct media_options options;
    struct media_counters counters;
    struct map calls;
    char *room; /* DATAGRAM_MAX, for what is being written */
};

static bool cookie_equal(const struct map_node *node, const void *key)
{
    return memcmp(CONTAINER_OF(node, const struct media_call, node)->cookie, key, COOKIE_LEN) == 0;
}

static void call_free(struct media_call *c)
{
    struct media *m = c->media;

    map_del(&m->calls, &c->node);
    loop_timer_stop(m->loop, &c->retry);
    loop_timer_stop(m->loop, &c->timeout);
    if (c->text)
        bytes_wipe(c->text, c->text_n); /* it may hold a token */
    free(c->text);
    free(c);
}

static void finish(struct media_call *c, const struct media_answer *answer)
{
    void (*done)(const struct media_answer *, void *) = c->done;
    void *ctx = c->ctx;

    call_free(c);
    done(answer, ctx);
}

static void on_retry(struct loop_timer *t, void *ctx)
{
    struct media_call *c = ctx;

    c->media->counters.repeated++;
    (void)net_udp_send(c->media->udp, &c->media->options.edge, span_of(c->text, c->text_n));
    loop_timer_start(c->media->loop, t, c->media->options.retry); /* the timeout ends it */
}

static void on_timeout(struct loop_timer *t, void *ctx)
{
    struct media_call *c = ctx;

    (void)t;
    c->media->counters.silent++;
    finish(c, &(struct media_answer){.result = MEDIA_SILENT, .reason = SPAN("no answer")});
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    struct media *m = ctx;
    struct media_answer answer;
    struct map_node *node;

    (void)u;
    if (!addr_eq(from, &m->options.edge) || data.n < COOKIE_LEN + 1 || data.p[COOKIE_LEN] != ' ') {
        m->counters.unmatched++;
        return;
    }
    node = map_find(&m->calls, map_hash(&m->calls, data.p, COOKIE_LEN), data.p);
    if (!node) {
        m->counters.unmatched++; /* the answer to a repetition, mostly */
        return;
    }
    if (media_decode(span_sub(data, COOKIE_LEN + 1, data.n), &answer) != 0) {
        m->counters.broken++;
        return;
    }
    if (answer.result == MEDIA_OK)
        m->counters.ok++;
    else
        m->counters.refused++;
    finish(CONTAINER_OF(node, struct media_call, node), &answer);
}

int media_new(struct net *n, const struct rnd *rnd, const struct media_options *options,
              struct media **ret_media)
{
    static const struct net_udp_ops ops = {.on_datagram = on_datagram};
    struct media *m = calloc(1, sizeof(*m));
    uint8_t key[16];
    int rc;

    if (!m)
        return -ENOMEM;
    *m = (struct media){.loop = net_loop(n), .rnd = *rnd, .options = *options};
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&m->calls, options->limit, key, cookie_equal);
    m->room = malloc(DATAGRAM_MAX);
    if (rc == 0 && !m->room)
        rc = -ENOMEM;
    if (rc == 0)
        rc = net_udp_open(n, &options->local, &(struct net_udp_options){0}, &ops, m, &m->udp);
    if (rc != 0) {
        media_free(m);
        return rc;
    }
    *ret_media = m;
    return 0;
}

static bool drop_call(struct map_node *node, void *ctx)
{
    *(struct map_node **)ctx = node;
    return false;
}

void media_free(struct media *m)
{
    if (!m)
        return;
    for (;;) {
        struct map_node *node = NULL;

        if (m->calls.segments)
            map_each(&m->calls, drop_call, &node);
        if (!node)
            break;
        call_free(CONTAINER_OF(node, struct media_call, node));
    }
    if (m->udp)
        net_udp_close(m->udp);
    map_fini(&m->calls);
    free(m->room);
    free(m);
}

const struct media_counters *media_counters(const struct media *m)
{
    return &m->counters;
}

int media_send(struct media *m, const struct media_request *request,
               void (*done)(const struct media_answer *answer, void *ctx), void *ctx,
               struct media_call **ret_call)
{
    struct buf b = {m->room, 0, DATAGRAM_MAX, false};
    struct media_call *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return -ENOMEM;
    *c = (struct media_call){.media = m, .done = done, .ctx = ctx};
    rnd_token(&m->rnd, &b, COOKIE_LEN);
    memcpy(c->cookie, b.p, COOKIE_LEN);
    buf_putc(&b, ' ');
    media_encode(request, &b);
    loop_timer_init(&c->retry, on_retry, c);
    loop_timer_init(&c->timeout, on_timeout, c);
    rc = map_add(&m->calls, map_hash(&m->calls, c->cookie, COOKIE_LEN), &c->node);
    if (rc != 0) {
        free(c);
        return rc == -ENOSPC ? -EBUSY : rc;
    }
    c->text = b.overflow ? NULL : malloc(b.n);
    if (!c->text) {
        call_free(c);
        return b.overflow ? -EMSGSIZE : -ENOMEM;
    }
    memcpy(c->text, b.p, b.n);
    c->text_n = b.n;
    if (request->token)
        bytes_wipe(m->room, b.n);
    m->counters.sent++;
    (void)net_udp_send(m->udp, &m->options.edge,
                       span_of(c->text, c->text_n)); /* repeated if lost */
    loop_timer_start(m->loop, &c->retry, m->options.retry);
    loop_timer_start(m->loop, &c->timeout, m->options.timeout);
    if (ret_call)
        *ret_call = c;
    return 0;
}

void media_cancel(struct media_call *c)
{
    if (c)
        call_free(c);
}
