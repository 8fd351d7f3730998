/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edge/program: the media edge as a process: its options, its ports to kernel and PDP, what it tells
 * its operators.
 *
 * Decides   nothing of media: it wires control, gate and relay to the world.
 * Owns      network, Diameter, packet workers and control from start to stop.
 * Threads   the loop's; the packet workers are the relay's.
 * Errors    each with what to do about it, before the first command is taken.
 * Never     goes on when a part of it cannot start.
 * Tests     tests/unit/edge/program, tests/bench/edge/run --quick, tests/program, tests/integration. */
#ifndef EDGE_PROGRAM_PROGRAM_H
#define EDGE_PROGRAM_PROGRAM_H

#include "common/daemon/diameter.h"
#include "edge/control/control.h"

/* The exit status. */
int edge_main(int argc, char **argv);

/* The file, as options.c reads it. */
struct edge_config {
    const char *realm, *identity;
    struct addr ng;
    struct conf_nets ng_allow;
    uint64_t ng_remember;
    struct addr address[CONTROL_SIDES];
    int source[CONTROL_SIDES]; /* enum relay_source */
    int64_t dscp[CONTROL_SIDES];
    struct conf_ports ports;
    int authorization; /* enum gate_mode */
    struct addr pdp_address;
    const char *pdp_identity;
    uint64_t pdp_timeout, burst;
    int64_t workers, sessions;
    uint64_t coalesce, receive_buffer;
    uint64_t linger, silence, hold, unauthorized;
};
extern const struct conf_table edge_options;
void edge_check_options(const struct conf *c, struct conf_report *report);

/* What the rooms get of it. */
struct edge_settings {
    struct relay_options relay;
    struct gates_options gates;
    struct control_options control;
    struct ng_options ng;
};
void edge_settings(const struct edge_config *c, struct edge_settings *ret_settings);

struct program {
    struct daemon *daemon;
    const struct edge_config *config;
    struct edge_settings settings;
    struct net *net;
    struct diameter *diameter; /* NULL without a PDP */
    struct relay *relay;
    struct gates *gates;
    struct control *control;
    struct ng_server *ng;
    struct obs_values *metrics;
    struct { /* as the metrics have them */
        struct control_counters control;
        struct gates_counters gates;
        struct ng_counters ng;
        uint64_t packets;
    } told;
};

/* report.c: log, metrics, imsctl. */
int report_new(struct program *p);
void report_event(void *program, const struct control_event *e);
void report_status(struct daemon *d, void *role, json_t *status);

#endif
