/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/charging, inside. Not for other rooms. */
#ifndef COMMON_CHARGING_INNER_H
#define COMMON_CHARGING_INNER_H

#include "common/charging/charging.h"

/* ---- cdr.c ---- */

/* The CRC at the end of a line is that of what stands before it. */
bool cdr_line_is_whole(struct span line);
/* crc.c */
uint32_t cdr_crc32c(struct span s);

/* ---- files.c: the files of a spool ---- */

enum { SPOOL_PATH_MAX = 512 };

struct spool_file {
    uint64_t number;
    bool open; /* still has the tail .open */
};

struct spool_files {
    struct spool_file *file; /* by number */
    size_t n, cap;
    bool failed; /* out of memory */
};

/* -ENAMETOOLONG. */
int spool_path(const char *dir, const char *name, uint64_t number, const char *tail,
               char dst[SPOOL_PATH_MAX]);
/* The caller frees file. */
int spool_files_list(const struct charging_disk *disk, const char *dir, const char *name,
                     struct spool_files *ret_files);

/* Calls line for every line of the file, from offset `at` on, that ends in a newline, with the offset
 * behind it; until it returns false. */
int spool_file_read(const struct charging_disk *disk, int fd, int64_t at,
                    bool (*line)(void *ctx, struct span line, int64_t end), void *ctx);

/* ---- memory.c: which records were on the disk at start ---- */

/* The last of them. */
enum { SPOOL_REMEMBERED = 4096 };

struct spool_memory {
    struct map map;
    struct list order; /* oldest first */
};

int spool_memory_init(struct spool_memory *m, const struct rnd *rnd);
void spool_memory_fini(struct spool_memory *m);
/* Out of memory: the record is not remembered. */
void spool_memory_add(struct spool_memory *m, const struct cdr *c);
bool spool_memory_has(const struct spool_memory *m, const struct cdr *c);

/* ---- notes.c: calls that are open, where a killed process leaves them ---- */

struct spool_notes {
    const struct charging_disk *disk;
    int fd;
    char *map; /* NULL: no notes are kept */
    size_t map_n;
    uint32_t limit, reserved;     /* slots, the first of the file besides */
    uint32_t next, *free, n_free; /* never used yet; used and free again */
    uint32_t used;                /* gauge */
    uint32_t left, at;            /* slots the last process left, and how many are looked at */
    uint32_t damaged;             /* of them */
    int64_t last_alive;
};

/* limit 0: nothing is kept. -EBADMSG when the file is something else; close it after a failure too. */
int spool_notes_open(const struct charging_disk *disk, const char *dir, const char *name,
                     uint32_t limit, struct spool_notes *ret_notes);
void spool_notes_close(struct spool_notes *s);
/* The next note the last process left, as the record it makes now: its number, 0 when there is no
 * more. The same until spool_notes_next has taken it; then it is to be dropped some time. */
uint32_t spool_notes_left(struct spool_notes *s, struct arena *a, struct cdr *ret_cdr);
void spool_notes_next(struct spool_notes *s);
/* 0: no room, on the disk or below the limit. */
uint32_t spool_notes_put(struct spool_notes *s, const struct cdr *c);
void spool_notes_end(struct spool_notes *s, uint32_t note, const struct cdr *c);
void spool_notes_drop(struct spool_notes *s, uint32_t note);
void spool_notes_alive(struct spool_notes *s, int64_t wall);

/* ---- recover.c ---- */

struct spool_state {
    uint64_t number;   /* of the open file */
    int64_t size;      /* of it: where the next record goes */
    uint64_t sequence; /* highest given */
    uint64_t torn;     /* octets cut off */
};

/* What a crash left, put in order. The open file may not exist yet. */
int spool_recover(const struct charging_disk *disk, const char *dir, const char *name,
                  struct spool_memory *memory, struct spool_state *ret_state);

#endif
