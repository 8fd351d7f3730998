/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/flow/scscf/world.h"

#include <stdio.h>
#include <stdlib.h>

struct world w;
static struct arena records;

/* ---- the world -------------------------------------------------------------------------------- */

static void on_call(void *ctx, enum scscf_event event, const struct scscf_note *note)
{
    (void)ctx;
    (void)note;
    if (w.n_call_events < ARRAY_LEN(w.call_events))
        w.call_events[w.n_call_events++] = event;
}

static void added(void *ctx, const struct subscribers_error *error)
{
    (void)ctx;
    CU_ASSERT_EQUAL_FATAL(error->code, 0);
}

static void add(const struct subscriber_spec *spec)
{
    struct subscribers_error error = {0};

    CU_ASSERT_EQUAL_FATAL(subscribers_add(w.subscribers, spec, added, NULL, &error), 0);
    world_run(100);
}

static void open_subscribers(void)
{
    struct subscribers_config config = {.path = ":memory:", .auth = w.auth, .rnd = sim_rnd(w.sim)};

    for (unsigned i = 0; i < AKA_KEY_LEN; i++) {
        w.key.k[i] = (uint8_t)(0x10 + i);
        w.key.opc[i] = (uint8_t)(0xa0 + i);
    }
    w.key.amf[0] = 0x80;
    CU_ASSERT_EQUAL_FATAL(subscribers_new(w.loop, &config, &w.subscribers, NULL), 0);
    add(&(struct subscriber_spec){.impi = SPAN(ALICE_IMPI),
                                  .impu = {SPAN(ALICE), SPAN(ALICE_TEL)},
                                  .n_impu = 2,
                                  .k = SPAN("101112131415161718191a1b1c1d1e1f"),
                                  .opc = SPAN("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")});
    add(&(struct subscriber_spec){.impi = SPAN(BOB_IMPI),
                                  .impu = {SPAN(BOB), SPAN("tel:+4930200")},
                                  .n_impu = 2,
                                  .media = SPAN("audio"),
                                  .password = SPAN("secret")});
    add(&(struct subscriber_spec){.impi = SPAN("carol@" REALM),
                                  .impu = {SPAN("sip:carol@" REALM)},
                                  .n_impu = 1,
                                  .barred = SPAN("out,in"),
                                  .password = SPAN("secret")});
}

static void open_scscf(void (*configure)(struct scscf_options *o))
{
    static const struct span domains[] = {{REALM, sizeof(REALM) - 1}};
    struct charging_spool_config spool = {
        .dir = "/cdr", .name = "scscf", .retry_time = 5 * SEC, .disk = &w.disk.port};
    struct scscf_options o = scscf_options_default;
    struct scscf_env env;

    o.local = w.s;
    o.domains = domains;
    o.n_domains = 1;
    o.registrar = registrar_options_default;
    o.transport = sip_transport_options_default;
    o.layer = sip_layer_options_default;
    if (configure)
        configure(&o);
    CU_ASSERT_EQUAL_FATAL(charging_spool_new(w.loop, &spool, &w.spool, NULL), 0);
    env = (struct scscf_env){.loop = w.loop,
                             .net = w.net,
                             .rnd = sim_rnd(w.sim),
                             .auth = w.auth,
                             .subscribers = w.subscribers,
                             .spool = w.spool,
                             .on_call = on_call};
    CU_ASSERT_EQUAL_FATAL(scscf_new(&env, &o, &w.scscf), 0);
}

void world_open(void (*configure)(struct scscf_options *o))
{
    struct addr px;

    w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(11, &w.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(w.sim, &w.wire), 0);
    w.loop = sim_loop(w.sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(w.wire, w.loop, &w.net), 0);
    CU_ASSERT_EQUAL_FATAL(auth_new(sim_rnd(w.sim), &w.auth), 0);
    CU_ASSERT_EQUAL_FATAL(addr_parse(SPAN("192.0.2.20:6060"), 0, &w.s), 0);
    disk_init(&w.disk);
    open_subscribers();
    open_scscf(configure);
    peer_open(&w.pa, w.sim, w.wire, "pa", "192.0.2.10:5070");
    peer_open(&w.pb, w.sim, w.wire, "pb", "192.0.2.12:5070");
    peer_open(&w.px, w.sim, w.wire, "px", "192.0.2.30:5060");
    CU_ASSERT_EQUAL_FATAL(addr_parse(SPAN("192.0.2.30:5060"), 0, &px), 0);
    CU_ASSERT_EQUAL_FATAL(wire_add_host(w.wire, "elsewhere.example", &px), 0);
}

void world_stop(void)
{
    if (!w.scscf)
        return;
    scscf_close_calls(w.scscf);
    charging_spool_free(w.spool);
    scscf_free(w.scscf);
    w.scscf = NULL;
}

void world_close(void)
{
    world_stop();
    peer_close(&w.pa);
    peer_close(&w.pb);
    peer_close(&w.px);
    subscribers_free(w.subscribers);
    auth_free(w.auth);
    net_free(w.net);
    wire_free(w.wire);
    sim_free(w.sim);
    disk_fini(&w.disk);
    arena_fini(&records);
}

void world_run(uint64_t ms)
{
    sim_run(w.sim, ms * MSEC);
}

/* ---- registering ------------------------------------------------------------------------------ */

static struct span secret_of(const struct credentials *c, struct span nonce,
                             struct milenage_keys *keys)
{
    uint8_t raw[64];
    size_t n;

    if (c->password)
        return span_str(c->password);
    CU_ASSERT_EQUAL_FATAL(base64_decode(nonce, raw, sizeof(raw), &n), 0);
    CU_ASSERT_EQUAL_FATAL(milenage_f2345(w.auth, &w.key, raw, keys), 0);
    keys->res[0] ^= c->wrong;
    return span_of(keys->res, sizeof(keys->res));
}

const char *world_answer(const char *challenge, const struct credentials *c)
{
    static char text[1024];
    struct buf b = {text, 0, sizeof(text) - 1, false};
    const char *value = peer_header(challenge, "WWW-Authenticate", 0);
    struct digest_fields f = {.username = span_str(c->impi),
                              .realm = SPAN(REALM),
                              .uri = SPAN("sip:" REALM),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("abc")};
    struct milenage_keys keys;
    struct digest_ha1 ha1;
    struct sip_auth a;
    char hex[DIGEST_HEX_LEN];

    CU_ASSERT_EQUAL_FATAL(sip_auth_parse(span_str(value), &a), 0);
    f.nonce = sip_auth_get(&a, SPAN("nonce"));
    f.algorithm = sip_auth_get(&a, SPAN("algorithm"));
    CU_ASSERT_EQUAL_FATAL(
        digest_ha1_make(w.auth, f.username, f.realm, secret_of(c, f.nonce, &keys), &ha1), 0);
    CU_ASSERT_EQUAL_FATAL(digest_response(w.auth, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    buf_fmt(&b,
            "Authorization: Digest username=\"%s\",realm=\"" REALM
            "\",nonce=\"%.*s\",uri=\"sip:" REALM "\",response=\"%.*s\",algorithm=%.*s,qop=auth,"
            "nc=00000001,cnonce=\"abc\"",
            c->impi, SPAN_ARG(f.nonce), DIGEST_HEX_LEN, hex, SPAN_ARG(f.algorithm));
    if (c->integrity)
        buf_fmt(&b, ",integrity-protected=\"%s\"", c->integrity);
    buf_putc(&b, '\n');
    text[b.n] = '\0';
    return text;
}

const char *world_register(struct peer *p, const char *impu, const char *lines)
{
    char me[ADDR_TEXT_MAX];
    unsigned n = ++w.serial;

    addr_text(&p->local, me);
    peer_say(p, &w.s,
             "REGISTER sip:" REALM " SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%u\n"
             "From: <%s>;tag=f\nTo: <%s>\nCall-ID: reg%s\nCSeq: %u REGISTER\n"
             "Max-Forwards: 69\nPath: <sip:term@%s;lr>\nRequire: path\n"
             "P-Visited-Network-ID: \"" REALM "\"\n"
             "P-Charging-Vector: icid-value=\"r%u\";orig-ioi=\"Type 1" REALM "\"\n"
             "Contact: <sip:%.*s@192.0.2.10%c:5062>\n%s",
             me, n, impu, impu, me, n, me, n, (int)strcspn(impu + 4, "@"), impu + 4,
             p == &w.pa   ? '1'
             : p == &w.pb ? '2'
                          : '3',
             lines);
    world_run(20);
    return peer_take(p, "SIP/2.0", NULL);
}

static void register_as(struct peer *p, const char *impu, const struct credentials *c)
{
    const char *m = world_register(p, impu, "Expires: 3600\n");

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(strncmp(m, "SIP/2.0 401", 11), 0);
    m = world_register(p, impu, world_answer(m, c));
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(strncmp(m, "SIP/2.0 200", 11), 0);
}

void world_registered(void)
{
    register_as(&w.pa, ALICE, &(struct credentials){.impi = ALICE_IMPI, .integrity = "yes"});
    register_as(&w.pb, BOB, &(struct credentials){.impi = BOB_IMPI, .password = "secret"});
}

/* ---- calling ---------------------------------------------------------------------------------- */

void world_request(struct peer *p, const char *method, const char *ruri, const char *call_id,
                   const char *lines)
{
    char me[ADDR_TEXT_MAX];

    addr_text(&p->local, me);
    peer_say(p, &w.s,
             "%s %s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%s\n"
             "From: <" ALICE ">;tag=a\nTo: <%s>\nCall-ID: %s\nCSeq: 1 %s\n%s",
             method, ruri, me, call_id, method, ruri, call_id, method, lines);
    world_run(20);
}

void world_invite(const char *ruri, const char *call_id, const char *lines)
{
    char all[1024];

    snprintf(all, sizeof(all),
             "Route: " ROUTE_ORIG "\nRecord-Route: <sip:192.0.2.10:5070;lr>\nMax-Forwards: 68\n"
             "Contact: <sip:alice@192.0.2.101:5062>\nP-Asserted-Identity: <" ALICE ">\n"
             "P-Charging-Vector: icid-value=\"icid-%s\";icid-generated-at=192.0.2.10;"
             "orig-ioi=\"Type 1" REALM "\"\n"
             "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010000019B\n%s",
             call_id, lines);
    world_request(&w.pa, "INVITE", ruri, call_id, all);
}

void world_in_dialog(struct peer *p, const char *method, const char *call_id, unsigned cseq,
                     bool from_alice)
{
    char me[ADDR_TEXT_MAX];

    addr_text(&p->local, me);
    peer_say(p, &w.s,
             "%s sip:%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%s%u\n"
             "Route: <sip:192.0.2.20:6060;lr>, <sip:%s:5070;lr>\nMax-Forwards: 68\n"
             "From: <%s>;tag=%s\nTo: <%s>;tag=%s\nCall-ID: %s\nCSeq: %u %s\n",
             method, from_alice ? "bob@192.0.2.102:5062" : "alice@192.0.2.101:5062", me, call_id,
             method, cseq, from_alice ? "192.0.2.12" : "192.0.2.10", from_alice ? ALICE : BOB,
             from_alice ? "a" : "b", from_alice ? BOB : ALICE, from_alice ? "b" : "a", call_id,
             cseq, method);
    world_run(20);
}

/* ---- records ---------------------------------------------------------------------------------- */

struct reading {
    struct cdr *at;
    size_t n, cap;
};

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    struct reading *r = ctx;

    (void)c;
    if (r->n < r->cap)
        CU_ASSERT_EQUAL_FATAL(cdr_parse_json(arena_copy(&records, line), &records, &r->at[r->n++]),
                              0);
    return true;
}

size_t world_records(struct cdr *ret_records, size_t cap)
{
    struct reading r = {ret_records, 0, cap};
    struct charging_filter all = {0};
    uint64_t damaged = 0;

    arena_fini(&records);
    arena_init(&records, 1 << 20);
    CU_ASSERT_EQUAL(charging_read(&w.disk.port, "/cdr", "scscf", &all, on_record, &r, &damaged), 0);
    CU_ASSERT_EQUAL(damaged, 0);
    return r.n;
}

bool world_has_call_event(enum scscf_event event)
{
    for (unsigned i = 0; i < w.n_call_events; i++)
        if (w.call_events[i] == event)
            return true;
    return false;
}
