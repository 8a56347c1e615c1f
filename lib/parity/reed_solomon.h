/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_PARITY_REED_SOLOMON_H
#define VARVE_PARITY_REED_SOLOMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reed-Solomon code 32+2 over GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), byte by byte: of 32
 * data shards d[0] to d[31],
 *     code shard 0 = sum of d[i],    code shard 1 = sum of 2^i d[i].
 * Any two of the 34 can be computed from the others.  Pure functions; thread-safe.
 */
#define PARITY_DATA 32u
#define PARITY_CODE 2u
#define PARITY_SHARDS (PARITY_DATA + PARITY_CODE)

/** reed_solomon_encode(data, code, len): compute both code shards; all shards have ${len} bytes. */
void reed_solomon_encode(const uint8_t *const data[PARITY_DATA], uint8_t *const code[PARITY_CODE],
                         size_t len);

/** reed_solomon_rebuild(shards, lost, lost_count, len): compute the ${lost_count} (at most
 *  PARITY_CODE) shards whose numbers are in ${lost}, ascending, from all others.  False if that is
 *  impossible: too many, or numbers that make no sense. */
bool reed_solomon_rebuild(uint8_t *const shards[PARITY_SHARDS], const unsigned *lost,
                          unsigned lost_count, size_t len);

#endif
