/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session room alone: an edge and a PDP that answer when the test says so stand in the place of pcscf/media and
 * pcscf/authorize (this program has their functions), and what the room says of itself is counted. */
#ifndef TESTS_UNIT_PCSCF_SESSION_LEGS_H
#define TESTS_UNIT_PCSCF_SESSION_LEGS_H

#include <errno.h>
#include <stdio.h>

#include "pcscf/session/inner.h"
#include "tests/support/stage.h"
#include "tests/support/suite.h"

#define LEGS_TEXT 64 /* of a session description here: they are words */

struct media {
    int unused;
};
struct media_call {
    void (*done)(const struct media_answer *answer, void *ctx);
    void *ctx;
};
struct authorize {
    int unused;
};
struct af_session {
    void (*done)(const struct authorize_result *result, void *ctx);
    void *ctx;
};

static struct legs {
    struct session *s;
    struct binding *alice;
    /* the edge */
    struct media media;
    struct media_call calls[16]; /* in turn */
    unsigned n_calls, cancelled;
    int edge_status; /* of the next commands */
    unsigned commands[MEDIA_PING + 1];
    struct media_request asked; /* the last command; texts are copies */
    char sdp[LEGS_TEXT], from_tag[16], to_tag[16];
    /* the PDP */
    struct authorize authorize;
    struct af_session af;
    int pdp_status;
    unsigned opened, closed, aars;
    char from_phone[LEGS_TEXT], to_phone[LEGS_TEXT]; /* of the last AAR */
    bool offer_from_phone;
    unsigned events[SESSION_EVENT_COUNT];
} legs;

static void legs_copy(struct span from, char *to, size_t cap)
{
    CU_ASSERT_EQUAL(span_copy(from, to, cap), 0);
}

int media_send(struct media *m, const struct media_request *request,
               void (*done)(const struct media_answer *answer, void *ctx), void *ctx,
               struct media_call **ret_call)
{
    struct media_call *c;

    CU_ASSERT_PTR_EQUAL(m, &legs.media);
    if (legs.edge_status != 0)
        return legs.edge_status;
    CU_ASSERT_FATAL(legs.n_calls < ARRAY_LEN(legs.calls));
    c = &legs.calls[legs.n_calls++];
    *c = (struct media_call){done, ctx};
    legs.commands[request->command]++;
    legs.asked = *request;
    legs_copy(request->sdp, legs.sdp, sizeof(legs.sdp));
    legs_copy(request->from_tag, legs.from_tag, sizeof(legs.from_tag));
    legs_copy(request->to_tag, legs.to_tag, sizeof(legs.to_tag));
    if (ret_call)
        *ret_call = c;
    return 0;
}

void media_cancel(struct media_call *c)
{
    if (!c)
        return;
    CU_ASSERT_PTR_NOT_NULL(c->done); /* an answered one is nobody's any more */
    c->done = NULL;
    legs.cancelled++;
}

int authorize_open(struct authorize *a, void *user, struct af_session **ret_af)
{
    (void)user;
    CU_ASSERT_PTR_EQUAL(a, &legs.authorize);
    legs.opened++;
    *ret_af = &legs.af;
    return 0;
}

int authorize_request(struct af_session *af, const struct authorize_media *media,
                      void (*done)(const struct authorize_result *result, void *ctx), void *ctx)
{
    if (legs.pdp_status != 0)
        return legs.pdp_status;
    *af = (struct af_session){done, ctx};
    legs.aars++;
    legs_copy(media->from_phone, legs.from_phone, sizeof(legs.from_phone));
    legs_copy(media->to_phone, legs.to_phone, sizeof(legs.to_phone));
    legs.offer_from_phone = media->offer_from_phone;
    return 0;
}

void authorize_close(struct af_session *af)
{
    af->done = NULL;
    legs.closed++;
}

/* The edge answers its last command: with this description, or NULL for none. */
static inline void edge_says(enum media_result result, const char *sdp)
{
    struct media_answer a = {.result = result, .sdp = span_str(sdp), .reason = SPAN("why")};
    struct media_call *c = &legs.calls[legs.n_calls - 1];
    void (*done)(const struct media_answer *answer, void *ctx) = c->done;

    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    c->done = NULL;
    done(&a, c->ctx);
}

static inline void pdp_says(enum authorize_verdict verdict, const char *token)
{
    struct authorize_result r = {.verdict = verdict, .reason = "why"};
    void (*done)(const struct authorize_result *result, void *ctx) = legs.af.done;

    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    CU_ASSERT_EQUAL(secret_set(&r.token, token, strlen(token)), 0);
    legs.af.done = NULL;
    done(&r, legs.af.ctx);
}

static void legs_on_event(enum session_event event, const struct session_leg *leg,
                          struct span detail, void *ctx)
{
    (void)leg, (void)detail, (void)ctx;
    legs.events[event]++;
}

/* With these parties; there is room for three legs. */
static inline void legs_open(bool edge, bool pdp)
{
    struct session_options options = {.legs = 3};
    struct session_env env;

    stage_open();
    memset(&legs, 0, sizeof(legs));
    env = (struct session_env){.loop = stage.loop,
                               .rnd = *sim_rnd(stage.sim),
                               .layer = stage.layer,
                               .bindings = stage.bindings,
                               .media = edge ? &legs.media : NULL,
                               .authorize = pdp ? &legs.authorize : NULL,
                               .charge = &stage.charge,
                               .gm = stage.gm,
                               .mw = stage.mw,
                               .on_event = legs_on_event};
    CU_ASSERT_EQUAL_FATAL(session_new(&env, &options, &legs.s), 0);
    legs.alice = stage_binding("alice@ims.test");
    legs.alice->registered = true;
    legs.alice->identities = (struct identities){1, {"sip:alice@ims.test"}};
}

static inline void legs_close(void)
{
    stage_end_transactions();
    session_free(legs.s);
    stage_close();
}

/* A leg of this phone's, held as by a request under way. */
static inline struct session_leg *legs_add(struct binding *b, enum sip_leg side)
{
    struct sip_msg *invite = stage_message("INVITE sip:b@ims.test SIP/2.0", "");
    struct session_leg *leg = NULL;

    CU_ASSERT_EQUAL_FATAL(leg_new(legs.s, b, side, invite, &leg), 0);
    leg->hops++;
    sip_msg_unref(invite);
    return leg;
}

#endif
