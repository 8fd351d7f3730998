/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scscf/call/call.h"

#include <errno.h>
#include <stdlib.h>

struct calls {
    struct calls_env env;
    char *node;
    struct list alive;  /* oldest first */
    struct list ending; /* the record is with the spool, or waits for room there */
    struct loop_timer again;
    struct calls_counters counters;
};

struct call {
    struct list item;
    struct calls *cs;
    enum call_state state;
    bool waits;    /* for room in the spool */
    uint32_t note; /* with the spool, for the case that we are killed */
    struct cdr cdr;
    char *answered_by, *answered_ioi, *media_text;
    char text[];
};

static void on_written(void *ctx);

/* ---- the machine ------------------------------------------------------------------------------ */

static const struct {
    enum call_state state;
    enum call_event event;
    enum call_state next;
} machine[] = {
    {CALL_ST_CALLING, CALL_EV_PROGRESS, CALL_ST_RINGING},
    {CALL_ST_CALLING, CALL_EV_ANSWER, CALL_ST_ANSWERED},
    {CALL_ST_CALLING, CALL_EV_END, CALL_ST_ENDED},
    {CALL_ST_RINGING, CALL_EV_PROGRESS, CALL_ST_RINGING},
    {CALL_ST_RINGING, CALL_EV_ANSWER, CALL_ST_ANSWERED},
    {CALL_ST_RINGING, CALL_EV_END, CALL_ST_ENDED},
    /* Progress and answers of other forks after the first answer are refused. */
    {CALL_ST_ANSWERED, CALL_EV_END, CALL_ST_ENDED},
};

int call_next(enum call_state state, enum call_event event, enum call_state *ret_next)
{
    for (size_t i = 0; i < ARRAY_LEN(machine); i++) {
        if (machine[i].state == state && machine[i].event == event) {
            *ret_next = machine[i].next;
            return 0;
        }
    }
    return -EINVAL;
}

const char *call_state_name(enum call_state state)
{
    static const char *const names[] = {"calling", "ringing", "answered", "ended"};

    return names[state];
}

static bool step(struct call *c, enum call_event event)
{
    if (call_next(c->state, event, &c->state) == 0)
        return true;
    c->cs->counters.refused_events++;
    return false;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void call_free(struct call *c)
{
    list_del(&c->item);
    c->cs->counters.writing--;
    free(c->answered_by);
    free(c->answered_ioi);
    free(c->media_text);
    free(c);
}

static void append(struct call *c)
{
    struct calls *cs = c->cs;
    int rc;

    c->waits = false;
    c->cdr.closing_time = loop_wall(cs->env.loop);
    rc = charging_spool_append(cs->env.spool, &c->cdr, on_written, c);
    if (rc == -EMSGSIZE) { /* octets that JSON writes as six: who, with whom and when must fit */
        c->cdr.access_info = c->cdr.calling_alias = c->cdr.called_asserted = SPAN_NONE;
        rc = charging_spool_append(cs->env.spool, &c->cdr, on_written, c);
    }
    if (rc == 0)
        return;
    if (rc == -EMSGSIZE) { /* it may not hold up the others */
        cs->counters.too_long++;
        charging_note_drop(cs->env.spool, c->note);
        call_free(c);
        return;
    }
    /* Full, or out of memory: the call stays until there is room. */
    c->waits = true;
    cs->counters.write_waits++;
    if (!loop_timer_running(&cs->again))
        loop_timer_start(cs->env.loop, &cs->again, cs->env.retry);
}

static void on_again(struct loop_timer *t, void *ctx)
{
    struct calls *cs = ctx;

    (void)t;
    LIST_EACH (it, &cs->ending) {
        struct call *c = CONTAINER_OF(it, struct call, item);

        if (c->waits)
            append(c); /* c may be gone */
        if (loop_timer_running(&cs->again))
            return; /* still no room */
    }
}

static void on_written(void *ctx)
{
    struct call *c = ctx;

    c->cs->counters.written++;
    charging_note_drop(c->cs->env.spool, c->note);
    call_free(c);
}

int calls_new(const struct calls_env *env, struct calls **ret_calls)
{
    struct calls *cs = calloc(1, sizeof(*cs));

    if (!cs)
        return -ENOMEM;
    cs->env = *env;
    cs->env.retry = env->retry ? env->retry : SEC;
    cs->node = span_dup(span_str(env->node));
    if (!cs->node) {
        free(cs);
        return -ENOMEM;
    }
    list_init(&cs->alive);
    list_init(&cs->ending);
    loop_timer_init(&cs->again, on_again, cs);
    *ret_calls = cs;
    return 0;
}

void calls_free(struct calls *cs)
{
    if (!cs)
        return;
    loop_timer_stop(cs->env.loop, &cs->again);
    LIST_EACH (it, &cs->alive)
        call_free(CONTAINER_OF(it, struct call, item));
    LIST_EACH (it2, &cs->ending)
        call_free(CONTAINER_OF(it2, struct call, item));
    free(cs->node);
    free(cs);
}

static struct span keep(struct buf *b, struct span s)
{
    struct span cut = span_sub(s, 0, CALL_TEXT_MAX), at = span_of(b->p + b->n, cut.n);

    buf_put(b, cut);
    return cut.n ? at : SPAN_NONE;
}

static struct span node_of(const struct calls *cs)
{
    return span_str(cs->node);
}

int call_open(struct calls *cs, const struct call_opening *o, struct call **ret_call)
{
    const struct span *const texts[] = {
        &o->method, &o->session_id, &o->icid,     &o->calling,  &o->calling_alias,
        &o->called, &o->subscriber, &o->orig_ioi, &o->term_ioi, &o->access_info};
    size_t room = 0;
    struct call *c;
    struct buf b;

    if (cs->env.limit && cs->counters.alive + cs->counters.writing >= cs->env.limit) {
        cs->counters.refused_full++;
        return -ENOSPC;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        room += texts[i]->n < CALL_TEXT_MAX ? texts[i]->n : CALL_TEXT_MAX;
    c = calloc(1, sizeof(*c) + room);
    if (!c)
        return -ENOMEM;
    b = (struct buf){c->text, 0, room, false};
    c->cs = cs;
    c->cdr = (struct cdr){
        .type = CDR_SCSCF,
        .role = o->role,
        .node = node_of(cs),
        .method = keep(&b, o->method),
        .session_id = keep(&b, o->session_id),
        .icid = keep(&b, o->icid),
        .calling = keep(&b, o->calling),
        .calling_alias = keep(&b, o->calling_alias),
        .called = keep(&b, o->called),
        .subscriber = keep(&b, o->subscriber),
        .orig_ioi = keep(&b, o->orig_ioi),
        .term_ioi = keep(&b, o->term_ioi),
        .access_info = keep(&b, o->access_info),
        .request_time = loop_wall(cs->env.loop),
    };
    list_add_tail(&cs->alive, &c->item);
    cs->counters.opened++;
    cs->counters.alive++;
    *ret_call = c;
    return 0;
}

void call_progress(struct call *c, unsigned status)
{
    if (status > 100)
        (void)step(c, CALL_EV_PROGRESS); /* refused: counted */
}

static struct span keep_media(struct buf *b, struct span s)
{
    return keep(b, span_sub(s, 0, CALL_MEDIA_TEXT_MAX));
}

void call_media(struct call *c, const struct cdr_media *media, unsigned n)
{
    char *text = n ? malloc((size_t)n * 3 * CALL_MEDIA_TEXT_MAX) : NULL;
    struct buf b = {text, 0, (size_t)n * 3 * CALL_MEDIA_TEXT_MAX, false};

    if (!text || c->state == CALL_ST_ANSWERED || c->state == CALL_ST_ENDED) {
        free(text); /* without memory the record lacks it, the call goes on */
        return;
    }
    for (unsigned i = 0; i < n; i++)
        c->cdr.media[i] = (struct cdr_media){.media = keep_media(&b, media[i].media),
                                             .codec = keep_media(&b, media[i].codec),
                                             .direction = keep_media(&b, media[i].direction),
                                             .bandwidth_kbps = media[i].bandwidth_kbps};
    c->cdr.n_media = n;
    free(c->media_text);
    c->media_text = text;
}

void call_answer(struct call *c, unsigned status, struct span by, struct span term_ioi)
{
    if (!step(c, CALL_EV_ANSWER))
        return;
    c->cs->counters.answered++;
    c->cdr.answer_time = loop_wall(c->cs->env.loop);
    c->cdr.sip_status = status;
    /* Without memory the record lacks these two, the call goes on. */
    c->answered_by = by.n ? span_dup(span_sub(by, 0, CALL_TEXT_MAX)) : NULL;
    c->cdr.called_asserted = span_str(c->answered_by);
    c->answered_ioi = term_ioi.n ? span_dup(span_sub(term_ioi, 0, CALL_TEXT_MAX)) : NULL;
    if (c->answered_ioi)
        c->cdr.term_ioi = span_str(c->answered_ioi);
    c->note = charging_note_put(c->cs->env.spool, &c->cdr);
}

void call_end(struct call *c, const struct call_ending *ending)
{
    struct calls *cs;

    if (!c || !step(c, CALL_EV_END))
        return;
    cs = c->cs;
    if (!c->cdr.answer_time)
        cs->counters.failed++;
    c->cdr.end_time = loop_wall(cs->env.loop);
    c->cdr.cause = ending->cause;
    c->cdr.reason = span_str(ending->reason);
    c->cdr.incomplete = ending->incomplete;
    if (ending->status)
        c->cdr.sip_status = ending->status;
    if (!c->note) /* it was not answered: from here on nothing is lost either */
        c->note = charging_note_put(cs->env.spool, &c->cdr);
    charging_note_end(cs->env.spool, c->note, &c->cdr);
    list_del(&c->item);
    list_add_tail(&cs->ending, &c->item);
    cs->counters.alive--;
    cs->counters.writing++;
    append(c);
}

static bool visit_list(const struct list *head, bool (*visit)(const struct call_view *v, void *ctx),
                       void *ctx)
{
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct call *c = CONTAINER_OF(at, struct call, item);
        struct call_view v = {
            .role = c->cdr.role,
            .state = c->state,
            .method = c->cdr.method,
            .session_id = c->cdr.session_id,
            .icid = c->cdr.icid,
            .calling = c->cdr.calling,
            .called = c->cdr.called,
            .subscriber = c->cdr.subscriber,
            .request_time = c->cdr.request_time,
            .answer_time = c->cdr.answer_time,
            .end_time = c->cdr.end_time,
        };

        if (!visit(&v, ctx))
            return false;
    }
    return true;
}

void calls_each(const struct calls *cs, bool (*visit)(const struct call_view *v, void *ctx),
                void *ctx)
{
    if (visit_list(&cs->ending, visit, ctx))
        (void)visit_list(&cs->alive, visit, ctx);
}

const struct calls_counters *calls_counters(const struct calls *cs)
{
    return &cs->counters;
}
