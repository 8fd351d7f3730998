/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <osipparser2/osip_port.h>
#include <osipparser2/sdp_message.h>

#include "common/osip/osipmem.h"
#include "common/sdp/inner.h"

/* Most memory of one description; a text of 32 KiB needs a quarter of it. */
#define SCOPE_MAX (1024 * 1024)

int sdp_osip_reads(struct span text)
{
    struct osipmem scope;
    sdp_message_t *theirs;
    char *copy;
    int rc = 0;

    osipmem_enter(&scope, SCOPE_MAX);
    copy = arena_alloc(&scope.more, text.n + 3);
    if (!copy || sdp_message_init(&theirs) != OSIP_SUCCESS) {
        rc = -ENOMEM;
    } else {
        memcpy(copy, text.p, text.n);
        memcpy(copy + text.n, "\r\n", 3); /* it wants an end of the last line */
        if (text.n && text.p[text.n - 1] == '\n')
            copy[text.n] = '\0';
        if (sdp_message_parse(theirs, copy) != OSIP_SUCCESS)
            rc = -EBADMSG;
    }
    osipmem_leave(&scope);
    return rc;
}
