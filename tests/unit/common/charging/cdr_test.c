/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/charging/charging.h"

#include <errno.h>

#include "tests/support/suite.h"

static struct cdr full(void)
{
    return (struct cdr){.type = CDR_PCSCF,
                        .role = CDR_TERMINATING,
                        .sequence = 42,
                        .node = SPAN("pcscf.ims.test"),
                        .method = SPAN("INVITE"),
                        .session_id = SPAN("abc@10.0.0.1"),
                        .icid = SPAN("icid-1"),
                        .calling = SPAN("sip:alice@ims.test"),
                        .calling_alias = SPAN("tel:+49301"),
                        .called = SPAN("sip:bob@ims.test"),
                        .called_asserted = SPAN("sip:bob@ims.test"),
                        .subscriber = SPAN("bob@ims.test"),
                        .orig_ioi = SPAN("ims.test"),
                        .term_ioi = SPAN("other.test"),
                        .access_info = SPAN("3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=\"0010100\""),
                        .request_time = INT64_C(1893456000000001),
                        .answer_time = INT64_C(1893456002500000),
                        .end_time = INT64_C(1893456062500001),
                        .closing_time = INT64_C(1893456062500002),
                        .cause = CDR_CAUSE_TIME_LIMIT,
                        .sip_status = 200,
                        .reason = SPAN("session timer"),
                        .incomplete = true,
                        .media = {{.media = SPAN("audio"),
                                   .codec = SPAN("AMR-WB/16000"),
                                   .direction = SPAN("sendrecv"),
                                   .bandwidth_kbps = 49},
                                  {.media = SPAN("video"), .direction = SPAN("recvonly")}},
                        .n_media = 2};
}

static char line[CDR_LINE_MAX + 100];

static struct span json_of(const struct cdr *c)
{
    struct buf b = BUF_ON(line);

    cdr_put_json(&b, c);
    CU_ASSERT(!b.overflow);
    return buf_span(&b);
}

static struct span csv_of(const struct cdr *c)
{
    struct buf b = BUF_ON(line);

    cdr_put_csv(&b, c);
    CU_ASSERT(!b.overflow);
    return buf_span(&b);
}

static void the_json_is_as_written_here(void)
{
    struct cdr c = full();

    ASSERT_SPAN_EQ(
        json_of(&c),
        "{\"record_type\":\"pCSCFRecord\",\"sequence\":42,\"node\":\"pcscf.ims.test\","
        "\"role_of_node\":1,\"method\":\"INVITE\",\"icid\":\"icid-1\","
        "\"session_id\":\"abc@10.0.0.1\",\"calling\":\"sip:alice@ims.test\","
        "\"calling_alias\":\"tel:+49301\",\"called\":\"sip:bob@ims.test\","
        "\"called_asserted\":\"sip:bob@ims.test\",\"subscriber\":\"bob@ims.test\","
        "\"request_time\":\"2030-01-01T00:00:00.000001Z\","
        "\"answer_time\":\"2030-01-01T00:00:02.500000Z\","
        "\"end_time\":\"2030-01-01T00:01:02.500001Z\","
        "\"closing_time\":\"2030-01-01T00:01:02.500002Z\",\"duration_us\":60000001,"
        "\"cause_for_record_closing\":3,\"sip_status\":200,\"reason\":\"session timer\","
        "\"incomplete\":true,\"orig_ioi\":\"ims.test\",\"term_ioi\":\"other.test\","
        "\"access_info\":\"3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=\\\"0010100\\\"\","
        "\"media\":[{\"media\":\"audio\",\"codec\":\"AMR-WB/16000\",\"direction\":\"sendrecv\","
        "\"bandwidth_kbps\":49},{\"media\":\"video\",\"codec\":\"\","
        "\"direction\":\"recvonly\",\"bandwidth_kbps\":0}],\"crc\":\"e65ef49a\"}");
}

static void what_did_not_happen_is_left_out(void)
{
    struct cdr c = {.type = CDR_SCSCF, .sequence = 1, .icid = SPAN("i")};

    ASSERT_SPAN_EQ(json_of(&c), "{\"record_type\":\"sCSCFRecord\",\"sequence\":1,"
                                "\"role_of_node\":0,\"icid\":\"i\",\"duration_us\":0,"
                                "\"cause_for_record_closing\":0,\"crc\":\"0fbae3e1\"}");
}

static void a_record_comes_back_as_it_went_out(void)
{
    struct cdr c = full(), back;
    struct span text = json_of(&c);
    struct arena a;
    char again[CDR_LINE_MAX];
    struct buf b = BUF_ON(again);

    arena_init(&a, 65536);
    CU_ASSERT_EQUAL(cdr_parse_json(text, &a, &back), 0);
    cdr_put_json(&b, &back);
    CU_ASSERT(span_eq(buf_span(&b), text));
    CU_ASSERT_EQUAL(back.type, CDR_PCSCF);
    CU_ASSERT_EQUAL(back.answer_time, c.answer_time);
    CU_ASSERT_EQUAL(back.media[0].bandwidth_kbps, 49);
    arena_fini(&a);
}

static void any_changed_octet_fails_the_crc(void)
{
    struct cdr c = full(), back;
    struct span text = json_of(&c);
    struct arena a;

    arena_init(&a, 65536);
    for (size_t i = 0; i < text.n; i++) {
        line[i] ^= 4;
        CU_ASSERT_EQUAL(cdr_parse_json(text, &a, &back), -EBADMSG);
        line[i] ^= 4;
    }
    for (size_t n = 0; n < text.n; n++)
        CU_ASSERT_EQUAL(cdr_parse_json(span_sub(text, 0, n), &a, &back), -EBADMSG);
    CU_ASSERT_EQUAL(cdr_parse_json(text, &a, &back), 0);
    arena_fini(&a);
}

static void octets_of_any_kind_survive_as_text(void)
{
    static const struct {
        struct span in;
        const char *json, *back;
    } cases[] = {
        {{"a\"b\\c", 5}, "a\\\"b\\\\c", "a\"b\\c"},
        {{"a\r\n\t\x7f", 5}, "a\\u000d\\u000a\\u0009\\u007f", "a\r\n\t\x7f"},
        {{"M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x93\x9e", 16},
         "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x93\x9e",
         "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {{"M\xfcller", 6}, "M\\u00fcller", "M\xc3\xbcller"},     /* Latin-1 */
        {{"\xc0\xaf", 2}, "\\u00c0\\u00af", "\xc3\x80\xc2\xaf"}, /* overlong */
        {{"\xed\xa0\x80", 3}, "\\u00ed\\u00a0\\u0080", NULL},    /* a surrogate */
        {{"\xe2\x82", 2}, "\\u00e2\\u0082", NULL},               /* cut off */
        {{"\xf5\x80\x80\x80", 4}, "\\u00f5\\u0080\\u0080\\u0080", NULL},
    };
    struct arena a;

    arena_init(&a, 65536);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cdr c = {.type = CDR_SCSCF, .reason = cases[i].in}, back = {0};
        struct span text = json_of(&c);
        char want[100];
        struct buf b = BUF_ON(want);

        buf_fmt(&b, "\"reason\":\"%s\",", cases[i].json);
        buf_putc(&b, '\0');
        line[text.n] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(line, want));
        CU_ASSERT_EQUAL(cdr_parse_json(text, &a, &back), 0);
        if (cases[i].back)
            ASSERT_SPAN_EQ(back.reason, cases[i].back);
    }
    struct cdr nul = {.type = CDR_SCSCF, .reason = SPAN("a\0b")}, back = {0};
    CU_ASSERT_EQUAL(cdr_parse_json(json_of(&nul), &a, &back), 0);
    CU_ASSERT(span_eq(back.reason, SPAN("a\0b")));
    arena_fini(&a);
}

static void times_are_right_over_the_centuries(void)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {1, "1970-01-01T00:00:00.000001Z"},
        {INT64_C(951782399999999), "2000-02-28T23:59:59.999999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(951868800000000), "2000-03-01T00:00:00.000000Z"},
        {INT64_C(1709164800000000), "2024-02-29T00:00:00.000000Z"},
        {INT64_C(1735689599000000), "2024-12-31T23:59:59.000000Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
    };
    struct arena a;

    arena_init(&a, 65536);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cdr c = {.type = CDR_SCSCF, .end_time = cases[i].us}, back = {0};
        struct span text = json_of(&c);

        line[text.n] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(line, cases[i].text));
        CU_ASSERT_EQUAL(cdr_parse_json(text, &a, &back), 0);
        CU_ASSERT_EQUAL(back.end_time, cases[i].us);
    }
    arena_fini(&a);
}

static void a_call_that_was_not_answered_lasts_nothing(void)
{
    struct cdr c = {.request_time = 1000, .end_time = 9000};

    CU_ASSERT_EQUAL(cdr_duration(&c), 0);
    c.answer_time = 4000;
    CU_ASSERT_EQUAL(cdr_duration(&c), 5000);
    c.end_time = 3000; /* a clock set back */
    CU_ASSERT_EQUAL(cdr_duration(&c), 0);
    c.end_time = 0;
    CU_ASSERT_EQUAL(cdr_duration(&c), 0);
}

static void csv_has_a_column_for_each_field_and_quotes(void)
{
    struct cdr c = full();
    struct buf b = BUF_ON(line);

    cdr_put_csv_header(&b);
    ASSERT_SPAN_EQ(buf_span(&b),
                   "record_type,sequence,node,role_of_node,method,icid,session_id,calling,"
                   "calling_alias,called,called_asserted,subscriber,request_time,answer_time,"
                   "end_time,closing_time,duration_us,cause_for_record_closing,sip_status,reason,"
                   "incomplete,orig_ioi,term_ioi,access_info,media\r\n");
    ASSERT_SPAN_EQ(csv_of(&c),
                   "pCSCFRecord,42,\"pcscf.ims.test\",1,\"INVITE\",\"icid-1\",\"abc@10.0.0.1\","
                   "\"sip:alice@ims.test\",\"tel:+49301\",\"sip:bob@ims.test\","
                   "\"sip:bob@ims.test\",\"bob@ims.test\",2030-01-01T00:00:00.000001Z,"
                   "2030-01-01T00:00:02.500000Z,2030-01-01T00:01:02.500001Z,"
                   "2030-01-01T00:01:02.500002Z,60000001,3,200,\"session timer\",true,"
                   "\"ims.test\",\"other.test\","
                   "\"3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=\"\"0010100\"\"\","
                   "\"audio AMR-WB/16000 sendrecv 49 kbps; video  recvonly\"\r\n");
    struct cdr empty = {.type = CDR_SCSCF, .sequence = 7};
    ASSERT_SPAN_EQ(csv_of(&empty), "sCSCFRecord,7,,0,,,,,,,,,,,,,0,0,,,false,,,,\r\n");
}

static void put_name(const struct cdr_field *f, void *ctx)
{
    struct buf *b = ctx;

    CU_ASSERT(strlen(f->help) > 5 && strlen(f->kind) > 3);
    buf_fmt(b, "%s%s", b->n ? "," : "", f->name);
}

static void the_manual_explains_each_field(void)
{
    char names[1024];
    struct buf head = BUF_ON(line), b = BUF_ON(names);

    cdr_put_csv_header(&head);
    head.n -= 2;
    buf_puts(&head, ",crc");
    cdr_fields_each(put_name, &b);
    CU_ASSERT(span_eq(buf_span(&b), buf_span(&head)));
}

static void what_does_not_fit_overflows(void)
{
    static char big[CDR_LINE_MAX], room[2 * CDR_LINE_MAX];
    struct cdr c = {.type = CDR_SCSCF, .reason = {big, sizeof(big)}};
    struct buf b = BUF_ON(room);

    memset(big, 'x', sizeof(big));
    cdr_put_json(&b, &c);
    CU_ASSERT(b.overflow);
}

static void an_icid_is_a_time_and_randomness(void)
{
    uint64_t seed = 3;
    struct rnd rnd = rnd_seeded(&seed);
    char one[64], two[64];
    struct buf a = BUF_ON(one), b = BUF_ON(two);

    charging_icid_put(&a, &rnd, INT64_C(1893456000000001));
    charging_icid_put(&b, &rnd, INT64_C(1893456000000001));
    CU_ASSERT_EQUAL(a.n, CHARGING_ICID_LEN);
    CU_ASSERT(span_starts(buf_span(&a), SPAN("06ba1694472001")));
    CU_ASSERT(!span_eq(buf_span(&a), buf_span(&b)));
    for (size_t i = 0; i < a.n; i++)
        CU_ASSERT((a.p[i] >= 'a' && a.p[i] <= 'z') || (a.p[i] >= '0' && a.p[i] <= '9'));
}

TEST_MAIN("common/charging/cdr", {"the JSON is as written here", the_json_is_as_written_here},
          {"what did not happen is left out", what_did_not_happen_is_left_out},
          {"a record comes back as it went out", a_record_comes_back_as_it_went_out},
          {"any changed octet fails the CRC", any_changed_octet_fails_the_crc},
          {"octets of any kind survive as text", octets_of_any_kind_survive_as_text},
          {"times are right over the centuries", times_are_right_over_the_centuries},
          {"a call that was not answered lasts nothing",
           a_call_that_was_not_answered_lasts_nothing},
          {"CSV has a column for each field and quotes",
           csv_has_a_column_for_each_field_and_quotes},
          {"the manual explains each field", the_manual_explains_each_field},
          {"what does not fit overflows", what_does_not_fit_overflows},
          {"an ICID is a time and randomness", an_icid_is_a_time_and_randomness})
