/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter, inside: what the two processes say to each other on a SOCK_SEQPACKET pair: one
 * record = a wire_head and octets. They are one build on one machine: native byte order. */
#ifndef COMMON_DIAMETER_WIRE_H
#define COMMON_DIAMETER_WIRE_H

#include <stdint.h>

#include "common/diameter/inner.h"

enum wire_type {
    /* to the node */
    WIRE_CONF = 1, /* lines "key value...", the first record */
    WIRE_REQUEST,  /* ref = the caller's, timeout; a message */
    WIRE_ANSWER, /* ref = of a WIRE_ASKED; a message, or nothing: the node says it was unable to comply */
    /* from the node */
    WIRE_LOG,      /* text */
    WIRE_ANSWERED, /* ref = of a WIRE_REQUEST; a message */
    WIRE_FAILED,   /* ref likewise; error = errno */
    WIRE_ASKED,    /* ref = the node's; a message */
    WIRE_PEER,     /* error = 1 up, 0 down; an identity */
};

/* libfdcore adds a Route-Record to what it received: a head, and an identity with its padding. */
enum {
    WIRE_OCTETS_MAX = DIAMETER_MESSAGE_MAX + 8 + DIAMETER_NAME_MAX + 1,
    WIRE_ASKED_MAX = 16384, /* requests of peers that the daemon has not answered */
};

struct wire_head {
    uint32_t type;
    int32_t error;
    uint64_t ref;
    uint64_t timeout_us;
};

struct wire_record {
    struct wire_head head;
    char octets[WIRE_OCTETS_MAX];
};

enum {
    WIRE_HEAD = sizeof(struct wire_head),
    WIRE_FD = 3, /* where the node finds its end */
};

#endif
