/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does this kernel do ESP? Module lists do not say (it may be built in, or not loadable here), so a
 * security association is added over netlink and deleted again. */
#include "common/daemon/inner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <unistd.h>

#define TEST_SPI UINT32_C(0x506f7274) /* between loopback addresses; nobody else's */
#define TEST_IP  UINT32_C(0x7ffffffe) /* 127.255.255.254 */

struct message {
    struct nlmsghdr head;
    char bytes[1024];
};

static void *reserve(struct message *m, size_t n)
{
    void *at = (char *)m + NLMSG_ALIGN(m->head.nlmsg_len);
    m->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->head.nlmsg_len) + n);
    return at;
}

static void *attribute(struct message *m, unsigned short type, size_t n)
{
    struct nlattr *a = reserve(m, NLA_HDRLEN + n);
    a->nla_type = type;
    a->nla_len = (unsigned short)(NLA_HDRLEN + n);
    return (char *)a + NLA_HDRLEN;
}

/* Sends it and returns what the kernel says: 0 or negative errno. */
static int ask(int fd, const struct message *m)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char more[1024];
    } reply;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(fd, m, m->head.nlmsg_len, 0, (struct sockaddr *)(void *)&kernel, sizeof(kernel)) < 0)
        return -errno;
    ssize_t n = recv(fd, &reply, sizeof(reply), 0);
    if (n < 0)
        return -errno;
    if ((size_t)n < sizeof(reply.head) + sizeof(int) || reply.head.nlmsg_type != NLMSG_ERROR)
        return -EBADMSG;
    return reply.error.error;
}

static int add(int fd)
{
    struct message m = {.head = {.nlmsg_len = NLMSG_HDRLEN,
                                 .nlmsg_type = XFRM_MSG_NEWSA,
                                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    struct xfrm_usersa_info *sa = reserve(&m, sizeof(*sa));
    sa->family = sa->sel.family = AF_INET;
    sa->id.daddr.a4 = sa->saddr.a4 = htonl(TEST_IP);
    sa->id.spi = htonl(TEST_SPI);
    sa->id.proto = IPPROTO_ESP;
    sa->mode = XFRM_MODE_TRANSPORT;
    sa->lft.soft_byte_limit = sa->lft.hard_byte_limit = XFRM_INF;
    sa->lft.soft_packet_limit = sa->lft.hard_packet_limit = XFRM_INF;
    sa->lft.hard_add_expires_seconds = 1;
    struct xfrm_algo_auth *auth = attribute(&m, XFRMA_ALG_AUTH_TRUNC, sizeof(*auth) + 20);
    memcpy(auth->alg_name, "hmac(sha1)", sizeof("hmac(sha1)"));
    auth->alg_key_len = 160;
    auth->alg_trunc_len = 96;
    struct xfrm_algo *cipher = attribute(&m, XFRMA_ALG_CRYPT, sizeof(*cipher));
    memcpy(cipher->alg_name, "ecb(cipher_null)", sizeof("ecb(cipher_null)"));
    return ask(fd, &m);
}

static void delete (int fd)
{
    struct message m = {.head = {.nlmsg_len = NLMSG_HDRLEN,
                                 .nlmsg_type = XFRM_MSG_DELSA,
                                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    struct xfrm_usersa_id *id = reserve(&m, sizeof(*id));
    id->daddr.a4 = htonl(TEST_IP);
    id->spi = htonl(TEST_SPI);
    id->family = AF_INET;
    id->proto = IPPROTO_ESP;
    (void)ask(fd, &m); /* it would expire in a second by itself */
}

int daemon_check_esp(struct daemon_finding *ret)
{
    char why[96];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    int rc = fd < 0 ? -errno : add(fd);
    if (rc == -EEXIST)
        rc = 0;
    if (rc == 0)
        delete (fd);
    if (fd >= 0)
        (void)close(fd); /* nothing is pending */
    if (rc == -EPERM)
        daemon_find(ret, "start it with CAP_NET_ADMIN (root, or AmbientCapabilities= in its unit)",
                    "the kernel does not let this process manage security associations");
    else if (rc < 0 && strerror_r(-rc, why, sizeof(why)) == 0)
        daemon_find(
            ret,
            "`modprobe esp4` (a kernel with CONFIG_INET_ESP); or do without, for phones that can: "
            "security.ipsec: false and security.require_ipsec: false; tools/lab brings a kernel of "
            "its own",
            "the kernel has no ESP: %s", why);
    return rc;
}
