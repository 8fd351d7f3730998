/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/secagree/secagree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/suite.h"

#define ALL_ALGS  ((1u << IPSEC_ALG_COUNT) - 1)
#define ALL_EALGS ((1u << IPSEC_EALG_COUNT) - 1)
#define ENDS      "spi-c=1111;spi-s=2222;port-c=7001;port-s=7002"
#define OFFER     "ipsec-3gpp;prot=esp;mod=trans;" ENDS ";alg=hmac-sha-1-96;ealg=null"

/* A REGISTER with these header lines (CRLF included). */
static struct sip_msg *request_with(const char *lines)
{
    static char text[65536];
    struct sip_reject reject;
    struct sip_msg *m = NULL;
    struct buf b = BUF_ON(text);
    buf_puts(&b, "REGISTER sip:ims.test SIP/2.0\r\n"
                 "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa\r\n"
                 "Max-Forwards: 70\r\n"
                 "From: <sip:a@ims.test>;tag=1\r\n"
                 "To: <sip:a@ims.test>\r\n"
                 "Call-ID: c\r\n"
                 "CSeq: 1 REGISTER\r\n");
    buf_puts(&b, lines);
    buf_puts(&b, "Content-Length: 0\r\n\r\n");
    CU_ASSERT_FALSE_FATAL(b.overflow);
    if (sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject) != 0) {
        fprintf(stderr, "message refused: %s\n", reject.reason);
        CU_FAIL_FATAL("the test's own message was refused");
    }
    return m;
}

static struct secagree_policy rel14(void)
{
    return secagree_policy_default(false, ALL_ALGS, ALL_EALGS);
}

/* ---- the list ---- */

static void legacy_algorithms_are_off_unless_asked_for(void)
{
    struct secagree_policy p = rel14(), legacy = secagree_policy_default(true, ~0u, ~0u);

    CU_ASSERT_EQUAL(p.n, 4);
    for (unsigned i = 0; i < p.n; i++) {
        CU_ASSERT_NOT_EQUAL(p.pairs[i].alg, IPSEC_ALG_HMAC_MD5_96);
        CU_ASSERT_NOT_EQUAL(p.pairs[i].ealg, IPSEC_EALG_DES_EDE3_CBC);
    }
    CU_ASSERT_EQUAL(legacy.n, 8);
    for (unsigned i = 0; i < legacy.n; i++)
        CU_ASSERT(ipsec_pair_is_valid(legacy.pairs[i]));
    for (unsigned i = 0; i < p.n; i++) /* legacy ones come last */
        CU_ASSERT_EQUAL(legacy.pairs[i].ealg, p.pairs[i].ealg);
}

static void algorithms_the_kernel_has_not_are_left_out(void)
{
    struct secagree_policy p = secagree_policy_default(
        true, 1u << IPSEC_ALG_HMAC_SHA_1_96, 1u << IPSEC_EALG_NULL | 1u << IPSEC_EALG_AES_CBC);

    CU_ASSERT_EQUAL_FATAL(p.n, 2);
    CU_ASSERT_EQUAL(p.pairs[0].ealg, IPSEC_EALG_AES_CBC);
    CU_ASSERT_EQUAL(p.pairs[1].ealg, IPSEC_EALG_NULL);
}

/* ---- choosing ---- */

static void the_first_pair_of_our_list_wins(void)
{
    static const struct {
        const char *lines;
        enum ipsec_alg alg;
        enum ipsec_ealg ealg;
    } table[] = {
        {"Security-Client: " OFFER "\r\n", IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
        /* our order, not the phone's, and not its q */
        {"Security-Client: " OFFER ";q=1.0, ipsec-3gpp;" ENDS
         ";alg=hmac-sha-1-96;ealg=aes-cbc;q=0.1\r\n",
         IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=hmac-sha-1-96;ealg=aes-cbc\r\n"
         "Security-Client: ipsec-3gpp;" ENDS ";alg=null;ealg=aes-gcm\r\n",
         IPSEC_ALG_NULL, IPSEC_EALG_AES_GCM},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=aes-gmac\r\n", IPSEC_ALG_AES_GMAC,
         IPSEC_EALG_NULL},
        /* no ealg is null; any case; white space and folding */
        {"security-CLIENT: IPSEC-3gpp ; SPI-C = 1111 ;\r\n spi-s=2222; PORT-C=7001;port-s=7002 "
         ";ALG=HMAC-SHA-1-96\r\n",
         IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
        /* ten digits, zeros in front */
        {"Security-Client: ipsec-3gpp;spi-c=0000001111;spi-s=0000002222;port-c=07001;port-s=7002;"
         "alg=hmac-sha-1-96\r\n",
         IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
        /* what is not ours is passed over: mechanisms, algorithms, ah, tunnels, parameters */
        {"Security-Client: tls;q=1, digest, sdes-srtp;mediasec, ipsec-3gpp;" ENDS
         ";alg=hmac-sha-2;ealg=rot13, ipsec-3gpp;" ENDS ";alg=null;ealg=aes-gcm;prot=ah, "
         "ipsec-3gpp;" ENDS ";alg=null;ealg=aes-gcm;mod=tun, ipsec-3gpp;" ENDS
         ";alg=hmac-md5-96;ealg=aes-cbc, " OFFER ";x-vendor=\"a,b;c\"\r\n",
         IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL},
    };
    struct secagree_policy policy = rel14();

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i].lines);
        struct secagree_choice c = {.phone = {0}};
        struct secagree_refusal r;
        int rc = secagree_choose(m, &policy, &c, &r);

        if (rc != 0)
            fprintf(stderr, "row %u: %u %s\n", i, r.reject.status, r.reject.reason);
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(c.pair.alg, table[i].alg);
        CU_ASSERT_EQUAL(c.pair.ealg, table[i].ealg);
        CU_ASSERT_EQUAL(c.phone.spi_c, 1111);
        CU_ASSERT_EQUAL(c.phone.spi_s, 2222);
        CU_ASSERT_EQUAL(c.phone.port_c, 7001);
        CU_ASSERT_EQUAL(c.phone.port_s, 7002);
        CU_ASSERT(secagree_is_offered(m));
        sip_msg_unref(m);
    }
}

static void the_ends_are_those_of_the_chosen_alternative(void)
{
    struct secagree_policy policy = rel14();
    struct sip_msg *m = request_with(
        "Security-Client: " OFFER ", ipsec-3gpp;spi-c=4294967295;spi-s=256;port-c=65535;port-s=1;"
        "alg=null;ealg=aes-gcm, " OFFER "\r\n");
    struct secagree_choice c;
    struct secagree_refusal r;

    CU_ASSERT_EQUAL_FATAL(secagree_choose(m, &policy, &c, &r), 0);
    CU_ASSERT_EQUAL(c.phone.spi_c, UINT32_MAX);
    CU_ASSERT_EQUAL(c.phone.spi_s, 256);
    CU_ASSERT_EQUAL(c.phone.port_c, 65535);
    CU_ASSERT_EQUAL(c.phone.port_s, 1);
    sip_msg_unref(m);
}

static void a_broken_offer_is_refused_with_what_is_wrong(void)
{
#define REST ";port-c=7001;port-s=7002;alg=hmac-sha-1-96\r\n"
#define SPIS "Security-Client: ipsec-3gpp;spi-c=1111;spi-s=2222"
    static const struct {
        const char *lines;
        unsigned status;
        const char *reason; /* a part of it */
    } table[] = {
        {"Security-Client: ipsec-3gpp;spi-c=0;spi-s=2222" REST, 400, "reserved SPI: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=1111;spi-s=0" REST, 400, "reserved SPI: spi-s"},
        {"Security-Client: ipsec-3gpp;spi-c=255;spi-s=2222" REST, 400, "reserved SPI: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=1111;spi-s=1111" REST, 400, "equal SPIs"},
        {"Security-Client: ipsec-3gpp;spi-c=1111;spi-s=0000001111" REST, 400, "equal SPIs"},
        {"Security-Client: ipsec-3gpp;spi-c=4294967296;spi-s=2222" REST, 400, "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=99999999999999999999;spi-s=2222" REST, 400,
         "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=-1;spi-s=2222" REST, 400, "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=0x457;spi-s=2222" REST, 400, "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=;spi-s=2222" REST, 400, "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c;spi-s=2222" REST, 400, "in range: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-s=2222" REST, 400, "lacks a parameter: spi-c"},
        {"Security-Client: ipsec-3gpp;spi-c=1111" REST, 400, "lacks a parameter: spi-s"},
        {SPIS ";port-s=7002;alg=hmac-sha-1-96\r\n", 400, "lacks a parameter: port-c"},
        {SPIS ";port-c=7001;alg=hmac-sha-1-96\r\n", 400, "lacks a parameter: port-s"},
        {SPIS ";port-c=7001;port-s=7002\r\n", 400, "lacks a parameter: alg"},
        {SPIS ";port-c=0;port-s=7002;alg=hmac-sha-1-96\r\n", 400, "cannot be protected: port-c"},
        {SPIS ";port-c=7001;port-s=0;alg=hmac-sha-1-96\r\n", 400, "cannot be protected: port-s"},
        {SPIS ";port-c=5060;port-s=7002;alg=hmac-sha-1-96\r\n", 400, "protected: port-c"},
        {SPIS ";port-c=7001;port-s=5061;alg=hmac-sha-1-96\r\n", 400, "protected: port-s"},
        {SPIS ";port-c=65536;port-s=7002;alg=hmac-sha-1-96\r\n", 400, "in range: port-c"},
        {SPIS ";spi-c=1111" REST, 400, "parameter twice"},
        {SPIS ";ALG=aes-gmac" REST, 400, "parameter twice"},
        {SPIS ";=5" REST, 400, "malformed parameter"},
        {SPIS ";alg=\"hmac" REST, 400, ""},
        {"Security-Client: ;spi-c=1111;spi-s=2222" REST, 400, "without a name"},
        {"Security-Client: <a,b>;x, " OFFER "\r\n", 400, "without a name"},
        {"Security-Client: tls=1, " OFFER "\r\n", 400, "without a name"},
        /* a good alternative does not save a broken one */
        {"Security-Client: " OFFER ", ipsec-3gpp;spi-c=0;spi-s=2222" REST, 400, "reserved SPI"},
        {SPIS ";a;b;c;d;e;f;g;h;i;j;k;l;m;n" REST, 400, "too many parameters"},
        /* nothing of ours */
        {"Security-Client: tls;q=0.5\r\n", 494, "no mechanism"},
        {"Security-Client: tls, digest;d-alg=md5, ipsec-ike\r\n", 494, "no mechanism"},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=hmac-md5-96;ealg=null\r\n", 494, "no algorithm"},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=null\r\n", 494, "no algorithm"},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=hmac-sha-1-96;prot=ah\r\n", 494, "no algorithm"},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=hmac-sha-1-96;mod=UDP-enc-tun\r\n", 494,
         "no algorithm"},
        {"Security-Client: ipsec-3gpp;" ENDS ";alg=hmac-sha-1-96x\r\n", 494, "no algorithm"},
        /* no offer at all */
        {"", 421, "no Security-Client"},
        {"Security-Client: sdes-srtp;mediasec\r\n", 421, "no Security-Client"},
        {"Supported: path, Sec-Agree\r\n", 494, "no Security-Client"},
        {"Require: sec-agree\r\n", 494, "no Security-Client"},
    };
    struct secagree_policy policy = rel14();

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i].lines);
        struct secagree_choice c = {.phone = {.spi_c = 77}};
        struct secagree_refusal r = {.extra = ""};
        int rc = secagree_choose(m, &policy, &c, &r);

        if (rc != -EBADMSG || r.reject.status != table[i].status ||
            !strstr(r.reject.reason, table[i].reason)) {
            fprintf(stderr, "row %u: rc %d, %u %s\n", i, rc, r.reject.status, r.reject.reason);
            CU_FAIL("an offer was not refused as it should be");
        }
        CU_ASSERT_EQUAL(c.phone.spi_c, 77); /* untouched on failure */
        CU_ASSERT_PTR_NOT_NULL(r.reject.phrase);
        CU_ASSERT_EQUAL(strstr(r.extra, "Security-Server: ipsec-3gpp;") != NULL,
                        table[i].status != 400);
        CU_ASSERT_EQUAL(strstr(r.extra, "Require: sec-agree\r\n") != NULL, table[i].status != 400);
        sip_msg_unref(m);
    }
}

static void too_many_alternatives_are_refused(void)
{
    static char lines[60000];
    struct buf b = BUF_ON(lines);
    struct secagree_policy policy = rel14();
    struct secagree_choice c;
    struct secagree_refusal r;
    struct sip_msg *m;

    for (unsigned i = 0; i < 41; i++)
        buf_puts(&b, "Security-Client: " OFFER "\r\n");
    buf_putc(&b, '\0');
    m = request_with(lines);
    CU_ASSERT_EQUAL(secagree_choose(m, &policy, &c, &r), -EBADMSG);
    CU_ASSERT_EQUAL(r.reject.status, 400);
    sip_msg_unref(m);
}

static void a_refusal_without_a_list_has_no_empty_header(void)
{
    struct secagree_policy none = {.n = 0};
    struct sip_msg *m = request_with("Security-Client: tls\r\n");
    struct secagree_choice c;
    struct secagree_refusal r;

    CU_ASSERT_EQUAL(secagree_choose(m, &none, &c, &r), -EBADMSG);
    CU_ASSERT_EQUAL(r.reject.status, 494);
    CU_ASSERT_STRING_EQUAL(r.extra, ""); /* an empty Security-Server would be malformed */
    sip_msg_unref(m);
}

static void media_security_alone_is_no_offer(void)
{
    struct sip_msg *m = request_with("Security-Client: sdes-srtp;mediasec\r\n");

    CU_ASSERT_FALSE(secagree_is_offered(m));
    sip_msg_unref(m);
    m = request_with("");
    CU_ASSERT_FALSE(secagree_is_offered(m));
    sip_msg_unref(m);
    m = request_with("Security-Client: sdes-srtp;mediasec, tls\r\n");
    CU_ASSERT(secagree_is_offered(m));
    sip_msg_unref(m);
}

/* ---- Security-Server ---- */

static const struct secagree_ends ours = {3333, 4444, 5063, 5062};

static void the_server_list_has_the_chosen_pair_first_and_then_the_rest(void)
{
    struct secagree_policy policy = {
        {{IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_AES_CBC}, {IPSEC_ALG_HMAC_SHA_1_96, IPSEC_EALG_NULL}},
        2};
    char text[SECAGREE_SERVER_MAX];
    struct buf b = BUF_ON(text);

    CU_ASSERT_EQUAL(secagree_server_text(&policy, &policy.pairs[1], &ours, &b), 0);
    ASSERT_SPAN_EQ(buf_span(&b),
                   "ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
                   "port-s=5062;alg=hmac-sha-1-96;ealg=null, "
                   "ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
                   "port-s=5062;alg=hmac-sha-1-96;ealg=aes-cbc");
}

static void the_longest_server_list_fits_its_bound(void)
{
    struct secagree_policy policy = secagree_policy_default(true, ~0u, ~0u);
    struct secagree_ends most = {UINT32_MAX, UINT32_MAX - 1, 65535, 65534};
    char text[SECAGREE_SERVER_MAX], tiny[64];
    struct buf b = BUF_ON(text), small = BUF_ON(tiny);

    CU_ASSERT_EQUAL(secagree_server_text(&policy, &policy.pairs[7], &most, &b), 0);
    CU_ASSERT_EQUAL(secagree_server_text(&policy, &policy.pairs[7], &most, &small), -EMSGSIZE);
    /* and a refusal can carry it */
    struct sip_msg *m = request_with("");
    struct secagree_refusal r;

    CU_ASSERT_EQUAL(secagree_check_verify(m, buf_span(&b), &r), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.extra, "q=0.2;"));
    sip_msg_unref(m);
}

/* ---- comparing ---- */

#define SENT                                                                                       \
    "ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"           \
    "alg=hmac-sha-1-96;ealg=aes-cbc, "                                                             \
    "ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"           \
    "alg=hmac-sha-1-96;ealg=null"
#define SENT_1                                                                                     \
    "ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"           \
    "alg=hmac-sha-1-96;ealg=aes-cbc"

static void the_same_list_in_other_words_is_the_same(void)
{
    static const char *const table[] = {
        "Security-Verify: " SENT "\r\n",
        /* each alternative on its own line, folded */
        "Security-Verify: ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96;\r\n ealg=aes-cbc\r\n"
        "Security-Verify: ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96;ealg=null\r\n",
        /* other order of alternatives and parameters, white space, case, q with zeros */
        "Security-Verify: ipsec-3gpp ; ealg=NULL; alg=hmac-sha-1-96;q=0.800;Prot=ESP;mod=trans;"
        "spi-s=4444;spi-c=3333;port-s=5062;port-c=5063 , IPsec-3gpp;alg=HMAC-SHA-1-96;"
        "ealg=aes-cbc;q=0.90;prot=esp;mod=trans;spi-c=0000003333;spi-s=4444;port-c=5063;"
        "port-s=5062\r\n",
        /* what is at its default may go */
        "Security-Verify: ipsec-3gpp;q=0.9;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"
        "alg=hmac-sha-1-96;ealg=aes-cbc,ipsec-3gpp;q=0.8;spi-c=3333;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96\r\n",
        /* media security is another agreement */
        "Security-Verify: " SENT ", sdes-srtp;mediasec\r\n",
    };

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i]);
        struct secagree_refusal r = {.reject = {0}};

        if (secagree_check_verify(m, SPAN(SENT), &r) != 0) {
            fprintf(stderr, "row %u: %u %s\n", i, r.reject.status, r.reject.reason);
            CU_FAIL("the same list was refused");
        }
        sip_msg_unref(m);
    }
}

static void an_altered_list_is_refused_with_494_and_the_list(void)
{
    static const char *const table[] = {
        "",
        "Security-Verify: " SENT_1 "\r\n",             /* one gone */
        "Security-Verify: " SENT ", " SENT_1 "\r\n",   /* one twice */
        "Security-Verify: " SENT_1 ", " SENT_1 "\r\n", /* one in place of the other */
        "Security-Verify: " SENT ", tls\r\n",          /* one more */
        "Security-Verify: " SENT ";x=1\r\n",           /* a parameter more */
        "Security-Verify: " SENT "a\r\n",              /* another algorithm */
        "Security-Verify: ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3334;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96;ealg=aes-cbc, " /* another SPI */
        "ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"
        "alg=hmac-sha-1-96;ealg=null\r\n",
        "Security-Verify: ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96;ealg=aes-cbc, " /* q changed hands */
        "ipsec-3gpp;q=0.9;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"
        "alg=hmac-sha-1-96;ealg=null\r\n",
        "Security-Verify: ipsec-3gpp;q=0.9;prot=ah;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;"
        "port-s=5062;alg=hmac-sha-1-96;ealg=aes-cbc, " /* not the default */
        "ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"
        "alg=hmac-sha-1-96;ealg=null\r\n",
        "Security-Client: " SENT "\r\n", /* the wrong header */
        /* a text that looks like parameters */
        "Security-Verify: ipsec-3gpp;q=\"0.9;prot=esp;mod=trans;spi-c=3333\";spi-s=4444;"
        "port-c=5063;port-s=5062;alg=hmac-sha-1-96;ealg=aes-cbc, "
        "ipsec-3gpp;q=0.8;prot=esp;mod=trans;spi-c=3333;spi-s=4444;port-c=5063;port-s=5062;"
        "alg=hmac-sha-1-96;ealg=null\r\n",
    };

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i]);
        struct secagree_refusal r = {.reject = {0}};

        if (secagree_check_verify(m, SPAN(SENT), &r) != -EBADMSG || r.reject.status != 494) {
            fprintf(stderr, "row %u: %u %s\n", i, r.reject.status, r.reject.reason);
            CU_FAIL("an altered list was taken");
        }
        CU_ASSERT_STRING_EQUAL(r.extra, "Require: sec-agree\r\nSecurity-Server: " SENT "\r\n");
        sip_msg_unref(m);
    }
}

static void a_broken_verify_is_a_bad_request(void)
{
    static const char *const table[] = {
        "Security-Verify: ipsec-3gpp;q=0.9;q=0.8\r\n",
        "Security-Verify: ;q=0.9\r\n",
        "Security-Verify: ipsec-3gpp;=\r\n",
    };

    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i]);
        struct secagree_refusal r = {.reject = {0}};

        CU_ASSERT_EQUAL(secagree_check_verify(m, SPAN(SENT), &r), -EBADMSG);
        CU_ASSERT_EQUAL(r.reject.status, 400);
        sip_msg_unref(m);
    }
}

static void the_second_offer_must_be_the_first_one(void)
{
    static const struct {
        const char *lines;
        unsigned status; /* 0 = fine */
    } table[] = {
        {"Security-Client: " OFFER ",\r\n ipsec-3gpp;" ENDS ";alg=null;ealg=aes-gcm\r\n", 0},
        {"Security-Client: ipsec-3gpp;alg=null;" ENDS ";ealg=aes-gcm\r\n"
         "Security-Client: " OFFER "\r\n",
         0},
        {"Security-Client: " OFFER "\r\n", 403}, /* the strong one was cut off on the way */
        {"Security-Client: " OFFER ", ipsec-3gpp;" ENDS ";alg=aes-gmac\r\n", 403},
        {"", 403},
        {"Security-Client: ipsec-3gpp;a=1;a=2\r\n", 400},
    };
    struct sip_msg *first =
        request_with("Security-Client: " OFFER "\r\n"
                     "Security-Client: ipsec-3gpp;\r\n " ENDS ";alg=null;ealg=aes-gcm\r\n");
    char text[SECAGREE_TEXT_MAX];
    struct buf kept = BUF_ON(text);

    CU_ASSERT_EQUAL(secagree_client_text(first, &kept), 0);
    CU_ASSERT_PTR_NULL(memchr(kept.p, '\n', kept.n));
    sip_msg_unref(first);
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        struct sip_msg *m = request_with(table[i].lines);
        struct secagree_refusal r = {.reject = {0}};
        int rc = secagree_check_client(m, buf_span(&kept), &r);

        if (rc != (table[i].status ? -EBADMSG : 0) || r.reject.status != table[i].status) {
            fprintf(stderr, "row %u: rc %d %u %s\n", i, rc, r.reject.status, r.reject.reason);
            CU_FAIL("the second Security-Client was judged wrong");
        }
        CU_ASSERT_STRING_EQUAL(r.extra, "");
        sip_msg_unref(m);
    }
}

static void an_offer_too_long_to_keep_is_said_so(void)
{
    struct sip_msg *m = request_with("Security-Client: " OFFER "\r\n");
    char text[16];
    struct buf b = BUF_ON(text);

    CU_ASSERT_EQUAL(secagree_client_text(m, &b), -EMSGSIZE);
    sip_msg_unref(m);
}

static void what_was_sent_comes_back_as_the_same(void)
{
    struct secagree_policy policy = secagree_policy_default(true, ~0u, ~0u);
    char text[SECAGREE_SERVER_MAX], lines[SECAGREE_SERVER_MAX + 64];

    for (unsigned i = 0; i < policy.n; i++) {
        struct buf b = BUF_ON(text);
        struct secagree_refusal r;
        struct sip_msg *m;

        CU_ASSERT_EQUAL(secagree_server_text(&policy, &policy.pairs[i], &ours, &b), 0);
        snprintf(lines, sizeof(lines), "Security-Verify: %.*s\r\n", SPAN_ARG(buf_span(&b)));
        m = request_with(lines);
        CU_ASSERT_EQUAL(secagree_check_verify(m, buf_span(&b), &r), 0);
        sip_msg_unref(m);
    }
}

static void nothing_of_the_agreement_goes_to_the_core(void)
{
    struct sip_msg *m = request_with("Security-Client: " OFFER "\r\n"
                                     "Security-Verify: " SENT "\r\n"
                                     "Security-Verify: tls\r\n"
                                     "Security-Server: tls\r\n"
                                     "Require: sec-agree\r\n"
                                     "Proxy-Require: sec-agree, x\r\n"
                                     "Supported: path, sec-agree\r\n");
    struct sip_edit e;
    static char text[4096];
    struct buf out = BUF_ON(text);

    sip_edit_init(&e, m);
    secagree_strip(&e);
    CU_ASSERT_EQUAL(sip_edit_render(&e, &out), 0);
    buf_putc(&out, '\0');
    CU_ASSERT_PTR_NULL(strstr(text, "Security-"));
    CU_ASSERT_PTR_NULL(strstr(text, "\r\nRequire"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Proxy-Require: x\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Supported: path, sec-agree\r\n"));
    sip_msg_unref(m);
}

TEST_MAIN(
    "pcscf/secagree",
    {"legacy algorithms are off unless asked for", legacy_algorithms_are_off_unless_asked_for},
    {"algorithms the kernel has not are left out", algorithms_the_kernel_has_not_are_left_out},
    {"the first pair of our list wins", the_first_pair_of_our_list_wins},
    {"the ends are those of the chosen alternative", the_ends_are_those_of_the_chosen_alternative},
    {"a broken offer is refused with what is wrong", a_broken_offer_is_refused_with_what_is_wrong},
    {"too many alternatives are refused", too_many_alternatives_are_refused},
    {"a refusal without a list has no empty header", a_refusal_without_a_list_has_no_empty_header},
    {"media security alone is no offer", media_security_alone_is_no_offer},
    {"the server list has the chosen pair first and then the rest",
     the_server_list_has_the_chosen_pair_first_and_then_the_rest},
    {"the longest server list fits its bound", the_longest_server_list_fits_its_bound},
    {"the same list in other words is the same", the_same_list_in_other_words_is_the_same},
    {"an altered list is refused with 494 and the list",
     an_altered_list_is_refused_with_494_and_the_list},
    {"a broken Verify is a bad request", a_broken_verify_is_a_bad_request},
    {"the second offer must be the first one", the_second_offer_must_be_the_first_one},
    {"an offer too long to keep is said so", an_offer_too_long_to_keep_is_said_so},
    {"what was sent comes back as the same", what_was_sent_comes_back_as_the_same},
    {"nothing of the agreement goes to the core", nothing_of_the_agreement_goes_to_the_core})
