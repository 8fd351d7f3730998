/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables: methods, header names, status phrases. */
#include "common/sip/lex.h"

#include "common/osip/osipmem.h"

const struct sip_limits sip_limits_default = SIP_LIMITS_DEFAULT;

int sip_init(void)
{
    return osipmem_init();
}

/* ---- methods ------------------------------------------------------------------------------- */

static const struct span methods[] = {
    [SIP_OTHER] = SPAN(""),
    [SIP_INVITE] = SPAN("INVITE"),
    [SIP_ACK] = SPAN("ACK"),
    [SIP_BYE] = SPAN("BYE"),
    [SIP_CANCEL] = SPAN("CANCEL"),
    [SIP_REGISTER] = SPAN("REGISTER"),
    [SIP_OPTIONS] = SPAN("OPTIONS"),
    [SIP_PRACK] = SPAN("PRACK"),
    [SIP_UPDATE] = SPAN("UPDATE"),
    [SIP_INFO] = SPAN("INFO"),
    [SIP_SUBSCRIBE] = SPAN("SUBSCRIBE"),
    [SIP_NOTIFY] = SPAN("NOTIFY"),
    [SIP_MESSAGE] = SPAN("MESSAGE"),
    [SIP_REFER] = SPAN("REFER"),
    [SIP_PUBLISH] = SPAN("PUBLISH"),
};

enum sip_method sip_method_of(struct span text)
{
    for (unsigned i = SIP_INVITE; i < ARRAY_LEN(methods); i++) {
        if (span_eq(text, methods[i]))
            return (enum sip_method)i;
    }
    return SIP_OTHER;
}

struct span sip_method_text(enum sip_method m)
{
    return (unsigned)m < ARRAY_LEN(methods) ? methods[m] : SPAN_NONE;
}

/* ---- header names -------------------------------------------------------------------------- */

enum header_kind { LIST, ONE, ONCE };

static const struct {
    struct span name;
    enum header_kind kind;
} headers[SIP_H_COUNT] = {
#define ROW(id, text, compact, kind) [SIP_H_##id] = {SPAN(text), kind},
    SIP_HEADERS(ROW)
#undef ROW
};

static bool same_name(const char *name, const char *known, size_t n)
{
    /* Names are tokens by now, so setting the case bit maps nothing else onto a letter or '-'. */
    for (size_t i = 0; i < n; i++) {
        if ((name[i] | 0x20) != (known[i] | 0x20))
            return false;
    }
    return true;
}

/* With a constant n the compiler keeps only the names of that length. */
static inline __attribute__((always_inline)) enum sip_header find_name(const char *name, size_t n)
{
#define TRY(id, text, compact, kind)                                                               \
    if (sizeof(text) - 1 == n && same_name(name, text, sizeof(text) - 1))                          \
        return SIP_H_##id;
    SIP_HEADERS(TRY)
#undef TRY
    return SIP_H_OTHER;
}

static enum sip_header find_compact(char c)
{
    c |= 0x20;
#define TRY(id, text, compact, kind)                                                               \
    if (compact && c == compact)                                                                   \
        return SIP_H_##id;
    SIP_HEADERS(TRY)
#undef TRY
    return SIP_H_OTHER;
}

enum sip_header sip_header_of(struct span name)
{
#define LENGTH(n)                                                                                  \
    case n:                                                                                        \
        return find_name(name.p, n);
    switch (name.n) {
    case 1:
        return find_compact(name.p[0]);
        /* clang-format off */
        LENGTH(2) LENGTH(3) LENGTH(4) LENGTH(5) LENGTH(6) LENGTH(7) LENGTH(8) LENGTH(9) LENGTH(10)
        LENGTH(11) LENGTH(12) LENGTH(13) LENGTH(14) LENGTH(15) LENGTH(16) LENGTH(17) LENGTH(18)
        LENGTH(19) LENGTH(20) LENGTH(21) LENGTH(22) LENGTH(23) LENGTH(24) LENGTH(25) LENGTH(26)
        LENGTH(27) LENGTH(28) LENGTH(29)
            /* clang-format on */
            default : return SIP_H_OTHER;
    }
#undef LENGTH
}

struct span sip_header_name(enum sip_header id)
{
    return (unsigned)id < SIP_H_COUNT && id != SIP_H_OTHER ? headers[id].name : SPAN_NONE;
}

bool sip_header_is_list(enum sip_header id)
{
    return id != SIP_H_OTHER && headers[id].kind == LIST;
}

bool sip_header_is_once(enum sip_header id)
{
    return id != SIP_H_OTHER && headers[id].kind == ONCE;
}

/* ---- status phrases (RFC 3261 21 and the extensions that add one) --------------------------- */

const char *sip_status_phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {100, "Trying"},
        {180, "Ringing"},
        {181, "Call Is Being Forwarded"},
        {182, "Queued"},
        {183, "Session Progress"},
        {199, "Early Dialog Terminated"},
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Notification"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Moved Temporarily"},
        {305, "Use Proxy"},
        {380, "Alternative Service"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {410, "Gone"},
        {412, "Conditional Request Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request-URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Unsupported URI Scheme"},
        {417, "Unknown Resource-Priority"},
        {420, "Bad Extension"},
        {421, "Extension Required"},
        {422, "Session Interval Too Small"},
        {423, "Interval Too Brief"},
        {424, "Bad Location Information"},
        {428, "Use Identity Header"},
        {429, "Provide Referrer Identity"},
        {430, "Flow Failed"},
        {433, "Anonymity Disallowed"},
        {436, "Bad Identity-Info"},
        {437, "Unsupported Certificate"},
        {438, "Invalid Identity Header"},
        {439, "First Hop Lacks Outbound Support"},
        {440, "Max-Breadth Exceeded"},
        {469, "Bad Info Package"},
        {470, "Consent Needed"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {482, "Loop Detected"},
        {483, "Too Many Hops"},
        {484, "Address Incomplete"},
        {485, "Ambiguous"},
        {486, "Busy Here"},
        {487, "Request Terminated"},
        {488, "Not Acceptable Here"},
        {489, "Bad Event"},
        {491, "Request Pending"},
        {493, "Undecipherable"},
        {494, "Security Agreement Required"},
        {500, "Server Internal Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Server Time-out"},
        {505, "Version Not Supported"},
        {513, "Message Too Large"},
        {555, "Push Notification Service Not Supported"},
        {580, "Precondition Failure"},
        {600, "Busy Everywhere"},
        {603, "Decline"},
        {604, "Does Not Exist Anywhere"},
        {606, "Not Acceptable"},
        {607, "Unwanted"},
    };
    static const char *const classes[] = {
        "Unknown",          "Session Progress", "OK",
        "Multiple Choices", "Bad Request",      "Server Internal Error",
        "Busy Everywhere",
    };

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    /* RFC 3261 8.1.3.2: an unknown status is treated as the x00 of its class. */
    return status >= 100 && status < 700 ? classes[status / 100] : classes[0];
}
