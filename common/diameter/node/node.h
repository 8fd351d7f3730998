/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/diameter/node: the process around freeDiameter (libfdcore).
 *
 * Decides   nothing about what messages say: it moves octets between peers and the daemon that
 *           started it. It decides which octets libfdcore may see at all.
 * Owns      libfdcore, which is one per process, with its threads; requests of peers until the
 *           daemon answers them.
 * Threads   libfdcore's callbacks run in its threads and write to the socket pair, which its parent
 *           always reads; the main thread reads it.
 * Never     sends a message from a callback (libfdcore deadlocks), keeps freeDiameter's sessions, or
 *           loads an extension.
 * Tests     tests/unit/common/diameter/fd. */
#ifndef COMMON_DIAMETER_NODE_NODE_H
#define COMMON_DIAMETER_NODE_NODE_H

#include "common/diameter/wire.h"

enum { NODE_PEERS_MAX = 64, NODE_APPS_MAX = 8 };

struct node_peer {
    char identity[DIAMETER_NAME_MAX + 1];
    struct addr addr;
};

struct node_conf {
    char identity[DIAMETER_NAME_MAX + 1], realm[DIAMETER_NAME_MAX + 1];
    struct addr local;
    unsigned tc, tw;
    unsigned state;  /* Origin-State-Id */
    unsigned within; /* seconds that the daemon has to answer a request */
    bool accept_realm;
    uint32_t apps[NODE_APPS_MAX];
    size_t n_apps;
    struct node_peer peers[NODE_PEERS_MAX];
    size_t n_peers;
};

/* The lines of WIRE_CONF. -EINVAL. */
int node_conf_parse(struct span text, struct node_conf *ret_conf);

/* One record to the daemon; from any thread. A daemon that is gone ends the process elsewhere. */
void node_say(enum wire_type type, uint64_t ref, int error, struct span octets);
void node_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* main.c: refuses what the daemon has not answered in time. From a thread of ours. */
void node_asked_expire(void);

/* dict.c: applications, commands and AVPs from our table. After fd_core_parseconf. */
int node_dict_load(const struct node_conf *conf);

/* harden.c: true when libfdcore calls our replacements, after fd_core_initialize. */
bool node_hardened(void);
/* Registers the check of raw messages. */
int node_harden_hooks(void);

/* peers.c: who may connect, whom we connect to, who is up. */
int node_peers_start(const struct node_conf *conf);
/* Looks at once instead of in a moment. */
void node_peers_look(void);

#endif
