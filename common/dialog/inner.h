/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/dialog, inside. */
#ifndef COMMON_DIALOG_INNER_H
#define COMMON_DIALOG_INNER_H

#include "common/dialog/dialog.h"

#define ROUTES_MAX    4096 /* bytes of one route set */
#define ROUTES_VALUES 64

struct sip_dialogs {
    struct loop *loop;
    struct sip_dialogs_options o;
    struct sip_dialogs_ops ops;
    void *ctx;
    struct map map;
    struct pool handles;
    size_t n_early;
    struct list sendings; /* requests whose next hop is being looked up */
};

struct sip_dialog {
    struct map_node node;
    struct sip_dialogs *ds;
    struct handle handle;
    enum sip_leg leg;
    enum sip_dialog_state state;
    struct loop_timer timer; /* early: no news; terminated: lingers */
    void *user;
    struct span call_id;
    struct sip_dialog_side side[2];
    char *contact[2], *routes[2]; /* what side[].contact and .routes point to */
    uint32_t invite_cseq[2];      /* of the last INVITE of that side, for its ACK */
    char text[];                  /* Call-ID, tags, From and To */
};

/* send.c */
void sendings_cancel(struct sip_dialogs *ds);

#endif
