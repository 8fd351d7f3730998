/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/binding/binding.h"

#include <errno.h>
#include <stdlib.h>

#include "common/net/netsim.h"
#include "tests/support/suite.h"

static struct sim *sim;
static struct wire *wire;
static struct net *net;
static struct loop *loop;
static struct sip_transport *transport;
static struct sip_endpoint *gm, *ps, *pc[2];
static struct bindings *bs;
static unsigned set_ends, expiries;

static void on_set_end(struct binding_set *set, void *ctx)
{
    (void)ctx;
    set_ends++;
    binding_set_remove(bs, set);
}

static void on_expiry(struct binding *b, void *ctx)
{
    (void)ctx;
    expiries++;
    binding_remove(bs, b);
}

static struct addr at(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static struct sip_endpoint *endpoint(const char *name, const char *local)
{
    struct sip_endpoint_options o = {.name = name, .local = at(local), .udp = true};
    struct sip_endpoint *e = NULL;

    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(transport, &o, &e), 0);
    return e;
}

static void open_all(void)
{
    static const struct bindings_ops ops = {on_set_end, on_expiry};

    set_ends = expiries = 0;
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    loop = sim_loop(sim, "p");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, loop, &net), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(net, sim_rnd(sim), NULL, &transport), 0);
    gm = endpoint("gm", "192.0.2.1:5060");
    ps = endpoint("ps", "192.0.2.1:5062");
    pc[0] = endpoint("pc", "192.0.2.1:5063");
    pc[1] = endpoint("pc", "192.0.2.1:5064");
    CU_ASSERT_EQUAL_FATAL(bindings_new(loop, sim_rnd(sim), 3, &ops, NULL, &bs), 0);
}

static void close_all(void)
{
    bindings_free(bs);
    sip_transport_free(transport);
    net_free(net);
    wire_free(wire);
    sim_free(sim);
}

static struct binding *phone(const char *impi)
{
    struct binding *b = NULL;

    CU_ASSERT_EQUAL_FATAL(binding_new(bs, span_str(impi), &b), 0);
    return b;
}

static struct binding_set *set_for(struct binding *b, const char *uc, const char *us,
                                   struct sip_endpoint *client)
{
    struct binding_set values = {.phone_uc = at(uc), .phone_us = at(us), .ps = ps, .pc = client};
    struct binding_set *set = NULL;

    CU_ASSERT_EQUAL_FATAL(binding_set_add(bs, b, &values, &set), 0);
    return set;
}

static struct sip_flow flow(struct sip_endpoint *e, const char *remote)
{
    struct sip_flow f = {.endpoint = e, .proto = NET_UDP, .remote = at(remote)};

    return f;
}

static void the_association_says_who_it_is(void)
{
    struct binding *a, *b;
    struct binding_set *sa, *got = NULL;
    struct sip_flow f;

    open_all();
    a = phone("a");
    b = phone("b");
    sa = set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[0]);
    (void)set_for(b, "10.0.0.2:31000", "10.0.0.2:31001", pc[0]);
    f = flow(ps, "10.0.0.1:31000");
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, true, SPAN("10.0.0.2:31001"), &got), a);
    CU_ASSERT_PTR_EQUAL(got, sa);
    f = flow(ps, "10.0.0.9:31000");
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, true, SPAN("10.0.0.1:31001"), &got));
    /* On a port_pc: what the phone sends from port_us. */
    f = flow(pc[0], "10.0.0.1:31001");
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, true, SPAN(""), &got), a);
    f = flow(pc[1], "10.0.0.1:31001");
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, true, SPAN(""), &got));
    /* The same address in the clear is nobody. */
    f = flow(gm, "10.0.0.1:31000");
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, false, SPAN("10.0.0.1:31000"), &got));
    close_all();
}

static void ports_of_a_phone_are_its_own(void)
{
    struct binding_set values, *set;
    struct binding *a, *b;

    open_all();
    a = phone("a");
    b = phone("b");
    (void)set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[0]);
    values = (struct binding_set){
        .phone_uc = at("10.0.0.1:31000"), .phone_us = at("10.0.0.1:31009"), .ps = ps, .pc = pc[1]};
    CU_ASSERT_EQUAL(binding_set_add(bs, b, &values, &set), -EEXIST);
    (void)set_for(a, "10.0.0.1:31002", "10.0.0.1:31001", pc[1]);
    (void)set_for(a, "10.0.0.1:31004", "10.0.0.1:31003", pc[1]);
    values.phone_uc.port = 31006;
    CU_ASSERT_EQUAL(binding_set_add(bs, a, &values, &set), -ENOSPC);
    close_all();
}

static void our_port_says_which_port_of_whose_phone_it_was(void)
{
    struct binding_set values, *sa, *sb, *got = NULL;
    struct binding *a, *b;
    struct sip_flow f;

    open_all();
    a = phone("a");
    b = phone("b");
    sa = set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[0]);
    /* Nobody takes another's client port as server port, nor the other way round. */
    values = (struct binding_set){
        .phone_uc = at("10.0.0.1:31002"), .phone_us = at("10.0.0.1:31000"), .ps = ps, .pc = pc[1]};
    CU_ASSERT_EQUAL(binding_set_add(bs, b, &values, &sb), -EEXIST);
    values.phone_uc = at("10.0.0.1:31001");
    values.phone_us = at("10.0.0.1:31003");
    CU_ASSERT_EQUAL(binding_set_add(bs, b, &values, &sb), -EEXIST);
    /* Nor the same server port with the same port of ours; with another one, it may. */
    values.phone_uc = at("10.0.0.1:31002");
    values.phone_us = at("10.0.0.1:31001");
    values.pc = pc[0];
    CU_ASSERT_PTR_EQUAL(binding_set_towards(bs, pc[0], &values.phone_us), sa);
    CU_ASSERT_EQUAL(binding_set_add(bs, b, &values, &sb), -EEXIST);
    CU_ASSERT_PTR_NULL(binding_set_towards(bs, pc[1], &values.phone_us));
    sb = set_for(b, "10.0.0.1:31002", "10.0.0.1:31001", pc[1]);
    f = flow(pc[1], "10.0.0.1:31001");
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, true, SPAN(""), &got), b);
    CU_ASSERT_PTR_EQUAL(got, sb);
    f = flow(pc[0], "10.0.0.1:31001");
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, true, SPAN(""), &got), a);
    CU_ASSERT_PTR_EQUAL(got, sa);
    /* A client port that speaks to a client port of ours is nobody's; so are servers. */
    f = flow(pc[0], "10.0.0.1:31000");
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, true, SPAN(""), &got));
    f = flow(ps, "10.0.0.1:31001");
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, true, SPAN(""), &got));
    close_all();
}

static void messages_go_over_the_new_set_once_it_was_heard(void)
{
    struct binding *a;
    struct binding_set *old, *fresh;
    struct sip_target t;

    open_all();
    a = phone("a");
    a->ipsec = true;
    CU_ASSERT_EQUAL(binding_target(a, &t), -ENOTCONN);
    old = set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[0]);
    CU_ASSERT_EQUAL(binding_target(a, &t), -ENOTCONN); /* nobody has answered on it */
    old->state = BINDING_SET_OLD;
    fresh = set_for(a, "10.0.0.1:31002", "10.0.0.1:31001", pc[1]);
    fresh->state = BINDING_SET_CURRENT;
    CU_ASSERT_EQUAL(binding_target(a, &t), 0);
    CU_ASSERT_PTR_EQUAL(t.flow.endpoint, pc[0]);
    fresh->heard = true;
    CU_ASSERT_EQUAL(binding_target(a, &t), 0);
    CU_ASSERT_PTR_EQUAL(t.flow.endpoint, pc[1]);
    CU_ASSERT_EQUAL(t.flow.remote.port, 31001);
    close_all();
}

static void answers_go_where_the_security_associations_are(void)
{
    struct binding *a;
    struct binding_set *set;
    struct sip_flow flow = {.proto = NET_UDP, .remote = at("10.0.0.1:31000")};
    struct sip_target t;

    open_all();
    a = phone("a");
    set = set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[1]);
    flow.endpoint = ps;
    for (unsigned tcp = 0; tcp < 2; tcp++) {
        flow.proto = tcp ? NET_TCP : NET_UDP;
        flow.connection = (struct handle){.index = tcp ? 7 : 0, .generation = 9 * tcp};
        t = binding_reply_target(set, &flow);
        CU_ASSERT_PTR_EQUAL(t.flow.endpoint, pc[1]);
        CU_ASSERT_EQUAL(t.flow.proto, flow.proto);
        CU_ASSERT(addr_eq(&t.flow.remote, &set->phone_us));
        CU_ASSERT(handle_eq(t.flow.connection, flow.connection));
    }
    close_all();
}

static void without_ipsec_source_and_via_name_the_phone(void)
{
    struct binding *a, *b;
    struct binding_set *got = NULL;
    struct sip_flow f = {0};

    open_all();
    a = phone("a");
    b = phone("b");
    f = flow(gm, "10.0.0.1:5060");
    CU_ASSERT_EQUAL(binding_associate(bs, a, &f, SPAN("Phone.Test:5060")), 0);
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, false, SPAN("phone.test:5060"), &got), a);
    CU_ASSERT_PTR_NULL(binding_of_flow(bs, &f, false, SPAN("phone.test:5061"), &got));
    /* Another user from there replaces the entry (TS 33.203 annex N). */
    CU_ASSERT_EQUAL(binding_associate(bs, b, &f, SPAN("phone.test:5060")), 0);
    CU_ASSERT_PTR_EQUAL(binding_of_flow(bs, &f, false, SPAN("phone.test:5060"), &got), b);
    CU_ASSERT_EQUAL(binding_associate(bs, a, &f, SPAN("")), -ENAMETOOLONG);
    close_all();
}

static void time_ends_sets_and_phones(void)
{
    struct binding *a;
    struct binding_set *s;

    open_all();
    a = phone("a");
    s = set_for(a, "10.0.0.1:31000", "10.0.0.1:31001", pc[0]);
    CU_ASSERT_TRUE(binding_set_limit(bs, s, 200, true));
    CU_ASSERT_TRUE(binding_set_limit(bs, s, 100, true));
    CU_ASSERT_FALSE(binding_set_limit(bs, s, 50, false)); /* never shortens */
    CU_ASSERT_FALSE(binding_set_limit(bs, s, 500, true)); /* never lengthens */
    sim_run(sim, 99 * SEC);
    CU_ASSERT_EQUAL(set_ends, 0);
    sim_run(sim, 2 * SEC);
    CU_ASSERT_EQUAL(set_ends, 1);
    binding_set_expiry(bs, a, 10);
    binding_set_pending(bs, a, 1); /* not of a registered one */
    sim_run(sim, 9 * SEC);
    CU_ASSERT_EQUAL(expiries, 0);
    sim_run(sim, 2 * SEC);
    CU_ASSERT_EQUAL(expiries, 1);
    CU_ASSERT_EQUAL(bindings_count(bs), 0);
    close_all();
}

static void the_bound_holds_and_a_phone_in_use_outlives_its_removal(void)
{
    struct binding *a, *x;

    open_all();
    a = phone("a");
    (void)phone("b");
    (void)phone("c");
    CU_ASSERT_EQUAL(binding_new(bs, SPAN("d"), &x), -ENOSPC);
    binding_ref(a);
    binding_remove(bs, a);
    CU_ASSERT_PTR_NULL(binding_find_impi(bs, SPAN("a")));
    CU_ASSERT_STRING_EQUAL(a->impi, "a");
    binding_unref(bs, a);
    (void)phone("d");
    close_all();
}

TEST_MAIN("pcscf/binding", {"the association says who it is", the_association_says_who_it_is},
          {"the ports of a phone are its own", ports_of_a_phone_are_its_own},
          {"our port says which port of whose phone it was",
           our_port_says_which_port_of_whose_phone_it_was},
          {"messages go over the new set once it was heard",
           messages_go_over_the_new_set_once_it_was_heard},
          {"answers go where the security associations are",
           answers_go_where_the_security_associations_are},
          {"without IPsec, source and Via name the phone",
           without_ipsec_source_and_via_name_the_phone},
          {"time ends sets and phones", time_ends_sets_and_phones},
          {"the bound holds, and a phone in use outlives its removal",
           the_bound_holds_and_a_phone_in_use_outlives_its_removal})
