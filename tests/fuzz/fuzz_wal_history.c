/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: timeline histories. */
#include "format/wal.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_arena arena = {0};
    struct wal_history h;
    uint32_t timeline = size > 0 ? data[0] : 1;

    if (wal_history_parse(vv_span(data, size), timeline, &arena, &h, NULL) == VV_OK) {
        for (uint32_t i = 0; i < h.count; i++) {
            fuzz_require(h.ancestors[i].timeline != 0 && h.ancestors[i].timeline < timeline);
            fuzz_require(i == 0 || (h.ancestors[i].timeline > h.ancestors[i - 1].timeline &&
                                    h.ancestors[i].end >= h.ancestors[i - 1].end));
        }
    }
    vv_arena_release(&arena);
    return 0;
}
