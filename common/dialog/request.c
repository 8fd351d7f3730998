/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of our own inside a dialog, in the name of the other side (RFC 3261 12.2.1.1). */
#include <errno.h>

#include "common/dialog/inner.h"

/* "value;tag=..." */
static struct span tagged(struct buf *b, const struct sip_dialog_side *side)
{
    size_t at = b->n;

    buf_put(b, side->uri);
    buf_puts(b, ";tag=");
    buf_put(b, side->tag);
    return span_of(b->p + at, b->n - at);
}

int sip_dialog_request(struct sip_dialog *d, enum sip_side to, enum sip_method method,
                       struct span extra, struct span body, struct buf *out)
{
    const struct sip_dialog_side *dst = &d->side[to];
    struct sip_dialog_side *src = &d->side[sip_side_other(to)];
    char text[2 * 1024];
    struct buf names = BUF_ON(text);
    struct sip_request r = {
        .method = method,
        .ruri = dst->contact,
        .from = tagged(&names, src),
        .to = tagged(&names, dst),
        .call_id = d->call_id,
        .routes = &dst->routes, /* one line; every router of an IMS is a loose one */
        .n_routes = dst->routes.n ? 1 : 0,
        .extra = extra,
        .body = body,
    };
    int rc;

    if (!dst->contact.n)
        return -EINVAL;
    if (names.overflow)
        return -EMSGSIZE;
    r.cseq = method == SIP_ACK ? d->invite_cseq[sip_side_other(to)] : src->cseq + 1;
    rc = sip_request_build(&r, out);
    if (rc == 0 && method != SIP_ACK)
        src->cseq = r.cseq;
    return rc;
}

unsigned sip_dialog_release(struct sip_dialog *d, struct sip_layer *l, struct span reason)
{
    unsigned sent = 0;

    /* An early one is for CANCEL and a final response to end (15). */
    for (int side = SIP_CALLER; side <= SIP_CALLEE && d->state == SIP_DIALOG_CONFIRMED; side++)
        sent += sip_dialog_send(d, l, (enum sip_side)side, SIP_BYE, reason) == 0;
    sip_dialog_terminate(d);
    return sent;
}

void sip_dialog_turn_down(struct sip_dialog *d, struct sip_layer *l, struct span reason)
{
    if (d->state == SIP_DIALOG_CONFIRMED) {
        /* lost: the 2xx comes again, for nobody */
        (void)sip_dialog_send(d, l, SIP_CALLEE, SIP_ACK, SPAN_NONE);
        (void)sip_dialog_send(d, l, SIP_CALLEE, SIP_BYE, reason);
    }
    sip_dialog_terminate(d);
}
