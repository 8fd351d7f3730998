/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Session descriptions: each goes to the edge, then to the PDP, before anybody else sees it. One at a time on a leg; an
 * offer that fails leaves what was agreed before as it was. */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/session/inner.h"

static void run(struct session_leg *leg, struct leg_body *b);

static void drop_text(char **at)
{
    free(*at);
    *at = NULL;
}

/* ---- the end of a body ----------------------------------------------------------------------- */

/* Tells who waits for it; the leg may be gone afterwards. */
static void tell(struct session_leg *leg, unsigned status, const char *phrase)
{
    struct leg_body *b = leg->body;
    struct leg_outcome outcome = {.status = status, .phrase = phrase};

    leg->body = NULL;
    leg->busy = false;
    if (!b)
        return;
    if (status == 0)
        outcome.sdp = span_str(b->is_offer ? leg->offer.out : leg->answer.out);
    b->done(&outcome, b->ctx);
}

static void finish(struct session_leg *leg, unsigned status, const char *phrase)
{
    leg->hops++; /* it must not go while we look at it */
    tell(leg, status, phrase);
    while (!leg->busy && !list_empty(&leg->waiting)) {
        struct leg_body *next = CONTAINER_OF(leg->waiting.next, struct leg_body, item);

        list_del(&next->item);
        run(leg, next);
    }
    leg->hops--;
    leg_let_go(leg);
}

void leg_bodies_end(struct session_leg *leg)
{
    leg->hops++;
    leg_offer_withdraw(leg);
    /* What waits for its body is answered (RFC 3261 15.1.2). */
    tell(leg, 487, NULL);
    while (!list_empty(&leg->waiting)) {
        leg->body = CONTAINER_OF(leg->waiting.next, struct leg_body, item);
        list_del(&leg->body->item);
        tell(leg, 487, NULL);
    }
    leg->hops--;
}

void leg_bodies_free(struct session_leg *leg)
{
    free(leg->from_phone);
    free(leg->to_phone);
    free(leg->offered);
    free(leg->offer.in);
    free(leg->offer.out);
    free(leg->answer.in);
    free(leg->answer.out);
}

void leg_offer_withdraw(struct session_leg *leg)
{
    drop_text(&leg->offered);
    leg->offer_pending = false;
    leg->offer_hop = NULL;
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void hand_over_token(struct session_leg *leg);

static void on_gate(const struct media_answer *a, void *ctx)
{
    struct session_leg *leg = ctx;

    leg->ng_authorize = NULL;
    leg_aside(leg, "edge", false, a->result == MEDIA_OK ? "ok: gates up" : "not authorized");
    if (leg->authorize_again) {
        hand_over_token(leg); /* what this was about is agreed otherwise now */
        return;
    }
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

    if (!leg->anchored || !s->env.media || leg->token.n == 0)
        return;
    leg->authorize_again = leg->ng_authorize != NULL;
    if (leg->authorize_again)
        return;
    leg_aside(leg, "edge", true, "authorize");
    if (media_send(s->env.media, &r, on_gate, leg, &leg->ng_authorize) != 0)
        session_tell(s, SESSION_TOKEN_REFUSED, leg, SPAN("too many commands in flight"));
}

/* ---- the PDP --------------------------------------------------------------------------------- */

static void on_authorized(const struct authorize_result *r, void *ctx)
{
    struct session_leg *leg = ctx;
    struct session *s = leg->session;
    static const char *const said[] = {[AUTHORIZE_GRANTED] = "AAA granted",
                                       [AUTHORIZE_REFUSED] = "AAA refused",
                                       [AUTHORIZE_SILENT] = "no AAA"};

    leg_aside(leg, "pdp", false, said[r->verdict]);
    switch (r->verdict) {
    case AUTHORIZE_GRANTED:
        if (r->token.n)
            leg->token = r->token;
        if (!leg->sdp_is_offer)
            hand_over_token(leg);
        finish(leg, 0, NULL);
        return;
    case AUTHORIZE_REFUSED:
        session_tell(s, SESSION_PDP_REFUSED, leg, span_str(r->reason));
        leg->hops++; /* it must not go while we look at it */
        finish(leg, 488, NULL);
        leg->hops--;
        if (r->revoked && !leg->media_ended) {
            authorize_close(leg->af);
            session_media_revoked(s, leg);
        } else {
            leg_let_go(leg);
        }
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

/* An offer is the PDP's business before its answer when the phone is to get a token with it (RFC 3313 5.2), and when it
 * changes what was agreed: refused now it changes nothing, refused once it is answered the call has to end. */
static bool offer_is_asked(const struct session_leg *leg)
{
    const char *agreed = leg->sdp_from_phone ? leg->from_phone : leg->to_phone;

    if (leg->from_phone && leg->to_phone)
        return !span_eq(span_str(agreed), span_str(leg->offered));
    return !leg->sdp_from_phone && leg->token.n == 0;
}

/* TS 24.229 5.2.7.2, 29.214 4.4.1: once the answer is known. */
static void ask_pdp(struct session_leg *leg)
{
    struct session *s = leg->session;
    struct authorize_media media = {.icid = span_str(leg->icid),
                                    .subscriber = span_str(leg->binding->identities.uri[0]),
                                    .phone = leg->binding->source.remote};
    int rc = 0;

    if (!s->env.authorize || (leg->sdp_is_offer && !offer_is_asked(leg))) {
        finish(leg, 0, NULL);
        return;
    }
    if (!leg->sdp_is_offer) {
        media.from_phone = span_str(leg->from_phone);
        media.to_phone = span_str(leg->to_phone);
        media.offer_from_phone = leg->offer_from_phone;
    } else if (leg->sdp_from_phone) {
        media.from_phone = span_str(leg->offered);
        media.offer_from_phone = true;
    } else {
        media.to_phone = span_str(leg->offered);
    }
    if (!leg->af)
        rc = authorize_open(s->env.authorize, leg, &leg->af);
    leg_aside(leg, "pdp", true, leg->sdp_is_offer ? "AAR (preliminary)" : "AAR");
    if (rc == 0)
        rc = authorize_request(leg->af, &media, on_authorized, leg);
    if (rc == -EBADMSG) {
        finish(leg, 488, NULL);
    } else if (rc != 0) {
        struct authorize_result none = {.verdict = AUTHORIZE_SILENT, .reason = "busy"};

        on_authorized(&none, leg);
    }
}

/* ---- the edge -------------------------------------------------------------------------------- */

static bool note_offer(struct session_leg *leg, struct span in, struct span out)
{
    if (!span_keep(&leg->offered, leg->sdp_from_phone ? in : out))
        return false;
    leg->offered_by_phone = leg->sdp_from_phone;
    leg->offer_pending = true;
    return true;
}

/* The offer and its answer; another answer to the same offer is a fork's, or a change of mind. */
static bool note_answer(struct session_leg *leg, struct span in, struct span out)
{
    if (!span_keep(leg->sdp_from_phone ? &leg->from_phone : &leg->to_phone,
                   leg->sdp_from_phone ? in : out))
        return false;
    if (leg->offer_pending) {
        char **offerer = leg->offered_by_phone ? &leg->from_phone : &leg->to_phone;

        free(*offerer);
        *offerer = leg->offered;
        leg->offered = NULL;
        leg->offer_from_phone = leg->offered_by_phone;
    }
    leg_offer_withdraw(leg);
    return true;
}

/* The body is anchored (or passes as it is): note it as it is on the phone's side, go on to the PDP. */
static void anchored(struct session_leg *leg, struct span out)
{
    struct leg_text *t = leg->sdp_is_offer ? &leg->offer : &leg->answer;
    bool ok;

    if (leg->sdp_is_offer && !leg->offer_hop) {
        finish(leg, 487, NULL); /* whose offer it was has gone meanwhile */
        return;
    }
    ok = span_keep(&t->out, out) &&
         (leg->sdp_is_offer ? note_offer(leg, span_str(t->in), span_str(t->out))
                            : note_answer(leg, span_str(t->in), span_str(t->out)));
    if (ok)
        ask_pdp(leg);
    else
        finish(leg, 500, NULL);
}

static void on_edge(const struct media_answer *a, void *ctx)
{
    struct session_leg *leg = ctx;
    struct session *s = leg->session;

    leg->ng = NULL;
    leg_aside(leg, "edge", false,
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
        anchored(leg, span_str(leg->sdp_is_offer ? leg->offer.in : leg->answer.in));
    else if (a->result == MEDIA_SILENT)
        finish(leg, 503, "Media Plane Unavailable");
    else
        finish(leg, 488, NULL);
}

static void ask_edge(struct session_leg *leg, struct span sdp)
{
    static const struct media_answer none = {.result = MEDIA_SILENT,
                                             .reason = SPAN("too many commands in flight")};
    bool from_phone = leg->sdp_from_phone, is_offer = leg->sdp_is_offer;
    bool offerer_is_phone = from_phone == is_offer;
    struct media_request r = {.command = is_offer ? MEDIA_OFFER : MEDIA_ANSWER,
                              .call_id = span_str(leg->edge_call),
                              .sdp = sdp,
                              .from_side = from_phone ? "access" : "core",
                              .to_side = from_phone ? "core" : "access"};

    if (!leg->session->env.media) {
        anchored(leg, sdp);
        return;
    }
    /* rtpengine's tags: the offerer's is from-tag in both commands. */
    r.from_tag = offerer_is_phone ? SPAN(TAG_PHONE) : SPAN(TAG_CORE);
    if (!is_offer)
        r.to_tag = offerer_is_phone ? SPAN(TAG_CORE) : SPAN(TAG_PHONE);
    leg_aside(leg, "edge", true, is_offer ? "offer" : "answer");
    if (media_send(leg->session->env.media, &r, on_edge, leg, &leg->ng) != 0) {
        on_edge(&none, leg);
        return;
    }
    if (!leg->at_edge)
        leg->edge_tag = r.from_tag;
    leg->at_edge = true;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool is_same(const struct leg_text *t, struct span sdp, bool from_phone)
{
    return t->out && t->from_phone == from_phone && span_eq(sdp, span_str(t->in));
}

/* The same body in another message: the answer or offer of a 183 in the 200, the answer in an ACK that comes again. */
static bool is_repeated(const struct session_leg *leg, const struct leg_body *b)
{
    if (!b->is_offer)
        return !leg->offer_pending && is_same(&leg->answer, b->sdp, b->from_phone);
    return leg->offer_pending && leg->offer_hop == b->ctx &&
           is_same(&leg->offer, b->sdp, b->from_phone);
}

bool leg_awaits_answer(const struct session_leg *leg, bool from_phone)
{
    return leg->offer_pending && leg->offered_by_phone != from_phone;
}

bool leg_takes_answer(const struct session_leg *leg, struct span sdp, bool from_phone)
{
    return leg_awaits_answer(leg, from_phone) || is_same(&leg->answer, sdp, from_phone);
}

static void run(struct session_leg *leg, struct leg_body *b)
{
    struct leg_text *t = b->is_offer ? &leg->offer : &leg->answer;

    leg->busy = true;
    leg->body = b;
    leg->sdp_from_phone = b->from_phone;
    leg->sdp_is_offer = b->is_offer;
    if (is_repeated(leg, b)) {
        tell(leg, 0, NULL);
        return;
    }
    drop_text(&t->out);
    t->from_phone = b->from_phone;
    if (b->is_offer)
        leg->offer_hop = b->ctx;
    if (!span_keep(&t->in, b->sdp))
        tell(leg, 500, NULL);
    else
        ask_edge(leg, span_str(t->in));
}

int leg_body_start(struct session_leg *leg, struct leg_body *b)
{
    if (!leg->busy) {
        leg->hops++;
        run(leg, b);
        leg->hops--;
        leg_let_go(leg);
        return 0;
    }
    if (b->is_offer && b->in_request)
        return -EBUSY;
    list_add_tail(&leg->waiting, &b->item);
    return 0;
}

void leg_body_cancel(struct session_leg *leg, struct leg_body *b)
{
    if (leg->body == b)
        leg->body = NULL; /* what comes back is noted, nobody waits for it */
    list_del(&b->item);
}
