/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a message says of media: for the records, and for service profiles (TS 24.229 5.4.3.2,
 * 5.4.3.3): only who has a restricted one has his offers read. */
#include "common/sdp/sdp.h"
#include "scscf/core/inner.h"

static unsigned media_of(const struct sdp_media *m)
{
    static const struct {
        const char *type;
        unsigned bit;
    } types[] = {
        {"audio", SUBSCRIBER_AUDIO}, {"video", SUBSCRIBER_VIDEO}, {"text", SUBSCRIBER_TEXT}};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (span_eq(m->type, span_str(types[i].type)))
            return types[i].bit;
    return SUBSCRIBER_OTHER;
}

bool scscf_media_allowed(const struct sip_msg *m, unsigned allowed)
{
    /* RFC 3262 5: once a 1xx has answered the offer of the INVITE, PRACK may bring the next. */
    bool may_offer = m->method == SIP_INVITE || m->method == SIP_UPDATE || m->method == SIP_PRACK;
    struct span text;
    struct sdp sdp;

    if (allowed == SUBSCRIBER_MEDIA_ALL || !may_offer)
        return true;
    switch (sip_body_find(m, SPAN("application/sdp"), &text)) {
    case SIP_BODY_NONE:
        return true;
    case SIP_BODY_UNREADABLE:
        return false;
    case SIP_BODY_FOUND:
        break;
    }
    if (sdp_parse(text, &sdp, NULL) != 0)
        return false;
    for (unsigned i = 0; i < sdp.n_media; i++)
        if (sdp.media[i].port != 0 && !(media_of(&sdp.media[i]) & allowed))
            return false;
    return true;
}

unsigned scscf_media_read(const struct sip_msg *m, struct cdr_media *media)
{
    static const char *const directions[] = {[SDP_SENDRECV] = "sendrecv",
                                             [SDP_SENDONLY] = "sendonly",
                                             [SDP_RECVONLY] = "recvonly",
                                             [SDP_INACTIVE] = "inactive"};
    struct span text;
    struct sdp sdp;
    unsigned n = 0;

    if (sip_body_find(m, SPAN("application/sdp"), &text) != SIP_BODY_FOUND ||
        sdp_parse(text, &sdp, NULL) != 0)
        return 0;
    for (unsigned i = 0; i < sdp.n_media && n < CDR_MEDIA_MAX; i++) {
        const struct sdp_media *s = &sdp.media[i];
        struct span formats = s->formats, first = SPAN_NONE;
        uint64_t kbps = s->bandwidth.as == SDP_NO_BANDWIDTH ? 0 : s->bandwidth.as / 1000;

        if (s->port == 0)
            continue;
        (void)sdp_format_next(&formats, &first); /* none: no codec */
        media[n++] = (struct cdr_media){.media = s->type,
                                        .codec = first.n ? sdp_codec_name(s, first) : SPAN_NONE,
                                        .direction = span_str(directions[s->direction]),
                                        .bandwidth_kbps = kbps > UINT32_MAX ? 0 : (uint32_t)kbps};
    }
    return n;
}
