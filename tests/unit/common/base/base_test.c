/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "tests/support/suite.h"

static void numbers_are_digits_only(void)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } rows[] = {{"0", 0, 0},           {"65535", 0, 65535},
                {"65536", -ERANGE, 0}, {"99999999999999999999", -ERANGE, 0},
                {"", -EINVAL, 0},      {"-1", -EINVAL, 0},
                {"+5", -EINVAL, 0},    {"5 ", -EINVAL, 0},
                {"0x5", -EINVAL, 0}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t v = 77;

        CU_ASSERT_EQUAL(span_u64(span_str(rows[i].text), 65535, &v), rows[i].rc);
        CU_ASSERT_EQUAL(v, rows[i].rc == 0 ? rows[i].value : 77);
    }
}

static void cutting_ends_with_null(void)
{
    struct span s = SPAN("a,,b");

    ASSERT_SPAN_EQ(span_cut(&s, ','), "a");
    ASSERT_SPAN_EQ(span_cut(&s, ','), "");
    CU_ASSERT_PTR_NOT_NULL(s.p);
    ASSERT_SPAN_EQ(span_cut(&s, ','), "b");
    CU_ASSERT_PTR_NULL(s.p);
}

static void a_full_buffer_drops_the_write_whole(void)
{
    char room[8];
    struct buf b = BUF_ON(room);

    buf_puts(&b, "12345");
    buf_fmt(&b, "%d", 678);
    CU_ASSERT_FALSE(b.overflow);
    ASSERT_SPAN_EQ(buf_span(&b), "12345678");
    buf_putc(&b, '9');
    CU_ASSERT_TRUE(b.overflow);
    ASSERT_SPAN_EQ(buf_span(&b), "12345678");
}

static void the_arena_stops_at_its_limit(void)
{
    struct arena a;

    arena_init(&a, 40000);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 30000));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, 10016));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, SIZE_MAX));
    ASSERT_SPAN_EQ(arena_copy(&a, SPAN("kept")), "kept");
    arena_reset(&a);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 39000));
    arena_fini(&a);
}

static void an_arena_starts_in_the_room_it_is_given(void)
{
    _Alignas(16) char room[129];
    struct arena a;

    arena_init_in(&a, room + 1, sizeof(room) - 1, 4096); /* from room + 16: 113 octets */
    CU_ASSERT_PTR_EQUAL(arena_alloc(&a, 100), room + 16);
    char *more = arena_alloc(&a, 100);
    CU_ASSERT_PTR_NOT_NULL(more);
    CU_ASSERT(more < room || more >= room + sizeof(room));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, 4096));
    arena_fini(&a);
    arena_init_in(&a, room + 1, 15, 4096); /* nothing left of it once aligned */
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 1));
    arena_fini(&a);
}

struct number {
    struct map_node node;
    uint32_t value;
};

static bool number_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct number, node)->value == *(const uint32_t *)key;
}

static bool count_visit(struct map_node *node, void *ctx)
{
    (void)node;
    ++*(size_t *)ctx;
    return true;
}

static void a_map_of_many_finds_every_one(void)
{
    enum { MANY = 20000 };
    static struct number numbers[MANY];
    const uint8_t key[16] = {1, 2, 3};
    struct map m;
    size_t seen = 0, missing = 0, ghosts = 0;

    CU_ASSERT_EQUAL_FATAL(map_init(&m, MANY, key, number_equal), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        numbers[i].value = i;
        CU_ASSERT_EQUAL(map_add(&m, map_hash(&m, &i, sizeof(i)), &numbers[i].node), 0);
    }
    struct number extra = {.value = MANY};

    CU_ASSERT_EQUAL(map_add(&m, 1, &extra.node), -ENOSPC);
    map_each(&m, count_visit, &seen);
    CU_ASSERT_EQUAL(seen, MANY);
    for (uint32_t i = 0; i < MANY; i += 2)
        map_del(&m, &numbers[i].node);
    for (uint32_t i = 0; i < MANY; i++) {
        struct map_node *hit = map_find(&m, map_hash(&m, &i, sizeof(i)), &i);

        missing += i % 2 == 1 && hit != &numbers[i].node;
        ghosts += i % 2 == 0 && hit != NULL;
    }
    CU_ASSERT_EQUAL(missing, 0);
    CU_ASSERT_EQUAL(ghosts, 0);
    CU_ASSERT_EQUAL(m.count, MANY / 2);
    map_fini(&m);
}

static void siphash_gives_the_reference_value(void)
{
    /* Aumasson and Bernstein, SipHash, appendix A: key 00..0f, input 00..0e. */
    uint8_t bytes[16];
    uint64_t key[2];

    for (uint8_t i = 0; i < 16; i++)
        bytes[i] = i;
    memcpy(key, bytes, 16);
    CU_ASSERT_EQUAL(siphash24(key, bytes, 15), 0xa129ca6149be45e5u);
}

static void a_handle_dies_with_its_object(void)
{
    int one = 1, two = 2;
    struct pool p;
    struct handle a, b;

    pool_init(&p, 1);
    CU_ASSERT_EQUAL_FATAL(pool_add(&p, &one, &a), 0);
    CU_ASSERT_EQUAL(pool_add(&p, &two, &b), -ENOSPC);
    CU_ASSERT_PTR_EQUAL(pool_find(&p, a), &one);
    pool_del(&p, a);
    CU_ASSERT_PTR_NULL(pool_find(&p, a));
    CU_ASSERT_EQUAL_FATAL(pool_add(&p, &two, &b), 0);
    CU_ASSERT_PTR_NULL(pool_find(&p, a));
    CU_ASSERT_PTR_EQUAL(pool_find(&p, handle_of_u64(handle_u64(b))), &two);
    CU_ASSERT_PTR_NULL(pool_find(&p, (struct handle){0}));
    pool_fini(&p);
}

static void addresses_are_read_and_written(void)
{
    static const struct {
        const char *text;
        int rc;
        const char *out;
    } rows[] = {{"192.0.2.1", 0, "192.0.2.1:5060"},
                {"192.0.2.1:70", 0, "192.0.2.1:70"},
                {"0.10.100.255:0", 0, "0.10.100.255:0"},
                {"255.255.255.255:65535", 0, "255.255.255.255:65535"},
                {"[2001:db8::1]:70", 0, "[2001:db8::1]:70"},
                {"[2001:db8:1111:2222:3333:4444:5555:6666]:65535", 0,
                 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
                {"2001:db8::1", 0, "[2001:db8::1]:5060"},
                {"[2001:db8::1]", 0, "[2001:db8::1]:5060"},
                {"[2001:db8::192.0.2.1]:70", 0, "[2001:db8::c000:201]:70"},
                {"[2001:db8:::192.0.2.1]:70", 0, "[2001:db8::c000:201]:70"},
                {"[2001:db8:::1]", -EINVAL, ""},
                {"[2001:db8:::1:192.0.2.1]", -EINVAL, ""},
                {"[2001:db8::::192.0.2.1]", -EINVAL, ""},
                {"2001:db8:::192.0.2.1", -EINVAL, ""},
                {"192.0.2.1:", -EINVAL, ""},
                {"192.0.2.1:65536", -EINVAL, ""},
                {"192.0.2.256", -EINVAL, ""},
                {"[192.0.2.1]", -EINVAL, ""},
                {"[2001:db8::1", -EINVAL, ""},
                {"[2001:db8::1]70", -EINVAL, ""},
                {"", -EINVAL, ""},
                {"example.net", -EINVAL, ""}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a, back;
        struct sockaddr_storage ss;
        char text[ADDR_TEXT_MAX];

        CU_ASSERT_EQUAL(addr_parse(span_str(rows[i].text), 5060, &a), rows[i].rc);
        if (rows[i].rc != 0)
            continue;
        CU_ASSERT_STRING_EQUAL(addr_text(&a, text), rows[i].out);
        addr_to_sockaddr(&a, &ss);
        CU_ASSERT_EQUAL(addr_of_sockaddr((struct sockaddr *)&ss, &back), 0);
        CU_ASSERT_TRUE(addr_eq(&a, &back));
    }
    const struct addr none = {.port = 7};
    char text[ADDR_TEXT_MAX];
    CU_ASSERT_STRING_EQUAL(addr_text(&none, text), "-:7");
    CU_ASSERT_STRING_EQUAL(addr_ip_text(&none, text), "-");
}

static void a_net_holds_those_that_share_its_bits(void)
{
    static const struct {
        const char *net, *in, *out;
    } rows[] = {{"10.1.2.3", "10.1.2.3", "10.1.2.2"},
                {"10.1.2.0/31", "10.1.2.1", "10.1.2.2"},
                {"10.128.0.0/9", "10.255.255.255", "10.127.255.255"},
                {"0.0.0.0/0", "255.255.255.255", "::"},
                {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
                {"2001:db8::1", "2001:db8::1", "2001:db8::"}};
    static const char *const bad[] = {
        "",           "ten",           "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
        "10.0.0.1/8", "2001:db8::/28", "10.0.0.0/8/8"};
    struct addr_net net;
    struct addr a;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(addr_net_parse(span_str(rows[i].net), &net), 0);
        CU_ASSERT_EQUAL(addr_parse(span_str(rows[i].in), 5060, &a), 0);
        CU_ASSERT(addr_net_has(&net, &a));
        CU_ASSERT_EQUAL(addr_parse(span_str(rows[i].out), 5060, &a), 0);
        CU_ASSERT(!addr_net_has(&net, &a));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_EQUAL(addr_net_parse(span_str(bad[i]), &net), -EINVAL);
}

static void base64_and_hex_refuse_what_is_not_theirs(void)
{
    static const struct {
        const char *text;
        int rc;
        const char *plain;
    } rows[] = {{"", 0, ""},
                {"Zg==", 0, "f"},
                {"Zm8=", 0, "fo"},
                {"Zm9v", 0, "foo"},
                {"Zm9vYmFy", 0, "foobar"},
                {"Zm9", -EINVAL, ""},
                {"Zg==Zm9v", -EINVAL, ""},
                {"Zm 9", -EINVAL, ""},
                {" m9v", -EINVAL, ""},
                {"Zm9*", -EINVAL, ""}};
    uint8_t out[6];
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[16];
        struct buf b = BUF_ON(text);

        CU_ASSERT_EQUAL(base64_decode(span_str(rows[i].text), out, sizeof(out), &n), rows[i].rc);
        if (rows[i].rc != 0)
            continue;
        ASSERT_SPAN_EQ(span_of(out, n), rows[i].plain);
        base64_encode(&b, out, n);
        ASSERT_SPAN_EQ(buf_span(&b), rows[i].text);
    }
    CU_ASSERT_EQUAL(base64_decode(SPAN("Zm9vYmFyZg=="), out, 6, &n), -ENOSPC);
    CU_ASSERT_EQUAL(hex_decode(SPAN("00fF"), out, 2, &n), 0);
    CU_ASSERT_EQUAL(out[1], 255);
    CU_ASSERT_EQUAL(hex_decode(SPAN("0"), out, 2, &n), -EINVAL);
    CU_ASSERT_EQUAL(hex_decode(SPAN("0g"), out, 2, &n), -EINVAL);
    CU_ASSERT_EQUAL(hex_decode(SPAN("000000"), out, 2, &n), -ENOSPC);
}

static void a_secret_is_gone_after_wiping(void)
{
    struct secret a = {0}, b = {0};

    CU_ASSERT_EQUAL(secret_set(&a, "key", 3), 0);
    CU_ASSERT_EQUAL(secret_set(&b, "kex", 3), 0);
    CU_ASSERT_FALSE(secret_eq(&a, &b));
    CU_ASSERT_EQUAL(secret_set(&b, "key", 3), 0);
    CU_ASSERT_TRUE(secret_eq(&a, &b));
    secret_wipe(&a);
    CU_ASSERT_EQUAL(a.n, 0);
    CU_ASSERT_EQUAL(a.bytes[0], 0);
    CU_ASSERT_EQUAL(secret_set(&a, (uint8_t[SECRET_MAX + 1]){0}, SECRET_MAX + 1), -EMSGSIZE);
}

TEST_MAIN("common/base", {"numbers are digits only", numbers_are_digits_only},
          {"cutting ends with NULL", cutting_ends_with_null},
          {"a full buffer drops the write whole", a_full_buffer_drops_the_write_whole},
          {"the arena stops at its limit", the_arena_stops_at_its_limit},
          {"an arena starts in the room it is given", an_arena_starts_in_the_room_it_is_given},
          {"a map of many finds every one", a_map_of_many_finds_every_one},
          {"siphash gives the reference value", siphash_gives_the_reference_value},
          {"a handle dies with its object", a_handle_dies_with_its_object},
          {"addresses are read and written", addresses_are_read_and_written},
          {"a net holds those that share its bits", a_net_holds_those_that_share_its_bits},
          {"base64 and hex refuse what is not theirs", base64_and_hex_refuse_what_is_not_theirs},
          {"a secret is gone after wiping", a_secret_is_gone_after_wiping})
