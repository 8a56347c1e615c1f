/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gear with a threshold test.  h' = 2h + table[byte] is a chain of dependent steps; unrolled by
 * eight with the table sums worked out beside the chain (2h' + t = 4h + (2s + t) and so on) only
 * two operations per two bytes are left on it.
 */
#include "chunker/chunker.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define WINDOW 64u /* a byte's contribution is shifted out after 64 steps */

void
chunker_init(struct chunker *c, const uint8_t table_bytes[2048], size_t min, size_t max,
             uint64_t threshold)
{
    assert(min >= WINDOW && max >= min);
    for (size_t i = 0; i < 256; i++) {
        uint64_t entry;
        memcpy(&entry, table_bytes + 8 * i, sizeof(entry));
        c->table[i] = le64toh(entry);
    }
    c->min = min;
    c->max = max;
    c->threshold = threshold;
}

/* The first position in [from, end) behind whose byte h < threshold, plus one; 0 if there is none.
 * ${h} is the hash before position from. */
static size_t
find_cut(const struct chunker *c, const uint8_t *data, size_t from, size_t end, uint64_t h)
{
    const uint64_t *t = c->table;
    const uint64_t threshold = c->threshold;
    size_t i = from;
    for (; end - i >= 8; i += 8) {
        const uint8_t *p = data + i;
        uint64_t a1 = t[p[0]];
        uint64_t a2 = 2 * a1 + t[p[1]];
        uint64_t b1 = t[p[2]];
        uint64_t b2 = 2 * b1 + t[p[3]];
        uint64_t c1 = t[p[4]];
        uint64_t c2 = 2 * c1 + t[p[5]];
        uint64_t d1 = t[p[6]];
        uint64_t d2 = 2 * d1 + t[p[7]];
        uint64_t h1 = 2 * h + a1;
        uint64_t h2 = 4 * h + a2;
        uint64_t h3 = 2 * h2 + b1;
        uint64_t h4 = 4 * h2 + b2;
        uint64_t h5 = 2 * h4 + c1;
        uint64_t h6 = 4 * h4 + c2;
        uint64_t h7 = 2 * h6 + d1;
        h = 4 * h6 + d2;
        if (h1 < threshold || h2 < threshold || h3 < threshold || h4 < threshold) {
            return i + (h1 < threshold ? 1u : h2 < threshold ? 2u : h3 < threshold ? 3u : 4u);
        }
        if (h5 < threshold || h6 < threshold || h7 < threshold || h < threshold) {
            return i + (h5 < threshold ? 5u : h6 < threshold ? 6u : h7 < threshold ? 7u : 8u);
        }
    }
    for (; i < end; i++) {
        h = 2 * h + t[data[i]];
        if (h < threshold) {
            return i + 1;
        }
    }
    return 0;
}

size_t
chunker_cut(const struct chunker *c, const uint8_t *data, size_t len)
{
    size_t end = len < c->max ? len : c->max;
    if (end < c->min) {
        return end;
    }
    /* The window before the first place a cut is allowed; that place is position min - 1. */
    uint64_t h = 0;
    for (size_t i = c->min - WINDOW; i < c->min - 1; i++) {
        h = 2 * h + c->table[data[i]];
    }
    size_t cut = find_cut(c, data, c->min - 1, end, h);
    return cut != 0 ? cut : end;
}
