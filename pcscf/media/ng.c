/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bencoded dictionaries (BEP 3), as much as ng needs. Keys are written in sorted order. */
#include <errno.h>

#include "pcscf/media/media.h"

#define NESTING_MAX 8

static void put_text(struct buf *b, struct span s)
{
    buf_u64(b, s.n);
    buf_putc(b, ':');
    buf_put(b, s);
}

static void put_pair(struct buf *b, const char *key, struct span value)
{
    if (value.p) {
        put_text(b, span_str(key));
        put_text(b, value);
    }
}

static const char *const command_names[] = {
    [MEDIA_OFFER] = "offer",   [MEDIA_ANSWER] = "answer", [MEDIA_AUTHORIZE] = "authorize",
    [MEDIA_DELETE] = "delete", [MEDIA_PING] = "ping",
};

void media_encode(const struct media_request *r, struct buf *b)
{
    buf_putc(b, 'd');
    if (r->command == MEDIA_AUTHORIZE && r->token)
        put_pair(b, "authorization-token", span_of(r->token->bytes, r->token->n));
    put_pair(b, "call-id", r->call_id);
    put_pair(b, "command", span_str(command_names[r->command]));
    if (r->from_side) {
        put_text(b, SPAN("direction"));
        buf_putc(b, 'l');
        put_text(b, span_str(r->from_side));
        put_text(b, span_str(r->to_side));
        buf_putc(b, 'e');
    }
    put_pair(b, "from-tag", r->from_tag);
    if (r->sdp.p) {
        /* The media plane is ours alone: no candidates of the phones pass the edge. */
        put_text(b, SPAN("replace"));
        buf_putc(b, 'l');
        put_text(b, SPAN("origin"));
        put_text(b, SPAN("session-connection"));
        buf_putc(b, 'e');
    }
    put_pair(b, "sdp", r->sdp);
    put_pair(b, "to-tag", r->to_tag);
    buf_putc(b, 'e');
}

static bool take_text(struct span *in, struct span *ret_text)
{
    size_t colon = span_find(*in, ':');
    uint64_t n;

    if (colon > 6 || span_u64(span_sub(*in, 0, colon), 65535, &n) != 0 || n > in->n - colon - 1)
        return false;
    *ret_text = span_sub(*in, colon + 1, colon + 1 + n);
    *in = span_sub(*in, colon + 1 + n, in->n);
    return true;
}

static bool take_number(struct span *in, uint64_t *ret_number)
{
    size_t end = span_find(*in, 'e');
    struct span digits = span_sub(*in, 1, end);

    if (end == in->n)
        return false;
    /* A negative number is well-formed but nothing here counts below zero. */
    if (span_starts(digits, SPAN("-")))
        digits = span_sub(digits, 1, digits.n);
    if (span_u64(digits, UINT64_MAX, ret_number) != 0)
        return false;
    *in = span_sub(*in, end + 1, in->n);
    return true;
}

static bool take_value(struct span *in, const char *key, struct media_answer *answer,
                       unsigned depth);

static bool take_members(struct span *in, bool dictionary, struct media_answer *answer,
                         unsigned depth)
{
    *in = span_sub(*in, 1, in->n);
    while (in->n && in->p[0] != 'e') {
        struct span key = SPAN_NONE;
        char name[40] = "";

        if (dictionary && !take_text(in, &key))
            return false;
        (void)span_copy(key, name, sizeof(name)); /* a longer key is none of ours */
        if (!take_value(in, name, answer, depth + 1))
            return false;
    }
    if (in->n == 0)
        return false;
    *in = span_sub(*in, 1, in->n);
    return true;
}

/* Takes one value; what is known by its key goes to the answer. Counters are summed wherever they
 * stand. */
static bool take_value(struct span *in, const char *key, struct media_answer *answer,
                       unsigned depth)
{
    struct span text;
    uint64_t number;

    if (in->n == 0 || depth > NESTING_MAX)
        return false;
    switch (in->p[0]) {
    case 'd':
    case 'l':
        return take_members(in, in->p[0] == 'd', answer, depth);
    case 'i':
        if (!take_number(in, &number))
            return false;
        if (strcmp(key, "packets") == 0)
            answer->packets += number;
        else if (strcmp(key, "octets") == 0 || strcmp(key, "bytes") == 0)
            answer->octets += number;
        else if (strcmp(key, "refused") == 0)
            answer->refused += number;
        return true;
    default:
        if (!take_text(in, &text))
            return false;
        if (depth > 1)
            return true;
        if (strcmp(key, "sdp") == 0)
            answer->sdp = text;
        else if (strcmp(key, "error-reason") == 0)
            answer->reason = text;
        else if (strcmp(key, "result") == 0)
            answer->result = span_eq(text, SPAN("error")) ? MEDIA_REFUSED : MEDIA_OK;
        return true;
    }
}

int media_decode(struct span text, struct media_answer *ret_answer)
{
    struct media_answer a = {.result = MEDIA_SILENT};

    if (text.n == 0 || text.p[0] != 'd' || !take_value(&text, "", &a, 0) ||
        a.result == MEDIA_SILENT)
        return -EBADMSG;
    *ret_answer = a;
    return 0;
}
