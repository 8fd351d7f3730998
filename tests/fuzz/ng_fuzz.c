/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as the body of an ng command: no crash, and what parses is the same after it was
 * written and read again. */
#include <stdlib.h>

#include "edge/ng/ng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(const struct ng_doc *doc, const struct ng_value *v, struct buf *b)
{
    switch (v->type) {
    case NG_TEXT:
        ng_put_text(b, v->text);
        return;
    case NG_NUMBER:
        ng_put_number(b, v->number);
        return;
    default:
        ng_put_begin(b, v->type == NG_DICT ? 'd' : 'l');
        for (const struct ng_value *m = ng_first(doc, v); m; m = ng_next(doc, m)) {
            if (v->type == NG_DICT)
                ng_put_text(b, m->key);
            write_value(doc, m, b);
        }
        ng_put_end(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ng_doc doc, again;
    static char one[200000], two[200000];
    struct buf a = BUF_ON(one), b = BUF_ON(two);

    if (size > 65535 || ng_parse(span_of(data, size), &doc) != 0)
        return 0;
    (void)ng_find_text(&doc, &doc.values[0], "command");
    (void)ng_has_flag(&doc, &doc.values[0], "flags", "strict-source");
    write_value(&doc, &doc.values[0], &a);
    if (ng_parse(buf_span(&a), &again) != 0 || again.n != doc.n)
        abort();
    write_value(&again, &again.values[0], &b);
    if (!span_eq(buf_span(&a), buf_span(&b)))
        abort();
    return 0;
}
