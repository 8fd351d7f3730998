/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of the edge's configuration file, and which one is refused. */
#include "edge/program/program.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

static const struct edge_config *c;
static struct edge_settings s;

static bool configure(const char *yaml)
{
    c = house_configure(&edge_options, edge_check_options, yaml);
    if (c)
        edge_settings(c, &s);
    return c != NULL;
}

static bool is_at(const struct addr *a, const char *text)
{
    struct addr want = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(text), 0, &want), 0);
    return addr_eq(a, &want);
}

static void each_option_reaches_the_room_it_is_for(void)
{
    CU_ASSERT_FATAL(configure("realm: ims.example\nidentity: gate.ims.example\n"
                              "ng.address: 10.0.0.1:2000\nng.allow: [10.0.0.2, 10.1.0.0/16]\n"
                              "ng.remember: 7 s\n"
                              "access.address: 10.0.0.3\naccess.source: latch\naccess.dscp: 10\n"
                              "core.address: 10.0.0.4\ncore.source: strict\ncore.dscp: 63\n"
                              "ports: 4000-4009\nauthorization: \"off\"\n"
                              "pdp.address: 10.0.0.5:3869\npdp.identity: pdp.else.example\n"
                              "pdp.timeout: 70 ms\npdp.burst: 30 ms\n"
                              "workers: 3\ncoalesce: 9 ms\nreceive_buffer: 2 MiB\n"
                              "limits.sessions: 17\nlimits.linger: 4 s\nlimits.silence: 5 s\n"
                              "limits.hold: 6 s\nlimits.unauthorized: 8 s\n"));
    CU_ASSERT_STRING_EQUAL(c->realm, "ims.example");
    CU_ASSERT_STRING_EQUAL(c->identity, "gate.ims.example");
    CU_ASSERT_STRING_EQUAL(c->pdp_identity, "pdp.else.example");
    CU_ASSERT(is_at(&c->pdp_address, "10.0.0.5:3869"));
    CU_ASSERT(is_at(&s.ng.local, "10.0.0.1:2000"));
    CU_ASSERT_EQUAL(s.ng.n_allow, 2);
    CU_ASSERT_EQUAL(s.ng.allow[1].bits, 16);
    CU_ASSERT_EQUAL(s.ng.remember, 7 * SEC);
    CU_ASSERT(is_at(&s.control.side[CONTROL_ACCESS].ip, "10.0.0.3:0"));
    CU_ASSERT_EQUAL(s.control.side[CONTROL_ACCESS].source, RELAY_SOURCE_LATCH);
    CU_ASSERT(is_at(&s.control.side[CONTROL_CORE].ip, "10.0.0.4:0"));
    CU_ASSERT_EQUAL(s.control.side[CONTROL_CORE].source, RELAY_SOURCE_STRICT);
    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        CU_ASSERT_EQUAL(s.control.side[i].first_port, 4000);
        CU_ASSERT_EQUAL(s.control.side[i].last_port, 4009);
    }
    CU_ASSERT_EQUAL(s.gates.mode, GATE_OPEN);
    CU_ASSERT_EQUAL(s.gates.timeout, 70 * MSEC);
    CU_ASSERT_EQUAL(s.gates.burst, 30 * MSEC);
    CU_ASSERT_EQUAL(s.relay.workers, 3);
    CU_ASSERT_EQUAL(s.relay.coalesce_us, 9000);
    CU_ASSERT_EQUAL(s.relay.receive_buffer, 2 << 20);
    CU_ASSERT_EQUAL(s.control.linger, 4 * SEC);
    CU_ASSERT_EQUAL(s.control.silence, 5 * SEC);
    CU_ASSERT_EQUAL(s.control.hold, 6 * SEC);
    CU_ASSERT_EQUAL(s.control.unauthorized, 8 * SEC);
}

static void the_bound_of_sessions_holds_for_control_and_gates(void)
{
    CU_ASSERT_FATAL(configure("limits.sessions: 17\n"));
    CU_ASSERT_EQUAL(s.control.sessions, 17);
    CU_ASSERT_EQUAL(s.gates.limit, 17);
}

static void an_empty_file_lets_nothing_through_without_the_pdp(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT_EQUAL(s.gates.mode, GATE_ASK_PDP);
    CU_ASSERT_EQUAL(s.control.side[CONTROL_ACCESS].source, RELAY_SOURCE_ADDRESS);
    CU_ASSERT_EQUAL(s.control.side[CONTROL_CORE].source, RELAY_SOURCE_ADDRESS);
    CU_ASSERT_EQUAL(s.ng.n_allow, 1); /* this machine's own programs */
    CU_ASSERT_EQUAL(s.ng.allow[0].bits, 8);
}

static void a_dscp_stands_in_the_upper_six_bits_of_the_octet(void)
{
    CU_ASSERT_FATAL(configure("access.dscp: 46\ncore.dscp: 63\n"));
    CU_ASSERT_EQUAL(s.control.side[CONTROL_ACCESS].tos, 0xb8);
    CU_ASSERT_EQUAL(s.control.side[CONTROL_CORE].tos, 0xfc);
}

static void two_sides_at_one_address_share_its_ports(void)
{
    CU_ASSERT_FATAL(configure("access.address: 10.0.0.3\ncore.address: 10.0.0.3\n"
                              "ports: 30000-30009\n"));
    CU_ASSERT_EQUAL(s.control.side[0].first_port, 30000);
    CU_ASSERT_EQUAL(s.control.side[0].last_port, 30004);
    CU_ASSERT_EQUAL(s.control.side[1].first_port, 30005);
    CU_ASSERT_EQUAL(s.control.side[1].last_port, 30009);
}

#define RANGE_REMEDY "Give a range such as 30000-39999."

static void a_range_without_an_even_port_and_the_next_is_refused(void)
{
    static const struct {
        const char *yaml;
        bool good;
    } rows[] = {
        {"ports: 30000\n", false},      {"ports: 30001-30002\n", false}, {"ports: 65535\n", false},
        {"ports: 30000-30001\n", true}, {"ports: 30001-30003\n", true},  {"ports: 1-2\n", false},
        {"ports: 65534-65535\n", true},
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(configure(rows[i].yaml), rows[i].good);
        if (!rows[i].good)
            CU_ASSERT(house_faults() == 1 &&
                      house_is_fault("1:1", "there is no even port with its odd neighbour in it",
                                     RANGE_REMEDY));
    }
}

static void a_range_of_which_a_half_has_no_pair_is_refused_at_a_shared_address(void)
{
    static const struct {
        const char *ports;
        bool good;
    } rows[] = {
        {"30000-30001", false}, {"30000-30002", false}, {"30001-30004", false},
        {"30000-30003", true},  {"30001-30006", true},  {"30000-30004", false},
    };
    char yaml[128];

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = {yaml, 0, sizeof(yaml) - 1, false};

        buf_fmt(&b, "access.address: 10.0.0.3\ncore.address: 10.0.0.3\nports: %s\n", rows[i].ports);
        yaml[b.n] = '\0';
        CU_ASSERT_EQUAL(configure(yaml), rows[i].good);
        if (!rows[i].good)
            CU_ASSERT(
                house_faults() == 1 &&
                house_is_fault("3:1",
                               "access.address and core.address are the same and have half of "
                               "it each: there is no even port with its odd neighbour in a "
                               "half",
                               RANGE_REMEDY));
    }
}

static void the_control_port_among_the_media_ports_is_refused(void)
{
    static const struct {
        const char *yaml;
        bool good;
    } rows[] = {
        {"ng.address: 127.0.0.36:30000\n", false}, {"ng.address: 127.0.0.37:39999\n", false},
        {"ng.address: 127.0.0.36:29999\n", true},  {"ng.address: 127.0.0.37:40000\n", true},
        {"ng.address: 127.0.0.38:30000\n", true},
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(configure(rows[i].yaml), rows[i].good);
        if (!rows[i].good)
            CU_ASSERT(house_faults() == 1 &&
                      house_is_fault("1:1", "ng.address is one of the media ports",
                                     "Take a port outside the range, or another address."));
    }
    CU_ASSERT_FALSE(configure("ports: 2000-3000\naccess.address: 127.0.0.35\n"));
    CU_ASSERT(house_is_fault(NULL, "ng.address is one of the media ports", /* a default */
                             "Take a port outside the range, or another address."));
}

TEST_MAIN("edge/program/options",
          {"each option reaches the room it is for", each_option_reaches_the_room_it_is_for},
          {"the bound of sessions holds for control and gates",
           the_bound_of_sessions_holds_for_control_and_gates},
          {"an empty file lets nothing through without the PDP",
           an_empty_file_lets_nothing_through_without_the_pdp},
          {"a DSCP stands in the upper six bits of the octet",
           a_dscp_stands_in_the_upper_six_bits_of_the_octet},
          {"two sides at one address share its ports", two_sides_at_one_address_share_its_ports},
          {"a range without an even port and the next is refused",
           a_range_without_an_even_port_and_the_next_is_refused},
          {"a range of which a half has no pair is refused at a shared address",
           a_range_of_which_a_half_has_no_pair_is_refused_at_a_shared_address},
          {"the control port among the media ports is refused",
           the_control_port_among_the_media_ports_is_refused})
