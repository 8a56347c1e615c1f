/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_CHECKSUM_H
#define VARVE_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** vv_checksum64(data, len): XXH64 without a seed, the checksum of RFC 8878.  It finds where bytes
 *  have rotted, faster than they come from memory; it is no evidence against anybody's intention. */
uint64_t vv_checksum64(const void *data, size_t len);

#endif
