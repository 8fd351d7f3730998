/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/suite: one CUnit program = one suite of named cases.
 *
 * A test file ends with TEST_MAIN("common/sip/msg", {"name of the behaviour", function}, ...).
 * The program prints each case's failed assertions and CUnit's summary; it exits non-zero when any
 * assertion failed or when no case ran. `PROGRAM name-part` runs only the cases whose name contains
 * name-part. */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <CUnit/CUnit.h>
#include <stddef.h>

#include "common/base/base.h"

struct test_case {
    const char *name;
    void (*run)(void);
};

int test_suite_run(const char *suite, const struct test_case *cases, size_t n, int argc,
                   char **argv);

/* Makes an empty folder under /tmp that only this program has; dst has TEST_FOLDER_MAX octets. All of them are
 * gone when the program is, however it ends; KEEP=1 keeps them. */
#define TEST_FOLDER_MAX 40
void test_folder(char *dst);

/* Compares a span with a C string and prints both when they differ. */
#define ASSERT_SPAN_EQ(got, want) test_span_eq((got), span_str(want), __FILE__, __LINE__)
void test_span_eq(struct span got, struct span want, const char *file, int line);

#define TEST_MAIN(suite, ...)                                                                      \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        return test_suite_run(suite, cases, sizeof(cases) / sizeof(cases[0]), argc, argv);         \
    }

#endif
