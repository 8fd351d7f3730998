/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where requests of our own go: to the hop the role has set, or by the dialog alone (RFC 3261 12.2.1.1, 8.1.2): the
 * first of the route set, without one the remote target. Not back to where the other side's came from: that port may
 * have been a connection's, and the connection may have gone. */
#include <errno.h>
#include <stdlib.h>

#include "common/dialog/inner.h"

/* A request whose next hop is being looked up. It may outlive its dialog. */
struct sending {
    struct list item; /* of sip_dialogs.sendings */
    struct sip_layer *layer;
    struct sip_resolving *resolving; /* NULL: sip_resolve has not returned */
    int rc;
    size_t n;
    char request[];
};

static void sending_free(struct sending *s)
{
    list_del(&s->item);
    free(s);
}

void sendings_cancel(struct sip_dialogs *ds)
{
    LIST_EACH (item, &ds->sendings) {
        struct sending *s = CONTAINER_OF(item, struct sending, item);

        sip_resolve_cancel(s->resolving);
        sending_free(s);
    }
}

static void on_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct sending *s = ctx;

    s->rc =
        n ? sip_uac_send(s->layer, span_of(s->request, s->n), targets, n, NULL, NULL, NULL) : error;
    if (s->resolving)
        sending_free(s);
}

static int send_by_route(struct sip_dialog *d, struct sip_layer *l, enum sip_side to,
                         struct span request)
{
    struct span routes = d->side[to].routes, first = sip_list_cut(&routes);
    struct sip_uri uri;
    struct sending *s;
    int rc = sip_next_uri(first, d->side[to].contact, &uri);

    if (rc != 0)
        return rc;
    s = calloc(1, sizeof(*s) + request.n);
    if (!s)
        return -ENOMEM;
    s->layer = l;
    s->n = request.n;
    memcpy(s->request, request.p, request.n);
    list_add_tail(&d->ds->sendings, &s->item);
    sip_resolve(sip_layer_transport(l), &uri, d->side[to].hop.flow.endpoint,
                SIP_TARGET_LARGE_BY_TCP, on_resolved, s, &s->resolving);
    if (s->resolving)
        return 0;
    rc = s->rc;
    sending_free(s);
    return rc;
}

int sip_dialog_send(struct sip_dialog *d, struct sip_layer *l, enum sip_side to,
                    enum sip_method method, struct span reason)
{
    const struct sip_target *hop = &d->side[to].hop;
    char text[8192], line[512];
    struct buf b = BUF_ON(text), extra = BUF_ON(line);
    int rc;

    if (!hop->flow.endpoint)
        return -ENOTCONN;
    if (reason.n) {
        buf_puts(&extra, "Reason: ");
        buf_put(&extra, reason);
        buf_puts(&extra, "\r\n");
    }
    rc = sip_dialog_request(d, to, method, extra.overflow ? SPAN_NONE : buf_span(&extra), SPAN_NONE,
                            &b);
    if (rc != 0)
        return rc;
    return hop->flow.remote.family ? sip_uac_send(l, buf_span(&b), hop, 1, NULL, NULL, NULL)
                                   : send_by_route(d, l, to, buf_span(&b));
}
