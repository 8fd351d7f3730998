/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Algorithms and sets: what TS 33.203 says about them, for both twins. */
#include <errno.h>

#include "pcscf/ipsec/ipsec.h"

static const struct {
    const char *name;
    uint8_t key; /* octets, with salt */
} algs[IPSEC_ALG_COUNT] =
    {
        [IPSEC_ALG_HMAC_SHA_1_96] = {"hmac-sha-1-96", 20},
        [IPSEC_ALG_AES_GMAC] = {"aes-gmac", 20},
        [IPSEC_ALG_NULL] = {"null", 0},
        [IPSEC_ALG_HMAC_MD5_96] = {"hmac-md5-96", 16},
},
  ealgs[IPSEC_EALG_COUNT] = {
      [IPSEC_EALG_NULL] = {"null", 0},
      [IPSEC_EALG_AES_CBC] = {"aes-cbc", 16},
      [IPSEC_EALG_AES_GCM] = {"aes-gcm", 20},
      [IPSEC_EALG_DES_EDE3_CBC] = {"des-ede3-cbc", 24},
};

const char *ipsec_alg_name(enum ipsec_alg alg)
{
    return algs[alg].name;
}

const char *ipsec_ealg_name(enum ipsec_ealg ealg)
{
    return ealgs[ealg].name;
}

int ipsec_alg_of(struct span name, enum ipsec_alg *ret_alg)
{
    for (unsigned i = 0; i < IPSEC_ALG_COUNT; i++) {
        if (span_eq_nocase(name, span_str(algs[i].name))) {
            *ret_alg = (enum ipsec_alg)i;
            return 0;
        }
    }
    return -EINVAL;
}

int ipsec_ealg_of(struct span name, enum ipsec_ealg *ret_ealg)
{
    for (unsigned i = 0; i < IPSEC_EALG_COUNT; i++) {
        if (span_eq_nocase(name, span_str(ealgs[i].name))) {
            *ret_ealg = (enum ipsec_ealg)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool ipsec_pair_is_valid(struct ipsec_pair p)
{
    if ((unsigned)p.alg >= IPSEC_ALG_COUNT || (unsigned)p.ealg >= IPSEC_EALG_COUNT)
        return false;
    if ((p.alg == IPSEC_ALG_NULL) != (p.ealg == IPSEC_EALG_AES_GCM))
        return false;
    return p.alg != IPSEC_ALG_AES_GMAC || p.ealg == IPSEC_EALG_NULL;
}

void ipsec_key_lengths(struct ipsec_pair pair, uint8_t *ret_integrity, uint8_t *ret_encryption)
{
    *ret_integrity = algs[pair.alg].key;
    *ret_encryption = ealgs[pair.ealg].key;
}

int ipsec_set_check(const struct ipsec_set *s)
{
    uint8_t integrity, encryption;

    if (addr_ip_len(&s->phone) == 0 || s->phone.family != s->local.family)
        return -EINVAL;
    if (!s->port_uc || !s->port_us || !s->port_pc || !s->port_ps || s->port_pc == s->port_ps)
        return -EINVAL;
    if (s->spi_uc < 256 || s->spi_us < 256 || s->spi_uc == s->spi_us)
        return -EINVAL;
    /* Ours are both the port's choice or both given; TS 33.203 7.1: never the phone's, or an
     * attacker could send our own packets back to us. */
    if ((s->spi_pc == 0) != (s->spi_ps == 0))
        return -EINVAL;
    if (s->spi_pc &&
        (s->spi_pc < 256 || s->spi_ps < 256 || s->spi_pc == s->spi_ps || s->spi_pc == s->spi_uc ||
         s->spi_pc == s->spi_us || s->spi_ps == s->spi_uc || s->spi_ps == s->spi_us))
        return -EINVAL;
    if (!ipsec_pair_is_valid(s->pair))
        return -EINVAL;
    ipsec_key_lengths(s->pair, &integrity, &encryption);
    return s->keys.integrity_n == integrity && s->keys.encryption_n == encryption ? 0 : -EINVAL;
}
