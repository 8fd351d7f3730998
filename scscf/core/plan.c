/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which halves an initial request runs, for whom, and where they lead. */
#include "scscf/core/inner.h"

/* TS 24.229 5.4.3.2: the other kind of identity of the same user, for who is called. */
static struct span alias_of(const struct sip_msg *m, const struct subscriber *s)
{
    bool has_tel = sroute_asserted_by(m, SIP_SCHEME_TEL).p;

    if (has_tel && sroute_asserted_by(m, SIP_SCHEME_SIP).p)
        return SPAN_NONE;
    for (unsigned i = 0; i < s->n_impu; i++)
        if (!s->impu[i].barred && span_starts(s->impu[i].uri, SPAN("tel:")) != has_tel)
            return s->impu[i].uri;
    return SPAN_NONE;
}

static bool plan_caller(struct scscf *s, struct sip_msg *m, struct plan *p, struct refusal *r)
{
    const struct subscriber_impu *impu = NULL;
    const struct subscriber *caller =
        p->asserted.p ? subscribers_find_impu(s->env.subscribers, p->asserted, &impu) : NULL;

    s->counters.originating++;
    *r = (struct refusal){403, &s->counters.refused_caller,
                          "the asserted identity is not registered here"};
    if (!caller || !registrar_is_registered(s->registrar, caller->impi))
        return false;
    p->caller = arena_copy(&m->arena, caller->impi);
    *r = (struct refusal){403, &s->counters.refused_barred, "barred by the service profile"};
    if (impu->barred || caller->barred_out)
        return false;
    p->media &= caller->media;
    p->alias = arena_copy(&m->arena, alias_of(m, caller));
    return true;
}

static const struct subscriber *find_callee(struct scscf *s, const struct sip_msg *m,
                                            const struct sip_uri *ruri,
                                            const struct subscriber_impu **ret_impu)
{
    const struct subscriber *callee = subscribers_find_impu(s->env.subscribers, m->ruri, ret_impu);
    char room[80];
    struct span number;

    if (callee)
        return callee;
    number = sroute_number(ruri, room, sizeof(room));
    return number.p ? subscribers_find_impu(s->env.subscribers, number, ret_impu) : NULL;
}

/* TS 24.229 5.4.3.3. */
static bool plan_callee(struct scscf *s, struct sip_msg *m, struct plan *p, struct refusal *r)
{
    const struct subscriber_impu *impu = NULL;
    const struct subscriber *callee = find_callee(s, m, &p->ruri, &impu);

    s->counters.terminating++;
    *r = (struct refusal){404, &s->counters.refused_unknown, "nobody by that name"};
    if (!callee || impu->barred)
        return false;
    p->callee = arena_copy(&m->arena, callee->impi);
    *r = (struct refusal){603, &s->counters.refused_barred, "barred by the service profile"};
    if (callee->barred_in) /* TS 24.611 4.5.2.6.1 */
        return false;
    *r = (struct refusal){480, &s->counters.refused_unregistered, "not registered"};
    p->n_contacts =
        registrar_contacts(s->registrar, callee->impi, p->contacts, ARRAY_LEN(p->contacts));
    p->media &= callee->media;
    return p->n_contacts != 0;
}

static bool plan_halves(struct scscf *s, struct sip_msg *m, struct plan *p, struct refusal *r)
{
    enum sroute_aim aim;

    p->asserted = sroute_asserted(m);
    (void)sip_uri_split(m->ruri, &p->ruri); /* sip_msg_parse has */
    aim = sroute_aim(&s->names, &p->ruri);
    if (p->entry.originating && !plan_caller(s, m, p, r))
        return false;
    if (p->entry.originating && p->entry.next.p)
        return true; /* the phone's further Route decides (RFC 3261 16.5) */
    if (aim == SROUTE_HOME)
        return plan_callee(s, m, p, r);
    if (aim == SROUTE_SELF && m->method == SIP_OPTIONS) {
        *r = (struct refusal){.status = 200};
        return false;
    }
    /* From outside to outside we are no relay. */
    *r = (struct refusal){404, &s->counters.refused_unknown, "nobody by that name"};
    return aim == SROUTE_FOREIGN && p->entry.originating;
}

bool scscf_plan_make(struct scscf *s, struct sip_msg *m, struct plan *p, struct refusal *r)
{
    if (!plan_halves(s, m, p, r))
        return false;
    *r = (struct refusal){488, &s->counters.refused_media,
                          "media that the service profile does not allow"};
    return scscf_media_allowed(m, p->media);
}

struct span scscf_join(struct arena *a, const char *before, struct span s, const char *after)
{
    size_t room = strlen(before) + s.n + strlen(after);
    struct buf b = {arena_alloc(a, room), 0, room, false};

    if (!b.p)
        return SPAN_NONE;
    buf_puts(&b, before);
    buf_put(&b, s);
    buf_puts(&b, after);
    return buf_span(&b);
}
