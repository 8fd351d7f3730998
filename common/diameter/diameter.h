/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter: typed Diameter requests and answers, and the port that carries them.
 *
 * Decides   which AVPs an application's messages have, which answer belongs to which request, when
 *           a request has waited too long (RFC 6733; Rx TS 29.214; Gq TS 29.209 6.5
 *           Authorization-Token; QoS RFC 5866, RFC 5777).
 * Owns      the requests in flight and those not answered yet; both tables are bounded.
 * Threads   the loop's.
 * In, out   plain structs whose spans are borrowed: what is sent is copied before the call returns,
 *           what is received is valid until the callback returns.
 * Errors    0 or negative errno; a Result-Code is a value.
 * Never     blocks, resolves names, or gives a token to a log.
 * Twins     common/diameter/fd (freeDiameter in a child process) and common/diameter/sim.h (several
 *           nodes on one virtual clock).
 * Tests     tests/unit/common/diameter. */
#ifndef COMMON_DIAMETER_DIAMETER_H
#define COMMON_DIAMETER_DIAMETER_H

#include "common/base/base.h"
#include "common/loop/loop.h"

enum diameter_app {
    DIAMETER_APP_QOS = 9,       /* RFC 5866 */
    DIAMETER_APP_RX = 16777236, /* TS 29.214 */
};

/* Result-Code, and Experimental-Result-Code of vendor 10415. */
enum {
    DIAMETER_SUCCESS = 2001,
    DIAMETER_LIMITED_SUCCESS = 2002,
    DIAMETER_COMMAND_UNSUPPORTED = 3001,
    DIAMETER_UNABLE_TO_DELIVER = 3002,
    DIAMETER_TOO_BUSY = 3004,
    DIAMETER_APPLICATION_UNSUPPORTED = 3007,
    DIAMETER_AVP_UNSUPPORTED = 5001,
    DIAMETER_UNKNOWN_SESSION_ID = 5002,
    DIAMETER_AUTHORIZATION_REJECTED = 5003,
    DIAMETER_INVALID_AVP_VALUE = 5004,
    DIAMETER_MISSING_AVP = 5005,
    DIAMETER_RESOURCES_EXCEEDED = 5006,
    DIAMETER_CONTRADICTING_AVPS = 5007,
    DIAMETER_AVP_OCCURS_TOO_MANY_TIMES = 5009,
    DIAMETER_UNABLE_TO_COMPLY = 5012,
    DIAMETER_RX_INVALID_SERVICE_INFORMATION = 5061,
    DIAMETER_RX_FILTER_RESTRICTIONS = 5062,
    DIAMETER_RX_SERVICE_NOT_AUTHORIZED = 5063, /* REQUESTED_SERVICE_NOT_AUTHORIZED */
    DIAMETER_RX_DUPLICATED_AF_SESSION = 5064,
};

/* An AVP that may be absent; all zero = absent. */
struct diameter_u32 {
    bool set;
    uint32_t v;
};
#define DIAMETER_U32(value) ((struct diameter_u32){true, (value)})

/* ---- flows: RFC 6733 IPFilterRule as far as TS 29.214 5.3.8 allows, and RFC 5777 classifiers ----
 */

enum diameter_direction { DIAMETER_IN, DIAMETER_OUT, DIAMETER_BOTH }; /* in = from the terminal */

struct diameter_end {
    struct addr addr; /* family 0 = any address; port 0 = any port */
    uint8_t bits;     /* prefix length; 0 = the whole address */
};

struct diameter_flow {
    enum diameter_direction direction;
    uint8_t protocol; /* 17 UDP, 6 TCP; 0 = "ip", any */
    struct diameter_end from, to;
};

#define DIAMETER_FLOW_TEXT_MAX 160

/* "permit in 17 from 10.0.0.1 to 10.1.2.3 50001". */
void diameter_flow_put(struct buf *b, const struct diameter_flow *f);
/* -EINVAL for text that is no rule; -EOPNOTSUPP for a rule that 29.214 forbids (deny, "!",
 * "assigned", options, port lists and ranges): the answer to that is FILTER_RESTRICTIONS. */
int diameter_flow_parse(struct span text, struct diameter_flow *ret_flow);
/* Whether every packet of `inner` is one of `outer`. */
bool diameter_flow_covers(const struct diameter_flow *outer, const struct diameter_flow *inner);

/* ---- Rx (and Gq): service information ---- */

enum { RX_ENABLED_UPLINK, RX_ENABLED_DOWNLINK, RX_ENABLED, RX_DISABLED, RX_REMOVED };  /* 511 */
enum { RX_USAGE_NONE, RX_USAGE_RTCP, RX_USAGE_AF_SIGNALLING };                         /* 512 */
enum { RX_AUDIO, RX_VIDEO, RX_DATA, RX_APPLICATION, RX_CONTROL, RX_TEXT, RX_MESSAGE }; /* 520 */
#define RX_MEDIA_OTHER UINT32_MAX
enum { RX_FINAL, RX_PRELIMINARY }; /* Service-Info-Status 527 */
enum { RX_INITIAL, RX_UPDATE };    /* Rx-Request-Type 533 */
enum { RX_ID_E164, RX_ID_IMSI, RX_ID_SIP_URI, RX_ID_NAI, RX_ID_PRIVATE };    /* 450 */
enum { RX_BEARER_RELEASED, RX_NO_SERVER_RESOURCES, RX_NO_BEARER_RESOURCES }; /* Abort-Cause 500 */
enum { RX_LOSS_OF_BEARER = 2, RX_RECOVERY_OF_BEARER = 3, RX_RELEASE_OF_BEARER = 4 }; /* 513 */
enum {
    DIAMETER_LOGOUT = 1,
    DIAMETER_SERVICE_NOT_PROVIDED = 2,
    DIAMETER_ADMINISTRATIVE = 4,
    DIAMETER_LINK_BROKEN = 5,
    DIAMETER_SESSION_TIMEOUT = 8
}; /* Termination-Cause 295 */

enum {
    RX_COMPONENTS_MAX = 16, /* m= lines */
    RX_FLOWS_MAX = 4,       /* flows of one m= line */
    RX_SUBSCRIPTIONS_MAX = 4,
    RX_ACTIONS_MAX = 8,
    QOS_FILTERS_MAX = 64,
};

struct rx_flow {         /* Media-Sub-Component 519: both directions of one flow */
    uint32_t number;     /* from 1 inside the m= line, by increasing port: RTP 1, RTCP 2 */
    struct span in, out; /* Flow-Description as text, one a direction; p NULL = none */
    struct diameter_u32 status, usage, bandwidth_ul, bandwidth_dl;
};

struct rx_component { /* Media-Component-Description 517 */
    uint32_t number;  /* ordinal of the m= line from 1; 0 = AF signalling */
    struct diameter_u32 media_type, status;
    struct diameter_u32 bandwidth_ul, bandwidth_dl; /* bit/s with IP, UDP and RTP headers */
    struct diameter_u32 rs_bandwidth, rr_bandwidth; /* bit/s */
    struct span codec[2]; /* Codec-Data: "uplink\noffer\nm=audio ...\na=...\n"; p NULL = none */
    size_t n_flows;
    struct rx_flow flows[RX_FLOWS_MAX];
};

struct rx_subscription {
    uint32_t type; /* RX_ID_... */
    struct span data;
};

struct rx_aar {
    struct span charging_id;          /* AF-Charging-Identifier: the ICID */
    struct span application;          /* AF-Application-Identifier */
    struct addr framed_ip;            /* Framed-IP-Address, or Framed-IPv6-Prefix of framed_bits */
    uint8_t framed_bits;              /* prefix length of IPv6; 0 = 128. Ignored for IPv4 */
    struct span service_urn;          /* "sos" without "urn:service:" */
    struct diameter_u32 info_status;  /* RX_FINAL when absent */
    struct diameter_u32 request_type; /* RX_INITIAL, RX_UPDATE */
    struct diameter_u32 forking;      /* SIP-Forking-Indication: 1 = several dialogues */
    size_t n_subscriptions, n_actions, n_components;
    struct rx_subscription subscriptions[RX_SUBSCRIPTIONS_MAX];
    uint32_t actions[RX_ACTIONS_MAX]; /* Specific-Action */
    struct rx_component components[RX_COMPONENTS_MAX];
};

struct rx_aaa {
    struct span token; /* Authorization-Token, the RFC 3520 element: a secret; empty = none */
    struct diameter_u32 lifetime; /* Authorization-Lifetime, seconds */
    /* Acceptable-Service-Info, with a refusal. */
    struct diameter_u32 acceptable_ul, acceptable_dl;
    size_t n_acceptable;
    struct rx_component acceptable[RX_COMPONENTS_MAX];
};

/* ---- QoS (RFC 5866) ---- */

enum { QOS_DROP, QOS_SHAPE, QOS_MARK, QOS_PERMIT };                              /* 572 */
enum { QOS_DESIRED, QOS_AVAILABLE, QOS_DELIVERED, QOS_MINIMUM, QOS_AUTHORIZED }; /* 575 */

#define QOS_BANDWIDTH_BAD UINT64_MAX

struct qos_filter { /* Filter-Rule 509 with one classifier */
    struct span id; /* Classifier-ID: "component.flow", as in Rx: "1.1" is RTP of m= 1 */
    struct diameter_flow flow;
    struct diameter_u32 action, semantics;
    /* bit/s (Bandwidth 502 in QoS-Parameters). 0 = not given: a Bandwidth of less than that, or of
     * nothing at all, is read as 1. QOS_BANDWIDTH_BAD = given, and no number. */
    uint64_t bandwidth;
};

struct qos_qar {
    struct span token; /* QoS-Authorization-Data: the RFC 3520 element: a secret */
    struct span user_name, bound_session; /* Bound-Auth-Session-Id */
    size_t n_filters;
    struct qos_filter filters[QOS_FILTERS_MAX];
};

struct qos_qaa {
    struct diameter_u32 session_timeout, lifetime, grace; /* seconds */
    size_t n_filters;
    struct qos_filter filters[QOS_FILTERS_MAX];
};

/* ---- messages ---- */

enum diameter_kind {
    DIAMETER_AA = 1, /* Rx AAR/AAA: aar, aaa */
    DIAMETER_QA,     /* QoS QAR/QAA: qar, qaa */
    DIAMETER_ST,     /* STR/STA of either application: st */
    DIAMETER_AS,     /* ASR/ASA of either application: as */
    DIAMETER_RA,     /* RAR/RAA of either application: ra */
};

struct diameter_request {
    enum diameter_kind kind;
    enum diameter_app app;
    struct span session_id;                /* see diameter_session_id */
    struct span destination_host;          /* empty = any node of the realm */
    struct span destination_realm;         /* empty = our own realm */
    struct span origin_host, origin_realm; /* of a received request; ignored when sending */
    /* Likewise: Origin-State-Id. One that is greater than before: the sender has lost its sessions. Ours is
     * the time of our start, unless our sessions outlive us (RFC 6733 8.16). */
    struct diameter_u32 origin_state;
    union {
        struct rx_aar aar;
        struct qos_qar qar;
        struct {
            uint32_t cause; /* Termination-Cause */
        } st;
        struct {
            struct diameter_u32 cause; /* Abort-Cause (Rx) */
        } as;
        struct {
            size_t n_actions; /* Specific-Action (Rx) */
            uint32_t actions[RX_ACTIONS_MAX];
            struct diameter_u32 cause; /* Abort-Cause (Rx) */
        } ra;
    };
};

struct diameter_answer {
    enum diameter_kind kind;   /* set by the port when answering */
    enum diameter_app app;     /* likewise */
    uint32_t result;           /* Result-Code; 0 when `experimental` says it */
    uint32_t experimental;     /* Experimental-Result-Code of vendor 10415, or 0 */
    struct span error_message; /* Error-Message; may be empty */
    struct span
        failed; /* octets of the AVPs in Failed-AVP; the port writes it, for what it refuses */
    struct span session_id, origin_host, origin_realm; /* of a received answer */
    union {
        struct rx_aaa aaa;
        struct qos_qaa qaa;
    };
};

static inline bool diameter_ok(const struct diameter_answer *a)
{
    return a->result >= 2000 && a->result < 3000;
}

/* For logs and tests: "REQUESTED_SERVICE_NOT_AUTHORIZED". */
const char *diameter_result_name(const struct diameter_answer *a);

/* ---- the port ---- */

struct diameter;

void diameter_free(struct diameter *d);

/* A new Session-Id, "<identity>;<high>;<low>;<suffix>", into dst (RFC 6733 8.8). */
void diameter_session_id(struct diameter *d, const char *suffix, struct buf *dst);

/* error: 0 with the answer; -ETIMEDOUT; -ENOTCONN (no peer serves that realm or host);
 * -ECONNRESET (the adapter's process or the peer died with the request); -EBADMSG (the answer
 * cannot be understood). With an error, ans is NULL. */
typedef void diameter_done_fn(void *ctx, int error, const struct diameter_answer *ans);

/* Sends a request. `deadline` is an instant of the loop (loop_now + ...): then done gets -ETIMEDOUT
 * and a later answer is dropped. done is called exactly once, never before this call returns,
 * unless the call fails: -EBUSY with as many in flight as the configuration allows, -ENOTCONN
 * without any peer, -EMSGSIZE, -EINVAL. ret_call may be NULL. */
int diameter_send(struct diameter *d, const struct diameter_request *req, uint64_t deadline,
                  diameter_done_fn *done, void *ctx, struct handle *ret_call);
/* Forgets a request: done is not called any more. Fine on one that is gone. */
void diameter_cancel(struct diameter *d, struct handle call);

/* Registers who answers requests of an application. Requests of others get 3007; beyond the
 * configured number of unanswered ones, 3004. */
typedef void diameter_request_fn(void *ctx, struct handle request,
                                 const struct diameter_request *req);
int diameter_serve(struct diameter *d, enum diameter_app app, diameter_request_fn *on_request,
                   void *ctx);
/* Answers at once or later. -ESTALE when the request is gone (the adapter restarted; it was
 * answered; it waited longer than 30 s). */
int diameter_answer(struct diameter *d, struct handle request, const struct diameter_answer *ans);

/* A peer's connection opened or closed. */
typedef void diameter_peer_fn(void *ctx, struct span host, bool up);
void diameter_on_peer(struct diameter *d, diameter_peer_fn *on_peer, void *ctx);
/* host empty: any peer. */
bool diameter_peer_up(const struct diameter *d, struct span host);
/* Calls visit for each peer that was ever up. */
void diameter_peer_each(const struct diameter *d, diameter_peer_fn *visit, void *ctx);

struct diameter_stats {
    uint64_t sent, answered, timeouts, failed, refused_busy, late;
    uint64_t received, replied, received_bad, received_busy;
    uint64_t restarts; /* of the adapter's process */
    uint32_t in_flight, unanswered;
};
void diameter_stats_get(const struct diameter *d, struct diameter_stats *ret_stats);

#endif
