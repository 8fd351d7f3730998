/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is anybody there? A REGISTER in the clear that asks for a client port which stands in an SA set comes from a phone
 * that has lost its sets, or from somebody else: whoever answers over the set is the phone, and keeps it. */
#include <errno.h>

#include "pcscf/register/inner.h"

/* Three transmissions with the timers towards phones (T1 = 2 s: at 0, 2 and 6 s). */
#define PATIENCE (7 * SEC)

void probe_stop(struct attempt *a)
{
    if (a->probe)
        sip_client_detach(a->probe);
    if (a->probed)
        a->probed->prober = NULL;
    a->probe = NULL;
    a->probed = NULL;
    loop_timer_stop(a->registration->env.loop, &a->patience);
}

void probe_end(struct attempt *a, bool is_there)
{
    uint32_t spi_ps = a->probed ? a->probed->spi_ps : 0; /* 0: it has ended by itself meanwhile */

    probe_stop(a);
    if (!is_there)
        a->silent = spi_ps;
    probe_done(a, is_there);
}

static void on_response(struct sip_client *c, struct sip_msg *m, void *ctx)
{
    struct attempt *a = ctx;

    (void)c, (void)m; /* whatever it says: it came through the set */
    probe_end(a, true);
}

static void on_failed(struct sip_client *c, unsigned status, int error, void *ctx)
{
    (void)c, (void)status, (void)error;
    probe_end(ctx, false);
}

/* The layer of transactions has gone first: nothing is left to be detached. */
static void on_client_end(struct sip_client *c, void *ctx)
{
    struct attempt *a = ctx;

    (void)c;
    a->probe = NULL;
}

void probe_on_patience(struct loop_timer *t, void *ctx)
{
    (void)t;
    probe_end(ctx, false);
}

static const struct sip_client_ops ops = {
    .on_response = on_response, .on_failed = on_failed, .on_end = on_client_end};

static void put_uri(struct buf *b, const struct addr *a)
{
    buf_puts(b, "<sip:");
    addr_put_host(b, a, true);
    buf_fmt(b, ":%u>", a->port);
}

int probe_start(struct attempt *a, struct binding_set *set)
{
    struct registration *r = a->registration;
    struct sip_target to = sip_target_of(set->pc, NET_UDP, &set->phone_us, 0);
    char names[400], room[1500];
    struct buf text = BUF_ON(names), b = BUF_ON(room);
    struct sip_request options = {.method = SIP_OPTIONS, .cseq = 1};
    size_t phone, us;
    int rc;

    to.whom = set->binding->id;
    put_uri(&text, &set->phone_us);
    phone = text.n;
    put_uri(&text, sip_endpoint_local(set->ps));
    buf_puts(&text, ";tag=");
    rnd_token(&r->env.rnd, &text, 12);
    us = text.n;
    rnd_token(&r->env.rnd, &text, 24);
    options.ruri = span_of(names + 1, phone - 2);
    options.to = span_of(names, phone);
    options.from = span_of(names + phone, us - phone);
    options.call_id = span_of(names + us, text.n - us);
    rc = text.overflow ? -EMSGSIZE : sip_request_build(&options, &b);
    if (rc == 0)
        rc = sip_uac_send(r->env.layer, buf_span(&b), &to, 1, &ops, a, &a->probe);
    if (rc != 0)
        return rc;
    a->probed = set;
    set->prober = a;
    loop_timer_start(r->env.loop, &a->patience, PATIENCE);
    return 0;
}
