/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the edge tells: events to the log, numbers to the metrics, gates to imsctl. */
#include <stdio.h>

#include "common/diameter/diameter.h"
#include "edge/program/program.h"

/* ---- log ---- */

void report_event(void *program, const struct control_event *e)
{
    static const struct {
        const char *name;
        enum obs_level level;
    } events[CONTROL_EVENTS] = {
        [CONTROL_OPENED] = {"session.opened", OBS_INFO},
        [CONTROL_AUTHORIZED] = {"session.authorized", OBS_INFO},
        [CONTROL_REFUSED] = {"session.refused", OBS_WARN},
        [CONTROL_LOST] = {"session.gates_lost", OBS_WARN},
        [CONTROL_ENDED] = {"session.ended", OBS_INFO},
        [CONTROL_MEDIA_AFTER_END] = {"session.media_after_end", OBS_WARN},
    };
    struct program *p = program;

    OBS_LOG(daemon_log(p->daemon), events[e->kind].level, events[e->kind].name,
            OBS_SPAN("call_id", e->call_id), OBS_TEXT("token", e->token),
            OBS_TEXT("why", e->detail), OBS_UINT("packets", e->packets),
            OBS_UINT("octets", e->octets), OBS_UINT("refused", e->refused),
            OBS_UINT("after_end", e->after_end));
}

/* ---- metrics ---- */

enum { M_SESSIONS, M_LINGERING, M_EVENTS, M_VERDICTS, M_NG, M_AFTER_END, M_PORTS_OUT, M_PACKETS };

static const char *event_values[CONTROL_EVENTS], *verdict_values[GATE_VERDICTS];
static const char *const ng_values[] = {"run", "repeated", "malformed", "forbidden", "overload"};

static const struct obs_metric metrics[] = {
    [M_SESSIONS] = {"edge_sessions", "Sessions that live", .type = OBS_GAUGE},
    [M_LINGERING] = {"edge_sessions_lingering", "Sessions that are over and keep their ports",
                     .type = OBS_GAUGE},
    [M_EVENTS] = {"edge_session_events_total", "What happened to sessions", .label = "event",
                  .values = event_values, .n_values = CONTROL_EVENTS},
    [M_VERDICTS] = {"edge_authorizations_total", "Answers to tokens", .label = "verdict",
                    .values = verdict_values, .n_values = GATE_VERDICTS},
    [M_NG] = {"edge_ng_commands_total", "Commands", .label = "outcome", .values = ng_values,
              .n_values = ARRAY_LEN(ng_values)},
    [M_AFTER_END] = {"edge_media_after_end_packets_total",
                     "Packets refused more than two seconds after their session's end"},
    [M_PORTS_OUT] = {"edge_ports_exhausted_total", "Sessions refused for want of ports"},
    [M_PACKETS] = {"edge_packets_total", "Packets received on media ports"},
};

static void told(struct program *p, unsigned metric, unsigned value, uint64_t now, uint64_t *before)
{
    obs_add(p->metrics, metric, value, now - *before);
    *before = now;
}

static void collect(void *ctx)
{
    struct program *p = ctx;
    const struct control_counters *c = control_counters(p->control);
    const struct gates_counters *g = gates_counters(p->gates);
    const struct ng_counters *n = ng_server_counters(p->ng);
    struct relay_stats relay;

    relay_stats_get(p->relay, &relay);
    obs_set(p->metrics, M_SESSIONS, 0, c->sessions);
    obs_set(p->metrics, M_LINGERING, 0, c->lingering);
    for (unsigned i = 0; i < CONTROL_EVENTS; i++)
        told(p, M_EVENTS, i, c->event[i], &p->told.control.event[i]);
    for (unsigned i = 0; i < GATE_VERDICTS; i++)
        told(p, M_VERDICTS, i, g->verdict[i], &p->told.gates.verdict[i]);
    told(p, M_NG, 0, n->commands, &p->told.ng.commands);
    told(p, M_NG, 1, n->repeated, &p->told.ng.repeated);
    told(p, M_NG, 2, n->malformed, &p->told.ng.malformed);
    told(p, M_NG, 3, n->forbidden, &p->told.ng.forbidden);
    told(p, M_NG, 4, n->overload, &p->told.ng.overload);
    told(p, M_AFTER_END, 0, c->after_end_packets, &p->told.control.after_end_packets);
    told(p, M_PORTS_OUT, 0, c->ports_out, &p->told.control.ports_out);
    told(p, M_PACKETS, 0, relay.packets, &p->told.packets);
}

/* ---- imsctl ---- */

static json_t *text(struct span s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n);

    return j ? j : json_string("(not UTF-8)");
}

static json_t *address(const struct addr *a)
{
    char dst[ADDR_TEXT_MAX];

    return json_string(a->family ? addr_text(a, dst) : "-");
}

enum { GATE_ROWS_MAX = 10000 };

static bool put_gate(void *ctx, const struct control_flow_view *v)
{
    json_t *rows = ctx;
    char flow[48];
    const uint64_t *n = v->counts.n;

    snprintf(flow, sizeof(flow), "%u.%u %s %s", v->media, v->number,
             v->number == 2 ? "rtcp" : "media", v->side == CONTROL_ACCESS ? "in" : "out");
    (void)json_array_append_new(
        rows, json_pack("{s:o, s:s, s:o, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:s, s:I}",
                        "call_id", text(v->call_id), "flow", flow, "type", text(v->type), "session",
                        v->state, "gate", v->up ? "up" : "down", "at", address(&v->local), "from",
                        address(v->latched.family ? &v->latched : &v->remote), "packets",
                        (json_int_t)n[USAGE_PACKETS], "octets", (json_int_t)n[USAGE_OCTETS],
                        "refused", (json_int_t)(usage_refused(&v->counts) - n[USAGE_REFUSED_ENDED]),
                        "after_end", (json_int_t)n[USAGE_REFUSED_ENDED], "token", v->token,
                        "seconds", (json_int_t)(v->age / SEC)));
    return json_array_size(rows) < GATE_ROWS_MAX;
}

static void run_gates(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    json_t *rows = json_array();
    struct span call = ops_arg(rq, "call");

    if (rows)
        control_each(p->control, call, put_gate, rows);
    if (rows && call.p && json_array_size(rows) == 0) {
        json_decref(rows);
        ops_fail(rq, "imsctl gates without a name shows all.", "no session is called '%.*s'",
                 SPAN_ARG(call));
        return;
    }
    ops_ok(rq, rows);
}

static const struct ops_param gates_params[] = {
    {"call", "the session's ng call-id", OPS_WORD},
};
static const struct ops_command commands[] = {
    {"gates", "flows of sessions (10000 at most): gate, ends, what passed and what was refused",
     gates_params, ARRAY_LEN(gates_params), run_gates},
};

/* What came of tokens and renewals, and was no yes. */
static uint64_t refusals(const struct gates_counters *g)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < GATE_VERDICTS; i++)
        if (i != GATE_GRANTED && i != GATE_HELD)
            n += g->verdict[i];
    return n;
}

void report_status(struct daemon *d, void *role, json_t *status)
{
    struct program *p = role;
    const struct control_counters *c = control_counters(p->control);
    const struct gates_counters *g = gates_counters(p->gates);
    struct relay_stats relay;
    bool pdp = p->diameter && diameter_peer_up(p->diameter, SPAN(""));

    (void)d;
    relay_stats_get(p->relay, &relay);
    json_t *more = json_pack(
        "{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "sessions", (json_int_t)c->sessions,
        "lingering", (json_int_t)c->lingering, "authorization", p->diameter ? "pdp" : "off", "pdp",
        !p->diameter ? "not used"
        : pdp        ? "connected"
                     : "not connected",
        "authorized", (json_int_t)g->verdict[GATE_GRANTED], "refused", (json_int_t)refusals(g),
        "media_after_end", (json_int_t)c->event[CONTROL_MEDIA_AFTER_END], "streams",
        (json_int_t)relay.streams, "packets", (json_int_t)relay.packets);
    if (more) {
        (void)json_object_update(status, more);
        json_decref(more);
    }
}

int report_new(struct program *p)
{
    struct obs_metrics *m = daemon_metrics(p->daemon);
    int rc;

    for (unsigned i = 0; i < CONTROL_EVENTS; i++)
        event_values[i] = control_event_name(i);
    for (unsigned i = 0; i < GATE_VERDICTS; i++)
        verdict_values[i] = gate_verdict_name(i);
    rc = obs_metrics_add(m, metrics, ARRAY_LEN(metrics), &p->metrics);
    if (rc == 0)
        rc = obs_metrics_collector(m, collect, p);
    if (rc == 0)
        rc = ops_add(daemon_ops(p->daemon), commands, ARRAY_LEN(commands), p);
    return rc;
}
