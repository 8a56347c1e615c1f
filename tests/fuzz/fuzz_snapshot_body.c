/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the plaintext of a snapshot record's body. */
#include "format/snapshot.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf first = {0};
    struct vv_buf second = {0};
    struct snapshot_body b;
    if (snapshot_body_decode(vv_span(data, size), &b, NULL) == VV_OK) {
        /* Optional fields may be missing or unknown, so only what was encoded once is stable. */
        fuzz_require(snapshot_body_encode(&b, &first, NULL) == VV_OK);
        snapshot_body_release(&b);
        fuzz_require(snapshot_body_decode(vv_buf_span(&first), &b, NULL) == VV_OK);
        fuzz_require(snapshot_body_encode(&b, &second, NULL) == VV_OK);
        snapshot_body_release(&b);
        fuzz_same(vv_buf_span(&first), vv_buf_span(&second));
    }
    vv_buf_release(&first);
    vv_buf_release(&second);
    return 0;
}
