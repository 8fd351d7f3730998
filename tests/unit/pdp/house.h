/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PDP's grants and policy on virtual time, and one client of it. What the client sends can be spoilt on its way. */
#ifndef TESTS_UNIT_PDP_HOUSE_H
#define TESTS_UNIT_PDP_HOUSE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/diameter/inner.h"
#include "common/diameter/sim.h"
#include "pdp/grants/grants.h"
#include "tests/support/suite.h"

/* ---- spoiling: the AVPs at the end of a path of groups ------------------------------ */

enum spoil {
    SPOIL_NOTHING,
    SPOIL_DROP,   /* every one of that kind */
    SPOIL_DOUBLE, /* the first of that kind */
    SPOIL_VALUE,  /* the first of that kind gets another value */
    SPOIL_ADD,    /* one more AVP with that value, at the end of its group */
};

struct spoiling {
    enum spoil what;
    enum avp_id path[4]; /* groups from the outside; 0 (User-Name) ends it */
    enum avp_id id;
    struct span value;
    unsigned times;  /* SPOIL_ADD; 0 = once */
    struct span raw; /* SPOIL_ADD: whole AVPs instead */
};

/* What is not NULL spoils the requests of every client. */
static const struct spoiling *spoiling;

static inline void spoil_level(struct avp_writer *w, struct span rest, unsigned depth, bool here)
{
    bool last = here && (depth == ARRAY_LEN(spoiling->path) || !spoiling->path[depth]);
    bool bad = false, done = false;
    struct avp a;

    while (avp_next(&rest, &a, &bad)) {
        bool found = last && a.id == spoiling->id && !done;

        if (here && !last && !done && a.id == spoiling->path[depth]) {
            size_t group = avp_open(w, a.id);

            spoil_level(w, a.value, depth + 1, true);
            avp_close(w, group);
            done = true; /* the first group of that kind */
            continue;
        }
        if (found && spoiling->what == SPOIL_DROP)
            continue;
        if (found && spoiling->what == SPOIL_VALUE) {
            avp_put(w, a.id, spoiling->value);
            done = true;
            continue;
        }
        avp_put_raw(w, a.whole);
        if (found && spoiling->what == SPOIL_DOUBLE) {
            avp_put_raw(w, a.whole);
            done = true;
        }
    }
    if (last && spoiling->what == SPOIL_ADD) {
        avp_put_raw(w, spoiling->raw);
        for (unsigned i = 0; !spoiling->raw.n && i < (spoiling->times ? spoiling->times : 1); i++)
            avp_put(w, spoiling->id, spoiling->value);
    }
}

static struct diameter_impl honest;

static inline int spoilt_request(struct diameter *d, struct handle call, uint64_t timeout_us,
                                 struct span realm, struct span host, struct span message)
{
    static uint8_t octets[DIAMETER_MESSAGE_MAX];
    struct avp_writer w = {octets, 0, sizeof(octets), false};

    if (!spoiling)
        return honest.request(d, call, timeout_us, realm, host, message);
    avp_put_raw(&w, span_sub(message, 0, DIAMETER_HEAD));
    spoil_level(&w, span_sub(message, DIAMETER_HEAD, message.n), 0, true);
    CU_ASSERT_FALSE_FATAL(w.overflow);
    octets[1] = (uint8_t)(w.n >> 16);
    octets[2] = (uint8_t)(w.n >> 8);
    octets[3] = (uint8_t)w.n;
    message = span_of(octets, w.n);
    CU_ASSERT_PTR_NULL(diameter_raw_check(message)); /* what the node lets through */
    return honest.request(d, call, timeout_us, realm, host, message);
}

/* ---- the house ---------------------------------------------------------------------- */

struct outcome {
    unsigned calls;
    int error;
    uint32_t result, experimental;
    char why[200];
    struct diameter_answer ans; /* without its spans */
    size_t n_token, n_failed;
    char token[SECRET_MAX], failed[DIAMETER_FAILED_MAX + 64];
};

struct house {
    struct sim *sim;
    struct diameter_sim *net;
    struct loop *loop; /* the PDP's */
    struct diameter *pdp, *client, *other;
    struct conf *conf;
    struct policy *policy;
    struct grants *grants;
    char dir[TEST_FOLDER_MAX], path[64];
    struct outcome last;
    unsigned before;
};

struct house_options {
    const char *policy; /* NULL = "" */
    uint64_t lifetime;  /* of a token, seconds; 0 = 7200 */
    uint32_t limit;     /* of grants; 0 = 1000 */
    bool no_key;
};

static inline void house_client(struct house *h, const char *name, struct diameter **ret_client)
{
    static struct diameter_impl spoilt;

    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(h->net, sim_loop(h->sim, name), name, "ims.test", ret_client), 0);
    honest = spoilt = *(*ret_client)->impl;
    spoilt.request = spoilt_request;
    (*ret_client)->impl = &spoilt;
}

static inline void house_open(struct house *h, const struct house_options *o)
{
    struct grants_options options = {.entity = "pdp.ims.test",
                                     .lifetime = o->lifetime ? o->lifetime : 7200,
                                     .limit = o->limit ? o->limit : 1000};
    struct conf_report report = {0};

    memset(h, 0, sizeof(*h));
    spoiling = NULL;
    options.keys.n = o->no_key ? 0 : 1;
    options.keys.keys[0] = (struct token_key){.id = 1, .mac = TOKEN_HMAC_SHA256};
    CU_ASSERT_EQUAL(secret_set(&options.keys.keys[0].key, "a key of the pdp", 16), 0);
    test_folder(h->dir);
    snprintf(h->path, sizeof(h->path), "%s/pdp.db", h->dir);
    CU_ASSERT_EQUAL_FATAL(conf_parse(&policy_schema, span_str(o->policy ? o->policy : ""),
                                     "policy.yaml", &h->conf, &report),
                          0);
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &h->sim), 0);
    CU_ASSERT_EQUAL_FATAL(policy_new(conf_values(h->conf, 0), sim_rnd(h->sim), &h->policy), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(h->sim, &h->net), 0);
    h->loop = sim_loop(h->sim, "pdp");
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(h->net, h->loop, "pdp.ims.test", "ims.test", &h->pdp),
                          0);
    CU_ASSERT_EQUAL_FATAL(grants_new(h->loop, sim_rnd(h->sim), h->path, &options, &h->grants, NULL),
                          0);
    house_client(h, "client.ims.test", &h->client);
    house_client(h, "other.ims.test", &h->other);
}

/* Before what uses them is freed. */
static inline void house_close_grants(struct house *h)
{
    grants_free(h->grants);
    h->grants = NULL;
}

static inline void house_close(struct house *h)
{
    diameter_free(h->pdp);
    diameter_free(h->client);
    diameter_free(h->other);
    diameter_sim_free(h->net);
    sim_free(h->sim);
    policy_free(h->policy);
    conf_free(h->conf);
}

/* ---- asking ------------------------------------------------------------------------- */

static inline struct diameter_request *request_new(enum diameter_kind kind, enum diameter_app app,
                                                   const char *session)
{
    struct diameter_request *r = calloc(1, sizeof(*r));

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    r->kind = kind;
    r->app = app;
    r->session_id = span_str(session);
    r->destination_host = SPAN("pdp.ims.test");
    return r;
}

static inline void on_done(void *ctx, int error, const struct diameter_answer *ans)
{
    struct outcome *o = &((struct house *)ctx)->last;

    *o = (struct outcome){.calls = o->calls + 1, .error = error};
    if (!ans)
        return;
    o->result = ans->result;
    o->experimental = ans->experimental;
    o->ans = *ans;
    (void)span_copy(ans->error_message, o->why, sizeof(o->why));
    CU_ASSERT_FATAL(ans->failed.n <= sizeof(o->failed));
    o->n_failed = ans->failed.n;
    if (o->n_failed)
        memcpy(o->failed, ans->failed.p, o->n_failed);
    if (ans->kind == DIAMETER_AA && ans->aaa.token.n) {
        CU_ASSERT_FATAL(ans->aaa.token.n <= sizeof(o->token));
        o->n_token = ans->aaa.token.n;
        memcpy(o->token, ans->aaa.token.p, o->n_token);
    }
}

static inline bool is_answered(void *ctx)
{
    struct house *h = ctx;

    return h->last.calls > h->before;
}

/* Takes r. */
static inline void house_send(struct house *h, struct diameter *from, struct diameter_request *r)
{
    h->before = h->last.calls;
    CU_ASSERT_EQUAL(diameter_send(from, r, sim_now(h->sim) + 40 * SEC, on_done, h, NULL), 0);
    free(r);
}

/* Result-Code, or the experimental one. */
static inline uint32_t house_ask(struct house *h, struct diameter *from, struct diameter_request *r)
{
    house_send(h, from, r);
    CU_ASSERT(sim_run_until(h->sim, is_answered, h, 41 * SEC));
    CU_ASSERT_EQUAL(h->last.error, 0);
    return h->last.experimental ? h->last.experimental : h->last.result;
}

/* The n-th AVP of Failed-AVP, or AVP_COUNT. */
static inline enum avp_id failed_avp(const struct house *h, unsigned n, struct span *ret_value)
{
    struct span rest = span_of(h->last.failed, h->last.n_failed);
    struct avp a;
    bool bad = false;

    while (avp_next(&rest, &a, &bad)) {
        if (n-- == 0) {
            if (ret_value)
                *ret_value = a.value;
            return a.id;
        }
    }
    CU_ASSERT_FALSE(bad);
    return AVP_COUNT;
}

/* One row of what a request must not be. */
struct wrong {
    struct spoiling spoiling;
    uint32_t result;
    enum avp_id failed; /* first of Failed-AVP */
};

static inline void expect_wrong(struct house *h, struct diameter_request *r, const struct wrong *w)
{
    uint32_t result;

    spoiling = &w->spoiling;
    result = house_ask(h, h->client, r);
    spoiling = NULL;
    if (result != w->result || failed_avp(h, 0, NULL) != w->failed)
        printf("\n%d of %s: %u \"%s\", Failed-AVP %u\n", (int)w->spoiling.what,
               avp_defs[w->spoiling.id].name, result, h->last.why,
               (unsigned)failed_avp(h, 0, NULL));
    CU_ASSERT_EQUAL(result, w->result);
    CU_ASSERT_EQUAL(failed_avp(h, 0, NULL), w->failed);
    CU_ASSERT(h->last.why[0] != '\0');
    CU_ASSERT_EQUAL(h->last.n_token, 0);
}

#endif
