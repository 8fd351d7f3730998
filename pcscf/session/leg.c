/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A leg: one phone's side of one call, its edge session and its AF session. */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/session/inner.h"

/* The two sides of a leg's edge session, as its tags. */
#define TAG_PHONE "phone"
#define TAG_CORE  "core"

void session_tell(struct session *s, enum session_event event, const struct session_leg *leg,
                  struct span detail)
{
    if (s->env.on_event)
        s->env.on_event(event, leg, detail, s->env.ctx);
}

static void aside(const struct session_leg *leg, const char *party, bool outgoing, const char *what)
{
    const struct session_env *env = &leg->session->env;

    if (env->on_aside)
        env->on_aside(leg, party, outgoing, what, env->ctx);
}

int leg_new(struct session *s, struct binding *b, enum sip_leg side, const struct sip_msg *invite,
            struct session_leg **ret_leg)
{
    struct session_leg *leg;
    struct buf id;

    if (s->n_legs >= s->options.legs)
        return -ENOSPC;
    leg = calloc(1, sizeof(*leg));
    if (!leg)
        return -ENOMEM;
    leg->session = s;
    leg->binding = b;
    leg->side = side;
    leg->started = loop_now(s->env.loop);
    id = (struct buf){leg->edge_call, 0, sizeof(leg->edge_call) - 1, false};
    rnd_token(&s->env.rnd, &id, sizeof(leg->edge_call) - 1);
    if (side == SIP_LEG_ORIGINATING || charge_read_icid(invite, leg->icid) != 0)
        charge_new_icid(s->env.charge, leg->icid);
    (void)span_copy(invite->call_id, leg->call_id, sizeof(leg->call_id)); /* for display only */
    binding_ref(b);
    list_add_tail(&s->legs, &leg->item);
    list_add_tail(&b->legs, &leg->of_binding);
    s->n_legs++;
    *ret_leg = leg;
    return 0;
}

void leg_let_go(struct session_leg *leg)
{
    struct session *s = leg->session;

    if (leg->dialogs || leg->hops)
        return;
    leg_media_end(leg);
    if (leg->answered_at || leg->started)
        session_tell(s, SESSION_CALL_ENDED, leg, SPAN(""));
    media_cancel(leg->ng_authorize);
    secret_wipe(&leg->token);
    list_del(&leg->item);
    list_del(&leg->of_binding);
    s->n_legs--;
    binding_unref(s->env.bindings, leg->binding);
    free(leg->from_phone);
    free(leg->to_phone);
    free(leg->last_in);
    free(leg->last_out);
    free(leg);
}

static void finish(struct session_leg *leg, unsigned status, const char *phrase)
{
    leg_sdp_done *done = leg->sdp_done;
    struct leg_outcome outcome = {.status = status, .phrase = phrase};

    leg->sdp_done = NULL;
    if (status == 0 && leg->last_out)
        outcome.sdp = span_str(leg->last_out);
    if (done)
        done(&outcome, leg->sdp_ctx);
}

static void on_deleted(const struct media_answer *a, void *ctx)
{
    (void)a; /* a silent edge ends the session by itself, by inactivity */
    (void)ctx;
}

void leg_media_end(struct session_leg *leg)
{
    struct session *s = leg->session;
    struct media_request r = {
        .command = MEDIA_DELETE, .call_id = span_str(leg->edge_call), .from_tag = SPAN(TAG_PHONE)};

    if (leg->media_ended)
        return;
    leg->media_ended = true;
    leg->gate_up = false;
    media_cancel(leg->ng);
    media_cancel(leg->ng_authorize);
    leg->ng = leg->ng_authorize = NULL;
    if (leg->anchored && s->env.media)
        aside(leg, "edge", true, "delete");
    if (leg->anchored && s->env.media)
        (void)media_send(s->env.media, &r, on_deleted, NULL, NULL); /* as above */
    if (leg->af) {
        aside(leg, "pdp", true, "STR");
        authorize_close(leg->af);
    }
    leg->af = NULL;
    leg->anchored = false;
    /* What waits for its body is answered (RFC 3261 15.1.2). It may be the last to name the leg. */
    if (leg->sdp_done)
        finish(leg, 487, NULL);
}

void leg_release(struct session_leg *leg, const char *reason)
{
    char text[128];
    struct buf b = BUF_ON(text);

    leg->hops++; /* it must not go while we look at it */
    leg_media_end(leg);
    /* TS 24.229 5.2.8.1.2: both directions, with a Reason. */
    buf_fmt(&b, "SIP;cause=503;text=\"%s\"", reason);
    /* Still ringing: cancelled forwards, refused backwards. */
    if (leg->invite && leg->invite->proxy && !leg->confirmed)
        sip_proxy_abort(leg->invite->proxy, 503, reason, SPAN_NONE);
    if (leg->confirmed)
        (void)sip_dialog_release(leg->confirmed, leg->session->env.layer, buf_span(&b));
    leg->confirmed = NULL;
    leg->hops--;
    leg_let_go(leg);
}

/* ---- a body under way: the edge, then the PDP ---- */

static void on_gate(const struct media_answer *a, void *ctx)
{
    struct session_leg *leg = ctx;

    leg->ng_authorize = NULL;
    aside(leg, "edge", false, a->result == MEDIA_OK ? "ok: gates up" : "not authorized");
    if (a->result == MEDIA_OK) {
        leg->gate_up = true;
        return;
    }
    session_tell(leg->session, SESSION_TOKEN_REFUSED, leg, a->reason);
    if (leg->session->options.on_media_failure == SESSION_REJECT)
        leg_release(leg, "media not authorized");
}

/* The edge is handed the token; the answer goes on meanwhile: media waits at the gate, not signalling. */
static void hand_over_token(struct session_leg *leg)
{
    struct session *s = leg->session;
    struct media_request r = {.command = MEDIA_AUTHORIZE,
                              .call_id = span_str(leg->edge_call),
                              .from_tag = SPAN(TAG_PHONE),
                              .token = &leg->token};

    if (!leg->anchored || !s->env.media || leg->token.n == 0 || leg->ng_authorize)
        return;
    aside(leg, "edge", true, "authorize (token)");
    if (media_send(s->env.media, &r, on_gate, leg, &leg->ng_authorize) != 0)
        session_tell(s, SESSION_TOKEN_REFUSED, leg, SPAN("too many commands in flight"));
}

static void on_authorized(const struct authorize_result *r, void *ctx)
{
    struct session_leg *leg = ctx;
    struct session *s = leg->session;
    static const char *const said[] = {[AUTHORIZE_GRANTED] = "AAA granted",
                                       [AUTHORIZE_REFUSED] = "AAA refused",
                                       [AUTHORIZE_SILENT] = "no AAA"};
    bool answered = !leg->offer_pending;

    aside(leg, "pdp", false, said[r->verdict]);
    switch (r->verdict) {
    case AUTHORIZE_GRANTED:
        if (r->token.n)
            leg->token = r->token;
        if (answered)
            hand_over_token(leg);
        finish(leg, 0, NULL);
        return;
    case AUTHORIZE_REFUSED:
        session_tell(s, SESSION_PDP_REFUSED, leg, span_str(r->reason));
        finish(leg, 488, NULL);
        return;
    case AUTHORIZE_SILENT:
        session_tell(s, SESSION_PDP_SILENT, leg, span_str(r->reason));
        if (s->options.on_pdp_failure == SESSION_REJECT)
            finish(leg, 503, "Policy Decision Unavailable");
        else
            finish(leg, 0, NULL);
        return;
    }
}

/* TS 24.229 5.2.7.2, 29.214 4.4.1: once the answer is known; for a called phone also at the offer, so that the INVITE
 * carries the token (RFC 3313 5.2). */
static void ask_pdp(struct session_leg *leg)
{
    struct session *s = leg->session;
    bool called_phone = leg->side == SIP_LEG_TERMINATING && !leg->sdp_from_phone;
    struct authorize_media media = {.icid = span_str(leg->icid),
                                    .subscriber = span_str(leg->binding->identities.uri[0]),
                                    .phone = leg->binding->source.remote,
                                    .from_phone = span_str(leg->from_phone),
                                    .to_phone = span_str(leg->to_phone),
                                    .offer_from_phone = leg->offer_from_phone};
    int rc = 0;

    if (!s->env.authorize || (leg->sdp_is_offer && !(called_phone && leg->token.n == 0))) {
        finish(leg, 0, NULL);
        return;
    }
    if (!leg->af)
        rc = authorize_open(s->env.authorize, leg, &leg->af);
    aside(leg, "pdp", true, leg->from_phone && leg->to_phone ? "AAR" : "AAR (preliminary)");
    if (rc == 0)
        rc = authorize_request(leg->af, &media, on_authorized, leg);
    if (rc == -EBADMSG) {
        finish(leg, 488, NULL);
    } else if (rc != 0) {
        struct authorize_result none = {.verdict = AUTHORIZE_SILENT, .reason = "busy"};

        on_authorized(&none, leg);
    }
}

static bool replace_text(char **at, struct span text)
{
    char *copy = span_dup(text);

    if (!copy)
        return false;
    free(*at);
    *at = copy;
    return true;
}

/* The body is anchored (or passes as it is): note it on the phone's side, go on to the PDP. */
static void anchored(struct session_leg *leg, struct span out)
{
    bool ok = replace_text(&leg->last_out, out);

    if (leg->sdp_from_phone)
        ok = ok && replace_text(&leg->from_phone, span_str(leg->last_in));
    else
        ok = ok && replace_text(&leg->to_phone, out);
    if (!ok) {
        finish(leg, 500, NULL);
        return;
    }
    if (leg->sdp_is_offer)
        leg->offer_from_phone = leg->sdp_from_phone;
    leg->offer_pending = leg->sdp_is_offer;
    ask_pdp(leg);
}

static void on_edge(const struct media_answer *a, void *ctx)
{
    struct session_leg *leg = ctx;
    struct session *s = leg->session;

    leg->ng = NULL;
    aside(leg, "edge", false,
          a->result == MEDIA_OK       ? "ok"
          : a->result == MEDIA_SILENT ? "silence"
                                      : "error");
    if (a->result == MEDIA_OK && a->sdp.p) {
        leg->anchored = true;
        anchored(leg, a->sdp);
        return;
    }
    session_tell(s, a->result == MEDIA_SILENT ? SESSION_MEDIA_SILENT : SESSION_MEDIA_REFUSED, leg,
                 a->reason);
    if (s->options.on_media_failure == SESSION_ALLOW)
        anchored(leg, span_str(leg->last_in));
    else if (a->result == MEDIA_SILENT)
        finish(leg, 503, "Media Plane Unavailable");
    else
        finish(leg, 488, NULL);
}

int leg_sdp(struct session_leg *leg, struct span sdp, bool from_phone, bool is_offer,
            leg_sdp_done *done, void *ctx)
{
    struct session *s = leg->session;
    struct media_request r = {.command = is_offer ? MEDIA_OFFER : MEDIA_ANSWER,
                              .call_id = span_str(leg->edge_call),
                              .sdp = sdp,
                              .from_side = from_phone ? "access" : "core",
                              .to_side = from_phone ? "core" : "access"};
    bool offerer_is_phone = from_phone == is_offer;
    int rc;

    if (leg->sdp_done)
        return -EBUSY;
    leg->sdp_done = done;
    leg->sdp_ctx = ctx;
    leg->sdp_from_phone = from_phone;
    leg->sdp_is_offer = is_offer;
    /* The same answer again, in the 200 after a 183. */
    if (!is_offer && leg->last_in && leg->last_from_phone == from_phone && !leg->offer_pending &&
        span_eq(sdp, span_str(leg->last_in))) {
        finish(leg, 0, NULL);
        return 0;
    }
    if (!replace_text(&leg->last_in, sdp)) {
        leg->sdp_done = NULL;
        return -ENOMEM;
    }
    leg->last_from_phone = from_phone;
    if (!s->env.media) {
        anchored(leg, sdp);
        return 0;
    }
    /* rtpengine's tags: the offerer's is from-tag in both commands. */
    r.from_tag = offerer_is_phone ? SPAN(TAG_PHONE) : SPAN(TAG_CORE);
    if (!is_offer)
        r.to_tag = offerer_is_phone ? SPAN(TAG_CORE) : SPAN(TAG_PHONE);
    aside(leg, "edge", true, is_offer ? "offer" : "answer");
    rc = media_send(s->env.media, &r, on_edge, leg, &leg->ng);
    if (rc != 0)
        leg->sdp_done = NULL;
    return rc;
}

void leg_sdp_cancel(struct session_leg *leg, const void *ctx)
{
    if (leg->sdp_done && leg->sdp_ctx == ctx)
        leg->sdp_done = NULL; /* what comes back is noted, nobody waits for it */
}
