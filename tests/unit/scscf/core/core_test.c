/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and ending an S-CSCF: its names, its port, its routes. What it does with requests is in tests/flow/scscf. */
#include <errno.h>

#include "common/loop/sim.h"
#include "common/net/netsim.h"
#include "scscf/core/inner.h"
#include "tests/support/suite.h"
#include "tests/unit/common/charging/fakedisk.h"

static struct {
    struct sim *sim;
    struct wire *wire;
    struct loop *loop;
    struct net *net;
    struct auth *auth;
    struct subscribers *subscribers;
    struct fakedisk disk;
    struct charging_spool *spool;
    struct scscf_env env;
    struct scscf_options options;
} T;

static struct span domains[] = {{"ims.example", 11}, {"ims.example.net", 15}};

static void setup(void)
{
    struct subscribers_config config = {.path = ":memory:"};
    struct charging_spool_config spool = {.dir = "/cdr", .name = "t", .disk = &T.disk.port};

    memset(&T, 0, sizeof(T));
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(7, &T.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(T.sim, &T.wire), 0);
    T.loop = sim_loop(T.sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(T.wire, T.loop, &T.net), 0);
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(T.sim), &T.auth), 0);
    config.auth = T.auth;
    config.rnd = sim_rnd(T.sim);
    CU_ASSERT_EQUAL_FATAL(subscribers_new(T.loop, &config, &T.subscribers, NULL), 0);
    fakedisk_init(&T.disk);
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(T.loop, &spool, &T.spool, NULL), 0);
    T.env = (struct scscf_env){.loop = T.loop,
                               .net = T.net,
                               .rnd = sim_rnd(T.sim),
                               .auth = T.auth,
                               .subscribers = T.subscribers,
                               .spool = T.spool};
    T.options = scscf_options_default;
    T.options.domains = domains;
    T.options.n_domains = ARRAY_LEN(domains);
    T.options.registrar = registrar_options_default;
    T.options.transport = sip_transport_options_default;
    T.options.layer = sip_layer_options_default;
    CU_ASSERT_EQUAL_FATAL(addr_parse(SPAN("192.0.2.20:6060"), 0, &T.options.local), 0);
}

/* s may be NULL. */
static void teardown(struct scscf *s)
{
    charging_spool_free(T.spool);
    scscf_free(s);
    subscribers_free(T.subscribers);
    auth_free(T.auth);
    net_free(T.net);
    wire_free(T.wire);
    sim_free(T.sim);
    fakedisk_fini(&T.disk);
}

static void without_a_home_domain_there_is_no_server(void)
{
    struct scscf *s = NULL;

    setup();
    T.options.n_domains = 0;
    CU_ASSERT_EQUAL(scscf_new(&T.env, &T.options, &s), -EINVAL);
    CU_ASSERT_PTR_NULL(s);
    teardown(s);
}

static void a_port_that_is_taken_is_told_and_nothing_stays_behind(void)
{
    struct scscf *first = NULL, *second = NULL;

    setup();
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &first), 0);
    CU_ASSERT_EQUAL(scscf_new(&T.env, &T.options, &second), -EADDRINUSE);
    CU_ASSERT_PTR_NULL(second);
    scscf_free(first);
    /* The first has given it back. */
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &second), 0);
    teardown(second);
}

static void names_are_the_servers_own(void)
{
    char text[] = "ims.example";
    struct span mine[] = {{text, sizeof(text) - 1}};
    struct scscf *s = NULL;

    setup();
    T.options.domains = mine;
    T.options.n_domains = 1;
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    memset(text, 'x', sizeof(text) - 1);
    mine[0] = SPAN_NONE;
    CU_ASSERT(scscf_is_home(s, SPAN("ims.example")));
    CU_ASSERT_FALSE(scscf_is_home(s, SPAN("xxxxxxxxxxx")));
    teardown(s);
}

static void home_is_each_of_the_domains_and_nothing_around_them(void)
{
    static const struct {
        const char *host;
        bool home;
    } rows[] = {{"ims.example", true},       {"IMS.Example", true},   {"ims.example.net", true},
                {"a.ims.example", false},    {"ims.example.", false}, {"ims.exampl", false},
                {"ims.example.org", false},  {"192.0.2.20", false},   {"", false},
                {"scscf.ims.example", false}};
    static const struct span host[] = {{"scscf.ims.example", 17}};
    struct scscf *s = NULL;

    setup();
    T.options.hosts = host; /* a name of the server is no home of users */
    T.options.n_hosts = 1;
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(scscf_is_home(s, span_str(rows[i].host)), rows[i].home);
    teardown(s);
}

static void routes_name_the_port_that_is_open(void)
{
    static const struct {
        const char *local, *service, *record;
    } rows[] = {
        {"192.0.2.20:6060", "sip:orig@192.0.2.20:6060;lr", "<sip:192.0.2.20:6060;lr>"},
        {"[2001:db8::20]:5060", "sip:orig@[2001:db8::20]:5060;lr", "<sip:[2001:db8::20]:5060;lr>"},
        /* The longest there is. */
        {"[2001:1db8:1000:2000:3000:4000:5000:6000]:65535",
         "sip:orig@[2001:1db8:1000:2000:3000:4000:5000:6000]:65535;lr",
         "<sip:[2001:1db8:1000:2000:3000:4000:5000:6000]:65535;lr>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scscf *s = NULL;

        setup();
        CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(rows[i].local), 0, &T.options.local), 0);
        CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
        CU_ASSERT_STRING_EQUAL(s->options.registrar.service_route, rows[i].service);
        CU_ASSERT_STRING_EQUAL(s->record_route, rows[i].record);
        teardown(s);
    }
}

static void realm_and_service_route_may_be_chosen(void)
{
    struct scscf *s = NULL;

    setup();
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    CU_ASSERT_STRING_EQUAL(s->options.registrar.realm, "ims.example"); /* the first domain */
    scscf_free(s);
    T.options.registrar.realm = "realm.example";
    T.options.registrar.service_route = "sip:orig@scscf.ims.example;lr";
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    CU_ASSERT_STRING_EQUAL(s->options.registrar.realm, "realm.example");
    CU_ASSERT_STRING_EQUAL(s->options.registrar.service_route, "sip:orig@scscf.ims.example;lr");
    teardown(s);
}

static void a_call_makes_the_server_busy_until_its_record_is_written(void)
{
    const struct call_opening half = {.role = CDR_ORIGINATING, .session_id = SPAN("c")};
    struct talk_opening opening = {.call_id = SPAN("c"), .half = {[CDR_ORIGINATING] = &half}};
    struct talk *talk = NULL;
    struct scscf *s = NULL;

    setup();
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    CU_ASSERT(scscf_is_idle(s));
    CU_ASSERT_EQUAL_FATAL(talk_new(s, &opening, &talk), 0);
    CU_ASSERT_FALSE(scscf_is_idle(s));
    talk_invite_over(talk, 486);
    CU_ASSERT_FALSE(scscf_is_idle(s)); /* the disk works on it */
    sim_run(T.sim, SEC);
    CU_ASSERT(scscf_is_idle(s));
    teardown(s);
}

static void of_two_halves_that_do_not_both_fit_none_stays_open(void)
{
    const struct call_opening orig = {.role = CDR_ORIGINATING, .session_id = SPAN("c")};
    const struct call_opening term = {.role = CDR_TERMINATING, .session_id = SPAN("c")};
    struct talk_opening opening = {.call_id = SPAN("c"),
                                   .half = {[CDR_ORIGINATING] = &orig, [CDR_TERMINATING] = &term}};
    struct talk *talk = NULL;
    struct scscf *s = NULL;

    setup();
    T.options.calls = 1;
    CU_ASSERT_EQUAL_FATAL(scscf_new(&T.env, &T.options, &s), 0);
    CU_ASSERT_EQUAL(talk_new(s, &opening, &talk), -ENOSPC);
    CU_ASSERT_PTR_NULL(talk);
    sim_run(T.sim, SEC);
    CU_ASSERT(scscf_is_idle(s));
    /* One that fits is taken. */
    opening.half[CDR_TERMINATING] = NULL;
    CU_ASSERT_EQUAL(talk_new(s, &opening, &talk), 0);
    talk_invite_over(talk, 486);
    teardown(s);
}

static void every_event_has_a_name_of_its_own(void)
{
    for (int a = SCSCF_CALL_STARTED; a <= SCSCF_CALL_ORPHANED; a++) {
        const char *name = scscf_event_name((enum scscf_event)a);

        CU_ASSERT_PTR_NOT_NULL_FATAL(name);
        CU_ASSERT(name[0] != '\0');
        for (int b = SCSCF_CALL_STARTED; b < a; b++)
            CU_ASSERT_STRING_NOT_EQUAL(name, scscf_event_name((enum scscf_event)b));
    }
}

TEST_MAIN("scscf/core/core",
          {"without a home domain there is no server", without_a_home_domain_there_is_no_server},
          {"a port that is taken is told, and nothing stays behind",
           a_port_that_is_taken_is_told_and_nothing_stays_behind},
          {"names are the server's own", names_are_the_servers_own},
          {"home is each of the domains and nothing around them",
           home_is_each_of_the_domains_and_nothing_around_them},
          {"routes name the port that is open", routes_name_the_port_that_is_open},
          {"realm and Service-Route may be chosen", realm_and_service_route_may_be_chosen},
          {"a call makes the server busy until its record is written",
           a_call_makes_the_server_busy_until_its_record_is_written},
          {"of two halves that do not both fit none stays open",
           of_two_halves_that_do_not_both_fit_none_stays_open},
          {"every event has a name of its own", every_event_has_a_name_of_its_own})
