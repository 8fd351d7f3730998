/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, what it prints, and the options every program has. */
#include "common/daemon/inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_SIZE = 256 << 10 };

static const struct {
    const char *name, *value, *help;
    int what;
} arguments[] = {
    {"--config", "FILE", "configuration (default /etc/portcullis/PROGRAM.yaml)", -1},
    {"--socket", "PATH", "control socket (default from $PORTCULLIS_RUN or ops.socket)", -1},
    {"--check", NULL, "look whether the configuration is good, then end", DAEMON_CHECK},
    {"--self-test", NULL, "look whether this machine has what is needed, then end",
     DAEMON_SELF_TEST},
    {"--dump-options", NULL, "all options of the configuration, one a line, tab-separated",
     DAEMON_OPTIONS},
    {"--sample", NULL, "a commented configuration file", DAEMON_SAMPLE},
    {"--man", NULL, "the manual page", DAEMON_MAN},
    {"--version", NULL, "the version", DAEMON_VERSION},
    {"--help", NULL, "this text", DAEMON_HELP},
    {"-h", NULL, "the same", DAEMON_HELP},
};

#define AT(field) offsetof(struct daemon_options, field)
static const struct conf_option all_options[] = {
    {"log.level", CONF_ENUM, AT(log_level), "info", "How much is logged.",
     .names = obs_level_names},
    {"log.format", CONF_ENUM, AT(log_format), "auto",
     "Form of a line; auto is logfmt on a terminal and JSON otherwise.", .names = obs_format_names},
    {"log.file", CONF_PATH, AT(log_file), "",
     "Where to log; empty is standard error. SIGHUP opens it again."},
    {"log.rate", CONF_INT, AT(log_rate), "5000",
     "Most lines a second, errors not counted; what is above is dropped and counted. 0 is no "
     "bound.",
     0, 1000000, "lines"},
    {"log.show_identities", CONF_BOOL, AT(show_identities), "false",
     "Log who a subscriber is in clear; otherwise a keyed hash of it."},
    {"log.identity_key", CONF_SECRET_FILE, AT(identity_key), "",
     "Key of that hash, so that the same subscriber has the same hash in all programs; without it "
     "a "
     "new one is made at each start."},
    {"ops.socket", CONF_PATH, AT(socket), "/run/portcullis/${program}.sock",
     "Control socket for imsctl. --socket and $PORTCULLIS_RUN go before it."},
    {"ops.metrics", CONF_ADDR_PORT, AT(metrics), "",
     "Address of /metrics (Prometheus) and /healthz; empty is none.", .any = true},
    {"recorder.calls", CONF_INT, AT(recorder_calls), "1000",
     "How many calls and registrations are kept for `imsctl ladder`; 0 records nothing.", 0,
     1000000},
    {"recorder.messages", CONF_INT, AT(recorder_messages), "64",
     "Most messages kept of each; the middle is left out.", 2, 10000},
    {"recorder.memory", CONF_SIZE, AT(recorder_memory), "32 MiB", "Memory for all of them.",
     1 << 16, INT64_C(1) << 36},
    {"daemon.drain_time", CONF_DURATION, AT(drain_time), "3 s",
     "How long SIGTERM waits for what runs.", 0, INT64_C(3600000000)},
};
_Static_assert(ARRAY_LEN(all_options) <= DAEMON_OPTIONS_MAX, "a larger DAEMON_OPTIONS_MAX");

size_t daemon_options_put(const struct daemon_role *role,
                          struct conf_option options[DAEMON_OPTIONS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all_options); i++) {
        bool records = span_starts(span_str(all_options[i].path), SPAN("recorder."));
        if (!records || !role->records_nothing)
            options[n++] = all_options[i];
    }
    return n;
}

int daemon_arguments_parse(const struct daemon_role *role, int argc, char **argv,
                           struct daemon_arguments *ret_arguments)
{
    struct daemon_arguments a = {0};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(arguments) && strcmp(argv[i], arguments[k].name) != 0)
            k++;
        bool known = k < ARRAY_LEN(arguments);
        if (!known || (arguments[k].value && i + 1 == argc)) {
            (void)fprintf(stderr, "%s: %s %s; --help lists the arguments\n", role->name, argv[i],
                          known ? "needs a value" : "is not an argument");
            return -EINVAL;
        }
        if (strcmp(arguments[k].name, "--config") == 0)
            a.config = argv[++i];
        else if (strcmp(arguments[k].name, "--socket") == 0)
            a.socket = argv[++i];
        else
            a.what = (unsigned)arguments[k].what;
    }
    *ret_arguments = a;
    return 0;
}

/* PROGRAM in a text is the program's name. */
static void put_named(struct buf *b, const struct daemon_role *role, const char *text)
{
    static const char word[] = "PROGRAM";
    const char *at = strstr(text, word);
    buf_put(b, span_of(text, at ? (size_t)(at - text) : strlen(text)));
    if (at) {
        buf_puts(b, role->name);
        put_named(b, role, at + sizeof(word) - 1);
    }
}

static void put_named_troff(struct buf *b, const struct daemon_role *role, const char *text)
{
    char room[512];
    struct buf named = BUF_ON(room);
    put_named(&named, role, text);
    conf_put_troff(b, buf_span(&named));
}

static void put_help(const struct daemon_role *role, struct buf *b)
{
    buf_fmt(b, "%s: %s\n\nusage: %s [ARGUMENT...]\n", role->name, role->summary, role->name);
    for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
        buf_fmt(b, "  %-15s%-6s", arguments[i].name, arguments[i].value ? arguments[i].value : "");
        put_named(b, role, arguments[i].help);
        buf_putc(b, '\n');
    }
    buf_puts(
        b, "\nIt stays in the foreground. SIGTERM ends it in order; SIGHUP opens the log again and "
           "reads the\nconfiguration: what can change at run time is taken over (see the manual "
           "page).\n");
}

/* "PATH\twhat it is" */
static void put_file(struct buf *b, struct span line)
{
    struct span path = span_cut(&line, '\t');
    buf_puts(b, ".TP\n.I ");
    conf_put_troff(b, path);
    buf_putc(b, '\n');
    conf_put_troff(b, line);
    buf_putc(b, '\n');
}

static void put_files(const struct daemon_role *role, struct buf *b)
{
    static const char all[] = "/etc/portcullis/PROGRAM.yaml\tthe configuration; `PROGRAM --sample` "
                              "prints one\n/run/portcullis/PROGRAM.sock\tthe control socket, for "
                              "imsctl\n";
    char text[2048];
    struct buf named = BUF_ON(text);
    put_named(&named, role, all);
    put_named(&named, role, role->files ? role->files : "");
    struct span rest = buf_span(&named);
    buf_puts(b, ".SH FILES\n");
    while (rest.n > 0)
        put_file(b, span_cut(&rest, '\n'));
}

static void put_rest(const struct daemon_role *role, struct buf *b)
{
    buf_puts(b, ".SH SIGNALS\nSIGTERM and SIGINT take nothing new, finish what runs for at most "
                "daemon.drain_time, and end it; a second one ends it at once.\n.PP\nSIGHUP opens "
                "the log file again and reads the configuration: log.level ");
    buf_puts(b, role->reload ? "and the policy file are" : "is");
    buf_puts(b, " taken over, all else needs a restart. A file with a fault changes nothing; the "
                "log says so.\n.SH EXIT STATUS\n0 ended as asked, or the check is good; 1 it could "
                "not start, or "
                "had to end: standard error says why; 2 wrong arguments.\n.SH EXAMPLES\n.nf\n");
    put_named_troff(b, role,
                    "PROGRAM --sample >PROGRAM.yaml      # then edit it\n"
                    "PROGRAM --check --config PROGRAM.yaml\n"
                    "PROGRAM --self-test --config PROGRAM.yaml\n"
                    "PROGRAM --config PROGRAM.yaml &\n"
                    "imsctl --role PROGRAM status\n");
    buf_puts(b, ".fi\n");
}

static void put_man(const struct daemon_role *role, const struct conf_schema *schema, struct buf *b)
{
    static const char *const others[] = {"pcscf", "scscf", "pdp", "edge"};
    buf_fmt(b, ".TH %s 8 \"\" \"Portcullis %s\"\n.SH NAME\n%s \\- %s\n", role->name,
            PORTCULLIS_VERSION, role->name, role->summary);
    buf_fmt(b, ".SH SYNOPSIS\n.B %s\n[ARGUMENT...]\n.SH ARGUMENTS\n", role->name);
    for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
        buf_puts(b, ".TP\n.B ");
        conf_put_troff(b, span_str(arguments[i].name));
        buf_fmt(b, " %s\n", arguments[i].value ? arguments[i].value : "");
        put_named_troff(b, role, arguments[i].help);
        buf_putc(b, '\n');
    }
    conf_put_man(schema, b);
    if (role->man)
        role->man(b);
    put_files(role, b);
    put_rest(role, b);
    buf_puts(b, ".SH SEE ALSO\n.BR imsctl (1)");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(others[i], role->name) != 0)
            buf_fmt(b, ",\n.BR %s (8)", others[i]);
    buf_putc(b, '\n');
}

bool daemon_arguments_print(const struct daemon_role *role, const struct conf_schema *schema,
                            const struct daemon_arguments *a)
{
    struct buf b = {malloc(TEXT_SIZE), 0, TEXT_SIZE, false};
    if (!b.p)
        b.cap = 0;
    switch (a->what) {
    case DAEMON_OPTIONS:
        conf_put_options(schema, &b);
        break;
    case DAEMON_SAMPLE:
        conf_put_sample(schema, &b);
        break;
    case DAEMON_MAN:
        put_man(role, schema, &b);
        break;
    case DAEMON_VERSION:
        buf_fmt(&b, "%s (Portcullis) %s\n", role->name, PORTCULLIS_VERSION);
        break;
    case DAEMON_HELP:
        put_help(role, &b);
        break;
    case DAEMON_RUN:
    case DAEMON_CHECK:
    case DAEMON_SELF_TEST:
        free(b.p);
        return false;
    }
    (void)fwrite(b.p, 1, b.n, stdout); /* a closed pipe is the reader's wish */
    free(b.p);
    return true;
}
