/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_LOOK_INTERNAL_H
#define VARVE_ENGINE_LOOK_INTERNAL_H

#include "engine/closure_internal.h"
#include "engine/look.h"

/* Shared by look_*.c and verify*.c. */

/** What reading needs. */
struct looker {
    struct repo *repo;
    struct chunk_index *index;
    struct chunk_reader *chunks;
};
MUST_CHECK enum vv_rc looker_open(struct looker *l, struct repo *r, struct vv_error *err);
void looker_close(struct looker *l);

/** look_next(l, t, snap, ret, damaged, err): tree_cursor_next that passes over nodes that cannot be
 *  read, reporting each (event "tree-damaged") and setting *damaged. */
MUST_CHECK enum vv_rc look_next(struct looker *l, struct tree_cursor *t,
                                const struct snapshot *snap, const struct entry **ret,
                                bool *damaged, struct vv_error *err);
/** look_incomplete(err): what a listing with holes ends with: VV_ECORRUPT. */
enum vv_rc look_incomplete(struct vv_error *err);

/** look_entry(l, snap, path, arena, ret, err): one entry.  VV_ENOTFOUND: it is not in the snapshot;
 *  VV_ECORRUPT: nobody can tell. */
MUST_CHECK enum vv_rc look_entry(struct looker *l, const struct snapshot *snap, struct vv_span path,
                                 struct vv_arena *arena, struct entry *ret, struct vv_error *err);

/** look_path_equal(a, b) and look_not_found(snap, path, err). */
bool look_path_equal(struct vv_span a, struct vv_span b);
enum vv_rc look_not_found(const struct snapshot *snap, struct vv_span path, struct vv_error *err);

/** A file's bytes in order: data and holes.  ${e} must be complete (entry_complete). */
typedef enum vv_rc content_data_fn(void *ctx, struct vv_span data, struct vv_error *err);
typedef enum vv_rc content_hole_fn(void *ctx, uint64_t len, struct vv_error *err);
MUST_CHECK enum vv_rc look_content(struct looker *l, const struct entry *e, content_data_fn *data,
                                   content_hole_fn *hole, void *ctx, struct vv_error *err);
/** look_extents(e, whole, ret, ret_count): where the stored content lies; ${whole} serves for files
 *  without holes. */
void look_extents(const struct entry *e, struct extent *whole, const struct extent **ret,
                  uint32_t *ret_count);

#endif
