/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BLAKE2b compression function for one message, in plain C.  It finishes the last message of a
 * batch, whose chaining value libsodium could not take over, and absorbs the key block.
 */
#include "crypto/blake2b_internal.h"

#include <endian.h>
#include <string.h>

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (64 - (n))))

static inline uint64_t
load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

#define WORD(i) ((size_t)(i)*8)
#define LOAD(i) m[i] = load_word(block + WORD(i)), m[(i) + 8] = load_word(block + WORD((i) + 8));
#define START(i) v[i] = h[i];
#define FEED_FORWARD(i) h[i] ^= v[i] ^ v[(i) + 8];
#define READ_STATE(i) h[i] = s->h[i][0];
#define WRITE_STATE(i) s->h[i][0] = h[i];

void
blake2b_scalar(struct blake2b_lanes *s, size_t steps)
{
    const uint8_t *block = s->block[0];
    uint64_t counter = s->counter[0];
    uint64_t h[8];
    BLAKE2B_EACH_OF_8(READ_STATE)
    for (; steps > 0; steps--, block += BLAKE2B_BLOCK, counter += BLAKE2B_BLOCK) {
        uint64_t m[16];
        uint64_t v[16];
        BLAKE2B_EACH_OF_8(LOAD)
        BLAKE2B_EACH_OF_8(START)
        v[8] = BLAKE2B_IV0;
        v[9] = BLAKE2B_IV1;
        v[10] = BLAKE2B_IV2;
        v[11] = BLAKE2B_IV3;
        v[12] = BLAKE2B_IV4 ^ counter;
        v[13] = BLAKE2B_IV5;
        v[14] = BLAKE2B_IV6 ^ s->final[0];
        v[15] = BLAKE2B_IV7;
        BLAKE2B_ROUNDS(ROTATE)
        BLAKE2B_EACH_OF_8(FEED_FORWARD)
    }
    BLAKE2B_EACH_OF_8(WRITE_STATE)
    s->block[0] = block;
    s->counter[0] = counter;
}
