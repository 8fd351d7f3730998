/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/sip: the SIP message: index over the received bytes, values on demand, byte-range edits,
 *           own messages.
 *
 * Decides   what a well-formed SIP message is (RFC 3261 7, 18.3, 25; RFC 4475; RFC 5118) and how a
 *           bad one is refused.
 * Owns      a message owns its bytes, index and arena; all spans into it die with the last
 *           sip_msg_unref.
 * Threads   a message belongs to one thread. sip_init once per process, before threads.
 * Errors    a message that cannot be used gives a struct sip_reject; everything else negative
 *           errno.
 * Never     sends, waits, looks at a clock, or changes a byte that nobody edited.
 * Tests     tests/unit/common/sip, tests/fuzz. */
#ifndef COMMON_SIP_SIP_H
#define COMMON_SIP_SIP_H

#include "common/base/base.h"
#include "common/sip/header_ids.h"

/* Sets up libosip2 (common/osip). */
int sip_init(void);

/* clang-format off */
enum sip_method {
    SIP_OTHER, SIP_INVITE, SIP_ACK, SIP_BYE, SIP_CANCEL, SIP_REGISTER, SIP_OPTIONS, SIP_PRACK,
    SIP_UPDATE, SIP_INFO, SIP_SUBSCRIBE, SIP_NOTIFY, SIP_MESSAGE, SIP_REFER, SIP_PUBLISH,
};
/* clang-format on */

/* SIP_H_VIA, SIP_H_FROM, ... from the table in header_ids.h; the long and the compact form are one.
 * SIP_H_OTHER: look at the name. */
enum sip_header {
    SIP_H_OTHER,
#define SIP_HEADER_ID(id, name, compact, kind) SIP_H_##id,
    SIP_HEADERS(SIP_HEADER_ID)
#undef SIP_HEADER_ID
        SIP_H_COUNT,
};

/* How a message is refused. */
struct sip_reject {
    unsigned status;    /* SIP status to answer with; 0 = drop it, no answer is possible or wise */
    const char *phrase; /* static */
    char reason[96];    /* what is wrong and where, for Warning and log */
};

struct sip_limits {
    size_t message;      /* bytes; default 65535 */
    unsigned lines;      /* header lines; 128 */
    unsigned values;     /* values of one header name over all its lines; 128 */
    unsigned commas;     /* in one list header line; 64 */
    unsigned parameters; /* ';' in one header line; 256 (a URI has at most 64) */
    size_t line;         /* bytes of one header line; 8192 */
};
/* 256 parameters: nine of each of the alternatives of a Security-Verify. */
#define SIP_LIMITS_DEFAULT                                                                         \
    {                                                                                              \
        .message = 65535, .lines = 128, .values = 128, .commas = 64, .parameters = 256,            \
        .line = 8192                                                                               \
    }
extern const struct sip_limits sip_limits_default;

struct sip_line {
    uint16_t id;         /* enum sip_header */
    uint16_t next;       /* line number + 1 of the next line with that id; 0 = none */
    uint32_t start, end; /* the whole line with folding and CRLF, offsets into raw */
    uint32_t name, name_n;
    uint32_t value, value_n; /* trimmed; folding is still inside */
};

struct sip_msg {
    struct span raw; /* the received bytes, whole */
    bool is_request;
    enum sip_method method; /* request: of the start line; response: of CSeq */
    struct span method_text;
    struct span ruri; /* requests */
    unsigned status;  /* responses: 100-699 */
    struct span phrase;
    struct span call_id;
    struct span from_uri, to_uri; /* without <> */
    struct span from_tag, to_tag; /* p = NULL when absent */
    struct span branch;           /* of the top Via; p = NULL when absent */
    struct span cseq_method;
    uint32_t cseq;
    int max_forwards; /* -1 = absent */
    struct span body;
    uint32_t start_line_end; /* offset behind its CRLF */
    uint32_t headers_end;    /* offset of the empty line */
    struct sip_line *lines;
    unsigned n_lines;
    uint16_t first[SIP_H_COUNT]; /* line number + 1 of the first line with that id; 0 = none */
    struct arena arena;          /* for texts of edits and whatever else dies with the message */
    unsigned refs;
};

/* Copies raw, indexes it, applies the limits and the checks of RFC 3261 8.1.1, 8.2, 16.3 that need
 * no routing (tests/unit/common/sip/torture_test.c lists them). 0 and a message with one
 * reference, or -EBADMSG and *ret_reject filled in; then *ret_msg may still be a message good
 * enough to answer (sip_reply works on it) or NULL. -ENOMEM. */
int sip_msg_parse(struct span raw, const struct sip_limits *limits, struct sip_msg **ret_msg,
                  struct sip_reject *ret_reject);
/* Call-ID of bytes that are not parsed (yet), for recorders that may not cost what the parser costs;
 * p = NULL without one. A folded value ends with its line. */
struct span sip_raw_call_id(struct span raw);
/* RFC 3261 18.2.1, RFC 3581 4: writes where the request came from into its top Via (received, and
 * the value of rport), in place of whatever the sender had put there. The transport calls it before
 * anyone keeps a span of the message. -ENOMEM, -EBADMSG. */
int sip_msg_stamp_source(struct sip_msg *m, const struct addr *source);
struct sip_msg *sip_msg_ref(struct sip_msg *m);
void sip_msg_unref(struct sip_msg *m);

enum sip_method sip_method_of(struct span text); /* case-sensitive, RFC 3261 7.1 */
struct span sip_method_text(enum sip_method m);
const char *sip_status_phrase(unsigned status);
/* Long or compact form, any case; SIP_H_OTHER when unknown. */
enum sip_header sip_header_of(struct span name);
struct span sip_header_name(enum sip_header id);
bool sip_header_is_list(enum sip_header id);

/* ---- header lines and values ------------------------------ */

/* The first line with that id, and the next one with the same id; NULL at the end. */
const struct sip_line *sip_line_first(const struct sip_msg *m, enum sip_header id);
const struct sip_line *sip_line_next(const struct sip_msg *m, const struct sip_line *line);
/* The first line with that name (any case) among SIP_H_OTHER. */
const struct sip_line *sip_line_named(const struct sip_msg *m, struct span name);
static inline struct span sip_line_value(const struct sip_msg *m, const struct sip_line *line)
{
    return line ? (struct span){m->raw.p + line->value, line->value_n} : SPAN_NONE;
}
/* Value of the first line with that id, or SPAN_NONE. */
static inline struct span sip_header_value(const struct sip_msg *m, enum sip_header id)
{
    return sip_line_value(m, sip_line_first(m, id));
}

/* The comma-separated values of all lines with an id, in order; commas in quotes and in <> do not
 * separate. */
struct sip_values {
    const struct sip_msg *m;
    const struct sip_line *line; /* the line the value is in */
    struct span value, rest;
    unsigned index; /* of the value within its line */
};
/* Cuts the first value off a comma list that stands alone (a kept Service-Route); p = NULL: no more. */
struct span sip_list_cut(struct span *list);
struct sip_values sip_values(const struct sip_msg *m, enum sip_header id);
bool sip_values_next(struct sip_values *v); /* false at the end; v->value is trimmed */

/* True when a list header (Require, Supported, ...) holds the token, any case. */
bool sip_header_has_token(const struct sip_msg *m, enum sip_header id, struct span token);
/* Whether Privacy has this value; they are separated by ';' (RFC 3323 4.2). */
bool sip_privacy_asks(const struct sip_msg *m, struct span value);

/* ---- parameters ;name=value and authentication parameters ------------------------------ */

/* Walks ";name[=value]" lists, LWS and empty parameters allowed. Quoted values come without their
 * quotes, escapes kept. 1 = a parameter, 0 = the end, -EBADMSG; behind either the list is empty. */
struct sip_param {
    struct span name, value; /* value.p = NULL when there is no '=' */
    bool quoted;
};
int sip_param_next(struct span *list, struct sip_param *ret_param);
/* Behind its last octet, the closing quote with it. */
const char *sip_param_end(const struct sip_param *p);
/* Value of the parameter, any case of name; p = NULL when absent; empty but not NULL for a flag. */
struct span sip_param_find(struct span list, struct span name);

/* Authorization, WWW-Authenticate and their proxy forms (RFC 2617, 3310, 33.203): every parameter
 * is kept, known or not: auts, ck, ik, integrity-protected and empty values included. */
#define SIP_AUTH_PARAMS 24
struct sip_auth {
    struct span scheme; /* "Digest" */
    struct sip_param params[SIP_AUTH_PARAMS];
    unsigned n;
};
int sip_auth_parse(struct span value, struct sip_auth *ret_auth); /* -EBADMSG, -E2BIG; then empty */
/* p = NULL when absent; "" is present and empty. */
struct span sip_auth_get(const struct sip_auth *a, struct span name);

/* ---- URIs, name-addr, Via ------------------------------ */

enum sip_scheme {
    SIP_SCHEME_OTHER,
    SIP_SCHEME_SIP,
    SIP_SCHEME_SIPS,
    SIP_SCHEME_TEL,
    SIP_SCHEME_URN
};

struct sip_uri {
    enum sip_scheme scheme;
    struct span text; /* the whole URI */
    struct span user; /* with password and user parameters; p = NULL without '@'; tel: the number */
    struct span host; /* IPv6 with brackets */
    uint16_t port;    /* 0 = absent */
    struct span params;  /* behind the host part, from the first ';' */
    struct span headers; /* behind '?' */
};
/* Our own split finds the byte ranges and is strict where libosip2 is not (ports 1-65535,
 * bracketed IPv6, no broken escape, no byte outside the grammar); libosip2 then parses the same
 * text and must find the same host and port. Every span points into text and keeps its escapes:
 * %00 truncates nothing. -EBADMSG, -ENOMEM. */
int sip_uri_parse(struct span text, struct sip_uri *ret_uri);
/* The split alone, without libosip2: what sip_msg_parse asks of the URIs in a message. */
int sip_uri_split(struct span text, struct sip_uri *ret_uri);
/* RFC 3261 19.1.4 and RFC 5954 4.2 for sip/sips; RFC 3966 5 (visual separators ignored) for tel. */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);
/* The same of two texts: octet by octet, or by what they mean. */
bool sip_uri_same(struct span a, struct span b);
/* True for ;lr, also ";;lr" and ";lr=..." as phones write it. */
bool sip_uri_is_loose(const struct sip_uri *u);

struct sip_name_addr {
    struct span display; /* unquoted text between the quotes, or the token form; may be empty */
    struct span uri;     /* without <> */
    struct span params;  /* header parameters, from the first ';' */
};
/* Contact, From, To, Route, Path, P-Asserted-Identity ... ; -EBADMSG. Our own code: libosip2 drops
 * URIs shorter than six characters and ends at a NUL in a quoted-pair. The URI itself is left to
 * sip_uri_parse. */
int sip_name_addr_parse(struct span value, struct sip_name_addr *ret_na);
/* Where a request goes next (RFC 3261 8.1.2, 16.6 step 7): to the first route, a name-addr, or, with
 * SPAN_NONE for it, to the target, a URI. A broken route is -EBADMSG: no target stands in for it. */
int sip_next_uri(struct span route, struct span target, struct sip_uri *ret_uri);

struct sip_via {
    struct span transport; /* "UDP" */
    struct span host;
    uint16_t port;                       /* 0 = absent */
    struct span branch, received, rport; /* rport: p != NULL and empty for the bare flag */
    struct span params;
};
/* As sip_uri_parse: own split, libosip2 must agree. -EBADMSG, -ENOMEM. */
int sip_via_parse(struct span value, struct sip_via *ret_via);
int sip_via_split(struct span value, struct sip_via *ret_via);

/* ---- bodies ------------------------------ */

enum sip_body {
    SIP_BODY_NONE,  /* none of that type */
    SIP_BODY_FOUND, /* the one */
    /* Two of them, a multipart in a multipart or a broken one, sealed (S/MIME) or encoded, or a body
     * without Content-Type: what a receiver takes from it cannot be told. */
    SIP_BODY_UNREADABLE,
};
/* The body of that type ("application/sdp"), or the part of a multipart body (RFC 5621 3.1) that is.
 * *ret_content lies in m->body. */
enum sip_body sip_body_find(const struct sip_msg *m, struct span type, struct span *ret_content);

/* ---- edits: forward by copying byte ranges ------------------------------ */

#define SIP_EDIT_VALUES 128 /* of one line; the limits allow 65 */

struct sip_edit_op {
    uint32_t start, end; /* raw bytes that go; start == end: an insertion */
    uint16_t value;      /* 1 + index of the list value that goes; 0 otherwise */
    struct span name;    /* p != NULL: a whole line "name: text" CRLF */
    struct span text;
};
struct sip_edit {
    struct sip_msg *m;
    struct sip_edit_op *ops; /* in the order of start; equal starts in the order given */
    unsigned n, cap;
    bool failed; /* out of memory, or overlapping edits: sip_edit_render tells */
    char hops[4], length[12];
    struct sip_edit_op own[24]; /* more come from the message's arena */
};

/* Texts given must live until the render (m->arena is a good place for what is made for it). Edits
 * of the same place are rendered in the order given. The edit must not be moved. */
void sip_edit_init(struct sip_edit *e, struct sip_msg *m);
void sip_edit_ruri(struct sip_edit *e, struct span uri);
/* "Name: value" CRLF before the first line of the same id, or behind the top Via lines when there
 * is none. */
void sip_edit_push(struct sip_edit *e, enum sip_header id, struct span value);
/* Behind the last line with that id, or at the end of the headers. */
void sip_edit_append(struct sip_edit *e, enum sip_header id, struct span value);
/* A header line of any name at the end of the headers. */
void sip_edit_replace(struct sip_edit *e, const struct sip_line *line, struct span value);
void sip_edit_remove(struct sip_edit *e, const struct sip_line *line);
void sip_edit_remove_all(struct sip_edit *e, enum sip_header id);
/* One value of a comma list: its line goes when it was the only one. */
void sip_edit_remove_value(struct sip_edit *e, const struct sip_values *at);
/* Removes a token from a list header (Require: sec-agree); an emptied line goes. */
void sip_edit_remove_token(struct sip_edit *e, enum sip_header id, struct span token);
/* Replaces a part of the raw bytes (a parameter inside a value); part must be inside raw. */
void sip_edit_bytes(struct sip_edit *e, struct span part, struct span text);
/* Replaces the body and mends Content-Length; type: p = NULL keeps Content-Type. */
void sip_edit_body(struct sip_edit *e, struct span type, struct span body);
/* Replaces a part of the body (sip_body_find) and mends Content-Length. */
void sip_edit_body_part(struct sip_edit *e, struct span part, struct span text);
/* Adds Content-Length when the message came without, as it may over UDP but not over a stream. */
void sip_edit_content_length(struct sip_edit *e);
/* Max-Forwards minus one, or a line with 70 (RFC 3261 16.6 step 3). */
void sip_edit_max_forwards(struct sip_edit *e);
/* Writes the edited message; -EMSGSIZE when out is too small, -ENOMEM when an edit failed. */
int sip_edit_render(const struct sip_edit *e, struct buf *out);

/* ---- messages of our own ------------------------------ */

/* A response to a request by RFC 3261 8.2.6: start line, all Via, From, To (tag added when given
 * and absent), Call-ID, CSeq, Record-Route for 18x and 2xx; then `extra` (complete header lines
 * with CRLF, may be empty), Content-Length and body. Also for a message sip_msg_parse refused,
 * from what is there. -EMSGSIZE. */
int sip_reply(const struct sip_msg *request, unsigned status, const char *phrase,
              struct span to_tag, struct span extra, struct span body, struct buf *out);

/* A request of our own. Lines are written in the order of the fields; an empty span leaves its
 * line out. */
struct sip_request {
    enum sip_method method;
    struct span method_text; /* when method is SIP_OTHER */
    struct span ruri;
    struct span via;  /* whole value: "SIP/2.0/UDP 192.0.2.1:5060;branch=...;rport"; empty when the
                         sender adds it (sip_uac_send) */
    struct span from; /* whole value with tag */
    struct span to;
    struct span call_id;
    uint32_t cseq;
    unsigned max_forwards;     /* 0 = 70 */
    const struct span *routes; /* name-addr values, first hop first */
    unsigned n_routes;
    struct span contact;
    struct span extra; /* complete header lines with CRLF */
    struct span content_type;
    struct span body;
};
/* -EMSGSIZE; -EINVAL when a value holds CR, LF or NUL, or a field RFC 3261 8.1.1 demands is
 * empty. */
int sip_request_build(const struct sip_request *r, struct buf *out);

/* invite: the INVITE as it was sent on the wire. RFC 3261 17.1.1.3: the ACK of a 300-699 response,
 * with the response's To; 9.1: the CANCEL, `extra` complete lines (Reason) or empty. -EBADMSG when
 * invite is no INVITE, -EMSGSIZE. */
int sip_build_ack(struct span invite, const struct sip_msg *response, struct buf *out);
int sip_build_cancel(struct span invite, struct span extra, struct buf *out);

/* ---- stream framing (TCP, TLS): RFC 3261 18.3 ------------------------------ */

struct sip_framer {
    char *bytes;
    size_t start, n, cap; /* [start, n) is not delivered yet */
    size_t scanned;       /* no end of the header before this offset */
    size_t need;          /* length of the message at start, once its Content-Length is known */
    size_t taken;         /* bytes of the message last delivered, dropped by the next call */
    size_t limit;
    bool broken;
};
enum sip_frame {
    SIP_FRAME_MORE,    /* nothing complete yet */
    SIP_FRAME_MESSAGE, /* *ret_message is one message, valid until the next call */
    SIP_FRAME_PING,    /* CRLF CRLF (RFC 5626 3.5.1): answer with CRLF */
    SIP_FRAME_BROKEN, /* answer *ret_reject if status is set, then close; *ret_message is the header
                          as far as it is known, for sip_msg_parse and sip_reply */
};
void sip_framer_init(struct sip_framer *f, size_t limit);
void sip_framer_fini(struct sip_framer *f);
/* Call sip_framer_next until it asks for more. -ENOBUFS when more than a message and one read are
 * waiting, -ENOMEM. */
int sip_framer_feed(struct sip_framer *f, struct span data);
enum sip_frame sip_framer_next(struct sip_framer *f, struct span *ret_message,
                               struct sip_reject *ret_reject);

#endif
