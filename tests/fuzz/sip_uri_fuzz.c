/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as a URI, a name-addr and a Via: no crash, and what is good equals itself. */
#include <stdlib.h>

#include "common/sip/sip.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return sip_init();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size), list;
    struct sip_name_addr na;
    struct sip_param p;
    struct sip_uri u;
    struct sip_via via;

    if (size > 8192)
        return 0;
    if (sip_uri_parse(text, &u) == 0) {
        struct sip_uri v = u;

        /* Equality is symmetric; a parameter given twice equals nothing, not even itself. */
        if (u.params.n == 0 && u.headers.n == 0 && u.scheme == SIP_SCHEME_SIP &&
            !sip_uri_equal(&u, &v))
            abort();
        (void)sip_uri_is_loose(&u);
    }
    if (sip_name_addr_parse(text, &na) == 0)
        (void)sip_uri_parse(na.uri, &u);
    (void)sip_via_parse(text, &via);
    list = text;
    while (sip_param_next(&list, &p) == 1)
        ;
    (void)sip_param_find(text, SPAN("lr"));
    return 0;
}
