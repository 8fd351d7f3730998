/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/osip/osipmem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>

#include "tests/support/suite.h"

enum { HEAD = 16, FIRST = 4096 };

static void enter(struct osipmem *m, size_t limit)
{
    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    osipmem_enter(m, limit);
}

/* libosip2's own doors: what its parsers call. */
static void *take(size_t n)
{
    return osip_malloc(n);
}

static void *grow(void *p, size_t n)
{
    return osip_realloc(p, n);
}

static void give_back(void *p)
{
    osip_free(p);
}

static bool is_in_first(const struct osipmem *m, const void *p)
{
    return (const char *)p >= m->first && (const char *)p < m->first + sizeof(m->first);
}

static bool all_are(const void *p, size_t n, int c)
{
    for (size_t i = 0; i < n; i++)
        if (((const unsigned char *)p)[i] != (unsigned char)c)
            return false;
    return true;
}

/* ---- inside a scope ---- */

static void a_small_parse_needs_no_memory_of_the_system(void)
{
    struct osipmem m;
    osip_uri_t *uri = NULL;

    enter(&m, 0); /* nothing beyond the first octets */
    CU_ASSERT_EQUAL(osip_uri_init(&uri), OSIP_SUCCESS);
    CU_ASSERT(is_in_first(&m, uri));
    CU_ASSERT_EQUAL(osip_uri_parse(uri, "sip:alice@ims.example:5060;lr;transport=udp"),
                    OSIP_SUCCESS);
    CU_ASSERT_STRING_EQUAL(uri->host, "ims.example");
    CU_ASSERT(is_in_first(&m, uri->host));
    osipmem_leave(&m);
}

static void every_block_is_aligned_for_anything(void)
{
    struct osipmem m;

    enter(&m, 1 << 20);
    for (size_t n = 0; n < 400; n++) { /* far beyond the first octets */
        char *p = take(n);

        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT_EQUAL((uintptr_t)p % 16, 0);
    }
    osipmem_leave(&m);
}

static void blocks_do_not_overlap(void)
{
    enum { BLOCKS = 200, SIZE = 33 };
    char *blocks[BLOCKS];
    struct osipmem m;

    enter(&m, 65536);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = take(SIZE);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
        memset(blocks[i], i, SIZE);
    }
    CU_ASSERT(is_in_first(&m, blocks[0]));
    CU_ASSERT_FALSE(is_in_first(&m, blocks[BLOCKS - 1]));
    for (int i = 0; i < BLOCKS; i++)
        CU_ASSERT(all_are(blocks[i], SIZE, i));
    osipmem_leave(&m);
}

static void the_first_octets_are_used_to_the_last(void)
{
    struct osipmem m;

    enter(&m, 0);
    CU_ASSERT_PTR_NULL(take(FIRST - HEAD + 1));
    char *p = take(FIRST - HEAD);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', FIRST - HEAD); /* the sanitizer is the judge */
    CU_ASSERT_PTR_NULL(take(0));
    osipmem_leave(&m);
}

static void what_is_freed_is_not_given_out_again(void)
{
    struct osipmem m;

    enter(&m, 0);
    char *p = take(32);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'p', 32);
    give_back(p);
    char *q = take(32);
    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    memset(q, 'q', 32);
    /* libosip2 frees some things twice, and reads some after that. */
    CU_ASSERT(all_are(p, 32, 'p'));
    give_back(p);
    CU_ASSERT_PTR_NOT_EQUAL(p, q);
    osipmem_leave(&m);
}

/* ---- growing ---- */

static void growing_nothing_is_a_new_block(void)
{
    struct osipmem m;

    enter(&m, 0);
    char *p = grow(NULL, 40);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT(is_in_first(&m, p));
    memset(p, 'x', 40);
    osipmem_leave(&m);
}

static void a_block_that_does_not_grow_stays_where_it_is(void)
{
    struct osipmem m;

    enter(&m, 0);
    char *p = take(40);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_PTR_EQUAL(grow(p, 40), p);
    CU_ASSERT_PTR_EQUAL(grow(p, 8), p);
    /* What was once its size still is. */
    CU_ASSERT_PTR_EQUAL(grow(p, 40), p);
    osipmem_leave(&m);
}

static void a_block_takes_its_content_along_when_it_leaves_the_first_octets(void)
{
    struct osipmem m;

    enter(&m, 65536);
    char *p = take(10);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 10);
    for (size_t n = 10; n < 9000; n *= 3) {
        p = grow(p, n * 3);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT(all_are(p, n, 'x'));
        CU_ASSERT_EQUAL((uintptr_t)p % 16, 0);
        memset(p, 'x', n * 3);
    }
    CU_ASSERT_FALSE(is_in_first(&m, p));
    /* And from there on as well. */
    p = grow(p, 30000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT(all_are(p, 9000, 'x'));
    osipmem_leave(&m);
}

/* ---- the limit ---- */

static void at_the_limit_the_block_that_should_grow_is_left_whole(void)
{
    struct osipmem m;

    enter(&m, 8192);
    char *p = take(3000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 3000);
    CU_ASSERT_PTR_NULL(grow(p, 100000));
    CU_ASSERT(all_are(p, 3000, 'x'));
    /* What fits is still given. */
    CU_ASSERT_PTR_NOT_NULL(take(100));
    osipmem_leave(&m);
}

static void blocks_beyond_the_first_octets_count_together(void)
{
    struct osipmem m;
    unsigned n = 0;

    enter(&m, 8192);
    while (n < 100 && take(1000))
        n++;
    CU_ASSERT(n >= 4);  /* the first octets alone hold four */
    CU_ASSERT(n <= 12); /* and 8 KiB eight more */
    osipmem_leave(&m);
}

static void a_size_that_would_wrap_is_refused(void)
{
    static const size_t sizes[] = {SIZE_MAX,      SIZE_MAX - 15, SIZE_MAX - 31,
                                   SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX / 2};
    struct osipmem m;

    enter(&m, 8192);
    char *p = take(8);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CU_ASSERT_PTR_NULL(take(sizes[i]));
        CU_ASSERT_PTR_NULL(grow(p, sizes[i]));
    }
    osipmem_leave(&m);
}

static void a_parse_that_does_not_fit_is_out_of_memory(void)
{
    char text[6000];
    struct osipmem m;
    osip_uri_t *uri = NULL;

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "sip:b@", 6);
    enter(&m, 1000);
    CU_ASSERT_EQUAL(osip_uri_init(&uri), OSIP_SUCCESS);
    CU_ASSERT_EQUAL(osip_uri_parse(uri, text), OSIP_NOMEM);
    osipmem_leave(&m);
    /* The same text with room for it. */
    enter(&m, 65536);
    CU_ASSERT_EQUAL(osip_uri_init(&uri), OSIP_SUCCESS);
    CU_ASSERT_EQUAL(osip_uri_parse(uri, text), OSIP_SUCCESS);
    osipmem_leave(&m);
}

/* ---- scopes in scopes ---- */

static void an_inner_scope_leaves_the_outer_as_it_was(void)
{
    struct osipmem outer, inner;

    enter(&outer, 0);
    char *before = take(100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(before);
    memset(before, 'o', 100);
    enter(&inner, 65536);
    char *in = take(100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT(is_in_first(&inner, in));
    memset(in, 'i', 100);
    CU_ASSERT_PTR_NOT_NULL(take(20000)); /* of its own limit: the outer has none to spare */
    osipmem_leave(&inner);
    char *after = take(100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(after);
    CU_ASSERT(is_in_first(&outer, after));
    memset(after, 'a', 100);
    CU_ASSERT(all_are(before, 100, 'o'));
    CU_ASSERT_PTR_NULL(take(20000));
    osipmem_leave(&outer);
}

static void three_scopes_are_left_one_by_one(void)
{
    struct osipmem m[3];

    for (size_t i = 0; i < ARRAY_LEN(m); i++)
        enter(&m[i], 0);
    for (size_t i = ARRAY_LEN(m); i-- > 0;) {
        void *p = take(8);

        CU_ASSERT_PTR_NOT_NULL(p);
        CU_ASSERT(is_in_first(&m[i], p));
        osipmem_leave(&m[i]);
    }
}

/* ---- outside ---- */

static void outside_every_scope_memory_is_the_systems(void)
{
    struct osipmem m;

    CU_ASSERT_EQUAL_FATAL(osipmem_init(), 0);
    for (unsigned round = 0; round < 2; round++) {
        char *p = take(100000); /* no limit here */

        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        memset(p, 'x', 100000);
        p = grow(p, 200000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT(all_are(p, 100000, 'x'));
        free(p); /* the sanitizer is the judge */
        p = malloc(8);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        give_back(p);
        /* And so it is again behind a scope. */
        enter(&m, 0);
        CU_ASSERT_PTR_NOT_NULL(take(8));
        osipmem_leave(&m);
    }
}

static void *elsewhere(void *ctx)
{
    void *p = take(64);

    *(bool *)ctx = p != NULL;
    free(p); /* the sanitizer is the judge */
    return NULL;
}

static void a_scope_is_its_threads_alone(void)
{
    struct osipmem m;
    pthread_t thread;
    bool had = false;

    enter(&m, 0);
    CU_ASSERT_PTR_NOT_NULL(take(FIRST - HEAD)); /* full */
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, elsewhere, &had), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT(had);
    osipmem_leave(&m);
}

/* ---- traces ---- */

static void what_cannot_be_parsed_is_not_printed(void)
{
    static const char text[] = "INVITE sip:x SIP/2.0\r\nVia: \x01\r\nCSeq: a b c\r\nTo: <<\r\n\r\n";
    char dir[TEST_FOLDER_MAX], path[TEST_FOLDER_MAX + 8];
    struct osipmem m;
    osip_message_t *sip = NULL;
    int file, out, err;
    off_t said;

    test_folder(dir);
    snprintf(path, sizeof(path), "%s/said", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(file >= 0);
    (void)fflush(NULL);
    out = dup(STDOUT_FILENO);
    err = dup(STDERR_FILENO);
    (void)dup2(file, STDOUT_FILENO);
    (void)dup2(file, STDERR_FILENO);

    enter(&m, 65536);
    int rc = osip_message_init(&sip);
    if (rc == OSIP_SUCCESS)
        rc = osip_message_parse(sip, text, sizeof(text) - 1);
    osipmem_leave(&m);

    (void)fflush(NULL);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    said = lseek(file, 0, SEEK_END);
    (void)close(out);
    (void)close(err);
    (void)close(file);
    CU_ASSERT_NOT_EQUAL(rc, OSIP_SUCCESS);
    CU_ASSERT_EQUAL(said, 0);
}

static void to_begin_twice_changes_nothing(void)
{
    struct osipmem m;

    enter(&m, 0);
    CU_ASSERT_EQUAL(osipmem_init(), 0);
    CU_ASSERT(is_in_first(&m, take(8)));
    osipmem_leave(&m);
}

TEST_MAIN(
    "common/osip/osipmem",
    {"a small parse needs no memory of the system", a_small_parse_needs_no_memory_of_the_system},
    {"every block is aligned for anything", every_block_is_aligned_for_anything},
    {"blocks do not overlap", blocks_do_not_overlap},
    {"the first octets are used to the last", the_first_octets_are_used_to_the_last},
    {"what is freed is not given out again", what_is_freed_is_not_given_out_again},
    {"growing nothing is a new block", growing_nothing_is_a_new_block},
    {"a block that does not grow stays where it is", a_block_that_does_not_grow_stays_where_it_is},
    {"a block takes its content along when it leaves the first octets",
     a_block_takes_its_content_along_when_it_leaves_the_first_octets},
    {"at the limit the block that should grow is left whole",
     at_the_limit_the_block_that_should_grow_is_left_whole},
    {"blocks beyond the first octets count together",
     blocks_beyond_the_first_octets_count_together},
    {"a size that would wrap is refused", a_size_that_would_wrap_is_refused},
    {"a parse that does not fit is out of memory", a_parse_that_does_not_fit_is_out_of_memory},
    {"an inner scope leaves the outer as it was", an_inner_scope_leaves_the_outer_as_it_was},
    {"three scopes are left one by one", three_scopes_are_left_one_by_one},
    {"outside every scope memory is the system's", outside_every_scope_memory_is_the_systems},
    {"a scope is its thread's alone", a_scope_is_its_threads_alone},
    {"what cannot be parsed is not printed", what_cannot_be_parsed_is_not_printed},
    {"to begin twice changes nothing", to_begin_twice_changes_nothing})
