/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compressed blocks: round trips, and frames made to hurt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "compress/compress.h"
#include "core/alloc.h"

static uint64_t seed;

static uint64_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void
fill_random(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(next_random() >> 32);
    }
}

static void
fill_text(uint8_t *out, size_t len)
{
    static const char *const words[] = {"order ", "item ", "price ", "shop\n", "INSERT ", "1042,"};
    for (size_t i = 0; i < len;) {
        const char *word = words[next_random() % VV_COUNT(words)];
        for (; *word != 0 && i < len; word++) {
            out[i++] = (uint8_t)*word;
        }
    }
}

static struct compressor *
new_compressor(int level)
{
    struct vv_error err = {0};
    struct compressor *c = NULL;
    assert_int_equal(compressor_new(level, COMPRESS_ANYTHING, &c, &err), VV_OK);
    return c;
}

static struct decompressor *
new_decompressor(void)
{
    struct vv_error err = {0};
    struct decompressor *d = NULL;
    assert_int_equal(decompressor_new(&d, &err), VV_OK);
    return d;
}

/* Decompress from and to memory of the exact sizes, so that a sanitizer sees every step beyond. */
static enum vv_rc
try_frame(struct decompressor *d, const uint8_t *frame, size_t len, size_t plain_len)
{
    struct vv_error err = {0};
    uint8_t *in = malloc(len > 0 ? len : 1);
    uint8_t *out = malloc(plain_len + 16);
    assert_non_null(in);
    assert_non_null(out);
    memcpy(in, frame, len);
    memset(out + plain_len, 0xA5, 16);
    enum vv_rc rc = decompress_block(d, vv_span(in, len), out, plain_len, &err);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(out[plain_len + i], 0xA5);
    }
    assert_true((rc == VV_OK) == (err.message[0] == 0));
    free(in);
    free(out);
    return rc;
}

static void
compress_block__round_trips(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 5, 255, 256, 4096, 65791, 65792, 131072, 1 << 20, 3000000};
    static const int levels[] = {1, 3, 9, -5};
    VV_CLEANUP(decompressor_freep) struct decompressor *d = new_decompressor();
    for (size_t l = 0; l < VV_COUNT(levels); l++) {
        VV_CLEANUP(compressor_freep) struct compressor *c = new_compressor(levels[l]);
        for (size_t i = 0; i < VV_COUNT(lens); i++) {
            for (int text = 0; text < 2; text++) {
                struct vv_error err = {0};
                size_t len = lens[i];
                size_t cap = compress_bound(len);
                size_t frame_len = 0;
                uint8_t *plain = malloc(len + 1);
                uint8_t *frame = malloc(cap);
                uint8_t *back = malloc(len + 1);
                assert_true(plain != NULL && frame != NULL && back != NULL);
                (text ? fill_text : fill_random)(plain, len);
                assert_int_equal(
                    compress_block(c, vv_span(plain, len), frame, cap, &frame_len, &err), VV_OK);
                assert_true(frame_len <= cap);
                assert_true(!text || len < 4096 || frame_len < len - len / 4);
                assert_int_equal(decompress_block(d, vv_span(frame, frame_len), back, len, &err),
                                 VV_OK);
                assert_memory_equal(back, plain, len);
                free(plain);
                free(frame);
                free(back);
            }
        }
    }
}

/* 3.1.1.1 of RFC 8878: bit 2 of the descriptor announces a checksum, bits 0 and 1 a dictionary. */
static void
compress_block__writes_size_but_neither_checksum_nor_dictionary(void **state)
{
    (void)state;
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = new_compressor(3);
    static uint8_t plain[100000];
    static uint8_t frame[110000];
    size_t len = 0;
    fill_text(plain, sizeof(plain));
    assert_int_equal(
        compress_block(c, vv_span(plain, sizeof(plain)), frame, sizeof(frame), &len, &err), VV_OK);
    assert_int_equal(frame[4] & 0x07, 0);
    assert_int_equal(ZSTD_getFrameContentSize(frame, len), sizeof(plain));
    assert_int_equal(ZSTD_findFrameCompressedSize(frame, len), len);
}

static void
compress_block__says_when_there_is_no_room(void **state)
{
    (void)state;
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = new_compressor(3);
    static uint8_t plain[50000];
    static uint8_t frame[60000];
    size_t len = 77;
    fill_random(plain, sizeof(plain));
    for (size_t cap = 0; cap < sizeof(plain); cap += 997) {
        assert_int_equal(compress_block(c, vv_span(plain, sizeof(plain)), frame, cap, &len, &err),
                         VV_ELIMIT);
        assert_int_equal(len, 77); /* untouched */
    }
    /* and the context still works */
    assert_int_equal(
        compress_block(c, vv_span(plain, sizeof(plain)), frame, sizeof(frame), &len, &err), VV_OK);
}

/* Pages of a table: 8 KiB each, with rows of an increasing number and words. */
static void
fill_pages(uint8_t *out, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        size_t row = at / 96;
        out[at] = at % 96 < 4 ? (uint8_t)(row >> (8 * (at % 96))) : out[at];
    }
}

static size_t
compressed_len(int level, enum compress_content content, struct vv_span plain, uint8_t *frame,
               size_t cap)
{
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = NULL;
    VV_CLEANUP(decompressor_freep) struct decompressor *d = new_decompressor();
    uint8_t *out = malloc(plain.len);
    size_t len;

    assert_int_equal(compressor_new(level, content, &c, &err), VV_OK);
    assert_int_equal(compress_block(c, plain, frame, cap, &len, &err), VV_OK);
    assert_non_null(out);
    assert_int_equal(decompress_block(d, vv_span(frame, len), out, plain.len, &err), VV_OK);
    assert_memory_equal(out, plain.data, plain.len);
    free(out);
    return len;
}

static void
compress_block__has_tables_of_its_own_for_databases_at_the_default_level(void **state)
{
    enum { LEN = 256 << 10 };
    uint8_t *plain = malloc(LEN);
    uint8_t *one = malloc(compress_bound(LEN));
    uint8_t *other = malloc(compress_bound(LEN));
    struct vv_span all = vv_span(plain, LEN);

    (void)state;
    assert_true(plain != NULL && one != NULL && other != NULL);
    fill_text(plain, LEN);
    fill_pages(plain, LEN);
    for (int level = COMPRESS_LEVEL - 1; level <= COMPRESS_LEVEL + 1; level++) {
        size_t a = compressed_len(level, COMPRESS_ANYTHING, all, one, compress_bound(LEN));
        size_t b = compressed_len(level, COMPRESS_DATABASE, all, other, compress_bound(LEN));
        bool same = a == b && memcmp(one, other, a) == 0;
        assert_int_equal(same, level != COMPRESS_LEVEL);
        assert_true(b < LEN / 2);
    }
    free(other);
    free(one);
    free(plain);
}

static void
compressor_new__refuses_levels_zstd_has_not(void **state)
{
    (void)state;
    struct compressor *c = NULL;
    struct vv_error err = {0};
    assert_int_equal(compressor_new(23, COMPRESS_DATABASE, &c, &err), VV_EUSAGE);
    assert_int_equal(compressor_new(-10000000, COMPRESS_ANYTHING, &c, &err), VV_EUSAGE);
    assert_null(c);
}

static void
compressor_new__survives_memory_running_out(void **state)
{
    (void)state;
    struct compressor *c = NULL;
    struct decompressor *d = NULL;
    struct vv_error err = {0};
    vv_alloc_fail_at(1, 0);
    assert_int_equal(compressor_new(3, COMPRESS_DATABASE, &c, &err), VV_ENOMEM);
    vv_alloc_fail_at(1, 0);
    assert_int_equal(decompressor_new(&d, &err), VV_ENOMEM);
    vv_alloc_fail_at(0, 0);
    assert_true(c == NULL && d == NULL);
    compressor_free(NULL);
    decompressor_free(NULL);
}

/* A frame of text for the hostile tests. */
struct sample {
    uint8_t plain[20000];
    uint8_t frame[30000];
    size_t len;
    struct decompressor *d;
};

static struct sample sample;

static int
make_sample(void **state)
{
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = new_compressor(3);
    fill_text(sample.plain, sizeof(sample.plain));
    assert_int_equal(compress_block(c, vv_span(sample.plain, sizeof(sample.plain)), sample.frame,
                                    sizeof(sample.frame), &sample.len, &err),
                     VV_OK);
    sample.d = new_decompressor();
    *state = &sample;
    return 0;
}

static int
drop_sample(void **state)
{
    struct sample *s = *state;
    assert_int_equal(try_frame(s->d, s->frame, s->len, sizeof(s->plain)), VV_OK); /* unharmed */
    decompressor_free(s->d);
    return 0;
}

static void
decompress_block__refuses_another_length(void **state)
{
    struct sample *s = *state;
    static const size_t lens[] = {0, 1, 19999, 20001, 40000};
    for (size_t i = 0; i < VV_COUNT(lens); i++) {
        assert_int_equal(try_frame(s->d, s->frame, s->len, lens[i]), VV_ECORRUPT);
    }
}

static void
decompress_block__refuses_truncated_frames(void **state)
{
    struct sample *s = *state;
    for (size_t len = 0; len < s->len; len++) {
        assert_int_equal(try_frame(s->d, s->frame, len, sizeof(s->plain)), VV_ECORRUPT);
    }
}

static void
decompress_block__refuses_what_follows_the_frame(void **state)
{
    struct sample *s = *state;
    uint8_t frame[sizeof(s->frame)];
    memcpy(frame, s->frame, s->len);
    memset(frame + s->len, 0, 16);
    assert_int_equal(try_frame(s->d, frame, s->len + 1, sizeof(s->plain)), VV_ECORRUPT);
    /* an empty skippable frame, before and behind: zstd itself would take both */
    static const uint8_t skippable[8] = {0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0};
    memcpy(frame + s->len, skippable, 8);
    assert_int_equal(try_frame(s->d, frame, s->len + 8, sizeof(s->plain)), VV_ECORRUPT);
    memcpy(frame, skippable, 8);
    memcpy(frame + 8, s->frame, s->len);
    assert_int_equal(try_frame(s->d, frame, s->len + 8, sizeof(s->plain)), VV_ECORRUPT);
    assert_int_equal(try_frame(s->d, skippable, 8, 0), VV_ECORRUPT);
    /* a second frame */
    memcpy(frame, s->frame, s->len);
    memcpy(frame + s->len, s->frame, s->len);
    assert_int_equal(try_frame(s->d, frame, 2 * s->len, 2 * sizeof(s->plain)), VV_ECORRUPT);
    assert_int_equal(try_frame(s->d, frame, 2 * s->len, sizeof(s->plain)), VV_ECORRUPT);
}

/* Frames by hand: magic, descriptor 0xA0 (single segment, 4 bytes of content size), then a block
 * that repeats one byte (type 1, last). */
static size_t
repeat_frame(uint8_t *out, uint32_t declared, uint32_t yielded)
{
    static const uint8_t start[5] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0};
    uint32_t header = 1u | 1u << 1 | yielded << 3;
    memcpy(out, start, 5);
    vv_store_u32(out + 5, declared);
    out[9] = (uint8_t)header;
    out[10] = (uint8_t)(header >> 8);
    out[11] = (uint8_t)(header >> 16);
    out[12] = 'x';
    return 13;
}

static void
decompress_block__refuses_frames_that_lie_about_their_size(void **state)
{
    struct sample *s = *state;
    uint8_t frame[64];
    assert_int_equal(try_frame(s->d, frame, repeat_frame(frame, 1000, 1000), 1000), VV_OK);
    assert_int_equal(try_frame(s->d, frame, repeat_frame(frame, 1000, 999), 1000), VV_ECORRUPT);
    assert_int_equal(try_frame(s->d, frame, repeat_frame(frame, 1000, 1001), 1000), VV_ECORRUPT);
    /* a bomb: 10 bytes declared, 128 KiB yielded; and 4 GiB declared */
    assert_int_equal(try_frame(s->d, frame, repeat_frame(frame, 10, 131072), 10), VV_ECORRUPT);
    assert_int_equal(try_frame(s->d, frame, repeat_frame(frame, UINT32_MAX, 131072), 131072),
                     VV_ECORRUPT);
}

static void
decompress_block__refuses_unknown_sizes_dictionaries_and_large_windows(void **state)
{
    struct sample *s = *state;
    uint8_t frame[64];
    /* descriptor 0: window byte 0 (1 KiB), no content size */
    static const uint8_t unknown[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x0B, 0, 0, 'x'};
    assert_int_equal(try_frame(s->d, unknown, sizeof(unknown), 1), VV_ECORRUPT);
    /* descriptor 0x80: window byte, 4 bytes of content size: fine with 1 KiB, not with 3.75 TiB */
    uint8_t windowed[] = {0x28, 0xB5, 0x2F, 0xFD, 0x80, 0x00, 1, 0, 0, 0, 0x0B, 0, 0, 'x'};
    assert_int_equal(try_frame(s->d, windowed, sizeof(windowed), 1), VV_OK);
    windowed[5] = 17 << 3;
    assert_int_equal(try_frame(s->d, windowed, sizeof(windowed), 1), VV_OK);
    windowed[5] = 17 << 3 | 1;
    assert_int_equal(try_frame(s->d, windowed, sizeof(windowed), 1), VV_ECORRUPT);
    windowed[5] = 0xFF;
    assert_int_equal(try_frame(s->d, windowed, sizeof(windowed), 1), VV_ECORRUPT);
    /* a dictionary id of one byte */
    size_t len = repeat_frame(frame, 1000, 1000);
    memmove(frame + 6, frame + 5, len - 5);
    frame[4] |= 1;
    frame[5] = 7;
    assert_int_equal(try_frame(s->d, frame, len + 1, 1000), VV_ECORRUPT);
}

static void
decompress_block__survives_random_damage(void **state)
{
    struct sample *s = *state;
    unsigned refused = 0;
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t frame[sizeof(s->frame)];
        memcpy(frame, s->frame, s->len);
        for (uint64_t n = 1 + next_random() % 3; n > 0; n--) {
            frame[next_random() % s->len] ^= (uint8_t)(1 + next_random() % 255);
        }
        enum vv_rc rc = try_frame(s->d, frame, s->len, sizeof(s->plain));
        assert_true(rc == VV_OK || rc == VV_ECORRUPT); /* there is no checksum: both happen */
        refused += rc == VV_ECORRUPT;
    }
    assert_true(refused > 100);
}

static void
compressible__tells_random_from_structured(void **state)
{
    (void)state;
    static uint8_t data[1 << 20];
    static const size_t lens[] = {1024, 1025, 1500, 4096, 10000, 65536, 300001, 1 << 20};
    for (size_t i = 0; i < VV_COUNT(lens); i++) {
        size_t len = lens[i];
        fill_random(data, len);
        /* 1 KiB is too short for certainty: erring towards true is allowed there */
        if (len >= 4096) {
            assert_false(compressible(vv_span(data, len)));
        }
        for (size_t k = 0; k < len; k++) {
            data[k] = (uint8_t) "0123456789abcdef"[data[k] & 15]; /* random hexadecimal digits */
        }
        assert_true(compressible(vv_span(data, len)));
        fill_text(data, len);
        assert_true(compressible(vv_span(data, len)));
        memset(data, 0, len);
        assert_true(compressible(vv_span(data, len)));
    }
}

static void
compressible__is_true_for_short_data(void **state)
{
    (void)state;
    uint8_t data[1023];
    fill_random(data, sizeof(data));
    for (size_t len = 0; len <= sizeof(data); len += 31) {
        assert_true(compressible(vv_span(data, len)));
    }
}

static void
compressible__sees_random_content_that_repeats(void **state)
{
    (void)state;
    static uint8_t data[1 << 20];
    static const size_t periods[] = {300, 5000, 33333, 100001, 400000};
    for (size_t i = 0; i < VV_COUNT(periods); i++) {
        fill_random(data, periods[i]);
        for (size_t k = periods[i]; k < sizeof(data); k++) {
            data[k] = data[k - periods[i]];
        }
        assert_true(compressible(vv_span(data, sizeof(data))));
    }
}

static void
compressible__is_false_for_compressed_data(void **state)
{
    (void)state;
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = new_compressor(3);
    enum { LEN = 2 << 20 };
    uint8_t *plain = malloc(LEN);
    uint8_t *frame = malloc(LEN + 10000);
    size_t len = 0;
    assert_true(plain != NULL && frame != NULL);
    for (size_t i = 0; i < LEN; i++) {
        plain[i] = (uint8_t)(next_random() % 16); /* 1 MiB after compression */
    }
    assert_int_equal(compress_block(c, vv_span(plain, LEN), frame, LEN + 10000, &len, &err), VV_OK);
    assert_true(len > 1000000 && len < 1100000);
    assert_false(compressible(vv_span(frame, len)));
    free(plain);
    free(frame);
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
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, make_sample, drop_sample)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compress_block__round_trips),
        cmocka_unit_test(compress_block__writes_size_but_neither_checksum_nor_dictionary),
        cmocka_unit_test(compress_block__says_when_there_is_no_room),
        cmocka_unit_test(compress_block__has_tables_of_its_own_for_databases_at_the_default_level),
        cmocka_unit_test(compressor_new__refuses_levels_zstd_has_not),
        cmocka_unit_test(compressor_new__survives_memory_running_out),
        HOSTILE(decompress_block__refuses_another_length),
        HOSTILE(decompress_block__refuses_truncated_frames),
        HOSTILE(decompress_block__refuses_what_follows_the_frame),
        HOSTILE(decompress_block__refuses_frames_that_lie_about_their_size),
        HOSTILE(decompress_block__refuses_unknown_sizes_dictionaries_and_large_windows),
        HOSTILE(decompress_block__survives_random_damage),
        cmocka_unit_test(compressible__tells_random_from_structured),
        cmocka_unit_test(compressible__is_true_for_short_data),
        cmocka_unit_test(compressible__sees_random_content_that_repeats),
        cmocka_unit_test(compressible__is_false_for_compressed_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
