/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/ipsec/charon, private: what is said between the processes, and the worker's two hands.
 *
 *   daemon (daemon.h) ── socket pair ── worker (worker.c) ─┬─ kernel.c  libcharon's kernel-netlink
 *                                          ↑ forks         └─ xfrm.c    netlink where libcharon has
 *                                       keeper (worker.c)               no call for it
 *
 * One message is one request or one answer; the worker handles requests in their order. */
#ifndef PCSCF_IPSEC_CHARON_INNER_H
#define PCSCF_IPSEC_CHARON_INNER_H

#include "pcscf/ipsec/charon/charon.h"

enum charon_op {
    CHARON_OPEN,    /* request: options, again; answer: health */
    CHARON_INSTALL, /* set with keys; status, reason */
    CHARON_LIMIT,   /* set without keys, its new lifetime; no answer */
    CHARON_REMOVE,  /* set without keys; status */
    CHARON_COUNT,   /* set without keys; status, counters */
    CHARON_CLOSE,   /* removes all that is ours; answered */
    CHARON_EXPIRED, /* event: spi */
    CHARON_DIED, /* event, from the keeper: the worker's end, reason; what was asked of it is lost */
};

struct charon_open {
    uint32_t reqid;
    bool again; /* the worker died; what is in the kernel stays */
    uint32_t n_ports;
    struct addr ports[IPSEC_CHARON_PORTS_MAX];
};

struct charon_request {
    uint32_t op;
    uint32_t generation; /* of the worker it is meant for; one that comes later passes it over */
    uint64_t id;
    union {
        struct charon_open open;
        struct ipsec_set set;
    };
};

struct charon_answer {
    uint32_t op;
    int32_t status;
    uint64_t id;
    uint32_t spi;
    char reason[IPSEC_REASON_MAX];
    union {
        struct ipsec_health health;
        struct ipsec_counters counters;
    };
};

/* Runs the keeper on its end of the pair; returns when the daemon has closed the other end. */
void charon_keeper_run(int fd);

/* One SA as the kernel sees it. */
struct charon_sa {
    bool in;
    uint32_t spi;
    const struct addr *from, *to;
    uint16_t from_port, to_port;
};
struct charon_sa charon_sa_of(const struct ipsec_set *set, enum ipsec_sa which);

/* ---- kernel.c ---- */

/* Loads libcharon with kernel-netlink alone. -errno and a reason. */
int charon_kernel_open(void);
/* Errors: -EEXIST, -ENOENT, else -EIO and charon_kernel_reason(). */
int charon_kernel_add(const struct ipsec_set *set, enum ipsec_sa which, uint32_t reqid);
int charon_kernel_del(const struct ipsec_set *set, enum ipsec_sa which);
int charon_kernel_count(const struct ipsec_set *set, enum ipsec_sa which, uint64_t *ret_packets,
                        uint64_t *ret_bytes);
/* In and out policy of one protected port towards anybody: ESP transport with this reqid. */
int charon_kernel_protect(const struct addr *port, uint32_t reqid);
/* What libcharon said about the last call that failed; "" = nothing. */
const char *charon_kernel_reason(void);

/* ---- xfrm.c ---- */

/* A socket of NETLINK_XFRM that hears SAs expire when events is set; negative errno. */
int charon_xfrm_open(bool events);
/* Deletes the SAs with this reqid at one of the ports' addresses, and the policies of the ports. */
int charon_xfrm_flush(int fd, const struct charon_open *options);
/* The hard lifetime of an SA that stands, from now on; 0 = none. */
int charon_xfrm_limit(int fd, const struct addr *to, uint32_t spi, uint32_t seconds);
/* The next SA that expired: 1, or 0 when none waits. */
int charon_xfrm_expired(int fd, struct addr *ret_to, uint32_t *ret_spi);

#endif
