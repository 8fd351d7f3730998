/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The S-CSCF and the disk under its charging records: full, beyond a limit, read-only, torn by a crash. The test is the
 * P-CSCF of both ends of every call. */
#define _GNU_SOURCE /* prlimit, unshare */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/auth/auth.h"
#include "common/charging/charging.h"
#include "common/sip/sip.h"
#include "tests/support/peer.h"
#include "tests/support/program.h"

#define REALM "ims.example"

enum { CALLS_MAX = 4096, PCSCF = 11, SCSCF = 20 };

static struct program scscf;
static int mw = -1;
static bool busy;              /* the callee */
static unsigned calls;         /* begun; call n has the ICID "icid-n" */
static bool unsure[CALLS_MAX]; /* whether it was answered */
static char cdr[80], database[96];

/* ---- what the P-CSCF says --------------------------------------------------------------------- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    char text[8192], wire[8192];
    struct buf b = BUF_ON(wire);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (const char *c = text; *c; c++)
        buf_puts(&b, *c == '\n' ? "\r\n" : (char[]){*c, '\0'});
    (void)wire_send(mw, wire, b.n);
}

/* The next message that begins with `start`; requests that come in between are answered, as the callee's phone
 * would. NULL after five seconds. */
static const char *hear(const char *start)
{
    static char text[16384];
    int64_t until = program_clock() + 5000;

    while (program_clock() < until && wire_hear(mw, text, sizeof(text), 1000) > 0) {
        if (strncmp(text, "INVITE", 6) == 0 || strncmp(text, "BYE", 3) == 0)
            say("SIP/2.0 %s\nVia: %s\nVia: %s\nRecord-Route: %s\nFrom: %s\nTo: %s%s\nCall-ID: "
                "%s\nCSeq: "
                "%s\nContact: <sip:bob@%s.102:5060>\nContent-Length: 0\n\n",
                busy ? "486 Busy Here" : "200 OK", peer_header(text, "Via", 0),
                peer_header(text, "Via", 1), peer_header(text, "Record-Route", 0),
                peer_header(text, "From", 0), peer_header(text, "To", 0),
                strncmp(text, "INVITE", 6) == 0 ? ";tag=b" : "", peer_header(text, "Call-ID", 0),
                peer_header(text, "CSeq", 0), place.net);
        else if (strncmp(text, start, strlen(start)) == 0)
            return text;
    }
    return NULL;
}

static void say_register(const char *user, unsigned cseq, const char *authorization)
{
    say("REGISTER sip:" REALM " SIP/2.0\nVia: SIP/2.0/UDP %s.11:5070;branch=z9hG4bK%s%u\n"
        "From: <sip:%s@" REALM ">;tag=f\nTo: <sip:%s@" REALM ">\nCall-ID: r%s\nCSeq: %u REGISTER\n"
        "Max-Forwards: 69\nPath: <sip:term@%s.11:5070;lr>\nRequire: path\n"
        "Contact: <sip:%s@%s.101:5060>\nExpires: 3600\n%sContent-Length: 0\n\n",
        place.net, user, cseq, user, user, user, cseq, place.net, user, place.net, authorization);
}

static void register_as(const char *user)
{
    char impi[64], line[1024], hex[DIGEST_HEX_LEN];
    struct buf b = {line, 0, sizeof(line) - 1, false};
    struct digest_fields f = {.realm = SPAN(REALM),
                              .uri = SPAN("sip:" REALM),
                              .qop = SPAN("auth"),
                              .nc = SPAN("00000001"),
                              .cnonce = SPAN("abc")};
    struct digest_ha1 ha1;
    struct sip_auth challenge;
    struct auth *auth;
    const char *text;

    snprintf(impi, sizeof(impi), "%s@" REALM, user);
    snprintf(line, sizeof(line),
             "Authorization: Digest username=\"%s\",realm=\"" REALM "\",nonce=\"\",uri=\"sip:" REALM
             "\",response=\"\"\n",
             impi);
    say_register(user, 1, line);
    text = hear("SIP/2.0 401");
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(
        sip_auth_parse(span_str(peer_header(text, "WWW-Authenticate", 0)), &challenge), 0);
    f.username = span_str(impi);
    f.nonce = sip_auth_get(&challenge, SPAN("nonce"));
    f.algorithm = SPAN("MD5");
    CU_ASSERT_EQUAL_FATAL(auth_new(&rnd_system, &auth), 0);
    CU_ASSERT_EQUAL_FATAL(digest_ha1_make(auth, f.username, f.realm, SPAN("secret"), &ha1), 0);
    CU_ASSERT_EQUAL_FATAL(digest_response(auth, &ha1, &f, SPAN("REGISTER"), SPAN_NONE, hex), 0);
    auth_free(auth);
    buf_fmt(&b,
            "Authorization: Digest username=\"%s\",realm=\"" REALM
            "\",nonce=\"%.*s\",uri=\"sip:" REALM "\",response=\"%.*s\",algorithm=MD5,qop=auth,"
            "nc=00000001,cnonce=\"abc\"\n",
            impi, SPAN_ARG(f.nonce), DIGEST_HEX_LEN, hex);
    line[b.n] = '\0';
    say_register(user, 2, line);
    CU_ASSERT_PTR_NOT_NULL_FATAL(hear("SIP/2.0 200"));
}

static void say_invite(unsigned n)
{
    say("INVITE sip:bob@" REALM " SIP/2.0\nVia: SIP/2.0/UDP %s.11:5070;branch=z9hG4bKi%u\n"
        "Route: <sip:orig@%s.20:6060;lr>\nRecord-Route: <sip:%s.11:5070;lr>\nMax-Forwards: 68\n"
        "From: <sip:alice@" REALM ">;tag=a\nTo: <sip:bob@" REALM
        ">\nCall-ID: call%u\nCSeq: 1 INVITE\n"
        "Contact: <sip:alice@%s.101:5060>\nP-Asserted-Identity: <sip:alice@" REALM ">\n"
        "P-Charging-Vector: icid-value=\"icid-%u\"\nContent-Length: 0\n\n",
        place.net, n, place.net, place.net, n, place.net, n);
}

static bool say_ack(unsigned n)
{
    say("ACK sip:bob@" REALM " SIP/2.0\nVia: SIP/2.0/UDP %s.11:5070;branch=z9hG4bKi%u\n"
        "Route: <sip:orig@%s.20:6060;lr>\nMax-Forwards: 68\n"
        "From: <sip:alice@" REALM ">;tag=a\nTo: <sip:bob@" REALM
        ">;tag=b\nCall-ID: call%u\nCSeq: 1 ACK\n"
        "Content-Length: 0\n\n",
        place.net, n, place.net, n);
    return true;
}

static void say_bye(unsigned n)
{
    say("BYE sip:bob@%s.102:5060 SIP/2.0\nVia: SIP/2.0/UDP %s.11:5070;branch=z9hG4bKb%u\n"
        "Route: <sip:%s.20:6060;lr>, <sip:%s.11:5070;lr>\nMax-Forwards: 68\n"
        "From: <sip:alice@" REALM ">;tag=a\nTo: <sip:bob@" REALM
        ">;tag=b\nCall-ID: call%u\nCSeq: 2 BYE\n"
        "Content-Length: 0\n\n",
        place.net, place.net, n, place.net, place.net, n);
}

/* Answered; the test is not asked for the ACK. */
static bool call_begin(void)
{
    say_invite(++calls);
    return hear("SIP/2.0 200") != NULL;
}

/* Every third one meets a callee who is busy. */
static bool call_whole(void)
{
    busy = calls % 3 == 1;
    if (busy) {
        say_invite(++calls);
        return hear("SIP/2.0 486") != NULL && say_ack(calls);
    }
    if (!call_begin())
        return false;
    say_bye(calls);
    return hear("SIP/2.0 200") != NULL;
}

static void call_several(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        CU_ASSERT_FATAL(call_whole());
}

/* ---- the records ------------------------------------------------------------------------------ */

struct records {
    unsigned halves[CALLS_MAX], n, incomplete;
    uint64_t last, damaged;
    bool in_order;
};

static bool on_record(void *ctx, const struct cdr *c, struct span line)
{
    struct records *r = ctx;
    uint64_t call;

    (void)line;
    r->n++;
    r->incomplete += c->incomplete;
    r->in_order = r->in_order && c->sequence > r->last;
    r->last = c->sequence;
    CU_ASSERT_FATAL(span_starts(c->icid, SPAN("icid-")));
    CU_ASSERT_EQUAL_FATAL(span_u64(span_sub(c->icid, 5, c->icid.n), CALLS_MAX - 1, &call), 0);
    CU_ASSERT_FALSE(r->halves[call] & 1u << c->role); /* none twice */
    r->halves[call] |= 1u << c->role;
    return true;
}

static struct records records_read(void)
{
    struct records r = {.in_order = true};

    (void)charging_read(NULL, cdr, "scscf", NULL, on_record, &r, &r.damaged);
    return r;
}

/* Both halves of every call, once, numbered without a gap. */
static void all_are_recorded(unsigned first, unsigned last)
{
    struct records r;

    UNTIL(program_status(&scscf, "records_waiting") == 0, 10000);
    r = records_read();
    for (unsigned n = first; n <= last; n++)
        if (!unsure[n] || r.halves[n]) {
            CU_ASSERT_EQUAL(r.halves[n], 3);
            if (r.halves[n] != 3)
                fprintf(stderr, "call %u: halves %x\n", n, r.halves[n]);
        }
    CU_ASSERT(r.in_order);
    CU_ASSERT_EQUAL(r.last, r.n);
    CU_ASSERT_EQUAL(r.damaged, 0);
}

/* ---- life ------------------------------------------------------------------------------------- */

/* The database beside the records, or elsewhere. */
static void start(const char *options)
{
    if (!database[0])
        snprintf(database, sizeof(database), "%s/scscf.db", place.dir);
    snprintf(cdr, sizeof(cdr), "%s/cdr", place.dir);
    program_start(&scscf, "scscf",
                  "realm: " REALM
                  "\nmw.address: %s.20:6060\nsubscribers.path: %s\ncdr.directory: %s\n"
                  "cdr.gather_time: 5 ms\ncdr.retry_time: 200 ms\n%s",
                  place.net, database, cdr, options);
    for (const char *const *user = (const char *const[]){"alice", "bob", NULL}; *user; user++) {
        char request[256];
        json_t *done;

        snprintf(request, sizeof(request),
                 "{\"command\":\"subscriber add\",\"arguments\":{\"impi\":\"%s@" REALM
                 "\",\"impu\":[\"sip:%s@" REALM "\"],\"password\":\"secret\"}}",
                 *user, *user);
        done = program_ask(&scscf, request);
        CU_ASSERT_PTR_NOT_NULL(done);
        json_decref(done);
    }
}

static void go(void)
{
    mw = wire_udp(PCSCF, 5070, SCSCF, 6060);
    CU_ASSERT_FATAL(mw >= 0);
    register_as("alice");
    register_as("bob");
}

static void begin(const char *options)
{
    calls = 0;
    database[0] = '\0';
    program_place_open();
    start(options);
    go();
}

static void end(void)
{
    CU_ASSERT_EQUAL(program_stop(&scscf), 0);
    (void)close(mw);
    program_place_close();
}

/* ---- the cases -------------------------------------------------------------------------------- */

static int cdr_open(char path[128])
{
    int fd = -1;

    for (unsigned n = 1; n < 100 && fd < 0; n++) {
        snprintf(path, 128, "%s/scscf-%08u.jsonl.open", cdr, n);
        fd = open(path, O_WRONLY | O_APPEND);
    }
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static rlim_t cdr_size(void)
{
    char path[128];
    int fd = cdr_open(path);
    off_t size = lseek(fd, 0, SEEK_END);

    (void)close(fd);
    return (rlim_t)size;
}

static void limit_files(rlim_t octets)
{
    struct rlimit l = {octets, RLIM_INFINITY};

    CU_ASSERT_EQUAL_FATAL(prlimit(scscf.pid, RLIMIT_FSIZE, &l, NULL), 0);
}

static void refuses(const char *why)
{
    UNTIL(program_status_is(&scscf, "cdr_disk", "refuses"), 5000);
    CU_ASSERT(program_status_is(&scscf, "cdr_disk", "refuses"));
    UNTIL(program_metric(&scscf, "scscf_now{what=\"cdr_disk_refuses\"}") == 1, 3000);
    CU_ASSERT_EQUAL(program_metric(&scscf, "scscf_now{what=\"cdr_disk_refuses\"}"), 1);
    CU_ASSERT(program_says(&scscf, "\"event\":\"cdr.disk_refuses\""));
    CU_ASSERT(program_says(&scscf, why));
}

static void accepts_again(void)
{
    UNTIL(program_status_is(&scscf, "cdr_disk", "accepts"), 15000);
    CU_ASSERT(program_status_is(&scscf, "cdr_disk", "accepts"));
    CU_ASSERT(program_says(&scscf, "\"event\":\"cdr.disk_accepts\""));
}

/* A record is torn in the middle of the file: the rest of the batch does not fit below the limit. */
static void a_file_that_may_not_grow_delays_records(void)
{
    begin("log.level: notice\n"); /* the log is a file, too */
    call_several(10);
    all_are_recorded(1, 10);
    limit_files(cdr_size() + 1000);
    call_several(20);
    refuses("the file may not grow");
    CU_ASSERT(program_status(&scscf, "records_waiting") > 0);
    limit_files(RLIM_INFINITY);
    accepts_again();
    call_several(3);
    all_are_recorded(1, 33);
    end();
}

static char *filler;

static void disk_fill(void)
{
    static char zeros[4096];
    int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0600);
    size_t n = sizeof(zeros);

    CU_ASSERT_FATAL(fd >= 0);
    while (n)
        if (write(fd, zeros, n) < 0)
            n /= 2;
    (void)close(fd);
}

static void disk_mount(const char *options)
{
    char path[128];

    snprintf(cdr, sizeof(cdr), "%s/cdr", place.dir);
    (void)mkdir(cdr, 0700);
    CU_ASSERT_EQUAL_FATAL(mount("tmpfs", cdr, "tmpfs", 0, options), 0);
    snprintf(path, sizeof(path), "%s/filler", cdr);
    free(filler);
    filler = span_dup(span_str(path));
}

static void begin_on_a_small_disk(void)
{
    calls = 0;
    database[0] = '\0';
    program_place_open();
    disk_mount("size=2m");
    start("");
    go();
}

static void end_on_a_small_disk(void)
{
    CU_ASSERT_EQUAL(program_stop(&scscf), 0);
    (void)close(mw);
    CU_ASSERT_EQUAL(umount(cdr), 0);
    program_place_close();
}

static void a_full_disk_delays_records(void)
{
    begin_on_a_small_disk();
    call_several(5);
    all_are_recorded(1, 5);
    disk_fill();
    call_several(20);
    refuses("the disk is full");
    CU_ASSERT(program_says(&scscf, "make room on its file system"));
    CU_ASSERT(program_status(&scscf, "records_waiting") > 0);
    CU_ASSERT_EQUAL(unlink(filler), 0);
    accepts_again();
    call_several(3);
    all_are_recorded(1, 28);
    end_on_a_small_disk();
}

/* Neither an end in order nor kill -9 loses what waits for room. */
static void an_end_while_the_disk_is_full_loses_nothing(void)
{
    for (int killed = 0; killed < 2; killed++) {
        begin_on_a_small_disk();
        call_several(1);
        all_are_recorded(1, 1);
        disk_fill();
        call_several(10);
        refuses("the disk is full");
        if (killed)
            program_kill(&scscf);
        else
            CU_ASSERT_EQUAL(program_stop(&scscf), 0);
        CU_ASSERT(killed || program_says(&scscf, "are noted and written by the next start"));
        CU_ASSERT_EQUAL(unlink(filler), 0);
        program_start_again(&scscf);
        all_are_recorded(1, 11);
        end_on_a_small_disk();
    }
}

/* It starts on a full disk, too: it says so when there is something to write. */
static void a_start_on_a_full_disk_waits_for_room(void)
{
    begin_on_a_small_disk();
    call_several(2);
    all_are_recorded(1, 2);
    CU_ASSERT_EQUAL(program_stop(&scscf), 0);
    (void)close(mw);
    disk_fill();
    program_start_again(&scscf);
    go();
    call_several(10);
    refuses("the disk is full");
    CU_ASSERT_EQUAL(unlink(filler), 0);
    accepts_again();
    all_are_recorded(1, 12);
    end_on_a_small_disk();
}

static bool add(const char *user)
{
    char request[256];
    json_t *done;

    snprintf(request, sizeof(request),
             "{\"command\":\"subscriber add\",\"arguments\":{\"impi\":\"%s@" REALM
             "\",\"impu\":[\"sip:%s@" REALM "\"],\"k\":\"465b5ce8b199b49faa5f0a2ee238a6bc\","
             "\"opc\":\"cd63cb71954a9f4e48a5994e37a02baf\"}}",
             user, user);
    done = program_ask(&scscf, request);
    json_decref(done);
    return done != NULL;
}

/* The status of the answer to a first REGISTER of a phone with a card. */
static int card_status(const char *user)
{
    static unsigned cseq = 1000;
    char line[512];
    const char *text;

    snprintf(line, sizeof(line),
             "Authorization: Digest username=\"%s@" REALM "\",realm=\"" REALM
             "\",nonce=\"\",uri=\"sip:" REALM "\",response=\"\"\n",
             user);
    say_register(user, ++cseq, line);
    text = hear("SIP/2.0 ");
    return text ? atoi(text + 8) : 0;
}

/* No sequence number is promised twice: when the block of a phone is used up and the next cannot be
 * written, the phone is refused. Who has a password, and calls, go on. */
static void a_full_disk_under_the_subscribers_is_said_and_survived(void)
{
    unsigned challenged = 0;

    calls = 0;
    program_place_open();
    disk_mount("size=4m");
    snprintf(database, sizeof(database), "%s/scscf.db", cdr);
    start("");
    go();
    CU_ASSERT(add("carol"));
    disk_fill();
    CU_ASSERT_FALSE(add("dave") && add("erik") && add("fred"));
    while (challenged < 2000 && card_status("carol") == 401)
        challenged++;
    CU_ASSERT(challenged < 2000);
    CU_ASSERT_EQUAL(card_status("carol"), 503);
    CU_ASSERT(program_status_is(&scscf, "subscribers_disk", "refuses"));
    CU_ASSERT(program_says(&scscf, "\"event\":\"subscribers.disk_refuses\""));
    CU_ASSERT(program_says(&scscf, "make room on the file system of"));
    register_as("bob");
    CU_ASSERT_EQUAL(unlink(filler), 0);
    UNTIL(card_status("carol") == 401, 5000);
    CU_ASSERT_EQUAL(card_status("carol"), 401);
    CU_ASSERT(program_status_is(&scscf, "subscribers_disk", "accepts"));
    CU_ASSERT(add("greta"));
    CU_ASSERT_EQUAL(program_stop(&scscf), 0);
    (void)close(mw);
    CU_ASSERT_EQUAL(umount(cdr), 0);
    program_place_close();
}

static void a_read_only_file_system_is_said_at_the_start(void)
{
    program_place_open();
    disk_mount("size=2m");
    CU_ASSERT_EQUAL_FATAL(mount(NULL, cdr, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    CU_ASSERT_EQUAL(
        program_refuses(
            &scscf, "scscf",
            "mw.address: %s.20:6060\nsubscribers.path: %s/scscf.db\ncdr.directory: %s\n", place.net,
            place.dir, cdr),
        1);
    CU_ASSERT(program_says(&scscf, "Read-only file system"));
    CU_ASSERT(program_says(&scscf, "remount its file system writable"));
    CU_ASSERT_EQUAL(umount(cdr), 0);
    program_place_close();
}

static void tear(void)
{
    char path[128];
    struct stat st;
    int fd = cdr_open(path);

    CU_ASSERT_EQUAL(write(fd, "{\"recordType\":63,\"half", 22), 22);
    (void)close(fd);
    strcat(path, ".torn");
    program_start_again(&scscf);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
}

/* What was answered before the kill has its records behind it: whole, once, numbered on. */
static void kill_9_leaves_whole_records_and_the_numbers_go_on(void)
{
    struct records r;

    begin("");
    for (int life = 0; life < 5; life++) {
        call_several(7);
        CU_ASSERT(call_begin());                                    /* one is open */
        say_invite(++calls);                                        /* one is on its way */
        UNTIL(program_status(&scscf, "records_written") > 0, 5000); /* there is something to tear */
        program_kill(&scscf);
        unsure[calls] = true;
        (void)close(mw);
        tear();
        all_are_recorded(1, calls);
        go();
    }
    r = records_read();
    CU_ASSERT(r.incomplete >= 10); /* both halves of the open calls */
    memset(unsure, 0, sizeof(unsure));
    end();
}

/* Of the file systems of the cases above, as whoever runs this: root in a namespace of mounts (a chroot allows no
 * other), anybody else in one of users, too. */
static bool may_mount(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    int fd;

    if (unshare(CLONE_NEWNS) == 0)
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    fd = open("/proc/self/setgroups", O_WRONLY);
    if (fd >= 0) {
        (void)!write(fd, "deny", 4);
        (void)close(fd);
    }
    for (int i = 0; i < 2; i++) {
        int n = snprintf(map, sizeof(map), "0 %u 1", i ? gid : uid);

        fd = open(i ? "/proc/self/gid_map" : "/proc/self/uid_map", O_WRONLY);
        if (fd < 0 || write(fd, map, (size_t)n) != n)
            return false;
        (void)close(fd);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"a file that may not grow delays records", a_file_that_may_not_grow_delays_records},
        {"kill -9 leaves whole records and the numbers go on",
         kill_9_leaves_whole_records_and_the_numbers_go_on},
        {"a full disk delays records", a_full_disk_delays_records},
        {"an end while the disk is full loses nothing",
         an_end_while_the_disk_is_full_loses_nothing},
        {"a start on a full disk waits for room", a_start_on_a_full_disk_waits_for_room},
        {"a full disk under the subscribers is said and survived",
         a_full_disk_under_the_subscribers_is_said_and_survived},
        {"a read-only file system is said at the start",
         a_read_only_file_system_is_said_at_the_start},
    };
    bool mounts = may_mount();
    int failed = test_suite_run("program/disk", cases, mounts ? ARRAY_LEN(cases) : 2, argc, argv);

    free(filler);
    if (failed || mounts)
        return failed;
    fprintf(stderr, "skipped: a file system of its own cannot be mounted here\n");
    return 77;
}
