/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of the S-CSCF's configuration file, and which one is refused. */
#include "scscf/program/program.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

static const struct scscf_config *c;
static struct scscf_options o;
static struct span domains[33], names[32];

static bool configure(const char *yaml)
{
    c = house_configure(&scscf_role.options, scscf_check_options, yaml);
    if (c)
        scscf_settings(c, domains, names, &o);
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
    CU_ASSERT_FATAL(configure("mw.address: 10.0.0.1:6061\nmw.allow: [10.1.0.0/16, 10.2.0.1]\n"
                              "auth.challenge_time: 11 s\nauth.nonce_time: 12 s\n"
                              "registrar.min_expires: 13 s\nregistrar.max_expires: 15 s\n"
                              "registrar.default_expires: 14 s\nregistrar.contacts: 3\n"
                              "calls.longest: 16 s\ncalls.longest_ringing: 19 "
                              "s\nlimits.registrations: 17\nlimits.calls: 18\n"));
    CU_ASSERT(is_at(&o.local, "10.0.0.1:6061"));
    CU_ASSERT_EQUAL(o.n_allow, 2);
    CU_ASSERT_EQUAL(o.allow[0].bits, 16);
    CU_ASSERT_EQUAL(o.registrar.reg_await_auth, 11 * SEC);
    CU_ASSERT_EQUAL(o.registrar.nonce_lifetime, 12 * SEC);
    CU_ASSERT_EQUAL(o.registrar.min_expires, 13);
    CU_ASSERT_EQUAL(o.registrar.max_expires, 15);
    CU_ASSERT_EQUAL(o.registrar.default_expires, 14);
    CU_ASSERT_EQUAL(o.registrar.contacts, 3);
    CU_ASSERT_EQUAL(o.call_max, 16 * SEC);
    CU_ASSERT_EQUAL(o.ring_max, 19 * SEC);
    CU_ASSERT_EQUAL(o.registrar.limit, 17);
    CU_ASSERT_EQUAL(o.calls, 18);
}

static void the_realm_is_the_first_home_domain_and_further_ones_follow(void)
{
    CU_ASSERT_FATAL(configure("realm: ims.example\n"));
    CU_ASSERT_EQUAL(o.n_domains, 1);
    CU_ASSERT_FATAL(configure("realm: ims.example\ndomains: [second.example, third.example]\n"));
    CU_ASSERT_EQUAL_FATAL(o.n_domains, 3);
    ASSERT_SPAN_EQ(o.domains[0], "ims.example");
    ASSERT_SPAN_EQ(o.domains[1], "second.example");
    ASSERT_SPAN_EQ(o.domains[2], "third.example");
}

static void names_of_this_server_are_those_of_the_file(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT_EQUAL(o.n_hosts, 0);
    CU_ASSERT_FATAL(configure("names: [a.example, b.example]\n"));
    CU_ASSERT_EQUAL_FATAL(o.n_hosts, 2);
    ASSERT_SPAN_EQ(o.hosts[1], "b.example");
}

static void as_many_domains_and_names_as_may_be_given_have_room(void)
{
    static char yaml[2048];
    struct buf b = {yaml, 0, sizeof(yaml) - 1, false};

    for (int list = 0; list < 2; list++) {
        buf_puts(&b, list ? "names: [" : "domains: [");
        for (int i = 0; i < 32; i++)
            buf_fmt(&b, "%sd%d.example", i ? ", " : "", i);
        buf_puts(&b, "]\n");
    }
    yaml[b.n] = '\0';
    CU_ASSERT_FATAL(configure(yaml));
    CU_ASSERT_EQUAL(o.n_domains, ARRAY_LEN(domains));
    CU_ASSERT_EQUAL(o.n_hosts, ARRAY_LEN(names));
    ASSERT_SPAN_EQ(o.domains[32], "d31.example");
    ASSERT_SPAN_EQ(o.hosts[31], "d31.example");
}

static void a_challenge_offers_the_qops_of_the_list_and_none_of_an_empty_one(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT_EQUAL(o.registrar.qops, DIGEST_QOP_AUTH);
    CU_ASSERT_FATAL(configure("auth.qop: [auth-int]\n"));
    CU_ASSERT_EQUAL(o.registrar.qops, DIGEST_QOP_AUTH_INT);
    CU_ASSERT_FATAL(configure("auth.qop: [auth-int, auth]\n"));
    CU_ASSERT_EQUAL(o.registrar.qops, DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT);
    CU_ASSERT_FATAL(configure("auth.qop: []\n"));
    CU_ASSERT_EQUAL(o.registrar.qops, 0);
}

static void a_phone_on_its_association_is_challenged_again_only_when_asked(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT_EQUAL(o.registrar.rechallenge, REGISTRAR_UNLESS_PROTECTED);
    CU_ASSERT_FATAL(configure("auth.rechallenge: always\n"));
    CU_ASSERT_EQUAL(o.registrar.rechallenge, REGISTRAR_ALWAYS);
}

static void messages_have_records_unless_they_are_switched_off(void)
{
    CU_ASSERT_FATAL(configure("{}\n"));
    CU_ASSERT(o.event_records);
    CU_ASSERT_FATAL(configure("cdr.messages: no\n"));
    CU_ASSERT_FALSE(o.event_records);
}

static void a_shortest_registration_above_the_longest_is_refused(void)
{
    CU_ASSERT_FALSE(configure("registrar.max_expires: 1 h\nregistrar.default_expires: 2 h\n"
                              "registrar.min_expires: 3601 s\n"));
    CU_ASSERT(house_is_fault("3:1", "registrar.min_expires is longer than registrar.max_expires",
                             "Make it no longer than registrar.max_expires."));
    CU_ASSERT_EQUAL(house_faults(), 1);
    CU_ASSERT(configure("registrar.max_expires: 1 h\nregistrar.min_expires: 1 h\n"));
}

static void a_default_registration_that_would_be_refused_is_refused(void)
{
    static const char remedy[] = "Make it no shorter than registrar.min_expires.",
                      text[] = "registrar.default_expires is shorter than registrar.min_expires: "
                               "phones that name no time would be refused";

    CU_ASSERT_FALSE(configure("registrar.default_expires: 59 s\n"));
    CU_ASSERT(house_is_fault("1:1", text, remedy));
    CU_ASSERT_FALSE(configure("registrar.min_expires: 3601 s\n")); /* the default's fault */
    CU_ASSERT(house_is_fault(NULL, text, remedy));
    CU_ASSERT(configure("registrar.default_expires: 60 s\n"));
    CU_ASSERT(configure("registrar.max_expires: 30 min\n")); /* it is cut */
}

TEST_MAIN("scscf/program/options",
          {"each option reaches the room it is for", each_option_reaches_the_room_it_is_for},
          {"the realm is the first home domain, and further ones follow",
           the_realm_is_the_first_home_domain_and_further_ones_follow},
          {"names of this server are those of the file",
           names_of_this_server_are_those_of_the_file},
          {"as many domains and names as may be given have room",
           as_many_domains_and_names_as_may_be_given_have_room},
          {"a challenge offers the qops of the list, and none of an empty one",
           a_challenge_offers_the_qops_of_the_list_and_none_of_an_empty_one},
          {"a phone on its association is challenged again only when asked",
           a_phone_on_its_association_is_challenged_again_only_when_asked},
          {"messages have records unless they are switched off",
           messages_have_records_unless_they_are_switched_off},
          {"a shortest registration above the longest is refused",
           a_shortest_registration_above_the_longest_is_refused},
          {"a default registration that would be refused is refused",
           a_default_registration_that_would_be_refused_is_refused})
