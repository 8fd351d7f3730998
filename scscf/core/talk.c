/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls: the halves' state, the dialogs forks made, the timers that end what nobody ends. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/core/inner.h"

static void on_timer(struct loop_timer *timer, void *ctx);

static struct span put_text(struct buf *b, struct span s)
{
    struct span at = span_of(b->p + b->n, s.n);

    buf_put(b, s);
    return at;
}

int talk_new(struct scscf *s, const struct talk_opening *o, struct talk **ret_talk)
{
    size_t room = o->call_id.n + o->icid.n + o->from.n + o->to.n;
    struct talk *t = calloc(1, sizeof(*t) + room);
    struct buf b;
    int rc = 0;

    if (!t)
        return -ENOMEM;
    b = (struct buf){t->text, 0, room, false};
    t->s = s;
    t->call_id = put_text(&b, o->call_id);
    t->icid = put_text(&b, o->icid);
    t->from = put_text(&b, o->from);
    t->to = put_text(&b, o->to);
    t->inviting = true;
    list_init(&t->forks);
    loop_timer_init(&t->timer, on_timer, t);
    for (size_t i = 0; i < ARRAY_LEN(t->half) && rc == 0; i++)
        if (o->half[i])
            rc = call_open(s->calls, o->half[i], &t->half[i]);
    list_add_tail(&s->talks, &t->item);
    if (rc != 0) { /* the half that was opened has its record: the call was tried */
        talk_invite_over(t, 503);
        return rc;
    }
    talk_tell(t, SCSCF_CALL_STARTED, 0, "");
    *ret_talk = t;
    return 0;
}

void talk_free(struct talk *t)
{
    LIST_EACH (it, &t->forks) {
        struct fork *f = CONTAINER_OF(it, struct fork, item);

        sip_dialog_set_user(f->dialog, NULL);
        list_del(&f->item);
        free(f);
    }
    loop_timer_stop(t->s->env.loop, &t->timer);
    list_del(&t->item);
    free(t);
}

static void let_go(struct talk *t)
{
    if (!t->inviting && t->ended && list_empty(&t->forks))
        talk_free(t);
}

void talk_tell(const struct talk *t, enum scscf_event event, unsigned status, const char *reason)
{
    struct scscf_note note = {t->call_id, t->icid, t->from, t->to, status, reason};

    if (t->s->env.on_call)
        t->s->env.on_call(t->s->env.ctx, event, &note);
}

void talk_end(struct talk *t, const struct call_ending *ending)
{
    if (t->ended)
        return;
    t->ended = true;
    loop_timer_stop(t->s->env.loop, &t->timer);
    for (size_t i = 0; i < ARRAY_LEN(t->half); i++) {
        call_end(t->half[i], ending);
        t->half[i] = NULL;
    }
    talk_tell(t, t->answered ? SCSCF_CALL_ENDED : SCSCF_CALL_FAILED, ending->status,
              ending->reason);
}

/* ---- dialogs ---------------------------------------------------------------------------------- */

/* One tag more than a call has phones. It may still be the one that answers. */
static bool is_fork_too_many(const struct talk *t, const struct sip_answer *a)
{
    return a->m->to_tag.p && t->n_forks >= SIP_DIALOG_FORKS_MAX &&
           (a->status < 200 || t->answered) &&
           !sip_dialog_find(t->s->dialogs, SIP_LEG_THROUGH, a->m, NULL);
}

/* NULL at the bound or out of memory, or without a To tag. */
static struct fork *fork_of(struct talk *t, const struct sip_answer *a)
{
    struct sip_server *server = sip_server_find(t->s->layer, a->server);
    struct sip_dialog *d;
    struct fork *f;

    if (!server || !a->m->to_tag.p ||
        sip_dialog_open(t->s->dialogs, SIP_LEG_THROUGH, sip_server_request(server), a->m, 1, &d) !=
            0)
        return NULL;
    f = sip_dialog_user(d);
    if (f)
        return f;
    f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    *f = (struct fork){.talk = t, .dialog = d};
    list_add_tail(&t->forks, &f->item);
    t->n_forks++;
    sip_dialog_set_user(d, f);
    sip_dialog_set_endpoint(d, SIP_CALLER, t->s->endpoint);
    sip_dialog_set_endpoint(d, SIP_CALLEE, t->s->endpoint);
    return f;
}

void talk_on_dialog_end(struct sip_dialog *d, void *ctx)
{
    struct fork *f = sip_dialog_user(d);
    struct talk *t;

    (void)ctx;
    if (!f)
        return;
    t = f->talk;
    list_del(&f->item);
    free(f);
    let_go(t);
}

static void fork_over(struct fork *f, const struct call_ending *ending)
{
    struct talk *t = f->talk;

    if (!f->confirmed || f->over) /* whether an early one is answered, its INVITE says */
        return;
    f->over = true;
    if (--t->confirmed == 0)
        talk_end(t, ending);
}

void talk_on_bye(struct fork *f, enum sip_side from)
{
    fork_over(f, &(struct call_ending){.cause = CDR_CAUSE_NORMAL,
                                       .reason = from == SIP_CALLER ? "BYE caller" : "BYE callee"});
}

/* TS 24.229 5.4.5.1.2: BYE to both sides; RFC 3326. */
static void fork_release(struct fork *f, struct span reason)
{
    (void)sip_dialog_release(f->dialog, f->talk->s->layer, reason);
}

/* RFC 3261 12.2.1.2: who asked ends the dialog, if it is honest. What is not charged any more must
 * not go on. */
void talk_on_lost(struct fork *f)
{
    struct talk *t = f->talk;

    fork_release(f, SPAN("SIP;cause=481;text=\"Dialog lost\""));
    if (f->confirmed && !f->over && t->confirmed == 1) {
        t->s->counters.ended_lost++;
        talk_tell(t, SCSCF_CALL_ORPHANED, 0, "dialog lost");
    }
    fork_over(f, &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL, .reason = "dialog lost"});
}

/* ---- answers to the INVITE -------------------------------------------------------------------- */

static void set_timer(struct talk *t, uint32_t session_expires)
{
    struct loop *l = t->s->env.loop;
    uint64_t now = loop_now(l), longest = t->s->options.call_max, left = UINT64_MAX;

    if (longest)
        left = t->answered_at + longest > now ? t->answered_at + longest - now : 0;
    t->timer_is_session = session_expires && (uint64_t)session_expires * SEC < left;
    if (t->timer_is_session)
        left = (uint64_t)session_expires * SEC;
    if (left == UINT64_MAX)
        loop_timer_stop(l, &t->timer);
    else
        loop_timer_start(l, &t->timer, left);
}

static void answered(struct talk *t, struct hop *h, const struct sip_answer *a)
{
    struct sroute_vector v = {0};
    struct cdr_media media[CDR_MEDIA_MAX];
    unsigned n = scscf_media_read(a->m, media);

    t->answered = true;
    t->answered_at = loop_now(t->s->env.loop);
    if (!h->terminating && (scscf_is_strangers(t->s, a) || sroute_vector_read(a->m, &v) != 0))
        v.term_ioi = SPAN_NONE;
    for (size_t i = 0; i < ARRAY_LEN(t->half); i++)
        if (t->half[i]) {
            call_media(t->half[i], media, n);
            call_answer(t->half[i], a->status, scscf_answerer(t->s, a),
                        sroute_ioi_network(v.term_ioi));
        }
    set_timer(t, sroute_session_expires(a->m));
    talk_tell(t, SCSCF_CALL_ANSWERED, a->status, "");
}

/* RFC 3261 13.2.2.4: with the INVITE what was early is over. */
static void end_early(struct talk *t)
{
    LIST_EACH (it, &t->forks) {
        struct fork *f = CONTAINER_OF(it, struct fork, item);

        if (!f->confirmed)
            sip_dialog_terminate(f->dialog);
    }
}

static void on_progress(struct talk *t, const struct sip_answer *a)
{
    struct cdr_media media[CDR_MEDIA_MAX];
    unsigned n = t->answered ? 0 : scscf_media_read(a->m, media);

    for (size_t i = 0; i < ARRAY_LEN(t->half); i++)
        if (t->half[i]) {
            call_media(t->half[i], media, n);
            call_progress(t->half[i], a->status);
        }
}

/* A call without a dialog could not be ended, one that was ended is charged to nobody. */
static void turn_down(struct talk *t, struct fork *f, struct sip_answer *a)
{
    a->replace = t->ended ? 487 : 500;
    if (f)
        sip_dialog_turn_down(f->dialog, t->s->layer, SPAN("SIP;cause=487;text=\"Ended\""));
    else if (!t->answered)
        talk_end(t, &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL,
                                          .status = 500,
                                          .reason = sip_status_phrase(500)});
}

enum sip_answer_verdict talk_on_answer(struct talk *t, struct hop *h, struct sip_answer *a)
{
    struct fork *f;

    if (a->status >= 300) {
        end_early(t);
        talk_end(t, &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL,
                                          .status = a->status,
                                          .reason = t->cancelled ? "CANCEL"
                                                                 : sip_status_phrase(a->status)});
        return SIP_ANSWER_PASS;
    }
    if (!a->m)
        return SIP_ANSWER_PASS;
    if (is_fork_too_many(t, a)) {
        t->s->counters.dropped_forks++;
        return SIP_ANSWER_DROP;
    }
    f = fork_of(t, a);
    if (a->status < 200) {
        on_progress(t, a);
        return SIP_ANSWER_PASS;
    }
    if (!f || t->ended) {
        turn_down(t, f, a);
    } else if (!f->confirmed) {
        f->confirmed = true;
        t->confirmed++;
        if (!t->answered)
            answered(t, h, a);
    }
    return SIP_ANSWER_PASS;
}

void talk_invite_over(struct talk *t, unsigned status)
{
    t->inviting = false;
    end_early(t);
    if (!t->answered)
        talk_end(t, &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL,
                                          .status = status,
                                          .reason = t->cancelled ? "CANCEL"
                                                    : status     ? sip_status_phrase(status)
                                                                 : "no answer"});
    let_go(t);
}

void talk_on_refresh(struct talk *t, const struct sip_msg *answer)
{
    if (t->answered && !t->ended)
        set_timer(t, sroute_session_expires(answer));
}

/* ---- ended by us ------------------------------------------------------------------------------ */

static void on_timer(struct loop_timer *timer, void *ctx)
{
    struct talk *t = ctx;
    bool session = t->timer_is_session;
    struct call_ending ending = {
        .cause = session ? CDR_CAUSE_UNSUCCESSFUL : CDR_CAUSE_TIME_LIMIT,
        .reason = session ? "session timer" : "longest duration",
        .incomplete = session, /* when it really ended nobody saw */
    };

    (void)timer;
    if (session)
        t->s->counters.ended_session_timer++;
    else
        t->s->counters.ended_duration++;
    talk_tell(t, SCSCF_CALL_ORPHANED, 0, ending.reason);
    LIST_EACH (it, &t->forks) {
        struct fork *f = CONTAINER_OF(it, struct fork, item);

        if (!f->confirmed || f->over)
            continue;
        fork_release(f, session ? SPAN("SIP;cause=408;text=\"Session timer\"")
                                : SPAN("SIP;cause=487;text=\"Longest duration\""));
        f->over = true;
    }
    t->confirmed = 0;
    talk_end(t, &ending);
    let_go(t);
}
