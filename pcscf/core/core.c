/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/core/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Endpoint tags. */
enum { AT_GM, AT_PS, AT_PC, AT_MW };

struct core {
    struct core_env env;
    struct core_options options;
    struct access access;
    struct sip_transport *transport;
    struct sip_layer *layer;
    struct sip_endpoint *gm, *mw, *ps, *pc[REGISTER_PC_MAX];
    char sent_by[ADDR_TEXT_MAX]; /* of what leaves from a protected client port */
    struct bindings *bindings;
    struct charge charge;
    struct registration *registration;
    struct session *session;
    struct media *media;
    struct authorize *authorize;
    struct core_counters counters;
};

/* ---- who a message is from --------------------------------------------------------------------- */

static bool is_protected(const struct sip_flow *flow)
{
    int at = sip_endpoint_tag(flow->endpoint);

    return at == AT_PS || at == AT_PC;
}

static struct span top_sent_by(const struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct sip_via via;

    return sip_values_next(&v) && sip_via_split(v.value, &via) == 0 ? binding_sent_by(&via)
                                                                    : SPAN_NONE;
}

/* The phone, its source noted; NULL when it is nobody's. */
static struct binding *phone_of(struct core *c, const struct sip_msg *m,
                                const struct sip_flow *flow, struct binding_set **ret_set)
{
    struct binding *b;

    *ret_set = NULL;
    b = binding_of_flow(c->bindings, flow, is_protected(flow), top_sent_by(m), ret_set);
    if (b && *ret_set) {
        (*ret_set)->heard = true;
        b->source = *flow;
    } else if (b) {
        b->source.connection = flow->connection;
    }
    return b;
}

static void refuse(struct sip_server *s, const char *reason)
{
    struct sip_reject reject = {.status = 403, .phrase = sip_status_phrase(403)};

    snprintf(reject.reason, sizeof(reject.reason), "%s", reason);
    (void)sip_server_reject(s, &reject); /* if it cannot be sent, the phone asks again */
}

/* ---- what it is for ---------------------------------------------------------------------------- */

/* RFC 3261 16.3; urn: for emergency calls (TS 24.229 5.2.10). */
static bool may_go_on(struct sip_server *s)
{
    static const struct span extensions[] = {SPAN("sec-agree")};
    static const struct sip_proxy_rules rules = {
        .schemes =
            1 << SIP_SCHEME_SIP | 1 << SIP_SCHEME_SIPS | 1 << SIP_SCHEME_TEL | 1 << SIP_SCHEME_URN,
        .extensions = extensions,
        .n_extensions = ARRAY_LEN(extensions),
    };

    return sip_proxy_check(s, &rules);
}

static void from_phone(struct core *c, struct sip_server *s, const struct sip_msg *m,
                       struct binding *b, const struct binding_set *set)
{
    struct secagree_refusal refusal;

    if (!set || register_is_verified(c->registration, m, set, &refusal))
        session_from_phone(c->session, s, b);
    else
        (void)sip_server_reply(s, refusal.reject.status, refusal.reject.phrase,
                               span_str(refusal.extra), SPAN_NONE); /* as above */
}

static void on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                       void *ctx)
{
    struct core *c = ctx;
    struct binding_set *set;
    struct binding *b;

    if (sip_endpoint_tag(flow->endpoint) == AT_MW) {
        if (may_go_on(s))
            session_from_core(c->session, s);
        return;
    }
    b = phone_of(c, m, flow, &set);
    if (is_protected(flow) && !b) {
        c->counters.no_association++;
        refuse(s, "no security association of a phone we know");
    } else if (!may_go_on(s)) {
        return;
    } else if (m->method == SIP_REGISTER) {
        register_request(c->registration, s, set ? b : NULL, set);
    } else if (set && set->state == BINDING_SET_TEMPORARY) {
        c->counters.unanswered_set++;
        refuse(s, "the challenge on this security association is not answered");
    } else {
        from_phone(c, s, m, b, set);
    }
}

static void on_ack(struct sip_msg *m, const struct sip_flow *flow, void *ctx)
{
    struct core *c = ctx;
    struct secagree_refusal refusal;
    struct binding_set *set;
    struct binding *b;

    if (sip_endpoint_tag(flow->endpoint) == AT_MW) {
        session_on_ack(c->session, m, flow, NULL);
        return;
    }
    b = phone_of(c, m, flow, &set);
    if (b && b->registered &&
        (!set || register_is_verified(c->registration, m, set, &refusal))) /* no answer to an ACK */
        session_on_ack(c->session, m, flow, b);
}

static void on_cancel(struct sip_server *s, void *ctx)
{
    session_on_cancel(((struct core *)ctx)->session, s);
}

/* A phone is asked by UDP and answers by TCP, from whichever of its ports and to whichever of ours (TS
 * 33.203 7.1): what counts is that the answer came over SAs of the same phone. */
static bool may_answer(const struct sip_flow *asked, uint64_t whom, const struct sip_flow *from,
                       void *ctx)
{
    const struct core *c = ctx;
    struct binding_set *set = NULL;
    const struct binding *b;

    if (!is_protected(asked))
        return sip_flow_may_answer(asked, from);
    b = is_protected(from) ? binding_of_flow(c->bindings, from, true, SPAN_NONE, &set) : NULL;
    return b && b->id == whom && set->state != BINDING_SET_TEMPORARY;
}

/* ---- before parsing ---------------------------------------------------------------------------- */

static enum sip_guard_verdict on_bytes(const struct sip_flow *flow, struct span raw, void *ctx)
{
    struct core *c = ctx;

    if (sip_endpoint_tag(flow->endpoint) == AT_MW)
        return SIP_GUARD_PASS;
    switch (
        access_check(&c->access, &flow->remote, is_protected(flow), raw.n, loop_now(c->env.loop))) {
    case ACCESS_PASS:
        return SIP_GUARD_PASS;
    case ACCESS_TOO_LARGE:
        c->counters.too_large++;
        return SIP_GUARD_CLOSE;
    case ACCESS_TOO_FAST:
        c->counters.too_fast++;
        return SIP_GUARD_DROP;
    }
    return SIP_GUARD_DROP;
}

/* TS 33.203 7.1: also what was never understood is answered inside of the security association. */
static bool on_reply(const struct sip_flow *flow, struct sip_target *ret_target, void *ctx)
{
    struct core *c = ctx;
    struct binding_set *set = NULL;

    if (!is_protected(flow) || !binding_of_flow(c->bindings, flow, true, SPAN_NONE, &set))
        return false;
    *ret_target = binding_reply_target(set, flow);
    return true;
}

static void on_bad(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_bad)
        c->env.on_bad(flow, reject, c->env.ctx);
}

static void on_stranger(const struct sip_flow *flow, void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_stranger)
        c->env.on_stranger(flow, c->env.ctx);
}

static void on_false_answer(const struct sip_flow *from, void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_false_answer)
        c->env.on_false_answer(from, c->env.ctx);
}

/* ---- from the rooms ---------------------------------------------------------------------------- */

static void on_set_end(struct binding_set *set, void *ctx)
{
    register_set_end(((struct core *)ctx)->registration, set);
}

static void on_expiry(struct binding *b, void *ctx)
{
    register_expiry(((struct core *)ctx)->registration, b);
}

static void on_gone(struct binding *b, const char *reason, void *ctx)
{
    session_release_phone(((struct core *)ctx)->session, b, reason);
}

static void on_register(enum register_event e, const struct binding *b, struct span detail,
                        void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_register)
        c->env.on_register(e, b, detail, c->env.ctx);
}

static void on_session(enum session_event e, const struct session_leg *leg, struct span detail,
                       void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_session)
        c->env.on_session(e, leg, detail, c->env.ctx);
}

static void on_aside(const struct session_leg *leg, const char *party, bool outgoing,
                     const char *what, void *ctx)
{
    struct core *c = ctx;

    if (c->env.on_aside)
        c->env.on_aside(leg, party, outgoing, what, c->env.ctx);
}

static void on_abort(struct af_session *af, void *ctx)
{
    session_media_revoked(((struct core *)ctx)->session, authorize_user(af));
}

/* ---- making and ending ------------------------------------------------------------------------- */

static int open_one(struct core *c, const struct sip_endpoint_options *o,
                    struct sip_endpoint **ret_endpoint, char ret_what[80])
{
    char text[ADDR_TEXT_MAX];
    int rc = sip_endpoint_open(c->transport, o, ret_endpoint);

    if (rc != 0)
        snprintf(ret_what, 80, "%s %s", o->name, addr_text(&o->local, text));
    return rc;
}

static int open_endpoints(struct core *c, char ret_what[80])
{
    const struct core_options *o = &c->options;
    struct sip_endpoint_options gm = {.name = "gm",
                                      .tag = AT_GM,
                                      .local = o->gm,
                                      .udp = true,
                                      .tcp = o->tcp,
                                      .timers = o->phone_timers};
    struct sip_endpoint_options mw = {.name = "mw",
                                      .tag = AT_MW,
                                      .local = o->mw,
                                      .udp = true,
                                      .tcp = o->tcp,
                                      .allow = o->mw_allow,
                                      .n_allow = o->n_mw_allow};
    struct sip_endpoint_options ps = gm, pc = gm;
    int rc = open_one(c, &gm, &c->gm, ret_what);

    if (rc == 0)
        rc = open_one(c, &mw, &c->mw, ret_what);
    if (rc != 0 || !c->env.ipsec)
        return rc;
    ps.name = "port_ps";
    ps.tag = AT_PS;
    ps.local.port = o->port_ps;
    ps.never_connects = true; /* it would be from a port outside of every SA: in the clear */
    rc = open_one(c, &ps, &c->ps, ret_what);
    /* Requests leave from port_pc and name port_ps in their Via (TS 33.203 7.1). */
    pc.name = "port_pc";
    pc.tag = AT_PC;
    pc.tcp = false;
    pc.sent_by = span_str(addr_text(&ps.local, c->sent_by));
    for (unsigned i = 0; rc == 0 && i < o->n_pc; i++) {
        pc.local.port = (uint16_t)(o->port_pc + i);
        pc.tcp_from = pc.local.port;
        rc = open_one(c, &pc, &c->pc[i], ret_what);
    }
    return rc;
}

static int make_registration(struct core *c)
{
    struct register_env env = {.loop = c->env.loop,
                               .rnd = *c->env.rnd,
                               .layer = c->layer,
                               .bindings = c->bindings,
                               .ipsec = c->env.ipsec,
                               .charge = &c->charge,
                               .mw = c->mw,
                               .ps = c->ps,
                               .n_pc = c->env.ipsec ? c->options.n_pc : 0,
                               .on_gone = on_gone,
                               .on_event = on_register,
                               .ctx = c};

    memcpy(env.pc, c->pc, sizeof(env.pc));
    return register_new(&env, &c->options.registration, &c->registration);
}

static int make_session(struct core *c)
{
    struct session_env env = {.loop = c->env.loop,
                              .rnd = *c->env.rnd,
                              .layer = c->layer,
                              .bindings = c->bindings,
                              .media = c->media,
                              .authorize = c->authorize,
                              .charge = &c->charge,
                              .gm = c->gm,
                              .mw = c->mw,
                              .on_event = on_session,
                              .on_aside = on_aside,
                              .ctx = c};

    return session_new(&env, &c->options.session, &c->session);
}

static int make_rooms(struct core *c, char ret_what[80])
{
    static const struct sip_layer_ops layer_ops = {.on_request = on_request,
                                                   .on_ack = on_ack,
                                                   .on_cancel = on_cancel,
                                                   .may_answer = may_answer,
                                                   .on_false_answer = on_false_answer};
    static const struct sip_guard guard = {
        .on_bytes = on_bytes,
        .on_bad = on_bad,
        .on_stranger = on_stranger,
        .on_reply = on_reply,
    };
    static const struct bindings_ops bindings_ops = {on_set_end, on_expiry};
    static const struct authorize_ops authorize_ops = {on_abort};
    const struct core_options *o = &c->options;
    const struct rnd *rnd = c->env.rnd;
    int rc = access_init(&c->access, rnd, &o->access);

    if (rc == 0)
        rc = sip_transport_new(c->env.net, rnd, &o->transport, &c->transport);
    if (rc != 0)
        return rc;
    sip_transport_set_guard(c->transport, &guard, c);
    rc = sip_layer_new(c->transport, rnd, &o->layer, &layer_ops, c, &c->layer);
    if (rc == 0)
        rc = open_endpoints(c, ret_what);
    if (rc == 0)
        rc = bindings_new(c->env.loop, rnd, o->phones, &bindings_ops, c, &c->bindings);
    if (rc == 0 && o->media.edge.family) {
        rc = media_new(c->env.net, rnd, &o->media, &c->media);
        if (rc != 0)
            snprintf(ret_what, 80, "the client port of the media edge");
    }
    if (rc == 0 && c->env.diameter)
        rc = authorize_new(c->env.loop, c->env.diameter, rnd, &o->authorize, &authorize_ops, c,
                           &c->authorize);
    if (rc == 0)
        rc = make_registration(c);
    return rc == 0 ? make_session(c) : rc;
}

int core_new(const struct core_env *env, const struct core_options *options, struct core **ret_core,
             char ret_what[80])
{
    struct core *c = calloc(1, sizeof(*c));
    int rc;

    ret_what[0] = '\0';
    if (!c)
        return -ENOMEM;
    c->env = *env;
    c->options = *options;
    /* Edge and PDP are asked before the core can say anything. */
    c->options.layer.trying_at_once = true;
    c->charge.rnd = *env->rnd;
    (void)addr_ip_text(&options->mw, c->charge.host);
    memcpy(c->charge.ioi, options->ioi, sizeof(c->charge.ioi));
    rc = make_rooms(c, ret_what);
    if (rc != 0) {
        core_free(c);
        return rc;
    }
    *ret_core = c;
    return 0;
}

void core_free(struct core *c)
{
    if (!c)
        return;
    /* Transactions first: what they hold of the rooms is given back from on_end. */
    if (c->layer)
        sip_layer_free(c->layer);
    session_free(c->session);
    register_free(c->registration);
    authorize_free(c->authorize);
    media_free(c->media);
    bindings_free(c->bindings);
    if (c->transport)
        sip_transport_free(c->transport);
    access_fini(&c->access);
    free(c);
}

struct sip_transport *core_transport(struct core *c)
{
    return c->transport;
}

struct sip_layer *core_layer(struct core *c)
{
    return c->layer;
}

struct bindings *core_bindings(struct core *c)
{
    return c->bindings;
}

struct session *core_session(struct core *c)
{
    return c->session;
}

struct media *core_media(struct core *c)
{
    return c->media;
}

struct authorize *core_authorize(struct core *c)
{
    return c->authorize;
}

const struct core_counters *core_counters(const struct core *c)
{
    return &c->counters;
}

bool core_is_idle(const struct core *c)
{
    return session_legs(c->session) == 0 && sip_layer_servers(c->layer) == 0 &&
           sip_layer_clients(c->layer) == 0;
}
