/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a map of data extents. */
#include "format/entry.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct vv_arena arena = {0};
    struct extent *extents;
    uint32_t count;
    if (extents_decode(vv_span(data, size), UINT64_MAX, &arena, &extents, &count, NULL) == VV_OK) {
        extents_encode(extents, count, &again);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
    }
    vv_buf_release(&again);
    vv_arena_release(&arena);
    return 0;
}
