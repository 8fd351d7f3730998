/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/diameter/diameter.h"
#include "tests/support/suite.h"

static struct diameter_flow flow_of(const char *text)
{
    struct diameter_flow f = {0};

    CU_ASSERT_EQUAL_FATAL(diameter_flow_parse(span_str(text), &f), 0);
    return f;
}

static void a_rule_comes_back_as_it_was_written(void)
{
    static const char *const rules[] = {
        "permit in 17 from 10.0.0.1 to 10.1.2.3 50001",
        "permit out 17 from any to 10.0.0.1 49170",
        "permit out ip from 192.0.2.0/24 to 10.0.0.1",
        "permit in 6 from 2001:db8::1 40000 to 2001:db8::/64 9",
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct diameter_flow f = flow_of(rules[i]);
        char text[DIAMETER_FLOW_TEXT_MAX];
        struct buf b = BUF_ON(text);

        diameter_flow_put(&b, &f);
        ASSERT_SPAN_EQ(buf_span(&b), rules[i]);
    }
}

static void what_29_214_forbids_is_told_from_what_is_no_rule(void)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"deny in 17 from any to any", -EOPNOTSUPP},
        {"permit in 17 from !10.0.0.1 to any", -EOPNOTSUPP},
        {"permit in 17 from assigned to any", -EOPNOTSUPP},
        {"permit in 17 from any to 10.0.0.1 1-9", -EOPNOTSUPP},
        {"permit in 17 from any to 10.0.0.1 1,9", -EOPNOTSUPP},
        {"permit in 17 from any to 10.0.0.1 9 frag", -EOPNOTSUPP},
        {"", -EINVAL},
        {"permit", -EINVAL},
        {"permit sideways 17 from any to any", -EINVAL},
        {"permit in udp from any to any", -EINVAL},
        {"permit in 256 from any to any", -EINVAL},
        {"permit in 17 to any", -EINVAL},
        {"permit in 17 from 10.0.0 to any", -EINVAL},
        {"permit in 17 from 10.0.0.1/33 to any", -EINVAL},
        {"permit in 17 from any to 10.0.0.1 65536", -EINVAL},
        {"permit in 17 from 10.0.0.1 to 2001:db8::1", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diameter_flow f;

        CU_ASSERT_EQUAL(diameter_flow_parse(span_str(rows[i].text), &f), rows[i].rc);
    }
}

static void a_flow_covers_what_is_no_wider_than_itself(void)
{
    static const struct {
        const char *outer, *inner;
        bool covers;
    } rows[] = {
        {"permit in 17 from any to 10.0.0.1 9", "permit in 17 from 1.2.3.4 5 to 10.0.0.1 9", true},
        {"permit in 17 from any to 10.0.0.1", "permit in 17 from any to 10.0.0.1 9", true},
        {"permit in ip from any to any", "permit in 17 from any to 10.0.0.1 9", true},
        {"permit in 17 from any to 10.0.0.0/25", "permit in 17 from any to 10.0.0.127", true},
        {"permit in 17 from any to 10.0.0.0/25", "permit in 17 from any to 10.0.0.128", false},
        {"permit in 17 from any to 10.0.0.0/25", "permit in 17 from any to 10.0.0.0/24", false},
        {"permit in 17 from any to 10.0.0.1 9", "permit in 17 from any to 10.0.0.1", false},
        {"permit in 17 from any to 10.0.0.1 9", "permit in 17 from any to 10.0.0.1 8", false},
        {"permit in 17 from any to 10.0.0.1 9", "permit out 17 from any to 10.0.0.1 9", false},
        {"permit in 17 from any to 10.0.0.1 9", "permit in 6 from any to 10.0.0.1 9", false},
        {"permit in 17 from any to 10.0.0.1 9", "permit in ip from any to 10.0.0.1 9", false},
        {"permit in 17 from 1.2.3.4 to any", "permit in 17 from any to any", false},
        {"permit in 17 from 10.0.0.1 to any", "permit in 17 from 2001:db8::1 to any", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct diameter_flow outer = flow_of(rows[i].outer), inner = flow_of(rows[i].inner);

        CU_ASSERT_EQUAL(diameter_flow_covers(&outer, &inner), rows[i].covers);
    }
}

TEST_MAIN("common/diameter/flow",
          {"a rule comes back as it was written", a_rule_comes_back_as_it_was_written},
          {"what 29.214 forbids is told from what is no rule",
           what_29_214_forbids_is_told_from_what_is_no_rule},
          {"a flow covers what is no wider than itself",
           a_flow_covers_what_is_no_wider_than_itself})
