/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two adapters and their processes on loopback: the only test of this room that needs the real
 * network. PORTCULLIS_TEST_HOLD=1 takes Diameter's own port, for a capture. */
#include "common/diameter/fd/fd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/diameter/inner.h"
#include "tests/support/suite.h"

static const uint64_t WITHIN = 15 * SEC;

struct world {
    struct loop *loop;
    struct loop_timer tick;
    uint64_t give_up;
    bool (*until)(struct world *w);
    bool reached;
    struct diameter *af, *pdp;
    struct addr pdp_addr;
    const char *raw_host;
    int raw;
    int claim; /* the socket that keeps its port ours */
    unsigned af_ups, asked, done;
    unsigned within; /* seconds that the PDP's process waits */
    int error;
    uint32_t result;
    size_t want, ok;
    char token[32], session[128];
    size_t n_failed;
    uint8_t failed[64]; /* what Failed-AVP holds */
    char log[8192];     /* what was said since it was last emptied */
    size_t n_log;
};

static void on_tick(struct loop_timer *t, void *ctx)
{
    struct world *w = ctx;

    (void)t;
    w->reached = w->until(w);
    if (w->reached || loop_now(w->loop) > w->give_up)
        loop_stop(w->loop);
    else
        loop_timer_start(w->loop, &w->tick, 2 * MSEC);
}

static bool run_until(struct world *w, bool (*cond)(struct world *w))
{
    w->until = cond;
    w->reached = false;
    w->give_up = loop_now(w->loop) + WITHIN;
    loop_timer_start(w->loop, &w->tick, 0);
    loop_run(w->loop);
    return w->reached;
}

static void on_log(void *ctx, const char *text)
{
    struct world *w = ctx;

    if (w->n_log + strlen(text) + 1 < sizeof(w->log))
        w->n_log += (size_t)snprintf(w->log + w->n_log, sizeof(w->log) - w->n_log, "%s\n", text);
    if (getenv("PORTCULLIS_TEST_LOG"))
        fprintf(stderr, "  %s\n", text);
}

static void on_peer(void *ctx, struct span host, bool up)
{
    struct world *w = ctx;

    ASSERT_SPAN_EQ(host, "pdp.ims.test");
    w->af_ups += up;
}

static void on_request(void *ctx, struct handle request, const struct diameter_request *req)
{
    struct world *w = ctx;
    struct diameter_answer ans = {.result = DIAMETER_SUCCESS};

    w->asked++;
    /* Who is one of ours says when it began; the peer of octets says nothing. */
    CU_ASSERT(req->origin_state.set ? req->origin_state.v > 1600000000 : req->kind == DIAMETER_ST);
    if (req->kind == DIAMETER_AA) {
        ans.aaa.token = SPAN("an octet string of a token");
        ans.aaa.lifetime = DIAMETER_U32(600);
        CU_ASSERT_EQUAL(req->aar.n_components, 1);
        ASSERT_SPAN_EQ(req->aar.components[0].flows[0].in,
                       "permit in 17 from 10.45.0.7 to 10.1.2.3 50000");
        ASSERT_SPAN_EQ(req->origin_host, "pcscf.ims.test");
    } else if (req->kind == DIAMETER_QA) {
        ASSERT_SPAN_EQ(req->qar.token, "an octet string of a token");
        ans.qaa.n_filters = req->qar.n_filters;
        memcpy(ans.qaa.filters, req->qar.filters, sizeof(ans.qaa.filters));
    }
    CU_ASSERT_EQUAL(diameter_answer(w->pdp, request, &ans), 0);
}

static void on_done(void *ctx, int error, const struct diameter_answer *ans)
{
    struct world *w = ctx;

    w->done++;
    w->error = error;
    w->result = ans ? ans->result : 0;
    w->ok += ans && diameter_ok(ans);
    w->n_failed = ans && ans->failed.n <= sizeof(w->failed) ? ans->failed.n : 0;
    if (w->n_failed)
        memcpy(w->failed, ans->failed.p, w->n_failed);
    if (ans && ans->kind == DIAMETER_AA && diameter_ok(ans))
        CU_ASSERT_EQUAL(span_copy(ans->aaa.token, w->token, sizeof(w->token)), 0);
    if (ans && ans->kind == DIAMETER_QA && diameter_ok(ans)) {
        CU_ASSERT_EQUAL_FATAL(ans->qaa.n_filters, 1);
        ASSERT_SPAN_EQ(ans->qaa.filters[0].id, "1.1");
        CU_ASSERT_EQUAL(ans->qaa.filters[0].flow.to.addr.port, 50000);
        CU_ASSERT_EQUAL(ans->qaa.filters[0].bandwidth, 64000);
    }
}

static struct addr loopback(uint16_t port)
{
    struct addr a;

    CU_ASSERT_EQUAL_FATAL(addr_parse_ip(SPAN("127.0.0.1"), port, &a), 0);
    return a;
}

/* freeDiameter must be told its port. A socket of ours that is bound and does not listen keeps the
 * port from everyone but those who reuse addresses, as freeDiameter does. */
static void claim_port(struct world *w)
{
    struct sockaddr_storage ss;
    struct addr a = loopback(getenv("PORTCULLIS_TEST_HOLD") ? 3868 : 0);
    socklen_t n = addr_to_sockaddr(&a, &ss);
    int one = 1;

    w->claim = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(setsockopt(w->claim, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->claim, (struct sockaddr *)&ss, n), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(w->claim, (struct sockaddr *)&ss, &n), 0);
    CU_ASSERT_EQUAL(addr_of_sockaddr((struct sockaddr *)&ss, &w->pdp_addr), 0);
}

static void open_pdp(struct world *w)
{
    struct diameter_fd_conf c = {.identity = "pdp.ims.test",
                                 .realm = "ims.test",
                                 .local = w->pdp_addr,
                                 .apps = {DIAMETER_APP_RX, DIAMETER_APP_QOS},
                                 .n_apps = 2,
                                 .accept_realm = true,
                                 .keeps_sessions = true, /* as the PDP's are */
                                 .within = w->within,
                                 .on_log = on_log,
                                 .log_ctx = w};

    CU_ASSERT_EQUAL_FATAL(diameter_fd_new(w->loop, &c, &w->pdp), 0);
    CU_ASSERT_EQUAL(diameter_serve(w->pdp, DIAMETER_APP_RX, on_request, w), 0);
    CU_ASSERT_EQUAL(diameter_serve(w->pdp, DIAMETER_APP_QOS, on_request, w), 0);
}

static void open_af(struct world *w, const char *identity)
{
    struct diameter_fd_conf c = {.identity = identity,
                                 .realm = "ims.test",
                                 .local = loopback(0),
                                 .apps = {DIAMETER_APP_RX, DIAMETER_APP_QOS},
                                 .n_apps = 2,
                                 .peers = {{"pdp.ims.test", w->pdp_addr}},
                                 .n_peers = 1,
                                 .reconnect = 1,
                                 .on_log = on_log,
                                 .log_ctx = w};

    CU_ASSERT_EQUAL_FATAL(diameter_fd_new(w->loop, &c, &w->af), 0);
    diameter_on_peer(w->af, on_peer, w);
}

static bool both_up(struct world *w)
{
    return diameter_peer_up(w->af, SPAN("pdp.ims.test")) && diameter_peer_up(w->pdp, SPAN_NONE);
}

/* One that connects before the other listens tries again only seconds later. */
static bool pdp_listens(struct world *w)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(&w->pdp_addr, &ss);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = connect(fd, (struct sockaddr *)&ss, n) == 0;

    close(fd);
    return listens;
}

static void pdp_alone(struct world *w)
{
    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    loop_timer_init(&w->tick, on_tick, w);
    claim_port(w);
    open_pdp(w);
    CU_ASSERT(run_until(w, pdp_listens));
}

static void world_open(struct world *w)
{
    pdp_alone(w);
    open_af(w, "pcscf.ims.test");
}

static void world_close(struct world *w)
{
    diameter_free(w->af);
    diameter_free(w->pdp);
    close(w->claim);
    loop_free(w->loop);
}

static bool all_done(struct world *w)
{
    return w->done >= w->want;
}

static int send_kind(struct world *w, struct diameter *from, enum diameter_app app,
                     enum diameter_kind kind)
{
    struct buf b = BUF_ON(w->session);
    struct diameter_request r = {.kind = kind, .app = app};

    diameter_session_id(from, "t", &b);
    r.session_id = buf_span(&b);
    r.destination_host = SPAN("pdp.ims.test");
    if (kind == DIAMETER_AA) {
        CU_ASSERT_EQUAL(addr_parse_ip(SPAN("10.45.0.7"), 0, &r.aar.framed_ip), 0);
        r.aar.info_status = DIAMETER_U32(RX_FINAL);
        r.aar.n_components = 1;
        r.aar.components[0] = (struct rx_component){
            .number = 1,
            .media_type = DIAMETER_U32(RX_AUDIO),
            .n_flows = 1,
            .codec = {SPAN("uplink\noffer\nm=audio 49170 RTP/AVP 96\n")},
            .flows = {{.number = 1,
                       .in = SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 50000"),
                       .out = SPAN("permit out 17 from 10.1.2.3 to 10.45.0.7 49170")}}};
    } else if (kind == DIAMETER_QA) {
        r.qar.token = SPAN("an octet string of a token");
        r.qar.n_filters = 1;
        r.qar.filters[0] = (struct qos_filter){.id = SPAN("1.1"), .bandwidth = 64000};
        CU_ASSERT_EQUAL(diameter_flow_parse(SPAN("permit in 17 from 10.45.0.7 to 10.1.2.3 50000"),
                                            &r.qar.filters[0].flow),
                        0);
    } else if (kind == DIAMETER_ST) {
        r.st.cause = DIAMETER_LOGOUT;
    }
    w->want = w->done + 1;
    return diameter_send(from, &r, loop_now(w->loop) + 5 * SEC, on_done, w, NULL);
}

static void every_command_goes_there_and_back(void)
{
    static const struct {
        enum diameter_app app;
        enum diameter_kind kind;
    } rows[] = {{DIAMETER_APP_RX, DIAMETER_AA},  {DIAMETER_APP_RX, DIAMETER_ST},
                {DIAMETER_APP_RX, DIAMETER_RA},  {DIAMETER_APP_RX, DIAMETER_AS},
                {DIAMETER_APP_QOS, DIAMETER_QA}, {DIAMETER_APP_QOS, DIAMETER_ST},
                {DIAMETER_APP_QOS, DIAMETER_AS}, {DIAMETER_APP_QOS, DIAMETER_RA}};
    struct world w;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(send_kind(&w, w.af, rows[i].app, rows[i].kind), 0);
        CU_ASSERT(run_until(&w, all_done));
        CU_ASSERT_EQUAL(w.error, 0);
        CU_ASSERT_EQUAL(w.result, DIAMETER_SUCCESS);
    }
    CU_ASSERT_EQUAL(w.asked, ARRAY_LEN(rows));
    CU_ASSERT_STRING_EQUAL(w.token, "an octet string of a token");
    world_close(&w);
}

/* ---- requests that are wrong ---- */

static const struct diameter_impl *honest;
static struct span spoil; /* goes behind the AVPs of a request */

static int spoilt_request(struct diameter *d, struct handle call, uint64_t timeout_us,
                          struct span realm, struct span host, struct span message)
{
    static uint8_t octets[DIAMETER_MESSAGE_MAX];
    struct avp_writer w = {octets, 0, sizeof(octets), false};

    avp_put_raw(&w, message);
    avp_put_raw(&w, spoil);
    CU_ASSERT_FATAL(!w.overflow && w.n < 65536);
    octets[2] = (uint8_t)(w.n >> 8);
    octets[3] = (uint8_t)w.n;
    return honest->request(d, call, timeout_us, realm, host, span_of(octets, w.n));
}

static void what_was_wrong_comes_back_in_failed_avp(void)
{
    static const struct {
        enum diameter_app app;
        enum diameter_kind kind;
        struct span spoil;
        uint32_t result;
        struct span failed;
    } rows[] = {
#define OCTETS(text) {"" text, sizeof(text) - 1}
        /* A second address of the phone. */
        {DIAMETER_APP_RX, DIAMETER_AA, OCTETS("\0\0\0\x61\x40\0\0\x0c\0\x10\x20\1"),
         DIAMETER_CONTRADICTING_AVPS,
         OCTETS("\0\0\0\x08\x40\0\0\x0c\x0a\x2d\0\7\0\0\0\x61\x40\0\0\x0c\0\x10\x20\1")},
        /* A component without its number. */
        {DIAMETER_APP_RX, DIAMETER_AA, OCTETS("\0\0\2\5\xc0\0\0\x0c\0\0\x28\xaf"),
         DIAMETER_MISSING_AVP, OCTETS("\0\0\2\6\xc0\0\0\x10\0\0\x28\xaf\0\0\0\0")},
        /* An example that has no octets. */
        {DIAMETER_APP_RX, DIAMETER_AA,
         OCTETS("\0\0\1\xbb\x40\0\0\x14\0\0\1\xc2\x40\0\0\x0c\0\0\0\2"), DIAMETER_MISSING_AVP,
         OCTETS("\0\0\1\xbc\x40\0\0\x08")},
        /* A second, empty charging identifier behind one that is there. */
        {DIAMETER_APP_RX, DIAMETER_AA,
         OCTETS("\0\0\1\xf9\xc0\0\0\x0c\0\0\x28\xaf\0\0\1\xf9\xc0\0\0\x0c\0\0\x28\xaf"),
         DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, OCTETS("\0\0\1\xf9\xc0\0\0\x0c\0\0\x28\xaf")},
        /* A port that is none, in a classifier. */
        {DIAMETER_APP_QOS, DIAMETER_QA,
         OCTETS("\0\0\1\xfc\x40\0\0\x2c\0\0\1\xfd\x40\0\0\x24\0\0\1\xff\x40\0\0\x1c"
                "\0\0\2\3\x40\0\0\x14\0\0\2\x12\x40\0\0\x0c\0\1\0\0"),
         DIAMETER_INVALID_AVP_VALUE, OCTETS("\0\0\2\x12\x40\0\0\x0c\0\1\0\0")},
#undef OCTETS
    };
    struct diameter_impl spoilt;
    struct world w;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    honest = w.af->impl;
    spoilt = *honest;
    spoilt.request = spoilt_request;
    w.af->impl = &spoilt;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        spoil = rows[i].spoil;
        CU_ASSERT_EQUAL(send_kind(&w, w.af, rows[i].app, rows[i].kind), 0);
        CU_ASSERT(run_until(&w, all_done));
        CU_ASSERT_EQUAL(w.error, 0);
        CU_ASSERT_EQUAL(w.result, rows[i].result);
        CU_ASSERT(span_eq(span_of(w.failed, w.n_failed), rows[i].failed));
    }
    CU_ASSERT_EQUAL(w.asked, 0);
    w.af->impl = honest;
    world_close(&w);
}

/* Fills a request up to this length, with an AVP that nobody knows and nobody must. */
static size_t fill_to;

static int filled_request(struct diameter *d, struct handle call, uint64_t timeout_us,
                          struct span realm, struct span host, struct span message)
{
    static uint8_t octets[DIAMETER_MESSAGE_MAX];
    size_t more = fill_to - message.n;
    const uint8_t head[] = {0, 1, 0x86, 0x9f, 0, 0, (uint8_t)(more >> 8), (uint8_t)more};

    CU_ASSERT_FATAL(fill_to <= sizeof(octets) && more >= sizeof(head));
    memset(octets, 'x', sizeof(octets));
    memcpy(octets, message.p, message.n);
    memcpy(octets + message.n, head, sizeof(head));
    octets[2] = (uint8_t)(fill_to >> 8);
    octets[3] = (uint8_t)fill_to;
    return honest->request(d, call, timeout_us, realm, host, span_of(octets, fill_to));
}

/* libfdcore adds a Route-Record to what it receives: that has its own room. */
static void a_request_as_long_as_can_be_is_answered(void)
{
    static const size_t lengths[] = {1000, 32000, 32740, DIAMETER_MESSAGE_MAX};
    struct diameter_impl filled;
    struct world w;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    honest = w.af->impl;
    filled = *honest;
    filled.request = filled_request;
    w.af->impl = &filled;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        fill_to = lengths[i];
        CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
        CU_ASSERT(run_until(&w, all_done));
        CU_ASSERT_EQUAL(w.error, 0);
        CU_ASSERT_EQUAL(w.result, DIAMETER_SUCCESS);
    }
    w.af->impl = honest;
    world_close(&w);
}

/* ---- answers that get lost ---- */

static enum { ANSWER_NONE, ANSWER_JUNK, ANSWER_LOST } spoilt_as;

static int spoilt_answer(struct diameter *d, uint64_t ref, struct span message)
{
    (void)message;
    if (spoilt_as == ANSWER_LOST)
        return 0;
    return honest->answer(d, ref, spoilt_as == ANSWER_JUNK ? SPAN("no message") : SPAN_NONE);
}

static void a_request_whose_answer_gets_lost_is_refused_in_time(void)
{
    struct diameter_impl spoilt;
    struct world w;

    world_open(&w);
    diameter_free(w.pdp);
    w.within = 1;
    open_pdp(&w);
    CU_ASSERT(run_until(&w, both_up));
    honest = w.pdp->impl;
    spoilt = *honest;
    spoilt.answer = spoilt_answer;
    w.pdp->impl = &spoilt;
    for (spoilt_as = ANSWER_NONE; spoilt_as <= ANSWER_LOST; spoilt_as++) {
        CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
        CU_ASSERT(run_until(&w, all_done));
        CU_ASSERT_EQUAL(w.error, 0);
        CU_ASSERT_EQUAL(w.result, DIAMETER_UNABLE_TO_COMPLY);
    }
    w.pdp->impl = honest;
    CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
    CU_ASSERT(run_until(&w, all_done));
    CU_ASSERT_EQUAL(w.result, DIAMETER_SUCCESS);
    world_close(&w);
}

static void a_thousand_requests_are_each_answered_once(void)
{
    struct world w;
    unsigned sent = 0;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    for (unsigned i = 0; i < 1000; i++)
        sent += send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA) == 0;
    CU_ASSERT(sent > 500); /* the others were refused at once: the socket pair was full */
    w.want = sent;
    CU_ASSERT(run_until(&w, all_done));
    CU_ASSERT_EQUAL(w.ok, sent);
    world_close(&w);
}

/* ---- a peer of octets ---- */

enum { CAPABILITIES = 257, SESSION_END = 275, WATCHDOG = 280, COMMAND_MAX = 4096 };

static struct avp_writer raw_begin(uint8_t *p, const char *host)
{
    struct avp_writer w = {p, DIAMETER_HEAD, COMMAND_MAX, false};

    avp_put(&w, A_ORIGIN_HOST, span_str(host));
    avp_put(&w, A_ORIGIN_REALM, SPAN("ims.test"));
    return w;
}

static void raw_send(int fd, struct avp_writer *w, uint32_t command, bool request,
                     const uint8_t *ids)
{
    const uint8_t head[] = {1,
                            0,
                            (uint8_t)(w->n >> 8),
                            (uint8_t)w->n,
                            request ? 0x80 : 0,
                            0,
                            (uint8_t)(command >> 8),
                            (uint8_t)command,
                            0,
                            0,
                            0,
                            0};

    CU_ASSERT_FATAL(!w->overflow);
    memcpy(w->p, head, sizeof(head));
    memcpy(w->p + sizeof(head), ids, 8);
    CU_ASSERT_EQUAL(write(fd, w->p, w->n), (ssize_t)w->n);
}

/* The next message's command; 0 when none comes. */
static uint32_t raw_read(int fd, uint8_t *p)
{
    size_t n;

    if (recv(fd, p, DIAMETER_HEAD, MSG_WAITALL) != DIAMETER_HEAD)
        return 0;
    n = (size_t)p[2] << 8 | p[3];
    CU_ASSERT_FATAL(n >= DIAMETER_HEAD && n <= COMMAND_MAX);
    if (recv(fd, p + DIAMETER_HEAD, n - DIAMETER_HEAD, MSG_WAITALL) != (ssize_t)n - DIAMETER_HEAD)
        return 0;
    return (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
}

static bool raw_connects(struct world *world)
{
    static const uint8_t ids[8] = {1, 1, 1, 1, 2, 2, 2, 2}, here[6] = {0, 1, 127, 0, 0, 1};
    const struct timeval within = {.tv_sec = 15};
    uint8_t p[COMMAND_MAX];
    struct sockaddr_storage ss;
    struct span state;
    socklen_t n = addr_to_sockaddr(&world->pdp_addr, &ss);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct avp_writer w = raw_begin(p, world->raw_host);

    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)), 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&ss, n), 0);
    avp_put(&w, A_HOST_IP_ADDRESS, span_of(here, sizeof(here)));
    avp_put_u32(&w, A_VENDOR_ID, 0);
    avp_put(&w, A_PRODUCT_NAME, SPAN("octets"));
    avp_put_u32(&w, A_AUTH_APPLICATION_ID, DIAMETER_APP_RX);
    raw_send(fd, &w, CAPABILITIES, true, ids);
    world->raw = fd;
    if (raw_read(fd, p) == CAPABILITIES) {
        /* RFC 6733 8.16: one whose sessions outlive it says nothing of its start. */
        CU_ASSERT(
            !diameter_top_find(span_of(p, (size_t)p[2] << 8 | p[3]), A_ORIGIN_STATE_ID, &state) ||
            avp_read_u32(state) == 0);
        return true;
    }
    close(fd);
    return false;
}

/* While libfdcore clears a broken connection away it hangs up on the next one of the same peer. */
static int raw_open(struct world *w, const char *host)
{
    w->raw_host = host;
    CU_ASSERT_FATAL(run_until(w, raw_connects));
    return w->raw;
}

static void raw_answer_watchdog(int fd, const uint8_t *request)
{
    uint8_t p[COMMAND_MAX], ids[8];
    struct avp_writer w = raw_begin(p, "pcscf.ims.test");

    memcpy(ids, request + 12, sizeof(ids));
    avp_put_u32(&w, A_RESULT_CODE, DIAMETER_SUCCESS);
    raw_send(fd, &w, WATCHDOG, false, ids);
}

static bool a_peer_is_up(struct world *w)
{
    return diameter_peer_up(w->pdp, SPAN_NONE);
}

static bool no_peer_is_up(struct world *w)
{
    return !diameter_peer_up(w->pdp, SPAN_NONE);
}

static bool enough_are_asked(struct world *w)
{
    return w->asked == w->want;
}

static void raw_ask(struct world *w, int fd, const char *host)
{
    const struct diameter_names names = {span_str(host), SPAN("ims.test")};
    const struct diameter_request r = {.kind = DIAMETER_ST,
                                       .app = DIAMETER_APP_RX,
                                       .session_id = span_str(host),
                                       .st.cause = DIAMETER_LOGOUT};
    uint8_t p[COMMAND_MAX];
    size_t n = 0;

    CU_ASSERT_EQUAL_FATAL(diameter_encode_request(&r, &names, p, sizeof(p), &n), 0);
    CU_ASSERT_EQUAL(write(fd, p, n), (ssize_t)n);
    w->want++;
    CU_ASSERT(run_until(w, enough_are_asked));
}

/* RFC 3539 3.4.1: after a broken connection three watchdogs come first. The peer knows nothing of
 * that and asks at once. */
static void what_a_peer_asks_that_has_just_come_back_is_answered(void)
{
    uint8_t p[COMMAND_MAX];
    uint32_t command = WATCHDOG;
    struct world w;
    int fd, other;

    pdp_alone(&w);
    fd = raw_open(&w, "pcscf.ims.test");
    CU_ASSERT(run_until(&w, a_peer_is_up));
    close(fd);
    CU_ASSERT(run_until(&w, no_peer_is_up));
    fd = raw_open(&w, "pcscf.ims.test");
    raw_ask(&w, fd, "pcscf.ims.test");
    /* Answers go one way: when another peer has its own, the first is where it waits. */
    other = raw_open(&w, "edge.ims.test");
    raw_ask(&w, other, "edge.ims.test");
    CU_ASSERT_EQUAL(raw_read(other, p), SESSION_END);
    for (unsigned i = 0; i < 4 && command == WATCHDOG; i++) {
        command = raw_read(fd, p);
        if (command == WATCHDOG)
            raw_answer_watchdog(fd, p);
    }
    CU_ASSERT_EQUAL(command, SESSION_END);
    close(fd);
    close(other);
    world_close(&w);
}

static bool af_process_is_new(struct world *w)
{
    return diameter_peer_up(w->af, SPAN_NONE);
}

static void a_dead_process_fails_what_is_in_flight_and_comes_back(void)
{
    struct world w;
    struct diameter_stats s;
    pid_t first;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    first = diameter_fd_pid(w.af);
    kill(first, SIGSTOP); /* so that the request stays in flight */
    CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
    kill(first, SIGKILL);
    CU_ASSERT(run_until(&w, all_done));
    CU_ASSERT_EQUAL(w.error, -ECONNRESET);
    CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), -ENOTCONN);
    CU_ASSERT(run_until(&w, af_process_is_new));
    CU_ASSERT_NOT_EQUAL(diameter_fd_pid(w.af), first);
    diameter_stats_get(w.af, &s);
    CU_ASSERT_EQUAL(s.restarts, 1);
    CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
    CU_ASSERT(run_until(&w, all_done));
    CU_ASSERT_EQUAL(w.result, DIAMETER_SUCCESS);
    world_close(&w);
}

static bool refused(struct world *w)
{
    return strstr(w->log, "refused peer stranger.example") != NULL &&
           strstr(w->log, "pdp.ims.test refuses our capabilities: it does not know our identity "
                          "stranger.example") != NULL;
}

static void a_stranger_is_not_let_in_and_both_sides_say_why(void)
{
    struct world w;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    diameter_free(w.af);
    open_af(&w, "stranger.example");
    CU_ASSERT(run_until(&w, refused));
    CU_ASSERT(!diameter_peer_up(w.pdp, SPAN("stranger.example")));
    world_close(&w);
}

static bool stranger_refused(struct world *w)
{
    return strstr(w->log, "refused peer aaaa") != NULL;
}

static void a_name_longer_than_names_are_is_not_let_in(void)
{
    char host[400];
    struct world w;

    memset(host, 'a', sizeof(host));
    strcpy(host + sizeof(host) - 16, ".ims.test");
    pdp_alone(&w);
    close(raw_open(&w, host));
    CU_ASSERT(run_until(&w, stranger_refused));
    world_close(&w);
}

static bool closed(struct world *w)
{
    return strstr(w->log, "its connection is closed") != NULL;
}

static void octets_that_are_no_message_cost_the_sender_its_connection_only(void)
{
    static const uint8_t bad[] = {1, 0, 0, 28, 0x80, 0, 1, 1, 0, 0, 0,    0, 0, 0,
                                  0, 1, 0, 0,  0,    1, 0, 0, 1, 8, 0x40, 0, 0, 4};
    struct world w;
    struct sockaddr_storage ss;
    socklen_t n;
    pid_t before;
    int fd;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    before = diameter_fd_pid(w.pdp);
    n = addr_to_sockaddr(&w.pdp_addr, &ss);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&ss, n), 0);
    CU_ASSERT_EQUAL(write(fd, bad, sizeof(bad)), sizeof(bad));
    CU_ASSERT(run_until(&w, closed));
    CU_ASSERT_EQUAL(send_kind(&w, w.af, DIAMETER_APP_RX, DIAMETER_AA), 0);
    CU_ASSERT(run_until(&w, all_done));
    CU_ASSERT_EQUAL(w.result, DIAMETER_SUCCESS);
    CU_ASSERT_EQUAL(diameter_fd_pid(w.pdp), before);
    close(fd);
    world_close(&w);
}

static bool cannot_start(struct world *w)
{
    return strstr(w->log, "cannot start") != NULL;
}

static void an_address_in_use_is_told_and_tried_again(void)
{
    struct world w;
    struct diameter *second = NULL;

    world_open(&w);
    CU_ASSERT(run_until(&w, both_up));
    struct diameter *first = w.pdp;
    open_pdp(&w);
    second = w.pdp;
    w.pdp = first;
    CU_ASSERT(run_until(&w, cannot_start));
    diameter_free(second);
    world_close(&w);
}

static void what_is_missing_in_the_configuration_is_refused(void)
{
    struct loop *l;
    struct diameter *d = NULL;
    struct diameter_fd_conf c = {.identity = "a.b",
                                 .realm = "b",
                                 .local = loopback(0),
                                 .apps = {DIAMETER_APP_RX},
                                 .n_apps = 1};

    CU_ASSERT_EQUAL_FATAL(loop_new(&l), 0);
    c.program = "/nonexistent/portcullis-diameter";
    CU_ASSERT_EQUAL(diameter_fd_new(l, &c, &d), -ENOENT);
    c.program = NULL;
    c.identity = "quote\"inside";
    CU_ASSERT_EQUAL(diameter_fd_new(l, &c, &d), -EINVAL);
    c.identity = "a.b";
    c.local.family = 0;
    CU_ASSERT_EQUAL(diameter_fd_new(l, &c, &d), -EINVAL);
    CU_ASSERT_PTR_NULL(d);
    loop_free(l);
}

TEST_MAIN(
    "common/diameter/fd", {"every command goes there and back", every_command_goes_there_and_back},
    {"what was wrong comes back in Failed-AVP", what_was_wrong_comes_back_in_failed_avp},
    {"a request as long as can be is answered", a_request_as_long_as_can_be_is_answered},
    {"a request whose answer gets lost is refused in time",
     a_request_whose_answer_gets_lost_is_refused_in_time},
    {"a name longer than names are is not let in", a_name_longer_than_names_are_is_not_let_in},
    {"a thousand requests are each answered once", a_thousand_requests_are_each_answered_once},
    {"a dead process fails what is in flight and comes back",
     a_dead_process_fails_what_is_in_flight_and_comes_back},
    {"what a peer asks that has just come back is answered",
     what_a_peer_asks_that_has_just_come_back_is_answered},
    {"a stranger is not let in, and both sides say why",
     a_stranger_is_not_let_in_and_both_sides_say_why},
    {"octets that are no message cost the sender its connection only",
     octets_that_are_no_message_cost_the_sender_its_connection_only},
    {"an address in use is told and tried again", an_address_in_use_is_told_and_tried_again},
    {"what is missing in the configuration is refused",
     what_is_missing_in_the_configuration_is_refused})
