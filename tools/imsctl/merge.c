/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One ladder of what several programs have recorded. */
#include "tools/imsctl/imsctl.h"

/* A Diameter identity is known by its first label, as the programs name themselves. */
static struct span short_name(struct span party)
{
    struct span rest = party, label = span_cut(&rest, '.');
    return memchr(label.p, ' ', label.n) ? party : label;
}

static json_int_t party_in(json_t *parties, struct span name)
{
    const json_t *party;
    size_t i;
    json_array_foreach(parties, i, party)
    {
        if (span_eq(span_of(json_string_value(party), json_string_length(party)), name))
            return (json_int_t)i;
    }
    return json_array_append_new(parties, json_stringn(name.p, name.n)) == 0 ? (json_int_t)i : -1;
}

/* The other ladder's party that an event names, as a party of ours. */
static json_t *moved(json_t *parties, const json_t *other, const json_t *event, const char *end)
{
    const json_t *party = json_array_get(json_object_get(other, "parties"),
                                         (size_t)json_integer_value(json_object_get(event, end)));
    struct span name = span_of(json_string_value(party), json_string_length(party));
    return json_integer(name.n ? party_in(parties, short_name(name)) : -1);
}

/* Behind everything that was not later. */
static size_t place_of(const json_t *events, json_int_t time)
{
    size_t at = json_array_size(events);
    while (at > 0 &&
           json_integer_value(json_object_get(json_array_get(events, at - 1), "time")) > time)
        at--;
    return at;
}

void imsctl_ladder_add(json_t *ladder, const json_t *other, const char *transport)
{
    json_t *parties = json_object_get(ladder, "parties"), *event;
    json_t *events = json_object_get(ladder, "events");
    size_t i;
    json_array_foreach(json_object_get(other, "events"), i, event)
    {
        const char *through = json_string_value(json_object_get(event, "transport"));
        if (!through || strcmp(through, transport) != 0)
            continue;
        json_t *copy = json_copy(event);
        int rc = json_object_set_new(copy, "from", moved(parties, other, event, "from"));
        rc |= json_object_set_new(copy, "to", moved(parties, other, event, "to"));
        size_t at = place_of(events, json_integer_value(json_object_get(event, "time")));
        if (rc == 0)
            (void)json_array_insert(events, at, copy); /* without memory there is an arrow less */
        json_decref(copy);
    }
}
