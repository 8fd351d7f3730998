/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/loop, simulated twin: several loops on one virtual clock, one process, repeatable from a
 * seed.
 *
 * Virtual time jumps to the next timer or message; a call of two minutes runs in milliseconds.
 * Tests only. */
#ifndef COMMON_LOOP_SIM_H
#define COMMON_LOOP_SIM_H

#include "common/loop/loop.h"

struct sim;

int sim_new(uint64_t seed, struct sim **ret_sim);
/* Frees its loops as well; events that have not happened are dropped. */
void sim_free(struct sim *s);
/* One loop per simulated process; it dies with the sim. loop_free before that is a process that
 * ends: its timers, tasks and posts are dropped. loop_run on it runs the whole sim. NULL: no
 * memory. */
struct loop *sim_loop(struct sim *s, const char *name);
/* Virtual microseconds; a sim starts at one second. */
uint64_t sim_now(const struct sim *s);
/* The sim's random port, and numbers from it. */
const struct rnd *sim_rnd(struct sim *s);
/* Wall clock at the start of the sim (default 2030-01-01 00:00:00 UTC). */
void sim_set_wall(struct sim *s, int64_t wall_us);
/* Latency of loop_thread jobs from now on. */
void sim_thread_latency(struct sim *s, uint64_t us);

/* An event at an instant, for whoever extends the sim (the simulated network does). Order of equal
 * instants is the order of the calls. */
int sim_at(struct sim *s, uint64_t when, void (*fn)(void *ctx), void *ctx);

/* Runs until cond(ctx) holds (checked after every turn) or `limit` microseconds have passed; true
 * when it held. False = virtual time stands at the limit; with nothing left to do it jumps there.
 */
bool sim_run_until(struct sim *s, bool (*cond)(void *ctx), void *ctx, uint64_t limit);
/* Runs for `us`. */
void sim_run(struct sim *s, uint64_t us);

#endif
