/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/subscribers: who our subscribers are, what they may do and how they prove who they are.
 *
 * Decides   which identities belong together (implicit set, TS 23.228 4.3.3.4), the next sequence
 *           number of each card.
 * Owns      every subscriber, in memory by IMPI and by IMPU, and their rows in SQLite; a borrowed
 *           subscriber is valid in this turn of the loop only.
 * Threads   the loop's.
 * In, out   look-ups answer from memory at once; changes are on the disk before their done.
 * Errors    negative errno; changes explain themselves in struct subscribers_error.
 * Never     gives out K, OPc or SQN, waits for the disk in a look-up.
 * Tests     tests/unit/scscf/subscribers.
 *
 * Sequence numbers. SEQ in memory runs at most SUBSCRIBERS_SQN_BLOCK ahead of the row, and each
 * start of the program skips a block for every row it finds behind: a number that went out before a
 * crash is never used again, at one write per half a block. When the disk cannot keep up within a
 * block, vectors are refused (-EAGAIN) until it does. */
#ifndef SCSCF_SUBSCRIBERS_SUBSCRIBERS_H
#define SCSCF_SUBSCRIBERS_SUBSCRIBERS_H

#include "common/auth/auth.h"
#include "common/base/base.h"
#include "common/loop/loop.h"
#include "common/store/store.h"

enum {
    SUBSCRIBERS_SQN_BLOCK = 32,
    SUBSCRIBER_IMPI_MAX = 128,
    SUBSCRIBER_IMPU_MAX = 128,
    SUBSCRIBER_IMPUS = 8, /* of one subscriber */
    SUBSCRIBER_NAME_MAX = 96
};

enum { SUBSCRIBER_AUDIO = 1, SUBSCRIBER_VIDEO = 2, SUBSCRIBER_TEXT = 4, SUBSCRIBER_OTHER = 8 };
enum { SUBSCRIBER_MEDIA_ALL = 15 };

/* One public identity. */
struct subscriber_impu {
    struct span uri; /* canonical: "sip:alice@ims.test", "tel:+4930123" */
    bool barred;     /* may be registered, not used (TS 23.228 5.2.1) */
};

struct subscriber {
    struct span impi;
    const struct subscriber_impu *impu; /* the implicit set; [0] is the default */
    unsigned n_impu;
    struct span display_name;   /* empty = none */
    unsigned media;             /* SUBSCRIBER_AUDIO ... that the profile allows */
    bool barred_out, barred_in; /* no originating, no terminating calls */
    bool has_aka, has_digest;
    struct span realm; /* of H(A1) */
};

struct subscribers_error {
    int code; /* negative errno; 0 = none */
    char text[256];
    char remedy[192];
};

struct subscribers_config {
    const char *path;          /* of the database; ":memory:" for tests */
    struct auth *auth;         /* borrowed */
    const struct rnd *rnd;     /* borrowed */
    struct aka_sqn_scheme sqn; /* ind_bits 0 = aka_sqn_default */
    bool avoid_nul_res;        /* see aka_vector_make */
    size_t limit;              /* most subscribers; 0 = 4 000 000 */
    unsigned queue_limit;      /* most writes that wait; 0 = 4096 */
    /* On the loop: the disk begins (code, text, remedy) and ceases (code 0) to refuse sequence
     * numbers. Then phones get vectors until their block is used up. May be NULL. */
    void (*alarm)(void *ctx, const struct subscribers_error *error);
    void *ctx;
};

struct subscribers;

/* Opens the database and loads the index. Blocking: at start only. ret_error may be NULL. */
int subscribers_new(struct loop *l, const struct subscribers_config *config,
                    struct subscribers **ret_subscribers, struct subscribers_error *ret_error);
/* Finishes the changes asked for, delivers every done. */
void subscribers_free(struct subscribers *s);
size_t subscribers_count(const struct subscribers *s);

/* ---- the call path ------------------------------ */

/* NULL = unknown. */
const struct subscriber *subscribers_find_impi(const struct subscribers *s, struct span impi);
/* uri may be any URI that names the identity: parameters, port and case of the host do not count
 * (RFC 3261 10.3), nor visual separators of a number; sip with user=phone also finds the tel
 * identity of the number (RFC 3261 19.1.6). ret_impu (may be NULL) is the identity meant. */
const struct subscriber *subscribers_find_impu(const struct subscribers *s, struct span uri,
                                               const struct subscriber_impu **ret_impu);

/* The next vector. -ENOENT unknown IMPI, -ENOKEY no key, -EAGAIN the disk is behind,
 * -EOVERFLOW the card's numbers are used up. */
int subscribers_vector_take(struct subscribers *s, struct span impi, struct aka_vector *ret_vector);
/* The phone refused rand's challenge with auts: the next vector counts from where it says, at once (a
 * crash before that is on the disk costs one more AUTS). -ENOENT, -ENOKEY, -EACCES (MAC-S is wrong:
 * nothing changed). */
int subscribers_resync(struct subscribers *s, struct span impi, const uint8_t rand[AKA_RAND_LEN],
                       const uint8_t auts[AKA_AUTS_LEN]);
/* H(A1) for SIP digest, in the realm it was made for. -ENOENT, -ENOKEY no password. */
int subscribers_ha1(const struct subscribers *s, struct span impi, struct digest_ha1 *ret_ha1);

/* ---- changes, for control commands ------------------------------ */

/* `subscriber add`: values as people type them; p = NULL where not given. */
struct subscriber_spec {
    struct span impi;
    struct span impu[SUBSCRIBER_IMPUS]; /* the first is the default */
    unsigned n_impu;
    struct span k, opc, op, amf; /* hex; opc or op; amf default 8000 */
    struct span sqn;             /* decimal, or 0x and hex; default 0 */
    struct span password;        /* SIP digest; H(A1) is kept, not the password */
    struct span realm;           /* of the password; default: the host of the IMPI */
    struct span display_name;
    struct span media;       /* "audio,video,text,other"; default all */
    struct span barred;      /* "out", "in", "out,in" */
    struct span barred_impu; /* identities, separated by commas */
};
/* Sets an argument by its name as imsctl has it: impi impu k opc op amf sqn password realm
 * display_name media barred barred_impu; impu repeats. -ENOENT no such argument, -EEXIST given
 * twice, -E2BIG too many impu; explained in ret_error. */
int subscriber_spec_set(struct subscriber_spec *spec, struct span name, struct span value,
                        struct subscribers_error *ret_error);

/* done on the loop, once: error->code 0 = it is on the disk and in force. */
typedef void subscribers_done_fn(void *ctx, const struct subscribers_error *error);

/* Wrong arguments are answered at once through ret_error, without done. */
int subscribers_add(struct subscribers *s, const struct subscriber_spec *spec,
                    subscribers_done_fn *done, void *ctx, struct subscribers_error *ret_error);
int subscribers_delete(struct subscribers *s, struct span impi, subscribers_done_fn *done,
                       void *ctx, struct subscribers_error *ret_error);
/* At most `limit` subscribers in the order of their IMPIs behind `after` (empty: from the start). */
typedef void subscribers_page_fn(void *ctx, const struct subscribers_error *error,
                                 const struct subscriber *const *page, size_t n);
enum { SUBSCRIBERS_PAGE_MAX = 500 };
int subscribers_list(struct subscribers *s, struct span after, size_t limit,
                     subscribers_page_fn *done, void *ctx, struct subscribers_error *ret_error);

struct subscribers_stats {
    uint64_t vectors, resyncs, sqn_writes, sqn_waits; /* sqn_waits: refused with -EAGAIN */
    uint64_t write_errors;
    bool disk_refuses;
};
void subscribers_stats_get(const struct subscribers *s, struct subscribers_stats *ret_stats);

#endif
