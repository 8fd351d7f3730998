/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/conf: a program's options as one static table; everything else comes from it.
 *
 * Decides   whether a configuration file is good, and says of every fault: file, line, column, what
 *           is wrong and how to mend it. From the same table: --dump-options, a commented sample
 *           file, a section of the man page.
 * Owns      struct conf: the values and all they point to; immutable once loaded.
 * Threads   any; a loaded struct conf may be read by all.
 * In, out   YAML in; structs of the program out (each option says where it goes).
 * Errors    negative errno with a struct conf_report of problems.
 * Never     guesses: unknown keys, duplicate keys, wrong types and limits are faults.
 * Tests     tests/unit/common/conf. */
#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include "common/base/base.h"

enum conf_type {
    CONF_STRING,    /* const char * */
    CONF_NAME,      /* const char *: a host or domain name, such as a Diameter identity. "" = none,
                         if that is the default */
    CONF_INT,       /* int64_t */
    CONF_BOOL,      /* bool: true, false, yes, no, on, off */
    CONF_DURATION,  /* uint64_t microseconds: "30 s", "500ms", "5 min", "1 h", "2 d" */
    CONF_SIZE,      /* uint64_t octets: "64 KiB", "1 MiB", "65535" */
    CONF_ADDR,      /* struct addr, an IP address; port 0. "" = none, if that is the default */
    CONF_ADDR_PORT, /* struct addr: "127.0.0.1:5060", "[::1]:5060"; "" as above */
    CONF_PORTS,     /* struct conf_ports: "30000-39999" or one port */
    CONF_ENUM,      /* int: index into names */
    CONF_PATH,      /* const char *: a file or directory; relative to the configuration file */
    CONF_SECRET_FILE, /* struct secret: the content of a file without its last newline. Others must
                         not be able to read the file. "" = no secret */
    CONF_STRINGS,     /* struct conf_strings: a list of strings */
    CONF_ENUMS,       /* struct conf_enums: an ordered list without repetition */
    CONF_ADDRS,       /* struct conf_addrs: a list of IP addresses, ports optional */
    CONF_NETS,        /* struct conf_nets: a list of addresses and networks, "192.0.2.0/24" */
    CONF_LIST,        /* struct conf_list: a list of mappings, each read by `items` */
};

struct conf_ports {
    uint16_t first, last;
};
struct conf_strings {
    const char **v;
    size_t n;
};
struct conf_enums {
    int *v;
    size_t n;
};
struct conf_addrs {
    struct addr *v;
    size_t n;
};
struct conf_nets {
    struct addr_net *v;
    size_t n;
};
struct conf_list {
    void *v; /* n structs of item_size */
    size_t n;
};

struct conf_option {
    const char *path; /* "gm.address" */
    enum conf_type type;
    size_t offset; /* offsetof in the struct */
    /* Written as in the file ("[aes-cbc, null]" for a list); NULL = must be given. ${program} is
     * replaced in it. For CONF_LIST: NULL or "[]". */
    const char *fallback;
    const char *help; /* sentences; the sample file shows them above the option */
    /* INT, DURATION (microseconds), SIZE, length of STRINGS, ENUMS, ADDRS, NETS and LIST; both 0 = no
     * limits. */
    int64_t min, max;
    const char *unit;         /* of an INT, for people: "kbit/s" */
    const char *const *names; /* ENUM, ENUMS: NULL-terminated */
    const struct conf_option *items;
    size_t n_items, item_size;
    const char *sample; /* value shown in the sample file when it is not the default */
    bool any;           /* ADDR, ADDR_PORT: 0.0.0.0 and [::], "all of this machine", may be given */
};

/* One struct to be filled; a program has its own and those of the rooms it wires. */
struct conf_table {
    const struct conf_option *options;
    size_t n;
    size_t size; /* sizeof the struct */
};

struct conf_report;
struct conf;

struct conf_schema {
    const char *program; /* "pcscf" */
    const char *summary; /* one line */
    const struct conf_table *tables;
    size_t n_tables;
    /* What involves several options; reports with conf_problem. May be NULL. */
    void (*check)(const struct conf *c, struct conf_report *report);
    const char *heading; /* of the man page's section; NULL: "OPTIONS OF THE CONFIGURATION FILE" */
    /* Where all options are listed, as part of a remedy; NULL: "--dump-options lists all options". */
    const char *listing;
};

enum { CONF_PROBLEMS_MAX = 16 };

struct conf_problem {
    unsigned line, column; /* from 1; 0 = not in the file */
    char text[256];        /* what is wrong */
    char remedy[192];      /* how to mend it */
};

struct conf_report {
    const char *file;
    size_t n, more; /* more: problems beyond CONF_PROBLEMS_MAX */
    struct conf_problem problems[CONF_PROBLEMS_MAX];
};

/* -EINVAL: the report says why; -ENOMEM; errno of opening the file (reported too). */
int conf_load(const struct conf_schema *schema, const char *file, struct conf **ret_conf,
              struct conf_report *report);
/* From memory; `name` stands for the file in messages and relative paths. */
int conf_parse(const struct conf_schema *schema, struct span yaml, const char *name,
               struct conf **ret_conf, struct conf_report *report);
/* Wipes secrets. */
void conf_free(struct conf *c);
/* The filled struct of tables[table]. */
const void *conf_values(const struct conf *c, size_t table);

/* Reports a fault of an option from conf_schema.check, at its line when the file has it. */
void conf_fault(const struct conf *c, struct conf_report *report, const char *path,
                const char *remedy, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Where an option stands: "FILE:LINE:COLUMN", or "FILE" when it is not there (the default holds). */
void conf_put_where(const struct conf *c, const char *path, struct buf *b);

/* "FILE:LINE:COLUMN: text\n    remedy\n" of each problem. */
void conf_report_text(const struct conf_report *report, struct buf *b);

/* ---- what the table is good for besides ---- */

/* Commented sample file: every option, its help, its default. */
void conf_put_sample(const struct conf_schema *schema, struct buf *b);
/* One option a line: path, type, default, limits, help. */
void conf_put_options(const struct conf_schema *schema, struct buf *b);
/* A section of a man page (troff), and text for one. */
void conf_put_man(const struct conf_schema *schema, struct buf *b);
void conf_put_troff(struct buf *b, struct span text);
/* The name nearest to `word` by edits, or NULL when none is near. */
const char *conf_nearest(struct span word, const char *const *names, size_t n);

#endif
