/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl can ask a P-CSCF. */
#include <inttypes.h>
#include <stdio.h>

#include "pcscf/program/program.h"

struct table {
    struct program *program;
    json_t *rows;
    uint64_t left; /* rows */
};

static json_t *text(struct span s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n);

    return j ? j : json_string("(not UTF-8)");
}

static uint64_t seconds_left(const struct program *p, uint64_t due)
{
    uint64_t now = loop_now(daemon_loop(p->daemon));

    return due > now ? (due - now) / SEC : 0;
}

static const char *state_name(enum binding_set_state s)
{
    static const char *const names[] = {"temporary", "current", "old"};

    return names[s];
}

static json_t *security_of(const struct program *p, const struct binding *b)
{
    json_t *sets = json_array();

    LIST_EACH (item, &b->sets) {
        const struct binding_set *s = CONTAINER_OF(item, struct binding_set, item);
        const uint32_t spis[] = {s->spi_uc, s->spi_us, s->spi_pc, s->spi_ps};
        char ports[64], spi[ARRAY_LEN(spis)][12];

        /* As `ip xfrm state` and Wireshark write them. */
        for (size_t i = 0; i < ARRAY_LEN(spis); i++)
            snprintf(spi[i], sizeof(spi[i]), "0x%08" PRIx32, spis[i]);
        snprintf(ports, sizeof(ports), "uc %u us %u pc %u ps %u", s->phone_uc.port,
                 s->phone_us.port, sip_endpoint_local(s->pc)->port,
                 sip_endpoint_local(s->ps)->port);
        (void)json_array_append_new(sets, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "state",
                                                    state_name(s->state), "ports", ports, "spi_uc",
                                                    spi[0], "spi_us", spi[1], "spi_pc", spi[2],
                                                    "spi_ps", spi[3], "ends_in_s",
                                                    (json_int_t)seconds_left(p, s->expires_at)));
    }
    return sets;
}

static void put_registration(struct binding *b, void *ctx)
{
    struct table *t = ctx;
    char address[ADDR_TEXT_MAX];

    if (!b->registered || t->left == 0)
        return;
    t->left--;
    (void)json_array_append_new(
        t->rows, json_pack("{s:o, s:o, s:s, s:s, s:I, s:o}", "impi", text(span_str(b->impi)),
                           "impu", text(span_str(b->identities.n ? b->identities.uri[0] : "")),
                           "phone", addr_text(&b->source.remote, address), "transport",
                           b->source.proto == NET_TCP ? "tcp" : "udp", "expires_s",
                           (json_int_t)seconds_left(t->program, b->expiry.due), "security",
                           b->ipsec ? security_of(t->program, b) : json_string("none")));
}

static void registrations(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    struct table t = {.program = p};

    if (ops_arg_u64(rq, "limit", 100000, 1000, &t.left) != 0)
        return;
    t.rows = json_array();
    bindings_each(core_bindings(p->core), put_registration, &t);
    ops_ok(rq, t.rows);
}

static void put_call(const struct session_view *v, void *ctx)
{
    struct table *t = ctx;
    uint64_t now = loop_now(daemon_loop(t->program->daemon));

    if (t->left == 0)
        return;
    t->left--;
    (void)json_array_append_new(
        t->rows, json_pack("{s:o, s:o, s:s, s:o, s:s, s:I, s:b, s:b, s:s}", "icid",
                           text(span_str(v->icid)), "call_id", text(v->call_id), "side",
                           v->originating ? "originating" : "terminating", "impi",
                           text(span_str(v->impi)), "state",
                           v->ended      ? "ending"
                           : v->answered ? "answered"
                                         : "ringing",
                           "seconds",
                           (json_int_t)((now - (v->answered ? v->answered_at : v->started)) / SEC),
                           "token", (int)v->token, "gate", (int)v->gate_up, "edge_call",
                           v->anchored ? v->edge_call : ""));
}

static void legs(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    struct table t = {.program = p};

    if (ops_arg_u64(rq, "limit", 100000, 1000, &t.left) != 0)
        return;
    t.rows = json_array();
    session_each(core_session(p->core), put_call, &t);
    ops_ok(rq, t.rows);
}

static void ladder(struct ops_request *rq, void *ctx)
{
    struct program *p = ctx;
    struct span name = ops_arg(rq, "call");
    json_t *found = obs_recorder_ladder(daemon_recorder(p->daemon), name, ops_flag(rq, "messages"));

    if (!p->config->trace || !daemon_recorder(p->daemon))
        ops_fail(rq,
                 "Set trace: true and recorder.calls above 0 in the configuration file and start "
                 "again.",
                 "no messages are kept");
    else if (!found)
        ops_fail(rq,
                 name.n ? "name it by ICID, Call-ID or an identity of one of its ends; without a "
                          "name it is the latest call"
                        : "make one; what happened before the start is not known",
                 name.n ? "no call is known as '%.*s'" : "no call was recorded yet%.*s",
                 SPAN_ARG(span_sub(name, 0, 200)));
    else
        ops_ok(rq, found);
    if (!p->config->trace)
        json_decref(found);
}

static const struct ops_param ladder_params[] = {
    {"call", "ICID, Call-ID or public identity; without it, the latest call", OPS_WORD},
    {"messages", "whole messages below the ladder", OPS_FLAG},
};
static const struct ops_param limit_params[] = {{"limit", "most rows; 1000 without it", 0}};
static const struct ops_command commands[] = {
    {"registrations", "phones registered here, with their security associations", limit_params,
     ARRAY_LEN(limit_params), registrations},
    {"legs", "the phones' sides of calls, with token and gate", limit_params,
     ARRAY_LEN(limit_params), legs},
    {"ladder", "the messages of a call as a ladder", ladder_params, ARRAY_LEN(ladder_params),
     ladder},
};

int commands_new(struct program *p)
{
    return ops_add(daemon_ops(p->daemon), commands, ARRAY_LEN(commands), p);
}

void commands_status(struct daemon *d, void *role, json_t *status)
{
    struct program *p = role;

    (void)d;
    (void)json_object_set_new(status, "phones",
                              json_integer((json_int_t)bindings_count(core_bindings(p->core))));
    (void)json_object_set_new(status, "legs",
                              json_integer((json_int_t)session_legs(core_session(p->core))));
    (void)json_object_set_new(status, "ipsec", json_boolean(p->charon != NULL));
    (void)json_object_set_new(status, "pdp",
                              json_string(!p->diameter ? "off"
                                          : diameter_peer_up(p->diameter, SPAN_NONE)
                                              ? "connected"
                                              : "not connected"));
}
