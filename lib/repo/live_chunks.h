/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_LIVE_CHUNKS_H
#define VARVE_REPO_LIVE_CHUNKS_H

#include "format/common.h"

/*
 * The chunks something refers to: collected in any order and as often as they are met, then handed
 * out once each in ascending order.  Sorted outside memory: what does not fit the given memory goes
 * to an unnamed temporary file in sorted runs.
 *
 * Only the first 16 bytes of an id are kept.  A chunk that shares them with a live one is taken for
 * live; that way round nothing is lost.
 */
struct live_chunks;

/** The first 16 bytes of an id as two big-endian numbers, so that keys sort like ids. */
struct live_key {
    uint64_t high;
    uint64_t low;
};
struct live_key live_key_of(const struct vv_id *id);
int live_key_compare(const struct live_key *a, const struct live_key *b);

/** live_chunks_new(temp_dir, memory, ret, err): ${memory} bytes at most are used for sorting, and
 *  as much again while the chunks are handed out; and 1 MiB to pass over what was added before. */
MUST_CHECK enum vv_rc live_chunks_new(const char *temp_dir, size_t memory, struct live_chunks **ret,
                                      struct vv_error *err);
void live_chunks_free(struct live_chunks *l);
VV_DEFINE_CLEANUP(struct live_chunks, live_chunks_free);

MUST_CHECK enum vv_rc live_chunks_add(struct live_chunks *l, const struct vv_id *id,
                                      struct vv_error *err);

/** live_chunks_each(l, fn, ctx, err): every key once, ascending.  More may be added afterwards, and
 *  all be handed out again. */
typedef enum vv_rc live_chunks_fn(void *ctx, const struct live_key *key, struct vv_error *err);
MUST_CHECK enum vv_rc live_chunks_each(struct live_chunks *l, live_chunks_fn *fn, void *ctx,
                                       struct vv_error *err);
/** live_chunks_spilled(l): bytes in the temporary file. */
uint64_t live_chunks_spilled(const struct live_chunks *l);

#endif
