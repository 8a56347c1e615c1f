/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a stream list. */
#include "format/entry.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct vv_arena arena = {0};
    struct chunk_ref *refs;
    uint32_t height;
    uint32_t count;
    if (list_decode(vv_span(data, size), &arena, &height, &refs, &count, NULL) == VV_OK) {
        fuzz_require(list_encode(height, refs, count, &again, NULL) == VV_OK);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
    }
    vv_buf_release(&again);
    vv_arena_release(&arena);
    return 0;
}
