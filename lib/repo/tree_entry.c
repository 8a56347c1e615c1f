/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying, comparing and completing entries. */

#include <string.h>

#include "repo/tree.h"

static bool
copy_span(struct vv_arena *arena, struct vv_span *span)
{
    void *copy;

    if (span->len == 0) {
        span->data = NULL;
        return true;
    }
    copy = vv_arena_copy(arena, span->data, span->len);
    span->data = copy;
    return copy != NULL;
}

static bool
copy_array(struct vv_arena *arena, void **array, size_t count, size_t size)
{
    if (count == 0) {
        *array = NULL;
        return true;
    }
    *array = vv_arena_copy(arena, *array, count * size);
    return *array != NULL;
}

static bool
copy_root(struct vv_arena *arena, struct stream_root *root)
{
    return copy_array(arena, (void **)&root->refs, root->count, sizeof(*root->refs));
}

static bool
copy_parts(struct vv_arena *arena, struct entry *e)
{
    if (!copy_span(arena, &e->path) || !copy_span(arena, &e->user) ||
        !copy_span(arena, &e->group) || !copy_span(arena, &e->target) ||
        !copy_root(arena, &e->content) || !copy_root(arena, &e->extents_stream) ||
        !copy_root(arena, &e->xattrs_stream) ||
        !copy_array(arena, (void **)&e->extents, e->extent_count, sizeof(*e->extents)) ||
        !copy_array(arena, (void **)&e->xattrs, e->xattr_count, sizeof(*e->xattrs))) {
        return false;
    }
    for (uint32_t i = 0; i < e->xattr_count; i++) {
        if (!copy_span(arena, &e->xattrs[i].name) || !copy_span(arena, &e->xattrs[i].value)) {
            return false;
        }
    }
    return true;
}

enum vv_rc
entry_copy(struct vv_arena *arena, const struct entry *from, struct entry *to, struct vv_error *err)
{
    struct entry copy = *from;

    if (!copy_parts(arena, &copy)) {
        return vv_error_nomem(err);
    }
    *to = copy;
    return VV_OK;
}

static bool
span_equal(struct vv_span a, struct vv_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool
root_equal(const struct stream_root *a, const struct stream_root *b)
{
    if (a->height != b->height || a->size != b->size || a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!vv_id_equal(&a->refs[i].id, &b->refs[i].id)) {
            return false;
        }
    }
    return true;
}

static bool
xattrs_equal(const struct entry *a, const struct entry *b)
{
    if (a->xattr_count != b->xattr_count || !root_equal(&a->xattrs_stream, &b->xattrs_stream)) {
        return false;
    }
    for (uint32_t i = 0; i < a->xattr_count; i++) {
        if (!span_equal(a->xattrs[i].name, b->xattrs[i].name) ||
            !span_equal(a->xattrs[i].value, b->xattrs[i].value)) {
            return false;
        }
    }
    return true;
}

static bool
extents_equal(const struct entry *a, const struct entry *b)
{
    if (a->extent_count != b->extent_count || !root_equal(&a->extents_stream, &b->extents_stream)) {
        return false;
    }
    for (uint32_t i = 0; i < a->extent_count; i++) {
        if (a->extents[i].offset != b->extents[i].offset ||
            a->extents[i].len != b->extents[i].len) {
            return false;
        }
    }
    return true;
}

bool
entry_equal(const struct entry *a, const struct entry *b)
{
    const uint32_t ignored = ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE | ENTRY_IMPLIED;

    return a->type == b->type && (a->flags & ~ignored) == (b->flags & ~ignored) &&
           a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           span_equal(a->user, b->user) && span_equal(a->group, b->group) &&
           a->mtime.sec == b->mtime.sec && a->mtime.nsec == b->mtime.nsec && a->size == b->size &&
           a->inode_flags == b->inode_flags && a->major == b->major && a->minor == b->minor &&
           span_equal(a->target, b->target) && root_equal(&a->content, &b->content) &&
           extents_equal(a, b) && xattrs_equal(a, b);
}

enum vv_rc
entry_complete(struct chunk_reader *c, struct entry *e, struct vv_arena *arena,
               struct vv_error *err)
{
    struct vv_buf bytes = {0};
    struct vv_span kept = {0};
    enum vv_rc rc = VV_OK;

    if (e->flags & ENTRY_HAS_XATTRS_STREAM) {
        rc = stream_read_all(c, &e->xattrs_stream, LIMIT_XATTRS, &bytes, err);
        kept = vv_span(vv_arena_copy(arena, bytes.data, bytes.len), bytes.len);
        if (rc == VV_OK && kept.data == NULL) {
            rc = vv_error_nomem(err);
        }
        if (rc == VV_OK) {
            rc = xattrs_decode(kept, arena, &e->xattrs, &e->xattr_count, err);
        }
    }
    if (rc == VV_OK && (e->flags & ENTRY_HAS_EXTENTS_STREAM)) {
        vv_buf_reset(&bytes);
        rc = stream_read_all(c, &e->extents_stream, LIMIT_PACK, &bytes, err);
        if (rc == VV_OK) {
            rc = extents_decode(vv_buf_span(&bytes), e->size, arena, &e->extents, &e->extent_count,
                                err);
        }
    }
    vv_buf_release(&bytes);
    return rc;
}
