/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call as a ladder: time on the left, one column a party, '=' for what went through an SA. */
#include "tools/imsctl/imsctl.h"

#include <time.h>

enum { LEFT = 14, RIGHT = 10, PARTIES_MAX = 12, LANE_MIN = 18, LANE_MAX = 44, LINE_MAX = 1024 };

struct drawing {
    FILE *out;
    size_t parties;
    size_t lane; /* distance of two parties */
};

static size_t x_of(const struct drawing *d, size_t party)
{
    return LEFT + d->lane / 2 + party * d->lane;
}

/* An empty line of the ladder: blanks and the bars of all parties; its length. */
static size_t blank(const struct drawing *d, char *line)
{
    size_t n = x_of(d, d->parties - 1) + d->lane / 2 + 1;
    memset(line, ' ', n);
    for (size_t i = 0; i < d->parties; i++)
        line[x_of(d, i)] = '|';
    return n;
}

/* What matters of a first line: the method and its target, or the status. */
static struct span essence(struct span text)
{
    static const char version[] = "SIP/2.0";
    if (span_starts(text, SPAN("SIP/2.0 ")))
        return span_sub(text, sizeof(version), text.n);
    if (text.n > sizeof(version) &&
        span_eq(span_sub(text, text.n - sizeof(version), text.n), SPAN(" SIP/2.0")))
        return span_sub(text, 0, text.n - sizeof(version));
    return text;
}

static void put_text(char *line, size_t from, size_t room, struct span text)
{
    size_t n = text.n < room ? text.n : room;
    for (size_t i = 0; i < n; i++)
        line[from + i] = text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i];
    if (text.n > room && room > 2)
        memset(line + from + room - 2, '.', 2);
}

static void put_arrow(char *line, size_t from, size_t to, bool guarded, struct span text)
{
    size_t left = from < to ? from : to, right = from < to ? to : from;
    size_t inside = right - left - 1, room = inside - 4;
    size_t shown = text.n < room ? text.n : room;
    memset(line + left + 1, guarded ? '=' : '-', inside);
    line[from < to ? right - 1 : left + 1] = from < to ? '>' : '<';
    put_text(line, left + 1 + (inside - shown) / 2, room, text);
}

static void put_time(char *line, int64_t wall)
{
    time_t seconds = (time_t)(wall / 1000000);
    struct tm tm;
    char text[32];
    if (!gmtime_r(&seconds, &tm))
        return;
    int n = snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
                     (int)(wall / 1000 % 1000));
    if (n > 0 && n < LEFT)
        memcpy(line, text, (size_t)n);
}

static void put_line(const struct drawing *d, const char *line, size_t n, const char *transport,
                     bool guarded)
{
    bool more = (transport && *transport) || guarded;
    while (!more && n > 0 && line[n - 1] == ' ')
        n--;
    imsctl_put_clean(d->out, line, n, 0);
    if (more)
        (void)fprintf(d->out, " %s%s", transport ? transport : "", guarded ? ", guarded" : "");
    (void)fputc('\n', d->out);
}

static void put_event(const struct drawing *d, const json_t *event)
{
    char line[LINE_MAX];
    size_t n = blank(d, line);
    json_int_t from = json_integer_value(json_object_get(event, "from"));
    json_int_t to = json_integer_value(json_object_get(event, "to"));
    const json_t *text = json_object_get(event, "text");
    const char *transport = json_string_value(json_object_get(event, "transport"));
    bool guarded = json_is_true(json_object_get(event, "guarded"));
    struct span said = essence(span_of(json_string_value(text), json_string_length(text)));
    if (from < 0 || to < 0 || (size_t)from >= d->parties || (size_t)to >= d->parties)
        return;
    put_time(line, json_integer_value(json_object_get(event, "time")));
    if (from != to) {
        put_arrow(line, x_of(d, (size_t)from), x_of(d, (size_t)to), guarded, said);
    } else {
        line[x_of(d, (size_t)from)] = '*';
        put_text(line, x_of(d, (size_t)from) + 2, n - x_of(d, (size_t)from) - 2, said);
    }
    put_line(d, line, n, transport, guarded);
}

/* A name too long for its lane ("phone 10.46.1.101") goes on in a second line, behind its blank. */
static struct span head_of(const struct drawing *d, struct span party, unsigned row)
{
    struct span rest = party, first = span_cut(&rest, ' ');
    if (party.n <= d->lane - 2 || rest.n == 0)
        return row == 0 ? party : SPAN_NONE;
    return row == 0 ? first : rest;
}

static void put_head(const struct drawing *d, const json_t *parties)
{
    char line[LINE_MAX];
    const json_t *party;
    size_t i;
    for (unsigned row = 0; row < 2; row++) {
        size_t n = blank(d, line), room = d->lane - 2;
        bool any = false;
        memset(line, ' ', n);
        json_array_foreach(parties, i, party)
        {
            struct span name =
                head_of(d, span_of(json_string_value(party), json_string_length(party)), row);
            size_t shown = name.n < room ? name.n : room;
            if (i < d->parties && name.n > 0) {
                put_text(line, x_of(d, i) - shown / 2, room, name);
                any = true;
            }
        }
        if (any)
            put_line(d, line, n, NULL, false);
    }
}

static void put_messages(FILE *out, const json_t *events)
{
    const json_t *event;
    size_t i;
    json_array_foreach(events, i, event)
    {
        const json_t *message = json_object_get(event, "message");
        struct span rest = span_of(json_string_value(message), json_string_length(message));
        if (!message)
            continue;
        (void)fprintf(out, "\n[%zu]\n", i + 1);
        while (rest.n > 0) {
            struct span line = span_trim(span_cut(&rest, '\n'));
            imsctl_put_clean(out, line.p, line.n, 0);
            (void)fputc('\n', out);
        }
    }
}

void imsctl_show_ladder(FILE *out, const json_t *ladder, unsigned width)
{
    const json_t *parties = json_object_get(ladder, "parties");
    const json_t *events = json_object_get(ladder, "events"), *event, *name;
    json_int_t left_out = json_integer_value(json_object_get(ladder, "left_out"));
    struct drawing d = {out, json_array_size(parties), 0};
    size_t i;
    if (d.parties == 0 || d.parties > PARTIES_MAX) {
        (void)fputs("nothing was recorded\n", out);
        return;
    }
    d.lane = (width > LEFT + RIGHT ? width - LEFT - RIGHT : 0) / d.parties;
    d.lane = d.lane < LANE_MIN ? LANE_MIN : d.lane > LANE_MAX ? LANE_MAX : d.lane;
    const char *call = json_string_value(json_object_get(ladder, "call"));
    (void)fputs("call  ", out);
    imsctl_put_clean(out, call ? call : "", call ? strlen(call) : 0, 0);
    json_array_foreach(json_object_get(ladder, "names"), i, name)
    {
        (void)fputs("\n      ", out);
        imsctl_put_clean(out, json_string_value(name), json_string_length(name), 0);
    }
    (void)fputs("\n      times are UTC; === is inside a security association\n\n", out);
    put_head(&d, parties);
    json_array_foreach(events, i, event)
    {
        put_event(&d, event);
    }
    if (left_out > 0)
        (void)fprintf(out, "      %lld messages were left out\n", (long long)left_out);
    put_messages(out, events);
}
