/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two trees; equal nodes are never read. */

#include "repo/tree_internal.h"

/** Where a cursor stands compared with another; the end lies behind everything.  A root that has
 *  not been entered begins nobody knows where: first. */
static int
compare_positions(const struct tree_position *x, const struct tree_position *y)
{
    if (x->end || y->end) {
        return x->end ? 1 : -1;
    }
    return path_compare(x->path, y->path);
}

/** Enter the node that must be opened to go on: the one that begins first (nothing in the other
 *  tree can be equal to it any more), of two that begin together the higher. */
static enum vv_rc
open_one(struct tree_cursor *a, const struct tree_position *x, struct tree_cursor *b,
         const struct tree_position *y, int order, struct vv_error *err)
{
    bool first =
        x->is_node && (order < 0 || (order == 0 && (!y->is_node || x->height >= y->height)));

    return tree_cursor_enter(first ? a : b, err);
}

enum vv_rc
tree_diff(struct chunk_reader *c, const struct tree_root *ra, const struct tree_root *rb,
          tree_diff_fn *fn, void *ctx, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *a = NULL;
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *b = NULL;

    VV_TRY(tree_cursor_new(c, ra, vv_span(NULL, 0), &a, err));
    VV_TRY(tree_cursor_new(c, rb, vv_span(NULL, 0), &b, err));
    for (;;) {
        struct tree_position x;
        struct tree_position y;
        int order;
        tree_cursor_peek(a, &x);
        tree_cursor_peek(b, &y);
        if (x.end && y.end) {
            return VV_OK;
        }
        if (x.is_node && y.is_node && !x.end && !y.end && vv_id_equal(&x.node, &y.node)) {
            tree_cursor_skip(a);
            tree_cursor_skip(b);
            continue;
        }
        order = compare_positions(&x, &y);
        if ((x.is_node && order <= 0) || (y.is_node && order >= 0)) {
            VV_TRY(open_one(a, &x, b, &y, order, err));
            continue;
        }
        if (order < 0) {
            VV_TRY(fn(ctx, x.entry, NULL, err));
        } else if (order > 0) {
            VV_TRY(fn(ctx, NULL, y.entry, err));
        } else if (!entry_equal(x.entry, y.entry)) {
            VV_TRY(fn(ctx, x.entry, y.entry, err));
        }
        if (order <= 0) {
            tree_cursor_skip(a);
        }
        if (order >= 0) {
            tree_cursor_skip(b);
        }
    }
}
