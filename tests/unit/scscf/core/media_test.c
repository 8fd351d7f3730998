/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Media of an offer against a service profile, and what the record is told of an answer. */
#include "scscf/core/inner.h"
#include "tests/support/suite.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n"

static struct sip_msg *message(const char *method, const char *type, const char *body)
{
    char text[8192];
    struct buf b = BUF_ON(text);
    struct sip_msg *m = NULL;
    struct sip_reject reject = {0};

    CU_ASSERT_EQUAL_FATAL(sip_init(), 0);
    buf_fmt(&b,
            "%s sip:bob@ims.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKx\r\n"
            "From: <sip:alice@ims.example>;tag=1\r\nTo: <sip:bob@ims.example>\r\n"
            "Call-ID: c\r\nCSeq: 1 %s\r\nMax-Forwards: 68\r\n",
            method, method);
    if (type)
        buf_fmt(&b, "Content-Type: %s\r\n", type);
    buf_fmt(&b, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    CU_ASSERT_FALSE_FATAL(b.overflow);
    CU_ASSERT_EQUAL(sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return m;
}

static bool allowed(const char *method, const char *type, const char *body, unsigned profile)
{
    struct sip_msg *m = message(method, type, body);
    bool is = scscf_media_allowed(m, profile);

    sip_msg_unref(m);
    return is;
}

static bool offer_allowed(const char *body, unsigned profile)
{
    return allowed("INVITE", "application/sdp", body, profile);
}

/* ---- profiles --------------------------------------------------------------------------------- */

static void each_type_of_media_has_its_own_bit(void)
{
    static const struct {
        const char *offer;
        unsigned bit;
    } rows[] = {{HEAD "m=audio 4000 RTP/AVP 0\r\n", SUBSCRIBER_AUDIO},
                {HEAD "m=video 4000 RTP/AVP 31\r\n", SUBSCRIBER_VIDEO},
                {HEAD "m=text 4000 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", SUBSCRIBER_TEXT},
                {HEAD "m=message 4000 TCP/MSRP *\r\n", SUBSCRIBER_OTHER},
                {HEAD "m=application 4000 TCP/BFCP *\r\n", SUBSCRIBER_OTHER},
                {HEAD "m=image 4000 udptl t38\r\n", SUBSCRIBER_OTHER}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned profile = 0; profile < SUBSCRIBER_MEDIA_ALL; profile++)
            CU_ASSERT_EQUAL(offer_allowed(rows[i].offer, profile), (profile & rows[i].bit) != 0);
}

static void one_line_too_many_refuses_the_whole_offer(void)
{
    static const char offer[] =
        HEAD "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 31\r\nm=audio 4004 RTP/AVP 8\r\n";

    CU_ASSERT_FALSE(offer_allowed(offer, SUBSCRIBER_AUDIO));
    CU_ASSERT_FALSE(offer_allowed(offer, SUBSCRIBER_VIDEO));
    CU_ASSERT(offer_allowed(offer, SUBSCRIBER_AUDIO | SUBSCRIBER_VIDEO));
}

static void a_line_with_port_0_offers_nothing_wherever_it_is(void)
{
    /* RFC 3264 5.1 */
    CU_ASSERT(
        offer_allowed(HEAD "m=video 0 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\n", SUBSCRIBER_AUDIO));
    CU_ASSERT(offer_allowed(HEAD "m=video 0 RTP/AVP 31\r\n", 0));
    /* It takes nothing from the lines behind it. */
    CU_ASSERT_FALSE(
        offer_allowed(HEAD "m=audio 0 RTP/AVP 0\r\nm=video 4000 RTP/AVP 31\r\n", SUBSCRIBER_AUDIO));
}

static void held_media_is_media(void)
{
    CU_ASSERT_FALSE(
        offer_allowed(HEAD "m=video 4000 RTP/AVP 31\r\na=inactive\r\n", SUBSCRIBER_AUDIO));
}

static void an_offer_without_media_passes(void)
{
    CU_ASSERT(offer_allowed(HEAD, 0)); /* RFC 3264 5: to be filled by a re-INVITE */
    CU_ASSERT(allowed("INVITE", NULL, "", 0));
}

static void who_may_everything_has_no_offer_read(void)
{
    CU_ASSERT(offer_allowed("nonsense", SUBSCRIBER_MEDIA_ALL));
    CU_ASSERT(allowed("INVITE", "multipart/mixed", "nonsense", SUBSCRIBER_MEDIA_ALL));
}

static void what_cannot_be_read_is_refused_to_whom_not_all_is_allowed(void)
{
    static const char *const bodies[] = {
        "nonsense",
        "m=audio 4000 RTP/AVP 0\r\n",             /* no session before it */
        HEAD "m=audio\r\n",                       /* no port */
        HEAD "m=audio 65536 RTP/AVP 0\r\n",       /* none that there is */
        HEAD "m=audio 4000 RTP/AVP\r\n",          /* no format */
        HEAD "m=audio 4000 RTP/AVP 0\r\nm=\r\n"}; /* the second line is hidden */
    static const unsigned most = SUBSCRIBER_AUDIO | SUBSCRIBER_VIDEO | SUBSCRIBER_TEXT;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        CU_ASSERT_FALSE(offer_allowed(bodies[i], most));
}

static void a_body_of_another_type_is_no_offer(void)
{
    CU_ASSERT(allowed("INVITE", "text/plain", HEAD "m=video 4000 RTP/AVP 31\r\n", 0));
}

static void an_offer_in_one_part_of_many_is_found(void)
{
    static const char body[] = "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
                               "--x\r\nContent-Type: application/sdp\r\n\r\n" HEAD
                               "m=video 4000 RTP/AVP 31\r\n\r\n--x--\r\n";

    CU_ASSERT_FALSE(allowed("INVITE", "multipart/mixed;boundary=x", body, SUBSCRIBER_AUDIO));
    CU_ASSERT(allowed("INVITE", "multipart/mixed;boundary=x", body, SUBSCRIBER_VIDEO));
    /* Parts that cannot be told apart may hide one. */
    CU_ASSERT_FALSE(allowed("INVITE", "multipart/mixed", body, SUBSCRIBER_VIDEO));
}

static void requests_that_may_carry_an_offer_have_it_read(void)
{
    static const struct {
        const char *method;
        bool is_read;
    } rows[] = {{"INVITE", true},   {"UPDATE", true}, {"PRACK", true}, /* RFC 3262 5 */
                {"MESSAGE", false}, {"INFO", false},  {"OPTIONS", false}, {"NOTIFY", false}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(allowed(rows[i].method, "application/sdp",
                                HEAD "m=video 4000 RTP/AVP 31\r\n", SUBSCRIBER_AUDIO),
                        !rows[i].is_read);
}

/* ---- for the record --------------------------------------------------------------------------- */

static void the_record_has_type_codec_direction_and_bandwidth(void)
{
    struct sip_msg *m = message("INVITE", "application/sdp",
                                HEAD "m=audio 4000 RTP/AVP 97 0\r\nb=AS:41\r\n"
                                     "a=rtpmap:97 AMR-WB/16000\r\na=sendonly\r\n"
                                     "m=video 4002 RTP/AVP 31\r\na=recvonly\r\n"
                                     "m=message 4004 TCP/MSRP *\r\na=inactive\r\n");
    struct cdr_media media[CDR_MEDIA_MAX];

    CU_ASSERT_EQUAL_FATAL(scscf_media_read(m, media), 3);
    ASSERT_SPAN_EQ(media[0].media, "audio");
    ASSERT_SPAN_EQ(media[0].codec, "AMR-WB");
    ASSERT_SPAN_EQ(media[0].direction, "sendonly");
    CU_ASSERT_EQUAL(media[0].bandwidth_kbps, 41);
    ASSERT_SPAN_EQ(media[1].media, "video");
    ASSERT_SPAN_EQ(media[1].codec, "H261"); /* RFC 3551 6 */
    ASSERT_SPAN_EQ(media[1].direction, "recvonly");
    CU_ASSERT_EQUAL(media[1].bandwidth_kbps, 0);
    ASSERT_SPAN_EQ(media[2].media, "message");
    ASSERT_SPAN_EQ(media[2].direction, "inactive");
    sip_msg_unref(m);
}

static void refused_media_is_not_in_the_record(void)
{
    struct sip_msg *m = message("INVITE", "application/sdp",
                                HEAD "m=video 0 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8\r\n");
    struct cdr_media media[CDR_MEDIA_MAX];

    CU_ASSERT_EQUAL_FATAL(scscf_media_read(m, media), 1);
    ASSERT_SPAN_EQ(media[0].codec, "PCMA");
    ASSERT_SPAN_EQ(media[0].direction, "sendrecv");
    sip_msg_unref(m);
}

static void a_codec_without_a_name_is_left_empty(void)
{
    struct sip_msg *m = message("INVITE", "application/sdp", HEAD "m=audio 4000 RTP/AVP 99\r\n");
    struct cdr_media media[CDR_MEDIA_MAX];

    CU_ASSERT_EQUAL_FATAL(scscf_media_read(m, media), 1);
    CU_ASSERT_EQUAL(media[0].codec.n, 0);
    sip_msg_unref(m);
}

static void more_lines_than_a_record_holds_are_left_out(void)
{
    char body[2048];
    struct buf b = {body, 0, sizeof(body) - 1, false};
    struct cdr_media media[CDR_MEDIA_MAX + 1] = {0};
    struct sip_msg *m;

    buf_puts(&b, HEAD);
    for (unsigned i = 0; i < CDR_MEDIA_MAX + 2; i++)
        buf_fmt(&b, "m=audio %u RTP/AVP 0\r\n", 4000 + 2 * i);
    CU_ASSERT_FALSE_FATAL(b.overflow);
    body[b.n] = '\0';
    m = message("INVITE", "application/sdp", body);
    CU_ASSERT_EQUAL(scscf_media_read(m, media), CDR_MEDIA_MAX);
    CU_ASSERT_PTR_NULL(media[CDR_MEDIA_MAX].media.p);
    sip_msg_unref(m);
}

static void the_largest_bandwidth_there_is_is_kept(void)
{
    struct sip_msg *m =
        message("INVITE", "application/sdp", HEAD "m=audio 4000 RTP/AVP 0\r\nb=AS:4294967295\r\n");
    struct cdr_media media[CDR_MEDIA_MAX];
    unsigned n = scscf_media_read(m, media);

    CU_ASSERT_EQUAL_FATAL(n, 1);
    CU_ASSERT_EQUAL(media[0].bandwidth_kbps, UINT32_MAX);
    sip_msg_unref(m);
}

static void of_a_description_that_cannot_be_read_the_record_has_nothing(void)
{
    static const struct {
        const char *type, *body;
    } rows[] = {{NULL, ""},
                {"text/plain", HEAD "m=audio 4000 RTP/AVP 0\r\n"},
                {"application/sdp", HEAD "m=audio 4000 RTP/AVP 0\r\nm=\r\n"},
                {"multipart/mixed", HEAD "m=audio 4000 RTP/AVP 0\r\n"}};
    struct cdr_media media[CDR_MEDIA_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_msg *m = message("INVITE", rows[i].type, rows[i].body);

        CU_ASSERT_EQUAL(scscf_media_read(m, media), 0);
        sip_msg_unref(m);
    }
}

TEST_MAIN("scscf/core/media",
          {"each type of media has its own bit", each_type_of_media_has_its_own_bit},
          {"one line too many refuses the whole offer", one_line_too_many_refuses_the_whole_offer},
          {"a line with port 0 offers nothing, wherever it is",
           a_line_with_port_0_offers_nothing_wherever_it_is},
          {"held media is media", held_media_is_media},
          {"an offer without media passes", an_offer_without_media_passes},
          {"who may everything has no offer read", who_may_everything_has_no_offer_read},
          {"what cannot be read is refused to whom not all is allowed",
           what_cannot_be_read_is_refused_to_whom_not_all_is_allowed},
          {"a body of another type is no offer", a_body_of_another_type_is_no_offer},
          {"an offer in one part of many is found", an_offer_in_one_part_of_many_is_found},
          {"requests that may carry an offer have it read",
           requests_that_may_carry_an_offer_have_it_read},
          {"the record has type, codec, direction and bandwidth",
           the_record_has_type_codec_direction_and_bandwidth},
          {"refused media is not in the record", refused_media_is_not_in_the_record},
          {"a codec without a name is left empty", a_codec_without_a_name_is_left_empty},
          {"more lines than a record holds are left out",
           more_lines_than_a_record_holds_are_left_out},
          {"the largest bandwidth there is is kept", the_largest_bandwidth_there_is_is_kept},
          {"of a description that cannot be read the record has nothing",
           of_a_description_that_cannot_be_read_the_record_has_nothing})
