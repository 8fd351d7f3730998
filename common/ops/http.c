/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metrics endpoint: libmicrohttpd on its own thread; it reads atomics, never rooms. */
#include "common/ops/ops.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <time.h>

enum { TEXT_FIRST = 64 << 10, TEXT_MAX = 16 << 20, CONNECTIONS = 16, TIMEOUT = 10, STALE = 5 };

struct ops_http {
    struct MHD_Daemon *mhd;
    struct obs_metrics *metrics;
    atomic_llong beat; /* monotonic seconds of the last one */
    atomic_bool ready;
};

static long long seconds(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
    return (long long)ts.tv_sec;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type,
                             char *text, size_t n, bool owned)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        n, text, owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
    if (!response) {
        if (owned)
            free(text);
        return MHD_NO;
    }
    enum MHD_Result rc = MHD_add_response_header(response, "Content-Type", type);
    if (rc == MHD_YES)
        rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned status,
                                  const char *text)
{
    char copy[64];
    struct buf b = BUF_ON(copy);
    buf_puts(&b, text);
    return reply(connection, status, "text/plain; charset=utf-8", copy, b.n, false);
}

static enum MHD_Result reply_metrics(struct ops_http *h, struct MHD_Connection *connection)
{
    for (size_t cap = TEXT_FIRST; cap <= TEXT_MAX; cap *= 2) {
        struct buf b = {malloc(cap), 0, cap, false};
        if (!b.p)
            break;
        obs_metrics_text(h->metrics, &b);
        if (!b.overflow)
            return reply(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", b.p,
                         b.n, true);
        free(b.p);
    }
    return reply_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out\n");
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *n_body, void **request)
{
    struct ops_http *h = cls;
    (void)version;
    (void)body;
    (void)request;
    if (*n_body > 0) { /* nothing here takes a body */
        *n_body = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    if (strcmp(url, "/metrics") == 0)
        return reply_metrics(h, connection);
    if (strcmp(url, "/healthz") != 0)
        return reply_text(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
    if (seconds() - atomic_load(&h->beat) > STALE)
        return reply_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the loop hangs\n");
    if (!atomic_load(&h->ready))
        return reply_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n");
    return reply_text(connection, MHD_HTTP_OK, "ok\n");
}

int ops_http_new(const struct addr *address, struct obs_metrics *metrics,
                 struct ops_http **ret_http)
{
    struct ops_http *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->metrics = metrics;
    ops_http_beat(h, false);
    struct sockaddr_storage ss;
    (void)addr_to_sockaddr(address, &ss); /* the length follows from the family */
    unsigned flags =
        MHD_USE_INTERNAL_POLLING_THREAD | (address->family == AF_INET6 ? MHD_USE_IPv6 : 0);
    errno = 0;
    h->mhd =
        MHD_start_daemon(flags, address->port, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&ss, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT, MHD_OPTION_END);
    if (!h->mhd) {
        int rc = errno ? -errno : -EIO;
        free(h);
        return rc;
    }
    *ret_http = h;
    return 0;
}

void ops_http_free(struct ops_http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->mhd);
    free(h);
}

void ops_http_beat(struct ops_http *h, bool ready)
{
    if (!h)
        return;
    atomic_store(&h->beat, seconds());
    atomic_store(&h->ready, ready);
}
