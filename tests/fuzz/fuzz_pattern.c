/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: lines of patterns, an empty line, then paths to test, one a line. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "source/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the walk makes them: no empty component, so no slash at either end. */
static bool
well_formed(const uint8_t *path, size_t len)
{
    return len > 0 && path[0] != '/' && path[len - 1] != '/' && memmem(path, len, "//", 2) == NULL;
}

static void
test_one(const struct pattern_set *p, const uint8_t *path, size_t len)
{
    struct vv_span span = vv_span(path, len);
    struct pattern_match file = pattern_set_match(p, span, false);
    if (file.verdict != pattern_set_test(p, span, false)) {
        abort(); /* the mark of use must not change the answer */
    }
    /* Whatever matches must have been thought possible in every directory above it. */
    for (size_t i = 0; i < len && file.rank > 0 && well_formed(path, len); i++) {
        if (path[i] == '/' &&
            !pattern_set_may_match_below(p, vv_span(path, i), file.verdict == PATTERN_NEGATED)) {
            abort();
        }
    }
    (void)pattern_set_test(p, span, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pattern_set *p = NULL;
    bool patterns = true;
    if (size > 4096 || pattern_set_new(&p, NULL) != VV_OK) {
        return 0;
    }
    for (size_t at = 0; at < size;) {
        const uint8_t *line = data + at;
        const uint8_t *newline = memchr(line, '\n', size - at);
        size_t len = newline == NULL ? size - at : (size_t)(newline - line);
        at += len + 1;
        if (patterns && len == 0) {
            patterns = false;
        } else if (patterns) {
            char *text = vv_memdup(line, len);
            if (text != NULL && pattern_set_add(p, text, NULL) != VV_OK) {
                /* refused, which is fine */
            }
            vv_free(text);
        } else {
            test_one(p, line, len);
        }
    }
    (void)pattern_set_unused(p, 0);
    pattern_set_free(p);
    return 0;
}
