/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: which snapshots, paths and byte ranges the damage hits. */

#include <string.h>

#include "engine/verify_internal.h"

/** One stream of one entry. */
struct path_check {
    struct verify *v;
    const struct snapshot *snap;
    const struct entry *entry;
    const char *part; /* NULL: content */
    uint64_t from;    /* range that cannot be read, not yet reported */
    uint64_t to;
    bool hit; /* the entry has been counted */
};

/** Stored content from ${offset} in terms of the file. */
static uint64_t
file_offset(const struct entry *e, uint64_t offset)
{
    if (!(e->flags & ENTRY_HAS_EXTENTS)) { /* extents out of line: stored offsets must do */
        return offset;
    }
    for (uint32_t i = 0; i < e->extent_count; i++) {
        if (offset <= e->extents[i].len) {
            return e->extents[i].offset + offset;
        }
        offset -= e->extents[i].len;
    }
    return e->size;
}

static void
report_range(struct path_check *k)
{
    struct verify *v = k->v;
    char id[VV_UUID_TEXT];

    if (k->to == k->from) {
        return;
    }
    vv_uuid_text(&k->snap->id, id);
    if (!k->hit) {
        v->s.paths_damaged++;
        k->hit = true;
    }
    if (k->part != NULL) {
        vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "file-damaged", k->entry->path,
                "snapshot %.8s: %s cannot be read", id, k->part);
    } else {
        vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "file-damaged", k->entry->path,
                "snapshot %.8s: bytes %llu to %llu of %llu cannot be read", id,
                (unsigned long long)file_offset(k->entry, k->from),
                (unsigned long long)(file_offset(k->entry, k->to - 1)),
                (unsigned long long)k->entry->size);
    }
    k->from = k->to = 0;
}

static void
add_range(struct path_check *k, uint64_t offset, uint64_t len)
{
    if (k->to != offset) {
        report_range(k);
        k->from = offset;
    }
    k->to = offset + len;
}

static enum vv_rc
look_at_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct path_check *k = ctx;

    (void)err;
    if (id_table_find(&k->v->bad, &chunk->id) != NULL) {
        add_range(k, offset, chunk->size);
    }
    return VV_OK;
}

static enum vv_rc
lose_list(void *ctx, uint64_t offset, uint64_t len, const struct vv_error *why,
          struct vv_error *err)
{
    (void)why;
    (void)err;
    add_range(ctx, offset, len);
    return VV_OK;
}

static enum vv_rc
look_at_stream(struct path_check *k, const struct stream_root *root, const char *part,
               struct vv_error *err)
{
    k->part = part;
    k->from = k->to = 0;
    VV_TRY(stream_each_chunk(k->v->look.chunks, root, look_at_chunk, lose_list, k, err));
    report_range(k);
    return VV_OK;
}

static enum vv_rc
look_at_snapshot(struct verify *v, const struct snapshot *snap, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    struct path_check k = {.v = v, .snap = snap};

    VV_TRY(tree_cursor_new(v->look.chunks, &snap->body.root, vv_span(NULL, 0), &t, err));
    tree_cursor_ahead(t);
    for (;;) {
        const struct entry *e;
        bool gap = false;
        VV_TRY(look_next(&v->look, t, snap, &e, &gap, err));
        if (gap) {
            v->s.paths_damaged++; /* at least one is gone */
        }
        if (e == NULL) {
            break;
        }
        k.entry = e;
        k.hit = false;
        VV_TRY(look_at_stream(&k, &e->content, NULL, err));
        VV_TRY(look_at_stream(&k, &e->extents_stream, "where its holes are", err));
        VV_TRY(look_at_stream(&k, &e->xattrs_stream, "its extended attributes", err));
    }
    return VV_OK;
}

enum vv_rc
verify_name_paths(struct verify *v, struct vv_error *err)
{
    for (size_t i = 0; i < v->snapshot_count; i++) {
        uint64_t before = v->s.paths_damaged;
        VV_TRY(look_at_snapshot(v, v->snapshots[i], err));
        if (v->options->paths_each != NULL) {
            v->options->paths_each[i] = v->s.paths_damaged - before;
        }
    }
    return VV_OK;
}
