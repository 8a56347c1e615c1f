/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_LOOK_H
#define VARVE_ENGINE_LOOK_H

#include "repo/snapshots.h"
#include "repo/tree.h"
#include "source/pattern.h"

/* Looking into a repository: listing, finding, history, differences, single files, statistics. */

/** look_list(r, snap, path, recursive, fn, ctx, err): entries at and below ${path} (not recursive:
 * the entry itself if it is no directory, else its children).  VV_ENOTFOUND if the path is not
 * there. */
typedef enum vv_rc look_entry_fn(void *ctx, const struct entry *e, struct vv_error *err);
MUST_CHECK enum vv_rc look_list(struct repo *r, const struct snapshot *snap, struct vv_span path,
                                bool recursive, look_entry_fn *fn, void *ctx, struct vv_error *err);

/** look_find(r, l, patterns, fn, ctx, err): over all snapshots: every path that matches, once, with
 * the first and last snapshot that have it and whether the newest snapshot of that chain still has
 * it. */
struct found_path {
    struct vv_span path;
    const struct entry *entry; /* as in `last` */
    const struct snapshot *first;
    const struct snapshot *last;
    uint64_t snapshots; /* how many have it */
    bool deleted;       /* not in the newest snapshot of the same client with its source */
};
typedef enum vv_rc look_found_fn(void *ctx, const struct found_path *f, struct vv_error *err);
MUST_CHECK enum vv_rc look_find(struct repo *r, const struct snapshot_list *l,
                                const struct pattern_set *patterns, look_found_fn *fn, void *ctx,
                                struct vv_error *err);

/** look_history(r, l, path, fn, ctx, err): one call per distinct content of ${path}, newest first.
 */
struct version {
    const struct entry *entry;
    const struct snapshot *first;
    const struct snapshot *last;
    uint64_t snapshots;
};
typedef enum vv_rc look_version_fn(void *ctx, const struct version *v, bool *ret_stop,
                                   struct vv_error *err);
MUST_CHECK enum vv_rc look_history(struct repo *r, const struct snapshot_list *l,
                                   struct vv_span path, look_version_fn *fn, void *ctx,
                                   struct vv_error *err);

/** look_diff_live(r, snap, below, content, fn, ctx, err): snapshot against the live tree (a =
 * snapshot, b = live entry without content); ${content}: read files and compare ids. */
MUST_CHECK enum vv_rc look_diff_live(struct repo *r, const struct snapshot *snap,
                                     struct vv_span below, bool content, tree_diff_fn *fn,
                                     void *ctx, struct vv_error *err);

/** look_cat(r, snap, path, write, ctx, err): a file's bytes in order (holes as zeros). */
typedef enum vv_rc look_write_fn(void *ctx, struct vv_span data, struct vv_error *err);
MUST_CHECK enum vv_rc look_cat(struct repo *r, const struct snapshot *snap, struct vv_span path,
                               look_write_fn *write, void *ctx, struct vv_error *err);

/** look_export(r, snap, path, format, fd, output, progress, err): "tar" (pax, xattrs, ACLs, sparse) or
 * "zip" to ${fd}, which messages call ${output}; the same bytes at every run.  Problems (damaged chunks) end it: an archive that says nothing of a
 * hole in it is worse. */
MUST_CHECK enum vv_rc look_export(struct repo *r, const struct snapshot *snap, struct vv_span path,
                                  const char *format, int fd, const char *output,
                                  struct vv_progress *progress, struct vv_error *err);

/** Statistics. */
struct repo_statistics {
    uint64_t snapshots;
    uint64_t logical_bytes;  /* sum over snapshots of file sizes */
    uint64_t unique_bytes;   /* plaintext of all distinct chunks in the index */
    uint64_t stored_bytes;   /* sizes of all packs */
    uint64_t metadata_bytes; /* of those, metadata packs */
    uint64_t other_bytes;    /* index, slots, keys, reserve ... */
    uint64_t packs;
    uint64_t chunks;
    uint64_t blocks;
};
MUST_CHECK enum vv_rc look_statistics(struct repo *r, const struct snapshot_list *l,
                                      struct repo_statistics *ret, struct vv_error *err);
/** look_unique(r, l, ret, err): per snapshot (array parallel to l->snapshots, caller frees with
 * vv_free): plaintext bytes of chunks only that snapshot refers to. */
MUST_CHECK enum vv_rc look_unique(struct repo *r, const struct snapshot_list *l, uint64_t **ret,
                                  struct vv_error *err);

#endif
