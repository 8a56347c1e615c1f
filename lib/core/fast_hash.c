/* SPDX-License-Identifier: BSD-2-Clause */
/* XXH3 behind our own names, so that xxhash.h stays in one place. */
#include "core/fast_hash.h"

#include <string.h>
#include <xxhash.h>

uint64_t
vv_hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

void
vv_hash128(const void *data, size_t len, uint8_t out[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    memcpy(out, canonical.digest, 16);
}
