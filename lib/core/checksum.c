/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum of stored formats. */

#include "core/checksum.h"

#include <xxhash.h>

uint64_t
vv_checksum64(const void *data, size_t len)
{
    return XXH64(data, len, 0);
}
