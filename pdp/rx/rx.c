/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/rx/rx.h"

#include <errno.h>
#include <stdlib.h>

struct rx {
    struct loop *loop;
    struct diameter *diameter;
    struct grants *grants;
    const struct policy *policy;
    struct rx_options options;
    struct list questions;
};

/* A request whose answer waits for the disk. */
struct question {
    struct list item;
    struct rx *rx;
    struct handle request;
    enum rx_event event;
};

const char *rx_event_name(enum rx_event e)
{
    static const char *const names[] = {"granted", "changed", "refused",
                                        "ended",   "aborted", "trouble"};

    return names[e];
}

static void tell(struct rx *rx, enum rx_event e, const struct diameter_request *req,
                 const struct grant *g, const char *why)
{
    if (rx->options.on_event)
        rx->options.on_event(e, req, g, why, rx->options.ctx);
}

static void answer(struct rx *rx, struct handle request, const struct diameter_answer *ans)
{
    /* The AF asks again when this is lost: nothing else can be done here. */
    (void)diameter_answer(rx->diameter, request, ans);
}

static void answer_result(struct rx *rx, struct handle request, uint32_t result, const char *why)
{
    struct diameter_answer *ans = calloc(1, sizeof(*ans));

    if (!ans)
        return; /* the port answers for us, in 30 s */
    ans->result = result;
    ans->error_message = span_str(why);
    answer(rx, request, ans);
    free(ans);
}

/* ---- AAR ---- */

static void answer_grant(struct rx *rx, struct handle request, const struct grant *g)
{
    struct diameter_answer *ans = calloc(1, sizeof(*ans));
    char octets[SECRET_MAX + 8];
    struct buf b = BUF_ON(octets);
    struct secret token;
    int64_t left = g->end - loop_wall(rx->loop) / 1000000;

    if (!ans)
        return;
    ans->result = DIAMETER_SUCCESS;
    ans->aaa.lifetime = DIAMETER_U32(left > 0 ? (uint32_t)left : 0);
    if (grant_token(g, &token) == 0) {
        token_put_octets(&b, &token, rx->options.token_length);
        ans->aaa.token = buf_span(&b);
        secret_wipe(&token);
    }
    answer(rx, request, ans);
    bytes_wipe(octets, sizeof(octets));
    free(ans);
}

static void on_granted(void *ctx, int rc, struct grant *g)
{
    struct question *q = ctx;
    struct rx *rx = q->rx;

    list_del(&q->item);
    if (rc || !g) {
        answer_result(rx, q->request, DIAMETER_UNABLE_TO_COMPLY,
                      rc == -ECANCELED ? "the session was ended meanwhile"
                                       : "the token database does not take it");
        tell(rx, RX_TROUBLE, NULL, g,
             rc == -ECANCELED ? "ended meanwhile" : grants_error(rx->grants)->text);
    } else {
        answer_grant(rx, q->request, g);
        tell(rx, q->event, NULL, g, "");
    }
    free(q);
}

static void refuse(struct rx *rx, struct handle request, const struct diameter_request *req,
                   const struct grant *g, const struct policy_decision *d)
{
    struct diameter_answer *ans = calloc(1, sizeof(*ans));

    if (!ans)
        return;
    ans->result = d->result;
    ans->experimental = d->experimental;
    ans->error_message = span_str(d->why);
    ans->aaa.n_acceptable = d->n_acceptable;
    if (d->n_acceptable)
        ans->aaa.acceptable[0] = d->acceptable[0];
    answer(rx, request, ans);
    tell(rx, RX_REFUSED, req, g, d->why);
    free(ans);
}

static struct span subscriber_of(const struct rx_aar *aar)
{
    for (size_t i = 0; i < aar->n_subscriptions; i++) {
        if (aar->subscriptions[i].type == RX_ID_SIP_URI)
            return aar->subscriptions[i].data;
    }
    return aar->n_subscriptions ? aar->subscriptions[0].data : SPAN_NONE;
}

static uint32_t result_of(int rc)
{
    switch (rc) {
    case -ENOSPC:
        return DIAMETER_RESOURCES_EXCEEDED;
    case -EBUSY:
        return DIAMETER_TOO_BUSY;
    default: /* a name longer than ours is no invalid value: 5004 would have to show it in Failed-AVP */
        return DIAMETER_UNABLE_TO_COMPLY;
    }
}

static const char *reason_of(int rc)
{
    switch (rc) {
    case -ENOSPC:
        return "as many sessions as the configuration allows";
    case -EBUSY:
        return "the token database is behind";
    case -ENAMETOOLONG:
        return "a Session-Id or identity longer than 255 octets";
    case -ENOKEY:
        return "no token key is valid now";
    default:
        return "no memory";
    }
}

/* TS 29.214 4.4.2: what is preliminary is judged. It changes nothing where more is known: media goes on as it was
 * agreed last, until the new offer is answered. */
static bool is_only_asked(const struct grant *g, const struct grant_terms *terms)
{
    return g && g->final && !terms->final;
}

static void on_aar(struct rx *rx, struct handle request, const struct diameter_request *req)
{
    struct grant *g = grants_find(rx->grants, req->session_id);
    struct policy_decision *d;
    struct question *q;
    struct grant_terms terms;
    int rc;

    if (g && !span_eq_nocase(span_str(g->af_host), req->origin_host)) {
        answer_result(rx, request, DIAMETER_UNKNOWN_SESSION_ID, "the session is another node's");
        tell(rx, RX_REFUSED, req, NULL, "the session is another node's");
        return;
    }
    /* TS 29.214 4.4.2, RFC 6733 7.1.5. A change of what was ended here must not open it again: the AF may not have
     * heard of the end. */
    if (!g && req->aar.request_type.set && req->aar.request_type.v == RX_UPDATE) {
        answer_result(rx, request, DIAMETER_UNKNOWN_SESSION_ID, "no such session to update");
        tell(rx, RX_REFUSED, req, NULL, "no such session to update");
        return;
    }
    d = calloc(1, sizeof(*d));
    q = calloc(1, sizeof(*q));
    if (!d || !q) {
        free(d);
        free(q);
        answer_result(rx, request, DIAMETER_UNABLE_TO_COMPLY, "no memory");
        return;
    }
    policy_decide(rx->policy, &req->aar, d);
    if (d->result != DIAMETER_SUCCESS) {
        refuse(rx, request, req, g, d);
        free(d);
        free(q);
        return;
    }
    terms = (struct grant_terms){.rx_session = req->session_id,
                                 .af_host = req->origin_host,
                                 .af_realm = req->origin_realm,
                                 .af_state = req->origin_state.v,
                                 .subscriber = subscriber_of(&req->aar),
                                 .icid = req->aar.charging_id,
                                 .phone = req->aar.framed_ip,
                                 .final = !req->aar.info_status.set ||
                                          req->aar.info_status.v != RX_PRELIMINARY,
                                 .n_flows = d->n_flows,
                                 .flows = d->flows};
    if (is_only_asked(g, &terms)) {
        if (grants_find_hash(rx->grants, g->hash)) {
            answer_grant(rx, request, g);
            free(d);
            free(q);
            return;
        }
        /* Not on the disk yet: as it stands, once more, and answered behind that. */
        terms.final = g->final;
        terms.n_flows = g->n_flows;
        terms.flows = g->flows;
    }
    *q = (struct question){.rx = rx, .request = request, .event = g ? RX_CHANGED : RX_GRANTED};
    list_add_tail(&rx->questions, &q->item);
    /* An initial AAR of a session we have is one that was sent again (RFC 6733 5.5.4). */
    if (g)
        rc = grant_change(g, &terms, on_granted, q);
    else
        rc = grant_issue(rx->grants, &terms, on_granted, q);
    free(d);
    if (rc == 0)
        return;
    list_del(&q->item);
    free(q);
    answer_result(rx, request, result_of(rc), reason_of(rc));
    tell(rx, RX_TROUBLE, req, NULL, reason_of(rc));
}

/* ---- STR ---- */

static void on_gone(void *ctx, int rc, struct grant *g)
{
    struct question *q = ctx;

    (void)g;
    list_del(&q->item);
    /* The session is over either way; the row, if it stayed, goes when the token expires. */
    if (rc)
        tell(q->rx, RX_TROUBLE, NULL, NULL, grants_error(q->rx->grants)->text);
    answer_result(q->rx, q->request, DIAMETER_SUCCESS, NULL);
    free(q);
}

static void on_str(struct rx *rx, struct handle request, const struct diameter_request *req)
{
    struct grant *g = grants_find(rx->grants, req->session_id);
    struct question *q;

    if (!g || !span_eq_nocase(span_str(g->af_host), req->origin_host)) {
        answer_result(rx, request, DIAMETER_UNKNOWN_SESSION_ID, "no such session of yours");
        return;
    }
    q = calloc(1, sizeof(*q));
    if (!q) {
        answer_result(rx, request, DIAMETER_UNABLE_TO_COMPLY, "no memory");
        return;
    }
    *q = (struct question){.rx = rx, .request = request};
    list_add_tail(&rx->questions, &q->item);
    tell(rx, RX_ENDED, req, g, "");
    grant_end(g, GRANT_FINISHED, on_gone, q);
}

static void on_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct rx *rx = ctx;

    if (req->origin_state.set)
        grants_af_state(rx->grants, req->origin_host, req->origin_state.v);
    if (req->kind == DIAMETER_AA)
        on_aar(rx, request, req);
    else if (req->kind == DIAMETER_ST)
        on_str(rx, request, req);
    else
        answer_result(rx, request, DIAMETER_COMMAND_UNSUPPORTED, "a PDP takes AAR and STR");
}

/* ---- ASR ---- */

static void on_aborted(void *ctx, int error, const struct diameter_answer *ans)
{
    struct rx *rx = ctx;

    /* Without its answer the AF learns of it by its next AAR; the edge has been told by pdp/qos. */
    if (error || !diameter_ok(ans))
        tell(rx, RX_TROUBLE, NULL, NULL,
             error ? "the AF did not answer an ASR" : "the AF refused an ASR");
}

static void on_end(struct grant *g, enum grant_end why, void *ctx)
{
    struct rx *rx = ctx;
    struct diameter_request *req;

    if (why == GRANT_FINISHED || why == GRANT_FAILED)
        return;
    tell(rx, RX_ABORTED, NULL, g, grant_end_name(why));
    if (why == GRANT_LOST)
        return; /* the AF no longer knows the session */
    req = calloc(1, sizeof(*req));
    if (!req)
        return;
    req->kind = DIAMETER_AS;
    req->app = DIAMETER_APP_RX;
    req->session_id = span_str(g->rx_session);
    req->destination_host = span_str(g->af_host);
    req->destination_realm = span_str(g->af_realm);
    req->as.cause = DIAMETER_U32(RX_NO_SERVER_RESOURCES);
    if (diameter_send(rx->diameter, req, loop_now(rx->loop) + rx->options.asr_timeout, on_aborted,
                      rx, NULL))
        tell(rx, RX_TROUBLE, NULL, g, "the AF cannot be reached for an ASR");
    free(req);
}

/* ---- life ---- */

void rx_set_policy(struct rx *rx, const struct policy *policy)
{
    rx->policy = policy;
}

int rx_new(struct loop *l, struct diameter *d, struct grants *grants, const struct policy *policy,
           const struct rx_options *options, struct rx **ret_rx)
{
    struct rx *rx = calloc(1, sizeof(*rx));
    const struct grants_watcher watcher = {.on_end = on_end, .ctx = rx};
    int rc;

    if (!rx)
        return -ENOMEM;
    *rx = (struct rx){
        .loop = l, .diameter = d, .grants = grants, .policy = policy, .options = *options};
    list_init(&rx->questions);
    rc = diameter_serve(d, DIAMETER_APP_RX, on_request, rx);
    if (rc == 0)
        rc = grants_watch(grants, &watcher);
    if (rc) {
        free(rx);
        return rc;
    }
    *ret_rx = rx;
    return 0;
}

void rx_free(struct rx *rx)
{
    if (!rx)
        return;
    LIST_EACH (it, &rx->questions)
        free(CONTAINER_OF(it, struct question, item));
    free(rx);
}
