/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a statement of SQL ends. */
#include "postgres/statements.h"

#include <string.h>

static bool
is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c >= 0x80;
}

static bool
starts(struct vv_span s, size_t at, const char *text)
{
    size_t len = strlen(text);

    return s.len - at >= len && memcmp(s.data + at, text, len) == 0;
}

/** Behind a comment that begins at ${at}; ${at} itself if none does. */
static size_t
skip_comment(struct vv_span s, size_t at)
{
    size_t depth = 0;

    if (starts(s, at, "--")) {
        const uint8_t *end = memchr(s.data + at, '\n', s.len - at);
        return end != NULL ? (size_t)(end - s.data) + 1 : s.len;
    }
    if (!starts(s, at, "/*")) {
        return at;
    }
    do {
        if (starts(s, at, "/*")) {
            depth++;
            at += 2;
        } else if (starts(s, at, "*/")) {
            depth--;
            at += 2;
        } else {
            at++;
        }
    } while (depth > 0 && at < s.len);
    return at;
}

/** Behind the quote that begins at ${at}. */
static size_t
skip_quoted(struct vv_span s, size_t at)
{
    uint8_t quote = s.data[at];
    bool backslashes = quote == '\'' && at > 0 && (s.data[at - 1] | 0x20) == 'e' &&
                       (at < 2 || !is_name(s.data[at - 2]));

    for (at++; at < s.len; at++) {
        if (backslashes && s.data[at] == '\\') {
            at++;
        } else if (s.data[at] == quote) {
            if (at + 1 == s.len || s.data[at + 1] != quote) {
                return at + 1;
            }
            at++; /* a doubled one is part of it */
        }
    }
    return s.len;
}

/** Behind the dollar quote that begins at ${at}; ${at} + 1 if none does. */
static size_t
skip_dollars(struct vv_span s, size_t at)
{
    size_t tag = at + 1;
    size_t len;

    while (tag < s.len && is_name(s.data[tag])) {
        tag++;
    }
    if (tag == s.len || s.data[tag] != '$' || (s.data[at + 1] >= '0' && s.data[at + 1] <= '9') ||
        (at > 0 && is_name(s.data[at - 1]))) {
        return at + 1;
    }
    len = tag + 1 - at;
    for (size_t i = tag + 1; i + len <= s.len; i++) {
        if (memcmp(s.data + i, s.data + at, len) == 0) {
            return i + len;
        }
    }
    return s.len;
}

/** Behind what is one piece at ${at}. */
static size_t
skip_piece(struct vv_span s, size_t at)
{
    size_t behind = skip_comment(s, at);

    if (behind > at) {
        return behind;
    }
    if (s.data[at] == '\'' || s.data[at] == '"') {
        return skip_quoted(s, at);
    }
    return s.data[at] == '$' ? skip_dollars(s, at) : at + 1;
}

bool
postgres_statement_next(struct vv_span *rest, struct vv_span *ret)
{
    struct vv_span s = *rest;
    size_t from = 0;
    size_t end = 0; /* behind the last that is neither blank nor comment */
    size_t at;

    while (from < s.len) {
        size_t behind = skip_comment(s, from);
        if (behind == from && !is_blank(s.data[from]) && s.data[from] != ';') {
            break;
        }
        from = behind > from ? behind : from + 1;
    }
    if (from >= s.len) {
        *rest = vv_span(NULL, 0);
        return false;
    }
    for (at = from; at < s.len && s.data[at] != ';';) {
        bool comment = skip_comment(s, at) > at;
        bool blank = is_blank(s.data[at]);
        at = skip_piece(s, at);
        at = at < s.len ? at : s.len;
        end = comment || blank ? end : at;
    }
    *ret = vv_span(s.data + from, end - from);
    at += at < s.len ? 1 : 0;
    *rest = vv_span(s.data + at, s.len - at);
    return true;
}
