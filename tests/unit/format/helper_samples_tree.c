/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of tree nodes, lists and what entries hold. */
#include "format/entry.h"
#include "helper_samples_internal.h"

static void
add_file(struct leaf_builder *b, const char *path, struct chunk_ref *ref)
{
    struct extent extents[2] = {{4096, 100}, {8192, 28}};
    struct xattr xattrs[2] = {{sample_text("user.a"), sample_text("1")},
                              {sample_text("user.b"), vv_span("", 0)}};
    struct entry e = {.path = sample_text(path),
                      .type = ENTRY_FILE,
                      .flags = ENTRY_RACY | ENTRY_HAS_EXTENTS,
                      .mode = 0644,
                      .uid = 1000,
                      .gid = 1000,
                      .user = sample_text("shop"),
                      .group = sample_text("shop"),
                      .mtime = {1700000000, 123456789},
                      .ctime = {-1, 999999999},
                      .file_system = 1,
                      .inode = 1234567,
                      .nlink = 1,
                      .size = 20000,
                      .inode_flags = 0x80,
                      .content = {0, 128, 1, ref},
                      .extents = extents,
                      .extent_count = 2,
                      .xattrs = xattrs,
                      .xattr_count = 2};
    OK(leaf_builder_add(b, &e, NULL));
}

void
build_leaf(struct vv_buf *out)
{
    struct leaf_builder b = {0};
    struct chunk_ref ref = {sample_id(1), 128};
    struct chunk_ref list = {sample_id(2), 0};
    struct entry root = {.type = ENTRY_DIRECTORY, .mode = 0755, .user = sample_text("root")};
    struct entry link = {.path = sample_text("etc/link"),
                         .type = ENTRY_SYMLINK,
                         .mode = 0777,
                         .user = sample_text("root"),
                         .group = sample_text("wheel"),
                         .size = 7,
                         .target = sample_text("../file")};
    struct entry device = {.path = sample_text("etc/tty"),
                           .type = ENTRY_CHARACTER_DEVICE,
                           .mode = 0600,
                           .major = 5,
                           .minor = 1};
    struct entry large = {.path = sample_text("etc/tty/large"),
                          .type = ENTRY_FILE,
                          .size = 1u << 30,
                          .content = {1, 1u << 30, 1, &list},
                          .extents_stream = {1, 5000, 1, &list},
                          .xattrs_stream = {2, 70000, 1, &list}};
    root.path = vv_span("", 0);
    OK(leaf_builder_add(&b, &root, NULL));
    add_file(&b, "etc/file", &ref);
    add_file(&b, "etc/file2", &ref);
    OK(leaf_builder_add(&b, &link, NULL));
    OK(leaf_builder_add(&b, &device, NULL));
    OK(leaf_builder_add(&b, &large, NULL));
    OK(leaf_builder_finish(&b, out, NULL));
    leaf_builder_release(&b);
}

void
build_inner(struct vv_buf *out)
{
    struct inner_builder b = {0};
    struct node_item items[3] = {{vv_span("", 0), sample_id(1), 60, 1000},
                                 {sample_text("srv/a"), sample_id(2), 1, 0},
                                 {sample_text("srv/a/b"), sample_id(3), 70000, UINT64_MAX}};
    for (unsigned i = 0; i < 3; i++) {
        inner_builder_add(&b, &items[i]);
    }
    OK(inner_builder_finish(&b, 1, out, NULL));
    inner_builder_release(&b);
}

enum vv_rc
decode_node(struct vv_span bytes, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct node node;
    enum vv_rc rc = node_decode(bytes, &arena, &node, err);
    vv_arena_release(&arena);
    return rc;
}

void
build_list(struct vv_buf *out)
{
    struct chunk_ref refs[3] = {{sample_id(1), 65536}, {sample_id(2), 1}, {sample_id(3), 300000}};
    OK(list_encode(1, refs, 3, out, NULL));
}

void
build_list_of_lists(struct vv_buf *out)
{
    struct chunk_ref refs[2] = {{sample_id(1), 1u << 30}, {sample_id(2), 77}};
    OK(list_encode(2, refs, 2, out, NULL));
}

enum vv_rc
decode_list(struct vv_span bytes, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct chunk_ref *refs;
    uint32_t height;
    uint32_t count;
    enum vv_rc rc = list_decode(bytes, &arena, &height, &refs, &count, err);
    vv_arena_release(&arena);
    return rc;
}

void
build_xattrs(struct vv_buf *out)
{
    struct xattr xattrs[2] = {{sample_text("security.capability"), sample_text("\1\0\0\2")},
                              {sample_text("user.comment"), sample_text("hello")}};
    xattrs_encode(xattrs, 2, out);
}

enum vv_rc
decode_xattrs(struct vv_span bytes, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct xattr *xattrs;
    uint32_t count;
    enum vv_rc rc = xattrs_decode(bytes, &arena, &xattrs, &count, err);
    vv_arena_release(&arena);
    return rc;
}

void
build_extents(struct vv_buf *out)
{
    struct extent extents[3] = {{0, 4096}, {8192, 100}, {1u << 20, 1u << 19}};
    extents_encode(extents, 3, out);
}

enum vv_rc
decode_extents(struct vv_span bytes, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct extent *extents;
    uint32_t count;
    enum vv_rc rc = extents_decode(bytes, 1u << 21, &arena, &extents, &count, err);
    vv_arena_release(&arena);
    return rc;
}
