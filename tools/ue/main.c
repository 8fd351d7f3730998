/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments, commands from standard input, life and death. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/ue/ue.h"

static const char usage[] =
    "ue: a scriptable IMS test phone\n"
    "  --impi NAME            private identity\n"
    "  --impu URI             public identity\n"
    "  --realm DOMAIN         home domain\n"
    "  --local IP             address of this phone\n"
    "  --pcscf IP[:PORT]      the P-CSCF (port 5060)\n"
    "  --k HEX                K of the card, 16 octets\n"
    "  --opc HEX | --op HEX   operator key, derived or not, 16 octets\n"
    "  --sqn N                highest sequence number the card accepted (0)\n"
    "  --password TEXT        for SIP digest instead of a card\n"
    "  --no-ipsec             no security agreement\n"
    "  --transport udp|tcp    (udp)\n"
    "  --algorithms LIST      alg/ealg,... (hmac-sha-1-96/aes-cbc,hmac-sha-1-96/null)\n"
    "  --port-us N --port-uc N  protected ports (6100, 6101 and the 7 that follow)\n"
    "  --port N               unprotected port (5060)\n"
    "  --expires SECONDS      (600000)\n"
    "  --t1 MS                retransmission timer (2000, TS 24.229 table 7.7.1)\n"
    "  --answer auto|ring|busy|reject  incoming calls (auto)\n"
    "  --esp-keys FILE        appends the keys in Wireshark's esp_sa form\n"
    "  --bad-verify --bad-response     misbehave\n"
    "  --fraud N              send N more packets after BYE\n"
    "  --version, --help, -h\n"
    "commands on standard input: register, deregister, call URI [SECONDS], answer, hangup,\n"
    "  message URI TEXT, quit. Events come one a line on standard output.\n";

void ue_event(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void on_refresh(struct loop_timer *t, void *ctx)
{
    struct ue *ue = ctx;

    (void)t;
    ue_register(ue, ue->reg_expires);
}

static void command(struct ue *ue, char *line)
{
    char *rest = line, *word = strsep(&rest, " "), *uri = rest ? strsep(&rest, " ") : NULL;

    if (strcmp(word, "register") == 0)
        ue_register(ue, ue->reg_expires ? ue->reg_expires : 600000);
    else if (strcmp(word, "deregister") == 0)
        ue_register(ue, 0);
    else if (strcmp(word, "call") == 0 && uri)
        ue_call_start(ue, uri, rest ? (unsigned)strtoul(rest, NULL, 10) : 0);
    else if (strcmp(word, "answer") == 0)
        ue_call_answer(ue, 200);
    else if (strcmp(word, "hangup") == 0)
        ue_call_hang_up(ue);
    else if (strcmp(word, "message") == 0 && uri && rest)
        ue_call_message(ue, uri, rest);
    else if (strcmp(word, "quit") == 0)
        loop_stop(ue->loop);
    else if (*word)
        ue_event("error what=\"unknown command or missing argument: %s\"", word);
}

struct input {
    struct ue *ue;
    struct loop_fd *watch;
    char line[1024];
    size_t n;
};

static void on_input(struct loop_fd *w, unsigned events, void *ctx)
{
    struct input *in = ctx;
    ssize_t got = read(STDIN_FILENO, in->line + in->n, sizeof(in->line) - 1 - in->n);

    (void)events;
    if (got <= 0) {
        if (got == 0)
            loop_fd_unwatch(w); /* without an input the phone goes on by itself */
        return;
    }
    in->n += (size_t)got;
    in->line[in->n] = '\0';
    for (char *end; (end = memchr(in->line, '\n', in->n));) {
        size_t used = (size_t)(end - in->line) + 1;

        *end = '\0';
        command(in->ue, in->line);
        memmove(in->line, in->line + used, in->n - used + 1);
        in->n -= used;
    }
    if (in->n == sizeof(in->line) - 1)
        in->n = 0;
}

static void on_signal(int signo, void *ctx)
{
    struct ue *ue = ctx;

    (void)signo;
    loop_stop(ue->loop);
}

static int fail(const char *what, const char *value)
{
    fprintf(stderr, "ue: %s: %s\n", what, value ? value : "missing");
    return 2;
}

static int read_key(const char *name, const char *hex, uint8_t key[16])
{
    size_t n = 0;

    if (!hex || hex_decode(span_str(hex), key, 16, &n) != 0 || n != 16)
        return fail(name, "32 hex digits are wanted");
    return 0;
}

struct arguments {
    const char *k, *op, *opc, *answer;
};

static int parse_arguments(struct ue *ue, struct arguments *a, int argc, char **argv)
{
    static const struct option names[] = {
        {"impi", 1, NULL, 'i'},       {"impu", 1, NULL, 'u'},
        {"realm", 1, NULL, 'r'},      {"local", 1, NULL, 'l'},
        {"pcscf", 1, NULL, 'p'},      {"k", 1, NULL, 'k'},
        {"opc", 1, NULL, 'c'},        {"op", 1, NULL, 'o'},
        {"sqn", 1, NULL, 's'},        {"password", 1, NULL, 'w'},
        {"no-ipsec", 0, NULL, 'n'},   {"transport", 1, NULL, 't'},
        {"algorithms", 1, NULL, 'a'}, {"port-us", 1, NULL, 'U'},
        {"port-uc", 1, NULL, 'C'},    {"port", 1, NULL, 'P'},
        {"expires", 1, NULL, 'e'},    {"t1", 1, NULL, '1'},
        {"answer", 1, NULL, 'A'},     {"esp-keys", 1, NULL, 'K'},
        {"bad-verify", 0, NULL, 'V'}, {"bad-response", 0, NULL, 'R'},
        {"fraud", 1, NULL, 'F'},      {"version", 0, NULL, 'v'},
        {"help", 0, NULL, 'h'},       {0}};
    struct ue_options *o = &ue->options;

    for (int c; (c = getopt_long(argc, argv, "h", names, NULL)) != -1;) {
        switch (c) {
        case 'i':
            o->impi = optarg;
            break;
        case 'u':
            o->impu = optarg;
            break;
        case 'r':
            o->realm = optarg;
            break;
        case 'l':
            if (addr_parse_ip(span_str(optarg), 0, &o->local) != 0)
                return fail("--local", optarg);
            break;
        case 'p':
            if (addr_parse(span_str(optarg), 5060, &o->pcscf) != 0)
                return fail("--pcscf", optarg);
            break;
        case 'k':
            a->k = optarg;
            break;
        case 'c':
            a->opc = optarg;
            break;
        case 'o':
            a->op = optarg;
            break;
        case 's':
            ue->card.sqn = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            o->password = optarg;
            break;
        case 'n':
            o->ipsec = false;
            break;
        case 't':
            o->transport = optarg;
            break;
        case 'a':
            o->algorithms = optarg;
            break;
        case 'U':
            o->port_us = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'C':
            o->port_uc = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'P':
            o->clear_port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            ue->reg_expires = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case '1':
            o->t1 = strtoull(optarg, NULL, 10) * MSEC;
            break;
        case 'A':
            a->answer = optarg;
            break;
        case 'K':
            o->esp_keys = optarg;
            break;
        case 'V':
            o->bad_verify = true;
            break;
        case 'R':
            o->bad_response = true;
            break;
        case 'F':
            ue->call.fraud_packets = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            puts("ue (Portcullis) " PORTCULLIS_VERSION);
            exit(0);
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    return 0;
}

static int check_arguments(struct ue *ue, const struct arguments *a)
{
    static const char *const answers[] = {"auto", "ring", "busy", "reject"};
    const struct ue_options *o = &ue->options;
    uint8_t op[16];

    if (!o->impi || !o->impu || !o->realm || !o->local.family || !o->pcscf.family)
        return fail("--impi, --impu, --realm, --local and --pcscf", NULL);
    if (strcmp(o->transport, "udp") != 0 && strcmp(o->transport, "tcp") != 0)
        return fail("--transport is udp or tcp, not", o->transport);
    for (size_t i = 0; i <= ARRAY_LEN(answers); i++) {
        if (i == ARRAY_LEN(answers))
            return fail("--answer is auto, ring, busy or reject, not", a->answer);
        ue->answer = (enum ue_answer)i;
        if (strcmp(a->answer, answers[i]) == 0)
            break;
    }
    if (o->password && !a->k)
        return 0;
    if (read_key("--k", a->k, ue->card.k) != 0)
        return 2;
    if (a->opc)
        return read_key("--opc", a->opc, ue->card.opc);
    if (read_key("--op", a->op, op) != 0)
        return 2;
    ue_card_opc(ue->card.k, op, ue->card.opc);
    return 0;
}

int main(int argc, char **argv)
{
    struct ue ue = {.clear_fd = -1,
                    .clear_listen_fd = -1,
                    .server_fd = -1,
                    .listen_fd = -1,
                    .client_fd = -1,
                    .reg_expires = 600000};
    struct arguments a = {.answer = "auto"};
    struct input in = {.ue = &ue};
    int rc;

    ue.options = (struct ue_options){.transport = "udp",
                                     .ipsec = true,
                                     .t1 = 2 * SEC,
                                     .algorithms = "hmac-sha-1-96/aes-cbc,hmac-sha-1-96/null",
                                     .port_us = 6100,
                                     .port_uc = 6101,
                                     .clear_port = 5060,
                                     .user_agent = "Portcullis-UE/" PORTCULLIS_VERSION};
    rc = parse_arguments(&ue, &a, argc, argv);
    if (rc == 0)
        rc = check_arguments(&ue, &a);
    if (rc != 0)
        return rc;
    signal(SIGPIPE, SIG_IGN);
    list_init(&ue.requests);
    list_init(&ue.replies);
    list_init(&ue.conns);
    loop_timer_init(&ue.refresh, on_refresh, &ue);
    if (sip_init() != 0 || loop_new(&ue.loop) != 0)
        return fail("start", "out of memory");
    rc = ue_wire_open(&ue);
    if (rc != 0)
        return fail("sockets", strerror(-rc));
    (void)fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK); /* read tells */
    if (loop_signal(ue.loop, SIGTERM, on_signal, &ue) != 0 ||
        loop_signal(ue.loop, SIGINT, on_signal, &ue) != 0)
        return fail("start", "signals");
    /* A regular file or /dev/null as input cannot be watched; then there are no commands. */
    if (loop_fd_watch(ue.loop, STDIN_FILENO, LOOP_READ, on_input, &in, &in.watch) != 0)
        ue_event("note what=\"standard input cannot be watched\"");
    ue_event("ready");
    loop_run(ue.loop);
    ue_call_fini(&ue);
    ue_transactions_fini(&ue);
    ue_xfrm_remove(&ue.set);
    ue_wire_close(&ue);
    loop_free(ue.loop);
    return 0;
}
