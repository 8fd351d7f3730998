/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a YAML document to slots. Scalars are text until their option's type reads them, so that
 * `mnc: 01` stays 01. */
#include "common/conf/inner.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct reader {
    struct conf *c;
    struct conf_report *report;
    yaml_document_t *doc;
    bool defaults; /* reading a default: no lines */
};

static struct span scalar_of(const yaml_node_t *node)
{
    return span_of(node->data.scalar.value, node->data.scalar.length);
}

static bool is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static unsigned line_of(const struct reader *r, const yaml_node_t *node)
{
    return r->defaults ? 0 : (unsigned)node->start_mark.line + 1;
}

static unsigned column_of(const struct reader *r, const yaml_node_t *node)
{
    return r->defaults ? 0 : (unsigned)node->start_mark.column + 1;
}

int conf_scope_init(struct conf *c, struct conf_scope *scope, const struct conf_table *tables,
                    void *const *bases, size_t n_tables)
{
    size_t n = 0;
    for (size_t t = 0; t < n_tables; t++)
        n += tables[t].n;
    scope->slots = arena_alloc(&c->arena, (n + 1) * sizeof(scope->slots[0]));
    if (!scope->slots)
        return -ENOMEM;
    scope->n = 0;
    for (size_t t = 0; t < n_tables; t++)
        for (size_t i = 0; i < tables[t].n; i++)
            scope->slots[scope->n++] =
                (struct conf_slot){.option = &tables[t].options[i], .base = bases[t]};
    return 0;
}

/* ---- values ---- */

static int read_mapping(struct reader *r, struct conf_scope *scope, const char *prefix,
                        const yaml_node_t *node, unsigned depth);
static int fill_defaults(struct reader *r, struct conf_scope *scope);

static int wrong_shape(struct reader *r, const struct conf_place *place, const char *is)
{
    char remedy[160];
    (void)snprintf(remedy, sizeof(remedy), "write %s", conf_type_text(place->option->type));
    conf_report_add(r->report, place->line, place->column, remedy, "%s%s: %s, not %s",
                    place->scope->where, place->option->path, is,
                    conf_type_text(place->option->type));
    return -EINVAL;
}

static int read_scalar(struct reader *r, const struct conf_place *place, const yaml_node_t *node,
                       void *at)
{
    if (node->type != YAML_SCALAR_NODE)
        return wrong_shape(
            r, place, node->type == YAML_MAPPING_NODE ? "this is a mapping" : "this is a list");
    if (is_nothing(node)) {
        conf_report_add(r->report, place->line, place->column,
                        "write a value, \"\" for an empty text, or remove the line",
                        "%s%s has no value", place->scope->where, place->option->path);
        return -EINVAL;
    }
    return conf_value_set(r->c, r->report, place, scalar_of(node), at);
}

/* One entry of a CONF_LIST: a scope of its own. */
static int read_entry(struct reader *r, const struct conf_place *place, const yaml_node_t *node,
                      size_t index, void *at)
{
    const struct conf_option *o = place->option;
    char where[CONF_PATH_MAX];
    (void)snprintf(where, sizeof(where), "%s%s[%zu].", place->scope->where, o->path, index);
    struct span kept = arena_copy(&r->c->arena, span_str(where));
    struct conf_scope scope = {.where = kept.p, .line = place->line, .column = place->column};
    struct conf_table table = {o->items, o->n_items, o->item_size};
    memset(at, 0, o->item_size);
    if (!kept.p || conf_scope_init(r->c, &scope, &table, &at, 1) < 0)
        return -ENOMEM;
    if (node->type != YAML_MAPPING_NODE) {
        conf_report_add(r->report, place->line, place->column, "write it as '- key: value'",
                        "%s%s[%zu] is not a mapping", place->scope->where, o->path, index);
        return -EINVAL;
    }
    int rc = read_mapping(r, &scope, "", node, 1);
    return rc == -ENOMEM ? rc : fill_defaults(r, &scope);
}

static int no_repetition(struct reader *r, const struct conf_place *place, const int *v, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (v[k] != v[i])
            continue;
        conf_report_add(r->report, place->line, place->column, "name it once",
                        "%s%s: %s is there twice", place->scope->where, place->option->path,
                        place->option->names[v[i]]);
        return -EINVAL;
    }
    return 0;
}

static void set_list(enum conf_type type, void *at, void *v, size_t n)
{
    if (type == CONF_STRINGS)
        *(struct conf_strings *)at = (struct conf_strings){v, n};
    else if (type == CONF_ENUMS)
        *(struct conf_enums *)at = (struct conf_enums){v, n};
    else if (type == CONF_ADDRS)
        *(struct conf_addrs *)at = (struct conf_addrs){v, n};
    else if (type == CONF_NETS)
        *(struct conf_nets *)at = (struct conf_nets){v, n};
    else
        *(struct conf_list *)at = (struct conf_list){v, n};
}

static int read_list(struct reader *r, const struct conf_place *place, const yaml_node_t *node,
                     void *at)
{
    const struct conf_option *o = place->option;
    if (node->type != YAML_SEQUENCE_NODE)
        return wrong_shape(r, place, "this is not a list");
    const yaml_node_item_t *first = node->data.sequence.items.start;
    size_t n = (size_t)(node->data.sequence.items.top - first);
    size_t size = o->type == CONF_LIST ? o->item_size : conf_value_size(o->type);
    if (o->max == 0 && n > CONF_LIST_MAX)
        return wrong_shape(r, place, "this has more than 4096 entries");
    if (conf_value_count(r->report, place, n) < 0)
        return -EINVAL;
    char *v = arena_alloc(&r->c->arena, n * size + 1);
    if (!v)
        return -ENOMEM;
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item = yaml_document_get_node(r->doc, first[i]);
        struct conf_place here = {place->scope, o, line_of(r, item), column_of(r, item)};
        int rc = o->type == CONF_LIST ? read_entry(r, &here, item, i, v + i * size)
                                      : read_scalar(r, &here, item, v + i * size);
        if (rc == 0 && bad == 0 && o->type == CONF_ENUMS)
            rc = no_repetition(r, &here, (int *)(void *)v, i);
        if (rc == -ENOMEM)
            return rc;
        bad = rc < 0 ? rc : bad;
    }
    set_list(o->type, at, v, n);
    return bad;
}

static int read_value(struct reader *r, const struct conf_scope *scope, struct conf_slot *slot,
                      const yaml_node_t *node)
{
    struct conf_place place = {scope, slot->option, line_of(r, node), column_of(r, node)};
    void *at = slot->base + slot->option->offset;
    return conf_type_is_list(slot->option->type) ? read_list(r, &place, node, at)
                                                 : read_scalar(r, &place, node, at);
}

/* ---- keys ---- */

static struct conf_slot *slot_of(struct conf_scope *scope, const char *path)
{
    for (size_t i = 0; i < scope->n; i++) /* a few hundred options, at start */
        if (strcmp(scope->slots[i].option->path, path) == 0)
            return &scope->slots[i];
    return NULL;
}

static bool is_section(const struct conf_scope *scope, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < scope->n; i++)
        if (strncmp(scope->slots[i].option->path, path, n) == 0 &&
            scope->slots[i].option->path[n] == '.')
            return true;
    return false;
}

static const char *listing(const struct conf_schema *schema)
{
    return schema->listing ? schema->listing : "--dump-options lists all options";
}

static int unknown_key(struct reader *r, const struct conf_scope *scope, const char *path,
                       const yaml_node_t *key)
{
    const char **names = arena_alloc(&r->c->arena, 2 * (scope->n + 1) * sizeof(names[0]));
    size_t n = 0;
    for (size_t i = 0; names && i < scope->n; i++) {
        const char *option = scope->slots[i].option->path, *dot = strchr(option, '.');
        names[n++] = option;
        if (!dot)
            continue;
        struct span section = arena_copy(&r->c->arena, span_of(option, (size_t)(dot - option)));
        if (section.p)
            names[n++] = section.p;
    }
    const char *near = names ? conf_nearest(span_str(path), names, n) : NULL;
    char remedy[160];
    if (near)
        (void)snprintf(remedy, sizeof(remedy), "did you mean %s%s?", scope->where, near);
    else
        (void)snprintf(remedy, sizeof(remedy), "remove it; %s", listing(r->c->schema));
    conf_report_add(r->report, line_of(r, key), column_of(r, key), remedy,
                    "there is no option %s%s", scope->where, path);
    return -EINVAL;
}

static int read_pair(struct reader *r, struct conf_scope *scope, const char *path,
                     const yaml_node_t *key, const yaml_node_t *value, unsigned depth)
{
    struct conf_slot *slot = slot_of(scope, path);
    if (slot && slot->set) {
        conf_report_add(r->report, line_of(r, key), column_of(r, key), "remove one of the two",
                        "%s%s is there twice, first in line %u", scope->where, path, slot->line);
        return -EINVAL;
    }
    if (slot) {
        slot->set = true;
        slot->line = line_of(r, key);
        slot->column = column_of(r, key);
        return read_value(r, scope, slot, value);
    }
    if (!is_section(scope, path))
        return unknown_key(r, scope, path, key);
    if (is_nothing(value))
        return 0; /* a section with all its lines commented out */
    if (value->type != YAML_MAPPING_NODE) {
        conf_report_add(r->report, line_of(r, value), column_of(r, value),
                        "write its options below it, indented", "%s%s is a section, not a value",
                        scope->where, path);
        return -EINVAL;
    }
    return read_mapping(r, scope, path, value, depth + 1);
}

/* -EINVAL when anything in it is wrong (reported; the rest was read too), -ENOMEM. */
static int read_mapping(struct reader *r, struct conf_scope *scope, const char *prefix,
                        const yaml_node_t *node, unsigned depth)
{
    int bad = 0;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(r->doc, pair->key);
        const yaml_node_t *value = yaml_document_get_node(r->doc, pair->value);
        char path[CONF_PATH_MAX];
        int n = key->type != YAML_SCALAR_NODE
                    ? -1
                    : snprintf(path, sizeof(path), "%s%s%.*s", prefix, *prefix ? "." : "",
                               SPAN_ARG(scalar_of(key)));
        int rc;
        if (n < 0 || (size_t)n >= sizeof(path) || depth > CONF_DEPTH_MAX) {
            conf_report_add(r->report, line_of(r, key), column_of(r, key), listing(r->c->schema),
                            "this key is not an option");
            rc = -EINVAL;
        } else {
            rc = read_pair(r, scope, path, key, value, depth);
        }
        if (rc == -ENOMEM)
            return rc;
        bad = rc < 0 ? rc : bad;
    }
    return bad;
}

/* ---- defaults ---- */

/* libyaml tells of bytes that are no text by their offset only. */
static int not_text(const yaml_parser_t *parser, struct span yaml, struct conf_report *report)
{
    unsigned line = 1, column = 1;
    size_t at = parser->problem_offset < yaml.n ? parser->problem_offset : yaml.n;
    for (size_t i = 0; i < at; i++) {
        column = yaml.p[i] == '\n' ? 1 : column + 1;
        line += yaml.p[i] == '\n';
    }
    conf_report_add(report, line, column,
                    "write the file as UTF-8 without control characters; `iconv -f latin1 -t utf8` "
                    "converts one",
                    "this is not text: %s", parser->problem ? parser->problem : "");
    return -EINVAL;
}

/* Loads a document; -EINVAL (reported) or -ENOMEM. */
static int load_document(yaml_parser_t *parser, struct span yaml, struct conf_report *report,
                         yaml_document_t *ret_doc)
{
    yaml_parser_set_input_string(parser, (const unsigned char *)(yaml.n ? yaml.p : ""), yaml.n);
    if (yaml_parser_load(parser, ret_doc))
        return 0;
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR)
        return not_text(parser, yaml, report);
    conf_report_add(report, (unsigned)parser->problem_mark.line + 1,
                    (unsigned)parser->problem_mark.column + 1,
                    "look at the indentation, quotes and brackets there and just before",
                    "this is not YAML: %s%s%s", parser->problem ? parser->problem : "",
                    parser->context ? ", " : "", parser->context ? parser->context : "");
    return -EINVAL;
}

static int default_list(struct reader *r, const struct conf_scope *scope, struct conf_slot *slot)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    int rc = load_document(&parser, span_str(slot->option->fallback), r->report, &doc);
    if (rc == 0) {
        struct reader inner = {r->c, r->report, &doc, true};
        const yaml_node_t *root = yaml_document_get_root_node(&doc);
        rc = root ? read_value(&inner, scope, slot, root) : -EINVAL;
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return rc;
}

/* ${program} in a default. */
static int expand(const struct conf *c, const char *text, struct buf *b)
{
    static const char name[] = "${program}";
    const char *at = strstr(text, name);
    buf_put(b, span_of(text, at ? (size_t)(at - text) : strlen(text)));
    if (at) {
        buf_puts(b, c->schema->program);
        buf_puts(b, at + sizeof(name) - 1);
    }
    return b->overflow ? -ENOMEM : 0;
}

static int fill_default(struct reader *r, struct conf_scope *scope, struct conf_slot *slot)
{
    const struct conf_option *o = slot->option;
    if (!o->fallback && o->type == CONF_LIST && o->min == 0)
        return 0; /* zero is the empty list */
    if (!o->fallback) {
        char remedy[192];
        (void)snprintf(remedy, sizeof(remedy), "add it: %s", o->help ? o->help : "it is needed");
        conf_report_add(r->report, scope->line, scope->column, remedy, "%s%s is missing",
                        scope->where, o->path);
        return -EINVAL;
    }
    if (conf_type_is_list(o->type))
        return default_list(r, scope, slot);
    char text[CONF_TEXT_MAX];
    struct buf b = BUF_ON(text);
    int rc = expand(r->c, o->fallback, &b);
    struct conf_place place = {scope, o, 0, 0};
    if (rc < 0)
        return rc;
    return conf_value_set(r->c, r->report, &place, buf_span(&b), slot->base + o->offset);
}

static int fill_defaults(struct reader *r, struct conf_scope *scope)
{
    int bad = 0;
    for (size_t i = 0; i < scope->n; i++) {
        int rc = scope->slots[i].set ? 0 : fill_default(r, scope, &scope->slots[i]);
        if (rc == -ENOMEM)
            return rc;
        bad = rc < 0 ? rc : bad;
    }
    return bad;
}

/* ---- the document ---- */

static int read_root(struct reader *r, const yaml_node_t *root)
{
    if (root && root->type != YAML_MAPPING_NODE && !is_nothing(root)) {
        conf_report_add(r->report, line_of(r, root), column_of(r, root),
                        "write 'key: value' lines; see the sample file",
                        "this is not a mapping of options");
        return -EINVAL;
    }
    int bad = 0;
    if (root && root->type == YAML_MAPPING_NODE)
        bad = read_mapping(r, &r->c->scope, "", root, 0);
    if (bad == -ENOMEM)
        return bad;
    int rc = fill_defaults(r, &r->c->scope);
    return rc < 0 ? rc : bad;
}

int conf_yaml_read(struct conf *c, struct span yaml, struct conf_report *report)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    int rc = load_document(&parser, yaml, report, &doc);
    if (rc == 0) {
        struct reader r = {c, report, &doc, false};
        rc = read_root(&r, yaml_document_get_root_node(&doc));
        yaml_document_delete(&doc);
    }
    if (rc == 0 && yaml_parser_load(&parser, &doc)) {
        if (yaml_document_get_root_node(&doc))
            conf_report_add(report, (unsigned)doc.start_mark.line + 1, 1, "remove '---'",
                            "the file has a second document");
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return rc;
}
