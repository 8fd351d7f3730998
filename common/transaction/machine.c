/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/transaction/machine.h"

/* Every event of every state is a row or refused in so many words: dropped and counted. */
#define ROW(do_, next_)                                                                            \
    {                                                                                              \
        TX_ROW, (do_), TX_##next_                                                                  \
    }
#define REFUSE                                                                                     \
    {                                                                                              \
        TX_REFUSED, 0, 0                                                                           \
    }

/* clang-format off */

/* Events a machine never sees: a client gets no requests, a server no responses. */
#define NO_SERVER_EVENTS                                                                           \
    [TX_EV_REQUEST] = REFUSE, [TX_EV_ACK] = REFUSE, [TX_EV_SEND_1XX] = REFUSE,                     \
    [TX_EV_SEND_2XX] = REFUSE, [TX_EV_SEND_FAILURE] = REFUSE
#define NO_CLIENT_EVENTS                                                                           \
    [TX_EV_1XX] = REFUSE, [TX_EV_2XX] = REFUSE, [TX_EV_FAILURE] = REFUSE, [TX_EV_LOST] = REFUSE
#define NO_EVENTS                                                                                  \
    NO_SERVER_EVENTS, NO_CLIENT_EVENTS, [TX_EV_TICK] = REFUSE, [TX_EV_END] = REFUSE,               \
    [TX_EV_ERROR] = REFUSE
#define NO_STATE {NO_EVENTS}

const struct tx_row tx_rows[TX_MACHINES][TX_STATES][TX_EVENTS] = {
    [TX_ICT] = {
        [TX_CALLING] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = ROW(TX_DO_TELL, PROCEEDING),
            [TX_EV_2XX]     = ROW(TX_DO_TELL, ACCEPTED),
            [TX_EV_FAILURE] = ROW(TX_DO_ACK | TX_DO_TELL, COMPLETED),
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = ROW(TX_DO_RESEND, CALLING),      /* A */
            [TX_EV_END]     = ROW(TX_DO_TIMED_OUT, TERMINATED), /* B */
            [TX_EV_ERROR]   = ROW(TX_DO_FAILED, TERMINATED),
        },
        [TX_PROCEEDING] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = ROW(TX_DO_TELL, PROCEEDING),
            [TX_EV_2XX]     = ROW(TX_DO_TELL, ACCEPTED),
            [TX_EV_FAILURE] = ROW(TX_DO_ACK | TX_DO_TELL, COMPLETED),
            [TX_EV_LOST]    = ROW(TX_DO_TIMED_OUT, TERMINATED),
            [TX_EV_TICK]    = REFUSE,
            [TX_EV_END]     = ROW(TX_DO_GIVE_UP, PROCEEDING), /* C, 16.8 */
            [TX_EV_ERROR]   = REFUSE, /* nothing is sent in this state */
        },
        [TX_ACCEPTED] = { /* RFC 6026 7.2 */
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = REFUSE,
            [TX_EV_2XX]     = ROW(TX_DO_TELL, ACCEPTED),
            [TX_EV_FAILURE] = REFUSE,
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = REFUSE,
            [TX_EV_END]     = ROW(0, TERMINATED), /* M */
            [TX_EV_ERROR]   = REFUSE,
        },
        [TX_COMPLETED] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = REFUSE,
            [TX_EV_2XX]     = REFUSE,
            [TX_EV_FAILURE] = ROW(TX_DO_ACK, COMPLETED),
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = REFUSE,
            [TX_EV_END]     = ROW(0, TERMINATED), /* D */
            [TX_EV_ERROR]   = ROW(0, TERMINATED), /* the ACK; the role has its answer */
        },
        [TX_TRYING] = NO_STATE, [TX_CONFIRMED] = NO_STATE, [TX_TERMINATED] = NO_STATE,
    },
    [TX_NICT] = {
        [TX_TRYING] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = ROW(TX_DO_TELL, PROCEEDING),
            [TX_EV_2XX]     = ROW(TX_DO_TELL, COMPLETED),
            [TX_EV_FAILURE] = ROW(TX_DO_TELL, COMPLETED),
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = ROW(TX_DO_RESEND, TRYING),       /* E */
            [TX_EV_END]     = ROW(TX_DO_TIMED_OUT, TERMINATED), /* F */
            [TX_EV_ERROR]   = ROW(TX_DO_FAILED, TERMINATED),
        },
        [TX_PROCEEDING] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = ROW(TX_DO_TELL, PROCEEDING),
            [TX_EV_2XX]     = ROW(TX_DO_TELL, COMPLETED),
            [TX_EV_FAILURE] = ROW(TX_DO_TELL, COMPLETED),
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = ROW(TX_DO_RESEND, PROCEEDING),
            [TX_EV_END]     = ROW(TX_DO_TIMED_OUT, TERMINATED),
            [TX_EV_ERROR]   = ROW(TX_DO_FAILED, TERMINATED),
        },
        [TX_COMPLETED] = {
            NO_SERVER_EVENTS,
            [TX_EV_1XX]     = ROW(0, COMPLETED), /* absorbed */
            [TX_EV_2XX]     = ROW(0, COMPLETED),
            [TX_EV_FAILURE] = ROW(0, COMPLETED),
            [TX_EV_LOST]    = REFUSE,
            [TX_EV_TICK]    = REFUSE,
            [TX_EV_END]     = ROW(0, TERMINATED), /* K */
            [TX_EV_ERROR]   = REFUSE,
        },
        [TX_CALLING] = NO_STATE, [TX_ACCEPTED] = NO_STATE, [TX_CONFIRMED] = NO_STATE,
        [TX_TERMINATED] = NO_STATE,
    },
    [TX_IST] = {
        /* RFC 6026 7.1: a transport error never ends an INVITE server transaction. */
        [TX_PROCEEDING] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(TX_DO_RESEND, PROCEEDING),
            [TX_EV_ACK]          = REFUSE,
            [TX_EV_SEND_1XX]     = ROW(TX_DO_SEND, PROCEEDING),
            [TX_EV_SEND_2XX]     = ROW(TX_DO_SEND, ACCEPTED),
            [TX_EV_SEND_FAILURE] = ROW(TX_DO_SEND, COMPLETED),
            [TX_EV_TICK]         = ROW(TX_DO_TRYING, PROCEEDING),
            [TX_EV_END]          = REFUSE, /* the role must answer; a proxy has timer C */
            [TX_EV_ERROR]        = ROW(TX_DO_FAILED, PROCEEDING),
        },
        [TX_ACCEPTED] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(0, ACCEPTED),
            [TX_EV_ACK]          = ROW(TX_DO_TELL, ACCEPTED),
            [TX_EV_SEND_1XX]     = REFUSE,
            [TX_EV_SEND_2XX]     = ROW(TX_DO_SEND, ACCEPTED),
            [TX_EV_SEND_FAILURE] = REFUSE,
            [TX_EV_TICK]         = REFUSE,
            [TX_EV_END]          = ROW(0, TERMINATED), /* L */
            [TX_EV_ERROR]        = ROW(TX_DO_FAILED, ACCEPTED),
        },
        [TX_COMPLETED] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(TX_DO_RESEND, COMPLETED),
            [TX_EV_ACK]          = ROW(0, CONFIRMED),
            [TX_EV_SEND_1XX]     = REFUSE,
            [TX_EV_SEND_2XX]     = REFUSE,
            [TX_EV_SEND_FAILURE] = REFUSE,
            [TX_EV_TICK]         = ROW(TX_DO_RESEND, COMPLETED),     /* G */
            [TX_EV_END]          = ROW(TX_DO_TIMED_OUT, TERMINATED), /* H */
            [TX_EV_ERROR]        = ROW(TX_DO_FAILED, COMPLETED),
        },
        [TX_CONFIRMED] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(0, CONFIRMED),
            [TX_EV_ACK]          = ROW(0, CONFIRMED),
            [TX_EV_SEND_1XX]     = REFUSE,
            [TX_EV_SEND_2XX]     = REFUSE,
            [TX_EV_SEND_FAILURE] = REFUSE,
            [TX_EV_TICK]         = REFUSE,
            [TX_EV_END]          = ROW(0, TERMINATED), /* I */
            [TX_EV_ERROR]        = REFUSE,
        },
        [TX_CALLING] = NO_STATE, [TX_TRYING] = NO_STATE, [TX_TERMINATED] = NO_STATE,
    },
    [TX_NIST] = {
        [TX_TRYING] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(0, TRYING),
            [TX_EV_ACK]          = REFUSE,
            [TX_EV_SEND_1XX]     = ROW(TX_DO_SEND, PROCEEDING),
            [TX_EV_SEND_2XX]     = ROW(TX_DO_SEND, COMPLETED),
            [TX_EV_SEND_FAILURE] = ROW(TX_DO_SEND, COMPLETED),
            [TX_EV_TICK]         = ROW(TX_DO_TRYING, PROCEEDING),    /* RFC 4320 4.1 */
            [TX_EV_END]          = ROW(TX_DO_TIMED_OUT, TERMINATED), /* RFC 4320 4.2 */
            [TX_EV_ERROR]        = REFUSE,
        },
        [TX_PROCEEDING] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(TX_DO_RESEND, PROCEEDING),
            [TX_EV_ACK]          = REFUSE,
            [TX_EV_SEND_1XX]     = ROW(TX_DO_SEND, PROCEEDING),
            [TX_EV_SEND_2XX]     = ROW(TX_DO_SEND, COMPLETED),
            [TX_EV_SEND_FAILURE] = ROW(TX_DO_SEND, COMPLETED),
            [TX_EV_TICK]         = REFUSE,
            [TX_EV_END]          = ROW(TX_DO_TIMED_OUT, TERMINATED),
            [TX_EV_ERROR]        = ROW(TX_DO_FAILED, TERMINATED),
        },
        [TX_COMPLETED] = {
            NO_CLIENT_EVENTS,
            [TX_EV_REQUEST]      = ROW(TX_DO_RESEND, COMPLETED),
            [TX_EV_ACK]          = REFUSE,
            [TX_EV_SEND_1XX]     = REFUSE,
            [TX_EV_SEND_2XX]     = REFUSE,
            [TX_EV_SEND_FAILURE] = REFUSE,
            [TX_EV_TICK]         = REFUSE,
            [TX_EV_END]          = ROW(0, TERMINATED), /* J */
            [TX_EV_ERROR]        = ROW(TX_DO_FAILED, TERMINATED),
        },
        [TX_CALLING] = NO_STATE, [TX_ACCEPTED] = NO_STATE, [TX_CONFIRMED] = NO_STATE,
        [TX_TERMINATED] = NO_STATE,
    },
};

const struct tx_timing tx_timings[TX_MACHINES][TX_STATES] = {
    [TX_ICT] = {
        [TX_CALLING]    = {TX_TICK_DOUBLE, TX_END_64T1},     /* A, B */
        [TX_PROCEEDING] = {TX_TICK_NONE, TX_END_C},          /* C */
        [TX_ACCEPTED]   = {TX_TICK_NONE, TX_END_64T1},       /* M */
        [TX_COMPLETED]  = {TX_TICK_NONE, TX_END_64T1_UDP},   /* D: at least 32 s */
    },
    [TX_NICT] = {
        [TX_TRYING]     = {TX_TICK_TO_T2, TX_END_64T1},      /* E, F */
        [TX_PROCEEDING] = {TX_TICK_T2, TX_END_KEEP},         /* E, F */
        [TX_COMPLETED]  = {TX_TICK_NONE, TX_END_T4_UDP},     /* K */
    },
    [TX_IST] = {
        [TX_PROCEEDING] = {TX_TICK_200MS, TX_END_NONE},
        [TX_ACCEPTED]   = {TX_TICK_NONE, TX_END_64T1},       /* L */
        [TX_COMPLETED]  = {TX_TICK_TO_T2, TX_END_64T1},      /* G, H */
        [TX_CONFIRMED]  = {TX_TICK_NONE, TX_END_T4_UDP},     /* I */
    },
    [TX_NIST] = {
        [TX_TRYING]     = {TX_TICK_7T1, TX_END_64T1},
        [TX_PROCEEDING] = {TX_TICK_NONE, TX_END_KEEP},
        [TX_COMPLETED]  = {TX_TICK_NONE, TX_END_64T1_UDP},   /* J */
    },
};

/* RFC 3261 table 4; TS 24.229 table 7.7.1, the column for the P-CSCF towards the UE. */
const struct tx_times tx_times_of[2] = {
    [SIP_TIMERS_RFC] = {500 * MSEC, 4 * SEC, 5 * SEC},
    [SIP_TIMERS_UE]  = {2 * SEC, 16 * SEC, 17 * SEC},
};
/* clang-format on */

enum tx_state tx_first_state(enum tx_machine machine)
{
    static const uint8_t first[TX_MACHINES] = {TX_CALLING, TX_TRYING, TX_PROCEEDING, TX_TRYING};

    return first[machine];
}
