/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/session, inside: legs (leg.c) and their session descriptions (body.c), routes (route.c), requests on their way
 * (hop.c), their answers (answer.c), ACKs of a 2xx (ack.c). */
#ifndef PCSCF_SESSION_INNER_H
#define PCSCF_SESSION_INNER_H

#include "pcscf/session/session.h"

struct session {
    struct session_env env;
    struct session_options options;
    struct sip_dialogs *dialogs;
    struct list legs, hops, acks;
    size_t n_legs;
    unsigned dialogs_max;
    bool draining;
};

/* How an SDP body fared at the edge and the PDP. */
struct leg_outcome {
    unsigned status; /* 0 = go on; else refuse with this */
    const char *phrase;
    struct span sdp; /* to pass on instead; p = NULL: as it is */
};

/* One session description on its way through edge and PDP. Lies in who waits for it. */
struct leg_body {
    struct list item;
    struct span sdp; /* stays until done */
    bool from_phone, is_offer, in_request;
    void (*done)(const struct leg_outcome *outcome, void *ctx);
    void *ctx; /* of an offer: the hop */
};

struct leg_text {
    char *in, *out; /* as it came, and what became of it */
    bool from_phone;
};

/* The two sides of a leg's edge session, as its tags. */
#define TAG_PHONE "phone"
#define TAG_CORE  "core"

struct session_leg {
    struct list item, of_binding;
    struct session *session;
    struct binding *binding; /* referenced */
    enum sip_leg side;
    enum binding_call kind;
    char icid[CHARGE_ICID_MAX];
    char edge_call[25]; /* the edge's call-id */
    char call_id[BINDING_TEXT_MAX];
    struct secret token;
    struct af_session *af;
    /* SDP on the phone's side of the edge, of the last offer that was answered. */
    char *from_phone, *to_phone;
    bool offer_from_phone;
    /* An offer nobody has answered yet: it replaces one of them then. */
    char *offered;
    bool offer_pending, offered_by_phone;
    struct hop *offer_hop;         /* whose it is: it falls with it */
    struct leg_text offer, answer; /* the last ones */
    bool at_edge;                  /* an offer went there: there may be a session */
    struct span edge_tag;          /* of who made the first: the one that the edge knows for sure */
    bool anchored;                 /* and there is one */
    bool media_ended, gate_up;
    unsigned dialogs, hops; /* that name this leg */
    struct hop *invite;     /* the initial INVITE while it has no final answer */
    struct sip_dialog *confirmed;
    struct handle forks[SIP_DIALOG_FORKS_MAX + 1]; /* all dialogs its INVITE has made */
    unsigned n_forks;
    uint64_t started, answered_at;

    /* the one body under way, and those behind it */
    struct media_call *ng, *ng_authorize;
    bool authorize_again; /* the agreement has changed since */
    bool busy;
    struct leg_body *body; /* NULL: nobody waits for it any more */
    bool sdp_from_phone, sdp_is_offer;
    struct list waiting;
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
    bool from_phone, initial;
    bool had_offer, offered;    /* the offer was in the request, in a response */
    bool waits;                 /* an answer is held for a body */
    struct sip_answer *at_hand; /* the answer, while it is being looked at */
    struct leg_body body;
    char *sdp;            /* replaces the request's body */
    struct handle dialog; /* of a request inside one: it may end first */
    enum sip_side side;   /* of the sender, in dialog */
};

/* leg.c */
/* -ENOSPC: nobody can have one now; -EDQUOT: this phone has its share. */
int leg_new(struct session *s, struct binding *b, enum sip_leg side, const struct sip_msg *invite,
            struct session_leg **ret_leg);
/* The gates fall, the AF session ends; the dialog may live on. */
void leg_media_end(struct session_leg *leg);
/* Frees the leg once neither a dialog nor a hop names it. */
void leg_let_go(struct session_leg *leg);
/* The INVITE is over, and with it what is still early (RFC 3261 13.2.2.4). */
void leg_forks_end(struct session_leg *leg);
static inline enum sip_side leg_phone_side(const struct session_leg *leg)
{
    return leg->side == SIP_LEG_ORIGINATING ? SIP_CALLER : SIP_CALLEE;
}
/* Before a request of our own in d: where the phone is by now. */
void leg_find_phone(const struct session_leg *leg, struct sip_dialog *d);
/* BYE to both sides, media ended. */
void leg_release(struct session_leg *leg, const char *reason);
void session_tell(struct session *s, enum session_event event, const struct session_leg *leg,
                  struct span detail);

void leg_aside(const struct session_leg *leg, const char *party, bool outgoing, const char *what);

/* body.c */
/* Anchors a body and has it authorized; done may be called from within. Bodies of a leg go one after the other, but for
 * an offer in a request: -EBUSY while another body is under way (491). */
int leg_body_start(struct session_leg *leg, struct leg_body *b);
void leg_body_cancel(struct session_leg *leg, struct leg_body *b);
/* An offer of the other side's waits. */
bool leg_awaits_answer(const struct session_leg *leg, bool from_phone);
/* The same, or it is the answer that was taken. */
bool leg_takes_answer(const struct session_leg *leg, struct span sdp, bool from_phone);
/* The offer that waits was refused: what was agreed before holds (RFC 3261 14.1). */
void leg_offer_withdraw(struct session_leg *leg);
/* All that wait hear 487. */
void leg_bodies_end(struct session_leg *leg);
void leg_bodies_free(struct session_leg *leg);

/* route.c */
/* Where the session description stands: the body, or a part of it. */
enum sip_body message_sdp(const struct sip_msg *m, struct span *ret_sdp);
/* Puts text in its place, if there is one. */
void message_edit_sdp(struct sip_edit *e, struct span text);
/* The message goes without a body. */
void message_drop_body(struct sip_edit *e);
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
/* Whether what is left of Route is this list, URI by URI. */
bool route_is(const struct sip_msg *m, unsigned skip, struct span want);
/* Makes what is left of Route this list, unless it is. */
void route_set_put(struct sip_msg *m, struct sip_edit *e, unsigned skip, struct span set);
/* Whether its first value names a host of the list. */
bool route_begins_in(struct span next, struct span list);
/* Both our Record-Route values, the one for `upper` on top. */
struct span route_record(const struct session *s, struct sip_msg *m, const struct binding *b,
                         bool towards_phone);
/* "sip:b0123...@192.0.2.1:5070;lr" in <>; Path and the Mw half of Record-Route. */
void route_put_mw(const struct session *s, const struct binding *b, struct buf *out);

/* A Request-URI that calls for help (RFC 5031 4.2): urn:service:sos, sos.fire ... */
bool message_is_emergency(const struct sip_msg *m);
/* P-Media-Authorization (RFC 3313 5), if the leg has a token. leg may be NULL. */
void message_put_token(const struct session_leg *leg, struct sip_msg *m, struct sip_edit *e);

/* hop.c */
/* The Service-Route of a binding; empty when it has none. */
struct span hop_service_route(const struct binding *b);
void hop_free(struct hop *h);
/* NULL when it is in none, or that has ended. */
struct sip_dialog *hop_dialog(const struct hop *h);
/* Of the two legs of one dialog: a phone's request and one to that phone have the phone on the same side. */
struct sip_dialog *hop_find_dialog(struct session *s, const struct sip_msg *m, bool from_phone,
                                   enum sip_side *ret_from);
/* Offers and answers are in INVITE, PRACK, UPDATE and their responses, and in ACK; the SDP of others (OPTIONS) is none
 * of ours. */
bool hop_agrees_on_media(const struct hop *h);
/* Whether the call ends with this dialog of it: not with a fork's that was not chosen. */
bool hop_dialog_is_call(const struct session_leg *leg, const struct sip_dialog *d);

/* ack.c */
void ack_free_all(struct session *s);
/* answer.c */
extern const struct sip_proxy_ops answer_ops;

#endif
