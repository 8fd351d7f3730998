/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside common/conf: what its files share. */
#ifndef COMMON_CONF_INNER_H
#define COMMON_CONF_INNER_H

#include "common/conf/conf.h"

enum {
    CONF_PATH_MAX = 128,
    CONF_TEXT_MAX = 1024,
    CONF_LIST_MAX = 4096, /* of a list whose option has no limits of its own */
    CONF_DEPTH_MAX = 8,
    CONF_NAME_MAX = 255
};

/* A secret that was read, to be wiped at the end. */
struct conf_held {
    struct secret *secret;
    struct conf_held *next;
};

/* One option in one struct to be filled. */
struct conf_slot {
    const struct conf_option *option;
    char *base; /* the struct */
    unsigned line, column;
    bool set;
};

/* The options that may stand in one mapping: of the program, or of an item of a list. */
struct conf_scope {
    struct conf_slot *slots;
    size_t n;
    const char *where; /* "" or "peers[2]." for messages */
    unsigned line, column;
};

struct conf {
    const struct conf_schema *schema;
    struct arena arena;
    char *file, *dir;
    void **tables;
    struct conf_scope scope;
    struct conf_held *secrets;
};

/* Where a value stands, and how it is called. */
struct conf_place {
    const struct conf_scope *scope;
    const struct conf_option *option;
    unsigned line, column;
};

void conf_report_add(struct conf_report *report, unsigned line, unsigned column, const char *remedy,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One scalar into `at`. -EINVAL after reporting, -ENOMEM. */
int conf_value_set(struct conf *c, struct conf_report *report, const struct conf_place *place,
                   struct span text, void *at);
/* Number of items within min and max? */
int conf_value_count(struct conf_report *report, const struct conf_place *place, size_t n);
size_t conf_value_size(enum conf_type type);
/* "30 s", "64 KiB", "7 kbit/s". */
void conf_value_put(struct buf *b, const struct conf_option *o, int64_t value);
/* "a duration such as 30 s or 500 ms". */
const char *conf_type_text(enum conf_type type);
bool conf_type_is_list(enum conf_type type);

/* The document into the scope, then defaults. */
int conf_yaml_read(struct conf *c, struct span yaml, struct conf_report *report);
/* Slots over options in the arena; -ENOMEM. */
int conf_scope_init(struct conf *c, struct conf_scope *scope, const struct conf_table *tables,
                    void *const *bases, size_t n_tables);

#endif
