/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session: ports, streams, flows, and the ways it ends. */
#include <errno.h>
#include <stdlib.h>

#include "edge/control/inner.h"

#define SAMPLE (2 * SEC)
/* What is under way when a call ends is not media after BYE. */
#define LATE_GRACE (2 * SEC)
/* Pairs that other programs hold are tried past. */
#define PORT_TRIES 16

const char *const control_side_names[] = {"access", "core", NULL};

static struct session *of_node(struct map_node *node)
{
    return CONTAINER_OF(node, struct session, node);
}

struct session *session_find(struct control *c, struct span call_id)
{
    struct map_node *node =
        map_find(&c->by_call_id, map_hash(&c->by_call_id, call_id.p, call_id.n), &call_id);

    return node ? of_node(node) : NULL;
}

struct tag *session_tag(struct session *s, struct span text)
{
    for (unsigned i = 0; i < s->n_tags; i++)
        if (span_eq(span_str(s->tags[i].text), text))
            return &s->tags[i];
    return NULL;
}

struct tag *session_tag_add(struct session *s, struct span text, enum control_side side)
{
    struct tag *t = &s->tags[s->n_tags];

    if (s->n_tags == CONTROL_TAGS_MAX || span_copy(text, t->text, sizeof(t->text)) != 0)
        return NULL;
    t->side = side;
    s->n_tags++;
    return t;
}

/* ---- ports and streams ---- */

static void pair_give(struct control *c, struct media *m)
{
    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        if (m->even[i].family)
            relay_ports_give(&c->ports[i], &m->even[i]);
        m->even[i] = (struct addr){0};
    }
}

static void streams_close(struct control *c, struct media *m)
{
    if (m->rtp)
        c->relay->close(c->relay->ctx, m->rtp);
    if (m->rtcp)
        c->relay->close(c->relay->ctx, m->rtcp);
    m->rtp = m->rtcp = NULL;
    pair_give(c, m);
}

static int streams_try(struct control *c, struct media *m, enum relay_kind kind)
{
    const uint8_t tos[CONTROL_SIDES] = {c->options.side[0].tos, c->options.side[1].tos};
    struct addr odd[CONTROL_SIDES];
    int rc = 0;

    for (unsigned i = 0; i < CONTROL_SIDES && rc == 0; i++)
        rc = relay_ports_take(&c->ports[i], &m->even[i]);
    if (rc == 0)
        rc = c->relay->open(c->relay->ctx, kind, m->even, tos, &m->rtp);
    if (rc == 0 && kind == RELAY_RTP) {
        for (unsigned i = 0; i < CONTROL_SIDES; i++) {
            odd[i] = m->even[i];
            odd[i].port++;
        }
        rc = c->relay->open(c->relay->ctx, RELAY_RTCP, odd, tos, &m->rtcp);
    }
    if (rc != 0)
        streams_close(c, m);
    return rc;
}

int session_media_open(struct session *s, const struct body *b)
{
    struct control *c = s->control;

    if (b->n > s->n_media)
        s->n_media = b->n; /* first: what is opened is closed by it */
    for (unsigned i = 0; i < b->n; i++) {
        struct media *m = &s->media[i];
        int rc = 0;

        if (!b->media[i].relayed || m->rtp)
            continue;
        for (unsigned try = 0; try < PORT_TRIES; try++) {
            rc = streams_try(c, m, b->media[i].kind);
            if (rc != -EADDRINUSE)
                break;
        }
        if (rc == -ENOSPC || rc == -EADDRINUSE)
            c->counters.ports_out++;
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- flows ---- */

struct flows {
    struct gate_flow list[GATE_FLOWS_MAX];
    size_t n;
};

/* Both directions of one stream. RTP is idle where one side does not send or the other does not
 * receive; RTCP flows in any case (RFC 3264 5.1). */
static void put_flows(const struct session *s, unsigned media, bool rtcp, struct flows *out)
{
    const struct control_options *o = &s->control->options;
    const struct media *m = &s->media[media];
    const struct body_media *phone = &m->said[CONTROL_ACCESS], *core = &m->said[CONTROL_CORE];
    struct addr here = m->even[CONTROL_ACCESS];
    struct addr at_phone = rtcp ? phone->rtcp : phone->rtp, at_core = rtcp ? core->rtcp : core->rtp;
    struct diameter_end phone_end = {at_phone, 0}, source_end = phone_end, here_end;

    here.port = (uint16_t)(here.port + rtcp);
    here_end = (struct diameter_end){here, 0};
    /* What enters from any port of the phone is asked for as that (TS 29.213 6.2). The PDP knows a
     * phone behind NAT by its session description, too; the relay alone knows what latches. */
    if (o->side[CONTROL_ACCESS].source != RELAY_SOURCE_STRICT)
        source_end.addr.port = 0;
    struct gate_flow in = {.stream = rtcp ? m->rtcp : m->rtp,
                           .leg = CONTROL_ACCESS,
                           .media = (uint16_t)(media + 1),
                           .number = (uint16_t)(1 + rtcp),
                           .what = {DIAMETER_IN, IPPROTO_UDP, source_end, here_end},
                           .idle = !rtcp && !(phone->send && core->recv),
                           .rule = {.source = o->side[CONTROL_ACCESS].source, .peer = at_phone}};
    struct gate_flow back = in;

    back.leg = CONTROL_CORE;
    back.what = (struct diameter_flow){DIAMETER_OUT, IPPROTO_UDP, here_end, phone_end};
    back.idle = !rtcp && !(core->send && phone->recv);
    back.rule = (struct relay_rule){.source = o->side[CONTROL_CORE].source, .peer = at_core};
    if (!at_phone.family) /* on hold by address: nothing can be sent there, or said of it */
        in.idle = back.idle = true;
    out->list[out->n++] = in;
    out->list[out->n++] = back;
}

int session_agree(struct session *s, const struct body *answer)
{
    enum control_side other = s->offerer == CONTROL_ACCESS ? CONTROL_CORE : CONTROL_ACCESS;
    struct flows *flows = calloc(1, sizeof(*flows));
    int rc;

    if (!flows) {
        (void)gate_set_flows(s->gate, NULL, 0);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < s->n_media; i++) {
        struct media *m = &s->media[i];
        static const struct body_media none;

        /* A second answer (a fork's, or the 200 after a 183) meets the same offer. */
        m->said[s->offerer] = i < s->n_offered ? m->offer : none;
        m->said[other] = i < answer->n ? answer->media[i] : none;
        if (!m->rtp || !m->said[0].relayed || !m->said[1].relayed)
            continue;
        put_flows(s, i, false, flows);
        if (m->rtcp && !(m->said[0].mux && m->said[1].mux))
            put_flows(s, i, true, flows);
    }
    s->offered = false;
    rc = gate_set_flows(s->gate, flows->list, flows->n);
    free(flows);
    return rc;
}

/* ---- counters ---- */

void session_sum(const struct session *s, struct usage_counts *ret_sum)
{
    const struct relay_port *r = s->control->relay;
    struct usage_counts sum = {0}, one;

    for (unsigned i = 0; i < s->n_media; i++) {
        struct relay_stream *both[] = {s->media[i].rtp, s->media[i].rtcp};

        for (unsigned k = 0; k < 4; k++) {
            if (!both[k / 2])
                continue;
            r->read(r->ctx, both[k / 2], k % 2, &one, NULL);
            usage_sum(&sum, &one);
        }
    }
    *ret_sum = sum;
}

void session_tell(struct session *s, enum control_event_kind kind, const char *detail)
{
    struct control *c = s->control;
    struct control_event e = {
        .kind = kind, .call_id = span_str(s->call_id), .token = s->token, .detail = detail};
    struct usage_counts sum;

    c->counters.event[kind]++;
    if (!c->ops.on_event)
        return;
    session_sum(s, &sum);
    e.packets = sum.n[USAGE_PACKETS];
    e.octets = sum.n[USAGE_OCTETS];
    e.refused = usage_refused(&sum);
    e.after_end = s->late_known ? sum.n[USAGE_REFUSED_ENDED] - s->late_base : 0;
    c->ops.on_event(c->ctx, &e);
}

/* ---- time ---- */

static bool rtp_up(const struct session *s)
{
    for (unsigned i = 0; i < s->n_media; i++) {
        const struct media *m = &s->media[i];

        if (m->rtp && (gate_leg_up(s->gate, m->rtp, 0) || gate_leg_up(s->gate, m->rtp, 1)))
            return true;
    }
    return false;
}

static void sample_live(struct session *s, uint64_t now)
{
    const struct control_options *o = &s->control->options;
    struct usage_counts sum;
    uint64_t limit = o->unauthorized;
    bool up = rtp_up(s);

    if (s->authorized)
        limit = up ? o->silence : o->hold;
    session_sum(s, &sum);
    if (usage_watch_sample(&s->watch, sum.n[USAGE_PACKETS], now, limit) == USAGE_FELL_SILENT)
        session_end(s, s->authorized ? "silent" : "unauthorized");
}

static void sample_ended(struct session *s, uint64_t now)
{
    struct usage_counts sum;
    uint64_t late;

    session_sum(s, &sum);
    late = sum.n[USAGE_REFUSED_ENDED];
    if (!s->late_known && now - s->ended >= LATE_GRACE) {
        s->late_known = true;
        s->late_base = late;
    } else if (s->late_known && late > s->late_base && !s->late_told) {
        s->late_told = true;
        session_tell(s, CONTROL_MEDIA_AFTER_END, "media goes on");
    }
}

static void on_sample(struct loop_timer *t, void *ctx)
{
    struct session *s = ctx;
    uint64_t now = loop_now(s->control->loop);

    if (!s->ended) {
        sample_live(s, now);
    } else {
        sample_ended(s, now);
        if (now - s->ended >= s->control->options.linger) {
            session_free(s);
            return;
        }
    }
    if (!loop_timer_running(t))
        loop_timer_start(s->control->loop, t, SAMPLE);
}

/* ---- life ---- */

int session_new(struct control *c, struct span call_id, struct session **ret_session)
{
    struct session *s;
    int rc;

    if (c->counters.sessions + c->counters.lingering >= c->options.sessions)
        return -ENOSPC;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->control = c;
    s->since = loop_now(c->loop);
    usage_watch_start(&s->watch, s->since);
    loop_timer_init(&s->sample, on_sample, s);
    rc = span_copy(call_id, s->call_id, sizeof(s->call_id));
    if (rc == 0)
        rc = gate_new(c->gates, s, &s->gate);
    if (rc == 0)
        rc = map_add(&c->by_call_id, map_hash(&c->by_call_id, call_id.p, call_id.n), &s->node);
    if (rc != 0) {
        gate_end(s->gate);
        free(s);
        return rc;
    }
    s->findable = true;
    list_add_tail(&c->sessions, &s->item);
    c->counters.sessions++;
    loop_timer_start(c->loop, &s->sample, SAMPLE);
    *ret_session = s;
    return 0;
}

void session_end(struct session *s, const char *why)
{
    struct control *c = s->control;

    if (s->ended)
        return;
    if (s->ng)
        ng_answer_error(s->ng, s->ng_id, "the session ended");
    s->ng = NULL;
    gate_end(s->gate);
    s->gate = NULL;
    /* Legs that no flow named refuse as "ended", too. */
    for (unsigned i = 0; i < s->n_media; i++) {
        struct relay_stream *both[] = {s->media[i].rtp, s->media[i].rtcp};

        for (unsigned k = 0; k < 4; k++)
            if (both[k / 2])
                c->relay->lower(c->relay->ctx, both[k / 2], k % 2, RELAY_GATE_ENDED);
    }
    s->ended = loop_now(c->loop);
    c->counters.sessions--;
    c->counters.lingering++;
    if (s->opened)
        session_tell(s, CONTROL_ENDED, why);
    loop_timer_start(c->loop, &s->sample, c->options.linger ? SAMPLE : 0);
}

void session_free(struct session *s)
{
    struct control *c = s->control;
    struct usage_counts sum;

    session_end(s, "stopped");
    if (s->late_told) {
        session_sum(s, &sum);
        c->counters.after_end_packets += sum.n[USAGE_REFUSED_ENDED] - s->late_base;
        session_tell(s, CONTROL_MEDIA_AFTER_END, "in all");
    }
    loop_timer_stop(c->loop, &s->sample);
    for (unsigned i = 0; i < s->n_media; i++)
        streams_close(c, &s->media[i]);
    if (s->findable)
        map_del(&c->by_call_id, &s->node);
    list_del(&s->item);
    c->counters.lingering--;
    free(s);
}
