/* SPDX-License-Identifier: BSD-2-Clause */
/* A file's bytes in order, and printing them. */

#include "engine/look_internal.h"

#include <string.h>

#define ZEROS_AT_ONCE (64u << 10)

struct content {
    struct looker *look;
    const struct extent *extents;
    uint32_t extent_count;
    uint32_t extent;      /* the one being filled */
    uint64_t extent_done; /* bytes of it */
    uint64_t at;          /* place in the file */
    content_data_fn *data;
    content_hole_fn *hole;
    void *ctx;
    struct vv_buf bytes;
};

void
look_extents(const struct entry *e, struct extent *whole, const struct extent **ret,
             uint32_t *ret_count)
{
    if (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) {
        *ret = e->extents;
        *ret_count = e->extent_count;
        return;
    }
    *whole = (struct extent){0, e->size};
    *ret = whole;
    *ret_count = e->size > 0 ? 1 : 0;
}

/** The hole before ${offset}, if there is one. */
static enum vv_rc
pass_hole(struct content *c, uint64_t offset, struct vv_error *err)
{
    uint64_t len = offset - c->at;

    if (offset <= c->at) {
        return VV_OK;
    }
    c->at = offset;
    return c->hole(c->ctx, len, err);
}

/** Content bytes to where the extents put them. */
static enum vv_rc
place_bytes(struct content *c, struct vv_span bytes, struct vv_error *err)
{
    while (bytes.len > 0) {
        const struct extent *x;
        uint64_t room;
        size_t len;
        if (c->extent >= c->extent_count) {
            return vv_error_set(err, VV_ECORRUPT, "more content than the file has room for");
        }
        x = &c->extents[c->extent];
        VV_TRY(pass_hole(c, x->offset, err));
        room = x->len - c->extent_done;
        len = bytes.len < room ? bytes.len : (size_t)room;
        VV_TRY(c->data(c->ctx, vv_span(bytes.data, len), err));
        c->at += len;
        c->extent_done += len;
        if (c->extent_done == x->len) {
            c->extent++;
            c->extent_done = 0;
        }
        bytes = vv_span(bytes.data + len, bytes.len - len);
    }
    return VV_OK;
}

static enum vv_rc
unreadable(uint64_t offset, uint64_t len, const struct vv_error *why, struct vv_error *err)
{
    return vv_error_set(err, VV_ECORRUPT, "%llu bytes from content byte %llu cannot be read: %s",
                        (unsigned long long)len, (unsigned long long)offset, why->message);
}

static enum vv_rc
lose_list(void *ctx, uint64_t offset, uint64_t len, const struct vv_error *why,
          struct vv_error *err)
{
    (void)ctx;
    return unreadable(offset, len, why, err);
}

static enum vv_rc
take_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct content *c = ctx;
    struct vv_error own = {0};
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(repo_cancel(c->look->repo), err));
    vv_buf_reset(&c->bytes);
    rc = chunk_read(c->look->chunks, CHUNK_DATA, &chunk->id, &c->bytes, &own);
    if (rc == VV_OK && c->bytes.len != chunk->size) {
        rc = vv_error_set(&own, VV_ECORRUPT, "a chunk is not as long as its list says");
    }
    if (damage_found(rc, &own)) {
        return unreadable(offset, chunk->size, &own, err);
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        return rc;
    }
    return place_bytes(c, vv_buf_span(&c->bytes), err);
}

enum vv_rc
look_content(struct looker *l, const struct entry *e, content_data_fn *data, content_hole_fn *hole,
             void *ctx, struct vv_error *err)
{
    struct content c = {.look = l, .data = data, .hole = hole, .ctx = ctx};
    struct extent whole;
    enum vv_rc rc;

    look_extents(e, &whole, &c.extents, &c.extent_count);
    rc = stream_each_chunk(l->chunks, &e->content, take_chunk, lose_list, &c, err);
    if (rc == VV_OK && c.extent < c.extent_count) {
        rc = vv_error_set(err, VV_ECORRUPT, "less content than the file's size says");
    }
    if (rc == VV_OK) {
        rc = pass_hole(&c, e->size, err);
    }
    vv_buf_release(&c.bytes);
    return rc;
}

/* --- cat -------------------------------------------------------------------------------------- */

struct cat {
    look_write_fn *write;
    void *ctx;
};

static enum vv_rc
cat_data(void *ctx, struct vv_span data, struct vv_error *err)
{
    const struct cat *c = ctx;

    return c->write(c->ctx, data, err);
}

static enum vv_rc
cat_hole(void *ctx, uint64_t len, struct vv_error *err)
{
    static const uint8_t zeros[ZEROS_AT_ONCE];
    const struct cat *c = ctx;

    while (len > 0) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        VV_TRY(c->write(c->ctx, vv_span(zeros, part), err));
        len -= part;
    }
    return VV_OK;
}

static enum vv_rc
cat_entry(struct looker *l, struct entry *e, struct vv_arena *arena, struct cat *c,
          struct vv_error *err)
{
    enum vv_rc rc;

    if (e->type != ENTRY_FILE) {
        return vv_error_set(err, VV_EUSAGE, "it is not a regular file");
    }
    rc = entry_complete(l->chunks, e, arena, err);
    if (rc == VV_ENOTFOUND) { /* part of it is gone: not a path that is not there */
        return vv_error_set(err, VV_ECORRUPT, "where its holes are cannot be read");
    }
    VV_TRY(rc);
    return look_content(l, e, cat_data, cat_hole, c, err);
}

enum vv_rc
look_cat(struct repo *r, const struct snapshot *snap, struct vv_span path, look_write_fn *write,
         void *ctx, struct vv_error *err)
{
    VV_CLEANUP(looker_close) struct looker l;
    VV_CLEANUP(vv_arena_release) struct vv_arena arena = {0};
    struct cat c = {write, ctx};
    struct entry e;
    enum vv_rc rc;

    VV_TRY(looker_open(&l, r, err));
    VV_TRY(look_entry(&l, snap, path, &arena, &e, err));
    rc = cat_entry(&l, &e, &arena, &c, err);
    if (rc == VV_ECORRUPT || rc == VV_EUSAGE) {
        VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
        vv_buf_put(&text, path.data, path.len);
        (void)vv_error_prefix(err, "'/%s'", vv_buf_text(&text));
    }
    return rc;
}
