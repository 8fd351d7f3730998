/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static void a_port_that_is_taken_is_said(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    struct daemon_finding f;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)(void *)&in, &n), 0);
    struct addr a = {.family = AF_INET, .port = ntohs(in.sin_port), .ip = {127, 0, 0, 1}};
    CU_ASSERT_EQUAL(daemon_check_bind("x.y", &a, SOCK_DGRAM, &f), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "UDP 127.0.0.1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "ss -lnpu"));
    (void)close(fd);
    CU_ASSERT_EQUAL(daemon_check_bind("x.y", &a, SOCK_DGRAM, &f), 0);
}

static void an_address_that_is_not_here_is_said(void)
{
    struct daemon_finding f;
    struct addr a = {.family = AF_INET, .port = 5060, .ip = {192, 0, 2, 1}};
    CU_ASSERT_EQUAL(daemon_check_bind("x.y", &a, SOCK_STREAM, &f), -EADDRNOTAVAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "ip address"));
}

static void a_peer_that_does_not_answer_is_said(void)
{
    struct daemon_finding f = {.option = NULL};
    struct addr a = {.family = AF_INET, .ip = {127, 0, 0, 1}};
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t n = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&name, n), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&name, &n), 0);
    a.port = ntohs(name.sin_port);
    CU_ASSERT_EQUAL(daemon_check_peer("pdp.address", &a, &f), -ECONNREFUSED);
    CU_ASSERT_STRING_EQUAL(f.option, "pdp.address");
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "start it"));
    CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
    CU_ASSERT_EQUAL(daemon_check_peer("pdp.address", &a, &f), 0);
    (void)close(fd);
}

/* Answers one datagram from a process of its own. */
static void answer_one(int fd)
{
    struct sockaddr_in from;
    socklen_t n = sizeof(from);
    char text[32];
    ssize_t got = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)(void *)&from, &n);
    _exit(got == 4 && sendto(fd, "pong", 4, 0, (struct sockaddr *)(void *)&from, n) == 4 ? 0 : 1);
}

static void a_peer_that_answers_no_datagram_is_said(void)
{
    struct daemon_finding f = {.option = NULL};
    struct addr a = {.family = AF_INET, .ip = {127, 0, 0, 1}}, us = a;
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t n = sizeof(name);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), status = -1;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)(void *)&name, n), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)(void *)&name, &n), 0);
    a.port = ntohs(name.sin_port);
    us.port = a.port; /* only its address counts */
    CU_ASSERT_EQUAL(daemon_check_answer("media.edge", &us, &a, SPAN("ping"), &f), -ETIMEDOUT);
    CU_ASSERT_STRING_EQUAL(f.option, "media.edge");
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "whom it listens to"));
    while (recv(fd, f.text, sizeof(f.text), MSG_DONTWAIT) > 0)
        continue; /* what was asked in vain */
    pid_t child = fork();
    if (child == 0)
        answer_one(fd);
    CU_ASSERT_EQUAL(daemon_check_answer("media.edge", &us, &a, SPAN("ping"), &f), 0);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    (void)close(fd);
    CU_ASSERT_EQUAL(daemon_check_answer("media.edge", &us, &a, SPAN("ping"), &f), -ECONNREFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "start it"));
}

static void a_capability_that_was_dropped_is_gone(void)
{
    struct daemon_finding f = {.option = NULL};
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        daemon_drop_capability(12); /* CAP_NET_ADMIN */
        _exit(daemon_check_capability(12, "CAP_NET_ADMIN", &f) == -EPERM ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
}

static void a_directory_is_made_or_its_trouble_said(void)
{
    struct daemon_finding f;
    char dir[TEST_FOLDER_MAX], sub[64], file[80];
    test_folder(dir);
    (void)snprintf(sub, sizeof(sub), "%s/state", dir);
    CU_ASSERT_EQUAL(daemon_check_directory("x.y", sub, &f), 0);
    CU_ASSERT_EQUAL(daemon_check_directory("x.y", sub, &f), 0);
    (void)snprintf(file, sizeof(file), "%s/file", sub);
    (void)fclose(fopen(file, "w"));
    CU_ASSERT_EQUAL(daemon_check_directory("x.y", file, &f), -ENOTDIR);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, file));
    CU_ASSERT_EQUAL(daemon_check_parent("x.y", file, &f), 0);
    CU_ASSERT_EQUAL(daemon_check_parent("x.y", "/nonexistent/a/b", &f), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "/nonexistent/a"));
    CU_ASSERT_EQUAL(daemon_check_parent("x.y", "bare name", &f), 0);
    CU_ASSERT_EQUAL(daemon_check_directory("x.y", "/nonexistent/a/b", &f), -ENOENT);
    (void)unlink(file);
    (void)rmdir(sub);
    (void)rmdir(dir);
}

static void esp_is_there_or_the_remedy_is_said(void)
{
    struct daemon_finding f = {"", ""};
    int rc = daemon_check_esp(&f);
    if (rc < 0)
        CU_ASSERT(*f.text && *f.remedy);
    CU_ASSERT_EQUAL(daemon_check_esp(&f), rc);
}

TEST_MAIN("common/daemon/checks", {"a port that is taken is said", a_port_that_is_taken_is_said},
          {"an address that is not here is said", an_address_that_is_not_here_is_said},
          {"a peer that answers no datagram is said", a_peer_that_answers_no_datagram_is_said},
          {"a peer that does not answer is said", a_peer_that_does_not_answer_is_said},
          {"a capability that was dropped is gone", a_capability_that_was_dropped_is_gone},
          {"a directory is made, or its trouble said", a_directory_is_made_or_its_trouble_said},
          {"ESP is there, or the remedy is said", esp_is_there_or_the_remedy_is_said})
