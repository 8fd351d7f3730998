/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Issuing, finding, loading and ending N tokens: `bench [N]`, 100 000 unless told. On virtual time no two requests
 * share a transaction: issuing and ending cost their worst. */
#include "pdp/grants/grants.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/support/bench.h"

static void on_done(void *ctx, int rc, struct grant *g)
{
    (void)g;
    *(unsigned *)ctx += rc == 0;
}

static long memory_kb(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static unsigned issue_all(struct sim *sim, struct grants *gs, unsigned n)
{
    static const char *const rules[] = {"permit in 17 from 10.45.0.7 to 10.1.2.3 30000",
                                        "permit out 17 from 10.1.2.3 to 10.45.0.7 49170",
                                        "permit in 17 from 10.45.0.7 to 10.1.2.3 30001",
                                        "permit out 17 from 10.1.2.3 to 10.45.0.7 49171"};
    struct policy_flow flows[4];
    unsigned good = 0;

    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        flows[i] = (struct policy_flow){
            .media = 1, .number = (uint16_t)(1 + i / 2), .open = true, .bandwidth = 41000};
        if (diameter_flow_parse(span_str(rules[i]), &flows[i].what))
            return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        char session[64];
        struct grant_terms t = {.af_host = SPAN("pcscf.ims.mnc001.mcc001.3gppnetwork.org"),
                                .af_realm = SPAN("ims.mnc001.mcc001.3gppnetwork.org"),
                                .subscriber = SPAN("sip:001010000000001@ims.test"),
                                .icid = SPAN("txdb32lzo3o3m5ltcssiyz0n0x3l1kly"),
                                .final = true,
                                .n_flows = ARRAY_LEN(flows),
                                .flows = flows};

        (void)snprintf(session, sizeof(session), "pcscf.ims.test;1;%u;rx", i);
        t.rx_session = span_str(session);
        if (grant_issue(gs, &t, on_done, &good))
            return good;
        if (i % 1000 == 999)
            sim_run(sim, 10 * MSEC);
    }
    sim_run(sim, SEC);
    return good;
}

static struct grant *named(struct grants *gs, unsigned i)
{
    char session[64];

    (void)snprintf(session, sizeof(session), "pcscf.ims.test;1;%u;rx", i);
    return grants_find(gs, span_str(session));
}

static unsigned find_all(struct grants *gs, unsigned n)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct grant *g = named(gs, i);

        good += g && grants_find_hash(gs, g->hash) == g;
    }
    return good;
}

static unsigned end_all(struct sim *sim, struct grants *gs, unsigned n)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++) {
        struct grant *g = named(gs, i);

        if (g)
            grant_end(g, GRANT_FINISHED, on_done, &good);
        if (i % 1000 == 999)
            sim_run(sim, 10 * MSEC);
    }
    sim_run(sim, SEC);
    return good;
}

int main(int argc, char **argv)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000, wrong = 0;
    char dir[] = "/tmp/portcullis-bench-XXXXXX", path[64], file[80];
    struct grants_options options = {.entity = "pdp.ims.test", .lifetime = 86400, .limit = n};
    struct grants *gs;
    struct sim *sim;
    struct loop *loop;
    uint64_t since;
    long before;

    options.keys.n = 1;
    options.keys.keys[0] = (struct token_key){.id = 1, .mac = TOKEN_HMAC_SHA256};
    if (n == 0 || !mkdtemp(dir) || sim_new(1, &sim) ||
        secret_set(&options.keys.keys[0].key, "a key of the benchmark", 22))
        return 1;
    (void)snprintf(path, sizeof(path), "%s/pdp.db", dir);
    loop = sim_loop(sim, "pdp");
    if (grants_new(loop, &rnd_system, path, &options, &gs, NULL))
        return 1;
    before = memory_kb();
    since = bench_cpu_ns();
    wrong += issue_all(sim, gs, n) != n;
    bench_report("issue (a row, a token, a sync each)", since, n);
    printf("memory: %ld octets each\n", (memory_kb() - before) * 1024 / (long)n);
    since = bench_cpu_ns();
    wrong += find_all(gs, n) != n;
    bench_report("find by session and by hash", since, n);
    grants_free(gs);
    since = bench_cpu_ns();
    if (grants_new(loop, &rnd_system, path, &options, &gs, NULL))
        return 1;
    bench_report("load at a restart", since, n);
    since = bench_cpu_ns();
    wrong += end_all(sim, gs, n) != n;
    bench_report("end (a sync each)", since, n);
    grants_free(gs);
    sim_free(sim);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        (void)snprintf(file, sizeof(file), "%s%s", path, tails[i]);
        (void)unlink(file);
    }
    (void)rmdir(dir);
    return wrong != 0;
}
