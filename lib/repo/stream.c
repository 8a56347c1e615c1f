/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: a byte string as a tree of chunk lists. */

#include <string.h>

#include "core/alloc.h"
#include "repo/tree.h"

/** One unfinished list; level 0 holds chunks. */
struct open_list {
    struct chunk_ref *refs;
    uint32_t count;
    uint32_t room;
};

struct stream_writer {
    struct repo *repo;
    struct block_builder *builder;
    bool fixed_size;
    struct open_list lists[LIMIT_STREAM_HEIGHT];
    uint32_t heights; /* levels in use */
    uint64_t size;
    struct vv_buf bytes;
};

enum vv_rc
stream_writer_new(struct repo *r, struct block_builder *b, bool fixed_size,
                  struct stream_writer **ret, struct vv_error *err)
{
    struct stream_writer *s = vv_alloc_array(1, sizeof(*s));

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->repo = r;
    s->builder = b;
    s->fixed_size = fixed_size;
    *ret = s;
    return VV_OK;
}

void
stream_writer_free(struct stream_writer *s)
{
    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; i < LIMIT_STREAM_HEIGHT; i++) {
        vv_free(s->lists[i].refs);
    }
    vv_buf_release(&s->bytes);
    vv_free(s);
}

/** Does a list end behind this item? */
static bool
ends_list(const struct stream_writer *s, const struct open_list *l)
{
    const uint8_t *id = l->refs[l->count - 1].id.b;

    if (s->fixed_size) {
        return l->count >= LIST_FIXED_FANOUT;
    }
    return l->count >= LIST_COUNT_CAP ||
           (l->count >= LIST_MIN_ITEMS && ((uint32_t)id[0] | (uint32_t)id[1] << 8) < LIST_BOUNDARY);
}

static enum vv_rc
append(struct open_list *l, const struct chunk_ref *ref, struct vv_error *err)
{
    if (l->count == l->room) {
        uint32_t room = l->room == 0 ? STREAM_INLINE_CHUNKS : l->room * 2;
        struct chunk_ref *grown = vv_realloc_array(l->refs, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        l->refs = grown;
        l->room = room;
    }
    l->refs[l->count++] = *ref;
    return VV_OK;
}

/** Store a level's open list; ${ret} refers to it. */
static enum vv_rc
store_list(struct stream_writer *s, uint32_t level, struct chunk_ref *ret, struct vv_error *err)
{
    struct open_list *l = &s->lists[level];
    bool is_new;

    vv_buf_reset(&s->bytes);
    VV_TRY(list_encode(level + 1, l->refs, l->count, &s->bytes, err));
    ret->size = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        ret->size += l->refs[i].size;
    }
    chunk_id(repo_keyring(s->repo), CHUNK_LIST, vv_buf_span(&s->bytes), &ret->id);
    VV_TRY(block_builder_put(s->builder, BLOCK_TREE, CHUNK_LIST, &ret->id, vv_buf_span(&s->bytes),
                             &is_new, err));
    l->count = 0;
    return VV_OK;
}

/** Add an item to a level, closing full lists upwards. */
static enum vv_rc
add_at(struct stream_writer *s, uint32_t level, const struct chunk_ref *ref, struct vv_error *err)
{
    struct chunk_ref item = *ref;

    for (;; level++) {
        struct open_list *l;
        if (level >= LIMIT_STREAM_HEIGHT) {
            return vv_error_set(err, VV_ELIMIT, "the stream is too long");
        }
        l = &s->lists[level];
        if (s->heights < level + 1) {
            s->heights = level + 1;
        }
        VV_TRY(append(l, &item, err));
        if (!ends_list(s, l)) {
            return VV_OK;
        }
        VV_TRY(store_list(s, level, &item, err));
    }
}

enum vv_rc
stream_writer_add(struct stream_writer *s, const struct chunk_ref *ref, struct vv_error *err)
{
    s->size += ref->size;
    return add_at(s, 0, ref, err);
}

static enum vv_rc
inline_root(struct stream_writer *s, struct vv_arena *arena, struct stream_root *ret,
            struct vv_error *err)
{
    struct open_list *l = &s->lists[0];
    struct stream_root root = {.height = 0, .size = s->size, .count = l->count};

    if (l->count > 0) {
        root.refs = vv_arena_copy(arena, l->refs, l->count * sizeof(*l->refs));
        if (root.refs == NULL) {
            return vv_error_nomem(err);
        }
    }
    *ret = root;
    return VV_OK;
}

/** Close open lists from below; the last one stored is the root. */
static enum vv_rc
list_root(struct stream_writer *s, struct vv_arena *arena, struct stream_root *ret,
          struct vv_error *err)
{
    struct chunk_ref top;

    for (uint32_t level = 0; level < s->heights; level++) {
        struct open_list *l = &s->lists[level];
        bool highest = level + 1 == s->heights;
        if (highest && level > 0 && l->count == 1) { /* a list of one list: that one is the root */
            top = l->refs[0];
            l->count = 0;
            ret->height = level;
            break;
        }
        if (l->count == 0) {
            continue;
        }
        VV_TRY(store_list(s, level, &top, err));
        if (highest) {
            ret->height = level + 1;
            break;
        }
        VV_TRY(add_at(s, level + 1, &top, err));
    }
    ret->size = s->size;
    ret->count = 1;
    ret->refs = vv_arena_copy(arena, &top, sizeof(top));
    return ret->refs == NULL ? vv_error_nomem(err) : VV_OK;
}

enum vv_rc
stream_writer_finish(struct stream_writer *s, struct vv_arena *arena, struct stream_root *ret,
                     struct vv_error *err)
{
    struct stream_root root = {0};
    enum vv_rc rc;

    if (s->heights <= 1 && s->lists[0].count <= STREAM_INLINE_CHUNKS) {
        rc = inline_root(s, arena, &root, err);
    } else {
        rc = list_root(s, arena, &root, err);
    }
    for (unsigned i = 0; i < LIMIT_STREAM_HEIGHT; i++) {
        s->lists[i].count = 0;
    }
    s->heights = 0;
    s->size = 0;
    if (rc == VV_OK) {
        *ret = root;
    }
    return rc;
}

enum vv_rc
stream_write(struct repo *r, struct block_builder *b, enum block_kind kind, struct vv_span bytes,
             struct vv_arena *arena, struct stream_root *ret, struct vv_error *err)
{
    const struct chunker *chunker = keyring_chunker(repo_keyring(r));
    struct stream_writer *s;
    size_t at = 0;
    enum vv_rc rc;

    VV_TRY(stream_writer_new(r, b, false, &s, err));
    rc = VV_OK;
    while (rc == VV_OK && at < bytes.len) {
        struct chunk_ref ref;
        bool is_new;
        size_t len = chunker_cut(chunker, bytes.data + at, bytes.len - at);
        ref.size = len;
        chunk_id(repo_keyring(r), CHUNK_DATA, vv_span(bytes.data + at, len), &ref.id);
        rc = block_builder_put(b, kind, CHUNK_DATA, &ref.id, vv_span(bytes.data + at, len), &is_new,
                               err);
        if (rc == VV_OK) {
            rc = stream_writer_add(s, &ref, err);
        }
        at += len;
    }
    if (rc == VV_OK) {
        rc = stream_writer_finish(s, arena, ret, err);
    }
    stream_writer_free(s);
    return rc;
}
