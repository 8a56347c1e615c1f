/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_TREE_INTERNAL_H
#define VARVE_REPO_TREE_INTERNAL_H

#include "repo/tree.h"

/** What a cursor stands before: a node not yet entered, or an entry. */
struct tree_position {
    bool end;
    bool is_node;
    struct vv_id node;   /* if a node */
    uint32_t height;     /* if a node */
    struct vv_span path; /* first path of the node (of the root: empty), or the entry's */
    const struct entry *entry;
    const struct node_item *item; /* if a node, but for the root */
    bool has_next;                /* if a node: something comes behind it, and begins with: */
    struct vv_span next;
};
/** tree_cursor_peek(t, ret): where it stands; nothing is read. */
void tree_cursor_peek(struct tree_cursor *t, struct tree_position *ret);
/** tree_cursor_enter(t, err): read the node it stands before. */
MUST_CHECK enum vv_rc tree_cursor_enter(struct tree_cursor *t, struct vv_error *err);
/** tree_cursor_skip(t): pass over the node or entry it stands before. */
void tree_cursor_skip(struct tree_cursor *t);

/** tree_writer_add_node(t, item, height, ret_added, err): add all that is below a finished node of
 *  ${height}; not done where the writer would not begin one (K1). */
MUST_CHECK enum vv_rc tree_writer_add_node(struct tree_writer *t, const struct node_item *item,
                                           uint32_t height, bool *ret_added, struct vv_error *err);

#endif
