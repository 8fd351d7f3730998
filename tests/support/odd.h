/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/odd: SIP messages made from the one oddity each of them shows: a row says which lines
 * differ from those of a plain request or response, and what should become of the message. */
#ifndef TESTS_SUPPORT_ODD_H
#define TESTS_SUPPORT_ODD_H

#include "common/base/base.h"

/* Verdicts; any other is the status it is answered with. */
#define DROP 0
#define GOOD 1

/* A byte of the table that becomes NUL. */
#define ODD_NUL "\x1a"
/* The value of the Via of whoever had sent the request, in the `via` of a response. */
#define ODD_VIA "\x1b"

struct odd {
    const char *name;
    unsigned verdict;
    /* Lines without their CRLF; NULL = the plain one, "" = none. A start with "SIP/" makes a
     * response. */
    const char *start, *via, *hops, *from, *to, *call_id, *cseq, *more, *length, *body;
    const char *end;    /* instead of the empty line */
    const char *behind; /* what follows, beyond the Content-Length */
    /* Over a stream: the same; or answered and closed; or waited for, and closed. */
    enum { ODD_SAME, ODD_CLOSES, ODD_WAITS } stream;
    unsigned verdict_stream; /* when it is another one there */
};

/* via: stands for ODD_VIA; NULL = "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKp0". */
struct span odd_write(const struct odd *o, const char *via, char *room, size_t cap);

#endif
