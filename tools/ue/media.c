/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTP (RFC 3550) with PCMA silence-free payload: sequence, source and content of what arrives are
 * checked. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tools/ue/ue.h"

#define RTP_HEADER 12u
#define RTP_FRAME  160u /* 20 ms of PCMA */
#define RTP_PCMA   8u

/* The payload names its own place in the stream, so that a mixed-up relay shows. */
static void payload_fill(uint8_t *p, uint32_t ssrc, uint16_t sequence)
{
    for (unsigned i = 0; i < RTP_FRAME; i++)
        p[i] = (uint8_t)(ssrc >> 8 * (i & 3)) ^ (uint8_t)sequence ^ (uint8_t)i;
}

static void on_packet(struct ue_media *m, const uint8_t *p, size_t n)
{
    uint8_t want[RTP_FRAME];
    uint16_t sequence;
    uint32_t ssrc;

    if (n != RTP_HEADER + RTP_FRAME || p[0] != 0x80 || (p[1] & 0x7f) != RTP_PCMA) {
        m->wrong++;
        return;
    }
    sequence = (uint16_t)(p[2] << 8 | p[3]);
    ssrc = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
    payload_fill(want, ssrc, sequence);
    if ((m->received && ssrc != m->peer_ssrc) || memcmp(want, p + RTP_HEADER, RTP_FRAME) != 0) {
        m->wrong++;
        return;
    }
    if (m->received)
        m->lost += (uint16_t)(sequence - m->peer_next);
    m->peer_ssrc = ssrc;
    m->peer_next = (uint16_t)(sequence + 1);
    m->received++;
}

static void on_readable(struct loop_fd *w, unsigned events, void *ctx)
{
    struct ue_media *m = ctx;
    uint8_t packet[2048];
    ssize_t n;

    (void)w;
    (void)events;
    while ((n = recv(m->rtp_fd, packet, sizeof(packet), 0)) >= 0)
        on_packet(m, packet, (size_t)n);
}

static void on_tick(struct loop_timer *t, void *ctx)
{
    struct ue_media *m = ctx;
    uint8_t p[RTP_HEADER + RTP_FRAME] = {0x80, RTP_PCMA};
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(&m->remote, &ss);

    if (m->sent == 0)
        p[1] |= 0x80; /* marker: a talk spurt begins */
    p[2] = (uint8_t)(m->sequence >> 8);
    p[3] = (uint8_t)m->sequence;
    for (int i = 0; i < 4; i++) {
        p[4 + i] = (uint8_t)(m->timestamp >> 8 * (3 - i));
        p[8 + i] = (uint8_t)(m->ssrc >> 8 * (3 - i));
    }
    payload_fill(p + RTP_HEADER, m->ssrc, m->sequence);
    (void)sendto(m->rtp_fd, p, sizeof(p), 0, (struct sockaddr *)&ss,
                 n); /* loss shows at the peer */
    m->sent++;
    m->sequence++;
    m->timestamp += RTP_FRAME;
    loop_timer_start(m->loop, t, 20 * MSEC);
}

static int open_port(const struct addr *local)
{
    int fd = socket(local->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(local, &ss);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&ss, n) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int ue_media_open(struct ue_media *m, struct loop *l, const struct addr *local_ip)
{
    uint16_t first = (uint16_t)(20000 + 2 * rnd_below(&rnd_system, 5000));

    *m = (struct ue_media){.loop = l, .rtp_fd = -1, .rtcp_fd = -1, .local = *local_ip};
    loop_timer_init(&m->tick, on_tick, m);
    m->ssrc = (uint32_t)rnd_u64(&rnd_system);
    for (unsigned i = 0; i < 1000 && m->rtcp_fd < 0; i++) {
        struct addr rtcp;

        m->local.port = (uint16_t)(first + 2 * i);
        rtcp = m->local;
        rtcp.port++;
        m->rtp_fd = open_port(&m->local);
        m->rtcp_fd = m->rtp_fd >= 0 ? open_port(&rtcp) : -1;
        if (m->rtcp_fd < 0 && m->rtp_fd >= 0)
            close(m->rtp_fd);
    }
    if (m->rtcp_fd < 0)
        return -EADDRINUSE;
    return loop_fd_watch(l, m->rtp_fd, LOOP_READ, on_readable, m, &m->rtp_watch);
}

void ue_media_start(struct ue_media *m, const struct addr *remote)
{
    m->remote = *remote;
    if (!m->sending)
        loop_timer_start(m->loop, &m->tick, 20 * MSEC);
    m->sending = true;
}

void ue_media_stop(struct ue_media *m)
{
    m->sending = false;
    loop_timer_stop(m->loop, &m->tick);
}

void ue_media_close(struct ue_media *m)
{
    ue_media_stop(m);
    if (m->rtp_watch)
        loop_fd_unwatch(m->rtp_watch);
    if (m->rtcp_fd >= 0) {
        close(m->rtp_fd);
        close(m->rtcp_fd);
    }
    m->rtp_watch = NULL;
    m->rtp_fd = m->rtcp_fd = -1;
}
