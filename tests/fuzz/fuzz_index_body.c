/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the plaintext of an index record. */
#include "format/index.h"
#include "format/pack.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct index_body b;
    struct pack_directory d;
    if (index_body_decode(vv_span(data, size), &b, NULL) == VV_OK) {
        fuzz_require(index_body_encode(&b, &again, NULL) == VV_OK);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
        if (pack_directory_decode(b.directory, b.file_size, &d, NULL) == VV_OK) {
            pack_directory_release(&d);
        }
    }
    vv_buf_release(&again);
    return 0;
}
