/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/flow/pcscf/world.h"

#include <stdio.h>
#include <stdlib.h>

struct world w;

const char sdp_offer[] = "v=0\n"
                         "o=- 1 1 IN IP4 192.0.2.7\n"
                         "s=-\n"
                         "c=IN IP4 192.0.2.7\n"
                         "t=0 0\n"
                         "m=audio 49152 RTP/AVP 97 0\n"
                         "b=AS:41\n"
                         "a=rtpmap:97 AMR/8000\n"
                         "a=sendrecv\n";
const char sdp_answer[] = "v=0\n"
                          "o=- 2 2 IN IP4 192.0.2.9\n"
                          "s=-\n"
                          "c=IN IP4 192.0.2.9\n"
                          "t=0 0\n"
                          "m=audio 50000 RTP/AVP 97\n"
                          "b=AS:38\n"
                          "a=rtpmap:97 AMR/8000\n"
                          "a=sendrecv\n";

/* ---- the edge: answers ng, gives each side an address of its own ------------------------------- */

static const char *dict_value(const char *text, const char *key, size_t *ret_n)
{
    char want[48];
    const char *at;
    unsigned long n;
    char *end;

    snprintf(want, sizeof(want), "%zu:%s", strlen(key), key);
    at = strstr(text, want);
    if (!at)
        return NULL;
    n = strtoul(at + strlen(want), &end, 10);
    *ret_n = n;
    return *end == ':' ? end + 1 : NULL;
}

/* The SDP with the edge's address and port: enough of a rewriting for a test. */
static void rewritten(struct buf *b, const char *sdp, size_t n, const char *ip)
{
    struct span rest = span_of(sdp, n);

    while (rest.p && rest.n) {
        struct span line = span_cut(&rest, '\n');

        if (span_starts(line, SPAN("c=")))
            buf_fmt(b, "c=IN IP4 %s\r\n", ip);
        else if (span_starts(line, SPAN("m=audio ")))
            buf_fmt(b, "m=audio 30000 RTP/AVP 97\r\n");
        else if (line.n)
            buf_fmt(b, "%.*s\n", SPAN_ARG(line));
    }
}

/* The tags that the edge was told of each call: it takes nothing under another. */
static void note_tag(const char *text, const char *which, bool told)
{
    size_t n_call = 0, n_tag = 0;
    const char *call = dict_value(text, "call-id", &n_call), *tag = dict_value(text, which, &n_tag);
    char line[64];

    CU_ASSERT_FATAL(call && tag);
    snprintf(line, sizeof(line), "%.*s %.*s", (int)n_call, call, (int)n_tag, tag);
    for (unsigned i = 0; i < ARRAY_LEN(w.tags); i++)
        if (strcmp(w.tags[i], line) == 0)
            return;
    CU_ASSERT(told);
    snprintf(w.tags[w.n_tags++ % ARRAY_LEN(w.tags)], sizeof(w.tags[0]), "%s", line);
}

static void on_ng(struct peer *p, const char *text, const struct addr *from, void *ctx)
{
    static char room[8192], body[4096];
    struct buf b = BUF_ON(room), sdp = BUF_ON(body);
    size_t n = 0;
    const char *command = dict_value(text, "command", &n), *given, *side;
    size_t cookie = strcspn(text, " ");

    (void)ctx;
    CU_ASSERT_PTR_NOT_NULL_FATAL(command);
    note_tag(text, "from-tag", strncmp(command, "offer", n) == 0);
    if (strncmp(command, "answer", n) == 0)
        note_tag(text, "to-tag", true);
    w.offers += strncmp(command, "offer", n) == 0;
    w.answers += strncmp(command, "answer", n) == 0;
    w.authorizes += strncmp(command, "authorize", n) == 0;
    w.deletes += strncmp(command, "delete", n) == 0;
    if (w.edge_silent || (w.edge_ponders && strncmp(command, "authorize", n) == 0))
        return;
    buf_fmt(&b, "%.*s ", (int)cookie, text);
    if (w.edge_refuses || (w.token_refused && strncmp(command, "authorize", 9) == 0)) {
        buf_puts(&b, "d12:error-reason7:no room6:result5:errore");
    } else if ((given = dict_value(text, "sdp", &n))) {
        snprintf(w.edge_heard, sizeof(w.edge_heard), "%.*s", (int)n, given);
        side = strstr(text, "direction");
        /* Towards the core when it comes from the access side. */
        rewritten(&sdp, given, n,
                  side && strstr(side, "6:access4:core") ? "192.0.2.37" : "192.0.2.36");
        buf_fmt(&b, "d6:result2:ok3:sdp%zu:", sdp.n);
        buf_put(&b, buf_span(&sdp));
        buf_putc(&b, 'e');
    } else {
        buf_puts(&b, "d6:result2:oke");
    }
    CU_ASSERT_FALSE(b.overflow || sdp.overflow);
    CU_ASSERT_EQUAL(net_udp_send(p->udp, from, buf_span(&b)), 0);
}

/* ---- the PDP ------------------------------------------------------------------------------------ */

static void on_rx(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct diameter_answer ans = {.result = DIAMETER_SUCCESS};

    (void)ctx;
    w.aars += req->kind == DIAMETER_AA;
    w.strs += req->kind == DIAMETER_ST;
    if (req->kind == DIAMETER_AA) {
        w.preliminary += req->aar.info_status.v == RX_PRELIMINARY;
        w.request_type = req->aar.request_type.v;
        w.flow_status = req->aar.components[0].status.v;
    }
    (void)span_copy(req->session_id, w.session_id, sizeof(w.session_id));
    if (w.pdp_silent)
        return;
    if (req->kind == DIAMETER_AA && w.pdp_forgot && w.request_type == RX_UPDATE) {
        ans.result = DIAMETER_UNKNOWN_SESSION_ID;
    } else if (req->kind == DIAMETER_AA && w.pdp_refuses) {
        ans.result = 0;
        ans.experimental = DIAMETER_RX_SERVICE_NOT_AUTHORIZED;
    } else if (req->kind == DIAMETER_AA) {
        ans.aaa.token = SPAN("TOKENOK!");
    }
    CU_ASSERT_EQUAL(diameter_answer(w.pdp, request, &ans), 0);
}

/* ---- the world ------------------------------------------------------------------------------------ */

static struct diameter_sim *diameter_net;

static void on_register(enum register_event e, const struct binding *b, struct span detail,
                        void *ctx)
{
    (void)b, (void)detail, (void)ctx;
    w.registers[e]++;
}

static void on_session(enum session_event e, const struct session_leg *leg, struct span detail,
                       void *ctx)
{
    (void)leg, (void)detail, (void)ctx;
    w.sessions[e]++;
}

static void phone_open(struct phone *p, const char *name, const char *ip, unsigned spi)
{
    char text[64];

    p->name = name;
    p->ip = ip;
    p->spi = spi;
    snprintf(text, sizeof(text), "%s:5060", ip);
    peer_open(&p->clear, w.sim, w.wire, name, text);
    snprintf(text, sizeof(text), "%s:31000", ip);
    peer_open(&p->uc, w.sim, w.wire, name, text);
    snprintf(text, sizeof(text), "%s:31001", ip);
    peer_open(&p->us, w.sim, w.wire, name, text);
}

static void phone_close(struct phone *p)
{
    peer_close(&p->clear);
    peer_close(&p->uc);
    peer_close(&p->us);
}

static struct addr address(const char *text)
{
    struct addr a = {0};

    CU_ASSERT_EQUAL_FATAL(addr_parse(span_str(text), 0, &a), 0);
    return a;
}

static void set_options(struct core_options *o)
{
    *o = (struct core_options){
        .gm = w.gm,
        .mw = w.mw,
        .port_ps = 5062,
        .port_pc = 5063,
        .n_pc = 4,
        .tcp = true,
        .phone_timers = SIP_TIMERS_UE,
        .transport = sip_transport_options_default,
        .layer = sip_layer_options_default,
        .phones = 100,
        .access = {.rate = 1000, .burst = 1000, .sources = 100, .message_max = 65535},
        .registration = {.require_ipsec = true,
                         .pending = 240,
                         .slack = 30,
                         .linger = 128,
                         .visited = SPAN(DOMAIN),
                         .core = SPAN("sip:192.0.2.20:6060")},
        .session = {.legs = 100,
                    .on_media_failure = SESSION_REJECT,
                    .on_pdp_failure = SESSION_REJECT,
                    .on_route_mismatch = SESSION_REJECT},
        .media = {.local = address("192.0.2.10:0"),
                  .edge = address("192.0.2.35:2223"),
                  .retry = 500 * MSEC,
                  .timeout = 2 * SEC,
                  .limit = 100},
        .authorize = {.timeout = 2 * SEC, .application = SPAN("ims.voice")},
    };
    o->registration.algorithms =
        secagree_policy_default(false, ipsec_health(&w.ipsec)->algs, ipsec_health(&w.ipsec)->ealgs);
    snprintf(o->ioi, sizeof(o->ioi), "%s", DOMAIN);
}

void world_open(void (*configure)(struct core_options *o))
{
    struct core_env env;
    char what[80];

    w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(7, &w.sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(w.sim, &w.wire), 0);
    w.loop = sim_loop(w.sim, "pcscf");
    CU_ASSERT_EQUAL_FATAL(net_sim_new(w.wire, w.loop, &w.net), 0);
    CU_ASSERT_EQUAL_FATAL(ipsec_fake_new(w.loop, &w.fake), 0);
    w.ipsec = ipsec_fake_port(w.fake);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_new(w.sim, &diameter_net), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_sim_node(diameter_net, w.loop, "pcscf." DOMAIN, DOMAIN, &w.af),
                          0);
    CU_ASSERT_EQUAL_FATAL(
        diameter_sim_node(diameter_net, sim_loop(w.sim, "pdp"), "pdp." DOMAIN, DOMAIN, &w.pdp), 0);
    CU_ASSERT_EQUAL_FATAL(diameter_serve(w.pdp, DIAMETER_APP_RX, on_rx, NULL), 0);
    w.gm = address("192.0.2.10:5060");
    w.mw = address("192.0.2.11:5070");
    peer_open(&w.scscf, w.sim, w.wire, "scscf", "192.0.2.20:6060");
    peer_open(&w.edge, w.sim, w.wire, "edge", "192.0.2.35:2223");
    w.edge.on_message = on_ng;
    phone_open(&w.alice, "alice", "192.0.2.7", 1000);
    phone_open(&w.bob, "bob", "192.0.2.9", 2000);
    set_options(&w.options);
    if (configure)
        configure(&w.options);
    env = (struct core_env){.loop = w.loop,
                            .net = w.net,
                            .rnd = sim_rnd(w.sim),
                            .ipsec = &w.ipsec,
                            .diameter = w.af,
                            .on_register = on_register,
                            .on_session = on_session};
    CU_ASSERT_EQUAL_FATAL(core_new(&env, &w.options, &w.core, what), 0);
}

void world_close(void)
{
    core_free(w.core);
    phone_close(&w.alice);
    phone_close(&w.bob);
    peer_close(&w.scscf);
    peer_close(&w.edge);
    diameter_free(w.af);
    diameter_free(w.pdp);
    diameter_sim_free(diameter_net);
    ipsec_fake_free(w.fake);
    net_free(w.net);
    wire_free(w.wire);
    sim_free(w.sim);
}

void world_run(unsigned milliseconds)
{
    sim_run(w.sim, milliseconds * MSEC);
}

/* ---- what parties say -------------------------------------------------------------------------- */

const char *phone_security_client(const struct phone *p)
{
    static char text[512];

    snprintf(text, sizeof(text),
             "ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;prot=esp;mod=trans;spi-c=%u;spi-s=%u;"
             "port-c=31000;port-s=31001,ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;"
             "spi-c=%u;spi-s=%u;port-c=31000;port-s=31001",
             p->spi, p->spi + 1, p->spi, p->spi + 1);
    return text;
}

static void say_register(struct phone *p, struct peer *from, const struct addr *to,
                         const char *auth, const char *security, unsigned expires)
{
    char port[8];

    snprintf(port, sizeof(port), "%u", from->local.port);
    peer_say(from, to,
             "REGISTER sip:" DOMAIN " SIP/2.0\n"
             "Via: SIP/2.0/UDP %s:%s;branch=z9hG4bK%s%u\n"
             "From: <sip:%s@" DOMAIN ">;tag=%s\n"
             "To: <sip:%s@" DOMAIN ">\n"
             "Call-ID: reg-%s\n"
             "CSeq: %u REGISTER\n"
             "Max-Forwards: 70\n"
             "Contact: <sip:%s@%s:31001>;expires=%u\n"
             "Authorization: Digest username=\"%s@" DOMAIN "\",realm=\"" DOMAIN
             "\",uri=\"sip:" DOMAIN "\",%s\n"
             "%s",
             p->ip, from == &p->uc ? "31001" : port, p->name, p->cseq + 1, p->name, p->name,
             p->name, p->name, p->cseq + 1, p->name, p->ip, expires, p->name, auth, security);
    p->cseq++;
}

void phone_register(struct phone *p, const char *security_client)
{
    char security[1200] = "";

    if (security_client)
        snprintf(security, sizeof(security),
                 "Require: sec-agree\nProxy-Require: sec-agree\nSecurity-Client: %s\n",
                 security_client);
    say_register(p, &p->clear, &w.gm, "nonce=\"\",response=\"\"", security, 600000);
}

static void register_protected(struct phone *p, const char *verify, const char *client,
                               const char *auth, unsigned expires)
{
    char security[4096];

    snprintf(security, sizeof(security),
             "Require: sec-agree\nProxy-Require: sec-agree\nSecurity-Client: %s\n"
             "Security-Verify: %s\n",
             client, verify);
    say_register(p, &p->uc, &p->ps, auth, security, expires);
}

void phone_register_protected(struct phone *p, const char *verify, const char *client,
                              unsigned expires)
{
    register_protected(p, verify, client,
                       "nonce=\"bm9uY2U=\",response=\"0123456789abcdef0123456789abcdef\","
                       "algorithm=AKAv1-MD5",
                       expires);
}

void phone_register_unanswering(struct phone *p, unsigned expires)
{
    register_protected(p, p->server, phone_security_client(p), "nonce=\"\",response=\"\"", expires);
}

void scscf_challenge(const char *request)
{
    peer_answer(&w.scscf, &w.mw, request, "401 Unauthorized", "s",
                "WWW-Authenticate: Digest realm=\"" DOMAIN "\",nonce=\"bm9uY2U=\","
                "algorithm=AKAv1-MD5,qop=\"auth\",ck=\"000102030405060708090a0b0c0d0e0f\","
                "ik=\"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\"\n",
                NULL);
}

void scscf_accept(const char *request, struct phone *p, unsigned expires)
{
    char extra[1200];
    int n = 0;

    snprintf(p->path, sizeof(p->path), "%s", peer_header(request, "Path", 0));
    if (expires)
        n = snprintf(extra, sizeof(extra), "Contact: <sip:%s@%s:31001>;expires=%u\n", p->name,
                     p->ip, expires);
    snprintf(extra + n, sizeof(extra) - (size_t)n,
             "Path: %s\nService-Route: <sip:orig@192.0.2.20:6060;lr>\n"
             "P-Associated-URI: <sip:%s@" DOMAIN ">, <tel:+100155500%s>\n",
             p->path, p->name, strcmp(p->name, "bob") == 0 ? "02" : "01");
    peer_answer(&w.scscf, &w.mw, request, "200 OK", "s", extra, NULL);
}

static uint16_t param(const char *list, const char *name)
{
    const char *at = strstr(list, name);

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return (uint16_t)strtoul(at + strlen(name), NULL, 10);
}

void phone_is_registered(struct phone *p)
{
    const char *m;

    phone_register(p, phone_security_client(p));
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_challenge(m);
    world_run(20);
    m = peer_take(&p->clear, "SIP/2.0 401", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    snprintf(p->server, sizeof(p->server), "%s", peer_header(m, "Security-Server", 0));
    p->ps = w.gm;
    p->pc = w.gm;
    p->ps.port = param(p->server, "port-s=");
    p->pc.port = param(p->server, "port-c=");
    phone_register_protected(p, p->server, phone_security_client(p), 600000);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_accept(m, p, 600000);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&p->us, "SIP/2.0 200", NULL));
}

void phone_is_registered_plain(struct phone *p)
{
    const char *m;

    phone_register(p, NULL);
    world_run(20);
    m = peer_take(&w.scscf, "REGISTER", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    scscf_accept(m, p, 3600);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer_take(&p->clear, "SIP/2.0 200", NULL));
}

void phone_invite(struct phone *p, const char *call_id, const char *to, const char *extra,
                  const char *sdp)
{
    peer_say(&p->uc, &p->ps,
             "INVITE %s SIP/2.0\n"
             "Via: SIP/2.0/UDP %s:31001;branch=z9hG4bK%s-i\n"
             "Route: <sip:192.0.2.10:5062;lr>, <sip:orig@192.0.2.20:6060;lr>\n"
             "From: <sip:%s@" DOMAIN ">;tag=f\n"
             "To: <%s>\n"
             "Call-ID: %s\n"
             "CSeq: 1 INVITE\n"
             "Max-Forwards: 70\n"
             "Contact: <sip:%s@%s:31001>\n"
             "%s"
             "\n%s",
             to, p->ip, call_id, p->name, to, call_id, p->name, p->ip, extra, sdp);
}
