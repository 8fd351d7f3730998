/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The border of the trust domain (RFC 3324): whoever may send to us is inside, by address. */
#include "scscf/core/inner.h"

bool scscf_trusts(const struct scscf *s, const struct addr *a)
{
    for (size_t i = 0; i < s->options.n_allow; i++)
        if (addr_net_has(&s->options.allow[i], a))
            return true;
    return s->options.n_allow == 0;
}

/* TS 24.229 4.4: what is said in the network, of charging, cells and subscribers. */
static void remove_internal(struct sip_edit *e)
{
    static const enum sip_header internal[] = {SIP_H_P_ACCESS_NETWORK_INFO, SIP_H_P_CHARGING_VECTOR,
                                               SIP_H_P_CHARGING_FUNCTION_ADDRESSES,
                                               SIP_H_P_SERVED_USER, SIP_H_P_VISITED_NETWORK_ID};

    for (size_t i = 0; i < ARRAY_LEN(internal); i++)
        sip_edit_remove_all(e, internal[i]);
}

void scscf_hide_from_strangers(const struct sip_msg *m, struct sip_edit *e)
{
    remove_internal(e);
    if (sip_privacy_asks(m, SPAN("id")))
        sip_edit_remove_all(e, SIP_H_P_ASSERTED_IDENTITY);
}

void scscf_distrust(struct sip_edit *e)
{
    remove_internal(e);
    sip_edit_remove_all(e, SIP_H_P_ASSERTED_IDENTITY);
}

bool scscf_is_strangers(const struct scscf *s, const struct sip_answer *a)
{
    return a->branch && !scscf_trusts(s, &sip_branch_flow(a->branch)->remote);
}

struct span scscf_answerer(const struct scscf *s, const struct sip_answer *a)
{
    return a->m && !scscf_is_strangers(s, a) ? sroute_asserted(a->m) : SPAN_NONE;
}
