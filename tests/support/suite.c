/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "tests/support/suite.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- folders ---- */

static char root[TEST_FOLDER_MAX - 8]; /* empty: no case has asked for one */

/* Becomes rm when nobody has the other end of the pipe any more. Only what may be called between fork and exec
 * in a program with threads. */
static void remove_when_closed(int fd)
{
    char c;

    (void)setsid();
    (void)dup2(fd, STDIN_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0u, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    (void)execlp("rm", "rm", "-rf", "--", root, (char *)NULL);
    _exit(1);
}

static void root_open(void)
{
    int ends[2];
    pid_t pid;

    (void)strcpy(root, "/tmp/portcullis-test.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    if (getenv("KEEP"))
        return;
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) { /* nobody's child: a case may wait for its own */
            (void)close(ends[1]);
            remove_when_closed(ends[0]);
        }
        _exit(0);
    }
    (void)close(ends[0]);
    (void)waitpid(pid, NULL, 0); /* the other end stays open as long as we live */
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
    (void)st, (void)what, (void)ftw;
    return remove(path);
}

static void root_close(void)
{
    if (root[0] && !getenv("KEEP"))
        (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void test_folder(char *dst)
{
    static unsigned n;

    if (!root[0])
        root_open();
    (void)snprintf(dst, TEST_FOLDER_MAX, "%s/%u", root, ++n % 1000000);
    CU_ASSERT_EQUAL_FATAL(mkdir(dst, 0700), 0);
}

/* ---- cases ---- */

int test_suite_run(const char *suite, const struct test_case *cases, size_t n, int argc,
                   char **argv)
{
    const char *filter = argc > 1 ? argv[1] : "";
    unsigned ran, failed;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    for (size_t i = 0; s && i < n; i++) {
        if (strstr(cases[i].name, filter) && !CU_add_test(s, cases[i].name, cases[i].run))
            s = NULL;
    }
    if (!s) {
        fprintf(stderr, "%s: %s\n", suite, CU_get_error_msg());
        CU_cleanup_registry();
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    ran = CU_get_number_of_tests_run();
    failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    root_close();
    return ran == 0 || failed != 0;
}

void test_span_eq(struct span got, struct span want, const char *file, int line)
{
    bool same = span_eq(got, want);

    if (!same)
        fprintf(stderr, "%s:%d: got <%.*s>, want <%.*s>\n", file, line, (int)got.n, got.p,
                (int)want.n, want.p);
    CU_assertImplementation(same, (unsigned)line, "spans differ", file, "", CU_FALSE);
}
