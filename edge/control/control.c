/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge/control/inner.h"

/* A command being run. */
struct command {
    struct control *control;
    struct ng_server *ng;
    const struct ng_request *rq;
    const struct ng_value *dict;
    struct span call_id, from_tag, to_tag;
};

const char *control_event_name(enum control_event_kind k)
{
    static const char *const names[CONTROL_EVENTS] = {
        [CONTROL_OPENED] = "opened",   [CONTROL_AUTHORIZED] = "authorized",
        [CONTROL_REFUSED] = "refused", [CONTROL_LOST] = "lost",
        [CONTROL_ENDED] = "ended",     [CONTROL_MEDIA_AFTER_END] = "media-after-end",
    };
    return names[k];
}

static void refuse(struct command *cmd, const char *why)
{
    cmd->control->counters.commands_refused++;
    ng_answer_error(cmd->ng, cmd->rq->id, why);
}

static struct span text_of(const struct command *cmd, const char *key)
{
    return ng_find_text(cmd->rq->doc, cmd->dict, key);
}

static void answer(struct command *cmd, const struct buf *b)
{
    if (b->overflow)
        refuse(cmd, "the answer does not fit");
    else
        (void)ng_answer(cmd->ng, cmd->rq->id, buf_span(b)); /* it says so itself when too long */
}

/* ---- offer and answer ---- */

static enum control_side other(enum control_side side)
{
    return side == CONTROL_ACCESS ? CONTROL_CORE : CONTROL_ACCESS;
}

/* The session description of the command, checked against the side it comes from. */
static bool read_sdp(struct command *cmd, enum control_side from, struct sdp *sdp,
                     struct body *body)
{
    struct span text = text_of(cmd, "sdp");
    const struct addr *here = &cmd->control->options.side[from].ip;
    struct sdp_fault fault = {0};
    const char *wrong;
    char why[160];

    if (!text.p) {
        refuse(cmd, "no sdp");
        return false;
    }
    if (sdp_parse(text, sdp, &fault) != 0) {
        snprintf(why, sizeof(why), "sdp line %u: %s", fault.line, fault.text);
        refuse(cmd, why);
        return false;
    }
    wrong = body_take(sdp, body);
    for (unsigned i = 0; !wrong && i < body->n; i++)
        if (body->media[i].rtp.family && body->media[i].rtp.family != here->family)
            wrong = "an address of the other family than the edge's on that side";
    if (wrong) {
        refuse(cmd, wrong);
        return false;
    }
    return true;
}

static void answer_sdp(struct command *cmd, const struct session *s, enum control_side to,
                       const struct sdp *sdp, const struct body *body)
{
    struct control *c = cmd->control;
    struct buf scratch = BUF_ON(c->scratch), out = BUF_ON(c->sdp), b = BUF_ON(c->answer);
    uint16_t ports[CONTROL_MEDIA_MAX];

    for (unsigned i = 0; i < body->n; i++)
        ports[i] = s->media[i].even[to].port;
    body_rewrite(sdp, body, &c->options.side[to].ip, ports,
                 ng_has_flag(cmd->rq->doc, cmd->dict, "replace", "origin"), &scratch, &out);
    if (out.overflow) {
        refuse(cmd, "the sdp is too long");
        return;
    }
    ng_put_begin(&b, 'd');
    ng_put_pair(&b, "result", SPAN("ok"));
    ng_put_pair(&b, "sdp", buf_span(&out));
    ng_put_end(&b);
    answer(cmd, &b);
}

/* "direction" [from, to]; without it the first tag is the phone's. */
static const char *offer_side(struct command *cmd, struct session *s, enum control_side *ret_side)
{
    const struct ng_doc *doc = cmd->rq->doc;
    const struct ng_value *v = ng_first(doc, ng_find(doc, cmd->dict, "direction", NG_LIST));
    const struct tag *t = session_tag(s, cmd->from_tag);

    if (t) {
        *ret_side = t->side;
        return NULL;
    }
    if (!v) {
        *ret_side = s->n_tags ? other(s->tags[0].side) : CONTROL_ACCESS;
        return NULL;
    }
    enum control_side from = CONTROL_SIDES, to = CONTROL_SIDES;
    const struct ng_value *w = ng_next(doc, v);
    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        if (span_eq(v->text, span_str(control_side_names[i])))
            from = i;
        if (w && span_eq(w->text, span_str(control_side_names[i])))
            to = i;
    }
    if (from == CONTROL_SIDES || to == CONTROL_SIDES)
        return "direction must be two of: access core";
    if (from == to)
        return "a session has one leg on each side; direction names the same twice";
    *ret_side = from;
    return NULL;
}

static const char *open_error(int rc, char *dst, size_t cap)
{
    if (rc == -ENOSPC || rc == -EADDRINUSE)
        return "no port pair is free: widen the port range";
    if (rc == -EADDRNOTAVAIL)
        return "a media address of the edge is not on this machine";
    if (rc == -EMFILE || rc == -ENFILE)
        return "too many open files: raise LimitNOFILE";
    snprintf(dst, cap, "the ports could not be opened: %s", strerror(-rc));
    return dst;
}

static bool run_offer_in(struct command *cmd, struct session *s)
{
    enum control_side side;
    struct body body;
    struct sdp sdp;
    char text[160];
    const char *wrong = offer_side(cmd, s, &side);
    int rc;

    if (!wrong && !session_tag(s, cmd->from_tag) && !session_tag_add(s, cmd->from_tag, side))
        wrong = "the from-tag is too long or one too many";
    if (wrong) {
        refuse(cmd, wrong);
        return false;
    }
    if (!read_sdp(cmd, side, &sdp, &body))
        return false;
    rc = session_media_open(s, &body);
    if (rc != 0) {
        refuse(cmd, open_error(rc, text, sizeof(text)));
        return false;
    }
    /* What was agreed before holds until this offer is answered. */
    for (unsigned i = 0; i < body.n; i++)
        s->media[i].offer = body.media[i];
    s->n_offered = body.n;
    s->offerer = side;
    s->offered = true;
    answer_sdp(cmd, s, other(side), &sdp, &body);
    return true;
}

static void run_offer(struct command *cmd, struct session *s)
{
    struct control *c = cmd->control;
    struct session *lingers = s;
    bool fresh = !s || s->ended;
    int rc;

    if (cmd->from_tag.n == 0) {
        refuse(cmd, "no from-tag");
        return;
    }
    if (fresh) {
        if (c->draining) {
            refuse(cmd, "shutting down");
            return;
        }
        rc = session_new(c, cmd->call_id, &s);
        if (rc != 0) {
            refuse(cmd, rc == -ENOSPC         ? "as many sessions as the edge may have"
                        : rc == -ENAMETOOLONG ? "the call-id is too long"
                                              : "the call-id holds a NUL, or no memory");
            return;
        }
    }
    if (!run_offer_in(cmd, s)) {
        if (fresh)
            session_free(s);
    } else if (fresh) {
        if (lingers) { /* its name is another's now */
            map_del(&c->by_call_id, &lingers->node);
            lingers->findable = false;
        }
        s->opened = true;
        session_tell(s, CONTROL_OPENED, "");
    }
}

static void run_answer(struct command *cmd, struct session *s)
{
    const struct tag *offerer = session_tag(s, cmd->from_tag);
    enum control_side side = other(s->offerer);
    struct body body;
    struct sdp sdp;

    if (!offerer || offerer->side != s->offerer || s->n_offered == 0) {
        refuse(cmd, "no offer from that tag");
        return;
    }
    if (cmd->to_tag.n == 0 ||
        (!session_tag(s, cmd->to_tag) && !session_tag_add(s, cmd->to_tag, side))) {
        refuse(cmd, "no to-tag, or it is too long or one too many");
        return;
    }
    if (!read_sdp(cmd, side, &sdp, &body))
        return;
    if (body.n > s->n_offered) {
        refuse(cmd, "more m= lines than were offered");
        return;
    }
    /* A medium that was not offered has no ports (RFC 3264 6: it must be refused). */
    for (unsigned i = 0; i < body.n; i++)
        body.media[i].relayed = body.media[i].relayed && s->media[i].offer.relayed;
    if (session_agree(s, &body) != 0) {
        refuse(cmd, "out of memory");
        return;
    }
    answer_sdp(cmd, s, s->offerer, &sdp, &body);
}

/* ---- authorize ---- */

static void on_verdict(void *ctx, enum gate_verdict verdict, const char *detail)
{
    struct session *s = ctx;
    struct ng_server *ng = s->ng;
    char text[64];
    struct buf b = BUF_ON(text);

    s->ng = NULL;
    (void)span_copy(span_str(gate_token_name(s->gate)), s->token, sizeof(s->token));
    if (verdict != GATE_GRANTED && verdict != GATE_HELD) {
        s->control->counters.commands_refused++;
        session_tell(s, CONTROL_REFUSED, detail);
        ng_answer_error(ng, s->ng_id, detail);
        return;
    }
    if (verdict == GATE_GRANTED) {
        s->authorized = true;
        session_tell(s, CONTROL_AUTHORIZED, "");
    }
    ng_put_begin(&b, 'd');
    ng_put_count(&b, "gates", gate_up_count(s->gate));
    ng_put_pair(&b, "result", SPAN("ok"));
    ng_put_end(&b);
    (void)ng_answer(ng, s->ng_id, buf_span(&b)); /* it fits */
}

static void run_authorize(struct command *cmd, struct session *s)
{
    int rc;

    if (!session_tag(s, cmd->from_tag)) {
        refuse(cmd, "unknown from-tag");
        return;
    }
    rc = gate_authorize(s->gate, text_of(cmd, "authorization-token"), on_verdict, s);
    if (rc != 0) {
        refuse(cmd, rc == -EBUSY ? "an authorization is under way" : "out of memory");
        return;
    }
    s->ng = cmd->ng;
    s->ng_id = cmd->rq->id;
}

static void session_lost(void *user, enum gate_loss why)
{
    session_tell(user, CONTROL_LOST, gate_loss_name(why));
}

const struct gates_ops control_gates_ops = {.on_lost = session_lost};

/* ---- the others ---- */

static void run_query(struct command *cmd, struct session *s)
{
    struct buf b = BUF_ON(cmd->control->answer);

    ng_put_begin(&b, 'd');
    report_put(s, &b);
    ng_put_end(&b);
    answer(cmd, &b);
}

static void run_delete(struct command *cmd, struct session *s)
{
    if (cmd->from_tag.n && !session_tag(s, cmd->from_tag)) {
        refuse(cmd, "unknown from-tag");
        return;
    }
    session_end(s, "deleted");
    run_query(cmd, s);
}

static void run_ping(struct command *cmd)
{
    (void)ng_answer(cmd->ng, cmd->rq->id, SPAN("d6:result4:ponge")); /* it fits */
}

/* As rtpengine: to end what is not there is no error. */
static void answer_not_there(struct command *cmd)
{
    (void)ng_answer(cmd->ng, cmd->rq->id, SPAN("d6:result2:ok7:warning15:unknown call-ide"));
}

void control_on_ng(struct ng_server *ng, const struct ng_request *rq, void *ctx)
{
    static const struct {
        const char *name;
        void (*run)(struct command *cmd, struct session *s);
        bool new_session, ended_too;
    } commands[] = {{"offer", run_offer, true, true},
                    {"answer", run_answer, false, false},
                    {"authorize", run_authorize, false, false},
                    {"query", run_query, false, true},
                    {"delete", run_delete, false, true}};
    struct command cmd = {.control = ctx, .ng = ng, .rq = rq, .dict = &rq->doc->values[0]};
    struct session *s;

    if (span_eq(rq->command, SPAN("ping"))) {
        run_ping(&cmd);
        return;
    }
    cmd.call_id = text_of(&cmd, "call-id");
    cmd.from_tag = text_of(&cmd, "from-tag");
    cmd.to_tag = text_of(&cmd, "to-tag");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!span_eq(rq->command, span_str(commands[i].name)))
            continue;
        if (cmd.call_id.n == 0) {
            refuse(&cmd, "no call-id");
            return;
        }
        s = session_find(ctx, cmd.call_id);
        if (!commands[i].new_session && (!s || (s->ended && !commands[i].ended_too))) {
            if (commands[i].run == run_delete)
                answer_not_there(&cmd);
            else
                refuse(&cmd, "unknown call-id");
            return;
        }
        commands[i].run(&cmd, s);
        return;
    }
    refuse(&cmd, "unknown command; known: ping offer answer authorize query delete");
}

/* ---- life ---- */

static bool call_id_equal(const struct map_node *node, const void *key)
{
    return span_eq(span_str(CONTAINER_OF(node, const struct session, node)->call_id),
                   *(const struct span *)key);
}

int control_new(struct loop *l, const struct rnd *rnd, const struct relay_port *relay,
                struct gates *gates, const struct control_options *options,
                const struct control_ops *ops, void *ctx, struct control **ret_control)
{
    struct control *c = calloc(1, sizeof(*c));
    uint8_t key[16];
    int rc;

    if (!c)
        return -ENOMEM;
    c->loop = l;
    c->relay = relay;
    c->gates = gates;
    c->options = *options;
    c->ops = *ops;
    c->ctx = ctx;
    list_init(&c->sessions);
    rnd->fill(rnd->ctx, key, sizeof(key));
    rc = map_init(&c->by_call_id, 0, key, call_id_equal);
    for (unsigned i = 0; i < CONTROL_SIDES && rc == 0; i++)
        rc = relay_ports_init(&c->ports[i], &options->side[i].ip, options->side[i].first_port,
                              options->side[i].last_port, rnd);
    if (rc != 0) {
        control_free(c);
        return rc;
    }
    *ret_control = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    LIST_EACH (item, &c->sessions)
        session_free(CONTAINER_OF(item, struct session, item));
    for (unsigned i = 0; i < CONTROL_SIDES; i++)
        relay_ports_fini(&c->ports[i]);
    map_fini(&c->by_call_id);
    free(c);
}

void control_drain(struct control *c)
{
    c->draining = true;
}

const struct control_counters *control_counters(const struct control *c)
{
    return &c->counters;
}

void control_each(const struct control *c, struct span call_id,
                  bool (*visit)(void *ctx, const struct control_flow_view *v), void *ctx)
{
    LIST_EACH (item, &c->sessions) {
        const struct session *s = CONTAINER_OF(item, struct session, item);

        if (call_id.p && !span_eq(call_id, span_str(s->call_id)))
            continue;
        if (!report_each(s, visit, ctx))
            return;
    }
}
