/* SPDX-License-Identifier: BSD-2-Clause */
/* The code is the one of varve-format(5), and any two shards come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "parity/reed_solomon.h"

#define LEN_MAX 300u

struct shards {
    uint8_t bytes[PARITY_SHARDS][LEN_MAX];
    uint8_t *at[PARITY_SHARDS];
};

static void
encode(struct shards *s, size_t len)
{
    const uint8_t *data[PARITY_DATA];

    for (unsigned i = 0; i < PARITY_SHARDS; i++) {
        s->at[i] = s->bytes[i];
    }
    memcpy(data, s->at, sizeof(data));
    reed_solomon_encode(data, &s->at[PARITY_DATA], len);
}

static void
fill(struct shards *s, unsigned seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (unsigned i = 0; i < PARITY_DATA; i++) {
        for (unsigned j = 0; j < LEN_MAX; j++) {
            x = x * 1664525u + 1013904223u;
            s->bytes[i][j] = (uint8_t)(x >> 24);
        }
    }
}

/** a * 2 in GF(2^8) modulo 0x11d. */
static uint8_t
twice(uint8_t a)
{
    return (uint8_t)((a << 1) ^ ((a & 0x80) != 0 ? 0x1d : 0));
}

static void
reed_solomon__is_the_code_of_the_manual(void **state)
{
    static struct shards s;
    static const size_t lengths[] = {1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 128, 299, 300};

    (void)state;
    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        fill(&s, (unsigned)l);
        encode(&s, lengths[l]);
        for (size_t j = 0; j < lengths[l]; j++) {
            uint8_t sum = 0;
            uint8_t weighted = 0;
            for (unsigned i = PARITY_DATA; i-- > 0;) { /* Horner */
                sum ^= s.bytes[i][j];
                weighted = (uint8_t)(twice(weighted) ^ s.bytes[i][j]);
            }
            assert_int_equal(s.bytes[PARITY_DATA][j], sum);
            assert_int_equal(s.bytes[PARITY_DATA + 1][j], weighted);
        }
    }
}

static void
reed_solomon__any_two_shards_come_back(void **state)
{
    static struct shards s;
    static struct shards original;

    (void)state;
    fill(&s, 7);
    encode(&s, LEN_MAX);
    original = s;
    for (unsigned a = 0; a < PARITY_SHARDS; a++) {
        for (unsigned b = a; b < PARITY_SHARDS; b++) {
            unsigned lost[2] = {a, b};
            memset(s.bytes[a], 0xa5, LEN_MAX);
            memset(s.bytes[b], 0x5a, LEN_MAX);
            assert_true(reed_solomon_rebuild(s.at, lost, a == b ? 1 : 2, LEN_MAX));
            assert_memory_equal(s.bytes, original.bytes, sizeof(s.bytes));
        }
    }
}

static void
reed_solomon__refuses_what_cannot_be(void **state)
{
    static struct shards s;
    static const unsigned three[] = {1, 2, 3};
    static const unsigned beyond[] = {1, 34};
    static const unsigned twice_the_same[] = {4, 4};
    static const unsigned descending[] = {4, 3};

    (void)state;
    fill(&s, 9);
    encode(&s, LEN_MAX);
    assert_true(reed_solomon_rebuild(s.at, three, 0, LEN_MAX));
    assert_false(reed_solomon_rebuild(s.at, three, 3, LEN_MAX));
    assert_false(reed_solomon_rebuild(s.at, beyond, 2, LEN_MAX));
    assert_false(reed_solomon_rebuild(s.at, twice_the_same, 2, LEN_MAX));
    assert_false(reed_solomon_rebuild(s.at, descending, 2, LEN_MAX));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reed_solomon__is_the_code_of_the_manual),
        cmocka_unit_test(reed_solomon__any_two_shards_come_back),
        cmocka_unit_test(reed_solomon__refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
