/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, for people: one log line an event, counts, and the messages of the latest calls. */
#include <stdio.h>

#include "scscf/program/program.h"

/* The rooms' counter tables, one metric each with the counter as label. */
enum { M_REGISTER, M_REQUEST, M_CALL, M_TRANSACTION, M_TRANSPORT, M_NOW };

#define NAME(name, help) #name,
static const char *const register_names[] = {REGISTRAR_COUNTERS(NAME)};
static const char *const request_names[] = {SCSCF_COUNTERS(NAME)};
static const char *const call_names[] = {CALLS_COUNTERS(NAME)};
static const char *const layer_names[] = {SIP_LAYER_COUNTERS(NAME)};
static const char *const transport_names[] = {SIP_TRANSPORT_COUNTERS(NAME)};
#undef NAME
enum {
    NOW_REGISTERED,
    NOW_CHALLENGES,
    NOW_CALLS,
    NOW_RECORDS,
    NOW_DIALOGS,
    NOW_TRANSACTIONS,
    NOW_REFUSES,
    NOW_CONNECTIONS,
    NOW_SUBSCRIBERS_REFUSED
};
static const char *const now_names[] = {
    "registrations", "challenges",       "call_halves", "records_waiting",         "dialogs",
    "transactions",  "cdr_disk_refuses", "connections", "subscribers_disk_refuses"};

#define NAMES(list) .values = list, .n_values = ARRAY_LEN(list)
static const struct obs_metric metrics[] = {
    [M_REGISTER] = {"scscf_register_total", "REGISTER requests by outcome", .label = "outcome",
                    NAMES(register_names)},
    [M_REQUEST] = {"scscf_requests_total", "Other requests by way and refusal", .label = "kind",
                   NAMES(request_names)},
    [M_CALL] = {"scscf_calls_total", "Halves of calls and their records", .label = "event",
                NAMES(call_names)},
    [M_TRANSACTION] = {"scscf_transactions_total", "SIP transactions", .label = "event",
                       NAMES(layer_names)},
    [M_TRANSPORT] = {"scscf_transport_total", "SIP transport", .label = "event",
                     NAMES(transport_names)},
    [M_NOW] = {"scscf_now", "How many there are now", .type = OBS_GAUGE, .label = "what",
               NAMES(now_names)},
};

int64_t scscf_records_waiting(const struct scscf_program *p)
{
    uint64_t writing = calls_counters(scscf_calls(p->scscf))->writing;
    struct charging_spool_stats spool;

    charging_spool_stats_get(p->spool, &spool);
    return (int64_t)(spool.waiting > writing ? spool.waiting : writing);
}

static void collect(void *ctx)
{
    struct scscf_program *p = ctx;
    const struct registrar_counters *r = registrar_counters(scscf_registrar(p->scscf));
    const struct scscf_counters *s = scscf_counters(p->scscf);
    const struct calls_counters *c = calls_counters(scscf_calls(p->scscf));
    const struct sip_layer_counters *l = sip_layer_counters(scscf_layer(p->scscf));
    const struct sip_transport_counters *t = sip_transport_counters(scscf_transport(p->scscf));
    struct subscribers_stats subscribers;
    struct charging_spool_stats spool;
    unsigned i = 0;

#define SET(metric, counters) obs_set(p->metrics, metric, i++, (int64_t)(counters));
#define X(name, help)         SET(M_REGISTER, r->name)
    REGISTRAR_COUNTERS(X)
#undef X
    i = 0;
#define X(name, help) SET(M_REQUEST, s->name)
    SCSCF_COUNTERS(X)
#undef X
    i = 0;
#define X(name, help) SET(M_CALL, c->name)
    CALLS_COUNTERS(X)
#undef X
    i = 0;
#define X(name, help) SET(M_TRANSACTION, l->name)
    SIP_LAYER_COUNTERS(X)
#undef X
    i = 0;
#define X(name, help) SET(M_TRANSPORT, t->name)
    SIP_TRANSPORT_COUNTERS(X)
#undef X
#undef SET
    obs_set(p->metrics, M_NOW, NOW_REGISTERED, (int64_t)registrar_count(scscf_registrar(p->scscf)));
    obs_set(p->metrics, M_NOW, NOW_CHALLENGES,
            (int64_t)registrar_challenges(scscf_registrar(p->scscf)));
    obs_set(p->metrics, M_NOW, NOW_CALLS, (int64_t)c->alive);
    obs_set(p->metrics, M_NOW, NOW_RECORDS, scscf_records_waiting(p));
    charging_spool_stats_get(p->spool, &spool);
    subscribers_stats_get(p->subscribers, &subscribers);
    obs_set(p->metrics, M_NOW, NOW_SUBSCRIBERS_REFUSED, subscribers.disk_refuses);
    obs_set(p->metrics, M_NOW, NOW_CONNECTIONS, (int64_t)t->connections);
    obs_set(p->metrics, M_NOW, NOW_REFUSES, spool.disk_refuses);
    obs_set(p->metrics, M_NOW, NOW_DIALOGS, (int64_t)scscf_dialogs(p->scscf));
    obs_set(p->metrics, M_NOW, NOW_TRANSACTIONS,
            (int64_t)(sip_layer_servers(scscf_layer(p->scscf)) +
                      sip_layer_clients(scscf_layer(p->scscf))));
}

int scscf_report_new(struct scscf_program *p, struct obs_metrics *m)
{
    int rc = obs_metrics_add(m, metrics, ARRAY_LEN(metrics), &p->metrics);

    return rc != 0 ? rc : obs_metrics_collector(m, collect, p);
}

/* ---- events ----------------------------------------------------------------------------------- */

void scscf_report_register(void *ctx, enum registrar_event event, struct span impi,
                           struct span detail)
{
    struct scscf_program *p = ctx;
    char name[40];

    snprintf(name, sizeof(name), "register.%s", registrar_event_name(event));
    OBS_LOG(p->log, event == REGISTRAR_REFUSED ? OBS_WARN : OBS_INFO, name, OBS_ID("impi", impi),
            OBS_SPAN("detail", detail));
}

void scscf_report_call(void *ctx, enum scscf_event event, const struct scscf_note *note)
{
    struct scscf_program *p = ctx;
    char name[40];

    if (event == SCSCF_CALL_STARTED && p->recorder) {
        obs_recorder_name(p->recorder, note->call_id, note->icid);
        obs_recorder_name(p->recorder, note->call_id, note->from);
        obs_recorder_name(p->recorder, note->call_id, note->to);
    }
    snprintf(name, sizeof(name), "call.%s", scscf_event_name(event));
    OBS_LOG(p->log, event == SCSCF_CALL_ORPHANED ? OBS_WARN : OBS_INFO, name,
            OBS_SPAN("icid", note->icid), OBS_SPAN("call_id", note->call_id),
            OBS_ID("from", note->from), OBS_ID("to", note->to), OBS_UINT("status", note->status),
            OBS_TEXT("reason", note->reason));
}

void scscf_report_bad(void *ctx, const struct sip_flow *flow, const struct sip_reject *reject)
{
    struct scscf_program *p = ctx;

    OBS_LOG(p->log, OBS_INFO, "sip.bad_message", OBS_ADDR("from", &flow->remote),
            OBS_UINT("answered", reject->status), OBS_TEXT("why", reject->reason));
}

void scscf_report_stranger(void *ctx, const struct sip_flow *flow)
{
    struct scscf_program *p = ctx;

    OBS_LOG(p->log, OBS_WARN, "sip.stranger", OBS_ADDR("from", &flow->remote),
            OBS_TEXT("why", "the address is not in mw.allow"),
            OBS_TEXT("remedy", "if it is of the core, add it there"));
}

void scscf_report_false_answer(void *ctx, const struct sip_flow *from)
{
    struct scscf_program *p = ctx;

    OBS_LOG(
        p->log, OBS_WARN, "sip.false_answer", OBS_ADDR("from", &from->remote),
        OBS_TEXT("why", "it answers what others were asked"),
        OBS_TEXT("remedy", "if it is the core's, too, name all networks of the core in mw.allow"));
}

void scscf_report_disk(void *ctx, const struct charging_alarm *alarm)
{
    struct scscf_program *p = ctx;

    if (alarm->code)
        OBS_LOG(p->log, OBS_ERROR, "cdr.disk_refuses", OBS_TEXT("what", alarm->text),
                OBS_TEXT("remedy", alarm->remedy));
    else
        OBS_LOG(p->log, OBS_NOTICE, "cdr.disk_accepts", OBS_TEXT("what", alarm->text));
}

void scscf_report_subscribers(void *ctx, const struct subscribers_error *error)
{
    struct scscf_program *p = ctx;

    if (error->code)
        OBS_LOG(p->log, OBS_ERROR, "subscribers.disk_refuses", OBS_TEXT("what", error->text),
                OBS_TEXT("remedy", error->remedy),
                OBS_TEXT("effect", "phones with a card are refused after some registrations"));
    else
        OBS_LOG(p->log, OBS_NOTICE, "subscribers.disk_accepts",
                OBS_TEXT("what", "sequence numbers are written again"));
}

/* ---- the recorder ----------------------------------------------------------------------------- */

void scscf_report_tap(const struct sip_flow *flow, bool outgoing, struct span raw, void *ctx)
{
    struct scscf_program *p = ctx;
    char address[ADDR_TEXT_MAX];
    struct span other = span_str(addr_text(&flow->remote, address)), us = SPAN("scscf");
    struct obs_message m = {.wall = loop_wall(p->loop),
                            .call = sip_raw_call_id(raw),
                            .from = outgoing ? us : other,
                            .to = outgoing ? other : us,
                            .transport = flow->proto == NET_TCP ? "tcp" : "udp",
                            .text = raw};

    if (m.call.n)
        obs_record(p->recorder, &m);
}
