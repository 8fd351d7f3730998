/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk in memory that fails when told and forgets what was not synced when it crashes. */
#ifndef TESTS_UNIT_COMMON_CHARGING_FAKEDISK_H
#define TESTS_UNIT_COMMON_CHARGING_FAKEDISK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/charging/charging.h"
#include "tests/support/suite.h"

enum { FAKE_FILES = 32, FAKE_SIZE = 1 << 20 };

struct fakefile {
    char path[200];
    bool there;
    size_t n, synced;
    char *bytes; /* of FAKE_SIZE */
};

struct fakedisk {
    struct fakefile file[FAKE_FILES];
    size_t room;                                                  /* octets the disk has left */
    int fail_write, fail_sync, fail_rename, fail_open, fail_size; /* -errno; 0 = works */
    unsigned writes, syncs, dir_syncs;
    struct charging_disk port;
};

/* NULL when there is no such file. */
static struct fakefile *fakedisk_find(struct fakedisk *d, const char *path)
{
    for (int i = 0; i < FAKE_FILES; i++)
        if (d->file[i].there && strcmp(d->file[i].path, path) == 0)
            return &d->file[i];
    return NULL;
}

static int fake_make_dir(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return 0;
}

static int fake_open(void *ctx, const char *path, bool write)
{
    struct fakedisk *d = ctx;
    struct fakefile *f = fakedisk_find(d, path);

    if (write && d->fail_open)
        return d->fail_open;
    if (!f && !write)
        return -ENOENT;
    for (int i = 0; i < FAKE_FILES && !f; i++)
        if (!d->file[i].there) {
            f = &d->file[i];
            f->there = true;
            f->n = f->synced = 0;
            (void)snprintf(f->path, sizeof(f->path), "%s", path);
            if (!f->bytes)
                f->bytes = calloc(1, FAKE_SIZE);
        }
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    return (int)(f - d->file);
}

static void fake_close(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
}

static int64_t fake_size(void *ctx, int fd)
{
    return (int64_t)((struct fakedisk *)ctx)->file[fd].n;
}

static int64_t fake_read(void *ctx, int fd, int64_t at, void *p, size_t n)
{
    struct fakefile *f = &((struct fakedisk *)ctx)->file[fd];
    size_t left = (size_t)at < f->n ? f->n - (size_t)at : 0;

    n = n < left ? n : left;
    memcpy(p, f->bytes + at, n);
    return (int64_t)n;
}

static int fake_write(void *ctx, int fd, int64_t at, const void *p, size_t n)
{
    struct fakedisk *d = ctx;
    struct fakefile *f = &d->file[fd];
    size_t fits = n < d->room ? n : d->room;

    d->writes++;
    if (d->fail_write)
        return d->fail_write;
    CU_ASSERT_FATAL((size_t)at <= f->n && (size_t)at + n <= FAKE_SIZE);
    memcpy(f->bytes + at, p, fits); /* as a real one: what fits is written */
    f->n = (size_t)at + fits > f->n ? (size_t)at + fits : f->n;
    if (f->synced > (size_t)at)
        f->synced = (size_t)at;
    d->room -= fits;
    return fits == n ? 0 : -ENOSPC;
}

static int fake_truncate(void *ctx, int fd, int64_t size)
{
    struct fakedisk *d = ctx;
    struct fakefile *f = &d->file[fd];

    if (d->fail_size)
        return d->fail_size;
    d->room += f->n - (size_t)size;
    f->n = (size_t)size;
    if (f->synced > f->n)
        f->synced = f->n;
    return 0;
}

static int fake_sync(void *ctx, int fd)
{
    struct fakedisk *d = ctx;

    d->syncs++;
    if (d->fail_sync)
        return d->fail_sync;
    d->file[fd].synced = d->file[fd].n;
    return 0;
}

static int fake_rename(void *ctx, const char *from, const char *to)
{
    struct fakedisk *d = ctx;
    struct fakefile *f = fakedisk_find(d, from);

    if (d->fail_rename)
        return d->fail_rename;
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)snprintf(f->path, sizeof(f->path), "%s", to);
    return 0;
}

static int fake_sync_dir(void *ctx, const char *path)
{
    (void)path;
    ((struct fakedisk *)ctx)->dir_syncs++;
    return 0;
}

static int fake_reserve(void *ctx, int fd, int64_t size)
{
    struct fakedisk *d = ctx;
    struct fakefile *f = &d->file[fd];
    size_t more = (size_t)size > f->n ? (size_t)size - f->n : 0;

    if (d->fail_write)
        return d->fail_write;
    if (more > d->room || size > FAKE_SIZE)
        return -ENOSPC;
    d->room -= more;
    f->n += more;
    return 0;
}

static int fake_map(void *ctx, int fd, size_t n, void **ret_p)
{
    (void)n; /* what is beyond FAKE_SIZE cannot be reserved */
    *ret_p = ((struct fakedisk *)ctx)->file[fd].bytes;
    return 0;
}

static void fake_unmap(void *ctx, void *p, size_t n)
{
    (void)ctx, (void)p, (void)n;
}

static int fake_list(void *ctx, const char *path, void (*visit)(void *arg, const char *name),
                     void *arg)
{
    struct fakedisk *d = ctx;

    visit(arg, ".");
    for (int i = FAKE_FILES - 1; i >= 0; i--) /* in no helpful order */
        if (d->file[i].there && strncmp(d->file[i].path, path, strlen(path)) == 0)
            visit(arg, strrchr(d->file[i].path, '/') + 1);
    return 0;
}

static void fakedisk_init(struct fakedisk *d)
{
    memset(d, 0, sizeof(*d));
    d->room = SIZE_MAX / 2;
    d->port = (struct charging_disk){.ctx = d,
                                     .make_dir = fake_make_dir,
                                     .open = fake_open,
                                     .close = fake_close,
                                     .size = fake_size,
                                     .read = fake_read,
                                     .write = fake_write,
                                     .truncate = fake_truncate,
                                     .sync = fake_sync,
                                     .rename = fake_rename,
                                     .sync_dir = fake_sync_dir,
                                     .reserve = fake_reserve,
                                     .map = fake_map,
                                     .unmap = fake_unmap,
                                     .list = fake_list};
}

static void fakedisk_fini(struct fakedisk *d)
{
    for (int i = 0; i < FAKE_FILES; i++)
        free(d->file[i].bytes);
}

/* The power goes: unsynced octets are gone but for the first `torn` of them. */
static inline void fakedisk_crash(struct fakedisk *d, size_t torn)
{
    for (int i = 0; i < FAKE_FILES; i++) {
        struct fakefile *f = &d->file[i];

        if (f->there && f->n > f->synced + torn)
            f->n = f->synced + torn;
    }
}

#endif
