/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "pcscf/charge/charge.h"
#include "tests/support/suite.h"

static struct sip_msg *parse(const char *vector)
{
    char text[1024];
    struct buf b = BUF_ON(text);
    struct sip_msg *m = NULL;
    struct sip_reject reject;

    buf_fmt(&b,
            "MESSAGE sip:bob@ims.example SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.5:5061;branch=z9hG4bKx\r\n"
            "From: <sip:a@ims.example>;tag=1\r\nTo: <sip:bob@ims.example>\r\n"
            "Call-ID: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
            vector);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    return m;
}

static void the_icid_is_read_quoted_or_not(void)
{
    static const struct {
        const char *vector;
        int rc;
        const char *icid;
    } rows[] = {
        {"P-Charging-Vector: icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso\";orig-ioi=home1.net\r\n", 0,
         "AyretyU0dm+6O2IrT5tAFrbHLso"},
        {"P-Charging-Vector: orig-ioi=x; ICID-Value=abc\r\n", 0, "abc"},
        {"P-Charging-Vector: orig-ioi=x\r\n", -ENOENT, ""},
        {"P-Charging-Vector: icid-value=\"\"\r\n", -ENOENT, ""},
        {"", -ENOENT, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = parse(rows[i].vector);
        char icid[CHARGE_ICID_MAX] = "";

        CU_ASSERT_EQUAL(charge_read_icid(m, icid), rows[i].rc);
        CU_ASSERT_STRING_EQUAL(icid, rows[i].icid);
        sip_msg_unref(m);
    }
}

static void ours_takes_the_place_of_a_forged_one(void)
{
    uint64_t seed = 1;
    struct charge c = {.rnd = rnd_seeded(&seed), .host = "pcscf.example", .ioi = "visited.net"};
    struct sip_msg *m = parse("P-Charging-Vector: icid-value=forged\r\n");
    char room[2048], icid[CHARGE_ICID_MAX], other[CHARGE_ICID_MAX], back[CHARGE_ICID_MAX];
    struct buf b = BUF_ON(room);
    struct sip_edit e;
    struct sip_reject reject;

    charge_new_icid(&c, icid);
    charge_new_icid(&c, other);
    CU_ASSERT_STRING_NOT_EQUAL(icid, other);
    CU_ASSERT_EQUAL(strlen(icid), 32);
    sip_edit_init(&e, m);
    CU_ASSERT_EQUAL(charge_put_vector(&c, m, &e, icid, false), 0);
    CU_ASSERT_EQUAL_FATAL(sip_edit_render(&e, &b), 0);
    sip_msg_unref(m);
    CU_ASSERT_EQUAL_FATAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    CU_ASSERT_EQUAL(charge_read_icid(m, back), 0);
    CU_ASSERT_STRING_EQUAL(back, icid);
    CU_ASSERT_PTR_NULL(sip_line_next(m, sip_line_first(m, SIP_H_P_CHARGING_VECTOR)));
    sip_msg_unref(m);
}

TEST_MAIN("pcscf/charge", {"the ICID is read quoted or not", the_icid_is_read_quoted_or_not},
          {"ours takes the place of a forged one", ours_takes_the_place_of_a_forged_one})
