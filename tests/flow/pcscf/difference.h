/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message and what becomes of it, written as a difference: ' ' goes through as it came, '-' is taken
 * away, '+' is put in, where '*' stands for characters of our choice (branch, icid, binding). '?' is the
 * length of the body, '$' and '^' what difference_path and difference_via hold. */
#ifndef TESTS_FLOW_PCSCF_DIFFERENCE_H
#define TESTS_FLOW_PCSCF_DIFFERENCE_H

#include "tests/flow/pcscf/world.h"

struct message {
    const char *name, *difference;
};

extern char difference_path[200]; /* the Path to the phone */
extern char difference_via[200];  /* value of the Via the P-CSCF has put in */

/* What came, and lets it arrive. */
void difference_say(const struct message *m, struct peer *from, const struct addr *to);
/* What went on must be that; got may be NULL. */
void difference_check(const struct message *m, const char *got);

/* What alice shows of what she was sent: the list of the P-CSCF, with a place to fold it. */
#define SECURITY_OFFER(q, algorithms)                                                              \
    "ipsec-3gpp;q=" q                                                                              \
    ";prot=esp;mod=trans;spi-c=4096;spi-s=4097;port-c=5063;port-s=5062;" algorithms
#define SECURITY_VERIFY(fold)                                                                      \
    SECURITY_OFFER("0.9", "alg=hmac-sha-1-96;ealg=aes-cbc")                                        \
    "," fold SECURITY_OFFER("0.8", "alg=null;ealg=aes-gcm") "," fold SECURITY_OFFER(               \
        "0.7", "alg=aes-gmac;ealg=null") "," fold SECURITY_OFFER("0.6", "alg=hmac-sha-1-96")

/* What a P-CSCF puts in. */
#define OWN_VIA      "+Via: SIP/2.0/UDP 192.0.2.11:5070;branch=z9hG4bK*\n"
#define RECORD_ROUTE "+Record-Route: <sip:*@192.0.2.11:5070;lr>, <sip:*@192.0.2.10:5062;lr>\n"
#define ASSERTED     "+P-Asserted-Identity: <sip:alice@" DOMAIN ">\n"
#define VECTOR                                                                                     \
    "+P-Charging-Vector: icid-value=\"*\";icid-generated-at=192.0.2.11;orig-ioi=\"Type 1" DOMAIN   \
    "\"\n"

#endif
