/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: callers format into their stack and copy whole lines into a ring; a thread writes. */
#include "common/obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_MAX = 512,
    RING_DEFAULT = 1 << 20,
    CUT_ROOM = 24,
    /* Lines below a warning wait so long for others: a write, and two changes between threads, for
     * each line cost more than all else about it. */
    GATHER_MS = 50,
};

const char *const obs_level_names[] = {"error", "warn", "notice", "info", "debug", NULL};
const char *const obs_format_names[] = {"auto", "logfmt", "json", NULL};

struct obs_log {
    struct obs_log_options o;
    char *program, *file;
    uint64_t identity_key[2];
    atomic_int level;
    atomic_uint_fast64_t dropped;
    bool json;

    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t writer;
    bool threaded, stop;
    bool urgent;     /* what waits is to be written now */
    int fd, next_fd; /* next_fd: what obs_log_reopen opened, -1 = none; the writer changes over */
    char *ring;
    size_t cap, at, used;
    uint64_t told;  /* drops the log itself has told about */
    int64_t second; /* of the rate */
    unsigned in_second;
};

/* ---- text into lines ---- */

/* Length of the UTF-8 character at p, 0 when it is none (or a C1 control, which terminals obey). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    size_t len = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : 0;
    if (*p >= 0xf0 && *p < 0xf5)
        len = 4;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
        (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return len;
}

/* Octets at p that stand for themselves. */
static size_t plain_run(const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= ' ' && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

static void put_escaped(struct buf *b, struct span s, bool json)
{
    bool cut = s.n > TEXT_MAX;
    s = span_sub(s, 0, TEXT_MAX);
    for (size_t i = 0, len; i < s.n; i += len) {
        const unsigned char *p = (const unsigned char *)s.p + i;
        len = utf8_len(p, s.n - i);
        if (*p == '"' || *p == '\\') {
            buf_putc(b, '\\');
            buf_putc(b, (char)*p);
        } else if (len > 0 && *p >= ' ' && *p != 0x7f) {
            size_t run = plain_run(p, s.n - i);
            len = run ? run : len;
            buf_put(b, span_of(p, len));
        } else {
            len = 1;
            buf_fmt(b, json ? "\\u%04x" : "\\x%02x", *p);
        }
    }
    if (cut)
        buf_puts(b, "...");
}

static bool needs_quotes(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '"' ||
            s.p[i] == '=' || s.p[i] == '\\')
            return true;
    return s.n == 0 || s.n > TEXT_MAX;
}

static void put_text(struct buf *b, struct span s, bool json)
{
    bool quotes = json || needs_quotes(s);
    if (!quotes) {
        buf_put(b, s);
        return;
    }
    buf_putc(b, '"');
    put_escaped(b, s, json);
    buf_putc(b, '"');
}

static void put_value(const struct obs_log *log, struct buf *b, const struct obs_field *f)
{
    char text[ADDR_TEXT_MAX + 64];
    switch (f->type) {
    case OBS_F_TEXT:
        put_text(b, f->text, log->json);
        break;
    case OBS_F_ID:
        if (!log->o.show_identities) {
            (void)snprintf(text, sizeof(text), "id:%016" PRIx64,
                           siphash24(log->identity_key, f->text.p, f->text.n));
            put_text(b, span_str(text), log->json);
        } else {
            put_text(b, f->text, log->json);
        }
        break;
    case OBS_F_UINT:
        buf_u64(b, f->number);
        break;
    case OBS_F_INT:
        buf_fmt(b, "%" PRId64, (int64_t)f->number);
        break;
    case OBS_F_BOOL:
        buf_puts(b, f->number ? "true" : "false");
        break;
    case OBS_F_ADDR:
        put_text(b, f->addr && f->addr->family ? span_str(addr_text(f->addr, text)) : SPAN("none"),
                 log->json);
        break;
    case OBS_F_ERRNO:
        if (strerror_r(-(int)(int64_t)f->number, text, sizeof(text)) != 0)
            (void)snprintf(text, sizeof(text), "errno %d", -(int)(int64_t)f->number);
        put_text(b, span_str(text), log->json);
        break;
    }
}

static void put_key(const struct obs_log *log, struct buf *b, const char *key)
{
    buf_puts(b, log->json ? ",\"" : " ");
    buf_puts(b, key);
    buf_puts(b, log->json ? "\":" : "=");
}

static void digits(char *at, unsigned value, unsigned n)
{
    for (unsigned i = n; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
}

/* 2026-11-21T09:30:00.123Z. By hand: gmtime and strftime cost more than all the rest of a line. The
 * calendar counts from 1 March 0000, so that the leap day is the last of a year. */
static void put_time(struct buf *b, const struct timespec *now)
{
    uint64_t seconds = now->tv_sec > 0 ? (uint64_t)now->tv_sec : 0;
    uint64_t days = seconds / 86400 + 719468;
    unsigned era = (unsigned)(days / 146097), day = (unsigned)(days % 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    unsigned month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    unsigned in_day = (unsigned)(seconds % 86400);
    char text[] = "0000-00-00T00:00:00.000Z";
    digits(text, year + era * 400 + (month >= 10), 4);
    digits(text + 5, month < 10 ? month + 3 : month - 9, 2);
    digits(text + 8, day + 1, 2);
    digits(text + 11, in_day / 3600, 2);
    digits(text + 14, in_day / 60 % 60, 2);
    digits(text + 17, in_day % 60, 2);
    digits(text + 20, (unsigned)(now->tv_nsec / 1000000), 3);
    buf_put(b, span_of(text, sizeof(text) - 1));
}

static void put_head(const struct obs_log *log, struct buf *b, const struct timespec *now,
                     enum obs_level level, const char *event)
{
    buf_puts(b, log->json ? "{\"time\":\"" : "");
    put_time(b, now);
    buf_puts(b, log->json ? "\",\"level\":\"" : " ");
    buf_puts(b, obs_level_names[level]);
    buf_puts(b, log->json ? "\",\"program\":\"" : " ");
    buf_puts(b, log->program);
    buf_puts(b, log->json ? "\",\"event\":\"" : " ");
    buf_puts(b, event);
    buf_puts(b, log->json ? "\"" : "");
}

/* ---- the ring and its writer ---- */

static void ring_put(struct obs_log *log, struct span line)
{
    size_t end = (log->at + log->used) % log->cap;
    size_t first = line.n < log->cap - end ? line.n : log->cap - end;
    memcpy(log->ring + end, line.p, first);
    memcpy(log->ring, line.p + first, line.n - first);
    log->used += line.n;
}

static void count_drops(struct obs_log *log, uint64_t n)
{
    atomic_fetch_add_explicit(&log->dropped, n, memory_order_relaxed);
}

/* Everything, or false: the medium refuses. A terminal or pipe that is full is waited for: that is
 * what this thread is for. */
static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, p, n);
        if (wrote >= 0) {
            p += wrote;
            n -= (size_t)wrote;
        } else if (errno == EAGAIN) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};
            if (poll(&full, 1, 1000) == 0)
                return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Waits, under the lock, for lines and then for more of them. */
static void gather(struct obs_log *log)
{
    struct timespec until;
    while (log->used == 0 && !log->stop && log->next_fd < 0)
        pthread_cond_wait(&log->filled, &log->lock);
    if (log->urgent || log->stop || log->next_fd >= 0)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail with this clock */
    until.tv_nsec += GATHER_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!log->urgent && !log->stop && log->next_fd < 0) {
        if (pthread_cond_timedwait(&log->filled, &log->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void *writer_run(void *arg)
{
    struct obs_log *log = arg;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        gather(log);
        if (log->next_fd >= 0) {
            if (log->fd != STDERR_FILENO)
                (void)close(log->fd); /* everything was written to it; nothing else to be done */
            log->fd = log->next_fd;
            log->next_fd = -1;
        }
        if (log->used == 0) {
            if (log->stop)
                break;
            continue;
        }
        size_t n = log->used < log->cap - log->at ? log->used : log->cap - log->at;
        log->urgent = log->urgent && n < log->used; /* the rest follows from the ring's beginning */
        const char *p = log->ring + log->at;
        int fd = log->fd;
        pthread_mutex_unlock(&log->lock);
        bool written = write_all(fd, p, n);
        uint64_t lost = 0;
        for (size_t i = 0; !written && i < n; i++)
            lost += p[i] == '\n';
        count_drops(log, lost);
        pthread_mutex_lock(&log->lock);
        log->at = (log->at + n) % log->cap;
        log->used -= n;
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* Under the lock. */
static bool within_rate(struct obs_log *log, const struct timespec *now, enum obs_level level)
{
    if (log->second != now->tv_sec) {
        log->second = now->tv_sec;
        log->in_second = 0;
    }
    log->in_second++;
    return log->o.rate == 0 || level == OBS_ERROR || log->in_second <= log->o.rate;
}

static void tell_drops(struct obs_log *log, const struct timespec *now)
{
    uint64_t dropped = atomic_load_explicit(&log->dropped, memory_order_relaxed);
    if (dropped == log->told)
        return;
    char line[256];
    struct buf b = BUF_ON(line);
    put_head(log, &b, now, OBS_WARN, "log.dropped");
    put_key(log, &b, "lines");
    buf_u64(&b, dropped - log->told);
    buf_puts(&b, log->json ? "}\n" : "\n");
    if (b.n > log->cap - log->used)
        return;
    ring_put(log, buf_span(&b));
    log->told = dropped;
}

static void hand_over(struct obs_log *log, const struct timespec *now, enum obs_level level,
                      struct span line)
{
    bool wake = false;
    pthread_mutex_lock(&log->lock);
    if (!within_rate(log, now, level)) {
        count_drops(log, 1);
    } else if (log->o.sink) {
        log->o.sink(log->o.ctx, line);
    } else {
        bool idle = log->used == 0;
        tell_drops(log, now);
        if (line.n <= log->cap - log->used) {
            bool urgent = level <= OBS_WARN || log->used > log->cap / 2;
            wake = idle || (urgent && !log->urgent);
            log->urgent |= urgent;
            ring_put(log, line);
        } else {
            count_drops(log, 1);
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (wake)
        pthread_cond_signal(&log->filled);
}

void obs_log_write(struct obs_log *log, enum obs_level level, const char *event,
                   const struct obs_field *fields, size_t n)
{
    if (!obs_log_on(log, level))
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
    char line[OBS_LINE_MAX];
    struct buf b = {line, 0, sizeof(line) - CUT_ROOM, false};
    put_head(log, &b, &now, level, event);
    size_t i = 0;
    for (; i < n && !b.overflow; i++) {
        size_t before = b.n;
        put_key(log, &b, fields[i].key);
        put_value(log, &b, &fields[i]);
        if (b.overflow)
            b.n = before;
    }
    bool cut = b.overflow;
    b.overflow = false;
    b.cap = sizeof(line);
    if (cut) {
        put_key(log, &b, "cut");
        buf_puts(&b, "true");
    }
    buf_puts(&b, log->json ? "}\n" : "\n");
    hand_over(log, &now, level, buf_span(&b));
}

/* ---- life ---- */

static int open_file(const char *file)
{
    if (!file || !*file)
        return STDERR_FILENO;
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

static int start_writer(struct obs_log *log)
{
    log->cap = log->o.ring ? log->o.ring : RING_DEFAULT;
    log->ring = malloc(log->cap);
    if (!log->ring)
        return -ENOMEM;
    log->fd = open_file(log->file);
    if (log->fd < 0)
        return log->fd;
    int rc = pthread_create(&log->writer, NULL, writer_run, log);
    log->threaded = rc == 0;
    return -rc;
}

int obs_log_new(const struct obs_log_options *options, struct obs_log **ret_log)
{
    struct obs_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    log->o = *options;
    log->fd = log->next_fd = -1;
    log->program = strdup(options->program);
    log->file = strdup(options->file ? options->file : "");
    atomic_init(&log->level, (int)options->level);
    memcpy(log->identity_key, options->identity_key, sizeof(log->identity_key));
    bool terminal = log->file && !*log->file && isatty(STDERR_FILENO);
    log->json = options->format == OBS_JSON || (options->format == OBS_AUTO && !terminal);
    (void)pthread_mutex_init(&log->lock, NULL); /* Linux: neither fails with default attributes */
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->filled, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int rc = log->program && log->file ? 0 : -ENOMEM;
    if (rc == 0 && !options->sink)
        rc = start_writer(log);
    if (rc < 0) {
        obs_log_free(log);
        return rc;
    }
    *ret_log = log;
    return 0;
}

void obs_log_free(struct obs_log *log)
{
    if (!log)
        return;
    if (log->threaded) {
        pthread_mutex_lock(&log->lock);
        log->stop = true;
        pthread_cond_signal(&log->filled);
        pthread_mutex_unlock(&log->lock);
        (void)pthread_join(log->writer, NULL); /* it ends by itself once `stop` is set */
    }
    if (log->fd > STDERR_FILENO)
        (void)close(log->fd); /* the writes were checked */
    (void)pthread_cond_destroy(&log->filled);
    (void)pthread_mutex_destroy(&log->lock);
    free(log->ring);
    free(log->program);
    free(log->file);
    free(log);
}

int obs_log_reopen(struct obs_log *log)
{
    if (!log || !log->threaded || !*log->file)
        return 0;
    int fd = open_file(log->file);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&log->lock);
    if (log->next_fd >= 0)
        (void)close(log->next_fd); /* opened a moment ago, nothing was written to it */
    log->next_fd = fd;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
    return 0;
}

void obs_log_set_level(struct obs_log *log, enum obs_level level)
{
    if (log)
        atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

enum obs_level obs_log_level(const struct obs_log *log)
{
    return log ? (enum obs_level)atomic_load_explicit(&log->level, memory_order_relaxed)
               : OBS_ERROR;
}

bool obs_log_on(const struct obs_log *log, enum obs_level level)
{
    return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

uint64_t obs_log_dropped(const struct obs_log *log)
{
    return log ? atomic_load_explicit(&log->dropped, memory_order_relaxed) : 0;
}
