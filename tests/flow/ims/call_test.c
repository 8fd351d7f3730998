/* SPDX-License-Identifier: GPL-2.0-or-later */
/* P-CSCF and S-CSCF together on one wire: what each says must be what the other understands.
 * Alice's phone has a card and IPsec (the kernel's part is the fake), Bob's has a password and
 * none. Media stay out of it. */
#include <stdio.h>
#include <stdlib.h>

#include "pcscf/core/core.h"
#include "pcscf/ipsec/fake.h"
#include "scscf/core/core.h"
#include "tests/support/disk.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define REALM "ims.example"
#define IMPI  "001010000000001@" REALM
#define ALICE "sip:alice@" REALM
#define BOB   "sip:bob@" REALM
#define OFFER                                                                                      \
    "v=0\no=- 1 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\nm=audio 49152 RTP/AVP 0\n"

static struct {
    struct sim *sim;
    struct wire *wire;
    struct loop *p_loop, *s_loop;
    struct net *p_net, *s_net;
    struct ipsec_fake *fake;
    struct ipsec ipsec;
    struct core *pcscf;
    struct auth *auth;
    struct subscribers *subscribers;
    struct disk disk;
    struct charging_spool *spool;
    struct scscf *scscf;
    struct addr gm, ps, mw, s;
    struct peer clear, uc, us; /* alice */
    struct peer bob;
    struct aka_key key;
    unsigned cseq;
} T;

static void run(unsigned ms)
{
    sim_run(T.sim, ms * MSEC);
}

static struct addr address(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

/* ---- the two servers -------------------------------------------------------------------------- */

static void open_pcscf(void)
{
    struct core_options o = {
        .gm = T.gm,
        .mw = T.mw,
        .port_ps = 5062,
        .port_pc = 5063,
        .n_pc = 4,
        .phone_timers = SIP_TIMERS_UE,
        .transport = sip_transport_options_default,
        .layer = sip_layer_options_default,
        .phones = 10,
        .access = {.rate = 1000, .burst = 1000, .sources = 100, .message_max = 65535},
        .registration = {.pending = 240,
                         .slack = 30,
                         .linger = 128,
                         .visited = SPAN(REALM),
                         .core = SPAN("sip:192.0.2.20:6060")},
        .session = {.legs = 10, .on_route_mismatch = SESSION_REJECT},
        .ioi = REALM,
    };
    struct core_env env;
    char what[80];

    T.p_loop = sim_loop(T.sim, "pcscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(T.wire, T.p_loop, &T.p_net), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_new(T.p_loop, &T.fake), 0);
    T.ipsec = ipsec_fake_port(T.fake);
    o.registration.algorithms =
        secagree_policy_default(false, ipsec_health(&T.ipsec)->algs, ipsec_health(&T.ipsec)->ealgs);
    env = (struct core_env){
        .loop = T.p_loop, .net = T.p_net, .rnd = sim_rnd(T.sim), .ipsec = &T.ipsec};
    CU_ASSERT_EQUAL_FATAL(core_new(&env, &o, &T.pcscf, what), 0);
}

static void added(void *ctx, const struct subscribers_error *error)
{
    (void)ctx;
    CU_ASSERT_EQUAL_FATAL(error->code, 0);
}

static void open_subscribers(void)
{
    struct subscribers_config config = {.path = ":memory:", .auth = T.auth, .rnd = sim_rnd(T.sim)};
    struct subscriber_spec alice = {.impi = SPAN(IMPI),
                                    .impu = {SPAN(ALICE), SPAN("tel:+4930100")},
                                    .n_impu = 2,
                                    .k = SPAN("101112131415161718191a1b1c1d1e1f"),
                                    .opc = SPAN("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")};
    struct subscriber_spec bob = {
        .impi = SPAN("bob@" REALM), .impu = {SPAN(BOB)}, .n_impu = 1, .password = SPAN("secret")};

    for (unsigned i = 0; i < AKA_KEY_LEN; i++) {
        T.key.k[i] = (uint8_t)(0x10 + i);
        T.key.opc[i] = (uint8_t)(0xa0 + i);
    }
    T.key.amf[0] = 0x80;
    CU_ASSERT_EQUAL_FATAL(subscribers_new(T.s_loop, &config, &T.subscribers, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(subscribers_add(T.subscribers, &alice, added, NULL, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(subscribers_add(T.subscribers, &bob, added, NULL, NULL), 0);
    run(100);
}

static void open_scscf(void)
{
    static const struct span domains[] = {{REALM, sizeof(REALM) - 1}};
    struct charging_spool_config spool = {.dir = "/cdr", .name = "scscf", .disk = &T.disk.port};
    struct scscf_options o = scscf_options_default;
    struct scscf_env env;

    T.s_loop = sim_loop(T.sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(T.wire, T.s_loop, &T.s_net), 0);
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(T.sim), &T.auth), 0);
    open_subscribers();
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(T.s_loop, &spool, &T.spool, NULL), 0);
    o.local = T.s;
    o.domains = domains;
    o.n_domains = 1;
    o.registrar = registrar_options_default;
    o.transport = sip_transport_options_default;
    o.layer = sip_layer_options_default;
    env = (struct scscf_env){.loop = T.s_loop,
                             .net = T.s_net,
                             .rnd = sim_rnd(T.sim),
                             .auth = T.auth,
                             .subscribers = T.subscribers,
                             .spool = T.spool};
    CU_ASSERT_EQUAL_FATAL(scscf_new(&env, &o, &T.scscf), 0);
}

static void open_all(void)
{
    memset(&T, 0, sizeof(T));
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(5, &T.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(T.sim, &T.wire), 0);
    T.gm = address("192.0.2.10:5060");
    T.ps = address("192.0.2.10:5062");
    T.mw = address("192.0.2.11:5070");
    T.s = address("192.0.2.20:6060");
    disk_init(&T.disk);
    open_pcscf();
    open_scscf();
    peer_open(&T.clear, T.sim, T.wire, "alice", "192.0.2.7:5060");
    peer_open(&T.uc, T.sim, T.wire, "alice", "192.0.2.7:31000");
    peer_open(&T.us, T.sim, T.wire, "alice", "192.0.2.7:31001");
    peer_open(&T.bob, T.sim, T.wire, "bob", "192.0.2.9:5060");
}

static void close_all(void)
{
    core_free(T.pcscf);
    scscf_close_calls(T.scscf);
    charging_spool_free(T.spool);
    scscf_free(T.scscf);
    subscribers_free(T.subscribers);
    auth_free(T.auth);
    peer_close(&T.clear);
    peer_close(&T.uc);
    peer_close(&T.us);
    peer_close(&T.bob);
    ipsec_fake_free(T.fake);
    net_free(T.p_net);
    net_free(T.s_net);
    wire_free(T.wire);
    sim_free(T.sim);
    disk_fini(&T.disk);
}

static bool is(const char *m, const char *start)
{
    bool same = m && strncmp(m, start, strlen(start)) == 0;

    if (!same)
        printf("\nnot %s but: %s", start, m ? m : "nothing");
    return same;
}

/* ---- registering ------------------------------------------------------------------------------ */

/* Parameters of Authorization for a 401; password NULL: alice's card. */
static const char *response_to(const char *challenge, const char *user, const char *password)
{
    static char text[1024];
    struct buf b = {text, 0, sizeof(text) - 1, false};
    const char *value = peer_header(challenge, "WWW-Authenticate", 0);
    struct digest_fields f = {.username = span_str(user),
                              .realm = SPAN(REALM),
                              .uri = SPAN("sip:" REALM),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("abc")};
    struct span secret = span_str(password);
    struct milenage_keys keys;
    struct digest_ha1 ha1;
    struct sip_auth a;
    char hex[DIGEST_HEX_LEN];
    uint8_t raw[64];
    size_t n;

    CU_ASSERT_EQUAL_FATAL(sip_auth_parse(span_str(value), &a), 0);
    f.nonce = sip_auth_get(&a, SPAN("nonce"));
    f.algorithm = sip_auth_get(&a, SPAN("algorithm"));
    if (!password) {
        CU_ASSERT_EQUAL_FATAL(base64_decode(f.nonce, raw, sizeof(raw), &n), 0);
        CU_ASSERT_EQUAL_FATAL(milenage_f2345(T.auth, &T.key, raw, &keys), 0);
        secret = span_of(keys.res, sizeof(keys.res));
    }
    CU_ASSERT_EQUAL_FATAL(digest_ha1_make(T.auth, f.username, f.realm, secret, &ha1), 0);
    CU_ASSERT_EQUAL_FATAL(digest_response(T.auth, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    buf_fmt(&b,
            "nonce=\"%.*s\",response=\"%.*s\",algorithm=%.*s,qop=auth,nc=00000001,cnonce=\"abc\"",
            SPAN_ARG(f.nonce), DIGEST_HEX_LEN, hex, SPAN_ARG(f.algorithm));
    text[b.n] = '\0';
    return text;
}

static void say_register(struct peer *from, const struct addr *to, const char *user,
                         const char *impi, const char *contact, const char *auth, const char *lines)
{
    char via[ADDR_TEXT_MAX];

    addr_text(from == &T.uc ? &T.us.local : &from->local, via);
    T.cseq++;
    peer_say(from, to,
             "REGISTER sip:" REALM " SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%u\n"
             "From: <sip:%s@" REALM ">;tag=f\nTo: <sip:%s@" REALM ">\nCall-ID: reg-%s\n"
             "CSeq: %u REGISTER\nMax-Forwards: 70\nContact: <sip:%s@%s>\n"
             "Authorization: Digest username=\"%s\",realm=\"" REALM "\",uri=\"sip:" REALM
             "\",%s\n%s",
             via, T.cseq, user, user, user, T.cseq, user, contact, impi, auth, lines);
    run(50);
}

#define SECURITY_CLIENT                                                                            \
    "ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;prot=esp;mod=trans;spi-c=1000;spi-s=1001;"          \
    "port-c=31000;port-s=31001"
#define NEED "Require: sec-agree\nProxy-Require: sec-agree\nSecurity-Client: " SECURITY_CLIENT "\n"

static char security_server[2048]; /* as alice was sent it */

static void alice_registers(const char *expires)
{
    char lines[2304];
    const char *m;

    /* unprotected, 401 with the server's part of the agreement */
    say_register(&T.clear, &T.gm, "alice", IMPI, "192.0.2.7:31001", "nonce=\"\",response=\"\"",
                 NEED "Expires: 3600\n");
    if (peer_take(&T.us, "OPTIONS", NULL)) /* restarted, it cannot hear that over its old set */
        run(8000);
    m = peer_take(&T.clear, "SIP/2.0 401", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 401"));
    CU_ASSERT_PTR_NULL(strstr(m, "ck="));
    CU_ASSERT_PTR_NULL(strstr(m, "ik="));
    snprintf(security_server, sizeof(security_server), "%s", peer_header(m, "Security-Server", 0));
    snprintf(lines, sizeof(lines), NEED "Security-Verify: %s\nExpires: %s\n", security_server,
             expires);
    /* over the SA, 200 */
    say_register(&T.uc, &T.ps, "alice", IMPI, "192.0.2.7:31001", response_to(m, IMPI, NULL), lines);
    m = peer_take(&T.us, "SIP/2.0 200", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    CU_ASSERT_EQUAL(strstr(m, "P-Associated-URI: <" ALICE ">") != NULL, *expires != '0');
}

static void bob_registers(void)
{
    const char *m;

    say_register(&T.bob, &T.gm, "bob", "bob@" REALM, "192.0.2.9:5060", "nonce=\"\",response=\"\"",
                 "Expires: 3600\n");
    m = peer_take(&T.bob, "SIP/2.0 401", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 401"));
    say_register(&T.bob, &T.gm, "bob", "bob@" REALM, "192.0.2.9:5060",
                 response_to(m, "bob@" REALM, "secret"), "Expires: 3600\n");
    m = peer_take(&T.bob, "SIP/2.0 200", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Service-Route", 0), "<sip:orig@192.0.2.20:6060;lr>");
}

/* ---- calling ---------------------------------------------------------------------------------- */

/* The route set of a message: its Record-Route values, reversed for who called. */
static const char *route_set(const char *m, bool reversed)
{
    static char text[1024];
    char *value[16], *copy, *at;
    char joined[1024] = "";
    unsigned n = 0;

    for (unsigned i = 0; *peer_header(m, "Record-Route", i); i++) {
        strncat(joined, *joined ? "," : "", sizeof(joined) - strlen(joined) - 1);
        strncat(joined, peer_header(m, "Record-Route", i), sizeof(joined) - strlen(joined) - 1);
    }
    copy = joined;
    while (n < 16 && (at = strtok(n ? NULL : copy, ",")))
        value[n++] = at + strspn(at, " ");
    text[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        strncat(text, i ? ", " : "", sizeof(text) - strlen(text) - 1);
        strncat(text, value[reversed ? n - 1 - i : i], sizeof(text) - strlen(text) - 1);
    }
    return text;
}

static char invite[PEER_TEXT_MAX], ok[PEER_TEXT_MAX];

static bool alice_calls_bob(void)
{
    const char *m;

    peer_say(&T.uc, &T.ps,
             "INVITE " BOB " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKi\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">\nCall-ID: call\nCSeq: 1 INVITE\n"
             "Max-Forwards: 70\nContact: <sip:alice@192.0.2.7:31001>\n"
             "P-Preferred-Identity: <" ALICE ">\nRequire: sec-agree\nProxy-Require: sec-agree\n"
             "Security-Verify: %s\n\n" OFFER,
             security_server);
    run(100);
    m = peer_take(&T.bob, "INVITE", NULL);
    if (m)
        snprintf(invite, sizeof(invite), "%s", m);
    return m != NULL;
}

static void alice_acknowledges(void)
{
    peer_say(&T.uc, &T.ps,
             "ACK sip:bob@192.0.2.9:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKa\nRoute: %s\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=b\nCall-ID: call\nCSeq: 1 ACK\n"
             "Max-Forwards: 70\n",
             route_set(ok, true));
}

static void alice_says_bye(void)
{
    peer_say(&T.uc, &T.ps,
             "BYE sip:bob@192.0.2.9:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bKb\nRoute: %s\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=b\nCall-ID: call\nCSeq: 2 BYE\n"
             "Max-Forwards: 70\n",
             route_set(ok, true));
}

static void call_is_answered(void)
{
    const char *m;

    CU_ASSERT_FATAL(alice_calls_bob());
    peer_answer(&T.bob, &T.gm, invite, "180 Ringing", "b", "", NULL);
    run(50);
    CU_ASSERT(is(peer_take(&T.us, "SIP/2.0 180", NULL), "SIP/2.0 180"));
    peer_answer(&T.bob, &T.gm, invite, "200 OK", "b", "Contact: <sip:bob@192.0.2.9:5060>\n", OFFER);
    run(50);
    m = peer_take(&T.us, "SIP/2.0 200", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    snprintf(ok, sizeof(ok), "%s", m);
    alice_acknowledges();
    run(50);
    CU_ASSERT_FATAL(is(peer_take(&T.bob, "ACK", NULL), "ACK"));
}

static size_t records(void)
{
    struct charging_spool_stats stats;

    charging_spool_stats_get(T.spool, &stats);
    return stats.written;
}

static void two_phones_register_call_and_hang_up(void)
{
    const char *m;

    open_all();
    alice_registers("3600");
    bob_registers();
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(T.scscf)), 2);
    call_is_answered();
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "P-Asserted-Identity", 0), "<" ALICE ">");
    CU_ASSERT_FALSE(peer_has_header(invite, "P-Charging-Vector"));
    CU_ASSERT(is(invite, "INVITE sip:bob@192.0.2.9:5060"));
    CU_ASSERT_EQUAL(session_legs(core_session(T.pcscf)), 2);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->answered, 2);
    run(5000);
    /* alice hangs up */
    alice_says_bye();
    run(50);
    m = peer_take(&T.bob, "BYE", NULL);
    CU_ASSERT_FATAL(is(m, "BYE"));
    peer_answer(&T.bob, &T.gm, m, "200 OK", "b", "", NULL);
    run(100);
    CU_ASSERT(is(peer_take(&T.us, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    CU_ASSERT_EQUAL(records(), 2);
    run(300 * 1000);
    CU_ASSERT(scscf_is_idle(T.scscf));
    CU_ASSERT_EQUAL(session_legs(core_session(T.pcscf)), 0);
    close_all();
}

static void the_callee_without_ipsec_hangs_up(void)
{
    const char *m;

    open_all();
    alice_registers("3600");
    bob_registers();
    call_is_answered();
    peer_say(&T.bob, &T.gm,
             "BYE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKbb\nRoute: %s\n"
             "From: <" BOB ">;tag=b\nTo: <" ALICE ">;tag=a\nCall-ID: call\nCSeq: 1 BYE\n"
             "Max-Forwards: 70\n",
             route_set(invite, false));
    run(100);
    m = peer_take(&T.us, "BYE", NULL);
    CU_ASSERT_FATAL(is(m, "BYE sip:alice@192.0.2.7:31001"));
    run(100);
    CU_ASSERT_EQUAL(records(), 2);
    close_all();
}

/* Phones and servers repeat what is lost (RFC 3261 17, 13.3.1.4): the call is there once, and so are its records. */
static void a_call_comes_through_a_bad_wire(void)
{
    static const struct wire_conditions bad = {
        .delay = 5 * MSEC, .jitter = 10 * MSEC, .loss = 250, .duplicate = 200, .reorder = 200};
    bool invited = false, answered = false, acked = false, over = false;
    const char *m;

    open_all();
    alice_registers("3600");
    bob_registers();
    wire_set(T.wire, &bad);
    for (unsigned i = 0; i < 20 && !acked; i++) {
        if (!answered) /* again, until alice hears of it */
            invited = alice_calls_bob() || invited;
        if (invited)
            peer_answer(&T.bob, &T.gm, invite, "200 OK", "b", "Contact: <sip:bob@192.0.2.9:5060>\n",
                        OFFER);
        run(1000);
        if ((m = peer_take(&T.us, "SIP/2.0 200", NULL))) {
            answered = true;
            snprintf(ok, sizeof(ok), "%s", m);
            alice_acknowledges();
            run(100);
        }
        acked = peer_take(&T.bob, "ACK", NULL) != NULL;
    }
    CU_ASSERT(acked);
    for (unsigned i = 0; i < 20 && !over; i++) {
        alice_says_bye();
        run(1000);
        while ((m = peer_take(&T.bob, "BYE", NULL)))
            peer_answer(&T.bob, &T.gm, m, "200 OK", "b", "", NULL);
        run(1000);
        while (!over && (m = peer_take(&T.us, "SIP/2.0 200", NULL)))
            over = strstr(peer_header(m, "CSeq", 0), "BYE") != NULL;
    }
    CU_ASSERT(over);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->opened, 2);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->answered, 2);
    CU_ASSERT_EQUAL(records(), 2);
    run(300 * 1000);
    CU_ASSERT(scscf_is_idle(T.scscf));
    CU_ASSERT_EQUAL(session_legs(core_session(T.pcscf)), 0);
    close_all();
}

static void a_registered_phone_registers_again_and_goes(void)
{
    const char *m;

    open_all();
    alice_registers("3600");
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(T.scscf)), 1);
    /* over the SA, with the nonce of the last challenge: no new challenge */
    alice_registers("1800");
    CU_ASSERT_EQUAL(registrar_counters(scscf_registrar(T.scscf))->refreshed, 1);
    alice_registers("0");
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(T.scscf)), 0);
    /* who is not registered calls nobody */
    bob_registers();
    CU_ASSERT_FALSE(alice_calls_bob());
    m = peer_take(&T.us, "SIP/2.0 403", NULL);
    if (!m)
        m = peer_take(&T.uc, "SIP/2.0 403", NULL);
    CU_ASSERT(is(m, "SIP/2.0 403"));
    close_all();
}

static void a_wrong_password_is_refused_through_both(void)
{
    const char *m;

    open_all();
    say_register(&T.bob, &T.gm, "bob", "bob@" REALM, "192.0.2.9:5060", "nonce=\"\",response=\"\"",
                 "Expires: 3600\n");
    m = peer_take(&T.bob, "SIP/2.0 401", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 401"));
    say_register(&T.bob, &T.gm, "bob", "bob@" REALM, "192.0.2.9:5060",
                 response_to(m, "bob@" REALM, "guess"), "Expires: 3600\n");
    CU_ASSERT(is(peer_take(&T.bob, "SIP/2.0 403", NULL), "SIP/2.0 403"));
    CU_ASSERT_EQUAL(registrar_count(scscf_registrar(T.scscf)), 0);
    close_all();
}

/* ---- whatever phones make of a dialog ----------------------------------------------------------- */

static void alice_in_dialog(const char *method, unsigned cseq, const char *lines)
{
    peer_say(&T.uc, &T.ps,
             "%s sip:bob@192.0.2.9:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.7:31001;branch=z9hG4bK%s%u\nRoute: %s\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=b\nCall-ID: call\nCSeq: %u %s\n"
             "Max-Forwards: 70\n%s",
             method, method, cseq, route_set(ok, true), cseq, method, lines);
    run(50);
}

static bool bob_refuses(const char *method, const char *status)
{
    const char *m = peer_take(&T.bob, method, NULL);

    if (m)
        peer_answer(&T.bob, &T.gm, m, status, "b", "", NULL);
    run(200);
    return m != NULL;
}

static void bob_rings(const char *tag)
{
    const char *m;

    peer_answer(&T.bob, &T.gm, invite, "180 Ringing", tag, "Contact: <sip:bob@192.0.2.9:5060>\n",
                NULL);
    run(50);
    m = peer_take(&T.us, "SIP/2.0 180", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 180"));
    snprintf(ok, sizeof(ok), "%s", m);
}

static void count_live(const struct session_view *v, void *ctx)
{
    *(unsigned *)ctx += !v->ended;
}

static void media_and_charging_end_together(void)
{
    unsigned live = 0;

    open_all();
    alice_registers("3600");
    bob_registers();
    call_is_answered();
    run(2000);
    alice_in_dialog("INFO", 2, "");
    CU_ASSERT(bob_refuses("INFO", "481 Call Does Not Exist"));
    CU_ASSERT_EQUAL(records(), 2);
    session_each(core_session(T.pcscf), count_live, &live);
    CU_ASSERT_EQUAL(live, 0);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&T.us, "BYE", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&T.bob, "BYE", NULL));
    run(300 * 1000);
    CU_ASSERT(scscf_is_idle(T.scscf));
    CU_ASSERT_EQUAL(session_legs(core_session(T.pcscf)), 0);
    close_all();
}

/* Bob answers, alice hangs up a minute later. */
static void the_call_is_charged_to_its_end(void)
{
    const char *m;

    peer_answer(&T.bob, &T.gm, invite, "200 OK", "b", "Contact: <sip:bob@192.0.2.9:5060>\n", OFFER);
    run(50);
    while ((m = peer_take(&T.us, "SIP/2.0 200", NULL)) &&
           strcmp(peer_header(m, "CSeq", 0), "1 INVITE") != 0)
        ;
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    snprintf(ok, sizeof(ok), "%s", m);
    alice_acknowledges();
    run(60 * 1000);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&T.bob, "ACK", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->alive, 2);
    alice_in_dialog("BYE", 9, "");
    CU_ASSERT(bob_refuses("BYE", "200 OK"));
    CU_ASSERT_EQUAL(records(), 2);
    run(300 * 1000);
    CU_ASSERT(scscf_is_idle(T.scscf));
    CU_ASSERT_EQUAL(session_legs(core_session(T.pcscf)), 0);
    close_all();
}

static void a_call_whose_prack_was_refused_is_charged(void)
{
    open_all();
    alice_registers("3600");
    bob_registers();
    CU_ASSERT_FATAL(alice_calls_bob());
    bob_rings("b");
    alice_in_dialog("PRACK", 2, "RAck: 1 1 INVITE\n");
    CU_ASSERT(bob_refuses("PRACK", "481 No Such RSeq"));
    the_call_is_charged_to_its_end();
}

static void a_callee_who_hangs_up_before_it_answers_changes_nothing(void)
{
    open_all();
    alice_registers("3600");
    bob_registers();
    CU_ASSERT_FATAL(alice_calls_bob());
    bob_rings("c");
    bob_rings("b");
    peer_say(&T.bob, &T.gm,
             "BYE sip:alice@192.0.2.7:31001 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKbb\nRoute: %s\n"
             "From: <" BOB ">;tag=b\nTo: <" ALICE ">;tag=a\nCall-ID: call\nCSeq: 1 BYE\n"
             "Max-Forwards: 70\n",
             route_set(invite, false));
    run(50);
    CU_ASSERT(is(peer_take(&T.bob, "SIP/2.0", NULL), "SIP/2.0 403"));
    CU_ASSERT_PTR_NULL(peer_take(&T.us, "BYE", NULL));
    the_call_is_charged_to_its_end();
}

/* Bob's phone is shown every Via of the INVITE; with them a stranger answers in the name of the core. */
static void nobody_answers_with_the_branches_bob_is_shown(void)
{
    struct peer stranger;
    char text[PEER_TEXT_MAX];
    struct buf b = BUF_ON(text);
    unsigned n = 0;

    open_all();
    peer_open(&stranger, T.sim, T.wire, "stranger", "192.0.2.66:5099");
    alice_registers("36000");
    bob_registers();
    CU_ASSERT_FATAL(alice_calls_bob());
    while (*peer_header(invite, "Via", n))
        n++;
    CU_ASSERT_FATAL(n >= 4);
    for (unsigned first = 0; first + 1 < n; first++) { /* as if to each of the hops */
        const struct addr *const to[] = {&T.gm, &T.ps, &T.mw, &T.s};

        b.n = 0;
        buf_puts(&b, "SIP/2.0 200 OK\n");
        for (unsigned i = first; i < n; i++)
            buf_fmt(&b, "Via: %s\n", peer_header(invite, "Via", i));
        buf_fmt(&b, "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=forged\nCall-ID: call\n"
                    "CSeq: 1 INVITE\nContact: <sip:bob@192.0.2.66:5099>\n"
                    "P-Asserted-Identity: <sip:bank@" REALM ">\n"
                    "Record-Route: <sip:192.0.2.66:5099;lr>\n\n" OFFER);
        CU_ASSERT_FALSE_FATAL(b.overflow);
        b.p[b.n] = '\0';
        for (unsigned i = 0; i < ARRAY_LEN(to); i++)
            peer_say(&stranger, to[i], "%s", text);
        run(100);
    }
    CU_ASSERT_PTR_NULL(peer_take(&T.us, "SIP/2.0 2", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->answered, 0);
    CU_ASSERT_EQUAL(stranger.n, 0);
    /* One P-CSCF has two branches, each with three wrong ways to it; the S-CSCF has one with one. */
    CU_ASSERT_EQUAL(sip_layer_counters(core_layer(T.pcscf))->false_answers, 6);
    CU_ASSERT_EQUAL(sip_layer_counters(scscf_layer(T.scscf))->false_answers, 1);
    peer_answer(&T.bob, &T.gm, invite, "200 OK", "b", "Contact: <sip:bob@192.0.2.9:5060>\n", OFFER);
    run(100);
    CU_ASSERT(is(peer_take(&T.us, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(T.scscf))->answered, 2);
    peer_close(&stranger);
    close_all();
}

TEST_MAIN("flow/ims/call",
          {"two phones register, call and hang up", two_phones_register_call_and_hang_up},
          {"the callee without IPsec hangs up", the_callee_without_ipsec_hangs_up},
          {"a call comes through a bad wire", a_call_comes_through_a_bad_wire},
          {"a registered phone registers again and goes",
           a_registered_phone_registers_again_and_goes},
          {"a wrong password is refused through both", a_wrong_password_is_refused_through_both},
          {"media and charging end together", media_and_charging_end_together},
          {"a call whose PRACK was refused is charged", a_call_whose_prack_was_refused_is_charged},
          {"a callee who hangs up before it answers changes nothing",
           a_callee_who_hangs_up_before_it_answers_changes_nothing},
          {"nobody answers with the branches Bob is shown",
           nobody_answers_with_the_branches_bob_is_shown}, )
