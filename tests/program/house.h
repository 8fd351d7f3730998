/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/program/house: all four daemons on a loopback network of their own, P-CSCF without IPsec. */
#ifndef TESTS_PROGRAM_HOUSE_H
#define TESTS_PROGRAM_HOUSE_H

#include "tests/support/program.h"

/* Last octet of the addresses. */
enum { GM = 10, MW = 11, SCSCF = 20, PDP = 30, EDGE = 35, PHONE = 101 };

#define HOUSE_REALM "ims.mnc001.mcc001.3gppnetwork.org"

extern struct program pcscf, scscf, pdp, edge;

void house_open(void);
/* The P-CSCF again, after its end, with the PDP at this address. */
void house_start_pcscf(unsigned pdp_host);
/* Each ends in order, without a report of a sanitizer. */
void house_close(void);

/* Do all four still serve? A phone's REGISTER is challenged (through P-CSCF and S-CSCF), the edge answers
 * ping, all answer status. */
bool house_serves(void);

/* What must be again as it was: open files, transactions, connections, phones, sessions. */
struct house_level {
    int64_t files[4], transactions[2], connections[2], phones, legs, sessions;
};
struct house_level house_level(void);
/* Waits until nothing is above `before`; prints what still is. */
bool house_settles(const struct house_level *before);

/* A REGISTER of a phone that nobody knows; n makes its transaction. */
size_t house_register(char *text, size_t cap, const char *transport, unsigned n);

#endif
