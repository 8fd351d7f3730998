/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding, loading and asking for N subscribers: `bench [N]`, 100 000 unless told. */
#include "scscf/subscribers/subscribers.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/support/bench.h"

static void on_done(void *ctx, const struct subscribers_error *error)
{
    *(unsigned *)ctx += error->code == 0;
}

static unsigned add_all(struct sim *sim, struct subscribers *s, unsigned n)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++) {
        char impi[64], impu[64];
        struct subscriber_spec spec = {.n_impu = 1,
                                       .k = SPAN("465b5ce8b199b49faa5f0a2ee238a6bc"),
                                       .opc = SPAN("cd63cb71954a9f4e48a5994e37a02baf")};

        (void)snprintf(impi, sizeof(impi), "00101%010u@ims.test", i);
        (void)snprintf(impu, sizeof(impu), "sip:user%u@ims.test", i);
        spec.impi = span_str(impi);
        spec.impu[0] = span_str(impu);
        if (subscribers_add(s, &spec, on_done, &good, NULL))
            return good;
        if (i % 1000 == 999)
            sim_run(sim, SEC);
    }
    sim_run(sim, SEC);
    return good;
}

static long memory_kb(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000, wrong = 0;
    char dir[] = "/tmp/portcullis-bench-XXXXXX", path[64];
    struct subscribers_config config = {.path = path, .rnd = &rnd_system};
    struct subscribers *s;
    struct sim *sim;
    struct loop *loop;
    uint64_t since;
    long before;

    if (n == 0 || !mkdtemp(dir) || sim_new(1, &sim) || auth_new(&rnd_system, &config.auth))
        return 1;
    (void)snprintf(path, sizeof(path), "%s/s.db", dir);
    loop = sim_loop(sim, "one");
    if (subscribers_new(loop, &config, &s, NULL))
        return 1;
    since = bench_cpu_ns();
    wrong += add_all(sim, s, n) != n;
    bench_report("add (a thousand share a transaction)", since, n);
    subscribers_free(s);
    before = memory_kb();
    since = bench_cpu_ns();
    if (subscribers_new(loop, &config, &s, NULL))
        return 1;
    (void)printf("load %u: %.3f s CPU; peak memory since adding +%ld kB\n", n,
                 (double)(bench_cpu_ns() - since) / 1e9, memory_kb() - before);
    since = bench_cpu_ns();
    for (unsigned i = 0; i < 1000000; i++) {
        char impu[64];
        int len = snprintf(impu, sizeof(impu), "sip:user%u@ims.test", i * 7919U % n);

        wrong += !subscribers_find_impu(s, span_of(impu, (size_t)len), NULL);
    }
    bench_report("find by IMPU (snprintf included)", since, 1000000);
    since = bench_cpu_ns();
    for (unsigned i = 0; i < 100000; i++) {
        char impi[64];
        struct aka_vector v;
        int len = snprintf(impi, sizeof(impi), "00101%010u@ims.test", i * 7919U % n);

        wrong += subscribers_vector_take(s, span_of(impi, (size_t)len), &v) != 0;
    }
    bench_report("take a vector", since, 100000);
    subscribers_free(s);
    auth_free(config.auth);
    sim_free(sim);
    (void)unlink(path);
    (void)rmdir(dir);
    return wrong != 0;
}
