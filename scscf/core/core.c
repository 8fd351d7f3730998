/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object: what it is made of, and which part of it a message is for. */
#include "scscf/core/core.h"

#include <errno.h>
#include <stdlib.h>

#include "scscf/core/inner.h"

const struct scscf_options scscf_options_default = {
    .calls = 200000,
    .call_max = UINT64_C(24) * 3600 * SEC,
    .ring_max = UINT64_C(180) * SEC,
    .event_records = true,
};

/* ---- entries ---------------------------------------------------------------------------------- */

/* REGISTER sip:home-domain, or this server by name (RFC 3261 10.3 step 1). */
static bool is_our_registrar(const struct scscf *s, const struct sip_msg *m)
{
    struct sip_uri uri;

    return sip_uri_split(m->ruri, &uri) == 0 && uri.scheme == SIP_SCHEME_SIP &&
           (sroute_is_home(&s->names, uri.host) || sroute_is_own(&s->names, &uri));
}

static void on_register(struct scscf *s, struct sip_server *server, const struct sip_msg *m)
{
    char room[REGISTRAR_EXTRA_MAX];
    struct buf extra = BUF_ON(room);
    struct registrar_answer answer = {.status = 503};

    if (!is_our_registrar(s, m)) {
        answer.status = 404;
    } else if (s->draining) {
        s->counters.refused_busy++;
        buf_puts(&extra, "Retry-After: 5\r\n");
    } else {
        registrar_register(s->registrar, m, &extra, &answer);
    }
    if (extra.overflow) { /* more contacts and paths than the answer can list */
        answer = (struct registrar_answer){.status = 500};
        extra.n = 0;
    }
    (void)sip_server_reply(server, answer.status, answer.phrase, buf_span(&extra),
                           SPAN_NONE); /* else the phone asks again */
}

static void on_request(struct sip_server *server, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx)
{
    struct scscf *s = ctx;

    (void)flow;
    if (m->method == SIP_REGISTER) {
        on_register(s, server, m);
        return;
    }
    s->counters.requests++;
    scscf_hop_start(s, server, m);
}

static void on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    scscf_on_ack(ctx, m, flow);
}

static void on_cancel(struct sip_server *server, void *ctx)
{
    (void)ctx;
    scscf_hop_cancel(server);
}

static void on_bad(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx)
{
    struct scscf *s = ctx;

    if (s->env.on_bad)
        s->env.on_bad(s->env.ctx, flow, reject);
}

static void on_stranger(const struct sip_flow *flow, void *ctx)
{
    struct scscf *s = ctx;

    if (s->env.on_stranger)
        s->env.on_stranger(s->env.ctx, flow);
}

static void on_false_answer(const struct sip_flow *from, void *ctx)
{
    struct scscf *s = ctx;

    if (s->env.on_false_answer)
        s->env.on_false_answer(s->env.ctx, from);
}

static void on_registrar_event(void *ctx, enum registrar_event event, struct span impi,
                               struct span detail)
{
    struct scscf *s = ctx;

    if (s->env.on_register)
        s->env.on_register(s->env.ctx, event, impi, detail);
}

/* ---- making ----------------------------------------------------------------------------------- */

static int copy_names(struct scscf *s, const struct scscf_options *o)
{
    if (o->n_domains == 0)
        return -EINVAL;
    s->texts = calloc(o->n_domains + o->n_hosts, sizeof(*s->texts));
    if (!s->texts)
        return -ENOMEM;
    for (size_t i = 0; i < o->n_domains + o->n_hosts; i++) {
        struct span text = i < o->n_domains ? o->domains[i] : o->hosts[i - o->n_domains];
        char *copy = span_dup(text);

        if (!copy)
            return -ENOMEM;
        s->texts[s->n_texts++] = span_of(copy, text.n);
    }
    s->names = (struct sroute_names){.local = o->local,
                                     .domains = s->texts,
                                     .n_domains = o->n_domains,
                                     .hosts = s->texts + o->n_domains,
                                     .n_hosts = o->n_hosts};
    s->network = s->texts[0];
    return 0;
}

static void put_uri(char *dst, size_t cap, const char *before, const struct addr *a,
                    const char *after)
{
    struct buf b = {dst, 0, cap - 1, false};

    buf_puts(&b, before);
    addr_put_host(&b, a, true);
    buf_fmt(&b, ":%u%s", a->port, after);
    dst[b.n] = '\0';
}

static int open_port(struct scscf *s)
{
    static const struct sip_guard guard = {.on_bad = on_bad, .on_stranger = on_stranger};
    static const struct sip_layer_ops layer_ops = {.on_request = on_request,
                                                   .on_ack = on_ack,
                                                   .on_cancel = on_cancel,
                                                   .on_false_answer = on_false_answer};
    struct sip_endpoint_options port = {.name = "mw",
                                        .local = s->options.local,
                                        .udp = true,
                                        .tcp = true,
                                        .allow = s->options.allow,
                                        .n_allow = s->options.n_allow,
                                        .timers = SIP_TIMERS_RFC};
    int rc = sip_transport_new(s->env.net, s->env.rnd, &s->options.transport, &s->transport);

    if (rc != 0)
        return rc;
    sip_transport_set_guard(s->transport, &guard, s);
    rc = sip_layer_new(s->transport, s->env.rnd, &s->options.layer, &layer_ops, s, &s->layer);
    if (rc != 0)
        return rc;
    return sip_endpoint_open(s->transport, &port, &s->endpoint);
}

static int make_rooms(struct scscf *s)
{
    static const struct sip_dialogs_ops dialog_ops = {talk_on_dialog_end};
    struct registrar_env renv = {.loop = s->env.loop,
                                 .rnd = s->env.rnd,
                                 .auth = s->env.auth,
                                 .subscribers = s->env.subscribers,
                                 .on_event = on_registrar_event,
                                 .ctx = s};
    struct calls_env cenv = {.loop = s->env.loop, .spool = s->env.spool, .limit = s->options.calls};
    struct sip_dialogs_options dialogs = sip_dialogs_options_default;
    char node[ADDR_TEXT_MAX];
    int rc;

    put_uri(s->service_route, sizeof(s->service_route), "sip:orig@", &s->options.local, ";lr");
    put_uri(s->record_route, sizeof(s->record_route), "<sip:", &s->options.local, ";lr>");
    if (!s->options.registrar.realm)
        s->options.registrar.realm = s->network.p;
    if (!s->options.registrar.service_route)
        s->options.registrar.service_route = s->service_route;
    rc = registrar_new(&renv, &s->options.registrar, &s->registrar);
    if (rc != 0)
        return rc;
    cenv.node = addr_ip_text(&s->options.local, node);
    rc = calls_new(&cenv, &s->calls);
    if (rc != 0)
        return rc;
    dialogs.limit =
        (unsigned)(s->options.calls < UINT32_MAX / 2 ? s->options.calls * 2 : UINT32_MAX);
    return sip_dialogs_new(s->env.loop, s->env.rnd, &dialogs, &dialog_ops, s, &s->dialogs);
}

int scscf_new(const struct scscf_env *env, const struct scscf_options *options,
              struct scscf **ret_scscf)
{
    struct scscf *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return -ENOMEM;
    s->env = *env;
    s->options = *options;
    list_init(&s->hops);
    list_init(&s->talks);
    rc = copy_names(s, options);
    if (rc == 0)
        rc = make_rooms(s);
    if (rc == 0)
        rc = open_port(s);
    if (rc != 0) {
        scscf_free(s);
        return rc;
    }
    *ret_scscf = s;
    return 0;
}

/* ---- ending ----------------------------------------------------------------------------------- */

void scscf_drain(struct scscf *s)
{
    s->draining = true;
}

bool scscf_is_home(const struct scscf *s, struct span host)
{
    return sroute_is_home(&s->names, host);
}

bool scscf_is_idle(const struct scscf *s)
{
    const struct calls_counters *c = calls_counters(s->calls);

    return sip_layer_servers(s->layer) == 0 && c->alive == 0 && c->writing == 0;
}

void scscf_close_calls(struct scscf *s)
{
    static const struct call_ending shutdown = {
        .cause = CDR_CAUSE_MANAGEMENT, .reason = "shutdown", .incomplete = true};

    s->draining = true;
    LIST_EACH (it, &s->talks)
        talk_end(CONTAINER_OF(it, struct talk, item), &shutdown);
    LIST_EACH (it2, &s->hops) {
        struct hop *h = CONTAINER_OF(it2, struct hop, item);

        scscf_hop_end_event(h, &shutdown);
    }
}

void scscf_free(struct scscf *s)
{
    if (!s)
        return;
    s->env.on_call = NULL;
    s->env.on_register = NULL;
    LIST_EACH (it, &s->hops) {
        struct hop *h = CONTAINER_OF(it, struct hop, item);

        if (!h->proxy) /* the others end with the layer */
            scscf_hop_free(h, 0);
    }
    sip_layer_free(s->layer);
    if (s->endpoint)
        sip_endpoint_close(s->endpoint);
    LIST_EACH (it2, &s->talks)
        talk_free(CONTAINER_OF(it2, struct talk, item));
    sip_dialogs_free(s->dialogs);
    sip_transport_free(s->transport);
    registrar_free(s->registrar);
    calls_free(s->calls);
    for (size_t i = 0; i < s->n_texts; i++)
        free((char *)s->texts[i].p);
    free(s->texts);
    free(s);
}

const struct scscf_counters *scscf_counters(const struct scscf *s)
{
    return &s->counters;
}

struct sip_transport *scscf_transport(struct scscf *s)
{
    return s->transport;
}

struct sip_layer *scscf_layer(struct scscf *s)
{
    return s->layer;
}

struct registrar *scscf_registrar(struct scscf *s)
{
    return s->registrar;
}

struct calls *scscf_calls(struct scscf *s)
{
    return s->calls;
}

size_t scscf_dialogs(const struct scscf *s)
{
    return sip_dialogs_count(s->dialogs);
}

const char *scscf_event_name(enum scscf_event event)
{
    static const char *const names[] = {"started", "answered", "ended", "failed", "orphaned"};

    return names[event];
}
