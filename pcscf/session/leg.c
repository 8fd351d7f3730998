/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A leg: one phone's side of one call, its edge session and its AF session. What its bodies go through is body.c's. */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/session/inner.h"

void session_tell(struct session *s, enum session_event event, const struct session_leg *leg,
                  struct span detail)
{
    if (s->env.on_event)
        s->env.on_event(event, leg, detail, s->env.ctx);
}

void leg_aside(const struct session_leg *leg, const char *party, bool outgoing, const char *what)
{
    const struct session_env *env = &leg->session->env;

    if (env->on_aside)
        env->on_aside(leg, party, outgoing, what, env->ctx);
}

/* What is over is remembered until its last transaction ends: some two minutes. Whoever hangs up again and again must
 * not fill the table with that either. */
#define KNOWN_PER_LIVE 8

static bool phone_is_full(const struct session *s, const struct binding_calls *calls)
{
    uint64_t most = s->options.legs_per_phone;

    return most && (calls->live >= most || calls->known >= most * KNOWN_PER_LIVE);
}

/* Who calls for help finds room where others find none. */
static size_t most_legs(const struct session *s, enum binding_call kind)
{
    size_t most = s->options.legs;

    return kind == BINDING_CALL_EMERGENCY ? most + most / 8 : most;
}

static enum binding_call kind_of(enum sip_leg side, const struct sip_msg *invite)
{
    if (side == SIP_LEG_TERMINATING)
        return BINDING_CALL_TAKEN;
    return message_is_emergency(invite) ? BINDING_CALL_EMERGENCY : BINDING_CALL_MADE;
}

int leg_new(struct session *s, struct binding *b, enum sip_leg side, const struct sip_msg *invite,
            struct session_leg **ret_leg)
{
    enum binding_call kind = kind_of(side, invite);
    struct session_leg *leg;
    struct buf id;

    if (s->n_legs >= most_legs(s, kind))
        return -ENOSPC;
    if (phone_is_full(s, &b->calls[kind]))
        return -EDQUOT;
    leg = calloc(1, sizeof(*leg));
    if (!leg)
        return -ENOMEM;
    leg->session = s;
    leg->binding = b;
    leg->side = side;
    leg->kind = kind;
    leg->started = loop_now(s->env.loop);
    list_init(&leg->waiting);
    id = (struct buf){leg->edge_call, 0, sizeof(leg->edge_call) - 1, false};
    rnd_token(&s->env.rnd, &id, sizeof(leg->edge_call) - 1);
    if (side == SIP_LEG_ORIGINATING || charge_read_icid(invite, leg->icid) != 0)
        charge_new_icid(s->env.charge, leg->icid);
    (void)span_copy(invite->call_id, leg->call_id, sizeof(leg->call_id)); /* for display only */
    binding_ref(b);
    list_add_tail(&s->legs, &leg->item);
    list_add_tail(&b->legs, &leg->of_binding);
    b->calls[kind].live++;
    b->calls[kind].known++;
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
    media_cancel(leg->ng_authorize);
    secret_wipe(&leg->token);
    list_del(&leg->item);
    list_del(&leg->of_binding);
    leg->binding->calls[leg->kind].known--;
    s->n_legs--;
    binding_unref(s->env.bindings, leg->binding);
    leg_bodies_free(leg);
    free(leg);
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
        .command = MEDIA_DELETE, .call_id = span_str(leg->edge_call), .from_tag = leg->edge_tag};

    if (leg->media_ended)
        return;
    leg->media_ended = true;
    leg->binding->calls[leg->kind].live--;
    leg->gate_up = false;
    media_cancel(leg->ng);
    media_cancel(leg->ng_authorize);
    leg->ng = leg->ng_authorize = NULL;
    if (leg->at_edge) {
        leg_aside(leg, "edge", true, "delete");
        (void)media_send(s->env.media, &r, on_deleted, NULL, NULL); /* as above */
    }
    if (leg->af) {
        leg_aside(leg, "pdp", true, "STR");
        authorize_close(leg->af);
    }
    leg->af = NULL;
    leg->anchored = leg->at_edge = false;
    /* Now, not when the last transaction forgets it 32 s later. */
    if (leg->started)
        session_tell(s, SESSION_CALL_ENDED, leg, SPAN(""));
    leg_bodies_end(leg); /* it may be the last to name the leg */
}

void leg_forks_end(struct session_leg *leg)
{
    for (unsigned i = 0; i < leg->n_forks; i++) {
        struct sip_dialog *d = sip_dialog_by_handle(leg->session->dialogs, leg->forks[i]);

        if (d && sip_dialog_state(d) == SIP_DIALOG_EARLY)
            sip_dialog_terminate(d);
    }
}

/* TS 33.203 7.4: the set the call began on is long gone after a few re-authentications. */
void leg_find_phone(const struct session_leg *leg, struct sip_dialog *d)
{
    struct sip_target phone;
    bool found = binding_target(leg->binding, &phone) == 0;

    sip_dialog_set_hop(d, leg_phone_side(leg), found ? &phone : NULL);
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
    if (leg->invite && leg->invite->proxy && !leg->confirmed) {
        sip_proxy_abort(leg->invite->proxy, 503, reason, SPAN_NONE);
        leg_forks_end(leg);
    }
    if (leg->confirmed) {
        leg_find_phone(leg, leg->confirmed);
        (void)sip_dialog_release(leg->confirmed, leg->session->env.layer, buf_span(&b));
    }
    leg->confirmed = NULL;
    leg->hops--;
    leg_let_go(leg);
}
