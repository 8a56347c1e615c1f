/* SPDX-License-Identifier: BSD-2-Clause */
/* Identifiers, containers, tagged fields, the padded size, and tree keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/common.h"
#include "helper_samples.h"

static void
pack_name__text_round_trips(void **state)
{
    (void)state;
    struct pack_name name;
    struct pack_name back;
    char text[PACK_NAME_TEXT];
    char object[PACK_OBJECT_TEXT];
    for (unsigned i = 0; i < 32; i++) {
        name.hash.b[i] = (uint8_t)(i * 7);
    }
    name.suffix = sample_uuid(0xfe);
    name.hash.b[0] = 0xa1;
    pack_name_text(&name, text);
    assert_int_equal(strlen(text), 97);
    assert_true(pack_name_parse(text, strlen(text), &back));
    assert_int_equal(pack_name_compare(&name, &back), 0);
    pack_object_text(&name, object);
    assert_int_equal(strlen(object), 106);
    assert_memory_equal(object, "packs/a1/a1", 11);
    assert_string_equal(object + 9, text);
}

static void
pack_name__other_text_is_refused(void **state)
{
    (void)state;
    struct pack_name name = {sample_id(0xab), sample_uuid(0xcd)};
    struct pack_name out = name;
    char text[PACK_NAME_TEXT + 1] = {0};
    pack_name_text(&name, text);
    assert_false(pack_name_parse(text, 96, &out));
    text[97] = '0';
    assert_false(pack_name_parse(text, 98, &out));
    text[64] = '_';
    assert_false(pack_name_parse(text, 97, &out));
    text[64] = '-';
    text[3] = 'A';
    assert_false(pack_name_parse(text, 97, &out));
    text[3] = 'a';
    text[96] = 'g';
    assert_false(pack_name_parse(text, 97, &out));
}

static void
pack_name__order_is_hash_then_suffix(void **state)
{
    (void)state;
    struct pack_name a = {sample_id(1), sample_uuid(9)};
    struct pack_name b = {sample_id(2), sample_uuid(1)};
    struct pack_name c = {sample_id(1), sample_uuid(10)};
    assert_true(pack_name_compare(&a, &b) < 0);
    assert_true(pack_name_compare(&b, &c) > 0);
    assert_true(pack_name_compare(&a, &c) < 0);
}

static void
uuid__text_round_trips(void **state)
{
    (void)state;
    struct vv_uuid zero = {{0}};
    struct vv_uuid back = sample_uuid(1);
    char text[VV_UUID_TEXT];
    assert_true(vv_uuid_is_zero(&zero));
    assert_false(vv_uuid_is_zero(&sample_repository));
    vv_uuid_text(&sample_repository, text);
    assert_string_equal(text, "0102030405060708090a0b0c0d0e0f10");
    assert_false(vv_uuid_parse(text, 31, &back));
    assert_true(
        vv_uuid_equal(&back, &(struct vv_uuid){{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}));
    assert_true(vv_uuid_parse(text, 32, &back));
    assert_true(vv_uuid_equal(&back, &sample_repository));
}

static void
container__has_the_documented_bytes(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    container_begin(&out, FORMAT_SITE, &sample_repository);
    vv_buf_put_text(&out, "body");
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(out.len, 24 + 4 + 32);
    assert_memory_equal(out.data, "varveS\1\0\1\2\3\4\5\6\7\10", 16);
    struct vv_reader body;
    assert_int_equal(
        container_open(vv_buf_span(&out), FORMAT_SITE, &sample_repository, &body, NULL), VV_OK);
    assert_int_equal(vv_reader_left(&body), 4);
    assert_memory_equal(body.at, "body", 4);
    assert_int_equal(container_open(vv_buf_span(&out), FORMAT_SITE, NULL, &body, NULL), VV_OK);
    assert_int_equal(container_open(vv_buf_span(&out), FORMAT_ADMIN, NULL, &body, NULL),
                     VV_ECORRUPT);
    vv_buf_release(&out);
}

static void
container__failed_buffer_is_not_finished(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    container_begin(&out, FORMAT_SITE, &sample_repository);
    out.failed = true;
    assert_int_equal(container_finish(&out, NULL), VV_ENOMEM);
    vv_buf_release(&out);
}

static void
container__signed_part_ends_before_the_signature(void **state)
{
    (void)state;
    uint8_t object[24 + 5 + 64 + 32] = {0};
    struct vv_span message;
    struct vv_span signature;
    assert_true(container_signed_part(vv_span(object, sizeof(object)), &message, &signature));
    assert_int_equal(message.len, 29);
    assert_int_equal(signature.len, 64);
    assert_ptr_equal(signature.data, object + 29);
    assert_false(container_signed_part(vv_span(object, 24 + 64 + 31), &message, &signature));
    assert_true(container_signed_part(vv_span(object, 24 + 64 + 32), &message, &signature));
    assert_int_equal(message.len, 24);
}

static void
padme__known_values(void **state)
{
    (void)state;
    assert_int_equal(padme(0), 16384);
    assert_int_equal(padme(1), 16384);
    assert_int_equal(padme(16384), 16384);
    assert_int_equal(padme(16385), 17408);
    assert_int_equal(padme(1000000), 1015808);
    assert_int_equal(padme((32u << 20) + 1), (32u << 20) + (1u << 20));
    assert_true(padme(UINT64_MAX) == UINT64_MAX);
}

static void
padme__grows_little_and_is_stable(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t len = 16384; len < (UINT64_C(1) << 40); len += len / 97 + 1) {
        uint64_t padded = padme(len);
        assert_true(padded >= len && padded - len <= len * 12 / 100);
        assert_true(padded >= before && padme(padded) == padded);
        before = padded;
    }
}

static void
field__round_trip_and_lengths(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    uint16_t tag = 0;
    uint64_t number = 0;
    struct vv_span value;
    field_put_u64(&out, 3, 0x1122334455667788);
    field_put_text(&out, 0x8001, "");
    field_put(&out, 0xffff, "ab", 2);
    assert_memory_equal(out.data, "\3\0\10\0\0\0\x88\x77", 8);
    struct vv_reader r = vv_reader(out.data, out.len);
    assert_true(field_next(&r, &tag, &value));
    assert_int_equal(tag, 3);
    assert_true(field_u64(value, &number));
    assert_true(number == 0x1122334455667788);
    assert_true(field_next(&r, &tag, &value));
    assert_int_equal(tag, 0x8001);
    assert_int_equal(value.len, 0);
    assert_false(field_u64(value, &number));
    assert_true(field_next(&r, &tag, &value));
    assert_int_equal(value.len, 2);
    assert_false(field_next(&r, &tag, &value));
    assert_true(vv_reader_done(&r));
    r = vv_reader(out.data, out.len - 1);
    assert_true(field_next(&r, &tag, &value));
    assert_true(field_next(&r, &tag, &value));
    assert_false(field_next(&r, &tag, &value));
    assert_false(vv_reader_done(&r));
    vv_buf_release(&out);
}

static bool
valid(const char *path)
{
    return path_valid(sample_text(path));
}

static void
path_valid__corner_cases(void **state)
{
    (void)state;
    assert_true(path_valid(vv_span("", 0)));
    assert_true(valid("a"));
    assert_true(valid("a/b/c"));
    assert_true(valid(".a"));
    assert_true(valid("..a"));
    assert_true(valid("..."));
    assert_true(valid("a/.../b"));
    assert_true(valid("a\n\xff"));
    assert_false(valid("/"));
    assert_false(valid("/a"));
    assert_false(valid("a/"));
    assert_false(valid("a//b"));
    assert_false(valid("."));
    assert_false(valid(".."));
    assert_false(valid("a/."));
    assert_false(valid("a/../b"));
    assert_false(valid("./a"));
    assert_false(path_valid(vv_span("a\0b", 3)));
    assert_false(path_valid(vv_span("\0", 1)));
    assert_false(path_valid(vv_span("a/b\0", 4)));
}

static void
path_valid__limits(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'x', sizeof(name));
    assert_true(path_valid(vv_span(name, 255)));
    assert_false(path_valid(vv_span(name, 256)));
    char *deep = malloc(70000);
    assert_non_null(deep);
    for (size_t i = 0; i < 70000; i++) {
        deep[i] = i % 2 == 0 ? 'd' : '/';
    }
    assert_true(path_valid(vv_span(deep, 2 * LIMIT_DEPTH - 1)));
    assert_false(path_valid(vv_span(deep, 2 * LIMIT_DEPTH + 1)));
    for (size_t i = 0; i < 70000; i++) {
        deep[i] = i % 256 == 255 ? '/' : 'n';
    }
    assert_true(path_valid(vv_span(deep, LIMIT_PATH - 1)));
    assert_false(path_valid(vv_span(deep, LIMIT_PATH))); /* ends in a slash */
    assert_false(path_valid(vv_span(deep, LIMIT_PATH + 1)));
    free(deep);
}

static int
compare(const char *a, const char *b)
{
    int order = path_compare(sample_text(a), sample_text(b));
    assert_int_equal(path_compare(sample_text(b), sample_text(a)), -order);
    return order;
}

static void
path_compare__a_subtree_is_one_range(void **state)
{
    (void)state;
    /* In tree order: '-' and '\1' are smaller than '/' as bytes. */
    static const char *const ordered[] = {"",    "a",       "a/b",        "a/b/c",      "a/c",
                                          "a\1", "a-b",     "a0",         "aa",         "aaaaaaaaa",
                                          "b",   "b/12345", "b/12345678", "b/12345679", "\xff"};
    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        for (size_t j = 0; j < sizeof(ordered) / sizeof(ordered[0]); j++) {
            int order = compare(ordered[i], ordered[j]);
            assert_int_equal(order, (i > j) - (i < j));
        }
    }
}

/* The same order, written as the definition says: component by component. */
static int
compare_slowly(struct vv_span a, struct vv_span b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        unsigned x = a.data[i] == '/' ? 0 : a.data[i] + 1u;
        unsigned y = b.data[i] == '/' ? 0 : b.data[i] + 1u;
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static void
path_compare__agrees_with_its_definition(void **state)
{
    (void)state;
    unsigned seed = 12345;
    print_message("seed %u\n", seed);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t x[24];
        uint8_t y[24];
        for (unsigned j = 0; j < sizeof(x); j++) {
            seed = seed * 1103515245u + 12345u;
            x[j] = (uint8_t) "/a-\1"[(seed >> 20) & 3];
            y[j] = (seed >> 24) % 9 == 0 ? (uint8_t)(seed >> 16) : x[j];
        }
        struct vv_span a = vv_span(x, (seed >> 8) % 25);
        struct vv_span b = vv_span(y, (seed >> 13) % 25);
        assert_int_equal(path_compare(a, b), compare_slowly(a, b));
    }
}

static void
path_is_below__directories_only(void **state)
{
    (void)state;
    assert_true(path_is_below(sample_text("a"), vv_span("", 0)));
    assert_false(path_is_below(vv_span("", 0), vv_span("", 0)));
    assert_true(path_is_below(sample_text("a/b"), sample_text("a")));
    assert_false(path_is_below(sample_text("ab"), sample_text("a")));
    assert_false(path_is_below(sample_text("a"), sample_text("a")));
    assert_false(path_is_below(sample_text("a-/b"), sample_text("a")));
    assert_false(path_is_below(sample_text("b/b"), sample_text("a")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_name__text_round_trips),
        cmocka_unit_test(pack_name__other_text_is_refused),
        cmocka_unit_test(pack_name__order_is_hash_then_suffix),
        cmocka_unit_test(uuid__text_round_trips),
        cmocka_unit_test(container__has_the_documented_bytes),
        cmocka_unit_test(container__failed_buffer_is_not_finished),
        cmocka_unit_test(container__signed_part_ends_before_the_signature),
        cmocka_unit_test(padme__known_values),
        cmocka_unit_test(padme__grows_little_and_is_stable),
        cmocka_unit_test(field__round_trip_and_lengths),
        cmocka_unit_test(path_valid__corner_cases),
        cmocka_unit_test(path_valid__limits),
        cmocka_unit_test(path_compare__a_subtree_is_one_range),
        cmocka_unit_test(path_compare__agrees_with_its_definition),
        cmocka_unit_test(path_is_below__directories_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
