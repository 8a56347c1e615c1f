/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading streams. */

#include <string.h>

#include "core/alloc.h"
#include "repo/tree.h"

struct walk {
    struct chunk_reader *chunks;
    stream_chunk_fn *on_chunk;
    stream_list_fn *on_list;
    stream_lost_fn *on_lost;
    void *ctx;
};

static enum vv_rc walk_list(const struct walk *w, const struct chunk_ref *list, uint32_t height,
                            uint64_t offset, struct vv_error *err);

/** Visit the items of a list of height ${height} (0: inline chunks). */
static enum vv_rc
walk_items(const struct walk *w, const struct chunk_ref *refs, uint32_t count, uint32_t height,
           uint64_t offset, struct vv_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (height <= 1) {
            if (w->on_chunk != NULL) {
                VV_TRY(w->on_chunk(w->ctx, &refs[i], offset, err));
            }
        } else {
            VV_TRY(walk_list(w, &refs[i], height - 1, offset, err));
        }
        offset += refs[i].size;
    }
    return VV_OK;
}

/** Read and check one list: its height, and that its items add up to what its parent says. */
static enum vv_rc
read_list(const struct walk *w, const struct chunk_ref *list, uint32_t height,
          struct vv_arena *arena, struct chunk_ref **ret, uint32_t *ret_count, struct vv_error *err)
{
    struct vv_buf bytes = {0};
    uint32_t found;
    uint64_t total = 0;
    enum vv_rc rc = chunk_read(w->chunks, CHUNK_LIST, &list->id, &bytes, err);

    if (rc == VV_OK) {
        rc = list_decode(vv_buf_span(&bytes), arena, &found, ret, ret_count, err);
    }
    vv_buf_release(&bytes);
    VV_TRY(rc);
    for (uint32_t i = 0; i < *ret_count; i++) {
        total += (*ret)[i].size; /* list_decode bounds each */
    }
    if (found != height || total != list->size) {
        return vv_error_set(err, VV_ECORRUPT, "a chunk list that does not fit its place");
    }
    return VV_OK;
}

static enum vv_rc
walk_list(const struct walk *w, const struct chunk_ref *list, uint32_t height, uint64_t offset,
          struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct chunk_ref *refs;
    uint32_t count;
    enum vv_rc rc = VV_OK;

    if (w->on_list != NULL) {
        rc = w->on_list(w->ctx, &list->id, err);
        if (rc == VV_EEXISTS) {
            return VV_OK;
        }
        VV_TRY(rc);
    }
    rc = read_list(w, list, height, &arena, &refs, &count, err);
    if (rc == VV_OK) {
        rc = walk_items(w, refs, count, height, offset, err);
    } else if (w->on_lost != NULL && (rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_EIO)) {
        struct vv_error why = {0};
        if (err != NULL) {
            why = *err;
        }
        vv_error_clear(err);
        rc = w->on_lost(w->ctx, offset, list->size, &why, err);
    }
    vv_arena_release(&arena);
    return rc;
}

static enum vv_rc
walk_root(const struct walk *w, const struct stream_root *root, struct vv_error *err)
{
    struct chunk_ref top;

    if (root->height == 0) {
        return walk_items(w, root->refs, root->count, 0, 0, err);
    }
    if (root->height > LIMIT_STREAM_HEIGHT || root->count != 1) {
        return vv_error_set(err, VV_ECORRUPT, "a stream of height %u", root->height);
    }
    top.id = root->refs[0].id;
    top.size = root->size;
    return walk_list(w, &top, root->height, 0, err);
}

enum vv_rc
stream_each_chunk(struct chunk_reader *c, const struct stream_root *root, stream_chunk_fn *fn,
                  stream_lost_fn *lost, void *ctx, struct vv_error *err)
{
    struct walk w = {.chunks = c, .on_chunk = fn, .on_lost = lost, .ctx = ctx};

    return walk_root(&w, root, err);
}

enum vv_rc
stream_each_list(struct chunk_reader *c, const struct stream_root *root, stream_list_fn *fn,
                 void *ctx, struct vv_error *err)
{
    struct walk w = {.chunks = c, .on_list = fn, .ctx = ctx};

    return root->height == 0 ? VV_OK : walk_root(&w, root, err);
}

struct read_all {
    struct chunk_reader *chunks;
    struct vv_buf *out;
};

static enum vv_rc
append_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct read_all *a = ctx;
    size_t before = a->out->len;

    (void)offset;
    VV_TRY(chunk_read(a->chunks, CHUNK_DATA, &chunk->id, a->out, err));
    if (a->out->len - before != chunk->size) {
        return vv_error_set(err, VV_ECORRUPT, "a chunk is not as long as its list says");
    }
    return VV_OK;
}

enum vv_rc
stream_read_all(struct chunk_reader *c, const struct stream_root *root, uint64_t limit,
                struct vv_buf *out, struct vv_error *err)
{
    struct read_all all = {c, out};

    if (root->size > limit) {
        return vv_error_set(err, VV_ELIMIT, "a stream of %llu bytes where %llu are allowed",
                            (unsigned long long)root->size, (unsigned long long)limit);
    }
    return stream_each_chunk(c, root, append_chunk, NULL, &all, err);
}
