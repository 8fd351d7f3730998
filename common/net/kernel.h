/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/net, private: the kernel's network: sockets (kernel.c) and names through c-ares (dns.c). */
#ifndef COMMON_NET_KERNEL_H
#define COMMON_NET_KERNEL_H

#include <sys/uio.h>

#include "common/net/inner.h"

enum {
    KERNEL_BATCH = 16,       /* datagrams of one recvmmsg */
    KERNEL_DATAGRAM = 65536, /* the largest there is */
    KERNEL_ACCEPTS = 64,     /* connections taken in one turn */
};

struct dns;

struct kernel_net {
    struct net net;
    struct list socks; /* also those that end with this turn */
    struct dns *dns;   /* NULL until the first name */
    struct mmsghdr *headers;
    struct iovec iovecs[KERNEL_BATCH];
    struct sockaddr_storage sources[KERNEL_BATCH];
    char *room; /* KERNEL_BATCH datagrams; TCP reads into it too */
};

int dns_ask(struct net_resolve *r, struct name_fact *fact);
void dns_free(struct dns *d);

#endif
