/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as a SIP message: no crash, an edit that changes nothing changes no byte, what a proxy
 * adds can be read again, a refused request can be answered, and the framer agrees with itself
 * however the stream is cut. */
#include <stdlib.h>

#include "common/sip/sip.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char out[200000], out2[200000];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return sip_init();
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void find_body(const struct sip_msg *m)
{
    struct span part;

    if (sip_body_find(m, SPAN("application/sdp"), &part) != SIP_BODY_FOUND)
        return;
    must(part.p >= m->body.p && part.p + part.n <= m->body.p + m->body.n);
}

static void walk_values(struct sip_msg *m)
{
    for (int id = 1; id < SIP_H_COUNT; id++) {
        struct sip_values v = sip_values(m, (enum sip_header)id);
        struct sip_name_addr na;
        struct sip_auth auth;
        struct sip_via via;

        while (sip_values_next(&v)) {
            (void)sip_name_addr_parse(v.value, &na);
            (void)sip_via_parse(v.value, &via);
            (void)sip_auth_parse(v.value, &auth);
        }
    }
}

static void proxy(struct sip_msg *m)
{
    struct sip_edit e;
    struct buf b = BUF_ON(out);
    struct sip_msg *again = NULL;
    struct sip_reject reject;

    sip_edit_init(&e, m);
    must(sip_edit_render(&e, &b) == 0 && span_eq(buf_span(&b), m->raw));
    sip_edit_init(&e, m);
    sip_edit_push(&e, SIP_H_VIA, SPAN("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfuzz"));
    sip_edit_max_forwards(&e);
    sip_edit_remove_all(&e, SIP_H_ROUTE);
    sip_edit_remove_token(&e, SIP_H_REQUIRE, SPAN("sec-agree"));
    sip_edit_content_length(&e);
    b = BUF_ON(out);
    if (sip_edit_render(&e, &b) != 0)
        return;
    if (sip_msg_parse(buf_span(&b), &sip_limits_default, &again, &reject) == 0) {
        must(span_eq(again->call_id, m->call_id) && again->cseq == m->cseq);
        must(span_eq(again->branch, SPAN("z9hG4bKfuzz")));
    }
    sip_msg_unref(again);
}

static size_t frames(const uint8_t *data, size_t size, size_t step)
{
    struct sip_framer f;
    struct sip_reject reject;
    struct span message;
    enum sip_frame frame = SIP_FRAME_MORE;
    size_t total = 0;

    sip_framer_init(&f, 65535);
    for (size_t at = 0; at < size && frame != SIP_FRAME_BROKEN; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (sip_framer_feed(&f, span_of(data + at, n)) != 0)
            break;
        while ((frame = sip_framer_next(&f, &message, &reject)) == SIP_FRAME_MESSAGE ||
               frame == SIP_FRAME_PING)
            total += frame == SIP_FRAME_MESSAGE ? message.n : 4;
    }
    sip_framer_fini(&f);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_msg *m = NULL;
    struct sip_reject reject = {0};
    int rc;

    if (size > 65535)
        return 0;
    rc = sip_msg_parse(span_of(data, size), &sip_limits_default, &m, &reject);
    must(rc != 0 || m);
    if (m && m->is_request) {
        struct buf b = BUF_ON(out2);

        (void)sip_reply(m, 400, NULL, SPAN("t"), SPAN_NONE, SPAN_NONE, &b);
    }
    if (rc == 0) {
        walk_values(m);
        find_body(m);
        proxy(m);
    }
    sip_msg_unref(m);
    must(frames(data, size, size ? size : 1) >= frames(data, size, 7) || size > 60000);
    return 0;
}
