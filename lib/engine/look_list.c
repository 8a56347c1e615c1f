/* SPDX-License-Identifier: BSD-2-Clause */
/* Listing: the entries at and below a path. */

#include "engine/look_internal.h"

/** Go on behind everything below ${directory}: no byte of a name sorts between '/' and 0x01. */
static enum vv_rc
skip_below(struct tree_cursor *t, struct vv_span directory, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf behind = {0};

    vv_buf_put(&behind, directory.data, directory.len);
    vv_buf_put_u8(&behind, 1);
    VV_TRY(vv_buf_check(&behind, err));
    return tree_cursor_seek(t, vv_buf_span(&behind), err);
}

enum vv_rc
look_list(struct repo *r, const struct snapshot *snap, struct vv_span path, bool recursive,
          look_entry_fn *fn, void *ctx, struct vv_error *err)
{
    VV_CLEANUP(looker_close) struct looker l;
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    bool found = path.len == 0;
    bool damaged = false;

    VV_TRY(looker_open(&l, r, err));
    VV_TRY(tree_cursor_new(l.chunks, &snap->body.root, path, &t, err));
    tree_cursor_ahead(t);
    for (;;) {
        const struct entry *e;
        VV_TRY(look_next(&l, t, snap, &e, &damaged, err));
        if (e == NULL) {
            break;
        }
        found = true;
        if (look_path_equal(e->path, path)) {
            if (recursive || e->type != ENTRY_DIRECTORY) {
                VV_TRY(fn(ctx, e, err));
            }
            continue;
        }
        VV_TRY(fn(ctx, e, err));
        if (!recursive && e->type == ENTRY_DIRECTORY) {
            VV_TRY(skip_below(t, e->path, err));
        }
    }
    if (damaged) {
        return look_incomplete(err);
    }
    return found ? VV_OK : look_not_found(snap, path, err);
}
