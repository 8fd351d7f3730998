/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/authorize, inside: from SDP to service information (service.c). */
#ifndef PCSCF_AUTHORIZE_INNER_H
#define PCSCF_AUTHORIZE_INNER_H

#include "common/sdp/sdp.h"
#include "pcscf/authorize/authorize.h"

/* A request and the texts its spans point into. */
struct service {
    struct diameter_request request;
    struct sdp from_phone, to_phone;
    struct buf texts;
    char room[24576];
};

/* TS 29.213 6.2: the media components of request.aar. -EBADMSG for SDP that cannot be read, -E2BIG
 * for more components than an AAR carries. */
int service_describe(struct service *s, const struct authorize_media *media);

#endif
