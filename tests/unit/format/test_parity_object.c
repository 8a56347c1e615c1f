/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity objects: what heals and what does not, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "format/parity_object.h"
#include "helper_samples.h"
#include "sweep.h"

/** A pack, its parity, and a copy to be damaged. */
struct patient {
    uint8_t *pack;
    uint8_t *image;
    size_t len;
    struct vv_id hash;
    struct vv_buf object;
    struct parity_object o;
};

static uint32_t
next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void
admit(struct patient *p, size_t len, uint64_t seed)
{
    memset(p, 0, sizeof(*p));
    p->len = len;
    p->pack = malloc(len);
    p->image = malloc(len);
    assert_non_null(p->pack);
    assert_non_null(p->image);
    for (size_t i = 0; i < len; i++) {
        p->pack[i] = (uint8_t)next_random(&seed);
    }
    memcpy(p->image, p->pack, len);
    sha256(p->pack, len, p->hash.b);
    assert_int_equal(
        parity_object_encode(vv_span(p->pack, len), &p->hash, &sample_repository, &p->object, NULL),
        VV_OK);
    assert_int_equal(parity_object_decode(vv_buf_span(&p->object), &sample_repository, &p->o, NULL),
                     VV_OK);
    assert_true(p->o.whole);
    assert_int_equal(p->object.len, parity_object_size(len));
}

static void
dismiss(struct patient *p)
{
    free(p->pack);
    free(p->image);
    vv_buf_release(&p->object);
}

/** Damage every byte of a range. */
static void
rot(struct patient *p, size_t at, size_t len)
{
    for (size_t i = at; i < at + len && i < p->len; i++) {
        p->image[i] ^= 0x3c;
    }
}

/** Heal; what is there of the image in ${present} bytes. */
static bool
heals(struct patient *p, size_t present)
{
    struct parity_outcome outcome;
    bool whole;

    assert_int_equal(parity_object_heal(&p->o, p->image, present, &outcome, NULL), VV_OK);
    whole = outcome.whole;
    assert_int_equal(whole, outcome.lost.len == 0);
    if (whole) {
        assert_memory_equal(p->image, p->pack, p->len);
    }
    parity_outcome_release(&outcome);
    return whole;
}

/* --- the object ------------------------------------------------------------------------------- */

static void
parity_object__every_byte_has_its_place(void **state)
{
    struct patient p;
    size_t table = 24 + 8 + 32 + 34 * 8 + 32; /* one stripe */
    uint8_t cell[2] = {0};
    uint8_t digest[32];

    (void)state;
    admit(&p, 63, 1); /* shards of two bytes; the last one has one and a zero */
    assert_int_equal(p.object.len, 2 * table + 2 * 2 + 4 + 32);
    assert_memory_equal(p.object.data, "varveY\1\0\1\2\3", 11);
    assert_int_equal(vv_load_u64(p.object.data + 24), 63);
    assert_memory_equal(p.object.data + 32, p.hash.b, 32);
    assert_int_equal(vv_load_u64(p.object.data + 64), vv_checksum64(p.pack, 2));
    cell[0] = p.pack[62];
    assert_int_equal(vv_load_u64(p.object.data + 64 + 31 * 8), vv_checksum64(cell, 2));
    assert_int_equal(vv_load_u64(p.object.data + 64 + 33 * 8),
                     vv_checksum64(p.object.data + table + 2, 2));
    sha256(p.object.data, table - 32, digest);
    assert_memory_equal(p.object.data + table - 32, digest, 32);
    for (size_t j = 0; j < 2; j++) {
        uint8_t sum = 0;
        for (size_t i = j; i < 63; i += 2) {
            sum ^= p.pack[i];
        }
        assert_int_equal(p.object.data[table + j], sum);
    }
    assert_memory_equal(p.object.data + table + 4, p.object.data, table);
    assert_int_equal(vv_load_u32(p.object.data + 2 * table + 4), table);
    sha256(p.object.data, p.object.len - 32, digest);
    assert_memory_equal(p.object.data + p.object.len - 32, digest, 32);
    dismiss(&p);
}

static void
parity_object__of_nothing_or_too_much_is_refused(void **state)
{
    struct vv_buf out = {0};
    struct vv_id hash = {{0}};

    (void)state;
    assert_int_equal(parity_object_encode(vv_span("", 0), &hash, &sample_repository, &out, NULL),
                     VV_EUSAGE);
    vv_buf_release(&out);
}

/* --- what heals ------------------------------------------------------------------------------- */

static void
parity__heals_any_burst_up_to_a_shard_at_any_offset(void **state)
{
    static const size_t sizes[] = {1, 2, 31, 32, 33, 63, 64, 65, 100, 500, 1000, 2049};

    (void)state;
    for (size_t n = 0; n < VV_COUNT(sizes); n++) {
        struct patient p;
        size_t shard = (sizes[n] + 31) / 32;
        admit(&p, sizes[n], n);
        assert_int_equal(p.o.shard_len, shard);
        for (size_t at = 0; at < p.len; at += sweep_stride(1)) {
            /* of long shards not every length, as that takes too long */
            for (size_t len = 1; len <= shard; len += shard > 4 && len == 1 ? shard - 1 : 1) {
                rot(&p, at, len);
                assert_true(heals(&p, p.len));
            }
        }
        dismiss(&p);
    }
}

static void
parity__heals_any_two_shards(void **state)
{
    struct patient p;
    size_t shard;

    (void)state;
    admit(&p, 20000, 3); /* 625 bytes a shard */
    shard = p.o.shard_len;
    for (size_t a = 0; a < 34; a++) {
        for (size_t b = a + 1; b < 34; b++) {
            struct vv_span code[2] = {p.o.code[0], p.o.code[1]};
            rot(&p, a * shard, a < 32 ? shard : 0);
            rot(&p, b * shard, b < 32 ? shard : 0);
            for (size_t c = 0; c < 2; c++) {
                if (a == 32 + c || b == 32 + c) {
                    p.o.code[c] = vv_span(NULL, 0); /* that part of the object is missing */
                }
            }
            assert_true(heals(&p, p.len));
            p.o.code[0] = code[0];
            p.o.code[1] = code[1];
        }
    }
    dismiss(&p);
}

static void
parity__heals_large_packs_at_random(void **state)
{
    uint64_t seed;

    (void)state;
    vv_random(&seed, sizeof(seed));
    printf("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < 6; round++) {
        struct patient p;
        size_t len = (2u << 20) + next_random(&seed) % (6u << 20);
        admit(&p, len, seed);
        for (unsigned burst = 0; burst < 8; burst++) {
            size_t run = 1 + next_random(&seed) % p.o.shard_len;
            rot(&p, next_random(&seed) % (p.len - run + 1), run);
            assert_true(heals(&p, p.len));
            run = p.o.shard_len;
            rot(&p, next_random(&seed) % (p.len - run + 1), run);
            assert_true(heals(&p, p.len));
        }
        /* scattered: two cells in each stripe, each time of other shards */
        for (uint32_t n = 0; n < p.o.stripes; n++) {
            for (unsigned twice = 0; twice < 2; twice++) {
                size_t cell = next_random(&seed) % 32 * p.o.shard_len + (size_t)n * PARITY_STRIPE;
                rot(&p, cell, 1);
            }
        }
        assert_true(heals(&p, p.len));
        dismiss(&p);
    }
}

static void
parity__heals_what_was_cut_short_by_up_to_two_shards(void **state)
{
    struct patient p;

    (void)state;
    admit(&p, 3200, 5);
    for (size_t cut = 0; cut <= 2 * p.o.shard_len; cut++) {
        memset(p.image + p.len - cut, 0xee, cut);
        assert_true(heals(&p, p.len - cut));
    }
    memset(p.image + p.len - 201, 0xee, 201);
    assert_false(heals(&p, p.len - 201));
    dismiss(&p);
    admit(&p, 3201, 6); /* shards of 101 bytes, the last of 70 */
    memset(p.image + p.len - 171, 0xee, 171);
    assert_true(heals(&p, p.len - 171));
    dismiss(&p);
}

/* --- what does not ---------------------------------------------------------------------------- */

static void
parity__damage_beyond_is_named_exactly(void **state)
{
    struct patient p;
    struct parity_outcome outcome;
    const struct parity_range *lost;
    const struct parity_range *rebuilt;
    size_t shard;

    (void)state;
    admit(&p, 32 * 40000 - 7, 8); /* three stripes a shard: 16384, 16384, 7232 */
    shard = p.o.shard_len;
    assert_int_equal(p.o.stripes, 3);
    rot(&p, 5 * shard, shard);              /* one whole shard, */
    rot(&p, 9 * shard + PARITY_STRIPE, 10); /* and in its second stripe two more */
    rot(&p, 20 * shard + PARITY_STRIPE + 16383, 1);
    rot(&p, 31 * shard + 39000, 1); /* in the third one */
    assert_int_equal(parity_object_heal(&p.o, p.image, p.len, &outcome, NULL), VV_OK);
    assert_false(outcome.whole);
    assert_int_equal(outcome.lost.len, 3 * sizeof(*lost));
    lost = (const struct parity_range *)(const void *)outcome.lost.data;
    for (size_t i = 0; i < 3; i++) {
        static const size_t shards[] = {5, 9, 20};
        assert_int_equal(lost[i].offset, shards[i] * shard + PARITY_STRIPE);
        assert_int_equal(lost[i].len, PARITY_STRIPE);
    }
    assert_int_equal(outcome.rebuilt.len, 3 * sizeof(*rebuilt));
    rebuilt = (const struct parity_range *)(const void *)outcome.rebuilt.data;
    assert_int_equal(rebuilt[0].offset, 5 * shard);
    assert_int_equal(rebuilt[0].len, PARITY_STRIPE);
    assert_int_equal(rebuilt[1].offset, 5 * shard + 2 * (size_t)PARITY_STRIPE);
    assert_int_equal(rebuilt[1].len, shard - 2 * (size_t)PARITY_STRIPE);
    assert_int_equal(rebuilt[2].offset, 31 * shard + 2 * (size_t)PARITY_STRIPE);
    assert_int_equal(rebuilt[2].offset + rebuilt[2].len, p.len);
    /* What is not named is right. */
    for (size_t i = 0; i < 3; i++) {
        memcpy(p.image + lost[i].offset, p.pack + lost[i].offset, (size_t)lost[i].len);
    }
    assert_memory_equal(p.image, p.pack, p.len);
    parity_outcome_release(&outcome);
    dismiss(&p);
}

static void
parity__three_shards_are_too_many(void **state)
{
    struct patient p;

    (void)state;
    admit(&p, 640, 9);
    rot(&p, 0, 1);
    rot(&p, 20, 1);
    rot(&p, 639, 1);
    assert_false(heals(&p, p.len));
    dismiss(&p);
}

/* --- damaged parity --------------------------------------------------------------------------- */

/** Decode a copy of the object with ${len} bytes, one of them changed, and heal one burst. */
static void
heal_with_damaged(struct patient *p, size_t changed, size_t len, size_t at, bool expected)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    struct parity_object o;
    struct parity_object whole = p->o;

    assert_non_null(copy);
    memcpy(copy, p->object.data, len);
    if (changed < len) {
        copy[changed] ^= 8;
    }
    if (parity_object_decode(vv_span(copy, len), &sample_repository, &o, NULL) == VV_OK) {
        assert_false(o.whole);
        p->o = o;
        rot(p, at, p->o.shard_len / 2);
        assert_int_equal(heals(p, p->len), expected);
        memcpy(p->image, p->pack, p->len);
        p->o = whole;
    } else {
        assert_false(expected);
    }
    free(copy);
}

static void
parity__heals_although_a_byte_of_it_is_damaged(void **state)
{
    struct patient p;
    size_t table;
    size_t code;

    (void)state;
    admit(&p, 1280, 10); /* 40 bytes a shard */
    for (size_t at = 0; at < p.object.len; at++) {
        heal_with_damaged(&p, at, p.object.len, 400, true); /* half a shard: shard 10 */
    }
    table = 24 + 8 + 32 + 34 * 8 + 32;
    code = 2 * p.o.shard_len;
    for (size_t len = 0; len < p.object.len; len++) { /* cut short: one code shard is enough */
        heal_with_damaged(&p, len, len, 400, len >= table + code / 2);
    }
    dismiss(&p);
}

static void
parity__without_a_table_is_corrupt(void **state)
{
    struct patient p;
    struct parity_object o;
    struct vv_error err = {0};
    struct vv_uuid other = sample_uuid(99);

    (void)state;
    admit(&p, 1280, 11);
    assert_int_equal(parity_object_decode(vv_buf_span(&p.object), &other, &o, &err), VV_ECORRUPT);
    p.object.data[30] ^= 1;
    p.object.data[p.object.len - 50] ^= 1;
    assert_int_equal(parity_object_decode(vv_buf_span(&p.object), &sample_repository, &o, &err),
                     VV_ECORRUPT);
    dismiss(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parity_object__every_byte_has_its_place),
        cmocka_unit_test(parity_object__of_nothing_or_too_much_is_refused),
        cmocka_unit_test(parity__heals_any_burst_up_to_a_shard_at_any_offset),
        cmocka_unit_test(parity__heals_any_two_shards),
        cmocka_unit_test(parity__heals_large_packs_at_random),
        cmocka_unit_test(parity__heals_what_was_cut_short_by_up_to_two_shards),
        cmocka_unit_test(parity__damage_beyond_is_named_exactly),
        cmocka_unit_test(parity__three_shards_are_too_many),
        cmocka_unit_test(parity__heals_although_a_byte_of_it_is_damaged),
        cmocka_unit_test(parity__without_a_table_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
