/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rubbish from the other sides of the house: ng at the edge, Diameter at the PDP and from it, the
 * control sockets and the metrics. Each is answered or dropped, and counted; everybody is served
 * afterwards, and everything is as it was. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/program/house.h"

enum { ROOM = 1 << 17, FAKE_PDP = 31 };

static char room[ROOM], heard[1 << 16];

static uint32_t noise_word(void)
{
    static uint32_t x = 2463534242;

    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static size_t make_noise(size_t n)
{
    for (size_t i = 0; i < n; i++)
        room[i] = (char)(noise_word() >> 16);
    return n;
}

/* ---- ng --------------------------------------------------------------------------------------- */

static int ng = -1;

static bool ng_says(const char *body, const char *answer)
{
    static unsigned n;
    char cookie[16];
    size_t n_cookie = (size_t)snprintf(cookie, sizeof(cookie), "k%u ", ++n);

    snprintf(room, sizeof(room), "%s%s", cookie, body);
    CU_ASSERT_EQUAL(send(ng, room, strlen(room), 0), (ssize_t)strlen(room));
    while (wire_hear(ng, heard, sizeof(heard), 3000) > 0)
        if (strncmp(heard, cookie, n_cookie) == 0)
            return strstr(heard, answer) != NULL;
    return false;
}

#define SDP                                                                                        \
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"                    \
    "m=audio 40000 RTP/AVP 8\r\n"

static size_t make_offer(char *text, size_t cap, unsigned n)
{
    return (size_t)snprintf(text, cap,
                            "o%u d7:call-id%zu:call%06u7:command5:offer9:directionl6:access4:coree"
                            "8:from-tag1:a3:sdp%zu:%se",
                            n, (size_t)10, n, strlen(SDP), SDP);
}

static void bad_ng_is_refused(void)
{
    static const struct {
        const char *body, *answer;
    } rows[] = {
        {"", "error"},
        {"d", "error"},
        {"de", "error"},
        {"i5e", "error"},
        {"le", "error"},
        {"noise", "error"},
        {"d7:commande", "error"},
        {"d7:command4:pin", "error"},
        {"d7:command4:pinge rubbish behind", "error"},
        {"d7:command-4:pinge", "error"},
        {"d7:command4294967300:pinge", "error"},
        {"d7:command99999999999999999999999999:pinge", "error"},
        {"d7:commandi-5ee", "error"},
        {"d7:commandi99999999999999999999999999ee", "error"},
        {"d7:command5:bogusе", "error"},
        {"d7:command5:boguse", "error"},
        {"d7:command5:offere", "error"},
        {"d7:call-id1:x7:command5:offer8:from-tag1:a3:sdp4:xxxxe", "error"},
        {"d7:call-id0:7:command5:offer8:from-tag0:3:sdp0:e", "error"},
        {"d7:call-id1:x7:command6:answer8:from-tag1:a6:to-tag1:b3:sdp4:xxxxe", "error"},
        {"d19:authorization-token3:abc7:call-id1:x7:command9:authorize8:from-tag1:ae", "error"},
        {"d7:call-id7:unknown7:command6:deletee", "unknown call-id"},
        {"d7:call-id7:unknown7:command5:querye", "error"},
    };
    int64_t malformed = program_metric(&edge, "edge_ng_commands_total{outcome=\"malformed\"}");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool says = ng_says(rows[i].body, rows[i].answer);

        CU_ASSERT(says);
        if (!says)
            fprintf(stderr, "ng: %s: %.200s\n", rows[i].body, heard);
    }
    UNTIL(program_metric(&edge, "edge_ng_commands_total{outcome=\"malformed\"}") >= malformed + 14,
          3000);
    CU_ASSERT(program_metric(&edge, "edge_ng_commands_total{outcome=\"malformed\"}") >=
              malformed + 14);
}

static void noise_at_ng_does_no_harm(void)
{
    static const char deep[] = "d1 d7:command";

    for (unsigned i = 0; i < 300; i++) {
        size_t n = i % 3 ? make_offer(room, sizeof(room), i) : make_noise(noise_word() % 1500);

        for (unsigned bytes = i % 3 == 1 ? 1 + noise_word() % 6 : 0; bytes; bytes--)
            room[noise_word() % n] = (char)noise_word();
        if (i % 3 == 2)
            n = noise_word() % n; /* truncated */
        (void)send(ng, room, n, 0);
    }
    memcpy(room, deep, sizeof(deep));
    memset(room + sizeof(deep) - 1, 'l', 60000);
    (void)send(ng, room, 60000, 0);
    memset(room, 'c', 65000); /* a cookie without an end */
    (void)send(ng, room, 65000, 0);
    while (wire_hear(ng, heard, sizeof(heard), 50) > 0)
        ;
    CU_ASSERT(ng_says("d7:command4:pinge", "4:pong"));
}

/* ---- Diameter --------------------------------------------------------------------------------- */

static void put(struct buf *b, uint64_t value, unsigned octets)
{
    while (octets--)
        buf_putc(b, (char)(value >> 8 * octets));
}

static void put_avp(struct buf *b, uint32_t code, const void *data, size_t n)
{
    put(b, code, 4);
    put(b, 0x40, 1);
    put(b, 8 + n, 3);
    buf_put(b, span_of(data, n));
    while (b->n % 4)
        buf_putc(b, '\0');
}

static void put_u32(struct buf *b, uint32_t code, uint32_t value)
{
    uint32_t wire = htonl(value);

    put_avp(b, code, &wire, sizeof(wire));
}

static void put_text(struct buf *b, uint32_t code, const char *text)
{
    put_avp(b, code, text, strlen(text));
}

static void put_head(struct buf *b, uint8_t flags, uint32_t command, uint32_t app)
{
    put(b, 1, 1);
    put(b, 0, 3);
    put(b, flags, 1);
    put(b, command, 3);
    put(b, app, 4);
    put(b, 0x1234, 4);
    put(b, 0x5678, 4);
}

static void set_length(struct buf *b)
{
    b->p[1] = (char)(b->n >> 16);
    b->p[2] = (char)(b->n >> 8);
    b->p[3] = (char)b->n;
}

enum { RX = 16777236, CER = 257, RESULT = 268, SUCCESS = 2001 };

static void put_cer_avps(struct buf *b, const char *host)
{
    char inner[64];
    struct buf group = BUF_ON(inner);
    struct in_addr ip = {0};
    char wire[6] = {0, 1};

    snprintf(heard, sizeof(heard), "%s.99", place.net);
    (void)inet_pton(AF_INET, heard, &ip);
    memcpy(wire + 2, &ip, 4);
    put_text(b, 264, host);
    put_text(b, 296, HOUSE_REALM);
    put_avp(b, 257, wire, sizeof(wire));
    put_u32(b, 266, 0);
    put_text(b, 269, "rubbish");
    put_u32(&group, 266, 10415);
    put_u32(&group, 258, RX);
    put_avp(b, 260, group.p, group.n);
}

static size_t make_cer(unsigned n)
{
    struct buf b = BUF_ON(room);
    char host[128];

    snprintf(host, sizeof(host), "probe%u." HOUSE_REALM, n);
    put_head(&b, 0x80, CER, 0);
    put_cer_avps(&b, host);
    set_length(&b);
    return b.n;
}

/* The Result-Code of a message in `heard`; 0 without one. */
static uint32_t result_of(size_t n)
{
    const uint8_t *p = (const uint8_t *)heard;

    for (size_t at = 20; at + 12 <= n;) {
        size_t len = (size_t)p[at + 5] << 16 | (size_t)p[at + 6] << 8 | p[at + 7];

        if (p[at + 2] == RESULT >> 8 && p[at + 3] == (RESULT & 255))
            return (uint32_t)p[at + 8] << 24 | (uint32_t)p[at + 9] << 16 |
                   (uint32_t)p[at + 10] << 8 | p[at + 11];
        if (len < 8)
            return 0;
        at += (len + 3) & ~(size_t)3;
    }
    return 0;
}

/* A peer that is let in; -1 when it is not. */
static int diameter_joins(void)
{
    static unsigned n;
    int fd = wire_tcp(99, PDP, 3868);
    ssize_t got;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(wire_send(fd, room, make_cer(++n)));
    got = wire_hear(fd, heard, sizeof(heard), 5000);
    if (got > 20 && result_of((size_t)got) == SUCCESS)
        return fd;
    (void)close(fd);
    return -1;
}

/* Sends it on a connection of its own, and gives it a moment to be read. */
static void diameter_hears(const void *p, size_t n)
{
    int fd = wire_tcp(99, PDP, 3868);

    if (fd < 0)
        return;
    (void)wire_send(fd, p, n);
    (void)wire_hear(fd, heard, sizeof(heard), 10);
    (void)close(fd);
}

static void the_pdp_still_serves(void)
{
    int fd = diameter_joins();

    CU_ASSERT(fd >= 0);
    if (fd >= 0)
        (void)close(fd);
    CU_ASSERT(program_status_is(&pcscf, "pdp", "connected"));
    CU_ASSERT(house_serves());
}

static void diameter_noise_does_no_harm(void)
{
    static const uint8_t heads[][8] = {
        {1, 0, 0, 0, 0x80, 0, 1, 1},          /* no length */
        {1, 0, 0, 19, 0x80, 0, 1, 1},         /* less than a header */
        {1, 0, 0, 20, 0x80, 0, 1, 1},         /* nothing in it */
        {1, 0, 0, 22, 0x80, 0, 1, 1},         /* no multiple of four */
        {1, 0xff, 0xff, 0xff, 0x80, 0, 1, 1}, /* 16 MiB to come */
        {0, 0, 0, 20, 0x80, 0, 1, 1},         /* version 0 */
        {255, 0, 0, 20, 0x80, 0, 1, 1},       {1, 0, 0, 20, 0xff, 0, 1, 1},
        {1, 0, 0, 20, 0x00, 0, 1, 1},
    };

    for (unsigned i = 0; i < 40; i++)
        diameter_hears(room, make_noise(1 + noise_word() % 4000));
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        memset(room, 0, 64);
        memcpy(room, heads[i], sizeof(heads[i]));
        diameter_hears(room, 64);
    }
    diameter_hears("GET / HTTP/1.0\r\n\r\n", 18);
    the_pdp_still_serves();
}

static void broken_capabilities_do_no_harm(void)
{
    size_t n = make_cer(7000);

    for (size_t k = 1; k < n; k += 9) { /* half a message, then the end */
        (void)make_cer(7000);
        diameter_hears(room, k);
    }
    for (size_t at = 20; at < n;) { /* every AVP with a length that cannot be */
        static const uint32_t lengths[] = {0, 7, 8, 9, 0xffff, 0xffffff};
        size_t len;

        (void)make_cer(7000);
        len = (size_t)(uint8_t)room[at + 6] << 8 | (uint8_t)room[at + 7];
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            (void)make_cer(7000 + (unsigned)i);
            room[at + 5] = (char)(lengths[i] >> 16);
            room[at + 6] = (char)(lengths[i] >> 8);
            room[at + 7] = (char)lengths[i];
            diameter_hears(room, n);
        }
        at += (len + 3) & ~(size_t)3;
    }
    the_pdp_still_serves();
}

static void bad_requests_of_a_peer_are_answered_or_dropped(void)
{
    static const struct {
        uint32_t command, app, result;
    } rows[] = {
        {12345, 0, 3007}, {12345, RX, 3001}, {265, 12345, 3007}, {16777215, 4294967295, 3007},
        {275, RX, 5005}, /* an STR without what it must have */
    };
    enum { PLAIN, UNKNOWN_AVP, EMPTY_SESSION, LONG_AVP, FORMS };

    for (size_t i = 0; i < ARRAY_LEN(rows) * FORMS; i++) {
        uint32_t form = i % FORMS, result = rows[i / FORMS].result;
        int fd = diameter_joins();
        struct buf b = BUF_ON(room);
        ssize_t got;

        CU_ASSERT_FATAL(fd >= 0);
        put_head(&b, 0xc0, rows[i / FORMS].command, rows[i / FORMS].app);
        put_text(&b, 263, form == EMPTY_SESSION ? "" : "probe;1;1");
        put_text(&b, 264, "probe." HOUSE_REALM);
        put_text(&b, 296, HOUSE_REALM);
        put_text(&b, 283, HOUSE_REALM);
        if (form == UNKNOWN_AVP)
            put_u32(&b, 99999, 1); /* mandatory */
        set_length(&b);
        if (form == LONG_AVP)
            room[20 + 7] = 0x7f; /* than the message */
        CU_ASSERT(wire_send(fd, b.p, b.n));
        got = wire_hear(fd, heard, sizeof(heard), 5000);
        if (form == UNKNOWN_AVP && result == 5005)
            result = 5001;
        if (form == PLAIN || form == UNKNOWN_AVP) {
            CU_ASSERT(got > 20);
            CU_ASSERT_EQUAL(result_of(got > 20 ? (size_t)got : 0), result);
        } else {
            CU_ASSERT_EQUAL(got, -1); /* closed */
        }
        (void)close(fd);
    }
    the_pdp_still_serves();
    CU_ASSERT(program_says(
        &pdp, "a peer sent an AVP length that does not fit; its connection is closed"));
    CU_ASSERT(program_says(&pdp, "empty or holds NUL; its connection is closed"));
    CU_ASSERT(
        program_says(&pdp, "a peer sent a length that no message has; its connection is closed"));
}

/* Descriptors of the Diameter process of a daemon. */
static unsigned node_files(const struct program *p)
{
    char path[96];
    struct dirent *e;
    unsigned n = 0;
    pid_t child = 0;
    FILE *f;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)p->pid, (int)p->pid);
    f = fopen(path, "r");
    if (f && fscanf(f, "%d", &child) != 1)
        child = 0;
    if (f)
        (void)fclose(f);
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)child);
    d = child ? opendir(path) : NULL;
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

static unsigned node_level;

static void idle_diameter_connections_keep_nobody_out(void)
{
    static int fds[40]; /* of those that may be silent: see STRANGERS in common/diameter/node */

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = wire_tcp(99, PDP, 3868);
    the_pdp_still_serves();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    UNTIL(node_files(&pdp) <= node_level + 2, 20000);
    CU_ASSERT(node_files(&pdp) <= node_level + 2);
}

/* ---- a PDP that is none: what a client of it hears ---- */

static int listen_at(unsigned host)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(3868)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    char text[32];

    snprintf(text, sizeof(text), "%s.%u", place.net, host);
    (void)inet_pton(AF_INET, text, &name.sin_addr);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 16), 0);
    return fd;
}

static size_t make_cea(unsigned form)
{
    struct buf b = BUF_ON(room);

    if (form == 0)
        return make_noise(300);
    if (form == 1)
        return 0; /* not a word */
    put_head(&b, 0, CER, 0);
    if (form != 2)
        put_u32(&b, RESULT, form == 3 ? 0xffffffff : SUCCESS);
    put_cer_avps(&b, form == 4 ? "somebody.else" : "pdp." HOUSE_REALM);
    set_length(&b);
    if (form == 5) /* 16 MiB */
        room[1] = room[2] = room[3] = (char)0xff;
    if (form == 6) /* the first AVP is longer than all */
        room[20 + 6] = (char)0xff;
    return form == 7 ? b.n / 2 : b.n;
}

static void a_pdp_that_talks_rubbish_does_no_harm(void)
{
    int listener = listen_at(FAKE_PDP);

    CU_ASSERT_EQUAL(program_stop(&pcscf), 0);
    house_start_pcscf(FAKE_PDP);
    (void)close(accept(listener, NULL, NULL)); /* the start has asked whether somebody listens */
    for (unsigned i = 0; i < 8; i++) {
        struct pollfd p = {.fd = listener, .events = POLLIN};
        int fd = poll(&p, 1, 15000) == 1 ? accept(listener, NULL, NULL) : -1;
        size_t n;

        CU_ASSERT_FATAL(fd >= 0);
        (void)wire_hear(fd, heard, sizeof(heard), 2000);
        n = make_cea(i);
        if (n)
            (void)wire_send(fd, room, n);
        (void)wire_hear(fd, heard, sizeof(heard), 50);
        (void)close(fd);
    }
    CU_ASSERT(house_serves());
    CU_ASSERT(program_status_is(&pcscf, "pdp", "not connected"));
    (void)close(listener);
    CU_ASSERT_EQUAL(program_stop(&pcscf), 0);
    house_start_pcscf(PDP);
    UNTIL(program_status_is(&pcscf, "pdp", "connected"), 15000);
    CU_ASSERT(program_status_is(&pcscf, "pdp", "connected"));
}

/* ---- operators -------------------------------------------------------------------------------- */

static void bad_lines_on_a_control_socket_are_refused(void)
{
    static const char *const lines[] = {
        "\n",
        "null\n",
        "7\n",
        "\"status\"\n",
        "[]\n",
        "{}\n",
        "{\n",
        "{\"command\":5}\n",
        "{\"command\":\"\"}\n",
        "{\"command\":\"nonsense\"}\n",
        "{\"command\":\"status\",\"arguments\":7}\n",
        "{\"command\":\"status\",\"words\":{}}\n",
        "{\"command\":\"log\",\"words\":[\"level\",-1e999]}\n",
        "{\"command\":\"ladder\",\"arguments\":{\"call\":[1,2]}}\n",
        "{\"command\":\"status\",\"command\":\"status\",\"nonsense\":1e400}\n",
        "\x80\xff\xfe{\"command\":\"status\"}\n",
    };
    const struct program *const programs[] = {&pdp, &edge, &scscf, &pcscf};

    for (size_t k = 0; k < ARRAY_LEN(programs); k++) {
        int idle[12], fd;

        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
            fd = wire_unix(programs[k]->socket);
            (void)wire_send(fd, lines[i], strlen(lines[i]));
            CU_ASSERT(wire_hear(fd, heard, sizeof(heard), 5000) > 0);
            CU_ASSERT_PTR_NOT_NULL(strstr(heard, "\"error\""));
            if (!strstr(heard, "\"error\""))
                fprintf(stderr, "%s: %s: %s\n", programs[k]->name, lines[i], heard);
            (void)close(fd);
        }
        fd = wire_unix(programs[k]->socket); /* a line without an end */
        memset(room, '[', sizeof(room));
        (void)wire_send(fd, room, sizeof(room));
        CU_ASSERT(wire_closes(fd, 5000));
        (void)close(fd);
        fd = wire_unix(programs[k]->socket); /* deeper than anybody means */
        room[60000] = '\n';
        (void)wire_send(fd, room, 60001);
        CU_ASSERT(wire_hear(fd, heard, sizeof(heard), 5000) > 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(heard, "\"error\""));
        (void)close(fd);
        fd = wire_unix(programs[k]->socket);
        (void)wire_send(fd, room, make_noise(30000));
        (void)close(fd);
        fd = wire_unix(programs[k]->socket); /* half a line, then the end */
        (void)wire_send(fd, "{\"comm", 7);
        (void)close(fd);
        for (size_t i = 0; i < ARRAY_LEN(idle); i++)
            idle[i] = wire_unix(programs[k]->socket);
        CU_ASSERT(program_is_alive(programs[k]));
        for (size_t i = 0; i < ARRAY_LEN(idle); i++)
            (void)close(idle[i]);
    }
}

static bool is_healthy(void)
{
    int fd = wire_tcp(99, GM, 9090);
    bool good = fd >= 0 && wire_send(fd, "GET /healthz HTTP/1.0\r\n\r\n", 25) &&
                wire_hear(fd, heard, sizeof(heard), 5000) > 0 && strstr(heard, " 200 ");

    if (fd >= 0)
        (void)close(fd);
    return good;
}

static void noise_at_the_metrics_does_no_harm(void)
{
    for (unsigned i = 0; i < 20; i++) {
        int fd = wire_tcp(99, GM, 9090);

        if (i % 2)
            (void)wire_send(fd, room, make_noise(1 + noise_word() % 5000));
        else
            (void)wire_send(fd, "POST /metrics HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 46);
        (void)close(fd);
    }
    UNTIL(is_healthy(), 15000);
    CU_ASSERT(is_healthy());
}

/* ---- all of it -------------------------------------------------------------------------------- */

static struct house_level level;

static void begin(void)
{
    house_open();
    ng = wire_udp(MW, 0, EDGE, 2223);
    UNTIL(program_status_is(&pcscf, "pdp", "connected"), 15000);
    UNTIL(program_status_is(&edge, "pdp", "connected"), 15000); /* its connection counts below */
    CU_ASSERT_FATAL(house_serves());
    level = house_level();
    node_level = node_files(&pdp);
    CU_ASSERT(node_level > 0);
}

static void everything_is_as_it_was(void)
{
    CU_ASSERT(house_settles(&level));
    CU_ASSERT(house_serves());
    UNTIL(node_files(&pdp) <= node_level, 20000);
    CU_ASSERT(node_files(&pdp) <= node_level);
    if (node_files(&pdp) > node_level)
        fprintf(stderr, "portcullis-diameter: %u files, were %u\n", node_files(&pdp), node_level);
}

TEST_MAIN("program/peer_input", {"it opens", begin}, {"bad ng is refused", bad_ng_is_refused},
          {"noise at ng does no harm", noise_at_ng_does_no_harm},
          {"Diameter noise does no harm", diameter_noise_does_no_harm},
          {"broken capabilities do no harm", broken_capabilities_do_no_harm},
          {"bad requests of a peer are answered or dropped",
           bad_requests_of_a_peer_are_answered_or_dropped},
          {"idle Diameter connections keep nobody out", idle_diameter_connections_keep_nobody_out},
          {"bad lines on a control socket are refused", bad_lines_on_a_control_socket_are_refused},
          {"noise at the metrics does no harm", noise_at_the_metrics_does_no_harm},
          {"a PDP that talks rubbish does no harm", a_pdp_that_talks_rubbish_does_no_harm},
          {"everything is as it was", everything_is_as_it_was}, {"it closes", house_close})
