/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One proxy hop on virtual time between two hosts that are nothing but sockets: what they send is
 * bytes of the test, what they hear is kept as it came. Caller 192.0.2.1, hop 192.0.2.2, callee
 * 192.0.2.3, all at port 5060. The hop takes its own Route away, records itself for what makes a
 * dialog, and sends everything to the callee. */
#ifndef TESTS_FLOW_PROXY_HOP_H
#define TESTS_FLOW_PROXY_HOP_H

#include "common/net/netsim.h"
#include "common/transaction/transaction.h"
#include "tests/support/suite.h"

enum { CALLER, HOP, CALLEE };

#define PARTY_KEPT 64

struct party {
    struct net *net;
    struct net_udp *udp;
    struct net_listener *listener;
    struct net_tcp *tcp; /* the one connection, accepted or made */
    bool tcp_closed;     /* by the other side */
    struct {
        char *bytes; /* with a NUL behind them, that is not counted */
        size_t n;
        enum net_proto proto;
    } heard[PARTY_KEPT]; /* a datagram or a chunk each, oldest first */
    unsigned n, beyond;  /* beyond: not kept */
    char *given;         /* by party_hears */
};

struct hop {
    struct sim *sim;
    struct wire *wire;
    struct party caller, callee;
    struct net *net;
    struct sip_transport *t;
    struct sip_endpoint *e;
    struct sip_layer *l;
    enum net_proto onward; /* to the callee */
};

extern struct hop hop;

void hop_begin(enum net_proto onward);
/* Everything must come to its end by itself: no transaction, no connection is left. */
void hop_end(void);
void hop_run(unsigned milliseconds);

void party_say(struct party *p, struct span bytes); /* UDP, to the hop */
void party_say_tcp(struct party *p,
                   struct span bytes); /* on its connection; connects the first time */
void party_hang_up(struct party *p);
/* The oldest thing heard; p = NULL when there is none. Valid until the next call. */
struct span party_hears(struct party *p);
void party_forget(struct party *p);

/* What became of the messages the hop has received, all of it counted by the hop itself. */
struct tally {
    uint64_t received, answered, dropped, taken;
};
struct tally hop_tally(void);

/* What must come out for what was sent, worked out on text with nothing of ours; valid until the next
 * call. A request: `got` is what came out, for the branch of our Via, which is the hop's to choose;
 * else only Max-Forwards, the Via, the Record-Route of a dialog and our own Route may differ. A
 * response: its first Via value goes. */
struct span hop_forwards(struct span sent, struct span got);
struct span hop_returns(struct span sent);

#endif
