/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 5393 4.2: a request that comes back in the same words is a loop; in others it is a spiral. The callee's host is a
 * proxy that sends all back. */
#include "tests/unit/common/transaction/house.h"

static const struct sip_proxy_rules rules = {.schemes = 1u << SIP_SCHEME_SIP};
static unsigned rounds; /* the proxy sends it round this often in other words, then as it is */
static const char *route;
static struct sip_msg *seen;

static void proxy_on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                             void *ctx)
{
    struct sip_target to = house_target(PROXY, CALLEE, NET_UDP, 0);
    char text[64];
    struct sip_edit e;

    (void)flow, (void)ctx;
    if (!sip_proxy_check(s, &rules))
        return;
    sip_edit_init(&e, m);
    if (rounds) {
        snprintf(text, sizeof(text), "sip:round%u@example.net", rounds--);
        if (route)
            sip_edit_append(&e, SIP_H_ROUTE, span_str(route));
        else
            sip_edit_bytes(&e, m->ruri, span_str(text));
    }
    CU_ASSERT_EQUAL(sip_proxy_forward(s, &e, &to, 1, NULL, NULL, NULL), 0);
}

static void mirror_on_request(struct sip_server *s, struct sip_msg *m, const struct sip_flow *flow,
                              void *ctx)
{
    struct sip_target to = house_target(CALLEE, PROXY, NET_UDP, 0);

    (void)flow, (void)ctx;
    sip_msg_unref(seen);
    seen = sip_msg_ref(m);
    CU_ASSERT_EQUAL(sip_proxy_forward(s, NULL, &to, 1, NULL, NULL, NULL), 0);
}

static const struct sip_layer_ops proxy_ops = {.on_request = proxy_on_request};
static const struct sip_layer_ops mirror_ops = {.on_request = mirror_on_request};

static void begin(unsigned n, const char *by_route)
{
    rounds = n;
    route = by_route;
    house_begin(NULL, &proxy_ops, &mirror_ops, SIP_TIMERS_RFC);
}

static void end(void)
{
    sip_msg_unref(seen);
    seen = NULL;
    house_end();
}

static void caller_sends(const char *method, const char *via, unsigned cseq)
{
    struct sip_target to = house_target(CALLER, PROXY, NET_UDP, 0);
    char text[1024];
    struct buf b = BUF_ON(text);

    buf_fmt(
        &b,
        "%s sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcaller%u\r\n%s"
        "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: %u %s\r\n"
        "Max-Forwards: 70\r\nContact: <sip:a@192.0.2.1>\r\nContent-Length: 0\r\n\r\n",
        method, cseq, via, cseq, method);
    CU_ASSERT_EQUAL(sip_transport_send(h.host[CALLER].t, &to, NET_UDP, buf_span(&b), NULL, NULL),
                    0);
    sim_run(h.sim, 300 * MSEC);
}

static void a_request_that_comes_back_as_it_was_is_refused(void)
{
    begin(0, NULL);
    caller_sends("OPTIONS", "", 1);
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS\n3>2 OPTIONS\n2>3 482 OPTIONS\n3>2 482 OPTIONS\n"
                "2>1 482 OPTIONS\n");
    end();
}

static void a_spiral_goes_on_until_it_is_a_loop(void)
{
    begin(2, NULL);
    caller_sends("OPTIONS", "", 1);
    /* twice in other words, once as it was the last time, and no further */
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS\n3>2 OPTIONS\n2>3 OPTIONS\n3>2 OPTIONS\n2>3 OPTIONS\n"
                "3>2 OPTIONS\n"
                "2>3 482 OPTIONS\n3>2 482 OPTIONS\n2>3 482 OPTIONS\n3>2 482 OPTIONS\n"
                "2>3 482 OPTIONS\n3>2 482 OPTIONS\n2>1 482 OPTIONS\n");
    end();
}

static void another_route_is_a_spiral_too(void)
{
    begin(1, "<sip:elsewhere@example.net;lr>");
    caller_sends("OPTIONS", "", 1);
    ASSERT_WIRE("1>2 OPTIONS\n2>3 OPTIONS\n3>2 OPTIONS\n2>3 OPTIONS\n3>2 OPTIONS\n"
                "2>3 482 OPTIONS\n3>2 482 OPTIONS\n2>3 482 OPTIONS\n3>2 482 OPTIONS\n"
                "2>1 482 OPTIONS\n");
    end();
}

static void the_same_words_in_another_request_are_no_loop(void)
{
    struct sip_values v;
    char via[256];

    begin(0, NULL);
    caller_sends("OPTIONS", "", 1);
    v = sip_values(seen, SIP_H_VIA);
    CU_ASSERT_EQUAL_FATAL(sip_values_next(&v), true);
    h.trace.n = 0;
    /* one of our branches in a request that never was here; and one that looks like ours */
    snprintf(via, sizeof(via), "Via: %.*s\r\n", SPAN_ARG(v.value));
    caller_sends("OPTIONS", via, 2);
    CU_ASSERT_TRUE(span_starts(buf_span(&h.trace), SPAN("1>2 OPTIONS\n2>3 OPTIONS\n")));
    h.trace.n = 0;
    caller_sends("OPTIONS",
                 "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKabcdefghijklm.abcdefghijklm\r\n"
                 "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK.\r\n"
                 "Via: SIP/2.0/UDP 192.0.2.2;branch\r\nVia: SIP/2.0/X y;branch=\r\n",
                 3);
    CU_ASSERT_TRUE(span_starts(buf_span(&h.trace), SPAN("1>2 OPTIONS\n2>3 OPTIONS\n")));
    h.trace.n = 0;
    end();
}

/* Its ACK and a CANCEL find the transaction: RFC 5393 4.2.1. */
static void a_looping_invite_ends_like_any_other(void)
{
    begin(0, NULL);
    caller_sends("INVITE", "", 1);
    CU_ASSERT_TRUE(span_starts(buf_span(&h.trace), SPAN("1>2 INVITE\n2>3 INVITE\n3>2 INVITE\n"
                                                        "2>3 482 INVITE\n3>2 ACK\n")));
    h.trace.n = 0;
    end();
}

TEST_MAIN("common/transaction/loop",
          {"a request that comes back as it was is refused",
           a_request_that_comes_back_as_it_was_is_refused},
          {"a spiral goes on until it is a loop", a_spiral_goes_on_until_it_is_a_loop},
          {"another Route is a spiral, too", another_route_is_a_spiral_too},
          {"the same words in another request are no loop",
           the_same_words_in_another_request_are_no_loop},
          {"a looping INVITE ends like any other", a_looping_invite_ends_like_any_other})
