/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The media a service profile allows (TS 24.229 5.4.3.2, 5.4.3.3): only who has a restricted one
 * has his offers read. */
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
    struct span text;
    struct sdp sdp;

    if (allowed == SUBSCRIBER_MEDIA_ALL || (m->method != SIP_INVITE && m->method != SIP_UPDATE))
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
