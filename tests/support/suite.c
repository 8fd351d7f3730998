/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/suite.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

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
