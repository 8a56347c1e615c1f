/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_CLOSURE_INTERNAL_H
#define VARVE_ENGINE_CLOSURE_INTERNAL_H

#include "repo/tree.h"

/*
 * Everything a tree refers to: nodes, lists, chunks.  Unlike a cursor the walk asks before it
 * enters a node or list, so that what several trees share is read once; and it goes on behind what
 * cannot be read.
 */
struct closure_ops {
    /** Before a node (list) is read: *ret_enter (preset to true) decides. */
    enum vv_rc (*node)(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err);
    enum vv_rc (*list)(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err);
    enum vv_rc (*entry)(void *ctx, const struct entry *e, struct vv_error *err); /* optional */
    enum vv_rc (*chunk)(void *ctx, const struct chunk_ref *chunk, struct vv_error *err);
    /** A node or list that cannot be read, or is not what belongs there. */
    enum vv_rc (*lost)(void *ctx, enum chunk_type type, const struct vv_id *id,
                       const struct vv_error *why, struct vv_error *err);
};
MUST_CHECK enum vv_rc closure_walk(struct chunk_reader *c, const struct tree_root *root,
                                   const struct closure_ops *ops, void *ctx,
                                   struct vv_cancel *cancel, struct vv_error *err);

/** damage_found(rc, err): is it trouble of one object (to be reported, and passed over) rather than
 *  of the run? */
bool damage_found(enum vv_rc rc, const struct vv_error *err);

#endif
