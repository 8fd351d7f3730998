/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pdp/policy, inside: codecs named by Codec-Data (TS 29.214 5.3.7). */
#ifndef PDP_POLICY_CODEC_H
#define PDP_POLICY_CODEC_H

#include "common/conf/conf.h"

enum policy_codecs { POLICY_CODECS_NONE, POLICY_CODECS_SOME, POLICY_CODECS_ALL };

/* How many of the codecs of one Codec-Data are among `allowed`. With no codec named: ALL. The first
 * that is not allowed goes into ret_other (borrowed; p NULL when there is none). */
enum policy_codecs policy_codecs_check(struct span codec_data, const struct conf_strings *allowed,
                                       struct span *ret_other);
/* Whether it is the answer's half. */
bool policy_codecs_answer(struct span codec_data);

#endif
