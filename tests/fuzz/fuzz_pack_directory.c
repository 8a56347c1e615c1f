/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a pack directory. */
#include "format/pack.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct pack_directory d;
    if (pack_directory_decode(vv_span(data, size), LIMIT_PACK, &d, NULL) == VV_OK) {
        fuzz_require(pack_directory_encode(&d, &again, NULL) == VV_OK);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
        pack_directory_release(&d);
    }
    vv_buf_release(&again);
    return 0;
}
