/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a crash left in the spool, put in order at start. */
#include <errno.h>
#include <stdlib.h>

#include "common/charging/inner.h"

/* Only the end of a file is of interest, and a start must be short: what was not synced is at most
 * a batch, and sequence numbers rise. */
enum { TAIL = 4 * 1024 * 1024, COPY = 64 * 1024 };

struct scan {
    struct spool_memory *memory;
    struct arena arena;
    uint64_t sequence; /* highest */
    int64_t end;       /* behind the last whole line; -1 = none */
};

static bool on_line(void *ctx, struct span line, int64_t end)
{
    struct scan *s = ctx;
    struct cdr c;

    arena_reset(&s->arena);
    if (cdr_parse_json(line, &s->arena, &c) == 0) {
        s->end = end;
        if (c.sequence > s->sequence)
            s->sequence = c.sequence;
        spool_memory_add(s->memory, &c);
    }
    return true;
}

static int scan_tail(const struct charging_disk *disk, int fd, int64_t size, struct scan *s)
{
    int rc;

    s->end = -1;
    rc = spool_file_read(disk, fd, size > TAIL ? size - TAIL : 0, on_line, s);
    if (!rc && s->end < 0 && size > TAIL)
        rc = spool_file_read(disk, fd, 0, on_line, s);
    return rc;
}

/* Keeps the octets for whoever wants to look; that they cannot be kept is no reason not to start:
 * nobody was told that they are on the disk. */
static void keep_torn(const struct charging_disk *disk, const char *path, int fd, int64_t from,
                      int64_t to)
{
    char torn[SPOOL_PATH_MAX + 8];
    struct buf b = BUF_ON(torn);
    char *chunk = malloc(COPY);
    int64_t at, got = 1;
    int out;

    buf_puts(&b, path);
    buf_puts(&b, ".torn");
    buf_putc(&b, '\0');
    out = chunk ? disk->open(disk->ctx, torn, true) : -ENOMEM;
    if (out >= 0) {
        at = disk->size(disk->ctx, out);
        while (from < to && got > 0 && at >= 0) {
            got = disk->read(disk->ctx, fd, from, chunk, COPY);
            if (got <= 0 || disk->write(disk->ctx, out, at, chunk, (size_t)got))
                break;
            from += got;
            at += got;
        }
        (void)disk->sync(disk->ctx, out);
        disk->close(disk->ctx, out);
    }
    free(chunk);
}

static int cut(const struct charging_disk *disk, const char *path, int fd, int64_t end,
               int64_t size)
{
    int rc;

    keep_torn(disk, path, fd, end, size);
    rc = disk->truncate(disk->ctx, fd, end);
    return rc ? rc : disk->sync(disk->ctx, fd);
}

static int scan_file(const struct charging_disk *disk, const char *dir, const char *name,
                     const struct spool_file *file, struct scan *s, struct spool_state *state)
{
    char path[SPOOL_PATH_MAX];
    int64_t size;
    int fd, rc = spool_path(dir, name, file->number, file->open ? ".open" : "", path);

    if (rc)
        return rc;
    fd = disk->open(disk->ctx, path, file->open);
    if (fd < 0)
        return fd;
    size = disk->size(disk->ctx, fd);
    rc = size < 0 ? (int)size : scan_tail(disk, fd, size, s);
    if (!rc && file->open) {
        int64_t end = s->end < 0 ? 0 : s->end;

        if (end < size) {
            rc = cut(disk, path, fd, end, size);
            state->torn = (uint64_t)(size - end);
        }
        state->number = file->number;
        state->size = end;
    }
    disk->close(disk->ctx, fd);
    return rc;
}

static int scan_files(const struct charging_disk *disk, const char *dir, const char *name,
                      const struct spool_files *files, struct scan *s, struct spool_state *state)
{
    const struct spool_file *last = &files->file[files->n - 1];
    size_t i = files->n - 1;
    int rc = 0;

    state->number = last->number + 1;
    /* Records are remembered oldest first, so the closed file before the open one comes first. */
    if (last->open && i > 0)
        rc = scan_file(disk, dir, name, last - 1, s, &(struct spool_state){0});
    if (!rc)
        rc = scan_file(disk, dir, name, last, s, state);
    /* Files without a record (just rotated, damaged): the numbers go on from older ones. */
    while (!rc && s->sequence == 0 && i-- > 0)
        rc = scan_file(disk, dir, name, &files->file[i], s, &(struct spool_state){0});
    return rc;
}

int spool_recover(const struct charging_disk *disk, const char *dir, const char *name,
                  struct spool_memory *memory, struct spool_state *ret_state)
{
    struct spool_state state = {.number = 1};
    struct scan s = {.memory = memory};
    struct spool_files files;
    int rc = spool_files_list(disk, dir, name, &files);

    if (rc)
        return rc;
    arena_init(&s.arena, 8 * CDR_LINE_MAX);
    if (files.n)
        rc = scan_files(disk, dir, name, &files, &s, &state);
    arena_fini(&s.arena);
    free(files.file);
    if (rc)
        return rc;
    state.sequence = s.sequence;
    *ret_state = state;
    return 0;
}
