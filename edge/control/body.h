/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/control, inside: what the edge takes from a session description, and what it writes there. */
#ifndef EDGE_CONTROL_BODY_H
#define EDGE_CONTROL_BODY_H

#include "common/sdp/sdp.h"
#include "edge/control/control.h"

/* One side's word about one medium. */
struct body_media {
    char type[16]; /* "audio" */
    bool relayed;  /* a transport we relay, and a port */
    enum relay_kind kind;
    struct addr rtp, rtcp; /* family 0: on hold by address (RFC 3264 8.4) */
    bool mux, send, recv;
};

struct body {
    unsigned n;
    struct body_media media[CONTROL_MEDIA_MAX];
};

/* NULL, or why such a description cannot be relayed. */
const char *body_take(const struct sdp *sdp, struct body *ret_body);

/* The same description as the other side of the edge shows it: addresses and ports ours, what would
 * lead around the edge (candidates, other RTCP ports) taken out, every other line byte for byte. A
 * medium that is not relayed gets port 0. ports[i]: the even port of medium i. scratch: as long as
 * out. */
void body_rewrite(const struct sdp *sdp, const struct body *body, const struct addr *ip,
                  const uint16_t *ports, bool origin, struct buf *scratch, struct buf *out);

#endif
