/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as SDP: no crash, rewriting nothing changes nothing, and what was rewritten can be read
 * and says what it was told. */
#include <stdlib.h>

#include "common/osip/osipmem.h"
#include "common/sdp/sdp.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return osipmem_init();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char room[SDP_TEXT_MAX * 2];
    static struct sdp s, again;
    struct sdp_place places[SDP_MEDIA_MAX] = {0};
    struct buf b = BUF_ON(room);
    struct sdp_fault fault;

    if (sdp_parse(span_of(data, size), &s, &fault) != 0)
        return 0;
    if (sdp_rewrite(&s, places, SDP_MEDIA_MAX, &b) != 0 || !span_eq(buf_span(&b), s.text))
        abort();
    for (unsigned i = 0; i < s.n_media; i++) {
        struct span formats = s.media[i].formats, f;

        while (sdp_format_next(&formats, &f))
            (void)sdp_codec_name(&s.media[i], f);
        if (s.media[i].address.p) /* a refused section may have none */
            (void)addr_parse_ip(SPAN("198.51.100.7"), (uint16_t)(30000 + 2 * i), &places[i].rtp);
    }
    b = BUF_ON(room);
    if (sdp_rewrite(&s, places, s.n_media, &b) != 0)
        abort();
    if (b.n > SDP_TEXT_MAX)
        return 0;
    if (sdp_parse(buf_span(&b), &again, &fault) != 0 || again.n_media != s.n_media)
        abort();
    for (unsigned i = 0; i < s.n_media; i++) {
        if (places[i].rtp.family && (again.media[i].port != places[i].rtp.port ||
                                     !addr_ip_eq(&again.media[i].connection, &places[i].rtp)))
            abort();
    }
    return 0;
}
