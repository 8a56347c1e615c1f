/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries and leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/entry.h"
#include "helper_samples.h"

static struct entry
file_at(const char *path)
{
    return (struct entry){.path = sample_text(path), .type = ENTRY_FILE, .mode = 0644, .nlink = 1};
}

/* Encode entries as one leaf. */
static enum vv_rc
build(const struct entry *entries, uint32_t count, struct vv_buf *out)
{
    struct leaf_builder b = {0};
    enum vv_rc rc = VV_OK;
    for (uint32_t i = 0; rc == VV_OK && i < count; i++) {
        rc = leaf_builder_add(&b, &entries[i], NULL);
    }
    if (rc == VV_OK) {
        rc = leaf_builder_finish(&b, out, NULL);
    }
    leaf_builder_release(&b);
    return rc;
}

static void
assert_span(struct vv_span a, struct vv_span b)
{
    assert_int_equal(a.len, b.len);
    assert_true(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void
assert_stream(const struct stream_root *a, const struct stream_root *b)
{
    assert_int_equal(a->count, b->count);
    if (a->count == 0) {
        return;
    }
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->size, b->size);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_true(vv_id_equal(&a->refs[i].id, &b->refs[i].id));
        if (a->height == 0) {
            assert_int_equal(a->refs[i].size, b->refs[i].size);
        }
    }
}

static void
assert_entry(const struct entry *a, const struct entry *b)
{
    assert_span(a->path, b->path);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_span(a->user, b->user);
    assert_span(a->group, b->group);
    assert_true(a->mtime.sec == b->mtime.sec && a->mtime.nsec == b->mtime.nsec);
    assert_true(a->ctime.sec == b->ctime.sec && a->ctime.nsec == b->ctime.nsec);
    assert_int_equal(a->file_system, b->file_system);
    assert_true(a->inode == b->inode && a->nlink == b->nlink && a->size == b->size);
    assert_int_equal(a->inode_flags, b->inode_flags);
    assert_int_equal(a->major, b->major);
    assert_int_equal(a->minor, b->minor);
    assert_span(a->target, b->target);
    assert_stream(&a->content, &b->content);
    assert_int_equal(a->extent_count, b->extent_count);
    for (uint32_t i = 0; i < a->extent_count; i++) {
        assert_int_equal(a->extents[i].offset, b->extents[i].offset);
        assert_int_equal(a->extents[i].len, b->extents[i].len);
    }
    assert_stream(&a->extents_stream, &b->extents_stream);
    assert_int_equal(a->xattr_count, b->xattr_count);
    for (uint32_t i = 0; i < a->xattr_count; i++) {
        assert_span(a->xattrs[i].name, b->xattrs[i].name);
        assert_span(a->xattrs[i].value, b->xattrs[i].value);
    }
    assert_stream(&a->xattrs_stream, &b->xattrs_stream);
}

static void
leaf__every_member_round_trips(void **state)
{
    (void)state;
    struct chunk_ref chunks[STREAM_INLINE_CHUNKS];
    struct chunk_ref list = {sample_id(9), 0};
    struct extent extents[2] = {{4096, 100}, {8192, STREAM_INLINE_CHUNKS * 20u - 100u}};
    struct xattr xattrs[2] = {{sample_text("user.a"), sample_text("value")},
                              {sample_text("user.b"), vv_span("", 0)}};
    for (uint8_t i = 0; i < STREAM_INLINE_CHUNKS; i++) {
        chunks[i] = (struct chunk_ref){sample_id(i), 20};
    }
    struct entry in[6];
    in[0] = (struct entry){.path = vv_span("", 0), .type = ENTRY_DIRECTORY, .mode = 07777};
    in[1] = file_at("a");
    in[1].flags = ENTRY_RACY | ENTRY_TORN | ENTRY_PAGES | ENTRY_HAS_CONTENT | ENTRY_HAS_EXTENTS |
                  ENTRY_HAS_XATTRS;
    in[1].uid = UINT32_MAX;
    in[1].gid = 1000;
    in[1].user = sample_text("shop");
    in[1].group = sample_text("www");
    in[1].mtime = (struct entry_time){INT64_MIN, 999999999};
    in[1].ctime = (struct entry_time){INT64_MAX, 1};
    in[1].file_system = UINT32_MAX;
    in[1].inode = UINT64_MAX;
    in[1].nlink = UINT64_MAX;
    in[1].size = UINT64_MAX;
    in[1].inode_flags = INODE_FLAGS_KEPT;
    in[1].content =
        (struct stream_root){0, STREAM_INLINE_CHUNKS * 20u, STREAM_INLINE_CHUNKS, chunks};
    in[1].extents = extents;
    in[1].extent_count = 2;
    in[1].xattrs = xattrs;
    in[1].xattr_count = 2;
    in[2] = file_at("a/b"); /* below a file: the format does not mind */
    in[2].flags = ENTRY_HAS_CONTENT | ENTRY_HAS_EXTENTS_STREAM | ENTRY_HAS_XATTRS_STREAM;
    in[2].user = sample_text("www");
    in[2].content = (struct stream_root){LIMIT_STREAM_HEIGHT, UINT64_MAX, 1, &list};
    in[2].extents_stream = (struct stream_root){1, 7, 1, &list};
    in[2].xattrs_stream = (struct stream_root){1, 8, 1, &list};
    in[3] = (struct entry){.path = sample_text("l"),
                           .type = ENTRY_SYMLINK,
                           .flags = ENTRY_HAS_TARGET | ENTRY_MAY_CHANGE | ENTRY_IMPLIED,
                           .target = sample_text("../x"),
                           .size = 4};
    in[4] = (struct entry){.path = sample_text("m"),
                           .type = ENTRY_BLOCK_DEVICE,
                           .flags = ENTRY_HAS_DEVICE | ENTRY_NO_OWNER | ENTRY_STREAM,
                           .major = UINT32_MAX,
                           .minor = 7};
    in[5] = (struct entry){.path = sample_text("p"), .type = ENTRY_FIFO};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    assert_int_equal(build(in, 6, &out), VV_OK);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    memset(out.data, 0xee, out.len); /* nothing may be borrowed from it */
    vv_buf_release(&out);
    assert_int_equal(node.height, 0);
    assert_int_equal(node.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_entry(&node.entries[i], &in[i]);
    }
    vv_arena_release(&arena);
}

static void
leaf__known_bytes(void **state)
{
    (void)state;
    struct entry in[2] = {file_at("ab"), file_at("ac")};
    in[0].user = sample_text("u");
    in[0].group = sample_text("g");
    in[0].mtime.sec = -1;
    in[1].user = sample_text("g");
    in[1].size = 300;
    struct vv_buf out = {0};
    static const uint8_t expected[] = {
        0, 2, 2,    1,   'u', 1, 'g', /* leaf: 2 entries, 2 names */
        0, 2, 'a',  'b', 17,          /* first path, body length */
        1, 0, 0xa4, 3,   0,   0, 1,   2, 1, 0, 0, 0, 0, 0, 1, 0,    0, /* file 0644 u g -1 s */
        1, 1, 'c',  18,                                                /* shares "a" */
        1, 0, 0xa4, 3,   0,   0, 2,   0, 0, 0, 0, 0, 0, 0, 1, 0xac, 2, 0};
    assert_int_equal(build(in, 2, &out), VV_OK);
    assert_int_equal(out.len, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    vv_buf_release(&out);
}

static void
leaf__empty_tree_is_three_bytes(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    assert_int_equal(build(NULL, 0, &out), VV_OK);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "\0\0\0", 3);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    assert_int_equal(node.count, 0);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
leaf_builder__refuses_disorder_and_bad_paths(void **state)
{
    (void)state;
    static const char *const bad[] = {"a/b", "a/a", "a", "", "a/b/", "b//c", "b/..", "/b", "A"};
    struct leaf_builder b = {0};
    struct entry e = file_at("a/b");
    struct vv_buf before = {0};
    struct vv_buf after = {0};
    assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_OK);
    assert_int_equal(leaf_builder_finish(&b, &before, NULL), VV_OK);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        e = file_at(bad[i]);
        e.user = sample_text("new");
        assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_EUSAGE);
    }
    /* The leaf is as it was, its name table too. */
    assert_int_equal(leaf_builder_finish(&b, &after, NULL), VV_OK);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    e = file_at("a/b-");
    assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_OK);
    leaf_builder_release(&b);
    vv_buf_release(&before);
    vv_buf_release(&after);
}

static void
leaf_builder__refuses_what_a_reader_refuses(void **state)
{
    (void)state;
    struct chunk_ref ref = {sample_id(1), 10};
    struct extent beyond = {5, 10};
    struct xattr unnamed = {vv_span("", 0), sample_text("x")};
    struct entry bad[14];
    for (unsigned i = 0; i < 14; i++) {
        bad[i] = file_at("f");
        bad[i].size = 10;
    }
    bad[0].type = (enum entry_type)7;
    bad[1].flags = 1u << 7;
    bad[2].mode = 010000;
    bad[3].mtime.nsec = 1000000000;
    bad[4].ctime.nsec = UINT32_MAX;
    bad[5].type = ENTRY_SYMLINK; /* without a target */
    bad[6].content = (struct stream_root){0, 11, 1, &ref};
    bad[7].content = (struct stream_root){1, 0, 1, &ref};
    bad[8].content = (struct stream_root){LIMIT_STREAM_HEIGHT + 1, 10, 1, &ref};
    bad[9].extents = &beyond;
    bad[9].extent_count = 1;
    bad[10].xattrs = &unnamed;
    bad[10].xattr_count = 1;
    bad[11].type = ENTRY_DIRECTORY;
    bad[11].content = (struct stream_root){0, 10, 1, &ref};
    bad[12].flags = ENTRY_HAS_XATTRS_STREAM; /* but none there */
    bad[13].type = ENTRY_SYMLINK;
    bad[13].target = vv_span("a\0b", 3);
    for (unsigned i = 0; i < 14; i++) {
        struct vv_buf out = {0};
        assert_int_equal(build(&bad[i], 1, &out), VV_EUSAGE);
        vv_buf_release(&out);
    }
}

static void
leaf_builder__entry_limit_does_not_count_the_target(void **state)
{
    (void)state;
    char *target = malloc(LIMIT_TARGET + 1);
    assert_non_null(target);
    memset(target, 't', LIMIT_TARGET + 1);
    struct entry link = {.path = sample_text("l"), .type = ENTRY_SYMLINK};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    link.target = vv_span(target, LIMIT_TARGET);
    assert_int_equal(build(&link, 1, &out), VV_OK);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    assert_int_equal(node.entries[0].target.len, LIMIT_TARGET);
    link.target.len++;
    assert_int_equal(build(&link, 1, &out), VV_EUSAGE);
    struct xattr large = {sample_text("user.large"), vv_span(target, 4000)};
    struct entry file = file_at("f");
    file.xattrs = &large;
    file.xattr_count = 1;
    out.len = 0;
    assert_int_equal(build(&file, 1, &out), VV_OK);
    large.value.len = LIMIT_ENTRY;
    assert_int_equal(build(&file, 1, &out), VV_ELIMIT);
    file = file_at("f");
    file.user = vv_span(target, 255);
    assert_int_equal(build(&file, 1, &out), VV_OK);
    file.user.len = 256;
    assert_int_equal(build(&file, 1, &out), VV_ELIMIT);
    file.user = vv_span("a\0", 2);
    assert_int_equal(build(&file, 1, &out), VV_ELIMIT);
    vv_buf_release(&out);
    vv_arena_release(&arena);
    free(target);
}

static void
leaf_builder__names_are_stored_once(void **state)
{
    (void)state;
    static const char *const users[] = {"root", "shop", "root", "www", "", "shop", "root"};
    struct leaf_builder b = {0};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    char path[16];
    for (unsigned i = 0; i < 7; i++) {
        snprintf(path, sizeof(path), "f%u", i);
        struct entry e = file_at(path);
        e.user = sample_text(users[i]);
        e.group = sample_text(users[6 - i]);
        assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_OK);
    }
    assert_int_equal(b.name_count, 3);
    assert_int_equal(leaf_builder_finish(&b, &out, NULL), VV_OK);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    for (unsigned i = 0; i < 7; i++) {
        assert_span(node.entries[i].user, sample_text(users[i]));
        assert_span(node.entries[i].group, sample_text(users[6 - i]));
    }
    leaf_builder_reset(&b);
    struct entry e = file_at("a");
    e.user = sample_text("other");
    assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_OK);
    assert_int_equal(b.name_count, 1);
    leaf_builder_release(&b);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
leaf_builder__takes_no_more_than_the_cap(void **state)
{
    (void)state;
    struct leaf_builder b = {0};
    struct vv_buf out = {0};
    struct vv_arena arena = {0};
    struct node node;
    char path[16];
    struct entry e;
    for (unsigned i = 0; i < NODE_COUNT_CAP; i++) {
        snprintf(path, sizeof(path), "f%05u", i);
        e = file_at(path);
        assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_OK);
    }
    e = file_at("g");
    assert_int_equal(leaf_builder_add(&b, &e, NULL), VV_EUSAGE);
    assert_int_equal(leaf_builder_finish(&b, &out, NULL), VV_OK);
    assert_int_equal(node_decode(vv_buf_span(&out), &arena, &node, NULL), VV_OK);
    assert_int_equal(node.count, NODE_COUNT_CAP);
    assert_span(node.entries[NODE_COUNT_CAP - 1].path, sample_text("f16383"));
    leaf_builder_release(&b);
    vv_buf_release(&out);
    vv_arena_release(&arena);
}

static void
leaf_builder__failing_allocations_are_reported(void **state)
{
    (void)state;
    struct xattr xattrs[2] = {{sample_text("user.z"), sample_text("1")},
                              {sample_text("user.a"), sample_text("2")}};
    enum vv_rc rc = VV_ENOMEM;
    for (uint64_t nth = 1; rc == VV_ENOMEM; nth++) {
        struct vv_buf out = {0};
        struct entry in[2] = {file_at("a"), file_at("b")};
        in[0].user = sample_text("root");
        in[1].xattrs = xattrs;
        in[1].xattr_count = 2;
        assert_true(nth < 100);
        vv_alloc_fail_at(nth, 0);
        rc = build(in, 2, &out);
        vv_alloc_fail_at(0, 0);
        vv_buf_release(&out);
    }
    assert_int_equal(rc, VV_OK);
}

/* Bytes a builder never makes.  The first two bytes are height and count. */
static void
node__other_encodings_are_refused(void **state)
{
    (void)state;
#define BODY "\20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define BODY_USER(n) "\20\1\0\0\0\0" n "\0\0\0\0\0\0\0\0\0\0"
    static const struct {
        const char *bytes;
        size_t len;
        enum vv_rc rc;
    } cases[] = {
#define CASE(text, rc) {text, sizeof(text) - 1, rc}
        CASE("\0\1\0\0\1a" BODY, VV_OK),
        CASE("\0\2\0\0\2ab" BODY "\1\1c" BODY, VV_OK),
        CASE("\0\2\0\0\2ab" BODY "\0\2ac" BODY, VV_ECORRUPT), /* prefix too short */
        CASE("\0\2\0\0\2ab" BODY "\3\1c" BODY, VV_ECORRUPT),  /* and too long */
        CASE("\0\2\0\0\2ab" BODY "\1\1a" BODY, VV_ECORRUPT),  /* descending */
        CASE("\0\2\0\0\2ab" BODY "\2\0" BODY, VV_ECORRUPT),   /* twice */
        CASE("\0\2\0\0\3a/b" BODY "\1\2-b" BODY, VV_OK),      /* '/' before '-' */
        CASE("\0\2\0\0\3a-b" BODY "\1\2/b" BODY, VV_ECORRUPT),
        CASE("\0\2\0\0\2a." BODY "\2\3/./" BODY, VV_ECORRUPT),
        CASE("\0\2\0\0\3a/." BODY "\3\1x" BODY, VV_ECORRUPT), /* "." is no name */
        CASE("\0\2\0\0\4a/.b" BODY "\3\1c" BODY, VV_OK),
        CASE("\0\2\0\0\4a/.b" BODY "\3\2/c" BODY, VV_ECORRUPT), /* "a/./c": also descending */
        CASE("\0\1\0\1\1a" BODY, VV_ECORRUPT),                  /* first one shares */
        CASE("\0\1\1\1u\0\1a" BODY_USER("\1"), VV_OK),
        CASE("\0\1\1\1u\0\1a" BODY, VV_ECORRUPT),               /* name not used */
        CASE("\0\1\1\1u\0\1a" BODY_USER("\2"), VV_ECORRUPT),    /* no such name */
        CASE("\0\1\2\1u\1v\0\1a" BODY_USER("\2"), VV_ECORRUPT), /* not in order of use */
        CASE("\0\2\2\1u\1u\0\1a" BODY_USER("\1") "\0\1b" BODY_USER("\2"), VV_ECORRUPT),
        CASE("\0\1\1\0\0\1a" BODY_USER("\1"), VV_ECORRUPT),                      /* empty name */
        CASE("\0\1\0\0\1a\21\1\200\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VV_ECORRUPT), /* long zero */
        CASE("\0\201\0\0\0\1a" BODY, VV_ECORRUPT), /* count not in shortest form */
        CASE("\0\1\0\0\1a\20\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VV_EUNSUPPORTED),     /* type 7 */
        CASE("\0\1\0\0\1a\21\1\200\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VV_EUNSUPPORTED), /* flag */
        CASE("\0\1\0\0\1a\21\1\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", VV_ECORRUPT),      /* no xattrs */
        CASE("\0\1\0\0\1a\20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", VV_ECORRUPT), /* inode flag 1 */
        CASE("\0\0\0\0", VV_ECORRUPT),                                       /* a byte too many */
        CASE("\1\0", VV_ECORRUPT), /* an inner node needs an item */
        CASE("\21\1", VV_ECORRUPT),
        CASE("\0\377\377\3\0", VV_ECORRUPT),
#undef CASE
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vv_arena arena = {0};
        struct node node;
        struct vv_error err = {0};
        uint8_t *copy = malloc(cases[i].len);
        assert_non_null(copy);
        memcpy(copy, cases[i].bytes, cases[i].len);
        enum vv_rc rc = node_decode(vv_span(copy, cases[i].len), &arena, &node, &err);
        if (rc != cases[i].rc) {
            fail_msg("case %u: %s (%s)", i, vv_rc_name(rc), err.message);
        }
        free(copy);
        vv_arena_release(&arena);
    }
}

/* Random sorted paths: what is decoded is what was given, and building it again gives the same. */
static void
leaf__random_trees_round_trip(void **state)
{
    (void)state;
    unsigned seed = 4711;
    print_message("seed %u\n", seed);
    for (unsigned round = 0; round < 50; round++) {
        static char paths[200][64];
        struct entry in[200];
        unsigned count = 0;
        struct vv_buf first = {0};
        struct vv_buf second = {0};
        struct vv_arena arena = {0};
        struct node node;
        char path[64] = "a";
        for (unsigned i = 0; i < 200; i++) {
            /* Go on from the last path: longer, or a later byte at some place. */
            size_t len = strlen(path);
            seed = seed * 1103515245u + 12345u;
            if ((seed >> 16) % 3 == 0 && len < 50) {
                snprintf(path + len, sizeof(path) - len, "%s", (seed >> 20) % 2 ? "/x" : "-y");
            } else {
                size_t at = (seed >> 18) % len;
                if (path[at] == '/' || path[at] == 'z') {
                    continue;
                }
                path[at]++;
                if (path[at] == '/' || path[at] == '.') {
                    path[at] = '0';
                }
                path[at + 1] = '\0';
            }
            memcpy(paths[count], path, sizeof(path));
            in[count] = file_at(paths[count]);
            in[count].inode = seed;
            in[count].user = sample_text((seed >> 22) % 2 ? "root" : "shop");
            count++;
        }
        assert_true(count > 20);
        assert_int_equal(build(in, count, &first), VV_OK);
        assert_int_equal(node_decode(vv_buf_span(&first), &arena, &node, NULL), VV_OK);
        assert_int_equal(node.count, count);
        for (unsigned i = 0; i < count; i++) {
            assert_span(node.entries[i].path, in[i].path);
            assert_int_equal(node.entries[i].inode, in[i].inode);
        }
        assert_int_equal(build(node.entries, count, &second), VV_OK);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        vv_buf_release(&first);
        vv_buf_release(&second);
        vv_arena_release(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf__every_member_round_trips),
        cmocka_unit_test(leaf__known_bytes),
        cmocka_unit_test(leaf__empty_tree_is_three_bytes),
        cmocka_unit_test(leaf_builder__refuses_disorder_and_bad_paths),
        cmocka_unit_test(leaf_builder__refuses_what_a_reader_refuses),
        cmocka_unit_test(leaf_builder__entry_limit_does_not_count_the_target),
        cmocka_unit_test(leaf_builder__names_are_stored_once),
        cmocka_unit_test(leaf_builder__takes_no_more_than_the_cap),
        cmocka_unit_test(leaf_builder__failing_allocations_are_reported),
        cmocka_unit_test(node__other_encodings_are_refused),
        cmocka_unit_test(leaf__random_trees_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
