/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/media: the client of the media edge, by rtpengine's ng protocol and our `authorize`
 * (ARCHITECTURE.md).
 *
 * Decides   nothing about calls; it words the commands, repeats them, and reads the answers.
 * Owns      a UDP socket and the commands in flight, bounded; a command ends with exactly one call
 *           of done.
 * Threads   the worker's.
 * In, out   SDP as received and as rewritten by the edge; tokens as octets, in the ng message
 *           only.
 * Never     looks into SDP (common/sdp does), waits longer than the configured time.
 * Tests     tests/unit/pcscf/media. */
#ifndef PCSCF_MEDIA_MEDIA_H
#define PCSCF_MEDIA_MEDIA_H

#include "common/base/base.h"
#include "common/net/net.h"

enum media_command { MEDIA_OFFER, MEDIA_ANSWER, MEDIA_AUTHORIZE, MEDIA_DELETE, MEDIA_PING };

struct media_request {
    enum media_command command;
    struct span call_id; /* the edge's session: one for each leg of ours */
    struct span from_tag, to_tag;
    struct span sdp;                 /* offer, answer */
    const char *from_side, *to_side; /* interface names, "access" or "core" */
    const struct secret *token;      /* authorize */
};

enum media_result {
    MEDIA_OK,
    MEDIA_REFUSED, /* the edge answered with an error; reason says which */
    MEDIA_SILENT,  /* no answer within the time */
};

struct media_answer {
    enum media_result result;
    struct span sdp;    /* offer, answer */
    struct span reason; /* error-reason */
    /* delete: what was counted over all flows */
    uint64_t packets, octets, refused;
};

struct media_options {
    struct addr local, edge;
    uint64_t retry;   /* microseconds between repetitions */
    uint64_t timeout; /* until MEDIA_SILENT */
    unsigned limit;   /* commands in flight */
};

struct media_counters {
    uint64_t sent, repeated, ok, refused, silent, unmatched, broken;
};

struct media;
struct media_call; /* one command in flight */

int media_new(struct net *n, const struct rnd *rnd, const struct media_options *options,
              struct media **ret_media);
/* Commands in flight are dropped without a call of done. */
void media_free(struct media *m);
const struct media_counters *media_counters(const struct media *m);

/* done is never called from within. -EBUSY at the limit, -EMSGSIZE, -ENOMEM; then done is not
 * called. The answer and its spans are valid during done. */
int media_send(struct media *m, const struct media_request *request,
               void (*done)(const struct media_answer *answer, void *ctx), void *ctx,
               struct media_call **ret_call);
/* The owner has gone: done will not be called. The edge may still have acted. */
void media_cancel(struct media_call *c);

/* The codec, apart for tests: the text of a command behind its cookie; reading an answer's
 * dictionary. */
void media_encode(const struct media_request *request, struct buf *out);
/* -EBADMSG when it is not an answer. */
int media_decode(struct span text, struct media_answer *ret_answer);

#endif
