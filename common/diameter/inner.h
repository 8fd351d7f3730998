/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter, inside: the AVP table, the codec, and what both twins share. Not for other
 * rooms. */
#ifndef COMMON_DIAMETER_INNER_H
#define COMMON_DIAMETER_INNER_H

#include "common/diameter/diameter.h"

/* ---- AVPs: one table for encoder, decoder, walker and freeDiameter's dictionary ---- */

enum { DIAMETER_MESSAGE_MAX = 32768, DIAMETER_HEAD = 20, DIAMETER_VENDOR_3GPP = 10415 };

enum avp_type {
    AVP_OCTETS,
    AVP_UTF8,
    AVP_IDENTITY,
    AVP_RULE,
    AVP_ADDRESS,
    AVP_TIME,
    AVP_U32,
    AVP_I32,
    AVP_ENUM,
    AVP_U64,
    AVP_F32,
    AVP_GROUP
};

/* Sorted by vendor and code. name in the specification, type, M bit. */
#define AVP_TABLE(X)                                                                               \
    X(USER_NAME, 0, 1, "User-Name", UTF8, 1)                                                       \
    X(FRAMED_IP_ADDRESS, 0, 8, "Framed-IP-Address", OCTETS, 1)                                     \
    X(CLASS, 0, 25, "Class", OCTETS, 1)                                                            \
    X(SESSION_TIMEOUT, 0, 27, "Session-Timeout", U32, 1)                                           \
    X(CALLED_STATION_ID, 0, 30, "Called-Station-Id", UTF8, 1)                                      \
    X(PROXY_STATE, 0, 33, "Proxy-State", OCTETS, 1)                                                \
    X(EVENT_TIMESTAMP, 0, 55, "Event-Timestamp", TIME, 1)                                          \
    X(FRAMED_IPV6_PREFIX, 0, 97, "Framed-IPv6-Prefix", OCTETS, 1)                                  \
    X(HOST_IP_ADDRESS, 0, 257, "Host-IP-Address", ADDRESS, 1)                                      \
    X(AUTH_APPLICATION_ID, 0, 258, "Auth-Application-Id", U32, 1)                                  \
    X(ACCT_APPLICATION_ID, 0, 259, "Acct-Application-Id", U32, 1)                                  \
    X(VENDOR_SPECIFIC_APPLICATION_ID, 0, 260, "Vendor-Specific-Application-Id", GROUP, 1)          \
    X(SESSION_ID, 0, 263, "Session-Id", UTF8, 1)                                                   \
    X(ORIGIN_HOST, 0, 264, "Origin-Host", IDENTITY, 1)                                             \
    X(SUPPORTED_VENDOR_ID, 0, 265, "Supported-Vendor-Id", U32, 1)                                  \
    X(VENDOR_ID, 0, 266, "Vendor-Id", U32, 1)                                                      \
    X(FIRMWARE_REVISION, 0, 267, "Firmware-Revision", U32, 0)                                      \
    X(RESULT_CODE, 0, 268, "Result-Code", U32, 1)                                                  \
    X(PRODUCT_NAME, 0, 269, "Product-Name", UTF8, 0)                                               \
    X(DISCONNECT_CAUSE, 0, 273, "Disconnect-Cause", ENUM, 1)                                       \
    X(AUTH_REQUEST_TYPE, 0, 274, "Auth-Request-Type", ENUM, 1)                                     \
    X(AUTH_GRACE_PERIOD, 0, 276, "Auth-Grace-Period", U32, 1)                                      \
    X(AUTH_SESSION_STATE, 0, 277, "Auth-Session-State", ENUM, 1)                                   \
    X(ORIGIN_STATE_ID, 0, 278, "Origin-State-Id", U32, 1)                                          \
    X(FAILED_AVP, 0, 279, "Failed-AVP", GROUP, 1)                                                  \
    X(PROXY_HOST, 0, 280, "Proxy-Host", IDENTITY, 1)                                               \
    X(ERROR_MESSAGE, 0, 281, "Error-Message", UTF8, 0)                                             \
    X(ROUTE_RECORD, 0, 282, "Route-Record", IDENTITY, 1)                                           \
    X(DESTINATION_REALM, 0, 283, "Destination-Realm", IDENTITY, 1)                                 \
    X(PROXY_INFO, 0, 284, "Proxy-Info", GROUP, 1)                                                  \
    X(RE_AUTH_REQUEST_TYPE, 0, 285, "Re-Auth-Request-Type", ENUM, 1)                               \
    X(AUTHORIZATION_LIFETIME, 0, 291, "Authorization-Lifetime", U32, 1)                            \
    X(DESTINATION_HOST, 0, 293, "Destination-Host", IDENTITY, 1)                                   \
    X(ERROR_REPORTING_HOST, 0, 294, "Error-Reporting-Host", IDENTITY, 0)                           \
    X(TERMINATION_CAUSE, 0, 295, "Termination-Cause", ENUM, 1)                                     \
    X(ORIGIN_REALM, 0, 296, "Origin-Realm", IDENTITY, 1)                                           \
    X(EXPERIMENTAL_RESULT, 0, 297, "Experimental-Result", GROUP, 1)                                \
    X(EXPERIMENTAL_RESULT_CODE, 0, 298, "Experimental-Result-Code", U32, 1)                        \
    X(INBAND_SECURITY_ID, 0, 299, "Inband-Security-Id", U32, 1)                                    \
    X(SUBSCRIPTION_ID, 0, 443, "Subscription-Id", GROUP, 1)                                        \
    X(SUBSCRIPTION_ID_DATA, 0, 444, "Subscription-Id-Data", UTF8, 1)                               \
    X(SUBSCRIPTION_ID_TYPE, 0, 450, "Subscription-Id-Type", ENUM, 1)                               \
    X(BANDWIDTH, 0, 502, "Bandwidth", F32, 1)                                                      \
    X(QOS_RESOURCES, 0, 508, "QoS-Resources", GROUP, 1)                                            \
    X(FILTER_RULE, 0, 509, "Filter-Rule", GROUP, 1)                                                \
    X(FILTER_RULE_PRECEDENCE, 0, 510, "Filter-Rule-Precedence", U32, 1)                            \
    X(CLASSIFIER, 0, 511, "Classifier", GROUP, 1)                                                  \
    X(CLASSIFIER_ID, 0, 512, "Classifier-ID", OCTETS, 1)                                           \
    X(PROTOCOL, 0, 513, "Protocol", ENUM, 1)                                                       \
    X(DIRECTION, 0, 514, "Direction", ENUM, 1)                                                     \
    X(FROM_SPEC, 0, 515, "From-Spec", GROUP, 1)                                                    \
    X(TO_SPEC, 0, 516, "To-Spec", GROUP, 1)                                                        \
    X(NEGATED, 0, 517, "Negated", ENUM, 1)                                                         \
    X(IP_ADDRESS, 0, 518, "IP-Address", ADDRESS, 1)                                                \
    X(IP_ADDRESS_MASK, 0, 522, "IP-Address-Mask", GROUP, 1)                                        \
    X(IP_BIT_MASK_WIDTH, 0, 523, "IP-Bit-Mask-Width", U32, 1)                                      \
    X(PORT, 0, 530, "Port", I32, 1)                                                                \
    X(TREATMENT_ACTION, 0, 572, "Treatment-Action", ENUM, 1)                                       \
    X(QOS_PROFILE_ID, 0, 573, "QoS-Profile-Id", U32, 1)                                            \
    X(QOS_PROFILE_TEMPLATE, 0, 574, "QoS-Profile-Template", GROUP, 1)                              \
    X(QOS_SEMANTICS, 0, 575, "QoS-Semantics", ENUM, 1)                                             \
    X(QOS_PARAMETERS, 0, 576, "QoS-Parameters", GROUP, 1)                                          \
    X(QOS_AUTHORIZATION_DATA, 0, 579, "QoS-Authorization-Data", OCTETS, 1)                         \
    X(BOUND_AUTH_SESSION_ID, 0, 580, "Bound-Auth-Session-Id", UTF8, 1)                             \
    X(ABORT_CAUSE, 10415, 500, "Abort-Cause", ENUM, 1)                                             \
    X(AF_APPLICATION_IDENTIFIER, 10415, 504, "AF-Application-Identifier", OCTETS, 1)               \
    X(AF_CHARGING_IDENTIFIER, 10415, 505, "AF-Charging-Identifier", OCTETS, 1)                     \
    X(AUTHORIZATION_TOKEN, 10415, 506, "Authorization-Token", OCTETS, 1)                           \
    X(FLOW_DESCRIPTION, 10415, 507, "Flow-Description", RULE, 1)                                   \
    X(FLOW_NUMBER, 10415, 509, "Flow-Number", U32, 1)                                              \
    X(FLOWS, 10415, 510, "Flows", GROUP, 1)                                                        \
    X(FLOW_STATUS, 10415, 511, "Flow-Status", ENUM, 1)                                             \
    X(FLOW_USAGE, 10415, 512, "Flow-Usage", ENUM, 1)                                               \
    X(SPECIFIC_ACTION, 10415, 513, "Specific-Action", ENUM, 1)                                     \
    X(MAX_BANDWIDTH_DL, 10415, 515, "Max-Requested-Bandwidth-DL", U32, 1)                          \
    X(MAX_BANDWIDTH_UL, 10415, 516, "Max-Requested-Bandwidth-UL", U32, 1)                          \
    X(MEDIA_COMPONENT_DESCRIPTION, 10415, 517, "Media-Component-Description", GROUP, 1)            \
    X(MEDIA_COMPONENT_NUMBER, 10415, 518, "Media-Component-Number", U32, 1)                        \
    X(MEDIA_SUB_COMPONENT, 10415, 519, "Media-Sub-Component", GROUP, 1)                            \
    X(MEDIA_TYPE, 10415, 520, "Media-Type", ENUM, 1)                                               \
    X(RR_BANDWIDTH, 10415, 521, "RR-Bandwidth", U32, 1)                                            \
    X(RS_BANDWIDTH, 10415, 522, "RS-Bandwidth", U32, 1)                                            \
    X(SIP_FORKING_INDICATION, 10415, 523, "SIP-Forking-Indication", ENUM, 1)                       \
    X(CODEC_DATA, 10415, 524, "Codec-Data", OCTETS, 1)                                             \
    X(SERVICE_URN, 10415, 525, "Service-URN", OCTETS, 1)                                           \
    X(ACCEPTABLE_SERVICE_INFO, 10415, 526, "Acceptable-Service-Info", GROUP, 1)                    \
    X(SERVICE_INFO_STATUS, 10415, 527, "Service-Info-Status", ENUM, 1)                             \
    X(RX_REQUEST_TYPE, 10415, 533, "Rx-Request-Type", ENUM, 0)                                     \
    X(SUPPORTED_FEATURES, 10415, 628, "Supported-Features", GROUP, 0)                              \
    X(FEATURE_LIST_ID, 10415, 629, "Feature-List-ID", U32, 0)                                      \
    X(FEATURE_LIST, 10415, 630, "Feature-List", U32, 0)                                            \
    X(IP_CAN_TYPE, 10415, 1027, "IP-CAN-Type", ENUM, 1)                                            \
    X(RAT_TYPE, 10415, 1032, "RAT-Type", ENUM, 0)

#define X(id, vendor, code, name, type, mandatory) A_##id,
enum avp_id { AVP_TABLE(X) AVP_COUNT };
#undef X

struct avp_def {
    uint32_t vendor, code;
    const char *name;
    enum avp_type type;
    bool mandatory;
};
extern const struct avp_def avp_defs[AVP_COUNT];

/* AVP_COUNT for one that is not ours. */
enum avp_id avp_find(uint32_t vendor, uint32_t code);

/* ---- the walker: what a message must be before any library parses it ---- */

/* NULL, or why the octets are no Diameter message: a length, padding, depth, a number of the wrong
 * size, an identity that is empty or holds NUL, R and E at once. */
const char *diameter_raw_check(struct span message);

struct diameter_head {
    uint32_t code, app;
    bool request, error;
};
/* Of a message of at least DIAMETER_HEAD octets. */
struct diameter_head diameter_head_of(struct span message);

/* ---- reading ---- */

struct avp {
    enum avp_id id;
    struct span whole; /* with header and padding */
    struct span value;
};

/* Cuts the next AVP off *rest; false at the end, or with *ret_bad set. */
bool avp_next(struct span *rest, struct avp *ret_avp, bool *ret_bad);
uint32_t avp_read_u32(struct span value); /* 0 for a wrong size */
bool avp_is_mandatory(const struct avp *a);
/* The first of that kind at the top of a message; false when there is none. */
bool diameter_top_find(struct span message, enum avp_id id, struct span *ret_value);

/* ---- writing ---- */

struct avp_writer {
    uint8_t *p;
    size_t n, cap;
    bool overflow;
};

void avp_put(struct avp_writer *w, enum avp_id id, struct span value);
void avp_put_u32(struct avp_writer *w, enum avp_id id, uint32_t v);
void avp_put_f32(struct avp_writer *w, enum avp_id id, float v);
/* Octets that are AVPs already. */
void avp_put_raw(struct avp_writer *w, struct span avps);
size_t avp_open(struct avp_writer *w, enum avp_id group);
void avp_close(struct avp_writer *w, size_t opened);

/* ---- the codec ---- */

struct diameter_names {
    struct span host, realm; /* ours */
    uint32_t state;          /* our Origin-State-Id; 0 = not told */
};

uint32_t diameter_command(enum diameter_kind kind);
/* -ENOENT for a command or application we do not know. */
int diameter_kind_of(struct diameter_head head, enum diameter_kind *ret_kind);

/* Into cap octets; -EMSGSIZE, -EINVAL. Hop-by-Hop and End-to-End stay zero. */
int diameter_encode_request(const struct diameter_request *req, const struct diameter_names *names,
                            uint8_t *dst, size_t cap, size_t *ret_n);
/* echo: Session-Id and Proxy-Info AVPs of the request (diameter_echo_copy). */
int diameter_encode_answer(const struct diameter_answer *ans, const struct diameter_names *names,
                           struct span echo, uint8_t *dst, size_t cap, size_t *ret_n);

/* What is wrong with a request, and what to answer. */
struct diameter_fault {
    uint32_t result;
    const char *why;
    struct span
        failed; /* for Failed-AVP: of the message, or in `own`; empty: none, or too long to repeat */
    uint8_t own[64]; /* an example of what is missing; two that contradict each other */
};
enum { DIAMETER_FAILED_MAX = 4096 };
/* -EBADMSG. */
int diameter_decode_request(struct span message, struct diameter_request *ret_req,
                            struct diameter_fault *ret_fault);
int diameter_decode_answer(struct span message, struct diameter_answer *ret_ans);
/* Heap copy of what an answer repeats (RFC 6733 6.2), Session-Id first; p NULL without memory. */
struct span diameter_echo_copy(struct span request);

/* ---- the port that both twins wrap ---- */

enum { DIAMETER_SERVICES_MAX = 4, DIAMETER_PEERS_MAX = 256, DIAMETER_NAME_MAX = 255 };

struct diameter_impl {
    void (*free)(struct diameter *d);
    /* Takes a request away. The spans name where to: host may be empty. */
    int (*request)(struct diameter *d, struct handle call, uint64_t timeout_us, struct span realm,
                   struct span host, struct span message);
    /* message empty: "unable to comply", in the adapter's own words. Uses ref up, also when it fails. */
    int (*answer)(struct diameter *d, uint64_t ref, struct span message);
};

struct diameter_peer {
    char name[DIAMETER_NAME_MAX + 1];
    bool up;
};

struct diameter_core_conf {
    const char *identity, *realm;
    unsigned in_flight, unanswered; /* 0 = 4096 */
    bool keeps_sessions;            /* they outlive us: no Origin-State-Id */
    const struct rnd *rnd;
};

struct diameter {
    const struct diameter_impl *impl;
    struct loop *loop;
    char identity[DIAMETER_NAME_MAX + 1], realm[DIAMETER_NAME_MAX + 1];
    uint32_t session_high, session_low;
    uint32_t origin_state; /* when this began, in Unix seconds; 0 = our sessions outlive us */
    struct pool calls, waiting;
    struct list call_list, waiting_list;
    struct {
        enum diameter_app app;
        diameter_request_fn *on_request;
        void *ctx;
    } services[DIAMETER_SERVICES_MAX];
    size_t n_services;
    struct diameter_peer *peers;
    size_t n_peers;
    diameter_peer_fn *on_peer;
    void *peer_ctx;
    struct diameter_stats stats;
    uint8_t scratch[DIAMETER_MESSAGE_MAX]; /* where messages are built */
};

int diameter_core_init(struct diameter *d, const struct diameter_impl *impl, struct loop *l,
                       const struct diameter_core_conf *conf);
void diameter_core_fini(struct diameter *d);
/* What arrives. ref names the request to impl->answer. */
void diameter_core_request(struct diameter *d, uint64_t ref, struct span message);
void diameter_core_answer(struct diameter *d, struct handle call, struct span message);
void diameter_core_failed(struct diameter *d, struct handle call, int error);
void diameter_core_peer(struct diameter *d, struct span host, bool up);
/* The process behind the port is gone: every request in flight fails with -ECONNRESET, every one
 * not answered is forgotten, every peer is down. */
void diameter_core_reset(struct diameter *d);

#endif
