/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum at the end of a gzip stream, which libarchive reads but does not compare. */
#include <string.h>

#include "archive/archive_reader_internal.h"
#include "core/alloc.h"

#define POLYNOMIAL 0xedb88320u /* CRC-32 as in RFC 1952, bits reversed */

struct archive_gzip {
    uint32_t table[8][256];
    uint32_t crc;    /* of the uncompressed bytes, inverted */
    uint32_t size;   /* their number, modulo 2^32 */
    uint8_t tail[8]; /* the last compressed bytes: the trailer, if nothing follows it */
    size_t tail_len;
};

struct archive_gzip *
archive_gzip_new(void)
{
    struct archive_gzip *g = vv_alloc_array(1, sizeof(*g));

    if (g == NULL) {
        return NULL;
    }
    g->crc = 0xffffffffu;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (unsigned bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ ((value & 1) != 0 ? POLYNOMIAL : 0);
        }
        g->table[0][i] = value;
    }
    for (unsigned k = 1; k < 8; k++) {
        for (unsigned i = 0; i < 256; i++) {
            uint32_t before = g->table[k - 1][i];
            g->table[k][i] = (before >> 8) ^ g->table[0][before & 0xff];
        }
    }
    return g;
}

void
archive_gzip_compressed(struct archive_gzip *g, const uint8_t *data, size_t len)
{
    size_t take = len < sizeof(g->tail) ? len : sizeof(g->tail);
    size_t keep = sizeof(g->tail) - take;

    keep = keep < g->tail_len ? keep : g->tail_len;
    memmove(g->tail, g->tail + (g->tail_len - keep), keep);
    memcpy(g->tail + keep, data + (len - take), take);
    g->tail_len = keep + take;
}

void
archive_gzip_plain(struct archive_gzip *g, const uint8_t *data, size_t len)
{
    uint32_t crc = g->crc;

    g->size += (uint32_t)len;
    for (; len >= 8; data += 8, len -= 8) { /* eight bytes at a time ("slicing") */
        uint32_t low = vv_load_u32(data) ^ crc;
        uint32_t high = vv_load_u32(data + 4);
        crc = g->table[7][low & 0xff] ^ g->table[6][(low >> 8) & 0xff] ^
              g->table[5][(low >> 16) & 0xff] ^ g->table[4][low >> 24] ^ g->table[3][high & 0xff] ^
              g->table[2][(high >> 8) & 0xff] ^ g->table[1][(high >> 16) & 0xff] ^
              g->table[0][high >> 24];
    }
    for (; len > 0; data++, len--) {
        crc = (crc >> 8) ^ g->table[0][(crc ^ *data) & 0xff];
    }
    g->crc = crc;
}

bool
archive_gzip_damaged(const struct archive_gzip *g)
{
    return g->tail_len == sizeof(g->tail) && vv_load_u32(g->tail + 4) == g->size &&
           vv_load_u32(g->tail) != ~g->crc;
}
