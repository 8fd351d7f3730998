/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/secagree: security mechanism agreement with the phone, ipsec-3gpp only.
 *
 * Decides   which of the phone's alternatives is taken, from our own ordered list (TS 33.203 7.2,
 *           annex H; RFC 3329), what Security-Server says, whether Security-Verify and the second
 *           Security-Client are what they must be, and the ESP keys from CK and IK (annex I).
 * Owns      nothing. Spans and texts are the caller's.
 * Threads   any.
 * In, out   messages in; values, header text and refusals out.
 * Errors    -EBADMSG with a struct secagree_refusal; -EMSGSIZE.
 * Never     keeps anything from one call to the next; logs.
 * Tests     tests/unit/pcscf/secagree, tests/fuzz. */
#ifndef PCSCF_SECAGREE_SECAGREE_H
#define PCSCF_SECAGREE_SECAGREE_H

#include "common/sip/sip.h"
#include "pcscf/ipsec/ipsec.h"

#define SECAGREE_PAIRS_MAX  8
#define SECAGREE_TEXT_MAX   4096 /* octets of Security-Client as kept; Security-Server is shorter */
#define SECAGREE_SERVER_MAX 1280 /* octets of Security-Server */

/* Our list, most wanted first. */
struct secagree_policy {
    struct ipsec_pair pairs[SECAGREE_PAIRS_MAX];
    unsigned n;
};

/* The default list: aes-gcm, sha-1 with aes-cbc, aes-gmac, sha-1 with null; with `legacy`, behind
 * them, des-ede3-cbc and hmac-md5-96. Pairs the kernel has not (bits of struct ipsec_health) are
 * left out. */
struct secagree_policy secagree_policy_default(bool legacy, unsigned algs, unsigned ealgs);

/* Spi and ports as the sender of the header receives on them, host order. */
struct secagree_ends {
    uint32_t spi_c, spi_s;
    uint16_t port_c, port_s;
};

struct secagree_choice {
    struct ipsec_pair pair;
    struct secagree_ends phone; /* spi_uc, spi_us, port_uc, port_us */
};

/* How a request is refused. `extra` are header lines with CRLF that the answer must carry. */
struct secagree_refusal {
    struct sip_reject reject; /* 400, 421, 494 or 403 */
    /* Require: sec-agree and Security-Server (RFC 3329 2.3.1); "" = none. */
    char extra[SECAGREE_SERVER_MAX + 64];
};

/* Whether the request offers security agreement at all (Security-Client with any mechanism of
 * signalling; media security mechanisms do not count). */
bool secagree_is_offered(const struct sip_msg *request);

/* Chooses for a REGISTER that will be challenged: the first pair of our list that the phone offers
 * with esp, trans; its q does not count (TS 33.203 7.2). -EBADMSG: without a Security-Client 421, or
 * 494 when the request names sec-agree; 400 for one that is broken (a parameter missing or twice, no
 * number, SPI below 256 or above 2^32-1, both SPIs alike, port 0, 5060, 5061 or above 65535); 494
 * when no mechanism or no algorithm is ours. */
int secagree_choose(const struct sip_msg *request, const struct secagree_policy *policy,
                    struct secagree_choice *ret_choice, struct secagree_refusal *ret_refusal);

/* All values of Security-Client on one line, to be kept for the second REGISTER. -EMSGSIZE. */
int secagree_client_text(const struct sip_msg *request, struct buf *out);

/* The value of Security-Server for a 401: the chosen pair with the highest q, then the rest of our
 * list in its order (TS 33.203 7.2: the whole list, against bidding down), each with our SPIs and
 * ports. Keep it: Security-Verify is compared with it. -EMSGSIZE. */
int secagree_server_text(const struct secagree_policy *policy, const struct ipsec_pair *chosen,
                         const struct secagree_ends *ours, struct buf *out);

/* A protected request must show our Security-Server in Security-Verify (RFC 3329 2.3.1, TS 33.203
 * 7.2), a second REGISTER also the Security-Client of the first one. Compared by meaning: order of
 * alternatives and parameters, white space, case, leading zeros, q=0.1 or 0.100, folding, lines
 * and parameters at their default do not count; anything added, missing or altered does. Media
 * security mechanisms are left out. -EBADMSG: 494 with the list for Security-Verify, 403 for
 * Security-Client, 400 for more than 40 alternatives or 16 parameters in one. */
int secagree_check_verify(const struct sip_msg *request, struct span server_text,
                          struct secagree_refusal *ret_refusal);
int secagree_check_client(const struct sip_msg *request, struct span client_text,
                          struct secagree_refusal *ret_refusal);

/* Before a message goes to the core: what was agreed for this hop (Security-Client, -Verify, -Server,
 * sec-agree in Require and Proxy-Require) does not (TS 24.229 5.2.2). Supported keeps its sec-agree. */
void secagree_strip(struct sip_edit *e);

/* TS 33.203 annex I. ck, ik: 16 octets each. */
void secagree_keys(struct ipsec_pair pair, const uint8_t ck[16], const uint8_t ik[16],
                   struct ipsec_keys *ret_keys);

#endif
