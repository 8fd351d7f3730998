/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The S-CSCF's program on virtual time, without a process around it: subscribers and disk in memory, and one
 * peer on Mw. */
#ifndef TESTS_UNIT_SCSCF_PROGRAM_WORLD_H
#define TESTS_UNIT_SCSCF_PROGRAM_WORLD_H

#include <stdio.h>

#include "scscf/program/program.h"
#include "tests/support/disk.h"
#include "tests/support/peer.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#define CONFIG                                                                                     \
    "realm: ims.example\nmw.address: 192.0.2.20:6060\nmw.allow: [192.0.2.0/28]\n"                  \
    "cdr.directory: /cdr\n"

static struct scscf_program p;
static struct wire *wire;
static struct disk disk;
static struct peer peer; /* 192.0.2.10:5070 */

static void world_open_with(const char *yaml, uint64_t rotate_bytes)
{
    static struct span domains[33], names[32];
    struct charging_spool_config spool = {.name = "scscf",
                                          .rotate_bytes = rotate_bytes,
                                          .retry_time = 60 * SEC,
                                          .disk = &disk.port,
                                          .alarm = scscf_report_disk,
                                          .ctx = &p};
    struct subscribers_config subscribers = {.path = ":memory:"};
    struct scscf_options o;
    struct scscf_env env;

    p = (struct scscf_program){.config =
                                   house_configure(&scscf_role.options, scscf_check_options, yaml),
                               .disk = &disk.port};
    CU_ASSERT_PTR_NOT_NULL_FATAL(p.config);
    house_open();
    p.daemon = house.daemon;
    p.loop = house.loop;
    p.ops = house.ops;
    p.log = house.log;
    p.recorder = house.recorder;
    disk_init(&disk);
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(house.sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, p.loop, &p.net), 0);
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(house.sim), &p.auth), 0);
    CU_ASSERT_EQUAL_FATAL(loop_thread_new(p.loop, "cdr", 8, &p.reader), 0);
    subscribers.auth = p.auth;
    subscribers.rnd = sim_rnd(house.sim);
    CU_ASSERT_EQUAL_FATAL(subscribers_new(p.loop, &subscribers, &p.subscribers, NULL), 0);
    spool.dir = p.config->cdr_dir;
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(p.loop, &spool, &p.spool, NULL), 0);
    scscf_settings(p.config, domains, names, &o);
    env = (struct scscf_env){.loop = p.loop,
                             .net = p.net,
                             .rnd = sim_rnd(house.sim),
                             .auth = p.auth,
                             .subscribers = p.subscribers,
                             .spool = p.spool,
                             .on_call = scscf_report_call,
                             .on_register = scscf_report_register,
                             .on_bad = scscf_report_bad,
                             .on_stranger = scscf_report_stranger,
                             .ctx = &p};
    CU_ASSERT_EQUAL_FATAL(scscf_new(&env, &o, &p.scscf), 0);
    sip_transport_set_tap(scscf_transport(p.scscf), scscf_report_tap, &p);
    CU_ASSERT_EQUAL_FATAL(scscf_report_new(&p, house.metrics), 0);
    CU_ASSERT_EQUAL_FATAL(scscf_commands_new(&p), 0);
    peer_open(&peer, house.sim, wire, "peer", "192.0.2.10:5070");
}

static void world_open(void)
{
    world_open_with(CONFIG, 0);
}

static void world_close(void)
{
    scscf_close_calls(p.scscf);
    loop_thread_free(p.reader);
    charging_spool_free(p.spool);
    scscf_free(p.scscf);
    subscribers_free(p.subscribers);
    auth_free(p.auth);
    peer_close(&peer);
    net_free(p.net);
    wire_free(wire);
    house_close();
    disk_fini(&disk);
}

static inline void world_run(unsigned ms)
{
    sim_run(house.sim, ms * MSEC);
}

/* A half of a call that begins now. */
static inline struct call *world_call(const char *icid, const char *calling)
{
    struct call_opening o = {.role = CDR_TERMINATING,
                             .method = SPAN("INVITE"),
                             .session_id = SPAN("c1"),
                             .icid = span_str(icid),
                             .calling = span_str(calling),
                             .called = SPAN("sip:bob@ims.example")};
    struct call *c = NULL;

    CU_ASSERT_EQUAL_FATAL(call_open(scscf_calls(p.scscf), &o, &c), 0);
    return c;
}

#endif
