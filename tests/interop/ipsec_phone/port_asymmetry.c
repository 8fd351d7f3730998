/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LD_PRELOAD for sipp: TS 33.203 7.1 has a phone send UDP from port_uc and receive at port_us; sipp
 * has one port. What it sends to $PORT_PS leaves from $LOCAL_IP:$PORT_UC. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned number(const char *name)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static int client_socket(void)
{
    static int fd = -1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)number("PORT_UC"))};
    const char *ip = getenv("LOCAL_IP");

    if (fd >= 0)
        return fd;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (!ip || inet_pton(AF_INET, ip, &from.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        _exit(99);
    return fd;
}

ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
               socklen_t to_n)
{
    static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    const struct sockaddr_in *in4 = (const void *)to;
    int type = 0;
    socklen_t type_n = sizeof(type);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sendto");
    if (to && to->sa_family == AF_INET && ntohs(in4->sin_port) == number("PORT_PS") &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) == 0 && type == SOCK_DGRAM)
        fd = client_socket();
    return real(fd, bytes, n, flags, to, to_n);
}
