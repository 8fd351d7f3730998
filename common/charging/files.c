/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a spool: names, listing, lines; the real disk; reading records back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/charging/inner.h"

enum { CHUNK = 64 * 1024 };

int spool_path(const char *dir, const char *name, uint64_t number, const char *tail,
               char dst[SPOOL_PATH_MAX])
{
    int n = snprintf(dst, SPOOL_PATH_MAX, "%s/%s-%08llu.jsonl%s", dir, name,
                     (unsigned long long)number, tail);

    return n > 0 && n < SPOOL_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- listing ---- */

struct listing {
    struct spool_files *files;
    struct span name;
};

static void on_name(void *arg, const char *file)
{
    struct listing *l = arg;
    struct spool_files *files = l->files;
    struct span s = span_str(file), number;
    struct spool_file f = {0};

    if (!span_starts(s, l->name) || s.n == l->name.n || s.p[l->name.n] != '-')
        return;
    s = span_sub(s, l->name.n + 1, s.n);
    number = span_cut(&s, '.');
    if (span_eq(s, SPAN("jsonl.open")))
        f.open = true;
    else if (!span_eq(s, SPAN("jsonl")))
        return;
    if (span_u64(number, UINT64_MAX - 1, &f.number))
        return;
    if (files->n == files->cap) {
        size_t cap = files->cap ? 2 * files->cap : 64;
        struct spool_file *more = realloc(files->file, cap * sizeof(*more));

        if (!more) {
            files->failed = true;
            return;
        }
        files->file = more;
        files->cap = cap;
    }
    files->file[files->n++] = f;
}

static int by_number(const void *a, const void *b)
{
    const struct spool_file *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

int spool_files_list(const struct charging_disk *disk, const char *dir, const char *name,
                     struct spool_files *ret_files)
{
    struct spool_files files = {0};
    struct listing l = {&files, span_str(name)};
    int rc = disk->list(disk->ctx, dir, on_name, &l);

    if (!rc && files.failed)
        rc = -ENOMEM;
    if (rc) {
        free(files.file);
        return rc;
    }
    if (files.n)
        qsort(files.file, files.n, sizeof(*files.file), by_number);
    *ret_files = files;
    return 0;
}

/* ---- lines ---- */

int spool_file_read(const struct charging_disk *disk, int fd, int64_t at,
                    bool (*line)(void *ctx, struct span line, int64_t end), void *ctx)
{
    char *chunk = malloc(CHUNK + CDR_LINE_MAX); /* chunk[0] is the octet `at` */
    size_t have = 0;
    bool more = true;
    int rc = chunk ? 0 : -ENOMEM;

    while (more && !rc) {
        int64_t got = disk->read(disk->ctx, fd, at + (int64_t)have, chunk + have, CHUNK);
        struct span left;

        if (got <= 0) {
            rc = (int)got;
            break;
        }
        have += (size_t)got;
        left = span_of(chunk, have);
        while (more) {
            size_t n = span_find(left, '\n');

            if (n == left.n)
                break;
            more = line(ctx, span_sub(left, 0, n), at + (left.p - chunk) + (int64_t)n + 1);
            left = span_sub(left, n + 1, left.n);
        }
        /* What is longer than a record may be is noise; the line it ends in fails its CRC. */
        if (left.n > CDR_LINE_MAX)
            left = span_sub(left, left.n, left.n);
        at += (int64_t)(have - left.n);
        have = left.n;
        memmove(chunk, chunk + (left.p - chunk), left.n);
    }
    free(chunk);
    return rc;
}

/* ---- reading back ---- */

struct reading {
    const struct charging_filter *filter;
    bool (*visit)(void *ctx, const struct cdr *c, struct span line);
    void *ctx;
    struct arena arena;
    uint64_t n, damaged;
    bool stopped;
};

static bool wanted(const struct charging_filter *f, const struct cdr *c)
{
    return (f->from == 0 || c->closing_time >= f->from) &&
           (f->to == 0 || c->closing_time < f->to) &&
           (f->icid.n == 0 || span_eq(f->icid, c->icid)) && c->sequence > f->after_sequence;
}

static bool on_line(void *ctx, struct span line, int64_t end)
{
    struct reading *r = ctx;
    struct cdr c;

    (void)end;
    arena_reset(&r->arena);
    if (cdr_parse_json(line, &r->arena, &c)) {
        r->damaged++;
        return true;
    }
    if (r->filter && !wanted(r->filter, &c))
        return true;
    r->n++;
    r->stopped =
        !r->visit(r->ctx, &c, line) || (r->filter && r->filter->limit && r->n == r->filter->limit);
    return !r->stopped;
}

static int read_file(const struct charging_disk *disk, const char *dir, const char *name,
                     uint64_t number, struct reading *r)
{
    char path[SPOOL_PATH_MAX];
    int fd, rc = spool_path(dir, name, number, ".open", path);

    if (rc)
        return rc;
    /* The open one first: between two opens it can only lose its tail, not gain it. */
    fd = disk->open(disk->ctx, path, false);
    if (fd == -ENOENT) {
        rc = spool_path(dir, name, number, "", path);
        if (rc)
            return rc;
        fd = disk->open(disk->ctx, path, false);
    }
    if (fd == -ENOENT)
        return 0; /* fetched and removed meanwhile */
    if (fd < 0)
        return fd;
    rc = spool_file_read(disk, fd, 0, on_line, r);
    disk->close(disk->ctx, fd);
    return rc;
}

int charging_read(const struct charging_disk *disk, const char *dir, const char *name,
                  const struct charging_filter *filter,
                  bool (*visit)(void *ctx, const struct cdr *c, struct span line), void *ctx,
                  uint64_t *ret_damaged)
{
    struct reading r = {.filter = filter, .visit = visit, .ctx = ctx};
    struct spool_files files;
    int rc;

    if (!disk)
        disk = &charging_disk_real;
    rc = spool_files_list(disk, dir, name, &files);
    if (rc)
        return rc;
    arena_init(&r.arena, 8 * CDR_LINE_MAX);
    for (size_t i = 0; i < files.n && !rc && !r.stopped; i++)
        if (i == 0 || files.file[i].number != files.file[i - 1].number)
            rc = read_file(disk, dir, name, files.file[i].number, &r);
    arena_fini(&r.arena);
    free(files.file);
    if (!rc && ret_damaged)
        *ret_damaged = r.damaged;
    return rc;
}
