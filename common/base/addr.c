/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>

#include "common/base/base.h"

size_t addr_ip_len(const struct addr *a)
{
    return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

bool addr_ip_eq(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, addr_ip_len(a)) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && addr_ip_eq(a, b);
}

/* The grammar of RFC 3261 makes "2001:db8:::192.0.2.1", and RFC 5118 4.10 wants it understood: the third
 * colon in front of an IPv4 part goes. */
static void drop_third_colon(char *text)
{
    char *colons = strstr(text, ":::");

    if (colons && strchr(colons, '.') && !strchr(colons + 3, ':'))
        memmove(colons, colons + 1, strlen(colons));
}

int addr_parse_ip(struct span s, uint16_t port, struct addr *ret_addr)
{
    struct addr a = {.port = port};
    char text[INET6_ADDRSTRLEN + 1];
    bool brackets = s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

    if (brackets) {
        s = span_sub(s, 1, s.n - 1);
        if (span_find(s, ':') == s.n)
            return -EINVAL;
    }
    if (span_copy(s, text, sizeof(text)) != 0)
        return -EINVAL;
    if (brackets)
        drop_third_colon(text);
    a.family = span_find(s, ':') < s.n ? AF_INET6 : AF_INET;
    if (inet_pton(a.family, text, a.ip) != 1)
        return -EINVAL;
    *ret_addr = a;
    return 0;
}

int addr_parse(struct span s, uint16_t default_port, struct addr *ret_addr)
{
    size_t host = s.n, colon;
    uint64_t port = default_port;

    if (s.n && s.p[0] == '[')
        host = span_find(s, ']') + 1;
    else if ((colon = span_find(s, ':')) < s.n &&
             span_find(span_sub(s, colon + 1, s.n), ':') == s.n - colon - 1)
        host = colon; /* one colon only: IPv4 and port */
    if (host > s.n)
        return -EINVAL;
    if (host < s.n && (s.p[host] != ':' || span_u64(span_sub(s, host + 1, s.n), 65535, &port) != 0))
        return -EINVAL;
    return addr_parse_ip(span_sub(s, 0, host), (uint16_t)port, ret_addr);
}

/* IPv4 by hand: each message is logged and recorded with two addresses, and inet_ntop takes them
 * through printf. */
static void put_ip(struct buf *b, const struct addr *a)
{
    if (a->family == AF_INET) {
        for (unsigned i = 0; i < 4; i++) {
            if (i)
                buf_putc(b, '.');
            buf_u64(b, a->ip[i]);
        }
    } else if (a->family == AF_INET6 && inet_ntop(AF_INET6, a->ip, b->p + b->n, INET6_ADDRSTRLEN)) {
        b->n += strlen(b->p + b->n);
    } else {
        buf_putc(b, '-');
    }
}

char *addr_ip_text(const struct addr *a, char *dst)
{
    struct buf b = {dst, 0, ADDR_TEXT_MAX, false};

    put_ip(&b, a);
    buf_putc(&b, '\0');
    return dst;
}

char *addr_text(const struct addr *a, char *dst)
{
    struct buf b = {dst, 0, ADDR_TEXT_MAX, false};

    if (a->family == AF_INET6)
        buf_putc(&b, '[');
    put_ip(&b, a);
    buf_puts(&b, a->family == AF_INET6 ? "]:" : ":");
    buf_u64(&b, a->port);
    buf_putc(&b, '\0');
    return dst;
}

void addr_put_host(struct buf *b, const struct addr *a, bool in_uri)
{
    char ip[ADDR_TEXT_MAX];
    bool brackets = in_uri && a->family == AF_INET6;

    addr_ip_text(a, ip);
    if (brackets)
        buf_putc(b, '[');
    buf_puts(b, ip);
    if (brackets)
        buf_putc(b, ']');
}

int addr_of_sockaddr(const struct sockaddr *sa, struct addr *ret_addr)
{
    struct addr a = {.family = (uint8_t)sa->sa_family};

    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)sa;

        a.port = ntohs(in4->sin_port);
        memcpy(a.ip, &in4->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        a.port = ntohs(in6->sin6_port);
        memcpy(a.ip, &in6->sin6_addr, 16);
    } else {
        return -EAFNOSUPPORT;
    }
    *ret_addr = a;
    return 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret_ss)
{
    memset(ret_ss, 0, sizeof(*ret_ss));
    if (a->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (void *)ret_ss;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->ip, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in4 = (void *)ret_ss;

    in4->sin_family = AF_INET;
    in4->sin_port = htons(a->port);
    memcpy(&in4->sin_addr, a->ip, 4);
    return sizeof(*in4);
}

uint64_t addr_hash(const struct map *m, const struct addr *a)
{
    uint8_t key[19] = {a->family, (uint8_t)(a->port >> 8), (uint8_t)a->port};

    memcpy(key + 3, a->ip, addr_ip_len(a));
    return map_hash(m, key, 3 + addr_ip_len(a));
}

int addr_net_parse(struct span s, struct addr_net *ret_net)
{
    struct span length = s, host = span_cut(&length, '/');
    struct addr_net net;
    uint64_t bits;

    if (addr_parse_ip(span_trim(host), 0, &net.addr) != 0)
        return -EINVAL;
    bits = addr_ip_len(&net.addr) * 8;
    if (length.p && span_u64(span_trim(length), bits, &bits) != 0)
        return -EINVAL;
    for (size_t i = bits / 8; i < addr_ip_len(&net.addr); i++)
        if ((uint8_t)(net.addr.ip[i] << (i == bits / 8 ? bits % 8 : 0)) != 0)
            return -EINVAL;
    net.bits = (uint8_t)bits;
    *ret_net = net;
    return 0;
}

bool addr_net_has(const struct addr_net *net, const struct addr *a)
{
    unsigned whole = net->bits / 8, part = net->bits % 8;

    return net->addr.family == a->family && memcmp(net->addr.ip, a->ip, whole) == 0 &&
           (part == 0 || (net->addr.ip[whole] ^ a->ip[whole]) >> (8 - part) == 0);
}
