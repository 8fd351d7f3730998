/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/program/program.h"

#include <stdio.h>

static const char *const source_names[] = {"strict", "address", "latch", NULL};
static const char *const authorization_names[] = {"pdp", "off", NULL};

#define AT(member) offsetof(struct edge_config, member)
#define SECONDS(n) ((int64_t)(n)*1000000)
#define SOURCE_HELP                                                                                \
    "strict: the address and port of its session description. address: its address; the port of "  \
    "the first packet, then only that. latch: whoever sends first, then only that (for phones "    \
    "behind NAT); the PDP is asked about the address of the session description all the same, "    \
    "and its policy needs check_phone: false where that is not the one the phone signals from."

static const struct conf_option options[] = {
    {"realm", CONF_NAME, AT(realm), .fallback = "ims.mnc001.mcc001.3gppnetwork.org",
     .help = "Our network's domain name: the Diameter realm, ours and the PDP's.",
     .sample = "ims.mnc001.mcc001.3gppnetwork.org"},
    {"identity", CONF_NAME, AT(identity), .fallback = "",
     .help = "Our Diameter identity. \"\" = edge.REALM."},

    {"ng.address", CONF_ADDR_PORT, AT(ng), .fallback = "127.0.0.35:2223",
     .help = "Where the P-CSCF (or another client of rtpengine's ng protocol) commands us, UDP. "
             "The protocol has no authentication of its own: keep it on a network of yours."},
    {"ng.allow", CONF_NETS, AT(ng_allow), .fallback = "[127.0.0.0/8]", .min = 1, .max = 256,
     .help = "Addresses and networks that may command us; others get no answer and are counted."},
    {"ng.remember", CONF_DURATION, AT(ng_remember), .fallback = "30 s", .min = SECONDS(1),
     .max = SECONDS(300),
     .help = "How long an answer is kept for a client that repeats its command."},

    {"access.address", CONF_ADDR, AT(address[CONTROL_ACCESS]), .fallback = "127.0.0.36",
     .help = "Where phones send their media: an address of this machine."},
    {"access.source", CONF_ENUM, AT(source[CONTROL_ACCESS]), .fallback = "address",
     .names = source_names, .help = "Who may send once the gate is up. " SOURCE_HELP},
    {"access.dscp", CONF_INT, AT(dscp[CONTROL_ACCESS]), .fallback = "46", .min = 0, .max = 63,
     .help = "Mark of what goes to phones (46 = expedited forwarding)."},
    {"core.address", CONF_ADDR, AT(address[CONTROL_CORE]), .fallback = "127.0.0.37",
     .help = "Where the network sends media for phones: an address of this machine."},
    {"core.source", CONF_ENUM, AT(source[CONTROL_CORE]), .fallback = "address",
     .names = source_names, .help = "As access.source, for the network's side."},
    {"core.dscp", CONF_INT, AT(dscp[CONTROL_CORE]), .fallback = "46", .min = 0, .max = 63,
     .help = "Mark of what goes to the network."},
    {"ports", CONF_PORTS, AT(ports), .fallback = "30000-39999",
     .help = "Media ports on either side; a medium takes an even one and the next (RTP, RTCP)."},

    {"authorization", CONF_ENUM, AT(authorization), .fallback = "pdp", .names = authorization_names,
     .help = "pdp: gates stay down until the PDP has confirmed the token of the call. off: every "
             "gate is up as soon as offer and answer are known; for clients without tokens and for "
             "measurements."},
    {"pdp.address", CONF_ADDR_PORT, AT(pdp_address), .fallback = "127.0.0.30:3868",
     .help = "Where the PDP listens: Diameter over TCP."},
    {"pdp.identity", CONF_NAME, AT(pdp_identity), .fallback = "",
     .help = "Its Diameter identity. \"\" = pdp.REALM."},
    {"pdp.timeout", CONF_DURATION, AT(pdp_timeout), .fallback = "1500 ms", .min = 50000,
     .max = SECONDS(30),
     .help = "No answer for this long is a refusal. Keep it below the P-CSCF's media.timeout."},
    {"pdp.burst", CONF_DURATION, AT(burst), .fallback = "1 s", .min = 20000, .max = SECONDS(10),
     .help = "How much of its authorized bandwidth a flow may send at once; what is beyond is "
             "dropped and counted as policed."},

    {"workers", CONF_INT, AT(workers), .fallback = "1", .min = 1, .max = 64, .unit = "threads",
     .help = "Packet workers. One relays about a hundred thousand packets a second."},
    {"coalesce", CONF_DURATION, AT(coalesce), .fallback = "0 ms", .min = 0, .max = 10000,
     .help = "A worker may let packets gather this long, which costs delay and saves CPU time at "
             "high rates; 0 ms = each is relayed at once."},
    {"receive_buffer", CONF_SIZE, AT(receive_buffer), .fallback = "0", .min = 0,
     .max = 64 * 1024 * 1024, .help = "Of each media socket; 0 = the system's (net.core.rmem)."},

    {"limits.sessions", CONF_INT, AT(sessions), .fallback = "4000", .min = 1, .max = 1000000,
     .help = "Most sessions, with those that linger; more are refused. Each takes two or four "
             "open files for every medium."},
    {"limits.linger", CONF_DURATION, AT(linger), .fallback = "30 s", .min = SECONDS(4),
     .max = SECONDS(600),
     .help = "How long the ports of a session that is over stay bound and refuse: media after the "
             "end is counted and reported, and no other call gets it."},
    {"limits.silence", CONF_DURATION, AT(silence), .fallback = "60 s", .min = SECONDS(5),
     .max = SECONDS(86400),
     .help = "A session whose media was authorized is over when no packet came for this long."},
    {"limits.hold", CONF_DURATION, AT(hold), .fallback = "1 h", .min = SECONDS(5),
     .max = SECONDS(86400), .help = "The same while the call is on hold."},
    {"limits.unauthorized", CONF_DURATION, AT(unauthorized), .fallback = "5 min", .min = SECONDS(5),
     .max = SECONDS(3600),
     .help = "A session that is not authorized for this long is over (calls that nobody answers)."},
};

const struct conf_table edge_options = {options, ARRAY_LEN(options), sizeof(struct edge_config)};

/* Has the range a port pair for RTP and RTCP? */
static bool has_pair(unsigned first, unsigned last)
{
    return first + first % 2 + 1 <= last;
}

void edge_check_options(const struct conf *conf, struct conf_report *report)
{
    static const char range[] = "Give a range such as 30000-39999.";
    const struct edge_config *c = conf_values(conf, 0);
    struct edge_settings s;

    edge_settings(c, &s);
    if (!has_pair(c->ports.first, c->ports.last))
        conf_fault(conf, report, "ports", range,
                   "there is no even port with its odd neighbour in it");
    else if (!has_pair(s.control.side[0].first_port, s.control.side[0].last_port) ||
             !has_pair(s.control.side[1].first_port, s.control.side[1].last_port))
        conf_fault(conf, report, "ports", range,
                   "access.address and core.address are the same and have half of it each: there "
                   "is no even port with its odd neighbour in a half");
    if (c->ng.port >= c->ports.first && c->ng.port <= c->ports.last &&
        (addr_ip_eq(&c->ng, &c->address[0]) || addr_ip_eq(&c->ng, &c->address[1])))
        conf_fault(conf, report, "ng.address", "Take a port outside the range, or another address.",
                   "ng.address is one of the media ports");
}

void edge_settings(const struct edge_config *c, struct edge_settings *ret_settings)
{
    struct edge_settings s = {
        .relay = {.workers = (unsigned)c->workers,
                  .coalesce_us = (unsigned)c->coalesce,
                  .receive_buffer = (int)c->receive_buffer},
        .gates = {.mode = (enum gate_mode)c->authorization,
                  .timeout = c->pdp_timeout,
                  .burst = c->burst,
                  .limit = (unsigned)c->sessions},
        .control = {.sessions = (unsigned)c->sessions,
                    .linger = c->linger,
                    .silence = c->silence,
                    .hold = c->hold,
                    .unauthorized = c->unauthorized},
        .ng = {.local = c->ng,
               .allow = c->ng_allow.v,
               .n_allow = c->ng_allow.n,
               .remember = c->ng_remember,
               .limit = 16384},
    };

    for (unsigned i = 0; i < CONTROL_SIDES; i++) {
        s.control.side[i].ip = c->address[i];
        s.control.side[i].first_port = c->ports.first;
        s.control.side[i].last_port = c->ports.last;
        s.control.side[i].source = (enum relay_source)c->source[i];
        s.control.side[i].tos = (uint8_t)(c->dscp[i] << 2);
    }
    /* Two sides on one address share its ports: half each. */
    if (addr_ip_eq(&c->address[0], &c->address[1])) {
        uint16_t middle = (uint16_t)((c->ports.first + c->ports.last) / 2u);

        s.control.side[0].last_port = middle;
        s.control.side[1].first_port = (uint16_t)(middle + 1);
    }
    *ret_settings = s;
}
