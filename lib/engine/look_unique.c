/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only one snapshot refers to.  Every chunk has an owner: nobody, the one snapshot that was
 * seen to need it, or several.  What lies below a node is needed by whoever needs the node, so a
 * node is entered at most twice: for its first owner, and when it turns out to be shared.
 */

#include <string.h>

#include "core/alloc.h"
#include "engine/id_table_internal.h"
#include "engine/look_internal.h"

#define OWNER_NONE 0u
#define OWNER_SEVERAL UINT32_MAX

struct ownership {
    struct looker look;
    struct id_table chunks; /* value: owner, from 1 */
    uint32_t owner;
    bool damaged;
};

static enum vv_rc
know_pack(void *ctx, const struct pack_name *name, const struct index_body *body,
          struct vv_error *err)
{
    struct ownership *o = ctx;
    struct pack_directory directory = {0};
    struct id_slot *slot;
    bool is_new;
    enum vv_rc rc = VV_OK;

    (void)name;
    VV_TRY(vv_cancel_check(repo_cancel(o->look.repo), err));
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &directory, err));
    for (uint32_t i = 0; i < directory.chunk_count && rc == VV_OK; i++) {
        rc = id_table_put(&o->chunks, &directory.chunks[i].id, &slot, &is_new, err);
        if (rc == VV_OK) {
            slot->len = directory.chunks[i].len;
        }
    }
    pack_directory_release(&directory);
    return rc;
}

/** The current snapshot needs the chunk; *ret_enter: that is news for what lies below it. */
static void
own(struct ownership *o, const struct vv_id *id, bool *ret_enter)
{
    struct id_slot *slot = id_table_find(&o->chunks, id);

    if (slot == NULL) { /* not in the index: its size is not known, what is below counts */
        *ret_enter = true;
        return;
    }
    *ret_enter = slot->value != o->owner && slot->value != OWNER_SEVERAL;
    if (*ret_enter) {
        slot->value = slot->value == OWNER_NONE ? o->owner : OWNER_SEVERAL;
    }
}

static enum vv_rc
own_inner(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    (void)err;
    own(ctx, id, ret_enter);
    return VV_OK;
}

static enum vv_rc
own_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    bool ignored;

    (void)err;
    own(ctx, &chunk->id, &ignored);
    return VV_OK;
}

static enum vv_rc
lose(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
     struct vv_error *err)
{
    struct ownership *o = ctx;

    (void)type;
    (void)id;
    (void)err;
    vv_emit(repo_events(o->look.repo), VV_EVENT_PROBLEM, "tree-damaged", vv_span(NULL, 0), "%s",
            why->message);
    o->damaged = true;
    return VV_OK;
}

static const struct closure_ops ops = {
    .node = own_inner, .list = own_inner, .chunk = own_chunk, .lost = lose};

static enum vv_rc
walk(struct ownership *o, const struct snapshot_list *l, uint64_t *bytes, struct vv_error *err)
{
    if (l->count >= OWNER_SEVERAL) {
        return vv_error_set(err, VV_ELIMIT, "too many snapshots");
    }
    VV_TRY(chunk_index_each_pack(o->look.index, know_pack, o, err));
    for (size_t i = 0; i < l->count; i++) {
        o->owner = (uint32_t)i + 1;
        VV_TRY(closure_walk(o->look.chunks, &l->snapshots[i].body.root, &ops, o,
                            repo_cancel(o->look.repo), err));
    }
    for (size_t i = 0; i < o->chunks.size; i++) {
        const struct id_slot *slot = &o->chunks.slots[i];
        if (slot->used && slot->value != OWNER_NONE && slot->value != OWNER_SEVERAL) {
            bytes[slot->value - 1] += slot->len;
        }
    }
    return o->damaged ? look_incomplete(err) : VV_OK;
}

enum vv_rc
look_unique(struct repo *r, const struct snapshot_list *l, uint64_t **ret, struct vv_error *err)
{
    struct ownership o = {0};
    uint64_t *bytes = vv_alloc_array(l->count + 1, sizeof(*bytes));
    enum vv_rc rc = bytes == NULL ? vv_error_nomem(err) : looker_open(&o.look, r, err);

    if (rc == VV_OK) {
        rc = walk(&o, l, bytes, err);
    }
    looker_close(&o.look);
    id_table_release(&o.chunks);
    if (rc != VV_OK) {
        vv_free(bytes);
        return rc;
    }
    *ret = bytes;
    return VV_OK;
}
