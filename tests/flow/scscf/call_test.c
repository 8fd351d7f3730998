/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls and messages through a whole S-CSCF: both halves, their ends, their records. */
#include <stdio.h>

#include "tests/flow/scscf/world.h"

/* The INVITE as it reached pb. */
static char invite[PEER_TEXT_MAX];

static bool is(const char *m, const char *start)
{
    bool same = m && strncmp(m, start, strlen(start)) == 0;

    if (!same)
        printf("\nnot %s but: %s", start, m ? m : "nothing");
    return same;
}

static bool reaches_bob(const char *call_id, const char *lines)
{
    const char *m;

    world_invite(BOB, call_id, lines);
    m = peer_take(&w.pb, "INVITE", NULL);
    if (m)
        snprintf(invite, sizeof(invite), "%s", m);
    return m != NULL;
}

static void bob_says(const char *status, const char *tag, const char *lines)
{
    peer_answer(&w.pb, &w.s, invite, status, tag, lines, NULL);
    world_run(20);
}

#define BOBS_CONTACT                                                                               \
    "Record-Route: <sip:192.0.2.12:5070;lr>\nContact: <sip:bob@192.0.2.102:5062>\n"                \
    "P-Asserted-Identity: <" BOB ">\n"

static void answered_call(const char *call_id, const char *lines)
{
    CU_ASSERT_FATAL(reaches_bob(call_id, ""));
    bob_says("180 Ringing", "b", "");
    bob_says("200 OK", "b", lines);
    CU_ASSERT_FATAL(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    world_in_dialog(&w.pa, "ACK", call_id, 1, true);
    CU_ASSERT_FATAL(is(peer_take(&w.pb, "ACK", NULL), "ACK"));
}

static void open_registered(void (*configure)(struct scscf_options *o))
{
    world_open(configure);
    world_registered();
}

static const struct cdr *of_role(const struct cdr *c, size_t n, enum cdr_role role)
{
    for (size_t i = 0; i < n; i++)
        if (c[i].role == role)
            return &c[i];
    return NULL;
}

/* ---- both halves ------------------------------------------------------------------------------ */

static void a_call_runs_both_halves_in_one_transaction(void)
{
    const char *m;

    open_registered(NULL);
    /* alice → S: INVITE by the Service-Route */
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    world_run(300);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 100", NULL), "SIP/2.0 100"));
    /* S → pb: bob's contact by his Path */
    CU_ASSERT(is(invite, "INVITE sip:bob@192.0.2.102:5062 SIP/2.0\r\n"));
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Route", 0), "<sip:term@192.0.2.12:5070;lr>");
    CU_ASSERT_FALSE(strstr(invite, "orig@") != NULL);
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "P-Called-Party-ID", 0), "<" BOB ">");
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Record-Route", 0), "<sip:192.0.2.20:6060;lr>");
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Record-Route", 1), "<sip:192.0.2.10:5070;lr>");
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "Max-Forwards", 0), "67");
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "P-Asserted-Identity", 0), "<" ALICE ">");
    CU_ASSERT_STRING_EQUAL(peer_header(invite, "P-Asserted-Identity", 1), "<" ALICE_TEL ">");
    m = peer_header(invite, "P-Charging-Vector", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "icid-value=\"icid-c1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "icid-generated-at=192.0.2.10"));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 2);
    /* pb → S → alice: 180, 200 */
    bob_says("180 Ringing", "b", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 180", NULL), "SIP/2.0 180"));
    bob_says("200 OK", "b", BOBS_CONTACT);
    m = peer_take(&w.pa, "SIP/2.0 200", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    m = peer_header(m, "P-Charging-Vector", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "icid-value=\"icid-c1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "term-ioi=\"Type 1" REALM "\""));
    /* alice → S → pb: ACK */
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    m = peer_take(&w.pb, "ACK", NULL);
    CU_ASSERT_FATAL(is(m, "ACK sip:bob@192.0.2.102:5062"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "Route", 0), "<sip:192.0.2.12:5070;lr>");
    world_close();
}

static void the_caller_hangs_up_and_both_halves_are_recorded(void)
{
    struct cdr c[4];
    const struct cdr *o, *t;
    const char *m;

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    bob_says("180 Ringing", "b", "");
    world_run(3000); /* ringing is not charged */
    bob_says("200 OK", "b", BOBS_CONTACT);
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    world_run(10000);
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    m = peer_take(&w.pb, "BYE", NULL);
    CU_ASSERT_FATAL(is(m, "BYE"));
    peer_answer(&w.pb, &w.s, m, "200 OK", "b", "", NULL);
    world_run(100);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 0);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    o = of_role(c, 2, CDR_ORIGINATING);
    t = of_role(c, 2, CDR_TERMINATING);
    CU_ASSERT_FATAL(o && t);
    ASSERT_SPAN_EQ(o->icid, "icid-c1");
    ASSERT_SPAN_EQ(t->icid, "icid-c1");
    ASSERT_SPAN_EQ(o->calling, ALICE);
    ASSERT_SPAN_EQ(o->calling_alias, ALICE_TEL);
    ASSERT_SPAN_EQ(o->called, BOB);
    ASSERT_SPAN_EQ(o->called_asserted, BOB);
    ASSERT_SPAN_EQ(o->subscriber, ALICE_IMPI);
    ASSERT_SPAN_EQ(t->subscriber, BOB_IMPI);
    ASSERT_SPAN_EQ(o->orig_ioi, REALM);
    ASSERT_SPAN_EQ(t->term_ioi, REALM);
    ASSERT_SPAN_EQ(o->reason, "BYE caller");
    CU_ASSERT_EQUAL(o->cause, CDR_CAUSE_NORMAL);
    CU_ASSERT_EQUAL(o->sip_status, 200);
    CU_ASSERT(cdr_duration(o) >= 10 * 1000000 && cdr_duration(o) < 11 * 1000000);
    CU_ASSERT(o->answer_time - o->request_time >= 3 * 1000000);
    CU_ASSERT(world_has_call_event(SCSCF_CALL_ENDED));
    world_run(120000);
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
    CU_ASSERT(scscf_is_idle(w.scscf));
    world_close();
}

static void the_callee_hangs_up(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    world_run(1000);
    world_in_dialog(&w.pb, "BYE", "c1", 1, false);
    CU_ASSERT(is(peer_take(&w.pa, "BYE", NULL), "BYE sip:alice@192.0.2.101:5062"));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    ASSERT_SPAN_EQ(c[0].reason, "BYE callee");
    ASSERT_SPAN_EQ(c[1].reason, "BYE callee");
    world_close();
}

static void both_hang_up_at_once_and_one_record_a_half_is_written(void)
{
    struct cdr c[4];
    unsigned ended = 0;

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    world_in_dialog(&w.pb, "BYE", "c1", 1, false);
    CU_ASSERT(is(peer_take(&w.pb, "BYE", NULL), "BYE"));
    CU_ASSERT(is(peer_take(&w.pa, "BYE", NULL), "BYE"));
    world_run(100);
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    for (unsigned i = 0; i < w.n_call_events; i++)
        ended += w.call_events[i] == SCSCF_CALL_ENDED;
    CU_ASSERT_EQUAL(ended, 1);
    world_close();
}

/* ---- calls that come to nothing --------------------------------------------------------------- */

static void the_caller_gives_up(void)
{
    struct cdr c[4];
    const char *m;

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    bob_says("180 Ringing", "b", "");
    peer_say(&w.pa, &w.s,
             "CANCEL " BOB " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKc1-INVITE\n"
             "Route: " ROUTE_ORIG "\nFrom: <" ALICE ">;tag=a\nTo: <" BOB ">\nCall-ID: c1\n"
             "CSeq: 1 CANCEL\nMax-Forwards: 70\n");
    world_run(20);
    m = peer_take(&w.pb, "CANCEL", NULL);
    CU_ASSERT_FATAL(is(m, "CANCEL sip:bob@192.0.2.102:5062"));
    peer_answer(&w.pb, &w.s, m, "200 OK", "b", "", NULL);
    bob_says("487 Request Terminated", "b", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 487", NULL), "SIP/2.0 487"));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    ASSERT_SPAN_EQ(c[0].reason, "CANCEL");
    CU_ASSERT_EQUAL(c[0].sip_status, 487);
    CU_ASSERT_EQUAL(c[0].cause, CDR_CAUSE_UNSUCCESSFUL);
    CU_ASSERT_EQUAL(c[0].answer_time, 0);
    world_run(60000);
    CU_ASSERT(scscf_is_idle(w.scscf));
    world_close();
}

static void the_callee_is_busy(void)
{
    struct cdr c[4];

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    bob_says("486 Busy Here", "b", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 486", NULL), "SIP/2.0 486"));
    CU_ASSERT(is(peer_take(&w.pb, "ACK", NULL), "ACK"));
    world_invite(BOB, "c1", ""); /* the answer was lost: it is there at once, nobody rings again */
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 486", NULL), "SIP/2.0 486"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE", NULL));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].sip_status, 486);
    CU_ASSERT(world_has_call_event(SCSCF_CALL_FAILED));
    world_close();
}

static void nobody_answers_the_invite(void)
{
    struct cdr c[4];

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    world_run(40000); /* timer B */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 408", NULL));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].sip_status, 408);
    world_close();
}

static void who_cannot_call_or_be_called_gets_the_reason(void)
{
    static const struct {
        const char *ruri, *asserted, *status;
        unsigned orig, term; /* of the record of each half; 0 = nobody of ours is served there */
    } rows[] = {
        {"sip:nobody@" REALM, ALICE, "SIP/2.0 404", 404, 0},
        {"sip:carol@" REALM, ALICE, "SIP/2.0 603", 603, 603},
        {BOB, "sip:stranger@" REALM, "SIP/2.0 403", 0, 0},
        {BOB, "sip:carol@" REALM, "SIP/2.0 403", 0, 0},
        {"tel:+49999", ALICE, "SIP/2.0 404", 404, 0},
        {"urn:service:sos", ALICE, "SIP/2.0 416", 0, 0},
    };
    struct cdr c[8];
    size_t n;

    open_registered(NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char lines[512], id[8];

        snprintf(id, sizeof(id), "c%zu", i);
        snprintf(lines, sizeof(lines),
                 "Route: " ROUTE_ORIG "\nMax-Forwards: 68\nP-Asserted-Identity: <%s>\n"
                 "Contact: <sip:alice@192.0.2.101:5062>\n",
                 rows[i].asserted);
        world_request(&w.pa, "INVITE", rows[i].ruri, id, lines);
        CU_ASSERT(is(peer_take(&w.pa, rows[i].status, NULL), rows[i].status));
        CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE", NULL));
    }
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 0);
    n = world_records(c, ARRAY_LEN(c));
    CU_ASSERT_EQUAL(n, 4);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char id[8];
        unsigned orig = 0, term = 0;

        snprintf(id, sizeof(id), "c%zu", i);
        for (size_t k = 0; k < n; k++) {
            if (!span_eq(c[k].session_id, span_str(id)))
                continue;
            CU_ASSERT_EQUAL(c[k].cause, CDR_CAUSE_UNSUCCESSFUL);
            CU_ASSERT_EQUAL(c[k].answer_time, 0);
            ASSERT_SPAN_EQ(c[k].called, rows[i].ruri);
            *(c[k].role == CDR_ORIGINATING ? &orig : &term) = c[k].sip_status;
        }
        CU_ASSERT_EQUAL(orig, rows[i].orig);
        CU_ASSERT_EQUAL(term, rows[i].term);
    }
    world_close();
}

#define SDP(lines) "v=0\no=- 1 1 IN IP4 192.0.2.102\ns=-\nc=IN IP4 192.0.2.102\nt=0 0\n" lines

static void the_record_says_what_media_were_agreed(void)
{
    struct cdr c[4];

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    /* the answer comes early, by 100rel; the 200 has none */
    peer_answer(&w.pb, &w.s, invite, "183 Session Progress", "b", BOBS_CONTACT,
                SDP("m=audio 4000 RTP/AVP 96 0\nb=AS:41\na=rtpmap:96 AMR-WB/16000\na=sendonly\n"
                    "m=video 0 RTP/AVP 97\nm=text 4004 RTP/AVP 98\n"));
    world_run(20);
    bob_says("200 OK", "b", BOBS_CONTACT);
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    world_run(1000);
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(c[i].n_media, 2); /* without the one that was refused */
        ASSERT_SPAN_EQ(c[i].media[0].media, "audio");
        ASSERT_SPAN_EQ(c[i].media[0].codec, "AMR-WB");
        ASSERT_SPAN_EQ(c[i].media[0].direction, "sendonly");
        CU_ASSERT_EQUAL(c[i].media[0].bandwidth_kbps, 41);
        ASSERT_SPAN_EQ(c[i].media[1].media, "text");
        ASSERT_SPAN_EQ(c[i].media[1].codec, "");
        ASSERT_SPAN_EQ(c[i].media[1].direction, "sendrecv");
        CU_ASSERT_EQUAL(c[i].media[1].bandwidth_kbps, 0);
    }
    world_close();
}

static void a_callee_who_is_not_registered_gets_480(void)
{
    struct cdr c[4];
    const char *m;

    world_open(NULL);
    m = world_register(&w.pa, ALICE,
                       "Authorization: Digest username=\"" ALICE_IMPI "\",realm=\"" REALM
                       "\",nonce=\"\",uri=\"sip:" REALM "\",response=\"\"\n");
    m = world_register(&w.pa, ALICE,
                       world_answer(m, &(struct credentials){ALICE_IMPI, NULL, "yes", false}));
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    world_invite(BOB, "c1", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 480", NULL), "SIP/2.0 480"));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2); /* both are served here */
    CU_ASSERT_EQUAL(c[0].sip_status, 480);
    ASSERT_SPAN_EQ(of_role(c, 2, CDR_TERMINATING)->subscriber, BOB_IMPI);
    world_close();
}

static void a_caller_who_is_not_registered_gets_403(void)
{
    world_open(NULL);
    world_invite(BOB, "c1", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 403", NULL), "SIP/2.0 403"));
    world_close();
}

static void loops_and_used_up_max_forwards_are_refused(void)
{
    open_registered(NULL);
    world_request(&w.pa, "INVITE", BOB, "c1",
                  "Route: " ROUTE_ORIG "\nMax-Forwards: 0\nP-Asserted-Identity: <" ALICE ">\n"
                  "Contact: <sip:alice@192.0.2.101:5062>\n");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 483", NULL), "SIP/2.0 483"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->opened, 0);
    world_close();
}

/* ---- one half --------------------------------------------------------------------------------- */

static void a_call_from_another_network_runs_the_terminating_half(void)
{
    struct cdr c[4];
    const char *m;

    open_registered(NULL);
    world_request(&w.px, "INVITE", BOB, "c1",
                  "Max-Forwards: 60\nContact: <sip:zoe@192.0.2.31>\n"
                  "P-Asserted-Identity: <sip:zoe@elsewhere.example>\n"
                  "P-Charging-Vector: icid-value=far;orig-ioi=elsewhere.example\n");
    m = peer_take(&w.pb, "INVITE", NULL);
    CU_ASSERT_FATAL(is(m, "INVITE sip:bob@192.0.2.102:5062"));
    snprintf(invite, sizeof(invite), "%s", m);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 1);
    bob_says("603 Decline", "b", "");
    CU_ASSERT(is(peer_take(&w.px, "SIP/2.0 603", NULL), "SIP/2.0 603"));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 1);
    CU_ASSERT_EQUAL(c[0].role, CDR_TERMINATING);
    ASSERT_SPAN_EQ(c[0].icid, "far");
    ASSERT_SPAN_EQ(c[0].orig_ioi, "elsewhere.example");
    ASSERT_SPAN_EQ(c[0].calling, "sip:zoe@elsewhere.example");
    world_close();
}

static void a_call_to_another_network_runs_the_originating_half(void)
{
    struct cdr c[4];
    const char *m;

    open_registered(NULL);
    world_invite("sip:zoe@elsewhere.example:5060", "c1", "");
    m = peer_take(&w.px, "INVITE", NULL);
    CU_ASSERT_FATAL(is(m, "INVITE sip:zoe@elsewhere.example:5060 SIP/2.0"));
    CU_ASSERT_FALSE(peer_has_header(m, "Route"));
    CU_ASSERT_FALSE(peer_has_header(m, "P-Called-Party-ID"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "P-Charging-Vector", 0), "orig-ioi=\"" REALM));
    peer_answer(&w.px, &w.s, m, "404 Not Found", "z", "", NULL);
    world_run(100);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 404", NULL), "SIP/2.0 404"));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 1);
    CU_ASSERT_EQUAL(c[0].role, CDR_ORIGINATING);
    world_close();
}

static void trust_the_p_cscfs(struct scscf_options *o)
{
    static struct addr_net inside[2];

    CU_ASSERT_EQUAL(addr_net_parse(SPAN("192.0.2.10"), &inside[0]), 0);
    CU_ASSERT_EQUAL(addr_net_parse(SPAN("192.0.2.12"), &inside[1]), 0);
    o->allow = inside;
    o->n_allow = ARRAY_LEN(inside);
}

/* RFC 3324, 3325 5, TS 24.229 4.4. */
static void what_is_for_the_network_stays_in_it(void)
{
    static const char *const internal[] = {"P-Access-Network-Info", "P-Charging-Vector"};
    struct cdr c[4];
    const char *m;

    open_registered(trust_the_p_cscfs);
    world_invite("sip:zoe@elsewhere.example:5060", "c1", "Privacy: header; ID\n");
    m = peer_take(&w.px, "INVITE", NULL);
    CU_ASSERT_FATAL(is(m, "INVITE"));
    for (size_t i = 0; i < ARRAY_LEN(internal); i++)
        CU_ASSERT_FALSE(peer_has_header(m, internal[i]));
    CU_ASSERT_FALSE(peer_has_header(m, "P-Asserted-Identity"));
    world_invite("sip:zoe@elsewhere.example:5060", "c2", "");
    m = peer_take(&w.px, "INVITE", NULL);
    CU_ASSERT_FATAL(is(m, "INVITE"));
    CU_ASSERT_STRING_EQUAL(peer_header(m, "P-Asserted-Identity", 0), "<" ALICE ">");
    /* And what strangers assert does not come in. */
    peer_answer(&w.px, &w.s, m, "200 OK", "b",
                "Contact: <sip:zoe@192.0.2.30:5060>\nP-Asserted-Identity: <sip:bank@" REALM ">\n"
                "P-Charging-Vector: icid-value=x;term-ioi=liar.example\n",
                NULL);
    world_run(100);
    m = peer_take(&w.pa, "SIP/2.0 200", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    CU_ASSERT_FALSE(peer_has_header(m, "P-Asserted-Identity"));
    CU_ASSERT_PTR_NULL(strstr(peer_header(m, "P-Charging-Vector", 0), "liar.example"));
    peer_say(&w.pa, &w.s,
             "BYE sip:zoe@192.0.2.30:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKoutside\n"
             "Route: <sip:192.0.2.20:6060;lr>\nMax-Forwards: 68\n"
             "P-Access-Network-Info: 3GPP-E-UTRAN-FDD\n"
             "From: <" ALICE ">;tag=a\nTo: <sip:zoe@elsewhere.example:5060>;tag=b\n"
             "Call-ID: c2\nCSeq: 2 BYE\n");
    world_run(20);
    m = peer_take(&w.px, "BYE", NULL);
    CU_ASSERT_FATAL(is(m, "BYE"));
    CU_ASSERT_FALSE(peer_has_header(m, "P-Access-Network-Info"));
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 1);
    CU_ASSERT_EQUAL(c[0].called_asserted.n, 0);
    CU_ASSERT_EQUAL(c[0].term_ioi.n, 0);
    world_close();
}

static struct addr_net p_cscfs[2];

static void allow_p_cscfs(struct scscf_options *o)
{
    CU_ASSERT_EQUAL_FATAL(addr_net_parse(SPAN("192.0.2.10"), &p_cscfs[0]), 0);
    CU_ASSERT_EQUAL_FATAL(addr_net_parse(SPAN("192.0.2.12/31"), &p_cscfs[1]), 0);
    o->allow = p_cscfs;
    o->n_allow = ARRAY_LEN(p_cscfs);
}

/* Bob's phone is shown the branch of the S-CSCF: whoever has it is not bob's P-CSCF for that. */
static void a_stranger_answers_no_call(void)
{
    struct peer stranger, second;

    for (unsigned allow = 0; allow < 2; allow++) {
        open_registered(allow ? allow_p_cscfs : NULL);
        peer_open(&stranger, w.sim, w.wire, "stranger", "203.0.113.66:5099");
        peer_open(&second, w.sim, w.wire, "pb", "192.0.2.13:5070"); /* pb's other address */
        CU_ASSERT_FATAL(reaches_bob("c1", ""));
        peer_answer(&stranger, &w.s, invite, "200 OK", "forged", BOBS_CONTACT, NULL);
        world_run(50);
        CU_ASSERT_PTR_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
        CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->answered, 0);
        CU_ASSERT_EQUAL(sip_layer_counters(scscf_layer(w.scscf))->false_answers, 1);
        /* RFC 3261 18.1.2: who is trusted may have several addresses. */
        peer_answer(&second, &w.s, invite, "180 Ringing", "b", BOBS_CONTACT, NULL);
        world_run(50);
        CU_ASSERT_EQUAL(peer_take(&w.pa, "SIP/2.0 180", NULL) != NULL, allow);
        bob_says("200 OK", "b", BOBS_CONTACT);
        CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
        CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->answered, 2);
        peer_close(&stranger);
        peer_close(&second);
        world_close();
    }
}

static void we_are_no_relay_for_strangers(void)
{
    open_registered(NULL);
    world_request(&w.px, "INVITE", "sip:zoe@elsewhere.example", "c1",
                  "Max-Forwards: 60\nContact: <sip:x@192.0.2.31>\n");
    CU_ASSERT(is(peer_take(&w.px, "SIP/2.0 404", NULL), "SIP/2.0 404"));
    world_request(&w.px, "BYE", "sip:zoe@elsewhere.example", "c2", "Max-Forwards: 60\n");
    CU_ASSERT(is(peer_take(&w.px, "SIP/2.0 481", NULL), "SIP/2.0 481"));
    /* as if in a dialog, but without our Record-Route */
    peer_say(&w.px, &w.s,
             "MESSAGE sip:bob@192.0.2.12:5070 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKz\nMax-Forwards: 60\n"
             "From: <sip:z@elsewhere.example>;tag=z\nTo: <" BOB ">;tag=b\nCall-ID: z\n"
             "CSeq: 1 MESSAGE\n");
    world_run(20);
    CU_ASSERT(is(peer_take(&w.px, "SIP/2.0 481", NULL), "SIP/2.0 481"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "MESSAGE", NULL));
    world_close();
}

static void a_dialog_is_ended_by_its_own_parties_only(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    /* somebody who knows all of it, and does not come by our Record-Route */
    peer_say(&w.px, &w.s,
             "BYE sip:bob@192.0.2.102:5062 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKy\nMax-Forwards: 60\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=b\nCall-ID: c1\nCSeq: 7 BYE\n");
    world_run(100);
    CU_ASSERT(is(peer_take(&w.px, "SIP/2.0", NULL), "SIP/2.0 481"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "BYE", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 2);
    CU_ASSERT_EQUAL(world_records(c, 4), 0);
    world_close();
}

static void a_request_that_came_by_too_often_is_a_loop(void)
{
    char lines[1500];
    struct buf b = BUF_ON(lines);

    open_registered(NULL);
    for (unsigned i = 0; i < 8; i++)
        buf_fmt(&b, "Via: SIP/2.0/UDP 192.0.2.20:6060;branch=z9hG4bKl%u\n", i);
    buf_puts(&b, "Route: " ROUTE_ORIG "\nMax-Forwards: 60\nP-Asserted-Identity: <" ALICE ">\n"
                 "Contact: <sip:alice@192.0.2.101:5062>\n");
    buf_putc(&b, '\0');
    world_request(&w.pa, "INVITE", BOB, "c1", lines);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 4", NULL), "SIP/2.0 482"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE", NULL));
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->opened, 0);
    world_close();
}

static void a_made_up_dialog_carries_nothing(void)
{
    static const char *const methods[] = {"INVITE", "MESSAGE", "BYE", "INFO", "REFER"};

    open_registered(NULL);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        world_in_dialog(&w.pa, methods[i], "none", 2, true);
        CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0", NULL), "SIP/2.0 481"));
    }
    world_in_dialog(&w.pa, "ACK", "none", 2, true);
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "", NULL));
    world_in_dialog(&w.pa, "NOTIFY", "none", 2, true); /* subscriptions are not followed */
    CU_ASSERT(is(peer_take(&w.pb, "NOTIFY", NULL), "NOTIFY"));
    world_close();
}

#define OFFER(media)                                                                               \
    "Content-Type: application/sdp\n\nv=0\r\no=- 1 1 IN IP4 192.0.2.101\r\ns=-\r\n"                \
    "c=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\nm=" media "\r\n"

/* Bob's profile has audio only. */
static void media_beyond_the_profile_is_refused(void)
{
    open_registered(NULL);
    CU_ASSERT_FALSE(reaches_bob("v", OFFER("video 4002 RTP/AVP 31")));
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 488", NULL), "SIP/2.0 488"));
    CU_ASSERT_EQUAL(scscf_counters(w.scscf)->refused_media, 1);
    CU_ASSERT_FALSE(reaches_bob("x", OFFER("nonsense")));
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 488", NULL), "SIP/2.0 488"));
    /* A port of 0 offers nothing. */
    CU_ASSERT_FATAL(reaches_bob("c1", OFFER("video 0 RTP/AVP 31")));
    bob_says("200 OK", "b", BOBS_CONTACT);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    CU_ASSERT(is(peer_take(&w.pb, "ACK", NULL), "ACK"));
    peer_say(&w.pb, &w.s,
             "UPDATE sip:alice@192.0.2.101:5062 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.12:5070;branch=z9hG4bKu\n"
             "Route: <sip:192.0.2.20:6060;lr>, <sip:192.0.2.10:5070;lr>\nMax-Forwards: 68\n"
             "From: <" BOB ">;tag=b\nTo: <" ALICE
             ">;tag=a\nCall-ID: c1\nCSeq: 1 UPDATE\n" OFFER("video 4002 RTP/AVP 31"));
    world_run(20);
    CU_ASSERT(is(peer_take(&w.pb, "SIP/2.0 488", NULL), "SIP/2.0 488"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pa, "UPDATE", NULL));
    world_close();
}

static void numbers_lead_to_their_subscriber(void)
{
    static const char *const numbers[] = {"tel:+4930200", "tel:+49-30-200",
                                          "sip:+4930200@" REALM ";user=phone"};

    open_registered(NULL);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char id[8];

        snprintf(id, sizeof(id), "n%zu", i);
        world_invite(numbers[i], id, "");
        CU_ASSERT(is(peer_take(&w.pb, "INVITE", NULL), "INVITE sip:bob@192.0.2.102:5062"));
    }
    world_close();
}

/* ---- forks ------------------------------------------------------------------------------------ */

static void the_first_answer_of_a_fork_counts(void)
{
    struct cdr c[4];

    open_registered(NULL);
    CU_ASSERT_FATAL(reaches_bob("c1", ""));
    bob_says("180 Ringing", "b1", "");
    bob_says("180 Ringing", "b", "");
    bob_says("200 OK", "b", BOBS_CONTACT);
    world_run(2000);
    bob_says("200 OK", "b1", BOBS_CONTACT); /* a second phone was picked up too */
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    /* alice keeps the first and ends the second */
    peer_say(&w.pa, &w.s,
             "BYE sip:bob@192.0.2.102:5062 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKsecond\n"
             "Route: <sip:192.0.2.20:6060;lr>, <sip:192.0.2.12:5070;lr>\nMax-Forwards: 68\n"
             "From: <" ALICE ">;tag=a\nTo: <" BOB ">;tag=b1\nCall-ID: c1\nCSeq: 2 BYE\n");
    world_run(100);
    CU_ASSERT_EQUAL(world_records(c, 4), 0);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 2);
    world_run(5000);
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    world_run(100);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT(cdr_duration(&c[0]) >= 7 * 1000000);
    world_close();
}

static void two_contacts(struct scscf_options *o)
{
    o->registrar.contacts = 2;
}

static void a_callee_with_two_phones_is_called_on_both(void)
{
    const char *m;
    unsigned n = 0;

    open_registered(two_contacts);
    m = world_register(&w.px, BOB, "");
    m = world_register(&w.px, BOB,
                       world_answer(m, &(struct credentials){BOB_IMPI, "secret", NULL, false}));
    CU_ASSERT_FATAL(is(m, "SIP/2.0 200"));
    world_invite(BOB, "c1", "");
    while (peer_take(&w.pb, "INVITE", NULL))
        n++;
    while (peer_take(&w.px, "INVITE", NULL))
        n++;
    CU_ASSERT_EQUAL(n, 2);
    world_close();
}

/* ---- what is under way ------------------------------------------------------------------------ */

static void requests_in_the_dialog_pass_both_ways(void)
{
    const char *m;

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    world_in_dialog(&w.pa, "INFO", "c1", 2, true);
    m = peer_take(&w.pb, "INFO", NULL);
    CU_ASSERT_FATAL(is(m, "INFO sip:bob@192.0.2.102:5062"));
    peer_answer(&w.pb, &w.s, m, "200 OK", "b", "", NULL);
    world_run(20);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    world_in_dialog(&w.pb, "UPDATE", "c1", 1, false);
    CU_ASSERT(is(peer_take(&w.pa, "UPDATE", NULL), "UPDATE sip:alice@192.0.2.101:5062"));
    /* A CSeq that was used is out of order. */
    world_in_dialog(&w.pa, "INFO", "c1", 1, true);
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 500", NULL), "SIP/2.0 500"));
    world_close();
}

static void an_orphan_is_ended_by_its_session_timer(void)
{
    struct cdr c[4];
    const char *m;

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT "Session-Expires: 90;refresher=uac\n");
    world_run(60000);
    /* a refresh, and the timer starts again */
    world_in_dialog(&w.pa, "UPDATE", "c1", 2, true);
    m = peer_take(&w.pb, "UPDATE", NULL);
    CU_ASSERT_FATAL(is(m, "UPDATE"));
    peer_answer(&w.pb, &w.s, m, "200 OK", "b",
                "Session-Expires: 90;refresher=uac\nContact: <sip:bob@192.0.2.102:5062>\n", NULL);
    world_run(60000);
    CU_ASSERT_EQUAL(world_records(c, 4), 0);
    /* both phones vanish: BYE goes to both sides, the records are closed */
    world_run(31000);
    CU_ASSERT(is(peer_take(&w.pa, "BYE", NULL), "BYE sip:alice@192.0.2.101:5062"));
    m = peer_take(&w.pb, "BYE", NULL);
    CU_ASSERT_FATAL(is(m, "BYE sip:bob@192.0.2.102:5062"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer_header(m, "Reason", 0), "Session timer"));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    ASSERT_SPAN_EQ(c[0].reason, "session timer");
    CU_ASSERT(c[0].incomplete);
    CU_ASSERT(world_has_call_event(SCSCF_CALL_ORPHANED));
    world_run(200000);
    CU_ASSERT(scscf_is_idle(w.scscf));
    CU_ASSERT_EQUAL(scscf_dialogs(w.scscf), 0);
    world_close();
}

static void a_call_that_is_never_refreshed_is_ended(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT "Session-Expires: 90;refresher=uac\n");
    world_run(89000);
    CU_ASSERT_PTR_NULL(peer_take(&w.pa, "BYE", NULL));
    world_run(2000);
    CU_ASSERT(is(peer_take(&w.pa, "BYE", NULL), "BYE"));
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    world_close();
}

static void at_most_an_hour(struct scscf_options *o)
{
    o->call_max = 3600 * SEC;
}

static void no_call_is_longer_than_allowed(void)
{
    struct cdr c[4];

    open_registered(at_most_an_hour);
    answered_call("c1", BOBS_CONTACT);
    world_run(3599 * 1000);
    CU_ASSERT_EQUAL(world_records(c, 4), 0);
    world_run(2000);
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].cause, CDR_CAUSE_TIME_LIMIT);
    CU_ASSERT_EQUAL(cdr_duration(&c[0]) / 1000000, 3600);
    world_close();
}

/* ---- records ---------------------------------------------------------------------------------- */

static void a_call_is_not_forgotten_before_its_record_is_on_the_disk(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    w.disk.refuses = true;
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    world_run(1000);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->alive, 0);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->writing, 2);
    CU_ASSERT_FALSE(scscf_is_idle(w.scscf));
    w.disk.refuses = false;
    world_run(120000);
    CU_ASSERT_EQUAL(calls_counters(scscf_calls(w.scscf))->writing, 0);
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    CU_ASSERT(scscf_is_idle(w.scscf));
    world_close();
}

static void shutdown_closes_the_records_of_calls(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    world_run(5000);
    world_stop();
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    CU_ASSERT(c[0].incomplete && c[1].incomplete);
    CU_ASSERT_EQUAL(c[0].cause, CDR_CAUSE_MANAGEMENT);
    world_close();
}

static void few_calls(struct scscf_options *o)
{
    o->calls = 3;
}

static void more_calls_than_allowed_are_refused(void)
{
    const char *m;

    open_registered(few_calls);
    CU_ASSERT(reaches_bob("c1", ""));
    world_invite(BOB, "c2", "");
    m = peer_take(&w.pa, "SIP/2.0 503", NULL);
    CU_ASSERT_FATAL(is(m, "SIP/2.0 503"));
    CU_ASSERT(peer_has_header(m, "Retry-After"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE sip:bob@192.0.2.102:5062 SIP/2.0\r\nc2", NULL));
    world_close();
}

static void a_draining_server_begins_no_call_and_ends_those_it_has(void)
{
    struct cdr c[4];

    open_registered(NULL);
    answered_call("c1", BOBS_CONTACT);
    scscf_drain(w.scscf);
    world_invite(BOB, "c2", "");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 503", NULL), "SIP/2.0 503"));
    CU_ASSERT_PTR_NULL(peer_take(&w.pb, "INVITE", NULL));
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    CU_ASSERT(is(peer_take(&w.pb, "BYE", NULL), "BYE"));
    world_run(100);
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    world_close();
}

/* ---- other requests --------------------------------------------------------------------------- */

static void a_message_is_delivered_and_recorded(void)
{
    struct cdr c[4];
    const char *m;

    open_registered(NULL);
    world_request(&w.pa, "MESSAGE", BOB, "m1",
                  "Route: " ROUTE_ORIG "\nMax-Forwards: 68\nP-Asserted-Identity: <" ALICE ">\n"
                  "P-Charging-Vector: icid-value=im1\n\nhello");
    m = peer_take(&w.pb, "MESSAGE", NULL);
    CU_ASSERT_FATAL(is(m, "MESSAGE sip:bob@192.0.2.102:5062"));
    CU_ASSERT_FALSE(peer_has_header(m, "Record-Route"));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "\r\n\r\nhello"));
    peer_answer(&w.pb, &w.s, m, "200 OK", "b", "", NULL);
    world_run(100);
    CU_ASSERT_PTR_NOT_NULL(peer_take(&w.pa, "SIP/2.0 200", NULL));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 2);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(c[i].role, i);
        ASSERT_SPAN_EQ(c[i].method, "MESSAGE");
        ASSERT_SPAN_EQ(c[i].icid, "im1");
        CU_ASSERT_EQUAL(c[i].sip_status, 200);
        CU_ASSERT_EQUAL(c[i].cause, CDR_CAUSE_NORMAL);
    }
    ASSERT_SPAN_EQ(c[0].subscriber, ALICE_IMPI);
    ASSERT_SPAN_EQ(c[1].subscriber, BOB_IMPI);
    world_close();
}

static void a_message_to_nobody_has_the_record_of_its_sender(void)
{
    struct cdr c[4];

    open_registered(NULL);
    world_request(&w.pa, "MESSAGE", "sip:nobody@" REALM, "m1",
                  "Route: " ROUTE_ORIG "\nMax-Forwards: 68\nP-Asserted-Identity: <" ALICE ">\n"
                  "P-Charging-Vector: icid-value=im1\n\nhello");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 404", NULL), "SIP/2.0 404"));
    CU_ASSERT_EQUAL_FATAL(world_records(c, 4), 1);
    CU_ASSERT_EQUAL(c[0].role, CDR_ORIGINATING);
    CU_ASSERT_EQUAL(c[0].sip_status, 404);
    ASSERT_SPAN_EQ(c[0].reason, "Not Found");
    world_close();
}

static void options_is_answered_or_forwarded(void)
{
    open_registered(NULL);
    world_request(&w.pa, "OPTIONS", S_URI, "o1", "Max-Forwards: 70\n");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 200", NULL), "SIP/2.0 200"));
    world_request(&w.pa, "OPTIONS", BOB, "o2",
                  "Route: " ROUTE_ORIG "\nMax-Forwards: 70\nP-Asserted-Identity: <" ALICE ">\n");
    CU_ASSERT(is(peer_take(&w.pb, "OPTIONS", NULL), "OPTIONS sip:bob@192.0.2.102:5062"));
    world_request(&w.pa, "SUBSCRIBE", ALICE, "o3",
                  "Route: " ROUTE_ORIG "\nMax-Forwards: 70\nEvent: reg\n"
                  "P-Asserted-Identity: <" ALICE ">\nContact: <sip:alice@192.0.2.101:5062>\n");
    CU_ASSERT(is(peer_take(&w.pa, "SIP/2.0 489", NULL), "SIP/2.0 489"));
    world_close();
}

static void a_call_survives_duplicates_and_reordering(void)
{
    static const struct wire_conditions bad = {
        .delay = 5 * MSEC, .jitter = 5 * MSEC, .duplicate = 300, .reorder = 300};
    struct cdr c[4];

    open_registered(NULL);
    wire_set(w.wire, &bad);
    world_invite(BOB, "c1", "");
    world_run(100);
    snprintf(invite, sizeof(invite), "%s", peer_take(&w.pb, "INVITE", NULL));
    bob_says("180 Ringing", "b", "");
    world_run(100);
    bob_says("200 OK", "b", BOBS_CONTACT);
    world_run(100);
    world_in_dialog(&w.pa, "ACK", "c1", 1, true);
    world_run(100);
    world_in_dialog(&w.pa, "BYE", "c1", 2, true);
    world_run(1000);
    CU_ASSERT_EQUAL(world_records(c, 4), 2);
    CU_ASSERT_EQUAL(c[0].sip_status, 200);
    world_close();
}

TEST_MAIN(
    "flow/scscf/call",
    {"a call runs both halves in one transaction", a_call_runs_both_halves_in_one_transaction},
    {"the caller hangs up and both halves are recorded",
     the_caller_hangs_up_and_both_halves_are_recorded},
    {"the callee hangs up", the_callee_hangs_up},
    {"both hang up at once and one record a half is written",
     both_hang_up_at_once_and_one_record_a_half_is_written},
    {"the caller gives up", the_caller_gives_up}, {"the callee is busy", the_callee_is_busy},
    {"nobody answers the INVITE", nobody_answers_the_invite},
    {"who cannot call or be called gets the reason", who_cannot_call_or_be_called_gets_the_reason},
    {"the record says what media were agreed", the_record_says_what_media_were_agreed},
    {"a callee who is not registered gets 480", a_callee_who_is_not_registered_gets_480},
    {"a caller who is not registered gets 403", a_caller_who_is_not_registered_gets_403},
    {"used up Max-Forwards is refused before a call is opened",
     loops_and_used_up_max_forwards_are_refused},
    {"a call from another network runs the terminating half",
     a_call_from_another_network_runs_the_terminating_half},
    {"a call to another network runs the originating half",
     a_call_to_another_network_runs_the_originating_half},
    {"what is for the network stays in it", what_is_for_the_network_stays_in_it},
    {"a stranger answers no call", a_stranger_answers_no_call},
    {"we are no relay for strangers", we_are_no_relay_for_strangers},
    {"a made-up dialog carries nothing", a_made_up_dialog_carries_nothing},
    {"media beyond the profile is refused", media_beyond_the_profile_is_refused},
    {"numbers lead to their subscriber", numbers_lead_to_their_subscriber},
    {"the first answer of a fork counts", the_first_answer_of_a_fork_counts},
    {"a callee with two phones is called on both", a_callee_with_two_phones_is_called_on_both},
    {"requests in the dialog pass both ways", requests_in_the_dialog_pass_both_ways},
    {"an orphan is ended by its session timer", an_orphan_is_ended_by_its_session_timer},
    {"a call that is never refreshed is ended", a_call_that_is_never_refreshed_is_ended},
    {"no call is longer than allowed", no_call_is_longer_than_allowed},
    {"a call is not forgotten before its record is on the disk",
     a_call_is_not_forgotten_before_its_record_is_on_the_disk},
    {"shutdown closes the records of calls", shutdown_closes_the_records_of_calls},
    {"more calls than allowed are refused", more_calls_than_allowed_are_refused},
    {"a draining server begins no call and ends those it has",
     a_draining_server_begins_no_call_and_ends_those_it_has},
    {"a dialog is ended by its own parties only", a_dialog_is_ended_by_its_own_parties_only},
    {"a request that came by too often is a loop", a_request_that_came_by_too_often_is_a_loop},
    {"a MESSAGE to nobody has the record of its sender",
     a_message_to_nobody_has_the_record_of_its_sender},
    {"a MESSAGE is delivered and recorded", a_message_is_delivered_and_recorded},
    {"OPTIONS is answered or forwarded", options_is_answered_or_forwarded},
    {"a call survives duplicates and reordering", a_call_survives_duplicates_and_reordering}, )
