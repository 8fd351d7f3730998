/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/sdp: session descriptions as media authorization reads and rewrites them.
 *
 * Decides   what a usable description is (RFC 8866 5, RFC 3264): each m= section with the address,
 *           port, direction and bandwidth that hold for it. libosip2 must be able to read it too.
 * Owns      nothing: every span points into the text that was given.
 * Threads   any.
 * Errors    -EBADMSG (what is wrong and in which line: struct sdp_fault), -E2BIG beyond the
 *           bounds, -ENOMEM, -EMSGSIZE.
 * Never     changes a byte that it was not told to: rewriting replaces addresses and ports.
 * Tests     tests/unit/common/sdp, tests/fuzz. */
#ifndef COMMON_SDP_SDP_H
#define COMMON_SDP_SDP_H

#include "common/base/base.h"

enum {
    SDP_MEDIA_MAX = 16,    /* m= sections */
    SDP_TEXT_MAX = 32768,  /* bytes */
    SDP_PAYLOADS_MAX = 64, /* formats of one section */
    SDP_LINES_MAX = 1024,
};

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE }; /* RFC 8866 6.7 */

#define SDP_NO_BANDWIDTH UINT64_MAX

struct sdp_bandwidth { /* bit/s; SDP_NO_BANDWIDTH when not given */
    uint64_t as;       /* b=AS, times 1000 */
    uint64_t tias;     /* RFC 3890 */
    uint64_t rs, rr;   /* RFC 3556 */
};

struct sdp_media {
    struct span section; /* from m= to the next m= or the end */
    struct span line;    /* "audio 49170 RTP/AVP 0", without m= */
    struct span type, proto, formats;
    struct span port_text; /* the digits */
    uint16_t port;         /* 0 = refused or closed */
    unsigned ports;        /* "49170/2": how many; 1 */
    struct span address;   /* the text of the c= line that holds for it; its own or the session's */
    bool address_is_own;
    struct addr connection; /* that address with the port; family 0: a name, not an address */
    struct span rtcp_text;  /* value of a=rtcp (RFC 3605); p NULL = none */
    struct addr rtcp;       /* where RTCP goes unless both sides multiplex: a=rtcp or port + 1 */
    bool rtcp_mux;          /* RFC 5761 5.1.1: an offer of it may be declined */
    enum sdp_direction direction; /* its own, else the session's, else sendrecv */
    struct sdp_bandwidth bandwidth;
};

struct sdp {
    struct span text;
    struct span origin;          /* value of o= */
    struct span session_address; /* of the session's c=; p NULL = none */
    struct sdp_bandwidth bandwidth;
    unsigned n_media;
    struct sdp_media media[SDP_MEDIA_MAX];
};

struct sdp_fault {
    unsigned line; /* from 1; 0 = the whole */
    char text[96];
};

/* ret_fault may be NULL. The text must outlive *ret_sdp. */
int sdp_parse(struct span text, struct sdp *ret_sdp, struct sdp_fault *ret_fault);

/* The encoding name of a payload number: a=rtpmap, or the static name of RFC 3551 for 0-34; p NULL
 * when unknown. Not RTP: the format itself. */
struct span sdp_codec_name(const struct sdp_media *m, struct span format);
/* Walks the formats: false at the end. */
bool sdp_format_next(struct span *formats, struct span *ret_format);

/* Where a section's media shall go instead; family 0 leaves the section as it is. */
struct sdp_place {
    struct addr rtp; /* port 0: as refused; only the address changes then */
    uint16_t rtcp;   /* 0 = rtp + 1 or mux: an a=rtcp line is taken out; else it is written */
};
/* The text with the sections' addresses and ports replaced, n places for the first n sections. A
 * session c= gets the address of the first section it holds for; one that goes elsewhere gets a c=
 * of its own. Every other byte stays. -EMSGSIZE. */
int sdp_rewrite(const struct sdp *s, const struct sdp_place *places, unsigned n, struct buf *out);

#endif
