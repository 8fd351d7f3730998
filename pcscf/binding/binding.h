/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/binding: the phones this P-CSCF serves: who, where, over which security associations.
 *
 * Decides   which phone a message came from: the SA set names it, or without IPsec the IP
 *           association (TS 33.203 7.1, annex N: source address and Via sent-by); the From never
 *           does. Which way a message to the phone goes (TS 33.203 7.4.2a).
 * Owns      bindings and their SA sets in memory. A set's kernel state belongs to pcscf/ipsec.
 * Threads   the worker's.
 * Errors    -ENOSPC at the bound, -EEXIST for a phone address and port in use by another phone.
 * Never     sends, talks to the kernel.
 * Tests     tests/unit/pcscf/binding. */
#ifndef PCSCF_BINDING_BINDING_H
#define PCSCF_BINDING_BINDING_H

#include "common/loop/loop.h"
#include "common/transport/transport.h"
#include "pcscf/identity/identity.h"

#define BINDING_TEXT_MAX 256
#define BINDING_SETS_MAX 3 /* at one address: TS 33.203 7.1, six SAs a direction */
/* Challenges at other addresses than the phone's: anybody can ask for one in its name. */
#define BINDING_ELSEWHERE_MAX 4
#define BINDING_SETS_ALL      (BINDING_SETS_MAX + BINDING_ELSEWHERE_MAX)

/* Where a set is in its life (TS 33.203 7.4). */
enum binding_set_state {
    BINDING_SET_TEMPORARY, /* made at a 401, the phone has not answered on it */
    BINDING_SET_CURRENT,   /* of the latest successful authentication */
    BINDING_SET_OLD,       /* replaced; finishes what is under way */
};

struct binding;

/* One SA set: both pairs of SAs between a phone and one of our client ports. */
struct binding_set {
    struct list item;
    struct binding *binding;
    struct map_node by_uc, by_us;
    enum binding_set_state state;
    struct addr phone_uc, phone_us; /* address of the phone with port_uc and port_us */
    struct sip_endpoint *ps, *pc;   /* ours: protected server and client port */
    uint32_t spi_uc, spi_us, spi_pc, spi_ps;
    struct handle ipsec;   /* pcscf/ipsec's name for it */
    char *security_client; /* of the first REGISTER, as received */
    char *security_server; /* as sent */
    struct loop_timer end; /* its lifetime */
    uint64_t expires_at;   /* loop time; 0 = not limited yet */
    bool heard;            /* something arrived on it */
    void *maker;           /* the register room's, while the kernel is asked for it */
    void *prober;          /* and while its phone is asked */
    uint32_t made_on;      /* spi_ps of the set its first REGISTER came on; 0 = in the clear */
};

/* Calls a phone has; counted apart, so that none of a kind is refused for those of another. */
enum binding_call {
    BINDING_CALL_MADE,
    BINDING_CALL_TAKEN,
    BINDING_CALL_EMERGENCY, /* made, to a service URN below sos (RFC 5031) */
    BINDING_CALL_KINDS,
};

struct binding_calls {
    unsigned live;
    unsigned known; /* those, and the ones that are over but not forgotten yet */
};

struct binding {
    struct map_node by_id, by_impi, by_source;
    uint64_t id; /* in our Path and Record-Route URIs */
    char impi[BINDING_TEXT_MAX];
    char via[80]; /* Via sent-by of a phone without IPsec */
    bool registered;
    bool ipsec;
    struct identities identities;
    char *service_route;    /* comma list; NULL = none */
    char *contact;          /* URI */
    struct sip_flow source; /* where the phone was last heard; its TCP connection */
    struct list sets;       /* newest first */
    struct loop_timer expiry;
    struct list legs; /* of its calls, and how many; the session room's */
    struct binding_calls calls[BINDING_CALL_KINDS];
    unsigned references; /* transactions and legs that name it */
    bool dead;
};

struct bindings;

struct bindings_ops {
    /* The lifetime of a set or of the registration has ended; the role removes it. */
    void (*on_set_end)(struct binding_set *set, void *ctx);
    void (*on_expiry)(struct binding *b, void *ctx);
};

int bindings_new(struct loop *l, const struct rnd *rnd, unsigned limit,
                 const struct bindings_ops *ops, void *ctx, struct bindings **ret_bindings);
/* Frees all bindings, without callbacks. */
void bindings_free(struct bindings *bs);
size_t bindings_count(const struct bindings *bs);
void bindings_each(const struct bindings *bs, void (*visit)(struct binding *b, void *ctx),
                   void *ctx);

struct binding *binding_find_id(const struct bindings *bs, uint64_t id);
struct binding *binding_find_impi(const struct bindings *bs, struct span impi);
/* Who sent this: by SA set (protected endpoint), else by IP association. NULL = nobody we know.
 * *ret_set is set on a protected flow. */
struct binding *binding_of_flow(const struct bindings *bs, const struct sip_flow *flow,
                                bool is_protected, struct span via_sent_by,
                                struct binding_set **ret_set);

/* A new binding for this private identity. */
int binding_new(struct bindings *bs, struct span impi, struct binding **ret_binding);
/* Takes the binding out of every table, its sets too; freed when its last reference has gone. */
void binding_remove(struct bindings *bs, struct binding *b);
void binding_ref(struct binding *b);
void binding_unref(struct bindings *bs, struct binding *b);
/* The IP association of a phone without IPsec; another phone's with the same source is replaced. */
int binding_associate(struct bindings *bs, struct binding *b, const struct sip_flow *flow,
                      struct span via_sent_by);
/* It has none any more: from now on its SA set says who it is. */
void binding_dissociate(struct bindings *bs, struct binding *b);
/* The sent-by of a Via as text inside it: host, and the port when there is one. */
struct span binding_sent_by(const struct sip_via *via);
/* "<sip:b0123456789abcdef@192.0.2.1:5070;lr>": our URI that leads to this phone. */
void binding_put_uri(const struct binding *b, const struct addr *at, struct buf *out);
/* Not registered: removed after so many seconds (on_expiry). */
void binding_set_pending(struct bindings *bs, struct binding *b, uint64_t seconds);
/* Extends or starts the registration; seconds from now. */
void binding_set_expiry(struct bindings *bs, struct binding *b, uint64_t seconds);

/* A set in state TEMPORARY. -EEXIST when the phone's address and port_uc are in the table (TS
 * 33.203 7.1 rule 3), its ends are those of another set or its ports another phone's; -ENOSPC with
 * BINDING_SETS_MAX sets at this address or BINDING_SETS_ALL in all. */
int binding_set_add(struct bindings *bs, struct binding *b, const struct binding_set *values,
                    struct binding_set **ret_set);
/* By the phone's address with port_uc, and by the way we send: port_pc to port_us. NULL = none. */
struct binding_set *binding_set_at(const struct bindings *bs, const struct addr *phone_uc);
struct binding_set *binding_set_towards(const struct bindings *bs, const struct sip_endpoint *pc,
                                        const struct addr *phone_us);
void binding_set_remove(struct bindings *bs, struct binding_set *set);
/* Seconds from now; never shortens (TS 33.203 7.4) unless shorten is set, then never lengthens.
 * Whether it changed. */
bool binding_set_limit(struct bindings *bs, struct binding_set *set, uint64_t seconds,
                       bool shorten);
/* The set to send on: the current one, or the old one until the new was heard (7.4.2a). NULL for a
 * phone without IPsec. */
struct binding_set *binding_sending_set(const struct binding *b);

/* Requests to the phone; `whom` is its id. -ENOTCONN when it has no set although it needs one. */
int binding_target(const struct binding *b, struct sip_target *ret_target);
/* Responses to a request of the phone that came on `flow`: on its connection; by UDP, or when that has
 * gone, from port_pc to port_us, which is where the SAs are (TS 33.203 7.1). */
struct sip_target binding_reply_target(const struct binding_set *set, const struct sip_flow *flow);

#endif
