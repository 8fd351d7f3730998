/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transaction: transactions and the response context of a proxy, for one worker.
 *
 * Decides   RFC 3261 9, 16, 17 with RFC 6026 (2xx to INVITE, strays are dropped) and RFC 4320 (no
 *           408 to a non-INVITE, nothing after timer F). Two timer profiles, the endpoint's.
 * Owns      every transaction, branch and proxy context: they end themselves. What a role may hold
 *           when they do: a struct handle (server), or it is told last (on_end of the others).
 * Threads   the loop's.
 * Errors    negative errno; a full table is answered with 503 and Retry-After, and counted.
 * Never     calls back from inside sip_proxy_* or sip_uac_send: what they cause comes later.
 *           Never forwards a response it has no transaction for (RFC 6026 7.3), or that comes from
 *           elsewhere than the request went.
 * Tests     tests/unit/common/transaction, tests/bench/common/transaction. */
#ifndef COMMON_TRANSACTION_TRANSACTION_H
#define COMMON_TRANSACTION_TRANSACTION_H

#include "common/transport/transport.h"

struct sip_layer;  /* transactions of one worker */
struct sip_server; /* a server transaction */
struct sip_client; /* a request of our own */
struct sip_proxy;  /* a request that is forwarded: one server transaction, one or more branches */
struct sip_branch;

/* ---- the layer ---- */

struct sip_layer_ops {
    /* A new request: everything but ACK, CANCEL and retransmissions. The role answers
     * (sip_server_reply, sip_server_reject) or forwards it (sip_proxy_new), now or later. s lives
     * until its final response was given; whoever waits for something else meanwhile keeps
     * sip_server_handle. m and flow are sip_server_request and sip_server_flow. */
    void (*on_request)(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx);
    /* An ACK for a 2xx: forward it with sip_forward_ack, or take it. m is borrowed. */
    void (*on_ack)(struct sip_msg *m, const struct sip_flow *flow, void *ctx);
    /* The INVITE s, which has no proxy context, was cancelled; the CANCEL has its 200 already.
     * NULL, or not answered from within: the layer answers s with 487. */
    void (*on_cancel)(struct sip_server *s, void *ctx);
    /* Whether an answer that came from `from` is of those who were asked: `asked` is how the request
     * went, `whom` the target's. A branch is no secret: every Via on the way is shown to the callee.
     * NULL = sip_flow_may_answer. */
    bool (*may_answer)(const struct sip_flow *asked, uint64_t whom, const struct sip_flow *from,
                       void *ctx);
    /* An answer of others than were asked was dropped. May be NULL. */
    void (*on_false_answer)(const struct sip_flow *from, void *ctx);
};

struct sip_layer_options {
    unsigned servers, clients; /* most transactions of each kind; default 100000 */
    bool trying_at_once;       /* 100 to an INVITE at once, not after 200 ms (RFC 3261 17.2.1) */
    uint64_t timer_c;          /* default 185 s; RFC 3261 16.6 step 11: more than 3 min */
    unsigned
        failover_t1; /* with a further target left, how many T1 to wait for a first response; 8 */
    unsigned retry_after; /* seconds, in our 503; default 5 */
};
extern const struct sip_layer_options sip_layer_options_default;

/* Takes the place of the transport's user. options: NULL = default. */
int sip_layer_new(struct sip_transport *t, const struct rnd *rnd,
                  const struct sip_layer_options *options, const struct sip_layer_ops *ops,
                  void *ctx, struct sip_layer **ret_layer);
/* Ends everything without a callback but on_end. */
void sip_layer_free(struct sip_layer *l);
struct sip_transport *sip_layer_transport(const struct sip_layer *l);
/* Transactions alive: for draining. */
size_t sip_layer_servers(const struct sip_layer *l);
size_t sip_layer_clients(const struct sip_layer *l);

/* ---- server transactions ---- */

/* For whoever answers after a callback: NULL when it has ended meanwhile (RFC 4320: a non-INVITE
 * waits 64*T1 for its answer, no longer). */
struct handle sip_server_handle(const struct sip_server *s);
struct sip_server *sip_server_find(const struct sip_layer *l, struct handle h);
/* The request and where it came from; NULL behind the final response, but a 2xx to an INVITE: there
 * is more to come when it was forked. */
struct sip_msg *sip_server_request(const struct sip_server *s);
const struct sip_flow *sip_server_flow(const struct sip_server *s);
/* The role's pointer. */
void sip_server_set_user(struct sip_server *s, void *user);
void *sip_server_user(const struct sip_server *s);
/* The To tag our own responses carry. */
struct span sip_server_tag(const struct sip_server *s);

/* A response of our own; phrase NULL = the usual one; extra = whole header lines with CRLF (also
 * Content-Type). A second one after a final: -EALREADY. */
int sip_server_reply(struct sip_server *s, unsigned status, const char *phrase, struct span extra,
                     struct span body);
/* Status, phrase and a Warning with the reason; status 0 ends the transaction without an answer. */
int sip_server_reject(struct sip_server *s, const struct sip_reject *reject);
/* A complete response, copied. A 2xx to an INVITE may be sent again (RFC 6026 7.1). */
int sip_server_send(struct sip_server *s, unsigned status, struct span response);

/* ---- proxy: the response context of RFC 3261 16 ---- */

/* What a proxy understands. */
struct sip_proxy_rules {
    unsigned schemes;              /* of a Request-URI: 1 << SIP_SCHEME_SIP, ... */
    const struct span *extensions; /* option tags in Proxy-Require */
    size_t n_extensions;
};
/* RFC 3261 16.3: the scheme (416), Max-Forwards (483), a request that has been here in the same words (482, RFC 5393
 * 4.2), Proxy-Require (420 with Unsupported). False: s was answered. */
bool sip_proxy_check(struct sip_server *s, const struct sip_proxy_rules *rules);

/* A response on its way upstream. */
struct sip_answer {
    struct sip_proxy *proxy;
    struct sip_branch *branch; /* NULL when the context made it: 408, 487, 503 */
    unsigned status;
    struct sip_msg *m;     /* NULL when the context made it */
    struct sip_edit *edit; /* our Via is gone already; NULL when m is */
    struct handle server;  /* of the request, for a later sip_server_find */
    /* Set by the role: send this instead. A final one in place of a provisional cancels the
     * branches. In place of a 2xx to an INVITE, the role has to ACK and BYE the callee
     * (common/dialog). */
    unsigned replace;
    const char *replace_phrase;
    struct span replace_extra; /* whole lines; copied when on_answer has returned (m->arena) */
};

enum sip_answer_verdict {
    SIP_ANSWER_PASS,
    /* Kept, and everything that comes after it, until sip_proxy_release. */
    SIP_ANSWER_HOLD,
    /* Not sent. For a final response: the role adds a branch or answers the server itself. */
    SIP_ANSWER_DROP,
};

struct sip_proxy_ops {
    /* Before a response goes upstream: 101-199 and 2xx as they come, then the best final (16.7 step
     * 6). Never 100. Called in order, one at a time: not while one is held. A retransmitted 2xx is
     * sent again as it was, without asking. NULL = all pass. */
    enum sip_answer_verdict (*on_answer)(struct sip_answer *a, void *ctx);
    /* A branch has ended with a final other than 2xx (m), or with 408 or 503 of our own (m = NULL,
     * after its last target). The role may add branches before the best is chosen. May be NULL. */
    void (*on_branch_failed)(struct sip_proxy *p, struct sip_branch *b, unsigned status,
                             struct sip_msg *m, void *ctx);
    /* The caller gave up; branches are being cancelled. May be NULL. */
    void (*on_cancel)(struct sip_proxy *p, void *ctx);
    /* Last call: p and its branches are gone after it. May be NULL. */
    void (*on_end)(struct sip_proxy *p, void *ctx);
};

/* One place to send the request to. */
struct sip_branch_options {
    struct sip_edit
        *edit; /* of the role, on sip_server_request; Via, received and Max-Forwards are added
                  and it is rendered within the call. NULL = no edits of the role. */
    const struct sip_target *targets; /* in the order to try, at most SIP_TARGETS_MAX; copied */
    size_t n_targets;
    unsigned q; /* 0-1000; equal ones are tried at once, lower ones after those have failed */
    uint64_t
        no_answer; /* cancel an INVITE branch that has no final after this long; 0 = timer C only */
};

/* s must have no final response yet. Max-Forwards 0: -ELOOP, and 483 was sent. */
int sip_proxy_new(struct sip_server *s, const struct sip_proxy_ops *ops, void *ctx,
                  struct sip_proxy **ret_proxy);
/* -EINVAL (no target), -EMSGSIZE, -ENOSPC (client table full: answer 503), -ENOMEM. Nothing is sent
 * before sip_proxy_start; a branch added later to a started context starts by its q. */
int sip_proxy_add(struct sip_proxy *p, const struct sip_branch_options *options,
                  struct sip_branch **ret_branch);
void sip_proxy_start(struct sip_proxy *p);
/* New, add one branch, start. When it fails the request is still the role's to answer (but for
 * -ELOOP). */
int sip_proxy_forward(struct sip_server *s, struct sip_edit *edit, const struct sip_target *targets,
                      size_t n_targets, const struct sip_proxy_ops *ops, void *ctx,
                      struct sip_proxy **ret_proxy);
/* The answer that is held, or NULL; its edit may be added to before the release. */
struct sip_answer *sip_proxy_held(struct sip_proxy *p);
/* PASS or DROP for the held answer; then on_answer goes on with what waited behind it. */
void sip_proxy_release(struct sip_proxy *p, enum sip_answer_verdict verdict);
/* Cancels every branch and answers with this once; held answers are dropped. */
void sip_proxy_abort(struct sip_proxy *p, unsigned status, const char *phrase, struct span extra);
/* The target in use, and the flow it went by. */
const struct sip_flow *sip_branch_flow(const struct sip_branch *b);

/* ---- without a transaction ---- */

/* An ACK for a 2xx, one hop on: adds Via (same branch for the same ACK), received, Max-Forwards. A
 * large one that cannot go by TCP goes by UDP. edit: NULL = none of the role. */
int sip_forward_ack(struct sip_layer *l, struct sip_msg *ack, const struct sip_flow *flow,
                    struct sip_edit *edit, const struct sip_target *target);
/* A response to a request that gets no transaction. */
int sip_reply_stateless(struct sip_layer *l, const struct sip_msg *request,
                        const struct sip_flow *flow, unsigned status, const char *phrase,
                        struct span extra);

/* ---- requests of our own ---- */

struct sip_client_ops {
    /* Every response but 100; for an INVITE also each 2xx that comes again. m is borrowed. */
    void (*on_response)(struct sip_client *c, struct sip_msg *m, void *ctx);
    /* No final response: 408 (timeout) or 503 (could not be sent; error says why), after the last
     * target. */
    void (*on_failed)(struct sip_client *c, unsigned status, int error, void *ctx);
    /* Last call; may be NULL. */
    void (*on_end)(struct sip_client *c, void *ctx);
};
/* request: complete but for the Via (sip_request_build with `via` empty), copied. ops is not copied;
 * NULL = fire and forget. -EINVAL, -ENOSPC, -ENOMEM; a failure to send is on_failed. ACK is sent
 * once without a transaction and *ret_client is NULL then; ret_client may be NULL. */
int sip_uac_send(struct sip_layer *l, struct span request, const struct sip_target *targets,
                 size_t n_targets, const struct sip_client_ops *ops, void *ctx,
                 struct sip_client **ret_client);
/* No callback follows; the transaction ends by itself. */
void sip_client_detach(struct sip_client *c);
/* Cancels an INVITE once it has a provisional response (RFC 3261 9.1); -EINVAL for others. */
int sip_client_cancel(struct sip_client *c);
const struct sip_flow *sip_client_flow(const struct sip_client *c);

/* ---- counters ---- */

#define SIP_LAYER_COUNTERS(X)                                                                      \
    X(requests, "new requests")                                                                    \
    X(request_retransmissions, "requests received again")                                          \
    X(responses, "responses matched to a transaction")                                             \
    X(response_strays, "responses without a transaction, dropped (RFC 6026 7.3)")                  \
    X(false_answers, "responses from others than were asked, dropped")                             \
    X(acks, "ACKs for a 2xx, given to the role")                                                   \
    X(ack_strays, "ACKs for a failure nobody waits for")                                           \
    X(cancels, "CANCELs matched")                                                                  \
    X(cancel_strays, "CANCELs without a transaction, answered 481")                                \
    X(refused_full, "requests answered 503: table full")                                           \
    X(refused_via, "requests answered 400: the Via is too long to be remembered")                  \
    X(dropped_answers, "provisional responses dropped: too many wait for the role")                \
    X(refused_memory, "requests answered 500 or dropped: out of memory")                           \
    X(retransmitted_requests, "requests sent again (timers A, E)")                                 \
    X(retransmitted_responses, "final responses sent again (timer G)")                             \
    X(timeouts, "client transactions without an answer (timers B, F)")                             \
    X(ack_timeouts, "failures nobody acknowledged (timer H)")                                      \
    X(answer_timeouts, "non-INVITE requests the role did not answer in time (RFC 4320)")           \
    X(timer_c, "INVITE branches given up by timer C")                                              \
    X(failovers, "requests sent to a further target (RFC 3263 4.3)")                               \
    X(transport_errors, "requests that could not be sent to any target")                           \
    X(answers_late, "answers for which no server transaction was left")                            \
    X(refused_events, "events the machines do not expect")

struct sip_layer_counters {
#define X(name, help) uint64_t name;
    SIP_LAYER_COUNTERS(X)
#undef X
};
const struct sip_layer_counters *sip_layer_counters(const struct sip_layer *l);

#endif
