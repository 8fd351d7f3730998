/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of conf/scscf.yaml, their defaults and what they mean to the rooms. */
#include "scscf/program/program.h"

#define AT(member) offsetof(struct scscf_config, member)

static const char *const qop_names[] = {"auth", "auth-int", NULL};
static const char *const rechallenge_names[] = {"unless-protected", "always", NULL};

const struct conf_option scscf_conf_options[SCSCF_OPTIONS_N] = {
    {"realm", CONF_NAME, AT(realm), .fallback = "ims.mnc001.mcc001.3gppnetwork.org",
     .help = "Our home domain: realm of the challenges, domain of the identities, the operator in "
             "P-Charging-Vector.",
     .sample = "ims.mnc001.mcc001.3gppnetwork.org"},
    {"domains", CONF_STRINGS, AT(domains), .fallback = "[]", .max = 32,
     .help = "Further home domains: who calls somebody there calls a subscriber of ours."},
    {"names", CONF_STRINGS, AT(names), .fallback = "[]", .max = 32,
     .help = "Names by which others reach this server in Route and Request-URI, besides its "
             "address. [] = scscf.REALM."},

    {"mw.address", CONF_ADDR_PORT, AT(mw), .fallback = "127.0.0.20:6060",
     .help = "Where P-CSCFs and other S-CSCFs reach us, UDP and TCP. It must be an address of this "
             "machine; it goes into Service-Route and Record-Route."},

    {"mw.allow", CONF_NETS, AT(mw_allow), .fallback = "[127.0.0.0/8]", .max = 256,
     .help = "Addresses and networks of P-CSCFs and other S-CSCFs, whose P-Asserted-Identity and "
             "integrity-protected are believed. Requests of others get no answer and are counted. "
             "[] = anyone who reaches mw.address. What we ask is answered from the address asked, "
             "or from one of these."},

    {"subscribers.path", CONF_PATH, AT(store), .fallback = "/var/lib/portcullis/scscf.db",
     .help = "SQLite file with the subscribers: identities, keys, sequence numbers. Made when it "
             "is not there; imsctl subscriber add fills it."},

    {"auth.qop", CONF_ENUMS, AT(qop), .fallback = "[auth]", .names = qop_names, .max = 2,
     .help = "What a challenge offers. Phones that choose another, or none, are accepted; [] = "
             "none is offered."},
    {"auth.rechallenge", CONF_ENUM, AT(rechallenge), .fallback = "unless-protected",
     .names = rechallenge_names,
     .help = "When a registered phone registers again: challenge it always, or not when the P-CSCF "
             "says that the request came through its security association (TS 24.229 5.4.1.2.2)."},
    {"auth.challenge_time", CONF_DURATION, AT(challenge_time), .fallback = "4 min",
     .min = 10 * 1000000ll, .max = 3600 * 1000000ll,
     .help = "How long a challenge waits for its answer (reg-await-auth, TS 24.229 table 7.8.1)."},
    {"auth.nonce_time", CONF_DURATION, AT(nonce_time), .fallback = "1 h", .min = 1000000,
     .max = 86400 * 1000000ll,
     .help = "How long a phone with SIP digest may use an answered nonce again."},
    {"auth.avoid_nul_res", CONF_BOOL, AT(avoid_nul_res), .fallback = "false",
     .help = "Draw RAND until RES has no NUL octet: some test phones (sipp before 3.7, Twinkle) "
             "take RES for a C string and fail one time in 32. Not for real networks."},

    {"registrar.min_expires", CONF_DURATION, AT(min_expires), .fallback = "60 s", .min = 1000000,
     .max = 86400 * 1000000ll,
     .help = "Briefer registrations are refused with 423 and Min-Expires."},
    {"registrar.max_expires", CONF_DURATION, AT(max_expires), .fallback = "600000 s",
     .min = 1000000, .max = 2592000 * 1000000ll, .help = "Longer ones are cut to this."},
    {"registrar.default_expires", CONF_DURATION, AT(default_expires), .fallback = "1 h",
     .min = 1000000, .max = 2592000 * 1000000ll, .help = "For phones that name no time."},
    {"registrar.contacts", CONF_INT, AT(contacts), .fallback = "1", .min = 1,
     .max = REGISTRAR_CONTACTS_MAX,
     .help = "Phones of one private identity at a time; one more replaces the oldest. All of them "
             "ring."},

    {"calls.longest", CONF_DURATION, AT(call_max), .fallback = "24 h", .min = 0,
     .max = 2592000 * 1000000ll,
     .help = "A call is ended after this long; 0 s = never. Session timers of the phones (RFC "
             "4028) end orphans earlier."},
    {"calls.longest_ringing", CONF_DURATION, AT(ring_max), .fallback = "3 min", .min = 0,
     .max = 86400 * 1000000ll,
     .help = "A phone that was called and says neither yes nor no for this long is cancelled, and "
             "the caller hears 408; 0 s = it may ring as long as it likes."},

    {"cdr.directory", CONF_PATH, AT(cdr_dir), .fallback = "/var/lib/portcullis/cdr",
     .help = "Where charging records are written, one JSON object a line.",
     .sample = "/var/lib/portcullis/cdr"},
    {"cdr.rotate_size", CONF_SIZE, AT(cdr_rotate_size), .fallback = "64 MiB", .min = 4096,
     .max = 1ll << 40, .help = "A new file begins above this size."},
    {"cdr.rotate_time", CONF_DURATION, AT(cdr_rotate_time), .fallback = "1 h", .min = 1000000,
     .max = 604800 * 1000000ll, .help = "And after this long."},
    {"cdr.gather_time", CONF_DURATION, AT(cdr_gather_time), .fallback = "50 ms", .min = 0,
     .max = 10 * 1000000ll,
     .help = "How long a record waits for others to share its write to the disk; the call is kept "
             "in memory until it is there. 0 s = not at all, at the price of a sync for each."},
    {"cdr.retry_time", CONF_DURATION, AT(cdr_retry_time), .fallback = "5 s", .min = 10000,
     .max = 600 * 1000000ll,
     .help = "While the disk refuses records (full, read-only), it is tried again this often. "
             "Until then "
             "they wait in memory; when that is half full, no new chargeable call is taken."},
    {"cdr.messages", CONF_BOOL, AT(cdr_messages), .fallback = "true",
     .help = "Records of each MESSAGE (SMS), one for its sender and one for who gets it, not only "
             "of calls."},

    {"limits.subscribers", CONF_INT, AT(subscribers), .fallback = "4000000", .min = 1,
     .max = 100000000, .help = "Most subscribers in the store."},
    {"limits.registrations", CONF_INT, AT(registrations), .fallback = "1000000", .min = 1,
     .max = 100000000, .help = "Most registered users at a time; more get 503."},
    {"limits.calls", CONF_INT, AT(calls), .fallback = "200000", .min = 2, .max = 10000000,
     .help = "Most halves of calls at a time; a call between two subscribers of ours has two. "
             "More get 503."},
};

void scscf_check_options(const struct conf *conf, struct conf_report *report)
{
    const struct scscf_config *c = conf_values(conf, 0);

    if (c->min_expires > c->max_expires)
        conf_fault(conf, report, "registrar.min_expires",
                   "Make it no longer than registrar.max_expires.",
                   "registrar.min_expires is longer than registrar.max_expires");
    else if (c->default_expires < c->min_expires)
        conf_fault(conf, report, "registrar.default_expires",
                   "Make it no shorter than registrar.min_expires.",
                   "registrar.default_expires is shorter than registrar.min_expires: phones that "
                   "name no time would be refused");
}

void scscf_settings(const struct scscf_config *c, struct span *domains, struct span *names,
                    struct scscf_options *ret_options)
{
    struct scscf_options o = scscf_options_default;

    domains[0] = span_str(c->realm);
    for (size_t i = 0; i < c->domains.n; i++)
        domains[1 + i] = span_str(c->domains.v[i]);
    for (size_t i = 0; i < c->names.n; i++)
        names[i] = span_str(c->names.v[i]);
    o.local = c->mw;
    o.allow = c->mw_allow.v;
    o.n_allow = c->mw_allow.n;
    o.domains = domains;
    o.n_domains = 1 + c->domains.n;
    o.hosts = names;
    o.n_hosts = c->names.n;
    o.transport = sip_transport_options_default;
    o.layer = sip_layer_options_default;
    o.calls = (size_t)c->calls;
    o.call_max = c->call_max;
    o.ring_max = c->ring_max;
    o.event_records = c->cdr_messages;
    o.registrar = registrar_options_default;
    o.registrar.min_expires = (uint32_t)(c->min_expires / SEC);
    o.registrar.max_expires = (uint32_t)(c->max_expires / SEC);
    o.registrar.default_expires = (uint32_t)(c->default_expires / SEC);
    o.registrar.reg_await_auth = c->challenge_time;
    o.registrar.nonce_lifetime = c->nonce_time;
    o.registrar.contacts = (unsigned)c->contacts;
    o.registrar.limit = (size_t)c->registrations;
    o.registrar.rechallenge = c->rechallenge ? REGISTRAR_ALWAYS : REGISTRAR_UNLESS_PROTECTED;
    o.registrar.qops = 0;
    for (size_t i = 0; i < c->qop.n; i++)
        o.registrar.qops |= c->qop.v[i] == 0 ? DIGEST_QOP_AUTH : DIGEST_QOP_AUTH_INT;
    *ret_options = o;
}
