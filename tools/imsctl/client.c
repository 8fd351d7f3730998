/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection. */
#include "tools/imsctl/imsctl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE = 30, ANSWER_FIRST = 64 << 10, ANSWER_MAX = 64 << 20 };

int imsctl_connect(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct timeval patience = {PATIENCE, 0};
    if (span_copy(span_str(path), name.sun_path, sizeof(name.sun_path)) < 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, (struct sockaddr *)(void *)&name, sizeof(name)) == 0)
        return fd;
    int error = errno;
    (void)close(fd); /* nothing was sent */
    errno = error;
    return -1;
}

static int send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* One line without its end, on the heap. */
static char *receive_line(int fd, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    char *line = NULL, *end = NULL;
    while (!end) {
        if (cap - n < ANSWER_FIRST / 2) {
            cap = cap ? 2 * cap : ANSWER_FIRST;
            char *more = cap <= ANSWER_MAX ? realloc(line, cap) : NULL;
            if (!more) {
                errno = ENOMEM;
                break;
            }
            line = more;
        }
        ssize_t got = recv(fd, line + n, cap - n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno == EAGAIN ? ETIMEDOUT : errno;
            break;
        }
        end = memchr(line + n, '\n', (size_t)got);
        n += (size_t)got;
    }
    if (!end) {
        free(line);
        return NULL;
    }
    *ret_n = (size_t)(end - line);
    return line;
}

json_t *imsctl_ask(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    int rc = text ? send_all(fd, text, strlen(text)) : -1;
    if (rc == 0)
        rc = send_all(fd, "\n", 1);
    free(text);
    size_t n = 0;
    char *line = rc == 0 ? receive_line(fd, &n) : NULL;
    if (!line)
        return NULL;
    json_t *answer = json_loadb(line, n, 0, NULL);
    free(line);
    if (!json_is_object(answer)) {
        json_decref(answer);
        errno = EPROTO;
        return NULL;
    }
    return answer;
}
