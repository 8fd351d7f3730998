/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/relay, inside: what the loop's side (relay.c) and the packet workers (worker.c) share.
 *
 * A field is written by one side only: "loop", "worker", or atomic with its writer named. */
#ifndef EDGE_RELAY_INNER_H
#define EDGE_RELAY_INNER_H

#include <pthread.h>

#include "edge/relay/relay.h"

/* A datagram longer than this is refused: media stays below the MTU of its path. */
#define RELAY_DATAGRAM_MAX 2048
#define RELAY_BATCH        16

union relay_sa {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* A letter to a worker, embedded in what it is about, so that posting cannot fail. */
struct relay_mail {
    struct relay_mail *next;
    void (*take)(struct relay_mail *mail); /* on the worker, between packets */
};

/* A rule as the packet path wants it; immutable once published. */
struct relay_posted_rule {
    struct relay_mail retire;
    enum relay_gate gate; /* a rule given for a closed gate never lets a packet through */
    enum relay_source source;
    union relay_sa peer;
    socklen_t peer_len;  /* 0 = not known */
    uint32_t generation; /* changes with the peer: then what was latched is forgotten */
    uint64_t bytes_per_second, burst_bytes;
};

struct relay_leg {
    struct relay_stream *stream;
    struct relay_leg *twin;
    int fd;
    uint8_t header_octets;                    /* IP and UDP header, for policing */
    _Atomic int gate;                         /* enum relay_gate; loop */
    _Atomic(struct relay_posted_rule *) rule; /* loop; NULL = none yet */
    struct addr peer;                         /* of the rule; loop */
    uint32_t generation;                      /* loop */

    /* worker: */
    union relay_sa latched;
    socklen_t latched_len; /* 0 = nothing latched */
    uint32_t latched_generation;
    uint64_t credit;      /* token bucket: bytes * SEC */
    uint64_t credit_time; /* 0 = full */
    const struct relay_posted_rule *credit_rule;

    /* What was latched, for reports: the address in three words, then the flag; worker. */
    _Atomic uint64_t shown[3];
    _Atomic bool shown_set;

    struct usage_flow usage; /* worker */
};

struct relay_stream {
    struct list item; /* loop */
    struct relay_mail closing;
    struct relay_worker *worker;
    enum relay_kind kind;
    struct relay_leg leg[2];
};

struct relay_worker {
    pthread_t thread;
    bool started;
    int epoll, event;
    unsigned coalesce_us;
    _Atomic(struct relay_mail *) mail; /* newest first */
    _Atomic bool stop;
    _Atomic uint64_t turns, visits, packets; /* worker */
};

void *relay_worker_run(void *worker);
/* Takes what is in the mailbox; by the worker, or after it was joined. */
void relay_worker_mail(struct relay_worker *w);
void relay_stream_destroy(struct relay_stream *s);

#endif
