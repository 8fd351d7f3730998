/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/core: an S-CSCF in one object: its port, its rooms, and the way of every request through
 *             them.
 *
 * Decides   TS 24.229 5.4: which half a request runs (both, within one transaction, when caller and
 *           callee are ours), who may call (403), where a callee is (404, 480), that the S-CSCF
 *           stays in the path, and when a call that nobody ends is ended.
 * Owns      transport, transactions, dialogs, registrar, calls. Network, loop, subscribers and the
 *           spool of records are given.
 * Threads   the loop's.
 * Never     reads configuration, logs: the program does (main.c); looks into bodies but for
 *           media: in offers of users whose profile restricts them, in answers for the record.
 * Tests     tests/unit/scscf/core, tests/flow/scscf. */
#ifndef SCSCF_CORE_CORE_H
#define SCSCF_CORE_CORE_H

#include "common/dialog/dialog.h"
#include "scscf/call/call.h"
#include "scscf/registrar/registrar.h"

struct scscf;

struct scscf_options {
    struct addr local;            /* UDP and TCP, towards P-CSCFs and other S-CSCFs */
    const struct addr_net *allow; /* who is trusted there; must outlive the scscf */
    size_t n_allow;               /* 0 = anyone */
    const struct span *domains;   /* home domains; the first is the realm and the network's name */
    size_t n_domains;
    const struct span *hosts; /* names of this server besides its address */
    size_t n_hosts;
    struct registrar_options registrar; /* realm, service_route NULL: from domains and local */
    struct sip_transport_options transport;
    struct sip_layer_options layer;
    size_t calls;       /* halves of calls at a time, those waiting for the disk included */
    uint64_t call_max;  /* microseconds after the answer a call is ended; 0 = never */
    uint64_t ring_max;  /* microseconds a phone may ring; 0 = as long as it says so */
    bool event_records; /* a record for each MESSAGE */
};
extern const struct scscf_options scscf_options_default;

/* What happens to a call or request, for log and recorder. */
enum scscf_event {
    SCSCF_CALL_STARTED,
    SCSCF_CALL_ANSWERED,
    SCSCF_CALL_ENDED,   /* after an answer */
    SCSCF_CALL_FAILED,  /* without one */
    SCSCF_CALL_ORPHANED /* ended by us: session timer, longest duration, dialog lost */
};
const char *scscf_event_name(enum scscf_event event);

struct scscf_note {
    struct span call_id, icid, from, to;
    unsigned status;
    const char *reason; /* static; "" = none */
};

struct scscf_env {
    struct loop *loop;
    struct net *net;
    const struct rnd *rnd;
    struct auth *auth;
    struct subscribers *subscribers;
    struct charging_spool *spool; /* freed before the scscf is: calls wait for it */
    void (*on_call)(void *ctx, enum scscf_event event, const struct scscf_note *note);
    void (*on_register)(void *ctx, enum registrar_event event, struct span impi,
                        struct span detail);
    void (*on_bad)(void *ctx, const struct sip_flow *flow, const struct sip_reject *reject);
    void (*on_stranger)(void *ctx, const struct sip_flow *flow);
    void (*on_false_answer)(void *ctx, const struct sip_flow *from); /* others were asked */
    void *ctx;
};

/* -EADDRINUSE, -EADDRNOTAVAIL, -EACCES: the port; -EINVAL options; -ENOMEM. Spans are copied. */
int scscf_new(const struct scscf_env *env, const struct scscf_options *options,
              struct scscf **ret_scscf);
/* No new calls, messages or registrations from now on (503); what runs goes on. */
void scscf_drain(struct scscf *s);
/* Is this host of an identity a home domain of ours? */
bool scscf_is_home(const struct scscf *s, struct span host);
/* True when no transaction and no call is alive and every record is on the disk. */
bool scscf_is_idle(const struct scscf *s);
/* Ends every call without a word to the phones: the records say that their end was not seen. Then
 * free the spool, which writes them, then the scscf. */
void scscf_close_calls(struct scscf *s);
void scscf_free(struct scscf *s);

#define SCSCF_COUNTERS(X)                                                                          \
    X(requests, "requests other than REGISTER")                                                    \
    X(originating, "requests that ran the originating half")                                       \
    X(terminating, "requests that ran the terminating half")                                       \
    X(in_dialog, "requests inside a dialog")                                                       \
    X(refused_malformed, "refused: 400, 416, 420, 482, 483")                                       \
    X(refused_caller, "refused 403: the caller is not registered here")                            \
    X(refused_barred, "refused 403 or 603: barred")                                                \
    X(refused_media, "refused 488: media the service profile does not allow")                      \
    X(refused_unknown, "refused 404: nobody by that name")                                         \
    X(refused_unregistered, "refused 480: the callee is not registered")                           \
    X(refused_busy, "refused 503: draining, at a bound, or records cannot be written")             \
    X(refused_dialog, "refused 403, 481 or 500: no such dialog, early BYE, CSeq")                  \
    X(refused_event, "refused 489: subscriptions to registration state")                           \
    X(refused_route, "refused 504: no next hop")                                                   \
    X(dropped_forks, "responses dropped: of one phone more than a call may have")                  \
    X(ended_lost, "calls ended: a party knew of no such dialog (481, 408)")                        \
    X(ended_session_timer, "calls ended: session timer (RFC 4028)")                                \
    X(ended_duration, "calls ended: longest duration")

struct scscf_counters {
#define X(name, help) uint64_t name;
    SCSCF_COUNTERS(X)
#undef X
};
const struct scscf_counters *scscf_counters(const struct scscf *s);

struct sip_transport *scscf_transport(struct scscf *s);
struct sip_layer *scscf_layer(struct scscf *s);
struct registrar *scscf_registrar(struct scscf *s);
struct calls *scscf_calls(struct scscf *s);
size_t scscf_dialogs(const struct scscf *s);

#endif
