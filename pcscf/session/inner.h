/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/session, inside: legs (leg.c), routes (route.c), requests on their way (hop.c), their answers (answer.c). */
#ifndef PCSCF_SESSION_INNER_H
#define PCSCF_SESSION_INNER_H

#include "pcscf/session/session.h"

struct session {
    struct session_env env;
    struct session_options options;
    struct sip_dialogs *dialogs;
    struct list legs, hops;
    size_t n_legs;
};

/* How an SDP body fared at the edge and the PDP. */
struct leg_outcome {
    unsigned status; /* 0 = go on; else refuse with this */
    const char *phrase;
    struct span sdp; /* to pass on instead; p = NULL: as it is */
};

typedef void leg_sdp_done(const struct leg_outcome *outcome, void *ctx);

struct session_leg {
    struct list item, of_binding;
    struct session *session;
    struct binding *binding; /* referenced */
    enum sip_leg side;
    char icid[CHARGE_ICID_MAX];
    char edge_call[25]; /* the edge's call-id */
    char call_id[BINDING_TEXT_MAX];
    struct secret token;
    struct af_session *af;
    char *from_phone, *to_phone; /* SDP on the phone's side of the edge */
    char *last_in, *last_out;    /* the last body that was anchored, and what became of it */
    bool last_from_phone;
    bool offer_from_phone, offer_pending; /* an offer nobody has answered yet */
    bool anchored, media_ended, gate_up;
    unsigned dialogs, hops; /* that name this leg */
    struct hop *invite;     /* the initial INVITE while it has no final answer */
    struct sip_dialog *confirmed;
    uint64_t started, answered_at;

    /* the one body under way */
    struct media_call *ng, *ng_authorize;
    leg_sdp_done *sdp_done;
    void *sdp_ctx;
    bool sdp_from_phone, sdp_is_offer;
};

/* A request being forwarded. */
struct hop {
    struct list item;
    struct session *session;
    struct session_leg *leg; /* NULL: no call, or one we know nothing of */
    struct binding *binding; /* referenced */
    struct handle server;
    struct sip_proxy *proxy; /* NULL until forwarded */
    struct sip_resolving *resolving;
    enum sip_method method;
    bool from_phone, initial, had_sdp;
    bool waits;                 /* an answer is held for a body */
    struct sip_answer *at_hand; /* the answer, while it is being looked at */
    char *sdp;                  /* replaces the request's body */
    struct sip_dialog *dialog;
    enum sip_side side; /* of the sender, in dialog */
};

/* leg.c */
int leg_new(struct session *s, struct binding *b, enum sip_leg side, const struct sip_msg *invite,
            struct session_leg **ret_leg);
/* The gates fall, the AF session ends; the dialog may live on. */
void leg_media_end(struct session_leg *leg);
/* Frees the leg once neither a dialog nor a hop names it. */
void leg_let_go(struct session_leg *leg);
/* BYE to both sides, media ended. */
void leg_release(struct session_leg *leg, const char *reason);
/* Anchors a body and has it authorized. Returns true when done was called already. -EBUSY: another body is under
 * way (491). */
int leg_sdp(struct session_leg *leg, struct span sdp, bool from_phone, bool is_offer,
            leg_sdp_done *done, void *ctx);
void leg_sdp_cancel(struct session_leg *leg, const void *ctx);
void session_tell(struct session *s, enum session_event event, const struct session_leg *leg,
                  struct span detail);

/* route.c */
bool message_has_sdp(const struct sip_msg *m);
/* True for a URI that names this P-CSCF; *ret_id is the binding in its user part, or 0. */
bool route_is_own(const struct session *s, struct span uri_text, uint64_t *ret_id);
/* Takes our own values off the top of Route. *ret_next: the value behind them, p = NULL when there is none. */
struct own_routes {
    unsigned count;
    uint64_t id;
    struct span next; /* name-addr value */
};
void route_pop_own(const struct session *s, struct sip_msg *m, struct sip_edit *e,
                   struct own_routes *ret_own);
/* Whether what is left of Route is the registered Service-Route, URI by URI. */
bool route_is_service_route(const struct sip_msg *m, unsigned skip, const char *service_route);
/* Both our Record-Route values, the one for `upper` on top. */
struct span route_record(const struct session *s, struct sip_msg *m, const struct binding *b,
                         bool towards_phone);
/* "sip:b0123...@192.0.2.1:5070;lr" in <>; Path and the Mw half of Record-Route. */
void route_put_mw(const struct session *s, const struct binding *b, struct buf *out);

/* hop.c */
void hop_free(struct hop *h);
/* answer.c */
extern const struct sip_proxy_ops answer_ops;

#endif
