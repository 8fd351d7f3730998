/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/program/program.h"

static const char *const mac_names[] = {"hmac-sha256", "hmac-md5", NULL};

#define AT(member) offsetof(struct pdp_config, member)

const struct conf_option pdp_options[PDP_OPTIONS_N] = {
    {"realm", CONF_NAME, AT(realm), .fallback = "ims.mnc001.mcc001.3gppnetwork.org",
     .help = "Our network's domain name: the Diameter realm.",
     .sample = "ims.mnc001.mcc001.3gppnetwork.org"},

    {"diameter.listen", CONF_ADDR_PORT, AT(listen), .fallback = "127.0.0.30:3868",
     .help = "Where P-CSCFs and edges reach us: Diameter over TCP."},
    {"diameter.identity", CONF_NAME, AT(identity), .fallback = "",
     .help = "Our Diameter identity. Tokens name it (AUTH_ENT_ID), so that edges know whom to "
             "ask. \"\" = pdp.REALM."},
    {"diameter.accept_realm", CONF_BOOL, AT(accept_realm), .fallback = "true",
     .help = "Let every node whose identity is in our realm connect. false = only those in "
             "diameter.peers. There is no TLS here: keep this network closed."},
    {"diameter.peers", CONF_STRINGS, AT(peers), .fallback = "[]",
     .help = "Identities that may connect, besides those of our realm.", .min = 0,
     .max = DIAMETER_FD_PEERS_MAX},
    {"diameter.asr_timeout", CONF_DURATION, AT(asr_timeout), .fallback = "3 s", .min = 100000,
     .max = 60 * 1000000ll, .help = "How long a P-CSCF or edge may take to answer what we ask."},
    {"diameter.in_flight", CONF_INT, AT(in_flight), .fallback = "4096", .min = 16, .max = 65536,
     .unit = "requests",
     .help = "Most requests we have not answered; more are answered TOO_BUSY at once."},

    {"policy", CONF_PATH, AT(policy), .fallback = "/etc/portcullis/policy.yaml",
     .help = "What media calls may use: a file of its own, read again on SIGHUP.",
     .sample = "policy.yaml"},
    {"database", CONF_PATH, AT(database), .fallback = "/var/lib/portcullis/pdp.db",
     .help = "Tokens that are in force (SQLite). It holds their hashes, not the tokens."},
    {"sessions", CONF_INT, AT(sessions), .fallback = "100000", .min = 1, .max = 10000000,
     .unit = "sessions", .help = "Most sessions at a time; more are refused."},

    {"token.key", CONF_PATH, AT(key), .fallback = "/var/lib/portcullis/pdp.key",
     .help = "The key that authenticates tokens: 16 to 256 octets, readable by us alone. A file "
             "that does not exist is made with a random key."},
    {"token.previous_key", CONF_PATH, AT(previous_key), .fallback = "",
     .help = "The key before this one, so that its tokens stay known while they live. \"\" = "
             "none."},
    {"token.mac", CONF_ENUM, AT(mac), .fallback = "hmac-sha256", .names = mac_names,
     .help = "hmac-md5 is what RFC 3520 asks of everyone; hmac-sha256 is what one should use."},
    {"token.lifetime", CONF_DURATION, AT(token_lifetime), .fallback = "1 d", .min = 60 * 1000000ll,
     .max = 30ll * 86400 * 1000000,
     .help = "When a token ends by itself (END_TIME), and the call with it."},
    {"token.length_octets", CONF_BOOL, AT(token_length), .fallback = "true",
     .help = "Authorization-Token begins with the Length of the element (RFC 3520); false = with "
             "its P-Type, as RFC 3313 has it. Edges of ours take both."},

    {"edge.lifetime", CONF_DURATION, AT(edge_lifetime), .fallback = "10 min", .min = 5 * 1000000ll,
     .max = 86400ll * 1000000,
     .help = "How long an answer to an edge holds before it must ask again. It bounds how long "
             "media may outlive a revocation that did not reach the edge."},
    {"edge.grace", CONF_DURATION, AT(edge_grace), .fallback = "30 s", .min = 1000000,
     .max = 3600ll * 1000000, .help = "What it has for asking before its gates fall."},
    {"edge.settle", CONF_DURATION, AT(edge_settle), .fallback = "1 s", .min = 0,
     .max = 60 * 1000000ll,
     .help = "After a call has changed or ended, how long P-CSCF and edge may settle it before "
             "we tell the edge (RAR, ASR)."},
};

void pdp_check_options(const struct conf *c, struct conf_report *report)
{
    const struct pdp_config *config = conf_values(c, 0);
    struct conf_report policy = {0};
    struct conf *loaded = NULL;

    if (conf_load(&policy_schema, config->policy, &loaded, &policy) == 0) {
        conf_free(loaded);
        return;
    }
    for (size_t i = 0; i < policy.n; i++)
        if (policy.problems[i].line)
            conf_fault(c, report, "policy", policy.problems[i].remedy, "%s:%u:%u: %s",
                       config->policy, policy.problems[i].line, policy.problems[i].column,
                       policy.problems[i].text);
        else
            conf_fault(c, report, "policy", policy.problems[i].remedy, "the policy %s %s",
                       config->policy, policy.problems[i].text);
    if (policy.n == 0)
        conf_fault(c, report, "policy", "Give the path of a policy file.", "%s cannot be read",
                   config->policy);
}
