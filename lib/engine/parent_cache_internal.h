/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PARENT_CACHE_INTERNAL_H
#define VARVE_ENGINE_PARENT_CACHE_INTERNAL_H

#include "engine/backup_internal.h"

/*
 * The tree of a client's last snapshot in the local cache, for keys that cannot read it out of the
 * repository.  It lets a writer's backup be incremental: losing it costs one reading of everything,
 * and nothing is stored twice.
 *
 * File "<cache>/<repository>/parent-<client>-<16 digits of the sources>":
 *   "varve parent 1\n\0" | 16 random bytes | frames | u64 offset of the last frame
 * Frame: u32 length | envelope under the client's local key, purpose "parent", additional data the
 * random bytes and u64 number of the frame, from 0, the last one's 2^64 - 1.  Plaintext, as nodes were finished:
 *   u8 1, a leaf         | 32 B id | node (format/entry.h)
 *   u8 2, an inner node  | 32 B id
 *   u8 3, the last frame | uuid snapshot | snapshot body (format/snapshot.h)
 * Whatever is not right makes the file useless, never wrong: leaves are hashed again.
 */

/** Being written beside a run.  Failing is a warning, never more. */
struct parent_cache;
/** parent_cache_new(b, body, ret, err): *ret NULL if none is needed (the key can read) or possible.
 *  Removes what interrupted runs left. */
MUST_CHECK enum vv_rc parent_cache_new(struct backup *b, const struct snapshot_body *body,
                                       struct parent_cache **ret, struct vv_error *err);
/** parent_cache_node: a tree_stored_fn. */
MUST_CHECK enum vv_rc parent_cache_node(void *ctx, const struct vv_id *node, uint32_t height,
                                        struct vv_span bytes, struct vv_error *err);
/** parent_cache_finish(c, snapshot, body): it is committed: from now on this is the parent. */
void parent_cache_finish(struct parent_cache *c, const struct vv_uuid *snapshot,
                         const struct snapshot_body *body);
void parent_cache_free(struct parent_cache *c);

/** One that is there. */
struct parent_reader;
/** parent_readers_find(b, err): of the cached ones whose snapshot is in b->list, take the bodies
 *  into the list, so that a parent can be chosen. */
MUST_CHECK enum vv_rc parent_readers_find(struct backup *b, struct vv_error *err);
/** parent_reader_open(b, ret, err): that of b->parent; VV_ENOTFOUND. */
MUST_CHECK enum vv_rc parent_reader_open(struct backup *b, struct parent_reader **ret,
                                         struct vv_error *err);
void parent_reader_free(struct parent_reader *p);
/** parent_reader_next(p, ret, err): the next entry, NULL at the end or where it is damaged; valid
 *  until the next call.  ${fn} of parent_reader_on_node is told every node. */
MUST_CHECK enum vv_rc parent_reader_next(struct parent_reader *p, const struct entry **ret,
                                         struct vv_error *err);
void parent_reader_on_node(struct parent_reader *p, tree_node_fn *fn, void *ctx);
/** parent_find(b, path, arena, ret, err): one entry of b->parent's tree, from the repository or, if
 *  the key cannot read that, from the cache; VV_ENOTFOUND. */
MUST_CHECK enum vv_rc parent_find(struct backup *b, struct vv_span path, struct vv_arena *arena,
                                  struct entry *ret, struct vv_error *err);

/* Shared by parent_cache.c and parent_reader.c. */
#define PARENT_MAGIC "varve parent 1\n"
#define PARENT_MAGIC_LEN 16u
#define PARENT_HEAD_LEN (PARENT_MAGIC_LEN + 16u)
#define PARENT_PURPOSE "parent"
#define PARENT_FRAME_LIMIT (LIMIT_NODE + 4096u)
#define PARENT_LAST_FRAME UINT64_MAX
enum parent_frame { PARENT_LEAF = 1, PARENT_INNER = 2, PARENT_END = 3 };
/** parent_prefix(b, out): "parent-<client>-", names of this client's files begin so. */
void parent_prefix(struct backup *b, char out[64]);
/** parent_aad(nonce, number, out): additional data of a frame. */
void parent_aad(const uint8_t nonce[16], uint64_t number, uint8_t out[24]);

#endif
