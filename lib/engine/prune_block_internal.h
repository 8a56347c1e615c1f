/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PRUNE_BLOCK_INTERNAL_H
#define VARVE_ENGINE_PRUNE_BLOCK_INTERNAL_H

#include "crypto/hash.h"
#include "engine/prune_internal.h"
#include "repo/block_proof.h"
#include "repo/pack_reader.h"

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

/** prune_block_read(round, reader, pack, d, number, b, err): read block ${number} of pack number
 *  ${pack}, which ${d} describes: authenticated, decompressed, hashed.  ${b} is zeroed or was read into
 *  before; rc and err in it are the caller's. */
MUST_CHECK enum vv_rc prune_block_read(const struct prune_round *round, struct pack_reader *reader,
                                       size_t pack, const struct pack_directory *d, uint32_t number,
                                       struct prune_block *b, struct vv_error *err);
void prune_block_release(struct prune_block *b);

#endif
