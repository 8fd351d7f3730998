/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/dialog/dialog.h"

#include <errno.h>
#include <stdio.h>

#include "common/net/netsim.h"
#include "tests/support/suite.h"

static struct sim *sim;
static struct loop *loop;
static struct sip_dialogs *ds;
static unsigned n_ends;
static struct sip_msg *msgs[64];
static unsigned n_msgs;

static void on_end(struct sip_dialog *d, void *ctx)
{
    (void)ctx;
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_TERMINATED);
    n_ends++;
}

static void begin_with(const struct sip_dialogs_options *o)
{
    static const struct sip_dialogs_ops ops = {on_end};

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    CU_ASSERT_EQUAL_FATAL(sim_new(3, &sim), 0);
    loop = sim_loop(sim, "x");
    CU_ASSERT_EQUAL_FATAL(sip_dialogs_new(loop, sim_rnd(sim), o, &ops, NULL, &ds), 0);
    n_ends = n_msgs = 0;
}

static void begin(void)
{
    begin_with(NULL);
}

static void end(void)
{
    sip_dialogs_free(ds);
    sim_free(sim);
    while (n_msgs > 0)
        sip_msg_unref(msgs[--n_msgs]);
}

static struct sip_msg *msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct sip_msg *msg(const char *fmt, ...)
{
    char text[2048];
    struct buf b = BUF_ON(text);
    struct sip_reject reject = {0};
    struct sip_msg *m = NULL;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    msgs[n_msgs++] = m;
    return m;
}

static struct sip_msg *request(const char *method, const char *from, const char *to, unsigned cseq,
                               const char *extra)
{
    return msg("%s sip:bob@192.0.2.3 SIP/2.0\r\n"
               "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%u\r\n"
               "Max-Forwards: 70\r\n"
               "From: %s\r\n"
               "To: %s\r\n"
               "Call-ID: c1\r\n"
               "CSeq: %u %s\r\n"
               "%sContent-Length: 0\r\n\r\n",
               method, cseq, from, to, cseq, method, extra);
}

static struct sip_msg *response(unsigned status, const char *method, const char *from,
                                const char *to, unsigned cseq, const char *extra)
{
    return msg("SIP/2.0 %u X\r\n"
               "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%u\r\n"
               "From: %s\r\n"
               "To: %s\r\n"
               "Call-ID: c1\r\n"
               "CSeq: %u %s\r\n"
               "%sContent-Length: 0\r\n\r\n",
               status, cseq, from, to, cseq, method, extra);
}

#define ALICE     "\"A\" <sip:alice@home>;tag=a"
#define BOB       "<sip:bob@home>;tag=b"
#define BOB_NEW   "<sip:bob@home>"
#define CALLER_RR "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nContact: <sip:alice@192.0.2.1>\r\n"
#define CALLEE_RR                                                                                  \
    "Record-Route: <sip:t2;lr>\r\nRecord-Route: <sip:t1;lr>, <sip:us;lr>\r\n"                      \
    "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nContact: <sip:bob@192.0.2.3>\r\n"

static struct sip_dialog *open_one(unsigned status)
{
    struct sip_dialog *d = NULL;

    CU_ASSERT_EQUAL_FATAL(
        sip_dialog_open(ds, SIP_LEG_THROUGH, request("INVITE", ALICE, BOB_NEW, 5, CALLER_RR),
                        response(status, "INVITE", ALICE, BOB, 5, CALLEE_RR), 1, &d),
        0);
    return d;
}

static void a_dialog_has_a_way_to_either_side(void)
{
    const struct sip_dialog_side *caller, *callee;
    struct sip_dialog *d;

    begin();
    d = open_one(200);
    caller = sip_dialog_side(d, SIP_CALLER);
    callee = sip_dialog_side(d, SIP_CALLEE);
    ASSERT_SPAN_EQ(caller->routes, "<sip:p2;lr>, <sip:p1;lr>");
    /* nearest first: t1 stands above us, t2 above it */
    ASSERT_SPAN_EQ(callee->routes, "<sip:t1;lr>, <sip:t2;lr>");
    ASSERT_SPAN_EQ(caller->contact, "sip:alice@192.0.2.1");
    ASSERT_SPAN_EQ(callee->contact, "sip:bob@192.0.2.3");
    ASSERT_SPAN_EQ(caller->uri, "\"A\" <sip:alice@home>");
    ASSERT_SPAN_EQ(callee->tag, "b");
    CU_ASSERT_EQUAL(caller->cseq, 5);
    CU_ASSERT_EQUAL(callee->cseq, 0);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_CONFIRMED);
    end();
}

static void a_dialog_is_found_from_either_side_and_by_leg(void)
{
    enum sip_side from = SIP_CALLEE;
    struct sip_dialog *d;

    begin();
    d = open_one(183);
    CU_ASSERT_PTR_EQUAL(
        sip_dialog_find(ds, SIP_LEG_THROUGH, request("PRACK", ALICE, BOB, 6, ""), &from), d);
    CU_ASSERT_EQUAL(from, SIP_CALLER);
    CU_ASSERT_PTR_EQUAL(
        sip_dialog_find(ds, SIP_LEG_THROUGH, request("BYE", BOB, ALICE, 1, ""), &from), d);
    CU_ASSERT_EQUAL(from, SIP_CALLEE);
    /* a response is from the other side than its request */
    CU_ASSERT_PTR_EQUAL(
        sip_dialog_find(ds, SIP_LEG_THROUGH, response(200, "PRACK", ALICE, BOB, 6, ""), &from), d);
    CU_ASSERT_EQUAL(from, SIP_CALLEE);
    CU_ASSERT_PTR_NULL(
        sip_dialog_find(ds, SIP_LEG_ORIGINATING, request("PRACK", ALICE, BOB, 6, ""), NULL));
    CU_ASSERT_PTR_NULL(
        sip_dialog_find(ds, SIP_LEG_THROUGH, request("INVITE", ALICE, BOB_NEW, 6, ""), NULL));
    CU_ASSERT_PTR_EQUAL(sip_dialog_by_handle(ds, sip_dialog_handle(d)), d);
    CU_ASSERT_PTR_EQUAL(open_one(180), d); /* the same pair finds it again */
    CU_ASSERT_EQUAL(sip_dialogs_count(ds), 1);
    end();
}

static void each_fork_is_a_dialog(void)
{
    struct sip_dialog *d, *other = NULL;

    begin();
    d = open_one(183);
    CU_ASSERT_EQUAL(
        sip_dialog_open(ds, SIP_LEG_THROUGH, request("INVITE", ALICE, BOB_NEW, 5, CALLER_RR),
                        response(183, "INVITE", ALICE, "<sip:bob@home>;tag=b2", 5, CALLEE_RR), 1,
                        &other),
        0);
    CU_ASSERT(other && other != d);
    open_one(200);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_CONFIRMED);
    CU_ASSERT_EQUAL(sip_dialog_state(other), SIP_DIALOG_EARLY);
    sim_run(sim, 201 * SEC); /* the phone that did not answer is forgotten */
    CU_ASSERT_EQUAL(n_ends, 1);
    CU_ASSERT_EQUAL(sip_dialogs_count(ds), 1);
    end();
}

static void a_number_used_twice_is_refused(void)
{
    struct sip_dialog *d;

    begin();
    d = open_one(200);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLER, request("ACK", ALICE, BOB, 5, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLER, request("UPDATE", ALICE, BOB, 5, "")),
                    -EBADMSG);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLER, request("UPDATE", ALICE, BOB, 6, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_side(d, SIP_CALLER)->cseq, 6);
    /* the other side counts for itself, from anywhere */
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLEE, request("INFO", BOB, ALICE, 3, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLEE, request("INFO", BOB, ALICE, 3, "")),
                    -EBADMSG);
    end();
}

static void an_accepted_update_moves_the_targets(void)
{
    struct sip_dialog *d;
    struct sip_msg *update;

    begin();
    d = open_one(200);
    update = request("UPDATE", ALICE, BOB, 6, "Contact: <sip:alice@192.0.2.77>\r\n");
    CU_ASSERT_EQUAL(
        sip_dialog_on_response(d, SIP_CALLER, update, response(491, "UPDATE", ALICE, BOB, 6, "")),
        0);
    ASSERT_SPAN_EQ(sip_dialog_side(d, SIP_CALLER)->contact, "sip:alice@192.0.2.1");
    CU_ASSERT_EQUAL(sip_dialog_on_response(d, SIP_CALLER, update,
                                           response(200, "UPDATE", ALICE, BOB, 6,
                                                    "Contact: <sip:bob@192.0.2.78>\r\n")),
                    0);
    ASSERT_SPAN_EQ(sip_dialog_side(d, SIP_CALLER)->contact, "sip:alice@192.0.2.77");
    ASSERT_SPAN_EQ(sip_dialog_side(d, SIP_CALLEE)->contact, "sip:bob@192.0.2.78");
    end();
}

static void a_bye_ends_it_and_it_lingers(void)
{
    struct sip_dialog *d;
    struct handle h;

    begin();
    d = open_one(200);
    h = sip_dialog_handle(d);
    sim_run(sim, 3600 * SEC); /* a call may be long */
    CU_ASSERT_EQUAL(n_ends, 0);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLEE, request("BYE", BOB, ALICE, 1, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_TERMINATED);
    sim_run(sim, 31 * SEC);
    CU_ASSERT_PTR_EQUAL(
        sip_dialog_find(ds, SIP_LEG_THROUGH, response(200, "BYE", BOB, ALICE, 1, ""), NULL), d);
    CU_ASSERT_EQUAL(n_ends, 0);
    sim_run(sim, 2 * SEC);
    CU_ASSERT_EQUAL(n_ends, 1);
    CU_ASSERT_PTR_NULL(sip_dialog_by_handle(ds, h));
    end();
}

static void some_refusals_say_that_the_dialog_is_lost(void)
{
    static const struct {
        enum sip_method method;
        unsigned status;
        bool lost;
    } rows[] = {
        {SIP_INVITE, 481, true},  {SIP_INVITE, 408, true},  {SIP_UPDATE, 481, true},
        {SIP_INFO, 481, true},    {SIP_MESSAGE, 481, true}, {SIP_OPTIONS, 481, true},
        {SIP_OTHER, 481, true},   {SIP_UPDATE, 408, false}, {SIP_INFO, 408, false},
        {SIP_PRACK, 481, false},  {SIP_NOTIFY, 481, false}, {SIP_SUBSCRIBE, 481, false},
        {SIP_REFER, 481, false},  {SIP_INVITE, 500, false}, {SIP_INVITE, 404, false},
        {SIP_UPDATE, 200, false},
    };
    struct sip_dialog *d;

    begin();
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        d = open_one(confirmed ? 200 : 183); /* of an early one its INVITE decides */
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            CU_ASSERT_EQUAL(sip_dialog_is_lost(d, rows[i].method, rows[i].status),
                            confirmed && rows[i].lost);
    }
    sip_dialog_terminate(d);
    CU_ASSERT_FALSE(sip_dialog_is_lost(d, SIP_INFO, 481));
    end();
}

static void whether_there_is_a_call_its_invite_says(void)
{
    struct sip_dialog *d;

    begin();
    d = open_one(180);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLEE, request("BYE", BOB, ALICE, 4, "")),
                    -EPERM); /* RFC 3261 15 */
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLER, request("BYE", ALICE, BOB, 6, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_EARLY);
    CU_ASSERT_PTR_EQUAL(open_one(200), d);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_CONFIRMED);
    CU_ASSERT_EQUAL(sip_dialog_on_request(d, SIP_CALLEE, request("BYE", BOB, ALICE, 4, "")), 0);
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_TERMINATED);
    end();
}

static void what_was_early_does_not_linger(void)
{
    begin();
    sip_dialog_terminate(open_one(180));
    CU_ASSERT_EQUAL(n_ends, 0); /* not in this turn */
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL(n_ends, 1);
    CU_ASSERT_EQUAL(sip_dialogs_count(ds), 0);
    end();
}

static struct sip_dialog *ring(unsigned status, const char *to_tag, int want)
{
    struct sip_dialog *d = NULL;
    char to[64];

    snprintf(to, sizeof(to), "<sip:bob@home>;tag=%s", to_tag);
    CU_ASSERT_EQUAL(sip_dialog_open(ds, SIP_LEG_THROUGH,
                                    request("INVITE", ALICE, BOB_NEW, 5, CALLER_RR),
                                    response(status, "INVITE", ALICE, to, 5, CALLEE_RR), 1, &d),
                    want);
    return d;
}

static void phones_that_ring_leave_room_for_those_that_answer(void)
{
    struct sip_dialogs_options o = sip_dialogs_options_default;

    o.limit = 4;
    begin_with(&o);
    ring(180, "1", 0);
    ring(180, "2", 0);
    ring(180, "3", -ENOSPC);
    ring(183, "2", 0);
    ring(200, "3", 0);
    ring(200, "4", 0);
    ring(200, "1", 0);
    ring(200, "5", -ENOSPC);
    end();
    /* And those that have answered leave them theirs. */
    begin_with(&o);
    ring(200, "1", 0);
    ring(200, "2", 0);
    ring(180, "3", 0);
    ring(180, "4", 0);
    end();
}

static void what_makes_no_dialog_is_refused_and_the_table_is_bounded(void)
{
    struct sip_dialogs_options o = sip_dialogs_options_default;
    struct sip_dialog *d = NULL;
    struct sip_msg *invite;

    o.limit = 1;
    begin_with(&o);
    invite = request("INVITE", ALICE, BOB_NEW, 5, CALLER_RR);
    CU_ASSERT_EQUAL(sip_dialog_open(ds, SIP_LEG_THROUGH, invite,
                                    response(183, "INVITE", ALICE, BOB_NEW, 5, ""), 1, &d),
                    -EINVAL);
    CU_ASSERT_EQUAL(sip_dialog_open(ds, SIP_LEG_THROUGH, invite,
                                    response(486, "INVITE", ALICE, BOB, 5, ""), 1, &d),
                    -EINVAL);
    CU_ASSERT_EQUAL(sip_dialog_open(ds, SIP_LEG_THROUGH, request("INFO", ALICE, BOB_NEW, 5, ""),
                                    response(200, "INFO", ALICE, BOB, 5, ""), 1, &d),
                    -EINVAL);
    CU_ASSERT_PTR_NULL(d);
    open_one(200);
    CU_ASSERT_EQUAL(sip_dialog_open(ds, SIP_LEG_ORIGINATING, invite,
                                    response(200, "INVITE", ALICE, BOB, 5, CALLEE_RR), 1, &d),
                    -ENOSPC);
    end();
}

static void a_request_of_our_own_looks_like_the_other_side_sent_it(void)
{
    char text[2048];
    struct buf b = BUF_ON(text);
    struct sip_dialog *d;

    begin();
    d = open_one(200);
    CU_ASSERT_EQUAL(sip_dialog_request(d, SIP_CALLEE, SIP_BYE, SPAN("Reason: SIP;cause=503\r\n"),
                                       SPAN_NONE, &b),
                    0);
    ASSERT_SPAN_EQ(buf_span(&b), "BYE sip:bob@192.0.2.3 SIP/2.0\r\n"
                                 "Max-Forwards: 70\r\n"
                                 "Route: <sip:t1;lr>, <sip:t2;lr>\r\n"
                                 "From: \"A\" <sip:alice@home>;tag=a\r\n"
                                 "To: <sip:bob@home>;tag=b\r\n"
                                 "Call-ID: c1\r\n"
                                 "CSeq: 6 BYE\r\n"
                                 "Reason: SIP;cause=503\r\n"
                                 "Content-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL(sip_dialog_side(d, SIP_CALLER)->cseq, 6);
    b.n = 0;
    CU_ASSERT_EQUAL(sip_dialog_request(d, SIP_CALLER, SIP_BYE, SPAN_NONE, SPAN_NONE, &b), 0);
    ASSERT_SPAN_EQ(buf_span(&b), "BYE sip:alice@192.0.2.1 SIP/2.0\r\n"
                                 "Max-Forwards: 70\r\n"
                                 "Route: <sip:p2;lr>, <sip:p1;lr>\r\n"
                                 "From: <sip:bob@home>;tag=b\r\n"
                                 "To: \"A\" <sip:alice@home>;tag=a\r\n"
                                 "Call-ID: c1\r\n"
                                 "CSeq: 1 BYE\r\n"
                                 "Content-Length: 0\r\n\r\n");
    b.n = 0; /* the ACK has the number of its INVITE, whatever came after it */
    CU_ASSERT_EQUAL(sip_dialog_request(d, SIP_CALLEE, SIP_ACK, SPAN_NONE, SPAN_NONE, &b), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "CSeq: 5 ACK\r\n"));
    CU_ASSERT_EQUAL(sip_dialog_side(d, SIP_CALLER)->cseq, 6);
    b = (struct buf){text, 0, 100, false};
    CU_ASSERT_EQUAL(sip_dialog_request(d, SIP_CALLEE, SIP_BYE, SPAN_NONE, SPAN_NONE, &b),
                    -EMSGSIZE);
    end();
}

/* ---- release ---- */

static unsigned n_byes[2], n_acks;

static bool count_byes(enum net_proto proto, const struct addr *from, const struct addr *to,
                       struct span data, void *ctx)
{
    (void)proto, (void)from, (void)ctx;
    if (span_starts(data, SPAN("BYE ")))
        n_byes[to->ip[3] == 9]++;
    if (span_starts(data, SPAN("ACK ")) && to->ip[3] == 9)
        n_acks++;
    return true;
}

static void release_sends_a_bye_to_both_sides(void)
{
    static const struct sip_layer_ops layer_ops = {0};
    struct addr alice = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 8}};
    struct addr bob = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 9}};
    struct sip_endpoint_options eo = {.name = "x", .udp = true};
    struct wire *wire;
    struct net *net;
    struct sip_transport *t;
    struct sip_endpoint *e;
    struct sip_layer *l;
    struct sip_target hop;
    struct sip_dialog *d;
    size_t before;

    begin();
    eo.local = (struct addr){.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 7}};
    CU_ASSERT_EQUAL_FATAL(wire_new(sim, &wire), 0);
    CU_ASSERT_EQUAL_FATAL(net_sim_new(wire, loop, &net), 0);
    CU_ASSERT_EQUAL_FATAL(sip_transport_new(net, sim_rnd(sim), NULL, &t), 0);
    CU_ASSERT_EQUAL_FATAL(sip_endpoint_open(t, &eo, &e), 0);
    CU_ASSERT_EQUAL_FATAL(sip_layer_new(t, sim_rnd(sim), NULL, &layer_ops, NULL, &l), 0);
    wire_filter(wire, count_byes, NULL);
    memset(n_byes, 0, sizeof(n_byes));
    d = open_one(200);
    hop = sip_target_of(e, NET_UDP, &bob, 0);
    sip_dialog_set_hop(d, SIP_CALLEE, &hop);
    CU_ASSERT_EQUAL(sip_dialog_release(d, l, SPAN("SIP;cause=503")), 1); /* the one it can reach */
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_TERMINATED);
    sim_run(sim, 100 * SEC);
    d = open_one(200);
    sip_dialog_set_hop(d, SIP_CALLEE, &hop);
    hop = sip_target_of(e, NET_UDP, &alice, 0);
    sip_dialog_set_hop(d, SIP_CALLER, &hop);
    CU_ASSERT_EQUAL(sip_dialog_release(d, l, SPAN_NONE), 2);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(n_byes[0], 1);
    CU_ASSERT(n_byes[1] > 1); /* and again: nobody answered the first one */
    CU_ASSERT_EQUAL(sip_dialog_release(d, l, SPAN_NONE), 0);
    /* who answered for nothing: the caller has not heard of it */
    sim_run(sim, 100 * SEC);
    memset(n_byes, 0, sizeof(n_byes));
    d = open_one(200);
    sip_dialog_set_hop(d, SIP_CALLER, &hop);
    hop = sip_target_of(e, NET_UDP, &bob, 0);
    sip_dialog_set_hop(d, SIP_CALLEE, &hop);
    n_acks = 0;
    sip_dialog_turn_down(d, l, SPAN("SIP;cause=487"));
    CU_ASSERT_EQUAL(sip_dialog_state(d), SIP_DIALOG_TERMINATED);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(n_acks, 1);
    CU_ASSERT_EQUAL(n_byes[0], 0);
    CU_ASSERT_EQUAL(n_byes[1], 1);
    sip_dialog_turn_down(d, l, SPAN_NONE);
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(n_acks, 1);
    /* A hop that was taken back leaves no way, and a route of which nothing is known neither. */
    d = open_one(200);
    sip_dialog_set_hop(d, SIP_CALLEE, &hop);
    sip_dialog_set_hop(d, SIP_CALLEE, NULL);
    before = sip_layer_clients(l);
    CU_ASSERT_EQUAL(sip_dialog_send(d, l, SIP_CALLEE, SIP_BYE, SPAN_NONE), -ENOTCONN);
    sip_dialog_set_endpoint(d, SIP_CALLEE, e);
    CU_ASSERT_EQUAL(sip_dialog_send(d, l, SIP_CALLEE, SIP_BYE, SPAN_NONE), 0); /* sip:t1 */
    sim_run(sim, 100 * MSEC);
    CU_ASSERT_EQUAL(sip_layer_clients(l), before);
    sip_layer_free(l);
    sip_transport_free(t);
    net_free(net);
    wire_free(wire);
    end();
}

TEST_MAIN("common/dialog", {"a dialog has a way to either side", a_dialog_has_a_way_to_either_side},
          {"a dialog is found from either side and by leg",
           a_dialog_is_found_from_either_side_and_by_leg},
          {"each fork is a dialog", each_fork_is_a_dialog},
          {"a number used twice is refused", a_number_used_twice_is_refused},
          {"an accepted UPDATE moves the targets", an_accepted_update_moves_the_targets},
          {"a BYE ends it and it lingers", a_bye_ends_it_and_it_lingers},
          {"some refusals say that the dialog is lost", some_refusals_say_that_the_dialog_is_lost},
          {"whether there is a call its INVITE says", whether_there_is_a_call_its_invite_says},
          {"what was early does not linger", what_was_early_does_not_linger},
          {"phones that ring leave room for those that answer",
           phones_that_ring_leave_room_for_those_that_answer},
          {"what makes no dialog is refused and the table is bounded",
           what_makes_no_dialog_is_refused_and_the_table_is_bounded},
          {"a request of our own looks as if the other side had sent it",
           a_request_of_our_own_looks_like_the_other_side_sent_it},
          {"release sends a BYE to both sides, turning down to one",
           release_sends_a_bye_to_both_sides})
