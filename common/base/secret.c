/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/base.h"

int secret_set(struct secret *s, const void *p, size_t n)
{
    if (n > SECRET_MAX)
        return -EMSGSIZE;
    OPENSSL_cleanse(s->bytes, sizeof(s->bytes));
    if (n)
        memcpy(s->bytes, p, n);
    s->n = (uint16_t)n;
    return 0;
}

void secret_wipe(struct secret *s)
{
    OPENSSL_cleanse(s, sizeof(*s));
}

bool secret_eq(const struct secret *a, const struct secret *b)
{
    return a->n == b->n && CRYPTO_memcmp(a->bytes, b->bytes, a->n) == 0;
}

bool bytes_eq_consttime(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void bytes_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct span s, uint8_t *dst, size_t cap, size_t *ret_n)
{
    if (s.n % 2)
        return -EINVAL;
    if (s.n / 2 > cap)
        return -ENOSPC;
    for (size_t i = 0; i < s.n; i += 2) {
        int high = hex_digit(s.p[i]), low = hex_digit(s.p[i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        dst[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret_n = s.n / 2;
    return 0;
}

int base64_decode(struct span s, uint8_t *dst, size_t cap, size_t *ret_n)
{
    size_t padding = 0, n = 0;

    if (s.n % 4)
        return -EINVAL;
    while (padding < 2 && padding < s.n && s.p[s.n - 1 - padding] == '=')
        padding++;
    if (s.n / 4 * 3 - padding > cap)
        return -ENOSPC;
    for (size_t i = 0; i < s.n; i += 4) {
        unsigned char out[3];

        /* EVP_DecodeBlock skips white space at either end: refuse it, and '=' before the end, here.
         */
        for (size_t k = i; k < i + 4; k++) {
            if (s.p[k] <= ' ' || (s.p[k] == '=' && k < s.n - padding))
                return -EINVAL;
        }
        if (EVP_DecodeBlock(out, (const unsigned char *)s.p + i, 4) != 3)
            return -EINVAL;
        for (size_t k = 0; k < (i + 4 == s.n ? 3 - padding : 3); k++)
            dst[n++] = out[k];
    }
    *ret_n = n;
    return 0;
}

void base64_encode(struct buf *b, const void *p, size_t n)
{
    const unsigned char *in = p;

    for (size_t i = 0; i < n; i += 3) {
        char out[5];
        size_t part = n - i < 3 ? n - i : 3;

        EVP_EncodeBlock((unsigned char *)out, in + i, (int)part);
        buf_put(b, span_of(out, 4));
    }
}
