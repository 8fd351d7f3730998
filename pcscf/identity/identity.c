/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/identity/identity.h"

#include <errno.h>

/* TS 24.229 4.4 and 5.2.6.3: a phone's values for these are not believed. */
static const enum sip_header not_from_phone[] = {
    SIP_H_P_ASSERTED_IDENTITY,   SIP_H_P_PREFERRED_IDENTITY,
    SIP_H_P_CHARGING_VECTOR,     SIP_H_P_CHARGING_FUNCTION_ADDRESSES,
    SIP_H_P_MEDIA_AUTHORIZATION, SIP_H_P_VISITED_NETWORK_ID,
    SIP_H_P_SERVED_USER,         SIP_H_P_CALLED_PARTY_ID,
    SIP_H_P_ASSOCIATED_URI,      SIP_H_FEATURE_CAPS,
    SIP_H_P_ASSERTED_SERVICE,
};

/* Of the network alone, in both directions. */
static const char *const not_at_phone_named[] = {
    "P-Profile-Key",         "P-Private-Network-Indication",
    "P-User-Database",       "Restoration-Info",
    "Relayed-Charge",        "Resource-Share",
    "Service-Interact-Info", "Cellular-Network-Info",
    "Response-Source",       "Attestation-Info",
    "Origination-Id",        "Additional-Identity",
};

/* TS 24.229 4.4, 5.2.6.3.4, 5.2.6.4.3: charging and network data stay in the network, and where the
 * other phone is (the cell, RFC 7315 5.4); a media authorization from elsewhere, too, for ours is
 * added after this. Feature-Caps, P-Asserted-Service and P-Early-Media are for phones, too. */
static const enum sip_header not_to_phone[] = {
    SIP_H_P_CHARGING_VECTOR,    SIP_H_P_CHARGING_FUNCTION_ADDRESSES, SIP_H_P_SERVED_USER,
    SIP_H_P_VISITED_NETWORK_ID, SIP_H_P_MEDIA_AUTHORIZATION,         SIP_H_P_ACCESS_NETWORK_INFO,
};

static void remove_all(struct sip_edit *e, const enum sip_header *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sip_edit_remove_all(e, ids[i]);
}

static void remove_named(struct sip_msg *m, struct sip_edit *e, const char *const *names, size_t n)
{
    for (unsigned k = 0; k < m->n_lines; k++) {
        const struct sip_line *line = &m->lines[k];
        struct span name = span_of(m->raw.p + line->name, line->name_n);

        if (line->id != SIP_H_OTHER) /* none of them has an id */
            continue;
        for (size_t i = 0; i < n; i++) {
            if (span_eq_nocase(name, span_str(names[i])))
                sip_edit_remove(e, line);
        }
    }
}

int identity_find(const struct identities *ids, struct span uri)
{
    for (unsigned i = 0; i < ids->n; i++) { /* IDENTITY_MAX at most */
        if (sip_uri_same(span_str(ids->uri[i]), uri))
            return (int)i;
    }
    return -1;
}

static void learn(struct identities *ids, struct span uri, unsigned *dropped)
{
    if (ids->n < IDENTITY_MAX && span_copy(uri, ids->uri[ids->n], IDENTITY_TEXT_MAX) == 0)
        ids->n++;
    else
        ++*dropped;
}

void identity_learn(const struct sip_msg *response, struct span fallback,
                    struct identities *ret_ids, unsigned *ret_dropped)
{
    struct sip_values v = sip_values(response, SIP_H_P_ASSOCIATED_URI);
    struct sip_name_addr na;

    ret_ids->n = 0;
    *ret_dropped = 0;
    while (sip_values_next(&v)) {
        if (sip_name_addr_parse(v.value, &na) == 0)
            learn(ret_ids, na.uri, ret_dropped);
        else
            ++*ret_dropped;
    }
    if (ret_ids->n == 0)
        learn(ret_ids, fallback, ret_dropped);
}

/* The registered identity that P-Preferred-Identity names (it may name two, sip and tel), or -1. */
static int preferred(const struct identities *ids, struct sip_msg *m)
{
    struct sip_values v = sip_values(m, SIP_H_P_PREFERRED_IDENTITY);
    struct sip_name_addr na;

    while (sip_values_next(&v)) {
        int index = sip_name_addr_parse(v.value, &na) == 0 ? identity_find(ids, na.uri) : -1;

        if (index >= 0)
            return index;
    }
    return -1;
}

static int append_asserted(struct sip_msg *m, struct sip_edit *e, struct span uri)
{
    char *text = arena_alloc(&m->arena, uri.n + 2);

    if (!text)
        return -ENOMEM;
    text[0] = '<';
    memcpy(text + 1, uri.p, uri.n);
    text[uri.n + 1] = '>';
    sip_edit_append(e, SIP_H_P_ASSERTED_IDENTITY, span_of(text, uri.n + 2));
    return 0;
}

/* P-Access-Network-Info with network-provided is the network's statement, not the phone's
 * (TS 24.229 5.2.6.3.3). */
static void remove_network_provided(struct sip_msg *m, struct sip_edit *e)
{
    struct sip_values v = sip_values(m, SIP_H_P_ACCESS_NETWORK_INFO);

    while (sip_values_next(&v)) {
        struct span params = span_sub(v.value, span_find(v.value, ';'), v.value.n);

        if (sip_param_find(params, SPAN("network-provided")).p)
            sip_edit_remove_value(e, &v);
    }
}

void identity_distrust(struct sip_msg *m, struct sip_edit *e)
{
    remove_all(e, not_from_phone, ARRAY_LEN(not_from_phone));
    remove_named(m, e, not_at_phone_named, ARRAY_LEN(not_at_phone_named));
    remove_network_provided(m, e);
}

int identity_assert_request(const struct identities *ids, struct sip_msg *m, struct sip_edit *e,
                            struct span *ret_asserted)
{
    int index = preferred(ids, m), rc;
    struct span uri = span_str(ids->uri[index < 0 ? 0 : index]);

    if (ids->n == 0)
        return -ENOENT;
    identity_distrust(m, e);
    rc = append_asserted(m, e, uri);
    if (rc == 0)
        *ret_asserted = uri;
    return rc;
}

int identity_assert_response(const struct identities *ids, struct span called, struct sip_msg *m,
                             struct sip_edit *e)
{
    int index = preferred(ids, m);

    if (ids->n == 0)
        return -ENOENT;
    if (index < 0 && called.n)
        index = identity_find(ids, called);
    identity_distrust(m, e);
    return append_asserted(m, e, span_str(ids->uri[index < 0 ? 0 : index]));
}

void identity_hide_from_phone(struct sip_msg *m, struct sip_edit *e)
{
    remove_all(e, not_to_phone, ARRAY_LEN(not_to_phone));
    remove_named(m, e, not_at_phone_named, ARRAY_LEN(not_at_phone_named));
    if (sip_privacy_asks(m, SPAN("id")))
        sip_edit_remove_all(e, SIP_H_P_ASSERTED_IDENTITY);
    /* RFC 7044 10.1.2 */
    if (sip_privacy_asks(m, SPAN("history")) || sip_privacy_asks(m, SPAN("header")) ||
        sip_privacy_asks(m, SPAN("session")))
        sip_edit_remove_all(e, SIP_H_HISTORY_INFO);
}
