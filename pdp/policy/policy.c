/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pdp/policy/codec.h"

enum {
    MEDIA_OTHER = POLICY_MEDIA - 1,
    RTCP_SHARE = 20, /* RFC 3550 6.2: 5 % */
    /* bit/s that any flow gets, however little is asked for (b=AS:0): RTCP goes on, and may share
     * the flow of its media (RFC 5761). No more than the least limit of the policy file. */
    FLOOR = 1000
};

struct row {
    struct map_node node;
    const struct policy_exception *exception;
};

struct policy {
    const struct policy_rules *rules;
    struct map by_identity;
    struct row *rows;
};

/* What applies to one AAR. */
struct terms {
    const struct policy_rules *rules;
    const struct conf_enums *media;
    uint64_t session; /* bit/s */
    bool barred, emergency;
};

static bool identity_equal(const struct map_node *node, const void *key)
{
    const struct row *r = CONTAINER_OF(node, const struct row, node);

    return span_eq(span_str(r->exception->identity), *(const struct span *)key);
}

int policy_new(const struct policy_rules *rules, const struct rnd *rnd, struct policy **ret_policy)
{
    const struct policy_exception *list = rules->subscribers.v;
    struct policy *p = calloc(1, sizeof(*p));
    uint8_t key[16];
    int rc;

    if (!p)
        return -ENOMEM;
    p->rules = rules;
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&p->by_identity, 0, key, identity_equal);
    p->rows = calloc(rules->subscribers.n + 1, sizeof(*p->rows));
    if (rc == 0 && !p->rows)
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < rules->subscribers.n; i++) {
        struct span who = span_str(list[i].identity);

        p->rows[i].exception = &list[i];
        rc = map_add(&p->by_identity, map_hash(&p->by_identity, who.p, who.n), &p->rows[i].node);
    }
    if (rc) {
        policy_free(p);
        return rc;
    }
    *ret_policy = p;
    return 0;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    map_fini(&p->by_identity);
    free(p->rows);
    free(p);
}

/* ---- refusals ---- */

static bool refuse(struct policy_decision *d, uint32_t experimental, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct policy_decision *d, uint32_t experimental, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(d->why, sizeof(d->why), fmt, ap);
    va_end(ap);
    d->result = 0;
    d->experimental = experimental;
    d->n_flows = 0;
    return false;
}

/* ---- components ---- */

static unsigned media_of(const struct rx_component *c)
{
    return c->media_type.set && c->media_type.v < MEDIA_OTHER ? c->media_type.v : MEDIA_OTHER;
}

static bool media_allowed(const struct terms *t, unsigned media)
{
    for (size_t i = 0; i < t->media->n; i++) {
        if ((unsigned)t->media->v[i] == media)
            return true;
    }
    return false;
}

static uint64_t limit_of(const struct terms *t, unsigned media)
{
    int64_t kbps = media == RX_AUDIO   ? t->rules->audio_kbps
                   : media == RX_VIDEO ? t->rules->video_kbps
                                       : t->rules->other_kbps;

    return (uint64_t)kbps * 1000;
}

static bool codecs_allowed(const struct terms *t, const struct rx_component *c, unsigned media,
                           struct policy_decision *d)
{
    const struct conf_strings *allowed = media == RX_AUDIO   ? &t->rules->audio_codecs
                                         : media == RX_VIDEO ? &t->rules->video_codecs
                                                             : NULL;
    bool answered = policy_codecs_answer(c->codec[0]) || policy_codecs_answer(c->codec[1]);

    for (size_t i = 0; allowed && i < ARRAY_LEN(c->codec); i++) {
        bool answer = policy_codecs_answer(c->codec[i]);
        struct span other;
        enum policy_codecs have;

        /* What was offered matters until it is answered. */
        if (!c->codec[i].p || (answered && !answer))
            continue;
        have = policy_codecs_check(c->codec[i], allowed, &other);
        if (have == POLICY_CODECS_NONE || (answer && have == POLICY_CODECS_SOME))
            return refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                          "m= line %u: codec %.*s is not allowed", c->number,
                          (int)(other.n > 32 ? 32 : other.n), other.p ? other.p : "");
    }
    return true;
}

static uint64_t asked_of(struct diameter_u32 v, uint64_t fallback)
{
    return v.set ? v.v : fallback;
}

static bool bandwidth_allowed(const struct rx_component *c, unsigned media, uint64_t limit,
                              struct policy_decision *d)
{
    if (asked_of(c->bandwidth_ul, 0) <= limit && asked_of(c->bandwidth_dl, 0) <= limit)
        return true;
    d->n_acceptable = 1;
    d->acceptable[0] = (struct rx_component){.number = c->number,
                                             .media_type = DIAMETER_U32(media),
                                             .bandwidth_ul = DIAMETER_U32((uint32_t)limit),
                                             .bandwidth_dl = DIAMETER_U32((uint32_t)limit)};
    if (media == MEDIA_OTHER)
        d->acceptable[0].media_type.v = RX_MEDIA_OTHER;
    return refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                  "m= line %u asks for more than %llu kbit/s", c->number,
                  (unsigned long long)(limit / 1000));
}

/* ---- flows ---- */

static bool end_is_phone(const struct diameter_end *e, const struct rx_aar *aar)
{
    struct diameter_flow phone = {.from = {.addr = aar->framed_ip, .bits = aar->framed_bits}};
    struct diameter_flow near = {.from = *e};

    phone.from.addr.port = 0;
    return diameter_flow_covers(&phone, &near);
}

/* TS 29.214 5.3.11, and its note: RTCP flows stay open while media is held. */
static bool is_open(const struct rx_component *c, const struct rx_flow *f,
                    enum diameter_direction direction)
{
    uint32_t status = f->status.set ? f->status.v : c->status.set ? c->status.v : RX_ENABLED;

    if (status == RX_DISABLED || status == RX_REMOVED)
        return false;
    if (f->usage.set && f->usage.v == RX_USAGE_RTCP)
        return true;
    if (status == RX_ENABLED_UPLINK)
        return direction == DIAMETER_IN;
    if (status == RX_ENABLED_DOWNLINK)
        return direction == DIAMETER_OUT;
    return true;
}

static uint64_t flow_bandwidth(const struct rx_component *c, const struct rx_flow *f,
                               enum diameter_direction direction, uint64_t limit)
{
    bool up = direction == DIAMETER_IN;
    uint64_t media = asked_of(up ? c->bandwidth_ul : c->bandwidth_dl, limit);
    struct diameter_u32 own = up ? f->bandwidth_ul : f->bandwidth_dl;
    uint64_t rtcp = asked_of(c->rs_bandwidth, 0) + asked_of(c->rr_bandwidth, 0), bandwidth = media;

    if (own.set)
        bandwidth = own.v < limit ? own.v : limit;
    else if (f->usage.set && f->usage.v == RX_USAGE_RTCP)
        bandwidth = rtcp && rtcp < media ? rtcp : media / RTCP_SHARE;
    return bandwidth > FLOOR ? bandwidth : FLOOR;
}

static bool add_flow(const struct terms *t, const struct rx_aar *aar, const struct rx_component *c,
                     const struct rx_flow *f, struct span text, struct policy_decision *d)
{
    struct policy_flow *out = &d->flows[d->n_flows];
    const struct diameter_end *near, *far;
    int rc;

    if (!text.p)
        return true;
    if (d->n_flows == POLICY_FLOWS_MAX)
        return refuse(d, DIAMETER_RX_INVALID_SERVICE_INFORMATION, "more than %u flows",
                      (unsigned)POLICY_FLOWS_MAX);
    *out = (struct policy_flow){.media = (uint16_t)c->number, .number = (uint16_t)f->number};
    rc = diameter_flow_parse(text, &out->what);
    if (rc == -EOPNOTSUPP)
        return refuse(d, DIAMETER_RX_FILTER_RESTRICTIONS,
                      "m= line %u: a Flow-Description that TS 29.214 5.3.8 forbids", c->number);
    if (rc)
        return refuse(d, DIAMETER_RX_INVALID_SERVICE_INFORMATION,
                      "m= line %u: Flow-Description is no rule", c->number);
    near = out->what.direction == DIAMETER_IN ? &out->what.from : &out->what.to;
    far = out->what.direction == DIAMETER_IN ? &out->what.to : &out->what.from;
    if (!near->addr.family && !far->addr.family)
        return refuse(d, DIAMETER_RX_FILTER_RESTRICTIONS,
                      "m= line %u: a flow from anywhere to anywhere", c->number);
    if (t->rules->check_phone && aar->framed_ip.family && near->addr.family &&
        !end_is_phone(near, aar))
        return refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                      "m= line %u: the phone's end of a flow is not the phone's address",
                      c->number);
    out->open = is_open(c, f, out->what.direction);
    out->bandwidth = flow_bandwidth(c, f, out->what.direction, limit_of(t, media_of(c)));
    d->n_flows++;
    return true;
}

static bool is_removed(const struct rx_component *c)
{
    return c->status.set && c->status.v == RX_REMOVED;
}

static bool add_component(const struct terms *t, const struct rx_aar *aar,
                          const struct rx_component *c, struct policy_decision *d)
{
    unsigned media = media_of(c);

    if (is_removed(c))
        return true;
    if (c->number == 0) /* AF signalling is not media */
        return true;
    if (c->number > UINT16_MAX)
        return refuse(d, DIAMETER_RX_INVALID_SERVICE_INFORMATION, "m= line %u", c->number);
    if (!t->emergency) {
        if (!media_allowed(t, media))
            return refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                          "m= line %u: this type of media is not allowed", c->number);
        if (!codecs_allowed(t, c, media, d) || !bandwidth_allowed(c, media, limit_of(t, media), d))
            return false;
    }
    for (size_t i = 0; i < c->n_flows; i++) {
        const struct rx_flow *f = &c->flows[i];

        if (f->number > UINT16_MAX)
            return refuse(d, DIAMETER_RX_INVALID_SERVICE_INFORMATION, "Flow-Number %u", f->number);
        if (f->status.set && f->status.v == RX_REMOVED)
            continue;
        if (!add_flow(t, aar, c, f, f->in, d) || !add_flow(t, aar, c, f, f->out, d))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static struct terms terms_of(const struct policy *p, const struct rx_aar *aar)
{
    struct terms t = {.rules = p->rules,
                      .media = &p->rules->media,
                      .session = (uint64_t)p->rules->session_kbps * 1000};

    t.emergency = p->rules->emergency && span_starts_nocase(aar->service_urn, SPAN("sos"));
    for (size_t i = 0; i < aar->n_subscriptions; i++) {
        struct span who = aar->subscriptions[i].data;
        const struct map_node *node =
            map_find(&p->by_identity, map_hash(&p->by_identity, who.p, who.n), &who);
        const struct policy_exception *e;

        if (!node)
            continue;
        e = CONTAINER_OF(node, const struct row, node)->exception;
        t.barred = t.barred || e->barred;
        if (e->media.n)
            t.media = &e->media;
        if (e->session_kbps)
            t.session = (uint64_t)e->session_kbps * 1000;
    }
    return t;
}

/* TS 29.214 5.3.17: a number is one m= line's. Of two that say different things one would be granted for the other. */
static bool numbers_differ(const struct rx_aar *aar, struct policy_decision *d)
{
    for (size_t i = 0; i < aar->n_components; i++) {
        uint32_t number = aar->components[i].number;

        for (size_t k = 0; k < i && number != 0; k++) {
            if (aar->components[k].number == number)
                return refuse(d, DIAMETER_RX_INVALID_SERVICE_INFORMATION,
                              "m= line %u is described twice", number);
        }
    }
    return true;
}

static bool session_allowed(const struct terms *t, const struct rx_aar *aar,
                            struct policy_decision *d)
{
    uint64_t up = 0, down = 0;

    for (size_t i = 0; i < aar->n_components; i++) {
        const struct rx_component *c = &aar->components[i];
        uint64_t limit = limit_of(t, media_of(c));

        if (is_removed(c) || c->number == 0)
            continue;
        up += asked_of(c->bandwidth_ul, limit);
        down += asked_of(c->bandwidth_dl, limit);
    }
    if (t->emergency || (up <= t->session && down <= t->session))
        return true;
    return refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED,
                  "the session asks for more than %llu kbit/s",
                  (unsigned long long)(t->session / 1000));
}

void policy_decide(const struct policy *p, const struct rx_aar *aar,
                   struct policy_decision *ret_decision)
{
    struct policy_decision *d = ret_decision;
    struct terms t = terms_of(p, aar);
    size_t components = 0;

    *d = (struct policy_decision){.result = DIAMETER_SUCCESS};
    for (size_t i = 0; i < aar->n_components; i++)
        components += aar->components[i].number != 0;
    if (!numbers_differ(aar, d))
        return;
    if (t.barred && !t.emergency) {
        refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED, "the subscriber is barred from media");
        return;
    }
    if (components > (size_t)p->rules->components && !t.emergency) {
        refuse(d, DIAMETER_RX_SERVICE_NOT_AUTHORIZED, "more than %lld m= lines",
               (long long)p->rules->components);
        return;
    }
    for (size_t i = 0; i < aar->n_components; i++) {
        if (!add_component(&t, aar, &aar->components[i], d))
            return;
    }
    (void)session_allowed(&t, aar, d); /* has refused in *d */
}
