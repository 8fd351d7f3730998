/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's lines. The daemon has checked them; this only does not trust its own reading. */
#include <errno.h>

#include "common/diameter/node/node.h"

static struct span word(struct span *rest)
{
    return span_cut(rest, ' ');
}

static int parse_addr(struct span rest, struct addr *ret_addr)
{
    struct span ip = word(&rest);
    uint64_t port;

    if (span_u64(rest, 65535, &port))
        return -EINVAL;
    if (span_eq(ip, SPAN("-"))) {
        *ret_addr = (struct addr){0};
        return 0;
    }
    return addr_parse_ip(ip, (uint16_t)port, ret_addr);
}

static int parse_number(struct span s, unsigned *ret_value)
{
    uint64_t v;

    if (span_u64(s, UINT32_MAX, &v))
        return -EINVAL;
    *ret_value = (unsigned)v;
    return 0;
}

static int parse_line(struct span line, struct node_conf *c)
{
    struct span key = word(&line), first;
    struct node_peer *p;

    if (span_eq(key, SPAN("identity")))
        return span_copy(line, c->identity, sizeof(c->identity));
    if (span_eq(key, SPAN("realm")))
        return span_copy(line, c->realm, sizeof(c->realm));
    if (span_eq(key, SPAN("local")))
        return parse_addr(line, &c->local);
    if (span_eq(key, SPAN("accept-realm"))) {
        c->accept_realm = true;
        return 0;
    }
    if (span_eq(key, SPAN("timers"))) {
        first = word(&line);
        return parse_number(first, &c->tc) || parse_number(line, &c->tw) ? -EINVAL : 0;
    }
    if (span_eq(key, SPAN("state")))
        return parse_number(line, &c->state);
    if (span_eq(key, SPAN("within")))
        return parse_number(line, &c->within);
    if (span_eq(key, SPAN("app")) && c->n_apps < NODE_APPS_MAX)
        return parse_number(line, &c->apps[c->n_apps++]);
    if (span_eq(key, SPAN("peer")) && c->n_peers < NODE_PEERS_MAX) {
        p = &c->peers[c->n_peers++];
        first = word(&line);
        return span_copy(first, p->identity, sizeof(p->identity)) || parse_addr(line, &p->addr)
                   ? -EINVAL
                   : 0;
    }
    return -EINVAL;
}

int node_conf_parse(struct span text, struct node_conf *ret_conf)
{
    *ret_conf = (struct node_conf){0};
    while (text.p) {
        struct span line = span_cut(&text, '\n');

        if (line.n && parse_line(line, ret_conf))
            return -EINVAL;
    }
    return 0;
}
