/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people read of the table: sample file, list of options, man page; and near words. */
#include "common/conf/inner.h"

enum { WORD_MAX = 64, WIDTH = 100 };

/* ---- near words ---- */

/* Optimal string alignment distance: insert, delete, replace, swap neighbours. */
static unsigned distance(struct span a, struct span b)
{
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *two = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned best = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a.n % 3][b.n];
}

const char *conf_nearest(struct span word, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    unsigned best = 0;
    if (word.n == 0 || word.n > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        struct span name = span_str(names[i]);
        if (name.n > WORD_MAX)
            continue;
        unsigned d = distance(word, name);
        unsigned bound = 1 + (unsigned)(word.n < name.n ? word.n : name.n) / 4;
        if (d <= bound && (!nearest || d < best)) {
            nearest = names[i];
            best = d;
        }
    }
    return nearest;
}

/* ---- pieces ---- */

/* "default 30 s; 1 s to 1 h", and the words of an ENUM. */
static void put_facts(struct buf *b, const struct conf_option *o)
{
    if (o->names) {
        buf_puts(b, conf_type_is_list(o->type) ? "list of:" : "one of:");
        for (size_t i = 0; o->names[i]; i++)
            buf_fmt(b, " %s", o->names[i]);
    } else {
        buf_puts(b, conf_type_text(o->type));
    }
    if (o->min != 0 || o->max != 0) {
        struct conf_option bare = *o;
        if (conf_type_is_list(o->type) || o->type == CONF_INT)
            bare.unit = conf_type_is_list(o->type) ? "entries" : o->unit;
        buf_puts(b, "; ");
        conf_value_put(b, &bare, o->min);
        buf_puts(b, " to ");
        conf_value_put(b, &bare, o->max);
    } else if (o->unit) {
        buf_fmt(b, " of %s", o->unit);
    }
}

static void put_fallback(struct buf *b, const char *program, const char *text)
{
    static const char name[] = "${program}";
    const char *at = strstr(text, name);
    buf_put(b, span_of(text, at ? (size_t)(at - text) : strlen(text)));
    if (at) {
        buf_puts(b, program);
        buf_puts(b, at + sizeof(name) - 1);
    }
}

static bool is_required(const struct conf_option *o)
{
    return !o->fallback && !(o->type == CONF_LIST && o->min == 0);
}

/* Comment lines of at most WIDTH columns. */
static void put_comment(struct buf *b, unsigned indent, const char *text)
{
    struct span rest = span_str(text);
    size_t column = 0;
    while (rest.n > 0) {
        struct span word = span_cut(&rest, ' ');
        if (column > 0 && column + 1 + word.n > WIDTH) {
            buf_putc(b, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_fmt(b, "%*s#", (int)indent, "");
            column = indent + 1;
        }
        buf_putc(b, ' ');
        buf_put(b, word);
        column += 1 + word.n;
    }
    if (column > 0)
        buf_putc(b, '\n');
}

/* ---- sample file ---- */

static bool is_plain(struct span s)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@+-$ ";
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(safe, s.p[i]) || s.p[i] == '\0')
            return false;
    return s.n > 0 && s.p[0] != '-' && s.p[0] != ' ' && s.p[s.n - 1] != ' ' &&
           s.p[s.n - 1] != ':' && s.p[0] != '@';
}

static void put_yaml(struct buf *b, const struct conf_option *o, const char *program,
                     const char *value)
{
    char text[CONF_TEXT_MAX];
    struct buf expanded = BUF_ON(text);
    put_fallback(&expanded, program, value);
    if (conf_type_is_list(o->type) || is_plain(buf_span(&expanded))) {
        buf_put(b, buf_span(&expanded));
        return;
    }
    buf_putc(b, '"');
    for (size_t i = 0; i < expanded.n; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_putc(b, '\\');
        buf_putc(b, text[i]);
    }
    buf_putc(b, '"');
}

/* What differs from site to site stands there to be changed; the rest is commented out. */
static bool is_shown(const struct conf_option *o)
{
    return o->sample || is_required(o) || o->type == CONF_ADDR || o->type == CONF_ADDR_PORT ||
           o->type == CONF_PORTS || o->type == CONF_PATH || o->type == CONF_SECRET_FILE;
}

static void put_item_help(struct buf *b, unsigned indent, const struct conf_option *o)
{
    for (size_t i = 0; i < o->n_items; i++) {
        const struct conf_option *item = &o->items[i];
        char line[CONF_TEXT_MAX];
        struct buf text = {line, 0, sizeof(line) - 1, false};
        buf_fmt(&text, "  %s: %s", item->path, item->help ? item->help : "");
        buf_puts(&text, " (");
        put_facts(&text, item);
        if (item->fallback)
            buf_fmt(&text, "; default %s", *item->fallback ? item->fallback : "none");
        buf_puts(&text, ")");
        line[text.n] = '\0';
        put_comment(b, indent, line);
    }
}

static void put_sample_option(struct buf *b, const char *program, const struct conf_option *o,
                              const char *name, unsigned indent)
{
    char facts[CONF_TEXT_MAX];
    struct buf line = {facts, 0, sizeof(facts) - 1, false};
    if (o->help)
        put_comment(b, indent, o->help);
    buf_putc(&line, '(');
    put_facts(&line, o);
    if (is_required(o))
        buf_puts(&line, "; must be given");
    buf_putc(&line, ')');
    facts[line.n] = '\0';
    put_comment(b, indent, facts);
    if (o->type == CONF_LIST)
        put_item_help(b, indent, o);
    const char *value = o->sample ? o->sample : o->fallback;
    bool active = is_shown(o) && value;
    buf_fmt(b, "%*s%s%s: ", (int)indent, "", active ? "" : "#", name);
    put_yaml(b, o, program, value ? value : o->type == CONF_LIST ? "[]" : "...");
    buf_putc(b, '\n');
}

/* Is options[i] the first with this prefix, counting over all tables? */
static bool is_first(const struct conf_schema *schema, const char *path, size_t n,
                     const struct conf_option *o)
{
    for (size_t t = 0; t < schema->n_tables; t++)
        for (size_t i = 0; i < schema->tables[t].n; i++)
            if (strncmp(schema->tables[t].options[i].path, path, n) == 0)
                return &schema->tables[t].options[i] == o;
    return false;
}

/* All options below `prefix` (of n octets, with its dot), sections once each. */
static void put_sample_level(const struct conf_schema *schema, struct buf *b, const char *prefix,
                             size_t n, unsigned indent)
{
    for (size_t t = 0; t < schema->n_tables; t++) {
        for (size_t i = 0; i < schema->tables[t].n; i++) {
            const struct conf_option *o = &schema->tables[t].options[i];
            if (strncmp(o->path, prefix, n) != 0)
                continue;
            const char *name = o->path + n, *dot = strchr(name, '.');
            if (!dot) {
                put_sample_option(b, schema->program, o, name, indent);
            } else if (is_first(schema, o->path, (size_t)(dot + 1 - o->path), o)) {
                buf_fmt(b, "%s%*s%.*s:\n", indent == 0 ? "\n" : "", (int)indent, "",
                        (int)(dot - name), name);
                put_sample_level(schema, b, o->path, (size_t)(dot + 1 - o->path), indent + 2);
            }
        }
    }
}

void conf_put_sample(const struct conf_schema *schema, struct buf *b)
{
    buf_fmt(b, "# %s: %s\n", schema->program, schema->summary);
    buf_puts(b, "# Lines that are commented out show the default.\n");
    put_sample_level(schema, b, "", 0, 0);
}

/* ---- --dump-options ---- */

static void put_option_line(struct buf *b, const char *program, const char *prefix,
                            const struct conf_option *o)
{
    buf_fmt(b, "%s%s\t", prefix, o->path);
    put_facts(b, o);
    buf_putc(b, '\t');
    if (is_required(o)) {
        buf_puts(b, "must be given");
    } else {
        buf_puts(b, "default ");
        put_fallback(b, program, o->fallback ? *o->fallback ? o->fallback : "\"\"" : "[]");
    }
    buf_fmt(b, "\t%s\n", o->help ? o->help : "");
    for (size_t i = 0; i < o->n_items; i++) {
        char inner[CONF_PATH_MAX];
        struct buf path = {inner, 0, sizeof(inner) - 1, false};
        buf_fmt(&path, "%s%s[].", prefix, o->path);
        inner[path.n] = '\0';
        put_option_line(b, program, inner, &o->items[i]);
    }
}

void conf_put_options(const struct conf_schema *schema, struct buf *b)
{
    for (size_t t = 0; t < schema->n_tables; t++)
        for (size_t i = 0; i < schema->tables[t].n; i++)
            put_option_line(b, schema->program, "", &schema->tables[t].options[i]);
}

/* ---- man page ---- */

void conf_put_troff(struct buf *b, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            buf_puts(b, "\\e");
        else if (s.p[i] == '-')
            buf_puts(b, "\\-");
        else if ((s.p[i] == '.' || s.p[i] == '\'') && (i == 0 || s.p[i - 1] == '\n'))
            buf_fmt(b, "\\&%c", s.p[i]);
        else
            buf_putc(b, s.p[i]);
    }
}

static void put_man_option(struct buf *b, const char *program, const char *prefix,
                           const struct conf_option *o)
{
    char text[CONF_TEXT_MAX];
    struct buf facts = BUF_ON(text);
    put_facts(&facts, o);
    buf_puts(&facts, is_required(o) ? "; must be given" : "; default ");
    if (!is_required(o))
        put_fallback(&facts, program, o->fallback ? *o->fallback ? o->fallback : "\"\"" : "[]");
    buf_puts(b, ".TP\n.B ");
    conf_put_troff(b, span_str(prefix));
    conf_put_troff(b, span_str(o->path));
    buf_putc(b, '\n');
    if (o->help) {
        conf_put_troff(b, span_str(o->help));
        buf_putc(b, '\n');
    }
    buf_puts(b, "(");
    conf_put_troff(b, buf_span(&facts));
    buf_puts(b, ")\n");
    for (size_t i = 0; i < o->n_items; i++) {
        char inner[CONF_PATH_MAX];
        struct buf path = {inner, 0, sizeof(inner) - 1, false};
        buf_fmt(&path, "%s%s[].", prefix, o->path);
        inner[path.n] = '\0';
        put_man_option(b, program, inner, &o->items[i]);
    }
}

void conf_put_man(const struct conf_schema *schema, struct buf *b)
{
    buf_fmt(b, ".SH %s\n", schema->heading ? schema->heading : "OPTIONS OF THE CONFIGURATION FILE");
    for (size_t t = 0; t < schema->n_tables; t++)
        for (size_t i = 0; i < schema->tables[t].n; i++)
            put_man_option(b, schema->program, "", &schema->tables[t].options[i]);
}
