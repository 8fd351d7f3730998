/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The phone's security associations, written to the kernel over netlink (no libcharon: that is the
 * network's side). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/ue/ue.h"

#include <linux/netlink.h>

#define REQID 77u

struct one_sa {
    bool in;
    uint32_t spi;
    uint16_t local_port, remote_port;
};

/* TS 33.203 7.1, seen from the phone. */
static void four(const struct ue_set *s, struct one_sa sa[4])
{
    sa[0] = (struct one_sa){false, s->spi_ps, s->port_uc, s->port_ps};
    sa[1] = (struct one_sa){true, s->spi_uc, s->port_uc, s->port_ps};
    sa[2] = (struct one_sa){true, s->spi_us, s->port_us, s->port_pc};
    sa[3] = (struct one_sa){false, s->spi_pc, s->port_us, s->port_pc};
}

struct request {
    struct nlmsghdr header;
    char body[1024];
};

static void add_attribute(struct request *r, uint16_t type, const void *p, size_t n)
{
    struct rtattr {
        uint16_t length, type;
    } *a = (void *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

    a->length = (uint16_t)(sizeof(*a) + n);
    a->type = type;
    memcpy(a + 1, p, n);
    r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + NLMSG_ALIGN(a->length);
}

static int transact(int fd, struct request *r)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    ssize_t n;

    r->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    if (send(fd, r, r->header.nlmsg_len, 0) < 0)
        return -errno;
    do {
        n = recv(fd, &answer, sizeof(answer), 0);
    } while (n < 0 && errno == EINTR);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
        return n < 0 ? -errno : -EPROTO;
    return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
}

static xfrm_address_t address(const struct addr *a)
{
    xfrm_address_t x = {0};

    memcpy(&x, a->ip, addr_ip_len(a));
    return x;
}

static struct xfrm_selector selector(const struct ue_set *s, const struct one_sa *sa)
{
    const struct addr *from = sa->in ? &s->pcscf : &s->ue, *to = sa->in ? &s->ue : &s->pcscf;
    uint8_t prefix = (uint8_t)(addr_ip_len(from) * 8);

    return (struct xfrm_selector){
        .family = from->family,
        .saddr = address(from),
        .daddr = address(to),
        .prefixlen_s = prefix,
        .prefixlen_d = prefix,
        .sport = htons(sa->in ? sa->remote_port : sa->local_port),
        .dport = htons(sa->in ? sa->local_port : sa->remote_port),
        .sport_mask = 0xffff,
        .dport_mask = 0xffff, /* protocol 0: UDP and TCP */
    };
}

/* TS 33.203 annex I: last four octets of HMAC-SHA-256(CK || IK, FC || P0 || L0). */
static void salt_of(const struct ue_set *s, uint8_t fc, const char *p0, uint8_t salt[4])
{
    uint8_t key[32], input[32], digest[32] = {0};
    size_t n = strlen(p0);
    unsigned length = 0;

    memcpy(key, s->ck, 16);
    memcpy(key + 16, s->ik, 16);
    input[0] = fc;
    memcpy(input + 1, p0, n);
    input[1 + n] = 0;
    input[2 + n] = (uint8_t)n;
    HMAC(EVP_sha256(), key, sizeof(key), input, n + 3, digest, &length);
    memcpy(salt, digest + 28, 4);
}

static void put_algorithm(struct request *r, uint16_t type, const char *name, const uint8_t *key,
                          unsigned key_n, unsigned bits)
{
    struct {
        char name[64];
        unsigned key_bits;
        unsigned icv_bits;
        uint8_t key[32];
    } a = {.key_bits = key_n * 8, .icv_bits = bits};
    /* struct xfrm_algo has no icv member: its key follows key_bits. */
    bool plain = type == XFRMA_ALG_CRYPT;

    snprintf(a.name, sizeof(a.name), "%s", name);
    if (plain) {
        uint8_t raw[64 + 4 + 32];

        memcpy(raw, a.name, 64);
        memcpy(raw + 64, &a.key_bits, 4);
        if (key_n)
            memcpy(raw + 68, key, key_n);
        add_attribute(r, type, raw, 68 + key_n);
        return;
    }
    memcpy(a.key, key, key_n);
    add_attribute(r, type, &a, 72 + key_n);
}

static int put_algorithms(struct request *r, const struct ue_set *s)
{
    uint8_t key[32] = {0};

    if (strcmp(s->ealg, "aes-gcm") == 0) {
        memcpy(key, s->ck, 16);
        salt_of(s, 0x59, "AES_GCM_SALT", key + 16);
        put_algorithm(r, XFRMA_ALG_AEAD, "rfc4106(gcm(aes))", key, 20, 128);
        return 0;
    }
    if (strcmp(s->alg, "aes-gmac") == 0) {
        memcpy(key, s->ik, 16);
        salt_of(s, 0x58, "AES_GMAC_SALT", key + 16);
        put_algorithm(r, XFRMA_ALG_AEAD, "rfc4543(gcm(aes))", key, 20, 128);
        return 0;
    }
    memcpy(key, s->ik, 16);
    if (strcmp(s->alg, "hmac-sha-1-96") == 0)
        put_algorithm(r, XFRMA_ALG_AUTH_TRUNC, "hmac(sha1)", key, 20, 96);
    else if (strcmp(s->alg, "hmac-md5-96") == 0)
        put_algorithm(r, XFRMA_ALG_AUTH_TRUNC, "hmac(md5)", key, 16, 96);
    else
        return -EOPNOTSUPP;
    memcpy(key, s->ck, 16);
    memcpy(key + 16, s->ck, 8); /* CK1 || CK2 || CK1 */
    if (strcmp(s->ealg, "aes-cbc") == 0)
        put_algorithm(r, XFRMA_ALG_CRYPT, "cbc(aes)", key, 16, 0);
    else if (strcmp(s->ealg, "des-ede3-cbc") == 0)
        put_algorithm(r, XFRMA_ALG_CRYPT, "cbc(des3_ede)", key, 24, 0);
    else if (strcmp(s->ealg, "null") == 0)
        put_algorithm(r, XFRMA_ALG_CRYPT, "ecb(cipher_null)", key, 0, 0);
    else
        return -EOPNOTSUPP;
    return 0;
}

static int add_sa(int fd, const struct ue_set *s, const struct one_sa *sa)
{
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct xfrm_usersa_info)),
                                   .nlmsg_type = XFRM_MSG_NEWSA,
                                   .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL}};
    struct xfrm_usersa_info *info = NLMSG_DATA(&r.header);
    int rc;

    info->sel = selector(s, sa);
    info->id =
        (struct xfrm_id){.daddr = info->sel.daddr, .spi = htonl(sa->spi), .proto = IPPROTO_ESP};
    info->saddr = info->sel.saddr;
    info->family = info->sel.family;
    info->mode = XFRM_MODE_TRANSPORT;
    info->reqid = REQID;
    info->replay_window = 32;
    info->lft.soft_byte_limit = info->lft.hard_byte_limit = XFRM_INF;
    info->lft.soft_packet_limit = info->lft.hard_packet_limit = XFRM_INF;
    rc = put_algorithms(&r, s);
    return rc ? rc : transact(fd, &r);
}

static int del_sa(int fd, const struct ue_set *s, const struct one_sa *sa)
{
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct xfrm_usersa_id)),
                                   .nlmsg_type = XFRM_MSG_DELSA}};
    struct xfrm_usersa_id *id = NLMSG_DATA(&r.header);
    struct xfrm_selector sel = selector(s, sa);

    *id = (struct xfrm_usersa_id){
        .daddr = sel.daddr, .spi = htonl(sa->spi), .family = sel.family, .proto = IPPROTO_ESP};
    return transact(fd, &r);
}

static int add_policy(int fd, const struct ue_set *s, const struct one_sa *sa)
{
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct xfrm_userpolicy_info)),
                                   .nlmsg_type = XFRM_MSG_UPDPOLICY}};
    struct xfrm_userpolicy_info *info = NLMSG_DATA(&r.header);

    info->sel = selector(s, sa);
    info->dir = sa->in ? XFRM_POLICY_IN : XFRM_POLICY_OUT;
    info->action = XFRM_POLICY_ALLOW;
    info->lft.soft_byte_limit = info->lft.hard_byte_limit = XFRM_INF;
    info->lft.soft_packet_limit = info->lft.hard_packet_limit = XFRM_INF;
    struct xfrm_user_tmpl tmpl = {.id = {.proto = IPPROTO_ESP, .spi = sa->in ? 0 : htonl(sa->spi)},
                                  .family = info->sel.family,
                                  .reqid = REQID,
                                  .mode = XFRM_MODE_TRANSPORT,
                                  .aalgos = ~0u,
                                  .ealgos = ~0u,
                                  .calgos = ~0u};

    add_attribute(&r, XFRMA_TMPL, &tmpl, sizeof(tmpl));
    return transact(fd, &r);
}

static int del_policy(int fd, const struct ue_set *s, const struct one_sa *sa)
{
    struct request r = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct xfrm_userpolicy_id)),
                                   .nlmsg_type = XFRM_MSG_DELPOLICY}};
    struct xfrm_userpolicy_id *id = NLMSG_DATA(&r.header);

    id->sel = selector(s, sa);
    id->dir = sa->in ? XFRM_POLICY_IN : XFRM_POLICY_OUT;
    return transact(fd, &r);
}

static int netlink_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    struct timeval patience = {.tv_sec = 2};

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

int ue_xfrm_install(struct ue_set *s)
{
    struct one_sa sa[4];
    int fd = netlink_open(), rc = 0, done = 0;

    if (fd < 0)
        return fd;
    four(s, sa);
    while (done < 4 && rc == 0) {
        rc = add_sa(fd, s, &sa[done]);
        if (rc == 0) {
            rc = add_policy(fd, s, &sa[done]);
            done++;
        }
    }
    for (int i = 0; rc != 0 && i < done; i++) {
        (void)del_policy(fd, s, &sa[i]); /* the first error is the one to report */
        (void)del_sa(fd, s, &sa[i]);
    }
    close(fd);
    s->installed = rc == 0;
    return rc;
}

void ue_xfrm_remove(struct ue_set *s)
{
    struct one_sa sa[4];
    int fd;

    if (!s->installed)
        return;
    s->installed = false;
    fd = netlink_open();
    if (fd < 0)
        return;
    four(s, sa);
    for (int i = 0; i < 4; i++) {
        (void)del_policy(fd, s, &sa[i]); /* gone already is fine */
        (void)del_sa(fd, s, &sa[i]);
    }
    close(fd);
}

void ue_xfrm_write_keys(const struct ue_set *s, const char *file)
{
    struct one_sa sa[4];
    FILE *f = fopen(file, "ae");
    char ck[33] = "", ik[41] = "";
    struct buf ck_hex = BUF_ON(ck), ik_hex = BUF_ON(ik);
    bool sha1 = strcmp(s->alg, "hmac-sha-1-96") == 0;

    if (!f)
        return;
    four(s, sa);
    buf_hex(&ck_hex, s->ck, 16);
    buf_hex(&ik_hex, s->ik, 16);
    for (int i = 0; i < 4; i++) {
        char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

        addr_ip_text(sa[i].in ? &s->pcscf : &s->ue, from);
        addr_ip_text(sa[i].in ? &s->ue : &s->pcscf, to);
        fprintf(
            f, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"%s%s\",\"%s\",\"0x%s%s\"\n",
            s->ue.family == AF_INET ? "IPv4" : "IPv6", from, to, sa[i].spi,
            strcmp(s->ealg, "aes-cbc") == 0 ? "AES-CBC [RFC3602]" : "NULL",
            strcmp(s->ealg, "aes-cbc") == 0 ? "0x" : "", strcmp(s->ealg, "aes-cbc") == 0 ? ck : "",
            sha1 ? "HMAC-SHA-1-96 [RFC2404]" : "HMAC-MD5-96 [RFC2403]", ik, sha1 ? "00000000" : "");
    }
    fclose(f);
}
