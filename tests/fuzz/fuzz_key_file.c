/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a key file. */
#include "format/key_slot.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct key_file f;
    struct key_file second;
    if (key_file_decode(vv_span(data, size), &f, NULL) == VV_OK) {
        /* Blanks at the ends of lines are dropped; nothing else may differ. */
        fuzz_require(key_file_encode(&f, &again, NULL) == VV_OK && again.len <= size + 1);
        fuzz_require(key_file_decode(vv_buf_span(&again), &second, NULL) == VV_OK);
        fuzz_require(memcmp(f.secret, second.secret, sizeof(f.secret)) == 0);
    }
    vv_buf_release(&again);
    return 0;
}
