/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as Security-Client and Security-Verify: no crash; whatever is chosen was ours and may
 * be installed; what we say ourselves passes our own comparison. */
#include <stdlib.h>

#include "pcscf/secagree/secagree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char room[32768];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return sip_init();
}

static struct sip_msg *request(const char *header, struct span value)
{
    struct buf b = BUF_ON(room);
    struct sip_msg *m = NULL;
    struct sip_reject reject;

    buf_fmt(&b,
            "REGISTER sip:ims.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKx\r\n"
            "From: <sip:a@ims.test>;tag=1\r\nTo: <sip:a@ims.test>\r\nCall-ID: c\r\n"
            "CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nRequire: sec-agree\r\n%s: ",
            header);
    buf_put(&b, value);
    buf_puts(&b, "\r\nContent-Length: 0\r\n\r\n");
    if (b.overflow || sip_msg_parse(buf_span(&b), &sip_limits_default, &m, &reject) != 0) {
        sip_msg_unref(m);
        return NULL;
    }
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secagree_policy policy = secagree_policy_default(true, ~0u, ~0u);
    struct secagree_ends ours = {1000, 1001, 5063, 5062};
    struct secagree_refusal refusal;
    struct secagree_choice choice;
    char server[SECAGREE_TEXT_MAX], client[SECAGREE_TEXT_MAX];
    struct buf s = BUF_ON(server), c = BUF_ON(client);
    struct sip_msg *m;

    if (size > 8192)
        return 0;
    m = request("Security-Client", span_of(data, size));
    if (m && secagree_choose(m, &policy, &choice, &refusal) == 0) {
        if (!ipsec_pair_is_valid(choice.pair) || choice.phone.spi_c == choice.phone.spi_s ||
            choice.phone.port_c == 0 || choice.phone.port_s == 0)
            abort();
        if (secagree_client_text(m, &c) == 0 &&
            secagree_check_client(m, buf_span(&c), &refusal) != 0)
            abort();
        if (secagree_server_text(&policy, &choice.pair, &ours, &s) != 0)
            abort();
    }
    sip_msg_unref(m);
    if (s.n == 0)
        return 0;
    m = request("Security-Verify", buf_span(&s));
    if (!m || secagree_check_verify(m, buf_span(&s), &refusal) != 0)
        abort();
    sip_msg_unref(m);
    m = request("Security-Verify", span_of(data, size));
    if (m)
        (void)secagree_check_verify(m, buf_span(&s), &refusal);
    sip_msg_unref(m);
    return 0;
}
