/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/bytes.h: the writer, and the reader against hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "alloc_sweep.h"
#include "core/bytes.h"

static void
buf__integers_are_little_endian(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    static const uint8_t expected[] = {1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0};
    vv_buf_put_u8(&b, 1);
    vv_buf_put_u16(&b, 0x0102);
    vv_buf_put_u32(&b, 0x01020304);
    vv_buf_put_u64(&b, 0x0102030405060708);
    vv_buf_put_zeros(&b, 2);
    vv_buf_put(&b, NULL, 0);
    assert_int_equal(vv_buf_check(&b, NULL), VV_OK);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));

    struct vv_reader r = vv_reader(b.data, b.len);
    assert_int_equal(vv_get_u8(&r), 1);
    assert_int_equal(vv_get_u16(&r), 0x0102);
    assert_int_equal(vv_get_u32(&r), 0x01020304);
    assert_int_equal(vv_get_u64(&r), 0x0102030405060708);
    assert_int_equal(vv_reader_left(&r), 2);
    assert_false(vv_reader_done(&r));
    vv_get_zeros(&r, 2);
    assert_true(vv_reader_done(&r));
    vv_buf_release(&b);
}

static void
buf__text_and_printf(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    assert_string_equal(vv_buf_text(&b), "");
    for (int i = 0; i < 1000; i++) {
        vv_buf_printf(&b, "%d,", i);
    }
    vv_buf_put_text(&b, "end");
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    assert_int_equal(strlen(vv_buf_text(&b)), b.len);
    assert_string_equal(vv_buf_text(&b) + b.len - 11, "998,999,end");
    vv_buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(vv_buf_text(&b), "");
    vv_buf_release(&b);
    assert_null(b.data);
}

static void
buf__failure_is_sticky(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    struct vv_error err = {0};
    vv_buf_put_text(&b, "kept");
    vv_alloc_fail_at(1, 0);
    vv_buf_put_zeros(&b, 1000);
    vv_buf_put_text(&b, "ignored");
    vv_alloc_fail_at(0, 0);
    vv_buf_put_text(&b, "ignored");
    vv_buf_printf(&b, "ignored");
    assert_int_equal(vv_buf_check(&b, &err), VV_ENOMEM);
    assert_int_equal(err.rc, VV_ENOMEM);
    assert_int_equal(b.len, 4);
    assert_string_equal(vv_buf_text(&b), "");
    assert_int_equal(vv_buf_reserve(&b, 1, NULL), VV_ENOMEM);
    vv_buf_reset(&b);
    assert_int_equal(vv_buf_check(&b, NULL), VV_OK);
    vv_buf_release(&b);
}

static void
buf__reserve_refuses_overflow(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    vv_buf_put_u8(&b, 1);
    assert_int_equal(vv_buf_reserve(&b, SIZE_MAX, NULL), VV_ENOMEM);
    assert_int_equal(vv_buf_check(&b, NULL), VV_OK);
    assert_int_equal(vv_buf_reserve(&b, 5000, NULL), VV_OK);
    assert_true(b.cap - b.len >= 5000);
    assert_int_equal(b.data[0], 1);
    vv_buf_release(&b);
}

static enum vv_rc
write_some(void *arg, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf b = {0};

    (void)arg;
    for (uint64_t i = 0; i < 500; i++) {
        vv_buf_put_varint(&b, i * i * i);
        vv_buf_printf(&b, "%u", (unsigned)i);
    }
    return vv_buf_check(&b, err);
}

static void
buf__survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_true(alloc_sweep(write_some, NULL) > 3);
}

static void
varint__round_trip(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t near = 0; near < 3; near++) {
            uint64_t v = (UINT64_C(1) << bit) - 1 + near;
            struct vv_buf b = {0};
            vv_buf_put_varint(&b, v);
            vv_buf_put_signed(&b, (int64_t)v);
            vv_buf_put_signed(&b, (int64_t)(0 - v));
            struct vv_reader r = vv_reader(b.data, b.len);
            assert_true(vv_get_varint(&r) == v);
            assert_true(vv_get_signed(&r) == (int64_t)v);
            assert_true(vv_get_signed(&r) == (int64_t)(0 - v));
            assert_true(vv_reader_done(&r));
            vv_buf_release(&b);
        }
    }
}

static void
varint__known_encodings(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    vv_buf_put_varint(&b, 0);
    vv_buf_put_varint(&b, 127);
    vv_buf_put_varint(&b, 128);
    vv_buf_put_varint(&b, 300);
    vv_buf_put_varint(&b, UINT64_MAX);
    vv_buf_put_signed(&b, -1);
    vv_buf_put_signed(&b, 1);
    vv_buf_put_signed(&b, INT64_MIN);
    static const uint8_t expected[] = {
        0x00, 0x7f, 0x80, 0x01, 0xac, 0x02,                         /* 0, 127, 128, 300 */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 2^64 - 1 */
        0x01, 0x02,                                                 /* -1, 1 */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* -2^63 */
    };
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    vv_buf_release(&b);
}

static void
assert_varint_rejected(const char *bytes, size_t len)
{
    struct vv_reader r = vv_reader(bytes, len);
    assert_int_equal(vv_get_varint(&r), 0);
    assert_true(r.failed);
    assert_false(vv_reader_done(&r));
    assert_int_equal(vv_get_u8(&r), 0);
}

static void
varint__rejects_other_forms(void **state)
{
    (void)state;
    assert_varint_rejected("", 0);
    assert_varint_rejected("\x80", 1);                                      /* cut short */
    assert_varint_rejected("\x80\x00", 2);                                  /* 0, padded */
    assert_varint_rejected("\xff\x00", 2);                                  /* 127, padded */
    assert_varint_rejected("\x80\x80\x80\x00", 4);                          /* 0, padded more */
    assert_varint_rejected("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10); /* 65 bits */
    assert_varint_rejected("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);
    assert_varint_rejected("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10);
    assert_varint_rejected("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* eleven bytes */
    assert_varint_rejected("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11);
}

static void
reader__stays_failed_after_reading_past_the_end(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 3};
    uint8_t copy[4] = {9, 9, 9, 9};
    struct vv_reader r = vv_reader(in, sizeof(in));
    assert_int_equal(vv_get_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(vv_get_u8(&r), 0);
    assert_int_equal(vv_get_u16(&r), 0);
    assert_int_equal(vv_get_u64(&r), 0);
    assert_int_equal(vv_get_varint(&r), 0);
    assert_int_equal(vv_get_signed(&r), 0);
    assert_null(vv_get_bytes(&r, 1, 1).data);
    assert_int_equal(vv_get_bytes(&r, 0, 1).len, 0);
    vv_get_copy(&r, copy, 2);
    assert_memory_equal(copy, "\0\0\x09\x09", 4);
    assert_int_equal(vv_reader_left(&r), 0);
    assert_false(vv_reader_done(&r));
}

static void
reader__checks_products(void **state)
{
    (void)state;
    static const uint8_t in[64];
    struct vv_reader r = vv_reader(in, sizeof(in));
    struct vv_span s = vv_get_bytes(&r, 2, 32);
    assert_ptr_equal(s.data, in);
    assert_int_equal(s.len, 64);
    assert_true(vv_reader_done(&r));

    /* 2^59 * 32 = 2^64, which would be 0 if it wrapped. */
    r = vv_reader(in, sizeof(in));
    s = vv_get_bytes(&r, UINT64_C(1) << 59, 32);
    assert_null(s.data);
    assert_int_equal(s.len, 0);
    assert_true(r.failed);

    r = vv_reader(in, sizeof(in));
    assert_int_equal(vv_get_bytes(&r, UINT64_MAX, 1).len, 0);
    assert_true(r.failed);
    r = vv_reader(in, sizeof(in));
    assert_int_equal(vv_get_bytes(&r, 3, 32).len, 0);
    assert_true(r.failed);
}

static void
reader__zeros_must_be_zero(void **state)
{
    (void)state;
    static const uint8_t in[] = {0, 0, 1};
    struct vv_reader r = vv_reader(in, 3);
    vv_get_zeros(&r, 2);
    assert_false(r.failed);
    vv_get_zeros(&r, 1);
    assert_true(r.failed);
    r = vv_reader(in, 2);
    vv_get_zeros(&r, 3);
    assert_true(r.failed);
}

static void
reader__empty_input(void **state)
{
    (void)state;
    struct vv_reader r = vv_reader(NULL, 0);
    assert_true(vv_reader_done(&r));
    assert_int_equal(vv_get_bytes(&r, 0, 32).len, 0);
    vv_get_copy(&r, NULL, 0);
    vv_get_zeros(&r, 0);
    assert_true(vv_reader_done(&r));
    assert_int_equal(vv_get_u8(&r), 0);
    assert_false(vv_reader_done(&r));
}

static void
hex__both_ways(void **state)
{
    (void)state;
    char text[9];
    uint8_t back[4] = {7, 7, 7, 7};
    vv_hex(text, "\x00\x9f\xff\x10", 4);
    assert_string_equal(text, "009fff10");
    assert_true(vv_unhex(back, 4, text, 8));
    assert_memory_equal(back, "\x00\x9f\xff\x10", 4);
    assert_true(vv_unhex(back, 0, "", 0));
}

static void
hex__rejects_anything_else_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"00112g", "00112",  "0011223", "00112A", " 01122",
                                      "0x1122", "00112:", "00112/",  "00112`"};
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        uint8_t out[3] = {7, 7, 7};
        assert_false(vv_unhex(out, 3, bad[i], strlen(bad[i])));
        assert_memory_equal(out, "\x07\x07\x07", 3);
    }
    uint8_t out[1] = {7};
    assert_false(vv_unhex(out, SIZE_MAX / 2 + 1, "", 0));
}

static void
load_store__unaligned(void **state)
{
    (void)state;
    uint8_t m[13] = {0};
    vv_store_u32(m + 1, 0x01020304);
    vv_store_u64(m + 5, 0x1112131415161718);
    assert_memory_equal(m, "\x00\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11", 13);
    assert_int_equal(vv_load_u32(m + 1), 0x01020304);
    assert_int_equal(vv_load_u64(m + 5), 0x1112131415161718);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf__integers_are_little_endian),
        cmocka_unit_test(buf__text_and_printf),
        cmocka_unit_test(buf__failure_is_sticky),
        cmocka_unit_test(buf__reserve_refuses_overflow),
        cmocka_unit_test(buf__survives_any_failed_allocation),
        cmocka_unit_test(varint__round_trip),
        cmocka_unit_test(varint__known_encodings),
        cmocka_unit_test(varint__rejects_other_forms),
        cmocka_unit_test(reader__stays_failed_after_reading_past_the_end),
        cmocka_unit_test(reader__checks_products),
        cmocka_unit_test(reader__zeros_must_be_zero),
        cmocka_unit_test(reader__empty_input),
        cmocka_unit_test(hex__both_ways),
        cmocka_unit_test(hex__rejects_anything_else_and_writes_nothing),
        cmocka_unit_test(load_store__unaligned),
    };
    return cmocka_run_group_tests_name("core/bytes", tests, NULL, NULL);
}
