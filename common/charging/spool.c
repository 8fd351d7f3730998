/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records on their way to the disk: group commit, rotation, waiting while the disk refuses. */
#include <errno.h>
#include <stdlib.h>

#include "common/charging/inner.h"

enum { BATCH_BYTES = 256 * 1024 };

struct record {
    struct record *next;
    void (*done)(void *ctx);
    void *ctx;
    uint32_t note; /* dropped when it is written; 0 = none of ours */
    size_t n;      /* with the newline */
    char line[];
};

struct queue {
    struct record *first, **last;
};

struct charging_spool {
    struct loop *loop;
    struct charging_spool_config config;
    char *dir, *name;
    struct loop_thread *thread;
    struct loop_job job;
    struct loop_task kick;    /* the records of one turn share a sync */
    struct loop_timer gather; /* or those of gather_time */
    struct loop_timer retry, rotation, alive;
    struct queue waiting, batch;
    struct spool_memory memory;
    struct spool_notes notes;
    struct arena texts; /* of the notes that are read */
    int lock;           /* on the directory; -1 = none */
    bool closing, rotate_wanted, rotate_failed;
    struct charging_spool_stats stats;

    /* The job's while busy. */
    bool busy, rotate, rotate_tried, rotated;
    int fd, rc;
    struct spool_state state;
    char *buffer;
    size_t buffer_n;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_add(struct queue *q, struct record *r)
{
    r->next = NULL;
    *q->last = r;
    q->last = &r->next;
}

static struct record *queue_take(struct queue *q)
{
    struct record *r = q->first;

    q->first = r->next;
    if (!q->first)
        q->last = &q->first;
    return r;
}

/* ---- alarms ---- */

static void alarm_set(struct charging_alarm *a, const char *dir, int code, uint64_t waiting,
                      const char *where)
{
    static const struct {
        int code;
        const char *what, *how;
    } known[] = {
        {-ENOSPC, "the disk is full", "make room on its file system (df); closed files may go"},
        {-EDQUOT, "the quota is used up", "raise the quota of the daemon's user"},
        {-EFBIG, "the file may not grow", "raise LimitFSIZE= of the service (ulimit -f)"},
        {-EROFS, "the file system is read-only", "look at the kernel log, remount it writable"},
        {-EACCES, "permission denied", "give the daemon's user write permission on it"},
        {-ENOENT, "the directory is gone", "make it again, with the daemon's user as owner"},
        {-EBADMSG, "the file of open calls (*.calls) is not one", "move it away"},
        {-EBUSY, "another process writes there",
         "only one may: find the other (`fuser -v` on the directory) and stop it, or name another "
         "directory"},
        {-EIO, "the disk reports an error", "look at the kernel log, replace the disk"},
    };
    struct buf text = {a->text, 0, sizeof(a->text) - 1, false};
    struct buf remedy = {a->remedy, 0, sizeof(a->remedy) - 1, false};
    const char *what = strerror(-code), *how = "look at the directory and the kernel log";

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].code == code) {
            what = known[i].what;
            how = known[i].how;
        }
    memset(a, 0, sizeof(*a));
    a->code = code;
    buf_fmt(&text, "charging records in %.150s: %s", dir, code ? what : "written again");
    if (waiting)
        buf_fmt(&text, "; %llu %s", (unsigned long long)waiting, where);
    buf_puts(&remedy, code ? how : "");
}

static void alarm_raise(struct charging_spool *s, int code)
{
    struct charging_alarm a;
    const char *where = "wait in memory";

    if (s->closing)
        where = s->notes.used >= s->stats.waiting ? "are noted and written by the next start"
                                                  : "are not written: their calls must be kept";
    alarm_set(&a, s->dir, code, s->stats.waiting, where);
    if (s->config.alarm)
        s->config.alarm(s->config.ctx, &a);
}

/* ---- on the job thread ---- */

static int file_open(struct charging_spool *s)
{
    const struct charging_disk *disk = s->config.disk;
    char path[SPOOL_PATH_MAX];
    int64_t size;
    int rc;

    if (s->fd >= 0)
        return 0;
    rc = spool_path(s->dir, s->name, s->state.number, ".open", path);
    if (rc)
        return rc;
    rc = disk->open(disk->ctx, path, true);
    if (rc < 0)
        return rc;
    s->fd = rc;
    size = disk->size(disk->ctx, s->fd);
    if (size < 0)
        return (int)size;
    if (size > s->state.size) /* what a failed attempt left */
        rc = disk->truncate(disk->ctx, s->fd, s->state.size);
    else
        rc = 0;
    if (size < s->state.size) /* somebody took the file away */
        s->state.size = size;
    if (!rc && size == 0)
        rc = disk->sync_dir(disk->ctx, s->dir); /* its name, too, must last */
    return rc;
}

static void file_close(struct charging_spool *s)
{
    if (s->fd >= 0)
        s->config.disk->close(s->config.disk->ctx, s->fd);
    s->fd = -1;
}

/* Fails without harm: the file goes on and the next batch tries again. */
static void file_rotate(struct charging_spool *s)
{
    const struct charging_disk *disk = s->config.disk;
    char from[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX];

    if (spool_path(s->dir, s->name, s->state.number, ".open", from) ||
        spool_path(s->dir, s->name, s->state.number, "", to) || disk->rename(disk->ctx, from, to))
        return;
    (void)disk->sync_dir(disk->ctx, s->dir); /* undone by a crash, it is an open file again */
    file_close(s);
    s->state.number++;
    s->state.size = 0;
    s->rotated = true;
}

static int batch_write(struct charging_spool *s)
{
    const struct charging_disk *disk = s->config.disk;
    int rc = disk->write(disk->ctx, s->fd, s->state.size, s->buffer, s->buffer_n);

    if (!rc)
        rc = disk->sync(disk->ctx, s->fd);
    if (rc) /* opening it again cuts off what this left */
        file_close(s);
    else
        s->state.size += (int64_t)s->buffer_n;
    return rc;
}

/* A failed batch is written again as a whole: after a failed fsync the kernel takes the pages for
 * clean, so syncing again would prove nothing. The file is put right before it may be closed for
 * good: the next one would get the same records. */
static void batch_run(struct loop_job *job)
{
    struct charging_spool *s = CONTAINER_OF(job, struct charging_spool, job);

    s->rotated = false;
    s->rotate_tried =
        s->state.size > 0 && (s->rotate || (uint64_t)s->state.size >= s->config.rotate_bytes);
    s->rc = file_open(s);
    if (!s->rc && s->rotate_tried) {
        file_rotate(s);
        if (s->buffer_n)
            s->rc = file_open(s);
    }
    if (!s->rc && s->buffer_n)
        s->rc = batch_write(s);
}

/* ---- on the loop ---- */

/* The batch stays as it is until the disk has it. */
static void batch_fill(struct charging_spool *s)
{
    while (s->waiting.first && s->buffer_n + s->waiting.first->n <= BATCH_BYTES) {
        struct record *r = queue_take(&s->waiting);

        memcpy(s->buffer + s->buffer_n, r->line, r->n);
        s->buffer_n += r->n;
        queue_add(&s->batch, r);
    }
}

static void batch_start(struct charging_spool *s)
{
    if (s->busy || s->closing)
        return;
    if (!s->batch.first)
        batch_fill(s);
    if (s->state.size == 0)
        s->rotate_wanted = s->rotate_wanted && s->batch.first; /* nothing to close */
    /* A rotation that failed waits for company. */
    if (!s->batch.first && (!s->rotate_wanted || s->rotate_failed))
        return;
    s->rotate = s->rotate_wanted;
    s->busy = loop_thread_submit(s->thread, &s->job) == 0;
    if (!s->busy) /* out of memory */
        loop_timer_start(s->loop, &s->retry, s->config.retry_time);
}

static void batch_deliver(struct charging_spool *s)
{
    struct queue batch = s->batch;

    if (!batch.first)
        return;
    queue_init(&s->batch);
    s->buffer_n = 0;
    s->stats.syncs++;
    while (batch.first) {
        struct record *r = batch.first;

        batch.first = r->next;
        s->stats.written++;
        s->stats.waiting--;
        s->stats.waiting_bytes -= sizeof(*r) + r->n;
        if (r->note)
            spool_notes_drop(&s->notes, r->note);
        if (r->done)
            r->done(r->ctx);
        free(r);
    }
}

/* Soon, with whoever joins until then. */
static void batch_want(struct charging_spool *s)
{
    if (!s->config.gather_time)
        loop_defer(s->loop, &s->kick);
    else if (!loop_timer_running(&s->gather))
        loop_timer_start(s->loop, &s->gather, s->config.gather_time);
}

static int record_add(struct charging_spool *s, const struct cdr *c, uint32_t note,
                      void (*done)(void *ctx), void *ctx)
{
    char line[CDR_LINE_MAX + 1];
    struct buf b = BUF_ON(line);
    struct cdr numbered = *c;
    struct record *r;
    size_t size;

    numbered.sequence = s->state.sequence + 1;
    cdr_put_json(&b, &numbered);
    if (b.overflow)
        return -EMSGSIZE;
    buf_putc(&b, '\n');
    size = sizeof(*r) + b.n;
    if (s->stats.waiting_bytes + size > s->config.memory_limit) {
        s->stats.refused++;
        return -ENOBUFS;
    }
    r = malloc(size);
    if (!r)
        return -ENOMEM;
    r->note = note;
    r->done = done;
    r->ctx = ctx;
    r->n = b.n;
    memcpy(r->line, b.p, b.n);
    queue_add(&s->waiting, r);
    s->state.sequence++;
    s->stats.waiting++;
    s->stats.waiting_bytes += size;
    if (!s->busy && !s->closing)
        batch_want(s);
    return 0;
}

/* What a killed process left: as many as there is memory for. */
static void notes_recover(struct charging_spool *s)
{
    struct cdr c;
    uint32_t note;

    arena_reset(&s->texts);
    while (s->notes.map && (note = spool_notes_left(&s->notes, &s->texts, &c)) != 0) {
        bool known = spool_memory_has(&s->memory, &c); /* killed between sync and done */

        c.closing_time = loop_wall(s->loop);
        if (!known && record_add(s, &c, note, NULL, NULL) != 0)
            break;
        s->stats.recovered += !known;
        spool_notes_next(&s->notes);
        if (known)
            spool_notes_drop(&s->notes, note);
        arena_reset(&s->texts);
    }
    s->stats.damaged = s->notes.damaged;
}

static void on_alive(struct loop_timer *t, void *ctx)
{
    struct charging_spool *s = ctx;

    spool_notes_alive(&s->notes, loop_wall(s->loop));
    if (s->notes.used)
        loop_timer_start(s->loop, t, SEC);
}

uint32_t charging_note_put(struct charging_spool *s, const struct cdr *c)
{
    uint32_t note = spool_notes_put(&s->notes, c);

    s->stats.not_noted += note == 0 && s->config.notes;
    if (note && !loop_timer_running(&s->alive))
        on_alive(&s->alive, s);
    return note;
}

void charging_note_end(struct charging_spool *s, uint32_t note, const struct cdr *c)
{
    if (note)
        spool_notes_end(&s->notes, note, c);
}

void charging_note_drop(struct charging_spool *s, uint32_t note)
{
    if (note)
        spool_notes_drop(&s->notes, note);
}

static void batch_finish(struct charging_spool *s)
{
    s->rotate_failed = s->rotate_tried && !s->rotated;
    if (s->rotated) {
        s->stats.rotations++;
        s->rotate_wanted = false;
        loop_timer_stop(s->loop, &s->rotation);
    }
    if (s->rc) {
        if (!s->stats.disk_refuses) {
            s->stats.disk_refuses = true;
            alarm_raise(s, s->rc);
        }
        if (!s->closing)
            loop_timer_start(s->loop, &s->retry, s->config.retry_time);
        return;
    }
    batch_deliver(s);
    notes_recover(s);
    if (s->stats.disk_refuses) {
        s->stats.disk_refuses = false;
        alarm_raise(s, 0);
    }
    if (s->state.size > 0 && !loop_timer_running(&s->rotation) && !s->closing)
        loop_timer_start(s->loop, &s->rotation, s->config.rotate_time);
}

static void batch_done(struct loop_job *job)
{
    struct charging_spool *s = CONTAINER_OF(job, struct charging_spool, job);

    s->busy = false;
    batch_finish(s);
    if (s->rc)
        return;
    /* A whole batch is company enough. */
    if (s->config.gather_time && s->waiting.first && s->stats.waiting_bytes < BATCH_BYTES)
        batch_want(s);
    else
        batch_start(s);
}

static void on_kick(struct loop_task *task, void *ctx)
{
    struct charging_spool *s = ctx;

    (void)task;
    if (!s->stats.disk_refuses) /* then the timer does it */
        batch_start(s);
}

static void on_gathered(struct loop_timer *t, void *ctx)
{
    (void)t;
    on_kick(NULL, ctx);
}

static void on_retry(struct loop_timer *t, void *ctx)
{
    struct charging_spool *s = ctx;

    (void)t;
    s->stats.retries++;
    batch_start(s);
}

void charging_spool_rotate(struct charging_spool *s)
{
    s->rotate_wanted = true;
    loop_defer(s->loop, &s->kick);
}

static void on_rotation(struct loop_timer *t, void *ctx)
{
    (void)t;
    charging_spool_rotate(ctx);
}

/* ---- life ---- */

static void config_set(struct charging_spool *s, const struct charging_spool_config *c)
{
    s->config = *c;
    if (!s->config.rotate_bytes)
        s->config.rotate_bytes = 64 << 20;
    if (!s->config.rotate_time)
        s->config.rotate_time = 3600 * SEC;
    if (!s->config.memory_limit)
        s->config.memory_limit = 32 << 20;
    if (!s->config.retry_time)
        s->config.retry_time = 5 * SEC;
    if (!s->config.disk)
        s->config.disk = &charging_disk_real;
    s->dir = span_dup(span_str(c->dir));
    s->name = span_dup(span_str(c->name));
    s->buffer = malloc(BATCH_BYTES);
}

static void spool_release(struct charging_spool *s)
{
    arena_fini(&s->texts);
    free(s->buffer);
    free(s->name);
    free(s->dir);
    free(s);
}

static void dir_unlock(struct charging_spool *s)
{
    if (s->lock >= 0)
        s->config.disk->close(s->config.disk->ctx, s->lock);
    s->lock = -1;
}

static int spool_open(struct charging_spool *s)
{
    const struct charging_disk *disk = s->config.disk;
    int rc;

    if (!s->dir || !s->name || !s->buffer)
        return -ENOMEM;
    rc = spool_memory_init(&s->memory, s->config.rnd ? s->config.rnd : &rnd_system);
    if (rc)
        return rc;
    rc = disk->make_dir(disk->ctx, s->dir);
    if (!rc && disk->lock)
        rc = s->lock = disk->lock(disk->ctx, s->dir);
    if (rc >= 0)
        rc = spool_recover(disk, s->dir, s->name, &s->memory, &s->state);
    if (!rc)
        rc = spool_notes_open(disk, s->dir, s->name, s->config.notes, &s->notes);
    if (!rc)
        rc = loop_thread_new(s->loop, "spool", 1, &s->thread);
    if (rc) {
        spool_notes_close(&s->notes);
        dir_unlock(s);
        spool_memory_fini(&s->memory);
    }
    return rc;
}

int charging_spool_new(struct loop *l, const struct charging_spool_config *config,
                       struct charging_spool **ret_spool, struct charging_alarm *ret_alarm)
{
    struct charging_spool *s = calloc(1, sizeof(*s));
    int rc = -ENOMEM;

    if (s) {
        s->loop = l;
        s->fd = s->lock = s->notes.fd = -1;
        s->job = (struct loop_job){.run = batch_run, .done = batch_done};
        loop_task_init(&s->kick, on_kick, s);
        loop_timer_init(&s->gather, on_gathered, s);
        loop_timer_init(&s->retry, on_retry, s);
        loop_timer_init(&s->rotation, on_rotation, s);
        loop_timer_init(&s->alive, on_alive, s);
        arena_init(&s->texts, 64 * 1024);
        queue_init(&s->waiting);
        queue_init(&s->batch);
        config_set(s, config);
        rc = spool_open(s);
    }
    if (rc) {
        if (ret_alarm)
            alarm_set(ret_alarm, config->dir, rc, 0, "");
        if (s)
            spool_release(s);
        return rc;
    }
    s->stats.torn_bytes = s->state.torn;
    if (s->state.size > 0)
        loop_timer_start(l, &s->rotation, s->config.rotate_time);
    notes_recover(s);
    *ret_spool = s;
    return 0;
}

static void drop(struct queue *q)
{
    while (q->first)
        free(queue_take(q));
}

void charging_spool_free(struct charging_spool *s)
{
    if (!s)
        return;
    s->closing = true;
    loop_task_cancel(&s->kick);
    loop_timer_stop(s->loop, &s->gather);
    loop_timer_stop(s->loop, &s->retry);
    loop_timer_stop(s->loop, &s->rotation);
    loop_timer_stop(s->loop, &s->alive);
    loop_thread_free(s->thread);
    s->rc = 0;
    while (!s->rc && (s->batch.first || s->waiting.first)) { /* a done may append */
        if (!s->batch.first)
            batch_fill(s);
        batch_run(&s->job);
        batch_finish(s);
    }
    if (s->stats.waiting)
        alarm_raise(s, s->rc);
    drop(&s->batch);
    drop(&s->waiting);
    file_close(s);
    spool_notes_close(&s->notes);
    dir_unlock(s);
    spool_memory_fini(&s->memory);
    spool_release(s);
}

/* ---- records ---- */

int charging_spool_append(struct charging_spool *s, const struct cdr *c, void (*done)(void *ctx),
                          void *ctx)
{
    return record_add(s, c, 0, done, ctx);
}

bool charging_spool_ready(const struct charging_spool *s)
{
    return s->stats.waiting_bytes <= s->config.memory_limit / 2;
}

void charging_spool_stats_get(const struct charging_spool *s,
                              struct charging_spool_stats *ret_stats)
{
    *ret_stats = s->stats;
    ret_stats->noted = s->notes.used;
}
