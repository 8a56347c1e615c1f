/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_BLAKE2B_INTERNAL_H
#define VARVE_CRYPTO_BLAKE2B_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the BLAKE2b kernels and their scheduler (blake2b_many.c) share.  A kernel advances several
 * messages side by side, one in each 64-bit lane of a vector register.
 */

#define BLAKE2B_BLOCK 128u
#define BLAKE2B_LANES_MAX 8u

/** The chaining values of up to eight messages, word by word: h[word][lane]. */
struct blake2b_lanes {
    _Alignas(64) uint64_t h[8][BLAKE2B_LANES_MAX];
    _Alignas(64) uint64_t counter[BLAKE2B_LANES_MAX]; /* bytes hashed once the next block is in */
    _Alignas(64) uint64_t final[BLAKE2B_LANES_MAX];   /* all ones: the next block is the last one */
    const uint8_t *block[BLAKE2B_LANES_MAX];          /* the next block: 128 readable bytes */
};

/**
 * A kernel of W lanes: compress ${steps} consecutive blocks of lanes 0 to W-1.  Advances h, block
 * and counter (by 128 a step, from the values given for the first).  Lanes from W on are untouched.
 */
typedef void blake2b_kernel(struct blake2b_lanes *s, size_t steps);

void blake2b_scalar(struct blake2b_lanes *s, size_t steps); /* one lane, everywhere */
#if defined(__x86_64__)
#define BLAKE2B_TARGET_AVX2 __attribute__((target("avx2")))
#define BLAKE2B_TARGET_AVX512 __attribute__((target("avx512f,avx512vl")))
/* Four lanes; four lanes with native rotations; eight lanes. */
void blake2b_avx2(struct blake2b_lanes *s, size_t steps) BLAKE2B_TARGET_AVX2;
void blake2b_avx512vl(struct blake2b_lanes *s, size_t steps) BLAKE2B_TARGET_AVX512;
void blake2b_avx512(struct blake2b_lanes *s, size_t steps) BLAKE2B_TARGET_AVX512;
#endif

/** The initial vector of RFC 7693. */
#define BLAKE2B_IV0 UINT64_C(0x6a09e667f3bcc908)
#define BLAKE2B_IV1 UINT64_C(0xbb67ae8584caa73b)
#define BLAKE2B_IV2 UINT64_C(0x3c6ef372fe94f82b)
#define BLAKE2B_IV3 UINT64_C(0xa54ff53a5f1d36f1)
#define BLAKE2B_IV4 UINT64_C(0x510e527fade682d1)
#define BLAKE2B_IV5 UINT64_C(0x9b05688c2b3e6c1f)
#define BLAKE2B_IV6 UINT64_C(0x1f83d9abfb41bd6b)
#define BLAKE2B_IV7 UINT64_C(0x5be0cd19137e2179)

/* f(0) ... f(7): loops the compiler shall not keep as loops, so that arrays become registers. */
#define BLAKE2B_EACH_OF_8(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

/*
 * The rounds on locals v[16] and m[16] of any unsigned 64-bit type, scalar or vector; R(x, n)
 * rotates right by n.  Four independent G functions are interleaved.
 */
#define BLAKE2B_MIX4(R, n, d0, d1, d2, d3, a0, a1, a2, a3)                                         \
    v[d0] = R(v[d0] ^ v[a0], n);                                                                   \
    v[d1] = R(v[d1] ^ v[a1], n);                                                                   \
    v[d2] = R(v[d2] ^ v[a2], n);                                                                   \
    v[d3] = R(v[d3] ^ v[a3], n);

#define BLAKE2B_FEED4(b0, b1, b2, b3, m0, m1, m2, m3)                                              \
    v[0] += v[b0] + m[m0];                                                                         \
    v[1] += v[b1] + m[m1];                                                                         \
    v[2] += v[b2] + m[m2];                                                                         \
    v[3] += v[b3] + m[m3];

#define BLAKE2B_SUM4(c0, c1, c2, c3, d0, d1, d2, d3)                                               \
    v[c0] += v[d0];                                                                                \
    v[c1] += v[d1];                                                                                \
    v[c2] += v[d2];                                                                                \
    v[c3] += v[d3];

#define BLAKE2B_HALF(R, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2,    \
                     x3, y3)                                                                       \
    BLAKE2B_FEED4(b0, b1, b2, b3, x0, x1, x2, x3)                                                  \
    BLAKE2B_MIX4(R, 32, d0, d1, d2, d3, 0, 1, 2, 3)                                                \
    BLAKE2B_SUM4(c0, c1, c2, c3, d0, d1, d2, d3)                                                   \
    BLAKE2B_MIX4(R, 24, b0, b1, b2, b3, c0, c1, c2, c3)                                            \
    BLAKE2B_FEED4(b0, b1, b2, b3, y0, y1, y2, y3)                                                  \
    BLAKE2B_MIX4(R, 16, d0, d1, d2, d3, 0, 1, 2, 3)                                                \
    BLAKE2B_SUM4(c0, c1, c2, c3, d0, d1, d2, d3)                                                   \
    BLAKE2B_MIX4(R, 63, b0, b1, b2, b3, c0, c1, c2, c3)

#define BLAKE2B_ROUND(R, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf)           \
    BLAKE2B_HALF(R, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, s0, s1, s2, s3, s4, s5, s6, s7)      \
    BLAKE2B_HALF(R, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, s8, s9, sa, sb, sc, sd, se, sf)

#define BLAKE2B_ROUNDS(R)                                                                          \
    BLAKE2B_ROUND(R, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)                         \
    BLAKE2B_ROUND(R, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)                         \
    BLAKE2B_ROUND(R, 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)                         \
    BLAKE2B_ROUND(R, 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)                         \
    BLAKE2B_ROUND(R, 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)                         \
    BLAKE2B_ROUND(R, 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)                         \
    BLAKE2B_ROUND(R, 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)                         \
    BLAKE2B_ROUND(R, 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)                         \
    BLAKE2B_ROUND(R, 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)                         \
    BLAKE2B_ROUND(R, 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)                         \
    BLAKE2B_ROUND(R, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)                         \
    BLAKE2B_ROUND(R, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)

#endif
