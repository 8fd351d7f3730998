/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/program/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"

static char dir[TEST_FOLDER_MAX], path[64], other[64];

static void files_begin(void)
{
    test_folder(dir);
    snprintf(path, sizeof(path), "%s/pdp.key", dir);
    snprintf(other, sizeof(other), "%s/old.key", dir);
}

static void files_end(void)
{
    (void)unlink(path);
    (void)unlink(other);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(name, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT(fputs(text, f) >= 0);
    fclose(f);
    CU_ASSERT_EQUAL(chmod(name, mode), 0);
}

static void a_key_that_is_not_there_is_made_for_us_alone(void)
{
    struct token_key first, again;
    struct daemon_finding f = {0};
    struct stat st;

    files_begin();
    CU_ASSERT_EQUAL(pdp_key_read(path, false, &rnd_system, 0, &first, &f), -ENOENT);
    CU_ASSERT_EQUAL(pdp_key_read(path, true, &rnd_system, 0, &first, &f), 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(first.key.n, 64);
    CU_ASSERT_EQUAL(first.mac, TOKEN_HMAC_SHA256);
    /* and kept */
    CU_ASSERT_EQUAL(pdp_key_read(path, true, &rnd_system, 1, &again, &f), 0);
    CU_ASSERT(secret_eq(&first.key, &again.key));
    CU_ASSERT_EQUAL(first.id, again.id);
    CU_ASSERT_EQUAL(again.mac, TOKEN_HMAC_MD5);
    files_end();
}

static void a_key_that_others_can_read_or_that_is_short_is_refused(void)
{
    struct token_key key;
    struct daemon_finding f = {0};

    files_begin();
    write_file(path, "0123456789abcdef\n", 0640);
    CU_ASSERT_EQUAL(pdp_key_read(path, true, &rnd_system, 0, &key, &f), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "read by others"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.remedy, "chmod 600"));
    CU_ASSERT_EQUAL(chmod(path, 0600), 0);
    CU_ASSERT_EQUAL(pdp_key_read(path, true, &rnd_system, 0, &key, &f), 0);
    CU_ASSERT_EQUAL(key.key.n, 16);
    write_file(path, "0123456789abcde\n", 0600);
    CU_ASSERT_EQUAL(pdp_key_read(path, true, &rnd_system, 0, &key, &f), -EINVAL);
    files_end();
}

static void the_new_key_mints_and_the_old_one_is_still_known(void)
{
    struct pdp_config c = {.token_lifetime = 3600 * SEC, .previous_key = ""};
    struct token_keys keys;
    struct daemon_finding f = {0};
    const int64_t now = 1900000000;
    uint32_t newer;

    files_begin();
    c.key = path;
    CU_ASSERT_EQUAL(pdp_keys_read(&c, &rnd_system, now, &keys, &f), 0);
    CU_ASSERT_EQUAL(keys.n, 1);
    newer = keys.keys[0].id;
    write_file(other, "the key of yesterday", 0600);
    c.previous_key = other;
    CU_ASSERT_EQUAL(pdp_keys_read(&c, &rnd_system, now, &keys, &f), 0);
    CU_ASSERT_EQUAL_FATAL(keys.n, 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(token_keys_mint(&keys, now));
    CU_ASSERT_EQUAL(token_keys_mint(&keys, now)->id, newer);
    CU_ASSERT_EQUAL(token_keys_mint(&keys, now + 86400)->id, newer);
    CU_ASSERT_PTR_NOT_NULL(token_keys_find(&keys, keys.keys[1].id, now + 3599));
    CU_ASSERT_PTR_NULL(token_keys_find(&keys, keys.keys[1].id, now + 3601));
    files_end();
}

static void a_bad_policy_file_is_a_fault_of_the_configuration(void)
{
    static const struct conf_table table = {pdp_options, PDP_OPTIONS_N, sizeof(struct pdp_config)};
    const struct conf_schema schema = {.program = "pdp",
                                       .summary = "pdp",
                                       .tables = &table,
                                       .n_tables = 1,
                                       .check = pdp_check_options};
    struct conf_report report = {0};
    struct conf *c = NULL;
    char yaml[128];

    files_begin();
    snprintf(yaml, sizeof(yaml), "policy: %s\n", path);
    CU_ASSERT_EQUAL(conf_parse(&schema, span_str(yaml), "pdp.yaml", &c, &report), -EINVAL);
    write_file(path, "media: [audio, smell]\n", 0644);
    report = (struct conf_report){0};
    CU_ASSERT_EQUAL(conf_parse(&schema, span_str(yaml), "pdp.yaml", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(report.n, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(report.problems[0].text, "smell"));
    CU_ASSERT_PTR_NOT_NULL(strstr(report.problems[0].text, ":1:"));
    write_file(path, "media: [audio]\n", 0644);
    report = (struct conf_report){0};
    CU_ASSERT_EQUAL_FATAL(conf_parse(&schema, span_str(yaml), "pdp.yaml", &c, &report), 0);
    conf_free(c);
    files_end();
}

static void the_sample_policy_is_what_the_table_says(void)
{
    static char want[65536], have[65536];
    struct buf b = BUF_ON(want);
    struct conf_report report = {0};
    struct conf *c = NULL;
    FILE *f = fopen("conf/policy.yaml", "r");
    size_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    n = fread(have, 1, sizeof(have), f);
    fclose(f);
    conf_put_sample(&policy_schema, &b);
    CU_ASSERT(span_eq(buf_span(&b), span_of(have, n)));
    CU_ASSERT_EQUAL_FATAL(conf_load(&policy_schema, "conf/policy.yaml", &c, &report), 0);
    conf_free(c);
}

TEST_MAIN("pdp/program",
          {"a key that is not there is made, for us alone",
           a_key_that_is_not_there_is_made_for_us_alone},
          {"a key that others can read or that is short is refused",
           a_key_that_others_can_read_or_that_is_short_is_refused},
          {"the new key mints and the old one is still known",
           the_new_key_mints_and_the_old_one_is_still_known},
          {"a bad policy file is a fault of the configuration",
           a_bad_policy_file_is_a_fault_of_the_configuration},
          {"the sample policy is what the table says", the_sample_policy_is_what_the_table_says})
