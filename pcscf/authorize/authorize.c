/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/authorize/authorize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/authorize/inner.h"

#define SESSION_ID_MAX 256

struct authorize {
    struct loop *loop;
    struct diameter *diameter;
    struct authorize_options options;
    struct authorize_ops ops;
    void *ctx;
    struct map by_session;
    struct authorize_counters counters;
    struct service service; /* of the AAR being put together; one at a time */
};

struct af_session {
    struct map_node node;
    struct authorize *owner;
    void *user;
    char session_id[SESSION_ID_MAX];
    bool asked;   /* an AAR was sent: the PDP may know the session */
    bool granted; /* it did know it */
    bool waiting;
    struct handle call;
    void (*done)(const struct authorize_result *result, void *ctx);
    void *ctx;
};

static bool session_equal(const struct map_node *node, const void *key)
{
    return span_eq(span_str(CONTAINER_OF(node, const struct af_session, node)->session_id),
                   *(const struct span *)key);
}

/* ---- what the PDP asks --------------------------------------------------------------------------- */

static void send_str(struct authorize *a, const char *session_id, uint32_t cause);

static void on_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct authorize *a = ctx;
    struct diameter_answer ans = {.result = DIAMETER_SUCCESS};
    struct map_node *node =
        map_find(&a->by_session, map_hash(&a->by_session, req->session_id.p, req->session_id.n),
                 &req->session_id);
    struct af_session *af = node ? CONTAINER_OF(node, struct af_session, node) : NULL;

    if (!af)
        ans.result = DIAMETER_UNKNOWN_SESSION_ID;
    (void)diameter_answer(a->diameter, request, &ans); /* -ESTALE: it waited too long */
    if (!af || req->kind != DIAMETER_AS)
        return; /* RAR: a notice; what it says changes nothing here */
    a->counters.aborted++;
    /* TS 29.214 4.4.6.1: ASA, the call ends, STR. */
    a->ops.on_abort(af, a->ctx);
    send_str(a, af->session_id, DIAMETER_LOGOUT);
    af->asked = false;
    authorize_close(af);
}

/* ---- making and ending ----------------------------------------------------------------------------- */

int authorize_new(struct loop *l, struct diameter *d, const struct rnd *rnd,
                  const struct authorize_options *options, const struct authorize_ops *ops,
                  void *ctx, struct authorize **ret_authorize)
{
    struct authorize *a = calloc(1, sizeof(*a));
    uint8_t key[16];
    int rc;

    if (!a)
        return -ENOMEM;
    a->loop = l;
    a->diameter = d;
    a->options = *options;
    a->ops = *ops;
    a->ctx = ctx;
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&a->by_session, 0, key, session_equal);
    if (rc == 0)
        rc = diameter_serve(d, DIAMETER_APP_RX, on_request, a);
    if (rc != 0) {
        map_fini(&a->by_session);
        free(a);
        return rc;
    }
    *ret_authorize = a;
    return 0;
}

static bool any_node(struct map_node *node, void *ctx)
{
    *(struct map_node **)ctx = node;
    return false;
}

void authorize_free(struct authorize *a)
{
    if (!a)
        return;
    for (;;) {
        struct map_node *node = NULL;

        map_each(&a->by_session, any_node, &node);
        if (!node)
            break;
        authorize_close(CONTAINER_OF(node, struct af_session, node));
    }
    map_fini(&a->by_session);
    free(a);
}

const struct authorize_counters *authorize_counters(const struct authorize *a)
{
    return &a->counters;
}

int authorize_open(struct authorize *a, void *user, struct af_session **ret_af)
{
    struct af_session *af = calloc(1, sizeof(*af));
    struct buf id;
    int rc;

    if (!af)
        return -ENOMEM;
    af->owner = a;
    af->user = user;
    id = (struct buf){af->session_id, 0, sizeof(af->session_id) - 1, false};
    diameter_session_id(a->diameter, "rx", &id);
    rc = id.overflow ? -EMSGSIZE
                     : map_add(&a->by_session, map_hash(&a->by_session, id.p, id.n), &af->node);
    if (rc != 0) {
        free(af);
        return rc;
    }
    *ret_af = af;
    return 0;
}

void *authorize_user(const struct af_session *af)
{
    return af->user;
}

static void on_terminated(void *ctx, int error, const struct diameter_answer *ans)
{
    (void)ctx; /* a PDP that does not answer ends the session by its lifetime */
    (void)error;
    (void)ans;
}

static void send_str(struct authorize *a, const char *session_id, uint32_t cause)
{
    struct diameter_request r = {.kind = DIAMETER_ST,
                                 .app = DIAMETER_APP_RX,
                                 .session_id = span_str(session_id),
                                 .destination_realm = a->options.realm};

    r.st.cause = cause;
    a->counters.terminated++;
    (void)diameter_send(a->diameter, &r, loop_now(a->loop) + a->options.timeout, on_terminated, a,
                        NULL); /* as on_terminated */
}

void authorize_close(struct af_session *af)
{
    struct authorize *a = af->owner;

    if (af->waiting)
        diameter_cancel(a->diameter, af->call);
    if (af->asked)
        send_str(a, af->session_id, DIAMETER_LOGOUT);
    map_del(&a->by_session, &af->node);
    free(af);
}

/* ---- AAR -------------------------------------------------------------------------------------------- */

static void on_answer(void *ctx, int error, const struct diameter_answer *ans)
{
    struct af_session *af = ctx;
    struct authorize *a = af->owner;
    struct authorize_result result = {.verdict = AUTHORIZE_SILENT};

    af->waiting = false;
    if (error != 0) {
        a->counters.silent++;
        snprintf(result.reason, sizeof(result.reason), "%s", strerror(-error));
    } else if (!diameter_ok(ans)) {
        a->counters.refused++;
        result.verdict = AUTHORIZE_REFUSED;
        if (af->granted && ans->result == DIAMETER_UNKNOWN_SESSION_ID) {
            a->counters.aborted++;
            result.revoked = true;
            af->asked = false; /* there is nothing left for an STR to end */
        }
        snprintf(result.reason, sizeof(result.reason), "%s", diameter_result_name(ans));
    } else if (secret_set(&result.token, ans->aaa.token.p, ans->aaa.token.n) != 0) {
        a->counters.silent++;
        snprintf(result.reason, sizeof(result.reason), "token of %zu octets", ans->aaa.token.n);
    } else {
        a->counters.granted++;
        result.verdict = AUTHORIZE_GRANTED;
        af->granted = true;
    }
    af->done(&result, af->ctx);
    secret_wipe(&result.token);
}

int authorize_request(struct af_session *af, const struct authorize_media *media,
                      void (*done)(const struct authorize_result *result, void *ctx), void *ctx)
{
    struct authorize *a = af->owner;
    struct service *s = &a->service;
    struct rx_aar *aar = &s->request.aar;
    int rc;

    if (af->waiting)
        return -EBUSY;
    memset(&s->request, 0, sizeof(s->request));
    s->texts = BUF_ON(s->room);
    s->request.kind = DIAMETER_AA;
    s->request.app = DIAMETER_APP_RX;
    s->request.session_id = span_str(af->session_id);
    s->request.destination_realm = a->options.realm;
    aar->charging_id = media->icid;
    aar->application = a->options.application;
    aar->framed_ip = media->phone;
    aar->info_status =
        DIAMETER_U32(media->from_phone.n && media->to_phone.n ? RX_FINAL : RX_PRELIMINARY);
    aar->request_type = DIAMETER_U32(af->granted ? RX_UPDATE : RX_INITIAL);
    if (media->subscriber.n) {
        aar->subscriptions[0] = (struct rx_subscription){RX_ID_SIP_URI, media->subscriber};
        aar->n_subscriptions = 1;
    }
    if (!af->asked) {
        aar->actions[0] = RX_LOSS_OF_BEARER;
        aar->actions[1] = RX_RELEASE_OF_BEARER;
        aar->n_actions = 2;
    }
    rc = service_describe(s, media);
    if (rc == 0)
        rc = diameter_send(a->diameter, &s->request, loop_now(a->loop) + a->options.timeout,
                           on_answer, af, &af->call);
    if (rc != 0)
        return rc;
    a->counters.sent++;
    af->asked = af->waiting = true;
    af->done = done;
    af->ctx = ctx;
    return 0;
}
