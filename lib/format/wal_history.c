/* SPDX-License-Identifier: BSD-2-Clause */
/* Timeline histories: "1\t0/5000000\tno recovery target specified\n" for each ancestor. */
#include <string.h>

#include "format/wal.h"

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/** The next word of a line; empty at its end. */
static struct vv_span
next_word(struct vv_span *line)
{
    struct vv_span word;

    while (line->len > 0 && is_blank(line->data[0])) {
        *line = vv_span(line->data + 1, line->len - 1);
    }
    word = vv_span(line->data, 0);
    while (line->len > 0 && !is_blank(line->data[0])) {
        *line = vv_span(line->data + 1, line->len - 1);
        word.len++;
    }
    return word;
}

static bool
read_number(struct vv_span word, uint32_t *ret)
{
    uint64_t value = 0;

    if (word.len == 0 || word.len > 10) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(word.data[i] - '0');
    }
    *ret = (uint32_t)value;
    return value <= UINT32_MAX;
}

static bool
read_position(struct vv_span word, uint64_t *ret)
{
    char text[WAL_LSN_TEXT];

    if (word.len == 0 || word.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    return wal_lsn_parse(text, ret);
}

/** One line: an ancestor, or nothing (*ret_any). */
static bool
read_line(struct vv_span line, struct wal_ancestor *ret, bool *ret_any)
{
    struct vv_span word = next_word(&line);

    *ret_any = word.len > 0 && word.data[0] != '#';
    return !*ret_any ||
           (read_number(word, &ret->timeline) && read_position(next_word(&line), &ret->end));
}

static struct vv_span
next_line(struct vv_span *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end != NULL ? (size_t)(end - text->data) : text->len;
    struct vv_span line = vv_span(text->data, len);

    len += end != NULL;
    *text = vv_span(text->data + len, text->len - len);
    return line;
}

enum vv_rc
wal_history_parse(struct vv_span text, uint32_t timeline, struct vv_arena *arena,
                  struct wal_history *ret, struct vv_error *err)
{
    struct wal_history h = {.timeline = timeline};
    struct vv_span rest = text;
    uint32_t lines = 1;

    if (text.len > LIMIT_WAL_HISTORY) {
        return vv_error_set(err, VV_ECORRUPT, "the history of timeline %u is too long",
                            (unsigned)timeline);
    }
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
    }
    lines = lines < LIMIT_WAL_TIMELINES ? lines : LIMIT_WAL_TIMELINES;
    h.ancestors = vv_arena_alloc(arena, lines * sizeof(*h.ancestors));
    if (h.ancestors == NULL) {
        return vv_error_nomem(err);
    }
    while (rest.len > 0) {
        struct wal_ancestor a = {0};
        const struct wal_ancestor *last = h.count > 0 ? &h.ancestors[h.count - 1] : NULL;
        bool any = false;
        if (!read_line(next_line(&rest), &a, &any) ||
            (any && (h.count == lines || a.timeline == 0 || a.timeline >= timeline ||
                     (last != NULL && (a.timeline <= last->timeline || a.end < last->end))))) {
            return vv_error_set(err, VV_ECORRUPT, "the history of timeline %u is damaged",
                                (unsigned)timeline);
        }
        if (any) {
            h.ancestors[h.count++] = a;
        }
    }
    *ret = h;
    return VV_OK;
}
