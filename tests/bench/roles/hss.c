/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/bench/roles/hss ADDRESS:PORT REALM K OP: as much of a home subscriber server (TS 29.229) as
 * Kamailio's S-CSCF asks for, so that it can be measured next to ours, which has its subscribers
 * itself. Every user there is has the same key; MAR is answered with a fresh vector, SAR with a
 * profile of one sip: and one tel: identity. One thread, no security: for benchmarks only. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auth/auth.h"

enum { CLIENTS_MAX = 16, MESSAGE_MAX = 65536, HEADER = 20, VENDOR_3GPP = 10415 };
enum { CMD_CER = 257, CMD_DWR = 280, CMD_DPR = 282, CMD_SAR = 301, CMD_MAR = 303 };
enum { CX = 16777216, SUCCESS = 2001, UNSUPPORTED = 3001 };

struct hss {
    const char *host, *realm;
    struct sockaddr_in address;
    struct auth *auth;
    struct aka_key key;
    uint64_t sqn;
};

struct client {
    unsigned char in[MESSAGE_MAX];
    size_t n;
};

/* ---- AVPs (RFC 6733 4.1) ---- */

static void put_number(struct buf *b, uint64_t v, unsigned octets)
{
    while (octets-- > 0)
        buf_putc(b, (char)(v >> (8 * octets)));
}

/* Returns where it begins, for avp_end. */
static size_t avp_begin(struct buf *b, uint32_t code, uint32_t vendor)
{
    size_t at = b->n;
    put_number(b, code, 4);
    put_number(b, vendor ? 0xc0 : 0x40, 1); /* mandatory */
    put_number(b, 0, 3);
    if (vendor)
        put_number(b, vendor, 4);
    return at;
}

static void avp_end(struct buf *b, size_t at)
{
    size_t n = b->n - at;
    for (unsigned i = 0; i < 3 && !b->overflow; i++)
        b->p[at + 5 + i] = (char)(n >> (16 - 8 * i));
    while (b->n % 4 && !b->overflow)
        buf_putc(b, 0);
}

static void avp(struct buf *b, uint32_t code, uint32_t vendor, struct span value)
{
    size_t at = avp_begin(b, code, vendor);
    buf_put(b, value);
    avp_end(b, at);
}

static void avp_u32(struct buf *b, uint32_t code, uint32_t vendor, uint32_t value)
{
    size_t at = avp_begin(b, code, vendor);
    put_number(b, value, 4);
    avp_end(b, at);
}

static uint32_t number(const unsigned char *p, unsigned octets)
{
    uint32_t v = 0;
    while (octets-- > 0)
        v = v << 8 | *p++;
    return v;
}

static struct span find(struct span avps, uint32_t code)
{
    const unsigned char *p = (const unsigned char *)avps.p;
    for (size_t at = 0; at + 8 <= avps.n;) {
        size_t n = number(p + at + 5, 3), head = p[at + 4] & 0x80 ? 12 : 8;
        if (n < head || n > avps.n - at)
            break;
        if (number(p + at, 4) == code)
            return span_sub(avps, at + head, at + n);
        at += (n + 3) & ~(size_t)3;
    }
    return SPAN_NONE;
}

/* ---- answers ---- */

static void put_application(struct buf *b)
{
    size_t at = avp_begin(b, 260, 0); /* Vendor-Specific-Application-Id */
    avp_u32(b, 266, 0, VENDOR_3GPP);
    avp_u32(b, 258, 0, CX);
    avp_end(b, at);
}

static void answer_cer(const struct hss *h, struct buf *b)
{
    size_t at = avp_begin(b, 257, 0); /* Host-IP-Address */
    put_number(b, 1, 2);
    buf_put(b, span_of(&h->address.sin_addr, 4));
    avp_end(b, at);
    avp_u32(b, 266, 0, VENDOR_3GPP);
    avp(b, 269, 0, SPAN("bench"));
    avp_u32(b, 265, 0, VENDOR_3GPP);
    put_application(b);
}

static bool answer_mar(struct hss *h, struct buf *b)
{
    struct aka_vector v;
    if (aka_vector_make(h->auth, &h->key, h->sqn += 32, true, &v) != 0)
        return false;
    char sent[AKA_RAND_LEN + AKA_AUTN_LEN];
    memcpy(sent, v.rand, AKA_RAND_LEN);
    memcpy(sent + AKA_RAND_LEN, v.autn, AKA_AUTN_LEN);
    avp_u32(b, 607, VENDOR_3GPP, 1);            /* SIP-Number-Auth-Items */
    size_t at = avp_begin(b, 612, VENDOR_3GPP); /* SIP-Auth-Data-Item */
    avp_u32(b, 613, VENDOR_3GPP, 1);            /* SIP-Item-Number */
    avp(b, 608, VENDOR_3GPP, SPAN("Digest-AKAv1-MD5"));
    avp(b, 609, VENDOR_3GPP, span_of(sent, sizeof(sent)));
    avp(b, 610, VENDOR_3GPP, span_of(v.xres, v.xres_n));
    avp(b, 625, VENDOR_3GPP, span_of(v.ck, sizeof(v.ck)));
    avp(b, 626, VENDOR_3GPP, span_of(v.ik, sizeof(v.ik)));
    avp_end(b, at);
    return true;
}

static void answer_sar(struct buf *b, struct span impi, struct span impu)
{
    char text[2048];
    struct buf xml = BUF_ON(text);
    struct span user = span_sub(impi, 0, span_find(impi, '@'));
    buf_fmt(&xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><IMSSubscription><PrivateID>%.*s</PrivateID>"
            "<ServiceProfile><PublicIdentity><BarringIndication>0</BarringIndication>"
            "<Identity>%.*s</Identity></PublicIdentity><PublicIdentity><BarringIndication>0"
            "</BarringIndication><Identity>tel:+%.*s</Identity></PublicIdentity></ServiceProfile>"
            "</IMSSubscription>",
            SPAN_ARG(impi), SPAN_ARG(impu), SPAN_ARG(user));
    avp(b, 606, VENDOR_3GPP, buf_span(&xml));   /* User-Data */
    size_t at = avp_begin(b, 618, VENDOR_3GPP); /* Charging-Information */
    avp(b, 621, VENDOR_3GPP, SPAN("aaa://charging.invalid"));
    avp_end(b, at);
}

/* The answer to one request, in b. */
static void answer(struct hss *h, const unsigned char *request, size_t n, struct buf *b)
{
    uint32_t command = number(request + 5, 3);
    struct span avps = span_of(request + HEADER, n - HEADER);
    struct span session = find(avps, 263), impi = find(avps, 1), impu = find(avps, 601);
    bool cx = command == CMD_MAR || command == CMD_SAR;
    bool known = cx || command == CMD_CER || command == CMD_DWR || command == CMD_DPR;

    buf_put(b, span_of(request, HEADER));
    b->p[4] = (char)(request[4] & 0x40); /* an answer, proxiable as the request was */
    if (session.p)
        avp(b, 263, 0, session);
    if (cx) {
        put_application(b);
        avp_u32(b, 277, 0, 1); /* Auth-Session-State: none */
        avp(b, 1, 0, impi);
        avp(b, 601, VENDOR_3GPP, impu);
    }
    if (command == CMD_MAR)
        known = answer_mar(h, b);
    else if (command == CMD_SAR)
        answer_sar(b, impi, impu);
    else if (command == CMD_CER)
        answer_cer(h, b);
    avp_u32(b, 268, 0, known ? SUCCESS : UNSUPPORTED);
    avp(b, 264, 0, span_str(h->host));
    avp(b, 296, 0, span_str(h->realm));
    for (unsigned i = 0; i < 3 && !b->overflow; i++)
        b->p[1 + i] = (char)(b->n >> (16 - 8 * i));
}

/* ---- the world ---- */

/* False when the connection is over. */
static bool serve(struct hss *h, int fd, struct client *c)
{
    ssize_t got = read(fd, c->in + c->n, sizeof(c->in) - c->n);
    size_t at = 0;
    if (got <= 0)
        return false;
    c->n += (size_t)got;
    while (c->n - at >= HEADER) {
        char out[MESSAGE_MAX];
        struct buf b = BUF_ON(out);
        size_t n = number(c->in + at + 1, 3);
        if (n < HEADER || n > sizeof(c->in))
            return false;
        if (n > c->n - at)
            break;
        if (c->in[at + 4] & 0x80)
            answer(h, c->in + at, n, &b);
        /* The peer reads as we do: what it has not read of so little is no more than a socket holds. */
        if (b.overflow || (b.n && write(fd, b.p, b.n) != (ssize_t)b.n))
            return false;
        at += n;
    }
    c->n -= at;
    memmove(c->in, c->in + at, c->n);
    return true;
}

static void run(struct hss *h, int listener)
{
    struct pollfd fds[1 + CLIENTS_MAX] = {{.fd = listener, .events = POLLIN}};
    struct client *clients[CLIENTS_MAX] = {NULL};
    unsigned n = 0;
    while (poll(fds, n + 1, -1) >= 0 || errno == EINTR) {
        for (unsigned i = n; i-- > 0;) {
            if (!fds[1 + i].revents || serve(h, fds[1 + i].fd, clients[i]))
                continue;
            (void)close(fds[1 + i].fd); /* nothing is left to be lost */
            free(clients[i]);
            n--;
            fds[1 + i] = fds[1 + n];
            clients[i] = clients[n];
        }
        int fd = fds[0].revents && n < CLIENTS_MAX ? accept(listener, NULL, NULL) : -1, one = 1;
        if (fd < 0)
            continue;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only slower */
        clients[n] = calloc(1, sizeof(**clients));
        fds[1 + n] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (clients[n])
            n++;
        else
            (void)close(fd);
    }
}

static bool unhex(const char *text, uint8_t ret[AKA_KEY_LEN])
{
    for (unsigned i = 0; i < AKA_KEY_LEN; i++) {
        unsigned v;
        if (sscanf(text + 2 * (size_t)i, "%2x", &v) != 1)
            return false;
        ret[i] = (uint8_t)v;
    }
    return strlen(text) == 2 * (size_t)AKA_KEY_LEN;
}

int main(int argc, char **argv)
{
    struct hss h = {.key = {.amf = {0x80}}};
    struct addr a;
    struct sockaddr_storage ss;
    uint8_t op[AKA_KEY_LEN];
    int one = 1;

    if (argc != 5 || addr_parse(span_str(argv[1]), 3868, &a) != 0 || a.family != AF_INET ||
        !unhex(argv[3], h.key.k) || !unhex(argv[4], op)) {
        (void)fprintf(stderr, "usage: %s ADDRESS:PORT REALM K OP (IPv4; K and OP: 32 hex digits)\n",
                      argv[0]);
        return 2;
    }
    h.host = strtok(argv[1], ":"); /* peers are configured by address, as nothing resolves names */
    h.realm = argv[2];
    (void)addr_to_sockaddr(&a, &ss);
    memcpy(&h.address, &ss, sizeof(h.address));
    if (auth_new(&rnd_system, &h.auth) != 0 || milenage_opc(h.auth, h.key.k, op, h.key.opc) != 0)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; serve sees the error */
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* bind tells */
    if (listener < 0 || bind(listener, (struct sockaddr *)&h.address, sizeof(h.address)) != 0 ||
        listen(listener, CLIENTS_MAX) != 0) {
        perror("hss");
        return 1;
    }
    run(&h, listener);
    return 1;
}
