/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any sequence of ng commands (parted by a NUL) at the edge: no crash, and no stream is left open. */
#include <stdlib.h>

#include "common/net/netsim.h"
#include "common/osip/osipmem.h"
#include "edge/control/control.h"
#include "edge/relay/fake.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return osipmem_init();
}

struct world {
    struct sim *sim;
    struct wire *wire;
    struct net *net;
    struct relay_fake *relay;
    struct gates *gates;
    struct control *control;
    struct ng_server *server;
};

static void world_begin(struct world *w)
{
    static const struct gates_options go = {.mode = GATE_OPEN, .limit = 8};
    static const struct control_ops ops;
    struct control_options co = {.sessions = 8, .linger = 5 * SEC, .unauthorized = 60 * SEC};
    struct ng_options no = {.remember = SEC, .limit = 8};
    struct loop *l;

    (void)addr_parse(SPAN("10.0.0.1:2223"), 0, &no.local);
    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        co.side[i].ip = no.local;
        co.side[i].ip.ip[1] = (uint8_t)(1 + i);
        co.side[i].first_port = 30000;
        co.side[i].last_port = 30063;
        co.side[i].source = RELAY_SOURCE_ADDRESS;
    }
    if (sim_new(1, &w->sim) != 0 || wire_new(w->sim, &w->wire) != 0 || !(l = sim_loop(w->sim, "e")))
        abort();
    if (net_sim_new(w->wire, l, &w->net) != 0 || relay_fake_new(&w->relay) != 0 ||
        gates_new(l, NULL, sim_rnd(w->sim), relay_fake_port(w->relay), &go, &control_gates_ops,
                  &w->gates) != 0 ||
        control_new(l, sim_rnd(w->sim), relay_fake_port(w->relay), w->gates, &co, &ops, NULL,
                    &w->control) != 0 ||
        ng_server_new(w->net, sim_rnd(w->sim), &no, control_on_ng, w->control, &w->server) != 0)
        abort();
}

static void world_end(struct world *w)
{
    sim_run(w->sim, 10 * MSEC);
    control_free(w->control);
    if (relay_fake_open(w->relay) != 0)
        abort();
    ng_server_free(w->server);
    gates_free(w->gates);
    relay_fake_free(w->relay);
    net_free(w->net);
    wire_free(w->wire);
    sim_free(w->sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ng_doc doc;
    struct span rest = span_of(data, size);
    struct world w;

    world_begin(&w);
    for (unsigned n = 0; rest.p && n < 16; n++) {
        struct span text = span_cut(&rest, '\0');
        struct ng_request rq = {.doc = &doc};

        if (ng_parse(text, &doc) != 0 || doc.values[0].type != NG_DICT)
            continue;
        rq.command = ng_find_text(&doc, &doc.values[0], "command");
        control_on_ng(w.server, &rq, w.control);
        sim_run(w.sim, MSEC);
    }
    world_end(&w);
    return 0;
}
