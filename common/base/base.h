/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/base: the vocabulary every room speaks.
 *
 * Decides   nothing of any protocol: spans, bounded buffers, arenas, keyed hash tables, handles,
 *           lists, addresses, secrets, hex and base64, and the random port.
 * Owns      what each type's init/new says; spans and addresses own nothing.
 * Threads   every object belongs to one thread; only functions without an object are free of that.
 * Errors    0 or negative errno; tables and buffers refuse at their bound, they never grow without
 *           one.
 * Never     logs, reads a clock, or ends the process.
 * Tests     tests/unit/common/base. */
#ifndef COMMON_BASE_BASE_H
#define COMMON_BASE_BASE_H

#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define ARRAY_LEN(a)               (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, mem) ((type *)(void *)((char *)(p)-offsetof(type, mem)))

/* ---- span: bytes somebody else owns ---------------------------------------------------------- */

struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal)  ((struct span){("" literal), sizeof(literal) - 1})
#define SPAN_NONE      ((struct span){NULL, 0})
#define SPAN_ARG(span) (int)(span).n, (span).p /* for "%.*s" */

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){p, n};
}
static inline struct span span_str(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII case is ignored; no locale. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
/* Without SP, HT, CR, LF at either end. */
struct span span_trim(struct span s);
/* [from, to) of s; the bounds are clamped to s. */
struct span span_sub(struct span s, size_t from, size_t to);
/* Index of c, or s.n. */
size_t span_find(struct span s, char c);
/* Cuts the part before the first sep off *s and returns it; *s keeps what follows sep (empty with p
 * = NULL when there was no sep, which ends a loop on s->p). */
struct span span_cut(struct span *s, char sep);
/* Decimal digits only, no sign, the whole span; -EINVAL for anything else, -ERANGE above max. */
int span_u64(struct span s, uint64_t max, uint64_t *ret_value);
/* Copies to a NUL-terminated array; -ENAMETOOLONG when it does not fit, -EINVAL when s holds a NUL.
 */
int span_copy(struct span s, char *dst, size_t cap);
/* A heap copy with NUL, or NULL when memory is out. */
char *span_dup(struct span s);
/* Such a copy in the place of *at, which is freed; s.p = NULL: NULL. False, and nothing changed, when
 * memory is out. */
bool span_keep(char **at, struct span s);

/* ---- buf: a bounded buffer over memory of the caller ----------------------------------------- */

/* Writing beyond cap sets overflow and drops the write whole; check overflow once, at the end. */

struct buf {
    char *p;
    size_t n, cap;
    bool overflow;
};

#define BUF_ON(array) ((struct buf){(array), 0, sizeof(array), false})

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->p, b->n};
}
void buf_put(struct buf *b, struct span s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t v);
void buf_hex(struct buf *b, const void *p, size_t n); /* lower case */
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vfmt(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* ---- arena: allocations that die together ---------------------------------------------------- */

/* A bump allocator with a bound; arena_reset keeps the first block for the next use. */

struct arena_block;
struct arena {
    struct arena_block *head;
    char *at, *end;
    size_t used, limit;
};

void arena_init(struct arena *a, size_t limit_bytes);
/* Starts in room that the caller has and keeps: most arenas then need no memory of their own. */
void arena_init_in(struct arena *a, void *room, size_t n, size_t limit_bytes);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);
/* 16-byte aligned, not zeroed; NULL beyond the limit or out of memory. */
void *arena_alloc(struct arena *a, size_t n);
/* A copy of s with a NUL behind it, as a span without it; p = NULL when memory is out. */
struct span arena_copy(struct arena *a, struct span s);

/* ---- list: intrusive, doubly linked ---------------------------------------------------------- */

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}
static inline void list_add_head(struct list *head, struct list *item)
{
    list_add_tail(head->next, item);
}
/* Safe on an item that is already out of its list, if that was done by list_del or list_init. */
static inline void list_del(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}
/* The body may list_del the current item. */
#define LIST_EACH(it, head)                                                                        \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

/* ---- map: intrusive hash table with a keyed hash --------------------------------------------- */

/* SipHash-2-4 under a random key (no collisions on purpose from outside); grows one bucket at a
 * time (linear hashing), so no insert ever pays for a rehash of the whole table. */

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node ***segments;
    size_t count, limit; /* limit: most nodes; 0 = none */
    size_t buckets, level;
    uint64_t key[2];
    bool (*equal)(const struct map_node *node, const void *key);
};

/* key: 16 random bytes (struct rnd). equal compares a node with the lookup key. */
int map_init(struct map *m, size_t limit, const uint8_t key[16],
             bool (*equal)(const struct map_node *node, const void *key));
/* Frees the table, not the nodes. */
void map_fini(struct map *m);
uint64_t map_hash(const struct map *m, const void *p, size_t n);
/* Continues a hash over a further part of a composite key. */
uint64_t map_hash_more(const struct map *m, uint64_t hash, const void *p, size_t n);
struct map_node *map_find(const struct map *m, uint64_t hash, const void *key);
/* The next node after `node` that equals key (a map may hold several). */
struct map_node *map_find_next(const struct map *m, const struct map_node *node, const void *key);
/* -ENOSPC at the limit, -ENOMEM. Does not look for an equal node. */
int map_add(struct map *m, uint64_t hash, struct map_node *node);
void map_del(struct map *m, struct map_node *node);
/* Calls visit for every node until it returns false; visit must not change the map. */
void map_each(const struct map *m, bool (*visit)(struct map_node *node, void *ctx), void *ctx);

uint64_t siphash24(const uint64_t key[2], const void *p, size_t n);

/* ---- handles: names that may outlive what they name ------------------------------------------ */

struct handle {
    uint32_t index; /* 0 = no object */
    uint32_t generation;
};

static inline bool handle_eq(struct handle a, struct handle b)
{
    return a.index == b.index && a.generation == b.generation;
}
static inline uint64_t handle_u64(struct handle h)
{
    return (uint64_t)h.generation << 32 | h.index;
}
static inline struct handle handle_of_u64(uint64_t v)
{
    return (struct handle){(uint32_t)v, (uint32_t)(v >> 32)};
}

struct pool_slot;
struct pool {
    struct pool_slot *slots;
    uint32_t cap, limit, used, free;
};

void pool_init(struct pool *p, uint32_t limit);
void pool_fini(struct pool *p);
/* -ENOSPC at the limit, -ENOMEM. */
int pool_add(struct pool *p, void *object, struct handle *ret_handle);
/* NULL when the object is gone: a normal path. */
void *pool_find(const struct pool *p, struct handle h);
void pool_del(struct pool *p, struct handle h);

/* ---- addr: an IP address and port ------------------------------------------------------------ */

struct addr {
    uint8_t family; /* 0 (none), AF_INET or AF_INET6 */
    uint16_t port;  /* host order */
    uint8_t ip[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

#define ADDR_TEXT_MAX 56 /* "[v6]:port" and NUL */

bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_ip_eq(const struct addr *a, const struct addr *b);
size_t addr_ip_len(const struct addr *a); /* 4, 16, or 0 for none */
/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]", as SIP writes it also "[2001:db8:::192.0.2.1]"; no port.
 * -EINVAL. */
int addr_parse_ip(struct span s, uint16_t port, struct addr *ret_addr);
/* "192.0.2.1:5060", "[2001:db8::1]:5060"; without a port, default_port. -EINVAL. */
int addr_parse(struct span s, uint16_t default_port, struct addr *ret_addr);
/* Into dst[ADDR_TEXT_MAX]; returns dst. IPv6 comes bare without and in brackets with a port. */
char *addr_ip_text(const struct addr *a, char *dst);
char *addr_text(const struct addr *a, char *dst);
/* As a SIP or SDP host part: brackets around IPv6 when in_uri. */
void addr_put_host(struct buf *b, const struct addr *a, bool in_uri);
int addr_of_sockaddr(const struct sockaddr *sa, struct addr *ret_addr);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret_ss);
uint64_t addr_hash(const struct map *m, const struct addr *a);

/* Addresses that share their first bits. */
struct addr_net {
    struct addr addr;
    uint8_t bits;
};

/* "192.0.2.0/24", "2001:db8::/32"; an address alone is a net of one. -EINVAL, also when bits behind
 * the length are set: a slip that would let in others than was meant. */
int addr_net_parse(struct span s, struct addr_net *ret_net);
bool addr_net_has(const struct addr_net *net, const struct addr *a);

/* ---- secret: bytes that are never printed ---------------------------------------------------- */

#define SECRET_MAX 256

struct secret {
    uint16_t n;
    uint8_t bytes[SECRET_MAX];
};

/* -EMSGSIZE above SECRET_MAX. */
int secret_set(struct secret *s, const void *p, size_t n);
void secret_wipe(struct secret *s);
/* Constant time in the content (not in the length). */
bool secret_eq(const struct secret *a, const struct secret *b);
bool bytes_eq_consttime(const void *a, const void *b, size_t n);
void bytes_wipe(void *p, size_t n);

/* ---- hex and base64 -------------------------------------------------------------------------- */

/* Both cases; -EINVAL for another character or an odd length, -ENOSPC. */
int hex_decode(struct span s, uint8_t *dst, size_t cap, size_t *ret_n);
/* Standard alphabet with padding, no white space; -EINVAL, -ENOSPC. */
int base64_decode(struct span s, uint8_t *dst, size_t cap, size_t *ret_n);
void base64_encode(struct buf *b, const void *p, size_t n);

/* ---- rnd: the random port -------------------------------------------------------------------- */

struct rnd {
    void (*fill)(void *ctx, void *p, size_t n);
    void *ctx;
};

/* The system's generator. */
extern const struct rnd rnd_system;
/* A repeatable sequence for tests and the simulated twin; state is the caller's, start it with the
 * seed. */
struct rnd rnd_seeded(uint64_t *state);
uint64_t rnd_u64(const struct rnd *r);
/* Uniform in [0, n). */
uint32_t rnd_below(const struct rnd *r, uint32_t n);
/* n characters of [a-z0-5], five random bits each, for branches, tags and identifiers. */
void rnd_token(const struct rnd *r, struct buf *b, size_t n);

#endif
