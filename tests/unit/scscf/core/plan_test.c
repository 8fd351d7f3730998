/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which halves an initial request runs and where they lead, without a wire: subscribers and registrar are real, of
 * the S-CSCF there is only what a plan looks at. */
#include <stdio.h>

#include "common/loop/sim.h"
#include "scscf/core/inner.h"
#include "tests/support/suite.h"

#define REALM "ims.example"
#define ORIG  "Route: <sip:orig@192.0.2.20:6060;lr>\r\n"
#define ALICE "P-Asserted-Identity: <sip:alice@" REALM ">\r\n"

static const struct span domains[] = {{REALM, sizeof(REALM) - 1}};

static struct {
    struct sim *sim;
    struct loop *loop;
    struct auth *auth;
    struct subscribers *subscribers;
    struct scscf s;
    unsigned cseq;
    /* of the last plan; lives until the next */
    struct sip_msg *m;
    struct plan p;
    struct refusal r;
} T;

/* ---- subscribers ------------------------------------------------------------------------------ */

static void added(void *ctx, const struct subscribers_error *error)
{
    (void)ctx;
    CU_ASSERT_EQUAL_FATAL(error->code, 0);
}

static void add(const struct subscriber_spec *spec)
{
    struct subscribers_error error = {0};

    CU_ASSERT_EQUAL_FATAL(subscribers_add(T.subscribers, spec, added, NULL, &error), 0);
    sim_run(T.sim, SEC);
}

static void add_all(void)
{
    add(&(struct subscriber_spec){.impi = SPAN("alice@" REALM),
                                  .impu = {SPAN("sip:alice@" REALM), SPAN("tel:+4930100")},
                                  .n_impu = 2,
                                  .media = SPAN("audio,video"),
                                  .password = SPAN("secret")});
    add(&(struct subscriber_spec){.impi = SPAN("bob@" REALM),
                                  .impu = {SPAN("sip:bob@" REALM), SPAN("tel:+4930201"),
                                           SPAN("tel:+4930200"), SPAN("sip:hidden@" REALM)},
                                  .n_impu = 4,
                                  .media = SPAN("audio,text"),
                                  .barred_impu = SPAN("tel:+4930201,sip:hidden@" REALM),
                                  .password = SPAN("secret")});
    add(&(struct subscriber_spec){.impi = SPAN("dumb@" REALM), /* may not call */
                                  .impu = {SPAN("sip:dumb@" REALM)},
                                  .n_impu = 1,
                                  .barred = SPAN("out"),
                                  .password = SPAN("secret")});
    add(&(struct subscriber_spec){.impi = SPAN("deaf@" REALM), /* may not be called */
                                  .impu = {SPAN("sip:deaf@" REALM)},
                                  .n_impu = 1,
                                  .barred = SPAN("in"),
                                  .password = SPAN("secret")});
    add(&(struct subscriber_spec){.impi = SPAN("away@" REALM), /* never registers */
                                  .impu = {SPAN("sip:away@" REALM)},
                                  .n_impu = 1,
                                  .media = SPAN("audio"),
                                  .password = SPAN("secret")});
}

/* ---- registering ------------------------------------------------------------------------------ */

static unsigned send_register(const char *name, const char *contact, const char *lines, char *extra,
                              size_t cap)
{
    char text[4096];
    struct buf b = BUF_ON(text), out = {extra, 0, cap - 1, false};
    struct registrar_answer answer = {0};
    struct sip_reject reject;
    struct sip_msg *m = NULL;

    buf_fmt(&b,
            "REGISTER sip:" REALM " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKx\r\n"
            "From: <sip:%s@" REALM ">;tag=1\r\nTo: <sip:%s@" REALM ">\r\nCall-ID: r%s\r\n"
            "CSeq: %u REGISTER\r\nMax-Forwards: 69\r\nPath: <sip:term@192.0.2.10:5070;lr>\r\n"
            "Require: path\r\nExpires: 3600\r\nContact: %s\r\n%sContent-Length: 0\r\n\r\n",
            name, name, name, ++T.cseq, contact, lines);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    registrar_register(T.s.registrar, m, &out, &answer);
    extra[out.n] = '\0';
    sip_msg_unref(m);
    return answer.status;
}

static void enrol(const char *name, const char *contact)
{
    char extra[4096], lines[1024], impi[64], hex[DIGEST_HEX_LEN];
    struct digest_fields f = {.realm = SPAN(REALM),
                              .uri = SPAN("sip:" REALM),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("abc"),
                              .algorithm = SPAN("MD5")};
    struct digest_ha1 ha1;
    struct sip_auth a;
    const char *line;

    CU_ASSERT_EQUAL_FATAL(send_register(name, contact, "", extra, sizeof(extra)), 401);
    line = strstr(extra, "WWW-Authenticate: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    line += strlen("WWW-Authenticate: ");
    CU_ASSERT_EQUAL_FATAL(sip_auth_parse(span_of(line, strcspn(line, "\r")), &a), 0);
    snprintf(impi, sizeof(impi), "%s@" REALM, name);
    f.username = span_str(impi);
    f.nonce = sip_auth_get(&a, SPAN("nonce"));
    CU_ASSERT_EQUAL_FATAL(digest_ha1_make(T.auth, f.username, f.realm, SPAN("secret"), &ha1), 0);
    CU_ASSERT_EQUAL_FATAL(digest_response(T.auth, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    snprintf(lines, sizeof(lines),
             "Authorization: Digest username=\"%s\",realm=\"" REALM
             "\",nonce=\"%.*s\",uri=\"sip:" REALM
             "\",response=\"%.*s\",algorithm=MD5,qop=auth,nc=00000001,cnonce=\"abc\"\r\n",
             impi, SPAN_ARG(f.nonce), DIGEST_HEX_LEN, hex);
    CU_ASSERT_EQUAL_FATAL(send_register(name, contact, lines, extra, sizeof(extra)), 200);
}

/* ---- the world -------------------------------------------------------------------------------- */

static void setup(void)
{
    struct subscribers_config config = {.path = ":memory:"};
    struct registrar_options options = registrar_options_default;
    struct registrar_env env;

    memset(&T, 0, sizeof(T));
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(7, &T.sim), 0);
    T.loop = sim_loop(T.sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(T.sim), &T.auth), 0);
    config.auth = T.auth;
    config.rnd = sim_rnd(T.sim);
    CU_ASSERT_EQUAL_FATAL(subscribers_new(T.loop, &config, &T.subscribers, NULL), 0);
    add_all();
    options.realm = REALM;
    options.service_route = "sip:orig@192.0.2.20:6060;lr";
    options.contacts = 3;
    env = (struct registrar_env){
        .loop = T.loop, .rnd = sim_rnd(T.sim), .auth = T.auth, .subscribers = T.subscribers};
    CU_ASSERT_EQUAL_FATAL(registrar_new(&env, &options, &T.s.registrar), 0);
    T.s.env.subscribers = T.subscribers;
    T.s.names = (struct sroute_names){.domains = domains, .n_domains = 1};
    CU_ASSERT_EQUAL_FATAL(addr_parse(SPAN("192.0.2.20:6060"), 0, &T.s.names.local), 0);
    enrol("alice", "<sip:alice@192.0.2.101:5062>");
    enrol("bob", "<sip:bob@192.0.2.102:5062>");
    enrol("dumb", "<sip:dumb@192.0.2.103:5062>");
    enrol("deaf", "<sip:deaf@192.0.2.104:5062>");
}

static void teardown(void)
{
    sip_msg_unref(T.m);
    registrar_free(T.s.registrar);
    subscribers_free(T.subscribers);
    auth_free(T.auth);
    sim_free(T.sim);
}

/* Plans a request as hop.c does; offer may be NULL. */
static bool plan_of(const char *method, const char *ruri, const char *lines, const char *offer)
{
    char text[4096];
    struct buf b = BUF_ON(text);
    struct sip_reject reject = {0};

    sip_msg_unref(T.m);
    T.m = NULL;
    buf_fmt(&b,
            "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKx\r\n"
            "From: <sip:whoever@" REALM ">;tag=1\r\nTo: <%s>\r\nCall-ID: c\r\nCSeq: 1 %s\r\n"
            "Max-Forwards: 68\r\n%s",
            method, ruri, ruri, method, lines);
    if (offer)
        buf_fmt(&b, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", strlen(offer),
                offer);
    else
        buf_puts(&b, "Content-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &T.m, &reject), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(T.m);
    T.p = (struct plan){.media = SUBSCRIBER_MEDIA_ALL};
    T.r = (struct refusal){0};
    sroute_entry_read(&T.s.names, T.m, NULL, &T.p.entry);
    return scscf_plan_make(&T.s, T.m, &T.p, &T.r);
}

static bool plans(const char *ruri, const char *lines)
{
    return plan_of("INVITE", ruri, lines, NULL);
}

/* 0: planned. */
static unsigned status_of(const char *ruri, const char *lines)
{
    return plans(ruri, lines) ? 0 : T.r.status;
}

#define HALVES(orig, term)                                                                         \
    do {                                                                                           \
        ASSERT_SPAN_EQ(T.p.caller, orig);                                                          \
        ASSERT_SPAN_EQ(T.p.callee, term);                                                          \
    } while (0)

/* ---- halves ----------------------------------------------------------------------------------- */

static void without_the_service_route_only_the_callee_is_served(void)
{
    setup();
    CU_ASSERT(plans("sip:bob@" REALM, ALICE));
    HALVES("", "bob@" REALM);
    CU_ASSERT_EQUAL(T.s.counters.originating, 0);
    /* Nor is the caller's profile looked at: it is her own S-CSCF's matter. */
    CU_ASSERT_EQUAL(T.p.media, SUBSCRIBER_AUDIO | SUBSCRIBER_TEXT);
    CU_ASSERT_EQUAL(T.p.alias.n, 0);
    teardown();
}

static void a_further_route_keeps_the_terminating_half_away(void)
{
    setup();
    CU_ASSERT(plans("sip:bob@" REALM, "Route: <sip:orig@192.0.2.20:6060;lr>, "
                                      "<sip:as.example;lr>\r\n" ALICE));
    HALVES("alice@" REALM, "");
    CU_ASSERT_EQUAL(T.p.n_contacts, 0);
    CU_ASSERT_EQUAL(T.s.counters.terminating, 0);
    /* Even towards somebody who is not there. */
    CU_ASSERT(plans("sip:nobody@" REALM, "Route: <sip:orig@192.0.2.20:6060;lr>, "
                                         "<sip:as.example;lr>\r\n" ALICE));
    teardown();
}

static void a_number_at_another_network_is_that_networks(void)
{
    setup();
    CU_ASSERT(plans("sip:+4930200@elsewhere.example;user=phone", ORIG ALICE));
    HALVES("alice@" REALM, "");
    CU_ASSERT_EQUAL(status_of("sip:+4930200@elsewhere.example;user=phone", ALICE), 404);
    teardown();
}

static void a_user_part_with_a_plus_is_a_number(void)
{
    setup();
    CU_ASSERT_EQUAL(status_of("sip:+4930200@" REALM, ORIG ALICE), 0);
    HALVES("alice@" REALM, "bob@" REALM);
    CU_ASSERT_EQUAL(status_of("sip:+4930200;phone-context=x@" REALM, ORIG ALICE), 0);
    /* Without it is a name, and no number of ours is local. */
    CU_ASSERT_EQUAL(status_of("sip:4930200@" REALM, ORIG ALICE), 404);
    CU_ASSERT_EQUAL(status_of("sip:4930200@" REALM ";user=phone", ORIG ALICE), 404);
    teardown();
}

/* ---- the caller ------------------------------------------------------------------------------- */

static void who_is_not_asserted_cannot_call(void)
{
    setup();
    CU_ASSERT_EQUAL(status_of("sip:bob@" REALM, ORIG), 403);
    CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_caller);
    HALVES("", "");
    /* What From and P-Preferred-Identity say is nobody's word. */
    CU_ASSERT_EQUAL(
        status_of("sip:bob@" REALM, ORIG "P-Preferred-Identity: <sip:alice@" REALM ">\r\n"), 403);
    teardown();
}

static void each_identity_of_the_caller_is_hers(void)
{
    setup();
    CU_ASSERT(plans("sip:bob@" REALM, ORIG "P-Asserted-Identity: <tel:+49-30-100>\r\n"));
    HALVES("alice@" REALM, "bob@" REALM);
    CU_ASSERT(
        plans("sip:bob@" REALM, ORIG "P-Asserted-Identity: \"A\" <sip:alice@IMS.Example;x=y>\r\n"));
    HALVES("alice@" REALM, "bob@" REALM);
    teardown();
}

static void the_first_asserted_identity_counts(void)
{
    setup();
    CU_ASSERT_EQUAL(
        status_of("sip:bob@" REALM, ORIG "P-Asserted-Identity: <sip:stranger@" REALM ">\r\n" ALICE),
        403);
    CU_ASSERT_EQUAL(
        status_of("sip:bob@" REALM, ORIG ALICE "P-Asserted-Identity: <sip:stranger@" REALM ">\r\n"),
        0);
    teardown();
}

static void who_may_not_call_has_a_half_for_the_record(void)
{
    static const char *const asserted[][2] = {{"dumb", "dumb@" REALM}, {"hidden", "bob@" REALM}};

    setup();
    for (size_t i = 0; i < ARRAY_LEN(asserted); i++) {
        char lines[160];

        snprintf(lines, sizeof(lines), ORIG "P-Asserted-Identity: <sip:%s@" REALM ">\r\n",
                 asserted[i][0]);
        CU_ASSERT_EQUAL(status_of("sip:alice@" REALM, lines), 403);
        CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_barred);
        HALVES(asserted[i][1], "");
    }
    /* Nobody was looked for. */
    CU_ASSERT_EQUAL(T.s.counters.terminating, 0);
    teardown();
}

static void a_user_who_is_gone_cannot_call(void)
{
    setup();
    CU_ASSERT(plans("sip:bob@" REALM, ORIG ALICE));
    CU_ASSERT(registrar_remove(T.s.registrar, SPAN("alice@" REALM)));
    CU_ASSERT_EQUAL(status_of("sip:bob@" REALM, ORIG ALICE), 403);
    HALVES("", "");
    teardown();
}

static void the_callee_is_told_the_other_identity_of_the_caller(void)
{
    static const struct {
        const char *lines, *alias;
    } rows[] = {
        {ORIG ALICE, "tel:+4930100"},
        {ORIG "P-Asserted-Identity: <tel:+4930100>\r\n", "sip:alice@" REALM},
        /* Both are there already, in either order. */
        {ORIG ALICE "P-Asserted-Identity: <tel:+4930100>\r\n", ""},
        {ORIG "P-Asserted-Identity: <tel:+4930100>\r\n" ALICE, ""},
        /* A barred identity is never shown; the next is. */
        {ORIG "P-Asserted-Identity: <sip:bob@" REALM ">\r\n", "tel:+4930200"},
        {ORIG "P-Asserted-Identity: <tel:+4930200>\r\n", "sip:bob@" REALM},
        /* Who has one kind only has no other. */
        {ORIG "P-Asserted-Identity: <sip:deaf@" REALM ">\r\n", ""},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT(plans("sip:alice@" REALM, rows[i].lines));
        ASSERT_SPAN_EQ(T.p.alias, rows[i].alias);
    }
    teardown();
}

/* ---- the callee ------------------------------------------------------------------------------- */

static void every_contact_is_a_target_newest_first(void)
{
    setup();
    enrol("bob", "<sip:bob@192.0.2.112:5062>;q=0.25");
    enrol("bob", "<sip:bob@192.0.2.122:5062;transport=tcp>;q=0.7");
    CU_ASSERT(plans("sip:bob@" REALM, ORIG ALICE));
    CU_ASSERT_EQUAL_FATAL(T.p.n_contacts, 3);
    ASSERT_SPAN_EQ(T.p.contacts[0].uri, "sip:bob@192.0.2.122:5062;transport=tcp");
    ASSERT_SPAN_EQ(T.p.contacts[1].uri, "sip:bob@192.0.2.112:5062");
    ASSERT_SPAN_EQ(T.p.contacts[2].uri, "sip:bob@192.0.2.102:5062");
    CU_ASSERT_EQUAL(T.p.contacts[0].q, 700);
    CU_ASSERT_EQUAL(T.p.contacts[1].q, 250);
    CU_ASSERT_EQUAL(T.p.contacts[2].q, 1000); /* without one */
    for (size_t i = 0; i < T.p.n_contacts; i++)
        ASSERT_SPAN_EQ(T.p.contacts[i].path, "<sip:term@192.0.2.10:5070;lr>");
    teardown();
}

static void a_barred_identity_is_nobody(void)
{
    setup();
    CU_ASSERT_EQUAL(status_of("sip:hidden@" REALM, ORIG ALICE), 404);
    CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_unknown);
    HALVES("alice@" REALM, "");
    CU_ASSERT_EQUAL(status_of("tel:+4930201", ORIG ALICE), 404);
    CU_ASSERT_EQUAL(status_of("tel:+4930200", ORIG ALICE), 0);
    teardown();
}

static void each_reason_not_to_be_called_has_its_status(void)
{
    setup();
    CU_ASSERT_EQUAL(status_of("sip:deaf@" REALM, ORIG ALICE), 603);
    CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_barred);
    HALVES("alice@" REALM, "deaf@" REALM);
    CU_ASSERT_EQUAL(status_of("sip:away@" REALM, ORIG ALICE), 480);
    CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_unregistered);
    HALVES("alice@" REALM, "away@" REALM);
    teardown();
}

static void one_may_call_oneself(void)
{
    setup();
    CU_ASSERT(plans("tel:+4930100", ORIG ALICE));
    HALVES("alice@" REALM, "alice@" REALM);
    CU_ASSERT_EQUAL(T.p.n_contacts, 1);
    teardown();
}

/* ---- media ------------------------------------------------------------------------------------ */

#define OFFER(media)                                                                               \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\nm=" media "\r\n"

static void media_are_those_that_both_may_have(void)
{
    static const struct {
        const char *ruri, *lines, *offer;
        unsigned status;
    } rows[] = {
        {"sip:bob@" REALM, ORIG ALICE, OFFER("audio 4000 RTP/AVP 0"), 0},
        {"sip:bob@" REALM, ORIG ALICE, OFFER("video 4000 RTP/AVP 31"), 488}, /* bob's no */
        {"sip:bob@" REALM, ORIG ALICE, OFFER("text 4000 RTP/AVP 98"), 488},  /* alice's no */
        {"sip:bob@" REALM, ALICE, OFFER("text 4000 RTP/AVP 98"), 0}, /* she is not ours here */
        {"sip:bob@elsewhere.example", ORIG ALICE, OFFER("video 4000 RTP/AVP 31"), 0},
        {"sip:bob@elsewhere.example", ORIG ALICE, OFFER("text 4000 RTP/AVP 98"), 488},
    };

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool planned = plan_of("INVITE", rows[i].ruri, rows[i].lines, rows[i].offer);

        CU_ASSERT_EQUAL(planned ? 0 : T.r.status, rows[i].status);
        if (!planned)
            CU_ASSERT_PTR_EQUAL(T.r.counter, &T.s.counters.refused_media);
    }
    teardown();
}

static void who_is_not_there_is_told_before_media_are_judged(void)
{
    setup();
    CU_ASSERT_FALSE(
        plan_of("INVITE", "sip:away@" REALM, ORIG ALICE, OFFER("video 4000 RTP/AVP 31")));
    CU_ASSERT_EQUAL(T.r.status, 480);
    CU_ASSERT_FALSE(plan_of("INVITE", "sip:nobody@" REALM, ORIG ALICE, "nonsense"));
    CU_ASSERT_EQUAL(T.r.status, 404);
    teardown();
}

/* ---- ourselves -------------------------------------------------------------------------------- */

static void only_options_may_be_meant_for_the_server_itself(void)
{
    static const struct {
        const char *method, *ruri, *lines;
        unsigned status;
    } rows[] = {{"OPTIONS", "sip:192.0.2.20:6060", "", 200},
                {"OPTIONS", "sip:192.0.2.20:6060", ORIG ALICE, 200},
                /* Who asks by the Service-Route must be somebody. */
                {"OPTIONS", "sip:192.0.2.20:6060", ORIG, 403},
                {"OPTIONS", "sip:bob@" REALM, "", 0},
                {"OPTIONS", "sip:bob@elsewhere.example", "", 404},
                {"INVITE", "sip:192.0.2.20:6060", "", 404},
                {"MESSAGE", "sip:192.0.2.20:6060", ORIG ALICE, 404}};

    setup();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool planned = plan_of(rows[i].method, rows[i].ruri, rows[i].lines, NULL);

        CU_ASSERT_EQUAL(planned ? 0 : T.r.status, rows[i].status);
    }
    teardown();
}

/* ---- texts ------------------------------------------------------------------------------------ */

static void a_text_that_does_not_fit_is_none_rather_than_half(void)
{
    struct arena a;

    arena_init(&a, 4096);
    ASSERT_SPAN_EQ(scscf_join(&a, "<", SPAN("sip:alice@" REALM), ">"), "<sip:alice@" REALM ">");
    ASSERT_SPAN_EQ(scscf_join(&a, "", SPAN("x"), ""), "x");
    arena_fini(&a);
    arena_init(&a, 0);
    CU_ASSERT_PTR_NULL(scscf_join(&a, "<", SPAN("sip:alice@" REALM), ">").p);
    arena_fini(&a);
}

TEST_MAIN(
    "scscf/core/plan",
    {"without the Service-Route only the callee is served",
     without_the_service_route_only_the_callee_is_served},
    {"a further Route keeps the terminating half away",
     a_further_route_keeps_the_terminating_half_away},
    {"a number at another network is that network's", a_number_at_another_network_is_that_networks},
    {"a user part with a plus is a number", a_user_part_with_a_plus_is_a_number},
    {"who is not asserted cannot call", who_is_not_asserted_cannot_call},
    {"each identity of the caller is hers", each_identity_of_the_caller_is_hers},
    {"the first asserted identity counts", the_first_asserted_identity_counts},
    {"who may not call has a half for the record", who_may_not_call_has_a_half_for_the_record},
    {"a user who is gone cannot call", a_user_who_is_gone_cannot_call},
    {"the callee is told the other identity of the caller",
     the_callee_is_told_the_other_identity_of_the_caller},
    {"every contact is a target, newest first", every_contact_is_a_target_newest_first},
    {"a barred identity is nobody", a_barred_identity_is_nobody},
    {"each reason not to be called has its status", each_reason_not_to_be_called_has_its_status},
    {"one may call oneself", one_may_call_oneself},
    {"media are those that both may have", media_are_those_that_both_may_have},
    {"who is not there is told before media are judged",
     who_is_not_there_is_told_before_media_are_judged},
    {"only OPTIONS may be meant for the server itself",
     only_options_may_be_meant_for_the_server_itself},
    {"a text that does not fit is none rather than half",
     a_text_that_does_not_fit_is_none_rather_than_half})
