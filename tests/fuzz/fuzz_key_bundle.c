/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a key bundle. */
#include "format/key_slot.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct key_bundle b;
    struct key_bundle second;
    if (key_bundle_decode(vv_span(data, size), &b, NULL) == VV_OK) {
        /* Unknown optional fields are not kept, so the bytes may differ; the keys may not. */
        fuzz_require(key_bundle_encode(&b, &again, NULL) == VV_OK && again.len <= size);
        fuzz_require(key_bundle_decode(vv_buf_span(&again), &second, NULL) == VV_OK);
        fuzz_require(memcmp(b.master, second.master, sizeof(b.master)) == 0);
    }
    vv_buf_release(&again);
    return 0;
}
