/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int find(const struct disk *d, const char *path)
{
    for (int i = 0; i < DISK_FILES; i++)
        if (strcmp(d->file[i].path, path) == 0)
            return i;
    return -ENOENT;
}

static int make_dir(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return 0;
}

static int open_file(void *ctx, const char *path, bool write)
{
    struct disk *d = ctx;
    int fd = find(d, path);

    if (fd >= 0 || !write)
        return fd;
    fd = find(d, "");
    if (fd < 0)
        return -ENFILE;
    snprintf(d->file[fd].path, sizeof(d->file[fd].path), "%s", path);
    d->file[fd].bytes = malloc(DISK_FILE_MAX);
    d->file[fd].n = 0;
    return d->file[fd].bytes ? fd : -ENOMEM;
}

static void close_file(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
}

static int64_t size_of(void *ctx, int fd)
{
    struct disk *d = ctx;

    return (int64_t)d->file[fd].n;
}

static int64_t read_at(void *ctx, int fd, int64_t at, void *p, size_t n)
{
    struct disk *d = ctx;
    size_t left = (size_t)at < d->file[fd].n ? d->file[fd].n - (size_t)at : 0;

    n = n < left ? n : left;
    memcpy(p, d->file[fd].bytes + at, n);
    return (int64_t)n;
}

static int write_at(void *ctx, int fd, int64_t at, const void *p, size_t n)
{
    struct disk *d = ctx;

    if (d->refuses || (size_t)at + n > DISK_FILE_MAX)
        return -ENOSPC;
    memcpy(d->file[fd].bytes + at, p, n);
    if (d->file[fd].n < (size_t)at + n)
        d->file[fd].n = (size_t)at + n;
    return 0;
}

static int truncate_to(void *ctx, int fd, int64_t size)
{
    struct disk *d = ctx;

    d->file[fd].n = (size_t)size;
    return 0;
}

static int sync_file(void *ctx, int fd)
{
    struct disk *d = ctx;

    (void)fd;
    return d->refuses ? -ENOSPC : 0;
}

static int rename_file(void *ctx, const char *from, const char *to)
{
    struct disk *d = ctx;
    int fd = find(d, from);

    if (fd < 0)
        return fd;
    snprintf(d->file[fd].path, sizeof(d->file[fd].path), "%s", to);
    return 0;
}

static int sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return 0;
}

static int list_dir(void *ctx, const char *path, void (*visit)(void *arg, const char *name),
                    void *arg)
{
    struct disk *d = ctx;
    size_t n = strlen(path);

    for (int i = 0; i < DISK_FILES; i++)
        if (strncmp(d->file[i].path, path, n) == 0 && d->file[i].path[n] == '/')
            visit(arg, d->file[i].path + n + 1);
    return 0;
}

void disk_init(struct disk *d)
{
    *d = (struct disk){0};
    d->port = (struct charging_disk){.ctx = d,
                                     .make_dir = make_dir,
                                     .open = open_file,
                                     .close = close_file,
                                     .size = size_of,
                                     .read = read_at,
                                     .write = write_at,
                                     .truncate = truncate_to,
                                     .sync = sync_file,
                                     .rename = rename_file,
                                     .sync_dir = sync_dir,
                                     .list = list_dir};
}

void disk_fini(struct disk *d)
{
    for (int i = 0; i < DISK_FILES; i++)
        free(d->file[i].bytes);
}
