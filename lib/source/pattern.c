/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of patterns: adding, reading them from a file, asking which one decides. */
#include "source/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/pattern_internal.h"

#define PATTERN_FILE_LIMIT ((size_t)64 << 20)
#define PATTERN_COUNT_LIMIT ((size_t)1 << 20)

struct pattern_set {
    struct pattern *patterns;
    size_t count;
    size_t cap;
    size_t negated;
};

enum vv_rc
pattern_set_new(struct pattern_set **ret, struct vv_error *err)
{
    struct pattern_set *p = vv_alloc_array(1, sizeof(*p));
    if (p == NULL) {
        return vv_error_nomem(err);
    }
    *ret = p;
    return VV_OK;
}

void
pattern_set_free(struct pattern_set *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->count; i++) {
        pattern_release(&p->patterns[i]);
    }
    vv_free(p->patterns);
    vv_free(p);
}

enum vv_rc
pattern_set_add(struct pattern_set *p, const char *pattern, struct vv_error *err)
{
    if (p->count == PATTERN_COUNT_LIMIT) {
        return vv_error_set(err, VV_ELIMIT, "more than %zu patterns", PATTERN_COUNT_LIMIT);
    }
    if (p->count == p->cap) {
        size_t cap = p->cap == 0 ? 8 : p->cap * 2;
        struct pattern *grown = vv_realloc_array(p->patterns, cap, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        p->patterns = grown;
        p->cap = cap;
    }
    struct pattern *slot = &p->patterns[p->count];
    VV_TRY(pattern_compile(pattern, slot, err));
    atomic_init(&slot->used, false);
    p->count++;
    p->negated += slot->negated ? 1 : 0;
    return VV_OK;
}

/* Cut spaces from the end, but not one that a backslash quotes. */
static size_t
trimmed_len(const char *line, size_t len)
{
    size_t keep = 0;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\\' && i + 1 < len) {
            i++;
            keep = i + 1;
        } else if (line[i] != ' ') {
            keep = i + 1;
        }
    }
    return keep;
}

static enum vv_rc
add_line(struct pattern_set *p, const uint8_t *line, size_t len, struct vv_error *err)
{
    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }
    if (len > 0 && line[0] == '#') {
        return VV_OK;
    }
    len = trimmed_len((const char *)line, len);
    if (len == 0) {
        return VV_OK;
    }
    if (memchr(line, 0, len) != NULL) {
        return vv_error_set(err, VV_EUSAGE, "a pattern holds a NUL byte");
    }
    VV_CLEANUP(vv_freep) char *text = vv_memdup(line, len);
    if (text == NULL) {
        return vv_error_nomem(err);
    }
    return pattern_set_add(p, text, err);
}

static enum vv_rc
read_standard_input(struct vv_buf *out, struct vv_error *err)
{
    size_t got = 1;
    while (got > 0) {
        if (out->len > PATTERN_FILE_LIMIT) {
            return vv_error_set(err, VV_ELIMIT, "patterns on standard input are over %zu bytes",
                                PATTERN_FILE_LIMIT);
        }
        VV_TRY(vv_buf_reserve(out, 65536, err));
        VV_TRY(vv_fd_read_full(STDIN_FILENO, out->data + out->len, 65536, "standard input", &got,
                               err));
        out->len += got;
    }
    return VV_OK;
}

enum vv_rc
pattern_set_add_file(struct pattern_set *p, const char *path, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf content = {0};
    bool standard_input = strcmp(path, "-") == 0;
    if (standard_input) {
        VV_TRY(read_standard_input(&content, err));
    } else {
        VV_TRY(vv_file_read(AT_FDCWD, path, PATTERN_FILE_LIMIT, &content, err));
    }
    size_t at = 0;
    if (content.len >= 3 && memcmp(content.data, "\xef\xbb\xbf", 3) == 0) {
        at = 3; /* a byte order mark some editors leave */
    }
    for (size_t line = 1; at < content.len; line++) {
        const uint8_t *start = content.data + at;
        const uint8_t *newline = memchr(start, '\n', content.len - at);
        size_t len = newline == NULL ? content.len - at : (size_t)(newline - start);
        if (add_line(p, start, len, err) != VV_OK) {
            return vv_error_prefix(err, "%s, line %zu", standard_input ? "standard input" : path,
                                   line);
        }
        at += len + 1;
    }
    return VV_OK;
}

bool
pattern_set_empty(const struct pattern_set *p)
{
    return p->count == 0;
}

static bool
pattern_matches(const struct pattern *p, struct vv_span path, struct vv_span name,
                bool is_directory)
{
    if (p->directory_only && !is_directory) {
        return false;
    }
    return p->anchored ? glob_match_path(&p->glob, path) : glob_match_name(&p->glob, name);
}

struct pattern_match
pattern_set_match(const struct pattern_set *p, struct vv_span path, bool is_directory)
{
    struct pattern_match match = {.rank = 0, .verdict = PATTERN_NONE};
    if (path.len == 0) {
        return match;
    }
    const uint8_t *slash = memrchr(path.data, '/', path.len);
    size_t start = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    struct vv_span name = vv_span(path.data + start, path.len - start);
    for (size_t i = p->count; i > 0; i--) {
        struct pattern *each = &p->patterns[i - 1];
        /* Behind the deciding one, only those are asked that have never matched yet. */
        bool used = atomic_load_explicit(&each->used, memory_order_relaxed);
        if ((match.rank != 0 && used) || !pattern_matches(each, path, name, is_directory)) {
            continue;
        }
        if (!used) {
            atomic_store_explicit(&each->used, true, memory_order_relaxed);
        }
        if (match.rank == 0) {
            match.rank = i;
            match.verdict = each->negated ? PATTERN_NEGATED : PATTERN_MATCH;
        }
    }
    return match;
}

struct pattern_match
pattern_match_below(struct pattern_match directory, struct pattern_match own)
{
    if (directory.verdict != PATTERN_MATCH) {
        return own;
    }
    return own.rank > directory.rank ? own : directory;
}

enum pattern_verdict
pattern_set_test(const struct pattern_set *p, struct vv_span path, bool is_directory)
{
    return pattern_set_match(p, path, is_directory).verdict;
}

static bool
any_below(const struct pattern_set *p, size_t first, struct vv_span directory, bool negated)
{
    for (size_t i = first; i < p->count; i++) {
        const struct pattern *each = &p->patterns[i];
        if (each->negated == negated &&
            (!each->anchored || glob_may_match_below(&each->glob, directory))) {
            return true;
        }
    }
    return false;
}

bool
pattern_set_may_match_below(const struct pattern_set *p, struct vv_span directory, bool negated)
{
    return any_below(p, 0, directory, negated);
}

bool
pattern_set_may_include_below(const struct pattern_set *p, size_t rank, struct vv_span directory)
{
    return p->negated > 0 && any_below(p, rank, directory, true);
}

const char *
pattern_set_unused(const struct pattern_set *p, size_t i)
{
    for (size_t at = 0; at < p->count; at++) {
        if (!atomic_load_explicit(&p->patterns[at].used, memory_order_relaxed) && i-- == 0) {
            return p->patterns[at].text;
        }
    }
    return NULL;
}
