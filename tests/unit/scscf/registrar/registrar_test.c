/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/loop/sim.h"
#include "scscf/registrar/registrar.h"
#include "tests/support/suite.h"

#define IMPI  "001010000000001@ims.example"
#define IMPU  "sip:alice@ims.example"
#define REALM "ims.example"

/* ---- one registrar with an AKA user and a digest user, and a phone that answers challenges ---- */

static struct {
    struct sim *sim;
    struct loop *loop;
    struct auth *auth;
    struct subscribers *subscribers;
    struct registrar *registrar;
    struct registrar_options options;
    struct aka_key key;
    char extra[REGISTRAR_EXTRA_MAX + 1];
    unsigned cseq;
    enum registrar_event last_event;
    unsigned events;
} T;

static void added(void *ctx, const struct subscribers_error *error)
{
    (void)ctx;
    CU_ASSERT_EQUAL_FATAL(error->code, 0);
}

static void on_event(void *ctx, enum registrar_event event, struct span impi, struct span detail)
{
    (void)ctx;
    (void)impi;
    (void)detail;
    T.last_event = event;
    T.events++;
}

static void key_fill(void)
{
    for (unsigned i = 0; i < AKA_KEY_LEN; i++) {
        T.key.k[i] = (uint8_t)(0x10 + i);
        T.key.opc[i] = (uint8_t)(0xa0 + i);
    }
    T.key.amf[0] = 0x80;
    T.key.amf[1] = 0;
}

static void add_subscriber(const struct subscriber_spec *spec)
{
    struct subscribers_error error = {0};

    CU_ASSERT_EQUAL_FATAL(subscribers_add(T.subscribers, spec, added, NULL, &error), 0);
    sim_run(T.sim, SEC);
}

static void setup(void)
{
    struct subscribers_config config = {.path = ":memory:"};
    struct registrar_env env;

    memset(&T, 0, sizeof(T));
    key_fill();
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(7, &T.sim), 0);
    T.loop = sim_loop(T.sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(T.sim), &T.auth), 0);
    config.auth = T.auth;
    config.rnd = sim_rnd(T.sim);
    CU_ASSERT_EQUAL_FATAL(subscribers_new(T.loop, &config, &T.subscribers, NULL), 0);
    add_subscriber(&(struct subscriber_spec){
        .impi = SPAN(IMPI),
        .impu = {SPAN(IMPU), SPAN("tel:+4930100"), SPAN("sip:hidden@ims.example")},
        .n_impu = 3,
        .barred_impu = SPAN("sip:hidden@ims.example"),
        .display_name = SPAN("Alice"),
        .k = SPAN("101112131415161718191a1b1c1d1e1f"),
        .opc = SPAN("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")});
    add_subscriber(&(struct subscriber_spec){.impi = SPAN("bob@ims.example"),
                                             .impu = {SPAN("sip:bob@ims.example")},
                                             .n_impu = 1,
                                             .password = SPAN("secret")});
    T.options = registrar_options_default;
    T.options.realm = REALM;
    T.options.service_route = "sip:orig@192.0.2.20:6060;lr";
    env = (struct registrar_env){.loop = T.loop,
                                 .rnd = sim_rnd(T.sim),
                                 .auth = T.auth,
                                 .subscribers = T.subscribers,
                                 .on_event = on_event};
    CU_ASSERT_EQUAL_FATAL(registrar_new(&env, &T.options, &T.registrar), 0);
}

static void teardown(void)
{
    registrar_free(T.registrar);
    subscribers_free(T.subscribers);
    auth_free(T.auth);
    sim_free(T.sim);
}

/* What a REGISTER says; the rest is always the same. */
struct say {
    const char *to;      /* NULL = IMPU */
    const char *contact; /* NULL = sip:alice@192.0.2.77:5062; "" = none */
    const char *lines;   /* further lines; NULL = Expires: 3600 */
    const char *authorization;
    const char *call_id; /* NULL = c */
    unsigned cseq;       /* 0 = the next */
};

static unsigned send_register(const struct say *s)
{
    char text[8192];
    struct buf b = BUF_ON(text), extra = {T.extra, 0, sizeof(T.extra) - 1, false};
    struct registrar_answer answer = {0};
    struct sip_reject reject;
    struct sip_msg *m = NULL;
    const char *to = s->to ? s->to : IMPU;

    buf_fmt(&b,
            "REGISTER sip:" REALM " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKx\r\n"
            "From: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n"
            "Max-Forwards: 69\r\nPath: <sip:term@192.0.2.10:5070;lr>\r\nRequire: path\r\n%s",
            to, to, s->call_id ? s->call_id : "c", s->cseq ? s->cseq : ++T.cseq,
            s->lines ? s->lines : "Expires: 3600\r\n");
    if (!s->contact || *s->contact)
        buf_fmt(&b, "Contact: %s\r\n", s->contact ? s->contact : "<sip:alice@192.0.2.77:5062>");
    if (s->authorization)
        buf_fmt(&b, "Authorization: %s\r\n", s->authorization);
    buf_puts(&b, "Content-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    registrar_register(T.registrar, m, &extra, &answer);
    CU_ASSERT_FALSE(extra.overflow);
    T.extra[extra.n] = '\0';
    sip_msg_unref(m);
    return answer.status;
}

static bool extra_has(const char *text)
{
    bool has = strstr(T.extra, text) != NULL;

    if (!has)
        printf("\nno \"%s\" in:\n%s", text, T.extra);
    return has;
}

/* name="value" or name=value of the WWW-Authenticate in the last answer. */
static const char *param(const char *name, char *dst, size_t cap)
{
    char *line = strstr(T.extra, "WWW-Authenticate: ");
    struct sip_auth a;
    struct span v;

    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    line += strlen("WWW-Authenticate: ");
    CU_ASSERT_EQUAL_FATAL(sip_auth_parse(span_of(line, strcspn(line, "\r")), &a), 0);
    v = sip_auth_get(&a, span_str(name));
    if (!v.p)
        return NULL;
    CU_ASSERT_EQUAL_FATAL(span_copy(v, dst, cap), 0);
    return dst;
}

struct reply {
    const char *impi, *password; /* password NULL: AKA */
    const char *integrity;       /* NULL: none */
    const char *nonce;           /* NULL: of the last answer */
    unsigned nc;                 /* 0: no qop */
    bool wrong;
};

/* Authorization for the challenge in the last answer. */
static const char *answer_challenge(const struct reply *r, char *dst, size_t cap)
{
    struct digest_fields f = {0};
    struct digest_ha1 ha1;
    struct milenage_keys keys;
    struct buf b = {dst, 0, cap - 1, false};
    char nonce[80], hex[DIGEST_HEX_LEN], nc[9];
    uint8_t raw[64];
    size_t n;
    struct span password = span_str(r->password);
    const char *impi = r->impi ? r->impi : IMPI;

    if (r->nonce)
        snprintf(nonce, sizeof(nonce), "%s", r->nonce);
    else
        CU_ASSERT_PTR_NOT_NULL_FATAL(param("nonce", nonce, sizeof(nonce)));
    if (!r->password) {
        CU_ASSERT_EQUAL_FATAL(base64_decode(span_str(nonce), raw, sizeof(raw), &n), 0);
        CU_ASSERT_EQUAL_FATAL(milenage_f2345(T.auth, &T.key, raw, &keys), 0);
        keys.res[0] ^= r->wrong;
        password = span_of(keys.res, sizeof(keys.res));
    }
    snprintf(nc, sizeof(nc), "%08x", r->nc);
    f = (struct digest_fields){.username = span_str(impi),
                               .realm = SPAN(REALM),
                               .nonce = span_str(nonce),
                               .uri = SPAN("sip:" REALM),
                               .algorithm = span_str(r->password ? "MD5" : "AKAv1-MD5")};
    if (r->nc) {
        f.qop = SPAN("auth");
        f.nc = span_str(nc);
        f.cnonce = SPAN("abcdef");
    }
    CU_ASSERT_EQUAL_FATAL(digest_ha1_make(T.auth, f.username, f.realm, password, &ha1), 0);
    CU_ASSERT_EQUAL_FATAL(digest_response(T.auth, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    buf_fmt(&b,
            "Digest username=\"%s\",realm=\"" REALM "\",nonce=\"%s\",uri=\"sip:" REALM
            "\",response=\"%.*s\",algorithm=%s",
            impi, nonce, DIGEST_HEX_LEN, hex, r->password ? "MD5" : "AKAv1-MD5");
    if (r->nc)
        buf_fmt(&b, ",qop=auth,nc=%s,cnonce=\"abcdef\"", nc);
    if (r->integrity)
        buf_fmt(&b, ",integrity-protected=\"%s\"", r->integrity);
    dst[b.n] = '\0';
    return dst;
}

#define FIRST                                                                                      \
    "Digest username=\"" IMPI "\",realm=\"" REALM "\",nonce=\"\",uri=\"sip:" REALM                 \
    "\",response=\"\",integrity-protected=\"no\""

/* Challenge and right answer, with these further lines. */
static unsigned do_register(const char *contact, const char *lines)
{
    char a[1024];

    CU_ASSERT_EQUAL_FATAL(
        send_register(&(struct say){.contact = contact, .lines = lines, .authorization = FIRST}),
        401);
    return send_register(&(struct say){
        .contact = contact,
        .lines = lines,
        .authorization =
            answer_challenge(&(struct reply){.integrity = "yes", .nc = 1}, a, sizeof(a))});
}

/* ---- authentication --------------------------------------------------------------------------- */

static void an_aka_user_registers(void)
{
    char v[80];
    struct registrar_contact c[2];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    CU_ASSERT_STRING_EQUAL(param("algorithm", v, sizeof(v)), "AKAv1-MD5");
    CU_ASSERT_STRING_EQUAL(param("realm", v, sizeof(v)), REALM);
    CU_ASSERT_EQUAL(strlen(param("ck", v, sizeof(v))), 32);
    CU_ASSERT_EQUAL(strlen(param("ik", v, sizeof(v))), 32);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT(extra_has("Path: <sip:term@192.0.2.10:5070;lr>\r\n"));
    CU_ASSERT(extra_has("Contact: <sip:alice@192.0.2.77:5062>;expires=3600\r\n"));
    CU_ASSERT(extra_has("Service-Route: <sip:orig@192.0.2.20:6060;lr>\r\n"));
    CU_ASSERT(extra_has("P-Associated-URI: \"Alice\" <sip:alice@ims.example>, <tel:+4930100>\r\n"));
    CU_ASSERT_EQUAL(registrar_contacts(T.registrar, SPAN(IMPI), c, 2), 1);
    ASSERT_SPAN_EQ(c[0].uri, "sip:alice@192.0.2.77:5062");
    ASSERT_SPAN_EQ(c[0].path, "<sip:term@192.0.2.10:5070;lr>");
    CU_ASSERT_EQUAL(T.last_event, REGISTRAR_REGISTERED);
    CU_ASSERT_EQUAL(registrar_challenges(T.registrar), 1); /* the first, unanswered */
    teardown();
}

static void keys_of_the_challenge_are_those_of_the_card(void)
{
    struct milenage_keys keys;
    char v[80], hex[33];
    struct buf b = BUF_ON(hex);
    uint8_t raw[64];
    size_t n;

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    CU_ASSERT_EQUAL_FATAL(
        base64_decode(span_str(param("nonce", v, sizeof(v))), raw, sizeof(raw), &n), 0);
    CU_ASSERT_EQUAL(n, 32);
    CU_ASSERT_EQUAL_FATAL(milenage_f2345(T.auth, &T.key, raw, &keys), 0);
    buf_hex(&b, keys.ik, sizeof(keys.ik));
    ASSERT_SPAN_EQ(buf_span(&b), param("ik", v, sizeof(v)));
    b.n = 0;
    buf_hex(&b, keys.ck, sizeof(keys.ck));
    ASSERT_SPAN_EQ(buf_span(&b), param("ck", v, sizeof(v)));
    teardown();
}

static void a_digest_user_registers(void)
{
    char a[1024], v[80];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.to = "sip:bob@ims.example"}), 401);
    CU_ASSERT_STRING_EQUAL(param("algorithm", v, sizeof(v)), "MD5");
    CU_ASSERT_PTR_NULL(param("ck", v, sizeof(v)));
    answer_challenge(&(struct reply){.impi = "bob@ims.example", .password = "secret", .nc = 1}, a,
                     sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.to = "sip:bob@ims.example", .authorization = a}),
                    200);
    CU_ASSERT(extra_has("Authentication-Info: qop=auth,rspauth=\""));
    /* The same nonce again with the same count is a replay. */
    CU_ASSERT_EQUAL(send_register(&(struct say){.to = "sip:bob@ims.example", .authorization = a}),
                    401);
    CU_ASSERT(extra_has("stale=TRUE"));
    teardown();
}

static void a_digest_nonce_serves_again_with_the_next_count(void)
{
    char a[1024], nonce[80];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.to = "sip:bob@ims.example"}), 401);
    param("nonce", nonce, sizeof(nonce));
    for (unsigned nc = 1; nc < 4; nc++) {
        answer_challenge(
            &(struct reply){
                .impi = "bob@ims.example", .password = "secret", .nonce = nonce, .nc = nc},
            a, sizeof(a));
        CU_ASSERT_EQUAL(
            send_register(&(struct say){.to = "sip:bob@ims.example", .authorization = a}), 200);
    }
    teardown();
}

static void a_wrong_response_is_refused_and_costs_the_challenge(void)
{
    char a[1024], right[1024];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    answer_challenge(&(struct reply){.nc = 1}, right, sizeof(right));
    answer_challenge(&(struct reply){.nc = 1, .wrong = true}, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 403);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->refused_response, 1);
    CU_ASSERT_EQUAL(registrar_users(T.registrar), 0);
    /* No second guess at the same nonce. */
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = right}), 401);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    teardown();
}

static void a_failed_authentication_leaves_a_registration_alone(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    answer_challenge(&(struct reply){.nc = 1, .wrong = true}, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 403);
    CU_ASSERT(registrar_is_registered(T.registrar, SPAN(IMPI)));
    teardown();
}

static void a_stranger_cannot_take_a_challenge_away(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    answer_challenge(&(struct reply){.nc = 1}, a, sizeof(a));
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST, .call_id = "evil"}),
                        401);
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 200);
    teardown();
}

static void challenges_of_one_user_are_bounded(void)
{
    setup();
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
        sim_run(T.sim, 100 * MSEC); /* the store writes sequence numbers meanwhile */
    }
    CU_ASSERT_EQUAL(registrar_challenges(T.registrar), 8);
    sim_run(T.sim, 241 * SEC); /* reg-await-auth */
    CU_ASSERT_EQUAL(registrar_challenges(T.registrar), 0);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->unanswered, 8);
    teardown();
}

static void an_answer_after_reg_await_auth_is_challenged_again(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    answer_challenge(&(struct reply){.nc = 1}, a, sizeof(a));
    sim_run(T.sim, 241 * SEC);
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 401);
    teardown();
}

static void make_auts(uint64_t sqn_ms, char *dst, size_t cap)
{
    struct milenage_keys keys;
    uint8_t raw[64], sqn[AKA_SQN_LEN], mac_a[AKA_MAC_LEN], auts[AKA_AUTS_LEN];
    static const uint8_t amf_star[AKA_AMF_LEN] = {0, 0};
    struct buf b = {dst, 0, cap - 1, false};
    char nonce[80];
    size_t n;

    param("nonce", nonce, sizeof(nonce));
    CU_ASSERT_EQUAL_FATAL(base64_decode(span_str(nonce), raw, sizeof(raw), &n), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        sqn[i] = (uint8_t)(sqn_ms >> 8 * (AKA_SQN_LEN - 1 - i));
    CU_ASSERT_EQUAL_FATAL(milenage_f2345(T.auth, &T.key, raw, &keys), 0);
    CU_ASSERT_EQUAL_FATAL(
        milenage_f1(T.auth, &T.key, raw, sqn, amf_star, mac_a, auts + AKA_SQN_LEN), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        auts[i] = sqn[i] ^ keys.ak_star[i];
    buf_fmt(&b,
            "Digest username=\"" IMPI "\",realm=\"" REALM "\",nonce=\"%s\",uri=\"sip:" REALM
            "\",response=\"\",algorithm=AKAv1-MD5,integrity-protected=\"no\",auts=\"",
            nonce);
    base64_encode(&b, auts, sizeof(auts));
    buf_putc(&b, '"');
    dst[b.n] = '\0';
}

/* SQN of the challenge in the last answer. */
static uint64_t sqn_of_challenge(void)
{
    struct milenage_keys keys;
    char nonce[80];
    uint8_t raw[64];
    uint64_t sqn = 0;
    size_t n;

    param("nonce", nonce, sizeof(nonce));
    CU_ASSERT_EQUAL_FATAL(base64_decode(span_str(nonce), raw, sizeof(raw), &n), 0);
    CU_ASSERT_EQUAL_FATAL(milenage_f2345(T.auth, &T.key, raw, &keys), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        sqn = sqn << 8 | (raw[16 + i] ^ keys.ak[i]);
    return sqn;
}

static void auts_moves_the_sequence_number_and_challenges_again(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    make_auts(UINT64_C(1) << 30, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 401);
    CU_ASSERT(sqn_of_challenge() > UINT64_C(1) << 30);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->resynchronised, 1);
    /* Once more the same: that challenge is gone, nothing moves. */
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 401);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->resynchronised, 1);
    answer_challenge(&(struct reply){.nc = 1}, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 200);
    teardown();
}

static void wrong_or_endless_auts_is_refused(void)
{
    char a[1024], *mac;

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    make_auts(UINT64_C(1) << 30, a, sizeof(a));
    mac = strstr(a, "auts=\"") + 16;
    *mac = *mac == 'A' ? 'B' : 'A';
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 403);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->refused_auts, 1);
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    for (unsigned i = 0; i < 2; i++) {
        make_auts((UINT64_C(1) << 31) + (i << 20), a, sizeof(a));
        CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 401);
    }
    make_auts(UINT64_C(1) << 33, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 403);
    teardown();
}

static void a_phone_that_refuses_the_network_gets_403(void)
{
    char a[1024], nonce[80];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    snprintf(a, sizeof(a),
             "Digest username=\"" IMPI "\",realm=\"" REALM "\",nonce=\"%s\",uri=\"sip:" REALM
             "\",response=\"\",algorithm=AKAv1-MD5",
             param("nonce", nonce, sizeof(nonce)));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 403);
    CU_ASSERT_EQUAL(registrar_counters(T.registrar)->refused_network, 1);
    CU_ASSERT_EQUAL(registrar_users(T.registrar), 0);
    teardown();
}

static void a_protected_refresh_is_not_challenged_unless_told_to(void)
{
    char yes[512];

    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    snprintf(yes, sizeof(yes),
             "Digest username=\"" IMPI "\",realm=\"" REALM "\",nonce=\"\",uri=\"sip:" REALM
             "\",response=\"\",integrity-protected=\"yes\"");
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = yes}), 200);
    CU_ASSERT_EQUAL(T.last_event, REGISTRAR_REFRESHED);
    /* Unprotected: always. */
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = FIRST}), 401);
    teardown();

    setup();
    registrar_free(T.registrar);
    T.options.rechallenge = REGISTRAR_ALWAYS;
    CU_ASSERT_EQUAL_FATAL(registrar_new(&(struct registrar_env){.loop = T.loop,
                                                                .rnd = sim_rnd(T.sim),
                                                                .auth = T.auth,
                                                                .subscribers = T.subscribers,
                                                                .on_event = on_event},
                                        &T.options, &T.registrar),
                          0);
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = yes}), 401);
    teardown();
}

static void protection_alone_does_not_register(void)
{
    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){
                        .authorization = "Digest username=\"" IMPI "\",realm=\"" REALM
                                         "\",nonce=\"\",uri=\"sip:" REALM
                                         "\",response=\"\",integrity-protected=\"yes\""}),
                    401);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    teardown();
}

static void an_answer_of_another_user_is_not_taken(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(send_register(&(struct say){.to = "sip:bob@ims.example"}), 401);
    /* Bob's nonce and password under Alice's name. */
    answer_challenge(&(struct reply){.impi = IMPI, .password = "secret", .nc = 1}, a, sizeof(a));
    CU_ASSERT_EQUAL(send_register(&(struct say){.authorization = a}), 401);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    teardown();
}

/* ---- identities and form ---------------------------------------------------------------------- */

static void what_cannot_be_registered_is_refused(void)
{
    static const struct {
        struct say say;
        unsigned status;
        const char *has;
    } rows[] = {
        {{.to = "sip:nobody@ims.example"}, 403, "Warning: 399"},
        {{.to = "sip:bob@ims.example", .authorization = FIRST}, 403, "Warning: 399"},
        {{.authorization = "Digest realm=\"x\""}, 400, "username"},
        {{.authorization = "Digest username=\"a\",username=\"b\""}, 400, "twice"},
        {{.authorization = "Digest ===="}, 400, "malformed"},
        {{.lines = "Expires: 59\r\n", .authorization = FIRST}, 423, "Min-Expires: 60\r\n"},
        {{.contact = "<sip:a@192.0.2.77>;expires=1", .authorization = FIRST}, 423, "Min-Expires"},
        {{.contact = "*", .authorization = FIRST}, 400, "Contact"},
        {{.contact = "*, <sip:a@192.0.2.1>", .lines = "Expires: 0\r\n", .authorization = FIRST},
         400,
         "Contact"},
        {{.contact = "<tel:+49301>", .authorization = FIRST}, 400, "Contact"},
        {{.lines = "Require: gruu\r\n", .authorization = FIRST}, 420, "Unsupported: gruu\r\n"},
        {{.lines = "Path: <sip:192.0.2.9>\r\n", .authorization = FIRST}, 400, "Path"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        setup();
        CU_ASSERT_EQUAL(send_register(&rows[i].say), rows[i].status);
        CU_ASSERT(extra_has(rows[i].has));
        CU_ASSERT_EQUAL(registrar_challenges(T.registrar), 0);
        teardown();
    }
}

static void a_barred_identity_registers_the_set(void)
{
    char a[1024];

    setup();
    CU_ASSERT_EQUAL(
        send_register(&(struct say){.to = "sip:hidden@ims.example", .authorization = FIRST}), 401);
    answer_challenge(&(struct reply){.nc = 1}, a, sizeof(a));
    CU_ASSERT_EQUAL(
        send_register(&(struct say){.to = "sip:hidden@ims.example", .authorization = a}), 200);
    CU_ASSERT_PTR_NULL(strstr(T.extra, "hidden"));
    teardown();
}

/* ---- bindings --------------------------------------------------------------------------------- */

static void the_granted_expiry_is_clamped(void)
{
    setup();
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 9999999\r\n"), 200);
    CU_ASSERT(extra_has(";expires=600000\r\n"));
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.77:5062>;expires=120", "Expires: 7000\r\n"),
                    200);
    CU_ASSERT(extra_has(";expires=120\r\n"));
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: soon\r\n"), 200);
    CU_ASSERT(extra_has(";expires=3600\r\n"));
    teardown();
}

static void a_registration_runs_out(void)
{
    setup();
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 100\r\n"), 200);
    sim_run(T.sim, 99 * SEC);
    CU_ASSERT(registrar_is_registered(T.registrar, SPAN(IMPI)));
    sim_run(T.sim, 2 * SEC);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    CU_ASSERT_EQUAL(T.last_event, REGISTRAR_EXPIRED);
    sim_run(T.sim, 241 * SEC);
    CU_ASSERT_EQUAL(registrar_users(T.registrar), 0);
    CU_ASSERT_EQUAL(registrar_count(T.registrar), 0);
    teardown();
}

static void a_refresh_keeps_it(void)
{
    setup();
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 100\r\n"), 200);
    sim_run(T.sim, 60 * SEC);
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 100\r\n"), 200);
    sim_run(T.sim, 60 * SEC);
    CU_ASSERT(registrar_is_registered(T.registrar, SPAN(IMPI)));
    CU_ASSERT_EQUAL(registrar_count(T.registrar), 1);
    teardown();
}

static void expires_0_and_star_deregister(void)
{
    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 0\r\n"), 200);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    CU_ASSERT(extra_has("Contact: <sip:alice@192.0.2.77:5062>;expires=0\r\n"));
    CU_ASSERT_PTR_NULL(strstr(T.extra, "Service-Route"));
    CU_ASSERT_EQUAL(T.last_event, REGISTRAR_DEREGISTERED);
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(do_register("*", "Expires: 0\r\n"), 200);
    CU_ASSERT_FALSE(registrar_is_registered(T.registrar, SPAN(IMPI)));
    /* Once more: nothing to remove is no error. */
    CU_ASSERT_EQUAL(do_register(NULL, "Expires: 0\r\n"), 200);
    teardown();
}

static void a_new_contact_replaces_the_old_one(void)
{
    struct registrar_contact c[4];

    setup();
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.77:5062>", NULL), 200);
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.78:5062>;+sip.instance=\"<urn:x:1>\"", NULL),
                    200);
    CU_ASSERT_EQUAL(registrar_contacts(T.registrar, SPAN(IMPI), c, 4), 1);
    ASSERT_SPAN_EQ(c[0].uri, "sip:alice@192.0.2.78:5062");
    CU_ASSERT(extra_has(";+sip.instance=\"<urn:x:1>\";expires=3600\r\n"));
    teardown();
}

static void the_same_instance_at_another_port_is_the_same_phone(void)
{
    struct registrar_contact c[4];

    setup();
    registrar_free(T.registrar);
    T.options.contacts = 3;
    CU_ASSERT_EQUAL_FATAL(registrar_new(&(struct registrar_env){.loop = T.loop,
                                                                .rnd = sim_rnd(T.sim),
                                                                .auth = T.auth,
                                                                .subscribers = T.subscribers},
                                        &T.options, &T.registrar),
                          0);
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.77:5062>;+sip.instance=\"<urn:x:1>\"", NULL),
                    200);
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.77:6000>;+sip.instance=\"<urn:x:1>\"", NULL),
                    200);
    CU_ASSERT_EQUAL(do_register("<sip:alice@192.0.2.99:5062>;q=0.5", NULL), 200);
    CU_ASSERT_EQUAL(registrar_contacts(T.registrar, SPAN(IMPI), c, 4), 2);
    ASSERT_SPAN_EQ(c[0].uri, "sip:alice@192.0.2.99:5062");
    CU_ASSERT_EQUAL(c[0].q, 500);
    ASSERT_SPAN_EQ(c[1].uri, "sip:alice@192.0.2.77:6000");
    CU_ASSERT_EQUAL(c[1].q, 1000);
    teardown();
}

static void an_old_cseq_changes_nothing(void)
{
    char yes[] = "Digest username=\"" IMPI "\",realm=\"" REALM "\",nonce=\"\",uri=\"sip:" REALM
                 "\",response=\"\",integrity-protected=\"yes\"";

    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(
        send_register(&(struct say){.authorization = yes, .cseq = 1, .lines = "Expires: 0\r\n"}),
        500);
    CU_ASSERT(registrar_is_registered(T.registrar, SPAN(IMPI)));
    teardown();
}

static void without_contact_the_bindings_are_told(void)
{
    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    sim_run(T.sim, 600 * SEC);
    CU_ASSERT_EQUAL(do_register("", NULL), 200);
    CU_ASSERT(extra_has("Contact: <sip:alice@192.0.2.77:5062>;expires=3000\r\n"));
    teardown();
}

static bool count_view(const struct registrar_view *v, void *ctx)
{
    (void)v;
    return ++*(unsigned *)ctx < 10;
}

static void registrations_are_listed_page_by_page(void)
{
    unsigned n = 0;

    setup();
    CU_ASSERT_EQUAL(do_register(NULL, NULL), 200);
    CU_ASSERT_EQUAL(registrar_each(T.registrar, SPAN_NONE, count_view, &n), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(registrar_each(T.registrar, SPAN(IMPI), count_view, &n), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(registrar_each(T.registrar, SPAN("nobody"), count_view, &n), -ENOENT);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT(registrar_remove(T.registrar, SPAN(IMPI)));
    CU_ASSERT_FALSE(registrar_remove(T.registrar, SPAN(IMPI)));
    teardown();
}

TEST_MAIN("scscf/registrar", {"an AKA user registers", an_aka_user_registers},
          {"ck and ik of the challenge are those of the card",
           keys_of_the_challenge_are_those_of_the_card},
          {"a digest user registers", a_digest_user_registers},
          {"a digest nonce serves again with the next count",
           a_digest_nonce_serves_again_with_the_next_count},
          {"a wrong response is refused and costs the challenge",
           a_wrong_response_is_refused_and_costs_the_challenge},
          {"a failed authentication leaves a registration alone",
           a_failed_authentication_leaves_a_registration_alone},
          {"a stranger cannot take a challenge away", a_stranger_cannot_take_a_challenge_away},
          {"challenges of one user are bounded", challenges_of_one_user_are_bounded},
          {"an answer after reg-await-auth is challenged again",
           an_answer_after_reg_await_auth_is_challenged_again},
          {"AUTS moves the sequence number and challenges again",
           auts_moves_the_sequence_number_and_challenges_again},
          {"wrong or endless AUTS is refused", wrong_or_endless_auts_is_refused},
          {"a phone that refuses the network gets 403", a_phone_that_refuses_the_network_gets_403},
          {"a protected refresh is not challenged unless told to",
           a_protected_refresh_is_not_challenged_unless_told_to},
          {"protection alone does not register", protection_alone_does_not_register},
          {"an answer of another user is not taken", an_answer_of_another_user_is_not_taken},
          {"what cannot be registered is refused", what_cannot_be_registered_is_refused},
          {"a barred identity registers the set and is not told",
           a_barred_identity_registers_the_set},
          {"the granted expiry is clamped", the_granted_expiry_is_clamped},
          {"a registration runs out", a_registration_runs_out},
          {"a refresh keeps it", a_refresh_keeps_it},
          {"Expires: 0 and * deregister", expires_0_and_star_deregister},
          {"a new contact replaces the old one", a_new_contact_replaces_the_old_one},
          {"the same instance at another port is the same phone",
           the_same_instance_at_another_port_is_the_same_phone},
          {"an old CSeq changes nothing", an_old_cseq_changes_nothing},
          {"without Contact the bindings are told", without_contact_the_bindings_are_told},
          {"registrations are listed page by page", registrations_are_listed_page_by_page}, )
