/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/secagree, private: one alternative of a Security-* header. */
#ifndef PCSCF_SECAGREE_INNER_H
#define PCSCF_SECAGREE_INNER_H

#include "pcscf/secagree/secagree.h"

#define SECAGREE_VALUES 40 /* alternatives of one header */
#define SECAGREE_PARAMS 16 /* parameters of one alternative */

struct secagree_value {
    struct span mechanism;
    struct sip_param params[SECAGREE_PARAMS];
    unsigned n;
};

/* -EBADMSG and why, as a text for a reason. */
int secagree_value_parse(struct span text, struct secagree_value *ret_value, const char **ret_why);
/* p = NULL when absent. */
struct span secagree_value_get(const struct secagree_value *v, const char *name);
/* TS 24.229 annex on media plane security: such values are not part of this agreement. */
bool secagree_value_is_media(const struct secagree_value *v);

/* Fills in a refusal; a list becomes Require: sec-agree and Security-Server. Returns -EBADMSG. */
int secagree_refuse(struct secagree_refusal *r, unsigned status, struct span list,
                    const char *reason, struct span detail);

#endif
