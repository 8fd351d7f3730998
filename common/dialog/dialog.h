/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/dialog: dialogs as somebody in the middle sees them, and requests of our own in them.
 *
 * Decides   RFC 3261 12 for a proxy that stays in the path: which dialog a message belongs to,
 *           from which side, its state, both route sets, targets and CSeqs, so that the network
 *           can end it.
 * Owns      its dialogs; a call that was terminated stays 64*T1 for what is still under way.
 * Threads   the loop's.
 * Errors    negative errno; -ENOSPC at the bound.
 * Never     sends, but for sip_dialog_send, _release and _turn_down.
 * Tests     tests/unit/common/dialog. */
#ifndef COMMON_DIALOG_DIALOG_H
#define COMMON_DIALOG_DIALOG_H

#include "common/transaction/transaction.h"

struct sip_dialogs;
struct sip_dialog;

/* A P-CSCF that serves caller and callee sees one dialog twice: the leg tells them apart. */
enum sip_leg { SIP_LEG_ORIGINATING, SIP_LEG_TERMINATING, SIP_LEG_THROUGH };

enum sip_dialog_state { SIP_DIALOG_EARLY, SIP_DIALOG_CONFIRMED, SIP_DIALOG_TERMINATED };

/* The caller sent the request that made the dialog. */
enum sip_side { SIP_CALLER, SIP_CALLEE };
static inline enum sip_side sip_side_other(enum sip_side s)
{
    return s == SIP_CALLER ? SIP_CALLEE : SIP_CALLER;
}

struct sip_dialogs_options {
    unsigned limit;  /* dialogs; default 100000 */
    uint64_t early;  /* an early dialog without news ends after this; default 200 s */
    uint64_t linger; /* default 64*T1 = 32 s; 128 s towards phones with UE timers */
};
extern const struct sip_dialogs_options sip_dialogs_options_default;

struct sip_dialogs_ops {
    /* Last call for d: it was terminated and has lingered, or an early one was never answered. */
    void (*on_end)(struct sip_dialog *d, void *ctx);
};

int sip_dialogs_new(struct loop *l, const struct rnd *rnd,
                    const struct sip_dialogs_options *options, const struct sip_dialogs_ops *ops,
                    void *ctx, struct sip_dialogs **ret_dialogs);
/* No callback. */
void sip_dialogs_free(struct sip_dialogs *ds);
size_t sip_dialogs_count(const struct sip_dialogs *ds);

/* What the middle knows about each side. */
struct sip_dialog_side {
    struct span tag;
    struct span uri;       /* whole From or To value without its tag */
    struct span contact;   /* remote target: URI of its Contact */
    struct span routes;    /* Route value, comma list, from us towards this side; empty = none */
    struct sip_target hop; /* the role's: how this side is reached from here; no address = by its
                              routes or contact, from this endpoint; no endpoint = not at all */
    uint32_t cseq;         /* highest it has used; 0 = none yet */
};

/* Forks of one INVITE a role keeps dialogs of; whoever calls more phones than that has tags made
 * up. */
#define SIP_DIALOG_FORKS_MAX 10

/* A request and a response with a To tag, 101-299, make a dialog; the same pair again finds it. The
 * route sets: towards the caller the Record-Routes of `request` as it was received, towards the
 * callee those of `response` above `own_routes`, the number of Record-Route values we put in (2
 * with RFC 5658). A 2xx confirms. -EINVAL (no tag, or another method than INVITE, SUBSCRIBE,
 * REFER), -ENOSPC (early dialogs get half of the room, so that calls can be answered), -ENOMEM. */
int sip_dialog_open(struct sip_dialogs *ds, enum sip_leg leg, const struct sip_msg *request,
                    const struct sip_msg *response, unsigned own_routes,
                    struct sip_dialog **ret_dialog);
/* Which dialog a message is in, and which side sent it; NULL when in none. Terminated ones are
 * found too, until they have lingered. ret_from may be NULL. */
struct sip_dialog *sip_dialog_find(const struct sip_dialogs *ds, enum sip_leg leg,
                                   const struct sip_msg *m, enum sip_side *ret_from);
/* A request from `from` is about to be forwarded: notes CSeq; a BYE terminates (2xx or not, RFC
 * 3261 15.1.1), but for an early dialog: whether there is a call is what the INVITE's answer says.
 * -EBADMSG when its CSeq is not higher than the last one (500 by 12.2.2); ACK and CANCEL are not
 * counted. -EPERM: BYE of the callee before it has answered (15). */
int sip_dialog_on_request(struct sip_dialog *d, enum sip_side from, const struct sip_msg *request);
/* Whether this final status of a request inside the dialog says that the other side does not know
 * the call any more, or is not there (RFC 3261 12.2.1.2): the role releases or terminates it then.
 * An early dialog is never lost: its INVITE decides. */
bool sip_dialog_is_lost(const struct sip_dialog *d, enum sip_method request, unsigned status);
/* A response to a request that `requester` sent inside the dialog: a 2xx to INVITE or UPDATE moves
 * the remote targets (12.2.1.2). */
int sip_dialog_on_response(struct sip_dialog *d, enum sip_side requester,
                           const struct sip_msg *request, const struct sip_msg *response);
/* A confirmed one lingers; an early one ends with this turn. */
void sip_dialog_terminate(struct sip_dialog *d);

enum sip_dialog_state sip_dialog_state(const struct sip_dialog *d);
const struct sip_dialog_side *sip_dialog_side(const struct sip_dialog *d, enum sip_side side);
/* Requests of our own to that side leave from here, and go by its route set or remote target (RFC
 * 3261 12.2.1.1). */
void sip_dialog_set_endpoint(struct sip_dialog *d, enum sip_side side, struct sip_endpoint *from);
/* They go here instead, whatever the route set says: a phone has no other way than its SA set.
 * NULL = it cannot be reached. */
void sip_dialog_set_hop(struct sip_dialog *d, enum sip_side side, const struct sip_target *hop);
void sip_dialog_set_user(struct sip_dialog *d, void *user);
void *sip_dialog_user(const struct sip_dialog *d);
struct handle sip_dialog_handle(const struct sip_dialog *d);
struct sip_dialog *sip_dialog_by_handle(const struct sip_dialogs *ds, struct handle h);

/* A request of our own to that side, as if the other side had sent it: its next CSeq, route set,
 * target. extra: whole header lines (Reason). -EINVAL before the dialog has a target there,
 * -EMSGSIZE. ACK takes the CSeq of the INVITE. */
int sip_dialog_request(struct sip_dialog *d, enum sip_side to, enum sip_method method,
                       struct span extra, struct span body, struct buf *out);
/* The same, sent to that side; nobody waits for an answer. reason: value of a Reason header (RFC
 * 3326); empty = none. -ENOTCONN when it cannot be reached; 0 also while a name is looked up. */
int sip_dialog_send(struct sip_dialog *d, struct sip_layer *l, enum sip_side to,
                    enum sip_method method, struct span reason);
/* BYE to both sides of a confirmed dialog through the layer, and terminate; what cannot be sent is
 * skipped: the dialog ends all the same. (An early one is ended by sip_proxy_abort.) Returns how
 * many were sent. */
unsigned sip_dialog_release(struct sip_dialog *d, struct sip_layer *l, struct span reason);
/* The callee has answered, and the caller is not told: ACK and BYE to the callee (RFC 3261
 * 13.2.2.4), and terminate. */
void sip_dialog_turn_down(struct sip_dialog *d, struct sip_layer *l, struct span reason);

#endif
