/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a member's name made a path.  Whatever comes in, what comes out is a path a snapshot
 * may hold, is the same when sanitised again, and its components are those of the name. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/common.h"
#include "source/archive_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next component that counts, from ${*at} on; length 0: there is none. */
static size_t
next_component(const uint8_t *name, size_t size, size_t *at, const uint8_t **ret)
{
    while (*at < size) {
        size_t start = *at;
        while (*at < size && name[*at] != '/') {
            (*at)++;
        }
        size_t len = *at - start;
        *at += 1;
        if (len > 0 && !(len == 1 && name[start] == '.')) {
            *ret = name + start;
            return len;
        }
    }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *out = malloc(size > 0 ? size : 1);
    uint8_t *again = malloc(size > 0 ? size : 1);
    const char *reason = NULL;
    size_t len = 0;
    if (out == NULL || again == NULL) {
        abort();
    }
    if (archive_name_sanitise(vv_span(data, size), out, &len, &reason)) {
        size_t again_len = 0;
        size_t from = 0;
        size_t to = 0;
        if (len > size || !path_valid(vv_span(out, len)) ||
            !archive_name_sanitise(vv_span(out, len), again, &again_len, &reason) ||
            again_len != len || memcmp(out, again, len) != 0) {
            abort();
        }
        for (;;) {
            const uint8_t *a = NULL;
            const uint8_t *b = NULL;
            size_t a_len = next_component(data, size, &from, &a);
            size_t b_len = next_component(out, len, &to, &b);
            if (a_len != b_len || (a_len > 0 && memcmp(a, b, a_len) != 0)) {
                abort();
            }
            if (a_len == 0) {
                break;
            }
        }
    } else if (reason == NULL) {
        abort();
    }
    free(out);
    free(again);
    return 0;
}
