/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scscf/registrar, inside: users and contacts (registrar.c), challenges (challenge.c), the REGISTER
 * (register.c), what it does to contacts (bind.c). */
#ifndef SCSCF_REGISTRAR_INNER_H
#define SCSCF_REGISTRAR_INNER_H

#include "scscf/registrar/registrar.h"

enum {
    /* Outstanding challenges of one user: several, so that a stranger who sends REGISTER in a
     * user's name does not take the challenge away that the user is about to answer. */
    CHALLENGES_OF_USER = 8,
    NONCE_MAX = 64
};

struct registrar {
    struct registrar_env env;
    struct registrar_options options;
    char *realm, *service_route;
    struct map users, nonces;
    struct list registered; /* struct user with contacts, by first registration */
    size_t n_registered;
    struct registrar_counters counters;
};

/* A private identity that is registered or is being challenged. */
struct user {
    struct map_node by_impi;
    struct list item; /* of registrar.registered, while it has contacts */
    struct registrar *r;
    struct list contacts, challenges; /* newest first */
    unsigned n_contacts, n_challenges;
    unsigned resyncs; /* in a row */
    struct loop_timer expiry;
    int64_t since;
    struct span impi;
    char text[];
};

struct contact {
    struct list item;
    uint64_t expires_at; /* loop time */
    uint32_t cseq;
    unsigned q;
    struct span uri, params, instance, path, call_id, visited;
    char text[];
};

struct challenge {
    struct map_node by_nonce;
    struct list item;
    struct user *user;
    struct loop_timer timer;
    enum digest_algorithm algorithm;
    bool answered; /* correctly, once */
    uint32_t nc;
    uint8_t rand[AKA_RAND_LEN];
    uint8_t xres[AKA_RES_MAX]; /* secret */
    unsigned xres_n;
    char nonce[NONCE_MAX];
    unsigned nonce_n;
};

struct wanted {
    struct sip_name_addr na;
    struct sip_uri uri;
    uint32_t expires; /* 0 = remove */
    unsigned q;
};

/* A REGISTER as it was read; spans are the message's. */
struct order {
    struct registrar *r;
    const struct sip_msg *m;
    struct buf *extra;
    struct registrar_answer answer;
    const struct subscriber *subscriber;
    struct span impi;
    bool has_fields; /* there is an Authorization */
    struct digest_fields fields;
    bool is_protected; /* integrity-protected="yes" */
    bool by_digest;    /* SIP digest, not AKA */
    bool star;
    struct wanted wanted[REGISTRAR_CONTACTS_MAX];
    unsigned n_wanted;
    struct span removed[REGISTRAR_CONTACTS_MAX]; /* URIs, in the message */
    unsigned n_removed;
    char path[REGISTRAR_PATH_MAX];
    size_t path_n;
};

/* register.c: status, a Warning with the reason, the counter; always false. */
bool order_refuse(struct order *o, unsigned status, uint64_t *counter, const char *reason);
/* bind.c: false when it was refused. */
bool order_bind(struct order *o);

/* registrar.c */
struct user *user_find(const struct registrar *r, struct span impi);
int user_take(struct registrar *r, struct span impi, struct user **ret_user); /* find or make */
/* Frees a user of whom nothing is left. */
void user_let_go(struct user *u);
/* Frees c after it was taken from its user. */
void user_contact_drop(struct user *u, struct contact *c);
void user_contact_add(struct user *u, struct contact *c);
/* Sets the timer to the contact that ends first. */
void user_expiry_set(struct user *u);
void registrar_tell(struct registrar *r, enum registrar_event event, struct span impi,
                    const char *detail);

/* challenge.c */
struct challenge *challenge_find(const struct registrar *r, struct span nonce);
/* Makes a challenge and writes the WWW-Authenticate line. -ENOSPC, -ENOMEM, or subscribers'. */
int challenge_new(struct user *u, enum digest_algorithm algorithm, bool stale, struct buf *extra);
void challenge_free(struct challenge *c);
struct span challenge_nonce(const struct challenge *c);

#endif
