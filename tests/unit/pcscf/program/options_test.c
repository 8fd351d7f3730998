/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of the P-CSCF's configuration file, and which one is refused. */
#include "pcscf/program/program.h"

#include <stdio.h>

#include "tests/support/role.h"
#include "tests/support/suite.h"

static const struct pcscf_config *c;
static struct core_options o;
static const struct ipsec_health all = {true, ~0u, ~0u, "", ""};

static bool configure(const char *yaml)
{
    c = house_configure(&pcscf_role.options, pcscf_check_options, yaml);
    if (c)
        pcscf_settings(c, &all, &o);
    return c != NULL;
}

static bool is_at(const struct addr *a, const char *text)
{
    struct addr want = {0};

    CU_ASSERT_EQUAL(addr_parse(span_str(text), 0, &want), 0);
    return addr_eq(a, &want);
}

/* ---- what it becomes --------------------------------------------------------------------------- */

static void each_option_reaches_the_room_it_is_for(void)
{
    CU_ASSERT_FATAL(configure(
        "realm: ims.example\ngm.address: 10.0.0.1:5080\ngm.port_ps: 6000\ngm.port_pc: 6001-6005\n"
        "gm.tcp: no\ngm.timers: rfc3261\ngm.rate: 7\ngm.burst: 8\ngm.message_max: 2000\n"
        "mw.address: 10.0.0.2:5090\nmw.allow: [10.1.0.0/16, 10.2.0.1]\n"
        "mw.core: sip:10.0.0.3:6060\n"
        "security.challenge_time: 31 s\nsecurity.slack: 32 s\nsecurity.linger: 33 s\n"
        "media.edge: 10.0.0.4:2224\nmedia.retry: 300 ms\nmedia.timeout: 900 ms\n"
        "pdp.application: ims.test\npdp.timeout: 800 ms\n"
        "limits.phones: 9\nlimits.calls: 10\nlimits.calls_per_phone: 11\n"));
    CU_ASSERT_STRING_EQUAL(o.ioi, "ims.example");
    ASSERT_SPAN_EQ(o.registration.visited, "ims.example");
    CU_ASSERT(is_at(&o.gm, "10.0.0.1:5080"));
    CU_ASSERT_EQUAL(o.port_ps, 6000);
    CU_ASSERT_EQUAL(o.port_pc, 6001);
    CU_ASSERT_EQUAL(o.n_pc, 5);
    CU_ASSERT_FALSE(o.tcp);
    CU_ASSERT_EQUAL(o.phone_timers, SIP_TIMERS_RFC);
    CU_ASSERT_EQUAL(o.access.rate, 7);
    CU_ASSERT_EQUAL(o.access.burst, 8);
    CU_ASSERT_EQUAL(o.access.message_max, 2000);
    CU_ASSERT(is_at(&o.mw, "10.0.0.2:5090"));
    CU_ASSERT_EQUAL(o.n_mw_allow, 2);
    CU_ASSERT_EQUAL(o.mw_allow[0].bits, 16);
    ASSERT_SPAN_EQ(o.registration.core, "sip:10.0.0.3:6060");
    CU_ASSERT_EQUAL(o.registration.pending, 31);
    CU_ASSERT_EQUAL(o.registration.slack, 32);
    CU_ASSERT_EQUAL(o.registration.linger, 33);
    CU_ASSERT(is_at(&o.media.edge, "10.0.0.4:2224"));
    CU_ASSERT_EQUAL(o.media.retry, 300 * MSEC);
    CU_ASSERT_EQUAL(o.media.timeout, 900 * MSEC);
    ASSERT_SPAN_EQ(o.authorize.application, "ims.test");
    CU_ASSERT_EQUAL(o.authorize.timeout, 800 * MSEC);
    CU_ASSERT_EQUAL(o.phones, 9);
    CU_ASSERT_EQUAL(o.session.legs, 10);
    CU_ASSERT_EQUAL(o.session.legs_per_phone, 11);
}

/* TS 33.203 7.1: besides the set in use one for the next challenge and one that lingers; and those that others asked
 * for in a phone's name, none of which may take its place. */
static void at_the_bound_of_phones_each_may_be_challenged_again(void)
{
    CU_ASSERT_FATAL(configure("limits.phones: 9\n"));
    CU_ASSERT(pcscf_sets(c) > 9 * (BINDING_SETS_MAX + BINDING_ELSEWHERE_MAX));
    CU_ASSERT_FATAL(configure("limits.phones: 10000000\n"));
    CU_ASSERT_EQUAL(pcscf_sets(c) / 10000000, pcscf_sets(c) / o.phones);
    CU_ASSERT(pcscf_sets(c) > 10000000U * (BINDING_SETS_MAX + BINDING_ELSEWHERE_MAX));
}

static void an_empty_file_is_strict(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT(c->ipsec && o.registration.require_ipsec);
    CU_ASSERT(o.tcp);
    CU_ASSERT_EQUAL(o.phone_timers, SIP_TIMERS_UE);
    CU_ASSERT_EQUAL(o.registration.slack, 30);    /* TS 33.203 7.4 */
    CU_ASSERT_EQUAL(o.registration.linger, 128);  /* 64 * T1 of phones */
    CU_ASSERT_EQUAL(o.registration.pending, 240); /* reg-await-auth, TS 24.229 table 7.8.2 */
    CU_ASSERT_EQUAL(o.n_mw_allow, 1);
    CU_ASSERT_EQUAL(o.registration.core.n, 0);
}

static void each_failure_has_a_policy_of_its_own(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT_EQUAL(o.session.on_media_failure, SESSION_REJECT);
    CU_ASSERT_EQUAL(o.session.on_pdp_failure, SESSION_REJECT);
    CU_ASSERT_EQUAL(o.session.on_route_mismatch, SESSION_REJECT);
    CU_ASSERT_FATAL(configure("media.on_failure: allow\n"));
    CU_ASSERT_EQUAL(o.session.on_media_failure, SESSION_ALLOW);
    CU_ASSERT_EQUAL(o.session.on_pdp_failure, SESSION_REJECT);
    CU_ASSERT_FATAL(configure("pdp.on_failure: allow\n"));
    CU_ASSERT_EQUAL(o.session.on_media_failure, SESSION_REJECT);
    CU_ASSERT_EQUAL(o.session.on_pdp_failure, SESSION_ALLOW);
    CU_ASSERT_FATAL(configure("mw.check_route: no\n"));
    CU_ASSERT_EQUAL(o.session.on_route_mismatch, SESSION_ALLOW);
}

static void without_anchoring_there_is_no_edge_but_our_end_of_its_wire_is_mw(void)
{
    CU_ASSERT_FATAL(configure("media.anchor: no\nmedia.edge: 10.0.0.4:2224\n"));
    CU_ASSERT_EQUAL(o.media.edge.family, 0);
    CU_ASSERT_FATAL(configure("mw.address: 10.0.0.2:5090\n"));
    CU_ASSERT(is_at(&o.media.edge, "127.0.0.35:2223"));
    CU_ASSERT(is_at(&o.media.local, "10.0.0.2:0")); /* any port: that of Mw is for SIP */
}

static bool offers(enum ipsec_alg alg, enum ipsec_ealg ealg)
{
    const struct secagree_policy *s = &o.registration.algorithms;

    for (unsigned i = 0; i < s->n; i++)
        if (s->pairs[i].alg == alg && s->pairs[i].ealg == ealg)
            return true;
    return false;
}

static void what_is_offered_is_what_the_kernel_has_and_old_algorithms_only_when_asked(void)
{
    static const struct ipsec_health old = {true, 1u << IPSEC_ALG_HMAC_SHA_1_96,
                                            1u << IPSEC_EALG_NULL, "", ""};

    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT(offers(IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC));
    CU_ASSERT_FALSE(offers(IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_AES_CBC));
    CU_ASSERT_FALSE(offers(IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_DES_EDE3_CBC));
    CU_ASSERT_FATAL(configure("security.legacy_algorithms: yes\n"));
    CU_ASSERT(offers(IPSEC_ALG_HMAC_MD5_96, IPSEC_EALG_AES_CBC));
    CU_ASSERT(offers(IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_DES_EDE3_CBC));
    pcscf_settings(c, &old, &o);
    CU_ASSERT_EQUAL(o.registration.algorithms.n, 1);
    CU_ASSERT(offers(IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL));
    pcscf_settings(c, NULL, &o);
    CU_ASSERT_EQUAL(o.registration.algorithms.n, 0);
}

/* ---- what is refused --------------------------------------------------------------------------- */

struct row {
    const char *yaml;
    const char *place, *fault, *remedy; /* fault NULL: it is good */
};

static void assert_rows(const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool good = configure(row[i].yaml);

        CU_ASSERT_EQUAL(good, row[i].fault == NULL);
        if (good != (row[i].fault == NULL))
            printf("\n    %s", row[i].yaml);
        if (row[i].fault && !good)
            CU_ASSERT(house_faults() == 1 &&
                      house_is_fault(row[i].place, row[i].fault, row[i].remedy));
    }
}

static void protected_client_ports_are_four_to_sixteen(void)
{
    static const char remedy[] = "Give 4 to 16 ports, such as 5063-5066.";
    static const struct row rows[] = {
        {"gm.port_pc: 5063-5065\n", "1:1", "gm.port_pc has 3 ports", remedy},
        {"gm.port_pc: 5063\n", "1:1", "gm.port_pc has 1 ports", remedy},
        {"gm.port_pc: 5063-5066\n", NULL, NULL, NULL},
        {"gm.port_pc: 5063-5078\n", NULL, NULL, NULL},
        {"gm.port_pc: 5063-5079\n", "1:1", "gm.port_pc has 17 ports", remedy},
        {"gm.port_pc: 65532-65535\n", NULL, NULL, NULL},
    };

    assert_rows(rows, ARRAY_LEN(rows));
}

static void a_port_towards_phones_has_one_use(void)
{
    static const char used[] = "gm.port_ps is used twice",
                      take[] = "Take a port that is neither that of gm.address nor in gm.port_pc.";
    static const struct row rows[] = {
        {"gm.port_ps: 5060\n", "1:1", used, take},
        {"gm.port_ps: 5063\n", "1:1", used, take},
        {"gm.port_ps: 5066\n", "1:1", used, take},
        {"gm.port_ps: 5067\n", NULL, NULL, NULL},
        {"gm.port_pc: 5062-5066\n", NULL, used, take}, /* the default's fault */
        {"gm.port_pc: 5057-5060\n", "1:1", "gm.port_pc holds the port of gm.address",
         "Leave the port of gm.address out."},
        {"gm.address: 10.0.0.1:5063\n", NULL, "gm.port_pc holds the port of gm.address",
         "Leave the port of gm.address out."},
    };

    assert_rows(rows, ARRAY_LEN(rows));
}

static void the_core_reaches_us_where_no_phone_does(void)
{
    static const char same[] = "mw.address is one of the ports towards phones",
                      own[] = "Give it a port or an address of its own.";
    static const struct row rows[] = {
        {"mw.address: 127.0.0.10:5060\n", "1:1", same, own},
        {"mw.address: 127.0.0.10:5062\n", "1:1", same, own},
        {"mw.address: 127.0.0.10:5063\n", "1:1", same, own},
        {"mw.address: 127.0.0.10:5066\n", "1:1", same, own},
        {"mw.address: 127.0.0.10:5067\n", NULL, NULL, NULL},
        {"mw.address: 127.0.0.11:5060\n", NULL, NULL, NULL},
    };

    assert_rows(rows, ARRAY_LEN(rows));
}

static void the_core_is_a_sip_uri_or_found_by_dns(void)
{
    static const char write[] = "Write sip:HOST:PORT, or \"\" for DNS.";
    static const struct row rows[] = {
        {"mw.core: \"\"\n", NULL, NULL, NULL},
        {"mw.core: sip:icscf.ims.example\n", NULL, NULL, NULL},
        {"mw.core: \"sip:[2001:db8::1]:5060\"\n", NULL, NULL, NULL},
        {"mw.core: sips:icscf.ims.example\n", "1:1",
         "mw.core: 'sips:icscf.ims.example' is not a SIP URI", write},
        {"mw.core: tel:+4930100\n", "1:1", "mw.core: 'tel:+4930100' is not a SIP URI", write},
        {"mw.core: icscf.ims.example\n", "1:1", "mw.core: 'icscf.ims.example' is not a SIP URI",
         write},
        {"mw.core: \"sip:\"\n", "1:1", "mw.core: 'sip:' is not a SIP URI", write},
    };

    assert_rows(rows, ARRAY_LEN(rows));
}

static void ipsec_is_required_only_where_it_can_be_had(void)
{
    static const struct row rows[] = {
        {"security.ipsec: no\n", NULL, "IPsec is required of phones but switched off here",
         "Set security.ipsec: true, or security.require_ipsec: false."},
        {"security.ipsec: no\nsecurity.require_ipsec: yes\n", "2:1",
         "IPsec is required of phones but switched off here",
         "Set security.ipsec: true, or security.require_ipsec: false."},
        {"security.ipsec: no\nsecurity.require_ipsec: no\n", NULL, NULL, NULL},
        {"security.require_ipsec: no\n", NULL, NULL, NULL},
    };

    assert_rows(rows, ARRAY_LEN(rows));
}

static void all_faults_of_a_file_are_told_at_once(void)
{
    CU_ASSERT_FALSE(configure("gm.port_ps: 5060\nmw.core: nobody\n"));
    CU_ASSERT_EQUAL(house_faults(), 2);
}

TEST_MAIN("pcscf/program/options",
          {"each option reaches the room it is for", each_option_reaches_the_room_it_is_for},
          {"at the bound of phones each may be challenged again",
           at_the_bound_of_phones_each_may_be_challenged_again},
          {"an empty file is strict", an_empty_file_is_strict},
          {"each failure has a policy of its own", each_failure_has_a_policy_of_its_own},
          {"without anchoring there is no edge, but our end of its wire is Mw",
           without_anchoring_there_is_no_edge_but_our_end_of_its_wire_is_mw},
          {"what is offered is what the kernel has, and old algorithms only when asked",
           what_is_offered_is_what_the_kernel_has_and_old_algorithms_only_when_asked},
          {"protected client ports are four to sixteen",
           protected_client_ports_are_four_to_sixteen},
          {"a port towards phones has one use", a_port_towards_phones_has_one_use},
          {"the core reaches us where no phone does", the_core_reaches_us_where_no_phone_does},
          {"the core is a SIP URI, or found by DNS", the_core_is_a_sip_uri_or_found_by_dns},
          {"IPsec is required only where it can be had",
           ipsec_is_required_only_where_it_can_be_had},
          {"all faults of a file are told at once", all_faults_of_a_file_are_told_at_once})
