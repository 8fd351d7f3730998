/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl can ask a PDP. */
#include "pdp/program/program.h"

enum { TOKENS_SHOWN = 1000 };

struct table {
    struct program *program;
    struct span subscriber;
    uint64_t limit;
    json_t *rows;
};

static json_t *text(const char *s)
{
    json_t *j = json_string(s);

    return j ? j : json_string("(not UTF-8)");
}

static json_t *flows_of(const struct grant *g)
{
    json_t *flows = json_array();

    for (size_t i = 0; i < g->n_flows; i++) {
        const struct policy_flow *f = &g->flows[i];
        char rule[DIAMETER_FLOW_TEXT_MAX + 1] = "";
        struct buf b = {rule, 0, sizeof(rule) - 1, false};

        diameter_flow_put(&b, &f->what);
        (void)json_array_append_new(flows, json_pack("{s:i, s:i, s:s, s:I, s:s}", "media", f->media,
                                                     "flow", f->number, "state",
                                                     f->open ? "open" : "held", "bits_per_s",
                                                     (json_int_t)f->bandwidth, "rule", rule));
    }
    return flows;
}

static json_t *row_of(const struct program *p, const struct grant *g)
{
    int64_t now = loop_wall(daemon_loop(p->daemon)) / 1000000;

    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:I, s:I}", "token", g->name, "icid",
                     text(g->icid), "subscriber", text(g->subscriber), "session",
                     text(g->rx_session), "state", g->final ? "agreed" : "preliminary", "edge",
                     text(g->edge_host[0] ? g->edge_host : "(not used yet)"), "flows",
                     (json_int_t)g->n_flows, "ends_in_s",
                     (json_int_t)(g->end > now ? g->end - now : 0));
}

static void put_token(struct grant *g, void *ctx)
{
    struct table *t = ctx;

    if (t->subscriber.n && !span_eq(t->subscriber, span_str(g->subscriber)))
        return;
    if (json_array_size(t->rows) < t->limit)
        (void)json_array_append_new(t->rows, row_of(t->program, g));
}

static void run_tokens(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    struct table t = {.program = p, .subscriber = ops_arg(rq, "subscriber")};

    if (ops_arg_u64(rq, "limit", 1000000, TOKENS_SHOWN, &t.limit))
        return;
    t.rows = json_array();
    if (t.rows)
        grants_each(p->grants, put_token, &t);
    ops_ok(rq, t.rows);
}

static struct grant *grant_named(struct program *p, struct ops_request *rq)
{
    struct span name = ops_arg(rq, "name");
    struct grant *g = grants_find_text(p->grants, name);

    if (!g)
        ops_fail(rq, "`imsctl tokens` lists those in force.", "no token or session %.*s",
                 (int)(name.n > 80 ? 80 : name.n), name.p);
    return g;
}

static void run_show(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    struct grant *g = grant_named(p, rq);
    json_t *row;

    if (!g)
        return;
    row = row_of(p, g);
    if (row)
        (void)json_object_set_new(row, "flows", flows_of(g));
    ops_ok(rq, row);
}

static void on_revoked(void *ctx, int rc, struct grant *g)
{
    struct ops_request *rq = ctx;

    (void)g;
    if (rc)
        ops_fail(rq,
                 "Look at the log: the database does not take it, and would know the token again "
                 "after a restart.",
                 "revoked, but not on the disk");
    else
        ops_ok(rq, json_pack("{s:b}", "revoked", 1));
}

static void run_revoke(struct ops_request *rq, void *ctx)
{
    struct grant *g = grant_named(ctx, rq);

    if (g)
        grant_end(g, GRANT_REVOKED, on_revoked, rq);
}

static void put_peer(void *ctx, struct span host, bool up)
{
    (void)json_array_append_new(
        ctx, json_pack("{s:s%, s:s}", "peer", host.p, host.n, "state", up ? "up" : "down"));
}

static json_t *names_of(const struct conf_strings *s)
{
    json_t *names = json_array();

    for (size_t i = 0; i < s->n; i++)
        (void)json_array_append_new(names, text(s->v[i]));
    return names;
}

static void run_policy(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    const struct policy_rules *r = conf_values(p->policy_conf, 0);
    json_t *media = json_array();

    for (size_t i = 0; i < r->media.n; i++)
        (void)json_array_append_new(media, text(policy_media_name((unsigned)r->media.v[i])));
    ops_ok(rq, json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:b, s:I}", "file",
                         text(p->config->policy), "media", media, "components",
                         (json_int_t)r->components, "audio_kbit_s", (json_int_t)r->audio_kbps,
                         "video_kbit_s", (json_int_t)r->video_kbps, "other_kbit_s",
                         (json_int_t)r->other_kbps, "session_kbit_s", (json_int_t)r->session_kbps,
                         "audio_codecs", names_of(&r->audio_codecs), "video_codecs",
                         names_of(&r->video_codecs), "check_phone", r->check_phone, "emergency",
                         r->emergency, "exceptions", (json_int_t)r->subscribers.n));
}

static void run_peers(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    json_t *rows = json_array();

    if (rows)
        diameter_peer_each(p->diameter, put_peer, rows);
    ops_ok(rq, rows);
}

static const struct ops_param tokens_params[] = {
    {"subscriber", "only of this public identity", 0},
    {"limit", "most rows (1000)", 0},
};
static const struct ops_param name_params[] = {
    {"name", "the token's name or the Session-Id", OPS_REQUIRED | OPS_WORD},
};

static const struct ops_command commands[] = {
    {"tokens", "tokens in force", tokens_params, ARRAY_LEN(tokens_params), run_tokens},
    {"token show", "one token with its flows", name_params, ARRAY_LEN(name_params), run_show},
    {"token revoke", "end a session's media now", name_params, ARRAY_LEN(name_params), run_revoke},
    {"policy", "the rules in force", NULL, 0, run_policy},
    {"peers", "Diameter peers", NULL, 0, run_peers},
};

int commands_new(struct program *p)
{
    return ops_add(daemon_ops(p->daemon), commands, ARRAY_LEN(commands), p);
}

void commands_status(struct daemon *d, void *role, json_t *status)
{
    struct program *p = role;
    struct grants_stats g;
    struct qos_stats q;
    uint64_t refused = 0;
    json_t *peers = json_array();

    (void)d;
    grants_stats_get(p->grants, &g);
    qos_stats_get(p->qos, &q);
    for (int v = QOS_GRANTED + 1; v < QOS_VERDICTS; v++)
        refused += q.verdict[v];
    if (peers)
        diameter_peer_each(p->diameter, put_peer, peers);
    (void)json_object_set_new(status, "tokens", json_integer(g.live));
    (void)json_object_set_new(status, "tokens_issued", json_integer((json_int_t)g.issued));
    (void)json_object_set_new(status, "edge_granted",
                              json_integer((json_int_t)q.verdict[QOS_GRANTED]));
    (void)json_object_set_new(status, "edge_refused", json_integer((json_int_t)refused));
    (void)json_object_set_new(status, "peers", peers);
}
