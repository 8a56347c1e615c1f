/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a tree out of an older one (K1 to K3): nodes that nothing touches are referred to. */

#include "repo/tree_internal.h"

/** Go into the node the older tree's cursor stands before. */
static enum vv_rc
enter(struct tree_keeper *k, struct vv_error *err)
{
    enum vv_rc rc = tree_cursor_enter(k->old, err);

    /* Not if the storage is away: that is no matter of this tree. */
    k->unreadable = rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_EIO;
    return rc;
}

/** K1: the node at ${at}, whole, if it may be. */
static enum vv_rc
keep_node(struct tree_keeper *k, const struct path_range *range, const struct tree_position *at,
          bool *ret_kept, struct vv_error *err)
{
    *ret_kept = false;
    if (at->item == NULL || !at->has_next || path_range_over(range, at->next)) {
        return VV_OK;
    }
    return tree_writer_add_node(k->writer, at->item, at->height, ret_kept, err);
}

/** One step: a node kept or opened, an entry kept or passed; *ret_over: the range is at its end. */
static enum vv_rc
step(struct tree_keeper *k, const struct path_range *range, bool *ret_over, struct vv_error *err)
{
    struct tree_position at;
    bool begun;
    bool kept = false;

    tree_cursor_peek(k->old, &at);
    *ret_over = at.end || (at.item != NULL && path_range_over(range, at.path)) ||
                (at.entry != NULL && path_range_over(range, at.path));
    if (*ret_over) {
        return VV_OK;
    }
    begun = path_range_begun(range, at.path);
    if (at.is_node) {
        if (begun) {
            VV_TRY(keep_node(k, range, &at, &kept, err));
        }
        if (!kept) {
            return enter(k, err);
        }
    } else if (begun) {
        VV_TRY(tree_writer_add(k->writer, at.entry, err));
    } else {
        VV_TRY(k->passed(k->ctx, at.entry));
    }
    tree_cursor_skip(k->old);
    return VV_OK;
}

enum vv_rc
tree_keep(struct tree_keeper *k, const struct path_range *range, struct vv_error *err)
{
    bool over = false;

    while (!over) {
        VV_TRY(step(k, range, &over, err));
    }
    return VV_OK;
}

enum vv_rc
tree_keep_nothing(struct tree_keeper *k, struct vv_error *err)
{
    for (;;) {
        struct tree_position at;
        tree_cursor_peek(k->old, &at);
        if (at.end) {
            return VV_OK;
        }
        if (at.is_node) {
            VV_TRY(enter(k, err));
            continue;
        }
        VV_TRY(k->passed(k->ctx, at.entry));
        tree_cursor_skip(k->old);
    }
}
