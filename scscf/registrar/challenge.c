/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Challenges: by nonce, several of one user at a time, each with its own reg-await-auth. */
#include <errno.h>
#include <stdlib.h>

#include "scscf/registrar/inner.h"

struct span challenge_nonce(const struct challenge *c)
{
    return span_of(c->nonce, c->nonce_n);
}

struct challenge *challenge_find(const struct registrar *r, struct span nonce)
{
    struct map_node *n = map_find(&r->nonces, map_hash(&r->nonces, nonce.p, nonce.n), &nonce);

    return n ? CONTAINER_OF(n, struct challenge, by_nonce) : NULL;
}

void challenge_free(struct challenge *c)
{
    struct registrar *r = c->user->r;

    loop_timer_stop(r->env.loop, &c->timer);
    map_del(&r->nonces, &c->by_nonce);
    list_del(&c->item);
    c->user->n_challenges--;
    bytes_wipe(c->xres, sizeof(c->xres));
    free(c);
}

static void on_timer(struct loop_timer *t, void *ctx)
{
    struct challenge *c = ctx;
    struct user *u = c->user;

    (void)t;
    if (!c->answered)
        u->r->counters.unanswered++;
    challenge_free(c);
    user_let_go(u);
}

/* The oldest goes; an answered one, which the phone may use again, only when all are. */
static void make_room(struct user *u)
{
    struct challenge *victim = NULL;

    LIST_EACH (it, &u->challenges) {
        struct challenge *c = CONTAINER_OF(it, struct challenge, item);

        if (!victim || victim->answered || !c->answered)
            victim = c;
    }
    challenge_free(victim);
}

static int prove_aka(struct challenge *c, struct aka_vector *v)
{
    struct registrar *r = c->user->r;
    struct buf nonce = {c->nonce, 0, sizeof(c->nonce), false};
    int rc = subscribers_vector_take(r->env.subscribers, c->user->impi, v);

    if (rc != 0)
        return rc;
    memcpy(c->rand, v->rand, sizeof(c->rand));
    memcpy(c->xres, v->xres, v->xres_n);
    c->xres_n = v->xres_n;
    aka_nonce_put(&nonce, v, SPAN_NONE);
    c->nonce_n = (unsigned)nonce.n;
    return nonce.overflow ? -EMSGSIZE : 0;
}

static void put_line(const struct challenge *c, const struct aka_vector *v, bool stale,
                     struct buf *extra)
{
    const struct registrar *r = c->user->r;

    buf_fmt(extra, "WWW-Authenticate: Digest realm=\"%s\",nonce=\"%.*s\",algorithm=%s", r->realm,
            SPAN_ARG(challenge_nonce(c)), digest_algorithm_name(c->algorithm));
    if (r->options.qops & (DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT))
        buf_fmt(extra, ",qop=\"%s%s%s\"", r->options.qops & DIGEST_QOP_AUTH ? "auth" : "",
                r->options.qops == (DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT) ? "," : "",
                r->options.qops & DIGEST_QOP_AUTH_INT ? "auth-int" : "");
    if (stale)
        buf_puts(extra, ",stale=TRUE");
    if (v) { /* TS 24.229 7.2A.1: for the P-CSCF, which takes them out */
        buf_puts(extra, ",ck=\"");
        buf_hex(extra, v->ck, sizeof(v->ck));
        buf_puts(extra, "\",ik=\"");
        buf_hex(extra, v->ik, sizeof(v->ik));
        buf_putc(extra, '"');
    }
    buf_puts(extra, "\r\n");
}

int challenge_new(struct user *u, enum digest_algorithm algorithm, bool stale, struct buf *extra)
{
    struct registrar *r = u->r;
    struct challenge *c;
    struct aka_vector v = {0};
    bool is_aka = algorithm == DIGEST_AKAV1_MD5;
    int rc = 0;

    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct challenge){.user = u, .algorithm = algorithm};
    if (is_aka) {
        rc = prove_aka(c, &v);
    } else {
        struct buf nonce = {c->nonce, 0, sizeof(c->nonce), false};

        digest_nonce_put(r->env.auth, &nonce);
        c->nonce_n = (unsigned)nonce.n;
    }
    if (rc == 0 && u->n_challenges >= CHALLENGES_OF_USER)
        make_room(u);
    if (rc == 0)
        rc = map_add(&r->nonces, map_hash(&r->nonces, c->nonce, c->nonce_n), &c->by_nonce);
    if (rc != 0) {
        bytes_wipe(c->xres, sizeof(c->xres));
        aka_vector_wipe(&v);
        free(c);
        return rc;
    }
    list_add_head(&u->challenges, &c->item); /* newest first */
    u->n_challenges++;
    loop_timer_init(&c->timer, on_timer, c);
    loop_timer_start(r->env.loop, &c->timer, r->options.reg_await_auth);
    put_line(c, is_aka ? &v : NULL, stale, extra);
    if (is_aka) {
        r->counters.challenged_aka++;
    } else {
        r->counters.challenged_digest++;
    }
    aka_vector_wipe(&v);
    return 0;
}
