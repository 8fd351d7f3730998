/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/control, inside: commands (control.c), sessions and their media (session.c), session
 * descriptions (body.c), what is told about sessions (report.c). */
#ifndef EDGE_CONTROL_INNER_H
#define EDGE_CONTROL_INNER_H

#include "edge/control/body.h"
#include "edge/control/control.h"
#include "edge/relay/ports.h"

struct control {
    struct loop *loop;
    const struct relay_port *relay;
    struct gates *gates;
    struct control_options options;
    struct control_ops ops;
    void *ctx;
    struct control_counters counters;
    struct map by_call_id;
    struct list sessions; /* oldest first, with those that linger */
    struct relay_ports ports[CONTROL_SIDES];
    bool draining;
    char scratch[SDP_TEXT_MAX + 2048], sdp[SDP_TEXT_MAX + 2048]; /* of the command being run */
    char answer[60000];
};

struct tag {
    char text[CONTROL_TAG_MAX + 1];
    enum control_side side;
};

struct media {
    struct relay_stream *rtp, *rtcp;       /* rtcp NULL: not of this kind */
    struct addr even[CONTROL_SIDES];       /* the pair's even port; family 0 = none */
    struct body_media said[CONTROL_SIDES]; /* agreed by offer and answer */
    struct body_media offer;               /* of the offer that waits */
};

struct session {
    struct control *control;
    struct map_node node; /* while findable */
    bool findable;
    struct list item;
    char call_id[CONTROL_CALL_ID_MAX + 1];
    unsigned n_tags;
    struct tag tags[CONTROL_TAGS_MAX];
    unsigned n_media;
    struct media media[CONTROL_MEDIA_MAX];

    bool opened;  /* its first offer was accepted */
    bool offered; /* an offer waits for its answer */
    enum control_side offerer;
    unsigned n_offered;

    struct gate *gate; /* NULL once over */
    char token[32];    /* its public name, also after the end */
    bool authorized;   /* once */
    uint64_t since, ended;
    struct usage_watch watch;
    struct loop_timer sample;

    /* after the end */
    uint64_t late_base; /* refused packets when the grace was over */
    bool late_known, late_told;

    /* the authorize command under way */
    struct ng_server *ng;
    struct handle ng_id;
};

/* session.c */
int session_new(struct control *c, struct span call_id, struct session **ret_session);
struct session *session_find(struct control *c, struct span call_id);
struct tag *session_tag(struct session *s, struct span text);
/* NULL: too many tags, or too long. */
struct tag *session_tag_add(struct session *s, struct span text, enum control_side side);
/* Ports and streams for every relayed medium. -ENOSPC or what the sockets said. */
int session_media_open(struct session *s, const struct body *b);
/* What offer and answer agreed on becomes flows. Negative errno: then all is down. */
int session_agree(struct session *s, const struct body *answer);
void session_end(struct session *s, const char *why);
void session_free(struct session *s);
void session_tell(struct session *s, enum control_event_kind kind, const char *detail);
/* Over all flows. */
void session_sum(const struct session *s, struct usage_counts *ret_sum);

/* report.c */
/* "created", "tags" with their media, streams and counters, as rtpengine's query answers. */
void report_put(const struct session *s, struct buf *b);
bool report_each(const struct session *s,
                 bool (*visit)(void *ctx, const struct control_flow_view *v), void *ctx);

#endif
