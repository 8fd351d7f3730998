/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcscf/register, inside: authentication parameters (auth.c), requests (request.c), their answers
 * (answer.c), SA sets and the end of registrations (sets.c), whether a phone still has its set (probe.c). */
#ifndef PCSCF_REGISTER_INNER_H
#define PCSCF_REGISTER_INNER_H

#include "pcscf/register/register.h"

struct registration {
    struct register_env env;
    struct register_options options;
    struct list attempts;
    unsigned next_pc;
};

/* A REGISTER that was taken and has no final answer yet. */
struct attempt {
    struct list item;
    struct registration *registration;
    struct binding *binding; /* referenced */
    struct handle server;
    struct sip_flow flow;
    struct sip_proxy *proxy; /* NULL until forwarded */
    struct sip_resolving *resolving;
    uint32_t spi_ps; /* of the set it came on; 0 = unprotected */
    bool vouched;    /* that set says who it is from: integrity-protected="yes" */
    bool challenged; /* its answer is a challenge: the phone comes again */
    bool offered;    /* with a Security-Client we could choose from */
    struct secagree_choice choice;
    char *client_text;              /* that Security-Client */
    struct binding_set *installing; /* the kernel is asked; the 401 is held */
    /* The set in the way of the one that is asked for, while its phone is asked. */
    struct binding_set *probed;
    struct sip_client *probe;
    struct loop_timer patience;
    uint32_t silent; /* spi_ps of a set nobody answered on; 0 = none */
};

/* auth.c */
/* integrity-protected as we know it, in place of whatever was there. -EBADMSG. */
int auth_mark_request(struct sip_msg *m, struct sip_edit *e, bool is_protected);
/* Takes ck and ik out of every challenge of the response. False when there are none or broken
 * ones; then both secrets are empty. */
bool auth_take_keys(struct sip_msg *m, struct sip_edit *e, struct secret *ret_ck,
                    struct secret *ret_ik);
enum auth_answer { AUTH_NO_ANSWER, AUTH_RESPONSE, AUTH_AUTS };
/* What a REGISTER says to a challenge. */
enum auth_answer auth_answer(const struct sip_msg *m);
/* username, or what TS 24.229 derives from To. */
struct span auth_private_identity(const struct sip_msg *m, bool *ret_derived);

/* request.c */
void register_tell(struct registration *r, enum register_event event, const struct binding *b,
                   struct span detail);
void attempt_free(struct attempt *a);

/* The set in the way is in use, or was not answered on: the attempt ends or goes on. */
void probe_done(struct attempt *a, bool is_there);

/* probe.c */
/* Asks the phone over the set. 0: probe_done follows, in a later turn. */
int probe_start(struct attempt *a, struct binding_set *set);
void probe_end(struct attempt *a, bool is_there);
void probe_on_patience(struct loop_timer *t, void *ctx);
/* Without a word. */
void probe_stop(struct attempt *a);

/* answer.c */
extern const struct sip_proxy_ops register_answer_ops;

/* sets.c */
struct binding_set *set_of(const struct binding *b, uint32_t spi_ps); /* 0: NULL */
/* Asks the kernel for the set of this attempt's choice. 0: set_installed of answer.c follows. */
int set_install(struct attempt *a, const struct secret *ck, const struct secret *ik);
/* The kernel has answered: 0 and the set stands, or the reason it does not. */
void set_installed(struct attempt *a, int status, const char *reason);
void set_remove(struct registration *r, struct binding_set *set);
/* Ends no earlier than its use allows: seconds from now, in our table and in the kernel. */
void set_limit(struct registration *r, struct binding_set *set, uint64_t seconds, bool shorten);
/* The phone has answered the challenge on it (TS 33.203 7.4.2a): the set its REGISTER came on finishes
 * what is under way; all others go, and the phone that asked in the clear has lost its own. */
void set_promote(struct registration *r, struct binding_set *set);
void phone_remove(struct registration *r, struct binding *b);

#endif
