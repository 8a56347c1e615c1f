/* SPDX-License-Identifier: BSD-2-Clause */
/* Inner nodes, stream lists, extended attributes and extents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/entry.h"
#include "helper_samples.h"

static void
inner_node__round_trips(void **state)
{
    (void)state;
    struct node_item in[3] = {{vv_span("", 0), sample_id(1), 60, 0},
                              {sample_text("srv/a"), sample_id(2), 1, UINT64_MAX},
                              {sample_text("srv/a/b"), sample_id(3), UINT64_MAX, 5}};
    struct inner_builder b = {0};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    for (unsigned i = 0; i < 3; i++) {
        inner_builder_add(&b, &in[i]);
    }
    assert_int_equal(inner_builder_finish(&b, LIMIT_TREE_HEIGHT, &out, NULL), VV_OK);
    assert_int_equal(out.data[0], LIMIT_TREE_HEIGHT);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    memset(out.data, 0xee, out.len);
    assert_int_equal(node.height, LIMIT_TREE_HEIGHT);
    assert_int_equal(node.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(path_compare(node.items[i].path, in[i].path), 0);
        assert_true(vv_id_equal(&node.items[i].node, &in[i].node));
        assert_true(node.items[i].entries == in[i].entries);
        assert_true(node.items[i].bytes == in[i].bytes);
    }
    inner_builder_reset(&b);
    inner_builder_add(&b, &in[0]);
    assert_int_equal(inner_builder_finish(&b, 1, &out, NULL), VV_OK);
    inner_builder_release(&b);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
inner_builder__misuse_is_reported(void **state)
{
    (void)state;
    struct inner_builder b = {0};
    struct vv_buf out = {0};
    struct node_item item = {sample_text("b"), sample_id(1), 1, 1};
    assert_int_equal(inner_builder_finish(&b, 1, &out, NULL), VV_EUSAGE); /* no items */
    inner_builder_add(&b, &item);
    assert_int_equal(inner_builder_finish(&b, 0, &out, NULL), VV_EUSAGE);
    assert_int_equal(inner_builder_finish(&b, LIMIT_TREE_HEIGHT + 1, &out, NULL), VV_EUSAGE);
    item.path = sample_text("a");
    inner_builder_add(&b, &item);
    assert_int_equal(inner_builder_finish(&b, 1, &out, NULL), VV_EUSAGE);
    inner_builder_reset(&b);
    item.entries = 0;
    inner_builder_add(&b, &item);
    assert_int_equal(inner_builder_finish(&b, 1, &out, NULL), VV_EUSAGE);
    assert_int_equal(out.len, 0);
    inner_builder_release(&b);
    vv_buf_release(&out);
}

static void
inner_node__unknown_flags_are_unsupported(void **state)
{
    (void)state;
    struct inner_builder b = {0};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    struct node_item item = {sample_text("b"), sample_id(1), 1, 1};
    inner_builder_add(&b, &item);
    assert_int_equal(inner_builder_finish(&b, 1, &out, NULL), VV_OK);
    out.data[out.len - 1] = 1;
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_EUNSUPPORTED);
    out.data[out.len - 1] = 0;
    out.data[out.len - 3] = 0; /* no entries below */
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_ECORRUPT);
    inner_builder_release(&b);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
list__round_trips(void **state)
{
    (void)state;
    struct chunk_ref *refs = calloc(LIST_COUNT_CAP + 1, sizeof(*refs));
    assert_non_null(refs);
    for (uint32_t i = 0; i <= LIST_COUNT_CAP; i++) {
        refs[i] = (struct chunk_ref){sample_id((uint8_t)i), i + 1};
    }
    static const uint32_t counts[] = {1, 2, 1000, LIST_COUNT_CAP};
    for (unsigned i = 0; i < 4; i++) {
        struct vv_buf out = {0};
        struct vv_arena arena = {0};
        struct chunk_ref *back;
        uint32_t height;
        uint32_t count;
        assert_int_equal(list_encode(i + 1, refs, counts[i], &out, NULL), VV_OK);
        assert_int_equal(list_decode(vv_buf_span(&out), &arena, &height, &back, &count, NULL),
                         VV_OK);
        assert_int_equal(height, i + 1);
        assert_int_equal(count, counts[i]);
        for (uint32_t j = 0; j < count; j++) {
            assert_true(vv_id_equal(&back[j].id, &refs[j].id) && back[j].size == refs[j].size);
        }
        vv_buf_release(&out);
        vv_arena_release(&arena);
    }
    struct vv_buf out = {0};
    assert_int_equal(list_encode(1, refs, LIST_COUNT_CAP + 1, &out, NULL), VV_EUSAGE);
    assert_int_equal(list_encode(1, refs, 0, &out, NULL), VV_EUSAGE);
    assert_int_equal(list_encode(0, refs, 1, &out, NULL), VV_EUSAGE);
    assert_int_equal(list_encode(LIMIT_STREAM_HEIGHT + 1, refs, 1, &out, NULL), VV_EUSAGE);
    free(refs);
}

static void
list__sizes_are_checked(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct chunk_ref refs[2] = {{sample_id(1), UINT64_MAX}, {sample_id(2), 1}};
    assert_int_equal(list_encode(2, refs, 2, &out, NULL), VV_EUSAGE); /* overflow */
    assert_int_equal(list_encode(2, refs, 1, &out, NULL), VV_OK);
    assert_int_equal(list_encode(1, refs, 1, &out, NULL), VV_EUSAGE); /* more than a block */
    refs[0].size = 0;
    assert_int_equal(list_encode(2, refs, 1, &out, NULL), VV_EUSAGE);
    /* The same on the way in. */
    struct vv_arena arena = {0};
    struct chunk_ref *back;
    uint32_t height;
    uint32_t count;
    out.len = 0;
    vv_buf_put_u8(&out, 1);
    vv_buf_put_varint(&out, 1);
    vv_buf_put_varint(&out, LIMIT_BLOCK_PLAIN + 1);
    vv_buf_put_zeros(&out, 32);
    assert_int_equal(list_decode(vv_buf_span(&out), &arena, &height, &back, &count, NULL),
                     VV_ECORRUPT);
    out.data[0] = 2;
    assert_int_equal(list_decode(vv_buf_span(&out), &arena, &height, &back, &count, NULL), VV_OK);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
xattrs__any_order_is_sorted(void **state)
{
    (void)state;
    struct xattr in[4] = {{sample_text("user.b"), sample_text("1")},
                          {sample_text("user.a"), sample_text("old")},
                          {sample_text("user"), sample_text("3")},
                          {sample_text("user.a"), sample_text("new")}};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct xattr *back;
    uint32_t count;
    xattrs_encode(in, 4, &out);
    assert_int_equal(xattrs_decode(vv_buf_span(&out), &arena, &back, &count, NULL), VV_OK);
    memset(out.data, 0xee, out.len);
    assert_int_equal(count, 3);
    assert_memory_equal(back[0].name.data, "user", 4);
    assert_memory_equal(back[1].name.data, "user.a", 6);
    assert_memory_equal(back[1].value.data, "new", 3);
    assert_memory_equal(back[2].name.data, "user.b", 6);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
xattrs__impossible_sets_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\2\1b\0\1a\0", 7},                             /* not sorted */
        {"\2\1a\0\1a\0", 7},                             /* twice */
        {"\1\0\0", 3},                                   /* no name */
        {"\1\1\0\0", 4},                                 /* NUL */
        {"\1\1a\2x", 5},                                 /* value too long */
        {"\377\377\377\377\377\377\377\377\177\1a", 11}, /* count */
        {"\1\1a\377\377\377\377\377\377\377\377\377\1", 13},
        {"\1\1a\0\0", 5}, /* bytes left over */
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vv_arena arena = {0};
        struct xattr *back;
        uint32_t count;
        assert_int_equal(
            xattrs_decode(vv_span(cases[i].bytes, cases[i].len), &arena, &back, &count, NULL),
            VV_ECORRUPT);
        vv_arena_release(&arena);
    }
}

static void
extents__are_normalised(void **state)
{
    (void)state;
    struct extent in[5] = {{0, 0}, {10, 5}, {15, 5}, {20, 0}, {30, 1}};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct extent *back;
    uint32_t count;
    extents_encode(in, 5, &out);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "\2\12\12\12\1", 5);
    assert_int_equal(extents_decode(vv_buf_span(&out), 31, &arena, &back, &count, NULL), VV_OK);
    assert_int_equal(count, 2);
    assert_int_equal(back[0].offset, 10);
    assert_int_equal(back[0].len, 10);
    assert_int_equal(back[1].offset, 30);
    assert_int_equal(extents_decode(vv_buf_span(&out), 30, &arena, &back, &count, NULL),
                     VV_ECORRUPT);
    vv_buf_reset(&out);
    extents_encode(NULL, 0, &out);
    assert_int_equal(extents_decode(vv_buf_span(&out), 0, &arena, &back, &count, NULL), VV_OK);
    assert_int_equal(count, 0);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
extents__impossible_maps_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\2\0\1\0\1", 5},                                  /* touching */
        {"\1\0\0", 3},                                      /* empty */
        {"\1\377\377\377\377\377\377\377\377\377\1\1", 12}, /* offset 2^64 - 1 */
        {"\1\1\377\377\377\377\377\377\377\377\377\1", 12}, /* length 2^64 - 1 */
        {"\2\1\1\1", 4},                                    /* cut short */
        {"\0\0", 2},                                        /* bytes left over */
        {"\377\377\377\377\377\377\377\377\177", 9},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vv_arena arena = {0};
        struct extent *back;
        uint32_t count;
        assert_int_equal(extents_decode(vv_span(cases[i].bytes, cases[i].len), 1000, &arena, &back,
                                        &count, NULL),
                         VV_ECORRUPT);
        vv_arena_release(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner_node__round_trips),
        cmocka_unit_test(inner_builder__misuse_is_reported),
        cmocka_unit_test(inner_node__unknown_flags_are_unsupported),
        cmocka_unit_test(list__round_trips),
        cmocka_unit_test(list__sizes_are_checked),
        cmocka_unit_test(xattrs__any_order_is_sorted),
        cmocka_unit_test(xattrs__impossible_sets_are_refused),
        cmocka_unit_test(extents__are_normalised),
        cmocka_unit_test(extents__impossible_maps_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
