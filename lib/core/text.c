/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8, names made safe for a terminal, and "did you mean". */
#include "core/text.h"

#include <string.h>

#define WORD_MAX 64

static bool
is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the well-formed UTF-8 character at ${p} (at most ${left} > 0 bytes) and its code
 * point in ${ret}; 0 if there is none.  Overlong forms, surrogates and numbers above U+10FFFF are
 * not well-formed. */
static size_t
utf8_next(const uint8_t *p, size_t left, uint32_t *ret)
{
    uint8_t first = p[0];
    size_t len;
    uint32_t v;
    uint32_t least;

    if (first < 0x80) {
        *ret = first;
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        len = 2;
        v = first & 0x1f;
        least = 0x80;
    } else if (first >= 0xe0 && first <= 0xef) {
        len = 3;
        v = first & 0x0f;
        least = 0x800;
    } else if (first >= 0xf0 && first <= 0xf4) {
        len = 4;
        v = first & 0x07;
        least = 0x10000;
    } else {
        return 0;
    }
    if (left < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(p[i])) {
            return 0;
        }
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) {
        return 0;
    }
    *ret = v;
    return len;
}

bool
vv_utf8_valid(struct vv_span raw)
{
    for (size_t i = 0; i < raw.len;) {
        uint32_t v;
        size_t n = utf8_next(raw.data + i, raw.len - i, &v);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

/* Characters that act on a terminal or on the order of the text around them. */
static bool
must_escape(uint32_t v)
{
    return v < 0x20 || v == '\\' || (v >= 0x7f && v <= 0x9f) || /* C0, DEL, C1 */
           v == 0x061c || v == 0x200e || v == 0x200f ||         /* ALM, LRM, RLM */
           (v >= 0x2028 && v <= 0x202e) ||                      /* separators, embeddings */
           (v >= 0x2066 && v <= 0x2069);                        /* isolates */
}

static void
put_escape(struct vv_buf *out, uint32_t v)
{
    switch (v) {
    case '\\':
        vv_buf_put_text(out, "\\\\");
        return;
    case '\n':
        vv_buf_put_text(out, "\\n");
        return;
    case '\r':
        vv_buf_put_text(out, "\\r");
        return;
    case '\t':
        vv_buf_put_text(out, "\\t");
        return;
    default:
        break;
    }
    /* \xNN is a byte: a character beyond ASCII is told apart from an invalid byte by its form. */
    vv_buf_printf(out, v < 0x80 ? "\\x%02x" : "\\u{%x}", v);
}

void
vv_text_escape(struct vv_buf *out, struct vv_span raw)
{
    size_t plain = 0; /* start of the run not yet copied */
    size_t i = 0;

    while (i < raw.len) {
        uint32_t v = 0;
        size_t n = utf8_next(raw.data + i, raw.len - i, &v);
        if (n > 0 && !must_escape(v)) {
            i += n;
            continue;
        }
        vv_buf_put(out, raw.data + plain, i - plain);
        if (n == 0) {
            vv_buf_printf(out, "\\x%02x", raw.data[i]);
            n = 1;
        } else {
            put_escape(out, v);
        }
        i += n;
        plain = i;
    }
    if (plain < raw.len) {
        vv_buf_put(out, raw.data + plain, raw.len - plain);
    }
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn ${a} into ${b}. */
static size_t
edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];

    for (size_t j = 0; j <= b_len; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
            best = least(best, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = least(best, before[j - 2] + 1);
            }
            now[j] = best;
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_len];
}

const char *
vv_text_nearest(const char *word, const char *const *candidates, unsigned count)
{
    size_t len = strlen(word);
    const char *best = NULL;
    /* One slip in three letters, and at least one. */
    size_t limit = len / 3 > 1 ? len / 3 : 1;

    if (len < 2 || len > WORD_MAX) {
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        size_t candidate_len = strlen(candidates[i]);
        if (candidate_len > WORD_MAX) {
            continue;
        }
        size_t distance = edit_distance(word, len, candidates[i], candidate_len);
        if (distance <= limit) {
            best = candidates[i];
            if (distance == 0) {
                break;
            }
            limit = distance - 1;
        }
    }
    return best;
}
