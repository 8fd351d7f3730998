/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/grants/grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "pdp/grants/inner.h"
#include "tests/support/suite.h"

struct world {
    struct sim *sim;
    struct loop *loop;
    struct grants *grants;
    struct grants_options options;
    char dir[TEST_FOLDER_MAX], path[64];
    unsigned done, ended, changed;
    int rc;
    enum grant_end why;
    struct grant *grant;
};

static void on_end(struct grant *g, enum grant_end why, void *ctx)
{
    struct world *w = ctx;

    (void)g;
    w->ended++;
    w->why = why;
}

static void on_change(struct grant *g, void *ctx)
{
    struct world *w = ctx;

    (void)g;
    w->changed++;
}

static void open_grants(struct world *w)
{
    const struct grants_watcher watcher = {on_change, on_end, w};
    struct store_error error = {0};

    CU_ASSERT_EQUAL_FATAL(
        grants_new(w->loop, sim_rnd(w->sim), w->path, &w->options, &w->grants, &error), 0);
    CU_ASSERT_EQUAL(grants_watch(w->grants, &watcher), 0);
}

static void world_open(struct world *w)
{
    *w = (struct world){0};
    test_folder(w->dir);
    snprintf(w->path, sizeof(w->path), "%s/pdp.db", w->dir);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &w->sim), 0);
    w->loop = sim_loop(w->sim, "pdp");
    w->options.entity = "pdp.ims.test";
    w->options.lifetime = 3600;
    w->options.limit = 3;
    w->options.keys.n = 1;
    w->options.keys.keys[0] = (struct token_key){.id = 7, .mac = TOKEN_HMAC_SHA256};
    CU_ASSERT_EQUAL(secret_set(&w->options.keys.keys[0].key, "a key of the pdp", 16), 0);
    open_grants(w);
}

static void world_close(struct world *w)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char name[64];

    grants_free(w->grants);
    sim_free(w->sim);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(name, sizeof(name), "%s%s", w->path, tails[i]);
        (void)unlink(name);
    }
    CU_ASSERT_EQUAL(rmdir(w->dir), 0);
}

static void on_done(void *ctx, int rc, struct grant *g)
{
    struct world *w = ctx;

    w->done++;
    w->rc = rc;
    w->grant = g;
}

static struct grant_terms terms_of(const char *session, struct policy_flow *flows, size_t n)
{
    struct grant_terms t = {.rx_session = span_str(session),
                            .af_host = SPAN("pcscf.ims.test"),
                            .af_realm = SPAN("ims.test"),
                            .subscriber = SPAN("sip:alice@ims.test"),
                            .icid = SPAN("icid-1"),
                            .final = true,
                            .n_flows = n,
                            .flows = flows};

    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &t.phone), 0);
    for (size_t i = 0; i < n; i++) {
        char text[DIAMETER_FLOW_TEXT_MAX];

        flows[i] = (struct policy_flow){
            .media = 1, .number = (uint16_t)(i + 1), .open = i == 0, .bandwidth = 64000};
        snprintf(text, sizeof(text), "permit in 17 from 10.45.0.7 to 10.1.2.3 %zu", 30000 + i);
        CU_ASSERT_EQUAL(diameter_flow_parse(span_str(text), &flows[i].what), 0);
    }
    return t;
}

static int issue(struct world *w, const char *session)
{
    struct policy_flow flows[2];
    struct grant_terms t = terms_of(session, flows, 2);
    int rc = grant_issue(w->grants, &t, on_done, w);

    sim_run(w->sim, 1 * SEC);
    return rc;
}

static void a_token_says_what_it_should_and_is_found_by_its_hash(void)
{
    struct world w;
    struct secret token;
    struct token_claims c;
    uint8_t hash[TOKEN_HASH_LEN];

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    CU_ASSERT_EQUAL(w.done, 1);
    CU_ASSERT_EQUAL(w.rc, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.grant);
    CU_ASSERT_EQUAL(grant_token(w.grant, &token), 0);
    token_hash(&token, hash);
    CU_ASSERT_PTR_EQUAL(grants_find_hash(w.grants, hash), w.grant);
    CU_ASSERT_PTR_EQUAL(grants_find(w.grants, SPAN("af;1")), w.grant);
    CU_ASSERT_PTR_EQUAL(grants_find_text(w.grants, span_str(w.grant->name)), w.grant);
    CU_ASSERT_EQUAL(token_verify(span_of(token.bytes, token.n), &w.options.keys,
                                 loop_wall(w.loop) / 1000000, &c),
                    0);
    CU_ASSERT_STRING_EQUAL(c.entity, "pdp.ims.test");
    CU_ASSERT_EQUAL(c.n_session, GRANT_SESSION_LEN);
    CU_ASSERT_EQUAL(c.end - c.start, 3600);
    CU_ASSERT(c.signed_ && c.key_id == 7);
    CU_ASSERT(addr_ip_eq(&c.source, &w.grant->phone));
    world_close(&w);
}

static void two_tokens_are_never_alike(void)
{
    struct world w;
    struct grant *first;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    first = w.grant;
    CU_ASSERT_EQUAL(issue(&w, "af;2"), 0);
    CU_ASSERT(memcmp(first->hash, w.grant->hash, TOKEN_HASH_LEN) != 0);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), -EEXIST);
    world_close(&w);
}

static void nothing_is_answered_before_it_is_on_the_disk(void)
{
    struct world w;
    struct policy_flow flows[1];
    struct grant_terms t;

    world_open(&w);
    sim_thread_latency(w.sim, 50 * MSEC);
    t = terms_of("af;1", flows, 1);
    CU_ASSERT_EQUAL(grant_issue(w.grants, &t, on_done, &w), 0);
    sim_run(w.sim, 40 * MSEC);
    CU_ASSERT_EQUAL(w.done, 0);
    CU_ASSERT_PTR_NULL(grants_find_hash(w.grants, grants_find(w.grants, SPAN("af;1"))->hash));
    sim_run(w.sim, 20 * MSEC);
    CU_ASSERT_EQUAL(w.done, 1);
    CU_ASSERT_PTR_NOT_NULL(grants_find_hash(w.grants, w.grant->hash));
    world_close(&w);
}

static void a_restarted_pdp_knows_its_tokens_and_who_uses_them(void)
{
    struct world w;
    struct secret before, after;
    struct grant *g;
    struct grants_stats s;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    CU_ASSERT_EQUAL(grant_bind(w.grant, SPAN("edge;9"), SPAN("edge.ims.test"), SPAN("ims.test")),
                    0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(grant_token(w.grant, &before), 0);
    grants_free(w.grants);
    open_grants(&w);
    g = grants_find(w.grants, SPAN("af;1"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_EQUAL(grant_token(g, &after), 0);
    CU_ASSERT(secret_eq(&before, &after));
    CU_ASSERT_STRING_EQUAL(g->qos_session, "edge;9");
    CU_ASSERT_STRING_EQUAL(g->edge_host, "edge.ims.test");
    CU_ASSERT_STRING_EQUAL(g->subscriber, "sip:alice@ims.test");
    CU_ASSERT(g->final);
    CU_ASSERT_EQUAL_FATAL(g->n_flows, 2);
    CU_ASSERT(g->flows[0].open && !g->flows[1].open);
    CU_ASSERT_EQUAL(g->flows[1].what.to.addr.port, 30001);
    CU_ASSERT_EQUAL(g->flows[1].bandwidth, 64000);
    grants_stats_get(w.grants, &s);
    CU_ASSERT_EQUAL(s.loaded, 1);
    world_close(&w);
}

static void the_database_does_not_hold_the_token(void)
{
    struct world w;
    struct secret token;
    char content[200000];
    const char *tails[] = {"", "-wal"};
    bool hash_there = false;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    CU_ASSERT_EQUAL(grant_token(w.grant, &token), 0);
    for (size_t t = 0; t < ARRAY_LEN(tails); t++) {
        char name[64];
        FILE *f;
        size_t n;

        snprintf(name, sizeof(name), "%s%s", w.path, tails[t]);
        f = fopen(name, "rb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        n = fread(content, 1, sizeof(content), f);
        fclose(f);
        for (size_t i = 0; i + token.n <= n; i++)
            CU_ASSERT_FALSE(memcmp(content + i, token.bytes, token.n) == 0);
        /* the MAC is the last 32 octets */
        for (size_t i = 0; i + 32 <= n; i++) {
            CU_ASSERT_FALSE(memcmp(content + i, token.bytes + token.n - 32, 32) == 0);
            hash_there = hash_there || memcmp(content + i, w.grant->hash, 32) == 0;
        }
    }
    CU_ASSERT(hash_there);
    world_close(&w);
}

static void an_ended_grant_is_gone_for_good(void)
{
    struct world w;
    uint8_t hash[TOKEN_HASH_LEN];
    struct secret token;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    memcpy(hash, w.grant->hash, sizeof(hash));
    CU_ASSERT_EQUAL(grant_token(w.grant, &token), 0);
    grant_end(w.grant, GRANT_REVOKED, on_done, &w);
    CU_ASSERT_PTR_NULL(grants_find_hash(w.grants, hash));
    CU_ASSERT_EQUAL(w.ended, 1);
    CU_ASSERT_EQUAL(w.why, GRANT_REVOKED);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.done, 2);
    CU_ASSERT_PTR_NULL(w.grant);
    grants_free(w.grants);
    open_grants(&w);
    CU_ASSERT_PTR_NULL(grants_find_hash(w.grants, hash));
    /* It was ours; a changed one never was. */
    CU_ASSERT_EQUAL(grants_judge(w.grants, span_of(token.bytes, token.n)), 0);
    token.bytes[token.n - 1] ^= 1;
    CU_ASSERT_EQUAL(grants_judge(w.grants, span_of(token.bytes, token.n)), -EACCES);
    world_close(&w);
}

static void an_end_while_the_issue_is_under_way_wins(void)
{
    struct world w;
    struct policy_flow flows[1];
    struct grant_terms t;

    world_open(&w);
    sim_thread_latency(w.sim, 50 * MSEC);
    t = terms_of("af;1", flows, 1);
    CU_ASSERT_EQUAL(grant_issue(w.grants, &t, on_done, &w), 0);
    grant_end(grants_find(w.grants, SPAN("af;1")), GRANT_FINISHED, NULL, NULL);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.done, 1);
    CU_ASSERT_EQUAL(w.rc, -ECANCELED);
    grants_free(w.grants);
    open_grants(&w);
    CU_ASSERT_PTR_NULL(grants_find(w.grants, SPAN("af;1")));
    world_close(&w);
}

static void a_change_replaces_the_flows_under_the_same_token(void)
{
    struct world w;
    struct policy_flow flows[3];
    struct grant_terms t;
    uint8_t hash[TOKEN_HASH_LEN];

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    memcpy(hash, w.grant->hash, sizeof(hash));
    t = terms_of("af;1", flows, 3);
    t.final = false;
    CU_ASSERT_EQUAL(grant_change(w.grant, &t, on_done, &w), 0);
    CU_ASSERT_EQUAL(w.grant->n_flows, 2); /* not before it is on the disk */
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.changed, 1);
    CU_ASSERT_EQUAL(w.grant->n_flows, 3);
    CU_ASSERT(!w.grant->final);
    CU_ASSERT(memcmp(hash, w.grant->hash, sizeof(hash)) == 0);
    grants_free(w.grants);
    open_grants(&w);
    CU_ASSERT_EQUAL(grants_find(w.grants, SPAN("af;1"))->n_flows, 3);
    world_close(&w);
}

static void a_token_expires(void)
{
    struct world w;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    sim_run(w.sim, 3590 * SEC);
    CU_ASSERT_EQUAL(w.ended, 0);
    sim_run(w.sim, 20 * SEC);
    CU_ASSERT_EQUAL(w.ended, 1);
    CU_ASSERT_EQUAL(w.why, GRANT_EXPIRED);
    CU_ASSERT_PTR_NULL(grants_find(w.grants, SPAN("af;1")));
    world_close(&w);
}

static void what_expired_while_the_pdp_was_down_is_not_loaded(void)
{
    struct world w;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    grants_free(w.grants);
    sim_run(w.sim, 3700 * SEC);
    open_grants(&w);
    CU_ASSERT_PTR_NULL(grants_find(w.grants, SPAN("af;1")));
    world_close(&w);
}

static void at_the_limit_the_next_is_refused(void)
{
    struct world w;

    world_open(&w);
    CU_ASSERT_EQUAL(issue(&w, "af;1"), 0);
    CU_ASSERT_EQUAL(issue(&w, "af;2"), 0);
    CU_ASSERT_EQUAL(issue(&w, "af;3"), 0);
    CU_ASSERT_EQUAL(issue(&w, "af;4"), -ENOSPC);
    grant_end(grants_find(w.grants, SPAN("af;2")), GRANT_FINISHED, NULL, NULL);
    CU_ASSERT_EQUAL(issue(&w, "af;4"), 0);
    world_close(&w);
}

/* ---- AFs that start anew ---- */

static void issue_for(struct world *w, const char *session, const char *host, uint32_t state)
{
    struct policy_flow flows[1];
    struct grant_terms t = terms_of(session, flows, 1);

    t.af_host = span_str(host);
    t.af_state = state;
    CU_ASSERT_EQUAL(grant_issue(w->grants, &t, on_done, w), 0);
}

static bool is_there(const struct world *w, const char *session)
{
    return grants_find(w->grants, span_str(session)) != NULL;
}

static void a_greater_state_of_an_af_ends_what_it_asked_for_earlier(void)
{
    struct world w;

    world_open(&w);
    w.options.limit = w.grants->by_session.limit = 10;
    issue_for(&w, "old", "pcscf.ims.test", 1000);
    issue_for(&w, "silent", "pcscf.ims.test", 0); /* it said no state with that */
    issue_for(&w, "other", "pcscf2.ims.test", 1000);
    sim_run(w.sim, 1 * SEC);
    /* The same, one smaller, none: nothing is lost. */
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 1000);
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 999);
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 0);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.ended, 0);
    /* However it writes its name; what it asks for now stays. */
    grants_af_state(w.grants, SPAN("PCSCF.ims.test"), 1001);
    issue_for(&w, "new", "PCSCF.ims.test", 1001);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.ended, 1);
    CU_ASSERT_EQUAL(w.why, GRANT_LOST);
    CU_ASSERT(!is_there(&w, "old"));
    CU_ASSERT(is_there(&w, "silent") && is_there(&w, "other") && is_there(&w, "new"));
    /* A clock that was set back costs no call. */
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 5);
    issue_for(&w, "back", "pcscf.ims.test", 5);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT(is_there(&w, "new") && is_there(&w, "back"));
    /* What was known is known after a restart of ours. */
    grants_free(w.grants);
    open_grants(&w);
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 1002);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT(is_there(&w, "silent") && is_there(&w, "other"));
    CU_ASSERT(!is_there(&w, "new") && !is_there(&w, "back"));
    world_close(&w);
}

static void a_thousand_lost_grants_end_a_few_at_a_time(void)
{
    struct world w;
    char session[32];

    world_open(&w);
    w.grants->by_session.limit = 2000;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(session, sizeof(session), "af;%u", i);
        issue_for(&w, session, "pcscf.ims.test", 1);
    }
    sim_run(w.sim, 1 * SEC);
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 2);
    sim_run(w.sim, 10 * MSEC);
    CU_ASSERT(w.ended > 0 && w.ended < 500);
    /* It starts once more, before all are looked at. */
    issue_for(&w, "between", "pcscf.ims.test", 2);
    grants_af_state(w.grants, SPAN("pcscf.ims.test"), 3);
    issue_for(&w, "last", "pcscf.ims.test", 3);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT_EQUAL(w.ended, 1001);
    CU_ASSERT(is_there(&w, "last"));
    world_close(&w);
}

static void of_more_afs_than_a_network_has_no_state_is_kept(void)
{
    struct world w;
    char name[32];

    world_open(&w);
    for (unsigned i = 0; i < GRANT_HOSTS_MAX + 50; i++) {
        snprintf(name, sizeof(name), "af%u.ims.test", i);
        grants_af_state(w.grants, span_str(name), 1);
    }
    CU_ASSERT_EQUAL(w.grants->n_hosts, GRANT_HOSTS_MAX);
    issue_for(&w, "known", "af0.ims.test", 1);
    issue_for(&w, "beyond", name, 1);
    sim_run(w.sim, 1 * SEC);
    grants_af_state(w.grants, SPAN("af0.ims.test"), 2);
    grants_af_state(w.grants, span_str(name), 2);
    sim_run(w.sim, 1 * SEC);
    CU_ASSERT(!is_there(&w, "known"));
    CU_ASSERT(is_there(&w, "beyond")); /* until its token expires */
    world_close(&w);
}

static void flows_come_back_from_their_text(void)
{
    struct policy_flow flows[POLICY_FLOWS_MAX], back[POLICY_FLOWS_MAX];
    static char text[FLOWS_TEXT_MAX];
    struct buf b = BUF_ON(text);
    size_t n = 0;

    (void)terms_of("x", flows, ARRAY_LEN(flows));
    flows[5].bandwidth = UINT64_MAX;
    grant_flows_put(&b, flows, ARRAY_LEN(flows));
    CU_ASSERT(!b.overflow);
    CU_ASSERT_EQUAL(grant_flows_parse(buf_span(&b), back, ARRAY_LEN(back), &n), 0);
    CU_ASSERT_EQUAL(n, ARRAY_LEN(flows));
    CU_ASSERT_EQUAL(back[5].bandwidth, UINT64_MAX);
    CU_ASSERT_EQUAL(back[63].what.to.addr.port, 30063);
    CU_ASSERT_EQUAL(grant_flows_parse(buf_span(&b), back, 3, &n), -EINVAL);
    CU_ASSERT_EQUAL(
        grant_flows_parse(SPAN("1.1 open many permit in 17 from any to any"), back, 3, &n),
        -EINVAL);
}

TEST_MAIN("pdp/grants",
          {"a token says what it should and is found by its hash",
           a_token_says_what_it_should_and_is_found_by_its_hash},
          {"two tokens are never alike", two_tokens_are_never_alike},
          {"nothing is answered before it is on the disk",
           nothing_is_answered_before_it_is_on_the_disk},
          {"a restarted PDP knows its tokens and who uses them",
           a_restarted_pdp_knows_its_tokens_and_who_uses_them},
          {"the database does not hold the token", the_database_does_not_hold_the_token},
          {"an ended grant is gone for good", an_ended_grant_is_gone_for_good},
          {"an end while the issue is under way wins", an_end_while_the_issue_is_under_way_wins},
          {"a change replaces the flows under the same token",
           a_change_replaces_the_flows_under_the_same_token},
          {"a token expires", a_token_expires},
          {"what expired while the PDP was down is not loaded",
           what_expired_while_the_pdp_was_down_is_not_loaded},
          {"at the limit the next is refused", at_the_limit_the_next_is_refused},
          {"a greater state of an AF ends what it asked for earlier",
           a_greater_state_of_an_af_ends_what_it_asked_for_earlier},
          {"a thousand lost grants end a few at a time",
           a_thousand_lost_grants_end_a_few_at_a_time},
          {"of more AFs than a network has no state is kept",
           of_more_afs_than_a_network_has_no_state_is_kept},
          {"flows come back from their text", flows_come_back_from_their_text})
