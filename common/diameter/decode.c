/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Octets to typed messages. Spans point into the octets. What a request holds that nobody has to
 * understand is skipped; a mandatory AVP we do not know, and more of one than may be there or than we
 * have room for, is refused. */
#include <errno.h>
#include <stdlib.h>

#include "common/diameter/inner.h"

/* What every reading carries: where it failed, and the AVP that it looks at. */
struct decoder {
    struct diameter_fault fault;
    struct span at, framed;
};

static int fail(struct decoder *d, uint32_t result, struct span failed, const char *why)
{
    d->fault.result = result;
    d->fault.why = why;
    d->fault.failed = failed.n <= DIAMETER_FAILED_MAX ? failed : SPAN_NONE;
    return -EBADMSG;
}

static int invalid(struct decoder *d, const char *why)
{
    return fail(d, DIAMETER_INVALID_AVP_VALUE, d->at, why);
}

/* RFC 6733 7.1.5: an example of it, of the least length and zero. */
static int missing(struct decoder *d, enum avp_id id, const char *why)
{
    struct avp_writer w = {d->fault.own, 0, sizeof(d->fault.own), false};

    if (avp_defs[id].type == AVP_U32 || avp_defs[id].type == AVP_ENUM)
        avp_put_u32(&w, id, 0);
    else
        avp_put(&w, id, SPAN_NONE);
    return fail(d, DIAMETER_MISSING_AVP, span_of(w.p, w.n), why);
}

/* RFC 6733 7.1.5: Failed-AVP has all that contradict each other. */
static int contradiction(struct decoder *d, struct span earlier, const char *why)
{
    struct avp_writer w = {d->fault.own, 0, sizeof(d->fault.own), false};

    avp_put_raw(&w, earlier);
    avp_put_raw(&w, d->at);
    return fail(d, DIAMETER_CONTRADICTING_AVPS, w.overflow ? d->at : span_of(w.p, w.n), why);
}

/* ---- how often ---- */

/* The AVPs of one level that were there. */
struct seen {
    uint64_t bits[(AVP_COUNT + 63) / 64];
};

static bool was_seen(const struct seen *s, enum avp_id id)
{
    return s->bits[id / 64] >> id % 64 & 1;
}

/* Of the AVPs that we read; all others of the table may be there once, at whatever level. */
static bool may_repeat(enum avp_id id)
{
    static const enum avp_id many[] = {A_CLASS,
                                       A_ROUTE_RECORD,
                                       A_PROXY_INFO,
                                       A_SUBSCRIPTION_ID,
                                       A_FAILED_AVP,
                                       A_QOS_RESOURCES,
                                       A_FILTER_RULE,
                                       A_FROM_SPEC,
                                       A_TO_SPEC,
                                       A_IP_ADDRESS,
                                       A_IP_ADDRESS_MASK,
                                       A_PORT,
                                       A_FLOW_DESCRIPTION,
                                       A_FLOWS,
                                       A_SPECIFIC_ACTION,
                                       A_MEDIA_COMPONENT_DESCRIPTION,
                                       A_MEDIA_SUB_COMPONENT,
                                       A_CODEC_DATA,
                                       A_SUPPORTED_FEATURES,
                                       A_VENDOR_SPECIFIC_APPLICATION_ID,
                                       A_SUPPORTED_VENDOR_ID};

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        if (many[i] == id)
            return true;
    }
    return id == AVP_COUNT;
}

/* The next AVP of a level of a request. 1; 0 at the end; negative: refused. */
static int next(struct decoder *d, struct span *rest, struct seen *seen, struct avp *ret_avp)
{
    bool bad = false;

    if (!avp_next(rest, ret_avp, &bad))
        return bad ? invalid(d, "an AVP length that does not fit") : 0;
    d->at = ret_avp->whole;
    /* RFC 6733 4.1. freeDiameter refuses it as well, unless it knows the AVP and we do not. */
    if (ret_avp->id == AVP_COUNT && avp_is_mandatory(ret_avp))
        return fail(d, DIAMETER_AVP_UNSUPPORTED, d->at, "a mandatory AVP that nobody here reads");
    if (may_repeat(ret_avp->id))
        return 1;
    /* RFC 6733 7.1.5. The last of two would count here, and the first elsewhere. */
    if (was_seen(seen, ret_avp->id))
        return fail(d, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, d->at, "an AVP that is there twice");
    seen->bits[ret_avp->id / 64] |= UINT64_C(1) << ret_avp->id % 64;
    return 1;
}

static struct diameter_u32 read_opt(const struct avp *a)
{
    return DIAMETER_U32(avp_read_u32(a->value));
}

/* ---- Rx ---- */

static int read_rx_flow(struct decoder *d, struct span rest, struct rx_flow *f)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        switch (a.id) {
        case A_FLOW_NUMBER:
            f->number = avp_read_u32(a.value);
            break;
        case A_FLOW_DESCRIPTION: {
            struct span *s = span_starts(a.value, SPAN("permit in ")) ? &f->in : &f->out;

            /* TS 29.214 5.3.26: at most one a direction. */
            if (s->p)
                return fail(d, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, d->at,
                            "two Flow-Description of one direction");
            *s = a.value;
            break;
        }
        case A_FLOW_STATUS:
            f->status = read_opt(&a);
            break;
        case A_FLOW_USAGE:
            f->usage = read_opt(&a);
            break;
        case A_MAX_BANDWIDTH_UL:
            f->bandwidth_ul = read_opt(&a);
            break;
        case A_MAX_BANDWIDTH_DL:
            f->bandwidth_dl = read_opt(&a);
            break;
        default:
            break;
        }
    }
    if (rc == 0 && !was_seen(&seen, A_FLOW_NUMBER))
        rc = missing(d, A_FLOW_NUMBER, "Media-Sub-Component without Flow-Number");
    return rc;
}

static int read_component_avp(struct decoder *d, const struct avp *a, struct rx_component *c)
{
    switch (a->id) {
    case A_MEDIA_COMPONENT_NUMBER:
        c->number = avp_read_u32(a->value);
        return 0;
    case A_MEDIA_SUB_COMPONENT:
        if (c->n_flows == RX_FLOWS_MAX)
            return invalid(d, "more Media-Sub-Component than we take");
        return read_rx_flow(d, a->value, &c->flows[c->n_flows++]);
    case A_MEDIA_TYPE:
        c->media_type = read_opt(a);
        return 0;
    case A_MAX_BANDWIDTH_UL:
        c->bandwidth_ul = read_opt(a);
        return 0;
    case A_MAX_BANDWIDTH_DL:
        c->bandwidth_dl = read_opt(a);
        return 0;
    case A_FLOW_STATUS:
        c->status = read_opt(a);
        return 0;
    case A_RS_BANDWIDTH:
        c->rs_bandwidth = read_opt(a);
        return 0;
    case A_RR_BANDWIDTH:
        c->rr_bandwidth = read_opt(a);
        return 0;
    case A_CODEC_DATA: /* TS 29.214 5.3.7: an offer and an answer */
        if (c->codec[1].p)
            return fail(d, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, d->at, "more than two Codec-Data");
        c->codec[c->codec[0].p ? 1 : 0] = a->value;
        return 0;
    default:
        return 0;
    }
}

static int read_component(struct decoder *d, struct span rest, struct rx_component *c)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        rc = read_component_avp(d, &a, c);
        if (rc)
            return rc;
    }
    if (rc == 0 && !was_seen(&seen, A_MEDIA_COMPONENT_NUMBER))
        rc = missing(d, A_MEDIA_COMPONENT_NUMBER,
                     "Media-Component-Description without Media-Component-Number");
    return rc;
}

static int read_subscription(struct decoder *d, struct span rest, struct rx_subscription *s)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id == A_SUBSCRIPTION_ID_TYPE)
            s->type = avp_read_u32(a.value);
        else if (a.id == A_SUBSCRIPTION_ID_DATA)
            s->data = a.value;
    }
    /* RFC 4006 8.46: both must be there; without the type it would pass for a number. */
    if (rc == 0 && !was_seen(&seen, A_SUBSCRIPTION_ID_DATA))
        rc = missing(d, A_SUBSCRIPTION_ID_DATA, "Subscription-Id without its data");
    if (rc == 0 && !was_seen(&seen, A_SUBSCRIPTION_ID_TYPE))
        rc = missing(d, A_SUBSCRIPTION_ID_TYPE, "Subscription-Id without its type");
    return rc;
}

static int read_framed(struct decoder *d, const struct avp *a, struct rx_aar *r)
{
    const uint8_t *p = (const uint8_t *)a->value.p;

    /* TS 29.214 4.4.1: either one. */
    if (d->framed.p)
        return contradiction(d, d->framed, "Framed-IP-Address and Framed-IPv6-Prefix");
    d->framed = d->at;
    if (a->id == A_FRAMED_IP_ADDRESS) {
        if (a->value.n != 4)
            return invalid(d, "Framed-IP-Address of another size");
        r->framed_ip = (struct addr){.family = AF_INET};
        memcpy(r->framed_ip.ip, p, 4);
        return 0;
    }
    /* RFC 3162 2.3 */
    if (a->value.n < 2 || a->value.n > 18 || p[1] > 128 || (size_t)(p[1] + 7) / 8 > a->value.n - 2)
        return invalid(d, "Framed-IPv6-Prefix that is none");
    r->framed_ip = (struct addr){.family = AF_INET6};
    memcpy(r->framed_ip.ip, p + 2, a->value.n - 2);
    r->framed_bits = p[1];
    return 0;
}

static int read_aar_avp(struct decoder *d, const struct avp *a, struct rx_aar *r)
{
    switch (a->id) {
    case A_AF_CHARGING_IDENTIFIER:
        r->charging_id = a->value;
        return 0;
    case A_AF_APPLICATION_IDENTIFIER:
        r->application = a->value;
        return 0;
    case A_SERVICE_URN:
        r->service_urn = a->value;
        return 0;
    case A_FRAMED_IP_ADDRESS:
    case A_FRAMED_IPV6_PREFIX:
        return read_framed(d, a, r);
    case A_SERVICE_INFO_STATUS:
        r->info_status = read_opt(a);
        return 0;
    case A_RX_REQUEST_TYPE:
        r->request_type = read_opt(a);
        return 0;
    case A_SIP_FORKING_INDICATION:
        r->forking = read_opt(a);
        return 0;
    case A_SPECIFIC_ACTION:
        /* An indication we have no room for is one we would not send. */
        if (r->n_actions < RX_ACTIONS_MAX)
            r->actions[r->n_actions++] = avp_read_u32(a->value);
        return 0;
    case A_SUBSCRIPTION_ID:
        if (r->n_subscriptions == RX_SUBSCRIPTIONS_MAX)
            return invalid(d, "more Subscription-Id than we take");
        return read_subscription(d, a->value, &r->subscriptions[r->n_subscriptions++]);
    case A_MEDIA_COMPONENT_DESCRIPTION:
        if (r->n_components == RX_COMPONENTS_MAX)
            return invalid(d, "more Media-Component-Description than we take");
        return read_component(d, a->value, &r->components[r->n_components++]);
    default:
        return 0;
    }
}

static int read_acceptable(struct decoder *d, struct span rest, struct rx_aaa *r)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id == A_MAX_BANDWIDTH_UL) {
            r->acceptable_ul = read_opt(&a);
        } else if (a.id == A_MAX_BANDWIDTH_DL) {
            r->acceptable_dl = read_opt(&a);
        } else if (a.id == A_MEDIA_COMPONENT_DESCRIPTION && r->n_acceptable < RX_COMPONENTS_MAX) {
            rc = read_component(d, a.value, &r->acceptable[r->n_acceptable++]);
            if (rc)
                return rc;
        }
    }
    return rc;
}

/* ---- QoS ---- */

static int read_address(struct decoder *d, struct span value, struct addr *a)
{
    const uint8_t *p = (const uint8_t *)value.p;

    if (a->family)
        return invalid(d, "a classifier with several addresses");
    if (value.n == 6 && p[0] == 0 && p[1] == 1)
        a->family = AF_INET;
    else if (value.n == 18 && p[0] == 0 && p[1] == 2)
        a->family = AF_INET6;
    else
        return invalid(d, "IP-Address that is none");
    memcpy(a->ip, p + 2, value.n - 2);
    return 0;
}

static int read_mask(struct decoder *d, struct span rest, struct diameter_end *e)
{
    struct span whole = d->at;
    struct seen seen = {0};
    uint32_t width = 0;
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id == A_IP_ADDRESS)
            rc = read_address(d, a.value, &e->addr);
        else if (a.id == A_IP_BIT_MASK_WIDTH)
            width = avp_read_u32(a.value);
        if (rc < 0)
            break;
    }
    if (rc)
        return rc;
    d->at = whole;
    if (!e->addr.family || width == 0 || width > addr_ip_len(&e->addr) * 8)
        return invalid(d, "IP-Address-Mask that is none");
    e->bits = (uint8_t)(width == addr_ip_len(&e->addr) * 8 ? 0 : width);
    return 0;
}

static int read_spec(struct decoder *d, struct span rest, struct diameter_end *e)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id == A_IP_ADDRESS) {
            rc = read_address(d, a.value, &e->addr);
        } else if (a.id == A_IP_ADDRESS_MASK) {
            rc = read_mask(d, a.value, e);
        } else if (a.id == A_PORT && !e->addr.port && avp_read_u32(a.value) - 1 < 65535) {
            e->addr.port = (uint16_t)avp_read_u32(a.value);
        } else {
            /* Skipping a restriction we do not read would widen the flow. */
            rc = invalid(d, "a classifier of a kind we do not take");
        }
        if (rc < 0)
            break;
    }
    return rc;
}

static int read_classifier(struct decoder *d, struct span rest, struct qos_filter *f)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    f->flow.direction = DIAMETER_BOTH;
    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        switch (a.id) {
        case A_CLASSIFIER_ID:
            f->id = a.value;
            break;
        case A_PROTOCOL:
            if (avp_read_u32(a.value) > 255)
                return invalid(d, "Protocol above 255");
            f->flow.protocol = (uint8_t)avp_read_u32(a.value);
            break;
        case A_DIRECTION:
            if (avp_read_u32(a.value) > DIAMETER_BOTH)
                return invalid(d, "Direction that is none");
            f->flow.direction = (enum diameter_direction)avp_read_u32(a.value);
            break;
        case A_FROM_SPEC:
            rc = read_spec(d, a.value, &f->flow.from);
            break;
        case A_TO_SPEC:
            rc = read_spec(d, a.value, &f->flow.to);
            break;
        default:
            break;
        }
        if (rc < 0)
            break;
    }
    return rc;
}

/* Octets a second as a float, in bit/s. Never 0 when it is there: that is "not given". */
static uint64_t read_bandwidth(struct span rest)
{
    struct avp a;
    bool bad = false;

    while (avp_next(&rest, &a, &bad)) {
        uint32_t bits = avp_read_u32(a.value);
        float octets;

        if (a.id != A_BANDWIDTH)
            continue;
        memcpy(&octets, &bits, sizeof(octets));
        /* The comparison is false for NaN as well. */
        if (!(octets >= 0.0f && octets < 1e15f))
            return QOS_BANDWIDTH_BAD;
        return octets * 8.0f < 1.0f ? 1 : (uint64_t)(octets * 8.0f);
    }
    return 0;
}

static int read_filter(struct decoder *d, struct span rest, struct qos_filter *f)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id == A_CLASSIFIER)
            rc = read_classifier(d, a.value, f);
        else if (a.id == A_TREATMENT_ACTION)
            f->action = read_opt(&a);
        else if (a.id == A_QOS_SEMANTICS)
            f->semantics = read_opt(&a);
        else if (a.id == A_QOS_PARAMETERS)
            f->bandwidth = read_bandwidth(a.value);
        if (rc < 0)
            break;
    }
    return rc;
}

static int read_resources(struct decoder *d, struct span rest, struct qos_filter *filters,
                          size_t *n)
{
    struct seen seen = {0};
    struct avp a;
    int rc;

    while ((rc = next(d, &rest, &seen, &a)) > 0) {
        if (a.id != A_FILTER_RULE)
            continue;
        if (*n == QOS_FILTERS_MAX)
            return invalid(d, "more Filter-Rule than we take");
        rc = read_filter(d, a.value, &filters[(*n)++]);
        if (rc < 0)
            break;
    }
    return rc;
}

static int read_qar_avp(struct decoder *d, const struct avp *a, struct qos_qar *q)
{
    switch (a->id) {
    case A_USER_NAME:
        q->user_name = a->value;
        return 0;
    case A_QOS_RESOURCES:
        return read_resources(d, a->value, q->filters, &q->n_filters);
    case A_QOS_AUTHORIZATION_DATA:
        q->token = a->value;
        return 0;
    case A_BOUND_AUTH_SESSION_ID:
        q->bound_session = a->value;
        return 0;
    default:
        return 0;
    }
}

/* ---- whole messages ---- */

static int read_request_avp(struct decoder *d, const struct avp *a, struct diameter_request *r)
{
    switch (a->id) {
    case A_SESSION_ID:
        r->session_id = a->value;
        return 0;
    case A_ORIGIN_HOST:
        r->origin_host = a->value;
        return 0;
    case A_ORIGIN_REALM:
        r->origin_realm = a->value;
        return 0;
    case A_DESTINATION_HOST:
        r->destination_host = a->value;
        return 0;
    case A_DESTINATION_REALM:
        r->destination_realm = a->value;
        return 0;
    case A_ORIGIN_STATE_ID:
        r->origin_state = read_opt(a);
        return 0;
    default:
        break;
    }
    if (r->kind == DIAMETER_AA)
        return read_aar_avp(d, a, &r->aar);
    if (r->kind == DIAMETER_QA)
        return read_qar_avp(d, a, &r->qar);
    if (r->kind == DIAMETER_ST && a->id == A_TERMINATION_CAUSE)
        r->st.cause = avp_read_u32(a->value);
    if (r->kind == DIAMETER_AS && a->id == A_ABORT_CAUSE)
        r->as.cause = read_opt(a);
    if (r->kind == DIAMETER_RA && a->id == A_ABORT_CAUSE)
        r->ra.cause = read_opt(a);
    if (r->kind == DIAMETER_RA && a->id == A_SPECIFIC_ACTION && r->ra.n_actions < RX_ACTIONS_MAX)
        r->ra.actions[r->ra.n_actions++] = avp_read_u32(a->value);
    return 0;
}

/* What a command must have of what we go by; its ABNF asks for more. */
static int read_required(struct decoder *d, const struct seen *seen, enum diameter_kind kind)
{
    static const struct {
        enum avp_id id;
        enum diameter_kind kind; /* 0: any */
        const char *why;
    } rows[] = {{A_SESSION_ID, 0, "Session-Id is missing"},
                {A_ORIGIN_HOST, 0, "Origin-Host is missing"},
                {A_ORIGIN_REALM, 0, "Origin-Realm is missing"},
                {A_AUTH_REQUEST_TYPE, DIAMETER_QA, "Auth-Request-Type is missing"},
                {A_TERMINATION_CAUSE, DIAMETER_ST, "Termination-Cause is missing"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((rows[i].kind == 0 || rows[i].kind == kind) && !was_seen(seen, rows[i].id))
            return missing(d, rows[i].id, rows[i].why);
    }
    return 0;
}

int diameter_decode_request(struct span message, struct diameter_request *ret_req,
                            struct diameter_fault *ret_fault)
{
    struct diameter_head head = diameter_head_of(message);
    struct span rest = span_sub(message, DIAMETER_HEAD, message.n);
    struct decoder d = {0};
    struct seen seen = {0};
    struct avp a;
    int rc;

    memset(ret_req, 0, sizeof(*ret_req));
    rc = diameter_kind_of(head, &ret_req->kind);
    if (rc)
        rc = fail(&d, DIAMETER_APPLICATION_UNSUPPORTED, SPAN_NONE,
                  "a command of no application here");
    ret_req->app = (enum diameter_app)head.app;
    while (rc == 0 && (rc = next(&d, &rest, &seen, &a)) > 0)
        rc = read_request_avp(&d, &a, ret_req);
    if (rc == 0)
        rc = read_required(&d, &seen, ret_req->kind);
    if (rc) {
        *ret_fault = d.fault;
        /* An example of what is missing lies in the fault itself. */
        if (d.fault.failed.p == (const char *)d.fault.own)
            ret_fault->failed.p = (const char *)ret_fault->own;
    }
    return rc;
}

static void read_experimental(struct span rest, struct diameter_answer *r)
{
    struct avp a;
    bool bad = false;

    while (avp_next(&rest, &a, &bad)) {
        if (a.id == A_EXPERIMENTAL_RESULT_CODE)
            r->experimental = avp_read_u32(a.value);
    }
}

static int read_answer_avp(struct decoder *d, const struct avp *a, struct diameter_answer *r)
{
    switch (a->id) {
    case A_SESSION_ID:
        r->session_id = a->value;
        return 0;
    case A_ORIGIN_HOST:
        r->origin_host = a->value;
        return 0;
    case A_ORIGIN_REALM:
        r->origin_realm = a->value;
        return 0;
    case A_RESULT_CODE:
        r->result = avp_read_u32(a->value);
        return 0;
    case A_EXPERIMENTAL_RESULT:
        read_experimental(a->value, r);
        return 0;
    case A_ERROR_MESSAGE:
        r->error_message = a->value;
        return 0;
    case A_FAILED_AVP:
        r->failed = a->value;
        return 0;
    default:
        break;
    }
    if (r->kind == DIAMETER_AA) {
        if (a->id == A_AUTHORIZATION_TOKEN)
            r->aaa.token = a->value;
        else if (a->id == A_AUTHORIZATION_LIFETIME)
            r->aaa.lifetime = read_opt(a);
        else if (a->id == A_ACCEPTABLE_SERVICE_INFO)
            return read_acceptable(d, a->value, &r->aaa);
    } else if (r->kind == DIAMETER_QA) {
        if (a->id == A_QOS_RESOURCES)
            return read_resources(d, a->value, r->qaa.filters, &r->qaa.n_filters);
        if (a->id == A_SESSION_TIMEOUT)
            r->qaa.session_timeout = read_opt(a);
        else if (a->id == A_AUTHORIZATION_LIFETIME)
            r->qaa.lifetime = read_opt(a);
        else if (a->id == A_AUTH_GRACE_PERIOD)
            r->qaa.grace = read_opt(a);
    }
    return 0;
}

int diameter_decode_answer(struct span message, struct diameter_answer *ret_ans)
{
    struct diameter_head head = diameter_head_of(message);
    struct span rest = span_sub(message, DIAMETER_HEAD, message.n);
    struct decoder d = {0};
    struct avp a;
    bool bad = false;

    memset(ret_ans, 0, sizeof(*ret_ans));
    if (diameter_kind_of(head, &ret_ans->kind))
        return -EBADMSG;
    ret_ans->app = (enum diameter_app)head.app;
    while (avp_next(&rest, &a, &bad)) {
        if (read_answer_avp(&d, &a, ret_ans))
            return -EBADMSG;
    }
    if (bad || (ret_ans->result == 0) == (ret_ans->experimental == 0))
        return -EBADMSG;
    return 0;
}

struct span diameter_echo_copy(struct span request)
{
    struct span rest = span_sub(request, DIAMETER_HEAD, request.n);
    char *copy = malloc(request.n), *at = copy;
    struct avp a;
    bool bad = false;

    while (copy && avp_next(&rest, &a, &bad)) {
        if (a.id == A_PROXY_INFO || (a.id == A_SESSION_ID && at == copy)) {
            memcpy(at, a.whole.p, a.whole.n);
            at += a.whole.n;
        }
    }
    return span_of(copy, copy ? (size_t)(at - copy) : 0);
}
