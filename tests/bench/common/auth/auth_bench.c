/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU time of what a registration asks of common/auth. */
#include "common/auth/auth.h"

#include "tests/support/bench.h"

int main(void)
{
    enum { N = 200000 };
    const struct aka_key key = {.k = {1, 2, 3}, .opc = {4, 5, 6}, .amf = {0x80}};
    struct digest_challenge asked = {.realm = SPAN("ims.mnc001.mcc001.3gppnetwork.org"),
                                     .algorithm = DIGEST_AKAV1_MD5,
                                     .qops = DIGEST_QOP_AUTH};
    struct digest_fields f = {.username = SPAN("001010000000001@ims.mnc001.mcc001.3gppnetwork.org"),
                              .realm = asked.realm,
                              .uri = SPAN("sip:ims.mnc001.mcc001.3gppnetwork.org"),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("0a4f113b")};
    struct auth *a;
    struct aka_vector v;
    struct digest_ha1 ha1;
    char nonce[64], response[DIGEST_HEX_LEN];
    struct buf b = BUF_ON(nonce);
    uint64_t since;
    uint32_t nc;
    const char *why;
    unsigned wrong = 0;

    if (auth_new(&rnd_system, &a))
        return 1;
    since = bench_cpu_ns();
    for (unsigned i = 0; i < N; i++)
        wrong += aka_vector_make(a, &key, i, false, &v) != 0;
    bench_report("vector (getrandom included)", since, N);
    since = bench_cpu_ns();
    for (unsigned i = 0; i < N; i++)
        wrong += aka_vector_make(a, &key, i, true, &v) != 0;
    bench_report("vector without NUL in RES", since, N);
    aka_nonce_put(&b, &v, SPAN_NONE);
    f.nonce = asked.nonce = buf_span(&b);
    wrong += digest_ha1_make(a, f.username, f.realm, span_of(v.xres, v.xres_n), &ha1) != 0;
    wrong += digest_response(a, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, response) != 0;
    f.response = span_of(response, sizeof(response));
    since = bench_cpu_ns();
    for (unsigned i = 0; i < N; i++) {
        wrong += digest_ha1_make(a, f.username, f.realm, span_of(v.xres, v.xres_n), &ha1) != 0;
        wrong += digest_check(a, &asked, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, &nc, &why) != 0;
    }
    bench_report("answer to a challenge (H(A1) and check)", since, N);
    auth_free(a);
    return wrong != 0;
}
