/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder: a bounded number of calls, each a bounded list of masked messages. */
#include "common/obs/obs.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum {
    CALLS_DEFAULT = 1000,
    MESSAGES_DEFAULT = 64,
    MESSAGE_BYTES_DEFAULT = 2048,
    BYTES_DEFAULT = 32 << 20,
    NAMES_MAX = 8,
    NAME_BYTES_MAX = 256,
    PARTY_BYTES_MAX = 64,
    PARTIES_MAX = 12,
};

struct message {
    struct list item; /* in call.messages */
    int64_t wall;
    const char *transport;
    bool guarded;
    uint16_t n_from, n_to, n_text;
    char bytes[]; /* from, to, text */
};

struct call;
struct name {
    struct map_node node;
    struct call *call;
    uint16_t n;
    char text[];
};

struct call {
    struct list item; /* in recorder.calls, the oldest first */
    struct list messages;
    struct list *middle; /* first message of the second half: the one to leave out next */
    struct name *names[NAMES_MAX];
    unsigned n_names, n_messages, left_out;
    size_t bytes;
};

struct obs_recorder {
    struct obs_recorder_options o;
    struct map names;
    struct list calls;
    unsigned n_calls;
    size_t bytes;
};

static bool name_equal(const struct map_node *node, const void *key)
{
    const struct name *name = CONTAINER_OF(node, struct name, node);
    return span_eq(span_of(name->text, name->n), *(const struct span *)key);
}

int obs_recorder_new(const struct obs_recorder_options *options, const struct rnd *rnd,
                     struct obs_recorder **ret_recorder)
{
    struct obs_recorder *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->o = *options;
    r->o.calls = r->o.calls ? r->o.calls : CALLS_DEFAULT;
    r->o.messages = r->o.messages ? r->o.messages : MESSAGES_DEFAULT;
    r->o.message_bytes = r->o.message_bytes ? r->o.message_bytes : MESSAGE_BYTES_DEFAULT;
    if (r->o.message_bytes > UINT16_MAX)
        r->o.message_bytes = UINT16_MAX;
    r->o.bytes = r->o.bytes ? r->o.bytes : BYTES_DEFAULT;
    list_init(&r->calls);
    uint8_t key[16];
    rnd->fill(rnd->ctx, key, sizeof(key));
    int rc = map_init(&r->names, 0, key, name_equal);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *ret_recorder = r;
    return 0;
}

/* ---- what goes ---- */

static void message_free(struct obs_recorder *r, struct call *call, struct message *m)
{
    size_t size = sizeof(*m) + m->n_from + m->n_to + m->n_text;
    if (call->middle == &m->item)
        call->middle = m->item.next;
    list_del(&m->item);
    call->n_messages--;
    call->bytes -= size;
    r->bytes -= size;
    free(m);
}

static void name_free(struct obs_recorder *r, struct name *name)
{
    map_del(&r->names, &name->node);
    r->bytes -= sizeof(*name) + name->n;
    free(name);
}

static void call_free(struct obs_recorder *r, struct call *call)
{
    LIST_EACH (it, &call->messages) {
        message_free(r, call, CONTAINER_OF(it, struct message, item));
    }
    for (unsigned i = 0; i < call->n_names; i++)
        name_free(r, call->names[i]);
    list_del(&call->item);
    r->n_calls--;
    r->bytes -= sizeof(*call);
    free(call);
}

void obs_recorder_free(struct obs_recorder *r)
{
    if (!r)
        return;
    LIST_EACH (it, &r->calls) {
        call_free(r, CONTAINER_OF(it, struct call, item));
    }
    map_fini(&r->names);
    free(r);
}

/* Room for `size` more, at the cost of the oldest calls but `keep`. */
static bool make_room(struct obs_recorder *r, size_t size, const struct call *keep)
{
    LIST_EACH (it, &r->calls) {
        struct call *oldest = CONTAINER_OF(it, struct call, item);
        if (r->bytes + size <= r->o.bytes)
            break;
        if (oldest != keep)
            call_free(r, oldest);
    }
    return r->bytes + size <= r->o.bytes;
}

/* ---- what must not be kept ---- */

/* Sets of ASCII characters, a bit each: every octet of every message is looked up here. */
#define BIT(c)    (UINT64_C(1) << ((c)&63))
#define BOTH(c)   (BIT(c) | BIT((c) | 0x20))
#define A_TO_Z    (BIT('Z' + 1) - BIT('A'))
#define ZERO_TO_9 (BIT('9' + 1) - BIT('0'))
static const uint64_t word_chars[4] = {BIT('-') | ZERO_TO_9, A_TO_Z | A_TO_Z << 32 | BIT('_')};
/* What a word that mask looks for may begin with. */
static const uint64_t first_chars[4] = {0,
                                        BOTH('C') | BOTH('I') | BOTH('K') | BOTH('P') | BOTH('R')};

static inline bool in(const uint64_t set[4], char c)
{
    return set[(unsigned char)c >> 6] >> (c & 63) & 1;
}

/* From `at`: white space, '=', white space, a token or quoted string: masks its inside. */
static size_t mask_parameter(char *p, size_t n, size_t at)
{
    while (at < n && (p[at] == ' ' || p[at] == '\t'))
        at++;
    if (at >= n || p[at] != '=')
        return at;
    for (at++; at < n && (p[at] == ' ' || p[at] == '\t');)
        at++;
    bool quoted = at < n && p[at] == '"';
    at += quoted;
    for (; at < n; at++) {
        if (quoted ? p[at] == '"' : strchr(",; \t\r\n>", p[at]) != NULL)
            break;
        p[at] = 'x';
    }
    return at;
}

/* A header's value from `at`, with its folded lines. */
static size_t mask_header(char *p, size_t n, size_t at)
{
    for (; at < n; at++) {
        if (p[at] == '\n' && !(at + 1 < n && (p[at + 1] == ' ' || p[at + 1] == '\t')))
            break;
        if (!strchr("\r\n \t:", p[at]))
            p[at] = 'x';
    }
    return at;
}

static size_t mask_word(char *p, size_t n, size_t at)
{
    while (at < n && !strchr(" \t\r\n|", p[at]))
        p[at++] = 'x';
    return at;
}

/* From the beginning of a word: masks what it names and returns where that ends, or `at`. */
static size_t mask_at(char *p, size_t n, size_t at)
{
    static const struct {
        const char *word;
        size_t n;
        bool line_start;
        size_t (*mask)(char *p, size_t n, size_t at);
    } kinds[] = {
        {"ck", 2, false, mask_parameter},       {"ik", 2, false, mask_parameter},
        {"response", 8, false, mask_parameter}, {"p-media-authorization", 21, true, mask_header},
        {"inline:", 7, false, mask_word},       {"k=", 2, true, mask_word},
    };
    bool line_start = at == 0 || p[at - 1] == '\n';
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        size_t end = at + kinds[k].n;
        /* Most words end at their second letter (which case does not change in '-' and '='). */
        if (end > n || (p[at + 1] | 0x20) != kinds[k].word[1] ||
            strncasecmp(p + at, kinds[k].word, kinds[k].n) != 0)
            continue;
        bool whole = !in(word_chars, p[end - 1]) || end == n || !in(word_chars, p[end]);
        if (whole && (line_start || !kinds[k].line_start))
            return kinds[k].mask(p, n, end);
    }
    return at;
}

/* Keys (TS 33.203 6.1: CK and IK), digest responses, tokens (RFC 3313) and SRTP keys (RFC 4568)
 * in SIP and SDP. Masks in place, keeps lengths. */
static void mask(char *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t next = in(first_chars, p[at]) ? mask_at(p, n, at) : at;
        if (next != at) {
            at = next;
            continue;
        }
        while (at < n && in(word_chars, p[at]))
            at++;
        while (at < n && !in(word_chars, p[at]))
            at++;
    }
}

/* ---- what comes ---- */

static struct call *find(const struct obs_recorder *r, struct span name)
{
    struct map_node *node = map_find(&r->names, map_hash(&r->names, name.p, name.n), &name);
    return node ? CONTAINER_OF(node, struct name, node)->call : NULL;
}

static void name_leaves(struct call *call, const struct name *name)
{
    for (unsigned i = 0; i < call->n_names; i++) {
        if (call->names[i] != name)
            continue;
        memmove(&call->names[i], &call->names[i + 1],
                (call->n_names - i - 1) * sizeof(call->names[0]));
        call->n_names--;
        return;
    }
}

static int name_add(struct obs_recorder *r, struct call *call, struct span text)
{
    text = span_sub(text, 0, NAME_BYTES_MAX);
    if (call->n_names == NAMES_MAX)
        return -ENOSPC;
    uint64_t hash = map_hash(&r->names, text.p, text.n);
    struct map_node *node = map_find(&r->names, hash, &text);
    if (node) {
        struct name *name = CONTAINER_OF(node, struct name, node);
        if (name->call != call) {
            name_leaves(name->call, name);
            name->call = call;
            call->names[call->n_names++] = name;
        }
        return 0;
    }
    struct name *name = malloc(sizeof(*name) + text.n);
    if (!name)
        return -ENOMEM;
    name->call = call;
    name->n = (uint16_t)text.n;
    memcpy(name->text, text.p, text.n);
    int rc = map_add(&r->names, hash, &name->node);
    if (rc < 0) {
        free(name);
        return rc;
    }
    call->names[call->n_names++] = name;
    r->bytes += sizeof(*name) + text.n;
    return 0;
}

static struct call *call_new(struct obs_recorder *r, struct span name)
{
    if (r->n_calls == r->o.calls)
        call_free(r, CONTAINER_OF(r->calls.next, struct call, item));
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    list_init(&call->messages);
    call->middle = &call->messages;
    list_add_tail(&r->calls, &call->item);
    r->n_calls++;
    r->bytes += sizeof(*call);
    if (name_add(r, call, name) < 0) {
        call_free(r, call);
        return NULL;
    }
    return call;
}

void obs_recorder_name(struct obs_recorder *r, struct span call, struct span name)
{
    struct call *c = r && name.n > 0 ? find(r, span_sub(call, 0, NAME_BYTES_MAX)) : NULL;
    if (c)
        (void)name_add(r, c, name); /* a name too many only makes the call harder to find */
}

static struct message *message_new(const struct obs_message *m, struct span text)
{
    struct span from = span_sub(m->from, 0, PARTY_BYTES_MAX);
    struct span to = span_sub(m->to, 0, PARTY_BYTES_MAX);
    struct message *kept = malloc(sizeof(*kept) + from.n + to.n + text.n);
    if (!kept)
        return NULL;
    kept->wall = m->wall;
    kept->transport = m->transport ? m->transport : "";
    kept->guarded = m->guarded;
    kept->n_from = (uint16_t)from.n;
    kept->n_to = (uint16_t)to.n;
    kept->n_text = (uint16_t)text.n;
    struct buf b = {kept->bytes, 0, from.n + to.n + text.n, false};
    buf_put(&b, from);
    buf_put(&b, to);
    buf_put(&b, text);
    mask(kept->bytes + from.n + to.n, text.n);
    return kept;
}

void obs_record(struct obs_recorder *r, const struct obs_message *m)
{
    if (!r || m->call.n == 0)
        return;
    struct span text = span_sub(m->text, 0, r->o.message_bytes);
    struct span name = span_sub(m->call, 0, NAME_BYTES_MAX);
    struct call *call = find(r, name);
    if (!call)
        call = call_new(r, name);
    if (!call)
        return;
    struct message *kept = message_new(m, text);
    if (!kept)
        return;
    size_t size = sizeof(*kept) + kept->n_from + kept->n_to + kept->n_text;
    if (!make_room(r, size, call)) {
        free(kept);
        call->left_out++;
        return;
    }
    if (call->n_messages == r->o.messages) {
        message_free(r, call, CONTAINER_OF(call->middle, struct message, item));
        call->left_out++;
    }
    list_add_tail(&call->messages, &kept->item);
    if (call->middle == &call->messages && call->n_messages >= r->o.messages / 2)
        call->middle = &kept->item;
    call->n_messages++;
    call->bytes += size;
    r->bytes += size;
}

/* ---- the ladder ---- */

/* JSON strings are UTF-8; messages may hold anything. */
static json_t *json_of(struct span s)
{
    json_t *text = json_stringn(s.n ? s.p : "", s.n);
    if (text)
        return text;
    char *copy = malloc(s.n + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < s.n; i++)
        copy[i] = (char)((unsigned char)s.p[i] < 0x80 ? s.p[i] : '?');
    text = json_stringn(copy, s.n);
    free(copy);
    return text;
}

static json_int_t party_of(json_t *parties, struct span name)
{
    size_t i;
    json_t *party;
    json_array_foreach(parties, i, party)
    {
        if (span_eq(span_of(json_string_value(party), json_string_length(party)), name))
            return (json_int_t)i;
    }
    if (i < PARTIES_MAX && json_array_append_new(parties, json_of(name)) == 0)
        return (json_int_t)i;
    return (json_int_t)json_array_size(parties) - 1;
}

static json_t *event_of(const struct message *m, json_t *parties, bool whole)
{
    struct span text = span_of(m->bytes + m->n_from + m->n_to, m->n_text);
    struct span first = text;
    first = span_trim(span_cut(&first, '\n'));
    json_t *event = json_object();
    int rc = json_object_set_new(event, "time", json_integer(m->wall));
    rc |= json_object_set_new(event, "from",
                              json_integer(party_of(parties, span_of(m->bytes, m->n_from))));
    rc |= json_object_set_new(
        event, "to", json_integer(party_of(parties, span_of(m->bytes + m->n_from, m->n_to))));
    rc |= json_object_set_new(event, "transport", json_string(m->transport));
    rc |= json_object_set_new(event, "guarded", json_boolean(m->guarded));
    rc |= json_object_set_new(event, "text", json_of(first));
    if (whole)
        rc |= json_object_set_new(event, "message", json_of(text));
    if (rc == 0)
        return event;
    json_decref(event);
    return NULL;
}

static int ladder_fill(const struct call *call, json_t *ladder, bool whole)
{
    json_t *names = json_array(), *parties = json_array(), *events = json_array();
    int rc = 0;
    for (unsigned i = 1; i < call->n_names; i++)
        rc |=
            json_array_append_new(names, json_of(span_of(call->names[i]->text, call->names[i]->n)));
    LIST_EACH (it, &call->messages) {
        rc |= json_array_append_new(
            events, event_of(CONTAINER_OF(it, struct message, item), parties, whole));
    }
    const struct name *first = call->n_names ? call->names[0] : NULL;
    rc |= json_object_set_new(ladder, "call",
                              json_of(first ? span_of(first->text, first->n) : SPAN("")));
    rc |= json_object_set_new(ladder, "names", names);
    rc |= json_object_set_new(ladder, "parties", parties);
    rc |= json_object_set_new(ladder, "left_out", json_integer(call->left_out));
    rc |= json_object_set_new(ladder, "events", events);
    return rc;
}

json_t *obs_recorder_ladder(const struct obs_recorder *r, struct span name, bool whole_messages)
{
    if (!r || list_empty(&r->calls))
        return NULL;
    const struct call *call = name.n ? find(r, span_sub(name, 0, NAME_BYTES_MAX))
                                     : CONTAINER_OF(r->calls.prev, struct call, item);
    json_t *ladder = call ? json_object() : NULL;
    if (ladder && ladder_fill(call, ladder, whole_messages) != 0) {
        json_decref(ladder);
        ladder = NULL;
    }
    return ladder;
}
