/* SPDX-License-Identifier: BSD-2-Clause */
#include "repo/block_proof.h"

#include <string.h>

#include "core/fast_hash.h"

static uint64_t
sum_of_entries(const struct pack_block *block, const struct pack_chunk *chunks)
{
    const uint32_t facts[4] = {block->kind, block->flags, block->plain_len, block->chunk_count};
    uint64_t sum = vv_hash64(facts, sizeof(facts), 0);

    for (uint32_t i = 0; i < block->chunk_count; i++) {
        const uint32_t lengths[2] = {chunks[i].type, chunks[i].len};
        sum = vv_hash64(chunks[i].id.b, sizeof(chunks[i].id.b), sum);
        sum = vv_hash64(lengths, sizeof(lengths), sum);
    }
    return sum;
}

void
block_proof_content(struct block_proof *p, struct vv_span content)
{
    vv_hash128(content.data, content.len, p->content);
}

void
block_proof_entries(struct block_proof *p, const struct pack_block *block,
                    const struct pack_chunk *chunks)
{
    p->entries = sum_of_entries(block, chunks);
    p->given = true;
}

bool
block_proof_holds(const struct block_proof *p, const struct pack_block *block,
                  const struct pack_chunk *chunks, struct vv_span content)
{
    uint8_t found[16];

    vv_hash128(content.data, content.len, found);
    return memcmp(found, p->content, sizeof(found)) == 0 &&
           sum_of_entries(block, chunks) == p->entries;
}
