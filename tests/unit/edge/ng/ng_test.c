/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/ng/ng.h"

#include <errno.h>

#include "common/net/netsim.h"
#include "tests/support/suite.h"

/* ---- bencode ---- */

static void reads(void)
{
    static struct ng_doc d;
    const struct ng_value *v;
    struct span text =
        SPAN("d7:command5:offer9:directionl6:access4:coree7:call-id3:a:b1:ni-42e5:flagsl13:strict "
             "sourcee1:dd1:k0:ee");

    CU_ASSERT_EQUAL_FATAL(ng_parse(text, &d), 0);
    const struct ng_value *root = &d.values[0];
    ASSERT_SPAN_EQ(ng_find_text(&d, root, "command"), "offer");
    ASSERT_SPAN_EQ(ng_find_text(&d, root, "call-id"), "a:b");
    CU_ASSERT_PTR_NULL(ng_find_text(&d, root, "from-tag").p);
    CU_ASSERT_PTR_NULL(ng_find_text(&d, root, "n").p); /* of another type */
    v = ng_find(&d, root, "n", NG_NUMBER);
    CU_ASSERT_TRUE_FATAL(v != NULL);
    CU_ASSERT_EQUAL(v->number, -42);
    v = ng_first(&d, ng_find(&d, root, "direction", NG_LIST));
    CU_ASSERT_TRUE_FATAL(v != NULL && ng_next(&d, v) != NULL);
    ASSERT_SPAN_EQ(v->text, "access");
    ASSERT_SPAN_EQ(ng_next(&d, v)->text, "core");
    CU_ASSERT_PTR_NULL(ng_next(&d, ng_next(&d, v)));
    CU_ASSERT_TRUE(ng_has_flag(&d, root, "flags", "strict-source"));
    CU_ASSERT_FALSE(ng_has_flag(&d, root, "flags", "strict"));
    v = ng_find(&d, root, "d", NG_DICT);
    CU_ASSERT_EQUAL(ng_find_text(&d, v, "k").n, 0);
    CU_ASSERT_PTR_NOT_NULL(ng_find_text(&d, v, "k").p);
}

static void refuses(void)
{
    static struct ng_doc d;
    static const struct {
        const char *text;
        int rc;
    } t[] = {
        {"", -EBADMSG},
        {"d", -EBADMSG},
        {"d1:a", -EBADMSG},
        {"d1:ai1e", -EBADMSG},
        {"de.", -EBADMSG},
        {"i1", -EBADMSG},
        {"ie", -EBADMSG},
        {"i-e", -EBADMSG},
        {"i1.5e", -EBADMSG},
        {"5:abcd", -EBADMSG},
        {"99999999:a", -EBADMSG},
        {"-1:a", -EBADMSG},
        {"00000012:a", -EBADMSG},
        {"di1e1:ae", -EBADMSG},
        {"d1:ai1e1:ai2ee", -EBADMSG},
        {"x", -EBADMSG},
        {"i9223372036854775808e", -EBADMSG},
        {"lllllllllleeeeeeeeee", -E2BIG},
    };
    char many[4096];
    struct buf b = BUF_ON(many);

    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        CU_ASSERT_EQUAL(ng_parse(span_str(t[i].text), &d), t[i].rc);
    buf_putc(&b, 'l');
    for (unsigned i = 0; i < NG_VALUES_MAX; i++)
        buf_puts(&b, "i1e");
    buf_putc(&b, 'e');
    CU_ASSERT_EQUAL(ng_parse(buf_span(&b), &d), -E2BIG);
    b = BUF_ON(many);
    buf_putc(&b, 'd');
    for (unsigned i = 0; i <= NG_KEYS_MAX; i++)
        buf_fmt(&b, "3:k%02ui1e", i);
    buf_putc(&b, 'e');
    CU_ASSERT_EQUAL(ng_parse(buf_span(&b), &d), -E2BIG);
}

static void writes(void)
{
    static struct ng_doc d;
    char text[200];
    struct buf b = BUF_ON(text);

    ng_put_begin(&b, 'd');
    ng_put_count(&b, "packets", 7);
    ng_put_pair(&b, "result", SPAN("ok"));
    ng_put_key(&b, "tags");
    ng_put_begin(&b, 'l');
    ng_put_text(&b, SPAN(""));
    ng_put_number(&b, -1);
    ng_put_end(&b);
    ng_put_end(&b);
    ASSERT_SPAN_EQ(buf_span(&b), "d7:packetsi7e6:result2:ok4:tagsl0:i-1eee");
    CU_ASSERT_EQUAL(ng_parse(buf_span(&b), &d), 0);
}

/* ---- server ---- */

static struct sim *sim;
static struct wire *wire;
static struct net *here, *there;
static struct ng_server *server;
static struct net_udp *client;
static struct addr server_at;
static unsigned ran;
static struct handle last;
static bool answer_at_once;
static char text[2048];
static struct buf seen;

static void on_request(struct ng_server *s, const struct ng_request *r, void *ctx)
{
    (void)ctx;
    ran++;
    last = r->id;
    if (answer_at_once) {
        char out[64];
        struct buf b = BUF_ON(out);

        buf_fmt(&b, "d6:answeri%uee", ran);
        CU_ASSERT_EQUAL(ng_answer(s, r->id, buf_span(&b)), 0);
    }
}

static void on_datagram(struct net_udp *u, const struct addr *from, struct span data, void *ctx)
{
    (void)u, (void)from, (void)ctx;
    buf_put(&seen, data);
    buf_putc(&seen, '|');
}

static void begin(unsigned limit)
{
    static const struct net_udp_ops ops = {on_datagram};
    static struct addr_net allowed;
    struct ng_options o = {.remember = 10 * SEC, .limit = limit, .allow = &allowed, .n_allow = 1};
    struct addr a;
    uint64_t seed = 4;
    struct rnd rnd = rnd_seeded(&seed);

    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "pcscf"), &there), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, sim_loop(sim, "edge"), &here), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("127.0.0.35:2223"), 0, &server_at), 0);
    o.local = server_at;
    CU_ASSERT_EQUAL(addr_net_parse(SPAN("127.0.0.0/25"), &allowed), 0);
    CU_ASSERT_EQUAL_FATAL(ng_server_new(here, &rnd, &o, on_request, NULL, &server), 0);
    CU_ASSERT_EQUAL(addr_parse(SPAN("127.0.0.10:4000"), 0, &a), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(there, &a, NULL, &ops, NULL, &client), 0);
    seen = BUF_ON(text);
    ran = 0;
    answer_at_once = true;
}

static void finish(void)
{
    ng_server_free(server);
    net_udp_close(client);
    net_free(here);
    net_free(there);
    wire_free(wire);
    sim_free(sim);
}

static void say(const char *datagram)
{
    CU_ASSERT_EQUAL(net_udp_send(client, &server_at, span_str(datagram)), 0);
    sim_run(sim, 10 * MSEC);
}

#define PING "d7:command4:pinge"

static void repeated(void)
{
    begin(100);
    say("c1 " PING);
    say("c1 " PING);
    say("c2 " PING);
    say("c1 d7:command4:pong1:xi1ee"); /* the cookies begin anew */
    ASSERT_SPAN_EQ(buf_span(&seen), "c1 d6:answeri1ee|c1 d6:answeri1ee|c2 d6:answeri2ee|"
                                    "c1 d6:answeri3ee|");
    CU_ASSERT_EQUAL(ran, 3);
    CU_ASSERT_EQUAL(ng_server_counters(server)->repeated, 1);
    sim_run(sim, 11 * SEC); /* forgotten */
    say("c1 " PING);
    CU_ASSERT_EQUAL(ran, 4);
    finish();
}

static void open_commands(void)
{
    begin(100);
    answer_at_once = false;
    say("c1 " PING);
    say("c1 " PING);
    CU_ASSERT_EQUAL(ran, 1);
    CU_ASSERT_EQUAL(seen.n, 0);
    CU_ASSERT_EQUAL(ng_answer(server, last, SPAN("d6:result2:oke")), 0);
    CU_ASSERT_EQUAL(ng_answer(server, last, SPAN("d6:result4:latee")), 0); /* one answer only */
    say("c1 " PING);
    ASSERT_SPAN_EQ(buf_span(&seen), "c1 d6:result2:oke|c1 d6:result2:oke|");
    CU_ASSERT_EQUAL(ran, 1);
    ng_answer_error(server, (struct handle){9, 9}, "nobody asked");
    finish();
}

static void bound(void)
{
    begin(2);
    answer_at_once = false;
    say("c1 " PING);
    struct handle first = last;
    say("c2 " PING);
    say("c3 " PING);
    CU_ASSERT_EQUAL(ran, 2);
    CU_ASSERT_EQUAL(ng_server_counters(server)->overload, 1);
    ASSERT_SPAN_EQ(buf_span(&seen), "c3 d12:error-reason25:too many commands at once6:result5:"
                                    "errore|");
    ng_answer_error(server, first, "no");
    seen.n = 0;
    sim_run(sim, 10 * MSEC);
    ASSERT_SPAN_EQ(buf_span(&seen), "c1 d12:error-reason2:no6:result5:errore|");
    say("c3 " PING); /* the kept answer made room */
    CU_ASSERT_EQUAL(ran, 3);
    finish();
}

static void malformed(void)
{
    struct addr a;
    struct net_udp *other;
    static const struct net_udp_ops ops = {on_datagram};

    begin(10);
    say("");
    say("c1");
    say(" " PING);
    say("c\x01 " PING);
    say("0123456789012345678901234567890123456789012345678901234567890123456789 " PING);
    CU_ASSERT_EQUAL(seen.n, 0);
    say("c1 d7:command");
    say("c2 l4:pinge");
    say("c3 d7:commandi1ee");
    CU_ASSERT_EQUAL(ran, 0);
    CU_ASSERT_EQUAL(ng_server_counters(server)->malformed, 8);
    CU_ASSERT_TRUE(span_starts(buf_span(&seen), SPAN("c1 d12:error-reason")));
    seen.n = 0;
    CU_ASSERT_EQUAL(addr_parse(SPAN("127.0.0.200:4000"), 0, &a), 0);
    CU_ASSERT_EQUAL_FATAL(net_udp_open(there, &a, NULL, &ops, NULL, &other), 0);
    CU_ASSERT_EQUAL(net_udp_send(other, &server_at, SPAN("c1 " PING)), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(ng_server_counters(server)->forbidden, 1);
    CU_ASSERT_EQUAL(ran + seen.n, 0);
    net_udp_close(other);
    finish();
}

TEST_MAIN("edge/ng", {"a command is a tree over the datagram", reads},
          {"what is not bencoded, ambiguous or beyond the limits is refused", refuses},
          {"answers are bencoded", writes},
          {"a repeated command gets its answer again and is not run again", repeated},
          {"a command that is open is not run again by its repetition", open_commands},
          {"at the bound the oldest answer is forgotten, open commands are not", bound},
          {"noise and sources not allowed get nothing; a bad command says so", malformed})
