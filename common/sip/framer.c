/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages out of a stream. Every byte is looked at once, however small the pieces it comes in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/lex.h"

#define READ_MAX 65536 /* one read of the transport, which may hold further messages */
#define KEEP_MAX 8192  /* an idle connection keeps no larger buffer */

void sip_framer_init(struct sip_framer *f, size_t limit)
{
    *f = (struct sip_framer){.limit = limit};
}

void sip_framer_fini(struct sip_framer *f)
{
    free(f->bytes);
    *f = (struct sip_framer){.limit = f->limit};
}

static void drop(struct sip_framer *f, size_t n)
{
    f->start += n;
    f->scanned = f->start;
    f->need = 0;
}

static void take_delivered(struct sip_framer *f)
{
    if (f->taken)
        drop(f, f->taken);
    f->taken = 0;
}

int sip_framer_feed(struct sip_framer *f, struct span data)
{
    size_t want;

    take_delivered(f);
    if (f->start) {
        memmove(f->bytes, f->bytes + f->start, f->n - f->start);
        f->n -= f->start;
        f->scanned -= f->start;
        f->start = 0;
    }
    if (data.n > READ_MAX || f->n > f->limit)
        return -ENOBUFS;
    want = f->n + data.n;
    if (want > f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 2048;
        char *bytes;

        while (cap < want)
            cap *= 2;
        bytes = realloc(f->bytes, cap);
        if (!bytes)
            return -ENOMEM;
        f->bytes = bytes;
        f->cap = cap;
    }
    if (data.n)
        memcpy(f->bytes + f->n, data.p, data.n);
    f->n = want;
    return 0;
}

static enum sip_frame broken(struct sip_framer *f, unsigned status, const char *reason,
                             struct span *ret_message, struct sip_reject *ret_reject)
{
    f->broken = true;
    ret_reject->status = status;
    ret_reject->phrase = sip_status_phrase(status);
    snprintf(ret_reject->reason, sizeof(ret_reject->reason), "%s", reason);
    *ret_message = span_of(f->bytes + f->start, f->n - f->start);
    return SIP_FRAME_BROKEN;
}

/* The value of Content-Length in a complete header. NULL, or what is wrong with it. */
static const char *find_length(struct span header, uint64_t *ret_length)
{
    bool found = false;

    (void)span_cut(&header, '\n'); /* the start line */
    while (header.n) {
        struct span line = header, value;
        size_t n = lex_token(line), end = span_find(line, '\n');

        /* Folding belongs to the line. */
        while (end + 1 < line.n && (line.p[end + 1] == ' ' || line.p[end + 1] == '\t'))
            end += 1 + span_find(span_sub(line, end + 1, line.n), '\n');
        lex_skip(&header, end < header.n ? end + 1 : header.n);
        if (sip_header_of(span_sub(line, 0, n)) != SIP_H_CONTENT_LENGTH)
            continue;
        if (found)
            return "Content-Length twice";
        found = true;
        value = span_trim(span_sub(line, n, end));
        if (value.n == 0 || *value.p != ':' ||
            span_u64(span_trim(span_sub(value, 1, value.n)), UINT32_MAX, ret_length) < 0)
            return "Content-Length is no number";
    }
    return found ? NULL : "no Content-Length on a stream";
}

/* Offset behind the empty line, 0 when it is not there yet, or -EBADMSG for a line without CR. */
static ptrdiff_t header_end(struct sip_framer *f)
{
    for (;;) {
        const char *from = f->bytes + f->scanned;
        const char *lf = f->n > f->scanned ? memchr(from, '\n', f->n - f->scanned) : NULL;
        size_t at;

        if (!lf) {
            f->scanned = f->n;
            return 0;
        }
        at = (size_t)(lf - f->bytes);
        f->scanned = at + 1;
        if (at == f->start || f->bytes[at - 1] != '\r')
            return -EBADMSG;
        if (at - f->start >= 3 && f->bytes[at - 2] == '\n')
            return (ptrdiff_t)(at + 1);
    }
}

/* Empty lines between messages: MESSAGE when one may start here. */
static enum sip_frame skip_empty(struct sip_framer *f)
{
    for (;;) {
        const char *p = f->bytes + f->start;
        size_t n = f->n - f->start;

        if (n == 0)
            return SIP_FRAME_MORE;
        if (p[0] != '\r')
            return SIP_FRAME_MESSAGE;
        if (n < 2 || (p[1] == '\n' && n < 3) || (p[1] == '\n' && p[2] == '\r' && n < 4))
            return SIP_FRAME_MORE;
        if (p[1] != '\n')
            return SIP_FRAME_MESSAGE; /* refused as no start line */
        if (p[2] == '\r' && p[3] == '\n') {
            drop(f, 4);
            return SIP_FRAME_PING;
        }
        drop(f, 2);
    }
}

static enum sip_frame more(struct sip_framer *f)
{
    if (f->start == f->n && f->cap > KEEP_MAX) {
        free(f->bytes);
        *f = (struct sip_framer){.limit = f->limit};
    }
    return SIP_FRAME_MORE;
}

enum sip_frame sip_framer_next(struct sip_framer *f, struct span *ret_message,
                               struct sip_reject *ret_reject)
{
    enum sip_frame frame;
    const char *wrong;
    uint64_t length;
    ptrdiff_t end;

    take_delivered(f);
    if (f->broken)
        return broken(f, 0, "the stream was broken before", ret_message, ret_reject);
    if (f->need == 0) {
        if (f->scanned == f->start) {
            frame = skip_empty(f);
            if (frame == SIP_FRAME_MORE)
                return more(f);
            if (frame == SIP_FRAME_PING)
                return frame;
            if (!lex_is(f->bytes[f->start], LEX_TOKEN))
                return broken(f, 0, "no start line", ret_message, ret_reject);
        }
        end = header_end(f);
        if (end < 0)
            return broken(f, 400, "line does not end in CRLF", ret_message, ret_reject);
        if (end == 0 && f->n - f->start > f->limit)
            return broken(f, 513, "header too large", ret_message, ret_reject);
        if (end == 0)
            return SIP_FRAME_MORE;
        wrong = find_length(span_of(f->bytes + f->start, (size_t)end - f->start), &length);
        if (wrong)
            return broken(f, 400, wrong, ret_message, ret_reject);
        f->need = (size_t)end - f->start + length;
        if (f->need > f->limit)
            return broken(f, 513, "message too large", ret_message, ret_reject);
    }
    if (f->n - f->start < f->need)
        return SIP_FRAME_MORE;
    *ret_message = span_of(f->bytes + f->start, f->need);
    f->taken = f->need;
    return SIP_FRAME_MESSAGE;
}
