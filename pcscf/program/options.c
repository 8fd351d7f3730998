/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/program/program.h"

#include <stdio.h>

static const char *const failure_names[] = {"reject", "allow", NULL};
static const char *const timer_names[] = {"rfc3261", "3gpp", NULL};

#define AT(member) offsetof(struct pcscf_config, member)

const struct conf_option pcscf_options[PCSCF_OPTIONS_N] = {
    {"realm", CONF_NAME, AT(realm), .fallback = "ims.mnc001.mcc001.3gppnetwork.org",
     .help = "Our network's domain name: P-Visited-Network-ID, the operator in P-Charging-Vector, "
             "the Diameter realm.",
     .sample = "ims.mnc001.mcc001.3gppnetwork.org"},

    {"gm.address", CONF_ADDR_PORT, AT(gm), .fallback = "127.0.0.10:5060",
     .help = "Where phones reach us in the clear, UDP and TCP. It must be an address of this "
             "machine; what phones are told is this address."},
    {"gm.port_ps", CONF_INT, AT(port_ps), .fallback = "5062", .min = 1, .max = 65535,
     .help = "Protected server port (TS 33.203 7.1): takes nothing that did not come through an "
             "IPsec SA."},
    {"gm.port_pc", CONF_PORTS, AT(port_pc), .fallback = "5063-5066",
     .help = "Protected client ports: 4 to 16. Each new SA set of a phone takes another one."},
    {"gm.tcp", CONF_BOOL, AT(gm_tcp), .fallback = "true",
     .help =
         "TCP besides UDP. A request of more than 1300 octets (RFC 3261 18.1.1) goes to a phone "
         "with an SA set by TCP, and by UDP when the phone takes no connection."},
    {"gm.timers", CONF_ENUM, AT(timers), .fallback = "3gpp", .names = timer_names,
     .help = "Timers of transactions with phones: 3gpp is T1 2 s, T2 16 s, T4 17 s (TS 24.229 "
             "table 7.7.1), rfc3261 a quarter of it, for wired access."},
    {"gm.rate", CONF_INT, AT(rate), .fallback = "50", .min = 0, .max = 1000000,
     .unit = "messages/s",
     .help = "What one address may send in the long run, as much in the clear and as much over its "
             "SAs; more is dropped and counted. 0 = no bound."},
    {"gm.burst", CONF_INT, AT(burst), .fallback = "200", .min = 1, .max = 1000000,
     .unit = "messages", .help = "What one address may send at once."},
    {"gm.message_max", CONF_SIZE, AT(message_max), .fallback = "65535", .min = 1500, .max = 65535,
     .help = "The largest message taken from a phone."},

    {"mw.address", CONF_ADDR_PORT, AT(mw), .fallback = "127.0.0.11:5070",
     .help = "Where the core reaches us, UDP and TCP."},
    {"mw.allow", CONF_NETS, AT(mw_allow), .fallback = "[127.0.0.0/8]", .max = 256,
     .help = "Addresses and networks of the core, whose P-Asserted-Identity phones are shown (RFC "
             "3325). Requests of others get no answer and are counted. [] = anyone who reaches "
             "mw.address. What we ask is answered from the address asked, or from one of these."},
    {"mw.core", CONF_STRING, AT(core), .fallback = "", .sample = "sip:127.0.0.20:6060",
     .help = "Where REGISTER goes: the URI of the I-CSCF or S-CSCF. \"\" = by DNS, from the domain "
             "the phone names (RFC 3263)."},
    {"mw.check_route", CONF_BOOL, AT(route_check), .fallback = "true",
     .help = "Refuse (400) an initial request whose Route is not the registered Service-Route (TS "
             "24.229 5.2.6.3.3); false = the Service-Route takes its place."},

    {"security.ipsec", CONF_BOOL, AT(ipsec), .fallback = "true",
     .help = "Agree on IPsec with phones (RFC 3329, TS 33.203). Needs CAP_NET_ADMIN and ESP in "
             "the kernel."},
    {"security.require_ipsec", CONF_BOOL, AT(require_ipsec), .fallback = "true",
     .help = "Refuse (421) phones that do not offer it. false lets softphones in: they are known "
             "by address and port alone."},
    {"security.legacy_algorithms", CONF_BOOL, AT(legacy), .fallback = "false",
     .help = "Also hmac-md5-96 and des-ede3-cbc, behind all others: some phones and test "
             "equipment know nothing else."},
    {"security.challenge_time", CONF_DURATION, AT(pending), .fallback = "4 min",
     .min = 30 * 1000000ll, .max = 600 * 1000000ll,
     .help = "How long an SA set waits for the answer to its challenge (reg-await-auth, TS 24.229 "
             "table 7.8.2)."},
    {"security.slack", CONF_DURATION, AT(slack), .fallback = "30 s", .min = 0,
     .max = 600 * 1000000ll, .help = "How long an SA outlives the registration (TS 33.203 7.4)."},
    {"security.linger", CONF_DURATION, AT(linger), .fallback = "128 s", .min = 1000000,
     .max = 600 * 1000000ll,
     .help = "How long a replaced or deregistered SA set stays for what is under way: 64 * T1 of "
             "the phones."},

    {"media.anchor", CONF_BOOL, AT(media), .fallback = "true",
     .help = "Send media through the edge. false = phones send media past us, nothing is checked."},
    {"media.edge", CONF_ADDR_PORT, AT(edge), .fallback = "127.0.0.35:2223",
     .help = "The edge's control port (ng protocol); a stock rtpengine works too, without "
             "tokens."},
    {"media.retry", CONF_DURATION, AT(edge_retry), .fallback = "500 ms", .min = 10000,
     .max = 10 * 1000000ll, .help = "A command is repeated after this long without an answer."},
    {"media.timeout", CONF_DURATION, AT(edge_timeout), .fallback = "2 s", .min = 50000,
     .max = 30 * 1000000ll, .help = "The edge is silent after this long."},
    {"media.on_failure", CONF_ENUM, AT(edge_failure), .fallback = "reject", .names = failure_names,
     .help = "When the edge refuses or is silent: reject the call, or allow it without "
             "anchoring."},

    {"pdp.enabled", CONF_BOOL, AT(pdp), .fallback = "true",
     .help = "Ask a PDP (or PCRF) over Rx before media is let through."},
    {"pdp.address", CONF_ADDR_PORT, AT(pdp_address), .fallback = "127.0.0.30:3868",
     .help = "Where it listens: Diameter over TCP."},
    {"pdp.identity", CONF_NAME, AT(pdp_identity), .fallback = "",
     .help = "Its Diameter identity. \"\" = pdp.REALM."},
    {"pdp.our_identity", CONF_NAME, AT(identity), .fallback = "",
     .help = "Ours. \"\" = pcscf.REALM."},
    {"pdp.application", CONF_STRING, AT(application), .fallback = "ims.voice",
     .help = "AF-Application-Identifier: what policies may look at."},
    {"pdp.timeout", CONF_DURATION, AT(pdp_timeout), .fallback = "2 s", .min = 50000,
     .max = 30 * 1000000ll, .help = "The PDP is silent after this long."},
    {"pdp.on_failure", CONF_ENUM, AT(pdp_failure), .fallback = "reject", .names = failure_names,
     .help = "When the PDP is silent: reject the call, or allow it (the gates stay down unless the "
             "edge lets media through without tokens). A refusal always refuses."},

    {"limits.phones", CONF_INT, AT(phones), .fallback = "100000", .min = 1, .max = 10000000,
     .help = "Most phones at a time; more get 503."},
    {"limits.calls", CONF_INT, AT(calls), .fallback = "20000", .min = 1, .max = 1000000,
     .help = "Most call legs at a time; more get 503, emergency calls only an eighth later."},
    {"limits.calls_per_phone", CONF_INT, AT(calls_per_phone), .fallback = "8", .min = 0,
     .max = 1000000,
     .help =
         "Most calls one phone may make at a time; more get 503. As many may be made to it (486), "
         "and as many emergency calls (urn:service:sos, RFC 5031) besides. With those that are "
         "over "
         "and not forgotten yet, some 2 min, it may have eight times as many. 0 = no bound."},
    {"trace", CONF_BOOL, AT(trace), .fallback = "true",
     .help = "Keep the messages of the latest calls for imsctl ladder."},
};

static bool is_towards_phones(const struct pcscf_config *c, uint16_t port)
{
    return port == c->gm.port ||
           (c->ipsec &&
            (port == c->port_ps || (port >= c->port_pc.first && port <= c->port_pc.last)));
}

void pcscf_check_options(const struct conf *conf, struct conf_report *report)
{
    const struct pcscf_config *c = conf_values(conf, 0);
    int n_pc = c->port_pc.last - c->port_pc.first + 1;
    struct sip_uri uri;

    if (n_pc < 4 || n_pc > REGISTER_PC_MAX)
        conf_fault(conf, report, "gm.port_pc", "Give 4 to 16 ports, such as 5063-5066.",
                   "gm.port_pc has %d ports", n_pc);
    if (c->port_ps == c->gm.port ||
        (c->port_ps >= c->port_pc.first && c->port_ps <= c->port_pc.last))
        conf_fault(conf, report, "gm.port_ps",
                   "Take a port that is neither that of gm.address nor in gm.port_pc.",
                   "gm.port_ps is used twice");
    if (c->gm.port >= c->port_pc.first && c->gm.port <= c->port_pc.last)
        conf_fault(conf, report, "gm.port_pc", "Leave the port of gm.address out.",
                   "gm.port_pc holds the port of gm.address");
    if (addr_ip_eq(&c->gm, &c->mw) && is_towards_phones(c, c->mw.port))
        conf_fault(conf, report, "mw.address", "Give it a port or an address of its own.",
                   "mw.address is one of the ports towards phones");
    if (c->core[0] && (sip_uri_split(span_str(c->core), &uri) != 0 || uri.scheme != SIP_SCHEME_SIP))
        conf_fault(conf, report, "mw.core", "Write sip:HOST:PORT, or \"\" for DNS.",
                   "mw.core: '%.100s' is not a SIP URI", c->core);
    if (c->require_ipsec && !c->ipsec)
        conf_fault(conf, report, "security.require_ipsec",
                   "Set security.ipsec: true, or security.require_ipsec: false.",
                   "IPsec is required of phones but switched off here");
}

unsigned pcscf_sets(const struct pcscf_config *c)
{
    return (unsigned)c->phones * (BINDING_SETS_ALL + 1); /* and one whose removal is under way */
}

void pcscf_settings(const struct pcscf_config *c, const struct ipsec_health *health,
                    struct core_options *ret_options)
{
    struct core_options o = (struct core_options){
        .gm = c->gm,
        .mw = c->mw,
        .mw_allow = c->mw_allow.v,
        .n_mw_allow = c->mw_allow.n,
        .port_ps = (uint16_t)c->port_ps,
        .port_pc = c->port_pc.first,
        .n_pc = (unsigned)(c->port_pc.last - c->port_pc.first + 1),
        .tcp = c->gm_tcp,
        .phone_timers = c->timers == 1 ? SIP_TIMERS_UE : SIP_TIMERS_RFC,
        .transport = sip_transport_options_default,
        .layer = sip_layer_options_default,
        .phones = (unsigned)c->phones,
        .access = {.rate = (unsigned)c->rate,
                   .burst = (unsigned)c->burst,
                   .sources = 65536,
                   .message_max = c->message_max},
        .registration = {.require_ipsec = c->require_ipsec,
                         .pending = (unsigned)(c->pending / SEC),
                         .slack = (unsigned)(c->slack / SEC),
                         .linger = (unsigned)(c->linger / SEC),
                         .visited = span_str(c->realm),
                         .core = span_str(c->core)},
        .session = {.legs = (unsigned)c->calls,
                    .legs_per_phone = (unsigned)c->calls_per_phone,
                    .on_media_failure = c->edge_failure ? SESSION_ALLOW : SESSION_REJECT,
                    .on_pdp_failure = c->pdp_failure ? SESSION_ALLOW : SESSION_REJECT,
                    .on_route_mismatch = c->route_check ? SESSION_REJECT : SESSION_ALLOW},
        .media = {.local = c->mw,
                  .retry = c->edge_retry,
                  .timeout = c->edge_timeout,
                  .limit = 4096},
        .authorize = {.timeout = c->pdp_timeout, .application = span_str(c->application)},
    };
    o.media.local.port = 0;
    if (c->media)
        o.media.edge = c->edge;
    if (health)
        o.registration.algorithms = secagree_policy_default(c->legacy, health->algs, health->ealgs);
    snprintf(o.ioi, sizeof(o.ioi), "%s", c->realm);
    *ret_options = o;
}
