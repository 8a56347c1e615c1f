/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CHUNKER_CHUNKER_H
#define VARVE_CHUNKER_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

/**
 * Content-defined cut points: keyed 64-bit Gear (h = (h << 1) + table[byte]), a cut behind the
 * first byte at which at least chunk_min bytes are in the chunk and h < threshold, at the latest
 * after chunk_max bytes.  Every chunk starts with h = 0 and hashes from its byte chunk_min - 64 on
 * (the window is 64 bytes).  Pure: no allocation, no I/O.
 */
struct chunker {
    uint64_t table[256];
    uint64_t threshold;
    size_t min;
    size_t max;
};

/** chunker_init(c, table_bytes, min, max, threshold): ${table_bytes} are 2048 keyed bytes, 256
 *  little-endian u64; 64 <= ${min} <= ${max}.  Cuts are wanted after min + 2^64 / threshold bytes
 *  on average; min about three times the second term deduplicates best at a given average. */
void chunker_init(struct chunker *c, const uint8_t table_bytes[2048], size_t min, size_t max,
                  uint64_t threshold);

/** chunker_cut(c, data, len): the length of the first chunk of ${data}; ${len} if no cut lies in
 *  it (then it is the last chunk, or the caller must come back with more when len < max). */
size_t chunker_cut(const struct chunker *c, const uint8_t *data, size_t len);

#endif
