/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, for people: one log line and one count an event, and the messages of the latest
 * calls. */
#include <stdio.h>

#include "pcscf/program/program.h"

enum {
    M_REGISTER,
    M_SESSION,
    M_BAD,
    M_PHONES,
    M_LEGS,
    M_TOO_FAST,
    M_TOO_LARGE,
    M_NO_ASSOCIATION,
    M_EDGE,
    M_PDP,
    M_TRANSACTION,
    M_TRANSPORT,
    M_NOW,
};

/* The layers' counter tables, one metric each with the counter as label. */
#define NAME(name, help) #name,
static const char *const layer_names[] = {SIP_LAYER_COUNTERS(NAME)};
static const char *const transport_names[] = {SIP_TRANSPORT_COUNTERS(NAME)};
#undef NAME
enum { NOW_TRANSACTIONS, NOW_CONNECTIONS };
static const char *const now_names[] = {"transactions", "connections"};

static const char *register_names[REGISTER_EVENT_COUNT];
static const char *const session_names[SESSION_EVENT_COUNT] = {
    [SESSION_CALL_STARTED] = "call_started",     [SESSION_CALL_ANSWERED] = "call_answered",
    [SESSION_CALL_ENDED] = "call_ended",         [SESSION_UNKNOWN_PHONE] = "unknown_phone",
    [SESSION_FOREIGN_DIALOG] = "foreign_dialog", [SESSION_ROUTE_MISMATCH] = "route_mismatch",
    [SESSION_PHONE_GONE] = "phone_gone",         [SESSION_MEDIA_REFUSED] = "media_refused",
    [SESSION_MEDIA_SILENT] = "media_silent",     [SESSION_PDP_REFUSED] = "pdp_refused",
    [SESSION_PDP_SILENT] = "pdp_silent",         [SESSION_PDP_ABORTED] = "pdp_aborted",
    [SESSION_TOKEN_REFUSED] = "token_refused",   [SESSION_NO_DIALOG] = "no_dialog",
    [SESSION_DIALOG_LOST] = "dialog_lost",       [SESSION_FORK_DROPPED] = "fork_dropped",
    [SESSION_PHONE_FULL] = "phone_full",
};
static const char *const edge_names[] = {"ok", "refused", "silent"};
static const char *const pdp_names[] = {"granted", "refused", "silent"};

static const struct obs_metric metrics[] = {
    [M_REGISTER] = {"pcscf_register_total", "REGISTER requests by outcome", .label = "outcome",
                    .values = register_names, .n_values = REGISTER_EVENT_COUNT},
    [M_SESSION] = {"pcscf_session_total", "What happened to calls and requests", .label = "event",
                   .values = session_names, .n_values = SESSION_EVENT_COUNT},
    [M_BAD] = {"pcscf_bad_messages_total", "Messages that could not be understood"},
    [M_PHONES] = {"pcscf_phones", "Phones known now", .type = OBS_GAUGE},
    [M_LEGS] = {"pcscf_legs", "Call legs now", .type = OBS_GAUGE},
    [M_TOO_FAST] = {"pcscf_too_fast_total", "Messages dropped: source over its rate"},
    [M_TOO_LARGE] = {"pcscf_too_large_total", "Messages dropped: too large"},
    [M_NO_ASSOCIATION] = {"pcscf_no_association_total",
                          "Requests on a protected port from no SA set we know"},
    [M_EDGE] = {"pcscf_edge_commands_total", "Commands to the media edge by outcome",
                .label = "outcome", .values = edge_names, .n_values = 3},
    [M_PDP] = {"pcscf_pdp_requests_total", "AAR to the PDP by outcome", .label = "outcome",
               .values = pdp_names, .n_values = 3},
    [M_TRANSACTION] = {"pcscf_transactions_total", "SIP transactions", .label = "event",
                       .values = layer_names, .n_values = ARRAY_LEN(layer_names)},
    [M_TRANSPORT] = {"pcscf_transport_total", "SIP transport", .label = "event",
                     .values = transport_names, .n_values = ARRAY_LEN(transport_names)},
    [M_NOW] = {"pcscf_now", "How many there are now", .type = OBS_GAUGE, .label = "what",
               .values = now_names, .n_values = ARRAY_LEN(now_names)},
};

static void collect_layers(struct program *p)
{
    const struct sip_layer *layer = core_layer(p->core);
    const struct sip_layer_counters *l = sip_layer_counters(layer);
    const struct sip_transport_counters *t = sip_transport_counters(core_transport(p->core));
    unsigned i = 0;

#define X(name, help) obs_set(p->metrics, M_TRANSACTION, i++, (int64_t)l->name);
    SIP_LAYER_COUNTERS(X)
#undef X
    i = 0;
#define X(name, help) obs_set(p->metrics, M_TRANSPORT, i++, (int64_t)t->name);
    SIP_TRANSPORT_COUNTERS(X)
#undef X
    obs_set(p->metrics, M_NOW, NOW_TRANSACTIONS,
            (int64_t)(sip_layer_servers(layer) + sip_layer_clients(layer)));
    obs_set(p->metrics, M_NOW, NOW_CONNECTIONS, (int64_t)t->connections);
}

static void collect(void *ctx)
{
    struct program *p = ctx;
    const struct core_counters *c = core_counters(p->core);
    const struct media *edge = core_media(p->core);
    const struct authorize *pdp = core_authorize(p->core);

    obs_set(p->metrics, M_PHONES, 0, (int64_t)bindings_count(core_bindings(p->core)));
    obs_set(p->metrics, M_LEGS, 0, (int64_t)session_legs(core_session(p->core)));
    obs_set(p->metrics, M_TOO_FAST, 0, (int64_t)c->too_fast);
    obs_set(p->metrics, M_TOO_LARGE, 0, (int64_t)c->too_large);
    obs_set(p->metrics, M_NO_ASSOCIATION, 0, (int64_t)c->no_association);
    collect_layers(p);
    if (edge) {
        obs_set(p->metrics, M_EDGE, 0, (int64_t)media_counters(edge)->ok);
        obs_set(p->metrics, M_EDGE, 1, (int64_t)media_counters(edge)->refused);
        obs_set(p->metrics, M_EDGE, 2, (int64_t)media_counters(edge)->silent);
    }
    if (pdp) {
        obs_set(p->metrics, M_PDP, 0, (int64_t)authorize_counters(pdp)->granted);
        obs_set(p->metrics, M_PDP, 1, (int64_t)authorize_counters(pdp)->refused);
        obs_set(p->metrics, M_PDP, 2, (int64_t)authorize_counters(pdp)->silent);
    }
}

int report_new(struct program *p)
{
    struct obs_metrics *m = daemon_metrics(p->daemon);
    int rc;

    for (int e = 0; e < REGISTER_EVENT_COUNT; e++)
        register_names[e] = register_event_name((enum register_event)e);
    rc = obs_metrics_add(m, metrics, ARRAY_LEN(metrics), &p->metrics);
    return rc != 0 ? rc : obs_metrics_collector(m, collect, p);
}

/* ---- events -------------------------------------------------------------------------------------- */

static enum obs_level level_of_register(enum register_event e)
{
    switch (e) {
    case REGISTER_CHALLENGED:
    case REGISTER_GRANTED:
    case REGISTER_REFRESHED:
    case REGISTER_REMOVED:
    case REGISTER_EXPIRED:
        return OBS_INFO;
    default:
        return OBS_WARN;
    }
}

void report_register(enum register_event e, const struct binding *b, struct span detail, void *ctx)
{
    struct program *p = ctx;
    char event[40];

    obs_count(p->metrics, M_REGISTER, e);
    snprintf(event, sizeof(event), "register.%s", register_event_name(e));
    if (b)
        OBS_LOG(daemon_log(p->daemon), level_of_register(e), event,
                OBS_ID("impi", span_str(b->impi)), OBS_ADDR("phone", &b->source.remote),
                OBS_SPAN("detail", detail));
    else
        OBS_LOG(daemon_log(p->daemon), level_of_register(e), event, OBS_SPAN("detail", detail));
}

static void name_call(struct program *p, const struct session_view *v,
                      const struct session_leg *leg)
{
    const struct binding *b = session_leg_binding(leg);

    obs_recorder_name(daemon_recorder(p->daemon), v->call_id, span_str(v->icid));
    if (b->identities.n)
        obs_recorder_name(daemon_recorder(p->daemon), v->call_id, span_str(b->identities.uri[0]));
}

/* Of some events the detail is an identity, which the log masks. */
static struct obs_field detail_of(enum session_event e, struct span detail)
{
    bool whose = e == SESSION_PHONE_GONE || e == SESSION_PHONE_FULL || e == SESSION_FOREIGN_DIALOG;

    return whose ? OBS_ID("whose", detail) : OBS_SPAN("detail", detail);
}

void report_session(enum session_event e, const struct session_leg *leg, struct span detail,
                    void *ctx)
{
    struct program *p = ctx;
    struct obs_log *log = daemon_log(p->daemon);
    enum obs_level level = e <= SESSION_CALL_ENDED ? OBS_INFO : OBS_WARN;
    struct session_view v;
    char event[40];

    obs_count(p->metrics, M_SESSION, e);
    snprintf(event, sizeof(event), "session.%s", session_names[e]);
    if (!leg) {
        if (e == SESSION_PHONE_FULL)
            OBS_LOG(log, level, event, detail_of(e, detail),
                    OBS_TEXT("option", "limits.calls_per_phone"));
        else
            OBS_LOG(log, level, event, detail_of(e, detail));
        return;
    }
    session_view_leg(leg, &v);
    if (e == SESSION_CALL_STARTED && p->config->trace)
        name_call(p, &v, leg);
    OBS_LOG(log, level, event, OBS_TEXT("icid", v.icid), OBS_SPAN("call_id", v.call_id),
            OBS_TEXT("side", v.originating ? "originating" : "terminating"),
            OBS_ID("impi", span_str(v.impi)), detail_of(e, detail));
}

void report_bad(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx)
{
    struct program *p = ctx;

    obs_count(p->metrics, M_BAD, 0);
    OBS_LOG(daemon_log(p->daemon), OBS_INFO, "sip.bad_message", OBS_ADDR("from", &flow->remote),
            OBS_UINT("answered", reject->status), OBS_TEXT("why", reject->reason));
}

void report_stranger(const struct sip_flow *flow, void *ctx)
{
    struct program *p = ctx;

    OBS_LOG(daemon_log(p->daemon), OBS_WARN, "sip.stranger", OBS_ADDR("from", &flow->remote),
            OBS_TEXT("why", "the address is not in mw.allow"),
            OBS_TEXT("remedy", "if it is of the core, add it there"));
}

static bool is_of_core(const struct sip_flow *flow)
{
    return strcmp(sip_endpoint_name(flow->endpoint), "mw") == 0;
}

void report_false_answer(const struct sip_flow *from, void *ctx)
{
    struct program *p = ctx;

    OBS_LOG(daemon_log(p->daemon), OBS_WARN, "sip.false_answer", OBS_ADDR("from", &from->remote),
            OBS_TEXT("at", sip_endpoint_name(from->endpoint)),
            OBS_TEXT("why", "it answers what others were asked"),
            OBS_TEXT("remedy",
                     is_of_core(from)
                         ? "if it is the core's, too, name all networks of the core in mw.allow"
                         : "none: it was dropped"));
}

/* ---- the recorder -------------------------------------------------------------------------------- */

/* Of the core, the one that mw.core names is the S-CSCF. */
static struct span party(const struct program *p, char *room, size_t size,
                         const struct sip_flow *flow)
{
    bool core = is_of_core(flow);
    char text[ADDR_TEXT_MAX];
    struct buf b = {room, 0, size, false};
    struct sip_uri uri;
    struct addr named;

    if (core && sip_uri_split(span_str(p->config->core), &uri) == 0 &&
        addr_parse_ip(uri.host, 0, &named) == 0 && addr_ip_eq(&named, &flow->remote))
        return SPAN("scscf");
    buf_puts(&b, core ? "core " : "phone ");
    buf_puts(&b, addr_ip_text(&flow->remote, text));
    return buf_span(&b);
}

/* Whom an INVITE calls, without parameters: calls are looked for by it, those that failed before
 * anybody was found most of all. */
static void name_called(struct program *p, struct span call, struct span raw)
{
    struct span line = span_cut(&raw, '\r');

    if (!span_eq(span_cut(&line, ' '), SPAN("INVITE")))
        return;
    line = span_cut(&line, ' ');
    obs_recorder_name(daemon_recorder(p->daemon), call, span_sub(line, 0, span_find(line, ';')));
}

void report_tap(const struct sip_flow *flow, bool outgoing, struct span raw, void *ctx)
{
    struct program *p = ctx;
    const char *endpoint = sip_endpoint_name(flow->endpoint);
    char room[80];
    struct span other = party(p, room, sizeof(room), flow), us = SPAN("pcscf");
    struct obs_message m = {.wall = loop_wall(daemon_loop(p->daemon)),
                            .call = sip_raw_call_id(raw),
                            .from = outgoing ? us : other,
                            .to = outgoing ? other : us,
                            .transport = flow->proto == NET_TCP ? "tcp" : "udp",
                            .guarded = strncmp(endpoint, "port_", 5) == 0,
                            .text = raw};

    if (!m.call.n)
        return;
    obs_record(daemon_recorder(p->daemon), &m);
    if (!outgoing)
        name_called(p, m.call, raw);
}

void report_aside(const struct session_leg *leg, const char *party_name, bool outgoing,
                  const char *what, void *ctx)
{
    struct program *p = ctx;
    struct span us = SPAN("pcscf"), other = span_str(party_name);
    struct session_view v;
    struct obs_message m = {.wall = loop_wall(daemon_loop(p->daemon)),
                            .from = outgoing ? us : other,
                            .to = outgoing ? other : us,
                            .transport = strcmp(party_name, "pdp") == 0 ? "rx" : "ng",
                            .text = span_str(what)};

    session_view_leg(leg, &v);
    m.call = v.call_id;
    obs_record(daemon_recorder(p->daemon), &m);
}
