/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What strongSwan's headers want to know of Debian's build of it (5.9.8). ME changes the layout of
 * daemon_t: Debian configures --enable-mediation. The rest selects inline helpers only. */
#ifndef PCSCF_IPSEC_CHARON_STRONGSWAN_CONFIG_H
#define PCSCF_IPSEC_CHARON_STRONGSWAN_CONFIG_H

#define CONFIG_H_INCLUDED
#define ME
#define HAVE_PRINTF_SPECIFIER
#define HAVE_EXPLICIT_BZERO 1
#define HAVE_CLOSEFROM      1
#define HAVE_SIGWAITINFO    1
#define HAVE_CLOCK_GETTIME  1
#define HAVE_CONDATTR_CLOCK_MONOTONIC
#define HAVE_FMEMOPEN 1
#define HAVE_MEMRCHR  1
#define HAVE_INT128
#define HAVE_GCC_SYNC_OPERATIONS
#define HAVE_ALLOCA_H    1
#define HAVE_STDBOOL_H   1
#define HAVE__BOOL       1
#define HAVE_SYS_PARAM_H 1

#endif
