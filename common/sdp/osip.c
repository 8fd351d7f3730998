/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <osipparser2/osip_port.h>
#include <osipparser2/sdp_message.h>

#include "common/osip/osipmem.h"
#include "common/sdp/inner.h"

/* Most memory of one description; a text of 32 KiB needs a quarter of it. */
#define SCOPE_MAX (1024 * 1024)

/* What copy_for_osip may add, with the NUL. */
#define COPY_MORE 4

/* libosip2 wants an end of the last line, and a name in s=, which RFC 8866 5.3 wants too but RFC
 * 5118 4.7 and phones leave out. */
static void copy_for_osip(struct span text, char *copy)
{
    struct buf b = {copy, 0, text.n + COPY_MORE, false};
    struct span rest = text;
    bool named = false;

    while (rest.n) {
        struct span line = span_sub(rest, 0, span_find(rest, '\n') + 1);

        rest = span_sub(rest, line.n, rest.n);
        if (!named && span_starts(line, SPAN("s="))) {
            named = true;
            if (span_trim(line).n == 2) {
                buf_puts(&b, "s=-");
                line = span_sub(line, 2, line.n);
            }
        }
        buf_put(&b, line);
    }
    if (b.n == 0 || copy[b.n - 1] != '\n')
        buf_puts(&b, "\r\n");
    copy[b.n] = '\0';
}

int sdp_osip_reads(struct span text)
{
    struct osipmem scope;
    sdp_message_t *theirs;
    char *copy;
    int rc = 0;

    osipmem_enter(&scope, SCOPE_MAX);
    copy = arena_alloc(&scope.more, text.n + COPY_MORE);
    if (!copy || sdp_message_init(&theirs) != OSIP_SUCCESS) {
        rc = -ENOMEM;
    } else {
        copy_for_osip(text, copy);
        if (sdp_message_parse(theirs, copy) != OSIP_SUCCESS)
            rc = -EBADMSG;
    }
    osipmem_leave(&scope);
    return rc;
}
