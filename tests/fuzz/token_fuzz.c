/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as an AUTH_SESSION element and as P-Media-Authorization: no crash, and what parses has
 * one canonical form. */
#include "common/token/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_keys keys = {1, {{.id = 1, .mac = TOKEN_HMAC_SHA256, .key = {4, "key1"}}}};
    struct span octets = span_of(data, size);
    struct token_claims c;
    struct secret t, again;
    char text[2 * SECRET_MAX + 8];
    struct buf b = BUF_ON(text);

    (void)token_verify(octets, &keys, 1900000000, &c);
    (void)token_of_hex(octets, &t);
    if (token_parse(octets, &c) == 0 && token_of_octets(octets, &t) == 0) {
        token_put_hex(&b, &t, true);
        if (token_of_hex(buf_span(&b), &again) != 0 || !secret_eq(&t, &again))
            abort();
    }
    return 0;
}
