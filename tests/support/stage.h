/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/stage: what stands under the rooms of a P-CSCF, on virtual time: its endpoints, transactions and
 * bindings, with a phone (192.0.2.7) and an S-CSCF (192.0.2.20) around it. The room that is tested stands on it alone:
 * each request is given to the program, which gives it to the room. */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include "common/transaction/transaction.h"
#include "pcscf/binding/binding.h"
#include "pcscf/charge/charge.h"
#include "tests/support/peer.h"

#define STAGE_PC      4 /* protected client ports, from 5063 */
#define STAGE_PHONES  6 /* bindings at most */
#define STAGE_MESSAGE 8192

struct stage {
    struct sim *sim;
    struct wire *wire;
    struct loop *loop;
    struct net *net;
    struct sip_transport *transport;
    struct sip_layer *layer;
    struct sip_endpoint *gm, *mw, *ps, *pc[STAGE_PC]; /* 192.0.2.10:5060, 192.0.2.11:5070 */
    struct bindings *bindings;
    struct charge charge;
    struct peer phone, uc, us; /* ports 5060, 31000 and 31001 of the phone */
    struct peer core;          /* 192.0.2.20:6060 */
    struct addr at_gm, at_mw, at_ps;
    /* The program's; NULL: nothing is done. */
    void (*on_request)(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow);
    void (*on_ack)(struct sip_msg *m, const struct sip_flow *flow); /* of a 2xx */
    void (*on_set_end)(struct binding_set *set);
    void (*on_expiry)(struct binding *b);
};

extern struct stage stage;

void stage_open(void);
/* Transactions end; rooms are freed after it, and before the rest. */
void stage_end_transactions(void);
void stage_close(void);
void stage_run(unsigned milliseconds);

struct addr stage_addr(const char *text);
/* A phone with this private identity, known and not registered. */
struct binding *stage_binding(const char *impi);
/* An SA set of its: in this state, with our pc-th client port; port_us is the one after phone_uc's. */
struct binding_set *stage_set(struct binding *b, const char *phone_uc, unsigned pc, uint32_t spi_ps,
                              enum binding_set_state state);
/* A message from its text with "\n" for CRLF; Via, From, To, Call-ID, CSeq and Max-Forwards are added behind the start
 * line, Content-Length unless there is a body. sip_msg_unref. */
struct sip_msg *stage_message(const char *start, const char *lines);
/* The message behind the edits, as text, until the next call. */
const char *stage_rendered(struct sip_edit *e);

#endif
