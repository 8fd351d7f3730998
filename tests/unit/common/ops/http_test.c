/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ops/ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/suite.h"

static const struct obs_metric table[] = {{"calls_total", "Calls", OBS_COUNTER}};

/* A port that was free a moment ago. */
static struct addr free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)(void *)&in, &n), 0);
    (void)close(fd);
    struct addr a = {.family = AF_INET, .port = ntohs(in.sin_port), .ip = {127, 0, 0, 1}};
    return a;
}

static const char *get(const struct addr *a, const char *request, char *text, size_t cap)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(a, &ss);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&ss, n), 0);
    CU_ASSERT_EQUAL(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    size_t at = 0;
    for (ssize_t got; at < cap - 1 && (got = recv(fd, text + at, cap - 1 - at, 0)) > 0;)
        at += (size_t)got;
    text[at] = '\0';
    (void)close(fd);
    return text;
}

static void metrics_and_health_are_served(void)
{
    struct obs_metrics *m = NULL;
    struct obs_values *v = NULL;
    struct ops_http *h = NULL;
    char text[4096];
    CU_ASSERT_EQUAL_FATAL(obs_metrics_new(&m), 0);
    CU_ASSERT_EQUAL_FATAL(obs_metrics_add(m, table, 1, &v), 0);
    obs_add(v, 0, 0, 42);
    struct addr a = free_port();
    CU_ASSERT_EQUAL_FATAL(ops_http_new(&a, m, &h), 0);
    static const char metrics[] = "GET /metrics HTTP/1.0\r\n\r\n";
    static const char health[] = "GET /healthz HTTP/1.0\r\n\r\n";
    CU_ASSERT_PTR_NOT_NULL(
        strstr(get(&a, metrics, text, sizeof(text)), "portcullis_calls_total 42\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "version=0.0.4"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(&a, health, text, sizeof(text)), " 503 "));
    ops_http_beat(h, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(get(&a, health, text, sizeof(text)), " 200 "));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(get(&a, "GET /etc HTTP/1.0\r\n\r\n", text, sizeof(text)), " 404 "));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(get(&a, "DELETE /metrics HTTP/1.0\r\n\r\n", text, sizeof(text)), " 405 "));
    struct ops_http *other = NULL;
    CU_ASSERT_EQUAL(ops_http_new(&a, m, &other), -EADDRINUSE);
    ops_http_free(h);
    obs_metrics_free(m);
}

TEST_MAIN("common/ops/http", {"metrics and health are served", metrics_and_health_are_served})
