/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/ipsec: the port to the kernel's IPsec: sets of four security associations (TS 33.203 7.1).
 *
 * Decides   our SPIs: at least 256, never those of the phone (TS 33.203 7.1), unique at our
 *           address.
 * Owns      the sets it was given, under handles, until ipsec_remove; the policies of our protected
 *           ports, which let nothing in the clear in or out.
 * Threads   the loop's.
 * In, out   a set is copied; keys are wiped from the port when they have been handed to the kernel.
 * Errors    negative errno at once for what can be refused at once; else through `done`. An install
 *           is one transaction: a refusal of any of its SAs undoes the others.
 * Never     blocks the loop, prints a key, touches an SA or policy that is not ours.
 * Twins     pcscf/ipsec/charon (libcharon in a child process), pcscf/ipsec/fake.h (virtual time).
 * Tests     tests/unit/pcscf/ipsec, tests/integration/pcscf/ipsec. */
#ifndef PCSCF_IPSEC_IPSEC_H
#define PCSCF_IPSEC_IPSEC_H

#include "common/base/base.h"
#include "common/loop/loop.h"

/* As TS 33.203 annex H names them; aes-gcm stands with alg=null, aes-gmac with ealg=null. */
enum ipsec_alg {
    IPSEC_ALG_HMAC_SHA_1_96,
    IPSEC_ALG_AES_GMAC,
    IPSEC_ALG_NULL,
    IPSEC_ALG_HMAC_MD5_96, /* legacy: releases before 13 */
    IPSEC_ALG_COUNT,
};
enum ipsec_ealg {
    IPSEC_EALG_NULL,
    IPSEC_EALG_AES_CBC,
    IPSEC_EALG_AES_GCM,
    IPSEC_EALG_DES_EDE3_CBC, /* legacy */
    IPSEC_EALG_COUNT,
};

struct ipsec_pair {
    enum ipsec_alg alg;
    enum ipsec_ealg ealg;
};

#define IPSEC_KEY_MAX 24

/* What the kernel takes: for aes-gcm (encryption) and aes-gmac (integrity) the salt follows the
 * key. */
struct ipsec_keys {
    uint8_t integrity[IPSEC_KEY_MAX], encryption[IPSEC_KEY_MAX];
    uint8_t integrity_n, encryption_n;
};

/* One set: four SAs, UDP and TCP alike. Ports and SPIs in host order, named as in TS 33.203. */
struct ipsec_set {
    struct addr phone; /* its port is ignored */
    struct addr local; /* ours; likewise */
    uint16_t port_uc, port_us, port_pc, port_ps;
    uint32_t spi_uc, spi_us;
    uint32_t spi_pc, spi_ps; /* 0 = the port chooses: the usual way */
    struct ipsec_pair pair;
    struct ipsec_keys keys;
    uint32_t lifetime; /* seconds from the install until the kernel drops it; 0 = none. A backstop:
                          the registration removes its sets itself. */
};

/* The four SAs in the order of TS 33.203 7.1. */
enum ipsec_sa {
    IPSEC_SA_UC_PS, /* in, spi_ps */
    IPSEC_SA_PS_UC, /* out, spi_uc */
    IPSEC_SA_PC_US, /* out, spi_us */
    IPSEC_SA_US_PC, /* in, spi_pc */
    IPSEC_SAS,
};

struct ipsec_counters {
    struct {
        uint64_t packets, bytes;
    } sa[IPSEC_SAS];
};

#define IPSEC_REASON_MAX 128

struct ipsec_result {
    int status;              /* 0, or negative errno: -EEXIST an SPI of the phone is in use at its
                                  address, -ENOTCONN the child process died, else the kernel's */
    uint32_t spi_pc, spi_ps; /* of the installed set */
    const char *reason;      /* the kernel's words; "" = none; valid during the callback */
};

/* What the start-up self-test found. */
struct ipsec_health {
    bool ready;
    unsigned algs;     /* bit 1 << enum ipsec_alg: usable with this kernel */
    unsigned ealgs;    /* bit 1 << enum ipsec_ealg */
    char problem[160]; /* "" = none */
    char remedy[200];
};

typedef void ipsec_done(const struct ipsec_result *result, void *ctx);
typedef void ipsec_counted(int status, const struct ipsec_counters *counters, void *ctx);

/* What happens without being asked for; every member may be NULL. */
struct ipsec_events {
    /* The kernel dropped an SA of the set at the end of its lifetime; the set still wants
     * ipsec_remove. Told once a set. */
    void (*on_expired)(struct handle set, void *ctx);
    /* The kernel side went away (installs fail with -ENOTCONN, SAs that stand go on working) and
     * came back. */
    void (*on_down)(const char *reason, void *ctx);
    void (*on_up)(void *ctx);
};

/* The port. Call through the functions below. */
struct ipsec_ops {
    int (*install)(void *self, const struct ipsec_set *set, ipsec_done *done, void *ctx,
                   struct handle *ret_set);
    int (*limit)(void *self, struct handle set, uint32_t seconds);
    void (*remove)(void *self, struct handle set);
    int (*count)(void *self, struct handle set, ipsec_counted *done, void *ctx);
    void (*listen)(void *self, const struct ipsec_events *events, void *ctx);
    const struct ipsec_health *(*health)(void *self);
};
struct ipsec {
    const struct ipsec_ops *ops;
    void *self;
};

/* Installs a set. 0: done is called once, in a later turn, unless ipsec_remove came first; when it
 * fails the handle is dead. At once: -EINVAL (families differ, a port is 0, an SPI of the phone is
 * below 256 or both are alike, key lengths), -EOPNOTSUPP (an algorithm the kernel has not), -ENOSPC
 * (sets), -ENOTCONN. */
static inline int ipsec_install(const struct ipsec *i, const struct ipsec_set *set,
                                ipsec_done *done, void *ctx, struct handle *ret_set)
{
    return i->ops->install(i->self, set, done, ctx, ret_set);
}
/* The kernel's lifetime from now on, in seconds; 0 = none. -ENOENT. */
static inline int ipsec_limit(const struct ipsec *i, struct handle set, uint32_t seconds)
{
    return i->ops->limit(i->self, set, seconds);
}
/* The set goes from the kernel, now or as soon as it can be reached; callbacks under way for it
 * (install, count) do not come any more. Fine with a handle that is dead or none. */
static inline void ipsec_remove(const struct ipsec *i, struct handle set)
{
    i->ops->remove(i->self, set);
}
/* Packets and bytes of the four SAs. 0: done is called once, in a later turn; -ENOENT, -EBUSY while
 * one is under way for this set, -ENOTCONN. */
static inline int ipsec_count(const struct ipsec *i, struct handle set, ipsec_counted *done,
                              void *ctx)
{
    return i->ops->count(i->self, set, done, ctx);
}
/* One listener; the struct is copied. */
static inline void ipsec_listen(const struct ipsec *i, const struct ipsec_events *events, void *ctx)
{
    i->ops->listen(i->self, events, ctx);
}
/* Of the latest start; valid as long as the port. */
static inline const struct ipsec_health *ipsec_health(const struct ipsec *i)
{
    return i->ops->health(i->self);
}

/* "hmac-sha-1-96", "aes-cbc" ...: as on the wire. */
const char *ipsec_alg_name(enum ipsec_alg alg);
const char *ipsec_ealg_name(enum ipsec_ealg ealg);
/* Any case. -EINVAL for a name that is none. */
int ipsec_alg_of(struct span name, enum ipsec_alg *ret_alg);
int ipsec_ealg_of(struct span name, enum ipsec_ealg *ret_ealg);
/* TS 33.203 annex H: an alg and an ealg that may stand together (never null with null). */
bool ipsec_pair_is_valid(struct ipsec_pair pair);
/* Key lengths in octets, with salt. */
void ipsec_key_lengths(struct ipsec_pair pair, uint8_t *ret_integrity, uint8_t *ret_encryption);
/* What ipsec_install refuses with -EINVAL, for the twins. */
int ipsec_set_check(const struct ipsec_set *set);

#endif
