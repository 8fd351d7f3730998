/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/charge/charge.h"

#include <errno.h>

void charge_new_icid(struct charge *c, char dst[CHARGE_ICID_MAX])
{
    struct buf b = {dst, 0, CHARGE_ICID_MAX - 1, false};

    rnd_token(&c->rnd, &b, 32); /* 160 bits: unique without a memory of what was */
    dst[b.n] = '\0';
}

int charge_read_icid(const struct sip_msg *m, char dst[CHARGE_ICID_MAX])
{
    struct span value = sip_header_value(m, SIP_H_P_CHARGING_VECTOR), icid;

    /* charge-params start without ';' (RFC 7315 5.6): icid-value=... *(SEMI ...). */
    while (value.p) {
        struct span one = span_trim(span_cut(&value, ';'));

        if (!span_starts_nocase(one, SPAN("icid-value=")))
            continue;
        icid = span_sub(one, 11, one.n);
        if (icid.n >= 2 && icid.p[0] == '"' && icid.p[icid.n - 1] == '"')
            icid = span_sub(icid, 1, icid.n - 1);
        return icid.n ? span_copy(icid, dst, CHARGE_ICID_MAX) : -ENOENT;
    }
    return -ENOENT;
}

int charge_put_vector(const struct charge *c, struct sip_msg *m, struct sip_edit *e,
                      const char *icid, bool responder)
{
    size_t room = 96 + strlen(icid) + sizeof(c->host) + sizeof(c->ioi);
    struct buf b = {arena_alloc(&m->arena, room), 0, room, false};

    if (!b.p)
        return -ENOMEM;
    buf_fmt(&b, "icid-value=\"%s\";icid-generated-at=%s;%s-ioi=\"Type 1%s\"", icid, c->host,
            responder ? "term" : "orig", c->ioi);
    sip_edit_remove_all(e, SIP_H_P_CHARGING_VECTOR);
    sip_edit_append(e, SIP_H_P_CHARGING_VECTOR, buf_span(&b));
    return 0;
}
