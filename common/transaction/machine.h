/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/transaction, inside: the four machines as tables. Pure: (machine, state, event) to what is
 * to be done and the next state; (machine, state) to the timers that run there. */
#ifndef COMMON_TRANSACTION_MACHINE_H
#define COMMON_TRANSACTION_MACHINE_H

#include "common/transport/transport.h"

/* clang-format off */
enum tx_machine {
    TX_ICT,  /* INVITE client, RFC 3261 17.1.1 with RFC 6026 8.4 */
    TX_NICT, /* non-INVITE client, 17.1.2 */
    TX_IST,  /* INVITE server, 17.2.1 with RFC 6026 8.5 */
    TX_NIST, /* non-INVITE server, 17.2.2 with RFC 4320 4 */
    TX_MACHINES,
};

enum tx_state {
    TX_CALLING, TX_TRYING, TX_PROCEEDING, TX_ACCEPTED, TX_COMPLETED, TX_CONFIRMED, TX_TERMINATED,
    TX_STATES,
};

enum tx_event {
    TX_EV_1XX, TX_EV_2XX, TX_EV_FAILURE, /* a response came: 100-199, 200-299, 300-699 */
    TX_EV_LOST,                          /* no final response to a cancelled INVITE (9.1) */
    TX_EV_REQUEST, TX_EV_ACK,            /* the request came again; its ACK came */
    TX_EV_SEND_1XX, TX_EV_SEND_2XX, TX_EV_SEND_FAILURE, /* the role answers */
    TX_EV_TICK,                          /* timers A, E, G, and the wait for 100 Trying */
    TX_EV_END,                           /* timers B, C, D, F, H, I, J, K, L, M */
    TX_EV_ERROR,                         /* it could not be sent */
    TX_EVENTS,
};

enum {
    TX_DO_TELL = 1,       /* the response, or the ACK, goes to the role */
    TX_DO_SEND = 2,       /* the role's response goes to the wire */
    TX_DO_RESEND = 4,     /* the last message goes to the wire again */
    TX_DO_ACK = 8,        /* acknowledge the failure, 17.1.1.3 */
    TX_DO_TRYING = 16,    /* 100 Trying */
    TX_DO_TIMED_OUT = 32, /* nobody answered, nobody acknowledged */
    TX_DO_FAILED = 64,    /* told that it could not be sent */
    TX_DO_GIVE_UP = 128,  /* timer C: cancel the INVITE */
};
/* clang-format on */

enum tx_kind { TX_UNLISTED, TX_ROW, TX_REFUSED };

struct tx_row {
    uint8_t kind; /* enum tx_kind */
    uint8_t actions;
    uint8_t next; /* enum tx_state */
};

/* How the tick timer runs in a state. */
enum tx_tick {
    TX_TICK_NONE,
    TX_TICK_KEEP,   /* as in the state before */
    TX_TICK_DOUBLE, /* T1, 2*T1, 4*T1 ... (timer A); unreliable transport only */
    TX_TICK_TO_T2,  /* the same, up to T2 (E, G); unreliable only */
    TX_TICK_T2,     /* every T2 (E while proceeding); unreliable only */
    TX_TICK_200MS,  /* once: 100 to an INVITE, 17.2.1 */
    TX_TICK_7T1,    /* once: 100 to another request, when E has reached T2 (RFC 4320 4.1) */
};

/* How long a state may last. */
enum tx_end {
    TX_END_NONE,
    TX_END_KEEP, /* as in the state before */
    TX_END_64T1,
    TX_END_64T1_UDP, /* 64*T1, with reliable transport at once (D, J) */
    TX_END_T4_UDP,   /* T4, with reliable transport at once (I, K) */
    TX_END_C,
};

struct tx_timing {
    uint8_t tick; /* enum tx_tick */
    uint8_t end;  /* enum tx_end */
};

extern const struct tx_row tx_rows[TX_MACHINES][TX_STATES][TX_EVENTS];
extern const struct tx_timing tx_timings[TX_MACHINES][TX_STATES];

enum tx_state tx_first_state(enum tx_machine machine);

struct tx_times {
    uint64_t T1, T2, T4;
};
extern const struct tx_times tx_times_of[2]; /* by enum sip_timer_profile */

#endif
