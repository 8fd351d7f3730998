/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What imsctl can ask an S-CSCF: registrations, calls, subscribers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scscf/program/program.h"

json_t *scscf_json_text(struct span s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n);

    return j ? j : json_string("(not UTF-8)");
}

json_t *scscf_json_time(int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    char text[32] = "";

    if (wall_us && gmtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return json_string(text);
}

/* ---- registrations ---------------------------------------------------------------------------- */

struct listing {
    struct scscf_program *program;
    json_t *rows;
    uint64_t left;
};

static json_t *impus_of(const struct subscriber *s, bool barred)
{
    json_t *list = json_array();

    for (unsigned i = 0; s && i < s->n_impu; i++)
        if (!barred || s->impu[i].barred)
            (void)json_array_append_new(list, scscf_json_text(s->impu[i].uri));
    return list;
}

static bool put_registration(const struct registrar_view *v, void *ctx)
{
    struct listing *l = ctx;

    for (size_t i = 0; i < v->n_contacts; i++) {
        const struct registrar_contact *c = &v->contacts[i];

        (void)json_array_append_new(
            l->rows,
            json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "impi", scscf_json_text(v->impi), "impu",
                      impus_of(subscribers_find_impi(l->program->subscribers, v->impi), false),
                      "contact", scscf_json_text(c->uri), "path", scscf_json_text(c->path),
                      "expires_s", (json_int_t)c->expires_in, "since", scscf_json_time(v->since)));
    }
    return --l->left > 0;
}

static void registrations(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    struct listing l = {.program = p};

    if (ops_arg_u64(rq, "limit", 100000, 1000, &l.left) != 0)
        return;
    l.rows = json_array();
    if (l.left && registrar_each(scscf_registrar(p->scscf), ops_arg(rq, "after"), put_registration,
                                 &l) == -ENOENT) {
        json_decref(l.rows);
        ops_fail(rq, "begin again without --after", "'%.*s' is not registered (any more)",
                 SPAN_ARG(span_sub(ops_arg(rq, "after"), 0, 200)));
        return;
    }
    ops_ok(rq, l.rows);
}

/* ---- calls ------------------------------------------------------------------------------------ */

static bool put_call(const struct call_view *v, void *ctx)
{
    struct listing *l = ctx;
    int64_t now = loop_wall(l->program->loop);
    int64_t end = v->end_time ? v->end_time : now;

    (void)json_array_append_new(
        l->rows,
        json_pack(
            "{s:o, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "icid", scscf_json_text(v->icid), "half",
            v->role == CDR_ORIGINATING ? "originating" : "terminating", "state",
            call_state_name(v->state), "calling", scscf_json_text(v->calling), "called",
            scscf_json_text(v->called), "seconds",
            (json_int_t)((end - (v->answer_time ? v->answer_time : v->request_time)) / 1000000),
            "since", scscf_json_time(v->request_time), "call_id", scscf_json_text(v->session_id)));
    return --l->left > 0;
}

static void calls(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    struct listing l = {.program = p};

    if (ops_arg_u64(rq, "limit", 100000, 1000, &l.left) != 0)
        return;
    l.rows = json_array();
    if (l.left)
        calls_each(scscf_calls(p->scscf), put_call, &l);
    ops_ok(rq, l.rows);
}

/* ---- subscribers ------------------------------------------------------------------------------ */

static json_t *json_subscriber(const struct scscf_program *p, const struct subscriber *s)
{
    const char *barred = s->barred_out && s->barred_in ? "out,in"
                         : s->barred_out               ? "out"
                         : s->barred_in                ? "in"
                                                       : "";

    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:b}", "impi", scscf_json_text(s->impi),
                     "impu", impus_of(s, false), "barred_impu", impus_of(s, true), "display_name",
                     scscf_json_text(s->display_name), "auth",
                     s->has_aka && s->has_digest ? "aka, digest"
                     : s->has_aka                ? "aka"
                     : s->has_digest             ? "digest"
                                                 : "none",
                     "barred", barred, "registered",
                     (int)registrar_is_registered(scscf_registrar(p->scscf), s->impi));
}

static void fail_with(struct ops_request *rq, const struct subscribers_error *error)
{
    if (error->code == -EINVAL || error->code == -E2BIG) /* the value, whoever is there */
        ops_misuse(rq, error->remedy, "%s", error->text);
    else
        ops_fail(rq, error->remedy, "%s", error->text);
}

/* A change on its way to the disk. */
struct change {
    struct scscf_program *program;
    struct ops_request *rq;
    char impi[SUBSCRIBER_IMPI_MAX + 1];
    bool deletes;
};

static void on_changed(void *ctx, const struct subscribers_error *error)
{
    struct change *c = ctx;
    struct span impi = span_str(c->impi);
    const struct subscriber *s;

    if (error->code) {
        fail_with(c->rq, error);
    } else if (c->deletes) {
        (void)registrar_remove(scscf_registrar(c->program->scscf), impi); /* or never was there */
        ops_ok(c->rq, json_pack("{s:o}", "deleted", scscf_json_text(impi)));
    } else {
        s = subscribers_find_impi(c->program->subscribers, impi);
        ops_ok(c->rq, s ? json_subscriber(c->program, s) : json_object());
    }
    free(c);
}

static struct change *change_new(struct scscf_program *p, struct ops_request *rq, struct span impi,
                                 bool deletes)
{
    struct change *c = calloc(1, sizeof(*c));

    if (!c) {
        ops_fail(rq, "Try again when there is memory.", "out of memory");
        return NULL;
    }
    *c = (struct change){.program = p, .rq = rq, .deletes = deletes};
    if (span_copy(impi, c->impi, sizeof(c->impi)) != 0)
        c->impi[0] = '\0'; /* nobody has it */
    return c;
}

static const struct ops_param add_params[] = {
    {"impi", "private identity: 001010000000001@ims.example", OPS_REQUIRED},
    {"impu", "public identity, the default one first: sip:alice@ims.example, tel:+4930123",
     OPS_REQUIRED | OPS_MANY},
    {"k", "key of the card, 32 hex digits (AKA)", 0},
    {"opc", "OPc, 32 hex digits", 0},
    {"op", "OP instead of OPc", 0},
    {"amf", "AMF, 4 hex digits; default 8000", 0},
    {"sqn", "sequence number to start from; default 0", 0},
    {"password", "for SIP digest; H(A1) is kept, not the password", 0},
    {"realm", "realm of the password; default: the domain of the IMPI", 0},
    {"display-name", "shown to the called", 0},
    {"media", "what the profile allows: audio,video,text,other; default all", 0},
    {"barred", "out, in or out,in: no calls of that kind", 0},
    {"barred-impu", "identities, with commas, that may be registered but not used", 0},
};

/* Nobody could reach an identity of another network here: calls to it go there. */
static bool are_ours(struct scscf_program *p, struct ops_request *rq)
{
    struct sip_uri uri;

    for (size_t i = 0; i < ops_arg_count(rq, "impu"); i++) {
        struct span impu = ops_arg_at(rq, "impu", i);

        if (sip_uri_split(impu, &uri) != 0 ||
            (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS) ||
            scscf_is_home(p->scscf, uri.host))
            continue; /* what is no identity at all is said later */
        ops_misuse(rq, "Write an identity of ours, or add the domain to domains of the S-CSCF.",
                   "impu %.*s: %.*s is not a home domain of this network",
                   SPAN_ARG(span_sub(impu, 0, 100)), SPAN_ARG(span_sub(uri.host, 0, 100)));
        return false;
    }
    return true;
}

static void subscriber_add(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    struct subscriber_spec spec = {0};
    struct subscribers_error error = {0};
    struct change *c;

    if (!are_ours(p, rq))
        return;
    for (size_t i = 0; i < ARRAY_LEN(add_params); i++) {
        const char *name = add_params[i].name;

        for (size_t k = 0; k < ops_arg_count(rq, name); k++) {
            if (subscriber_spec_set(&spec, span_str(name), ops_arg_at(rq, name, k), &error) != 0) {
                fail_with(rq, &error);
                return;
            }
        }
    }
    c = change_new(p, rq, ops_arg(rq, "impi"), false);
    if (c && subscribers_add(p->subscribers, &spec, on_changed, c, &error) != 0) {
        fail_with(rq, &error);
        free(c);
    }
}

/* By private or public identity; NULL: rq has been answered. */
static const struct subscriber *subscriber_meant(struct scscf_program *p, struct ops_request *rq)
{
    struct span who = ops_arg(rq, "identity");
    const struct subscriber *s = subscribers_find_impi(p->subscribers, who);

    if (!s)
        s = subscribers_find_impu(p->subscribers, who, NULL);
    if (!s)
        ops_fail(rq, "imsctl subscriber list shows all of them.", "nobody is known as '%.*s'",
                 SPAN_ARG(span_sub(who, 0, 200)));
    return s;
}

static void subscriber_delete(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    const struct subscriber *s = subscriber_meant(p, rq);
    struct subscribers_error error = {0};
    struct change *c = s ? change_new(p, rq, s->impi, true) : NULL;

    if (c && subscribers_delete(p->subscribers, span_str(c->impi), on_changed, c, &error) != 0) {
        fail_with(rq, &error);
        free(c);
    }
}

static void subscriber_show(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    const struct subscriber *s = subscriber_meant(p, rq);

    if (s)
        ops_ok(rq, json_subscriber(p, s));
}

static void on_page(void *ctx, const struct subscribers_error *error,
                    const struct subscriber *const *page, size_t n)
{
    struct change *c = ctx;
    json_t *rows;

    if (error->code) {
        fail_with(c->rq, error);
        free(c);
        return;
    }
    rows = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(rows, json_subscriber(c->program, page[i]));
    ops_ok(c->rq, rows);
    free(c);
}

static void subscriber_list(struct ops_request *rq, void *ctx)
{
    struct scscf_program *p = ctx;
    struct subscribers_error error = {0};
    struct change *c;
    uint64_t limit;

    if (ops_arg_u64(rq, "limit", SUBSCRIBERS_PAGE_MAX, SUBSCRIBERS_PAGE_MAX, &limit) != 0)
        return;
    if (limit == 0) {
        ops_ok(rq, json_array());
        return;
    }
    c = change_new(p, rq, SPAN_NONE, false);
    if (c && subscribers_list(p->subscribers, ops_arg(rq, "after"), (size_t)limit, on_page, c,
                              &error) != 0) {
        fail_with(rq, &error);
        free(c);
    }
}

/* ---- the table -------------------------------------------------------------------------------- */

static const struct ops_param page_params[] = {
    {"after", "go on behind this private identity", 0},
    {"limit", "most rows", 0},
};
static const struct ops_param limit_params[] = {{"limit", "most rows; 1000 without it", 0}};
static const struct ops_param identity_params[] = {
    {"identity", "private or public identity", OPS_REQUIRED | OPS_WORD}};

static const struct ops_command commands[] = {
    {"registrations", "who is registered, and where", page_params, ARRAY_LEN(page_params),
     registrations},
    {"calls", "halves of calls, and records that wait for the disk", limit_params,
     ARRAY_LEN(limit_params), calls},
    {"subscriber add", "a new subscriber", add_params, ARRAY_LEN(add_params), subscriber_add},
    {"subscriber show", "one subscriber", identity_params, ARRAY_LEN(identity_params),
     subscriber_show},
    {"subscriber list", "all subscribers, page by page", page_params, ARRAY_LEN(page_params),
     subscriber_list},
    {"subscriber delete", "removes a subscriber with all identities, and the registration",
     identity_params, ARRAY_LEN(identity_params), subscriber_delete},
};

int scscf_commands_new(struct scscf_program *p)
{
    int rc = ops_add(p->ops, commands, ARRAY_LEN(commands), p);

    return rc != 0 ? rc : scscf_cdr_commands_new(p);
}

void scscf_commands_status(struct daemon *d, void *role, json_t *status)
{
    struct scscf_program *p = role;
    const struct calls_counters *c = calls_counters(scscf_calls(p->scscf));
    struct charging_spool_stats spool;
    struct subscribers_stats subscribers;

    (void)d;
    charging_spool_stats_get(p->spool, &spool);
    (void)json_object_set_new(status, "subscribers",
                              json_integer((json_int_t)subscribers_count(p->subscribers)));
    (void)json_object_set_new(status, "registrations",
                              json_integer((json_int_t)registrar_count(scscf_registrar(p->scscf))));
    (void)json_object_set_new(status, "call_halves", json_integer((json_int_t)c->alive));
    (void)json_object_set_new(status, "records_waiting", json_integer(scscf_records_waiting(p)));
    (void)json_object_set_new(status, "records_written", json_integer((json_int_t)spool.written));
    (void)json_object_set_new(status, "calls_noted", json_integer((json_int_t)spool.noted));
    (void)json_object_set_new(status, "calls_not_noted", json_integer((json_int_t)spool.not_noted));
    (void)json_object_set_new(status, "calls_recovered", json_integer((json_int_t)spool.recovered));
    subscribers_stats_get(p->subscribers, &subscribers);
    (void)json_object_set_new(status, "subscribers_disk",
                              json_string(subscribers.disk_refuses ? "refuses" : "accepts"));
    (void)json_object_set_new(status, "cdr_disk",
                              json_string(spool.disk_refuses ? "refuses" : "accepts"));
}
