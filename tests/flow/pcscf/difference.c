/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/flow/pcscf/difference.h"

#include <stdio.h>

char difference_path[200], difference_via[200];

static void put_wire(struct buf *b, struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '\n')
            buf_puts(b, "\r\n");
        else if (line.p[i] == '$' || line.p[i] == '^')
            buf_puts(b, line.p[i] == '$' ? difference_path : difference_via);
        else
            buf_putc(b, line.p[i]);
    }
}

/* One side of the difference. */
static struct span side_of(const char *difference, char mark, char *room, size_t cap)
{
    static char lines[PEER_TEXT_MAX];
    struct buf all = BUF_ON(lines), b = {room, 0, cap, false};
    struct span rest = span_str(difference), text;
    size_t length;

    while (rest.n) {
        size_t n = span_find(rest, '\n');
        struct span line = span_sub(rest, 0, n + 1);

        rest = span_sub(rest, n + 1, rest.n);
        if (*line.p == ' ' || *line.p == mark)
            put_wire(&all, span_sub(line, 1, line.n));
    }
    text = buf_span(&all);
    for (length = 0; length < text.n; length++) {
        if (span_starts(span_sub(text, length, text.n), SPAN("\r\n\r\n")))
            break;
    }
    length = text.n - length - 4;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '?' && i + 1 < text.n && text.p[i + 1] == '\r')
            buf_u64(&b, length);
        else
            buf_putc(&b, text.p[i]);
    }
    CU_ASSERT_FATAL(!all.overflow && !b.overflow);
    return buf_span(&b);
}

static bool matches(struct span want, struct span got)
{
    while (want.n && got.n) {
        if (*want.p == '*' && want.n > 1 && want.p[1] != ';') { /* Contact: *;... is no wildcard */
            want = span_sub(want, 1, want.n);
            while (got.n && strchr("abcdefghijklmnopqrstuvwxyz0123456789.", *got.p))
                got = span_sub(got, 1, got.n);
            continue;
        }
        if (*want.p != *got.p)
            return false;
        want = span_sub(want, 1, want.n);
        got = span_sub(got, 1, got.n);
    }
    return want.n == 0 && got.n == 0;
}

void difference_check(const struct message *m, const char *got)
{
    static char room[PEER_TEXT_MAX];
    struct span want = side_of(m->difference, '+', room, sizeof(room));
    bool ok = got && matches(want, span_str(got));

    if (!ok)
        fprintf(stderr, "%s\n--- should be\n%.*s\n--- is\n%s\n---\n", m->name, SPAN_ARG(want),
                got ? got : "(nothing)");
    CU_ASSERT_TRUE(ok);
}

void difference_say(const struct message *m, struct peer *from, const struct addr *to)
{
    static char room[PEER_TEXT_MAX];

    CU_ASSERT_EQUAL(net_udp_send(from->udp, to, side_of(m->difference, '-', room, sizeof(room))),
                    0);
    world_run(40);
}
