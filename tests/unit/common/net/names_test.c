/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "common/net/inner.h"
#include "tests/support/suite.h"

/* One record a line: "name ADDR ip", "name SRV priority weight port target",
 * "name NAPTR order preference service replacement". */
static const struct zone {
    const char *name;
    enum name_kind kind;
    uint16_t a, b, port;
    const char *text, *target;
} zone[] = {
    {"full.test", NAME_NAPTR, 20, 1, 0, "SIP+D2U", "_sip._udp.full.test"},
    {"full.test", NAME_NAPTR, 10, 2, 0, "SIP+D2T", "_sip._tcp.full.test"},
    {"full.test", NAME_NAPTR, 10, 1, 0, "SIPS+D2T", "_sips._tcp.full.test"},
    {"full.test", NAME_NAPTR, 1, 1, 0, "E2U+mms", "mms.full.test"},
    {"_sip._udp.full.test", NAME_SRV, 1, 0, 5070, NULL, "a.test"},
    {"_sip._tcp.full.test", NAME_SRV, 2, 0, 5071, NULL, "a.test"},
    {"_sip._tcp.full.test", NAME_SRV, 1, 0, 5072, NULL, "b.test"},
    {"_sips._tcp.full.test", NAME_SRV, 1, 0, 5073, NULL, "b.test"},
    {"srv.test", NAME_ADDR, 0, 0, 0, "192.0.2.9", NULL},
    {"_sip._tcp.srv.test", NAME_SRV, 1, 0, 5080, NULL, "a.test"},
    {"_sip._udp.srv.test", NAME_SRV, 1, 0, 5081, NULL, "a.test"},
    {"none.test", NAME_ADDR, 0, 0, 0, "192.0.2.7", NULL},
    {"_sip._udp.none.test", NAME_SRV, 0, 0, 0, NULL, ""},
    {"a.test", NAME_ADDR, 0, 0, 0, "192.0.2.1", NULL},
    {"b.test", NAME_ADDR, 0, 0, 0, "2001:db8::2", NULL},
    {"b.test", NAME_ADDR, 0, 0, 0, "192.0.2.2", NULL},
};

static const struct row {
    const char *host;
    uint16_t port;
    enum net_proto proto;
    bool secure;
    const char *want; /* "PROTO address ..." or "" with error */
    int error;
} rows[] = {
    /* 4.2, literals */
    {"192.0.2.1", 0, NET_PROTO_ANY, false, "UDP 192.0.2.1:5060 ", 0},
    {"[2001:db8::2]", 5090, NET_TCP, false, "TCP [2001:db8::2]:5090 ", 0},
    {"192.0.2.1", 0, NET_TCP, true, "TLS 192.0.2.1:5061 ", 0},
    {"192.0.2.1", 0, NET_TLS, false, "TLS 192.0.2.1:5061 ", 0},
    /* an explicit port asks for addresses only */
    {"full.test", 5099, NET_PROTO_ANY, false, "", -ENOENT},
    {"a.test", 5099, NET_PROTO_ANY, false, "UDP 192.0.2.1:5099 ", 0},
    {"A.TEST.", 5099, NET_PROTO_ANY, true, "TLS 192.0.2.1:5099 ", 0},
    /* 4.1, NAPTR: order before preference, unknown services skipped */
    {"full.test", 0, NET_PROTO_ANY, false,
     "TLS [2001:db8::2]:5073 TLS 192.0.2.2:5073 TCP [2001:db8::2]:5072 TCP 192.0.2.2:5072 "
     "TCP 192.0.2.1:5071 UDP 192.0.2.1:5070 ",
     0},
    {"full.test", 0, NET_PROTO_ANY, true, "TLS [2001:db8::2]:5073 TLS 192.0.2.2:5073 ", 0},
    /* a given transport asks for its SRV set only */
    {"full.test", 0, NET_UDP, false, "UDP 192.0.2.1:5070 ", 0},
    {"full.test", 0, NET_TCP, true, "TLS [2001:db8::2]:5073 TLS 192.0.2.2:5073 ", 0},
    /* no NAPTR: the SRV sets of what we speak */
    {"srv.test", 0, NET_PROTO_ANY, false, "UDP 192.0.2.1:5081 TCP 192.0.2.1:5080 ", 0},
    /* no SRV: addresses with the default port */
    {"a.test", 0, NET_PROTO_ANY, false, "UDP 192.0.2.1:5060 ", 0},
    {"a.test", 0, NET_TCP, false, "TCP 192.0.2.1:5060 ", 0},
    {"srv.test", 0, NET_PROTO_ANY, true, "TLS 192.0.2.9:5061 ", 0},
    /* RFC 2782: target "." says that the service is not offered there */
    {"none.test", 0, NET_UDP, false, "", -ENOENT},
    {"nowhere.test", 0, NET_PROTO_ANY, false, "", -ENOENT},
    {"", 0, NET_PROTO_ANY, false, "", -EINVAL},
};

static void look_up(struct name_fact *f)
{
    for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
        const struct zone *z = &zone[i];
        if (z->kind != f->kind || !span_eq_nocase(span_str(z->name), span_str(f->name)))
            continue;
        if (z->kind == NAME_ADDR) {
            CU_ASSERT_EQUAL(addr_parse_ip(span_str(z->text), 0, &f->addr[f->n++]), 0);
        } else if (z->kind == NAME_SRV) {
            f->srv[f->n] = (struct name_srv){z->a, z->b, z->port, ""};
            (void)span_copy(span_str(z->target), f->srv[f->n++].target, NAMES_TEXT);
        } else {
            f->naptr[f->n] = (struct name_naptr){z->a, z->b, "", ""};
            (void)span_copy(span_str(z->text), f->naptr[f->n].service, 16);
            (void)span_copy(span_str(z->target), f->naptr[f->n++].replacement, NAMES_TEXT);
        }
    }
    f->known = true;
    f->error = f->n ? 0 : -ENOENT;
}

static void resolve(const struct row *row, struct buf *out, int *ret_error)
{
    struct net_resolve_query q = {span_str(row->host), row->port, row->proto, row->secure};
    struct name_fact *facts[NAMES_QUESTIONS];
    struct names_step step = {.n_questions = 1};
    uint64_t state = 1;
    struct rnd rnd = rnd_seeded(&state);
    size_t n = 0;

    while (step.n_questions) {
        names_order(&q, facts, n, &rnd, &step);
        for (size_t i = 0; i < step.n_questions; i++) {
            facts[n] = calloc(1, sizeof(*facts[n]));
            facts[n]->kind = step.questions[i].kind;
            memcpy(facts[n]->name, step.questions[i].name, NAMES_TEXT);
            look_up(facts[n++]);
        }
    }
    for (size_t i = 0; i < step.n_targets; i++) {
        char text[ADDR_TEXT_MAX];
        buf_fmt(out, "%s %s ", net_proto_name(step.targets[i].proto),
                addr_text(&step.targets[i].addr, text));
    }
    *ret_error = step.error;
    while (n > 0)
        free(facts[--n]);
}

static void targets_come_in_the_order_of_rfc_3263(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[1024];
        struct buf out = BUF_ON(text);
        int error;

        resolve(&rows[i], &out, &error);
        ASSERT_SPAN_EQ(buf_span(&out), rows[i].want);
        CU_ASSERT_EQUAL(error, rows[i].error);
    }
}

static void srv_records_of_one_priority_share_by_weight(void)
{
    struct name_fact srv = {.kind = NAME_SRV, .name = "_sip._udp.w.test", .known = true, .n = 2};
    struct name_fact host = {.kind = NAME_ADDR, .name = "h.test", .known = true, .n = 1};
    struct name_fact *facts[] = {&srv, &host};
    struct net_resolve_query q = {SPAN("w.test"), 0, NET_UDP, false};
    uint64_t state = 99;
    struct rnd rnd = rnd_seeded(&state);
    struct names_step step;
    unsigned heavy_first = 0;

    srv.srv[0] = (struct name_srv){1, 25, 5001, "h.test"};
    srv.srv[1] = (struct name_srv){1, 75, 5002, "h.test"};
    CU_ASSERT_EQUAL(addr_parse_ip(SPAN("192.0.2.1"), 0, &host.addr[0]), 0);
    for (int i = 0; i < 4000; i++) {
        names_order(&q, facts, 2, &rnd, &step);
        CU_ASSERT_EQUAL_FATAL(step.n_targets, 2);
        heavy_first += step.targets[0].addr.port == 5002;
    }
    CU_ASSERT_TRUE(heavy_first > 2850 && heavy_first < 3150);
}

TEST_MAIN("common/net/names",
          {"targets come in the order of RFC 3263", targets_come_in_the_order_of_rfc_3263},
          {"SRV records of one priority share by weight",
           srv_records_of_one_priority_share_by_weight})
