/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_FAST_HASH_H
#define VARVE_CORE_FAST_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Fast hashes without any security (XXH3), for hash tables and the integrity of local cache
 * files.  Never for identity or for anything an attacker chooses. */

uint64_t vv_hash64(const void *data, size_t len, uint64_t seed);
/** 128 bits, for checksums of cache files. */
void vv_hash128(const void *data, size_t len, uint8_t out[16]);

#endif
