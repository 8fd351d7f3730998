/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Token keys are files: only the PDP mints and judges tokens, so that nobody else needs them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pdp/program/program.h"

enum { KEY_MIN = 16, KEY_MADE = 32 };

static int make_file(const char *path, const struct rnd *rnd, struct daemon_finding *f)
{
    uint8_t octets[KEY_MADE];
    char text[2 * KEY_MADE + 1];
    struct buf b = BUF_ON(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0) {
        rc = -errno;
        daemon_find(f, "Make the directory and give it to the user we run as.",
                    "the token key %s cannot be made: %s", path, strerror(-rc));
        return rc;
    }
    rnd->fill(rnd->ctx, octets, sizeof(octets));
    buf_hex(&b, octets, sizeof(octets));
    buf_putc(&b, '\n');
    if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd) != 0)
        rc = errno ? -errno : -EIO;
    close(fd);
    bytes_wipe(octets, sizeof(octets));
    bytes_wipe(text, sizeof(text));
    if (rc) {
        (void)unlink(path); /* half a key is none */
        daemon_find(f, "Make room on the disk.", "the token key %s cannot be written: %s", path,
                    strerror(-rc));
    }
    return rc;
}

static int read_key(int fd, const char *path, struct secret *key, struct daemon_finding *f)
{
    char text[SECRET_MAX + 2];
    struct stat st;
    struct span s;
    ssize_t n;
    int rc = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        daemon_find(f, "Give the path of a file; one that does not exist is made.",
                    "the token key %s is not a file", path);
        return -EINVAL;
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        daemon_find(f, "chmod 600 it, and use another key if someone may have read it.",
                    "the token key %s can be read by others", path);
        return -EPERM;
    }
    n = read(fd, text, sizeof(text));
    if (n < 0) {
        rc = -errno;
        daemon_find(f, "Look at the disk and its kernel messages.",
                    "the token key %s cannot be read: %s", path, strerror(-rc));
        return rc;
    }
    s = span_of(text, (size_t)n);
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    if (s.n < KEY_MIN || secret_set(key, s.p, s.n) != 0) {
        daemon_find(f, "Remove it, and a good one is made at the next start.",
                    "the token key %s has %zu octets; it takes %d to %d", path, s.n, KEY_MIN,
                    SECRET_MAX);
        rc = -EINVAL;
    }
    bytes_wipe(text, sizeof(text));
    return rc;
}

/* The key's name inside tokens: part of its hash, so that a new key has another one. */
static uint32_t id_of(const struct secret *key)
{
    uint8_t hash[TOKEN_HASH_LEN];

    token_hash(key, hash);
    return (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

int pdp_key_read(const char *path, bool make, const struct rnd *rnd, int mac,
                 struct token_key *ret_key, struct daemon_finding *ret_finding)
{
    struct token_key key = {.mac = mac ? TOKEN_HMAC_MD5 : TOKEN_HMAC_SHA256};
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0 && errno == ENOENT && make) {
        rc = make_file(path, rnd, ret_finding);
        if (rc)
            return rc;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        rc = -errno;
        daemon_find(ret_finding,
                    rc == -ENOENT ? "Put the key there, or take the option away."
                                  : "Give it to the user we run as (chown, chmod 600).",
                    "the token key %s cannot be read: %s", path, strerror(-rc));
        return rc;
    }
    rc = read_key(fd, path, &key.key, ret_finding);
    close(fd);
    if (rc)
        return rc;
    key.id = id_of(&key.key);
    *ret_key = key;
    secret_wipe(&key.key);
    return 0;
}

int pdp_keys_read(const struct pdp_config *c, const struct rnd *rnd, int64_t now,
                  struct token_keys *ret_keys, struct daemon_finding *ret_finding)
{
    struct token_keys keys = {0};
    int64_t lifetime = (int64_t)(c->token_lifetime / SEC);
    int rc = pdp_key_read(c->key, true, rnd, c->mac, &keys.keys[0], ret_finding);

    if (rc) {
        ret_finding->option = "token.key";
        return rc;
    }
    keys.n = 1;
    if (c->previous_key[0]) {
        rc = pdp_key_read(c->previous_key, false, rnd, c->mac, &keys.keys[1], ret_finding);
        if (rc) {
            ret_finding->option = "token.previous_key";
            bytes_wipe(&keys, sizeof(keys));
            return rc;
        }
        /* RFC 3520 4.1: of two keys that overlap, the newer mints from the midpoint on: now. */
        keys.n = 2;
        keys.keys[0].not_before = now - lifetime - 1;
        keys.keys[1].not_after = now + lifetime;
    }
    *ret_keys = keys;
    bytes_wipe(&keys, sizeof(keys));
    return 0;
}
