/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/control/body.h"

/* ---- reading ---- */

static bool one_of(struct span word, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq_nocase(word, span_str(names[i])))
            return true;
    return false;
}

static const char *const rtp_protos[] = {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"};
/* Datagrams whose form is not ours to judge: keys are negotiated inside, or it is no RTP. */
static const char *const opaque_protos[] = {"udptl", "UDP/TLS/UDPTL", "UDP/TLS/RTP/SAVP",
                                            "UDP/TLS/RTP/SAVPF"};

static bool unspecified(const struct addr *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static const char *take_media(const struct sdp_media *m, struct body_media *b)
{
    bool rtp = one_of(m->proto, rtp_protos, ARRAY_LEN(rtp_protos));

    (void)span_copy(m->type, b->type, sizeof(b->type)); /* a longer one is shown as "" */
    b->kind = rtp ? RELAY_RTP : RELAY_OPAQUE;
    b->relayed = m->port && (rtp || one_of(m->proto, opaque_protos, ARRAY_LEN(opaque_protos)));
    if (!b->relayed)
        return NULL;
    if (m->connection.family == 0)
        return "the address of a medium is a name";
    b->mux = m->rtcp_mux;
    b->send = m->direction == SDP_SENDRECV || m->direction == SDP_SENDONLY;
    b->recv = m->direction == SDP_SENDRECV || m->direction == SDP_RECVONLY;
    if (!unspecified(&m->connection)) {
        b->rtp = m->connection;
        b->rtcp = m->rtcp;
    }
    return NULL;
}

const char *body_take(const struct sdp *sdp, struct body *ret_body)
{
    struct body b = {.n = sdp->n_media};
    const char *wrong = NULL;

    _Static_assert((int)SDP_MEDIA_MAX <= (int)CONTROL_MEDIA_MAX, "every m= section has a place");
    for (unsigned i = 0; i < sdp->n_media && !wrong; i++)
        wrong = take_media(&sdp->media[i], &b.media[i]);
    if (!wrong)
        *ret_body = b;
    return wrong;
}

/* ---- writing ---- */

static bool attribute(struct span line, const char *name, struct span *ret_value)
{
    struct span value = span_sub(line, 2, line.n);

    if (!span_starts(line, SPAN("a=")) || !span_eq(span_cut(&value, ':'), span_str(name)))
        return false;
    if (ret_value)
        *ret_value = value;
    return true;
}

/* RFC 8839, 6947, 7006: what would lead around the edge; RFC 9143: the edge has a port for each
 * medium. */
static bool leads_around(struct span line)
{
    static const char *const names[] = {
        "candidate",    "remote-candidates", "ice-ufrag",   "ice-pwd", "ice-options", "ice-lite",
        "ice-mismatch", "end-of-candidates", "bundle-only", "altc",    "ccap"};
    struct span value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (attribute(line, names[i], NULL))
            return true;
    return attribute(line, "group", &value) && span_starts(value, SPAN("BUNDLE"));
}

/* "o=- 1 1 IN IP4 192.0.2.1" with our address for its last three words. */
static void put_origin(struct span line, const struct addr *ip, struct buf *out)
{
    char text[ADDR_TEXT_MAX];
    struct span rest = line;

    for (unsigned i = 0; i < 3; i++)
        (void)span_cut(&rest, ' ');
    buf_put(out, span_sub(line, 0, line.n - rest.n));
    buf_fmt(out, "IN %s %s", ip->family == AF_INET6 ? "IP6" : "IP4", addr_ip_text(ip, text));
}

void body_rewrite(const struct sdp *sdp, const struct body *body, const struct addr *ip,
                  const uint16_t *ports, bool origin, struct buf *scratch, struct buf *out)
{
    struct sdp_place places[CONTROL_MEDIA_MAX];

    for (unsigned i = 0; i < body->n; i++) {
        const struct body_media *m = &body->media[i];

        places[i] = (struct sdp_place){.rtp = *ip};
        if (m->relayed && m->rtp.family == 0) /* hold by address stays hold */
            places[i].rtp = sdp->media[i].connection;
        places[i].rtp.port = m->relayed ? ports[i] : 0;
    }
    if (sdp_rewrite(sdp, places, body->n, scratch) != 0)
        out->overflow = true;
    for (struct span rest = buf_span(scratch); rest.n;) {
        size_t n = span_find(rest, '\n');
        struct span raw = span_sub(rest, 0, n + 1), line = span_trim(raw);

        rest = span_sub(rest, raw.n, rest.n);
        if (leads_around(line))
            continue;
        if (origin && span_starts(line, SPAN("o="))) {
            put_origin(line, ip, out);
            buf_put(out, span_sub(raw, line.n, raw.n));
        } else {
            buf_put(out, raw);
        }
    }
}
