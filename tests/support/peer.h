/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/peer: a scripted SIP party on the simulated wire: it says what the test tells it,
 * and keeps what it hears. It parses with nothing of ours: what it looks at is text. */
#ifndef TESTS_SUPPORT_PEER_H
#define TESTS_SUPPORT_PEER_H

#include "common/net/netsim.h"

#define PEER_TEXT_MAX 16384
#define PEER_KEPT     32

struct peer {
    struct net *net; /* owned */
    struct net_udp *udp;
    struct addr local;
    struct {
        char *text;
        struct addr from;
    } heard[PEER_KEPT]; /* oldest first */
    unsigned n;
    unsigned dropped; /* beyond PEER_KEPT */
    /* Set: called for each message instead of keeping it. */
    void (*on_message)(struct peer *p, const char *text, const struct addr *from, void *ctx);
    void *ctx;
};

void peer_open(struct peer *p, struct sim *s, struct wire *w, const char *name,
               const char *address);
void peer_close(struct peer *p);
void peer_send(struct peer *p, const struct addr *to, const char *text);
/* A request or response from a template; "\n" becomes CRLF, Content-Length is added, and
 * Content-Type for SDP to a body without. */
void peer_say(struct peer *p, const struct addr *to, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes the oldest message that starts with `start` out; NULL when there is none. Valid until the
 * next take. *ret_from may be NULL. */
const char *peer_take(struct peer *p, const char *start, struct addr *ret_from);
/* Answers a request as a UAS would: Via, From, To (with tag), Call-ID, CSeq and Record-Route are
 * copied; extra: lines ending in \n; body may be NULL (then no body, else SDP). */
void peer_answer(struct peer *p, const struct addr *to, const char *request, const char *status,
                 const char *tag, const char *extra, const char *body);

/* Value of the n-th line (from 0) with that name into a static buffer; "" without one. */
const char *peer_header(const char *text, const char *name, unsigned n);
bool peer_has_header(const char *text, const char *name);
/* Where the URI in <> or bare in a value leads ("sip:x@192.0.2.1:5060;lr"): for tests that follow
 * routes. */
struct addr peer_uri_addr(const char *value);
const char *peer_body(const char *text);

#endif
