/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SA sets: made at a challenge, promoted by its answer, ended by time (TS 33.203 7.4). */
#include <errno.h>
#include <stdlib.h>

#include "pcscf/register/inner.h"

/* The kernel drops an SA by itself this many seconds after we should have. */
#define BACKSTOP 60

struct binding_set *set_of(const struct binding *b, uint32_t spi_ps)
{
    LIST_EACH (item, &b->sets) {
        struct binding_set *set = CONTAINER_OF(item, struct binding_set, item);

        if (spi_ps != 0 && set->spi_ps == spi_ps)
            return set;
    }
    return NULL;
}

void set_remove(struct registration *r, struct binding_set *set)
{
    struct attempt *maker = set->maker, *prober = set->prober;

    set->prober = NULL;
    if (prober)
        prober->probed = NULL;
    ipsec_remove(r->env.ipsec, set->ipsec);
    binding_set_remove(r->env.bindings, set);
    if (maker) {
        maker->installing = NULL;
        set_installed(maker, -ECANCELED, "the registration ended");
    }
    if (prober)
        probe_end(prober, false);
}

void set_limit(struct registration *r, struct binding_set *set, uint64_t seconds, bool shorten)
{
    uint64_t kernel = seconds + BACKSTOP;

    if (!binding_set_limit(r->env.bindings, set, seconds, shorten))
        return;
    /* A dead handle: the kernel side was restarted, and our timer ends the set. */
    (void)ipsec_limit(r->env.ipsec, set->ipsec,
                      kernel < UINT32_MAX ? (uint32_t)kernel : UINT32_MAX);
}

static bool pc_in_use(const struct binding *b, const struct addr *phone,
                      const struct sip_endpoint *pc)
{
    LIST_EACH (item, &b->sets) {
        const struct binding_set *set = CONTAINER_OF(item, struct binding_set, item);

        if (set->pc == pc && addr_ip_eq(&set->phone_us, phone))
            return true;
    }
    return false;
}

/* TS 33.203 7.1: port_pc changes with each set of a phone; behind one address (NAT) it also tells phones apart that
 * chose the same port_us. */
static struct sip_endpoint *choose_pc(struct registration *r, const struct binding *b,
                                      const struct addr *phone_us)
{
    for (unsigned i = 0; i < r->env.n_pc; i++) {
        struct sip_endpoint *pc = r->env.pc[r->next_pc++ % r->env.n_pc];

        if (!pc_in_use(b, phone_us, pc) && !binding_set_towards(r->env.bindings, pc, phone_us))
            return pc;
    }
    return NULL;
}

/* Room for one more. An unanswered challenge is replaced by the next one to the same address (TS
 * 33.203 7.4); a stranger elsewhere, who can ask in anybody's name, replaces none but strangers'.
 * Beyond that a REGISTER in the clear removes only the set its probe was not answered on: until its
 * 200 it may be anybody's. On a set it is the phone itself that says which of its ports it uses
 * again; what it came on is spared. */
static void make_room(struct registration *r, struct attempt *a, const struct addr *phone_uc)
{
    struct binding_set *oldest = NULL, *elsewhere = NULL, *set; /* newest first: the last seen */
    unsigned n = 0, strangers = 0;

    LIST_EACH (item, &a->binding->sets) {
        set = CONTAINER_OF(item, struct binding_set, item);
        if (a->spi_ps != 0 && set->spi_ps == a->spi_ps) {
            n++;
        } else if (!addr_ip_eq(&set->phone_uc, phone_uc)) {
            if (set->state == BINDING_SET_TEMPORARY) {
                elsewhere = set;
                strangers++;
            }
        } else if (set->state == BINDING_SET_TEMPORARY ||
                   (a->spi_ps != 0 && addr_eq(&set->phone_uc, phone_uc))) {
            set_remove(r, set);
        } else {
            oldest = set;
            n++;
        }
    }
    if (n >= BINDING_SETS_MAX && oldest && a->spi_ps != 0)
        set_remove(r, oldest);
    if (strangers >= BINDING_ELSEWHERE_MAX)
        set_remove(r, elsewhere);
    set = a->silent ? binding_set_at(r->env.bindings, phone_uc) : NULL;
    if (set && set->spi_ps == a->silent && set->binding == a->binding)
        set_remove(r, set);
    else if (set && set->spi_ps == a->silent)
        register_set_end(r, set); /* another phone had this address before */
}

static void on_installed(const struct ipsec_result *result, void *ctx)
{
    struct binding_set *set = ctx;
    struct attempt *a = set->maker;

    set->maker = NULL;
    set->spi_pc = result->spi_pc;
    set->spi_ps = result->spi_ps;
    set_installed(a, result->status, result->reason);
}

int set_install(struct attempt *a, const struct secret *ck, const struct secret *ik)
{
    struct registration *r = a->registration;
    const struct addr *ps = sip_endpoint_local(r->env.ps);
    struct binding_set values = {.phone_uc = a->flow.remote, .phone_us = a->flow.remote};
    struct binding_set *set;
    struct ipsec_set wanted;
    int rc;

    values.phone_uc.port = a->choice.phone.port_c;
    values.phone_us.port = a->choice.phone.port_s;
    values.spi_uc = a->choice.phone.spi_c;
    values.spi_us = a->choice.phone.spi_s;
    values.made_on = a->spi_ps;
    make_room(r, a, &values.phone_uc);
    values.ps = r->env.ps;
    values.pc = choose_pc(r, a->binding, &values.phone_us);
    if (!values.pc)
        return -EADDRNOTAVAIL;
    rc = binding_set_add(r->env.bindings, a->binding, &values, &set);
    if (rc != 0)
        return rc;
    wanted = (struct ipsec_set){
        .phone = a->flow.remote,
        .local = *ps,
        .port_uc = values.phone_uc.port,
        .port_us = values.phone_us.port,
        .port_pc = sip_endpoint_local(values.pc)->port,
        .port_ps = ps->port,
        .spi_uc = values.spi_uc,
        .spi_us = values.spi_us,
        .pair = a->choice.pair,
        .lifetime = r->options.pending + BACKSTOP,
    };
    secagree_keys(wanted.pair, ck->bytes, ik->bytes, &wanted.keys);
    rc = ipsec_install(r->env.ipsec, &wanted, on_installed, set, &set->ipsec);
    bytes_wipe(&wanted.keys, sizeof(wanted.keys));
    if (rc != 0) {
        binding_set_remove(r->env.bindings, set);
        return rc;
    }
    set->maker = a;
    a->installing = set;
    return 0;
}

/* TS 33.203 7.4.2a: the set the first REGISTER came on finishes what is under way, all others are deleted. After one in
 * the clear that is all of them: the phone has lost them. */
void set_promote(struct registration *r, struct binding_set *set)
{
    set->state = BINDING_SET_CURRENT;
    LIST_EACH (item, &set->binding->sets) {
        struct binding_set *other = CONTAINER_OF(item, struct binding_set, item);

        if (other == set)
            continue;
        if (set->made_on != 0 && other->spi_ps == set->made_on) {
            other->state = BINDING_SET_OLD;
            set_limit(r, other, r->options.linger, true);
        } else {
            set_remove(r, other);
        }
    }
}

void phone_remove(struct registration *r, struct binding *b)
{
    LIST_EACH (item, &b->sets) {
        set_remove(r, CONTAINER_OF(item, struct binding_set, item));
    }
    binding_remove(r->env.bindings, b);
}

static void phone_gone(struct registration *r, struct binding *b, const char *reason)
{
    if (b->registered) {
        register_tell(r, REGISTER_EXPIRED, b, span_str(reason));
        r->env.on_gone(b, reason, r->env.ctx);
    }
    phone_remove(r, b);
}

void register_set_end(struct registration *r, struct binding_set *set)
{
    struct binding *b = set->binding;

    set_remove(r, set);
    /* One that is not registered may be about to be: binding_set_pending ends it. */
    if (b->registered && b->ipsec && list_empty(&b->sets))
        phone_gone(r, b, "security associations expired");
}

void register_expiry(struct registration *r, struct binding *b)
{
    phone_gone(r, b, "registration expired");
}
