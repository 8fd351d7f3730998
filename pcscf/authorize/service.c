/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Service information from SDP (TS 29.213 6.2). The filters have the edge's address as the far end:
 * it is what the phone was told. */
#include <errno.h>

#include "pcscf/authorize/inner.h"

/* A text of the request; the span is good as long as the service. */
static struct span text_end(struct service *s, size_t start)
{
    return span_of(s->texts.p + start, s->texts.n - start);
}

static uint32_t media_type(struct span type)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = {{"audio", RX_AUDIO},    {"video", RX_VIDEO},     {"application", RX_APPLICATION},
                 {"text", RX_TEXT},      {"message", RX_MESSAGE}, {"data", RX_DATA},
                 {"control", RX_CONTROL}};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (span_eq(type, span_str(types[i].name)))
            return types[i].type;
    }
    return RX_MEDIA_OTHER;
}

static uint8_t protocol(struct span proto)
{
    return span_starts(proto, SPAN("TCP")) ? 6 : 17;
}

/* Towards the phone, `sendonly` means that it only receives. */
static enum sdp_direction mirrored(enum sdp_direction d)
{
    return d == SDP_SENDONLY ? SDP_RECVONLY : d == SDP_RECVONLY ? SDP_SENDONLY : d;
}

static uint32_t flow_status(enum sdp_direction of_phone)
{
    switch (of_phone) {
    case SDP_SENDONLY:
        return RX_ENABLED_UPLINK;
    case SDP_RECVONLY:
        return RX_ENABLED_DOWNLINK;
    case SDP_INACTIVE:
        return RX_DISABLED;
    case SDP_SENDRECV:
        break;
    }
    return RX_ENABLED;
}

static struct diameter_u32 bandwidth(const struct sdp_media *m)
{
    uint64_t v = m ? m->bandwidth.as != SDP_NO_BANDWIDTH ? m->bandwidth.as : m->bandwidth.tias
                   : SDP_NO_BANDWIDTH;

    if (v == SDP_NO_BANDWIDTH)
        return (struct diameter_u32){0};
    return DIAMETER_U32(v > UINT32_MAX ? UINT32_MAX : (uint32_t)v);
}

/* The higher one: RTCP goes both ways (RFC 3556). */
static struct diameter_u32 rtcp_bandwidth(uint64_t up, uint64_t down)
{
    uint64_t v = up == SDP_NO_BANDWIDTH || (down != SDP_NO_BANDWIDTH && down > up) ? down : up;

    return v > UINT32_MAX ? (struct diameter_u32){0} : DIAMETER_U32((uint32_t)v);
}

static struct span filter(struct service *s, enum diameter_direction direction, uint8_t proto,
                          const struct addr *from, const struct addr *to)
{
    struct diameter_flow f = {.direction = direction, .protocol = proto};
    size_t start = s->texts.n;

    f.from.addr = *from;
    f.from.addr.port = 0; /* TS 29.214 5.3.8: the source port is left out */
    f.to.addr = *to;
    diameter_flow_put(&s->texts, &f);
    return text_end(s, start);
}

/* RTP or RTCP: both directions. phone.port 0: not known yet. */
static void put_flow(struct service *s, struct rx_component *c, uint8_t proto,
                     const struct addr *phone, const struct addr *edge, bool is_rtcp)
{
    struct rx_flow *f = &c->flows[c->n_flows++];

    *f = (struct rx_flow){.number = (uint32_t)c->n_flows};
    f->in = filter(s, DIAMETER_IN, proto, phone, edge);
    f->out = filter(s, DIAMETER_OUT, proto, edge, phone);
    if (is_rtcp) {
        f->usage = DIAMETER_U32(RX_USAGE_RTCP);
        f->status = DIAMETER_U32(RX_ENABLED);
    }
}

/* "uplink\noffer\nm=...\na=...\n": TS 29.214 5.3.7. */
static struct span codec_data(struct service *s, const struct sdp_media *m, const char *way,
                              const char *role)
{
    size_t start = s->texts.n;
    struct span rest = m->section;

    buf_fmt(&s->texts, "%s\n%s\n", way, role);
    while (rest.p && rest.n) {
        struct span line = span_trim(span_cut(&rest, '\n'));

        if (line.n && (line.p[0] == 'm' || line.p[0] == 'a' || line.p[0] == 'b')) {
            buf_put(&s->texts, line);
            buf_putc(&s->texts, '\n');
        }
    }
    return text_end(s, start);
}

static void put_component(struct service *s, const struct authorize_media *media,
                          const struct sdp_media *up, const struct sdp_media *down,
                          struct rx_component *c)
{
    const struct sdp_media *any = up ? up : down;
    /* The answer's direction, or while there is none the offer's. */
    bool answer_is_up = up && (!media->offer_from_phone || !down);
    enum sdp_direction direction = answer_is_up ? up->direction
                                   : down       ? mirrored(down->direction)
                                                : SDP_SENDRECV;
    bool gone = (up && up->port == 0) || (down && down->port == 0);
    struct addr phone = media->phone, edge = {0};

    phone.port = 0;
    if (up && up->connection.family)
        phone = up->connection;
    if (down)
        edge = down->connection;
    c->media_type = DIAMETER_U32(media_type(any->type));
    c->status = DIAMETER_U32(gone ? RX_REMOVED : flow_status(direction));
    c->bandwidth_ul = bandwidth(down);
    c->bandwidth_dl = bandwidth(up);
    c->rs_bandwidth = rtcp_bandwidth(up ? up->bandwidth.rs : SDP_NO_BANDWIDTH,
                                     down ? down->bandwidth.rs : SDP_NO_BANDWIDTH);
    c->rr_bandwidth = rtcp_bandwidth(up ? up->bandwidth.rr : SDP_NO_BANDWIDTH,
                                     down ? down->bandwidth.rr : SDP_NO_BANDWIDTH);
    if (up)
        c->codec[0] = codec_data(s, up, "uplink", media->offer_from_phone ? "offer" : "answer");
    if (down)
        c->codec[up ? 1 : 0] =
            codec_data(s, down, "downlink", media->offer_from_phone ? "answer" : "offer");
    if (gone || !down)
        return;
    put_flow(s, c, protocol(any->proto), &phone, &edge, false);
    if (protocol(any->proto) == 17 && !(up ? up->rtcp_mux && down->rtcp_mux : down->rtcp_mux)) {
        if (up)
            phone.port = up->rtcp.port;
        edge.port = down->rtcp.port;
        put_flow(s, c, 17, &phone, &edge, true);
    }
}

int service_describe(struct service *s, const struct authorize_media *media)
{
    struct rx_aar *aar = &s->request.aar;
    unsigned n_up = 0, n_down = 0, n;

    if (media->from_phone.n && sdp_parse(media->from_phone, &s->from_phone, NULL) != 0)
        return -EBADMSG;
    if (media->to_phone.n && sdp_parse(media->to_phone, &s->to_phone, NULL) != 0)
        return -EBADMSG;
    n_up = media->from_phone.n ? s->from_phone.n_media : 0;
    n_down = media->to_phone.n ? s->to_phone.n_media : 0;
    n = n_up > n_down ? n_up : n_down;
    if (n > RX_COMPONENTS_MAX)
        return -E2BIG;
    for (unsigned i = 0; i < n; i++) {
        struct rx_component *c = &aar->components[aar->n_components++];

        *c = (struct rx_component){.number = i + 1};
        put_component(s, media, i < n_up ? &s->from_phone.media[i] : NULL,
                      i < n_down ? &s->to_phone.media[i] : NULL, c);
    }
    return s->texts.overflow ? -E2BIG : 0;
}
