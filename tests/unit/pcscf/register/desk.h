/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registration room alone: REGISTERs of a phone at 192.0.2.7 come to it as desk.from and
 * desk.set say, the kernel is the fake, and what the room says of itself is counted. */
#ifndef TESTS_UNIT_PCSCF_REGISTER_DESK_H
#define TESTS_UNIT_PCSCF_REGISTER_DESK_H

#include <errno.h>
#include <stdio.h>

#include "pcscf/ipsec/fake.h"
#include "pcscf/register/inner.h"
#include "tests/support/stage.h"
#include "tests/support/suite.h"

static struct desk {
    struct registration *r;
    struct ipsec_fake *fake;
    struct ipsec kernel, ipsec; /* the fake, and the port in front of it */
    struct ipsec_ops ops;
    struct ipsec_set wanted; /* what the kernel was asked for last */
    unsigned asked;
    /* whom a REGISTER is from, as pcscf/core would have found out */
    struct binding *from;
    struct binding_set *set;
    unsigned events[REGISTER_EVENT_COUNT];
    char detail[160]; /* of the last event */
    unsigned gone;    /* phones whose calls had to end */
    char why[64];
    bool gone_was_registered;
    unsigned cseq;
} desk;

static int desk_install(void *self, const struct ipsec_set *set, ipsec_done *done, void *ctx,
                        struct handle *ret_set)
{
    (void)self;
    desk.wanted = *set;
    desk.asked++;
    return ipsec_install(&desk.kernel, set, done, ctx, ret_set);
}

static void desk_on_event(enum register_event event, const struct binding *b, struct span detail,
                          void *ctx)
{
    (void)b, (void)ctx;
    desk.events[event]++;
    CU_ASSERT_EQUAL(span_copy(detail, desk.detail, sizeof(desk.detail)), 0);
}

static void desk_on_gone(struct binding *b, const char *reason, void *ctx)
{
    (void)ctx;
    desk.gone++;
    desk.gone_was_registered = b->registered && !b->dead;
    (void)snprintf(desk.why, sizeof(desk.why), "%s", reason);
}

static void desk_on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow)
{
    (void)m, (void)flow;
    register_request(desk.r, s, desk.set ? desk.from : NULL, desk.set);
}

static void desk_on_set_end(struct binding_set *set)
{
    register_set_end(desk.r, set);
}

static void desk_on_expiry(struct binding *b)
{
    register_expiry(desk.r, b);
}

static inline void desk_open(void (*configure)(struct register_env *env,
                                               struct register_options *options))
{
    struct register_options options = {.require_ipsec = true,
                                       .pending = 240,
                                       .slack = 30,
                                       .linger = 128,
                                       .visited = SPAN("visited.test"),
                                       .core = SPAN("sip:192.0.2.20:6060")};
    struct register_env env;

    stage_open();
    desk = (struct desk){0};
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_new(stage.loop, &desk.fake), 0);
    desk.kernel = ipsec_fake_port(desk.fake);
    desk.ops = *desk.kernel.ops;
    desk.ops.install = desk_install;
    desk.ipsec = (struct ipsec){&desk.ops, desk.kernel.self};
    options.algorithms = secagree_policy_default(false, ~0U, ~0U);
    env = (struct register_env){.loop = stage.loop,
                                .rnd = *sim_rnd(stage.sim),
                                .layer = stage.layer,
                                .bindings = stage.bindings,
                                .ipsec = &desk.ipsec,
                                .charge = &stage.charge,
                                .mw = stage.mw,
                                .ps = stage.ps,
                                .n_pc = STAGE_PC,
                                .on_gone = desk_on_gone,
                                .on_event = desk_on_event};
    memcpy(env.pc, stage.pc, sizeof(stage.pc));
    if (configure)
        configure(&env, &options);
    CU_ASSERT_EQUAL_FATAL(register_new(&env, &options, &desk.r), 0);
    stage.on_request = desk_on_request;
    stage.on_set_end = desk_on_set_end;
    stage.on_expiry = desk_on_expiry;
}

static inline void desk_close(void)
{
    stage_end_transactions();
    register_free(desk.r);
    ipsec_fake_free(desk.fake);
    stage_close();
}

#define DESK_CLIENT                                                                                \
    "ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;prot=esp;mod=trans;spi-c=1000;spi-s=1001;"          \
    "port-c=31000;port-s=31001"
#define DESK_OFFER                                                                                 \
    "Require: sec-agree\nProxy-Require: sec-agree\nSecurity-Client: " DESK_CLIENT "\n"
#define DESK_DIGEST "Authorization: Digest username=\"alice@ims.test\",realm=\"ims.test\""

/* Alice's REGISTER from one of her ports, in the clear to Gm or to port_ps, with these lines of its
 * own; it is heard. */
static inline void desk_register(struct peer *from, const char *lines)
{
    desk.cseq++;
    peer_say(from, from == &stage.phone ? &stage.at_gm : &stage.at_ps,
             "REGISTER sip:ims.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:%u;branch=z9hG4bK%u\n"
             "From: <sip:alice@ims.test>;tag=%u\nTo: <sip:alice@ims.test>\nCall-ID: r\n"
             "CSeq: %u REGISTER\nMax-Forwards: 70\n%s",
             from->local.port, desk.cseq, desk.cseq, desk.cseq, lines);
    stage_run(20);
}

/* The REGISTER as the core has it; fatal when there is none. */
static inline const char *desk_at_core(void)
{
    const char *m = peer_take(&stage.core, "REGISTER", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return m;
}

/* The core answers the REGISTER that is there. */
static inline void desk_answer(const char *status, const char *lines)
{
    peer_answer(&stage.core, &stage.at_mw, desk_at_core(), status, "s", lines, NULL);
    stage_run(20);
}

#endif
