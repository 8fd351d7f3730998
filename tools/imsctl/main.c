/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/imsctl/imsctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "imsctl: asks the programs of Portcullis\n\n"
    "usage: imsctl [--socket PATH | --role NAME | --run-dir DIR] [--json] COMMAND [WORD...] "
    "[--NAME VALUE...]\n\n"
    "  imsctl status                      how the programs are doing, and which do not run\n"
    "  imsctl registrations [--limit N]   phones registered at the P-CSCF\n"
    "  imsctl legs [--limit N]            the phones' sides of calls at the P-CSCF\n"
    "  imsctl calls [--limit N]           calls at the S-CSCF\n"
    "  imsctl tokens [--subscriber IDENTITY] [--limit N]\n"
    "                                     authorization tokens of the PDP\n"
    "  imsctl token show|revoke NAME      one token with its flows; end its session's media now\n"
    "  imsctl policy                      the PDP's rules in force\n"
    "  imsctl peers                       Diameter peers of the PDP\n"
    "  imsctl gates [CALL]                gates of the media edge\n"
    "  imsctl subscriber add --impi NAME --impu URI [--impu URI ...]\n"
    "                        (--k HEX (--opc HEX | --op HEX) | --password TEXT)\n"
    "                        [--media audio,video,text,other] [--barred out,in] ...\n"
    "  imsctl subscriber show|delete IDENTITY\n"
    "  imsctl subscriber list [--after IMPI] [--limit N]\n"
    "  imsctl cdr list [--icid ICID] [--limit N]\n"
    "                                     the latest charging records\n"
    "  imsctl cdr export [--format csv|json] [--after NUMBER] [--icid ICID] [--limit N]\n"
    "                                     all of them, oldest first; json: one object a line\n"
    "  imsctl ladder [NAME] [--messages]  a call, message by message\n"
    "  imsctl log level [LEVEL]           how much the programs log, or with --role NAME one of "
    "them\n"
    "  imsctl selftest                    what the start-up self-tests found\n"
    "  imsctl metrics                     all metrics, as Prometheus reads them\n"
    "  imsctl --role NAME commands        everything that program can be asked, and what each\n"
    "                                     option takes\n\n"
    "Without --limit a list that takes it ends at 1000 rows, subscribers at 500, cdr list at 20.\n"
    "--json gives the answer as JSON, for programs; -h, --help, --version.\n"
    "A value @FILE is the content of the file: keys need not stand on the command line.\n"
    "The control sockets are in /run/portcullis, $PORTCULLIS_RUN or --run-dir.\n"
    "Exit status: 1 refused, 2 wrong use, 3 nobody answers or a program does not run.\n";

struct question {
    const struct imsctl_options *o;
    int status;
    json_t *results; /* of several programs, for --json */
    bool several;
    bool records;    /* cdr export: the answer is a text already, in the format asked for */
    json_t *refusal; /* the last one; that several programs say the same is said once */
    bool known;      /* one of several programs has this command */
    json_t *unknown; /* what one said that has not */
};

static void tell(const char *error, const char *remedy)
{
    (void)fputs("imsctl: ", stderr);
    imsctl_put_clean(stderr, error, strlen(error), 0);
    if (remedy && *remedy) {
        (void)fputs("\n    ", stderr);
        imsctl_put_clean(stderr, remedy, strlen(remedy), 0);
    }
    (void)fputc('\n', stderr);
}

static int nobody(const char *path)
{
    char error[256];
    const char *remedy = errno == EACCES ? "only its owner and group may ask (sudo?)"
                         : errno == ETIMEDOUT
                             ? "it hangs; look at its log"
                             : "does the program run? --socket PATH, --run-dir DIR";
    (void)snprintf(error, sizeof(error), "%s: %s", path, strerror(errno));
    tell(error, remedy);
    return IMSCTL_NOBODY;
}

/* The program's commands, to know what its options are. */
static json_t *commands_at(int fd)
{
    json_t *ask = json_pack("{s:s}", "command", "commands");
    json_t *answer = ask ? imsctl_ask(fd, ask) : NULL;
    json_t *commands = json_incref(json_object_get(answer, "result"));
    json_decref(ask);
    json_decref(answer);
    return commands;
}

static void show(struct question *q, const char *role, json_t *result)
{
    if (q->o->json && q->several) {
        if (json_object_set(q->results, role, result) != 0)
            q->status = IMSCTL_REFUSED;
    } else if (q->o->json && !q->records) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        (void)fputc('\n', stdout);
    } else {
        if (q->several)
            (void)printf("-- %s\n", role);
        imsctl_show(stdout, result, isatty(STDOUT_FILENO));
    }
}

/* On stderr: tables go through pipes. */
static void show_limit(const struct question *q, const json_t *answer, const json_t *commands)
{
    (void)fflush(stdout); /* first the table */
    if (!q->o->json)
        imsctl_show_limit(stderr, answer, imsctl_row_of(commands, q->o->rest, q->o->n_rest));
}

static void refused(struct question *q, json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    q->status = json_is_true(json_object_get(answer, "wrong_use")) ? IMSCTL_USAGE : IMSCTL_REFUSED;
    if (q->refusal && json_equal(q->refusal, answer))
        return;
    tell(error ? error : "refused", json_string_value(json_object_get(answer, "remedy")));
    json_decref(q->refusal);
    q->refusal = json_incref(answer);
}

/* --json is --format json where records are asked for. */
static json_t *request_of(struct question *q, const json_t *commands, const char **ret_wrong)
{
    const struct imsctl_options *o = q->o;
    json_t *request = imsctl_request(o->rest, o->n_rest, commands, ret_wrong);
    json_t *arguments = json_object_get(request, "arguments");
    q->records =
        o->n_rest > 1 && strcmp(o->rest[0], "cdr") == 0 && strcmp(o->rest[1], "export") == 0;
    if (q->records && o->json && !json_object_get(arguments, "format"))
        (void)json_object_set_new(arguments, "format", json_string("json")); /* else CSV comes */
    return request;
}

static void unreadable(const char *wrong)
{
    char error[512];
    const char *why = errno == EFBIG ? "it has 4096 octets or more" : strerror(errno);
    if (wrong)
        (void)snprintf(error, sizeof(error), "%s cannot be read: %s", wrong + 1, why);
    tell(wrong ? error : "memory is out",
         wrong ? "@FILE must be a text file of less than 4096 octets" : "");
}

static void silent(struct question *q, const char *role, const char *path)
{
    q->status = nobody(path);
    if (q->several)
        (void)json_object_set_new(q->results, role, json_null()); /* missing, too */
}

/* A call as the P-CSCF saw it lacks what edge and PDP said to each other: the PDP, when it runs here,
 * knows the call by its ICID, which is one of the names. */
static void add_pdp(const struct question *q, json_t *ladder)
{
    const json_t *names = json_object_get(ladder, "names"), *name;
    char path[512];
    size_t i;
    (void)snprintf(path, sizeof(path), "%s/pdp.sock", q->o->run_dir);
    int fd = imsctl_connect(path);
    bool found = false;
    for (i = 0; fd >= 0 && !found && (name = json_array_get(names, i)) != NULL; i++) {
        json_t *request = json_pack("{s:s, s:[s], s:{}}", "command", "ladder", "words",
                                    json_string_value(name), "arguments");
        json_t *answer = request ? imsctl_ask(fd, request) : NULL;
        found = json_is_true(json_object_get(answer, "ok"));
        if (found)
            imsctl_ladder_add(ladder, json_object_get(answer, "result"), "qos");
        json_decref(request);
        json_decref(answer);
    }
    if (fd >= 0)
        (void)close(fd); /* the answers are there */
}

static void ask(struct question *q, const char *role, const char *path)
{
    int fd = imsctl_connect(path);
    if (fd < 0) {
        silent(q, role, path);
        return;
    }
    json_t *commands = commands_at(fd);
    const char *wrong;
    json_t *request = request_of(q, commands, &wrong);
    json_t *answer = request ? imsctl_ask(fd, request) : NULL;
    bool known = !commands || imsctl_row_of(commands, q->o->rest, q->o->n_rest);
    q->known = q->known || known;
    if (!request) {
        unreadable(wrong);
        q->status = IMSCTL_USAGE;
    } else if (!answer) {
        silent(q, role, path);
    } else if (q->several && !known) {
        json_decref(q->unknown);
        q->unknown = json_incref(answer);
    } else if (json_is_true(json_object_get(answer, "ok"))) {
        if (!q->o->socket && strcmp(role, "pcscf") == 0 && strcmp(q->o->rest[0], "ladder") == 0)
            add_pdp(q, json_object_get(answer, "result"));
        show(q, role, json_object_get(answer, "result"));
        show_limit(q, answer, commands);
    } else {
        refused(q, answer);
    }
    json_decref(answer);
    json_decref(request);
    json_decref(commands);
    (void)close(fd); /* the answer is there */
}

static int is_socket_name(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".sock") == 0;
}

/* All four make a network, here or on other machines; whoever asks how it is doing wants to know. */
static void tell_absent(struct question *q)
{
    char path[512];
    for (size_t i = 0; i < IMSCTL_ROLES; i++) {
        const char *role = imsctl_roles[i];
        (void)snprintf(path, sizeof(path), "%s/%s.sock", q->o->run_dir, role);
        if (access(path, F_OK) == 0)
            continue;
        if (q->o->json)
            (void)json_object_set_new(q->results, role, json_null());
        else
            (void)printf("-- %s\nnot running: there is no %s\n", role, path);
        q->status = IMSCTL_NOBODY;
    }
}

static int nobody_in(const char *run_dir)
{
    char error[512];
    (void)snprintf(error, sizeof(error), "no program runs here: there is no socket in %s", run_dir);
    tell(error, "--run-dir DIR or --socket PATH says where to look");
    return IMSCTL_NOBODY;
}

/* A command none has is wrong use, unless one that has it may be silent. */
static void tell_unknown(struct question *q)
{
    int before = q->status;
    refused(q, q->unknown);
    q->status = before ? before : q->status;
}

static int ask_all(struct question *q)
{
    struct dirent **names;
    char path[512], role[256];
    int n = scandir(q->o->run_dir, &names, is_socket_name, alphasort);
    if (n < 0)
        return nobody(q->o->run_dir);
    q->several = true;
    q->results = json_object();
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", q->o->run_dir, names[i]->d_name);
        (void)snprintf(role, sizeof(role), "%.*s", (int)strlen(names[i]->d_name) - 5,
                       names[i]->d_name);
        ask(q, role, path);
        free(names[i]);
    }
    free(names);
    if (n == 0)
        q->status = nobody_in(q->o->run_dir);
    else if (strcmp(q->o->rest[0], "status") == 0)
        tell_absent(q);
    if (q->unknown && !q->known)
        tell_unknown(q);
    if (q->o->json && json_object_size(q->results) > 0) {
        (void)json_dumpf(q->results, stdout, JSON_INDENT(2));
        (void)fputc('\n', stdout);
    }
    json_decref(q->results);
    json_decref(q->unknown);
    return q->status;
}

static int run(const struct imsctl_options *o)
{
    struct question q = {.o = o};
    char path[512];
    const char *role = o->role ? o->role : imsctl_role_of(o->rest[0]);
    if (o->role && !imsctl_is_role(o->role)) {
        (void)snprintf(path, sizeof(path), "there is no role '%.64s'", o->role);
        tell(path, "choose of: pcscf, scscf, pdp, edge");
        return IMSCTL_USAGE;
    }
    if (!o->socket && !role) {
        q.status = ask_all(&q);
    } else {
        (void)snprintf(path, sizeof(path), "%s/%s.sock", o->run_dir, role ? role : "");
        ask(&q, role ? role : "", o->socket ? o->socket : path);
    }
    json_decref(q.refusal);
    return q.status;
}

int main(int argc, char **argv)
{
    struct imsctl_options o;
    const char *wrong = "?";
    int rc = imsctl_options_parse(argc, argv, &o, &wrong);
    if (rc < 0) {
        tell(wrong, rc == -EINVAL ? "this is not an option, or it needs a value; imsctl --help"
                                  : "memory is out");
        return IMSCTL_USAGE;
    }
    int status = IMSCTL_OK;
    if (o.version)
        (void)printf("imsctl (Portcullis) %s\n", PORTCULLIS_VERSION);
    else if (o.help || o.n_rest == 0)
        (void)fputs(help, o.help ? stdout : stderr);
    if (!o.version && !o.help)
        status = o.n_rest == 0 ? IMSCTL_USAGE : run(&o);
    free(o.words);
    return status;
}
