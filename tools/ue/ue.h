/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ue: a scriptable test phone.
 *
 * Decides   nothing for the network: it is the other side. It shares no protocol code with the
 *           servers but the message parser (common/sip), so that a misunderstanding cannot agree
 *           with itself: AKA (TS 33.102, 35.206), digest (RFC 2617, 3310), security agreement (RFC
 *           3329, TS 33.203), kernel SAs, transactions and RTP are its own.
 * Owns      its sockets, its SA sets in the kernel (removed at exit) and one call at a time.
 * Threads   one, on common/loop.
 * In, out   commands on standard input, one event a line on standard output (tools/ue/ue.1 lists
 *           both).
 * Never     is installed: it may misbehave on request.
 * Tests     tests/unit/tools/ue, tests/integration. */
#ifndef TOOLS_UE_UE_H
#define TOOLS_UE_UE_H

#include "common/base/base.h"
#include "common/loop/loop.h"
#include "common/sip/sip.h"

#define UE_MESSAGE_MAX 8192
#define UE_TEXT_MAX    256
#define UE_ROUTE_MAX   1024

/* ---- aka.c: the card ------------------------------------------------------------------------- */

struct ue_card {
    uint8_t k[16], opc[16];
    uint64_t sqn; /* SQN_MS: the highest accepted (TS 33.102 annex C.2) */
};

enum ue_aka { UE_AKA_OK, UE_AKA_BAD_MAC, UE_AKA_BAD_SQN };

struct ue_vector {
    uint8_t res[8], ck[16], ik[16], auts[14];
};

void ue_card_opc(const uint8_t k[16], const uint8_t op[16], uint8_t ret_opc[16]);
/* TS 33.102 6.3.3: verifies AUTN; RES, CK and IK on success, AUTS when SQN is out of range (6.3.5).
 */
enum ue_aka ue_card_authenticate(struct ue_card *card, const uint8_t rand[16],
                                 const uint8_t autn[16], struct ue_vector *ret_vector);

struct ue_digest {
    const char *username, *realm, *nonce, *uri, *method, *qop, *cnonce, *nc; /* qop NULL = none */
    const void *password;
    size_t password_n;
    struct span body; /* auth-int */
};
/* RFC 2617 3.2.2; 32 lower-case hex digits and NUL. */
void ue_digest_response(const struct ue_digest *d, char ret_hex[33]);

/* ---- xfrm.c: security associations in the kernel --------------------------------------------- */

struct ue_set {
    struct addr ue, pcscf; /* addresses; the ports are below */
    uint16_t port_uc, port_us, port_pc, port_ps;
    uint32_t spi_uc, spi_us, spi_pc, spi_ps;
    char alg[24], ealg[24];
    uint8_t ck[16], ik[16];
    bool installed;
};

/* Four SAs and their policies (TS 33.203 7.1). 0, or a negative errno after everything was taken
 * back. */
int ue_xfrm_install(struct ue_set *set);
void ue_xfrm_remove(struct ue_set *set);
/* One line for Wireshark's esp_sa table per SA, so that a capture can be read. */
void ue_xfrm_write_keys(const struct ue_set *set, const char *file);

/* ---- media.c: RTP ---------------------------------------------------------------------------- */

struct ue_media {
    struct loop *loop;
    int rtp_fd, rtcp_fd;
    struct loop_fd *rtp_watch;
    struct addr local, remote;
    struct loop_timer tick;
    bool sending;
    uint32_t ssrc, timestamp, sent;
    uint16_t sequence;
    uint32_t peer_ssrc, received, lost, wrong; /* wrong: not RTP, not PCMA, or another tone */
    uint16_t peer_next;
};

int ue_media_open(struct ue_media *m, struct loop *l, const struct addr *local_ip);
void ue_media_start(struct ue_media *m, const struct addr *remote);
void ue_media_stop(struct ue_media *m);
void ue_media_close(struct ue_media *m);

/* ---- the phone ------------------------------------------------------------------------------- */

struct ue_options {
    const char *impi, *impu, *realm, *password, *transport, *algorithms, *user_agent, *esp_keys;
    struct addr local, pcscf;
    uint16_t port_us, port_uc, clear_port;
    unsigned expires;
    bool ipsec;
    uint64_t t1;                   /* TS 24.229 table 7.7.1: 2 s at the UE */
    bool bad_verify, bad_response; /* misbehaviour on request */
};

struct ue;

/* A TCP connection. */
struct ue_conn {
    struct list item;
    struct ue *ue;
    int fd;
    struct loop_fd *watch;
    struct sip_framer framer;
    bool outgoing, connected;
    char *pending; /* sent once connected */
    size_t pending_n;
};

/* A client transaction. on_response gets NULL when nobody answered. */
struct ue_request {
    struct list item;
    struct ue *ue;
    char branch[40], method[16];
    char *text;
    size_t text_n;
    bool clear;
    bool provisional;
    struct loop_timer resend, timeout;
    uint64_t interval;
    void (*on_response)(struct ue *ue, struct ue_request *request, const struct sip_msg *response);
    void *ctx;
};

/* The last response sent to a request, for its retransmissions. */
struct ue_reply {
    struct list item;
    char branch[96], method[16];
    char *text;
    size_t text_n;
    struct loop_timer resend, forget;
    struct ue *ue;
    uint64_t interval;
    struct ue_conn *conn; /* NULL = UDP */
};

enum ue_call_state {
    UE_CALL_NONE,
    UE_CALL_OUT, /* INVITE sent */
    UE_CALL_IN,  /* INVITE received, not answered */
    UE_CALL_UP,
    UE_CALL_ENDING, /* BYE or CANCEL sent */
};

enum ue_answer { UE_ANSWER_AUTO, UE_ANSWER_RING, UE_ANSWER_BUSY, UE_ANSWER_REJECT };

struct ue_call {
    enum ue_call_state state;
    char call_id[96], local_tag[24], remote_tag[96], local_uri[UE_TEXT_MAX],
        remote_uri[UE_TEXT_MAX];
    char target[UE_TEXT_MAX], routes[UE_ROUTE_MAX];
    uint32_t cseq, invite_cseq;
    char invite_branch[40];
    struct sip_msg *invite; /* incoming, while it is not answered */
    struct ue_conn *invite_conn;
    struct ue_media media;
    bool media_open, cancel_wanted;
    struct loop_timer hang_up, ring;
    unsigned talk_seconds;  /* 0 = until told */
    unsigned fraud_packets; /* sent after BYE, on request */
};

struct ue {
    struct loop *loop;
    struct ue_options options;
    struct ue_card card;
    struct list requests, replies, conns;
    int clear_fd, clear_listen_fd, server_fd, listen_fd, client_fd;
    struct loop_fd *clear_watch, *clear_listen_watch, *server_watch, *listen_watch, *client_watch;
    struct ue_set set, next; /* in use; being negotiated */
    bool protected, registered;
    char reg_call_id[96], reg_tag[24];
    uint32_t reg_cseq;
    unsigned reg_challenges, reg_offers, reg_expires;
    char security_server[1024]; /* what Security-Verify repeats */
    char service_route[UE_ROUTE_MAX];
    char nonce[256], opaque[128], qop[16], algorithm[24];
    unsigned nonce_count;
    bool have_vector;
    struct ue_vector vector;
    struct loop_timer refresh;
    struct ue_call call;
    enum ue_answer answer;
    bool quitting;
};

/* One event line: "NAME key=value ...". */
void ue_event(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* wire.c: sockets. clear = the unprotected port. */
int ue_wire_open(struct ue *ue);
void ue_wire_close(struct ue *ue);
/* (Re)opens the client port for a new SA set. */
int ue_wire_open_client(struct ue *ue, uint16_t port_uc);
/* conn: answer on that connection; NULL = as the transport option says. */
int ue_wire_send(struct ue *ue, bool clear, struct ue_conn *conn, struct span text);
/* A new SA set: nothing more is sent on the old one's connections. */
void ue_wire_retire_connections(struct ue *ue);

/* transaction.c */
/* Sends the text (its top Via carries `branch`) and calls back once per response. Takes nothing;
 * copies. */
int ue_request_send(struct ue *ue, bool clear, const char *branch, const char *method,
                    struct span text,
                    void (*on_response)(struct ue *ue, struct ue_request *r,
                                        const struct sip_msg *response),
                    void *ctx);
void ue_reply_send(struct ue *ue, const struct sip_msg *request, struct ue_conn *conn,
                   unsigned status, const char *to_tag, struct span extra, struct span body);
/* Everything that arrives. */
void ue_on_message(struct ue *ue, struct ue_conn *conn, struct span text);
void ue_transactions_fini(struct ue *ue);
void ue_new_token(char *dst, size_t n); /* n characters and NUL */

/* register.c */
void ue_register(struct ue *ue, unsigned expires);
/* Common header lines of a request in the protected state: Via, Max-Forwards, Security-Verify ...
 */
void ue_put_common(struct ue *ue, struct buf *b, bool clear, const char *branch, bool security);
void ue_put_contact_uri(const struct ue *ue, struct buf *b);
/* Credentials for a digest challenge; empty without one. */
void ue_put_authorization(struct ue *ue, struct buf *b, const char *method, const char *uri,
                          struct span body);

/* call.c */
void ue_call_start(struct ue *ue, const char *uri, unsigned seconds);
void ue_call_answer(struct ue *ue, unsigned status);
void ue_call_hang_up(struct ue *ue);
void ue_call_message(struct ue *ue, const char *uri, const char *text);
/* A request from the network that is not a retransmission. */
void ue_call_on_request(struct ue *ue, const struct sip_msg *m, struct ue_conn *conn);
void ue_call_fini(struct ue *ue);

#endif
