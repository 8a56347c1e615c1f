/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: an envelope. */
#include "format/envelope.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope e;
    if (envelope_decode(vv_span(data, size), &e, NULL) == VV_OK) {
        fuzz_require(e.ciphertext.data + e.ciphertext.len == data + size);
        fuzz_require((size_t)e.plain_len + ENVELOPE_OVERHEAD == size);
    }
    return 0;
}
