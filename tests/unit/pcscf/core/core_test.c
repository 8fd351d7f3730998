/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which room a message is for, and what is refused before any room sees it; the rooms are real, and say by their events
 * who was asked. */
#include "pcscf/core/core.h"

#include <errno.h>
#include <stdio.h>

#include "common/diameter/sim.h"
#include "pcscf/ipsec/fake.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

static struct {
    struct sim *sim;
    struct wire *wire;
    struct loop *loop;
    struct net *net;
    struct ipsec_fake *kernel;
    struct ipsec ipsec;
    struct diameter_sim *realm;
    struct diameter *diameter;
    struct peer phone, scscf;
    struct addr gm, mw, ps, pc;
    struct core_env env;
    struct core_options options;
    struct core *core;
    unsigned registers[REGISTER_EVENT_COUNT], sessions[SESSION_EVENT_COUNT];
    unsigned bad, strangers;
} h;

static struct addr at(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static void on_register(enum register_event e, const struct binding *b, struct span detail,
                        void *ctx)
{
    (void)b, (void)detail, (void)ctx;
    h.registers[e]++;
}

static void on_session(enum session_event e, const struct session_leg *leg, struct span detail,
                       void *ctx)
{
    (void)leg, (void)detail, (void)ctx;
    h.sessions[e]++;
}

static void on_bad(const struct sip_flow *flow, const struct sip_reject *reject, void *ctx)
{
    (void)flow, (void)reject, (void)ctx;
    h.bad++;
}

static void on_stranger(const struct sip_flow *flow, void *ctx)
{
    (void)flow, (void)ctx;
    h.strangers++;
}

/* All but the P-CSCF itself: a test changes h.env and h.options before core_starts. */
static void setup(void)
{
    memset(&h, 0, sizeof(h));
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(11, &h.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(h.sim, &h.wire), 0);
    h.loop = sim_loop(h.sim, "pcscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(h.wire, h.loop, &h.net), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_new(h.loop, &h.kernel), 0);
    h.ipsec = ipsec_fake_port(h.kernel);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(h.sim, &h.realm), 0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(h.realm, h.loop, "pcscf.ims.test", "ims.test", &h.diameter), 0);
    peer_open(&h.phone, h.sim, h.wire, "phone", "192.0.2.7:5060");
    peer_open(&h.scscf, h.sim, h.wire, "scscf", "192.0.2.20:6060");
    h.gm = at("192.0.2.10:5060");
    h.ps = at("192.0.2.10:5062");
    h.pc = at("192.0.2.10:5063");
    h.mw = at("192.0.2.11:5070");
    h.options = (struct core_options){
        .gm = h.gm,
        .mw = h.mw,
        .port_ps = 5062,
        .port_pc = 5063,
        .n_pc = 4,
        .tcp = true,
        .phone_timers = SIP_TIMERS_UE,
        .transport = sip_transport_options_default,
        .layer = sip_layer_options_default,
        .phones = 10,
        .access = {.rate = 1000, .burst = 1000, .sources = 10, .message_max = 65535},
        .registration = {.require_ipsec = true,
                         .pending = 240,
                         .slack = 30,
                         .linger = 128,
                         .core = SPAN("sip:192.0.2.20:6060"),
                         .algorithms = secagree_policy_default(false, ~0U, ~0U)},
        .session = {.legs = 10, .on_route_mismatch = SESSION_ALLOW},
        .media = {.retry = 500 * MSEC, .timeout = 2 * SEC, .limit = 10},
        .authorize = {.timeout = 2 * SEC, .application = SPAN("ims.voice")},
        .ioi = "ims.test",
    };
    h.env = (struct core_env){.loop = h.loop,
                              .net = h.net,
                              .rnd = sim_rnd(h.sim),
                              .ipsec = &h.ipsec,
                              .on_register = on_register,
                              .on_session = on_session,
                              .on_bad = on_bad,
                              .on_stranger = on_stranger};
}

static void core_starts(void)
{
    char what[80];

    CU_ASSERT_EQUAL_FATAL(core_new(&h.env, &h.options, &h.core, what), 0);
    ASSERT_SPAN_EQ(span_str(what), "");
}

static void teardown(void)
{
    core_free(h.core);
    peer_close(&h.phone);
    peer_close(&h.scscf);
    diameter_free(h.diameter);
    diameter_sim_free(h.realm);
    ipsec_fake_free(h.kernel);
    net_free(h.net);
    wire_free(h.wire);
    sim_free(h.sim);
}

static void run(unsigned milliseconds)
{
    sim_run(h.sim, milliseconds * MSEC);
}

/* A request of this peer's to one of the addresses of the P-CSCF, with these lines of its own. */
static void say(struct peer *p, const struct addr *to, const char *method, const char *uri,
                const char *lines)
{
    static unsigned n;
    char host[ADDR_TEXT_MAX];

    n++;
    peer_say(p, to,
             "%s %s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%u\nFrom: <sip:a@ims.test>;tag=%u\n"
             "To: <sip:b@ims.test>\nCall-ID: %u\nCSeq: 1 %s\n%s%s",
             method, uri, addr_text(&p->local, host), n, n, n, method,
             strstr(lines, "Max-Forwards") ? "" : "Max-Forwards: 70\n", lines);
    run(20);
}

/* The status of the one answer, 0 = none. */
static unsigned status_of_answer(struct peer *p)
{
    const char *m = peer_take(p, "SIP/2.0 ", NULL);
    unsigned status = 0;

    if (m)
        (void)sscanf(m, "SIP/2.0 %u", &status);
    CU_ASSERT_EQUAL(p->n, 0);
    return status;
}

/* ---- starting ------------------------------------------------------------------------------------- */

static void what_cannot_be_opened_is_named(void)
{
    static const struct {
        const char *taken, *what;
    } cases[] = {
        {"192.0.2.10:5060", "gm 192.0.2.10:5060"},
        {"192.0.2.11:5070", "mw 192.0.2.11:5070"},
        {"192.0.2.10:5062", "port_ps 192.0.2.10:5062"},
        {"192.0.2.10:5063", "port_pc 192.0.2.10:5063"},
        {"192.0.2.10:5066", "port_pc 192.0.2.10:5066"},
        {"192.0.2.11:7000", "the client port of the media edge"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer other;
        char what[80];

        setup();
        h.options.media.local = at("192.0.2.11:7000");
        h.options.media.edge = at("192.0.2.35:2223");
        peer_open(&other, h.sim, h.wire, "other", cases[i].taken);
        CU_ASSERT_EQUAL(core_new(&h.env, &h.options, &h.core, what), -EADDRINUSE);
        ASSERT_SPAN_EQ(span_str(what), cases[i].what);
        CU_ASSERT_PTR_NULL(h.core);
        peer_close(&other);
        teardown();
    }
}

static void without_ipsec_there_is_no_protected_port(void)
{
    struct peer other[2];

    setup();
    h.env.ipsec = NULL;
    peer_open(&other[0], h.sim, h.wire, "other", "192.0.2.10:5062");
    peer_open(&other[1], h.sim, h.wire, "other", "192.0.2.10:5063");
    core_starts();
    peer_close(&other[0]);
    peer_close(&other[1]);
    teardown();
}

static void there_is_a_client_of_edge_and_pdp_where_there_is_one(void)
{
    for (unsigned i = 0; i < 4; i++) {
        setup();
        if (i & 1) {
            h.options.media.local = at("192.0.2.11:7000");
            h.options.media.edge = at("192.0.2.35:2223");
        }
        h.env.diameter = i & 2 ? h.diameter : NULL;
        core_starts();
        CU_ASSERT_EQUAL(core_media(h.core) != NULL, (i & 1) != 0);
        CU_ASSERT_EQUAL(core_authorize(h.core) != NULL, (i & 2) != 0);
        teardown();
    }
}

/* ---- before parsing ------------------------------------------------------------------------------- */

static void phones_are_measured_and_the_core_is_not(void)
{
    char large[1200];

    setup();
    h.options.access = (struct access_options){.rate = 1, .burst = 3, .sources = 10, 1000};
    core_starts();
    (void)snprintf(large, sizeof(large), "X: %01000d\n", 0);
    say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", large);
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 0);
    CU_ASSERT_EQUAL(core_counters(h.core)->too_large, 1);
    for (unsigned i = 0; i < 5; i++) {
        say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", "");
        CU_ASSERT_EQUAL(status_of_answer(&h.phone), i < 3 ? 403 : 0);
        say(&h.scscf, &h.mw, "OPTIONS", "sip:b@ims.test", large);
        CU_ASSERT_EQUAL(status_of_answer(&h.scscf), 404);
    }
    CU_ASSERT_EQUAL(core_counters(h.core)->too_large, 1);
    CU_ASSERT_EQUAL(core_counters(h.core)->too_fast, 2);
    teardown();
}

static void only_those_who_are_trusted_may_speak_as_the_core(void)
{
    static struct addr_net allow[1];

    setup();
    CU_ASSERT_EQUAL_FATAL(addr_net_parse(SPAN("192.0.2.20"), &allow[0]), 0);
    h.options.mw_allow = allow;
    h.options.n_mw_allow = 1;
    core_starts();
    say(&h.phone, &h.mw, "OPTIONS", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 0);
    CU_ASSERT_EQUAL(h.strangers, 1);
    say(&h.scscf, &h.mw, "OPTIONS", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.scscf), 404);
    say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
    CU_ASSERT_EQUAL(h.strangers, 1);
    teardown();
}

static void what_nobody_can_read_is_told(void)
{
    setup();
    core_starts();
    say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", "CSeq: 2 OPTIONS\n");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 400);
    CU_ASSERT_EQUAL(h.bad, 1);
    teardown();
}

static void who_does_not_listen_is_told_nothing(void)
{
    static struct addr_net allow[1];

    setup();
    CU_ASSERT_EQUAL_FATAL(addr_net_parse(SPAN("192.0.2.20"), &allow[0]), 0);
    h.options.mw_allow = allow;
    h.options.n_mw_allow = 1;
    h.env.on_register = NULL;
    h.env.on_session = NULL;
    h.env.on_bad = NULL;
    h.env.on_stranger = NULL;
    core_starts();
    say(&h.phone, &h.mw, "OPTIONS", "sip:b@ims.test", "");
    say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", "CSeq: 2 OPTIONS\n");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 400);
    say(&h.phone, &h.gm, "OPTIONS", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
    say(&h.phone, &h.gm, "REGISTER", "sip:ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 421);
    teardown();
}

/* ---- who it is for -------------------------------------------------------------------------------- */

static void at_a_protected_port_nobody_is_somebody_without_an_association(void)
{
    static const struct {
        const char *method, *uri;
    } cases[] = {
        {"REGISTER", "sip:ims.test"},
        {"OPTIONS", "sip:b@ims.test"},
        {"INVITE", "urn:service:sos"},
        {"OPTIONS", "http://ims.test/"}, /* even what nobody may ask */
    };
    unsigned n = 0;

    setup();
    core_starts();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct addr *const ports[] = {&h.ps, &h.pc};

        for (size_t k = 0; k < ARRAY_LEN(ports); k++) {
            say(&h.phone, ports[k], cases[i].method, cases[i].uri, "");
            (void)peer_take(&h.phone, "SIP/2.0 100", NULL);
            CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
            CU_ASSERT_EQUAL(core_counters(h.core)->no_association, ++n);
        }
    }
    CU_ASSERT_EQUAL(h.sessions[SESSION_UNKNOWN_PHONE], 0);
    CU_ASSERT_EQUAL(h.registers[REGISTER_NO_IPSEC], 0);
    say(&h.phone, &h.ps, "ACK", "sip:b@ims.test", "");
    say(&h.phone, &h.gm, "ACK", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 0);
    CU_ASSERT_EQUAL(h.scscf.n, 0);
    teardown();
}

static void in_the_clear_a_register_is_one_rooms_and_all_else_the_others(void)
{
    static const char *const others[] = {"SUBSCRIBE", "PUBLISH", "BYE", "register"};

    setup();
    core_starts();
    say(&h.phone, &h.gm, "REGISTER", "sip:ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 421);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        say(&h.phone, &h.gm, others[i], "sip:ims.test", "");
        CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
        CU_ASSERT_EQUAL(h.sessions[SESSION_UNKNOWN_PHONE], i + 1);
    }
    CU_ASSERT_EQUAL(h.registers[REGISTER_NO_IPSEC], 1);
    teardown();
}

static void from_the_core_a_register_is_a_request_for_a_phone_like_any_other(void)
{
    static const char *const methods[] = {"REGISTER", "MESSAGE"};

    setup();
    core_starts();
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        say(&h.scscf, &h.mw, methods[i], "sip:ims.test", "");
        CU_ASSERT_EQUAL(status_of_answer(&h.scscf), 404);
        say(&h.scscf, &h.mw, methods[i], "sip:ims.test",
            "Route: <sip:b00000000000000ff@192.0.2.11:5070;lr>\n");
        CU_ASSERT_EQUAL(status_of_answer(&h.scscf), 480);
    }
    CU_ASSERT_EQUAL(h.sessions[SESSION_PHONE_GONE], 4);
    CU_ASSERT_EQUAL(h.registers[REGISTER_NO_IPSEC], 0);
    teardown();
}

static void what_no_proxy_forwards_is_refused_on_either_side(void)
{
    static const struct {
        const char *uri, *lines;
        unsigned phone, core; /* 403, 404: it went on to the room */
    } cases[] = {
        {"http://ims.test/", "", 416, 416},
        {"mailto:b@ims.test", "", 416, 416},
        {"tel:+1001", "", 403, 404},
        {"sips:b@ims.test", "", 403, 404},
        {"urn:service:sos", "", 403, 404},
        {"sip:b@ims.test", "Max-Forwards: 0\n", 483, 483},
        {"sip:b@ims.test", "Proxy-Require: privacy\n", 420, 420},
        {"sip:b@ims.test", "Proxy-Require: sec-agree\n", 403, 404},
    };

    setup();
    core_starts();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        say(&h.phone, &h.gm, "MESSAGE", cases[i].uri, cases[i].lines);
        CU_ASSERT_EQUAL(status_of_answer(&h.phone), cases[i].phone);
        say(&h.scscf, &h.mw, "MESSAGE", cases[i].uri, cases[i].lines);
        CU_ASSERT_EQUAL(status_of_answer(&h.scscf), cases[i].core);
    }
    teardown();
}

/* ---- a phone without IPsec ------------------------------------------------------------------------ */

static void phone_is_registered(void)
{
    const char *m;

    setup();
    h.options.registration.require_ipsec = false;
    core_starts();
    say(&h.phone, &h.gm, "REGISTER", "sip:ims.test", "Contact: <sip:a@192.0.2.7>\n");
    m = peer_take(&h.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    peer_answer(&h.scscf, &h.mw, m, "200 OK", "s",
                "Contact: <sip:a@192.0.2.7>;expires=600\n"
                "Service-Route: <sip:orig@192.0.2.20:6060;lr>\n",
                NULL);
    run(20);
    CU_ASSERT_EQUAL_FATAL(status_of_answer(&h.phone), 200);
}

static void behind_one_address_the_via_tells_phones_apart(void)
{
    phone_is_registered();
    say(&h.phone, &h.gm, "MESSAGE", "sip:b@ims.test", "");
    CU_ASSERT_PTR_NOT_NULL(peer_take(&h.scscf, "MESSAGE", NULL));
    peer_say(
        &h.phone, &h.gm,
        "MESSAGE sip:b@ims.test SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKv\n"
        "From: <sip:a@ims.test>;tag=v\nTo: <sip:b@ims.test>\nCall-ID: v\nCSeq: 1 MESSAGE\n"
        "Max-Forwards: 70\n");
    run(20);
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
    CU_ASSERT_PTR_NULL(peer_take(&h.scscf, "MESSAGE", NULL));
    teardown();
}

/* Edge and PDP may take longer than the 200 ms after which RFC 3261 17.2.1 wants one. */
static void a_caller_hears_at_once_that_somebody_is_trying(void)
{
    phone_is_registered();
    CU_ASSERT_FALSE(h.options.layer.trying_at_once);
    say(&h.phone, &h.gm, "INVITE", "sip:b@ims.test", "Contact: <sip:a@192.0.2.7>\n");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 100);
    teardown();
}

static void a_registration_that_ran_out_leaves_nobody(void)
{
    phone_is_registered();
    CU_ASSERT_EQUAL(bindings_count(core_bindings(h.core)), 1);
    run(602 * 1000);
    CU_ASSERT_EQUAL(h.registers[REGISTER_EXPIRED], 1);
    CU_ASSERT_EQUAL(bindings_count(core_bindings(h.core)), 0);
    say(&h.phone, &h.gm, "MESSAGE", "sip:b@ims.test", "");
    CU_ASSERT_EQUAL(status_of_answer(&h.phone), 403);
    teardown();
}

static void it_is_idle_when_nobody_waits_for_anything(void)
{
    setup();
    h.options.registration.require_ipsec = false;
    core_starts();
    CU_ASSERT_TRUE(core_is_idle(h.core));
    say(&h.phone, &h.gm, "REGISTER", "sip:ims.test", "");
    CU_ASSERT_FALSE(core_is_idle(h.core));
    run(300 * 1000); /* the core is silent, then the answer is forgotten */
    CU_ASSERT_EQUAL(h.registers[REGISTER_CORE_SILENT], 1);
    CU_ASSERT_TRUE(core_is_idle(h.core));
    teardown();
}

TEST_MAIN("pcscf/core", {"what cannot be opened is named", what_cannot_be_opened_is_named},
          {"without IPsec there is no protected port", without_ipsec_there_is_no_protected_port},
          {"there is a client of edge and PDP where there is one",
           there_is_a_client_of_edge_and_pdp_where_there_is_one},
          {"phones are measured, and the core is not", phones_are_measured_and_the_core_is_not},
          {"only those who are trusted may speak as the core",
           only_those_who_are_trusted_may_speak_as_the_core},
          {"what nobody can read is told", what_nobody_can_read_is_told},
          {"who does not listen is told nothing", who_does_not_listen_is_told_nothing},
          {"at a protected port, nobody is somebody without an association",
           at_a_protected_port_nobody_is_somebody_without_an_association},
          {"in the clear, a REGISTER is one room's, and all else the other's",
           in_the_clear_a_register_is_one_rooms_and_all_else_the_others},
          {"from the core, a REGISTER is a request for a phone like any other",
           from_the_core_a_register_is_a_request_for_a_phone_like_any_other},
          {"what no proxy forwards is refused on either side",
           what_no_proxy_forwards_is_refused_on_either_side},
          {"behind one address, the Via tells phones apart",
           behind_one_address_the_via_tells_phones_apart},
          {"a caller hears at once that somebody is trying",
           a_caller_hears_at_once_that_somebody_is_trying},
          {"a registration that ran out leaves nobody", a_registration_that_ran_out_leaves_nobody},
          {"it is idle when nobody waits for anything", it_is_idle_when_nobody_waits_for_anything})
