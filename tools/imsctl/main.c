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
    "  imsctl status                      how the programs are doing\n"
    "  imsctl registrations               phones registered at the P-CSCF\n"
    "  imsctl calls                       calls at the S-CSCF\n"
    "  imsctl tokens                      authorization tokens of the PDP\n"
    "  imsctl gates                       gates of the media edge\n"
    "  imsctl subscriber add|list|show|delete ...\n"
    "  imsctl cdr list|export ...         charging records\n"
    "  imsctl ladder [NAME] [--messages]  a call, message by message\n"
    "  imsctl --role NAME commands        everything that program can be asked\n\n"
    "A value @FILE is the content of the file: keys need not stand on the command line.\n"
    "The control sockets are in /run/portcullis, $PORTCULLIS_RUN or --run-dir.\n"
    "Exit status: 1 refused, 2 wrong use, 3 nobody answers.\n";

struct question {
    const struct imsctl_options *o;
    int status;
    json_t *results; /* of several programs, for --json */
    bool several;
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

static void show(struct question *q, const char *role, json_t *request, json_t *result)
{
    const char *format =
        json_string_value(json_object_get(json_object_get(request, "arguments"), "format"));
    const json_t *row;
    size_t i;
    if (q->o->json && q->several) {
        if (json_object_set(q->results, role, result) != 0)
            q->status = IMSCTL_REFUSED;
    } else if (q->o->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        (void)fputc('\n', stdout);
    } else if (format && strcmp(format, "json") == 0 && json_is_array(result)) {
        json_array_foreach(result, i, row)
        {
            (void)json_dumpf(row, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
            (void)fputc('\n', stdout);
        }
    } else {
        if (q->several)
            (void)printf("-- %s\n", role);
        imsctl_show(stdout, result, isatty(STDOUT_FILENO));
    }
}

static void ask(struct question *q, const char *role, const char *path)
{
    int fd = imsctl_connect(path);
    if (fd < 0) {
        q->status = nobody(path);
        return;
    }
    json_t *commands = commands_at(fd);
    json_t *request = imsctl_request(q->o->rest, q->o->n_rest, commands);
    json_t *answer = request ? imsctl_ask(fd, request) : NULL;
    if (!request) {
        tell("a value cannot be read", "@FILE must be a text file of less than 4096 octets");
        q->status = IMSCTL_USAGE;
    } else if (!answer) {
        q->status = nobody(path);
    } else if (json_is_true(json_object_get(answer, "ok"))) {
        show(q, role, request, json_object_get(answer, "result"));
    } else {
        const char *error = json_string_value(json_object_get(answer, "error"));
        tell(error ? error : "refused", json_string_value(json_object_get(answer, "remedy")));
        q->status = IMSCTL_REFUSED;
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

static int ask_all(struct question *q)
{
    struct dirent **names;
    char path[512], role[256];
    int n = scandir(q->o->run_dir, &names, is_socket_name, alphasort);
    if (n < 0)
        return nobody(q->o->run_dir);
    if (n == 0)
        tell("no program runs here", "--run-dir DIR or --socket PATH says where to look");
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
    if (q->o->json) {
        (void)json_dumpf(q->results, stdout, JSON_INDENT(2));
        (void)fputc('\n', stdout);
    }
    json_decref(q->results);
    return n == 0 ? IMSCTL_NOBODY : q->status;
}

static int run(const struct imsctl_options *o)
{
    struct question q = {.o = o};
    char path[512];
    const char *role = o->role ? o->role : imsctl_role_of(o->rest[0]);
    if (!o->socket && !role)
        return ask_all(&q);
    (void)snprintf(path, sizeof(path), "%s/%s.sock", o->run_dir, role ? role : "");
    ask(&q, role ? role : "", o->socket ? o->socket : path);
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
