/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a set of extended attributes. */
#include "format/entry.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct vv_arena arena = {0};
    struct xattr *xattrs;
    uint32_t count;
    if (xattrs_decode(vv_span(data, size), &arena, &xattrs, &count, NULL) == VV_OK) {
        xattrs_encode(xattrs, count, &again);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
    }
    vv_buf_release(&again);
    vv_arena_release(&arena);
    return 0;
}
