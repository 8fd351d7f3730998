/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPFilterRule (RFC 6733 4.3.1) within the limits of TS 29.214 5.3.8. */
#include <errno.h>

#include "common/diameter/diameter.h"

static void put_end(struct buf *b, const struct diameter_end *e)
{
    char text[ADDR_TEXT_MAX];

    buf_puts(b, e->addr.family ? addr_ip_text(&e->addr, text) : "any");
    if (e->addr.family && e->bits)
        buf_fmt(b, "/%u", e->bits);
    if (e->addr.port)
        buf_fmt(b, " %u", e->addr.port);
}

void diameter_flow_put(struct buf *b, const struct diameter_flow *f)
{
    buf_fmt(b, "permit %s ", f->direction == DIAMETER_IN ? "in" : "out");
    if (f->protocol)
        buf_u64(b, f->protocol);
    else
        buf_puts(b, "ip");
    buf_puts(b, " from ");
    put_end(b, &f->from);
    buf_puts(b, " to ");
    put_end(b, &f->to);
}

static struct span word(struct span *rest)
{
    struct span w;

    *rest = span_trim(*rest);
    w = span_sub(*rest, 0, span_find(*rest, ' '));
    *rest = span_sub(*rest, w.n, rest->n);
    return w;
}

static bool looks_like_port(struct span w)
{
    return w.n > 0 && w.p[0] >= '0' && w.p[0] <= '9';
}

static int parse_end(struct span *rest, struct diameter_end *e)
{
    struct span host = word(rest), bits, look = *rest, w;
    uint64_t v;
    int rc;

    *e = (struct diameter_end){0};
    if (host.n && host.p[0] == '!')
        return -EOPNOTSUPP;
    if (span_eq(host, SPAN("assigned")))
        return -EOPNOTSUPP;
    if (!span_eq(host, SPAN("any"))) {
        bits = host;
        host = span_cut(&bits, '/');
        rc = addr_parse_ip(host, 0, &e->addr);
        if (rc)
            return -EINVAL;
        if (bits.p) {
            if (span_u64(bits, addr_ip_len(&e->addr) * 8, &v))
                return -EINVAL;
            if (v == 0) /* everything */
                e->addr = (struct addr){0};
            e->bits = (uint8_t)(v == addr_ip_len(&e->addr) * 8 ? 0 : v);
        }
    }
    w = word(&look);
    if (!looks_like_port(w))
        return 0;
    if (span_find(w, ',') < w.n || span_find(w, '-') < w.n)
        return -EOPNOTSUPP;
    if (span_u64(w, 65535, &v))
        return -EINVAL;
    e->addr.port = (uint16_t)v;
    *rest = look;
    return 0;
}

int diameter_flow_parse(struct span text, struct diameter_flow *ret_flow)
{
    struct diameter_flow f = {0};
    struct span w = word(&text);
    uint64_t v;
    int rc;

    if (span_eq(w, SPAN("deny")))
        return -EOPNOTSUPP;
    if (!span_eq(w, SPAN("permit")))
        return -EINVAL;
    w = word(&text);
    if (span_eq(w, SPAN("in")))
        f.direction = DIAMETER_IN;
    else if (span_eq(w, SPAN("out")))
        f.direction = DIAMETER_OUT;
    else
        return -EINVAL;
    w = word(&text);
    if (!span_eq(w, SPAN("ip"))) {
        if (span_u64(w, 255, &v))
            return -EINVAL;
        f.protocol = (uint8_t)v;
    }
    if (!span_eq(word(&text), SPAN("from")))
        return -EINVAL;
    rc = parse_end(&text, &f.from);
    if (rc)
        return rc;
    if (!span_eq(word(&text), SPAN("to")))
        return -EINVAL;
    rc = parse_end(&text, &f.to);
    if (rc)
        return rc;
    if (span_trim(text).n) /* options */
        return -EOPNOTSUPP;
    if (f.from.addr.family && f.to.addr.family && f.from.addr.family != f.to.addr.family)
        return -EINVAL;
    *ret_flow = f;
    return 0;
}

static unsigned prefix_of(const struct diameter_end *e)
{
    return e->bits ? e->bits : (unsigned)addr_ip_len(&e->addr) * 8;
}

static bool end_covers(const struct diameter_end *outer, const struct diameter_end *inner)
{
    unsigned bits = prefix_of(outer), whole = bits / 8, part = bits % 8;

    if (outer->addr.port && outer->addr.port != inner->addr.port)
        return false;
    if (outer->addr.family == 0)
        return true;
    if (outer->addr.family != inner->addr.family || prefix_of(inner) < bits)
        return false;
    if (memcmp(outer->addr.ip, inner->addr.ip, whole) != 0)
        return false;
    return part == 0 || (outer->addr.ip[whole] ^ inner->addr.ip[whole]) >> (8 - part) == 0;
}

bool diameter_flow_covers(const struct diameter_flow *outer, const struct diameter_flow *inner)
{
    return (outer->direction == inner->direction || outer->direction == DIAMETER_BOTH) &&
           (outer->protocol == 0 || outer->protocol == inner->protocol) &&
           end_covers(&outer->from, &inner->from) && end_covers(&outer->to, &inner->to);
}
