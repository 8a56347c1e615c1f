/* SPDX-License-Identifier: BSD-2-Clause */
/* Comparing a live file with the chunks a snapshot has of it. */

#include "engine/look_live_internal.h"

#include <string.h>

#define HOLE_STEP (64u << 10)

/** The live file by place in the file (not by stored offset). */
struct live_file {
    struct source_file *file;
    const struct extent *extents;
    uint32_t count;
    uint32_t at;     /* no extent before this one ends behind the last place asked for */
    uint64_t stored; /* stored offset of extents[at] */
    enum source_status status;
    struct source_problem *problem;
};
struct comparison {
    struct looker *look;
    const struct extent *extents; /* of the snapshot's entry */
    uint32_t extent_count;
    uint32_t extent;
    uint64_t extent_done;
    uint64_t at; /* place in the file */
    struct live_file live;
    struct vv_buf bytes;
    bool differs;
};

/** The live extent that holds ${offset} or comes next.  Places asked for only grow. */
static const struct extent *
live_extent(struct live_file *f, uint64_t offset)
{
    while (f->at < f->count && f->extents[f->at].offset + f->extents[f->at].len <= offset) {
        f->stored += f->extents[f->at].len;
        f->at++;
    }
    return f->at < f->count ? &f->extents[f->at] : NULL;
}

/** Read ${len} bytes at a place; false (with live->status, or a short file) if there are not so
 * many. */
static bool
live_read(struct live_file *f, uint64_t offset, uint8_t *out, size_t len)
{
    while (len > 0) {
        const struct extent *x = live_extent(f, offset);
        size_t part = len;
        size_t got;
        if (x == NULL || offset < x->offset) {
            uint64_t hole = x == NULL ? len : x->offset - offset;
            part = hole < len ? (size_t)hole : len;
            memset(out, 0, part);
        } else {
            uint64_t room = x->offset + x->len - offset;
            part = room < len ? (size_t)room : len;
            f->status =
                source_read(f->file, f->stored + (offset - x->offset), out, part, &got, f->problem);
            if (f->status != SOURCE_OK || got != part) {
                return false;
            }
        }
        out += part;
        offset += part;
        len -= part;
    }
    return true;
}

/** The snapshot has a hole up to ${end}: the live file must have zeros there. */
static void
compare_hole(struct comparison *c, uint64_t end)
{
    uint8_t bytes[HOLE_STEP] = {0};

    while (c->at < end && !c->differs) {
        const struct extent *x = live_extent(&c->live, c->at);
        uint64_t until = x == NULL ? end : x->offset;
        size_t part;
        if (until > c->at) { /* a hole there too */
            c->at = until < end ? until : end;
            continue;
        }
        part = end - c->at < sizeof(bytes) ? (size_t)(end - c->at) : sizeof(bytes);
        c->differs = !live_read(&c->live, c->at, bytes, part) || bytes[0] != 0 ||
                     memcmp(bytes, bytes + 1, part - 1) != 0;
        c->at += part;
    }
    c->at = end;
}

/** Collect the live bytes that lie where the next ${len} stored bytes of the snapshot lie. */
static enum vv_rc
collect(struct comparison *c, uint8_t *out, size_t len, struct vv_error *err)
{
    while (len > 0 && !c->differs) {
        const struct extent *x;
        uint64_t room;
        size_t part;
        if (c->extent >= c->extent_count) {
            return vv_error_set(err, VV_ECORRUPT, "more content than the file has room for");
        }
        x = &c->extents[c->extent];
        if (c->at < x->offset) {
            compare_hole(c, x->offset);
        }
        room = x->len - c->extent_done;
        part = room < len ? (size_t)room : len;
        if (!c->differs && !live_read(&c->live, c->at, out, part)) {
            c->differs = true;
        }
        c->at += part;
        c->extent_done += part;
        if (c->extent_done == x->len) {
            c->extent++;
            c->extent_done = 0;
        }
        out += part;
        len -= part;
    }
    return VV_OK;
}

static enum vv_rc
compare_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct comparison *c = ctx;
    struct vv_id id;

    (void)offset;
    if (c->differs) {
        return VV_OK;
    }
    VV_TRY(vv_cancel_check(repo_cancel(c->look->repo), err));
    if (chunk->size > LIMIT_BLOCK_PLAIN) {
        return vv_error_set(err, VV_ECORRUPT, "a chunk of impossible size");
    }
    vv_buf_reset(&c->bytes);
    VV_TRY(vv_buf_reserve(&c->bytes, (size_t)chunk->size + 1, err));
    VV_TRY(collect(c, c->bytes.data, (size_t)chunk->size, err));
    if (!c->differs) {
        chunk_id(repo_keyring(c->look->repo), CHUNK_DATA,
                 vv_span(c->bytes.data, (size_t)chunk->size), &id);
        c->differs = !vv_id_equal(&id, &chunk->id);
    }
    return VV_OK;
}

enum vv_rc
live_content_equal(struct looker *l, const struct entry *a, const struct entry *b,
                   struct source_file *file, bool *ret, enum source_status *ret_status,
                   struct source_problem *problem, struct vv_error *err)
{
    struct comparison c = {.look = l, .live = {.file = file, .problem = problem}};
    struct extent whole_a;
    struct extent whole_b;
    enum vv_rc rc;

    look_extents(a, &whole_a, &c.extents, &c.extent_count);
    look_extents(b, &whole_b, &c.live.extents, &c.live.count);
    rc = stream_each_chunk(l->chunks, &a->content, compare_chunk, NULL, &c, err);
    if (rc == VV_OK && !c.differs && c.extent < c.extent_count) {
        rc = vv_error_set(err, VV_ECORRUPT, "less content than the file's size says");
    }
    if (rc == VV_OK && !c.differs) {
        compare_hole(&c, a->size);
    }
    vv_buf_release(&c.bytes);
    VV_TRY(rc);
    *ret = !c.differs;
    *ret_status = c.live.status;
    return VV_OK;
}
