/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/auth, inside: the contexts of one worker. Not for other rooms. */
#ifndef COMMON_AUTH_INNER_H
#define COMMON_AUTH_INNER_H

#include <openssl/evp.h>

#include "common/auth/auth.h"

/* OpenSSL 3 looks an algorithm up by name at every use unless it was fetched: half the time of a
 * vector. */
struct auth {
    const struct rnd *rnd;
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *cipher;
    EVP_MD *md5;
    EVP_MD_CTX *digest;
};

#endif
