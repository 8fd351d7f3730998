/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/identity: who a phone is allowed to say it is, and what may cross the trust boundary.
 *
 * Decides   P-Asserted-Identity from the registered identities and P-Preferred-Identity (RFC 3325
 *           9.1, TS 24.229 5.2.6.3.3, 5.2.6.4.4); which header fields a phone may not send and may
 *           not see (TS 24.229 4.4, 5.2.6).
 * Owns      nothing; a struct identities is a value of its registration.
 * Threads   any one at a time.
 * In, out   a parsed message and an edit of it; the From header is never consulted.
 * Never     sends, looks up registrations.
 * Tests     tests/unit/pcscf/identity. */
#ifndef PCSCF_IDENTITY_IDENTITY_H
#define PCSCF_IDENTITY_IDENTITY_H

#include "common/sip/sip.h"

#define IDENTITY_MAX      16
#define IDENTITY_TEXT_MAX 256

/* The public user identities of one registration, the default one first (order of
 * P-Associated-URI). */
struct identities {
    unsigned n;
    char uri[IDENTITY_MAX][IDENTITY_TEXT_MAX];
};

/* From the P-Associated-URI of the 200 (OK) to REGISTER; without one, the registered identity alone
 * (`fallback`). URIs that are too long or beyond IDENTITY_MAX are left out and counted in
 * *ret_dropped. */
void identity_learn(const struct sip_msg *response, struct span fallback,
                    struct identities *ret_ids, unsigned *ret_dropped);
/* Index of the identity equal to the URI (RFC 3261 19.1.4, RFC 3966 5), or -1. */
int identity_find(const struct identities *ids, struct span uri);

/* A request from a phone: P-Asserted-Identity becomes the registered identity that
 * P-Preferred-Identity asks for, else the default one; what the phone may not say goes.
 * *ret_asserted is the identity (not the header), valid as long as ids. Memory for texts comes from
 * the message's arena. -ENOENT without any identity. */
int identity_assert_request(const struct identities *ids, struct sip_msg *m, struct sip_edit *e,
                            struct span *ret_asserted);
/* A response from a phone: the identity that was called (P-Called-Party-ID of the request; may be
 * empty), or the one P-Preferred-Identity asks for. */
int identity_assert_response(const struct identities *ids, struct span called, struct sip_msg *m,
                             struct sip_edit *e);
/* Whatever else comes from a phone (REGISTER, ACK): what the phone may not say goes, nothing is put in
 * its place. */
void identity_distrust(struct sip_msg *m, struct sip_edit *e);
/* A message to a phone: what is for the network alone goes; P-Asserted-Identity too when Privacy
 * asks for `id`, History-Info for `history`, `header` or `session`. */
void identity_hide_from_phone(struct sip_msg *m, struct sip_edit *e);

#endif
