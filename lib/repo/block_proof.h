/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_BLOCK_PROOF_H
#define VARVE_REPO_BLOCK_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "format/pack.h"

/*
 * How a block that moves from pack to pack as it is gets checked only once.  When it is read it is
 * decoded and its chunks' ids are recomputed; when the pack it went into is looked at before it is
 * published (P3), its encrypted bytes have to decrypt to what was decoded then, and the directory has
 * to say of it what was compared with those ids.
 *
 * M1  the sum of the content is taken before it is decoded, that of the entries before the ids are
 *     compared: a bit that flips later, or between the two, is found by one or the other.
 * M2  the sums are against faults of machines, not against anybody: they never leave the process.
 */
struct block_proof {
    uint8_t content[16];
    uint64_t entries;
    bool given; /* false: the block is decoded once more */
};

/** block_proof_content(p, content): of what was encrypted, before it is decoded. */
void block_proof_content(struct block_proof *p, struct vv_span content);
/** block_proof_entries(p, block, chunks): of what a directory says of the block but for its place;
 *  ${chunks} are its own. */
void block_proof_entries(struct block_proof *p, const struct pack_block *block,
                         const struct pack_chunk *chunks);
/** block_proof_holds(p, block, chunks, content): are these the same? */
bool block_proof_holds(const struct block_proof *p, const struct pack_block *block,
                       const struct pack_chunk *chunks, struct vv_span content);

#endif
