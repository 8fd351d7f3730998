/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/program/house.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct program pcscf, scscf, pdp, edge;

static struct program *const programs[] = {&pdp, &edge, &scscf, &pcscf};

void house_start_pcscf(unsigned pdp_host)
{
    program_start(&pcscf, "pcscf",
                  "gm.address: %s.10:5060\ngm.rate: 0\ngm.timers: rfc3261\nmw.address: %s.11:5070\n"
                  "mw.core: sip:%s.20:6060\nmedia.edge: %s.35:2223\npdp.address: %s.%u:3868\n"
                  "security.ipsec: false\nsecurity.require_ipsec: false\nops.metrics: %s.10:9090\n",
                  place.net, place.net, place.net, place.net, place.net, pdp_host, place.net);
}

void house_open(void)
{
    char path[96];
    int fd;

    program_place_open();
    snprintf(path, sizeof(path), "%s/policy.yaml", place.dir);
    fd = open(path, O_WRONLY | O_CREAT, 0600); /* the defaults */
    CU_ASSERT_FATAL(fd >= 0);
    (void)close(fd);
    program_start(
        &pdp, "pdp",
        "diameter.listen: %s.30:3868\npolicy: policy.yaml\ndatabase: pdp.db\ntoken.key: pdp.key\n",
        place.net);
    program_start(&edge, "edge",
                  "ng.address: %s.35:2223\naccess.address: %s.36\ncore.address: %s.37\n"
                  "pdp.address: %s.30:3868\nports: 30000-30999\nlimits.sessions: 100\n"
                  "limits.unauthorized: 5 s\nlimits.linger: 4 s\n",
                  place.net, place.net, place.net, place.net);
    program_start(&scscf, "scscf",
                  "mw.address: %s.20:6060\nsubscribers.path: scscf.db\ncdr.directory: cdr\n",
                  place.net);
    house_start_pcscf(PDP);
}

void house_close(void)
{
    for (size_t i = ARRAY_LEN(programs); i-- > 0;)
        CU_ASSERT_EQUAL(program_stop(programs[i]), 0);
    program_place_close();
}

size_t house_register(char *text, size_t cap, const char *transport, unsigned n)
{
    return (size_t)snprintf(text, cap,
                            "REGISTER sip:" HOUSE_REALM " SIP/2.0\r\n"
                            "Via: SIP/2.0/%s %s.101:5060;branch=z9hG4bKx%u;rport\r\n"
                            "Max-Forwards: 70\r\n"
                            "From: <sip:nobody@" HOUSE_REALM ">;tag=t%u\r\n"
                            "To: <sip:nobody@" HOUSE_REALM ">\r\n"
                            "Call-ID: x%u@%s.101\r\n"
                            "CSeq: 1 REGISTER\r\n"
                            "Contact: <sip:nobody@%s.101:5060>;q=0.5\r\n"
                            "Expires: 600\r\n"
                            "Authorization: Digest username=\"nobody@" HOUSE_REALM
                            "\",realm=\"" HOUSE_REALM "\",nonce=\"\",uri=\"sip:" HOUSE_REALM
                            "\",response=\"\"\r\n"
                            "Supported: path\r\n"
                            "Content-Length: 0\r\n\r\n",
                            transport, place.net, n, n, n, place.net, place.net);
}

static bool is_challenged(void)
{
    static unsigned n = 1000000;
    char text[4096];
    int fd = wire_udp(PHONE, 0, GM, 5060);
    bool good = wire_send(fd, text, house_register(text, sizeof(text), "UDP", ++n));

    /* Nobody is known by that name: the S-CSCF's own word, through both. */
    while (good && wire_hear(fd, text, sizeof(text), 5000) > 0 &&
           strncmp(text, "SIP/2.0 1", 9) == 0)
        ;
    (void)close(fd);
    return strncmp(text, "SIP/2.0 403", 11) == 0 || strncmp(text, "SIP/2.0 401", 11) == 0;
}

static bool is_ponged(void)
{
    static unsigned n;
    char text[4096];
    int fd = wire_udp(MW, 0, EDGE, 2223);

    snprintf(text, sizeof(text), "c%u d7:command4:pinge", ++n);
    (void)wire_send(fd, text, strlen(text));
    (void)wire_hear(fd, text, sizeof(text), 5000);
    (void)close(fd);
    return strstr(text, "4:pong") != NULL;
}

bool house_serves(void)
{
    bool good = true;

    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (!program_is_alive(programs[i])) {
            fprintf(stderr, "%s does not answer\n", programs[i]->name);
            good = false;
        }
    if (good && !is_challenged()) {
        fprintf(stderr, "a REGISTER is not answered\n");
        good = false;
    }
    if (good && !is_ponged()) {
        fprintf(stderr, "the edge does not answer ping\n");
        good = false;
    }
    return good;
}

struct house_level house_level(void)
{
    struct house_level l = {0};

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) /* first: each question is an open file */
        l.files[i] = program_files(programs[i]);
    l.transactions[0] = program_metric(&pcscf, "pcscf_now{what=\"transactions\"}");
    l.transactions[1] = program_metric(&scscf, "scscf_now{what=\"transactions\"}");
    l.connections[0] = program_metric(&pcscf, "pcscf_now{what=\"connections\"}");
    l.connections[1] = program_metric(&scscf, "scscf_now{what=\"connections\"}");
    l.phones = program_status(&pcscf, "phones");
    l.legs = program_status(&pcscf, "legs");
    l.sessions = program_metric(&edge, "edge_sessions");
    return l;
}

static bool above(const struct house_level *before, bool tell)
{
    struct house_level now = house_level();
    const int64_t *a = (const int64_t *)before, *b = (const int64_t *)&now;
    bool is = false;

    for (size_t i = 0; i < sizeof(now) / sizeof(int64_t); i++) {
        is = is || b[i] > a[i];
        if (tell && b[i] > a[i])
            fprintf(stderr, "level %zu: %lld, was %lld\n", i, (long long)b[i], (long long)a[i]);
        if (tell && b[i] > a[i] && i < ARRAY_LEN(programs))
            program_files_print(programs[i]);
    }
    return is;
}

bool house_settles(const struct house_level *before)
{
    bool good = false;

    UNTIL((good = !above(before, false)), 45000); /* transactions live 32 s (64 * T1) */
    return good || !above(before, true);
}
