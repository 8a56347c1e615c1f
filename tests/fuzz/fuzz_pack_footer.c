/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a pack footer; the file has the size it claims. */
#include "format/pack.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pack_footer f;
    uint8_t again[PACK_FOOTER_PLAIN];
    if (size >= PACK_FOOTER_PLAIN &&
        pack_footer_decode(data, vv_load_u64(data + 24), &f, NULL) == VV_OK) {
        fuzz_require(f.directory_offset + f.directory_stored + PACK_TAIL_LEN == f.file_size);
        pack_footer_encode(&f, again);
        fuzz_require(memcmp(data, again, sizeof(again)) == 0);
    }
    return 0;
}
