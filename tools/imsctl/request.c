/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the command line to a request. */
#include "tools/imsctl/imsctl.h"

#include <errno.h>
#include <stdlib.h>

enum { VALUE_MAX = 4096 };

const char *imsctl_role_of(const char *command)
{
    static const struct {
        const char *command, *role;
    } roles[] = {
        {"registrations", "pcscf"}, {"legs", "pcscf"},       {"ladder", "pcscf"},
        {"calls", "scscf"},         {"subscriber", "scscf"}, {"subscribers", "scscf"},
        {"cdr", "scscf"},           {"tokens", "pdp"},       {"policy", "pdp"},
        {"token", "pdp"},           {"gates", "edge"},
    };
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (strcmp(roles[i].command, command) == 0)
            return roles[i].role;
    return NULL;
}

const char *const imsctl_roles[IMSCTL_ROLES] = {"pcscf", "scscf", "pdp", "edge"};

bool imsctl_is_role(const char *name)
{
    for (size_t i = 0; i < IMSCTL_ROLES; i++)
        if (strcmp(imsctl_roles[i], name) == 0)
            return true;
    return false;
}

/* Takes an option of imsctl itself. 1 = taken, 0 = not ours, -EINVAL = its value is missing. */
static int take_own(struct imsctl_options *o, char **argv, int argc, int *at)
{
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } own[] = {
        {"--socket", &o->socket, NULL}, {"--run-dir", &o->run_dir, NULL},
        {"--role", &o->role, NULL},     {"--json", NULL, &o->json},
        {"--help", NULL, &o->help},     {"--version", NULL, &o->version},
        {"-h", NULL, &o->help},
    };
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (strcmp(argv[*at], own[i].name) != 0)
            continue;
        if (own[i].flag) {
            *own[i].flag = true;
            return 1;
        }
        if (*at + 1 == argc)
            return -EINVAL;
        *own[i].value = argv[++*at];
        return 1;
    }
    return 0;
}

int imsctl_options_parse(int argc, char **argv, struct imsctl_options *ret_options,
                         const char **ret_wrong)
{
    struct imsctl_options o = {.run_dir = getenv("PORTCULLIS_RUN")};
    o.words = calloc((size_t)argc + 1, sizeof(o.words[0]));
    if (!o.words)
        return -ENOMEM;
    for (int i = 1; i < argc; i++) {
        int taken = take_own(&o, argv, argc, &i);
        if (taken < 0 || (taken == 0 && o.n_rest == 0 && argv[i][0] == '-')) {
            *ret_wrong = argv[i];
            free(o.words);
            return -EINVAL;
        }
        if (taken == 0)
            o.words[o.n_rest++] = argv[i];
    }
    if (!o.run_dir || !*o.run_dir)
        o.run_dir = "/run/portcullis";
    o.rest = o.words;
    *ret_options = o;
    return 0;
}

const json_t *imsctl_row_of(const json_t *commands, char *const *rest, int n)
{
    const char *first = rest[0], *second = n > 1 ? rest[1] : NULL;
    const json_t *row, *found = NULL;
    size_t i;
    char two[128];
    (void)snprintf(two, sizeof(two), "%s %s", first, second ? second : "");
    json_array_foreach(commands, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "command"));
        if (name && strcmp(name, two) == 0)
            return row;
        if (name && strcmp(name, first) == 0)
            found = row;
    }
    return found;
}

static bool is_switch(const json_t *row, struct span name)
{
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(row, "switches"), i, one)
    {
        if (span_eq(span_str(json_string_value(one)), name))
            return true;
    }
    return false;
}

/* Repeated options become an array. */
static int add_argument(json_t *arguments, struct span name, json_t *value)
{
    char key[128];
    if (span_copy(name, key, sizeof(key)) < 0)
        key[0] = '\0';
    json_t *before = json_object_get(arguments, key);
    if (!before)
        return json_object_set_new(arguments, key, value);
    if (json_is_array(before))
        return json_array_append_new(before, value);
    json_t *both = json_array();
    int rc = json_array_append(both, before);
    rc |= json_array_append_new(both, value);
    return rc | json_object_set_new(arguments, key, both);
}

/* The value of an option: the text, or with "@FILE" the content of the file without its last
 * newline, so that a key need not stand on a command line. NULL: it cannot be read. */
static json_t *value_of(const char *text)
{
    char bytes[VALUE_MAX];
    if (text[0] != '@')
        return json_string(text);
    FILE *f = fopen(text + 1, "re");
    if (!f)
        return NULL;
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    bool bad = ferror(f) || n == sizeof(bytes);
    int error = ferror(f) ? errno : EFBIG;
    (void)fclose(f); /* only read */
    errno = error;
    n -= n > 0 && bytes[n - 1] == '\n';
    json_t *value = bad ? NULL : json_stringn(bytes, n);
    bytes_wipe(bytes, sizeof(bytes));
    return value;
}

/* Of --NAME=VALUE and --NAME VALUE; a value that cannot be read is *ret_wrong. */
static int add_value(json_t *arguments, struct span name, const char *text, const char **ret_wrong)
{
    json_t *value = value_of(text);
    if (value)
        return add_argument(arguments, name, value);
    if (!*ret_wrong && text[0] == '@')
        *ret_wrong = text;
    return -1;
}

json_t *imsctl_request(char *const *rest, int n, const json_t *commands, const char **ret_wrong)
{
    const json_t *row = imsctl_row_of(commands, rest, n);
    json_t *words = json_array(), *arguments = json_object();
    int rc = 0;
    *ret_wrong = NULL;
    for (int i = 1; i < n && !*ret_wrong; i++) {
        if (strncmp(rest[i], "--", 2) != 0) {
            rc |= json_array_append_new(words, json_string(rest[i]));
            continue;
        }
        struct span value = span_str(rest[i] + 2), name = span_cut(&value, '=');
        if (value.p)
            rc |= add_value(arguments, name, value.p, ret_wrong);
        else if (is_switch(row, name) || i + 1 == n || strncmp(rest[i + 1], "--", 2) == 0)
            rc |= add_argument(arguments, name, json_true());
        else
            rc |= add_value(arguments, name, rest[++i], ret_wrong);
    }
    int error = errno;
    json_t *request =
        json_pack("{s:s, s:o, s:o}", "command", rest[0], "words", words, "arguments", arguments);
    if (rc == 0)
        return request;
    json_decref(request);
    errno = error;
    return NULL;
}
