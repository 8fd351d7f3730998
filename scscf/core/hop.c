/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on their way: who sent them, whom they are for, where they go next. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/core/inner.h"

/* ---- refusing --------------------------------------------------------------------------------- */

static void refuse_server(struct sip_server *server, const struct refusal *r)
{
    char room[160];
    struct buf extra = BUF_ON(room);

    (*r->counter)++;
    buf_fmt(&extra, "Warning: 399 scscf \"%s\"\r\n", r->reason);
    if (r->status == 503)
        buf_puts(&extra, "Retry-After: 5\r\n");
    sip_server_set_user(server, NULL);
    (void)sip_server_reply(server, r->status, NULL, buf_span(&extra),
                           SPAN_NONE); /* what cannot be sent is asked again */
}

static void hop_refuse(struct hop *h, const struct refusal *r)
{
    struct sip_server *server = sip_server_find(h->s->layer, h->server);

    if (server)
        refuse_server(server, r);
    scscf_hop_free(h, r->status);
}

static void hop_refuse_errno(struct hop *h, int rc)
{
    struct scscf_counters *c = &h->s->counters;
    struct refusal full = {503, &c->refused_busy, "as many calls as allowed, or out of memory"};
    struct refusal size = {513, &c->refused_malformed, "the message is too large to go on"};

    hop_refuse(h, rc == -EMSGSIZE ? &size : &full);
}

/* ---- life ------------------------------------------------------------------------------------- */

static struct hop *hop_new(struct scscf *s, struct sip_server *server, struct sip_msg *m)
{
    struct hop *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->s = s;
    h->server = sip_server_handle(server);
    h->method = m->method;
    h->initial = !m->to_tag.p;
    list_add_tail(&s->hops, &h->item);
    sip_server_set_user(server, h);
    return h;
}

void scscf_hop_end_event(struct hop *h, const struct call_ending *ending)
{
    for (size_t i = 0; i < ARRAY_LEN(h->event); i++) {
        call_end(h->event[i], ending);
        h->event[i] = NULL;
    }
}

void scscf_hop_free(struct hop *h, unsigned status)
{
    for (unsigned i = 0; i < h->n_ways; i++)
        if (h->ways[i].resolving)
            sip_resolve_cancel(h->ways[i].resolving);
    list_del(&h->item);
    if (h->talk)
        talk_invite_over(h->talk, status);
    scscf_hop_end_event(
        h, &(struct call_ending){.cause = CDR_CAUSE_UNSUCCESSFUL,
                                 .status = status,
                                 .reason = status ? sip_status_phrase(status) : "no answer"});
    free(h->ways);
    free(h);
}

void scscf_hop_cancel(struct sip_server *server)
{
    struct hop *h = sip_server_user(server);

    if (!h)
        return;
    if (h->talk)
        h->talk->cancelled = true;
    sip_server_set_user(server, NULL);
    (void)sip_server_reply(server, 487, NULL, SPAN_NONE, SPAN_NONE); /* or the layer does */
    scscf_hop_free(h, 487);
}

/* ---- forwarding ------------------------------------------------------------------------------- */

/* RFC 3261 16.6 step 4: what makes a dialog comes back by us. */
static bool makes_dialog(enum sip_method m)
{
    return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_REFER || m == SIP_NOTIFY;
}

static void edit_routes(const struct hop *h, const struct way *w, struct sip_msg *m,
                        struct sip_edit *e)
{
    struct sroute_entry entry;

    if (!w->contact.p) {
        sroute_entry_read(&h->s->names, m, e, &entry);
        return;
    }
    /* TS 24.229 5.4.3.3: the contact, by its Path; who was called goes along (RFC 7315 4.2). */
    sip_edit_remove_all(e, SIP_H_ROUTE);
    sip_edit_remove_all(e, SIP_H_P_CALLED_PARTY_ID);
    sip_edit_ruri(e, w->contact);
    if (w->path.n)
        sip_edit_append(e, SIP_H_ROUTE, w->path);
    sip_edit_append(e, SIP_H_P_CALLED_PARTY_ID, scscf_join(&m->arena, "<", m->ruri, ">"));
}

/* TS 24.229 7.2A.5A: type 1 towards a P-CSCF, the bare name towards another home network. */
static int edit_vector(const struct hop *h, struct sip_msg *m, struct sip_edit *e)
{
    struct sroute_vector v = {.icid = span_str(h->icid)};

    v.orig_ioi = h->orig_ioi;
    if (h->originating)
        v.orig_ioi =
            h->terminating ? scscf_join(&m->arena, "Type 1", h->s->network, "") : h->s->network;
    return sroute_vector_put(m, e, &v);
}

static bool goes_outside(const struct scscf *s, const struct sip_target *targets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!scscf_trusts(s, &targets[i].flow.remote))
            return true;
    return false;
}

static int hop_edit(const struct hop *h, const struct way *w, struct sip_msg *m, struct sip_edit *e)
{
    bool outside = goes_outside(h->s, w->targets, w->n);

    sip_edit_init(e, m);
    edit_routes(h, w, m, e);
    if (h->initial && makes_dialog(h->method))
        sip_edit_push(e, SIP_H_RECORD_ROUTE, span_str(h->s->record_route));
    if (outside) {
        scscf_hide_from_strangers(m, e);
        return 0;
    }
    if (!h->initial)
        return 0;
    if (h->alias.p)
        sip_edit_append(e, SIP_H_P_ASSERTED_IDENTITY, h->alias);
    return edit_vector(h, m, e);
}

/* All ways have their targets; those without any are left out. */
static void hop_forward(struct hop *h)
{
    struct scscf *s = h->s;
    struct sip_server *server = sip_server_find(s->layer, h->server);
    struct sip_msg *m = server ? sip_server_request(server) : NULL;
    unsigned added = 0;
    int rc = -ENETUNREACH;

    if (!server) {
        scscf_hop_free(h, 0);
        return;
    }
    for (unsigned i = 0; i < h->n_ways; i++) {
        struct way *w = &h->ways[i];
        struct sip_edit e;
        struct sip_branch_options b = {
            .edit = &e,
            .targets = w->targets,
            .n_targets = w->n,
            .q = w->q,
            /* Provisionals start timer C again and again (RFC 3261 16.7 step 2). */
            .no_answer = h->talk ? s->options.ring_max : 0};

        if (w->n == 0)
            continue;
        rc = hop_edit(h, w, m, &e);
        if (rc == 0 && !h->proxy)
            rc = sip_proxy_new(server, &scscf_answer_ops, h, &h->proxy);
        if (rc == 0)
            rc = sip_proxy_add(h->proxy, &b, NULL);
        added += rc == 0;
        if (rc == -ELOOP) {
            scscf_hop_free(h, 483); /* it was sent */
            return;
        }
    }
    if (added) {
        sip_proxy_start(h->proxy);
        return;
    }
    if (h->proxy) { /* ends by itself, with on_end */
        s->counters.refused_busy++;
        sip_proxy_abort(h->proxy, rc == -EMSGSIZE ? 513 : 503, NULL, SPAN_NONE);
    } else if (rc == -ENETUNREACH) {
        hop_refuse(h, &(struct refusal){h->terminating ? 480 : 504, &s->counters.refused_route,
                                        "the next hop has no address"});
    } else {
        hop_refuse_errno(h, rc);
    }
}

static void on_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct way *w = ctx;

    (void)error;
    w->resolving = NULL;
    w->n = n < SIP_TARGETS_MAX ? n : SIP_TARGETS_MAX;
    memcpy(w->targets, targets, w->n * sizeof(*targets));
    if (--w->hop->pending == 0)
        hop_forward(w->hop);
}

/* RFC 3261 16.6 step 7: the first Route there will be, else the Request-URI. */
static int next_uri(const struct way *w, struct sip_msg *m, struct sip_uri *ret_uri)
{
    struct span route = w->path;
    struct sroute_entry entry;

    if (w->contact.p) {
        route = span_trim(span_cut(&route, ','));
    } else {
        sroute_entry_read(&w->hop->s->names, m, NULL, &entry);
        route = entry.next;
    }
    return sip_next_uri(route.n ? route : SPAN_NONE, w->contact.p ? w->contact : m->ruri, ret_uri);
}

/* Names are asked for all ways at a time. */
static void hop_resolve(struct hop *h)
{
    struct scscf *s = h->s;
    struct sip_server *server = sip_server_find(s->layer, h->server);

    h->pending = h->n_ways + 1; /* ours: a literal address is answered from within */
    for (unsigned i = 0; i < h->n_ways; i++) {
        struct way *w = &h->ways[i];
        struct sip_uri uri;

        if (next_uri(w, sip_server_request(server), &uri) != 0)
            h->pending--;
        else
            (void)sip_resolve(s->transport, &uri, s->endpoint, SIP_TARGET_LARGE_BY_TCP, on_resolved,
                              w, &w->resolving); /* a failure comes as no target */
    }
    if (--h->pending == 0)
        hop_forward(h);
}

static bool hop_ways(struct hop *h, unsigned n)
{
    h->ways = calloc(n, sizeof(*h->ways));
    if (!h->ways)
        return false;
    h->n_ways = n;
    for (unsigned i = 0; i < n; i++)
        h->ways[i].hop = h;
    return true;
}

/* ---- charging --------------------------------------------------------------------------------- */

static void take_vector(struct hop *h, struct sip_msg *m)
{
    struct sroute_vector v;
    struct buf b = {h->icid, 0, SROUTE_ICID_MAX, false};

    if (sroute_vector_read(m, &v) == 0) {
        h->orig_ioi = v.orig_ioi;
        buf_put(&b, v.icid);
    } else { /* nobody before us has: RFC 7315 4.6.1 */
        charging_icid_put(&b, h->s->env.rnd, loop_wall(h->s->env.loop));
    }
    h->icid[b.n] = '\0';
}

static struct call_opening opening_of(const struct hop *h, const struct sip_msg *m,
                                      const struct plan *p, enum cdr_role role)
{
    bool orig = role == CDR_ORIGINATING;

    return (struct call_opening){
        .role = role,
        .method = m->method_text,
        .session_id = m->call_id,
        .icid = span_str(h->icid),
        .calling = p->asserted.p ? p->asserted : m->from_uri,
        .calling_alias = orig ? p->alias : sroute_asserted_by(m, SIP_SCHEME_TEL),
        .called = m->ruri,
        .subscriber = orig ? p->caller : p->callee,
        .orig_ioi = orig ? h->s->network : sroute_ioi_network(h->orig_ioi),
        .term_ioi = h->terminating ? h->s->network : SPAN_NONE,
        .access_info = orig ? sip_header_value(m, SIP_H_P_ACCESS_NETWORK_INFO) : SPAN_NONE,
    };
}

/* TS 32.260 5.2.2.1: INVITE opens a call and MESSAGE an event, for each user that is served here. */
static int hop_open(struct hop *h, const struct sip_msg *m, const struct plan *p)
{
    struct call_opening orig = opening_of(h, m, p, CDR_ORIGINATING);
    struct call_opening term = opening_of(h, m, p, CDR_TERMINATING);
    int rc = 0;
    struct talk_opening talk = {.call_id = m->call_id,
                                .icid = orig.icid,
                                .from = orig.calling,
                                .to = m->ruri,
                                .media = p->media,
                                .half = {p->caller.n ? &orig : NULL, p->callee.n ? &term : NULL}};

    if (h->method == SIP_INVITE)
        return talk_new(h->s, &talk, &h->talk);
    if (h->method != SIP_MESSAGE || !h->s->options.event_records)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(talk.half) && rc == 0; i++)
        if (talk.half[i])
            rc = call_open(h->s->calls, talk.half[i], &h->event[i]);
    return rc;
}

static void answer_options(struct sip_server *server)
{
    (void)sip_server_reply(server, 200, NULL,
                           SPAN("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, "
                                "PRACK, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, PUBLISH\r\n"
                                "Supported: path\r\n"),
                           SPAN_NONE); /* asked again otherwise */
}

/* Whoever is served here and could not call, or be called, has a record of it. */
static void hop_refuse_planned(struct hop *h, struct sip_server *server, const struct sip_msg *m,
                               const struct plan *p, const struct refusal *r)
{
    if (r->status == 200) {
        sip_server_set_user(server, NULL);
        answer_options(server);
        scscf_hop_free(h, 200);
        return;
    }
    if (p->caller.n || p->callee.n)
        (void)hop_open(h, m, p); /* at the bound of calls there is none */
    hop_refuse(h, r);
}

/* ---- initial requests ------------------------------------------------------------------------- */

/* RFC 3261 19.1.1: a Request-URI has no headers, whatever the contact was registered with. */
static struct span request_uri_of(struct span contact)
{
    struct sip_uri uri;

    if (sip_uri_split(contact, &uri) != 0 || !uri.headers.p)
        return contact;
    return span_sub(contact, 0, (size_t)(uri.headers.p - contact.p) - 1);
}

static bool plan_ways(struct hop *h, struct sip_msg *m, const struct plan *p)
{
    bool good = hop_ways(h, p->n_contacts ? (unsigned)p->n_contacts : 1);

    for (size_t i = 0; good && i < p->n_contacts; i++) {
        struct way *w = &h->ways[i];

        w->contact = arena_copy(&m->arena, request_uri_of(p->contacts[i].uri));
        w->path = arena_copy(&m->arena, p->contacts[i].path);
        w->q = p->contacts[i].q;
        good = w->contact.p && w->path.p;
    }
    return good;
}

/* RFC 3680: it is for the registrar, never for a phone. */
static bool is_reg_event(const struct sip_msg *m)
{
    struct span value = sip_header_value(m, SIP_H_EVENT);

    return span_eq_nocase(span_trim(span_sub(value, 0, span_find(value, ';'))), SPAN("reg"));
}

static bool is_busy(const struct scscf *s, enum sip_method method)
{
    return s->draining ||
           ((method == SIP_INVITE || method == SIP_MESSAGE) && !charging_spool_ready(s->env.spool));
}

static void start_initial(struct scscf *s, struct sip_server *server, struct sip_msg *m,
                          const struct sroute_entry *entry)
{
    struct plan p = {.entry = *entry, .media = SUBSCRIBER_MEDIA_ALL};
    struct refusal r = {0};
    struct hop *h;
    int rc;

    bool planned = scscf_plan_make(s, m, &p, &r);

    h = hop_new(s, server, m);
    if (!h) {
        refuse_server(server, &(struct refusal){503, &s->counters.refused_busy, "out of memory"});
        return;
    }
    h->originating = p.entry.originating;
    h->terminating = p.callee.n != 0;
    if (p.alias.n)
        h->alias = scscf_join(&m->arena, "<", p.alias, ">");
    take_vector(h, m);
    if (!planned) {
        hop_refuse_planned(h, server, m, &p, &r);
        return;
    }
    rc = hop_open(h, m, &p);
    if (rc == 0 && !plan_ways(h, m, &p))
        rc = -ENOMEM;
    if (rc != 0)
        hop_refuse_errno(h, rc);
    else
        hop_resolve(h);
}

/* ---- inside a dialog -------------------------------------------------------------------------- */

static void start_in_dialog(struct scscf *s, struct sip_server *server, struct sip_msg *m,
                            const struct sroute_entry *entry)
{
    enum sip_side side = SIP_CALLER;
    struct sip_dialog *d = sip_dialog_find(s->dialogs, SIP_LEG_THROUGH, m, &side);
    struct fork *f = d ? sip_dialog_user(d) : NULL;
    struct hop *h;
    int rc;

    s->counters.in_dialog++;
    /* Who is in a dialog through us has our Record-Route; we are no relay for others. */
    if (entry->own == 0) {
        refuse_server(server, &(struct refusal){481, &s->counters.refused_dialog,
                                                "not by the route set of a dialog"});
        return;
    }
    /* Nor may a To tag that was made up carry a call past barring and records. Subscriptions are not followed. */
    if (!d && m->method != SIP_SUBSCRIBE && m->method != SIP_NOTIFY) {
        refuse_server(server,
                      &(struct refusal){481, &s->counters.refused_dialog, "no such dialog"});
        return;
    }
    if (f && !scscf_media_allowed(m, f->talk->media)) {
        refuse_server(server, &(struct refusal){488, &s->counters.refused_media,
                                                "media that the service profile does not allow"});
        return;
    }
    rc = d ? sip_dialog_on_request(d, side, m) : 0;
    if (rc != 0) {
        struct refusal early = {403, &s->counters.refused_dialog, "BYE before an answer"};
        struct refusal order = {500, &s->counters.refused_dialog,
                                "CSeq is not higher than the last one"};

        refuse_server(server, rc == -EPERM ? &early : &order);
        return;
    }
    h = hop_new(s, server, m);
    if (!h || !hop_ways(h, 1)) {
        if (h)
            hop_refuse_errno(h, -ENOMEM);
        else
            refuse_server(server,
                          &(struct refusal){503, &s->counters.refused_busy, "out of memory"});
        return;
    }
    if (d) {
        h->dialog = sip_dialog_handle(d);
        h->side = side;
    }
    if (f && m->method == SIP_BYE)
        talk_on_bye(f, side);
    hop_resolve(h);
}

/* ---- entries ---------------------------------------------------------------------------------- */

void scscf_hop_start(struct scscf *s, struct sip_server *server, struct sip_msg *m)
{
    static const struct sip_proxy_rules rules = {.schemes =
                                                     1 << SIP_SCHEME_SIP | 1 << SIP_SCHEME_TEL};
    struct sroute_entry entry;

    if (!sip_proxy_check(server, &rules)) {
        s->counters.refused_malformed++;
        return;
    }
    if (sroute_is_loop(&s->names, m)) {
        refuse_server(server, &(struct refusal){482, &s->counters.refused_malformed,
                                                "the request has come by here too often"});
        return;
    }
    sroute_entry_read(&s->names, m, NULL, &entry);
    if (m->to_tag.p)
        start_in_dialog(s, server, m, &entry);
    else if (m->method == SIP_BYE || m->method == SIP_PRACK || m->method == SIP_UPDATE ||
             m->method == SIP_INFO)
        refuse_server(server,
                      &(struct refusal){481, &s->counters.refused_dialog, "outside any dialog"});
    else if (m->method == SIP_SUBSCRIBE && is_reg_event(m))
        refuse_server(server, &(struct refusal){489, &s->counters.refused_event,
                                                "registration state is not published here"});
    else if (is_busy(s, m->method))
        refuse_server(server, &(struct refusal){503, &s->counters.refused_busy,
                                                "draining, or records cannot be written"});
    else
        start_initial(s, server, m, &entry);
}

/* ---- ACK for a 2xx ---------------------------------------------------------------------------- */

struct ack {
    struct scscf *s;
    struct sip_msg *m;
    struct sip_flow flow;
};

static void on_ack_resolved(const struct sip_target *targets, size_t n, int error, void *ctx)
{
    struct ack *a = ctx;
    struct sroute_entry entry;
    struct sip_edit e;

    (void)error;
    if (n) {
        sip_edit_init(&e, a->m);
        sroute_entry_read(&a->s->names, a->m, &e, &entry);
        if (goes_outside(a->s, targets, 1))
            scscf_hide_from_strangers(a->m, &e);
        (void)sip_forward_ack(a->s->layer, a->m, &a->flow, &e,
                              &targets[0]); /* lost: the 2xx comes again and brings another */
    }
    sip_msg_unref(a->m);
    free(a);
}

void scscf_on_ack(struct scscf *s, struct sip_msg *m, const struct sip_flow *flow)
{
    struct sroute_entry entry;
    struct sip_uri uri;
    struct ack *a;

    sroute_entry_read(&s->names, m, NULL, &entry);
    if (!sip_dialog_find(s->dialogs, SIP_LEG_THROUGH, m, NULL)) {
        s->counters.refused_dialog++;
        return;
    }
    if (entry.own == 0 || m->max_forwards == 0 || sip_next_uri(entry.next, m->ruri, &uri) != 0)
        return;
    a = calloc(1, sizeof(*a));
    if (!a)
        return;
    *a = (struct ack){s, sip_msg_ref(m), *flow};
    (void)sip_resolve(s->transport, &uri, s->endpoint, SIP_TARGET_LARGE_BY_TCP, on_ack_resolved, a,
                      NULL);
}
