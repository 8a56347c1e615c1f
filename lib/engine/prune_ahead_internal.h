/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PRUNE_AHEAD_INTERNAL_H
#define VARVE_ENGINE_PRUNE_AHEAD_INTERNAL_H

#include "engine/prune_internal.h"
#include "repo/pack_reader.h"

/*
 * Reading condemned packs, in the order of their list, while what was read before is stored.  One
 * thread reads, decodes and hashes blocks that probably have to be copied; whoever copies takes them
 * in order, and reads by itself what was not foreseen.  What is copied, and into which pack, does
 * not depend on the thread.
 */
struct prune_ahead;

/** A block of a condemned pack, as the storage gave it in this run. */
struct prune_block {
    enum vv_rc rc; /* of reading and authenticating it */
    struct vv_error err;
    struct vv_buf plain;    /* its chunks, one behind the other */
    struct vv_buf frame;    /* its zstd frame, unless it was stored without compression */
    struct vv_span content; /* what was encrypted: one of both */
    struct block_proof proof;
    struct hash_job *jobs; /* by chunk: their recomputed ids */
    uint32_t job_room;
};

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
