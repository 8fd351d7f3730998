/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/core, inside: the object and its entries (core.c), requests on their way (hop.c), their
 * answers (answer.c), the halves an initial request runs (plan.c), calls with their dialogs and
 * timers (talk.c), who is told what (trust.c). */
#ifndef SCSCF_CORE_INNER_H
#define SCSCF_CORE_INNER_H

#include "scscf/core/core.h"
#include "scscf/route/route.h"

struct scscf {
    struct scscf_env env;
    struct scscf_options options;
    struct sroute_names names;
    struct span *texts; /* domains and hosts, copied */
    size_t n_texts;
    struct span network;                      /* names.domains[0] */
    char service_route[96], record_route[96]; /* name-addr of the latter with <> */
    struct sip_transport *transport;
    struct sip_endpoint *endpoint;
    struct sip_layer *layer;
    struct sip_dialogs *dialogs;
    struct registrar *registrar;
    struct calls *calls;
    struct list hops, talks;
    bool draining;
    struct scscf_counters counters;
};

/* ---- a call: one INVITE, the halves that run here, the dialogs it made ---- */

struct talk {
    struct list item;
    struct scscf *s;
    struct call *half[2]; /* by enum cdr_role; NULL: does not run here, or has ended */
    struct list forks;
    unsigned media;     /* that may be offered */
    unsigned n_forks;   /* that there ever were */
    unsigned confirmed; /* forks that were answered and not ended */
    bool inviting;      /* the INVITE has no final answer yet */
    bool cancelled, answered, ended;
    uint64_t answered_at;
    struct loop_timer timer; /* session timer or longest duration, whichever is first */
    bool timer_is_session;
    struct span call_id, icid, from, to;
    char text[];
};

/* One dialog of it. */
struct fork {
    struct list item; /* of talk.forks */
    struct talk *talk;
    struct sip_dialog *dialog;
    bool confirmed, over;
};

struct talk_opening {
    struct span call_id, icid, from, to;
    unsigned media;
    const struct call_opening *half[2]; /* NULL: does not run here */
};
/* -ENOSPC, -ENOMEM. */
int talk_new(struct scscf *s, const struct talk_opening *opening, struct talk **ret_talk);
/* An answer to its INVITE. */
struct hop;
enum sip_answer_verdict talk_on_answer(struct talk *t, struct hop *h, struct sip_answer *a);
/* The INVITE's hop is gone. status: what it was refused with, 0 = what the answers said. */
void talk_invite_over(struct talk *t, unsigned status);
/* A request inside one of its dialogs. */
void talk_on_bye(struct fork *f, enum sip_side from);
/* A party says that there is no such dialog (481, 408): it ends for both. */
void talk_on_lost(struct fork *f);
/* A 2xx to INVITE or UPDATE: the session timer starts again. */
void talk_on_refresh(struct talk *t, const struct sip_msg *answer);
void talk_end(struct talk *t, const struct call_ending *ending);
void talk_tell(const struct talk *t, enum scscf_event event, unsigned status, const char *reason);
/* on_end of the dialogs. */
void talk_on_dialog_end(struct sip_dialog *d, void *ctx);
/* Frees it whatever it is doing. */
void talk_free(struct talk *t);

/* ---- the border of the trust domain ---- */

bool scscf_trusts(const struct scscf *s, const struct addr *a);
/* A request to somebody outside (RFC 3325 5): charging and network data stay here, and the identity
 * of who asked for `Privacy: id`. */
void scscf_hide_from_strangers(const struct sip_msg *m, struct sip_edit *e);
/* An answer from outside: what only the inside may assert goes. */
void scscf_distrust(struct sip_edit *e);
bool scscf_is_strangers(const struct scscf *s, const struct sip_answer *a);
/* The asserted identity of an answer; none of a stranger's. */
struct span scscf_answerer(const struct scscf *s, const struct sip_answer *a);

/* ---- what an initial request comes to ---- */

struct refusal {
    unsigned status;
    uint64_t *counter;
    const char *reason;
};

/* What the two halves found out. */
struct plan {
    struct sroute_entry entry;
    struct sip_uri ruri;
    struct span asserted;
    /* IMPI of the users served here, also when they may not call or be called: the attempt has its
     * record (TS 32.260 5.2.2.1). Empty: that half does not run here. */
    struct span caller, callee;
    struct span alias; /* URI */
    unsigned media;    /* SUBSCRIBER_AUDIO ... that the profiles of both allow */
    struct registrar_contact contacts[REGISTRAR_CONTACTS_MAX];
    size_t n_contacts;
};

/* Which halves run here and where they lead. False: refused with *r; status 200 is an OPTIONS to
 * ourselves. */
bool scscf_plan_make(struct scscf *s, struct sip_msg *m, struct plan *p, struct refusal *r);
/* False: a description in INVITE, PRACK or UPDATE has other media, or cannot be read to know. */
bool scscf_media_allowed(const struct sip_msg *m, unsigned allowed);
/* What the session description of m agrees to, into media[CDR_MEDIA_MAX]; spans into m. How many. */
unsigned scscf_media_read(const struct sip_msg *m, struct cdr_media *media);
/* before + s + after in the arena; p = NULL: no memory. */
struct span scscf_join(struct arena *a, const char *before, struct span s, const char *after);

/* ---- a request on its way ---- */

/* One place it goes to: a contact of the callee, or the next hop. */
struct way {
    struct hop *hop;
    struct sip_resolving *resolving;
    struct span contact, path; /* terminating half; live with the request */
    unsigned q;
    struct sip_target targets[SIP_TARGETS_MAX];
    size_t n;
};

struct hop {
    struct list item;
    struct scscf *s;
    struct handle server;
    struct sip_proxy *proxy; /* NULL until forwarded */
    enum sip_method method;
    bool initial, originating, terminating;
    struct talk *talk;     /* INVITE that opens a call */
    struct call *event[2]; /* MESSAGE; by enum cdr_role */
    struct handle dialog;  /* in-dialog requests; sip_dialog_handle */
    enum sip_side side;    /* of the sender in it */
    struct span alias;     /* of the caller, added to P-Asserted-Identity; lives with the request */
    char icid[SROUTE_ICID_MAX + 1];
    struct span orig_ioi; /* as received; lives with the request */
    unsigned pending;     /* names being resolved */
    unsigned n_ways;
    struct way *ways;
};

void scscf_hop_start(struct scscf *s, struct sip_server *server, struct sip_msg *m);
/* The role's on_cancel: before it was forwarded. */
void scscf_hop_cancel(struct sip_server *server);
void scscf_hop_free(struct hop *h, unsigned status);
/* The records of a MESSAGE, when it has any. */
void scscf_hop_end_event(struct hop *h, const struct call_ending *ending);
void scscf_on_ack(struct scscf *s, struct sip_msg *m, const struct sip_flow *flow);
/* answer.c */
extern const struct sip_proxy_ops scscf_answer_ops;

#endif
