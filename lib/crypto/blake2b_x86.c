/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BLAKE2b for eight or four messages side by side with AVX-512 or AVX2: lane i of each vector
 * belongs to message i.  Loading turns the rows (16 words of one message) into columns (one word of
 * every message).  Compiled for any x86-64; the scheduler calls what the CPU has.
 */
#include "crypto/blake2b_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

typedef uint64_t v4 __attribute__((vector_size(32)));
typedef uint64_t v8 __attribute__((vector_size(64)));

#define SPLAT4(x) ((v4){(x), (x), (x), (x)})
#define SPLAT8(x) ((v8){(x), (x), (x), (x), (x), (x), (x), (x)})

/* Rotations: AVX-512 has them; AVX2 shuffles bytes where it can. */
#define ROTATE_AVX512(x, n) ((v8)_mm512_ror_epi64((__m512i)(x), (n)))
#define ROTATE_AVX512VL(x, n) ((v4)_mm256_ror_epi64((__m256i)(x), (n)))
#define ROTATE_AVX2(x, n) rotate_##n(x)

BLAKE2B_TARGET_AVX2 static inline v4
rotate_32(v4 x)
{
    return (v4)_mm256_shuffle_epi32((__m256i)x, _MM_SHUFFLE(2, 3, 0, 1));
}

BLAKE2B_TARGET_AVX2 static inline v4
rotate_24(v4 x)
{
    const __m256i order = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3,
                                           4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
    return (v4)_mm256_shuffle_epi8((__m256i)x, order);
}

BLAKE2B_TARGET_AVX2 static inline v4
rotate_16(v4 x)
{
    const __m256i order = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2,
                                           3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
    return (v4)_mm256_shuffle_epi8((__m256i)x, order);
}

BLAKE2B_TARGET_AVX2 static inline v4
rotate_63(v4 x)
{
    return (x >> 63) ^ (x + x);
}

/* Words 0 to 3 behind ${offset} of four blocks, as columns. */
BLAKE2B_TARGET_AVX2 static inline void
load_4x4(const uint8_t *const block[4], size_t offset, v4 m[4])
{
    __m256i r0 = _mm256_loadu_si256((const __m256i_u *)(const void *)(block[0] + offset));
    __m256i r1 = _mm256_loadu_si256((const __m256i_u *)(const void *)(block[1] + offset));
    __m256i r2 = _mm256_loadu_si256((const __m256i_u *)(const void *)(block[2] + offset));
    __m256i r3 = _mm256_loadu_si256((const __m256i_u *)(const void *)(block[3] + offset));
    __m256i even01 = _mm256_unpacklo_epi64(r0, r1); /* words 0 and 2 of messages 0 and 1 */
    __m256i odd01 = _mm256_unpackhi_epi64(r0, r1);
    __m256i even23 = _mm256_unpacklo_epi64(r2, r3);
    __m256i odd23 = _mm256_unpackhi_epi64(r2, r3);
    m[0] = (v4)_mm256_permute2x128_si256(even01, even23, 0x20);
    m[1] = (v4)_mm256_permute2x128_si256(odd01, odd23, 0x20);
    m[2] = (v4)_mm256_permute2x128_si256(even01, even23, 0x31);
    m[3] = (v4)_mm256_permute2x128_si256(odd01, odd23, 0x31);
}

BLAKE2B_TARGET_AVX2 static inline void
load_4x16(const uint8_t *const block[4], v4 m[16])
{
    load_4x4(block, 0, m);
    load_4x4(block, 32, m + 4);
    load_4x4(block, 64, m + 8);
    load_4x4(block, 96, m + 12);
}

/* Four words of one parity (even or odd) of eight messages: pairs of rows in, columns out. */
BLAKE2B_TARGET_AVX512 static inline void
columns_of_pairs(__m512i p01, __m512i p23, __m512i p45, __m512i p67, v8 *m)
{
    __m512i low = _mm512_shuffle_i64x2(p01, p23, 0x88);
    __m512i high = _mm512_shuffle_i64x2(p45, p67, 0x88);
    m[0] = (v8)_mm512_shuffle_i64x2(low, high, 0x88);
    m[4] = (v8)_mm512_shuffle_i64x2(low, high, 0xdd);
    low = _mm512_shuffle_i64x2(p01, p23, 0xdd);
    high = _mm512_shuffle_i64x2(p45, p67, 0xdd);
    m[2] = (v8)_mm512_shuffle_i64x2(low, high, 0x88);
    m[6] = (v8)_mm512_shuffle_i64x2(low, high, 0xdd);
}

/* Words 0 to 7 behind ${offset} of eight blocks, as columns. */
BLAKE2B_TARGET_AVX512 static inline void
load_8x8(const uint8_t *const block[8], size_t offset, v8 m[8])
{
    __m512i r[8];
#define ROW(i) r[i] = _mm512_loadu_si512(block[i] + offset);
    BLAKE2B_EACH_OF_8(ROW)
#undef ROW
    columns_of_pairs(_mm512_unpacklo_epi64(r[0], r[1]), _mm512_unpacklo_epi64(r[2], r[3]),
                     _mm512_unpacklo_epi64(r[4], r[5]), _mm512_unpacklo_epi64(r[6], r[7]), m);
    columns_of_pairs(_mm512_unpackhi_epi64(r[0], r[1]), _mm512_unpackhi_epi64(r[2], r[3]),
                     _mm512_unpackhi_epi64(r[4], r[5]), _mm512_unpackhi_epi64(r[6], r[7]), m + 1);
}

/* The kernels' bodies differ in types and rotation only; each keeps the state in h[8]. */
#define READ_STATE4(i) h[i] = *(const v4 *)(const void *)s->h[i];
#define WRITE_STATE4(i) *(v4 *)(void *)s->h[i] = h[i];
#define READ_STATE8(i) h[i] = *(const v8 *)(const void *)s->h[i];
#define WRITE_STATE8(i) *(v8 *)(void *)s->h[i] = h[i];
#define READ_BLOCK(i) block[i] = s->block[i];
#define WRITE_BLOCK(i) s->block[i] = block[i];
#define NEXT_BLOCK(i) block[i] += BLAKE2B_BLOCK;
#define FIRST_4(f) f(0) f(1) f(2) f(3)
#define FEED_FORWARD(i) h[i] ^= v[i] ^ v[(i) + 8];
#define START(i) v[i] = h[i];
#define START_WORKING(SPLAT)                                                                       \
    BLAKE2B_EACH_OF_8(START)                                                                       \
    v[8] = SPLAT(BLAKE2B_IV0);                                                                     \
    v[9] = SPLAT(BLAKE2B_IV1);                                                                     \
    v[10] = SPLAT(BLAKE2B_IV2);                                                                    \
    v[11] = SPLAT(BLAKE2B_IV3);                                                                    \
    v[12] = SPLAT(BLAKE2B_IV4) ^ counter;                                                          \
    v[13] = SPLAT(BLAKE2B_IV5);                                                                    \
    v[14] = SPLAT(BLAKE2B_IV6) ^ final;                                                            \
    v[15] = SPLAT(BLAKE2B_IV7);

#define FOUR_LANES(ROTATE)                                                                         \
    const uint8_t *block[4];                                                                       \
    v4 h[8];                                                                                       \
    v4 counter = *(const v4 *)(const void *)s->counter;                                            \
    const v4 final = *(const v4 *)(const void *)s->final;                                          \
    FIRST_4(READ_BLOCK)                                                                            \
    BLAKE2B_EACH_OF_8(READ_STATE4)                                                                 \
    for (; steps > 0; steps--) {                                                                   \
        v4 m[16];                                                                                  \
        v4 v[16];                                                                                  \
        load_4x16(block, m);                                                                       \
        START_WORKING(SPLAT4)                                                                      \
        BLAKE2B_ROUNDS(ROTATE)                                                                     \
        BLAKE2B_EACH_OF_8(FEED_FORWARD)                                                            \
        FIRST_4(NEXT_BLOCK)                                                                        \
        counter += SPLAT4(BLAKE2B_BLOCK);                                                          \
    }                                                                                              \
    BLAKE2B_EACH_OF_8(WRITE_STATE4)                                                                \
    FIRST_4(WRITE_BLOCK)                                                                           \
    *(v4 *)(void *)s->counter = counter

void
blake2b_avx2(struct blake2b_lanes *s, size_t steps)
{
    FOUR_LANES(ROTATE_AVX2);
}

void
blake2b_avx512vl(struct blake2b_lanes *s, size_t steps)
{
    FOUR_LANES(ROTATE_AVX512VL);
}

void
blake2b_avx512(struct blake2b_lanes *s, size_t steps)
{
    const uint8_t *block[8];
    v8 h[8];
    v8 counter = *(const v8 *)(const void *)s->counter;
    const v8 final = *(const v8 *)(const void *)s->final;
    BLAKE2B_EACH_OF_8(READ_BLOCK)
    BLAKE2B_EACH_OF_8(READ_STATE8)
    for (; steps > 0; steps--) {
        v8 m[16];
        v8 v[16];
        load_8x8(block, 0, m);
        load_8x8(block, 64, m + 8);
        START_WORKING(SPLAT8)
        BLAKE2B_ROUNDS(ROTATE_AVX512)
        BLAKE2B_EACH_OF_8(FEED_FORWARD)
        BLAKE2B_EACH_OF_8(NEXT_BLOCK)
        counter += SPLAT8(BLAKE2B_BLOCK);
    }
    BLAKE2B_EACH_OF_8(WRITE_STATE8)
    BLAKE2B_EACH_OF_8(WRITE_BLOCK)
    *(v8 *)(void *)s->counter = counter;
}

#endif
