/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/policy/codec.h"

enum { FORMATS_MAX = 128 };

/* RFC 3551 table 4 and 5: types that need no rtpmap. */
static const struct {
    const char *format, *name;
} fixed[] = {{"0", "PCMU"},   {"3", "GSM"},  {"4", "G723"},  {"8", "PCMA"},  {"9", "G722"},
             {"12", "QCELP"}, {"13", "CN"},  {"15", "G728"}, {"18", "G729"}, {"26", "JPEG"},
             {"31", "H261"},  {"32", "MPV"}, {"34", "H263"}};

static struct span line_of(struct span *rest)
{
    struct span line = span_cut(rest, '\n');

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

bool policy_codecs_answer(struct span codec_data)
{
    (void)line_of(&codec_data);
    return span_eq_nocase(line_of(&codec_data), SPAN("answer"));
}

/* "a=rtpmap:96 AMR/8000" of this format: "AMR". */
static struct span mapped(struct span lines, struct span format)
{
    while (lines.p) {
        struct span line = line_of(&lines), number;

        if (!span_starts_nocase(line, SPAN("a=rtpmap:")))
            continue;
        line = span_sub(line, 9, line.n);
        number = span_cut(&line, ' ');
        if (span_eq(number, format))
            return span_trim(span_cut(&line, '/'));
    }
    return SPAN_NONE;
}

static struct span name_of(struct span lines, struct span format)
{
    struct span name = mapped(lines, format);

    for (size_t i = 0; !name.n && i < ARRAY_LEN(fixed); i++) {
        if (span_eq(format, span_str(fixed[i].format)))
            name = span_str(fixed[i].name);
    }
    return name.n ? name : format;
}

static bool is_allowed(struct span name, const struct conf_strings *allowed)
{
    /* Digits and comfort noise ride on any codec. */
    if (span_eq_nocase(name, SPAN("telephone-event")) || span_eq_nocase(name, SPAN("CN")))
        return true;
    for (size_t i = 0; i < allowed->n; i++) {
        if (span_eq_nocase(name, span_str(allowed->v[i])))
            return true;
    }
    return false;
}

/* The formats of "m=audio 49170 RTP/AVP 0 96". */
static struct span formats_of(struct span lines)
{
    while (lines.p) {
        struct span line = line_of(&lines);

        if (!span_starts_nocase(line, SPAN("m=")))
            continue;
        for (unsigned i = 0; i < 3; i++)
            (void)span_cut(&line, ' ');
        return line;
    }
    return SPAN_NONE;
}

enum policy_codecs policy_codecs_check(struct span codec_data, const struct conf_strings *allowed,
                                       struct span *ret_other)
{
    struct span formats = formats_of(codec_data), other = SPAN_NONE;
    unsigned good = 0, bad = 0;

    for (unsigned n = 0; formats.p && n < FORMATS_MAX; n++) {
        struct span format = span_cut(&formats, ' '), name;

        if (!format.n)
            continue;
        name = name_of(codec_data, format);
        if (is_allowed(name, allowed)) {
            good++;
        } else {
            if (!bad++)
                other = name;
        }
    }
    if (formats.p) /* more than anybody needs: what was not read is not allowed */
        bad++;
    *ret_other = other;
    if (allowed->n == 0 || bad == 0)
        return POLICY_CODECS_ALL;
    return good ? POLICY_CODECS_SOME : POLICY_CODECS_NONE;
}
