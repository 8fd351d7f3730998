/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/control: edge sessions, as ng commands make and end them.
 *
 * Decides   which ports a session has on its two sides, how a session description reads on the other
 *           side (RFC 4566, RFC 3264; as rtpengine does it), which flows offer and answer make, when
 *           a session is over (delete, silence, never authorized), what counts as media after the
 *           end.
 * Owns      sessions, by call-id: their ports, their relay streams, their gate. A session that is
 *           over stays for `linger`: its ports are bound and refuse, so that media after BYE is
 *           counted and no new call gets them at once.
 * Threads   the loop's.
 * In, out   ng requests; answers through the server they came from; events.
 * Errors    to the client, as {result: error, error-reason}.
 * Never     parses a token, decides a flow's authorization (edge/gate does), touches a packet.
 * Tests     tests/unit/edge/control. */
#ifndef EDGE_CONTROL_CONTROL_H
#define EDGE_CONTROL_CONTROL_H

#include "edge/gate/gate.h"
#include "edge/ng/ng.h"
#include "edge/relay/relay.h"

/* The phone's side and the network's. Flows and gates are seen from the phone (TS 29.214). */
enum control_side { CONTROL_ACCESS, CONTROL_CORE, CONTROL_SIDES };
extern const char *const control_side_names[]; /* "access", "core": the ng "direction"s */

enum {
    CONTROL_MEDIA_MAX = 16, /* m= lines */
    CONTROL_TAGS_MAX = 8,
    CONTROL_CALL_ID_MAX = 255,
    CONTROL_TAG_MAX = 127,
    CONTROL_SDP_MAX = 16384,
};

struct control_options {
    struct {
        struct addr ip;
        uint16_t first_port, last_port;
        enum relay_source source; /* who may send into that side */
        uint8_t tos;              /* of what leaves there */
    } side[CONTROL_SIDES];
    unsigned sessions;     /* most, with those that linger */
    uint64_t linger;       /* microseconds */
    uint64_t silence;      /* an authorized session without a packet this long is over */
    uint64_t hold;         /* the same while no RTP is to flow */
    uint64_t unauthorized; /* a session that was not authorized this long is over */
};

enum control_event_kind {
    CONTROL_OPENED,
    CONTROL_AUTHORIZED,
    CONTROL_REFUSED, /* detail: why */
    CONTROL_LOST,    /* detail: the gates fell: revoked, expired, withdrawn */
    CONTROL_ENDED,   /* detail: deleted, silent, unauthorized; with counters */
    /* Media goes on more than two seconds after the end. Once, with the source it comes from not
     * known but the counters; and once more as the session is forgotten. */
    CONTROL_MEDIA_AFTER_END,
    CONTROL_EVENTS
};
const char *control_event_name(enum control_event_kind k);

struct control_event {
    enum control_event_kind kind;
    struct span call_id;
    const char *token; /* its public name, or "" */
    const char *detail;
    uint64_t packets, octets, refused, after_end;
};

struct control_ops {
    void (*on_event)(void *ctx, const struct control_event *e); /* must not call back */
};

struct control_counters {
    uint64_t event[CONTROL_EVENTS], commands_refused, ports_out, after_end_packets;
    uint32_t sessions, lingering;
};

struct control;

/* For gates_new: the users of gates are sessions. */
extern const struct gates_ops control_gates_ops;

/* Borrows all; gates and relay outlive it. -EINVAL for a port range without a pair. */
int control_new(struct loop *l, const struct rnd *rnd, const struct relay_port *relay,
                struct gates *gates, const struct control_options *options,
                const struct control_ops *ops, void *ctx, struct control **ret_control);
/* Ends every session. */
void control_free(struct control *c);
/* For ng_server_new, with the control as ctx. */
void control_on_ng(struct ng_server *s, const struct ng_request *r, void *control);
/* No new sessions from now on; those that live go on. */
void control_drain(struct control *c);
const struct control_counters *control_counters(const struct control *c);

/* ---- looking around: one visit for each direction of each flow ---- */

struct control_flow_view {
    struct span call_id;
    const char *token, *state; /* "live", "ended" */
    struct span diameter_session;
    uint64_t age; /* microseconds */
    unsigned media, number;
    struct span type;       /* "audio" */
    enum control_side side; /* where it enters */
    struct addr local, remote, latched;
    bool up;
    struct usage_counts counts;
};
/* call_id.p = NULL: of all sessions, oldest first. visit returns false to stop. */
void control_each(const struct control *c, struct span call_id,
                  bool (*visit)(void *ctx, const struct control_flow_view *v), void *ctx);

#endif
