/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told about a session: to the ng client as rtpengine tells it, and to operators. */
#include "edge/control/inner.h"

static const char *type_text(const struct media *m)
{
    return m->said[CONTROL_ACCESS].type[0] ? m->said[CONTROL_ACCESS].type : m->offer.type;
}

static struct control_flow_view view_of(const struct session *s, unsigned media, bool rtcp,
                                        enum control_side side)
{
    const struct relay_port *r = s->control->relay;
    const struct media *m = &s->media[media];
    const struct relay_stream *stream = rtcp ? m->rtcp : m->rtp;
    struct control_flow_view v = {
        .call_id = span_str(s->call_id),
        .token = s->token,
        .state = s->ended ? "ended" : "live",
        .diameter_session = s->gate ? gate_session_id(s->gate) : SPAN(""),
        .age = loop_now(s->control->loop) - s->since,
        .media = media + 1,
        .number = 1u + rtcp,
        .type = span_str(type_text(m)),
        .side = side,
        .local = m->even[side],
        .remote = rtcp ? m->said[side].rtcp : m->said[side].rtp,
        .up = s->gate && gate_leg_up(s->gate, stream, side),
    };

    v.local.port = (uint16_t)(v.local.port + rtcp);
    r->read(r->ctx, stream, side, &v.counts, &v.latched);
    return v;
}

bool report_each(const struct session *s,
                 bool (*visit)(void *ctx, const struct control_flow_view *v), void *ctx)
{
    for (unsigned i = 0; i < s->n_media; i++) {
        for (unsigned k = 0; k < 4; k++) {
            if (k / 2 ? !s->media[i].rtcp : !s->media[i].rtp)
                continue;
            struct control_flow_view v = view_of(s, i, k / 2, k % 2);
            if (!visit(ctx, &v))
                return false;
        }
    }
    return true;
}

static void put_address(struct buf *b, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];

    if (!a->family)
        return;
    ng_put_key(b, key);
    ng_put_begin(b, 'd');
    ng_put_pair(b, "address", span_str(addr_ip_text(a, text)));
    ng_put_pair(b, "family", span_str(a->family == AF_INET6 ? "IPv6" : "IPv4"));
    ng_put_count(b, "port", a->port);
    ng_put_end(b);
}

/* rtpengine's names where it has one ("bytes"); "refused" is the sum of those behind it. */
static void put_stats(struct buf *b, const struct usage_counts *c)
{
    static const enum usage_counter refusals[] = {USAGE_REFUSED_CLOSED, USAGE_REFUSED_ENDED,
                                                  USAGE_REFUSED_FORM, USAGE_REFUSED_SOURCE};

    ng_put_key(b, "stats");
    ng_put_begin(b, 'd');
    ng_put_count(b, "bytes", c->n[USAGE_OCTETS]);
    ng_put_count(b, "errors", c->n[USAGE_SEND_FAILED]);
    ng_put_count(b, "nowhere", c->n[USAGE_NOWHERE]);
    ng_put_count(b, "packets", c->n[USAGE_PACKETS]);
    ng_put_count(b, "policed", c->n[USAGE_POLICED]);
    ng_put_count(b, "refused", usage_refused(c));
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        ng_put_count(b, usage_counter_name(refusals[i]), c->n[refusals[i]]);
    ng_put_end(b);
}

static void put_stream(const struct session *s, unsigned media, bool rtcp, enum control_side side,
                       struct buf *b)
{
    struct control_flow_view v = view_of(s, media, rtcp, side);
    char text[ADDR_TEXT_MAX];

    ng_put_begin(b, 'd');
    put_address(b, "advertised endpoint", &v.remote);
    put_address(b, "endpoint", v.latched.family ? &v.latched : &v.remote);
    ng_put_pair(b, "gate", span_str(s->ended ? "ended" : v.up ? "up" : "down"));
    ng_put_count(b, "last packet", (uint64_t)v.counts.last / SEC);
    ng_put_pair(b, "local address", span_str(addr_ip_text(&v.local, text)));
    ng_put_count(b, "local port", v.local.port);
    put_stats(b, &v.counts);
    ng_put_end(b);
}

/* The first tag of that side. "", which no tag is, while it has none: any word may be the other
 * side's. */
static const char *tag_of(const struct session *s, enum control_side side)
{
    for (unsigned i = 0; i < s->n_tags; i++)
        if (s->tags[i].side == side)
            return s->tags[i].text;
    return "";
}

static void put_side(const struct session *s, enum control_side side, struct buf *b)
{
    const char *name = tag_of(s, side);

    ng_put_key(b, name);
    ng_put_begin(b, 'd');
    ng_put_key(b, "medias");
    ng_put_begin(b, 'l');
    for (unsigned i = 0; i < s->n_media; i++) {
        if (!s->media[i].rtp)
            continue;
        ng_put_begin(b, 'd');
        ng_put_count(b, "index", i + 1);
        ng_put_key(b, "streams");
        ng_put_begin(b, 'l');
        put_stream(s, i, false, side, b);
        if (s->media[i].rtcp)
            put_stream(s, i, true, side, b);
        ng_put_end(b);
        ng_put_pair(b, "type", span_str(type_text(&s->media[i])));
        ng_put_end(b);
    }
    ng_put_end(b);
    ng_put_pair(b, "tag", span_str(name));
    ng_put_end(b);
}

void report_put(const struct session *s, struct buf *b)
{
    struct loop *l = s->control->loop;
    uint64_t age = loop_now(l) - s->since;
    /* BEP 3: keys differ and are sorted. */
    bool core_first = strcmp(tag_of(s, CONTROL_CORE), tag_of(s, CONTROL_ACCESS)) < 0;

    ng_put_count(b, "created", ((uint64_t)loop_wall(l) - age) / SEC);
    ng_put_pair(b, "result", SPAN("ok"));
    ng_put_key(b, "tags");
    ng_put_begin(b, 'd');
    put_side(s, core_first ? CONTROL_CORE : CONTROL_ACCESS, b);
    put_side(s, core_first ? CONTROL_ACCESS : CONTROL_CORE, b);
    ng_put_end(b);
}
