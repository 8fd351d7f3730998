/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, for people: one log line and one count an event, and a ladder of each call. */
#include <stdio.h>

#include "pdp/program/program.h"

enum {
    M_RX,
    M_QOS,
    M_SESSIONS,
    M_GOODBYES,
    M_STORE_FAILED,
    M_DIAMETER,
    M_PEERS,
};

static const char *rx_names[RX_EVENTS];
static const char *qos_names[QOS_VERDICTS];
static const char *const diameter_names[] = {"received", "replied",  "bad",     "busy",
                                             "sent",     "timeouts", "restarts"};

static const struct obs_metric metrics[] = {
    [M_RX] = {"pdp_rx_total", "What happened to sessions of P-CSCFs", .label = "event",
              .values = rx_names, .n_values = RX_EVENTS},
    [M_QOS] = {"pdp_qos_total", "Questions of edges by verdict", .label = "verdict",
               .values = qos_names, .n_values = QOS_VERDICTS},
    [M_SESSIONS] = {"pdp_sessions", "Sessions with a token in force", .type = OBS_GAUGE},
    [M_GOODBYES] = {"pdp_unanswered_aborts", "Edges that have not answered an ASR yet",
                    .type = OBS_GAUGE},
    [M_STORE_FAILED] = {"pdp_store_failed_total", "Writes the database did not take"},
    [M_DIAMETER] = {"pdp_diameter_total", "Diameter requests, and restarts of its process",
                    .label = "what", .values = diameter_names,
                    .n_values = ARRAY_LEN(diameter_names)},
    [M_PEERS] = {"pdp_diameter_peers", "Peers connected", .type = OBS_GAUGE},
};

static void count_up(void *ctx, struct span host, bool up)
{
    (void)host;
    *(int64_t *)ctx += up;
}

static void collect(void *ctx)
{
    struct program *p = ctx;
    struct diameter_stats d;
    struct grants_stats g;
    struct qos_stats q;
    int64_t peers = 0;

    diameter_stats_get(p->diameter, &d);
    grants_stats_get(p->grants, &g);
    qos_stats_get(p->qos, &q);
    diameter_peer_each(p->diameter, count_up, &peers);
    const uint64_t diameter[] = {d.received, d.replied,  d.received_bad, d.received_busy,
                                 d.sent,     d.timeouts, d.restarts};

    for (unsigned i = 0; i < ARRAY_LEN(diameter); i++)
        obs_set(p->metrics, M_DIAMETER, i, (int64_t)diameter[i]);
    obs_set(p->metrics, M_SESSIONS, 0, g.live);
    obs_set(p->metrics, M_STORE_FAILED, 0, (int64_t)g.store_failed);
    obs_set(p->metrics, M_GOODBYES, 0, q.goodbyes);
    obs_set(p->metrics, M_PEERS, 0, peers);
}

int report_new(struct program *p)
{
    int rc;

    for (int e = 0; e < RX_EVENTS; e++)
        rx_names[e] = rx_event_name((enum rx_event)e);
    for (int v = 0; v < QOS_VERDICTS; v++)
        qos_names[v] = qos_verdict_name((enum qos_verdict)v);
    rc = obs_metrics_add(daemon_metrics(p->daemon), metrics, ARRAY_LEN(metrics), &p->metrics);
    return rc ? rc : obs_metrics_collector(daemon_metrics(p->daemon), collect, p);
}

/* ---- events ---- */

static void record(struct program *p, struct span icid, struct span from, struct span to,
                   const char *transport, struct span text)
{
    const struct obs_message m = {.wall = loop_wall(daemon_loop(p->daemon)),
                                  .call = icid,
                                  .from = from,
                                  .to = to,
                                  .transport = transport,
                                  .text = text};

    if (icid.n)
        obs_record(daemon_recorder(p->daemon), &m);
}

static const char *command_of(enum rx_event e)
{
    return e == RX_ENDED ? "STR" : e == RX_ABORTED ? "ASR" : "AAR";
}

void report_rx(enum rx_event e, const struct diameter_request *req, const struct grant *g,
               const char *why, void *ctx)
{
    struct program *p = ctx;
    bool is_aar = req && req->kind == DIAMETER_AA;
    struct span icid = g ? span_str(g->icid) : is_aar ? req->aar.charging_id : SPAN_NONE;
    struct span from = g ? span_str(g->af_host) : req ? req->origin_host : SPAN_NONE;
    struct span whose = g                                    ? span_str(g->subscriber)
                        : is_aar && req->aar.n_subscriptions ? req->aar.subscriptions[0].data
                                                             : SPAN_NONE;
    enum obs_level level = e == RX_TROUBLE                      ? OBS_ERROR
                           : e == RX_REFUSED || e == RX_ABORTED ? OBS_WARN
                                                                : OBS_INFO;
    char event[32], text[256];

    obs_count(p->metrics, M_RX, e);
    snprintf(event, sizeof(event), "session.%s", rx_event_name(e));
    OBS_LOG(daemon_log(p->daemon), level, event, OBS_SPAN("icid", icid), OBS_SPAN("af", from),
            OBS_TEXT("token", g ? g->name : ""), OBS_ID("subscriber", whose),
            OBS_UINT("flows", g ? g->n_flows : 0), OBS_BOOL("final", g && g->final),
            OBS_TEXT("why", why));
    snprintf(text, sizeof(text), "%s %s %s%s%s", command_of(e), rx_event_name(e), g ? "token " : "",
             g ? g->name : "", why);
    record(p, icid, from, SPAN("pdp"), "rx", span_str(text));
}

void report_qos(enum qos_verdict v, const struct diameter_request *req, const struct grant *g,
                const char *detail, void *ctx)
{
    struct program *p = ctx;
    char event[32], text[320];

    obs_count(p->metrics, M_QOS, v);
    snprintf(event, sizeof(event), "token.%s", qos_verdict_name(v));
    OBS_LOG(daemon_log(p->daemon), v == QOS_GRANTED ? OBS_INFO : OBS_WARN, event,
            OBS_SPAN("edge", req->origin_host), OBS_TEXT("token", g ? g->name : ""),
            OBS_SPAN("icid", g ? span_str(g->icid) : SPAN_NONE),
            OBS_UINT("flows", req->qar.n_filters), OBS_TEXT("why", detail));
    if (!g)
        return;
    snprintf(text, sizeof(text), "QAA %s%s%s", qos_verdict_name(v), *detail ? ": " : "", detail);
    record(p, span_str(g->icid), req->origin_host, SPAN("pdp"), "qos", SPAN("QAR"));
    record(p, span_str(g->icid), SPAN("pdp"), req->origin_host, "qos", span_str(text));
}
