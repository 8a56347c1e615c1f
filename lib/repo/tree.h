/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_TREE_H
#define VARVE_REPO_TREE_H

#include "format/entry.h"
#include "format/snapshot.h"
#include "repo/pack_reader.h"
#include "repo/pack_writer.h"

/*
 * Trees (Merkle search trees of entries) and streams (trees of chunk lists).
 *
 * T1  a tree is a function of its entries: the same entries give the same node ids, whoever writes
 *     them and in whatever order the work was scheduled.
 * T2  node boundaries depend on paths only (keyed SipHash level), except at NODE_COUNT_CAP and
 *     where a node would outgrow half a block.
 * T3  the writer holds O(height) unfinished nodes, the cursor O(height) decoded ones.
 */

/** Writes a tree from entries in ascending path order. */
struct tree_writer;
MUST_CHECK enum vv_rc tree_writer_new(struct repo *r, struct block_builder *b,
                                      struct tree_writer **ret, struct vv_error *err);
void tree_writer_free(struct tree_writer *t);
VV_DEFINE_CLEANUP(struct tree_writer, tree_writer_free);
/** tree_writer_add(t, e, err): ${e} is copied.  Oversized xattr sets and extent maps must already
 * be out of line (stream_write). */
MUST_CHECK enum vv_rc tree_writer_add(struct tree_writer *t, const struct entry *e,
                                      struct vv_error *err);
/** tree_writer_on_node(t, fn, ctx): call ${fn} for every node when it is finished: a leaf after all
 *  before it, an inner node after those below it. */
typedef enum vv_rc tree_stored_fn(void *ctx, const struct vv_id *node, uint32_t height,
                                  struct vv_span bytes, struct vv_error *err);
void tree_writer_on_node(struct tree_writer *t, tree_stored_fn *fn, void *ctx);
MUST_CHECK enum vv_rc tree_writer_finish(struct tree_writer *t, struct tree_root *ret,
                                         struct vv_error *err);

/** Walks a tree in path order. */
struct tree_cursor;
/** tree_cursor_new(c, root, below, ret, err): entries of the subtree at path ${below} (itself
 *  included; empty: everything). */
MUST_CHECK enum vv_rc tree_cursor_new(struct chunk_reader *c, const struct tree_root *root,
                                      struct vv_span below, struct tree_cursor **ret,
                                      struct vv_error *err);
void tree_cursor_free(struct tree_cursor *t);
VV_DEFINE_CLEANUP(struct tree_cursor, tree_cursor_free);
/** tree_cursor_next(t, ret, err): the next entry, or *ret = NULL at the end.  Valid until the next
 * call on this cursor.  A node that cannot be read: VV_ECORRUPT or VV_ENOTFOUND; the next call goes
 * on behind it (tree_cursor_lost tells the first path that is certain to be behind it). */
MUST_CHECK enum vv_rc tree_cursor_next(struct tree_cursor *t, const struct entry **ret,
                                       struct vv_error *err);
/** tree_cursor_seek(t, path, err): the next call yields the first entry >= ${path} (forward only).
 */
MUST_CHECK enum vv_rc tree_cursor_seek(struct tree_cursor *t, struct vv_span path,
                                       struct vv_error *err);
/** tree_cursor_lost(t, ret_from, ret_to): after an error: the range of paths that is missing, from
 * the first path of the unreadable node (inclusive) to the first path behind it (exclusive; empty:
 * to the end). */
void tree_cursor_lost(struct tree_cursor *t, struct vv_span *ret_from, struct vv_span *ret_to);
/** tree_cursor_ahead(t): most of the range asked for will be visited: over a long line nodes are
 *  fetched before their turn. */
void tree_cursor_ahead(struct tree_cursor *t);
/** tree_cursor_on_node(t, fn, ctx): call ${fn} for every node visited (to trust the parent's). */
typedef enum vv_rc tree_node_fn(void *ctx, const struct vv_id *node, uint32_t height,
                                struct vv_error *err);
void tree_cursor_on_node(struct tree_cursor *t, tree_node_fn *fn, void *ctx);

/**
 * Writing a tree out of an older one: whoever writes adds what is new, and keeps ranges of what there
 * was.  The result is the tree that adding every entry would give (T1):
 *
 * K1  a node is kept whole only where the writer would begin one of its height (nothing is open below
 *     that height, or its first path ends what is), and only if the entry behind it follows in the same
 *     range: then the same rules that ended it there end it here.
 * K2  a node that is not kept whole is taken apart, down to entries, which are added like new ones.
 * K3  every entry of the older tree that no range holds is passed to ${passed}, once, in order: what is
 *     kept is what was there without those.
 */
struct tree_keeper {
    struct tree_writer *writer;
    struct tree_cursor *old; /* from its beginning; moved by these calls alone */
    enum vv_rc (*passed)(void *ctx, const struct entry *e);
    void *ctx;
    bool unreadable; /* after an error: it is the older tree that could not be read */
};
/** tree_keep(k, range, err): what the older tree has there is next.  Ranges and what is added between them
 *  ascend. */
MUST_CHECK enum vv_rc tree_keep(struct tree_keeper *k, const struct path_range *range,
                                struct vv_error *err);
/** tree_keep_nothing(k, err): no range comes any more: pass what is left of the older tree. */
MUST_CHECK enum vv_rc tree_keep_nothing(struct tree_keeper *k, struct vv_error *err);

/** tree_find(c, root, path, arena, ret, err): one entry, copied into ${arena}; VV_ENOTFOUND. */
MUST_CHECK enum vv_rc tree_find(struct chunk_reader *c, const struct tree_root *root,
                                struct vv_span path, struct vv_arena *arena, struct entry *ret,
                                struct vv_error *err);

/** entry_copy(arena, from, to, err): a deep copy. */
MUST_CHECK enum vv_rc entry_copy(struct vv_arena *arena, const struct entry *from, struct entry *to,
                                 struct vv_error *err);

/** tree_diff(c, a, b, fn, ctx, err): calls ${fn} for every path whose entry differs: (a, NULL) only
 *  in a, (NULL, b) only in b, (a, b) both but different.  Skips equal nodes. */
typedef enum vv_rc tree_diff_fn(void *ctx, const struct entry *a, const struct entry *b,
                                struct vv_error *err);
MUST_CHECK enum vv_rc tree_diff(struct chunk_reader *c, const struct tree_root *a,
                                const struct tree_root *b, tree_diff_fn *fn, void *ctx,
                                struct vv_error *err);
/** entry_equal(a, b): all that is stored agrees (ctime, inode, nlink, file system and racy flag,
 * which describe the original's place and not the thing, are left out). */
bool entry_equal(const struct entry *a, const struct entry *b);

/** Collects the chunks of one stream and writes its lists. */
struct stream_writer;
MUST_CHECK enum vv_rc stream_writer_new(struct repo *r, struct block_builder *b, bool fixed_size,
                                        struct stream_writer **ret, struct vv_error *err);
void stream_writer_free(struct stream_writer *s);
MUST_CHECK enum vv_rc stream_writer_add(struct stream_writer *s, const struct chunk_ref *ref,
                                        struct vv_error *err);
/** stream_writer_finish(s, arena, ret, err): root in ${arena}; ${s} is ready for another stream. */
MUST_CHECK enum vv_rc stream_writer_finish(struct stream_writer *s, struct vv_arena *arena,
                                           struct stream_root *ret, struct vv_error *err);
/** stream_write(r, b, kind, bytes, arena, ret, err): cut, hash and store a byte string at once. */
MUST_CHECK enum vv_rc stream_write(struct repo *r, struct block_builder *b, enum block_kind kind,
                                   struct vv_span bytes, struct vv_arena *arena,
                                   struct stream_root *ret, struct vv_error *err);

/** Yields the chunks of a stream in order. */
typedef enum vv_rc stream_chunk_fn(void *ctx, const struct chunk_ref *chunk, uint64_t offset,
                                   struct vv_error *err);
/** stream_each_chunk(c, root, fn, lost, ctx, err): ${lost} (may be NULL: then the error is
 * returned) is called with the byte range under a list that cannot be read, and the walk goes on.
 */
typedef enum vv_rc stream_lost_fn(void *ctx, uint64_t offset, uint64_t len,
                                  const struct vv_error *why, struct vv_error *err);
MUST_CHECK enum vv_rc stream_each_chunk(struct chunk_reader *c, const struct stream_root *root,
                                        stream_chunk_fn *fn, stream_lost_fn *lost, void *ctx,
                                        struct vv_error *err);
/** stream_each_list(c, root, fn, ctx, err): the ids of all lists (for closures).  ${fn} may return
 *  VV_EEXISTS for a list it has seen before, which is then not read: a hostile stream may refer to
 *  the same list any number of times. */
typedef enum vv_rc stream_list_fn(void *ctx, const struct vv_id *list, struct vv_error *err);
MUST_CHECK enum vv_rc stream_each_list(struct chunk_reader *c, const struct stream_root *root,
                                       stream_list_fn *fn, void *ctx, struct vv_error *err);
/** stream_read_all(c, root, limit, out, err): append the whole stream (for xattrs, extents). */
MUST_CHECK enum vv_rc stream_read_all(struct chunk_reader *c, const struct stream_root *root,
                                      uint64_t limit, struct vv_buf *out, struct vv_error *err);
/** entry_complete(c, e, arena, err): bring out-of-line xattrs and extents into the entry. */
MUST_CHECK enum vv_rc entry_complete(struct chunk_reader *c, struct entry *e,
                                     struct vv_arena *arena, struct vv_error *err);

#endif
