/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cut points: the fast chunker against a direct reading of the contract.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunker/chunker.h"
#include "core/macros.h"

static uint64_t seed;
static uint8_t table_bytes[2048];

static uint64_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint8_t *
random_bytes(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(next_random() >> 32);
    }
    return bytes;
}

/* The contract word for word: byte by byte, and the table from its bytes. */
static size_t
reference_cut(size_t min, size_t max, uint64_t threshold, const uint8_t *data, size_t len)
{
    uint64_t h = 0;
    for (size_t i = 0; i < len; i++) {
        if (i >= min - 64) {
            uint64_t entry = 0;
            for (unsigned k = 0; k < 8; k++) {
                entry |= (uint64_t)table_bytes[8u * data[i] + k] << (8 * k);
            }
            h = (h << 1) + entry;
        }
        if ((i + 1 >= min && h < threshold) || i + 1 == max) {
            return i + 1;
        }
    }
    return len;
}

static void
check_cut(const struct chunker *c, const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1); /* a sanitizer sees reads beyond the end */
    assert_non_null(exact);
    memcpy(exact, data, len);
    size_t expected = reference_cut(c->min, c->max, c->threshold, exact, len);
    size_t got = chunker_cut(c, exact, len);
    free(exact);
    if (got != expected) {
        fail_msg("min %zu max %zu threshold %llx length %zu: %zu, not %zu", c->min, c->max,
                 (unsigned long long)c->threshold, len, got, expected);
    }
}

static void
chunker_cut__equals_the_reference_for_every_length(void **state)
{
    (void)state;
    static const uint64_t thresholds[] = {0, UINT64_C(1) << 54, UINT64_C(1) << 57,
                                          UINT64_C(1) << 60, UINT64_MAX};
    uint8_t *data = random_bytes(1200);
    for (size_t t = 0; t < VV_COUNT(thresholds); t++) {
        for (size_t min = 64; min < 80; min++) {
            struct chunker c;
            size_t max = min + (size_t)(next_random() % 800);
            chunker_init(&c, table_bytes, min, max, thresholds[t]);
            for (size_t len = 0; len <= max + 20; len += len > 300 ? 7 : 1) {
                check_cut(&c, data, len);
            }
        }
    }
    free(data);
}

static void
chunker_cut__equals_the_reference_on_random_data(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        size_t len = 100000 + (size_t)(next_random() % 100000);
        uint8_t *data = random_bytes(len);
        if (round % 4 == 1) { /* few byte values */
            for (size_t i = 0; i < len; i++) {
                data[i] &= 3;
            }
        } else if (round % 4 == 2) {
            memset(data + len / 3, 0, len / 3);
        }
        struct chunker c;
        size_t min = 64 + (size_t)(next_random() % 3000);
        size_t max = min + (size_t)(next_random() % 30000);
        chunker_init(&c, table_bytes, min, max, UINT64_C(1) << (50 + next_random() % 8));
        for (size_t at = 0; at < len;) {
            check_cut(&c, data + at, len - at < max ? len - at : max);
            size_t cut = chunker_cut(&c, data + at, len - at);
            assert_true(cut > 0 && cut <= max && (cut >= min || at + cut == len));
            at += cut;
        }
        free(data);
    }
}

/* However the data arrives, a reader that comes back with more gets the same cuts. */
static void
chunker_cut__does_not_depend_on_the_window_given(void **state)
{
    (void)state;
    uint8_t *data = random_bytes(60000);
    struct chunker c;
    chunker_init(&c, table_bytes, 300, 4000, UINT64_C(1) << 54);
    size_t cut = chunker_cut(&c, data, 60000);
    for (size_t window = cut; window <= 4100; window++) {
        assert_int_equal(chunker_cut(&c, data, window), cut);
    }
    for (size_t window = 0; window < cut; window++) {
        assert_int_equal(chunker_cut(&c, data, window), window);
    }
    free(data);
}

static void
chunker_cut__finds_its_cuts_again_after_an_insertion(void **state)
{
    (void)state;
    enum { LEN = 400000, SHIFT = 77, EDIT = 100000 };
    uint8_t *old = random_bytes(LEN);
    uint8_t *new = random_bytes(LEN + SHIFT);
    memcpy(new, old, EDIT);
    memcpy(new + EDIT + SHIFT, old + EDIT, LEN - EDIT);
    uint8_t *is_cut = calloc(LEN + 1, 1);
    assert_non_null(is_cut);
    struct chunker c;
    chunker_init(&c, table_bytes, 1024, 16384, UINT64_C(1) << 54);
    for (size_t at = 0; at < LEN;) {
        at += chunker_cut(&c, old + at, LEN - at);
        is_cut[at] = 1;
    }
    size_t found = 0;
    size_t missed = 0;
    for (size_t at = 0; at < LEN + SHIFT;) {
        at += chunker_cut(&c, new + at, LEN + SHIFT - at);
        if (at > EDIT + SHIFT + 100000) { /* far behind the edit they are in step again */
            found += is_cut[at - SHIFT];
            missed += !is_cut[at - SHIFT];
        }
    }
    assert_true(found > 20);
    assert_int_equal(missed, 0);
    free(old);
    free(new);
    free(is_cut);
}

static void
chunker_cut__has_the_expected_mean(void **state)
{
    (void)state;
    enum { LEN = 8 << 20 };
    uint8_t *data = random_bytes(LEN);
    struct chunker c;
    chunker_init(&c, table_bytes, 2048, 16384, UINT64_C(1) << 53); /* 2048 + 2048, bounded */
    size_t count = 0;
    for (size_t at = 0; at < LEN; count++) {
        at += chunker_cut(&c, data + at, LEN - at);
    }
    assert_in_range(LEN / count, 3800, 4400);
    free(data);
}

/* One frozen example: the table is SplitMix64 from 0, the data its continuation; the cuts were made
 * by an independent script (cut points are part of the format: changing them loses all dedup). */
static uint64_t
splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
chunker_cut__keeps_to_frozen_vectors(void **state)
{
    (void)state;
    static const size_t expected[] = {2612,  8303,  12966, 15543, 18572, 21004, 27273, 31402,
                                      37944, 45963, 49211, 53389, 57570, 59796, 63353, 65536};
    uint64_t source = 0;
    uint8_t table[2048];
    static uint8_t data[65536];
    for (size_t i = 0; i < sizeof(table); i++) {
        table[i] = (uint8_t)splitmix64(&source);
    }
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)splitmix64(&source);
    }
    struct chunker c;
    chunker_init(&c, table, 2048, 8192, UINT64_C(1) << 52);
    size_t at = 0;
    for (size_t i = 0; i < VV_COUNT(expected); i++) {
        at += chunker_cut(&c, data + at, sizeof(data) - at);
        assert_int_equal(at, expected[i]);
    }
    assert_int_equal(at, sizeof(data));
}

int
main(void)
{
    const char *given = getenv("VARVE_TEST_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("VARVE_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 20; i++) {
        (void)next_random(); /* small seeds need some steps to spread */
    }
    for (size_t i = 0; i < sizeof(table_bytes); i++) {
        table_bytes[i] = (uint8_t)(next_random() >> 24);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunker_cut__equals_the_reference_for_every_length),
        cmocka_unit_test(chunker_cut__equals_the_reference_on_random_data),
        cmocka_unit_test(chunker_cut__does_not_depend_on_the_window_given),
        cmocka_unit_test(chunker_cut__finds_its_cuts_again_after_an_insertion),
        cmocka_unit_test(chunker_cut__has_the_expected_mean),
        cmocka_unit_test(chunker_cut__keeps_to_frozen_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
