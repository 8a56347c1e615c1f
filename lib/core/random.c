/* SPDX-License-Identifier: BSD-2-Clause */
/* Unpredictable bytes, straight from the kernel: nothing is buffered that a fork could repeat. */
#include "core/random.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

/* For tests: 0 means the kernel, else the next state of a SplitMix64 sequence. */
static _Atomic uint64_t test_state;

static uint64_t
mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
fill_from_test_sequence(unsigned char *out, size_t len)
{
    while (len > 0) {
        uint64_t word = mix(atomic_fetch_add(&test_state, GOLDEN_GAMMA));
        size_t n = len < sizeof(word) ? len : sizeof(word);
        memcpy(out, &word, n);
        out += n;
        len -= n;
    }
}

void
vv_random(void *buf, size_t len)
{
    unsigned char *out = buf;

    if (atomic_load_explicit(&test_state, memory_order_relaxed) != 0) {
        fill_from_test_sequence(out, len);
        return;
    }
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            abort();
        }
        out += n;
        len -= (size_t)n;
    }
}

void
vv_random_test_seed(uint64_t seed)
{
    atomic_store(&test_state, seed);
}
