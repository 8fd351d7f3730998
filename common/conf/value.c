/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One value of each type, from its text. */
#include "common/conf/inner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* The first that divides a value without rest is the one it is shown in. */
static const struct unit duration_units[] = {{"d", UINT64_C(86400000000)},
                                             {"h", UINT64_C(3600000000)},
                                             {"min", 60000000},
                                             {"s", 1000000},
                                             {"ms", 1000},
                                             {"us", 1}};
static const struct unit size_units[] = {
    {"GiB", UINT64_C(1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

static const struct {
    const char *text;
    size_t size; /* of the C type */
    bool list;
} types[] = {
    [CONF_STRING] = {"text", sizeof(const char *), false},
    [CONF_NAME] = {"a host or domain name such as pdp.ims.example", sizeof(const char *), false},
    [CONF_INT] = {"a whole number", sizeof(int64_t), false},
    [CONF_BOOL] = {"true or false", sizeof(bool), false},
    [CONF_DURATION] = {"a duration such as 500 ms, 30 s, 5 min, 1 h", sizeof(uint64_t), false},
    [CONF_SIZE] = {"a size such as 1500, 64 KiB, 1 MiB", sizeof(uint64_t), false},
    [CONF_ADDR] = {"an IP address", sizeof(struct addr), false},
    [CONF_ADDR_PORT] = {"an IP address and port such as 192.0.2.1:5060 or [2001:db8::1]:5060",
                        sizeof(struct addr), false},
    [CONF_PORTS] = {"a port or a range such as 30000-39999", sizeof(struct conf_ports), false},
    [CONF_ENUM] = {"one of its words", sizeof(int), false},
    [CONF_PATH] = {"a path; relative to this file", sizeof(const char *), false},
    [CONF_SECRET_FILE] = {"the path of a file with a secret", sizeof(struct secret), false},
    [CONF_STRINGS] = {"a list of texts", sizeof(const char *), true},
    [CONF_ENUMS] = {"an ordered list of its words", sizeof(int), true},
    [CONF_ADDRS] = {"a list of IP addresses, with or without port", sizeof(struct addr), true},
    [CONF_NETS] = {"a list of IP addresses and networks such as 192.0.2.0/24",
                   sizeof(struct addr_net), true},
    [CONF_LIST] = {"a list of entries", 0, true},
};

const char *conf_type_text(enum conf_type type)
{
    return types[type].text;
}

size_t conf_value_size(enum conf_type type)
{
    return types[type].size;
}

bool conf_type_is_list(enum conf_type type)
{
    return types[type].list;
}

static void put_in_unit(struct buf *b, uint64_t value, const struct unit *units, size_t n)
{
    size_t i = value == 0 ? n - 1 : 0;
    while (i + 1 < n && value % units[i].factor != 0)
        i++;
    buf_fmt(b, "%" PRIu64 " %s", value / units[i].factor, units[i].name);
}

void conf_value_put(struct buf *b, const struct conf_option *o, int64_t value)
{
    if (o->type == CONF_DURATION)
        put_in_unit(b, (uint64_t)value, duration_units, ARRAY_LEN(duration_units));
    else if (o->type == CONF_SIZE)
        put_in_unit(b, (uint64_t)value, size_units, ARRAY_LEN(size_units));
    else
        buf_fmt(b, "%" PRId64 "%s%s", value, o->unit ? " " : "", o->unit ? o->unit : "");
}

/* ---- faults ---- */

static int fault(struct conf_report *report, const struct conf_place *place, const char *remedy,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static int fault(struct conf_report *report, const struct conf_place *place, const char *remedy,
                 const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when it is too long */
    va_end(ap);
    conf_report_add(report, place->line, place->column, remedy, "%s%s: %s", place->scope->where,
                    place->option->path, text);
    return -EINVAL;
}

static int wrong(struct conf_report *report, const struct conf_place *place, struct span text)
{
    char remedy[160];
    (void)snprintf(remedy, sizeof(remedy), "write %s", types[place->option->type].text);
    return fault(report, place, remedy, "'%.*s' is not %s", SPAN_ARG(span_sub(text, 0, 80)),
                 types[place->option->type].text);
}

static int out_of_range(struct conf_report *report, const struct conf_place *place,
                        const char *what)
{
    const struct conf_option *o = place->option;
    char remedy[160];
    struct buf b = BUF_ON(remedy);
    buf_puts(&b, "it must be between ");
    conf_value_put(&b, o, o->min);
    buf_puts(&b, " and ");
    conf_value_put(&b, o, o->max);
    buf_putc(&b, '\0');
    return fault(report, place, remedy, "%s is out of range", what);
}

static bool in_range(const struct conf_option *o, int64_t value)
{
    return (o->min == 0 && o->max == 0) || (value >= o->min && value <= o->max);
}

int conf_value_count(struct conf_report *report, const struct conf_place *place, size_t n)
{
    if (in_range(place->option, (int64_t)n))
        return 0;
    char what[48];
    (void)snprintf(what, sizeof(what), "the number of entries, %zu,", n);
    return out_of_range(report, place, what);
}

/* ---- numbers ---- */

static int set_int(struct conf_report *report, const struct conf_place *place, struct span text,
                   int64_t *ret)
{
    bool minus = text.n > 0 && text.p[0] == '-';
    uint64_t digits;
    int rc = span_u64(span_sub(text, minus, text.n), INT64_MAX, &digits);
    if (rc == -EINVAL)
        return wrong(report, place, text);
    int64_t value = minus ? -(int64_t)digits : (int64_t)digits;
    if (rc == -ERANGE || !in_range(place->option, value)) {
        char what[64];
        (void)snprintf(what, sizeof(what), "%.*s", SPAN_ARG(span_sub(text, 0, 40)));
        return out_of_range(report, place, what);
    }
    *ret = value;
    return 0;
}

/* "30 s", "1.5 s": a number, at most six decimals, a unit; without a unit only what `bare` names. */
static int set_quantity(struct conf_report *report, const struct conf_place *place,
                        struct span text, const struct unit *units, size_t n_units,
                        uint64_t *ret_value)
{
    size_t at = 0;
    while (at < text.n && ((text.p[at] >= '0' && text.p[at] <= '9') || text.p[at] == '.'))
        at++;
    struct span number = span_sub(text, 0, at), unit = span_trim(span_sub(text, at, text.n));
    struct span decimals = number, whole = span_cut(&decimals, '.');
    uint64_t value = 0, part = 0, factor = 0, scale = 1;
    for (size_t i = 0; i < n_units; i++)
        if (span_eq(unit, span_str(units[i].name)))
            factor = units[i].factor;
    bool is_size = place->option->type == CONF_SIZE;
    if (span_u64(whole, INT64_MAX, &value) < 0)
        return wrong(report, place, text);
    if (unit.n == 0 && (is_size || value == 0))
        factor = 1;
    if (unit.n == 0 && factor == 0)
        return fault(report, place, "write the unit: us, ms, s, min, h or d", "'%.*s' has no unit",
                     SPAN_ARG(span_sub(text, 0, 80)));
    if (factor == 0 || decimals.n > 6 || (decimals.p && span_u64(decimals, 999999, &part) < 0))
        return wrong(report, place, text);
    for (size_t i = 0; i < decimals.n; i++)
        scale *= 10;
    char what[64];
    (void)snprintf(what, sizeof(what), "%.*s", SPAN_ARG(span_sub(text, 0, 40)));
    if (value > (uint64_t)INT64_MAX / factor - 1)
        return out_of_range(report, place, what);
    value = value * factor + part * factor / scale;
    if (!in_range(place->option, (int64_t)value))
        return out_of_range(report, place, what);
    *ret_value = value;
    return 0;
}

static int set_bool(struct conf_report *report, const struct conf_place *place, struct span text,
                    bool *ret)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (span_eq_nocase(text, span_str(words[i]))) {
            *ret = i % 2;
            return 0;
        }
    }
    return wrong(report, place, text);
}

static int set_enum(struct conf_report *report, const struct conf_place *place, struct span text,
                    int *ret)
{
    const char *const *names = place->option->names;
    size_t n = 0;
    for (; names[n]; n++) {
        if (span_eq(text, span_str(names[n]))) {
            *ret = (int)n;
            return 0;
        }
    }
    char remedy[192];
    struct buf b = {remedy, 0, sizeof(remedy) - 1, false};
    const char *near = conf_nearest(text, names, n);
    if (near)
        buf_fmt(&b, "did you mean %s? ", near);
    buf_puts(&b, "It is one of:");
    for (size_t i = 0; i < n; i++)
        buf_fmt(&b, " %s", names[i]);
    remedy[b.n] = '\0';
    return fault(report, place, remedy, "'%.*s' is not known", SPAN_ARG(span_sub(text, 0, 80)));
}

/* ---- addresses ---- */

static bool is_any(const struct addr *a)
{
    struct addr any;

    return addr_parse_ip(a->family == AF_INET6 ? SPAN("::") : SPAN("0.0.0.0"), 0, &any) == 0 &&
           addr_ip_eq(a, &any);
}

static int set_addr(struct conf_report *report, const struct conf_place *place, struct span text,
                    struct addr *ret)
{
    struct addr a;
    enum conf_type type = place->option->type;
    const char *fallback = place->option->fallback;
    if (text.n == 0 && fallback && !*fallback)
        return 0; /* none, where that is the default: the struct is zero */
    int rc = type == CONF_ADDR ? addr_parse_ip(text, 0, &a) : addr_parse(text, 0, &a);
    if (rc < 0)
        return wrong(report, place, text);
    if (type == CONF_ADDR_PORT && a.port == 0)
        return fault(report, place, "write it behind the address: 192.0.2.1:5060",
                     "'%.*s' has no port", SPAN_ARG(span_sub(text, 0, 80)));
    if (type != CONF_ADDRS && !place->option->any && is_any(&a))
        return fault(report, place,
                     "others are told this address: give the one they reach; `ip address` shows "
                     "those of this machine",
                     "'%.*s' stands for all addresses", SPAN_ARG(span_sub(text, 0, 80)));
    *ret = a;
    return 0;
}

static int set_net(struct conf_report *report, const struct conf_place *place, struct span text,
                   struct addr_net *ret)
{
    if (addr_net_parse(text, ret) == 0)
        return 0;
    return fault(report, place,
                 "write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32; the bits behind the length are 0",
                 "'%.*s' is neither an address nor a network", SPAN_ARG(span_sub(text, 0, 80)));
}

static int set_ports(struct conf_report *report, const struct conf_place *place, struct span text,
                     struct conf_ports *ret)
{
    struct span last = text, first = span_cut(&last, '-');
    uint64_t from, to;
    if (span_u64(span_trim(first), 65535, &from) < 0)
        return wrong(report, place, text);
    to = from;
    if (last.p && span_u64(span_trim(last), 65535, &to) < 0)
        return wrong(report, place, text);
    if (from == 0 || to < from)
        return fault(report, place, "write the lower port first; ports begin with 1",
                     "'%.*s' is not a range", SPAN_ARG(text));
    ret->first = (uint16_t)from;
    ret->last = (uint16_t)to;
    return 0;
}

/* ---- files ---- */

static const char *path_of(struct conf *c, struct span text)
{
    if (text.n == 0 || text.p[0] == '/')
        return arena_copy(&c->arena, text).p;
    size_t cap = strlen(c->dir) + text.n + 2;
    char *path = arena_alloc(&c->arena, cap);
    if (path)
        (void)snprintf(path, cap, "%s/%.*s", c->dir, SPAN_ARG(text));
    return path;
}

static int file_fault(struct conf_report *report, const struct conf_place *place, const char *path,
                      int error)
{
    char why[96];
    if (strerror_r(error, why, sizeof(why)) != 0)
        (void)snprintf(why, sizeof(why), "errno %d", error);
    return fault(report, place, "make the file, or name another", "%s: %s", path, why);
}

static int read_secret(struct conf_report *report, const struct conf_place *place, const char *path,
                       int fd, struct secret *ret)
{
    struct stat st;
    char bytes[SECRET_MAX + 2], remedy[160];
    if (fstat(fd, &st) < 0)
        return file_fault(report, place, path, errno);
    if (!S_ISREG(st.st_mode))
        return fault(report, place, "name a file", "%s is not a file", path);
    (void)snprintf(remedy, sizeof(remedy), "chmod o-rwx '%s'", path);
    if (st.st_mode & S_IRWXO)
        return fault(report, place, remedy, "%s can be opened by everybody", path);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0)
        return file_fault(report, place, path, errno);
    if (n > 0 && bytes[n - 1] == '\n')
        n--;
    int rc = n == 0 ? -ENODATA : secret_set(ret, bytes, (size_t)n);
    bytes_wipe(bytes, sizeof(bytes));
    if (rc == -ENODATA)
        return fault(report, place, "write the secret into it", "%s is empty", path);
    if (rc < 0)
        return fault(report, place, "a secret has at most 256 octets", "%s is too long", path);
    return 0;
}

static int set_secret(struct conf *c, struct conf_report *report, const struct conf_place *place,
                      struct span text, struct secret *ret)
{
    if (text.n == 0)
        return 0; /* no secret: the struct is zero */
    const char *path = path_of(c, text);
    struct conf_held *held = arena_alloc(&c->arena, sizeof(*held));
    if (!path || !held)
        return -ENOMEM;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return file_fault(report, place, path, errno);
    int rc = read_secret(report, place, path, fd, ret);
    (void)close(fd); /* only read */
    *held = (struct conf_held){ret, c->secrets};
    c->secrets = held;
    return rc;
}

static int set_text(struct conf *c, struct conf_report *report, const struct conf_place *place,
                    struct span text, const char **ret)
{
    if (text.n > 0 && memchr(text.p, '\0', text.n))
        return fault(report, place, "remove it", "the text holds a NUL");
    const char *copy =
        place->option->type == CONF_PATH ? path_of(c, text) : arena_copy(&c->arena, text).p;
    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

static int set_name(struct conf *c, struct conf_report *report, const struct conf_place *place,
                    struct span text, const char **ret)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    for (size_t i = 0; i < text.n; i++)
        if (!text.p[i] || !strchr(good, text.p[i]))
            return wrong(report, place, text);
    bool none = text.n == 0 && place->option->fallback && !*place->option->fallback;
    if ((text.n == 0 && !none) || text.n > CONF_NAME_MAX)
        return wrong(report, place, text);
    return set_text(c, report, place, text, ret);
}

int conf_value_set(struct conf *c, struct conf_report *report, const struct conf_place *place,
                   struct span text, void *at)
{
    switch (place->option->type) {
    case CONF_STRING:
    case CONF_STRINGS:
    case CONF_PATH:
        return set_text(c, report, place, text, at);
    case CONF_NAME:
        return set_name(c, report, place, text, at);
    case CONF_INT:
        return set_int(report, place, text, at);
    case CONF_BOOL:
        return set_bool(report, place, text, at);
    case CONF_DURATION:
        return set_quantity(report, place, text, duration_units, ARRAY_LEN(duration_units), at);
    case CONF_SIZE:
        return set_quantity(report, place, text, size_units, ARRAY_LEN(size_units), at);
    case CONF_ADDR:
    case CONF_ADDR_PORT:
    case CONF_ADDRS:
        return set_addr(report, place, text, at);
    case CONF_NETS:
        return set_net(report, place, text, at);
    case CONF_PORTS:
        return set_ports(report, place, text, at);
    case CONF_ENUM:
    case CONF_ENUMS:
        return set_enum(report, place, text, at);
    case CONF_SECRET_FILE:
        return set_secret(c, report, place, text, at);
    case CONF_LIST:
        break;
    }
    return wrong(report, place, text);
}
