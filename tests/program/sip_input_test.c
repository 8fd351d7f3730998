/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bad SIP from the wire, into the real P-CSCF (from a phone) and S-CSCF (from the core): each has a clear answer or a
 * counted drop, and afterwards everything is as it was. */
#define _GNU_SOURCE /* prlimit */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/program/house.h"
#include "tests/support/peer.h"

enum { TEXT_MAX = 1 << 20 /* more than a message may have */ };

static char text[TEXT_MAX], heard[1 << 16];
static unsigned serial;

/* The final status of what comes; 0: nothing, -1: the connection was closed. */
static int status_of(int fd, int milliseconds)
{
    int64_t until = program_clock() + milliseconds, left;

    while ((left = until - program_clock()) > 0) {
        ssize_t n = wire_hear(fd, heard, sizeof(heard), (int)left);
        int status = n > 0 ? atoi(heard + 8) : 0;

        if (n < 0)
            return -1;
        if (n > 0 && strncmp(heard, "SIP/2.0 ", 8) == 0 && status >= 200)
            return status;
    }
    return 0;
}

static size_t replace(size_t n, const char *find, const char *with)
{
    char *at = strstr(text, find);
    size_t n_find = strlen(find), n_with = strlen(with);

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    CU_ASSERT_FATAL(n + n_with < TEXT_MAX);
    memmove(at + n_with, at + n_find, n - (size_t)(at - text) - n_find + 1);
    memcpy(at, with, n_with);
    return n - n_find + n_with;
}

/* ---- one thing that is wrong in a REGISTER ---- */

#define LONG10  "1234567890"
#define LONG100 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10

static const struct row {
    const char *find, *with;
    int udp, tcp; /* status */
} rows[] = {
    {"Supported: path", "Supported: path", 403, 403}, /* nothing is wrong: nobody is not known */
    {"CSeq: 1 ", "CSeq: -1 ", 400, 400},
    {"CSeq: 1 ", "CSeq: 4294967296 ", 400, 400},
    {"CSeq: 1 ", "CSeq: " LONG100 " ", 400, 400},
    {"CSeq: 1 ", "CSeq: 1e3 ", 400, 400},
    {"CSeq: 1 ", "CSeq: ", 400, 400},
    {"CSeq: 1 REGISTER", "CSeq: 1 INVITE", 400, 400},
    {"Max-Forwards: 70", "Max-Forwards: -1", 400, 400},
    {"Max-Forwards: 70", "Max-Forwards: 256", 400, 400},
    {"Max-Forwards: 70", "Max-Forwards: " LONG100, 400, 400},
    {"Max-Forwards: 70", "Max-Forwards: 0", 483, 483},
    {"Expires: 600", "Expires: -1", 403, 403} /* the registrar's: as 3600 (RFC 3261 10.2.1.1) */,
    {"Expires: 600", "Expires: " LONG100, 403, 403},
    {"Expires: 600", "Expires: soon", 403, 403},
    {"Expires: 600", "Expires: 4294967295", 403, 403},
    {"q=0.5", "q=-1", 403, 403},
    {"q=0.5", "q=" LONG100, 403, 403},
    {"q=0.5", "expires=-1", 403, 403},
    {"q=0.5", "expires=" LONG100, 403, 403},
    {"Content-Length: 0", "Content-Length: -1", 400, 400},
    {"Content-Length: 0", "Content-Length: " LONG100, 400, 400},
    {"Content-Length: 0", "Content-Length: zero", 400, 400},
    {"Content-Length: 0", "Content-Length: 0\r\nContent-Length: 1", 400, 400},
    {"Content-Length: 0", "Content-Length: 99", 400, 0 /* it may still come */},
    {".101:5060;branch", ".101:0;branch", 400, 400},
    {".101:5060;branch", ".101:99999;branch", 400, 400},
    {".101:5060;branch", ".101:-1;branch", 400, 400},
    {".101:5060>;q", ".101:0>;q", 400, 400},
    {".101:5060>;q", ".101:65536>;q", 400, 400},
    {"REGISTER sip:" HOUSE_REALM " ", "REGISTER sip:" HOUSE_REALM ":99999 ", 400, 400},
    {"REGISTER sip:" HOUSE_REALM " ", "REGISTER sip:\x80\xff ", 400, 400},
    {"REGISTER sip:" HOUSE_REALM " ", "REGISTER http://x/ ", 416, 416},
    {"REGISTER sip:" HOUSE_REALM " ", "REGISTER ", 400, 400},
    {" SIP/2.0\r\nVia", " SIP/9.9\r\nVia", 505, 505},
    {" SIP/2.0\r\nVia", " HTTP/1.1\r\nVia", 0, 0},
    {"From: ", "Fram: ", 400, 400},
    {"To: ", "Ta: ", 400, 400},
    {"Call-ID: ", "Coll-ID: ", 400, 400},
    {"CSeq: ", "CSaq: ", 400, 400},
    {"To: <", "To: \"<", 400, 400},
    {"Via: ", "Vio: ", 0, 0 /* nobody knows where the answer would go */},
    {"Supported: path", "Require: nonsense", 420, 420},
    {"username=\"nobody", "username=\"" LONG100 LONG100 LONG100 LONG100, 400, 400},
};

static void one_thing_that_is_wrong_is_answered(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            const struct row *r = &rows[i];
            int fd = tcp ? wire_tcp(PHONE, GM, 5060) : wire_udp(PHONE, 0, GM, 5060);
            int want = tcp ? r->tcp : r->udp, got;
            size_t n = house_register(text, sizeof(text), tcp ? "TCP" : "UDP", ++serial);

            n = replace(n, r->find, r->with);
            CU_ASSERT(wire_send(fd, text, n));
            got = status_of(fd, want ? 5000 : 300);
            CU_ASSERT_EQUAL(got, want);
            if (got != want)
                fprintf(stderr, "%s: %.70s: %d, not %d (%.60s)\n", tcp ? "tcp" : "udp", r->with,
                        got, want, got ? heard : "");
            (void)close(fd);
        }
    }
}

/* ---- streams of bytes, to the P-CSCF as a phone and to the S-CSCF as the core ---- */

static const struct target {
    unsigned from, to, port;
} targets[] = {{PHONE, GM, 5060}, {12, SCSCF, 6060}};

static void drain(int fd)
{
    while (wire_hear(fd, heard, sizeof(heard), 0) > 0)
        ;
}

/* Waits until all that was sent is read: a socket's queue is short, and what it drops proves nothing. */
static void catch_up(int fd)
{
    static char good[4096];
    size_t n = house_register(good, sizeof(good), "UDP", ++serial);

    CU_ASSERT(wire_send(fd, good, n));
    CU_ASSERT(status_of(fd, 5000) > 0);
    drain(fd);
}

static void truncated_messages_do_no_harm(void)
{
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct target *t = &targets[i];
        size_t n = house_register(text, sizeof(text), "UDP", ++serial);
        int fd = wire_udp(t->from, 0, t->to, t->port);

        for (size_t k = 0; k < n; k++) {
            (void)send(fd, text, k, 0);
            if (k % 50 == 49)
                catch_up(fd);
        }
        (void)close(fd);
        n = house_register(text, sizeof(text), "TCP", ++serial);
        for (size_t k = 1; k < n; k += 5) {
            fd = wire_tcp(t->from, t->to, t->port);
            (void)wire_send(fd, text, k);
            (void)close(fd);
        }
        CU_ASSERT(house_serves());
    }
}

static uint32_t noise_word(void)
{
    static uint32_t x = 2463534242;

    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static void make_noise(size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(noise_word() >> 16);
}

static void noise_does_no_harm(void)
{
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct target *t = &targets[i];
        int fd = wire_udp(t->from, 0, t->to, t->port);

        for (unsigned k = 0; k < 500; k++) {
            size_t n = house_register(text, sizeof(text), "UDP", ++serial);

            if (k % 2) { /* a message with noise in it */
                for (unsigned bytes = 1 + noise_word() % 8; bytes; bytes--)
                    text[noise_word() % n] = (char)noise_word();
            } else {
                n = noise_word() % 1500;
                make_noise(n);
            }
            (void)send(fd, text, n, 0);
            if (k % 50 == 49)
                catch_up(fd);
        }
        (void)close(fd);
        for (unsigned k = 0; k < 60; k++) {
            size_t n = 1 + noise_word() % 20000;

            fd = wire_tcp(t->from, t->to, t->port);
            make_noise(n);
            (void)wire_send(fd, text, n); /* it may be closed in the middle */
            (void)close(fd);
        }
        CU_ASSERT(house_serves());
    }
}

/* A REGISTER with `n` times `what` before its Content-Length. */
static size_t with_lines(const char *transport, const char *what, size_t n)
{
    size_t have = house_register(text, sizeof(text), transport, ++serial), each = strlen(what);
    char *at = strstr(text, "Content-Length");
    size_t tail = have - (size_t)(at - text);

    CU_ASSERT_FATAL(have + n * each < TEXT_MAX);
    memmove(at + n * each, at, tail);
    for (size_t i = 0; i < n; i++)
        memcpy(at + i * each, what, each);
    return have + n * each;
}

static void what_is_too_much_is_refused(void)
{
    static const struct {
        const char *name, *what;
        size_t n;
        int udp, tcp;
    } much[] = {
        {"10 000 headers", "A:b\r\n", 10000, 400, 400},
        {"200 headers", "Subject: x\r\n", 200, 400, 400},
        {"1 000 Via", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n", 1000, 400, 400},
        {"a header of 60 000 octets", "aaaaaaaaaa", 6000, 400, 400},
        {"a line of 9 000 octets", "Subject: ", 1000, 400, 400},
        {"a message of 900 000 octets", "Subject: 1234567890123456789012345678901234567890\r\n",
         17000, 0, 513},
    };

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct target *t = &targets[i];

        for (size_t k = 0; k < ARRAY_LEN(much); k++) {
            for (int tcp = 0; tcp < 2; tcp++) {
                int fd =
                    tcp ? wire_tcp(t->from, t->to, t->port) : wire_udp(t->from, 0, t->to, t->port);
                size_t n = with_lines(tcp ? "TCP" : "UDP", much[k].what, much[k].n);
                int want = tcp ? much[k].tcp : much[k].udp, got;

                (void)wire_send(fd, text, n);
                got = status_of(fd, want ? 5000 : 200);
                CU_ASSERT_EQUAL(got, want);
                if (got != want)
                    fprintf(stderr, "%s: %s to %u: %d, not %d (%.60s)\n", tcp ? "tcp" : "udp",
                            much[k].name, t->to, got, want, got > 0 ? heard : "");
                (void)close(fd);
            }
        }
    }
    CU_ASSERT(house_serves());
}

/* ---- requests that a phone without a registration has no business to send ---- */

static void strangers_may_register_and_nothing_else(void)
{
    static const struct {
        const char *method;
        int status;
    } asked[] = {{"INVITE", 403}, {"MESSAGE", 403}, {"SUBSCRIBE", 403},  {"OPTIONS", 403},
                 {"BYE", 403},    {"CANCEL", 481},  {"FROBNICATE", 403}, {"ACK", 0}};
    int64_t strays = program_metric(&pcscf, "pcscf_transactions_total{event=\"response_strays\"}");
    int fd = wire_udp(PHONE, 0, GM, 5060);
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        char cseq[64];
        int got;

        n = house_register(text, sizeof(text), "UDP", ++serial);
        n = replace(n, "REGISTER sip:", "X sip:nobody@");
        n = replace(n, "X", asked[i].method);
        snprintf(cseq, sizeof(cseq), "CSeq: 1 %s", asked[i].method);
        n = replace(n, "CSeq: 1 REGISTER", cseq);
        CU_ASSERT(wire_send(fd, text, n));
        got = status_of(fd, asked[i].status ? 5000 : 200);
        CU_ASSERT_EQUAL(got, asked[i].status);
        if (got != asked[i].status)
            fprintf(stderr, "%s: %d, not %d (%.60s)\n", asked[i].method, got, asked[i].status,
                    heard);
    }
    n = house_register(text, sizeof(text), "UDP", ++serial);
    n = replace(n, "REGISTER sip:" HOUSE_REALM " SIP/2.0", "SIP/2.0 200 OK");
    CU_ASSERT(wire_send(fd, text, n));
    UNTIL(program_metric(&pcscf, "pcscf_transactions_total{event=\"response_strays\"}") > strays,
          3000);
    CU_ASSERT(program_metric(&pcscf, "pcscf_transactions_total{event=\"response_strays\"}") >
              strays);
    (void)close(fd);
}

/* ---- connections ---- */

enum { IDLE_SOURCES = 25, IDLE_EACH = 40 };

static void a_thousand_idle_connections_keep_nobody_out(void)
{
    static int fds[IDLE_SOURCES * IDLE_EACH];
    int64_t before = program_metric(&pcscf, "pcscf_now{what=\"connections\"}");

    for (unsigned i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = wire_tcp(150 + i / IDLE_EACH, GM, 5060);
        CU_ASSERT_FATAL(fds[i] >= 0);
    }
    UNTIL(program_metric(&pcscf, "pcscf_now{what=\"connections\"}") >=
              before + (int64_t)ARRAY_LEN(fds),
          5000);
    CU_ASSERT_EQUAL(program_metric(&pcscf, "pcscf_now{what=\"connections\"}"),
                    before + (int64_t)ARRAY_LEN(fds));
    CU_ASSERT(house_serves());
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    UNTIL(program_metric(&pcscf, "pcscf_now{what=\"connections\"}") <= before, 5000);
    CU_ASSERT(program_metric(&pcscf, "pcscf_now{what=\"connections\"}") <= before);
}

static void one_source_has_its_share_of_connections(void)
{
    int fds[80];
    unsigned refused = 0;

    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = wire_tcp(180, GM, 5060);
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++) {
        refused += fds[i] < 0 || wire_closes(fds[i], i < 64 ? 1 : 2000);
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    CU_ASSERT_EQUAL(refused, 16);
    CU_ASSERT(program_metric(&pcscf,
                             "pcscf_transport_total{event=\"connections_refused_source\"}") >= 16);
}

/* CPU time, in hundredths of a second. */
static long cpu_ticks(const struct program *p)
{
    char path[64], line[1024] = "";
    unsigned long user = 0, system = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
    f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
    (void)fclose(f);
    CU_ASSERT_EQUAL(sscanf(strrchr(line, ')') + 1,
                           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
                    2);
    return (long)(user + system);
}

/* Whoever is known is served on, an operator can look, and the loop does not turn in vain. */
static void without_descriptors_nobody_is_kept_waiting_but_new_connections(void)
{
    struct rlimit all, few;
    int fds[60];
    long ticks;

    CU_ASSERT_EQUAL_FATAL(prlimit(pcscf.pid, RLIMIT_NOFILE, NULL, &all), 0);
    few = (struct rlimit){program_files(&pcscf) + 10, all.rlim_max};
    CU_ASSERT_EQUAL_FATAL(prlimit(pcscf.pid, RLIMIT_NOFILE, &few, NULL), 0);
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = wire_tcp(170, GM, 5060);
    CU_ASSERT(house_serves());
    ticks = cpu_ticks(&pcscf);
    for (int64_t until = program_clock() + 500; program_clock() < until;)
        program_pause();
    CU_ASSERT(cpu_ticks(&pcscf) - ticks < 20);
    CU_ASSERT(house_serves());
    CU_ASSERT_EQUAL_FATAL(prlimit(pcscf.pid, RLIMIT_NOFILE, &all, NULL), 0);
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    CU_ASSERT(house_serves());
}

static int trickles[2] = {-1, -1};

/* One octet at a time is slow, but good; one that stops in the middle is ended (a case below looks). */
static void a_trickle_is_heard(void)
{
    size_t n;
    int fd;

    for (size_t i = 0; i < ARRAY_LEN(trickles); i++) {
        n = house_register(text, sizeof(text), "TCP", ++serial);
        trickles[i] = wire_tcp(PHONE, GM, 5060);
        CU_ASSERT(wire_send(trickles[i], text, i ? n / 2 : 3));
    }
    fd = wire_tcp(PHONE, GM, 5060);
    n = house_register(text, sizeof(text), "TCP", ++serial);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT(wire_send(fd, text + i, 1));
    CU_ASSERT_EQUAL(status_of(fd, 5000), 403);
    (void)close(fd);
}

static void a_message_that_does_not_go_on_is_ended(void)
{
    for (size_t i = 0; i < ARRAY_LEN(trickles); i++) {
        CU_ASSERT(wire_closes(trickles[i], 15000));
        (void)close(trickles[i]);
    }
}

/* ---- what is left of all that ---- */

static struct house_level level;

static void begin(void)
{
    house_open();
    CU_ASSERT_FATAL(house_serves());
    level = house_level();
}

static void bad_messages_were_counted(void)
{
    CU_ASSERT(program_metric(&pcscf, "pcscf_bad_messages_total") > 500);
    CU_ASSERT(program_metric(&pcscf, "pcscf_transport_total{event=\"bad_answered\"}") > 60);
    CU_ASSERT(program_metric(&pcscf, "pcscf_transport_total{event=\"bad_dropped\"}") > 250);
    CU_ASSERT(program_metric(&scscf, "scscf_transport_total{event=\"bad_answered\"}") > 10);
    CU_ASSERT(program_metric(&scscf, "scscf_transport_total{event=\"bad_dropped\"}") > 250);
}

static void everything_is_as_it_was(void)
{
    CU_ASSERT(house_settles(&level));
    CU_ASSERT(house_serves());
}

/* Each works on the programs that the one before left. */
TEST_MAIN("program/sip_input", {"it opens", begin},
          {"one thing that is wrong is answered", one_thing_that_is_wrong_is_answered},
          {"a trickle is heard", a_trickle_is_heard},
          {"truncated messages do no harm", truncated_messages_do_no_harm},
          {"noise does no harm", noise_does_no_harm},
          {"what is too much is refused", what_is_too_much_is_refused},
          {"strangers may register and nothing else", strangers_may_register_and_nothing_else},
          {"a thousand idle connections keep nobody out",
           a_thousand_idle_connections_keep_nobody_out},
          {"one source has its share of connections", one_source_has_its_share_of_connections},
          {"without descriptors nobody is kept waiting but new connections",
           without_descriptors_nobody_is_kept_waiting_but_new_connections},
          {"a message that does not go on is ended", a_message_that_does_not_go_on_is_ended},
          {"bad messages were counted", bad_messages_were_counted},
          {"everything is as it was", everything_is_as_it_was}, {"it closes", house_close})
