/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real disk of the spool's job thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/charging/inner.h"

static int disk_sync_dir(void *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    (void)ctx;
    if (fd < 0)
        return -errno;
    rc = fsync(fd) < 0 ? -errno : 0;
    (void)close(fd);
    return rc;
}

static int disk_make_dir(void *ctx, const char *path)
{
    char part[SPOOL_PATH_MAX];

    (void)ctx;
    if (strlen(path) >= sizeof(part))
        return -ENAMETOOLONG;
    for (size_t i = 1; path[i - 1]; i++) {
        if (path[i] && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Of the directory itself, so that a full disk does not matter. File systems without such locks (NFS)
 * are used without one. */
static int disk_lock(void *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)ctx;
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        (void)close(fd);
        return -EBUSY;
    }
    return fd;
}

static int disk_open(void *ctx, const char *path, bool write)
{
    int fd = open(path, write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0640);

    (void)ctx;
    return fd < 0 ? -errno : fd;
}

static void disk_close(void *ctx, int fd)
{
    (void)ctx;
    (void)close(fd); /* what matters was synced */
}

static int64_t disk_size(void *ctx, int fd)
{
    struct stat st;

    (void)ctx;
    return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static int64_t disk_read(void *ctx, int fd, int64_t at, void *p, size_t n)
{
    ssize_t got;

    (void)ctx;
    do
        got = pread(fd, p, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static int disk_write(void *ctx, int fd, int64_t at, const void *p, size_t n)
{
    const char *from = p;

    (void)ctx;
    while (n) {
        ssize_t put = pwrite(fd, from, n, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        from += put;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

static int disk_truncate(void *ctx, int fd, int64_t size)
{
    (void)ctx;
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int disk_sync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd) < 0 ? -errno : 0; /* a changed size is part of it */
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) < 0 ? -errno : 0;
}

static int disk_reserve(void *ctx, int fd, int64_t size)
{
    (void)ctx;
    return -posix_fallocate(fd, 0, (off_t)size);
}

static int disk_map(void *ctx, int fd, size_t n, void **ret_p)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    (void)ctx;
    if (p == MAP_FAILED)
        return -errno;
    *ret_p = p;
    return 0;
}

static void disk_unmap(void *ctx, void *p, size_t n)
{
    (void)ctx;
    (void)munmap(p, n);
}

static int disk_list(void *ctx, const char *path, void (*visit)(void *arg, const char *name),
                     void *arg)
{
    DIR *d = opendir(path);
    struct dirent *e;

    (void)ctx;
    if (!d)
        return -errno;
    while ((e = readdir(d)))
        visit(arg, e->d_name);
    (void)closedir(d);
    return 0;
}

const struct charging_disk charging_disk_real = {.make_dir = disk_make_dir,
                                                 .lock = disk_lock,
                                                 .open = disk_open,
                                                 .close = disk_close,
                                                 .size = disk_size,
                                                 .read = disk_read,
                                                 .write = disk_write,
                                                 .truncate = disk_truncate,
                                                 .sync = disk_sync,
                                                 .rename = disk_rename,
                                                 .sync_dir = disk_sync_dir,
                                                 .reserve = disk_reserve,
                                                 .map = disk_map,
                                                 .unmap = disk_unmap,
                                                 .list = disk_list};
