/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a pack header. */
#include "format/pack.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pack_header h;
    uint8_t again[PACK_HEADER_LEN];
    if (size >= PACK_HEADER_LEN && pack_header_decode(data, NULL, &h, NULL) == VV_OK) {
        pack_header_encode(&h, again);
        fuzz_require(memcmp(data, again, sizeof(again)) == 0);
    }
    return 0;
}
