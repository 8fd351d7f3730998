/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands and their repetitions. ng runs over UDP, so a client repeats a command under the same
 * cookie until it is answered: a command that is open is left alone, one that was answered gets
 * the same answer again. */
#include <errno.h>
#include <stdlib.h>

#include "edge/ng/ng.h"

#define DATAGRAM_MAX 65000u

struct entry {
    struct map_node node;
    struct list item; /* open, or kept (oldest answer first) */
    struct handle id;
    struct addr from;
    char cookie[NG_COOKIE_MAX];
    size_t cookie_n;
    uint64_t body; /* hash: a client that starts its cookies anew is not answered from memory */
    char *answer;  /* with its cookie; NULL = open */
    size_t answer_n;
    uint64_t until;
};

struct entry_key {
    const struct addr *from;
    struct span cookie;
    uint64_t body;
};

struct ng_server {
    struct loop *loop;
    struct net_udp *udp;
    struct ng_options options;
    struct ng_counters counters;
    void (*on_request)(struct ng_server *s, const struct ng_request *r, void *ctx);
    void *ctx;
    struct map entries;
    struct pool ids;
    struct list open, kept;
    struct loop_timer forget;
    struct ng_doc doc;
    char room[DATAGRAM_MAX];
};

static bool entry_equal(const struct map_node *node, const void *key)
{
    const struct entry *e = CONTAINER_OF(node, const struct entry, node);
    const struct entry_key *k = key;

    return e->body == k->body && addr_eq(&e->from, k->from) &&
           span_eq(span_of(e->cookie, e->cookie_n), k->cookie);
}

static uint64_t key_hash(const struct ng_server *s, const struct entry_key *k)
{
    uint64_t h = map_hash(&s->entries, k->cookie.p, k->cookie.n);

    h = map_hash_more(&s->entries, h, &k->from->port, sizeof(k->from->port));
    h = map_hash_more(&s->entries, h, k->from->ip, sizeof(k->from->ip));
    return map_hash_more(&s->entries, h, &k->body, sizeof(k->body));
}

static void entry_free(struct ng_server *s, struct entry *e)
{
    map_del(&s->entries, &e->node);
    pool_del(&s->ids, e->id);
    list_del(&e->item);
    free(e->answer);
    free(e);
}

static struct entry *oldest_kept(struct ng_server *s)
{
    return list_empty(&s->kept) ? NULL : CONTAINER_OF(s->kept.next, struct entry, item);
}

static void on_forget(struct loop_timer *t, void *ctx)
{
    struct ng_server *s = ctx;
    uint64_t now = loop_now(s->loop);
    struct entry *e;

    while ((e = oldest_kept(s)) && e->until <= now)
        entry_free(s, e);
    if (e)
        loop_timer_start(s->loop, t, e->until - now);
}

static int entry_new(struct ng_server *s, const struct entry_key *k, struct entry **ret_entry)
{
    struct entry *e;
    int rc;

    /* At the bound the oldest answer makes room; commands that are open do not. */
    if (s->entries.count >= s->options.limit && oldest_kept(s))
        entry_free(s, oldest_kept(s));
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    rc = pool_add(&s->ids, e, &e->id);
    if (rc == 0) {
        rc = map_add(&s->entries, key_hash(s, k), &e->node);
        if (rc != 0)
            pool_del(&s->ids, e->id);
    }
    if (rc != 0) {
        free(e);
        return rc;
    }
    e->from = *k->from;
    memcpy(e->cookie, k->cookie.p, k->cookie.n);
    e->cookie_n = k->cookie.n;
    e->body = k->body;
    list_add_tail(&s->open, &e->item);
    *ret_entry = e;
    return 0;
}

static bool source_allowed(const struct ng_server *s, const struct addr *from)
{
    for (size_t i = 0; i < s->options.n_allow; i++)
        if (addr_net_has(&s->options.allow[i], from))
            return true;
    return s->options.n_allow == 0;
}

static bool cookie_ok(struct span cookie)
{
    if (cookie.n == 0 || cookie.n > NG_COOKIE_MAX)
        return false;
    for (size_t i = 0; i < cookie.n; i++)
        if (cookie.p[i] <= ' ' || cookie.p[i] > '~')
            return false;
    return true;
}

static void send_answer(struct ng_server *s, const struct entry *e)
{
    if (net_udp_send(s->udp, &e->from, span_of(e->answer, e->answer_n)) != 0)
        s->counters.send_failed++; /* the client repeats */
}

static void refuse(struct ng_server *s, const struct entry_key *k, const char *reason)
{
    char text[NG_COOKIE_MAX + 256];
    struct buf b = BUF_ON(text);

    buf_put(&b, k->cookie);
    buf_puts(&b, " d");
    ng_put_pair(&b, "error-reason", span_str(reason));
    ng_put_pair(&b, "result", SPAN("error"));
    buf_puts(&b, "e");
    if (net_udp_send(s->udp, k->from, buf_span(&b)) != 0)
        s->counters.send_failed++;
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    struct ng_server *s = ctx;
    struct span body = data, cookie = span_cut(&body, ' ');
    struct entry_key key = {from, cookie, 0};
    struct map_node *node;
    struct entry *e;

    (void)u;
    if (!source_allowed(s, from)) {
        s->counters.forbidden++;
        return;
    }
    if (!cookie_ok(cookie) || !body.p) {
        s->counters.malformed++;
        return;
    }
    key.body = map_hash(&s->entries, body.p, body.n);
    node = map_find(&s->entries, key_hash(s, &key), &key);
    if (node) {
        s->counters.repeated++;
        e = CONTAINER_OF(node, struct entry, node);
        if (e->answer)
            send_answer(s, e);
        return;
    }
    if (ng_parse(body, &s->doc) != 0 || !ng_find(&s->doc, &s->doc.values[0], "command", NG_TEXT)) {
        s->counters.malformed++;
        refuse(s, &key, "not a bencoded dictionary with a command");
        return;
    }
    if (entry_new(s, &key, &e) != 0) {
        s->counters.overload++;
        refuse(s, &key, "too many commands at once");
        return;
    }
    s->counters.commands++;
    struct ng_request r = {.id = e->id,
                           .from = *from,
                           .command = ng_find_text(&s->doc, &s->doc.values[0], "command"),
                           .doc = &s->doc};
    s->on_request(s, &r, s->ctx);
}

int ng_answer(struct ng_server *s, struct handle id, struct span dictionary)
{
    struct entry *e = pool_find(&s->ids, id);
    struct buf b = {s->room, 0, sizeof(s->room), false};

    if (!e || e->answer)
        return 0;
    buf_put(&b, span_of(e->cookie, e->cookie_n));
    buf_putc(&b, ' ');
    buf_put(&b, dictionary);
    if (b.overflow) {
        ng_answer_error(s, id, "the answer does not fit a datagram");
        return -EMSGSIZE;
    }
    s->counters.answered++;
    e->answer = malloc(b.n);
    if (!e->answer) { /* answered, but a repetition would run again: better than no answer */
        (void)net_udp_send(s->udp, &e->from, buf_span(&b));
        entry_free(s, e);
        return 0;
    }
    memcpy(e->answer, b.p, b.n);
    e->answer_n = b.n;
    e->until = loop_now(s->loop) + s->options.remember;
    list_del(&e->item);
    list_add_tail(&s->kept, &e->item);
    if (!loop_timer_running(&s->forget))
        loop_timer_start(s->loop, &s->forget, s->options.remember);
    send_answer(s, e);
    return 0;
}

void ng_answer_error(struct ng_server *s, struct handle id, const char *reason)
{
    char text[512];
    struct buf b = BUF_ON(text);

    ng_put_begin(&b, 'd');
    ng_put_pair(&b, "error-reason", span_sub(span_str(reason), 0, 300));
    ng_put_pair(&b, "result", SPAN("error"));
    ng_put_end(&b);
    (void)ng_answer(s, id, buf_span(&b)); /* it fits */
}

int ng_server_new(struct net *n, const struct rnd *rnd, const struct ng_options *options,
                  void (*on_request)(struct ng_server *s, const struct ng_request *r, void *ctx),
                  void *ctx, struct ng_server **ret_server)
{
    static const struct net_udp_ops ops = {.on_datagram = on_datagram};
    struct ng_server *s = calloc(1, sizeof(*s));
    uint8_t key[16];
    int rc;

    if (!s)
        return -ENOMEM;
    s->loop = net_loop(n);
    s->options = *options;
    s->on_request = on_request;
    s->ctx = ctx;
    list_init(&s->open);
    list_init(&s->kept);
    loop_timer_init(&s->forget, on_forget, s);
    pool_init(&s->ids, options->limit);
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&s->entries, options->limit, key, entry_equal);
    if (rc == 0)
        rc = net_udp_open(n, &options->local, &(struct net_udp_options){0}, &ops, s, &s->udp);
    if (rc != 0) {
        ng_server_free(s);
        return rc;
    }
    *ret_server = s;
    return 0;
}

void ng_server_free(struct ng_server *s)
{
    if (!s)
        return;
    struct list *both[] = {&s->open, &s->kept};
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        LIST_EACH (item, both[i])
            entry_free(s, CONTAINER_OF(item, struct entry, item));
    loop_timer_stop(s->loop, &s->forget);
    if (s->udp)
        net_udp_close(s->udp);
    map_fini(&s->entries);
    pool_fini(&s->ids);
    free(s);
}

const struct ng_counters *ng_server_counters(const struct ng_server *s)
{
    return &s->counters;
}
