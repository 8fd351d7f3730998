/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/sdp, private: libosip2's SDP parser, apart because it has names of ours. */
#ifndef COMMON_SDP_INNER_H
#define COMMON_SDP_INNER_H

#include "common/base/base.h"

/* Whether libosip2 can read it as well: the second opinion of a well-kept parser. -EBADMSG,
 * -ENOMEM. */
int sdp_osip_reads(struct span text);

#endif
