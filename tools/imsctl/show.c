/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers for people: tables, key and value. */
#include "tools/imsctl/imsctl.h"

#include <stdlib.h>
#include <unistd.h>

enum { COLUMNS_MAX = 32, CELL_MAX = 512, DEPTH_MAX = 6, LADDER_WIDTH = 118 };

void imsctl_put_clean(FILE *out, const char *text, size_t n, size_t width)
{
    size_t put = 0;
    for (size_t i = 0; i < n && (width == 0 || put < width); i++, put++)
        (void)fputc(text[i] < ' ' || text[i] > '~' ? '?' : text[i], out);
    for (; put < width; put++)
        (void)fputc(' ', out);
}

static void put_str(FILE *out, const char *text)
{
    imsctl_put_clean(out, text, strlen(text), 0);
}

/* A value in one cell: nested ones as "k=v k=v", lists separated by commas. */
static void cell_of(const json_t *value, struct buf *b, unsigned depth)
{
    const char *key;
    const json_t *one;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_STRING:
        buf_put(b, span_of(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        buf_fmt(b, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        buf_fmt(b, "%.3f", json_real_value(value));
        break;
    case JSON_TRUE:
        buf_puts(b, "yes");
        break;
    case JSON_FALSE:
        buf_puts(b, "no");
        break;
    case JSON_NULL:
        buf_puts(b, "-");
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, one)
        {
            buf_puts(b, i ? json_is_object(one) ? "; " : "," : "");
            if (depth < DEPTH_MAX)
                cell_of(one, b, depth + 1);
        }
        break;
    case JSON_OBJECT:
        i = 0;
        json_object_foreach((json_t *)value, key, one)
        {
            buf_fmt(b, "%s%s=", i++ ? " " : "", key);
            if (depth < DEPTH_MAX)
                cell_of(one, b, depth + 1);
        }
        break;
    }
}

/* Into text[CELL_MAX]; too long a value ends in "...". */
static struct span cell(const json_t *value, char *text)
{
    struct buf b = {text, 0, CELL_MAX - 4, false};
    if (value)
        cell_of(value, &b, 0);
    if (b.overflow) {
        b = (struct buf){text, b.n, CELL_MAX, false};
        buf_puts(&b, "...");
    }
    return b.n ? buf_span(&b) : SPAN("-");
}

static bool is_rows(const json_t *value)
{
    const json_t *row;
    size_t i;
    json_array_foreach(value, i, row)
    {
        if (!json_is_object(row))
            return false;
    }
    return json_array_size(value) > 0;
}

static bool is_number(const json_t *rows, const char *column)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const json_t *value = json_object_get(row, column);
        if (value && !json_is_number(value))
            return false;
    }
    return true;
}

/* Columns in the order they first appear in. */
static size_t columns_of(const json_t *rows, const char **columns)
{
    const json_t *row, *value;
    const char *key;
    size_t i, n = 0;
    json_array_foreach(rows, i, row)
    {
        json_object_foreach((json_t *)row, key, value)
        {
            size_t k = 0;
            while (k < n && strcmp(columns[k], key) != 0)
                k++;
            if (k == n && n < COLUMNS_MAX)
                columns[n++] = key;
        }
    }
    return n;
}

static void put_cell(FILE *out, struct span text, size_t width, bool right, bool last)
{
    if (right)
        (void)fprintf(out, "%*s", (int)(width - text.n), "");
    imsctl_put_clean(out, text.p, text.n, right || last ? 0 : width);
    (void)fputs(last ? "\n" : "  ", out);
}

static void show_table(FILE *out, const json_t *rows, const char *indent)
{
    const char *columns[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX], n = columns_of(rows, columns), i;
    char text[CELL_MAX];
    const json_t *row;
    for (size_t c = 0; c < n; c++) {
        widths[c] = strlen(columns[c]);
        json_array_foreach(rows, i, row)
        {
            size_t width = cell(json_object_get(row, columns[c]), text).n;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    (void)fputs(indent, out);
    for (size_t c = 0; c < n; c++)
        put_cell(out, span_str(columns[c]), widths[c], is_number(rows, columns[c]), c + 1 == n);
    json_array_foreach(rows, i, row)
    {
        (void)fputs(indent, out);
        for (size_t c = 0; c < n; c++)
            put_cell(out, cell(json_object_get(row, columns[c]), text), widths[c],
                     is_number(rows, columns[c]), c + 1 == n);
    }
}

static void show_object(FILE *out, const json_t *object)
{
    const char *key;
    const json_t *value;
    char text[CELL_MAX];
    size_t width = 0;
    json_object_foreach((json_t *)object, key, value)
    {
        width = strlen(key) > width && !is_rows(value) ? strlen(key) : width;
    }
    json_object_foreach((json_t *)object, key, value)
    {
        if (is_rows(value)) {
            put_str(out, key);
            (void)fputs(":\n", out);
            show_table(out, value, "  ");
            continue;
        }
        imsctl_put_clean(out, key, strlen(key), width);
        (void)fputs("  ", out);
        struct span shown = cell(value, text);
        imsctl_put_clean(out, shown.p, shown.n, 0);
        (void)fputc('\n', out);
    }
}

static void show_text(FILE *out, const char *text, size_t n, bool terminal)
{
    for (size_t i = 0; i < n; i++) {
        bool strange = (unsigned char)text[i] < ' ' && !memchr("\n\t\r", text[i], 3);
        (void)fputc(terminal && (strange || text[i] == 0x7f) ? '?' : text[i], out);
    }
    if (n > 0 && text[n - 1] != '\n')
        (void)fputc('\n', out);
}

/* The answer to "commands": what can be typed, and below what it does. */
static bool is_commands(const json_t *result)
{
    const json_t *row = json_array_get(result, 0);
    return json_is_string(json_object_get(row, "command")) &&
           json_is_string(json_object_get(row, "arguments")) &&
           json_is_string(json_object_get(row, "help"));
}

static void show_commands(FILE *out, const json_t *rows)
{
    const json_t *row, *one;
    const char *name;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        char text[CELL_MAX];
        struct span part = cell(json_object_get(row, "command"), text);
        imsctl_put_clean(out, part.p, part.n, 0);
        const char *arguments = json_string_value(json_object_get(row, "arguments"));
        if (arguments && *arguments) {
            (void)fputc(' ', out);
            put_str(out, arguments);
        }
        part = cell(json_object_get(row, "help"), text);
        (void)fputs("\n    ", out);
        imsctl_put_clean(out, part.p, part.n, 0);
        (void)fputc('\n', out);
        json_object_foreach(json_object_get(row, "parameters"), name, one)
        {
            (void)fputs("      ", out);
            imsctl_put_clean(out, name, strlen(name), 14);
            part = cell(one, text);
            imsctl_put_clean(out, part.p, part.n, 0);
            (void)fputc('\n', out);
        }
    }
}

void imsctl_show(FILE *out, const json_t *result, bool terminal)
{
    char text[CELL_MAX];
    if (json_is_string(result)) {
        show_text(out, json_string_value(result), json_string_length(result), terminal);
    } else if (json_is_object(result) && json_is_array(json_object_get(result, "parties")) &&
               json_is_array(json_object_get(result, "events"))) {
        imsctl_show_ladder(out, result, LADDER_WIDTH);
    } else if (json_is_object(result)) {
        show_object(out, result);
    } else if (is_commands(result)) {
        show_commands(out, result);
    } else if (is_rows(result)) {
        show_table(out, result, "");
    } else if (json_is_array(result) && json_array_size(result) == 0) {
        (void)fputs("none\n", out);
    } else {
        struct span shown = cell(result, text);
        imsctl_put_clean(out, shown.p, shown.n, 0);
        (void)fputc('\n', out);
    }
}

void imsctl_show_limit(FILE *out, const json_t *answer, const json_t *row)
{
    bool pages = json_object_get(json_object_get(row, "parameters"), "after") != NULL;
    if (!json_object_get(answer, "limit"))
        return;
    (void)fprintf(out, "%zu rows; %s\n", json_array_size(json_object_get(answer, "result")),
                  pages ? "--after goes on behind the last" : "--limit shows more");
}
