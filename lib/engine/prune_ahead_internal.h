/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PRUNE_AHEAD_INTERNAL_H
#define VARVE_ENGINE_PRUNE_AHEAD_INTERNAL_H

#include "engine/prune_block_internal.h"

/*
 * Reading condemned packs while what was read before is stored.  Threads read, decode and hash blocks
 * that probably have to be copied, several at a time; whoever copies takes them in the order of the
 * packs and their blocks, and reads by itself what was not foreseen.  What is copied, and into which
 * pack, does not depend on the threads.
 */
struct prune_ahead;

/** prune_ahead_new(round, keys, what, ret, err): ${round} was surveyed; its victims, packs, marks and
 *  standing do not change until it is freed. */
enum prune_ahead_what { PRUNE_AHEAD_DIRECTORIES, PRUNE_AHEAD_BLOCKS };
MUST_CHECK enum vv_rc prune_ahead_new(struct prune_round *round, struct pack_keys *keys,
                                      enum prune_ahead_what what, struct prune_ahead **ret,
                                      struct vv_error *err);
void prune_ahead_free(struct prune_ahead *a);
/** prune_ahead_open(a, pack, ret, err): the directory of the next victim, borrowed until it is
 *  closed; every victim is opened and closed, in order. */
MUST_CHECK enum vv_rc prune_ahead_open(struct prune_ahead *a, size_t pack,
                                       const struct pack_directory **ret, struct vv_error *err);
void prune_ahead_close(struct prune_ahead *a);
/** prune_ahead_block(a, d, number, ret, err): a block of the open pack, which ${d} describes, with
 *  its chunks' ids; borrowed until the next call.  Numbers ascend.  Fails as reading it did. */
MUST_CHECK enum vv_rc prune_ahead_block(struct prune_ahead *a, const struct pack_directory *d,
                                        uint32_t number, const struct prune_block **ret,
                                        struct vv_error *err);

#endif
