/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU time of a record: writing its line, and on its way to the disk in batches. */
#include "common/charging/charging.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/support/bench.h"

static struct cdr record(void)
{
    return (struct cdr){.type = CDR_SCSCF,
                        .method = SPAN("INVITE"),
                        .node = SPAN("scscf.ims.mnc001.mcc001.3gppnetwork.org"),
                        .session_id = SPAN("3848276298220188511@10.0.0.1"),
                        .icid = SPAN("06ba13e1998001abcdefghijklmnop"),
                        .calling = SPAN("sip:alice@ims.mnc001.mcc001.3gppnetwork.org"),
                        .called = SPAN("sip:bob@ims.mnc001.mcc001.3gppnetwork.org"),
                        .subscriber = SPAN("001010000000001@ims.mnc001.mcc001.3gppnetwork.org"),
                        .request_time = INT64_C(1893456000000001),
                        .answer_time = INT64_C(1893456002500000),
                        .end_time = INT64_C(1893456062500001),
                        .closing_time = INT64_C(1893456062500002),
                        .sip_status = 200,
                        .reason = SPAN("BYE caller")};
}

static void on_done(void *ctx)
{
    ++*(unsigned *)ctx;
}

int main(void)
{
    enum { N = 100000 };
    char dir[] = "/tmp/portcullis-bench-XXXXXX", line[CDR_LINE_MAX], path[80];
    struct charging_spool_config config = {.dir = dir, .name = "bench"};
    struct cdr c = record();
    struct charging_spool *spool;
    struct sim *sim;
    struct loop *loop;
    unsigned done = 0;
    uint64_t since = bench_cpu_ns();

    for (unsigned i = 0; i < N; i++) {
        struct buf b = BUF_ON(line);

        cdr_put_json(&b, &c);
    }
    bench_report("record to JSON", since, N);
    if (!mkdtemp(dir) || sim_new(1, &sim))
        return 1;
    loop = sim_loop(sim, "one");
    if (charging_spool_new(loop, &config, &spool, NULL))
        return 1;
    since = bench_cpu_ns();
    for (unsigned i = 0; i < N; i++) {
        if (charging_spool_append(spool, &c, on_done, &done))
            return 1;
        if (i % 100 == 99)
            sim_run(sim, MSEC);
    }
    sim_run(sim, SEC);
    bench_report("record to disk, 100 a sync", since, N);
    charging_spool_free(spool);
    since = bench_cpu_ns();
    if (charging_spool_new(loop, &config, &spool, NULL))
        return 1;
    (void)printf("start behind %u records: %.1f ms CPU\n", N,
                 (double)(bench_cpu_ns() - since) / 1e6);
    charging_spool_free(spool);
    sim_free(sim);
    (void)snprintf(path, sizeof(path), "%s/bench-00000001.jsonl.open", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    return done != N;
}
