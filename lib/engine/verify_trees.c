/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: everything snapshots refer to can be found. */

#include <string.h>

#include "engine/verify_internal.h"

/** Note a chunk that cannot be read. */
static enum vv_rc
note_bad(struct verify *v, const struct vv_id *id, struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new;

    return id_table_put(&v->bad, id, &slot, &is_new, err);
}

static enum vv_rc
see(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    struct verify *v = ctx;
    struct id_slot *slot;

    return id_table_put(&v->seen, id, &slot, ret_enter, err);
}

static enum vv_rc
count_entry(void *ctx, const struct entry *e, struct vv_error *err)
{
    struct verify *v = ctx;

    (void)err;
    v->s.entries++;
    if (v->progress != NULL) {
        atomic_fetch_add_explicit(&v->progress->files_done, 1, memory_order_relaxed);
        vv_progress_current(v->progress, e->path);
    }
    return VV_OK;
}

/** A reachable chunk lies in a pack that no segment names: the index has a hole. */
static void
complain_unindexed(struct verify *v, struct verify_pack *p)
{
    char object[PACK_OBJECT_TEXT];

    if (p->index_size == 0 && !p->complained) {
        p->complained = true;
        pack_object_text(&p->name, object);
        verify_report(v, "index-incomplete", object,
                      "a snapshot needs it, but no index segment names it");
    }
}

/** A pack there has the wrong size: what is read out of it decides, as parity may make up for it. */
static bool
can_be_read(struct verify *v, const struct chunk_ref *chunk)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};

    return chunk_read_here(v->look.chunks, CHUNK_DATA, &chunk->id, &bytes, NULL) == VV_OK &&
           bytes.len == chunk->size;
}

static enum vv_rc
check_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    struct verify *v = ctx;
    struct chunk_location loc;
    bool resized = false;
    enum vv_rc rc = VV_OK;

    v->s.chunks++;
    for (uint32_t nth = 0; rc == VV_OK; nth++) {
        rc = chunk_index_find(v->look.index, CHUNK_DATA, &chunk->id, nth, &loc, err);
        if (rc == VV_OK && loc.chunk_len == chunk->size) {
            struct verify_pack *p = verify_find_pack(v, &loc.pack);
            if (p != NULL && p->listed && p->size == loc.pack_size) {
                complain_unindexed(v, p);
                return VV_OK;
            }
            resized = resized || (p != NULL && p->listed);
        }
    }
    if (rc == VV_ENOTFOUND && resized && can_be_read(v, chunk)) {
        vv_error_clear(err);
        return VV_OK;
    }
    if (rc != VV_ENOTFOUND) {
        return rc;
    }
    vv_error_clear(err);
    if (id_table_find(&v->bad, &chunk->id) == NULL) {
        v->s.chunks_missing++;
    }
    VV_TRY(verify_need(v, CHUNK_DATA, &chunk->id, err));
    return note_bad(v, &chunk->id, err);
}

static enum vv_rc
lose(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
     struct vv_error *err)
{
    struct verify *v = ctx;
    char text[65];

    vv_hex(text, id->b, sizeof(id->b));
    verify_report(v, type == CHUNK_NODE ? "tree-node-damaged" : "chunk-list-damaged", text, "%s",
                  why->message);
    v->unreadable = true;
    VV_TRY(verify_need(v, type, id, err));
    return note_bad(v, id, err);
}

static const struct closure_ops ops = {
    .node = see, .list = see, .entry = count_entry, .chunk = check_chunk, .lost = lose};

enum vv_rc
verify_trees(struct verify *v, struct vv_error *err)
{
    for (size_t i = 0; i < v->snapshot_count; i++) {
        VV_TRY(closure_walk(v->look.chunks, &v->snapshots[i]->body.root, &ops, v,
                            repo_cancel(v->repo), err));
    }
    return VV_OK;
}
